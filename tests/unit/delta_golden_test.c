/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables that Spark wrote: Delta's golden tables and the Delta Acceptance Tests. Every one must open (or fail with a
 * clear error where it should) and give the expected rows, and each must give them again from a checkpoint that we
 * write. The archives are not part of the tree (SHOAL_TEST_DATA).
 */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/os.h"
#include "base/str.h"
#include "delta/view.h"

static const struct {
  const char *name;
  shoal_status status;
  const char *says;
} failing[] = {
    {"deltalog-invalid-protocol-version", SHOAL_EUNSUPPORTED, "99"},
    {"deltalog-state-reconstruction-without-metadata", SHOAL_ECORRUPT, "metadata"},
    {"versions-not-contiguous", SHOAL_ECORRUPT, "00000000000000000001.json"},
    {"no-delta-log-folder", SHOAL_ENOTFOUND, "no Delta table"},
};

typedef struct corpus {
  char *folder, *root; /* temporary; without links */
  shoal_engine *engine;
  shoal_arena arena;
  size_t compared, failed_well, checkpoints, remembered;
} corpus;

static const char *data_folder(void) {
  const char *given = getenv("SHOAL_TEST_DATA");
  return given ? given : SHOAL_BUILD "/../../shared/data";
}

static void unpack(const char *archive, const char *into) {
  bool gzip = shoal_str_ends(shoal_str_z(archive), SHOAL_STR(".gz"));
  const char *argv[] = {"tar", gzip ? "--gzip" : "--zstd", "-xf", archive, "-C", into, NULL};
  shoal_error err = {0};
  shoal_buf out = {0};
  int code;
  CHECK_OK(shoal_os_run(argv, NULL, false, &out, &code, &err), &err);
  assert_int_equal(code, 0);
  shoal_buf_dispose(&out);
}

static shoal_status get_engine(void *arg, shoal_engine **out, shoal_error *err) {
  corpus *c = arg;
  (void)err;
  *out = c->engine;
  return SHOAL_OK;
}

static void open_corpus(corpus *c) {
  shoal_error err = {0};
  *c = (corpus){.folder = test_folder()};
  CHECK_OK(shoal_os_realpath(c->folder, &c->arena, &c->root, &err), &err);
  shoal_str allowed[] = {shoal_str_z(shoal_arena_printf(&c->arena, "%s/", c->root))};
  shoal_engine_config config = {.threads = 2, .memory = 512u << 20, .allowed = allowed, .n_allowed = 1, .locked = true};
  CHECK_OK(shoal_engine_open_duckdb(&config, &c->engine, &err), &err);
}

static void close_corpus(corpus *c) {
  shoal_engine_free(c->engine);
  shoal_arena_dispose(&c->arena);
  test_folder_remove(c->folder);
}

/* The Parquet files of a folder as a scan. */
static void scan_folder(corpus *c, const char *path, shoal_scan *out) {
  shoal_error err = {0};
  shoal_dirent *entries;
  size_t n;
  CHECK_OK(shoal_os_list(path, &c->arena, &entries, &n, &err), &err);
  shoal_scan_file *files = SHOAL_NEW_ARRAY(&c->arena, shoal_scan_file, n + 1);
  *out = (shoal_scan){.format = SHOAL_SCAN_PARQUET, .files = files};
  for (size_t i = 0; i < n; i++) {
    if (entries[i].name.ptr[0] != '.' && shoal_str_ends(entries[i].name, SHOAL_STR(".parquet")))
      files[out->n_files++].path = shoal_str_z(shoal_arena_printf(&c->arena, "%s/%s", path, entries[i].name.ptr));
  }
}

static void add_columns(shoal_buf *sql, const shoal_schema *schema, const char *from) {
  for (size_t i = 0; i < schema->n_fields; i++) {
    shoal_buf_addz(sql, i ? ", CAST(" : "SELECT CAST(");
    shoal_buf_sql_ident(sql, schema->fields[i].name);
    shoal_buf_addz(sql, " AS ");
    shoal_type_sql(sql, &schema->fields[i].type);
    shoal_buf_addz(sql, ")");
  }
  shoal_buf_addf(sql, " FROM %s", from);
}

