/* SPDX-License-Identifier: Apache-2.0 */
/* Decides for each model, parents first. */
#include "plan/plan.h"

#include "base/mem.h"
#include "base/str.h"

bool shoal_plan_needs_lookup(const shoal_graph *g, uint32_t node, const bool *pinned, const shoal_state *state) {
  const shoal_entry *e = shoal_state_find(state, g->nodes[node].name);
  if (pinned[node] && e)
    return false;
  return !e || e->pinned || !shoal_hash_eq(&e->result.signature, &g->nodes[node].key);
}

/* Whether the item's dataset will have another result than the branch has now. */
static bool changes(const shoal_item *i) {
  return i->action == SHOAL_ACTION_RUN || i->action == SHOAL_ACTION_ADOPT || i->action == SHOAL_ACTION_STALE;
}

/* The first parent that changes, models before sources. */
static uint32_t changed_parent(const shoal_plan_input *in, const shoal_item *by_node, uint32_t node) {
  const shoal_node *n = &in->graph->nodes[node];
  for (uint32_t e = 0; e < n->n_inputs; e++) {
    uint32_t p = n->inputs[e].parent;
    if (in->graph->nodes[p].kind == SHOAL_NODE_MODEL && changes(&by_node[p]))
      return p;
  }
  return UINT32_MAX;
}

static void give_reason(const shoal_plan_input *in, const shoal_item *by_node, shoal_item *it) {
  const shoal_node *n = &in->graph->nodes[it->node];
  it->cause = changed_parent(in, by_node, it->node);
  if (n->moving)
    it->reason = SHOAL_REASON_VOLATILE;
  else if (!it->entry)
    it->reason = SHOAL_REASON_NEW;
  else if (it->entry->pinned)
    it->reason = SHOAL_REASON_RELEASED;
  else
    it->reason = it->cause != UINT32_MAX ? SHOAL_REASON_INPUT : SHOAL_REASON_CHANGED;
}

/* Whether the branch's result is of the right key but must not be served any more. */
static bool is_broken(const shoal_plan_input *in, const shoal_item *it, const shoal_lookup *answer) {
  return in->condemned && in->condemned[it->node] && it->entry && answer &&
         !(answer->found && answer->result.generation == it->entry->result.generation);
}

static void predict(shoal_item *it) {
  const shoal_result *r = it->found ? it->found : it->entry ? &it->entry->result : NULL;
  if (!r)
    return;
  it->predicted = true;
  it->rows = r->rows;
  it->codec = r->codec;
  it->bytes = r->bytes;
  it->wall_us = it->action == SHOAL_ACTION_RUN ? r->wall_us : 0;
}

/* Whether everything the model reads has a result. */
static bool readable(const shoal_plan_input *in, const shoal_item *by_node, uint32_t node) {
  const shoal_node *n = &in->graph->nodes[node];
  for (uint32_t e = 0; e < n->n_inputs; e++) {
    uint32_t p = n->inputs[e].parent;
    if (in->graph->nodes[p].kind == SHOAL_NODE_MODEL && by_node[p].action == SHOAL_ACTION_STALE)
      return false;
  }
  return true;
}

/* For a verification: what is there and can be computed again is; all else stays as it is. */
static void decide_verified(const shoal_plan_input *in, const shoal_item *by_node, const shoal_lookup *answer,
                            shoal_item *it) {
  const shoal_node *n = &in->graph->nodes[it->node];
  bool here = it->entry && shoal_hash_eq(&it->entry->result.signature, &n->key) && !it->entry->pinned;
  it->found = here ? &it->entry->result : answer && answer->found ? &answer->result : NULL;
  it->action = !it->found ? SHOAL_ACTION_STALE : here ? SHOAL_ACTION_REUSE : SHOAL_ACTION_ADOPT;
  if (it->found && in->selected[it->node] && !n->moving && !shoal_hash_zero(&it->found->rows_hash) &&
      readable(in, by_node, it->node)) {
    it->action = SHOAL_ACTION_RUN;
    it->reason = SHOAL_REASON_AGAIN;
    it->generations = it->found->generation;
  }
  predict(it);
}

