/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tap: a scalar function that is always true and, as a filter over a job's rows, adds their hashes to the sum.
 * It is declared volatile, so the engine neither folds nor repeats it. Each batch is summed apart and merged under
 * a mutex, so threads meet once in 2,048 rows.
 */
#include <string.h>

#include "base/mem.h"
#include "engine/duckdb_internal.h"

/* What describes one batch's vectors, and scratch memory. */
typedef struct batch {
  const shoal_duckdb_api *api;
  shoal_arena arena;
  shoal_rows_scratch scratch;
} batch;

static shoal_str string_at(const void *data, size_t row) {
  return shoal_duckdb_string((const duckdb_string_t *)data + row);
}

static void list_range(const void *data, size_t row, size_t *first, size_t *n) {
  const duckdb_list_entry *e = (const duckdb_list_entry *)data + row;
  *first = (size_t)e->offset;
  *n = (size_t)e->length;
}

/* The engine stores a decimal in the smallest integer that holds its precision. */
static size_t decimal_width(unsigned precision) {
  return precision <= 4 ? 2 : precision <= 9 ? 4 : precision <= 18 ? 8 : 16;
}

static bool describe(batch *b, duckdb_vector v, const shoal_type *type, shoal_rows_column *out);

static bool describe_children(batch *b, duckdb_vector v, const shoal_type *type, shoal_rows_column *out) {
  duckdb_vector entries = type->kind == SHOAL_TYPE_STRUCT ? v : b->api->list_vector_get_child(v);
  out->n_children = type->n_fields;
  out->children = SHOAL_NEW_ARRAY(&b->arena, shoal_rows_column, type->n_fields);
  if (!out->children)
    return false;
  if (type->kind == SHOAL_TYPE_ARRAY)
    return describe(b, entries, &type->fields[0].type, &out->children[0]);
  for (size_t i = 0; i < type->n_fields; i++) {
    if (!describe(b, b->api->struct_vector_get_child(entries, i), &type->fields[i].type, &out->children[i]))
      return false;
  }
  return true;
}

static bool describe(batch *b, duckdb_vector v, const shoal_type *type, shoal_rows_column *out) {
  *out = (shoal_rows_column){
      .type = type,
      .validity = b->api->vector_get_validity(v),
      .data = b->api->vector_get_data(v),
      .width = decimal_width(type->precision),
      .text = string_at,
      .range = list_range,
  };
  return type->n_fields == 0 || describe_children(b, v, type, out);
}

static shoal_status sum_batch(shoal_rows_tap *tap, batch *b, duckdb_data_chunk input, shoal_error *err) {
  size_t n = tap->schema->n_fields;
  shoal_rows_sum part = {0};
  shoal_rows_column *columns = SHOAL_NEW_ARRAY(&b->arena, shoal_rows_column, n);
  if (!columns)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++) {
    if (!describe(b, b->api->data_chunk_get_vector(input, i), &tap->schema->fields[i].type, &columns[i]))
      return shoal_fail_nomem(err);
  }
  SHOAL_TRY(shoal_rows_sum_add(&part, columns, n, (size_t)b->api->data_chunk_get_size(input), &b->scratch, err));
  shoal_mutex_lock(&tap->mutex);
  shoal_rows_sum_merge(&tap->sum, &part);
  shoal_mutex_unlock(&tap->mutex);
  return SHOAL_OK;
}

static void tap(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const shoal_duckdb_api *api;
  shoal_error err = {0};
  batch b = {0};
  if (shoal_duckdb_load(NULL, &api, &err) < 0) /* it is loaded: this runs inside it */
    return;
  b.api = api;
  shoal_duckdb *d = api->scalar_function_get_extra_info(info);
  if (!d->tap.schema || d->tap.schema->n_fields != api->data_chunk_get_column_count(input))
    shoal_fail(&err, SHOAL_EENGINE, SHOAL_DUCKDB_TAP " is not for queries");
  else if (sum_batch(&d->tap, &b, input, &err) == SHOAL_OK)
    memset(api->vector_get_data(output), 1, (size_t)api->data_chunk_get_size(input));
  if (err.status < 0)
    api->scalar_function_set_error(info, err.message);
  shoal_rows_scratch_dispose(&b.scratch);
  shoal_arena_dispose(&b.arena);
}

shoal_status shoal_duckdb_register_tap(shoal_duckdb *d, shoal_error *err) {
  const duckdb_type any = DUCKDB_TYPE_ANY;
  const shoal_duckdb_function f = {SHOAL_DUCKDB_TAP, tap, &any, 1, DUCKDB_TYPE_BOOLEAN, SHOAL_DUCKDB_WATCHES};
  return shoal_duckdb_register(d, &f, err);
}