/* Rows of either that the other has not. */
static void compare(corpus *c, const char *name, const shoal_scan *table, const shoal_scan *expected) {
  shoal_error err = {0};
  shoal_buf sql = {0};
  shoal_rows *rows;
  shoal_input inputs[] = {{SHOAL_STR("got"), table}, {SHOAL_STR("want"), expected}};
  for (int i = 0; i < 2; i++) {
    shoal_buf_addz(&sql, i ? " UNION ALL (" : "SELECT count(*) FROM ((");
    add_columns(&sql, table->schema, i ? "want" : "got");
    shoal_buf_addz(&sql, " EXCEPT ALL ");
    add_columns(&sql, table->schema, i ? "got" : "want");
    shoal_buf_addz(&sql, ")");
  }
  shoal_buf_addz(&sql, ")");
  shoal_job job = {.sql = shoal_buf_str(&sql), .inputs = inputs, .n_inputs = 2};
  shoal_status status = shoal_engine_query(c->engine, &job, &rows, &err);
  if (status == SHOAL_OK)
    status = shoal_rows_next(rows, &err);
  if (status < 0)
    fail_msg("%s: %s %s", name, err.context, err.message);
  if (!shoal_str_is(shoal_rows_text(rows, 0), "0"))
    fail_msg("%s: %.*s rows differ", name, SHOAL_FMT(shoal_rows_text(rows, 0)));
  shoal_rows_free(rows);
  shoal_buf_dispose(&sql);
}

static void must_fail(corpus *c, const char *name, shoal_status status, const shoal_error *err) {
  for (size_t i = 0; i < sizeof failing / sizeof *failing; i++) {
    if (strcmp(failing[i].name, name))
      continue;
    assert_int_equal(status, failing[i].status);
    if (!strstr(err->message, failing[i].says))
      fail_msg("%s: \"%s\" does not say %s", name, err->message, failing[i].says);
    c->failed_well++;
    return;
  }
  fail_msg("%s: %s: %s", name, err->context, err->message);
}

static bool same_state(const shoal_delta_snapshot *a, const shoal_delta_snapshot *b) {
  shoal_map paths = {0};
  bool none = shoal_str_is(shoal_delta_config(&a->metadata, "delta.checkpoint.writeStatsAsJson"), "false") &&
              shoal_str_is(shoal_delta_config(&a->metadata, "delta.checkpoint.writeStatsAsStruct"), "false");
  bool same = a->n_files == b->n_files && shoal_str_eq(a->metadata.schema_json, b->metadata.schema_json) &&
              a->protocol.min_reader == b->protocol.min_reader && a->txns.len == b->txns.len;
  for (size_t i = 0; i < a->n_files; i++)
    assert_int_equal(shoal_map_put(&paths, a->keys[i], (uint32_t)i, NULL), SHOAL_OK);
  for (size_t i = 0; same && i < b->n_files; i++) {
    uint32_t at = shoal_map_get(&paths, b->keys[i]);
    same = at != SHOAL_MAP_NONE && shoal_str_eq(none ? SHOAL_STR_NONE : a->files[at].stats, b->files[i].stats) &&
           a->files[at].size == b->files[i].size && a->files[at].n_partition_values == b->files[i].n_partition_values;
  }
  shoal_map_dispose(&paths);
  return same;
}

/* The same table again, from our checkpoint. */
static void check_checkpoint(corpus *c, const char *name, const shoal_delta_table *table,
                             const shoal_delta_snapshot *s) {
  shoal_error err = {0};
  shoal_delta_snapshot *again;
  shoal_status status = shoal_delta_checkpoint(table, s, &err);
  if (status == SHOAL_EUNSUPPORTED)
    return;
  if (status < 0)
    fail_msg("%s: writing a checkpoint: %s %s", name, err.context, err.message);
  CHECK_OK(shoal_delta_snapshot_open(table, SHOAL_DELTA_LATEST, &again, &err), &err);
  if (!same_state(s, again))
    fail_msg("%s: the checkpoint does not hold the state", name);
  shoal_delta_snapshot_free(again);
  c->checkpoints++;
}

/* The same rows by the way of readers: from the log, then from what the first one left in the cache. */
static void check_view(corpus *c, const char *name, shoal_delta_table table, int64_t version, size_t n_files,
                       const shoal_scan *want, const char *cache) {
  table.cache = shoal_arena_printf(&c->arena, "%s/%s", c->root, cache);
  table.cache_from = 1;
  for (int way = 0; way < 2; way++) {
    shoal_error err = {0};
    shoal_delta_view *v;
    shoal_scan scan;
    shoal_status status = shoal_delta_view_open(&table, version, &v, &err);
    if (status == SHOAL_OK)
      status = shoal_delta_view_scan(&table, v, &c->arena, &scan, &err);
    if (status < 0)
      fail_msg("%s: %s %s", name, err.context, err.message);
    if (shoal_delta_view_n_files(v) != n_files)
      fail_msg("%s: %zu files, not %zu", name, shoal_delta_view_n_files(v), n_files);
    compare(c, name, &scan, want);
    c->remembered += v->base.mapped.len > 0;
    shoal_delta_view_free(v);
  }
}

