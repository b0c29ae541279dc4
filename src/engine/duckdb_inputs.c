/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a job's SQL may name: inputs become views, macros macros, variables variables. Long file lists go through
 * variables: a list of 100,000 paths takes 650 ms to parse as a literal and 14 ms to bind as a value. A short one
 * stands in the view's text, which saves a small job two statements for each input.
 *
 * A table is read with an explicit schema: its columns are renamed to c0, c1 … on the way, so that no column of the
 * user's shadows the reader's own file_index. Values of partition columns come from a list by file_index. With a schema
 * the engine opens no file before it plans: so it is told how many rows there are, lest it takes every table for empty
 * and turns joins around, but it still takes a single file for one thread's work. So a large table whose files are all
 * alike, or that is one file which is as the table is, is read without a schema; a small one is not, for its footer
 * would be read at each binding.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "engine/duckdb_internal.h"
#include "engine/lexer.h"
#include "engine/variants.h"

/* The variable of input i: a range of its files; of its k-th partition column: the values, one for each file. */
static shoal_str files_variable(char *out, size_t size, size_t input, const shoal_duckdb_files *range) {
  return (shoal_str){out, (size_t)snprintf(out, size, "shoal:%zu:%s", input, range->name)};
}

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

/* The engine would expand *, ? and [ in a path: a foreign file's name must not select other files. */
static void add_escaped(shoal_buf *out, shoal_str path) {
  for (size_t i = 0; i < path.len; i++) {
    char c = path.ptr[i];
    if (c == '*' || c == '?' || c == '[')
      shoal_buf_addf(out, "[%c]", c);
    else
      shoal_buf_addc(out, c);
  }
}

void shoal_duckdb_add_path(shoal_buf *out, shoal_str path) {
  shoal_buf escaped = {0};
  add_escaped(&escaped, path);
  shoal_buf_sql_literal(out, shoal_buf_str(&escaped));
  if (escaped.status < 0)
    out->status = escaped.status;
  shoal_buf_dispose(&escaped);
}

static duckdb_value text_value(shoal_duckdb *d, shoal_str s) {
  return s.ptr ? d->api->create_varchar_length(s.ptr, s.len) : d->api->create_null_value();
}

static duckdb_value path_value(shoal_duckdb *d, shoal_str path, shoal_buf *scratch) {
  shoal_buf_clear(scratch);
  add_escaped(scratch, path);
  return scratch->status == SHOAL_OK ? text_value(d, shoal_buf_str(scratch)) : NULL;
}

/* Delta can't tell an empty string from NULL. A binary's text is its bytes, which the engine's cast wants escaped. */
static duckdb_value partition_value(shoal_duckdb *d, const shoal_type *type, shoal_str value, shoal_buf *scratch) {
  if (value.len == 0 || type->kind != SHOAL_TYPE_BINARY)
    return text_value(d, value.len ? value : SHOAL_STR_NONE);
  shoal_buf_clear(scratch);
  for (size_t i = 0; i < value.len; i++)
    shoal_buf_addf(scratch, "\\x%02X", (unsigned char)value.ptr[i]);
  return scratch->status < 0 ? NULL : text_value(d, shoal_buf_str(scratch));
}

/* Sets a variable to a list of `n` texts, cast to `type`[] (NULL: texts they stay). Takes the values. */
static shoal_status set_list(shoal_duckdb *d, shoal_str name, duckdb_value *values, size_t n, const shoal_type *type,
                             shoal_error *err) {
  shoal_buf sql = {0};
  duckdb_logical_type text = d->api->create_logical_type(DUCKDB_TYPE_VARCHAR);
  duckdb_value list = NULL;
  shoal_status status = text ? SHOAL_OK : shoal_fail_nomem(err);
  for (size_t i = 0; i < n && status == SHOAL_OK; i++) {
    if (!values[i])
      status = shoal_fail_nomem(err);
  }
  if (status == SHOAL_OK && type) {
    shoal_type_sql(&sql, type);
    shoal_buf_addz(&sql, "[]");
    status = shoal_buf_check(&sql, err);
  }
  if (status == SHOAL_OK && !(list = d->api->create_list_value(text, values, n)))
    status = shoal_fail(err, SHOAL_EENGINE, "the engine did not take a list of files");
  if (status == SHOAL_OK)
    status = shoal_duckdb_set_variable(d, name, list, type ? shoal_buf_z(&sql) : NULL, err);
  for (size_t i = 0; i < n; i++)
    d->api->destroy_value(&values[i]);
  d->api->destroy_logical_type(&text);
  shoal_buf_dispose(&sql);
  return status;
}

