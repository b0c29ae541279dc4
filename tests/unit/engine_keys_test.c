/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows of a large table a job joins with few others: those among the keys that its scan asks for; and that a join
   is built from its small side, as far as the engine is told how many rows there are. */
#include "support/engine_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/os.h"
#include "base/str.h"
#include "engine/duckdb_internal.h"

static shoal_outcome execute(fixture *f, shoal_job job) {
  shoal_outcome out;
  job.staging = f->staging;
  CHECK_OK(shoal_engine_execute(f->engine, &job, &f->arena, &out, &f->err), &f->err);
  return out;
}

/* An outcome's files as a scan. */
static shoal_scan scan_of(fixture *f, const shoal_outcome *out) {
  shoal_scan_file *files = SHOAL_NEW_ARRAY(&f->arena, shoal_scan_file, out->n_files + 1);
  for (size_t i = 0; i < out->n_files; i++) {
    files[i].path = shoal_str_z(shoal_arena_printf(&f->arena, "%s/%.*s", f->staging, SHOAL_FMT(out->files[i].name)));
    files[i].partition_values = out->files[i].partition_values;
  }
  shoal_schema *schema = SHOAL_NEW(&f->arena, shoal_schema);
  *schema = out->schema;
  return (shoal_scan){.schema = schema, .files = files, .n_files = out->n_files};
}

static void keep_some(void *arg, size_t file, const int64_t *rows, size_t n, bool *alive) {
  (void)arg;
  (void)file;
  for (size_t i = 0; i < n; i++)
    alive[i] = rows[i] % 4 == 1;
}

/* Rows that have none of the keys need not come; those that have one must, and the engine counts both sorts. */
static void check_among(fixture *f, const shoal_scan *scan, const char *column, int64_t at_least, int64_t at_most) {
  shoal_buf out = {0};
  int64_t n = -1;
  const shoal_input input = {SHOAL_STR("t"), scan};
  const shoal_job job = {.sql = shoal_str_z(shoal_arena_printf(&f->arena, "SELECT count(%s) FROM t", column)),
                         .inputs = &input,
                         .n_inputs = 1};
  CHECK_OK(test_engine_rows(f, &job, &out), &f->err);
  assert_true(shoal_str_i64(shoal_str_trim(shoal_buf_str(&out)), &n));
  if (n < at_least || n > at_most)
    fail_msg("%s: %lld rows", column, (long long)n);
  shoal_buf_dispose(&out);
}

static void test_rows_among_keys(void **state) {
  fixture *f = *state;
  int64_t numbers[100], far[100];
  shoal_keys keys;
  shoal_outcome out =
      execute(f, (shoal_job){.sql = SHOAL_STR("SELECT CASE WHEN i % 10 > 0 THEN i::INTEGER END AS a, i * 1000003 AS b, "
                                              "'text ' || i AS c FROM range(20000) t(i)")});
  shoal_scan scan = scan_of(f, &out);
  scan.among = &keys;
  for (int64_t i = 0; i < 100; i++) {
    numbers[i] = i * 150 + 1;
    far[i] = numbers[i] * 1000003;
  }
  CHECK_OK(shoal_keys_numbers(&keys, numbers, 100, &f->arena, &f->err), &f->err);
  assert_true(keys.exact && keys.least == 1 && keys.most == 14851);
  scan.among_column = 0;
  check_among(f, &scan, "a", 100, 100);
  CHECK_OK(shoal_keys_numbers(&keys, far, 100, &f->arena, &f->err), &f->err);
  assert_false(keys.exact);
  scan.among_column = 1;
  check_among(f, &scan, "b", 100, 600);
  CHECK_OK(shoal_keys_texts(&keys, 100, &f->arena, &f->err), &f->err);
  for (int i = 0; i < 100; i++)
    shoal_keys_add(&keys, shoal_str_z(shoal_arena_printf(&f->arena, "text %d", i * 150 + 1)));
  scan.among_column = 2;
  check_among(f, &scan, "c", 100, 600);
  CHECK_OK(shoal_keys_numbers(&keys, (const int64_t[]){INT64_MIN, INT64_MAX, 5}, 3, &f->arena, &f->err), &f->err);
  scan.among_column = 0;
  check_among(f, &scan, "a", 1, 200);
  CHECK_OK(shoal_keys_numbers(&keys, NULL, 0, &f->arena, &f->err), &f->err);
  check_among(f, &scan, "a", 0, 0);
  scan.keep = keep_some;
  CHECK_OK(shoal_keys_numbers(&keys, numbers, 100, &f->arena, &f->err), &f->err);
  check_among(f, &scan, "a", 50, 50);
  const shoal_job alone = {.sql = SHOAL_STR("SELECT \"shoal:among\"(0, 7)")};
  CHECK_STATUS(test_engine_rows(f, &alone, &(shoal_buf){0}), SHOAL_EENGINE, &f->err);
}

