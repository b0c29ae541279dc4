/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: the newest complete checkpoint that is not too new, then every commit after it. A log with a hole is
 * refused: what the missing commit did can't be guessed. A newer snapshot made from an older one shares its memory by
 * segments, one for each load; after MAX_SEGMENTS of them the state is read anew, which sheds the files long gone.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "delta/delta_internal.h"

#define MAX_SEGMENTS 32 /* the memory of dead files is bounded by so many updates */
#define TIP_FROM (64u << 10)

struct shoal_segment {
  atomic_uint refs;
  shoal_arena arena;
};

static shoal_segment *segment_new(void) {
  shoal_segment *s = shoal_calloc(1, sizeof *s);
  if (s)
    atomic_init(&s->refs, 1);
  return s;
}

static void segment_release(shoal_segment *s) {
  if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
    return;
  shoal_arena_dispose(&s->arena);
  shoal_free(s);
}

void shoal_delta_snapshot_free(shoal_delta_snapshot *s) {
  if (!s)
    return;
  for (size_t i = 0; i < s->segments.len; i++)
    segment_release(s->segments.ptr[i]);
  shoal_vec_dispose(&s->segments);
  shoal_vec_dispose(&s->txns);
  shoal_vec_dispose(&s->domains);
  shoal_free(s->tombstones);
  shoal_free(s->keys);
  shoal_free(s->files);
  shoal_free(s);
}

/* --- from replay to snapshot --- */

static bool alloc_files(const shoal_replay *r, shoal_delta_snapshot *s) {
  size_t live = 0;
  for (size_t i = 0; i < r->files.len; i++)
    live += r->files.ptr[i].live;
  s->files = shoal_calloc(live + 1, sizeof *s->files);
  s->keys = shoal_calloc(live + 1, sizeof *s->keys);
  s->tombstones = shoal_calloc(r->files.len - live + 1, sizeof *s->tombstones);
  return s->files && s->keys && s->tombstones;
}

static void split_files(const shoal_replay *r, shoal_delta_snapshot *s) {
  for (size_t i = 0; i < r->files.len; i++) {
    const shoal_replay_file *f = &r->files.ptr[i];
    if (!f->live) {
      s->tombstones[s->n_tombstones++] = *f;
      continue;
    }
    s->keys[s->n_files] = f->key;
    s->files[s->n_files++] = f->file;
  }
}

/* Adds a reference to each of the base's segments, then takes over the new one. */
static bool adopt_segments(shoal_delta_snapshot *s, const shoal_delta_snapshot *base, shoal_segment *segment) {
  for (size_t i = 0; base && i < base->segments.len; i++) {
    shoal_segment **slot = shoal_vec_add(&s->segments);
    if (!slot)
      return false;
    atomic_fetch_add(&base->segments.ptr[i]->refs, 1);
    *slot = base->segments.ptr[i];
  }
  shoal_segment **slot = shoal_vec_add(&s->segments);
  if (!slot)
    return false;
  atomic_fetch_add(&segment->refs, 1);
  *slot = segment;
  return true;
}

shoal_status shoal_delta_understand(shoal_str protocol_raw, shoal_str metadata_raw, shoal_arena *arena,
                                    shoal_delta_protocol *protocol, shoal_delta_metadata *metadata, shoal_error *err) {
  if (!protocol_raw.ptr)
    return shoal_fail(err, SHOAL_ECORRUPT, "the table's log has no protocol");
  if (!metadata_raw.ptr)
    return shoal_fail(err, SHOAL_ECORRUPT, "the table's log has no metadata");
  SHOAL_TRY(shoal_delta_protocol_parse(protocol_raw, arena, protocol, err));
  SHOAL_TRY(shoal_delta_protocol_check(protocol, err));
  return shoal_delta_metadata_parse(metadata_raw, arena, metadata, err);
}

