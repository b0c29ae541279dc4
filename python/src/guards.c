/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The type shoal._shoal.Guards: what was found where, to see later, in nanoseconds, whether it still is. Each guard is
 * an attribute, an entry of a mapping, a mapping's size, where it counts that the very same object is there; or a value
 * that can change, by its digest. A guard belongs to a node of a form, and a node's key stands as long as the guards of
 * all that it reaches hold: so one walk serves every function that it has met.
 */
#include "guards.h"

#include <string.h>

#include "base/vec.h"
#include "form.h"

typedef enum guard_kind { GUARD_ATTRIBUTE, GUARD_ITEM, GUARD_SIZE, GUARD_VALUE, GUARD_NEVER } guard_kind;

#define NO_GUARD UINT32_MAX

typedef struct guard {
  guard_kind kind;
  uint32_t next;          /* of the same node */
  PyObject *where, *name; /* name: NULL unless there is one */
  PyObject *found;        /* NULL: nothing */
  union {
    Py_ssize_t size;
    shoal_hash digest;
  };
} guard;

typedef struct guards_object {
  PyObject_HEAD PyObject *form; /* what the nodes are of */
  SHOAL_VEC(guard) list;
  SHOAL_VEC(uint32_t) first; /* per node; those beyond the end have none */
  SHOAL_VEC(uint32_t) seen;  /* per node: the last look that met it */
  SHOAL_VEC(uint32_t) todo;
  uint32_t look;
  bool busy;      /* an attribute's getter may ask again */
  PyObject *rest; /* to be called when all else holds, or NULL */
  const unsigned long *world;
  unsigned long born; /* the world then */
} guards_object;

/* New reference, NULL without an exception if there is nothing; -1 for any other failure. */
static int look(guard_kind kind, PyObject *where, PyObject *name, PyObject **out) {
  if (kind == GUARD_ITEM && PyDict_Check(where)) {
    *out = Py_XNewRef(PyDict_GetItemWithError(where, name));
    return !*out && PyErr_Occurred() ? -1 : 0;
  }
  *out = kind == GUARD_ITEM ? PyObject_GetItem(where, name) : PyObject_GetAttr(where, name);
  if (*out)
    return 0;
  if (!PyErr_ExceptionMatches(PyExc_KeyError) && !PyErr_ExceptionMatches(PyExc_AttributeError) &&
      !PyErr_ExceptionMatches(PyExc_ValueError)) /* an empty cell's */
    return -1;
  PyErr_Clear();
  return 0;
}

/* 1: *out is the value's digest, 0: it can't be looked at cheaply, -1: an exception. */
static int digest_of(PyObject *value, shoal_hash *out) {
  if (shoal_py_value_digest(value, "shoal/1/python/guard", out) == 0)
    return 1;
  if (!PyErr_ExceptionMatches(PyExc_TypeError) && !PyErr_ExceptionMatches(PyExc_RecursionError))
    return -1;
  PyErr_Clear();
  return 0;
}

/* ---- making ---- */

static bool room_for(guards_object *self, uint32_t node) {
  while (self->first.len <= node) {
    uint32_t *first = shoal_vec_add(&self->first);
    if (!first)
      return false;
    *first = NO_GUARD;
  }
  return true;
}

/* Takes the guard's references, also where it fails. */
static int add(PyObject *o, unsigned long node, guard g) {
  guards_object *self = (guards_object *)o;
  guard *own = NULL;
  if (node >= UINT32_MAX)
    PyErr_SetString(PyExc_IndexError, "no such node");
  else if (!room_for(self, (uint32_t)node) || !(own = shoal_vec_add(&self->list)))
    PyErr_NoMemory();
  if (!own) {
    Py_DECREF(g.where), Py_XDECREF(g.name), Py_XDECREF(g.found);
    return -1;
  }
  g.next = self->first.ptr[node];
  *own = g;
  self->first.ptr[node] = (uint32_t)(self->list.len - 1);
  return 0;
}

static int add_found(PyObject *self, unsigned long node, PyObject *where, PyObject *name, guard_kind kind) {
  PyObject *found;
  if (look(kind, where, name, &found) < 0)
    return -1;
  return add(self, node, (guard){.kind = kind, .where = Py_NewRef(where), .name = Py_NewRef(name), .found = found});
}

