/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a query whose rows are streamed has failed. When a thread of the engine fails while its rows are being fetched,
 * DuckDB 1.5.5 often says no more than that it was interrupted: the fetching call looks whether the query was
 * interrupted before it looks for an error, and failing interrupts. So the query is asked again, gathered, where the
 * engine tells; its rows are only hashed, which needs all of them and keeps none. The job's statements are recorded
 * for that, since the failure has undone its views and macros.
 */
#include "base/str.h"
#include "engine/duckdb_internal.h"

void shoal_duckdb_record(shoal_duckdb *d, const char *sql) {
  if (!d->recording)
    return;
  shoal_buf_addz(&d->made, sql);
  shoal_buf_addz(&d->made, "\n;\n");
}

shoal_status shoal_duckdb_streamed(shoal_duckdb *d, shoal_str body, size_t n, shoal_error *err) {
  d->streamed = shoal_arena_str(&d->job_arena, body);
  d->n_streamed = n;
  return d->streamed.ptr ? SHOAL_OK : shoal_fail_nomem(err);
}

static bool reads_stream(const shoal_duckdb *d) {
  bool any = false;
  for (size_t i = 0; i < d->n_scans; i++)
    any = any || d->scans[i].format == SHOAL_SCAN_ARROW; /* is read once */
  return any;
}

/* SELECT bit_xor(hash(q)) FROM (SELECT * FROM (body) AS b(c0, …)) AS q */
static shoal_status add_hash_query(const shoal_duckdb *d, shoal_buf *sql, shoal_duckdb_place *place, shoal_error *err) {
  shoal_buf_addz(sql, "SELECT bit_xor(hash(q)) FROM (SELECT * FROM (");
  *place = (shoal_duckdb_place){.sql = d->streamed, .offset = sql->len};
  shoal_buf_add(sql, d->streamed);
  shoal_buf_addz(sql, "\n) AS b(");
  for (size_t i = 0; i < d->n_streamed; i++)
    shoal_buf_addf(sql, i ? ", c%zu" : "c%zu", i);
  shoal_buf_addz(sql, ")) AS q");
  return shoal_buf_check(sql, err);
}

static shoal_status ask(shoal_duckdb *d, shoal_error *err) {
  shoal_duckdb_place place;
  duckdb_result result = {0};
  shoal_buf sql = {0};
  SHOAL_TRY(shoal_duckdb_run(d, "ROLLBACK", err));
  SHOAL_TRY(shoal_duckdb_run(d, "BEGIN TRANSACTION", err));
  if (d->made.len)
    SHOAL_TRY(shoal_duckdb_run(d, shoal_buf_z(&d->made), err));
  shoal_status status = add_hash_query(d, &sql, &place, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_query_watched(d, shoal_buf_z(&sql), place, &result, err);
  d->api->destroy_result(&result);
  shoal_buf_dispose(&sql);
  return status;
}

shoal_status shoal_duckdb_ask_again(shoal_duckdb *d, shoal_error *err) {
  shoal_status status = SHOAL_OK;
  if (!reads_stream(d) && d->streamed.ptr && shoal_buf_check(&d->made, err) == SHOAL_OK)
    status = ask(d, err);
  if (status < 0)
    return status;
  shoal_fail(err, SHOAL_EENGINE, "the query failed in one of the engine's threads, which does not say why");
  shoal_hint(err, "run it again, perhaps with one thread (shoal.yaml: engine)");
  return SHOAL_EENGINE;
}
