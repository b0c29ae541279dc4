/* SPDX-License-Identifier: Apache-2.0 */
/* Files whose content counts, for Python: their states and their hashes, as the session's watch has them. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "base/hash.h"
#include "base/os.h"

static int64_t now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static const char *kind_of(const shoal_stat *st) {
  return st->kind == SHOAL_FILE_REGULAR ? "file" : st->kind == SHOAL_FILE_FOLDER ? "folder" : "other";
}

PyObject *shoal_py_look(PyObject *module, PyObject *args) {
  PyObject *path;
  shoal_stat st;
  (void)module;
  if (!PyArg_ParseTuple(args, "O&", PyUnicode_FSConverter, &path))
    return NULL;
  int rc = shoal_os_stat_at(AT_FDCWD, PyBytes_AsString(path), &st);
  if (rc < 0 && rc != -ENOENT && rc != -ENOTDIR) {
    errno = -rc;
    PyErr_SetFromErrnoWithFilename(PyExc_OSError, PyBytes_AsString(path));
    Py_DECREF(path);
    return NULL;
  }
  Py_DECREF(path);
  if (rc < 0)
    Py_RETURN_NONE;
  return Py_BuildValue("s(KKKLL)O", kind_of(&st), (unsigned long long)st.dev, (unsigned long long)st.ino,
                       (unsigned long long)st.size, (long long)st.mtime_ns, (long long)st.ctime_ns,
                       shoal_stat_racy(&st, now_ns()) ? Py_True : Py_False);
}

PyObject *shoal_py_hash_file(PyObject *module, PyObject *args) {
  PyObject *path;
  shoal_hash hash;
  shoal_error err = {0};
  shoal_status status;
  if (!PyArg_ParseTuple(args, "O&", PyUnicode_FSConverter, &path))
    return NULL;
  const char *name = PyBytes_AsString(path);
  Py_BEGIN_ALLOW_THREADS status = shoal_hash_file(name, &hash, &err);
  Py_END_ALLOW_THREADS PyObject *digest =
      status < 0 ? shoal_py_raise(module, &err) : PyBytes_FromStringAndSize((const char *)&hash, SHOAL_HASH_BYTES);
  Py_DECREF(path);
  return digest;
}
