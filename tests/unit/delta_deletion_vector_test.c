/* SPDX-License-Identifier: Apache-2.0 */
/* Deletion vectors: the protocol's own examples, files and inline, everything that may be broken, and which rows stay.
 */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "delta/deletion_vector.h"

/* Rows 3, 4, 7, 11, 18 and 29, encoded by another implementation of Z85 and CRC-32. */
#define INLINE "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L"
#define BYTES 44
/* The protocol's third example says the same rows in an older format, which the protocol does not describe. */
#define OLD_INLINE "wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L"
#define UUID_NAME "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin"
static const int64_t gone[] = {3, 4, 7, 11, 18, 29};

typedef struct fixture {
  char *folder, *root;
  shoal_delta_table table;
  shoal_arena arena;
  shoal_buf file; /* version, size, bitmap, checksum */
} fixture;

static void big_endian(shoal_buf *out, uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8)
    shoal_buf_addc(out, (char)(v >> shift & 0xff));
}

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  shoal_error err = {0};
  shoal_buf bits = {0};
  f->folder = test_folder();
  CHECK_OK(shoal_os_realpath(f->folder, &f->arena, &f->root, &err), &err);
  CHECK_OK(shoal_store_open_file(f->root, false, &f->table.store, &err), &err);
  f->table.prefix = SHOAL_STR("t");
  CHECK_OK(shoal_z85_decode(SHOAL_STR(INLINE), &bits, &err), &err);
  assert_int_equal(bits.len, BYTES);
  shoal_buf_addc(&f->file, 1);
  big_endian(&f->file, BYTES);
  shoal_buf_add(&f->file, shoal_buf_str(&bits));
  big_endian(&f->file, 0xacd74a79); /* its CRC-32 */
  shoal_buf_dispose(&bits);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  shoal_store_free(f->table.store);
  shoal_arena_dispose(&f->arena);
  shoal_buf_dispose(&f->file);
  test_folder_remove(f->folder);
  free(f);
  return 0;
}

static shoal_status read_vector(fixture *f, const char *json, shoal_delta_vector **out, shoal_error *err) {
  shoal_delta_vector_descriptor d;
  *err = (shoal_error){0};
  *out = NULL;
  SHOAL_TRY(shoal_delta_vector_describe(shoal_str_z(json), &f->arena, &d, err));
  return shoal_delta_vector_read(&f->table, &d, out, err);
}

static void check_gone(fixture *f, const char *json) {
  shoal_error err;
  shoal_delta_vector *v;
  int64_t rows[40];
  bool alive[40];
  CHECK_OK(read_vector(f, json, &v, &err), &err);
  assert_int_equal(shoal_delta_vector_count(v), 6);
  for (int64_t i = 0; i < 40; i++)
    rows[i] = i;
  shoal_delta_vector_keep(v, rows, 40, alive);
  for (int64_t i = 0, k = 0; i < 40; i++) {
    bool is_gone = k < 6 && gone[k] == i;
    assert_int_equal(alive[i], !is_gone);
    k += is_gone;
  }
  shoal_delta_vector_free(v);
}

static void check_broken(fixture *f, const char *json, shoal_status status, const char *says) {
  shoal_error err;
  shoal_delta_vector *v;
  CHECK_STATUS(read_vector(f, json, &v, &err), status, &err);
  assert_null(v);
  if (!strstr(err.message, says))
    fail_msg("\"%s\" does not say \"%s\"", err.message, says);
}

#define OF(storage, where, rest)                                                                                       \
  "{\"storageType\":\"" storage "\",\"pathOrInlineDv\":\"" where "\",\"sizeInBytes\":44," rest "}"
#define FILE_OF(rest) OF("u", "ab^-aqEH.-t@S}K{vb[*k^", rest)

static void test_inline(void **state) {
  fixture *f = *state;
  check_gone(f, OF("i", INLINE, "\"cardinality\":6"));
  check_broken(f, OF("i", INLINE, "\"cardinality\":5"), SHOAL_ECORRUPT, "deletes 6 rows");
  check_broken(f, "{\"storageType\":\"i\",\"pathOrInlineDv\":\"" OLD_INLINE "\",\"sizeInBytes\":40,\"cardinality\":6}",
               SHOAL_EUNSUPPORTED, "format");
  check_broken(f, OF("i", "wi5b=000010", "\"cardinality\":6"), SHOAL_ECORRUPT, "Z85");
  check_broken(f, OF("i", "wi5b=", "\"cardinality\":6"), SHOAL_ECORRUPT, "shorter");
  check_broken(f, OF("i", "wi5b~", "\"cardinality\":6"), SHOAL_ECORRUPT, "not in Z85");
  check_broken(f, OF("i", "#####", "\"cardinality\":6"), SHOAL_ECORRUPT, "too large");
  check_broken(f, OF("r", INLINE, "\"cardinality\":6"), SHOAL_EUNSUPPORTED, "'r'");
  check_broken(f, OF("i", INLINE, "\"cardinality\":-6"), SHOAL_ECORRUPT, "out of range");
  check_broken(f, "{\"storageType\":\"i\"}", SHOAL_ECORRUPT, "pathOrInlineDv");
}

static void put(fixture *f, const char *key, shoal_str bytes) {
  shoal_error err = {0};
  CHECK_OK(shoal_store_put_new(f->table.store, shoal_str_z(key), bytes, &err), &err);
}

