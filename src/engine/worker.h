/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker processes: `python -m shoal.worker`, one request at a time. A message is its length (four bytes,
 * little-endian) and that many bytes of JSON, over a channel of its own, so that what a model prints does not disturb
 * it.
 *
 *  W1 The worker speaks first: its package's version and the protocol's. Any other than ours is refused.
 *  W2 A worker that dies, whatever kills it, is the error of the request it was about, and of no other.
 *  W3 A worker ends with the process that started it, even if that is killed.
 *
 * Threads: one thread at a time per worker, except shoal_worker_interrupt.
 */
#ifndef SHOAL_ENGINE_WORKER_H
#define SHOAL_ENGINE_WORKER_H

#include <stdatomic.h>

#include "base/json.h"

#define SHOAL_WORKER_PROTOCOL 1

typedef struct shoal_worker shoal_worker;
typedef struct shoal_worker_config {
  const char *interpreter;     /* absolute */
  const char *root;            /* the project's folder */
  const char *output;          /* file that takes what it prints outside of requests */
  uint64_t memory;             /* bytes it may allocate; 0: no limit */
  const atomic_int *cancelled; /* not 0: stop; looked at several times a second. NULL: there is only the interrupt */
} shoal_worker_config;

/* Starts it. SHOAL_EUNSUPPORTED: the interpreter has no package `shoal`, or another version of it. Texts are copied. */
SHOAL_MUST_USE shoal_status shoal_worker_open(const shoal_worker_config *config, shoal_worker **out, shoal_error *err);
void shoal_worker_free(shoal_worker *w);
SHOAL_MUST_USE shoal_status shoal_worker_send(shoal_worker *w, shoal_str json, shoal_error *err);
/* The next message, to be freed by yyjson_doc_free. SHOAL_EENGINE: it has died, and of what; SHOAL_ELIMIT: it was not
   there by `until_us` (of the monotonic clock; 0: no limit) and the worker was killed; SHOAL_ECANCELLED. Afterwards it
   is of no use: see shoal_worker_alive. */
SHOAL_MUST_USE shoal_status shoal_worker_receive(shoal_worker *w, int64_t until_us, yyjson_doc **out, shoal_error *err);
/* An error that a worker told: {message, hint, path, line}. */
shoal_status shoal_worker_error(yyjson_val *told, shoal_error *err);
bool shoal_worker_alive(const shoal_worker *w);
/* Kills it. Any thread, any time until shoal_worker_free. */
void shoal_worker_interrupt(shoal_worker *w);

#endif