static void decide_one(const shoal_plan_input *in, const bool *wanted, const shoal_item *by_node, shoal_item *it) {
  const shoal_graph *g = in->graph;
  const shoal_node *n = &g->nodes[it->node];
  it->entry = shoal_state_find(in->state, n->name);
  if (in->pinned[it->node] && it->entry) {
    it->action = SHOAL_ACTION_PINNED;
    predict(it);
    return;
  }
  bool again = in->again && in->selected[it->node];
  uint32_t l = in->lookup_of ? in->lookup_of[it->node] : UINT32_MAX;
  const shoal_lookup *answer = l == UINT32_MAX ? NULL : &in->lookups[l];
  if (in->verify) {
    decide_verified(in, by_node, answer, it);
    return;
  }
  bool broken = is_broken(in, it, answer);
  if (!again && !broken && !shoal_plan_needs_lookup(g, it->node, in->pinned, in->state)) {
    it->action = SHOAL_ACTION_REUSE;
    it->check = wanted[it->node] && in->unchecked && in->unchecked[it->node];
    predict(it);
    return;
  }
  it->generations = answer ? answer->generations : 0;
  if (answer && answer->found)
    it->found = &answer->result;
  it->action = !wanted[it->node] ? SHOAL_ACTION_STALE : it->found && !again ? SHOAL_ACTION_ADOPT : SHOAL_ACTION_RUN;
  it->check = it->action == SHOAL_ACTION_ADOPT && in->unchecked && in->unchecked[it->node];
  give_reason(in, by_node, it);
  if (broken)
    it->reason = SHOAL_REASON_BROKEN;
  if (again && !(it->entry && it->reason != SHOAL_REASON_CHANGED))
    it->reason = SHOAL_REASON_AGAIN;
  predict(it);
}

static void count(shoal_plan *p, const shoal_item *it) {
  switch (it->action) {
  case SHOAL_ACTION_REUSE:
    p->n_reuse++;
    break;
  case SHOAL_ACTION_ADOPT:
    p->n_adopt++;
    break;
  case SHOAL_ACTION_RUN:
    p->n_run++;
    p->bytes += it->bytes;
    p->wall_us += it->wall_us;
    p->unknown |= !it->predicted;
    break;
  case SHOAL_ACTION_PINNED:
    p->n_pinned++;
    break;
  case SHOAL_ACTION_STALE:
    p->n_stale++;
    break;
  case SHOAL_ACTION_REMOVED:
    p->n_removed++;
    break;
  }
  p->n_check += it->check;
}

static shoal_status decide(const shoal_plan_input *in, shoal_plan *p, shoal_error *err) {
  const shoal_graph *g = in->graph;
  bool *wanted = SHOAL_NEW_ARRAY(&p->arena, bool, g->n_nodes);
  shoal_item *by_node = SHOAL_NEW_ARRAY(&p->arena, shoal_item, g->n_models);
  p->items = SHOAL_NEW_ARRAY(&p->arena, shoal_item, g->n_models + in->n_removed);
  if (!wanted || !by_node || !p->items)
    return shoal_fail_nomem(err);
  if (g->n_nodes)
    memcpy(wanted, in->selected, g->n_nodes * sizeof *wanted);
  shoal_graph_add_parents(g, wanted);
  for (uint32_t k = 0; k < g->n_models; k++) {
    shoal_item it = {.node = g->order[k], .name = g->nodes[g->order[k]].name, .cause = UINT32_MAX};
    decide_one(in, wanted, by_node, &it);
    by_node[it.node] = it;
    p->items[p->n_items++] = it;
    count(p, &it);
  }
  for (size_t i = 0; i < in->n_removed; i++) {
    shoal_item it = {.node = UINT32_MAX, .name = in->removed[i], .cause = UINT32_MAX, .action = SHOAL_ACTION_REMOVED};
    it.entry = shoal_state_find(in->state, it.name);
    p->items[p->n_items++] = it;
    count(p, &it);
  }
  return SHOAL_OK;
}

shoal_status shoal_plan_decide(const shoal_plan_input *in, shoal_plan **out, shoal_error *err) {
  *out = NULL;
  shoal_plan *p = shoal_calloc(1, sizeof *p);
  if (!p)
    return shoal_fail_nomem(err);
  p->graph = in->graph;
  p->state = in->state;
  shoal_status status = decide(in, p, err);
  if (status < 0)
    shoal_plan_free(p);
  else
    *out = p;
  return status;
}

void shoal_plan_free(shoal_plan *p) {
  if (!p)
    return;
  shoal_arena_dispose(&p->arena);
  shoal_free(p);
}

bool shoal_plan_empty(const shoal_plan *p) { return p->n_run + p->n_adopt + p->n_check == 0; }
