/* SPDX-License-Identifier: Apache-2.0 */
/* What only the DuckDB engine can do: types, inputs, errors with places, the sandbox, statistics, settings. */
#include "support/engine_support.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/time.h"
#include "engine/arrow.h"
#include "engine/duckdb_settings.h"
#include "engine/engine.h"

static void check_rows(fixture *f, const shoal_job *job, const char *want) {
  shoal_buf out = {0};
  CHECK_OK(test_engine_rows(f, job, &out), &f->err);
  CHECK_STR(shoal_buf_str(&out), want);
  shoal_buf_dispose(&out);
}

static void check_sql(fixture *f, const char *sql, const char *want) {
  check_rows(f, &(shoal_job){.sql = shoal_str_z(sql)}, want);
}

static shoal_outcome execute(fixture *f, shoal_job job) {
  shoal_outcome out;
  job.staging = f->staging;
  CHECK_OK(shoal_engine_execute(f->engine, &job, &f->arena, &out, &f->err), &f->err);
  return out;
}

/* An outcome's files as a scan. */
static shoal_scan scan_of(fixture *f, const shoal_outcome *out, const size_t *partition, size_t n_partition) {
  shoal_scan_file *files = SHOAL_NEW_ARRAY(&f->arena, shoal_scan_file, out->n_files + 1);
  for (size_t i = 0; i < out->n_files; i++) {
    files[i].path = shoal_str_z(shoal_arena_printf(&f->arena, "%s/%.*s", f->staging, SHOAL_FMT(out->files[i].name)));
    files[i].partition_values = out->files[i].partition_values;
  }
  shoal_schema *schema = SHOAL_NEW(&f->arena, shoal_schema);
  *schema = out->schema;
  return (shoal_scan){.schema = schema,
                      .files = files,
                      .n_files = out->n_files,
                      .partition_columns = partition,
                      .n_partition_columns = n_partition};
}

static void test_queries(void **state) {
  fixture *f = *state;
  check_sql(f, "SELECT 1 AS a, NULL AS b, 'x' AS a", "1|~|x\n");
  check_sql(f, "FROM range(3); -- the end", "0\n1\n2\n");
  check_sql(f, "SELECT i FROM range(5000) t(i) WHERE i % 2500 = 0 ORDER BY i DESC", "2500\n0\n");
}

static void test_every_setting_is_classified(void **state) {
  fixture *f = *state;
  shoal_buf out = {0};
  shoal_job job = {.sql = SHOAL_STR("SELECT name FROM duckdb_settings() ORDER BY name")};
  CHECK_OK(test_engine_rows(f, &job, &out), &f->err);
  shoal_str rest = shoal_buf_str(&out), line;
  size_t missing = 0, n = 0;
  while (shoal_str_split(&rest, '\n', &line)) {
    bool found = line.len == 0;
    for (size_t i = 0; !found && i < shoal_duckdb_n_settings; i++)
      found = shoal_str_is(line, shoal_duckdb_settings[i].name);
    if (!found)
      fprintf(stderr, "unclassified setting: %.*s\n", SHOAL_FMT(line));
    missing += !found;
    n += line.len > 0;
  }
  assert_int_equal(missing, 0);
  for (size_t i = 0; i < shoal_duckdb_n_settings; i++) {
    char name[128];
    snprintf(name, sizeof name, "%s\n", shoal_duckdb_settings[i].name);
    if (shoal_str_find(shoal_buf_str(&out), shoal_str_z(name)) < 0)
      fprintf(stderr, "no such setting any more: %s", name);
  }
  assert_int_equal(n, shoal_duckdb_n_settings);
  shoal_buf_dispose(&out);
}

static void test_round_trip(void **state) {
  fixture *f = *state;
  shoal_outcome out = execute(
      f,
      (shoal_job){
          .sql = SHOAL_STR(
              "SELECT i::INTEGER AS \"a\"\"b\", i::SMALLINT AS file_row_number, {'x': i, 'y y': [i, NULL]} AS st,"
              " MAP {'k': i} AS m, TIMESTAMPTZ '2020-01-01 00:00:00+00' AS ts, 'v' || i AS filename, i AS \"größe.x\","
              " sum(i) OVER (ORDER BY i) AS total FROM range(3) t(i)"),
          .rows_hash = true});
  assert_int_equal(out.rows, 3);
  assert_int_equal(out.n_files, 1);
  assert_int_equal(out.schema.n_fields, 8);
  assert_int_equal(out.schema.fields[7].type.kind, SHOAL_TYPE_LONG);
  assert_false(shoal_hash_zero(&out.rows_hash));
  shoal_scan scan = scan_of(f, &out, NULL, 0);
  shoal_input inputs[] = {{SHOAL_STR("silver.orders"), &scan}, {SHOAL_STR("orders"), &scan}};
  shoal_job job = {
      .sql = SHOAL_STR("SELECT o.*, \"a\"\"b\" FROM Silver.Orders o ORDER BY 1"), .inputs = inputs, .n_inputs = 2};
  check_rows(f, &job,
             "0|0|{'x': 0, 'y y': [0, NULL]}|{k=0}|2020-01-01 00:00:00+00|v0|0|0|0\n"
             "1|1|{'x': 1, 'y y': [1, NULL]}|{k=1}|2020-01-01 00:00:00+00|v1|1|1|1\n"
             "2|2|{'x': 2, 'y y': [2, NULL]}|{k=2}|2020-01-01 00:00:00+00|v2|2|3|2\n");
  job.sql = SHOAL_STR("SELECT count(*) FROM orders JOIN main.orders o2 USING (filename)");
  check_rows(f, &job, "3\n");
}

static shoal_schema bind(fixture *f, const char *sql) {
  shoal_schema out;
  shoal_job job = {.sql = shoal_str_z(sql)};
  CHECK_OK(shoal_engine_bind(f->engine, &job, &f->arena, &out, &f->err), &f->err);
  return out;
}

/* The query fails with this message, hint and (1-based, 0: any) place. */
static void check_fails(fixture *f, const char *sql, const char *message, const char *hint, int line, int column) {
  shoal_schema out;
  shoal_job job = {.sql = shoal_str_z(sql)};
  f->err = (shoal_error){0};
  CHECK_STATUS(shoal_engine_bind(f->engine, &job, &f->arena, &out, &f->err), SHOAL_EENGINE, &f->err);
  if (!strstr(f->err.message, message) || !strstr(f->err.hint, hint) || strchr(f->err.message, '\n'))
    fail_msg("%s: \"%s\" / \"%s\"", sql, f->err.message, f->err.hint);
  if (line && (f->err.line != line || f->err.column != column))
    fail_msg("%s: at %d:%d, not %d:%d", sql, f->err.line, f->err.column, line, column);
}

static void test_types(void **state) {
  static const struct {
    const char *expression, *type, *stored;
  } cases[] = {
      {"1::TINYINT", "byte", "1"},
      {"1::SMALLINT", "short", "1"},
      {"1", "integer", "1"},
      {"1::BIGINT", "long", "1"},
      {"sum(1)", "long", "1"},
      {"1::UTINYINT", "short", "1"},
      {"1::USMALLINT", "integer", "1"},
      {"1::UINTEGER", "long", "1"},
      {"18446744073709551615::UBIGINT", "decimal(20,0)", "18446744073709551615"},
      {"1.5::FLOAT", "float", "1.5"},
      {"1.5::DOUBLE", "double", "1.5"},
      {"1.50::DECIMAL(9,2)", "decimal(9,2)", "1.50"},
      {"'x'", "string", "x"},
      {"'6bb5c9e0-1111-4222-8333-444455556666'::UUID", "string", "6bb5c9e0-1111-4222-8333-444455556666"},
      {"'a'::ENUM('a', 'b')", "string", "a"},
      {"'{\"a\": 1}'::JSON", "string", "{\"a\": 1}"},
      {"'\\xAB'::BLOB", "binary", "\\xAB"},
      {"DATE '2020-02-03'", "date", "2020-02-03"},
      {"TIMESTAMP '2020-02-03 04:05:06.789'", "timestamp_ntz", "2020-02-03 04:05:06.789"},
      {"'2020-02-03 04:05:06'::TIMESTAMP_S", "timestamp_ntz", "2020-02-03 04:05:06"},
      {"'2020-02-03 04:05:06.1'::TIMESTAMP_MS", "timestamp_ntz", "2020-02-03 04:05:06.1"},
      {"TIMESTAMPTZ '2020-02-03 04:05:06+02'", "timestamp", "2020-02-03 02:05:06+00"},
      {"true", "boolean", "true"},
      {"NULL", "integer", "~"},
      {"[1, NULL]", "array<integer>", "[1, NULL]"},
      {"[1, 2]::INTEGER[2]", "array<integer>", "[1, 2]"},
      {"{'a': 1, 'b c': [sum(2)]}", "struct<a:integer,b c:array<long>>", "{'a': 1, 'b c': [2]}"},
      {"MAP {'k': 1::UBIGINT}", "map<string,decimal(20,0)>", "{k=1}"},
  };
  fixture *f = *state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char sql[256];
    shoal_buf text = {0};
    snprintf(sql, sizeof sql, "SELECT %s AS x", cases[i].expression);
    shoal_schema schema = bind(f, sql);
    shoal_type_text(&text, &schema.fields[0].type);
    CHECK_STR(shoal_buf_str(&text), cases[i].type);
    assert_true(schema.fields[0].nullable);
    shoal_buf_dispose(&text);
    shoal_outcome out = execute(f, (shoal_job){.sql = shoal_str_z(sql), .rows_hash = true});
    assert_int_equal(out.rows, 1);
    shoal_scan scan = scan_of(f, &out, NULL, 0);
    shoal_input inputs[] = {{SHOAL_STR("t"), &scan}};
    snprintf(sql, sizeof sql, "%s\n", cases[i].stored);
    check_rows(f, &(shoal_job){.sql = SHOAL_STR("SELECT x FROM t"), .inputs = inputs, .n_inputs = 1}, sql);
  }
}

