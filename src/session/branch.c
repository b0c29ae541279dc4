/* SPDX-License-Identifier: Apache-2.0 */
/* Branches by name: making one, moving its base, deleting it. Each is one put into the branch's log. */
#include "base/str.h"
#include "session/session.h"

shoal_status shoal_session_branch_make(shoal_session *s, shoal_str name, shoal_str from, shoal_state **out,
                                       shoal_error *err) {
  shoal_state *base = NULL;
  *out = NULL;
  SHOAL_TRY(shoal_session_open_lake(s, false, err));
  shoal_status status = from.len ? shoal_session_revision(s, from, &base, err)
                                 : shoal_branch_load(s->lake, s->lake->trunk, -1, &base, err);
  if (status >= 0)
    status = shoal_branch_create(s->lake, name, base->branch, base->publication, err);
  if (status >= 0)
    status = shoal_branch_load(s->lake, name, -1, out, err);
  shoal_state_free(base);
  return status;
}

/* The session works on the branch named; the rest of a command is about it. */
static shoal_status work_on(shoal_session *s, shoal_str name, shoal_error *err) {
  if (name.len)
    s->branch = name;
  SHOAL_TRY(shoal_session_load_state(s, err));
  if (!s->branch_is_new)
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_ENOTFOUND, "there is no branch %.*s yet", SHOAL_FMT(s->branch));
  shoal_hint(err, "shoal branch shows those there are; a run on it makes it");
  return SHOAL_ENOTFOUND;
}

static shoal_status publish_update(shoal_session *s, const shoal_state *onto, const shoal_rebase *r, int64_t *out,
                                   shoal_error *err) {
  shoal_publication_draft draft = {.kind = "update",
                                   .changes = r->changes,
                                   .n_changes = r->n_changes,
                                   .reads = r->reads,
                                   .n_reads = r->n_changes,
                                   .sources = r->sources,
                                   .n_sources = r->n_sources,
                                   .fork_branch = onto->branch,
                                   .fork_id = onto->branch_id,
                                   .fork_publication = onto->publication};
  SHOAL_TRY(shoal_session_publish(s, &draft, out, err));
  return shoal_session_project(s, NULL, err);
}

shoal_status shoal_session_branch_update(shoal_session *s, shoal_str name, shoal_str from, shoal_branch_moved *out,
                                         shoal_error *err) {
  shoal_state *onto = NULL;
  *out = (shoal_branch_moved){0};
  SHOAL_TRY(work_on(s, name, err));
  const shoal_state *mine = s->state;
  if (!mine->fork_branch.ptr)
    return shoal_fail(err, SHOAL_EINVAL, "%.*s is the trunk: it has no base to move", SHOAL_FMT(mine->branch));
  SHOAL_TRY(from.len ? shoal_session_revision(s, from, &onto, err)
                     : shoal_branch_load(s->lake, mine->fork_branch, -1, &onto, err));
  shoal_status status = shoal_branch_rebase(s->lake, mine, onto, &s->arena, &out->rebase, err);
  bool there = shoal_str_eq(mine->fork_branch, onto->branch) && mine->fork_publication == onto->publication;
  out->base = shoal_arena_str(&s->arena, onto->branch);
  out->base_publication = onto->publication;
  if (status >= 0 && !there)
    status = publish_update(s, onto, &out->rebase, &out->publication, err);
  shoal_state_free(onto);
  return status;
}

bool shoal_session_is_protected(const shoal_session *s, shoal_str name) {
  for (size_t i = 0; i < s->lake->n_protected; i++)
    if (shoal_str_eq(s->lake->protected_branches[i], name))
      return true;
  return false;
}

/* Results that the branch set and its base does not hold. */
static shoal_status check_merged(shoal_session *s, const shoal_state *mine, shoal_error *err) {
  shoal_state *base = NULL;
  shoal_str first = SHOAL_STR_NONE;
  size_t n = 0;
  shoal_status status = shoal_branch_load(s->lake, mine->fork_branch, -1, &base, err);
  if (status == SHOAL_ENOTFOUND) /* of a deleted branch: then the trunk tells */
    status = shoal_branch_load(s->lake, s->lake->trunk, -1, &base, err);
  for (size_t i = 0; status >= 0 && i < mine->n_entries; i++) {
    const shoal_entry *e = &mine->entries[i], *b = shoal_state_find(base, e->name);
    if (!e->local || (b && shoal_hash_eq(&b->result.signature, &e->result.signature)))
      continue;
    first = n++ ? first : e->name;
  }
  if (status >= 0 && n) {
    status = shoal_fail(err, SHOAL_EINVAL, "%.*s holds results that %.*s does not: %.*s%s", SHOAL_FMT(mine->branch),
                        SHOAL_FMT(base->branch), SHOAL_FMT(first), n > 1 ? " and others" : "");
    shoal_hint(err, "shoal branch -D %.*s deletes it all the same", SHOAL_FMT(mine->branch));
  }
  shoal_state_free(base);
  return status;
}

shoal_status shoal_session_branch_delete(shoal_session *s, shoal_str name, bool anyway, int64_t *out,
                                         shoal_error *err) {
  *out = 0;
  SHOAL_TRY(shoal_session_open_lake(s, false, err));
  if (shoal_str_eq(name, s->branch)) {
    (void)shoal_fail(err, SHOAL_EINVAL, "%.*s is the branch you are on", SHOAL_FMT(name));
    shoal_hint(err, "git switch to another one first, or say --branch main");
    return SHOAL_EINVAL;
  }
  if (shoal_str_eq(name, s->lake->trunk))
    return shoal_fail(err, SHOAL_EINVAL, "%.*s is the trunk: it can't be deleted", SHOAL_FMT(name));
  if (shoal_session_is_protected(s, name))
    return shoal_fail(err, SHOAL_EINVAL, "%.*s is protected: it can't be deleted", SHOAL_FMT(name));
  SHOAL_TRY(work_on(s, name, err));
  const shoal_state *mine = s->state;
  if (!anyway)
    SHOAL_TRY(check_merged(s, mine, err));
  shoal_change *changes = SHOAL_NEW_ARRAY(&s->arena, shoal_change, mine->n_entries);
  shoal_read *reads = SHOAL_NEW_ARRAY(&s->arena, shoal_read, mine->n_entries);
  if (!changes || !reads)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < mine->n_entries; i++) {
    const shoal_entry *e = &mine->entries[i];
    changes[i] = (shoal_change){.kind = SHOAL_CHANGE_REMOVE, .name = e->name};
    reads[i] = (shoal_read){e->name, e->result.signature, e->result.generation};
  }
  shoal_publication_draft draft = {
      .kind = "delete", .changes = changes, .n_changes = mine->n_entries, .reads = reads, .n_reads = mine->n_entries};
  return shoal_session_publish(s, &draft, out, err);
}
