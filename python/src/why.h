/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHOAL_PY_WHY_H
#define SHOAL_PY_WHY_H

#include "module.h"

/* why(before, after) -> {"kind", "what", "path", "line", "before", "after"}: the first difference of two provenances.
 */
PyObject *shoal_py_why(PyObject *module, PyObject *args);

#endif