static void test_refused_types(void **state) {
  fixture *f = *state;
  check_fails(f, "SELECT TIME '01:02:03' AS t", "column \"t\" is of type TIME", "CAST(\"t\" AS VARCHAR)", 0, 0);
  check_fails(f, "SELECT [INTERVAL 1 DAY] AS i", "column \"i\" is of type INTERVAL", "VARCHAR", 0, 0);
  check_fails(f, "SELECT '101'::BIT AS b", "BIT", "VARCHAR", 0, 0);
  check_fails(f, "SELECT union_value(a := 1) AS u", "UNION", "VARCHAR", 0, 0);
  check_fails(f, "SELECT TIMESTAMP_NS '2020-01-01 00:00:00' AS n", "TIMESTAMP_NS", "CAST(\"n\" AS TIMESTAMP)", 0, 0);
  check_fails(f, "SELECT 1::UHUGEINT AS h", "UHUGEINT", "DECIMAL(38, 0)", 0, 0);
  check_fails(f, "SELECT row(1, 2) AS r", "unnamed", "struct_pack", 0, 0);
  check_fails(f, "SELECT 1 AS a, 2 AS A", "two columns are called \"A\"", "AS", 0, 0);
  check_fails(f, "CREATE TABLE x(i INT)", "not a SELECT", "SELECT", 0, 0);
  check_fails(f, "SELECT 1; SELECT 2", "multiple", "", 0, 0);
}

static void test_overflow_names_the_column(void **state) {
  fixture *f = *state;
  shoal_outcome out;
  shoal_job job = {.sql = SHOAL_STR("SELECT 1 AS a, sum(9223372036854775807) AS big FROM range(2)"),
                   .staging = f->staging};
  CHECK_STATUS(shoal_engine_execute(f->engine, &job, &f->arena, &out, &f->err), SHOAL_EENGINE, &f->err);
  assert_non_null(strstr(f->err.message, "column \"big\""));
  assert_non_null(strstr(f->err.hint, "DECIMAL(38,0)"));
}

static void test_errors_have_places(void **state) {
  fixture *f = *state;
  check_fails(f, "SELECT dep_dely FROM (SELECT 1 AS dep_delay)", "dep_dely", "did you mean dep_delay?", 1, 8);
  check_fails(f, "SELECT 1,\n  foo(2)", "foo", "did you mean", 2, 3);
  check_fails(f, "SELECT 'ä' AS x,\n  nope FROM (SELECT 1 AS a)", "nope", "", 2, 3);
  check_fails(f, "SELECT 'ä', nope FROM (SELECT 1 AS a)", "nope", "", 1, 14);
  check_fails(f, "SELECT *\nFROM nope.nada", "nope", "", 2, 6);
  check_fails(f, "SELECT 1 +\n FROM", "syntax error", "", 0, 0);
  shoal_outcome out;
  shoal_job job = {.sql = SHOAL_STR("SELECT i,\n  CASE WHEN i = 7 THEN 'x' ELSE '1' END::INT AS n FROM range(9) t(i)"),
                   .staging = f->staging};
  f->err = (shoal_error){0};
  CHECK_STATUS(shoal_engine_execute(f->engine, &job, &f->arena, &out, &f->err), SHOAL_EENGINE, &f->err);
  assert_non_null(strstr(f->err.message, "'x'"));
  if (f->err.line)
    assert_int_equal(f->err.line, 2);
}

static void test_names_that_are_no_input(void **state) {
  fixture *f = *state;
  shoal_outcome out = execute(f, (shoal_job){.sql = SHOAL_STR("SELECT 42 AS orders_id")});
  shoal_scan scan = scan_of(f, &out, NULL, 0);
  shoal_input inputs[] = {{SHOAL_STR("silver.orders"), &scan}};
  shoal_job job = {.sql = SHOAL_STR("FROM silver.ordres"), .inputs = inputs, .n_inputs = 1};
  shoal_schema schema;
  CHECK_STATUS(shoal_engine_bind(f->engine, &job, &f->arena, &schema, &f->err), SHOAL_EENGINE, &f->err);
  assert_non_null(strstr(f->err.message, "ordres"));
  assert_non_null(strstr(f->err.hint, "orders"));
  job.sql = SHOAL_STR("WITH orders AS (SELECT 1 AS x) FROM orders");
  check_rows(f, &job, "1\n");
}

static void write_file(fixture *f, const char *name, const char *text, char path[512]) {
  snprintf(path, 512, "%s/%s", f->folder, name);
  CHECK_OK(shoal_os_create_file(path, shoal_str_z(text), &f->err), &f->err);
}

static void test_sandbox(void **state) {
  static const char *const queries[] = {"FROM read_csv('/etc/passwd')",
                                        "FROM '/etc/group.csv'",
                                        "FROM read_text('/etc/hosts')",
                                        "FROM glob('/etc/*')",
                                        "FROM read_parquet('https://example.com/x.parquet')",
                                        "FROM read_parquet('s3://bucket/x.parquet')"};
  fixture *f = *state;
  for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
    shoal_rows *rows;
    shoal_job job = {.sql = shoal_str_z(queries[i])};
    f->err = (shoal_error){0};
    shoal_status status = shoal_engine_query(f->engine, &job, &rows, &f->err);
    if (status != SHOAL_EACCESS && status != SHOAL_EENGINE)
      fail_msg("%s: %s", queries[i], shoal_status_name(status));
  }
  char path[512], sql[600], link_path[512];
  write_file(f, "in.csv", "a,b\n1,x\n", path);
  snprintf(sql, sizeof sql, "FROM '%s'", path);
  check_sql(f, sql, "1|x\n");
  snprintf(sql, sizeof sql, "FROM read_csv('%s/../../../../../etc/passwd')", f->folder);
  shoal_rows *rows;
  shoal_job job = {.sql = shoal_str_z(sql)};
  CHECK_STATUS(shoal_engine_query(f->engine, &job, &rows, &f->err), SHOAL_EACCESS, &f->err);
  snprintf(link_path, sizeof link_path, "%s/link.csv", f->folder);
  assert_int_equal(symlink("/etc/passwd", link_path), 0);
  snprintf(sql, sizeof sql, "SELECT count(*) > 0 FROM read_csv('%s', header := false, all_varchar := true, sep := '|')",
           link_path);
  assert_true(shoal_engine_query(f->engine, &job, &rows, &f->err) < 0);
}

static void test_settings_are_pinned(void **state) {
  fixture *f = *state;
  check_sql(f, "SELECT 7 / 2, 1 / 0, 'A' = 'a', TIMESTAMPTZ '2020-01-01 00:00:00+00'",
            "3.5|inf|false|2020-01-01 00:00:00+00\n");
  check_sql(f, "SELECT x FROM (VALUES (NULL), (1)) t(x) ORDER BY x", "1\n~\n");
  check_sql(f, "SELECT current_setting('TimeZone'), current_setting('lock_configuration')", "UTC|true\n");
  for (size_t i = 0; i < shoal_duckdb_n_settings; i++) { /* ASC is short for ASCENDING */
    const shoal_duckdb_setting *s = &shoal_duckdb_settings[i];
    shoal_buf out = {0};
    if (!s->value || !strcmp(s->name, "enable_progress_bar")) /* the fixture wants progress */
      continue;
    shoal_job job = {.sql = shoal_str_z(shoal_arena_printf(
                         &f->arena, "SELECT upper(%2$s::VARCHAR) LIKE upper(current_setting('%1$s')::VARCHAR) || '%%'",
                         s->name, s->value))};
    CHECK_OK(test_engine_rows(f, &job, &out), &f->err);
    if (!shoal_str_is(shoal_buf_str(&out), "true\n"))
      fail_msg("%s is not %s", s->name, s->value);
    shoal_buf_dispose(&out);
  }
  shoal_hasher a, b;
  shoal_hasher_init(&a, "test");
  shoal_hasher_init(&b, "test");
  shoal_engine_settings_hash(&a);
  shoal_hash x = shoal_hasher_end(&a), y = shoal_hasher_end(&b);
  assert_false(shoal_hash_eq(&x, &y));
}

