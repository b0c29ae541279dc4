/* SPDX-License-Identifier: Apache-2.0 */
/* The type shoal._shoal.Form: code/form's graph, for Python. */
#include "form.h"

#include <string.h>

#include "base/str.h"

typedef struct form_object {
  PyObject_HEAD shoal_form *form;
  bool finished;
} form_object;

static shoal_form *form_of(PyObject *self) { return ((form_object *)self)->form; }

shoal_form *shoal_py_form_of(PyObject *form) { return form_of(form); }

shoal_str shoal_py_str(PyObject *text) {
  Py_ssize_t n;
  const char *s = PyUnicode_AsUTF8AndSize(text, &n);
  return s ? (shoal_str){s, (size_t)n} : (shoal_str){0};
}

PyObject *shoal_py_digest(shoal_hasher *h) {
  shoal_hash hash = shoal_hasher_end(h);
  return PyBytes_FromStringAndSize((const char *)hash.b, SHOAL_HASH_BYTES);
}

/* Python's IndexError, since the caller made the number up. */
static bool check_node(PyObject *self, unsigned long node) {
  if (node < shoal_form_size(form_of(self)))
    return true;
  PyErr_SetString(PyExc_IndexError, "no such node");
  return false;
}

static bool check_open(PyObject *self, bool finished) {
  if (((form_object *)self)->finished == finished)
    return true;
  PyErr_SetString(PyExc_ValueError, finished ? "the form is not finished" : "the form is finished");
  return false;
}

static PyObject *raise_for(PyObject *self, const shoal_error *err) {
  PyObject *module = PyType_GetModule(Py_TYPE(self));
  return module ? shoal_py_raise(module, err) : NULL;
}

/* node(identity, label, path or None, line) -> (node, fresh) */
static PyObject *form_node(PyObject *self, PyObject *args) {
  const char *identity, *label, *path;
  Py_ssize_t n_identity, n_label, n_path;
  int line;
  shoal_error err = {0};
  uint32_t id;
  bool fresh;
  if (!check_open(self, false) ||
      !PyArg_ParseTuple(args, "y#s#z#i", &identity, &n_identity, &label, &n_label, &path, &n_path, &line))
    return NULL;
  shoal_form_place place = {.label = {label, (size_t)n_label}, .path = {path, path ? (size_t)n_path : 0}, .line = line};
  shoal_str own = {identity, (size_t)n_identity};
  if (shoal_form_node(form_of(self), own, &place, &id, &fresh, &err) < 0)
    return raise_for(self, &err);
  return Py_BuildValue("kO", (unsigned long)id, fresh ? Py_True : Py_False);
}

/* body(node, digest) */
static PyObject *form_body(PyObject *self, PyObject *args) {
  unsigned long node;
  const char *digest;
  Py_ssize_t n;
  shoal_hash body;
  if (!check_open(self, false) || !PyArg_ParseTuple(args, "ky#", &node, &digest, &n) || !check_node(self, node))
    return NULL;
  if (n != SHOAL_HASH_BYTES)
    return PyErr_Format(PyExc_ValueError, "a digest has %d bytes", SHOAL_HASH_BYTES);
  memcpy(body.b, digest, SHOAL_HASH_BYTES);
  shoal_form_body(form_of(self), (uint32_t)node, &body);
  Py_RETURN_NONE;
}

/* edge(node, kind, symbol, target) */
static PyObject *form_edge(PyObject *self, PyObject *args) {
  unsigned long node, target;
  const char *kind, *symbol;
  Py_ssize_t n_kind, n_symbol;
  shoal_error err = {0};
  if (!check_open(self, false) ||
      !PyArg_ParseTuple(args, "ks#s#k", &node, &kind, &n_kind, &symbol, &n_symbol, &target) ||
      !check_node(self, node) || !check_node(self, target))
    return NULL;
  if (shoal_form_edge_add(form_of(self), (uint32_t)node, (shoal_str){kind, (size_t)n_kind},
                          (shoal_str){symbol, (size_t)n_symbol}, (uint32_t)target, &err) < 0)
    return raise_for(self, &err);
  Py_RETURN_NONE;
}

static PyObject *form_finish(PyObject *self, PyObject *unused) {
  shoal_error err = {0};
  (void)unused;
  if (!check_open(self, false))
    return NULL;
  ((form_object *)self)->finished = true;
  if (shoal_form_finish(form_of(self), &err) < 0)
    return raise_for(self, &err);
  Py_RETURN_NONE;
}

