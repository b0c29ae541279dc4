/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dispatcher: one function per operation checks the arguments once for all engines and adds context. What an
 * engine may rely on afterwards: the SQL is not empty, within SHOAL_MAX_SQL_BYTES and without NUL; names of inputs
 * and variables are present; out-parameters are zeroed.
 */
#include "engine/engine.h"

#include <string.h>

#include "base/limits.h"
#include "base/str.h"
#include "engine/lexer.h"
#include "engine/rows.h"

static shoal_status check_sql(shoal_str sql, const char *what, shoal_error *err) {
  if (shoal_str_trim(sql).len == 0)
    return shoal_fail(err, SHOAL_EINVAL, "the %s is empty", what);
  if (sql.len > SHOAL_MAX_SQL_BYTES)
    return shoal_fail(err, SHOAL_ELIMIT, "the %s has %zu bytes, more than %u", what, sql.len, SHOAL_MAX_SQL_BYTES);
  if (memchr(sql.ptr, '\0', sql.len))
    return shoal_fail(err, SHOAL_EINVAL, "the %s contains a NUL byte", what);
  return SHOAL_OK;
}

static shoal_status check_job(const shoal_job *job, shoal_error *err) {
  SHOAL_TRY(check_sql(job->sql, "query", err));
  for (size_t i = 0; i < job->n_macros; i++)
    SHOAL_TRY(check_sql(job->macros[i], "macro", err));
  for (size_t i = 0; i < job->n_inputs; i++) {
    shoal_str name = job->inputs[i].name;
    if (name.len == 0 || memchr(name.ptr, '\0', name.len) || !job->inputs[i].scan)
      return shoal_fail(err, SHOAL_EINVAL, "input %zu has no name or no scan", i);
  }
  for (size_t i = 0; i < job->n_variables; i++) {
    shoal_str name = job->variables[i].name, value = job->variables[i].value;
    if (name.len == 0 || memchr(name.ptr, '\0', name.len) || (value.len && memchr(value.ptr, '\0', value.len)))
      return shoal_fail(err, SHOAL_EINVAL, "variable %zu has no name, or a NUL byte in its value", i);
  }
  return SHOAL_OK;
}

void shoal_engine_free(shoal_engine *e) {
  if (e)
    e->ops->free(e);
}

void shoal_engine_leave(shoal_engine *e) {
  if (e && e->ops->leave)
    e->ops->leave(e);
}

const char *shoal_parquet_codec_name(shoal_parquet_codec codec) {
  static const char *const names[SHOAL_PARQUET_CODECS] = {"zstd", "uncompressed", "snappy", "gzip", "lz4_raw"};
  return names[codec];
}

const char *shoal_engine_version(shoal_engine *e) { return e->ops->version(e); }

/* Tables have columns called `at`, which the grammar takes for a clause: the error stands there or at the next token.
 */
static void hint_keyword(shoal_str sql, shoal_error *err) {
  shoal_lexer lexer = {.sql = sql};
  shoal_token token;
  size_t place = (size_t)err->position - 1;
  bool before = false, here = false;
  while (!here && shoal_lexer_next(&lexer, &token) && token.offset <= place) {
    here = token.offset == place && shoal_token_is(&token, "at");
    if (token.offset < place)
      before = shoal_token_is(&token, "at");
  }
  if (here || before)
    shoal_hint(err, "AT begins a clause: write \"at\" for a column or a table of that name");
}

shoal_status shoal_engine_parse(shoal_engine *e, shoal_str sql, shoal_buf *json, shoal_error *err) {
  SHOAL_TRY(check_sql(sql, "query", err));
  shoal_status status = e->ops->parse(e, sql, json, err);
  if (status == SHOAL_EENGINE && err && err->position > 0)
    hint_keyword(sql, err);
  return status;
}

shoal_status shoal_engine_bind(shoal_engine *e, const shoal_job *job, shoal_arena *arena, shoal_schema *out,
                               shoal_error *err) {
  *out = (shoal_schema){0};
  SHOAL_TRY(check_job(job, err));
  return e->ops->bind(e, job, arena, out, err);
}

shoal_status shoal_engine_execute(shoal_engine *e, const shoal_job *job, shoal_arena *arena, shoal_outcome *out,
                                  shoal_error *err) {
  *out = (shoal_outcome){0};
  SHOAL_TRY(check_job(job, err));
  if (!job->staging || job->staging[0] != '/')
    return shoal_fail(err, SHOAL_EINVAL, "a job to execute needs an absolute staging folder");
  return e->ops->execute(e, job, arena, out, err);
}

shoal_status shoal_engine_query(shoal_engine *e, const shoal_job *job, shoal_rows **out, shoal_error *err) {
  *out = NULL;
  SHOAL_TRY(check_job(job, err));
  return e->ops->query(e, job, out, err);
}

shoal_status shoal_engine_copy(shoal_engine *e, const shoal_job *job, const char *path, shoal_str format,
                               shoal_error *err) {
  SHOAL_TRY(check_job(job, err));
  if (!path || path[0] != '/')
    return shoal_fail(err, SHOAL_EINVAL, "a copy needs an absolute path");
  return e->ops->copy(e, job, path, format, err);
}

shoal_status shoal_engine_stream(shoal_engine *e, const shoal_job *job, struct ArrowArrayStream *out,
                                 shoal_error *err) {
  SHOAL_TRY(check_job(job, err));
  return e->ops->stream(e, job, out, err);
}

shoal_status shoal_engine_each(shoal_engine *e, const shoal_job *job, shoal_take *take, void *arg, shoal_error *err) {
  SHOAL_TRY(check_job(job, err));
  return e->ops->each(e, job, take, arg, err);
}

shoal_status shoal_engine_filters(shoal_engine *e, const shoal_job *job, size_t input, shoal_arena *arena,
                                  const shoal_predicate **out, size_t *n, shoal_error *err) {
  *out = NULL;
  *n = 0;
  SHOAL_TRY(check_job(job, err));
  if (input >= job->n_inputs)
    return shoal_fail(err, SHOAL_EINVAL, "the job has no input %zu", input);
  return e->ops->filters ? e->ops->filters(e, job, input, arena, out, n, err) : SHOAL_OK;
}

void shoal_engine_interrupt(shoal_engine *e) { e->ops->interrupt(e); }

size_t shoal_rows_columns(const shoal_rows *rows) { return rows->n; }
shoal_str shoal_rows_name(const shoal_rows *rows, size_t column) { return rows->names[column]; }
shoal_str shoal_rows_type(const shoal_rows *rows, size_t column) { return rows->types[column]; }
shoal_status shoal_rows_next(shoal_rows *rows, shoal_error *err) { return rows->ops->next(rows, err); }
shoal_str shoal_rows_text(const shoal_rows *rows, size_t column) { return rows->ops->text(rows, column); }

void shoal_rows_free(shoal_rows *rows) {
  if (rows)
    rows->ops->free(rows);
}
