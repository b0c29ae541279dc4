/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A typed growing array: SHOAL_VEC(int) v = {0}; int *p = shoal_vec_add(&v); *p = 1; shoal_vec_dispose(&v).
 * shoal_vec_add returns a zeroed new item, or NULL when out of memory (the vector stays as it was). Pointers into it
 * hold until the next add.
 */
#ifndef SHOAL_BASE_VEC_H
#define SHOAL_BASE_VEC_H

#include <stddef.h>

#include "base/mem.h"

#define SHOAL_VEC(T)                                                                                                   \
  struct {                                                                                                             \
    T *ptr;                                                                                                            \
    size_t len, cap;                                                                                                   \
  }
void *shoal_vec_grow(void **ptr, size_t *len, size_t *cap, size_t size);
#define shoal_vec_add(v)                                                                                               \
  ((__typeof__((v)->ptr))shoal_vec_grow((void **)&(v)->ptr, &(v)->len, &(v)->cap, sizeof(*(v)->ptr)))
#define shoal_vec_dispose(v)                                                                                           \
  do {                                                                                                                 \
    shoal_free((v)->ptr);                                                                                              \
    (v)->ptr = NULL;                                                                                                   \
    (v)->len = (v)->cap = 0;                                                                                           \
  } while (0)

#endif
