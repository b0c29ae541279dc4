/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table is read with an explicit schema: its columns are renamed to c0, c1 … on the way, so that no column of the
 * user's shadows the reader's own file_index. Values of partition columns come from a list by file_index. With a schema
 * the engine opens no file before it plans: so it is told how many rows there are, lest it takes every table for empty
 * and turns joins around, but it still takes a single file for one thread's work. So a large table whose files are all
 * alike, or that is one file which is as the table is, is read without a schema; a small one is not, for its footer
 * would be read at each binding.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "engine/duckdb_internal.h"
#include "engine/variants.h"

/* The variable of input i's k-th partition column: the values, one for each file. */
static shoal_str values_variable(char *out, size_t size, size_t input, size_t k) {
  return (shoal_str){out, (size_t)snprintf(out, size, "shoal:%zu:%zu", input, k)};
}

/* What the numbers of the files were before some were left out. */
static shoal_str numbers_variable(char *out, size_t size, size_t input) {
  return (shoal_str){out, (size_t)snprintf(out, size, "shoal:%zu:numbers", input)};
}

/* Of a column of variants, how the files have them. */
static shoal_str layout_variable(char *out, size_t size, size_t input, size_t column) {
  return (shoal_str){out, (size_t)snprintf(out, size, "shoal:%zu:layout:%zu", input, column)};
}

/* Delta can't tell an empty string from NULL. A binary's text is its bytes, which the engine's cast wants escaped. */
static duckdb_value partition_value(shoal_duckdb *d, const shoal_type *type, shoal_str value, shoal_buf *scratch) {
  if (value.len == 0 || type->kind != SHOAL_TYPE_BINARY)
    return shoal_duckdb_text_value(d, value.len ? value : SHOAL_STR_NONE);
  shoal_buf_clear(scratch);
  for (size_t i = 0; i < value.len; i++)
    shoal_buf_addf(scratch, "\\x%02X", (unsigned char)value.ptr[i]);
  return scratch->status < 0 ? NULL : shoal_duckdb_text_value(d, shoal_buf_str(scratch));
}

/* The values of partition column k, cast to its type. */
static shoal_status set_values(shoal_duckdb *d, const shoal_scan *scan, size_t input, size_t k, shoal_error *err) {
  char name[64];
  shoal_buf scratch = {0};
  const shoal_type *type = &scan->schema->fields[scan->partition_columns[k]].type;
  duckdb_value *values = shoal_calloc(scan->n_files, sizeof *values);
  if (!values)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < scan->n_files; i++)
    values[i] = partition_value(d, type, scan->files[i].partition_values[k], &scratch);
  shoal_status status =
      shoal_duckdb_set_list(d, values_variable(name, sizeof name, input, k), values, scan->n_files, type, err);
  shoal_free(values);
  shoal_buf_dispose(&scratch);
  return status;
}

static shoal_status set_numbers(shoal_duckdb *d, const shoal_scan *scan, size_t input, shoal_error *err) {
  char name[64], text[24];
  const shoal_type type = {.kind = SHOAL_TYPE_LONG};
  duckdb_value *values = shoal_calloc(scan->n_files, sizeof *values);
  if (!values)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < scan->n_files; i++)
    values[i] =
        shoal_duckdb_text_value(d, (shoal_str){text, (size_t)snprintf(text, sizeof text, "%zu", scan->numbers[i])});
  shoal_status status =
      shoal_duckdb_set_list(d, numbers_variable(name, sizeof name, input), values, scan->n_files, &type, err);
  shoal_free(values);
  return status;
}

/* The variables of layout_of. */
static shoal_status set_layout(shoal_duckdb *d, const shoal_scan *scan, size_t input, size_t column, shoal_error *err) {
  char name[64], text[8];
  const shoal_type type = {.kind = SHOAL_TYPE_INTEGER};
  duckdb_value *values = shoal_calloc(scan->n_files, sizeof *values);
  if (!values)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < scan->n_files; i++)
    values[i] = shoal_duckdb_text_value(
        d, (shoal_str){text, (size_t)snprintf(text, sizeof text, "%u", scan->variants[column * scan->n_files + i])});
  shoal_status status =
      shoal_duckdb_set_list(d, layout_variable(name, sizeof name, input, column), values, scan->n_files, &type, err);
  shoal_free(values);
  return status;
}

/* Position among the partition columns, or -1. */
static ptrdiff_t partition_index(const shoal_scan *scan, size_t column) {
  for (size_t k = 0; k < scan->n_partition_columns; k++) {
    if (scan->partition_columns[k] == column)
      return (ptrdiff_t)k;
  }
  return -1;
}

