/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session's methods for functions whose results are kept: session/keep for Python. What blocks runs without the
 * interpreter's lock; what needs the session itself, under its mutex. Who waits for another's computation looks for
 * Ctrl-C in between.
 */
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/arrow.h"
#include "result.h"
#include "session.h"

#define POLL_NS 20000000L /* how often a waiting call looks whether the other is done */

static PyObject *module_of(PyObject *self) { return PyType_GetModule(Py_TYPE(self)); }

typedef shoal_status (*action)(shoal_py_session *shared, void *arg, shoal_error *err);

/* Under the mutex, without the interpreter's lock. False with an exception. */
static bool locked(PyObject *self, action act, void *arg) {
  shoal_py_session *shared = shoal_py_session_of(self);
  shoal_error err = {0};
  shoal_status status;
  Py_BEGIN_ALLOW_THREADS shoal_mutex_lock(&shared->mutex);
  status = shared->closed ? shoal_fail(&err, SHOAL_EINVAL, "the session is closed") : act(shared, arg, &err);
  shoal_mutex_unlock(&shared->mutex);
  Py_END_ALLOW_THREADS if (status >= 0) return true;
  shoal_py_raise(module_of(self), &err);
  return false;
}

static shoal_status refresh(shoal_py_session *shared, void *arg, shoal_error *err) {
  (void)arg;
  return shoal_keep_refresh(shared->s, err);
}

PyObject *shoal_py_head(PyObject *self, PyObject *unused) {
  (void)unused;
  return locked(self, refresh, NULL) ? PyLong_FromLongLong(shoal_py_session_of(self)->s->state->publication) : NULL;
}

static bool take_hash(shoal_str hex, shoal_hash *out) {
  if (shoal_hash_unhex(hex, out))
    return true;
  PyErr_SetString(PyExc_ValueError, "a signature has 64 hex digits");
  return false;
}

static PyObject *hex_or_none(const shoal_hash *h) {
  char hex[SHOAL_HASH_HEX + 1];
  if (shoal_hash_zero(h))
    Py_RETURN_NONE;
  shoal_hash_hex(h, hex);
  return PyUnicode_FromString(hex);
}

/* ---- what datasets hold ---- */

typedef struct key_look {
  shoal_str name, revision;
  shoal_hash key;
} key_look;
typedef struct keys_look {
  key_look *looks;
  size_t n;
} keys_look;

static shoal_status look_at_keys(shoal_py_session *shared, void *arg, shoal_error *err) {
  keys_look *k = arg;
  SHOAL_TRY(shoal_keep_refresh(shared->s, err));
  for (size_t i = 0; i < k->n; i++)
    SHOAL_TRY(shoal_keep_key(shared->s, k->looks[i].name, k->looks[i].revision, &k->looks[i].key, err));
  return SHOAL_OK;
}

static bool take_key_looks(PyObject *list, keys_look *k) {
  for (size_t i = 0; i < k->n; i++) {
    const char *name, *revision;
    Py_ssize_t n_name, n_revision;
    if (!PyArg_ParseTuple(PyList_GetItem(list, (Py_ssize_t)i), "s#s#", &name, &n_name, &revision, &n_revision))
      return false;
    k->looks[i] = (key_look){.name = {name, (size_t)n_name}, .revision = {revision, (size_t)n_revision}};
  }
  return true;
}

PyObject *shoal_py_keys(PyObject *self, PyObject *args) {
  PyObject *list, *result = NULL;
  if (!PyArg_ParseTuple(args, "O!", &PyList_Type, &list))
    return NULL;
  keys_look k = {.n = (size_t)PyList_Size(list)};
  k.looks = shoal_calloc(k.n + 1, sizeof *k.looks);
  if (!k.looks)
    return PyErr_NoMemory();
  if (take_key_looks(list, &k) && locked(self, look_at_keys, &k))
    result = PyList_New((Py_ssize_t)k.n);
  for (size_t i = 0; result && i < k.n; i++) {
    PyObject *key = hex_or_none(&k.looks[i].key);
    if (!key || PyList_SetItem(result, (Py_ssize_t)i, key) < 0)
      Py_CLEAR(result);
  }
  shoal_free(k.looks);
  return result;
}

