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

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "code/python.h"
#include "form.h"
#include "guards.h"
#include "result.h"
#include "session.h"

/* What results made of it refer to. */
typedef struct holding {
  shoal_state *state;
  shoal_str lake; /* its id */
  shoal_arena arena;
  shoal_condemned *marks;
  size_t n_marks;
} holding;

/* What `use` takes, in its order. */
typedef enum used { KNOWN, PYTHON, VALUES, MADE, ANSWERED, READ, AGAIN, STORE, BRANCH, N_USED } used;

/* Attributes: of a function, and of what Python knows of one (shoal/_calls.py). */
typedef enum attribute { DEFAULTS, FOLDER, GUARDS, NODE, KEY, PARAMETERS, N_AT } attribute;
static const char *const at_names[N_AT] = {"__defaults__", "folder", "guards", "node", "key", "parameters"};

typedef struct ahead_object {
  PyObject_HEAD const holding *h;
  PyObject *owner;       /* a capsule: results must not own this object, which owns the dict that they are put into */
  PyObject *use[N_USED]; /* NULL before */
  PyObject *at[N_AT];
  int64_t pid;
  PyObject *folder; /* the current one, then */
  char current[PATH_MAX];
} ahead_object;

/* ---- making ---- */

static void free_holding(PyObject *capsule) {
  holding *h = PyCapsule_GetPointer(capsule, NULL);
  shoal_state_free(h->state);
  shoal_arena_dispose(&h->arena);
  shoal_free(h);
}

static shoal_status take(holding *h, shoal_session *s, shoal_error *err) {
  SHOAL_TRY(shoal_keep_refresh(s, err));
  SHOAL_TRY(shoal_condemned_list(s->store, &h->arena, &h->marks, &h->n_marks, err));
  h->lake = shoal_arena_str(&h->arena, s->lake->id);
  return h->lake.ptr ? shoal_state_copy(s->state, &h->state, err) : shoal_fail_nomem(err);
}

/* A capsule; NULL with an exception. */
static PyObject *hold(PyObject *module, shoal_py_session *shared) {
  holding *h = shoal_calloc(1, sizeof *h);
  PyObject *capsule = h ? PyCapsule_New(h, NULL, free_holding) : PyErr_NoMemory();
  shoal_error err = {0};
  shoal_status status;
  if (!capsule) {
    shoal_free(h);
    return NULL;
  }
  Py_BEGIN_ALLOW_THREADS shoal_mutex_lock(&shared->mutex);
  status = shared->closed ? shoal_fail(&err, SHOAL_EINVAL, "the session is closed") : take(h, shared->s, &err);
  shoal_mutex_unlock(&shared->mutex);
  Py_END_ALLOW_THREADS if (status >= 0) return capsule;
  Py_DECREF(capsule);
  return shoal_py_raise(module, &err);
}

