/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a checkpoint as rows of texts, for whoever wants something of each of very many: the engine gives just
 * the columns that are asked for, as views into its own vectors, and nothing is made into JSON but for deletion vectors
 * and tags, which few files have, and statistics that stand in `stats_parsed` only.
 */
#ifndef SHOAL_DELTA_ADDS_H
#define SHOAL_DELTA_ADDS_H

#include "delta/delta_internal.h"

/* What is wanted beside path and deletion vector. */
enum {
  SHOAL_ADDS_SIZE = 1,
  SHOAL_ADDS_STATS = 2,
  SHOAL_ADDS_VALUES = 4,
  SHOAL_ADDS_MODIFIED = 8,
  SHOAL_ADDS_MARKS = 16,  /* tags, clusteringProvider */
  SHOAL_ADDS_REMOVED = 32 /* removes instead of adds, and when */
};

/* A column that is not wanted, or not there, is {NULL,0}. Views hold during the call. */
typedef struct shoal_adds_row {
  shoal_str path;
  shoal_str vector; /* JSON of the descriptor */
  shoal_str stats, tags /* JSON */, clustering;
  int64_t size, modified_ms, deleted_ms;
  const shoal_str *values; /* of each partition column */
} shoal_adds_row;
typedef shoal_status shoal_adds_take(void *arg, const shoal_adds_row *row, shoal_error *err);

typedef struct shoal_adds {
  shoal_engine *engine;
  const shoal_scan_file *files; /* local Parquet */
  size_t n_files;
  unsigned wanted;
  const shoal_str *columns; /* physical names of partition columns */
  size_t n_columns;
} shoal_adds;

/* Each of them, in any order, one at a time, from any of the engine's threads. */
SHOAL_MUST_USE shoal_status shoal_adds_each(const shoal_adds *from, shoal_adds_take *take, void *arg, shoal_error *err);

/* tip.c */
/* Those that lie below a tip and still count; removes are given whether or not they do. */
SHOAL_MUST_USE shoal_status shoal_delta_tip_each(const shoal_delta_table *table, const shoal_delta_snapshot *s,
                                                 unsigned wanted, shoal_adds_take *take, void *arg, shoal_error *err);
/* The physical names of a table's partition columns, in the arena. */
SHOAL_MUST_USE shoal_status shoal_delta_partition_names(const shoal_delta_metadata *m, shoal_arena *arena,
                                                        const shoal_str **out, shoal_error *err);

#endif
