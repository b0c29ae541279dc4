/* SPDX-License-Identifier: Apache-2.0 */
/* include/shoal/delta.h: what changes a table, and what keeps it well. */
#include <stdio.h>

#include "base/os.h"
#include "base/str.h"
#include "delta/alter.h"
#include "delta/append.h"
#include "delta/create.h"
#include "delta/dml.h"
#include "delta/history.h"
#include "delta/identity.h"
#include "delta/maintain.h"
#include "delta/table.h"
#include "delta/words.h"

/* ---- tables that are made ---- */

static shoal_status copy_pairs(const shoal_table_pair *pairs, size_t n, shoal_arena *arena, const shoal_delta_kv **out,
                               shoal_error *err) {
  shoal_delta_kv *kv = SHOAL_NEW_ARRAY(arena, shoal_delta_kv, n);
  if (!kv)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++)
    kv[i] = (shoal_delta_kv){shoal_str_z(pairs[i].name), shoal_str_z(pairs[i].value)};
  *out = kv;
  return SHOAL_OK;
}

static shoal_status copy_options(const shoal_table_options *o, shoal_arena *arena, shoal_delta_create *out,
                                 shoal_error *err) {
  shoal_str *names = SHOAL_NEW_ARRAY(arena, shoal_str, o->n_partition_by);
  if (!names)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < o->n_partition_by; i++)
    names[i] = shoal_str_z(o->partition_by[i]);
  out->partition_by = names;
  out->n_partition_by = o->n_partition_by;
  out->n_properties = o->n_properties;
  out->n_constraints = o->n_constraints;
  SHOAL_TRY(copy_pairs(o->properties, o->n_properties, arena, &out->properties, err));
  return copy_pairs(o->constraints, o->n_constraints, arena, &out->constraints, err);
}

static shoal_status create(shoal_table *t, const char *columns, const shoal_table_options *options, shoal_arena *arena,
                           shoal_error *err) {
  shoal_schema schema;
  shoal_engine *engine;
  shoal_delta_create wanted = {.schema = &schema};
  SHOAL_TRY(copy_options(options, arena, &wanted, err));
  SHOAL_TRY(shoal_table_engine(t, &engine, err));
  SHOAL_TRY(shoal_delta_columns(engine, shoal_str_z(columns), arena, &schema, err));
  return shoal_delta_create_table(&t->table, engine, &wanted, err);
}

shoal_status shoal_table_create(shoal_table *t, const char *columns, const shoal_table_options *options,
                                shoal_error *err) {
  const shoal_table_options none = {0};
  shoal_arena arena = {0};
  shoal_status status = create(t, columns, options ? options : &none, &arena, err);
  shoal_arena_dispose(&arena);
  return status;
}

shoal_status shoal_table_clone(shoal_table *t, shoal_table *source, int64_t version, shoal_error *err) {
  size_t n_files;
  return shoal_delta_clone(&t->table, &source->table, version, &n_files, err);
}

