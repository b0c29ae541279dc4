/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a file's groups are marked as variants, the engine has NULL for a variant that is null and for none. Its footer
 * tells how many there are none of: where the group is not there, neither is the metadata within. If that is as many as
 * the engine has NULLs, or none, all of them are the one or the other; else the file can't be written anew.
 */
#include "base/str.h"
#include "engine/duckdb_internal.h"

/* How many NULLs the leaves have in an expression's place, as a footer counts: nothing within NULL or an empty array is
   one, too. */
static void add_count(shoal_buf *out, const shoal_type *type, shoal_str expression, int depth) {
  shoal_buf inner = {0};
  const char *separator = "";
  if (type->kind == SHOAL_TYPE_VARIANT) {
    shoal_buf_addf(out, "CAST(%.*s IS NULL AS BIGINT)", SHOAL_FMT(expression));
    return;
  }
  for (size_t i = 0; i < type->n_fields; i++) {
    const shoal_field *f = &type->fields[i];
    if (!shoal_type_has(&f->type, SHOAL_TYPE_VARIANT))
      continue;
    shoal_buf_addz(out, separator);
    shoal_buf_clear(&inner);
    if (type->kind == SHOAL_TYPE_STRUCT) {
      shoal_buf_addf(&inner, "struct_extract(%.*s, ", SHOAL_FMT(expression));
      shoal_buf_sql_literal(&inner, shoal_field_stored_name(f));
      shoal_buf_addz(&inner, ")");
      add_count(out, &f->type, shoal_buf_str(&inner), depth);
    } else {
      shoal_buf_addf(&inner, "e%d", depth);
      shoal_buf_addf(out,
                     "CASE WHEN %.*s IS NULL OR len(%s%.*s)) = 0 THEN 1 ELSE list_sum(list_transform(%s%.*s), "
                     "lambda e%d: ",
                     SHOAL_FMT(expression), type->kind == SHOAL_TYPE_MAP ? "map_values(" : "(", SHOAL_FMT(expression),
                     type->kind == SHOAL_TYPE_MAP ? "map_values(" : "(", SHOAL_FMT(expression), depth);
      add_count(out, &f->type, shoal_buf_str(&inner), depth + 1);
      shoal_buf_addz(out, ")) END");
    }
    separator = " + ";
  }
  if (inner.status < 0)
    out->status = inner.status;
  shoal_buf_dispose(&inner);
}

/* The only row of a query, of whole numbers; -1: NULL. */
static shoal_status ask(shoal_duckdb *d, shoal_buf *sql, int64_t *out, size_t n, shoal_error *err) {
  duckdb_result result = {0};
  SHOAL_TRY(shoal_buf_check(sql, err));
  shoal_status status = shoal_duckdb_query_text(d, shoal_buf_z(sql), (shoal_duckdb_place){0}, &result, err);
  duckdb_data_chunk chunk = status == SHOAL_OK ? d->api->fetch_chunk(result) : NULL;
  if (status == SHOAL_OK && (!chunk || d->api->data_chunk_get_size(chunk) != 1))
    status = shoal_fail(err, SHOAL_EENGINE, "the engine did not count what a file has");
  for (size_t i = 0; i < n && status == SHOAL_OK; i++) {
    duckdb_vector v = d->api->data_chunk_get_vector(chunk, i);
    bool valid = shoal_duckdb_valid(d->api->vector_get_validity(v), 0);
    out[i] = valid ? *(const int64_t *)d->api->vector_get_data(v) : -1;
  }
  if (chunk)
    d->api->destroy_data_chunk(&chunk);
  d->api->destroy_result(&result);
  return status;
}

/* How many variants there are none of, or -1. */
static shoal_status count_absent(shoal_duckdb *d, shoal_str path, const shoal_field *column, size_t n, int64_t *out,
                                 shoal_error *err) {
  shoal_buf sql = {0}, prefix = {0};
  int64_t found[4] = {0};
  shoal_buf_add(&prefix, shoal_field_stored_name(column));
  shoal_buf_addz(&prefix, ", ");
  shoal_buf_addz(&sql, "SELECT CAST(sum(nulls) AS BIGINT), count(nulls), count(*), CAST(any_value(groups) AS BIGINT) "
                       "FROM (SELECT stats_null_count AS nulls, path_in_schema AS path, "
                       "1 + max(row_group_id) OVER () AS groups FROM parquet_metadata(");
  shoal_duckdb_add_path(&sql, path);
  shoal_buf_addz(&sql, ")) WHERE starts_with(path, ");
  shoal_buf_sql_literal(&sql, shoal_buf_str(&prefix));
  shoal_buf_addz(&sql, ") AND ends_with(path, ', metadata')");
  if (prefix.status < 0)
    sql.status = prefix.status;
  shoal_status status = ask(d, &sql, found, 4, err);
  *out = found[1] == found[2] && found[2] == (int64_t)n * found[3] ? found[0] : -1;
  shoal_buf_dispose(&sql);
  shoal_buf_dispose(&prefix);
  return status;
}

static shoal_status count_nulls(shoal_duckdb *d, shoal_str path, const shoal_field *column, int64_t *out,
                                shoal_error *err) {
  shoal_buf sql = {0}, name = {0};
  shoal_buf_sql_ident(&name, shoal_field_stored_name(column));
  shoal_buf_addz(&sql, "SELECT CAST(coalesce(sum(");
  add_count(&sql, &column->type, shoal_buf_str(&name), 0);
  shoal_buf_addz(&sql, "), 0) AS BIGINT) FROM read_parquet(");
  shoal_duckdb_add_path(&sql, path);
  shoal_buf_addz(&sql, ", hive_partitioning = false)");
  if (name.status < 0)
    sql.status = name.status;
  shoal_status status = ask(d, &sql, out, 1, err);
  shoal_buf_dispose(&sql);
  shoal_buf_dispose(&name);
  return status;
}

shoal_status shoal_duckdb_variant_nulls(shoal_duckdb *d, shoal_str path, const shoal_field *column, size_t n,
                                        bool lacking, unsigned char *layout, shoal_error *err) {
  int64_t absent = -1, nulls = 0;
  if (!lacking)
    SHOAL_TRY(count_absent(d, path, column, n, &absent, err));
  if (absent == 0) {
    *layout |= SHOAL_LAYOUT_NULLS;
    return SHOAL_OK;
  }
  if (!lacking)
    SHOAL_TRY(count_nulls(d, path, column, &nulls, err));
  if (!lacking && (nulls == absent || nulls == 0))
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_EUNSUPPORTED,
                   "'%.*s' marks column '%.*s' as a variant, and the engine can't tell which of its NULLs are variants "
                   "that are null: its rows can't be written anew",
                   SHOAL_FMT(path), SHOAL_FMT(column->name));
  shoal_hint(err, "rows can be deleted where delta.enableDeletionVectors is on and delta.enableChangeDataFeed is not");
  return SHOAL_EUNSUPPORTED;
}
