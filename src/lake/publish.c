/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing: the next entry of a branch's log, put if absent, is the commit point of a run (invariant 5).
 *
 *  P1 Just before the put, what the draft read is compared with the branch's head as we know it. Put-if-absent makes
 * sure that the head was that: whoever finds the number taken reads the entry and compares again. P2 A dataset has
 * moved if its result (signature and generation) is another one than the draft read. A dataset that was moved and moved
 * back has not moved. P3 Each entry has a random id, so that an entry whose put was acknowledged too late, or never, is
 * known as ours. P4 Times in a log do not decrease.
 */
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "lake/object.h"

#define MAX_NAMED 5     /* datasets that a conflict's message names */
#define MAX_RACES 10000 /* lost in a row; each one is somebody else's publication */

/* ---- text ---- */

static const char *const change_words[] = {[SHOAL_CHANGE_SET] = "set",
                                           [SHOAL_CHANGE_REMOVE] = "remove",
                                           [SHOAL_CHANGE_PIN] = "pin",
                                           [SHOAL_CHANGE_UNPIN] = "unpin",
                                           [SHOAL_CHANGE_INHERIT] = "inherit"};
#define N_CHANGE_WORDS (sizeof change_words / sizeof *change_words)

static bool has_result(shoal_change_kind kind) {
  return kind == SHOAL_CHANGE_SET || kind == SHOAL_CHANGE_PIN || kind == SHOAL_CHANGE_INHERIT;
}

static void write_changes(shoal_jw *w, const shoal_publication_draft *draft) {
  shoal_jw_key(w, "changes");
  shoal_jw_arr(w);
  for (size_t i = 0; i < draft->n_changes; i++) {
    const shoal_change *c = &draft->changes[i];
    shoal_jw_obj(w);
    shoal_jw_kstr(w, change_words[c->kind], c->name);
    if (c->kind == SHOAL_CHANGE_INHERIT)
      shoal_jw_ki64(w, "publication", c->publication);
    if (c->kind == SHOAL_CHANGE_INHERIT && c->pinned)
      shoal_jw_kbool(w, "pinned", true);
    shoal_object_hash(w, "code", &c->pinned_code);
    if (has_result(c->kind)) {
      shoal_jw_key(w, "result");
      shoal_result_write(w, &c->result, c->name);
    }
    shoal_jw_end(w);
  }
  shoal_jw_end(w);
}

static void write_reads(shoal_jw *w, const shoal_publication_draft *draft) {
  shoal_jw_key(w, "reads");
  shoal_jw_arr(w);
  for (size_t i = 0; i < draft->n_reads; i++) {
    shoal_jw_obj(w);
    shoal_jw_kstr(w, "name", draft->reads[i].name);
    shoal_object_hash(w, "signature", &draft->reads[i].signature);
    if (!shoal_hash_zero(&draft->reads[i].signature))
      shoal_jw_ki64(w, "generation", draft->reads[i].generation);
    shoal_jw_end(w);
  }
  shoal_jw_end(w);
}

shoal_status shoal_publication_encode(const shoal_publication_draft *draft, const shoal_state *state, int64_t number,
                                      int64_t time_us, const char *id, shoal_buf *out, shoal_error *err) {
  shoal_jw w;
  shoal_object_begin(&w, out);
  shoal_jw_kz(&w, "kind", draft->kind ? draft->kind : "run");
  shoal_jw_ki64(&w, "number", number);
  shoal_jw_kz(&w, "id", id);
  shoal_jw_kstr(&w, "branch_id", state->branch_id);
  shoal_jw_ki64(&w, "time_us", time_us);
  shoal_jw_ki64(&w, "base", draft->base);
  shoal_jw_kstr(&w, "run", draft->run);
  shoal_jw_kstr(&w, "writer", draft->writer);
  shoal_jw_kstr(&w, "message", draft->message);
  if (draft->git_commit.ptr) {
    shoal_jw_key(&w, "git");
    shoal_jw_obj(&w);
    shoal_jw_kstr(&w, "commit", draft->git_commit);
    shoal_jw_kstr(&w, "branch", draft->git_branch);
    shoal_jw_kbool(&w, "dirty", draft->git_dirty);
    shoal_jw_end(&w);
  }
  if (draft->fork_branch.ptr) {
    shoal_jw_key(&w, "fork");
    shoal_jw_obj(&w);
    shoal_jw_kstr(&w, "branch", draft->fork_branch);
    shoal_jw_kstr(&w, "id", draft->fork_id);
    shoal_jw_ki64(&w, "publication", draft->fork_publication);
    shoal_jw_end(&w);
  }
  write_changes(&w, draft);
  write_reads(&w, draft);
  shoal_jw_key(&w, "sources");
  shoal_pins_write(&w, draft->sources, draft->n_sources);
  return shoal_object_end(&w, err);
}