/* Types become fields of the engine's. */
static shoal_status copy_alterations(const shoal_table_alteration *list, size_t n, shoal_engine *engine,
                                     shoal_arena *arena, shoal_delta_alteration **out, shoal_error *err) {
  static const shoal_delta_alteration_kind kinds[] = {[SHOAL_TABLE_ADD_COLUMN] = SHOAL_DELTA_ADD_COLUMN,
                                                      [SHOAL_TABLE_RENAME_COLUMN] = SHOAL_DELTA_RENAME_COLUMN,
                                                      [SHOAL_TABLE_DROP_COLUMN] = SHOAL_DELTA_DROP_COLUMN,
                                                      [SHOAL_TABLE_WIDEN_COLUMN] = SHOAL_DELTA_WIDEN_COLUMN,
                                                      [SHOAL_TABLE_DROP_NOT_NULL] = SHOAL_DELTA_DROP_NOT_NULL,
                                                      [SHOAL_TABLE_SET_PROPERTY] = SHOAL_DELTA_SET_PROPERTY,
                                                      [SHOAL_TABLE_UNSET_PROPERTY] = SHOAL_DELTA_UNSET_PROPERTY,
                                                      [SHOAL_TABLE_ADD_CONSTRAINT] = SHOAL_DELTA_ADD_CONSTRAINT,
                                                      [SHOAL_TABLE_DROP_CONSTRAINT] = SHOAL_DELTA_DROP_CONSTRAINT};
  static const bool valued[] = {
      [SHOAL_TABLE_ADD_COLUMN] = true,   [SHOAL_TABLE_RENAME_COLUMN] = true,  [SHOAL_TABLE_WIDEN_COLUMN] = true,
      [SHOAL_TABLE_SET_PROPERTY] = true, [SHOAL_TABLE_ADD_CONSTRAINT] = true, [SHOAL_TABLE_DROP_CONSTRAINT] = false};
  *out = SHOAL_NEW_ARRAY(arena, shoal_delta_alteration, n);
  if (!*out)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++) {
    const shoal_table_alteration *x = &list[i];
    if ((size_t)x->kind >= sizeof kinds / sizeof *kinds || !x->name || (valued[x->kind] && !x->value))
      return shoal_fail(err, SHOAL_EINVAL, "alteration %zu lacks its name or value, or is of no known kind", i + 1);
    shoal_delta_alteration *y = &(*out)[i];
    *y = (shoal_delta_alteration){.kind = kinds[x->kind], .name = shoal_str_z(x->name)};
    if (valued[x->kind])
      y->value = shoal_str_z(x->value);
    if (x->kind == SHOAL_TABLE_ADD_COLUMN || x->kind == SHOAL_TABLE_WIDEN_COLUMN)
      SHOAL_TRY(shoal_delta_typed(engine, y->name, y->value, arena, &y->field, err));
  }
  return SHOAL_OK;
}

shoal_status shoal_table_alter(shoal_table *t, const shoal_table_alteration *list, size_t n, int64_t *version,
                               shoal_error *err) {
  shoal_arena arena = {0};
  shoal_engine *engine;
  shoal_delta_alteration *copy;
  *version = -1;
  shoal_status status = shoal_table_engine(t, &engine, err);
  if (status == SHOAL_OK)
    status = copy_alterations(list, n, engine, &arena, &copy, err);
  if (status == SHOAL_OK)
    status = shoal_delta_alter(&t->table, engine, copy, n, version, err);
  shoal_arena_dispose(&arena);
  return status;
}

/* ---- rows that come ---- */

void shoal_table_merge_schema(shoal_table *t, bool on) { t->merge_schema = on; }

static void release(struct ArrowArrayStream *rows) {
  if (rows->release)
    rows->release(rows);
}

/* The rows of a stream in a file, since a stream can be read but once. */
typedef struct kept_rows {
  shoal_arena arena;
  char *folder;
  shoal_scan_file file;
  shoal_scan scan;
} kept_rows;

static shoal_status keep_rows(shoal_table *t, shoal_engine *engine, struct ArrowArrayStream *rows, kept_rows *out,
                              shoal_error *err) {
  const shoal_scan scan = {.format = SHOAL_SCAN_ARROW, .stream = rows};
  const shoal_input input = {SHOAL_STR("rows"), &scan};
  const shoal_job job = {.sql = SHOAL_STR("SELECT * FROM rows"), .inputs = &input, .n_inputs = 1};
  SHOAL_TRY(shoal_store_staging(t->store, &out->arena, &out->folder, err));
  char *path = shoal_arena_printf(&out->arena, "%s/rows.parquet", out->folder);
  if (!path)
    return shoal_fail_nomem(err);
  out->file = (shoal_scan_file){.path = shoal_str_z(path)};
  out->scan = (shoal_scan){.format = SHOAL_SCAN_PARQUET, .files = &out->file, .n_files = 1};
  return shoal_engine_copy(engine, &job, path, SHOAL_STR("parquet"), err);
}