static shoal_status finish(shoal_replay *r, int64_t version, const shoal_delta_snapshot *base, shoal_segment *segment,
                           shoal_delta_snapshot **out, shoal_error *err) {
  shoal_delta_snapshot *s = shoal_calloc(1, sizeof *s);
  if (!s)
    return shoal_fail_nomem(err);
  s->version = version;
  s->metadata_raw = r->metadata;
  s->protocol_raw = r->protocol;
  shoal_status status = SHOAL_OK;
  if (!alloc_files(r, s) || !adopt_segments(s, base, segment))
    status = shoal_fail_nomem(err);
  if (status == SHOAL_OK)
    status = shoal_delta_understand(s->protocol_raw, s->metadata_raw, &segment->arena, &s->protocol, &s->metadata, err);
  if (status < 0) {
    shoal_delta_snapshot_free(s);
    return status;
  }
  split_files(r, s);
  s->below = r->below;
  s->n_below = r->n_below;
  s->txns = r->txns;
  s->domains = r->domains;
  memset(&r->txns, 0, sizeof r->txns);
  memset(&r->domains, 0, sizeof r->domains);
  *out = s;
  return SHOAL_OK;
}

/* --- loading --- */

const char *shoal_delta_base_name(shoal_str key) {
  const char *slash = strrchr(key.ptr, '/');
  return slash ? slash + 1 : key.ptr;
}

shoal_status shoal_delta_log_get(const shoal_delta_table *table, shoal_str key, shoal_buf *out, shoal_error *err) {
  shoal_status status = shoal_store_get(table->store, key, out, err);
  if (status == SHOAL_ENOTFOUND) /* cleaned away since the listing; the table is there */
    status = shoal_fail(err, SHOAL_ECORRUPT, "%.*s is missing", SHOAL_FMT(key));
  return status;
}

static shoal_status load_commit(const shoal_delta_table *table, const shoal_log_file *file, shoal_replay *r,
                                shoal_arena *arena, shoal_error *err) {
  shoal_buf text = {0};
  shoal_status status = shoal_delta_log_get(table, file->object.key, &text, err);
  if (status == SHOAL_OK)
    status = shoal_replay_commit(r, shoal_buf_str(&text), shoal_delta_base_name(file->object.key), arena, err);
  shoal_buf_dispose(&text);
  return status;
}

/* The commits after `have` up to `version`, none missing. */
static shoal_status load_commits(const shoal_delta_table *table, const shoal_log *log, int64_t have, int64_t version,
                                 shoal_replay *r, shoal_arena *arena, shoal_error *err) {
  for (size_t i = 0; i < log->n && have < version; i++) {
    const shoal_log_file *f = &log->files[i];
    if (f->kind != SHOAL_LOG_COMMIT || f->version <= have)
      continue;
    if (f->version != have + 1)
      break;
    SHOAL_TRY(load_commit(table, f, r, arena, err));
    have++;
  }
  if (have == version)
    return SHOAL_OK;
  return shoal_fail(err, SHOAL_ECORRUPT, "the table's log has a hole: _delta_log/%020lld.json is missing",
                    (long long)have + 1);
}

static bool commits_from_zero(const shoal_log *log, int64_t version) {
  int64_t next = 0;
  for (size_t i = 0; i < log->n && next <= version; i++)
    next += log->files[i].kind == SHOAL_LOG_COMMIT && log->files[i].version == next;
  return next == version + 1;
}

/* A small one is read at once. */
static bool is_large(const shoal_delta_table *table, const shoal_log_file *files, size_t n) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < n; i++)
    bytes += files[i].object.size;
  return files[0].kind == SHOAL_LOG_V2 || bytes >= (table->tip_from ? table->tip_from : TIP_FROM);
}

/* Reads the newest checkpoint before `end` (an index into the log), if there is one. *have is its version or -1, *at
   where it stands. */
static shoal_status load_checkpoint(const shoal_delta_table *table, const shoal_log *log, size_t end, int64_t version,
                                    shoal_replay *r, shoal_arena *arena, size_t *at, int64_t *have, shoal_error *err) {
  const shoal_log before = {.files = log->files, .n = end};
  size_t n;
  *have = -1;
  shoal_delta_log_checkpoint(&before, version, at, &n);
  if (n == 0 || (commits_from_zero(log, version) && !table->get_engine))
    return SHOAL_OK;
  r->tip = r->tip && is_large(table, &log->files[*at], n);
  SHOAL_TRY(shoal_delta_checkpoint_read(table, &log->files[*at], n, arena, r, err));
  *have = log->files[*at].version;
  return SHOAL_OK;
}

static size_t position_of(const shoal_log *log, shoal_str key) {
  size_t i = 0;
  while (i < log->n && !shoal_str_eq(log->files[i].object.key, key))
    i++;
  return i;
}

/* From the newest checkpoint, or, where that is broken, from an older one or from the commits alone. If no way leads to
   the version, the first failure says why. */
