/* SPDX-License-Identifier: Apache-2.0 */
/* variant.h: JSON as a variant. The names of all fields come first, in order, so that an object's are, too. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/str.h"
#include "base/variant_internal.h"

typedef struct parsing {
  SHOAL_VEC(shoal_str) names; /* in order, each once */
  shoal_map numbers;          /* of them */
  unsigned depth;
  shoal_error *err;
} parsing;

/* ---- names ---- */

static shoal_str key_of(yyjson_val *key) { return shoal_str_n(yyjson_get_str(key), yyjson_get_len(key)); }

static shoal_status collect(parsing *p, yyjson_val *v) {
  size_t i, n;
  yyjson_val *key, *item;
  if (++p->depth > SHOAL_MAX_VARIANT_DEPTH)
    return shoal_fail(p->err, SHOAL_ELIMIT, "a variant nests deeper than %d values", SHOAL_MAX_VARIANT_DEPTH);
  yyjson_arr_foreach(v, i, n, item) SHOAL_TRY(collect(p, item));
  yyjson_obj_foreach(v, i, n, key, item) {
    shoal_str name = key_of(key);
    if (shoal_map_get(&p->numbers, name) == SHOAL_MAP_NONE) {
      shoal_str *slot = shoal_vec_add(&p->names);
      if (!slot)
        return shoal_fail_nomem(p->err);
      *slot = name;
      SHOAL_TRY(shoal_map_put(&p->numbers, name, 0, p->err));
    }
    SHOAL_TRY(collect(p, item));
  }
  p->depth--;
  return SHOAL_OK;
}

static int compare(const void *a, const void *b) {
  return shoal_variant_compare_names(*(const shoal_str *)a, *(const shoal_str *)b);
}

static shoal_status number_names(parsing *p) {
  if (p->names.len)
    qsort(p->names.ptr, p->names.len, sizeof *p->names.ptr, compare);
  for (size_t i = 0; i < p->names.len; i++)
    SHOAL_TRY(shoal_map_put(&p->numbers, p->names.ptr[i], (uint32_t)i, p->err));
  return SHOAL_OK;
}

/* VariantEncoding.md, "Metadata encoding": version 1, and whether the names ascend by their bytes. */
static shoal_status add_names(const parsing *p, shoal_buf *out) {
  size_t bytes = 0, end = 0;
  bool sorted = true;
  for (size_t i = 0; i < p->names.len; i++) {
    bytes += p->names.ptr[i].len;
    sorted = sorted && (i == 0 || shoal_str_cmp(p->names.ptr[i - 1], p->names.ptr[i]) < 0);
  }
  if (bytes > SHOAL_MAX_VARIANT_BYTES)
    return shoal_fail(p->err, SHOAL_ELIMIT, "a variant's names have more than %u bytes", SHOAL_MAX_VARIANT_BYTES);
  size_t most = bytes > p->names.len ? bytes : p->names.len;
  unsigned width = most < 1u << 8 ? 1 : most < 1u << 16 ? 2 : most < 1u << 24 ? 3 : 4;
  shoal_buf_addc(out, (char)(unsigned char)(1u | (unsigned)sorted << 4 | (width - 1) << 6));
  shoal_variant_add_little(out, p->names.len, width);
  shoal_variant_add_little(out, 0, width);
  for (size_t i = 0; i < p->names.len; i++)
    shoal_variant_add_little(out, end += p->names.ptr[i].len, width);
  for (size_t i = 0; i < p->names.len; i++)
    shoal_buf_add(out, p->names.ptr[i]);
  return shoal_buf_check(out, p->err);
}

/* ---- values ---- */

static void add_type(shoal_buf *out, unsigned type) { shoal_buf_addc(out, (char)(unsigned char)(type << 2)); }

static void add_whole(shoal_buf *out, int64_t v) {
  unsigned size = v == (int8_t)v ? 0 : v == (int16_t)v ? 1 : v == (int32_t)v ? 2 : 3;
  add_type(out, SHOAL_VARIANT_INT8 + size);
  shoal_variant_add_little(out, (uint64_t)v, 1u << size);
}