static void drop_rows(kept_rows *k) {
  shoal_error ignored;
  if (k->folder)
    shoal_ignore(shoal_os_remove_tree(k->folder, &ignored)); /* whoever stages next removes it */
  shoal_arena_dispose(&k->arena);
}

static shoal_status append(shoal_table *t, shoal_engine *engine, const shoal_scan *rows, int64_t *version,
                           shoal_error *err) {
  shoal_delta_appended done = {.version = -1};
  const shoal_input input = {SHOAL_STR("rows"), rows};
  const shoal_job job = {.sql = SHOAL_STR("SELECT * FROM rows"), .inputs = &input, .n_inputs = 1};
  const shoal_delta_append wanted = {.job = &job, .create = true, .merge_schema = t->merge_schema};
  shoal_status status = shoal_delta_append_rows(&t->table, engine, &wanted, &done, err);
  *version = done.version;
  return status;
}

/* For what may have to be begun anew: others make the table, or take its numbers, at once. */
static shoal_status append_kept(shoal_table *t, shoal_engine *engine, struct ArrowArrayStream *rows, int64_t *version,
                                shoal_error *err) {
  kept_rows kept = {0};
  shoal_status status = keep_rows(t, engine, rows, &kept, err);
  if (status == SHOAL_OK)
    status = append(t, engine, &kept.scan, version, err);
  drop_rows(&kept);
  return status;
}

static bool gives_numbers(const shoal_table *t) {
  const shoal_schema *schema = t->head ? &shoal_delta_snapshot_metadata(t->head)->schema : NULL;
  bool gives = false;
  for (size_t i = 0; schema && i < schema->n_fields && !gives; i++)
    gives = shoal_delta_is_identity(schema->fields[i].metadata);
  return gives;
}

shoal_status shoal_table_append(shoal_table *t, struct ArrowArrayStream *rows, int64_t *version, shoal_error *err) {
  shoal_engine *engine = NULL;
  shoal_delta_snapshot *head;
  shoal_error none = {0};
  const shoal_scan scan = {.format = SHOAL_SCAN_ARROW, .stream = rows};
  *version = -1;
  shoal_status status = shoal_table_engine(t, &engine, err);
  bool first = status == SHOAL_OK && !t->head && shoal_delta_head(&t->table, &head, &none) == SHOAL_ENOTFOUND;
  if (status == SHOAL_OK)
    status =
        first || gives_numbers(t) ? append_kept(t, engine, rows, version, err) : append(t, engine, &scan, version, err);
  release(rows);
  return status;
}

static void tell(const shoal_delta_changed *done, shoal_table_changed *out) {
  *out = (shoal_table_changed){done->version, done->deleted, done->updated, done->inserted};
}

static shoal_status overwrite(shoal_table *t, struct ArrowArrayStream *rows, shoal_delta_overwrite wanted,
                              shoal_table_changed *out, shoal_error *err) {
  shoal_engine *engine;
  kept_rows kept = {0};
  shoal_delta_changed done = {.version = -1};
  wanted.source = &kept.scan;
  wanted.merge_schema = t->merge_schema;
  shoal_status status = shoal_table_engine(t, &engine, err);
  if (status == SHOAL_OK)
    status = keep_rows(t, engine, rows, &kept, err);
  if (status == SHOAL_OK)
    status = shoal_delta_overwrite_rows(&t->table, engine, &wanted, &done, err);
  tell(&done, out);
  drop_rows(&kept);
  release(rows);
  return status;
}

shoal_status shoal_table_overwrite(shoal_table *t, struct ArrowArrayStream *rows, const char *where,
                                   shoal_table_changed *out, shoal_error *err) {
  const shoal_delta_overwrite wanted = {.where = where ? shoal_str_z(where) : SHOAL_STR_NONE};
  return overwrite(t, rows, wanted, out, err);
}

