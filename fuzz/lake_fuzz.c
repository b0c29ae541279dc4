/* SPDX-License-Identifier: Apache-2.0 */
/* The lake's small objects. The first line is an object's key, the rest its bytes: they take its place in a fresh lake,
   which then is read by everything that may come across them. */
#include "fuzz.h"
#include "lake/lake.h"
#include "lake/object.h"
#include "lake/projection.h"

static void read_all(shoal_lake *lake, shoal_arena *arena) {
  shoal_error err = {0};
  shoal_state *state = NULL;
  shoal_str *names, owner;
  size_t n;
  shoal_lookup look = {.signature = {{0}}};
  shoal_lease_holder *holders, holder;
  shoal_condemned *condemned;
  shoal_watermark mark;
  shoal_publication p;
  shoal_lease *lease = NULL;
  if (OK(shoal_branch_load(lake, SHOAL_STR("main"), -1, &state, &err)))
    shoal_state_free(state);
  (void)OK(shoal_publication_read(lake, SHOAL_STR("main"), 1, arena, &p, &err));
  (void)OK(shoal_branch_list(lake, arena, &names, &n, &err));
  (void)OK(shoal_claims_lookup(lake, &look, 1, arena, &err));
  (void)OK(shoal_lease_list(lake, arena, &holders, &n, &err));
  (void)OK(shoal_condemned_list(lake->store, arena, &condemned, &n, &err));
  (void)OK(shoal_watermark_read(lake, SHOAL_STR("main"), arena, &mark, &err));
  (void)OK(shoal_dataset_owner(lake, SHOAL_STR("a.b"), arena, &owner, &err));
  if (OK(shoal_lease_take(lake, &look.signature, SHOAL_STR("run"), SHOAL_STR("who"), SHOAL_STR("a.b"), 0, 0, &lease,
                          &holder, arena, &err)) &&
      lease)
    shoal_lease_release(lease);
}

static void decode(shoal_str text, shoal_arena *arena) {
  shoal_error err = {0};
  shoal_state *state = NULL, *twice = NULL;
  shoal_buf b = {0};
  shoal_commit_view view;
  if (OK(shoal_state_decode(text, "x", &state, &err)) && OK(shoal_state_encode(state, &b, &err))) {
    MUST(shoal_state_decode(shoal_buf_str(&b), "x", &twice, &err) >= 0);
    MUST(twice->n_entries == state->n_entries);
  }
  shoal_state_free(state);
  shoal_state_free(twice);
  shoal_buf_dispose(&b);
  (void)OK(shoal_commit_view_read(text, "x", arena, &view, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  shoal_str text = input(data, size), key;
  shoal_error err = {0};
  shoal_store *store = NULL;
  shoal_lake *lake = NULL;
  shoal_arena arena = {0};
  shoal_lake_options options = {.trunk = SHOAL_STR("main")};
  decode(text, &arena);
  MUST(shoal_store_open_memory(&store, &err) >= 0);
  MUST(shoal_lake_create(store, &options, &lake, &err) >= 0);
  key = shoal_arena_str(&arena, first_line(&text));
  if (shoal_store_check_key(key, &err) >= 0) {
    shoal_ignore(shoal_store_del(store, key, &err));
    if (shoal_store_put_new(store, key, text, &err) >= 0) {
      shoal_lake *again = NULL;
      if (OK(shoal_lake_open(store, &again, &err)))
        shoal_lake_free(again);
      read_all(lake, &arena);
    }
  }
  shoal_lake_free(lake);
  shoal_store_free(store);
  shoal_arena_dispose(&arena);
  return 0;
}
