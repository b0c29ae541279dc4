/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler and the pool over the null engine and a lake in memory: random graphs, any number of workers. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "run/run.h"

#define MOST 60

typedef struct world {
  shoal_store *store;
  shoal_lake *lake;
  shoal_state *state;
  shoal_unit units[MOST];
  shoal_unit_ref refs[MOST][3];
  char names[MOST][32], paths[MOST][48];
  size_t n;
  shoal_graph *graph;
  bool *pinned, *selected;
  shoal_plan *plan;
  shoal_arena arena;
  const char *fails; /* the model whose preparation fails */
  size_t prepared;
  bool parents_missing; /* a task was prepared before a parent had its result */
} world;

static void add_unit(world *w, test_random *r) {
  size_t i = w->n++;
  snprintf(w->names[i], sizeof w->names[i], "s.m%zu", i);
  snprintf(w->paths[i], sizeof w->paths[i], "models/s/m%zu.sql", i);
  shoal_unit *u = &w->units[i];
  *u = (shoal_unit){.name = shoal_str_z(w->names[i]), .path = shoal_str_z(w->paths[i]), .refs = w->refs[i]};
  u->canon = shoal_hash_bytes(u->name);
  for (size_t k = 0; k < 2 && i > 0; k++)
    u->refs[u->n_refs++] =
        (shoal_unit_ref){.name = shoal_str_z(w->names[test_random_below(r, i)]), .line = 1, .column = 1};
}

static void plan_again(world *w, shoal_error *err) {
  static const shoal_hash none[MOST];
  shoal_plan_free(w->plan);
  CHECK_OK(shoal_graph_sign(w->graph, &(shoal_sign_input){.unit_file_keys = none}, w->pinned, err), err);
  CHECK_OK(shoal_graph_select(w->graph, NULL, 0, NULL, w->selected, err), err);
  shoal_lookup *lookups = SHOAL_NEW_ARRAY(&w->arena, shoal_lookup, w->n);
  uint32_t *lookup_of = SHOAL_NEW_ARRAY(&w->arena, uint32_t, w->graph->n_nodes);
  for (uint32_t i = 0; i < w->n; i++) {
    lookups[i].signature = w->graph->nodes[i].key;
    lookup_of[i] = i;
  }
  CHECK_OK(shoal_claims_lookup(w->lake, lookups, w->n, &w->arena, err), err);
  shoal_plan_input in = {.graph = w->graph,
                         .pinned = w->pinned,
                         .selected = w->selected,
                         .state = w->state,
                         .lookups = lookups,
                         .lookup_of = lookup_of};
  CHECK_OK(shoal_plan_decide(&in, &w->plan, err), err);
}

static void open_world(world *w, test_random *r, size_t n, shoal_error *err) {
  memset(w, 0, sizeof *w);
  CHECK_OK(shoal_store_open_memory(&w->store, err), err);
  CHECK_OK(shoal_lake_create(w->store, &(shoal_lake_options){0}, &w->lake, err), err);
  CHECK_OK(shoal_branch_create(w->lake, SHOAL_STR("main"), SHOAL_STR_NONE, 0, err), err);
  CHECK_OK(shoal_branch_load(w->lake, SHOAL_STR("main"), -1, &w->state, err), err);
  for (size_t i = 0; i < n; i++)
    add_unit(w, r);
  CHECK_OK(shoal_graph_build(&(shoal_graph_input){.units = w->units, .n_units = n}, &w->graph, err), err);
  w->pinned = SHOAL_NEW_ARRAY(&w->arena, bool, w->graph->n_nodes);
  w->selected = SHOAL_NEW_ARRAY(&w->arena, bool, w->graph->n_nodes);
  plan_again(w, err);
}

static void close_world(world *w) {
  shoal_plan_free(w->plan);
  shoal_graph_free(w->graph);
  shoal_state_free(w->state);
  shoal_lake_free(w->lake);
  shoal_store_free(w->store);
  shoal_arena_dispose(&w->arena);
}

static shoal_status prepare(void *arg, const shoal_item *item, const shoal_result *const *results, shoal_task *t,
                            shoal_error *err) {
  world *w = arg;
  const shoal_node *n = &w->graph->nodes[item->node];
  w->prepared++;
  if (w->fails && shoal_str_is(n->name, w->fails))
    return shoal_fail(err, SHOAL_EENGINE, "%s fails", w->fails);
  for (uint32_t e = 0; e < n->n_inputs; e++)
    w->parents_missing |= results[n->inputs[e].parent] == NULL;
  char *sql = shoal_arena_printf(&t->arena, "select %.*s", SHOAL_FMT(n->name));
  t->model = (shoal_model){.name = n->name, .path = n->unit->path, .sql = shoal_str_z(sql), .first_line = 1};
  t->provenance = SHOAL_STR("{}");
  return SHOAL_OK;
}
static shoal_status open_null(void *arg, shoal_engine **out, shoal_error *err) {
  (void)arg;
  return shoal_engine_open_null(out, err);
}