shoal_status shoal_table_overwrite_partitions(shoal_table *t, struct ArrowArrayStream *rows, shoal_table_changed *out,
                                              shoal_error *err) {
  const shoal_delta_overwrite wanted = {.partitions = true};
  return overwrite(t, rows, wanted, out, err);
}

/* ---- rows that go and change ---- */

static shoal_status need_condition(const char *where, shoal_error *err) {
  return where ? SHOAL_OK : shoal_fail(err, SHOAL_EINVAL, "no condition");
}

shoal_status shoal_table_delete(shoal_table *t, const char *where, shoal_table_changed *out, shoal_error *err) {
  shoal_engine *engine;
  shoal_delta_changed done = {.version = -1};
  shoal_status status = need_condition(where, err);
  if (status == SHOAL_OK)
    status = shoal_table_engine(t, &engine, err);
  if (status == SHOAL_OK)
    status = shoal_delta_delete_rows(&t->table, engine, shoal_str_z(where), false, &done, err);
  tell(&done, out);
  return status;
}

static shoal_status copy_sets(const shoal_table_pair *sets, size_t n, shoal_arena *arena, shoal_delta_set **out,
                              shoal_error *err) {
  *out = SHOAL_NEW_ARRAY(arena, shoal_delta_set, n);
  if (!*out)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++)
    (*out)[i] = (shoal_delta_set){shoal_str_z(sets[i].name), shoal_str_z(sets[i].value)};
  return SHOAL_OK;
}

shoal_status shoal_table_update(shoal_table *t, const shoal_table_pair *sets, size_t n, const char *where,
                                shoal_table_changed *out, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_engine *engine;
  shoal_delta_set *copy;
  shoal_delta_changed done = {.version = -1};
  shoal_status status = need_condition(where, err);
  if (status == SHOAL_OK)
    status = copy_sets(sets, n, &arena, &copy, err);
  if (status == SHOAL_OK)
    status = shoal_table_engine(t, &engine, err);
  if (status == SHOAL_OK)
    status = shoal_delta_update_rows(&t->table, engine, copy, n, shoal_str_z(where), false, &done, err);
  tell(&done, out);
  shoal_arena_dispose(&arena);
  return status;
}

static shoal_status parse_clauses(const char *const *clauses, size_t n, shoal_arena *arena, shoal_delta_merge *out,
                                  shoal_error *err) {
  shoal_delta_clause *parsed = SHOAL_NEW_ARRAY(arena, shoal_delta_clause, n);
  if (!parsed)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++)
    SHOAL_TRY(shoal_delta_clause_parse(shoal_str_z(clauses[i]), arena, &parsed[i], err));
  out->clauses = parsed;
  out->n_clauses = n;
  return SHOAL_OK;
}

shoal_status shoal_table_merge(shoal_table *t, struct ArrowArrayStream *rows, const char *on,
                               const char *const *clauses, size_t n, shoal_table_changed *out, shoal_error *err) {
  shoal_engine *engine;
  kept_rows kept = {0};
  shoal_delta_changed done = {.version = -1};
  shoal_delta_merge merge = {.source = &kept.scan, .on = shoal_str_z(on), .merge_schema = t->merge_schema};
  shoal_status status = parse_clauses(clauses, n, &kept.arena, &merge, err);
  if (status == SHOAL_OK)
    status = shoal_table_engine(t, &engine, err);
  if (status == SHOAL_OK)
    status = keep_rows(t, engine, rows, &kept, err);
  if (status == SHOAL_OK)
    status = shoal_delta_merge_rows(&t->table, engine, &merge, &done, err);
  tell(&done, out);
  drop_rows(&kept);
  release(rows);
  return status;
}

/* ---- what keeps a table well ---- */

