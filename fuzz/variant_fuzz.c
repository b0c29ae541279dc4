/* SPDX-License-Identifier: Apache-2.0 */
/* base/variant: a byte says whether it is in parts and how long its metadata is, which comes before its value. */
#include "base/variant.h"

#include "base/json.h"
#include "base/limits.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  shoal_error err = {0};
  shoal_buf out = {.max = 1 << 24};
  yyjson_doc *doc = NULL;
  bool null = false;
  if (size == 0)
    return 0;
  size_t names = data[0] >> 1 < size - 1 ? data[0] >> 1 : size - 1;
  shoal_str rest = input(data + 1, size - 1);
  const shoal_variant v = {shoal_str_sub(rest, 0, names), shoal_str_sub(rest, names, rest.len), data[0] & 1};
  if (OK(shoal_variant_json(&v, &out, &null, &err))) {
    shoal_str text = shoal_buf_str(&out);
    MUST(null == (text.len == 0));
    if (!null && size < SHOAL_MAX_JSON_DEPTH) /* else it may be too deep for the parser */
      MUST(shoal_json_parse(text, "variant", &doc, &err) >= 0);
  }
  yyjson_doc_free(doc);
  shoal_buf_dispose(&out);
  return 0;
}
