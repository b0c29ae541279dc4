/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHOAL_PY_ARROW_H
#define SHOAL_PY_ARROW_H

#include "module.h"

/* read_arrow(path) -> a capsule of a stream that reads the file as it is pulled. */
PyObject *shoal_py_read_arrow(PyObject *module, PyObject *args);

#endif