__extension__ typedef unsigned __int128 wide;

/* Digits with a point, or more of them than 64 bits have. False: too many for a decimal, or there is an exponent. */
static bool add_decimal(shoal_buf *out, shoal_str text) {
  wide v = 0;
  unsigned precision = 0, scale = 0;
  bool point = false, negative = text.ptr[0] == '-';
  for (size_t i = negative; i < text.len; i++) {
    char c = text.ptr[i];
    if (c == '.') {
      point = true;
      continue;
    }
    if (c < '0' || c > '9' || precision == 38 || scale == 38)
      return false;
    v = v * 10 + (unsigned)(c - '0');
    precision += precision || c != '0';
    scale += point;
  }
  unsigned most = precision > scale ? precision : scale, size = most <= 9 ? 0 : most <= 18 ? 1 : 2;
  v = negative ? -v : v;
  add_type(out, SHOAL_VARIANT_DECIMAL4 + size);
  shoal_buf_addc(out, (char)scale);
  shoal_variant_add_little(out, (uint64_t)v, size == 0 ? 4 : 8);
  if (size == 2)
    shoal_variant_add_little(out, (uint64_t)(v >> 64), 8);
  return true;
}

/* Whatever the locale's point is. What is too large is infinite, as for Java. */
static void add_double(shoal_buf *out, shoal_str text) {
  yyjson_val v = {0};
  uint64_t bits;
  double x = text.ptr[0] == '-' ? -HUGE_VAL : HUGE_VAL;
  shoal_buf copy = {0};
  shoal_buf_add(&copy, text);
  if (copy.status < 0)
    out->status = copy.status;
  else if (yyjson_read_number(shoal_buf_z(&copy), &v, YYJSON_READ_NOFLAG, NULL, NULL))
    x = yyjson_get_num(&v);
  shoal_buf_dispose(&copy);
  memcpy(&bits, &x, sizeof bits);
  add_type(out, SHOAL_VARIANT_DOUBLE);
  shoal_variant_add_little(out, bits, 8);
}

static shoal_status add_number(parsing *p, shoal_str text, shoal_buf *out) {
  int64_t v;
  if (text.ptr[text.ptr[0] == '-'] < '0' || text.ptr[text.ptr[0] == '-'] > '9') /* NaN and such */
    return shoal_fail(p->err, SHOAL_EINVAL, "%.*s is no number of JSON", SHOAL_FMT(text));
  if (shoal_str_i64(text, &v))
    add_whole(out, v);
  else if (!add_decimal(out, text))
    add_double(out, text);
  return SHOAL_OK;
}

static void add_text(shoal_buf *out, shoal_str s) {
  if (s.len < 64) {
    shoal_buf_addc(out, (char)(unsigned char)(SHOAL_VARIANT_SHORT_TEXT | s.len << 2));
  } else {
    add_type(out, SHOAL_VARIANT_TEXT);
    shoal_variant_add_little(out, s.len, 4);
  }
  shoal_buf_add(out, s);
}

static shoal_status add_value(parsing *p, yyjson_val *v, shoal_buf *out);

static shoal_status add_elements(parsing *p, yyjson_val *v, shoal_buf *data, shoal_variant_item_ends *ends) {
  size_t i, n;
  yyjson_val *item;
  yyjson_arr_foreach(v, i, n, item) {
    SHOAL_TRY(add_value(p, item, data));
    shoal_variant_item_end *slot = shoal_vec_add(ends);
    if (!slot)
      return shoal_fail_nomem(p->err);
    *slot = (shoal_variant_item_end){0, data->len};
  }
  return SHOAL_OK;
}

typedef struct member {
  uint32_t name;
  yyjson_val *value;
} member;
typedef SHOAL_VEC(member) members;

static int compare_members(const void *a, const void *b) {
  uint32_t x = ((const member *)a)->name, y = ((const member *)b)->name;
  return (x > y) - (x < y);
}

