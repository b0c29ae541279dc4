/* SPDX-License-Identifier: Apache-2.0 */
/* interrupt.h: a thread that looks fifty times a second. An interrupt before the engine begins a job is lost, so it is
   repeated. */
#include "session/interrupt.h"

#include "base/mem.h"
#include "base/thread.h"

struct shoal_interrupt {
  shoal_cancel *cancel;
  shoal_engine *engine;
  shoal_mutex mutex;
  shoal_cond wake;
  bool over, passed;
  shoal_thread thread;
};

static void watch(void *arg) {
  shoal_interrupt *w = arg;
  shoal_mutex_lock(&w->mutex);
  while (!w->over) {
    if (atomic_load(&w->cancel->requested)) {
      shoal_engine_interrupt(w->engine);
      w->passed = true;
    }
    (void)shoal_cond_wait_for(&w->wake, &w->mutex, 20000);
  }
  shoal_mutex_unlock(&w->mutex);
}

static void dispose(shoal_interrupt *w) {
  shoal_cond_dispose(&w->wake);
  shoal_mutex_dispose(&w->mutex);
  shoal_free(w);
}

shoal_status shoal_interrupt_begin(shoal_cancel *cancel, shoal_engine *engine, shoal_interrupt **out,
                                   shoal_error *err) {
  shoal_interrupt *w = shoal_calloc(1, sizeof *w);
  *out = NULL;
  if (!w)
    return shoal_fail_nomem(err);
  w->cancel = cancel;
  w->engine = engine;
  shoal_mutex_init(&w->mutex);
  shoal_cond_init(&w->wake);
  shoal_status status = shoal_thread_start(&w->thread, watch, w, err);
  if (status == SHOAL_OK)
    *out = w;
  else
    dispose(w);
  return status;
}

/* An interrupt that came too late would cancel the next job, so an empty one takes it. */
void shoal_interrupt_end(shoal_interrupt *w) {
  shoal_rows *rows = NULL;
  shoal_job nothing = {.sql = SHOAL_STR("select 1")};
  if (!w)
    return;
  shoal_mutex_lock(&w->mutex);
  w->over = true;
  shoal_cond_signal(&w->wake);
  shoal_mutex_unlock(&w->mutex);
  shoal_thread_join(&w->thread);
  if (w->passed && shoal_engine_query(w->engine, &nothing, &rows, NULL) >= 0)
    shoal_rows_free(rows);
  dispose(w);
}