int shoal_py_guards_attribute(PyObject *guards, uint32_t node, PyObject *where, PyObject *name) {
  return add_found(guards, node, where, name, GUARD_ATTRIBUTE);
}
int shoal_py_guards_item(PyObject *guards, uint32_t node, PyObject *where, PyObject *name) {
  return add_found(guards, node, where, name, GUARD_ITEM);
}
int shoal_py_guards_size(PyObject *guards, uint32_t node, PyObject *where) {
  Py_ssize_t size = PyObject_Size(where);
  return size < 0 ? -1 : add(guards, node, (guard){.kind = GUARD_SIZE, .where = Py_NewRef(where), .size = size});
}

static PyObject *none_if(int status) { return status < 0 ? NULL : Py_NewRef(Py_None); }

static PyObject *found_at(PyObject *self, PyObject *args, guard_kind kind) {
  PyObject *where, *name;
  unsigned long node;
  if (!PyArg_ParseTuple(args, "kOU", &node, &where, &name))
    return NULL;
  Py_INCREF(name);
  PyUnicode_InternInPlace(&name);
  int status = add_found(self, node, where, name, kind);
  Py_DECREF(name);
  return none_if(status);
}

static PyObject *guards_attribute(PyObject *self, PyObject *args) { return found_at(self, args, GUARD_ATTRIBUTE); }
static PyObject *guards_item(PyObject *self, PyObject *args) { return found_at(self, args, GUARD_ITEM); }

static PyObject *guards_size(PyObject *self, PyObject *args) {
  PyObject *where;
  unsigned long node;
  if (!PyArg_ParseTuple(args, "kO", &node, &where))
    return NULL;
  if (node >= UINT32_MAX)
    return PyErr_Format(PyExc_IndexError, "no such node");
  return none_if(shoal_py_guards_size(self, (uint32_t)node, where));
}

static PyObject *guards_never(PyObject *o, PyObject *args) {
  unsigned long node;
  if (!PyArg_ParseTuple(args, "k", &node))
    return NULL;
  return none_if(add(o, node, (guard){.kind = GUARD_NEVER, .where = Py_NewRef(Py_None)}));
}

static PyObject *guards_value(PyObject *o, PyObject *args) {
  PyObject *value;
  unsigned long node;
  guard g = {.kind = GUARD_VALUE};
  if (!PyArg_ParseTuple(args, "kO", &node, &value))
    return NULL;
  int status = digest_of(value, &g.digest);
  if (status < 0)
    return NULL;
  g.kind = status ? GUARD_VALUE : GUARD_NEVER;
  g.where = Py_NewRef(status ? value : Py_None);
  return none_if(add(o, node, g));
}

/* ---- looking ---- */

/* 1: as it was, 0: not, -1: an exception. */
static int holds(const guard *g) {
  PyObject *found;
  shoal_hash digest;
  if (g->kind == GUARD_NEVER)
    return 0;
  if (g->kind == GUARD_SIZE) {
    Py_ssize_t size = PyObject_Size(g->where);
    return size < 0 ? -1 : size == g->size;
  }
  if (g->kind == GUARD_VALUE) {
    int status = digest_of(g->where, &digest);
    return status == 1 ? shoal_hash_eq(&digest, &g->digest) : status;
  }
  if (look(g->kind, g->where, g->name, &found) < 0)
    return -1;
  Py_XDECREF(found);
  return found == g->found;
}

static int node_holds(const guards_object *self, uint32_t node) {
  int held = 1;
  for (uint32_t i = node < self->first.len ? self->first.ptr[node] : NO_GUARD; held == 1 && i != NO_GUARD;
       i = self->list.ptr[i].next)
    held = holds(&self->list.ptr[i]);
  return held;
}

static bool push(guards_object *self, uint32_t node) {
  if (self->seen.ptr[node] == self->look)
    return true;
  uint32_t *slot = shoal_vec_add(&self->todo);
  if (!slot)
    return false;
  *slot = node;
  self->seen.ptr[node] = self->look;
  return true;
}

static bool begin_look(guards_object *self, const shoal_form *form) {
  while (self->seen.len < shoal_form_size(form))
    if (!shoal_vec_add(&self->seen))
      return false;
  self->todo.len = 0;
  if (++self->look == 0) { /* it has gone round */
    memset(self->seen.ptr, 0, self->seen.len * sizeof *self->seen.ptr);
    self->look = 1;
  }
  return true;
}

