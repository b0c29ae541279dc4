/* SPDX-License-Identifier: Apache-2.0 */
/* rules.h: found in the metadata, turned into the engine's SQL, asked of what was written. */
#include "delta/rules.h"

#include <stdio.h>

#include "base/str.h"
#include "delta/expression.h"

#define SHOWN_COLUMNS 6 /* of a row that breaks a rule */
#define SHOWN_CHARACTERS 40

/* ---- what the metadata says ---- */

bool shoal_delta_is_constraint(shoal_str key, shoal_str *name) {
  const shoal_str prefix = SHOAL_STR(SHOAL_DELTA_CONSTRAINT);
  *name = shoal_str_sub(key, prefix.len, key.len);
  return key.len > prefix.len && shoal_str_ieq(shoal_str_sub(key, 0, prefix.len), prefix);
}

shoal_status shoal_delta_constraint_key(shoal_str name, shoal_arena *arena, shoal_str *key, shoal_error *err) {
  char *out = shoal_arena_printf(arena, SHOAL_DELTA_CONSTRAINT "%.*s", SHOAL_FMT(name));
  bool word = name.len > 0;
  if (!out)
    return shoal_fail_nomem(err);
  for (char *p = out + sizeof SHOAL_DELTA_CONSTRAINT - 1; *p; p++) {
    *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + ('a' - 'A')) : *p;
    word = word && ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '_');
  }
  if (!word)
    return shoal_fail(err, SHOAL_EINVAL, "'%.*s' names no constraint: letters, digits and _ do", SHOAL_FMT(name));
  *key = shoal_str_z(out);
  return SHOAL_OK;
}

static size_t count_constraints(const shoal_delta_metadata *m) {
  size_t n = 0;
  shoal_str name;
  for (size_t i = 0; i < m->n_configuration; i++)
    n += shoal_delta_is_constraint(m->configuration[i].key, &name);
  return n;
}

bool shoal_delta_same_constraints(const shoal_delta_metadata *a, const shoal_delta_metadata *b) {
  shoal_str name;
  bool same = count_constraints(a) == count_constraints(b);
  for (size_t i = 0; i < a->n_configuration && same; i++) {
    if (!shoal_delta_is_constraint(a->configuration[i].key, &name))
      continue;
    bool found = false;
    for (size_t k = 0; k < b->n_configuration && !found; k++)
      found = shoal_str_eq(a->configuration[i].key, b->configuration[k].key) &&
              shoal_str_eq(a->configuration[i].value, b->configuration[k].value);
    same = found;
  }
  return same;
}

/* A text of a column's metadata, in the arena; {NULL,0}: it has none. */
static shoal_status column_text(const shoal_field *f, const char *key, shoal_arena *arena, shoal_str *out,
                                shoal_error *err) {
  yyjson_doc *doc;
  *out = SHOAL_STR_NONE;
  if (shoal_str_find(f->metadata, shoal_str_z(key)) < 0)
    return SHOAL_OK;
  SHOAL_TRY(shoal_json_parse_raw(f->metadata, "a column's metadata", &doc, err));
  yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(doc), key);
  shoal_str text = shoal_json_str(yyjson_doc_get_root(doc), key);
  shoal_status status = SHOAL_OK;
  if (value && !text.ptr)
    status = shoal_fail(err, SHOAL_EUNSUPPORTED, "column '%.*s' has a '%s' that is no text", SHOAL_FMT(f->name), key);
  *out = shoal_arena_str(arena, text);
  if (text.ptr && !out->ptr)
    status = shoal_fail_nomem(err);
  yyjson_doc_free(doc);
  return status;
}

/* {"expression": {"expression": "x > 3"}}, itself a text. */
static shoal_status invariant_text(const shoal_field *f, shoal_arena *arena, shoal_str *out, shoal_error *err) {
  yyjson_doc *doc;
  shoal_str json;
  SHOAL_TRY(column_text(f, "delta.invariants", arena, &json, err));
  *out = SHOAL_STR_NONE;
  if (!json.ptr)
    return SHOAL_OK;
  SHOAL_TRY(shoal_json_parse_raw(json, "delta.invariants", &doc, err));
  shoal_str text = shoal_json_str(yyjson_obj_get(yyjson_doc_get_root(doc), "expression"), "expression");
  *out = shoal_arena_str(arena, text);
  yyjson_doc_free(doc);
  if (!text.ptr)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "column '%.*s' has an invariant without an expression",
                      SHOAL_FMT(f->name));
  return out->ptr ? SHOAL_OK : shoal_fail_nomem(err);
}

