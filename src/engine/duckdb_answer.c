/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SELECT count(*), count(a), min(a), max(b) FROM t, which statistics may answer: the table's place is taken by a query
 * whose rows have the same count, least and greatest values, and the job's own SQL runs over that, so names and types
 * of the result are as ever. What the query is, is read from its parse tree; it must be just that, with nothing else in
 * any place.
 */
#include "base/json.h"
#include "base/str.h"
#include "engine/duckdb_internal.h"

#define MAX_AGGREGATES 64
/* Rows are counted sooner than so many files of them are opened. */
#define ROWS_PER_FILE 50000
#define FEW_ROWS 1000000

typedef struct question {
  const shoal_scan *scan;
  shoal_answer of[MAX_AGGREGATES];
  size_t n;
  bool counts; /* rows, or values */
} question;

static bool is_none(yyjson_val *v) { return !v || yyjson_is_null(v); }

static bool is_empty(yyjson_val *v) { return is_none(v) || (yyjson_is_arr(v) && yyjson_arr_size(v) == 0); }

static bool is_text(yyjson_val *object, const char *key, const char *value) {
  return shoal_str_is(shoal_json_str(object, key), value);
}

/* Any value of a type, to be counted; NULL: of some there is none that is easily written. */
static const char *some_value(shoal_type_kind kind) {
  switch (kind) {
  case SHOAL_TYPE_BYTE:
  case SHOAL_TYPE_SHORT:
  case SHOAL_TYPE_INTEGER:
  case SHOAL_TYPE_LONG:
  case SHOAL_TYPE_FLOAT:
  case SHOAL_TYPE_DOUBLE:
  case SHOAL_TYPE_DECIMAL:
    return "0";
  case SHOAL_TYPE_BOOLEAN:
    return "false";
  case SHOAL_TYPE_STRING:
  case SHOAL_TYPE_BINARY:
    return "";
  case SHOAL_TYPE_DATE:
  case SHOAL_TYPE_TIMESTAMP:
  case SHOAL_TYPE_TIMESTAMP_NTZ:
    return "1970-01-01";
  case SHOAL_TYPE_STRUCT:
  case SHOAL_TYPE_ARRAY:
  case SHOAL_TYPE_MAP:
  case SHOAL_TYPE_VARIANT:
  case SHOAL_TYPE_VOID:
    break;
  }
  return NULL;
}

static bool ask(question *q, size_t column, bool counts) {
  size_t i = 0;
  while (i < q->n && q->of[i].column != column)
    i++;
  if (i == MAX_AGGREGATES || (counts && !some_value(q->scan->schema->fields[column].type.kind)))
    return false;
  q->n = i < q->n ? q->n : i + 1;
  q->of[i].column = column;
  q->of[i].counts = q->of[i].counts || counts;
  q->of[i].bounds = q->of[i].bounds || !counts;
  q->counts = q->counts || counts;
  return true;
}

/* min, max, count or count(*), without anything around its one argument. */
static bool read_aggregate(yyjson_val *item, question *q) {
  yyjson_val *children = yyjson_obj_get(item, "children"), *column = yyjson_arr_get_first(children);
  yyjson_val *names = yyjson_obj_get(column, "column_names");
  bool plain = is_text(item, "class", "FUNCTION") && is_text(item, "type", "FUNCTION") &&
               shoal_json_str(item, "schema").len == 0 && shoal_json_str(item, "catalog").len == 0 &&
               is_none(yyjson_obj_get(item, "filter")) && !shoal_json_bool(item, "distinct", true) &&
               !shoal_json_bool(item, "export_state", true) &&
               is_empty(yyjson_obj_get(yyjson_obj_get(item, "order_bys"), "orders"));
  if (plain && is_text(item, "function_name", "count_star") && yyjson_arr_size(children) == 0) {
    q->counts = true;
    return true;
  }
  bool counts = is_text(item, "function_name", "count");
  if (!plain || !(counts || is_text(item, "function_name", "min") || is_text(item, "function_name", "max")) ||
      yyjson_arr_size(children) != 1 || !is_text(column, "class", "COLUMN_REF") || yyjson_arr_size(names) != 1)
    return false;
  yyjson_val *name = yyjson_arr_get_first(names);
  ptrdiff_t at = shoal_schema_find(q->scan->schema, shoal_str_n(yyjson_get_str(name), yyjson_get_len(name)));
  return at >= 0 && ask(q, (size_t)at, counts);
}

static bool is_input(yyjson_val *table, shoal_str input) {
  shoal_str schema = shoal_json_str(table, "schema_name"), name = shoal_json_str(table, "table_name");
  size_t dot = schema.len ? schema.len + 1 : 0;
  return input.len == dot + name.len && shoal_str_ieq(shoal_str_sub(input, 0, schema.len), schema) &&
         (!dot || input.ptr[schema.len] == '.') && shoal_str_ieq(shoal_str_sub(input, dot, input.len), name);
}

