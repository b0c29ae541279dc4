/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variant.h. Every value has at least one byte of its own, so what is read is counted against the number of bytes:
 * without that, a few hundred bytes whose arrays all point to one another's elements would be a text without end.
 */
#include "base/variant.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/str.h"
#include "base/time.h"
#include "base/variant_internal.h"

shoal_status shoal_variant_corrupt(shoal_error *err, const char *what) {
  return shoal_fail(err, SHOAL_ECORRUPT, "a variant's bytes are broken: %s", what);
}

shoal_status shoal_variant_spend(shoal_variant_walk *p, size_t n) {
  if (n > p->left)
    return shoal_variant_corrupt(p->err, "values overlap");
  p->left -= n;
  return SHOAL_OK;
}

/* ---- names ---- */

shoal_status shoal_variant_open_dictionary(shoal_str metadata, shoal_variant_names *out, shoal_error *err) {
  const unsigned char *p = shoal_variant_bytes(metadata);
  *out = (shoal_variant_names){0};
  if (metadata.len == 0 || (p[0] & 15) != 1)
    return shoal_variant_corrupt(err, "its metadata has no version 1");
  out->width = (p[0] >> 6) + 1u;
  size_t rest = metadata.len - 1;
  if (rest < out->width)
    return shoal_variant_corrupt(err, "its metadata ends early");
  uint64_t n = shoal_variant_little(p + 1, out->width);
  rest -= out->width;
  if ((n + 1) * out->width > rest)
    return shoal_variant_corrupt(err, "its metadata ends early");
  out->n = (size_t)n;
  out->offsets = p + 1 + out->width;
  out->bytes = shoal_str_sub(metadata, metadata.len - rest + (size_t)(n + 1) * out->width, metadata.len);
  return SHOAL_OK;
}

shoal_status shoal_variant_name(const shoal_variant_names *d, uint64_t id, shoal_str *out, shoal_error *err) {
  if (id >= d->n)
    return shoal_variant_corrupt(err, "a field has no name");
  uint64_t from = shoal_variant_little(d->offsets + id * d->width, d->width),
           to = shoal_variant_little(d->offsets + (id + 1) * d->width, d->width);
  if (from > to || to > d->bytes.len)
    return shoal_variant_corrupt(err, "a name lies outside of the metadata");
  *out = shoal_str_sub(d->bytes, (size_t)from, (size_t)to);
  return SHOAL_OK;
}

int shoal_variant_compare_names(shoal_str a, shoal_str b) {
  size_t n = a.len < b.len ? a.len : b.len, i = 0;
  while (i < n && a.ptr[i] == b.ptr[i])
    i++;
  if (i == n)
    return (a.len > b.len) - (a.len < b.len);
  unsigned char x = (unsigned char)a.ptr[i], y = (unsigned char)b.ptr[i];
  if (x >= 0xee && y >= 0xee && (x >= 0xf0) != (y >= 0xf0))
    return x >= 0xf0 ? -1 : 1;
  return x < y ? -1 : 1;
}

/* ---- arrays and objects ---- */

shoal_status shoal_variant_open_container(shoal_variant_walk *p, const shoal_variant_node *v,
                                          shoal_variant_container *out) {
  bool object = shoal_variant_basic(v->bytes) == SHOAL_VARIANT_OBJECT;
  const unsigned char *bytes = shoal_variant_bytes(v->bytes);
  unsigned info = bytes[0] >> 2, count_width = info >> (object ? 4 : 2) & 1 ? 4 : 1;
  size_t at = 1 + count_width;
  *out = (shoal_variant_container){
      .names = v->names, .offset_width = (info & 3) + 1, .id_width = object ? (info >> 2 & 3) + 1 : 0};
  if (v->bytes.len < at)
    return shoal_variant_corrupt(p->err, "it ends early");
  out->n = (size_t)shoal_variant_little(bytes + 1, count_width);
  size_t table = out->n * out->id_width + (out->n + 1) * out->offset_width;
  if (table > v->bytes.len - at)
    return shoal_variant_corrupt(p->err, "it ends early");
  out->ids = bytes + at;
  out->offsets = out->ids + out->n * out->id_width;
  out->data = shoal_str_sub(v->bytes, at + table, v->bytes.len);
  return shoal_variant_spend(p, at + table);
}

