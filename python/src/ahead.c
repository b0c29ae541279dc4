/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The type shoal._shoal.Ahead: what a branch held at one moment, for calls whose results it holds already. Nothing is
 * read from the lake for such a call:
 *
 *  A1 A branch's head says all that a claim does of the results it holds, and names none whose claim was not there
 *     before (invariant 4). That a claim was condemned later is told by a mark that is put first; what is marked is not
 *     answered here.
 *  A2 The head's datasets are roots, so what they hold is not collected.
 *  A3 A value's bytes are those whose hash the claim tells, wherever they were kept meanwhile; they are hashed each
 *     time.
 */
#include "ahead.h"

#include "base/mem.h"
#include "base/str.h"
#include "code/python.h"
#include "form.h"
#include "result.h"
#include "session.h"

typedef struct ahead_object {
  PyObject_HEAD shoal_state *state;
  shoal_str lake; /* its id */
  shoal_arena arena;
  shoal_condemned *marks;
  size_t n_marks;
} ahead_object;

/* ---- making ---- */

static shoal_status take(ahead_object *a, shoal_session *s, shoal_error *err) {
  SHOAL_TRY(shoal_keep_refresh(s, err));
  SHOAL_TRY(shoal_condemned_list(s->store, &a->arena, &a->marks, &a->n_marks, err));
  a->lake = shoal_arena_str(&a->arena, s->lake->id);
  return a->lake.ptr ? shoal_state_copy(s->state, &a->state, err) : shoal_fail_nomem(err);
}

PyObject *shoal_py_ahead(PyObject *self, PyObject *unused) {
  PyObject *module = PyType_GetModule(Py_TYPE(self));
  shoal_py_session *shared = shoal_py_session_of(self);
  PyTypeObject *type = ((module_state *)PyModule_GetState(module))->ahead_type;
  allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  ahead_object *a = (ahead_object *)alloc(type, 0);
  shoal_error err = {0};
  shoal_status status;
  (void)unused;
  if (!a)
    return NULL;
  Py_BEGIN_ALLOW_THREADS shoal_mutex_lock(&shared->mutex);
  status = shared->closed ? shoal_fail(&err, SHOAL_EINVAL, "the session is closed") : take(a, shared->s, &err);
  shoal_mutex_unlock(&shared->mutex);
  Py_END_ALLOW_THREADS if (status >= 0) return (PyObject *)a;
  Py_DECREF(a);
  return shoal_py_raise(module, &err);
}

/* ---- calls ---- */

typedef struct call {
  PyObject *names, *defaults, *args, *kwargs; /* defaults: a tuple or None */
} call;

/* Borrowed; NULL: none, or an exception. */
static PyObject *argument(const call *c, Py_ssize_t i, Py_ssize_t *by_name) {
  PyObject *name = PyTuple_GetItem(c->names, i);
  if (i < PyTuple_Size(c->args))
    return PyTuple_GetItem(c->args, i);
  PyObject *value = PyDict_GetItemWithError(c->kwargs, name);
  if (value) {
    (*by_name)++;
    return value;
  }
  Py_ssize_t n = c->defaults == Py_None ? 0 : PyTuple_Size(c->defaults);
  Py_ssize_t at = i - (PyTuple_Size(c->names) - n);
  return at >= 0 && !PyErr_Occurred() ? PyTuple_GetItem(c->defaults, at) : NULL;
}

/* [(name, value)], as the interpreter would bind them; NULL without an exception: it would refuse. */
static PyObject *bind(const call *c) {
  Py_ssize_t n = PyTuple_Size(c->names), by_name = 0;
  if (PyTuple_Size(c->args) > n)
    return NULL;
  PyObject *list = PyList_New(n);
  for (Py_ssize_t i = 0; list && i < n; i++) {
    PyObject *value = argument(c, i, &by_name);
    PyObject *pair = value ? PyTuple_Pack(2, PyTuple_GetItem(c->names, i), value) : NULL;
    if (!pair || PyList_SetItem(list, i, pair) < 0)
      Py_CLEAR(list);
  }
  if (list && by_name != PyDict_Size(c->kwargs))
    Py_CLEAR(list);
  return list;
}

/* 1: *out is the signature of the call; 0: its arguments are not plain, or don't fit; -1: an exception. */
static int sign(const call *c, shoal_python_call *key, shoal_hash *out) {
  PyObject *list = bind(c);
  if (!list)
    return PyErr_Occurred() ? -1 : 0;
  int status = shoal_py_value_digest(list, "shoal/1/python/arguments", &key->arguments);
  Py_DECREF(list);
  if (status < 0) {
    if (!PyErr_ExceptionMatches(PyExc_TypeError))
      return -1;
    PyErr_Clear();
    return 0;
  }
  *out = shoal_python_signature(key);
  return 1;
}

