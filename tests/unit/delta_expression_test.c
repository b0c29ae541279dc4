/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions of tables: what they are worth where Spark and the engine agree, and that all else is refused (X1). */
#include "support/support.h"

#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "delta/expression.h"

/* One row with a column of each kind, as the engine's SQL and as a table's schema. */
#define ROW                                                                                                            \
  "SELECT 7::TINYINT AS b, 5 AS i, 3000000000 AS l, 1.5::FLOAT AS f, 0.5::DOUBLE AS d, 12.34::DECIMAL(10,2) AS dec, "  \
  "'h\xc3\xa4llo' AS s, true AS yes, NULL::BIGINT AS hole, DATE '2024-02-29' AS day, "                                 \
  "TIMESTAMPTZ '2024-02-29 23:30:15.5+00' AS at, TIMESTAMP '2024-02-29 23:30:15' AS ntz, {'x': 1, 'Y z': 'in'} AS "    \
  "st, [1] AS arr, DATE '2000-01-01' AS date, 'u' AS \"user\", 1::DECIMAL(38,0) AS huge"

static shoal_field st_fields[] = {{.name = SHOAL_STR("x"), .type = {.kind = SHOAL_TYPE_INTEGER}},
                                  {.name = SHOAL_STR("Y z"), .type = {.kind = SHOAL_TYPE_STRING}}};
static shoal_field element = {.name = SHOAL_STR("element"), .type = {.kind = SHOAL_TYPE_INTEGER}};
static shoal_field columns[] = {
    {.name = SHOAL_STR("b"), .type = {.kind = SHOAL_TYPE_BYTE}},
    {.name = SHOAL_STR("i"), .type = {.kind = SHOAL_TYPE_INTEGER}},
    {.name = SHOAL_STR("l"), .type = {.kind = SHOAL_TYPE_LONG}},
    {.name = SHOAL_STR("f"), .type = {.kind = SHOAL_TYPE_FLOAT}},
    {.name = SHOAL_STR("d"), .type = {.kind = SHOAL_TYPE_DOUBLE}},
    {.name = SHOAL_STR("dec"), .type = {.kind = SHOAL_TYPE_DECIMAL, .precision = 10, .scale = 2}},
    {.name = SHOAL_STR("s"), .type = {.kind = SHOAL_TYPE_STRING}},
    {.name = SHOAL_STR("yes"), .type = {.kind = SHOAL_TYPE_BOOLEAN}},
    {.name = SHOAL_STR("hole"), .type = {.kind = SHOAL_TYPE_LONG}},
    {.name = SHOAL_STR("day"), .type = {.kind = SHOAL_TYPE_DATE}},
    {.name = SHOAL_STR("at"), .type = {.kind = SHOAL_TYPE_TIMESTAMP}},
    {.name = SHOAL_STR("ntz"), .type = {.kind = SHOAL_TYPE_TIMESTAMP_NTZ}},
    {.name = SHOAL_STR("st"), .type = {.kind = SHOAL_TYPE_STRUCT, .fields = st_fields, .n_fields = 2}},
    {.name = SHOAL_STR("arr"), .type = {.kind = SHOAL_TYPE_ARRAY, .fields = &element, .n_fields = 1}},
    {.name = SHOAL_STR("date"), .type = {.kind = SHOAL_TYPE_DATE}},
    {.name = SHOAL_STR("user"), .type = {.kind = SHOAL_TYPE_STRING}},
    {.name = SHOAL_STR("code"),
     .type = {.kind = SHOAL_TYPE_STRING},
     .metadata = SHOAL_STR("{\"__CHAR_VARCHAR_TYPE_STRING\":\"char(3)\"}")},
    {.name = SHOAL_STR("huge"), .type = {.kind = SHOAL_TYPE_DECIMAL, .precision = 38}},
};
static const shoal_schema schema = {columns, sizeof columns / sizeof *columns};

static shoal_engine *open_engine(void) {
  shoal_error err = {0};
  shoal_engine *engine;
  shoal_engine_config config = {.threads = 1, .memory = 256u << 20, .locked = true};
  CHECK_OK(shoal_engine_open_duckdb(&config, &engine, &err), &err);
  return engine;
}

