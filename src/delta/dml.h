/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows deleted, updated, merged and overwritten, in one commit each. Conditions and values are SQL of the engine's; the
 * table's own columns are named as they are, or as target.column, those of a merge's source as source.column. A
 * condition that is NULL for a row does not hold for it.
 *
 * SHOAL_ECONFLICT: others changed meanwhile what was read; nothing was changed. SHOAL_EUNSUPPORTED, by name: what the
 * table asks of its writers and is not done here (identity columns, expressions that this build does not evaluate, when
 * values come in). SHOAL_EINVAL: a row that the table's constraints forbid (delta/rules.h).
 */
#ifndef SHOAL_DELTA_DML_H
#define SHOAL_DELTA_DML_H

#include "delta/delta.h"

typedef struct shoal_delta_changed {
  int64_t version;                     /* -1: nothing was committed: there was nothing to do, or it was only tried */
  uint64_t deleted, updated, inserted; /* rows */
  uint64_t copied;                     /* rows written anew as they were */
  size_t files_added, files_removed;
  size_t vectors; /* files that got another deletion vector */
} shoal_delta_changed;

typedef struct shoal_delta_set {
  shoal_str column, value; /* value: an expression */
} shoal_delta_set;

/* The rows for which the condition holds are deleted; {NULL,0}: all. `dry_run` only counts. */
SHOAL_MUST_USE shoal_status shoal_delta_delete_rows(const shoal_delta_table *table, shoal_engine *engine,
                                                    shoal_str where, bool dry_run, shoal_delta_changed *out,
                                                    shoal_error *err);
/* Columns of the rows for which the condition holds ({NULL,0}: all) get new values, which may use the old ones. */
SHOAL_MUST_USE shoal_status shoal_delta_update_rows(const shoal_delta_table *table, shoal_engine *engine,
                                                    const shoal_delta_set *sets, size_t n, shoal_str where,
                                                    bool dry_run, shoal_delta_changed *out, shoal_error *err);

/* --- MERGE --- */
typedef enum shoal_delta_when {
  SHOAL_DELTA_MATCHED,       /* a row of the table and one of the source */
  SHOAL_DELTA_NOT_MATCHED,   /* a row of the source alone */
  SHOAL_DELTA_NOT_BY_SOURCE, /* a row of the table alone */
} shoal_delta_when;
typedef enum shoal_delta_then {
  SHOAL_DELTA_THEN_DELETE,
  SHOAL_DELTA_THEN_UPDATE,
  SHOAL_DELTA_THEN_INSERT
} shoal_delta_then;
typedef struct shoal_delta_clause {
  shoal_delta_when when;
  shoal_delta_then then;
  shoal_str condition;         /* {NULL,0}: always */
  const shoal_delta_set *sets; /* update: others stay; insert: others are NULL */
  size_t n_sets;               /* 0: every column of the source */
} shoal_delta_clause;
typedef struct shoal_delta_merge {
  const shoal_scan *source;
  shoal_str on;
  const shoal_delta_clause *clauses; /* for a row or pair the first counts whose condition holds */
  size_t n_clauses;
  bool merge_schema; /* columns of the source that clauses give, and the table lacks, become the table's */
  bool dry_run;
} shoal_delta_merge;
/* SHOAL_EINVAL: clauses that can't be (an insert where something matched …); several rows of the source would change
   the same row of the table; columns that the table lacks. */
SHOAL_MUST_USE shoal_status shoal_delta_merge_rows(const shoal_delta_table *table, shoal_engine *engine,
                                                   const shoal_delta_merge *merge, shoal_delta_changed *out,
                                                   shoal_error *err);

/* --- overwriting --- */
typedef struct shoal_delta_overwrite {
  const shoal_scan *source; /* columns go by name, as in an append */
  /* Which rows are replaced, {NULL,0}: all. The new rows must satisfy it, too (SHOAL_EENGINE). */
  shoal_str where;
  bool partitions;   /* instead: all rows of the partitions that the new rows lie in */
  bool merge_schema; /* columns that the table lacks become its own */
} shoal_delta_overwrite;
SHOAL_MUST_USE shoal_status shoal_delta_overwrite_rows(const shoal_delta_table *table, shoal_engine *engine,
                                                       const shoal_delta_overwrite *overwrite, shoal_delta_changed *out,
                                                       shoal_error *err);

#endif
