/* SPDX-License-Identifier: Apache-2.0 */
/* Reading by name: the datasets and sources a SQL text names, at a state of a branch, as an engine's inputs. */
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "code/sql.h"
#include "session/at.h"
#include "session/path.h"

static const shoal_entry *find_entry(const shoal_state *at, shoal_str name, shoal_arena *arena) {
  if (shoal_str_chr(name, '.') >= 0)
    return shoal_state_find(at, name);
  char *full = shoal_arena_printf(arena, "main.%.*s", SHOAL_FMT(name));
  return full ? shoal_state_find(at, shoal_str_z(full)) : NULL;
}

static shoal_status no_dataset(const shoal_session *s, const shoal_state *at, shoal_str name, shoal_error *err) {
  if (s->outside) {
    (void)shoal_fail(err, SHOAL_ENOTFOUND, "there is no dataset %.*s: no shoal.yaml is here or above %s",
                     SHOAL_FMT(name), s->outside);
    shoal_hint(err, "a Delta table or a file is read by its path: FROM './%.*s'; -C DIR points to a project",
               SHOAL_FMT(name));
    return SHOAL_ENOTFOUND;
  }
  ptrdiff_t best = -1;
  unsigned distance = (unsigned)(name.len & 0xff) / 3 + 1;
  for (size_t i = 0; i < at->n_entries; i++) {
    unsigned d = shoal_str_distance(name, at->entries[i].name, distance);
    if (d < distance) {
      distance = d;
      best = (ptrdiff_t)i;
    }
  }
  (void)shoal_fail(err, SHOAL_ENOTFOUND, "there is no dataset %.*s on %.*s", SHOAL_FMT(name), SHOAL_FMT(at->branch));
  if (best >= 0)
    shoal_hint(err, "did you mean %.*s?", SHOAL_FMT(at->entries[best].name));
  else
    shoal_hint(err, at->n_entries ? "shoal ls shows what there is" : "nothing has been published yet: shoal run");
  return SHOAL_ENOTFOUND;
}

static shoal_status add_result(shoal_session *s, const shoal_result *r, shoal_query *q, shoal_scan *scan,
                               shoal_error *err) {
  shoal_delta_snapshot **snapshot = shoal_vec_add(&q->opened.snapshots);
  if (!snapshot)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_result_open(s->lake, r, snapshot, err));
  return shoal_result_scan(s->lake, r, *snapshot, &q->arena, scan, err);
}

/* SHOAL_DONE: the query does not ask for them, or the source has none. */
static shoal_status add_ids(shoal_session *s, size_t source, shoal_query *q, shoal_scan *scan, shoal_error *err) {
  const shoal_external *x = &s->externals[source];
  shoal_delta_table table;
  if (s->config.sources[source].kind == SHOAL_SOURCE_FILES || !shoal_delta_asks_ids(q->job.sql))
    return SHOAL_DONE;
  shoal_store **store = shoal_vec_add(&q->opened.stores);
  if (!store)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_session_open_delta(s, x->table_path.ptr, store, &table, err));
  return shoal_session_ids_scan(&table, x->version, q, scan, err);
}

static shoal_status add_input(shoal_session *s, const shoal_state *at, shoal_str name, shoal_query *q, shoal_input *in,
                              shoal_error *err) {
  shoal_scan *scan = SHOAL_NEW(&q->arena, shoal_scan);
  const shoal_entry *e = find_entry(at, name, &q->arena);
  if (!scan)
    return shoal_fail_nomem(err);
  *in = (shoal_input){name, scan};
  if (e)
    return add_result(s, &e->result, q, scan, err);
  if (shoal_str_chr(name, '/') >= 0) {
    SHOAL_TRY(shoal_path_spelled(q->job.sql, name, &q->arena, &in->name, err));
    return shoal_path_scan(s, in->name, NULL, q, scan, err);
  }
  for (size_t i = 0; s->root && i < s->config.n_sources; i++)
    if (shoal_str_eq(s->config.sources[i].name, name)) {
      SHOAL_TRY(shoal_session_scan(s, err)); /* knows the files */
      shoal_status status = add_ids(s, i, q, scan, err);
      if (status != SHOAL_DONE)
        return status;
      return shoal_session_source_scan(s, i, &q->opened, &q->arena, scan, err);
    }
  return no_dataset(s, at, name, err);
}

