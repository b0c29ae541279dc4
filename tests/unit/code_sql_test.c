/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical form of SQL: what must count, what must not, what a query names, what is refused. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/vec.h"
#include "code/functions.h"
#include "code/sql.h"
#include "engine/engine.h"
#include "engine/lexer.h"

typedef struct fixture {
  shoal_engine *engine;
  shoal_arena arena;
  shoal_error err;
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  shoal_engine_config config = {.threads = 1, .memory = 256u << 20, .locked = true};
  CHECK_OK(shoal_engine_open_duckdb(&config, &f->engine, &f->err), &f->err);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  shoal_engine_free(f->engine);
  shoal_arena_dispose(&f->arena);
  free(f);
  return 0;
}

static shoal_status form_of(fixture *f, shoal_str sql, shoal_sql_form *out) {
  static const shoal_str macros[] = {{"my_macro", 8}};
  shoal_buf json = {0};
  f->err = (shoal_error){0};
  shoal_status status = shoal_engine_parse(f->engine, sql, &json, &f->err);
  if (status == SHOAL_OK)
    status = shoal_sql_analyse(sql, shoal_buf_str(&json), macros, 1, &f->arena, out, &f->err);
  shoal_buf_dispose(&json);
  return status;
}

static shoal_sql_form form(fixture *f, const char *sql) {
  shoal_sql_form out = {0};
  CHECK_OK(form_of(f, shoal_str_z(sql), &out), &f->err);
  return out;
}

typedef struct pair {
  const char *a, *b;
} pair;

static void test_equal(void **state) {
  static const pair pairs[] = {
      {"SELECT a FROM t", "select  a\n/* c /* nested */ */ from t -- end"},
      {"SELECT a FROM t", "SELECT a FROM t;"},
      {"SELECT a FROM t", "SELECT a\xC2\xA0"
                          "FROM t"},
      {"SELECT a, b FROM t WHERE x = 'Y'", "SELECT a,b FROM t WHERE x='Y'"},
      {"SELECT count(*) FROM t", "SELECT COUNT(*) FROM t"},
      {"SELECT CAST(a AS BIGINT) FROM t", "SELECT CAST(a AS bigint) FROM t"},
      {"FROM t", "SELECT * FROM t"},
  };
  fixture *f = *state;
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    shoal_sql_form a = form(f, pairs[i].a), b = form(f, pairs[i].b);
    if (!shoal_hash_eq(&a.canon, &b.canon))
      fail_msg("must be equal: %s  AND  %s", pairs[i].a, pairs[i].b);
  }
}

