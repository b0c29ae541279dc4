/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler. A model is ready when every model it reads has a result. A task that finds its lease taken waits: the
 * claim is looked for several times a second, and the holder's heartbeat is watched; when it has stood still for a
 * lease's life by our own clock, the next attempt takes over.
 */
#include "run/run.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/time.h"
#include "base/vec.h"
#include "run/pool.h"

#define TICK_US 100000 /* how often cancel and waiting tasks are looked at */
#define LEASE_POLL_US 200000

/* A model whose lease somebody else has. */
typedef struct waiting {
  size_t item;
  uint32_t epoch;
  uint64_t beat;
  int64_t seen_us; /* when epoch and beat were first seen so */
  int64_t polled_us;
} waiting;

typedef struct running {
  size_t item;
  int64_t since_us;
} running;

typedef struct scheduler {
  const shoal_run_input *in;
  shoal_run_report *out;
  shoal_pool *pool;
  size_t *item_of;              /* node → item */
  uint32_t *missing;            /* item → parents without a result */
  const shoal_result **results; /* node → its result */
  uint32_t *blocking;           /* room for every item's node: each is blocked once */
  shoal_mutex mutex;            /* guards their coming: workers look at them */
  SHOAL_VEC(size_t) ready;      /* items, a stack in reverse plan order */
  SHOAL_VEC(waiting) waiting;
  SHOAL_VEC(running) running;
  uint32_t planned, finished;
  bool stop;
} scheduler;

static void emit(const scheduler *s, const shoal_event *e) {
  if (s->in->listener.on_event)
    s->in->listener.on_event(s->in->listener.arg, e);
}

static bool has_work(const shoal_item *it) {
  return it->action == SHOAL_ACTION_RUN || (it->check && it->action != SHOAL_ACTION_RUN);
}

static bool push_ready(scheduler *s, size_t item) {
  size_t *slot = shoal_vec_add(&s->ready);
  if (slot)
    *slot = item;
  return slot != NULL;
}

/* Results that are known before anything runs. */
static void known_result(scheduler *s, size_t i) {
  const shoal_item *it = &s->in->plan->items[i];
  if (it->node == UINT32_MAX)
    return;
  if (it->action == SHOAL_ACTION_ADOPT) {
    s->out->done[i].result = *it->found;
    s->results[it->node] = it->found;
    if (!it->check)
      s->out->done[i].state = SHOAL_NODE_DONE;
  } else if (it->action != SHOAL_ACTION_RUN && it->entry) {
    s->results[it->node] = &it->entry->result;
  }
}

static shoal_status count_missing(scheduler *s, shoal_error *err) {
  const shoal_plan *p = s->in->plan;
  for (size_t i = p->n_items; i-- > 0;) {
    const shoal_item *it = &p->items[i];
    if (!has_work(it))
      continue;
    s->planned++;
    s->out->done[i].state = SHOAL_NODE_LEFT;
    const shoal_node *n = &p->graph->nodes[it->node];
    for (uint32_t e = 0; it->action == SHOAL_ACTION_RUN && e < n->n_inputs; e++) {
      const shoal_node *parent = &p->graph->nodes[n->inputs[e].parent];
      if (parent->kind == SHOAL_NODE_MODEL && p->items[s->item_of[n->inputs[e].parent]].action == SHOAL_ACTION_RUN)
        s->missing[i]++;
    }
    if (s->missing[i] == 0 && !push_ready(s, i))
      return shoal_fail_nomem(err);
  }
  return SHOAL_OK;
}

static shoal_status begin(scheduler *s, shoal_error *err) {
  const shoal_plan *p = s->in->plan;
  shoal_arena *arena = &s->out->arena;
  s->out->done = SHOAL_NEW_ARRAY(arena, shoal_done, p->n_items);
  s->item_of = SHOAL_NEW_ARRAY(arena, size_t, p->graph->n_nodes);
  s->missing = SHOAL_NEW_ARRAY(arena, uint32_t, p->n_items);
  s->results = SHOAL_NEW_ARRAY(arena, const shoal_result *, p->graph->n_nodes);
  s->blocking = SHOAL_NEW_ARRAY(arena, uint32_t, p->n_items);
  if (!s->out->done || !s->item_of || !s->missing || !s->results || !s->blocking)
    return shoal_fail_nomem(err);
  for (uint32_t n = p->graph->n_models; n < p->graph->n_nodes; n++) {
    const shoal_entry *e = shoal_state_find(p->state, p->graph->nodes[n].name);
    s->results[n] = e ? &e->result : NULL;
  }
  for (size_t i = 0; i < p->n_items; i++) {
    if (p->items[i].node != UINT32_MAX)
      s->item_of[p->items[i].node] = i;
    known_result(s, i);
  }
  return count_missing(s, err);
}

