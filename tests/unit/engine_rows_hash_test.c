/* SPDX-License-Identifier: Apache-2.0 */
/* The content hash of rows: what it must not see (order, batches, storage) and what it must (values, places, counts),
   and a second implementation, written from the definition in rows_hash.h. */
#include "support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/str.h"
#include "engine/rows_hash.h"

enum { ROWS = 3000, COLUMNS = 5 };

/* A table of five columns: long, string, double, decimal(10,2), array<integer>; any value may be NULL. */
typedef struct row {
  bool null[COLUMNS];
  int64_t l;
  char s[40];
  double d;
  int64_t dec;
  int32_t list[4];
  bool list_null[4];
  size_t n_list;
} row;

static shoal_field element = {.name = {"element", 7}, .type = {.kind = SHOAL_TYPE_INTEGER}, .nullable = true};
static shoal_field fields[COLUMNS] = {
    {.name = {"l", 1}, .type = {.kind = SHOAL_TYPE_LONG}},
    {.name = {"s", 1}, .type = {.kind = SHOAL_TYPE_STRING}},
    {.name = {"d", 1}, .type = {.kind = SHOAL_TYPE_DOUBLE}},
    {.name = {"dec", 3}, .type = {.kind = SHOAL_TYPE_DECIMAL, .precision = 10, .scale = 2}},
    {.name = {"a", 1}, .type = {.kind = SHOAL_TYPE_ARRAY, .fields = &element, .n_fields = 1}},
};
static const shoal_schema schema = {fields, COLUMNS};

static void make_rows(row *rows, size_t n, test_random *r) {
  for (size_t i = 0; i < n; i++) {
    memset(&rows[i], 0, sizeof rows[i]);
    for (size_t c = 0; c < COLUMNS; c++)
      rows[i].null[c] = test_random_below(r, 7) == 0;
    rows[i].l = (int64_t)test_random_next(r) >> test_random_below(r, 64);
    snprintf(rows[i].s, sizeof rows[i].s, "%.*s", (int)test_random_below(r, 30),
             "abcdefghijklmnopqrstuvwxyz0123456789");
    rows[i].d = (double)(int64_t)test_random_below(r, 1000) / 8 - 50;
    rows[i].dec = (int64_t)test_random_below(r, 100000) - 50000;
    rows[i].n_list = test_random_below(r, 5);
    for (size_t k = 0; k < rows[i].n_list; k++) {
      rows[i].list[k] = (int32_t)test_random_below(r, 10);
      rows[i].list_null[k] = test_random_below(r, 4) == 0;
    }
  }
}

/* ---- as columns, in batches ---- */

typedef struct span {
  size_t first, n;
} span;
static shoal_str text_at(const void *data, size_t i) { return ((const shoal_str *)data)[i]; }
static void range_at(const void *data, size_t i, size_t *first, size_t *n) {
  *first = ((const span *)data)[i].first;
  *n = ((const span *)data)[i].n;
}
static void set_valid(uint64_t *words, size_t i, bool valid) { words[i / 64] |= (uint64_t)valid << (i % 64); }

/* Adds rows[0..n) as one batch; decimals stored in `width` bytes. */
static void add_batch(shoal_rows_sum *sum, const row *rows, size_t n, size_t width) {
  static int64_t l[ROWS];
  static shoal_str s[ROWS];
  static double d[ROWS];
  static int64_t dec8[ROWS];
  static __int128 dec16[ROWS];
  static span spans[ROWS];
  static int32_t items[ROWS * 4];
  static uint64_t valid[COLUMNS][ROWS / 64 + 1], item_valid[ROWS * 4 / 64 + 1];
  size_t n_items = 0;
  memset(valid, 0, sizeof valid);
  memset(item_valid, 0, sizeof item_valid);
  for (size_t i = 0; i < n; i++) {
    l[i] = rows[i].l;
    s[i] = rows[i].null[1] ? (shoal_str){(const char *)1, 99} : shoal_str_z(rows[i].s); /* never to be touched */
    d[i] = rows[i].d;
    dec8[i] = rows[i].dec;
    dec16[i] = rows[i].dec;
    spans[i] = (span){n_items, rows[i].n_list};
    for (size_t k = 0; k < rows[i].n_list; k++, n_items++) {
      items[n_items] = rows[i].list[k];
      set_valid(item_valid, n_items, !rows[i].list_null[k]);
    }
    for (size_t c = 0; c < COLUMNS; c++)
      set_valid(valid[c], i, !rows[i].null[c]);
  }
  shoal_rows_column child = {.type = &element.type, .validity = item_valid, .data = items};
  shoal_rows_column columns[COLUMNS] = {
      {.type = &fields[0].type, .validity = valid[0], .data = l},
      {.type = &fields[1].type, .validity = valid[1], .data = s, .text = text_at},
      {.type = &fields[2].type, .validity = valid[2], .data = d},
      {.type = &fields[3].type,
       .validity = valid[3],
       .data = width == 16 ? (void *)dec16 : (void *)dec8,
       .width = width},
      {.type = &fields[4].type,
       .validity = valid[4],
       .data = spans,
       .range = range_at,
       .children = &child,
       .n_children = 1},
  };
  shoal_rows_scratch scratch = {0};
  shoal_error err = {0};
  CHECK_OK(shoal_rows_sum_add(sum, columns, COLUMNS, n, &scratch, &err), &err);
  shoal_rows_scratch_dispose(&scratch);
}

