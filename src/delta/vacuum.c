/* SPDX-License-Identifier: Apache-2.0 */
/*
 * V1 … V3 of maintain.h. The folder is listed before the log is read, so that whatever is committed in between is known
 * to be needed. What the log names is then looked for among the files that are old enough, one name after the other. A
 * file may be named in ways that lead around the folder (a link, another mount): what the log names outside of it is
 * compared by what it is on the disk.
 */
#include <stdio.h>

#include "base/os.h"
#include "base/time.h"
#include "delta/adds.h"
#include "delta/deletion_vector.h"
#include "delta/maintain.h"

typedef struct vacuuming {
  shoal_delta_table table; /* the caller's, which may name files anywhere: they are only looked at */
  shoal_arena *arena;
  shoal_object *objects;
  size_t n_objects;
  shoal_delta_snapshot *snapshot;
  int64_t before_us; /* what is younger stays */
  shoal_map old;     /* keys of objects that may go, as far as they themselves tell: where they stand */
  bool *needed;      /* of objects */
  shoal_buf key;
  shoal_map inodes; /* of needed files outside, "device:inode" */
  shoal_map tables; /* folders of other tables below this one's */
} vacuuming;

/* ---- what is needed ---- */

static shoal_status need_outside(vacuuming *v, const char *local, shoal_error *err) {
  shoal_stat st;
  if (!local || shoal_os_stat(local, &st, NULL) < 0)
    return SHOAL_OK;
  char *id = shoal_arena_printf(v->arena, "%llu:%llu", (unsigned long long)st.dev, (unsigned long long)st.ino);
  return id ? shoal_map_put(&v->inodes, shoal_str_z(id), 1, err) : shoal_fail_nomem(err);
}

static void need_key(vacuuming *v, shoal_str key) {
  uint32_t at = shoal_map_get(&v->old, key);
  if (at != SHOAL_MAP_NONE)
    v->needed[at] = true;
}

static shoal_status need_odd_path(vacuuming *v, shoal_str path, shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_delta_place place;
  shoal_status status = shoal_delta_path_resolve(&v->table, path, &scratch, &place, err);
  if (status == SHOAL_OK && place.key.ptr)
    need_key(v, place.key);
  else if (status == SHOAL_OK)
    status = need_outside(v, place.local, err);
  shoal_arena_dispose(&scratch);
  return status;
}

static shoal_status need_path(vacuuming *v, shoal_str path, shoal_error *err) {
  if (!shoal_delta_path_is_plain(path))
    return need_odd_path(v, path, err);
  shoal_buf_clear(&v->key);
  shoal_buf_add(&v->key, v->table.prefix);
  shoal_buf_addz(&v->key, v->table.prefix.len ? "/" : "");
  shoal_buf_add(&v->key, path);
  need_key(v, shoal_buf_str(&v->key));
  return shoal_buf_check(&v->key, err);
}

static shoal_status need_file(vacuuming *v, shoal_str file, shoal_str vector, shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_delta_vector_descriptor d;
  shoal_buf path = {0};
  SHOAL_TRY(need_path(v, file, err));
  if (!vector.ptr)
    return SHOAL_OK;
  shoal_status status = shoal_delta_vector_describe(vector, &scratch, &d, err);
  if (status == SHOAL_OK)
    status = shoal_delta_vector_path(&d, &path, err);
  if (status == SHOAL_OK && path.len)
    status = need_path(v, shoal_buf_str(&path), err);
  shoal_buf_dispose(&path);
  shoal_arena_dispose(&scratch);
  return status;
}

static shoal_status need_add(void *arg, const shoal_adds_row *row, shoal_error *err) {
  return need_file(arg, row->path, row->vector, err);
}

static shoal_status need_remove(void *arg, const shoal_adds_row *row, shoal_error *err) {
  const vacuuming *v = arg;
  return row->deleted_ms > v->before_us / 1000 ? need_file(arg, row->path, row->vector, err) : SHOAL_OK;
}

