/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a job's SQL may name: inputs become views, macros macros, variables variables. Long file lists go through
 * variables: a list of 100,000 paths takes 650 ms to parse as a literal and 14 ms to bind as a value. A short one
 * stands in the view's text, which saves a small job two statements for each input.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "engine/duckdb_internal.h"
#include "engine/lexer.h"
#include "engine/variants.h"

/* The variable of input i: a range of its files. */
static shoal_str files_variable(char *out, size_t size, size_t input, const shoal_duckdb_files *range) {
  return (shoal_str){out, (size_t)snprintf(out, size, "shoal:%zu:%s", input, range->name)};
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

duckdb_value shoal_duckdb_text_value(shoal_duckdb *d, shoal_str s) {
  return s.ptr ? d->api->create_varchar_length(s.ptr, s.len) : d->api->create_null_value();
}

static duckdb_value path_value(shoal_duckdb *d, shoal_str path, shoal_buf *scratch) {
  shoal_buf_clear(scratch);
  add_escaped(scratch, path);
  return scratch->status == SHOAL_OK ? shoal_duckdb_text_value(d, shoal_buf_str(scratch)) : NULL;
}

shoal_status shoal_duckdb_set_list(shoal_duckdb *d, shoal_str name, duckdb_value *values, size_t n,
                                   const shoal_type *type, shoal_error *err) {
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
  shoal_status status =
      shoal_duckdb_set_list(d, files_variable(name, sizeof name, input, range), values, range->n, NULL, err);
  shoal_free(values);
  shoal_buf_dispose(&scratch);
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

/* , columns = {'id': 'BIGINT', …} */
static shoal_status add_columns_told(const shoal_schema *columns, shoal_buf *sql, shoal_error *err) {
  shoal_buf type = {0};
  shoal_buf_addz(sql, ", columns = {");
  for (size_t i = 0; i < columns->n_fields; i++) {
    shoal_buf_clear(&type);
    shoal_type_sql(&type, &columns->fields[i].type);
    shoal_buf_addz(sql, i ? ", " : "");
    shoal_buf_sql_literal(sql, columns->fields[i].name);
    shoal_buf_addz(sql, ": ");
    shoal_buf_sql_literal(sql, shoal_buf_str(&type));
  }
  shoal_buf_addc(sql, '}');
  shoal_status status = shoal_buf_check(&type, err);
  shoal_buf_dispose(&type);
  return status;
}

static shoal_status add_options(const shoal_scan *scan, shoal_buf *sql, shoal_error *err) {
  bool hive = false;
  if (scan->columns)
    SHOAL_TRY(add_columns_told(scan->columns, sql, err));
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
    return shoal_duckdb_add_table(d, scan, input, sql, err);
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