static void test_partitions(void **state) {
  fixture *f = *state;
  shoal_str by[] = {SHOAL_STR("p"), SHOAL_STR("ts"), SHOAL_STR("d")};
  shoal_outcome out = execute(
      f,
      (shoal_job){.sql = SHOAL_STR("SELECT i AS v, CASE i % 3 WHEN 0 THEN 'a/b=%' WHEN 1 THEN NULL ELSE '..' END AS P,"
                                   " TIMESTAMPTZ '2020-01-01 02:00:00.5+02' AS ts, DATE '2020-01-01' + (i // 3)::INT "
                                   "AS d FROM range(6) t(i)"),
                  .partition_by = by,
                  .n_partition_by = 3,
                  .rows_hash = true});
  assert_int_equal(out.rows, 6);
  assert_int_equal(out.n_files, 6);
  bool seen_null = false;
  for (size_t i = 0; i < out.n_files; i++) {
    CHECK_STR(out.files[i].partition_values[1], "2020-01-01T00:00:00.500000Z");
    seen_null = seen_null || !out.files[i].partition_values[0].ptr;
    assert_null(strchr(out.files[i].name.ptr, '/'));
    assert_int_equal(out.files[i].n_stats, 4); /* the partition columns are in the files, too */
  }
  assert_true(seen_null);
  size_t columns[] = {1, 2, 3};
  shoal_scan scan = scan_of(f, &out, columns, 3);
  shoal_input inputs[] = {{SHOAL_STR("t"), &scan}};
  shoal_job job = {.sql = SHOAL_STR("SELECT * FROM t ORDER BY v"), .inputs = inputs, .n_inputs = 1};
  check_rows(f, &job,
             "0|a/b=%|2020-01-01 00:00:00.5+00|2020-01-01\n1|~|2020-01-01 00:00:00.5+00|2020-01-01\n"
             "2|..|2020-01-01 00:00:00.5+00|2020-01-01\n3|a/b=%|2020-01-01 00:00:00.5+00|2020-01-02\n"
             "4|~|2020-01-01 00:00:00.5+00|2020-01-02\n5|..|2020-01-01 00:00:00.5+00|2020-01-02\n");
  job.sql = SHOAL_STR("SELECT count(*), max(d) FROM t WHERE p IS NULL");
  check_rows(f, &job, "2|2020-01-02\n");
  job.sql = SHOAL_STR("SELECT p FROM t WHERE d = DATE '2020-01-02' AND v = 3");
  check_rows(f, &job, "a/b=%\n");
  shoal_job again = {.sql = SHOAL_STR("SELECT v, p AS \"P\", ts, d FROM t ORDER BY v DESC"),
                     .inputs = inputs,
                     .n_inputs = 1,
                     .rows_hash = true};
  shoal_outcome other = execute(f, again); /* the same rows in one file */
  assert_true(shoal_hash_eq(&out.rows_hash, &other.rows_hash));
}

typedef struct noted {
  size_t rows;
  int64_t sum;
  size_t most; /* then it fails */
} noted;

static shoal_status note(void *arg, const shoal_batch *b, shoal_error *err) {
  noted *n = arg;
  const int64_t *numbers = b->columns[0].data;
  for (size_t i = 0; i < b->rows; i++)
    n->sum += numbers[i];
  n->rows += b->rows;
  return n->rows > n->most ? shoal_fail(err, SHOAL_EINVAL, "that is enough") : SHOAL_OK;
}

/* Each row once, whatever filters stand in the query, and those alone are written that are to be. */
static void test_noted_rows(void **state) {
  fixture *f = *state;
  noted n = {.most = SIZE_MAX};
  shoal_outcome out = {0};
  shoal_job job = {
      .sql = SHOAL_STR("SELECT i AS a, (i % 3)::BIGINT AS w, 'v' || i AS t FROM range(300000) r(i) WHERE i % 2 = 0 "
                       "QUALIFY row_number() OVER (PARTITION BY i // 10 ORDER BY i) < 4"),
      .staging = f->staging,
      .n_noted = 2,
      .note = note,
      .note_arg = &n};
  CHECK_OK(shoal_engine_execute(f->engine, &job, &f->arena, &out, &f->err), &f->err);
  int64_t sum = 0;
  size_t rows = 0, written = 0;
  for (int64_t i = 0; i < 300000; i += 2)
    if (i % 10 < 6) {
      sum += i;
      rows++;
      written += i % 3 != 0;
    }
  assert_int_equal(n.rows, rows);
  assert_int_equal(n.sum, sum);
  assert_int_equal(out.rows, written);
  assert_int_equal(out.schema.n_fields, 1);
  CHECK_STR(out.schema.fields[0].name, "t");
  shoal_scan scan = scan_of(f, &out, NULL, 0);
  shoal_input inputs[] = {{SHOAL_STR("t"), &scan}};
  shoal_job ask = {.sql = SHOAL_STR("SELECT count(*), count(DISTINCT t), count(*) FILTER (WHERE t = 'v2') FROM t"),
                   .inputs = inputs,
                   .n_inputs = 1};
  char wanted[64];
  snprintf(wanted, sizeof wanted, "%zu|%zu|1\n", written, written);
  check_rows(f, &ask, wanted);
}

static void test_noted_rows_that_are_too_many(void **state) {
  fixture *f = *state;
  noted n = {.most = 1000};
  shoal_outcome out = {0};
  shoal_job job = {.sql = SHOAL_STR("SELECT i AS a, i AS w, i AS t FROM range(100000) r(i)"),
                   .staging = f->staging,
                   .n_noted = 2,
                   .note = note,
                   .note_arg = &n};
  CHECK_STATUS(shoal_engine_execute(f->engine, &job, &f->arena, &out, &f->err), SHOAL_EINVAL, &f->err);
  assert_string_equal(f->err.message, "that is enough");
  job.n_noted = 4;
  CHECK_STATUS(shoal_engine_execute(f->engine, &job, &f->arena, &out, &f->err), SHOAL_EINVAL, &f->err);
  job.n_noted = 2;
  job.rows_hash = true;
  CHECK_STATUS(shoal_engine_execute(f->engine, &job, &f->arena, &out, &f->err), SHOAL_EINVAL, &f->err);
}

static void test_partition_refusals(void **state) {
  fixture *f = *state;
  shoal_outcome out;
  shoal_str by[] = {SHOAL_STR("p")};
  shoal_job job = {
      .sql = SHOAL_STR("SELECT 1 AS v, '' AS p"), .staging = f->staging, .partition_by = by, .n_partition_by = 1};
  CHECK_STATUS(shoal_engine_execute(f->engine, &job, &f->arena, &out, &f->err), SHOAL_EENGINE, &f->err);
  assert_non_null(strstr(f->err.hint, "nullif"));
  job.sql = SHOAL_STR("SELECT 1 AS v, [1] AS p");
  CHECK_STATUS(shoal_engine_execute(f->engine, &job, &f->arena, &out, &f->err), SHOAL_EINVAL, &f->err);
  job.sql = SHOAL_STR("SELECT 1 AS v");
  CHECK_STATUS(shoal_engine_execute(f->engine, &job, &f->arena, &out, &f->err), SHOAL_EINVAL, &f->err);
}

static const shoal_column_stats *stats_of(const shoal_output_file *file, const char *path) {
  for (size_t i = 0; i < file->n_stats; i++) {
    char name[128] = "";
    for (size_t k = 0; k < file->stats[i].n_path; k++)
      snprintf(name + strlen(name), sizeof name - strlen(name), "%s%.*s", k ? "/" : "",
               SHOAL_FMT(file->stats[i].path[k]));
    if (strcmp(name, path) == 0)
      return &file->stats[i];
  }
  return NULL;
}

