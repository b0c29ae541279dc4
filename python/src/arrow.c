/* SPDX-License-Identifier: Apache-2.0 */
/* Arrow streams in files: how tables cross between `shoal run` and its workers. */
#include "engine/arrow_file.h"

#include "arrow.h"
#include "base/mem.h"

#define STREAM "arrow_array_stream"

static void free_capsule(PyObject *capsule) {
  struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, STREAM);
  if (stream && stream->release) /* nobody took it */
    stream->release(stream);
  shoal_free(stream);
}

PyObject *shoal_py_read_arrow(PyObject *module, PyObject *args) {
  const char *path;
  shoal_error err = {0};
  if (!PyArg_ParseTuple(args, "s", &path))
    return NULL;
  struct ArrowArrayStream *stream = shoal_calloc(1, sizeof *stream);
  if (!stream)
    return PyErr_NoMemory();
  if (shoal_arrow_read_file(path, stream, &err) < 0) {
    shoal_free(stream);
    return shoal_py_raise(module, &err);
  }
  PyObject *capsule = PyCapsule_New(stream, STREAM, free_capsule);
  if (!capsule) {
    stream->release(stream);
    shoal_free(stream);
  }
  return capsule;
}
