/* SPDX-License-Identifier: Apache-2.0 */
/* Building the graph: names first, then references, then the order. */
#include "plan/graph.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

typedef struct builder {
  const shoal_graph_input *in;
  shoal_graph *g;
  shoal_map macro_names;
  SHOAL_VEC(shoal_node) nodes;
} builder;

static shoal_status fail_at(const char *path, int line, int column, size_t length, shoal_error *err) {
  shoal_error_at(err, path, line, column, (int)(length & 0xffff));
  return SHOAL_EINVAL;
}

static shoal_status clash(const shoal_unit *a, const shoal_unit *b, shoal_error *err) {
  (void)shoal_fail(err, SHOAL_EINVAL, "two models are named %.*s: %.*s:%d and %.*s:%d", SHOAL_FMT(b->name),
                   SHOAL_FMT(a->path), a->line, SHOAL_FMT(b->path), b->line);
  shoal_hint(err,
             b->python.ptr ? "give one of them another path" : "rename one of them, or give it a name: in its header");
  return fail_at(b->path.ptr, b->line, 1, 0, err);
}

static shoal_status add_models(builder *b, shoal_error *err) {
  for (size_t i = 0; i < b->in->n_units; i++) {
    const shoal_unit *u = &b->in->units[i];
    uint32_t other = shoal_map_get(&b->g->by_name, u->name);
    if (other != SHOAL_MAP_NONE)
      return clash(b->nodes.ptr[other].unit, u, err);
    shoal_node *n = shoal_vec_add(&b->nodes);
    if (!n)
      return shoal_fail_nomem(err);
    *n = (shoal_node){.kind = SHOAL_NODE_MODEL,
                      .name = u->name,
                      .unit = u,
                      .volatile_why = u->volatile_why,
                      .date_only = u->date_only,
                      .uses = u->uses,
                      .file_key = u->n_files ? (uint32_t)i : UINT32_MAX};
    SHOAL_TRY(shoal_map_put(&b->g->by_name, u->name, (uint32_t)i, err));
  }
  b->g->n_models = (uint32_t)b->in->n_units;
  return SHOAL_OK;
}

static shoal_status add_sources(builder *b, shoal_error *err) {
  for (size_t i = 0; i < b->in->n_sources; i++) {
    const shoal_source *s = &b->in->sources[i];
    uint32_t other = shoal_map_get(&b->g->by_name, s->name);
    if (other != SHOAL_MAP_NONE) {
      const shoal_unit *u = b->nodes.ptr[other].unit;
      (void)shoal_fail(err, SHOAL_EINVAL, "%.*s is named like the source in shoal.yaml:%d", SHOAL_FMT(u->path),
                       s->line);
      shoal_hint(err, "rename the model or the source");
      return fail_at(u->path.ptr, u->line, 1, 0, err);
    }
    shoal_node *n = shoal_vec_add(&b->nodes);
    if (!n)
      return shoal_fail_nomem(err);
    *n = (shoal_node){.kind = SHOAL_NODE_SOURCE, .name = s->name, .source = s, .file_key = (uint32_t)i};
    SHOAL_TRY(shoal_map_put(&b->g->by_name, s->name, (uint32_t)b->nodes.len - 1, err));
  }
  return SHOAL_OK;
}

static ptrdiff_t find_lake_name(const builder *b, shoal_str name) {
  size_t lo = 0, hi = b->in->n_lake_names;
  while (lo < hi) {
    size_t mid = (lo + hi) / 2;
    int c = shoal_str_cmp(b->in->lake_names[mid], name);
    if (c == 0)
      return (ptrdiff_t)mid;
    if (c < 0)
      lo = mid + 1;
    else
      hi = mid;
  }
  return -1;
}