/* Whether no comparison may reach the reader: where older files have the column, or a part of it, in a narrower type,
   as Delta notes in its metadata, what it is compared with would be cast to that, and 0.1 as a whole number is 0; and
   Bloom filters misjudge binaries (SHOAL_DUCKDB_NO_BLOOM), which files of all ages may have. */
static bool is_guarded(const shoal_field *f) {
  bool is = f->type.kind == SHOAL_TYPE_BINARY || shoal_str_find(f->metadata, SHOAL_STR("\"delta.typeChanges\"")) >= 0;
  for (size_t i = 0; f->type.kind == SHOAL_TYPE_STRUCT && i < f->type.n_fields && !is; i++)
    is = is_guarded(&f->type.fields[i]);
  return is;
}

/* How a column's variants lie, which files of a range may differ in; NULL: it has none. */
static const char *layout_of(const shoal_scan *scan, size_t column, size_t input, const shoal_duckdb_files *range,
                             char *out, size_t size) {
  char name[64];
  const unsigned char *of = scan->variants ? scan->variants + column * scan->n_files + range->first : NULL;
  bool alike = true;
  if (!of || !shoal_type_has(&scan->schema->fields[column].type, SHOAL_TYPE_VARIANT))
    return NULL;
  for (size_t i = 1; i < range->n && alike; i++)
    alike = of[i] == of[0];
  if (alike)
    snprintf(out, size, "%u", of[0]);
  else
    snprintf(out, size, "getvariable('%s')[file_index::BIGINT + %zu]",
             layout_variable(name, sizeof name, input, column).ptr, range->first + 1);
  return out;
}

static void add_read(shoal_buf *sql, const shoal_scan *scan, size_t column, size_t input,
                     const shoal_duckdb_files *range, bool exact) {
  char expression[32], layout[128];
  const shoal_field *field = &scan->schema->fields[column];
  bool guarded = is_guarded(field);
  snprintf(expression, sizeof expression, "c%zu", column);
  if (guarded) /* the condition always holds, and is one that the optimizer can't see through */
    shoal_buf_addz(sql, "CASE WHEN file_row_number >= 0 THEN ");
  shoal_duckdb_add_logical(sql, &field->type, expression, layout_of(scan, column, input, range, layout, sizeof layout),
                           exact);
  shoal_buf_addz(sql, guarded ? " END" : "");
}

/* The columns of a scan that is exact. */
static void add_exact(shoal_buf *sql, const shoal_scan *scan, size_t input, const shoal_duckdb_files *range) {
  for (size_t i = 0; i < scan->schema->n_fields && scan->exact; i++) {
    const shoal_field *f = &scan->schema->fields[i];
    if (!shoal_type_has(&f->type, SHOAL_TYPE_VARIANT))
      continue;
    shoal_buf_addz(sql, ", ");
    if (scan->n_files)
      add_read(sql, scan, i, input, range, true);
    else
      shoal_variants_add_new(sql, f, SHOAL_STR("NULL"));
    shoal_buf_addz(sql, " AS ");
    shoal_variants_add_exact(sql, f);
  }
}

static void add_select_item(shoal_buf *sql, const shoal_scan *scan, size_t column, size_t input,
                            const shoal_duckdb_files *range) {
  char name[64];
  ptrdiff_t k = partition_index(scan, column);
  const shoal_field *field = &scan->schema->fields[column];
  if (scan->n_files == 0) {
    shoal_buf_addz(sql, "CAST(NULL AS ");
    shoal_type_sql(sql, &field->type);
    shoal_buf_addz(sql, ")");
  } else if (k < 0) {
    add_read(sql, scan, column, input, range, false);
  } else {
    shoal_buf_addf(sql, "getvariable('%s')[file_index::BIGINT + %zu]",
                   values_variable(name, sizeof name, input, (size_t)k).ptr, range->first + 1);
  }
  shoal_buf_addz(sql, " AS ");
  shoal_buf_sql_ident(sql, field->name);
}

