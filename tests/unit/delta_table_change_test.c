/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that a program makes itself, into the verbs of include/shoal/delta.h that take some: several batches, columns
   that the table lacks, and streams that fail half way, of which nothing may be left. */
#include "support/support.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shoal/delta.h"

#define BATCH_ROWS 3000 /* more than one vector of the engine's */

static shoal_error err;
static int live; /* streams, schemas and arrays that are not released */

/* ---- a stream of BIGINT columns: the first counts from `from`, the others are the first times 1, 2, … ---- */

typedef struct source {
  const char *const *names;
  size_t n_columns;
  int64_t from;
  int batches, fails_at, given; /* fails_at: -1 never; 0 at the schema */
} source;

static void release_schema(struct ArrowSchema *s) {
  for (int64_t i = 0; i < s->n_children; i++) {
    free(s->children[i]);
  }
  free(s->children);
  s->release = NULL;
  live--;
}
static void release_child_schema(struct ArrowSchema *s) { s->release = NULL; }

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  const source *s = stream->private_data;
  if (s->fails_at == 0)
    return EIO;
  *out =
      (struct ArrowSchema){.format = "+s", .name = "", .n_children = (int64_t)s->n_columns, .release = release_schema};
  out->children = calloc(s->n_columns, sizeof *out->children);
  for (size_t i = 0; i < s->n_columns; i++) {
    out->children[i] = calloc(1, sizeof **out->children);
    *out->children[i] = (struct ArrowSchema){
        .format = "l", .name = s->names[i], .flags = ARROW_FLAG_NULLABLE, .release = release_child_schema};
  }
  live++;
  return 0;
}

static void release_column(struct ArrowArray *a) {
  free((void *)(uintptr_t)a->buffers[1]);
  free(a->buffers);
  a->release = NULL;
}

static void release_batch(struct ArrowArray *a) {
  for (int64_t i = 0; i < a->n_children; i++) {
    if (a->children[i]->release)
      a->children[i]->release(a->children[i]);
    free(a->children[i]);
  }
  free(a->children);
  free(a->buffers);
  a->release = NULL;
  live--;
}

static struct ArrowArray *make_column(int64_t first, int64_t times) {
  struct ArrowArray *a = calloc(1, sizeof *a);
  int64_t *values = calloc(BATCH_ROWS, sizeof *values);
  for (int64_t i = 0; i < BATCH_ROWS; i++)
    values[i] = (first + i) * times;
  *a = (struct ArrowArray){.length = BATCH_ROWS, .n_buffers = 2, .release = release_column};
  a->buffers = calloc(2, sizeof *a->buffers);
  a->buffers[1] = values;
  return a;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  source *s = stream->private_data;
  *out = (struct ArrowArray){0};
  if (s->given == s->batches)
    return 0;
  if (++s->given == s->fails_at)
    return EIO;
  *out = (struct ArrowArray){
      .length = BATCH_ROWS, .n_buffers = 1, .n_children = (int64_t)s->n_columns, .release = release_batch};
  out->buffers = calloc(1, sizeof *out->buffers);
  out->children = calloc(s->n_columns, sizeof *out->children);
  for (size_t i = 0; i < s->n_columns; i++)
    out->children[i] = make_column(s->from + (int64_t)(s->given - 1) * BATCH_ROWS, i ? (int64_t)i : 1);
  live++;
  return 0;
}

static const char *get_last_error(struct ArrowArrayStream *stream) {
  (void)stream;
  return "the wire was cut";
}

static void release_stream(struct ArrowArrayStream *stream) {
  stream->release = NULL;
  live--;
}

static struct ArrowArrayStream stream_of(source *s) {
  s->given = 0;
  live++;
  return (struct ArrowArrayStream){get_schema, get_next, get_last_error, release_stream, s};
}

/* ---- the table ---- */

static const char *const id_v[] = {"id", "v"}, *const id_v_more[] = {"id", "v", "more"};

