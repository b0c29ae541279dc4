/* SPDX-License-Identifier: Apache-2.0 */
/* The graph, signatures, selectors and decisions: pure, so everything is made by hand here. */
#include "support/support.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "plan/plan.h"

#define MAX 8
typedef struct project {
  shoal_unit units[MAX];
  shoal_unit_ref refs[MAX][MAX];
  char paths[MAX][64];
  size_t n;
} project;

/* add(&p, "a.b", "x.y", "z", NULL) */
static void add(project *p, const char *name, ...) {
  va_list ap;
  shoal_unit *u = &p->units[p->n];
  snprintf(p->paths[p->n], sizeof p->paths[0], "models/%s.sql", name);
  *u = (shoal_unit){.name = shoal_str_z(name), .path = shoal_str_z(p->paths[p->n]), .refs = p->refs[p->n]};
  u->canon = shoal_hash_bytes(shoal_str_z(name));
  va_start(ap, name);
  for (const char *r; (r = va_arg(ap, const char *));)
    u->refs[u->n_refs++] = (shoal_unit_ref){.name = shoal_str_z(r), .line = 3, .column = 5};
  va_end(ap);
  p->n++;
}

static shoal_status build(const project *p, shoal_graph **g, shoal_error *err) {
  static const shoal_source sources[] = {{.name = {"raw.x", 5}, .line = 4}};
  return shoal_graph_build(&(shoal_graph_input){.units = p->units, .n_units = p->n, .sources = sources, .n_sources = 1},
                           g, err);
}

static shoal_hash source_key = {{7}};
static shoal_status sign(shoal_graph *g, bool *pinned, const shoal_pin_key *pins, size_t n_pins, shoal_error *err) {
  static const shoal_hash none[MAX];
  return shoal_graph_sign(
      g, &(shoal_sign_input){.source_keys = &source_key, .unit_file_keys = none, .pins = pins, .n_pins = n_pins},
      pinned, err);
}

static void parents_come_first(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_graph *g;
  project p = {.n = 0};
  add(&p, "gold.c", "silver.b", "a", NULL);
  add(&p, "main.a", "raw.x", NULL);
  add(&p, "silver.b", "a", "raw.x", NULL);
  CHECK_OK(build(&p, &g, &err), &err);
  assert_int_equal(g->n_models, 3);
  assert_int_equal(g->order[0], 1);
  assert_int_equal(g->order[1], 2);
  assert_int_equal(g->order[2], 0);
  shoal_graph_free(g);
}

static void mistakes_name_their_place(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_graph *g;
  project p = {.n = 0};
  add(&p, "silver.orders", "raw.xx", NULL);
  CHECK_STATUS(build(&p, &g, &err), SHOAL_EINVAL, &err);
  assert_non_null(strstr(err.message, "models/silver.orders.sql:3"));
  assert_non_null(strstr(err.hint, "raw.x"));
  p = (project){.n = 0};
  add(&p, "a.a", "b.b", NULL);
  add(&p, "b.b", "c.c", NULL);
  add(&p, "c.c", "a.a", NULL);
  CHECK_STATUS(build(&p, &g, &err), SHOAL_EINVAL, &err);
  assert_non_null(strstr(err.message, "a.a reads b.b reads c.c reads a.a"));
  p = (project){.n = 0};
  add(&p, "a.a", "a.a", NULL);
  CHECK_STATUS(build(&p, &g, &err), SHOAL_EINVAL, &err);
  assert_non_null(strstr(err.message, "a.a reads a.a"));
  p = (project){.n = 0};
  add(&p, "a.a", NULL);
  add(&p, "a.a", NULL);
  CHECK_STATUS(build(&p, &g, &err), SHOAL_EINVAL, &err);
  assert_non_null(strstr(err.message, "two models are named a.a"));
  p = (project){.n = 0};
  add(&p, "raw.x", NULL);
  CHECK_STATUS(build(&p, &g, &err), SHOAL_EINVAL, &err);
  assert_non_null(strstr(err.message, "shoal.yaml:4"));
}

