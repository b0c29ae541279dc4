/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random sequences of publishing, branching, pinning, refreshing, loading and projecting against a naive model that
 * keeps every branch's every state in memory. Writers hold stale states, so that publications race; the model says of
 * each one whether it must conflict. Invariants 5, 6 and 8.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "support/lake_support.h"
#include "support/support.h"

enum { DATASETS = 5, RESULTS = 6, BRANCHES = 6, WRITERS = 8, HISTORY = 2000, STEPS = 4000 };

typedef struct cell {
  int result; /* 0: the dataset is not there; else 1 … RESULTS */
  bool pinned, local;
  int64_t publication;
} cell;
typedef struct model_branch {
  char name[32];
  int64_t head;
  cell (*at)[DATASETS]; /* by publication */
} model_branch;
typedef struct model {
  lake_fixture f;
  test_random r;
  char names[DATASETS][16];
  shoal_result results[DATASETS][RESULTS + 1];
  model_branch branches[BRANCHES];
  size_t n_branches;
  shoal_state *states[WRITERS]; /* of branch i % n_branches at some time */
  int64_t steps, conflicts, publications;
} model;

static model_branch *branch_of(model *m, shoal_str name) {
  for (size_t i = 0; i < m->n_branches; i++)
    if (shoal_str_is(name, m->branches[i].name))
      return &m->branches[i];
  fail();
  return NULL;
}

static bool same(const cell *want, const shoal_entry *got, const model *m, size_t d) {
  if (!want->result || !got)
    return !want->result && !got;
  return shoal_str_eq(got->result.attempt, m->results[d][want->result].attempt) && got->pinned == want->pinned &&
         got->local == want->local && got->publication == want->publication;
}

static void check_state(model *m, const shoal_state *s) {
  const model_branch *b = branch_of(m, s->branch);
  size_t there = 0;
  assert_true(s->publication <= b->head);
  for (size_t d = 0; d < DATASETS; d++) {
    const cell *want = &b->at[s->publication][d];
    there += want->result != 0;
    assert_true(same(want, shoal_state_find(s, shoal_str_z(m->names[d])), m, d));
  }
  assert_int_equal(there, s->n_entries);
}

/* ---- publishing ---- */

typedef struct attempt {
  shoal_change changes[2];
  int chosen[2];     /* the result a change sets */
  size_t dataset[2]; /* it changes */
  bool blind[2];     /* it was not read */
  shoal_read reads[4];
  size_t read_dataset[4];
  shoal_publication_draft draft;
} attempt;

static void add_read(attempt *a, model *m, const shoal_state *s, size_t d) {
  shoal_read *r = &a->reads[a->draft.n_reads];
  const shoal_entry *e = shoal_state_find(s, shoal_str_z(m->names[d]));
  *r = (shoal_read){.name = shoal_str_z(m->names[d])};
  if (e) {
    r->signature = e->result.signature;
    r->generation = e->result.generation;
  }
  a->read_dataset[a->draft.n_reads++] = d;
}

static void draw_attempt(model *m, const shoal_state *s, attempt *a) {
  *a = (attempt){0};
  size_t n = 1 + test_random_below(&m->r, 2), first = test_random_below(&m->r, DATASETS);
  for (size_t i = 0; i < n; i++) {
    size_t d = (first + i) % DATASETS;
    a->dataset[i] = d;
    a->chosen[i] = 1 + (int)test_random_below(&m->r, RESULTS);
    a->blind[i] = test_random_below(&m->r, 4) == 0;
    static const shoal_change_kind kinds[] = {SHOAL_CHANGE_SET, SHOAL_CHANGE_SET,    SHOAL_CHANGE_SET,
                                              SHOAL_CHANGE_PIN, SHOAL_CHANGE_REMOVE, SHOAL_CHANGE_UNPIN};
    a->changes[i] = (shoal_change){.kind = kinds[test_random_below(&m->r, 6)],
                                   .name = shoal_str_z(m->names[d]),
                                   .result = m->results[d][a->chosen[i]]};
    if (!a->blind[i])
      add_read(a, m, s, d);
  }
  if (test_random_below(&m->r, 2))
    add_read(a, m, s, (first + 3) % DATASETS);
  a->draft.base = s->publication;
  a->draft.changes = a->changes;
  a->draft.n_changes = n;
  a->draft.reads = a->reads;
  a->draft.kind = "run";
}

/* Somebody has meanwhile set the dataset to just what change i sets: there is nothing to do and nothing to object to.
 */
