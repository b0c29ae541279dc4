/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AT (VERSION => n) and AT (TIMESTAMP => t) in queries. The engine can bind neither on the views it reads datasets by,
 * so each place is given a name of its own, `shoal_at_0.table`, in a text of the same length: errors keep their places,
 * and the table's own name still qualifies its columns.
 */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "engine/lexer.h"
#include "session/at.h"

typedef struct scanner {
  shoal_token *tokens;
  size_t n;
} scanner;

static shoal_status scan(shoal_str sql, shoal_arena *arena, scanner *out, shoal_error *err) {
  shoal_lexer lexer = {.sql = sql};
  out->tokens = SHOAL_NEW_ARRAY(arena, shoal_token, sql.len + 1); /* a token has a byte at least */
  if (!out->tokens)
    return shoal_fail_nomem(err);
  while (shoal_lexer_next(&lexer, &out->tokens[out->n]))
    out->n++;
  return SHOAL_OK;
}

static bool is_symbol(const scanner *s, size_t i, char c) {
  return i < s->n && s->tokens[i].kind == SHOAL_TOKEN_SYMBOL && s->tokens[i].text.ptr[0] == c;
}
static bool is_name(const scanner *s, size_t i) {
  return i < s->n && (s->tokens[i].kind == SHOAL_TOKEN_WORD || s->tokens[i].kind == SHOAL_TOKEN_QUOTED);
}

bool shoal_at_is_path(const shoal_token *t) {
  bool quoted = t->kind == SHOAL_TOKEN_QUOTED || t->kind == SHOAL_TOKEN_STRING;
  shoal_str inside = shoal_str_sub(t->text, 1, t->text.len - 1);
  return quoted && t->text.len > 2 && (t->text.ptr[0] == '\'' || t->text.ptr[0] == '"') &&
         shoal_str_chr(inside, '/') >= 0 && shoal_str_chr(inside, '\'') < 0 && shoal_str_chr(inside, '"') < 0;
}