static shoal_status load(const shoal_delta_table *table, shoal_log *log, int64_t version, shoal_replay *r,
                         shoal_arena *arena, shoal_arena *scratch, shoal_error *err) {
  shoal_error first = {0}, why = {0};
  size_t at;
  int64_t have;
  shoal_status status = load_checkpoint(table, log, log->n, version, r, arena, &at, &have, &why);
  while (shoal_delta_log_broken(status)) {
    shoal_str broken = log->files[at].object.key;
    if (first.status == SHOAL_OK) {
      first = why;
      SHOAL_TRY(shoal_delta_log_list(table, 0, scratch, log, err)); /* there may be more before it */
    }
    bool head = r->head, tip = r->tip;
    shoal_replay_dispose(r);
    *r = (shoal_replay){.head = head, .tip = tip};
    status = load_checkpoint(table, log, position_of(log, broken), version, r, arena, &at, &have, &why);
  }
  if (status == SHOAL_OK)
    status = load_commits(table, log, have, version, r, arena, &why);
  if (status < 0 && err)
    *err = first.status < 0 ? first : why;
  return status < 0 && first.status < 0 ? first.status : status;
}

/* A copy of the base's state to replay on; keys and texts stay in the base's segments. */
static shoal_status resume(const shoal_delta_snapshot *base, shoal_replay *r, shoal_error *err) {
  r->metadata = base->metadata_raw;
  r->protocol = base->protocol_raw;
  shoal_status status = SHOAL_OK;
  for (size_t i = 0; i < base->n_files && status == SHOAL_OK; i++) {
    shoal_action a = {.kind = SHOAL_ACTION_ADD, .key = base->keys[i], .file = base->files[i]};
    status = shoal_replay_apply(r, &a, err);
  }
  for (size_t i = 0; i < base->n_tombstones && status == SHOAL_OK; i++) {
    const shoal_replay_file *t = &base->tombstones[i];
    shoal_action a = {.kind = SHOAL_ACTION_REMOVE, .key = t->key, .file = t->file, .deleted_ms = t->deleted_ms};
    status = shoal_replay_apply(r, &a, err);
  }
  for (size_t i = 0; i < base->txns.len + base->domains.len && status == SHOAL_OK; i++) {
    bool txn = i < base->txns.len;
    const shoal_replay_named *named = txn ? &base->txns.ptr[i] : &base->domains.ptr[i - base->txns.len];
    shoal_action a = {.kind = txn ? SHOAL_ACTION_TXN : SHOAL_ACTION_DOMAIN,
                      .id = named->id,
                      .raw = named->raw,
                      .version = named->version,
                      .removed = named->removed};
    status = shoal_replay_apply(r, &a, err);
  }
  return status;
}

/* Version 0 needs no look at what else is there: nothing comes before it. SHOAL_ENOTFOUND: its commit is gone. */
static shoal_status load_first(const shoal_delta_table *table, shoal_replay *r, shoal_arena *arena, shoal_error *err) {
  shoal_buf text = {0};
  shoal_str key = shoal_delta_key(table, arena, "_delta_log/%020d.json", 0);
  shoal_status status = key.ptr ? shoal_store_get(table->store, key, &text, err) : shoal_fail_nomem(err);
  if (status == SHOAL_OK)
    status = shoal_replay_commit(r, shoal_buf_str(&text), shoal_delta_base_name(key), arena, err);
  shoal_buf_dispose(&text);
  return status;
}

/* What a head has, in memory of its own: there is little of it. */
static shoal_status resume_head(const shoal_delta_snapshot *base, shoal_replay *r, shoal_arena *arena,
                                shoal_error *err) {
  SHOAL_TRY(resume(base, r, err));
  r->metadata = shoal_arena_str(arena, r->metadata);
  r->protocol = shoal_arena_str(arena, r->protocol);
  if (!r->metadata.ptr || !r->protocol.ptr)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < r->txns.len + r->domains.len; i++) {
    shoal_replay_named *n = i < r->txns.len ? &r->txns.ptr[i] : &r->domains.ptr[i - r->txns.len];
    n->id = shoal_arena_str(arena, n->id);
    n->raw = shoal_arena_str(arena, n->raw);
    if (!n->id.ptr || !n->raw.ptr)
      return shoal_fail_nomem(err);
  }
  shoal_map_dispose(&r->txns_map); /* their keys stay behind */
  shoal_map_dispose(&r->domains_map);
  for (size_t i = 0; i < r->txns.len; i++)
    SHOAL_TRY(shoal_map_put(&r->txns_map, r->txns.ptr[i].id, (uint32_t)i, err));
  for (size_t i = 0; i < r->domains.len; i++)
    SHOAL_TRY(shoal_map_put(&r->domains_map, r->domains.ptr[i].id, (uint32_t)i, err));
  return SHOAL_OK;
}

