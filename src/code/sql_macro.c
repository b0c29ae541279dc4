/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes CREATE MACRO apart. The engine's parse tree exists for SELECTs only, so a macro's bodies are cut out by tokens
 * and given to it as SELECTs; what is left, the head, is hashed as tokens.
 */
#include <string.h>

#include "base/str.h"
#include "base/vec.h"
#include "code/sql.h"
#include "engine/lexer.h"

typedef struct cutter {
  shoal_str text;
  SHOAL_VEC(shoal_token) tokens;
  size_t at;
  shoal_arena *arena;
  shoal_error *err;
  shoal_hasher head;
  SHOAL_VEC(shoal_sql_body_text) bodies;
} cutter;

static shoal_status fail(cutter *c, const char *expected) {
  size_t offset = c->tokens.ptr && c->at < c->tokens.len ? c->tokens.ptr[c->at].offset : c->text.len;
  shoal_fail(c->err, SHOAL_EINVAL, "this is no CREATE MACRO: %s is expected here", expected);
  shoal_hint(c->err, "CREATE MACRO name(a, b := 1) AS expression, or … AS TABLE SELECT …");
  shoal_sql_point(c->err, c->text, offset);
  return SHOAL_EINVAL;
}

static const shoal_token *peek(const cutter *c, size_t ahead) {
  return c->at + ahead < c->tokens.len ? &c->tokens.ptr[c->at + ahead] : NULL;
}
static bool is_symbol(const shoal_token *t, char symbol) {
  return t && t->kind == SHOAL_TOKEN_SYMBOL && t->text.ptr[0] == symbol;
}
static bool is_word(const shoal_token *t, const char *word) { return t && shoal_token_is(t, word); }

static bool take_word(cutter *c, const char *word) {
  bool found = is_word(peek(c, 0), word);
  c->at += found;
  return found;
}

/* +1 at an opening bracket, -1 at a closing one. */
static int nesting(const shoal_token *t) {
  if (is_symbol(t, '(') || is_symbol(t, '[') || is_symbol(t, '{'))
    return 1;
  return is_symbol(t, ')') || is_symbol(t, ']') || is_symbol(t, '}') ? -1 : 0;
}

/* The index behind the bracket that closes the one at `from`; 0 when it is never closed. */
static size_t behind_bracket(const cutter *c, size_t from) {
  int depth = 0;
  for (size_t i = from; i < c->tokens.len; i++) {
    depth += nesting(&c->tokens.ptr[i]);
    if (depth == 0)
      return i + 1;
  }
  return 0;
}

static shoal_str lower(cutter *c, shoal_str s) {
  char *out = shoal_arena_cstr(c->arena, s);
  for (size_t i = 0; out && i < s.len; i++) {
    if (out[i] >= 'A' && out[i] <= 'Z')
      out[i] = (char)(out[i] + ('a' - 'A'));
  }
  return (shoal_str){out, s.len};
}

/* CREATE … MACRO name; the cutter stands behind the name. */
static shoal_status read_name(cutter *c, shoal_str *name) {
  if (!take_word(c, "create"))
    return fail(c, "CREATE");
  if (take_word(c, "or") && !take_word(c, "replace"))
    return fail(c, "REPLACE");
  if (!take_word(c, "temp"))
    (void)take_word(c, "temporary");
  if (!take_word(c, "macro") && !take_word(c, "function"))
    return fail(c, "MACRO");
  if (take_word(c, "if") && (!take_word(c, "not") || !take_word(c, "exists")))
    return fail(c, "IF NOT EXISTS");
  const shoal_token *t = peek(c, 0);
  if (!t || (t->kind != SHOAL_TOKEN_WORD && t->kind != SHOAL_TOKEN_QUOTED))
    return fail(c, "a name");
  bool quoted = t->kind == SHOAL_TOKEN_QUOTED;
  *name = lower(c, quoted ? shoal_str_sub(t->text, 1, t->text.len - 1) : t->text);
  c->at++;
  if (is_symbol(peek(c, 0), '.'))
    return fail(c, "a name without schema");
  return name->ptr ? SHOAL_OK : shoal_fail_nomem(c->err);
}

