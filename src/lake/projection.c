/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Projection: the Delta tables of a branch brought up to its state. Which tables are to be looked at follows from the
 * watermark: those that publications after it touched, and those that were pending. Each table is a commit of its own;
 * the watermark comes last. Anybody may do it, at any time, and for a process that died in the midst (invariant 5).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/thread.h"
#include "lake/object.h"
#include "lake/projection.h"

#define READ_AT_ONCE 256 /* publications */

/* ---- the report ---- */

void shoal_projection_warn(shoal_projection_report *report, const char *fmt, ...) {
  char text[1024];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  size_t n = strlen(text) + 1;
  char *copy = shoal_malloc(n);
  char **slot = copy ? shoal_vec_add(&report->warnings) : NULL;
  if (!slot) { /* a warning is not worth failing for */
    shoal_free(copy);
    return;
  }
  memcpy(copy, text, n);
  *slot = copy;
}

void shoal_projection_report_dispose(shoal_projection_report *report) {
  for (size_t i = 0; i < report->warnings.len; i++)
    shoal_free(report->warnings.ptr[i]);
  shoal_vec_dispose(&report->warnings);
}

/* ---- where tables are ---- */

shoal_status shoal_table_prefix(const shoal_lake *lake, shoal_str branch, shoal_str dataset, shoal_buf *out,
                                shoal_error *err) {
  shoal_arena arena = {0};
  shoal_str folder;
  shoal_status st = SHOAL_OK;
  if (!shoal_str_eq(branch, lake->trunk)) {
    st = shoal_branch_folder(branch, &arena, &folder, err);
    if (st == SHOAL_OK)
      shoal_buf_addf(out, "_branches/%.*s/", SHOAL_FMT(folder));
  }
  shoal_arena_dispose(&arena);
  return st == SHOAL_OK ? shoal_dataset_home(dataset, out, err) : st;
}

/* ---- which tables ---- */

/* Datasets to be looked at, each with the first and the last publication that touched it and is not projected. */
typedef struct touched {
  shoal_str name;
  int64_t first, last;
} touched;
typedef struct work {
  shoal_lake *lake;
  const shoal_state *state;
  shoal_arena arena;
  shoal_map by_name;
  SHOAL_VEC(touched) tables;
  SHOAL_VEC(shoal_pending) pending;
} work;

static shoal_status touch(work *w, shoal_str name, int64_t publication, shoal_error *err) {
  uint32_t at = shoal_map_get(&w->by_name, name);
  if (at != SHOAL_MAP_NONE) {
    w->tables.ptr[at].last = publication;
    return SHOAL_OK;
  }
  touched *t = shoal_vec_add(&w->tables);
  if (!t)
    return shoal_fail_nomem(err);
  *t = (touched){name, publication, publication};
  return shoal_map_put(&w->by_name, name, (uint32_t)(w->tables.len - 1), err);
}

static shoal_status touch_changes(work *w, const shoal_get *get, shoal_error *err) {
  yyjson_doc *doc = NULL;
  shoal_publication p;
  if (get->status != SHOAL_OK)
    return shoal_fail(err, get->status, "cannot read %s", get->key.ptr);
  SHOAL_TRY(shoal_object_parse(get->bytes, get->key.ptr, &doc, err));
  shoal_status st = shoal_publication_decode(yyjson_doc_get_root(doc), get->key.ptr, &w->arena, &p, err);
  for (size_t i = 0; st == SHOAL_OK && i < p.n_changes; i++)
    if (p.changes[i].kind != SHOAL_CHANGE_UNPIN && p.changes[i].kind != SHOAL_CHANGE_INHERIT)
      st = touch(w, p.changes[i].name, p.number, err);
  yyjson_doc_free(doc);
  return st;
}

/* Publications from … to. */
static shoal_status read_publications(work *w, int64_t from, int64_t to, shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_buf key = {0};
  size_t n = (size_t)(to - from + 1);
  shoal_get *gets = SHOAL_NEW_ARRAY(&scratch, shoal_get, n);
  shoal_status st = gets ? SHOAL_OK : shoal_fail_nomem(err);
  for (size_t i = 0; i < n && st == SHOAL_OK; i++) {
    shoal_buf_clear(&key);
    st = shoal_branch_entry_key(w->state->branch, from + (int64_t)i, &key, err);
    if (st == SHOAL_OK && !(gets[i].key = shoal_arena_str(&scratch, shoal_buf_str(&key))).ptr)
      st = shoal_fail_nomem(err);
  }
  if (st == SHOAL_OK)
    st = shoal_store_get_many(w->lake->store, gets, n, &scratch, err);
  for (size_t i = 0; i < n && st == SHOAL_OK; i++)
    st = touch_changes(w, &gets[i], err);
  shoal_buf_dispose(&key);
  shoal_arena_dispose(&scratch);
  return st;
}

