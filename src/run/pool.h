/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pool of workers, each with an engine of its own that is opened at its first task, and a heart that renews leases
 * and the run's record. Only the functions here are called from the scheduler's thread.
 */
#ifndef SHOAL_RUN_POOL_H
#define SHOAL_RUN_POOL_H

#include "run/task.h"

typedef struct shoal_pool shoal_pool;
typedef struct shoal_pool_config {
  unsigned workers;           /* 0: tasks run inside shoal_pool_submit */
  shoal_task_context context; /* hold, unhold are the pool's own */
  shoal_run_record *record;
  shoal_status (*open_engine)(void *arg, shoal_engine **out, shoal_error *err);
  shoal_status (*open_worker)(void *arg, shoal_worker **out, shoal_error *err); /* for Python models */
  void *arg;
} shoal_pool_config;

SHOAL_MUST_USE shoal_status shoal_pool_start(const shoal_pool_config *config, shoal_pool **out, shoal_error *err);
/* Hands a task over. */
SHOAL_MUST_USE shoal_status shoal_pool_submit(shoal_pool *pool, shoal_task *task, shoal_error *err);
/* The next finished task, or NULL when none finishes within `us` (0: does not wait). */
shoal_task *shoal_pool_next(shoal_pool *pool, int64_t us);
void shoal_pool_interrupt(shoal_pool *pool); /* stops what runs now */
/* Waits for what runs, then ends the workers. Tasks not taken are freed. */
void shoal_pool_stop(shoal_pool *pool);

#endif
