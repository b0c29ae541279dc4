/* SPDX-License-Identifier: Apache-2.0 */
/* look up + plan: one batch of claims for what differs from the branch, then the pure decision. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "session/session.h"

/* Which nodes' results on the branch are marked as condemned. */
static shoal_status find_condemned(shoal_session *s, shoal_error *err) {
  shoal_condemned *marks;
  size_t n;
  SHOAL_TRY(shoal_condemned_list(s->store, &s->arena, &marks, &n, err));
  s->n_condemned = n;
  s->condemned = SHOAL_NEW_ARRAY(&s->arena, bool, s->graph->n_nodes);
  if (!s->condemned)
    return shoal_fail_nomem(err);
  for (uint32_t i = 0; n && i < s->graph->n_models; i++) {
    const shoal_entry *e = shoal_state_find(s->state, s->graph->nodes[i].name);
    for (size_t k = 0; e && k < n && !s->condemned[i]; k++)
      s->condemned[i] =
          marks[k].generation == e->result.generation && shoal_hash_eq(&marks[k].signature, &e->result.signature);
  }
  return SHOAL_OK;
}

static shoal_status look_up(shoal_session *s, shoal_error *err) {
  const shoal_graph *g = s->graph;
  size_t n = 0;
  s->lookup_of = SHOAL_NEW_ARRAY(&s->arena, uint32_t, g->n_nodes);
  s->lookups = SHOAL_NEW_ARRAY(&s->arena, shoal_lookup, g->n_models);
  if (!s->lookup_of || !s->lookups)
    return shoal_fail_nomem(err);
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    s->lookup_of[i] = UINT32_MAX;
    if (i >= g->n_models || (!s->condemned[i] && !shoal_plan_needs_lookup(g, i, s->pinned, s->state)))
      continue;
    s->lookup_of[i] = (uint32_t)n;
    s->lookups[n++] = (shoal_lookup){.signature = g->nodes[i].key};
  }
  return n ? shoal_claims_lookup(s->lake, s->lookups, n, &s->arena, err) : SHOAL_OK;
}

/* For --again, what the branch holds is looked up as well, so that there is something to compare with. */
static shoal_status look_up_again(shoal_session *s, shoal_error *err) {
  const shoal_graph *g = s->graph;
  size_t n = 0;
  for (uint32_t i = 0; i < g->n_models; i++) {
    s->lookup_of[i] = s->selected[i] ? (uint32_t)n : UINT32_MAX;
    if (s->selected[i])
      s->lookups[n++] = (shoal_lookup){.signature = g->nodes[i].key};
  }
  return n ? shoal_claims_lookup(s->lake, s->lookups, n, &s->arena, err) : SHOAL_OK;
}

char *shoal_session_passed_key(shoal_session *s, const shoal_node *n) {
  char a[SHOAL_HASH_HEX + 1], b[SHOAL_HASH_HEX + 1];
  shoal_hash_hex(&n->key, a);
  shoal_hash_hex(&n->unit->expects, b);
  return shoal_arena_printf(&s->arena, "passed:%s:%s", a, b);
}

static shoal_status find_unchecked(shoal_session *s, shoal_error *err) {
  const shoal_graph *g = s->graph;
  s->unchecked = SHOAL_NEW_ARRAY(&s->arena, bool, g->n_nodes);
  if (!s->unchecked)
    return shoal_fail_nomem(err);
  for (uint32_t i = 0; i < g->n_models; i++) {
    if (shoal_hash_zero(&g->nodes[i].unit->expects) || s->pinned[i])
      continue;
    char *key = shoal_session_passed_key(s, &g->nodes[i]);
    if (!key)
      return shoal_fail_nomem(err);
    s->unchecked[i] = !s->index || !shoal_index_view(s->index, shoal_str_z(key)).ptr;
  }
  if (s->index)
    shoal_index_release(s->index);
  return SHOAL_OK;
}

/* Datasets of the branch that this project made and has no model for any more. */
static shoal_status find_removed(shoal_session *s, shoal_error *err) {
  s->n_removed = 0;
  s->removed = SHOAL_NEW_ARRAY(&s->arena, shoal_str, s->state->n_entries);
  if (!s->removed)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < s->state->n_entries; i++) {
    shoal_str name = s->state->entries[i].name, owner;
    uint32_t node = shoal_graph_find(s->graph, name);
    if (node != SHOAL_MAP_NONE && s->graph->nodes[node].kind == SHOAL_NODE_MODEL)
      continue;
    shoal_status status = shoal_dataset_owner(s->lake, name, &s->arena, &owner, err);
    if (status < 0 && status != SHOAL_ENOTFOUND)
      return status;
    if (status >= 0 && shoal_str_eq(owner, s->config.name))
      s->removed[s->n_removed++] = name;
  }
  return SHOAL_OK;
}