typedef struct held_look {
  const char *dataset, *revision;
  shoal_arena arena;
  shoal_result result;
  bool found;
} held_look;

static shoal_status look_at_held(shoal_py_session *shared, void *arg, shoal_error *err) {
  held_look *h = arg;
  shoal_state *then = NULL;
  SHOAL_TRY(shoal_keep_refresh(shared->s, err));
  if (*h->revision)
    SHOAL_TRY(shoal_session_revision(shared->s, shoal_str_z(h->revision), &then, err));
  const shoal_entry *e = shoal_state_find(then ? then : shared->s->state, shoal_str_z(h->dataset));
  shoal_status status = e ? shoal_result_copy(&e->result, &h->arena, &h->result, err) : SHOAL_OK;
  h->found = e && status >= 0;
  shoal_state_free(then);
  return status;
}

PyObject *shoal_py_held(PyObject *self, PyObject *args) {
  held_look h = {0};
  PyObject *result = NULL;
  if (!PyArg_ParseTuple(args, "ss", &h.dataset, &h.revision))
    return NULL;
  if (locked(self, look_at_held, &h))
    result = h.found ? shoal_py_result(module_of(self), &h.result) : Py_NewRef(Py_None);
  shoal_arena_dispose(&h.arena);
  return result;
}

PyObject *shoal_py_find(PyObject *self, PyObject *args) {
  shoal_str hex;
  Py_ssize_t n;
  shoal_lookup look = {0};
  shoal_arena arena = {0};
  shoal_error err = {0};
  PyObject *result = NULL;
  shoal_status status;
  if (!PyArg_ParseTuple(args, "s#", &hex.ptr, &n))
    return NULL;
  hex.len = (size_t)n;
  if (!take_hash(hex, &look.signature) || !locked(self, refresh, NULL))
    return NULL;
  shoal_lake *lake = shoal_py_session_of(self)->s->lake;
  Py_BEGIN_ALLOW_THREADS status = shoal_claims_lookup(lake, &look, 1, &arena, &err);
  Py_END_ALLOW_THREADS if (status < 0) shoal_py_raise(module_of(self), &err);
  else result = look.found ? shoal_py_result(module_of(self), &look.result) : Py_NewRef(Py_None);
  shoal_arena_dispose(&arena);
  return result;
}

/* ---- leases ---- */

#define LEASE "shoal.lease"

typedef struct held_lease {
  shoal_py_session *shared;
  shoal_lease *lease; /* NULL: given back */
  shoal_hash signature;
  uint32_t generations;
  char *label;
  int64_t pid;
} held_lease;

static void give_lease_back(held_lease *h) {
  if (h->lease && h->pid == shoal_os_pid()) /* a forked child's copy is its parent's lease */
    shoal_keep_end(&h->shared->heart, h->lease);
  h->lease = NULL;
}

static void free_lease(PyObject *capsule) {
  held_lease *h = PyCapsule_GetPointer(capsule, LEASE);
  Py_BEGIN_ALLOW_THREADS give_lease_back(h);
  shoal_py_session_release(h->shared);
  Py_END_ALLOW_THREADS shoal_free(h->label);
  shoal_free(h);
}

static shoal_status start_heart(shoal_py_session *shared, void *arg, shoal_error *err) {
  SHOAL_TRY(refresh(shared, arg, err));
  return shared->heart.started ? SHOAL_OK : shoal_heart_start(&shared->heart, NULL, err);
}

/* Until the result is there or the lease is ours. */
static shoal_status wait_for_lease(shoal_py_session *shared, const shoal_hash *signature, const char *label,
                                   shoal_arena *arena, shoal_lookup *look, shoal_lease **lease, shoal_error *err) {
  shoal_keep_wait wait = {0};
  shoal_status status = SHOAL_EBUSY;
  int signalled = 0;
  while (status == SHOAL_EBUSY && !signalled) {
    Py_BEGIN_ALLOW_THREADS if (wait.since_us) nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    status = shoal_keep_begin(shared->s->lake, &shared->heart, signature, shoal_str_z(shared->s->who),
                              shoal_str_z(label), &wait, arena, look, lease, err);
    Py_END_ALLOW_THREADS signalled = status == SHOAL_EBUSY && PyErr_CheckSignals() < 0;
  }
  return status;
}