/* ---- as SQL ---- */

typedef struct collecting {
  const shoal_schema *schema;
  shoal_engine *engine;
  shoal_arena *arena;
  shoal_delta_rule *list;
  shoal_str *generated;
  size_t n;
} collecting;

/* The next rule; its SQL is a condition or, with `as`, a value. */
static shoal_status add_rule(collecting *c, const char *owner, shoal_str text, const shoal_type *as, shoal_error *err) {
  shoal_delta_rule *r = &c->list[c->n++];
  bool *used = SHOAL_NEW_ARRAY(c->arena, bool, c->schema->n_fields);
  const shoal_delta_expression e = {.owner = owner, .text = text, .schema = c->schema};
  if (!owner || !used)
    return shoal_fail_nomem(err);
  *r = (shoal_delta_rule){.owner = owner, .text = text, .used = used};
  return shoal_delta_expression_sql(&e, as, c->engine, c->arena, used, &r->sql, err);
}

static shoal_status add_invariant(collecting *c, const shoal_field *f, shoal_error *err) {
  shoal_str text;
  SHOAL_TRY(invariant_text(f, c->arena, &text, err));
  if (!text.ptr)
    return SHOAL_OK;
  return add_rule(c, shoal_arena_printf(c->arena, "the invariant of column '%.*s'", SHOAL_FMT(f->name)), text, NULL,
                  err);
}

/* Also of members of structs; what stands inside arrays and maps writable.c refuses. */
static shoal_status add_invariants(collecting *c, const shoal_field *f, shoal_error *err) {
  SHOAL_TRY(add_invariant(c, f, err));
  for (size_t i = 0; f->type.kind == SHOAL_TYPE_STRUCT && i < f->type.n_fields; i++)
    SHOAL_TRY(add_invariants(c, &f->type.fields[i], err));
  return SHOAL_OK;
}

static shoal_status add_generated(collecting *c, size_t column, shoal_error *err) {
  const shoal_field *f = &c->schema->fields[column];
  shoal_buf sql = {0};
  shoal_str text;
  SHOAL_TRY(column_text(f, "delta.generationExpression", c->arena, &text, err));
  if (!text.ptr)
    return SHOAL_OK;
  SHOAL_TRY(add_rule(c, shoal_arena_printf(c->arena, "the generated column '%.*s'", SHOAL_FMT(f->name)), text, &f->type,
                     err));
  shoal_delta_rule *r = &c->list[c->n - 1];
  c->generated[column] = r->sql;
  ((bool *)r->used)[column] = true;
  shoal_buf_sql_ident(&sql, f->name);
  shoal_buf_addf(&sql, " IS NOT DISTINCT FROM %.*s", SHOAL_FMT(r->sql));
  return shoal_buf_take(&sql, c->arena, &r->sql, err);
}

/* ---- elements of arrays and values of maps that may not be NULL ---- */

static bool wants_elements(const shoal_type *type, bool inside) {
  inside = inside || type->kind == SHOAL_TYPE_ARRAY || type->kind == SHOAL_TYPE_MAP;
  for (size_t i = type->kind == SHOAL_TYPE_MAP; i < type->n_fields; i++) /* keys are never NULL */
    if ((inside && !type->fields[i].nullable) || wants_elements(&type->fields[i].type, inside))
      return true;
  return false;
}

static void add_elements(shoal_buf *sql, const shoal_type *type, shoal_str value, bool inside, int depth);

/* A part of a value: there if it must be, and as it must be if it is there. */
static void add_element(shoal_buf *sql, const shoal_field *f, shoal_str value, bool inside, int depth) {
  shoal_buf_addf(sql, "CASE WHEN %.*s IS NULL THEN %s ELSE ", SHOAL_FMT(value),
                 f->nullable || !inside ? "true" : "false");
  add_elements(sql, &f->type, value, inside, depth);
  shoal_buf_addz(sql, " END");
}

