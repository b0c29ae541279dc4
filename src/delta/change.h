/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that go, change and come in one commit: what DELETE, UPDATE, MERGE and overwriting have in common. Private to
 * delta/.
 *
 *  D1 Conditions and new values are computed once, by one query: a row's place and what happens to it, beside the row
 *     as it will be. Rows that come go into the table's new files from there, places are noted on the way. Where rows
 *     are asked for more than once, for change data, the query goes into staged files of changes, and all that follows
 *     reads those. So chance and the clock can't tear a row apart.
 *  D2 A row goes by a deletion vector where the table has them on, else its file is written anew without it. A file
 * that loses its last row is removed. D3 Where the table keeps a change data feed and whole files don't tell what
 * happened, change data files do. D4 What others change meanwhile of files that were read, or would have been, is a
 * conflict. Read is what may hold a row that the selection's own filters let through, by statistics and partition
 * values; where nothing is known of these, every file.
 *  D5 Of a large table only the files are brought up (delta/delta_internal.h, tips) that the selection may read.
 */
#ifndef SHOAL_DELTA_CHANGE_H
#define SHOAL_DELTA_CHANGE_H

#include "delta/deletion_vector.h"
#include "delta/delta_internal.h"
#include "delta/dml.h"
#include "delta/evolve.h"
#include "delta/row_tracking.h"
#include "delta/transaction.h"
#include "delta/write.h"

/* Column of changes that says what happens. Rows that come have no place (SHOAL_POSITION_FILE and _ROW are NULL). */
#define SHOAL_CHANGE_ACTION "shoal:action"
#define SHOAL_CHANGE_ID "shoal:id" /* of a table that tracks its rows: a row's id, NULL of one that comes */
typedef enum shoal_change_kind {
  SHOAL_CHANGE_DELETED = 1,
  SHOAL_CHANGE_UPDATED = 2,
  SHOAL_CHANGE_INSERTED = 3
} shoal_change_kind;
#define SHOAL_CHANGE_DELETED_SQL "1"
#define SHOAL_CHANGE_UPDATED_SQL "2"

/* The view of the table that changes are selected from. */
#define SHOAL_CHANGE_TARGET "target"

/* A file that loses rows. */
typedef struct shoal_touched {
  const shoal_delta_file *file;
  shoal_delta_vector *deleted, *updated; /* by this commit; NULL: none */
  shoal_delta_vector *gone;              /* these and what had gone before */
  int64_t n_rows;                        /* in the file, whether gone or not; -1: unknown */
  bool whole;                            /* no row is left */
  bool rewritten;
} shoal_touched;

typedef struct shoal_change {
  const shoal_delta_table *table;
  shoal_engine *engine;
  const char *operation;
  bool dry_run;
  bool values;  /* new values come in */
  bool repeats; /* a row may be deleted twice */
  shoal_arena arena;
  shoal_delta_snapshot *snapshot;
  shoal_delta_snapshot *tip;            /* that was in its place before, or NULL */
  bool brought;                         /* the snapshot has all files that count here; else none are listed */
  shoal_delta_metadata columns;         /* what the table will have */
  const shoal_delta_metadata *metadata; /* that */
  shoal_delta_tracking tracking;
  shoal_delta_snapshot view;       /* the snapshot's files, in the same order, as they are scanned; owns nothing */
  shoal_delta_evolution evolution; /* of a table that gets columns more */
  const shoal_field *among;        /* a column of which only rows with one of the keys count; NULL: all count */
  shoal_keys keys;
  bool vectors, feed; /* deletion vectors, change data feed are on */
  shoal_scan target;  /* with positions */
  const shoal_delta_file **files;
  shoal_touched *touched;         /* beside files */
  shoal_job selection;            /* what selected the changes; its sql is {NULL,0} where none did */
  const shoal_predicate *filters; /* of the table's scans in it, once they were asked for */
  size_t n_filters;
  /* Instead, of what brings rows into partitions: whether a file is one of those that they replace. */
  bool (*replaces)(void *arg, const shoal_delta_file *file);
  void *replaces_arg;
  char *staging;
  uint64_t n_changes, n_places; /* rows of the query; those that name a row of the table */
  shoal_scan changes;           /* over the staged files */
  bool staged;                  /* there are some; else what comes is in `inserted` */
  shoal_delta_writing writing;
  uint64_t numbered; /* how many numbers identity columns gave, if any did */
  shoal_delta_written inserted, copied, feeds;
  shoal_delta_transaction *transaction;
  shoal_delta_changed *out;
} shoal_change;