static void test_different(void **state) {
  static const pair pairs[] = {
      {"SELECT a FROM t", "SELECT b FROM t"},
      {"SELECT a FROM t", "SELECT a FROM u"},
      {"SELECT a FROM t", "SELECT a FROM s.t"},
      {"SELECT a FROM t", "SELECT a AS b FROM t"},
      {"SELECT 'a'", "SELECT 'A'"},
      {"SELECT 1", "SELECT 1.0"},
      {"SELECT 1", "SELECT '1'"},
      {"SELECT 0.1::DOUBLE", "SELECT 0.10000000000000001::DOUBLE"},
      {"SELECT 1e-320", "SELECT 1e-321"},
      {"SELECT 170141183460469231731687303715884105727", "SELECT 170141183460469231731687303715884105726"},
      {"SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a DESC"},
      {"SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a NULLS FIRST"},
      {"SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT 2"},
      {"SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT 1%"},
      {"SELECT a FROM t", "SELECT DISTINCT a FROM t"},
      {"SELECT a FROM t UNION SELECT 1", "SELECT a FROM t UNION ALL SELECT 1"},
      {"SELECT sum(a) FROM t", "SELECT sum(DISTINCT a) FROM t"},
      {"SELECT sum(a) FROM t", "SELECT sum(a) FILTER (WHERE a > 1) FROM t"},
      {"SELECT first(a ORDER BY b) FROM t", "SELECT first(a ORDER BY c) FROM t"},
      {"SELECT lag(a) OVER (ORDER BY b) FROM t", "SELECT lag(a IGNORE NULLS) OVER (ORDER BY b) FROM t"},
      {"SELECT sum(a) OVER (ORDER BY b ROWS 1 PRECEDING) FROM t",
       "SELECT sum(a) OVER (ORDER BY b ROWS 2 PRECEDING) FROM t"},
      {"SELECT sum(a) OVER (ORDER BY b ROWS 1 PRECEDING) FROM t",
       "SELECT sum(a) OVER (ORDER BY b RANGE 1 PRECEDING) FROM t"},
      {"SELECT sum(a) OVER (ORDER BY b GROUPS 1 PRECEDING) FROM t",
       "SELECT sum(a) OVER (ORDER BY b GROUPS 1 PRECEDING EXCLUDE TIES) FROM t"},
      {"SELECT a FROM t JOIN u USING (a)", "SELECT a FROM t LEFT JOIN u USING (a)"},
      {"SELECT a FROM t ASOF JOIN u USING (a)", "SELECT a FROM t JOIN u USING (a)"},
      {"SELECT CAST(a AS INT) FROM t", "SELECT TRY_CAST(a AS INT) FROM t"},
      {"SELECT a::DECIMAL(10,2) FROM t", "SELECT a::DECIMAL(10,3) FROM t"},
      {"SELECT a::ENUM('a','b') FROM t", "SELECT a::ENUM('a','c') FROM t"},
      {"SELECT a::STRUCT(x INT) FROM t", "SELECT a::STRUCT(y INT) FROM t"},
      {"SELECT a::INT[] FROM t", "SELECT a::INT[3] FROM t"},
      {"SELECT a COLLATE nocase FROM t", "SELECT a COLLATE noaccent FROM t"},
      {"SELECT * EXCLUDE (a) FROM t", "SELECT * EXCLUDE (b) FROM t"},
      {"SELECT * REPLACE (a + 1 AS a) FROM t", "SELECT * REPLACE (a + 2 AS a) FROM t"},
      {"SELECT * RENAME (a AS b) FROM t", "SELECT * RENAME (a AS c) FROM t"},
      {"SELECT COLUMNS('a.*') FROM t", "SELECT COLUMNS('b.*') FROM t"},
      {"SELECT a FROM t GROUP BY ALL", "SELECT a FROM t"},
      {"SELECT a, b FROM t GROUP BY ROLLUP (a, b)", "SELECT a, b FROM t GROUP BY CUBE (a, b)"},
      {"SELECT DISTINCT ON (a) a, b FROM t", "SELECT DISTINCT ON (b) a, b FROM t"},
      {"SELECT a FROM t QUALIFY row_number() OVER () = 1", "SELECT a FROM t QUALIFY row_number() OVER () = 2"},
      {"SELECT a FROM t AT (VERSION => 1)", "SELECT a FROM t AT (VERSION => 2)"},
      {"SELECT a FROM t AT (VERSION => 1)", "SELECT a FROM t"},
      {"SELECT a FROM t TABLESAMPLE 10% (system, 1)", "SELECT a FROM t TABLESAMPLE 10% (system, 2)"},
      {"SELECT a FROM t TABLESAMPLE 10% (system, 1)", "SELECT a FROM t TABLESAMPLE 10% (bernoulli, 1)"},
      {"WITH a AS (FROM t) FROM a", "WITH a AS MATERIALIZED (FROM t) FROM a"},
      {"WITH a AS (FROM t) FROM a", "WITH a AS NOT MATERIALIZED (FROM t) FROM a"},
      {"WITH a AS MATERIALIZED (FROM t), b AS (FROM a) FROM b",
       "WITH a AS (FROM t), b AS MATERIALIZED (FROM a) FROM b"},
      {"PIVOT t ON x IN (1, 2) USING sum(y)", "PIVOT t ON x IN (1, 3) USING sum(y)"},
      {"FROM t UNPIVOT (v FOR n IN (a, b))", "FROM t UNPIVOT INCLUDE NULLS (v FOR n IN (a, b))"},
      {"SELECT * FROM range(3) WITH ORDINALITY", "SELECT * FROM range(3)"},
      {"SELECT INTERVAL 1 DAY", "SELECT INTERVAL 1 MONTH"},
      {"SELECT a LIKE 'x%' FROM t", "SELECT a ILIKE 'x%' FROM t"},
      {"SELECT a LIKE 'x%' ESCAPE '$' FROM t", "SELECT a LIKE 'x%' FROM t"},
      {"SELECT a IS DISTINCT FROM 1 FROM t", "SELECT a <> 1 FROM t"},
      {"SELECT E'\\n'", "SELECT '\\n'"},
      {"SELECT x'00'", "SELECT x'01'"},
      {"SELECT {'a': 1}", "SELECT {'b': 1}"},
      {"SELECT a FROM read_csv('x.csv')", "SELECT a FROM read_csv('x.csv', header := true)"},
  };
  fixture *f = *state;
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    shoal_sql_form a = form(f, pairs[i].a), b = form(f, pairs[i].b);
    if (shoal_hash_eq(&a.canon, &b.canon))
      fail_msg("must differ: %s  AND  %s", pairs[i].a, pairs[i].b);
  }
}

