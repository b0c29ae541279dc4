/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rollback publishes pins: each named dataset gets the result it had at a revision and is held there until the pin is
 * released or its model's own code changes. Nothing is computed.
 * Removal is the same kind of publication: datasets leave the branch, their results stay.
 */
#include "base/str.h"
#include "session/session.h"

static bool wanted(const shoal_str *names, size_t n, shoal_str name) {
  for (size_t i = 0; i < n; i++)
    if (shoal_str_glob(names[i], name))
      return true;
  return n == 0;
}

static shoal_status check_names(const shoal_str *names, size_t n, const shoal_state *st, shoal_error *err) {
  for (size_t i = 0; i < n; i++) {
    bool any = false;
    for (size_t k = 0; k < st->n_entries && !any; k++)
      any = shoal_str_glob(names[i], st->entries[k].name);
    if (!any) {
      (void)shoal_fail(err, SHOAL_ENOTFOUND, "there is no dataset %.*s on %.*s", SHOAL_FMT(names[i]),
                       SHOAL_FMT(st->branch));
      shoal_hint(err, "shoal ls shows what there is");
      return SHOAL_ENOTFOUND;
    }
  }
  return SHOAL_OK;
}

static shoal_status publish(shoal_session *s, const char *kind, const char *message, shoal_change *changes, size_t n,
                            int64_t *out, shoal_error *err) {
  shoal_read *reads = SHOAL_NEW_ARRAY(&s->arena, shoal_read, n);
  if (!reads)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++) {
    const shoal_entry *e = shoal_state_find(s->state, changes[i].name);
    reads[i].name = changes[i].name;
    if (e) {
      reads[i].signature = e->result.signature;
      reads[i].generation = e->result.generation;
    }
  }
  shoal_publication_draft draft = {
      .kind = kind, .message = shoal_str_z(message), .changes = changes, .n_changes = n, .reads = reads, .n_reads = n};
  SHOAL_TRY(shoal_session_publish(s, &draft, out, err));
  return shoal_session_project(s, NULL, err);
}

/* The code a pin rests on: its model's as it is now; without a model the pin ends only by release. */
static shoal_hash code_now(const shoal_session *s, shoal_str name) {
  uint32_t node = s->graph ? shoal_graph_find(s->graph, name) : SHOAL_MAP_NONE;
  if (node == SHOAL_MAP_NONE || s->graph->nodes[node].kind != SHOAL_NODE_MODEL)
    return (shoal_hash){{0}};
  return s->graph->nodes[node].code;
}

shoal_status shoal_session_rollback(shoal_session *s, const shoal_str *names, size_t n, shoal_str to,
                                    const char *message, shoal_str **changed, size_t *n_changed, int64_t *out,
                                    shoal_error *err) {
  shoal_state *target = NULL;
  *n_changed = 0;
  *out = 0;
  SHOAL_TRY(shoal_session_scan(s, err));
  SHOAL_TRY(check_names(names, n, s->state, err));
  SHOAL_TRY(shoal_session_revision(s, to, &target, err));
  shoal_change *changes = SHOAL_NEW_ARRAY(&s->arena, shoal_change, s->state->n_entries);
  *changed = SHOAL_NEW_ARRAY(&s->arena, shoal_str, s->state->n_entries);
  shoal_status status = changes && *changed ? SHOAL_OK : shoal_fail_nomem(err);
  for (size_t i = 0; i < s->state->n_entries && status >= 0; i++) {
    const shoal_entry *e = &s->state->entries[i], *was = shoal_state_find(target, e->name);
    if (!wanted(names, n, e->name) || !was)
      continue;
    if (n == 0 && shoal_hash_eq(&was->result.signature, &e->result.signature) &&
        was->result.generation == e->result.generation)
      continue;
    (*changed)[*n_changed] = e->name;
    changes[(*n_changed)++] = (shoal_change){
        .kind = SHOAL_CHANGE_PIN, .name = e->name, .result = was->result, .pinned_code = code_now(s, e->name)};
  }
  if (status >= 0 && *n_changed)
    status = publish(s, "rollback", message, changes, *n_changed, out, err);
  shoal_state_free(target);
  return status;
}

