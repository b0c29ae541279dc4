/* SPDX-License-Identifier: Apache-2.0 */
/* Which columns statistics are of, and the list of them as columns change. */
#include "support/support.h"

#include "base/mem.h"
#include "base/str.h"
#include "delta/stats_columns.h"

#define FIELD(name_, kind_)                                                                                            \
  {                                                                                                                    \
    .name = SHOAL_STR(name_), .physical = SHOAL_STR("p-" name_), .type = {.kind = (kind_) }                            \
  }

typedef struct table {
  shoal_field inner[3], fields[6];
  shoal_str partition;
  shoal_delta_kv pair;
  shoal_delta_metadata m;
} table;

/* a, S{x, y, l}, `we.ird`, flag, day (a partition), z */
static void set_up(table *t, const char *key, const char *value) {
  *t =
      (table){.inner = {FIELD("x", SHOAL_TYPE_LONG), FIELD("y", SHOAL_TYPE_STRING), FIELD("l", SHOAL_TYPE_ARRAY)},
              .fields = {FIELD("a", SHOAL_TYPE_LONG), FIELD("S", SHOAL_TYPE_STRUCT), FIELD("we.ird", SHOAL_TYPE_LONG),
                         FIELD("flag", SHOAL_TYPE_BOOLEAN), FIELD("day", SHOAL_TYPE_DATE), FIELD("z", SHOAL_TYPE_DATE)},
              .partition = SHOAL_STR("day"),
              .pair = {shoal_str_z(key), shoal_str_z(value)}};
  t->fields[1].type.fields = t->inner;
  t->fields[1].type.n_fields = 3;
  t->m = (shoal_delta_metadata){.schema = {t->fields, 6},
                                .partition_columns = &t->partition,
                                .n_partition_columns = 1,
                                .configuration = &t->pair,
                                .n_configuration = key != NULL};
}

static void add_fields(shoal_buf *out, const shoal_field *fields, size_t n) {
  for (size_t i = 0; i < n; i++) {
    shoal_buf_addf(out, "%s%.*s", i ? " " : "", SHOAL_FMT(fields[i].name));
    if (fields[i].type.kind == SHOAL_TYPE_STRUCT) {
      shoal_buf_addc(out, '{');
      add_fields(out, fields[i].type.fields, fields[i].type.n_fields);
      shoal_buf_addc(out, '}');
    }
  }
}

static void expect(const char *key, const char *value, const char *want) {
  shoal_error err = {0};
  shoal_arena arena = {0};
  shoal_buf text = {0};
  shoal_delta_measured got;
  table t;
  set_up(&t, key, value);
  CHECK_OK(shoal_delta_measured_columns(&t.m.schema, &t.partition, 1, &t.m, &arena, &got, &err), &err);
  add_fields(&text, got.columns.fields, got.columns.n_fields);
  CHECK_STR(shoal_buf_str(&text), want);
  shoal_buf_dispose(&text);
  shoal_arena_dispose(&arena);
}

#define ALL "a S{x y l} we.ird flag z"
static void test_chosen(void **state) {
  (void)state;
  expect(NULL, NULL, ALL);
  expect(SHOAL_DELTA_STATS_LEAVES, "-1", ALL);
  expect(SHOAL_DELTA_STATS_LEAVES, "0", "");
  expect(SHOAL_DELTA_STATS_LEAVES, "3", "a S{x y}"); /* leaves count, structs don't */
  expect(SHOAL_DELTA_STATS_LEAVES, "many", ALL);
  expect(SHOAL_DELTA_STATS_COLUMNS, "Z, A", "a z");
  expect(SHOAL_DELTA_STATS_COLUMNS, "s", "S{x y l}");
  expect(SHOAL_DELTA_STATS_COLUMNS, "s.Y,`we.ird`,gone,day", "S{y} we.ird"); /* others may name what is not there */
  expect(SHOAL_DELTA_STATS_COLUMNS, "we.ird", "");
  expect(SHOAL_DELTA_STATS_COLUMNS, "", "");
  expect(SHOAL_DELTA_STATS_COLUMNS, "a,,", ALL);
}

static void test_lengths(void **state) {
  static const struct {
    const char *value;
    size_t chars;
  } cases[] = {{"5", 5}, {"0", 0}, {"-1", 32}, {"x", 32}, {"99999999999", INT32_MAX}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_error err = {0};
    shoal_arena arena = {0};
    shoal_delta_measured got;
    table t;
    set_up(&t, SHOAL_DELTA_STATS_CHARS, cases[i].value);
    CHECK_OK(shoal_delta_measured_columns(&t.m.schema, &t.partition, 1, &t.m, &arena, &got, &err), &err);
    assert_int_equal(got.chars, cases[i].chars);
    shoal_arena_dispose(&arena);
  }
}