static const char *join_refs(fixture *f, const shoal_sql_form *form_) {
  shoal_buf out = {0};
  for (size_t i = 0; i < form_->n_refs; i++) {
    shoal_buf_addf(&out, "%s%.*s", i ? " " : "", SHOAL_FMT(form_->refs[i].name));
    if (form_->refs[i].at.ptr)
      shoal_buf_addf(&out, "@%.*s", SHOAL_FMT(form_->refs[i].at));
  }
  const char *text = shoal_arena_cstr(&f->arena, shoal_buf_str(&out));
  shoal_buf_dispose(&out);
  return text;
}

static void test_refs(void **state) {
  static const pair cases[] = {
      {"SELECT * FROM Silver.Orders o JOIN b ON true JOIN silver.orders ON true", "b silver.orders"},
      {"WITH a AS (FROM t) FROM a", "t"},
      {"WITH a AS (FROM a) FROM a", "a"},
      {"WITH a AS (FROM t), b AS (FROM a JOIN u ON true) FROM b", "t u"},
      {"WITH b AS (FROM zz), zz AS (SELECT 1) FROM b", "zz"},
      {"WITH A AS (FROM t) FROM a", "t"},
      {"WITH a AS (FROM t) FROM s.a", "s.a t"},
      {"WITH RECURSIVE r(n) AS (SELECT x FROM t UNION ALL SELECT n + 1 FROM r, u) FROM r", "t u"},
      {"WITH RECURSIVE r(n) AS (SELECT x FROM t UNION ALL SELECT n + 1 FROM r) SELECT 1", "t"},
      {"SELECT (SELECT max(x) FROM t) FROM u", "t u"},
      {"SELECT * FROM (WITH w AS (FROM t) FROM w), w", "t w"},
      {"WITH w AS (FROM t) SELECT * FROM t WHERE x IN (WITH w AS (FROM a) FROM w)", "a t"},
      {"SELECT x IN (FROM t) FROM u ORDER BY (SELECT max(y) FROM v) LIMIT (SELECT 1 FROM w)", "t u v w"},
      {"SELECT 1 WHERE EXISTS (FROM t) OR x = ANY (SELECT y FROM u)", "t u"},
      {"SELECT list_transform([1], lambda q: q + (SELECT max(x) FROM t))", "t"},
      {"PIVOT t ON x IN (1, 2) USING sum(y)", "t"},
      {"SELECT * FROM (UNPIVOT u ON a, b INTO NAME n VALUE v)", "u"},
      {"FROM t UNION ALL (FROM u EXCEPT FROM v)", "t u v"},
      {"WITH w AS (FROM t) FROM w UNION ALL FROM w", "t"},
      {"FROM t AT (VERSION => 3), t", "t t@version 3"},
      {"FROM t AT (TIMESTAMP => '2020-01-01')", "t@timestamp 2020-01-01"},
      {"VALUES ((SELECT 1 FROM t))", "t"},
      {"SELECT ARRAY(SELECT x FROM t)", "t"},
      {"SELECT 1 FROM range((SELECT max(x) FROM t))", "t"},
      {"SELECT sum(x) FILTER (WHERE y IN (FROM t)) OVER (PARTITION BY (SELECT 1 FROM u)) FROM v", "t u v"},
      {"SELECT CASE WHEN a THEN (SELECT 1 FROM t) END FROM x", "t x"},
      {"SELECT * FROM \"a b\".\"C.D\"", "a b.c.d"},
      {"SELECT 1", ""},
  };
  fixture *f = *state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_sql_form got = form(f, cases[i].a);
    if (strcmp(join_refs(f, &got), cases[i].b) != 0)
      fail_msg("%s: refs are \"%s\", not \"%s\"", cases[i].a, join_refs(f, &got), cases[i].b);
  }
  shoal_sql_form got = form(f, "SELECT *\nFROM t, u, t AS t2");
  assert_int_equal(got.refs[0].position, 14);
  assert_int_equal(got.refs[1].position, 17);
}

