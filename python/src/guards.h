/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHOAL_PYTHON_GUARDS_H
#define SHOAL_PYTHON_GUARDS_H

#include "module.h"

extern PyType_Spec shoal_guards_spec;

/* As the methods of these names; -1 with an exception. */
int shoal_py_guards_attribute(PyObject *guards, uint32_t node, PyObject *where, PyObject *name);
int shoal_py_guards_item(PyObject *guards, uint32_t node, PyObject *where, PyObject *name);
int shoal_py_guards_size(PyObject *guards, uint32_t node, PyObject *where);

/* The module's expire(): no guard made before holds any more. */
PyObject *shoal_py_guards_expire(PyObject *module, PyObject *unused);

/* 1: what the node reaches is as it was, 0: not, or it can't be told; -1: an exception. */
int shoal_py_guards_hold(PyObject *guards, uint32_t node);

#endif
