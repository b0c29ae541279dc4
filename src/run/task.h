/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task computes one model's result, or checks the expectations of one that is there. It owns its arena and its error,
 * runs on one worker, and leaves in the lake either a claimed result or nothing that anybody will ever name.
 */
#ifndef SHOAL_RUN_TASK_H
#define SHOAL_RUN_TASK_H

#include "code/model.h"
#include "engine/worker.h"
#include "lake/lake.h"
#include "run/expect.h"

typedef struct shoal_task_input {
  shoal_str name; /* as the SQL writes it, lower case */
  bool is_result;
  shoal_result result; /* of a dataset */
  shoal_scan scan;     /* of a source */
  /* Of a Python function: */
  shoal_hash key;   /* of what is read */
  bool called;      /* see shoal_unit_ref: the key of the function does not count it */
  bool learned;     /* planned since it was seen before, not since the code says so */
  bool asked;       /* what came of it: the function has asked for it */
  const char *from; /* "model", "lake": whose it is, for provenance */
} shoal_task_input;

/* Snapshots, and stores outside the lake, that scans borrow from. */
typedef struct shoal_opened {
  SHOAL_VEC(shoal_delta_snapshot *) snapshots;
  SHOAL_VEC(shoal_delta_view *) views;
  SHOAL_VEC(shoal_store *) stores;
} shoal_opened;
void shoal_opened_dispose(shoal_opened *o);

/* Of a task whose model is a Python function. */
typedef struct shoal_task_python {
  bool is;
  shoal_hash code;      /* its key, which the worker checks */
  shoal_hash arguments; /* with `version`, what else its signature is made of (code/python.h) */
  shoal_str version;
  const char *own;    /* the project's folder for what is Shoal's: files that cross lie in tmp/, outputs in output/ */
  bool strict;        /* it fails if it is seen to do what its key can't cover; else that is a warning */
  int64_t timeout_us; /* 0: no limit */
  shoal_str type;     /* what came of it: what the function returned, "pandas.DataFrame" */
  shoal_str codec, payload; /* likewise, of an object; {NULL,0}: it is a table */
  shoal_str *observed;      /* likewise: what it was seen to do that its key can't cover */
  size_t n_observed;
  const char *output; /* what came of it: the file that has what it printed; NULL: it did not begin */
  /* What came of it, of datasets that it loads under names which its code does not tell: */
  SHOAL_VEC(shoal_task_input *) more; /* what it got besides its inputs; the task's arena */
  SHOAL_VEC(shoal_str) later;         /* what can't be had before it is planned for */
  bool replan;                        /* it is to be planned again: it reads */
  const shoal_str *reads;             /* these instead of the learned inputs that it was given, */
  size_t n_reads;
  bool reads_more; /* or, these besides */
} shoal_task_python;

typedef enum shoal_task_outcome {
  SHOAL_TASK_COMPUTED, /* result is ours */
  SHOAL_TASK_FOUND,    /* result is somebody else's (or ours of before) */
  SHOAL_TASK_CHECKED,  /* check_only: broken tells */
  SHOAL_TASK_COMPARED, /* again: `differs` tells whether the content is another than the result's */
  SHOAL_TASK_BUSY,     /* holder has the lease */
  SHOAL_TASK_LEARNED,  /* nothing: a Python function that is to be planned again */
  SHOAL_TASK_FAILED    /* error */
} shoal_task_outcome;

typedef struct shoal_task {
  shoal_arena arena;
  size_t item; /* of the plan */
  bool check_only;
  bool again;        /* compute though `result` is there, only to compare with it */
  bool no_rows_hash; /* leave out the content's hash */
  shoal_hash signature;
  shoal_str dataset;
  shoal_str project; /* which is to claim the dataset's name before anything else is done; {NULL,0}: it has */
  uint32_t generations;
  shoal_model model;
  shoal_task_input *inputs;
  size_t n_inputs;
  shoal_opened opened;
  const shoal_str *macros;
  size_t n_macros;
  const shoal_variable *variables;
  size_t n_variables;
  bool clock_fixed, seeded; /* see shoal_job */
  int64_t now_us;
  uint32_t seed;
  shoal_str provenance; /* JSON object text */
  /* Asked after the engine has read: are the inputs still those of the key? NULL: they can't change. Any thread. */
  shoal_status (*unchanged)(const void *arg, const struct shoal_task *task, shoal_error *err);
  const void *unchanged_arg;
  shoal_task_python python;
  uint32_t node;        /* of the plan's graph */
  uint32_t stale_epoch; /* what has been watched without a sign of life */
  uint64_t stale_beat;
  /* what came of it */
  shoal_task_outcome outcome;
  shoal_result result; /* check_only: given */
  shoal_broken *broken;
  size_t n_broken;
  bool differs;
  shoal_lease_holder holder;
  shoal_error error;
  int64_t wall_us;
} shoal_task;

/* A dataset as the run has it. */
typedef enum shoal_standing {
  SHOAL_STANDING_NONE,  /* there is no such dataset */
  SHOAL_STANDING_LATER, /* whoever reads it must be planned for it: this run makes it, or it is a source */
  SHOAL_STANDING_RESULT
} shoal_standing;

/* What workers share. */
typedef struct shoal_task_context {
  shoal_lake *lake;
  shoal_str run, who;
  void (*hold)(void *arg, shoal_lease *lease);   /* begins renewing a lease; any thread */
  void (*unhold)(void *arg, shoal_lease *lease); /* ends it; the lease may be released then */
  void *hold_arg;
  /* How a dataset stands now. RESULT fills in `out`, which borrows from the run. Any thread. */
  shoal_standing (*look)(void *arg, shoal_str name, shoal_task_input *out);
  void *look_arg;
} shoal_task_context;

/* Where a task gets a worker process from: the one that is at hand, or, with `fresh`, a new one. */
typedef struct shoal_worker_source {
  shoal_status (*get)(void *arg, bool fresh, shoal_worker **out, shoal_error *err);
  void *arg;
} shoal_worker_source;

/* Never fails as a call: the outcome says it. `engine` is opened by the worker. */
void shoal_task_run(shoal_task *task, const shoal_task_context *ctx, shoal_engine *engine,
                    const shoal_worker_source *workers);
shoal_task *shoal_task_new(void); /* NULL when out of memory */
/* Opens what an input that is a result scans. */
SHOAL_MUST_USE shoal_status shoal_task_open_input(shoal_task *task, shoal_lake *lake, shoal_task_input *in,
                                                  shoal_error *err);
void shoal_task_free(shoal_task *task);

#endif
