/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of which one file was cut or has flipped bits: commits, their statistics, checkpoints of each kind, sidecars,
 * deletion vectors, data files and their footers. Reading ends with the rows that were there or with an error that
 * names the file; never with a crash, and with other rows only where nobody could know: what still is JSON says another
 * thing, and Parquet has no checksums, so that of a flipped bit it need not be told either. An error that a data file
 * is behind names it in any case, and one that a query makes by itself names none.
 */
#include "support/table_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/os.h"
#include "base/str.h"
#include "delta/append.h"
#include "delta/delta_internal.h"
#include "delta/dml.h"
#include "delta/view.h"

typedef struct fixture {
  test_table t;
  test_random random;
} fixture;

#define FILES 9 /* from eight on statistics are asked */

/* Rows 0 … 89 in nine files, of which two have lost a row by deletion vectors. */
static void begin(fixture *f, const char *policy) {
  shoal_error err = {0};
  *f = (fixture){.random = test_random_start("delta/broken")};
  test_table_open(&f->t, "", 1);
  const shoal_delta_kv properties[] = {{SHOAL_STR("delta.enableDeletionVectors"), SHOAL_STR("true")},
                                       {SHOAL_STR("delta.checkpointPolicy"), shoal_str_z(policy)}};
  for (int i = 0; i < FILES; i++) {
    shoal_delta_appended done;
    const char *sql = shoal_arena_printf(
        &f->t.arena, "SELECT i::BIGINT AS id, 'text ' || i AS s, i * 1.5::DOUBLE AS x FROM range(%d, %d) r(i)", 10 * i,
        10 * i + 10);
    const shoal_job job = {.sql = shoal_str_z(sql)};
    const shoal_delta_append append = {.job = &job, .create = true, .properties = properties, .n_properties = 2};
    CHECK_OK(shoal_delta_append_rows(&f->t.table, f->t.engine, &append, &done, &err), &err);
  }
  shoal_delta_changed changed;
  CHECK_OK(shoal_delta_delete_rows(&f->t.table, f->t.engine, SHOAL_STR("id IN (17, 55)"), false, &changed, &err), &err);
  assert_int_equal(changed.vectors, 2);
}

static void end(fixture *f) { test_table_close(&f->t); }

/* ---- reading ---- */

static shoal_status take_rows(shoal_rows *rows, shoal_buf *out, shoal_error *err) {
  shoal_status status;
  while ((status = shoal_rows_next(rows, err)) == SHOAL_OK)
    for (size_t i = 0; i < shoal_rows_columns(rows); i++) {
      shoal_str text = shoal_rows_text(rows, i);
      shoal_buf_addf(out, "%.*s ", SHOAL_FMT(text));
    }
  return status < 0 ? status : SHOAL_OK;
}

static shoal_status read_view(fixture *f, shoal_delta_view *v, const char *sql, shoal_buf *out, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_scan scan;
  shoal_rows *rows = NULL;
  const shoal_input input = {SHOAL_STR("t"), &scan};
  const shoal_job job = {.sql = shoal_str_z(sql), .inputs = &input, .n_inputs = 1};
  shoal_status status = shoal_delta_view_scan(&f->t.table, v, &arena, &scan, err);
  if (status == SHOAL_OK)
    status = shoal_engine_query(f->t.engine, &job, &rows, err);
  if (status == SHOAL_OK)
    status = take_rows(rows, out, err);
  shoal_rows_free(rows);
  shoal_arena_dispose(&arena);
  return status;
}

/* All rows, and those of one file, which statistics tell. */
static shoal_status read_rows(fixture *f, shoal_buf *out, shoal_error *err) {
  static const char *const queries[] = {"SELECT id, s, x FROM t ORDER BY id, s, x",
                                        "SELECT id, s, x FROM t WHERE id BETWEEN 52 AND 57 ORDER BY id, s, x"};
  shoal_status status = SHOAL_OK;
  for (size_t i = 0; i < 2 && status == SHOAL_OK; i++) {
    shoal_delta_view *v;
    status = shoal_delta_view_open(&f->t.table, SHOAL_DELTA_LATEST, &v, err);
    if (status == SHOAL_OK)
      status = read_view(f, v, queries[i], out, err);
    shoal_delta_view_free(v);
    shoal_buf_addz(out, "| ");
  }
  return status;
}

/* ---- breaking ---- */

typedef enum form { TEXT, PARQUET, DATA, CHECKED } form;

/* Whether every line is JSON. */
static bool is_json(shoal_str text) {
  bool is = true;
  shoal_str line;
  while (is && text.len && shoal_str_split(&text, '\n', &line)) {
    yyjson_doc *doc = NULL;
    is = shoal_str_trim(line).len == 0 || shoal_json_parse(line, "a line", &doc, NULL) == SHOAL_OK;
    yyjson_doc_free(doc);
  }
  return is;
}

