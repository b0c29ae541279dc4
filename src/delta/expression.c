/* SPDX-License-Identifier: Apache-2.0 */
/* expression.h: the text as the engine can parse it, and its tree written anew. */
#include "delta/expression.h"

#include "base/str.h"

/* ---- from Spark's spelling to the engine's ---- */

typedef struct spelling {
  shoal_expression_maker *m;
  shoal_str text;
  size_t at;
  int depth;       /* of parentheses */
  bool after_text; /* the last thing was a string: a second one would be glued to it */
  bool after_as;   /* the last word was AS: a type comes */
  shoal_buf out;
} spelling;

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static char peek(const spelling *s, size_t further) {
  return s->at + further < s->text.len ? s->text.ptr[s->at + further] : '\0';
}

/* Up to the closing quote, which must not be doubled: what that means has changed between versions of Spark. */
static shoal_status take_quoted(spelling *s, char quote, shoal_str *inside) {
  size_t start = ++s->at;
  while (s->at < s->text.len && s->text.ptr[s->at] != quote && s->text.ptr[s->at] != '\\')
    s->at++;
  if (peek(s, 0) == '\\')
    return shoal_expression_refuse(s->m, "it has a backslash");
  if (peek(s, 0) != quote)
    return shoal_expression_refuse(s->m, "a quote is not closed");
  *inside = shoal_str_sub(s->text, start, s->at++);
  return peek(s, 0) == quote ? shoal_expression_refuse(s->m, "it has a doubled quote") : SHOAL_OK;
}

static shoal_status take_text(spelling *s) {
  shoal_str inside;
  if (s->after_text)
    return shoal_expression_refuse(s->m, "two texts stand side by side");
  SHOAL_TRY(take_quoted(s, '\'', &inside));
  shoal_buf_sql_literal(&s->out, inside);
  s->after_text = true;
  return SHOAL_OK;
}

