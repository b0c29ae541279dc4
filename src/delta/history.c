/* SPDX-License-Identifier: Apache-2.0 */
/* history.h: one listing, and one read for each commit that is shown. */
#include "delta/history.h"

#include "delta/delta_internal.h"

static shoal_status copy_json(yyjson_val *v, shoal_arena *arena, shoal_str *out, shoal_error *err) {
  shoal_buf text = {0};
  *out = SHOAL_STR_NONE;
  if (!yyjson_is_obj(v))
    return SHOAL_OK;
  shoal_status status = shoal_json_write(v, &text, err);
  if (status == SHOAL_OK)
    status = shoal_buf_take(&text, arena, out, err);
  shoal_buf_dispose(&text);
  return status;
}

static shoal_status read_info(yyjson_val *info, shoal_arena *arena, shoal_delta_history_entry *out, shoal_error *err) {
  int64_t ms = shoal_json_i64(info, "inCommitTimestamp", 0);
  if (ms > 0)
    out->time_us = ms * 1000;
  out->operation = shoal_arena_str(arena, shoal_json_str(info, "operation"));
  out->engine = shoal_arena_str(arena, shoal_json_str(info, "engineInfo"));
  SHOAL_TRY(copy_json(yyjson_obj_get(info, "operationParameters"), arena, &out->parameters, err));
  SHOAL_TRY(copy_json(yyjson_obj_get(info, "operationMetrics"), arena, &out->metrics, err));
  return copy_json(info, arena, &out->info, err);
}

/* commitInfo may stand anywhere, or nowhere. */
static shoal_status read_entry(const shoal_delta_table *table, const shoal_log_file *f, int64_t time_us,
                               shoal_arena *arena, shoal_delta_history_entry *out, shoal_error *err) {
  shoal_buf text = {0};
  shoal_str rest, line = {0};
  *out = (shoal_delta_history_entry){.version = f->version, .time_us = time_us};
  shoal_status status = shoal_store_get(table->store, f->object.key, &text, err);
  rest = shoal_buf_str(&text);
  while (status == SHOAL_OK && !out->info.ptr && shoal_str_split(&rest, '\n', &line)) {
    yyjson_doc *doc = NULL;
    if (shoal_str_find(line, SHOAL_STR("\"commitInfo\"")) < 0)
      continue;
    status = shoal_json_parse_raw(line, f->object.key.ptr, &doc, err);
    yyjson_val *info = yyjson_obj_get(yyjson_doc_get_root(doc), "commitInfo");
    if (status == SHOAL_OK && yyjson_is_obj(info))
      status = read_info(info, arena, out, err);
    yyjson_doc_free(doc);
  }
  shoal_buf_dispose(&text);
  return status;
}

shoal_status shoal_delta_history(const shoal_delta_table *table, size_t limit, shoal_arena *arena,
                                 shoal_delta_history_entry **out, size_t *n, shoal_error *err) {
  shoal_log log;
  *out = NULL;
  *n = 0;
  SHOAL_TRY(shoal_delta_log_list(table, 0, arena, &log, err));
  if (shoal_delta_log_latest(&log) < 0)
    return shoal_delta_log_missing(table, &log, SHOAL_DELTA_LATEST, err);
  shoal_delta_history_entry *entries = SHOAL_NEW_ARRAY(arena, shoal_delta_history_entry, log.n);
  int64_t *times = SHOAL_NEW_ARRAY(arena, int64_t, log.n), last = INT64_MIN;
  if (!entries || !times)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < log.n; i++)
    if (log.files[i].kind == SHOAL_LOG_COMMIT)
      times[i] = last = shoal_delta_commit_time(&log.files[i], last);
  for (size_t i = log.n; i > 0 && (limit == 0 || *n < limit); i--)
    if (log.files[i - 1].kind == SHOAL_LOG_COMMIT)
      SHOAL_TRY(read_entry(table, &log.files[i - 1], times[i - 1], arena, &entries[(*n)++], err));
  *out = entries;
  return SHOAL_OK;
}
