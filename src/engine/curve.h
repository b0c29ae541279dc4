/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How rows are laid out so that files are narrow in several columns at once: along a Hilbert curve through the ranks of
 * their values. Ranks and not values, for a curve through values puts nearly all rows of a skewed column into one cell
 * of it; a rank says which part of the rows is below, so that every cut of the curve halves rows, whatever they hold.
 * What is known of the rows comes from a sample: the keys that cut it into equal parts in each column, and the places
 * at which files begin.
 *
 * Values are told by keys whose bytes sort as they do (the engine's create_sort_key): of any type, NULL too.
 */
#ifndef SHOAL_ENGINE_CURVE_H
#define SHOAL_ENGINE_CURVE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/hilbert.h"

/* Beyond that many columns a place has no bit for each of them. */
#define SHOAL_CURVE_COLUMNS SHOAL_HILBERT_BITS

typedef struct shoal_curve_axis {
  shoal_str prefix;        /* that all bounds begin with; they are kept without it */
  const shoal_str *bounds; /* ascending; a rank is how many of them are below a key */
  const uint64_t *heads;   /* their first bytes, as numbers in the same order */
  size_t n;                /* less than 2^bits */
} shoal_curve_axis;

typedef struct shoal_curve {
  unsigned n, bits; /* columns; of a rank */
  const shoal_curve_axis *axes;
  const uint64_t *cuts; /* ascending places; a file begins at each, and one before the first */
  size_t n_cuts;
} shoal_curve;

/* Of a sample's keys, row by row, n of them in each: the order of rows does not matter. The curve is cut into at most
   `files` files of about as many rows each. All is in the arena. */
SHOAL_MUST_USE shoal_status shoal_curve_learn(const shoal_str *keys, size_t rows, unsigned n, size_t files,
                                              shoal_arena *arena, shoal_curve *out, shoal_error *err);
/* Where a row lies that has these n keys. */
uint64_t shoal_curve_place(const shoal_curve *c, const shoal_str *keys);
/* The key of a value as SQL; `value` is an expression of any type that has none below it. */
void shoal_curve_add_key(shoal_buf *out, shoal_str value);
/* In which file, from 0, what lies at a place. */
size_t shoal_curve_file(const shoal_curve *c, uint64_t place);

#endif