PyObject *shoal_py_ahead(PyObject *self, PyObject *unused) {
  PyObject *module = PyType_GetModule(Py_TYPE(self));
  PyTypeObject *type = ((module_state *)PyModule_GetState(module))->ahead_type;
  allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  PyObject *owner = hold(module, shoal_py_session_of(self));
  ahead_object *a = owner ? (ahead_object *)alloc(type, 0) : NULL;
  (void)unused;
  if (!a) {
    Py_XDECREF(owner);
    return NULL;
  }
  a->owner = owner;
  a->h = PyCapsule_GetPointer(owner, NULL);
  return (PyObject *)a;
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

static bool is_marked(const holding *h, const shoal_result *r) {
  for (size_t i = 0; i < h->n_marks; i++)
    if (shoal_hash_eq(&h->marks[i].signature, &r->signature))
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

/* ---- answers ---- */

/* 1: the program stands where it stood, 0: not, -1: an exception. */
static int stands(const ahead_object *a, PyObject *store, PyObject *branch) {
  char now[PATH_MAX];
  if (a->pid != shoal_os_pid())
    return 0;
  int same = PyObject_RichCompareBool(store, a->use[STORE], Py_EQ);
  if (same == 1)
    same = PyObject_RichCompareBool(branch, a->use[BRANCH], Py_EQ);
  return same == 1 ? getcwd(now, sizeof now) && strcmp(now, a->current) == 0 : same;
}

/* What Python knows of a function (shoal/_calls.py). */
typedef struct known {
  PyObject *names; /* of its parameters */
  shoal_hash code;
} known;

static int holds(PyObject *self, PyObject *found) {
  const ahead_object *a = (const ahead_object *)self;
  PyTypeObject *type = ((module_state *)PyModule_GetState(PyType_GetModule(Py_TYPE(self))))->guards_type;
  PyObject *guards = PyObject_GetAttr(found, a->at[GUARDS]), *node = PyObject_GetAttr(found, a->at[NODE]);
  unsigned long at = guards && node ? PyLong_AsUnsignedLong(node) : 0;
  int held = !guards || !node || PyErr_Occurred() ? -1 : 0;
  if (held == 0 && Py_TYPE(guards) == type)
    held = shoal_py_guards_hold(guards, (uint32_t)at);
  Py_XDECREF(guards), Py_XDECREF(node);
  return held;
}

static int code_of(const ahead_object *a, PyObject *found, shoal_hash *out) {
  PyObject *key = PyObject_GetAttr(found, a->at[KEY]);
  Py_ssize_t n = 0;
  const char *hex = key ? PyUnicode_AsUTF8AndSize(key, &n) : NULL;
  bool ok = hex && shoal_hash_unhex((shoal_str){hex, (size_t)n}, out);
  Py_XDECREF(key);
  return ok ? 1 : -1;
}

/* 1, 0 or -1 likewise. */
static int look_up(PyObject *self, PyObject *function, known *out) {
  const ahead_object *a = (const ahead_object *)self;
  PyObject *id = PyLong_FromVoidPtr(function);
  PyObject *found = id ? PyDict_GetItemWithError(a->use[KNOWN], id) : NULL;
  Py_XDECREF(id);
  if (!found)
    return PyErr_Occurred() ? -1 : 0;
  PyObject *folder = PyObject_GetAttr(found, a->at[FOLDER]);
  int held = folder ? PyObject_RichCompareBool(folder, a->folder, Py_EQ) : -1;
  Py_XDECREF(folder);
  if (held == 1)
    held = holds(self, found);
  if (held == 1)
    held = code_of(a, found, &out->code);
  if (held != 1)
    return held;
  out->names = PyObject_GetAttr(found, a->at[PARAMETERS]);
  if (out->names == Py_None)
    Py_CLEAR(out->names);
  return out->names ? 1 : PyErr_Occurred() ? -1 : 0;
}

/* 1: the entry holds the result of this call; 0, -1 likewise. */
static int is_result_of(PyObject *self, const shoal_entry *e, PyObject *function, PyObject *args, PyObject *kwargs) {
  const ahead_object *a = (const ahead_object *)self;
  known k = {0};
  int is = look_up(self, function, &k);
  if (is != 1)
    return is;
  call c = {.names = k.names, .args = args, .kwargs = kwargs};
  shoal_python_call key = {.code = k.code};
  shoal_hash signature;
  Py_ssize_t n;
  c.defaults = PyObject_GetAttr(function, a->at[DEFAULTS]);
  key.python.ptr = PyUnicode_AsUTF8AndSize(a->use[PYTHON], &n), key.python.len = (size_t)n;
  is = c.defaults && key.python.ptr ? sign(&c, &key, &signature) : -1;
  Py_XDECREF(c.defaults), Py_DECREF(k.names);
  return is == 1 ? shoal_hash_eq(&signature, &e->result.signature) : is;
}

/* The value of a result; new reference. */
static PyObject *value_of(PyObject *self, const shoal_entry *e, PyObject *result, PyObject *dataset) {
  const ahead_object *a = (const ahead_object *)self;
  PyObject *payload = payload_of(&e->result, a->use[VALUES]), *value = NULL;
  bool number = shoal_str_eq(e->result.codec, SHOAL_STR("json")) && shoal_str_eq(e->result.type, SHOAL_STR("int"));
  if (payload && number && payload != Py_None)
    value = PyObject_CallFunctionObjArgs((PyObject *)&PyLong_Type, payload, NULL);
  else if (payload)
    value = PyObject_CallFunctionObjArgs(a->use[READ], result, payload, dataset, NULL);
  Py_XDECREF(payload);
  return value;
}

/* 1: this run has made another result of the dataset; 0, -1 likewise. */
static int is_made_anew(PyObject *self, const shoal_entry *e, PyObject *dataset) {
  PyObject *made = PyDict_GetItemWithError(((ahead_object *)self)->use[MADE], dataset);
  const shoal_result *r = made ? shoal_py_result_of(PyType_GetModule(Py_TYPE(self)), made) : NULL;
  return r ? !shoal_hash_eq(&r->signature, &e->result.signature) : PyErr_Occurred() ? -1 : 0;
}

static PyObject *answer(PyObject *self, const shoal_entry *e, PyObject *dataset) {
  ahead_object *a = (ahead_object *)self;
  PyObject *result = shoal_py_result_borrow(PyType_GetModule(Py_TYPE(self)), &e->result, a->owner);
  PyObject *value = result ? value_of(self, e, result, dataset) : NULL;
  if (value && value != a->use[AGAIN] &&
      (PyDict_SetItem(a->use[ANSWERED], dataset, result) < 0 || PyDict_SetItem(a->use[MADE], dataset, result) < 0))
    Py_CLEAR(value);
  Py_XDECREF(result);
  return value;
}

static PyObject *ahead_answer(PyObject *self, PyObject *const *args, Py_ssize_t n) {
  ahead_object *a = (ahead_object *)self;
  if (n != 6 || !a->use[AGAIN] || !PyTuple_Check(args[2]) || !PyDict_Check(args[3]))
    return PyErr_Format(PyExc_TypeError, "answer(function, dataset, args, kwargs, store, branch), after use(…)");
  Py_ssize_t len;
  const char *dataset = PyUnicode_AsUTF8AndSize(args[1], &len);
  if (!dataset)
    return NULL;
  const shoal_entry *e = shoal_state_find(a->h->state, (shoal_str){dataset, (size_t)len});
  if (!e || is_marked(a->h, &e->result))
    return Py_NewRef(a->use[AGAIN]);
  int is = stands(a, args[4], args[5]);
  if (is == 1)
    is = is_result_of(self, e, args[0], args[2], args[3]);
  int anew = is == 1 ? is_made_anew(self, e, args[1]) : 0;
  if (is < 0 || anew < 0)
    return NULL;
  return is && !anew ? answer(self, e, args[1]) : Py_NewRef(a->use[AGAIN]);
}

static PyObject *ahead_use(PyObject *self, PyObject *args) {
  ahead_object *a = (ahead_object *)self;
  if (a->folder || PyTuple_Size(args) != N_USED || !PyDict_Check(PyTuple_GetItem(args, KNOWN)) ||
      !PyDict_Check(PyTuple_GetItem(args, VALUES)) || !PyDict_Check(PyTuple_GetItem(args, MADE)) ||
      !PyDict_Check(PyTuple_GetItem(args, ANSWERED)))
    return PyErr_Format(PyExc_TypeError,
                        "use(known, python, values, made, answered, read, again, store, branch), once");
  if (!getcwd(a->current, sizeof a->current))
    return PyErr_SetFromErrno(PyExc_OSError);
  a->folder = PyUnicode_DecodeFSDefault(a->current);
  if (!a->folder)
    return NULL;
  for (int i = 0; i < N_AT; i++)
    if (!(a->at[i] = PyUnicode_InternFromString(at_names[i])))
      return NULL;
  a->pid = shoal_os_pid();
  for (int i = 0; i < N_USED; i++)
    a->use[i] = Py_NewRef(PyTuple_GetItem(args, i));
  Py_RETURN_NONE;
}

/* ---- the object ---- */

static PyObject *get_lake(PyObject *self, void *unused) {
  shoal_str lake = ((const ahead_object *)self)->h->lake;
  (void)unused;
  return PyUnicode_FromStringAndSize(lake.ptr, (Py_ssize_t)lake.len);
}

static PyObject *get_publication(PyObject *self, void *unused) {
  (void)unused;
  return PyLong_FromLongLong(((const ahead_object *)self)->h->state->publication);
}

static void ahead_dealloc(PyObject *self) {
  ahead_object *a = (ahead_object *)self;
  PyTypeObject *type = Py_TYPE(self);
  Py_XDECREF(a->owner);
  for (int i = 0; i < N_USED; i++)
    Py_XDECREF(a->use[i]);
  for (int i = 0; i < N_AT; i++)
    Py_XDECREF(a->at[i]);
  Py_XDECREF(a->folder);
  freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
  free_object(self);
  Py_DECREF(type);
}

static PyMethodDef ahead_methods[] = {
    {"use", ahead_use, METH_VARARGS,
     "use(known, python, values, made, answered, read, again, store, branch): what `answer` goes by, from here on"},
    {"answer", (PyCFunction)(void (*)(void))ahead_answer, METH_FASTCALL,
     "answer(function, dataset, args, kwargs, store, branch): the value that the dataset holds if it is that of this "
     "call, noted in made and answered; else again"},
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
