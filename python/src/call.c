/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of functions whose results are kept: code/python, for Python. */
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "code/model.h"
#include "code/python.h"
#include "form.h"

PyObject *shoal_py_dataset(PyObject *module, PyObject *args) {
  const char *path;
  Py_ssize_t n;
  shoal_buf name = {0};
  shoal_error err = {0};
  if (!PyArg_ParseTuple(args, "s#", &path, &n))
    return NULL;
  PyObject *result = NULL;
  if (shoal_python_dataset((shoal_str){path, (size_t)n}, &name, &err) < 0)
    shoal_py_raise(module, &err);
  else
    result = PyUnicode_FromStringAndSize(name.ptr, (Py_ssize_t)name.len);
  shoal_buf_dispose(&name);
  return result;
}

static bool take_hash(shoal_str hex, shoal_hash *out) {
  if (shoal_hash_unhex(hex, out))
    return true;
  PyErr_SetString(PyExc_ValueError, "a key has 64 hex digits");
  return false;
}

/* An absent dataset's key is None. */
static bool take_load(PyObject *pair, shoal_python_load *out) {
  const char *name, *key;
  Py_ssize_t n_name, n_key;
  *out = (shoal_python_load){0};
  if (!PyArg_ParseTuple(pair, "s#z#", &name, &n_name, &key, &n_key))
    return false;
  out->name = (shoal_str){name, (size_t)n_name};
  return !key || take_hash((shoal_str){key, (size_t)n_key}, &out->key);
}

PyObject *shoal_py_call_signature(PyObject *module, PyObject *args) {
  shoal_str code, arguments;
  Py_ssize_t n_code, n_arguments, n_python;
  PyObject *loads;
  shoal_arena arena = {0};
  shoal_python_call call = {0};
  char hex[SHOAL_HASH_HEX + 1];
  (void)module;
  if (!PyArg_ParseTuple(args, "s#s#s#O!", &code.ptr, &n_code, &arguments.ptr, &n_arguments, &call.python.ptr, &n_python,
                        &PyList_Type, &loads))
    return NULL;
  code.len = (size_t)n_code, arguments.len = (size_t)n_arguments, call.python.len = (size_t)n_python;
  call.n_loads = (size_t)PyList_Size(loads);
  call.loads = SHOAL_NEW_ARRAY(&arena, shoal_python_load, call.n_loads);
  bool ok = take_hash(code, &call.code) && take_hash(arguments, &call.arguments);
  if (!call.loads)
    PyErr_NoMemory();
  for (size_t i = 0; ok && call.loads && i < call.n_loads; i++)
    ok = take_load(PyList_GetItem(loads, (Py_ssize_t)i), &call.loads[i]);
  if (ok && call.loads) {
    shoal_hash s = shoal_python_signature(&call);
    shoal_hash_hex(&s, hex);
  }
  shoal_arena_dispose(&arena);
  return ok && call.loads ? PyUnicode_FromString(hex) : NULL;
}

static PyObject *key_or_none(const shoal_hash *h) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_hash_hex(h, hex);
  return Py_BuildValue("z", shoal_hash_zero(h) ? NULL : hex);
}

PyObject *shoal_py_decorated(PyObject *module, PyObject *args) {
  shoal_str text, path;
  Py_ssize_t n_text, n_path;
  int line;
  shoal_arena arena = {0};
  shoal_model m = {0};
  shoal_error err = {0};
  if (!PyArg_ParseTuple(args, "s#s#i", &text.ptr, &n_text, &path.ptr, &n_path, &line))
    return NULL;
  text.len = (size_t)n_text, path.len = (size_t)n_path;
  shoal_status status = shoal_model_decorate(text, path, line, &arena, &m, &err);
  shoal_hash layout = m.n_partition_by + m.n_cluster_by ? shoal_layout_hash(&m) : (shoal_hash){{0}};
  shoal_hash expects = shoal_expects_hash(&m);
  PyObject *result =
      status < 0 ? shoal_py_raise(module, &err) : Py_BuildValue("(NN)", key_or_none(&layout), key_or_none(&expects));
  shoal_arena_dispose(&arena);
  return result;
}