/* Leaves so many of the selected models selected that have a result, each as likely as any other. */
static shoal_status draw_sample(shoal_session *s, size_t most, shoal_error *err) {
  const shoal_graph *g = s->graph;
  uint32_t *have = SHOAL_NEW_ARRAY(&s->arena, uint32_t, g->n_models), n = 0;
  if (!have)
    return shoal_fail_nomem(err);
  for (uint32_t i = 0; i < g->n_models; i++) {
    uint32_t l = s->lookup_of[i];
    if (s->selected[i] && !g->nodes[i].moving && !s->pinned[i] && (l == UINT32_MAX || s->lookups[l].found))
      have[n++] = i;
    s->selected[i] = false;
  }
  for (; n && most; most--) {
    uint64_t dice;
    shoal_os_random(&dice, sizeof dice);
    uint32_t k = (uint32_t)(dice % n);
    s->selected[have[k]] = true;
    have[k] = have[--n];
  }
  return SHOAL_OK;
}

shoal_status shoal_session_plan(shoal_session *s, const shoal_plan_options *options, shoal_plan **out,
                                shoal_error *err) {
  *out = NULL;
  SHOAL_TRY(shoal_session_scan(s, err));
  s->selected = SHOAL_NEW_ARRAY(&s->arena, bool, s->graph->n_nodes);
  bool *stale = SHOAL_NEW_ARRAY(&s->arena, bool, s->graph->n_nodes);
  if (!s->selected || !stale)
    return shoal_fail_nomem(err);
  SHOAL_TRY(find_condemned(s, err));
  for (uint32_t i = 0; i < s->graph->n_models; i++)
    stale[i] = s->condemned[i] || shoal_plan_needs_lookup(s->graph, i, s->pinned, s->state);
  SHOAL_TRY(shoal_graph_select(s->graph, options->selectors, options->n_selectors, stale, s->selected, err));
  SHOAL_TRY(look_up(s, err));
  if (options->again)
    SHOAL_TRY(look_up_again(s, err));
  if (options->verify && options->sample)
    SHOAL_TRY(draw_sample(s, options->sample, err));
  SHOAL_TRY(find_unchecked(s, err));
  SHOAL_TRY(find_removed(s, err));
  return shoal_plan_decide(&(shoal_plan_input){.graph = s->graph,
                                               .pinned = s->pinned,
                                               .selected = s->selected,
                                               .state = s->state,
                                               .lookups = s->lookups,
                                               .lookup_of = s->lookup_of,
                                               .condemned = s->condemned,
                                               .unchecked = s->unchecked,
                                               .removed = s->removed,
                                               .n_removed = s->n_removed,
                                               .again = options->again,
                                               .verify = options->verify},
                           out, err);
}

static int compare_entries(const void *a, const void *b) {
  return shoal_str_cmp(((const shoal_entry *)a)->name, ((const shoal_entry *)b)->name);
}

shoal_status shoal_session_latest(shoal_session *s, shoal_state **out, shoal_error *err) {
  shoal_plan *plan = NULL;
  *out = NULL;
  SHOAL_TRY(shoal_session_plan(s, &(shoal_plan_options){0}, &plan, err));
  shoal_state *st = shoal_calloc(1, sizeof *st);
  shoal_entry *entries = SHOAL_NEW_ARRAY(&s->arena, shoal_entry, s->state->n_entries + plan->n_adopt);
  shoal_status status = st && entries ? SHOAL_OK : shoal_fail_nomem(err);
  if (status >= 0) {
    *st = *s->state;
    st->arena = (shoal_arena){0};
    memcpy(entries, s->state->entries, s->state->n_entries * sizeof *entries);
    st->entries = entries;
    for (size_t i = 0; i < plan->n_items; i++) {
      const shoal_item *it = &plan->items[i];
      if (it->action != SHOAL_ACTION_ADOPT)
        continue;
      shoal_entry *e = it->entry ? &entries[it->entry - s->state->entries] : &entries[st->n_entries++];
      e->name = it->name;
      e->result = *it->found;
    }
    qsort(entries, st->n_entries, sizeof *entries, compare_entries);
    *out = st;
  } else {
    shoal_free(st);
  }
  shoal_plan_free(plan);
  return status;
}
