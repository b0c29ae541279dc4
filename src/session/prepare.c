/* SPDX-License-Identifier: Apache-2.0 */
/* What a task needs: text, inputs, macros, variables, and the provenance that goes into its result. */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "code/functions.h"
#include "session/session.h"

#define MAX_LISTED_FILES 10000 /* of a source in provenance; beyond, only the key tells */

static void write_hash(shoal_jw *w, const char *key, const shoal_hash *h) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_hash_hex(h, hex);
  shoal_jw_kz(w, key, hex);
}

static void write_files(shoal_jw *w, const shoal_external *x) {
  shoal_jw_key(w, "files");
  shoal_jw_arr(w);
  for (size_t i = 0; i < x->n_paths && i < MAX_LISTED_FILES; i++) {
    shoal_jw_obj(w);
    shoal_jw_kstr(w, "path", x->paths[i]);
    write_hash(w, "hash", &x->hashes[i]);
    shoal_jw_end(w);
  }
  shoal_jw_end(w);
  shoal_jw_ki64(w, "n_files", (int64_t)x->n_paths);
}

static void write_input(const shoal_session *s, shoal_jw *w, const shoal_edge *e) {
  static const char *const kinds[] = {"model", "source", "lake"};
  const shoal_node *p = &s->graph->nodes[e->parent];
  shoal_jw_obj(w);
  shoal_jw_kstr(w, "role", e->role);
  shoal_jw_kstr(w, "name", p->name);
  shoal_jw_kz(w, "kind", kinds[p->kind]);
  write_hash(w, "key", &p->key);
  if (p->kind == SHOAL_NODE_SOURCE) {
    const shoal_external *x = &s->externals[p->file_key];
    shoal_jw_ki64(w, "line", p->source->line);
    if (x->table_id.ptr) {
      shoal_jw_kstr(w, "table", x->table_id);
      shoal_jw_ki64(w, "version", x->version);
    } else {
      write_files(w, x);
    }
  }
  shoal_jw_end(w);
}

static void write_macros(const shoal_session *s, shoal_jw *w, const shoal_node *n) {
  shoal_jw_key(w, "macros");
  shoal_jw_arr(w);
  for (uint32_t i = 0; i < n->n_macros; i++) {
    const shoal_macro *m = &s->macros[n->macros[i]];
    shoal_jw_obj(w);
    shoal_jw_kstr(w, "name", m->name);
    shoal_jw_kstr(w, "path", m->path);
    shoal_jw_ki64(w, "line", m->line);
    write_hash(w, "canon", &m->canon);
    shoal_jw_kstr(w, "text", m->text);
    shoal_jw_end(w);
  }
  shoal_jw_end(w);
}

static void write_vars(const shoal_session *s, shoal_jw *w, const shoal_str *names, size_t n) {
  for (size_t i = 0; i < n; i++)
    for (size_t v = 0; v < s->config.n_vars; v++)
      if (shoal_str_eq(s->config.vars[v].name, names[i])) {
        shoal_jw_obj(w);
        shoal_jw_kstr(w, "name", names[i]);
        shoal_jw_kstr(w, "value", s->config.vars[v].value);
        shoal_jw_end(w);
      }
}

/* Clock and chance, for a model whose key they are part of. */
static void write_fixed(const shoal_session *s, shoal_jw *w, const shoal_node *n) {
  char text[SHOAL_TIME_TEXT];
  if (n->moving || !n->volatile_why.ptr)
    return;
  shoal_time_text(s->now_us, text);
  if (n->uses & SHOAL_USES_TIME)
    shoal_jw_kz(w, "now", text);
  else if (n->uses & SHOAL_USES_DATE)
    shoal_jw_kstr(w, "today", shoal_str_n(text, 10));
  if (n->uses & SHOAL_USES_CHANCE)
    shoal_jw_ki64(w, "seed", s->options.seed);
}

/* What the code reached is told by a worker. */
static void write_python(shoal_jw *w, const shoal_node *n) {
  char engine[64];
  snprintf(engine, sizeof engine, "python %.*s", SHOAL_FMT(n->unit->python));
  shoal_jw_kz(w, "engine", engine);
  shoal_jw_key(w, "python");
  shoal_jw_obj(w);
  shoal_jw_kstr(w, "version", n->unit->python);
  shoal_jw_end(w);
  write_hash(w, "arguments", &n->unit->arguments);
  if (!shoal_hash_zero(&n->unit->expects))
    write_hash(w, "expects", &n->unit->expects); /* calls ask whether these were checked */
}

