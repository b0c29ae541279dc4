/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks the engine's parse tree once for its hash and once for what it names. The walk is generic: whatever is not
 * known here is descended into, so a new kind of node can hide no table. Known are only the nodes that name something
 * (tables, functions, columns that may be functions) and those that open a scope for CTEs.
 *
 * Scopes follow the engine: a CTE sees those before it, not itself; the right side of a recursive one sees itself; a
 * query's scope covers all its clauses and subqueries.
 */
#include "code/sql.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "base/vec.h"
#include "code/functions.h"
#include "engine/lexer.h"

typedef struct scope scope;
struct scope {
  const scope *outer;
  shoal_str cte;
};

typedef SHOAL_VEC(shoal_str) names;

typedef struct walk {
  shoal_str sql;
  const shoal_str *macros;
  size_t n_macros;
  bool strict;
  shoal_arena *arena;
  shoal_error *err;
  SHOAL_VEC(shoal_sql_ref) refs;
  SHOAL_VEC(shoal_sql_file) files;
  names functions, variables;
  shoal_str volatile_why, date_why;
  unsigned uses; /* SHOAL_USES_… */
} walk;

/* ---- the hash ---- */

typedef struct member {
  shoal_str key;
  yyjson_val *value;
} member;

static int compare_members(const void *a, const void *b) {
  return shoal_str_cmp(((const member *)a)->key, ((const member *)b)->key);
}

static shoal_str text_of(yyjson_val *v) { return shoal_str_n(yyjson_get_str(v), yyjson_get_len(v)); }
static shoal_str raw_of(yyjson_val *v) { return shoal_str_n(yyjson_get_raw(v), yyjson_get_len(v)); }

static shoal_status hash_value(walk *w, shoal_hasher *h, yyjson_val *v);

static shoal_status hash_object(walk *w, shoal_hasher *h, yyjson_val *v) {
  size_t i, max, n = 0;
  yyjson_val *key, *value;
  member *members = SHOAL_NEW_ARRAY(w->arena, member, yyjson_obj_size(v) + 1);
  if (!members)
    return shoal_fail_nomem(w->err);
  yyjson_obj_foreach(v, i, max, key, value) {
    if (!shoal_str_is(text_of(key), "query_location"))
      members[n++] = (member){text_of(key), value};
  }
  qsort(members, n, sizeof *members, compare_members);
  shoal_hasher_z(h, "object");
  shoal_hasher_list(h, n);
  for (i = 0; i < n; i++) {
    shoal_hasher_str(h, members[i].key);
    SHOAL_TRY(hash_value(w, h, members[i].value));
  }
  return SHOAL_OK;
}

static shoal_status hash_array(walk *w, shoal_hasher *h, yyjson_val *v) {
  size_t i, max;
  yyjson_val *item;
  shoal_hasher_z(h, "array");
  shoal_hasher_list(h, yyjson_arr_size(v));
  yyjson_arr_foreach(v, i, max, item) SHOAL_TRY(hash_value(w, h, item));
  return SHOAL_OK;
}

static shoal_status hash_value(walk *w, shoal_hasher *h, yyjson_val *v) {
  if (yyjson_is_obj(v))
    return hash_object(w, h, v);
  if (yyjson_is_arr(v))
    return hash_array(w, h, v);
  if (yyjson_is_str(v)) {
    shoal_hasher_z(h, "string");
    shoal_hasher_str(h, text_of(v));
  } else if (yyjson_is_raw(v)) {
    shoal_hasher_z(h, "number");
    shoal_hasher_str(h, raw_of(v));
  } else {
    shoal_hasher_z(h, yyjson_is_true(v) ? "true" : yyjson_is_false(v) ? "false" : "null");
  }
  return SHOAL_OK;
}

