/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keeps a table well: going back to an earlier version, taking away files that nothing needs, packing small files,
 * clones.
 */
#ifndef SHOAL_DELTA_MAINTAIN_H
#define SHOAL_DELTA_MAINTAIN_H

#include "delta/delta.h"

/* --- RESTORE --- */
typedef struct shoal_delta_restored {
  int64_t version; /* the commit's; -1: the table is as it was then */
  size_t files_added, files_removed;
} shoal_delta_restored;
/* A commit that makes the table what it was at a version. SHOAL_ENOTFOUND: a file of that version, named, is gone.
   SHOAL_EUNSUPPORTED: settings that can't be taken back have changed since. */
SHOAL_MUST_USE shoal_status shoal_delta_restore(const shoal_delta_table *table, int64_t version,
                                                shoal_delta_restored *out, shoal_error *err);

/* --- VACUUM --- */
/*
 *  V1 Only files of the table's folder that neither the latest version nor a tombstone within the retention names are
 *     deleted, and only when they are older than the retention: who writes now has not committed yet.
 *  V2 Names that begin with '_' or '.' are nobody's business, but for change data and the folders of partition columns
 *     that are named so; and so are folders with a log of their own, which are other tables.
 *  V3 Whoever does not know a feature of the table does not know what its files are for: it is refused.
 */
typedef struct shoal_delta_vacuum {
  int64_t retention_us; /* -1: the table's */
  bool shorter;         /* it may be shorter than the table's: who reads or writes now may lose its files */
  bool dry_run;
} shoal_delta_vacuum;
typedef struct shoal_delta_vacuumed {
  const shoal_str *keys; /* in the caller's arena */
  size_t n;
  uint64_t bytes;
} shoal_delta_vacuumed;
SHOAL_MUST_USE shoal_status shoal_delta_vacuum_files(const shoal_delta_table *table, const shoal_delta_vacuum *vacuum,
                                                     shoal_arena *arena, shoal_delta_vacuumed *out, shoal_error *err);

/* --- OPTIMIZE --- */
typedef struct shoal_delta_packing {
  uint64_t file_bytes; /* about how large files shall be; 0: what the table says (delta.targetFileSize), or 128 MB */
  /* Columns, or fields of structs with dots, along whose values rows are laid out; 0: those that the table is clustered
     by, if it is. */
  const shoal_str *cluster_by;
  size_t n_cluster_by;
  bool full; /* also files that have been laid out by the same columns, or by somebody else */
} shoal_delta_packing;
typedef struct shoal_delta_optimized {
  int64_t version; /* -1: there was nothing to do */
  bool clustered;  /* rows were, or would be, laid out along columns */
  size_t files_added, files_removed;
  uint64_t bytes_added, bytes_removed;
} shoal_delta_optimized;
/* Packs a partition's small files, and files of which much has been deleted, into larger ones; or lays the rows of all
   files that are not so yet along a Hilbert curve through columns, so that files are narrow in each of them. The rows
   stay what they are. SHOAL_EINVAL: columns that are none, that the table is partitioned by, or other ones than it is
   clustered by. */
SHOAL_MUST_USE shoal_status shoal_delta_optimize(const shoal_delta_table *table, shoal_engine *engine,
                                                 const shoal_delta_packing *packing, shoal_delta_optimized *out,
                                                 shoal_error *err);

/* --- shallow clones --- */
/* A table of its own, with its own id, over the files of `source` at a version, which it names by absolute paths: it
   lasts as long as these. SHOAL_EEXIST: there is a table at `table`. */
SHOAL_MUST_USE shoal_status shoal_delta_clone(const shoal_delta_table *table, const shoal_delta_table *source,
                                              int64_t version, size_t *n_files, shoal_error *err);

#endif
