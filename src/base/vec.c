/* SPDX-License-Identifier: Apache-2.0 */
/* The untyped half of vec.h. */
#include "base/vec.h"

#include <string.h>

void *shoal_vec_grow(void **ptr, size_t *len, size_t *cap, size_t size) {
  if (*len == *cap) {
    size_t more = *cap ? *cap * 2 : 8;
    void *p = shoal_reallocarray(*ptr, more, size);
    if (!p)
      return NULL;
    *ptr = p;
    *cap = more;
  }
  void *item = (char *)*ptr + (*len)++ * size;
  memset(item, 0, size);
  return item;
}