/* Cut, or one to four bits flipped from `from` on. */
static bool spoil(fixture *f, shoal_buf *bytes, size_t from, size_t to) {
  bool cut = test_random_below(&f->random, 4) == 0;
  if (cut) {
    bytes->len = from + test_random_below(&f->random, to - from);
    return true;
  }
  for (uint64_t n = 1 + test_random_below(&f->random, 4); n > 0; n--)
    bytes->ptr[from + test_random_below(&f->random, to - from)] ^= (char)(1 << test_random_below(&f->random, 8));
  return false;
}

static bool names(const shoal_error *err, const char *path) {
  const char *name = strrchr(path, '/') + 1;
  return strstr(err->message, name) || strstr(err->context, name) || strstr(err->path, name);
}

typedef struct tally {
  unsigned refused, same, other, unnamed;
} tally;

static void judge(fixture *f, const char *path, form form, shoal_str bytes, bool cut, shoal_str want, tally *t) {
  shoal_error err = {0};
  shoal_buf got = {0};
  shoal_status status = read_rows(f, &got, &err);
  bool same = status == SHOAL_OK && shoal_str_eq(shoal_buf_str(&got), want);
  t->refused += status < 0;
  t->same += same;
  t->other += status == SHOAL_OK && !same;
  t->unnamed += status < 0 && !names(&err, path);
  bool excused = form == TEXT ? is_json(bytes) : (form == PARQUET || form == DATA) && !cut;
  if (status == SHOAL_OK && !same && !excused)
    fail_msg("%s: other rows: %.*s", path, SHOAL_FMT(shoal_buf_str(&got)));
  if (status < 0 && !*err.message)
    fail_msg("%s: an error that says nothing", path);
  if (status < 0 && !names(&err, path) && (form == DATA || !excused))
    fail_msg("%s is not named: %s (%s)", path, err.message, err.context);
  shoal_buf_dispose(&got);
}

/* Spoils the bytes from `from` to `to` (0: the end) of a file in many ways, each by itself. */
static void break_part(fixture *f, const char *what, const char *path, form form, size_t from, size_t to) {
  shoal_error err = {0};
  shoal_buf whole = {0}, want = {0};
  tally t = {0};
  CHECK_OK(read_rows(f, &want, &err), &err);
  CHECK_OK(shoal_os_read_file(path, SIZE_MAX, &whole, &err), &err);
  for (uint64_t i = 0; i < test_budget(60); i++) {
    shoal_buf bad = {0};
    shoal_buf_add(&bad, shoal_buf_str(&whole));
    bool cut = spoil(f, &bad, from, to ? to : whole.len);
    CHECK_OK(shoal_os_replace_file(path, shoal_buf_str(&bad), &err), &err);
    judge(f, path, form, shoal_buf_str(&bad), cut, shoal_buf_str(&want), &t);
    shoal_buf_dispose(&bad);
  }
  CHECK_OK(shoal_os_replace_file(path, shoal_buf_str(&whole), &err), &err);
  shoal_buf got = {0};
  CHECK_OK(read_rows(f, &got, &err), &err);
  assert_true(shoal_str_eq(shoal_buf_str(&got), shoal_buf_str(&want)));
  fprintf(stderr, "%s: %u refused (%u without the file's name), %u the same, %u other rows\n", what, t.refused,
          t.unnamed, t.same, t.other);
  shoal_buf_dispose(&got);
  shoal_buf_dispose(&whole);
  shoal_buf_dispose(&want);
}

/* One of a folder's files, by what its name has in it. */
static char *find(fixture *f, const char *folder, const char *part, const char *ending) {
  shoal_error err = {0};
  shoal_dirent *entries;
  size_t n;
  char *path = shoal_arena_printf(&f->t.arena, "%s/%s", f->t.root, folder);
  CHECK_OK(shoal_os_list(path, &f->t.arena, &entries, &n, &err), &err);
  for (size_t i = 0; i < n; i++)
    if (shoal_str_find(entries[i].name, shoal_str_z(part)) >= 0 && shoal_str_ends(entries[i].name, shoal_str_z(ending)))
      return shoal_arena_printf(&f->t.arena, "%s/%.*s", path, SHOAL_FMT(entries[i].name));
  fail_msg("there is no %s/…%s…%s", folder, part, ending);
  return NULL;
}