/* All that the node reaches. */
static int reach_holds(guards_object *self, const shoal_form *form, uint32_t node) {
  int held = begin_look(self, form) && push(self, node) ? 1 : -1;
  while (held == 1 && self->todo.len) {
    uint32_t at = self->todo.ptr[--self->todo.len];
    size_t n;
    const shoal_form_edge *edges = shoal_form_edges(form, at, &n);
    held = node_holds(self, at);
    for (size_t i = 0; held == 1 && i < n; i++)
      held = push(self, edges[i].target) ? 1 : -1;
  }
  if (held < 0 && !PyErr_Occurred())
    PyErr_NoMemory();
  return held;
}

int shoal_py_guards_hold(PyObject *o, uint32_t node) {
  guards_object *self = (guards_object *)o;
  const shoal_form *form = shoal_py_form_of(self->form);
  if (self->busy || node >= shoal_form_size(form) || self->born != *self->world)
    return 0;
  self->busy = true;
  int held = reach_holds(self, form, node);
  self->busy = false;
  if (held != 1 || !self->rest)
    return held;
  PyObject *said = PyObject_CallNoArgs(self->rest);
  held = said ? said == Py_True : -1;
  Py_XDECREF(said);
  return held;
}

PyObject *shoal_py_guards_expire(PyObject *module, PyObject *unused) {
  (void)unused;
  ((module_state *)PyModule_GetState(module))->world++;
  Py_RETURN_NONE;
}

static PyObject *guards_rest(PyObject *o, PyObject *f) {
  Py_XDECREF(((guards_object *)o)->rest);
  ((guards_object *)o)->rest = Py_NewRef(f);
  Py_RETURN_NONE;
}

static PyObject *guards_hold(PyObject *o, PyObject *args) {
  unsigned long node;
  if (!PyArg_ParseTuple(args, "k", &node))
    return NULL;
  int held = shoal_py_guards_hold(o, node < UINT32_MAX ? (uint32_t)node : UINT32_MAX);
  return held < 0 ? NULL : PyBool_FromLong(held);
}

/* ---- the object ---- */

static PyObject *guards_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  PyObject *form;
  PyObject *module = PyType_GetModule(type);
  if (!module || (kwargs && PyDict_Size(kwargs)))
    return module ? PyErr_Format(PyExc_TypeError, "Guards takes a form") : NULL;
  if (!PyArg_ParseTuple(args, "O!", ((module_state *)PyModule_GetState(module))->form_type, &form))
    return NULL;
  allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  guards_object *self = (guards_object *)alloc(type, 0);
  if (self) {
    self->form = Py_NewRef(form);
    self->world = &((module_state *)PyModule_GetState(module))->world; /* which outlives its types' objects */
    self->born = *self->world;
  }
  return (PyObject *)self;
}

static void guards_dealloc(PyObject *o) {
  guards_object *self = (guards_object *)o;
  PyTypeObject *type = Py_TYPE(o);
  for (size_t i = 0; i < self->list.len; i++) {
    Py_DECREF(self->list.ptr[i].where);
    Py_XDECREF(self->list.ptr[i].name);
    Py_XDECREF(self->list.ptr[i].found);
  }
  Py_XDECREF(self->form), Py_XDECREF(self->rest);
  shoal_vec_dispose(&self->list);
  shoal_vec_dispose(&self->first);
  shoal_vec_dispose(&self->seen);
  shoal_vec_dispose(&self->todo);
  freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
  free_object(o);
  Py_DECREF(type);
}

static PyMethodDef guards_methods[] = {
    {"attribute", guards_attribute, METH_VARARGS, "attribute(node, object, name): what it leads to now"},
    {"item", guards_item, METH_VARARGS, "item(node, mapping, key): what is there now, or nothing"},
    {"size", guards_size, METH_VARARGS, "size(node, mapping): how many there are now"},
    {"value", guards_value, METH_VARARGS, "value(node, value): what it is now; never: what is not plain"},
    {"never", guards_never, METH_VARARGS, "never(node): what it rests on can't be looked at cheaply"},
    {"rest", guards_rest, METH_O, "rest(callable): says whether that holds which is none of these"},
    {"hold", guards_hold, METH_VARARGS, "hold(node): whether all that it reaches is as it was"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot guards_slots[] = {
    {Py_tp_new, guards_new},
    {Py_tp_dealloc, guards_dealloc},
    {Py_tp_methods, guards_methods},
    {Py_tp_doc, "Guards(form): what was found where."},
    {0, NULL},
};
PyType_Spec shoal_guards_spec = {
    .name = "shoal._shoal.Guards",
    .basicsize = sizeof(guards_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = guards_slots,
};
