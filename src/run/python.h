/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a Python model: a worker process calls the function, asks for what it loads, and leaves the result in a file,
 * which the engine makes staged files of, as it does with a query's rows.
 */
#ifndef SHOAL_RUN_PYTHON_H
#define SHOAL_RUN_PYTHON_H

#include "run/task.h"

/* As shoal_engine_execute, for a task whose model is a function. The worker's account of what the function reached is
   added to the task's provenance. */
SHOAL_MUST_USE shoal_status shoal_python_execute(shoal_task *task, const shoal_task_context *ctx, shoal_engine *engine,
                                                 const shoal_worker_source *workers, const char *staging,
                                                 shoal_outcome *out, shoal_error *err);

#endif
