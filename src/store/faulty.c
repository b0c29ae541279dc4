/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store that fails on demand. Every operation of the wrapped store is one call of the count, reading ones too; a
 * batch counts each of its objects. A fault "after" does the work and then lies about it, as a network that drops the
 * answer does: what stands above must live with an outcome it does not know.
 */
#include "store/faulty.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/thread.h"

typedef struct faulty_store {
  shoal_store base;
  shoal_store *inner;
  shoal_mutex lock;
  uint64_t calls, at;
  shoal_fault fault;
  bool sticky;
  uint64_t meanwhile_at;
  void (*meanwhile)(void *arg);
  void *arg;
  void (*watch)(void *arg, uint64_t n, const char *what, shoal_str key);
  void *watch_arg;
} faulty_store;

typedef enum call_kind { CALL_READS, CALL_WRITES, CALL_DELETES } call_kind;

/* What this call shall do. */
static shoal_fault count_call(shoal_store *s, call_kind kind, const char *what, shoal_str key) {
  faulty_store *f = (faulty_store *)s;
  shoal_mutex_lock(&f->lock);
  uint64_t n = ++f->calls;
  bool hit = f->at != 0 && (n == f->at || (f->sticky && n > f->at));
  shoal_fault fault = hit ? f->fault : SHOAL_FAULT_NONE;
  if (f->watch)
    f->watch(f->watch_arg, n, what, key);
  bool pause = f->meanwhile_at != 0 && n == f->meanwhile_at;
  shoal_mutex_unlock(&f->lock);
  if (pause)
    f->meanwhile(f->arg);
  if (fault == SHOAL_FAULT_SPACE && kind != CALL_WRITES)
    return SHOAL_FAULT_NONE;
  if (fault == SHOAL_FAULT_AFTER && kind == CALL_READS)
    return SHOAL_FAULT_BEFORE;
  return fault;
}

static shoal_store *inner_of(shoal_store *s) { return ((faulty_store *)s)->inner; }

static shoal_status fail_before(shoal_fault fault, const char *what, shoal_error *err) {
  if (fault == SHOAL_FAULT_SPACE)
    return shoal_fail(err, SHOAL_ESPACE, "injected fault: no space left for %s", what);
  return shoal_fail(err, SHOAL_EIO, "injected fault before %s", what);
}

/* Ends a writing call: what really happened, unless it is to be lied about. */
static shoal_status finish(shoal_fault fault, shoal_status st, const char *what, shoal_error *err) {
  if (fault == SHOAL_FAULT_AFTER)
    return shoal_fail(err, SHOAL_EIO, "injected fault after %s", what);
  return st;
}

static bool is_before(shoal_fault fault) { return fault == SHOAL_FAULT_BEFORE || fault == SHOAL_FAULT_SPACE; }

static shoal_status faulty_get(shoal_store *s, shoal_str key, uint64_t off, uint64_t len, shoal_buf *out,
                               shoal_error *err) {
  shoal_fault fault = count_call(s, CALL_READS, "get", key);
  if (is_before(fault))
    return fail_before(fault, "get", err);
  return shoal_store_get_range(inner_of(s), key, off, len, out, err);
}

static shoal_status faulty_head(shoal_store *s, shoal_str key, shoal_object *out, shoal_error *err) {
  shoal_fault fault = count_call(s, CALL_READS, "head", key);
  if (is_before(fault))
    return fail_before(fault, "head", err);
  return shoal_store_head(inner_of(s), key, out, err);
}

static shoal_status faulty_put_new(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err) {
  shoal_fault fault = count_call(s, CALL_WRITES, "put_new", key);
  if (is_before(fault))
    return fail_before(fault, "put_new", err);
  return finish(fault, shoal_store_put_new(inner_of(s), key, bytes, err), "put_new", err);
}

static shoal_status faulty_put_brief(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err) {
  shoal_fault fault = count_call(s, CALL_WRITES, "put_brief", key);
  if (is_before(fault))
    return fail_before(fault, "put_brief", err);
  return finish(fault, shoal_store_put_brief(inner_of(s), key, bytes, err), "put_brief", err);
}

static shoal_status faulty_rewrite(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err) {
  shoal_fault fault = count_call(s, CALL_WRITES, "rewrite", key);
  if (is_before(fault))
    return fail_before(fault, "rewrite", err);
  return finish(fault, shoal_store_rewrite(inner_of(s), key, bytes, err), "rewrite", err);
}

