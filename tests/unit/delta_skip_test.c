/* SPDX-License-Identifier: Apache-2.0 */
/* Filters as the engine writes them, judged by a file's statistics and partition values. */
#include <string.h>

#include "delta/delta_internal.h"
#include "support/support.h"

enum { ID, NAME, X, N, D, TS, TZ, F, S, PART, PDAY, PTZ, N_COLUMNS };

static shoal_field inner[] = {
    {.name = SHOAL_STR("a"), .physical = SHOAL_STR("col-a"), .type = {.kind = SHOAL_TYPE_INTEGER}}};
static shoal_field fields[] = {
    [ID] = {.name = SHOAL_STR("id"), .physical = SHOAL_STR("col-1"), .type = {.kind = SHOAL_TYPE_LONG}},
    [NAME] = {.name = SHOAL_STR("name"), .physical = SHOAL_STR("name"), .type = {.kind = SHOAL_TYPE_STRING}},
    [X] = {.name = SHOAL_STR("x"), .physical = SHOAL_STR("x"), .type = {.kind = SHOAL_TYPE_DOUBLE}},
    [N] = {.name = SHOAL_STR("n"),
           .physical = SHOAL_STR("n"),
           .type = {.kind = SHOAL_TYPE_DECIMAL, .precision = 38, .scale = 2}},
    [D] = {.name = SHOAL_STR("d"), .physical = SHOAL_STR("d"), .type = {.kind = SHOAL_TYPE_DATE}},
    [TS] = {.name = SHOAL_STR("ts"), .physical = SHOAL_STR("ts"), .type = {.kind = SHOAL_TYPE_TIMESTAMP_NTZ}},
    [TZ] = {.name = SHOAL_STR("tz"), .physical = SHOAL_STR("tz"), .type = {.kind = SHOAL_TYPE_TIMESTAMP}},
    [F] = {.name = SHOAL_STR("f"), .physical = SHOAL_STR("f"), .type = {.kind = SHOAL_TYPE_FLOAT}},
    [S] = {.name = SHOAL_STR("s"),
           .physical = SHOAL_STR("s"),
           .type = {.kind = SHOAL_TYPE_STRUCT, .fields = inner, .n_fields = 1}},
    [PART] = {.name = SHOAL_STR("part"), .physical = SHOAL_STR("part"), .type = {.kind = SHOAL_TYPE_INTEGER}},
    [PDAY] = {.name = SHOAL_STR("pday"), .physical = SHOAL_STR("pday"), .type = {.kind = SHOAL_TYPE_DATE}},
    [PTZ] = {.name = SHOAL_STR("ptz"), .physical = SHOAL_STR("ptz"), .type = {.kind = SHOAL_TYPE_TIMESTAMP}}};
static shoal_str partitions[] = {{"part", 4}, {"pday", 4}, {"ptz", 3}};
static const shoal_delta_kv values[] = {
    {{"part", 4}, {"7", 1}}, {{"pday", 4}, {"", 0}}, {{"ptz", 3}, {"2020-01-01 00:00:00", 19}}};

#define STATS                                                                                                          \
  "{\"numRecords\":10,\"minValues\":{\"col-1\":-5,\"name\":\"b\",\"x\":1.5,\"n\":-12345678901234567890123456789.25,"   \
  "\"d\":\"2020-01-01\",\"ts\":\"2020-01-01T00:00:00.001\",\"tz\":\"2020-01-01T02:00:00.000+02:00\",\"f\":1.1,"        \
  "\"s\":{\"col-a\":3}},\"maxValues\":{\"col-1\":12,\"name\":\"d\",\"x\":2.5,\"n\":0.10,\"d\":\"2020-01-31\","         \
  "\"ts\":\"2020-01-02T00:00:00.000\",\"tz\":\"2020-01-02T00:00:00.000Z\",\"f\":9.5,\"s\":{\"col-a\":4}},"             \
  "\"nullCount\":{\"col-1\":0,\"name\":10,\"x\":3,\"s\":{\"col-a\":0}}}"

