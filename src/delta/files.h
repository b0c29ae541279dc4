/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a table by columns: what a reader asks of a million of them, in some hundred bytes each. Paths are
 * written against the path before them, partition values and deletion vectors are numbers of texts, and bounds stand in
 * one array for each column and end, so that a predicate is a pass over one or two arrays. The same bytes lie in the
 * cache on disk, from where they are mapped (files_cache.c).
 *
 *  F1 A bound is a bound: a column's lowest and highest number never exclude a value that the file may hold. What is
 *     not known, not understood, or too large is the end of the range, or no text.
 *  F2 Numbers are order-preserving: whole numbers as they are, decimals times their scale, dates and times in
 *     microseconds, floats by their bits. Where that loses something (more digits than the scale) the bound is none.
 *  F3 Times are a millisecond wider than the statistics say, which round whichever way; maxima of floats are none,
 * since NaN is above them.
 *
 * A set is filled by one thread; once filled it may be read by any.
 */
#ifndef SHOAL_DELTA_FILES_H
#define SHOAL_DELTA_FILES_H

#include "base/json.h"
#include "base/map.h"
#include "base/vec.h"
#include "delta/delta.h"

#define SHOAL_FILES_UNKNOWN UINT32_MAX /* of a count */

/* A growing array of plain values, or a view into a mapped cache. */
typedef struct shoal_column {
  void *ptr;
  size_t len, cap; /* in values; cap 0: mapped */
  uint32_t width;
} shoal_column;

/* Counts that are usually all alike: only from the first other one on is there an array. */
typedef struct shoal_counts {
  uint32_t same;
  bool is_same;
  shoal_column of;
} shoal_counts;

typedef enum shoal_leaf_kind {
  SHOAL_LEAF_NONE,    /* null counts only */
  SHOAL_LEAF_NUMBER,  /* int64_t, by F2 */
  SHOAL_LEAF_TEXT,    /* uint32_t: where in `texts` */
  SHOAL_LEAF_DECIMAL, /* the same, of decimals beyond 18 digits */
} shoal_leaf_kind;

/* A column, or a field of a struct, that statistics may be of. */
typedef struct shoal_leaf {
  const shoal_field *field;
  size_t column;  /* index into the schema */
  uint32_t depth; /* 0: the column itself */
  shoal_leaf_kind kind;
  bool is_struct;
  bool seen;    /* some file has a bound of it */
  uint32_t end; /* the node behind it and what is below it */
  shoal_column min, max;
  shoal_counts nulls;
  struct { /* of the file that is being added */
    int64_t min, max;
    uint32_t nulls;
    bool known;
  } now;
} shoal_leaf;

typedef struct shoal_texts {
  shoal_column at; /* uint32_t: where text i begins; one more than texts */
  shoal_column bytes;
  shoal_map map; /* while filling; keys are borrowed from `keys` */
  shoal_arena keys;
} shoal_texts;

/* The texts of statistics differ in their values only, from one file of a writer to the next. */
typedef struct shoal_stats_slot {
  size_t at, len; /* of a value in the text that was read before */
  uint32_t node;  /* UINT32_MAX: numRecords */
  uint8_t part;   /* files_stats.c */
  bool quoted;
  shoal_str now;
} shoal_stats_slot;
typedef struct shoal_stats_shape {
  char day[10]; /* of the last time that was read, and its midnight */
  int64_t midnight;
  shoal_buf text;
  SHOAL_VEC(shoal_stats_slot) slots; /* none: there is no such text */
  bool loose;
  bool rounded; /* the text that is read has a bound of more digits than its type */
} shoal_stats_shape;

typedef struct shoal_files {
  size_t n;
  const shoal_schema *schema;
  const size_t *partition_columns; /* indices into the schema */
  size_t n_partition_columns;
  shoal_leaf *leaves; /* structs and leaves of the schema, depth first; partition columns are none */
  size_t n_leaves;
  shoal_column path_at; /* uint64_t of every PATH_BLOCK-th file */
  shoal_column paths;
  shoal_column hashes; /* uint32_t of each path */
  shoal_column sizes;  /* uint64_t */
  shoal_counts rows;
  shoal_counts loose;  /* 1: bounds are not tight */
  shoal_counts part;   /* number of its partition values among `parts` */
  shoal_counts vector; /* number of its deletion vector, from 1; 0: none */
  shoal_texts parts;   /* each value of the partition columns, by put_str */
  shoal_texts vectors; /* JSON of descriptors */
  shoal_column texts;  /* of bounds: a length byte and so many bytes */
  shoal_buf last;      /* the path before, while filling */
  shoal_buf scratch;   /* for parsing statistics */
  shoal_stats_shape shape;
  shoal_arena arena; /* leaves */
  shoal_str mapped;  /* what the columns are views of */
} shoal_files;

