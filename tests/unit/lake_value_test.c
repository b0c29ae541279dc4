/* SPDX-License-Identifier: Apache-2.0 */
/* Results that are objects, what is no dataset's, and trust (lake/value.c, lake/lake.c). R1 … R3 are lake/result.c's.
 */
#include "base/os.h"
#include "base/str.h"
#include "support/lake_support.h"
#include "support/support.h"

/* The key of a file in the result's folder. */
static char *key_in(lake_fixture *f, const shoal_result *r, const char *name) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_hash_hex(&r->signature, hex);
  return shoal_arena_printf(&f->arena, "%s/_shoal/%s/%s/%s", r->home.ptr, hex, r->attempt.ptr, name);
}

static void an_object_is_its_bytes(void **state) {
  lake_fixture f = *state ? lake_fixture_file() : lake_fixture_memory();
  shoal_result r;
  shoal_buf bytes = {0}, text = {0};
  bool complete;
  CHECK_OK(test_put_object(&f, "models.m", 1, "[1,2]", &r, &f.err), &f.err);
  CHECK_STR(r.home, "models/m");
  CHECK_STR(r.codec, "json");
  CHECK_STR(r.type, "list");
  assert_int_equal(r.bytes, 5);
  shoal_lookup look = {.signature = r.signature};
  CHECK_OK(shoal_claims_lookup(f.lake, &look, 1, &f.arena, &f.err), &f.err);
  assert_true(look.found && shoal_hash_eq(&look.result.rows_hash, &r.rows_hash));
  CHECK_STR(look.result.codec, "json");
  CHECK_OK(shoal_result_payload(f.lake, &look.result, &bytes, &f.err), &f.err);
  CHECK_STR(shoal_buf_str(&bytes), "[1,2]");
  CHECK_OK(shoal_result_provenance(f.lake, &r, &text, &f.err), &f.err);
  CHECK_STR(shoal_buf_str(&text), "{\"who\":\"a\"}");
  CHECK_OK(shoal_result_complete(f.lake, &r, &complete, &f.err), &f.err);
  assert_true(complete);
  shoal_delta_snapshot *s;
  CHECK_STATUS(shoal_result_open(f.lake, &r, &s, &f.err), SHOAL_EINVAL, &f.err);
  shoal_buf_dispose(&bytes);
  shoal_buf_dispose(&text);
  lake_fixture_close(&f);
}

/* Nobody gets bytes that don't have the claim's hash. */
static void other_bytes_are_refused(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_result r;
  shoal_buf bytes = {0};
  bool complete;
  CHECK_OK(test_put_object(&f, "models.m", 1, "[1,2]", &r, &f.err), &f.err);
  test_overwrite(&f, key_in(&f, &r, "payload"), "[1,3]");
  CHECK_OK(shoal_result_complete(f.lake, &r, &complete, &f.err), &f.err);
  assert_true(complete); /* sizes don't tell */
  CHECK_STATUS(shoal_result_payload(f.lake, &r, &bytes, &f.err), SHOAL_ECORRUPT, &f.err);
  static const char *const names[] = {"payload", "object.json"};
  for (size_t i = 0; i < 2; i++) {
    CHECK_OK(test_put_object(&f, "models.m", 2 + (unsigned)i, "[1,2]", &r, &f.err), &f.err);
    CHECK_OK(shoal_store_del(f.inner, shoal_str_z(key_in(&f, &r, names[i])), &f.err), &f.err);
    CHECK_OK(shoal_result_complete(f.lake, &r, &complete, &f.err), &f.err);
    assert_false(complete);
  }
  shoal_buf_dispose(&bytes);
  lake_fixture_close(&f);
}

static void a_dataset_may_be_table_and_object_by_turns(void **state) {
  lake_fixture f = *state ? lake_fixture_file() : lake_fixture_memory();
  shoal_result table, object;
  shoal_state *s = test_load(&f, "main", -1);
  CHECK_OK(test_put_result(&f, "s.a", 1, 2, &table, &f.err), &f.err);
  CHECK_OK(test_put_object(&f, "s.a", 2, "1", &object, &f.err), &f.err);
  const shoal_result *turns[] = {&object, &table, &object, &table};
  for (size_t i = 0; i < 4; i++) {
    shoal_projection_report report = {0};
    shoal_delta_snapshot *t = NULL;
    CHECK_OK(test_publish_set(&f, s, "s.a", turns[i], &f.err), &f.err);
    CHECK_OK(shoal_project(f.lake, s, &report, &f.err), &f.err);
    shoal_projection_report_dispose(&report);
    shoal_delta_table home = {.store = f.inner, .prefix = SHOAL_STR("s/a")};
    shoal_status st = shoal_delta_snapshot_open(&home, SHOAL_DELTA_LATEST, &t, &f.err);
    assert_int_equal(st, i == 0 ? SHOAL_ENOTFOUND : SHOAL_OK);
    if (t)
      assert_int_equal(shoal_delta_snapshot_n_files(t), turns[i] == &table ? 2 : 0);
    shoal_delta_snapshot_free(t);
    shoal_state *again = test_load(&f, "main", -1); /* what is written is what is read */
    CHECK_STR(shoal_state_find(again, SHOAL_STR("s.a"))->result.attempt, turns[i]->attempt.ptr);
    assert_true(!shoal_state_find(again, SHOAL_STR("s.a"))->result.codec.ptr == !turns[i]->codec.ptr);
    shoal_state_free(again);
  }
  shoal_state_free(s);
  lake_fixture_close(&f);
}

