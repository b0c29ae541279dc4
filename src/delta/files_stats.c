/* SPDX-License-Identifier: Apache-2.0 */
/* From add.stats (protocol, "Per-file Statistics") to the bounds of a set of files. */
#include <string.h>

#include "base/limits.h"
#include "base/time.h"
#include "delta/delta_internal.h"
#include "delta/files.h"

#define MAX_WHOLE_DIGITS 18 /* decimals of so many fit an int64_t */
#define MILLISECOND 1000

shoal_leaf_kind shoal_leaf_kind_of(const shoal_type *type) {
  switch (shoal_delta_bound_of(type->kind)) {
  case SHOAL_BOUND_WHOLE:
  case SHOAL_BOUND_FLOAT:
  case SHOAL_BOUND_DATE:
  case SHOAL_BOUND_TIME:
    return SHOAL_LEAF_NUMBER;
  case SHOAL_BOUND_DECIMAL:
    return type->precision <= MAX_WHOLE_DIGITS ? SHOAL_LEAF_NUMBER : SHOAL_LEAF_DECIMAL;
  case SHOAL_BOUND_TEXT:
    return SHOAL_LEAF_TEXT;
  case SHOAL_BOUND_NONE:
    break;
  }
  return SHOAL_LEAF_NONE;
}

bool shoal_leaf_has_max(const shoal_leaf *l) { return shoal_delta_bound_of(l->field->type.kind) != SHOAL_BOUND_FLOAT; }

/* ---- numbers ---- */

/* -?digits[.digits] times ten to the scale. */
static bool read_scaled(shoal_str s, unsigned scale, int64_t *out, bool *exact) {
  size_t i = s.len && s.ptr[0] == '-', digits = 0;
  bool negative = i > 0, point = false;
  unsigned after = 0;
  int64_t v = 0; /* below zero: there the range is larger */
  *exact = true;
  for (; i < s.len; i++) {
    char c = s.ptr[i];
    if (c == '.' && !point) {
      point = true;
      continue;
    }
    if (c < '0' || c > '9')
      return false;
    digits++;
    if (point && after == scale) {
      *exact = *exact && c == '0';
      continue;
    }
    after += point;
    if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, c - '0', &v))
      return false;
  }
  for (; after < scale; after++)
    if (__builtin_mul_overflow(v, 10, &v))
      return false;
  if (digits == 0 || s.ptr[s.len - 1] == '.' || (v == INT64_MIN && !(negative && *exact)))
    return false;
  *out = !negative ? -v : *exact ? v : v - 1;
  return true;
}

/* Up to 15 digits, with so many behind the point that the power of ten is exact, are a division of exact numbers. */
static bool read_short_double(shoal_str s, double *out) {
  static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  size_t i = s.len && s.ptr[0] == '-', digits = 0, after = 0;
  bool point = false;
  int64_t v = 0;
  for (; i < s.len && digits <= 15; i++) {
    char c = s.ptr[i];
    if (c == '.' && !point && digits) {
      point = true;
      continue;
    }
    if (c < '0' || c > '9')
      return false;
    v = v * 10 + (c - '0');
    digits++;
    after += point;
  }
  if (digits == 0 || digits > 15 || (point && after == 0))
    return false;
  *out = (double)v / powers[after];
  *out = s.ptr[0] == '-' ? -*out : *out;
  return true;
}

/* Floats in the order of their values as whole numbers. */
static bool read_float(shoal_str s, bool single, int64_t *out) {
  double x;
  if (!(!single && read_short_double(s, &x)) && !shoal_delta_read_double(s, single, &x))
    return false;
  x = x == 0 ? 0.0 : x; /* one zero */
  int64_t bits;
  memcpy(&bits, &x, sizeof bits);
  *out = bits < 0 ? INT64_MIN - bits - 1 : bits;
  return true;
}