/* MAP{'physical': {name: 'c0', type: 'BIGINT', default_value: NULL}, …}; keys are field ids where those count. */
static void add_schema_map(shoal_buf *sql, const shoal_scan *scan) {
  const char *separator = "";
  shoal_buf type = {0};
  shoal_buf_addz(sql, "MAP{");
  for (size_t i = 0; i < scan->schema->n_fields; i++) {
    const shoal_field *field = &scan->schema->fields[i];
    if (partition_index(scan, i) >= 0)
      continue;
    shoal_buf_addz(sql, separator);
    if (scan->by_field_id)
      shoal_buf_addf(sql, "%d", field->field_id);
    else
      shoal_buf_sql_literal(sql, shoal_field_stored_name(field));
    shoal_buf_addf(sql, ": {name: 'c%zu', type: ", i);
    shoal_buf_clear(&type);
    shoal_type_sql_physical(&type, &field->type);
    shoal_buf_sql_literal(sql, shoal_buf_str(&type));
    shoal_buf_addz(sql, ", default_value: NULL}");
    separator = ", ";
  }
  if (!*separator) /* all columns are partition columns; the reader wants one of the files' nevertheless */
    shoal_buf_addf(sql, "%s: {name: 'none', type: 'INTEGER', default_value: NULL}",
                   scan->by_field_id ? "-1" : "'shoal:none'");
  shoal_buf_addz(sql, "}");
  if (type.status < 0)
    sql->status = type.status;
  shoal_buf_dispose(&type);
}

static shoal_status check_table(const shoal_scan *scan, shoal_error *err) {
  if (!scan->schema || scan->schema->n_fields == 0)
    return shoal_fail(err, SHOAL_EINVAL, "the table has no columns");
  if (scan->positions && (shoal_schema_find(scan->schema, SHOAL_STR(SHOAL_POSITION_FILE)) >= 0 ||
                          shoal_schema_find(scan->schema, SHOAL_STR(SHOAL_POSITION_ROW)) >= 0))
    return shoal_fail(err, SHOAL_EUNSUPPORTED,
                      "the table has a column \"" SHOAL_POSITION_FILE "\" or \"" SHOAL_POSITION_ROW
                      "\", which rows' places are told by");
  for (size_t i = 0; i < scan->schema->n_fields; i++) {
    const shoal_field *f = &scan->schema->fields[i];
    if (scan->exact && shoal_str_starts(f->name, SHOAL_STR(SHOAL_DUCKDB_EXACT)))
      return shoal_fail(err, SHOAL_EUNSUPPORTED, "the table has a column \"%.*s\", by whose name variants are told",
                        SHOAL_FMT(f->name));
    if (f->type.kind == SHOAL_TYPE_VOID)
      return shoal_fail(err, SHOAL_EUNSUPPORTED, "column \"%.*s\" has a type the engine does not read",
                        SHOAL_FMT(f->name));
  }
  return SHOAL_OK;
}

/* What a row's file says of it, else what the log says of the file: an id counts from the file's first row on. */
static void add_ids(shoal_buf *sql, const shoal_scan *scan, size_t input, const shoal_duckdb_files *range) {
  char name[64];
  size_t own = scan->schema->n_fields - SHOAL_TRACKED_COLUMNS;
  for (size_t i = 0; i < 2; i++) {
    if (scan->n_files == 0)
      shoal_buf_addz(sql, ", NULL::BIGINT");
    else
      shoal_buf_addf(sql, ", coalesce(c%zu, getvariable('%s')[file_index::BIGINT + %zu]%s)", own + i,
                     values_variable(name, sizeof name, input, (size_t)partition_index(scan, own + 2 + i)).ptr,
                     range->first + 1, i == 0 ? " + file_row_number::BIGINT" : "");
    shoal_buf_addz(sql, i == 0 ? " AS \"" SHOAL_ROW_ID "\"" : " AS \"" SHOAL_ROW_VERSION "\"");
  }
}

static void add_select_items(shoal_buf *sql, const shoal_scan *scan, size_t input, const shoal_duckdb_files *range) {
  char name[64];
  size_t n = scan->schema->n_fields - (scan->tracked ? SHOAL_TRACKED_COLUMNS : 0);
  for (size_t i = 0; i < n; i++) {
    shoal_buf_addz(sql, i ? ", " : "SELECT ");
    add_select_item(sql, scan, i, input, range);
  }
  add_exact(sql, scan, input, range);
  if (scan->tracked)
    add_ids(sql, scan, input, range);
  if (!scan->positions)
    return;
  if (scan->n_files == 0)
    shoal_buf_addz(sql, ", NULL::BIGINT AS \"" SHOAL_POSITION_FILE "\", NULL::BIGINT AS \"" SHOAL_POSITION_ROW "\"");
  else if (scan->numbers)
    shoal_buf_addf(sql, ", getvariable('%s')[file_index::BIGINT + %zu]", numbers_variable(name, sizeof name, input).ptr,
                   range->first + 1);
  else
    shoal_buf_addf(sql, ", file_index::BIGINT + %zu", range->first);
  if (scan->n_files)
    shoal_buf_addz(sql, " AS \"" SHOAL_POSITION_FILE "\", file_row_number::BIGINT AS \"" SHOAL_POSITION_ROW "\"");
}