static shoal_status find_touched(work *w, const shoal_watermark *mark, shoal_error *err) {
  for (size_t i = 0; i < mark->n_pending; i++)
    SHOAL_TRY(touch(w, mark->pending[i].name, mark->pending[i].since, err));
  for (int64_t from = mark->publication < 0 ? 1 : mark->publication + 1; from <= w->state->publication;) {
    int64_t to = from + READ_AT_ONCE - 1 < w->state->publication ? from + READ_AT_ONCE - 1 : w->state->publication;
    SHOAL_TRY(read_publications(w, from, to, err));
    from = to + 1;
  }
  return SHOAL_OK;
}

/* ---- doing it ---- */

/* Trouble with one table, which the others need not wait for. */
static bool concerns_one_table(shoal_status st) {
  return st == SHOAL_ECONFLICT || st == SHOAL_ECORRUPT || st == SHOAL_EUNSUPPORTED || st == SHOAL_EBUSY ||
         st == SHOAL_ENOTFOUND || st == SHOAL_EINVAL || st == SHOAL_ELIMIT;
}

/* What came of one table. */
typedef struct outcome {
  shoal_status status;
  shoal_error *error; /* malloced, where the status is a failure */
  shoal_projection_report report;
} outcome;

/* Tables are handed out to the threads one by one. */
typedef struct crew {
  work *w;
  outcome *outcomes; /* one for each table */
  shoal_mutex lock;
  size_t next;
  bool stop;
  shoal_mutex engine_lock;
} crew;

static shoal_status project_one(crew *c, size_t i, shoal_error *err) {
  const touched *t = &c->w->tables.ptr[i];
  const shoal_entry *e = shoal_state_find(c->w->state, t->name);
  shoal_table_job job = {.lake = c->w->lake,
                         .state = c->w->state,
                         .name = t->name,
                         .entry = e && e->local && !e->result.codec.ptr ? e : NULL, /* an object has no table */
                         .publication = e && e->local ? e->publication : t->last,
                         .report = &c->outcomes[i].report,
                         .engine_lock = &c->engine_lock};
  return shoal_table_project(&job, err);
}

static bool take_table(crew *c, size_t *i) {
  shoal_mutex_lock(&c->lock);
  bool more = !c->stop && c->next < c->w->tables.len;
  *i = c->next;
  c->next += more;
  shoal_mutex_unlock(&c->lock);
  return more;
}

static void work_on(void *arg) {
  crew *c = arg;
  size_t i;
  while (take_table(c, &i)) {
    shoal_error err = {0};
    shoal_status st = project_one(c, i, &err);
    c->outcomes[i].status = st;
    if (st == SHOAL_OK)
      continue;
    c->outcomes[i].error = shoal_malloc(sizeof err);
    if (c->outcomes[i].error)
      *c->outcomes[i].error = err;
    if (concerns_one_table(st))
      continue;
    shoal_mutex_lock(&c->lock);
    c->stop = true;
    shoal_mutex_unlock(&c->lock);
  }
}

#define TABLES_EACH 8 /* fewer are not worth a thread */
#define MAX_PROJECTORS 16

static void work_together(crew *c) {
  shoal_thread threads[MAX_PROJECTORS] = {0};
  size_t n = c->w->tables.len / TABLES_EACH, most = c->w->lake->projectors;
  n = n > most ? most : n;
  for (size_t i = 1; i < n && i < MAX_PROJECTORS; i++)
    if (shoal_thread_start(&threads[i], work_on, c, NULL) < 0)
      break; /* those that run do it all */
  work_on(c);
  for (size_t i = 1; i < MAX_PROJECTORS; i++)
    shoal_thread_join(&threads[i]);
}

static void move_report(shoal_projection_report *from, shoal_projection_report *to) {
  to->tables += from->tables;
  to->unchanged += from->unchanged;
  for (size_t i = 0; i < from->warnings.len; i++) {
    shoal_projection_warn(to, "%s", from->warnings.ptr[i]);
    shoal_free(from->warnings.ptr[i]);
  }
  shoal_vec_dispose(&from->warnings);
}