static bool settled(const model_branch *b, const attempt *a, size_t i) {
  const cell *is = &b->at[b->head][a->dataset[i]];
  return a->changes[i].kind == SHOAL_CHANGE_SET && is->result == a->chosen[i] && is->local && !is->pinned &&
         is->publication > a->draft.base;
}

static bool read_is_settled(const model_branch *b, const attempt *a, size_t d) {
  for (size_t i = 0; i < a->draft.n_changes; i++)
    if (a->dataset[i] == d && settled(b, a, i))
      return true;
  return false;
}

/* What the contract of shoal_publish says of this draft, given the branch's true head. */
static bool must_conflict(const model *m, const model_branch *b, const attempt *a) {
  for (size_t i = 0; i < a->draft.n_reads; i++) {
    size_t d = a->read_dataset[i];
    const cell *was = &b->at[a->draft.base][d], *is = &b->at[b->head][d];
    if (was->result != is->result && !read_is_settled(b, a, d))
      return true;
  }
  for (size_t i = 0; i < a->draft.n_changes; i++) {
    const cell *is = &b->at[b->head][a->dataset[i]];
    bool newer = is->result && is->local && is->publication > a->draft.base;
    if (newer && !settled(b, a, i) && (a->blind[i] || (is->pinned && a->changes[i].kind == SHOAL_CHANGE_SET)))
      return true;
  }
  (void)m;
  return false;
}

static void apply(model_branch *b, const attempt *a) {
  bool skip[sizeof a->dataset / sizeof *a->dataset];
  size_t left = 0;
  for (size_t i = 0; i < a->draft.n_changes; i++) {
    skip[i] = settled(b, a, i);
    left += !skip[i];
  }
  if (left == 0)
    return; /* no publication is needed */
  int64_t n = ++b->head;
  memcpy(b->at[n], b->at[n - 1], sizeof b->at[n]);
  for (size_t i = 0; i < a->draft.n_changes; i++) {
    cell *c = &b->at[n][a->dataset[i]];
    if (skip[i])
      continue;
    switch (a->changes[i].kind) {
    case SHOAL_CHANGE_REMOVE:
      *c = (cell){0};
      break;
    case SHOAL_CHANGE_UNPIN:
      c->pinned = false;
      break;
    case SHOAL_CHANGE_SET:
    case SHOAL_CHANGE_PIN:
      *c = (cell){a->chosen[i], a->changes[i].kind == SHOAL_CHANGE_PIN, true, n};
      break;
    case SHOAL_CHANGE_INHERIT: /* tests/unit/lake_rebase_test.c */
      break;
    }
  }
}

static void publish(model *m, shoal_state *s) {
  attempt a;
  int64_t number;
  model_branch *b = branch_of(m, s->branch);
  if (b->head + 1 >= HISTORY)
    return;
  draw_attempt(m, s, &a);
  bool conflict = must_conflict(m, b, &a);
  CHECK_STATUS(shoal_publish(m->f.lake, s, &a.draft, &number, &m->f.err), conflict ? SHOAL_ECONFLICT : SHOAL_OK,
               &m->f.err);
  if (!conflict) {
    apply(b, &a);
    assert_int_equal(number, b->head);
  }
  assert_int_equal(s->publication, b->head);
  check_state(m, s);
  m->conflicts += conflict;
  m->publications += !conflict;
}

/* ---- the rest ---- */

static void refresh(model *m, shoal_state *s) {
  bool moved, behind = s->publication < branch_of(m, s->branch)->head;
  CHECK_OK(shoal_branch_refresh(m->f.lake, s, &moved, &m->f.err), &m->f.err);
  assert_int_equal(moved, behind);
  assert_int_equal(s->publication, branch_of(m, s->branch)->head);
  check_state(m, s);
}

static void load_some(model *m) {
  model_branch *b = &m->branches[test_random_below(&m->r, m->n_branches)];
  int64_t n = (int64_t)test_random_below(&m->r, (uint64_t)b->head + 1);
  shoal_state *s = test_load(&m->f, b->name, n);
  assert_int_equal(s->publication, n);
  check_state(m, s);
  shoal_state_free(s);
}

static void fork_some(model *m) {
  if (m->n_branches == BRANCHES)
    return;
  model_branch *from = &m->branches[test_random_below(&m->r, m->n_branches)], *b = &m->branches[m->n_branches];
  int64_t n = (int64_t)test_random_below(&m->r, (uint64_t)from->head + 1);
  snprintf(b->name, sizeof b->name, "b/%zu", m->n_branches);
  b->at = calloc(HISTORY, sizeof *b->at);
  memcpy(b->at[0], from->at[n], sizeof b->at[0]);
  for (size_t d = 0; d < DATASETS; d++)
    b->at[0][d].local = false;
  CHECK_OK(shoal_branch_create(m->f.lake, shoal_str_z(b->name), shoal_str_z(from->name), n, &m->f.err), &m->f.err);
  m->n_branches++;
}

