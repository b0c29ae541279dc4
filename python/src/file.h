/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHOAL_PY_FILE_H
#define SHOAL_PY_FILE_H

#include "module.h"

/* look(path) -> (kind, stamp, racy) of what stands there, or None: nothing. `kind` is "file", "folder" or "other";
   while the stamp stays, so does a file's content, unless `racy`: it was written so lately that the stamp can't tell.
 */
PyObject *shoal_py_look(PyObject *module, PyObject *args);
/* hash_file(path) -> the digest of a file's content. The interpreter's lock is free meanwhile. */
PyObject *shoal_py_hash_file(PyObject *module, PyObject *args);

#endif
