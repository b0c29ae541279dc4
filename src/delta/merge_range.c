/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A merge need not look at rows of the table that no row of the source can match. Where its condition wants a column of
 * the table to be equal to one of the source, the source's least and greatest value are looked up once and said in the
 * condition: files that statistics or partition values put outside are then neither read nor, when others change them,
 * a conflict (D4 of change.h). What is not plainly such a comparison is left alone. Here, too, are conditions whose
 * parts are held together by OR, which the engine would try for each pair of rows.
 */
#include "base/str.h"
#include "delta/change.h"
#include "delta/words.h"

#define FEW_FILES 2 /* fewer are read anyway */

/* A column of either side: target."id". */
typedef struct operand {
  bool of_source;
  const shoal_field *field;
} operand;

typedef struct ranges {
  const shoal_schema *table, *source;
  shoal_arena *arena;
  SHOAL_VEC(const shoal_field *) columns; /* of the table */
  SHOAL_VEC(const shoal_field *) keys;    /* of the source, beside them */
} ranges;

/* ---- what the condition compares ---- */

static bool next_symbol(shoal_lexer *lexer, char c) {
  shoal_token token;
  return shoal_lexer_next(lexer, &token) && token.kind == SHOAL_TOKEN_SYMBOL && token.text.ptr[0] == c;
}

static bool next_operand(const ranges *r, shoal_lexer *lexer, operand *out) {
  shoal_token token;
  if (!shoal_lexer_next(lexer, &token) || token.kind != SHOAL_TOKEN_WORD)
    return false;
  out->of_source = shoal_token_is(&token, "source");
  if ((!out->of_source && !shoal_token_is(&token, SHOAL_CHANGE_TARGET)) || !next_symbol(lexer, '.') ||
      !shoal_lexer_next(lexer, &token) || (token.kind != SHOAL_TOKEN_WORD && token.kind != SHOAL_TOKEN_QUOTED))
    return false;
  const shoal_schema *schema = out->of_source ? r->source : r->table;
  shoal_str name = shoal_sql_name(&token, r->arena);
  ptrdiff_t at = name.ptr ? shoal_schema_find(schema, name) : -1;
  out->field = at < 0 ? NULL : &schema->fields[at];
  return at >= 0;
}

/* Types of which the least and the greatest value bound all that is equal, as text and back. */
static bool is_ordered_alike(const shoal_type *a, const shoal_type *b) {
  static const shoal_type_kind whole[] = {SHOAL_TYPE_BYTE, SHOAL_TYPE_SHORT, SHOAL_TYPE_INTEGER, SHOAL_TYPE_LONG};
  static const shoal_type_kind same[] = {SHOAL_TYPE_STRING, SHOAL_TYPE_DATE, SHOAL_TYPE_TIMESTAMP_NTZ,
                                         SHOAL_TYPE_DECIMAL};
  bool a_whole = false, b_whole = false, listed = false;
  for (size_t i = 0; i < 4; i++) {
    a_whole = a_whole || a->kind == whole[i];
    b_whole = b_whole || b->kind == whole[i];
    listed = listed || a->kind == same[i];
  }
  return (a_whole && b_whole) || (listed && a->kind == b->kind && a->precision == b->precision && a->scale == b->scale);
}

/* One of the parts that AND holds together. */
static shoal_status note_part(ranges *r, shoal_str part, shoal_error *err) {
  shoal_lexer lexer = {.sql = part};
  shoal_token token;
  operand a, b;
  if (!next_operand(r, &lexer, &a) || !next_symbol(&lexer, '=') || !next_operand(r, &lexer, &b) ||
      shoal_lexer_next(&lexer, &token) || a.of_source == b.of_source)
    return SHOAL_OK;
  const operand *ours = a.of_source ? &b : &a, *theirs = a.of_source ? &a : &b;
  if (!is_ordered_alike(&ours->field->type, &theirs->field->type))
    return SHOAL_OK;
  const shoal_field **column = shoal_vec_add(&r->columns), **key = shoal_vec_add(&r->keys);
  if (!column || !key)
    return shoal_fail_nomem(err);
  *column = ours->field;
  *key = theirs->field;
  return SHOAL_OK;
}

/* Other words than AND, and `or`, that hold parts together make it none of ours. */
static bool is_plain(shoal_str on, bool or) {
  static const char *const others[] = {"or", "not", "between", "case", "is", "in", "like", "exists"};
  shoal_lexer lexer = {.sql = on};
  shoal_token token;
  bool plain = true;
  while (plain && shoal_lexer_next(&lexer, &token))
    for (size_t i = or ; i < sizeof others / sizeof *others; i++)
      plain = plain && !shoal_token_is(&token, others[i]);
  return plain;
}

