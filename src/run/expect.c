/* SPDX-License-Identifier: Apache-2.0 */
/* Each expectation is one query over a table called "result" (code/model.h) that counts the rows that break it. */
#include "run/expect.h"

#include "base/str.h"

/* How many rows of `result` break expectation i. */
static shoal_status count_broken(const shoal_model *m, shoal_engine *engine, const shoal_job *of,
                                 const shoal_scan *result, size_t i, uint64_t *out, shoal_error *err) {
  shoal_buf sql = {0};
  shoal_rows *rows = NULL;
  int64_t n = 0;
  shoal_input input = {SHOAL_STR("result"), result};
  shoal_expect_sql(m, i, &sql);
  shoal_status status = shoal_buf_check(&sql, err);
  shoal_job job = *of;
  job.sql = shoal_buf_str(&sql);
  job.inputs = &input;
  job.n_inputs = 1;
  if (status >= 0)
    status = shoal_engine_query(engine, &job, &rows, err);
  if (status >= 0)
    status = shoal_rows_next(rows, err);
  if (status == SHOAL_OK && !shoal_str_i64(shoal_rows_text(rows, 0), &n))
    status = shoal_fail(err, SHOAL_EENGINE, "an expectation's count is no number");
  if (status < 0) {
    err->position = 0;
    shoal_error_at(err, m->path.ptr, m->expects[i].line, 1, 0);
    shoal_context(err, "in expect");
  }
  *out = (uint64_t)n;
  shoal_rows_free(rows);
  shoal_buf_dispose(&sql);
  return status < 0 ? status : SHOAL_OK;
}

shoal_status shoal_expects_check(const shoal_model *m, shoal_engine *engine, const shoal_job *of,
                                 const shoal_scan *result, shoal_arena *arena, shoal_broken **out, size_t *n,
                                 bool *holds, shoal_error *err) {
  *holds = true;
  *n = 0;
  *out = SHOAL_NEW_ARRAY(arena, shoal_broken, m->n_expects);
  if (!*out)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < m->n_expects; i++) {
    uint64_t rows;
    SHOAL_TRY(count_broken(m, engine, of, result, i, &rows, err));
    if (rows == 0)
      continue;
    (*out)[(*n)++] = (shoal_broken){i, rows};
    *holds &= m->expects[i].warn;
  }
  return SHOAL_OK;
}

shoal_status shoal_staged_scan(const shoal_model *m, const char *staging, const shoal_outcome *made, shoal_arena *arena,
                               shoal_scan *out, shoal_error *err) {
  shoal_scan_file *files = SHOAL_NEW_ARRAY(arena, shoal_scan_file, made->n_files);
  size_t *columns = SHOAL_NEW_ARRAY(arena, size_t, m->n_partition_by);
  if (!files || !columns)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < made->n_files; i++) {
    char *path = shoal_arena_printf(arena, "%s/%.*s", staging, SHOAL_FMT(made->files[i].name));
    if (!path)
      return shoal_fail_nomem(err);
    files[i] = (shoal_scan_file){shoal_str_z(path), made->files[i].partition_values};
  }
  for (size_t i = 0; i < m->n_partition_by; i++) {
    ptrdiff_t at = shoal_schema_find(&made->schema, m->partition_by[i]);
    if (at < 0)
      return shoal_fail(err, SHOAL_EINVAL, "partition_by names %.*s, which is no column",
                        SHOAL_FMT(m->partition_by[i]));
    columns[i] = (size_t)at;
  }
  *out = (shoal_scan){.format = SHOAL_SCAN_TABLE,
                      .schema = &made->schema,
                      .partition_columns = columns,
                      .n_partition_columns = m->n_partition_by,
                      .files = files,
                      .n_files = made->n_files,
                      .uniform = true,
                      .rows = made->rows};
  return SHOAL_OK;
}
