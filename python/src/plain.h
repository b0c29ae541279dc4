/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHOAL_PYTHON_PLAIN_H
#define SHOAL_PYTHON_PLAIN_H

#include "module.h"

extern PyType_Spec shoal_plain_spec;

/* code_key(marshal.dumps, code, world) -> 32 bytes, of all that a code object is. */
PyObject *shoal_py_code_key(PyObject *module, PyObject *args);

#endif
