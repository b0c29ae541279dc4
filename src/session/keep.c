/* SPDX-License-Identifier: Apache-2.0 */
#include "session/keep.h"

#include <stdio.h>

#include "base/str.h"
#include "base/time.h"

#define MAX_OVERTAKEN 100 /* publications of one call that others were faster with */

/* ---- what the branch holds ---- */

/* A branch that was new has its own log as soon as anybody has published to it. */
static shoal_status look_for_branch(shoal_session *s, shoal_error *err) {
  shoal_state *now = NULL;
  shoal_status status = shoal_branch_load(s->lake, s->branch, -1, &now, err);
  if (status == SHOAL_ENOTFOUND)
    return SHOAL_OK;
  SHOAL_TRY(status);
  shoal_state_free(s->state);
  s->state = now;
  s->branch_is_new = false;
  return SHOAL_OK;
}

shoal_status shoal_keep_refresh(shoal_session *s, shoal_error *err) {
  bool moved;
  if (!s->state) {
    SHOAL_TRY(shoal_session_open_lake(s, true, err));
    return shoal_session_load_state(s, err);
  }
  if (s->branch_is_new)
    return look_for_branch(s, err);
  SHOAL_TRY(shoal_branch_refresh(s->lake, s->state, &moved, err));
  if (s->state->deleted)
    return shoal_fail(err, SHOAL_ECONFLICT, "the branch %.*s was deleted meanwhile", SHOAL_FMT(s->branch));
  return SHOAL_OK;
}

static shoal_status refuse_source(shoal_session *s, shoal_str name, shoal_error *err) {
  for (size_t i = 0; s->root && i < s->config.n_sources; i++)
    if (shoal_str_eq(s->config.sources[i].name, name)) {
      (void)shoal_fail(err, SHOAL_EUNSUPPORTED, "%.*s is a source, which a kept function can't read", SHOAL_FMT(name));
      shoal_hint(err, "make a model of it (select * from %.*s) and load that", SHOAL_FMT(name));
      return SHOAL_EUNSUPPORTED;
    }
  return SHOAL_OK;
}

shoal_status shoal_keep_key(shoal_session *s, shoal_str name, shoal_str revision, shoal_hash *out, shoal_error *err) {
  shoal_state *then = NULL;
  *out = (shoal_hash){0};
  if (revision.len)
    SHOAL_TRY(shoal_session_revision(s, revision, &then, err));
  const shoal_entry *e = shoal_state_find(then ? then : s->state, name);
  if (e)
    *out = e->result.signature;
  shoal_state_free(then);
  return e ? SHOAL_OK : refuse_source(s, name, err);
}

/* ---- one computation ---- */

static void watch(shoal_keep_wait *wait, const shoal_lease_holder *holder) {
  if (wait->epoch != holder->epoch || wait->beat != holder->beat || wait->since_us == 0)
    wait->since_us = shoal_time_monotonic();
  wait->epoch = holder->epoch;
  wait->beat = holder->beat;
  snprintf(wait->holder, sizeof wait->holder, "%.*s", SHOAL_FMT(holder->who));
}

shoal_status shoal_keep_begin(shoal_lake *lake, shoal_heart *heart, const shoal_hash *signature, shoal_str who,
                              shoal_str label, shoal_keep_wait *wait, shoal_arena *arena, shoal_lookup *look,
                              shoal_lease **lease, shoal_error *err) {
  shoal_lease_holder holder;
  bool dead = wait->since_us && wait->since_us + SHOAL_LEASE_LIFE_US <= shoal_time_monotonic();
  *lease = NULL;
  *look = (shoal_lookup){.signature = *signature};
  SHOAL_TRY(shoal_claims_lookup(lake, look, 1, arena, err));
  if (look->found)
    return SHOAL_OK;
  shoal_status status = shoal_lease_take(lake, signature, SHOAL_STR_NONE, who, label, dead ? wait->epoch : 0,
                                         dead ? wait->beat : 0, lease, &holder, arena, err);
  if (status == SHOAL_EBUSY)
    watch(wait, &holder);
  SHOAL_TRY(status);
  shoal_heart_hold(heart, *lease);
  status = shoal_claims_lookup(lake, look, 1, arena, err); /* somebody may have claimed it before the lease was ours */
  if (status < 0 || look->found) {
    shoal_keep_end(heart, *lease);
    *lease = NULL;
  }
  return status;
}

void shoal_keep_end(shoal_heart *heart, shoal_lease *lease) {
  if (!lease)
    return;
  shoal_heart_unhold(heart, lease);
  shoal_lease_release(lease);
}

typedef struct table_draft {
  shoal_lake *lake;
  shoal_engine *engine;
  const shoal_model *model;
  shoal_result_draft *draft;
  shoal_arena *arena;
} table_draft;

static shoal_status execute(table_draft *t, struct ArrowArrayStream *stream, shoal_outcome *out, shoal_error *err) {
  const shoal_model *m = t->model;
  shoal_scan scan = {.format = SHOAL_SCAN_ARROW, .stream = stream};
  shoal_input input = {SHOAL_STR("kept_rows"), &scan};
  shoal_job job = {.sql = SHOAL_STR("from kept_rows"),
                   .inputs = &input,
                   .n_inputs = 1,
                   .staging = t->draft->staging,
                   .partition_by = m->partition_by,
                   .n_partition_by = m->n_partition_by,
                   .cluster_by = m->cluster_by,
                   .n_cluster_by = m->n_cluster_by,
                   .rows_hash = true,
                   .ordered = true};
  t->draft->partition_by = m->partition_by;
  t->draft->n_partition_by = m->n_partition_by;
  return shoal_engine_execute(t->engine, &job, t->arena, out, err);
}

