/* SPDX-License-Identifier: Apache-2.0 */
/* F1 … F3 of code/form.h: random graphs built in random orders, changed in one place, against naive reachability. */
#include "support/support.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "code/form.h"

enum { MAX_NODES = 24, MAX_EDGES = 60 };

typedef struct graph {
  size_t n, n_edges;
  uint64_t body[MAX_NODES];
  struct {
    unsigned from, to, kind, symbol;
  } edge[MAX_EDGES];
} graph;

static shoal_hash body_hash(uint64_t v) {
  shoal_hasher h;
  shoal_hasher_init(&h, "test");
  shoal_hasher_u64(&h, v);
  return shoal_hasher_end(&h);
}

static void shuffle(test_random *r, unsigned *order, size_t n) {
  for (size_t i = 0; i < n; i++)
    order[i] = (unsigned)i;
  for (size_t i = n; i > 1; i--) {
    size_t k = test_random_below(r, i);
    unsigned t = order[i - 1];
    order[i - 1] = order[k];
    order[k] = t;
  }
}

/* Nodes and edges in an order and under identities of chance. */
static shoal_status build(const graph *g, test_random *r, shoal_hash *keys, shoal_error *err) {
  shoal_form *f;
  uint32_t id[MAX_NODES];
  unsigned order[MAX_NODES], edges[MAX_EDGES];
  char text[32];
  bool fresh;
  shuffle(r, order, g->n);
  shuffle(r, edges, g->n_edges);
  uint64_t salt = test_random_next(r);
  SHOAL_TRY(shoal_form_new(&f, err));
  shoal_status status = SHOAL_OK;
  for (size_t i = 0; i < g->n && status == SHOAL_OK; i++) {
    shoal_str identity = {text, (size_t)snprintf(text, sizeof text, "%llx/%u", (unsigned long long)salt, order[i])};
    status = shoal_form_node(f, identity, &(shoal_form_place){.label = identity, .line = (int)i}, &id[order[i]], &fresh,
                             err);
    if (status == SHOAL_OK) {
      assert_true(fresh);
      shoal_hash body = body_hash(g->body[order[i]]);
      shoal_form_body(f, id[order[i]], &body);
      status = shoal_form_node(f, identity, &(shoal_form_place){0}, &id[order[i]], &fresh, err);
      assert_false(fresh);
    }
  }
  for (size_t i = 0; i < g->n_edges && status == SHOAL_OK; i++) {
    unsigned e = edges[i];
    int n = snprintf(text, sizeof text, "s%u", g->edge[e].symbol);
    for (int twice = 0; twice < 2 && status == SHOAL_OK; twice++)
      status = shoal_form_edge_add(f, id[g->edge[e].from], g->edge[e].kind ? SHOAL_STR("global") : SHOAL_STR("base"),
                                   shoal_str_n(text, (size_t)n), id[g->edge[e].to], err);
  }
  if (status == SHOAL_OK)
    status = shoal_form_finish(f, err);
  for (size_t i = 0; i < g->n && status == SHOAL_OK; i++)
    keys[i] = *shoal_form_key(f, id[i]);
  shoal_form_free(f);
  return status;
}

static graph random_graph(test_random *r) {
  graph g = {.n = 1 + test_random_below(r, MAX_NODES)};
  g.n_edges = test_random_below(r, g.n * 2 + 1 < MAX_EDGES ? g.n * 2 + 1 : MAX_EDGES);
  for (size_t i = 0; i < g.n; i++)
    g.body[i] = test_random_below(r, 3); /* alike, so that structure has to tell them apart */
  for (size_t i = 0; i < g.n_edges; i++) {
    g.edge[i].from = (unsigned)test_random_below(r, g.n);
    g.edge[i].to = (unsigned)test_random_below(r, g.n);
    g.edge[i].kind = (unsigned)test_random_below(r, 2);
    g.edge[i].symbol = (unsigned)i; /* a name stands for one thing */
  }
  return g;
}

static void reach(const graph *g, unsigned from, bool *seen) {
  seen[from] = true;
  for (size_t i = 0; i < g->n_edges; i++)
    if (g->edge[i].from == from && !seen[g->edge[i].to])
      reach(g, g->edge[i].to, seen);
}

