/* SPDX-License-Identifier: Apache-2.0 */
/* Why a result is another than it was: session/why, for Python. */
#include "why.h"

#include "base/str.h"
#include "session/session.h"

static PyObject *as_dict(const shoal_why *w) {
  return Py_BuildValue("{s:s,s:z#,s:z#,s:i,s:z#,s:z#}", "kind", shoal_why_kind_name(w->kind), "what", w->what.ptr,
                       (Py_ssize_t)w->what.len, "path", w->path.ptr, (Py_ssize_t)w->path.len, "line", w->line, "before",
                       w->before.ptr, (Py_ssize_t)w->before.len, "after", w->after.ptr, (Py_ssize_t)w->after.len);
}

PyObject *shoal_py_why(PyObject *module, PyObject *args) {
  const char *before, *after;
  Py_ssize_t n_before, n_after;
  shoal_arena arena = {0};
  shoal_error err = {0};
  shoal_why why;
  if (!PyArg_ParseTuple(args, "s#s#", &before, &n_before, &after, &n_after))
    return NULL;
  shoal_status status =
      shoal_why_compare((shoal_str){before, (size_t)n_before}, (shoal_str){after, (size_t)n_after}, &arena, &why, &err);
  PyObject *result = status < 0 ? shoal_py_raise(module, &err) : as_dict(&why);
  shoal_arena_dispose(&arena);
  return result;
}
