/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "lake/object.h"
#include "support/lake_support.h"
#include "support/support.h"

static shoal_status create(lake_fixture *f, const char *name, const char *from, int64_t publication) {
  return shoal_branch_create(f->lake, shoal_str_z(name), shoal_str_z(from), publication, &f->err);
}

/* Puts a rebase as the session does. */
static shoal_status update(lake_fixture *f, shoal_state *mine, const shoal_state *onto, shoal_rebase *r) {
  int64_t n;
  SHOAL_TRY(shoal_branch_rebase(f->lake, mine, onto, &f->arena, r, &f->err));
  shoal_publication_draft draft = {.kind = "update",
                                   .base = mine->publication,
                                   .changes = r->changes,
                                   .n_changes = r->n_changes,
                                   .reads = r->reads,
                                   .n_reads = r->n_changes,
                                   .fork_branch = onto->branch,
                                   .fork_id = onto->branch_id,
                                   .fork_publication = onto->publication};
  return shoal_publish(f->lake, mine, &draft, &n, &f->err);
}

static shoal_status delete_branch(lake_fixture *f, shoal_state *s) {
  shoal_change changes[16];
  int64_t n;
  for (size_t i = 0; i < s->n_entries; i++)
    changes[i] = (shoal_change){.kind = SHOAL_CHANGE_REMOVE, .name = shoal_arena_str(&f->arena, s->entries[i].name)};
  shoal_publication_draft draft = {
      .kind = "delete", .base = s->publication, .changes = changes, .n_changes = s->n_entries};
  return shoal_publish(f->lake, s, &draft, &n, &f->err);
}

static bool holds(const shoal_state *s, const char *name, const shoal_result *r, bool local) {
  const shoal_entry *e = shoal_state_find(s, shoal_str_z(name));
  return e && e->local == local && shoal_hash_eq(&e->result.signature, &r->signature);
}

/* B1, B2: what is the branch's own stays, all else becomes the new base's; a load from the log tells the same. */
static void own_stays_and_the_rest_moves(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_result r[9];
  for (uint64_t i = 0; i < 9; i++)
    r[i] = test_result(&f.arena, "s.x", i + 1);
  shoal_state *trunk = test_load(&f, "main", -1);
  static const char *const names[] = {"s.kept", "s.own", "s.removed", "s.gone", "s.moved"};
  for (size_t i = 0; i < 5; i++)
    CHECK_OK(test_publish_set(&f, trunk, names[i], &r[i], &f.err), &f.err);
  CHECK_OK(create(&f, "x", "main", -1), &f.err);
  shoal_state *x = test_load(&f, "x", -1);
  CHECK_OK(test_publish_set(&f, x, "s.own", &r[5], &f.err), &f.err);
  CHECK_OK(test_publish_remove(&f, x, "s.removed", &f.err), &f.err);
  CHECK_OK(test_publish_set(&f, trunk, "s.own", &r[6], &f.err), &f.err);
  CHECK_OK(test_publish_set(&f, trunk, "s.removed", &r[6], &f.err), &f.err);
  CHECK_OK(test_publish_remove(&f, trunk, "s.gone", &f.err), &f.err);
  CHECK_OK(test_publish_set(&f, trunk, "s.moved", &r[7], &f.err), &f.err);
  CHECK_OK(test_publish_set(&f, trunk, "s.new", &r[8], &f.err), &f.err);
  shoal_rebase rebase;
  CHECK_OK(update(&f, x, trunk, &rebase), &f.err);
  assert_int_equal(rebase.n_both, 2);
  shoal_state *loaded = test_load(&f, "x", -1), *before = test_load(&f, "x", 2);
  const shoal_state *both[] = {x, loaded};
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(both[i]->n_entries, 4);
    assert_true(holds(both[i], "s.kept", &r[0], false));
    assert_true(holds(both[i], "s.own", &r[5], true));
    assert_true(holds(both[i], "s.moved", &r[7], false));
    assert_true(holds(both[i], "s.new", &r[8], false));
    assert_int_equal(both[i]->fork_publication, trunk->publication);
  }
  assert_true(holds(before, "s.moved", &r[4], false)); /* the past stays what it was */
  assert_int_equal(before->fork_publication, 5);
  CHECK_OK(update(&f, x, trunk, &rebase), &f.err); /* nothing moves twice */
  assert_int_equal(rebase.n_changes, 0);
  CHECK_STATUS(shoal_branch_rebase(f.lake, trunk, x, &f.arena, &rebase, &f.err), SHOAL_EINVAL, &f.err);
  CHECK_STATUS(shoal_branch_rebase(f.lake, x, loaded, &f.arena, &rebase, &f.err), SHOAL_EINVAL, &f.err);
  shoal_state_free(before);
  shoal_state_free(loaded);
  shoal_state_free(x);
  shoal_state_free(trunk);
  lake_fixture_close(&f);
}

/* Invariant 3: the name lives on in the same log, so no path is written twice; its forks keep what they started from.
 */
static void a_deleted_branch_is_gone_and_goes_on_when_made_again(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_result a = test_result(&f.arena, "s.a", 1), b = test_result(&f.arena, "s.b", 2);
  shoal_state *trunk = test_load(&f, "main", -1), *gone;
  CHECK_OK(test_publish_set(&f, trunk, "s.a", &a, &f.err), &f.err);
  CHECK_OK(create(&f, "x", "main", -1), &f.err);
  shoal_state *x = test_load(&f, "x", -1), *late = test_load(&f, "x", -1);
  CHECK_OK(test_publish_set(&f, x, "s.b", &b, &f.err), &f.err);
  CHECK_OK(create(&f, "y", "x", 1), &f.err);
  CHECK_OK(delete_branch(&f, x), &f.err);
  CHECK_STATUS(shoal_branch_load(f.lake, SHOAL_STR("x"), -1, &gone, &f.err), SHOAL_ENOTFOUND, &f.err);
  assert_non_null(strstr(f.err.message, "deleted"));
  CHECK_STATUS(test_publish_set(&f, late, "s.c", &b, &f.err), SHOAL_ECONFLICT, &f.err); /* a run that was under way */
  shoal_state *y = test_load(&f, "y", -1);
  assert_true(holds(y, "s.b", &b, false));
  CHECK_STATUS(create(&f, "a/b", "main", 7), SHOAL_ENOTFOUND, &f.err);
  CHECK_OK(create(&f, "x", "main", -1), &f.err);
  CHECK_STATUS(create(&f, "x", "main", -1), SHOAL_EEXIST, &f.err);
  shoal_state *again = test_load(&f, "x", -1);
  assert_int_equal(again->publication, 3);
  CHECK_STR(again->branch_id, x->branch_id.ptr);
  assert_int_equal(again->n_entries, 1);
  assert_true(holds(again, "s.a", &a, false));
  CHECK_OK(test_publish_set(&f, again, "s.b", &b, &f.err), &f.err);
  CHECK_STATUS(test_publish_set(&f, late, "s.b", &a, &f.err), SHOAL_ECONFLICT, &f.err);
  shoal_state_free(again);
  shoal_state_free(y);
  shoal_state_free(late);
  shoal_state_free(x);
  shoal_state_free(trunk);
  lake_fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(own_stays_and_the_rest_moves),
                                     cmocka_unit_test(a_deleted_branch_is_gone_and_goes_on_when_made_again)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
