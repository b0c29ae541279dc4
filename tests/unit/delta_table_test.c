/* SPDX-License-Identifier: Apache-2.0 */
/* include/shoal/delta.h, as a program that knows nothing else uses it: each verb, and what it leaves. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shoal/delta.h"

static shoal_error err;

static shoal_table *open_in(const char *folder, const char *name) {
  char path[4096];
  shoal_table *t;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  CHECK_OK(shoal_table_open(path, &t, &err), &err);
  return t;
}

static struct ArrowArrayStream scan(shoal_table *t, int64_t version, const char *query) {
  struct ArrowArrayStream rows;
  CHECK_OK(shoal_table_scan(t, version, query, &rows, &err), &err);
  return rows;
}

/* Rows for the verbs that take some; the query need not read the table. */
static struct ArrowArrayStream rows_of(shoal_table *t, const char *query) { return scan(t, SHOAL_TABLE_LATEST, query); }

/* The stream's one number. */
static int64_t number(struct ArrowArrayStream rows) {
  struct ArrowArray batch;
  int64_t out = INT64_MIN;
  assert_int_equal(rows.get_next(&rows, &batch), 0);
  if (batch.release) {
    out = ((const int64_t *)batch.children[0]->buffers[1])[batch.children[0]->offset];
    batch.release(&batch);
  }
  rows.release(&rows);
  return out;
}

/* A number that every row counts in: keys by thousands, values by ones. */
static int64_t sum(shoal_table *t, int64_t version) {
  return number(scan(t, version, "SELECT coalesce(sum(id * 1000 + v), 0)::BIGINT FROM t"));
}

static const shoal_table_pair feed = {"delta.enableChangeDataFeed", "true"};
static const shoal_table_pair positive = {"positive", "v >= 0"};

static shoal_table *made(const char *folder) {
  shoal_table *t = open_in(folder, "t");
  const shoal_table_options options = {
      .properties = &feed, .n_properties = 1, .constraints = &positive, .n_constraints = 1};
  int64_t version;
  CHECK_OK(shoal_table_create(t, "id BIGINT NOT NULL, v INTEGER", &options, &err), &err);
  struct ArrowArrayStream rows = rows_of(t, "SELECT i AS id, i AS v FROM range(1, 4) r(i)");
  CHECK_OK(shoal_table_append(t, &rows, &version, &err), &err);
  assert_int_equal(version, 1);
  assert_null(rows.release);
  return t;
}

static void rows_come_go_and_change(void **state) {
  (void)state;
  char *folder = test_folder();
  shoal_table *t = made(folder);
  shoal_table_changed done;
  assert_int_equal(sum(t, SHOAL_TABLE_LATEST), 6006);
  CHECK_OK(shoal_table_update(t, &(shoal_table_pair){"v", "v + 10"}, 1, "id = 2", &done, &err), &err);
  assert_int_equal(done.updated, 1);
  assert_int_equal(done.version, 2);
  assert_int_equal(sum(t, SHOAL_TABLE_LATEST), 6016);
  struct ArrowArrayStream rows = rows_of(t, "SELECT i AS id, 100 AS v FROM range(3, 5) r(i)");
  const char *clauses[] = {"matched then update", "not matched then insert",
                           "not matched by source and target.id = 1 then delete"};
  CHECK_OK(shoal_table_merge(t, &rows, "target.id = source.id", clauses, 3, &done, &err), &err);
  assert_null(rows.release);
  assert_int_equal(done.updated, 1);
  assert_int_equal(done.inserted, 1);
  assert_int_equal(done.deleted, 1);
  assert_int_equal(sum(t, SHOAL_TABLE_LATEST), (2 + 3 + 4) * 1000 + 12 + 200);
  CHECK_OK(shoal_table_delete(t, "id > 2", &done, &err), &err);
  assert_int_equal(done.deleted, 2);
  rows = rows_of(t, "SELECT 2 AS id, 5 AS v");
  CHECK_OK(shoal_table_overwrite(t, &rows, "id = 2", &done, &err), &err);
  assert_int_equal(sum(t, SHOAL_TABLE_LATEST), 2005);
  rows = rows_of(t, "SELECT 9 AS id, 9 AS v");
  CHECK_OK(shoal_table_overwrite(t, &rows, NULL, &done, &err), &err);
  assert_int_equal(sum(t, SHOAL_TABLE_LATEST), 9009);
  /* nothing to do is no commit */
  CHECK_OK(shoal_table_delete(t, "id = 77", &done, &err), &err);
  assert_int_equal(done.version, -1);
  /* older versions stay, and what happened is told */
  assert_int_equal(sum(t, 1), 6006);
  CHECK_OK(shoal_table_changes(t, 2, 3, &rows, &err), &err);
  rows.release(&rows);
  CHECK_OK(shoal_table_changes(t, 2, 2, &rows, &err), &err);
  struct ArrowArray batch;
  assert_int_equal(rows.get_next(&rows, &batch), 0);
  assert_int_equal(batch.length, 2); /* an update's images */
  batch.release(&batch);
  rows.release(&rows);
  shoal_table_close(t);
  test_folder_remove(folder);
}

