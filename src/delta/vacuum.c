/* SPDX-License-Identifier: Apache-2.0 */
/*
 * V1 … V3 of maintain.h. The folder is listed before the log is read, so that whatever is committed in between is known
 * to be needed. A file may be named in ways that lead around the folder (a link, another mount): what the log names
 * outside of it is compared by what it is on the disk.
 */
#include <stdio.h>

#include "base/os.h"
#include "base/time.h"
#include "delta/deletion_vector.h"
#include "delta/delta_internal.h"
#include "delta/maintain.h"

typedef struct vacuuming {
  shoal_delta_table table; /* the caller's, which may name files anywhere: they are only looked at */
  shoal_arena *arena;
  shoal_object *objects;
  size_t n_objects;
  shoal_delta_snapshot *snapshot;
  int64_t before_us; /* what is younger stays */
  shoal_map needed;  /* keys */
  shoal_map inodes;  /* of needed files outside, "device:inode" */
} vacuuming;

/* ---- what is needed ---- */

static shoal_status need_outside(vacuuming *v, const char *local, shoal_error *err) {
  shoal_stat st;
  if (!local || shoal_os_stat(local, &st, NULL) < 0)
    return SHOAL_OK;
  char *id = shoal_arena_printf(v->arena, "%llu:%llu", (unsigned long long)st.dev, (unsigned long long)st.ino);
  return id ? shoal_map_put(&v->inodes, shoal_str_z(id), 1, err) : shoal_fail_nomem(err);
}

static shoal_status need_path(vacuuming *v, shoal_str path, shoal_error *err) {
  shoal_delta_place place;
  SHOAL_TRY(shoal_delta_path_resolve(&v->table, path, v->arena, &place, err));
  return place.key.ptr ? shoal_map_put(&v->needed, place.key, 1, err) : need_outside(v, place.local, err);
}

static shoal_status need_file(vacuuming *v, const shoal_delta_file *f, shoal_error *err) {
  shoal_delta_vector_descriptor d;
  shoal_buf path = {0};
  SHOAL_TRY(need_path(v, f->path, err));
  if (!f->deletion_vector.ptr)
    return SHOAL_OK;
  SHOAL_TRY(shoal_delta_vector_describe(f->deletion_vector, v->arena, &d, err));
  shoal_status status = shoal_delta_vector_path(&d, &path, err);
  if (status == SHOAL_OK && path.len)
    status = need_path(v, shoal_buf_str(&path), err);
  shoal_buf_dispose(&path);
  return status;
}

static shoal_status find_needed(vacuuming *v, shoal_error *err) {
  const shoal_delta_snapshot *s = v->snapshot;
  for (size_t i = 0; i < s->n_files; i++)
    SHOAL_TRY(need_file(v, &s->files[i], err));
  for (size_t i = 0; i < s->n_tombstones; i++)
    if (s->tombstones[i].deleted_ms > v->before_us / 1000)
      SHOAL_TRY(need_file(v, &s->tombstones[i].file, err));
  return SHOAL_OK;
}

/* ---- what is nobody's business (V2) ---- */

static bool is_partition_folder(const shoal_delta_metadata *m, shoal_str name) {
  for (size_t i = 0; i < m->n_partition_columns; i++) {
    const shoal_field *f = &m->schema.fields[shoal_schema_find(&m->schema, m->partition_columns[i])];
    const shoal_str names[] = {f->name, f->physical};
    for (size_t k = 0; k < 2; k++)
      if (names[k].len && name.len > names[k].len && shoal_str_starts(name, names[k]) && name.ptr[names[k].len] == '=')
        return true;
  }
  return false;
}

static bool is_hidden(const shoal_delta_metadata *m, shoal_str path) {
  shoal_str rest = path, name = {0};
  while (shoal_str_split(&rest, '/', &name)) {
    bool marked = name.len && (name.ptr[0] == '_' || name.ptr[0] == '.');
    if (marked && !shoal_str_is(name, "_change_data") && !is_partition_folder(m, name))
      return true;
  }
  return false;
}

/* ---- deleting ---- */

