/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python files of a project. What a worker told of one is kept in the index together with what the answer rested on:
 * the files of the project that importing it read, the files that tell packages' versions, and the folders that
 * packages are installed in. As long as all that stands, no Python is started.
 */
#ifndef SHOAL_SESSION_PYTHON_H
#define SHOAL_SESSION_PYTHON_H

#include "base/hash.h"
#include "code/unit.h"
#include "engine/worker.h"

/* What an answer rested on. */
typedef struct shoal_python_rest {
  shoal_str path;
  shoal_hash hash; /* of a file's content, or of a folder's times; zero: it was not there */
} shoal_python_rest;

typedef struct shoal_python_file {
  shoal_str path; /* models/ml/churn.py */
  shoal_hash content;
  shoal_python_rest *rests_on;
  size_t n_rests_on;
  shoal_unit *units;
  size_t n_units;
} shoal_python_file;

typedef struct shoal_python {
  shoal_str interpreter; /* absolute; {NULL,0}: not looked for yet */
  shoal_python_file *files;
  size_t n_files;
  bool is_new;          /* the index does not know them so */
  shoal_worker *worker; /* that told them; a run may take it over */
} shoal_python;

/* What of the environment says which Python runs and where it finds modules. */
void shoal_python_environment_hash(shoal_arena *arena, shoal_hasher *h);

#endif