shoal_status shoal_variant_item(const shoal_variant_container *c, size_t i, shoal_variant_node *out, shoal_error *err) {
  uint64_t offset = shoal_variant_little(c->offsets + i * c->offset_width, c->offset_width);
  if (offset >= c->data.len)
    return shoal_variant_corrupt(err, "a value lies outside of it");
  *out = (shoal_variant_node){c->names, shoal_str_sub(c->data, (size_t)offset, c->data.len)};
  return SHOAL_OK;
}

shoal_status shoal_variant_field(const shoal_variant_container *c, size_t i, shoal_str *name, shoal_variant_node *out,
                                 shoal_error *err) {
  SHOAL_TRY(shoal_variant_name(c->names, shoal_variant_little(c->ids + i * c->id_width, c->id_width), name, err));
  return shoal_variant_item(c, i, out, err);
}

shoal_status shoal_variant_find(const shoal_variant_container *c, const char *name, shoal_variant_node *out,
                                shoal_error *err) {
  shoal_str found;
  for (size_t i = 0; i < c->n; i++) {
    SHOAL_TRY(shoal_variant_field(c, i, &found, out, err));
    if (shoal_str_is(found, name))
      return SHOAL_OK;
  }
  *out = (shoal_variant_node){c->names, SHOAL_STR("")};
  return SHOAL_OK;
}

/* ---- texts of values ---- */

/* Without NUL and control characters, which add_text writes. What is no UTF-8 is U+FFFD, as in Java. */
static void add_run(shoal_buf *out, shoal_str run) {
  size_t at = out->len;
  if (shoal_str_utf8(run)) {
    shoal_buf_add(out, run);
    return;
  }
  shoal_buf_json_str(out, run);
  if (out->status < 0)
    return;
  out->len -= 2;
  memmove(out->ptr + at, out->ptr + at + 1, out->len - at);
  out->ptr[out->len] = 0;
}

static void add_text(shoal_buf *out, shoal_str s) {
  static const char named[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
  size_t from = 0;
  shoal_buf_addc(out, '"');
  for (size_t i = 0; i < s.len; i++) {
    unsigned char c = (unsigned char)s.ptr[i];
    if (c >= ' ' && c != '"' && c != '\\')
      continue;
    add_run(out, shoal_str_sub(s, from, i));
    from = i + 1;
    if (c >= ' ')
      shoal_buf_addf(out, "\\%c", c);
    else if (c < sizeof named && named[c])
      shoal_buf_addf(out, "\\%c", named[c]);
    else
      shoal_buf_addf(out, "\\u%04X", c);
  }
  add_run(out, shoal_str_sub(s, from, s.len));
  shoal_buf_addc(out, '"');
}

static void add_base64(shoal_buf *out, shoal_str s) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  shoal_buf_addc(out, '"');
  for (size_t i = 0; i < s.len; i += 3) {
    unsigned some = s.len - i < 3 ? (unsigned)(s.len - i) : 3, bits = 0;
    for (unsigned k = 0; k < 3; k++)
      bits = bits << 8 | (k < some ? (unsigned char)s.ptr[i + k] : 0u);
    for (unsigned k = 0; k < 4; k++)
      shoal_buf_addc(out, k <= some ? digits[bits >> (18 - 6 * k) & 63] : '=');
  }
  shoal_buf_addc(out, '"');
}

static double read_back(const char *text, bool single) {
  return single ? (double)strtof(text, NULL) : strtod(text, NULL);
}

/* The digits of the shortest decimal that is this number and no other, without zeros at the end, and the exponent of
   the first one. Up to so many digits a decimal comes back from the number that is nearest to it; of numbers that have
   lost digits (subnormal ones) it may not, and Java has two digits at least there. */
