/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of a form. Tarjan's algorithm gives the strongly connected components with what they reach first (without
 * recursion: a chain of calls may be long). A node that is a component by itself has its key from its body and its
 * targets' keys. Within a cycle no key can come first: the nodes are told apart by refinement, each round hashing what
 * each node sees around it, until no round tells more of them apart; then each key covers the sorted list of them all.
 */
#include "code/form.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"

#define UNSEEN UINT32_MAX

typedef struct node {
  shoal_form_place place;
  shoal_hash body, key;
  bool has_body;
  SHOAL_VEC(shoal_form_edge) edges;
  /* Tarjan's */
  uint32_t index, low;
  uint32_t component; /* UNSEEN as long as it is not known */
  bool on_stack;
} node;

struct shoal_form {
  shoal_arena arena;
  shoal_map identities;
  SHOAL_VEC(node) nodes;
};

shoal_status shoal_form_new(shoal_form **out, shoal_error *err) {
  *out = shoal_calloc(1, sizeof **out);
  return *out ? SHOAL_OK : shoal_fail_nomem(err);
}

void shoal_form_free(shoal_form *f) {
  if (!f)
    return;
  for (size_t i = 0; i < f->nodes.len; i++)
    shoal_vec_dispose(&f->nodes.ptr[i].edges);
  shoal_vec_dispose(&f->nodes);
  shoal_map_dispose(&f->identities);
  shoal_arena_dispose(&f->arena);
  shoal_free(f);
}

static shoal_status copy(shoal_form *f, shoal_str s, shoal_str *out, shoal_error *err) {
  *out = shoal_arena_str(&f->arena, s);
  return s.ptr && !out->ptr ? shoal_fail_nomem(err) : SHOAL_OK;
}

shoal_status shoal_form_node(shoal_form *f, shoal_str identity, const shoal_form_place *place, uint32_t *id,
                             bool *fresh, shoal_error *err) {
  shoal_str own;
  *fresh = false;
  *id = shoal_map_get(&f->identities, identity);
  if (*id != SHOAL_MAP_NONE)
    return SHOAL_OK;
  if (f->nodes.len >= SHOAL_MAX_FORM_NODES)
    return shoal_fail(err, SHOAL_ELIMIT, "the code reaches more than %d functions, classes and values",
                      SHOAL_MAX_FORM_NODES);
  shoal_form_place there = *place;
  SHOAL_TRY(copy(f, place->label, &there.label, err));
  SHOAL_TRY(copy(f, place->path, &there.path, err));
  SHOAL_TRY(copy(f, identity, &own, err));
  node *n = shoal_vec_add(&f->nodes);
  if (!n)
    return shoal_fail_nomem(err);
  n->place = there;
  n->index = n->component = UNSEEN;
  SHOAL_TRY(shoal_map_put(&f->identities, own, (uint32_t)f->nodes.len - 1, err));
  *id = (uint32_t)f->nodes.len - 1;
  *fresh = true;
  return SHOAL_OK;
}

void shoal_form_body(shoal_form *f, uint32_t id, const shoal_hash *body) {
  f->nodes.ptr[id].body = *body;
  f->nodes.ptr[id].has_body = true;
}

shoal_status shoal_form_edge_add(shoal_form *f, uint32_t id, shoal_str kind, shoal_str symbol, uint32_t target,
                                 shoal_error *err) {
  shoal_form_edge edge = {.target = target};
  SHOAL_TRY(copy(f, kind, &edge.kind, err));
  SHOAL_TRY(copy(f, symbol, &edge.symbol, err));
  shoal_form_edge *slot = shoal_vec_add(&f->nodes.ptr[id].edges);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = edge;
  return SHOAL_OK;
}

/* ---- keys ---- */

/* An edge as it is hashed: what it leads to is a key, or within a cycle what is known of the target so far. */
typedef struct view {
  const shoal_form_edge *edge;
  const shoal_hash *target;
  bool inside;
} view;

static int compare_views(const void *a, const void *b) {
  const view *x = a, *y = b;
  int c = shoal_str_cmp(x->edge->kind, y->edge->kind);
  c = c ? c : shoal_str_cmp(x->edge->symbol, y->edge->symbol);
  c = c ? c : (int)x->inside - (int)y->inside;
  return c ? c : memcmp(x->target->b, y->target->b, SHOAL_HASH_BYTES);
}

