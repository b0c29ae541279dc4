/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: what they hold, which of several counts, and every failure on the way (K1 … K3 of delta/checkpoint.c).
 */
#include "support/table_support.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "delta/delta_internal.h"
#include "store/faulty.h"

/* Version `v` adds file f<v> and removes the one before; version 0 describes the table. */
static void commit(test_table *f, int64_t v) {
  shoal_error err = {0};
  shoal_delta_commit c = {0};
  char path[16], before[16];
  shoal_field fields[] = {{.name = SHOAL_STR("a"), .type = {.kind = SHOAL_TYPE_LONG}, .nullable = true},
                          {.name = SHOAL_STR("p"), .type = {.kind = SHOAL_TYPE_STRING}, .nullable = true}};
  shoal_str partitions[] = {SHOAL_STR("p")};
  shoal_delta_kv value = {SHOAL_STR("p"), v % 2 ? SHOAL_STR("x'\"\\ \xc3\xa4") : SHOAL_STR_NONE};
  shoal_delta_kv typed = {SHOAL_STR("delta.checkpoint.writeStatsAsStruct"), SHOAL_STR("true")}; /* beside text */
  shoal_delta_kv tag = {SHOAL_STR("k"), SHOAL_STR("v")};
  snprintf(path, sizeof path, "f%d", (int)v);
  snprintf(before, sizeof before, "f%d", (int)v - 1);
  shoal_delta_commit_info(&c, shoal_time_now(), "WRITE", SHOAL_STR_NONE, false, SHOAL_STR_NONE);
  if (v == 0) {
    shoal_delta_commit_protocol(&c, &(shoal_delta_protocol){.min_reader = 1, .min_writer = 2});
    shoal_delta_commit_metadata(&c, &(shoal_delta_metadata){.id = SHOAL_STR("i"),
                                                            .schema = {fields, 2},
                                                            .partition_columns = partitions,
                                                            .n_partition_columns = 1,
                                                            .configuration = &typed,
                                                            .n_configuration = 1});
  } else {
    /* Long ago for the first: its tombstone has expired. */
    shoal_delta_commit_remove(&c, &(shoal_delta_file){.path = shoal_str_z(before), .size = 5},
                              v == 1 ? 1000000 : shoal_time_now());
  }
  shoal_delta_commit_add(&c, &(shoal_delta_file){.path = shoal_str_z(path),
                                                 .size = 5,
                                                 .data_change = true,
                                                 .partition_values = &value,
                                                 .n_partition_values = 1,
                                                 .tags = &tag,
                                                 .n_tags = 1,
                                                 .stats = SHOAL_STR("{\"numRecords\":1,\"maxValues\":{\"a\":1.10}}")});
  shoal_delta_commit_txn(&c, SHOAL_STR("app"), v, shoal_time_now());
  CHECK_OK(shoal_delta_commit_put(&f->table, &c, v, &err), &err);
  shoal_delta_commit_dispose(&c);
}

static void del(test_table *f, const char *name) {
  shoal_error err = {0};
  char key[128];
  snprintf(key, sizeof key, "t/_delta_log/%s", name);
  CHECK_OK(shoal_store_del(f->table.store, shoal_str_z(key), &err), &err);
}

static void check_state(const shoal_delta_table *table, int64_t version, size_t tombstones) {
  shoal_error err = {0};
  shoal_delta_snapshot *s;
  CHECK_OK(shoal_delta_snapshot_open(table, SHOAL_DELTA_LATEST, &s, &err), &err);
  assert_int_equal(shoal_delta_snapshot_version(s), version);
  assert_int_equal(s->n_files, 1);
  assert_int_equal(s->n_tombstones, tombstones);
  assert_int_equal(shoal_delta_snapshot_txn(s, SHOAL_STR("app")), version);
  CHECK_STR(s->files[0].stats, "{\"numRecords\":1,\"maxValues\":{\"a\":1.10}}");
  CHECK_STR(s->files[0].tags[0].value, "v");
  assert_int_equal(s->files[0].n_partition_values, 1);
  if (version % 2)
    CHECK_STR(s->files[0].partition_values[0].value, "x'\"\\ \xc3\xa4");
  else
    assert_null(s->files[0].partition_values[0].value.ptr);
  shoal_delta_snapshot_free(s);
}

static void write_checkpoint(test_table *f, int64_t version) {
  shoal_error err = {0};
  shoal_delta_snapshot *s;
  CHECK_OK(shoal_delta_snapshot_open(&f->table, version, &s, &err), &err);
  CHECK_OK(shoal_delta_checkpoint(&f->table, s, &err), &err);
  CHECK_OK(shoal_delta_checkpoint(&f->table, s, &err), &err); /* harmless to repeat: K3 */
  shoal_delta_snapshot_free(s);
}

