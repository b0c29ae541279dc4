/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters of the engine's EXPLAIN as predicates. The grammar is what DuckDB 1.5.5 writes for comparisons, IN, IS NULL,
 * AND, OR and NOT; one thing outside of it makes the whole filter unknown, since a half-understood text is none.
 *
 *   or := and {OR and}    and := not {AND not}    not := NOT not | primary
 *   primary := '(' or ')' | column [op literal | IS [NOT] NULL | [NOT] IN '(' literal {',' literal} ')'
 *              | BETWEEN literal AND literal]
 *   column := path | CAST '(' path AS TIMESTAMP ')'
 *   path := shoal_column_N {'.' name}    literal := ['-'] number | 'text' ['::' type]
 */
#include "engine/predicate.h"

#include "base/limits.h"
#include "base/str.h"
#include "base/vec.h"
#include "engine/lexer.h"

typedef struct reader {
  shoal_lexer lexer;
  shoal_token token; /* the next one */
  bool end;
  bool odd; /* outside the grammar */
  int depth;
  size_t n_columns;
  shoal_arena *arena;
  shoal_status status;
} reader;

static void advance(reader *r) { r->end = !shoal_lexer_next(&r->lexer, &r->token); }

static bool is_symbol(const reader *r, char c) {
  return !r->end && r->token.kind == SHOAL_TOKEN_SYMBOL && r->token.text.ptr[0] == c;
}

static bool take_symbol(reader *r, char c) {
  bool is = is_symbol(r, c);
  if (is)
    advance(r);
  return is;
}

static bool take_word(reader *r, const char *word) {
  bool is = !r->end && shoal_token_is(&r->token, word);
  if (is)
    advance(r);
  return is;
}

static void need(reader *r, bool ok) { r->odd = r->odd || !ok; }

static void *reserve(reader *r, void *got) {
  if (!got)
    r->status = SHOAL_ENOMEM;
  return got;
}

static void read_or(reader *r, shoal_predicate *out);

typedef SHOAL_VEC(shoal_predicate) predicates;

static void add(reader *r, predicates *list, const shoal_predicate *p) {
  shoal_predicate *slot = reserve(r, shoal_vec_add(list));
  if (slot)
    *slot = *p;
}

/* Takes the list. */
static shoal_predicate join(reader *r, shoal_predicate_kind kind, predicates *list) {
  shoal_predicate *children = reserve(r, SHOAL_NEW_ARRAY(r->arena, shoal_predicate, list->len));
  for (size_t i = 0; children && i < list->len; i++)
    children[i] = list->ptr[i];
  shoal_predicate joined = {.kind = kind, .children = children, .n_children = children ? list->len : 0};
  shoal_vec_dispose(list);
  return joined;
}

static void negate(reader *r, shoal_predicate *p) {
  predicates one = {0};
  add(r, &one, p);
  *p = join(r, SHOAL_PREDICATE_NOT, &one);
}

static shoal_str unquote(reader *r, shoal_str quoted) {
  char *text = reserve(r, SHOAL_NEW_ARRAY(r->arena, char, quoted.len));
  size_t n = 0;
  for (size_t i = 1; text && i + 1 < quoted.len; i++) {
    text[n++] = quoted.ptr[i];
    i += quoted.ptr[i] == '\'' && quoted.ptr[i + 1] == '\'';
  }
  return (shoal_str){text, n};
}

/* What follows '::'. */
static shoal_literal_kind read_type(reader *r) {
  if (take_word(r, "DATE"))
    return SHOAL_LITERAL_DATE;
  need(r, take_word(r, "TIMESTAMP"));
  if (!take_word(r, "WITH"))
    return SHOAL_LITERAL_TIMESTAMP;
  need(r, take_word(r, "TIME"));
  need(r, take_word(r, "ZONE"));
  return SHOAL_LITERAL_TIMESTAMP_TZ;
}

static void read_literal(reader *r, shoal_literal *out) {
  bool negative = take_symbol(r, '-');
  need(r, !r->end);
  if (r->odd)
    return;
  shoal_str text = r->token.text;
  if (r->token.kind == SHOAL_TOKEN_NUMBER) {
    *out = (shoal_literal){SHOAL_LITERAL_NUMBER, text};
    if (negative) { /* the sign stands right before it */
      need(r, text.ptr[-1] == '-');
      out->text = (shoal_str){text.ptr - 1, text.len + 1};
    }
    advance(r);
    need(r, !is_symbol(r, ':'));
    return;
  }
  need(r, r->token.kind == SHOAL_TOKEN_STRING && text.ptr[0] == '\'' && text.len >= 2 && !negative);
  if (r->odd)
    return;
  *out = (shoal_literal){SHOAL_LITERAL_STRING, unquote(r, text)};
  advance(r);
  if (take_symbol(r, ':')) {
    need(r, take_symbol(r, ':'));
    out->kind = read_type(r);
  }
}

static bool read_operator(reader *r, shoal_predicate_kind *out) {
  if (take_symbol(r, '=')) {
    *out = SHOAL_PREDICATE_EQ;
  } else if (take_symbol(r, '!')) {
    need(r, take_symbol(r, '='));
    *out = SHOAL_PREDICATE_NE;
  } else if (take_symbol(r, '<')) {
    *out = take_symbol(r, '=') ? SHOAL_PREDICATE_LE : take_symbol(r, '>') ? SHOAL_PREDICATE_NE : SHOAL_PREDICATE_LT;
  } else if (take_symbol(r, '>')) {
    *out = take_symbol(r, '=') ? SHOAL_PREDICATE_GE : SHOAL_PREDICATE_GT;
  } else {
    return false;
  }
  return true;
}

