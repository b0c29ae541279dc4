/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which types Spark and the engine convert into each other alike (X1 of expression.h). Whole numbers and decimals
 * do, as long as no digit gets lost; floats only by way of double; text only where it is a literal of one clear form.
 */
#include <stdio.h>

#include "base/str.h"
#include "delta/expression.h"

#define FLOAT_EXACT (1 << 24) /* whole numbers up to here are floats */

shoal_status shoal_expression_refuse(const shoal_expression_maker *m, const char *fmt, ...) {
  char what[256];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(what, sizeof what, fmt, ap);
  va_end(ap);
  (void)shoal_fail(m->err, SHOAL_EUNSUPPORTED, "%s, %.*s: %s, which this build does not evaluate", m->e->owner,
                   SHOAL_FMT(m->e->text), what);
  return SHOAL_EUNSUPPORTED;
}

shoal_status shoal_expression_sql(const shoal_expression_maker *m, shoal_typed *out, const char *fmt, ...) {
  shoal_buf text = {0};
  va_list ap;
  va_start(ap, fmt);
  shoal_buf_vaddf(&text, fmt, ap);
  va_end(ap);
  return shoal_buf_take(&text, m->arena, &out->sql, m->err);
}

bool shoal_expression_is_whole(const shoal_type *type) {
  return type->kind == SHOAL_TYPE_BYTE || type->kind == SHOAL_TYPE_SHORT || type->kind == SHOAL_TYPE_INTEGER ||
         type->kind == SHOAL_TYPE_LONG;
}

static bool is_float(const shoal_type *type) {
  return type->kind == SHOAL_TYPE_FLOAT || type->kind == SHOAL_TYPE_DOUBLE;
}

bool shoal_expression_is_number(const shoal_type *type) {
  return shoal_expression_is_whole(type) || is_float(type) || type->kind == SHOAL_TYPE_DECIMAL;
}

bool shoal_expression_is_time(const shoal_type *type) {
  return type->kind == SHOAL_TYPE_DATE || type->kind == SHOAL_TYPE_TIMESTAMP || type->kind == SHOAL_TYPE_TIMESTAMP_NTZ;
}

static bool is_null(const shoal_typed *v) { return v->type.kind == SHOAL_TYPE_VOID; }

static shoal_status refuse_pair(const shoal_expression_maker *m, bool cast, const shoal_type *a, const shoal_type *b) {
  shoal_buf from = {0}, to = {0};
  shoal_type_text(&from, a);
  shoal_type_text(&to, b);
  shoal_status status = shoal_expression_refuse(m, cast ? "it makes a %s a %s" : "it takes a %s and a %s together",
                                                shoal_buf_z(&from), shoal_buf_z(&to));
  shoal_buf_dispose(&from);
  shoal_buf_dispose(&to);
  return status;
}

/* ---- literals ---- */

/* `pattern` has 0 for a digit. */
static bool looks(shoal_str s, const char *pattern) {
  bool same = s.len == strlen(pattern);
  for (size_t i = 0; same && i < s.len; i++)
    same = pattern[i] == '0' ? s.ptr[i] >= '0' && s.ptr[i] <= '9' : s.ptr[i] == pattern[i];
  return same;
}

/* YYYY-MM-DD, for a time also YYYY-MM-DD hh:mm:ss, perhaps with up to six decimals. */
static bool is_time_text(shoal_str s, bool day_only) {
  static const char *const forms[] = {
      "0000-00-00 00:00:00",      "0000-00-00 00:00:00.0",     "0000-00-00 00:00:00.00",    "0000-00-00 00:00:00.000",
      "0000-00-00 00:00:00.0000", "0000-00-00 00:00:00.00000", "0000-00-00 00:00:00.000000"};
  if (looks(s, "0000-00-00"))
    return true;
  for (size_t i = 0; !day_only && i < sizeof forms / sizeof *forms; i++)
    if (looks(s, forms[i]))
      return true;
  return false;
}

static bool reads_as_time(const shoal_typed *v, const shoal_type *type) {
  return v->literal && v->type.kind == SHOAL_TYPE_STRING && shoal_expression_is_time(type) &&
         is_time_text(v->text, type->kind == SHOAL_TYPE_DATE);
}

static bool is_exact_float(const shoal_typed *v) {
  int64_t n;
  return v->literal && shoal_expression_is_whole(&v->type) && shoal_str_i64(v->text, &n) && n >= -FLOAT_EXACT &&
         n <= FLOAT_EXACT;
}

/* ---- casts ---- */

static bool converts(const shoal_typed *v, const shoal_type *to) {
  const shoal_type *from = &v->type;
  bool number = v->literal && shoal_expression_is_number(from);
  if (shoal_expression_is_whole(to))
    return shoal_expression_is_whole(from);
  switch ((int)to->kind) {
  case SHOAL_TYPE_DECIMAL:
    return shoal_expression_is_whole(from) || from->kind == SHOAL_TYPE_DECIMAL;
  case SHOAL_TYPE_DOUBLE:
    return shoal_expression_is_whole(from) || from->kind == SHOAL_TYPE_FLOAT || number;
  case SHOAL_TYPE_FLOAT:
    return number && (!shoal_expression_is_whole(from) || is_exact_float(v));
  case SHOAL_TYPE_STRING:
    return shoal_expression_is_whole(from) || from->kind == SHOAL_TYPE_BOOLEAN || from->kind == SHOAL_TYPE_DATE;
  case SHOAL_TYPE_DATE:
    return shoal_expression_is_time(from);
  case SHOAL_TYPE_TIMESTAMP:
    return from->kind == SHOAL_TYPE_DATE;
  default:
    return false;
  }
}

