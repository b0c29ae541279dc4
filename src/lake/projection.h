/* SPDX-License-Identifier: Apache-2.0 */
/* One table of a projection. Private to src/lake. */
#ifndef SHOAL_LAKE_PROJECTION_H
#define SHOAL_LAKE_PROJECTION_H

#include "base/thread.h"
#include "lake/lake.h"

/* projected.json: all tables are at `publication`, except those pending, which lag behind from `since` on. */
typedef struct shoal_pending {
  shoal_str name;
  int64_t since; /* the first publication that is missing from the table */
} shoal_pending;
typedef struct shoal_watermark {
  int64_t publication; /* -1: there is none */
  shoal_pending *pending;
  size_t n_pending;
} shoal_watermark;
SHOAL_MUST_USE shoal_status shoal_watermark_read(shoal_lake *lake, shoal_str branch, shoal_arena *arena,
                                                 shoal_watermark *out, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_watermark_write(shoal_lake *lake, shoal_str branch, const shoal_watermark *mark,
                                                  shoal_error *err);

typedef struct shoal_table_job {
  shoal_lake *lake;
  const shoal_state *state;
  shoal_str name;
  const shoal_entry *entry; /* what the table is to hold; NULL: the dataset was removed */
  int64_t publication;      /* that set or removed it */
  shoal_projection_report *report;
  shoal_mutex *engine_lock; /* held while the lake's engine may be in use: tables are brought up by several threads */
} shoal_table_job;

/* Brings one table up to the state; counts it in the report. SHOAL_ECONFLICT: it was changed from outside. */
SHOAL_MUST_USE shoal_status shoal_table_project(const shoal_table_job *job, shoal_error *err);

/* What a commit of ours says of itself in commitInfo: docs/lake-format.md, "Projected tables". */
typedef struct shoal_commit_tag {
  shoal_str branch_id; /* {NULL,0}: the commit is none of ours */
  int64_t publication;
  shoal_str paths; /* what stands before the attempt's own path in every add */
  bool removed;    /* the table was emptied; there is no result */
  shoal_result result;
} shoal_commit_tag;
/* What a commit's text does to a table. */
typedef struct shoal_commit_view {
  shoal_commit_tag tag;
  bool files, data; /* has file actions; has some with dataChange */
} shoal_commit_view;
SHOAL_MUST_USE shoal_status shoal_commit_view_read(shoal_str text, const char *key, shoal_arena *arena,
                                                   shoal_commit_view *out, shoal_error *err);
/* The member "shoal" of commitInfo, as a JSON object around it. */
SHOAL_MUST_USE shoal_status shoal_commit_tag_write(const shoal_commit_tag *tag, shoal_buf *out, shoal_error *err);

/* Makes a result's files reachable for the table at `prefix`: nothing to do in their own home, hard links elsewhere,
   "../" paths where a branch's store has no links, copies on the trunk. *paths is what stands before each file's path.
 */
SHOAL_MUST_USE shoal_status shoal_place_files(shoal_lake *lake, const shoal_result *r, const shoal_delta_snapshot *s,
                                              shoal_str prefix, bool trunk, shoal_arena *arena, shoal_str *paths,
                                              shoal_error *err);
void shoal_projection_warn(shoal_projection_report *report, const char *fmt, ...) SHOAL_PRINTF(2, 3);

#endif
