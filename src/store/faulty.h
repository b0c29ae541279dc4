/* SPDX-License-Identifier: Apache-2.0 */
/* A store that wraps another one and fails on demand: the test double of every layer above. */
#ifndef SHOAL_STORE_FAULTY_H
#define SHOAL_STORE_FAULTY_H

#include "store/store.h"

typedef enum shoal_fault {
  SHOAL_FAULT_NONE,
  SHOAL_FAULT_BEFORE, /* the call fails with SHOAL_EIO and nothing has happened */
  SHOAL_FAULT_AFTER,  /* a writing call has happened, yet fails with SHOAL_EIO (a time-out after success) */
  SHOAL_FAULT_SPACE   /* writing calls fail with SHOAL_ESPACE; reading ones go on */
} shoal_fault;

/* Borrows `inner`, which must outlive it. */
SHOAL_MUST_USE shoal_status shoal_store_open_faulty(shoal_store *inner, shoal_store **out, shoal_error *err);
/* The n-th call from now (1-based) fails so; with `sticky` every one after it, too. n = 0 switches off. */
void shoal_store_faulty_at(shoal_store *s, uint64_t n, shoal_fault fault, bool sticky);
/* Runs `meanwhile(arg)` once, before the n-th call from now: what another process may do at that moment. */
void shoal_store_faulty_meanwhile(shoal_store *s, uint64_t n, void (*meanwhile)(void *arg), void *arg);
/* Tells of every call, before it is made: its number, the operation's name and the key (of several the first one; of a
   listing the prefix). */
void shoal_store_faulty_watch(shoal_store *s, void (*watch)(void *arg, uint64_t n, const char *what, shoal_str key),
                              void *arg);
/* Calls since the last shoal_store_faulty_at or _meanwhile. */
uint64_t shoal_store_faulty_calls(shoal_store *s);

#endif
