/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of the rows that a query takes from an input, so that files in which no row can be one are not read.
 * A predicate only ever knows less than the query says: whatever is not understood is SHOAL_PREDICATE_UNKNOWN, which
 * may be true and may be false.
 */
#ifndef SHOAL_ENGINE_PREDICATE_H
#define SHOAL_ENGINE_PREDICATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "shoal/error.h"

typedef enum shoal_predicate_kind {
  SHOAL_PREDICATE_UNKNOWN,
  SHOAL_PREDICATE_AND, /* of none: true */
  SHOAL_PREDICATE_OR,  /* of none: false */
  SHOAL_PREDICATE_NOT, /* of one */
  SHOAL_PREDICATE_IS_NULL,
  SHOAL_PREDICATE_EQ, /* these compare a column with a literal; NULL is neither true nor false */
  SHOAL_PREDICATE_NE,
  SHOAL_PREDICATE_LT,
  SHOAL_PREDICATE_LE,
  SHOAL_PREDICATE_GT,
  SHOAL_PREDICATE_GE
} shoal_predicate_kind;

typedef enum shoal_literal_kind {
  SHOAL_LITERAL_NUMBER, /* as written: -1, 3.250, 1e300 */
  SHOAL_LITERAL_STRING, /* without quotes, unescaped */
  SHOAL_LITERAL_DATE,   /* YYYY-MM-DD */
  SHOAL_LITERAL_TIMESTAMP,
  SHOAL_LITERAL_TIMESTAMP_TZ /* in UTC */
} shoal_literal_kind;
typedef struct shoal_literal {
  shoal_literal_kind kind;
  shoal_str text;
} shoal_literal;

/* Names below a column, outermost first: struct fields. */
typedef struct shoal_predicate {
  shoal_predicate_kind kind;
  struct shoal_predicate *children; /* of AND, OR, NOT */
  size_t n_children;
  size_t column; /* index into the scan's schema */
  const shoal_str *below;
  size_t n_below;
  shoal_literal literal;
} shoal_predicate;

/* Columns are named so in filters: SHOAL_PREDICATE_COLUMN and the index. Nothing else may have such a name. */
#define SHOAL_PREDICATE_COLUMN "shoal_column_"

/* A filter as the engine's EXPLAIN writes it. Never fails on text: what it can't read is unknown. */
SHOAL_MUST_USE shoal_status shoal_predicate_parse(shoal_str filter, size_t n_columns, shoal_arena *arena,
                                                  shoal_predicate *out, shoal_error *err);

#endif
