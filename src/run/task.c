/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a task: take the lease, look whether somebody was faster, compute into a staging folder, check the
 * expectations there, put the result, give the lease back. Whatever fails, the staging folder goes and the lease is
 * released; a dead process leaves both to be taken over (invariant 7).
 */
#include "run/task.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "run/learn.h"
#include "run/python.h"

shoal_task *shoal_task_new(void) { return shoal_calloc(1, sizeof(shoal_task)); }
void shoal_task_free(shoal_task *task) {
  if (!task)
    return;
  shoal_vec_dispose(&task->python.more);
  shoal_vec_dispose(&task->python.later);
  shoal_opened_dispose(&task->opened);
  shoal_arena_dispose(&task->arena);
  shoal_free(task);
}

void shoal_opened_dispose(shoal_opened *o) {
  for (size_t i = 0; i < o->snapshots.len; i++)
    shoal_delta_snapshot_free(o->snapshots.ptr[i]);
  for (size_t i = 0; i < o->views.len; i++)
    shoal_delta_view_free(o->views.ptr[i]);
  for (size_t i = 0; i < o->stores.len; i++)
    shoal_store_free(o->stores.ptr[i]);
  shoal_vec_dispose(&o->snapshots);
  shoal_vec_dispose(&o->views);
  shoal_vec_dispose(&o->stores);
}

typedef struct tools {
  shoal_engine *engine;
  const shoal_worker_source *workers;
} tools;

shoal_status shoal_task_open_input(shoal_task *task, shoal_lake *lake, shoal_task_input *in, shoal_error *err) {
  if (task->python.is && in->result.codec.ptr) /* an object's bytes are read when they are asked for */
    return SHOAL_OK;
  shoal_delta_snapshot **snapshot = shoal_vec_add(&task->opened.snapshots);
  if (!snapshot)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_result_open(lake, &in->result, snapshot, err));
  return shoal_result_scan(lake, &in->result, *snapshot, &task->arena, &in->scan, err);
}

static shoal_status open_inputs(shoal_task *task, shoal_lake *lake, shoal_input **inputs, shoal_error *err) {
  *inputs = SHOAL_NEW_ARRAY(&task->arena, shoal_input, task->n_inputs);
  if (!*inputs)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < task->n_inputs; i++) {
    shoal_task_input *in = &task->inputs[i];
    (*inputs)[i] = (shoal_input){in->name, &in->scan};
    if (in->is_result)
      SHOAL_TRY(shoal_task_open_input(task, lake, in, err));
  }
  return SHOAL_OK;
}

static shoal_job job_of(const shoal_task *task, const shoal_input *inputs) {
  return (shoal_job){.sql = task->model.sql,
                     .inputs = inputs,
                     .n_inputs = task->n_inputs,
                     .macros = task->macros,
                     .n_macros = task->n_macros,
                     .variables = task->variables,
                     .n_variables = task->n_variables,
                     .clock_fixed = task->clock_fixed,
                     .now_us = task->now_us,
                     .seeded = task->seeded,
                     .seed = task->seed,
                     .partition_by = task->model.partition_by,
                     .n_partition_by = task->model.n_partition_by,
                     .cluster_by = task->model.cluster_by,
                     .n_cluster_by = task->model.n_cluster_by,
                     .rows_hash = !task->no_rows_hash};
}

static shoal_status check_expects(shoal_task *task, shoal_engine *engine, const shoal_scan *result, bool *holds,
                                  shoal_error *err) {
  const shoal_job of = {.macros = task->macros,
                        .n_macros = task->n_macros,
                        .variables = task->variables,
                        .n_variables = task->n_variables,
                        .clock_fixed = task->clock_fixed,
                        .now_us = task->now_us};
  return shoal_expects_check(&task->model, engine, &of, result, &task->arena, &task->broken, &task->n_broken, holds,
                             err);
}

static shoal_status execute_sql(shoal_task *task, shoal_engine *engine, const shoal_input *inputs, const char *staging,
                                shoal_outcome *made, shoal_error *err) {
  shoal_job job = job_of(task, inputs);
  job.staging = staging;
  shoal_status status = shoal_engine_execute(engine, &job, &task->arena, made, err);
  if (status < 0)
    shoal_model_place_error(&task->model, err);
  return status;
}

/* A result of the signature, whoever made it. SHOAL_DONE: it is there. */
static shoal_status look_up(shoal_task *task, const shoal_task_context *ctx, shoal_error *err) {
  shoal_lookup look = {.signature = task->signature};
  SHOAL_TRY(shoal_claims_lookup(ctx->lake, &look, 1, &task->arena, err));
  task->generations = look.generations;
  if (!look.found)
    return SHOAL_OK;
  task->result = look.result;
  task->outcome = SHOAL_TASK_FOUND;
  return SHOAL_DONE;
}