/* The nearest known names, for an error's hint. */
static void hint_nearest(const builder *b, shoal_str name, shoal_error *err) {
  SHOAL_VEC(shoal_str) names = {0};
  bool ok = true;
  for (size_t i = 0; i < b->nodes.len && ok; i++) {
    shoal_str *s = shoal_vec_add(&names);
    ok = s != NULL;
    if (ok)
      *s = b->nodes.ptr[i].name;
  }
  for (size_t i = 0; i < b->in->n_lake_names && ok; i++) {
    shoal_str *s = shoal_vec_add(&names);
    ok = s != NULL;
    if (ok)
      *s = b->in->lake_names[i];
  }
  ptrdiff_t near = shoal_str_nearest(name, names.ptr, names.len);
  for (size_t i = 0; near < 0 && i < names.len; i++) /* the right name in another schema */
    if (shoal_str_eq(shoal_str_sub(names.ptr[i], (size_t)shoal_str_chr(names.ptr[i], '.') + 1, names.ptr[i].len),
                     shoal_str_sub(name, (size_t)(shoal_str_rchr(name, '.') + 1), name.len)))
      near = (ptrdiff_t)i;
  if (near >= 0)
    shoal_hint(err, "did you mean %.*s?", SHOAL_FMT(names.ptr[near]));
  else
    shoal_hint(err, "shoal ls shows the names there are; data files are declared under sources: in shoal.yaml");
  shoal_vec_dispose(&names);
}

/* The node a reference names; adds a lake dataset on first use. */
static shoal_status resolve(builder *b, const char *path, const shoal_unit_ref *ref, uint32_t *out, shoal_error *err) {
  shoal_str name = ref->name;
  if (shoal_str_chr(name, '.') < 0) {
    char *full = shoal_arena_printf(&b->g->arena, "main.%.*s", SHOAL_FMT(name));
    if (!full)
      return shoal_fail_nomem(err);
    name = shoal_str_z(full);
  }
  *out = shoal_map_get(&b->g->by_name, name);
  if (*out != SHOAL_MAP_NONE)
    return SHOAL_OK;
  ptrdiff_t lake = find_lake_name(b, name);
  if (lake < 0) {
    (void)shoal_fail(err, SHOAL_EINVAL, "%s:%d: there is no dataset %.*s", path, ref->line, SHOAL_FMT(ref->name));
    hint_nearest(b, name, err);
    return fail_at(path, ref->line, ref->column, ref->name.len, err);
  }
  shoal_node *n = shoal_vec_add(&b->nodes);
  if (!n)
    return shoal_fail_nomem(err);
  *n = (shoal_node){.kind = SHOAL_NODE_LAKE, .name = b->in->lake_names[lake], .file_key = (uint32_t)lake};
  *out = (uint32_t)b->nodes.len - 1;
  return shoal_map_put(&b->g->by_name, n->name, *out, err);
}

/* The macros a list of function names reaches, transitively, as flags in `seen`. */
static void reach_macros(const builder *b, const shoal_str *functions, size_t n, bool *seen) {
  for (size_t i = 0; i < n; i++) {
    uint32_t m = shoal_map_get(&b->macro_names, functions[i]);
    if (m == SHOAL_MAP_NONE || seen[m])
      continue;
    seen[m] = true;
    reach_macros(b, b->in->macros[m].functions, b->in->macros[m].n_functions, seen);
  }
}

static shoal_status find_macros(builder *b, shoal_node *n, bool *seen, shoal_error *err) {
  size_t count = 0;
  if (b->in->n_macros == 0)
    return SHOAL_OK;
  memset(seen, 0, b->in->n_macros * sizeof *seen);
  reach_macros(b, n->unit->functions, n->unit->n_functions, seen);
  for (size_t i = 0; i < b->in->n_macros; i++)
    count += seen[i];
  n->macros = SHOAL_NEW_ARRAY(&b->g->arena, uint32_t, count);
  if (!n->macros)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < b->in->n_macros; i++)
    if (seen[i]) {
      n->macros[n->n_macros++] = (uint32_t)i;
      const shoal_macro *m = &b->in->macros[i];
      n->uses |= m->uses;
      if (m->volatile_why.ptr && (!n->volatile_why.ptr || n->date_only)) {
        n->volatile_why = m->volatile_why;
        n->date_only = m->date_only;
      }
    }
  return SHOAL_OK;
}

static int compare_edges(const void *a, const void *b) {
  return shoal_str_cmp(((const shoal_edge *)a)->role, ((const shoal_edge *)b)->role);
}

