/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model's file: an optional header of YAML in the first comment (slash-star "shoal" … star-slash), then one SELECT.
 * Pure.
 */
#ifndef SHOAL_CODE_MODEL_H
#define SHOAL_CODE_MODEL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"

typedef enum shoal_expect_kind {
  SHOAL_EXPECT_TRUE,
  SHOAL_EXPECT_UNIQUE,
  SHOAL_EXPECT_NOT_NULL,
  SHOAL_EXPECT_ROWS
} shoal_expect_kind;
typedef struct shoal_expect {
  shoal_expect_kind kind;
  shoal_str
      text;  /* TRUE: a SQL condition; UNIQUE, NOT_NULL: column names separated by ','; ROWS: a comparison, "> 0" */
  bool warn; /* severity: warn; otherwise it holds the publication back */
  int line;
} shoal_expect;
typedef struct shoal_column_doc {
  shoal_str name, description;
} shoal_column_doc;

typedef struct shoal_model {
  shoal_str name; /* silver.orders */
  shoal_str path; /* models/silver/orders.sql, relative to the project */
  shoal_str sql;  /* the text behind the header */
  int first_line; /* the file's line where sql begins */
  shoal_str description, owner, was, keep;
  shoal_column_doc *columns;
  size_t n_columns;
  shoal_str *partition_by, *cluster_by, *tags;
  size_t n_partition_by, n_cluster_by, n_tags;
  shoal_expect *expects;
  size_t n_expects;
} shoal_model;

/* The name follows from the path ("models/silver/orders.sql" → silver.orders, "models/x.sql" → main.x) unless the
   header has one. Views into `text`, which must outlive the model, or copies in the arena. */
SHOAL_MUST_USE shoal_status shoal_model_parse(shoal_str path, shoal_str text, shoal_arena *arena, shoal_model *out,
                                              shoal_error *err);
/* What a Python function's decorator says besides the dataset: `text` is JSON with partition_by, cluster_by and expect
   as in a header, whose lines all count as `line` of the file at `path`. Fills in these alone. */
SHOAL_MUST_USE shoal_status shoal_model_decorate(shoal_str text, shoal_str path, int line, shoal_arena *arena,
                                                 shoal_model *out, shoal_error *err);
/* SHOAL_EINVAL: the result is an object of that type, and the model says what only holds of tables. */
SHOAL_MUST_USE shoal_status shoal_model_object(const shoal_model *m, shoal_str type, shoal_error *err);
/* Of how the files are laid out: partition_by and cluster_by. */
shoal_hash shoal_layout_hash(const shoal_model *m);
/* Line and column in the model's file of a byte of its SQL. */
void shoal_model_place(const shoal_model *m, int64_t position, int *line, int *column);
/* An engine's error points into the SQL (err->position); people look at the file. Without a position the file is named.
 */
void shoal_model_place_error(const shoal_model *m, shoal_error *err);
/* Of what is checked, for remembering that a result passed; zero when nothing is expected. */
shoal_hash shoal_expects_hash(const shoal_model *m);
/* A count of rows that break expectation i, as SQL over a table called "result": SELECT count(*) … */
void shoal_expect_sql(const shoal_model *m, size_t i, shoal_buf *out);
/* A query that shows those rows of a dataset, for people; nothing where they are no rows of it. */
void shoal_expect_rows(const shoal_expect *e, shoal_str dataset, shoal_buf *out);
/* "not_null: tailnum" for people. */
void shoal_expect_text(const shoal_expect *e, shoal_buf *out);

#endif