static bool may(const char *filter, const char *stats) {
  shoal_delta_snapshot s = {
      .metadata = {.schema = {fields, N_COLUMNS}, .partition_columns = partitions, .n_partition_columns = 3}};
  shoal_delta_file file = {
      .path = SHOAL_STR("x"), .stats = shoal_str_z(stats), .partition_values = values, .n_partition_values = 3};
  const shoal_delta_file *files[] = {&file};
  shoal_arena arena = {0};
  shoal_predicate p;
  assert_int_equal(shoal_predicate_parse(shoal_str_z(filter), N_COLUMNS, &arena, &p, NULL), SHOAL_OK);
  bool answer;
  assert_int_equal(shoal_delta_match(shoal_delta_bounds(&s, files, 1, &arena), &p, 1, &answer, NULL), SHOAL_OK);
  shoal_arena_dispose(&arena);
  return answer;
}

#define C(n) "shoal_column_" #n

static void bounds_leave_files_out(void **state) {
  (void)state;
  static const char *const never[] = {C(0) "=13",
                                      C(0) "=-6",
                                      C(0) "<-5",
                                      C(0) "<=-6",
                                      C(0) ">12",
                                      C(0) ">=13",
                                      C(0) ">=13 AND " C(0) "<=20",
                                      C(0) " IN (13, -6, 100)",
                                      "optional: " C(0) "=13 OR " C(0) "=14",
                                      "((" C(0) " = 13) OR (" C(0) " = 14))",
                                      "(NOT (" C(0) " <= 12))",
                                      "(" C(0) " IS NULL)",
                                      "(NOT (" C(0) " IS NOT NULL))",
                                      C(0) "=99999999999999999999",
                                      C(0) "=12.5",
                                      C(2) "<1.5",
                                      C(2) "=1.0",
                                      C(2) "<=1e0",
                                      C(3) "<-12345678901234567890123456789.26",
                                      C(3) ">0.1",
                                      C(3) "=.11",
                                      C(4) "<'2020-01-01'::DATE",
                                      C(4) ">='2020-02-01'::DATE",
                                      "(CAST(" C(4) " AS TIMESTAMP) > '2020-01-31 00:00:00'::TIMESTAMP)",
                                      "(CAST(" C(4) " AS TIMESTAMP) < '2020-01-01 00:00:00'::TIMESTAMP)",
                                      "(CAST(" C(4) " AS TIMESTAMP) BETWEEN '2020-01-31 00:00:01'::TIMESTAMP AND "
                                                    "'2021-01-01 00:00:00'::TIMESTAMP)",
                                      "(CAST(" C(4) " AS TIMESTAMP) IN ('2019-01-31 00:00:00'::TIMESTAMP))",
                                      C(0) " BETWEEN 13 AND 20",
                                      C(5) ">='2020-01-02 00:00:00.002'::TIMESTAMP",
                                      C(5) "<'2019-12-31 23:59:59'::TIMESTAMP",
                                      C(6) ">'2020-01-02 00:00:01+00'::TIMESTAMP WITH TIME ZONE",
                                      C(7) "<1.1",
                                      C(8) ".a=5",
                                      C(8) ".a<3",
                                      C(9) "=8",
                                      C(9) "!=7",
                                      "(" C(9) " IS NULL)",
                                      "(NOT (" C(9) " = 7))",
                                      C(9) " IN (1, 2)",
                                      "(" C(10) " IS NOT NULL)",
                                      C(10) "='2020-01-01'::DATE",
                                      C(0) "=1 AND " C(9) "=8"};
  for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
    if (may(never[i], STATS))
      fail_msg("%s", never[i]);
  }
  assert_false(may(C(1) "='c'", STATS)); /* all rows are null */
  assert_false(may("(" C(1) " IS NOT NULL)", STATS));
}