static void add_members(shoal_buf *sql, const shoal_type *type, shoal_str value, bool inside, int depth) {
  shoal_buf member = {0};
  for (size_t i = 0; i < type->n_fields; i++) {
    shoal_buf_clear(&member);
    shoal_buf_addf(&member, "struct_extract(%.*s, ", SHOAL_FMT(value));
    shoal_buf_sql_literal(&member, type->fields[i].name);
    shoal_buf_addc(&member, ')');
    shoal_buf_addz(sql, i ? " AND " : "");
    add_element(sql, &type->fields[i], shoal_buf_str(&member), inside, depth);
    if (member.status < 0)
      sql->status = member.status;
  }
  shoal_buf_dispose(&member);
}

/* A condition on a value that is not NULL, which is never NULL itself. */
static void add_elements(shoal_buf *sql, const shoal_type *type, shoal_str value, bool inside, int depth) {
  bool map = type->kind == SHOAL_TYPE_MAP;
  char element[16];
  if (!wants_elements(type, inside)) {
    shoal_buf_addz(sql, "true");
  } else if (type->kind == SHOAL_TYPE_STRUCT) {
    shoal_buf_addc(sql, '(');
    add_members(sql, type, value, inside, depth);
    shoal_buf_addc(sql, ')');
  } else {
    int n = snprintf(element, sizeof element, "e%d", depth);
    shoal_buf_addf(sql,
                   map ? "len(list_filter(map_values(%.*s), lambda %s: NOT " : "len(list_filter(%.*s, lambda %s: NOT ",
                   SHOAL_FMT(value), element);
    add_element(sql, &type->fields[map], shoal_str_n(element, (size_t)n), true, depth + 1);
    shoal_buf_addz(sql, ")) = 0");
  }
}

/* A rule that a column's type makes; NULL: no memory. */
static shoal_delta_rule *add_rule_of_type(collecting *c, size_t column, shoal_str text) {
  bool *used = SHOAL_NEW_ARRAY(c->arena, bool, c->schema->n_fields);
  char *owner = shoal_arena_printf(c->arena, "the type of column '%.*s'", SHOAL_FMT(c->schema->fields[column].name));
  if (!used || !owner)
    return NULL;
  used[column] = true;
  shoal_delta_rule *r = &c->list[c->n++];
  *r = (shoal_delta_rule){.owner = owner, .text = text, .used = used, .of_type = true};
  return r;
}

static shoal_status add_not_null(collecting *c, size_t column, shoal_error *err) {
  const shoal_field *f = &c->schema->fields[column];
  shoal_buf name = {0}, sql = {0};
  if (!wants_elements(&f->type, false))
    return SHOAL_OK;
  shoal_delta_rule *r = add_rule_of_type(c, column, SHOAL_STR("NULL is not allowed inside"));
  if (!r)
    return shoal_fail_nomem(err);
  shoal_buf_sql_ident(&name, f->name);
  shoal_buf_addf(&sql, "CASE WHEN %s IS NULL THEN true ELSE ", shoal_buf_z(&name));
  add_elements(&sql, &f->type, shoal_buf_str(&name), false, 0);
  shoal_buf_addz(&sql, " END");
  if (name.status < 0)
    sql.status = name.status;
  shoal_status status = shoal_buf_take(&sql, c->arena, &r->sql, err);
  shoal_buf_dispose(&sql);
  shoal_buf_dispose(&name);
  return status;
}

/* ---- lengths ---- */

/* varchar(10), char(3): characters at most. */
static bool read_length(shoal_str text, int64_t *out) {
  ptrdiff_t open = shoal_str_chr(text, '(');
  shoal_str name = shoal_str_sub(text, 0, open < 0 ? 0 : (size_t)open);
  return (shoal_str_is(name, "varchar") || shoal_str_is(name, "char")) && shoal_str_ends(text, SHOAL_STR(")")) &&
         shoal_str_i64(shoal_str_sub(text, (size_t)open + 1, text.len - 1), out) && *out >= 0;
}

