/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A schema from a list of columns: "id BIGINT NOT NULL, name VARCHAR". The list is only cut into its columns here; what
 * a type is the engine says.
 */
#include "base/str.h"
#include "delta/words.h"

/* One column: its name, its type's text, whether NOT NULL stood behind it. */
typedef struct column {
  shoal_str name, type;
  bool nullable;
} column;

/* Cuts the next column off: up to a comma outside brackets. */
static bool next_column(shoal_str *rest, shoal_str *out) {
  shoal_lexer lexer = {.sql = *rest};
  shoal_token token;
  int depth = 0;
  if (!rest->ptr)
    return false;
  while (shoal_lexer_next(&lexer, &token)) {
    char c = token.kind == SHOAL_TOKEN_SYMBOL ? token.text.ptr[0] : 0;
    depth += (c == '(' || c == '[') - (c == ')' || c == ']');
    if (c == ',' && depth == 0) {
      *out = shoal_str_sub(*rest, 0, token.offset);
      *rest = shoal_str_sub(*rest, token.offset + 1, rest->len);
      return true;
    }
  }
  *out = *rest;
  *rest = SHOAL_STR_NONE;
  return true;
}

shoal_str shoal_sql_name(const shoal_token *token, shoal_arena *arena) {
  if (token->kind != SHOAL_TOKEN_QUOTED || token->text.len < 2)
    return token->text;
  shoal_str inside = shoal_str_sub(token->text, 1, token->text.len - 1);
  char *out = SHOAL_NEW_ARRAY(arena, char, inside.len);
  size_t n = 0;
  for (size_t i = 0; out && i < inside.len; i++) {
    out[n++] = inside.ptr[i];
    i += inside.ptr[i] == '"'; /* doubled */
  }
  return (shoal_str){out, n};
}

static shoal_status cut_column(shoal_str text, shoal_arena *arena, column *out, shoal_error *err) {
  shoal_lexer lexer = {.sql = text};
  shoal_token token, before = {0}, last = {0};
  bool named = shoal_lexer_next(&lexer, &token);
  size_t start = lexer.at, end = text.len;
  if (!named || (token.kind != SHOAL_TOKEN_WORD && token.kind != SHOAL_TOKEN_QUOTED))
    return shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no column: a name and a type, id BIGINT",
                      SHOAL_FMT(shoal_str_trim(text)));
  *out = (column){.name = shoal_sql_name(&token, arena), .nullable = true};
  if (!out->name.ptr)
    return shoal_fail_nomem(err);
  while (shoal_lexer_next(&lexer, &token)) {
    before = last;
    last = token;
  }
  if (shoal_token_is(&last, "null") && shoal_token_is(&before, "not")) {
    out->nullable = false;
    end = before.offset;
  }
  out->type = shoal_str_trim(shoal_str_sub(text, start, end));
  if (out->type.len == 0 || out->name.len == 0)
    return shoal_fail(err, SHOAL_EINVAL, "the column '%.*s' has no type", SHOAL_FMT(out->name));
  return SHOAL_OK;
}

/* SELECT CAST(NULL AS BIGINT) AS "id", …: bound, never run. */
static shoal_status add_column(shoal_buf *sql, shoal_buf *required, shoal_str text, shoal_arena *arena,
                               shoal_error *err) {
  column c = {0};
  SHOAL_TRY(cut_column(text, arena, &c, err));
  shoal_buf_addf(sql, "%s CAST(NULL AS %.*s) AS ", sql->len ? "," : "SELECT", SHOAL_FMT(c.type));
  shoal_buf_sql_ident(sql, c.name);
  shoal_buf_addc(required, c.nullable ? 0 : 1);
  return SHOAL_OK;
}

shoal_status shoal_delta_columns(shoal_engine *engine, shoal_str columns, shoal_arena *arena, shoal_schema *out,
                                 shoal_error *err) {
  shoal_buf sql = {0}, required = {0};
  shoal_str rest = columns, text;
  shoal_status status = SHOAL_OK;
  while (status == SHOAL_OK && next_column(&rest, &text))
    status = add_column(&sql, &required, text, arena, err);
  if (status == SHOAL_OK)
    status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK)
    status = shoal_buf_check(&required, err);
  if (status == SHOAL_OK)
    status = shoal_engine_bind(engine, &(shoal_job){.sql = shoal_buf_str(&sql)}, arena, out, err);
  for (size_t i = 0; status == SHOAL_OK && i < out->n_fields; i++)
    out->fields[i].nullable = !required.ptr[i];
  shoal_buf_dispose(&sql);
  shoal_buf_dispose(&required);
  return status;
}
