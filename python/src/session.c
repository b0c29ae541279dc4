/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session for Python: opened on a project's folder or on a lake, it answers queries as Arrow streams. The session is
 * one thread's at a time, which its mutex sees to; each stream has an engine of its own while it is read, taken from a
 * pool, so that streams don't wait for each other. A stream keeps the session alive.
 */
#include "session.h"

#include <string.h>

#include "ahead.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/arrow.h"
#include "result.h"

void shoal_py_session_release(shoal_py_session *shared) {
  shoal_mutex_lock(&shared->mutex);
  bool last = --shared->refs == 0;
  shoal_mutex_unlock(&shared->mutex);
  if (!last)
    return;
  if (shared->pid == shoal_os_pid()) /* a forked child has no such thread */
    shoal_heart_stop(&shared->heart);
  for (size_t i = 0; i < shared->n_idle; i++)
    shoal_engine_free(shared->idle[i]);
  if (shared->s)
    shoal_session_close(shared->s);
  shoal_mutex_dispose(&shared->mutex);
  shoal_free(shared);
}

typedef struct session_object {
  PyObject_HEAD shoal_py_session *shared;
} session_object;

/* ---- streams ---- */

typedef struct table_stream {
  shoal_py_session *shared;
  shoal_engine *engine;
  shoal_query query;
  shoal_state *at;
  struct ArrowArrayStream inner;
} table_stream;

static int stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  table_stream *t = stream->private_data;
  return t->inner.get_schema(&t->inner, out);
}
static int stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  table_stream *t = stream->private_data;
  return t->inner.get_next(&t->inner, out);
}
static const char *stream_error(struct ArrowArrayStream *stream) {
  table_stream *t = stream->private_data;
  return t->inner.get_last_error(&t->inner);
}

void shoal_py_engine_give_back(shoal_py_session *shared, shoal_engine *engine) {
  shoal_mutex_lock(&shared->mutex);
  bool keep = !shared->closed && shared->n_idle < MAX_IDLE;
  if (keep)
    shared->idle[shared->n_idle++] = engine;
  shoal_mutex_unlock(&shared->mutex);
  if (!keep)
    shoal_engine_free(engine);
}

static void free_stream(table_stream *t) {
  if (t->inner.release)
    t->inner.release(&t->inner);
  shoal_query_dispose(&t->query);
  shoal_state_free(t->at);
  if (t->engine)
    shoal_py_engine_give_back(t->shared, t->engine);
  if (t->shared)
    shoal_py_session_release(t->shared);
  shoal_free(t);
}

static void stream_release(struct ArrowArrayStream *stream) {
  free_stream(stream->private_data);
  stream->release = NULL;
}

shoal_status shoal_py_engine_take(shoal_py_session *shared, shoal_engine **out, shoal_error *err) {
  if (shared->n_idle) {
    *out = shared->idle[--shared->n_idle];
    return SHOAL_OK;
  }
  return shoal_session_open_engine(shared->s, 1, out, err);
}

/* What rows: a query's at a revision, or a result's. */
typedef struct wanted {
  const char *sql, *at;
  const shoal_result *result;
} wanted;

static shoal_status prepare_query(table_stream *t, const wanted *w, shoal_error *err) {
  shoal_session *s = t->shared->s;
  static const shoal_str name = {"kept_rows", 9};
  if (w->result)
    return shoal_session_query_results(s, &name, &w->result, 1, SHOAL_STR("from kept_rows"), &t->query, err);
  SHOAL_TRY(shoal_session_configure(s, err));
  SHOAL_TRY(shoal_session_open_lake(s, false, err));
  if (s->state)
    SHOAL_TRY(shoal_keep_refresh(s, err));
  SHOAL_TRY(shoal_session_revision(s, shoal_str_z(w->at), &t->at, err));
  return shoal_session_query(s, t->at, shoal_str_z(w->sql), &t->query, err);
}