/* One file to be added; all is copied. */
typedef struct shoal_files_row {
  shoal_str path;
  uint64_t size;
  shoal_str partition; /* as shoal_files_partition puts it */
  shoal_str vector;    /* {NULL,0}: none */
  shoal_str stats;     /* JSON text or {NULL,0} */
} shoal_files_row;

/* An empty set; metadata is borrowed. */
SHOAL_MUST_USE shoal_status shoal_files_init(shoal_files *f, const shoal_delta_metadata *m, shoal_error *err);
void shoal_files_dispose(shoal_files *f);
/* The columns of partition values, in a set's order, as one text: `values` {NULL,0} is null. */
void shoal_files_partition(const shoal_str *values, size_t n, shoal_buf *out);
SHOAL_MUST_USE shoal_status shoal_files_add(shoal_files *f, const shoal_files_row *row, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_files_add_file(shoal_files *f, const shoal_delta_file *file, shoal_error *err);

uint32_t shoal_files_hash(shoal_str path);
uint32_t shoal_counts_get(const shoal_counts *c, size_t i);
shoal_str shoal_texts_get(const shoal_texts *t, uint32_t i);
size_t shoal_texts_len(const shoal_texts *t);
/* The text of a bound at a place in `texts`. {NULL,0}: none, or beyond the end. */
shoal_str shoal_files_bound(const shoal_files *f, uint32_t at);
/* Appends. SHOAL_ECORRUPT: a broken cache. */
SHOAL_MUST_USE shoal_status shoal_files_path(const shoal_files *f, size_t i, shoal_buf *out, shoal_error *err);
/* The values of the partition columns of text i; false: a broken cache. */
bool shoal_files_values(const shoal_files *f, uint32_t part, shoal_str *values);

/* files_read.c */
/* The adds of these local Parquet files of a checkpoint, but for those that `dropped` says (NULL: of none) are dead. */
typedef struct shoal_files_source {
  shoal_engine *engine;
  const shoal_scan_file *files;
  size_t n_files;
  bool (*dropped)(void *arg, shoal_str path, shoal_str vector);
  void *arg;
} shoal_files_source;
SHOAL_MUST_USE shoal_status shoal_files_read(shoal_files *f, const shoal_files_source *from, shoal_error *err);

/* files_stats.c */
/* Reads a file's statistics into each leaf's `now`; what can't be read is unknown there. */
SHOAL_MUST_USE shoal_status shoal_files_read_stats(shoal_files *f, shoal_str json, uint32_t *rows, bool *loose,
                                                   shoal_error *err);
/* A number of the leaf's type, by F2: the greatest that is not above the text's, and whether it is the same. False:
   can't be told. */
bool shoal_leaf_number(const shoal_type *type, shoal_str text, int64_t *out, bool *exact);
shoal_leaf_kind shoal_leaf_kind_of(const shoal_type *type);
/* By F3 floats have no upper bounds, so that no memory is spent on them: `max` stays empty. */
bool shoal_leaf_has_max(const shoal_leaf *l);

/* files_match.c */
/* keep[i]: file i may hold a row that satisfies one of the predicates. */
SHOAL_MUST_USE shoal_status shoal_files_match(const shoal_files *f, const shoal_predicate *any, size_t n, bool *keep,
                                              shoal_error *err);

/* files_cache.c: a set in a file, which is mapped. Broken, cut and foreign files are found by checksums. */
typedef struct shoal_files_cache {
  shoal_str mapped;
  shoal_str head;    /* what was given to save */
  shoal_str columns; /* where they lie */
} shoal_files_cache;
/* Written whole or not at all; not durable. */
SHOAL_MUST_USE shoal_status shoal_files_save(const shoal_files *f, const char *path, shoal_str head, shoal_error *err);
/* SHOAL_ENOTFOUND; SHOAL_ECORRUPT: not usable. */
SHOAL_MUST_USE shoal_status shoal_files_cache_open(const char *path, shoal_files_cache *out, shoal_error *err);
/* Gives the columns, and the mapping, to a set that shoal_files_init has made of the same metadata. */
SHOAL_MUST_USE shoal_status shoal_files_cache_take(shoal_files_cache *c, shoal_files *f, shoal_error *err);
void shoal_files_cache_close(shoal_files_cache *c);
/* Drops from a folder of such files what was used longest ago, until the rest is of at most so many bytes. */
void shoal_files_cache_trim(const char *folder, const char *stays, uint64_t bytes);

/* columns */
SHOAL_MUST_USE shoal_status shoal_column_put(shoal_column *c, uint32_t width, const void *values, size_t n,
                                             shoal_error *err);
void shoal_column_dispose(shoal_column *c);

#endif
