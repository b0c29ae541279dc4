/* SPDX-License-Identifier: Apache-2.0 */
/* Variants made by hand, byte by byte, against the text that Spark has for them; and hostile ones. */
#include "support/support.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/str.h"
#include "base/variant.h"

#define BYTES(s) ((shoal_str){s, sizeof s - 1})
#define NO_NAMES BYTES("\x01\x00\x00")

static shoal_status text_of(shoal_variant v, shoal_buf *out, shoal_error *err) {
  bool null;
  shoal_buf_clear(out);
  shoal_status status = shoal_variant_json(&v, out, &null, err);
  if (status == SHOAL_OK && null)
    shoal_buf_addz(out, "(null)");
  return status;
}

/* What is written of it is the same value; of one in a single piece, the same bytes. */
static void is_written(shoal_variant v, const char *want) {
  shoal_buf metadata = {0}, value = {0}, out = {0};
  shoal_error err = {0};
  bool null = false;
  CHECK_OK(shoal_variant_binaries(&v, &metadata, &value, &null, &err), &err);
  const shoal_variant again = {shoal_buf_str(&metadata), shoal_buf_str(&value), false};
  assert_true(!null);
  assert_true(v.parts || (shoal_str_eq(again.metadata, v.metadata) && shoal_str_eq(again.value, v.value)));
  CHECK_OK(text_of(again, &out, &err), &err);
  assert_string_equal(shoal_buf_z(&out), want);
  shoal_buf_dispose(&metadata);
  shoal_buf_dispose(&value);
  shoal_buf_dispose(&out);
}

static void is(shoal_variant v, const char *want) {
  shoal_buf out = {0};
  shoal_error err = {0};
  if (text_of(v, &out, &err) < 0)
    fail_msg("%s: %s", want, err.message);
  assert_string_equal(shoal_buf_z(&out), want);
  shoal_buf_dispose(&out);
  is_written(v, want);
}

static void value_is(shoal_str value, const char *want) { is((shoal_variant){NO_NAMES, value, false}, want); }

static void is_broken(shoal_variant v, shoal_status want) {
  shoal_buf out = {0};
  shoal_error err = {0};
  assert_int_equal(text_of(v, &out, &err), want);
  assert_true(err.message[0]);
  shoal_buf_dispose(&out);
}