/* Under the mutex: what needs the session itself. */
static shoal_status prepare(table_stream *t, const wanted *w, shoal_error *err) {
  if (t->shared->closed)
    return shoal_fail(err, SHOAL_EINVAL, "the session is closed");
  SHOAL_TRY(prepare_query(t, w, err));
  return shoal_py_engine_take(t->shared, &t->engine, err);
}

static shoal_status open_stream(shoal_py_session *shared, const wanted *w, struct ArrowArrayStream *out,
                                shoal_error *err) {
  table_stream *t = shoal_calloc(1, sizeof *t);
  if (!t)
    return shoal_fail_nomem(err);
  shoal_mutex_lock(&shared->mutex);
  shared->refs++;
  t->shared = shared;
  shoal_status status = prepare(t, w, err);
  shoal_mutex_unlock(&shared->mutex);
  if (status >= 0)
    status = shoal_engine_stream(t->engine, &t->query.job, &t->inner, err);
  if (status < 0) {
    free_stream(t);
    return status;
  }
  *out = (struct ArrowArrayStream){stream_schema, stream_next, stream_error, stream_release, t};
  return SHOAL_OK;
}

/* ---- the object ---- */

static void free_capsule(PyObject *capsule) {
  struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
  if (!stream)
    return;
  if (stream->release) { /* nobody took it */
    Py_BEGIN_ALLOW_THREADS stream->release(stream);
    Py_END_ALLOW_THREADS
  }
  shoal_free(stream);
}

static PyObject *make_capsule(PyObject *self, const wanted *w) {
  shoal_py_session *shared = shoal_py_session_of(self);
  shoal_error err = {0};
  struct ArrowArrayStream *stream = shoal_calloc(1, sizeof *stream);
  if (!stream)
    return PyErr_NoMemory();
  shoal_status status;
  Py_BEGIN_ALLOW_THREADS status = open_stream(shared, w, stream, &err);
  Py_END_ALLOW_THREADS if (status < 0) {
    shoal_free(stream);
    return shoal_py_raise(PyType_GetModule(Py_TYPE(self)), &err);
  }
  PyObject *capsule = PyCapsule_New(stream, "arrow_array_stream", free_capsule);
  if (!capsule) {
    stream->release(stream);
    shoal_free(stream);
  }
  return capsule;
}

static PyObject *session_stream(PyObject *self, PyObject *args) {
  wanted w = {0};
  return PyArg_ParseTuple(args, "ss", &w.sql, &w.at) ? make_capsule(self, &w) : NULL;
}

PyObject *shoal_py_result_stream(PyObject *self, const shoal_result *r) {
  return make_capsule(self, &(wanted){.result = r});
}

/* What an object was in the program that made it; none for a table. */
static shoal_str object_type(const shoal_result *r) {
  return !r->codec.ptr ? SHOAL_STR_NONE : r->type.ptr ? r->type : r->codec;
}

/* A list of (name, rows, bytes, publication, pinned, type). */
static PyObject *list_entries(const shoal_state *at) {
  PyObject *list = PyList_New(0);
  for (size_t i = 0; list && i < at->n_entries; i++) {
    const shoal_entry *e = &at->entries[i];
    shoal_str type = object_type(&e->result);
    PyObject *item =
        Py_BuildValue("(s#KKLOz#)", e->name.ptr, (Py_ssize_t)e->name.len, (unsigned long long)e->result.rows,
                      (unsigned long long)e->result.bytes, (long long)e->publication, e->pinned ? Py_True : Py_False,
                      type.ptr, (Py_ssize_t)type.len);
    if (!item || PyList_Append(list, item) < 0)
      Py_CLEAR(list);
    Py_XDECREF(item);
  }
  return list;
}