/* Streams share the handle's engines: at once, after each other, after one that failed, and without the handle. */
static void streams_stand_alone(void **state) {
  (void)state;
  char *folder = test_folder();
  shoal_table *t = made(folder);
  struct ArrowArrayStream rows, first = scan(t, SHOAL_TABLE_LATEST, "SELECT id FROM t WHERE id = 1"),
                                second = scan(t, SHOAL_TABLE_LATEST, "SELECT id FROM t WHERE id = 2");
  assert_int_equal(number(second), 2);
  CHECK_STATUS(shoal_table_scan(t, SHOAL_TABLE_LATEST, "SELECT id FROM nothing", &rows, &err), SHOAL_EENGINE, &err);
  struct ArrowArrayStream third = scan(t, SHOAL_TABLE_LATEST, "SELECT id FROM t WHERE id = 3");
  struct ArrowArrayStream unread = scan(t, SHOAL_TABLE_LATEST, "SELECT id FROM t, range(1000000)");
  shoal_table_close(t);
  assert_int_equal(number(first), 1);
  unread.release(&unread);
  assert_int_equal(number(third), 3);
  test_folder_remove(folder);
}

static void what_does_not_fit_is_refused_and_released(void **state) {
  (void)state;
  char *folder = test_folder();
  shoal_table *t = made(folder);
  shoal_table_changed done;
  int64_t version;
  struct ArrowArrayStream rows = rows_of(t, "SELECT 5 AS id, -1 AS v");
  CHECK_STATUS(shoal_table_append(t, &rows, &version, &err), SHOAL_EINVAL, &err);
  assert_non_null(strstr(err.message, "positive"));
  assert_null(rows.release);
  rows = rows_of(t, "SELECT 1 AS id, 7 AS v UNION ALL SELECT 1, 8");
  const char *clause = "matched then update";
  CHECK_STATUS(shoal_table_merge(t, &rows, "target.id = source.id", &clause, 1, &done, &err), SHOAL_EINVAL, &err);
  assert_null(rows.release);
  assert_int_equal(done.version, -1);
  rows = rows_of(t, "SELECT 1 AS id");
  clause = "whenever it fits";
  CHECK_STATUS(shoal_table_merge(t, &rows, "true", &clause, 1, &done, &err), SHOAL_EINVAL, &err);
  assert_non_null(strstr(err.message, "whenever it fits"));
  CHECK_STATUS(shoal_table_delete(t, NULL, &done, &err), SHOAL_EINVAL, &err);
  CHECK_STATUS(shoal_table_create(t, "id BIGINT", NULL, &err), SHOAL_EEXIST, &err);
  CHECK_STATUS(shoal_table_changes(t, 7, 9, &rows, &err), SHOAL_ENOTFOUND, &err);
  assert_int_equal(sum(t, SHOAL_TABLE_LATEST), 6006);
  shoal_table_close(t);
  test_folder_remove(folder);
}