/* `output`: the file that has what the model printed; NULL: none. */
static void fail_item(scheduler *s, size_t item, const shoal_error *error, const char *output) {
  shoal_done *d = &s->out->done[item];
  d->state = SHOAL_NODE_FAILED;
  s->out->n_failed++;
  d->error = SHOAL_NEW(&s->out->arena, shoal_error);
  if (d->error)
    *d->error = *error;
  if (!s->in->keep_going)
    s->stop = true;
  if (error->status != SHOAL_ECANCELLED)
    emit(s, &(shoal_event){.kind = SHOAL_EVENT_FAILED,
                           .dataset = s->in->plan->items[item].name,
                           .error = error,
                           .output = output,
                           .done = s->finished,
                           .planned = s->planned});
}

/* How a dataset stands, for a function that asks for one which its code does not name. Any thread. */
static shoal_standing look(void *arg, shoal_str name, shoal_task_input *out) {
  scheduler *s = arg;
  const shoal_plan *p = s->in->plan;
  uint32_t node = shoal_graph_find(p->graph, name);
  const shoal_entry *entry = shoal_state_find(p->state, name);
  if (node == SHOAL_MAP_NONE && !entry)
    return SHOAL_STANDING_NONE;
  bool is_model = node != SHOAL_MAP_NONE && p->graph->nodes[node].kind == SHOAL_NODE_MODEL;
  if (node != SHOAL_MAP_NONE && (p->graph->nodes[node].kind == SHOAL_NODE_SOURCE ||
                                 (is_model && p->items[s->item_of[node]].action == SHOAL_ACTION_STALE)))
    return SHOAL_STANDING_LATER;
  const shoal_result *r = entry ? &entry->result : NULL;
  if (is_model) {
    shoal_mutex_lock(&s->mutex);
    r = s->results[node];
    shoal_mutex_unlock(&s->mutex);
  }
  if (!r)
    return SHOAL_STANDING_LATER;
  *out = (shoal_task_input){.name = is_model ? p->graph->nodes[node].name : entry->name,
                            .is_result = true,
                            .result = *r,
                            .key = is_model ? p->graph->nodes[node].key : r->signature,
                            .asked = true,
                            .from = is_model ? "model" : "lake"};
  return SHOAL_STANDING_RESULT;
}

/* Everything below a failed model is blocked: by a stack of our own, since chains are long. */
static void block_children(scheduler *s, uint32_t failed) {
  const shoal_graph *g = s->in->plan->graph;
  size_t n = 0;
  for (uint32_t node = failed;; node = s->blocking[--n]) {
    for (uint32_t c = 0; c < g->nodes[node].n_children; c++) {
      uint32_t child = g->nodes[node].children[c];
      shoal_done *d = &s->out->done[s->item_of[child]];
      if (d->state != SHOAL_NODE_LEFT || s->in->plan->items[s->item_of[child]].action != SHOAL_ACTION_RUN)
        continue;
      d->state = SHOAL_NODE_BLOCKED;
      s->out->n_blocked++;
      s->blocking[n++] = child;
    }
    if (n == 0)
      return;
  }
}

