/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/worker.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/time.h"

#define TICK_US 100000
#define HELLO_US (60 * 1000000LL) /* an interpreter on a slow disk */
#define MAX_MESSAGE ((size_t)256 << 20)
#define MAX_TAIL 600 /* of what a worker said before it could answer */

struct shoal_worker {
  shoal_arena arena;
  shoal_worker_config config;
  shoal_mutex mutex; /* guards `child` against an interrupt while it ends */
  shoal_child child; /* pid 0: it has ended */
  atomic_bool interrupted;
};

bool shoal_worker_alive(const shoal_worker *w) { return w->child.pid != 0; }

void shoal_worker_interrupt(shoal_worker *w) {
  shoal_mutex_lock(&w->mutex);
  atomic_store(&w->interrupted, true);
  if (w->child.pid)
    shoal_os_child_kill(&w->child);
  shoal_mutex_unlock(&w->mutex);
}

static bool is_cancelled(const shoal_worker *w) {
  return atomic_load(&w->interrupted) || (w->config.cancelled && atomic_load(w->config.cancelled));
}

static void end(shoal_worker *w, int *exit_code, int *signal_number) {
  shoal_mutex_lock(&w->mutex);
  shoal_os_child_end(&w->child, exit_code, signal_number);
  shoal_mutex_unlock(&w->mutex);
}

/* It is gone, or is to go: says of what. */
static shoal_status fail_dead(shoal_worker *w, bool late, shoal_error *err) {
  int code, number;
  end(w, &code, &number);
  if (is_cancelled(w))
    return shoal_fail(err, SHOAL_ECANCELLED, "cancelled");
  if (late)
    return shoal_fail(err, SHOAL_ELIMIT, "it took too long and was stopped");
  const char *name = number ? shoal_os_signal_name(number) : NULL;
  if (!number)
    return shoal_fail(err, SHOAL_EENGINE, "its process ended with exit code %d", code);
  (void)shoal_fail(err, SHOAL_EENGINE, "its process was killed by signal %d (SIG%s)", number, name ? name : "?");
  if (number == 9)
    shoal_hint(err, "perhaps the machine was out of memory");
  return SHOAL_EENGINE;
}

/* Until there is something to read. SHOAL_EBUSY: not by then; SHOAL_DONE: it is cancelled, or the process is gone while
   others that it started keep its end of the channel. */
static shoal_status await(shoal_worker *w, int64_t until_us, shoal_error *err) {
  for (;;) {
    int64_t now = shoal_time_monotonic(), tick = now + TICK_US;
    shoal_status status = shoal_os_await(w->child.channel, until_us && until_us < tick ? until_us : tick, err);
    if (status != SHOAL_EBUSY || (until_us && until_us <= shoal_time_monotonic()))
      return status;
    if (is_cancelled(w) || !shoal_os_child_runs(&w->child))
      return SHOAL_DONE;
  }
}

static shoal_status receive_until(shoal_worker *w, int64_t until_us, shoal_buf *out, shoal_error *err) {
  uint8_t head[4];
  shoal_status status = await(w, until_us, err);
  if (status == SHOAL_OK)
    status = shoal_os_receive(w->child.channel, head, sizeof head, err);
  if (status != SHOAL_OK)
    return status;
  size_t n = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
  if (n > MAX_MESSAGE)
    return shoal_fail(err, SHOAL_ELIMIT, "a worker's message has %zu bytes", n);
  char *to = shoal_buf_reserve(out, n);
  if (!to)
    return shoal_buf_check(out, err);
  out->len += n;
  return shoal_os_receive(w->child.channel, to, n, err);
}

shoal_status shoal_worker_receive(shoal_worker *w, int64_t until_us, yyjson_doc **out, shoal_error *err) {
  shoal_buf text = {.max = MAX_MESSAGE + 16};
  *out = NULL;
  if (!shoal_worker_alive(w))
    return shoal_fail(err, is_cancelled(w) ? SHOAL_ECANCELLED : SHOAL_EENGINE, "the worker has ended");
  shoal_status status = receive_until(w, until_us, &text, err);
  if (status == SHOAL_DONE || status == SHOAL_EBUSY)
    status = fail_dead(w, status == SHOAL_EBUSY, err);
  if (status == SHOAL_OK)
    status = shoal_json_parse(shoal_buf_str(&text), "a worker's message", out, err);
  shoal_buf_dispose(&text);
  return status;
}

shoal_status shoal_worker_send(shoal_worker *w, shoal_str json, shoal_error *err) {
  uint8_t head[4] = {(uint8_t)json.len, (uint8_t)(json.len >> 8), (uint8_t)(json.len >> 16), (uint8_t)(json.len >> 24)};
  if (!shoal_worker_alive(w))
    return shoal_fail(err, is_cancelled(w) ? SHOAL_ECANCELLED : SHOAL_EENGINE, "the worker has ended");
  if (json.len > MAX_MESSAGE)
    return shoal_fail(err, SHOAL_ELIMIT, "a message to a worker has %zu bytes", json.len);
  shoal_status status = shoal_os_send(w->child.channel, shoal_str_n((const char *)head, sizeof head), err);
  if (status >= 0)
    status = shoal_os_send(w->child.channel, json, err);
  return status < 0 ? fail_dead(w, false, err) : status;
}