static shoal_status set_files(shoal_duckdb *d, const shoal_scan *scan, size_t input, const shoal_duckdb_files *range,
                              shoal_error *err) {
  char name[64];
  shoal_buf scratch = {0};
  duckdb_value *values = shoal_calloc(range->n, sizeof *values);
  if (!values)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < range->n; i++)
    values[i] = path_value(d, scan->files[range->first + i].path, &scratch);
  shoal_status status = set_list(d, files_variable(name, sizeof name, input, range), values, range->n, NULL, err);
  shoal_free(values);
  shoal_buf_dispose(&scratch);
  return status;
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
  shoal_status status = set_list(d, values_variable(name, sizeof name, input, k), values, scan->n_files, type, err);
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
    values[i] = text_value(d, (shoal_str){text, (size_t)snprintf(text, sizeof text, "%zu", scan->numbers[i])});
  shoal_status status = set_list(d, numbers_variable(name, sizeof name, input), values, scan->n_files, &type, err);
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
    values[i] = text_value(
        d, (shoal_str){text, (size_t)snprintf(text, sizeof text, "%u", scan->variants[column * scan->n_files + i])});
  shoal_status status =
      set_list(d, layout_variable(name, sizeof name, input, column), values, scan->n_files, &type, err);
  shoal_free(values);
  return status;
}

#define SHORT_LIST 8