static bool read_time(shoal_str s, int64_t *out) {
  return shoal_time_parse(s, out) && *out <= INT64_MAX / 2 && *out >= INT64_MIN / 2;
}

static bool two_digits(const char *s, unsigned most, int64_t *out) {
  unsigned tens = (unsigned char)s[0] - '0', ones = (unsigned char)s[1] - '0', n = tens * 10 + ones;
  *out = n;
  return tens <= 9 && ones <= 9 && n <= most;
}

/* As Spark writes times, 2020-01-01T12:30:00.000Z, and mostly of the day of the one before. */
static bool read_usual_time(shoal_stats_shape *shape, shoal_str s, int64_t *out) {
  int64_t hour, minute, second, tens, last = 0;
  if (s.len != 24 || s.ptr[10] != 'T' || s.ptr[13] != ':' || s.ptr[16] != ':' || s.ptr[19] != '.' || s.ptr[23] != 'Z' ||
      !two_digits(s.ptr + 11, 23, &hour) || !two_digits(s.ptr + 14, 59, &minute) ||
      !two_digits(s.ptr + 17, 59, &second) || !two_digits(s.ptr + 20, 99, &tens) || s.ptr[22] < '0' || s.ptr[22] > '9')
    return false;
  last = s.ptr[22] - '0';
  if (memcmp(shape->day, s.ptr, sizeof shape->day) != 0) {
    if (!read_time(shoal_str_n(s.ptr, sizeof shape->day), &shape->midnight))
      return false;
    memcpy(shape->day, s.ptr, sizeof shape->day);
  }
  *out = shape->midnight + ((hour * 60 + minute) * 60 + second) * 1000000 + (tens * 10 + last) * MILLISECOND;
  return true;
}

/* Whole numbers without a sign, point or exponent. */
static bool read_plain(shoal_str s, int64_t *out) {
  int64_t v = 0;
  if (s.len == 0 || s.len > MAX_WHOLE_DIGITS)
    return false;
  for (size_t i = 0; i < s.len; i++) {
    unsigned digit = (unsigned char)s.ptr[i] - '0';
    if (digit > 9)
      return false;
    v = v * 10 + digit;
  }
  *out = v;
  return true;
}

bool shoal_leaf_number(const shoal_type *type, shoal_str text, int64_t *out, bool *exact) {
  *exact = true;
  switch (shoal_delta_bound_of(type->kind)) {
  case SHOAL_BOUND_WHOLE:
    return read_scaled(text, 0, out, exact);
  case SHOAL_BOUND_DECIMAL:
    return read_scaled(text, type->scale, out, exact);
  case SHOAL_BOUND_FLOAT:
    return read_float(text, type->kind == SHOAL_TYPE_FLOAT, out);
  case SHOAL_BOUND_DATE:
    return text.len == 10 && read_time(text, out);
  case SHOAL_BOUND_TIME:
    return read_time(text, out);
  case SHOAL_BOUND_TEXT:
  case SHOAL_BOUND_NONE:
    break;
  }
  return false;
}

/* ---- one value ---- */

typedef enum stats_part { MIN, MAX, NULLS } stats_part;

static void take_number(shoal_stats_shape *shape, shoal_leaf *l, stats_part part, shoal_bound kind, shoal_str text) {
  int64_t slack = kind == SHOAL_BOUND_TIME ? MILLISECOND : 0;
  int64_t v;
  bool exact = true;
  if (part == MAX && kind == SHOAL_BOUND_FLOAT)
    return;
  if (!(kind == SHOAL_BOUND_TIME && read_usual_time(shape, text, &v)) &&
      !(kind == SHOAL_BOUND_WHOLE && read_plain(text, &v)) && !shoal_leaf_number(&l->field->type, text, &v, &exact))
    return;
  shape->rounded = shape->rounded || !exact;
  if (part == MIN)
    l->now.min = v - slack;
  else if (exact || v < INT64_MAX)
    l->now.max = v + slack + !exact;
  l->now.known = true;
}