static shoal_hash key_of(project *p, const char *name) {
  shoal_error err = {0};
  shoal_graph *g;
  bool pinned[MAX * 2];
  CHECK_OK(build(p, &g, &err), &err);
  CHECK_OK(sign(g, pinned, NULL, 0, &err), &err);
  shoal_hash h = g->nodes[shoal_graph_find(g, shoal_str_z(name))].key;
  shoal_graph_free(g);
  return h;
}

static void keys_change_with_what_they_rest_on_and_nothing_else(void **state) {
  (void)state;
  project p = {.n = 0};
  add(&p, "a.a", "raw.x", NULL);
  add(&p, "b.b", "a.a", NULL);
  add(&p, "c.c", "raw.x", NULL);
  shoal_hash b = key_of(&p, "b.b"), c = key_of(&p, "c.c");
  p.units[0].canon.b[0] ^= 1;
  shoal_hash b2 = key_of(&p, "b.b"), c2 = key_of(&p, "c.c");
  assert_false(shoal_hash_eq(&b, &b2));
  assert_true(shoal_hash_eq(&c, &c2));
  source_key.b[1] ^= 1;
  shoal_hash c3 = key_of(&p, "c.c");
  assert_false(shoal_hash_eq(&c2, &c3));
  p.units[2].layout.b[0] ^= 1;
  shoal_hash c4 = key_of(&p, "c.c");
  assert_false(shoal_hash_eq(&c3, &c4));
  shoal_str path = p.units[2].path; /* moving a file changes no key */
  p.units[2].path = SHOAL_STR("models/elsewhere.sql");
  shoal_hash c5 = key_of(&p, "c.c");
  assert_true(shoal_hash_eq(&c4, &c5));
  p.units[2].path = path;
}

static void a_variable_that_is_read_must_be_set(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_graph *g;
  bool pinned[MAX * 2];
  shoal_str var = SHOAL_STR("start");
  project p = {.n = 0};
  add(&p, "a.a", NULL);
  p.units[0].variables = &var;
  p.units[0].n_variables = 1;
  CHECK_OK(build(&p, &g, &err), &err);
  CHECK_STATUS(sign(g, pinned, NULL, 0, &err), SHOAL_EINVAL, &err);
  assert_non_null(strstr(err.message, "start"));
  shoal_graph_free(g);
}

