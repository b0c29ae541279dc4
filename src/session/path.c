/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delta tables by path, for queries only: a model's inputs are declared, so that its key knows them. The name of the
 * view that the engine reads the table by is the path itself, which is why two spellings that differ in capitals alone
 * can't stand in one query.
 */
#include "session/path.h"

#include "base/os.h"
#include "base/str.h"
#include "base/time.h"

shoal_status shoal_path_spelled(shoal_str sql, shoal_str name, shoal_arena *arena, shoal_str *out, shoal_error *err) {
  shoal_lexer lexer = {.sql = sql};
  shoal_token t;
  *out = SHOAL_STR_NONE;
  while (shoal_lexer_next(&lexer, &t)) {
    shoal_str inside = shoal_at_is_path(&t) ? shoal_str_sub(t.text, 1, t.text.len - 1) : SHOAL_STR("");
    if (!shoal_str_ieq(inside, name))
      continue;
    if (out->ptr && !shoal_str_eq(*out, inside))
      return shoal_fail(err, SHOAL_EINVAL, "'%.*s' and '%.*s' differ in capitals only: read them in two queries",
                        SHOAL_FMT(*out), SHOAL_FMT(inside));
    *out = shoal_arena_str(arena, inside);
    if (!out->ptr)
      return shoal_fail_nomem(err);
  }
  return out->ptr ? SHOAL_OK
                  : shoal_fail(err, SHOAL_EINVAL, "the path of a table can't hold quotes: %.*s", SHOAL_FMT(name));
}

static shoal_status find_version(const shoal_delta_table *table, const shoal_at *at, int64_t *out, shoal_error *err) {
  int64_t us;
  *out = SHOAL_DELTA_LATEST;
  if (!at)
    return SHOAL_OK;
  if (!at->is_time) {
    if (shoal_str_i64(at->value, out) && *out >= 0)
      return SHOAL_OK;
    return shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no version of a table", SHOAL_FMT(at->value));
  }
  if (!shoal_time_parse(at->value, &us))
    return shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no time, such as 2026-01-31 14:00", SHOAL_FMT(at->value));
  return shoal_delta_version_at(table, us, out, err);
}

static shoal_status open_folder(shoal_session *s, shoal_str path, char **real, shoal_error *err) {
  char *text = shoal_arena_cstr(&s->arena, path);
  shoal_stat st;
  if (!text)
    return shoal_fail_nomem(err);
  shoal_status status = shoal_os_stat(text, &st, err);
  if (status == SHOAL_ENOTFOUND || (status >= 0 && st.kind != SHOAL_FILE_FOLDER)) {
    (void)shoal_fail(err, SHOAL_ENOTFOUND, "there is no Delta table at %s", text);
    shoal_hint(err, "a path in FROM is the folder of a Delta table, or a file that ends with .parquet, .csv or .json");
    return SHOAL_ENOTFOUND;
  }
  SHOAL_TRY(status);
  SHOAL_TRY(shoal_os_realpath(text, &s->arena, real, err));
  return shoal_session_allow(s, *real, err);
}

shoal_status shoal_path_allow(shoal_session *s, shoal_str sql, shoal_error *err) {
  shoal_lexer lexer = {.sql = sql};
  shoal_token t;
  shoal_error ignored;
  for (bool table = false; shoal_lexer_next(&lexer, &t);
       table = shoal_token_is(&t, "from") || shoal_token_is(&t, "join")) {
    char *real = NULL;
    if (!table || !shoal_at_is_path(&t))
      continue;
    shoal_status status = open_folder(s, shoal_str_sub(t.text, 1, t.text.len - 1), &real, &ignored);
    if (status == SHOAL_ENOMEM)
      return shoal_fail_nomem(err);
    s->filters = s->filters || (status >= 0 && shoal_sql_has_conditions(sql));
  }
  return SHOAL_OK; /* what is no folder may be a file, and is told of when it is read */
}

shoal_status shoal_session_ids_scan(const shoal_delta_table *table, int64_t version, shoal_query *q, shoal_scan *out,
                                    shoal_error *err) {
  if (!shoal_delta_asks_ids(q->job.sql))
    return SHOAL_DONE;
  shoal_delta_snapshot **snapshot = shoal_vec_add(&q->opened.snapshots);
  if (!snapshot)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_delta_snapshot_open(table, version, snapshot, err));
  return shoal_delta_ids_scan(table, *snapshot, &q->arena, out, err);
}

static shoal_status scan_folder(shoal_session *s, const char *real, const shoal_at *at, shoal_query *q, shoal_scan *out,
                                shoal_error *err) {
  shoal_delta_table table;
  int64_t version;
  shoal_store **store = shoal_vec_add(&q->opened.stores);
  shoal_delta_view **view = store ? shoal_vec_add(&q->opened.views) : NULL;
  if (!view)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_session_open_delta(s, real, store, &table, err));
  SHOAL_TRY(find_version(&table, at, &version, err));
  shoal_status status = shoal_session_ids_scan(&table, version, q, out, err);
  if (status != SHOAL_DONE)
    return status;
  SHOAL_TRY(shoal_delta_view_open(&table, version, view, err));
  return shoal_delta_view_scan(&table, *view, &q->arena, out, err);
}

shoal_status shoal_path_scan(shoal_session *s, shoal_str path, const shoal_at *at, shoal_query *q, shoal_scan *out,
                             shoal_error *err) {
  char *real = NULL;
  SHOAL_TRY(open_folder(s, path, &real, err));
  shoal_status status = scan_folder(s, real, at, q, out, err);
  if (status < 0)
    shoal_context(err, "%.*s", SHOAL_FMT(path));
  return status;
}
