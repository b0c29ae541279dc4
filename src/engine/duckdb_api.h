/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libduckdb, opened with dlopen when a model must first be parsed or run: 28 ms and 32 MB are not spent on a no-op.
 * Every function used is in the list below and nowhere else; its type is taken from duckdb.h.
 */
#ifndef SHOAL_ENGINE_DUCKDB_API_H
#define SHOAL_ENGINE_DUCKDB_API_H

#include <duckdb.h>

#include "shoal/error.h"

#define SHOAL_DUCKDB_FUNCTIONS(X)                                                                                      \
  X(array_type_array_size)                                                                                             \
  X(array_type_child_type)                                                                                             \
  X(array_vector_get_child)                                                                                            \
  X(arrow_scan)                                                                                                        \
  X(bind_value)                                                                                                        \
  X(bind_varchar_length)                                                                                               \
  X(close)                                                                                                             \
  X(column_count)                                                                                                      \
  X(column_logical_type)                                                                                               \
  X(column_name)                                                                                                       \
  X(connect)                                                                                                           \
  X(create_config)                                                                                                     \
  X(create_list_value)                                                                                                 \
  X(create_logical_type)                                                                                               \
  X(create_null_value)                                                                                                 \
  X(create_scalar_function)                                                                                            \
  X(create_struct_type)                                                                                                \
  X(create_varchar_length)                                                                                             \
  X(data_chunk_get_column_count)                                                                                       \
  X(data_chunk_get_size)                                                                                               \
  X(data_chunk_get_vector)                                                                                             \
  X(data_chunk_to_arrow)                                                                                               \
  X(decimal_internal_type)                                                                                             \
  X(decimal_scale)                                                                                                     \
  X(decimal_width)                                                                                                     \
  X(destroy_arrow_options)                                                                                             \
  X(destroy_config)                                                                                                    \
  X(destroy_data_chunk)                                                                                                \
  X(destroy_error_data)                                                                                                \
  X(destroy_extracted)                                                                                                 \
  X(destroy_logical_type)                                                                                              \
  X(destroy_pending)                                                                                                   \
  X(destroy_prepare)                                                                                                   \
  X(destroy_result)                                                                                                    \
  X(destroy_scalar_function)                                                                                           \
  X(destroy_value)                                                                                                     \
  X(disconnect)                                                                                                        \
  X(error_data_has_error)                                                                                              \
  X(error_data_message)                                                                                                \
  X(execute_pending)                                                                                                   \
  X(execute_prepared)                                                                                                  \
  X(extract_statements)                                                                                                \
  X(extract_statements_error)                                                                                          \
  X(fetch_chunk)                                                                                                       \
  X(free)                                                                                                              \
  X(get_type_id)                                                                                                       \
  X(interrupt)                                                                                                         \
  X(library_version)                                                                                                   \
  X(list_type_child_type)                                                                                              \
  X(list_vector_get_child)                                                                                             \
  X(logical_type_get_alias)                                                                                            \
  X(logical_type_set_alias)                                                                                            \
  X(map_type_key_type)                                                                                                 \
  X(map_type_value_type)                                                                                               \
  X(open_ext)                                                                                                          \
  X(pending_error)                                                                                                     \
  X(pending_execute_task)                                                                                              \
  X(pending_prepared)                                                                                                  \
  X(pending_prepared_streaming)                                                                                        \
  X(prepare)                                                                                                           \
  X(prepare_error)                                                                                                     \
  X(prepared_statement_column_count)                                                                                   \
  X(prepared_statement_column_logical_type)                                                                            \
  X(prepared_statement_column_name)                                                                                    \
  X(prepared_statement_type)                                                                                           \
  X(query)                                                                                                             \
  X(query_progress)                                                                                                    \
  X(register_scalar_function)                                                                                          \
  X(result_error)                                                                                                      \
  X(result_get_arrow_options)                                                                                          \
  X(scalar_function_add_parameter)                                                                                     \
  X(scalar_function_get_extra_info)                                                                                    \
  X(scalar_function_set_error)                                                                                         \
  X(scalar_function_set_extra_info)                                                                                    \
  X(scalar_function_set_function)                                                                                      \
  X(scalar_function_set_name)                                                                                          \
  X(scalar_function_set_return_type)                                                                                   \
  X(scalar_function_set_special_handling)                                                                              \
  X(scalar_function_set_varargs)                                                                                       \
  X(scalar_function_set_volatile)                                                                                      \
  X(set_config)                                                                                                        \
  X(struct_type_child_count)                                                                                           \
  X(struct_type_child_name)                                                                                            \
  X(struct_type_child_type)                                                                                            \
  X(struct_vector_get_child)                                                                                           \
  X(to_arrow_schema)                                                                                                   \
  X(validity_set_row_invalid)                                                                                          \
  X(vector_assign_string_element_len)                                                                                  \
  X(vector_ensure_validity_writable)                                                                                   \
  X(vector_get_data)                                                                                                   \
  X(vector_get_validity)

#define SHOAL_DUCKDB_MEMBER(name) __typeof__(&duckdb_##name) name;
typedef struct shoal_duckdb_api {
  SHOAL_DUCKDB_FUNCTIONS(SHOAL_DUCKDB_MEMBER)
} shoal_duckdb_api;

/* The functions of the one libduckdb of this process, loaded by the first call. `path` NULL: SHOAL_DUCKDB in the
   environment, ../lib/shoal beside the program, the program's folder, then the system. A later call gets the library
   of the first, whatever its path. SHOAL_ENOTFOUND if there is none, SHOAL_EUNSUPPORTED for another version than
   SHOAL_DUCKDB_VERSION; the next call tries anew. Any thread. */
SHOAL_MUST_USE shoal_status shoal_duckdb_load(const char *path, const shoal_duckdb_api **out, shoal_error *err);

#endif
