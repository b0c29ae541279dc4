/* SPDX-License-Identifier: Apache-2.0 */
/* The type shoal._shoal.Result: what a lake says of a result, immutable, on its own. */
#include "result.h"

#include "base/str.h"

typedef struct result_object {
  PyObject_HEAD shoal_arena arena;
  PyObject *owner; /* of the texts; NULL: they are in the arena */
  shoal_result result;
} result_object;

PyObject *shoal_py_result_borrow(PyObject *module, const shoal_result *r, PyObject *owner) {
  PyTypeObject *type = ((module_state *)PyModule_GetState(module))->result_type;
  allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  result_object *self = (result_object *)alloc(type, 0);
  if (self) {
    self->owner = Py_NewRef(owner);
    self->result = *r;
  }
  return (PyObject *)self;
}

PyObject *shoal_py_result(PyObject *module, const shoal_result *r) {
  PyTypeObject *type = ((module_state *)PyModule_GetState(module))->result_type;
  allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  shoal_error err = {0};
  result_object *self = (result_object *)alloc(type, 0);
  if (!self)
    return NULL;
  if (shoal_result_copy(r, &self->arena, &self->result, &err) < 0) {
    Py_DECREF(self);
    return shoal_py_raise(module, &err);
  }
  return (PyObject *)self;
}

const shoal_result *shoal_py_result_of(PyObject *module, PyObject *o) {
  if (Py_TYPE(o) == ((module_state *)PyModule_GetState(module))->result_type)
    return &((result_object *)o)->result;
  PyErr_SetString(PyExc_TypeError, "it is no Result");
  return NULL;
}

static const shoal_result *of(PyObject *self) { return &((result_object *)self)->result; }

static PyObject *text(shoal_str s) { return Py_BuildValue("z#", s.ptr, (Py_ssize_t)s.len); }

static PyObject *get_signature(PyObject *self, void *unused) {
  char hex[SHOAL_HASH_HEX + 1];
  (void)unused;
  shoal_hash_hex(&of(self)->signature, hex);
  return PyUnicode_FromString(hex);
}
static PyObject *get_digest(PyObject *self, void *unused) {
  (void)unused;
  return PyBytes_FromStringAndSize((const char *)of(self)->rows_hash.b, SHOAL_HASH_BYTES);
}
static PyObject *get_codec(PyObject *self, void *unused) { return (void)unused, text(of(self)->codec); }
static PyObject *get_type(PyObject *self, void *unused) { return (void)unused, text(of(self)->type); }
static PyObject *get_writer(PyObject *self, void *unused) { return (void)unused, text(of(self)->writer); }
static PyObject *get_made_us(PyObject *self, void *unused) {
  return (void)unused, PyLong_FromLongLong(of(self)->made_us);
}
static PyObject *get_wall_us(PyObject *self, void *unused) {
  return (void)unused, PyLong_FromLongLong(of(self)->wall_us);
}
static PyObject *get_rows(PyObject *self, void *unused) {
  return (void)unused, PyLong_FromUnsignedLongLong(of(self)->rows);
}
static PyObject *get_bytes(PyObject *self, void *unused) {
  return (void)unused, PyLong_FromUnsignedLongLong(of(self)->bytes);
}

static PyObject *get_failed(PyObject *self, void *unused) {
  return (void)unused, PyBool_FromLong(of(self)->failed_expectation);
}

static void result_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  shoal_arena_dispose(&((result_object *)self)->arena);
  Py_XDECREF(((result_object *)self)->owner);
  freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
  free_object(self);
  Py_DECREF(type);
}

static PyGetSetDef result_members[] = {
    {"signature", get_signature, NULL, "64 hex digits", NULL},
    {"digest", get_digest, NULL, "of an object's bytes", NULL},
    {"codec", get_codec, NULL, "how an object's bytes are read; None: it is a table", NULL},
    {"type", get_type, NULL, "what it was: pandas.DataFrame", NULL},
    {"writer", get_writer, NULL, "who computed it", NULL},
    {"made_us", get_made_us, NULL, "when", NULL},
    {"wall_us", get_wall_us, NULL, "what it took to compute", NULL},
    {"rows", get_rows, NULL, "of a table", NULL},
    {"failed", get_failed, NULL, "an expectation, when it was computed", NULL},
    {"bytes", get_bytes, NULL, "in the lake", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot result_slots[] = {
    {Py_tp_dealloc, result_dealloc},
    {Py_tp_getset, result_members},
    {Py_tp_doc, "What a lake says of a result."},
    {0, NULL},
};
PyType_Spec shoal_result_spec = {
    .name = "shoal._shoal.Result",
    .basicsize = sizeof(result_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = result_slots,
};
