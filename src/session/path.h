/* SPDX-License-Identifier: Apache-2.0 */
/* Delta tables that queries name by their folders: FROM './tables/orders' AT (VERSION => 3). Private to src/session. */
#ifndef SHOAL_SESSION_PATH_H
#define SHOAL_SESSION_PATH_H

#include "session/at.h"

/* A reference, which is in lower case, as the text spells it. SHOAL_EINVAL: in two ways, which the engine can't tell.
 */
SHOAL_MUST_USE shoal_status shoal_path_spelled(shoal_str sql, shoal_str name, shoal_arena *arena, shoal_str *out,
                                               shoal_error *err);
/* Lets the engine, which has yet to be opened, read the tables that the text names by path right behind FROM or JOIN:
   the others it is opened once more for. */
SHOAL_MUST_USE shoal_status shoal_path_allow(shoal_session *s, shoal_str sql, shoal_error *err);
/* A table's version with the ids of its rows, where the query names them. SHOAL_DONE: it does not, or there are none.
 */
SHOAL_MUST_USE shoal_status shoal_session_ids_scan(const shoal_delta_table *table, int64_t version, shoal_query *q,
                                                   shoal_scan *out, shoal_error *err);
/* The table in a folder, relative to the project's (as files are), now or at what a clause says (NULL: now). */
SHOAL_MUST_USE shoal_status shoal_path_scan(shoal_session *s, shoal_str path, const shoal_at *at, shoal_query *q,
                                            shoal_scan *out, shoal_error *err);

#endif
