/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two writers at one table, deterministically: what one does comes whole between two calls of the store that the other
 * makes, at every point there is, for all pairs of operations and both isolation levels. Each ends with success or a
 * conflict; the rows are those of some order of the two, or of the first alone; and what stands against what is as the
 * table below has it, no more and no less: who reads and writes other files than the other does is never turned down
 * (D4 of delta/change.h).
 */
#include "support/support.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/os.h"
#include "base/str.h"
#include "delta/append.h"
#include "delta/change.h"
#include "delta/maintain.h"
#include "engine/arrow.h"
#include "store/faulty.h"

/* Two partitions, 'a' and 'b', each of two files: ids 0 … 9, 10 … 19 and 20 … 29, 30 … 39. */
#define SOURCE(text) "SELECT range::BIGINT AS id, '" text "' AS p, 0::BIGINT AS v FROM range"

typedef enum kind {
  APPEND_A,
  DELETE_A,
  DELETE_B,
  DELETE_LOW, /* told by statistics only */
  UPDATE_A,
  UPDATE_HIGH,
  MERGE_B,
  REPLACE_B, /* its partition */
  CLEAR_A,   /* by a condition, and a row that comes */
  PACK,
  DELETE_ALL,
  KINDS
} kind;
static const char *const names[] = {"append a", "delete a",  "delete b", "delete low", "update a",  "update high",
                                    "merge b",  "replace b", "clear a",  "pack",       "delete all"};

typedef struct row {
  int64_t id, v;
  char p;
  bool there;
} row;
#define MOST 64
typedef struct rows {
  row r[MOST];
  size_t n;
} rows;

/* ---- the model ---- */

static void put(rows *t, int64_t id, char p, int64_t v) { t->r[t->n++] = (row){id, v, p, true}; }

static void model(rows *t, kind k) {
  size_t n = t->n;
  for (size_t i = 0; i < n; i++) {
    row *r = &t->r[i];
    if (!r->there)
      continue;
    bool a = r->p == 'a', odd = r->id % 2;
    if ((k == DELETE_A && a && odd) || (k == DELETE_B && !a && odd) || (k == DELETE_LOW && r->id < 5) ||
        (k == REPLACE_B && !a) || (k == CLEAR_A && a) || k == DELETE_ALL)
      r->there = false;
    if ((k == UPDATE_A && a) || (k == UPDATE_HIGH && r->id >= 35) || (k == MERGE_B && !a && r->id < 25))
      r->v++;
  }
  if (k == APPEND_A)
    put(t, 100, 'a', 0);
  if (k == REPLACE_B)
    put(t, 200, 'b', 7);
  if (k == CLEAR_A)
    put(t, 300, 'a', 9);
}

static int by_id(const void *a, const void *b) {
  const row *x = a, *y = b;
  return x->there != y->there ? (x->there ? -1 : 1)
         : x->id != y->id     ? (x->id < y->id ? -1 : 1)
                              : (x->v > y->v) - (x->v < y->v);
}

static void text_of(rows t, shoal_buf *out) {
  qsort(t.r, t.n, sizeof *t.r, by_id);
  for (size_t i = 0; i < t.n && t.r[i].there; i++)
    shoal_buf_addf(out, "%lld%c%lld ", (long long)t.r[i].id, t.r[i].p, (long long)t.r[i].v);
}

static rows start(void) {
  rows t = {0};
  for (int i = 0; i < 40; i++)
    put(&t, i, i < 20 ? 'a' : 'b', 0);
  return t;
}

/* ---- the real thing ---- */

typedef struct fixture {
  char *folder;
  char base[1024], now[1024];   /* the table before, and while two work on it */
  char *done[KINDS];            /* the table after one operation */
  shoal_engine *engine, *other; /* each writer has its own */
} fixture;

static shoal_status give_engine(void *arg, shoal_engine **out, shoal_error *err) {
  (void)err;
  *out = arg;
  return SHOAL_OK;
}

