/* SPDX-License-Identifier: Apache-2.0 */
/* The rules R1 … R7 of conflict.h. */
#include "delta/conflict.h"

#include "delta/delta_internal.h"
#include "delta/identity.h"
#include "delta/row_tracking.h"

static shoal_status conflict(const shoal_delta_winner *theirs, shoal_error *err, const char *what, shoal_str name) {
  (void)shoal_fail(err, SHOAL_ECONFLICT, "version %lld, committed meanwhile, %s%s%.*s%s", (long long)theirs->version,
                   what, name.ptr ? " '" : "", SHOAL_FMT(name), name.ptr ? "'" : "");
  shoal_hint(err, "nothing was changed: do it again");
  return SHOAL_ECONFLICT;
}

static bool has(const shoal_str *names, size_t n, shoal_str name) {
  for (size_t i = 0; i < n; i++)
    if (shoal_str_eq(names[i], name))
      return true;
  return false;
}

static bool is_blind_append(const shoal_delta_winner *w) {
  for (size_t i = 0; i < w->n; i++)
    if (w->actions[i].kind == SHOAL_ACTION_INFO)
      return w->actions[i].blind_append;
  return false;
}

/* R5 */
static bool counts(const shoal_delta_intent *ours, const shoal_delta_file *added, bool blind) {
  if (!added->data_change || ours->isolation == SHOAL_DELTA_SNAPSHOT)
    return false;
  if (ours->isolation == SHOAL_DELTA_WRITE_SERIALIZABLE && blind && !ours->changes_metadata)
    return false;
  return ours->reads_all || (ours->would_read && ours->would_read(ours->would_read_arg, added));
}

static shoal_status check_removed(const shoal_delta_intent *ours, const shoal_delta_winner *theirs, shoal_str path,
                                  shoal_error *err) {
  shoal_str key = shoal_delta_path_key(path);
  if (ours->removed && shoal_map_get(ours->removed, key) != SHOAL_MAP_NONE)
    return conflict(theirs, err, "removes a file that is removed here, too:", path);
  if (ours->reads_all || (ours->read && shoal_map_get(ours->read, key) != SHOAL_MAP_NONE))
    return conflict(theirs, err, "removes a file that was read here:", path);
  return SHOAL_OK;
}

static bool moves_marks(const shoal_delta_intent *ours, const shoal_action *metadata) {
  shoal_arena arena = {0};
  shoal_delta_metadata after;
  bool only = ours->metadata && shoal_delta_metadata_parse(metadata->raw, &arena, &after, NULL) == SHOAL_OK &&
              shoal_delta_only_marks(ours->metadata, &after);
  shoal_arena_dispose(&arena);
  return only;
}

static shoal_status check_action(const shoal_delta_intent *ours, const shoal_delta_winner *theirs,
                                 const shoal_action *a, bool blind, shoal_error *err) {
  switch (a->kind) {
  case SHOAL_ACTION_PROTOCOL:
    if (ours->changes_protocol || !ours->appends)
      return conflict(theirs, err, "changes the table's protocol", SHOAL_STR_NONE);
    break;
  case SHOAL_ACTION_METADATA:
    if (ours->changes_metadata || (!ours->appends && !moves_marks(ours, a)))
      return conflict(theirs, err, "changes the table's metadata", SHOAL_STR_NONE);
    break;
  case SHOAL_ACTION_DOMAIN:
    if (!shoal_str_is(a->id, SHOAL_TRACKING_DOMAIN) && has(ours->domains, ours->n_domains, a->id))
      return conflict(theirs, err, "writes the same domain", a->id);
    break;
  case SHOAL_ACTION_TXN:
    if (has(ours->apps, ours->n_apps, a->id))
      return conflict(theirs, err, "is of the same application", a->id);
    break;
  case SHOAL_ACTION_ADD:
    if (counts(ours, &a->file, blind))
      return conflict(theirs, err, "adds rows that would have been read:", a->file.path);
    break;
  case SHOAL_ACTION_REMOVE:
    return check_removed(ours, theirs, a->file.path, err);
  case SHOAL_ACTION_SIDECAR:
  case SHOAL_ACTION_INFO:
  case SHOAL_ACTION_CDC:
  case SHOAL_ACTION_OTHER:
    break;
  }
  return SHOAL_OK;
}

shoal_status shoal_delta_conflict(const shoal_delta_intent *ours, const shoal_delta_winner *theirs, shoal_error *err) {
  bool blind = is_blind_append(theirs);
  for (size_t i = 0; i < theirs->n; i++)
    SHOAL_TRY(check_action(ours, theirs, &theirs->actions[i], blind, err));
  return SHOAL_OK;
}