/* The value of a translated expression for the row. */
static void check_value(shoal_engine *engine, shoal_str sql, const char *text, const char *want) {
  shoal_error err = {0};
  shoal_buf query = {0};
  shoal_rows *rows;
  shoal_buf_addf(&query, "SELECT CAST((%.*s) AS VARCHAR) FROM (" ROW ")", SHOAL_FMT(sql));
  CHECK_OK(shoal_engine_query(engine, &(shoal_job){.sql = shoal_buf_str(&query)}, &rows, &err), &err);
  CHECK_OK(shoal_rows_next(rows, &err), &err);
  shoal_str got = shoal_rows_text(rows, 0);
  if (!shoal_str_eq(got.ptr ? got : SHOAL_STR("NULL"), shoal_str_z(want)))
    fail_msg("%s is %.*s, not %s (%.*s)", text, SHOAL_FMT(got), want, SHOAL_FMT(sql));
  shoal_rows_free(rows);
  shoal_buf_dispose(&query);
}

/* In type `as`; SHOAL_TYPE_VOID: as a condition. */
typedef struct example {
  const char *text;
  shoal_type_kind as;
  const char *want;
} example;

static shoal_status translate(shoal_engine *engine, const example *x, bool clock, shoal_arena *arena, shoal_str *sql,
                              shoal_error *err) {
  const shoal_delta_expression e = {
      .owner = "the test", .text = shoal_str_z(x->text), .schema = &schema, .clock = clock};
  const shoal_type type = {.kind = x->as, .precision = 20, .scale = 4};
  return shoal_delta_expression_sql(&e, x->as == SHOAL_TYPE_VOID ? NULL : &type, engine, arena, NULL, sql, err);
}

