/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a branch holds at a publication. A state is made from the newest checkpoint at or below it, or from the fork
 * point's state, and the entries after that; several entries are applied at once, so that a load sorts and copies once.
 * A checkpoint holds the whole state, what is inherited included, and is only ever a short cut: without any, or with
 * some missing, the same state is made from entry 0 on.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "lake/object.h"

static int compare_entry_name(const void *key, const void *entry) {
  return shoal_str_cmp(*(const shoal_str *)key, ((const shoal_entry *)entry)->name);
}
static int compare_entries(const void *a, const void *b) {
  return compare_entry_name(&((const shoal_entry *)a)->name, b);
}
static int compare_pins(const void *a, const void *b) {
  return shoal_str_cmp(((const shoal_source_pin *)a)->name, ((const shoal_source_pin *)b)->name);
}

const shoal_entry *shoal_state_find(const shoal_state *s, shoal_str name) {
  return s->n_entries ? bsearch(&name, s->entries, s->n_entries, sizeof *s->entries, compare_entry_name) : NULL;
}

void shoal_state_free(shoal_state *s) {
  if (!s)
    return;
  shoal_arena_dispose(&s->arena);
  shoal_free(s);
}

/* ---- applying publications ---- */

shoal_status shoal_apply_begin(shoal_apply *a, shoal_state *state, shoal_error *err) {
  *a = (shoal_apply){.state = state,
                     .publication = state->publication,
                     .published_us = state->published_us,
                     .fork_branch = state->fork_branch,
                     .fork_publication = state->fork_publication,
                     .deleted = state->deleted,
                     .sources = state->sources,
                     .n_sources = state->n_sources};
  for (size_t i = 0; i < state->n_entries; i++) {
    shoal_entry *e = shoal_vec_add(&a->entries);
    if (!e)
      return shoal_fail_nomem(err);
    *e = state->entries[i];
    SHOAL_TRY(shoal_map_put(&a->by_name, e->name, (uint32_t)i, err));
  }
  return SHOAL_OK;
}

/* The entry of a name, made if need be; a removed one comes back in its old place. */
static shoal_status entry_for(shoal_apply *a, shoal_str name, shoal_entry **out, shoal_error *err) {
  uint32_t at = shoal_map_get(&a->by_name, name);
  *out = at == SHOAL_MAP_NONE ? shoal_vec_add(&a->entries) : &a->entries.ptr[at];
  if (!*out)
    return shoal_fail_nomem(err);
  return at == SHOAL_MAP_NONE ? shoal_map_put(&a->by_name, name, (uint32_t)(a->entries.len - 1), err) : SHOAL_OK;
}

static shoal_status apply_change(shoal_apply *a, const shoal_change *c, int64_t number, shoal_error *err) {
  shoal_entry *e;
  uint32_t at = shoal_map_get(&a->by_name, c->name);
  bool there = at != SHOAL_MAP_NONE && a->entries.ptr[at].name.ptr;
  switch (c->kind) {
  case SHOAL_CHANGE_REMOVE:
    if (there)
      a->entries.ptr[at].name = SHOAL_STR_NONE;
    return SHOAL_OK;
  case SHOAL_CHANGE_UNPIN:
    if (there) {
      a->entries.ptr[at].pinned = false;
      a->entries.ptr[at].pinned_code = (shoal_hash){0};
    }
    return SHOAL_OK;
  case SHOAL_CHANGE_SET:
  case SHOAL_CHANGE_PIN:
    SHOAL_TRY(entry_for(a, c->name, &e, err));
    *e = (shoal_entry){.name = c->name, .result = c->result, .publication = number, .local = true};
    e->pinned = c->kind == SHOAL_CHANGE_PIN;
    if (e->pinned)
      e->pinned_code = c->pinned_code;
    return SHOAL_OK;
  case SHOAL_CHANGE_INHERIT:
    SHOAL_TRY(entry_for(a, c->name, &e, err));
    *e = (shoal_entry){.name = c->name,
                       .result = c->result,
                       .publication = c->publication,
                       .pinned = c->pinned,
                       .pinned_code = c->pinned_code};
    return SHOAL_OK;
  }
  return SHOAL_OK;
}

