/* SPDX-License-Identifier: Apache-2.0 */
#include "contract/engine_contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

#include "base/json.h"
#include "base/os.h"
#include "base/str.h"

typedef struct fixture {
  const engine_case *c;
  char *folder;
  char staging[512];
  shoal_engine *engine;
  shoal_arena arena;
  shoal_error err;
} fixture;

static int setup(void **state) {
  const engine_case *c = *state;
  fixture *f = calloc(1, sizeof *f);
  f->c = c;
  f->folder = test_folder();
  f->engine = c->open(f->folder);
  assert_non_null(f->engine);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  *state = (void *)f->c;
  shoal_engine_free(f->engine);
  shoal_arena_dispose(&f->arena);
  test_folder_remove(f->folder);
  free(f);
  return 0;
}

#define QUERY "SELECT n FROM a.b JOIN c ON true WHERE x = 'it''s'"

/* A job that every engine can run: its inputs are there for those who read them. */
typedef struct ready_job {
  shoal_job job;
  shoal_field fields[2];
  shoal_schema schema;
  shoal_scan scan;
  shoal_input inputs[2];
} ready_job;

static shoal_job *make_job(fixture *f, ready_job *r, const char *sql, const char *staging) {
  memset(r, 0, sizeof *r);
  r->fields[0] = (shoal_field){.name = SHOAL_STR("n"), .type = {.kind = SHOAL_TYPE_INTEGER}, .nullable = true};
  r->fields[1] = (shoal_field){.name = SHOAL_STR("x"), .type = {.kind = SHOAL_TYPE_STRING}, .nullable = true};
  r->schema = (shoal_schema){r->fields, 2};
  r->scan.schema = &r->schema;
  r->inputs[0] = (shoal_input){SHOAL_STR("a.b"), &r->scan};
  r->inputs[1] = (shoal_input){SHOAL_STR("c"), &r->scan};
  r->job = (shoal_job){.sql = shoal_str_z(sql), .rows_hash = true};
  if (f->c->reads) {
    r->job.inputs = r->inputs;
    r->job.n_inputs = 2;
  }
  snprintf(f->staging, sizeof f->staging, "%s/%s", f->folder, staging);
  CHECK_OK(shoal_os_mkdirs(f->staging, false, &f->err), &f->err);
  r->job.staging = f->staging;
  return &r->job;
}

static shoal_outcome execute(fixture *f, const char *sql, const char *staging) {
  ready_job r;
  shoal_outcome out;
  CHECK_OK(shoal_engine_execute(f->engine, make_job(f, &r, sql, staging), &f->arena, &out, &f->err), &f->err);
  return out;
}

static const char *rows_sql = "SELECT 5 AS n";

static void e1_writes_only_what_it_names(void **state) {
  fixture *f = *state;
  shoal_outcome out = execute(f, rows_sql, "s");
  shoal_dirent *entries;
  size_t n;
  uint64_t rows = 0, bytes = 0;
  CHECK_OK(shoal_os_list(f->staging, &f->arena, &entries, &n, &f->err), &f->err);
  assert_int_equal(n, out.n_files);
  for (size_t i = 0; i < out.n_files; i++) {
    char path[1024];
    shoal_stat st;
    snprintf(path, sizeof path, "%s/%.*s", f->staging, SHOAL_FMT(out.files[i].name));
    CHECK_OK(shoal_os_stat(path, &st, &f->err), &f->err);
    assert_int_equal(st.size, out.files[i].bytes);
    assert_true(shoal_str_starts(out.files[i].name, SHOAL_STR("part-")));
    assert_true(shoal_str_ends(out.files[i].name, SHOAL_STR(".parquet")));
    rows += out.files[i].rows;
    bytes += out.files[i].bytes;
  }
  assert_int_equal(rows, out.rows);
  assert_int_equal(bytes, out.bytes);
  CHECK_OK(shoal_os_list(f->folder, &f->arena, &entries, &n, &f->err), &f->err);
  assert_int_equal(n, 1); /* the staging folder */
}