static void scalars(void **state) {
  (void)state;
  value_is(BYTES("\x00"), "(null)");
  value_is(BYTES("\x04"), "true");
  value_is(BYTES("\x08"), "false");
  value_is(BYTES("\x0c\x80"), "-128");
  value_is(BYTES("\x10\x39\x30"), "12345");
  value_is(BYTES("\x14\xff\xff\xff\xff"), "-1");
  value_is(BYTES("\x18\x00\x00\x00\x00\x00\x00\x00\x80"), "-9223372036854775808");
  value_is(BYTES("\x20\x02\xd2\x04\x00\x00"), "12.34");
  value_is(BYTES("\x20\x05\x01\x00\x00\x00"), "0.00001");
  value_is(BYTES("\x20\x02\x0c\xfe\xff\xff"), "-5");
  value_is(BYTES("\x20\x03\x00\x00\x00\x00"), "0");
  value_is(BYTES("\x24\x00\xe8\x03\x00\x00\x00\x00\x00\x00"), "1000");
  value_is(BYTES("\x28\x26\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
           "1.70141183460469231731687303715884105727");
  value_is(BYTES("\x28\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"),
           "-170141183460469231731687303715884105728");
  value_is(BYTES("\x2c\x00\x00\x00\x00"), "\"1970-01-01\"");
  value_is(BYTES("\x2c\xc6\x06\xf5\xff"), "\"0001-01-01\"");
  value_is(BYTES("\x2c\xff\xff\xff\x7f"), "\"+5881580-07-11\"");
  value_is(BYTES("\x30\xff\xff\xff\xff\xff\xff\xff\xff"), "\"1969-12-31 23:59:59.999999+00:00\"");
  value_is(BYTES("\x34\x20\xa1\x07\x00\x00\x00\x00\x00"), "\"1970-01-01 00:00:00.5\"");
  value_is(BYTES("\x34\x00\x00\x00\x00\x00\x00\x00\x00"), "\"1970-01-01 00:00:00\"");
  value_is(BYTES("\x48\x01\x00\x00\x00\x00\x00\x00\x00"), "\"1970-01-01 00:00:00.000000001+00:00\"");
  value_is(BYTES("\x44\x40\x42\x0f\x00\x00\x00\x00\x00"), "\"00:00:01\"");
  value_is(BYTES("\x3c\x04\x00\x00\x00\xff\xfe\x00\x01"), "\"//4AAQ==\"");
  value_is(BYTES("\x3c\x00\x00\x00\x00"), "\"\"");
  value_is(BYTES("\x50\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"),
           "\"00112233-4455-6677-8899-aabbccddeeff\"");
}

static void double_is(double x, const char *want) {
  char value[9] = {7 << 2};
  memcpy(value + 1, &x, 8);
  value_is((shoal_str){value, 9}, want);
}

static void float_is(float x, const char *want) {
  char value[5] = {14 << 2};
  memcpy(value + 1, &x, 4);
  value_is((shoal_str){value, 5}, want);
}

static void floats_are_java_s(void **state) {
  (void)state;
  double_is(0.0, "0.0");
  double_is(-0.0, "-0.0");
  double_is(1, "1.0");
  double_is(1e10, "1.0E10");
  double_is(9999999.0, "9999999.0");
  double_is(1e7, "1.0E7");
  double_is(12345678.9, "1.23456789E7");
  double_is(0.001, "0.001");
  double_is(0.012, "0.012");
  double_is(0.0009999, "9.999E-4");
  double_is(-123.456, "-123.456");
  double_is(0.1 + 0.2, "0.30000000000000004");
  double_is(4.9e-324, "4.9E-324");
  double_is(1.7976931348623157e308, "1.7976931348623157E308");
  double_is(2.2250738585072014e-308, "2.2250738585072014E-308");
  double_is(0.0 / 0.0, "\"NaN\"");
  double_is(-1.0 / 0.0, "\"-Infinity\"");
  float_is(0.1f, "0.1");
  float_is(16777216.0f, "1.6777216E7");
  float_is(3.4028235e38f, "3.4028235E38");
  float_is(1.4e-45f, "1.4E-45");
}

static void strings(void **state) {
  (void)state;
  value_is(BYTES("\x01"), "\"\"");
  value_is(BYTES("\x29"
                 "a\"\\/\n\x01\x1f\x7f\r\x00"),
           "\"a\\\"\\\\/\\n\\u0001\\u001F\x7f\\r\\u0000\"");
  value_is(BYTES("\x40\x02\x00\x00\x00"
                 "\xc3\xa4"),
           "\"\xc3\xa4\"");
  value_is(BYTES("\x0d"
                 "a\xff"
                 "b"),
           "\"a\xef\xbf\xbd"
           "b\"");
}

/* Names in the order of UTF-16: U+10000 before U+E000, whatever the order in the bytes. */
static void containers(void **state) {
  (void)state;
  value_is(BYTES("\x03\x00\x00"), "[]");
  value_is(BYTES("\x02\x00\x00"), "{}");
  value_is(BYTES("\x03\x02\x00\x02\x03\x0c\x01\x00"), "[1,null]");
  value_is(BYTES("\x13\x01\x00\x00\x00\x00\x01\x04"), "[true]");
  const shoal_str ab = BYTES("\x11\x02\x00\x01\x02"
                             "ab");
  is((shoal_variant){ab, BYTES("\x02\x02\x00\x01\x00\x02\x04\x0c\x01\x0c\x02"), false}, "{\"a\":1,\"b\":2}");
  is((shoal_variant){ab, BYTES("\x02\x02\x01\x00\x00\x02\x04\x0c\x01\x0c\x02"), false}, "{\"a\":2,\"b\":1}");
  is((shoal_variant){ab, BYTES("\x02\x02\x00\x01\x02\x00\x04\x0c\x01\x0c\x02"), false}, "{\"a\":2,\"b\":1}");
  is((shoal_variant){BYTES("\x01\x02\x00\x03\x07\xee\x80\x80\xf0\x90\x80\x80"),
                     BYTES("\x02\x02\x00\x01\x00\x01\x02\x04\x08"), false},
     "{\"\xf0\x90\x80\x80\":false,\"\xee\x80\x80\":true}");
}

/* ---- what files have ---- */

/* A binary's value. */
static void add_binary(shoal_buf *out, shoal_str s) {
  shoal_buf_addc(out, 15 << 2);
  for (unsigned i = 0; i < 4; i++)
    shoal_buf_addc(out, (char)(s.len >> 8 * i));
  shoal_buf_add(out, s);
}

/* An object of values, with the names from `ids` on. */
static void add_object(shoal_buf *out, const char *ids, const shoal_buf *values, size_t n) {
  unsigned at = 0;
  shoal_buf_addf(out, "%c%c", 2 | 1 << 2, (char)n); /* offsets of two bytes */
  shoal_buf_add(out, (shoal_str){ids, n});
  for (size_t i = 0; i <= n; i++) {
    shoal_buf_addc(out, (char)at);
    shoal_buf_addc(out, (char)(at >> 8));
    at += i < n ? (unsigned)values[i].len : 0;
  }
  for (size_t i = 0; i < n; i++)
    shoal_buf_add(out, shoal_buf_str(&values[i]));
}

#define OUTER                                                                                                          \
  BYTES("\x01\x05\x00\x08\x0d\x18\x19\x1a"                                                                             \
        "metadatavaluetyped_valueab")
enum { METADATA, VALUE, TYPED, A, B };

/* {metadata, value, typed_value}; an empty one is null. */
static void group_is(shoal_str value, shoal_str typed, const char *want) {
  shoal_buf parts[3] = {{0}}, whole = {0};
  add_binary(&parts[0], BYTES("\x11\x03\x00\x01\x02\x03"
                              "abz"));
  if (value.len)
    add_binary(&parts[1], value);
  else
    shoal_buf_addc(&parts[1], 0);
  shoal_buf_add(&parts[2], typed.len ? typed : BYTES("\x00"));
  add_object(&whole, "\x00\x01\x02", parts, 3);
  is((shoal_variant){OUTER, shoal_buf_str(&whole), true}, want);
  for (size_t i = 0; i < 3; i++)
    shoal_buf_dispose(&parts[i]);
  shoal_buf_dispose(&whole);
}

/* {value, typed_value} of a field or an element. */
static void make_part(shoal_buf *out, shoal_str value, shoal_str typed) {
  shoal_buf parts[2] = {{0}};
  if (value.len)
    add_binary(&parts[0], value);
  else
    shoal_buf_addc(&parts[0], 0);
  shoal_buf_add(&parts[1], typed.len ? typed : BYTES("\x00"));
  add_object(out, "\x01\x02", parts, 2);
  for (size_t i = 0; i < 2; i++)
    shoal_buf_dispose(&parts[i]);
}

static void shredded(void **state) {
  (void)state;
  shoal_buf fields[2] = {{0}}, object = {0};
  group_is(BYTES("\x0c\x05"), BYTES(""), "5");
  group_is(BYTES("\x00"), BYTES(""), "(null)");
  group_is(BYTES(""), BYTES(""), "(null)");
  group_is(BYTES(""), BYTES("\x0c\x07"), "7");
  group_is(BYTES(""), BYTES("\x03\x00\x00"), "[]");
  make_part(&fields[0], BYTES(""), BYTES("\x0c\x01"));
  make_part(&fields[1], BYTES("\x00"), BYTES(""));
  add_object(&object, "\x03\x04", fields, 2);
  group_is(BYTES(""), shoal_buf_str(&object), "{\"a\":1,\"b\":null}");
  shoal_buf_clear(&fields[1]);
  make_part(&fields[1], BYTES(""), BYTES("")); /* a field that is not there */
  shoal_buf_clear(&object);
  add_object(&object, "\x03\x04", fields, 2);
  group_is(BYTES(""), shoal_buf_str(&object), "{\"a\":1}");
  group_is(BYTES("\x02\x02\x01\x02\x00\x01\x02\x04\x08"), shoal_buf_str(&object), "{\"a\":1,\"b\":true,\"z\":false}");
  shoal_buf_clear(&object); /* whose elements are groups */
  add_object(&object, "\x03\x04", fields, 2);
  object.ptr[0] = 3 | 1 << 2;
  memmove(object.ptr + 2, object.ptr + 4, object.len - 4);
  object.len -= 2;
  group_is(BYTES(""), (shoal_str){object.ptr, object.len}, "[1,null]");
  for (size_t i = 0; i < 2; i++)
    shoal_buf_dispose(&fields[i]);
  shoal_buf_dispose(&object);
}

static void parts_that_do_not_fit(void **state) {
  (void)state;
  shoal_buf fields[2] = {{0}}, object = {0}, groups[3] = {{0}}, whole = {0}, metadata = {0}, value = {0};
  shoal_error err = {0};
  bool null;
  make_part(&fields[0], BYTES(""), BYTES("\x0c\x01"));
  make_part(&fields[1], BYTES(""), BYTES("\x0c\x02"));
  add_object(&object, "\x03\x03", fields, 2); /* one name twice */
  add_binary(&groups[0], BYTES("\x01\x01\x00\x01"
                               "a"));
  shoal_buf_addc(&groups[1], 0);
  shoal_buf_add(&groups[2], shoal_buf_str(&object));
  add_object(&whole, "\x00\x01\x02", groups, 3);
  const shoal_variant twice = {OUTER, shoal_buf_str(&whole), true};
  CHECK_STATUS(shoal_variant_binaries(&twice, &metadata, &value, &null, &err), SHOAL_ECORRUPT, &err);
  assert_non_null(strstr(err.message, "two fields"));
  shoal_buf_clear(&object);
  shoal_buf_clear(&groups[2]);
  shoal_buf_clear(&whole);
  add_object(&object, "\x03\x04", fields, 2); /* b, which the metadata lacks */
  shoal_buf_add(&groups[2], shoal_buf_str(&object));
  add_object(&whole, "\x00\x01\x02", groups, 3);
  const shoal_variant lacking = {OUTER, shoal_buf_str(&whole), true};
  CHECK_STATUS(shoal_variant_binaries(&lacking, &metadata, &value, &null, &err), SHOAL_ECORRUPT, &err);
  assert_non_null(strstr(err.message, "lacks the name"));
  const shoal_variant none = {OUTER, BYTES("\x00"), true};
  CHECK_OK(shoal_variant_binaries(&none, &metadata, &value, &null, &err), &err);
  assert_true(null);
  for (size_t i = 0; i < 3; i++) {
    shoal_buf_dispose(&groups[i]);
    if (i < 2)
      shoal_buf_dispose(&fields[i]);
  }
  shoal_buf_dispose(&object);
  shoal_buf_dispose(&whole);
  shoal_buf_dispose(&metadata);
  shoal_buf_dispose(&value);
}

/* ---- from JSON ---- */

static shoal_status parse(shoal_str json, shoal_buf *metadata, shoal_buf *value, shoal_error *err) {
  shoal_buf_clear(metadata);
  shoal_buf_clear(value);
  *err = (shoal_error){0};
  return shoal_variant_parse(json, metadata, value, err);
}

static void parses(const char *json, shoal_str metadata, shoal_str value) {
  shoal_buf m = {0}, v = {0};
  shoal_error err;
  CHECK_OK(parse(shoal_str_z(json), &m, &v, &err), &err);
  if (!shoal_str_eq(shoal_buf_str(&m), metadata) || !shoal_str_eq(shoal_buf_str(&v), value))
    fail_msg("%s is other bytes", json);
  shoal_buf_dispose(&m);
  shoal_buf_dispose(&v);
}

#define NO_NAME BYTES("\x11\x00\x00")

static void from_json(void **state) {
  (void)state;
  parses("null", NO_NAME, BYTES("\x00"));
  parses(" true ", NO_NAME, BYTES("\x04"));
  parses("false", NO_NAME, BYTES("\x08"));
  parses("-128", NO_NAME, BYTES("\x0c\x80"));
  parses("-0", NO_NAME, BYTES("\x0c\x00"));
  parses("128", NO_NAME, BYTES("\x10\x80\x00"));
  parses("-32769", NO_NAME, BYTES("\x14\xff\x7f\xff\xff"));
  parses("2147483648", NO_NAME, BYTES("\x18\x00\x00\x00\x80\x00\x00\x00\x00"));
  parses("9223372036854775808", NO_NAME,
         BYTES("\x28\x00\x00\x00\x00\x00\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00"));
  parses("-1.50", NO_NAME, BYTES("\x20\x02\x6a\xff\xff\xff"));
  parses("9999999999.9", NO_NAME, BYTES("\x24\x01\xff\xe7\x76\x48\x17\x00\x00\x00"));
  parses("1e2", NO_NAME, BYTES("\x1c\x00\x00\x00\x00\x00\x00\x59\x40"));
  parses("-1e999", NO_NAME, BYTES("\x1c\x00\x00\x00\x00\x00\x00\xf0\xff"));
  parses("\"\\u00e4\"", NO_NAME, BYTES("\x09\xc3\xa4"));
  parses("[1,[],null]", NO_NAME, BYTES("\x03\x03\x00\x02\x05\x06\x0c\x01\x03\x00\x00\x00"));
  parses("{\"b\":1,\"a\":{\"b\":true}}",
         BYTES("\x11\x02\x00\x01\x02"
               "ab"),
         BYTES("\x02\x02\x00\x01\x00\x06\x08\x02\x01\x01\x00\x01\x04\x0c\x01"));
}

static void refuses(shoal_str json, shoal_status want) {
  shoal_buf m = {0}, v = {0};
  shoal_error err;
  CHECK_STATUS(parse(json, &m, &v, &err), want, &err);
  shoal_buf_dispose(&m);
  shoal_buf_dispose(&v);
}

static void what_is_no_variant(void **state) {
  (void)state;
  static const char *const bad[] = {"",    " ",         "text", "{",        "[1,]", "{\"a\"}", "{\"a\":1,\"a\":2}",
                                    "NaN", "-Infinity", "[1]]", "\"\xff\"", "01",   "1.",      "'a'",
                                    "nul"};
  shoal_buf text = {0};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    refuses(shoal_str_z(bad[i]), SHOAL_EINVAL);
  for (size_t i = 0; i < SHOAL_MAX_VARIANT_DEPTH; i++)
    shoal_buf_addc(&text, '[');
  for (size_t i = 0; i < SHOAL_MAX_VARIANT_DEPTH; i++)
    shoal_buf_addc(&text, ']');
  shoal_buf m = {0}, v = {0};
  shoal_error err;
  CHECK_OK(parse(shoal_buf_str(&text), &m, &v, &err), &err);
  shoal_buf deeper = {0};
  shoal_buf_addf(&deeper, "[%s]", shoal_buf_z(&text));
  refuses(shoal_buf_str(&deeper), SHOAL_ELIMIT);
  shoal_buf_clear(&text);
  shoal_buf_addc(&text, '"');
  for (size_t i = 0; i <= SHOAL_MAX_VARIANT_BYTES; i++)
    shoal_buf_addc(&text, 'x');
  shoal_buf_addc(&text, '"');
  refuses(shoal_buf_str(&text), SHOAL_ELIMIT);
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&deeper);
  shoal_buf_dispose(&m);
  shoal_buf_dispose(&v);
}