static shoal_status check(table_draft *t, const shoal_scan *scan, shoal_keep_broken *out, bool *holds,
                          shoal_error *err) {
  out->checked = true;
  return shoal_expects_check(t->model, t->engine, &(shoal_job){0}, scan, t->arena, &out->broken, &out->n, holds, err);
}

static shoal_status put_staged(table_draft *t, struct ArrowArrayStream *stream, shoal_result *out,
                               shoal_keep_broken *broken, shoal_error *err) {
  shoal_outcome made = {0};
  shoal_scan scan;
  bool won, holds = true;
  int64_t cpu_us = t->draft->outcome->cpu_us, wall_us = t->draft->outcome->wall_us;
  SHOAL_TRY(execute(t, stream, &made, err));
  made.cpu_us += cpu_us; /* what it took to compute is what it takes to have it again */
  made.wall_us += wall_us;
  t->draft->outcome = &made;
  if (t->model->n_expects) {
    SHOAL_TRY(shoal_staged_scan(t->model, t->draft->staging, &made, t->arena, &scan, err));
    SHOAL_TRY(check(t, &scan, broken, &holds, err));
  }
  t->draft->failed_expectation = !holds;
  shoal_status status = shoal_result_put(t->lake, t->draft, t->arena, out, &won, err);
  broken->checked &= won; /* else it is another's rows */
  return status;
}

shoal_status shoal_keep_put_table(shoal_lake *lake, shoal_engine *engine, struct ArrowArrayStream *stream,
                                  const shoal_model *m, shoal_result_draft *draft, shoal_arena *arena,
                                  shoal_result *out, shoal_keep_broken *broken, shoal_error *err) {
  char *staging = NULL;
  table_draft t = {lake, engine, m, draft, arena};
  *broken = (shoal_keep_broken){0};
  SHOAL_TRY(shoal_store_staging(lake->store, arena, &staging, err));
  draft->staging = staging;
  shoal_status status = put_staged(&t, stream, out, broken, err);
  draft->outcome = NULL;
  shoal_ignore(shoal_os_remove_tree(staging, NULL)); /* leftovers are removed by whoever makes the next folder */
  return status;
}

shoal_status shoal_keep_check(shoal_lake *lake, shoal_engine *engine, const shoal_model *m, const shoal_result *r,
                              shoal_arena *arena, shoal_keep_broken *out, shoal_error *err) {
  shoal_delta_snapshot *snapshot = NULL;
  shoal_scan scan;
  bool holds;
  table_draft t = {.lake = lake, .engine = engine, .model = m, .arena = arena};
  *out = (shoal_keep_broken){0};
  if (r->codec.ptr)
    return shoal_model_object(m, r->type, err);
  shoal_status status = shoal_result_open(lake, r, &snapshot, err);
  if (status >= 0)
    status = shoal_result_scan(lake, r, snapshot, arena, &scan, err);
  if (status >= 0)
    status = check(&t, &scan, out, &holds, err);
  shoal_delta_snapshot_free(snapshot);
  return status;
}

/* ---- publishing ---- */

static shoal_status check_owner(shoal_session *s, shoal_str name, shoal_error *err) {
  shoal_str owner;
  shoal_status status = shoal_dataset_owner(s->lake, name, &s->arena, &owner, err);
  if (status == SHOAL_ENOTFOUND)
    return SHOAL_OK;
  SHOAL_TRY(status);
  if (s->config.name.ptr && shoal_str_eq(owner, s->config.name))
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_ECONFLICT, "the dataset %.*s belongs to the project %.*s", SHOAL_FMT(name),
                   SHOAL_FMT(owner));
  shoal_hint(err, "keep the result under another path");
  return SHOAL_ECONFLICT;
}

/* The changes against what the branch holds now. Later ones of a name come later in `sets` and win. */
static shoal_status collect(shoal_session *s, const shoal_keep_set *sets, size_t n, shoal_change *changes,
                            size_t *count, shoal_error *err) {
  *count = 0;
  for (size_t i = 0; i < n; i++) {
    const shoal_entry *e = shoal_state_find(s->state, sets[i].dataset);
    if (e && (e->pinned || (shoal_hash_eq(&e->result.signature, &sets[i].result.signature) &&
                            e->result.generation == sets[i].result.generation)))
      continue;
    SHOAL_TRY(check_owner(s, sets[i].dataset, err));
    changes[(*count)++] = (shoal_change){.kind = SHOAL_CHANGE_SET, .name = sets[i].dataset, .result = sets[i].result};
  }
  return SHOAL_OK;
}

shoal_status shoal_keep_publish(shoal_session *s, const shoal_keep_set *sets, size_t n, int64_t *out,
                                shoal_error *err) {
  shoal_arena arena = {0};
  shoal_change *changes = SHOAL_NEW_ARRAY(&arena, shoal_change, n);
  shoal_status status = changes ? SHOAL_ECONFLICT : shoal_fail_nomem(err);
  *out = 0;
  for (int i = 0; i < MAX_OVERTAKEN && status == SHOAL_ECONFLICT; i++) {
    shoal_publication_draft draft = {.kind = "keep", .changes = changes};
    status = shoal_keep_refresh(s, err);
    if (status >= 0)
      status = collect(s, sets, n, changes, &draft.n_changes, err);
    if (status < 0 || draft.n_changes == 0)
      break;
    status = shoal_session_publish(s, &draft, out, err);
  }
  if (status >= 0)
    status = shoal_keep_refresh(s, err);
  if (status >= 0 && *out)
    status = shoal_session_project(s, NULL, err);
  shoal_arena_dispose(&arena);
  return status;
}
