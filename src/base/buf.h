/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing buffer that owns its bytes, with a cap and a sticky error: append as you like, look at the status once.
 * After a failure appends do nothing. The zero value is an empty buffer capped at SHOAL_MAX_BUF.
 */
#ifndef SHOAL_BASE_BUF_H
#define SHOAL_BASE_BUF_H

#include <stdarg.h>

#include "base/arena.h"
#include "shoal/error.h"
#include "shoal/str.h"

typedef struct shoal_buf {
  char *ptr; /* NUL-terminated whenever not NULL */
  size_t len, cap;
  size_t max;          /* 0 stands for SHOAL_MAX_BUF */
  shoal_status status; /* SHOAL_OK, SHOAL_ENOMEM or SHOAL_ELIMIT */
} shoal_buf;

void shoal_buf_init(shoal_buf *buf, size_t max);
void shoal_buf_dispose(shoal_buf *buf);
void shoal_buf_clear(shoal_buf *buf); /* keeps the memory, forgets the error */
void shoal_buf_add(shoal_buf *buf, shoal_str s);
void shoal_buf_addz(shoal_buf *buf, const char *z);
void shoal_buf_addc(shoal_buf *buf, char c);
void shoal_buf_addf(shoal_buf *buf, const char *fmt, ...) SHOAL_PRINTF(2, 3);
void shoal_buf_vaddf(shoal_buf *buf, const char *fmt, va_list ap) SHOAL_PRINTF(2, 0);
/* Makes room for `extra` bytes behind the end and returns where they go (then set len); NULL on failure. */
char *shoal_buf_reserve(shoal_buf *buf, size_t extra);
static inline shoal_str shoal_buf_str(const shoal_buf *buf) { return (shoal_str){buf->ptr ? buf->ptr : "", buf->len}; }
/* As a C string; "" when empty. */
static inline const char *shoal_buf_z(const shoal_buf *buf) { return buf->ptr ? buf->ptr : ""; }
/* The sticky error as a status with a message. */
SHOAL_MUST_USE shoal_status shoal_buf_check(const shoal_buf *buf, shoal_error *err);
/* Ends a buffer, whatever comes of it: its text goes into the arena. *out is {NULL,0} after a failure. */
SHOAL_MUST_USE shoal_status shoal_buf_take(shoal_buf *buf, shoal_arena *arena, shoal_str *out, shoal_error *err);
/* SQL: 'it''s' and "a ""b""". */
void shoal_buf_sql_literal(shoal_buf *buf, shoal_str s);
void shoal_buf_sql_ident(shoal_buf *buf, shoal_str s);
/* JSON: a quoted, escaped string. Invalid UTF-8 becomes U+FFFD. */
void shoal_buf_json_str(shoal_buf *buf, shoal_str s);

#endif
