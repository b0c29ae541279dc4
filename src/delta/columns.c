/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A schema from a list of columns: "id BIGINT NOT NULL, name VARCHAR". The list is only cut into its columns here; what
 * a type is the engine says. A column whose numbers the table gives is written as Spark has it,
 * "id BIGINT GENERATED [ALWAYS | BY DEFAULT] AS IDENTITY (START WITH 1 INCREMENT BY 1)", or with (1, 1).
 */
#include "base/str.h"
#include "delta/identity.h"
#include "delta/words.h"

/* One column: its name, its type's text, and what stood behind that. */
typedef struct column {
  shoal_str name, type;
  bool nullable;
  bool identity, open;
  int64_t start, step;
} column;
typedef SHOAL_VEC(column) columns;

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

static bool next_is(shoal_lexer *lexer, const char *word) {
  shoal_token token;
  return shoal_lexer_next(lexer, &token) && shoal_token_is(&token, word);
}

/* ( [START WITH] n [,] [INCREMENT BY] n ), from behind the bracket on; either may be missing. */
static bool cut_numbers(shoal_lexer *lexer, column *out) {
  int64_t *into = &out->start;
  size_t from = lexer->at;
  shoal_token token;
  for (; shoal_lexer_next(lexer, &token); from = lexer->at) {
    char c = token.kind == SHOAL_TOKEN_SYMBOL ? token.text.ptr[0] : 0;
    if (c == ')')
      return true;
    if (shoal_token_is(&token, "start") || shoal_token_is(&token, "increment")) {
      into = shoal_token_is(&token, "start") ? &out->start : &out->step;
      if (!next_is(lexer, into == &out->start ? "with" : "by"))
        return false;
    } else if (c == ',') {
      into = &out->step;
    } else {
      if (c == '-' && !shoal_lexer_next(lexer, &token))
        return false;
      shoal_str number = shoal_str_trim(shoal_str_sub(lexer->sql, from, lexer->at));
      if (!shoal_str_i64(number, into))
        return false;
    }
  }
  return false;
}

/* What stands behind GENERATED, up to *end. */
static shoal_status cut_identity(shoal_lexer lexer, column *out, size_t *end, shoal_error *err) {
  shoal_token token;
  bool fits = shoal_lexer_next(&lexer, &token);
  bool by = fits && shoal_token_is(&token, "by");
  out->identity = true;
  out->open = by;
  out->start = out->step = 1;
  fits = fits && (by ? next_is(&lexer, "default") : shoal_token_is(&token, "always")) && next_is(&lexer, "as") &&
         next_is(&lexer, "identity");
  *end = lexer.at;
  if (fits && shoal_lexer_next(&lexer, &token) && token.kind == SHOAL_TOKEN_SYMBOL && token.text.ptr[0] == '(') {
    fits = cut_numbers(&lexer, out);
    *end = lexer.at;
  }
  if (fits)
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_EINVAL, "what stands behind GENERATED at the column '%.*s' is not understood",
                   SHOAL_FMT(out->name));
  shoal_hint(err, "GENERATED ALWAYS AS IDENTITY, or BY DEFAULT; behind it, if need be, (START WITH 1 INCREMENT BY 1)");
  return SHOAL_EINVAL;
}

shoal_status shoal_sql_pair(shoal_str text, shoal_arena *arena, shoal_str *name, shoal_str *value, shoal_error *err) {
  shoal_lexer lexer = {.sql = text};
  shoal_token token;
  bool quoted = shoal_lexer_next(&lexer, &token) && token.kind == SHOAL_TOKEN_QUOTED;
  ptrdiff_t eq = shoal_str_chr(quoted ? shoal_str_sub(text, lexer.at, text.len) : text, '=');
  size_t end = (quoted ? lexer.at : 0) + (size_t)(eq < 0 ? 0 : eq);
  *value = eq < 0 ? SHOAL_STR_NONE : shoal_str_trim(shoal_str_sub(text, end + 1, text.len));
  *name = quoted    ? shoal_sql_name(&token, arena)
          : eq >= 0 ? shoal_str_trim(shoal_str_sub(text, 0, end))
                    : shoal_str_trim(text);
  return name->ptr ? SHOAL_OK : shoal_fail_nomem(err);
}