static void test_statistics(void **state) {
  fixture *f = *state;
  shoal_outcome out = execute(
      f, (shoal_job){
             .sql = SHOAL_STR("SELECT i, CASE WHEN i > 0 THEN i * 0.5 END::DOUBLE AS d, CASE i WHEN 1 THEN "
                              "'nan'::DOUBLE ELSE i END AS n,"
                              " {'in \"q\".': i, 'l': [i]} AS st, [i] AS a, i > 0 AS b, 's' || i AS s, 'x'::BLOB AS bl,"
                              " TIMESTAMP '2020-01-01 00:00:00' + INTERVAL (i) SECOND AS ts, 'infinity'::DATE AS inf "
                              "FROM range(3) t(i)")});
  const shoal_output_file *file = &out.files[0];
  assert_int_equal(out.n_files, 1);
  CHECK_STR(stats_of(file, "i")->min, "0");
  CHECK_STR(stats_of(file, "i")->max, "2");
  assert_int_equal(stats_of(file, "d")->null_count, 1);
  CHECK_STR(stats_of(file, "d")->min, "0.5");
  assert_false(stats_of(file, "d")->has_nan);
  assert_true(stats_of(file, "n")->has_nan);
  assert_null(stats_of(file, "n")->min.ptr);
  CHECK_STR(stats_of(file, "st/in \"q\".")->max, "2");
  assert_null(stats_of(file, "st/l"));
  assert_null(stats_of(file, "a"));
  CHECK_STR(stats_of(file, "b")->min, "false");
  CHECK_STR(stats_of(file, "b")->max, "true");
  CHECK_STR(stats_of(file, "s")->max, "s2");
  assert_null(stats_of(file, "bl")->max.ptr);
  CHECK_STR(stats_of(file, "ts")->max, "2020-01-01 00:00:02");
  assert_null(stats_of(file, "inf")->max.ptr);
  assert_int_equal(stats_of(file, "inf")->null_count, 0);
}

static void test_empty_results_and_inputs(void **state) {
  fixture *f = *state;
  shoal_outcome out =
      execute(f, (shoal_job){.sql = SHOAL_STR("SELECT 1 AS a, 'x' AS b WHERE false"), .rows_hash = true});
  assert_int_equal(out.rows, 0);
  assert_int_equal(out.n_files, 0);
  assert_false(shoal_hash_zero(&out.rows_hash));
  shoal_dirent *entries;
  size_t n;
  CHECK_OK(shoal_os_list(f->staging, &f->arena, &entries, &n, &f->err), &f->err);
  assert_int_equal(n, 0);
  shoal_scan scan = scan_of(f, &out, NULL, 0);
  shoal_input inputs[] = {{SHOAL_STR("t"), &scan}};
  check_rows(f,
             &(shoal_job){.sql = SHOAL_STR("SELECT count(*), typeof(max(b)) FROM t"), .inputs = inputs, .n_inputs = 1},
             "0|VARCHAR\n");
}

/* Older files lack columns, or have narrower ones; all columns may be partition columns. */
static void test_evolved_table(void **state) {
  fixture *f = *state;
  shoal_outcome out = execute(f, (shoal_job){.sql = SHOAL_STR("SELECT 7::INTEGER AS a")});
  shoal_scan scan = scan_of(f, &out, NULL, 0);
  shoal_field fields[] = {
      {.name = SHOAL_STR("a"), .type = {.kind = SHOAL_TYPE_LONG}},
      {.name = SHOAL_STR("b"), .type = {.kind = SHOAL_TYPE_STRING}},
      {.name = SHOAL_STR("renamed"), .physical = SHOAL_STR("a"), .type = {.kind = SHOAL_TYPE_LONG}}};
  shoal_schema schema = {fields, 2};
  scan.schema = &schema;
  shoal_input inputs[] = {{SHOAL_STR("t"), &scan}};
  shoal_job job = {.sql = SHOAL_STR("SELECT a, typeof(a), b FROM t"), .inputs = inputs, .n_inputs = 1};
  check_rows(f, &job, "7|BIGINT|~\n");
  shoal_schema one = {fields + 2, 1};
  scan.schema = &one;
  job.sql = SHOAL_STR("SELECT renamed FROM t");
  check_rows(f, &job, "7\n");
  shoal_str value = SHOAL_STR("part");
  ((shoal_scan_file *)scan.files)[0].partition_values = &value;
  size_t partition[] = {0};
  shoal_schema only = {fields + 1, 1};
  scan.schema = &only;
  scan.partition_columns = partition;
  scan.n_partition_columns = 1;
  job.sql = SHOAL_STR("SELECT b FROM t");
  check_rows(f, &job, "part\n");
}

/* Rows of file 1 are alive where row % 4 is 0; `asked` counts what was asked. */
static void keep_quarter(void *arg, size_t file, const int64_t *rows, size_t n, bool *alive) {
  assert_int_equal(file, 1);
  atomic_fetch_add((atomic_size_t *)arg, n);
  for (size_t i = 0; i < n; i++)
    alive[i] = rows[i] % 4 == 0;
}

