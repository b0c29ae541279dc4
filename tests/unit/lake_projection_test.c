/* SPDX-License-Identifier: Apache-2.0 */
/* Invariants 5 and 6; T1 … T4 are those of lake/projection_table.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "base/str.h"
#include "support/lake_support.h"
#include "support/support.h"

typedef struct projected {
  lake_fixture f;
  shoal_state *s;
  shoal_projection_report report;
} projected;

static projected open_lake(bool files) {
  projected p = {.f = files ? lake_fixture_file() : lake_fixture_memory()};
  p.s = test_load(&p.f, "main", -1);
  return p;
}
static void close_lake(projected *p) {
  shoal_projection_report_dispose(&p->report);
  shoal_state_free(p->s);
  lake_fixture_close(&p->f);
}

static void set(projected *p, const char *dataset, uint64_t n, size_t files) {
  shoal_result r;
  CHECK_OK(test_put_result(&p->f, dataset, n, files, &r, &p->f.err), &p->f.err);
  CHECK_OK(test_publish_set(&p->f, p->s, dataset, &r, &p->f.err), &p->f.err);
}

static void project(projected *p, shoal_status want) {
  shoal_projection_report_dispose(&p->report);
  CHECK_STATUS(shoal_project(p->f.lake, p->s, &p->report, &p->f.err), want, &p->f.err);
}

static shoal_delta_snapshot *open_table(projected *p, const char *prefix) {
  shoal_delta_table table = {.store = p->f.inner,
                             .prefix = shoal_str_z(prefix),
                             .get_engine = p->f.lake->get_engine,
                             .engine_arg = p->f.lake->engine_arg};
  shoal_delta_snapshot *s;
  CHECK_OK(shoal_delta_snapshot_open(&table, SHOAL_DELTA_LATEST, &s, &p->f.err), &p->f.err);
  return s;
}

/* The table's version and the number of its files; every file is an object reached from the table's folder. */
static void expect_table(projected *p, const char *prefix, int64_t version, size_t files, const char *content) {
  shoal_delta_snapshot *s = open_table(p, prefix);
  assert_int_equal(shoal_delta_snapshot_version(s), version);
  assert_int_equal(shoal_delta_snapshot_n_files(s), files);
  for (size_t i = 0; i < files; i++) {
    shoal_str path = shoal_delta_snapshot_files(s)[i].path;
    char *key = shoal_arena_printf(&p->f.arena, "%s/%.*s", prefix, SHOAL_FMT(path));
    for (char *up; shoal_str_starts(path, SHOAL_STR("../")); path = shoal_str_sub(path, 3, path.len)) {
      up = strstr(key, "/../");
      *up = '\0';
      char *cut = strrchr(key, '/');
      key = shoal_arena_printf(&p->f.arena, "%.*s%s", cut ? (int)(cut - key + 1) : 0, key, up + 4);
    }
    shoal_str bytes = test_object(&p->f, key);
    assert_true(shoal_str_starts(bytes, shoal_str_z(content)));
  }
  assert_true(
      shoal_str_starts(shoal_delta_config(shoal_delta_snapshot_metadata(s), "delta.deletedFileRetentionDuration"),
                       SHOAL_STR("interval 37 days")));
  assert_true(shoal_delta_snapshot_txn(s, p->s->branch_id) <= p->s->publication);
  shoal_delta_snapshot_free(s);
}