static shoal_status read_change(yyjson_val *obj, const char *key, shoal_arena *arena, shoal_change *out,
                                shoal_error *err) {
  for (size_t i = 0; i < N_CHANGE_WORDS; i++) {
    if (!shoal_json_str(obj, change_words[i]).ptr)
      continue;
    out->kind = (shoal_change_kind)i;
    SHOAL_TRY(shoal_json_need_str(obj, change_words[i], key, arena, &out->name, err));
    SHOAL_TRY(shoal_object_read_hash(obj, "code", key, &out->pinned_code, err));
    out->publication = shoal_json_i64(obj, "publication", 0);
    out->pinned = shoal_json_bool(obj, "pinned", false);
    return has_result(out->kind)
               ? shoal_result_read(yyjson_obj_get(obj, "result"), key, out->name, arena, &out->result, err)
               : SHOAL_OK;
  }
  return shoal_fail(err, SHOAL_ECORRUPT, "%s: a change that is none of set, remove, pin, unpin, inherit", key);
}

static shoal_status read_changes(yyjson_val *array, const char *key, shoal_arena *arena, shoal_publication *out,
                                 shoal_error *err) {
  size_t i, n;
  yyjson_val *obj;
  shoal_change *changes = SHOAL_NEW_ARRAY(arena, shoal_change, yyjson_arr_size(array));
  if (!changes)
    return shoal_fail_nomem(err);
  yyjson_arr_foreach(array, i, n, obj) SHOAL_TRY(read_change(obj, key, arena, &changes[i], err));
  out->changes = changes;
  out->n_changes = yyjson_arr_size(array);
  return SHOAL_OK;
}

static shoal_status read_git(yyjson_val *git, shoal_arena *arena, shoal_publication *out, shoal_error *err) {
  SHOAL_TRY(shoal_object_read_str(git, "commit", arena, &out->git_commit, err));
  SHOAL_TRY(shoal_object_read_str(git, "branch", arena, &out->git_branch, err));
  out->git_dirty = shoal_json_bool(git, "dirty", false);
  return SHOAL_OK;
}

shoal_status shoal_publication_decode(yyjson_val *obj, const char *key, shoal_arena *arena, shoal_publication *out,
                                      shoal_error *err) {
  shoal_source_pin *sources;
  *out = (shoal_publication){0};
  SHOAL_TRY(shoal_json_need_i64(obj, "number", key, &out->number, err));
  SHOAL_TRY(shoal_json_need_i64(obj, "time_us", key, &out->time_us, err));
  SHOAL_TRY(shoal_json_need_str(obj, "kind", key, arena, &out->kind, err));
  SHOAL_TRY(shoal_object_read_str(obj, "run", arena, &out->run, err));
  SHOAL_TRY(shoal_object_read_str(obj, "writer", arena, &out->writer, err));
  SHOAL_TRY(shoal_object_read_str(obj, "message", arena, &out->message, err));
  SHOAL_TRY(read_git(yyjson_obj_get(obj, "git"), arena, out, err));
  SHOAL_TRY(shoal_object_read_str(yyjson_obj_get(obj, "fork"), "branch", arena, &out->fork_branch, err));
  out->fork_publication = shoal_json_i64(yyjson_obj_get(obj, "fork"), "publication", 0);
  SHOAL_TRY(read_changes(yyjson_obj_get(obj, "changes"), key, arena, out, err));
  SHOAL_TRY(shoal_pins_read(yyjson_obj_get(obj, "sources"), key, arena, &sources, &out->n_sources, err));
  out->sources = sources;
  return SHOAL_OK;
}