static const example agreed[] = {
    {"i > 3", SHOAL_TYPE_VOID, "true"},
    {"`i` >= 3 AND NOT l < 5", SHOAL_TYPE_VOID, "true"},
    {"hole > 1", SHOAL_TYPE_VOID, "NULL"},
    {"hole > 1 OR i == 5", SHOAL_TYPE_VOID, "true"},
    {"hole IS NULL", SHOAL_TYPE_VOID, "true"},
    {"NULL", SHOAL_TYPE_VOID, "NULL"},
    {"yes", SHOAL_TYPE_VOID, "true"},
    {"yes = false", SHOAL_TYPE_VOID, "false"},
    {"yes IS NOT TRUE", SHOAL_TYPE_VOID, "false"},
    {"i <> 5", SHOAL_TYPE_VOID, "false"},
    {"i IN (1, 5)", SHOAL_TYPE_VOID, "true"},
    {"i NOT IN (1, hole)", SHOAL_TYPE_VOID, "NULL"},
    {"i BETWEEN 5 AND 6 AND l NOT BETWEEN 1 AND 2", SHOAL_TYPE_VOID, "true"},
    {"s LIKE 'h_ll%'", SHOAL_TYPE_VOID, "true"},
    {"s NOT LIKE 'H%'", SHOAL_TYPE_VOID, "true"},
    {"b + 125 = 132", SHOAL_TYPE_VOID, "true"}, /* the literal is an int, so the sum is */
    {"d < 0.6 AND d > 1e-3 AND d = 0.5", SHOAL_TYPE_VOID, "true"},
    {"f > 1 AND f = d + f - d", SHOAL_TYPE_VOID, NULL},
    {"f = 1.5", SHOAL_TYPE_VOID, NULL}, /* as float or as double? */
    {"f > 1", SHOAL_TYPE_VOID, "true"},
    {"dec * 2 = 24.68 AND dec > 12.339 AND -dec < 0", SHOAL_TYPE_VOID, "true"},
    {"dec > d", SHOAL_TYPE_VOID, NULL},
    {"huge * huge > 0", SHOAL_TYPE_VOID, NULL},
    {"huge > 0.5", SHOAL_TYPE_VOID, NULL},
    {"day > '2024-02-28' AND day < date'2024-03-01'", SHOAL_TYPE_VOID, "true"},
    {"day > '2024-2-28'", SHOAL_TYPE_VOID, NULL},
    {"day > 'today'", SHOAL_TYPE_VOID, NULL},
    {"at >= '2024-02-29 23:30:15.5' AND at < TIMESTAMP '2024-03-01 00:00:00'", SHOAL_TYPE_VOID, "true"},
    {"at > '2024-02-29T00:00:00Z'", SHOAL_TYPE_VOID, NULL},
    {"ntz = '2024-02-29 23:30:15'", SHOAL_TYPE_VOID, "true"},
    {"at = ntz", SHOAL_TYPE_VOID, NULL},
    {"s > 5", SHOAL_TYPE_VOID, NULL},
    {"i > '5'", SHOAL_TYPE_VOID, NULL},
    {"i", SHOAL_TYPE_VOID, NULL},
    {"st.x = 1 AND st.`y Z` = 'in'", SHOAL_TYPE_VOID, "true"},
    {"st.z = 1", SHOAL_TYPE_VOID, NULL},
    {"arr IS NOT NULL", SHOAL_TYPE_VOID, "true"},
    {"arr = arr", SHOAL_TYPE_VOID, NULL},
    {"code <> 'a'", SHOAL_TYPE_VOID, NULL},
    {"user = 'u' AND date < day", SHOAL_TYPE_VOID, "true"}, /* words of the engine's grammar */
    {"yes = i IN (5)", SHOAL_TYPE_VOID, NULL},              /* which binds tighter? */
    {"CASE WHEN i > 4 THEN yes ELSE false END", SHOAL_TYPE_VOID, "true"},
    {"coalesce(hole, i) = 5", SHOAL_TYPE_VOID, "true"},
    /* what is not the same, or may not be */
    {"i / 2 > 1", SHOAL_TYPE_VOID, NULL},
    {"i % 2 = 1", SHOAL_TYPE_VOID, NULL},
    {"upper(s) = 'H'", SHOAL_TYPE_VOID, NULL},
    {"i <=> 5", SHOAL_TYPE_VOID, NULL},
    {"s = \"x\"", SHOAL_TYPE_VOID, NULL},
    {"s = 'it''s'", SHOAL_TYPE_VOID, NULL},
    {"s = 'a' 'b'", SHOAL_TYPE_VOID, NULL},
    {"s = 'a'\n'b'", SHOAL_TYPE_VOID, NULL},
    {"s = 'a\\n'", SHOAL_TYPE_VOID, NULL},
    {"s = x'41'", SHOAL_TYPE_VOID, NULL},
    {"s = $$a$$", SHOAL_TYPE_VOID, NULL},
    {"i = 5L", SHOAL_TYPE_VOID, NULL},
    {"i = 0x5", SHOAL_TYPE_VOID, NULL},
    {"i = 1_0", SHOAL_TYPE_VOID, NULL},
    {"i > 1 -- so", SHOAL_TYPE_VOID, NULL},
    {"i > 1) OR (true", SHOAL_TYPE_VOID, NULL},
    {"i > 1), (true", SHOAL_TYPE_VOID, NULL},
    {"(i > 1", SHOAL_TYPE_VOID, NULL},
    {"i > (SELECT 1)", SHOAL_TYPE_VOID, NULL},
    {"EXISTS (SELECT 1)", SHOAL_TYPE_VOID, NULL},
    {"nothing > 1", SHOAL_TYPE_VOID, NULL},
    {"day < current_date()", SHOAL_TYPE_VOID, NULL},
    {"random() < 1", SHOAL_TYPE_VOID, NULL},
    {"getenv('HOME') = ''", SHOAL_TYPE_VOID, NULL},
    {"", SHOAL_TYPE_VOID, NULL},
    /* values */
    {"CAST(at AS DATE)", SHOAL_TYPE_DATE, "2024-02-29"},
    {"to_date(at)", SHOAL_TYPE_DATE, "2024-02-29"},
    {"YEAR(at)", SHOAL_TYPE_INTEGER, "2024"},
    {"month(day)", SHOAL_TYPE_INTEGER, "2"},
    {"dayofmonth(ntz)", SHOAL_TYPE_INTEGER, "29"},
    {"quarter(at) * 10 + hour(at)", SHOAL_TYPE_INTEGER, "33"},
    {"extract(MONTH FROM at)", SHOAL_TYPE_LONG, "2"},
    {"extract(SECOND FROM at)", SHOAL_TYPE_INTEGER, NULL}, /* a decimal to Spark */
    {"hour(day)", SHOAL_TYPE_INTEGER, NULL},
    {"dayofweek(day)", SHOAL_TYPE_INTEGER, NULL},
    {"date_trunc('HOUR', at)", SHOAL_TYPE_TIMESTAMP, "2024-02-29 23:00:00+00"},
    {"date_trunc('week', at)", SHOAL_TYPE_TIMESTAMP, "2024-02-26 00:00:00+00"},
    {"date_trunc('decade', at)", SHOAL_TYPE_TIMESTAMP, NULL},
    {"date_format(at, 'yyyy')", SHOAL_TYPE_STRING, NULL},
    {"length(s)", SHOAL_TYPE_INTEGER, "5"},
    {"substring(s, 1, 2)", SHOAL_TYPE_STRING, "h\xc3\xa4"},
    {"substring(s, 0, 2)", SHOAL_TYPE_STRING, NULL},
    {"substring(s, -2, 2)", SHOAL_TYPE_STRING, NULL},
    {"concat(s, '-', 'x') || 'y'", SHOAL_TYPE_STRING, "h\xc3\xa4llo-xy"},
    {"CAST(i AS STRING)", SHOAL_TYPE_STRING, "5"},
    {"CAST(i AS VARCHAR(1))", SHOAL_TYPE_STRING, NULL},
    {"CAST(d AS INT)", SHOAL_TYPE_INTEGER, NULL}, /* rounded or cut? */
    {"CAST(s AS INT)", SHOAL_TYPE_INTEGER, NULL},
    {"CAST(dec AS STRING)", SHOAL_TYPE_STRING, NULL},
    {"CAST(dec AS DECIMAL)", SHOAL_TYPE_DECIMAL, NULL},
    {"CAST(dec AS DECIMAL(5,1))", SHOAL_TYPE_DECIMAL, "12.3000"},
    {"CAST(day AS TIMESTAMP)", SHOAL_TYPE_TIMESTAMP, "2024-02-29 00:00:00+00"},
    {"1.25", SHOAL_TYPE_DOUBLE, "1.25"},
    {"-0.05", SHOAL_TYPE_DECIMAL, "-0.0500"},
    {"-9", SHOAL_TYPE_LONG, "-9"},
    {"'a'", SHOAL_TYPE_LONG, NULL},
    {"NULL", SHOAL_TYPE_STRING, "NULL"},
    {"99999999999999999999", SHOAL_TYPE_DECIMAL, NULL},
};