static void doubt_keeps_files(void **state) {
  (void)state;
  static const char *const maybe[] = {"",
                                      C(0) "=12",
                                      C(0) "!=5",
                                      C(0) "=-5",
                                      C(0) "<=-5",
                                      C(0) ">11",
                                      C(0) "=13 OR " C(0) "=3",
                                      C(0) "='13'",
                                      C(0) "=1.3e1",
                                      C(0) "=13::DOUBLE",
                                      "abs(" C(0) ")=13",
                                      C(0) "=13 AND",
                                      C(0) "=13)",
                                      C(0) "+1=99",
                                      "CAST(" C(0) " AS VARCHAR)='13'",
                                      C(0) " IN (13, NULL)",
                                      C(0) "=NULL",
                                      C(0) "=-13 OR abs(1)=1",
                                      C(99) "=1",
                                      "id=13",
                                      C(1) " IS NULL",
                                      "(" C(2) " IS NULL)",
                                      "(" C(2) " IS NOT NULL)",
                                      C(2) ">100.0",
                                      C(2) "=100.0",
                                      C(2) ">='nan'::DOUBLE",
                                      "(NOT (" C(2) " <= 100.0))",
                                      C(3) "=0.10",
                                      C(4) "='2020-01-31'::DATE",
                                      C(4) "='2020-02-01'",
                                      "(CAST(" C(4) " AS TIMESTAMP) >= '2020-01-31 00:00:00'::TIMESTAMP)",
                                      "(CAST(" C(4) " AS TIMESTAMP) IS NULL)",
                                      "(CAST(" C(4) " AS DATE) > '2020-01-31 00:00:00'::TIMESTAMP)",
                                      "(CAST(" C(0) " AS TIMESTAMP) = '2030-01-31 00:00:00'::TIMESTAMP)",
                                      "(CAST(" C(6) " AS TIMESTAMP) = '2030-01-31 00:00:00'::TIMESTAMP)",
                                      "(CAST(" C(4) ") > '2020-01-31 00:00:00'::TIMESTAMP)",
                                      C(0) " BETWEEN 12 AND 20",
                                      C(0) " BETWEEN 13 OR 20",
                                      C(5) "='2020-01-02 00:00:00.000999'::TIMESTAMP",
                                      C(5) ">'2020-01-02 00:00:00'::TIMESTAMP",
                                      C(5) "='2020-01-01 00:00:00.0005'::TIMESTAMP",
                                      C(6) "='2020-01-01 00:00:00+00'::TIMESTAMP WITH TIME ZONE",
                                      C(6) ">'2020-01-03'::TIMESTAMP",
                                      C(7) "=1.1",
                                      C(7) "=1.10",
                                      C(8) ".a=3",
                                      C(8) ".b=9",
                                      "(" C(8) ".a IS NULL)",
                                      "(" C(8) " IS NULL)",
                                      C(9) "=7",
                                      "(" C(10) " IS NULL)",
                                      C(11) "='2021-01-01 00:00:00+00'::TIMESTAMP WITH TIME ZONE",
                                      C(0) "~13",
                                      "\xff"};
  for (size_t i = 0; i < sizeof maybe / sizeof *maybe; i++) {
    if (!may(maybe[i], STATS))
      fail_msg("%s", maybe[i]);
  }
  static const char *const odd[] = {
      "",
      "{",
      "{}",
      "[]",
      "{\"minValues\":3,\"maxValues\":{\"col-1\":\"12\"}}",
      "{\"minValues\":{\"col-1\":null},\"maxValues\":{\"col-1\":[1]},\"nullCount\":{\"col-1\":\"x\"}}",
      "{\"numRecords\":10,\"maxValues\":{\"col-1\":1e1}}"};
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
    assert_true(may(C(0) "=13", odd[i]));
}

static void deep_filters_are_unknown(void **state) {
  (void)state;
  shoal_buf text = {0};
  for (int i = 0; i < 100000; i++)
    shoal_buf_addc(&text, '(');
  assert_true(may(shoal_buf_z(&text), STATS));
  shoal_buf_clear(&text);
  shoal_buf_addz(&text, C(0) " IN (");
  for (int i = 100; i < 20000; i++)
    shoal_buf_addf(&text, "%d, ", i);
  shoal_buf_addz(&text, "13)");
  assert_false(may(shoal_buf_z(&text), STATS));
  shoal_buf_dispose(&text);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(bounds_leave_files_out), cmocka_unit_test(doubt_keeps_files),
                                     cmocka_unit_test(deep_filters_are_unknown)};
  return cmocka_run_group_tests_name("delta_skip", tests, NULL, NULL);
}