/* Entry 0, the branch's making, as a publication without changes. */
static shoal_status read_making(yyjson_val *obj, const char *key, shoal_publication *out, shoal_error *err) {
  *out = (shoal_publication){.kind = SHOAL_STR("branch")};
  return shoal_json_need_i64(obj, "time_us", key, &out->time_us, err);
}

shoal_status shoal_publication_read(shoal_lake *lake, shoal_str branch, int64_t n, shoal_arena *arena,
                                    shoal_publication *out, shoal_error *err) {
  shoal_buf key = {0};
  yyjson_doc *doc = NULL;
  *out = (shoal_publication){0};
  shoal_status st = shoal_branch_entry_key(branch, n, &key, err);
  if (st == SHOAL_OK)
    st = shoal_object_get(lake, shoal_buf_z(&key), &doc, err);
  if (st == SHOAL_ENOTFOUND)
    st = shoal_fail(err, SHOAL_ENOTFOUND, "the branch %.*s has no publication %lld", SHOAL_FMT(branch), (long long)n);
  if (st == SHOAL_OK && n == 0)
    st = read_making(yyjson_doc_get_root(doc), shoal_buf_z(&key), out, err);
  else if (st == SHOAL_OK)
    st = shoal_publication_decode(yyjson_doc_get_root(doc), shoal_buf_z(&key), arena, out, err);
  if (st == SHOAL_OK && !(out->branch = shoal_arena_str(arena, branch)).ptr)
    st = shoal_fail_nomem(err);
  yyjson_doc_free(doc);
  shoal_buf_dispose(&key);
  return st;
}

/* ---- validation (P1, P2) ---- */

static bool read_moved(const shoal_state *state, const shoal_read *read) {
  const shoal_entry *e = shoal_state_find(state, read->name);
  if (!e)
    return !shoal_hash_zero(&read->signature);
  return !shoal_hash_eq(&e->result.signature, &read->signature) || e->result.generation != read->generation;
}

/* A pin is a decision of somebody's that a run which did not know it must not undo. */
static bool change_moved(const shoal_state *state, const shoal_change *c, int64_t base, bool was_read) {
  const shoal_entry *e = shoal_state_find(state, c->name);
  bool newer = e && e->local && e->publication > base;
  return newer && (!was_read || (e->pinned && c->kind == SHOAL_CHANGE_SET));
}

/* Somebody has meanwhile set the dataset to the very result that this change sets (P2). */
static bool settled(const shoal_state *state, const shoal_change *c, int64_t base) {
  const shoal_entry *e = c->kind == SHOAL_CHANGE_SET ? shoal_state_find(state, c->name) : NULL;
  return e && e->local && !e->pinned && e->publication > base &&
         shoal_hash_eq(&e->result.signature, &c->result.signature) && e->result.generation == c->result.generation;
}

static void name_moved(shoal_buf *names, size_t *n, shoal_str name) {
  if (++*n <= MAX_NAMED)
    shoal_buf_addf(names, "%s%.*s", *n > 1 ? ", " : "", SHOAL_FMT(name));
}

static shoal_status find_moved(const shoal_state *state, const shoal_publication_draft *draft, shoal_map *reads,
                               shoal_map *set, shoal_buf *names, size_t *n, shoal_error *err) {
  for (size_t i = 0; i < draft->n_changes; i++)
    if (settled(state, &draft->changes[i], draft->base))
      SHOAL_TRY(shoal_map_put(set, draft->changes[i].name, 1, err));
  for (size_t i = 0; i < draft->n_reads; i++) {
    bool moved = read_moved(state, &draft->reads[i]) && shoal_map_get(set, draft->reads[i].name) != 1;
    SHOAL_TRY(shoal_map_put(reads, draft->reads[i].name, moved, err));
    if (moved)
      name_moved(names, n, draft->reads[i].name);
  }
  for (size_t i = 0; i < draft->n_changes; i++) {
    uint32_t read = shoal_map_get(reads, draft->changes[i].name);
    if (read != 1 && shoal_map_get(set, draft->changes[i].name) != 1 &&
        change_moved(state, &draft->changes[i], draft->base, read == 0))
      name_moved(names, n, draft->changes[i].name);
  }
  return SHOAL_OK;
}

