/* SPDX-License-Identifier: Apache-2.0 */
/* P1 … P4 are those of lake/publish.c. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "support/lake_support.h"
#include "support/support.h"

typedef struct writer {
  shoal_change change;
  shoal_read reads[3];
  shoal_publication_draft draft;
} writer;

/* Sets `dataset`, having read it and `other` as the state shows them. */
static void prepare(lake_fixture *f, writer *w, const shoal_state *s, const char *dataset, uint64_t n,
                    const char *other) {
  const char *names[] = {dataset, other};
  *w = (writer){0};
  w->change = (shoal_change){
      .kind = SHOAL_CHANGE_SET, .name = shoal_str_z(dataset), .result = test_result(&f->arena, dataset, n)};
  for (size_t i = 0; i < 2; i++) {
    const shoal_entry *e = shoal_state_find(s, shoal_str_z(names[i]));
    w->reads[i].name = shoal_str_z(names[i]);
    if (e) {
      w->reads[i].signature = e->result.signature;
      w->reads[i].generation = e->result.generation;
    }
  }
  w->draft = (shoal_publication_draft){.base = s->publication,
                                       .changes = &w->change,
                                       .n_changes = 1,
                                       .reads = w->reads,
                                       .n_reads = 2,
                                       .run = SHOAL_STR("r"),
                                       .writer = SHOAL_STR("anna"),
                                       .message = SHOAL_STR("why \"so\""),
                                       .git_commit = SHOAL_STR("abc"),
                                       .git_branch = SHOAL_STR("main"),
                                       .git_dirty = true,
                                       .kind = "run"};
}

static void disjoint_writers_go_on_top(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_state *a = test_load(&f, "main", -1), *b = test_load(&f, "main", -1);
  writer wa, wb;
  int64_t n;
  prepare(&f, &wa, a, "s.a", 1, "s.x");
  prepare(&f, &wb, b, "s.b", 2, "s.x");
  CHECK_OK(shoal_publish(f.lake, a, &wa.draft, &n, &f.err), &f.err);
  assert_int_equal(n, 1);
  CHECK_OK(shoal_publish(f.lake, b, &wb.draft, &n, &f.err), &f.err);
  assert_int_equal(n, 2);
  assert_int_equal(b->publication, 2);
  assert_int_equal(b->n_entries, 2);
  shoal_state_free(a);
  shoal_state_free(b);
  lake_fixture_close(&f);
}

/* P1: what was read, and what is written, must stand. */
static void moved_reads_and_writes_conflict(void **state) {
  (void)state;
  static const char *const cases[][3] = {{"s.a", "s.a", "s.x"}, {"s.a", "s.b", "s.a"}};
  for (size_t i = 0; i < 2; i++) {
    lake_fixture f = lake_fixture_memory();
    shoal_state *a = test_load(&f, "main", -1), *b = test_load(&f, "main", -1);
    writer wa, wb;
    int64_t n;
    prepare(&f, &wa, a, cases[i][0], 1, "s.y");
    prepare(&f, &wb, b, cases[i][1], 2, cases[i][2]);
    CHECK_OK(shoal_publish(f.lake, a, &wa.draft, &n, &f.err), &f.err);
    CHECK_STATUS(shoal_publish(f.lake, b, &wb.draft, &n, &f.err), SHOAL_ECONFLICT, &f.err);
    assert_non_null(strstr(f.err.message, "s.a"));
    assert_int_equal(b->publication, 1); /* it has learnt what moved */
    prepare(&f, &wb, b, cases[i][1], 2, cases[i][2]);
    CHECK_OK(shoal_publish(f.lake, b, &wb.draft, &n, &f.err), &f.err);
    assert_int_equal(n, 2);
    shoal_state_free(a);
    shoal_state_free(b);
    lake_fixture_close(&f);
  }
}

/* P2 */
static void moved_and_moved_back_is_no_conflict(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_result one = test_result(&f.arena, "s.a", 1), two = test_result(&f.arena, "s.a", 2);
  shoal_state *a = test_load(&f, "main", -1);
  int64_t n;
  CHECK_OK(test_publish_set(&f, a, "s.a", &one, &f.err), &f.err);
  shoal_state *b = test_load(&f, "main", -1);
  writer w;
  prepare(&f, &w, b, "s.b", 3, "s.a");
  CHECK_OK(test_publish_set(&f, a, "s.a", &two, &f.err), &f.err);
  CHECK_OK(test_publish_set(&f, a, "s.a", &one, &f.err), &f.err);
  CHECK_OK(shoal_publish(f.lake, b, &w.draft, &n, &f.err), &f.err);
  assert_int_equal(n, 4);
  shoal_state_free(a);
  shoal_state_free(b);
  lake_fixture_close(&f);
}

