/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole program with a fault in it, for nth.py: its n-th request for memory, or its n-th call of the lake's store,
 * fails. Linked to the program's own main in place of nothing: what it adds runs before main, and wraps the function
 * that opens a folder as a store.
 *
 * SHOAL_FAIL=memory|before|after|space:n[:on], SHOAL_FAIL_COUNT=FILE (how many there were; n 0 only counts).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/faulty.h"

static struct {
  char kind[16];
  unsigned long n;
  int on;
  shoal_store *inner[64], *store[64];
  size_t n_stores;
} fault;

shoal_status __real_shoal_store_open_file(const char *root, bool create, shoal_store **out, shoal_error *err);
shoal_status __wrap_shoal_store_open_file(const char *root, bool create, shoal_store **out, shoal_error *err);
void __real_shoal_store_free(shoal_store *s);
void __wrap_shoal_store_free(shoal_store *s);

static shoal_fault kind_of(void) {
  return !strcmp(fault.kind, "before")  ? SHOAL_FAULT_BEFORE
         : !strcmp(fault.kind, "after") ? SHOAL_FAULT_AFTER
         : !strcmp(fault.kind, "space") ? SHOAL_FAULT_SPACE
                                        : SHOAL_FAULT_NONE;
}

/* Each store counts for itself: the lake's is the first that is opened. */
shoal_status __wrap_shoal_store_open_file(const char *root, bool create, shoal_store **out, shoal_error *err) {
  shoal_status status = __real_shoal_store_open_file(root, create, out, err);
  if (status < 0 || kind_of() == SHOAL_FAULT_NONE || fault.n_stores == 64)
    return status;
  shoal_store *inner = *out;
  status = shoal_store_open_faulty(inner, out, err);
  if (status < 0) {
    __real_shoal_store_free(inner);
    return status;
  }
  shoal_store_faulty_at(*out, fault.n_stores ? 0 : fault.n, kind_of(), fault.on);
  fault.inner[fault.n_stores] = inner;
  fault.store[fault.n_stores++] = *out;
  return SHOAL_OK;
}

static void write_count(unsigned long count) {
  const char *path = getenv("SHOAL_FAIL_COUNT");
  FILE *f = path ? fopen(path, "w") : NULL;
  if (f) {
    fprintf(f, "%lu\n", count);
    fclose(f);
  }
}

/* What is wrapped lives as long as what wraps it. */
void __wrap_shoal_store_free(shoal_store *s) {
  for (size_t i = 0; s && i < fault.n_stores; i++)
    if (fault.store[i] == s) {
      if (i == 0)
        write_count((unsigned long)shoal_store_faulty_calls(s));
      __real_shoal_store_free(s);
      __real_shoal_store_free(fault.inner[i]);
      fault.store[i] = NULL;
      return;
    }
  __real_shoal_store_free(s);
}

static void count_memory(void) { write_count((unsigned long)shoal_mem_requests()); }

_Noreturn void __real__exit(int code);
_Noreturn void __wrap__exit(int code);

/* The program ends so, which runs nothing of atexit's. */
void __wrap__exit(int code) {
  if (!strcmp(fault.kind, "memory"))
    count_memory();
  __real__exit(code);
}

__attribute__((constructor)) static void begin(void) {
  const char *what = getenv("SHOAL_FAIL");
  if (!what || sscanf(what, "%15[a-z]:%lu", fault.kind, &fault.n) != 2)
    return;
  fault.on = strlen(what) > 3 && !strcmp(what + strlen(what) - 3, ":on");
  if (!strcmp(fault.kind, "memory")) {
    shoal_mem_fail_at(fault.n ? fault.n : 1UL << 62, fault.on);
    atexit(count_memory);
  }
}