/* The tree has lost AS [NOT] MATERIALIZED: its places among the tokens count. */
static void hash_materialized(shoal_hasher *h, shoal_str sql) {
  shoal_lexer lexer = {.sql = sql};
  shoal_token token;
  bool negated = false;
  for (uint64_t at = 0; shoal_lexer_next(&lexer, &token); at++) {
    if (shoal_token_is(&token, "materialized")) {
      shoal_hasher_z(h, negated ? "not materialized" : "materialized");
      shoal_hasher_u64(h, at);
    }
    negated = shoal_token_is(&token, "not");
  }
}

/* ---- what it names ---- */

static shoal_str lower(walk *w, shoal_str s) {
  char *out = shoal_arena_cstr(w->arena, s);
  for (size_t i = 0; out && i < s.len; i++) {
    if (out[i] >= 'A' && out[i] <= 'Z')
      out[i] = (char)(out[i] + ('a' - 'A'));
  }
  return (shoal_str){out, s.len};
}

static int64_t position_of(yyjson_val *node) {
  int64_t at = shoal_json_i64(node, "query_location", -1);
  return at < 0 ? -1 : at;
}

/* Refuses, in strict mode, pointing at the node: "<name><what>". */
static shoal_status refuse(walk *w, yyjson_val *node, shoal_str name, const char *what, const char *mend) {
  int64_t at = position_of(node);
  if (!w->strict)
    return SHOAL_OK;
  shoal_fail(w->err, SHOAL_EINVAL, "%.*s%s", SHOAL_FMT(name), what);
  shoal_hint(w->err, "%s", mend);
  if (at >= 0)
    shoal_sql_point(w->err, w->sql, (size_t)at);
  return SHOAL_EINVAL;
}

static shoal_status add_name(walk *w, names *list, shoal_str name) {
  shoal_str copy = lower(w, name);
  shoal_str *slot = copy.ptr ? shoal_vec_add(list) : NULL;
  if (!slot)
    return shoal_fail_nomem(w->err);
  *slot = copy;
  return SHOAL_OK;
}

static shoal_status note_volatile(walk *w, shoal_function_class class_, shoal_str name, bool fixable) {
  shoal_str small = lower(w, name);
  w->uses |= fixable && small.ptr ? shoal_volatile_uses(small) : SHOAL_USES_OTHER;
  shoal_str *why = class_ == SHOAL_FUNCTION_CLOCK ? &w->date_why : &w->volatile_why;
  if (why->ptr)
    return SHOAL_OK;
  *why = small;
  return why->ptr ? SHOAL_OK : shoal_fail_nomem(w->err);
}

static bool is_cte(const scope *s, shoal_str name) {
  for (; s; s = s->outer) {
    if (shoal_str_ieq(s->cte, name))
      return true;
  }
  return false;
}

/* The reader that the engine takes for FROM 'x.csv', NULL if the name is none of a file. */
static const char *reader_of(shoal_str name) {
  static const char *const endings[][2] = {{".csv", "read_csv"},         {".tsv", "read_csv"},
                                           {".parquet", "read_parquet"}, {".json", "read_json"},
                                           {".jsonl", "read_json"},      {".ndjson", "read_json"}};
  shoal_str bare = name;
  if (shoal_str_ends(bare, SHOAL_STR(".gz")))
    bare.len -= 3;
  else if (shoal_str_ends(bare, SHOAL_STR(".zst")))
    bare.len -= 4;
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    shoal_str ending = shoal_str_z(endings[i][0]);
    if (bare.len > ending.len && shoal_str_ieq(shoal_str_sub(bare, bare.len - ending.len, bare.len), ending))
      return endings[i][1];
  }
  return NULL;
}

/* The engine reads more into a path than Shoal does: what both don't understand alike would miss in the key. */
static const char *unkeyable(shoal_str path) {
  static const char *const meant[] = {"[", "\\", "://"};
  for (size_t i = 0; i < sizeof meant / sizeof *meant; i++)
    if (shoal_str_find(path, shoal_str_z(meant[i])) >= 0)
      return meant[i];
  return shoal_str_starts(path, SHOAL_STR("~")) ? "~" : shoal_str_starts(path, SHOAL_STR("file:")) ? "file:" : NULL;
}