shoal_status shoal_duckdb_add_files(shoal_duckdb *d, const shoal_scan *scan, size_t input,
                                    const shoal_duckdb_files *range, shoal_buf *sql, shoal_error *err) {
  char name[64];
  if (range->n > SHORT_LIST) {
    shoal_buf_addf(sql, "getvariable('%s')", files_variable(name, sizeof name, input, range).ptr);
    return set_files(d, scan, input, range, err);
  }
  for (size_t i = 0; i < range->n; i++) {
    shoal_buf_addc(sql, i ? ',' : '[');
    shoal_duckdb_add_path(sql, scan->files[range->first + i].path);
  }
  shoal_buf_addc(sql, ']');
  return shoal_buf_check(sql, err);
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
      shoal_buf_sql_literal(sql, field->physical.ptr ? field->physical : field->name);
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
static void add_cardinality(const shoal_scan *scan, const shoal_duckdb_files *range, shoal_buf *sql) {
  uint64_t rows = (uint64_t)((double)scan->rows * (double)range->n / (double)scan->n_files);
  if (rows)
    shoal_buf_addf(sql, ", explicit_cardinality = %llu", (unsigned long long)rows);
}

static shoal_status add_range(shoal_duckdb *d, const shoal_scan *scan, size_t input, const shoal_duckdb_files *range,
                              shoal_buf *sql, shoal_error *err) {
  add_select_items(sql, scan, input, range);
  shoal_buf_addz(sql, " FROM read_parquet(");
  SHOAL_TRY(shoal_duckdb_add_files(d, scan, input, range, sql, err));
  shoal_buf_addz(sql, ", hive_partitioning = false, schema = ");
  add_schema_map(sql, scan);
  add_cardinality(scan, range, sql);
  shoal_buf_addz(sql, ")");
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

#define BLIND_ROWS 50000

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

static bool is_as_stored(const shoal_field *field, const shoal_duckdb_column *columns, size_t n) {
  shoal_buf ours = {0}, theirs = {0};
  bool same = false;
  for (size_t i = 0; i < n && !same; i++) {
    if (!shoal_str_eq(columns[i].name, field->name) || columns[i].cast)
      continue;
    shoal_type_sql(&ours, &field->type);
    shoal_type_sql(&theirs, &columns[i].type);
    same = ours.status == SHOAL_OK && theirs.status == SHOAL_OK &&
           shoal_str_eq(shoal_buf_str(&ours), shoal_buf_str(&theirs));
    break;
  }
  shoal_buf_dispose(&ours);
  shoal_buf_dispose(&theirs);
  return same;
}

/* Whether a table's only file has its columns, by their names and types; what can't be told is not so. */
static bool is_like_table(shoal_duckdb *d, const shoal_scan *scan) {
  shoal_buf sql = {0};
  shoal_error ignored = {0};
  duckdb_prepared_statement statement = NULL;
  shoal_duckdb_column *columns;
  size_t n = 0;
  const shoal_duckdb_files all = {0, 1, "whole"};
  bool like = scan->n_files == 1 && !shoal_variants_any(scan->schema) && !scan->tracked &&
              scan->n_partition_columns == 0 && !scan->positions && !scan->by_field_id;
  for (size_t i = 0; like && i < scan->schema->n_fields; i++) {
    const shoal_field *f = &scan->schema->fields[i];
    like = !f->physical.ptr || shoal_str_eq(f->physical, f->name);
  }
  if (!like)
    return false;
  shoal_buf_addz(&sql, "SELECT * FROM read_parquet(");
  like = shoal_duckdb_add_files(d, scan, 0, &all, &sql, &ignored) == SHOAL_OK;
  shoal_buf_addz(&sql, ", hive_partitioning = false)");
  like = like && shoal_buf_check(&sql, &ignored) == SHOAL_OK &&
         shoal_duckdb_prepare(d, shoal_buf_z(&sql), (shoal_duckdb_place){0}, &statement, &ignored) == SHOAL_OK &&
         shoal_duckdb_columns(d, statement, true, &d->job_arena, &columns, &n, &ignored) == SHOAL_OK;
  for (size_t i = 0; like && i < scan->schema->n_fields; i++)
    like = is_as_stored(&scan->schema->fields[i], columns, n);
  d->api->destroy_prepare(&statement);
  shoal_buf_dispose(&sql);
  return like;
}

/* Files whose rows are all there are read apart: nothing is asked of those rows. */
static shoal_status add_table(shoal_duckdb *d, const shoal_scan *given, size_t input, shoal_buf *sql,
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
  if (scan->rows > BLIND_ROWS && !scan->keep && (scan->uniform || is_like_table(d, scan)))
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

/* A number that is written as it is: no leading zeros, which would be lost. */
static bool is_number(shoal_str s) {
  size_t i = s.len && s.ptr[0] == '-', digits = 0, start = i;
  for (; i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++)
    digits++;
  if (digits == 0 || (digits > 1 && s.ptr[start] == '0'))
    return false;
  if (i < s.len && s.ptr[i] == '.') {
    size_t from = ++i;
    while (i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9')
      i++;
    if (i == from)
      return false;
  }
  return i == s.len && s.len < 40;
}

static bool is_boolean(shoal_str s) {
  return shoal_str_ieq(s, SHOAL_STR("true")) || shoal_str_ieq(s, SHOAL_STR("false"));
}

/* Cuts the next item off a list's inside: up to a comma outside quotes. */
static shoal_str next_item(shoal_str *rest) {
  size_t i = 0;
  char quote = 0;
  for (; i < rest->len && (quote || rest->ptr[i] != ','); i++) {
    char c = rest->ptr[i];
    if (quote ? c == quote : c == '\'' || c == '"')
      quote = quote ? 0 : c;
  }
  shoal_str item = shoal_str_trim(shoal_str_sub(*rest, 0, i));
  *rest = i < rest->len ? shoal_str_sub(*rest, i + 1, rest->len) : SHOAL_STR_NONE;
  return item;
}

static void add_scalar(shoal_buf *sql, shoal_str value) {
  bool quoted =
      value.len >= 2 && (value.ptr[0] == '\'' || value.ptr[0] == '"') && value.ptr[value.len - 1] == value.ptr[0];
  if (quoted)
    shoal_buf_sql_literal(sql, shoal_str_sub(value, 1, value.len - 1));
  else if (is_boolean(value) || is_number(value))
    shoal_buf_add(sql, value);
  else
    shoal_buf_sql_literal(sql, value);
}

/* {a: INTEGER, "b": DATE}: names and texts. */
static void add_entry(shoal_buf *sql, shoal_str item) {
  ptrdiff_t colon = shoal_str_chr(item, ':');
  shoal_str key = colon < 0 ? item : shoal_str_trim(shoal_str_sub(item, 0, (size_t)colon));
  shoal_str value = colon < 0 ? SHOAL_STR("") : shoal_str_trim(shoal_str_sub(item, (size_t)colon + 1, item.len));
  if (key.len >= 2 && (key.ptr[0] == '\'' || key.ptr[0] == '"'))
    key = shoal_str_sub(key, 1, key.len - 1);
  shoal_buf_sql_literal(sql, key);
  shoal_buf_addz(sql, ": ");
  add_scalar(sql, value);
}

static void add_option_value(shoal_buf *sql, shoal_str value) {
  bool list = value.len >= 2 && value.ptr[0] == '[' && value.ptr[value.len - 1] == ']';
  bool map = value.len >= 2 && value.ptr[0] == '{' && value.ptr[value.len - 1] == '}';
  if (!list && !map) {
    add_scalar(sql, value);
    return;
  }
  shoal_str rest = shoal_str_trim(shoal_str_sub(value, 1, value.len - 1));
  shoal_buf_addc(sql, value.ptr[0]);
  for (bool first = true; rest.len; first = false) {
    shoal_str item = next_item(&rest);
    shoal_buf_addz(sql, first ? "" : ", ");
    if (map)
      add_entry(sql, item);
    else
      add_scalar(sql, item);
  }
  shoal_buf_addc(sql, value.ptr[value.len - 1]);
}

static bool is_option_name(shoal_str s) {
  for (size_t i = 0; i < s.len; i++) {
    if ((s.ptr[i] < 'a' || s.ptr[i] > 'z') && s.ptr[i] != '_')
      return false;
  }
  return s.len > 0;
}

static shoal_status add_options(const shoal_scan *scan, shoal_buf *sql, shoal_error *err) {
  bool hive = false;
  for (size_t i = 0; i < scan->n_options; i++) {
    const shoal_scan_option *option = &scan->options[i];
    if (!is_option_name(option->name))
      return shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no option of a reader", SHOAL_FMT(option->name));
    hive = hive || shoal_str_is(option->name, "hive_partitioning");
    shoal_buf_addf(sql, ", %.*s = ", SHOAL_FMT(option->name));
    add_option_value(sql, option->value);
  }
  if (!hive)
    shoal_buf_addz(sql, ", hive_partitioning = false");
  return SHOAL_OK;
}

static const char *reader(shoal_scan_format format) {
  switch (format) {
  case SHOAL_SCAN_CSV:
    return "read_csv";
  case SHOAL_SCAN_JSON:
    return "read_json";
  case SHOAL_SCAN_TABLE:
  case SHOAL_SCAN_PARQUET:
  case SHOAL_SCAN_ARROW:
    break;
  }
  return "read_parquet";
}

/* The option `filename` tells where this project lies on this machine, which no key knows: only what is below it. */
static void add_told_names(const shoal_scan *scan, shoal_buf *sql) {
  for (size_t i = 0; i < scan->n_options; i++) {
    shoal_str value = scan->options[i].value;
    if (!scan->below.ptr || !shoal_str_is(scan->options[i].name, "filename") ||
        shoal_str_ieq(value, SHOAL_STR("false")))
      continue;
    shoal_str column = shoal_str_ieq(value, SHOAL_STR("true")) ? SHOAL_STR("filename") : value;
    shoal_buf_addz(sql, " REPLACE (CASE WHEN starts_with(");
    shoal_buf_sql_ident(sql, column);
    shoal_buf_addz(sql, ", ");
    shoal_buf_sql_literal(sql, scan->below);
    shoal_buf_addz(sql, ") THEN substr(");
    shoal_buf_sql_ident(sql, column);
    shoal_buf_addz(sql, ", 1 + length(");
    shoal_buf_sql_literal(sql, scan->below);
    shoal_buf_addz(sql, ")) ELSE ");
    shoal_buf_sql_ident(sql, column);
    shoal_buf_addz(sql, " END AS ");
    shoal_buf_sql_ident(sql, column);
    shoal_buf_addc(sql, ')');
  }
}

static shoal_status add_source(shoal_duckdb *d, const shoal_scan *scan, size_t input, shoal_buf *sql,
                               shoal_error *err) {
  if (scan->n_files == 0)
    return shoal_fail(err, SHOAL_ENOTFOUND, "the source has no files");
  shoal_status status = shoal_duckdb_add_csv(d, scan, input, sql, err);
  if (status != SHOAL_DONE)
    return status;
  shoal_buf_addz(sql, "SELECT *");
  add_told_names(scan, sql);
  shoal_buf_addf(sql, " FROM %s(", reader(scan->format));
  const shoal_duckdb_files all = {0, scan->n_files, "all"};
  SHOAL_TRY(shoal_duckdb_add_files(d, scan, input, &all, sql, err));
  SHOAL_TRY(add_options(scan, sql, err));
  shoal_buf_addz(sql, ")");
  return SHOAL_OK;
}

/* "silver.orders" is table orders in schema silver; "orders" is in main. */
static void split_name(shoal_str name, shoal_str *schema, shoal_str *table) {
  ptrdiff_t dot = shoal_str_chr(name, '/') >= 0 ? -1 : shoal_str_chr(name, '.');
  *schema = dot < 0 ? SHOAL_STR("main") : shoal_str_sub(name, 0, (size_t)dot);
  *table = dot < 0 ? name : shoal_str_sub(name, (size_t)dot + 1, name.len);
}

/* The engine makes a view of its own over the stream. */
static shoal_status add_stream(shoal_duckdb *d, const shoal_scan *scan, size_t input, shoal_buf *sql,
                               shoal_error *err) {
  char name[64];
  struct ArrowArrayStream *lent;
  snprintf(name, sizeof name, "shoal:arrow:%zu", input);
  SHOAL_TRY(shoal_duckdb_lend(d, scan->stream, &lent, err));
  if (d->api->arrow_scan(d->con, name, (duckdb_arrow_stream)lent) != DuckDBSuccess)
    return shoal_fail(err, SHOAL_EENGINE, "the engine did not take the Arrow stream");
  shoal_buf_addf(sql, "SELECT * FROM \"%s\"", name);
  return SHOAL_OK;
}

static shoal_status add_input(shoal_duckdb *d, const shoal_scan *scan, size_t input, shoal_buf *sql, shoal_error *err) {
  if (scan->format == SHOAL_SCAN_TABLE && d->config.planner)
    return shoal_duckdb_add_stub(d, scan, input, sql, err);
  if (scan->format == SHOAL_SCAN_TABLE)
    return add_table(d, scan, input, sql, err);
  return scan->format == SHOAL_SCAN_ARROW ? add_stream(d, scan, input, sql, err) : add_source(d, scan, input, sql, err);
}

static shoal_status make_schema(shoal_duckdb *d, shoal_str schema, shoal_error *err) {
  shoal_buf sql = {0};
  if (shoal_str_is(schema, "main") || shoal_map_get(&d->schemas, schema) != SHOAL_MAP_NONE)
    return SHOAL_OK;
  shoal_buf_addz(&sql, "CREATE SCHEMA IF NOT EXISTS " SHOAL_DUCKDB_CATALOG ".");
  shoal_buf_sql_ident(&sql, schema);
  shoal_status status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_run(d, shoal_buf_z(&sql), err);
  shoal_str name = shoal_arena_str(&d->arena, schema);
  if (status == SHOAL_OK)
    status = name.ptr ? shoal_map_put(&d->schemas, name, 1, err) : shoal_fail_nomem(err);
  shoal_buf_dispose(&sql);
  return status;
}

shoal_status shoal_duckdb_schemas(shoal_duckdb *d, const shoal_job *job, shoal_error *err) {
  for (size_t i = 0; i < job->n_inputs; i++) {
    shoal_str schema, table;
    split_name(job->inputs[i].name, &schema, &table);
    SHOAL_TRY(make_schema(d, schema, err));
  }
  return SHOAL_OK;
}

static shoal_status make_view(shoal_duckdb *d, shoal_str name, const shoal_scan *scan, size_t index, shoal_error *err) {
  shoal_str schema, table;
  shoal_buf sql = {0};
  split_name(name, &schema, &table);
  shoal_buf_addz(&sql, "CREATE VIEW " SHOAL_DUCKDB_CATALOG ".");
  shoal_buf_sql_ident(&sql, schema);
  shoal_buf_addc(&sql, '.');
  shoal_buf_sql_ident(&sql, table);
  shoal_buf_addz(&sql, " AS ");
  shoal_status status = add_input(d, scan, index, &sql, err);
  if (status == SHOAL_OK)
    status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_run(d, shoal_buf_z(&sql), err);
  shoal_buf_dispose(&sql);
  return status;
}

shoal_status shoal_duckdb_inputs(shoal_duckdb *d, const shoal_job *job, shoal_error *err) {
  shoal_scan *scans = SHOAL_NEW_ARRAY(&d->job_arena, shoal_scan, job->n_inputs);
  if (!scans)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < job->n_inputs; i++)
    scans[i] = *job->inputs[i].scan;
  if (!d->binding && !d->config.planner)
    SHOAL_TRY(shoal_duckdb_answer(d, job, scans, err));
  if (!d->binding && !(scans && job->n_inputs && scans[0].stand_in))
    SHOAL_TRY(shoal_duckdb_skip(d, job, scans, err));
  for (size_t i = 0; i < job->n_inputs; i++) {
    if (!scans[i].select)
      continue;
    if (d->binding || d->config.planner)
      scans[i].n_files = 0; /* what the files hold follows from the schema */
    else
      SHOAL_TRY(scans[i].select(scans[i].select_arg, NULL, 0, &d->job_arena, &scans[i], err));
  }
  d->scans = scans; /* a query's rows outlive the job, but not what its inputs' `keep` needs */
  d->n_scans = job->n_inputs;
  for (size_t i = 0; i < job->n_inputs; i++) {
    shoal_status status = make_view(d, job->inputs[i].name, &scans[i], i, err);
    if (status < 0) {
      shoal_context(err, "%.*s: ", SHOAL_FMT(job->inputs[i].name));
      return status;
    }
  }
  return SHOAL_OK;
}

static bool digits_at(shoal_str s, size_t from, size_t n) {
  for (size_t i = from; i < from + n; i++) {
    if (i >= s.len || s.ptr[i] < '0' || s.ptr[i] > '9')
      return false;
  }
  return true;
}

/* YYYY-MM-DD, and in *timed whether " hh:mm:ss[.ffffff]" follows. */
static bool is_date(shoal_str s, bool *timed) {
  *timed = s.len > 10;
  if (s.len < 10 || !digits_at(s, 0, 4) || s.ptr[4] != '-' || !digits_at(s, 5, 2) || s.ptr[7] != '-' ||
      !digits_at(s, 8, 2))
    return false;
  if (!*timed)
    return true;
  if (s.len < 19 || (s.ptr[10] != ' ' && s.ptr[10] != 'T') || !digits_at(s, 11, 2) || s.ptr[13] != ':' ||
      !digits_at(s, 14, 2) || s.ptr[16] != ':' || !digits_at(s, 17, 2))
    return false;
  return s.len == 19 || (s.ptr[19] == '.' && s.len > 20 && s.len <= 26 && digits_at(s, 20, s.len - 20));
}

static void add_typed(shoal_buf *sql, const shoal_variable *v) {
  bool timed;
  if (!v->value.ptr) {
    shoal_buf_addz(sql, "NULL");
  } else if (!v->quoted && (is_number(v->value) || is_boolean(v->value))) {
    shoal_buf_add(sql, v->value);
  } else {
    if (!v->quoted && is_date(v->value, &timed))
      shoal_buf_addz(sql, timed ? "TIMESTAMP " : "DATE ");
    shoal_buf_sql_literal(sql, v->value);
  }
}

shoal_status shoal_duckdb_variables(shoal_duckdb *d, const shoal_job *job, shoal_error *err) {
  shoal_buf sql = {0};
  shoal_status status = SHOAL_OK;
  for (size_t i = 0; status == SHOAL_OK && i < job->n_variables; i++) {
    shoal_buf_clear(&sql);
    shoal_buf_addz(&sql, "SET VARIABLE ");
    shoal_buf_sql_ident(&sql, job->variables[i].name);
    shoal_buf_addz(&sql, " = ");
    add_typed(&sql, &job->variables[i]);
    status = shoal_duckdb_note_variable(d, job->variables[i].name, err);
    if (status == SHOAL_OK)
      status = shoal_buf_check(&sql, err);
    if (status == SHOAL_OK)
      status = shoal_duckdb_run(d, shoal_buf_z(&sql), err);
    if (status < 0)
      shoal_context(err, "variable %.*s: ", SHOAL_FMT(job->variables[i].name));
  }
  shoal_buf_dispose(&sql);
  return status;
}

shoal_str shoal_duckdb_macro_name(shoal_str sql) {
  static const char *const between[] = {"or", "replace", "temp", "temporary"};
  shoal_lexer lexer = {.sql = sql};
  shoal_token token;
  if (!shoal_lexer_next(&lexer, &token) || !shoal_token_is(&token, "create"))
    return SHOAL_STR_NONE;
  bool skip = true;
  while (skip && shoal_lexer_next(&lexer, &token)) {
    skip = false;
    for (size_t i = 0; i < sizeof between / sizeof *between; i++)
      skip = skip || shoal_token_is(&token, between[i]);
  }
  if (!shoal_token_is(&token, "macro") && !shoal_token_is(&token, "function"))
    return SHOAL_STR_NONE;
  while (shoal_lexer_next(&lexer, &token)) {
    if (!shoal_token_is(&token, "if") && !shoal_token_is(&token, "not") && !shoal_token_is(&token, "exists"))
      return token.text;
  }
  return SHOAL_STR_NONE;
}

static shoal_status make_macro(shoal_duckdb *d, shoal_str text, shoal_buf *sql, shoal_error *err) {
  duckdb_extracted_statements statements = NULL;
  shoal_buf_clear(sql);
  shoal_buf_add(sql, text);
  SHOAL_TRY(shoal_buf_check(sql, err));
  idx_t n = d->api->extract_statements(d->con, shoal_buf_z(sql), &statements);
  shoal_status status = SHOAL_OK;
  if (n == 0)
    status = shoal_duckdb_fail(d, d->api->extract_statements_error(statements), (shoal_duckdb_place){.sql = text}, err);
  else if (n > 1)
    status = shoal_fail(err, SHOAL_EINVAL, "a macro is one CREATE MACRO statement, not %llu", (unsigned long long)n);
  d->api->destroy_extracted(&statements);
  return status == SHOAL_OK ? shoal_duckdb_run(d, shoal_buf_z(sql), err) : status;
}

shoal_status shoal_duckdb_macros(shoal_duckdb *d, const shoal_job *job, shoal_error *err) {
  shoal_buf sql = {0};
  shoal_status status = SHOAL_OK;
  for (size_t i = 0; status == SHOAL_OK && i < job->n_macros; i++) {
    shoal_str name = shoal_duckdb_macro_name(job->macros[i]);
    if (!name.ptr)
      status = shoal_fail(err, SHOAL_EINVAL, "only CREATE MACRO may stand among the macros");
    else
      status = make_macro(d, job->macros[i], &sql, err);
    if (status < 0 && name.ptr)
      shoal_context(err, "macro %.*s: ", SHOAL_FMT(name));
  }
  shoal_buf_dispose(&sql);
  return status;
}

shoal_status shoal_duckdb_note_variable(shoal_duckdb *d, shoal_str name, shoal_error *err) {
  shoal_str copy = shoal_arena_str(&d->job_arena, name);
  shoal_str *slot = copy.ptr ? shoal_vec_add(&d->variables) : NULL;
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = copy;
  return SHOAL_OK;
}

void shoal_duckdb_reset_variables(shoal_duckdb *d) {
  shoal_buf sql = {0};
  for (size_t i = 0; i < d->variables.len; i++) {
    shoal_error ignored = {0};
    shoal_buf_clear(&sql);
    shoal_buf_addz(&sql, "RESET VARIABLE ");
    shoal_buf_sql_ident(&sql, d->variables.ptr[i]);
    if (shoal_buf_check(&sql, NULL) < 0 || shoal_duckdb_run(d, shoal_buf_z(&sql), &ignored) < 0)
      d->fatal = true; /* a variable would stay: the instance is opened anew */
  }
  shoal_buf_dispose(&sql);
  shoal_vec_dispose(&d->variables);
  d->scans = NULL;
  d->n_scans = 0;
  d->job_csv = NULL;
  shoal_arena_dispose(&d->job_arena);
}
