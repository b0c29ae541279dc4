/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RESTORE: the difference between two snapshots as one commit. Of two large states only what differs is ever there as
 * files: each file is known by 128 bits of the hash of its replay key.
 */
#include <stdlib.h>
#include <xxhash.h>

#include "base/os.h"
#include "delta/adds.h"
#include "delta/deletion_vector.h"
#include "delta/identity.h"
#include "delta/maintain.h"
#include "delta/property.h"
#include "delta/transaction.h"
#include "delta/write.h"

/* The live files of a state. */
typedef struct side {
  shoal_delta_snapshot *s;
  SHOAL_VEC(XXH128_hash_t) keys; /* in order */
  SHOAL_VEC(shoal_str) paths;    /* of those below that the other side lacks */
  const struct side *other;
  shoal_arena *arena;
  shoal_buf key;
} side;

typedef struct restoring {
  const shoal_delta_table *table;
  side now, then;
  shoal_delta_metadata metadata; /* what it will be again */
  shoal_arena arena;
  shoal_delta_transaction *transaction;
  shoal_delta_restored *out;
} restoring;

/* ---- what differs ---- */

static XXH128_hash_t hash_of(shoal_str key) { return XXH3_128bits(key.ptr, key.len); }

static int compare(const void *a, const void *b) {
  const XXH128_hash_t *x = a, *y = b;
  if (x->high64 != y->high64)
    return x->high64 < y->high64 ? -1 : 1;
  return x->low64 < y->low64 ? -1 : x->low64 > y->low64;
}

static bool has(const side *s, XXH128_hash_t hash) {
  return s->keys.len && bsearch(&hash, s->keys.ptr, s->keys.len, sizeof hash, compare);
}

static shoal_status hash_row(side *s, const shoal_adds_row *row, XXH128_hash_t *out, shoal_error *err) {
  shoal_buf_clear(&s->key);
  if (row->vector.ptr)
    SHOAL_TRY(shoal_delta_file_key(row->path, row->vector, &s->key, err));
  *out = hash_of(row->vector.ptr ? shoal_buf_str(&s->key) : shoal_delta_path_key(row->path));
  return SHOAL_OK;
}

static shoal_status note(side *s, XXH128_hash_t hash, shoal_error *err) {
  XXH128_hash_t *slot = shoal_vec_add(&s->keys);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = hash;
  return SHOAL_OK;
}

static shoal_status note_row(void *arg, const shoal_adds_row *row, shoal_error *err) {
  XXH128_hash_t hash;
  SHOAL_TRY(hash_row(arg, row, &hash, err));
  return note(arg, hash, err);
}

static shoal_status note_all(const shoal_delta_table *table, side *s, shoal_error *err) {
  for (size_t i = 0; i < s->s->n_files; i++)
    SHOAL_TRY(note(s, hash_of(s->s->keys[i]), err));
  SHOAL_TRY(shoal_delta_tip_each(table, s->s, 0, note_row, s, err));
  if (s->keys.len)
    qsort(s->keys.ptr, s->keys.len, sizeof *s->keys.ptr, compare);
  return SHOAL_OK;
}

static shoal_status miss_row(void *arg, const shoal_adds_row *row, shoal_error *err) {
  side *s = arg;
  XXH128_hash_t hash;
  SHOAL_TRY(hash_row(s, row, &hash, err));
  if (has(s->other, hash))
    return SHOAL_OK;
  shoal_str *path = shoal_vec_add(&s->paths);
  if (path)
    *path = shoal_arena_str(s->arena, row->path);
  return path && path->ptr ? SHOAL_OK : shoal_fail_nomem(err);
}

/* Brings up those that the other side lacks. */
static shoal_status bring(const shoal_delta_table *table, side *s, shoal_error *err) {
  SHOAL_TRY(shoal_delta_tip_each(table, s->s, 0, miss_row, s, err));
  return s->paths.len ? shoal_delta_tip_bring(table, s->s, s->paths.ptr, s->paths.len, err) : SHOAL_OK;
}

static shoal_status compare_sides(restoring *r, shoal_error *err) {
  SHOAL_TRY(note_all(r->table, &r->now, err));
  SHOAL_TRY(note_all(r->table, &r->then, err));
  SHOAL_TRY(bring(r->table, &r->now, err));
  return bring(r->table, &r->then, err);
}

static void dispose(side *s) {
  shoal_delta_snapshot_free(s->s);
  shoal_vec_dispose(&s->keys);
  shoal_vec_dispose(&s->paths);
  shoal_buf_dispose(&s->key);
}

static void begin(restoring *r) {
  dispose(&r->now);
  dispose(&r->then);
  r->now = (side){.other = &r->then, .arena = &r->arena};
  r->then = (side){.other = &r->now, .arena = &r->arena};
}