/* Both lists are sorted; where both have a name the newer one counts. */
static shoal_status merge_pins(shoal_apply *a, const shoal_source_pin *newer, size_t n, shoal_error *err) {
  if (n == 0)
    return SHOAL_OK;
  shoal_source_pin *pins = SHOAL_NEW_ARRAY(&a->state->arena, shoal_source_pin, n);
  shoal_source_pin *merged = SHOAL_NEW_ARRAY(&a->state->arena, shoal_source_pin, a->n_sources + n);
  if (!pins || !merged)
    return shoal_fail_nomem(err);
  memcpy(pins, newer, n * sizeof *pins);
  qsort(pins, n, sizeof *pins, compare_pins);
  size_t i = 0, j = 0, count = 0;
  while (i < a->n_sources || j < n) {
    int order = i == a->n_sources ? 1 : j == n ? -1 : compare_pins(&a->sources[i], &pins[j]);
    merged[count++] = order < 0 ? a->sources[i] : pins[j];
    i += order <= 0;
    j += order >= 0;
  }
  a->sources = merged;
  a->n_sources = count;
  return SHOAL_OK;
}

static shoal_status apply_publication(shoal_apply *a, const shoal_publication *p, const char *key, shoal_error *err) {
  if (p->number != a->publication + 1)
    return shoal_fail(err, SHOAL_ECORRUPT, "%s: it says it is publication %lld", key, (long long)p->number);
  for (size_t i = 0; i < p->n_changes; i++)
    SHOAL_TRY(apply_change(a, &p->changes[i], p->number, err));
  SHOAL_TRY(merge_pins(a, p->sources, p->n_sources, err));
  a->publication = p->number;
  a->published_us = p->time_us;
  a->deleted = shoal_str_is(p->kind, "delete");
  if (p->fork_branch.ptr) {
    a->fork_branch = p->fork_branch;
    a->fork_publication = p->fork_publication;
  }
  return SHOAL_OK;
}

shoal_status shoal_apply_next(shoal_apply *a, shoal_str text, const char *key, shoal_error *err) {
  yyjson_doc *doc = NULL;
  shoal_publication p;
  SHOAL_TRY(shoal_object_parse(text, key, &doc, err));
  yyjson_val *root = yyjson_doc_get_root(doc);
  shoal_status st = SHOAL_OK;
  if (!shoal_str_eq(shoal_json_str(root, "branch_id"), a->state->branch_id))
    st = shoal_fail(err, SHOAL_ENOTFOUND, "%s belongs to another branch of this name", key);
  if (st == SHOAL_OK)
    st = shoal_publication_decode(root, key, &a->state->arena, &p, err);
  if (st == SHOAL_OK)
    st = apply_publication(a, &p, key, err);
  yyjson_doc_free(doc);
  return st;
}

static shoal_status store_entries(shoal_apply *a, shoal_error *err) {
  shoal_state *s = a->state;
  size_t n = 0;
  for (size_t i = 0; i < a->entries.len; i++)
    if (a->entries.ptr[i].name.ptr)
      a->entries.ptr[n++] = a->entries.ptr[i];
  if (n)
    qsort(a->entries.ptr, n, sizeof *a->entries.ptr, compare_entries);
  shoal_entry *entries = n > s->n_entries ? SHOAL_NEW_ARRAY(&s->arena, shoal_entry, n) : s->entries;
  if (n > s->n_entries && !entries)
    return shoal_fail_nomem(err);
  if (n)
    memcpy(entries, a->entries.ptr, n * sizeof *entries);
  s->entries = entries;
  s->n_entries = n;
  s->sources = a->sources;
  s->n_sources = a->n_sources;
  s->publication = a->publication;
  s->published_us = a->published_us;
  s->fork_branch = a->fork_branch;
  s->fork_publication = a->fork_publication;
  s->deleted = a->deleted;
  return SHOAL_OK;
}