/* As many of the rows as of the files. */
static uint64_t rows_of(const shoal_scan *scan, const shoal_duckdb_files *range) {
  return (uint64_t)((double)scan->rows * (double)range->n / (double)scan->n_files);
}

static bool is_as_stored(const shoal_field *field, const shoal_duckdb_column *columns, size_t n) {
  shoal_buf ours = {0}, theirs = {0};
  bool same = false;
  for (size_t i = 0; i < n && !same; i++) {
    if (!shoal_str_eq(columns[i].name, shoal_field_stored_name(field)) || columns[i].cast)
      continue;
    shoal_type_sql_physical(&ours, &field->type);
    shoal_type_sql(&theirs, &columns[i].type);
    same = ours.status == SHOAL_OK && theirs.status == SHOAL_OK &&
           shoal_str_eq(shoal_buf_str(&ours), shoal_buf_str(&theirs));
    break;
  }
  shoal_buf_dispose(&ours);
  shoal_buf_dispose(&theirs);
  return same;
}

/* A column that would be taken for what the reader says of a row. */
static bool is_shadowing(shoal_str name) {
  return shoal_str_ieq(name, SHOAL_STR("file_index")) || shoal_str_ieq(name, SHOAL_STR("file_row_number"));
}

#define BLIND_ROWS 50000

/* Whether a range is one large file that has the table's columns, by their names and types; what can't be told is not
   so. */
static bool is_like_table(shoal_duckdb *d, const shoal_scan *scan, size_t input, const shoal_duckdb_files *range) {
  shoal_buf sql = {0};
  shoal_error ignored = {0};
  duckdb_prepared_statement statement = NULL;
  shoal_duckdb_column *columns;
  size_t n = 0;
  if (range->n != 1 || rows_of(scan, range) <= BLIND_ROWS || scan->by_field_id || shoal_variants_any(scan->schema))
    return false;
  shoal_buf_addz(&sql, "SELECT * FROM read_parquet(");
  bool like = shoal_duckdb_add_files(d, scan, input, range, &sql, &ignored) == SHOAL_OK;
  shoal_buf_addz(&sql, ", hive_partitioning = false)");
  like = like && shoal_buf_check(&sql, &ignored) == SHOAL_OK &&
         shoal_duckdb_prepare(d, shoal_buf_z(&sql), (shoal_duckdb_place){0}, &statement, &ignored) == SHOAL_OK &&
         shoal_duckdb_columns(d, statement, true, &d->job_arena, &columns, &n, &ignored) == SHOAL_OK;
  for (size_t i = 0; like && i < n; i++)
    like = !is_shadowing(columns[i].name);
  for (size_t i = 0; like && i < scan->schema->n_fields; i++)
    like = partition_index(scan, i) >= 0 || is_as_stored(&scan->schema->fields[i], columns, n);
  d->api->destroy_prepare(&statement);
  shoal_buf_dispose(&sql);
  return like;
}

/* SELECT "a" AS c0, …: the names that a schema would give. */
static void add_renamed(const shoal_scan *scan, shoal_buf *sql) {
  shoal_buf_addz(sql, "SELECT ");
  for (size_t i = 0; i < scan->schema->n_fields; i++) {
    if (partition_index(scan, i) >= 0)
      continue;
    shoal_buf_sql_ident(sql, shoal_field_stored_name(&scan->schema->fields[i]));
    shoal_buf_addf(sql, " AS c%zu, ", i);
  }
  shoal_buf_addz(sql, "file_index, file_row_number");
}

static shoal_status add_range(shoal_duckdb *d, const shoal_scan *scan, size_t input, const shoal_duckdb_files *range,
                              shoal_buf *sql, shoal_error *err) {
  bool like = is_like_table(d, scan, input, range);
  uint64_t rows = rows_of(scan, range);
  add_select_items(sql, scan, input, range);
  shoal_buf_addz(sql, " FROM ");
  if (like) {
    shoal_buf_addc(sql, '(');
    add_renamed(scan, sql);
    shoal_buf_addz(sql, " FROM ");
  }
  shoal_buf_addz(sql, "read_parquet(");
  SHOAL_TRY(shoal_duckdb_add_files(d, scan, input, range, sql, err));
  shoal_buf_addz(sql, ", hive_partitioning = false");
  if (!like) {
    shoal_buf_addz(sql, ", schema = ");
    add_schema_map(sql, scan);
  }
  if (!like && rows)
    shoal_buf_addf(sql, ", explicit_cardinality = %llu", (unsigned long long)rows);
  shoal_buf_addz(sql, like ? "))" : ")");
  return SHOAL_OK;
}