static void trunk_tables_follow(void **state) {
  projected p = open_lake(*state != NULL);
  int64_t mark;
  CHECK_OK(shoal_projected(p.f.lake, p.s->branch, &mark, &p.f.err), &p.f.err);
  assert_int_equal(mark, -1);
  set(&p, "silver.a", 1, 2);
  set(&p, "silver.b", 2, 1);
  project(&p, SHOAL_OK);
  assert_int_equal(p.report.tables, 2);
  expect_table(&p, "silver/a", 0, 2, "silver.a 1 ");
  expect_table(&p, "silver/b", 0, 1, "silver.b 2 ");
  shoal_delta_snapshot *s = open_table(&p, "silver/a");
  assert_true(shoal_str_starts(shoal_delta_snapshot_files(s)[0].path, SHOAL_STR("_shoal/")));
  shoal_delta_snapshot_free(s);
  CHECK_OK(shoal_projected(p.f.lake, p.s->branch, &mark, &p.f.err), &p.f.err);
  assert_int_equal(mark, 2);
  set(&p, "silver.a", 3, 1);
  project(&p, SHOAL_OK);
  assert_int_equal(p.report.tables, 1);
  expect_table(&p, "silver/a", 1, 1, "silver.a 3 ");
  expect_table(&p, "silver/b", 0, 1, "silver.b 2 ");
  /* Removed, the table is empty; set again, it fills. */
  CHECK_OK(test_publish_remove(&p.f, p.s, "silver.a", &p.f.err), &p.f.err);
  project(&p, SHOAL_OK);
  expect_table(&p, "silver/a", 2, 0, "");
  set(&p, "silver.a", 3, 1);
  project(&p, SHOAL_OK);
  expect_table(&p, "silver/a", 3, 1, "silver.a 3 ");
  project(&p, SHOAL_OK);
  assert_int_equal(p.report.tables + p.report.unchanged, 0);
  close_lake(&p);
}

/* T3: any process finishes or repeats it. */
static void repetition_is_harmless(void **state) {
  projected p = open_lake(*state != NULL);
  set(&p, "silver.a", 1, 1);
  set(&p, "silver.a", 2, 1);
  shoal_state *old = test_load(&p.f, "main", 1), *now = p.s;
  project(&p, SHOAL_OK);
  CHECK_OK(shoal_store_del(p.f.inner, SHOAL_STR("_shoal/branches/main/projected.json"), &p.f.err), &p.f.err);
  project(&p, SHOAL_OK);
  assert_int_equal(p.report.unchanged, 1);
  p.s = old; /* one who comes late does not turn the table back */
  CHECK_OK(shoal_store_del(p.f.inner, SHOAL_STR("_shoal/branches/main/projected.json"), &p.f.err), &p.f.err);
  project(&p, SHOAL_OK);
  p.s = now;
  expect_table(&p, "silver/a", 0, 1, "silver.a 2 ");
  project(&p, SHOAL_OK);
  expect_table(&p, "silver/a", 0, 1, "silver.a 2 ");
  test_overwrite(&p.f, "_shoal/branches/main/projected.json", "{broken");
  project(&p, SHOAL_OK);
  expect_table(&p, "silver/a", 0, 1, "silver.a 2 ");
  /* The same result again, pinned, is no commit. */
  shoal_change pin = {.kind = SHOAL_CHANGE_PIN, .name = SHOAL_STR("silver.a"), .result = p.s->entries[0].result};
  shoal_publication_draft draft = {.base = 2, .changes = &pin, .n_changes = 1, .kind = "rollback"};
  int64_t n;
  CHECK_OK(shoal_publish(p.f.lake, p.s, &draft, &n, &p.f.err), &p.f.err);
  project(&p, SHOAL_OK);
  assert_int_equal(p.report.unchanged, 1);
  shoal_state_free(old);
  close_lake(&p);
}

