/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the local index: an index may be torn, old, or another program's. */
#include "code/unit.h"
#include "fuzz.h"
#include "session/watch.h"

static void units(shoal_str text, shoal_arena *arena) {
  shoal_decoder d = {.rest = text};
  shoal_error err = {0};
  (void)shoal_take_hash(&d);
  uint32_t n = shoal_take_count(&d, 1);
  for (uint32_t i = 0; i < n && !d.failed; i++) {
    shoal_unit u;
    shoal_buf b = {0};
    if (!OK(shoal_unit_decode(&d, arena, &u, &err)) || d.failed)
      break;
    shoal_unit_encode(&u, &b);
    shoal_buf_dispose(&b);
  }
}

static void macros(shoal_str text, shoal_arena *arena) {
  shoal_decoder d = {.rest = text};
  shoal_error err = {0};
  (void)shoal_take_hash(&d);
  while (!d.failed && d.rest.len) {
    shoal_macro m = {0};
    shoal_buf b = {0};
    if (!OK(shoal_macro_decode(&d, arena, &m, &err)) || d.failed)
      break;
    shoal_macro_encode(&m, &b);
    shoal_buf_dispose(&b);
  }
}

static void watch(shoal_str text, shoal_arena *arena) {
  shoal_watch w = {0};
  shoal_watch_seen seen;
  shoal_error err = {0};
  bool edited;
  (void)shoal_watch_verify("/nonexistent", text, arena, &seen, &edited);
  (void)shoal_watch_encoded_digest(text);
  (void)OK(shoal_watch_open("/nonexistent", text, seen, &w, &err));
  shoal_watch_dispose(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  shoal_str text = input(data, size);
  shoal_arena arena = {0};
  units(text, &arena);
  macros(text, &arena);
  watch(text, &arena);
  shoal_arena_dispose(&arena);
  return 0;
}