/* Words that mean themselves, though a column be called so. */
static bool is_syntax(shoal_str word) {
  static const char *const words[] = {"and", "as", "between", "case", "distinct", "else", "end",  "false", "from",
                                      "in",  "is", "like",    "not",  "null",     "or",   "then", "true",  "when"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (shoal_str_ieq(word, shoal_str_z(words[i])))
      return true;
  return false;
}

/* A column whose name the engine's grammar may have other plans for. */
static bool is_column(const spelling *s, shoal_str word) {
  size_t next = s->at;
  while (next < s->text.len && (s->text.ptr[next] == ' ' || s->text.ptr[next] == '\n'))
    next++;
  char c = next < s->text.len ? s->text.ptr[next] : '\0';
  return c != '(' && c != '\'' && !s->after_as && !is_syntax(word) && shoal_schema_find(s->m->e->schema, word) >= 0;
}

static shoal_status take_word(spelling *s) {
  size_t start = s->at;
  while (is_letter(peek(s, 0)) || is_digit(peek(s, 0)))
    s->at++;
  shoal_str word = shoal_str_sub(s->text, start, s->at);
  if (is_column(s, word))
    shoal_buf_sql_ident(&s->out, word);
  else
    shoal_buf_add(&s->out, word);
  s->after_as = shoal_str_ieq(word, SHOAL_STR("as"));
  if (peek(s, 0) == '\'' && !shoal_str_ieq(word, SHOAL_STR("date")) && !shoal_str_ieq(word, SHOAL_STR("timestamp")))
    return shoal_expression_refuse(s->m, "it has a text written %.*s'…'", SHOAL_FMT(word));
  if (shoal_str_ieq(word, SHOAL_STR("char")) || shoal_str_ieq(word, SHOAL_STR("varchar")) ||
      shoal_str_ieq(word, SHOAL_STR("character"))) /* the tree has their length no more */
    return shoal_expression_refuse(s->m, "it has the type %.*s", SHOAL_FMT(word));
  return SHOAL_OK;
}

/* 12, 1.5, .5, 1e-3: without a suffix, without 0x and 1_000. */
static shoal_status take_number(spelling *s) {
  size_t start = s->at;
  while (is_digit(peek(s, 0)))
    s->at++;
  if (peek(s, 0) == '.')
    s->at++;
  while (is_digit(peek(s, 0)))
    s->at++;
  if (peek(s, 0) == 'e' || peek(s, 0) == 'E') {
    s->at += peek(s, 1) == '-' || peek(s, 1) == '+' ? 2 : 1;
    while (is_digit(peek(s, 0)))
      s->at++;
  }
  shoal_buf_add(&s->out, shoal_str_sub(s->text, start, s->at));
  if (is_letter(peek(s, 0)) || peek(s, 0) == '.')
    return shoal_expression_refuse(s->m, "it has a number written %.*s",
                                   SHOAL_FMT(shoal_str_sub(s->text, start, s->at + 1)));
  return SHOAL_OK;
}

static shoal_status take_symbol(spelling *s) {
  char c = peek(s, 0), next = peek(s, 1);
  if ((c == '-' && next == '-') || (c == '/' && next == '*'))
    return shoal_expression_refuse(s->m, "it has a comment");
  if (c == '"')
    return shoal_expression_refuse(s->m, "it has double quotes, which are a text's to some and a name's to others");
  if (c < ' ' ? c != '\n' && c != '\t' && c != '\r' : c > '~' || !strchr(" ()=<>!+-*/,.|%", c)) /* UTF-8, too */
    return shoal_expression_refuse(s->m, "it has a '%c'", c >= ' ' && c <= '~' ? c : '?');
  s->depth += (c == '(') - (c == ')');
  if (s->depth < 0)
    return shoal_expression_refuse(s->m, "its parentheses don't match");
  shoal_buf_addc(&s->out, c);
  s->at++;
  return SHOAL_OK;
}

static shoal_status take_any(spelling *s) {
  char c = peek(s, 0);
  shoal_str inside;
  if (c == '\'')
    return take_text(s);
  if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
    s->after_text = false;
  if (is_letter(c))
    return take_word(s);
  if (is_digit(c) || (c == '.' && is_digit(peek(s, 1)) && (s->at == 0 || !is_letter(s->text.ptr[s->at - 1]))))
    return take_number(s);
  if (c != '`')
    return take_symbol(s);
  SHOAL_TRY(take_quoted(s, '`', &inside));
  shoal_buf_sql_ident(&s->out, inside);
  return SHOAL_OK;
}

/* SELECT (…) */
static shoal_status spell(spelling *s) {
  shoal_buf_addz(&s->out, "SELECT (");
  while (s->at < s->text.len)
    SHOAL_TRY(take_any(s));
  shoal_buf_addz(&s->out, "\n)");
  if (s->depth)
    return shoal_expression_refuse(s->m, "its parentheses don't match");
  return shoal_buf_check(&s->out, s->m->err);
}

/* ---- nodes of the tree ---- */

typedef shoal_expression_maker maker;
static shoal_status make(maker *m, yyjson_val *node, shoal_typed *out);

static shoal_str kind_of(yyjson_val *node) { return shoal_json_str(node, "type"); }

/* All children of a list; *out is in the arena. */
static shoal_status make_all(maker *m, yyjson_val *list, shoal_typed **out, size_t *n) {
  size_t i, max;
  yyjson_val *child;
  *n = yyjson_arr_size(list);
  *out = SHOAL_NEW_ARRAY(m->arena, shoal_typed, *n);
  if (!*out)
    return shoal_fail_nomem(m->err);
  yyjson_arr_foreach(list, i, max, child) SHOAL_TRY(make(m, child, &(*out)[i]));
  return SHOAL_OK;
}

/* a, b, c with a word between them. */
static shoal_status join_sql(const maker *m, const shoal_typed *values, size_t n, const char *between, shoal_str *out) {
  shoal_buf text = {0};
  for (size_t i = 0; i < n; i++) {
    shoal_buf_addz(&text, i ? between : "");
    shoal_buf_add(&text, values[i].sql);
  }
  return shoal_buf_take(&text, m->arena, out, m->err);
}

static void becomes_condition(shoal_typed *out) {
  out->type = (shoal_type){.kind = SHOAL_TYPE_BOOLEAN};
  out->condition = true;
}

static shoal_status make_clock(maker *m, shoal_str name, shoal_typed *out) {
  bool day = shoal_str_ieq(name, SHOAL_STR("current_date"));
  if (!m->e->clock)
    return shoal_expression_refuse(m, "it asks for the time");
  out->type = (shoal_type){.kind = day ? SHOAL_TYPE_DATE : SHOAL_TYPE_TIMESTAMP};
  return shoal_expression_sql(m, out, day ? "current_date" : "now()");
}

static bool is_clock(shoal_str name) {
  return shoal_str_ieq(name, SHOAL_STR("current_date")) || shoal_str_ieq(name, SHOAL_STR("current_timestamp")) ||
         shoal_str_ieq(name, SHOAL_STR("now"));
}

/* A column, or a field of a struct. */
static shoal_status make_column(maker *m, yyjson_val *node, shoal_typed *out) {
  yyjson_val *names = yyjson_obj_get(node, "column_names"), *item;
  shoal_schema in = *m->e->schema;
  shoal_buf sql = {0};
  size_t i, max;
  yyjson_arr_foreach(names, i, max, item) {
    shoal_str name = shoal_str_n(yyjson_get_str(item), yyjson_get_len(item));
    ptrdiff_t at = shoal_schema_find(&in, name);
    shoal_buf before = sql;
    if (at < 0) {
      shoal_buf_dispose(&sql);
      return max == 1 && is_clock(name)
                 ? make_clock(m, name, out)
                 : shoal_expression_refuse(m, "it names '%.*s', which is no column of the table", SHOAL_FMT(name));
    }
    if (shoal_str_find(in.fields[at].metadata, SHOAL_STR("\"__CHAR_VARCHAR_TYPE_STRING\":\"char(")) >= 0) {
      shoal_buf_dispose(&sql);
      return shoal_expression_refuse(m, "'%.*s' is a char, which Spark pads where it compares it", SHOAL_FMT(name));
    }
    if (i == 0 && m->used)
      m->used[at] = true;
    out->type = in.fields[at].type;
    sql = (shoal_buf){0};
    shoal_buf_addz(&sql, i ? "struct_extract(" : "");
    shoal_buf_add(&sql, shoal_buf_str(&before));
    shoal_buf_addz(&sql, i ? ", " : "");
    (i ? shoal_buf_sql_literal : shoal_buf_sql_ident)(&sql, in.fields[at].name);
    shoal_buf_addz(&sql, i ? ")" : "");
    shoal_buf_dispose(&before);
    in = out->type.kind == SHOAL_TYPE_STRUCT ? (shoal_schema){out->type.fields, out->type.n_fields} : (shoal_schema){0};
  }
  return shoal_buf_take(&sql, m->arena, &out->sql, m->err);
}

/* The digits of a decimal, which the tree tells without their point. */
static shoal_status place_point(const maker *m, shoal_str digits, int64_t scale, shoal_str *out) {
  shoal_buf text = {0};
  bool negative = shoal_str_starts(digits, SHOAL_STR("-"));
  shoal_str d = shoal_str_sub(digits, negative, digits.len);
  shoal_buf_addz(&text, negative ? "-" : "");
  for (size_t i = d.len; i <= (size_t)scale; i++)
    shoal_buf_addc(&text, '0');
  shoal_buf_add(&text, d);
  if (scale > 0 && text.status == SHOAL_OK) {
    shoal_str all = shoal_buf_str(&text);
    char *moved = shoal_arena_printf(m->arena, "%.*s.%.*s", SHOAL_FMT(shoal_str_sub(all, 0, all.len - (size_t)scale)),
                                     SHOAL_FMT(shoal_str_sub(all, all.len - (size_t)scale, all.len)));
    shoal_buf_dispose(&text);
    *out = shoal_str_z(moved);
    return moved ? SHOAL_OK : shoal_fail_nomem(m->err);
  }
  return shoal_buf_take(&text, m->arena, out, m->err);
}

static shoal_status make_number(maker *m, yyjson_val *value, shoal_str id, shoal_typed *out) {
  yyjson_val *number = yyjson_obj_get(value, "value"),
             *info = yyjson_obj_get(yyjson_obj_get(value, "type"), "type_info");
  shoal_str text = yyjson_is_raw(number) ? shoal_str_n(yyjson_get_raw(number), yyjson_get_len(number)) : SHOAL_STR_NONE;
  out->literal = true;
  if (!text.ptr)
    return shoal_expression_refuse(m, "it has a number of more than 18 digits");
  if (shoal_str_is(id, "DECIMAL")) {
    int64_t scale = shoal_json_i64(info, "scale", 0);
    out->type = (shoal_type){
        .kind = SHOAL_TYPE_DECIMAL, .precision = (uint8_t)shoal_json_i64(info, "width", 18), .scale = (uint8_t)scale};
    SHOAL_TRY(place_point(m, text, scale, &out->text));
    return shoal_expression_sql(m, out, "CAST('%.*s' AS DECIMAL(%d,%d))", SHOAL_FMT(out->text), out->type.precision,
                                out->type.scale);
  }
  out->text = shoal_arena_str(m->arena, text);
  if (!out->text.ptr)
    return shoal_fail_nomem(m->err);
  out->type = (shoal_type){.kind = shoal_str_is(id, "DOUBLE")   ? SHOAL_TYPE_DOUBLE
                                   : shoal_str_is(id, "BIGINT") ? SHOAL_TYPE_LONG
                                                                : SHOAL_TYPE_INTEGER};
  return shoal_expression_sql(m, out, "CAST('%.*s' AS %.*s)", SHOAL_FMT(text), SHOAL_FMT(id));
}

static shoal_status make_constant(maker *m, yyjson_val *node, shoal_typed *out) {
  yyjson_val *value = yyjson_obj_get(node, "value");
  shoal_str id = shoal_json_str(yyjson_obj_get(value, "type"), "id");
  if (shoal_str_is(id, "NULL")) {
    out->type = (shoal_type){.kind = SHOAL_TYPE_VOID};
    return shoal_expression_sql(m, out, "NULL");
  }
  if (shoal_str_is(id, "INTEGER") || shoal_str_is(id, "BIGINT") || shoal_str_is(id, "DECIMAL") ||
      shoal_str_is(id, "DOUBLE"))
    return make_number(m, value, id, out);
  if (shoal_str_is(id, "BOOLEAN")) {
    out->type = (shoal_type){.kind = SHOAL_TYPE_BOOLEAN};
    return shoal_expression_sql(m, out, yyjson_get_bool(yyjson_obj_get(value, "value")) ? "true" : "false");
  }
  if (!shoal_str_is(id, "VARCHAR"))
    return shoal_expression_refuse(m, "it has a constant of the type %.*s", SHOAL_FMT(id));
  shoal_buf text = {0};
  out->type = (shoal_type){.kind = SHOAL_TYPE_STRING};
  out->literal = true;
  out->text = shoal_arena_str(m->arena, shoal_json_str(value, "value"));
  shoal_buf_sql_literal(&text, out->text);
  return shoal_buf_take(&text, m->arena, &out->sql, m->err);
}

/* The comparisons that Spark and the engine agree on, NULL, NaN and -0.0 included. */
static shoal_status make_comparison(maker *m, yyjson_val *node, shoal_typed *out) {
  static const char *const operators[][2] = {{"COMPARE_EQUAL", "="},
                                             {"COMPARE_NOTEQUAL", "<>"},
                                             {"COMPARE_LESSTHAN", "<"},
                                             {"COMPARE_GREATERTHAN", ">"},
                                             {"COMPARE_LESSTHANOREQUALTO", "<="},
                                             {"COMPARE_GREATERTHANOREQUALTO", ">="},
                                             {"COMPARE_DISTINCT_FROM", "IS DISTINCT FROM"},
                                             {"COMPARE_NOT_DISTINCT_FROM", "IS NOT DISTINCT FROM"}};
  shoal_typed sides[2] = {0};
  const char *sign = NULL;
  for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
    if (shoal_str_is(kind_of(node), operators[i][0]))
      sign = operators[i][1];
  if (!sign)
    return shoal_expression_refuse(m, "it has a %.*s", SHOAL_FMT(kind_of(node)));
  SHOAL_TRY(make(m, yyjson_obj_get(node, "left"), &sides[0]));
  SHOAL_TRY(make(m, yyjson_obj_get(node, "right"), &sides[1]));
  if (sides[0].condition || sides[1].condition)
    return shoal_expression_refuse(m, "it compares conditions");
  SHOAL_TRY(shoal_expression_unify(m, sides, 2, NULL));
  becomes_condition(out);
  return shoal_expression_sql(m, out, "(%.*s %s %.*s)", SHOAL_FMT(sides[0].sql), sign, SHOAL_FMT(sides[1].sql));
}

static shoal_status make_between(maker *m, yyjson_val *node, shoal_typed *out) {
  shoal_typed v[3] = {0};
  SHOAL_TRY(make(m, yyjson_obj_get(node, "input"), &v[0]));
  SHOAL_TRY(make(m, yyjson_obj_get(node, "lower"), &v[1]));
  SHOAL_TRY(make(m, yyjson_obj_get(node, "upper"), &v[2]));
  if (v[0].condition || v[1].condition || v[2].condition)
    return shoal_expression_refuse(m, "it compares conditions");
  SHOAL_TRY(shoal_expression_unify(m, v, 3, NULL));
  becomes_condition(out);
  return shoal_expression_sql(m, out, "(%.*s BETWEEN %.*s AND %.*s)", SHOAL_FMT(v[0].sql), SHOAL_FMT(v[1].sql),
                              SHOAL_FMT(v[2].sql));
}

static shoal_status want_condition(const maker *m, const shoal_typed *v) {
  if (v->type.kind == SHOAL_TYPE_BOOLEAN || v->type.kind == SHOAL_TYPE_VOID)
    return SHOAL_OK;
  return shoal_expression_refuse(m, "it takes for true or false what is neither");
}

static shoal_status make_conjunction(maker *m, yyjson_val *node, shoal_typed *out) {
  shoal_typed *parts;
  shoal_str sql;
  size_t n;
  SHOAL_TRY(make_all(m, yyjson_obj_get(node, "children"), &parts, &n));
  for (size_t i = 0; i < n; i++)
    SHOAL_TRY(want_condition(m, &parts[i]));
  SHOAL_TRY(join_sql(m, parts, n, shoal_str_is(kind_of(node), "CONJUNCTION_AND") ? " AND " : " OR ", &sql));
  becomes_condition(out);
  return shoal_expression_sql(m, out, "(%.*s)", SHOAL_FMT(sql));
}

static shoal_status make_in(maker *m, shoal_typed *v, size_t n, bool not_in, shoal_typed *out) {
  shoal_str list;
  for (size_t i = 0; i < n; i++)
    if (v[i].condition)
      return shoal_expression_refuse(m, "it compares conditions");
  SHOAL_TRY(shoal_expression_unify(m, v, n, NULL));
  SHOAL_TRY(join_sql(m, v + 1, n - 1, ", ", &list));
  becomes_condition(out);
  return shoal_expression_sql(m, out, "(%.*s %sIN (%.*s))", SHOAL_FMT(v[0].sql), not_in ? "NOT " : "", SHOAL_FMT(list));
}

static shoal_status make_operator(maker *m, yyjson_val *node, shoal_typed *out) {
  shoal_str kind = kind_of(node), list;
  shoal_typed *v;
  size_t n;
  SHOAL_TRY(make_all(m, yyjson_obj_get(node, "children"), &v, &n));
  bool is_not = shoal_str_is(kind, "OPERATOR_NOT"), not_in = shoal_str_is(kind, "COMPARE_NOT_IN");
  if (n >= 2 && (not_in || shoal_str_is(kind, "COMPARE_IN")))
    return make_in(m, v, n, not_in, out);
  if (n >= 1 && shoal_str_is(kind, "OPERATOR_COALESCE")) {
    SHOAL_TRY(shoal_expression_unify(m, v, n, &out->type));
    SHOAL_TRY(join_sql(m, v, n, ", ", &list));
    return shoal_expression_sql(m, out, "coalesce(%.*s)", SHOAL_FMT(list));
  }
  bool null = shoal_str_is(kind, "OPERATOR_IS_NULL");
  if (n != 1 || (!is_not && !null && !shoal_str_is(kind, "OPERATOR_IS_NOT_NULL")))
    return shoal_expression_refuse(m, "it has a %.*s", SHOAL_FMT(kind));
  if (is_not)
    SHOAL_TRY(want_condition(m, &v[0]));
  becomes_condition(out);
  if (is_not)
    return shoal_expression_sql(m, out, "(NOT %.*s)", SHOAL_FMT(v[0].sql));
  return shoal_expression_sql(m, out, "(%.*s IS %sNULL)", SHOAL_FMT(v[0].sql), null ? "" : "NOT ");
}

static shoal_status make_case(maker *m, yyjson_val *node, shoal_typed *out) {
  yyjson_val *checks = yyjson_obj_get(node, "case_checks"), *check;
  size_t n = yyjson_arr_size(checks), i, max;
  shoal_typed *results = SHOAL_NEW_ARRAY(m->arena, shoal_typed, n + 1),
              *whens = SHOAL_NEW_ARRAY(m->arena, shoal_typed, n);
  shoal_buf sql = {0};
  if (!results || !whens)
    return shoal_fail_nomem(m->err);
  yyjson_arr_foreach(checks, i, max, check) {
    SHOAL_TRY(make(m, yyjson_obj_get(check, "when_expr"), &whens[i]));
    SHOAL_TRY(want_condition(m, &whens[i]));
    SHOAL_TRY(make(m, yyjson_obj_get(check, "then_expr"), &results[i]));
  }
  SHOAL_TRY(make(m, yyjson_obj_get(node, "else_expr"), &results[n]));
  SHOAL_TRY(shoal_expression_unify(m, results, n + 1, &out->type));
  shoal_buf_addz(&sql, "CASE");
  for (i = 0; i < n; i++)
    shoal_buf_addf(&sql, " WHEN %.*s THEN %.*s", SHOAL_FMT(whens[i].sql), SHOAL_FMT(results[i].sql));
  shoal_buf_addf(&sql, " ELSE %.*s END", SHOAL_FMT(results[n].sql));
  return shoal_buf_take(&sql, m->arena, &out->sql, m->err);
}

static shoal_status make_cast(maker *m, yyjson_val *node, shoal_typed *out) {
  static const struct {
    const char *id;
    shoal_type_kind kind;
  } types[] = {{"BOOLEAN", SHOAL_TYPE_BOOLEAN}, {"TINYINT", SHOAL_TYPE_BYTE}, {"SMALLINT", SHOAL_TYPE_SHORT},
               {"INTEGER", SHOAL_TYPE_INTEGER}, {"BIGINT", SHOAL_TYPE_LONG},  {"DOUBLE", SHOAL_TYPE_DOUBLE},
               {"VARCHAR", SHOAL_TYPE_STRING},  {"DATE", SHOAL_TYPE_DATE},    {"TIMESTAMP", SHOAL_TYPE_TIMESTAMP},
               {"DECIMAL", SHOAL_TYPE_DECIMAL}};
  yyjson_val *to = yyjson_obj_get(node, "cast_type"), *info = yyjson_obj_get(to, "type_info");
  shoal_str id = shoal_json_str(to, "id");
  if (yyjson_get_bool(yyjson_obj_get(node, "try_cast")))
    return shoal_expression_refuse(m, "it has a TRY_CAST");
  SHOAL_TRY(make(m, yyjson_obj_get(node, "child"), out));
  if (shoal_str_is(id, "BOOLEAN") && out->literal && (shoal_str_is(out->text, "t") || shoal_str_is(out->text, "f"))) {
    bool yes = shoal_str_is(out->text, "t"); /* the tree's spelling of true and false */
    *out = (shoal_typed){.type = {.kind = SHOAL_TYPE_BOOLEAN}};
    return shoal_expression_sql(m, out, yes ? "true" : "false");
  }
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (!shoal_str_is(id, types[i].id))
      continue;
    shoal_type type = {.kind = types[i].kind};
    if (type.kind == SHOAL_TYPE_DECIMAL) {
      type.precision = (uint8_t)shoal_json_i64(info, "width", 0);
      type.scale = (uint8_t)shoal_json_i64(info, "scale", 0);
    }
    if (type.kind == SHOAL_TYPE_DECIMAL && type.precision == 18 && type.scale == 3) /* what none means to the engine */
      return shoal_expression_refuse(m, "it casts to a decimal, whose size may not be written");
    out->condition = false;
    return shoal_expression_cast(m, out, &type);
  }
  return shoal_expression_refuse(m, "it casts to a %.*s", SHOAL_FMT(id));
}