shoal_status shoal_apply_end(shoal_apply *a, shoal_status status, shoal_error *err) {
  if (status == SHOAL_OK)
    status = store_entries(a, err);
  shoal_vec_dispose(&a->entries);
  shoal_map_dispose(&a->by_name);
  return status;
}

/* ---- text ---- */

static void write_entry(shoal_jw *w, const shoal_entry *e) {
  shoal_jw_obj(w);
  shoal_jw_kstr(w, "name", e->name);
  shoal_jw_ki64(w, "publication", e->publication);
  if (e->local)
    shoal_jw_kbool(w, "local", true);
  if (e->pinned)
    shoal_jw_kbool(w, "pinned", true);
  shoal_object_hash(w, "pinned_code", &e->pinned_code);
  shoal_jw_key(w, "result");
  shoal_result_write(w, &e->result, e->name);
  shoal_jw_end(w);
}

shoal_status shoal_state_encode(const shoal_state *s, shoal_buf *out, shoal_error *err) {
  shoal_jw w;
  shoal_object_begin(&w, out);
  shoal_jw_kstr(&w, "branch", s->branch);
  shoal_jw_kstr(&w, "branch_id", s->branch_id);
  if (s->fork_branch.ptr) {
    shoal_jw_key(&w, "fork");
    shoal_jw_obj(&w);
    shoal_jw_kstr(&w, "branch", s->fork_branch);
    shoal_jw_ki64(&w, "publication", s->fork_publication);
    shoal_jw_end(&w);
  }
  shoal_jw_ki64(&w, "publication", s->publication);
  shoal_jw_ki64(&w, "published_us", s->published_us);
  if (s->deleted)
    shoal_jw_kbool(&w, "deleted", true);
  shoal_jw_key(&w, "entries");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < s->n_entries; i++)
    write_entry(&w, &s->entries[i]);
  shoal_jw_end(&w);
  shoal_jw_key(&w, "sources");
  shoal_pins_write(&w, s->sources, s->n_sources);
  return shoal_object_end(&w, err);
}

static shoal_status read_entry(yyjson_val *obj, const char *key, shoal_arena *arena, shoal_entry *out,
                               shoal_error *err) {
  SHOAL_TRY(shoal_json_need_str(obj, "name", key, arena, &out->name, err));
  SHOAL_TRY(shoal_json_need_i64(obj, "publication", key, &out->publication, err));
  SHOAL_TRY(shoal_object_read_hash(obj, "pinned_code", key, &out->pinned_code, err));
  out->local = shoal_json_bool(obj, "local", false);
  out->pinned = shoal_json_bool(obj, "pinned", false);
  return shoal_result_read(yyjson_obj_get(obj, "result"), key, out->name, arena, &out->result, err);
}

static shoal_status read_entries(shoal_state *s, yyjson_val *array, const char *key, shoal_error *err) {
  size_t i, n;
  yyjson_val *obj;
  s->entries = SHOAL_NEW_ARRAY(&s->arena, shoal_entry, yyjson_arr_size(array));
  if (!s->entries)
    return shoal_fail_nomem(err);
  yyjson_arr_foreach(array, i, n, obj) {
    SHOAL_TRY(read_entry(obj, key, &s->arena, &s->entries[i], err));
    if (i > 0 && compare_entries(&s->entries[i - 1], &s->entries[i]) >= 0)
      return shoal_fail(err, SHOAL_ECORRUPT, "%s: its entries are not in order", key);
    s->n_entries = i + 1;
  }
  return SHOAL_OK;
}

