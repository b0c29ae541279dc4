/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a query appended to a table, or a table made of them.
 *
 *  A1 Columns go by name, whatever their order and case; each is cast to the table's type. A column that the query
 * lacks is computed, has its default, or is NULL; one that the table lacks is refused, unless schemas are merged, and
 * so is a row that the table does not allow (delta/rules.h). A2 The rows are durable before the commit, which is a
 * blind append: no other writer's commit can refuse it unless it changes the columns or what they must satisfy
 * (delta/transaction.h, T3). A3 Files of an append that failed stay behind where it is not certain that they were not
 * committed: nothing names them, and a vacuum takes them away.
 */
#ifndef SHOAL_DELTA_APPEND_H
#define SHOAL_DELTA_APPEND_H

#include "delta/delta.h"

typedef struct shoal_delta_append {
  const shoal_job *job;          /* its rows; staging and partition_by are set here */
  bool create;                   /* make the table where there is none */
  bool merge_schema;             /* columns that the table lacks become its own */
  const shoal_str *partition_by; /* of a table that is made */
  size_t n_partition_by;
  const shoal_str *cluster_by; /* of a table that is made, instead */
  size_t n_cluster_by;
  const shoal_delta_kv *properties; /* of a table that is made (delta/create.h) */
  size_t n_properties;
  const shoal_delta_kv *constraints; /* of a table that is made; its first rows must satisfy them, too */
  size_t n_constraints;
  const char *operation; /* commitInfo's; NULL: "WRITE" */
  /* An application's progress (protocol, "Transaction Identifiers"), {NULL,0}: none. An append at or below what the
     table has of it already is done. */
  shoal_str app;
  int64_t app_version;
} shoal_delta_append;

typedef struct shoal_delta_appended {
  int64_t version; /* -1: there was nothing to do */
  uint64_t rows, bytes;
  size_t n_files;
  bool created;
} shoal_delta_appended;

/* SHOAL_ENOTFOUND: no table, and `create` is false. SHOAL_EINVAL: columns that don't fit. SHOAL_EUNSUPPORTED: the table
   asks of its writers what is not done here, by name. SHOAL_EEXIST: somebody made the table meanwhile, and the rows can
   be read but once. The engine must be allowed to write into the store's staging. */
SHOAL_MUST_USE shoal_status shoal_delta_append_rows(const shoal_delta_table *table, shoal_engine *engine,
                                                    const shoal_delta_append *append, shoal_delta_appended *out,
                                                    shoal_error *err);

#endif
