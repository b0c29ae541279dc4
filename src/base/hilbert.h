/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places on a Hilbert curve: cells of a cube of any number of dimensions, in an order in which each is beside the next
 * one. Cells that are near on the curve are near in all dimensions, so whoever cuts the curve into pieces gets pieces
 * that are narrow in each. The algorithm is J. Skilling's ("Programming the Hilbert curve", AIP Conference Proceedings
 * 707, 2004): it needs no tables, whatever the number of dimensions.
 */
#ifndef SHOAL_BASE_HILBERT_H
#define SHOAL_BASE_HILBERT_H

#include <stdint.h>

#define SHOAL_HILBERT_BITS 64 /* of a place: dimensions times bits of a coordinate are at most so many */

/* Where the curve through 2^bits cells in each of n dimensions meets the cell at x, which is overwritten. Leading bits
   of a place depend on leading bits of coordinates only. n >= 1, bits from 1 to 32. */
uint64_t shoal_hilbert_place(uint32_t *x, unsigned n, unsigned bits);

#endif