static shoal_status take_text(shoal_files *f, shoal_leaf *l, stats_part part, shoal_str text, shoal_error *err) {
  int same;
  if (text.len > UINT8_MAX && (part == MAX || l->kind == SHOAL_LEAF_DECIMAL))
    return SHOAL_OK;
  if (l->kind == SHOAL_LEAF_DECIMAL && !shoal_delta_compare_numbers(text, text, &same))
    return SHOAL_OK;
  if (f->texts.len >= UINT32_MAX - UINT8_MAX - 1)
    return SHOAL_OK;
  unsigned char len = (unsigned char)(text.len > UINT8_MAX ? UINT8_MAX : text.len);
  int64_t at = (int64_t)f->texts.len;
  SHOAL_TRY(shoal_column_put(&f->texts, 1, &len, 1, err));
  SHOAL_TRY(shoal_column_put(&f->texts, 1, text.ptr, len, err));
  *(part == MIN ? &l->now.min : &l->now.max) = at;
  l->now.known = true;
  return SHOAL_OK;
}

/* A number's text, or what stands between quotes. */
static shoal_status take_scalar(shoal_files *f, shoal_leaf *l, stats_part part, shoal_str s, bool quoted,
                                shoal_error *err) {
  int64_t nulls;
  bool exact;
  if (part == NULLS) {
    if (!quoted && (read_plain(s, &nulls) || read_scaled(s, 0, &nulls, &exact)) && nulls >= 0 &&
        nulls < SHOAL_FILES_UNKNOWN)
      l->now.nulls = (uint32_t)nulls;
    return SHOAL_OK;
  }
  shoal_bound kind = shoal_delta_bound_of(l->field->type.kind);
  bool text = kind == SHOAL_BOUND_DATE || kind == SHOAL_BOUND_TIME || kind == SHOAL_BOUND_TEXT;
  if (l->kind == SHOAL_LEAF_NONE || quoted != text)
    return SHOAL_OK;
  if (l->kind != SHOAL_LEAF_NUMBER)
    return take_text(f, l, part, s, err);
  take_number(&f->shape, l, part, kind, s);
  return SHOAL_OK;
}

/* ---- the same shape again ---- */

/* Notes where a value stands in the text that is parsed, which begins the scratch buffer. */
static shoal_status note_slot(shoal_files *f, uint32_t node, stats_part part, shoal_str s, bool quoted,
                              shoal_error *err) {
  shoal_stats_slot *slot = shoal_vec_add(&f->shape.slots);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = (shoal_stats_slot){
      .at = (size_t)(s.ptr - f->scratch.ptr), .len = s.len, .node = node, .part = (uint8_t)part, .quoted = quoted};
  return SHOAL_OK;
}

static size_t value_end(shoal_str json, size_t at, bool quoted) {
  if (quoted) {
    const char *end = memchr(json.ptr + at, '"', json.len - at);
    return end ? (size_t)(end - json.ptr) : at;
  }
  while (at < json.len && ((json.ptr[at] >= '0' && json.ptr[at] <= '9') || json.ptr[at] == '-' || json.ptr[at] == '.' ||
                           json.ptr[at] == 'e' || json.ptr[at] == 'E' || json.ptr[at] == '+'))
    at++;
  return at;
}

/* Finds the values of a text that differs from the one before in nothing else. */
static bool fits_shape(shoal_stats_shape *shape, shoal_str json) {
  size_t at = 0, before = 0;
  shoal_str text = shoal_buf_str(&shape->text);
  if (shape->slots.len == 0 || memchr(json.ptr, '\\', json.len))
    return false;
  for (size_t i = 0; i < shape->slots.len; i++) {
    shoal_stats_slot *slot = &shape->slots.ptr[i];
    size_t same = slot->at - before;
    if (json.len - at <= same || memcmp(json.ptr + at, text.ptr + before, same) != 0)
      return false;
    at += same;
    size_t end = value_end(json, at, slot->quoted);
    if (end == at && !slot->quoted)
      return false;
    slot->now = shoal_str_n(json.ptr + at, end - at);
    at = end;
    before = slot->at + slot->len;
  }
  return shoal_str_eq(shoal_str_sub(json, at, json.len), shoal_str_sub(text, before, text.len));
}