static shoal_status list_members(parsing *p, yyjson_val *v, members *to) {
  size_t i, n;
  yyjson_val *key, *item;
  yyjson_obj_foreach(v, i, n, key, item) {
    member *slot = shoal_vec_add(to);
    if (!slot)
      return shoal_fail_nomem(p->err);
    *slot = (member){shoal_map_get(&p->numbers, key_of(key)), item};
  }
  if (to->len)
    qsort(to->ptr, to->len, sizeof *to->ptr, compare_members);
  return SHOAL_OK;
}

static shoal_status add_members(parsing *p, const members *list, shoal_buf *data, shoal_variant_item_ends *ends) {
  for (size_t i = 0; i < list->len; i++) {
    const member *m = &list->ptr[i];
    if (i && m->name == m[-1].name)
      return shoal_fail(p->err, SHOAL_EINVAL, "an object has two fields \"%.*s\"", SHOAL_FMT(p->names.ptr[m->name]));
    SHOAL_TRY(add_value(p, m->value, data));
    shoal_variant_item_end *slot = shoal_vec_add(ends);
    if (!slot)
      return shoal_fail_nomem(p->err);
    *slot = (shoal_variant_item_end){m->name, data->len};
  }
  return SHOAL_OK;
}

static shoal_status add_container(parsing *p, yyjson_val *v, shoal_buf *out) {
  shoal_buf data = {.max = SHOAL_MAX_VARIANT_BYTES};
  shoal_variant_item_ends ends = {0};
  members list = {0};
  bool object = yyjson_is_obj(v);
  shoal_status status = object ? list_members(p, v, &list) : add_elements(p, v, &data, &ends);
  if (status == SHOAL_OK && object)
    status = add_members(p, &list, &data, &ends);
  if (status == SHOAL_OK)
    status = shoal_variant_add_container(out, object, &ends, shoal_buf_str(&data), p->err);
  shoal_vec_dispose(&list);
  shoal_vec_dispose(&ends);
  shoal_buf_dispose(&data);
  return status;
}

static shoal_status add_value(parsing *p, yyjson_val *v, shoal_buf *out) {
  if (yyjson_is_obj(v) || yyjson_is_arr(v))
    return add_container(p, v, out);
  if (yyjson_is_raw(v))
    SHOAL_TRY(add_number(p, shoal_str_n(yyjson_get_raw(v), yyjson_get_len(v)), out));
  else if (yyjson_is_str(v))
    add_text(out, key_of(v));
  else
    add_type(out, yyjson_is_null(v)    ? SHOAL_VARIANT_NOTHING
                  : yyjson_get_bool(v) ? SHOAL_VARIANT_YES
                                       : SHOAL_VARIANT_NO);
  return shoal_buf_check(out, p->err);
}

shoal_status shoal_variant_parse(shoal_str json, shoal_buf *metadata, shoal_buf *value, shoal_error *err) {
  parsing p = {.err = err};
  yyjson_doc *doc = NULL;
  size_t before = value->len;
  shoal_status status = shoal_json_parse_tree(json, "a variant", &doc, err);
  if (status == SHOAL_ECORRUPT) /* what is to be written is no file's fault */
    status = err ? (err->status = SHOAL_EINVAL) : SHOAL_EINVAL;
  if (status == SHOAL_OK)
    status = collect(&p, yyjson_doc_get_root(doc));
  if (status == SHOAL_OK)
    status = number_names(&p);
  if (status == SHOAL_OK)
    status = add_names(&p, metadata);
  if (status == SHOAL_OK)
    status = add_value(&p, yyjson_doc_get_root(doc), value);
  if (status == SHOAL_OK && value->len - before > SHOAL_MAX_VARIANT_BYTES)
    status = shoal_fail(err, SHOAL_ELIMIT, "a variant has more than %u bytes", SHOAL_MAX_VARIANT_BYTES);
  shoal_vec_dispose(&p.names);
  shoal_map_dispose(&p.numbers);
  yyjson_doc_free(doc);
  return status;
}