/* What rows must satisfy: to have a key that is wanted, and to be alive. */
static void add_conditions(const shoal_scan *scan, size_t input, bool kept, shoal_buf *sql) {
  const shoal_field *key = scan->among ? &scan->schema->fields[scan->among_column] : NULL;
  bool among = key && !is_guarded(key) && partition_index(scan, scan->among_column) < 0;
  if (among)
    shoal_buf_addf(sql, " WHERE \"%s\"(%zu, c%zu)", scan->among->numbers ? SHOAL_DUCKDB_AMONG : SHOAL_DUCKDB_AMONG_TEXT,
                   input, scan->among_column);
  if (kept)
    shoal_buf_addf(sql, " %s \"" SHOAL_DUCKDB_KEEP "\"(%zu, file_index, file_row_number)", among ? "AND" : "WHERE",
                   input);
}

/* A cast to the type that a column has costs nothing. */
static shoal_status add_uniform(shoal_duckdb *d, const shoal_scan *scan, size_t input, shoal_buf *sql,
                                shoal_error *err) {
  const shoal_duckdb_files all = {0, scan->n_files, "whole"};
  for (size_t i = 0; i < scan->schema->n_fields; i++) {
    shoal_buf_addz(sql, i ? ", CAST(" : "SELECT CAST(");
    shoal_buf_sql_ident(sql, scan->schema->fields[i].name);
    shoal_buf_addz(sql, " AS ");
    shoal_type_sql(sql, &scan->schema->fields[i].type);
    shoal_buf_addz(sql, ") AS ");
    shoal_buf_sql_ident(sql, scan->schema->fields[i].name);
  }
  shoal_buf_addz(sql, " FROM read_parquet(");
  SHOAL_TRY(shoal_duckdb_add_files(d, scan, input, &all, sql, err));
  shoal_buf_addz(sql, ", hive_partitioning = false)");
  return SHOAL_OK;
}

/* Files whose rows are all there are read apart: nothing is asked of those rows. */
shoal_status shoal_duckdb_add_table(shoal_duckdb *d, const shoal_scan *given, size_t input, shoal_buf *sql,
                                    shoal_error *err) {
  shoal_scan own = *given;
  const shoal_scan *scan = &own;
  size_t n_whole = scan->keep ? scan->n_whole : scan->n_files;
  const shoal_duckdb_files whole = {0, n_whole, "whole"}, kept = {n_whole, scan->n_files - n_whole, "kept"};
  SHOAL_TRY(check_table(scan, err));
  if (scan->stand_in) {
    shoal_buf_addz(sql, scan->stand_in);
    return SHOAL_OK;
  }
  if (scan->n_files == 0) {
    add_select_items(sql, scan, input, &whole);
    shoal_buf_addz(sql, " WHERE false");
    return SHOAL_OK;
  }
  if (scan->rows > BLIND_ROWS && !scan->keep && scan->uniform)
    return add_uniform(d, scan, input, sql, err);
  SHOAL_TRY(shoal_duckdb_find_variants(d, scan, &own.variants, err));
  if (whole.n) {
    SHOAL_TRY(add_range(d, scan, input, &whole, sql, err));
    add_conditions(scan, input, false, sql);
  }
  if (whole.n && kept.n)
    shoal_buf_addz(sql, " UNION ALL ");
  if (kept.n) {
    SHOAL_TRY(add_range(d, scan, input, &kept, sql, err));
    add_conditions(scan, input, true, sql);
  }
  for (size_t k = 0; k < scan->n_partition_columns; k++)
    SHOAL_TRY(set_values(d, scan, input, k, err));
  for (size_t i = 0; scan->variants && i < scan->schema->n_fields; i++)
    if (shoal_type_has(&scan->schema->fields[i].type, SHOAL_TYPE_VARIANT))
      SHOAL_TRY(set_layout(d, scan, input, i, err));
  if (scan->positions && scan->numbers)
    SHOAL_TRY(set_numbers(d, scan, input, err));
  return SHOAL_OK;
}