/* ---- functions ---- */

typedef struct call {
  shoal_str name;
  shoal_typed *args;
  size_t n;
} call;

static bool calls(const call *c, const char *name, size_t n) {
  return c->n == n && shoal_str_ieq(c->name, shoal_str_z(name));
}

static bool all_text(const call *c) {
  for (size_t i = 0; i < c->n; i++)
    if (c->args[i].type.kind != SHOAL_TYPE_STRING)
      return false;
  return c->n > 0;
}

static shoal_status refuse_call(const maker *m, const call *c) {
  shoal_buf types = {0};
  for (size_t i = 0; i < c->n; i++) {
    shoal_buf_addz(&types, i ? ", " : "");
    shoal_type_text(&types, &c->args[i].type);
  }
  shoal_status status = shoal_expression_refuse(m, "it has '%.*s' of (%s)", SHOAL_FMT(c->name), shoal_buf_z(&types));
  shoal_buf_dispose(&types);
  return status;
}

/* + - *: without losing digits; what overflows fails (X3). */
static shoal_status make_arithmetic(maker *m, const call *c, shoal_typed *out) {
  shoal_typed *a = &c->args[0], *b = &c->args[1];
  const shoal_type x = a->type, y = b->type;
  char sign = c->name.ptr[0];
  if (!shoal_expression_is_number(&x) || !shoal_expression_is_number(&y) ||
      ((x.kind == SHOAL_TYPE_FLOAT || y.kind == SHOAL_TYPE_FLOAT) && x.kind != y.kind))
    return refuse_call(m, c);
  bool exact = x.kind == SHOAL_TYPE_DECIMAL || y.kind == SHOAL_TYPE_DECIMAL;
  SHOAL_TRY(shoal_expression_unify(m, c->args, 2, &out->type));
  exact = exact && out->type.kind == SHOAL_TYPE_DECIMAL;
  int digits = out->type.precision, scale = out->type.scale;
  if (exact && sign == '*') { /* both have been made (digits, scale) */
    digits = 2 * digits + 1;
    scale *= 2;
  } else if (exact) {
    digits++;
  }
  if (digits > 38)
    return shoal_expression_refuse(m, "its decimals become longer than 38 digits");
  out->type.precision = (uint8_t)digits;
  out->type.scale = (uint8_t)scale;
  return shoal_expression_sql(m, out, "(%.*s %c %.*s)", SHOAL_FMT(a->sql), sign, SHOAL_FMT(b->sql));
}