static shoal_status read_state(shoal_state *s, yyjson_val *root, const char *key, shoal_error *err) {
  yyjson_val *fork = yyjson_obj_get(root, "fork");
  SHOAL_TRY(shoal_json_need_str(root, "branch", key, &s->arena, &s->branch, err));
  SHOAL_TRY(shoal_json_need_str(root, "branch_id", key, &s->arena, &s->branch_id, err));
  SHOAL_TRY(shoal_json_need_i64(root, "publication", key, &s->publication, err));
  SHOAL_TRY(shoal_json_need_i64(root, "published_us", key, &s->published_us, err));
  s->deleted = shoal_json_bool(root, "deleted", false);
  if (fork) {
    SHOAL_TRY(shoal_json_need_str(fork, "branch", key, &s->arena, &s->fork_branch, err));
    SHOAL_TRY(shoal_json_need_i64(fork, "publication", key, &s->fork_publication, err));
  }
  SHOAL_TRY(read_entries(s, yyjson_obj_get(root, "entries"), key, err));
  return shoal_pins_read(yyjson_obj_get(root, "sources"), key, &s->arena, &s->sources, &s->n_sources, err);
}

shoal_status shoal_state_decode(shoal_str text, const char *name, shoal_state **out, shoal_error *err) {
  yyjson_doc *doc = NULL;
  *out = NULL;
  SHOAL_TRY(shoal_object_parse(text, name, &doc, err));
  shoal_state *s = shoal_calloc(1, sizeof *s);
  shoal_status st = s ? read_state(s, yyjson_doc_get_root(doc), name, err) : shoal_fail_nomem(err);
  yyjson_doc_free(doc);
  if (st < 0)
    shoal_state_free(s);
  else
    *out = s;
  return st;
}

/* ---- loading ---- */

static shoal_status load(shoal_lake *lake, shoal_str branch, shoal_str id, int64_t publication, int depth,
                         shoal_state **out, shoal_error *err);

/* The newest checkpoint at or below `publication`; SHOAL_ENOTFOUND if there is none. */
static shoal_status load_checkpoint(shoal_lake *lake, const shoal_branch_head *head, int64_t publication,
                                    shoal_state **out, shoal_error *err) {
  shoal_buf key = {0}, text = {0};
  shoal_status st = SHOAL_ENOTFOUND;
  int64_t n = publication - publication % SHOAL_CHECKPOINT_EVERY;
  for (; n > 0 && st == SHOAL_ENOTFOUND; n -= SHOAL_CHECKPOINT_EVERY) {
    shoal_buf_clear(&key);
    shoal_buf_clear(&text);
    st = shoal_branch_prefix(head->name, &key, err);
    shoal_buf_addf(&key, "%020lld.checkpoint.json", (long long)n);
    if (st == SHOAL_OK)
      st = shoal_buf_check(&key, err);
    if (st == SHOAL_OK)
      st = shoal_store_get(lake->store, shoal_buf_str(&key), &text, err);
    if (st == SHOAL_OK)
      st = shoal_state_decode(shoal_buf_str(&text), shoal_buf_z(&key), out, err);
    if (st == SHOAL_OK && (!shoal_str_eq((*out)->branch_id, head->id) || (*out)->publication != n)) {
      shoal_state_free(*out);
      *out = NULL;
      st = shoal_fail(err, SHOAL_ECORRUPT, "%s is the checkpoint of something else", shoal_buf_z(&key));
    }
  }
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&key);
  return st;
}

/* The state before a branch's first publication: that of its fork point, which becomes the branch's own. */
static shoal_status load_base(shoal_lake *lake, const shoal_branch_head *head, int depth, shoal_state **out,
                              shoal_error *err) {
  if (head->fork_branch.ptr)
    SHOAL_TRY(load(lake, head->fork_branch, head->fork_id, head->fork_publication, depth + 1, out, err));
  else if (!(*out = shoal_calloc(1, sizeof **out)))
    return shoal_fail_nomem(err);
  shoal_state *s = *out;
  for (size_t i = 0; i < s->n_entries; i++)
    s->entries[i].local = false;
  s->branch = shoal_arena_str(&s->arena, head->name);
  s->branch_id = shoal_arena_str(&s->arena, head->id);
  s->fork_branch = shoal_arena_str(&s->arena, head->fork_branch);
  s->fork_publication = head->fork_publication;
  s->deleted = false;
  s->publication = 0;
  s->published_us = head->time_us;
  if (s->branch.ptr && s->branch_id.ptr && (s->fork_branch.ptr || !head->fork_branch.ptr))
    return SHOAL_OK;
  shoal_state_free(s);
  *out = NULL;
  return shoal_fail_nomem(err);
}