static bool is_marked(const ahead_object *a, const shoal_result *r) {
  for (size_t i = 0; i < a->n_marks; i++)
    if (shoal_hash_eq(&a->marks[i].signature, &r->signature))
      return true;
  return false;
}

/* The bytes that `values` has of an object, or None. New reference. */
static PyObject *payload_of(const shoal_result *r, PyObject *values) {
  if (!r->codec.ptr)
    Py_RETURN_NONE;
  PyObject *key = PyBytes_FromStringAndSize((const char *)r->rows_hash.b, SHOAL_HASH_BYTES);
  PyObject *bytes = key ? PyDict_GetItemWithError(values, key) : NULL;
  Py_XDECREF(key);
  if (bytes && PyBytes_Check(bytes)) {
    shoal_hash hash = shoal_hash_bytes((shoal_str){PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes)});
    if (shoal_hash_eq(&hash, &r->rows_hash))
      return Py_NewRef(bytes);
  }
  return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyObject *answer(PyObject *self, const shoal_entry *e, PyObject *values) {
  PyObject *payload = payload_of(&e->result, values);
  PyObject *result = payload ? shoal_py_result_borrow(PyType_GetModule(Py_TYPE(self)), &e->result, self) : NULL;
  return result ? Py_BuildValue("(NN)", result, payload) : (Py_XDECREF(payload), NULL);
}

static PyObject *ahead_find(PyObject *self, PyObject *args) {
  ahead_object *a = (ahead_object *)self;
  shoal_str dataset, code;
  Py_ssize_t n_dataset, n_code, n_python;
  shoal_python_call key = {0};
  shoal_hash signature;
  call c;
  PyObject *values;
  if (!PyArg_ParseTuple(args, "s#s#s#O!OO!O!O!", &dataset.ptr, &n_dataset, &code.ptr, &n_code, &key.python.ptr,
                        &n_python, &PyTuple_Type, &c.names, &c.defaults, &PyTuple_Type, &c.args, &PyDict_Type,
                        &c.kwargs, &PyDict_Type, &values))
    return NULL;
  dataset.len = (size_t)n_dataset, code.len = (size_t)n_code, key.python.len = (size_t)n_python;
  if (!shoal_hash_unhex(code, &key.code) || (c.defaults != Py_None && !PyTuple_Check(c.defaults)))
    return PyErr_Format(PyExc_ValueError, "a key has 64 hex digits, defaults are a tuple");
  const shoal_entry *e = shoal_state_find(a->state, dataset);
  if (!e || is_marked(a, &e->result))
    Py_RETURN_NONE;
  int signed_ = sign(&c, &key, &signature);
  if (signed_ < 0)
    return NULL;
  if (!signed_ || !shoal_hash_eq(&signature, &e->result.signature))
    Py_RETURN_NONE;
  return answer(self, e, values);
}

/* ---- the object ---- */

static PyObject *get_lake(PyObject *self, void *unused) {
  const ahead_object *a = (const ahead_object *)self;
  (void)unused;
  return PyUnicode_FromStringAndSize(a->lake.ptr, (Py_ssize_t)a->lake.len);
}

static PyObject *get_publication(PyObject *self, void *unused) {
  (void)unused;
  return PyLong_FromLongLong(((const ahead_object *)self)->state->publication);
}

static void ahead_dealloc(PyObject *self) {
  ahead_object *a = (ahead_object *)self;
  PyTypeObject *type = Py_TYPE(self);
  shoal_state_free(a->state);
  shoal_arena_dispose(&a->arena);
  freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
  free_object(self);
  Py_DECREF(type);
}

static PyMethodDef ahead_methods[] = {
    {"find", ahead_find, METH_VARARGS,
     "find(dataset, code, python, names, defaults, args, kwargs, values) -> (Result, bytes or None) where the dataset "
     "holds the result of this call; else None"},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef ahead_members[] = {
    {"lake", get_lake, NULL, "the lake's id", NULL},
    {"publication", get_publication, NULL, "what the branch's head was", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot ahead_slots[] = {
    {Py_tp_dealloc, ahead_dealloc},
    {Py_tp_methods, ahead_methods},
    {Py_tp_getset, ahead_members},
    {Py_tp_doc, "What a branch held at one moment."},
    {0, NULL},
};
PyType_Spec shoal_ahead_spec = {
    .name = "shoal._shoal.Ahead",
    .basicsize = sizeof(ahead_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = ahead_slots,
};