static int64_t number(shoal_table *t, int64_t version, const char *query) {
  struct ArrowArrayStream rows;
  struct ArrowArray batch;
  CHECK_OK(shoal_table_scan(t, version, query, &rows, &err), &err);
  assert_int_equal(rows.get_next(&rows, &batch), 0);
  int64_t out = ((const int64_t *)batch.children[0]->buffers[1])[batch.children[0]->offset];
  batch.release(&batch);
  rows.release(&rows);
  return out;
}

/* Ids from 0 to two batches, each with itself as v. */
static shoal_table *made(const char *folder) {
  char path[4096];
  shoal_table *t;
  int64_t version;
  source s = {.names = id_v, .n_columns = 2, .batches = 2, .fails_at = -1};
  struct ArrowArrayStream rows = stream_of(&s);
  snprintf(path, sizeof path, "%s/t", folder);
  CHECK_OK(shoal_table_open(path, &t, &err), &err);
  CHECK_OK(shoal_table_append(t, &rows, &version, &err), &err);
  assert_int_equal(version, 0);
  assert_int_equal(live, 0);
  return t;
}

static size_t n_files;
static int count_file(const char *path, const struct stat *st, int kind, struct FTW *at) {
  (void)path, (void)st, (void)at;
  n_files += kind == FTW_F;
  return 0;
}

/* Files anywhere in the table's folder: of rows, of the log, staged. */
static size_t files_in(const char *folder) {
  n_files = 0;
  assert_int_equal(nftw(folder, count_file, 8, FTW_PHYS), 0);
  return n_files;
}

#define SUMS "SELECT (count(*) * 1000000000000 + sum(v))::BIGINT FROM t"

static void a_merge_takes_a_stream(void **state) {
  (void)state;
  char *folder = test_folder();
  shoal_table *t = made(folder);
  shoal_table_changed done;
  /* its second half and as many behind it; what comes has twice its id as `more` */
  source s = {.names = id_v_more, .n_columns = 3, .from = BATCH_ROWS, .batches = 2, .fails_at = -1};
  struct ArrowArrayStream rows = stream_of(&s);
  const char *clauses[] = {"matched and source.id % 2 = 0 then update set v = -source.v, more = source.more",
                           "not matched then insert"};
  CHECK_STATUS(shoal_table_merge(t, &rows, "target.id = source.id", clauses, 2, &done, &err), SHOAL_EINVAL, &err);
  assert_non_null(strstr(err.message, "more"));
  assert_int_equal(live, 0);
  shoal_table_merge_schema(t, true);
  rows = stream_of(&s);
  CHECK_OK(shoal_table_merge(t, &rows, "target.id = source.id", clauses, 2, &done, &err), &err);
  assert_null(rows.release);
  assert_int_equal(live, 0);
  assert_int_equal(done.version, 1);
  assert_int_equal(done.updated, BATCH_ROWS / 2);
  assert_int_equal(done.inserted, BATCH_ROWS);
  assert_int_equal(number(t, SHOAL_TABLE_LATEST, "SELECT count(*) FROM t"), 3 * BATCH_ROWS);
  assert_int_equal(number(t, SHOAL_TABLE_LATEST, "SELECT count(*) FROM t WHERE more IS NULL"),
                   BATCH_ROWS + BATCH_ROWS / 2);
  assert_int_equal(number(t, SHOAL_TABLE_LATEST, "SELECT count(*) FROM t WHERE more = id * 2"),
                   BATCH_ROWS + BATCH_ROWS / 2);
  assert_int_equal(number(t, SHOAL_TABLE_LATEST, "SELECT count(*) FROM t WHERE v = -id AND id > 0"), BATCH_ROWS / 2);
  assert_int_equal(number(t, 0, "SELECT count(*) FROM t WHERE v = id"), 2 * BATCH_ROWS);
  shoal_table_close(t);
  test_folder_remove(folder);
}