/* Invariant 8, DESIGN 4: links inside the branch's folder, or "../" paths where the store has none. */
static void branches_have_tables_of_their_own(void **state) {
  projected p = open_lake(*state != NULL);
  set(&p, "silver.a", 1, 1);
  set(&p, "silver.b", 2, 1);
  project(&p, SHOAL_OK);
  CHECK_OK(shoal_branch_create(p.f.lake, SHOAL_STR("fix/x"), SHOAL_STR("main"), -1, &p.f.err), &p.f.err);
  shoal_state_free(p.s);
  p.s = test_load(&p.f, "fix/x", -1);
  set(&p, "silver.a", 3, 2);
  CHECK_OK(test_publish_remove(&p.f, p.s, "silver.b", &p.f.err), &p.f.err);
  project(&p, SHOAL_OK);
  assert_int_equal(p.report.tables, 1);
  expect_table(&p, "_branches/fix-x/silver/a", 0, 2, "silver.a 3 ");
  expect_table(&p, "silver/a", 0, 1, "silver.a 1 ");
  shoal_delta_snapshot *s = open_table(&p, "_branches/fix-x/silver/a");
  bool inside = shoal_str_starts(shoal_delta_snapshot_files(s)[0].path, SHOAL_STR("_shoal/"));
  assert_true(inside == (*state != NULL));
  shoal_delta_snapshot_free(s);
  shoal_object *objects;
  size_t n;
  CHECK_OK(shoal_store_list(p.f.inner, SHOAL_STR("_branches/fix-x/silver/b/"), SHOAL_STR_NONE, false, 0, &p.f.arena,
                            &objects, &n, &p.f.err),
           &p.f.err);
  assert_int_equal(n, 0);
  /* Merged, the trunk's table takes the very files the branch computed. */
  const shoal_result r = shoal_state_find(p.s, SHOAL_STR("silver.a"))->result;
  shoal_state *trunk = test_load(&p.f, "main", -1), *branch = p.s;
  p.s = trunk;
  CHECK_OK(test_publish_set(&p.f, p.s, "silver.a", &r, &p.f.err), &p.f.err);
  project(&p, SHOAL_OK);
  expect_table(&p, "silver/a", 1, 2, "silver.a 3 ");
  shoal_state_free(branch);
  close_lake(&p);
}

/* DESIGN 4: two names of one signature share one result. */
static void second_name_of_a_result(void **state) {
  projected p = open_lake(*state != NULL);
  shoal_result r;
  CHECK_OK(test_put_result(&p.f, "silver.a", 1, 2, &r, &p.f.err), &p.f.err);
  CHECK_OK(test_publish_set(&p.f, p.s, "gold.other", &r, &p.f.err), &p.f.err);
  project(&p, SHOAL_OK);
  expect_table(&p, "gold/other", 0, 2, "silver.a 1 ");
  shoal_delta_snapshot *s = open_table(&p, "gold/other");
  assert_true(shoal_str_starts(shoal_delta_snapshot_files(s)[0].path, SHOAL_STR("_shoal/")));
  shoal_delta_snapshot_free(s);
  set(&p, "gold.other", 2, 1);
  project(&p, SHOAL_OK);
  expect_table(&p, "gold/other", 1, 1, "gold.other 2 ");
  close_lake(&p);
}

static void set_columns(projected *p, const char *dataset, uint64_t n, const char *columns) {
  test_draft d;
  shoal_result r;
  bool won;
  CHECK_OK(test_stage(&p->f, dataset, n, 1, columns, &d, &p->f.err), &p->f.err);
  d.draft.outcome = &d.outcome;
  CHECK_OK(shoal_result_put(p->f.lake, &d.draft, &p->f.arena, &r, &won, &p->f.err), &p->f.err);
  CHECK_OK(test_publish_set(&p->f, p->s, dataset, &r, &p->f.err), &p->f.err);
}

static void schema_changes_keep_the_table(void **state) {
  projected p = open_lake(*state != NULL);
  set_columns(&p, "silver.a", 1, "n");
  project(&p, SHOAL_OK);
  shoal_delta_snapshot *s = open_table(&p, "silver/a");
  char *id = shoal_arena_cstr(&p.f.arena, shoal_delta_snapshot_metadata(s)->id);
  shoal_delta_snapshot_free(s);
  set_columns(&p, "silver.a", 2, "n m");
  project(&p, SHOAL_OK);
  expect_table(&p, "silver/a", 1, 1, "silver.a 2 ");
  s = open_table(&p, "silver/a");
  CHECK_STR(shoal_delta_snapshot_metadata(s)->id, id);
  assert_int_equal(shoal_delta_snapshot_metadata(s)->schema.n_fields, 2);
  shoal_delta_snapshot_free(s);
  set_columns(&p, "silver.a", 3, "n m");
  project(&p, SHOAL_OK);
  shoal_str text = test_object(&p.f, "silver/a/_delta_log/00000000000000000002.json");
  assert_true(shoal_str_find(text, SHOAL_STR("metaData")) < 0);
  close_lake(&p);
}

