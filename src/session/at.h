/* SPDX-License-Identifier: Apache-2.0 */
/* AT clauses of queries: the text without them, and what each asked for. Private to src/session. */
#ifndef SHOAL_SESSION_AT_H
#define SHOAL_SESSION_AT_H

#include "engine/lexer.h"
#include "session/session.h"

typedef struct shoal_at {
  shoal_str input;   /* "shoal_at_0.delays": how the new text names it */
  shoal_str dataset; /* "gold.delays", or a path */
  shoal_str value;   /* what stands behind => */
  bool is_time;
  bool is_path;
} shoal_at;

/* A table by its path: text between quotes with a '/' in it. */
bool shoal_at_is_path(const shoal_token *t);
/* *out is as long as `sql`; all is in the arena. */
SHOAL_MUST_USE shoal_status shoal_at_rewrite(shoal_str sql, shoal_arena *arena, shoal_str *out, shoal_at **ats,
                                             size_t *n, shoal_error *err);
/* The state of base's branch that a clause means. */
SHOAL_MUST_USE shoal_status shoal_at_state(shoal_session *s, const shoal_state *base, const shoal_at *at,
                                           shoal_state **out, shoal_error *err);

#endif
