/* SPDX-License-Identifier: Apache-2.0 */
/* table_support.h */
#include "support/table_support.h"

#include "base/os.h"
#include "base/str.h"

static shoal_status get_engine(void *arg, shoal_engine **out, shoal_error *err) {
  (void)err;
  *out = ((test_table *)arg)->engine;
  return SHOAL_OK;
}

void test_table_open(test_table *t, const char *prefix, unsigned threads) {
  shoal_error err = {0};
  *t = (test_table){.folder = test_folder()};
  CHECK_OK(shoal_os_realpath(t->folder, &t->arena, &t->root, &err), &err);
  shoal_str allowed = shoal_str_z(shoal_arena_printf(&t->arena, "%s/", t->root));
  shoal_engine_config config = {
      .threads = threads, .memory = 512u << 20, .allowed = &allowed, .n_allowed = 1, .locked = true};
  CHECK_OK(shoal_engine_open_duckdb(&config, &t->engine, &err), &err);
  t->table = (shoal_delta_table){.prefix = shoal_str_z(prefix), .get_engine = get_engine, .engine_arg = t};
  CHECK_OK(shoal_store_open_file(t->root, false, &t->table.store, &err), &err);
}

void test_table_close(test_table *t) {
  shoal_store_free(t->table.store);
  shoal_engine_free(t->engine);
  shoal_arena_dispose(&t->arena);
  test_folder_remove(t->folder);
}
