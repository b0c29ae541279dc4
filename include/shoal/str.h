/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A borrowed view of bytes: passed by value, never assumed NUL-terminated, usually UTF-8. {NULL, 0} is "absent",
 * which differs from the empty string {"", 0} only where a header says so.
 */
#ifndef SHOAL_STR_H
#define SHOAL_STR_H

#include <stddef.h>

typedef struct shoal_str {
  const char *ptr;
  size_t len;
} shoal_str;

/* A view of a literal. */
#define SHOAL_STR(lit) ((shoal_str){"" lit "", sizeof(lit) - 1})
/* For printf: "%.*s". Views longer than INT_MAX are cut. */
#define SHOAL_FMT(s) ((s).len > 0x7fffffff ? 0x7fffffff : (int)(s).len), ((s).ptr ? (s).ptr : "")

#endif