static shoal_status missing(const shoal_state *s, int64_t n, bool last, shoal_error *err) {
  if (last)
    return shoal_fail(err, SHOAL_ENOTFOUND, "the branch %.*s has no publication %lld", SHOAL_FMT(s->branch),
                      (long long)n);
  return shoal_fail(err, SHOAL_ECORRUPT, "the branch %.*s lacks publication %lld, though later ones are there",
                    SHOAL_FMT(s->branch), (long long)n);
}

/* Reads and applies the entries after the state up to `publication`. */
static shoal_status apply_range(shoal_lake *lake, shoal_state *s, int64_t publication, shoal_arena *arena,
                                shoal_error *err) {
  size_t n = publication > s->publication ? (size_t)(publication - s->publication) : 0;
  shoal_get *gets = SHOAL_NEW_ARRAY(arena, shoal_get, n);
  shoal_buf prefix = {0};
  shoal_apply apply = {0};
  shoal_status st = gets ? shoal_branch_prefix(s->branch, &prefix, err) : shoal_fail_nomem(err);
  for (size_t i = 0; i < n && st == SHOAL_OK; i++) {
    char *key =
        shoal_arena_printf(arena, "%s%020lld.json", shoal_buf_z(&prefix), (long long)s->publication + 1 + (long long)i);
    gets[i].key = shoal_str_z(key);
    st = key ? SHOAL_OK : shoal_fail_nomem(err);
  }
  if (st == SHOAL_OK)
    st = shoal_store_get_many(lake->store, gets, n, arena, err);
  if (st == SHOAL_OK)
    st = shoal_apply_begin(&apply, s, err);
  for (size_t i = 0; i < n && st == SHOAL_OK; i++) {
    if (gets[i].status == SHOAL_ENOTFOUND)
      st = missing(s, apply.publication + 1, gets[n - 1].status == SHOAL_ENOTFOUND, err);
    else if (gets[i].status != SHOAL_OK)
      st = shoal_fail(err, gets[i].status, "cannot read %s", gets[i].key.ptr);
    else
      st = shoal_apply_next(&apply, gets[i].bytes, gets[i].key.ptr, err);
  }
  st = shoal_apply_end(&apply, st, err);
  shoal_buf_dispose(&prefix);
  return st;
}

/* A number that somebody typed may be any: no checkpoint is looked for below it, nothing is allocated for it, unless it
   is there. */
static shoal_status check_number(shoal_lake *lake, const shoal_branch_head *head, int64_t publication,
                                 shoal_error *err) {
  shoal_buf key = {0};
  shoal_object object;
  if (publication < 4 * SHOAL_CHECKPOINT_EVERY)
    return SHOAL_OK;
  shoal_status st = shoal_branch_entry_key(head->name, publication, &key, err);
  if (st == SHOAL_OK)
    st = shoal_store_head(lake->store, shoal_buf_str(&key), &object, err);
  if (st == SHOAL_ENOTFOUND)
    st = missing(&(shoal_state){.branch = head->name}, publication, true, err);
  shoal_buf_dispose(&key);
  return st;
}

static shoal_status load_at(shoal_lake *lake, const shoal_branch_head *head, int64_t publication, int depth,
                            shoal_arena *arena, shoal_state **out, shoal_error *err) {
  int64_t newest = publication, checkpoint;
  if (publication < 0)
    SHOAL_TRY(shoal_branch_newest(lake, head->name, &newest, &checkpoint, err));
  SHOAL_TRY(check_number(lake, head, publication, err));
  shoal_status st = load_checkpoint(lake, head, newest, out, err);
  if (st == SHOAL_ENOTFOUND)
    st = load_base(lake, head, depth, out, err);
  SHOAL_TRY(st);
  return apply_range(lake, *out, newest, arena, err);
}