/* `known` has what is known of each node of the component, by position in it; NULL: nothing yet. */
static void hash_edges(shoal_hasher *h, const shoal_form *f, const node *n, const shoal_hash *known,
                       const uint32_t *position, view *views) {
  static const shoal_hash nothing;
  size_t count = 0;
  for (size_t i = 0; i < n->edges.len; i++) {
    const node *to = &f->nodes.ptr[n->edges.ptr[i].target];
    bool inside = position && to->component == n->component;
    const shoal_hash *target = !inside ? &to->key : known ? &known[position[n->edges.ptr[i].target]] : &nothing;
    views[i] = (view){&n->edges.ptr[i], target, inside};
  }
  qsort(views, n->edges.len, sizeof *views, compare_views);
  for (size_t i = 0; i < n->edges.len; i++)
    count += i == 0 || compare_views(&views[i - 1], &views[i]) != 0;
  shoal_hasher_list(h, count);
  for (size_t i = 0; i < n->edges.len; i++) {
    if (i && compare_views(&views[i - 1], &views[i]) == 0)
      continue;
    shoal_hasher_str(h, views[i].edge->kind);
    shoal_hasher_str(h, views[i].edge->symbol);
    shoal_hasher_u64(h, views[i].inside);
    shoal_hasher_hash(h, views[i].target);
  }
}

static shoal_hash hash_node(const shoal_form *f, const node *n, const char *domain, const shoal_hash *known,
                            const uint32_t *position, view *views) {
  shoal_hasher h;
  shoal_hasher_init(&h, domain);
  shoal_hasher_hash(&h, &n->body);
  hash_edges(&h, f, n, known, position, views);
  return shoal_hasher_end(&h);
}

static int compare_hashes(const void *a, const void *b) { return memcmp(a, b, SHOAL_HASH_BYTES); }

static size_t count_different(const shoal_hash *hashes, shoal_hash *sorted, size_t n) {
  size_t different = n > 0;
  memcpy(sorted, hashes, n * sizeof *hashes);
  qsort(sorted, n, sizeof *sorted, compare_hashes);
  for (size_t i = 1; i < n; i++)
    different += !shoal_hash_eq(&sorted[i - 1], &sorted[i]);
  return different;
}

/* F3. `members` are the nodes of one cycle. */
static shoal_status key_cycle(shoal_form *f, const uint32_t *members, size_t n, uint32_t *position, view *views,
                              shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_hash *known = SHOAL_NEW_ARRAY(&scratch, shoal_hash, n), *next = SHOAL_NEW_ARRAY(&scratch, shoal_hash, n),
             *sorted = SHOAL_NEW_ARRAY(&scratch, shoal_hash, n);
  shoal_status status = known && next && sorted ? SHOAL_OK : shoal_fail_nomem(err);
  size_t told_apart = 0;
  for (size_t i = 0; i < n; i++)
    position[members[i]] = (uint32_t)i;
  for (size_t round = 0; status == SHOAL_OK && round <= n; round++) {
    for (size_t i = 0; i < n; i++)
      next[i] = hash_node(f, &f->nodes.ptr[members[i]], "shoal/1/form/cycle", round ? known : NULL, position, views);
    memcpy(known, next, n * sizeof *known);
    size_t different = count_different(known, sorted, n);
    if (round && different == told_apart)
      break;
    told_apart = different;
  }
  for (size_t i = 0; status == SHOAL_OK && i < n; i++) {
    shoal_hasher h;
    shoal_hasher_init(&h, "shoal/1/form/member");
    shoal_hasher_hash(&h, &known[i]);
    shoal_hasher_list(&h, n);
    for (size_t k = 0; k < n; k++)
      shoal_hasher_hash(&h, &sorted[k]);
    f->nodes.ptr[members[i]].key = shoal_hasher_end(&h);
  }
  shoal_arena_dispose(&scratch);
  return status;
}

static bool is_cycle(const shoal_form *f, const uint32_t *members, size_t n) {
  const node *only = &f->nodes.ptr[members[0]];
  if (n > 1)
    return true;
  for (size_t i = 0; i < only->edges.len; i++)
    if (only->edges.ptr[i].target == members[0])
      return true;
  return false;
}

/* ---- components ---- */

typedef struct frame {
  uint32_t node;
  size_t edge; /* the next one to follow */
} frame;

typedef struct walk {
  shoal_form *f;
  frame *frames;
  uint32_t *stack, *position;
  view *views;
  size_t n_frames, n_stack;
  uint32_t next_index, next_component;
} walk;

static void enter(walk *w, uint32_t id) {
  node *n = &w->f->nodes.ptr[id];
  n->index = n->low = w->next_index++;
  n->on_stack = true;
  w->stack[w->n_stack++] = id;
  w->frames[w->n_frames++] = (frame){id, 0};
}

