/* SPDX-License-Identifier: Apache-2.0 */
/* pthreads with statuses. A mutex is held for a few instructions, never across I/O, unless a header says so. */
#ifndef SHOAL_BASE_THREAD_H
#define SHOAL_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "shoal/error.h"

typedef struct shoal_mutex {
  pthread_mutex_t m;
} shoal_mutex;
typedef struct shoal_cond {
  pthread_cond_t c;
} shoal_cond;
typedef struct shoal_thread {
  pthread_t t;
  bool started;
} shoal_thread;

void shoal_mutex_init(shoal_mutex *m);
void shoal_mutex_dispose(shoal_mutex *m);
void shoal_mutex_lock(shoal_mutex *m);
void shoal_mutex_unlock(shoal_mutex *m);
void shoal_cond_init(shoal_cond *c);
void shoal_cond_dispose(shoal_cond *c);
void shoal_cond_signal(shoal_cond *c);
void shoal_cond_broadcast(shoal_cond *c);
void shoal_cond_wait(shoal_cond *c, shoal_mutex *m);
/* False when `us` microseconds went by without a signal. Monotonic clock. */
bool shoal_cond_wait_for(shoal_cond *c, shoal_mutex *m, int64_t us);
/* The thread blocks all signals, so that Ctrl-C reaches the main thread. */
SHOAL_MUST_USE shoal_status shoal_thread_start(shoal_thread *t, void (*body)(void *arg), void *arg, shoal_error *err);
void shoal_thread_join(shoal_thread *t); /* no-op when not started */

#endif
