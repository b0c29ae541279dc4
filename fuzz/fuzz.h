/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz targets: each file defines one, for libFuzzer (`make fuzz`) or for driver.c, which feeds it the committed corpus
 * (`make test`). A target may not crash, leak, hang or read past its input; it traps where a property fails.
 */
#ifndef SHOAL_FUZZ_H
#define SHOAL_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/str.h"
#include "shoal/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x)                                                                                                        \
  do {                                                                                                                 \
    if (!(x))                                                                                                          \
      abort();                                                                                                         \
  } while (0)

/* A failure has to say something. */
static inline bool told(shoal_status status, const shoal_error *err, const char *what) {
  if (status < 0 && (err->status != status || !err->message[0])) {
    fprintf(stderr, "%s gave %d, its error says %d: '%s'\n", what, (int)status, (int)err->status, err->message);
    abort();
  }
  return status >= 0;
}
#define OK(expr) (err = (shoal_error){0}, told((expr), &err, #expr))

static inline shoal_str input(const uint8_t *data, size_t size) { return (shoal_str){(const char *)data, size}; }
/* Cuts what stands before the first line feed. */
static inline shoal_str first_line(shoal_str *rest) {
  ptrdiff_t at = shoal_str_chr(*rest, '\n');
  size_t n = at < 0 ? rest->len : (size_t)at;
  shoal_str line = shoal_str_sub(*rest, 0, n);
  *rest = shoal_str_sub(*rest, n < rest->len ? n + 1 : n, rest->len);
  return line;
}

#endif