static shoal_run_input input_of(world *w, unsigned workers) {
  return (shoal_run_input){.lake = w->lake,
                           .plan = w->plan,
                           .workers = workers,
                           .who = SHOAL_STR("t@t"),
                           .prepare = prepare,
                           .open_engine = open_null,
                           .arg = w};
}

static void every_model_is_computed_once_after_its_parents(void **state) {
  (void)state;
  shoal_error err = {0};
  test_random r = test_random_start("every_model_is_computed_once_after_its_parents");
  for (unsigned workers = 0; workers <= 4; workers++) {
    world w;
    shoal_run_report report;
    open_world(&w, &r, 1 + test_random_below(&r, MOST), &err);
    shoal_run_input in = input_of(&w, workers);
    CHECK_OK(shoal_run_execute(&in, &report, &err), &err);
    assert_int_equal(report.n_computed, w.n);
    assert_int_equal(w.prepared, w.n);
    assert_false(w.parents_missing);
    shoal_run_report_dispose(&report);
    plan_again(&w, &err); /* a second plan finds every result */
    assert_int_equal(w.plan->n_run, 0);
    assert_int_equal(w.plan->n_adopt, w.n);
    close_world(&w);
  }
}

static void what_a_failure_blocks_is_counted_and_the_rest_is_kept(void **state) {
  (void)state;
  shoal_error err = {0};
  test_random r = test_random_start("what_a_failure_blocks");
  for (unsigned workers = 0; workers <= 3; workers++) {
    world w;
    shoal_run_report report;
    open_world(&w, &r, MOST, &err);
    w.fails = "s.m3";
    shoal_run_input in = input_of(&w, workers);
    in.keep_going = true;
    CHECK_OK(shoal_run_execute(&in, &report, &err), &err);
    assert_int_equal(report.n_failed, 1);
    assert_int_equal(report.n_computed + report.n_blocked + report.n_failed, MOST);
    assert_int_equal(report.n_left, 0);
    bool below[MOST] = {0};
    below[3] = true;
    size_t n = 0;
    for (size_t i = 4; i < MOST; i++) { /* parents have lower numbers */
      for (size_t k = 0; k < w.units[i].n_refs; k++)
        below[i] |= below[(
            shoal_str_sub(w.units[i].refs[k].name, 3, 9).len ? strtoul(w.units[i].refs[k].name.ptr + 3, NULL, 10) : 0)];
      n += below[i];
    }
    assert_int_equal(report.n_blocked, n);
    shoal_run_report_dispose(&report);
    close_world(&w);
  }
}

static void two_runs_at_once_compute_each_signature_once(void **state) {
  (void)state;
  shoal_error err = {0};
  test_random r = test_random_start("two_runs_at_once");
  world w;
  shoal_run_report one, two;
  open_world(&w, &r, MOST, &err);
  shoal_run_input in = input_of(&w, 3);
  CHECK_OK(shoal_run_execute(&in, &one, &err), &err);
  CHECK_OK(shoal_run_execute(&in, &two, &err), &err); /* the same stale plan: the claims answer */
  assert_int_equal(one.n_computed, MOST);
  assert_int_equal(two.n_computed, 0);
  assert_int_equal(two.n_found, MOST);
  shoal_run_report_dispose(&one);
  shoal_run_report_dispose(&two);
  close_world(&w);
}

static void cancel(void *arg, const shoal_event *e) {
  if (e->kind == SHOAL_EVENT_FINISHED && e->done == 5)
    atomic_store(&((shoal_cancel *)arg)->requested, 1);
}

static void a_cancel_leaves_the_rest_undone(void **state) {
  (void)state;
  shoal_error err = {0};
  test_random r = test_random_start("a_cancel");
  for (unsigned workers = 0; workers <= 3; workers++) {
    world w;
    shoal_run_report report;
    shoal_cancel c = {0};
    open_world(&w, &r, MOST, &err);
    shoal_run_input in = input_of(&w, workers);
    in.cancel = &c;
    in.listener = (shoal_listener){cancel, &c};
    CHECK_OK(shoal_run_execute(&in, &report, &err), &err);
    assert_true(report.cancelled);
    assert_true(report.n_computed >= 5 && report.n_computed <= 5 + 2 * (workers ? workers : 1));
    assert_int_equal(report.n_computed + report.n_left + report.n_failed + report.n_blocked, MOST);
    shoal_run_report_dispose(&report);
    plan_again(&w, &err);
    in = input_of(&w, workers);
    CHECK_OK(shoal_run_execute(&in, &report, &err), &err); /* the next run finishes the job */
    assert_int_equal(report.n_computed, w.plan->n_run);
    shoal_run_report_dispose(&report);
    close_world(&w);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_model_is_computed_once_after_its_parents),
      cmocka_unit_test(what_a_failure_blocks_is_counted_and_the_rest_is_kept),
      cmocka_unit_test(two_runs_at_once_compute_each_signature_once),
      cmocka_unit_test(a_cancel_leaves_the_rest_undone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
