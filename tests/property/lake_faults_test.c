/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every n-th call of the store fails, once or from then on, before or after it did its work; every n-th request for
 * memory fails. Whatever happens, the lake stays readable, what was acknowledged stays, and doing it again completes it
 * (invariants 4, 5, 7).
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "support/lake_support.h"
#include "support/support.h"

typedef struct scene {
  lake_fixture f;
  shoal_state *s;
  shoal_result r;
} scene;

typedef struct operation {
  const char *name;
  shoal_status (*run)(scene *c, shoal_error *err); /* again and again, until it succeeds */
  void (*check)(scene *c, bool done);              /* done: the operation was acknowledged */
} operation;

/* A lake with a branch of two datasets, projected; the branch is what is worked on when `forked`. */
static scene open_scene(bool files, bool forked) {
  scene c = {.f = files ? lake_fixture_file() : lake_fixture_memory()};
  shoal_projection_report report;
  shoal_state *trunk = test_load(&c.f, "main", -1);
  CHECK_OK(test_put_result(&c.f, "s.a", 1, 2, &c.r, &c.f.err), &c.f.err);
  CHECK_OK(test_publish_set(&c.f, trunk, "s.a", &c.r, &c.f.err), &c.f.err);
  CHECK_OK(shoal_project(c.f.lake, trunk, &report, &c.f.err), &c.f.err);
  shoal_projection_report_dispose(&report);
  if (forked)
    CHECK_OK(shoal_branch_create(c.f.lake, SHOAL_STR("x"), SHOAL_STR("main"), -1, &c.f.err), &c.f.err);
  shoal_state_free(trunk);
  c.s = test_load(&c.f, forked ? "x" : "main", -1);
  CHECK_OK(test_put_result(&c.f, "s.a", 2, 2, &c.r, &c.f.err), &c.f.err);
  return c;
}
static void close_scene(scene *c) {
  shoal_state_free(c->s);
  lake_fixture_close(&c->f);
}

/* ---- what is done, and what must hold after it ---- */

static shoal_status run_put(scene *c, shoal_error *err) {
  shoal_result r;
  return test_put_result(&c->f, "s.b", 3, 2, &r, err);
}
static void check_put(scene *c, bool done) {
  shoal_lookup look = {.signature = test_hash(3)};
  CHECK_OK(shoal_claims_lookup(c->f.lake, &look, 1, &c->f.arena, &c->f.err), &c->f.err);
  assert_true(look.found || !done);
  bool complete = true; /* whatever a claim names is there (invariant 4) */
  if (look.found)
    CHECK_OK(shoal_result_complete(c->f.lake, &look.result, &complete, &c->f.err), &c->f.err);
  assert_true(complete);
}

static shoal_status run_put_object(scene *c, shoal_error *err) {
  shoal_result r;
  return test_put_object(&c->f, "s.b", 3, "[1,2]", &r, err);
}
static void check_put_object(scene *c, bool done) {
  shoal_buf bytes = {0};
  shoal_lookup look = {.signature = test_hash(3)};
  CHECK_OK(shoal_claims_lookup(c->f.lake, &look, 1, &c->f.arena, &c->f.err), &c->f.err);
  assert_true(look.found || !done);
  if (look.found) { /* whatever a claim names is there, byte for byte */
    CHECK_OK(shoal_result_payload(c->f.lake, &look.result, &bytes, &c->f.err), &c->f.err);
    CHECK_STR(shoal_buf_str(&bytes), "[1,2]");
  }
  shoal_buf_dispose(&bytes);
}

static shoal_status run_trace(scene *c, shoal_error *err) {
  shoal_hash key = test_hash(4);
  shoal_str names[] = {SHOAL_STR("s.a"), SHOAL_STR("s.b")};
  return shoal_trace_put(c->f.lake, &key, &(shoal_trace){names, 2}, err);
}
static void check_trace(scene *c, bool done) {
  shoal_trace *traces;
  size_t n;
  shoal_hash key = test_hash(4);
  CHECK_OK(shoal_traces_read(c->f.lake, &key, &c->f.arena, &traces, &n, &c->f.err), &c->f.err);
  assert_true(n == 1 || (n == 0 && !done)); /* never twice */
}

/* As a run would: look whether it is done, then do it. */
static shoal_status run_publish(scene *c, shoal_error *err) {
  bool moved;
  SHOAL_TRY(shoal_branch_refresh(c->f.lake, c->s, &moved, err));
  const shoal_entry *e = shoal_state_find(c->s, SHOAL_STR("s.a"));
  if (e && shoal_hash_eq(&e->result.signature, &c->r.signature))
    return SHOAL_OK;
  return test_publish_set(&c->f, c->s, "s.a", &c->r, err);
}
static void check_publish(scene *c, bool done) {
  shoal_state *s = test_load(&c->f, c->s->branch.ptr, -1);
  const shoal_entry *e = shoal_state_find(s, SHOAL_STR("s.a"));
  bool there = e && shoal_hash_eq(&e->result.signature, &c->r.signature);
  assert_true(there || !done);
  assert_true(s->publication <= (s->fork_branch.ptr ? 1 : 2)); /* at most one is new */
  shoal_state_free(s);
}