static void write_preimage(const shoal_session *s, shoal_jw *w, const shoal_node *n, shoal_str sql, int first_line) {
  shoal_jw_obj(w);
  shoal_jw_ki64(w, "scheme", 1);
  shoal_jw_kstr(w, "model", n->name);
  shoal_jw_kstr(w, "path", n->unit->path);
  write_hash(w, "signature", &n->key);
  write_hash(w, "code", &n->code);
  write_hash(w, "canon", &n->unit->canon);
  write_hash(w, "layout", &n->unit->layout);
  shoal_jw_kstr(w, "sql", sql);
  shoal_jw_ki64(w, "first_line", first_line);
  write_macros(s, w, n);
  if (n->unit->python.ptr) {
    write_python(w, n);
  } else {
    write_hash(w, "environment", &s->environment);
    shoal_jw_kz(w, "engine", "duckdb " SHOAL_DUCKDB_VERSION);
  }
  shoal_jw_kz(w, "shoal", SHOAL_VERSION);
  write_hash(w, "parameters", &n->parameters);
  shoal_jw_key(w, "variables");
  shoal_jw_arr(w);
  write_vars(s, w, n->unit->variables, n->unit->n_variables);
  for (uint32_t i = 0; i < n->n_macros; i++)
    write_vars(s, w, s->macros[n->macros[i]].variables, s->macros[n->macros[i]].n_variables);
  shoal_jw_end(w);
  shoal_jw_key(w, "inputs");
  shoal_jw_arr(w);
  for (uint32_t i = 0; i < n->n_inputs; i++)
    if (!n->inputs[i].called) /* what is called counts by its code */
      write_input(s, w, &n->inputs[i]);
  shoal_jw_end(w);
  if (n->file_key != UINT32_MAX) {
    write_hash(w, "files_key", &s->unit_files[n->file_key].key);
    write_files(w, &s->unit_files[n->file_key]);
  }
  shoal_jw_kstr(w, "volatile", n->volatile_why);
  write_fixed(s, w, n);
  shoal_jw_kz(w, "who", s->who);
  shoal_jw_kstr(w, "branch", s->branch);
  shoal_jw_end(w);
}

static shoal_status python_preimage(shoal_session *s, const shoal_node *n, shoal_buf *out, shoal_error *err) {
  yyjson_doc *told = NULL;
  shoal_buf own = {0};
  shoal_jw w = {.out = &own};
  write_preimage(s, &w, n, SHOAL_STR_NONE, n->unit->line);
  shoal_status status = shoal_buf_check(&own, err);
  if (status >= 0)
    status = shoal_session_explain_python(s, n->unit, &told, err);
  if (status >= 0)
    status = shoal_json_join(shoal_buf_str(&own), yyjson_doc_get_root(told), out, err);
  yyjson_doc_free(told);
  shoal_buf_dispose(&own);
  return status;
}

shoal_status shoal_session_preimage(shoal_session *s, uint32_t node, shoal_buf *out, shoal_error *err) {
  const shoal_node *n = &s->graph->nodes[node];
  shoal_arena arena = {0};
  shoal_str text;
  shoal_model m;
  if (n->unit->python.ptr)
    return python_preimage(s, n, out, err);
  shoal_status status = shoal_session_read(s, n->unit->path, &n->unit->content, &arena, &text, err);
  if (status >= 0)
    status = shoal_model_parse(n->unit->path, text, &arena, &m, err);
  if (status >= 0) {
    shoal_jw w = {.out = out};
    write_preimage(s, &w, n, m.sql, m.first_line);
    status = shoal_buf_check(out, err);
  }
  shoal_arena_dispose(&arena);
  return status;
}

static shoal_status prepare_variables(shoal_session *s, shoal_task *t, shoal_error *err) {
  shoal_variable *v = SHOAL_NEW_ARRAY(&t->arena, shoal_variable, s->config.n_vars);
  if (!v)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < s->config.n_vars; i++)
    v[i] = (shoal_variable){s->config.vars[i].name, s->config.vars[i].value, s->config.vars[i].quoted};
  t->variables = v;
  t->n_variables = s->config.n_vars;
  return SHOAL_OK;
}

shoal_status shoal_session_order_macros(shoal_session *s, const uint32_t *macros, size_t n, shoal_arena *arena,
                                        const shoal_str **out, size_t *n_out, shoal_error *err) {
  shoal_str *texts = SHOAL_NEW_ARRAY(arena, shoal_str, n);
  bool *done = SHOAL_NEW_ARRAY(arena, bool, s->n_macros);
  size_t found = 0;
  if (!texts || !done)
    return shoal_fail_nomem(err);
  for (size_t round = 0; round < n && found < n; round++)
    for (size_t i = 0; i < n; i++) {
      const shoal_macro *m = &s->macros[macros[i]];
      bool ready = !done[macros[i]];
      for (size_t k = 0; k < n && ready; k++)
        for (size_t f = 0; f < m->n_functions && ready; f++)
          ready = done[macros[k]] || k == i || !shoal_str_eq(m->functions[f], s->macros[macros[k]].name);
      if (!ready)
        continue;
      done[macros[i]] = true;
      texts[found++] = m->text;
    }
  *out = texts;
  *n_out = found;
  return found == n ? SHOAL_OK : shoal_fail(err, SHOAL_EINVAL, "macros call each other in a circle");
}