static PyObject *key_of(const shoal_form *form, uint32_t node) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_hash_hex(shoal_form_key(form, node), hex);
  return PyUnicode_FromString(hex);
}

static PyObject *form_key(PyObject *self, PyObject *args) {
  unsigned long node;
  if (!check_open(self, true) || !PyArg_ParseTuple(args, "k", &node) || !check_node(self, node))
    return NULL;
  return key_of(form_of(self), (uint32_t)node);
}

/* targets(node) -> [node], as they are so far */
static PyObject *form_targets(PyObject *self, PyObject *args) {
  unsigned long node;
  size_t n;
  if (!PyArg_ParseTuple(args, "k", &node) || !check_node(self, node))
    return NULL;
  const shoal_form_edge *edges = shoal_form_edges(form_of(self), (uint32_t)node, &n);
  PyObject *list = PyList_New((Py_ssize_t)n);
  for (size_t i = 0; list && i < n; i++) {
    PyObject *target = PyLong_FromUnsignedLong(edges[i].target);
    if (!target || PyList_SetItem(list, (Py_ssize_t)i, target) < 0)
      Py_CLEAR(list);
  }
  return list;
}

/* A tuple of (kind, symbol, target). */
static PyObject *edges_of(const shoal_form *form, uint32_t node) {
  size_t n;
  const shoal_form_edge *edges = shoal_form_edges(form, node, &n);
  PyObject *tuple = PyTuple_New((Py_ssize_t)n);
  for (size_t i = 0; tuple && i < n; i++) {
    PyObject *edge = Py_BuildValue("(s#s#k)", edges[i].kind.ptr, (Py_ssize_t)edges[i].kind.len, edges[i].symbol.ptr,
                                   (Py_ssize_t)edges[i].symbol.len, (unsigned long)edges[i].target);
    if (!edge || PyTuple_SetItem(tuple, (Py_ssize_t)i, edge) < 0)
      Py_CLEAR(tuple);
  }
  return tuple;
}

/* explain() -> [(label, path or None, line, key, edges)], by number */
static PyObject *form_explain(PyObject *self, PyObject *unused) {
  (void)unused;
  if (!check_open(self, true))
    return NULL;
  const shoal_form *form = form_of(self);
  PyObject *list = PyList_New(0);
  for (uint32_t i = 0; list && i < shoal_form_size(form); i++) {
    const shoal_form_place *place = shoal_form_place_of(form, i);
    PyObject *item = Py_BuildValue("(s#z#iNN)", place->label.ptr, (Py_ssize_t)place->label.len, place->path.ptr,
                                   (Py_ssize_t)place->path.len, place->line, key_of(form, i), edges_of(form, i));
    if (!item || PyList_Append(list, item) < 0)
      Py_CLEAR(list);
    Py_XDECREF(item);
  }
  return list;
}

static PyObject *form_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  shoal_error err = {0};
  shoal_form *form;
  if ((args && PyTuple_Size(args)) || (kwargs && PyDict_Size(kwargs)))
    return PyErr_Format(PyExc_TypeError, "Form takes no arguments");
  if (shoal_form_new(&form, &err) < 0)
    return shoal_py_raise(PyType_GetModule(type), &err);
  allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  form_object *self = (form_object *)alloc(type, 0);
  if (self)
    self->form = form;
  else
    shoal_form_free(form);
  return (PyObject *)self;
}

static void form_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  shoal_form_free(form_of(self));
  freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
  free_object(self);
  Py_DECREF(type);
}

static PyMethodDef form_methods[] = {
    {"node", form_node, METH_VARARGS, "node(identity, label, path, line) -> (node, fresh)"},
    {"body", form_body, METH_VARARGS, "body(node, digest)"},
    {"edge", form_edge, METH_VARARGS, "edge(node, kind, symbol, target)"},
    {"targets", form_targets, METH_VARARGS, "targets(node) -> [node]"},
    {"finish", form_finish, METH_NOARGS, "Computes the keys."},
    {"key", form_key, METH_VARARGS, "key(node) -> 64 hex digits"},
    {"explain", form_explain, METH_NOARGS, "explain() -> [(label, path, line, key, edges)]"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot form_slots[] = {
    {Py_tp_new, form_new},
    {Py_tp_dealloc, form_dealloc},
    {Py_tp_methods, form_methods},
    {Py_tp_doc, "The graph of a canonical form."},
    {0, NULL},
};
PyType_Spec shoal_form_spec = {
    .name = "shoal._shoal.Form",
    .basicsize = sizeof(form_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = form_slots,
};
