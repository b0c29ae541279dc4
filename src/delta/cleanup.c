/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a log is no longer needed (protocol, "Metadata Cleanup").
 *
 *  L1 The newest commit that is older than the retention, and everything after it, can be read: the newest checkpoint
 *     that is not newer than that commit stays, with its own commit, and all that follows. Without such a checkpoint
 *     nothing goes.
 *  L2 Compactions go first, then the rest from the oldest version to the newest: whenever it ends, what is left is the
 *     end of a log.
 *  L3 Sidecars go that no checkpoint names which is still there, unless they are young: somebody may be about to name
 *     them.
 *  L4 Times are those of time travel (in-commit timestamps, or files' times made to grow), cut to midnight; what is
 *     younger than a day never goes, since a transaction may rest on it.
 *  L5 Who does not know a feature of the table does not know what its log is for: nothing is done.
 */
#include "base/time.h"
#include "delta/delta_internal.h"

#define DAY_US ((int64_t)24 * 3600 * 1000000)

typedef struct cleaning {
  const shoal_delta_table *table;
  shoal_arena arena;
  shoal_log log;
  shoal_error *err;
} cleaning;

static bool is_wanted(const shoal_delta_snapshot *s) {
  const unsigned able = SHOAL_DELTA_APPENDS | SHOAL_DELTA_STAMPS | SHOAL_DELTA_MAPS | SHOAL_DELTA_COPIES;
  shoal_str on = shoal_delta_config(&s->metadata, "delta.enableExpiredLogCleanup");
  return !shoal_str_ieq(on, SHOAL_STR("false")) && shoal_delta_log_retention(&s->metadata) >= 0 &&
         !shoal_delta_has_feature(&s->protocol, "checkpointProtection") &&
         shoal_delta_check_write(&s->protocol, &s->metadata, able, NULL) == SHOAL_OK;
}

static int64_t midnight(int64_t us) { return us - (us % DAY_US + DAY_US) % DAY_US; }

/* L1: the checkpoint before which all goes; n 0: there is none. */
static shoal_status find_checkpoint(cleaning *c, const shoal_delta_snapshot *s, size_t *first, size_t *n) {
  int64_t now = shoal_time_now(), kept = shoal_delta_log_retention(&s->metadata), version;
  int64_t before = kept > now / 1000 ? INT64_MIN / 2 : midnight(now - kept * 1000);
  before = before < now - DAY_US ? before : now - DAY_US;
  *n = 0;
  shoal_error none = {0};
  shoal_status status = shoal_delta_version_at(c->table, before, &version, &none);
  if (status == SHOAL_ENOTFOUND)
    return SHOAL_OK;
  if (status < 0) {
    if (c->err)
      *c->err = none;
    return status;
  }
  SHOAL_TRY(shoal_delta_log_list(c->table, 0, &c->arena, &c->log, c->err));
  shoal_delta_log_checkpoint(&c->log, version, first, n);
  return SHOAL_OK;
}

/* What a checkpoint itself holds, but for files; it can be read. */
static shoal_status read_few(cleaning *c, size_t first, size_t n, shoal_replay *r) {
  *r = (shoal_replay){.tip = true};
  return shoal_delta_checkpoint_read(c->table, &c->log.files[first], n, &c->arena, r, c->err);
}

/* That the log goes on from the checkpoint without a hole. */
static bool goes_on(const cleaning *c, int64_t version) {
  for (size_t i = 0; i < c->log.n; i++)
    if (c->log.files[i].kind == SHOAL_LOG_COMMIT && c->log.files[i].version == version + 1)
      version++;
  return version == shoal_delta_log_latest(&c->log);
}

/* L2. */
static shoal_status delete_before(cleaning *c, int64_t version) {
  size_t checksum = 0;
  shoal_store *store = c->table->store;
  for (size_t i = 0; i < c->log.n_compacted; i++)
    if (c->log.compacted[i].from <= version)
      SHOAL_TRY(shoal_store_del(store, c->log.compacted[i].object.key, c->err));
  for (size_t i = 0; i < c->log.n && c->log.files[i].version < version; i++) {
    for (; checksum < c->log.n_checksums && c->log.checksums[checksum].version < c->log.files[i].version; checksum++)
      SHOAL_TRY(shoal_store_del(store, c->log.checksums[checksum].object.key, c->err));
    SHOAL_TRY(shoal_store_del(store, c->log.files[i].object.key, c->err));
  }
  for (; checksum < c->log.n_checksums && c->log.checksums[checksum].version < version; checksum++)
    SHOAL_TRY(shoal_store_del(store, c->log.checksums[checksum].object.key, c->err));
  return SHOAL_OK;
}

/* ---- sidecars ---- */

static shoal_status protect(cleaning *c, size_t first, size_t n, shoal_map *named) {
  shoal_replay r;
  shoal_status status = read_few(c, first, n, &r);
  for (size_t i = 0; status == SHOAL_OK && i < r.sidecars.len; i++) {
    shoal_str key;
    status = shoal_delta_sidecar_key(c->table, r.sidecars.ptr[i].id, &c->arena, &key, c->err);
    if (status == SHOAL_OK)
      status = shoal_map_put(named, key, 1, c->err);
  }
  shoal_replay_dispose(&r);
  return status;
}

/* L3. The sidecars are listed before the checkpoints: what is named in between is young. */
static shoal_status delete_sidecars(cleaning *c) {
  shoal_object *objects;
  size_t n;
  shoal_map named = {0};
  int64_t before = midnight(shoal_time_now()) - DAY_US;
  shoal_str folder = shoal_delta_key(c->table, &c->arena, "_delta_log/_sidecars/");
  if (!folder.ptr)
    return shoal_fail_nomem(c->err);
  SHOAL_TRY(shoal_store_list(c->table->store, folder, SHOAL_STR_NONE, true, 0, &c->arena, &objects, &n, c->err));
  if (n == 0)
    return SHOAL_OK;
  shoal_status status = shoal_delta_log_list(c->table, 0, &c->arena, &c->log, c->err);
  for (size_t i = 0; status == SHOAL_OK && i < c->log.n; i++)
    if (c->log.files[i].kind == SHOAL_LOG_V2 || c->log.files[i].kind == SHOAL_LOG_CHECKPOINT)
      status = protect(c, i, 1, &named);
  for (size_t i = 0; status == SHOAL_OK && i < n; i++)
    if (!objects[i].folder && objects[i].modified_us < before &&
        shoal_map_get(&named, objects[i].key) == SHOAL_MAP_NONE)
      status = shoal_store_del(c->table->store, objects[i].key, c->err);
  shoal_map_dispose(&named);
  return status;
}

/* A table that was made within the last day has nothing that may go: mostly nothing more need be known. */
static shoal_status is_young(const shoal_delta_table *table, bool *out, shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_object first = {0};
  shoal_str key = shoal_delta_key(table, &scratch, "_delta_log/%020d.json", 0);
  shoal_status status = key.ptr ? shoal_store_head(table->store, key, &first, err) : shoal_fail_nomem(err);
  *out = status == SHOAL_OK && first.modified_us >= shoal_time_now() - DAY_US;
  shoal_arena_dispose(&scratch);
  return status == SHOAL_ENOTFOUND ? SHOAL_OK : status;
}

static shoal_status clean(cleaning *c, const shoal_delta_snapshot *s) {
  size_t first, n;
  SHOAL_TRY(find_checkpoint(c, s, &first, &n));
  if (n == 0)
    return SHOAL_OK;
  int64_t version = c->log.files[first].version;
  shoal_replay r;
  shoal_status status = read_few(c, first, n, &r);
  bool whole = status == SHOAL_OK && r.metadata.ptr && r.protocol.ptr && goes_on(c, version);
  shoal_replay_dispose(&r);
  if (status == SHOAL_OK && whole)
    status = delete_before(c, version);
  return status == SHOAL_OK && whole ? delete_sidecars(c) : status;
}

shoal_status shoal_delta_clean_log(const shoal_delta_table *table, shoal_error *err) {
  cleaning c = {.table = table, .err = err};
  shoal_delta_snapshot *s = NULL;
  bool young = true;
  if (table->get_engine)
    SHOAL_TRY(is_young(table, &young, err));
  if (young)
    return SHOAL_OK;
  shoal_status status = shoal_delta_tip_open(table, SHOAL_DELTA_LATEST, &s, err);
  if (status == SHOAL_OK && is_wanted(s))
    status = clean(&c, s);
  shoal_delta_snapshot_free(s);
  shoal_arena_dispose(&c.arena);
  return status;
}