/* P2: who computed the same is not at odds, and what is there already is not put again. */
static void the_same_set_meanwhile_is_settled(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_state *a = test_load(&f, "main", -1), *b = test_load(&f, "main", -1), *c = test_load(&f, "main", -1);
  writer wa, wb, wc;
  int64_t n;
  prepare(&f, &wa, a, "s.a", 1, "s.x");
  prepare(&f, &wb, b, "s.a", 1, "s.x");
  CHECK_OK(shoal_publish(f.lake, a, &wa.draft, &n, &f.err), &f.err);
  CHECK_OK(shoal_publish(f.lake, b, &wb.draft, &n, &f.err), &f.err);
  assert_int_equal(n, 1); /* theirs */
  /* One of two changes is there: the entry holds the other alone. */
  prepare(&f, &wc, c, "s.a", 1, "s.b");
  shoal_change both[] = {
      wc.change, {.kind = SHOAL_CHANGE_SET, .name = SHOAL_STR("s.b"), .result = test_result(&f.arena, "s.b", 2)}};
  wc.draft.changes = both;
  wc.draft.n_changes = 2;
  CHECK_OK(shoal_publish(f.lake, c, &wc.draft, &n, &f.err), &f.err);
  assert_int_equal(n, 2);
  shoal_publication p;
  CHECK_OK(shoal_publication_read(f.lake, SHOAL_STR("main"), 2, &f.arena, &p, &f.err), &f.err);
  assert_int_equal(p.n_changes, 1);
  assert_true(shoal_str_is(p.changes[0].name, "s.b"));
  assert_int_equal(c->n_entries, 2);
  shoal_state_free(a);
  shoal_state_free(b);
  shoal_state_free(c);
  lake_fixture_close(&f);
}

static void pin_set_meanwhile_is_not_undone(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_result one = test_result(&f.arena, "s.a", 1);
  shoal_state *a = test_load(&f, "main", -1);
  int64_t n;
  CHECK_OK(test_publish_set(&f, a, "s.a", &one, &f.err), &f.err);
  shoal_state *b = test_load(&f, "main", -1);
  writer w;
  prepare(&f, &w, b, "s.a", 3, "s.x");
  shoal_change pin = {.kind = SHOAL_CHANGE_PIN, .name = SHOAL_STR("s.a"), .result = one};
  shoal_publication_draft draft = {.base = 1, .changes = &pin, .n_changes = 1, .kind = "rollback"};
  CHECK_OK(shoal_publish(f.lake, a, &draft, &n, &f.err), &f.err);
  CHECK_STATUS(shoal_publish(f.lake, b, &w.draft, &n, &f.err), SHOAL_ECONFLICT, &f.err);
  /* Known, it may be replaced. */
  prepare(&f, &w, b, "s.a", 3, "s.x");
  CHECK_OK(shoal_publish(f.lake, b, &w.draft, &n, &f.err), &f.err);
  assert_false(b->entries[0].pinned);
  shoal_change unpin = {.kind = SHOAL_CHANGE_UNPIN, .name = SHOAL_STR("s.a")};
  pin.pinned_code = test_hash(9);
  draft.base = b->publication;
  CHECK_OK(shoal_publish(f.lake, b, &draft, &n, &f.err), &f.err);
  assert_true(b->entries[0].pinned);
  draft.changes = &unpin;
  draft.base = b->publication;
  CHECK_OK(shoal_publish(f.lake, b, &draft, &n, &f.err), &f.err);
  assert_false(b->entries[0].pinned);
  assert_true(shoal_hash_eq(&b->entries[0].result.signature, &one.signature));
  shoal_state_free(a);
  shoal_state_free(b);
  lake_fixture_close(&f);
}

