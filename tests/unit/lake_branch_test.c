/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "lake/object.h"
#include "support/lake_support.h"
#include "support/support.h"

static void names_follow_gits_rules(void **state) {
  (void)state;
  shoal_arena arena = {0};
  shoal_error err;
  shoal_str folder;
  CHECK_OK(shoal_branch_folder(SHOAL_STR("feature/x/y"), &arena, &folder, &err), &err);
  CHECK_STR(folder, "feature-x-y");
  CHECK_OK(shoal_branch_folder(SHOAL_STR("größe#1"), &arena, &folder, &err), &err);
  static const char *const bad[] = {"",         "/a", "a/",  "a//b", "a..b", ".a",   "a/.b",  "a.lock",
                                    "a.lock/b", "a.", "@",   "a@{b", "a b",  "a~b",  "a^b",   "a:b",
                                    "a?",       "a*", "a[b", "a\\b", "-abc", "a\tb", "a\x7f", "\xff"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK_STATUS(shoal_branch_folder(shoal_str_z(bad[i]), &arena, &folder, &err), SHOAL_EINVAL, &err);
  shoal_arena_dispose(&arena);
}

static shoal_status create(lake_fixture *f, const char *name, const char *from, int64_t publication) {
  return shoal_branch_create(f->lake, shoal_str_z(name), shoal_str_z(from), publication, &f->err);
}

static void branches_are_made_once(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  CHECK_STATUS(create(&f, "main", NULL, 0), SHOAL_EEXIST, &f.err);
  CHECK_STATUS(create(&f, "other", NULL, 0), SHOAL_EINVAL, &f.err);
  CHECK_STATUS(create(&f, "x", "none", 0), SHOAL_ENOTFOUND, &f.err);
  CHECK_STATUS(create(&f, "x", "main", 1), SHOAL_ENOTFOUND, &f.err);
  CHECK_OK(create(&f, "feature/x", "main", 0), &f.err);
  CHECK_STATUS(create(&f, "feature/x", "main", 0), SHOAL_EEXIST, &f.err);
  CHECK_STATUS(create(&f, "feature-x", "main", 0), SHOAL_EEXIST, &f.err);
  assert_non_null(strstr(f.err.message, "feature/x"));
  shoal_state *s;
  CHECK_STATUS(shoal_branch_load(f.lake, SHOAL_STR("feature-x"), -1, &s, &f.err), SHOAL_ENOTFOUND, &f.err);
  assert_null(s);
  CHECK_OK(create(&f, "b", "feature/x", -1), &f.err);
  shoal_str *names;
  size_t n;
  CHECK_OK(shoal_branch_list(f.lake, &f.arena, &names, &n, &f.err), &f.err);
  assert_int_equal(n, 3);
  CHECK_STR(names[0], "b");
  CHECK_STR(names[1], "feature/x");
  CHECK_STR(names[2], "main");
  lake_fixture_close(&f);
}

/* DESIGN 4: a branch starts at a fixed publication and reads from it what it does not have. */
static void branch_sees_its_fork_point(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_result a = test_result(&f.arena, "s.a", 1), b = test_result(&f.arena, "s.b", 2),
               c = test_result(&f.arena, "s.a", 3);
  shoal_state *trunk = test_load(&f, "main", -1);
  CHECK_OK(test_publish_set(&f, trunk, "s.a", &a, &f.err), &f.err);
  CHECK_OK(create(&f, "x", "main", -1), &f.err);
  CHECK_OK(test_publish_set(&f, trunk, "s.b", &b, &f.err), &f.err);
  CHECK_OK(test_publish_set(&f, trunk, "s.a", &c, &f.err), &f.err);
  shoal_state *x = test_load(&f, "x", -1);
  assert_int_equal(x->publication, 0);
  CHECK_STR(x->fork_branch, "main");
  assert_int_equal(x->fork_publication, 1);
  assert_int_equal(x->n_entries, 1);
  assert_false(x->entries[0].local);
  assert_true(shoal_hash_eq(&x->entries[0].result.signature, &a.signature));
  CHECK_OK(test_publish_set(&f, x, "s.a", &b, &f.err), &f.err);
  assert_true(x->entries[0].local);
  assert_int_equal(x->entries[0].publication, 1);
  /* Forked again, from a publication in the middle. */
  CHECK_OK(create(&f, "y", "x", 0), &f.err);
  shoal_state *y = test_load(&f, "y", -1);
  assert_true(shoal_hash_eq(&y->entries[0].result.signature, &a.signature));
  CHECK_OK(test_publish_remove(&f, y, "s.a", &f.err), &f.err);
  assert_int_equal(y->n_entries, 0);
  shoal_state_free(y);
  y = test_load(&f, "y", -1);
  assert_int_equal(y->n_entries, 0);
  shoal_state_free(y);
  shoal_state_free(x);
  shoal_state_free(trunk);
  lake_fixture_close(&f);
}

static void fork_of_a_remade_branch_is_refused(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_state *s;
  CHECK_OK(create(&f, "x", "main", -1), &f.err);
  CHECK_OK(create(&f, "y", "x", -1), &f.err);
  CHECK_OK(shoal_store_del(f.inner, SHOAL_STR("_shoal/branches/x/00000000000000000000.json"), &f.err), &f.err);
  CHECK_STATUS(shoal_branch_load(f.lake, SHOAL_STR("y"), -1, &s, &f.err), SHOAL_ENOTFOUND, &f.err);
  CHECK_OK(create(&f, "x", "main", -1), &f.err);
  CHECK_STATUS(shoal_branch_load(f.lake, SHOAL_STR("y"), -1, &s, &f.err), SHOAL_ENOTFOUND, &f.err);
  lake_fixture_close(&f);
}

static void holes_are_corrupt(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_state *s = test_load(&f, "main", -1), *t;
  for (uint64_t i = 1; i <= 3; i++) {
    shoal_result r = test_result(&f.arena, "s.a", i);
    CHECK_OK(test_publish_set(&f, s, "s.a", &r, &f.err), &f.err);
  }
  CHECK_OK(shoal_store_del(f.inner, SHOAL_STR("_shoal/branches/main/00000000000000000002.json"), &f.err), &f.err);
  CHECK_STATUS(shoal_branch_load(f.lake, SHOAL_STR("main"), -1, &t, &f.err), SHOAL_ECORRUPT, &f.err);
  CHECK_STATUS(shoal_branch_load(f.lake, SHOAL_STR("main"), 3, &t, &f.err), SHOAL_ECORRUPT, &f.err);
  CHECK_STATUS(shoal_branch_load(f.lake, SHOAL_STR("main"), 4, &t, &f.err), SHOAL_ENOTFOUND, &f.err);
  CHECK_OK(shoal_branch_load(f.lake, SHOAL_STR("main"), 1, &t, &f.err), &f.err);
  shoal_state_free(t);
  shoal_state_free(s);
  lake_fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_follow_gits_rules), cmocka_unit_test(branches_are_made_once),
      cmocka_unit_test(branch_sees_its_fork_point), cmocka_unit_test(fork_of_a_remade_branch_is_refused),
      cmocka_unit_test(holes_are_corrupt)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