static void it_is_altered(void **state) {
  (void)state;
  char *folder = test_folder();
  shoal_table *t = made(folder);
  int64_t version;
  const shoal_table_alteration wide[] = {{SHOAL_TABLE_SET_PROPERTY, "delta.enableTypeWidening", "true"},
                                         {SHOAL_TABLE_SET_PROPERTY, "delta.columnMapping.mode", "name"},
                                         {SHOAL_TABLE_DROP_CONSTRAINT, "positive", NULL},
                                         {SHOAL_TABLE_WIDEN_COLUMN, "v", "BIGINT"},
                                         {SHOAL_TABLE_ADD_COLUMN, "what", "VARCHAR"},
                                         {SHOAL_TABLE_DROP_NOT_NULL, "id", NULL},
                                         {SHOAL_TABLE_RENAME_COLUMN, "id", "key"},
                                         {SHOAL_TABLE_ADD_CONSTRAINT, "small", "v < 10000000000"}};
  CHECK_OK(shoal_table_alter(t, wide, sizeof wide / sizeof *wide, &version, &err), &err);
  assert_int_equal(version, 2);
  struct ArrowArrayStream rows = rows_of(t, "SELECT NULL::BIGINT AS key, 5000000000 AS v, 'x' AS what");
  CHECK_OK(shoal_table_append(t, &rows, &version, &err), &err);
  assert_int_equal(
      number(scan(t, SHOAL_TABLE_LATEST, "SELECT sum(v)::BIGINT FROM t WHERE key IS NULL OR what IS NULL")),
      5000000006);
  assert_int_equal(sum(t, 1), 6006); /* as it was */
  const shoal_table_alteration narrow[] = {{SHOAL_TABLE_DROP_COLUMN, "what", NULL},
                                           {SHOAL_TABLE_UNSET_PROPERTY, "delta.enableTypeWidening", NULL}};
  CHECK_OK(shoal_table_alter(t, narrow, 2, &version, &err), &err);
  CHECK_STATUS(shoal_table_scan(t, SHOAL_TABLE_LATEST, "SELECT what FROM t", &rows, &err), SHOAL_EENGINE, &err);
  const shoal_table_alteration refused[] = {{SHOAL_TABLE_ADD_CONSTRAINT, "few", "v < 3"},
                                            {SHOAL_TABLE_DROP_COLUMN, "nothing", NULL},
                                            {SHOAL_TABLE_ADD_COLUMN, "x", NULL},
                                            {(shoal_table_alteration_kind)99, "x", "y"}};
  for (size_t i = 0; i < 4; i++)
    CHECK_STATUS(shoal_table_alter(t, &refused[i], 1, &version, &err), SHOAL_EINVAL, &err);
  CHECK_STATUS(shoal_table_alter(t, NULL, 0, &version, &err), SHOAL_EINVAL, &err);
  assert_int_equal(version, -1);
  CHECK_OK(shoal_table_version(t, &version, &err), &err);
  assert_int_equal(version, 4);
  shoal_table_close(t);
  test_folder_remove(folder);
}

static void numbers_are_given(void **state) {
  (void)state;
  char *folder = test_folder();
  shoal_table *t = open_in(folder, "n"), *other;
  shoal_table_changed done;
  int64_t version;
  CHECK_OK(
      shoal_table_create(t, "id BIGINT GENERATED ALWAYS AS IDENTITY (START WITH 10 INCREMENT BY 5), v INTEGER NOT NULL",
                         NULL, &err),
      &err);
  other = open_in(folder, "n");
  struct ArrowArrayStream rows = rows_of(t, "SELECT i AS v FROM range(3) r(i)");
  CHECK_OK(shoal_table_append(t, &rows, &version, &err), &err);
  for (int i = 0; i < 2; i++) { /* each knows a version that the other has left behind */
    rows = rows_of(other, "SELECT 7 AS v");
    CHECK_OK(shoal_table_append(other, &rows, &version, &err), &err);
    rows = rows_of(t, "SELECT 8 AS v");
    CHECK_OK(shoal_table_append(t, &rows, &version, &err), &err);
  }
  assert_int_equal(number(scan(t, SHOAL_TABLE_LATEST, "SELECT sum(DISTINCT id)::BIGINT FROM t")), 7 * 10 + 5 * 21);
  rows = rows_of(t, "SELECT 1 AS id, 1 AS v");
  CHECK_STATUS(shoal_table_append(t, &rows, &version, &err), SHOAL_EINVAL, &err);
  assert_non_null(strstr(err.message, "identity"));
  CHECK_STATUS(shoal_table_update(t, &(shoal_table_pair){"id", "1"}, 1, "true", &done, &err), SHOAL_EINVAL, &err);
  shoal_table_close(other);
  shoal_table_close(t);
  test_folder_remove(folder);
}

