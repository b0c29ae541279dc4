/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table's metadata and protocol on the way to others: copies that are edited, and what of them a commit must say.
 * Private to delta/; what alters a table and what brings rows of more columns have it in common.
 */
#ifndef SHOAL_DELTA_EVOLVE_H
#define SHOAL_DELTA_EVOLVE_H

#include "delta/delta_internal.h"
#include "delta/transaction.h"

typedef struct shoal_delta_evolution {
  shoal_arena *arena;
  shoal_delta_metadata metadata; /* schema and partition columns are copies, to be edited in place */
  shoal_delta_protocol protocol;
  bool columns_change, protocol_changes;
} shoal_delta_evolution;

SHOAL_MUST_USE shoal_status shoal_delta_evolution_start(shoal_delta_evolution *e, const shoal_delta_snapshot *s,
                                                        shoal_arena *arena, shoal_error *err);
/* A column more, at the end; NULL for the rows that are there. SHOAL_EINVAL: it has a name that is there, or NOT NULL.
 */
SHOAL_MUST_USE shoal_status shoal_delta_evolve_add(shoal_delta_evolution *e, const shoal_field *field,
                                                   shoal_error *err);
/* A wider type for a column. SHOAL_EUNSUPPORTED: it is none, or the table does not widen types. */
SHOAL_MUST_USE shoal_status shoal_delta_evolve_type(shoal_delta_evolution *e, shoal_field *field, const shoal_type *to,
                                                    shoal_error *err);
/* Ids and names in files for columns of the metadata; see shoal_delta_map_fields. */
SHOAL_MUST_USE shoal_status shoal_delta_evolve_map(shoal_delta_evolution *e, shoal_field *fields, size_t n,
                                                   bool as_named, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_delta_evolve_feature(shoal_delta_evolution *e, const char *feature, bool reader,
                                                       shoal_error *err);
/* Hands metadata and, where it changes, protocol to a transaction; *e must outlive it. */
void shoal_delta_evolution_state(shoal_delta_evolution *e, shoal_delta_transaction *t);
/* The columns of `rows` that the table lacks, as columns of the table, and what members its structs lack. */
SHOAL_MUST_USE shoal_status shoal_delta_evolve_missing(shoal_delta_evolution *e, const shoal_schema *rows,
                                                       shoal_error *err);

#endif