typedef enum part { WHOLE, HEAD /* nothing of its files */, TIP } part;

/* Loads `version` (or the latest) on top of `base`, which may be NULL. */
static shoal_status open_on(const shoal_delta_table *table, int64_t version, const shoal_delta_snapshot *base,
                            part which, shoal_delta_snapshot **out, shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_replay r = {.head = which == HEAD, .tip = which == TIP};
  shoal_log log;
  shoal_status status = SHOAL_OK;
  shoal_segment *segment = segment_new();
  if (!segment)
    return shoal_fail_nomem(err);
  if (!base && version == 0) {
    status = load_first(table, &r, &segment->arena, err);
    if (status == SHOAL_OK)
      status = finish(&r, 0, NULL, segment, out, err);
    if (status != SHOAL_ENOTFOUND)
      goto out;
  }
  status = base ? shoal_delta_log_list(table, base->version, &scratch, &log, err)
                : shoal_delta_log_find(table, version, &scratch, &log, err);
  if (status < 0)
    goto out;
  int64_t latest = shoal_delta_log_latest(&log), target = version < 0 ? latest : version;
  if (latest < 0 || target > latest || (base && target < base->version)) {
    status = shoal_delta_log_missing(table, &log, version, err);
    goto out;
  }
  if (!base && (status = shoal_delta_log_reaches(&log, target, err)) < 0)
    goto out;
  if (base)
    status = resume(base, &r, err);
  if (status == SHOAL_OK)
    status = base ? load_commits(table, &log, base->version, target, &r, &segment->arena, err)
                  : load(table, &log, target, &r, &segment->arena, &scratch, err);
  if (status == SHOAL_OK)
    status = finish(&r, target, base, segment, out, err);
out:
  shoal_replay_dispose(&r);
  shoal_arena_dispose(&scratch);
  segment_release(segment);
  return status;
}

shoal_status shoal_delta_snapshot_open(const shoal_delta_table *table, int64_t version, shoal_delta_snapshot **out,
                                       shoal_error *err) {
  *out = NULL;
  return open_on(table, version, NULL, WHOLE, out, err);
}

shoal_status shoal_delta_tip_open(const shoal_delta_table *table, int64_t version, shoal_delta_snapshot **out,
                                  shoal_error *err) {
  *out = NULL;
  return open_on(table, version, NULL, TIP, out, err);
}

shoal_arena *shoal_delta_snapshot_arena(shoal_delta_snapshot *s) {
  return &s->segments.ptr[s->segments.len - 1]->arena;
}

shoal_status shoal_delta_snapshot_update(const shoal_delta_table *table, const shoal_delta_snapshot *base,
                                         shoal_delta_snapshot **out, shoal_error *err) {
  *out = NULL;
  if (base->segments.len >= MAX_SEGMENTS)
    return open_on(table, SHOAL_DELTA_LATEST, NULL, WHOLE, out, err);
  shoal_status status = open_on(table, SHOAL_DELTA_LATEST, base, WHOLE, out, err);
  /* The commits between may have been cleaned away after a checkpoint: then that is where to start. */
  if (status == SHOAL_ECORRUPT)
    status = open_on(table, SHOAL_DELTA_LATEST, NULL, WHOLE, out, err);
  return status;
}

/* --- heads --- */

static shoal_status head_commit(const shoal_delta_table *table, int64_t version, shoal_arena *arena, shoal_str *key,
                                shoal_object *out, shoal_error *err) {
  *key = shoal_delta_key(table, arena, "_delta_log/%020lld.json", (long long)version);
  return key->ptr ? shoal_store_head(table->store, *key, out, err) : shoal_fail_nomem(err);
}

