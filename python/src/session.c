/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session for Python: opened on a project's folder or on a lake, it answers queries as Arrow streams. The session is
 * one thread's at a time, which its mutex sees to; each stream has an engine of its own while it is read, taken from a
 * pool, so that streams don't wait for each other. A stream keeps the session alive.
 */
#include "module.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/thread.h"
#include "engine/arrow.h"

#define MAX_IDLE 4 /* engines kept for the next query */

/* What Python's object and the streams share. */
typedef struct session {
  shoal_mutex mutex; /* guards all below */
  unsigned refs;
  shoal_session *s;
  shoal_engine *idle[MAX_IDLE];
  size_t n_idle;
  bool closed;
} session;

typedef struct session_object {
  PyObject_HEAD session *shared;
} session_object;

static void release_session(session *shared) {
  shoal_mutex_lock(&shared->mutex);
  bool last = --shared->refs == 0;
  shoal_mutex_unlock(&shared->mutex);
  if (!last)
    return;
  for (size_t i = 0; i < shared->n_idle; i++)
    shoal_engine_free(shared->idle[i]);
  if (shared->s)
    shoal_session_close(shared->s);
  shoal_mutex_dispose(&shared->mutex);
  shoal_free(shared);
}

/* ---- streams ---- */

typedef struct table_stream {
  session *shared;
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

static void give_back(session *shared, shoal_engine *engine) {
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
    give_back(t->shared, t->engine);
  if (t->shared)
    release_session(t->shared);
  shoal_free(t);
}

static void stream_release(struct ArrowArrayStream *stream) {
  free_stream(stream->private_data);
  stream->release = NULL;
}

static shoal_status take_engine(session *shared, shoal_engine **out, shoal_error *err) {
  if (shared->n_idle) {
    *out = shared->idle[--shared->n_idle];
    return SHOAL_OK;
  }
  return shoal_session_open_engine(shared->s, 1, out, err);
}

/* Under the mutex: what needs the session itself. */
static shoal_status prepare(table_stream *t, const char *sql, const char *at, shoal_error *err) {
  session *shared = t->shared;
  if (shared->closed)
    return shoal_fail(err, SHOAL_EINVAL, "the session is closed");
  SHOAL_TRY(shoal_session_configure(shared->s, err));
  SHOAL_TRY(shoal_session_open_lake(shared->s, false, err));
  SHOAL_TRY(shoal_session_revision(shared->s, shoal_str_z(at), &t->at, err));
  SHOAL_TRY(shoal_session_query(shared->s, t->at, shoal_str_z(sql), &t->query, err));
  return take_engine(shared, &t->engine, err);
}

static shoal_status open_stream(session *shared, const char *sql, const char *at, struct ArrowArrayStream *out,
                                shoal_error *err) {
  table_stream *t = shoal_calloc(1, sizeof *t);
  if (!t)
    return shoal_fail_nomem(err);
  shoal_mutex_lock(&shared->mutex);
  shared->refs++;
  t->shared = shared;
  shoal_status status = prepare(t, sql, at, err);
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

static PyObject *session_stream(PyObject *self, PyTypeObject *type, PyObject *const *args, Py_ssize_t n,
                                PyObject *names) {
  session *shared = ((session_object *)self)->shared;
  shoal_error err = {0};
  if (n != 2 || (names && PyTuple_Size(names)))
    return PyErr_Format(PyExc_TypeError, "stream takes a query and a revision");
  const char *sql = PyUnicode_AsUTF8AndSize(args[0], NULL), *at = sql ? PyUnicode_AsUTF8AndSize(args[1], NULL) : NULL;
  if (!at)
    return NULL;
  struct ArrowArrayStream *stream = shoal_calloc(1, sizeof *stream);
  if (!stream)
    return PyErr_NoMemory();
  shoal_status status;
  Py_BEGIN_ALLOW_THREADS status = open_stream(shared, sql, at, stream, &err);
  Py_END_ALLOW_THREADS if (status < 0) {
    shoal_free(stream);
    return shoal_py_raise(PyType_GetModule(type), &err);
  }
  PyObject *capsule = PyCapsule_New(stream, "arrow_array_stream", free_capsule);
  if (!capsule) {
    stream->release(stream);
    shoal_free(stream);
  }
  return capsule;
}

/* A list of (name, rows, bytes, publication, pinned). */
static PyObject *list_entries(const shoal_state *at) {
  PyObject *list = PyList_New(0);
  for (size_t i = 0; list && i < at->n_entries; i++) {
    const shoal_entry *e = &at->entries[i];
    PyObject *item =
        Py_BuildValue("(s#KKLO)", e->name.ptr, (Py_ssize_t)e->name.len, (unsigned long long)e->result.rows,
                      (unsigned long long)e->result.bytes, (long long)e->publication, e->pinned ? Py_True : Py_False);
    if (!item || PyList_Append(list, item) < 0)
      Py_CLEAR(list);
    Py_XDECREF(item);
  }
  return list;
}

static shoal_status load_state(session *shared, const char *at, shoal_state **out, shoal_error *err) {
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
  session *shared = ((session_object *)self)->shared;
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

static PyObject *session_close(PyObject *self, PyObject *unused) {
  session *shared = ((session_object *)self)->shared;
  (void)unused;
  Py_BEGIN_ALLOW_THREADS shoal_mutex_lock(&shared->mutex);
  shared->closed = true; /* streams that are open go on */
  shoal_mutex_unlock(&shared->mutex);
  Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static shoal_status open_session(const char *dir, const char *lake, const char *branch, session **out,
                                 shoal_error *err) {
  shoal_session_options options = {.dir = dir, .lake = lake, .branch = branch};
  session *shared = shoal_calloc(1, sizeof *shared);
  if (!shared)
    return shoal_fail_nomem(err);
  shoal_status status = shoal_session_open(&options, &shared->s, err);
  if (status < 0) {
    shoal_free(shared);
    return status;
  }
  shoal_mutex_init(&shared->mutex);
  shared->refs = 1;
  *out = shared;
  return SHOAL_OK;
}

static PyObject *session_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  static char *names[] = {"dir", "lake", "branch", NULL};
  const char *dir = NULL, *lake = NULL, *branch = NULL;
  shoal_error err = {0};
  session *shared = NULL;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|zzz", names, &dir, &lake, &branch))
    return NULL;
  shoal_status status;
  Py_BEGIN_ALLOW_THREADS status = open_session(dir, lake, branch, &shared, &err);
  Py_END_ALLOW_THREADS if (status < 0) return shoal_py_raise(PyType_GetModule(type), &err);
  allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  session_object *self = (session_object *)alloc(type, 0);
  if (self)
    self->shared = shared;
  else
    release_session(shared);
  return (PyObject *)self;
}

static void session_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  session *shared = ((session_object *)self)->shared;
  if (shared) {
    Py_BEGIN_ALLOW_THREADS release_session(shared);
    Py_END_ALLOW_THREADS
  }
  freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
  free_object(self);
  Py_DECREF(type);
}

static PyMethodDef session_methods[] = {
    {"stream", (PyCFunction)(void (*)(void))session_stream, METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "stream(query, revision): the rows as a capsule of an Arrow stream."},
    {"datasets", (PyCFunction)(void (*)(void))session_datasets, METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "datasets(revision): name, rows, bytes, publication, pinned of each."},
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
