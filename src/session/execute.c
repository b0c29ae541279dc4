/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run: announce, execute, publish once, project, remember. The publication is the commit point; what comes before
 * leaves only results that anybody may reuse, what comes after any process can finish.
 */
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "code/functions.h"
#include "session/session.h"

typedef struct run_arg { /* what the scheduler hands back to us */
  shoal_session *session;
  const shoal_plan *plan;
  const bool *unclaimed; /* items whose names nobody owns yet; NULL: none is to be claimed */
  unsigned workers;
  shoal_engine *spare;        /* the session's own, for a run's only worker */
  shoal_mutex mutex;          /* guards the next */
  shoal_worker *spare_python; /* that the scan has left; for whoever comes first */
} run_arg;

static shoal_status prepare_task(void *arg, const shoal_item *item, const shoal_result *const *results,
                                 shoal_task *task, shoal_error *err) {
  const run_arg *a = arg;
  if (a->unclaimed && a->unclaimed[item - a->plan->items])
    task->project = a->session->config.name;
  return shoal_session_prepare(a->session, item, results, task, err);
}
static shoal_status open_engine(void *arg, shoal_engine **out, shoal_error *err) {
  run_arg *a = arg;
  if ((*out = a->spare)) { /* one worker: nobody else comes here */
    a->spare = NULL;
    return SHOAL_OK;
  }
  return shoal_session_open_engine(a->session, a->workers, out, err);
}

static shoal_status open_worker(void *arg, shoal_worker **out, shoal_error *err) {
  run_arg *a = arg;
  shoal_mutex_lock(&a->mutex);
  *out = a->spare_python;
  a->spare_python = NULL;
  shoal_mutex_unlock(&a->mutex);
  return *out ? SHOAL_OK : shoal_session_open_worker(a->session, out, err);
}

#define KEPT_OUTPUTS 20

/* What Python models printed in older runs: run ids are in the order of time. */
static void prune_outputs(shoal_session *s) {
  shoal_arena arena = {0};
  shoal_dirent *runs;
  size_t n = 0;
  shoal_error ignored; /* only space */
  char *folder = s->root ? shoal_arena_printf(&arena, "%s/.shoal/output", s->root) : NULL;
  if (folder && shoal_os_list(folder, &arena, &runs, &n, &ignored) < 0)
    n = 0;
  for (size_t i = 0; i + KEPT_OUTPUTS < n; i++) {
    char *old = shoal_arena_printf(&arena, "%s/%s", folder, runs[i].name.ptr);
    if (old)
      shoal_ignore(shoal_os_remove_tree(old, &ignored));
  }
  shoal_arena_dispose(&arena);
}

/* Says which signatures the run reuses and makes; its first word puts the record. */
static shoal_status announce(shoal_session *s, const shoal_plan *plan, shoal_run_record **record, shoal_error *err) {
  shoal_hash *keys = shoal_calloc(plan->n_items, sizeof *keys);
  if (!keys)
    return shoal_fail_nomem(err);
  size_t n = 0;
  for (size_t i = 0; i < plan->n_items; i++)
    if (plan->items[i].node != UINT32_MAX && plan->items[i].action != SHOAL_ACTION_REUSE)
      keys[n++] = plan->graph->nodes[plan->items[i].node].key;
  shoal_status status = *record ? shoal_run_update(*record, keys, n, err)
                                : shoal_run_announce(s->lake, s->branch, shoal_str_z(s->who), keys, n, record, err);
  shoal_free(keys);
  return status;
}

static bool makes(const shoal_item *it) { return it->action == SHOAL_ACTION_RUN || it->action == SHOAL_ACTION_ADOPT; }

/* No other project may own a name that the run makes. What is computed claims its name as it begins, each in its own
   thread: *unclaimed tells which items; what is adopted claims it here. */
