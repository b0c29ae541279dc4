/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Static checks: each model is bound against the schemas of what it reads, parents first, without reading a row. A
 * parent that would run stands for what binding it told, an empty table of that schema.
 */
#include "base/mem.h"
#include "base/str.h"
#include "lake/value.h"
#include "session/session.h"

typedef struct binder {
  shoal_session *s;
  const shoal_plan *plan;
  shoal_arena *arena;
  shoal_bound *bound;
  const shoal_item **item_of;
} binder;

void shoal_schema_changes(const shoal_schema *before, const shoal_schema *after, shoal_buf *out) {
  size_t start = out->len;
  for (size_t i = 0; i < after->n_fields; i++) {
    ptrdiff_t k = shoal_schema_find(before, after->fields[i].name);
    if (k >= 0 && shoal_type_eq(&before->fields[k].type, &after->fields[i].type))
      continue;
    shoal_buf_addf(out, "%s%s%.*s ", out->len > start ? ", " : "", k < 0 ? "+" : "~", SHOAL_FMT(after->fields[i].name));
    shoal_type_text(out, &after->fields[i].type);
  }
  for (size_t i = 0; i < before->n_fields; i++)
    if (shoal_schema_find(after, before->fields[i].name) < 0)
      shoal_buf_addf(out, "%s-%.*s", out->len > start ? ", " : "", SHOAL_FMT(before->fields[i].name));
}

static shoal_status schema_of_result(binder *b, const shoal_result *r, shoal_schema *out, shoal_error *err) {
  shoal_delta_snapshot *snapshot = NULL;
  shoal_status status = shoal_result_open(b->s->lake, r, &snapshot, err);
  if (status >= 0)
    status = shoal_schema_copy(&shoal_delta_snapshot_metadata(snapshot)->schema, b->arena, out, err);
  shoal_delta_snapshot_free(snapshot);
  return status;
}

/* What a run that computes nothing would leave the branch with; NULL: nothing. */
static const shoal_result *held_result(const binder *b, uint32_t node) {
  const shoal_node *n = &b->s->graph->nodes[node];
  const shoal_item *it = n->kind == SHOAL_NODE_MODEL ? b->item_of[node] : NULL;
  const shoal_entry *e = shoal_state_find(b->s->state, n->name);
  return it && it->action == SHOAL_ACTION_ADOPT ? it->found : e ? &e->result : NULL;
}

/* What a parent looks like to its children. */
static shoal_status parent_schema(binder *b, uint32_t node, shoal_schema *out, bool *known, shoal_error *err) {
  *known = !b->bound[node].later;
  if (!*known)
    return SHOAL_OK;
  const shoal_result *r = held_result(b, node);
  if (r && r->codec.ptr)
    return shoal_value_refuse(r, err);
  if (b->bound[node].bound) {
    *out = b->bound[node].schema;
    return SHOAL_OK;
  }
  if (!r || b->bound[node].error || b->bound[node].blocked) {
    *known = false;
    return SHOAL_OK;
  }
  SHOAL_TRY(schema_of_result(b, r, out, err));
  b->bound[node].schema = *out;
  b->bound[node].bound = true;
  return SHOAL_OK;
}

static shoal_status stub(binder *b, const shoal_edge *e, shoal_task *t, shoal_input *in, bool *known,
                         shoal_error *err) {
  const shoal_node *p = &b->s->graph->nodes[e->parent];
  shoal_scan *scan = SHOAL_NEW(&t->arena, shoal_scan);
  shoal_schema *schema = SHOAL_NEW(&t->arena, shoal_schema);
  if (!scan || !schema)
    return shoal_fail_nomem(err);
  *in = (shoal_input){e->role, scan};
  *known = true;
  if (p->kind == SHOAL_NODE_SOURCE)
    return shoal_session_source_scan(b->s, p->file_key, &t->opened, &t->arena, scan, err);
  SHOAL_TRY(parent_schema(b, e->parent, schema, known, err));
  *scan = (shoal_scan){.format = SHOAL_SCAN_TABLE, .schema = schema};
  return SHOAL_OK;
}