static PyObject *lease_capsule(shoal_py_session *shared, shoal_lease *lease, const shoal_lookup *look,
                               const char *label) {
  held_lease *h = shoal_calloc(1, sizeof *h);
  char *copy = h ? shoal_malloc(strlen(label) + 1) : NULL;
  PyObject *capsule = copy ? PyCapsule_New(h, LEASE, free_lease) : PyErr_NoMemory();
  if (!capsule) {
    shoal_keep_end(&shared->heart, lease);
    shoal_free(copy);
    shoal_free(h);
    return NULL;
  }
  strcpy(copy, label);
  *h = (held_lease){shared, lease, look->signature, look->generations, copy, shoal_os_pid()};
  shoal_mutex_lock(&shared->mutex);
  shared->refs++;
  shoal_mutex_unlock(&shared->mutex);
  return capsule;
}

PyObject *shoal_py_begin(PyObject *self, PyObject *args) {
  shoal_py_session *shared = shoal_py_session_of(self);
  shoal_str hex;
  const char *label;
  Py_ssize_t n;
  shoal_hash signature;
  shoal_lookup look;
  shoal_lease *lease = NULL;
  shoal_arena arena = {0};
  shoal_error err = {0};
  PyObject *result = NULL;
  if (!PyArg_ParseTuple(args, "s#s", &hex.ptr, &n, &label))
    return NULL;
  hex.len = (size_t)n;
  if (!take_hash(hex, &signature) || !locked(self, start_heart, NULL))
    return NULL;
  shoal_status status = wait_for_lease(shared, &signature, label, &arena, &look, &lease, &err);
  if (status < 0)
    shoal_py_raise(module_of(self), &err);
  else if (lease)
    result = Py_BuildValue("(ON)", Py_None, lease_capsule(shared, lease, &look, label));
  else
    result = Py_BuildValue("(NO)", shoal_py_result(module_of(self), &look.result), Py_None);
  shoal_arena_dispose(&arena);
  return result;
}

