/* SPDX-License-Identifier: Apache-2.0 */
/* Schema strings both ways, what they are refused for, and the neutral spellings. */
#include "support/support.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "delta/delta.h"

#define FIELD(name, type) "{\"name\":\"" name "\",\"type\":" type ",\"nullable\":true,\"metadata\":{}}"
#define STRUCT(fields) "{\"type\":\"struct\",\"fields\":[" fields "]}"

static const char everything[] = STRUCT(FIELD("a", "\"boolean\"") "," FIELD("b", "\"byte\"") "," FIELD("c",
                                                                                                       "\"short\"") "," FIELD("d", "\"integer"
                                                                                                                                   "\"") "," FIELD("e", "\"long\"") "," FIELD("f", "\"float\"") "," FIELD("g", "\"double\"") "," FIELD("h", "\"decimal(38,18)\"") "," FIELD("i", "\"string\"") "," FIELD("j", "\"binary\"") "," FIELD("k",
                                                                                                                                                                                                                                                                                                                                      "\"date\"") "," FIELD("l", "\"timestamp\"") "," FIELD("m", "\"timestamp_"
                                                                                                                                                                                                                                                                                                                                                                                                 "ntz\"") "," FIELD("n",
                                                                                                                                                                                                                                                                                                                                                                                                                    STRUCT(
                                                                                                                                                                                                                                                                                                                                                                                                                        FIELD(
                                                                                                                                                                                                                                                                                                                                                                                                                            "ä \\\"x\\\"", "\"long\""))) "," FIELD("o",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                   "{\"type\":\"array\",\"elementType\":{\"type\":\"map\",\"keyType\":\"string\",\"valueType\":\"decimal(10,2)\",\"valueContainsNull\":false},\"containsNull\":true}"));

static void test_round_trip(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_arena arena = {0};
  shoal_schema schema, again;
  shoal_buf json = {0}, text = {0};
  CHECK_OK(shoal_delta_schema_parse(shoal_str_z(everything), &arena, &schema, &err), &err);
  assert_int_equal(schema.n_fields, 15);
  assert_int_equal(schema.fields[7].type.precision, 38);
  CHECK_OK(shoal_delta_schema_json(&schema, &json, &err), &err);
  CHECK_STR(shoal_buf_str(&json), everything);
  CHECK_OK(shoal_schema_copy(&schema, &arena, &again, &err), &err);
  assert_true(shoal_schema_eq(&schema, &again));
  shoal_type_text(&text, &schema.fields[14].type);
  CHECK_STR(shoal_buf_str(&text), "array<map<string,decimal(10,2)>>");
  shoal_buf_clear(&text);
  shoal_type_sql(&text, &schema.fields[14].type);
  CHECK_STR(shoal_buf_str(&text), "MAP(VARCHAR, DECIMAL(10,2))[]");
  shoal_buf_clear(&text);
  shoal_type_sql(&text, &schema.fields[13].type);
  CHECK_STR(shoal_buf_str(&text), "STRUCT(\"ä \"\"x\"\"\" BIGINT)");
  assert_int_equal(shoal_schema_find(&schema, SHOAL_STR("O")), 14);
  assert_int_equal(shoal_schema_find(&schema, SHOAL_STR("zz")), -1);
  again.fields[0].nullable = false;
  assert_false(shoal_schema_eq(&schema, &again));
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&json);
  shoal_arena_dispose(&arena);
}

static void test_metadata(void **state) {
  (void)state;
  const char *json =
      "{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"long\",\"nullable\":false,\"metadata\":"
      "{\"delta.columnMapping.id\":7,\"delta.columnMapping.physicalName\":\"col-1\",\"n\":1e400}}]}";
  shoal_error err = {0};
  shoal_arena arena = {0};
  shoal_schema schema;
  shoal_buf out = {0};
  CHECK_OK(shoal_delta_schema_parse(shoal_str_z(json), &arena, &schema, &err), &err);
  CHECK_STR(schema.fields[0].physical, "col-1");
  assert_int_equal(schema.fields[0].field_id, 7);
  assert_false(schema.fields[0].nullable);
  CHECK_OK(shoal_delta_schema_json(&schema, &out, &err), &err);
  CHECK_STR(shoal_buf_str(&out), json);
  shoal_buf_dispose(&out);
  shoal_arena_dispose(&arena);
}

static void test_refused(void **state) {
  (void)state;
  static const struct {
    const char *json;
    shoal_status status;
  } cases[] = {
      {"", SHOAL_ECORRUPT},
      {"[]", SHOAL_ECORRUPT},
      {"{\"type\":\"struct\"}", SHOAL_ECORRUPT},
      {STRUCT("{\"type\":\"long\"}"), SHOAL_ECORRUPT},
      {STRUCT("{\"name\":\"a\"}"), SHOAL_ECORRUPT},
      {STRUCT(FIELD("a", "\"decimal(39,0)\"")), SHOAL_EUNSUPPORTED},
      {STRUCT(FIELD("a", "\"decimal(5,6)\"")), SHOAL_EUNSUPPORTED},
      {STRUCT(FIELD("a", "\"interval\"")), SHOAL_EUNSUPPORTED},
      {STRUCT(FIELD("a", "{\"type\":\"set\"}")), SHOAL_EUNSUPPORTED},
  };
  shoal_arena arena = {0};
  shoal_schema schema;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_error err = {0};
    CHECK_STATUS(shoal_delta_schema_parse(shoal_str_z(cases[i].json), &arena, &schema, &err), cases[i].status, &err);
  }
  shoal_buf deep = {0};
  shoal_error err = {0};
  for (int i = 0; i < SHOAL_MAX_TYPE_DEPTH + 1; i++)
    shoal_buf_addz(&deep, "{\"type\":\"array\",\"elementType\":");
  shoal_buf_addz(&deep, "\"long\"");
  for (int i = 0; i < SHOAL_MAX_TYPE_DEPTH + 1; i++)
    shoal_buf_addz(&deep, "}");
  char *json =
      shoal_arena_printf(&arena, "{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":%s}]}", shoal_buf_z(&deep));
  CHECK_STATUS(shoal_delta_schema_parse(shoal_str_z(json), &arena, &schema, &err), SHOAL_ELIMIT, &err);
  shoal_buf_dispose(&deep);
  shoal_arena_dispose(&arena);
}

static void test_every_allocation(void **state) {
  (void)state;
  shoal_status status = SHOAL_ENOMEM;
  for (uint64_t n = 1; status == SHOAL_ENOMEM; n++) {
    shoal_arena arena = {0};
    shoal_schema schema;
    shoal_mem_fail_at(n, 0);
    status = shoal_delta_schema_parse(shoal_str_z(everything), &arena, &schema, NULL);
    shoal_mem_fail_at(0, 0);
    shoal_arena_dispose(&arena);
  }
  assert_int_equal(status, SHOAL_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trip),
      cmocka_unit_test(test_metadata),
      cmocka_unit_test(test_refused),
      cmocka_unit_test(test_every_allocation),
  };
  return cmocka_run_group_tests_name("delta/schema", tests, NULL, NULL);
}