static shoal_delta_table table_at(shoal_store *store, shoal_engine *engine) {
  return (shoal_delta_table){.store = store, .prefix = SHOAL_STR(""), .get_engine = give_engine, .engine_arg = engine};
}

static shoal_status append(const shoal_delta_table *t, shoal_engine *e, const char *sql, const char *level,
                           bool vectors, shoal_error *err) {
  const shoal_str by = SHOAL_STR("p");
  const shoal_delta_kv properties[] = {
      {SHOAL_STR("delta.isolationLevel"), shoal_str_z(level)},
      {SHOAL_STR("delta.enableDeletionVectors"), shoal_str_z(vectors ? "true" : "false")}};
  const shoal_job job = {.sql = shoal_str_z(sql)};
  const shoal_delta_append wanted = {.job = &job,
                                     .create = true,
                                     .partition_by = &by,
                                     .n_partition_by = 1,
                                     .properties = properties,
                                     .n_properties = 2};
  shoal_delta_appended done;
  return shoal_delta_append_rows(t, e, &wanted, &done, err);
}

/* The rows of a query, written beside the table for those verbs that take files. */
static shoal_scan file_of(const fixture *f, const char *name, shoal_arena *arena) {
  shoal_scan_file *file = SHOAL_NEW(arena, shoal_scan_file);
  assert_non_null(file);
  file->path = shoal_str_z(shoal_arena_printf(arena, "%s/%s", f->folder, name));
  return (shoal_scan){.format = SHOAL_SCAN_CSV, .files = file, .n_files = 1};
}

static shoal_status merge_b(const fixture *f, const shoal_delta_table *t, shoal_engine *e, shoal_arena *arena,
                            shoal_error *err) {
  const shoal_scan source = file_of(f, "merge.csv", arena);
  const shoal_delta_set set = {SHOAL_STR("v"), SHOAL_STR("target.v + 1")};
  const shoal_delta_clause clause = {SHOAL_DELTA_MATCHED, SHOAL_DELTA_THEN_UPDATE, SHOAL_STR_NONE, &set, 1};
  const shoal_delta_merge merge = {.source = &source,
                                   .on = SHOAL_STR("target.p = 'b' AND target.id = source.id"),
                                   .clauses = &clause,
                                   .n_clauses = 1};
  shoal_delta_changed done;
  return shoal_delta_merge_rows(t, e, &merge, &done, err);
}

static shoal_status replace(const fixture *f, const shoal_delta_table *t, shoal_engine *e, bool partitions,
                            shoal_arena *arena, shoal_error *err) {
  const shoal_scan source = file_of(f, partitions ? "replace.csv" : "clear.csv", arena);
  const shoal_delta_overwrite wanted = {
      .source = &source, .where = partitions ? SHOAL_STR_NONE : SHOAL_STR("p = 'a'"), .partitions = partitions};
  shoal_delta_changed done;
  return shoal_delta_overwrite_rows(t, e, &wanted, &done, err);
}

static shoal_status run(const fixture *f, const shoal_delta_table *t, shoal_engine *e, kind k, shoal_error *err) {
  static const char *const where[KINDS] = {[DELETE_A] = "p = 'a' AND id % 2 = 1",
                                           [DELETE_B] = "p = 'b' AND id % 2 = 1",
                                           [DELETE_LOW] = "id < 5",
                                           [UPDATE_A] = "p = 'a'",
                                           [UPDATE_HIGH] = "id >= 35 AND id < 100"};
  const shoal_delta_set set = {SHOAL_STR("v"), SHOAL_STR("v + 1")};
  shoal_delta_changed done;
  shoal_delta_optimized packed;
  shoal_arena arena = {0};
  shoal_status status;
  if (k == APPEND_A)
    status = append(t, e, "SELECT 100::BIGINT AS id, 'a' AS p, 0::BIGINT AS v", "", false, err);
  else if (k == UPDATE_A || k == UPDATE_HIGH)
    status = shoal_delta_update_rows(t, e, &set, 1, shoal_str_z(where[k]), false, &done, err);
  else if (k == MERGE_B)
    status = merge_b(f, t, e, &arena, err);
  else if (k == REPLACE_B || k == CLEAR_A)
    status = replace(f, t, e, k == REPLACE_B, &arena, err);
  else if (k == PACK)
    status = shoal_delta_optimize(t, e, &(shoal_delta_packing){0}, &packed, err);
  else
    status = shoal_delta_delete_rows(t, e, shoal_str_z(where[k]), false, &done, err);
  shoal_arena_dispose(&arena);
  return status;
}

