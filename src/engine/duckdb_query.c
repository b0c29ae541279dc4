/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queries for people: rows as text, and results as one file. Every column is cast to VARCHAR in an outer SELECT and
 * renamed by position, so that results may have double, empty and strange names.
 */
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "engine/duckdb_internal.h"
#include "engine/rows.h"

typedef struct duckdb_rows {
  shoal_rows base;
  shoal_duckdb *d;
  shoal_arena arena; /* names and types */
  duckdb_result result;
  duckdb_data_chunk chunk;
  size_t row, n_rows;  /* of the chunk; the current row is row - 1 */
  bool over;           /* all rows were given */
  shoal_error failure; /* what ended them; asked again, the engine would only say that it was interrupted */
  const duckdb_string_t **data;
  const uint64_t **validity;
} duckdb_rows;

static void drop_chunk(duckdb_rows *r) {
  if (r->chunk)
    r->d->api->destroy_data_chunk(&r->chunk);
  r->chunk = NULL;
  r->row = r->n_rows = 0;
}

static shoal_status rows_next(shoal_rows *rows, shoal_error *err) {
  duckdb_rows *r = (duckdb_rows *)rows;
  if (r->failure.status < 0 && err)
    *err = r->failure;
  if (r->failure.status < 0)
    return r->failure.status;
  if (r->over || atomic_load(&r->d->cancelled))
    return r->over ? SHOAL_DONE : shoal_fail(err, SHOAL_ECANCELLED, "cancelled");
  while (r->row >= r->n_rows) {
    drop_chunk(r);
    shoal_status status = shoal_duckdb_fetch(r->d, &r->result, &r->chunk, &r->failure);
    r->over = status == SHOAL_DONE;
    if (status < 0 && err)
      *err = r->failure;
    if (status != SHOAL_OK)
      return status;
    r->n_rows = (size_t)r->d->api->data_chunk_get_size(r->chunk);
    for (size_t i = 0; i < r->base.n; i++) {
      duckdb_vector v = r->d->api->data_chunk_get_vector(r->chunk, i);
      r->data[i] = r->d->api->vector_get_data(v);
      r->validity[i] = r->d->api->vector_get_validity(v);
    }
  }
  r->row++;
  return SHOAL_OK;
}

static shoal_str rows_text(const shoal_rows *rows, size_t column) {
  const duckdb_rows *r = (const duckdb_rows *)rows;
  size_t row = r->row - 1;
  return shoal_duckdb_valid(r->validity[column], row) ? shoal_duckdb_string(&r->data[column][row]) : SHOAL_STR_NONE;
}

static void rows_free(shoal_rows *rows) {
  duckdb_rows *r = (duckdb_rows *)rows;
  drop_chunk(r);
  r->d->api->destroy_result(&r->result);
  shoal_duckdb_end(r->d);
  shoal_arena_dispose(&r->arena);
  shoal_free(r);
}

static const shoal_rows_ops rows_ops = {rows_next, rows_text, rows_free};

/* SELECT CAST(c0 AS VARCHAR), … FROM (body) AS q(c0, …) */
static shoal_status add_text_query(shoal_buf *sql, shoal_str body, size_t n, shoal_duckdb_place *place,
                                   shoal_error *err) {
  for (size_t i = 0; i < n; i++)
    shoal_buf_addf(sql, "%s CAST(c%zu AS VARCHAR)", i ? "," : "SELECT", i);
  shoal_buf_addz(sql, " FROM (");
  *place = (shoal_duckdb_place){.sql = body, .offset = sql->len};
  shoal_buf_add(sql, body);
  shoal_buf_addz(sql, "\n) AS q(");
  for (size_t i = 0; i < n; i++)
    shoal_buf_addf(sql, i ? ", c%zu" : "c%zu", i);
  shoal_buf_addc(sql, ')');
  return shoal_buf_check(sql, err);
}

static shoal_status describe_rows(duckdb_rows *r, const shoal_duckdb_column *columns, size_t n, shoal_error *err) {
  shoal_str *names = SHOAL_NEW_ARRAY(&r->arena, shoal_str, n), *types = SHOAL_NEW_ARRAY(&r->arena, shoal_str, n);
  r->data = SHOAL_NEW_ARRAY(&r->arena, const duckdb_string_t *, n);
  r->validity = SHOAL_NEW_ARRAY(&r->arena, const uint64_t *, n);
  if (!names || !types || !r->data || !r->validity)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++) {
    names[i] = columns[i].name;
    types[i] = columns[i].engine_type;
  }
  r->base.names = names;
  r->base.types = types;
  r->base.n = n;
  return SHOAL_OK;
}