static shoal_status compute_staged(shoal_task *task, const shoal_task_context *ctx, const tools *with,
                                   const shoal_input *inputs, const char *staging, shoal_error *err) {
  shoal_outcome made = {0};
  shoal_engine *engine = with->engine;
  bool holds = true, won;
  SHOAL_TRY(task->python.is ? shoal_python_execute(task, ctx, engine, with->workers, staging, &made, err)
                            : execute_sql(task, engine, inputs, staging, &made, err));
  if (task->unchanged)
    SHOAL_TRY(task->unchanged(task->unchanged_arg, task, err));
  if (task->python.is) {
    shoal_status status = shoal_learned_after(task, ctx, err);
    if (status == SHOAL_OK && task->python.replan)
      status = look_up(task, ctx, err); /* its signature is another one now */
    if (status != SHOAL_OK)
      return status;
  }
  if (task->model.n_expects) {
    shoal_scan scan;
    SHOAL_TRY(shoal_staged_scan(&task->model, staging, &made, &task->arena, &scan, err));
    SHOAL_TRY(check_expects(task, engine, &scan, &holds, err));
  }
  if (task->again && task->generations > 0) {
    task->differs = !shoal_hash_eq(&made.rows_hash, &task->result.rows_hash) || made.rows != task->result.rows;
    task->outcome = SHOAL_TASK_COMPARED;
    return SHOAL_OK;
  }
  shoal_result_draft draft = {.signature = task->signature,
                              .dataset = task->dataset,
                              .staging = staging,
                              .outcome = &made,
                              .partition_by = task->model.partition_by,
                              .n_partition_by = task->model.n_partition_by,
                              .description = task->model.description,
                              .provenance = task->provenance,
                              .type = task->python.type,
                              .codec = task->python.codec,
                              .payload = task->python.payload,
                              .run = ctx->run,
                              .writer = ctx->who,
                              .failed_expectation = !holds,
                              .generations = task->generations};
  SHOAL_TRY(shoal_result_put(ctx->lake, &draft, &task->arena, &task->result, &won, err));
  task->outcome = won ? SHOAL_TASK_COMPUTED : SHOAL_TASK_FOUND;
  return SHOAL_OK;
}

static shoal_status compute(shoal_task *task, const shoal_task_context *ctx, const tools *with, shoal_error *err) {
  shoal_input *inputs;
  char *staging = NULL;
  shoal_status status = open_inputs(task, ctx->lake, &inputs, err);
  if (status >= 0)
    status = shoal_store_staging(ctx->lake->store, &task->arena, &staging, err);
  if (status >= 0)
    status = compute_staged(task, ctx, with, inputs, staging, err);
  if (staging) {
    shoal_error ignored;
    shoal_ignore(shoal_os_remove_tree(staging, &ignored)); /* leftovers are removed by whoever makes the next folder */
  }
  return status;
}

/* Over a result that is in the lake: what it says of itself was said of other expectations, perhaps. */
static shoal_status check_result(shoal_task *task, const shoal_task_context *ctx, shoal_engine *engine,
                                 shoal_error *err) {
  shoal_delta_snapshot *snapshot = NULL;
  shoal_scan scan;
  bool holds;
  if (task->model.n_expects == 0)
    return SHOAL_OK;
  shoal_status status = shoal_result_open(ctx->lake, &task->result, &snapshot, err);
  if (status >= 0)
    status = shoal_result_scan(ctx->lake, &task->result, snapshot, &task->arena, &scan, err);
  if (status >= 0)
    status = check_expects(task, engine, &scan, &holds, err);
  shoal_delta_snapshot_free(snapshot);
  return status;
}

/* Under the lease: somebody may have claimed the signature since it was looked up. */
static shoal_status compute_unless_there(shoal_task *task, const shoal_task_context *ctx, const tools *with,
                                         shoal_error *err) {
  if (!task->again) {
    shoal_status status = look_up(task, ctx, err);
    if (status == SHOAL_DONE)
      return check_result(task, ctx, with->engine, err);
    if (status == SHOAL_OK && task->python.is)
      status = shoal_learned_before(task, ctx, err);
    if (status != SHOAL_OK)
      return status;
  }
  return compute(task, ctx, with, err);
}

void shoal_task_run(shoal_task *task, const shoal_task_context *ctx, shoal_engine *engine,
                    const shoal_worker_source *workers) {
  const tools with = {engine, workers};
  int64_t start = shoal_time_monotonic();
  shoal_error *err = &task->error;
  shoal_status status;
  if (task->check_only) {
    task->outcome = SHOAL_TASK_CHECKED;
    status = check_result(task, ctx, engine, err);
  } else {
    shoal_lease *lease = NULL;
    status = task->project.ptr ? shoal_dataset_claim(ctx->lake, task->project, task->dataset, err) : SHOAL_OK;
    if (status >= 0)
      status = shoal_lease_take(ctx->lake, &task->signature, ctx->run, ctx->who, task->dataset, task->stale_epoch,
                                task->stale_beat, &lease, &task->holder, &task->arena, err);
    if (status == SHOAL_EBUSY) {
      task->outcome = SHOAL_TASK_BUSY;
      return;
    }
    if (status >= 0) {
      ctx->hold(ctx->hold_arg, lease);
      status = compute_unless_there(task, ctx, &with, err);
      ctx->unhold(ctx->hold_arg, lease);
      shoal_lease_release(lease);
    }
  }
  if (status < 0)
    task->outcome = SHOAL_TASK_FAILED;
  task->wall_us = shoal_time_monotonic() - start;
}
