/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHOAL_PYTHON_AHEAD_H
#define SHOAL_PYTHON_AHEAD_H

#include "module.h"

extern PyType_Spec shoal_ahead_spec;

/* A session's method: ahead() -> Ahead, what its branch holds now. */
PyObject *shoal_py_ahead(PyObject *self, PyObject *unused);

#endif