/* A text as the other direction writes it. */
static void random_text(test_random *r, shoal_buf *out, unsigned depth) {
  uint64_t kind = test_random_below(r, depth < 5 ? 8 : 6), n = test_random_below(r, test_random_below(r, 20) ? 5 : 400);
  if (kind == 0)
    shoal_buf_addz(out, test_random_below(r, 2) ? "true" : "null");
  else if (kind == 1)
    shoal_buf_addf(out, "%lld", (long long)(int64_t)(test_random_next(r) >> test_random_below(r, 64)));
  else if (kind == 2)
    shoal_buf_addf(out, "-%llu.%llu5", (unsigned long long)(test_random_next(r) >> test_random_below(r, 64)),
                   (unsigned long long)test_random_below(r, 100000));
  else if (kind == 3)
    shoal_buf_addf(out, "%d.%dE%d", (int)test_random_below(r, 9) + 1, (int)test_random_below(r, 9) + 1,
                   (int)test_random_below(r, 200) + 7);
  else if (kind <= 5)
    shoal_buf_addf(out, "\"%.*s\\n\xc3\xa4\"", (int)test_random_below(r, 80),
                   "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890");
  for (uint64_t i = 0; kind >= 6 && i <= n; i++) {
    shoal_buf_addz(out, i == 0 ? kind == 6 ? "[" : "{" : i < n ? "," : kind == 6 ? "]" : "}");
    if (kind == 7 && i < n)
      shoal_buf_addf(out, "\"k%05llu\":", (unsigned long long)(i * 7));
    if (i < n)
      random_text(r, out, depth + 1);
    else if (i == 0)
      shoal_buf_addz(out, kind == 6 ? "]" : "}");
  }
}

