/* SPDX-License-Identifier: Apache-2.0 */
/* What users write on a command line and paths that foreign tables hold: selectors, revisions, times, sizes, patterns,
   names, percent-encoding. */
#include "base/buf.h"
#include "base/hash.h"
#include "base/time.h"
#include "code/project.h"
#include "delta/deletion_vector.h"
#include "delta/delta.h"
#include "fuzz.h"
#include "plan/graph.h"
#include "session/session.h"

static void paths(shoal_str text, shoal_store *store, shoal_arena *arena) {
  shoal_buf one = {0}, two = {0};
  shoal_error err = {0};
  shoal_delta_table table = {.store = store, .prefix = SHOAL_STR("t")};
  shoal_delta_place place;
  shoal_delta_path_encode(&one, text);
  if (OK(shoal_delta_path_decode(shoal_buf_str(&one), &two, &err)) && shoal_str_chr(text, ':') < 0)
    MUST(shoal_str_eq(shoal_buf_str(&two), text)); /* unless it is refused, or a URI */
  shoal_buf_clear(&two);
  (void)OK(shoal_delta_path_decode(text, &two, &err));
  (void)OK(shoal_delta_path_resolve(&table, text, arena, &place, &err));
  shoal_buf_clear(&two);
  (void)OK(shoal_z85_decode(text, &two, &err));
  shoal_buf_dispose(&one);
  shoal_buf_dispose(&two);
}

static void selectors(shoal_str text, shoal_arena *arena) {
  shoal_str tag = SHOAL_STR("t");
  shoal_unit_ref ref = {.name = SHOAL_STR("a.b"), .line = 1, .column = 1};
  shoal_unit unit[] = {{.name = SHOAL_STR("a.b"), .path = SHOAL_STR("models/a/b.sql"), .tags = &tag, .n_tags = 1},
                       {.name = SHOAL_STR("a.c"), .path = SHOAL_STR("models/a/c.sql"), .refs = &ref, .n_refs = 1}};
  shoal_graph_input in = {.units = unit, .n_units = 2};
  shoal_graph *g = NULL;
  shoal_error err = {0};
  bool selected[2];
  (void)arena;
  MUST(shoal_graph_build(&in, &g, &err) >= 0);
  (void)OK(shoal_graph_select(g, &text, 1, NULL, selected, &err));
  (void)shoal_graph_find(g, text);
  shoal_graph_free(g);
}

static void with_store(shoal_str text, shoal_arena *arena) {
  shoal_error err = {0};
  shoal_lake_options options = {.trunk = SHOAL_STR("main")};
  shoal_session s = {.branch = SHOAL_STR("main")};
  shoal_state *state = NULL;
  MUST(shoal_store_open_memory(&s.store, &err) >= 0);
  MUST(shoal_lake_create(s.store, &options, &s.lake, &err) >= 0);
  paths(text, s.store, arena);
  if (OK(shoal_session_revision(&s, text, &state, &err)))
    shoal_state_free(state);
  shoal_state_free(s.state);
  shoal_lake_free(s.lake);
  shoal_store_free(s.store);
  shoal_arena_dispose(&s.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  shoal_str text = input(data, size), rest = text, pattern = first_line(&rest);
  shoal_arena arena = {0};
  shoal_error err = {0};
  shoal_buf b = {0};
  int64_t us;
  uint64_t bytes;
  shoal_hash hash;
  if (size > 4096)
    return 0;
  (void)shoal_str_glob(pattern, rest);
  (void)shoal_str_distance(pattern, rest, 5);
  (void)shoal_time_parse(text, &us);
  (void)shoal_duration_parse(text, &us);
  (void)shoal_bytes_parse(text, &bytes);
  (void)shoal_hash_unhex(text, &hash);
  (void)shoal_str_i64(text, &us);
  (void)OK(shoal_store_check_key(text, &err));
  if (shoal_dataset_name_ok(text))
    (void)OK(shoal_dataset_home(text, &b, &err));
  shoal_str folder;
  (void)OK(shoal_branch_folder(text, &arena, &folder, &err));
  selectors(text, &arena);
  with_store(text, &arena);
  shoal_buf_dispose(&b);
  shoal_arena_dispose(&arena);
  return 0;
}