static shoal_status cut_column(shoal_str text, shoal_arena *arena, column *out, shoal_error *err) {
  shoal_lexer lexer = {.sql = text};
  shoal_token token, before = {0}, last = {0};
  bool named = shoal_lexer_next(&lexer, &token);
  size_t start = lexer.at, end = text.len;
  shoal_str behind = SHOAL_STR("");
  if (!named || (token.kind != SHOAL_TOKEN_WORD && token.kind != SHOAL_TOKEN_QUOTED))
    return shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no column: a name and a type, id BIGINT",
                      SHOAL_FMT(shoal_str_trim(text)));
  *out = (column){.name = shoal_sql_name(&token, arena), .nullable = true};
  if (!out->name.ptr)
    return shoal_fail_nomem(err);
  for (int depth = 0; shoal_lexer_next(&lexer, &token);) {
    char c = token.kind == SHOAL_TOKEN_SYMBOL ? token.text.ptr[0] : 0;
    depth += (c == '(') - (c == ')');
    if (depth == 0 && shoal_token_is(&token, "generated")) {
      size_t rest;
      SHOAL_TRY(cut_identity(lexer, out, &rest, err));
      behind = shoal_str_trim(shoal_str_sub(text, rest, text.len));
      end = token.offset;
      break;
    }
    before = last;
    last = token;
  }
  if (shoal_token_is(&last, "null") && shoal_token_is(&before, "not")) {
    out->nullable = false;
    end = before.offset;
  }
  if (behind.len && !shoal_str_ieq(behind, SHOAL_STR("not null")))
    return shoal_fail(err, SHOAL_EINVAL, "'%.*s' behind the column '%.*s' is not understood", SHOAL_FMT(behind),
                      SHOAL_FMT(out->name));
  out->nullable = out->nullable && behind.len == 0;
  out->type = shoal_str_trim(shoal_str_sub(text, start, end));
  if (out->type.len == 0 || out->name.len == 0)
    return shoal_fail(err, SHOAL_EINVAL, "the column '%.*s' has no type", SHOAL_FMT(out->name));
  return SHOAL_OK;
}

/* SELECT CAST(NULL AS BIGINT) AS "id", …: bound, never run. */
static shoal_status add_column(shoal_buf *sql, columns *list, shoal_str text, shoal_arena *arena, shoal_error *err) {
  column *c = shoal_vec_add(list);
  if (!c)
    return shoal_fail_nomem(err);
  SHOAL_TRY(cut_column(text, arena, c, err));
  shoal_buf_addf(sql, "%s CAST(NULL AS %.*s) AS ", sql->len ? "," : "SELECT", SHOAL_FMT(c->type));
  shoal_buf_sql_ident(sql, c->name);
  return SHOAL_OK;
}

static bool is_text(const shoal_token *t) {
  static const char *const names[] = {"varchar", "char", "character", "varying", "bpchar",
                                      "nchar",   "text", "string",    "nvarchar"};
  bool is = false;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    is = is || shoal_token_is(t, names[i]);
  return is;
}