static shoal_hash hash_rows(const row *rows, size_t n) {
  shoal_rows_sum sum = {0};
  add_batch(&sum, rows, n, 8);
  return shoal_rows_hash(&schema, &sum);
}

/* ---- the second implementation ---- */

static size_t put(uint8_t *out, const void *value, size_t n, bool null) {
  out[0] = !null;
  memset(out + 1, 0, n);
  if (!null)
    memcpy(out + 1, value, n);
  return n + 1;
}
static size_t put_xxh(uint8_t *out, const void *bytes, size_t n, bool null) {
  XXH128_hash_t h = XXH3_128bits(bytes, n);
  uint64_t words[2] = {h.low64, h.high64};
  return put(out, words, 16, null);
}

static shoal_hash hash_by_definition(const row *rows, size_t n) {
  shoal_rows_sum sum = {.rows = n};
  for (size_t i = 0; i < n; i++) {
    uint8_t cells[128], list[64];
    size_t at = 0, m = 8;
    __int128 dec = rows[i].dec;
    at += put(cells + at, &rows[i].l, 8, rows[i].null[0]);
    at += put_xxh(cells + at, rows[i].s, strlen(rows[i].s), rows[i].null[1]);
    at += put(cells + at, &rows[i].d, 8, rows[i].null[2]);
    at += put(cells + at, &dec, 16, rows[i].null[3]);
    uint64_t length = rows[i].n_list;
    memcpy(list, &length, 8);
    for (size_t k = 0; k < length; k++)
      m += put(list + m, &rows[i].list[k], 4, rows[i].list_null[k]);
    at += put_xxh(cells + at, list, m, rows[i].null[4]);
    XXH128_hash_t h = XXH3_128bits(cells, at);
    unsigned __int128 low = (unsigned __int128)sum.words[0] + h.low64;
    unsigned __int128 high = (unsigned __int128)sum.words[1] + h.high64 + (uint64_t)(low >> 64);
    sum.words[0] = (uint64_t)low;
    sum.words[1] = (uint64_t)high;
    sum.words[2] += (uint64_t)(high >> 64);
  }
  return shoal_rows_hash(&schema, &sum);
}

static void check_eq(const shoal_hash *a, const shoal_hash *b, bool want) {
  assert_int_equal(shoal_hash_eq(a, b), want);
}

static void test_definition(void **state) {
  (void)state;
  static row rows[ROWS];
  test_random r = test_random_start("rows_hash: definition");
  make_rows(rows, ROWS, &r);
  for (size_t n = 0; n <= ROWS; n += 613) {
    shoal_hash a = hash_rows(rows, n), b = hash_by_definition(rows, n);
    check_eq(&a, &b, true);
  }
}

static void test_order_and_batches(void **state) {
  (void)state;
  static row rows[ROWS];
  test_random r = test_random_start("rows_hash: order");
  for (uint64_t round = 0; round < test_budget(20); round++) {
    make_rows(rows, ROWS, &r);
    shoal_hash want = hash_rows(rows, ROWS);
    for (size_t i = ROWS - 1; i > 0; i--) {
      size_t j = test_random_below(&r, i + 1);
      row t = rows[i];
      rows[i] = rows[j];
      rows[j] = t;
    }
    shoal_rows_sum parts[3] = {0};
    for (size_t at = 0; at < ROWS;) {
      size_t n = 1 + test_random_below(&r, 700);
      n = n > ROWS - at ? ROWS - at : n;
      add_batch(&parts[test_random_below(&r, 3)], rows + at, n, test_random_below(&r, 2) ? 8 : 16);
      at += n;
    }
    shoal_rows_sum_merge(&parts[0], &parts[2]);
    shoal_rows_sum_merge(&parts[0], &parts[1]);
    shoal_hash got = shoal_rows_hash(&schema, &parts[0]);
    check_eq(&want, &got, true);
  }
}

