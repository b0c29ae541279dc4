/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C half of the Python package: sessions, their tables as Arrow streams, and the canonical forms of code.
 * Everything that may block runs without the interpreter's lock. Only the stable ABI of CPython 3.11 is used.
 */
#ifndef SHOAL_PYTHON_MODULE_H
#define SHOAL_PYTHON_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "session/session.h"

/* The module's own objects. */
typedef struct module_state {
  PyObject *error; /* shoal.Error */
  PyTypeObject *session_type, *form_type, *result_type, *guards_type, *ahead_type, *plain_type;
  unsigned long world; /* raised when no guard may hold any more */
} module_state;

extern struct PyModuleDef shoal_module;

/* Raises shoal.Error with what the library said: .status, .hint, .context, and .path, .line, .column where it points
   into a file. NULL, for returning. Out of memory and Ctrl-C are Python's own. */
PyObject *shoal_py_raise(PyObject *module, const shoal_error *err);

extern PyType_Spec shoal_session_spec;

#endif