/* A deleted branch takes nothing but its being made again, and only a deleted one takes that. */
static shoal_status check_alive(const shoal_state *state, const shoal_publication_draft *draft, shoal_error *err) {
  bool makes = draft->kind && !strcmp(draft->kind, "branch");
  if (makes && !state->deleted)
    return shoal_fail(err, SHOAL_EEXIST, "there is a branch %.*s already", SHOAL_FMT(state->branch));
  if (makes || !state->deleted)
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_ECONFLICT, "the branch %.*s was deleted meanwhile", SHOAL_FMT(state->branch));
  shoal_hint(err, "what was computed is kept; a new run makes the branch again");
  return SHOAL_ECONFLICT;
}

static shoal_status validate(const shoal_state *state, const shoal_publication_draft *draft, shoal_error *err) {
  SHOAL_TRY(check_alive(state, draft, err));
  shoal_map reads = {0}, set = {0};
  shoal_buf names = {0};
  size_t n = 0;
  shoal_status st = find_moved(state, draft, &reads, &set, &names, &n, err);
  if (st == SHOAL_OK && n > MAX_NAMED)
    shoal_buf_addf(&names, " and %zu more", n - MAX_NAMED);
  if (st == SHOAL_OK && n > 0) {
    st = shoal_fail(err, SHOAL_ECONFLICT, "the branch %.*s has moved: %s changed since publication %lld",
                    SHOAL_FMT(state->branch), shoal_buf_z(&names), (long long)draft->base);
    shoal_hint(err, "run again: what is already computed is reused");
  }
  shoal_buf_dispose(&names);
  shoal_map_dispose(&set);
  shoal_map_dispose(&reads);
  return st;
}

/* ---- the put ---- */

/* Harmless when it fails: whoever loads the branch reads more entries. */
static void put_checkpoint(shoal_lake *lake, const shoal_state *state) {
  shoal_buf key = {0}, text = {0};
  if (shoal_branch_prefix(state->branch, &key, NULL) == SHOAL_OK) {
    shoal_buf_addf(&key, "%020lld.checkpoint.json", (long long)state->publication);
    if (shoal_buf_check(&key, NULL) == SHOAL_OK && shoal_state_encode(state, &text, NULL) == SHOAL_OK)
      shoal_ignore(shoal_object_put(lake, shoal_buf_z(&key), shoal_buf_str(&text), NULL));
  }
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&key);
}

static shoal_status apply_entry(shoal_state *state, shoal_str text, const char *key, shoal_error *err) {
  shoal_apply apply = {0};
  shoal_status st = shoal_apply_begin(&apply, state, err);
  if (st == SHOAL_OK)
    st = shoal_apply_next(&apply, text, key, err);
  return shoal_apply_end(&apply, st, err);
}

/* Who has the number is either we, in a put whose answer was lost, or others: then the state goes on to the head. */
static shoal_status take_theirs(shoal_lake *lake, shoal_state *state, const char *key, const char *id, bool *ours,
                                shoal_error *err) {
  shoal_buf text = {0};
  bool moved;
  shoal_status st = shoal_store_get(lake->store, shoal_str_z(key), &text, err);
  *ours = st == SHOAL_OK && shoal_str_find(shoal_buf_str(&text), shoal_str_z(id)) >= 0;
  if (*ours)
    st = apply_entry(state, shoal_buf_str(&text), key, err);
  else if (st == SHOAL_OK)
    st = shoal_branch_refresh(lake, state, &moved, err);
  shoal_buf_dispose(&text);
  return st;
}

