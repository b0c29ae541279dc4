/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a file may hold a row that satisfies a predicate, by its partition values and statistics (protocol, "Per-file
 * Statistics"): here the judging of one value, which all rows of a partition have, and the files of a snapshot, which
 * are judged by columns as a view's are (files_match.c). A predicate has two answers for a file, whether a row may make
 * it true and whether one may make it false; NULL is neither. Whatever is missing, unreadable or of unlike types may be
 * both.
 *
 *  B1 Bounds are bounds, not values: texts are cut, and a deletion vector may have taken the row that had one. A count
 *     of nulls that is 0 or all rows says so for the rows that are left, too.
 *  B2 A timestamp's bounds have milliseconds, rounded whichever way: each is a millisecond off.
 *  B3 NaN is above all numbers for the engine, and writers leave it out of bounds: a maximum of a float is none.
 *  B4 Texts are compared by their bytes, as the engine and Delta's writers do.
 *  B5 Whole numbers and decimals are compared as the texts they are, never as doubles.
 */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "delta/delta_internal.h"
#include "delta/files.h"

/* ---- comparing ---- */

typedef struct number {
  bool negative;
  shoal_str whole, fraction; /* digits, without zeros before and behind */
} number;

/* -?digits[.digits]; no exponents. */
static bool read_number(shoal_str s, number *out) {
  size_t i = 0, point;
  *out = (number){.negative = s.len && s.ptr[0] == '-'};
  i = out->negative;
  while (i < s.len && s.ptr[i] == '0')
    i++;
  size_t start = i;
  while (i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9')
    i++;
  out->whole = shoal_str_sub(s, start, i);
  point = i;
  if (i < s.len && s.ptr[i] == '.')
    for (i++; i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9';)
      i++;
  if (i != s.len || s.len == (size_t)out->negative || (point < s.len && i - point < 2))
    return false;
  out->fraction = point < s.len ? shoal_str_sub(s, point + 1, i) : SHOAL_STR("");
  while (out->fraction.len && out->fraction.ptr[out->fraction.len - 1] == '0')
    out->fraction.len--;
  if (out->whole.len + out->fraction.len == 0)
    out->negative = false;
  return true;
}

bool shoal_delta_compare_numbers(shoal_str a, shoal_str b, int *out) {
  number x, y;
  if (!read_number(a, &x) || !read_number(b, &y))
    return false;
  int sign = x.negative ? -1 : 1;
  if (x.negative != y.negative) {
    *out = sign;
    return true;
  }
  int c = x.whole.len != y.whole.len ? (x.whole.len < y.whole.len ? -1 : 1) : shoal_str_cmp(x.whole, y.whole);
  *out = sign * (c ? c : shoal_str_cmp(x.fraction, y.fraction)); /* shorter is less, as it is for fractions */
  return true;
}

bool shoal_delta_read_double(shoal_str s, bool single, double *out) {
  char text[64], *end;
  if (s.len == 0 || s.len >= sizeof text || !((s.ptr[0] >= '0' && s.ptr[0] <= '9') || s.ptr[0] == '-'))
    return false;
  memcpy(text, s.ptr, s.len);
  text[s.len] = '\0';
  *out = single ? (double)strtof(text, &end) : strtod(text, &end);
  return *end == '\0' && *out == *out;
}

static bool compare_doubles(shoal_str a, shoal_str b, bool single, int *out) {
  double x, y;
  if (!shoal_delta_read_double(a, single, &x) || !shoal_delta_read_double(b, single, &y))
    return false;
  *out = x < y ? -1 : x > y;
  return true;
}

static bool compare_times(shoal_str a, shoal_str b, int *out) {
  int64_t x, y;
  if (!shoal_time_parse(a, &x) || !shoal_time_parse(b, &y))
    return false;
  *out = x < y ? -1 : x > y;
  return true;
}

static bool compare_dates(shoal_str a, shoal_str b, int *out) {
  return a.len == 10 && b.len == 10 && compare_times(a, b, out);
}

/* A value with a literal; false where they don't compare. */
static bool compare(shoal_type_kind type, shoal_str value, const shoal_literal *l, int *out) {
  switch (shoal_delta_bound_of(type)) {
  case SHOAL_BOUND_WHOLE:
  case SHOAL_BOUND_DECIMAL:
    return l->kind == SHOAL_LITERAL_NUMBER && shoal_delta_compare_numbers(value, l->text, out);
  case SHOAL_BOUND_FLOAT:
    return l->kind == SHOAL_LITERAL_NUMBER && compare_doubles(value, l->text, type == SHOAL_TYPE_FLOAT, out);
  case SHOAL_BOUND_TEXT:
    *out = shoal_str_cmp(value, l->text);
    return l->kind == SHOAL_LITERAL_STRING;
  case SHOAL_BOUND_DATE:
    return (l->kind == SHOAL_LITERAL_DATE && compare_dates(value, l->text, out)) ||
           (l->kind == SHOAL_LITERAL_TIMESTAMP && value.len == 10 && compare_times(value, l->text, out));
  case SHOAL_BOUND_TIME: /* the zone of a partition's timestamp is whoever's wrote it */
    return type == SHOAL_TYPE_TIMESTAMP_NTZ && l->kind == SHOAL_LITERAL_TIMESTAMP && compare_times(value, l->text, out);
  case SHOAL_BOUND_NONE:
    break;
  }
  return false;
}

/* ---- one value ---- */

enum { HOLDS = 1, FAILS = 2, EITHER = 3 };

/* What all rows come to that have the value. */
static unsigned judge(shoal_predicate_kind op, int order) {
  bool holds = false;
  switch (op) {
  case SHOAL_PREDICATE_EQ:
    holds = order == 0;
    break;
  case SHOAL_PREDICATE_NE:
    holds = order != 0;
    break;
  case SHOAL_PREDICATE_LT:
    holds = order < 0;
    break;
  case SHOAL_PREDICATE_GE:
    holds = order >= 0;
    break;
  case SHOAL_PREDICATE_GT:
    holds = order > 0;
    break;
  case SHOAL_PREDICATE_LE:
    holds = order <= 0;
    break;
  case SHOAL_PREDICATE_UNKNOWN:
  case SHOAL_PREDICATE_AND:
  case SHOAL_PREDICATE_OR:
  case SHOAL_PREDICATE_NOT:
  case SHOAL_PREDICATE_IS_NULL:
    return EITHER;
  }
  return holds ? HOLDS : FAILS;
}

unsigned shoal_delta_judge_value(const shoal_type *type, shoal_str value, const shoal_predicate *p) {
  int order;
  if (p->kind == SHOAL_PREDICATE_IS_NULL)
    return value.len ? FAILS : HOLDS;
  if (value.len == 0)
    return 0; /* a comparison with NULL is neither */
  return compare(type->kind, value, &p->literal, &order) ? judge(p->kind, order) : EITHER;
}

/* ---- the files of a scan ---- */

typedef struct bounds {
  const shoal_delta_snapshot *snapshot;
  const shoal_delta_file **files;
  size_t n;
  shoal_files set; /* filled when it is first asked */
} bounds;

static void dispose(void *b) { shoal_files_dispose(&((bounds *)b)->set); }

void *shoal_delta_bounds(const shoal_delta_snapshot *s, const shoal_delta_file **files, size_t n, shoal_arena *arena) {
  bounds *b = SHOAL_NEW(arena, bounds);
  if (!b || !shoal_arena_own(arena, dispose, b))
    return NULL;
  b->snapshot = s;
  b->files = files;
  b->n = n;
  return b;
}

shoal_status shoal_delta_match(void *arg, const shoal_predicate *any, size_t n, bool *keep, shoal_error *err) {
  bounds *b = arg;
  if (!b->set.schema)
    SHOAL_TRY(shoal_files_init(&b->set, &b->snapshot->metadata, err));
  while (b->set.n < b->n)
    SHOAL_TRY(shoal_files_add_file(&b->set, b->files[b->set.n], err));
  return shoal_files_match(&b->set, any, n, keep, err);
}