static shoal_status add_file(walk *w, yyjson_val *node, shoal_str path, shoal_str function, bool hive) {
  int64_t position = position_of(node);
  const char *sign = unkeyable(path);
  if (sign) {
    char *what = shoal_arena_printf(w->arena, ": a path with %s can't be keyed", sign);
    SHOAL_TRY(what ? refuse(w, node, path, what, "use * and ? only, or declare the files as a source in shoal.yaml")
                   : shoal_fail_nomem(w->err));
  }
  shoal_sql_file file = {shoal_arena_str(w->arena, path), lower(w, function), hive, position};
  shoal_sql_file *slot = file.path.ptr && file.function.ptr ? shoal_vec_add(&w->files) : NULL;
  if (!slot)
    return shoal_fail_nomem(w->err);
  *slot = file;
  return SHOAL_OK;
}

static bool is_constant(yyjson_val *v) {
  return shoal_str_is(shoal_json_str(v, "class"), "CONSTANT") && yyjson_obj_get(v, "value") != NULL;
}

/* The text of a constant string, {NULL,0} for anything else. */
static shoal_str constant_text(yyjson_val *v) {
  yyjson_val *value = yyjson_obj_get(v, "value");
  if (!is_constant(v) || !shoal_str_is(shoal_json_str(yyjson_obj_get(value, "type"), "id"), "VARCHAR"))
    return SHOAL_STR_NONE;
  return shoal_json_str(value, "value");
}

/* "version 3" of AT (VERSION => 3). */
static shoal_status read_at(walk *w, yyjson_val *at, shoal_str *out) {
  shoal_str unit = shoal_json_str(at, "unit");
  yyjson_val *expr = yyjson_obj_get(at, "expr"), *value = yyjson_obj_get(yyjson_obj_get(expr, "value"), "value");
  if (!yyjson_is_obj(at))
    return SHOAL_OK;
  *out = SHOAL_STR("computed");
  if (!is_constant(expr) || (!yyjson_is_raw(value) && !yyjson_is_str(value)))
    return refuse(w, expr, SHOAL_STR("AT"), " takes a constant version or time",
                  "write AT (VERSION => 3) or AT (TIMESTAMP => '2020-01-01 00:00:00')");
  shoal_str text = yyjson_is_raw(value) ? raw_of(value) : text_of(value);
  char *joined = shoal_arena_printf(w->arena, "%.*s %.*s", SHOAL_FMT(lower(w, unit)), SHOAL_FMT(text));
  *out = shoal_str_z(joined);
  return joined ? SHOAL_OK : shoal_fail_nomem(w->err);
}

static shoal_status add_ref(walk *w, yyjson_val *node, shoal_str schema, shoal_str table) {
  shoal_sql_ref ref = {.position = position_of(node)};
  char *name = schema.len ? shoal_arena_printf(w->arena, "%.*s.%.*s", SHOAL_FMT(schema), SHOAL_FMT(table))
                          : shoal_arena_cstr(w->arena, table);
  if (!name)
    return shoal_fail_nomem(w->err);
  ref.name = lower(w, shoal_str_z(name));
  SHOAL_TRY(read_at(w, yyjson_obj_get(node, "at_clause"), &ref.at));
  shoal_sql_ref *slot = ref.name.ptr ? shoal_vec_add(&w->refs) : NULL;
  if (!slot)
    return shoal_fail_nomem(w->err);
  *slot = ref;
  return SHOAL_OK;
}

static shoal_status visit_table(walk *w, yyjson_val *node, const scope *s) {
  shoal_str catalog = shoal_json_str(node, "catalog_name"), schema = shoal_json_str(node, "schema_name");
  shoal_str table = shoal_json_str(node, "table_name");
  if (schema.len == 0 || shoal_str_ieq(schema, SHOAL_STR("recurring"))) {
    if (is_cte(s, table))
      return SHOAL_OK;
  }
  if (catalog.len)
    return refuse(w, node, catalog, ": a dataset is named by schema and name alone", "leave the catalogue out");
  if (shoal_str_ieq(schema, SHOAL_STR("information_schema")) || shoal_str_ieq(schema, SHOAL_STR("pg_catalog")))
    return refuse(w, node, schema, " describes the engine, not data", "a model reads datasets and files only");
  const char *reader = schema.len ? NULL : reader_of(table);
  if (reader)
    return add_file(w, node, table, shoal_str_z(reader), false);
  return add_ref(w, node, schema, table);
}

