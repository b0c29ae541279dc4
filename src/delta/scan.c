/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot as an engine sees it. Refuses by name what the engine would read wrongly: rows that a deletion vector
 * hides, columns that files know by other names, types it has not.
 */
#include "delta/delta_internal.h"

static shoal_status check_types(const shoal_field *fields, size_t n, shoal_error *err) {
  for (size_t i = 0; i < n; i++) {
    shoal_type_kind kind = fields[i].type.kind;
    if (kind == SHOAL_TYPE_VARIANT || kind == SHOAL_TYPE_VOID)
      return shoal_fail(err, SHOAL_EUNSUPPORTED, "the column '%.*s' is of type %s, which this build does not read",
                        SHOAL_FMT(fields[i].name), kind == SHOAL_TYPE_VOID ? "void" : "variant");
    SHOAL_TRY(check_types(fields[i].type.fields, fields[i].type.n_fields, err));
  }
  return SHOAL_OK;
}

static shoal_status check(const shoal_delta_snapshot *s, shoal_error *err) {
  shoal_str mode = shoal_delta_config(&s->metadata, "delta.columnMapping.mode");
  if (s->metadata.schema.n_fields == 0)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "the table has no columns");
  if (mode.len && !shoal_str_is(mode, "none"))
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "the table uses column mapping (%.*s), which this build does not read",
                      SHOAL_FMT(mode));
  for (size_t i = 0; i < s->n_files; i++) {
    if (s->files[i].deletion_vector.ptr)
      return shoal_fail(err, SHOAL_EUNSUPPORTED, "the table uses deletion vectors, which this build does not read");
  }
  return check_types(s->metadata.schema.fields, s->metadata.schema.n_fields, err);
}

/* Absent is NULL: some writers leave out what is null. */
static shoal_str value_of(const shoal_delta_file *f, shoal_str column) {
  for (size_t i = 0; i < f->n_partition_values; i++) {
    if (shoal_str_eq(f->partition_values[i].key, column))
      return f->partition_values[i].value;
  }
  return SHOAL_STR_NONE;
}

static shoal_status scan_file(const shoal_delta_table *table, const shoal_delta_file *f, shoal_buf *key,
                              shoal_arena *arena, shoal_scan_file *out, shoal_error *err) {
  shoal_buf_clear(key);
  shoal_buf_add(key, table->prefix);
  shoal_buf_addz(key, table->prefix.len ? "/" : "");
  SHOAL_TRY(shoal_delta_path_decode(f->path, false, key, err));
  SHOAL_TRY(shoal_store_check_key(shoal_buf_str(key), err));
  char *path = shoal_store_local_path(table->store, shoal_buf_str(key), arena);
  if (!path)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "the store has no local file for '%s'", shoal_buf_z(key));
  out->path = shoal_str_z(path);
  return SHOAL_OK;
}

static shoal_status scan_files(const shoal_delta_table *table, const shoal_delta_snapshot *s, shoal_arena *arena,
                               shoal_scan *out, shoal_error *err) {
  size_t n = out->n_partition_columns;
  shoal_scan_file *files = SHOAL_NEW_ARRAY(arena, shoal_scan_file, s->n_files ? s->n_files : 1);
  shoal_buf key = {0};
  shoal_status status = files ? SHOAL_OK : shoal_fail_nomem(err);
  for (size_t i = 0; i < s->n_files && status == SHOAL_OK; i++) {
    shoal_str *values = SHOAL_NEW_ARRAY(arena, shoal_str, n ? n : 1);
    status = values ? scan_file(table, &s->files[i], &key, arena, &files[i], err) : shoal_fail_nomem(err);
    for (size_t k = 0; k < n && status == SHOAL_OK; k++)
      values[k] = value_of(&s->files[i], s->metadata.schema.fields[out->partition_columns[k]].physical);
    files[i].partition_values = values;
  }
  shoal_buf_dispose(&key);
  out->files = files;
  out->n_files = s->n_files;
  return status;
}

shoal_status shoal_delta_scan(const shoal_delta_table *table, const shoal_delta_snapshot *s, shoal_arena *arena,
                              shoal_scan *out, shoal_error *err) {
  const shoal_delta_metadata *m = &s->metadata;
  shoal_scan scan = {.format = SHOAL_SCAN_TABLE, .schema = &m->schema, .n_partition_columns = m->n_partition_columns};
  *out = (shoal_scan){0};
  SHOAL_TRY(check(s, err));
  size_t *columns = SHOAL_NEW_ARRAY(arena, size_t, m->n_partition_columns ? m->n_partition_columns : 1);
  if (!columns)
    return shoal_fail_nomem(err);
  for (size_t k = 0; k < m->n_partition_columns; k++)
    columns[k] = (size_t)shoal_schema_find(&m->schema, m->partition_columns[k]); /* there: action.c has looked */
  scan.partition_columns = columns;
  SHOAL_TRY(scan_files(table, s, arena, &scan, err));
  *out = scan;
  return SHOAL_OK;
}