/* The files of a table are those of the result the model has for it. */
static void check_table(model *m, const shoal_state *s, size_t d, const cell *want) {
  shoal_buf prefix = {0};
  shoal_delta_snapshot *t = NULL;
  CHECK_OK(shoal_table_prefix(m->f.lake, s->branch, shoal_str_z(m->names[d]), &prefix, &m->f.err), &m->f.err);
  shoal_delta_table table = {.store = m->f.inner, .prefix = shoal_buf_str(&prefix)};
  shoal_status st = shoal_delta_snapshot_open(&table, SHOAL_DELTA_LATEST, &t, &m->f.err);
  bool local = want->result && want->local;
  if (local)
    CHECK_OK(st, &m->f.err);
  else if (st != SHOAL_ENOTFOUND)
    CHECK_OK(st, &m->f.err);
  size_t n = t ? shoal_delta_snapshot_n_files(t) : 0;
  assert_int_equal(n, local ? m->results[d][want->result].n_files : 0);
  for (size_t i = 0; i < n; i++)
    assert_true(shoal_str_find(shoal_delta_snapshot_files(t)[i].path, m->results[d][want->result].attempt) >= 0);
  shoal_delta_snapshot_free(t);
  shoal_buf_dispose(&prefix);
}

static void project(model *m, const shoal_state *s) {
  model_branch *b = branch_of(m, s->branch);
  shoal_projection_report report;
  int64_t mark;
  CHECK_OK(shoal_project(m->f.lake, s, &report, &m->f.err), &m->f.err);
  shoal_projection_report_dispose(&report);
  CHECK_OK(shoal_projected(m->f.lake, s->branch, &mark, &m->f.err), &m->f.err);
  assert_true(mark >= s->publication || b->head == 0);
  if (mark == b->head && s->publication == b->head)
    for (size_t d = 0; d < DATASETS; d++)
      check_table(m, s, d, &b->at[b->head][d]);
}

static void reopen_writer(model *m, size_t w) {
  model_branch *b = &m->branches[test_random_below(&m->r, m->n_branches)];
  shoal_state_free(m->states[w]);
  m->states[w] = test_load(&m->f, b->name, -1);
  assert_int_equal(m->states[w]->publication, b->head);
  check_state(m, m->states[w]);
}

static void step(model *m) {
  size_t w = test_random_below(&m->r, WRITERS);
  switch (test_random_below(&m->r, 16)) {
  case 0:
    fork_some(m);
    break;
  case 1:
    load_some(m);
    break;
  case 2:
    reopen_writer(m, w);
    break;
  case 3:
  case 4:
    refresh(m, m->states[w]);
    break;
  case 5:
  case 6:
    project(m, m->states[w]);
    break;
  default:
    publish(m, m->states[w]);
    break;
  }
}

static void lake_is_like_its_model(void **state) {
  model m = {.f = *state ? lake_fixture_file() : lake_fixture_memory(), .r = test_random_start("lake_model")};
  uint64_t n = 0, steps = test_budget(*state ? STEPS / 10 : STEPS);
  for (size_t d = 0; d < DATASETS; d++) {
    snprintf(m.names[d], sizeof m.names[d], "s.d%zu", d);
    for (size_t i = 1; i <= RESULTS; i++, n++)
      CHECK_OK(test_put_result(&m.f, m.names[d], n, n % 3, &m.results[d][i], &m.f.err), &m.f.err);
  }
  snprintf(m.branches[0].name, sizeof m.branches[0].name, "main");
  m.branches[0].at = calloc(HISTORY, sizeof *m.branches[0].at);
  m.n_branches = 1;
  for (size_t w = 0; w < WRITERS; w++)
    m.states[w] = test_load(&m.f, "main", -1);
  for (uint64_t i = 0; i < steps; i++)
    step(&m);
  fprintf(stderr, "%lld publications, %lld conflicts, %zu branches\n", (long long)m.publications,
          (long long)m.conflicts, m.n_branches);
  assert_true(m.publications > 0);
  for (size_t w = 0; w < WRITERS; w++)
    shoal_state_free(m.states[w]);
  for (size_t b = 0; b < m.n_branches; b++)
    free(m.branches[b].at);
  lake_fixture_close(&m.f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      {"lake_is_like_its_model in memory", lake_is_like_its_model, NULL, NULL, NULL},
      {"lake_is_like_its_model on files", lake_is_like_its_model, NULL, NULL, (void *)""}};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
