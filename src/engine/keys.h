/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of keys that may say yes too often, never no: which rows of a large table a small one can meet. Whole numbers
 * that lie close together have a bit each; others, and texts, a few bits of a word (a blocked Bloom filter, about one
 * stranger in a hundred gets in).
 */
#ifndef SHOAL_ENGINE_KEYS_H
#define SHOAL_ENGINE_KEYS_H

#include "base/arena.h"
#include "shoal/str.h"

typedef struct shoal_keys {
  uint64_t *words;
  size_t mask;         /* of a Bloom filter: words - 1 */
  bool exact;          /* a bit for each number */
  int64_t first;       /* of exact ones: the number of the first bit */
  uint64_t span;       /* and how many there are */
  bool numbers;        /* else texts */
  size_t n;            /* keys that were added, some perhaps twice */
  int64_t least, most; /* numbers, where n > 0 */
} shoal_keys;

/* Of numbers, in the arena. */
SHOAL_MUST_USE shoal_status shoal_keys_numbers(shoal_keys *out, const int64_t *keys, size_t n, shoal_arena *arena,
                                               shoal_error *err);
/* Of texts, to which at most `most` are added. */
SHOAL_MUST_USE shoal_status shoal_keys_texts(shoal_keys *out, size_t most, shoal_arena *arena, shoal_error *err);
void shoal_keys_add(shoal_keys *k, shoal_str text);
/* About how many there are of them. */
size_t shoal_keys_distinct(const shoal_keys *k);

/* For each of the values whether it may be among the keys. */
void shoal_keys_among(const shoal_keys *k, const int64_t *values, size_t n, bool *out);
bool shoal_keys_has(const shoal_keys *k, shoal_str text);

#endif