static shoal_status find_needed(vacuuming *v, shoal_error *err) {
  const shoal_delta_snapshot *s = v->snapshot;
  for (size_t i = 0; i < s->n_files; i++)
    SHOAL_TRY(need_file(v, s->files[i].path, s->files[i].deletion_vector, err));
  for (size_t i = 0; i < s->n_tombstones; i++)
    if (s->tombstones[i].deleted_ms > v->before_us / 1000)
      SHOAL_TRY(need_file(v, s->tombstones[i].file.path, s->tombstones[i].file.deletion_vector, err));
  SHOAL_TRY(shoal_delta_tip_each(&v->table, s, 0, need_add, v, err));
  return shoal_delta_tip_each(&v->table, s, SHOAL_ADDS_REMOVED, need_remove, v, err);
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

static shoal_str below_table(const vacuuming *v, shoal_str key) {
  return shoal_str_sub(key, v->table.prefix.len ? v->table.prefix.len + 1 : 0, key.len);
}

/* Folders below this one that have a log of their own. */
static shoal_status find_tables(vacuuming *v, shoal_error *err) {
  for (size_t i = 0; i < v->n_objects; i++) {
    shoal_str path = below_table(v, v->objects[i].key);
    ptrdiff_t log = shoal_str_find(path, SHOAL_STR("/_delta_log/"));
    if (log > 0)
      SHOAL_TRY(shoal_map_put(&v->tables, shoal_str_sub(path, 0, (size_t)log), 0, err));
  }
  return SHOAL_OK;
}

static bool is_of_another(const vacuuming *v, shoal_str path) {
  for (size_t i = 0; v->tables.len && i < path.len; i++)
    if (path.ptr[i] == '/' && shoal_map_get(&v->tables, shoal_str_sub(path, 0, i)) != SHOAL_MAP_NONE)
      return true;
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

/* V1, V2, as far as a file itself tells. */
static bool is_old(const vacuuming *v, const shoal_object *o) {
  shoal_str path = below_table(v, o->key);
  return !o->folder && o->modified_us < v->before_us && !is_hidden(&v->snapshot->metadata, path) &&
         !is_of_another(v, path);
}

static shoal_status find_old(vacuuming *v, shoal_error *err) {
  v->needed = SHOAL_NEW_ARRAY(v->arena, bool, v->n_objects);
  if (!v->needed)
    return shoal_fail_nomem(err);
  SHOAL_TRY(find_tables(v, err));
  for (size_t i = 0; i < v->n_objects; i++)
    if (is_old(v, &v->objects[i]))
      SHOAL_TRY(shoal_map_put(&v->old, v->objects[i].key, (uint32_t)i, err));
  return SHOAL_OK;
}

static bool may_go(const vacuuming *v, size_t i) {
  shoal_str key = v->objects[i].key;
  return !v->needed[i] && shoal_map_get(&v->old, key) != SHOAL_MAP_NONE && !(v->inodes.len && is_needed_inode(v, key));
}

static shoal_status choose(vacuuming *v, shoal_delta_vacuumed *out, shoal_error *err) {
  shoal_str *keys = SHOAL_NEW_ARRAY(v->arena, shoal_str, v->n_objects);
  if (!keys)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < v->n_objects; i++) {
    if (!may_go(v, i))
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

static shoal_status list(vacuuming *v, shoal_error *err) {
  char *prefix = shoal_arena_printf(v->arena, "%.*s%s", SHOAL_FMT(v->table.prefix), v->table.prefix.len ? "/" : "");
  if (!prefix)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_store_list(v->table.store, shoal_str_z(prefix), SHOAL_STR_NONE, false, 0, v->arena, &v->objects,
                             &v->n_objects, err));
  if (v->n_objects >= SHOAL_MAP_NONE)
    return shoal_fail(err, SHOAL_ELIMIT, "the table's folder holds more than %u files", SHOAL_MAP_NONE);
  return SHOAL_OK;
}

static shoal_status look(vacuuming *v, const shoal_delta_vacuum *wanted, shoal_error *err) {
  const unsigned able = SHOAL_DELTA_APPENDS | SHOAL_DELTA_STAMPS | SHOAL_DELTA_MAPS | SHOAL_DELTA_COPIES;
  shoal_error why = {0};
  int64_t us;
  SHOAL_TRY(list(v, err));
  SHOAL_TRY(shoal_delta_tip_open(&v->table, SHOAL_DELTA_LATEST, &v->snapshot, err));
  SHOAL_TRY(shoal_delta_check_write(&v->snapshot->protocol, &v->snapshot->metadata, able, err)); /* V3 */
  SHOAL_TRY(check_retention(wanted, shoal_delta_file_retention(&v->snapshot->metadata), &us, err));
  v->before_us = shoal_time_now() - us;
  SHOAL_TRY(find_old(v, err));
  shoal_status status = find_needed(v, &why);
  if (shoal_delta_log_broken(status) && v->snapshot->n_below) { /* the checkpoint is; what it said keeps files only */
    int64_t version = v->snapshot->version;
    shoal_delta_snapshot_free(v->snapshot);
    v->snapshot = NULL;
    why = (shoal_error){0};
    status = shoal_delta_snapshot_open(&v->table, version, &v->snapshot, &why);
    if (status == SHOAL_OK)
      status = find_needed(v, &why);
  }
  if (status < 0 && err)
    *err = why;
  return status;
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
  shoal_map_dispose(&v.old);
  shoal_map_dispose(&v.tables);
  shoal_map_dispose(&v.inodes);
  shoal_buf_dispose(&v.key);
  return status;
}