/* Words that no table can be called, of those that may stand before a table or before a call of a function `at`. */
static bool is_keyword(const shoal_token *t) {
  static const char *const words[] = {"from", "join", "pivot", "unpivot", "select", "distinct", "where",  "and",
                                      "or",   "not",  "on",    "by",      "having", "qualify",  "case",   "when",
                                      "then", "else", "in",    "limit",   "offset", "like",     "between"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (shoal_token_is(t, words[i]))
      return true;
  return false;
}

/* A table: a name, or a path between quotes. */
static bool is_table(const scanner *s, size_t i) {
  return i < s->n && ((is_name(s, i) && !is_keyword(&s->tokens[i])) || shoal_at_is_path(&s->tokens[i]));
}

/* The name without quotes, lower case, as references are; a path as it is. */
static shoal_str plain(const shoal_token *t, shoal_arena *arena) {
  bool path = shoal_at_is_path(t), quoted = path || t->kind == SHOAL_TOKEN_QUOTED;
  char *p = shoal_arena_cstr(arena, quoted ? shoal_str_sub(t->text, 1, t->text.len - 1) : t->text);
  for (char *c = p; c && *c && !path; c++)
    if (*c >= 'A' && *c <= 'Z')
      *c = (char)(*c + 32);
  return shoal_str_z(p);
}

/* Reads `AT ( VERSION => 3 )` from token i on; the token behind it, or 0. Casts before a text (DATE '…') are skipped.
 */
static size_t read_clause(const scanner *s, size_t i, shoal_at *out) {
  if (i + 6 >= s->n || !shoal_token_is(&s->tokens[i], "at") || !is_symbol(s, i + 1, '('))
    return 0;
  out->is_time = shoal_token_is(&s->tokens[i + 2], "timestamp");
  if (!out->is_time && !shoal_token_is(&s->tokens[i + 2], "version"))
    return 0;
  size_t v = i + 5;
  if (!is_symbol(s, i + 3, '=') || !is_symbol(s, i + 4, '>'))
    return 0;
  if (out->is_time && s->tokens[v].kind == SHOAL_TOKEN_WORD)
    v++;
  if (v + 1 >= s->n || !is_symbol(s, v + 1, ')'))
    return 0;
  shoal_str text = s->tokens[v].text;
  if (s->tokens[v].kind == SHOAL_TOKEN_STRING && text.len >= 2 && text.ptr[0] == '\'')
    out->value = shoal_str_sub(text, 1, text.len - 1);
  else if (s->tokens[v].kind == SHOAL_TOKEN_NUMBER)
    out->value = text;
  else
    return 0;
  return v + 2;
}

/* The token that ends the table's name before the AT at i, 0 if there is none: what may stand between is an alias, with
   or without AS, with or without names of columns. */
static size_t find_table(const scanner *s, size_t i) {
  size_t at = i - 1;
  if (is_symbol(s, at, ')')) {
    while (at > 0 && !is_symbol(s, at, '('))
      at--;
    at -= at > 0;
  }
  if (!is_table(s, at))
    return 0;
  if (at == 0 || !is_table(s, at - 1))
    return at;
  bool as = shoal_token_is(&s->tokens[at - 1], "as");
  return as && at >= 2 && is_table(s, at - 2) ? at - 2 : as ? 0 : at - 1;
}

static size_t end_of(const shoal_token *t) { return t->offset + t->text.len; }

/* Writes the n-th own name over the table's, moves the alias behind it, and leaves the clause's place empty. */
static shoal_status rename_place(const scanner *s, char *sql, size_t table, size_t clause, size_t behind, size_t n,
                                 shoal_arena *arena, shoal_at *out, shoal_error *err) {
  const shoal_token *last = &s->tokens[table];
  bool qualified = table >= 2 && is_symbol(s, table - 1, '.') && is_name(s, table - 2);
  size_t from = s->tokens[qualified ? table - 2 : table].offset, to = end_of(&s->tokens[behind - 1]);
  shoal_str alias = shoal_str_n(sql + end_of(last), s->tokens[clause].offset - end_of(last));
  bool path = shoal_at_is_path(last);
  shoal_str name = plain(last, arena), schema = qualified ? plain(&s->tokens[table - 2], arena) : SHOAL_STR_NONE;
  char *own = path ? shoal_arena_printf(arena, "\"shoal_at_%zu/%.*s\"%.*s", n, SHOAL_FMT(name), SHOAL_FMT(alias))
                   : shoal_arena_printf(arena, "shoal_at_%zu.%.*s%.*s", n, SHOAL_FMT(last->text), SHOAL_FMT(alias));
  char *input =
      name.ptr ? shoal_arena_printf(arena, path ? "shoal_at_%zu/%.*s" : "shoal_at_%zu.%.*s", n, SHOAL_FMT(name)) : NULL;
  char *dataset = !qualified ? shoal_arena_cstr(arena, name)
                             : shoal_arena_printf(arena, "%.*s.%.*s", SHOAL_FMT(schema), SHOAL_FMT(name));
  if (!own || !input || !dataset)
    return shoal_fail_nomem(err);
  size_t len = strlen(own);
  if (len > to - from)
    return shoal_fail(err, SHOAL_ELIMIT, "a query with more than 99 AT clauses");
  memcpy(sql + from, own, len);
  for (size_t i = from + len; i < to; i++)
    if (sql[i] != '\n')
      sql[i] = ' ';
  out->input = shoal_str_z(input);
  out->dataset = shoal_str_z(dataset);
  out->is_path = path;
  return SHOAL_OK;
}

shoal_status shoal_at_rewrite(shoal_str sql, shoal_arena *arena, shoal_str *out, shoal_at **ats, size_t *n,
                              shoal_error *err) {
  scanner s = {0};
  char *text = shoal_arena_cstr(arena, sql);
  *n = 0;
  SHOAL_TRY(scan(sql, arena, &s, err));
  *ats = SHOAL_NEW_ARRAY(arena, shoal_at, s.n + 1);
  if (!text || !*ats)
    return shoal_fail_nomem(err);
  for (size_t i = 1; i < s.n; i++) {
    shoal_at *at = &(*ats)[*n];
    size_t behind = read_clause(&s, i, at), table = behind ? find_table(&s, i) : 0;
    if (!table)
      continue;
    SHOAL_TRY(rename_place(&s, text, table, i, behind, *n, arena, at, err));
    (*n)++;
    i = behind - 1;
  }
  *out = shoal_str_n(text, sql.len);
  return SHOAL_OK;
}

shoal_status shoal_at_state(shoal_session *s, const shoal_state *base, const shoal_at *at, shoal_state **out,
                            shoal_error *err) {
  int64_t n;
  if (at->is_time) {
    shoal_arena arena = {0};
    char *rev = shoal_arena_printf(&arena, "%.*s@{%.*s}", SHOAL_FMT(base->branch), SHOAL_FMT(at->value));
    shoal_status status = rev ? shoal_session_revision(s, shoal_str_z(rev), out, err) : shoal_fail_nomem(err);
    shoal_arena_dispose(&arena);
    return status;
  }
  if (!shoal_str_i64(at->value, &n) || n < 0) {
    (void)shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no version of %.*s", SHOAL_FMT(at->value), SHOAL_FMT(at->dataset));
    shoal_hint(err, "a version is the number of a publication: shoal log");
    return SHOAL_EINVAL;
  }
  shoal_status status = shoal_branch_load(s->lake, base->branch, n, out, err);
  if (status == SHOAL_ENOTFOUND) {
    (void)shoal_fail(err, SHOAL_ENOTFOUND, "%.*s has no publication #%lld", SHOAL_FMT(base->branch), (long long)n);
    shoal_hint(err, "shoal log shows them");
  }
  return status;
}
