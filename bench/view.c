/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What readers do before they read, by the library itself, apart from any query:
 *   view open LIBDUCKDB FOLDER [CACHE]   a snapshot of the table, ready to leave files out; remembered in CACHE
 *   view plan LIBDUCKDB FOLDER CACHE N   the same, then N times the files for a predicate that few satisfy, and as
 * often a loop over flat arrays of the same bounds: microseconds of both, and how many files are left
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "delta/view.h"

static void die(const shoal_error *err) {
  fprintf(stderr, "%s\n", err->message);
  exit(1);
}

static const char *library;

static shoal_status engine(void *arg, shoal_engine **out, shoal_error *err) {
  const shoal_engine_config config = {.library = library, .threads = 2};
  shoal_engine **one = arg;
  shoal_status status = *one ? SHOAL_OK : shoal_engine_open_duckdb(&config, one, err);
  *out = *one;
  return status;
}

static int64_t quickest(int64_t a, int64_t b) { return a < b ? a : b; }

static void plan(const shoal_delta_view *v, size_t rounds) {
  int64_t ours = INT64_MAX, flat = INT64_MAX, value = 5000000;
  const shoal_files *f = &v->base;
  shoal_predicate p = {.kind = SHOAL_PREDICATE_EQ, .literal = {SHOAL_LITERAL_NUMBER, SHOAL_STR("5000000")}};
  bool *keep = malloc(f->n);
  int64_t *min = malloc(f->n * sizeof *min), *max = malloc(f->n * sizeof *max);
  size_t left = 0;
  for (size_t i = 0; i < f->n; i++) {
    min[i] = (int64_t)i * 10;
    max[i] = (int64_t)i * 10 + 9;
  }
  for (size_t r = 0; r < rounds; r++) {
    int64_t start = shoal_time_monotonic();
    if (shoal_files_match(f, &p, 1, keep, NULL) < 0)
      exit(1);
    ours = quickest(ours, shoal_time_monotonic() - start);
    for (size_t i = left = 0; i < f->n; i++)
      left += keep[i];
    start = shoal_time_monotonic();
    for (size_t i = 0; i < f->n; i++)
      keep[i] = min[i] <= value && max[i] >= value;
    flat = quickest(flat, shoal_time_monotonic() - start);
    value += keep[r % f->n];
  }
  printf("%lld %lld %zu\n", (long long)ours, (long long)flat, left);
}

int main(int argc, char **argv) {
  shoal_error err = {0};
  shoal_store *store;
  shoal_engine *one = NULL;
  shoal_delta_view *v;
  if (argc < 4)
    return 2;
  library = argv[2];
  if (shoal_store_open_file(argv[3], false, &store, &err) < 0)
    die(&err);
  const shoal_delta_table table = {
      .store = store, .get_engine = engine, .engine_arg = &one, .cache = argc > 4 ? argv[4] : NULL};
  int64_t start = shoal_time_monotonic();
  if (shoal_delta_view_open(&table, SHOAL_DELTA_LATEST, &v, &err) < 0)
    die(&err);
  fprintf(stderr, "opened in %lld us\n", (long long)(shoal_time_monotonic() - start));
  if (strcmp(argv[1], "plan") == 0 && argc > 5)
    plan(v, (size_t)atoi(argv[5]));
  else
    printf("%zu\n", shoal_delta_view_n_files(v));
  shoal_delta_view_free(v);
  shoal_engine_free(one);
  shoal_store_free(store);
  return 0;
}