static void check_table(corpus *c, const char *folder, const char *name, const char *expected, int64_t version) {
  shoal_error err = {0};
  shoal_delta_table table = {.get_engine = get_engine, .engine_arg = c};
  shoal_delta_snapshot *s;
  shoal_delta_view *v;
  shoal_scan scan, want;
  CHECK_OK(shoal_store_open_file(folder, false, &table.store, &err), &err);
  table.prefix = SHOAL_STR("delta");
  shoal_status status = shoal_delta_snapshot_open(&table, version, &s, &err);
  if (status < 0) {
    shoal_error same = {0};
    must_fail(c, name, status, &err);
    CHECK_STATUS(shoal_delta_view_open(&table, version, &v, &same), status, &same);
    assert_string_equal(same.message, err.message);
    shoal_store_free(table.store);
    return;
  }
  status = shoal_delta_scan(&table, s, &c->arena, &scan, &err);
  if (status < 0)
    fail_msg("%s: %s", name, err.message);
  scan_folder(c, expected, &want);
  compare(c, name, &scan, &want);
  c->compared++;
  check_view(c, name, table, version, s->n_files, &want, "of-commits");
  if (version < 0)
    check_checkpoint(c, name, &table, s);
  if (version < 0)
    check_view(c, name, table, version, s->n_files, &want, "of-checkpoint");
  shoal_delta_snapshot_free(s);
  shoal_store_free(table.store);
}

static void report(const corpus *c, const char *name) {
  print_message("%s: %zu states compared, %zu fail as they must, %zu checkpoints, %zu from the cache\n", name,
                c->compared, c->failed_well, c->checkpoints, c->remembered);
}

static void test_golden(void **state) {
  (void)state;
  char folder[4096];
  corpus c;
  shoal_error err = {0};
  shoal_dirent *archives;
  size_t n;
  open_corpus(&c);
  snprintf(folder, sizeof folder, "%s/delta/golden", data_folder());
  if (shoal_os_list(folder, &c.arena, &archives, &n, &err) < 0 || n == 0) {
    print_message("skipped: no golden tables at %s\n", folder);
    close_corpus(&c);
    skip();
  }
  for (size_t i = 0; i < n; i++) {
    ptrdiff_t dot = shoal_str_find(archives[i].name, SHOAL_STR(".tar.zst"));
    if (dot < 0)
      continue;
    char *name = shoal_arena_cstr(&c.arena, shoal_str_sub(archives[i].name, 0, (size_t)dot));
    unpack(shoal_arena_printf(&c.arena, "%s/%s.tar.zst", folder, name), c.root);
    char *table = shoal_arena_printf(&c.arena, "%s/%s", c.root, name);
    check_table(&c, table, name, shoal_arena_printf(&c.arena, "%s/expected", table), SHOAL_DELTA_LATEST);
  }
  report(&c, "golden");
  assert_true(c.compared == 36 && c.failed_well == 4 && c.remembered > 50);
  close_corpus(&c);
}

static void test_acceptance(void **state) {
  (void)state;
  corpus c;
  shoal_error err = {0};
  shoal_dirent *cases, *versions;
  size_t n, n_versions;
  open_corpus(&c);
  char *archive = shoal_arena_printf(&c.arena, "%s/delta/dat-v0.0.3.tar.gz", data_folder());
  shoal_stat st;
  if (shoal_os_stat(archive, &st, &err) < 0) {
    print_message("skipped: no %s\n", archive);
    close_corpus(&c);
    skip();
  }
  unpack(archive, c.root);
  char *root = shoal_arena_printf(&c.arena, "%s/out/reader_tests/generated", c.root);
  CHECK_OK(shoal_os_list(root, &c.arena, &cases, &n, &err), &err);
  for (size_t i = 0; i < n; i++) {
    char *folder = shoal_arena_printf(&c.arena, "%s/%s", root, cases[i].name.ptr);
    char *expected = shoal_arena_printf(&c.arena, "%s/expected", folder);
    CHECK_OK(shoal_os_list(expected, &c.arena, &versions, &n_versions, &err), &err);
    for (size_t k = n_versions; k > 0; k--) { /* v0 … before latest, as that writes a checkpoint */
      shoal_str v = versions[n_versions - k].name;
      int64_t version = SHOAL_DELTA_LATEST;
      if (v.ptr[0] == 'v')
        assert_true(shoal_str_i64(shoal_str_sub(v, 1, v.len), &version));
      char *rows = shoal_arena_printf(&c.arena, "%s/%s/table_content", expected, v.ptr);
      check_table(&c, folder, cases[i].name.ptr, rows, version);
    }
  }
  report(&c, "acceptance tests");
  assert_true(c.compared == 29);
  close_corpus(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_acceptance)};
  return cmocka_run_group_tests_name("delta/golden", tests, NULL, NULL);
}
