/* SPDX-License-Identifier: Apache-2.0 */
/* The module shoal._shoal: its state, and the library's errors as exceptions. */
#include "module.h"

#include <string.h>

#include "ahead.h"
#include "arrow.h"
#include "config.h"
#include "file.h"
#include "form.h"
#include "guards.h"
#include "plain.h"
#include "result.h"
#include "why.h"

static int set_text(PyObject *o, const char *name, const char *text) {
  PyObject *value = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
  int status = value ? PyObject_SetAttrString(o, name, value) : -1;
  Py_XDECREF(value);
  return status;
}

static int set_number(PyObject *o, const char *name, long number) {
  PyObject *value = PyLong_FromLong(number);
  int status = value ? PyObject_SetAttrString(o, name, value) : -1;
  Py_XDECREF(value);
  return status;
}

/* "context: message", and the hint on a line of its own. */
static PyObject *make_text(const shoal_error *err) {
  const char *colon = *err->context && err->context[strlen(err->context) - 1] != ' ' ? ": " : "";
  return PyUnicode_FromFormat(*err->hint ? "%s%s%s\n  %s" : "%s%s%s", err->context, colon, err->message, err->hint);
}

PyObject *shoal_py_raise(PyObject *module, const shoal_error *err) {
  module_state *state = PyModule_GetState(module);
  if (err->status == SHOAL_ENOMEM)
    return PyErr_NoMemory();
  if (PyErr_Occurred()) /* a signal handler's */
    return NULL;
  PyObject *text = make_text(err);
  PyObject *error = text ? PyObject_CallFunctionObjArgs(state->error, text, NULL) : NULL;
  Py_XDECREF(text);
  if (error && set_text(error, "status", shoal_status_name(err->status)) == 0 &&
      set_text(error, "hint", err->hint) == 0 && set_text(error, "context", err->context) == 0 &&
      set_text(error, "path", err->path) == 0 && set_number(error, "line", err->line) == 0 &&
      set_number(error, "column", err->column) == 0)
    PyErr_SetObject(state->error, error);
  Py_XDECREF(error);
  return NULL;
}

static PyObject *version(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  return PyUnicode_FromString(SHOAL_VERSION);
}

static PyMethodDef methods[] = {
    {"version", version, METH_NOARGS, "The library's version."},
    {"pieces", shoal_py_pieces, METH_VARARGS, "pieces(buffers) -> the digest of their bytes one after the other"},
    {"encode", shoal_py_encode, METH_VARARGS, "encode(value, resolve, element, domain) -> (digest, refs)"},
    {"tree", shoal_py_tree, METH_VARARGS, "tree(node, AST, lean) -> digest"},
    {"code", shoal_py_code, METH_VARARGS, "code(code, version) -> digest"},
    {"expire", shoal_py_guards_expire, METH_NOARGS, "expire(): no guard made before holds any more"},
    {"code_key", shoal_py_code_key, METH_VARARGS, "code_key(marshal.dumps, code, world) -> digest of all that it is"},
    {"dataset", shoal_py_dataset, METH_VARARGS, "dataset(path) -> name"},
    {"call_signature", shoal_py_call_signature, METH_VARARGS, "call_signature(code, arguments, python, loads) -> key"},
    {"decorated", shoal_py_decorated, METH_VARARGS, "decorated(text, path, line) -> (layout, expects), keys or None"},
    {"environment_policy", shoal_py_environment_policy, METH_VARARGS,
     "environment_policy(folder) -> {package: policy}"},
    {"why", shoal_py_why, METH_VARARGS, "why(before, after): the first difference of two provenances"},
    {"look", shoal_py_look, METH_VARARGS, "look(path) -> (kind, stamp, racy), or None"},
    {"hash_file", shoal_py_hash_file, METH_VARARGS, "hash_file(path) -> the digest of a file's content"},
    {"stamp", shoal_py_stamp, METH_VARARGS, "stamp(path) -> (inode, nanoseconds), or None"},
    {"read_arrow", shoal_py_read_arrow, METH_VARARGS, "read_arrow(path) -> capsule of a stream"},
    {NULL, NULL, 0, NULL},
};

static int execute(PyObject *module) {
  module_state *state = PyModule_GetState(module);
  state->error = PyErr_NewExceptionWithDoc("shoal.Error", "What Shoal refused or failed to do.", NULL, NULL);
  state->session_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &shoal_session_spec, NULL);
  state->form_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &shoal_form_spec, NULL);
  state->guards_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &shoal_guards_spec, NULL);
  state->result_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &shoal_result_spec, NULL);
  state->ahead_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &shoal_ahead_spec, NULL);
  state->plain_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &shoal_plain_spec, NULL);
  if (!state->error || !state->plain_type || !state->ahead_type || !state->session_type || !state->form_type ||
      !state->result_type || !state->guards_type)
    return -1;
  if (PyModule_AddObjectRef(module, "Error", state->error) < 0)
    return -1;
  if (PyModule_AddType(module, state->form_type) < 0 || PyModule_AddType(module, state->result_type) < 0 ||
      PyModule_AddType(module, state->guards_type) < 0 || PyModule_AddType(module, state->ahead_type) < 0 ||
      PyModule_AddType(module, state->plain_type) < 0)
    return -1;
  return PyModule_AddType(module, state->session_type);
}

static int traverse(PyObject *module, visitproc visit, void *arg) {
  module_state *state = PyModule_GetState(module);
  Py_VISIT(state->error);
  Py_VISIT(state->session_type);
  Py_VISIT(state->form_type);
  Py_VISIT(state->result_type);
  Py_VISIT(state->guards_type);
  Py_VISIT(state->ahead_type);
  Py_VISIT(state->plain_type);
  return 0;
}

static int clear(PyObject *module) {
  module_state *state = PyModule_GetState(module);
  Py_CLEAR(state->error);
  Py_CLEAR(state->session_type);
  Py_CLEAR(state->form_type);
  Py_CLEAR(state->result_type);
  Py_CLEAR(state->guards_type);
  Py_CLEAR(state->ahead_type);
  Py_CLEAR(state->plain_type);
  return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};
struct PyModuleDef shoal_module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "shoal._shoal",
    .m_doc = "The C half of the package shoal.",
    .m_size = sizeof(module_state),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
};

PyMODINIT_FUNC PyInit__shoal(void);
PyMODINIT_FUNC PyInit__shoal(void) { return PyModuleDef_Init(&shoal_module); }