/* Cuts off what stands before the next such word outside brackets; false once nothing is left. */
static bool next_part(shoal_str *rest, const char *word, shoal_str *part) {
  shoal_lexer lexer = {.sql = *rest};
  shoal_token token;
  int depth = 0;
  if (!rest->ptr)
    return false;
  while (shoal_lexer_next(&lexer, &token)) {
    char c = token.kind == SHOAL_TOKEN_SYMBOL ? token.text.ptr[0] : 0;
    depth += (c == '(' || c == '[') - (c == ')' || c == ']');
    if (depth == 0 && shoal_token_is(&token, word)) {
      *part = shoal_str_sub(*rest, 0, token.offset);
      *rest = shoal_str_sub(*rest, lexer.at, rest->len);
      return true;
    }
  }
  *part = *rest;
  *rest = SHOAL_STR_NONE;
  return true;
}

static shoal_status note_parts(ranges *r, shoal_str on, shoal_error *err) {
  shoal_str part;
  while (next_part(&on, "and", &part))
    SHOAL_TRY(note_part(r, part, err));
  return SHOAL_OK;
}

/* ---- conditions of several arms ---- */

/* Without brackets around all of it. */
static shoal_str strip(shoal_str s) {
  for (s = shoal_str_trim(s); s.len && s.ptr[0] == '(';) {
    shoal_lexer lexer = {.sql = s};
    shoal_token token;
    int depth = 0;
    bool closed = false;
    while (!closed && shoal_lexer_next(&lexer, &token)) {
      char c = token.kind == SHOAL_TOKEN_SYMBOL ? token.text.ptr[0] : 0;
      depth += (c == '(') - (c == ')');
      closed = depth == 0;
    }
    size_t end = token.offset;
    if (!closed || shoal_lexer_next(&lexer, &token))
      return s;
    s = shoal_str_trim(shoal_str_sub(s, 1, end));
  }
  return s;
}

/* Whether one of the parts that AND holds together is a column of the one side equal to one of the other. */
static bool has_equality(const ranges *r, shoal_str arm) {
  shoal_str part;
  bool has = false;
  arm = strip(arm);
  while (!has && next_part(&arm, "and", &part)) {
    shoal_lexer lexer = {.sql = part};
    shoal_token token;
    operand a, b;
    has = next_operand(r, &lexer, &a) && next_symbol(&lexer, '=') && next_operand(r, &lexer, &b) &&
          !shoal_lexer_next(&lexer, &token) && a.of_source != b.of_source;
  }
  return has;
}

/* A function may be another thing each time it is asked. */
static bool calls_functions(shoal_str on) {
  shoal_lexer lexer = {.sql = on};
  shoal_token token;
  bool word = false, calls = false;
  while (!calls && shoal_lexer_next(&lexer, &token)) {
    calls = word && token.kind == SHOAL_TOKEN_SYMBOL && token.text.ptr[0] == '(';
    word = (token.kind == SHOAL_TOKEN_WORD || token.kind == SHOAL_TOKEN_QUOTED) && !shoal_token_is(&token, "and") &&
           !shoal_token_is(&token, "or");
  }
  return calls;
}

size_t shoal_change_arms(shoal_change *c, shoal_str on, const shoal_schema *source, shoal_str *arms) {
  const ranges r = {.table = &c->metadata->schema, .source = source, .arena = &c->arena};
  shoal_str rest = strip(on), arm;
  bool fits = is_plain(on, true) && !calls_functions(on);
  size_t n = 0;
  while (fits && next_part(&rest, "or", &arm)) {
    fits = n < SHOAL_CHANGE_ARMS && has_equality(&r, arm);
    if (fits)
      arms[n++] = arm;
  }
  return fits && n > 1 ? n : 0;
}

/* ---- what the source has ---- */

/* Texts that the engine knows as something else (UUIDs, enumerations) are equal by other rules than bytes. */
static shoal_status leave_texts(ranges *r, const shoal_change *c, const shoal_scan *source, shoal_error *err) {
  const shoal_input input = {SHOAL_STR("source_rows"), source};
  const shoal_job job = {.sql = SHOAL_STR("SELECT * FROM source_rows LIMIT 0"), .inputs = &input, .n_inputs = 1};
  shoal_rows *rows = NULL;
  bool texts = false;
  size_t n = 0;
  for (size_t i = 0; i < r->keys.len; i++)
    texts = texts || r->keys.ptr[i]->type.kind == SHOAL_TYPE_STRING;
  if (!texts)
    return SHOAL_OK;
  SHOAL_TRY(shoal_engine_query(c->engine, &job, &rows, err));
  for (size_t i = 0; i < r->keys.len; i++) {
    size_t at = (size_t)(r->keys.ptr[i] - r->source->fields);
    if (r->keys.ptr[i]->type.kind == SHOAL_TYPE_STRING && !shoal_str_is(shoal_rows_type(rows, at), "VARCHAR"))
      continue;
    r->columns.ptr[n] = r->columns.ptr[i];
    r->keys.ptr[n++] = r->keys.ptr[i];
  }
  r->columns.len = r->keys.len = n;
  shoal_rows_free(rows);
  return SHOAL_OK;
}