static void test_files(void **state) {
  fixture *f = *state;
  check_broken(f, FILE_OF("\"offset\":1,\"cardinality\":6"), SHOAL_ECORRUPT, "missing");
  put(f, "t/" UUID_NAME, shoal_buf_str(&f->file));
  check_gone(f, FILE_OF("\"offset\":1,\"cardinality\":6"));
  check_gone(f, FILE_OF("\"cardinality\":6"));
  check_gone(f, OF("p", UUID_NAME, "\"offset\":1,\"cardinality\":6"));
  check_broken(f, FILE_OF("\"offset\":2,\"cardinality\":6"), SHOAL_ECORRUPT, "size");
  check_broken(f, FILE_OF("\"offset\":400,\"cardinality\":6"), SHOAL_ECORRUPT, "");
  check_broken(f, OF("u", "tooshort", "\"cardinality\":6"), SHOAL_ECORRUPT, "UUID");
  put(f, "other/v.bin", shoal_buf_str(&f->file));
  const char *outside = OF("p", "../other/v.bin", "\"offset\":1,\"cardinality\":6");
  check_broken(f, outside, SHOAL_EUNSUPPORTED, "outside");
  f->table.anywhere = true;
  check_gone(f, outside);
  char *absolute =
      shoal_arena_printf(&f->arena, OF("p", "file://%s/other/v.bin", "\"offset\":1,\"cardinality\":6"), f->root);
  check_gone(f, absolute);
}

/* Any byte changed, any length: an error, or the very rows. */
static void test_broken_files(void **state) {
  fixture *f = *state;
  char key[32], json[160];
  for (size_t i = 0; i < 2 * f->file.len; i++) {
    bool cut = i >= f->file.len;
    size_t at = i % f->file.len;
    shoal_error err;
    shoal_delta_vector *v;
    char saved = f->file.ptr[at];
    snprintf(key, sizeof key, "t/b%zu", i);
    snprintf(json, sizeof json, OF("p", "b%zu", "\"offset\":1,\"cardinality\":6"), i);
    f->file.ptr[at] = (char)(cut ? saved : saved ^ 0x21);
    put(f, key, shoal_str_n(f->file.ptr, cut ? at : f->file.len));
    f->file.ptr[at] = saved;
    if (at == 0 && !cut) { /* the version byte stands before every vector; it is not looked at */
      check_gone(f, json);
      continue;
    }
    CHECK_STATUS(read_vector(f, json, &v, &err), SHOAL_ECORRUPT, &err);
  }
}

/* Vectors of one row, of runs, of far rows, and of none: written into one file and read back, alone and merged. */
static void test_written(void **state) {
  fixture *f = *state;
  static const uint64_t first[] = {7, 0, UINT64_C(1) << 33, 5}, n_rows[] = {1, 100000, 3, 0};
  enum { N = 4 };
  shoal_delta_vector *written[N], *read;
  const shoal_delta_vector *all[N];
  shoal_str descriptors[N];
  shoal_error err = {0};
  for (size_t i = 0; i < N; i++) {
    CHECK_OK(shoal_delta_vector_new(&written[i], &err), &err);
    all[i] = written[i];
    for (uint64_t k = 0; k < n_rows[i]; k++) {
      assert_true(shoal_delta_vector_add(written[i], first[i] + k));
      assert_false(shoal_delta_vector_add(written[i], first[i] + k));
    }
  }
  CHECK_OK(shoal_delta_vectors_put(&f->table, all, N, &f->arena, descriptors, &err), &err);
  for (size_t i = 0; i < N; i++) {
    const int64_t rows[] = {(int64_t)first[i], (int64_t)(first[i] + n_rows[i])};
    bool alive[2];
    CHECK_OK(read_vector(f, descriptors[i].ptr, &read, &err), &err);
    assert_int_equal(shoal_delta_vector_count(read), n_rows[i]);
    shoal_delta_vector_keep(read, rows, 2, alive);
    assert_int_equal(alive[0], n_rows[i] == 0);
    assert_true(alive[1]);
    if (i > 0)
      shoal_delta_vector_merge(written[0], read);
    shoal_delta_vector_free(read);
  }
  assert_int_equal(shoal_delta_vector_count(written[0]), 100000 + 3); /* row 7 is among the first */
  for (size_t i = 0; i < N; i++)
    shoal_delta_vector_free(written[i]);
}

static void test_z85_both_ways(void **state) {
  (void)state;
  shoal_buf text = {0}, back = {0};
  shoal_str bytes = {"\x86\x4f\xd2\x6f\xb5\x59\xf7\x5b", 8}; /* the example of ZeroMQ's RFC 32 */
  shoal_z85_encode(bytes, &text);
  CHECK_STR(shoal_buf_str(&text), "HelloWorld");
  CHECK_OK(shoal_z85_decode(shoal_buf_str(&text), &back, NULL), NULL);
  assert_true(shoal_str_eq(shoal_buf_str(&back), bytes));
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&back);
}

static void test_nth_allocation(void **state) {
  fixture *f = *state;
  put(f, "t/" UUID_NAME, shoal_buf_str(&f->file));
  for (uint64_t n = 1;; n++) {
    shoal_error err;
    shoal_delta_vector *v;
    shoal_mem_fail_at(n, 0);
    shoal_status status = read_vector(f, FILE_OF("\"offset\":1,\"cardinality\":6"), &v, &err);
    bool reached = shoal_mem_requests() >= n;
    shoal_mem_fail_at(0, 0);
    shoal_delta_vector_free(v);
    if (!reached)
      return;
    assert_true(status == SHOAL_OK || status == SHOAL_ENOMEM);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_inline, setup, teardown),
      cmocka_unit_test_setup_teardown(test_files, setup, teardown),
      cmocka_unit_test_setup_teardown(test_broken_files, setup, teardown),
      cmocka_unit_test_setup_teardown(test_written, setup, teardown),
      cmocka_unit_test(test_z85_both_ways),
      cmocka_unit_test_setup_teardown(test_nth_allocation, setup, teardown),
  };
  return cmocka_run_group_tests_name("delta/deletion_vector", tests, NULL, NULL);
}