static shoal_status claim_names(shoal_session *s, const shoal_plan *plan, const bool **unclaimed, shoal_error *err) {
  shoal_str *names = SHOAL_NEW_ARRAY(&s->arena, shoal_str, plan->n_items);
  bool *claimed = SHOAL_NEW_ARRAY(&s->arena, bool, plan->n_items);
  bool *late = SHOAL_NEW_ARRAY(&s->arena, bool, plan->n_items);
  size_t n = 0;
  if (!names || !claimed || !late)
    return shoal_fail_nomem(err);
  *unclaimed = late;
  for (size_t i = 0; i < plan->n_items; i++)
    if (makes(&plan->items[i]))
      names[n++] = plan->items[i].name;
  if (n)
    SHOAL_TRY(shoal_datasets_check(s->lake, s->config.name, names, n, claimed, err));
  for (size_t i = 0, k = 0; i < plan->n_items; i++) {
    bool unowned = makes(&plan->items[i]) && !claimed[k++];
    late[i] = unowned && plan->items[i].action == SHOAL_ACTION_RUN;
    if (unowned && !late[i])
      SHOAL_TRY(shoal_dataset_claim(s->lake, s->config.name, plan->items[i].name, err));
  }
  return SHOAL_OK;
}

/* The changes that the plan's items make, given what came of them. */
static shoal_status collect_changes(shoal_session *s, const shoal_plan *plan, const shoal_run_report *report,
                                    bool prune, shoal_change **out, size_t *n, shoal_error *err) {
  *out = SHOAL_NEW_ARRAY(&s->arena, shoal_change, plan->n_items);
  *n = 0;
  if (!*out)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < plan->n_items; i++) {
    const shoal_item *it = &plan->items[i];
    const shoal_done *d = &report->done[i];
    bool set = makes(it) && d->state == SHOAL_NODE_DONE;
    if (set && it->entry && !it->entry->pinned && shoal_hash_eq(&it->entry->result.signature, &d->result.signature) &&
        it->entry->result.generation == d->result.generation)
      set = false; /* --again of what the branch has */
    if (set)
      (*out)[(*n)++] = (shoal_change){.kind = SHOAL_CHANGE_SET, .name = it->name, .result = d->result};
    else if (it->action == SHOAL_ACTION_REMOVED && prune)
      (*out)[(*n)++] = (shoal_change){.kind = SHOAL_CHANGE_REMOVE, .name = it->name};
  }
  return SHOAL_OK;
}

static void add_read(const shoal_state *state, shoal_str name, shoal_read *out, size_t *n) {
  const shoal_entry *e = shoal_state_find(state, name);
  out[(*n)++] = (shoal_read){name, e ? e->result.signature : (shoal_hash){{0}}, e ? e->result.generation : 0};
}

/* Every dataset the changes rest on: those they set, as they were, and those that the changed models read. */
static shoal_status collect_reads(shoal_session *s, const shoal_plan *plan, const shoal_change *changes,
                                  size_t n_changes, shoal_read **out, size_t *n, shoal_error *err) {
  const shoal_graph *g = plan->graph;
  bool *seen = SHOAL_NEW_ARRAY(&s->arena, bool, g->n_nodes);
  *out = SHOAL_NEW_ARRAY(&s->arena, shoal_read, g->n_nodes + n_changes);
  *n = 0;
  if (!*out || !seen)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n_changes; i++) {
    uint32_t node = shoal_graph_find(g, changes[i].name);
    if (node == SHOAL_MAP_NONE || g->nodes[node].kind != SHOAL_NODE_MODEL) {
      add_read(plan->state, changes[i].name, *out, n); /* one that is removed */
      continue;
    }
    seen[node] = true;
    for (uint32_t e = 0; e < g->nodes[node].n_inputs; e++)
      seen[g->nodes[node].inputs[e].parent] |= g->nodes[g->nodes[node].inputs[e].parent].kind != SHOAL_NODE_SOURCE;
  }
  for (uint32_t i = 0; i < g->n_nodes; i++)
    if (seen[i])
      add_read(plan->state, g->nodes[i].name, *out, n);
  return SHOAL_OK;
}

