/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots: replay (R1 … R3 of delta/replay.c), holes, updates, time travel, scans. */
#include "support/support.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "delta/delta_internal.h"
#include "store/faulty.h"

#define PROTOCOL "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n"
#define METADATA(config)                                                                                               \
  "{\"metaData\":{\"id\":\"i\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"{\\\"type\\\":" \
  "\\\"struct\\\",\\\"fields\\\":[{\\\"name\\\":\\\"a\\\",\\\"type\\\":\\\"long\\\"},{\\\"name\\\":\\\"p\\\","         \
  "\\\"type\\\":\\\"string\\\"}]}\",\"partitionColumns\":[\"p\"],\"configuration\":{" config "}}}\n"
#define ADD(path, more)                                                                                                \
  "{\"add\":{\"path\":\"" path "\",\"partitionValues\":{\"p\":\"1\"},\"size\":5,\"modificationTime\":1,"               \
  "\"dataChange\":true" more "}}\n"
#define REMOVE(path, more) "{\"remove\":{\"path\":\"" path "\",\"deletionTimestamp\":7,\"dataChange\":true" more "}}\n"
#define DV(id)                                                                                                         \
  ",\"deletionVector\":{\"storageType\":\"u\",\"pathOrInlineDv\":\"" id                                                \
  "\",\"offset\":1,\"sizeInBytes\":1,\"cardinality\":1}"
#define TXN(v) "{\"txn\":{\"appId\":\"app\",\"version\":" v "}}\n"

static void put(const shoal_delta_table *t, int64_t version, const char *text) {
  shoal_error err = {0};
  char key[64];
  snprintf(key, sizeof key, "t/_delta_log/%020lld.json", (long long)version);
  CHECK_OK(shoal_store_put_new(t->store, shoal_str_z(key), shoal_str_z(text), &err), &err);
}

static shoal_delta_table make(void) {
  shoal_error err = {0};
  shoal_delta_table t = {.prefix = SHOAL_STR("t")};
  CHECK_OK(shoal_store_open_memory(&t.store, &err), &err);
  return t;
}

static bool has(const shoal_delta_snapshot *s, const char *path) {
  for (size_t i = 0; i < shoal_delta_snapshot_n_files(s); i++) {
    if (shoal_str_is(shoal_delta_snapshot_files(s)[i].path, path))
      return true;
  }
  return false;
}

static void test_replay(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_delta_table t = make();
  shoal_delta_snapshot *s, *old;
  put(&t, 0, PROTOCOL METADATA("") ADD("x", "") ADD("y", "") TXN("1") "\n{\"somethingNew\":{}}\n");
  put(&t, 1, REMOVE("x", "") ADD("z", ",\"stats\":\"{}\",\"tags\":{\"k\":\"v\"},\"new\":12345678901234567890123"));
  put(&t, 2, ADD("y", DV("q")) REMOVE("y", "") TXN("4")); /* R2: whatever the order in a commit */
  put(&t, 3, METADATA("\"k\":\"v\""));
  CHECK_OK(shoal_delta_snapshot_open(&t, SHOAL_DELTA_LATEST, &s, &err), &err);
  assert_int_equal(shoal_delta_snapshot_version(s), 3);
  assert_int_equal(shoal_delta_snapshot_n_files(s), 2);
  assert_true(has(s, "z") && has(s, "y") && !has(s, "x"));
  assert_int_equal(s->n_tombstones, 2);
  assert_int_equal(shoal_delta_snapshot_txn(s, SHOAL_STR("app")), 4);
  assert_int_equal(shoal_delta_snapshot_txn(s, SHOAL_STR("other")), -1);
  CHECK_STR(shoal_delta_config(shoal_delta_snapshot_metadata(s), "k"), "v");
  const shoal_delta_file *z = &shoal_delta_snapshot_files(s)[0];
  CHECK_STR(z->stats, "{}");
  CHECK_STR(z->tags[0].value, "v");
  assert_true(shoal_str_find(z->raw, SHOAL_STR("\"new\":12345678901234567890123")) > 0);
  CHECK_OK(shoal_delta_snapshot_open(&t, 0, &old, &err), &err);
  assert_true(has(old, "x") && has(old, "y"));
  assert_null(shoal_delta_config(shoal_delta_snapshot_metadata(old), "k").ptr);
  shoal_delta_snapshot_free(old);
  shoal_delta_snapshot_free(s);
  CHECK_STATUS(shoal_delta_snapshot_open(&t, 9, &s, &err), SHOAL_ENOTFOUND, &err);
  assert_non_null(strstr(err.message, "0 to 3"));
  shoal_store_free(t.store);
}

static void test_refused(void **state) {
  (void)state;
  static const struct {
    const char *commit;
    shoal_status status;
    const char *says;
  } cases[] = {
      {METADATA(""), SHOAL_ECORRUPT, "protocol"},
      {PROTOCOL, SHOAL_ECORRUPT, "metadata"},
      {PROTOCOL METADATA("") "{\"add\":", SHOAL_ECORRUPT, "00000000000000000000.json, line 3"},
      {PROTOCOL METADATA("") "[]", SHOAL_ECORRUPT, "line 3"},
      {PROTOCOL METADATA("") "{\"add\":{\"path\":\"x\"}}", SHOAL_ECORRUPT, "size"},
      {METADATA("") "{\"protocol\":{\"minReaderVersion\":99,\"minWriterVersion\":7}}", SHOAL_EUNSUPPORTED, "99"},
      {METADATA("") "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"mapOfRows\"]}}",
       SHOAL_EUNSUPPORTED, "mapOfRows"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_error err = {0};
    shoal_delta_table t = make();
    shoal_delta_snapshot *s;
    put(&t, 0, cases[i].commit);
    CHECK_STATUS(shoal_delta_snapshot_open(&t, SHOAL_DELTA_LATEST, &s, &err), cases[i].status, &err);
    if (!strstr(err.message, cases[i].says))
      fail_msg("\"%s\" does not say %s", err.message, cases[i].says);
    shoal_store_free(t.store);
  }
}

static void test_holes(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_delta_table t = make();
  shoal_delta_snapshot *s;
  CHECK_STATUS(shoal_delta_snapshot_open(&t, SHOAL_DELTA_LATEST, &s, &err), SHOAL_ENOTFOUND, &err);
  put(&t, 2, ADD("x", ""));
  CHECK_STATUS(shoal_delta_snapshot_open(&t, SHOAL_DELTA_LATEST, &s, &err), SHOAL_ECORRUPT, &err);
  put(&t, 0, PROTOCOL METADATA(""));
  CHECK_STATUS(shoal_delta_snapshot_open(&t, SHOAL_DELTA_LATEST, &s, &err), SHOAL_ECORRUPT, &err);
  assert_non_null(strstr(err.message, "00000000000000000001.json"));
  CHECK_OK(shoal_delta_snapshot_open(&t, 0, &s, &err), &err);
  shoal_delta_snapshot_free(s);
  shoal_store_free(t.store);
}

static void test_update(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_delta_table t = make();
  shoal_delta_snapshot *s, *next;
  int64_t latest;
  put(&t, 0, PROTOCOL METADATA("") ADD("x", "") TXN("1"));
  CHECK_OK(shoal_delta_snapshot_open(&t, SHOAL_DELTA_LATEST, &s, &err), &err);
  for (int64_t v = 1; v < 40; v++) { /* past the number of segments after which the state is read anew */
    char text[512];
    snprintf(text, sizeof text, "{\"add\":{\"path\":\"f%d\",\"partitionValues\":{},\"size\":1}}\n", (int)v);
    put(&t, v, text);
    CHECK_OK(shoal_delta_snapshot_update(&t, s, &next, &err), &err);
    shoal_delta_snapshot_free(s); /* what was made of it lives on */
    s = next;
    assert_int_equal(shoal_delta_snapshot_version(s), v);
    assert_int_equal(shoal_delta_snapshot_n_files(s), v + 1);
  }
  assert_true(has(s, "x") && has(s, "f1") && has(s, "f39"));
  assert_int_equal(shoal_delta_snapshot_txn(s, SHOAL_STR("app")), 1);
  CHECK_OK(shoal_delta_latest(&t, 5, &latest, &err), &err);
  assert_int_equal(latest, 39);
  CHECK_OK(shoal_delta_latest(&t, -1, &latest, &err), &err);
  assert_int_equal(latest, 39);
  shoal_delta_snapshot_free(s);
  shoal_store_free(t.store);
}

static void test_time_travel(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_delta_table t = make();
  shoal_hash hash, want = shoal_hash_bytes(shoal_str_z(REMOVE("x", "")));
  int64_t v;
  put(&t, 0,
      PROTOCOL METADATA(
          "\"delta.enableInCommitTimestamps\":\"true\",\"delta.inCommitTimestampEnablementVersion\":\"1\""));
  put(&t, 1, "{\"commitInfo\":{\"inCommitTimestamp\":9999999999000}}\n");
  put(&t, 2, "{\"commitInfo\":{\"inCommitTimestamp\":9999999999001}}\n");
  CHECK_OK(shoal_delta_version_at(&t, 9999999999000000, &v, &err), &err);
  assert_int_equal(v, 1);
  CHECK_OK(shoal_delta_version_at(&t, INT64_MAX, &v, &err), &err);
  assert_int_equal(v, 2);
  CHECK_OK(shoal_delta_version_at(&t, 9999999998000000, &v, &err), &err); /* now, by the file's time */
  assert_int_equal(v, 0);
  CHECK_STATUS(shoal_delta_version_at(&t, 1000, &v, &err), SHOAL_ENOTFOUND, &err);
  put(&t, 3, REMOVE("x", ""));
  CHECK_STATUS(shoal_delta_version_at(&t, INT64_MAX, &v, &err), SHOAL_ECORRUPT, &err);
  CHECK_OK(shoal_delta_commit_hash(&t, 3, &hash, &err), &err);
  assert_true(shoal_hash_eq(&hash, &want));
  shoal_store_free(t.store);
}

static void test_scan(void **state) {
  (void)state;
  shoal_error err = {0};
  char *folder = test_folder();
  shoal_delta_table t = {.prefix = SHOAL_STR("t")};
  shoal_arena arena = {0};
  shoal_delta_snapshot *s;
  shoal_scan scan;
  CHECK_OK(shoal_store_open_file(folder, false, &t.store, &err), &err);
  put(&t, 0,
      PROTOCOL METADATA("")
          ADD("p=1/x%20y", "") "{\"add\":{\"path\":\"z\",\"partitionValues\":{\"p\":null},\"size\":1}}\n");
  put(&t, 1, ADD("v", DV("q")));
  put(&t, 2, REMOVE("v", DV("q")) ADD("../up", ""));
  put(&t, 3, REMOVE("../up", "") METADATA("\"delta.columnMapping.mode\":\"name\""));
  CHECK_OK(shoal_delta_snapshot_open(&t, 0, &s, &err), &err);
  CHECK_OK(shoal_delta_scan(&t, s, &arena, &scan, &err), &err);
  assert_int_equal(scan.n_files, 2);
  assert_true(shoal_str_ends(scan.files[0].path, SHOAL_STR("/t/p=1/x y")));
  assert_int_equal(scan.partition_columns[0], 1);
  CHECK_STR(scan.files[0].partition_values[0], "1");
  assert_null(scan.files[1].partition_values[0].ptr);
  shoal_delta_snapshot_free(s);
  static const shoal_status later[] = {SHOAL_ECORRUPT, SHOAL_EUNSUPPORTED,
                                       SHOAL_OK}; /* a vector without a UUID, a path */
  for (int64_t v = 1; v <= 3; v++) {
    CHECK_OK(shoal_delta_snapshot_open(&t, v, &s, &err), &err);
    CHECK_STATUS(shoal_delta_scan(&t, s, &arena, &scan, &err), later[v - 1], &err);
    shoal_delta_snapshot_free(s);
  }
  shoal_arena_dispose(&arena);
  shoal_store_free(t.store);
  test_folder_remove(folder);
}

static shoal_status open_and_update(const shoal_delta_table *t, shoal_error *err) {
  shoal_delta_snapshot *s = NULL, *next = NULL;
  shoal_status status = shoal_delta_snapshot_open(t, 0, &s, err);
  if (status == SHOAL_OK)
    status = shoal_delta_snapshot_update(t, s, &next, err);
  if (status == SHOAL_OK)
    assert_int_equal(shoal_delta_snapshot_n_files(next), 2);
  else
    assert_null(next);
  shoal_delta_snapshot_free(next);
  shoal_delta_snapshot_free(s);
  return status;
}

static void test_every_failure(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_delta_table t = make();
  put(&t, 0, PROTOCOL METADATA("\"k\":\"v\"") ADD("x", ",\"stats\":\"{}\"") TXN("1"));
  put(&t, 1, ADD("y", DV("q")) REMOVE("z", ""));
  shoal_status status = SHOAL_ENOMEM;
  for (uint64_t n = 1; status == SHOAL_ENOMEM; n++) {
    shoal_mem_fail_at(n, 0);
    status = open_and_update(&t, &err);
    shoal_mem_fail_at(0, 0);
  }
  assert_int_equal(status, SHOAL_OK);
  shoal_delta_table faulty = t;
  CHECK_OK(shoal_store_open_faulty(t.store, &faulty.store, &err), &err);
  status = SHOAL_EIO;
  for (uint64_t n = 1; status == SHOAL_EIO; n++) {
    shoal_store_faulty_at(faulty.store, n, SHOAL_FAULT_BEFORE, false);
    status = open_and_update(&faulty, &err);
    shoal_store_faulty_at(faulty.store, 0, SHOAL_FAULT_NONE, false);
  }
  assert_int_equal(status, SHOAL_OK);
  shoal_store_free(faulty.store);
  shoal_store_free(t.store);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_replay),        cmocka_unit_test(test_refused),     cmocka_unit_test(test_holes),
      cmocka_unit_test(test_update),        cmocka_unit_test(test_time_travel), cmocka_unit_test(test_scan),
      cmocka_unit_test(test_every_failure),
  };
  return cmocka_run_group_tests_name("delta/snapshot", tests, NULL, NULL);
}