static void entry_is_read_back(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_state *s = test_load(&f, "main", -1);
  writer w;
  int64_t n;
  shoal_source_pin source = {SHOAL_STR("src.a"), SHOAL_STR("id"), 3, test_hash(8)};
  prepare(&f, &w, s, "s.a", 1, "s.x");
  w.draft.sources = &source;
  w.draft.n_sources = 1;
  CHECK_OK(shoal_publish(f.lake, s, &w.draft, &n, &f.err), &f.err);
  shoal_publication p;
  CHECK_OK(shoal_publication_read(f.lake, SHOAL_STR("main"), 1, &f.arena, &p, &f.err), &f.err);
  assert_int_equal(p.number, 1);
  CHECK_STR(p.branch, "main");
  CHECK_STR(p.kind, "run");
  CHECK_STR(p.message, "why \"so\"");
  CHECK_STR(p.git_commit, "abc");
  assert_true(p.git_dirty && p.n_changes == 1 && p.n_sources == 1);
  CHECK_STR(p.changes[0].name, "s.a");
  CHECK_STR(p.changes[0].result.home, "s/a");
  assert_int_equal(p.sources[0].version, 3);
  assert_int_equal(p.time_us, s->published_us);
  CHECK_OK(shoal_publication_read(f.lake, SHOAL_STR("main"), 0, &f.arena, &p, &f.err), &f.err);
  CHECK_STR(p.kind, "branch");
  CHECK_STATUS(shoal_publication_read(f.lake, SHOAL_STR("main"), 2, &f.arena, &p, &f.err), SHOAL_ENOTFOUND, &f.err);
  test_overwrite(&f, "_shoal/branches/main/00000000000000000001.json", "{\"format\":1,\"number\":1}");
  CHECK_STATUS(shoal_publication_read(f.lake, SHOAL_STR("main"), 1, &f.arena, &p, &f.err), SHOAL_ECORRUPT, &f.err);
  test_overwrite(&f, "_shoal/branches/main/00000000000000000001.json", "{\"format\":9}");
  CHECK_STATUS(shoal_publication_read(f.lake, SHOAL_STR("main"), 1, &f.arena, &p, &f.err), SHOAL_EUNSUPPORTED, &f.err);
  shoal_state_free(s);
  lake_fixture_close(&f);
}

/* P3: a put whose answer was lost is not published twice. */
static void lost_answer_is_our_own(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_state *s = test_load(&f, "main", -1);
  shoal_result r = test_result(&f.arena, "s.a", 1);
  shoal_store_faulty_at(f.store, 1, SHOAL_FAULT_AFTER, false);
  CHECK_OK(test_publish_set(&f, s, "s.a", &r, &f.err), &f.err);
  assert_int_equal(s->publication, 1);
  assert_int_equal(test_object(&f, "_shoal/branches/main/00000000000000000002.json").len, 0);
  shoal_state_free(s);
  lake_fixture_close(&f);
}

/* Invariant 5 between processes: all publications are there, in a log without holes. */
static void processes_publish_at_once(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_file();
  enum { N = 5, EACH = 10 };
  pid_t pids[N];
  for (int i = 0; i < N; i++) {
    pids[i] = fork();
    assert_true(pids[i] >= 0);
    if (pids[i] > 0)
      continue;
    shoal_state *s = NULL;
    char *name = shoal_arena_printf(&f.arena, "s.t%d", i);
    bool ok = shoal_branch_load(f.lake, SHOAL_STR("main"), -1, &s, &f.err) == SHOAL_OK;
    for (uint64_t n = 0; n < EACH && ok; n++) {
      shoal_result r = test_result(&f.arena, name, (uint64_t)i * 1000 + n);
      ok = test_publish_set(&f, s, name, &r, &f.err) == SHOAL_OK;
    }
    _exit(ok ? 0 : 1);
  }
  for (int i = 0; i < N; i++) {
    int status;
    assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
    assert_int_equal(status, 0);
  }
  shoal_state *s = test_load(&f, "main", -1);
  assert_int_equal(s->publication, N * EACH);
  assert_int_equal(s->n_entries, N);
  int64_t last = 0;
  for (int64_t n = 1; n <= N * EACH; n++) { /* P4 */
    shoal_publication p;
    CHECK_OK(shoal_publication_read(f.lake, SHOAL_STR("main"), n, &f.arena, &p, &f.err), &f.err);
    assert_true(p.time_us >= last);
    last = p.time_us;
  }
  shoal_state_free(s);
  lake_fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(disjoint_writers_go_on_top),
                                     cmocka_unit_test(moved_reads_and_writes_conflict),
                                     cmocka_unit_test(moved_and_moved_back_is_no_conflict),
                                     cmocka_unit_test(the_same_set_meanwhile_is_settled),
                                     cmocka_unit_test(pin_set_meanwhile_is_not_undone),
                                     cmocka_unit_test(entry_is_read_back),
                                     cmocka_unit_test(lost_answer_is_our_own),
                                     cmocka_unit_test(processes_publish_at_once)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