shoal_status shoal_duckdb_op_query(shoal_engine *e, const shoal_job *job, shoal_rows **out, shoal_error *err) {
  shoal_duckdb *d = (shoal_duckdb *)e;
  shoal_duckdb_column *columns;
  shoal_duckdb_place place;
  shoal_buf sql = {0};
  shoal_str body;
  size_t n;
  SHOAL_TRY(shoal_duckdb_begin(d, job, err));
  duckdb_rows *r = shoal_calloc(1, sizeof *r);
  if (!r) {
    shoal_duckdb_end(d);
    return shoal_fail_nomem(err);
  }
  r->base.ops = &rows_ops;
  r->d = d;
  shoal_status status = shoal_duckdb_bind_columns(d, job, false, &r->arena, &columns, &n, &body, err);
  if (status == SHOAL_OK)
    status = describe_rows(r, columns, n, err);
  if (status == SHOAL_OK)
    status = add_text_query(&sql, body, n, &place, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_query_streamed(d, shoal_buf_z(&sql), place, n, &r->result, err);
  shoal_buf_dispose(&sql);
  d->job = NULL; /* rows outlive the caller's job */
  if (status < 0)
    rows_free(&r->base);
  else
    *out = &r->base;
  return status;
}

/* The words of COPY for a format; NULL if there is none. */
static const char *copy_options(shoal_str format) {
  if (shoal_str_is(format, "parquet"))
    return "FORMAT parquet";
  if (shoal_str_is(format, "csv"))
    return "FORMAT csv, HEADER true";
  if (shoal_str_is(format, "json"))
    return "FORMAT json, ARRAY false";
  return NULL;
}

static shoal_status copy_to(shoal_duckdb *d, const shoal_job *job, const char *path, const char *options,
                            shoal_error *err) {
  shoal_arena arena = {0};
  shoal_duckdb_column *columns;
  duckdb_result result = {0};
  shoal_buf sql = {0};
  shoal_str body;
  size_t n;
  shoal_status status = shoal_duckdb_bind_columns(d, job, false, &arena, &columns, &n, &body, err);
  if (status == SHOAL_OK) {
    shoal_buf_addz(&sql, "COPY (");
    shoal_duckdb_place place = {.sql = body, .offset = sql.len};
    shoal_buf_add(&sql, body);
    shoal_buf_addz(&sql, "\n) TO ");
    shoal_buf_sql_literal(&sql, shoal_str_z(path));
    bool parquet = shoal_str_starts(shoal_str_z(options), SHOAL_STR("FORMAT parquet"));
    shoal_buf_addf(&sql, " (%s", options);
    if (parquet)
      shoal_buf_addf(&sql, ", COMPRESSION %s%s", shoal_parquet_codec_name(job->codec),
                     shoal_duckdb_misjudged(columns, n) ? SHOAL_DUCKDB_NO_BLOOM : "");
    shoal_buf_addc(&sql, ')');
    status = shoal_buf_check(&sql, err);
    if (status == SHOAL_OK)
      status = shoal_duckdb_query_text(d, shoal_buf_z(&sql), place, &result, err);
    d->api->destroy_result(&result);
  }
  shoal_buf_dispose(&sql);
  shoal_arena_dispose(&arena);
  return status;
}

shoal_status shoal_duckdb_op_copy(shoal_engine *e, const shoal_job *job, const char *path, shoal_str format,
                                  shoal_error *err) {
  shoal_duckdb *d = (shoal_duckdb *)e;
  shoal_arena arena = {0};
  char uuid[SHOAL_UUID_TEXT];
  bool arrow = shoal_str_is(format, "arrow");
  if (!copy_options(format) && !arrow) {
    (void)shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no format that a result can have", SHOAL_FMT(format));
    shoal_hint(err, "choose parquet, csv, json or arrow");
    return SHOAL_EINVAL;
  }
  shoal_os_uuid(uuid);
  const char *beside = shoal_arena_printf(&arena, "%s.%s.tmp", path, uuid);
  shoal_status status = beside ? shoal_duckdb_begin(d, job, err) : shoal_fail_nomem(err);
  if (status == SHOAL_OK) {
    status = arrow ? shoal_duckdb_write_arrow(d, job, beside, err) : copy_to(d, job, beside, copy_options(format), err);
    shoal_duckdb_end(d);
    if (status == SHOAL_OK)
      status = shoal_os_rename(beside, path, err);
    if (status < 0)
      (void)!shoal_os_unlink(beside, NULL);
  }
  shoal_arena_dispose(&arena);
  return status;
}