static void add_value(shoal_buf *sql, shoal_str value, const shoal_type *type) {
  shoal_buf_addz(sql, "CAST(");
  shoal_buf_sql_literal(sql, value);
  shoal_buf_addz(sql, " AS ");
  shoal_type_sql(sql, type);
  shoal_buf_addc(sql, ')');
}

/* AND target."id" BETWEEN least AND greatest, of a source that has rows with keys. */
static void add_ranges(const ranges *r, shoal_rows *rows, shoal_buf *sql) {
  for (size_t i = 0; i < r->columns.len; i++) {
    const shoal_field *f = r->columns.ptr[i];
    shoal_str low = shoal_rows_text(rows, 2 * i), high = shoal_rows_text(rows, 2 * i + 1);
    const shoal_type *type = &r->keys.ptr[i]->type;
    if (!low.ptr || !high.ptr) { /* NULL is equal to nothing */
      shoal_buf_addz(sql, " AND false");
      continue;
    }
    if (shoal_str_chr(low, '\0') >= 0 || shoal_str_chr(high, '\0') >= 0) /* no literal has it */
      continue;
    shoal_buf_addz(sql, " AND " SHOAL_CHANGE_TARGET ".");
    shoal_buf_sql_ident(sql, f->name);
    shoal_buf_addz(sql, " BETWEEN ");
    add_value(sql, low, type);
    shoal_buf_addz(sql, " AND ");
    add_value(sql, high, type);
  }
}

/* Of one column of whole numbers whose keys have been looked at nothing is left to ask. */
static bool is_known(const ranges *r, const shoal_change *c) {
  return r->columns.len == 1 && c->among && c->keys.numbers;
}

static void add_known(const shoal_change *c, shoal_buf *sql) {
  if (c->keys.n == 0) {
    shoal_buf_addz(sql, " AND false");
    return;
  }
  shoal_buf_addz(sql, " AND " SHOAL_CHANGE_TARGET ".");
  shoal_buf_sql_ident(sql, c->among->name);
  shoal_buf_addf(sql, " BETWEEN CAST('%lld' AS BIGINT) AND CAST('%lld' AS BIGINT)", (long long)c->keys.least,
                 (long long)c->keys.most);
}

static shoal_status ask_source(const ranges *r, const shoal_change *c, const shoal_scan *source, shoal_buf *sql,
                               shoal_error *err) {
  const shoal_input input = {SHOAL_STR("source_rows"), source};
  shoal_buf query = {0};
  shoal_rows *rows = NULL;
  for (size_t i = 0; i < r->keys.len; i++) {
    shoal_buf_addz(&query, i ? ", min(" : "SELECT min(");
    shoal_buf_sql_ident(&query, r->keys.ptr[i]->name);
    shoal_buf_addz(&query, "), max(");
    shoal_buf_sql_ident(&query, r->keys.ptr[i]->name);
    shoal_buf_addc(&query, ')');
  }
  shoal_buf_addz(&query, " FROM source_rows");
  const shoal_job job = {.sql = shoal_buf_str(&query), .inputs = &input, .n_inputs = 1};
  shoal_status status = shoal_buf_check(&query, err);
  if (status == SHOAL_OK)
    status = shoal_engine_query(c->engine, &job, &rows, err);
  if (status == SHOAL_OK)
    status = shoal_rows_next(rows, err);
  if (status == SHOAL_OK)
    add_ranges(r, rows, sql);
  shoal_rows_free(rows);
  shoal_buf_dispose(&query);
  return status < 0 ? status : SHOAL_OK;
}

shoal_status shoal_change_add_ranges(shoal_change *c, const shoal_delta_merge *merge, const shoal_schema *source,
                                     shoal_buf *sql, shoal_error *err) {
  ranges r = {.table = &c->metadata->schema, .source = source, .arena = &c->arena};
  if (merge->source->format == SHOAL_SCAN_ARROW || !is_plain(merge->on, false))
    return SHOAL_OK;
  shoal_status status = note_parts(&r, merge->on, err);
  if (status == SHOAL_OK)
    status = leave_texts(&r, c, merge->source, err);
  for (size_t i = 0; i < r.columns.len && status == SHOAL_OK; i++)
    status = shoal_change_find_keys(c, merge->source, r.columns.ptr[i], r.keys.ptr[i], err);
  if (status == SHOAL_OK && r.columns.len && !(c->brought && c->target.n_files < FEW_FILES))
    status =
        is_known(&r, c) ? (add_known(c, sql), shoal_buf_check(sql, err)) : ask_source(&r, c, merge->source, sql, err);
  shoal_vec_dispose(&r.columns);
  shoal_vec_dispose(&r.keys);
  return status;
}