static shoal_status open_both(restoring *r, int64_t version, shoal_error *err) {
  shoal_error why = {0};
  begin(r);
  shoal_status status = shoal_delta_tip_open(r->table, SHOAL_DELTA_LATEST, &r->now.s, &why);
  if (status == SHOAL_OK)
    status = shoal_delta_tip_open(r->table, version, &r->then.s, &why);
  if (status == SHOAL_OK)
    status = compare_sides(r, &why);
  /* A checkpoint that is broken is found out late; then the states are read by whichever way leads there. */
  if (r->then.s && shoal_delta_log_broken(status) && (r->now.s->n_below || r->then.s->n_below)) {
    begin(r);
    why = (shoal_error){0};
    status = shoal_delta_snapshot_open(r->table, SHOAL_DELTA_LATEST, &r->now.s, &why);
    if (status == SHOAL_OK)
      status = shoal_delta_snapshot_open(r->table, version, &r->then.s, &why);
    if (status == SHOAL_OK)
      status = compare_sides(r, &why);
  }
  if (status < 0 && err)
    *err = why;
  return status;
}

/* What a commit can't undo: ids and times that must not run backwards, names that files have for columns. */
static shoal_status check_settings(const restoring *r, shoal_error *err) {
  static const char *const lasting[] = {"delta.enableInCommitTimestamps", "delta.enableRowTracking",
                                        "delta.columnMapping.mode"};
  for (size_t i = 0; i < sizeof lasting / sizeof *lasting; i++)
    if (!shoal_str_eq(shoal_delta_config(&r->now.s->metadata, lasting[i]),
                      shoal_delta_config(&r->then.s->metadata, lasting[i])))
      return shoal_fail(err, SHOAL_EUNSUPPORTED, "%s has changed since version %lld, which can't be taken back",
                        lasting[i], (long long)r->then.s->version);
  return SHOAL_OK;
}

static shoal_status gone(const restoring *r, shoal_str path, shoal_error *err) {
  (void)shoal_fail(err, SHOAL_ENOTFOUND, "'%.*s', a file of version %lld, is gone", SHOAL_FMT(path),
                   (long long)r->then.s->version);
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
  shoal_stat st;
  SHOAL_TRY(shoal_delta_path_resolve(r->table, f->path, &r->arena, &place, err));
  shoal_status status = place.key.ptr ? shoal_store_head(r->table->store, place.key, &object, err)
                                      : shoal_os_stat(place.local, &st, err); /* of a clone's source */
  if (status == SHOAL_ENOTFOUND)
    return gone(r, f->path, err);
  return status < 0 ? status : check_vector(r, f, err);
}

static shoal_status add_back(restoring *r, shoal_error *err) {
  shoal_delta_file *adds = SHOAL_NEW_ARRAY(&r->arena, shoal_delta_file, r->then.s->n_files);
  if (!adds)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < r->then.s->n_files; i++) {
    if (has(&r->now, hash_of(r->then.s->keys[i])))
      continue;
    SHOAL_TRY(check_there(r, &r->then.s->files[i], err));
    adds[i] = r->then.s->files[i];
    adds[i].data_change = true;
    SHOAL_TRY(shoal_delta_transaction_add(r->transaction, &adds[i], err));
    r->out->files_added++;
  }
  return SHOAL_OK;
}

static shoal_status take_away(restoring *r, shoal_error *err) {
  for (size_t i = 0; i < r->now.s->n_files; i++) {
    if (has(&r->then, hash_of(r->now.s->keys[i])))
      continue;
    SHOAL_TRY(shoal_delta_transaction_remove(r->transaction, &r->now.s->files[i], true, err));
    r->out->files_removed++;
  }
  return SHOAL_OK;
}

/* No later column gets an id that a younger version's files know another one by. */
static shoal_status keep_last_id(restoring *r, shoal_error *err) {
  shoal_str last = shoal_delta_config(&r->now.s->metadata, SHOAL_DELTA_LAST_ID);
  return last.ptr ? shoal_delta_config_set(&r->metadata, SHOAL_STR(SHOAL_DELTA_LAST_ID), last, &r->arena, err)
                  : SHOAL_OK;
}

static shoal_status restore(restoring *r, shoal_error *err) {
  char *parameters = shoal_arena_printf(&r->arena, "{\"version\":\"%lld\"}", (long long)r->then.s->version);
  bool described = !shoal_str_eq(r->now.s->metadata_raw, r->then.s->metadata_raw);
  if (!parameters)
    return shoal_fail_nomem(err);
  SHOAL_TRY(check_settings(r, err));
  SHOAL_TRY(shoal_delta_transaction_open(r->table, r->now.s, SHOAL_DELTA_COPIES | SHOAL_DELTA_MAPS, "RESTORE",
                                         shoal_str_z(parameters), &r->transaction, err));
  shoal_delta_transaction_reads_all(r->transaction);
  SHOAL_TRY(take_away(r, err));
  SHOAL_TRY(add_back(r, err));
  if (described) {
    r->metadata = r->then.s->metadata;
    SHOAL_TRY(shoal_delta_identities_keep(&r->metadata, &r->now.s->metadata, &r->arena, err));
    SHOAL_TRY(keep_last_id(r, err));
    shoal_delta_transaction_metadata(r->transaction, &r->metadata);
  }
  if (!described && r->out->files_added + r->out->files_removed == 0)
    return SHOAL_OK;
  SHOAL_TRY(shoal_delta_transaction_commit(r->transaction, &r->out->version, err));
  shoal_delta_after_commit(r->table, &r->now.s->metadata, r->out->version);
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
  dispose(&r.then);
  dispose(&r.now);
  shoal_arena_dispose(&r.arena);
  return status;
}