/* A row that is not there must not be seen by anything, not even by a cast that it would break. */
static void test_rows_that_are_gone(void **state) {
  fixture *f = *state;
  atomic_size_t asked = 0;
  shoal_outcome outs[] = {
      execute(f, (shoal_job){.sql = SHOAL_STR("SELECT i, i::VARCHAR AS s, -i AS file_row_number, {'x': i} AS st FROM "
                                              "range(10) t(i)")}),
      execute(f, (shoal_job){.sql = SHOAL_STR("SELECT i, CASE i % 4 WHEN 0 THEN i::VARCHAR ELSE 'bad' END AS s, -i AS "
                                              "file_row_number, {'x': i} AS st FROM range(300000) t(i)")})};
  shoal_scan scan = scan_of(f, &outs[0], NULL, 0), second = scan_of(f, &outs[1], NULL, 0);
  shoal_scan_file files[] = {scan.files[0], second.files[0]};
  scan.files = files;
  scan.n_files = 2;
  scan.n_whole = 1;
  scan.keep = keep_quarter;
  scan.keep_arg = &asked;
  shoal_input inputs[] = {{SHOAL_STR("t"), &scan}};
  static const struct {
    const char *sql, *want;
  } cases[] = {
      {"SELECT count(*), sum(i), min(file_row_number) FROM t", "75010|11249850045|-299996\n"},
      {"SELECT count(*) FROM t WHERE CAST(s AS INTEGER) >= 299000", "250\n"},
      {"SELECT count(*) FROM t WHERE CAST(s AS INTEGER) % 2 = 0 AND i > 5 AND st.x < 100", "25\n"},
      {"SELECT i FROM t WHERE i > 299990 ORDER BY i", "299992\n299996\n"},
      {"SELECT max(CAST(s AS INTEGER)) FROM t", "299996\n"},
      {"SELECT count(*) FROM t a JOIN t b ON a.i = CAST(b.s AS INTEGER)", "75016\n"},
      {"SELECT i FROM t ORDER BY i DESC LIMIT 2", "299996\n299992\n"},
      {"SELECT count(*) FROM t WHERE i IN (1, 2, 3, 4, 5)", "6\n"},
      {"SELECT i FROM t WHERE file_row_number = -299996", "299996\n"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_job job = {.sql = shoal_str_z(cases[i].sql), .inputs = inputs, .n_inputs = 1};
    check_rows(f, &job, cases[i].want);
  }
  assert_true(asked > 0);
  shoal_buf none = {0};
  shoal_job stray = {.sql = SHOAL_STR("SELECT \"shoal:keep\"(0, i::UBIGINT, i) FROM range(3) t(i)")};
  CHECK_STATUS(test_engine_rows(f, &stray, &none), SHOAL_EENGINE, &f->err);
  stray.sql = SHOAL_STR("SELECT \"shoal:place\"(create_sort_key(i, 'ASC NULLS FIRST')) FROM range(3) t(i)");
  CHECK_STATUS(test_engine_rows(f, &stray, &none), SHOAL_EENGINE, &f->err);
  stray.sql = SHOAL_STR("SELECT \"shoal:cut\"(i::UBIGINT) FROM range(3) t(i)");
  CHECK_STATUS(test_engine_rows(f, &stray, &none), SHOAL_EENGINE, &f->err);
  shoal_buf_dispose(&none);
}

/* Members of structs that the file knows by other names. */
static void test_mapped_names(void **state) {
  fixture *f = *state;
  shoal_outcome out = execute(
      f,
      (shoal_job){.sql = SHOAL_STR("SELECT * FROM (VALUES ({'p1': 1, 'p2': {'p3': 'x'}}, [{'p4': 2}, NULL], MAP {'k': "
                                   "{'p5': 3}}), (NULL, NULL, NULL)) t(a, b, c)")});
  shoal_scan scan = scan_of(f, &out, NULL, 0);
  shoal_field *fields = scan.schema->fields, *a = fields[0].type.fields;
  a[0].physical = SHOAL_STR("p1");
  a[0].name = SHOAL_STR("it's one");
  a[1].physical = SHOAL_STR("p2");
  a[1].name = SHOAL_STR("p1");
  a[1].type.fields[0].physical = SHOAL_STR("p3");
  a[1].type.fields[0].name = SHOAL_STR("a \"b\"");
  fields[1].type.fields[0].type.fields[0].physical = SHOAL_STR("p4");
  fields[1].type.fields[0].type.fields[0].name = SHOAL_STR("four");
  fields[2].type.fields[1].type.fields[0].physical = SHOAL_STR("p5");
  fields[2].type.fields[1].type.fields[0].name = SHOAL_STR("five");
  shoal_input inputs[] = {{SHOAL_STR("t"), &scan}};
  shoal_job job = {.sql = SHOAL_STR("SELECT a::VARCHAR, b::VARCHAR, c::VARCHAR, a.\"it's one\", a.p1.\"a \"\"b\"\"\" "
                                    "FROM t ORDER BY a NULLS LAST"),
                   .inputs = inputs,
                   .n_inputs = 1};
  check_rows(f, &job, "{'it\\'s one': 1, 'p1': {'a \"b\"': x}}|[{'four': 2}, NULL]|{k={'five': 3}}|1|x\n~|~|~|~|~\n");
}

static void test_source_files(void **state) {
  fixture *f = *state;
  char one[512], two[512], json[512], odd[512];
  write_file(f, "p=5.csv", "a;b\n1;x\n2;NA\n", one);
  write_file(f, "two.csv", "a;b\n3;-\n", two);
  write_file(f, "x.json", "{\"a\": 1, \"p\": [1, 2]}\n{\"a\": 2}\n", json);
  write_file(f, "we[ird]*?.csv", "a\n5\n", odd);
  shoal_scan_file files[] = {{.path = shoal_str_z(one)}, {.path = shoal_str_z(two)}};
  shoal_scan_option options[] = {{SHOAL_STR("header"), SHOAL_STR("true")},
                                 {SHOAL_STR("delim"), SHOAL_STR(";")},
                                 {SHOAL_STR("nullstr"), SHOAL_STR("[NA, '-']")},
                                 {SHOAL_STR("types"), SHOAL_STR("{a: BIGINT}")}};
  shoal_scan csv = {.format = SHOAL_SCAN_CSV, .files = files, .n_files = 2, .options = options, .n_options = 4};
  shoal_input inputs[] = {{SHOAL_STR("bronze.t"), &csv}};
  shoal_job job = {.sql = SHOAL_STR("SELECT *, typeof(a) FROM bronze.t ORDER BY a"), .inputs = inputs, .n_inputs = 1};
  check_rows(f, &job, "1|x|BIGINT\n2|~|BIGINT\n3|~|BIGINT\n");
  shoal_scan_file json_file = {.path = shoal_str_z(json)};
  shoal_scan scan = {.format = SHOAL_SCAN_JSON, .files = &json_file, .n_files = 1};
  inputs[0].scan = &scan;
  check_rows(f, &job, "1|[1, 2]|BIGINT\n2|~|BIGINT\n");
  shoal_scan_file odd_file = {.path = shoal_str_z(odd)};
  scan = (shoal_scan){.format = SHOAL_SCAN_CSV, .files = &odd_file, .n_files = 1};
  check_rows(f, &job, "5|BIGINT\n");
  shoal_scan_option bad = {SHOAL_STR("x) --"), SHOAL_STR("1")};
  scan.options = &bad;
  scan.n_options = 1;
  shoal_schema schema;
  CHECK_STATUS(shoal_engine_bind(f->engine, &job, &f->arena, &schema, &f->err), SHOAL_EINVAL, &f->err);
}

static void test_macros_and_variables(void **state) {
  fixture *f = *state;
  shoal_str macros[] = {SHOAL_STR("CREATE MACRO twice(x) AS x * 2"),
                        SHOAL_STR("CREATE OR REPLACE MACRO four(x) AS twice(twice(x));"),
                        SHOAL_STR("CREATE MACRO tab(n) AS TABLE SELECT i FROM range(n) t(i)")};
  shoal_variable variables[] = {{SHOAL_STR("start"), SHOAL_STR("2013-01-01"), false},
                                {SHOAL_STR("n"), SHOAL_STR("7"), false},
                                {SHOAL_STR("q"), SHOAL_STR("7"), true},
                                {SHOAL_STR("zip"), SHOAL_STR("007"), false},
                                {SHOAL_STR("b"), SHOAL_STR("true"), false},
                                {SHOAL_STR("o'x"), SHOAL_STR("it's"), false},
                                {SHOAL_STR("ts"), SHOAL_STR("2013-01-01 10:00:00.5"), false},
                                {SHOAL_STR("f"), SHOAL_STR("-1.50"), false}};
  shoal_job job = {
      .sql = SHOAL_STR("SELECT four(2), getvariable('start') + 1, typeof(getvariable('n')), typeof(getvariable('q')),"
                       " getvariable('zip'), getvariable('b'), getvariable('o''x'), typeof(getvariable('ts')),"
                       " getvariable('f'), (SELECT count(*) FROM tab(3))"),
      .macros = macros,
      .n_macros = 3,
      .variables = variables,
      .n_variables = 8};
  check_rows(f, &job, "8|2013-01-02|INTEGER|VARCHAR|007|true|it's|TIMESTAMP|-1.50|3\n");
  check_sql(f, "SELECT getvariable('start'), getvariable('o''x')", "~|~\n"); /* E3 */
  check_fails(f, "SELECT twice(1)", "twice", "", 1, 8);
  static const char *const bad[] = {
      "DROP TABLE x", "CREATE TABLE x(i INT)",         "CREATE MACRO a() AS 1; CREATE TABLE x(i INT)",
      "SELECT 1",     "CREATE VIEW macro AS SELECT 1", "COPY (SELECT 1) TO 'x'"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    shoal_str macro = shoal_str_z(bad[i]);
    shoal_schema schema;
    shoal_job b = {.sql = SHOAL_STR("SELECT 1 AS a"), .macros = &macro, .n_macros = 1};
    CHECK_STATUS(shoal_engine_bind(f->engine, &b, &f->arena, &schema, &f->err), SHOAL_EINVAL, &f->err);
  }
}

/* The tap must see each row once, whatever the optimiser makes of the query. */
static void test_rows_hash_of_queries(void **state) {
  static const char *const queries[] = {
      "SELECT i AS a, i % 10 AS b FROM range(5000) t(i)",
      "SELECT i AS a, i % 10 AS b FROM range(5000) t(i) ORDER BY random()",
      "SELECT i AS a, i % 10 AS b FROM range(5000) t(i) ORDER BY a DESC LIMIT 5000",
      "SELECT * FROM (SELECT unnest(range(5000)) AS a), LATERAL (SELECT a % 10 AS b)",
      "SELECT x.i AS a, y.j AS b FROM range(5000) x(i) JOIN range(10) y(j) ON x.i % 10 = y.j",
      "SELECT a, b FROM (SELECT i AS a, i % 10 AS b FROM range(2500) t(i) UNION ALL SELECT i, i % 10 FROM range(2500, "
      "5000) t(i))",
      "SELECT i AS a, any_value(i % 10) AS b FROM range(5000) t(i) GROUP BY i",
      "SELECT i AS a, i % 10 AS b FROM range(5000) t(i) WHERE i + random() >= 0",
      "WITH RECURSIVE r(a) AS (SELECT 0::BIGINT UNION ALL SELECT a + 1 FROM r WHERE a < 4999) SELECT a, a % 10 AS b "
      "FROM r",
  };
  fixture *f = *state;
  shoal_hash want = {0};
  for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
    shoal_outcome out = execute(f, (shoal_job){.sql = shoal_str_z(queries[i]), .rows_hash = true});
    assert_int_equal(out.rows, 5000);
    if (i == 0)
      want = out.rows_hash;
    if (!shoal_hash_eq(&out.rows_hash, &want))
      fail_msg("%s", queries[i]);
  }
  shoal_outcome constant =
      execute(f, (shoal_job){.sql = SHOAL_STR("SELECT 1 AS a, 'x' AS b FROM range(10000)"), .rows_hash = true});
  assert_int_equal(constant.rows, 10000);
  shoal_rows *rows;
  shoal_job job = {.sql = SHOAL_STR("SELECT \"shoal:tap\"(1)")};
  CHECK_STATUS(shoal_engine_query(f->engine, &job, &rows, &f->err), SHOAL_EENGINE, &f->err);
}

typedef struct taken {
  size_t rows, nulls;
  int64_t sum;
  size_t fail_after;
} taken;

static shoal_status take(void *arg, const shoal_batch *b, shoal_error *err) {
  taken *t = arg;
  for (size_t i = 0; i < b->rows; i++) {
    int64_t v;
    if (!shoal_batch_text(b, 0, i).ptr)
      continue;
    assert_true(shoal_str_i64(shoal_batch_text(b, 0, i), &v));
    t->sum += v;
    t->rows++;
    t->nulls += !shoal_batch_text(b, 1, i).ptr;
    if (t->fail_after && t->rows > t->fail_after)
      return shoal_fail(err, SHOAL_ECORRUPT, "a row too many");
  }
  return SHOAL_OK;
}