static void read_rows(shoal_store *store, shoal_engine *engine, shoal_buf *out) {
  const shoal_delta_table t = table_at(store, engine);
  shoal_error err = {0};
  shoal_arena arena = {0};
  shoal_delta_snapshot *s;
  shoal_scan scan;
  shoal_rows *found;
  CHECK_OK(shoal_delta_snapshot_open(&t, SHOAL_DELTA_LATEST, &s, &err), &err);
  CHECK_OK(shoal_delta_scan(&t, s, &arena, &scan, &err), &err);
  const shoal_input input = {SHOAL_STR("t"), &scan};
  const shoal_job job = {.sql = SHOAL_STR("SELECT id, p, v FROM t ORDER BY id, v"), .inputs = &input, .n_inputs = 1};
  CHECK_OK(shoal_engine_query(engine, &job, &found, &err), &err);
  while (shoal_rows_next(found, &err) == SHOAL_OK)
    for (size_t i = 0; i < 3; i++)
      shoal_buf_addf(out, i == 2 ? "%.*s " : "%.*s", SHOAL_FMT(shoal_rows_text(found, i)));
  shoal_rows_free(found);
  shoal_delta_snapshot_free(s);
  shoal_arena_dispose(&arena);
}

/* ---- one pair at one point ---- */

#define LAST_OF_BASE 3 /* its newest version */

/* Hard links to the files of a folder, in another one that may have some of them. */
static void link_files(const char *from, const char *to) {
  struct dirent *entry;
  DIR *dir = opendir(from);
  assert_non_null(dir);
  assert_true(mkdir(to, 0777) == 0 || errno == EEXIST);
  while ((entry = readdir(dir))) {
    char source[4096], target[4096];
    struct stat st;
    snprintf(source, sizeof source, "%s/%s", from, entry->d_name);
    snprintf(target, sizeof target, "%s/%s", to, entry->d_name);
    assert_int_equal(stat(source, &st), 0);
    if (S_ISREG(st.st_mode))
      assert_true(link(source, target) == 0 || errno == EEXIST);
  }
  closedir(dir);
}

/* The table in one folder over that in another: files before what names them. */
static void link_table(const char *from, const char *to) {
  char source[2048], target[2048];
  link_files(from, to);
  snprintf(source, sizeof source, "%s/_delta_log", from);
  snprintf(target, sizeof target, "%s/_delta_log", to);
  link_files(source, target);
}

/* What the other writer does is done once, and put where it belongs later: it always begins with the base. */
typedef struct meanwhile {
  const char *done, *now;
} meanwhile;

static void theirs_runs(void *arg) {
  const meanwhile *m = arg;
  char next[2048];
  snprintf(next, sizeof next, "%s/_delta_log/%020d.json", m->now, LAST_OF_BASE + 1);
  assert_int_equal(access(next, F_OK), -1); /* ours has not committed: no point is behind that */
  link_table(m->done, m->now);
}

/* The calls before which it makes a difference to ours whether theirs has come: listings of the log, reading and
   putting what the base does not have. Of all others the answer is the same, so that who comes before one of them might
   as well come before the next of these. With a budget all calls are points. */
#define MOST_POINTS 256
typedef struct points {
  uint64_t at[MOST_POINTS];
  size_t n;
  uint64_t put; /* the call that commits: what comes after it is too late to matter */
} points;