static void foreign_commit(projected *p, const char *prefix, int64_t version, const char *actions) {
  char *key = shoal_arena_printf(&p->f.arena, "%s/_delta_log/%020lld.json", prefix, (long long)version);
  char *text = shoal_arena_printf(
      &p->f.arena, "{\"commitInfo\":{\"timestamp\":1,\"operation\":\"X\",\"operationParameters\":{}}}\n%s", actions);
  CHECK_OK(shoal_store_put_new(p->f.inner, shoal_str_z(key), shoal_str_z(text), &p->f.err), &p->f.err);
}
#define FOREIGN_ADD(change)                                                                                            \
  "{\"add\":{\"path\":\"x.parquet\",\"partitionValues\":{},\"size\":1,\"modificationTime\":1,\"dataChange\":" change   \
  "}}\n"

/* T2 */
static void foreign_commits_are_judged(void **state) {
  projected p = open_lake(*state != NULL);
  int64_t mark;
  set(&p, "silver.a", 1, 1);
  set(&p, "silver.b", 2, 1);
  project(&p, SHOAL_OK);
  foreign_commit(&p, "silver/a", 1, "");
  set(&p, "silver.a", 3, 1);
  project(&p, SHOAL_OK);
  expect_table(&p, "silver/a", 2, 1, "silver.a 3 ");
  assert_int_equal(p.report.warnings.len, 0);

  CHECK_OK(shoal_store_put_new(p.f.inner, SHOAL_STR("silver/a/x.parquet"), SHOAL_STR("x"), &p.f.err), &p.f.err);
  foreign_commit(&p, "silver/a", 3, FOREIGN_ADD("false"));
  set(&p, "silver.a", 4, 1);
  project(&p, SHOAL_OK);
  expect_table(&p, "silver/a", 4, 1, "silver.a 4 ");
  assert_int_equal(p.report.warnings.len, 1);
  assert_non_null(strstr(p.report.warnings.ptr[0], "silver/a"));

  foreign_commit(&p, "silver/a", 5, FOREIGN_ADD("true"));
  foreign_commit(&p, "silver/a", 6, "");
  set(&p, "silver.a", 5, 1);
  set(&p, "silver.b", 6, 1);
  for (int i = 0; i < 2; i++) {
    project(&p, SHOAL_ECONFLICT);
    assert_non_null(strstr(p.f.err.message, "silver/a"));
    assert_non_null(strstr(p.f.err.message, "version 5"));
    expect_table(&p, "silver/b", 1, 1, "silver.b 6 ");
    CHECK_OK(shoal_projected(p.f.lake, p.s->branch, &mark, &p.f.err), &p.f.err);
    assert_int_equal(mark, 4);
  }
  set(&p, "silver.b", 7, 1);
  project(&p, SHOAL_ECONFLICT);
  expect_table(&p, "silver/b", 2, 1, "silver.b 7 ");
  close_lake(&p);
}

/* The same of many tables at once, whichever thread has which: what concerns one table holds up no other. */
static void several_threads(void **state) {
  (void)state;
  projected p = open_lake(true);
  enum { N = 40 };
  char name[32], prefix[32];
  int64_t mark;
  p.f.lake->projectors = 4;
  for (uint64_t round = 1; round <= 2; round++) {
    for (uint64_t i = 0; i < N; i++) {
      snprintf(name, sizeof name, "silver.t%02d", (int)i);
      set(&p, name, 100 * round + i, 1 + i % 2);
    }
    if (round == 2)
      foreign_commit(&p, "silver/t07", 1, FOREIGN_ADD("true"));
    if (round == 2)
      foreign_commit(&p, "silver/t23", 1, FOREIGN_ADD("true"));
    project(&p, round == 1 ? SHOAL_OK : SHOAL_ECONFLICT);
    assert_true(round == 1 || strstr(p.f.err.message, "silver/t07"));
    assert_int_equal(p.report.tables, round == 1 ? N : N - 2);
    for (uint64_t i = 0; i < N; i++) {
      if (round == 2 && (i == 7 || i == 23))
        continue;
      snprintf(prefix, sizeof prefix, "silver/t%02d", (int)i);
      snprintf(name, sizeof name, "silver.t%02d %d ", (int)i, (int)(100 * round + i));
      expect_table(&p, prefix, (int64_t)round - 1, 1 + i % 2, name);
    }
  }
  assert_int_equal(p.report.warnings.len, 1);
  assert_non_null(strstr(p.report.warnings.ptr[0], "silver/t23"));
  CHECK_OK(shoal_projected(p.f.lake, p.s->branch, &mark, &p.f.err), &p.f.err);
  assert_int_equal(mark, N + 7);
  project(&p, SHOAL_ECONFLICT);
  assert_int_equal(p.report.tables, 0);
  close_lake(&p);
}