static void there_and_back(void **state) {
  (void)state;
  test_random r = test_random_start("texts");
  shoal_buf text = {0}, m = {0}, v = {0}, back = {0};
  shoal_error err;
  for (uint64_t round = test_budget(2000); round-- > 0;) {
    shoal_buf_clear(&text);
    random_text(&r, &text, 0);
    CHECK_OK(parse(shoal_buf_str(&text), &m, &v, &err), &err);
    const shoal_variant made = {shoal_buf_str(&m), shoal_buf_str(&v), false};
    CHECK_OK(text_of(made, &back, &err), &err);
    assert_string_equal(shoal_buf_z(&back), shoal_str_is(shoal_buf_str(&text), "null") ? "(null)" : shoal_buf_z(&text));
  }
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&m);
  shoal_buf_dispose(&v);
  shoal_buf_dispose(&back);
}

static void broken(void **state) {
  (void)state;
  static const struct {
    shoal_str metadata, value;
  } cases[] = {
      {BYTES(""), BYTES("\x04")},
      {BYTES("\x02\x00\x00"), BYTES("\x04")},
      {BYTES("\xc1\xff\xff\xff\xff"), BYTES("\x04")},
      {BYTES("\x01\x02\x00"), BYTES("\x04")},
      {NO_NAMES, BYTES("\x14\x01")},
      {NO_NAMES, BYTES("\x40\xff\xff\xff\xff")},
      {NO_NAMES, BYTES("\x05")},
      {NO_NAMES, BYTES("\x03\x01\x00\x00")},
      {NO_NAMES, BYTES("\x13\xff\xff\xff\xff\x00")},
      {NO_NAMES, BYTES("\x03\x01\xff\x00\x04")},
      {NO_NAMES, BYTES("\x02\x01\x00\x00\x01\x04")},
      {NO_NAMES, BYTES("\x20\x27\x01\x00\x00\x00")},
      {NO_NAMES, BYTES("\x44\xff\xff\xff\xff\xff\xff\xff\xff")},
      {NO_NAMES, BYTES("\x03\x02\x00\x00\x01\x40\x01\x00\x00\x00"
                       "a")}, /* two elements of the same bytes */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    is_broken((shoal_variant){cases[i].metadata, cases[i].value, false}, SHOAL_ECORRUPT);
    is_broken((shoal_variant){cases[i].metadata, cases[i].value, true}, SHOAL_ECORRUPT);
  }
  is_broken((shoal_variant){NO_NAMES, BYTES("\xfc"), false}, SHOAL_EUNSUPPORTED);
}

