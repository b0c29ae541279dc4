/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/hash_wide.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"
#include "base/yaml.h"

static void views(void **state) {
  (void)state;
  shoal_str rest = SHOAL_STR("a,,b"), piece;
  int n = 0;
  while (shoal_str_split(&rest, ',', &piece))
    n++;
  assert_int_equal(n, 3);
  assert_true(shoal_str_glob(SHOAL_STR("silver.*"), SHOAL_STR("silver.orders")));
  assert_false(shoal_str_glob(SHOAL_STR("silver.?"), SHOAL_STR("silver.orders")));
  assert_true(shoal_str_glob(SHOAL_STR("*a*b*c"), SHOAL_STR("xxaxxbxxc")));
  assert_int_equal(shoal_str_distance(SHOAL_STR("dep_dely"), SHOAL_STR("dep_delay"), 3), 1);
  assert_int_equal(shoal_str_distance(SHOAL_STR("abcd"), SHOAL_STR("abdc"), 3), 1);
  shoal_str names[] = {SHOAL_STR("carrier"), SHOAL_STR("dep_delay"), SHOAL_STR("arr_delay")};
  assert_int_equal(shoal_str_nearest(SHOAL_STR("dep_dely"), names, 3), 1);
  assert_int_equal(shoal_str_nearest(SHOAL_STR("zzz"), names, 3), -1);
  assert_true(shoal_str_utf8(SHOAL_STR("sch\xc3\xb6n")));
  assert_false(shoal_str_utf8(SHOAL_STR("\xc0\x80")));
  assert_false(shoal_str_utf8(SHOAL_STR("\xed\xa0\x80")));
  int64_t v;
  assert_true(shoal_str_i64(SHOAL_STR("-9223372036854775808"), &v) && v == INT64_MIN);
  assert_false(shoal_str_i64(SHOAL_STR("9223372036854775808"), &v));
}

static void buffers_stop_at_their_cap(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_buf b;
  shoal_buf_init(&b, 10);
  shoal_buf_addz(&b, "0123456789");
  CHECK_OK(shoal_buf_check(&b, &err), &err);
  shoal_buf_addc(&b, 'x');
  shoal_buf_clear(&b);
  shoal_buf_addz(&b, "01234567890");
  CHECK_STATUS(shoal_buf_check(&b, &err), SHOAL_ELIMIT, &err);
  shoal_buf_dispose(&b);
  shoal_buf j = {0};
  shoal_buf_json_str(&j, SHOAL_STR("a\"b\\\n\x01\xff\xc3\xb6"));
  CHECK_STR(shoal_buf_str(&j), "\"a\\\"b\\\\\\n\\u0001\xef\xbf\xbd\xc3\xb6\"");
  shoal_buf_dispose(&j);
}

/* Large texts are cut into subtrees for several threads, wherever in a chunk they begin. */
static void large_texts_hash_as_blake3_says(void **state) {
  (void)state;
  enum { MIB = 1 << 20 };
  static const size_t leads[] = {0, 1, 64, 1015, 1024, 4096, 65536 + 7, MIB, MIB - 1, 3 * MIB + 1};
  static const size_t sizes[] = {4 * MIB, 4 * MIB + 1, 5 * MIB - 1, 8 * MIB, 9 * MIB + 12345};
  size_t most = 14 * MIB;
  uint8_t *bytes = malloc(most);
  for (size_t i = 0; i < most; i++)
    bytes[i] = (uint8_t)(i * 2654435761u >> 13);
  for (size_t i = 0; i < sizeof leads / sizeof *leads; i++)
    for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++)
      for (size_t tail = 0; tail <= 5 * MIB; tail += 5 * MIB / 2) {
        blake3_hasher plain, wide;
        uint8_t a[32], b[32];
        blake3_hasher_init(&plain);
        blake3_hasher_init(&wide);
        blake3_hasher_update(&plain, bytes, leads[i]), blake3_hasher_update(&wide, bytes, leads[i]);
        blake3_hasher_update(&plain, bytes, sizes[j]), shoal_hash_wide(&wide, bytes, sizes[j]);
        blake3_hasher_update(&plain, bytes, tail), shoal_hash_wide(&wide, bytes, tail);
        blake3_hasher_finalize(&plain, a, sizeof a), blake3_hasher_finalize(&wide, b, sizeof b);
        assert_memory_equal(a, b, sizeof a);
      }
  free(bytes);
}