static shoal_status make_text(maker *m, const call *c, bool *is, shoal_typed *out) {
  bool not_like = calls(c, "!~~", 2), like = not_like || calls(c, "~~", 2);
  bool piece = calls(c, "substring", 3) || calls(c, "substr", 3);
  int64_t from, length;
  shoal_str joined;
  *is = true;
  if (like && all_text(c) && c->args[1].literal) {
    becomes_condition(out);
    return shoal_expression_sql(m, out, "(%.*s %sLIKE %.*s)", SHOAL_FMT(c->args[0].sql), not_like ? "NOT " : "",
                                SHOAL_FMT(c->args[1].sql));
  }
  if ((calls(c, "||", 2) || shoal_str_ieq(c->name, SHOAL_STR("concat"))) && all_text(c)) {
    out->type = (shoal_type){.kind = SHOAL_TYPE_STRING};
    SHOAL_TRY(join_sql(m, c->args, c->n, " || ", &joined));
    return shoal_expression_sql(m, out, "(%.*s)", SHOAL_FMT(joined));
  }
  if ((calls(c, "length", 1) || calls(c, "char_length", 1) || calls(c, "character_length", 1)) && all_text(c)) {
    out->type = (shoal_type){.kind = SHOAL_TYPE_INTEGER};
    return shoal_expression_sql(m, out, "CAST(length(%.*s) AS INTEGER)", SHOAL_FMT(c->args[0].sql));
  }
  if (piece && c->args[0].type.kind == SHOAL_TYPE_STRING && c->args[1].literal && c->args[2].literal &&
      shoal_str_i64(c->args[1].text, &from) && shoal_str_i64(c->args[2].text, &length) && from >= 1 && length >= 0) {
    out->type = (shoal_type){.kind = SHOAL_TYPE_STRING};
    return shoal_expression_sql(m, out, "substring(%.*s, %lld, %lld)", SHOAL_FMT(c->args[0].sql), (long long)from,
                                (long long)length);
  }
  *is = false;
  return SHOAL_OK;
}