/* Changes one thing; false if the change left the row as it was. */
static bool change(row *rows, size_t n, test_random *r) {
  size_t i = test_random_below(r, n), c = test_random_below(r, COLUMNS);
  row *x = &rows[i];
  if (test_random_below(r, 4) == 0) {
    x->null[c] = !x->null[c];
    return true;
  }
  if (x->null[c])
    return false;
  switch (c) {
  case 0:
    x->l ^= (int64_t)1 << test_random_below(r, 63);
    return true;
  case 1:
    strcat(x->s, "x");
    return true;
  case 2:
    x->d += 0.125;
    return true;
  case 3:
    x->dec += 1;
    return true;
  default:
    break;
  }
  if (x->n_list == 4)
    return false;
  x->list[x->n_list] = 0; /* one element more */
  x->list_null[x->n_list++] = test_random_below(r, 2);
  return true;
}

static void test_changes(void **state) {
  (void)state;
  static row rows[ROWS], changed[ROWS];
  test_random r = test_random_start("rows_hash: changes");
  for (uint64_t round = 0; round < test_budget(300); round++) {
    size_t n = 1 + test_random_below(&r, 300);
    make_rows(rows, n, &r);
    memcpy(changed, rows, n * sizeof *rows);
    shoal_hash before = hash_rows(rows, n);
    if (!change(changed, n, &r))
      continue;
    shoal_hash after = hash_rows(changed, n);
    check_eq(&before, &after, false);
    memcpy(changed, rows, n * sizeof *rows);
    changed[n] = changed[test_random_below(&r, n)]; /* a row doubled */
    after = hash_rows(changed, n + 1);
    check_eq(&before, &after, false);
    after = hash_rows(rows, n - 1); /* a row lost */
    check_eq(&before, &after, false);
  }
}

static void test_swapped_values(void **state) {
  (void)state;
  row rows[2] = {{.l = 1, .s = "a", .d = 1}, {.l = 2, .s = "b", .d = 2}};
  shoal_hash a = hash_rows(rows, 2);
  rows[0].l = 2;
  rows[1].l = 1;
  shoal_hash b = hash_rows(rows, 2);
  check_eq(&a, &b, false);
  row shifted[2] = {{.l = 1, .s = "ab"}, {.l = 1, .s = "ab"}};
  shifted[1].null[1] = true; /* NULL is not the empty string */
  a = hash_rows(shifted, 2);
  shifted[1].null[1] = false;
  shifted[1].s[0] = 0;
  b = hash_rows(shifted, 2);
  check_eq(&a, &b, false);
}

static void test_floats(void **state) {
  (void)state;
  row x = {.d = 0.0}, y = {.d = -0.0};
  shoal_hash a = hash_rows(&x, 1), b = hash_rows(&y, 1);
  check_eq(&a, &b, true);
  x.d = NAN;
  uint64_t other = 0xfff8000000000123u;
  memcpy(&y.d, &other, sizeof other);
  a = hash_rows(&x, 1);
  b = hash_rows(&y, 1);
  check_eq(&a, &b, true);
  y.d = INFINITY;
  b = hash_rows(&y, 1);
  check_eq(&a, &b, false);
}

static void test_schema_counts(void **state) {
  (void)state;
  shoal_rows_sum sum = {0};
  shoal_hash a = shoal_rows_hash(&schema, &sum);
  shoal_field other[COLUMNS];
  shoal_schema changed = {other, COLUMNS};
  memcpy(other, fields, sizeof fields);
  other[1].name = SHOAL_STR("t");
  shoal_hash b = shoal_rows_hash(&changed, &sum);
  check_eq(&a, &b, false);
  other[1] = fields[1];
  other[3].type.scale = 3;
  b = shoal_rows_hash(&changed, &sum);
  check_eq(&a, &b, false);
  other[3] = fields[3];
  other[3].nullable = true; /* does not count */
  b = shoal_rows_hash(&changed, &sum);
  check_eq(&a, &b, true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_definition), cmocka_unit_test(test_order_and_batches),
      cmocka_unit_test(test_changes),    cmocka_unit_test(test_swapped_values),
      cmocka_unit_test(test_floats),     cmocka_unit_test(test_schema_counts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
