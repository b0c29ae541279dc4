/* SPDX-License-Identifier: Apache-2.0 */
/* Tables made from nothing: what metadata and protocol a schema and properties lead to, and the commit 0 of them. */
#ifndef SHOAL_DELTA_CREATE_H
#define SHOAL_DELTA_CREATE_H

#include "delta/delta.h"

struct shoal_delta_transaction;

typedef struct shoal_delta_create {
  const shoal_schema *schema;
  const shoal_str *partition_by;
  size_t n_partition_by;
  const shoal_str *cluster_by; /* columns, or fields of structs with dots; not with partitions */
  size_t n_cluster_by;
  /* Delta's own (delta.…) as far as this build keeps them, any others as they are. */
  const shoal_delta_kv *properties;
  size_t n_properties;
  /* Names, and conditions in Spark's SQL that hold for every row, as far as they are evaluated here (delta/rules.h). */
  const shoal_delta_kv *constraints;
  size_t n_constraints;
} shoal_delta_create;

/* A new table's metadata, with an id of its own, and the lowest protocol that fits. SHOAL_EINVAL: partition columns
   that are none, constraints' names that are none; SHOAL_EUNSUPPORTED: a property of Delta's that this build does not
   keep. Borrows from `create`. */
SHOAL_MUST_USE shoal_status shoal_delta_describe_table(const shoal_delta_create *create, shoal_arena *arena,
                                                       shoal_delta_metadata *metadata, shoal_delta_protocol *protocol,
                                                       shoal_error *err);
/* Whether its columns get names and ids of their own in files, which are made by shoal_delta_describe_table. */
bool shoal_delta_create_maps(const shoal_delta_create *create);
/* What the new table's first commit says of the columns that it is clustered by; nothing where it is not. */
SHOAL_MUST_USE shoal_status shoal_delta_create_clusters(const shoal_delta_create *create,
                                                        const shoal_delta_metadata *metadata, shoal_arena *arena,
                                                        struct shoal_delta_transaction *t, shoal_error *err);
/* Makes a table without rows. SHOAL_EEXIST: there is one. SHOAL_EUNSUPPORTED, besides: a constraint that this build
   does not evaluate, and so could not write under. Without constraints no engine is needed. */
SHOAL_MUST_USE shoal_status shoal_delta_create_table(const shoal_delta_table *table, shoal_engine *engine,
                                                     const shoal_delta_create *create, shoal_error *err);

#endif