static void selectors(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_graph *g;
  bool on[MAX * 2];
  project p = {.n = 0};
  add(&p, "a.a", "raw.x", NULL);
  add(&p, "b.b", "a.a", NULL);
  add(&p, "c.c", "b.b", NULL);
  add(&p, "c.d", "raw.x", NULL);
  CHECK_OK(build(&p, &g, &err), &err);
  static const struct {
    const char *sel;
    const char *want;
  } cases[] = {{"b.b", "0100"},   {"+b.b", "1100"}, {"b.b+", "0110"},
               {"+b.b+", "1110"}, {"c.*", "0011"},  {"path:models/a*", "1000"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_str sel = shoal_str_z(cases[i].sel);
    CHECK_OK(shoal_graph_select(g, &sel, 1, NULL, on, &err), &err);
    for (int k = 0; k < 4; k++)
      assert_int_equal(on[k], cases[i].want[k] == '1');
  }
  shoal_str bad = SHOAL_STR("b.c");
  CHECK_STATUS(shoal_graph_select(g, &bad, 1, NULL, on, &err), SHOAL_EINVAL, &err);
  assert_non_null(strstr(err.hint, "b.b"));
  shoal_graph_free(g);
}

static shoal_plan *decide(shoal_graph *g, shoal_state *st, const char *selector, const shoal_pin_key *pins,
                          size_t n_pins) {
  shoal_error err = {0};
  static bool pinned[MAX * 2], on[MAX * 2];
  shoal_plan *plan;
  CHECK_OK(sign(g, pinned, pins, n_pins, &err), &err);
  shoal_str sel = shoal_str_z(selector);
  CHECK_OK(shoal_graph_select(g, &sel, selector ? 1 : 0, NULL, on, &err), &err);
  CHECK_OK(
      shoal_plan_decide(&(shoal_plan_input){.graph = g, .pinned = pinned, .selected = on, .state = st}, &plan, &err),
      &err);
  return plan;
}

static void what_is_not_selected_stays_and_shows_as_stale(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_graph *g;
  project p = {.n = 0};
  shoal_entry entries[3] = {{.name = {"a.a", 3}}, {.name = {"b.b", 3}}, {.name = {"c.c", 3}}};
  shoal_state st = {.entries = entries, .n_entries = 3};
  add(&p, "a.a", "raw.x", NULL);
  add(&p, "b.b", "a.a", NULL);
  add(&p, "c.c", "raw.x", NULL);
  CHECK_OK(build(&p, &g, &err), &err);
  shoal_plan *plan = decide(g, &st, NULL, NULL, 0);
  assert_int_equal(plan->n_run, 3);
  shoal_plan_free(plan);
  for (int i = 0; i < 3; i++)
    entries[i].result.signature = g->nodes[i].key;
  plan = decide(g, &st, NULL, NULL, 0);
  assert_true(shoal_plan_empty(plan));
  assert_int_equal(plan->n_reuse, 3);
  shoal_plan_free(plan);
  entries[0].result.signature.b[0] ^= 1; /* as if a.a had been edited */
  entries[1].result.signature.b[0] ^= 1;
  plan = decide(g, &st, "a.a", NULL, 0);
  assert_int_equal(plan->n_run, 1);
  assert_int_equal(plan->n_stale, 1);
  assert_int_equal(plan->items[0].reason, SHOAL_REASON_CHANGED);
  shoal_plan_free(plan);
  plan = decide(g, &st, "b.b", NULL, 0); /* the parent it needs runs as well */
  assert_int_equal(plan->n_run, 2);
  shoal_plan_free(plan);
  shoal_graph_free(g);
}

static void a_pin_holds_until_its_code_changes(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_graph *g;
  project p = {.n = 0};
  shoal_entry entries[2] = {{.name = {"a.a", 3}, .pinned = true}, {.name = {"b.b", 3}}};
  shoal_state st = {.entries = entries, .n_entries = 2};
  add(&p, "a.a", "raw.x", NULL);
  add(&p, "b.b", "a.a", NULL);
  CHECK_OK(build(&p, &g, &err), &err);
  shoal_plan_free(decide(g, &st, NULL, NULL, 0));
  shoal_hash unpinned = g->nodes[1].key;
  shoal_pin_key pin = {.name = {"a.a", 3}, .code = g->nodes[0].code, .key = {{9}}};
  entries[0].result.signature = pin.key;
  shoal_plan *plan = decide(g, &st, NULL, &pin, 1);
  assert_int_equal(plan->n_pinned, 1);
  assert_int_equal(plan->n_run, 1); /* the child is keyed on the pinned result */
  assert_false(shoal_hash_eq(&unpinned, &g->nodes[1].key));
  shoal_plan_free(plan);
  pin.code.b[0] ^= 1;
  plan = decide(g, &st, NULL, &pin, 1);
  assert_int_equal(plan->n_pinned, 0);
  assert_int_equal(plan->items[0].reason, SHOAL_REASON_RELEASED);
  assert_true(shoal_hash_eq(&unpinned, &g->nodes[1].key));
  shoal_plan_free(plan);
  shoal_graph_free(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parents_come_first),
      cmocka_unit_test(mistakes_name_their_place),
      cmocka_unit_test(keys_change_with_what_they_rest_on_and_nothing_else),
      cmocka_unit_test(a_variable_that_is_read_must_be_set),
      cmocka_unit_test(selectors),
      cmocka_unit_test(what_is_not_selected_stays_and_shows_as_stale),
      cmocka_unit_test(a_pin_holds_until_its_code_changes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
