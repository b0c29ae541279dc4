/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "support/lake_support.h"
#include "support/support.h"

static void create_then_open(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_lake *again;
  CHECK_OK(shoal_lake_open(f.store, &again, &f.err), &f.err);
  CHECK_STR(again->id, f.lake->id.ptr);
  CHECK_STR(again->trunk, "main");
  assert_int_equal(again->n_protected, 0);
  assert_int_equal(again->retention_us, 30 * 86400 * 1000000LL);
  shoal_lake_free(again);
  /* Made again, it stays as it is. */
  shoal_lake_options other = {.trunk = SHOAL_STR("release"), .protect_trunk = true};
  CHECK_OK(shoal_lake_create(f.store, &other, &again, &f.err), &f.err);
  CHECK_STR(again->id, f.lake->id.ptr);
  CHECK_STR(again->trunk, "main");
  shoal_lake_free(again);
  lake_fixture_close(&f);
}

static void options_are_kept(void **state) {
  (void)state;
  shoal_error err;
  shoal_store *store;
  shoal_lake *lake;
  CHECK_OK(shoal_store_open_memory(&store, &err), &err);
  CHECK_STATUS(shoal_lake_open(store, &lake, &err), SHOAL_ENOTFOUND, &err);
  assert_null(lake);
  shoal_lake_options bad = {.trunk = SHOAL_STR("a..b")};
  CHECK_STATUS(shoal_lake_create(store, &bad, &lake, &err), SHOAL_EINVAL, &err);
  shoal_lake_options options = {.trunk = SHOAL_STR("release/1"), .protect_trunk = true, .retention_us = 5};
  CHECK_OK(shoal_lake_create(store, &options, &lake, &err), &err);
  CHECK_STR(lake->trunk, "release/1");
  assert_int_equal(lake->n_protected, 1);
  CHECK_STR(lake->protected_branches[0], "release/1");
  assert_int_equal(lake->retention_us, 5);
  shoal_lake_free(lake);
  shoal_store_free(store);
}

static void newer_and_broken_formats(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  static const struct {
    const char *text;
    shoal_status want;
  } cases[] = {{"{\"format\":2,\"id\":\"x\"}", SHOAL_EUNSUPPORTED},
               {"{\"format\":1,\"id\":\"x\"}", SHOAL_ECORRUPT},
               {"{\"id\":\"x\"}", SHOAL_ECORRUPT},
               {"[1]", SHOAL_ECORRUPT},
               {"", SHOAL_ECORRUPT},
               {"{\"format\":1", SHOAL_ECORRUPT}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_lake *lake;
    test_overwrite(&f, "_shoal/format.json", cases[i].text);
    CHECK_STATUS(shoal_lake_open(f.store, &lake, &f.err), cases[i].want, &f.err);
    assert_non_null(strstr(f.err.message, "_shoal/format.json"));
  }
  lake_fixture_close(&f);
}

/* Branches without format.json are what is left of a lake, not the place for a new one. */
static void branches_without_a_format(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_lake *lake;
  shoal_object found;
  CHECK_OK(shoal_store_del(f.store, SHOAL_STR("_shoal/format.json"), &f.err), &f.err);
  CHECK_STATUS(shoal_lake_open(f.store, &lake, &f.err), SHOAL_ECORRUPT, &f.err);
  CHECK_STATUS(shoal_lake_create(f.store, &(shoal_lake_options){0}, &lake, &f.err), SHOAL_ECORRUPT, &f.err);
  assert_null(lake);
  assert_non_null(strstr(f.err.message, "_shoal/format.json"));
  assert_true(f.err.hint[0] != 0);
  CHECK_STATUS(shoal_store_head(f.store, SHOAL_STR("_shoal/format.json"), &found, &f.err), SHOAL_ENOTFOUND, &f.err);
  lake_fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(create_then_open), cmocka_unit_test(options_are_kept),
                                     cmocka_unit_test(newer_and_broken_formats),
                                     cmocka_unit_test(branches_without_a_format)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