static void test_each_row_is_handed_on(void **state) {
  fixture *f = *state;
  taken t = {0};
  shoal_job job = {
      .sql = SHOAL_STR("SELECT i::VARCHAR AS i, CASE WHEN i % 2 = 0 THEN 'even, and rather long' || i END AS \"x y\" "
                       "FROM range(100000) t(i) WHERE i::VARCHAR IS NOT NULL")};
  CHECK_OK(shoal_engine_each(f->engine, &job, take, &t, &f->err), &f->err);
  assert_true(t.rows == 100000 && t.nulls == 50000 && t.sum == INT64_C(4999950000));
  t = (taken){.fail_after = 1000};
  CHECK_STATUS(shoal_engine_each(f->engine, &job, take, &t, &f->err), SHOAL_ECORRUPT, &f->err);
  assert_string_equal(f->err.message, "a row too many");
  t = (taken){0};
  job.sql = SHOAL_STR("SELECT nothing");
  CHECK_STATUS(shoal_engine_each(f->engine, &job, take, &t, &f->err), SHOAL_EENGINE, &f->err);
  job.sql = SHOAL_STR("SELECT '7', NULL");
  CHECK_OK(shoal_engine_each(f->engine, &job, take, &t, &f->err), &f->err);
  assert_true(t.rows == 1 && t.nulls == 1 && t.sum == 7);
  shoal_rows *rows;
  job.sql = SHOAL_STR("SELECT \"shoal:each\"('1')");
  CHECK_STATUS(shoal_engine_query(f->engine, &job, &rows, &f->err), SHOAL_EENGINE, &f->err);
}

/* What was hashed is what was written: the files, read back, have the same hash. */
static void test_rows_hash_is_of_the_files(void **state) {
  static const char *const queries[] = {
      "SELECT random() AS r, uuid() AS u, i FROM range(20000) t(i)",
      "SELECT i, random() AS r FROM range(20000) t(i) WHERE random() < 0.5",
      "SELECT i, row_number() OVER (PARTITION BY i % 7 ORDER BY i) AS k FROM range(20000) t(i) QUALIFY k % 3 = 0",
      "SELECT i % 100 AS g, sum(i) AS s, list(i) AS l FROM range(20000) t(i) GROUP BY g HAVING sum(i) % 2 = 0 AND g > "
      "3",
      "SELECT DISTINCT i % 1000 AS a, {'x': i % 10, 'y': [i % 3]} AS st FROM range(20000) t(i)",
      "SELECT x.i, y.j FROM range(200) x(i) LEFT JOIN range(100) y(j) ON x.i = y.j WHERE y.j IS NULL OR y.j > 50",
      "SELECT * FROM (SELECT i, random() AS r FROM range(20000) t(i) ORDER BY r LIMIT 700) WHERE r >= 0 AND i >= 0",
      "SELECT i, unnest([i, i + 1, NULL]) AS u FROM range(5000) t(i) WHERE i > 100",
      "SELECT i FROM range(20000) t(i) EXCEPT SELECT j * 2 FROM range(5000) u(j)",
      "PIVOT (SELECT i % 5 AS g, i % 3 AS p, i FROM range(999) t(i)) ON p IN (0, 1, 2) USING sum(i) GROUP BY g",
      "SELECT CASE WHEN i % 2 = 0 THEN NULL ELSE 'v' || i END AS s, MAP {'a': i} AS m, i::DECIMAL(30, 3) AS d FROM "
      "range(9000) t(i)",
      "WITH w AS MATERIALIZED (SELECT i, random() AS r FROM range(3000) t(i)) SELECT a.i, a.r + b.r AS s FROM w a JOIN "
      "w b USING (i)",
      "SELECT i FROM range(20000) t(i) USING SAMPLE 10% (bernoulli)",
      "SELECT i, (SELECT max(j) FROM range(50) u(j) WHERE j < i % 40) AS m FROM range(4000) t(i) WHERE i % 3 <> 1",
  };
  fixture *f = *state;
  for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
    shoal_outcome out = execute(f, (shoal_job){.sql = shoal_str_z(queries[i]), .rows_hash = true});
    assert_true(out.rows > 0);
    shoal_scan scan = scan_of(f, &out, NULL, 0);
    shoal_input inputs[] = {{SHOAL_STR("t"), &scan}};
    shoal_outcome again =
        execute(f, (shoal_job){.sql = SHOAL_STR("FROM t"), .inputs = inputs, .n_inputs = 1, .rows_hash = true});
    if (again.rows != out.rows || !shoal_hash_eq(&again.rows_hash, &out.rows_hash))
      fail_msg("%s", queries[i]);
  }
}

static void test_order_and_file_size(void **state) {
  fixture *f = *state;
  shoal_outcome out =
      execute(f, (shoal_job){.sql = SHOAL_STR("SELECT hash(i) AS h, i FROM range(500000) t(i) ORDER BY i"),
                             .file_bytes = 1 << 20});
  assert_true(out.n_files > 1);
  out = execute(f, (shoal_job){.sql = SHOAL_STR("SELECT i FROM range(300000) t(i) ORDER BY i DESC LIMIT 280000")});
  assert_int_equal(out.n_files, 1);
  shoal_scan scan = scan_of(f, &out, NULL, 0);
  scan.schema = NULL;
  scan.format = SHOAL_SCAN_PARQUET;
  shoal_scan_option option = {SHOAL_STR("file_row_number"), SHOAL_STR("true")};
  scan.options = &option;
  scan.n_options = 1;
  shoal_input inputs[] = {{SHOAL_STR("t"), &scan}};
  check_rows(f,
             &(shoal_job){.sql = SHOAL_STR("SELECT bool_and(i = 299999 - file_row_number), count(*) FROM t"),
                          .inputs = inputs,
                          .n_inputs = 1},
             "true|280000\n");
  shoal_str by[] = {SHOAL_STR("k")};
  out = execute(f, (shoal_job){.sql = SHOAL_STR("SELECT (i * 7919) % 100003 AS k FROM range(100000) t(i)"),
                               .cluster_by = by,
                               .n_cluster_by = 1});
  assert_int_equal(out.rows, 100000);
}

static void test_copy(void **state) {
  fixture *f = *state;
  char path[512], sql[600];
  shoal_buf text = {0};
  shoal_job job = {.sql = SHOAL_STR("SELECT 1 AS a, 'x,y' AS b;")};
  snprintf(path, sizeof path, "%s/out.csv", f->folder);
  for (int i = 0; i < 2; i++) /* replaces */
    CHECK_OK(shoal_engine_copy(f->engine, &job, path, SHOAL_STR("csv"), &f->err), &f->err);
  CHECK_OK(shoal_os_read_file(path, 1000, &text, &f->err), &f->err);
  CHECK_STR(shoal_buf_str(&text), "a,b\n1,\"x,y\"\n");
  shoal_buf_clear(&text);
  CHECK_OK(shoal_engine_copy(f->engine, &job, path, SHOAL_STR("json"), &f->err), &f->err);
  CHECK_OK(shoal_os_read_file(path, 1000, &text, &f->err), &f->err);
  CHECK_STR(shoal_buf_str(&text), "{\"a\":1,\"b\":\"x,y\"}\n");
  shoal_buf_dispose(&text);
  snprintf(path, sizeof path, "%s/out.parquet", f->folder);
  CHECK_OK(shoal_engine_copy(f->engine, &job, path, SHOAL_STR("parquet"), &f->err), &f->err);
  snprintf(sql, sizeof sql, "FROM '%s'", path);
  check_sql(f, sql, "1|x,y\n");
  CHECK_OK(shoal_engine_copy(f->engine, &job, path, SHOAL_STR("arrow"), &f->err), &f->err);
  CHECK_OK(shoal_os_read_file(path, 10000, &text, &f->err),
           &f->err); /* what is in it, interop tests ask Arrow itself */
  assert_memory_equal(text.ptr, "\xff\xff\xff\xff", 4);
  shoal_buf_dispose(&text);
  CHECK_STATUS(shoal_engine_copy(f->engine, &job, "/etc/shoal-test.arrow", SHOAL_STR("arrow"), &f->err), SHOAL_EACCESS,
               &f->err);
  CHECK_STATUS(shoal_engine_copy(f->engine, &job, path, SHOAL_STR("xls"), &f->err), SHOAL_EINVAL, &f->err);
  CHECK_STATUS(shoal_engine_copy(f->engine, &job, "/etc/shoal-test.csv", SHOAL_STR("csv"), &f->err), SHOAL_EACCESS,
               &f->err);
}

