/* SPDX-License-Identifier: Apache-2.0 */
/* Selectors: which models a command is about. */
#include "base/mem.h"
#include "base/str.h"
#include "plan/graph.h"

static bool has_tag(const shoal_unit *u, shoal_str tag) {
  for (size_t i = 0; i < u->n_tags; i++)
    if (shoal_str_glob(tag, u->tags[i]))
      return true;
  return false;
}

static bool matches(const shoal_graph *g, uint32_t i, shoal_str sel, const bool *stale) {
  const shoal_node *n = &g->nodes[i];
  if (shoal_str_starts(sel, SHOAL_STR("tag:")))
    return has_tag(n->unit, shoal_str_sub(sel, 4, sel.len));
  if (shoal_str_starts(sel, SHOAL_STR("path:")))
    return shoal_str_glob(shoal_str_sub(sel, 5, sel.len), n->unit->path);
  if (shoal_str_eq(sel, SHOAL_STR("state:stale")))
    return stale && stale[i];
  return shoal_str_glob(sel, n->name) || shoal_str_eq(sel, n->unit->path);
}

void shoal_graph_add_parents(const shoal_graph *g, bool *selected) {
  for (uint32_t k = g->n_models; k-- > 0;) {
    const shoal_node *n = &g->nodes[g->order[k]];
    for (uint32_t e = 0; selected[g->order[k]] && e < n->n_inputs; e++)
      if (g->nodes[n->inputs[e].parent].kind == SHOAL_NODE_MODEL)
        selected[n->inputs[e].parent] = true;
  }
}

static void add_children(const shoal_graph *g, bool *selected) {
  for (uint32_t k = 0; k < g->n_models; k++) {
    const shoal_node *n = &g->nodes[g->order[k]];
    for (uint32_t c = 0; selected[g->order[k]] && c < n->n_children; c++)
      selected[n->children[c]] = true;
  }
}

static shoal_status nothing_matches(const shoal_graph *g, shoal_str sel, shoal_error *err) {
  uint32_t best = UINT32_MAX;
  unsigned distance = (unsigned)(sel.len & 0xff) / 3 + 1;
  for (uint32_t i = 0; i < g->n_models; i++) {
    unsigned d = shoal_str_distance(sel, g->nodes[i].name, distance);
    if (d < distance) {
      distance = d;
      best = i;
    }
  }
  (void)shoal_fail(err, SHOAL_EINVAL, "no model matches '%.*s'", SHOAL_FMT(sel));
  if (best != UINT32_MAX)
    shoal_hint(err, "did you mean %.*s?", SHOAL_FMT(g->nodes[best].name));
  else
    shoal_hint(err,
               "shoal ls shows the models; selectors are names, patterns, +name, name+, tag:x, path:x, state:stale");
  return SHOAL_EINVAL;
}

static shoal_status select_one(const shoal_graph *g, shoal_str sel, const bool *stale, bool *part, shoal_error *err) {
  shoal_str word = sel;
  bool up = shoal_str_starts(word, SHOAL_STR("+")), down = word.len > 1 && shoal_str_ends(word, SHOAL_STR("+"));
  word = shoal_str_sub(word, up, word.len - down);
  bool any = false;
  for (uint32_t i = 0; i < g->n_models; i++)
    any |= part[i] = matches(g, i, word, stale);
  if (!any && !shoal_str_eq(word, SHOAL_STR("state:stale")))
    return nothing_matches(g, word, err);
  if (down)
    add_children(g, part);
  if (up)
    shoal_graph_add_parents(g, part);
  return SHOAL_OK;
}

shoal_status shoal_graph_select(const shoal_graph *g, const shoal_str *selectors, size_t n, const bool *stale,
                                bool *selected, shoal_error *err) {
  for (uint32_t i = 0; i < g->n_nodes; i++)
    selected[i] = n == 0 && i < g->n_models;
  bool *part = n ? shoal_calloc(g->n_nodes, sizeof *part) : NULL;
  if (n && !part)
    return shoal_fail_nomem(err);
  shoal_status status = SHOAL_OK;
  for (size_t s = 0; s < n && status >= 0; s++) {
    memset(part, 0, g->n_nodes * sizeof *part);
    status = select_one(g, selectors[s], stale, part, err);
    for (uint32_t i = 0; i < g->n_models; i++)
      selected[i] |= part[i];
  }
  shoal_free(part);
  return status;
}