static bool read_select(yyjson_val *node, shoal_str input, question *q) {
  static const char *const absent[] = {"where_clause", "having", "sample", "qualify"};
  static const char *const empty[] = {"modifiers", "group_expressions", "group_sets"};
  yyjson_val *table = yyjson_obj_get(node, "from_table"), *list = yyjson_obj_get(node, "select_list"), *item;
  size_t i, n;
  bool plain = is_text(node, "type", "SELECT_NODE") && is_text(node, "aggregate_handling", "STANDARD_HANDLING") &&
               is_empty(yyjson_obj_get(yyjson_obj_get(node, "cte_map"), "map")) &&
               is_text(table, "type", "BASE_TABLE") && is_none(yyjson_obj_get(table, "sample")) &&
               is_none(yyjson_obj_get(table, "at_clause")) && is_empty(yyjson_obj_get(table, "column_name_alias")) &&
               shoal_json_str(table, "catalog_name").len == 0 && is_input(table, input) && yyjson_arr_size(list) > 0;
  for (i = 0; i < sizeof absent / sizeof *absent; i++)
    plain = plain && is_none(yyjson_obj_get(node, absent[i]));
  for (i = 0; i < sizeof empty / sizeof *empty; i++)
    plain = plain && is_empty(yyjson_obj_get(node, empty[i]));
  yyjson_arr_foreach(list, i, n, item) plain = plain && read_aggregate(item, q);
  return plain;
}

static bool read_question(shoal_str json, shoal_str input, question *q) {
  yyjson_doc *doc = NULL;
  if (shoal_json_parse_tree(json, "the parse tree", &doc, NULL) < 0)
    return false;
  yyjson_val *statements = yyjson_obj_get(yyjson_doc_get_root(doc), "statements");
  bool is = yyjson_arr_size(statements) == 1 &&
            read_select(yyjson_obj_get(yyjson_arr_get_first(statements), "node"), input, q);
  yyjson_doc_free(doc);
  return is;
}

/* ---- what stands in ---- */

enum { FIRST, SECOND, OTHERS };

static const shoal_answer *answer_of(const question *q, size_t column) {
  for (size_t i = 0; i < q->n; i++)
    if (q->of[i].column == column)
      return &q->of[i];
  return NULL;
}

/* The first row has the least value, the second one the greatest, and of the others, which have numbers, so many have
   one as there are to be counted. */
static void add_value(const shoal_answer *a, const shoal_type *type, int row, shoal_buf *sql) {
  bool counted = a && a->counts, some = a && (!counted || a->count > (uint64_t)row);
  shoal_str value = SHOAL_STR_NONE;
  if (a && a->bounds)
    value = row == SECOND ? a->max : a->min;
  else if (counted)
    value = shoal_str_z(some_value(type->kind));
  if (row == OTHERS)
    some = some && counted;
  if (some && row == OTHERS)
    shoal_buf_addf(sql, "CASE WHEN range < %llu THEN ", (unsigned long long)a->count - 2);
  shoal_buf_addz(sql, "CAST(");
  if (some && value.ptr)
    shoal_buf_sql_literal(sql, value);
  else
    shoal_buf_addz(sql, "NULL");
  shoal_buf_addz(sql, " AS ");
  shoal_type_sql(sql, type);
  shoal_buf_addz(sql, some && row == OTHERS ? ") END" : ")");
}

/* A row with a value of each column that was asked for; elsewhere NULL. */
static void add_row(const question *q, int row, shoal_buf *sql) {
  for (size_t c = 0; c < q->scan->schema->n_fields; c++) {
    shoal_buf_addz(sql, c ? ", " : "SELECT ");
    add_value(answer_of(q, c), &q->scan->schema->fields[c].type, row, sql);
    shoal_buf_addz(sql, " AS ");
    shoal_buf_sql_ident(sql, q->scan->schema->fields[c].name);
  }
}

static void add_rows(const question *q, uint64_t rows, shoal_buf *sql) {
  if (rows > 0)
    add_row(q, FIRST, sql);
  if (rows > 1) {
    shoal_buf_addz(sql, " UNION ALL ");
    add_row(q, SECOND, sql);
  }
  if (rows > 2 && q->counts) {
    shoal_buf_addz(sql, " UNION ALL ");
    add_row(q, OTHERS, sql);
    shoal_buf_addf(sql, " FROM range(%llu)", (unsigned long long)rows - 2);
  }
}

static shoal_status stand_in(shoal_duckdb *d, question *q, shoal_scan *out, shoal_error *err) {
  uint64_t rows;
  shoal_str text;
  shoal_buf sql = {0};
  shoal_status status = q->scan->answer(q->scan->select_arg, q->of, q->n, &d->job_arena, &rows, err);
  if (status != SHOAL_OK)
    return status == SHOAL_DONE ? SHOAL_OK : status;
  if (rows == 0 || (q->counts && rows > FEW_ROWS && rows / ROWS_PER_FILE > q->scan->n_files))
    return SHOAL_OK;
  add_rows(q, rows, &sql);
  SHOAL_TRY(shoal_buf_take(&sql, &d->job_arena, &text, err));
  out->stand_in = text.ptr;
  out->n_files = 0;
  out->select = NULL;
  return SHOAL_OK;
}

shoal_status shoal_duckdb_answer(shoal_duckdb *d, const shoal_job *job, shoal_scan *scans, shoal_error *err) {
  shoal_buf json = {0};
  if (job->n_inputs != 1 || job->n_macros || !scans[0].answer || !scans[0].select)
    return SHOAL_OK;
  question q = {.scan = job->inputs[0].scan};
  bool is = d->base.ops->parse(&d->base, job->sql, &json, NULL) == SHOAL_OK &&
            read_question(shoal_buf_str(&json), job->inputs[0].name, &q);
  shoal_buf_dispose(&json);
  return is ? stand_in(d, &q, &scans[0], err) : SHOAL_OK;
}
