/* SPDX-License-Identifier: Apache-2.0 */
/* A commit's text through replay, and each of its parts that has a text of its own: schema, protocol, deletion vector.
 */
#include "delta/deletion_vector.h"
#include "delta/delta_internal.h"
#include "fuzz.h"

static void schema(shoal_str text, shoal_arena *arena) {
  shoal_schema one, two;
  shoal_buf json = {0};
  shoal_error err = {0};
  if (OK(shoal_delta_schema_parse(text, arena, &one, &err)) && OK(shoal_delta_schema_json(&one, &json, &err))) {
    MUST(shoal_delta_schema_parse(shoal_buf_str(&json), arena, &two, &err) >= 0);
    MUST(shoal_schema_eq(&one, &two));
  }
  shoal_buf_dispose(&json);
}

static void vector(shoal_str text, shoal_arena *arena) {
  shoal_delta_vector_descriptor d;
  shoal_delta_vector *v = NULL;
  shoal_error err = {0};
  static const int64_t rows[] = {0, 1, 2, 3, 65535, 65536, 1LL << 32, INT64_MAX, -1};
  bool alive[sizeof rows / sizeof *rows];
  if (!OK(shoal_delta_vector_describe(text, arena, &d, &err)) || d.storage != 'i')
    return;
  if (OK(shoal_delta_vector_read(&(shoal_delta_table){0}, &d, &v, &err))) {
    MUST(shoal_delta_vector_count(v) == d.cardinality);
    shoal_delta_vector_keep(v, rows, sizeof rows / sizeof *rows, alive);
  }
  shoal_delta_vector_free(v);
}

static void one_line(shoal_str line, shoal_arena *arena) {
  shoal_action a;
  shoal_error err = {0};
  shoal_delta_metadata m;
  shoal_delta_protocol p;
  if (!OK(shoal_delta_action_parse(line, "x", arena, &a, &err)))
    return;
  if (a.kind == SHOAL_ACTION_METADATA)
    (void)OK(shoal_delta_metadata_parse(a.raw, arena, &m, &err));
  if (a.kind == SHOAL_ACTION_PROTOCOL && OK(shoal_delta_protocol_parse(a.raw, arena, &p, &err)))
    (void)OK(shoal_delta_protocol_check(&p, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  shoal_str text = input(data, size), rest = text;
  shoal_arena arena = {0};
  shoal_replay r = {0};
  shoal_error err = {0};
  if (shoal_str_starts(text, SHOAL_STR("{\"type\"")))
    schema(text, &arena);
  else if (shoal_str_starts(text, SHOAL_STR("{\"storageType\"")))
    vector(text, &arena);
  else {
    (void)OK(shoal_replay_commit(&r, text, "x", &arena, &err));
    while (rest.len)
      one_line(first_line(&rest), &arena);
  }
  shoal_replay_dispose(&r);
  shoal_arena_dispose(&arena);
  return 0;
}
