/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delta Lake tables in folders, for C programs: make them, read any of their versions, change rows, keep them well.
 * Rows cross as Arrow C streams. Conditions and queries are DuckDB's SQL; its library, libduckdb, is loaded at the
 * first call that needs it, from SHOAL_DUCKDB (an environment variable) or lib/shoal beside the program.
 *
 * Others, in any process and by any program that follows the protocol, may write the table at the same time. A change
 * is one commit: it is there whole and durable when the call returns SHOAL_OK, and not there otherwise, unless the
 * error's hint says that this can't be known.
 *
 * What a table asks of its readers or writers and is not known here is refused by name (SHOAL_EUNSUPPORTED);
 * docs/delta.md has the list.
 *
 * Threads: one thread at a time per handle. A stream is independent of its handle, of which it borrows nothing.
 */
#ifndef SHOAL_DELTA_H
#define SHOAL_DELTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shoal/arrow.h"
#include "shoal/error.h"

typedef struct shoal_table shoal_table;

#define SHOAL_TABLE_LATEST (-1)

/* The table in a folder, which need not be there yet: an append makes it. *out is closed by shoal_table_close. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_open(const char *folder, shoal_table **out, shoal_error *err);
void SHOAL_API shoal_table_close(shoal_table *t); /* NULL is accepted */

/* The latest version. SHOAL_ENOTFOUND: there is no table yet. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_version(shoal_table *t, int64_t *out, shoal_error *err);

/* The rows of a version, or of SHOAL_TABLE_LATEST, as a stream, which the caller releases. `query` is one SELECT over
   the table, which it names `t`; NULL: every row. Where the table tracks its rows, a query that names _row_id or
   _row_commit_version finds them as columns. Rows are computed as they are asked for; what fails then is the
   stream's own error. SHOAL_ENOTFOUND: no table, or no such version; SHOAL_EENGINE: the query. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_scan(shoal_table *t, int64_t version, const char *query,
                                                       struct ArrowArrayStream *out, shoal_error *err);

/* What happened to the table's rows in the versions from `from` to `to`, both included (SHOAL_TABLE_LATEST: to the
   latest): the table's columns and _change_type ("insert", "delete", "update_preimage", "update_postimage"),
   _commit_version, _commit_timestamp. SHOAL_EUNSUPPORTED: delta.enableChangeDataFeed was not on at each of them. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_changes(shoal_table *t, int64_t from, int64_t to,
                                                          struct ArrowArrayStream *out, shoal_error *err);

/* --- tables that are made --- */

/* A name and what belongs to it. */
typedef struct shoal_table_pair {
  const char *name, *value;
} shoal_table_pair;

typedef struct shoal_table_options { /* zero: none */
  const char *const *partition_by;   /* columns */
  size_t n_partition_by;
  /* delta.appendOnly = true. Those of Delta's own that docs/delta.md names; SHOAL_EUNSUPPORTED: others, and values that
     this build does not act by; SHOAL_EINVAL: values that are none. The same goes for SHOAL_TABLE_SET_PROPERTY. */
  const shoal_table_pair *properties;
  size_t n_properties;
  const shoal_table_pair *constraints; /* a name, and a condition in Spark's SQL that every row must satisfy */
  size_t n_constraints;
} shoal_table_options;

/* Makes a table without rows. `columns` is like "id BIGINT NOT NULL, name VARCHAR", or with numbers that the table
   gives to rows "id BIGINT GENERATED ALWAYS AS IDENTITY, name VARCHAR"; `options` may be NULL. SHOAL_EEXIST: there is a
   table. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_create(shoal_table *t, const char *columns,
                                                         const shoal_table_options *options, shoal_error *err);

/* Makes t a table of its own over the files of another's version (or SHOAL_TABLE_LATEST), of which nothing is copied:
   it lasts as long as these. SHOAL_EEXIST: there is a table. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_clone(shoal_table *t, shoal_table *source, int64_t version,
                                                        shoal_error *err);

typedef enum shoal_table_alteration_kind {
  SHOAL_TABLE_ADD_COLUMN,      /* name; value: its type. NULL in the rows that are there */
  SHOAL_TABLE_RENAME_COLUMN,   /* name; value: the new one. Needs column mapping */
  SHOAL_TABLE_DROP_COLUMN,     /* name. Needs column mapping */
  SHOAL_TABLE_WIDEN_COLUMN,    /* name; value: a wider type. Needs delta.enableTypeWidening */
  SHOAL_TABLE_DROP_NOT_NULL,   /* name */
  SHOAL_TABLE_SET_PROPERTY,    /* name; value */
  SHOAL_TABLE_UNSET_PROPERTY,  /* name */
  SHOAL_TABLE_ADD_CONSTRAINT,  /* name; value: a condition, for which the rows that are there are checked */
  SHOAL_TABLE_DROP_CONSTRAINT, /* name */
} shoal_table_alteration_kind;
typedef struct shoal_table_alteration {
  shoal_table_alteration_kind kind;
  const char *name, *value;
} shoal_table_alteration;

