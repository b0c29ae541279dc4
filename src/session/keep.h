/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions whose results are kept, one call at a time: what `shoal.keep` in a Python process does where `shoal run`
 * makes a plan. The order is: key, look up, begin (the lease, or wait for who has it), compute, put, end; and, once for
 * all that a call has made, publish. What takes a session is its one thread's; what takes a lake is any thread's.
 */
#ifndef SHOAL_SESSION_KEEP_H
#define SHOAL_SESSION_KEEP_H

#include "lake/heart.h"
#include "run/expect.h"
#include "session/session.h"

/* Makes the lake where there is none, and brings the state up to the branch's head: one small read when nothing is new.
 */
SHOAL_MUST_USE shoal_status shoal_keep_refresh(shoal_session *s, shoal_error *err);

/* K of what a dataset holds at a revision ("": the head, as last refreshed); zero: it isn't there. SHOAL_EUNSUPPORTED:
   it is a source, whose content no key covers here. */
SHOAL_MUST_USE shoal_status shoal_keep_key(shoal_session *s, shoal_str name, shoal_str revision, shoal_hash *out,
                                           shoal_error *err);

/* What a caller who waits has seen of the holder; zero at first. */
typedef struct shoal_keep_wait {
  uint32_t epoch;
  uint64_t beat;
  int64_t since_us;
  char holder[256]; /* "anna@host" */
} shoal_keep_wait;
/* Tries once: *look is found, or *lease is ours and *look says how many generations there are. SHOAL_EBUSY: somebody
   computes it; try again soon. */
SHOAL_MUST_USE shoal_status shoal_keep_begin(shoal_lake *lake, shoal_heart *heart, const shoal_hash *signature,
                                             shoal_str who, shoal_str label, shoal_keep_wait *wait, shoal_arena *arena,
                                             shoal_lookup *look, shoal_lease **lease, shoal_error *err);
void shoal_keep_end(shoal_heart *heart, shoal_lease *lease);

/* What a result breaks of a model's expectations; checked: false where they were not counted. */
typedef struct shoal_keep_broken {
  shoal_broken *broken;
  size_t n;
  bool checked;
} shoal_keep_broken;
/* Puts a table: the rows of an Arrow stream, which stays the caller's. The draft's staging and outcome are filled in;
   of `m`, layout and expectations count. What breaks these is put nevertheless, as a run does: it is never published.
 */
SHOAL_MUST_USE shoal_status shoal_keep_put_table(shoal_lake *lake, shoal_engine *engine,
                                                 struct ArrowArrayStream *stream, const shoal_model *m,
                                                 shoal_result_draft *draft, shoal_arena *arena, shoal_result *out,
                                                 shoal_keep_broken *broken, shoal_error *err);
/* Counts over a result that is in the lake. */
SHOAL_MUST_USE shoal_status shoal_keep_check(shoal_lake *lake, shoal_engine *engine, const shoal_model *m,
                                             const shoal_result *r, shoal_arena *arena, shoal_keep_broken *out,
                                             shoal_error *err);

/* One dataset that is to hold a result. */
typedef struct shoal_keep_set {
  shoal_str dataset;
  shoal_result result;
} shoal_keep_set;
/* Publishes those that the branch doesn't hold already, in one publication, and brings their tables up; pinned ones
   stay as they are. Whoever comes later wins. *out is 0 when nothing had to be put. SHOAL_ECONFLICT: another project
   owns a dataset. */
SHOAL_MUST_USE shoal_status shoal_keep_publish(shoal_session *s, const shoal_keep_set *sets, size_t n, int64_t *out,
                                               shoal_error *err);

#endif
