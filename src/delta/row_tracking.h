/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that keep their ids when they are written anew (protocol, "Row Tracking"). A row's id is what its file says in a
 * column of its own, which is no column of the table, or where that is NULL or missing the file's base id and the row's
 * number; the version that last changed it likewise. Here: the view of a table that shows both, and what files are to
 * be given.
 */
#ifndef SHOAL_DELTA_ROW_TRACKING_H
#define SHOAL_DELTA_ROW_TRACKING_H

#include "delta/write.h"

#define SHOAL_TRACKING_DOMAIN "delta.rowTracking" /* where the highest id stands */
#define SHOAL_TRACKING_ID "delta.rowTracking.materializedRowIdColumnName"
#define SHOAL_TRACKING_VERSION "delta.rowTracking.materializedRowCommitVersionColumnName"

/* A member of commitInfo more, for readers that go by ids. */
#define SHOAL_TRACKING_PRESERVED ",\"tags\":{\"delta.rowTracking.preserved\":\"true\"}"

typedef struct shoal_delta_tracking {
  bool on;
  shoal_str id_column, version_column; /* in files */
} shoal_delta_tracking;

/* SHOAL_EUNSUPPORTED: rows are tracked, and the table does not say by which columns. */
SHOAL_MUST_USE shoal_status shoal_delta_tracking_of(const shoal_delta_metadata *m, shoal_delta_tracking *out,
                                                    shoal_error *err);
/* New names of the columns in which files keep what a row was: none that people would give, and none that files of
   another table have, as those that a clone reads. */
SHOAL_MUST_USE shoal_status shoal_delta_tracking_name(shoal_arena *arena, shoal_delta_metadata *m, shoal_error *err);
/* Makes of a snapshot's shallow copy one whose scans, with positions, have what the expressions below ask for; its
   files are copies, in the same order. All in the arena. */
SHOAL_MUST_USE shoal_status shoal_delta_tracking_view(const shoal_delta_tracking *t, shoal_delta_snapshot *view,
                                                      shoal_arena *arena, shoal_error *err);
/* A row's id, of such a scan called `from`; id and version as the columns of files, with a comma in front. */
void shoal_delta_tracking_add_id(shoal_buf *sql, const char *from);
void shoal_delta_tracking_add_columns(const shoal_delta_tracking *t, shoal_buf *sql, const char *from);
/* Files get the two columns behind the table's, as the query must. */
SHOAL_MUST_USE shoal_status shoal_delta_tracking_writing(const shoal_delta_tracking *t, shoal_delta_writing *w,
                                                         shoal_error *err);

#endif
