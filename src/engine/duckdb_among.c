/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "shoal:among"(input, key): whether a row of an input may have one of the keys that its scan asks for. The filter of a
 * view over files of a large table of which a job wants few rows: what does not pass is neither joined nor is anything
 * else read of it.
 */
#include "base/mem.h"
#include "engine/duckdb_internal.h"

/* The keys of the input that the first row names: all rows name the same one. */
static const shoal_keys *keys_of(const shoal_duckdb_api *api, duckdb_function_info info, duckdb_data_chunk input,
                                 bool numbers) {
  const shoal_duckdb *d = api->scalar_function_get_extra_info(info);
  const int32_t *inputs = api->vector_get_data(api->data_chunk_get_vector(input, 0));
  const shoal_scan *scan = inputs[0] >= 0 && (size_t)inputs[0] < d->n_scans ? &d->scans[inputs[0]] : NULL;
  if (scan && scan->among && scan->among->numbers == numbers)
    return scan->among;
  api->scalar_function_set_error(info, SHOAL_DUCKDB_AMONG " is not for queries");
  return NULL;
}

static void among_numbers(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const shoal_duckdb_api *api;
  if (shoal_duckdb_load(NULL, &api, NULL) < 0) /* it is loaded: this runs inside it */
    return;
  size_t n = (size_t)api->data_chunk_get_size(input);
  const shoal_keys *keys = n ? keys_of(api, info, input, true) : NULL;
  if (keys)
    shoal_keys_among(keys, api->vector_get_data(api->data_chunk_get_vector(input, 1)), n, api->vector_get_data(output));
}

static void among_texts(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const shoal_duckdb_api *api;
  if (shoal_duckdb_load(NULL, &api, NULL) < 0)
    return;
  size_t n = (size_t)api->data_chunk_get_size(input);
  const shoal_keys *keys = n ? keys_of(api, info, input, false) : NULL;
  duckdb_vector values = api->data_chunk_get_vector(input, 1);
  const duckdb_string_t *texts = api->vector_get_data(values);
  const uint64_t *validity = api->vector_get_validity(values);
  bool *out = api->vector_get_data(output);
  for (size_t i = 0; keys && i < n; i++)
    out[i] = shoal_duckdb_valid(validity, i) && shoal_keys_has(keys, shoal_duckdb_string(&texts[i]));
}

shoal_status shoal_duckdb_register_among(shoal_duckdb *d, shoal_error *err) {
  static const duckdb_type numbers[] = {DUCKDB_TYPE_INTEGER, DUCKDB_TYPE_BIGINT};
  static const duckdb_type texts[] = {DUCKDB_TYPE_INTEGER, DUCKDB_TYPE_VARCHAR};
  const shoal_duckdb_function of_numbers = {SHOAL_DUCKDB_AMONG, among_numbers, numbers, 2, DUCKDB_TYPE_BOOLEAN, 0};
  const shoal_duckdb_function of_texts = {SHOAL_DUCKDB_AMONG_TEXT, among_texts, texts, 2, DUCKDB_TYPE_BOOLEAN, 0};
  SHOAL_TRY(shoal_duckdb_register(d, &of_numbers, err));
  return shoal_duckdb_register(d, &of_texts, err);
}