static void test_files(void **state) {
  fixture *f = *state;
  shoal_sql_form got =
      form(f, "SELECT * FROM read_csv(['b.csv', 'a.csv'], hive_partitioning := true) JOIN 'x/*.parquet' ON true "
              "JOIN read_json('j.json') ON true JOIN 'x/*.parquet' ON true");
  assert_int_equal(got.n_refs, 0);
  assert_int_equal(got.n_files, 4);
  CHECK_STR(got.files[0].path, "a.csv");
  CHECK_STR(got.files[0].function, "read_csv");
  assert_true(got.files[0].hive);
  CHECK_STR(got.files[2].path, "j.json");
  CHECK_STR(got.files[3].path, "x/*.parquet");
  CHECK_STR(got.files[3].function, "read_parquet");
  assert_false(got.files[3].hive);
  assert_false(got.volatile_);
  assert_true(form(f, "FROM read_text('x.txt')").volatile_);
}

static void test_names(void **state) {
  fixture *f = *state;
  shoal_sql_form got =
      form(f, "SELECT MY_MACRO(x), sum(y) OVER (), row_number() OVER (), getvariable('start'), 1 + 2 FROM range(3)");
  const char *want[] = {"getvariable", "my_macro", "range", "row_number", "sum"};
  assert_int_equal(got.n_functions, 5);
  for (size_t i = 0; i < 5; i++)
    CHECK_STR(got.functions[i], want[i]);
  assert_int_equal(got.n_variables, 1);
  CHECK_STR(got.variables[0], "start");
  assert_false(got.volatile_);
}