PyObject *shoal_py_end(PyObject *self, PyObject *args) {
  PyObject *capsule;
  (void)self;
  if (!PyArg_ParseTuple(args, "O", &capsule))
    return NULL;
  held_lease *h = PyCapsule_GetPointer(capsule, LEASE);
  if (!h)
    return NULL;
  Py_BEGIN_ALLOW_THREADS give_lease_back(h);
  Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

/* ---- putting ---- */

typedef struct putting {
  held_lease *held;
  const char *dataset, *type, *provenance;
  long long us;
  shoal_outcome cost;
  shoal_result_draft draft;
  shoal_arena arena;
  shoal_model model; /* what the decorator says, no more */
  shoal_keep_broken broken;
  shoal_result result;
} putting;

static bool draft_of(putting *p, PyObject *capsule) {
  p->held = PyCapsule_GetPointer(capsule, LEASE);
  if (!p->held)
    return false;
  p->cost = (shoal_outcome){.wall_us = p->us, .cpu_us = p->us};
  p->draft = (shoal_result_draft){.signature = p->held->signature,
                                  .dataset = shoal_str_z(p->dataset ? p->dataset : p->held->label),
                                  .unnamed = !p->dataset,
                                  .outcome = &p->cost,
                                  .type = shoal_str_z(p->type),
                                  .provenance = shoal_str_z(p->provenance),
                                  .writer = shoal_str_z(p->held->shared->s->who),
                                  .generations = p->held->generations};
  return true;
}

static PyObject *put_done(PyObject *self, putting *p, shoal_status status, const shoal_error *err) {
  PyObject *result = status < 0 ? shoal_py_raise(module_of(self), err) : shoal_py_result(module_of(self), &p->result);
  shoal_arena_dispose(&p->arena);
  return result;
}

PyObject *shoal_py_put_object(PyObject *self, PyObject *args) {
  putting p = {0};
  PyObject *lease;
  const char *codec;
  Py_buffer bytes;
  bool won;
  shoal_error err = {0};
  shoal_status status;
  if (!PyArg_ParseTuple(args, "Ozssy*sL", &lease, &p.dataset, &p.type, &codec, &bytes, &p.provenance, &p.us))
    return NULL;
  if (!draft_of(&p, lease)) {
    PyBuffer_Release(&bytes);
    return NULL;
  }
  p.draft.codec = shoal_str_z(codec);
  p.draft.payload = (shoal_str){bytes.len ? bytes.buf : "", (size_t)bytes.len};
  Py_BEGIN_ALLOW_THREADS status = shoal_result_put(p.held->shared->s->lake, &p.draft, &p.arena, &p.result, &won, &err);
  Py_END_ALLOW_THREADS PyBuffer_Release(&bytes);
  return put_done(self, &p, status, &err);
}

static shoal_status put_rows(putting *p, struct ArrowArrayStream *stream, shoal_error *err) {
  shoal_py_session *shared = p->held->shared;
  shoal_engine *engine = NULL;
  shoal_mutex_lock(&shared->mutex);
  shoal_status status = shoal_py_engine_take(shared, &engine, err);
  shoal_mutex_unlock(&shared->mutex);
  SHOAL_TRY(status);
  status = shoal_keep_put_table(shared->s->lake, engine, stream, &p->model, &p->draft, &p->arena, &p->result,
                                &p->broken, err);
  shoal_py_engine_give_back(shared, engine);
  return status;
}

typedef struct decorator {
  const char *text, *path;
  Py_ssize_t n;
  int line;
} decorator;

static shoal_status take_decorated(const decorator *d, shoal_arena *arena, shoal_model *out, shoal_error *err) {
  if (d->n == 0)
    return SHOAL_OK;
  out->path = shoal_str_z(d->path);
  return shoal_model_decorate((shoal_str){d->text, (size_t)d->n}, out->path, d->line, arena, out, err);
}

static bool add_broken(const shoal_expect *e, uint64_t rows, PyObject *list) {
  shoal_buf text = {0};
  shoal_expect_text(e, &text);
  shoal_str words = shoal_buf_str(&text);
  PyObject *one =
      Py_BuildValue("(s#KN)", words.ptr, (Py_ssize_t)words.len, (unsigned long long)rows, PyBool_FromLong(e->warn));
  bool ok = one && PyList_Append(list, one) == 0;
  Py_XDECREF(one);
  shoal_buf_dispose(&text);
  return ok;
}

/* [(expectation, rows, warn)], or None where nobody counted. */
static PyObject *broken_list(const shoal_model *m, const shoal_keep_broken *b) {
  if (!b->checked)
    Py_RETURN_NONE;
  PyObject *list = PyList_New(0);
  for (size_t i = 0; list && i < b->n; i++)
    if (!add_broken(&m->expects[b->broken[i].expect], b->broken[i].rows, list))
      Py_CLEAR(list);
  return list;
}

static shoal_status count_broken(shoal_py_session *shared, putting *p, const shoal_result *r, shoal_error *err) {
  shoal_engine *engine = NULL;
  shoal_mutex_lock(&shared->mutex);
  shoal_status status = shoal_py_engine_take(shared, &engine, err);
  shoal_mutex_unlock(&shared->mutex);
  SHOAL_TRY(status);
  status = shoal_keep_check(shared->s->lake, engine, &p->model, r, &p->arena, &p->broken, err);
  shoal_py_engine_give_back(shared, engine);
  return status;
}

PyObject *shoal_py_check(PyObject *self, PyObject *args) {
  PyObject *o;
  const shoal_result *r;
  decorator d;
  putting p = {0};
  shoal_error err = {0};
  if (!PyArg_ParseTuple(args, "Os#si", &o, &d.text, &d.n, &d.path, &d.line) ||
      !(r = shoal_py_result_of(module_of(self), o)) || !locked(self, refresh, NULL))
    return NULL;
  shoal_status status = take_decorated(&d, &p.arena, &p.model, &err);
  Py_BEGIN_ALLOW_THREADS if (status >= 0) status = count_broken(shoal_py_session_of(self), &p, r, &err);
  Py_END_ALLOW_THREADS PyObject *result =
      status < 0 ? shoal_py_raise(module_of(self), &err) : broken_list(&p.model, &p.broken);
  shoal_arena_dispose(&p.arena);
  return result;
}

PyObject *shoal_py_put_table(PyObject *self, PyObject *args) {
  putting p = {0};
  PyObject *lease, *capsule, *broken = NULL;
  decorator d;
  shoal_error err = {0};
  shoal_status status;
  if (!PyArg_ParseTuple(args, "OzsOsLs#si", &lease, &p.dataset, &p.type, &capsule, &p.provenance, &p.us, &d.text, &d.n,
                        &d.path, &d.line))
    return NULL;
  struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
  if (!stream || !draft_of(&p, lease))
    return NULL;
  if (!stream->release) {
    PyErr_SetString(PyExc_ValueError, "the stream was read before");
    return NULL;
  }
  status = take_decorated(&d, &p.arena, &p.model, &err);
  Py_BEGIN_ALLOW_THREADS if (status >= 0) status = put_rows(&p, stream, &err);
  Py_END_ALLOW_THREADS if (status >= 0 && !(broken = broken_list(&p.model, &p.broken))) {
    shoal_arena_dispose(&p.arena);
    return NULL;
  }
  PyObject *result = put_done(self, &p, status, &err);
  return result ? Py_BuildValue("(NN)", result, broken) : (Py_XDECREF(broken), NULL);
}

/* ---- reading ---- */

PyObject *shoal_py_payload(PyObject *self, PyObject *args) {
  PyObject *o, *result = NULL;
  const shoal_result *r;
  shoal_buf bytes = {0};
  shoal_error err = {0};
  shoal_status status;
  if (!PyArg_ParseTuple(args, "O", &o) || !(r = shoal_py_result_of(module_of(self), o)) || !locked(self, refresh, NULL))
    return NULL;
  shoal_buf_init(&bytes, SIZE_MAX / 2);
  shoal_lake *lake = shoal_py_session_of(self)->s->lake;
  Py_BEGIN_ALLOW_THREADS status = shoal_result_payload(lake, r, &bytes, &err);
  Py_END_ALLOW_THREADS if (status < 0) shoal_py_raise(module_of(self), &err);
  else result = PyBytes_FromStringAndSize(shoal_buf_z(&bytes), (Py_ssize_t)bytes.len);
  shoal_buf_dispose(&bytes);
  return result;
}

PyObject *shoal_py_rows(PyObject *self, PyObject *args) {
  PyObject *o;
  const shoal_result *r;
  if (!PyArg_ParseTuple(args, "O", &o) || !(r = shoal_py_result_of(module_of(self), o)) || !locked(self, refresh, NULL))
    return NULL;
  return shoal_py_result_stream(self, r);
}

PyObject *shoal_py_provenance(PyObject *self, PyObject *args) {
  PyObject *o, *result = NULL;
  const shoal_result *r;
  shoal_buf text = {0};
  shoal_error err = {0};
  shoal_status status;
  if (!PyArg_ParseTuple(args, "O", &o) || !(r = shoal_py_result_of(module_of(self), o)) || !locked(self, refresh, NULL))
    return NULL;
  shoal_lake *lake = shoal_py_session_of(self)->s->lake;
  Py_BEGIN_ALLOW_THREADS status = shoal_result_provenance(lake, r, &text, &err);
  Py_END_ALLOW_THREADS if (status < 0) shoal_py_raise(module_of(self), &err);
  else result = PyUnicode_FromStringAndSize(text.ptr, (Py_ssize_t)text.len);
  shoal_buf_dispose(&text);
  return result;
}

PyObject *shoal_py_condemn(PyObject *self, PyObject *args) {
  PyObject *o;
  const shoal_result *r;
  const char *reason;
  shoal_error err = {0};
  shoal_status status;
  if (!PyArg_ParseTuple(args, "Os", &o, &reason) || !(r = shoal_py_result_of(module_of(self), o)) ||
      !locked(self, refresh, NULL))
    return NULL;
  shoal_lake *lake = shoal_py_session_of(self)->s->lake;
  Py_BEGIN_ALLOW_THREADS status = shoal_result_condemn(lake, r, reason, &err);
  Py_END_ALLOW_THREADS if (status < 0 && status != SHOAL_EEXIST) return shoal_py_raise(module_of(self), &err);
  Py_RETURN_NONE; /* somebody else has done it */
}

/* ---- publishing ---- */

typedef struct publishing {
  shoal_keep_set *sets;
  size_t n;
  int64_t publication;
} publishing;

static shoal_status publish(shoal_py_session *shared, void *arg, shoal_error *err) {
  publishing *p = arg;
  return shoal_keep_publish(shared->s, p->sets, p->n, &p->publication, err);
}

static bool take_sets(PyObject *self, PyObject *list, publishing *p) {
  for (size_t i = 0; i < p->n; i++) {
    const char *dataset;
    Py_ssize_t n;
    PyObject *o;
    const shoal_result *r;
    if (!PyArg_ParseTuple(PyList_GetItem(list, (Py_ssize_t)i), "s#O", &dataset, &n, &o) ||
        !(r = shoal_py_result_of(module_of(self), o)))
      return false;
    p->sets[i] = (shoal_keep_set){{dataset, (size_t)n}, *r};
  }
  return true;
}

PyObject *shoal_py_publish(PyObject *self, PyObject *args) {
  PyObject *list, *result = NULL;
  if (!PyArg_ParseTuple(args, "O!", &PyList_Type, &list))
    return NULL;
  publishing p = {.n = (size_t)PyList_Size(list)};
  p.sets = shoal_calloc(p.n + 1, sizeof *p.sets);
  if (!p.sets)
    return PyErr_NoMemory();
  if (take_sets(self, list, &p) && locked(self, publish, &p))
    result = PyLong_FromLongLong(p.publication);
  shoal_free(p.sets);
  return result;
}

/* ---- traces ---- */

static PyObject *list_names(const shoal_str *names, size_t n) {
  PyObject *list = PyList_New((Py_ssize_t)n);
  for (size_t i = 0; list && i < n; i++) {
    PyObject *name = PyUnicode_FromStringAndSize(names[i].ptr, (Py_ssize_t)names[i].len);
    if (!name || PyList_SetItem(list, (Py_ssize_t)i, name) < 0)
      Py_CLEAR(list);
  }
  return list;
}

PyObject *shoal_py_traces(PyObject *self, PyObject *args) {
  shoal_str hex;
  Py_ssize_t n_hex;
  shoal_hash key;
  shoal_trace *traces;
  size_t n;
  shoal_arena arena = {0};
  shoal_error err = {0};
  shoal_status status;
  if (!PyArg_ParseTuple(args, "s#", &hex.ptr, &n_hex))
    return NULL;
  hex.len = (size_t)n_hex;
  if (!take_hash(hex, &key) || !locked(self, refresh, NULL))
    return NULL;
  shoal_lake *lake = shoal_py_session_of(self)->s->lake;
  Py_BEGIN_ALLOW_THREADS status = shoal_traces_read(lake, &key, &arena, &traces, &n, &err);
  Py_END_ALLOW_THREADS PyObject *list = status < 0 ? shoal_py_raise(module_of(self), &err) : PyList_New((Py_ssize_t)n);
  for (size_t i = 0; list && i < n; i++) {
    PyObject *names = list_names(traces[i].names, traces[i].n_names);
    if (!names || PyList_SetItem(list, (Py_ssize_t)i, names) < 0)
      Py_CLEAR(list);
  }
  shoal_arena_dispose(&arena);
  return list;
}

PyObject *shoal_py_trace(PyObject *self, PyObject *args) {
  shoal_str hex;
  Py_ssize_t n_hex, n;
  shoal_hash key;
  PyObject *list;
  shoal_error err = {0};
  if (!PyArg_ParseTuple(args, "s#O!", &hex.ptr, &n_hex, &PyList_Type, &list))
    return NULL;
  hex.len = (size_t)n_hex;
  if (!take_hash(hex, &key) || !locked(self, refresh, NULL))
    return NULL;
  n = PyList_Size(list);
  shoal_str *names = shoal_calloc((size_t)n + 1, sizeof *names);
  bool ok = names != NULL;
  if (!ok)
    PyErr_NoMemory();
  for (Py_ssize_t i = 0; ok && i < n; i++) {
    Py_ssize_t len;
    names[i].ptr = PyUnicode_AsUTF8AndSize(PyList_GetItem(list, i), &len);
    names[i].len = (size_t)len;
    ok = names[i].ptr != NULL;
  }
  shoal_lake *lake = shoal_py_session_of(self)->s->lake;
  shoal_status status = SHOAL_OK;
  if (ok) {
    Py_BEGIN_ALLOW_THREADS status = shoal_trace_put(lake, &key, &(shoal_trace){names, (size_t)n}, &err);
    Py_END_ALLOW_THREADS
  }
  shoal_free(names);
  if (!ok)
    return NULL;
  return status < 0 ? shoal_py_raise(module_of(self), &err) : Py_NewRef(Py_None);
}

/* ---- queries and trust ---- */

typedef struct query_look {
  const char *sql, *revision;
  shoal_query query;
} query_look;

/* AT clauses and macros would be read, too, and no key covers them. */
static shoal_status look_at_query(shoal_py_session *shared, void *arg, shoal_error *err) {
  query_look *q = arg;
  shoal_state *at = NULL;
  SHOAL_TRY(shoal_keep_refresh(shared->s, err));
  SHOAL_TRY(shoal_session_revision(shared->s, shoal_str_z(q->revision), &at, err));
  shoal_status status = shoal_session_query(shared->s, at, shoal_str_z(q->sql), &q->query, err);
  shoal_state_free(at);
  SHOAL_TRY(status);
  if (q->query.job.n_macros == 0 && shoal_str_eq(q->query.job.sql, shoal_str_z(q->sql)))
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_EUNSUPPORTED, "a kept function can't run a query with AT or the project's macros");
  shoal_hint(err, "make a model of the query and load that; shoal.sql(…, at=…) reads all of a query at a revision");
  return SHOAL_EUNSUPPORTED;
}

