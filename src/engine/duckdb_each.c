/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows handed on where they are made: a scalar function that is false for all of them, as a filter over a job's rows.
 * What a result would cost, copies into buffers between threads, is saved; what the caller makes of a batch happens in
 * the engine's threads, one batch at a time. Filters may be tried in any order, so rows that the job's own conditions
 * leave out may come, too: the first column tells, which is then NULL.
 *
 * Of rows that are written numbers are noted on the way: there the function says what its last argument does, and is
 * computed in a projection below the filter, which gets to see each row once.
 */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "engine/duckdb_internal.h"

static shoal_status take_batch(shoal_duckdb *d, duckdb_data_chunk input, shoal_error *err) {
  shoal_batch b = {.rows = (size_t)d->api->data_chunk_get_size(input)};
  size_t n = (size_t)d->api->data_chunk_get_column_count(input);
  shoal_batch_column *columns = shoal_calloc(n, sizeof *columns);
  if (!columns)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++) {
    duckdb_vector v = d->api->data_chunk_get_vector(input, i);
    columns[i] = (shoal_batch_column){d->api->vector_get_data(v), d->api->vector_get_validity(v)};
  }
  b.columns = columns;
  shoal_mutex_lock(&d->each.mutex);
  shoal_status status = d->each.take ? d->each.take(d->each.arg, &b, err)
                                     : shoal_fail(err, SHOAL_EENGINE, SHOAL_DUCKDB_EACH " is not for queries");
  if (status < 0 && d->each.failure.status == SHOAL_OK)
    d->each.failure = *err;
  shoal_mutex_unlock(&d->each.mutex);
  shoal_free(columns);
  return status;
}

shoal_str shoal_batch_text(const shoal_batch *b, size_t column, size_t row) {
  const shoal_batch_column *c = &b->columns[column];
  return shoal_duckdb_valid(c->validity, row) ? shoal_duckdb_string((const duckdb_string_t *)c->data + row)
                                              : SHOAL_STR_NONE;
}

/* The engine, which has taken the batch; NULL: an error is set. */
static shoal_duckdb *give(duckdb_function_info info, duckdb_data_chunk input) {
  const shoal_duckdb_api *api;
  shoal_error err = {0};
  if (shoal_duckdb_load(NULL, &api, &err) < 0) /* it is loaded: this runs inside it */
    return NULL;
  shoal_duckdb *d = api->scalar_function_get_extra_info(info);
  if (take_batch(d, input, &err) == SHOAL_OK)
    return d;
  api->scalar_function_set_error(info, err.message);
  return NULL;
}

static void each(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const shoal_duckdb *d = give(info, input);
  if (d)
    memset(d->api->vector_get_data(output), 0, (size_t)d->api->data_chunk_get_size(input));
}

static void note(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const shoal_duckdb *d = give(info, input);
  if (!d)
    return;
  idx_t rows = d->api->data_chunk_get_size(input), last = d->api->data_chunk_get_column_count(input) - 1;
  const int64_t *written = d->api->vector_get_data(d->api->data_chunk_get_vector(input, last));
  bool *out = d->api->vector_get_data(output);
  for (idx_t i = 0; i < rows; i++)
    out[i] = written[i] != 0;
}

shoal_status shoal_duckdb_register_each(shoal_duckdb *d, shoal_error *err) {
  const duckdb_type text = DUCKDB_TYPE_VARCHAR, number = DUCKDB_TYPE_BIGINT;
  const shoal_duckdb_function of_texts = {SHOAL_DUCKDB_EACH, each, &text, 1, DUCKDB_TYPE_BOOLEAN, SHOAL_DUCKDB_WATCHES};
  const shoal_duckdb_function of_numbers = {SHOAL_DUCKDB_NOTE,   note, &number, 1, DUCKDB_TYPE_BOOLEAN,
                                            SHOAL_DUCKDB_WATCHES};
  SHOAL_TRY(shoal_duckdb_register(d, &of_texts, err));
  return shoal_duckdb_register(d, &of_numbers, err);
}

void shoal_duckdb_each_begin(shoal_duckdb *d, shoal_take *take, void *arg) {
  d->each.take = take;
  d->each.arg = arg;
  d->each.failure = (shoal_error){0};
}

shoal_status shoal_duckdb_each_end(shoal_duckdb *d, shoal_status status, shoal_error *err) {
  d->each.take = NULL;
  if (status == SHOAL_OK || d->each.failure.status == SHOAL_OK)
    return status;
  if (err)
    *err = d->each.failure;
  return d->each.failure.status;
}

/* SELECT count(*) FROM (body) AS q(c0, …) WHERE "shoal:each"(c0, …) */
static shoal_status make_query(shoal_buf *sql, shoal_str body, size_t n, shoal_duckdb_place *place, shoal_error *err) {
  shoal_buf_addz(sql, "SELECT count(*) FROM (");
  *place = (shoal_duckdb_place){.sql = body, .offset = sql->len};
  shoal_buf_add(sql, body);
  shoal_buf_addz(sql, "\n) AS q(");
  for (size_t i = 0; i < n; i++)
    shoal_buf_addf(sql, i ? ", c%zu" : "c%zu", i);
  shoal_buf_addz(sql, ") WHERE \"" SHOAL_DUCKDB_EACH "\"(");
  for (size_t i = 0; i < n; i++)
    shoal_buf_addf(sql, i ? ", c%zu" : "c%zu", i);
  shoal_buf_addc(sql, ')');
  return shoal_buf_check(sql, err);
}

shoal_status shoal_duckdb_op_each(shoal_engine *e, const shoal_job *job, shoal_take *take, void *arg,
                                  shoal_error *err) {
  shoal_duckdb *d = (shoal_duckdb *)e;
  shoal_arena arena = {0};
  shoal_duckdb_column *columns;
  shoal_duckdb_place place;
  duckdb_result result = {0};
  shoal_buf sql = {0};
  shoal_str body;
  size_t n;
  SHOAL_TRY(shoal_duckdb_begin(d, job, err));
  shoal_status status = shoal_duckdb_bind_columns(d, job, false, &arena, &columns, &n, &body, err);
  if (status == SHOAL_OK)
    status = make_query(&sql, body, n, &place, err);
  shoal_duckdb_each_begin(d, take, arg);
  if (status == SHOAL_OK)
    status = shoal_duckdb_query_text(d, shoal_buf_z(&sql), place, &result, err);
  status = shoal_duckdb_each_end(d, status, err);
  d->api->destroy_result(&result);
  shoal_buf_dispose(&sql);
  shoal_arena_dispose(&arena);
  shoal_duckdb_end(d);
  return status;
}
