/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where the library asks for memory. Tests make the n-th request fail (shoal_mem_fail_at), which is
 * how "running out of memory is an error like any other" is held. Sizes are checked before multiplication.
 */
#ifndef SHOAL_BASE_MEM_H
#define SHOAL_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

void *shoal_malloc(size_t size);               /* NULL when out of memory; size 0 is legal */
void *shoal_calloc(size_t count, size_t size); /* zeroed; NULL on overflow */
void *shoal_realloc(void *ptr, size_t size);
void *shoal_reallocarray(void *ptr, size_t count, size_t size); /* NULL on overflow; ptr stays valid then */
void shoal_free(void *ptr);

/* Tests only: the n-th request from now (1-based) fails, and with `sticky` all after it; 0 switches off.
   Any thread; the count is global. */
void shoal_mem_fail_at(uint64_t n, int sticky);
/* Requests since the last shoal_mem_fail_at. */
uint64_t shoal_mem_requests(void);

#endif