shoal_status shoal_table_restore(shoal_table *t, int64_t version, int64_t *out, shoal_error *err) {
  shoal_delta_restored done = {.version = -1};
  shoal_status status = shoal_delta_restore(&t->table, version, &done, err);
  *out = done.version;
  return status;
}

shoal_status shoal_table_optimize(shoal_table *t, uint64_t file_bytes, shoal_table_packed *out, shoal_error *err) {
  shoal_engine *engine;
  shoal_delta_optimized done = {.version = -1};
  const shoal_delta_packing packing = {.file_bytes = file_bytes};
  shoal_status status = shoal_table_engine(t, &engine, err);
  if (status == SHOAL_OK)
    status = shoal_delta_optimize(&t->table, engine, &packing, &done, err);
  *out = (shoal_table_packed){done.version, done.files_added, done.files_removed, done.bytes_added, done.bytes_removed};
  return status;
}

static shoal_status tell_files(const shoal_delta_vacuumed *files, shoal_arena *arena,
                               void (*each)(void *arg, const char *path), void *arg, shoal_error *err) {
  for (size_t i = 0; each && i < files->n; i++) {
    char *path = shoal_arena_cstr(arena, files->keys[i]);
    if (!path)
      return shoal_fail_nomem(err);
    each(arg, path);
  }
  return SHOAL_OK;
}

shoal_status shoal_table_vacuum(shoal_table *t, const shoal_table_vacuum_options *options,
                                void (*each)(void *arg, const char *path), void *arg, shoal_error *err) {
  const shoal_table_vacuum_options none = {0}, *o = options ? options : &none;
  shoal_arena arena = {0};
  shoal_delta_vacuumed files;
  const shoal_delta_vacuum wanted = {
      .retention_us = o->retention_us ? o->retention_us : -1, .shorter = o->shorter, .dry_run = o->dry_run};
  shoal_status status = shoal_delta_vacuum_files(&t->table, &wanted, &arena, &files, err);
  if (status == SHOAL_OK)
    status = tell_files(&files, &arena, each, arg, err);
  shoal_arena_dispose(&arena);
  return status;
}

shoal_status shoal_table_checkpoint(shoal_table *t, int64_t *out, shoal_error *err) {
  shoal_delta_checkpointed made;
  SHOAL_TRY(shoal_delta_checkpoint_version(&t->table, SHOAL_DELTA_LATEST, &made, err));
  *out = made.version;
  return shoal_delta_clean_log(&t->table, err);
}

/* NUL-terminated; NULL for what is not told. */
static shoal_status text_of(shoal_str text, shoal_arena *arena, const char **out, shoal_error *err) {
  *out = text.ptr ? shoal_arena_cstr(arena, text) : NULL;
  return text.ptr && !*out ? shoal_fail_nomem(err) : SHOAL_OK;
}

shoal_status shoal_table_history(shoal_table *t, size_t limit,
                                 void (*each)(void *arg, const shoal_table_commit *commit), void *arg,
                                 shoal_error *err) {
  shoal_arena arena = {0};
  shoal_delta_history_entry *entries;
  size_t n = 0;
  shoal_status status = shoal_delta_history(&t->table, limit, &arena, &entries, &n, err);
  for (size_t i = 0; i < n && status == SHOAL_OK; i++) {
    const shoal_delta_history_entry *e = &entries[i];
    shoal_table_commit commit = {.version = e->version, .time_us = e->time_us};
    status = text_of(e->operation, &arena, &commit.operation, err);
    if (status == SHOAL_OK)
      status = text_of(e->engine, &arena, &commit.writer, err);
    if (status == SHOAL_OK)
      status = text_of(e->parameters, &arena, &commit.parameters, err);
    if (status == SHOAL_OK)
      status = text_of(e->metrics, &arena, &commit.metrics, err);
    if (status == SHOAL_OK)
      each(arg, &commit);
  }
  shoal_arena_dispose(&arena);
  return status;
}
