/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which columns statistics are of: the first leaves of a table, as many as delta.dataSkippingNumIndexedCols says, or
 * those that delta.dataSkippingStatsColumns names, with commas: a column, a field of a struct (s.x), or a struct and so
 * all that is in it. Names are compared without case; what is not of letters, digits and underscores stands in
 * backquotes, a backquote in them is doubled. The names are logical ones and change with the columns, as Spark has it.
 */
#ifndef SHOAL_DELTA_STATS_COLUMNS_H
#define SHOAL_DELTA_STATS_COLUMNS_H

#include "delta/delta_internal.h"

#define SHOAL_DELTA_STATS_LEAVES "delta.dataSkippingNumIndexedCols"
#define SHOAL_DELTA_STATS_COLUMNS "delta.dataSkippingStatsColumns"
#define SHOAL_DELTA_STATS_CHARS "delta.dataSkippingStringPrefixLength"

/* The columns of `whole` that files are not partitioned by. The fields are the same. */
SHOAL_MUST_USE shoal_status shoal_delta_file_columns(const shoal_schema *whole, const shoal_str *partition_by, size_t n,
                                                     shoal_arena *arena, shoal_schema *out, shoal_error *err);
/* How many of a table's leaves have statistics, from the first on, where it does not name them. */
int64_t shoal_delta_measured_leaves(const shoal_delta_metadata *m);
/* Whether files have statistics of a leaf, whose names from the top down are `path`. */
SHOAL_MUST_USE shoal_status shoal_delta_is_measured(const shoal_delta_metadata *m, const shoal_str *path, size_t n,
                                                    shoal_arena *arena, bool *out, shoal_error *err);

/* SHOAL_EINVAL: the text is no list of columns. */
SHOAL_MUST_USE shoal_status shoal_delta_stats_columns_parse(shoal_str text, shoal_error *err);
/* SHOAL_EINVAL: the table names a column that it does not have, one twice, or one that has no statistics. */
SHOAL_MUST_USE shoal_status shoal_delta_stats_columns_check(const shoal_delta_metadata *m, shoal_error *err);
/* The table's list after a column got another name, or went ({NULL,0}); in the arena. */
SHOAL_MUST_USE shoal_status shoal_delta_stats_columns_rename(shoal_delta_metadata *m, shoal_str from, shoal_str to,
                                                             shoal_arena *arena, shoal_error *err);

#endif
