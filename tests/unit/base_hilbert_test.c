/* SPDX-License-Identifier: Apache-2.0 */
/* What makes a curve a Hilbert curve: it meets each cell once, and goes from a cell to one beside it. */
#include "support/support.h"

#include <stdlib.h>

#include "base/hilbert.h"

static void coordinates(uint64_t cell, unsigned n, unsigned bits, uint32_t *x) {
  for (unsigned i = 0; i < n; i++)
    x[i] = (uint32_t)(cell >> i * bits) & ((UINT32_C(1) << bits) - 1);
}

static unsigned steps(uint64_t a, uint64_t b, unsigned n, unsigned bits) {
  uint32_t x[16], y[16];
  unsigned sum = 0;
  coordinates(a, n, bits, x);
  coordinates(b, n, bits, y);
  for (unsigned i = 0; i < n; i++)
    sum += x[i] > y[i] ? x[i] - y[i] : y[i] - x[i];
  return sum;
}

static void check_cube(unsigned n, unsigned bits) {
  uint64_t cells = UINT64_C(1) << n * bits, *at = calloc(cells, sizeof *at);
  assert_non_null(at);
  for (uint64_t cell = 0; cell < cells; cell++) {
    uint32_t x[16];
    coordinates(cell, n, bits, x);
    uint64_t place = shoal_hilbert_place(x, n, bits);
    if (place >= cells || at[place])
      fail_msg("%u dimensions of %u bits: cell %llu is at place %llu, as is another, or beyond", n, bits,
               (unsigned long long)cell, (unsigned long long)place);
    at[place] = cell + 1;
  }
  for (uint64_t place = 1; place < cells; place++)
    if (steps(at[place - 1] - 1, at[place] - 1, n, bits) != 1)
      fail_msg("%u dimensions of %u bits: a leap at place %llu", n, bits, (unsigned long long)place);
  free(at);
}

static void small_cubes(void **state) {
  (void)state;
  static const unsigned most[] = {0, 14, 8, 5, 4, 3, 3, 2, 2, 2, 1, 1, 1, 1, 1};
  for (unsigned n = 1; n < sizeof most / sizeof *most; n++)
    for (unsigned bits = 1; bits <= most[n]; bits++)
      check_cube(n, bits);
}

/* What a place of 64 bits has room for. */
static void leading_bits(void **state) {
  (void)state;
  test_random r = test_random_start("leading bits");
  for (unsigned n = 2; n <= 64; n++)
    for (uint64_t i = 0; i < test_budget(200); i++) {
      unsigned bits = 64 / n, fewer = bits > 1 ? bits - 1 : 1;
      uint32_t x[64], y[64];
      for (unsigned k = 0; k < n; k++) {
        x[k] = (uint32_t)test_random_next(&r) & (uint32_t)((UINT64_C(1) << bits) - 1);
        y[k] = x[k] >> (bits - fewer);
      }
      uint64_t place = shoal_hilbert_place(x, n, bits), lead = shoal_hilbert_place(y, n, fewer);
      assert_true(place >> n * (bits - fewer) == lead);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(small_cubes), cmocka_unit_test(leading_bits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