/* The node's component is complete: it lies on top of the stack. */
static shoal_status close_component(walk *w, uint32_t id, shoal_error *err) {
  size_t first = w->n_stack;
  do {
    node *n = &w->f->nodes.ptr[w->stack[--first]];
    n->on_stack = false;
    n->component = w->next_component;
  } while (w->stack[first] != id);
  const uint32_t *members = &w->stack[first];
  size_t n = w->n_stack - first;
  w->next_component++;
  w->n_stack = first;
  if (is_cycle(w->f, members, n))
    return key_cycle(w->f, members, n, w->position, w->views, err);
  node *only = &w->f->nodes.ptr[id];
  only->key = hash_node(w->f, only, "shoal/1/form/node", NULL, NULL, w->views);
  return SHOAL_OK;
}

static shoal_status step(walk *w, shoal_error *err) {
  frame *top = &w->frames[w->n_frames - 1];
  node *n = &w->f->nodes.ptr[top->node];
  if (top->edge < n->edges.len) {
    uint32_t to = n->edges.ptr[top->edge++].target;
    const node *target = &w->f->nodes.ptr[to];
    if (target->index == UNSEEN)
      enter(w, to);
    else if (target->on_stack && target->index < n->low)
      n->low = target->index;
    return SHOAL_OK;
  }
  w->n_frames--;
  if (w->n_frames) {
    node *caller = &w->f->nodes.ptr[w->frames[w->n_frames - 1].node];
    caller->low = n->low < caller->low ? n->low : caller->low;
  }
  return n->low == n->index ? close_component(w, (uint32_t)(n - w->f->nodes.ptr), err) : SHOAL_OK;
}

static void sort_edges(shoal_form *f, node *n, view *views, shoal_form_edge *sorted) {
  size_t count = 0;
  for (size_t i = 0; i < n->edges.len; i++)
    views[i] = (view){&n->edges.ptr[i], &f->nodes.ptr[n->edges.ptr[i].target].key, false};
  if (n->edges.len)
    qsort(views, n->edges.len, sizeof *views, compare_views);
  for (size_t i = 0; i < n->edges.len; i++)
    if (i == 0 || compare_views(&views[i - 1], &views[i]) != 0)
      sorted[count++] = *views[i].edge;
  if (count)
    memcpy(n->edges.ptr, sorted, count * sizeof *sorted);
  n->edges.len = count;
}

static shoal_status check(const shoal_form *f, size_t *longest, shoal_error *err) {
  *longest = 1;
  for (size_t i = 0; i < f->nodes.len; i++) {
    if (!f->nodes.ptr[i].has_body)
      return shoal_fail(err, SHOAL_EINVAL, "the form of %.*s has no body", SHOAL_FMT(f->nodes.ptr[i].place.label));
    if (f->nodes.ptr[i].edges.len > *longest)
      *longest = f->nodes.ptr[i].edges.len;
  }
  return SHOAL_OK;
}

shoal_status shoal_form_finish(shoal_form *f, shoal_error *err) {
  shoal_arena scratch = {0};
  size_t n = f->nodes.len, longest;
  SHOAL_TRY(check(f, &longest, err));
  walk w = {.f = f,
            .frames = SHOAL_NEW_ARRAY(&scratch, frame, n),
            .stack = SHOAL_NEW_ARRAY(&scratch, uint32_t, n),
            .position = SHOAL_NEW_ARRAY(&scratch, uint32_t, n),
            .views = SHOAL_NEW_ARRAY(&scratch, view, longest)};
  shoal_form_edge *sorted = SHOAL_NEW_ARRAY(&scratch, shoal_form_edge, longest);
  shoal_status status = w.frames && w.stack && w.position && w.views && sorted ? SHOAL_OK : shoal_fail_nomem(err);
  for (uint32_t i = 0; i < n && status == SHOAL_OK; i++) {
    if (f->nodes.ptr[i].index != UNSEEN)
      continue;
    enter(&w, i);
    while (w.n_frames && status == SHOAL_OK)
      status = step(&w, err);
  }
  for (size_t i = 0; i < n && status == SHOAL_OK; i++)
    sort_edges(f, &f->nodes.ptr[i], w.views, sorted);
  shoal_arena_dispose(&scratch);
  return status;
}

/* ---- reading ---- */

size_t shoal_form_size(const shoal_form *f) { return f->nodes.len; }
const shoal_hash *shoal_form_key(const shoal_form *f, uint32_t id) { return &f->nodes.ptr[id].key; }
const shoal_hash *shoal_form_body_of(const shoal_form *f, uint32_t id) { return &f->nodes.ptr[id].body; }
const shoal_form_place *shoal_form_place_of(const shoal_form *f, uint32_t id) { return &f->nodes.ptr[id].place; }
const shoal_form_edge *shoal_form_edges(const shoal_form *f, uint32_t id, size_t *n) {
  *n = f->nodes.ptr[id].edges.len;
  return f->nodes.ptr[id].edges.ptr;
}