static shoal_status load_state(shoal_py_session *shared, const char *at, shoal_state **out, shoal_error *err) {
  shoal_mutex_lock(&shared->mutex);
  shoal_status status = shared->closed ? shoal_fail(err, SHOAL_EINVAL, "the session is closed") : SHOAL_OK;
  if (status >= 0)
    status = shoal_session_configure(shared->s, err);
  if (status >= 0)
    status = shoal_session_open_lake(shared->s, false, err);
  if (status >= 0)
    status = shoal_session_revision(shared->s, shoal_str_z(at), out, err);
  shoal_mutex_unlock(&shared->mutex);
  return status;
}

static PyObject *session_datasets(PyObject *self, PyTypeObject *type, PyObject *const *args, Py_ssize_t n,
                                  PyObject *names) {
  shoal_py_session *shared = shoal_py_session_of(self);
  shoal_error err = {0};
  shoal_state *state = NULL;
  if (n != 1 || (names && PyTuple_Size(names)))
    return PyErr_Format(PyExc_TypeError, "datasets takes a revision");
  const char *at = PyUnicode_AsUTF8AndSize(args[0], NULL);
  if (!at)
    return NULL;
  shoal_status status;
  Py_BEGIN_ALLOW_THREADS status = load_state(shared, at, &state, &err);
  Py_END_ALLOW_THREADS if (status < 0) return shoal_py_raise(PyType_GetModule(type), &err);
  PyObject *list = list_entries(state);
  shoal_state_free(state);
  return list;
}

/* Where a dataset's result stands: (Result or None, branch, publication, pinned). */
static PyObject *session_entry(PyObject *self, PyObject *args) {
  const char *dataset, *at;
  shoal_error err = {0};
  shoal_state *state = NULL;
  if (!PyArg_ParseTuple(args, "ss", &dataset, &at))
    return NULL;
  PyObject *module = PyType_GetModule(Py_TYPE(self));
  shoal_status status;
  Py_BEGIN_ALLOW_THREADS status = load_state(shoal_py_session_of(self), at, &state, &err);
  Py_END_ALLOW_THREADS if (status < 0) return shoal_py_raise(module, &err);
  const shoal_entry *e = shoal_state_find(state, shoal_str_z(dataset));
  shoal_str branch = !e || e->local || !state->fork_branch.ptr ? state->branch : state->fork_branch;
  PyObject *held = e ? shoal_py_result(module, &e->result) : Py_NewRef(Py_None);
  PyObject *result =
      held ? Py_BuildValue("(Ns#LO)", held, branch.ptr, (Py_ssize_t)branch.len,
                           (long long)(e ? e->publication : state->publication), e && e->pinned ? Py_True : Py_False)
           : NULL;
  shoal_state_free(state);
  return result;
}

static PyObject *session_close(PyObject *self, PyObject *unused) {
  shoal_py_session *shared = shoal_py_session_of(self);
  (void)unused;
  Py_BEGIN_ALLOW_THREADS shoal_mutex_lock(&shared->mutex);
  shared->closed = true; /* streams that are open go on */
  shoal_mutex_unlock(&shared->mutex);
  Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static shoal_status open_session(const char *dir, const char *lake, const char *branch, shoal_py_session **out,
                                 shoal_error *err) {
  shoal_session_options options = {.dir = dir, .lake = lake, .branch = branch};
  shoal_py_session *shared = shoal_calloc(1, sizeof *shared);
  if (!shared)
    return shoal_fail_nomem(err);
  shoal_status status = shoal_session_open(&options, &shared->s, err);
  if (status < 0) {
    shoal_free(shared);
    return status;
  }
  shoal_mutex_init(&shared->mutex);
  shared->refs = 1;
  shared->pid = shoal_os_pid();
  *out = shared;
  return SHOAL_OK;
}

static PyObject *session_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  static char *names[] = {"dir", "lake", "branch", NULL};
  const char *dir = NULL, *lake = NULL, *branch = NULL;
  shoal_error err = {0};
  shoal_py_session *shared = NULL;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|zzz", names, &dir, &lake, &branch))
    return NULL;
  shoal_status status;
  Py_BEGIN_ALLOW_THREADS status = open_session(dir, lake, branch, &shared, &err);
  Py_END_ALLOW_THREADS if (status < 0) return shoal_py_raise(PyType_GetModule(type), &err);
  allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  session_object *self = (session_object *)alloc(type, 0);
  if (self)
    ((session_object *)self)->shared = shared;
  else
    shoal_py_session_release(shared);
  return (PyObject *)self;
}

