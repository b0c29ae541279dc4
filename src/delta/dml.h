/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows deleted, updated, merged and overwritten, in one commit each. Conditions and values are SQL of the engine's; the
 * table's own columns are named as they are, or as target.column, those of a merge's source as source.column. A condition
 * that is NULL for a row does not hold for it.
 *
 * SHOAL_ECONFLICT: others changed meanwhile what was read; nothing was changed. SHOAL_EUNSUPPORTED, by name: what the
 * table asks of its writers and is not done here (constraints, generated and identity columns when values come in).
 */
#ifndef SHOAL_DELTA_DML_H
#define SHOAL_DELTA_DML_H

#include "delta/delta.h"

typedef struct shoal_delta_changed {
  int64_t version; /* -1: nothing was committed: there was nothing to do, or it was only tried */
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

#endif