static shoal_status faulty_put_files(shoal_store *s, const shoal_put_file *files, size_t n, shoal_error *err) {
  shoal_fault fault = count_call(s, CALL_WRITES, "put_files", n ? files[0].key : SHOAL_STR_NONE);
  if (is_before(fault))
    return fail_before(fault, "put_files", err);
  return finish(fault, shoal_store_put_files(inner_of(s), files, n, err), "put_files", err);
}

static shoal_status faulty_link(shoal_store *s, shoal_str from, shoal_str to, shoal_error *err) {
  shoal_fault fault = count_call(s, CALL_WRITES, "link", to);
  if (is_before(fault))
    return fail_before(fault, "link", err);
  return finish(fault, shoal_store_link(inner_of(s), from, to, err), "link", err);
}

static shoal_status faulty_list(shoal_store *s, shoal_str prefix, shoal_str after, bool shallow, size_t limit,
                                shoal_arena *arena, shoal_object **out, size_t *n, shoal_error *err) {
  shoal_fault fault = count_call(s, CALL_READS, "list", prefix);
  if (is_before(fault))
    return fail_before(fault, "list", err);
  return shoal_store_list(inner_of(s), prefix, after, shallow, limit, arena, out, n, err);
}

static shoal_status faulty_del(shoal_store *s, shoal_str key, shoal_error *err) {
  shoal_fault fault = count_call(s, CALL_DELETES, "del", key);
  if (is_before(fault))
    return fail_before(fault, "delete", err);
  return finish(fault, shoal_store_del(inner_of(s), key, err), "delete", err);
}

static shoal_status faulty_staging(shoal_store *s, shoal_arena *arena, char **out, shoal_error *err) {
  shoal_fault fault = count_call(s, CALL_WRITES, "staging", SHOAL_STR_NONE);
  if (is_before(fault))
    return fail_before(fault, "staging", err);
  shoal_status st = finish(fault, shoal_store_staging(inner_of(s), arena, out, err), "staging", err);
  if (st < 0)
    *out = NULL;
  return st;
}

static char *faulty_local_path(shoal_store *s, shoal_str key, shoal_arena *arena) {
  return shoal_store_local_path(inner_of(s), key, arena);
}

static void faulty_free(shoal_store *s) {
  faulty_store *f = (faulty_store *)s;
  shoal_mutex_dispose(&f->lock);
  shoal_free(f);
}

static const shoal_store_ops faulty_ops = {
    .name = "faulty",
    .get = faulty_get,
    .head = faulty_head,
    .put_new = faulty_put_new,
    .put_brief = faulty_put_brief,
    .rewrite = faulty_rewrite,
    .put_files = faulty_put_files,
    .link = faulty_link,
    .list = faulty_list,
    .del = faulty_del,
    .staging = faulty_staging,
    .local_path = faulty_local_path,
    .free = faulty_free,
};

shoal_status shoal_store_open_faulty(shoal_store *inner, shoal_store **out, shoal_error *err) {
  *out = NULL;
  faulty_store *f = shoal_calloc(1, sizeof *f);
  if (!f)
    return shoal_fail_nomem(err);
  f->base.ops = &faulty_ops;
  f->inner = inner;
  shoal_mutex_init(&f->lock);
  *out = &f->base;
  return SHOAL_OK;
}

void shoal_store_faulty_at(shoal_store *s, uint64_t n, shoal_fault fault, bool sticky) {
  faulty_store *f = (faulty_store *)s;
  shoal_mutex_lock(&f->lock);
  f->calls = 0;
  f->at = n;
  f->fault = fault;
  f->sticky = sticky;
  shoal_mutex_unlock(&f->lock);
}

void shoal_store_faulty_meanwhile(shoal_store *s, uint64_t n, void (*meanwhile)(void *arg), void *arg) {
  faulty_store *f = (faulty_store *)s;
  shoal_mutex_lock(&f->lock);
  f->calls = 0;
  f->meanwhile_at = n;
  f->meanwhile = meanwhile;
  f->arg = arg;
  shoal_mutex_unlock(&f->lock);
}

void shoal_store_faulty_watch(shoal_store *s, void (*watch)(void *arg, uint64_t n, const char *what, shoal_str key),
                              void *arg) {
  faulty_store *f = (faulty_store *)s;
  shoal_mutex_lock(&f->lock);
  f->watch = watch;
  f->watch_arg = arg;
  shoal_mutex_unlock(&f->lock);
}

uint64_t shoal_store_faulty_calls(shoal_store *s) {
  faulty_store *f = (faulty_store *)s;
  shoal_mutex_lock(&f->lock);
  uint64_t n = f->calls;
  shoal_mutex_unlock(&f->lock);
  return n;
}
