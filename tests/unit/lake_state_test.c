/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "lake/object.h"
#include "support/lake_support.h"
#include "support/support.h"

static void publish_many(lake_fixture *f, shoal_state *s, uint64_t from, uint64_t to) {
  for (uint64_t i = from; i <= to; i++) {
    char *name = shoal_arena_printf(&f->arena, "s.t%llu", (unsigned long long)(i % 7));
    shoal_result r = test_result(&f->arena, name, i);
    CHECK_OK(test_publish_set(f, s, name, &r, &f->err), &f->err);
  }
}

static char *text_of(lake_fixture *f, const shoal_state *s) {
  shoal_buf buf = {0};
  CHECK_OK(shoal_state_encode(s, &buf, &f->err), &f->err);
  char *copy = shoal_arena_cstr(&f->arena, shoal_buf_str(&buf));
  shoal_buf_dispose(&buf);
  return copy;
}

static void text_and_back(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_state *s = test_load(&f, "main", -1), *back;
  publish_many(&f, s, 1, 9);
  shoal_result elsewhere = test_result(&f.arena, "other.name", 50);
  shoal_change pin = {
      .kind = SHOAL_CHANGE_PIN, .name = SHOAL_STR("s.t3"), .result = elsewhere, .pinned_code = test_hash(77)};
  shoal_source_pin sources[] = {{SHOAL_STR("src.b"), SHOAL_STR("uuid"), 4, test_hash(5)},
                                {SHOAL_STR("src.a"), SHOAL_STR_NONE, -1, test_hash(6)}};
  shoal_publication_draft draft = {
      .base = 9, .changes = &pin, .n_changes = 1, .sources = sources, .n_sources = 2, .kind = "rollback"};
  int64_t n;
  CHECK_OK(shoal_publish(f.lake, s, &draft, &n, &f.err), &f.err);
  char *text = text_of(&f, s);
  CHECK_OK(shoal_state_decode(shoal_str_z(text), "here", &back, &f.err), &f.err);
  assert_string_equal(text_of(&f, back), text);
  const shoal_entry *e = shoal_state_find(back, SHOAL_STR("s.t3"));
  assert_true(e && e->pinned && e->local && shoal_hash_eq(&e->pinned_code, &draft.changes->pinned_code));
  CHECK_STR(e->result.home, "other/name");
  CHECK_STR(e->result.dataset, "other.name");
  assert_int_equal(e->publication, 10);
  CHECK_STR(back->sources[0].name, "src.a");
  assert_int_equal(back->sources[0].version, -1);
  CHECK_STR(back->sources[1].table_id, "uuid");
  assert_null(shoal_state_find(back, SHOAL_STR("s.none")));
  shoal_state_free(back);
  for (size_t cut = 0; cut < strlen(text) - 2; cut += 97)
    CHECK_STATUS(shoal_state_decode(shoal_str_n(text, cut), "here", &back, &f.err), SHOAL_ECORRUPT, &f.err);
  shoal_state_free(s);
  lake_fixture_close(&f);
}

/* The local caches' form: the same state, and whatever is broken or foreign is refused. */
static void packed_and_back(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_state *s = test_load(&f, "main", -1), *back;
  publish_many(&f, s, 1, 9);
  char *text = text_of(&f, s);
  CHECK_OK(shoal_state_copy(s, &back, &f.err), &f.err);
  CHECK_STR(shoal_str_z(text_of(&f, back)), text);
  shoal_buf b = {0}, again = {0};
  CHECK_OK(shoal_state_pack(s, &b, &f.err), &f.err);
  CHECK_OK(shoal_state_pack(back, &again, &f.err), &f.err);
  assert_true(shoal_str_eq(shoal_buf_str(&b), shoal_buf_str(&again)));
  shoal_state_free(back);
  for (size_t cut = 0; cut < b.len; cut += cut < 300 ? 1 : 37)
    CHECK_STATUS(shoal_state_unpack(shoal_str_n(b.ptr, cut), &back, &f.err), SHOAL_ECORRUPT, &f.err);
  shoal_buf_addc(&b, 'x');
  CHECK_STATUS(shoal_state_unpack(shoal_buf_str(&b), &back, &f.err), SHOAL_ECORRUPT, &f.err);
  b.len--;
  b.ptr[0]++; /* the form's number */
  CHECK_STATUS(shoal_state_unpack(shoal_buf_str(&b), &back, &f.err), SHOAL_ECORRUPT, &f.err);
  shoal_buf_dispose(&b);
  shoal_buf_dispose(&again);
  shoal_state_free(s);
  lake_fixture_close(&f);
}