static void note_call(void *arg, uint64_t n, const char *what, shoal_str key) {
  points *p = arg;
  bool settled = false;
  char next[64];
  snprintf(next, sizeof next, "_delta_log/%020d.json", LAST_OF_BASE + 1);
  if (p->put)
    return;
  if (shoal_str_is(key, next) && !strcmp(what, "put_new"))
    p->put = n;
  for (int v = 0; v <= LAST_OF_BASE; v++) {
    char name[64];
    snprintf(name, sizeof name, "_delta_log/%020d.json", v);
    settled = settled || (shoal_str_is(key, name) && (!strcmp(what, "get") || !strcmp(what, "head")));
  }
  if (test_budget(1) <= 1 && (settled || !shoal_str_starts(key, SHOAL_STR("_delta_log"))))
    return;
  assert_true(p->n < MOST_POINTS);
  p->at[p->n++] = n;
}

/* Whether `got` is what the model has for the two in this order; `second` may be none (KINDS). */
static bool is_order(const char *got, kind first, kind second) {
  shoal_buf want = {0};
  rows t = start();
  model(&t, first);
  if (second != KINDS)
    model(&t, second);
  text_of(t, &want);
  bool same = !strcmp(got, shoal_buf_z(&want));
  shoal_buf_dispose(&want);
  return same;
}

/* Runs ours on the base; theirs comes before the n-th call (0: it does not come, and *calls are noted). */
static shoal_status interleave(fixture *f, kind ours, kind theirs, uint64_t n, points *calls) {
  shoal_error err = {0};
  shoal_store *inner, *outer;
  shoal_buf got = {0};
  meanwhile m = {f->done[theirs], f->now};
  CHECK_OK(shoal_os_remove_tree(f->now, &err), &err);
  link_table(f->base, f->now);
  CHECK_OK(shoal_store_open_file(f->now, false, &inner, &err), &err);
  CHECK_OK(shoal_store_open_faulty(inner, &outer, &err), &err);
  shoal_store_faulty_meanwhile(outer, n, theirs_runs, &m);
  if (calls)
    shoal_store_faulty_watch(outer, note_call, calls);
  const shoal_delta_table t = table_at(outer, f->engine);
  shoal_status status = run(f, &t, f->engine, ours, &err);
  read_rows(inner, f->other, &got);
  const char *text = shoal_buf_z(&got);
  bool serial = n == 0               ? is_order(text, ours, KINDS)
                : status == SHOAL_OK ? is_order(text, theirs, ours) || is_order(text, ours, theirs)
                                     : status == SHOAL_ECONFLICT && is_order(text, theirs, KINDS);
  if (!serial)
    fail_msg("%s, and %s before call %llu: %s %s\nrows: %s", names[ours], names[theirs], (unsigned long long)n,
             shoal_status_name(status), err.message, text);
  shoal_buf_dispose(&got);
  shoal_store_free(outer);
  shoal_store_free(inner);
  return status;
}

/* What stands against what: a row is ours, a column what came between our reading and our commit, in the order of
   `names`. '.' never does, 'x' does, 's' under Serializable only. Who comes before we have read stands against nothing.
 */
static const char *const against[KINDS] = {
    "...........", /* append a */
    "sx.xx...xxx", /* delete a */
    "..x..xxx.xx", /* delete b */
    ".x.xx...xxx", /* delete low */
    "sx.xx...xxx", /* update a */
    "..x..x.x.xx", /* update high */
    "..x...xx.xx", /* merge b: its source can only meet 20 … 29 */
    "..x..xxx.xx", /* replace b */
    "sx.xx...xxx", /* clear a */
    ".xxxxxxxxxx", /* pack */
    "sxxxxxxxxxx", /* delete all */
};

static bool stands(kind ours, kind theirs, bool serializable) {
  char c = against[ours][theirs];
  return c == 'x' || (c == 's' && serializable);
}