static void test_values_and_refusals(void **state) {
  (void)state;
  shoal_engine *engine = open_engine();
  for (size_t i = 0; i < sizeof agreed / sizeof *agreed; i++) {
    shoal_error err = {0};
    shoal_arena arena = {0};
    shoal_str sql;
    shoal_status status = translate(engine, &agreed[i], false, &arena, &sql, &err);
    if (status != (agreed[i].want ? SHOAL_OK : SHOAL_EUNSUPPORTED))
      fail_msg("%s: %s", agreed[i].text, status == SHOAL_OK ? sql.ptr : err.message);
    if (agreed[i].want)
      check_value(engine, sql, agreed[i].text, agreed[i].want);
    else if (!strstr(err.message, "the test, ") || !strstr(err.message, agreed[i].text))
      fail_msg("%s: %s", agreed[i].text, err.message);
    shoal_arena_dispose(&arena);
  }
  shoal_engine_free(engine);
}

static void test_the_clock_is_for_defaults(void **state) {
  (void)state;
  static const example clocks[] = {{"current_date", SHOAL_TYPE_DATE, NULL},
                                   {"current_date()", SHOAL_TYPE_DATE, NULL},
                                   {"CURRENT_TIMESTAMP", SHOAL_TYPE_TIMESTAMP, NULL},
                                   {"now()", SHOAL_TYPE_TIMESTAMP, NULL}};
  shoal_engine *engine = open_engine();
  for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
    shoal_error err = {0};
    shoal_arena arena = {0};
    shoal_str sql;
    CHECK_STATUS(translate(engine, &clocks[i], false, &arena, &sql, &err), SHOAL_EUNSUPPORTED, &err);
    CHECK_OK(translate(engine, &clocks[i], true, &arena, &sql, &err), &err);
    char *after = shoal_arena_printf(&arena, "%.*s > %s", SHOAL_FMT(sql),
                                     clocks[i].as == SHOAL_TYPE_DATE ? "DATE '2024-01-01'"
                                                                     : "TIMESTAMPTZ '2024-01-01 00:00:00+00'");
    check_value(engine, shoal_str_z(after), clocks[i].text, "true");
    shoal_arena_dispose(&arena);
  }
  shoal_engine_free(engine);
}

/* Which columns a violation shows first. */
static void test_tells_the_columns_it_names(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_arena arena = {0};
  shoal_engine *engine = open_engine();
  bool used[sizeof columns / sizeof *columns] = {0};
  const shoal_delta_expression e = {"the test", SHOAL_STR("L > 1 AND st.x = 1"), &schema, false};
  shoal_str sql;
  CHECK_OK(shoal_delta_expression_sql(&e, NULL, engine, &arena, used, &sql, &err), &err);
  for (size_t i = 0; i < schema.n_fields; i++)
    assert_int_equal(used[i], shoal_str_is(columns[i].name, "l") || shoal_str_is(columns[i].name, "st"));
  shoal_arena_dispose(&arena);
  shoal_engine_free(engine);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_values_and_refusals),
      cmocka_unit_test(test_the_clock_is_for_defaults),
      cmocka_unit_test(test_tells_the_columns_it_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
