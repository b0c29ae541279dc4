/* SPDX-License-Identifier: Apache-2.0 */
/* Commits: what is written, who is first, and how one's own is known again after a store's failure. */
#include "support/support.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "delta/delta.h"
#include "store/faulty.h"

static void fill(shoal_delta_commit *c) {
  shoal_field field = {.name = SHOAL_STR("a"), .type = {.kind = SHOAL_TYPE_LONG}, .nullable = true};
  shoal_str partitions[] = {SHOAL_STR("a")};
  shoal_delta_kv values[] = {{SHOAL_STR("a"), SHOAL_STR_NONE}};
  shoal_delta_commit_info(c, -1, "WRITE", SHOAL_STR("{\n\"mode\":\"Append\"}"), true, SHOAL_STR("{\"x\":\r\n1}"));
  shoal_delta_commit_protocol(c, &(shoal_delta_protocol){.min_reader = 1, .min_writer = 2});
  shoal_delta_commit_metadata(
      c, &(shoal_delta_metadata){
             .id = SHOAL_STR("i"), .schema = {&field, 1}, .partition_columns = partitions, .n_partition_columns = 1});
  shoal_delta_commit_add(c, &(shoal_delta_file){.path = SHOAL_STR("f%20"),
                                                .size = 5,
                                                .partition_values = values,
                                                .n_partition_values = 1,
                                                .data_change = true,
                                                .stats = SHOAL_STR("{\"numRecords\":1}")});
  shoal_delta_commit_txn(c, SHOAL_STR("app"), 3, 2000);
}

static void test_text(void **state) {
  (void)state;
  shoal_delta_commit c = {0};
  fill(&c);
  shoal_delta_commit_remove(&c, &(shoal_delta_file){.path = SHOAL_STR("g"), .size = 1, .data_change = true}, 5000);
  shoal_str rest = shoal_buf_str(&c.text), line;
  assert_true(shoal_str_split(&rest, '\n', &line));
  assert_true(
      shoal_str_starts(line, SHOAL_STR("{\"commitInfo\":{\"timestamp\":-1,\"operation\":\"WRITE\","
                                       "\"operationParameters\":{ \"mode\":\"Append\"},\"isBlindAppend\":true")));
  assert_true(shoal_str_ends(line, SHOAL_STR(",\"x\":  1}}")));
  static const char *const want[] = {
      "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}",
      "{\"metaData\":{\"id\":\"i\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"{"
      "\\\"type\\\":"
      "\\\"struct\\\",\\\"fields\\\":[{\\\"name\\\":\\\"a\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,"
      "\\\"metadata\\\":{}}]}\",\"partitionColumns\":[\"a\"],\"configuration\":{}}}",
      "{\"add\":{\"path\":\"f%20\",\"partitionValues\":{\"a\":null},\"size\":5,\"modificationTime\":0,\"dataChange\":"
      "true,"
      "\"stats\":\"{\\\"numRecords\\\":1}\"}}",
      "{\"txn\":{\"appId\":\"app\",\"version\":3,\"lastUpdated\":2}}",
      "{\"remove\":{\"path\":\"g\",\"deletionTimestamp\":5,\"dataChange\":true,\"extendedFileMetadata\":true,"
      "\"partitionValues\":{},\"size\":1}}",
  };
  for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
    assert_true(shoal_str_split(&rest, '\n', &line));
    CHECK_STR(line, want[i]);
  }
  shoal_delta_commit_dispose(&c);
}

static void test_first_wins(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_delta_table table = {.prefix = SHOAL_STR("t")};
  shoal_delta_commit a = {0}, b = {0};
  CHECK_OK(shoal_store_open_memory(&table.store, &err), &err);
  fill(&a);
  fill(&b);
  CHECK_OK(shoal_delta_commit_put(&table, &a, 0, &err), &err);
  CHECK_STATUS(shoal_delta_commit_put(&table, &b, 0, &err), SHOAL_EEXIST, &err);
  CHECK_OK(shoal_delta_commit_put(&table, &a, 0, &err), &err); /* our own: a retry is no conflict */
  CHECK_OK(shoal_delta_commit_put(&table, &b, 1, &err), &err);
  CHECK_STATUS(shoal_delta_commit_put(&table, &(shoal_delta_commit){0}, 2, &err), SHOAL_EINVAL, &err);
  shoal_delta_commit_dispose(&a);
  shoal_delta_commit_dispose(&b);
  shoal_store_free(table.store);
}

static void test_every_store_call(void **state) {
  (void)state;
  for (int fault = SHOAL_FAULT_BEFORE; fault <= SHOAL_FAULT_SPACE; fault++) {
    for (int sticky = 0; sticky < 2; sticky++) {
      shoal_error err = {0};
      shoal_store *inner;
      shoal_delta_table table = {0};
      shoal_delta_commit c = {0};
      shoal_object head;
      CHECK_OK(shoal_store_open_memory(&inner, &err), &err);
      CHECK_OK(shoal_store_open_faulty(inner, &table.store, &err), &err);
      fill(&c);
      shoal_store_faulty_at(table.store, 1, (shoal_fault)fault, sticky);
      shoal_status status = shoal_delta_commit_put(&table, &c, 0, &err);
      shoal_status there = shoal_store_head(inner, SHOAL_STR("_delta_log/00000000000000000000.json"), &head, NULL);
      if (fault == SHOAL_FAULT_AFTER && !sticky)
        assert_int_equal(status, SHOAL_OK);
      else
        assert_true(status == SHOAL_EIO || status == SHOAL_ESPACE);
      if (status == SHOAL_OK)
        assert_int_equal(there, SHOAL_OK);
      shoal_store_faulty_at(table.store, 0, SHOAL_FAULT_NONE, false);
      CHECK_OK(shoal_delta_commit_put(&table, &c, 0, &err), &err); /* asking again settles it */
      shoal_delta_commit_dispose(&c);
      shoal_store_free(table.store);
      shoal_store_free(inner);
    }
  }
}

static void test_every_allocation(void **state) {
  (void)state;
  shoal_status status = SHOAL_ENOMEM;
  for (uint64_t n = 1; status == SHOAL_ENOMEM; n++) {
    shoal_error err = {0};
    shoal_delta_table table = {0};
    shoal_delta_commit c = {0};
    CHECK_OK(shoal_store_open_memory(&table.store, &err), &err);
    shoal_mem_fail_at(n, 0);
    fill(&c);
    status = shoal_delta_commit_put(&table, &c, 0, &err);
    shoal_mem_fail_at(0, 0);
    shoal_delta_commit_dispose(&c);
    shoal_store_free(table.store);
  }
  assert_int_equal(status, SHOAL_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_first_wins),
                                     cmocka_unit_test(test_every_store_call), cmocka_unit_test(test_every_allocation)};
  return cmocka_run_group_tests_name("delta/commit", tests, NULL, NULL);
}
