/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which datasets Python models were seen to load under names that their code does not tell: as runs of this session
 * saw it, as the index remembers it, or as traces in the lake say. They are planned with like those that are written
 * there. Only names: a wrong one costs a computation, never a wrong result, since the keys of what was read count.
 */
#include "base/codec.h"
#include "base/mem.h"
#include "base/str.h"
#include "run/learn.h"
#include "session/session.h"

#define LEARNED_KEY SHOAL_STR("learned")

static shoal_str key_str(const shoal_hash *key) { return shoal_str_n((const char *)key->b, sizeof key->b); }

static shoal_hash key_of(const shoal_unit *u) { return shoal_learned_key(&u->canon, &u->arguments, u->python); }

static shoal_known_reads *known(const shoal_session *s, const shoal_unit *u) {
  shoal_hash key = key_of(u);
  uint32_t i = shoal_map_get(&s->learned.by_key, key_str(&key));
  return i == SHOAL_MAP_NONE ? NULL : s->learned.all.ptr[i];
}

/* What is known of a model from here on; the record is the session's. */
static shoal_status add_record(shoal_session *s, const shoal_hash *key, shoal_known_reads **out, shoal_error *err) {
  shoal_known_reads *r = SHOAL_NEW(&s->arena, shoal_known_reads);
  shoal_known_reads **slot = shoal_vec_add(&s->learned.all);
  if (!r || !slot)
    return shoal_fail_nomem(err);
  r->key = *key;
  *out = *slot = r;
  return shoal_map_put(&s->learned.by_key, key_str(&r->key), (uint32_t)s->learned.all.len - 1, err);
}

static bool has(const shoal_str *names, size_t n, shoal_str name) {
  for (size_t i = 0; i < n; i++)
    if (shoal_str_eq(names[i], name))
      return true;
  return false;
}

/* Sets, or with `more` joins. */
static shoal_status set_names(shoal_session *s, shoal_known_reads *r, const shoal_str *names, size_t n, bool more,
                              shoal_error *err) {
  size_t old = more ? r->n : 0;
  shoal_str *all = SHOAL_NEW_ARRAY(&s->arena, shoal_str, old + n);
  if (!all)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < old; i++)
    all[i] = r->names[i];
  r->n = old;
  r->names = all;
  for (size_t i = 0; i < n; i++) {
    if (has(all, r->n, names[i]))
      continue;
    all[r->n] = shoal_arena_str(&s->arena, names[i]);
    if (!all[r->n++].ptr)
      return shoal_fail_nomem(err);
  }
  return SHOAL_OK;
}

/* ---- the index ---- */

static shoal_status recall(shoal_session *s, shoal_error *err) {
  if (s->learned.recalled || !s->index)
    return SHOAL_OK;
  s->learned.recalled = true;
  shoal_decoder d = {.rest = shoal_arena_str(&s->arena, shoal_index_view(s->index, LEARNED_KEY))};
  shoal_index_release(s->index);
  shoal_status status = SHOAL_OK;
  uint32_t n = d.rest.ptr ? shoal_take_count(&d, sizeof(shoal_hash)) : 0;
  for (uint32_t i = 0; i < n && status >= 0 && !d.failed; i++) {
    shoal_known_reads *r = NULL;
    shoal_hash key = shoal_take_hash(&d);
    uint32_t n_names = shoal_take_count(&d, 4);
    status = add_record(s, &key, &r, err);
    for (uint32_t k = 0; k < n_names && status >= 0; k++) {
      shoal_str name = shoal_take_str(&d);
      if (name.ptr)
        status = set_names(s, r, &name, 1, true, err);
    }
    r->kept = true;
  }
  return status;
}

/* Of models that there are; the names of others would only gather. */
void shoal_session_remember_learned(shoal_session *s) {
  shoal_buf b = {0}, items = {0};
  shoal_error ignored; /* a cache */
  uint32_t n = 0;
  if (!s->index || !s->learned.is_new)
    return;
  for (size_t i = s->n_sql_units; i < s->n_units; i++) {
    const shoal_known_reads *r = known(s, &s->units[i]);
    if (!r || !r->kept)
      continue;
    shoal_put_hash(&items, &r->key);
    shoal_put_u32(&items, (uint32_t)r->n);
    for (size_t k = 0; k < r->n; k++)
      shoal_put_str(&items, r->names[k]);
    n++;
  }
  shoal_put_u32(&b, n);
  shoal_buf_add(&b, shoal_buf_str(&items));
  if (b.status >= 0 && items.status >= 0)
    shoal_ignore(shoal_index_put(s->index, &(shoal_index_item){LEARNED_KEY, shoal_buf_str(&b)}, 1, &ignored));
  s->learned.is_new = false;
  shoal_buf_dispose(&items);
  shoal_buf_dispose(&b);
}

/* ---- planning with them ---- */