static shoal_status collect_sources(shoal_session *s, shoal_source_pin **out, size_t *n, shoal_error *err) {
  *out = SHOAL_NEW_ARRAY(&s->arena, shoal_source_pin, s->config.n_sources);
  *n = s->config.n_sources;
  if (!*out)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < *n; i++) {
    const shoal_external *x = &s->externals[i];
    (*out)[i] = (shoal_source_pin){.name = s->config.sources[i].name,
                                   .table_id = x->table_id,
                                   .version = x->table_id.ptr ? x->version : -1,
                                   .hash = x->key};
  }
  return SHOAL_OK;
}

static shoal_status check_protected(shoal_session *s, const shoal_publication_draft *draft, shoal_error *err) {
  if (!shoal_session_is_protected(s, s->branch))
    return SHOAL_OK;
  if (!draft->git_commit.ptr || draft->git_dirty) {
    (void)shoal_fail(err, SHOAL_EINVAL, "%.*s is protected: it takes publications only from a committed, clean tree",
                     SHOAL_FMT(s->branch));
    shoal_hint(err,
               draft->git_commit.ptr ? "commit your changes, or work on a branch" : "publish from a git work tree");
    return SHOAL_EINVAL;
  }
  shoal_publication last = {0};
  bool contains = true;
  if (s->state->publication > 0)
    SHOAL_TRY(shoal_publication_read(s->lake, s->branch, s->state->publication, &s->arena, &last, err));
  if (last.git_commit.ptr)
    SHOAL_TRY(shoal_git_contains(s->root, last.git_commit, &contains, err));
  if (contains)
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_ECONFLICT, "%.*s was published from commit %.12s, which your HEAD does not contain",
                   SHOAL_FMT(s->branch), last.git_commit.ptr);
  shoal_hint(err, "git pull, then run again");
  return SHOAL_ECONFLICT;
}

static shoal_status make_branch(shoal_session *s, shoal_error *err) {
  if (!s->branch_is_new)
    return SHOAL_OK;
  shoal_status status = shoal_branch_create(s->lake, s->branch, s->fork_branch, s->fork_publication, err);
  if (status == SHOAL_EEXIST) { /* somebody was faster, or one of the same folder is there */
    shoal_state *now = NULL;
    SHOAL_TRY(shoal_branch_load(s->lake, s->branch, -1, &now, err));
    shoal_state_free(now);
    status = SHOAL_OK;
  }
  return status;
}

/* Publishing moves a state forward; the plan still reads the old one, so a copy is moved. It need not be the newest:
   whoever finds the next number taken reads on (P1). */
static shoal_status own_state(shoal_session *s, shoal_state **out, shoal_error *err) {
  bool stands = false;
  if (!s->branch_is_new)
    SHOAL_TRY(shoal_branch_stands(s->lake, s->state, &stands, err));
  return stands ? shoal_state_copy(s->state, out, err) : shoal_branch_load(s->lake, s->branch, -1, out, err);
}

/* *moved: what the draft rests on is not what the branch holds, which is why it was refused. */
static shoal_status put_publication(shoal_session *s, shoal_publication_draft *draft, int64_t *out, bool *moved,
                                    shoal_error *err) {
  shoal_state *state = NULL;
  *moved = false;
  if (s->git.present)
    SHOAL_TRY(shoal_git_head(s->root, &s->arena, &draft->git_commit, &draft->git_dirty, err));
  draft->git_branch = s->git.branch;
  draft->writer = shoal_str_z(s->who);
  SHOAL_TRY(check_protected(s, draft, err));
  SHOAL_TRY(make_branch(s, err));
  shoal_status status = own_state(s, &state, err);
  if (status == SHOAL_ENOTFOUND)
    return shoal_fail(err, SHOAL_ECONFLICT, "the branch %.*s was deleted meanwhile", SHOAL_FMT(s->branch));
  SHOAL_TRY(status);
  draft->base = s->branch_is_new ? 0 : s->state->publication;
  status = shoal_publish(s->lake, state, draft, out, err);
  *moved = status == SHOAL_ECONFLICT && !state->deleted;
  if (status < 0) {
    shoal_state_free(state);
    return status;
  }
  shoal_state_free(s->head);
  s->head = state;
  return status;
}

