/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of store/store.h as one suite of tests; C1 … C7 are its paragraphs. */
#ifndef SHOAL_TESTS_STORE_CONTRACT_H
#define SHOAL_TESTS_STORE_CONTRACT_H

#include "store/store.h"

typedef struct store_case {
  const char *name;
  /* Opens an empty store for one test; what it needs to be closed again goes into *arg. */
  shoal_store *(*open)(void **arg);
  void (*close)(shoal_store *s, void *arg);
  bool links;     /* shoal_store_link works */
  bool processes; /* forked children see the same objects */
} store_case;

/* Runs the suite; the number of failed tests. */
int store_contract_run(const store_case *c);

#endif
