/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on views. None allocates; none needs a NUL. */
#ifndef SHOAL_BASE_STR_H
#define SHOAL_BASE_STR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "shoal/str.h"

#define SHOAL_STR_NONE ((shoal_str){NULL, 0})

static inline shoal_str shoal_str_z(const char *z) { return (shoal_str){z, z ? strlen(z) : 0}; }
static inline shoal_str shoal_str_n(const char *p, size_t n) { return (shoal_str){p, n}; }
static inline bool shoal_str_eq(shoal_str a, shoal_str b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
static inline bool shoal_str_is(shoal_str a, const char *z) { return shoal_str_eq(a, shoal_str_z(z)); }
/* Bytewise: the order of memcmp, shorter first. */
int shoal_str_cmp(shoal_str a, shoal_str b);
/* ASCII letters compare equal whatever their case. */
bool shoal_str_ieq(shoal_str a, shoal_str b);
bool shoal_str_starts(shoal_str s, shoal_str prefix);
bool shoal_str_ends(shoal_str s, shoal_str suffix);
/* Offset of the first occurrence, or -1. */
ptrdiff_t shoal_str_find(shoal_str s, shoal_str needle);
ptrdiff_t shoal_str_chr(shoal_str s, char c);
ptrdiff_t shoal_str_rchr(shoal_str s, char c);
/* From `from` (clamped) up to `to` (clamped). */
shoal_str shoal_str_sub(shoal_str s, size_t from, size_t to);
/* Without ASCII white space at both ends. */
shoal_str shoal_str_trim(shoal_str s);
/* Cuts the next piece up to `sep` off *rest into *piece; false when *rest was {NULL, 0}. "a,,b" has three pieces. */
bool shoal_str_split(shoal_str *rest, char sep, shoal_str *piece);
/* Shell pattern of `*` (any run), `?` (any byte); the whole of s must match. Linear in practice, never exponential. */
bool shoal_str_glob(shoal_str pattern, shoal_str s);
bool shoal_str_utf8(shoal_str s);              /* valid UTF-8 without NUL */
bool shoal_str_i64(shoal_str s, int64_t *out); /* the whole of s is a decimal number that fits */
/* Edits (insert, delete, replace, swap of neighbours) that lead from a to b, at most `max` + 1. For "did you mean". */
unsigned shoal_str_distance(shoal_str a, shoal_str b, unsigned max);
/* The nearest of n names within a third of the word's length, or -1. */
ptrdiff_t shoal_str_nearest(shoal_str word, const shoal_str *names, size_t n);

#endif
