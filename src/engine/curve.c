/* SPDX-License-Identifier: Apache-2.0 */
/* curve.h: quantiles and cuts of a sample, and where a row lies by them. */
#include "engine/curve.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* Bits of a rank: many more parts of each column than files of a large table are cut into along one, and so few that
   all bounds stay in the processor's first cache. */
static unsigned rank_bits(unsigned n) {
  unsigned most = n == 1 ? 16 : n == 2 ? 12 : 10; /* one column is sorted rather than cut into cells */
  return SHOAL_HILBERT_BITS / n < most ? SHOAL_HILBERT_BITS / n : most;
}

static uint64_t head_of(shoal_str key) {
  unsigned char bytes[8] = {0};
  uint64_t head = 0;
  if (key.len)
    memcpy(bytes, key.ptr, key.len < sizeof bytes ? key.len : sizeof bytes);
  for (size_t i = 0; i < sizeof bytes; i++)
    head = head << 8 | bytes[i];
  return head;
}

static int by_key(const void *a, const void *b) { return shoal_str_cmp(*(const shoal_str *)a, *(const shoal_str *)b); }

static int by_place(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

/* What the least and the greatest of sorted keys begin with, all begin with. */
static size_t shared_prefix(shoal_str a, shoal_str b) {
  size_t n = 0;
  while (n < a.len && n < b.len && a.ptr[n] == b.ptr[n])
    n++;
  return n;
}

/* The keys that part the sorted ones into 2^bits equal parts. */
static shoal_status learn_axis(const shoal_str *sorted, size_t rows, unsigned bits, shoal_arena *arena,
                               shoal_curve_axis *out, shoal_error *err) {
  size_t parts = (size_t)1 << bits, n = rows ? parts - 1 : 0;
  shoal_str *bounds = SHOAL_NEW_ARRAY(arena, shoal_str, n);
  uint64_t *heads = SHOAL_NEW_ARRAY(arena, uint64_t, n);
  if (!bounds || !heads)
    return shoal_fail_nomem(err);
  size_t shared = n ? shared_prefix(sorted[rows / parts], sorted[n * rows / parts]) : 0;
  shoal_str prefix = shoal_arena_str(arena, n ? shoal_str_sub(sorted[rows / parts], 0, shared) : SHOAL_STR(""));
  for (size_t i = 0; i < n; i++) {
    shoal_str key = sorted[(i + 1) * rows / parts];
    bounds[i] = shoal_arena_str(arena, shoal_str_sub(key, shared, key.len));
    if (!bounds[i].ptr)
      return shoal_fail_nomem(err);
    heads[i] = head_of(bounds[i]);
  }
  if (!prefix.ptr)
    return shoal_fail_nomem(err);
  *out = (shoal_curve_axis){prefix, bounds, heads, n};
  return SHOAL_OK;
}

static shoal_status learn_cuts(const shoal_str *keys, size_t rows, size_t files, shoal_arena *arena, shoal_curve *c,
                               shoal_error *err) {
  shoal_arena scratch = {0};
  size_t most = files ? files - 1 : 0;
  uint64_t *cuts = SHOAL_NEW_ARRAY(arena, uint64_t, most), *places = SHOAL_NEW_ARRAY(&scratch, uint64_t, rows);
  shoal_status status = cuts && places ? SHOAL_OK : shoal_fail_nomem(err);
  for (size_t i = 0; status == SHOAL_OK && i < rows; i++)
    places[i] = shoal_curve_place(c, keys + i * c->n);
  if (status == SHOAL_OK && rows)
    qsort(places, rows, sizeof *places, by_place);
  for (size_t i = 0; status == SHOAL_OK && rows && i < most; i++) {
    uint64_t cut = places[(i + 1) * rows / files];
    if (cut > (c->n_cuts ? cuts[c->n_cuts - 1] : places[0]))
      cuts[c->n_cuts++] = cut;
  }
  c->cuts = cuts;
  shoal_arena_dispose(&scratch);
  return status;
}

shoal_status shoal_curve_learn(const shoal_str *keys, size_t rows, unsigned n, size_t files, shoal_arena *arena,
                               shoal_curve *out, shoal_error *err) {
  shoal_arena scratch = {0};
  *out = (shoal_curve){0};
  if (n == 0 || n > SHOAL_CURVE_COLUMNS)
    return shoal_fail(err, SHOAL_ELIMIT, "rows are laid out by 1 to %d columns, not %u", SHOAL_CURVE_COLUMNS, n);
  unsigned bits = rank_bits(n);
  shoal_curve_axis *axes = SHOAL_NEW_ARRAY(arena, shoal_curve_axis, n);
  shoal_str *sorted = SHOAL_NEW_ARRAY(&scratch, shoal_str, rows);
  shoal_status status = axes && sorted ? SHOAL_OK : shoal_fail_nomem(err);
  for (unsigned k = 0; status == SHOAL_OK && k < n; k++) {
    for (size_t i = 0; i < rows; i++)
      sorted[i] = keys[i * n + k];
    if (rows)
      qsort(sorted, rows, sizeof *sorted, by_key);
    status = learn_axis(sorted, rows, bits, arena, &axes[k], err);
  }
  *out = (shoal_curve){.n = n, .bits = bits, .axes = axes};
  if (status == SHOAL_OK)
    status = learn_cuts(keys, rows, files, arena, out, err);
  shoal_arena_dispose(&scratch);
  return status;
}

/* How many of n ascending numbers are below one; the steps don't depend on it, so that nothing is guessed wrong. */
static size_t below(const uint64_t *numbers, size_t n, uint64_t one) {
  const uint64_t *first = numbers;
  for (; n > 1; n -= n / 2)
    first += first[n / 2 - 1] < one ? n / 2 : 0;
  return (size_t)(first - numbers) + (n && *first < one);
}

/* Where heads are alike the whole keys decide. */
static uint32_t rank_of(const shoal_curve_axis *a, shoal_str key) {
  int order = shoal_str_cmp(shoal_str_sub(key, 0, a->prefix.len), a->prefix);
  if (order)
    return order < 0 ? 0 : (uint32_t)a->n;
  key = shoal_str_sub(key, a->prefix.len, key.len);
  uint64_t head = head_of(key);
  size_t first = below(a->heads, a->n, head), last = first;
  if (first < a->n && a->heads[first] == head)
    last = head == UINT64_MAX ? a->n : first + below(a->heads + first, a->n - first, head + 1);
  while (first < last) {
    size_t mid = first + (last - first) / 2;
    if (shoal_str_cmp(a->bounds[mid], key) < 0)
      first = mid + 1;
    else
      last = mid;
  }
  return (uint32_t)first;
}

uint64_t shoal_curve_place(const shoal_curve *c, const shoal_str *keys) {
  uint32_t ranks[SHOAL_CURVE_COLUMNS];
  for (unsigned i = 0; i < c->n; i++)
    ranks[i] = rank_of(&c->axes[i], keys[i]);
  return shoal_hilbert_place(ranks, c->n, c->bits);
}

size_t shoal_curve_file(const shoal_curve *c, uint64_t place) {
  return place == UINT64_MAX ? c->n_cuts : below(c->cuts, c->n_cuts, place + 1);
}

/* The engine gives short keys as numbers; with one more column, which is the same in every row, none is short. */
void shoal_curve_add_key(shoal_buf *out, shoal_str value) {
  shoal_buf_addf(out, "create_sort_key(%.*s, 'ASC NULLS FIRST', NULL::BIGINT, 'ASC NULLS FIRST')", SHOAL_FMT(value));
}