/* Alters the table in one commit, whose version is *version, by all of the list in its order. SHOAL_EINVAL: what can't
   be (no such column, a row that breaks a new constraint …); SHOAL_EUNSUPPORTED: what the table lacks a feature for, by
   name; SHOAL_ECONFLICT: others changed meanwhile what it rests on. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_alter(shoal_table *t, const shoal_table_alteration *list, size_t n,
                                                        int64_t *version, shoal_error *err);

/* --- rows that come, go and change --- */
/*
 * Streams have structs of columns, which go by name and are cast to the table's types. They are released, whatever
 * happens. Conditions and values may use the table's columns; one that is NULL for a row does not hold for it.
 *
 * SHOAL_EINVAL: columns that don't fit, a row that the table does not allow. SHOAL_ECONFLICT, where rows go or change:
 * others changed meanwhile what was read; nothing was changed, and it may be tried again.
 */

/* From now on columns of a stream, and members of its structs, that the table lacks become the table's own, in the
   commit that brings the rows: of an append or overwrite all of them, of a merge those that a clause gives. The rows
   that are there have NULL in them. False, as it is at first: such columns are refused. */
void SHOAL_API shoal_table_merge_schema(shoal_table *t, bool on);

typedef struct shoal_table_changed {
  int64_t version;                     /* the commit's; -1: there was nothing to do */
  uint64_t deleted, updated, inserted; /* rows */
} shoal_table_changed;

/* Appends the rows; makes the table of them where there is none. *version: the commit's, -1: there were no rows. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_append(shoal_table *t, struct ArrowArrayStream *rows,
                                                         int64_t *version, shoal_error *err);

/* Replaces rows by those of the stream, which must satisfy the condition, too; NULL: all rows. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_overwrite(shoal_table *t, struct ArrowArrayStream *rows,
                                                            const char *where, shoal_table_changed *out,
                                                            shoal_error *err);
/* Replaces all rows of the partitions that the stream's rows lie in. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_overwrite_partitions(shoal_table *t, struct ArrowArrayStream *rows,
                                                                       shoal_table_changed *out, shoal_error *err);

/* Deletes the rows for which the condition holds. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_delete(shoal_table *t, const char *where, shoal_table_changed *out,
                                                         shoal_error *err);
/* Gives columns new values, expressions that may use the old ones. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_update(shoal_table *t, const shoal_table_pair *sets, size_t n,
                                                         const char *where, shoal_table_changed *out, shoal_error *err);

/* Merges the rows of the stream. `on` and the clauses name the table's columns target.x, the stream's source.x; a
   clause is in the words of SQL's MERGE, "matched and source.gone then delete", "not matched then insert". Of the
   clauses that fit a row, the first counts. SHOAL_EINVAL, besides: several rows of the stream would change one of the
   table. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_merge(shoal_table *t, struct ArrowArrayStream *rows, const char *on,
                                                        const char *const *clauses, size_t n, shoal_table_changed *out,
                                                        shoal_error *err);

/* --- what keeps a table well --- */

/* A commit that makes the table what it was at a version. *out: the commit's; -1: it was so. SHOAL_ENOTFOUND: a file of
   that version is gone. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_restore(shoal_table *t, int64_t version, int64_t *out,
                                                          shoal_error *err);

typedef struct shoal_table_packed {
  int64_t version; /* the commit's; -1: there was nothing to pack */
  size_t files_added, files_removed;
  uint64_t bytes_added, bytes_removed;
} shoal_table_packed;
/* Packs small files into files of about `file_bytes` (0: what delta.targetFileSize says, or 128 MB). The rows stay what
   they are. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_optimize(shoal_table *t, uint64_t file_bytes, shoal_table_packed *out,
                                                           shoal_error *err);

typedef struct shoal_table_vacuum_options { /* zero: the table's own retention */
  int64_t retention_us;                     /* 0: the table's */
  bool shorter; /* it may be shorter than the table's: who reads or writes now may lose its files */
  bool dry_run;
} shoal_table_vacuum_options;
/* Deletes files that neither the latest version nor a removal within the retention names. `each`, which may be NULL, is
   told each of them, by its path in the table's folder. `options` may be NULL. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_vacuum(shoal_table *t, const shoal_table_vacuum_options *options,
                                                         void (*each)(void *arg, const char *path), void *arg,
                                                         shoal_error *err);

/* Writes a checkpoint of the latest version, whose number is *out. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_checkpoint(shoal_table *t, int64_t *out, shoal_error *err);

typedef struct shoal_table_commit {
  int64_t version;
  int64_t time_us;                  /* since 1970 */
  const char *operation, *writer;   /* "MERGE", "Shoal/0.1.0"; NULL: not told */
  const char *parameters, *metrics; /* JSON objects; NULL: not told */
} shoal_table_commit;
/* Tells the commits that are still in the log, newest first, at most `limit` (0: all). Texts live during the call. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_history(shoal_table *t, size_t limit,
                                                          void (*each)(void *arg, const shoal_table_commit *commit),
                                                          void *arg, shoal_error *err);

#endif