static uint32_t count_of(shoal_str s) {
  int64_t n;
  return shoal_str_i64(s, &n) && n >= 0 && n < SHOAL_FILES_UNKNOWN ? (uint32_t)n : SHOAL_FILES_UNKNOWN;
}

static shoal_status take_shape(shoal_files *f, uint32_t *rows, bool *loose, shoal_error *err) {
  *loose = f->shape.loose;
  for (size_t i = 0; i < f->shape.slots.len; i++) {
    const shoal_stats_slot *slot = &f->shape.slots.ptr[i];
    if (slot->node == UINT32_MAX)
      *rows = count_of(slot->now);
    else
      SHOAL_TRY(take_scalar(f, &f->leaves[slot->node], (stats_part)slot->part, slot->now, slot->quoted, err));
  }
  return SHOAL_OK;
}

/* The text that was parsed is the shape of the next one, unless its strings are not as they are written. */
static shoal_status keep_shape(shoal_files *f, shoal_str json, bool loose, shoal_error *err) {
  shoal_buf_clear(&f->shape.text);
  shoal_buf_add(&f->shape.text, json);
  f->shape.loose = loose;
  if (memchr(json.ptr, '\\', json.len))
    f->shape.slots.len = 0;
  return shoal_buf_check(&f->shape.text, err);
}

static shoal_status take_value(shoal_files *f, uint32_t node, stats_part part, yyjson_val *v, shoal_error *err) {
  bool quoted = yyjson_is_str(v);
  shoal_str s = quoted             ? shoal_str_n(yyjson_get_str(v), yyjson_get_len(v))
                : yyjson_is_raw(v) ? shoal_str_n(yyjson_get_raw(v), yyjson_get_len(v))
                                   : SHOAL_STR_NONE;
  if (!s.ptr)
    return SHOAL_OK;
  SHOAL_TRY(note_slot(f, node, part, s, quoted, err));
  return take_scalar(f, &f->leaves[node], part, s, quoted, err);
}

/* ---- the whole ---- */

/* The member's node among the siblings from `first` to `end`; writers keep the schema's order, so it is mostly the one
   at *at. UINT32_MAX: none. */
static uint32_t find_node(const shoal_files *f, uint32_t first, uint32_t end, uint32_t *at, shoal_str name) {
  uint32_t node = *at < end ? *at : first, start = node;
  if (first == end)
    return UINT32_MAX;
  do {
    if (shoal_str_eq(f->leaves[node].field->physical, name)) {
      *at = f->leaves[node].end;
      return node;
    }
    node = f->leaves[node].end < end ? f->leaves[node].end : first;
  } while (node != start);
  return UINT32_MAX;
}

static shoal_status take_part(shoal_files *f, yyjson_val *object, stats_part part, uint32_t first, uint32_t end,
                              shoal_error *err) {
  uint32_t at = first;
  size_t i, n;
  yyjson_val *key, *v;
  yyjson_obj_foreach(object, i, n, key, v) {
    uint32_t node = find_node(f, first, end, &at, shoal_str_n(yyjson_get_str(key), yyjson_get_len(key)));
    if (node == UINT32_MAX)
      continue;
    shoal_leaf *l = &f->leaves[node];
    if (l->is_struct)
      SHOAL_TRY(take_part(f, v, part, node + 1, l->end, err)); /* of what is no object nothing is taken */
    else
      SHOAL_TRY(take_value(f, node, part, v, err));
  }
  return SHOAL_OK;
}

