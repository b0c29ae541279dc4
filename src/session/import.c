/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files appended to a source table: the one verb that makes data that no code here makes. The table is an ordinary
 * Delta table that others may append to at the same time; what a publication read of it is pinned by version.
 */
#include "session/table.h"

static shoal_status append_files(shoal_open_table *t, const shoal_scan *scan, bool merge_schema,
                                 shoal_delta_appended *out, shoal_error *err) {
  shoal_engine *engine;
  shoal_input input = {SHOAL_STR("files"), scan};
  shoal_job job = {.sql = SHOAL_STR("SELECT * FROM files"), .inputs = &input, .n_inputs = 1};
  shoal_delta_append wanted = {.job = &job, .create = true, .merge_schema = merge_schema};
  SHOAL_TRY(shoal_session_table_engine(t, &engine, err));
  return shoal_delta_append_rows(&t->delta, engine, &wanted, out, err);
}

shoal_status shoal_session_import(shoal_session *s, shoal_cancel *cancel, const shoal_str *files, size_t n,
                                  shoal_str target, bool merge_schema, shoal_delta_appended *out, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_open_table t = {0};
  shoal_scan scan;
  *out = (shoal_delta_appended){.version = -1};
  if (s)
    SHOAL_TRY(shoal_session_configure(s, err));
  shoal_status status = shoal_session_scan_files(files, n, &arena, &scan, err);
  if (status >= 0)
    status = shoal_session_table_open(s, cancel, target, SHOAL_TABLE_CREATE, files, n, &t, err);
  if (status >= 0)
    status = append_files(&t, &scan, merge_schema, out, err);
  shoal_session_table_close(&t);
  shoal_arena_dispose(&arena);
  return status;
}
