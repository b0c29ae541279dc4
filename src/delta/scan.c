/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot as an engine sees it: local files, partition values, and the rows that deletion vectors leave. Files
 * without such a vector come first, so that an engine need not ask about their rows. Refuses by name what an engine
 * does not read.
 */
#include "delta/deletion_vector.h"
#include "delta/delta_internal.h"

static shoal_status check_types(const shoal_field *fields, size_t n, shoal_error *err) {
  for (size_t i = 0; i < n; i++) {
    if (fields[i].type.kind == SHOAL_TYPE_VOID)
      return shoal_fail(err, SHOAL_EUNSUPPORTED, "the column '%.*s' is of type void, which this build does not read",
                        SHOAL_FMT(fields[i].name));
    SHOAL_TRY(check_types(fields[i].type.fields, fields[i].type.n_fields, err));
  }
  return SHOAL_OK;
}

shoal_status shoal_delta_check_types(const shoal_delta_metadata *m, shoal_error *err) {
  if (m->schema.n_fields == 0)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "the table has no columns");
  return check_types(m->schema.fields, m->schema.n_fields, err);
}

/* Absent is NULL: some writers leave out what is null. */
static shoal_str value_of(const shoal_delta_file *f, shoal_str column) {
  for (size_t i = 0; i < f->n_partition_values; i++) {
    if (shoal_str_eq(f->partition_values[i].key, column))
      return f->partition_values[i].value;
  }
  return SHOAL_STR_NONE;
}

/* Of the files from n_whole on. */
typedef struct vectors {
  shoal_delta_vector **of;
  size_t n_whole;
} vectors;

static void keep(void *arg, size_t file, const int64_t *rows, size_t n, bool *alive) {
  const vectors *v = arg;
  shoal_delta_vector_keep(v->of[file - v->n_whole], rows, n, alive);
}

static void free_vector(void *v) { shoal_delta_vector_free(v); }

shoal_status shoal_delta_scan_vector(const shoal_delta_table *table, shoal_str descriptor, shoal_arena *arena,
                                     shoal_delta_vector **out, shoal_error *err) {
  shoal_delta_vector_descriptor d;
  SHOAL_TRY(shoal_delta_vector_describe(descriptor, arena, &d, err));
  SHOAL_TRY(shoal_delta_vector_read(table, &d, out, err));
  return shoal_arena_own(arena, free_vector, *out) ? SHOAL_OK : shoal_fail_nomem(err);
}

static shoal_status scan_file(const shoal_delta_table *table, const shoal_delta_snapshot *s, const shoal_delta_file *f,
                              const shoal_scan *scan, shoal_arena *arena, shoal_scan_file *out, shoal_error *err) {
  size_t n = scan->n_partition_columns;
  shoal_delta_place place;
  shoal_str *values = SHOAL_NEW_ARRAY(arena, shoal_str, n ? n : 1);
  if (!values)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_delta_path_resolve(table, f->path, arena, &place, err));
  if (!place.local)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "the store has no local file for '%.*s'", SHOAL_FMT(f->path));
  for (size_t k = 0; k < n; k++)
    values[k] = value_of(f, s->metadata.schema.fields[scan->partition_columns[k]].physical);
  *out = (shoal_scan_file){shoal_str_z(place.local), values};
  return SHOAL_OK;
}

#define MOST_COUNTED 10000 /* files: of more it takes longer to read their statistics than a bad plan costs */

static uint64_t count_rows(const shoal_delta_file *const *files, size_t n) {
  uint64_t rows = 0;
  for (size_t i = 0; i < n && n <= MOST_COUNTED; i++) {
    int64_t of_file = shoal_delta_file_rows(files[i]);
    if (of_file < 0)
      return 0;
    rows += (uint64_t)of_file;
  }
  return rows;
}

shoal_status shoal_delta_scan_listed(const shoal_delta_table *table, const shoal_delta_snapshot *s,
                                     const shoal_delta_file *const *files, size_t n, shoal_arena *arena,
                                     shoal_scan *out, shoal_error *err) {
  const shoal_delta_metadata *m = &s->metadata;
  shoal_scan scan = {.format = SHOAL_SCAN_TABLE, .schema = &m->schema, .n_partition_columns = m->n_partition_columns};
  *out = (shoal_scan){0};
  SHOAL_TRY(shoal_delta_check_types(m, err));
  scan.by_field_id = shoal_str_is(shoal_delta_config(m, "delta.columnMapping.mode"), "id");
  size_t *columns = SHOAL_NEW_ARRAY(arena, size_t, m->n_partition_columns);
  shoal_scan_file *list = SHOAL_NEW_ARRAY(arena, shoal_scan_file, n);
  if (!columns || !list)
    return shoal_fail_nomem(err);
  for (size_t k = 0; k < m->n_partition_columns; k++)
    columns[k] = (size_t)shoal_schema_find(&m->schema, m->partition_columns[k]); /* there: action.c has looked */
  scan.partition_columns = columns;
  for (size_t i = 0; i < n; i++)
    SHOAL_TRY(scan_file(table, s, files[i], &scan, arena, &list[i], err));
  scan.files = list;
  scan.n_files = scan.n_whole = n;
  scan.rows = count_rows(files, n);
  *out = scan;
  return SHOAL_OK;
}

/* Files without a vector, then those with one, whose number is told. */
static size_t order_files(const shoal_delta_snapshot *s, const shoal_delta_file **out) {
  size_t n = 0, whole = 0;
  for (size_t i = 0; i < s->n_files; i++)
    if (!s->files[i].deletion_vector.ptr)
      out[n++] = &s->files[i];
  whole = n;
  for (size_t i = 0; i < s->n_files; i++)
    if (s->files[i].deletion_vector.ptr)
      out[n++] = &s->files[i];
  return n - whole;
}

shoal_status shoal_delta_scan_ordered(const shoal_delta_table *table, const shoal_delta_snapshot *s, shoal_arena *arena,
                                      shoal_scan *out, const shoal_delta_file ***files, shoal_error *err) {
  const shoal_delta_file **order = SHOAL_NEW_ARRAY(arena, const shoal_delta_file *, s->n_files);
  vectors *v = SHOAL_NEW(arena, vectors);
  *out = (shoal_scan){0};
  if (!order || !v)
    return shoal_fail_nomem(err);
  size_t n_kept = order_files(s, order);
  *v = (vectors){SHOAL_NEW_ARRAY(arena, shoal_delta_vector *, n_kept), s->n_files - n_kept};
  if (!v->of)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n_kept; i++)
    SHOAL_TRY(shoal_delta_scan_vector(table, order[v->n_whole + i]->deletion_vector, arena, &v->of[i], err));
  SHOAL_TRY(shoal_delta_scan_listed(table, s, order, s->n_files, arena, out, err));
  out->n_whole = v->n_whole;
  if (n_kept) {
    out->keep = keep;
    out->keep_arg = v;
  }
  out->match = shoal_delta_match;
  out->match_arg = shoal_delta_bounds(s, order, s->n_files, arena);
  if (!out->match_arg)
    return shoal_fail_nomem(err);
  *files = order;
  return SHOAL_OK;
}

shoal_status shoal_delta_scan(const shoal_delta_table *table, const shoal_delta_snapshot *s, shoal_arena *arena,
                              shoal_scan *out, shoal_error *err) {
  const shoal_delta_file **files;
  return shoal_delta_scan_ordered(table, s, arena, out, &files, err);
}
