/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job's result as an Arrow IPC stream in a file: the engine gives each chunk as an Arrow array, nanoarrow writes it.
 * A batch is a chunk of the engine, 2,048 rows.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <nanoarrow/nanoarrow_ipc.h>

#include "base/str.h"
#include "engine/duckdb_internal.h"

typedef struct arrow_file {
  shoal_duckdb *d;
  const char *path;
  FILE *file;
  duckdb_arrow_options options;
  struct ArrowSchema schema;
  struct ArrowArrayView view;
  struct ArrowIpcWriter writer;
} arrow_file;

static shoal_status check_arrow(const arrow_file *a, ArrowErrorCode code, const struct ArrowError *cause,
                                shoal_error *err) {
  if (code == NANOARROW_OK)
    return SHOAL_OK;
  if (code == ENOMEM)
    return shoal_fail_nomem(err);
  return shoal_fail(err, code == ENOTSUP ? SHOAL_EUNSUPPORTED : SHOAL_EIO, "writing %s: %s", a->path,
                    *cause->message ? cause->message : strerror(code));
}

/* Takes the engine's error data. */
static shoal_status check_engine(const arrow_file *a, duckdb_error_data data, shoal_error *err) {
  shoal_status status = SHOAL_OK;
  if (data && a->d->api->error_data_has_error(data))
    status = shoal_fail(err, SHOAL_EENGINE, "%s", a->d->api->error_data_message(data));
  a->d->api->destroy_error_data(&data);
  return status;
}

static shoal_status make_schema(arrow_file *a, duckdb_result *result, shoal_arena *arena, shoal_error *err) {
  const shoal_duckdb_api *api = a->d->api;
  idx_t n = api->column_count(result);
  duckdb_logical_type *types = SHOAL_NEW_ARRAY(arena, duckdb_logical_type, n);
  const char **names = SHOAL_NEW_ARRAY(arena, const char *, n);
  if (!types || !names)
    return shoal_fail_nomem(err);
  for (idx_t i = 0; i < n; i++) {
    types[i] = api->column_logical_type(result, i);
    names[i] = api->column_name(result, i);
  }
  a->options = api->result_get_arrow_options(result);
  shoal_status status = check_engine(a, api->to_arrow_schema(a->options, types, names, n, &a->schema), err);
  for (idx_t i = 0; i < n; i++)
    api->destroy_logical_type(&types[i]);
  return status;
}

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

static shoal_status start(arrow_file *a, shoal_error *err) {
  struct ArrowIpcOutputStream stream = {0};
  struct ArrowError cause = {0};
  if (!may_write(&a->d->config, shoal_str_z(a->path)))
    return shoal_fail(err, SHOAL_EACCESS, "%s: the engine may not write here", a->path);
  if (!(a->file = fopen(a->path, "wbe")))
    return shoal_fail(err, SHOAL_EIO, "%s: %s", a->path, strerror(errno));
  SHOAL_TRY(check_arrow(a, ArrowIpcOutputStreamInitFile(&stream, a->file, 0), &cause, err));
  ArrowErrorCode code = ArrowIpcWriterInit(&a->writer, &stream);
  if (code != NANOARROW_OK)
    stream.release(&stream);
  else
    code = ArrowIpcWriterWriteSchema(&a->writer, &a->schema, &cause);
  if (code == NANOARROW_OK)
    code = ArrowArrayViewInitFromSchema(&a->view, &a->schema, &cause);
  return check_arrow(a, code, &cause, err);
}

static shoal_status write_chunk(arrow_file *a, duckdb_data_chunk chunk, shoal_error *err) {
  struct ArrowArray array = {0};
  struct ArrowError cause = {0};
  SHOAL_TRY(check_engine(a, a->d->api->data_chunk_to_arrow(a->options, chunk, &array), err));
  ArrowErrorCode code = ArrowArrayViewSetArray(&a->view, &array, &cause);
  if (code == NANOARROW_OK)
    code = ArrowIpcWriterWriteArrayView(&a->writer, &a->view, &cause);
  array.release(&array);
  return check_arrow(a, code, &cause, err);
}

static shoal_status write_rows(arrow_file *a, duckdb_result *result, shoal_error *err) {
  struct ArrowError cause = {0};
  for (duckdb_data_chunk chunk; (chunk = a->d->api->fetch_chunk(*result));) {
    shoal_status status = write_chunk(a, chunk, err);
    a->d->api->destroy_data_chunk(&chunk);
    SHOAL_TRY(status);
    if (atomic_load(&a->d->cancelled))
      return shoal_fail(err, SHOAL_ECANCELLED, "cancelled");
  }
  SHOAL_TRY(check_arrow(a, ArrowIpcWriterWriteArrayView(&a->writer, NULL, &cause), &cause, err));
  FILE *file = a->file;
  a->file = NULL;
  return fclose(file) == 0 ? SHOAL_OK : shoal_fail(err, SHOAL_EIO, "writing %s: %s", a->path, strerror(errno));
}

shoal_status shoal_duckdb_write_arrow(shoal_duckdb *d, duckdb_result *result, const char *path, shoal_error *err) {
  arrow_file a = {.d = d, .path = path};
  shoal_arena arena = {0};
  shoal_status status = make_schema(&a, result, &arena, err);
  if (status == SHOAL_OK)
    status = start(&a, err);
  if (status == SHOAL_OK)
    status = write_rows(&a, result, err);
  ArrowArrayViewReset(&a.view);
  if (a.writer.private_data)
    ArrowIpcWriterReset(&a.writer);
  if (a.file)
    fclose(a.file);
  if (a.schema.release)
    a.schema.release(&a.schema);
  if (a.options)
    d->api->destroy_arrow_options(&a.options);
  shoal_arena_dispose(&arena);
  return status;
}
