/* SPDX-License-Identifier: Apache-2.0 */
/* base/json: what is parsed is written as JSON that says the same. */
#include "base/json.h"
#include "fuzz.h"

static void again(yyjson_doc *doc) {
  shoal_buf one = {0}, two = {0};
  shoal_error err = {0};
  yyjson_doc *second = NULL;
  if (OK(shoal_json_write(yyjson_doc_get_root(doc), &one, &err))) {
    MUST(shoal_json_parse(shoal_buf_str(&one), "again", &second, &err) >= 0);
    MUST(shoal_json_write(yyjson_doc_get_root(second), &two, &err) >= 0);
    MUST(shoal_str_eq(shoal_buf_str(&one), shoal_buf_str(&two)));
  }
  yyjson_doc_free(second);
  shoal_buf_dispose(&one);
  shoal_buf_dispose(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  shoal_str text = input(data, size);
  shoal_error err = {0};
  yyjson_doc *doc = NULL;
  shoal_arena arena = {0};
  if (OK(shoal_json_parse(text, "x", &doc, &err))) {
    again(doc);
    yyjson_val *root = yyjson_doc_get_root(doc);
    shoal_str s;
    int64_t n;
    (void)OK(shoal_json_need_str(root, "a", "x", &arena, &s, &err));
    (void)OK(shoal_json_need_i64(root, "a", "x", &n, &err));
    (void)shoal_json_bool(root, "a", true);
    (void)shoal_json_i64(root, "a", 1);
  }
  yyjson_doc_free(doc);
  doc = NULL;
  (void)OK(shoal_json_parse_raw(text, "x", &doc, &err));
  yyjson_doc_free(doc);
  doc = NULL;
  (void)OK(shoal_json_parse_tree(text, "x", &doc, &err));
  yyjson_doc_free(doc);
  shoal_arena_dispose(&arena);
  return 0;
}