static void e2_same_job_same_rows(void **state) {
  fixture *f = *state;
  shoal_outcome a = execute(f, rows_sql, "a"), b = execute(f, "SELECT 5 AS n -- again", "b");
  shoal_outcome c = execute(f, "SELECT 6 AS n", "c");
  assert_true(a.rows == b.rows && shoal_hash_eq(&a.rows_hash, &b.rows_hash));
  assert_false(shoal_hash_eq(&a.rows_hash, &c.rows_hash));
  assert_true(shoal_schema_eq(&a.schema, &b.schema));
  assert_false(shoal_str_eq(a.files[0].name, b.files[0].name)); /* no name is ever given twice */
  ready_job r;
  shoal_schema schema;
  CHECK_OK(shoal_engine_bind(f->engine, make_job(f, &r, rows_sql, "d"), &f->arena, &schema, &f->err), &f->err);
  assert_true(shoal_schema_eq(&a.schema, &schema));
}

static void e2_query_gives_the_rows_of_execute(void **state) {
  fixture *f = *state;
  shoal_outcome out = execute(f, rows_sql, "s");
  ready_job r;
  shoal_rows *rows;
  uint64_t n = 0;
  shoal_status status;
  CHECK_OK(shoal_engine_query(f->engine, make_job(f, &r, rows_sql, "q"), &rows, &f->err), &f->err);
  assert_int_equal(shoal_rows_columns(rows), 1);
  CHECK_STR(shoal_rows_name(rows, 0), "n");
  CHECK_STR(shoal_rows_type(rows, 0), "INTEGER");
  while ((status = shoal_rows_next(rows, &f->err)) == SHOAL_OK) {
    assert_true(shoal_rows_text(rows, 0).len > 0);
    n++;
  }
  assert_int_equal(status, SHOAL_DONE);
  assert_int_equal(n, out.rows);
  shoal_rows_free(rows);
}

static void e3_no_trace(void **state) {
  fixture *f = *state;
  ready_job r;
  shoal_schema schema;
  shoal_job *job = make_job(f, &r, "SELECT n FROM a.b", "s");
  shoal_str macro = SHOAL_STR("CREATE MACRO m(x) AS x");
  shoal_variable variable = {SHOAL_STR("v"), SHOAL_STR("1"), false};
  job->macros = &macro;
  job->variables = &variable;
  job->n_macros = job->n_variables = f->c->reads;
  for (int i = 0; i < 3; i++) /* made and dropped each time */
    CHECK_OK(shoal_engine_bind(f->engine, job, &f->arena, &schema, &f->err), &f->err);
  if (!f->c->reads)
    return;
  static const char *const after[] = {"SELECT n FROM a.b", "SELECT m(1) AS n"};
  for (size_t i = 0; i < 2; i++) {
    shoal_job bare = {.sql = shoal_str_z(after[i])};
    CHECK_STATUS(shoal_engine_bind(f->engine, &bare, &f->arena, &schema, &f->err), SHOAL_EENGINE, &f->err);
  }
  job->sql = SHOAL_STR("SELECT broken FROM a.b");
  CHECK_STATUS(shoal_engine_bind(f->engine, job, &f->arena, &schema, &f->err), SHOAL_EENGINE, &f->err);
  job->sql = SHOAL_STR("SELECT m(n) AS n FROM a.b"); /* a failed job leaves none either */
  CHECK_OK(shoal_engine_bind(f->engine, job, &f->arena, &schema, &f->err), &f->err);
}

static void e4_interrupt(void **state) {
  fixture *f = *state;
  ready_job r;
  shoal_outcome out;
  shoal_engine_interrupt(f->engine);
  CHECK_STATUS(shoal_engine_execute(f->engine, make_job(f, &r, rows_sql, "s"), &f->arena, &out, &f->err),
               SHOAL_ECANCELLED, &f->err);
  CHECK_OK(shoal_engine_execute(f->engine, &r.job, &f->arena, &out, &f->err), &f->err);
}