static void session_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  shoal_py_session *shared = shoal_py_session_of(self);
  if (shared) {
    Py_BEGIN_ALLOW_THREADS shoal_py_session_release(shared);
    Py_END_ALLOW_THREADS
  }
  freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
  free_object(self);
  Py_DECREF(type);
}

shoal_py_session *shoal_py_session_of(PyObject *self) { return ((session_object *)self)->shared; }

static PyMethodDef session_methods[] = {
    {"stream", session_stream, METH_VARARGS, "stream(query, revision): the rows as a capsule of an Arrow stream."},
    {"datasets", (PyCFunction)(void (*)(void))session_datasets, METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "datasets(revision): name, rows, bytes, publication, pinned, type of each."},
    {"entry", session_entry, METH_VARARGS, "entry(dataset, revision) -> (Result or None, branch, publication, pinned)"},
    {"keys", shoal_py_keys, METH_VARARGS, "keys([(name, revision)]) -> [signature or None], of what datasets hold"},
    {"held", shoal_py_held, METH_VARARGS, "held(dataset, revision) -> Result or None"},
    {"find", shoal_py_find, METH_VARARGS, "find(signature) -> Result or None"},
    {"ahead", shoal_py_ahead, METH_NOARGS, "ahead() -> Ahead: what the branch holds now"},
    {"head", shoal_py_head, METH_NOARGS, "head() -> publication: which one the branch is at now"},
    {"begin", shoal_py_begin, METH_VARARGS, "begin(signature, label) -> (Result, None) or (None, lease): waits"},
    {"end", shoal_py_end, METH_VARARGS, "end(lease)"},
    {"put_object", shoal_py_put_object, METH_VARARGS, "put_object(lease, dataset, type, codec, bytes, provenance, us)"},
    {"put_table", shoal_py_put_table, METH_VARARGS,
     "put_table(lease, dataset, type, capsule, provenance, us, decorated, path, line) -> (Result, broken or None)"},
    {"check", shoal_py_check, METH_VARARGS, "check(result, decorated, path, line) -> [(expectation, rows, warn)]"},
    {"payload", shoal_py_payload, METH_VARARGS, "payload(result) -> bytes"},
    {"rows", shoal_py_rows, METH_VARARGS, "rows(result): the rows as a capsule of an Arrow stream"},
    {"provenance", shoal_py_provenance, METH_VARARGS, "provenance(result) -> JSON"},
    {"condemn", shoal_py_condemn, METH_VARARGS, "condemn(result, reason)"},
    {"publish", shoal_py_publish, METH_VARARGS,
     "publish([(dataset, Result)]) -> publication, 0: there was nothing to do"},
    {"traces", shoal_py_traces, METH_VARARGS, "traces(key) -> [[name]]"},
    {"trace", shoal_py_trace, METH_VARARGS, "trace(key, [name])"},
    {"names", shoal_py_names, METH_VARARGS, "names(query, revision): the datasets that a query reads"},
    {"trusted", shoal_py_trusted, METH_NOARGS, "Whether pickled values of the lake may be read."},
    {"trust", shoal_py_trust, METH_NOARGS, "Says so."},
    {"close", session_close, METH_NOARGS, "No more queries; open streams go on."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot session_slots[] = {
    {Py_tp_new, session_new},
    {Py_tp_dealloc, session_dealloc},
    {Py_tp_methods, session_methods},
    {Py_tp_doc, "Session(dir=None, lake=None, branch=None)"},
    {0, NULL},
};
PyType_Spec shoal_session_spec = {
    .name = "shoal._shoal.Session",
    .basicsize = sizeof(session_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = session_slots,
};