/* Appends an edge unless the role is there already. */
static shoal_status add_edge(builder *b, uint32_t node, size_t *n, const char *path, const shoal_unit_ref *ref,
                             int line, shoal_error *err) {
  shoal_edge *edges = b->nodes.ptr[node].inputs;
  for (size_t i = 0; i < *n; i++)
    if (shoal_str_eq(edges[i].role, ref->name))
      return SHOAL_OK;
  uint32_t parent = 0;
  if (ref->called) { /* of the functions that are called, the project's models come first; others are just code */
    parent = shoal_map_get(&b->g->by_name, ref->name);
    if (parent == SHOAL_MAP_NONE || b->nodes.ptr[parent].kind != SHOAL_NODE_MODEL || parent == node)
      return SHOAL_OK;
  } else {
    SHOAL_TRY(resolve(b, path, ref, &parent, err)); /* may move the nodes, not the edges */
  }
  edges[(*n)++] = (shoal_edge){ref->name, parent, line, ref->called, ref->learned};
  return SHOAL_OK;
}

static shoal_status link_model(builder *b, uint32_t i, bool *seen, shoal_error *err) {
  const shoal_unit *u = b->nodes.ptr[i].unit;
  SHOAL_TRY(find_macros(b, &b->nodes.ptr[i], seen, err));
  const uint32_t *macros = b->nodes.ptr[i].macros;
  uint32_t n_macros = b->nodes.ptr[i].n_macros;
  size_t most = u->n_refs, n = 0;
  for (uint32_t m = 0; m < n_macros; m++)
    most += b->in->macros[macros[m]].n_refs;
  b->nodes.ptr[i].inputs = SHOAL_NEW_ARRAY(&b->g->arena, shoal_edge, most);
  if (!b->nodes.ptr[i].inputs)
    return shoal_fail_nomem(err);
  for (size_t r = 0; r < u->n_refs; r++)
    SHOAL_TRY(add_edge(b, i, &n, u->path.ptr, &u->refs[r], u->refs[r].line, err));
  for (uint32_t m = 0; m < n_macros; m++) {
    const shoal_macro *macro = &b->in->macros[macros[m]];
    for (size_t r = 0; r < macro->n_refs; r++)
      SHOAL_TRY(add_edge(b, i, &n, macro->path.ptr, &macro->refs[r], 0, err));
  }
  if (n)
    qsort(b->nodes.ptr[i].inputs, n, sizeof(shoal_edge), compare_edges);
  b->nodes.ptr[i].n_inputs = (uint32_t)n;
  return SHOAL_OK;
}

static shoal_status link_models(builder *b, shoal_error *err) {
  bool *seen = SHOAL_NEW_ARRAY(&b->g->arena, bool, b->in->n_macros);
  if (!seen)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < b->in->n_macros; i++)
    SHOAL_TRY(shoal_map_put(&b->macro_names, b->in->macros[i].name, (uint32_t)i, err));
  for (uint32_t i = 0; i < b->g->n_models; i++)
    SHOAL_TRY(link_model(b, i, seen, err));
  return SHOAL_OK;
}

static shoal_status fill_children(shoal_graph *g, shoal_error *err) {
  for (uint32_t i = 0; i < g->n_models; i++)
    for (uint32_t e = 0; e < g->nodes[i].n_inputs; e++)
      g->nodes[g->nodes[i].inputs[e].parent].n_children++;
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    g->nodes[i].children = SHOAL_NEW_ARRAY(&g->arena, uint32_t, g->nodes[i].n_children);
    if (!g->nodes[i].children)
      return shoal_fail_nomem(err);
    g->nodes[i].n_children = 0;
  }
  for (uint32_t i = 0; i < g->n_models; i++)
    for (uint32_t e = 0; e < g->nodes[i].n_inputs; e++) {
      shoal_node *p = &g->nodes[g->nodes[i].inputs[e].parent];
      if (p->n_children == 0 || p->children[p->n_children - 1] != i) /* the same parent under two roles */
        p->children[p->n_children++] = i;
    }
  return SHOAL_OK;
}