static void check_pair(fixture *f, kind ours, kind theirs, bool serializable, const points *calls) {
  for (size_t i = 0; i < calls->n; i++) {
    uint64_t n = calls->at[i];
    bool conflict = interleave(f, ours, theirs, n, NULL) == SHOAL_ECONFLICT, last = i + 1 == calls->n;
    if (conflict && (i == 0 || !stands(ours, theirs, serializable)))
      fail_msg("%s conflicts with %s before call %llu", names[ours], names[theirs], (unsigned long long)n);
    if (!conflict && last && stands(ours, theirs, serializable))
      fail_msg("%s does not conflict with %s", names[ours], names[theirs]);
  }
}

/* Each of the other writer's operations on the base. */
static void do_theirs(fixture *f) {
  shoal_error err = {0};
  for (int k = 0; k < KINDS; k++) {
    shoal_store *store;
    char *folder = malloc(strlen(f->folder) + 32);
    assert_non_null(folder);
    sprintf(folder, "%s/done%d", f->folder, k);
    link_table(f->base, folder);
    CHECK_OK(shoal_store_open_file(folder, false, &store, &err), &err);
    const shoal_delta_table t = table_at(store, f->other);
    CHECK_OK(run(f, &t, f->other, (kind)k, &err), &err);
    shoal_store_free(store);
    f->done[k] = folder;
  }
}

static void write_text(const fixture *f, const char *name, const char *text) {
  char path[1024];
  snprintf(path, sizeof path, "%s/%s", f->folder, name);
  FILE *out = fopen(path, "w");
  assert_non_null(out);
  fputs(text, out);
  fclose(out);
}

static void make_base(fixture *f, const char *level, bool vectors) {
  shoal_error err = {0};
  shoal_store *store;
  static const char *const parts[] = {SOURCE("a") "(0, 10)", SOURCE("a") "(10, 20)", SOURCE("b") "(20, 30)",
                                      SOURCE("b") "(30, 40)"};
  CHECK_OK(shoal_store_open_file(f->base, true, &store, &err), &err);
  const shoal_delta_table t = table_at(store, f->engine);
  for (size_t i = 0; i <= LAST_OF_BASE; i++)
    CHECK_OK(append(&t, f->engine, parts[i], level, vectors, &err), &err);
  shoal_store_free(store);
}

static void open_fixture(fixture *f, char allowed_text[1024]) {
  shoal_error err = {0};
  *f = (fixture){.folder = test_folder()};
  snprintf(allowed_text, 1024, "%s/", f->folder);
  snprintf(f->base, sizeof f->base, "%s/base", f->folder);
  snprintf(f->now, sizeof f->now, "%s/now", f->folder);
  const shoal_str allowed = shoal_str_z(allowed_text);
  const shoal_engine_config config = {.allowed = &allowed, .n_allowed = 1, .locked = true, .threads = 1};
  CHECK_OK(shoal_engine_open_duckdb(&config, &f->engine, &err), &err);
  CHECK_OK(shoal_engine_open_duckdb(&config, &f->other, &err), &err);
  write_text(f, "merge.csv", "id\n20\n21\n22\n23\n24\n1\n");
  write_text(f, "replace.csv", "id,p,v\n200,b,7\n");
  write_text(f, "clear.csv", "id,p,v\n300,a,9\n");
}

static void check_level(bool serializable, bool vectors) {
  fixture f;
  char allowed[1024];
  open_fixture(&f, allowed);
  make_base(&f, serializable ? "Serializable" : "WriteSerializable", vectors);
  do_theirs(&f);
  for (int ours = 0; ours < KINDS; ours++) {
    points calls = {0};
    assert_int_equal(interleave(&f, (kind)ours, APPEND_A, 0, &calls), SHOAL_OK);
    assert_true(calls.n > 1);
    for (int theirs = 0; theirs < KINDS; theirs++)
      check_pair(&f, (kind)ours, (kind)theirs, serializable, &calls);
  }
  for (int k = 0; k < KINDS; k++)
    free(f.done[k]);
  shoal_engine_free(f.other);
  shoal_engine_free(f.engine);
  test_folder_remove(f.folder);
}