/* ---- joins ---- */

static int64_t rows_below(yyjson_val *node) {
  int64_t rows = -1;
  (void)shoal_str_i64(shoal_json_str(yyjson_obj_get(node, "extra_info"), "Estimated Cardinality"), &rows);
  return rows;
}

/* The first hash join of a plan. */
static yyjson_val *find_join(yyjson_val *node) {
  size_t i, n;
  yyjson_val *child, *found = NULL;
  if (shoal_str_is(shoal_str_trim(shoal_json_str(node, "name")), "HASH_JOIN"))
    return node;
  yyjson_arr_foreach(yyjson_obj_get(node, "children"), i, n, child) found = found ? found : find_join(child);
  return found;
}

/* The plan that a job would run by must join `rows` with fewer, the fewer on the right, which the engine builds from.
 */
static void check_plan(fixture *f, const shoal_job *job, int64_t rows) {
  shoal_duckdb *d = (shoal_duckdb *)f->engine;
  duckdb_result result = {0};
  yyjson_doc *doc = NULL;
  char *sql = shoal_arena_printf(&f->arena, "EXPLAIN (FORMAT json) %.*s", SHOAL_FMT(job->sql));
  CHECK_OK(shoal_duckdb_begin(d, job, &f->err), &f->err);
  CHECK_OK(shoal_duckdb_query_text(d, sql, (shoal_duckdb_place){0}, &result, &f->err), &f->err);
  duckdb_data_chunk chunk = d->api->fetch_chunk(result);
  const duckdb_string_t *text = d->api->vector_get_data(d->api->data_chunk_get_vector(chunk, 1));
  CHECK_OK(shoal_json_parse_tree(shoal_duckdb_string(text), "the plan", &doc, &f->err), &f->err);
  yyjson_val *join = find_join(yyjson_arr_get_first(yyjson_doc_get_root(doc)));
  assert_non_null(join);
  yyjson_val *children = yyjson_obj_get(join, "children");
  int64_t probed = rows_below(yyjson_arr_get(children, 0)), built = rows_below(yyjson_arr_get(children, 1));
  if (probed < rows / 2 || built < 0 || built > rows / 10)
    fail_msg("%.*s: %lld rows are probed, %lld built from", SHOAL_FMT(job->sql), (long long)probed, (long long)built);
  yyjson_doc_free(doc);
  d->api->destroy_data_chunk(&chunk);
  d->api->destroy_result(&result);
  shoal_duckdb_end(d);
}

static void test_the_small_side_of_a_join_is_built_from(void **state) {
  fixture *f = *state;
  static const char *const queries[] = {
      "SELECT count(*), sum(large.v) FROM large JOIN small USING (id)",
      "SELECT count(*), sum(large.v) FROM small JOIN large USING (id)",
      "SELECT count(*), sum(large.v) FROM small, large WHERE small.id = large.id",
      "WITH s AS (SELECT id FROM small WHERE v > 3) SELECT count(*), sum(l.v) FROM s JOIN large l ON s.id = l.id"};
  shoal_outcome large_file =
      execute(f, (shoal_job){.sql = SHOAL_STR("SELECT i AS id, i % 7 AS v FROM range(200000) t(i)")});
  shoal_scan large = scan_of(f, &large_file);
  shoal_outcome small_file =
      execute(f, (shoal_job){.sql = SHOAL_STR("SELECT i AS id, i % 7 AS v FROM range(1000) t(i)")});
  shoal_scan small = scan_of(f, &small_file);
  assert_int_equal(large.n_files, 1);
  shoal_scan_file files[10];
  for (size_t i = 0; i < 10; i++)
    files[i] = large.files[0];
  small.rows = 1000;
  const shoal_input inputs[] = {{SHOAL_STR("large"), &large}, {SHOAL_STR("small"), &small}};
  for (int form = 0; form < 3; form++) { /* one file, ten, ten of which rows are gone */
    large.files = form ? files : scan_of(f, &large_file).files;
    large.n_files = form ? 10 : 1;
    large.rows = 200000 * large.n_files;
    large.keep = form == 2 ? keep_some : NULL;
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
      const shoal_job job = {.sql = shoal_str_z(queries[i]), .inputs = inputs, .n_inputs = 2};
      check_plan(f, &job, 200000);
    }
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_engine_setup, test_engine_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {TEST(test_rows_among_keys), TEST(test_the_small_side_of_a_join_is_built_from)};
  return cmocka_run_group_tests_name("engine/keys", tests, NULL, NULL);
}
