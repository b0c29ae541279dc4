/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay: actions, oldest first, into a state (protocol, "Action Reconciliation").
 *
 *  R1 A file is known by its path and its deletion vector's id; the newest action about it wins.
 *  R2 The actions of one commit have no order: its removes are applied before its adds, so that replacing a file's
 *     vector, or a file by itself, keeps it.
 *  R3 Of metadata and protocol the last one counts, of a txn the last one of its application, of a domain likewise.
 */
#include <stdio.h>

#include "delta/delta_internal.h"

void shoal_replay_dispose(shoal_replay *r) {
  shoal_vec_dispose(&r->files);
  shoal_vec_dispose(&r->txns);
  shoal_vec_dispose(&r->domains);
  shoal_vec_dispose(&r->sidecars);
  shoal_map_dispose(&r->files_map);
  shoal_map_dispose(&r->txns_map);
  shoal_map_dispose(&r->domains_map);
}

static shoal_status apply_file(shoal_replay *r, const shoal_action *a, shoal_error *err) {
  shoal_replay_file file = {a->key, a->file, a->deleted_ms, a->kind == SHOAL_ACTION_ADD};
  uint32_t at = shoal_map_get(&r->files_map, a->key);
  if (at == SHOAL_MAP_NONE) {
    if (r->files.len >= SHOAL_MAP_NONE)
      return shoal_fail(err, SHOAL_ELIMIT, "the table's log names more than %u files", SHOAL_MAP_NONE);
    shoal_replay_file *slot = shoal_vec_add(&r->files);
    if (!slot)
      return shoal_fail_nomem(err);
    *slot = file;
    return shoal_map_put(&r->files_map, a->key, (uint32_t)(r->files.len - 1), err);
  }
  r->files.ptr[at] = file;
  return SHOAL_OK;
}

static shoal_status apply_named(shoal_replay_names *names, shoal_map *map, const shoal_action *a, shoal_error *err) {
  shoal_replay_named named = {a->id, a->raw, a->version, a->removed};
  uint32_t at = shoal_map_get(map, a->id);
  if (at != SHOAL_MAP_NONE) {
    names->ptr[at] = named;
    return SHOAL_OK;
  }
  shoal_replay_named *slot = shoal_vec_add(names);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = named;
  return shoal_map_put(map, a->id, (uint32_t)(names->len - 1), err);
}

static shoal_status add_sidecar(shoal_replay *r, const shoal_action *a, shoal_error *err) {
  shoal_replay_named *slot = shoal_vec_add(&r->sidecars);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = (shoal_replay_named){.id = a->id, .raw = a->raw};
  return SHOAL_OK;
}

shoal_status shoal_replay_apply(shoal_replay *r, const shoal_action *a, shoal_error *err) {
  switch (a->kind) {
  case SHOAL_ACTION_ADD:
  case SHOAL_ACTION_REMOVE:
    return r->head ? SHOAL_OK : apply_file(r, a, err);
  case SHOAL_ACTION_TXN:
    return apply_named(&r->txns, &r->txns_map, a, err);
  case SHOAL_ACTION_DOMAIN:
    return apply_named(&r->domains, &r->domains_map, a, err);
  case SHOAL_ACTION_METADATA:
    r->metadata = a->raw;
    break;
  case SHOAL_ACTION_PROTOCOL:
    r->protocol = a->raw;
    break;
  case SHOAL_ACTION_SIDECAR:
    return r->head ? SHOAL_OK : add_sidecar(r, a, err); /* which have files only */
  case SHOAL_ACTION_INFO:
  case SHOAL_ACTION_CDC:
  case SHOAL_ACTION_OTHER:
    break;
  }
  return SHOAL_OK;
}

shoal_status shoal_delta_actions_parse(shoal_str text, const char *name, shoal_arena *arena, shoal_actions *out,
                                       shoal_error *err) {
  shoal_str line;
  size_t number = 0;
  while (shoal_str_split(&text, '\n', &line)) {
    char where[512];
    number++;
    line = shoal_str_trim(line);
    if (line.len == 0)
      continue;
    snprintf(where, sizeof where, "%s, line %zu", name, number);
    shoal_action *a = shoal_vec_add(out);
    if (!a)
      return shoal_fail_nomem(err);
    SHOAL_TRY(shoal_delta_action_parse(line, where, arena, a, err));
  }
  return SHOAL_OK;
}

static shoal_status apply_all(shoal_replay *r, const shoal_actions *list, bool removes, shoal_error *err) {
  for (size_t i = 0; i < list->len; i++) {
    if ((list->ptr[i].kind == SHOAL_ACTION_REMOVE) == removes)
      SHOAL_TRY(shoal_replay_apply(r, &list->ptr[i], err));
  }
  return SHOAL_OK;
}

shoal_status shoal_replay_commit(shoal_replay *r, shoal_str text, const char *name, shoal_arena *arena,
                                 shoal_error *err) {
  shoal_actions list = {0};
  shoal_status status = shoal_delta_actions_parse(text, name, arena, &list, err);
  if (status == SHOAL_OK)
    status = apply_all(r, &list, true, err);
  if (status == SHOAL_OK)
    status = apply_all(r, &list, false, err);
  shoal_vec_dispose(&list);
  return status;
}
