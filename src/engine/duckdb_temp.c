/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an instance spills. DuckDB gives the files of every instance the same names, and an instance that ends deletes
 * those of all others in its folder: two that share one read each other's rows (duckdb issue 15173, seen with 1.5.5).
 * So each has a folder of its own, named after the process and a number; those of processes that ended without
 * clearing up are removed by the next one.
 */
#include <stdatomic.h>
#include <stdio.h>

#include "base/os.h"
#include "base/str.h"
#include "engine/duckdb_internal.h"

/* "<process token>.<number>" */
static shoal_str owner_of(shoal_str name) {
  while (name.len && name.ptr[name.len - 1] != '.')
    name.len--;
  return shoal_str_sub(name, 0, name.len ? name.len - 1 : 0);
}

static void remove_leftovers(const char *temp) {
  shoal_arena arena = {0};
  shoal_dirent *entries;
  size_t n = 0;
  if (shoal_os_list(temp, &arena, &entries, &n, NULL) < 0)
    n = 0;
  for (size_t i = 0; i < n; i++) {
    char *old = shoal_arena_printf(&arena, "%s/%s", temp, entries[i].name.ptr);
    if (old && shoal_os_process_look(owner_of(entries[i].name)) == SHOAL_PROCESS_GONE)
      shoal_ignore(shoal_os_remove_tree(old, NULL));
  }
  shoal_arena_dispose(&arena);
}

/* The folder itself is DuckDB's to make, when it first spills, and to remove. */
shoal_status shoal_duckdb_own_temp(const char *temp, shoal_arena *arena, const char **out, shoal_error *err) {
  static atomic_uint counter;
  char token[SHOAL_PROCESS_TOKEN];
  unsigned n = atomic_fetch_add(&counter, 1);
  *out = NULL;
  if (!temp || !*temp)
    return SHOAL_OK;
  if (shoal_os_mkdirs(temp, false, NULL) >= 0 && n == 0) /* who can't spill may never need to: DuckDB will tell */
    remove_leftovers(temp);
  shoal_os_process_token(token);
  *out = shoal_arena_printf(arena, "%s/%s.%u", temp, token, n);
  return *out ? SHOAL_OK : shoal_fail_nomem(err);
}
