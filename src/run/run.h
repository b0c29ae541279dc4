/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executes a plan: a single-threaded scheduler over a pool of workers. Every decision is made on the calling thread;
 * workers only run tasks. Zero workers means inline and deterministic.
 */
#ifndef SHOAL_RUN_RUN_H
#define SHOAL_RUN_RUN_H

#include <stdatomic.h>

#include "plan/plan.h"
#include "run/events.h"
#include "run/task.h"

/* Set from a signal handler or another thread to stop a run; the scheduler looks several times a second. */
typedef struct shoal_cancel {
  atomic_int requested;
} shoal_cancel;

typedef enum shoal_node_state {
  SHOAL_NODE_IDLE, /* nothing to do for it */
  SHOAL_NODE_DONE,
  SHOAL_NODE_FAILED,
  SHOAL_NODE_BLOCKED, /* something it reads failed */
  SHOAL_NODE_LEFT     /* not begun: the run stopped before */
} shoal_node_state;

/* What came of one item of the plan. */
typedef struct shoal_done {
  shoal_node_state state;
  shoal_result result; /* DONE: what is to be published */
  bool computed;       /* by this run */
  bool differs;        /* --again found another content */
  bool held;           /* an expectation of severity hold does not hold */
  shoal_error *error;  /* FAILED; in the report's arena */
} shoal_done;

/* A Python function that reads what it was not planned with. */
typedef struct shoal_learned {
  uint32_t node;
  const shoal_str *names; /* the report's */
  size_t n;
  bool more; /* besides those that were known; else instead of them */
  bool kept; /* there is a result that read just these */
} shoal_learned;

typedef struct shoal_run_report {
  shoal_arena arena;
  shoal_done *done; /* one per plan item */
  size_t n_done, n_computed, n_found, n_failed, n_blocked, n_left, n_held, n_differ;
  size_t n_objects;     /* of those computed: they have no rows */
  uint64_t rows, bytes; /* computed */
  int64_t wall_us;
  bool cancelled;
  SHOAL_VEC(shoal_learned) learned; /* some: plan again with these. What reads such a function is left */
} shoal_run_report;

typedef struct shoal_run_input {
  shoal_lake *lake;
  const shoal_plan *plan;
  unsigned workers;
  bool keep_going;
  bool again;
  shoal_str who;
  shoal_run_record *record; /* kept alive while the run goes on; may be NULL */
  shoal_cancel *cancel;     /* may be NULL */
  shoal_listener listener;
  /* Fills in a task: model, inputs, macros, variables, provenance. results[node] is what each parent has. Calling
   * thread. */
  shoal_status (*prepare)(void *arg, const shoal_item *item, const shoal_result *const *results, shoal_task *task,
                          shoal_error *err);
  /* An engine for a worker, at its first task. Any thread. */
  shoal_status (*open_engine)(void *arg, shoal_engine **out, shoal_error *err);
  /* A worker process, for the Python models among a worker's tasks. Any thread. */
  shoal_status (*open_worker)(void *arg, shoal_worker **out, shoal_error *err);
  void *arg;
} shoal_run_input;

/* SHOAL_OK even if models failed or it was cancelled: the report tells. Fails only for what concerns the run as a
 * whole. */
SHOAL_MUST_USE shoal_status shoal_run_execute(const shoal_run_input *in, shoal_run_report *out, shoal_error *err);
void shoal_run_report_dispose(shoal_run_report *report);

#endif