#define ALL_TYPES                                                                                                      \
  "SELECT i, 'text ' || i AS t, CASE WHEN i % 3 = 0 THEN NULL ELSE i / 4 END AS d, [i, NULL] AS l, {'a': i, 'b': "     \
  "DATE "                                                                                                              \
  "'2020-01-01' + i::INT} AS s, (i * 1.25)::DECIMAL(20, 3) AS dec, TIMESTAMPTZ '2020-01-01 00:00:00+00' + INTERVAL "   \
  "(i) "                                                                                                               \
  "SECOND AS at, TIMESTAMP '1969-12-31 23:59:59.999999' AS ntz, 'x'::BLOB AS bin, MAP {'k': i} AS m, i % 2 = 0 AS b "  \
  "FROM range(5000) t(i)"

/* From one engine as a stream into a job of another. */
static void test_arrow_streams(void **state) {
  fixture *f = *state;
  struct ArrowArrayStream stream;
  shoal_job from = {.sql = SHOAL_STR(ALL_TYPES)};
  shoal_engine *other;
  shoal_outcome direct, streamed;
  shoal_str allowed[] = {shoal_str_z(shoal_arena_printf(&f->arena, "%s/", f->folder))};
  shoal_engine_config config = {.threads = 2, .memory = 1u << 28, .allowed = allowed, .n_allowed = 1, .locked = true};
  CHECK_OK(shoal_engine_open_duckdb(&config, &other, &f->err), &f->err);
  shoal_job job = {.sql = SHOAL_STR(ALL_TYPES), .staging = f->staging, .rows_hash = true};
  CHECK_OK(shoal_engine_execute(other, &job, &f->arena, &direct, &f->err), &f->err);
  for (int round = 0; round < 2; round++) { /* nothing of the first stays */
    CHECK_OK(shoal_engine_stream(f->engine, &from, &stream, &f->err), &f->err);
    shoal_scan scan = {.format = SHOAL_SCAN_ARROW, .stream = &stream};
    shoal_input input = {SHOAL_STR("s.rows"), &scan};
    job = (shoal_job){.sql = SHOAL_STR("SELECT * FROM s.rows"),
                      .inputs = &input,
                      .n_inputs = 1,
                      .staging = f->staging,
                      .rows_hash = true};
    CHECK_OK(shoal_engine_execute(other, &job, &f->arena, &streamed, &f->err), &f->err);
    if (stream.release)
      stream.release(&stream);
    assert_true(shoal_schema_eq(&direct.schema, &streamed.schema));
    assert_int_equal(streamed.rows, 5000);
    assert_true(shoal_hash_eq(&direct.rows_hash, &streamed.rows_hash));
  }
  check_sql(f, "SELECT 1", "1\n"); /* and the first engine is free again */
  struct ArrowArray batch;
  from.sql = SHOAL_STR("SELECT 1 AS a, 2 AS a WHERE false");
  CHECK_OK(shoal_engine_stream(f->engine, &from, &stream, &f->err), &f->err);
  struct ArrowSchema schema;
  assert_int_equal(stream.get_schema(&stream, &schema), 0);
  assert_int_equal(schema.n_children, 2);
  assert_string_equal(schema.children[1]->name, "a");
  schema.release(&schema);
  assert_int_equal(stream.get_next(&stream, &batch), 0);
  assert_null(batch.release);
  stream.release(&stream);
  from.sql = SHOAL_STR("SELECT nothing");
  CHECK_STATUS(shoal_engine_stream(f->engine, &from, &stream, &f->err), SHOAL_EENGINE, &f->err);
  check_sql(f, "SELECT 1", "1\n");
  shoal_engine_free(other);
}

static void interrupt_later(void *engine) {
  for (int64_t until = shoal_time_monotonic() + 100000; shoal_time_monotonic() < until;)
    sched_yield();
  shoal_engine_interrupt(engine);
}

static void test_interrupt(void **state) {
  fixture *f = *state;
  shoal_thread thread = {0};
  shoal_outcome out;
  shoal_job job = {.sql = SHOAL_STR("SELECT count(*) AS n FROM range(100000000000) t(i) WHERE hash(i) = 1"),
                   .staging = f->staging};
  CHECK_OK(shoal_thread_start(&thread, interrupt_later, f->engine, &f->err), &f->err);
  int64_t start = shoal_time_monotonic();
  CHECK_STATUS(shoal_engine_execute(f->engine, &job, &f->arena, &out, &f->err), SHOAL_ECANCELLED, &f->err);
  assert_true(shoal_time_monotonic() - start < 10000000);
  shoal_thread_join(&thread);
  check_sql(f, "SELECT 1", "1\n"); /* the next job is not */
  shoal_engine_interrupt(f->engine);
  CHECK_STATUS(shoal_engine_execute(f->engine, &job, &f->arena, &out, &f->err), SHOAL_ECANCELLED, &f->err);
  check_sql(f, "SELECT 1", "1\n");
}

/* A query of which row 3,000,000 fails: on one thread, on several, and above an operator that needs all rows first. */
static const char *const late[] = {
    "SELECT CASE WHEN i = 3000000 THEN error('too late') ELSE i END AS n FROM range(4000000) t(i)",
    "SELECT n FROM (SELECT CASE WHEN i = 3000000 THEN error('too late') ELSE i::VARCHAR END AS n FROM range(4000000) "
    "t(i)) WHERE n <> '7'",
    "SELECT count(*) FROM (SELECT CASE WHEN i = 3000000 THEN error('too late') ELSE i END AS n FROM range(4000000) "
    "t(i)) WHERE n <> 7"};

static void test_errors_that_come_late(void **state) {
  fixture *f = *state;
  for (size_t i = 0; i < sizeof late / sizeof *late; i++) {
    shoal_rows *rows;
    shoal_job job = {.sql = shoal_str_z(late[i])};
    shoal_status status = shoal_engine_query(f->engine, &job, &rows, &f->err);
    if (status >= 0) {
      while ((status = shoal_rows_next(rows, &f->err)) == SHOAL_OK)
        continue;
      CHECK_STATUS(shoal_rows_next(rows, &f->err), SHOAL_EENGINE, &f->err); /* and it stays failed */
      shoal_rows_free(rows);
    }
    CHECK_STATUS(status, SHOAL_EENGINE, &f->err);
    assert_string_equal(f->err.message, "too late");
    struct ArrowArrayStream stream;
    struct ArrowArray batch = {0};
    int code = 0;
    status = shoal_engine_stream(f->engine, &job, &stream, &f->err);
    if (status >= 0) {
      do {
        code = stream.get_next(&stream, &batch);
        if (!code && batch.release)
          batch.release(&batch);
        else
          break;
      } while (true);
      assert_int_equal(code, EIO);
      assert_string_equal(stream.get_last_error(&stream), "too late");
      stream.release(&stream);
    }
    char *path = shoal_arena_printf(&f->arena, "%s/late.arrow", f->staging);
    CHECK_STATUS(shoal_engine_copy(f->engine, &job, path, SHOAL_STR("arrow"), &f->err), SHOAL_EENGINE, &f->err);
    assert_string_equal(f->err.message, "too late");
    check_sql(f, "SELECT 1", "1\n");
  }
}

static void test_rows_are_cancelled_while_they_are_read(void **state) {
  fixture *f = *state;
  shoal_rows *rows;
  shoal_job job = {.sql = SHOAL_STR("SELECT i FROM range(100000000000) t(i)")};
  CHECK_OK(shoal_engine_query(f->engine, &job, &rows, &f->err), &f->err); /* without the rest of the rows */
  for (int i = 0; i < 10000; i++) {
    CHECK_OK(shoal_rows_next(rows, &f->err), &f->err);
    assert_true(shoal_str_is(shoal_rows_text(rows, 0), shoal_arena_printf(&f->arena, "%d", i)));
  }
  shoal_engine_interrupt(f->engine);
  shoal_status status;
  while ((status = shoal_rows_next(rows, &f->err)) == SHOAL_OK)
    continue;
  CHECK_STATUS(status, SHOAL_ECANCELLED, &f->err);
  shoal_rows_free(rows);
  check_sql(f, "SELECT 1", "1\n");
  CHECK_OK(shoal_engine_query(f->engine, &job, &rows, &f->err), &f->err);
  CHECK_OK(shoal_rows_next(rows, &f->err), &f->err);
  shoal_rows_free(rows); /* left in the middle */
  check_sql(f, "SELECT 1", "1\n");
}

static void test_busy_while_rows_are_open(void **state) {
  fixture *f = *state;
  shoal_rows *rows, *other;
  shoal_job job = {.sql = SHOAL_STR("SELECT 1 AS a, 2 AS a")};
  CHECK_OK(shoal_engine_query(f->engine, &job, &rows, &f->err), &f->err);
  assert_int_equal(shoal_rows_columns(rows), 2);
  CHECK_STR(shoal_rows_name(rows, 1), "a");
  CHECK_STR(shoal_rows_type(rows, 1), "INTEGER");
  CHECK_STATUS(shoal_engine_query(f->engine, &job, &other, &f->err), SHOAL_EBUSY, &f->err);
  shoal_rows_free(rows);
  check_sql(f, "SELECT 1", "1\n");
}