/* A result is there: children may become ready. */
static shoal_status release_children(scheduler *s, size_t item, shoal_error *err) {
  const shoal_plan *p = s->in->plan;
  uint32_t node = p->items[item].node;
  shoal_mutex_lock(&s->mutex);
  s->results[node] = &s->out->done[item].result;
  shoal_mutex_unlock(&s->mutex);
  const shoal_node *n = &p->graph->nodes[node];
  for (uint32_t c = 0; c < n->n_children; c++) {
    size_t child = s->item_of[n->children[c]];
    if (p->items[child].action != SHOAL_ACTION_RUN || s->out->done[child].state != SHOAL_NODE_LEFT)
      continue;
    const shoal_node *cn = &p->graph->nodes[n->children[c]];
    for (uint32_t e = 0; e < cn->n_inputs; e++) /* once for every role it is read under */
      if (cn->inputs[e].parent == node)
        s->missing[child]--;
    if (s->missing[child] == 0 && !push_ready(s, child))
      return shoal_fail_nomem(err);
  }
  return SHOAL_OK;
}

static shoal_status start_item(scheduler *s, size_t item, const waiting *w, shoal_error *err) {
  const shoal_item *it = &s->in->plan->items[item];
  shoal_error why = {0};
  shoal_task *task = shoal_task_new();
  running *r = shoal_vec_add(&s->running);
  if (!task || !r) {
    shoal_task_free(task);
    return shoal_fail_nomem(err);
  }
  *r = (running){item, shoal_time_monotonic()};
  task->item = item;
  task->check_only = it->action != SHOAL_ACTION_RUN;
  task->generations = it->generations;
  task->signature = s->in->plan->graph->nodes[it->node].key;
  task->dataset = it->name;
  if (task->check_only)
    task->result = *s->results[it->node];
  task->again = s->in->again && it->found != NULL;
  if (task->again)
    task->result = *it->found;
  if (w && w->seen_us + SHOAL_LEASE_LIFE_US <= shoal_time_monotonic()) {
    task->stale_epoch = w->epoch;
    task->stale_beat = w->beat;
  }
  if (s->in->prepare(s->in->arg, it, s->results, task, &why) < 0) {
    shoal_task_free(task);
    s->running.len--;
    fail_item(s, item, &why, NULL);
    block_children(s, it->node);
    return SHOAL_OK;
  }
  if (!w)
    emit(s,
         &(shoal_event){.kind = SHOAL_EVENT_STARTED, .dataset = it->name, .done = s->finished, .planned = s->planned});
  shoal_status status = shoal_pool_submit(s->pool, task, err);
  if (status < 0)
    shoal_task_free(task);
  return status;
}

static void tell_broken(scheduler *s, const shoal_task *t) {
  for (size_t i = 0; i < t->n_broken; i++) {
    const shoal_expect *x = &t->model.expects[t->broken[i].expect];
    shoal_buf text = {0}, query = {0};
    shoal_expect_text(x, &text);
    shoal_expect_rows(x, t->dataset, &query);
    emit(s, &(shoal_event){.kind = SHOAL_EVENT_BROKEN,
                           .dataset = t->dataset,
                           .text = shoal_buf_str(&text),
                           .query = shoal_buf_str(&query),
                           .rows = t->broken[i].rows,
                           .total = t->result.rows,
                           .warn = x->warn});
    if (!x->warn && !s->out->done[t->item].held) {
      s->out->done[t->item].held = true;
      s->out->n_held++;
    }
    shoal_buf_dispose(&query);
    shoal_buf_dispose(&text);
  }
}

static void tell_observed(scheduler *s, const shoal_task *t) {
  for (size_t i = 0; i < t->python.n_observed; i++) {
    shoal_buf text = {0};
    shoal_buf_addf(&text, "%.*s %.*s", SHOAL_FMT(t->dataset), SHOAL_FMT(t->python.observed[i]));
    emit(s, &(shoal_event){.kind = SHOAL_EVENT_WARNING, .dataset = t->dataset, .text = shoal_buf_str(&text)});
    shoal_buf_dispose(&text);
  }
}

static shoal_status note_learned(scheduler *s, const shoal_task *t, shoal_error *err) {
  const shoal_task_python *p = &t->python;
  shoal_learned *l = shoal_vec_add(&s->out->learned);
  shoal_str *names = SHOAL_NEW_ARRAY(&s->out->arena, shoal_str, p->n_reads);
  if (!l || !names)
    return shoal_fail_nomem(err);
  *l = (shoal_learned){t->node, names, p->n_reads, p->reads_more, !p->reads_more};
  for (size_t i = 0; i < p->n_reads; i++) {
    names[i] = shoal_arena_str(&s->out->arena, p->reads[i]);
    if (!names[i].ptr)
      return shoal_fail_nomem(err);
  }
  s->out->done[t->item].state = SHOAL_NODE_LEFT;
  return SHOAL_OK;
}

