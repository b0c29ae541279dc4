/* SPDX-License-Identifier: Apache-2.0 */
/* What log clean-up takes and what it leaves (L1 … L5 of delta/cleanup.c), whatever fails on the way. */
#include "support/table_support.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/time.h"
#include "delta/delta_internal.h"
#include "store/faulty.h"

#define DAY_US ((int64_t)24 * 3600 * 1000000)

static const char *key_of(test_table *f, const char *name) {
  return shoal_arena_printf(&f->arena, "t/_delta_log/%s", name);
}

/* As if it had been written so many days ago. */
static void age(test_table *f, const char *name, int days) {
  char *path = shoal_store_local_path(f->table.store, shoal_str_z(key_of(f, name)), &f->arena);
  int64_t us = shoal_time_now() - days * DAY_US;
  const struct timespec times[] = {{us / 1000000, 0}, {us / 1000000, 0}};
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void put(test_table *f, const char *name, const char *text) {
  shoal_error err = {0};
  CHECK_OK(shoal_store_put_new(f->table.store, shoal_str_z(key_of(f, name)), shoal_str_z(text), &err), &err);
}

static bool is_there(test_table *f, const char *name) {
  shoal_object o;
  return shoal_store_head(f->table.store, shoal_str_z(key_of(f, name)), &o, NULL) == SHOAL_OK;
}

/* Version v adds f<v>, and was committed 60 - 5 v days ago. */
static void commit(test_table *f, int64_t v, const shoal_delta_metadata *m, const char *extra) {
  shoal_error err = {0};
  shoal_delta_commit c = {0};
  char path[16], name[64];
  snprintf(path, sizeof path, "f%d", (int)v);
  shoal_delta_commit_info(&c, shoal_time_now(), "WRITE", SHOAL_STR_NONE, true,
                          extra ? shoal_str_z(extra) : SHOAL_STR_NONE);
  if (v == 0) {
    shoal_delta_commit_protocol(&c, &(shoal_delta_protocol){.min_reader = 1, .min_writer = 2});
    shoal_delta_commit_metadata(&c, m);
  }
  shoal_delta_commit_add(&c, &(shoal_delta_file){.path = shoal_str_z(path), .size = 5, .data_change = true});
  CHECK_OK(shoal_delta_commit_put(&f->table, &c, v, &err), &err);
  shoal_delta_commit_dispose(&c);
  snprintf(name, sizeof name, "%020d.json", (int)v);
  age(f, name, 60 - 5 * (int)v);
}

/* Ten versions, checkpoints of 2, 4 and 7; what is older than 30 days is not needed, but for a checkpoint to begin
   with: that of 4. */
static void set_up(test_table *f, const char *key, const char *value) {
  shoal_error err = {0};
  shoal_delta_checkpointed made;
  shoal_field field = {.name = SHOAL_STR("a"), .type = {.kind = SHOAL_TYPE_LONG}, .nullable = true};
  const shoal_delta_kv pair = {shoal_str_z(key ? key : ""), shoal_str_z(value ? value : "")};
  const shoal_delta_metadata m = {
      .id = SHOAL_STR("i"), .schema = {&field, 1}, .configuration = &pair, .n_configuration = key != NULL};
  test_table_open(f, "t", 1);
  bool stamped = key && strcmp(key, "delta.enableInCommitTimestamps") == 0;
  char *stamp = shoal_arena_printf(&f->arena, "{\"inCommitTimestamp\":%lld}", (long long)shoal_time_now() / 1000);
  for (int64_t v = 0; v < 10; v++) {
    commit(f, v, &m, stamped ? stamp : NULL);
    if (v == 2 || v == 4 || v == 7)
      CHECK_OK(shoal_delta_checkpoint_version(&f->table, v, &made, &err), &err);
  }
  put(f, "00000000000000000003.crc", "{}");
  put(f, "00000000000000000005.crc", "{}");
  put(f, "00000000000000000001.00000000000000000006.compacted.json", "{}");
  put(f, "00000000000000000005.00000000000000000006.compacted.json",
      "{\"add\":{\"path\":\"f5\",\"partitionValues\":{},\"size\":5,\"modificationTime\":0,\"dataChange\":true}}\n"
      "{\"add\":{\"path\":\"f6\",\"partitionValues\":{},\"size\":5,\"modificationTime\":0,\"dataChange\":true}}\n");
}

static void check_versions(test_table *f, int64_t from) {
  shoal_error err = {0};
  shoal_delta_snapshot *s;
  shoal_delta_view *view;
  for (int64_t v = from; v < 10; v++) {
    CHECK_OK(shoal_delta_snapshot_open(&f->table, v, &s, &err), &err);
    assert_int_equal(s->n_files, v + 1);
    shoal_delta_snapshot_free(s);
    CHECK_OK(shoal_delta_view_open(&f->table, v, &view, &err), &err);
    assert_int_equal(shoal_delta_view_n_files(view), v + 1);
    shoal_delta_view_free(view);
  }
}

static void check_cleaned(test_table *f) {
  shoal_error err = {0};
  shoal_delta_snapshot *s;
  shoal_delta_view *view;
  int64_t version;
  char name[64];
  for (int v = 0; v < 10; v++) {
    snprintf(name, sizeof name, "%020d.json", v);
    assert_int_equal(is_there(f, name), v >= 4);
  }
  assert_false(is_there(f, "00000000000000000002.checkpoint.parquet"));
  assert_true(is_there(f, "00000000000000000004.checkpoint.parquet"));
  assert_true(is_there(f, "00000000000000000007.checkpoint.parquet"));
  assert_false(is_there(f, "00000000000000000003.crc"));
  assert_true(is_there(f, "00000000000000000005.crc"));
  assert_false(is_there(f, "00000000000000000001.00000000000000000006.compacted.json"));
  assert_true(is_there(f, "00000000000000000005.00000000000000000006.compacted.json"));
  check_versions(f, 4);
  CHECK_STATUS(shoal_delta_snapshot_open(&f->table, 3, &s, &err), SHOAL_ENOTFOUND, &err);
  assert_non_null(strstr(err.message, "version 3 of the table is gone: its log goes back to version 4"));
  CHECK_STATUS(shoal_delta_view_open(&f->table, 0, &view, &err), SHOAL_ENOTFOUND, &err);
  CHECK_STATUS(shoal_delta_version_at(&f->table, shoal_time_now() - 44 * DAY_US, &version, &err), SHOAL_ENOTFOUND,
               &err);
  CHECK_OK(shoal_delta_version_at(&f->table, shoal_time_now() - 39 * DAY_US, &version, &err), &err);
  assert_int_equal(version, 4);
}

static void test_what_nothing_needs_goes(void **state) {
  (void)state;
  test_table f;
  shoal_error err = {0};
  set_up(&f, NULL, NULL);
  CHECK_OK(shoal_delta_clean_log(&f.table, &err), &err);
  check_cleaned(&f);
  CHECK_OK(shoal_delta_clean_log(&f.table, &err), &err);
  check_cleaned(&f);
  test_table_close(&f);
}

static void check_nothing_goes(const char *key, const char *value, const char *lost) {
  test_table f;
  shoal_error err = {0};
  set_up(&f, key, value);
  if (lost)
    CHECK_OK(shoal_store_del(f.table.store, shoal_str_z(key_of(&f, lost)), &err), &err);
  CHECK_OK(shoal_delta_clean_log(&f.table, &err), &err);
  assert_true(is_there(&f, "00000000000000000000.json"));
  assert_true(is_there(&f, "00000000000000000003.crc"));
  if (!lost)
    check_versions(&f, 0);
  test_table_close(&f);
}

static void test_what_must_stay_stays(void **state) {
  (void)state;
  check_nothing_goes("delta.enableExpiredLogCleanup", "false", NULL);
  check_nothing_goes("delta.logRetentionDuration", "interval 50 days", NULL); /* the checkpoint of 2 is too new */
  check_nothing_goes("delta.logRetentionDuration", "a while", NULL);
  check_nothing_goes("delta.enableInCommitTimestamps", "true", NULL); /* files' times do not count */
  check_nothing_goes(NULL, NULL, "00000000000000000005.json");        /* a hole: who knows what it was */
}

/* A shorter retention goes further, but never into the last day. */
static void test_the_last_day_stays(void **state) {
  (void)state;
  test_table f;
  shoal_error err = {0};
  set_up(&f, "delta.logRetentionDuration", "interval 0 days");
  age(&f, "00000000000000000006.json", 1);
  age(&f, "00000000000000000007.json", 0);
  age(&f, "00000000000000000008.json", 0);
  age(&f, "00000000000000000009.json", 0);
  CHECK_OK(shoal_delta_clean_log(&f.table, &err), &err);
  assert_false(is_there(&f, "00000000000000000003.json"));
  assert_true(is_there(&f, "00000000000000000004.json"));
  check_versions(&f, 4);
  test_table_close(&f);
}

static void test_every_store_call(void **state) {
  (void)state;
  for (uint64_t n = 1, calls = n; calls >= n; n++) {
    test_table f;
    shoal_error err = {0};
    set_up(&f, NULL, NULL);
    shoal_delta_table faulty = f.table;
    CHECK_OK(shoal_store_open_faulty(f.table.store, &faulty.store, &err), &err);
    shoal_store_faulty_at(faulty.store, n, SHOAL_FAULT_BEFORE, false);
    shoal_ignore(shoal_delta_clean_log(&faulty, NULL));
    calls = shoal_store_faulty_calls(faulty.store);
    check_versions(&f, 4);
    /* What is left is the end of a log: nothing before a version that is gone. */
    bool gone = true;
    for (int v = 0; v < 10; v++) {
      bool there = is_there(&f, shoal_arena_printf(&f.arena, "%020d.json", v));
      assert_true(there || gone);
      gone = !there;
    }
    CHECK_OK(shoal_delta_clean_log(&f.table, &err), &err);
    check_cleaned(&f);
    shoal_store_free(faulty.store);
    test_table_close(&f);
  }
}

/* L3 */
static void test_sidecars(void **state) {
  (void)state;
  test_table f;
  shoal_error err = {0};
  shoal_buf parquet = {0};
  set_up(&f, NULL, NULL);
  CHECK_OK(shoal_store_get(f.table.store, shoal_str_z(key_of(&f, "00000000000000000004.checkpoint.parquet")), &parquet,
                           &err),
           &err);
  const char *names[] = {"_sidecars/named.parquet", "_sidecars/orphan.parquet", "_sidecars/young.parquet"};
  for (int i = 0; i < 3; i++) {
    CHECK_OK(shoal_store_put_new(f.table.store, shoal_str_z(key_of(&f, names[i])), shoal_buf_str(&parquet), &err),
             &err);
    age(&f, names[i], i < 2 ? 3 : 0);
  }
  shoal_buf_dispose(&parquet);
  shoal_delta_snapshot *s;
  CHECK_OK(shoal_delta_snapshot_open(&f.table, 4, &s, &err), &err);
  put(&f, "00000000000000000009.checkpoint.01234567-89ab-cdef-0123-456789abcdef.json",
      shoal_arena_printf(&f.arena,
                         "{\"checkpointMetadata\":{\"version\":9}}\n{\"protocol\":%.*s}\n{\"metaData\":%.*s}\n"
                         "{\"sidecar\":{\"path\":\"named.parquet\",\"sizeInBytes\":1,\"modificationTime\":1}}\n",
                         SHOAL_FMT(s->protocol_raw), SHOAL_FMT(s->metadata_raw)));
  shoal_delta_snapshot_free(s);
  CHECK_OK(shoal_delta_clean_log(&f.table, &err), &err);
  assert_true(is_there(&f, names[0]));
  assert_false(is_there(&f, names[1]));
  assert_true(is_there(&f, names[2]));
  test_table_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_nothing_needs_goes),
                                     cmocka_unit_test(test_what_must_stay_stays),
                                     cmocka_unit_test(test_the_last_day_stays), cmocka_unit_test(test_every_store_call),
                                     cmocka_unit_test(test_sidecars)};
  return cmocka_run_group_tests_name("delta/cleanup", tests, NULL, NULL);
}
