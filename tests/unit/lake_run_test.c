/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "support/lake_support.h"
#include "support/support.h"

static void record_lives_with_its_run(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_run_record *run, *second;
  CHECK_OK(shoal_run_announce(f.lake, SHOAL_STR("main"), SHOAL_STR("anna@host"), NULL, 0, &run, &f.err), &f.err);
  char *key = shoal_arena_printf(&f.arena, "_shoal/runs/%s.json", shoal_run_id(run).ptr);
  char *beat = shoal_arena_printf(&f.arena, "_shoal/runs/%s.beat.json", shoal_run_id(run).ptr);
  assert_int_equal(shoal_run_id(run).len, 36);
  assert_int_equal(shoal_run_id(run).ptr[14], '7');
  assert_non_null(test_object(&f, key).ptr);
  shoal_hash signatures[2] = {test_hash(1), test_hash(2)};
  char hex[SHOAL_HASH_HEX + 1];
  shoal_hash_hex(&signatures[1], hex);
  CHECK_OK(shoal_run_update(run, signatures, 2, &f.err), &f.err);
  CHECK_OK(shoal_run_update(run, NULL, 0, &f.err), &f.err);
  shoal_str one = test_object(&f, beat);
  CHECK_OK(shoal_run_update(run, NULL, 0, &f.err), &f.err);
  assert_false(shoal_str_eq(one, test_object(&f, beat)));
  assert_true(shoal_str_find(test_object(&f, key), shoal_str_z(hex)) >= 0);
  CHECK_OK(shoal_run_announce(f.lake, SHOAL_STR("main"), SHOAL_STR("anna@host"), signatures, 2, &second, &f.err),
           &f.err);
  char *at_once = shoal_arena_printf(&f.arena, "_shoal/runs/%s.json", shoal_run_id(second).ptr);
  assert_true(shoal_str_find(test_object(&f, at_once), shoal_str_z(hex)) >= 0);
  assert_string_not_equal(shoal_run_id(run).ptr, shoal_run_id(second).ptr);
  shoal_run_end(run);
  assert_null(test_object(&f, key).ptr);
  assert_null(test_object(&f, beat).ptr);
  shoal_run_end(second);
  lake_fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(record_lives_with_its_run)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
