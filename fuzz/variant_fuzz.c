/* SPDX-License-Identifier: Apache-2.0 */
/* base/variant: a byte says whether it is in parts and how long its metadata is, which comes before its value. What is
   written of it is the same value, and what its text is parsed to has that text, but for types that JSON lacks. */
#include "base/variant.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/str.h"
#include "fuzz.h"

static shoal_status write_again(const shoal_variant *v, bool *null, shoal_buf *text) {
  shoal_buf metadata = {.max = 1 << 24}, value = {.max = 1 << 24};
  shoal_error err = {0};
  shoal_status status = shoal_variant_binaries(v, &metadata, &value, null, &err);
  const shoal_variant again = {shoal_buf_str(&metadata), shoal_buf_str(&value), false};
  if (status >= 0 && !*null)
    status = shoal_variant_json(&again, text, null, &err);
  shoal_buf_dispose(&metadata);
  shoal_buf_dispose(&value);
  return status;
}

/* The text of a text, from the second time on, is the same. */
static void parse_again(shoal_str text) {
  shoal_buf metadata = {0}, value = {0}, out = {0}, last = {0};
  shoal_error err = {0};
  bool null = false;
  shoal_buf_add(&last, text);
  for (int i = 0; i < 2 && !null; i++) {
    shoal_buf_clear(&metadata);
    shoal_buf_clear(&value);
    shoal_buf_clear(&out);
    if (!OK(shoal_variant_parse(shoal_buf_str(&last), &metadata, &value, &err)))
      break;
    const shoal_variant v = {shoal_buf_str(&metadata), shoal_buf_str(&value), false};
    MUST(OK(shoal_variant_json(&v, &out, &null, &err)));
    MUST(i == 0 || null || shoal_str_eq(shoal_buf_str(&out), shoal_buf_str(&last)));
    shoal_buf_clear(&last);
    shoal_buf_add(&last, shoal_buf_str(&out));
  }
  shoal_buf_dispose(&metadata);
  shoal_buf_dispose(&value);
  shoal_buf_dispose(&out);
  shoal_buf_dispose(&last);
}

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
    bool null_again = null;
    shoal_buf again = {.max = 1 << 24};
    MUST(null == (text.len == 0));
    if (write_again(&v, &null_again, &again) >= 0)
      MUST(null == null_again && shoal_str_eq(shoal_buf_str(&again), text));
    shoal_buf_dispose(&again);
    parse_again(text);
    if (!null && size < SHOAL_MAX_JSON_DEPTH) /* else it may be too deep for the parser */
      MUST(shoal_json_parse(text, "variant", &doc, &err) >= 0);
  }
  parse_again(input(data, size));
  yyjson_doc_free(doc);
  shoal_buf_dispose(&out);
  return 0;
}