/* ---- a log that is cleaned up meanwhile ---- */

static void drop_commits(const char *folder) {
  for (int v = 0; v <= LAST_OF_BASE + 1; v++) {
    char name[2048];
    snprintf(name, sizeof name, "%s/_delta_log/%020d.json", folder, v);
    assert_true(unlink(name) == 0 || errno == ENOENT);
  }
}

/* Two commits, a checkpoint, and everything before it gone. */
static char *clean_up(fixture *f) {
  shoal_error err = {0};
  shoal_store *store;
  shoal_delta_checkpointed made;
  char *folder = malloc(strlen(f->folder) + 32);
  assert_non_null(folder);
  sprintf(folder, "%s/cleaned", f->folder);
  link_table(f->base, folder);
  CHECK_OK(shoal_store_open_file(folder, false, &store, &err), &err);
  const shoal_delta_table t = table_at(store, f->other);
  CHECK_OK(run(f, &t, f->other, APPEND_A, &err), &err);
  CHECK_OK(run(f, &t, f->other, PACK, &err), &err);
  CHECK_OK(shoal_delta_checkpoint_version(&t, SHOAL_DELTA_LATEST, &made, &err), &err);
  assert_int_equal(made.version, LAST_OF_BASE + 2);
  shoal_store_free(store);
  drop_commits(folder);
  return folder;
}

static void theirs_cleans(void *arg) {
  const meanwhile *m = arg;
  link_table(m->done, m->now);
  drop_commits(m->now);
}

/* T4 of delta/transaction.h, before ours looks and commits: an append begins anew, all else is a conflict. */
static void check_cleaned(fixture *f, const char *cleaned, kind ours) {
  shoal_error err = {0};
  shoal_store *inner, *outer;
  shoal_buf got = {0};
  points calls = {0};
  meanwhile m = {cleaned, f->now};
  assert_int_equal(interleave(f, ours, APPEND_A, 0, &calls), SHOAL_OK);
  assert_true(calls.put > 1);
  CHECK_OK(shoal_os_remove_tree(f->now, &err), &err);
  link_table(f->base, f->now);
  CHECK_OK(shoal_store_open_file(f->now, false, &inner, &err), &err);
  CHECK_OK(shoal_store_open_faulty(inner, &outer, &err), &err);
  shoal_store_faulty_meanwhile(outer, calls.put - 1, theirs_cleans, &m);
  const shoal_delta_table t = table_at(outer, f->engine);
  CHECK_STATUS(run(f, &t, f->engine, ours, &err), ours == APPEND_A ? SHOAL_OK : SHOAL_ECONFLICT, &err);
  read_rows(inner, f->other, &got);
  assert_true(is_order(shoal_buf_z(&got), APPEND_A, ours == APPEND_A ? APPEND_A : KINDS));
  shoal_buf_dispose(&got);
  shoal_store_free(outer);
  shoal_store_free(inner);
}

static void test_cleaned_up_meanwhile(void **state) {
  (void)state;
  static const kind kinds[] = {APPEND_A, DELETE_B, UPDATE_A, REPLACE_B, PACK};
  fixture f;
  char allowed[1024];
  open_fixture(&f, allowed);
  make_base(&f, "WriteSerializable", false);
  char *cleaned = clean_up(&f);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    check_cleaned(&f, cleaned, kinds[i]);
  free(cleaned);
  shoal_engine_free(f.other);
  shoal_engine_free(f.engine);
  test_folder_remove(f.folder);
}

static void test_pairs(void **state) {
  (void)state;
  check_level(false, true);
}

static void test_pairs_serializable(void **state) {
  (void)state;
  check_level(true, false);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_cleaned_up_meanwhile), cmocka_unit_test(test_pairs),
                                     cmocka_unit_test(test_pairs_serializable)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