/* A moment as the clock on the wall shows it in UTC (X2). */
static shoal_status on_the_wall(maker *m, const shoal_typed *moment, shoal_str *out) {
  shoal_typed wall = {.sql = moment->sql};
  if (moment->type.kind == SHOAL_TYPE_TIMESTAMP)
    SHOAL_TRY(shoal_expression_sql(m, &wall, "(%.*s AT TIME ZONE 'UTC')", SHOAL_FMT(moment->sql)));
  *out = wall.sql;
  return SHOAL_OK;
}

/* year(x) and its like; extract(YEAR FROM x) is date_part('year', x). */
static shoal_status make_part(maker *m, const call *c, bool *is, shoal_typed *out) {
  static const struct {
    const char *name, *part;
    bool of_day;
  } parts[] = {{"year", "year", true},     {"quarter", "quarter", true}, {"month", "month", true},
               {"day", "day", true},       {"dayofmonth", "day", true},  {"hour", "hour", false},
               {"minute", "minute", false}};
  bool named = calls(c, "date_part", 2) && c->args[0].literal;
  shoal_str name = named ? c->args[0].text : c->name, wall;
  const shoal_typed *of = &c->args[named];
  *is = false;
  for (size_t i = 0; (named || c->n == 1) && i < sizeof parts / sizeof *parts; i++) {
    if (!shoal_str_ieq(name, shoal_str_z(parts[i].name)) || !shoal_expression_is_time(&of->type) ||
        (!parts[i].of_day && of->type.kind == SHOAL_TYPE_DATE))
      continue;
    *is = true;
    out->type = (shoal_type){.kind = SHOAL_TYPE_INTEGER};
    SHOAL_TRY(on_the_wall(m, of, &wall));
    return shoal_expression_sql(m, out, "CAST(date_part('%s', %.*s) AS INTEGER)", parts[i].part, SHOAL_FMT(wall));
  }
  return SHOAL_OK;
}

