/* SPDX-License-Identifier: Apache-2.0 */
/* What a session's Python object and its streams and leases share. */
#ifndef SHOAL_PYTHON_SESSION_H
#define SHOAL_PYTHON_SESSION_H

#include "module.h"

#include "base/os.h"
#include "base/thread.h"
#include "session/keep.h"

#define MAX_IDLE 4 /* engines kept for the next query */

typedef struct shoal_py_session {
  shoal_mutex mutex; /* guards all below */
  unsigned refs;
  shoal_session *s;
  shoal_engine *idle[MAX_IDLE];
  size_t n_idle;
  bool closed;
  shoal_heart heart; /* started with the first lease */
  int64_t pid;       /* of the process that opened it */
} shoal_py_session;

shoal_py_session *shoal_py_session_of(PyObject *self); /* borrowed */
void shoal_py_session_release(shoal_py_session *shared);
/* An engine of the caller's own, until it is given back. Under the mutex. */
SHOAL_MUST_USE shoal_status shoal_py_engine_take(shoal_py_session *shared, shoal_engine **out, shoal_error *err);
void shoal_py_engine_give_back(shoal_py_session *shared, shoal_engine *engine); /* not under the mutex */

/* A capsule of the rows of a query over a result, which the stream then reads without the session. */
PyObject *shoal_py_result_stream(PyObject *self, const shoal_result *r);

/* Methods of the session, for functions whose results are kept (keep.c). */
PyObject *shoal_py_keys(PyObject *self, PyObject *args);
PyObject *shoal_py_held(PyObject *self, PyObject *args);
PyObject *shoal_py_head(PyObject *self, PyObject *unused);
PyObject *shoal_py_find(PyObject *self, PyObject *args);
PyObject *shoal_py_begin(PyObject *self, PyObject *args);
PyObject *shoal_py_end(PyObject *self, PyObject *args);
PyObject *shoal_py_put_object(PyObject *self, PyObject *args);
PyObject *shoal_py_put_table(PyObject *self, PyObject *args);
PyObject *shoal_py_check(PyObject *self, PyObject *args);
PyObject *shoal_py_payload(PyObject *self, PyObject *args);
PyObject *shoal_py_rows(PyObject *self, PyObject *args);
PyObject *shoal_py_provenance(PyObject *self, PyObject *args);
PyObject *shoal_py_condemn(PyObject *self, PyObject *args);
PyObject *shoal_py_publish(PyObject *self, PyObject *args);
PyObject *shoal_py_traces(PyObject *self, PyObject *args);
PyObject *shoal_py_trace(PyObject *self, PyObject *args);
PyObject *shoal_py_names(PyObject *self, PyObject *args);
PyObject *shoal_py_trusted(PyObject *self, PyObject *unused);
PyObject *shoal_py_trust(PyObject *self, PyObject *unused);

#endif
