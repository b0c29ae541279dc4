/* SPDX-License-Identifier: Apache-2.0 */
/* Scalar functions of ours, which the engine calls with batches of rows: they know their engine. */
#include "engine/duckdb_internal.h"

static void describe(const shoal_duckdb_api *api, duckdb_scalar_function f, const shoal_duckdb_function *what) {
  api->scalar_function_set_name(f, what->name);
  for (size_t i = 0; i < what->n_types; i++) {
    duckdb_logical_type type = api->create_logical_type(what->types[i]);
    if (what->flags)
      api->scalar_function_set_varargs(f, type);
    else
      api->scalar_function_add_parameter(f, type);
    api->destroy_logical_type(&type);
  }
  if (what->flags & SHOAL_DUCKDB_WATCHES) {
    api->scalar_function_set_special_handling(f);
    api->scalar_function_set_volatile(f);
  }
  duckdb_logical_type returned = api->create_logical_type(what->returns);
  api->scalar_function_set_return_type(f, returned);
  api->destroy_logical_type(&returned);
  api->scalar_function_set_function(f, what->function);
}

shoal_status shoal_duckdb_register(shoal_duckdb *d, const shoal_duckdb_function *what, shoal_error *err) {
  const shoal_duckdb_api *api = d->api;
  duckdb_scalar_function f = api->create_scalar_function();
  shoal_status status = SHOAL_OK;
  describe(api, f, what);
  api->scalar_function_set_extra_info(f, d, NULL);
  if (api->register_scalar_function(d->con, f) != DuckDBSuccess)
    status = shoal_fail(err, SHOAL_EENGINE, "the engine did not take the function %s", what->name);
  api->destroy_scalar_function(&f);
  return status;
}
