/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of files: every bound is one (S1 … S4 of delta/stats.c). */
#include "support/support.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "delta/delta.h"

/* The stats of a file with one column "c". */
static void expect_cut(shoal_type_kind kind, const char *min, const char *max, bool nan, size_t length,
                       const char *want) {
  shoal_error err = {0};
  shoal_str name = SHOAL_STR("c");
  shoal_field field = {.name = name, .type = {.kind = kind}};
  shoal_column_stats stats = {.path = &name,
                              .n_path = 1,
                              .kind = kind,
                              .min = shoal_str_z(min),
                              .max = shoal_str_z(max),
                              .null_count = 1,
                              .has_nan = nan};
  shoal_output_file file = {.rows = 3, .stats = &stats, .n_stats = 1};
  shoal_buf out = {0}, all = {0};
  shoal_buf_addf(&all, "{\"numRecords\":3,%s,\"nullCount\":{\"c\":1}}", want);
  CHECK_OK(shoal_delta_stats_json(&file, &(shoal_delta_measured){{&field, 1}, length}, &out, &err), &err);
  CHECK_STR(shoal_buf_str(&out), shoal_buf_z(&all));
  shoal_buf_dispose(&all);
  shoal_buf_dispose(&out);
}
static void expect(shoal_type_kind kind, const char *min, const char *max, bool nan, const char *want) {
  expect_cut(kind, min, max, nan, 32, want);
}
#define BOUNDS(a, b) "\"minValues\":{\"c\":" a "},\"maxValues\":{\"c\":" b "}"
#define NOTHING "\"minValues\":{},\"maxValues\":{}"

static void test_values(void **state) {
  (void)state;
  expect(SHOAL_TYPE_LONG, "-9223372036854775808", "7", false, BOUNDS("-9223372036854775808", "7"));
  expect(SHOAL_TYPE_DECIMAL, "-0.10", "12345678901234567890123456789012345.678", false,
         BOUNDS("-0.10", "12345678901234567890123456789012345.678"));
  expect(SHOAL_TYPE_DOUBLE, "1e-07", "1e+20", false, BOUNDS("1e-07", "1e+20"));
  expect(SHOAL_TYPE_DOUBLE, "1", "2", true, NOTHING);
  expect(SHOAL_TYPE_DOUBLE, "-inf", "inf", false, NOTHING);
  expect(SHOAL_TYPE_BOOLEAN, "false", "true", false, NOTHING);
  expect(SHOAL_TYPE_BINARY, "00", "ff", false, NOTHING);
  expect(SHOAL_TYPE_DATE, "1969-12-31", "2024-02-29", false, BOUNDS("\"1969-12-31\"", "\"2024-02-29\""));
  expect(SHOAL_TYPE_DATE, "0001-01-01 (BC)", "10000-01-01", false, NOTHING);
  expect(SHOAL_TYPE_LONG, NULL, NULL, false, NOTHING);
}

static void test_timestamps(void **state) {
  (void)state;
  expect(SHOAL_TYPE_TIMESTAMP, "2020-01-01 00:00:00.123456+00", "2020-01-01 00:00:00.123456+00", false,
         BOUNDS("\"2020-01-01T00:00:00.123Z\"", "\"2020-01-01T00:00:00.124Z\""));
  expect(SHOAL_TYPE_TIMESTAMP_NTZ, "1969-12-31 23:59:59.999999", "2020-01-01 00:00:00", false,
         BOUNDS("\"1969-12-31T23:59:59.999\"", "\"2020-01-01T00:00:00.000\""));
  expect(SHOAL_TYPE_TIMESTAMP, "2020-01-01 01:00:00+01", "2020-12-31 23:59:59.9999+00", false,
         BOUNDS("\"2020-01-01T00:00:00.000Z\"", "\"2021-01-01T00:00:00.000Z\""));
}

#define A31 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TOP "\xf4\x8f\xbf\xbf"
#define TOP8 TOP TOP TOP TOP TOP TOP TOP TOP
static void test_strings(void **state) {
  (void)state;
  expect(SHOAL_TYPE_STRING, "", "a\"\n", false, BOUNDS("\"\"", "\"a\\\"\\n\""));
  expect(SHOAL_TYPE_STRING, A31 "b", A31 "b", false, BOUNDS("\"" A31 "b\"", "\"" A31 "b\""));
  expect(SHOAL_TYPE_STRING, A31 "bc", A31 "bc", false, BOUNDS("\"" A31 "b\"", "\"" A31 "b\x7f\""));
  expect(SHOAL_TYPE_STRING, A31 "\xc3\xa4\x7f", A31 "\xc3\xa4\x7f", false,
         BOUNDS("\"" A31 "\xc3\xa4\"", "\"" A31 "\xc3\xa4" TOP "\""));
  expect(SHOAL_TYPE_STRING, A31 "b" TOP "c", A31 "b" TOP "c", false, BOUNDS("\"" A31 "b\"", "\"" A31 "b" TOP "\x7f\""));
  expect(SHOAL_TYPE_STRING, "\xff", "\xff", false, NOTHING);
  expect(SHOAL_TYPE_STRING, "a", TOP8 TOP8 TOP8 TOP8 TOP8 TOP8 TOP8 TOP8 "z", false,
         "\"minValues\":{\"c\":\"a\"},\"maxValues\":{\"c\":\"" TOP8 TOP8 TOP8 TOP8 TOP8 TOP8 TOP8 TOP8 "\x7f\"}");
  expect(SHOAL_TYPE_STRING, "a", TOP8 TOP8 TOP8 TOP8 TOP8 TOP8 TOP8 TOP8 TOP "z", false,
         "\"minValues\":{\"c\":\"a\"},\"maxValues\":{}");
}

