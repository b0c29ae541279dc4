/* SPDX-License-Identifier: Apache-2.0 */
/* Who did what to a table, from its commits, newest first. */
#ifndef SHOAL_DELTA_HISTORY_H
#define SHOAL_DELTA_HISTORY_H

#include "delta/delta.h"

typedef struct shoal_delta_history_entry {
  int64_t version;
  int64_t time_us;               /* by which time travel goes: the in-commit timestamp, else the commit file's */
  shoal_str operation, engine;   /* {NULL,0}: not told */
  shoal_str parameters, metrics; /* JSON objects' texts or {NULL,0} */
  shoal_str info;                /* the whole commitInfo as JSON text or {NULL,0} */
} shoal_delta_history_entry;

/* At most `limit` (0: all) of the commits that are still in the log; in the arena. SHOAL_ENOTFOUND: no table. */
SHOAL_MUST_USE shoal_status shoal_delta_history(const shoal_delta_table *table, size_t limit, shoal_arena *arena,
                                                shoal_delta_history_entry **out, size_t *n, shoal_error *err);

#endif
