/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A clause of a merge as people write it, in the words of SQL's MERGE:
 *
 *   [NOT] MATCHED [BY SOURCE | BY TARGET] [AND condition] THEN
 *     DELETE | UPDATE [SET *] | UPDATE SET a = x, b = y | INSERT [*] | INSERT (a, b) VALUES (x, y)
 *
 * Conditions and values stay the engine's to understand: they are only cut out.
 */
#include "base/str.h"
#include "base/vec.h"
#include "delta/words.h"

typedef struct parser {
  shoal_str text;
  shoal_lexer lexer;
  shoal_token token; /* the next one */
  bool more;
  shoal_arena *arena;
  SHOAL_VEC(shoal_delta_set) sets;
} parser;

static void advance(parser *p) { p->more = shoal_lexer_next(&p->lexer, &p->token); }

static bool take(parser *p, const char *word) {
  bool is = p->more && shoal_token_is(&p->token, word);
  if (is)
    advance(p);
  return is;
}

static bool take_symbol(parser *p, char c) {
  bool is = p->more && p->token.kind == SHOAL_TOKEN_SYMBOL && p->token.text.ptr[0] == c;
  if (is)
    advance(p);
  return is;
}

static size_t position(const parser *p) { return p->more ? p->token.offset : p->text.len; }

static shoal_status bad(const parser *p, const char *what, shoal_error *err) {
  (void)shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no clause of a merge: %s", SHOAL_FMT(p->text), what);
  shoal_hint(err, "like: matched and source.gone then delete; matched then update; not matched then insert; "
                  "not matched by source then delete; matched then update set v = source.v");
  return SHOAL_EINVAL;
}

/* Up to one of two symbols, or (both 0) the word THEN: outside brackets and CASE … END. */
static shoal_str take_expression(parser *p, char until, char or_until) {
  size_t start = position(p);
  int depth = 0, cases = 0;
  for (; p->more; advance(p)) {
    char c = p->token.kind == SHOAL_TOKEN_SYMBOL ? p->token.text.ptr[0] : 0;
    bool outside = depth == 0 && cases == 0;
    if (outside && (c ? c == until || c == or_until : !until && shoal_token_is(&p->token, "then")))
      break;
    depth += (c == '(' || c == '[' || c == '{') - (c == ')' || c == ']' || c == '}');
    cases += shoal_token_is(&p->token, "case") - (cases > 0 && shoal_token_is(&p->token, "end"));
  }
  return shoal_str_trim(shoal_str_sub(p->text, start, position(p)));
}

static shoal_status take_name(parser *p, shoal_str *out, shoal_error *err) {
  if (!p->more || (p->token.kind != SHOAL_TOKEN_WORD && p->token.kind != SHOAL_TOKEN_QUOTED))
    return bad(p, "the name of a column is missing", err);
  *out = shoal_sql_name(&p->token, p->arena);
  if (!out->ptr)
    return shoal_fail_nomem(err);
  advance(p);
  return SHOAL_OK;
}

/* A column's name, before which "target." may stand. */
static shoal_status take_column(parser *p, shoal_str *out, shoal_error *err) {
  SHOAL_TRY(take_name(p, out, err));
  if (take_symbol(p, '.')) {
    if (!shoal_str_ieq(*out, SHOAL_STR("target")))
      return bad(p, "only columns of the table get values, a struct as a whole", err);
    SHOAL_TRY(take_name(p, out, err));
  }
  return take_symbol(p, '.') ? bad(p, "only columns of the table get values, a struct as a whole", err) : SHOAL_OK;
}

static shoal_status add_set(parser *p, shoal_str column, shoal_str value, shoal_error *err) {
  shoal_delta_set *slot = shoal_vec_add(&p->sets);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = (shoal_delta_set){column, value};
  return SHOAL_OK;
}

