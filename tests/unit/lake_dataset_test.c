/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "support/lake_support.h"
#include "support/support.h"

static void homes_follow_from_names(void **state) {
  (void)state;
  shoal_error err;
  shoal_buf home = {0};
  CHECK_OK(shoal_dataset_home(SHOAL_STR("silver.orders_2"), &home, &err), &err);
  CHECK_STR(shoal_buf_str(&home), "silver/orders_2");
  static const char *const bad[] = {"orders",   "a.b.c",       ".a",           "a.", "Silver.x", "a.b-c", "1a.b",
                                    "_shoal.x", "_branches.x", "a._delta_log", "",   "a/b.c",    "a.ä"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK_STATUS(shoal_dataset_home(shoal_str_z(bad[i]), &home, &err), SHOAL_EINVAL, &err);
  shoal_buf_dispose(&home);
}

static void first_project_owns(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_str names[] = {SHOAL_STR("silver.a"), SHOAL_STR("silver.b"), SHOAL_STR("silver.c")};
  bool claimed[3];
  CHECK_OK(shoal_dataset_claim(f.lake, SHOAL_STR("p1"), names[0], &f.err), &f.err);
  CHECK_OK(shoal_dataset_claim(f.lake, SHOAL_STR("p1"), names[1], &f.err), &f.err);
  CHECK_OK(shoal_dataset_claim(f.lake, SHOAL_STR("p1"), names[1], &f.err), &f.err);
  CHECK_OK(shoal_datasets_check(f.lake, SHOAL_STR("p1"), names, 3, claimed, &f.err), &f.err);
  assert_true(claimed[0] && claimed[1] && !claimed[2]);
  CHECK_STATUS(shoal_dataset_claim(f.lake, SHOAL_STR("p2"), names[1], &f.err), SHOAL_ECONFLICT, &f.err);
  CHECK_STATUS(shoal_datasets_check(f.lake, SHOAL_STR("p2"), names + 1, 2, claimed, &f.err), SHOAL_ECONFLICT, &f.err);
  assert_non_null(strstr(f.err.message, "silver.b"));
  assert_non_null(strstr(f.err.message, "p1"));
  CHECK_OK(shoal_datasets_check(f.lake, SHOAL_STR("p2"), NULL, 0, claimed, &f.err), &f.err);
  lake_fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(homes_follow_from_names), cmocka_unit_test(first_project_owns)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
