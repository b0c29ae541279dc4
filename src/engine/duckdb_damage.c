/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which file is damaged, where the engine does not say. Of a Parquet file with flipped bits DuckDB 1.5.5 often tells
 * what its parser of Thrift met, and no name. So once such an error is there, the files that the job reads are read one
 * by one, each as the job reads it and by an instance of its own (the job's is in the midst of its query, or lost), and
 * the first one that fails so by itself is named. Where none does the error stays as it is: the query made it.
 */
#include "base/str.h"
#include "base/time.h"
#include "engine/duckdb_internal.h"

#define MOST_FILES 10000
#define MOST_US                                                                                                        \
  ((int64_t)10 * 1000 * 1000) /* that the search may take; a file that is being read is read to its end                \
                               */

bool shoal_duckdb_is_damage(shoal_str type, shoal_str message) {
  static const char *const types[] = {"Invalid", "IO", "Internal", "FATAL", "Serialization"};
  bool is = type.len == 0;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    is = is || shoal_str_ieq(type, shoal_str_z(types[i]));
  return is || shoal_str_find(message, SHOAL_STR("arquet")) >= 0; /* queries make errors of the other kinds, too */
}

static bool is_parquet(const shoal_scan *scan) {
  return (scan->format == SHOAL_SCAN_TABLE || scan->format == SHOAL_SCAN_PARQUET) && scan->files && !scan->stand_in;
}

static bool is_named(const shoal_duckdb *d, const char *message) {
  shoal_str text = shoal_str_z(message);
  for (size_t i = 0; i < d->n_scans; i++)
    for (size_t k = 0; is_parquet(&d->scans[i]) && k < d->scans[i].n_files; k++) {
      shoal_str path = d->scans[i].files[k].path;
      ptrdiff_t slash = shoal_str_rchr(path, '/');
      if (shoal_str_find(text, shoal_str_sub(path, (size_t)(slash + 1), path.len)) >= 0)
        return true;
    }
  return false;
}

static bool fails_alone(shoal_engine *e, const shoal_scan *scan, size_t file) {
  const shoal_scan one = {.format = scan->format,
                          .schema = scan->schema,
                          .partition_columns = scan->partition_columns,
                          .n_partition_columns = scan->n_partition_columns,
                          .files = &scan->files[file],
                          .n_files = 1,
                          .options = scan->options,
                          .n_options = scan->n_options,
                          .columns = scan->columns,
                          .below = scan->below,
                          .uniform = scan->uniform,
                          .rows = scan->rows,
                          .by_field_id = scan->by_field_id,
                          .tracked = scan->tracked};
  const shoal_input input = {SHOAL_STR("file"), &one};
  const shoal_job job = {.sql = SHOAL_STR("SELECT bit_xor(hash(f)) FROM file AS f"), .inputs = &input, .n_inputs = 1};
  shoal_duckdb *d = (shoal_duckdb *)e;
  shoal_rows *rows = NULL;
  shoal_error failed = {0};
  d->damage = false;
  shoal_status status = shoal_engine_query(e, &job, &rows, &failed);
  while (status == SHOAL_OK)
    status = shoal_rows_next(rows, &failed);
  shoal_rows_free(rows);
  return status < 0 && d->damage;
}

/* The first of the job's files that fails; {NULL,0}: none of those that could be looked at. */
static shoal_str find_damaged(shoal_duckdb *d, shoal_engine *e) {
  int64_t until = shoal_time_monotonic() + MOST_US;
  size_t n = 0;
  for (size_t i = 0; i < d->n_scans; i++)
    for (size_t k = 0; is_parquet(&d->scans[i]) && k < d->scans[i].n_files; k++) {
      if (n++ == MOST_FILES || shoal_time_monotonic() > until || atomic_load(&d->cancelled))
        return SHOAL_STR_NONE;
      if (fails_alone(e, &d->scans[i], k))
        return d->scans[i].files[k].path;
    }
  return SHOAL_STR_NONE;
}

void shoal_duckdb_name_file(shoal_duckdb *d, shoal_error *err) {
  shoal_engine *e = NULL;
  shoal_engine_config config = d->config;
  if (d->looks_for_damage || d->config.planner || !d->n_scans || !err || is_named(d, err->message))
    return;
  config.progress = config.plans = false;
  config.temp = NULL;
  config.threads = 1;
  if (shoal_engine_open_duckdb(&config, &e, NULL) < 0)
    return;
  ((shoal_duckdb *)e)->looks_for_damage = true;
  shoal_str path = find_damaged(d, e);
  shoal_engine_free(e);
  if (!path.ptr)
    return;
  const shoal_error cause = *err;
  shoal_fail(err, cause.status, "%.*s can't be read: %s", SHOAL_FMT(path), cause.message);
  shoal_hint(err, "%s", cause.hint[0] ? cause.hint : "the file is damaged: bring it back from a copy");
}
