/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens during a run, as typed events. The command line's lines, its progress, `--json` and later the web page
 * are views of this one stream. Events are delivered on the thread that called shoal_run_execute or the session's
 * function.
 */
#ifndef SHOAL_RUN_EVENTS_H
#define SHOAL_RUN_EVENTS_H

#include "shoal/error.h"
#include "shoal/str.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum shoal_event_kind {
  SHOAL_EVENT_STARTED,   /* a model began to run */
  SHOAL_EVENT_FINISHED,  /* it has a result: rows, bytes, wall_us */
  SHOAL_EVENT_REUSED,    /* somebody's result was found while the run went on */
  SHOAL_EVENT_WAITING,   /* somebody else computes it: text is who */
  SHOAL_EVENT_FAILED,    /* error */
  SHOAL_EVENT_BROKEN,    /* an expectation does not hold: text names it, rows of total */
  SHOAL_EVENT_WARNING,   /* text */
  SHOAL_EVENT_REPLANNED, /* the branch has moved, or a Python model reads what the plan did not know, so the run was
                            planned again: text is what moved */
  SHOAL_EVENT_PROGRESS   /* a tick, several a second: done, total, the slowest running now */
} shoal_event_kind;

typedef struct shoal_event {
  shoal_event_kind kind;
  shoal_str dataset; /* of PROGRESS: the one that runs longest */
  shoal_str text;
  shoal_str query; /* BROKEN: shows the rows, in terms of the dataset's newest result; empty if none does */
  shoal_str codec; /* FINISHED, REUSED: of an object, which has no rows; {NULL,0}: it is a table */
  uint64_t rows, total, bytes;
  int64_t wall_us; /* of PROGRESS: how long it has run */
  uint32_t done, planned, running;
  bool warn; /* BROKEN: of severity warn */
  const shoal_error *error;
  const char *output; /* FAILED: the file that has what the model printed; NULL: none */
} shoal_event;

typedef struct shoal_listener {
  void (*on_event)(void *arg, const shoal_event *event); /* may be NULL */
  void *arg;
} shoal_listener;

const char *shoal_event_name(shoal_event_kind kind); /* "started", for --json */

#endif