static shoal_status have_result(scheduler *s, const shoal_task *t, shoal_error *err) {
  shoal_done *d = &s->out->done[t->item];
  const shoal_item *it = &s->in->plan->items[t->item];
  SHOAL_TRY(shoal_result_copy(&t->result, &s->out->arena, &d->result, err)); /* the task's arena goes */
  d->state = SHOAL_NODE_DONE;
  d->computed = t->outcome == SHOAL_TASK_COMPUTED;
  d->differs = t->differs;
  s->finished++;
  s->out->n_done++;
  s->out->n_computed += d->computed;
  s->out->n_found += t->outcome == SHOAL_TASK_FOUND;
  s->out->n_differ += t->differs;
  tell_broken(s, t);
  tell_observed(s, t);
  if (d->computed) {
    s->out->rows += d->result.rows;
    s->out->n_objects += d->result.codec.ptr != NULL;
    s->out->bytes += d->result.bytes;
  }
  shoal_event_kind kind = t->outcome == SHOAL_TASK_FOUND ? SHOAL_EVENT_REUSED : SHOAL_EVENT_FINISHED;
  if (t->outcome != SHOAL_TASK_CHECKED)
    emit(s, &(shoal_event){.kind = kind,
                           .dataset = it->name,
                           .text = t->result.writer,
                           .codec = t->result.codec,
                           .rows = t->result.rows,
                           .bytes = t->result.bytes,
                           .wall_us = t->wall_us,
                           .done = s->finished,
                           .planned = s->planned});
  if (t->python.replan) /* what reads it was planned for another signature */
    return note_learned(s, t, err);
  return it->action == SHOAL_ACTION_RUN ? release_children(s, t->item, err) : SHOAL_OK;
}

static shoal_status wait_for_holder(scheduler *s, const shoal_task *t, shoal_error *err) {
  int64_t now = shoal_time_monotonic();
  for (size_t i = 0; i < s->waiting.len; i++) {
    waiting *w = &s->waiting.ptr[i];
    if (w->item != t->item)
      continue;
    if (w->epoch != t->holder.epoch || w->beat != t->holder.beat) {
      w->epoch = t->holder.epoch;
      w->beat = t->holder.beat;
      w->seen_us = now;
    }
    w->polled_us = now;
    return SHOAL_OK;
  }
  waiting *w = shoal_vec_add(&s->waiting);
  if (!w)
    return shoal_fail_nomem(err);
  *w = (waiting){t->item, t->holder.epoch, t->holder.beat, now, now};
  emit(s, &(shoal_event){.kind = SHOAL_EVENT_WAITING,
                         .dataset = t->dataset,
                         .text = t->holder.who,
                         .done = s->finished,
                         .planned = s->planned});
  return SHOAL_OK;
}

static void forget_waiting(scheduler *s, size_t item) {
  for (size_t i = 0; i < s->waiting.len; i++)
    if (s->waiting.ptr[i].item == item)
      s->waiting.ptr[i] = s->waiting.ptr[--s->waiting.len];
}

static shoal_status finish(scheduler *s, shoal_task *t, shoal_error *err) {
  for (size_t i = 0; i < s->running.len; i++)
    if (s->running.ptr[i].item == t->item) {
      s->running.ptr[i] = s->running.ptr[--s->running.len];
      break;
    }
  if (t->outcome == SHOAL_TASK_BUSY)
    return wait_for_holder(s, t, err);
  forget_waiting(s, t->item);
  if (t->outcome == SHOAL_TASK_LEARNED)
    return note_learned(s, t, err);
  if (t->outcome == SHOAL_TASK_FAILED && s->out->cancelled && t->error.status == SHOAL_ECANCELLED)
    return SHOAL_OK; /* it did not fail: it is left, like what was not begun */
  if (t->outcome == SHOAL_TASK_FAILED) {
    fail_item(s, t->item, &t->error, t->python.output);
    block_children(s, s->in->plan->items[t->item].node);
    return SHOAL_OK;
  }
  return have_result(s, t, err);
}