/* A checkpoint, and nothing else to read. */
static void leave_checkpoint(fixture *f) {
  shoal_error err = {0};
  shoal_delta_checkpointed made;
  CHECK_OK(shoal_delta_checkpoint_version(&f->t.table, SHOAL_DELTA_LATEST, &made, &err), &err);
  for (int64_t v = 0; v < made.version; v++)
    CHECK_OK(
        shoal_os_unlink(shoal_arena_printf(&f->t.arena, "%s/_delta_log/%020lld.json", f->t.root, (long long)v), &err),
        &err);
}

static void test_commits(void **state) {
  (void)state;
  fixture f;
  shoal_error err = {0};
  shoal_buf text = {0};
  begin(&f, "classic");
  break_part(&f, "the first commit", find(&f, "_delta_log", "0000.json", ".json"), TEXT, 0, 0);
  break_part(&f, "a commit with deletion vectors", find(&f, "_delta_log", "0009.json", ".json"), TEXT, 0, 0);
  char *path = find(&f, "_delta_log", "0005.json", ".json");
  CHECK_OK(shoal_os_read_file(path, SIZE_MAX, &text, &err), &err);
  ptrdiff_t from = shoal_str_find(shoal_buf_str(&text), SHOAL_STR("\"stats\":\""));
  assert_true(from > 0);
  break_part(&f, "statistics", path, TEXT, (size_t)from + 9, text.len - 4);
  shoal_buf_dispose(&text);
  end(&f);
}

static void test_data(void **state) {
  (void)state;
  fixture f;
  shoal_stat st;
  shoal_error err = {0};
  begin(&f, "classic");
  break_part(&f, "deletion vectors", find(&f, "", "deletion_vector_", ".bin"), CHECKED, 0, 0);
  char *path = find(&f, "", "part-", ".parquet");
  CHECK_OK(shoal_os_stat(path, &st, &err), &err);
  break_part(&f, "a data file's footer", path, DATA, (size_t)st.size * 2 / 3, 0);
  break_part(&f, "a data file", path, DATA, 0, 0);
  end(&f);
}

/* Rows written, not given; and what no file is to blame for. */
static void test_who_is_blamed(void **state) {
  (void)state;
  fixture f;
  shoal_error err = {0};
  shoal_buf whole = {0};
  shoal_delta_changed changed;
  begin(&f, "classic");
  char *path = find(&f, "", "part-", ".parquet");
  const char *const queries[] = {"SELECT error('no') FROM t", "SELECT strptime(s, '%d') FROM t",
                                 "SELECT CAST(s AS BIGINT) FROM t", "SELECT id * 9223372036854775807 FROM t",
                                 "SELECT error('no Parquet') FROM t"};
  shoal_delta_view *v;
  CHECK_OK(shoal_delta_view_open(&f.t.table, SHOAL_DELTA_LATEST, &v, &err), &err);
  for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
    shoal_buf got = {0};
    assert_int_equal(read_view(&f, v, queries[i], &got, &err), SHOAL_EENGINE);
    assert_null(strstr(err.message, "part-"));
    shoal_buf_dispose(&got);
  }
  shoal_delta_view_free(v);
  CHECK_OK(shoal_os_read_file(path, SIZE_MAX, &whole, &err), &err);
  for (size_t i = whole.len / 2; i < whole.len - 12; i++)
    whole.ptr[i] ^= 0x55;
  CHECK_OK(shoal_os_replace_file(path, shoal_buf_str(&whole), &err), &err);
  assert_true(shoal_delta_delete_rows(&f.t.table, f.t.engine, SHOAL_STR("x + id > 3"), false, &changed, &err) < 0);
  assert_true(names(&err, path));
  shoal_buf_dispose(&whole);
  end(&f);
}

static void test_classic_checkpoint(void **state) {
  (void)state;
  fixture f;
  begin(&f, "classic");
  leave_checkpoint(&f);
  break_part(&f, "a checkpoint", find(&f, "_delta_log", ".checkpoint.", ".parquet"), PARQUET, 0, 0);
  end(&f);
}

static void test_v2_checkpoint(void **state) {
  (void)state;
  fixture f;
  begin(&f, "v2");
  leave_checkpoint(&f);
  break_part(&f, "a V2 checkpoint", find(&f, "_delta_log", ".checkpoint.", ".json"), TEXT, 0, 0);
  break_part(&f, "a sidecar", find(&f, "_delta_log/_sidecars", "", ".parquet"), PARQUET, 0, 0);
  end(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_commits), cmocka_unit_test(test_data),
                                     cmocka_unit_test(test_who_is_blamed), cmocka_unit_test(test_classic_checkpoint),
                                     cmocka_unit_test(test_v2_checkpoint)};
  return cmocka_run_group_tests_name("delta/broken", tests, NULL, NULL);
}
