/* SPDX-License-Identifier: Apache-2.0 */
/* Memory requests with a fault switch. The switch is the library's one process-wide test hook; it costs a relaxed load.
 */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

static _Atomic uint64_t fail_at;
static _Atomic uint64_t requests;
static _Atomic int fail_sticky;

void shoal_mem_fail_at(uint64_t n, int sticky) {
  atomic_store(&requests, 0);
  atomic_store(&fail_sticky, sticky);
  atomic_store(&fail_at, n);
}
uint64_t shoal_mem_requests(void) { return atomic_load(&requests); }

static bool fails_now(void) {
  uint64_t at = atomic_load_explicit(&fail_at, memory_order_relaxed);
  if (at == 0)
    return false;
  uint64_t now = atomic_fetch_add(&requests, 1) + 1;
  return now == at || (now > at && atomic_load(&fail_sticky));
}

void *shoal_malloc(size_t size) { return fails_now() ? NULL : malloc(size ? size : 1); }
void *shoal_calloc(size_t count, size_t size) {
  return fails_now() ? NULL : calloc(count ? count : 1, size ? size : 1);
}
void *shoal_realloc(void *ptr, size_t size) { return fails_now() ? NULL : realloc(ptr, size ? size : 1); }
void *shoal_reallocarray(void *ptr, size_t count, size_t size) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total))
    return NULL;
  return shoal_realloc(ptr, total);
}
void shoal_free(void *ptr) { free(ptr); }