/* a = x, b = y */
static shoal_status take_sets(parser *p, shoal_error *err) {
  do {
    shoal_str column, value;
    SHOAL_TRY(take_column(p, &column, err));
    if (!take_symbol(p, '='))
      return bad(p, "a column is set by column = expression", err);
    value = take_expression(p, ',', ',');
    if (value.len == 0)
      return bad(p, "an expression is missing", err);
    SHOAL_TRY(add_set(p, column, value, err));
  } while (take_symbol(p, ','));
  return SHOAL_OK;
}

/* (a, b) VALUES (x, y) */
static shoal_status take_values(parser *p, shoal_error *err) {
  do {
    shoal_str column;
    SHOAL_TRY(take_column(p, &column, err));
    SHOAL_TRY(add_set(p, column, SHOAL_STR_NONE, err));
  } while (take_symbol(p, ','));
  if (!take_symbol(p, ')') || !take(p, "values") || !take_symbol(p, '('))
    return bad(p, "rows are inserted by INSERT (a, b) VALUES (x, y)", err);
  size_t n = 0;
  do {
    shoal_str value = take_expression(p, ',', ')');
    if (value.len == 0 || n == p->sets.len)
      return bad(p, "there are other numbers of columns and values", err);
    p->sets.ptr[n++].value = value;
  } while (take_symbol(p, ','));
  if (n != p->sets.len || !take_symbol(p, ')'))
    return bad(p, "there are other numbers of columns and values", err);
  return SHOAL_OK;
}

static shoal_status take_when(parser *p, shoal_delta_clause *out, shoal_error *err) {
  bool not = take(p, "not");
  if (!take(p, "matched"))
    return bad(p, "it begins with MATCHED or NOT MATCHED", err);
  bool by = take(p, "by"), source = by && take(p, "source");
  if (by && !source && !take(p, "target"))
    return bad(p, "BY SOURCE or BY TARGET", err);
  if (by && !not )
    return bad(p, "only what is NOT MATCHED is so BY SOURCE", err);
  out->when = source ? SHOAL_DELTA_NOT_BY_SOURCE : not ? SHOAL_DELTA_NOT_MATCHED : SHOAL_DELTA_MATCHED;
  if (take(p, "and")) {
    out->condition = take_expression(p, 0, 0);
    if (out->condition.len == 0)
      return bad(p, "the condition after AND is missing", err);
  }
  return take(p, "then") ? SHOAL_OK : bad(p, "THEN is missing", err);
}

static shoal_status take_then(parser *p, shoal_delta_clause *out, shoal_error *err) {
  if (take(p, "delete")) {
    out->then = SHOAL_DELTA_THEN_DELETE;
  } else if (take(p, "update")) {
    out->then = SHOAL_DELTA_THEN_UPDATE;
    if (take(p, "set") && !take_symbol(p, '*'))
      return take_sets(p, err);
  } else if (take(p, "insert")) {
    out->then = SHOAL_DELTA_THEN_INSERT;
    if (take_symbol(p, '('))
      return take_values(p, err);
    (void)take_symbol(p, '*');
  } else {
    return bad(p, "behind THEN stands DELETE, UPDATE or INSERT", err);
  }
  return SHOAL_OK;
}

shoal_status shoal_delta_clause_parse(shoal_str text, shoal_arena *arena, shoal_delta_clause *out, shoal_error *err) {
  parser p = {.text = text, .lexer = {.sql = text}, .arena = arena};
  *out = (shoal_delta_clause){0};
  advance(&p);
  shoal_status status = take_when(&p, out, err);
  if (status == SHOAL_OK)
    status = take_then(&p, out, err);
  if (status == SHOAL_OK && p.more)
    status = bad(&p, "something stands behind its end", err);
  shoal_delta_set *sets = SHOAL_NEW_ARRAY(arena, shoal_delta_set, p.sets.len);
  if (status == SHOAL_OK && !sets)
    status = shoal_fail_nomem(err);
  for (size_t i = 0; sets && i < p.sets.len; i++)
    sets[i] = p.sets.ptr[i];
  out->sets = sets;
  out->n_sets = p.sets.len;
  shoal_vec_dispose(&p.sets);
  return status;
}