static void test_checked(void **state) {
  static const char *const good[] = {"a", "A,s.x , S.Y", "`s`", "`we.ird`,z", ""}, *const bad[] = {
                                                                                       "nope",        "s.nope", "a.x",
                                                                                       "s.l.element", "a,A",    "s,s.x",
                                                                                       "s.x,s",       "day",    "flag",
                                                                                       "s.l",         "we.ird"};
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    shoal_error err = {0};
    table t;
    set_up(&t, SHOAL_DELTA_STATS_COLUMNS, good[i]);
    CHECK_OK(shoal_delta_stats_columns_check(&t.m, &err), &err);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    shoal_error err = {0};
    table t;
    set_up(&t, SHOAL_DELTA_STATS_COLUMNS, bad[i]);
    CHECK_STATUS(shoal_delta_stats_columns_check(&t.m, &err), SHOAL_EINVAL, &err);
  }
}

static void renamed(const char *list, const char *from, const char *to, const char *want) {
  shoal_error err = {0};
  shoal_arena arena = {0};
  table t;
  set_up(&t, SHOAL_DELTA_STATS_COLUMNS, list);
  CHECK_OK(shoal_delta_stats_columns_rename(&t.m, shoal_str_z(from), shoal_str_z(to), &arena, &err), &err);
  CHECK_STR(shoal_delta_config(&t.m, SHOAL_DELTA_STATS_COLUMNS), want);
  shoal_arena_dispose(&arena);
}

static void test_renamed(void **state) {
  (void)state;
  renamed("a, s.x,`we.ird`, Z", "a", "a b", "`a b`,s.x,`we.ird`,Z");
  renamed("a, s.x,`we.ird`, Z", "S", "t`u", "a,`t``u`.x,`we.ird`,Z");
  renamed("a, s.x,`we.ird`, Z", "we.ird", "w", "a,s.x,w,Z");
  renamed("a, s.x,`we.ird`, Z", "z", "1st", "a,s.x,`we.ird`,`1st`");
  renamed("a, s.x,`we.ird`, Z", "s", NULL, "a,`we.ird`,Z");
  renamed("a, s.x", "flag", "f", "a, s.x"); /* as it was given */
  renamed("a", "A", NULL, "");
  renamed("a,,", "a", NULL, "a,,");
}

static void test_measured(void **state) {
  (void)state;
  const shoal_str x[] = {SHOAL_STR("S"), SHOAL_STR("x")}, z = SHOAL_STR("z");
  shoal_error err = {0};
  shoal_arena arena = {0};
  table t;
  bool is;
  set_up(&t, SHOAL_DELTA_STATS_COLUMNS, "s.x");
  CHECK_OK(shoal_delta_is_measured(&t.m, x, 2, &arena, &is, &err), &err);
  assert_true(is);
  CHECK_OK(shoal_delta_is_measured(&t.m, &z, 1, &arena, &is, &err), &err);
  assert_false(is);
  shoal_arena_dispose(&arena);
}

static shoal_status all_of_it(table *t, shoal_arena *arena, shoal_error *err) {
  shoal_delta_measured measured;
  SHOAL_TRY(shoal_delta_stats_columns_check(&t->m, err));
  SHOAL_TRY(shoal_delta_measured_columns(&t->m.schema, &t->partition, 1, &t->m, arena, &measured, err));
  return shoal_delta_stats_columns_rename(&t->m, SHOAL_STR("a"), SHOAL_STR("b c"), arena, err);
}

static void test_allocations(void **state) {
  (void)state;
  shoal_status status = SHOAL_ENOMEM;
  for (uint64_t n = 1; status != SHOAL_OK; n++) {
    shoal_error err = {0};
    shoal_arena arena = {0};
    table t;
    set_up(&t, SHOAL_DELTA_STATS_COLUMNS, "a,`we.ird`,s.x");
    shoal_mem_fail_at(n, 0);
    status = all_of_it(&t, &arena, &err);
    shoal_mem_fail_at(0, 0);
    if (status < 0)
      CHECK_STATUS(status, SHOAL_ENOMEM, &err);
    else
      CHECK_STR(shoal_delta_config(&t.m, SHOAL_DELTA_STATS_COLUMNS), "`b c`,`we.ird`,s.x");
    shoal_arena_dispose(&arena);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_chosen),   cmocka_unit_test(test_lengths),
                                     cmocka_unit_test(test_checked),  cmocka_unit_test(test_renamed),
                                     cmocka_unit_test(test_measured), cmocka_unit_test(test_allocations)};
  return cmocka_run_group_tests_name("delta/stats_columns", tests, NULL, NULL);
}
