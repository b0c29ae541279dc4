/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A clock that stands still, and chance that repeats. The engine's time is that of its transaction and can't be set,
 * but temporary macros take precedence over its functions, in the words current_timestamp and its like too. They are
 * the transaction's, so they go with the job. Chance is the connection's generator: setseed starts it anew, and with
 * one thread it is drawn from in one order.
 */
#include "base/str.h"
#include "engine/duckdb_internal.h"

/* %s is a TIMESTAMP in UTC, which is what the engine's time zone is set to. */
static const struct {
  const char *name, *parameter, *body;
} clocks[] = {{"now", "", "(%s AT TIME ZONE 'UTC')"},
              {"get_current_timestamp", "", "(%s AT TIME ZONE 'UTC')"},
              {"transaction_timestamp", "", "(%s AT TIME ZONE 'UTC')"},
              {"current_localtimestamp", "", "%s"},
              {"current_date", "", "%s::DATE"},
              {"today", "", "%s::DATE"},
              {"get_current_time", "", "%s::TIME::TIMETZ"},
              {"current_localtime", "", "%s::TIME"},
              {"ago", "i", "(%s AT TIME ZONE 'UTC') - CAST(i AS INTERVAL)"}};

static bool is_projects(const shoal_job *job, const char *name) {
  for (size_t i = 0; i < job->n_macros; i++)
    if (shoal_str_ieq(shoal_duckdb_macro_name(job->macros[i]), shoal_str_z(name)))
      return true;
  return false;
}

static void add_body(shoal_buf *sql, const char *body, int64_t now_us) {
  shoal_str text = shoal_str_z(body);
  size_t at = (size_t)shoal_str_find(text, SHOAL_STR("%s"));
  shoal_buf_add(sql, shoal_str_sub(text, 0, at));
  shoal_buf_addf(sql, "make_timestamp(%lld)", (long long)now_us);
  shoal_buf_add(sql, shoal_str_sub(text, at + 2, text.len));
}

shoal_status shoal_duckdb_fix(shoal_duckdb *d, const shoal_job *job, shoal_error *err) {
  shoal_buf sql = {0};
  for (size_t i = 0; job->clock_fixed && i < sizeof clocks / sizeof *clocks; i++) {
    if (is_projects(job, clocks[i].name))
      continue;
    shoal_buf_addf(&sql, "CREATE TEMP MACRO %s(%s) AS ", clocks[i].name, clocks[i].parameter);
    add_body(&sql, clocks[i].body, job->now_us);
    shoal_buf_addz(&sql, "; ");
  }
  if (job->seeded) /* from -1 to 1 */
    shoal_buf_addf(&sql, "SELECT setseed(%.17g); ", (double)job->seed / 4294967295.0 * 2 - 1);
  shoal_status status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK && sql.len)
    status = shoal_duckdb_run(d, shoal_buf_z(&sql), err);
  if (status < 0)
    shoal_context(err, "while fixing clock and chance: ");
  shoal_buf_dispose(&sql);
  return status;
}
