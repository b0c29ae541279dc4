/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "shoal:keep"(input, file_index, file_row_number): whether a row of an input's file is alive. The filter of a view
 * over files with deletion vectors; a batch of the reader is rows of one file, mostly without gaps.
 */
#include <string.h>

#include "base/mem.h"
#include "engine/duckdb_internal.h"

#define PARAMETERS 3

/* Rows of one file, up to where the file changes: nearly always the whole batch, which memcmp tells soonest. */
static size_t run_of(const int32_t *inputs, const uint64_t *files, size_t from, size_t n) {
  size_t to = from + 1;
  if (memcmp(files + from, files + to, (n - to) * sizeof *files) == 0 &&
      memcmp(inputs + from, inputs + to, (n - to) * sizeof *inputs) == 0)
    return n;
  while (to < n && files[to] == files[from] && inputs[to] == inputs[from])
    to++;
  return to;
}

static shoal_status keep_rows(const shoal_duckdb *d, const int32_t *inputs, const uint64_t *files, const int64_t *rows,
                              size_t n, bool *alive, shoal_error *err) {
  for (size_t from = 0, to; from < n; from = to) {
    to = run_of(inputs, files, from, n);
    const shoal_scan *scan = inputs[from] >= 0 && (size_t)inputs[from] < d->n_scans ? &d->scans[inputs[from]] : NULL;
    if (!scan || !scan->keep || files[from] >= scan->n_files - scan->n_whole)
      return shoal_fail(err, SHOAL_EENGINE, SHOAL_DUCKDB_KEEP " is not for queries");
    scan->keep(scan->keep_arg, scan->n_whole + (size_t)files[from], rows + from, to - from, alive + from);
  }
  return SHOAL_OK;
}

static void keep(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const shoal_duckdb_api *api;
  shoal_error err = {0};
  if (shoal_duckdb_load(NULL, &api, &err) < 0) /* it is loaded: this runs inside it */
    return;
  const shoal_duckdb *d = api->scalar_function_get_extra_info(info);
  size_t n = (size_t)api->data_chunk_get_size(input);
  const void *columns[PARAMETERS];
  for (idx_t i = 0; i < PARAMETERS; i++)
    columns[i] = api->vector_get_data(api->data_chunk_get_vector(input, i));
  if (keep_rows(d, columns[0], columns[1], columns[2], n, api->vector_get_data(output), &err) < 0)
    api->scalar_function_set_error(info, err.message);
}

shoal_status shoal_duckdb_register_keep(shoal_duckdb *d, shoal_error *err) {
  static const duckdb_type types[PARAMETERS] = {DUCKDB_TYPE_INTEGER, DUCKDB_TYPE_UBIGINT, DUCKDB_TYPE_BIGINT};
  const shoal_duckdb_function f = {SHOAL_DUCKDB_KEEP, keep, types, PARAMETERS, DUCKDB_TYPE_BOOLEAN, 0};
  return shoal_duckdb_register(d, &f, err);
}
