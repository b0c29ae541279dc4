/* SPDX-License-Identifier: Apache-2.0 */
/* Claims by themselves; putting them with a result is in lake_result_test.c. */
#include <string.h>

#include "base/str.h"
#include "lake/claim.h"
#include "support/lake_support.h"
#include "support/support.h"

static void put_claim(lake_fixture *f, const shoal_result *r) {
  shoal_buf text = {0};
  CHECK_OK(shoal_claim_write(r, &text, &f->err), &f->err);
  char *key = shoal_claim_key(&f->arena, &r->signature, r->generation);
  CHECK_OK(shoal_store_put_new(f->inner, shoal_str_z(key), shoal_buf_str(&text), &f->err), &f->err);
  shoal_buf_dispose(&text);
}

static void misses_cost_one_get_and_hits_two(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_result r = test_result(&f.arena, "silver.a", 1);
  r.failed_expectation = true;
  put_claim(&f, &r);
  shoal_lookup looks[3] = {{.signature = test_hash(2)}, {.signature = test_hash(1)}, {.signature = test_hash(3)}};
  shoal_store_faulty_at(f.store, 0, SHOAL_FAULT_NONE, false);
  CHECK_OK(shoal_claims_lookup(f.lake, looks, 3, &f.arena, &f.err), &f.err);
  assert_int_equal(shoal_store_faulty_calls(f.store), 4);
  assert_false(looks[0].found);
  assert_int_equal(looks[0].generations, 0);
  assert_true(looks[1].found);
  assert_int_equal(looks[1].generations, 1);
  assert_false(looks[2].found);
  const shoal_result *g = &looks[1].result;
  assert_true(shoal_hash_eq(&g->signature, &r.signature) && shoal_hash_eq(&g->schema_hash, &r.schema_hash));
  assert_true(shoal_hash_zero(&g->rows_hash));
  CHECK_STR(g->attempt, r.attempt.ptr);
  CHECK_STR(g->home, "silver/a");
  CHECK_STR(g->dataset, "silver.a");
  CHECK_STR(g->writer, "anna@host");
  CHECK_STR(g->run, "run-1");
  assert_int_equal(g->rows, 1);
  assert_int_equal(g->bytes, 10);
  assert_int_equal(g->n_files, 1);
  assert_int_equal(g->made_us, 1);
  assert_true(g->failed_expectation);
  lake_fixture_close(&f);
}

static void condemned_is_not_found(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_result r = test_result(&f.arena, "silver.a", 1);
  put_claim(&f, &r);
  CHECK_OK(shoal_result_condemn(f.lake, &r, "incomplete", &f.err), &f.err);
  CHECK_STATUS(shoal_result_condemn(f.lake, &r, "incomplete", &f.err), SHOAL_EEXIST, &f.err);
  shoal_lookup look = {.signature = r.signature};
  CHECK_OK(shoal_claims_lookup(f.lake, &look, 1, &f.arena, &f.err), &f.err);
  assert_false(look.found);
  assert_int_equal(look.generations, 2);
  r.generation = 3;
  r.attempt = SHOAL_STR("attempt-new");
  put_claim(&f, &r);
  CHECK_OK(shoal_claims_lookup(f.lake, &look, 1, &f.arena, &f.err), &f.err);
  assert_true(look.found);
  assert_int_equal(look.generations, 3);
  CHECK_STR(look.result.attempt, "attempt-new");
  lake_fixture_close(&f);
}

static void broken_claims_are_named(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_result r = test_result(&f.arena, "silver.a", 1), other = test_result(&f.arena, "silver.a", 2);
  shoal_buf text = {0};
  CHECK_OK(shoal_claim_write(&other, &text, &f.err), &f.err);
  const char *cases[] = {"{\"format\":1}", "{\"format\":1,\"kind\":\"claimed\"}",
                         "{\"format\":1,\"kind\":\"claimed\",\"result\":{\"signature\":\"zz\"}}", shoal_buf_z(&text)};
  char *key = shoal_claim_key(&f.arena, &r.signature, 1);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_lookup look = {.signature = r.signature};
    test_overwrite(&f, key, cases[i]);
    CHECK_STATUS(shoal_claims_lookup(f.lake, &look, 1, &f.arena, &f.err), SHOAL_ECORRUPT, &f.err);
    assert_non_null(strstr(f.err.message, key));
  }
  shoal_buf_dispose(&text);
  lake_fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(misses_cost_one_get_and_hits_two),
                                     cmocka_unit_test(condemned_is_not_found),
                                     cmocka_unit_test(broken_claims_are_named)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