static shoal_status make_time(maker *m, const call *c, bool *is, shoal_typed *out) {
  static const char *const units[] = {"year", "quarter", "month", "week", "day", "hour", "minute", "second"};
  shoal_str wall;
  SHOAL_TRY(make_part(m, c, is, out));
  if (*is)
    return SHOAL_OK;
  *is = true;
  if (calls(c, "to_date", 1) && shoal_expression_is_time(&c->args[0].type)) {
    *out = c->args[0];
    return shoal_expression_cast(m, out, &(shoal_type){.kind = SHOAL_TYPE_DATE});
  }
  if (c->n == 0 && is_clock(c->name))
    return make_clock(m, c->name, out);
  for (size_t i = 0;
       calls(c, "date_trunc", 2) && c->args[1].type.kind == SHOAL_TYPE_TIMESTAMP && i < sizeof units / sizeof *units;
       i++) {
    if (!c->args[0].literal || !shoal_str_ieq(c->args[0].text, shoal_str_z(units[i])))
      continue;
    out->type = (shoal_type){.kind = SHOAL_TYPE_TIMESTAMP};
    SHOAL_TRY(on_the_wall(m, &c->args[1], &wall));
    return shoal_expression_sql(m, out, "(date_trunc('%s', %.*s) AT TIME ZONE 'UTC')", units[i], SHOAL_FMT(wall));
  }
  *is = false;
  return SHOAL_OK;
}