static void test_wrong_library(void **state) {
  fixture *f = *state;
  shoal_engine *e;
  shoal_engine_config config = {.library = "/nonexistent/libduckdb.so"};
  /* the process has its library already: the path is not looked at again */
  CHECK_OK(shoal_engine_open_duckdb(&config, &e, &f->err), &f->err);
  CHECK_STR(shoal_str_z(shoal_engine_version(e)), "duckdb 1.5.5");
  shoal_engine_free(e);
}

static shoal_status everything(fixture *f, const shoal_job *job) {
  shoal_outcome out;
  shoal_rows *rows;
  shoal_buf json = {0};
  shoal_arena arena = {0};
  shoal_status status = shoal_engine_parse(f->engine, SHOAL_STR("SELECT 1"), &json, &f->err);
  if (status == SHOAL_OK)
    status = shoal_engine_execute(f->engine, job, &arena, &out, &f->err);
  if (status == SHOAL_OK)
    status = shoal_engine_query(f->engine, job, &rows, &f->err);
  if (status == SHOAL_OK) {
    while ((status = shoal_rows_next(rows, &f->err)) == SHOAL_OK)
      continue;
    shoal_rows_free(rows);
  }
  shoal_buf_dispose(&json);
  shoal_arena_dispose(&arena);
  return status < 0 ? status : SHOAL_OK;
}

/* More rows than fit into the memory of `open_small`, in order; an engine that holds them has spilled. */
#define SPILLED "SELECT h, repeat(hex(h), 4) AS t FROM (SELECT hash(i) AS h FROM range(1500000) r(i)) ORDER BY h"

static shoal_engine *open_small(fixture *f, const char *temp) {
  shoal_engine *e;
  shoal_engine_config config = {.threads = 2, .memory = 100u << 20, .temp = temp};
  CHECK_OK(shoal_engine_open_duckdb(&config, &e, &f->err), &f->err);
  return e;
}

/* Reads on: how many rows there are, and that they are in order and whole. */
static size_t read_ordered(fixture *f, shoal_rows *rows, size_t most) {
  char before[32] = "";
  shoal_status status = SHOAL_OK;
  size_t n = 0;
  for (; n < most && (status = shoal_rows_next(rows, &f->err)) == SHOAL_OK; n++) {
    shoal_str h = shoal_rows_text(rows, 0), t = shoal_rows_text(rows, 1);
    char padded[32], hex[32];
    snprintf(padded, sizeof padded, "%20.*s", SHOAL_FMT(h));
    assert_true(strcmp(before, padded) < 0);
    memcpy(before, padded, sizeof before);
    snprintf(hex, sizeof hex, "%llX", strtoull(padded, NULL, 10));
    assert_true(t.len == 4 * strlen(hex) && !memcmp(t.ptr, hex, strlen(hex)));
  }
  assert_true(status == SHOAL_OK || status == SHOAL_DONE);
  return n;
}

/* DuckDB's instances give their spilled files the same names, and one that ends deletes those of all the others. */
static void test_engines_spill_apart(void **state) {
  fixture *f = *state;
  shoal_job job = {.sql = SHOAL_STR(SPILLED)};
  shoal_rows *rows, *others;
  shoal_dirent *left;
  size_t n_left;
  char temp[512];
  snprintf(temp, sizeof temp, "%s/temp/below", f->folder);
  shoal_engine *one = open_small(f, temp), *other = open_small(f, temp);
  CHECK_OK(shoal_engine_query(one, &job, &rows, &f->err), &f->err);
  assert_int_equal(read_ordered(f, rows, 1), 1);
  CHECK_OK(shoal_os_list(temp, &f->arena, &left, &n_left, &f->err), &f->err);
  assert_true(n_left > 0); /* or there is nothing to tell apart */
  CHECK_OK(shoal_engine_query(other, &job, &others, &f->err), &f->err);
  assert_int_equal(read_ordered(f, others, 1), 1);
  shoal_rows_free(others);
  shoal_engine_free(other);
  assert_int_equal(read_ordered(f, rows, SIZE_MAX), 1499999);
  shoal_rows_free(rows);
  shoal_engine_free(one);
  CHECK_OK(shoal_os_list(temp, &f->arena, &left, &n_left, &f->err), &f->err);
  assert_int_equal(n_left, 0);
}

/* Every n-th request for memory fails once: an error, nothing leaked, and the engine serves the next job. */
static void test_nth_allocation_fails(void **state) {
  fixture *f = *state;
  shoal_outcome out = execute(f, (shoal_job){.sql = SHOAL_STR("SELECT 1 AS a, [2] AS b, 'p' AS p")});
  size_t partition[] = {2};
  shoal_scan scan = scan_of(f, &out, partition, 1);
  shoal_str value = SHOAL_STR("q");
  ((shoal_scan_file *)scan.files)[0].partition_values = &value;
  shoal_input inputs[] = {{SHOAL_STR("s.t"), &scan}};
  shoal_str macro = SHOAL_STR("CREATE MACRO twice(x) AS x * 2");
  shoal_variable variable = {SHOAL_STR("v"), SHOAL_STR("3"), false};
  shoal_job job = {.sql = SHOAL_STR("SELECT twice(a) + getvariable('v') AS n, {'b': b} AS st, p FROM s.t ORDER BY n"),
                   .inputs = inputs,
                   .n_inputs = 1,
                   .macros = &macro,
                   .n_macros = 1,
                   .variables = &variable,
                   .n_variables = 1,
                   .staging = f->staging,
                   .rows_hash = true};
  bool failed = true;
  uint64_t n = 1;
  for (; failed; n++) {
    shoal_mem_fail_at(n, 0);
    shoal_status status = everything(f, &job);
    failed = shoal_mem_requests() >= n;
    shoal_mem_fail_at(0, 0);
    if (status < 0 && status != SHOAL_ENOMEM && status != SHOAL_EENGINE)
      fail_msg("request %llu: %s: %s", (unsigned long long)n, shoal_status_name(status), f->err.message);
    if (n % 10 == 0)
      check_rows(f, &job, "5|{'b': [2]}|q\n");
  }
  assert_true(n > 50);
  check_rows(f, &job, "5|{'b': [2]}|q\n");
  check_sql(f, "SELECT getvariable('v')", "~\n");
}

static void count_progress(void *arg, double percent) {
  assert_true(percent >= 0 && percent <= 100);
  ++*(int *)arg;
}

static void test_progress(void **state) {
  fixture *f = *state;
  int calls = 0;
  shoal_outcome out = execute(f, (shoal_job){.sql = SHOAL_STR("SELECT i FROM range(2000000) t(i)")});
  shoal_scan scan = scan_of(f, &out, NULL, 0);
  shoal_input inputs[] = {{SHOAL_STR("t"), &scan}};
  (void)execute(
      f, (shoal_job){.sql = SHOAL_STR(
                         "SELECT i, sha256(md5(i::VARCHAR)) AS h FROM t"), /* row groups are tasks for both threads */
                     .inputs = inputs,
                     .n_inputs = 1,
                     .progress = count_progress,
                     .progress_arg = &calls});
  assert_true(calls > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_engine_setup, test_engine_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_queries),
      TEST(test_every_setting_is_classified),
      TEST(test_round_trip),
      TEST(test_types),
      TEST(test_refused_types),
      TEST(test_overflow_names_the_column),
      TEST(test_errors_have_places),
      TEST(test_names_that_are_no_input),
      TEST(test_sandbox),
      TEST(test_settings_are_pinned),
      TEST(test_partitions),
      TEST(test_noted_rows),
      TEST(test_noted_rows_that_are_too_many),
      TEST(test_partition_refusals),
      TEST(test_statistics),
      TEST(test_empty_results_and_inputs),
      TEST(test_evolved_table),
      TEST(test_rows_that_are_gone),
      TEST(test_mapped_names),
      TEST(test_source_files),
      TEST(test_macros_and_variables),
      TEST(test_rows_hash_of_queries),
      TEST(test_each_row_is_handed_on),
      TEST(test_rows_hash_is_of_the_files),
      TEST(test_order_and_file_size),
      TEST(test_copy),
      TEST(test_arrow_streams),
      TEST(test_interrupt),
      TEST(test_errors_that_come_late),
      TEST(test_rows_are_cancelled_while_they_are_read),
      TEST(test_busy_while_rows_are_open),
      TEST(test_wrong_library),
      TEST(test_engines_spill_apart),
      TEST(test_nth_allocation_fails),
      TEST(test_progress),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