static bool is_macro(const walk *w, shoal_str name) {
  for (size_t i = 0; i < w->n_macros; i++) {
    if (shoal_str_eq(w->macros[i], name))
      return true;
  }
  return false;
}

static shoal_status visit_getvariable(walk *w, yyjson_val *node) {
  shoal_str name = constant_text(yyjson_arr_get_first(yyjson_obj_get(node, "children")));
  if (!name.ptr)
    return refuse(w, node, SHOAL_STR("getvariable"), " takes a constant name", "write getvariable('name')");
  shoal_str copy = shoal_arena_str(w->arena, name);
  shoal_str *slot = copy.ptr ? shoal_vec_add(&w->variables) : NULL;
  if (!slot)
    return shoal_fail_nomem(w->err);
  *slot = copy;
  return SHOAL_OK;
}

static bool is_name(shoal_str s) {
  return s.len && ((s.ptr[0] | 32) >= 'a' ? (s.ptr[0] | 32) <= 'z' : s.ptr[0] == '_' || (signed char)s.ptr[0] < 0);
}

static shoal_status visit_scalar(walk *w, yyjson_val *node) {
  shoal_str name = lower(w, shoal_json_str(node, "function_name"));
  if (!name.ptr)
    return shoal_fail_nomem(w->err);
  if (!is_name(name))
    return SHOAL_OK; /* an operator; all are pure */
  SHOAL_TRY(add_name(w, &w->functions, name));
  /* A macro of an engine function's name hides it, but not from system.main.f() nor across kinds: both count. */
  if (shoal_str_is(name, "getvariable"))
    return visit_getvariable(w, node);
  if (shoal_str_is(name, "current_setting"))
    return refuse(w, node, name, " depends on the session",
                  "declare a variable under vars and read it with getvariable");
  shoal_function_class class_ = shoal_scalar_function_class(name);
  if (class_ == SHOAL_FUNCTION_UNKNOWN && is_macro(w, name))
    return SHOAL_OK;
  if (shoal_str_is(name, "age") && yyjson_arr_size(yyjson_obj_get(node, "children")) == 2)
    class_ = SHOAL_FUNCTION_PURE;
  if (class_ == SHOAL_FUNCTION_REFUSED)
    return refuse(w, node, name, " is not for models", "a model is a function of datasets, files and variables");
  /* system.main.now() is not the macro that fixes now(). */
  bool plain = shoal_json_str(node, "schema").len + shoal_json_str(node, "catalog").len == 0;
  return class_ == SHOAL_FUNCTION_PURE ? SHOAL_OK : note_volatile(w, class_, name, plain);
}

static bool writes_hive(yyjson_val *children) {
  size_t i, n;
  yyjson_val *child;
  bool found = false;
  yyjson_arr_foreach(children, i, n, child) found =
      found || shoal_str_ieq(shoal_json_str(child, "alias"), SHOAL_STR("hive_partitioning"));
  return found;
}

/* The first argument of a reader: a constant path, or a list of them. */
static shoal_status visit_paths(walk *w, yyjson_val *function, shoal_str name) {
  yyjson_val *children = yyjson_obj_get(function, "children"), *first = yyjson_arr_get_first(children);
  bool hive = writes_hive(children);
  shoal_str path = constant_text(first);
  if (path.ptr)
    return add_file(w, function, path, name, hive);
  yyjson_val *items = yyjson_obj_get(first, "children"), *item;
  bool constant = shoal_str_is(shoal_json_str(first, "function_name"), "list_value") && yyjson_arr_size(items) > 0;
  size_t i, n;
  yyjson_arr_foreach(items, i, n, item) {
    path = constant_text(item);
    constant = constant && path.ptr;
    if (constant)
      SHOAL_TRY(add_file(w, function, path, name, hive));
  }
  if (constant)
    return SHOAL_OK;
  return refuse(w, function, name, " reads files whose names are computed",
                "write constant paths, or declare the files as a source in shoal.yaml");
}

