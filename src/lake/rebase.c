/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving a branch's base: three states are compared, that of the old base, that of the new one, and the branch's own.
 *
 *  B1 What the branch has set or removed itself is its own and stays.
 *  B2 All else becomes what the new base holds.
 *  B3 The change is spelled out in one entry of the branch's log, so a state is made from that log alone: loading never
 *     reads the new base.
 *
 * A deleted branch's log ends with an entry that removes everything. Made again, the branch goes on in the same log,
 * with the whole of its new base as one such change: no entry's, table's or result's path is ever used a second time.
 */
#include "base/str.h"
#include "lake/object.h"

static bool same(const shoal_entry *a, const shoal_entry *b) {
  if (!a || !b)
    return a == b;
  return a->result.generation == b->result.generation && shoal_hash_eq(&a->result.signature, &b->result.signature) &&
         a->pinned == b->pinned && shoal_hash_eq(&a->pinned_code, &b->pinned_code);
}

static shoal_change inherit(const shoal_entry *e) {
  return (shoal_change){.kind = SHOAL_CHANGE_INHERIT,
                        .name = e->name,
                        .result = e->result,
                        .publication = e->publication,
                        .pinned = e->pinned,
                        .pinned_code = e->pinned_code};
}

typedef struct rebaser {
  const shoal_state *old, *mine, *onto;
  shoal_rebase *out;
} rebaser;

static void one(rebaser *r, shoal_str name) {
  const shoal_entry *was = shoal_state_find(r->old, name), *has = shoal_state_find(r->mine, name),
                    *gets = shoal_state_find(r->onto, name);
  bool own = (has && has->local) || (!has && was); /* set here, or removed here */
  if (same(was, gets) && (own || same(has, gets)))
    return;
  if (own) {
    if (!same(has, gets))
      r->out->both[r->out->n_both++] = name;
    return;
  }
  if (same(has, gets))
    return;
  size_t n = r->out->n_changes++;
  r->out->changes[n] = gets ? inherit(gets) : (shoal_change){.kind = SHOAL_CHANGE_REMOVE, .name = name};
  r->out->reads[n] = (shoal_read){.name = name};
  if (has) {
    r->out->reads[n].signature = has->result.signature;
    r->out->reads[n].generation = has->result.generation;
  }
}

/* Versions of sources that the base has moved on and the branch has not. */
static void move_sources(rebaser *r) {
  for (size_t i = 0; i < r->onto->n_sources; i++) {
    const shoal_source_pin *to = &r->onto->sources[i], *from = NULL, *has = NULL;
    for (size_t k = 0; k < r->old->n_sources; k++)
      if (shoal_str_eq(r->old->sources[k].name, to->name))
        from = &r->old->sources[k];
    for (size_t k = 0; k < r->mine->n_sources; k++)
      if (shoal_str_eq(r->mine->sources[k].name, to->name))
        has = &r->mine->sources[k];
    bool untouched = !has || (from && has->version == from->version && shoal_hash_eq(&has->hash, &from->hash));
    if (untouched)
      r->out->sources[r->out->n_sources++] = *to;
  }
}

/* Every name of the three states, each once. */
static void all_names(rebaser *r) {
  const shoal_state *states[] = {r->old, r->mine, r->onto};
  for (size_t s = 0; s < 3; s++)
    for (size_t i = 0; i < states[s]->n_entries; i++) {
      shoal_str name = states[s]->entries[i].name;
      bool seen = false;
      for (size_t before = 0; before < s && !seen; before++)
        seen = shoal_state_find(states[before], name) != NULL;
      if (!seen)
        one(r, name);
    }
}

shoal_status shoal_branch_rebase(shoal_lake *lake, const shoal_state *mine, const shoal_state *onto, shoal_arena *arena,
                                 shoal_rebase *out, shoal_error *err) {
  shoal_state *old = NULL;
  *out = (shoal_rebase){0};
  if (!mine->fork_branch.ptr)
    return shoal_fail(err, SHOAL_EINVAL, "%.*s is the trunk: it has no base", SHOAL_FMT(mine->branch));
  if (shoal_str_eq(mine->branch, onto->branch))
    return shoal_fail(err, SHOAL_EINVAL, "%.*s can't be its own base", SHOAL_FMT(mine->branch));
  SHOAL_TRY(shoal_branch_load(lake, mine->fork_branch, mine->fork_publication, &old, err));
  size_t most = old->n_entries + mine->n_entries + onto->n_entries;
  out->changes = SHOAL_NEW_ARRAY(arena, shoal_change, most);
  out->reads = SHOAL_NEW_ARRAY(arena, shoal_read, most);
  out->both = SHOAL_NEW_ARRAY(arena, shoal_str, most);
  out->sources = SHOAL_NEW_ARRAY(arena, shoal_source_pin, onto->n_sources);
  shoal_status st = out->changes && out->reads && out->both && out->sources ? SHOAL_OK : shoal_fail_nomem(err);
  if (st == SHOAL_OK) {
    rebaser r = {.old = old, .mine = mine, .onto = onto, .out = out};
    all_names(&r);
    move_sources(&r);
  }
  for (size_t i = 0; i < out->n_changes && st == SHOAL_OK; i++) { /* names of the old base go with it */
    out->changes[i].name = shoal_arena_str(arena, out->changes[i].name);
    out->reads[i].name = out->changes[i].name;
    st = out->changes[i].name.ptr ? SHOAL_OK : shoal_fail_nomem(err);
  }
  for (size_t i = 0; i < out->n_both && st == SHOAL_OK; i++) {
    out->both[i] = shoal_arena_str(arena, out->both[i]);
    st = out->both[i].ptr ? SHOAL_OK : shoal_fail_nomem(err);
  }
  shoal_state_free(old);
  return st;
}

shoal_status shoal_branch_make_again(shoal_lake *lake, shoal_state *deleted, const shoal_branch_head *fork,
                                     int64_t publication, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_state *base = NULL;
  int64_t n;
  shoal_status st = shoal_branch_load(lake, fork->name, publication, &base, err);
  shoal_publication_draft draft = {.kind = "branch",
                                   .base = deleted->publication,
                                   .fork_branch = fork->name,
                                   .fork_id = fork->id,
                                   .fork_publication = publication};
  shoal_change *changes = st == SHOAL_OK ? SHOAL_NEW_ARRAY(&arena, shoal_change, base->n_entries) : NULL;
  if (st == SHOAL_OK && !changes)
    st = shoal_fail_nomem(err);
  if (st == SHOAL_OK) {
    for (size_t i = 0; i < base->n_entries; i++)
      changes[i] = inherit(&base->entries[i]);
    draft.changes = changes;
    draft.n_changes = base->n_entries;
    draft.sources = base->sources;
    draft.n_sources = base->n_sources;
    st = shoal_publish(lake, deleted, &draft, &n, err);
  }
  shoal_state_free(base);
  shoal_arena_dispose(&arena);
  return st;
}
