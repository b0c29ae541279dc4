/* SPDX-License-Identifier: Apache-2.0 */
/* Which protocols are read, and which one a schema needs. */
#include "support/support.h"

#include <string.h>

#include "base/str.h"
#include "delta/delta_internal.h"

static shoal_status check(int reader, int writer, const char *feature, shoal_error *err) {
  shoal_str features[] = {shoal_str_z(feature)};
  return shoal_delta_protocol_check(&(shoal_delta_protocol){.min_reader = reader,
                                                            .min_writer = writer,
                                                            .reader_features = features,
                                                            .n_reader_features = feature != NULL},
                                    err);
}

static void test_check(void **state) {
  (void)state;
  static const char *const fine[] = {"timestampNtz", "vacuumProtocolCheck", "columnMapping",       "deletionVectors",
                                     "v2Checkpoint", "typeWidening",        "typeWidening-preview"};
  shoal_error err = {0};
  CHECK_OK(check(1, 2, NULL, &err), &err);
  CHECK_OK(check(2, 5, NULL, &err), &err);
  for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
    CHECK_OK(check(3, 7, fine[i], &err), &err);
  CHECK_STATUS(check(3, 7, "catalogManaged", &err), SHOAL_EUNSUPPORTED, &err);
  assert_non_null(strstr(err.message, "catalogManaged"));
  CHECK_STATUS(check(4, 7, NULL, &err), SHOAL_EUNSUPPORTED, &err);
  CHECK_STATUS(check(1, 99, NULL, &err), SHOAL_EUNSUPPORTED, &err);
  CHECK_STATUS(check(0, 0, NULL, &err), SHOAL_ECORRUPT, &err);
}

static void test_needed(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_arena arena = {0};
  shoal_delta_protocol p;
  shoal_field inner = {.name = SHOAL_STR("element"), .type = {.kind = SHOAL_TYPE_LONG}};
  shoal_field field = {.name = SHOAL_STR("a"), .type = {.kind = SHOAL_TYPE_ARRAY, .fields = &inner, .n_fields = 1}};
  shoal_schema schema = {&field, 1};
  CHECK_OK(shoal_delta_protocol_for(&schema, &arena, &p, &err), &err);
  assert_int_equal(p.min_reader * 10 + p.min_writer, 12);
  inner.type.kind = SHOAL_TYPE_TIMESTAMP_NTZ;
  CHECK_OK(shoal_delta_protocol_for(&schema, &arena, &p, &err), &err);
  assert_int_equal(p.min_reader * 10 + p.min_writer, 37);
  CHECK_STR(p.reader_features[0], "timestampNtz");
  CHECK_STR(p.writer_features[0], "timestampNtz");
  inner.type.kind = SHOAL_TYPE_VARIANT;
  CHECK_OK(shoal_delta_protocol_for(&schema, &arena, &p, &err), &err);
  assert_int_equal(p.n_reader_features, 1);
  CHECK_STR(p.writer_features[0], "variantType");
  inner.type.kind = SHOAL_TYPE_VOID;
  CHECK_STATUS(shoal_delta_protocol_for(&schema, &arena, &p, &err), SHOAL_EUNSUPPORTED, &err);
  shoal_arena_dispose(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_check), cmocka_unit_test(test_needed)};
  return cmocka_run_group_tests_name("delta/protocol", tests, NULL, NULL);
}
