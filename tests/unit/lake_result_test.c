/* SPDX-License-Identifier: Apache-2.0 */
/* R1 … R3 are those of lake/result.c. */
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "base/str.h"
#include "support/lake_support.h"
#include "support/support.h"

static void result_is_a_table(void **state) {
  lake_fixture f = *state ? lake_fixture_file() : lake_fixture_memory();
  shoal_result r;
  CHECK_OK(test_put_result(&f, "silver.a", 1, 3, &r, &f.err), &f.err);
  assert_int_equal(r.generation, 1);
  assert_int_equal(r.n_files, 3);
  CHECK_STR(r.home, "silver/a");
  assert_false(shoal_hash_zero(&r.schema_hash));
  shoal_lookup look = {.signature = r.signature};
  CHECK_OK(shoal_claims_lookup(f.lake, &look, 1, &f.arena, &f.err), &f.err);
  assert_true(look.found && shoal_str_eq(look.result.attempt, r.attempt));

  shoal_delta_snapshot *s;
  CHECK_OK(shoal_result_open(f.lake, &r, &s, &f.err), &f.err);
  assert_int_equal(shoal_delta_snapshot_n_files(s), 3);
  CHECK_STR(shoal_delta_snapshot_metadata(s)->name, "silver.a");
  CHECK_STR(shoal_delta_snapshot_metadata(s)->description, "a test");
  assert_int_equal(shoal_delta_snapshot_metadata(s)->schema.n_fields, 1);
  if (*state) {
    shoal_scan scan;
    CHECK_OK(shoal_result_scan(f.lake, &r, s, &f.arena, &scan, &f.err), &f.err);
    assert_int_equal(scan.n_files, 3);
    shoal_stat st;
    CHECK_OK(shoal_os_stat(scan.files[0].path.ptr, &st, &f.err), &f.err);
  }
  shoal_delta_snapshot_free(s);
  shoal_buf text = {0};
  CHECK_OK(shoal_result_provenance(f.lake, &r, &text, &f.err), &f.err);
  CHECK_STR(shoal_buf_str(&text), "{\"model\":\"select 1\"}");
  shoal_buf_dispose(&text);
  bool complete;
  CHECK_OK(shoal_result_complete(f.lake, &r, &complete, &f.err), &f.err);
  assert_true(complete);
  lake_fixture_close(&f);
}

/* R3: of two who compute the same, one is believed. */
static void second_one_reads_the_first(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_result first, second;
  test_draft d;
  bool won;
  CHECK_OK(test_put_result(&f, "silver.a", 1, 1, &first, &f.err), &f.err);
  CHECK_OK(test_stage(&f, "silver.b", 1, 2, "n", &d, &f.err), &f.err);
  d.draft.outcome = &d.outcome;
  CHECK_OK(shoal_result_put(f.lake, &d.draft, &f.arena, &second, &won, &f.err), &f.err);
  assert_false(won);
  CHECK_STR(second.attempt, first.attempt.ptr);
  CHECK_STR(second.home, "silver/a");
  CHECK_OK(shoal_result_condemn(f.lake, &first, "test", &f.err), &f.err);
  CHECK_OK(test_put_result(&f, "silver.a", 1, 1, &second, &f.err), &f.err);
  assert_int_equal(second.generation, 3);
  CHECK_OK(test_put_result(&f, "silver.a", 2, 0, &first, &f.err), &f.err);
  assert_int_equal(first.n_files, 0);
  lake_fixture_close(&f);
}

static void missing_files_are_noticed(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_result r;
  bool complete;
  char hex[SHOAL_HASH_HEX + 1];
  CHECK_OK(test_put_result(&f, "silver.a", 1, 2, &r, &f.err), &f.err);
  shoal_hash_hex(&r.signature, hex);
  char *folder = shoal_arena_printf(&f.arena, "silver/a/_shoal/%s/%s", hex, r.attempt.ptr);
  char *part = shoal_arena_printf(&f.arena, "%s/part-1.parquet", folder);
  char *log = shoal_arena_printf(&f.arena, "%s/_delta_log/%020d.json", folder, 0);
  test_overwrite(&f, part, "short");
  CHECK_OK(shoal_result_complete(f.lake, &r, &complete, &f.err), &f.err);
  assert_false(complete);
  CHECK_OK(shoal_store_del(f.inner, shoal_str_z(part), &f.err), &f.err);
  CHECK_OK(shoal_result_complete(f.lake, &r, &complete, &f.err), &f.err);
  assert_false(complete);
  CHECK_OK(shoal_store_del(f.inner, shoal_str_z(log), &f.err), &f.err);
  CHECK_OK(shoal_result_complete(f.lake, &r, &complete, &f.err), &f.err);
  assert_false(complete);
  shoal_delta_snapshot *s;
  shoal_buf text = {0};
  CHECK_STATUS(shoal_result_open(f.lake, &r, &s, &f.err), SHOAL_ECORRUPT, &f.err);
  CHECK_STATUS(shoal_result_provenance(f.lake, &r, &text, &f.err), SHOAL_ECORRUPT, &f.err);
  shoal_buf_dispose(&text);
  lake_fixture_close(&f);
}

static void partitions_are_kept(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  test_draft d;
  bool won;
  shoal_result r;
  shoal_str by[] = {SHOAL_STR("p")}, one[] = {SHOAL_STR("1")}, null[] = {SHOAL_STR_NONE};
  CHECK_OK(test_stage(&f, "silver.a", 1, 2, "n p", &d, &f.err), &f.err);
  d.outcome.files[0].partition_values = one;
  d.outcome.files[1].partition_values = null;
  d.draft.outcome = &d.outcome;
  d.draft.partition_by = by;
  d.draft.n_partition_by = 1;
  CHECK_OK(shoal_result_put(f.lake, &d.draft, &f.arena, &r, &won, &f.err), &f.err);
  shoal_delta_snapshot *s;
  CHECK_OK(shoal_result_open(f.lake, &r, &s, &f.err), &f.err);
  assert_int_equal(shoal_delta_snapshot_metadata(s)->n_partition_columns, 1);
  for (size_t i = 0; i < 2; i++) {
    const shoal_delta_file *file = &shoal_delta_snapshot_files(s)[i];
    assert_int_equal(file->n_partition_values, 1);
    CHECK_STR(file->partition_values[0].key, "p");
    bool first = shoal_str_is(file->path, "part-0.parquet");
    assert_true(first ? shoal_str_is(file->partition_values[0].value, "1") : !file->partition_values[0].value.ptr);
  }
  shoal_delta_snapshot_free(s);
  lake_fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      {"result_is_a_table in memory", result_is_a_table, NULL, NULL, NULL},
      {"result_is_a_table in files", result_is_a_table, NULL, NULL, (void *)""},
      cmocka_unit_test(second_one_reads_the_first),
      cmocka_unit_test(missing_files_are_noticed),
      cmocka_unit_test(partitions_are_kept),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
