/* SPDX-License-Identifier: Apache-2.0 */
/* A scanner of SQL tokens. Each function looks at the text from an offset and returns the offset behind what it took.
 */
#include "engine/lexer.h"

#include <string.h>

#include "base/buf.h"
#include "base/str.h"

static unsigned char at(shoal_str s, size_t i) { return i < s.len ? (unsigned char)s.ptr[i] : 0; }

static bool is_letter(unsigned char c) { return ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || c >= 0x80; }
static bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
static bool is_word(unsigned char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '$'; }

/* Bytes of a space at i, 0 if there is none. The engine takes these characters outside ASCII for spaces. */
static size_t space_at(shoal_str s, size_t i) {
  unsigned char a = at(s, i), b = at(s, i + 1), c = at(s, i + 2);
  if (a == ' ' || (a >= '\t' && a <= '\r'))
    return 1;
  if (a == 0xC2 && b == 0xA0)
    return 2;
  if (a == 0xE2 && b == 0x80 && ((c >= 0x80 && c <= 0x8F) || c == 0xAF))
    return 3;
  if (a == 0xE2 && b == 0x81 && (c == 0x9F || c == 0xA0))
    return 3;
  if ((a == 0xE3 && b == 0x80 && c == 0x80) || (a == 0xEF && b == 0xBB && c == 0xBF))
    return 3;
  return 0;
}

static size_t skip_block_comment(shoal_str s, size_t i) {
  size_t depth = 0;
  while (i < s.len) {
    if (at(s, i) == '/' && at(s, i + 1) == '*') {
      depth++;
      i += 2;
    } else if (at(s, i) == '*' && at(s, i + 1) == '/') {
      i += 2;
      if (--depth == 0)
        return i;
    } else {
      i++;
    }
  }
  return s.len;
}

static size_t skip_blank(shoal_str s, size_t i) {
  while (i < s.len) {
    size_t n = space_at(s, i);
    if (n)
      i += n;
    else if (at(s, i) == '-' && at(s, i + 1) == '-')
      while (i < s.len && at(s, i) != '\n' && at(s, i) != '\r')
        i++;
    else if (at(s, i) == '/' && at(s, i + 1) == '*')
      i = skip_block_comment(s, i);
    else
      break;
  }
  return i;
}

/* From the opening quote; a doubled quote stands for itself. */
static size_t skip_quoted(shoal_str s, size_t i, bool backslashes) {
  unsigned char quote = at(s, i++);
  while (i < s.len) {
    if (backslashes && at(s, i) == '\\')
      i += 2;
    else if (at(s, i) != quote)
      i++;
    else if (at(s, i + 1) == quote)
      i += 2;
    else
      return i + 1;
  }
  return s.len;
}

/* From the first '$'; i itself when there is no $tag$ there. */
static size_t skip_dollar(shoal_str s, size_t i) {
  size_t end = i + 1;
  while (end < s.len && at(s, end) != '$' && (is_letter(at(s, end)) || (end > i + 1 && is_digit(at(s, end)))))
    end++;
  if (at(s, end) != '$')
    return i;
  shoal_str tag = shoal_str_sub(s, i, end + 1);
  ptrdiff_t close = shoal_str_find(shoal_str_sub(s, end + 1, s.len), tag);
  return close < 0 ? s.len : end + 1 + (size_t)close + tag.len;
}

static size_t skip_word(shoal_str s, size_t i) {
  while (i < s.len && is_word(at(s, i)) && !space_at(s, i))
    i++;
  return i;
}

static size_t skip_number(shoal_str s, size_t i) {
  while (is_word(at(s, i)) || at(s, i) == '.') {
    bool exponent = (at(s, i) | 32) == 'e' && (at(s, i + 1) == '-' || at(s, i + 1) == '+') && is_digit(at(s, i + 2));
    i += exponent ? 2 : 1;
  }
  return i;
}

