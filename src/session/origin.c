/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where results come from that a plan takes over from the lake. A result's provenance names the branch it was computed
 * on, and all results of one run share it, so this reads one provenance a run and one state a branch. What the branch's
 * head does not hold is looked for in the entries of its log since the result was made; a result that stands in none of
 * them was left by a run that failed, was cancelled, or was held back.
 */
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "session/session.h"

#define MOST_ENTRIES 256 /* of one branch's log: it is only a word to the user */

typedef struct finder {
  shoal_session *s;
  const shoal_plan *plan;
  shoal_arena *arena;
  shoal_origin *out; /* per item */
  bool *done;        /* per item */
} finder;

/* The branch a result was computed on; {NULL,0} where its provenance can't be read. */
static shoal_str branch_of(finder *f, const shoal_result *r) {
  shoal_buf text = {0};
  yyjson_doc *doc = NULL;
  shoal_error ignored;
  shoal_str branch = SHOAL_STR_NONE;
  if (shoal_result_provenance(f->s->lake, r, &text, &ignored) >= 0 &&
      shoal_json_parse(shoal_buf_str(&text), "the provenance", &doc, &ignored) >= 0)
    branch = shoal_arena_str(f->arena, shoal_json_str(yyjson_doc_get_root(doc), "branch"));
  yyjson_doc_free(doc);
  shoal_buf_dispose(&text);
  return branch;
}

static bool same_result(const shoal_result *a, const shoal_result *b) {
  return a->generation == b->generation && shoal_hash_eq(&a->signature, &b->signature);
}

/* Items still open whose result may be on the branch. */
static bool open_on(const finder *f, size_t i, shoal_str branch) {
  return f->plan->items[i].action == SHOAL_ACTION_ADOPT && !f->done[i] && shoal_str_eq(f->out[i].branch, branch);
}

static void found(finder *f, size_t i, int64_t publication) {
  f->out[i].publication = publication;
  f->done[i] = true;
}

/* In the branch's log from `head` down, as long as its entries are not older than the results. */
static void search_log(finder *f, shoal_str branch, int64_t head, int64_t oldest_us) {
  shoal_error ignored;
  for (int64_t n = head, read = 0; n > 0 && read < MOST_ENTRIES; n--, read++) {
    shoal_arena arena = {0};
    shoal_publication p;
    bool more = shoal_publication_read(f->s->lake, branch, n, &arena, &p, &ignored) >= 0 && p.time_us >= oldest_us;
    for (size_t i = 0; more && i < f->plan->n_items; i++)
      for (size_t k = 0; open_on(f, i, branch) && k < p.n_changes; k++)
        if (p.changes[k].kind == SHOAL_CHANGE_SET && same_result(&p.changes[k].result, f->plan->items[i].found))
          found(f, i, p.number);
    shoal_arena_dispose(&arena);
    if (!more)
      break;
  }
}

/* All open items of one branch. */
static void search_branch(finder *f, shoal_str branch) {
  shoal_state *st = NULL;
  shoal_error ignored;
  int64_t oldest = INT64_MAX;
  if (shoal_branch_load(f->s->lake, branch, -1, &st, &ignored) < 0)
    return;
  for (size_t i = 0; i < f->plan->n_items; i++) {
    if (!open_on(f, i, branch))
      continue;
    const shoal_result *r = f->plan->items[i].found;
    const shoal_entry *e = shoal_state_find(st, f->plan->items[i].name);
    if (e && e->local && same_result(&e->result, r))
      found(f, i, e->publication);
    else if (r->made_us < oldest)
      oldest = r->made_us;
  }
  if (oldest < INT64_MAX)
    search_log(f, branch, st->publication, oldest);
  shoal_state_free(st);
}

/* Gives each item the branch its run worked on. */
static shoal_status find_branches(finder *f, shoal_error *err) {
  shoal_map runs = {0};
  shoal_status status = SHOAL_OK;
  for (size_t i = 0; i < f->plan->n_items && status >= 0; i++) {
    const shoal_item *it = &f->plan->items[i];
    if (it->action != SHOAL_ACTION_ADOPT)
      continue;
    uint32_t first = it->found->run.len ? shoal_map_get(&runs, it->found->run) : SHOAL_MAP_NONE;
    f->out[i].run = it->found->run;
    f->out[i].branch = first == SHOAL_MAP_NONE ? branch_of(f, it->found) : f->out[first].branch;
    if (first == SHOAL_MAP_NONE && it->found->run.len)
      status = shoal_map_put(&runs, it->found->run, (uint32_t)i, err);
  }
  shoal_map_dispose(&runs);
  return status;
}

shoal_status shoal_session_origins(shoal_session *s, const shoal_plan *plan, shoal_arena *arena, shoal_origin **out,
                                   shoal_error *err) {
  finder f = {.s = s, .plan = plan, .arena = arena};
  shoal_map searched = {0};
  f.out = *out = SHOAL_NEW_ARRAY(arena, shoal_origin, plan->n_items);
  f.done = SHOAL_NEW_ARRAY(arena, bool, plan->n_items);
  if (!f.out || !f.done)
    return shoal_fail_nomem(err);
  shoal_status status = plan->n_adopt ? find_branches(&f, err) : SHOAL_OK;
  for (size_t i = 0; i < plan->n_items && status >= 0; i++) {
    shoal_str branch = f.out[i].branch;
    if (!branch.ptr || f.done[i] || shoal_map_get(&searched, branch) != SHOAL_MAP_NONE)
      continue;
    status = shoal_map_put(&searched, branch, 1, err);
    search_branch(&f, branch);
  }
  shoal_map_dispose(&searched);
  return status;
}
