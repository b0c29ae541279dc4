/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a file may hold a row that satisfies a predicate, by its partition values and statistics (protocol, "Per-file
 * Statistics"). A predicate has two answers for a file, whether a row may make it true and whether one may make it
 * false; NULL is neither. Whatever is missing, unreadable or of unlike types may be both.
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

#include "base/limits.h"
#include "base/time.h"
#include "delta/delta_internal.h"

typedef struct bounds {
  const shoal_delta_snapshot *snapshot;
  const shoal_delta_file **files;
} bounds;

typedef struct verdict {
  bool can_hold, can_fail;
} verdict;

static const verdict either = {true, true};

void *shoal_delta_bounds(const shoal_delta_snapshot *s, const shoal_delta_file **files, shoal_arena *arena) {
  bounds *b = SHOAL_NEW(arena, bounds);
  if (b)
    *b = (bounds){s, files};
  return b;
}

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

/* `slack`, in microseconds, is added to a. */
static bool compare_times(shoal_str a, shoal_str b, int64_t slack, int *out) {
  int64_t x, y;
  if (!shoal_time_parse(a, &x) || !shoal_time_parse(b, &y) || x > INT64_MAX / 2 || x < INT64_MIN / 2)
    return false;
  x += slack;
  *out = x < y ? -1 : x > y;
  return true;
}

static bool compare_dates(shoal_str a, shoal_str b, int *out) {
  return a.len == 10 && b.len == 10 && compare_times(a, b, 0, out);
}

#define MILLISECOND 1000

/* A bound with a literal; false where they don't compare. */
static bool compare(shoal_type_kind type, shoal_str bound, const shoal_literal *l, int64_t slack, int *out) {
  switch (type) {
  case SHOAL_TYPE_BYTE:
  case SHOAL_TYPE_SHORT:
  case SHOAL_TYPE_INTEGER:
  case SHOAL_TYPE_LONG:
  case SHOAL_TYPE_DECIMAL:
    return l->kind == SHOAL_LITERAL_NUMBER && shoal_delta_compare_numbers(bound, l->text, out);
  case SHOAL_TYPE_FLOAT:
  case SHOAL_TYPE_DOUBLE:
    return l->kind == SHOAL_LITERAL_NUMBER && compare_doubles(bound, l->text, type == SHOAL_TYPE_FLOAT, out);
  case SHOAL_TYPE_STRING:
    *out = shoal_str_cmp(bound, l->text);
    return l->kind == SHOAL_LITERAL_STRING;
  case SHOAL_TYPE_DATE:
    return (l->kind == SHOAL_LITERAL_DATE && compare_dates(bound, l->text, out)) ||
           (l->kind == SHOAL_LITERAL_TIMESTAMP && bound.len == 10 && compare_times(bound, l->text, 0, out));
  case SHOAL_TYPE_TIMESTAMP:
    return l->kind == SHOAL_LITERAL_TIMESTAMP_TZ && compare_times(bound, l->text, slack, out);
  case SHOAL_TYPE_TIMESTAMP_NTZ:
    return l->kind == SHOAL_LITERAL_TIMESTAMP && compare_times(bound, l->text, slack, out);
  case SHOAL_TYPE_BOOLEAN:
  case SHOAL_TYPE_BINARY:
  case SHOAL_TYPE_STRUCT:
  case SHOAL_TYPE_ARRAY:
  case SHOAL_TYPE_MAP:
  case SHOAL_TYPE_VARIANT:
  case SHOAL_TYPE_VOID:
    break;
  }
  return false;
}

/* ---- what is known of a column in a file ---- */

typedef struct known {
  shoal_type_kind type;
  shoal_str min, max; /* {NULL,0}: unknown */
  bool exact;         /* every row has min */
  bool all_null, no_null;
} known;

typedef struct reader {
  const bounds *b;
  const shoal_delta_file *file;
  yyjson_val *stats; /* NULL: none */
} reader;

/* Down the physical names to a leaf of minValues and the like. */
static yyjson_val *value_at(const reader *r, const char *part, const shoal_str *path, size_t n) {
  yyjson_val *v = yyjson_obj_get(r->stats, part);
  for (size_t i = 0; i < n && v; i++)
    v = yyjson_obj_getn(v, path[i].ptr, path[i].len);
  return v;
}

/* A number's text, or a text. */
static shoal_str text_at(const reader *r, const char *part, bool numeric, const shoal_str *path, size_t n) {
  yyjson_val *v = value_at(r, part, path, n);
  if (numeric)
    return yyjson_is_raw(v) ? (shoal_str){yyjson_get_raw(v), yyjson_get_len(v)} : SHOAL_STR_NONE;
  return yyjson_is_str(v) ? (shoal_str){yyjson_get_str(v), yyjson_get_len(v)} : SHOAL_STR_NONE;
}

static bool is_partition(const bounds *b, shoal_str column) {
  for (size_t i = 0; i < b->snapshot->metadata.n_partition_columns; i++)
    if (shoal_str_eq(b->snapshot->metadata.partition_columns[i], column))
      return true;
  return false;
}

/* The zone of a partition's timestamp is whoever's wrote it. */
static void know_value(shoal_str value, known *out) {
  out->all_null = value.len == 0;
  out->no_null = out->exact = value.len > 0;
  if (value.len && out->type != SHOAL_TYPE_TIMESTAMP)
    out->min = out->max = value;
}

static void know_partition(const reader *r, const shoal_field *f, known *out) {
  for (size_t i = 0; i < r->file->n_partition_values; i++)
    if (shoal_str_eq(r->file->partition_values[i].key, f->physical))
      know_value(r->file->partition_values[i].value, out);
}

static bool is_numeric(shoal_type_kind kind) {
  return kind == SHOAL_TYPE_BYTE || kind == SHOAL_TYPE_SHORT || kind == SHOAL_TYPE_INTEGER || kind == SHOAL_TYPE_LONG ||
         kind == SHOAL_TYPE_FLOAT || kind == SHOAL_TYPE_DOUBLE || kind == SHOAL_TYPE_DECIMAL;
}

static void know_statistics(const reader *r, const shoal_str *path, size_t n, known *out) {
  int64_t rows, nulls;
  bool numeric = is_numeric(out->type);
  out->min = text_at(r, "minValues", numeric, path, n);
  if (out->type != SHOAL_TYPE_FLOAT && out->type != SHOAL_TYPE_DOUBLE) /* B3 */
    out->max = text_at(r, "maxValues", numeric, path, n);
  rows = shoal_json_i64(r->stats, "numRecords", -1);
  if (n > 1 || !shoal_str_i64(text_at(r, "nullCount", true, path, n), &nulls))
    return; /* writers count a struct's own nulls as its fields', or not */
  out->no_null = nulls == 0;
  out->all_null = rows >= 0 && nulls == rows;
}

/* False for a column whose leaf can't be told. */
static bool know(const reader *r, const shoal_predicate *p, known *out) {
  const shoal_schema *schema = &r->b->snapshot->metadata.schema;
  shoal_str path[SHOAL_MAX_TYPE_DEPTH + 1];
  if (p->column >= schema->n_fields || p->n_below > SHOAL_MAX_TYPE_DEPTH)
    return false;
  const shoal_field *f = &schema->fields[p->column];
  path[0] = f->physical;
  for (size_t i = 0; i < p->n_below; i++) {
    const shoal_schema below = {f->type.fields, f->type.n_fields};
    ptrdiff_t at = f->type.kind == SHOAL_TYPE_STRUCT ? shoal_schema_find(&below, p->below[i]) : -1;
    if (at < 0)
      return false;
    f = &below.fields[at];
    path[i + 1] = f->physical;
  }
  *out = (known){.type = f->type.kind};
  if (p->n_below == 0 && is_partition(r->b, f->name))
    know_partition(r, f, out);
  else if (r->stats)
    know_statistics(r, path, p->n_below + 1, out);
  return true;
}

/* ---- judging ---- */

static verdict negated(verdict v) { return (verdict){v.can_fail, v.can_hold}; }

static verdict judge_comparison(const known *k, const shoal_predicate *p) {
  int low = 0, high = 0;
  bool lower, upper;
  if (k->all_null)
    return (verdict){false, false};
  int64_t slack = k->exact ? 0 : MILLISECOND; /* B2 */
  lower = k->min.ptr && compare(k->type, k->min, &p->literal, -slack, &low);
  upper = k->max.ptr && compare(k->type, k->max, &p->literal, slack, &high);
  bool all_above = lower && low > 0, all_below = upper && high < 0;
  bool none_below = lower && low >= 0, none_above = upper && high <= 0;
  switch (p->kind) {
  case SHOAL_PREDICATE_EQ:
    return (verdict){!all_above && !all_below, !(k->exact && lower && low == 0)};
  case SHOAL_PREDICATE_NE:
    return (verdict){!(k->exact && lower && low == 0), !all_above && !all_below};
  case SHOAL_PREDICATE_LT:
    return (verdict){!none_below, !all_below};
  case SHOAL_PREDICATE_GE:
    return (verdict){!all_below, !none_below};
  case SHOAL_PREDICATE_GT:
    return (verdict){!none_above, !all_above};
  case SHOAL_PREDICATE_LE:
    return (verdict){!all_above, !none_above};
  case SHOAL_PREDICATE_UNKNOWN:
  case SHOAL_PREDICATE_AND:
  case SHOAL_PREDICATE_OR:
  case SHOAL_PREDICATE_NOT:
  case SHOAL_PREDICATE_IS_NULL:
    break;
  }
  return either;
}

static verdict judge_null(const known *k) { return (verdict){!k->no_null, !k->all_null}; }

unsigned shoal_delta_judge_value(const shoal_type *type, shoal_str value, const shoal_predicate *p) {
  known k = {.type = type->kind};
  know_value(value, &k);
  verdict v = p->kind == SHOAL_PREDICATE_IS_NULL ? judge_null(&k) : judge_comparison(&k, p);
  return (v.can_hold ? 1u : 0u) | (v.can_fail ? 2u : 0u);
}

static verdict judge(const reader *r, const shoal_predicate *p) {
  verdict all = {true, false}, any = {false, true};
  known k;
  switch (p->kind) {
  case SHOAL_PREDICATE_UNKNOWN:
    return either;
  case SHOAL_PREDICATE_NOT:
    return p->n_children == 1 ? negated(judge(r, &p->children[0])) : either;
  case SHOAL_PREDICATE_AND:
    for (size_t i = 0; i < p->n_children; i++) {
      verdict v = judge(r, &p->children[i]);
      all = (verdict){all.can_hold && v.can_hold, all.can_fail || v.can_fail};
    }
    return all;
  case SHOAL_PREDICATE_OR:
    for (size_t i = 0; i < p->n_children; i++) {
      verdict v = judge(r, &p->children[i]);
      any = (verdict){any.can_hold || v.can_hold, any.can_fail && v.can_fail};
    }
    return any;
  case SHOAL_PREDICATE_IS_NULL:
    return know(r, p, &k) ? judge_null(&k) : either;
  case SHOAL_PREDICATE_EQ:
  case SHOAL_PREDICATE_NE:
  case SHOAL_PREDICATE_LT:
  case SHOAL_PREDICATE_LE:
  case SHOAL_PREDICATE_GT:
  case SHOAL_PREDICATE_GE:
    break;
  }
  return know(r, p, &k) ? judge_comparison(&k, p) : either;
}

bool shoal_delta_may_match(void *arg, size_t file, const shoal_predicate *p) {
  const bounds *b = arg;
  reader r = {.b = b, .file = b->files[file]};
  yyjson_doc *doc = NULL;
  shoal_error ignored = {0};
  if (r.file->stats.ptr && shoal_json_parse_raw(r.file->stats, "stats", &doc, &ignored) == SHOAL_OK)
    r.stats = yyjson_doc_get_root(doc);
  bool may = judge(&r, p).can_hold;
  yyjson_doc_free(doc);
  return may;
}