static shoal_status names_there(const shoal_session *s, shoal_map *out, shoal_error *err) {
  for (size_t i = 0; i < s->n_units; i++)
    SHOAL_TRY(shoal_map_put(out, s->units[i].name, 1, err));
  for (size_t i = 0; i < s->config.n_sources; i++)
    SHOAL_TRY(shoal_map_put(out, s->config.sources[i].name, 1, err));
  for (size_t i = 0; i < s->state->n_entries; i++)
    SHOAL_TRY(shoal_map_put(out, s->state->entries[i].name, 1, err));
  return SHOAL_OK;
}

/* What its code says, after what was learned: of a function that is called, too, what is loaded counts. */
static shoal_status set_refs(shoal_session *s, const shoal_unit *base, const shoal_known_reads *r,
                             const shoal_map *there, shoal_unit *u, shoal_error *err) {
  u->refs = SHOAL_NEW_ARRAY(&s->arena, shoal_unit_ref, r->n + base->n_refs);
  u->n_refs = 0;
  if (!u->refs)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < r->n; i++) {
    bool said = shoal_map_get(there, r->names[i]) == SHOAL_MAP_NONE;
    for (size_t k = 0; k < base->n_refs && !said; k++)
      said = !base->refs[k].called && shoal_str_eq(base->refs[k].name, r->names[i]);
    if (!said)
      u->refs[u->n_refs++] = (shoal_unit_ref){.name = r->names[i], .line = u->line, .learned = true};
  }
  for (size_t k = 0; k < base->n_refs; k++)
    u->refs[u->n_refs++] = base->refs[k];
  return SHOAL_OK;
}

shoal_status shoal_session_learned_refs(shoal_session *s, bool all, bool *any, shoal_error *err) {
  shoal_map there = {0};
  size_t unit = s->n_sql_units;
  *any = false;
  SHOAL_TRY(recall(s, err));
  if (s->learned.all.len == 0)
    return SHOAL_OK;
  shoal_status status = names_there(s, &there, err);
  for (size_t f = 0; f < s->python.n_files && status >= 0; f++)
    for (size_t k = 0; k < s->python.files[f].n_units && status >= 0; k++) {
      const shoal_unit *base = &s->python.files[f].units[k];
      shoal_unit *u = &s->units[unit++];
      const shoal_known_reads *r = known(s, base);
      u->refs = base->refs;
      u->n_refs = base->n_refs;
      if (!r || r->n == 0 || (!all && !r->sure))
        continue;
      *any |= !r->sure;
      status = set_refs(s, base, r, &there, u, err);
    }
  shoal_map_dispose(&there);
  return status;
}

/* ---- learning ---- */

/* The newest trace that names datasets only: it is the likeliest. */
static const shoal_trace *likeliest(const shoal_trace *traces, size_t n) {
  for (size_t i = n; i-- > 0;) {
    bool plain = true;
    for (size_t k = 0; k < traces[i].n_names && plain; k++)
      plain = shoal_str_chr(traces[i].names[k], '@') < 0 && traces[i].names[k].len &&
              traces[i].names[k].ptr[0] != '$' && traces[i].names[k].ptr[0] != '%';
    if (plain)
      return &traces[i];
  }
  return NULL;
}

static shoal_status ask_lake(shoal_session *s, const shoal_unit *u, bool *found, shoal_error *err) {
  shoal_trace *traces;
  size_t n;
  shoal_known_reads *r = NULL;
  shoal_hash key = key_of(u);
  SHOAL_TRY(shoal_traces_read(s->lake, &key, &s->arena, &traces, &n, err));
  const shoal_trace *t = likeliest(traces, n);
  SHOAL_TRY(add_record(s, &key, &r, err));
  r->kept = s->learned.is_new = true;
  if (t)
    SHOAL_TRY(set_names(s, r, t->names, t->n_names, false, err));
  *found |= r->n > 0;
  return SHOAL_OK;
}

shoal_status shoal_session_learned_look(shoal_session *s, bool *found, shoal_error *err) {
  *found = false;
  for (uint32_t i = (uint32_t)s->n_sql_units; i < s->graph->n_models; i++) {
    const shoal_node *n = &s->graph->nodes[i];
    const shoal_entry *e = shoal_state_find(s->state, n->name);
    if ((e && shoal_hash_eq(&e->result.signature, &n->key)) || s->pinned[i] || known(s, n->unit))
      continue;
    SHOAL_TRY(ask_lake(s, n->unit, found, err));
  }
  return SHOAL_OK;
}

shoal_status shoal_session_learn(shoal_session *s, const shoal_run_report *report, shoal_error *err) {
  for (size_t i = 0; i < report->learned.len; i++) {
    const shoal_learned *l = &report->learned.ptr[i];
    const shoal_unit *u = s->graph->nodes[l->node].unit;
    shoal_known_reads *r = known(s, u);
    shoal_hash key = key_of(u);
    if (!r)
      SHOAL_TRY(add_record(s, &key, &r, err));
    SHOAL_TRY(set_names(s, r, l->names, l->n, l->more, err));
    r->sure = true;
    r->kept = l->kept;
    s->learned.is_new = true;
  }
  return SHOAL_OK;
}
