/* SPDX-License-Identifier: Apache-2.0 */
/* What of shoal.yaml the forms of code need. */
#include "config.h"

#include <fcntl.h>

#include "base/limits.h"
#include "base/os.h"
#include "base/str.h"

static shoal_status read_text(const char *folder, const char *name, shoal_arena *arena, shoal_str *out,
                              shoal_error *err) {
  shoal_buf text = {0};
  char *path = shoal_arena_printf(arena, "%s/%s", folder, name);
  *out = SHOAL_STR_NONE;
  if (!path)
    return shoal_fail_nomem(err);
  shoal_status status = shoal_os_read_file(path, SHOAL_MAX_YAML_BYTES, &text, err);
  if (status >= 0) {
    *out = shoal_arena_str(arena, shoal_buf_str(&text));
    status = out->ptr ? SHOAL_OK : shoal_fail_nomem(err);
  }
  shoal_buf_dispose(&text);
  return status == SHOAL_ENOTFOUND ? SHOAL_OK : status;
}

static PyObject *as_dict(const shoal_config *config) {
  PyObject *dict = PyDict_New();
  for (size_t i = 0; dict && i < config->n_python_env; i++) {
    const shoal_option *o = &config->python_env[i];
    PyObject *name = PyUnicode_FromStringAndSize(o->name.ptr, (Py_ssize_t)o->name.len);
    PyObject *value = PyUnicode_FromStringAndSize(o->value.ptr, (Py_ssize_t)o->value.len);
    if (!name || !value || PyDict_SetItem(dict, name, value) < 0)
      Py_CLEAR(dict);
    Py_XDECREF(name);
    Py_XDECREF(value);
  }
  return dict;
}

PyObject *shoal_py_environment_policy(PyObject *module, PyObject *args) {
  const char *folder;
  shoal_arena arena = {0};
  shoal_error err = {0};
  shoal_str text, local;
  shoal_config config = {0};
  if (!PyArg_ParseTuple(args, "s", &folder))
    return NULL;
  shoal_status status = read_text(folder, "shoal.yaml", &arena, &text, &err);
  if (status >= 0)
    status = read_text(folder, "shoal.local.yaml", &arena, &local, &err);
  if (status >= 0 && text.ptr)
    status = shoal_config_parse(text, local, &arena, &config, &err);
  PyObject *policy = status < 0 ? shoal_py_raise(module, &err) : as_dict(&config);
  shoal_arena_dispose(&arena);
  return policy;
}

/* A warm call asks each time, so no stat_result is made. */
PyObject *shoal_py_stamp(PyObject *module, PyObject *args) {
  PyObject *path;
  shoal_stat st;
  (void)module;
  if (!PyArg_ParseTuple(args, "O&", PyUnicode_FSConverter, &path))
    return NULL;
  int code = shoal_os_stat_at(AT_FDCWD, PyBytes_AsString(path), &st);
  Py_DECREF(path);
  if (code < 0)
    Py_RETURN_NONE;
  return Py_BuildValue("KL", (unsigned long long)st.ino, (long long)st.mtime_ns);
}