static shoal_status add_length(collecting *c, size_t column, shoal_error *err) {
  const shoal_field *f = &c->schema->fields[column];
  shoal_buf sql = {0};
  shoal_str text;
  int64_t most;
  SHOAL_TRY(column_text(f, "__CHAR_VARCHAR_TYPE_STRING", c->arena, &text, err));
  if (!text.ptr)
    return SHOAL_OK;
  if (f->type.kind != SHOAL_TYPE_STRING || !read_length(text, &most))
    return shoal_fail(err, SHOAL_EUNSUPPORTED,
                      "column '%.*s' is of the type %.*s, whose lengths this build does not keep", SHOAL_FMT(f->name),
                      SHOAL_FMT(text));
  shoal_delta_rule *r = add_rule_of_type(c, column, text);
  if (!r)
    return shoal_fail_nomem(err);
  shoal_buf_addz(&sql, "coalesce(length(");
  shoal_buf_sql_ident(&sql, f->name);
  shoal_buf_addf(&sql, ") <= %lld, true)", (long long)most);
  shoal_status status = shoal_buf_take(&sql, c->arena, &r->sql, err);
  shoal_buf_dispose(&sql);
  return status;
}

shoal_status shoal_delta_rules_of(const shoal_delta_metadata *m, shoal_engine *engine, shoal_arena *arena,
                                  const shoal_delta_rules **out, shoal_error *err) {
  size_t n = m->schema.n_fields;
  shoal_delta_rules *rules = SHOAL_NEW(arena, shoal_delta_rules);
  collecting c = {&m->schema,
                  engine,
                  arena,
                  SHOAL_NEW_ARRAY(arena, shoal_delta_rule,
                                  shoal_delta_count_fields(m->schema.fields, n) + 3 * n + m->n_configuration),
                  SHOAL_NEW_ARRAY(arena, shoal_str, n),
                  0};
  shoal_str name;
  *out = NULL;
  if (!rules || !c.list || !c.generated)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < m->n_configuration; i++)
    if (shoal_delta_is_constraint(m->configuration[i].key, &name))
      SHOAL_TRY(add_rule(&c, shoal_arena_printf(arena, "the constraint '%.*s'", SHOAL_FMT(name)),
                         m->configuration[i].value, NULL, err));
  for (size_t i = 0; i < n; i++) {
    SHOAL_TRY(add_invariants(&c, &m->schema.fields[i], err));
    SHOAL_TRY(add_generated(&c, i, err));
    SHOAL_TRY(add_length(&c, i, err));
    SHOAL_TRY(add_not_null(&c, i, err));
  }
  *rules = (shoal_delta_rules){&m->schema, c.list, c.n, c.generated, NULL};
  SHOAL_TRY(shoal_delta_identities_of(m, arena, &rules->identities, err));
  *out = c.n || rules->identities ? rules : NULL;
  return SHOAL_OK;
}

bool shoal_delta_is_generated(const shoal_delta_rules *rules, size_t column) {
  return rules && rules->generated[column].ptr;
}

shoal_delta_identity *shoal_delta_identity_of(const shoal_delta_rules *rules, size_t column) {
  return rules && rules->identities && rules->identities[column].is ? &rules->identities[column] : NULL;
}

bool shoal_delta_gives_numbers(const shoal_delta_rules *rules) {
  return rules && shoal_delta_identities_given(rules->identities, rules->schema);
}

shoal_status shoal_delta_default_sql(const shoal_field *f, shoal_engine *engine, shoal_arena *arena, shoal_str *out,
                                     shoal_error *err) {
  const shoal_schema none = {0};
  shoal_delta_expression e = {.schema = &none, .clock = true};
  SHOAL_TRY(column_text(f, "CURRENT_DEFAULT", arena, &e.text, err));
  *out = SHOAL_STR("NULL");
  if (!e.text.ptr)
    return SHOAL_OK;
  e.owner = shoal_arena_printf(arena, "the default of column '%.*s'", SHOAL_FMT(f->name));
  return e.owner ? shoal_delta_expression_sql(&e, &f->type, engine, arena, NULL, out, err) : shoal_fail_nomem(err);
}

/* ---- asked of rows ---- */

static void add_columns(shoal_buf *sql, const shoal_delta_rules *rules, const bool *used, bool named, size_t *shown) {
  for (size_t i = 0; i < rules->schema->n_fields && *shown < SHOWN_COLUMNS; i++) {
    if (used[i] != named)
      continue;
    shoal_buf_addz(sql, (*shown)++ ? ", left(CAST(" : "SELECT left(CAST(");
    shoal_buf_sql_ident(sql, rules->schema->fields[i].name);
    shoal_buf_addf(sql, " AS VARCHAR), %d) AS ", SHOWN_CHARACTERS);
    shoal_buf_sql_ident(sql, rules->schema->fields[i].name);
  }
}

