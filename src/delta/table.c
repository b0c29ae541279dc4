/* SPDX-License-Identifier: Apache-2.0 */
/* include/shoal/delta.h: tables in folders for programs that know nothing of stores, engines and snapshots. */
#include "shoal/delta.h"

#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/thread.h"
#include "delta/changes.h"
#include "delta/table.h"
#include "engine/lexer.h"

/* ---- engines ---- */

/* The engine that the last stream was done with, for the next one: the handle and each stream have a share in it. */
struct shoal_table_idle {
  shoal_mutex mutex;
  size_t shares;
  bool closed; /* by the handle: there is no next one */
  shoal_engine *engine;
};

static shoal_status new_idle(shoal_table_idle **out, shoal_error *err) {
  *out = shoal_calloc(1, sizeof **out);
  if (!*out)
    return shoal_fail_nomem(err);
  shoal_mutex_init(&(*out)->mutex);
  (*out)->shares = 1;
  return SHOAL_OK;
}

static void leave_idle(shoal_table_idle *idle, bool handle) {
  shoal_engine *engine = NULL;
  if (!idle)
    return;
  shoal_mutex_lock(&idle->mutex);
  bool last = --idle->shares == 0;
  idle->closed = idle->closed || handle;
  if (idle->closed) {
    engine = idle->engine;
    idle->engine = NULL;
  }
  shoal_mutex_unlock(&idle->mutex);
  shoal_engine_free(engine);
  if (!last)
    return;
  shoal_mutex_dispose(&idle->mutex);
  shoal_free(idle);
}

static shoal_engine *take_idle(shoal_table_idle *idle) {
  shoal_mutex_lock(&idle->mutex);
  shoal_engine *engine = idle->engine;
  idle->engine = NULL;
  idle->shares++;
  shoal_mutex_unlock(&idle->mutex);
  return engine;
}

static void give_idle(shoal_table_idle *idle, shoal_engine *engine) {
  shoal_mutex_lock(&idle->mutex);
  if (!idle->closed && !idle->engine) {
    idle->engine = engine;
    engine = NULL;
  }
  shoal_mutex_unlock(&idle->mutex);
  shoal_engine_free(engine);
}

/* An engine that may touch the table's folder, nothing else. */
static shoal_status open_engine(const shoal_table *t, bool plans, shoal_engine **out, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_str allowed = shoal_str_z(shoal_arena_printf(&arena, "%s/", t->folder));
  const shoal_engine_config config = {.allowed = &allowed, .n_allowed = 1, .locked = true, .plans = plans};
  shoal_status status = allowed.ptr ? shoal_engine_open_duckdb(&config, out, err) : shoal_fail_nomem(err);
  shoal_arena_dispose(&arena);
  return status;
}

shoal_status shoal_table_engine(shoal_table *t, shoal_engine **out, shoal_error *err) {
  shoal_status status = t->engine ? SHOAL_OK : open_engine(t, false, &t->engine, err);
  *out = t->engine;
  return status;
}

static shoal_status get_engine(void *arg, shoal_engine **out, shoal_error *err) {
  return shoal_table_engine(arg, out, err);
}

shoal_status shoal_table_open(const char *folder, shoal_table **out, shoal_error *err) {
  char *real = NULL;
  *out = NULL;
  shoal_table *t = shoal_calloc(1, sizeof *t);
  if (!t)
    return shoal_fail_nomem(err);
  shoal_status status = new_idle(&t->idle, err);
  if (status == SHOAL_OK)
    status = shoal_store_open_file(folder, true, &t->store, err);
  if (status == SHOAL_OK)
    status = shoal_os_realpath(folder, &t->arena, &real, err);
  t->folder = real;
  char *cache = shoal_os_cache_folder(&t->arena);
  t->table = (shoal_delta_table){.store = t->store,
                                 .prefix = SHOAL_STR(""),
                                 .get_engine = get_engine,
                                 .engine_arg = t,
                                 .head = &t->head,
                                 .cache = cache ? shoal_arena_printf(&t->arena, "%s/delta", cache) : NULL};
  if (status < 0)
    shoal_table_close(t);
  else
    *out = t;
  return status;
}

void shoal_table_close(shoal_table *t) {
  if (!t)
    return;
  shoal_delta_snapshot_free(t->head);
  shoal_engine_free(t->engine);
  leave_idle(t->idle, true);
  shoal_store_free(t->store);
  shoal_arena_dispose(&t->arena);
  shoal_free(t);
}

shoal_status shoal_table_version(shoal_table *t, int64_t *out, shoal_error *err) {
  return shoal_delta_latest(&t->table, -1, out, err);
}

