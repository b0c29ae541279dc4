/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of engine/engine.h as one suite of tests; E1 … E5 are its paragraphs. */
#ifndef SHOAL_TESTS_ENGINE_CONTRACT_H
#define SHOAL_TESTS_ENGINE_CONTRACT_H

#include "engine/engine.h"

typedef struct engine_case {
  const char *name;
  /* Opens an engine that may use this folder (absolute, without a '/' at its end). */
  shoal_engine *(*open)(const char *folder);
  bool reads; /* inputs, macros and variables have a meaning for it */
} engine_case;

/* Runs the suite; the number of failed tests. */
int engine_contract_run(const engine_case *c);

#endif