static shoal_status make_call(maker *m, yyjson_val *node, shoal_typed *out) {
  call c = {.name = shoal_json_str(node, "function_name")};
  bool is = false, sum = false;
  yyjson_val *filter = yyjson_obj_get(node, "filter");
  SHOAL_TRY(make_all(m, yyjson_obj_get(node, "children"), &c.args, &c.n));
  if (yyjson_get_bool(yyjson_obj_get(node, "distinct")) || (filter && !yyjson_is_null(filter)))
    return refuse_call(m, &c);
  sum = shoal_str_is(c.name, "+") || shoal_str_is(c.name, "-") || shoal_str_is(c.name, "*");
  if (sum && c.n == 2)
    return make_arithmetic(m, &c, out);
  if (c.n == 1 && shoal_expression_is_number(&c.args[0].type) && (shoal_str_is(c.name, "-") || calls(&c, "abs", 1))) {
    out->type = c.args[0].type;
    return shoal_expression_sql(m, out, "%s(%.*s)", shoal_str_is(c.name, "-") ? "-" : "abs", SHOAL_FMT(c.args[0].sql));
  }
  SHOAL_TRY(make_text(m, &c, &is, out));
  if (!is)
    SHOAL_TRY(make_time(m, &c, &is, out));
  return is ? SHOAL_OK : refuse_call(m, &c);
}