static void test_holds_the_state(void **state) {
  (void)state;
  test_table f;
  shoal_error err = {0};
  shoal_delta_snapshot *s;
  shoal_log_hint hint;
  test_table_open(&f, "t", 1);
  for (int64_t v = 0; v <= 4; v++)
    commit(&f, v);
  write_checkpoint(&f, 4);
  write_checkpoint(&f, 2); /* an older one: the hint stays (K2) */
  CHECK_OK(shoal_delta_log_hint(&f.table, &f.arena, &hint, &err), &err);
  assert_int_equal(hint.version, 4);
  assert_int_equal(hint.n_files, 1);
  check_state(&f.table, 4, 3);
  commit(&f, 5);
  for (int v = 0; v <= 4; v++)
    del(&f, shoal_arena_printf(&f.arena, "%020d.json", v));
  check_state(&f.table, 5, 4);
  CHECK_OK(shoal_delta_snapshot_open(&f.table, 2, &s, &err), &err);
  shoal_delta_snapshot_free(s);
  CHECK_STATUS(shoal_delta_snapshot_open(&f.table, 3, &s, &err), SHOAL_ECORRUPT, &err); /* 3.json is gone */
  del(&f, "_last_checkpoint");                                                          /* only a hint */
  check_state(&f.table, 5, 4);
  f.table.get_engine = NULL;
  CHECK_STATUS(shoal_delta_snapshot_open(&f.table, SHOAL_DELTA_LATEST, &s, &err), SHOAL_EUNSUPPORTED, &err);
  test_table_close(&f);
}

static void test_wrong_hint_and_broken(void **state) {
  (void)state;
  test_table f;
  shoal_error err = {0};
  shoal_delta_snapshot *s;
  test_table_open(&f, "t", 1);
  for (int64_t v = 0; v <= 3; v++)
    commit(&f, v);
  CHECK_OK(shoal_store_rewrite(f.table.store, SHOAL_STR("t/_delta_log/_last_checkpoint"), SHOAL_STR("{\"version\":99}"),
                               &err),
           &err);
  check_state(&f.table, 3, 3);
  CHECK_OK(shoal_store_rewrite(f.table.store, SHOAL_STR("t/_delta_log/_last_checkpoint"), SHOAL_STR("{\"ver"), &err),
           &err);
  check_state(&f.table, 3, 3);
  /* Of two parts one is missing: no checkpoint. */
  CHECK_OK(shoal_store_put_new(f.table.store,
                               SHOAL_STR("t/_delta_log/00000000000000000002.checkpoint.0000000001.0000000002.parquet"),
                               SHOAL_STR("x"), &err),
           &err);
  check_state(&f.table, 3, 3);
  CHECK_OK(shoal_store_put_new(f.table.store, SHOAL_STR("t/_delta_log/00000000000000000002.checkpoint.parquet"),
                               SHOAL_STR("no parquet"), &err),
           &err);
  check_state(&f.table, 3, 3); /* around the broken one, by the commits */
  write_checkpoint(&f, 1);
  for (int v = 0; v <= 1; v++)
    del(&f, shoal_arena_printf(&f.arena, "%020d.json", v));
  CHECK_OK(shoal_store_rewrite(f.table.store, SHOAL_STR("t/_delta_log/_last_checkpoint"), SHOAL_STR("{\"version\":2}"),
                               &err),
           &err);
  check_state(&f.table, 3, 2); /* and by an older one, before the hint, which has shed a tombstone */
  del(&f, "00000000000000000001.checkpoint.parquet");
  shoal_status status = shoal_delta_snapshot_open(&f.table, SHOAL_DELTA_LATEST, &s, &err);
  assert_true(status < 0);
  assert_non_null(strstr(err.context, "00000000000000000002.checkpoint.parquet"));
  test_table_close(&f);
}

/* A V2 checkpoint in JSON whose files stand in a sidecar; ours of the same version serves as one. */
static void test_json_with_sidecar(void **state) {
  (void)state;
  test_table f;
  shoal_error err = {0};
  shoal_delta_snapshot *s;
  shoal_buf parquet = {0}, text = {0};
  test_table_open(&f, "t", 1);
  for (int64_t v = 0; v <= 3; v++)
    commit(&f, v);
  CHECK_OK(shoal_delta_snapshot_open(&f.table, 3, &s, &err), &err);
  CHECK_OK(shoal_delta_checkpoint(&f.table, s, &err), &err);
  shoal_str ours = SHOAL_STR("t/_delta_log/00000000000000000003.checkpoint.parquet");
  CHECK_OK(shoal_store_get(f.table.store, ours, &parquet, &err), &err);
  shoal_str sidecar = SHOAL_STR("t/_delta_log/_sidecars/a b.parquet");
  CHECK_OK(shoal_store_put_new(f.table.store, sidecar, shoal_buf_str(&parquet), &err), &err);
  shoal_buf_addf(&text, "{\"checkpointMetadata\":{\"version\":3}}\n{\"protocol\":%.*s}\n{\"metaData\":%.*s}\n",
                 SHOAL_FMT(s->protocol_raw), SHOAL_FMT(s->metadata_raw));
  shoal_buf_addz(&text, "{\"sidecar\":{\"path\":\"a%20b.parquet\",\"sizeInBytes\":1,\"modificationTime\":1}}\n");
  shoal_str key = SHOAL_STR("t/_delta_log/00000000000000000003.checkpoint.01234567-89ab-cdef-0123-456789abcdef.json");
  CHECK_OK(shoal_store_put_new(f.table.store, key, shoal_buf_str(&text), &err), &err);
  shoal_delta_snapshot_free(s);
  del(&f, "00000000000000000003.checkpoint.parquet");
  for (int v = 0; v <= 3; v++)
    del(&f, shoal_arena_printf(&f.arena, "%020d.json", v));
  check_state(&f.table, 3, 2);
  CHECK_OK(shoal_store_del(f.table.store, sidecar, &err), &err);
  shoal_status status = shoal_delta_snapshot_open(&f.table, 3, &s, &err);
  assert_int_equal(status, SHOAL_ECORRUPT);
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&parquet);
  test_table_close(&f);
}