/* The same state with every checkpoint, with some, and with none. */
static void checkpoints_are_only_short_cuts(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_state *s = test_load(&f, "main", -1), *t;
  publish_many(&f, s, 1, 2 * SHOAL_CHECKPOINT_EVERY + 5);
  char *want = text_of(&f, s);
  static const char *const checkpoints[] = {NULL, "_shoal/branches/main/00000000000000000128.checkpoint.json",
                                            "_shoal/branches/main/00000000000000000064.checkpoint.json"};
  for (size_t i = 0; i < 3; i++) {
    if (checkpoints[i]) {
      assert_non_null(test_object(&f, checkpoints[i]).ptr);
      CHECK_OK(shoal_store_del(f.inner, shoal_str_z(checkpoints[i]), &f.err), &f.err);
    }
    t = test_load(&f, "main", -1);
    assert_string_equal(text_of(&f, t), want);
    shoal_state_free(t);
    t = test_load(&f, "main", SHOAL_CHECKPOINT_EVERY + 1);
    assert_int_equal(t->publication, SHOAL_CHECKPOINT_EVERY + 1);
    assert_int_equal(shoal_state_find(t, SHOAL_STR("s.t2"))->result.rows, 65);
    shoal_state_free(t);
  }
  shoal_state_free(s);
  lake_fixture_close(&f);
}

/* Invariant 10: one get when nothing is new. */
static void refresh_reads_only_what_is_new(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_state *a = test_load(&f, "main", -1), *b = test_load(&f, "main", -1);
  bool moved;
  publish_many(&f, a, 1, 3);
  shoal_store_faulty_at(f.store, 0, SHOAL_FAULT_NONE, false);
  CHECK_OK(shoal_branch_refresh(f.lake, b, &moved, &f.err), &f.err);
  assert_true(moved);
  assert_int_equal(shoal_store_faulty_calls(f.store), 4);
  assert_string_equal(text_of(&f, b), text_of(&f, a));
  shoal_store_faulty_at(f.store, 0, SHOAL_FAULT_NONE, false);
  CHECK_OK(shoal_branch_refresh(f.lake, b, &moved, &f.err), &f.err);
  assert_false(moved);
  assert_int_equal(shoal_store_faulty_calls(f.store), 1);
  /* A failure in the midst moves nothing. */
  publish_many(&f, a, 4, 6);
  char *before = text_of(&f, b);
  shoal_store_faulty_at(f.store, 2, SHOAL_FAULT_BEFORE, false);
  CHECK_STATUS(shoal_branch_refresh(f.lake, b, &moved, &f.err), SHOAL_EIO, &f.err);
  assert_string_equal(text_of(&f, b), before);
  CHECK_OK(shoal_branch_refresh(f.lake, b, &moved, &f.err), &f.err);
  assert_string_equal(text_of(&f, b), text_of(&f, a));
  shoal_state_free(a);
  shoal_state_free(b);
  lake_fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(packed_and_back), cmocka_unit_test(text_and_back),
                                     cmocka_unit_test(checkpoints_are_only_short_cuts),
                                     cmocka_unit_test(refresh_reads_only_what_is_new)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