static void reach(const shoal_session *s, const shoal_str *functions, size_t n, bool *seen) {
  for (size_t m = 0; m < s->n_macros; m++)
    for (size_t f = 0; f < n && !seen[m]; f++)
      if (shoal_str_eq(functions[f], s->macros[m].name)) {
        seen[m] = true;
        reach(s, s->macros[m].functions, s->macros[m].n_functions, seen);
      }
}

/* The project's macros that the query calls. The project is scanned only if it has any. */
static shoal_status add_macros(shoal_session *s, const shoal_sql_form *form, shoal_query *q, shoal_error *err) {
  shoal_stat st;
  uint32_t n = 0;
  char *folder = s->root ? shoal_arena_printf(&q->arena, "%s/macros", s->root) : NULL;
  if (!folder || form->n_functions == 0 || shoal_os_stat(folder, &st, NULL) < 0)
    return SHOAL_OK;
  SHOAL_TRY(shoal_session_scan(s, err));
  bool *seen = SHOAL_NEW_ARRAY(&q->arena, bool, s->n_macros);
  uint32_t *macros = SHOAL_NEW_ARRAY(&q->arena, uint32_t, s->n_macros);
  if (!seen || !macros)
    return shoal_fail_nomem(err);
  reach(s, form->functions, form->n_functions, seen);
  for (uint32_t i = 0; i < s->n_macros; i++)
    if (seen[i])
      macros[n++] = i;
  return shoal_session_order_macros(s, macros, n, &q->arena, &q->job.macros, &q->job.n_macros, err);
}

static shoal_status parse(shoal_session *s, shoal_query *q, shoal_sql_form *form, shoal_error *err) {
  shoal_engine *engine;
  shoal_buf json = {0};
  SHOAL_TRY(shoal_session_engine(s, &engine, err));
  shoal_status status = shoal_engine_parse(engine, q->job.sql, &json, err);
  if (status >= 0)
    status = shoal_sql_references(q->job.sql, shoal_buf_str(&json), &q->arena, form, err);
  shoal_buf_dispose(&json);
  return status;
}

static bool has_at(const shoal_sql_form *form) {
  for (size_t i = 0; i < form->n_refs; i++)
    if (form->refs[i].at.ptr)
      return true;
  return false;
}

/* Names what is read AT some other time by itself, and reads the text again. */
static shoal_status take_ats(shoal_session *s, shoal_query *q, shoal_sql_form *form, shoal_at **ats, size_t *n,
                             shoal_error *err) {
  *ats = NULL;
  *n = 0;
  if (!has_at(form))
    return SHOAL_OK;
  SHOAL_TRY(shoal_at_rewrite(q->job.sql, &q->arena, &q->job.sql, ats, n, err));
  SHOAL_TRY(parse(s, q, form, err));
  if (!has_at(form))
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_EINVAL, "AT takes a constant version or time");
  shoal_hint(err, "write gold.delays AT (VERSION => 3) or AT (TIMESTAMP => '2026-01-31 14:00')");
  return SHOAL_EINVAL;
}

/* An input under the name the text has for it now, as it was at the clause's time. */
static shoal_status add_at(shoal_session *s, const shoal_state *base, const shoal_at *a, shoal_query *q,
                           shoal_input *in, shoal_error *err) {
  shoal_state *then = NULL;
  if (a->is_path) {
    shoal_scan *scan = SHOAL_NEW(&q->arena, shoal_scan);
    *in = (shoal_input){a->input, scan};
    return scan ? shoal_path_scan(s, a->dataset, a, q, scan, err) : shoal_fail_nomem(err);
  }
  shoal_status status = shoal_at_state(s, base, a, &then, err);
  if (status >= 0 && !find_entry(then, a->dataset, &q->arena)) {
    status = shoal_fail(err, SHOAL_ENOTFOUND, "there was no dataset %.*s on %.*s %s %.*s", SHOAL_FMT(a->dataset),
                        SHOAL_FMT(base->branch), a->is_time ? "at" : "in version", SHOAL_FMT(a->value));
    shoal_hint(err, "shoal log %.*s shows its publications; a source has no versions here", SHOAL_FMT(a->dataset));
  }
  if (status >= 0)
    status = add_input(s, then, a->dataset, q, in, err);
  in->name = a->input;
  shoal_state_free(then);
  return status;
}