shoal_status shoal_session_publish(shoal_session *s, shoal_publication_draft *draft, int64_t *out, shoal_error *err) {
  bool moved;
  return put_publication(s, draft, out, &moved, err);
}

static shoal_status publish_run(shoal_session *s, const shoal_plan *plan, const shoal_run_options *options,
                                shoal_str run, shoal_run_outcome *out, bool *moved, shoal_error *err) {
  shoal_change *changes;
  shoal_read *reads;
  shoal_source_pin *sources;
  shoal_publication_draft draft = {.kind = "run", .run = run, .message = shoal_str_z(options->message)};
  SHOAL_TRY(collect_changes(s, plan, &out->report, options->prune, &changes, &draft.n_changes, err));
  if (draft.n_changes == 0)
    return SHOAL_OK;
  SHOAL_TRY(collect_reads(s, plan, changes, draft.n_changes, &reads, &draft.n_reads, err));
  SHOAL_TRY(collect_sources(s, &sources, &draft.n_sources, err));
  draft.changes = changes;
  draft.reads = reads;
  draft.sources = sources;
  SHOAL_TRY(put_publication(s, &draft, &out->publication, moved, err));
  out->n_published = draft.n_changes;
  return SHOAL_OK;
}

shoal_status shoal_session_project(shoal_session *s, shoal_projection_report *report, shoal_error *err) {
  shoal_projection_report own = {0};
  const shoal_state *head = s->head;
  int64_t upto;
  if (!head && s->branch_is_new)
    return SHOAL_OK; /* nothing was ever published */
  if (!head)
    head = s->state;
  SHOAL_TRY(shoal_projected(s->lake, s->branch, &upto, err));
  shoal_status status = SHOAL_OK;
  if (upto < head->publication)
    status = shoal_project(s->lake, head, report ? report : &own, err);
  shoal_projection_report_dispose(&own);
  return status;
}

/* Remembers which results passed their expectations, in one transaction. */
static void remember_passed(shoal_session *s, const shoal_plan *plan, const shoal_run_report *r) {
  shoal_error ignored;
  size_t n = 0;
  shoal_index_item *items = SHOAL_NEW_ARRAY(&s->arena, shoal_index_item, plan->n_items);
  for (size_t i = 0; s->index && items && i < plan->n_items; i++) {
    const shoal_item *it = &plan->items[i];
    if (it->node == UINT32_MAX || r->done[i].state != SHOAL_NODE_DONE || r->done[i].held ||
        shoal_hash_zero(&plan->graph->nodes[it->node].unit->expects))
      continue;
    char *key = shoal_session_passed_key(s, &plan->graph->nodes[it->node]);
    if (key)
      items[n++] = (shoal_index_item){shoal_str_z(key), SHOAL_STR("1")};
  }
  if (n)
    shoal_ignore(shoal_index_put(s->index, items, n, &ignored));
}

