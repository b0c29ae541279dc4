/* SPDX-License-Identifier: Apache-2.0 */
/* One mutex guards the two queues and the workers' states; it is held for a few instructions. */
#include "run/pool.h"

#include "base/mem.h"
#include "base/thread.h"
#include "base/vec.h"
#include "lake/heart.h"

typedef SHOAL_VEC(shoal_task *) task_queue;

typedef struct worker {
  shoal_pool *pool;
  shoal_thread thread;
  shoal_engine *engine; /* guarded by mutex: read by interrupt */
  shoal_worker *python; /* likewise; opened for the first Python model, and anew where one has died */
  bool busy;
} worker;

struct shoal_pool {
  shoal_pool_config config;
  shoal_mutex mutex;
  shoal_cond work, finished;
  task_queue ready, done;
  size_t ready_head, done_head;
  worker *workers;
  unsigned n_workers;
  bool stopping;
  shoal_heart heart;
};

static bool push(task_queue *q, shoal_task *t) {
  shoal_task **slot = shoal_vec_add(q);
  if (slot)
    *slot = t;
  return slot != NULL;
}

static void hold(void *arg, shoal_lease *lease) { shoal_heart_hold(&((shoal_pool *)arg)->heart, lease); }
static void unhold(void *arg, shoal_lease *lease) { shoal_heart_unhold(&((shoal_pool *)arg)->heart, lease); }

/* The worker's engine, opened at its first task. */
static shoal_engine *engine_of(worker *w, shoal_error *err) {
  if (w->engine)
    return w->engine;
  shoal_engine *e = NULL;
  if (w->pool->config.open_engine(w->pool->config.arg, &e, err) < 0)
    return NULL;
  shoal_mutex_lock(&w->pool->mutex);
  w->engine = e;
  shoal_mutex_unlock(&w->pool->mutex);
  return e;
}

static void set_python(worker *w, shoal_worker *python) {
  shoal_mutex_lock(&w->pool->mutex);
  w->python = python;
  shoal_mutex_unlock(&w->pool->mutex);
}

static shoal_status python_of(void *arg, bool fresh, shoal_worker **out, shoal_error *err) {
  worker *w = arg;
  shoal_worker *python = w->python;
  if (python && (fresh || !shoal_worker_alive(python))) {
    set_python(w, NULL);
    shoal_worker_free(python);
    python = NULL;
  }
  if (!python) {
    SHOAL_TRY(w->pool->config.open_worker(w->pool->config.arg, &python, err));
    set_python(w, python);
  }
  *out = python;
  return SHOAL_OK;
}

static void run_one(worker *w, shoal_task *task) {
  shoal_engine *e = engine_of(w, &task->error);
  shoal_worker_source workers = {python_of, w};
  if (e)
    shoal_task_run(task, &w->pool->config.context, e, &workers);
  else
    task->outcome = SHOAL_TASK_FAILED;
}

static void work(void *arg) {
  worker *w = arg;
  shoal_pool *pool = w->pool;
  shoal_mutex_lock(&pool->mutex);
  for (;;) {
    while (!pool->stopping && pool->ready_head == pool->ready.len)
      shoal_cond_wait(&pool->work, &pool->mutex);
    if (pool->stopping)
      break;
    shoal_task *task = pool->ready.ptr[pool->ready_head++];
    w->busy = true;
    shoal_mutex_unlock(&pool->mutex);
    run_one(w, task);
    shoal_mutex_lock(&pool->mutex);
    w->busy = false;
    pool->done.ptr[pool->done.len++] = task; /* room was made by submit */
    shoal_cond_signal(&pool->finished);
  }
  shoal_mutex_unlock(&pool->mutex);
}