static void columns_come_with_other_verbs(void **state) {
  (void)state;
  char *folder = test_folder();
  shoal_table *t = made(folder);
  shoal_table_changed done;
  int64_t version;
  const char *const names[] = {"id", "v", "more", "again"};
  source s = {.names = names, .n_columns = 3, .from = 2 * BATCH_ROWS, .batches = 1, .fails_at = -1};
  struct ArrowArrayStream rows = stream_of(&s);
  CHECK_STATUS(shoal_table_append(t, &rows, &version, &err), SHOAL_EINVAL, &err);
  shoal_table_merge_schema(t, true);
  rows = stream_of(&s);
  CHECK_OK(shoal_table_append(t, &rows, &version, &err), &err);
  assert_int_equal(number(t, SHOAL_TABLE_LATEST, "SELECT count(more) FROM t"), BATCH_ROWS);
  s.n_columns = 4;
  rows = stream_of(&s);
  CHECK_OK(shoal_table_overwrite(t, &rows, "id >= 6000", &done, &err), &err);
  assert_int_equal(number(t, SHOAL_TABLE_LATEST, "SELECT count(again) FROM t"), BATCH_ROWS);
  assert_int_equal(number(t, SHOAL_TABLE_LATEST, "SELECT count(*) FROM t"), 3 * BATCH_ROWS);
  shoal_table_merge_schema(t, false);
  s.names = (const char *const[]){"id", "v", "more", "other"};
  rows = stream_of(&s);
  CHECK_STATUS(shoal_table_overwrite(t, &rows, NULL, &done, &err), SHOAL_EINVAL, &err);
  assert_int_equal(live, 0);
  shoal_table_close(t);
  test_folder_remove(folder);
}

typedef enum verb { APPEND, OVERWRITE, PARTITIONS, MERGE, N_VERBS } verb;

static shoal_status run(verb which, shoal_table *t, struct ArrowArrayStream *rows) {
  static const char *clauses[] = {"matched then update", "not matched then insert"};
  shoal_table_changed done;
  int64_t version;
  switch (which) {
  case APPEND:
    return shoal_table_append(t, rows, &version, &err);
  case OVERWRITE:
    return shoal_table_overwrite(t, rows, NULL, &done, &err);
  case PARTITIONS:
    return shoal_table_overwrite_partitions(t, rows, &done, &err);
  case MERGE:
    return shoal_table_merge(t, rows, "target.id = source.id", clauses, 2, &done, &err);
  case N_VERBS:
    break;
  }
  return SHOAL_EINVAL;
}

static void of_a_stream_that_fails_nothing_is_left(void **state) {
  (void)state;
  char *folder = test_folder();
  shoal_table *t = made(folder);
  int64_t sums = number(t, SHOAL_TABLE_LATEST, SUMS), version;
  size_t files = files_in(folder);
  shoal_table_merge_schema(t, true);
  for (verb which = APPEND; which < N_VERBS; which++) {
    for (int at = 0; at <= 4; at++) {
      source s = {.names = id_v_more, .n_columns = 3, .batches = 4, .fails_at = at};
      struct ArrowArrayStream rows = stream_of(&s);
      err = (shoal_error){0};
      assert_true(run(which, t, &rows) < 0);
      if (which != PARTITIONS) /* which the table has none of */
        assert_non_null(strstr(err.message, "the wire was cut"));
      assert_null(rows.release);
      assert_int_equal(live, 0);
      CHECK_OK(shoal_table_version(t, &version, &err), &err);
      assert_int_equal(version, 0);
      assert_int_equal(files_in(folder), files);
    }
  }
  assert_int_equal(number(t, SHOAL_TABLE_LATEST, SUMS), sums);
  source s = {.names = id_v_more, .n_columns = 3, .batches = 4, .fails_at = -1};
  struct ArrowArrayStream rows = stream_of(&s); /* the handle is none the worse */
  CHECK_OK(run(MERGE, t, &rows), &err);
  assert_int_equal(number(t, SHOAL_TABLE_LATEST, "SELECT count(*) FROM t"), 4 * BATCH_ROWS);
  assert_int_equal(live, 0);
  shoal_table_close(t);
  test_folder_remove(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_merge_takes_a_stream),
                                     cmocka_unit_test(columns_come_with_other_verbs),
                                     cmocka_unit_test(of_a_stream_that_fails_nothing_is_left)};
  return cmocka_run_group_tests_name("delta/table_change", tests, NULL, NULL);
}