static bool is_scalar(const shoal_type *type) { return type->kind <= SHOAL_TYPE_TIMESTAMP_NTZ; }

static bool is_same(const shoal_type *a, const shoal_type *b) {
  return a->kind == b->kind && is_scalar(a) &&
         (a->kind != SHOAL_TYPE_DECIMAL || (a->precision == b->precision && a->scale == b->scale));
}

shoal_status shoal_expression_cast(const shoal_expression_maker *m, shoal_typed *v, const shoal_type *type) {
  shoal_buf name = {0}, text = {0};
  if (is_same(&v->type, type))
    return SHOAL_OK;
  bool read = reads_as_time(v, type);
  if (!is_null(v) && !read && !converts(v, type))
    return refuse_pair(m, true, &v->type, type);
  shoal_type_sql(&name, type);
  shoal_buf_addz(&text, "CAST(");
  if (v->literal && (read || is_float(type))) { /* exactly, not by way of another type */
    shoal_buf_sql_literal(&text, v->text);
  } else {
    shoal_buf_add(&text, v->sql);
    if (v->type.kind == SHOAL_TYPE_TIMESTAMP) /* X2 */
      shoal_buf_addz(&text, " AT TIME ZONE 'UTC'");
  }
  shoal_buf_addf(&text, " AS %s)", shoal_buf_z(&name));
  shoal_buf_dispose(&name);
  v->literal = false;
  v->condition = false;
  v->type = *type;
  return shoal_buf_take(&text, m->arena, &v->sql, m->err);
}

/* ---- one type for several values ---- */

static shoal_type as_decimal(const shoal_type *t) {
  uint8_t digits = t->kind == SHOAL_TYPE_BYTE      ? 3
                   : t->kind == SHOAL_TYPE_SHORT   ? 5
                   : t->kind == SHOAL_TYPE_INTEGER ? 10
                                                   : 20;
  return t->kind == SHOAL_TYPE_DECIMAL ? *t : (shoal_type){.kind = SHOAL_TYPE_DECIMAL, .precision = digits};
}

static shoal_status join_decimals(const shoal_expression_maker *m, const shoal_type *a, const shoal_type *b,
                                  shoal_type *out) {
  shoal_type x = as_decimal(a), y = as_decimal(b);
  int scale = x.scale > y.scale ? x.scale : y.scale;
  int before = x.precision - x.scale > y.precision - y.scale ? x.precision - x.scale : y.precision - y.scale;
  if (before + scale > 38)
    return refuse_pair(m, false, a, b);
  *out = (shoal_type){.kind = SHOAL_TYPE_DECIMAL, .precision = (uint8_t)(before + scale), .scale = (uint8_t)scale};
  return SHOAL_OK;
}

static bool goes_as_double(const shoal_typed *v, bool with_float) {
  if (v->type.kind == SHOAL_TYPE_DOUBLE || v->type.kind == SHOAL_TYPE_FLOAT)
    return true;
  return with_float ? is_exact_float(v)
                    : shoal_expression_is_whole(&v->type) || (v->literal && v->type.kind == SHOAL_TYPE_DECIMAL);
}

/* *with as it is beside v. `floats`: one of the values is a float of 32 bits. */
static shoal_status join(const shoal_expression_maker *m, const shoal_typed *a, const shoal_typed *b, bool floats,
                         shoal_type *out) {
  const shoal_type *x = &a->type, *y = &b->type;
  if (is_same(x, y)) {
    *out = *x;
    return SHOAL_OK;
  }
  if (shoal_expression_is_whole(x) && shoal_expression_is_whole(y)) {
    *out = x->kind > y->kind ? *x : *y;
    return SHOAL_OK;
  }
  if (is_float(x) || is_float(y)) {
    *out = (shoal_type){.kind = SHOAL_TYPE_DOUBLE};
    return goes_as_double(a, floats) && goes_as_double(b, floats) ? SHOAL_OK : refuse_pair(m, false, x, y);
  }
  if (shoal_expression_is_number(x) && shoal_expression_is_number(y))
    return join_decimals(m, x, y, out);
  if (reads_as_time(a, y) || reads_as_time(b, x)) {
    *out = shoal_expression_is_time(x) ? *x : *y;
    return SHOAL_OK;
  }
  return refuse_pair(m, false, x, y);
}

shoal_status shoal_expression_unify(const shoal_expression_maker *m, shoal_typed *values, size_t n,
                                    shoal_type *common) {
  shoal_typed so_far = {.type = {.kind = SHOAL_TYPE_VOID}};
  bool floats = false;
  for (size_t i = 0; i < n; i++)
    floats = floats || values[i].type.kind == SHOAL_TYPE_FLOAT;
  for (size_t i = 0; i < n; i++) {
    if (is_null(&values[i]))
      continue;
    if (!is_scalar(&values[i].type) || values[i].type.kind == SHOAL_TYPE_BINARY)
      return refuse_pair(m, false, &values[i].type, &values[i].type);
    shoal_type type = values[i].type;
    if (!is_null(&so_far))
      SHOAL_TRY(join(m, &so_far, &values[i], floats, &type));
    so_far = (shoal_typed){.type = type, .literal = is_null(&so_far) && values[i].literal, .text = values[i].text};
  }
  for (size_t i = 0; i < n; i++)
    if (!is_null(&values[i]))
      SHOAL_TRY(shoal_expression_cast(m, &values[i], &so_far.type));
  if (common)
    *common = so_far.type;
  return SHOAL_OK;
}