enum { SHOAL_CHANGE_VALUES = 1 /* new values come in */ };
/* Opens the table and refuses what can't be done with it. */
SHOAL_MUST_USE shoal_status shoal_change_open(shoal_change *c, const shoal_delta_table *table, shoal_engine *engine,
                                              const char *operation, unsigned flags, shoal_error *err);
void shoal_change_close(shoal_change *c);
/* Before the selection: columns of `rows` that the table lacks become its own, NULL in the rows that are there. */
SHOAL_MUST_USE shoal_status shoal_change_evolve(shoal_change *c, const shoal_schema *rows, shoal_error *err);
/* Before files are looked at that no selection has asked for: those in which a row may satisfy one of the predicates,
   all for none. A selection does it itself. */
SHOAL_MUST_USE shoal_status shoal_change_bring(shoal_change *c, const shoal_predicate *any, size_t n, shoal_error *err);
/* Runs the query for the changes: its columns are the place, the action and, with `values`, all of the table's. Further
   inputs stand beside SHOAL_CHANGE_TARGET. */
SHOAL_MUST_USE shoal_status shoal_change_select(shoal_change *c, shoal_str sql, const shoal_input *inputs, size_t n,
                                                shoal_error *err);
/* Instead of a selection: every row of the table goes. */
SHOAL_MUST_USE shoal_status shoal_change_remove_file(shoal_change *c, size_t file, shoal_error *err);
/* Text of a query's parts: the place of a row and what happens to it (where the table tracks rows, its id, too); a
   column as the expression cast to its type. */
void shoal_change_add_place(shoal_buf *sql, const shoal_change *c, const char *kind);
void shoal_change_add_value(shoal_buf *sql, const shoal_field *field, shoal_str expression);
ptrdiff_t shoal_change_find_set(const shoal_delta_set *sets, size_t n, shoal_str column);
/* SHOAL_EINVAL: a column that the table lacks, or that is set twice, or to no expression. */
SHOAL_MUST_USE shoal_status shoal_change_check_sets(const shoal_schema *schema, const shoal_delta_set *sets, size_t n,
                                                    shoal_error *err);
/* SHOAL_EINVAL: a value, which may use the table and, unless that is NULL, the source, has a member that its column's
   struct lacks. What the engine does not bind it refuses later. */
SHOAL_MUST_USE shoal_status shoal_change_check_values(shoal_change *c, const shoal_delta_set *sets, size_t n,
                                                      const shoal_scan *source, shoal_error *err);
/* Writes what the changes ask for and commits. `values`: rows come, which the changes hold. */
SHOAL_MUST_USE shoal_status shoal_change_apply(shoal_change *c, bool values, shoal_str parameters, shoal_error *err);

/* merge_keys.c: sets c->among, or leaves what is better, where the column, whole numbers or texts, must be equal to the
   source's and that has few values beside the table's rows. Only where a row of the table that matches nothing stays
   what it is. */
SHOAL_MUST_USE shoal_status shoal_change_find_keys(shoal_change *c, const shoal_scan *source, const shoal_field *column,
                                                   const shoal_field *key, shoal_error *err);
/* merge_range.c: looks for the keys, and adds to a merge's condition, as far as it compares columns of the table with
   those of the source, that the table's lie where the source's do. Only where a row of the table that matches nothing
   stays what it is. */
SHOAL_MUST_USE shoal_status shoal_change_add_ranges(shoal_change *c, const shoal_delta_merge *merge,
                                                    const shoal_schema *source, shoal_buf *sql, shoal_error *err);

/* The arms of a merge's condition, a = b OR c = d, where each has a column of the table equal to one of the source's
   and can be asked again without another answer; else 0. */
enum { SHOAL_CHANGE_ARMS = 8 };
size_t shoal_change_arms(shoal_change *c, shoal_str on, const shoal_schema *source, shoal_str *arms);

/* change_files.c: what is written beside the log. */
/* The columns of rows that come, as the new files have them: of a selection, or of what was staged of one. */
void shoal_change_add_rows(shoal_buf *sql, const shoal_change *c, bool staged);
/* A job that gives such columns. */
SHOAL_MUST_USE shoal_status shoal_change_write_rows(shoal_change *c, const shoal_job *job, shoal_error *err);
/* Rows that were staged. */
SHOAL_MUST_USE shoal_status shoal_change_insert(shoal_change *c, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_change_check_written(const shoal_change *c, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_change_rewrite(shoal_change *c, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_change_put_vectors(shoal_change *c, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_change_write_feed(shoal_change *c, bool values, shoal_error *err);

#endif
