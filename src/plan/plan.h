/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan: for every dataset what a run would do with it, and why, with a prediction of rows, bytes and time. Pure:
 * given a signed graph, the branch's state and the answers of one batch of look-ups.
 */
#ifndef SHOAL_PLAN_PLAN_H
#define SHOAL_PLAN_PLAN_H

#include "lake/lake.h"
#include "plan/graph.h"

typedef enum shoal_action {
  SHOAL_ACTION_REUSE, /* published on this branch already */
  SHOAL_ACTION_ADOPT, /* a result is in the lake: published without running */
  SHOAL_ACTION_RUN,
  SHOAL_ACTION_PINNED, /* held at a chosen result */
  SHOAL_ACTION_STALE,  /* would change, but was not selected */
  SHOAL_ACTION_REMOVED /* in the branch, but its model is gone */
} shoal_action;

typedef enum shoal_reason {
  SHOAL_REASON_NONE,
  SHOAL_REASON_NEW,      /* never published on this branch */
  SHOAL_REASON_CHANGED,  /* its own key has changed while its parents' have not */
  SHOAL_REASON_INPUT,    /* `cause` has changed */
  SHOAL_REASON_VOLATILE, /* reads the clock or chance */
  SHOAL_REASON_AGAIN,    /* asked for by --again */
  SHOAL_REASON_BROKEN,   /* its result was condemned */
  SHOAL_REASON_RELEASED  /* its pin ended because its code changed */
} shoal_reason;

typedef struct shoal_item {
  uint32_t node; /* of the graph; UINT32_MAX for a removed dataset */
  shoal_str name;
  shoal_action action;
  shoal_reason reason;
  uint32_t cause;            /* the nearest changed parent's node, for INPUT */
  const shoal_entry *entry;  /* what the branch holds now; NULL if nothing */
  const shoal_result *found; /* the result to publish, for ADOPT */
  uint32_t generations;      /* as looked up, for RUN */
  bool check;                /* expectations are to be checked on a result that is there already (ADOPT, REUSE) */
  bool predicted;            /* the next four come from an earlier result */
  uint64_t rows, bytes;
  int64_t wall_us;
  shoal_str codec; /* of an object, which has no rows; {NULL,0}: it is a table */
} shoal_item;

typedef struct shoal_plan {
  shoal_arena arena;
  shoal_graph *graph;       /* borrowed */
  const shoal_state *state; /* borrowed */
  shoal_item *items;        /* topological; then the removed ones */
  size_t n_items;
  size_t n_run, n_adopt, n_reuse, n_pinned, n_stale, n_removed, n_check;
  uint64_t bytes; /* predicted to be written */
  int64_t wall_us;
  bool unknown; /* something could not be predicted */
} shoal_plan;

typedef struct shoal_plan_input {
  shoal_graph *graph; /* signed */
  const bool *pinned;
  const bool *selected; /* what the user chose, per node */
  const shoal_state *state;
  const shoal_lookup *lookups; /* one per model for which shoal_plan_needs_lookup said so; NULL before that */
  const uint32_t *lookup_of;   /* node → index into lookups, UINT32_MAX none */
  const bool *condemned;       /* per node: the result that the branch holds may be condemned; NULL: none is */
  const bool *unchecked;       /* per node: its expectations have not been seen to hold for its result */
  const shoal_str *removed;    /* datasets of this project whose model is gone, sorted */
  size_t n_removed;
  bool again;  /* run what is selected even if its result is there */
  bool verify; /* run what is selected if its result is there, and nothing else */
} shoal_plan_input;

/* True if the node's key differs from what the branch holds, so that the lake must be asked. */
bool shoal_plan_needs_lookup(const shoal_graph *g, uint32_t node, const bool *pinned, const shoal_state *state);
SHOAL_MUST_USE shoal_status shoal_plan_decide(const shoal_plan_input *in, shoal_plan **out, shoal_error *err);
void shoal_plan_free(shoal_plan *p);
/* True if a run has nothing to run, adopt or check. */
bool shoal_plan_empty(const shoal_plan *p);

#endif