/* delta.dataSkippingStringPrefixLength */
static void test_lengths(void **state) {
  (void)state;
  shoal_buf mostly = {0};
  expect_cut(SHOAL_TYPE_STRING, "abc", "abd", false, 2, BOUNDS("\"ab\"", "\"ab\x7f\""));
  expect_cut(SHOAL_TYPE_STRING, "abc", "ab\xc3\xa4", false, 2, BOUNDS("\"ab\"", "\"ab" TOP "\""));
  expect_cut(SHOAL_TYPE_STRING, "abc", "abd", false, 3, BOUNDS("\"abc\"", "\"abd\""));
  expect_cut(SHOAL_TYPE_STRING, "a", "a" TOP TOP "b", false, 1, "\"minValues\":{\"c\":\"a\"},\"maxValues\":{}");
  expect_cut(SHOAL_TYPE_STRING, "a", "b", false, 0, BOUNDS("\"\"", "\"\x7f\""));
  for (int i = 0; i < 100; i++)
    shoal_buf_addz(&mostly, "0123456789");
  shoal_buf want = {0};
  shoal_buf_addf(&want, "\"minValues\":{\"c\":\"%s\"},\"maxValues\":{\"c\":\"%s\"}", shoal_buf_z(&mostly),
                 shoal_buf_z(&mostly));
  expect_cut(SHOAL_TYPE_STRING, shoal_buf_z(&mostly), shoal_buf_z(&mostly), false, 1000, shoal_buf_z(&want));
  shoal_buf_dispose(&mostly);
  shoal_buf_dispose(&want);
}

static void test_nested_and_leaves(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_buf out = {0};
  char names[40][8];
  shoal_str paths[42][2];
  shoal_column_stats stats[41];
  shoal_field fields[41], inner = {.name = SHOAL_STR("x"), .type = {.kind = SHOAL_TYPE_LONG}};
  for (size_t i = 0; i < 40; i++) {
    snprintf(names[i], sizeof names[i], "c%zu", i);
    paths[i][0] = shoal_str_z(names[i]);
    fields[i + 1] = (shoal_field){.name = paths[i][0], .type = {.kind = SHOAL_TYPE_LONG}};
    stats[i + 1] = (shoal_column_stats){.path = paths[i], .n_path = 1, .null_count = -1, .min = SHOAL_STR("1")};
  }
  fields[0] =
      (shoal_field){.name = SHOAL_STR("s"), .type = {.kind = SHOAL_TYPE_STRUCT, .fields = &inner, .n_fields = 1}};
  paths[40][0] = SHOAL_STR("s");
  paths[40][1] = SHOAL_STR("x");
  stats[0] = (shoal_column_stats){.path = paths[40], .n_path = 2, .null_count = 5, .min = SHOAL_STR("3")};
  shoal_output_file file = {.rows = 9, .stats = stats, .n_stats = 41};
  shoal_arena arena = {0};
  shoal_delta_measured measured;
  CHECK_OK(shoal_delta_measured_columns(&(shoal_schema){fields, 41}, NULL, 0, NULL, &arena, &measured, &err), &err);
  CHECK_OK(shoal_delta_stats_json(&file, &measured, &out, &err), &err);
  assert_non_null(strstr(shoal_buf_z(&out), "\"minValues\":{\"s\":{\"x\":3},\"c0\":1,"));
  assert_non_null(strstr(shoal_buf_z(&out), "\"c30\":1},\"maxValues\":{},\"nullCount\":{\"s\":{\"x\":5}}}"));
  shoal_buf_dispose(&out);
  shoal_arena_dispose(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_timestamps),
                                     cmocka_unit_test(test_strings), cmocka_unit_test(test_lengths),
                                     cmocka_unit_test(test_nested_and_leaves)};
  return cmocka_run_group_tests_name("delta/stats", tests, NULL, NULL);
}