static void test_volatile(void **state) {
  static const pair cases[] = {
      {"SELECT now()", "now"},
      {"SELECT current_timestamp", "current_timestamp"},
      {"SELECT random() FROM t", "random"},
      {"SELECT uuid()", "uuid"},
      {"SELECT age(x) FROM t", "age"},
      {"SELECT foo(x) FROM t", "foo"},
      {"FROM foo(1)", "foo"},
      {"SELECT x.now() FROM t", "now"},
      {"SELECT * FROM t TABLESAMPLE 10%", "sample without a seed"},
      {"SELECT * FROM t USING SAMPLE 5 ROWS", "sample without a seed"},
      {"WITH w AS (SELECT random() AS r) FROM w", "random"},
      {"SELECT version()", "version"},
  };
  static const char *const pure[] = {"SELECT age(x, y) FROM t",
                                     "SELECT my_macro(1)",
                                     "SELECT user FROM t",
                                     "SELECT * FROM t TABLESAMPLE 10% (system, 7)",
                                     "SELECT to_timestamp(1.5)",
                                     "SELECT a COLLATE nocase FROM t",
                                     "SELECT x -> 'a' FROM t",
                                     "SELECT [z + 1 for z in l] FROM t",
                                     "SELECT date_trunc('day', ts) FROM t"};
  fixture *f = *state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_sql_form got = form(f, cases[i].a);
    assert_true(got.volatile_);
    CHECK_STR(got.volatile_why, cases[i].b);
  }
  for (size_t i = 0; i < sizeof pure / sizeof *pure; i++) {
    shoal_sql_form got = form(f, pure[i]);
    if (got.volatile_)
      fail_msg("%s is volatile by %.*s", pure[i], SHOAL_FMT(got.volatile_why));
  }
  assert_true(form(f, "SELECT current_date").date_only);
  assert_true(form(f, "SELECT today()").date_only);
  assert_false(form(f, "SELECT current_date, now()").date_only);
}

/* Special texts that older engines read as times must not be read as such: they would be volatile unseen. */
static void test_no_hidden_clock(void **state) {
  static const char *const queries[] = {
      "SELECT 'now'::TIMESTAMP", "SELECT 'today'::DATE",      "SELECT 'now'::DATE", "SELECT 'tomorrow'::DATE",
      "SELECT DATE 'yesterday'", "SELECT 'now'::TIMESTAMPTZ", "SELECT 'now'::TIME", "SELECT TIMESTAMP 'today'"};
  fixture *f = *state;
  for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
    shoal_rows *rows = NULL;
    shoal_job job = {.sql = shoal_str_z(queries[i])};
    CHECK_STATUS(shoal_engine_query(f->engine, &job, &rows, &f->err), SHOAL_EENGINE, &f->err);
  }
}

static void test_refused(void **state) {
  static const pair cases[] = {
      {"SELECT 1; SELECT 2", "2 statements"},
      {"SELECT current_setting('threads')", "current_setting"},
      {"SELECT getvariable('a' || 'b')", "getvariable takes a constant"},
      {"SELECT getvariable(x) FROM t", "getvariable takes a constant"},
      {"FROM read_csv('a' || 'b')", "computed"},
      {"FROM read_csv(getvariable('f'))", "computed"},
      {"FROM read_parquet(['a', x])", "computed"},
      {"FROM duckdb_settings()", "duckdb_settings"},
      {"FROM query('SELECT 1')", "query"},
      {"FROM query_table('t')", "query_table"},
      {"FROM histogram(t, x)", "histogram"},
      {"FROM information_schema.tables", "information_schema"},
      {"FROM memory.main.t", "memory"},
      {"DESCRIBE t", "DESCRIBE"},
      {"SHOW TABLES", "SHOW"},
      {"SELECT $1", "parameter"},
      {"SELECT ?", "parameter"},
  };
  fixture *f = *state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_sql_form out;
    CHECK_STATUS(form_of(f, shoal_str_z(cases[i].a), &out), SHOAL_EINVAL, &f->err);
    if (!strstr(f->err.message, cases[i].b) || !f->err.hint[0])
      fail_msg("%s: \"%s\" / \"%s\" lacks \"%s\"", cases[i].a, f->err.message, f->err.hint, cases[i].b);
  }
  shoal_sql_form out;
  CHECK_STATUS(form_of(f, SHOAL_STR("PIVOT t ON x USING sum(y)"), &out), SHOAL_EENGINE, &f->err);
  assert_non_null(strstr(f->err.message, "PIVOT"));
  assert_true(f->err.hint[0] != 0);
  CHECK_STATUS(form_of(f, SHOAL_STR("SELECT a\nFROM t WHERE FROM"), &out), SHOAL_EENGINE, &f->err);
  assert_int_equal(f->err.line, 2);
  assert_int_equal(f->err.column, 14);
}

