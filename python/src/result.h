/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHOAL_PYTHON_RESULT_H
#define SHOAL_PYTHON_RESULT_H

#include "module.h"

extern PyType_Spec shoal_result_spec;

PyObject *shoal_py_result(PyObject *module, const shoal_result *r); /* a copy */
/* The same, whose texts are another object's, which stays as it is. */
PyObject *shoal_py_result_borrow(PyObject *module, const shoal_result *r, PyObject *owner);
/* Borrowed; NULL with a TypeError. */
const shoal_result *shoal_py_result_of(PyObject *module, PyObject *o);

#endif
