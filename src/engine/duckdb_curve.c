/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "shoal:place"(key, …): where a row lies on the job's curve, by keys that create_sort_key makes of its values.
 * "shoal:cut"(place): in which of the job's files.
 */
#include "engine/duckdb_internal.h"

/* A job that was laid out, or an error for whoever calls these functions by himself. */
static const shoal_curve *curve_of(const shoal_duckdb_api *api, duckdb_function_info info, size_t columns) {
  const shoal_duckdb *d = api->scalar_function_get_extra_info(info);
  const shoal_curve *curve = d->job ? d->job->curve : NULL;
  if (curve && (columns == 0 || columns == curve->n))
    return curve;
  api->scalar_function_set_error(info, SHOAL_DUCKDB_PLACE " and " SHOAL_DUCKDB_CUT " are not for queries");
  return NULL;
}

static void place(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const shoal_duckdb_api *api;
  if (shoal_duckdb_load(NULL, &api, NULL) < 0) /* it is loaded: this runs inside it */
    return;
  size_t n = (size_t)api->data_chunk_get_column_count(input), rows = (size_t)api->data_chunk_get_size(input);
  const shoal_curve *curve = curve_of(api, info, n);
  const duckdb_string_t *columns[SHOAL_CURVE_COLUMNS];
  shoal_str keys[SHOAL_CURVE_COLUMNS];
  uint64_t *out = api->vector_get_data(output);
  if (!curve)
    return;
  for (size_t i = 0; i < n; i++)
    columns[i] = api->vector_get_data(api->data_chunk_get_vector(input, i));
  for (size_t row = 0; row < rows; row++) {
    for (size_t i = 0; i < n; i++)
      keys[i] = shoal_duckdb_string(&columns[i][row]);
    out[row] = shoal_curve_place(curve, keys);
  }
}

static void cut(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const shoal_duckdb_api *api;
  if (shoal_duckdb_load(NULL, &api, NULL) < 0)
    return;
  const shoal_curve *curve = curve_of(api, info, 0);
  const uint64_t *places = api->vector_get_data(api->data_chunk_get_vector(input, 0));
  uint64_t *out = api->vector_get_data(output);
  size_t rows = (size_t)api->data_chunk_get_size(input);
  for (size_t row = 0; curve && row < rows; row++)
    out[row] = shoal_curve_file(curve, places[row]);
}

shoal_status shoal_duckdb_register_curve(shoal_duckdb *d, shoal_error *err) {
  static const duckdb_type blob = DUCKDB_TYPE_BLOB, number = DUCKDB_TYPE_UBIGINT;
  const shoal_duckdb_function of_row = {SHOAL_DUCKDB_PLACE, place, &blob, 1, DUCKDB_TYPE_UBIGINT, SHOAL_DUCKDB_VARIES};
  const shoal_duckdb_function of_place = {SHOAL_DUCKDB_CUT, cut, &number, 1, DUCKDB_TYPE_UBIGINT, 0};
  SHOAL_TRY(shoal_duckdb_register(d, &of_row, err));
  return shoal_duckdb_register(d, &of_place, err);
}
