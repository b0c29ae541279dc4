/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The type shoal._shoal.Guards: what was found where, to see later, in nanoseconds, whether it still is. Each guard is
 * an attribute, an entry of a mapping or a mapping's size; what counts is that the very same object is there.
 */
#include "guards.h"

#include "base/mem.h"

typedef enum guard_kind { GUARD_ATTRIBUTE, GUARD_ITEM, GUARD_SIZE } guard_kind;

typedef struct guard {
  guard_kind kind;
  PyObject *where, *name; /* name: NULL for a size */
  PyObject *found;        /* NULL: nothing */
  Py_ssize_t size;
} guard;

typedef struct guards_object {
  PyObject_HEAD guard *list;
  size_t n, cap;
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

static guard *room(guards_object *self) {
  if (self->n == self->cap) {
    size_t cap = self->cap ? self->cap * 2 : 16;
    guard *list = shoal_reallocarray(self->list, cap, sizeof *list);
    if (!list)
      return (guard *)PyErr_NoMemory();
    self->list = list;
    self->cap = cap;
  }
  return &self->list[self->n];
}

static PyObject *add(PyObject *o, PyObject *args, guard_kind kind) {
  guards_object *self = (guards_object *)o;
  PyObject *where, *name, *found;
  if (!PyArg_ParseTuple(args, "OU", &where, &name) || look(kind, where, name, &found) < 0)
    return NULL;
  guard *g = room(self);
  if (!g) {
    Py_XDECREF(found);
    return NULL;
  }
  Py_INCREF(name);
  PyUnicode_InternInPlace(&name);
  *g = (guard){kind, Py_NewRef(where), name, found, 0};
  self->n++;
  Py_RETURN_NONE;
}

static PyObject *guards_attribute(PyObject *self, PyObject *args) { return add(self, args, GUARD_ATTRIBUTE); }
static PyObject *guards_item(PyObject *self, PyObject *args) { return add(self, args, GUARD_ITEM); }

static PyObject *guards_size(PyObject *o, PyObject *args) {
  guards_object *self = (guards_object *)o;
  PyObject *where;
  if (!PyArg_ParseTuple(args, "O", &where))
    return NULL;
  Py_ssize_t size = PyObject_Size(where);
  guard *g = size < 0 ? NULL : room(self);
  if (!g)
    return NULL;
  *g = (guard){GUARD_SIZE, Py_NewRef(where), NULL, NULL, size};
  self->n++;
  Py_RETURN_NONE;
}

/* 1: as it was, 0: not, -1: an exception. */
static int holds(const guard *g) {
  PyObject *found;
  if (g->kind == GUARD_SIZE) {
    Py_ssize_t size = PyObject_Size(g->where);
    return size < 0 ? -1 : size == g->size;
  }
  if (look(g->kind, g->where, g->name, &found) < 0)
    return -1;
  Py_XDECREF(found);
  return found == g->found;
}

static PyObject *guards_hold(PyObject *o, PyObject *unused) {
  guards_object *self = (guards_object *)o;
  int held = 1;
  (void)unused;
  for (size_t i = 0; held == 1 && i < self->n; i++)
    held = holds(&self->list[i]);
  return held < 0 ? NULL : PyBool_FromLong(held);
}

static void guards_dealloc(PyObject *o) {
  guards_object *self = (guards_object *)o;
  PyTypeObject *type = Py_TYPE(o);
  for (size_t i = 0; i < self->n; i++) {
    Py_DECREF(self->list[i].where);
    Py_XDECREF(self->list[i].name);
    Py_XDECREF(self->list[i].found);
  }
  shoal_free(self->list);
  freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
  free_object(o);
  Py_DECREF(type);
}

static PyMethodDef guards_methods[] = {
    {"attribute", guards_attribute, METH_VARARGS, "attribute(object, name): what it leads to now"},
    {"item", guards_item, METH_VARARGS, "item(mapping, key): what is there now, or nothing"},
    {"size", guards_size, METH_VARARGS, "size(mapping): how many there are now"},
    {"hold", guards_hold, METH_NOARGS, "Whether all is as it was."},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot guards_slots[] = {
    {Py_tp_dealloc, guards_dealloc},
    {Py_tp_methods, guards_methods},
    {Py_tp_doc, "What was found where."},
    {0, NULL},
};
PyType_Spec shoal_guards_spec = {
    .name = "shoal._shoal.Guards",
    .basicsize = sizeof(guards_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = guards_slots,
};