/* ---- reading ---- */

/* What a stream's rows rest on. */
typedef struct table_stream {
  struct ArrowArrayStream rows; /* the engine's */
  shoal_table_idle *idle;       /* a share, which comes with the engine */
  shoal_engine *engine;
  shoal_delta_view *view;
  shoal_delta_snapshot *snapshot;
  shoal_delta_changes changes;
  shoal_arena arena;
} table_stream;

static void free_stream(table_stream *s) {
  if (s->rows.release)
    s->rows.release(&s->rows);
  if (s->idle && s->engine)
    give_idle(s->idle, s->engine);
  leave_idle(s->idle, false);
  shoal_delta_view_free(s->view);
  shoal_delta_snapshot_free(s->snapshot);
  shoal_delta_changes_dispose(&s->changes);
  shoal_arena_dispose(&s->arena);
  shoal_free(s);
}

static int stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  table_stream *s = stream->private_data;
  return s->rows.get_schema(&s->rows, out);
}

static int stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  table_stream *s = stream->private_data;
  return s->rows.get_next(&s->rows, out);
}

static const char *stream_error(struct ArrowArrayStream *stream) {
  table_stream *s = stream->private_data;
  return s->rows.get_last_error(&s->rows);
}

static void stream_release(struct ArrowArrayStream *stream) {
  free_stream(stream->private_data);
  stream->release = NULL;
}

static shoal_status stream_engine(shoal_table *t, bool plans, table_stream *s, shoal_error *err) {
  s->idle = t->idle;
  s->engine = take_idle(t->idle);
  return s->engine ? SHOAL_OK : open_engine(t, plans, &s->engine, err);
}

static shoal_status start_scan(shoal_table *t, int64_t version, const char *query, table_stream *s, shoal_error *err) {
  shoal_scan *scan = SHOAL_NEW(&s->arena, shoal_scan);
  shoal_str sql = shoal_arena_str(&s->arena, shoal_str_z(query ? query : "SELECT * FROM t"));
  if (!scan || !sql.ptr)
    return shoal_fail_nomem(err);
  shoal_status status = SHOAL_DONE;
  if (shoal_delta_asks_ids(sql)) {
    SHOAL_TRY(shoal_delta_snapshot_open(&t->table, version, &s->snapshot, err));
    status = shoal_delta_ids_scan(&t->table, s->snapshot, &s->arena, scan, err);
    SHOAL_TRY(status);
  }
  if (status == SHOAL_DONE) {
    SHOAL_TRY(shoal_delta_view_open(&t->table, version, &s->view, err));
    SHOAL_TRY(shoal_delta_view_scan(&t->table, s->view, &s->arena, scan, err));
  }
  SHOAL_TRY(stream_engine(t, shoal_sql_has_conditions(sql), s, err));
  const shoal_input input = {SHOAL_STR("t"), scan};
  const shoal_job job = {.sql = sql, .inputs = &input, .n_inputs = 1};
  return shoal_engine_stream(s->engine, &job, &s->rows, err);
}

static shoal_status start_changes(shoal_table *t, int64_t from, int64_t to, table_stream *s, shoal_error *err) {
  SHOAL_TRY(shoal_delta_changes_open(&t->table, from, to, &s->arena, &s->changes, err));
  SHOAL_TRY(stream_engine(t, false, s, err));
  return shoal_engine_stream(s->engine, &s->changes.job, &s->rows, err);
}

/* Gives a stream that has begun to the caller. */
static shoal_status give(table_stream *s, shoal_status status, struct ArrowArrayStream *out) {
  if (status < 0) {
    s->rows.release = NULL; /* it never began */
    free_stream(s);
    return status;
  }
  *out = (struct ArrowArrayStream){stream_schema, stream_next, stream_error, stream_release, s};
  return SHOAL_OK;
}

shoal_status shoal_table_scan(shoal_table *t, int64_t version, const char *query, struct ArrowArrayStream *out,
                              shoal_error *err) {
  memset(out, 0, sizeof *out);
  table_stream *s = shoal_calloc(1, sizeof *s);
  return s ? give(s, start_scan(t, version, query, s, err), out) : shoal_fail_nomem(err);
}

shoal_status shoal_table_changes(shoal_table *t, int64_t from, int64_t to, struct ArrowArrayStream *out,
                                 shoal_error *err) {
  memset(out, 0, sizeof *out);
  table_stream *s = shoal_calloc(1, sizeof *s);
  return s ? give(s, start_changes(t, from, to, s, err), out) : shoal_fail_nomem(err);
}