static void e5_errors(void **state) {
  fixture *f = *state;
  shoal_schema schema;
  shoal_buf json = {0};
  shoal_job job = {.sql = SHOAL_STR("\n  selec 1")};
  CHECK_STATUS(shoal_engine_bind(f->engine, &job, &f->arena, &schema, &f->err), SHOAL_EENGINE, &f->err);
  assert_int_equal(f->err.position, 4);
  assert_int_equal(f->err.line, 2);
  assert_int_equal(f->err.column, 3);
  CHECK_STATUS(shoal_engine_parse(f->engine, job.sql, &json, &f->err), SHOAL_EENGINE, &f->err);
  assert_int_equal(f->err.position, 4);
  job.sql = SHOAL_STR(" \n");
  CHECK_STATUS(shoal_engine_bind(f->engine, &job, &f->arena, &schema, &f->err), SHOAL_EINVAL, &f->err);
  job.sql = SHOAL_STR("SELECT 1 AS n\0");
  job.sql.len++;
  CHECK_STATUS(shoal_engine_bind(f->engine, &job, &f->arena, &schema, NULL), SHOAL_EINVAL, NULL);
  shoal_buf_dispose(&json);
}

/* Counts the BASE_TABLE nodes of a parse tree. */
static size_t count_tables(yyjson_val *v, size_t *named) {
  size_t i, n, found = 0;
  yyjson_val *key, *item;
  if (yyjson_is_obj(v) && shoal_str_is(shoal_json_str(v, "type"), "BASE_TABLE")) {
    found++;
    *named += shoal_str_is(shoal_json_str(v, "schema_name"), "a") && shoal_str_is(shoal_json_str(v, "table_name"), "b");
    *named += shoal_str_is(shoal_json_str(v, "schema_name"), "") && shoal_str_is(shoal_json_str(v, "table_name"), "c");
  }
  yyjson_obj_foreach(v, i, n, key, item) found += count_tables(item, named);
  yyjson_arr_foreach(v, i, n, item) found += count_tables(item, named);
  return found;
}

static void parse_tells_tables(void **state) {
  fixture *f = *state;
  shoal_buf json = {0};
  yyjson_doc *doc;
  size_t named = 0;
  CHECK_OK(shoal_engine_parse(f->engine, SHOAL_STR(QUERY), &json, &f->err), &f->err);
  CHECK_OK(shoal_json_parse(shoal_buf_str(&json), "tree", &doc, &f->err), &f->err);
  assert_int_equal(count_tables(yyjson_doc_get_root(doc), &named), 2);
  assert_int_equal(named, 2);
  yyjson_doc_free(doc);
  shoal_buf_dispose(&json);
}

static void copy_replaces_one_file(void **state) {
  fixture *f = *state;
  ready_job r;
  char path[512];
  shoal_stat st;
  shoal_job *job = make_job(f, &r, rows_sql, "s");
  snprintf(path, sizeof path, "%s/out.csv", f->folder);
  for (int i = 0; i < 2; i++)
    CHECK_OK(shoal_engine_copy(f->engine, job, path, SHOAL_STR("csv"), &f->err), &f->err);
  CHECK_OK(shoal_os_stat(path, &st, &f->err), &f->err);
  assert_true(st.size > 2);
  shoal_dirent *entries;
  size_t n;
  CHECK_OK(shoal_os_list(f->folder, &f->arena, &entries, &n, &f->err), &f->err);
  assert_int_equal(n, 2); /* that and the staging folder: nothing is left beside it */
}

int engine_contract_run(const engine_case *c) {
#define TEST(name)                                                                                                     \
  { #name, name, setup, teardown, (void *)c }
  const struct CMUnitTest tests[] = {
      TEST(e1_writes_only_what_it_names),
      TEST(e2_same_job_same_rows),
      TEST(e2_query_gives_the_rows_of_execute),
      TEST(e3_no_trace),
      TEST(e4_interrupt),
      TEST(e5_errors),
      TEST(parse_tells_tables),
      TEST(copy_replaces_one_file),
  };
#undef TEST
  return _cmocka_run_group_tests(c->name, tests, sizeof tests / sizeof *tests, NULL, NULL);
}