static bool reads_files(shoal_str name) {
  return shoal_table_function_class(name) == SHOAL_FUNCTION_READER || shoal_str_is(name, "read_text") ||
         shoal_str_is(name, "read_blob");
}

static shoal_status visit_table_function(walk *w, yyjson_val *function) {
  shoal_str name = lower(w, shoal_json_str(function, "function_name"));
  if (!name.ptr)
    return shoal_fail_nomem(w->err);
  SHOAL_TRY(add_name(w, &w->functions, name));
  shoal_function_class class_ = shoal_table_function_class(name);
  if (class_ == SHOAL_FUNCTION_UNKNOWN && is_macro(w, name))
    return SHOAL_OK;
  if (class_ == SHOAL_FUNCTION_REFUSED)
    return refuse(w, function, name, " in FROM is not for models",
                  "a model reads datasets and files by constant names; write the SELECT itself");
  if (reads_files(name))
    SHOAL_TRY(visit_paths(w, function, name));
  return class_ == SHOAL_FUNCTION_PURE || class_ == SHOAL_FUNCTION_READER ? SHOAL_OK
                                                                          : note_volatile(w, class_, name, false);
}

/* current_date and its like are columns in the tree, and functions where no such column is. */
static shoal_status visit_column(walk *w, yyjson_val *node) {
  yyjson_val *parts = yyjson_obj_get(node, "column_names");
  if (yyjson_arr_size(parts) != 1)
    return SHOAL_OK;
  shoal_str name = text_of(yyjson_arr_get_first(parts));
  shoal_function_class class_ = shoal_word_class(name);
  return class_ == SHOAL_FUNCTION_UNKNOWN ? SHOAL_OK : note_volatile(w, class_, name, true);
}

static shoal_status visit(walk *w, yyjson_val *v, const scope *s);

static shoal_status visit_members(walk *w, yyjson_val *node, const scope *s, const char *except) {
  size_t i, n;
  yyjson_val *key, *value;
  if (!node)
    return SHOAL_OK;
  yyjson_obj_foreach(node, i, n, key, value) {
    if (!except || !shoal_str_is(text_of(key), except))
      SHOAL_TRY(visit(w, value, s));
  }
  return SHOAL_OK;
}

static const scope *open_scope(walk *w, const scope *outer, shoal_str cte) {
  scope *s = SHOAL_NEW(w->arena, scope);
  if (s)
    *s = (scope){outer, cte};
  return s;
}

/* A query node: each CTE sees those before it, the query sees all. */
static shoal_status visit_query(walk *w, yyjson_val *node, const scope *s) {
  yyjson_val *entries = yyjson_obj_get(yyjson_obj_get(node, "cte_map"), "map"), *entry;
  size_t i, n;
  yyjson_arr_foreach(entries, i, n, entry) {
    SHOAL_TRY(visit(w, yyjson_obj_get(entry, "value"), s));
    s = open_scope(w, s, shoal_json_str(entry, "key"));
    if (!s)
      return shoal_fail_nomem(w->err);
  }
  if (!shoal_str_is(shoal_json_str(node, "type"), "RECURSIVE_CTE_NODE"))
    return visit_members(w, node, s, "cte_map");
  SHOAL_TRY(visit(w, yyjson_obj_get(node, "left"), s));
  s = open_scope(w, s, shoal_json_str(node, "cte_name"));
  return s ? visit(w, yyjson_obj_get(node, "right"), s) : shoal_fail_nomem(w->err);
}