static void what_is_no_datasets_is_listed(void **state) {
  lake_fixture f = *state ? lake_fixture_file() : lake_fixture_memory();
  shoal_result r, *list;
  size_t n;
  CHECK_OK(shoal_cache_list(f.lake, &f.arena, &list, &n, &f.err), &f.err);
  assert_int_equal(n, 0);
  CHECK_OK(test_put_object(&f, "models.m", 1, "1", &r, &f.err), &f.err);
  for (unsigned i = 2; i < 5; i++) {
    CHECK_OK(test_put_object(&f, NULL, i, "22", &r, &f.err), &f.err);
    CHECK_STR(r.home, SHOAL_CACHE_HOME);
  }
  CHECK_OK(shoal_result_condemn(f.lake, &r, "test", &f.err), &f.err);
  CHECK_OK(shoal_cache_list(f.lake, &f.arena, &list, &n, &f.err), &f.err);
  assert_int_equal(n, 2);
  CHECK_STR(list[0].dataset, "m.embed");
  lake_fixture_close(&f);
}

static void trust_is_a_mark(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  bool trusted;
  CHECK_OK(shoal_lake_trusted(f.lake, &trusted, &f.err), &f.err);
  assert_false(trusted);
  CHECK_OK(shoal_lake_trust(f.lake, SHOAL_STR("anna@host"), &f.err), &f.err);
  CHECK_OK(shoal_lake_trust(f.lake, SHOAL_STR("ben@host"), &f.err), &f.err);
  CHECK_OK(shoal_lake_trusted(f.lake, &trusted, &f.err), &f.err);
  assert_true(trusted);
  lake_fixture_close(&f);
}

static void traces_are_a_log_without_doubles(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_hash key = test_hash(7), other = test_hash(8);
  shoal_str ab[] = {SHOAL_STR("a.a"), SHOAL_STR("a.b@main~1")}, c[] = {SHOAL_STR("a.c")};
  shoal_trace one = {ab, 2}, two = {c, 1}, *list;
  size_t n;
  for (int i = 0; i < 3; i++) {
    CHECK_OK(shoal_trace_put(f.lake, &key, &one, &f.err), &f.err);
    CHECK_OK(shoal_trace_put(f.lake, &key, &two, &f.err), &f.err);
  }
  CHECK_OK(shoal_traces_read(f.lake, &key, &f.arena, &list, &n, &f.err), &f.err);
  assert_int_equal(n, 2);
  assert_int_equal(list[0].n_names, 2);
  CHECK_STR(list[0].names[1], "a.b@main~1");
  CHECK_STR(list[1].names[0], "a.c");
  CHECK_OK(shoal_traces_read(f.lake, &other, &f.arena, &list, &n, &f.err), &f.err);
  assert_int_equal(n, 0);
  lake_fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      {"an_object_is_its_bytes in memory", an_object_is_its_bytes, NULL, NULL, NULL},
      {"an_object_is_its_bytes in files", an_object_is_its_bytes, NULL, NULL, (void *)""},
      cmocka_unit_test(other_bytes_are_refused),
      {"table and object by turns in memory", a_dataset_may_be_table_and_object_by_turns, NULL, NULL, NULL},
      {"table and object by turns in files", a_dataset_may_be_table_and_object_by_turns, NULL, NULL, (void *)""},
      {"what_is_no_datasets_is_listed in memory", what_is_no_datasets_is_listed, NULL, NULL, NULL},
      {"what_is_no_datasets_is_listed in files", what_is_no_datasets_is_listed, NULL, NULL, (void *)""},
      cmocka_unit_test(trust_is_a_mark),
      cmocka_unit_test(traces_are_a_log_without_doubles),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