static void foreign_tables_are_left_alone(void **state) {
  projected p = open_lake(*state != NULL);
  static const char head[] =
      "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n"
      "{\"metaData\":{\"id\":\"f\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":"
      "\"{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":[]}\",\"partitionColumns\":[],\"configuration\":{}}}\n";
  char *with_data = shoal_arena_printf(&p.f.arena, "%s%s", head, FOREIGN_ADD("true"));
  char *mapped = shoal_arena_printf(&p.f.arena, "%s", head);
  foreign_commit(&p, "silver/a", 0, with_data);
  foreign_commit(&p, "silver/b", 0, mapped);
  set(&p, "silver.a", 1, 1);
  set(&p, "silver.b", 2, 1);
  project(&p, SHOAL_ECONFLICT);
  expect_table(&p, "silver/b", 1, 1, "silver.b 2 "); /* an empty one is taken over */
  shoal_delta_snapshot *s = open_table(&p, "silver/a");
  assert_int_equal(shoal_delta_snapshot_version(s), 0);
  shoal_delta_snapshot_free(s);
  close_lake(&p);
}

/* Another writer switched something on: our commits go on where they are still right, and stop, saying why, where not.
 */
static void foreign_settings_are_heeded(void **state) {
  static const struct {
    const char *features, *configuration, *column, *says; /* NULL: we go on */
  } cases[] = {
      {"\"deletionVectors\",\"clustering\",\"domainMetadata\"", "\"delta.enableDeletionVectors\":\"true\"", "", NULL},
      {"\"domainMetadata\",\"rowTracking\"", "", "", "rowTracking"},
      {"\"somethingNew\"", "", "", "somethingNew"},
      {"\"columnMapping\"", "\"delta.columnMapping.mode\":\"name\"", "", "column mapping"},
      {"\"columnMapping\"", "\"delta.columnMapping.mode\":\"none\"", "", NULL},
      {"\"appendOnly\"", "\"delta.appendOnly\":\"true\"", "", "append-only"},
      {"\"inCommitTimestamp\"", "\"delta.enableInCommitTimestamps\":\"true\"", "", "in-commit timestamps"},
      {"\"checkConstraints\"", "\"delta.constraints.c\":\"n > 0\"", "", "CHECK constraints"},
      {"\"generatedColumns\"", "", "\\\"delta.generationExpression\\\":\\\"1\\\"", "a generation expression"},
      {"\"identityColumns\"", "", "\\\"delta.identity.start\\\":1", "an identity"},
      {"\"invariants\"", "", "\\\"delta.invariants\\\":\\\"x\\\"", "an invariant"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    projected p = open_lake(*state != NULL);
    set(&p, "silver.a", 1, 1);
    project(&p, SHOAL_OK);
    shoal_delta_snapshot *s = open_table(&p, "silver/a");
    shoal_str id = shoal_arena_str(&p.f.arena, shoal_delta_snapshot_metadata(s)->id);
    shoal_delta_snapshot_free(s);
    foreign_commit(
        &p, "silver/a", 1,
        shoal_arena_printf(&p.f.arena,
                           "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[],"
                           "\"writerFeatures\":[%s]}}\n{\"metaData\":{\"id\":\"%.*s\",\"format\":{\"provider\":"
                           "\"parquet\",\"options\":{}},\"schemaString\":\"{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":"
                           "[{\\\"name\\\":\\\"n\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,\\\"metadata\\\":{"
                           "%s}}]}\",\"partitionColumns\":[],\"configuration\":{%s}}}\n",
                           cases[i].features, SHOAL_FMT(id), cases[i].column, cases[i].configuration));
    set(&p, "silver.a", 2, 1);
    project(&p, cases[i].says ? SHOAL_ECONFLICT : SHOAL_OK);
    if (cases[i].says && !strstr(p.f.err.message, cases[i].says))
      fail_msg("\"%s\" does not say %s", p.f.err.message, cases[i].says);
    s = open_table(&p, "silver/a");
    assert_int_equal(shoal_delta_snapshot_version(s), cases[i].says ? 1 : 2);
    shoal_delta_snapshot_free(s);
    close_lake(&p);
  }
}

/* A settled table gets checkpoints only where an engine is at hand; without one nothing fails. */
static void many_versions(void **state) {
  projected p = open_lake(*state != NULL);
  for (uint64_t n = 1; n <= 25; n++) {
    set(&p, "silver.a", n, 1);
    project(&p, SHOAL_OK);
  }
  expect_table(&p, "silver/a", 24, 1, "silver.a 25 ");
  close_lake(&p);
}

/* Publishes a result of its own dataset and of one that all share, and projects; 0 if all went well. */
static int publish_and_project(lake_fixture *f, int who) {
  enum { ROUNDS = 8 };
  shoal_state *s = NULL;
  shoal_error err = {0};
  char *own = shoal_arena_printf(&f->arena, "s.own%d", who);
  shoal_status st = shoal_branch_load(f->lake, SHOAL_STR("main"), -1, &s, &err);
  for (int i = 0; i < ROUNDS && st == SHOAL_OK; i++) {
    shoal_result r[2];
    shoal_change c[2];
    int64_t n;
    shoal_projection_report report = {0};
    for (int k = 0; k < 2 && st == SHOAL_OK; k++) {
      const char *name = k ? "s.shared" : own;
      st = test_put_result(f, name, (uint64_t)(who * 1000 + i * 2 + k), 1, &r[k], &err);
      c[k] = (shoal_change){.kind = SHOAL_CHANGE_SET, .name = shoal_str_z(name), .result = r[k]};
    }
    do { /* what others set meanwhile is overwritten knowingly */
      shoal_publication_draft d = {.base = s->publication, .changes = c, .n_changes = 2, .kind = "run"};
      st = st == SHOAL_OK || st == SHOAL_ECONFLICT ? shoal_publish(f->lake, s, &d, &n, &err) : st;
    } while (st == SHOAL_ECONFLICT);
    if (st == SHOAL_OK)
      st = shoal_project(f->lake, s, &report, &err);
    shoal_projection_report_dispose(&report);
  }
  if (st != SHOAL_OK)
    fprintf(stderr, "%s: %s\n", err.context, err.message);
  return st == SHOAL_OK ? 0 : 1;
}

/* Invariants 5 and 7: whoever projects, every table comes to hold what the head says, and no two get in each other's
 * way. */
static void processes_project_at_once(void **state) {
  (void)state;
  enum { N = 4 };
  projected p = open_lake(true);
  pid_t pids[N];
  bool moved;
  int64_t mark;
  for (int i = 0; i < N; i++) {
    pids[i] = fork();
    assert_true(pids[i] >= 0);
    if (pids[i] == 0)
      _exit(publish_and_project(&p.f, i));
  }
  for (int i = 0; i < N; i++) {
    int status;
    assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
    assert_int_equal(status, 0);
  }
  CHECK_OK(shoal_branch_refresh(p.f.lake, p.s, &moved, &p.f.err), &p.f.err);
  assert_int_equal(p.s->publication, N * 8);
  for (size_t i = 0; i < p.s->n_entries; i++) { /* each process projected its own publications: nothing is left to do */
    shoal_delta_snapshot *s = open_table(&p, p.s->entries[i].result.home.ptr);
    assert_int_equal(shoal_delta_snapshot_n_files(s), 1);
    assert_true(shoal_str_find(shoal_delta_snapshot_files(s)[0].path, p.s->entries[i].result.attempt) >= 0);
    shoal_delta_snapshot_free(s);
  }
  project(&p, SHOAL_OK);
  assert_int_equal(p.report.tables, 0);
  CHECK_OK(shoal_projected(p.f.lake, p.s->branch, &mark, &p.f.err), &p.f.err);
  assert_int_equal(mark, p.s->publication);
  close_lake(&p);
}

/* ---- with an engine: checkpoints ---- */

static shoal_status get_engine(void *arg, shoal_engine **out, shoal_error *err) {
  (void)err;
  *out = arg;
  return SHOAL_OK;
}

static void delete_commits(projected *p, const char *prefix, int64_t from, int64_t to) {
  for (int64_t v = from; v <= to; v++) {
    char *key = shoal_arena_printf(&p->f.arena, "%s/_delta_log/%020lld.json", prefix, (long long)v);
    CHECK_OK(shoal_store_del(p->f.inner, shoal_str_z(key), &p->f.err), &p->f.err);
  }
}

/* T2 where the log no longer reaches back to our last commit: the branch's own log says what it was. */
static void cleaned_log_is_no_foreign_table(void **state) {
  (void)state;
  projected p = open_lake(true);
  char *root;
  shoal_engine *engine;
  CHECK_OK(shoal_os_realpath(p.f.folder, &p.f.arena, &root, &p.f.err), &p.f.err);
  shoal_str allowed[] = {shoal_str_z(shoal_arena_printf(&p.f.arena, "%s/", root))};
  shoal_engine_config config = {.threads = 1, .memory = 256u << 20, .allowed = allowed, .n_allowed = 1, .locked = true};
  CHECK_OK(shoal_engine_open_duckdb(&config, &engine, &p.f.err), &p.f.err);
  p.f.lake->get_engine = get_engine;
  p.f.lake->engine_arg = engine;
  for (uint64_t n = 0; n <= 10; n++) {
    set(&p, "silver.a", n, 2);
    project(&p, SHOAL_OK);
    assert_int_equal(p.report.warnings.len, 0);
  }
  assert_non_null(test_object(&p.f, "silver/a/_delta_log/_last_checkpoint").ptr);
  delete_commits(&p, "silver/a", 0, 10);
  expect_table(&p, "silver/a", 10, 2, "silver.a 10 ");
  set(&p, "silver.a", 11, 1);
  project(&p, SHOAL_OK);
  expect_table(&p, "silver/a", 11, 1, "silver.a 11 ");
  for (uint64_t n = 12; n <= 20; n++) {
    set(&p, "silver.a", n, 1);
    project(&p, SHOAL_OK);
  }
  foreign_commit(&p, "silver/a", 21, "");
  delete_commits(&p, "silver/a", 11, 20);
  set(&p, "silver.a", 22, 1);
  project(&p, SHOAL_OK);
  expect_table(&p, "silver/a", 22, 1, "silver.a 22 ");
  close_lake(&p);
  shoal_engine_free(engine);
}

#define ON_BOTH(fn)                                                                                                    \
  {#fn " on files", fn, NULL, NULL, (void *)""}, { #fn " in memory", fn, NULL, NULL, NULL }
int main(void) {
  const struct CMUnitTest tests[] = {
      ON_BOTH(trunk_tables_follow),
      ON_BOTH(repetition_is_harmless),
      ON_BOTH(branches_have_tables_of_their_own),
      ON_BOTH(second_name_of_a_result),
      ON_BOTH(schema_changes_keep_the_table),
      ON_BOTH(foreign_commits_are_judged),
      ON_BOTH(foreign_tables_are_left_alone),
      ON_BOTH(foreign_settings_are_heeded),
      ON_BOTH(many_versions),
      cmocka_unit_test(several_threads),
      cmocka_unit_test(cleaned_log_is_no_foreign_table),
      cmocka_unit_test(processes_project_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