static shoal_status visit_object(walk *w, yyjson_val *node, const scope *s) {
  shoal_str type = shoal_json_str(node, "type"), class_ = shoal_json_str(node, "class");
  yyjson_val *sample = yyjson_obj_get(node, "sample");
  if (yyjson_is_obj(sample) && shoal_json_i64(sample, "seed", -1) < 0)
    SHOAL_TRY(note_volatile(w, SHOAL_FUNCTION_VOLATILE, SHOAL_STR("sample without a seed"), false));
  if (yyjson_obj_get(node, "cte_map"))
    return visit_query(w, node, s);
  if (shoal_str_is(type, "BASE_TABLE")) {
    SHOAL_TRY(visit_table(w, node, s));
  } else if (shoal_str_is(type, "SHOW_REF")) {
    SHOAL_TRY(refuse(w, node, SHOAL_STR("SHOW, DESCRIBE and SUMMARIZE"), " are not for models", "write a SELECT"));
  } else if (shoal_str_is(type, "TABLE_FUNCTION")) {
    yyjson_val *function = yyjson_obj_get(node, "function");
    SHOAL_TRY(visit_table_function(w, function));
    SHOAL_TRY(visit_members(w, function, s, NULL));
    return visit_members(w, node, s, "function");
  } else if (shoal_str_is(class_, "COLUMN_REF")) {
    SHOAL_TRY(visit_column(w, node));
  } else if (shoal_str_is(class_, "PARAMETER")) {
    SHOAL_TRY(refuse(w, node, SHOAL_STR("a parameter"), " has no value in a model",
                     "declare a variable under vars and read it with getvariable"));
  } else if (shoal_str_is(class_, "FUNCTION") || shoal_str_is(class_, "WINDOW")) {
    SHOAL_TRY(visit_scalar(w, node));
  }
  return visit_members(w, node, s, NULL);
}

static shoal_status visit(walk *w, yyjson_val *v, const scope *s) {
  size_t i, n;
  yyjson_val *item;
  if (yyjson_is_obj(v))
    return visit_object(w, v, s);
  yyjson_arr_foreach(v, i, n, item) SHOAL_TRY(visit(w, item, s));
  return SHOAL_OK;
}

/* ---- the result ---- */

static int compare_names(const void *a, const void *b) {
  return shoal_str_cmp(*(const shoal_str *)a, *(const shoal_str *)b);
}

static int compare_refs(const void *a, const void *b) {
  const shoal_sql_ref *x = a, *y = b;
  int order = shoal_str_cmp(x->name, y->name);
  if (!order)
    order = shoal_str_cmp(x->at, y->at);
  return order ? order : (x->position > y->position) - (x->position < y->position);
}

static int compare_files(const void *a, const void *b) {
  const shoal_sql_file *x = a, *y = b;
  int order = shoal_str_cmp(x->path, y->path);
  if (!order)
    order = shoal_str_cmp(x->function, y->function);
  if (!order)
    order = x->hive - y->hive;
  return order ? order : (x->position > y->position) - (x->position < y->position);
}

static bool same_ref(const shoal_sql_ref *a, const shoal_sql_ref *b) {
  return shoal_str_eq(a->name, b->name) && shoal_str_eq(a->at, b->at);
}
static bool same_file(const shoal_sql_file *a, const shoal_sql_file *b) {
  return shoal_str_eq(a->path, b->path) && shoal_str_eq(a->function, b->function) && a->hive == b->hive;
}

static shoal_status take_refs(walk *w, shoal_sql_form *out) {
  out->refs = SHOAL_NEW_ARRAY(w->arena, shoal_sql_ref, w->refs.len + 1);
  if (!out->refs)
    return shoal_fail_nomem(w->err);
  if (w->refs.len)
    qsort(w->refs.ptr, w->refs.len, sizeof *w->refs.ptr, compare_refs);
  for (size_t i = 0; i < w->refs.len; i++) {
    if (i == 0 || !same_ref(&w->refs.ptr[i], &w->refs.ptr[i - 1]))
      out->refs[out->n_refs++] = w->refs.ptr[i];
  }
  return SHOAL_OK;
}