/* Behind the column: IN (…). */
static void read_in(reader *r, const shoal_predicate *column, shoal_predicate *out) {
  predicates list = {0};
  shoal_predicate one = *column;
  one.kind = SHOAL_PREDICATE_EQ;
  need(r, take_symbol(r, '('));
  do {
    read_literal(r, &one.literal);
    add(r, &list, &one);
  } while (!r->odd && take_symbol(r, ','));
  need(r, take_symbol(r, ')'));
  *out = join(r, SHOAL_PREDICATE_OR, &list);
}

static bool is_plain(shoal_str s) {
  for (size_t i = 0; i < s.len; i++) {
    char c = s.ptr[i];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'))
      return false;
  }
  return true;
}

static void read_path(reader *r, shoal_predicate *column) {
  shoal_str *names = reserve(r, SHOAL_NEW_ARRAY(r->arena, shoal_str, SHOAL_MAX_TYPE_DEPTH));
  column->below = names;
  while (names && take_symbol(r, '.')) {
    need(r, !r->end && r->token.kind == SHOAL_TOKEN_WORD && is_plain(r->token.text) &&
                column->n_below < SHOAL_MAX_TYPE_DEPTH);
    if (r->odd)
      return;
    names[column->n_below++] = r->token.text;
    advance(r);
  }
}

static void read_name(reader *r, shoal_predicate *out) {
  const shoal_str prefix = SHOAL_STR(SHOAL_PREDICATE_COLUMN);
  int64_t index;
  shoal_predicate column = {0};
  need(r, !r->end && r->token.kind == SHOAL_TOKEN_WORD && shoal_str_starts(r->token.text, prefix) &&
              shoal_str_i64(shoal_str_sub(r->token.text, prefix.len, r->token.text.len), &index) && index >= 0 &&
              (uint64_t)index < r->n_columns);
  if (r->odd)
    return;
  column.column = (size_t)index;
  advance(r);
  read_path(r, &column);
  *out = column;
}

/* Behind the column: BETWEEN a AND b. */
static void read_between(reader *r, const shoal_predicate *column, shoal_predicate *out) {
  predicates list = {0};
  shoal_predicate low = *column, high = *column;
  low.kind = SHOAL_PREDICATE_GE;
  high.kind = SHOAL_PREDICATE_LE;
  read_literal(r, &low.literal);
  need(r, take_word(r, "AND"));
  read_literal(r, &high.literal);
  add(r, &list, &low);
  add(r, &list, &high);
  *out = join(r, SHOAL_PREDICATE_AND, &list);
}

/* A date that is compared as a timestamp is midnight; other types' bounds are compared with no literal of that type. */
static void read_column(reader *r, shoal_predicate *out) {
  shoal_predicate column = {0};
  bool cast = take_word(r, "CAST");
  need(r, !cast || take_symbol(r, '('));
  read_name(r, &column);
  if (cast)
    need(r, take_word(r, "AS") && take_word(r, "TIMESTAMP") && take_symbol(r, ')'));
  if (r->odd)
    return;
  *out = column;
  if (read_operator(r, &out->kind)) {
    read_literal(r, &out->literal);
  } else if (take_word(r, "IS")) {
    bool no = take_word(r, "NOT");
    need(r, take_word(r, "NULL") && !cast);
    out->kind = SHOAL_PREDICATE_IS_NULL;
    if (no)
      negate(r, out);
  } else if (take_word(r, "BETWEEN")) {
    read_between(r, &column, out);
  } else {
    bool no = take_word(r, "NOT");
    need(r, take_word(r, "IN"));
    read_in(r, &column, out);
    if (no)
      negate(r, out);
  }
}

static void read_not(reader *r, shoal_predicate *out) {
  need(r, ++r->depth < SHOAL_MAX_TYPE_DEPTH);
  if (r->odd)
    return;
  if (take_word(r, "NOT")) {
    read_not(r, out);
    negate(r, out);
  } else if (take_symbol(r, '(')) {
    read_or(r, out);
    need(r, take_symbol(r, ')'));
  } else {
    read_column(r, out);
  }
  r->depth--;
}

static void read_list(reader *r, const char *word, shoal_predicate_kind kind, void (*read)(reader *, shoal_predicate *),
                      shoal_predicate *out) {
  predicates list = {0};
  shoal_predicate next;
  read(r, out);
  if (r->odd || r->end || !shoal_token_is(&r->token, word))
    return;
  add(r, &list, out);
  while (!r->odd && r->status == SHOAL_OK && take_word(r, word)) {
    next = (shoal_predicate){0};
    read(r, &next);
    add(r, &list, &next);
  }
  *out = join(r, kind, &list);
}

static void read_and(reader *r, shoal_predicate *out) { read_list(r, "AND", SHOAL_PREDICATE_AND, read_not, out); }
static void read_or(reader *r, shoal_predicate *out) { read_list(r, "OR", SHOAL_PREDICATE_OR, read_and, out); }

shoal_status shoal_predicate_parse(shoal_str filter, size_t n_columns, shoal_arena *arena, shoal_predicate *out,
                                   shoal_error *err) {
  const shoal_str optional = SHOAL_STR("optional: "); /* the engine need not apply it, but it holds */
  if (shoal_str_starts(filter, optional))
    filter = shoal_str_sub(filter, optional.len, filter.len);
  filter = shoal_arena_str(arena, filter); /* literals are views into it */
  *out = (shoal_predicate){0};
  if (!filter.ptr)
    return shoal_fail_nomem(err);
  reader r = {.lexer = {.sql = filter}, .n_columns = n_columns, .arena = arena};
  advance(&r);
  read_or(&r, out);
  if (r.status < 0)
    return shoal_fail_nomem(err);
  if (r.odd || !r.end)
    *out = (shoal_predicate){0};
  return SHOAL_OK;
}