static void hashing_is_unambiguous(void **state) {
  (void)state;
  shoal_hasher a, b;
  shoal_hasher_init(&a, "t");
  shoal_hasher_str(&a, SHOAL_STR("ab"));
  shoal_hasher_str(&a, SHOAL_STR("c"));
  shoal_hasher_init(&b, "t");
  shoal_hasher_str(&b, SHOAL_STR("a"));
  shoal_hasher_str(&b, SHOAL_STR("bc"));
  shoal_hash x = shoal_hasher_end(&a), y = shoal_hasher_end(&b), z;
  assert_false(shoal_hash_eq(&x, &y));
  char hex[SHOAL_HASH_HEX + 1];
  shoal_hash_hex(&x, hex);
  assert_true(shoal_hash_unhex(shoal_str_z(hex), &z) && shoal_hash_eq(&x, &z));
  /* The test vector of the empty input from the BLAKE3 paper's reference implementation. */
  shoal_hash e = shoal_hash_bytes(SHOAL_STR(""));
  shoal_hash_hex(&e, hex);
  assert_string_equal(hex, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
}

static void times_round_trip(void **state) {
  (void)state;
  int64_t us;
  char text[SHOAL_TIME_TEXT];
  assert_true(shoal_time_parse(SHOAL_STR("2024-02-29T12:30:45.678901Z"), &us));
  shoal_time_text(us, text);
  assert_string_equal(text, "2024-02-29T12:30:45.678901Z");
  assert_false(shoal_time_parse(SHOAL_STR("2023-02-29"), &us));
  assert_true(shoal_time_parse(SHOAL_STR("1970-01-01 02:00:00+02:00"), &us) && us == 0);
  assert_true(shoal_time_parse(SHOAL_STR("1969-12-31T23:59:59.5"), &us) && us == -500000);
  test_random r = test_random_start("times_round_trip");
  for (int i = 0; i < 10000; i++) {
    int64_t want = (int64_t)test_random_below(&r, 253402300799999999u), got;
    shoal_time_text(want, text);
    assert_true(shoal_time_parse(shoal_str_z(text), &got));
    assert_true(got == want);
  }
  assert_true(shoal_duration_parse(SHOAL_STR("30d"), &us) && us == 30LL * 86400 * 1000000);
}

static void yaml_knows_its_lines(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_arena arena = {0};
  shoal_yaml *y;
  CHECK_OK(shoal_yaml_parse(SHOAL_STR("name: x\nsources:\n  a.b: {files: 'd/*.csv', on: true}\n"), "shoal.yaml", 1,
                            &arena, &y, &err),
           &err);
  const shoal_yaml *s = shoal_yaml_get(shoal_yaml_get(y, "sources"), "a.b");
  assert_non_null(s);
  assert_int_equal(s->line, 3);
  CHECK_STR(shoal_yaml_get(s, "files")->text, "d/*.csv");
  assert_int_equal(shoal_yaml_bool(shoal_yaml_get(s, "on")), 1);
  const char *const known[] = {"name", "source", NULL};
  CHECK_STATUS(shoal_yaml_known(y, "shoal.yaml", "the project", known, &err), SHOAL_EINVAL, &err);
  assert_int_equal(err.line, 2);
  assert_non_null(strstr(err.hint, "source"));
  CHECK_STATUS(shoal_yaml_parse(SHOAL_STR("a: 1\na: 2\n"), "f", 1, &arena, &y, &err), SHOAL_EINVAL, &err);
  assert_int_equal(err.line, 2);
  CHECK_STATUS(shoal_yaml_parse(SHOAL_STR("a: &x [1]\nb: *x\n"), "f", 1, &arena, &y, &err), SHOAL_EINVAL, &err);
  CHECK_STATUS(shoal_yaml_parse(SHOAL_STR("a: [1, {b: 2"), "f", 1, &arena, &y, &err), SHOAL_EINVAL, &err);
  shoal_arena_dispose(&arena);
}

static void json_writer_writes_what_reads_back(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "a", -1);
  shoal_jw_key(&w, "b");
  shoal_jw_arr(&w);
  shoal_jw_z(&w, "x");
  shoal_jw_obj(&w);
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  shoal_jw_kstr(&w, "none", SHOAL_STR_NONE);
  shoal_jw_end(&w);
  CHECK_STR(shoal_buf_str(&b), "{\"a\":-1,\"b\":[\"x\",{}]}");
  yyjson_doc *doc;
  CHECK_OK(shoal_json_parse(shoal_buf_str(&b), "t", &doc, &err), &err);
  assert_int_equal(shoal_json_i64(yyjson_doc_get_root(doc), "a", 0), -1);
  yyjson_doc_free(doc);
  shoal_buf_clear(&b);
  for (int i = 0; i < 300; i++)
    shoal_buf_addc(&b, '[');
  CHECK_STATUS(shoal_json_parse(shoal_buf_str(&b), "deep", &doc, &err), SHOAL_ECORRUPT, &err);
  shoal_buf_dispose(&b);
}