static void test_random_graphs(void **state) {
  (void)state;
  test_random r = test_random_start("code/form");
  shoal_error err = {0};
  for (uint64_t round = 0; round < test_budget(2000); round++) {
    graph g = random_graph(&r), changed = g;
    shoal_hash keys[MAX_NODES], again[MAX_NODES];
    CHECK_OK(build(&g, &r, keys, &err), &err);
    CHECK_OK(build(&g, &r, again, &err), &err);
    for (size_t i = 0; i < g.n; i++)
      assert_true(shoal_hash_eq(&keys[i], &again[i])); /* F1 */
    unsigned at = (unsigned)test_random_below(&r, g.n);
    if (g.n_edges && test_random_below(&r, 2)) {
      size_t e = test_random_below(&r, g.n_edges);
      at = g.edge[e].from;
      changed.edge[e].symbol = 1000;
    } else {
      changed.body[at] = 99;
    }
    CHECK_OK(build(&changed, &r, again, &err), &err);
    for (unsigned i = 0; i < g.n; i++) {
      bool seen[MAX_NODES] = {false};
      reach(&g, i, seen);
      assert_int_equal(shoal_hash_eq(&keys[i], &again[i]), !seen[at]); /* F2, F3 */
    }
  }
}

/* f calls g calls f: told apart by their bodies; with equal bodies they are the same code. */
static void test_cycles(void **state) {
  (void)state;
  test_random r = test_random_start("code/form cycles");
  shoal_error err = {0};
  shoal_hash keys[MAX_NODES], other[MAX_NODES];
  graph g = {.n = 2, .n_edges = 2, .body = {1, 2}, .edge = {{0, 1, 1, 7}, {1, 0, 1, 7}}};
  CHECK_OK(build(&g, &r, keys, &err), &err);
  assert_false(shoal_hash_eq(&keys[0], &keys[1]));
  g.body[1] = 1;
  CHECK_OK(build(&g, &r, other, &err), &err);
  assert_true(shoal_hash_eq(&other[0], &other[1]));
  assert_false(shoal_hash_eq(&other[0], &keys[0]));
  graph self = {.n = 1, .n_edges = 1, .body = {1}, .edge = {{0, 0, 1, 7}}}, alone = {.n = 1, .body = {1}};
  CHECK_OK(build(&self, &r, keys, &err), &err);
  CHECK_OK(build(&alone, &r, other, &err), &err);
  assert_false(shoal_hash_eq(&keys[0], &other[0]));
}

/* No recursion: a chain, and one great cycle, of many calls. */
static void test_long(void **state) {
  (void)state;
  enum { LONG = 50000 };
  shoal_error err = {0};
  for (int cycle = 0; cycle < 2; cycle++) {
    shoal_form *f;
    uint32_t id, n = cycle ? 300 : LONG;
    bool fresh;
    CHECK_OK(shoal_form_new(&f, &err), &err);
    for (uint32_t i = 0; i < n; i++) {
      shoal_hash body = body_hash(i);
      CHECK_OK(shoal_form_node(f, shoal_str_n((const char *)&i, sizeof i), &(shoal_form_place){0}, &id, &fresh, &err),
               &err);
      shoal_form_body(f, id, &body);
    }
    for (uint32_t i = 0; i < n; i++)
      if (cycle || i + 1 < n)
        CHECK_OK(shoal_form_edge_add(f, i, SHOAL_STR("global"), SHOAL_STR("next"), (i + 1) % n, &err), &err);
    CHECK_OK(shoal_form_finish(f, &err), &err);
    assert_false(shoal_hash_eq(shoal_form_key(f, 0), shoal_form_key(f, 1)));
    shoal_form_free(f);
  }
}

static void test_no_body(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_form *f;
  uint32_t id;
  bool fresh;
  CHECK_OK(shoal_form_new(&f, &err), &err);
  CHECK_OK(shoal_form_node(f, SHOAL_STR("x"), &(shoal_form_place){.label = SHOAL_STR("m.f")}, &id, &fresh, &err), &err);
  CHECK_STATUS(shoal_form_finish(f, &err), SHOAL_EINVAL, &err);
  assert_non_null(strstr(err.message, "m.f"));
  shoal_form_free(f);
}

static void test_nth_allocation(void **state) {
  (void)state;
  graph g = {.n = 3, .n_edges = 3, .body = {1, 2, 3}, .edge = {{0, 1, 1, 1}, {1, 2, 1, 2}, {2, 1, 1, 3}}};
  for (uint64_t n = 1;; n++) {
    test_random r = {.state = 5};
    shoal_error err = {0};
    shoal_hash keys[MAX_NODES];
    shoal_mem_fail_at(n, 0);
    shoal_status status = build(&g, &r, keys, &err);
    bool over = shoal_mem_requests() < n;
    shoal_mem_fail_at(0, 0);
    CHECK_STATUS(status, over ? SHOAL_OK : SHOAL_ENOMEM, &err);
    if (over)
      break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_graphs), cmocka_unit_test(test_cycles),
                                     cmocka_unit_test(test_long), cmocka_unit_test(test_no_body),
                                     cmocka_unit_test(test_nth_allocation)};
  return cmocka_run_group_tests_name("code/form", tests, NULL, NULL);
}