static shoal_status run_project(scene *c, shoal_error *err) {
  shoal_projection_report report = {0};
  SHOAL_TRY(run_publish(c, err));
  shoal_status st = shoal_project(c->f.lake, c->s, &report, err);
  shoal_projection_report_dispose(&report);
  return st;
}
static void check_project(scene *c, bool done) {
  shoal_buf prefix = {0};
  shoal_delta_snapshot *t = NULL;
  int64_t mark;
  check_publish(c, done);
  CHECK_OK(shoal_table_prefix(c->f.lake, c->s->branch, SHOAL_STR("s.a"), &prefix, &c->f.err), &c->f.err);
  shoal_delta_table table = {.store = c->f.inner, .prefix = shoal_buf_str(&prefix)};
  shoal_status st = shoal_delta_snapshot_open(&table, SHOAL_DELTA_LATEST, &t, &c->f.err);
  if (done || st != SHOAL_ENOTFOUND)
    CHECK_OK(st, &c->f.err);
  bool is_new = t && shoal_delta_snapshot_n_files(t) == 2 &&
                shoal_str_find(shoal_delta_snapshot_files(t)[0].path, c->r.attempt) >= 0;
  assert_true(is_new || !done);
  assert_true(!t || shoal_delta_snapshot_n_files(t) == 2); /* the old result or the new one, whole */
  CHECK_OK(shoal_projected(c->f.lake, c->s->branch, &mark, &c->f.err), &c->f.err);
  assert_true(is_new || mark < c->s->publication || c->s->publication < 1 || !done);
  shoal_delta_snapshot_free(t);
  shoal_buf_dispose(&prefix);
}

static const operation operations[] = {
    {"put a result", run_put, check_put},    {"put an object", run_put_object, check_put_object},
    {"put a trace", run_trace, check_trace}, {"publish", run_publish, check_publish},
    {"project", run_project, check_project},
};

/* ---- the store fails ---- */

/* False when the operation makes fewer than n calls. */
static bool fault_at(const operation *op, bool files, bool forked, uint64_t n, shoal_fault fault, bool sticky) {
  scene c = open_scene(files, forked);
  shoal_error err = {0};
  shoal_store_faulty_at(c.f.store, n, fault, sticky);
  shoal_status st = op->run(&c, &err);
  bool fired = shoal_store_faulty_calls(c.f.store) >= n;
  shoal_store_faulty_at(c.f.store, 0, SHOAL_FAULT_NONE, false);
  if (st < 0 && st != SHOAL_EIO && st != SHOAL_ESPACE) {
    fprintf(stderr, "%s: call %llu, fault %d: %s: %s\n", op->name, (unsigned long long)n, fault, shoal_status_name(st),
            err.message);
    fail();
  }
  op->check(&c, st == SHOAL_OK);
  CHECK_OK(op->run(&c, &c.f.err), &c.f.err);
  op->check(&c, true);
  close_scene(&c);
  return fired;
}

static void every_call_fails(bool files, bool forked) {
  static const shoal_fault faults[] = {SHOAL_FAULT_BEFORE, SHOAL_FAULT_AFTER, SHOAL_FAULT_SPACE};
  for (size_t o = 0; o < sizeof operations / sizeof *operations; o++)
    for (size_t k = 0; k < 3; k++)
      for (int sticky = 0; sticky < 2; sticky++)
        for (uint64_t n = 1; fault_at(&operations[o], files, forked, n, faults[k], sticky); n++)
          assert_true(n < 1000);
}
static void every_call_fails_on_the_trunk(void **state) { every_call_fails(*state != NULL, false); }
static void every_call_fails_on_a_branch(void **state) { every_call_fails(*state != NULL, true); }

/* ---- memory runs out ---- */

static void every_allocation_fails(void **state) {
  (void)state;
  for (size_t o = 0; o < sizeof operations / sizeof *operations; o++) {
    bool fired = true;
    for (uint64_t n = 1; fired; n++) {
      scene c = open_scene(false, true);
      shoal_error err = {0};
      /* The fixture's arena grows now, so that it is not what fails. */
      assert_non_null(shoal_arena_alloc(&c.f.arena, 1 << 16));
      shoal_mem_fail_at(n, 0);
      shoal_status st = operations[o].run(&c, &err);
      fired = shoal_mem_requests() >= n;
      shoal_mem_fail_at(0, 0);
      if (st < 0)
        CHECK_STATUS(st, SHOAL_ENOMEM, &err);
      operations[o].check(&c, st == SHOAL_OK);
      CHECK_OK(operations[o].run(&c, &c.f.err), &c.f.err);
      operations[o].check(&c, true);
      close_scene(&c);
      assert_true(n < 5000);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      {"every_call_fails_on_the_trunk in memory", every_call_fails_on_the_trunk, NULL, NULL, NULL},
      {"every_call_fails_on_the_trunk on files", every_call_fails_on_the_trunk, NULL, NULL, (void *)""},
      {"every_call_fails_on_a_branch in memory", every_call_fails_on_a_branch, NULL, NULL, NULL},
      {"every_call_fails_on_a_branch on files", every_call_fails_on_a_branch, NULL, NULL, (void *)""},
      cmocka_unit_test(every_allocation_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