static shoal_status bind_prepared(binder *b, const shoal_node *n, shoal_task *t, shoal_bound *out, shoal_error *err) {
  shoal_engine *engine;
  shoal_input *inputs = SHOAL_NEW_ARRAY(&t->arena, shoal_input, n->n_inputs);
  if (!inputs)
    return shoal_fail_nomem(err);
  for (uint32_t i = 0; i < n->n_inputs; i++) {
    bool known;
    SHOAL_TRY(stub(b, &n->inputs[i], t, &inputs[i], &known, err));
    bool later = !known && b->bound[n->inputs[i].parent].later;
    out->blocked |= !known && !later;
    out->later |= later;
  }
  if (out->blocked || out->later)
    return SHOAL_OK;
  shoal_job job = {.sql = t->model.sql,
                   .inputs = inputs,
                   .n_inputs = n->n_inputs,
                   .macros = t->macros,
                   .n_macros = t->n_macros,
                   .variables = t->variables,
                   .n_variables = t->n_variables};
  SHOAL_TRY(shoal_session_engine(b->s, &engine, err));
  shoal_status status = shoal_engine_bind(engine, &job, b->arena, &out->schema, err);
  if (status < 0)
    shoal_model_place_error(&t->model, err);
  out->bound = status >= 0;
  return status;
}

/* What a function gives is known when it has run. */
static shoal_status bind_python(binder *b, uint32_t node, shoal_error *err) {
  shoal_schema ignored;
  bool known;
  const shoal_result *r = held_result(b, node);
  b->bound[node].later = b->item_of[node]->action == SHOAL_ACTION_RUN;
  b->bound[node].bound = r && r->codec.ptr && !b->bound[node].later;
  return b->bound[node].bound ? SHOAL_OK : parent_schema(b, node, &ignored, &known, err);
}

static shoal_status bind_one(binder *b, uint32_t node, shoal_error *err) {
  const shoal_node *n = &b->s->graph->nodes[node];
  shoal_bound *out = &b->bound[node];
  const shoal_entry *e = shoal_state_find(b->s->state, n->name);
  shoal_error why = {0};
  shoal_task *t = shoal_task_new();
  if (!t)
    return shoal_fail_nomem(err);
  t->check_only = true; /* inputs are stubs, not results */
  shoal_status status = e && !e->result.codec.ptr ? schema_of_result(b, &e->result, &out->before, &why) : SHOAL_OK;
  if (status >= 0 && n->unit->python.ptr)
    status = bind_python(b, node, &why);
  else if (status >= 0)
    status = shoal_session_prepare(b->s, b->item_of[node], NULL, t, &why);
  if (status >= 0 && !n->unit->python.ptr)
    status = bind_prepared(b, n, t, out, &why);
  shoal_task_free(t);
  if (status >= 0)
    return SHOAL_OK;
  out->error = SHOAL_NEW(b->arena, shoal_error);
  if (!out->error)
    return shoal_fail_nomem(err);
  *out->error = why;
  return SHOAL_OK;
}

shoal_status shoal_session_bind(shoal_session *s, const shoal_plan *plan, bool all, shoal_arena *arena,
                                shoal_bound **bound, shoal_error *err) {
  binder b = {.s = s, .plan = plan, .arena = arena};
  b.bound = *bound = SHOAL_NEW_ARRAY(arena, shoal_bound, s->graph->n_nodes);
  b.item_of = SHOAL_NEW_ARRAY(arena, const shoal_item *, s->graph->n_nodes);
  if (!b.bound || !b.item_of)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < plan->n_items; i++)
    if (plan->items[i].node != UINT32_MAX)
      b.item_of[plan->items[i].node] = &plan->items[i];
  for (size_t i = 0; i < plan->n_items; i++)
    if (plan->items[i].node != UINT32_MAX && (all || plan->items[i].action == SHOAL_ACTION_RUN))
      SHOAL_TRY(bind_one(&b, plan->items[i].node, err));
  return SHOAL_OK;
}
