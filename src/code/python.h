/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of Python functions whose results are kept: the signature of one, and the dataset that a path names. The
 * package's `shoal.keep` and `shoal run` both ask here, so what one has computed the other finds.
 */
#ifndef SHOAL_CODE_PYTHON_H
#define SHOAL_CODE_PYTHON_H

#include "base/buf.h"
#include "base/hash.h"

/* A dataset that the code loads under a name written in it. */
typedef struct shoal_python_load {
  shoal_str name;
  shoal_hash key; /* K of what is loaded; zero: there is no such dataset */
} shoal_python_load;

typedef struct shoal_python_call {
  shoal_hash code;      /* key of the function's canonical form, with all it reaches */
  shoal_hash arguments; /* of the values of its parameters, by name, defaults included */
  shoal_str python;     /* "3.11" */
  shoal_python_load *loads;
  size_t n_loads;
} shoal_python_call;

/* S = H(domain, code, arguments, python, [(name, K)] by name). Sorts the loads; the same name twice is one. */
shoal_hash shoal_python_signature(const shoal_python_call *call);

/* "/silver/clean" → silver.clean, "/x" → main.x; a dataset's name is itself. SHOAL_EINVAL: neither, with what is wrong.
 */
SHOAL_MUST_USE shoal_status shoal_python_dataset(shoal_str path, shoal_buf *out, shoal_error *err);

#endif