static void forget(shoal_files *f) {
  f->shape.rounded = false;
  for (size_t i = 0; i < f->n_leaves; i++) {
    shoal_leaf *l = &f->leaves[i];
    bool number = l->kind == SHOAL_LEAF_NUMBER;
    l->now.min = number ? INT64_MIN : UINT32_MAX;
    l->now.max = number ? INT64_MAX : UINT32_MAX;
    l->now.nulls = SHOAL_FILES_UNKNOWN;
    l->now.known = false;
  }
}

/* In the scratch buffer: a copy of the text, which strings and numbers are views of, and what the parser needs. NULL:
   no memory, or no JSON. */
static yyjson_doc *parse(shoal_files *f, shoal_str json) {
  yyjson_alc pool;
  const yyjson_read_flag flags = YYJSON_READ_NUMBER_AS_RAW | YYJSON_READ_INSITU;
  size_t text = (json.len + YYJSON_PADDING_SIZE + 63) / 64 * 64, need = yyjson_read_max_memory_usage(json.len, flags);
  shoal_buf_clear(&f->scratch);
  char *memory = shoal_buf_reserve(&f->scratch, text + need);
  if (!memory || !yyjson_alc_pool_init(&pool, memory + text, need))
    return NULL;
  memcpy(memory, json.ptr, json.len);
  memset(memory + json.len, 0, YYJSON_PADDING_SIZE);
  return yyjson_read_opts(memory, json.len, flags, &pool, NULL);
}

static shoal_status take_root(shoal_files *f, yyjson_val *root, uint32_t *rows, bool *loose, shoal_error *err) {
  yyjson_val *key, *v;
  size_t i, n;
  uint32_t end = (uint32_t)f->n_leaves;
  yyjson_obj_foreach(root, i, n, key, v) {
    shoal_str name = shoal_str_n(yyjson_get_str(key), yyjson_get_len(key));
    if (shoal_str_is(name, "minValues")) {
      SHOAL_TRY(take_part(f, v, MIN, 0, end, err));
    } else if (shoal_str_is(name, "maxValues")) {
      SHOAL_TRY(take_part(f, v, MAX, 0, end, err));
    } else if (shoal_str_is(name, "nullCount")) {
      SHOAL_TRY(take_part(f, v, NULLS, 0, end, err));
    } else if (shoal_str_is(name, "tightBounds")) {
      *loose = !yyjson_is_true(v);
    } else if (shoal_str_is(name, "numRecords") && yyjson_is_raw(v)) {
      shoal_str number = shoal_str_n(yyjson_get_raw(v), yyjson_get_len(v));
      SHOAL_TRY(note_slot(f, UINT32_MAX, NULLS, number, false, err));
      *rows = count_of(number);
    }
  }
  return SHOAL_OK;
}

static shoal_status read_stats(shoal_files *f, shoal_str json, uint32_t *rows, bool *loose, shoal_error *err) {
  if (json.len == 0 || json.len > SHOAL_MAX_JSON_BYTES)
    return SHOAL_OK;
  if (fits_shape(&f->shape, json))
    return take_shape(f, rows, loose, err);
  f->shape.slots.len = 0;
  yyjson_doc *doc = parse(f, json);
  if (!doc)
    return f->scratch.status == SHOAL_ENOMEM ? shoal_fail_nomem(err) : SHOAL_OK;
  SHOAL_TRY(take_root(f, yyjson_doc_get_root(doc), rows, loose, err)); /* its memory is the scratch buffer's */
  return keep_shape(f, json, *loose, err);
}

shoal_status shoal_files_read_stats(shoal_files *f, shoal_str json, uint32_t *rows, bool *loose, shoal_error *err) {
  *rows = SHOAL_FILES_UNKNOWN;
  *loose = false;
  forget(f);
  SHOAL_TRY(read_stats(f, json, rows, loose, err));
  *loose = *loose || f->shape.rounded;
  return SHOAL_OK;
}