static void partitions_are_overwritten(void **state) {
  (void)state;
  char *folder = test_folder();
  shoal_table *t = open_in(folder, "p");
  shoal_table_changed done;
  int64_t version;
  const char *by = "id";
  CHECK_OK(shoal_table_create(t, "id BIGINT, v INTEGER",
                              &(shoal_table_options){.partition_by = &by, .n_partition_by = 1}, &err),
           &err);
  struct ArrowArrayStream rows = rows_of(t, "SELECT i % 2 AS id, i AS v FROM range(6) r(i)");
  CHECK_OK(shoal_table_append(t, &rows, &version, &err), &err);
  rows = rows_of(t, "SELECT 1 AS id, 50 AS v");
  CHECK_OK(shoal_table_overwrite_partitions(t, &rows, &done, &err), &err);
  assert_int_equal(sum(t, SHOAL_TABLE_LATEST), 0 + 2 + 4 + 1050);
  shoal_table_close(t);
  test_folder_remove(folder);
}

typedef struct seen {
  int64_t first;
  size_t n;
  char last[64];
} seen;

static void note_commit(void *arg, const shoal_table_commit *c) {
  seen *s = arg;
  if (s->n++ == 0)
    s->first = c->version;
  snprintf(s->last, sizeof s->last, "%s", c->operation);
  assert_true(c->time_us > 0);
}

static void note_file(void *arg, const char *path) {
  assert_non_null(strstr(path, ".parquet"));
  ((seen *)arg)->n++;
}

static void tables_are_kept_well(void **state) {
  (void)state;
  char *folder = test_folder();
  shoal_table *t = made(folder), *copy = open_in(folder, "copy");
  shoal_table_packed packed;
  int64_t version;
  seen s = {0}, files = {0};
  for (int i = 0; i < 3; i++) {
    struct ArrowArrayStream rows = rows_of(t, "SELECT 10 AS id, 1 AS v");
    CHECK_OK(shoal_table_append(t, &rows, &version, &err), &err);
  }
  CHECK_OK(shoal_table_optimize(t, 0, &packed, &err), &err);
  assert_int_equal(packed.files_removed, 4);
  assert_int_equal(packed.files_added, 1);
  assert_int_equal(sum(t, SHOAL_TABLE_LATEST), 6006 + 30003);
  CHECK_OK(shoal_table_restore(t, 1, &version, &err), &err);
  assert_int_equal(version, 6);
  assert_int_equal(sum(t, SHOAL_TABLE_LATEST), 6006);
  CHECK_OK(shoal_table_checkpoint(t, &version, &err), &err);
  assert_int_equal(version, 6);
  CHECK_OK(shoal_table_history(t, 0, note_commit, &s, &err), &err);
  assert_int_equal(s.first, 6);
  assert_int_equal(s.n, 7);
  assert_string_equal(s.last, "CREATE TABLE");
  CHECK_OK(shoal_table_vacuum(t, NULL, note_file, &files, &err), &err);
  assert_int_equal(files.n, 0); /* younger than the retention */
  CHECK_STATUS(shoal_table_vacuum(t, &(shoal_table_vacuum_options){.retention_us = 1}, note_file, &files, &err),
               SHOAL_EINVAL, &err);
  CHECK_OK(shoal_table_vacuum(t, &(shoal_table_vacuum_options){.retention_us = 1, .shorter = true, .dry_run = true},
                              note_file, &files, &err),
           &err);
  assert_int_equal(files.n, 4);
  CHECK_OK(shoal_table_clone(copy, t, SHOAL_TABLE_LATEST, &err), &err);
  CHECK_OK(shoal_table_version(copy, &version, &err), &err);
  assert_int_equal(version, 0);
  shoal_table_close(copy);
  shoal_table_close(t);
  test_folder_remove(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_come_go_and_change),    cmocka_unit_test(what_does_not_fit_is_refused_and_released),
      cmocka_unit_test(partitions_are_overwritten), cmocka_unit_test(it_is_altered),
      cmocka_unit_test(numbers_are_given),          cmocka_unit_test(tables_are_kept_well),
      cmocka_unit_test(streams_stand_alone)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
