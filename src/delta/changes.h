/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened to a table's rows from one version to another (protocol, "Change Data Files").
 *
 *  F1 A version with change data files is told by these alone; any other by the files it added (inserts) and removed
 *     (deletes), as far as they changed data. Where one file gets another deletion vector, by what tells the two apart.
 *  F2 The feed must be on at every version of the range: before, rows may have changed that no file tells of.
 *  F3 The rows have the columns of the range's last version. A version whose columns can't be read as these (dropped,
 *     renamed, of a type that does not widen to the later one) refuses the range.
 */
#ifndef SHOAL_DELTA_CHANGES_H
#define SHOAL_DELTA_CHANGES_H

#include "delta/delta.h"

/* Columns beside the table's own: insert, delete, update_preimage, update_postimage; the version; its time. */
#define SHOAL_CHANGES_TYPE "_change_type"
#define SHOAL_CHANGES_VERSION "_commit_version"
#define SHOAL_CHANGES_TIME "_commit_timestamp"

typedef struct shoal_delta_changes {
  shoal_delta_snapshot *snapshot; /* of the last version */
  int64_t from, to;
  shoal_job job; /* its rows are the changes, in the order of versions */
} shoal_delta_changes;

/* The changes of the versions from `from` to `to`, both included; SHOAL_DELTA_LATEST: to the latest. The job lives as
   long as *out and the arena, in which it is. SHOAL_ENOTFOUND: no such versions, or files that they need are gone;
   SHOAL_EUNSUPPORTED: F2, F3. */
SHOAL_MUST_USE shoal_status shoal_delta_changes_open(const shoal_delta_table *table, int64_t from, int64_t to,
                                                     shoal_arena *arena, shoal_delta_changes *out, shoal_error *err);
void shoal_delta_changes_dispose(shoal_delta_changes *c);

/* The first version that is not older than `us`. SHOAL_ENOTFOUND: all are. */
SHOAL_MUST_USE shoal_status shoal_delta_version_since(const shoal_delta_table *table, int64_t us, int64_t *out,
                                                      shoal_error *err);

#endif
