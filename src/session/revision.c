/* SPDX-License-Identifier: Apache-2.0 */
/* One notation for states of a branch: BRANCH, BRANCH~n, BRANCH@{time}, #n, and nothing or HEAD for where we are. */
#include "base/str.h"
#include "base/time.h"
#include "session/session.h"

static shoal_status no_revision(shoal_session *s, shoal_str rev, shoal_error *err) {
  shoal_str *names;
  size_t n;
  shoal_error ignored;
  (void)shoal_fail(err, SHOAL_ENOTFOUND, "there is no revision '%.*s'", SHOAL_FMT(rev));
  if (shoal_branch_list(s->lake, &s->arena, &names, &n, &ignored) >= 0) {
    ptrdiff_t near = shoal_str_nearest(rev, names, n);
    if (near >= 0)
      shoal_hint(err, "did you mean %.*s?", SHOAL_FMT(names[near]));
  }
  shoal_hint(err, "a revision is BRANCH, BRANCH~n, BRANCH@{time} or #publication; shoal log shows them");
  return SHOAL_ENOTFOUND;
}

/* Goes n publications back, into the branch it was forked from where its own end. */
static shoal_status back(shoal_session *s, shoal_str branch, int64_t n, shoal_state **out, shoal_error *err) {
  shoal_state *head;
  SHOAL_TRY(shoal_branch_load(s->lake, branch, -1, &head, err));
  int64_t at = head->publication - n;
  if (at >= 0) {
    shoal_state_free(head);
    return shoal_branch_load(s->lake, branch, at, out, err);
  }
  int64_t has = head->publication;
  shoal_state_free(head);
  SHOAL_TRY(shoal_branch_load(s->lake, branch, 0, &head, err)); /* where it began; its base may have been moved since */
  shoal_str fork = shoal_arena_str(&s->arena, head->fork_branch);
  int64_t forked_at = head->fork_publication;
  shoal_state_free(head);
  if (!fork.ptr) {
    (void)shoal_fail(err, SHOAL_ENOTFOUND, "%.*s has only %lld publications", SHOAL_FMT(branch), (long long)has);
    return SHOAL_ENOTFOUND;
  }
  at += forked_at;
  return at >= 0 ? shoal_branch_load(s->lake, fork, at, out, err) : back(s, fork, -at, out, err);
}

/* The newest publication not younger than the time. */
static shoal_status at_time(shoal_session *s, shoal_str branch, int64_t us, shoal_state **out, shoal_error *err) {
  shoal_state *head;
  SHOAL_TRY(shoal_branch_load(s->lake, branch, -1, &head, err));
  int64_t lo = 0, hi = head->publication;
  shoal_state_free(head);
  while (lo < hi) { /* the last one with time <= us; 0 if none */
    int64_t mid = lo + (hi - lo + 1) / 2;
    shoal_arena arena = {0};
    shoal_publication p;
    shoal_status status = shoal_publication_read(s->lake, branch, mid, &arena, &p, err);
    bool old = status >= 0 && p.time_us <= us;
    shoal_arena_dispose(&arena);
    if (status < 0)
      return status;
    if (old)
      lo = mid;
    else
      hi = mid - 1;
  }
  return shoal_branch_load(s->lake, branch, lo, out, err);
}

/* Cuts a suffix "~n" or "@{time}" off. */
static shoal_status suffix(shoal_str rev, shoal_str *branch, int64_t *n, int64_t *us, shoal_error *err) {
  *branch = rev;
  *n = 0;
  *us = -1;
  ptrdiff_t at = shoal_str_find(rev, SHOAL_STR("@{")), tilde = shoal_str_rchr(rev, '~');
  if (at >= 0 && shoal_str_ends(rev, SHOAL_STR("}"))) {
    shoal_str text = shoal_str_sub(rev, (size_t)at + 2, rev.len - 1);
    int64_t ago;
    if (!shoal_time_parse(text, us)) {
      shoal_str word = shoal_str_ends(text, SHOAL_STR(" ago")) ? shoal_str_sub(text, 0, text.len - 4) : text;
      if (!shoal_duration_parse(word, &ago))
        return shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no time: write 2026-01-31, 2026-01-31 14:00 (UTC) or 2h",
                          SHOAL_FMT(text));
      *us = shoal_time_now() - ago;
    }
    *branch = shoal_str_sub(rev, 0, (size_t)at);
  } else if (tilde >= 0) {
    shoal_str count = shoal_str_sub(rev, (size_t)tilde + 1, rev.len);
    *n = 1;
    if (count.len && (!shoal_str_i64(count, n) || *n < 0))
      return shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no revision: write BRANCH~2", SHOAL_FMT(rev));
    *branch = shoal_str_sub(rev, 0, (size_t)tilde);
  }
  return SHOAL_OK;
}

shoal_status shoal_session_revision(shoal_session *s, shoal_str rev, shoal_state **out, shoal_error *err) {
  shoal_str branch;
  int64_t n, us;
  *out = NULL;
  SHOAL_TRY(shoal_session_open_lake(s, false, err));
  if (shoal_str_starts(rev, SHOAL_STR("#"))) {
    if (!shoal_str_i64(shoal_str_sub(rev, 1, rev.len), &n) || n < 0)
      return shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no publication: write #42", SHOAL_FMT(rev));
    SHOAL_TRY(shoal_session_load_state(s, err));
    return shoal_branch_load(s->lake, s->branch_is_new ? s->fork_branch : s->branch, n, out, err);
  }
  SHOAL_TRY(suffix(rev, &branch, &n, &us, err));
  if (branch.len == 0 || shoal_str_is(branch, "HEAD")) {
    SHOAL_TRY(shoal_session_load_state(s, err));
    branch = s->branch_is_new ? s->fork_branch : s->branch;
  }
  shoal_status status = us >= 0 ? at_time(s, branch, us, out, err) : back(s, branch, n, out, err);
  if (status == SHOAL_EINVAL || (status == SHOAL_ENOTFOUND && n == 0))
    return no_revision(s, rev, err);
  return status;
}

shoal_status shoal_session_range(shoal_session *s, shoal_str range, shoal_state **before, shoal_state **after,
                                 shoal_error *err) {
  shoal_str a = range, b = SHOAL_STR("");
  ptrdiff_t dots = shoal_str_find(range, SHOAL_STR(".."));
  *before = *after = NULL;
  if (dots >= 0) {
    a = shoal_str_sub(range, 0, (size_t)dots);
    b = shoal_str_sub(range, (size_t)dots + 2, range.len);
  }
  shoal_status status = shoal_session_revision(s, a, before, err);
  if (status >= 0)
    status = shoal_session_revision(s, b, after, err);
  if (status < 0) {
    shoal_state_free(*before);
    *before = NULL;
  }
  return status;
}
