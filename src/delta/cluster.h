/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clustered tables (protocol, "Clustered Table"): by which columns rows are laid out, how a log says so of a table and
 * of its files, and the curve that they are laid out along (engine/curve.h). The tags of files are those that Delta's
 * own clustering writes: files that one run has written are a cube, which is left alone by the next one.
 */
#ifndef SHOAL_DELTA_CLUSTER_H
#define SHOAL_DELTA_CLUSTER_H

#include "delta/delta.h"

#define SHOAL_DELTA_CLUSTERING "delta.clustering" /* the domain */

typedef struct shoal_delta_clustering {
  const shoal_str *sql;   /* of each column, an expression of the table's */
  const shoal_str *paths; /* its names in files from the top down, a JSON array */
  size_t n;               /* 0: the table is not clustered */
  shoal_str names;        /* of all of them, a JSON array: what tags and commits say */
} shoal_delta_clustering;

/* Columns by name, fields of structs behind dots. SHOAL_EINVAL: there is no such column, or it is one of the
   partitions; its type has no order; files have no statistics of it. All is in the arena. */
SHOAL_MUST_USE shoal_status shoal_delta_cluster_by(const shoal_delta_metadata *m, const shoal_str *names, size_t n,
                                                   shoal_arena *arena, shoal_delta_clustering *out, shoal_error *err);
/* What the table says itself. */
SHOAL_MUST_USE shoal_status shoal_delta_cluster_of(const shoal_delta_snapshot *s, shoal_arena *arena,
                                                   shoal_delta_clustering *out, shoal_error *err);
/* SHOAL_EINVAL: files have no statistics of one of these columns. */
SHOAL_MUST_USE shoal_status shoal_delta_cluster_check(const shoal_delta_snapshot *s, shoal_error *err);
/* The domain's configuration. */
SHOAL_MUST_USE shoal_status shoal_delta_cluster_domain(const shoal_delta_clustering *c, shoal_arena *arena,
                                                       shoal_str *out, shoal_error *err);

/* The cube of a file whose rows are laid out by these columns; {NULL,0}: they are not. */
shoal_str shoal_delta_cluster_cube(const shoal_delta_clustering *c, const shoal_delta_file *f);
/* Whether another implementation has laid the file's rows out, which is to leave it to that one. */
bool shoal_delta_cluster_is_foreign(const shoal_delta_file *f);
/* Marks a new file. */
SHOAL_MUST_USE shoal_status shoal_delta_cluster_mark(const shoal_delta_clustering *c, shoal_str cube,
                                                     shoal_arena *arena, shoal_delta_file *f, shoal_error *err);

/* The curve for the rows of a snapshot's files, about `rows` of them, that is to be cut into so many files. Reads the
   columns of all of them, of which it keeps a sample that is the same whenever it is asked. */
SHOAL_MUST_USE shoal_status shoal_delta_cluster_learn(const shoal_delta_clustering *c, const shoal_delta_table *table,
                                                      const shoal_delta_snapshot *s, shoal_engine *engine,
                                                      uint64_t rows, size_t files, shoal_arena *arena, shoal_curve *out,
                                                      shoal_error *err);

#endif