shoal_status shoal_pool_start(const shoal_pool_config *config, shoal_pool **out, shoal_error *err) {
  *out = NULL;
  shoal_pool *pool = shoal_calloc(1, sizeof *pool);
  if (!pool)
    return shoal_fail_nomem(err);
  pool->config = *config;
  pool->config.context.hold = hold;
  pool->config.context.unhold = unhold;
  pool->config.context.hold_arg = pool;
  shoal_mutex_init(&pool->mutex);
  shoal_cond_init(&pool->work);
  shoal_cond_init(&pool->finished);
  unsigned n = config->workers ? config->workers : 1;
  shoal_status status = SHOAL_OK;
  pool->workers = shoal_calloc(n, sizeof *pool->workers);
  if (!pool->workers)
    status = shoal_fail_nomem(err);
  for (unsigned i = 0; i < n && status >= 0; i++) {
    pool->workers[i].pool = pool;
    pool->n_workers++;
    if (config->workers)
      status = shoal_thread_start(&pool->workers[i].thread, work, &pool->workers[i], err);
  }
  if (status >= 0)
    status = shoal_heart_start(&pool->heart, config->record, err);
  if (status < 0)
    shoal_pool_stop(pool);
  else
    *out = pool;
  return status;
}

/* Makes sure that finishing this task needs no memory. */
static bool reserve_done(shoal_pool *pool) {
  if (pool->done_head == pool->done.len)
    pool->done_head = pool->done.len = 0;
  size_t outstanding = pool->done.len + (pool->ready.len - pool->ready_head) + pool->n_workers + 1;
  if (outstanding <= pool->done.cap)
    return true;
  shoal_task **p = shoal_reallocarray(pool->done.ptr, outstanding * 2, sizeof *p);
  if (!p)
    return false;
  pool->done.ptr = p;
  pool->done.cap = outstanding * 2;
  return true;
}

shoal_status shoal_pool_submit(shoal_pool *pool, shoal_task *task, shoal_error *err) {
  shoal_mutex_lock(&pool->mutex);
  bool inline_ = pool->config.workers == 0;
  if (pool->ready_head == pool->ready.len)
    pool->ready_head = pool->ready.len = 0;
  bool ok = reserve_done(pool) && (inline_ || push(&pool->ready, task));
  if (ok && !inline_)
    shoal_cond_signal(&pool->work);
  shoal_mutex_unlock(&pool->mutex);
  if (!ok)
    return shoal_fail_nomem(err);
  if (inline_) {
    run_one(&pool->workers[0], task);
    pool->done.ptr[pool->done.len++] = task;
  }
  return SHOAL_OK;
}

shoal_task *shoal_pool_next(shoal_pool *pool, int64_t us) {
  shoal_task *task = NULL;
  shoal_mutex_lock(&pool->mutex);
  if (pool->done_head == pool->done.len && us > 0)
    (void)shoal_cond_wait_for(&pool->finished, &pool->mutex, us);
  if (pool->done_head < pool->done.len)
    task = pool->done.ptr[pool->done_head++];
  shoal_mutex_unlock(&pool->mutex);
  return task;
}

void shoal_pool_interrupt(shoal_pool *pool) {
  shoal_mutex_lock(&pool->mutex);
  for (unsigned i = 0; i < pool->n_workers; i++) {
    if (pool->workers[i].busy && pool->workers[i].engine)
      shoal_engine_interrupt(pool->workers[i].engine);
    if (pool->workers[i].busy && pool->workers[i].python)
      shoal_worker_interrupt(pool->workers[i].python);
  }
  shoal_mutex_unlock(&pool->mutex);
}

void shoal_pool_stop(shoal_pool *pool) {
  if (!pool)
    return;
  shoal_mutex_lock(&pool->mutex);
  pool->stopping = true;
  shoal_cond_broadcast(&pool->work);
  shoal_mutex_unlock(&pool->mutex);
  for (unsigned i = 0; i < pool->n_workers; i++)
    shoal_thread_join(&pool->workers[i].thread);
  shoal_heart_stop(&pool->heart);
  for (unsigned i = 0; i < pool->n_workers; i++) {
    shoal_engine_free(pool->workers[i].engine);
    shoal_worker_free(pool->workers[i].python);
  }
  for (size_t i = pool->ready_head; i < pool->ready.len; i++)
    shoal_task_free(pool->ready.ptr[i]);
  for (size_t i = pool->done_head; i < pool->done.len; i++)
    shoal_task_free(pool->done.ptr[i]);
  shoal_vec_dispose(&pool->ready);
  shoal_vec_dispose(&pool->done);
  shoal_free(pool->workers);
  shoal_cond_dispose(&pool->work);
  shoal_cond_dispose(&pool->finished);
  shoal_mutex_dispose(&pool->mutex);
  shoal_free(pool);
}