/* A failed run's error is its first failed model's. */
static shoal_status verdict(const shoal_run_report *r, const shoal_plan *plan, shoal_error *err) {
  if (r->cancelled)
    return shoal_fail(err, SHOAL_ECANCELLED, "nothing was published; %zu result%s kept, %zu of the models not run",
                      r->n_done, r->n_done == 1 ? " is" : "s are", r->n_left + r->n_blocked);
  for (size_t i = 0; i < plan->n_items; i++)
    if (r->done[i].error) {
      if (err)
        *err = *r->done[i].error;
      return r->done[i].error->status;
    }
  for (size_t i = 0; r->n_held && i < plan->n_items; i++)
    if (r->done[i].held)
      return r->n_held == 1
                 ? shoal_fail(err, SHOAL_EHELD, "%.*s fails an expectation, so nothing was published",
                              SHOAL_FMT(plan->items[i].name))
                 : shoal_fail(err, SHOAL_EHELD, "%.*s and %zu more fail expectations, so nothing was published",
                              SHOAL_FMT(plan->items[i].name), r->n_held - 1);
  return SHOAL_OK;
}

/* A plan that did not know what a Python model reads: what is computed by now is found by the next one. */
static shoal_status unplanned(const shoal_plan *plan, const shoal_run_report *r, shoal_error *err) {
  const shoal_learned *l = &r->learned.ptr[0];
  const shoal_node *n = &plan->graph->nodes[l->node];
  (void)shoal_fail(err, SHOAL_ECONFLICT, "%.*s reads %.*s%s under names that its code does not tell",
                   SHOAL_FMT(n->name), SHOAL_FMT(l->n ? l->names[0] : SHOAL_STR("nothing")),
                   l->n > 1 ? " and more" : "");
  shoal_hint(err, "run again: what is computed is reused");
  return SHOAL_ECONFLICT;
}

static bool all_current(const shoal_plan *plan) { return plan->n_stale + plan->n_removed == 0; }

static bool any_volatile(const shoal_plan *plan) {
  for (uint32_t i = 0; i < plan->graph->n_models; i++)
    if (plan->graph->nodes[i].volatile_why.ptr)
      return true;
  return false;
}

/* A seed repeats only what is drawn in one order, and so by one thread. */
static bool takes_seeded_chances(const shoal_session *s, const shoal_plan *plan) {
  for (size_t i = 0; s->options.seed_fixed && i < plan->n_items; i++)
    if (plan->items[i].action == SHOAL_ACTION_RUN && (plan->graph->nodes[plan->items[i].node].uses & SHOAL_USES_CHANCE))
      return true;
  return false;
}

static shoal_status run_and_publish(shoal_session *s, const shoal_plan *plan, const shoal_run_options *options,
                                    shoal_run_record *record, shoal_run_outcome *out, bool *moved, shoal_error *err) {
  *moved = false;
  unsigned workers = options->workers           ? options->workers
                     : s->config.engine_threads ? s->config.engine_threads
                                                : shoal_os_cpus();
  if (workers > plan->n_run + plan->n_check)
    workers = (unsigned)(plan->n_run + plan->n_check);
  run_arg arg = {.session = s, .plan = plan, .workers = workers, .spare_python = s->python.worker};
  if (!options->verify)
    SHOAL_TRY(claim_names(s, plan, &arg.unclaimed, err));
  shoal_session_await_engine(s);
  s->one_thread = takes_seeded_chances(s, plan);
  if (workers == 1 && !s->one_thread) {
    arg.spare = s->engine;
    s->engine = NULL;
  }
  s->python.worker = NULL;
  shoal_mutex_init(&arg.mutex);
  shoal_status status = shoal_run_execute(&(shoal_run_input){.lake = s->lake,
                                                             .plan = plan,
                                                             .workers = workers,
                                                             .keep_going = options->keep_going,
                                                             .again = options->again || options->verify,
                                                             .who = shoal_str_z(s->who),
                                                             .record = record,
                                                             .cancel = s->options.cancel,
                                                             .listener = s->options.listener,
                                                             .prepare = prepare_task,
                                                             .open_engine = open_engine,
                                                             .open_worker = open_worker,
                                                             .arg = &arg},
                                          &out->report, err);
  if (arg.spare)
    s->engine = arg.spare;
  s->python.worker = arg.spare_python;
  shoal_mutex_dispose(&arg.mutex);
  SHOAL_TRY(status);
  if (options->verify && out->report.learned.len == 0)
    return verdict(&out->report, plan, err);
  remember_passed(s, plan, &out->report);
  SHOAL_TRY(shoal_session_learn(s, &out->report, err));
  SHOAL_TRY(verdict(&out->report, plan, err));
  if (out->report.learned.len) {
    *moved = true;
    return unplanned(plan, &out->report, err);
  }
  SHOAL_TRY(publish_run(s, plan, options, record ? shoal_run_id(record) : SHOAL_STR_NONE, out, moved, err));
  return shoal_session_project(s, &out->projection, err);
}