PyObject *shoal_py_names(PyObject *self, PyObject *args) {
  query_look q = {0};
  PyObject *list = NULL;
  if (!PyArg_ParseTuple(args, "ss", &q.sql, &q.revision))
    return NULL;
  if (locked(self, look_at_query, &q))
    list = PyList_New((Py_ssize_t)q.query.job.n_inputs);
  for (size_t i = 0; list && i < q.query.job.n_inputs; i++) {
    shoal_str name = q.query.job.inputs[i].name;
    PyObject *text = PyUnicode_FromFormat(shoal_str_chr(name, '.') < 0 ? "main.%s" : "%s", name.ptr);
    if (!text || PyList_SetItem(list, (Py_ssize_t)i, text) < 0)
      Py_CLEAR(list);
  }
  shoal_query_dispose(&q.query);
  return list;
}

static shoal_status look_at_trust(shoal_py_session *shared, void *arg, shoal_error *err) {
  SHOAL_TRY(shoal_keep_refresh(shared->s, err));
  return shoal_lake_trusted(shared->s->lake, arg, err);
}

PyObject *shoal_py_trusted(PyObject *self, PyObject *unused) {
  bool trusted = false;
  (void)unused;
  return locked(self, look_at_trust, &trusted) ? PyBool_FromLong(trusted) : NULL;
}

static shoal_status say_trust(shoal_py_session *shared, void *arg, shoal_error *err) {
  (void)arg;
  SHOAL_TRY(shoal_keep_refresh(shared->s, err));
  return shoal_lake_trust(shared->s->lake, shoal_str_z(shared->s->who), err);
}

PyObject *shoal_py_trust(PyObject *self, PyObject *unused) {
  (void)unused;
  return locked(self, say_trust, NULL) ? Py_NewRef(Py_None) : NULL;
}