/* Every function of the engine must have been looked at. */
static void test_every_function_is_classified(void **state) {
  fixture *f = *state;
  shoal_rows *rows;
  size_t missing = 0, n = 0;
  shoal_job job = {
      .sql = SHOAL_STR("SELECT DISTINCT lower(function_name), function_type LIKE 'table%' FROM duckdb_functions() "
                       "WHERE function_type IN ('scalar', 'aggregate', 'macro', 'table', 'table_macro') "
                       "AND regexp_matches(function_name, '^[A-Za-z_]')")};
  CHECK_OK(shoal_engine_query(f->engine, &job, &rows, &f->err), &f->err);
  for (; shoal_rows_next(rows, &f->err) == SHOAL_OK; n++) {
    shoal_str name = shoal_rows_text(rows, 0);
    bool table = shoal_str_is(shoal_rows_text(rows, 1), "true");
    if (shoal_str_is(name, "getvariable") || shoal_str_is(name, "current_setting"))
      continue;
    if ((table ? shoal_table_function_class(name) : shoal_scalar_function_class(name)) == SHOAL_FUNCTION_UNKNOWN) {
      fprintf(stderr, "unclassified %s function: %.*s\n", table ? "table" : "scalar", SHOAL_FMT(name));
      missing++;
    }
  }
  shoal_rows_free(rows);
  assert_true(n > 600);
  assert_int_equal(missing, 0);
}

/* What the catalogue itself calls volatile must not be pure here. */
static void test_catalogue_volatiles(void **state) {
  fixture *f = *state;
  shoal_rows *rows;
  shoal_job job = {
      .sql = SHOAL_STR("SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
                       " AND function_type IN ('scalar', 'aggregate') AND function_name <> 'error'")};
  CHECK_OK(shoal_engine_query(f->engine, &job, &rows, &f->err), &f->err);
  while (shoal_rows_next(rows, &f->err) == SHOAL_OK) {
    if (shoal_scalar_function_class(shoal_rows_text(rows, 0)) == SHOAL_FUNCTION_PURE)
      fail_msg("%.*s", SHOAL_FMT(shoal_rows_text(rows, 0)));
  }
  shoal_rows_free(rows);
}

/* A macro of the engine is what its body is: where one of its overloads is not pure, its name is not. */
static void test_catalogue_macros(void **state) {
  fixture *f = *state;
  shoal_rows *rows;
  size_t n = 0;
  shoal_job job = {.sql = SHOAL_STR("SELECT lower(function_name), macro_definition FROM duckdb_functions() WHERE "
                                    "function_type = 'macro' AND macro_definition IS NOT NULL")};
  SHOAL_VEC(char *) texts = {0};
  CHECK_OK(shoal_engine_query(f->engine, &job, &rows, &f->err), &f->err);
  for (; shoal_rows_next(rows, &f->err) == SHOAL_OK; n++)
    for (size_t i = 0; i < 2; i++) {
      char **slot = shoal_vec_add(&texts);
      *slot = shoal_arena_cstr(&f->arena, shoal_rows_text(rows, i));
    }
  shoal_rows_free(rows);
  assert_true(n > 50);
  for (size_t i = 0; i < texts.len; i += 2) {
    shoal_sql_form form;
    char *sql = shoal_arena_printf(&f->arena, "SELECT %s", texts.ptr[i + 1]);
    shoal_status status = form_of(f, shoal_str_z(sql), &form);
    bool pure = shoal_scalar_function_class(shoal_str_z(texts.ptr[i])) == SHOAL_FUNCTION_PURE;
    if (pure && (status < 0 || form.volatile_))
      fail_msg("%s is called pure, and its body is not: %s", texts.ptr[i], texts.ptr[i + 1]);
  }
  shoal_vec_dispose(&texts);
}

