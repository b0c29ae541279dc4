/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hilbert.h, after Skilling: each bit of the coordinates, from the highest on, says how the cube below it is turned.
 * Undoing these turns leaves a Gray code, whose bits, taken from all coordinates in turn, are the place.
 */
#include "base/hilbert.h"

#include <assert.h>

/* Whether a bit is set, as a mask. */
static uint32_t mask(uint32_t x, uint32_t bit) { return x & bit ? UINT32_MAX : 0; }

/* Below a bit the cube is mirrored in its first dimension where the bit is set, else turned: dimensions 0 and i change
   places. */
static void undo_turns(uint32_t *x, unsigned n, uint32_t bit) {
  const uint32_t below = bit - 1;
  for (unsigned i = 0; i < n; i++) {
    uint32_t set = mask(x[i], bit), swap = (x[0] ^ x[i]) & below & ~set;
    x[0] ^= swap | (below & set);
    x[i] ^= swap;
  }
}

static void gray_encode(uint32_t *x, unsigned n, unsigned bits) {
  uint32_t flip = 0;
  for (unsigned i = 1; i < n; i++)
    x[i] ^= x[i - 1];
  for (unsigned b = bits; b-- > 1;)
    flip ^= mask(x[n - 1], UINT32_C(1) << b) & ((UINT32_C(1) << b) - 1);
  for (unsigned i = 0; i < n; i++)
    x[i] ^= flip;
}

uint64_t shoal_hilbert_place(uint32_t *x, unsigned n, unsigned bits) {
  uint64_t place = 0;
  assert(n >= 1 && bits >= 1 && bits <= 32 && n * bits <= SHOAL_HILBERT_BITS);
  for (unsigned b = bits; b-- > 1;)
    undo_turns(x, n, UINT32_C(1) << b);
  gray_encode(x, n, bits);
  for (unsigned b = bits; b-- > 0;)
    for (unsigned i = 0; i < n; i++)
      place = place << 1 | (x[i] >> b & 1);
  return place;
}