/* Tasks that wait for somebody else's lease try again now and then. */
static shoal_status poll_waiting(scheduler *s, shoal_error *err) {
  int64_t now = shoal_time_monotonic();
  for (size_t i = 0; i < s->waiting.len; i++) {
    if (s->waiting.ptr[i].polled_us + LEASE_POLL_US > now)
      continue;
    s->waiting.ptr[i].polled_us = INT64_MAX / 2; /* in flight */
    waiting w = s->waiting.ptr[i];
    SHOAL_TRY(start_item(s, w.item, &w, err));
  }
  return SHOAL_OK;
}

static void look_for_cancel(scheduler *s) {
  if (!s->in->cancel || atomic_load(&s->in->cancel->requested) == 0)
    return;
  s->stop = true;
  s->out->cancelled = true;
  shoal_pool_interrupt(s->pool);
}

static void tick(scheduler *s) {
  const running *slowest = NULL;
  for (size_t i = 0; i < s->running.len; i++)
    if (!slowest || s->running.ptr[i].since_us < slowest->since_us)
      slowest = &s->running.ptr[i];
  shoal_event e = {
      .kind = SHOAL_EVENT_PROGRESS, .done = s->finished, .planned = s->planned, .running = (uint32_t)s->running.len};
  if (slowest) {
    e.dataset = s->in->plan->items[slowest->item].name;
    e.wall_us = shoal_time_monotonic() - slowest->since_us;
  }
  emit(s, &e);
}

static shoal_status loop(scheduler *s, shoal_error *err) {
  for (;;) {
    look_for_cancel(s);
    while (!s->stop && s->ready.len && s->running.len < (s->in->workers ? s->in->workers : 1) * 2)
      SHOAL_TRY(start_item(s, s->ready.ptr[--s->ready.len], NULL, err));
    if (!s->stop)
      SHOAL_TRY(poll_waiting(s, err));
    if (s->running.len == 0 && (s->stop || (s->ready.len == 0 && s->waiting.len == 0)))
      return SHOAL_OK;
    shoal_task *t = shoal_pool_next(s->pool, TICK_US);
    if (!t) {
      tick(s);
      continue;
    }
    shoal_status status = finish(s, t, err);
    shoal_task_free(t);
    SHOAL_TRY(status);
  }
}

static void count_left(scheduler *s) {
  for (size_t i = 0; i < s->in->plan->n_items; i++)
    s->out->n_left += s->out->done[i].state == SHOAL_NODE_LEFT;
}

shoal_status shoal_run_execute(const shoal_run_input *in, shoal_run_report *out, shoal_error *err) {
  *out = (shoal_run_report){0};
  int64_t start = shoal_time_monotonic();
  scheduler s = {.in = in, .out = out};
  shoal_mutex_init(&s.mutex);
  shoal_status status = begin(&s, err);
  if (status >= 0 && s.ready.len) {
    shoal_pool_config config = {.workers = in->workers,
                                .context = {.lake = in->lake,
                                            .who = in->who,
                                            .run = in->record ? shoal_run_id(in->record) : SHOAL_STR_NONE,
                                            .look = look,
                                            .look_arg = &s},
                                .record = in->record,
                                .open_engine = in->open_engine,
                                .open_worker = in->open_worker,
                                .arg = in->arg};
    status = shoal_pool_start(&config, &s.pool, err);
    if (status >= 0)
      status = loop(&s, err);
    if (status < 0 && s.pool)
      shoal_pool_interrupt(s.pool);
    shoal_pool_stop(s.pool);
  }
  if (status >= 0)
    count_left(&s);
  out->wall_us = shoal_time_monotonic() - start;
  shoal_mutex_dispose(&s.mutex);
  shoal_vec_dispose(&s.ready);
  shoal_vec_dispose(&s.waiting);
  shoal_vec_dispose(&s.running);
  return status;
}

void shoal_run_report_dispose(shoal_run_report *report) {
  shoal_vec_dispose(&report->learned);
  shoal_arena_dispose(&report->arena);
  *report = (shoal_run_report){0};
}