static const char *const corpus[] = {
    "WITH a AS MATERIALIZED (SELECT x, sum(y) AS s FROM silver.orders WHERE z IN ('a', 'b''c') GROUP BY x) "
    "SELECT a.x, coalesce(s, 0) + 1 AS n FROM a LEFT JOIN t USING (x) ORDER BY n DESC NULLS LAST LIMIT 10",
    "SELECT CASE WHEN a > 1.5e3 THEN 'x' ELSE $$dollar 'text'$$ END AS \"odd \"\"name\", b::DECIMAL(10, 2) FROM u",
    "PIVOT t ON x IN (1, 2) USING sum(y)",
    "SELECT list_transform(l, lambda q: q + 1), {'a': 1, 'b': [1, 2]}, E'esc\\n' FROM t WHERE NOT (a = 1 OR b = 2)",
    "SELECT row_number() OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM 'x.csv'",
};

/* Two symbols that stood together stay together: they may be one operator. */
static bool may_split(const shoal_token *a, const shoal_token *b) {
  if (a->offset + a->text.len < b->offset)
    return true;
  char x = a->text.ptr[0], y = b->text.ptr[0];
  return (a->kind == SHOAL_TOKEN_SYMBOL && strchr("(),[]{}", x)) ||
         (b->kind == SHOAL_TOKEN_SYMBOL && strchr("(),[]{}", y));
}

static void add_blank(shoal_buf *out, test_random *r) {
  static const char *const blanks[] = {" ", "\n", "\t", " /* c */ ", " -- c'\n", "/* a /* b */ \" */", "\r\n"};
  for (uint64_t n = 1 + test_random_below(r, 3); n > 0; n--)
    shoal_buf_addz(out, blanks[test_random_below(r, sizeof blanks / sizeof *blanks)]);
}

static void test_blanks_do_not_count(void **state) {
  fixture *f = *state;
  test_random r = test_random_start("code_sql: blanks");
  shoal_buf out = {0};
  for (uint64_t i = 0; i < test_budget(300); i++) {
    const char *sql = corpus[i % (sizeof corpus / sizeof *corpus)];
    shoal_lexer lexer = {.sql = shoal_str_z(sql)};
    shoal_token token, previous = {0};
    shoal_buf_clear(&out);
    for (bool first = true; shoal_lexer_next(&lexer, &token); first = false) {
      bool gap = !first && previous.offset + previous.text.len < token.offset;
      if (!first && may_split(&previous, &token) && (gap || test_random_below(&r, 2)))
        add_blank(&out, &r);
      shoal_buf_add(&out, token.text);
      previous = token;
    }
    shoal_sql_form want = form(f, sql), got;
    CHECK_OK(form_of(f, shoal_buf_str(&out), &got), &f->err);
    if (!shoal_hash_eq(&want.canon, &got.canon))
      fail_msg("%s", shoal_buf_z(&out));
  }
  shoal_buf_dispose(&out);
}

static void test_mutations_never_crash(void **state) {
  fixture *f = *state;
  test_random r = test_random_start("code_sql: mutations");
  for (uint64_t i = 0; i < test_budget(3000); i++) {
    char text[1024];
    snprintf(text, sizeof text, "%s", corpus[test_random_below(&r, sizeof corpus / sizeof *corpus)]);
    size_t n = strlen(text);
    for (uint64_t k = 1 + test_random_below(&r, 4); k > 0; k--) {
      size_t at = test_random_below(&r, n);
      if (test_random_below(&r, 3) == 0)
        memmove(text + at, text + at + 1, n-- - at);
      else
        text[at] = (char)(1 + test_random_below(&r, 255));
    }
    shoal_sql_form out;
    shoal_status status = form_of(f, shoal_str_n(text, n), &out);
    assert_true(status == SHOAL_OK || status < 0);
  }
}