/* What was computed before it was planned again counts. */
static void next_round(shoal_run_outcome *out, shoal_plan *next, shoal_run_report *sum) {
  sum->n_computed += out->report.n_computed;
  sum->rows += out->report.rows;
  sum->bytes += out->report.bytes;
  shoal_run_report_dispose(&out->report);
  shoal_plan_free(out->plan);
  out->plan = next;
}

/* A publication is validated against the branch's head as it is put. Where others were faster with what this run read,
   it is planned again on what they published; what is computed already is found. So it is where Python models read what
   the plan did not know. */
static shoal_status run_rounds(shoal_session *s, const shoal_plan *plan, const shoal_run_options *options,
                               shoal_run_record *record, shoal_run_outcome *out, shoal_error *err) {
  shoal_run_report sum = {0};
  bool moved;
  shoal_error why = {0};
  shoal_status status = run_and_publish(s, plan, options, record, out, &moved, &why);
  while (moved && options->replan && !options->verify && s->n_replans < SHOAL_MAX_REPLANS) {
    shoal_plan *next = NULL;
    s->n_replans += out->report.learned.len == 0; /* what is learned comes to an end by itself */
    shoal_error failed = {0};
    status = shoal_session_replan(s, options->replan, plan->state, options->prune, &next, &failed);
    if (status < 0) {
      why = failed;
      break;
    }
    next_round(out, next, &sum);
    if (s->options.listener.on_event)
      s->options.listener.on_event(s->options.listener.arg, &(shoal_event){.kind = SHOAL_EVENT_REPLANNED,
                                                                           .text = shoal_str_z(why.message),
                                                                           .planned = (uint32_t)next->n_run});
    status = announce(s, next, &record, &why);
    moved = false;
    if (status >= 0)
      status = run_and_publish(s, next, options, record, out, &moved, &why);
  }
  out->report.n_computed += sum.n_computed;
  out->report.rows += sum.rows;
  out->report.bytes += sum.bytes;
  if (status < 0 && err)
    *err = why;
  return status;
}

shoal_status shoal_session_run(shoal_session *s, const shoal_plan *plan, const shoal_run_options *options,
                               shoal_run_outcome *out, shoal_error *err) {
  *out = (shoal_run_outcome){0};
  shoal_run_record *record = NULL;
  shoal_status status = SHOAL_OK;
  bool work = plan->n_run + plan->n_adopt + plan->n_check + (options->prune ? plan->n_removed : 0) > 0;
  if (work)
    status = announce(s, plan, &record, err);
  if (status >= 0)
    status = work ? run_rounds(s, plan, options, record, out, err) : shoal_session_project(s, &out->projection, err);
  if (record)
    shoal_run_end(record);
  if (s->python.n_files)
    prune_outputs(s);
  if (out->plan)
    plan = out->plan;
  if (status >= 0 && all_current(plan) && !any_volatile(plan) && !options->again && !options->verify) {
    shoal_error ignored;
    shoal_ignore(shoal_session_settle(s, plan->graph->n_models, &ignored)); /* a cache */
  }
  return status;
}

void shoal_run_outcome_dispose(shoal_run_outcome *o) {
  shoal_run_report_dispose(&o->report);
  shoal_plan_free(o->plan);
  shoal_projection_report_dispose(&o->projection);
}