/* Puts our entry on top of the state, or brings the state up to the head. *ours: our entry is in the log. */
static shoal_status put_or_take(shoal_lake *lake, shoal_state *state, const shoal_publication_draft *draft,
                                const char *id, bool *ours, shoal_error *err) {
  shoal_buf key = {0}, text = {0};
  int64_t now = shoal_time_now(), time = now > state->published_us ? now : state->published_us; /* P4 */
  shoal_status st = shoal_branch_entry_key(state->branch, state->publication + 1, &key, err);
  if (st == SHOAL_OK)
    st = shoal_publication_encode(draft, state, state->publication + 1, time, id, &text, err);
  if (st == SHOAL_OK)
    st = shoal_object_put(lake, shoal_buf_z(&key), shoal_buf_str(&text), err);
  *ours = st == SHOAL_OK;
  if (st == SHOAL_OK)
    st = apply_entry(state, shoal_buf_str(&text), shoal_buf_z(&key), err);
  else if (st == SHOAL_EEXIST)
    st = take_theirs(lake, state, shoal_buf_z(&key), id, ours, err);
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&key);
  return st;
}

/* A conflict counts only at the head: what seems to have moved may have moved back (P2). */
static shoal_status validate_at_head(shoal_lake *lake, shoal_state *state, const shoal_publication_draft *draft,
                                     shoal_error *err) {
  bool moved = true;
  shoal_status st = validate(state, draft, err);
  while (st == SHOAL_ECONFLICT && moved) {
    SHOAL_TRY(shoal_branch_refresh(lake, state, &moved, err));
    st = validate(state, draft, err);
  }
  return st;
}

/* The changes that are still to be made; `space` holds as many as the draft has. */
static shoal_publication_draft without_settled(const shoal_state *state, const shoal_publication_draft *draft,
                                               shoal_change *space) {
  shoal_publication_draft rest = *draft;
  rest.changes = space;
  rest.n_changes = 0;
  for (size_t i = 0; i < draft->n_changes; i++)
    if (!settled(state, &draft->changes[i], draft->base))
      space[rest.n_changes++] = draft->changes[i];
  return rest;
}

/* *done: nothing is left to be put, ours is there or others have set everything. */
static shoal_status try_publish(shoal_lake *lake, shoal_state *state, const shoal_publication_draft *draft,
                                const char *id, shoal_change *space, bool *done, bool *ours, shoal_error *err) {
  SHOAL_TRY(validate_at_head(lake, state, draft, err));
  shoal_publication_draft rest = without_settled(state, draft, space);
  if (draft->n_changes > 0 && rest.n_changes == 0) { /* all is done already, if that still holds at the head */
    bool moved;
    SHOAL_TRY(shoal_branch_refresh(lake, state, &moved, err));
    *done = !moved;
    return SHOAL_OK;
  }
  SHOAL_TRY(put_or_take(lake, state, &rest, id, ours, err));
  *done = *ours;
  return SHOAL_OK;
}

shoal_status shoal_publish(shoal_lake *lake, shoal_state *state, const shoal_publication_draft *draft, int64_t *out,
                           shoal_error *err) {
  char id[SHOAL_UUID_TEXT];
  bool done = false, ours = false;
  shoal_arena arena = {0};
  shoal_os_uuid(id);
  shoal_change *space = SHOAL_NEW_ARRAY(&arena, shoal_change, draft->n_changes);
  shoal_status st = space ? SHOAL_OK : shoal_fail_nomem(err);
  for (int i = 0; i < MAX_RACES && st == SHOAL_OK && !done; i++)
    st = try_publish(lake, state, draft, id, space, &done, &ours, err);
  shoal_arena_dispose(&arena);
  SHOAL_TRY(st);
  if (!done)
    return shoal_fail(err, SHOAL_EBUSY, "the branch %.*s is published to by others all the time",
                      SHOAL_FMT(state->branch));
  *out = state->publication;
  if (ours && state->publication % SHOAL_CHECKPOINT_EVERY == 0)
    put_checkpoint(lake, state);
  return SHOAL_OK;
}