/* VARCHAR(5), CHAR(5): as Spark has it, in the column's metadata; the engine's types have no lengths. */
static shoal_status keep_length(const column *c, shoal_field *f, shoal_arena *arena, shoal_error *err) {
  shoal_lexer lexer = {.sql = c->type};
  shoal_token token, word = {0};
  int64_t most = 0;
  while (most == 0 && shoal_lexer_next(&lexer, &token)) {
    bool opens = token.kind == SHOAL_TOKEN_SYMBOL && token.text.ptr[0] == '(' && is_text(&word);
    if (opens && (!shoal_lexer_next(&lexer, &token) || !shoal_str_i64(token.text, &most) || most < 1))
      return shoal_fail(err, SHOAL_EINVAL, "the length of the column '%.*s' is none", SHOAL_FMT(c->name));
    word = opens ? word : token;
  }
  if (most == 0)
    return SHOAL_OK;
  if (f->type.kind != SHOAL_TYPE_STRING) {
    (void)shoal_fail(err, SHOAL_EUNSUPPORTED, "texts inside the column '%.*s' can't have a length", SHOAL_FMT(c->name));
    shoal_hint(err, "leave it out: VARCHAR");
    return SHOAL_EUNSUPPORTED;
  }
  bool fixed = shoal_token_is(&word, "char") || shoal_token_is(&word, "character") || shoal_token_is(&word, "bpchar") ||
               shoal_token_is(&word, "nchar");
  char *text = shoal_arena_printf(arena, "{\"__CHAR_VARCHAR_TYPE_STRING\":\"%s(%lld)\"}", fixed ? "char" : "varchar",
                                  (long long)most);
  f->metadata = shoal_str_z(text);
  return text ? SHOAL_OK : shoal_fail_nomem(err);
}

/* What stands behind the types. */
static shoal_status describe(const columns *list, shoal_arena *arena, shoal_schema *out, shoal_error *err) {
  for (size_t i = 0; i < out->n_fields; i++) {
    const column *c = &list->ptr[i];
    shoal_field *f = &out->fields[i];
    f->nullable = c->nullable;
    SHOAL_TRY(keep_length(c, f, arena, err));
    if (c->identity && f->type.kind != SHOAL_TYPE_LONG)
      return shoal_fail(err, SHOAL_EINVAL, "the identity column '%.*s' must be a BIGINT", SHOAL_FMT(c->name));
    if (c->identity)
      SHOAL_TRY(shoal_delta_identity_make(c->start, c->step, c->open, f, arena, err));
  }
  return SHOAL_OK;
}

shoal_status shoal_delta_columns(shoal_engine *engine, shoal_str text, shoal_arena *arena, shoal_schema *out,
                                 shoal_error *err) {
  shoal_buf sql = {0};
  columns list = {0};
  shoal_str rest = text, one;
  shoal_status status = SHOAL_OK;
  while (status == SHOAL_OK && next_column(&rest, &one))
    status = add_column(&sql, &list, one, arena, err);
  if (status == SHOAL_OK)
    status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK)
    status = shoal_engine_bind(engine, &(shoal_job){.sql = shoal_buf_str(&sql), .variants = true}, arena, out, err);
  if (status == SHOAL_OK)
    status = describe(&list, arena, out, err);
  shoal_buf_dispose(&sql);
  shoal_vec_dispose(&list);
  return status;
}

shoal_status shoal_delta_column(shoal_engine *engine, shoal_str text, shoal_arena *arena, const shoal_field **out,
                                shoal_error *err) {
  shoal_schema schema;
  SHOAL_TRY(shoal_delta_columns(engine, text, arena, &schema, err));
  *out = schema.fields;
  return schema.n_fields == 1 ? SHOAL_OK : shoal_fail(err, SHOAL_EINVAL, "'%.*s' is not one column", SHOAL_FMT(text));
}

shoal_status shoal_delta_typed(shoal_engine *engine, shoal_str name, shoal_str type, shoal_arena *arena,
                               const shoal_field **out, shoal_error *err) {
  shoal_buf text = {0};
  shoal_buf_sql_ident(&text, name);
  shoal_buf_addf(&text, " %.*s", SHOAL_FMT(type));
  shoal_status status = shoal_buf_check(&text, err);
  if (status == SHOAL_OK)
    status = shoal_delta_column(engine, shoal_buf_str(&text), arena, out, err);
  shoal_buf_dispose(&text);
  return status;
}