/* A head's latest commit, to tell whether the table is still the same one. What is not there tells nothing. */
static shoal_status mark_head(const shoal_delta_table *table, shoal_delta_snapshot *s, shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_str key;
  shoal_object commit = {0};
  shoal_status status = head_commit(table, s->version, &scratch, &key, &commit, err);
  s->commit = (shoal_object){.size = commit.size, .modified_us = commit.modified_us};
  shoal_arena_dispose(&scratch);
  return status == SHOAL_ENOTFOUND ? SHOAL_OK : status;
}

/* Commits after a head, asked for one by one: no log is listed. *version: the last there is. As long as the head's own
   commit is there, none after it has been cleaned away. SHOAL_DONE: it is not, or it is another table's by now. */
static shoal_status follow(const shoal_delta_table *table, const shoal_delta_snapshot *base, shoal_replay *r,
                           shoal_arena *arena, int64_t *version, shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_str key;
  shoal_object is = {0};
  *version = base->version;
  shoal_status status = head_commit(table, base->version, &scratch, &key, &is, err);
  if (status == SHOAL_ENOTFOUND || is.size != base->commit.size || is.modified_us != base->commit.modified_us)
    status = status < 0 && status != SHOAL_ENOTFOUND ? status : SHOAL_DONE;
  while (status == SHOAL_OK) {
    shoal_log_file next = {.kind = SHOAL_LOG_COMMIT, .version = *version + 1};
    status = head_commit(table, next.version, &scratch, &next.object.key, &is, err);
    if (status == SHOAL_OK && next.version == base->version + 1)
      status = resume_head(base, r, arena, err);
    if (status == SHOAL_OK)
      status = load_commit(table, &next, r, arena, err);
    if (status == SHOAL_OK)
      *version = next.version;
  }
  shoal_arena_dispose(&scratch);
  if (status != SHOAL_ENOTFOUND)
    return status;
  if (err)
    *err = (shoal_error){0};
  return SHOAL_OK;
}

/* The head that is kept, brought up to date. SHOAL_DONE: it is of no use. */
static shoal_status update_head(const shoal_delta_table *table, shoal_error *err) {
  shoal_delta_snapshot *base = *table->head, *now = NULL;
  shoal_replay r = {.head = true};
  int64_t version;
  shoal_segment *segment = segment_new();
  if (!segment)
    return shoal_fail_nomem(err);
  shoal_status status = follow(table, base, &r, &segment->arena, &version, err);
  bool stands = status == SHOAL_OK && version == base->version;
  if (status == SHOAL_OK && !stands)
    status = finish(&r, version, NULL, segment, &now, err);
  if (status == SHOAL_OK && !stands)
    status = mark_head(table, now, err);
  shoal_replay_dispose(&r);
  segment_release(segment);
  if (stands)
    return SHOAL_OK;
  shoal_delta_snapshot_free(base);
  *table->head = status == SHOAL_OK ? now : NULL;
  if (status != SHOAL_OK)
    shoal_delta_snapshot_free(now);
  return status;
}

shoal_status shoal_delta_head(const shoal_delta_table *table, shoal_delta_snapshot **out, shoal_error *err) {
  *out = NULL;
  shoal_status status = table->head && *table->head ? update_head(table, err) : SHOAL_DONE;
  if (status == SHOAL_DONE) {
    status = open_on(table, SHOAL_DELTA_LATEST, NULL, HEAD, out, err);
    if (status == SHOAL_OK && table->head)
      status = mark_head(table, *out, err);
    if (table->head)
      *table->head = *out;
  }
  if (table->head)
    *out = *table->head;
  return status;
}

/* --- getters --- */

int64_t shoal_delta_snapshot_version(const shoal_delta_snapshot *s) { return s->version; }
const shoal_delta_metadata *shoal_delta_snapshot_metadata(const shoal_delta_snapshot *s) { return &s->metadata; }
const shoal_delta_protocol *shoal_delta_snapshot_protocol(const shoal_delta_snapshot *s) { return &s->protocol; }
size_t shoal_delta_snapshot_n_files(const shoal_delta_snapshot *s) { return s->n_files; }
const shoal_delta_file *shoal_delta_snapshot_files(const shoal_delta_snapshot *s) { return s->files; }

int64_t shoal_delta_snapshot_txn(const shoal_delta_snapshot *s, shoal_str app_id) {
  for (size_t i = 0; i < s->txns.len; i++) {
    if (shoal_str_eq(s->txns.ptr[i].id, app_id))
      return s->txns.ptr[i].version;
  }
  return -1;
}