static void maps_hold_what_was_put(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_map m = {0};
  shoal_arena arena = {0};
  for (uint32_t i = 0; i < 5000; i++)
    CHECK_OK(shoal_map_put(&m, shoal_str_z(shoal_arena_printf(&arena, "key%u", i)), i, &err), &err);
  for (uint32_t i = 0; i < 5000; i++)
    assert_int_equal(shoal_map_get(&m, shoal_str_z(shoal_arena_printf(&arena, "key%u", i))), i);
  assert_int_equal(shoal_map_get(&m, SHOAL_STR("key5000")), SHOAL_MAP_NONE);
  shoal_map_dispose(&m);
  shoal_arena_dispose(&arena);
}

static void files(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_arena arena = {0};
  char *dir = test_folder();
  char *deep = shoal_arena_printf(&arena, "%s/a/b/c", dir), *file = shoal_arena_printf(&arena, "%s/f", deep);
  CHECK_OK(shoal_os_mkdirs(deep, true, &err), &err);
  CHECK_OK(shoal_os_create_file(file, SHOAL_STR("hello"), &err), &err);
  CHECK_STATUS(shoal_os_create_file(file, SHOAL_STR("again"), &err), SHOAL_EEXIST, &err);
  shoal_buf b = {0};
  CHECK_OK(shoal_os_read_range(file, 1, 3, &b, &err), &err);
  CHECK_STR(shoal_buf_str(&b), "ell");
  shoal_buf_clear(&b);
  CHECK_STATUS(shoal_os_read_file(file, 4, &b, &err), SHOAL_ELIMIT, &err);
  shoal_buf_dispose(&b);
  char id[128];
  shoal_os_process_id(shoal_os_pid(), id);
  assert_true(strlen(id) > 10);
  int code;
  shoal_buf out = {0};
  const char *argv[] = {"sh", "-c", "echo hi; exit 3", NULL};
  CHECK_OK(shoal_os_run(argv, NULL, true, &out, &code, &err), &err);
  assert_int_equal(code, 3);
  CHECK_STR(shoal_buf_str(&out), "hi\n");
  shoal_buf_dispose(&out);
  test_folder_remove(dir);
  shoal_arena_dispose(&arena);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  for (uint64_t n = 1; n < 200; n++) {
    shoal_error err = {0};
    shoal_arena arena = {0};
    shoal_yaml *y;
    shoal_mem_fail_at(n, 0);
    shoal_status s = shoal_yaml_parse(SHOAL_STR("a: [1, 2, {b: c}]\n"), "f", 1, &arena, &y, &err);
    bool done = shoal_mem_requests() < n;
    shoal_mem_fail_at(0, 0);
    if (s < 0)
      assert_int_equal(s, SHOAL_ENOMEM);
    shoal_arena_dispose(&arena);
    if (done) {
      assert_int_equal(s, SHOAL_OK);
      return;
    }
  }
  fail();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(views),
      cmocka_unit_test(buffers_stop_at_their_cap),
      cmocka_unit_test(hashing_is_unambiguous),
      cmocka_unit_test(large_texts_hash_as_blake3_says),
      cmocka_unit_test(times_round_trip),
      cmocka_unit_test(yaml_knows_its_lines),
      cmocka_unit_test(json_writer_writes_what_reads_back),
      cmocka_unit_test(maps_hold_what_was_put),
      cmocka_unit_test(files),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
