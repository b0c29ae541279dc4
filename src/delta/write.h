/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a query as files of a table: cast to its columns, written by the engine, checked, and durable in its folder
 * before any commit names them. What fails later leaves files that nothing names; a vacuum takes them away.
 */
#ifndef SHOAL_DELTA_WRITE_H
#define SHOAL_DELTA_WRITE_H

#include "delta/layout.h"
#include "delta/rules.h"

#define SHOAL_DELTA_CHANGES_FOLDER "_change_data/" /* protocol, "Add CDC File" */

typedef struct shoal_delta_writing {
  const shoal_delta_table *table;
  shoal_engine *engine; /* allowed to write into the store's staging */
  shoal_arena *arena;
  const shoal_schema *schema;     /* of the table; NULL: it is made of these rows */
  const shoal_schema *stored;     /* of the rows, where the table maps columns: what files call them; else NULL */
  const shoal_delta_rules *rules; /* what new rows must satisfy; NULL: nothing, or they are not new */
  const shoal_str *partition_by;
  size_t n_partition_by;
  const shoal_str *partition; /* the values of the one partition that all rows lie in, as a log has them; NULL: they are
                                 parted here */
  size_t unmeasured;          /* so many of the last columns are none of the table's: they have no statistics */
  const char *folder;         /* within the table: "", or a folder's name ending with '/' */
  shoal_delta_layout layout;
  uint64_t file_bytes; /* aim of a file's size; 0: the layout's; of partitioned rows each partition is one file */
} shoal_delta_writing;

typedef struct shoal_delta_written {
  shoal_schema schema; /* of the rows, in Delta's types */
  shoal_delta_file *files;
  size_t n_files;
  uint64_t rows, bytes;
} shoal_delta_written;

/* Makes the job's query one of the table's columns: they go by name, whatever their order and case, each cast to the
   table's type; what the rows lack is computed, has its default, or is NULL (N2 of rules.h). SHOAL_EINVAL: a column,
   or a member of a struct, that the table lacks. SHOAL_EUNSUPPORTED: a default that is not evaluated here. */
SHOAL_MUST_USE shoal_status shoal_delta_conform(const shoal_delta_writing *w, shoal_job *job, shoal_error *err);
/* SHOAL_EINVAL: a column of the rows, or a member of one's structs, that the table lacks. */
SHOAL_MUST_USE shoal_status shoal_delta_refuse_strangers(const shoal_schema *table, const shoal_schema *rows,
                                                         shoal_error *err);
/* Runs the job and puts its files. SHOAL_EINVAL: NULL where the table wants none, a row that breaks a rule. All of *out
   is in the arena. */
SHOAL_MUST_USE shoal_status shoal_delta_write(const shoal_delta_writing *w, const shoal_job *job,
                                              shoal_delta_written *out, shoal_error *err);

/* What follows a commit, off its path: a checkpoint every so often (delta.checkpointInterval). Without it readers only
   take longer, so its failure is none of the commit's. */
void shoal_delta_after_commit(const shoal_delta_table *table, const shoal_delta_metadata *metadata, int64_t version);

#endif