/* Whether what the model's code calls gives, all of it, what its code says: the key counts it by its code. Another
   result among them may be made of one that is held at something else. */
static bool calls_hold(const shoal_session *s, const shoal_node *n) {
  for (uint32_t i = 0; i < n->n_inputs; i++)
    if (n->inputs[i].called && s->pinned[n->inputs[i].parent])
      return false;
  return true;
}

static shoal_status prepare_inputs(shoal_session *s, const shoal_node *n, const shoal_result *const *results,
                                   shoal_task *t, shoal_error *err) {
  bool offered = calls_hold(s, n);
  t->inputs = SHOAL_NEW_ARRAY(&t->arena, shoal_task_input, n->n_inputs);
  if (!t->inputs)
    return shoal_fail_nomem(err);
  for (uint32_t i = 0; i < n->n_inputs; i++) {
    const shoal_node *p = &s->graph->nodes[n->inputs[i].parent];
    if (n->inputs[i].called && !offered)
      continue;
    shoal_task_input *in = &t->inputs[t->n_inputs++];
    in->name = n->unit->python.ptr ? p->name : n->inputs[i].role;
    in->key = p->key;
    in->called = n->inputs[i].called;
    in->learned = n->inputs[i].learned;
    if (p->kind == SHOAL_NODE_SOURCE) {
      SHOAL_TRY(shoal_session_source_scan(s, p->file_key, &t->opened, &t->arena, &in->scan, err));
      continue;
    }
    const shoal_result *r = results[n->inputs[i].parent];
    if (!r)
      return shoal_fail(err, SHOAL_ENOTFOUND, "%.*s has no result yet", SHOAL_FMT(p->name));
    in->is_result = true;
    in->result = *r;
  }
  return SHOAL_OK;
}

static shoal_status prepare_python(shoal_session *s, const shoal_node *n, shoal_task *t, shoal_error *err) {
  int strict = s->config.python_strict;
  t->model = (shoal_model){
      .name = n->unit->name, .path = n->unit->path, .first_line = n->unit->line, .description = n->unit->description};
  t->python = (shoal_task_python){.is = true,
                                  .code = n->unit->canon,
                                  .arguments = n->unit->arguments,
                                  .version = n->unit->python,
                                  .own = shoal_arena_printf(&t->arena, "%s/.shoal", s->root),
                                  .strict = strict < 0 ? shoal_session_is_protected(s, s->branch) : strict > 0,
                                  .timeout_us = s->config.python_timeout_us};
  if (!t->python.own)
    return shoal_fail_nomem(err);
  return n->unit->decorated.len
             ? shoal_model_decorate(n->unit->decorated, n->unit->path, n->unit->line, &t->arena, &t->model, err)
             : SHOAL_OK;
}

static shoal_status unchanged(const void *arg, const shoal_task *task, shoal_error *err) {
  SHOAL_TRY(shoal_session_unchanged(arg, task->node, err));
  return task->python.is ? shoal_session_python_unchanged(arg, task->node, err) : SHOAL_OK;
}

shoal_status shoal_session_prepare(shoal_session *s, const shoal_item *item, const shoal_result *const *results,
                                   shoal_task *t, shoal_error *err) {
  const shoal_node *n = &s->graph->nodes[item->node];
  shoal_str text;
  shoal_buf b = {0};
  t->unchanged = unchanged;
  t->unchanged_arg = s;
  t->node = item->node;
  if (n->unit->python.ptr) {
    SHOAL_TRY(prepare_python(s, n, t, err));
  } else {
    SHOAL_TRY(shoal_session_read(s, n->unit->path, &n->unit->content, &t->arena, &text, err));
    SHOAL_TRY(shoal_model_parse(n->unit->path, text, &t->arena, &t->model, err));
  }
  SHOAL_TRY(prepare_variables(s, t, err));
  SHOAL_TRY(shoal_session_order_macros(s, n->macros, n->n_macros, &t->arena, &t->macros, &t->n_macros, err));
  /* Whoever reads only the date sees the one that is in its key, even if the run goes on past midnight. */
  t->clock_fixed = s->options.now_fixed || (n->volatile_why.ptr && n->date_only);
  t->now_us = s->now_us;
  t->seeded = s->options.seed_fixed && (n->uses & SHOAL_USES_CHANCE);
  t->seed = s->options.seed;
  t->no_rows_hash = getenv("SHOAL_NO_ROWS_HASH") != NULL; /* for docs/benchmarks.md: what the hash costs */
  if (!t->check_only)
    SHOAL_TRY(prepare_inputs(s, n, results, t, err));
  shoal_jw w = {.out = &b};
  write_preimage(s, &w, n, t->model.sql, t->model.first_line);
  return shoal_buf_take(&b, &t->arena, &t->provenance, err);
}