/* `id` is that of the branch meant, {NULL,0}: whichever has the name. */
static shoal_status load(shoal_lake *lake, shoal_str branch, shoal_str id, int64_t publication, int depth,
                         shoal_state **out, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_branch_head head;
  *out = NULL;
  if (depth > SHOAL_MAX_FORKS)
    return shoal_fail(err, SHOAL_ELIMIT, "the branch %.*s forks off more than %d branches deep", SHOAL_FMT(branch),
                      SHOAL_MAX_FORKS);
  shoal_status st = shoal_branch_head_read(lake, branch, &arena, &head, err);
  if (st == SHOAL_OK && id.ptr && !shoal_str_eq(id, head.id))
    st = shoal_fail(err, SHOAL_ENOTFOUND, "the branch %.*s is not the one that was forked from", SHOAL_FMT(branch));
  if (st == SHOAL_OK)
    st = load_at(lake, &head, publication, depth, &arena, out, err);
  if (st < 0) {
    shoal_state_free(*out);
    *out = NULL;
  }
  shoal_arena_dispose(&arena);
  return st;
}

shoal_status shoal_branch_load(shoal_lake *lake, shoal_str branch, int64_t publication, shoal_state **out,
                               shoal_error *err) {
  SHOAL_TRY(load(lake, branch, SHOAL_STR_NONE, publication, 0, out, err));
  if (publication >= 0 || !(*out)->deleted)
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_ENOTFOUND, "there is no branch %.*s: it was deleted", SHOAL_FMT(branch));
  shoal_state_free(*out);
  *out = NULL;
  return SHOAL_ENOTFOUND;
}

shoal_status shoal_branch_load_deleted(shoal_lake *lake, shoal_str branch, shoal_state **out, shoal_error *err) {
  return load(lake, branch, SHOAL_STR_NONE, -1, 0, out, err);
}

/* Applies the next entry; SHOAL_DONE if there is none. */
static shoal_status refresh_once(shoal_lake *lake, shoal_state *state, shoal_apply *apply, shoal_buf *key,
                                 shoal_buf *text, shoal_error *err) {
  shoal_buf_clear(key);
  shoal_buf_clear(text);
  int64_t at = apply->state ? apply->publication : state->publication;
  SHOAL_TRY(shoal_branch_entry_key(state->branch, at + 1, key, err));
  shoal_status st = shoal_store_get(lake->store, shoal_buf_str(key), text, err);
  if (st == SHOAL_ENOTFOUND)
    return SHOAL_DONE;
  SHOAL_TRY(st);
  if (!apply->state)
    SHOAL_TRY(shoal_apply_begin(apply, state, err));
  return shoal_apply_next(apply, shoal_buf_str(text), shoal_buf_z(key), err);
}

shoal_status shoal_branch_refresh(shoal_lake *lake, shoal_state *state, bool *moved, shoal_error *err) {
  shoal_buf key = {0}, text = {0};
  shoal_apply apply = {0};
  shoal_status st;
  do
    st = refresh_once(lake, state, &apply, &key, &text, err);
  while (st == SHOAL_OK);
  *moved = apply.state != NULL;
  if (*moved)
    st = shoal_apply_end(&apply, st == SHOAL_DONE ? SHOAL_OK : st, err);
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&key);
  return st == SHOAL_DONE ? SHOAL_OK : st;
}

shoal_status shoal_branch_stands(shoal_lake *lake, const shoal_state *state, bool *out, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_branch_head head;
  shoal_object o;
  shoal_buf key = {0};
  shoal_status st = shoal_branch_head_read(lake, state->branch, &arena, &head, err);
  *out = st == SHOAL_OK && shoal_str_eq(head.id, state->branch_id);
  if (*out)
    st = shoal_branch_entry_key(state->branch, state->publication, &key, err);
  if (*out && st == SHOAL_OK) {
    st = shoal_store_head(lake->store, shoal_buf_str(&key), &o, err);
    *out = st == SHOAL_OK;
  }
  shoal_buf_dispose(&key);
  shoal_arena_dispose(&arena);
  return st == SHOAL_ENOTFOUND ? SHOAL_OK : st;
}