shoal_status shoal_worker_error(yyjson_val *told, shoal_error *err) {
  shoal_str message = shoal_json_str(told, "message"), hint = shoal_json_str(told, "hint");
  shoal_str path = shoal_json_str(told, "path");
  (void)shoal_fail(err, SHOAL_EINVAL, "%.*s", SHOAL_FMT(message));
  if (hint.len)
    shoal_hint(err, "%.*s", SHOAL_FMT(hint));
  if (path.len)
    shoal_error_at(err, path.ptr, (int)shoal_json_i64(told, "line", 0), 1, 0);
  return SHOAL_EINVAL;
}

/* The last of what it printed, for people. */
static shoal_str tail_of(shoal_worker *w) {
  shoal_buf text = {.max = (size_t)1 << 20};
  shoal_error ignored;
  shoal_str tail = SHOAL_STR_NONE;
  if (shoal_os_read_file(w->config.output, (size_t)1 << 20, &text, &ignored) >= 0) {
    tail = shoal_str_trim(shoal_buf_str(&text));
    if (tail.len > MAX_TAIL)
      tail = shoal_str_sub(tail, tail.len - MAX_TAIL, tail.len);
    tail = shoal_arena_str(&w->arena, tail);
  }
  shoal_buf_dispose(&text);
  return tail;
}

static void hint_install(const shoal_worker *w, shoal_error *err) {
  shoal_hint(err,
             "%s -m pip install shoal==" SHOAL_VERSION
             ", or name another interpreter: python: {interpreter: …} in shoal.yaml, or an active environment",
             w->config.interpreter);
}

static shoal_status no_hello(shoal_worker *w, shoal_error *err) {
  shoal_error died = {0};
  (void)fail_dead(w, false, &died);
  if (died.status == SHOAL_ECANCELLED)
    return shoal_fail(err, SHOAL_ECANCELLED, "cancelled");
  shoal_str said = tail_of(w);
  if (shoal_str_find(said, SHOAL_STR("No module named 'shoal'")) >= 0 ||
      shoal_str_ends(said, SHOAL_STR("No module named shoal.worker")))
    (void)shoal_fail(err, SHOAL_EUNSUPPORTED, "%s has no package shoal, which Python models need",
                     w->config.interpreter);
  else
    (void)shoal_fail(err, SHOAL_EUNSUPPORTED, "%s did not start as a worker: %.*s", w->config.interpreter,
                     SHOAL_FMT(said.len ? said : shoal_str_z(died.message)));
  hint_install(w, err);
  return SHOAL_EUNSUPPORTED;
}

/* W1. */
static shoal_status shake_hands(shoal_worker *w, shoal_error *err) {
  shoal_buf text = {.max = 65536};
  yyjson_doc *doc = NULL;
  shoal_status status = receive_until(w, shoal_time_monotonic() + HELLO_US, &text, err);
  if (status == SHOAL_DONE || status == SHOAL_EBUSY)
    status = no_hello(w, err);
  if (status == SHOAL_OK)
    status = shoal_json_parse(shoal_buf_str(&text), "a worker's message", &doc, err);
  if (status == SHOAL_OK) {
    yyjson_val *hello = yyjson_doc_get_root(doc);
    shoal_str version = shoal_json_str(hello, "shoal");
    if (!shoal_str_is(version, SHOAL_VERSION) || shoal_json_i64(hello, "protocol", 0) != SHOAL_WORKER_PROTOCOL) {
      status = shoal_fail(err, SHOAL_EUNSUPPORTED, "%s has version %.*s of the package shoal; this is " SHOAL_VERSION,
                          w->config.interpreter, SHOAL_FMT(version));
      hint_install(w, err);
    }
  }
  yyjson_doc_free(doc);
  shoal_buf_dispose(&text);
  return status;
}

static shoal_status start(shoal_worker *w, shoal_error *err) {
  char memory[32];
  snprintf(memory, sizeof memory, "%llu", (unsigned long long)w->config.memory);
  /* -P: a folder called shoal in the project is not the package. */
  const char *argv[] = {w->config.interpreter, "-P", "-m", "shoal.worker", w->config.root, memory, NULL};
  SHOAL_TRY(shoal_os_child_start(argv, w->config.root, w->config.output, &w->child, err));
  return shake_hands(w, err);
}

shoal_status shoal_worker_open(const shoal_worker_config *config, shoal_worker **out, shoal_error *err) {
  *out = NULL;
  shoal_worker *w = shoal_calloc(1, sizeof *w);
  if (!w)
    return shoal_fail_nomem(err);
  shoal_mutex_init(&w->mutex);
  w->config = *config;
  w->config.interpreter = shoal_arena_cstr(&w->arena, shoal_str_z(config->interpreter));
  w->config.root = shoal_arena_cstr(&w->arena, shoal_str_z(config->root));
  w->config.output = shoal_arena_cstr(&w->arena, shoal_str_z(config->output));
  shoal_status status =
      w->config.interpreter && w->config.root && w->config.output ? start(w, err) : shoal_fail_nomem(err);
  if (status < 0)
    shoal_worker_free(w);
  else
    *out = w;
  return status;
}

void shoal_worker_free(shoal_worker *w) {
  int code, number;
  if (!w)
    return;
  if (shoal_worker_alive(w))
    end(w, &code, &number); /* it keeps nothing that would have to be written */
  shoal_mutex_dispose(&w->mutex);
  shoal_arena_dispose(&w->arena);
  shoal_free(w);
}
