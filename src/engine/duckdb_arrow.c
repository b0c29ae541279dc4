/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results as Arrow: a stream whose batches are the engine's chunks of 2,048 rows, and such a stream written to a file
 * in Arrow's IPC format by nanoarrow.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "engine/arrow_file.h"
#include "engine/duckdb_internal.h"

/* ---- a stream ---- */

typedef struct result_stream {
  shoal_duckdb *d;
  duckdb_result result;
  duckdb_arrow_options options;
  bool ends_job; /* the job is over when the stream is released */
  bool over;     /* all rows were given */
  char error[sizeof(((shoal_error *)0)->message)];
  shoal_error failure; /* of the query, while its rows were fetched; status 0: none */
} result_stream;

static int stream_fail(result_stream *s, int code, const char *message) {
  snprintf(s->error, sizeof s->error, "%s", message);
  return code;
}

/* Takes the engine's error data. 0, or an errno with the stream's error set. */
static int stream_check(result_stream *s, duckdb_error_data data) {
  int code = 0;
  if (data && s->d->api->error_data_has_error(data))
    code = stream_fail(s, EIO, s->d->api->error_data_message(data));
  s->d->api->destroy_error_data(&data);
  return code;
}

static int stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  result_stream *s = stream->private_data;
  const shoal_duckdb_api *api = s->d->api;
  shoal_arena arena = {0};
  idx_t n = api->column_count(&s->result);
  duckdb_logical_type *types = SHOAL_NEW_ARRAY(&arena, duckdb_logical_type, n);
  const char **names = SHOAL_NEW_ARRAY(&arena, const char *, n);
  int code = types && names ? 0 : stream_fail(s, ENOMEM, "out of memory");
  for (idx_t i = 0; i < n && !code; i++) {
    types[i] = api->column_logical_type(&s->result, i);
    names[i] = api->column_name(&s->result, i);
  }
  memset(out, 0, sizeof *out);
  if (!code)
    code = stream_check(s, api->to_arrow_schema(s->options, types, names, n, out));
  for (idx_t i = 0; types && i < n; i++)
    api->destroy_logical_type(&types[i]);
  shoal_arena_dispose(&arena);
  return code;
}

/* The end of a stream is an array without a release callback. */
static int stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  result_stream *s = stream->private_data;
  duckdb_data_chunk chunk = NULL;
  memset(out, 0, sizeof *out);
  shoal_status status = s->failure.status < 0 ? s->failure.status
                        : s->over             ? SHOAL_DONE
                                              : shoal_duckdb_fetch(s->d, &s->result, &chunk, &s->failure);
  s->over = status == SHOAL_DONE;
  if (status < 0)
    return stream_fail(s, status == SHOAL_ECANCELLED ? ECANCELED : EIO, s->failure.message);
  if (s->over)
    return 0;
  int code = stream_check(s, s->d->api->data_chunk_to_arrow(s->options, chunk, out));
  s->d->api->destroy_data_chunk(&chunk);
  return code;
}

static const char *stream_error(struct ArrowArrayStream *stream) {
  result_stream *s = stream->private_data;
  return *s->error ? s->error : NULL;
}

static void stream_release(struct ArrowArrayStream *stream) {
  result_stream *s = stream->private_data;
  shoal_duckdb *d = s->d;
  bool ends_job = s->ends_job;
  d->api->destroy_result(&s->result);
  if (s->options)
    d->api->destroy_arrow_options(&s->options);
  shoal_free(s);
  stream->release = NULL;
  if (ends_job)
    shoal_duckdb_end(d);
}

/* Runs the job's SQL. With SHOAL_OK the stream is the caller's. */
static shoal_status open_stream(shoal_duckdb *d, const shoal_job *job, bool ends_job, struct ArrowArrayStream *out,
                                shoal_error *err) {
  shoal_arena arena = {0};
  shoal_duckdb_column *columns;
  shoal_buf sql = {0};
  shoal_str body;
  size_t n;
  result_stream *s = shoal_calloc(1, sizeof *s);
  if (!s)
    return shoal_fail_nomem(err);
  s->d = d;
  shoal_status status = shoal_duckdb_bind_columns(d, job, false, &arena, &columns, &n, &body, err);
  if (status == SHOAL_OK) {
    shoal_buf_add(&sql, body);
    status = shoal_buf_check(&sql, err);
  }
  if (status == SHOAL_OK)
    status = shoal_duckdb_query_streamed(d, shoal_buf_z(&sql), (shoal_duckdb_place){.sql = body}, n, &s->result, err);
  *out = (struct ArrowArrayStream){stream_schema, stream_next, stream_error, stream_release, s};
  if (status == SHOAL_OK) {
    s->options = d->api->result_get_arrow_options(&s->result);
    s->ends_job = ends_job;
  } else {
    out->release(out);
  }
  shoal_buf_dispose(&sql);
  shoal_arena_dispose(&arena);
  return status;
}

shoal_status shoal_duckdb_op_stream(shoal_engine *e, const shoal_job *job, struct ArrowArrayStream *out,
                                    shoal_error *err) {
  shoal_duckdb *d = (shoal_duckdb *)e;
  SHOAL_TRY(shoal_duckdb_begin(d, job, err));
  shoal_status status = open_stream(d, job, true, out, err);
  d->job = NULL; /* the stream outlives the caller's job */
  if (status < 0)
    shoal_duckdb_end(d);
  return status;
}

/* ---- a file ---- */

/* As the engine's own COPY: nothing is written where it may not. */
static bool may_write(const shoal_engine_config *config, shoal_str path) {
  bool may = !config->locked;
  for (size_t i = 0; i < config->n_allowed && !may; i++) {
    shoal_str place = config->allowed[i];
    bool folder = shoal_str_ends(place, SHOAL_STR("/"));
    may = folder ? shoal_str_starts(path, place) : shoal_str_eq(path, place);
  }
  return may && shoal_str_find(path, SHOAL_STR("/../")) < 0;
}

shoal_status shoal_duckdb_write_arrow(shoal_duckdb *d, const shoal_job *job, const char *path, shoal_error *err) {
  struct ArrowArrayStream stream;
  if (!may_write(&d->config, shoal_str_z(path)))
    return shoal_fail(err, SHOAL_EACCESS, "%s: the engine may not write here", path);
  SHOAL_TRY(open_stream(d, job, false, &stream, err));
  shoal_status status = shoal_arrow_write_file(&stream, path, err);
  const result_stream *s = stream.private_data;
  if (status < 0 && s->failure.status < 0 && err)
    *err = s->failure; /* not the writing failed, but what was to be written */
  status = status < 0 && s->failure.status < 0 ? s->failure.status : status;
  stream.release(&stream);
  return status;
}
