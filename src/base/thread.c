/* SPDX-License-Identifier: Apache-2.0 */
/* Thin covers over pthreads; lock errors are programming errors and assert. */
#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "base/mem.h"

static void must(int rc) {
  assert(rc == 0);
  (void)rc;
}

void shoal_mutex_init(shoal_mutex *m) { must(pthread_mutex_init(&m->m, NULL)); }
void shoal_mutex_dispose(shoal_mutex *m) { must(pthread_mutex_destroy(&m->m)); }
void shoal_mutex_lock(shoal_mutex *m) { must(pthread_mutex_lock(&m->m)); }
void shoal_mutex_unlock(shoal_mutex *m) { must(pthread_mutex_unlock(&m->m)); }

void shoal_cond_init(shoal_cond *c) {
  pthread_condattr_t attr;
  must(pthread_condattr_init(&attr));
  must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
  must(pthread_cond_init(&c->c, &attr));
  must(pthread_condattr_destroy(&attr));
}
void shoal_cond_dispose(shoal_cond *c) { must(pthread_cond_destroy(&c->c)); }
void shoal_cond_signal(shoal_cond *c) { must(pthread_cond_signal(&c->c)); }
void shoal_cond_broadcast(shoal_cond *c) { must(pthread_cond_broadcast(&c->c)); }
void shoal_cond_wait(shoal_cond *c, shoal_mutex *m) { must(pthread_cond_wait(&c->c, &m->m)); }

bool shoal_cond_wait_for(shoal_cond *c, shoal_mutex *m, int64_t us) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  int64_t ns = at.tv_nsec + (us % 1000000) * 1000;
  at.tv_sec += us / 1000000 + ns / 1000000000;
  at.tv_nsec = ns % 1000000000;
  int rc = pthread_cond_timedwait(&c->c, &m->m, &at);
  if (rc != ETIMEDOUT)
    must(rc);
  return rc == 0;
}

typedef struct start {
  void (*body)(void *);
  void *arg;
} start;

static void *thread_main(void *p) {
  start s = *(start *)p;
  shoal_free(p);
  s.body(s.arg);
  return NULL;
}

shoal_status shoal_thread_start(shoal_thread *t, void (*body)(void *arg), void *arg, shoal_error *err) {
  t->started = false;
  start *s = shoal_malloc(sizeof *s);
  if (!s)
    return shoal_fail_nomem(err);
  *s = (start){body, arg};
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int rc = pthread_create(&t->t, NULL, thread_main, s);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (rc) {
    shoal_free(s);
    return shoal_fail_errno(err, rc, "cannot start a thread");
  }
  t->started = true;
  return SHOAL_OK;
}

void shoal_thread_join(shoal_thread *t) {
  if (!t->started)
    return;
  must(pthread_join(t->t, NULL));
  t->started = false;
}