static bool is_needed_inode(const vacuuming *v, shoal_str key) {
  char id[64];
  shoal_stat st;
  char *local = v->inodes.len ? shoal_store_local_path(v->table.store, key, v->arena) : NULL;
  if (!local)
    return v->inodes.len > 0;
  if (shoal_os_stat(local, &st, NULL) < 0)
    return true;
  snprintf(id, sizeof id, "%llu:%llu", (unsigned long long)st.dev, (unsigned long long)st.ino);
  return shoal_map_get(&v->inodes, shoal_str_z(id)) != SHOAL_MAP_NONE;
}

static bool may_go(const vacuuming *v, const shoal_object *o) {
  size_t prefix = v->table.prefix.len ? v->table.prefix.len + 1 : 0;
  if (o->folder || o->modified_us >= v->before_us ||
      is_hidden(&v->snapshot->metadata, shoal_str_sub(o->key, prefix, o->key.len)))
    return false;
  return shoal_map_get(&v->needed, o->key) == SHOAL_MAP_NONE && !(v->inodes.len && is_needed_inode(v, o->key));
}

static shoal_status choose(vacuuming *v, shoal_delta_vacuumed *out, shoal_error *err) {
  shoal_str *keys = SHOAL_NEW_ARRAY(v->arena, shoal_str, v->n_objects);
  if (!keys)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < v->n_objects; i++) {
    if (!may_go(v, &v->objects[i]))
      continue;
    keys[out->n++] = v->objects[i].key;
    out->bytes += v->objects[i].size;
  }
  out->keys = keys;
  return SHOAL_OK;
}

static shoal_status check_retention(const shoal_delta_vacuum *wanted, int64_t table_ms, int64_t *us, shoal_error *err) {
  *us = wanted->retention_us >= 0 ? wanted->retention_us : table_ms * 1000;
  if (wanted->retention_us < 0 && table_ms < 0)
    return shoal_fail(err, SHOAL_EINVAL, "the table's delta.deletedFileRetentionDuration is no interval: say how long");
  if (wanted->shorter || (table_ms >= 0 && *us >= table_ms * 1000))
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_EINVAL, "that is shorter than the table keeps removed files (%lld hours)",
                   (long long)(table_ms / 3600000));
  shoal_hint(err, "who reads an older version, or writes right now, may lose files; --force does it all the same");
  return SHOAL_EINVAL;
}

static shoal_status look(vacuuming *v, const shoal_delta_vacuum *wanted, shoal_error *err) {
  const unsigned able = SHOAL_DELTA_APPENDS | SHOAL_DELTA_STAMPS | SHOAL_DELTA_MAPS | SHOAL_DELTA_COPIES;
  int64_t us;
  char *prefix = shoal_arena_printf(v->arena, "%.*s%s", SHOAL_FMT(v->table.prefix), v->table.prefix.len ? "/" : "");
  if (!prefix)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_store_list(v->table.store, shoal_str_z(prefix), SHOAL_STR_NONE, false, 0, v->arena, &v->objects,
                             &v->n_objects, err));
  SHOAL_TRY(shoal_delta_snapshot_open(&v->table, SHOAL_DELTA_LATEST, &v->snapshot, err));
  SHOAL_TRY(shoal_delta_check_write(&v->snapshot->protocol, &v->snapshot->metadata, able, err)); /* V3 */
  SHOAL_TRY(check_retention(wanted, shoal_delta_file_retention(&v->snapshot->metadata), &us, err));
  v->before_us = shoal_time_now() - us;
  return find_needed(v, err);
}

shoal_status shoal_delta_vacuum_files(const shoal_delta_table *table, const shoal_delta_vacuum *vacuum,
                                      shoal_arena *arena, shoal_delta_vacuumed *out, shoal_error *err) {
  vacuuming v = {.table = *table, .arena = arena};
  v.table.anywhere = true;
  *out = (shoal_delta_vacuumed){0};
  shoal_status status = look(&v, vacuum, err);
  if (status == SHOAL_OK)
    status = choose(&v, out, err);
  for (size_t i = 0; i < out->n && status == SHOAL_OK && !vacuum->dry_run; i++)
    status = shoal_store_del(table->store, out->keys[i], err);
  shoal_delta_snapshot_free(v.snapshot);
  shoal_map_dispose(&v.needed);
  shoal_map_dispose(&v.inodes);
  return status;
}
