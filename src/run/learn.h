/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datasets that Python functions load under names which their code does not tell. What a function was seen to read
 * joins its signature, so that one signature still has one result; a trace, under the key of the code alone, tells the
 * names to whoever plans the function next. A plan that did not know them is made again: it finds what was computed.
 */
#ifndef SHOAL_RUN_LEARN_H
#define SHOAL_RUN_LEARN_H

#include "run/task.h"

/* The key under which such names are found: of code, arguments and interpreter. */
shoal_hash shoal_learned_key(const shoal_hash *code, const shoal_hash *arguments, shoal_str version);

/* Before a function runs: SHOAL_DONE, with the task's outcome, if it has a result for names that somebody has seen it
   read, as they stand in this run. */
SHOAL_MUST_USE shoal_status shoal_learned_before(shoal_task *task, const shoal_task_context *ctx, shoal_error *err);

/* After it: the task's signature and provenance become those of what it has read, and others are told. SHOAL_DONE, with
   the task's outcome, if that can't be said before it is planned again. */
SHOAL_MUST_USE shoal_status shoal_learned_after(shoal_task *task, const shoal_task_context *ctx, shoal_error *err);

#endif