shoal_status shoal_session_release(shoal_session *s, const shoal_str *names, size_t n, shoal_str **changed,
                                   size_t *n_changed, int64_t *out, shoal_error *err) {
  *n_changed = 0;
  *out = 0;
  SHOAL_TRY(shoal_session_load_state(s, err));
  SHOAL_TRY(check_names(names, n, s->state, err));
  shoal_change *changes = SHOAL_NEW_ARRAY(&s->arena, shoal_change, s->state->n_entries);
  *changed = SHOAL_NEW_ARRAY(&s->arena, shoal_str, s->state->n_entries);
  if (!changes || !*changed)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < s->state->n_entries; i++)
    if (s->state->entries[i].pinned && wanted(names, n, s->state->entries[i].name)) {
      (*changed)[*n_changed] = s->state->entries[i].name;
      changes[(*n_changed)++] = (shoal_change){.kind = SHOAL_CHANGE_UNPIN, .name = s->state->entries[i].name};
    }
  return *n_changed ? publish(s, "release", NULL, changes, *n_changed, out, err) : SHOAL_OK;
}

/* Whether a run, or another project, stands behind a dataset. */
static shoal_status check_removable(shoal_session *s, shoal_str name, shoal_error *err) {
  shoal_str owner = SHOAL_STR_NONE;
  uint32_t node = s->graph ? shoal_graph_find(s->graph, name) : SHOAL_MAP_NONE;
  if (node != SHOAL_MAP_NONE && s->graph->nodes[node].kind == SHOAL_NODE_MODEL) {
    (void)shoal_fail(err, SHOAL_EINVAL, "%.*s makes %.*s, so the next run would bring it back",
                     SHOAL_FMT(s->graph->nodes[node].unit->path), SHOAL_FMT(name));
    shoal_hint(err, "delete the model first, or say --force");
    return SHOAL_EINVAL;
  }
  shoal_status status = shoal_dataset_owner(s->lake, name, &s->arena, &owner, err);
  if (status < 0)
    return status == SHOAL_ENOTFOUND ? SHOAL_OK : status;
  if (!s->root || shoal_str_eq(owner, s->config.name))
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_EINVAL, "%.*s belongs to project %.*s", SHOAL_FMT(name), SHOAL_FMT(owner));
  shoal_hint(err, "remove it there, or say --force");
  return SHOAL_EINVAL;
}

shoal_status shoal_session_remove(shoal_session *s, const shoal_str *names, size_t n, bool force, const char *message,
                                  shoal_str **changed, size_t *n_changed, int64_t *out, shoal_error *err) {
  *n_changed = 0;
  *out = 0;
  if (s->root && !force) /* the models are read to see what they make */
    SHOAL_TRY(shoal_session_scan(s, err));
  else
    SHOAL_TRY(shoal_session_load_state(s, err));
  SHOAL_TRY(check_names(names, n, s->state, err));
  shoal_change *changes = SHOAL_NEW_ARRAY(&s->arena, shoal_change, s->state->n_entries);
  *changed = SHOAL_NEW_ARRAY(&s->arena, shoal_str, s->state->n_entries);
  if (!changes || !*changed)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < s->state->n_entries; i++) {
    shoal_str name = s->state->entries[i].name;
    if (n == 0 || !wanted(names, n, name))
      continue;
    if (!force)
      SHOAL_TRY(check_removable(s, name, err));
    (*changed)[*n_changed] = name;
    changes[(*n_changed)++] = (shoal_change){.kind = SHOAL_CHANGE_REMOVE, .name = name};
  }
  return *n_changed ? publish(s, "rm", message, changes, *n_changed, out, err) : SHOAL_OK;
}