static void describe_row(shoal_rows *rows, shoal_buf *out) {
  for (size_t i = 0; i < shoal_rows_columns(rows); i++) {
    shoal_str value = shoal_rows_text(rows, i);
    shoal_buf_addf(out, "%s%.*s = %.*s", i ? ", " : "", SHOAL_FMT(shoal_rows_name(rows, i)),
                   SHOAL_FMT(value.ptr ? value : SHOAL_STR("NULL")));
  }
}

static shoal_status tell(const shoal_delta_rule *r, int64_t n, const shoal_buf *row, shoal_error *err) {
  (void)shoal_fail(err, SHOAL_EINVAL, "%s, %.*s, does not hold for %lld row%s: %s", r->owner, SHOAL_FMT(r->text),
                   (long long)n, n == 1 ? "" : "s", shoal_buf_z(row));
  shoal_hint(err, "nothing was written");
  return SHOAL_EINVAL;
}

/* SHOAL_DONE: there is none. *rows is the caller's to free, also after a failure. */
static shoal_status first_row(shoal_engine *engine, shoal_buf *sql, const shoal_input *input, shoal_rows **rows,
                              shoal_error *err) {
  SHOAL_TRY(shoal_buf_check(sql, err));
  const shoal_job job = {.sql = shoal_buf_str(sql), .inputs = input, .n_inputs = 1};
  SHOAL_TRY(shoal_engine_query(engine, &job, rows, err));
  return shoal_rows_next(*rows, err);
}

/* One of the rows that break the rule, the columns that it names first. */
static shoal_status show(const shoal_delta_rules *rules, const shoal_delta_rule *r, int64_t n, shoal_engine *engine,
                         const shoal_input *input, shoal_error *err) {
  shoal_buf sql = {0}, row = {0};
  shoal_rows *rows = NULL;
  size_t shown = 0;
  add_columns(&sql, rules, r->used, true, &shown);
  add_columns(&sql, rules, r->used, false, &shown);
  shoal_buf_addf(&sql, " FROM written WHERE (%.*s) IS NOT TRUE LIMIT 1", SHOAL_FMT(r->sql));
  shoal_status status = first_row(engine, &sql, input, &rows, err);
  if (status == SHOAL_OK)
    describe_row(rows, &row);
  shoal_rows_free(rows);
  if (status >= 0)
    status = tell(r, n, &row, err);
  shoal_buf_dispose(&row);
  shoal_buf_dispose(&sql);
  return status;
}

/* How many rows break each rule, in one reading. */
static shoal_status count(const shoal_delta_rules *rules, shoal_engine *engine, const shoal_input *input,
                          int64_t *broken, shoal_error *err) {
  shoal_buf sql = {0};
  shoal_rows *rows = NULL;
  for (size_t i = 0; i < rules->n; i++)
    shoal_buf_addf(&sql, "%s count(*) FILTER (WHERE (%.*s) IS NOT TRUE)", i ? "," : "SELECT",
                   SHOAL_FMT(rules->list[i].sql));
  shoal_buf_addz(&sql, " FROM written");
  shoal_status status = first_row(engine, &sql, input, &rows, err);
  for (size_t i = 0; i < rules->n && status == SHOAL_OK; i++)
    if (!shoal_str_i64(shoal_rows_text(rows, i), &broken[i]))
      status = shoal_fail(err, SHOAL_EENGINE, "the engine counted rows in another way");
  shoal_rows_free(rows);
  shoal_buf_dispose(&sql);
  return status == SHOAL_DONE ? shoal_fail(err, SHOAL_EENGINE, "the engine counted nothing") : status;
}

shoal_status shoal_delta_rules_check(const shoal_delta_rules *rules, shoal_engine *engine, const shoal_scan *scan,
                                     shoal_arena *arena, shoal_error *err) {
  const shoal_input input = {SHOAL_STR("written"), scan};
  int64_t *broken = SHOAL_NEW_ARRAY(arena, int64_t, rules->n);
  if (!broken)
    return shoal_fail_nomem(err);
  if (rules->n == 0)
    return SHOAL_OK;
  shoal_status status = count(rules, engine, &input, broken, err);
  if (status < 0)
    shoal_context(err, "checking what the table asks of its rows");
  for (size_t i = 0; i < rules->n && status == SHOAL_OK; i++)
    if (broken[i])
      status = show(rules, &rules->list[i], broken[i], engine, &input, err);
  return status;
}