static int shortest(double x, bool single, char digits[20]) {
  bool subnormal = fabs(x) < (single ? 0x1p-126 : 0x1p-1022);
  char text[40];
  int n = subnormal ? 2 : single ? 6 : 15, most = single ? 9 : 17, used = 0;
  for (; n <= most; n++) {
    snprintf(text, sizeof text, "%.*e", n - 1, fabs(x));
    if (read_back(text, single) == fabs(x))
      break;
  }
  const char *at = text;
  for (; *at && *at != 'e'; at++)
    if (*at >= '0' && *at <= '9') /* the point is the locale's */
      digits[used++] = *at;
  while (used > 1 && digits[used - 1] == '0')
    used--;
  digits[used] = 0;
  return *at ? (int)strtol(at + 1, NULL, 10) : 0;
}

/* As Java's Double.toString has it: 1.0, 0.001, 1.0E10; what is no number for JSON is a string. */
static void add_double(shoal_buf *out, double x, bool single) {
  char digits[20];
  if (isnan(x) || isinf(x)) {
    shoal_buf_addz(out, isnan(x) ? "\"NaN\"" : x < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    return;
  }
  shoal_buf_addz(out, signbit(x) ? "-" : "");
  int exponent = x == 0 ? 0 : shortest(x, single, digits), n;
  if (x == 0)
    strcpy(digits, "0");
  n = (int)strlen(digits);
  if (exponent < -3 || exponent >= 7) {
    shoal_buf_addf(out, "%c.%sE%d", digits[0], n > 1 ? digits + 1 : "0", exponent);
  } else if (exponent < 0) {
    shoal_buf_addf(out, "0.%.*s%s", -exponent - 1, "00", digits);
  } else {
    for (int i = 0; i <= exponent; i++)
      shoal_buf_addc(out, i < n ? digits[i] : '0');
    shoal_buf_addf(out, ".%s", n > exponent + 1 ? digits + exponent + 1 : "0");
  }
}

__extension__ typedef unsigned __int128 wide;

/* Little-endian, signed, less its zeros behind the point. */
static void add_decimal(shoal_buf *out, const unsigned char *p, unsigned width, unsigned scale) {
  bool negative = p[width - 1] >> 7;
  wide v = negative ? ~(wide)0 : 0;
  char text[64];
  unsigned n = 0, whole;
  for (unsigned i = 0; i < width; i++)
    v = (v & ~((wide)255 << 8 * i)) | (wide)p[i] << 8 * i;
  for (v = negative ? -v : v; v || n <= scale; v /= 10) /* from the last digit on */
    text[n++] = (char)('0' + (int)(v % 10));
  whole = scale;
  for (scale = 0; scale < whole && text[scale] == '0';)
    scale++;
  shoal_buf_addz(out, negative ? "-" : "");
  for (unsigned i = n; i-- > scale;) {
    shoal_buf_addc(out, text[i]);
    if (i == whole && scale < whole)
      shoal_buf_addc(out, '.');
  }
}

/* hh:mm:ss, and of the fraction's digits those that tell something. */
static void add_time(shoal_buf *out, uint64_t within_day, uint64_t second, int fraction_digits) {
  uint64_t s = within_day / second, fraction = within_day % second;
  shoal_buf_addf(out, "%02u:%02u:%02u", (unsigned)(s / 3600), (unsigned)(s / 60 % 60), (unsigned)(s % 60));
  for (; fraction && fraction % 10 == 0; fraction_digits--)
    fraction /= 10;
  if (fraction)
    shoal_buf_addf(out, ".%0*u", fraction_digits, (unsigned)fraction);
}

static void add_timestamp(shoal_buf *out, int64_t v, bool nanos, bool zone) {
  int64_t second = nanos ? 1000000000 : 1000000, day = 86400 * second, days = v / day, rest = v % day;
  char date[SHOAL_TIME_TEXT];
  if (rest < 0) {
    rest += day;
    days--;
  }
  shoal_time_date(days, date);
  shoal_buf_addf(out, "\"%s ", date);
  add_time(out, (uint64_t)rest, (uint64_t)second, nanos ? 9 : 6);
  shoal_buf_addz(out, zone ? "+00:00\"" : "\"");
}

static void add_uuid(shoal_buf *out, const unsigned char *p) {
  shoal_buf_addc(out, '"');
  for (unsigned i = 0; i < 16; i++)
    shoal_buf_addf(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", p[i]);
  shoal_buf_addc(out, '"');
}

static int64_t signed_little(const unsigned char *p, unsigned width) {
  uint64_t v = shoal_variant_little(p, width), sign = UINT64_C(1) << (8 * width - 1);
  v = (v ^ sign) - sign;
  int64_t out;
  memcpy(&out, &v, sizeof out);
  return out;
}

shoal_status shoal_variant_data(const shoal_variant_node *v, shoal_str *out, shoal_error *err) {
  static const unsigned char sizes[] = {
      [SHOAL_VARIANT_INT8] = 1,
      [SHOAL_VARIANT_INT16] = 2,
      [SHOAL_VARIANT_INT32] = 4,
      [SHOAL_VARIANT_INT64] = 8,
      [SHOAL_VARIANT_DOUBLE] = 8,
      [SHOAL_VARIANT_DECIMAL4] = 5,
      [SHOAL_VARIANT_DECIMAL8] = 9,
      [SHOAL_VARIANT_DECIMAL16] = 17,
      [SHOAL_VARIANT_DATE] = 4,
      [SHOAL_VARIANT_TIMESTAMP] = 8,
      [SHOAL_VARIANT_FLOAT] = 4,
      [SHOAL_VARIANT_BINARY] = 4,
      [SHOAL_VARIANT_TEXT] = 4,
      [SHOAL_VARIANT_TIMESTAMP_NTZ] = 8,
      [SHOAL_VARIANT_TIME] = 8,
      [SHOAL_VARIANT_UUID] = 16,
      [SHOAL_VARIANT_NOTHING] = 0,
      [SHOAL_VARIANT_YES] = 0,
      [SHOAL_VARIANT_TIMESTAMP_NANOS] = 8,
      [SHOAL_VARIANT_TIMESTAMP_NTZ_NANOS] = 8,
  };
  unsigned type = (unsigned char)v->bytes.ptr[0] >> 2;
  if (type >= sizeof sizes)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "a variant has a value of type %u, which this build does not know",
                      type);
  *out = shoal_str_sub(v->bytes, 1, 1 + (size_t)sizes[type]);
  bool fits = out->len == sizes[type];
  if (fits && (type == SHOAL_VARIANT_BINARY || type == SHOAL_VARIANT_TEXT)) {
    uint64_t n = shoal_variant_little(shoal_variant_bytes(*out), 4);
    fits = n <= v->bytes.len - 5;
    *out = shoal_str_sub(v->bytes, 5, 5 + (size_t)n);
  }
  return fits ? SHOAL_OK : shoal_variant_corrupt(err, "it ends early");
}

static void add_number(shoal_buf *out, unsigned type, const unsigned char *p) {
  double x;
  float f;
  if (type == SHOAL_VARIANT_DOUBLE) {
    memcpy(&x, p, sizeof x);
    add_double(out, x, false);
  } else if (type == SHOAL_VARIANT_FLOAT) {
    memcpy(&f, p, sizeof f);
    add_double(out, (double)f, true);
  } else if (type >= SHOAL_VARIANT_DECIMAL4 && type <= SHOAL_VARIANT_DECIMAL16) {
    add_decimal(out, p + 1, 4u << (type - SHOAL_VARIANT_DECIMAL4), p[0]);
  } else {
    shoal_buf_addf(out, "%lld", (long long)signed_little(p, 1u << (type - SHOAL_VARIANT_INT8)));
  }
}

static void add_when(shoal_buf *out, unsigned type, const unsigned char *p) {
  char date[SHOAL_TIME_TEXT];
  if (type == SHOAL_VARIANT_DATE) {
    shoal_time_date(signed_little(p, 4), date);
    shoal_buf_addf(out, "\"%s\"", date);
  } else if (type == SHOAL_VARIANT_TIME) {
    shoal_buf_addc(out, '"');
    add_time(out, shoal_variant_little(p, 8), 1000000, 6);
    shoal_buf_addc(out, '"');
  } else {
    add_timestamp(out, signed_little(p, 8),
                  type == SHOAL_VARIANT_TIMESTAMP_NANOS || type == SHOAL_VARIANT_TIMESTAMP_NTZ_NANOS,
                  type == SHOAL_VARIANT_TIMESTAMP || type == SHOAL_VARIANT_TIMESTAMP_NANOS);
  }
}

static shoal_status print_primitive(shoal_variant_walk *p, const shoal_variant_node *v) {
  unsigned type = (unsigned char)v->bytes.ptr[0] >> 2;
  shoal_str data;
  SHOAL_TRY(shoal_variant_data(v, &data, p->err));
  SHOAL_TRY(
      shoal_variant_spend(p, 1 + data.len + (type == SHOAL_VARIANT_BINARY || type == SHOAL_VARIANT_TEXT ? 4 : 0)));
  const unsigned char *bytes = shoal_variant_bytes(data);
  if (type >= SHOAL_VARIANT_DECIMAL4 && type <= SHOAL_VARIANT_DECIMAL16 && bytes[0] > 38)
    return shoal_variant_corrupt(p->err, "a decimal's scale is above 38");
  if (type == SHOAL_VARIANT_TIME && shoal_variant_little(bytes, 8) >= UINT64_C(86400000000))
    return shoal_variant_corrupt(p->err, "a time is no time of a day");
  if (type <= SHOAL_VARIANT_NO)
    shoal_buf_addz(p->out, type == SHOAL_VARIANT_NOTHING ? "null" : type == SHOAL_VARIANT_YES ? "true" : "false");
  else if (type == SHOAL_VARIANT_BINARY)
    add_base64(p->out, data);
  else if (type == SHOAL_VARIANT_TEXT)
    add_text(p->out, data);
  else if (type == SHOAL_VARIANT_UUID)
    add_uuid(p->out, bytes);
  else if (type == SHOAL_VARIANT_DATE || type == SHOAL_VARIANT_TIME ||
           (type >= SHOAL_VARIANT_TIMESTAMP && type <= SHOAL_VARIANT_TIMESTAMP_NTZ) ||
           type >= SHOAL_VARIANT_TIMESTAMP_NANOS)
    add_when(p->out, type, bytes);
  else
    add_number(p->out, type, bytes);
  return SHOAL_OK;
}

/* ---- trees ---- */

static int compare_entries(const void *a, const void *b) {
  return shoal_variant_compare_names(((const shoal_variant_entry *)a)->name, ((const shoal_variant_entry *)b)->name);
}

static shoal_status print_value(shoal_variant_walk *p, const shoal_variant_node *v);
static shoal_status print_group(shoal_variant_walk *p, const shoal_variant_node *group,
                                const shoal_variant_names *inner, bool *there);

shoal_status shoal_variant_add_fields(shoal_variant_walk *p, const shoal_variant_node *object, bool groups,
                                      shoal_variant_entries *to) {
  shoal_variant_container c;
  SHOAL_TRY(shoal_variant_open_container(p, object, &c));
  for (size_t i = 0; i < c.n; i++) {
    shoal_variant_entry *e = shoal_vec_add(to);
    if (!e)
      return shoal_fail_nomem(p->err);
    e->group = groups;
    SHOAL_TRY(shoal_variant_field(&c, i, &e->name, &e->value, p->err));
  }
  return SHOAL_OK;
}

/* Groups without a value are fields that are not there. */
static shoal_status print_entries(shoal_variant_walk *p, shoal_variant_entries *list,
                                  const shoal_variant_names *inner) {
  bool sorted = true, any = false, there = true;
  for (size_t i = 1; i < list->len && sorted; i++)
    sorted = shoal_variant_compare_names(list->ptr[i - 1].name, list->ptr[i].name) < 0;
  if (!sorted)
    qsort(list->ptr, list->len, sizeof *list->ptr, compare_entries);
  shoal_buf_addc(p->out, '{');
  for (size_t i = 0; i < list->len; i++) {
    const shoal_variant_entry *e = &list->ptr[i];
    size_t before = p->out->len;
    shoal_buf_addz(p->out, any ? "," : "");
    add_text(p->out, e->name);
    shoal_buf_addc(p->out, ':');
    SHOAL_TRY(e->group ? print_group(p, &e->value, inner, &there) : print_value(p, &e->value));
    any = any || !e->group || there;
    if (e->group && !there && p->out->status == SHOAL_OK)
      p->out->len = before;
  }
  shoal_buf_addc(p->out, '}');
  return SHOAL_OK;
}

/* `groups` and `rest`: the fields of the one are groups, those of the other values; either may have no bytes. */
static shoal_status print_object(shoal_variant_walk *p, const shoal_variant_node *groups,
                                 const shoal_variant_node *rest, const shoal_variant_names *inner) {
  shoal_variant_entries list = {0};
  shoal_status status = SHOAL_OK;
  if (groups->bytes.len)
    status = shoal_variant_add_fields(p, groups, true, &list);
  if (status == SHOAL_OK && rest->bytes.len)
    status = shoal_variant_add_fields(p, rest, false, &list);
  if (status == SHOAL_OK)
    status = print_entries(p, &list, inner);
  shoal_vec_dispose(&list);
  return status;
}

/* `inner`: the elements are groups, whose values have these names; NULL: they are values. */
static shoal_status print_array(shoal_variant_walk *p, const shoal_variant_node *v, const shoal_variant_names *inner) {
  shoal_variant_container c;
  shoal_variant_node item;
  bool there = true;
  SHOAL_TRY(shoal_variant_open_container(p, v, &c));
  shoal_buf_addc(p->out, '[');
  for (size_t i = 0; i < c.n; i++) {
    shoal_buf_addz(p->out, i ? "," : "");
    SHOAL_TRY(shoal_variant_item(&c, i, &item, p->err));
    SHOAL_TRY(inner ? print_group(p, &item, inner, &there) : print_value(p, &item));
    shoal_buf_addz(p->out, there ? "" : "null");
  }
  shoal_buf_addc(p->out, ']');
  return SHOAL_OK;
}

shoal_status shoal_variant_deeper(shoal_variant_walk *p) {
  if (++p->depth > SHOAL_MAX_VARIANT_DEPTH)
    return shoal_fail(p->err, SHOAL_ELIMIT, "a variant nests deeper than %d values", SHOAL_MAX_VARIANT_DEPTH);
  return shoal_buf_check(p->out, p->err);
}

static shoal_status print_value(shoal_variant_walk *p, const shoal_variant_node *v) {
  const shoal_variant_node none = {v->names, SHOAL_STR("")};
  shoal_status status = SHOAL_OK;
  if (v->bytes.len == 0)
    return shoal_variant_corrupt(p->err, "it ends early");
  SHOAL_TRY(shoal_variant_deeper(p));
  int type = shoal_variant_basic(v->bytes);
  if (type == SHOAL_VARIANT_OBJECT) {
    status = print_object(p, &none, v, NULL);
  } else if (type == SHOAL_VARIANT_ARRAY) {
    status = print_array(p, v, NULL);
  } else if (type == SHOAL_VARIANT_SHORT_TEXT) {
    size_t n = (unsigned char)v->bytes.ptr[0] >> 2;
    status = n < v->bytes.len ? shoal_variant_spend(p, 1 + n) : shoal_variant_corrupt(p->err, "it ends early");
    if (status == SHOAL_OK)
      add_text(p->out, shoal_str_sub(v->bytes, 1, 1 + n));
  } else {
    status = print_primitive(p, v);
  }
  p->depth--;
  return status;
}

shoal_status shoal_variant_binary(const shoal_variant_node *v, shoal_str *out, shoal_error *err) {
  *out = SHOAL_STR("");
  if (shoal_variant_is_null(v))
    return SHOAL_OK;
  if (shoal_variant_basic(v->bytes) != SHOAL_VARIANT_PRIMITIVE ||
      (unsigned char)v->bytes.ptr[0] >> 2 != SHOAL_VARIANT_BINARY)
    return shoal_variant_corrupt(err, "a part of it is no binary");
  return shoal_variant_data(v, out, err);
}

/* VariantShredding.md, "Value Shredding". */
static shoal_status print_parts(shoal_variant_walk *p, const shoal_variant_container *group,
                                const shoal_variant_names *inner, bool *there) {
  shoal_variant_node value, typed, rest = {inner, SHOAL_STR("")};
  SHOAL_TRY(shoal_variant_find(group, "value", &value, p->err));
  SHOAL_TRY(shoal_variant_find(group, "typed_value", &typed, p->err));
  SHOAL_TRY(shoal_variant_binary(&value, &rest.bytes, p->err));
  *there = !shoal_variant_is_null(&typed) || rest.bytes.len > 0;
  if (!*there)
    return SHOAL_OK;
  if (shoal_variant_is_null(&typed))
    return print_value(p, &rest);
  if (shoal_variant_basic(typed.bytes) == SHOAL_VARIANT_ARRAY)
    return print_array(p, &typed, inner);
  if (shoal_variant_basic(typed.bytes) != SHOAL_VARIANT_OBJECT)
    return print_value(p, &typed);
  if (rest.bytes.len && shoal_variant_basic(rest.bytes) != SHOAL_VARIANT_OBJECT)
    return shoal_variant_corrupt(p->err, "what is left of an object is none");
  return print_object(p, &typed, &rest, inner);
}

static shoal_status print_group(shoal_variant_walk *p, const shoal_variant_node *group,
                                const shoal_variant_names *inner, bool *there) {
  shoal_variant_container c;
  *there = false;
  if (shoal_variant_is_null(group))
    return SHOAL_OK;
  if (shoal_variant_basic(group->bytes) != SHOAL_VARIANT_OBJECT)
    return shoal_variant_corrupt(p->err, "a part of it is no group");
  SHOAL_TRY(shoal_variant_deeper(p));
  shoal_status status = shoal_variant_open_container(p, group, &c);
  if (status == SHOAL_OK)
    status = print_parts(p, &c, inner, there);
  p->depth--;
  return status;
}

/* The whole group, which has the names of the values within. */
static shoal_status print_whole(shoal_variant_walk *p, const shoal_variant_node *group, bool *null) {
  shoal_variant_container c;
  shoal_variant_node metadata, value, typed;
  shoal_variant_names inner;
  shoal_str names, bytes;
  bool there;
  *null = shoal_variant_is_null(group);
  if (*null)
    return SHOAL_OK;
  if (shoal_variant_basic(group->bytes) != SHOAL_VARIANT_OBJECT)
    return shoal_variant_corrupt(p->err, "it is no group");
  SHOAL_TRY(shoal_variant_open_container(p, group, &c));
  SHOAL_TRY(shoal_variant_find(&c, "metadata", &metadata, p->err));
  SHOAL_TRY(shoal_variant_find(&c, "value", &value, p->err));
  SHOAL_TRY(shoal_variant_find(&c, "typed_value", &typed, p->err));
  SHOAL_TRY(shoal_variant_binary(&metadata, &names, p->err));
  SHOAL_TRY(shoal_variant_binary(&value, &bytes, p->err));
  *null = shoal_variant_is_null(&typed) && (bytes.len == 0 || bytes.ptr[0] == 0);
  if (*null)
    return SHOAL_OK;
  SHOAL_TRY(shoal_variant_open_dictionary(names, &inner, p->err));
  return print_parts(p, &c, &inner, &there);
}

shoal_status shoal_variant_json(const shoal_variant *v, shoal_buf *out, bool *null, shoal_error *err) {
  shoal_variant_names names;
  shoal_variant_walk p = {.out = out, .left = v->value.len, .err = err};
  const shoal_variant_node whole = {&names, v->value};
  SHOAL_TRY(shoal_variant_open_dictionary(v->metadata, &names, err));
  *null = shoal_variant_is_null(&whole);
  if (v->parts)
    SHOAL_TRY(print_whole(&p, &whole, null));
  else if (!*null)
    SHOAL_TRY(print_value(&p, &whole));
  return shoal_buf_check(out, err);
}
