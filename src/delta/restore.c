/* SPDX-License-Identifier: Apache-2.0 */
/* RESTORE: the difference between two snapshots as one commit. */
#include "delta/deletion_vector.h"
#include "delta/identity.h"
#include "delta/maintain.h"
#include "delta/transaction.h"
#include "delta/write.h"

typedef struct restoring {
  const shoal_delta_table *table;
  shoal_delta_snapshot *now, *then;
  shoal_delta_metadata metadata; /* what it will be again */
  shoal_arena arena;
  shoal_map now_keys, then_keys;
  shoal_delta_transaction *transaction;
  shoal_delta_restored *out;
} restoring;

static shoal_status fill(shoal_map *map, const shoal_delta_snapshot *s, shoal_error *err) {
  for (size_t i = 0; i < s->n_files; i++)
    SHOAL_TRY(shoal_map_put(map, s->keys[i], 1, err));
  return SHOAL_OK;
}

static shoal_status open_both(restoring *r, int64_t version, shoal_error *err) {
  SHOAL_TRY(shoal_delta_snapshot_open(r->table, SHOAL_DELTA_LATEST, &r->now, err));
  SHOAL_TRY(shoal_delta_snapshot_open(r->table, version, &r->then, err));
  SHOAL_TRY(fill(&r->now_keys, r->now, err));
  return fill(&r->then_keys, r->then, err);
}

/* What a commit can't undo: ids and times that must not run backwards, physical names that are given once. */
static shoal_status check_settings(const restoring *r, shoal_error *err) {
  static const char *const lasting[] = {"delta.enableInCommitTimestamps", "delta.enableRowTracking",
                                        "delta.columnMapping.mode", "delta.columnMapping.maxColumnId"};
  for (size_t i = 0; i < sizeof lasting / sizeof *lasting; i++)
    if (!shoal_str_eq(shoal_delta_config(&r->now->metadata, lasting[i]),
                      shoal_delta_config(&r->then->metadata, lasting[i])))
      return shoal_fail(err, SHOAL_EUNSUPPORTED, "%s has changed since version %lld, which can't be taken back",
                        lasting[i], (long long)r->then->version);
  return SHOAL_OK;
}

static shoal_status gone(const restoring *r, shoal_str path, shoal_error *err) {
  (void)shoal_fail(err, SHOAL_ENOTFOUND, "'%.*s', a file of version %lld, is gone", SHOAL_FMT(path),
                   (long long)r->then->version);
  shoal_hint(err, "a vacuum has taken it away; a younger version may be whole: shoal table history");
  return SHOAL_ENOTFOUND;
}

static shoal_status check_vector(restoring *r, const shoal_delta_file *f, shoal_error *err) {
  shoal_delta_vector_descriptor d;
  shoal_delta_vector *v;
  if (!f->deletion_vector.ptr)
    return SHOAL_OK;
  SHOAL_TRY(shoal_delta_vector_describe(f->deletion_vector, &r->arena, &d, err));
  SHOAL_TRY(shoal_delta_vector_read(r->table, &d, &v, err));
  shoal_delta_vector_free(v);
  return SHOAL_OK;
}

static shoal_status check_there(restoring *r, const shoal_delta_file *f, shoal_error *err) {
  shoal_delta_place place;
  shoal_object object;
  SHOAL_TRY(shoal_delta_path_resolve(r->table, f->path, &r->arena, &place, err));
  shoal_status status = shoal_store_head(r->table->store, place.key, &object, err);
  if (status == SHOAL_ENOTFOUND)
    return gone(r, f->path, err);
  return status < 0 ? status : check_vector(r, f, err);
}

static shoal_status add_back(restoring *r, shoal_error *err) {
  shoal_delta_file *adds = SHOAL_NEW_ARRAY(&r->arena, shoal_delta_file, r->then->n_files);
  if (!adds)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < r->then->n_files; i++) {
    if (shoal_map_get(&r->now_keys, r->then->keys[i]) != SHOAL_MAP_NONE)
      continue;
    SHOAL_TRY(check_there(r, &r->then->files[i], err));
    adds[i] = r->then->files[i];
    adds[i].data_change = true;
    SHOAL_TRY(shoal_delta_transaction_add(r->transaction, &adds[i], err));
    r->out->files_added++;
  }
  return SHOAL_OK;
}

static shoal_status take_away(restoring *r, shoal_error *err) {
  for (size_t i = 0; i < r->now->n_files; i++) {
    if (shoal_map_get(&r->then_keys, r->now->keys[i]) != SHOAL_MAP_NONE)
      continue;
    SHOAL_TRY(shoal_delta_transaction_remove(r->transaction, &r->now->files[i], true, err));
    r->out->files_removed++;
  }
  return SHOAL_OK;
}

static shoal_status restore(restoring *r, shoal_error *err) {
  char *parameters = shoal_arena_printf(&r->arena, "{\"version\":\"%lld\"}", (long long)r->then->version);
  bool described = !shoal_str_eq(r->now->metadata_raw, r->then->metadata_raw);
  if (!parameters)
    return shoal_fail_nomem(err);
  SHOAL_TRY(check_settings(r, err));
  SHOAL_TRY(shoal_delta_transaction_open(r->table, r->now, SHOAL_DELTA_COPIES | SHOAL_DELTA_MAPS, "RESTORE",
                                         shoal_str_z(parameters), &r->transaction, err));
  shoal_delta_transaction_reads_all(r->transaction);
  SHOAL_TRY(take_away(r, err));
  SHOAL_TRY(add_back(r, err));
  if (described) {
    r->metadata = r->then->metadata;
    SHOAL_TRY(shoal_delta_identities_keep(&r->metadata, &r->now->metadata, &r->arena, err));
    shoal_delta_transaction_metadata(r->transaction, &r->metadata);
  }
  if (!described && r->out->files_added + r->out->files_removed == 0)
    return SHOAL_OK;
  SHOAL_TRY(shoal_delta_transaction_commit(r->transaction, &r->out->version, err));
  shoal_delta_after_commit(r->table, &r->now->metadata, r->out->version);
  return SHOAL_OK;
}

shoal_status shoal_delta_restore(const shoal_delta_table *table, int64_t version, shoal_delta_restored *out,
                                 shoal_error *err) {
  restoring r = {.table = table, .out = out};
  *out = (shoal_delta_restored){.version = -1};
  shoal_status status = open_both(&r, version, err);
  if (status == SHOAL_OK)
    status = restore(&r, err);
  shoal_delta_transaction_free(r.transaction);
  shoal_map_dispose(&r.now_keys);
  shoal_map_dispose(&r.then_keys);
  shoal_delta_snapshot_free(r.then);
  shoal_delta_snapshot_free(r.now);
  shoal_arena_dispose(&r.arena);
  return status;
}