static void test_deep(void **state) {
  fixture *f = *state;
  shoal_buf sql = {0};
  shoal_sql_form out;
  shoal_buf_addz(&sql, "SELECT 1");
  for (int i = 0; i < 400; i++)
    shoal_buf_addz(&sql, " + 1");
  CHECK_OK(form_of(f, shoal_buf_str(&sql), &out), &f->err);
  shoal_buf_clear(&sql);
  shoal_buf_addz(&sql, "FROM t");
  for (int i = 0; i < 300; i++)
    shoal_buf_addz(&sql, " UNION ALL FROM t");
  CHECK_OK(form_of(f, shoal_buf_str(&sql), &out), &f->err);
  shoal_buf_dispose(&sql);
}

static shoal_status split(fixture *f, const char *text, shoal_sql_macro *out) {
  f->err = (shoal_error){0};
  return shoal_sql_split_macro(shoal_str_z(text), &f->arena, out, &f->err);
}

static void test_macros(void **state) {
  fixture *f = *state;
  shoal_sql_macro m;
  CHECK_OK(split(f, "CREATE OR REPLACE MACRO \"Tax\"(x, rate := 0.2) AS x * (1 + rate); -- end", &m), &f->err);
  CHECK_STR(m.name, "tax");
  assert_int_equal(m.n, 1);
  CHECK_STR(m.bodies[0].select, "SELECT (x * (1 + rate)\n)");
  assert_int_equal(m.bodies[0].offset, 49 - 8);
  CHECK_OK(split(f, "CREATE MACRO f(a) AS a, (a, b) AS (a, b)", &m), &f->err);
  assert_int_equal(m.n, 2);
  CHECK_STR(m.bodies[1].select, "SELECT ((a, b)\n)");
  CHECK_OK(split(f, "create temp function g() as table select a, (b) as c from t, (a) as table from u", &m), &f->err);
  assert_int_equal(m.n, 2);
  CHECK_STR(m.bodies[0].select, "select a, (b) as c from t");
  CHECK_STR(m.bodies[1].select, "from u");
  shoal_sql_macro a, b;
  CHECK_OK(split(f, "CREATE MACRO f(a, b := 1) AS a", &a), &f->err);
  CHECK_OK(split(f, "create macro F ( A,b:=1 ) as a", &b), &f->err);
  assert_true(shoal_hash_eq(&a.head, &b.head));
  CHECK_OK(split(f, "CREATE MACRO f(a, b := 2) AS a", &b), &f->err);
  assert_false(shoal_hash_eq(&a.head, &b.head));
  CHECK_OK(split(f, "CREATE MACRO f(a, b := 1) AS TABLE a", &b), &f->err);
  assert_false(shoal_hash_eq(&a.head, &b.head));
  static const char *const bad[] = {"CREATE TABLE t(a INT)",
                                    "CREATE MACRO",
                                    "CREATE MACRO f",
                                    "CREATE MACRO f(a AS a",
                                    "CREATE MACRO f(a) a",
                                    "CREATE MACRO f(a) AS",
                                    "CREATE MACRO f(a) AS a; DROP TABLE t",
                                    "CREATE MACRO s.f(a) AS a",
                                    ""};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK_STATUS(split(f, bad[i], &m), SHOAL_EINVAL, &f->err);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_equal),
      cmocka_unit_test(test_different),
      cmocka_unit_test(test_refs),
      cmocka_unit_test(test_files),
      cmocka_unit_test(test_names),
      cmocka_unit_test(test_volatile),
      cmocka_unit_test(test_no_hidden_clock),
      cmocka_unit_test(test_refused),
      cmocka_unit_test(test_every_function_is_classified),
      cmocka_unit_test(test_catalogue_macros),
      cmocka_unit_test(test_catalogue_volatiles),
      cmocka_unit_test(test_blanks_do_not_count),
      cmocka_unit_test(test_mutations_never_crash),
      cmocka_unit_test(test_deep),
      cmocka_unit_test(test_macros),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
