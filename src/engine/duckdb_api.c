/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads libduckdb. The library is the one process-wide resource of Shoal: a second copy in one process would double
 * 70 MB of code and its thread pools, and dlclose of a C++ library with threads is not safe, so it stays until the
 * process ends. RTLD_LOCAL keeps its symbols from another DuckDB in the same (Python) process.
 */
#include "engine/duckdb_api.h"

#include <dlfcn.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/os.h"
#include "base/str.h"
#include "engine/engine.h"

#define NAME "libduckdb.so"

/* The permitted static: see above. Written once under the mutex, read-only afterwards. */
static struct {
  pthread_mutex_t mutex;
  bool loaded;
  shoal_duckdb_api api;
} library = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static shoal_status bind_functions(void *handle, shoal_duckdb_api *api, shoal_error *err) {
  const char *missing = NULL;
  void *symbol;
#define BIND(name)                                                                                                     \
  symbol = dlsym(handle, "duckdb_" #name);                                                                             \
  if (!symbol)                                                                                                         \
    missing = "duckdb_" #name;                                                                                         \
  memcpy(&api->name, &symbol, sizeof symbol);
  SHOAL_DUCKDB_FUNCTIONS(BIND)
#undef BIND
  if (!missing)
    return SHOAL_OK;
  return shoal_fail(err, SHOAL_EUNSUPPORTED, "the engine's library has no %s: it is not DuckDB %s", missing,
                    SHOAL_DUCKDB_VERSION);
}

static shoal_status check_version(const shoal_duckdb_api *api, const char *path, shoal_error *err) {
  const char *found = api->library_version();
  const char *bare = found && found[0] == 'v' ? found + 1 : found;
  if (bare && strcmp(bare, SHOAL_DUCKDB_VERSION) == 0)
    return SHOAL_OK;
  shoal_fail(err, SHOAL_EUNSUPPORTED, "%s is DuckDB %s; this Shoal needs exactly %s", path, bare ? bare : "unknown",
             SHOAL_DUCKDB_VERSION);
  shoal_hint(err, "results are keyed by the engine's version: point SHOAL_DUCKDB at libduckdb %s, or unset it",
             SHOAL_DUCKDB_VERSION);
  return SHOAL_EUNSUPPORTED;
}

/* SHOAL_ENOTFOUND when there is no such file, so that the search goes on. */
static shoal_status open_library(const char *path, shoal_duckdb_api *api, shoal_error *err) {
  if (strchr(path, '/') && access(path, R_OK) != 0)
    return shoal_fail(err, SHOAL_ENOTFOUND, "no DuckDB library at %s", path);
  void *handle = dlopen(path, RTLD_LAZY | RTLD_LOCAL); /* NOW looks up 24,000 functions, for 5 ms */
  if (!handle)
    return shoal_fail(err, strchr(path, '/') ? SHOAL_EUNSUPPORTED : SHOAL_ENOTFOUND, "can't load DuckDB: %s",
                      dlerror());
  shoal_status status = bind_functions(handle, api, err);
  if (status == SHOAL_OK)
    status = check_version(api, path, err);
  if (status < 0)
    dlclose(handle);
  return status;
}

/* Where the library is looked for: below the program's folder, or below that of the shared object this code is in. The
   last two are where a Python package keeps it, seen from its extension and from an environment's bin. */
static const struct {
  bool module;
  const char *pattern;
} places[] = {
    {false, "../lib/shoal/" NAME},
    {false, NAME},
    {true, "lib/shoal/" NAME},
    {false, "../shoal/lib/shoal/" NAME},
    {false, "../lib/python3*/*-packages/shoal/lib/shoal/" NAME},
};

static shoal_status open_matching(const char *pattern, shoal_duckdb_api *api, shoal_error *err) {
  glob_t found = {0};
  shoal_status status = SHOAL_ENOTFOUND;
  if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc && status == SHOAL_ENOTFOUND; i++)
      status = open_library(found.gl_pathv[i], api, err);
    globfree(&found);
  }
  return status;
}

static shoal_status search(shoal_duckdb_api *api, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_status status = SHOAL_ENOTFOUND;
  const char *program = shoal_os_self_folder(&arena), *module = shoal_os_module_folder(&arena);
  for (size_t i = 0; status == SHOAL_ENOTFOUND && i < sizeof places / sizeof *places; i++) {
    char path[4096];
    const char *folder = places[i].module ? module : program;
    int n = folder ? snprintf(path, sizeof path, "%s/%s", folder, places[i].pattern) : 0;
    if (n > 0 && (size_t)n < sizeof path)
      status = strchr(places[i].pattern, '*') ? open_matching(path, api, err) : open_library(path, api, err);
  }
  if (status == SHOAL_ENOTFOUND)
    status = open_library(NAME, api, err);
  if (status == SHOAL_ENOTFOUND) {
    shoal_fail(err, status, "the engine's library, " NAME " of DuckDB %s, was not found", SHOAL_DUCKDB_VERSION);
    shoal_hint(err, "set SHOAL_DUCKDB to its path, or put it into ../lib/shoal beside the program");
  }
  shoal_arena_dispose(&arena);
  return status;
}

shoal_status shoal_duckdb_load(const char *path, const shoal_duckdb_api **out, shoal_error *err) {
  shoal_status status = SHOAL_OK;
  const char *named = path ? path : getenv("SHOAL_DUCKDB");
  *out = NULL;
  pthread_mutex_lock(&library.mutex);
  if (!library.loaded) {
    status = named && *named ? open_library(named, &library.api, err) : search(&library.api, err);
    library.loaded = status == SHOAL_OK;
  }
  if (status == SHOAL_OK)
    *out = &library.api;
  pthread_mutex_unlock(&library.mutex);
  return status;
}