static shoal_status put_off(work *w, const touched *t, shoal_error *err) {
  shoal_pending *p = shoal_vec_add(&w->pending);
  if (!p)
    return shoal_fail_nomem(err);
  *p = (shoal_pending){t->name, t->first};
  return SHOAL_OK;
}

/* The first table's trouble is what the caller hears, together with how many share it. */
static shoal_status judge(work *w, const outcome *outcomes, shoal_projection_report *report, shoal_status *trouble,
                          shoal_error *err) {
  for (size_t i = 0; i < w->tables.len; i++) {
    const outcome *o = &outcomes[i];
    if (o->status == SHOAL_OK)
      continue;
    if (!o->error)
      return shoal_fail_nomem(err);
    if (!concerns_one_table(o->status)) {
      if (err)
        *err = *o->error;
      return o->status;
    }
    SHOAL_TRY(put_off(w, &w->tables.ptr[i], err));
    if (w->pending.len > 1)
      shoal_projection_warn(report, "%s", o->error->message);
    else if (err)
      *err = *o->error;
    *trouble = w->pending.len > 1 ? *trouble : o->status;
  }
  if (w->pending.len > 1)
    shoal_context(err, "this and %zu more tables are left behind", w->pending.len - 1);
  return SHOAL_OK;
}

static shoal_status project_tables(work *w, shoal_projection_report *report, shoal_status *trouble, shoal_error *err) {
  crew c = {.w = w, .outcomes = shoal_calloc(w->tables.len + 1, sizeof *c.outcomes)};
  if (!c.outcomes)
    return shoal_fail_nomem(err);
  shoal_mutex_init(&c.lock);
  shoal_mutex_init(&c.engine_lock);
  work_together(&c);
  shoal_mutex_dispose(&c.engine_lock);
  shoal_mutex_dispose(&c.lock);
  for (size_t i = 0; i < w->tables.len; i++)
    move_report(&c.outcomes[i].report, report);
  shoal_status st = judge(w, c.outcomes, report, trouble, err);
  for (size_t i = 0; i < w->tables.len; i++)
    shoal_free(c.outcomes[i].error);
  shoal_free(c.outcomes);
  return st;
}

static bool same_pending(const work *w, const shoal_watermark *mark) {
  if (w->pending.len != mark->n_pending)
    return false;
  for (size_t i = 0; i < mark->n_pending; i++)
    if (!shoal_str_eq(w->pending.ptr[i].name, mark->pending[i].name))
      return false;
  return true;
}

/* Others have projected beyond the caller's state: pending tables can only be judged by a state as new as theirs. */
static shoal_status catch_up(work *w, const shoal_watermark *mark, shoal_state **newer, shoal_error *err) {
  if (w->state->publication >= mark->publication || mark->n_pending == 0)
    return SHOAL_OK;
  SHOAL_TRY(shoal_branch_load(w->lake, w->state->branch, -1, newer, err));
  w->state = *newer;
  return SHOAL_OK;
}

static shoal_status project(work *w, shoal_state **newer, shoal_projection_report *report, shoal_error *err) {
  shoal_watermark mark;
  shoal_status trouble = SHOAL_OK;
  SHOAL_TRY(shoal_watermark_read(w->lake, w->state->branch, &w->arena, &mark, err));
  SHOAL_TRY(catch_up(w, &mark, newer, err));
  if (w->state->publication < mark.publication)
    return SHOAL_OK;
  SHOAL_TRY(find_touched(w, &mark, err));
  SHOAL_TRY(project_tables(w, report, &trouble, err));
  if (w->state->publication > mark.publication || !same_pending(w, &mark)) {
    shoal_watermark next = {w->state->publication, w->pending.ptr, w->pending.len};
    SHOAL_TRY(shoal_watermark_write(w->lake, w->state->branch, &next, trouble == SHOAL_OK ? err : NULL));
  }
  return trouble;
}

shoal_status shoal_project(shoal_lake *lake, const shoal_state *state, shoal_projection_report *report,
                           shoal_error *err) {
  work w = {.lake = lake, .state = state};
  shoal_state *newer = NULL;
  *report = (shoal_projection_report){0};
  shoal_status st = project(&w, &newer, report, err);
  if (st < 0)
    shoal_context(err, "bringing the tables up to publication %lld", (long long)state->publication);
  shoal_vec_dispose(&w.pending);
  shoal_vec_dispose(&w.tables);
  shoal_map_dispose(&w.by_name);
  shoal_arena_dispose(&w.arena);
  shoal_state_free(newer);
  return st;
}