/* Whatever fails, the table reads the same afterwards. */
static void test_every_store_call(void **state) {
  (void)state;
  test_table f;
  shoal_error err = {0};
  shoal_delta_snapshot *s;
  for (int fault = SHOAL_FAULT_BEFORE; fault <= SHOAL_FAULT_SPACE; fault++) {
    shoal_status status = SHOAL_EIO;
    for (uint64_t n = 1; status != SHOAL_OK; n++) {
      test_table_open(&f, "t", 1);
      for (int64_t v = 0; v <= 3; v++)
        commit(&f, v);
      shoal_delta_table faulty = f.table;
      CHECK_OK(shoal_store_open_faulty(f.table.store, &faulty.store, &err), &err);
      CHECK_OK(shoal_delta_snapshot_open(&f.table, SHOAL_DELTA_LATEST, &s, &err), &err);
      shoal_store_faulty_at(faulty.store, n, (shoal_fault)fault, false);
      status = shoal_delta_checkpoint(&faulty, s, &err);
      if (shoal_store_faulty_calls(faulty.store) >= n && fault == SHOAL_FAULT_BEFORE)
        assert_true(status < 0);
      bool reached = shoal_store_faulty_calls(faulty.store) >= n;
      shoal_store_faulty_at(faulty.store, 0, SHOAL_FAULT_NONE, false);
      shoal_delta_snapshot_free(s);
      CHECK_OK(shoal_delta_snapshot_open(&f.table, SHOAL_DELTA_LATEST, &s, &err), &err);
      assert_int_equal(s->n_files, 1);
      CHECK_OK(shoal_delta_checkpoint(&f.table, s, &err), &err); /* and again it works */
      shoal_delta_snapshot_free(s);
      check_state(&f.table, 3, 2);
      shoal_store_free(faulty.store);
      test_table_close(&f);
      if (!reached)
        break;
      status = SHOAL_EIO;
    }
  }
}

static shoal_status write_and_read(test_table *f, shoal_error *err) {
  shoal_delta_snapshot *s = NULL, *again = NULL;
  shoal_status status = shoal_delta_snapshot_open(&f->table, SHOAL_DELTA_LATEST, &s, err);
  if (status == SHOAL_OK)
    status = shoal_delta_checkpoint(&f->table, s, err);
  if (status == SHOAL_OK)
    status = shoal_delta_snapshot_open(&f->table, SHOAL_DELTA_LATEST, &again, err);
  if (status == SHOAL_OK)
    assert_int_equal(again->n_files, 1);
  shoal_delta_snapshot_free(again);
  shoal_delta_snapshot_free(s);
  return status;
}

static void test_allocations(void **state) {
  (void)state;
  test_table f;
  shoal_status status = SHOAL_ENOMEM;
  test_random r = test_random_start("delta/checkpoint allocations");
  test_table_open(&f, "t", 1);
  for (int64_t v = 0; v <= 2; v++)
    commit(&f, v);
  for (uint64_t n = 1; status != SHOAL_OK; n += 1 + test_random_below(&r, 2 + n / 16)) {
    shoal_error err = {0};
    shoal_mem_fail_at(n, 0);
    status = write_and_read(&f, &err);
    shoal_mem_fail_at(0, 0);
    if (status < 0 && status != SHOAL_ENOMEM)
      fail_msg("allocation %llu: %s: %s %s", (unsigned long long)n, shoal_status_name(status), err.context,
               err.message);
  }
  check_state(&f.table, 2, 1);
  test_table_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_holds_the_state),
                                     cmocka_unit_test(test_wrong_hint_and_broken),
                                     cmocka_unit_test(test_json_with_sidecar), cmocka_unit_test(test_every_store_call),
                                     cmocka_unit_test(test_allocations)};
  return cmocka_run_group_tests_name("delta/checkpoint", tests, NULL, NULL);
}