/* Walks from an unordered node to parents that are unordered too until one repeats: that is a cycle. */
static shoal_status fail_cycle(const shoal_graph *g, const uint32_t *waiting, shoal_error *err) {
  uint32_t at = 0;
  while (waiting[at] == 0)
    at++;
  shoal_buf path = {.max = 600};
  for (uint32_t steps = 0, start = UINT32_MAX; steps < 2 * g->n_models + 2; steps++) {
    if (steps == g->n_models) { /* certainly inside the cycle by now */
      start = at;
      shoal_buf_add(&path, g->nodes[at].name);
    }
    uint32_t e = 0;
    while (g->nodes[g->nodes[at].inputs[e].parent].kind != SHOAL_NODE_MODEL ||
           waiting[g->nodes[at].inputs[e].parent] == 0)
      e++;
    at = g->nodes[at].inputs[e].parent;
    if (start != UINT32_MAX)
      shoal_buf_addf(&path, " reads %.*s", SHOAL_FMT(g->nodes[at].name));
    if (at == start)
      break;
  }
  (void)shoal_fail(err, SHOAL_EINVAL, "a cycle: %s", path.len ? path.ptr : g->nodes[at].name.ptr);
  shoal_hint(err, "one of these models must read something else");
  shoal_error_at(err, g->nodes[at].unit->path.ptr, g->nodes[at].unit->line, 1, 0);
  shoal_buf_dispose(&path);
  return SHOAL_EINVAL;
}

static shoal_status sort_models(shoal_graph *g, shoal_error *err) {
  uint32_t *waiting = SHOAL_NEW_ARRAY(&g->arena, uint32_t, g->n_models), n = 0;
  g->order = SHOAL_NEW_ARRAY(&g->arena, uint32_t, g->n_models);
  if (!waiting || !g->order)
    return shoal_fail_nomem(err);
  for (uint32_t i = 0; i < g->n_models; i++) {
    /* Count distinct model parents, as children lists do. */
    uint32_t parents[64], k = 0, total = 0;
    for (uint32_t e = 0; e < g->nodes[i].n_inputs; e++) {
      uint32_t p = g->nodes[i].inputs[e].parent;
      bool again = false;
      for (uint32_t j = 0; j < k && !again; j++)
        again = parents[j] == p;
      for (uint32_t j = 0; k == 64 && j < e && !again; j++)
        again = g->nodes[i].inputs[j].parent == p;
      if (g->nodes[p].kind == SHOAL_NODE_MODEL && !again) {
        total++;
        if (k < 64)
          parents[k++] = p;
      }
    }
    waiting[i] = total;
    if (total == 0)
      g->order[n++] = i;
  }
  for (uint32_t done = 0; done < n; done++) {
    const shoal_node *p = &g->nodes[g->order[done]];
    for (uint32_t c = 0; c < p->n_children; c++)
      if (--waiting[p->children[c]] == 0)
        g->order[n++] = p->children[c];
  }
  return n == g->n_models ? SHOAL_OK : fail_cycle(g, waiting, err);
}

static shoal_status build(builder *b, shoal_error *err) {
  SHOAL_TRY(add_models(b, err));
  SHOAL_TRY(add_sources(b, err));
  SHOAL_TRY(link_models(b, err));
  shoal_graph *g = b->g;
  g->n_nodes = (uint32_t)b->nodes.len;
  g->nodes = SHOAL_NEW_ARRAY(&g->arena, shoal_node, b->nodes.len);
  if (!g->nodes)
    return shoal_fail_nomem(err);
  if (b->nodes.len)
    memcpy(g->nodes, b->nodes.ptr, b->nodes.len * sizeof *g->nodes);
  SHOAL_TRY(fill_children(g, err));
  return sort_models(g, err);
}

shoal_status shoal_graph_build(const shoal_graph_input *in, shoal_graph **out, shoal_error *err) {
  *out = NULL;
  shoal_graph *g = shoal_calloc(1, sizeof *g);
  if (!g)
    return shoal_fail_nomem(err);
  g->macros = in->macros;
  g->n_macros = in->n_macros;
  builder b = {.in = in, .g = g};
  shoal_status status = build(&b, err);
  shoal_vec_dispose(&b.nodes);
  shoal_map_dispose(&b.macro_names);
  if (status < 0)
    shoal_graph_free(g);
  else
    *out = g;
  return status;
}

void shoal_graph_free(shoal_graph *g) {
  if (!g)
    return;
  shoal_map_dispose(&g->by_name);
  shoal_arena_dispose(&g->arena);
  shoal_free(g);
}

uint32_t shoal_graph_find(const shoal_graph *g, shoal_str name) { return shoal_map_get(&g->by_name, name); }