static shoal_status take_files(walk *w, shoal_sql_form *out) {
  out->files = SHOAL_NEW_ARRAY(w->arena, shoal_sql_file, w->files.len + 1);
  if (!out->files)
    return shoal_fail_nomem(w->err);
  if (w->files.len)
    qsort(w->files.ptr, w->files.len, sizeof *w->files.ptr, compare_files);
  for (size_t i = 0; i < w->files.len; i++) {
    if (i == 0 || !same_file(&w->files.ptr[i], &w->files.ptr[i - 1]))
      out->files[out->n_files++] = w->files.ptr[i];
  }
  return SHOAL_OK;
}

static shoal_status take_names(walk *w, names *list, shoal_str **out, size_t *n) {
  *out = SHOAL_NEW_ARRAY(w->arena, shoal_str, list->len + 1);
  *n = 0;
  if (!*out)
    return shoal_fail_nomem(w->err);
  if (list->len)
    qsort(list->ptr, list->len, sizeof *list->ptr, compare_names);
  for (size_t i = 0; i < list->len; i++) {
    if (i == 0 || !shoal_str_eq(list->ptr[i], list->ptr[i - 1]))
      (*out)[(*n)++] = list->ptr[i];
  }
  return SHOAL_OK;
}

static shoal_status take(walk *w, shoal_sql_form *out) {
  out->volatile_why = w->volatile_why.ptr ? w->volatile_why : w->date_why;
  out->volatile_ = out->volatile_why.ptr != NULL;
  out->uses = w->uses;
  out->date_only = out->volatile_ && !w->volatile_why.ptr;
  SHOAL_TRY(take_refs(w, out));
  SHOAL_TRY(take_files(w, out));
  SHOAL_TRY(take_names(w, &w->functions, &out->functions, &out->n_functions));
  return take_names(w, &w->variables, &out->variables, &out->n_variables);
}

static shoal_status analyse(walk *w, yyjson_val *root, shoal_sql_form *out) {
  yyjson_val *statements = yyjson_obj_get(root, "statements");
  shoal_hasher h;
  if (yyjson_arr_size(statements) == 0)
    return shoal_fail(w->err, SHOAL_EINVAL, "there is no SELECT");
  if (yyjson_arr_size(statements) > 1) {
    shoal_fail(w->err, SHOAL_EINVAL, "there are %zu statements, where one SELECT is expected",
               yyjson_arr_size(statements));
    shoal_hint(w->err, "make each a model of its own, or use WITH");
    return SHOAL_EINVAL;
  }
  shoal_hasher_init(&h, "shoal/1/sql");
  SHOAL_TRY(hash_value(w, &h, statements));
  hash_materialized(&h, w->sql);
  out->canon = shoal_hasher_end(&h);
  SHOAL_TRY(visit(w, statements, NULL));
  return take(w, out);
}

static shoal_status run(walk *w, shoal_str parse_json, shoal_sql_form *out) {
  yyjson_doc *doc = NULL;
  *out = (shoal_sql_form){0};
  shoal_status status = shoal_json_parse_tree(parse_json, "the parse tree", &doc, w->err);
  if (status == SHOAL_OK)
    status = analyse(w, yyjson_doc_get_root(doc), out);
  yyjson_doc_free(doc);
  shoal_vec_dispose(&w->refs);
  shoal_vec_dispose(&w->files);
  shoal_vec_dispose(&w->functions);
  shoal_vec_dispose(&w->variables);
  return status;
}

shoal_status shoal_sql_analyse(shoal_str sql, shoal_str parse_json, const shoal_str *macro_names, size_t n_macros,
                               shoal_arena *arena, shoal_sql_form *out, shoal_error *err) {
  walk w = {.sql = sql, .macros = macro_names, .n_macros = n_macros, .strict = true, .arena = arena, .err = err};
  return run(&w, parse_json, out);
}

shoal_status shoal_sql_references(shoal_str sql, shoal_str parse_json, shoal_arena *arena, shoal_sql_form *out,
                                  shoal_error *err) {
  walk w = {.sql = sql, .arena = arena, .err = err};
  return run(&w, parse_json, out);
}
