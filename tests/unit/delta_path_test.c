/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of files: encoded, decoded, and kept inside the table. */
#include "support/support.h"

#include "base/buf.h"
#include "base/str.h"
#include "delta/delta.h"

static void test_both_ways(void **state) {
  (void)state;
  static const struct {
    const char *plain, *encoded;
  } cases[] = {
      {"part-0.parquet", "part-0.parquet"},
      {"a=b c/x%.parquet", "a=b%20c/x%25.parquet"},
      {"p=US%2FEast/x", "p=US%252FEast/x"},
      {"a:b", "a%3Ab"},
      {"\xc3\xa4", "%C3%A4"},
      {"..a/b..", "..a/b.."},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_error err = {0};
    shoal_buf out = {0};
    shoal_delta_path_encode(&out, shoal_str_z(cases[i].plain));
    CHECK_STR(shoal_buf_str(&out), cases[i].encoded);
    shoal_buf_clear(&out);
    CHECK_OK(shoal_delta_path_decode(shoal_str_z(cases[i].encoded), false, &out, &err), &err);
    CHECK_STR(shoal_buf_str(&out), cases[i].plain);
    shoal_buf_dispose(&out);
  }
}

static void test_refused(void **state) {
  (void)state;
  static const struct {
    const char *path;
    shoal_status near, anywhere;
  } cases[] = {
      {"", SHOAL_ECORRUPT, SHOAL_ECORRUPT},
      {"a%00b", SHOAL_ECORRUPT, SHOAL_ECORRUPT},
      {"a%2", SHOAL_ECORRUPT, SHOAL_ECORRUPT},
      {"a%zz", SHOAL_ECORRUPT, SHOAL_ECORRUPT},
      {"../x", SHOAL_EUNSUPPORTED, SHOAL_OK},
      {"a/%2e%2E/x", SHOAL_EUNSUPPORTED, SHOAL_OK},
      {"a/..", SHOAL_EUNSUPPORTED, SHOAL_OK},
      {"/etc/passwd", SHOAL_EUNSUPPORTED, SHOAL_OK},
      {"%2Fetc/passwd", SHOAL_EUNSUPPORTED, SHOAL_OK},
      {"s3://b/x", SHOAL_EUNSUPPORTED, SHOAL_OK},
      {"file:/a/b", SHOAL_EUNSUPPORTED, SHOAL_OK},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_error err = {0};
    shoal_buf out = {0};
    CHECK_STATUS(shoal_delta_path_decode(shoal_str_z(cases[i].path), false, &out, &err), cases[i].near, &err);
    shoal_buf_clear(&out);
    CHECK_STATUS(shoal_delta_path_decode(shoal_str_z(cases[i].path), true, &out, &err), cases[i].anywhere, &err);
    shoal_buf_dispose(&out);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_both_ways), cmocka_unit_test(test_refused)};
  return cmocka_run_group_tests_name("delta/path", tests, NULL, NULL);
}