/* (a, b := 1) AS [TABLE]: hashed; *table says which. */
static shoal_status read_head(cutter *c, bool *table) {
  size_t end = is_symbol(peek(c, 0), '(') ? behind_bracket(c, c->at) : 0;
  if (end == 0)
    return fail(c, "a list of parameters in parentheses");
  shoal_hasher_list(&c->head, end - c->at);
  for (; c->at < end; c->at++) {
    const shoal_token *t = peek(c, 0);
    shoal_str text = t->kind == SHOAL_TOKEN_WORD ? lower(c, t->text) : t->text;
    if (!text.ptr)
      return shoal_fail_nomem(c->err);
    shoal_hasher_u64(&c->head, (uint64_t)t->kind);
    shoal_hasher_str(&c->head, text);
  }
  if (!take_word(c, "as"))
    return fail(c, "AS");
  *table = take_word(c, "table");
  shoal_hasher_z(&c->head, *table ? "table" : "scalar");
  return SHOAL_OK;
}

/* True when the cutter stands at the comma before another overload: ", (…) AS [TABLE]". */
static bool at_overload(const cutter *c, bool table) {
  if (!is_symbol(peek(c, 0), ',') || !is_symbol(peek(c, 1), '('))
    return false;
  size_t behind = behind_bracket(c, c->at + 1);
  if (behind == 0 || behind + 1 >= c->tokens.len || !shoal_token_is(&c->tokens.ptr[behind], "as"))
    return false;
  return !table || shoal_token_is(&c->tokens.ptr[behind + 1], "table");
}

static shoal_status read_body(cutter *c, bool table) {
  size_t first = c->at;
  int depth = 0;
  for (const shoal_token *t; (t = peek(c, 0)) != NULL; c->at++) {
    if (depth == 0 && (is_symbol(t, ';') || at_overload(c, table)))
      break;
    depth += nesting(t);
  }
  if (c->at == first)
    return fail(c, table ? "a SELECT" : "an expression");
  const shoal_token *start = &c->tokens.ptr[first], *last = &c->tokens.ptr[c->at - 1];
  shoal_str body = shoal_str_sub(c->text, start->offset, last->offset + last->text.len);
  const char *before = table ? "" : "SELECT (";
  char *select = shoal_arena_printf(c->arena, "%s%.*s%s", before, SHOAL_FMT(body), table ? "" : "\n)");
  shoal_sql_body_text *slot = select ? shoal_vec_add(&c->bodies) : NULL;
  if (!slot)
    return shoal_fail_nomem(c->err);
  *slot = (shoal_sql_body_text){shoal_str_z(select), (ptrdiff_t)start->offset - (ptrdiff_t)strlen(before)};
  return SHOAL_OK;
}

static shoal_status read_all(cutter *c, shoal_sql_macro *out) {
  bool table = false, more = true;
  SHOAL_TRY(read_name(c, &out->name));
  shoal_hasher_init(&c->head, "shoal/1/macro");
  shoal_hasher_str(&c->head, out->name);
  while (more) {
    SHOAL_TRY(read_head(c, &table));
    SHOAL_TRY(read_body(c, table));
    more = at_overload(c, table);
    c->at += more;
  }
  while (is_symbol(peek(c, 0), ';'))
    c->at++;
  if (peek(c, 0))
    return fail(c, "nothing more");
  out->head = shoal_hasher_end(&c->head);
  return SHOAL_OK;
}

static shoal_status take_bodies(cutter *c, shoal_sql_macro *out) {
  out->bodies = SHOAL_NEW_ARRAY(c->arena, shoal_sql_body_text, c->bodies.len);
  if (!out->bodies)
    return shoal_fail_nomem(c->err);
  memcpy(out->bodies, c->bodies.ptr, c->bodies.len * sizeof *c->bodies.ptr);
  out->n = c->bodies.len;
  return SHOAL_OK;
}

shoal_status shoal_sql_split_macro(shoal_str text, shoal_arena *arena, shoal_sql_macro *out, shoal_error *err) {
  cutter c = {.text = text, .arena = arena, .err = err};
  shoal_lexer lexer = {.sql = text};
  shoal_token token;
  shoal_status status = SHOAL_OK;
  *out = (shoal_sql_macro){0};
  while (status == SHOAL_OK && shoal_lexer_next(&lexer, &token)) {
    shoal_token *slot = shoal_vec_add(&c.tokens);
    if (slot)
      *slot = token;
    else
      status = shoal_fail_nomem(err);
  }
  if (status == SHOAL_OK)
    status = read_all(&c, out);
  if (status == SHOAL_OK)
    status = take_bodies(&c, out);
  shoal_vec_dispose(&c.tokens);
  shoal_vec_dispose(&c.bodies);
  return status;
}