static size_t take(shoal_str s, size_t i, shoal_token_kind *kind) {
  unsigned char c = at(s, i);
  *kind = SHOAL_TOKEN_STRING;
  if (c == '\'')
    return skip_quoted(s, i, false);
  if ((c | 32) == 'e' && at(s, i + 1) == '\'')
    return skip_quoted(s, i + 1, true);
  if (c == '$' && skip_dollar(s, i) > i)
    return skip_dollar(s, i);
  *kind = SHOAL_TOKEN_QUOTED;
  if (c == '"')
    return skip_quoted(s, i, false);
  *kind = SHOAL_TOKEN_NUMBER;
  if (is_digit(c) || (c == '.' && is_digit(at(s, i + 1))))
    return skip_number(s, i);
  *kind = SHOAL_TOKEN_WORD;
  if (is_letter(c))
    return skip_word(s, i);
  *kind = SHOAL_TOKEN_SYMBOL;
  return i + 1;
}

bool shoal_lexer_next(shoal_lexer *lexer, shoal_token *out) {
  size_t start = skip_blank(lexer->sql, lexer->at);
  lexer->at = start;
  if (start >= lexer->sql.len)
    return false;
  size_t end = take(lexer->sql, start, &out->kind);
  if (end > lexer->sql.len)
    end = lexer->sql.len;
  out->text = shoal_str_sub(lexer->sql, start, end);
  out->offset = start;
  lexer->at = end;
  return true;
}

bool shoal_token_is(const shoal_token *token, const char *word) {
  return token->kind == SHOAL_TOKEN_WORD && shoal_str_ieq(token->text, shoal_str_z(word));
}

shoal_str shoal_sql_body(shoal_str sql) {
  shoal_lexer lexer = {.sql = sql};
  shoal_token token;
  size_t end = 0;
  while (shoal_lexer_next(&lexer, &token)) {
    if (token.kind != SHOAL_TOKEN_SYMBOL || token.text.ptr[0] != ';')
      end = token.offset + token.text.len;
  }
  return shoal_str_sub(sql, 0, end);
}

static int nesting(const shoal_token *t) {
  char c = t->kind == SHOAL_TOKEN_SYMBOL ? t->text.ptr[0] : 0;
  return (c == '(' || c == '[' || c == '{') - (c == ')' || c == ']' || c == '}');
}

/* Whether the text ends inside of a token: what is put behind it must be a token of its own. */
static shoal_status check_end(shoal_str sql, bool *open, shoal_error *err) {
  shoal_buf behind = {0};
  shoal_token token = {0};
  shoal_buf_addf(&behind, "%.*s\n)", SHOAL_FMT(sql));
  shoal_lexer lexer = {.sql = shoal_buf_str(&behind)};
  while (shoal_lexer_next(&lexer, &token))
    *open = token.offset != sql.len + 1;
  shoal_status status = shoal_buf_check(&behind, err);
  shoal_buf_dispose(&behind);
  return status;
}

shoal_status shoal_sql_check_expression(shoal_str sql, shoal_error *err) {
  shoal_lexer lexer = {.sql = sql};
  shoal_token token;
  bool open = true;
  int depth = 0;
  SHOAL_TRY(check_end(sql, &open, err));
  while (depth >= 0 && shoal_lexer_next(&lexer, &token))
    depth += nesting(&token);
  if (depth == 0 && !open)
    return SHOAL_OK;
  return shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no expression: %s", SHOAL_FMT(sql),
                    depth < 0 ? "a bracket is closed that it does not open"
                    : open    ? "a quote or a comment is not closed"
                              : "a bracket is not closed");
}

bool shoal_sql_has_conditions(shoal_str sql) {
  static const char *const words[] = {"where", "having", "qualify", "join", "on", "using"};
  shoal_lexer lexer = {.sql = sql};
  shoal_token token;
  while (shoal_lexer_next(&lexer, &token))
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
      if (shoal_token_is(&token, words[i]))
        return true;
  return false;
}

void shoal_sql_point(shoal_error *err, shoal_str sql, size_t offset) {
  if (!err || offset > sql.len)
    return;
  err->position = (int64_t)offset + 1;
  err->line = err->column = 1;
  for (size_t i = 0; i < offset; i++) {
    err->column = sql.ptr[i] == '\n' ? 1 : err->column + 1;
    err->line += sql.ptr[i] == '\n';
  }
}
