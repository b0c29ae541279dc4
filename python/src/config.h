/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHOAL_PY_CONFIG_H
#define SHOAL_PY_CONFIG_H

#include "module.h"

/* environment_policy(folder) -> {package or "*": "exact", "minor" or "ignore"}, of the project in that folder. */
PyObject *shoal_py_environment_policy(PyObject *module, PyObject *args);
/* stamp(path) -> (inode, time of change in ns), or None: changes when another file stands there, or it is written. */
PyObject *shoal_py_stamp(PyObject *module, PyObject *args);

#endif