static const shoal_at *find_at(const shoal_at *ats, size_t n, shoal_str input) {
  for (size_t i = 0; i < n; i++)
    if (shoal_str_ieq(ats[i].input, input)) /* a path keeps its capitals */
      return &ats[i];
  return NULL;
}

static shoal_status fill(shoal_session *s, const shoal_state *at, shoal_query *q, shoal_error *err) {
  shoal_sql_form form;
  shoal_at *ats;
  size_t n_ats;
  SHOAL_TRY(shoal_session_configure(s, err));
  SHOAL_TRY(shoal_session_open_lake(s, false, err));
  SHOAL_TRY(shoal_path_allow(s, q->job.sql, err));
  SHOAL_TRY(parse(s, q, &form, err));
  SHOAL_TRY(take_ats(s, q, &form, &ats, &n_ats, err));
  SHOAL_TRY(add_macros(s, &form, q, err));
  shoal_input *inputs = SHOAL_NEW_ARRAY(&q->arena, shoal_input, form.n_refs);
  shoal_variable *vars = SHOAL_NEW_ARRAY(&q->arena, shoal_variable, s->config.n_vars);
  if (!inputs || !vars)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < form.n_refs; i++) {
    const shoal_at *a = find_at(ats, n_ats, form.refs[i].name);
    SHOAL_TRY(a ? add_at(s, at, a, q, &inputs[i], err) : add_input(s, at, form.refs[i].name, q, &inputs[i], err));
  }
  for (size_t i = 0; i < s->config.n_vars; i++)
    vars[i] = (shoal_variable){s->config.vars[i].name, s->config.vars[i].value, s->config.vars[i].quoted};
  q->job.inputs = inputs;
  q->job.n_inputs = form.n_refs;
  q->job.variables = vars;
  q->job.n_variables = s->config.n_vars;
  return SHOAL_OK;
}

shoal_status shoal_session_query(shoal_session *s, const shoal_state *at, shoal_str sql, shoal_query *out,
                                 shoal_error *err) {
  *out = (shoal_query){0};
  out->job.sql = shoal_arena_str(&out->arena, sql);
  shoal_status status = out->job.sql.ptr ? fill(s, at, out, err) : shoal_fail_nomem(err);
  if (status < 0)
    shoal_query_dispose(out);
  return status;
}

static shoal_status fill_results(shoal_session *s, const shoal_str *names, const shoal_result *const *results, size_t n,
                                 shoal_query *q, shoal_error *err) {
  shoal_input *inputs = SHOAL_NEW_ARRAY(&q->arena, shoal_input, n);
  shoal_scan *scans = SHOAL_NEW_ARRAY(&q->arena, shoal_scan, n);
  if (!inputs || !scans)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++) {
    inputs[i] = (shoal_input){names[i], &scans[i]};
    SHOAL_TRY(add_result(s, results[i], q, &scans[i], err));
  }
  q->job.inputs = inputs;
  q->job.n_inputs = n;
  return SHOAL_OK;
}

shoal_status shoal_session_query_results(shoal_session *s, const shoal_str *names, const shoal_result *const *results,
                                         size_t n, shoal_str sql, shoal_query *out, shoal_error *err) {
  *out = (shoal_query){0};
  out->job.sql = shoal_arena_str(&out->arena, sql);
  shoal_status status = out->job.sql.ptr ? fill_results(s, names, results, n, out, err) : shoal_fail_nomem(err);
  if (status < 0)
    shoal_query_dispose(out);
  return status;
}

void shoal_query_dispose(shoal_query *q) {
  shoal_opened_dispose(&q->opened);
  shoal_arena_dispose(&q->arena);
  *q = (shoal_query){0};
}