static shoal_status make(maker *m, yyjson_val *node, shoal_typed *out) {
  static const struct {
    const char *class;
    shoal_status (*make)(maker *m, yyjson_val *node, shoal_typed *out);
  } classes[] = {{"COLUMN_REF", make_column},
                 {"CONSTANT", make_constant},
                 {"COMPARISON", make_comparison},
                 {"BETWEEN", make_between},
                 {"CONJUNCTION", make_conjunction},
                 {"OPERATOR", make_operator},
                 {"CASE", make_case},
                 {"CAST", make_cast},
                 {"FUNCTION", make_call}};
  shoal_str class = shoal_json_str(node, "class");
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
    if (shoal_str_is(class, classes[i].class))
      return classes[i].make(m, node, out);
  return shoal_expression_refuse(m, "it has a %.*s", SHOAL_FMT(class));
}

/* ---- whole ---- */

static shoal_status translate(maker *m, shoal_str tree, const shoal_type *as, shoal_typed *out) {
  yyjson_doc *doc;
  SHOAL_TRY(shoal_json_parse_tree(tree, "the engine's parse tree", &doc, m->err));
  yyjson_val *statement = yyjson_arr_get(yyjson_obj_get(yyjson_doc_get_root(doc), "statements"), 0);
  yyjson_val *list = yyjson_obj_get(yyjson_obj_get(statement, "node"), "select_list");
  shoal_status status = yyjson_arr_size(list) == 1 ? make(m, yyjson_arr_get_first(list), out)
                                                   : shoal_expression_refuse(m, "it is not one expression");
  if (status == SHOAL_OK)
    status = as ? shoal_expression_cast(m, out, as) : want_condition(m, out);
  yyjson_doc_free(doc);
  return status;
}

shoal_status shoal_delta_expression_sql(const shoal_delta_expression *e, const shoal_type *as, shoal_engine *engine,
                                        shoal_arena *arena, bool *used, shoal_str *out, shoal_error *err) {
  maker m = {e, arena, used, err};
  spelling s = {.m = &m, .text = e->text};
  shoal_buf tree = {0};
  shoal_typed made = {0};
  shoal_status status = spell(&s);
  if (status == SHOAL_OK) {
    shoal_error wrong = {0};
    status = shoal_engine_parse(engine, shoal_buf_str(&s.out), &tree, &wrong);
    if (status == SHOAL_EENGINE)
      status = shoal_expression_refuse(&m, "it can't be read (%s)", wrong.message);
    else if (status < 0 && err)
      *err = wrong;
  }
  if (status == SHOAL_OK)
    status = translate(&m, shoal_buf_str(&tree), as, &made);
  *out = made.sql;
  shoal_buf_dispose(&tree);
  shoal_buf_dispose(&s.out);
  return status;
}