/* [[[ … ]]], and arrays whose elements are all one: a text that has no end. */
static void deep_and_wide(void **state) {
  (void)state;
  char deep[4 * 1001 + 1], bomb[6 * 66 + 1];
  for (size_t i = 0; i < sizeof deep; i++)
    deep[i] = i % 4 == 0 ? 3 : i % 4 == 1 ? 1 : 0;
  is_broken((shoal_variant){NO_NAMES, {deep, sizeof deep}, false}, SHOAL_ELIMIT);
  for (size_t i = 0; i < sizeof bomb; i++) /* each with three elements, at 0, which is the next one */
    bomb[i] = i + 1 == sizeof bomb ? 4 : i % 6 == 0 ? 3 : i % 6 == 1 ? 3 : 0;
  is_broken((shoal_variant){NO_NAMES, {bomb, sizeof bomb}, false}, SHOAL_ECORRUPT);
}

/* Whatever is changed in good ones, they are read or refused; reading past them is for the sanitizer to see. */
static void flipped(void **state) {
  (void)state;
  test_random r = test_random_start("variants");
  shoal_buf out = {.max = 1 << 20}, bytes = {0};
  shoal_error err;
  bool null;
  for (uint64_t round = test_budget(200000); round-- > 0;) {
    char good[] = "\x02\x02\x00\x01\x00\x0b\x12\x03\x03\x00\x02\x04\x06\x0c\x01\x0c\x02\x0c\x03\x40\x02\x00\x00\x00xy";
    char names[] = "\x11\x02\x00\x01\x02"
                   "ab";
    size_t n = sizeof good - 1, m = sizeof names - 1;
    for (uint64_t k = 1 + test_random_below(&r, 4); k-- > 0;) {
      if (test_random_below(&r, 4))
        good[test_random_below(&r, n)] = (char)test_random_next(&r);
      else
        names[test_random_below(&r, m)] = (char)test_random_next(&r);
    }
    n = test_random_below(&r, 3) ? n : test_random_below(&r, n);
    char *value = malloc(n ? n : 1); /* of its very size */
    memcpy(value, good, n);
    const shoal_variant changed = {{names, m}, {value, n}, round % 2};
    shoal_buf_clear(&out);
    shoal_status status = shoal_variant_binaries(&changed, &out, &bytes, &null, &err);
    assert_true(status == SHOAL_OK || status == SHOAL_ECORRUPT || status == SHOAL_EUNSUPPORTED);
    shoal_buf_clear(&bytes);
    status = text_of(changed, &out, &err);
    assert_true(status == SHOAL_OK || status == SHOAL_ECORRUPT || status == SHOAL_EUNSUPPORTED);
    free(value);
  }
  shoal_buf_dispose(&out);
  shoal_buf_dispose(&bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scalars),
      cmocka_unit_test(floats_are_java_s),
      cmocka_unit_test(strings),
      cmocka_unit_test(containers),
      cmocka_unit_test(shredded),
      cmocka_unit_test(broken),
      cmocka_unit_test(deep_and_wide),
      cmocka_unit_test(flipped),
      cmocka_unit_test(parts_that_do_not_fit),
      cmocka_unit_test(from_json),
      cmocka_unit_test(what_is_no_variant),
      cmocka_unit_test(there_and_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
