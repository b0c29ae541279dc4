/* SPDX-License-Identifier: Apache-2.0 */
/* Growth doubles, so that appending n bytes costs O(n); the cap keeps hostile input from taking the machine's memory.
 */
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"

void shoal_buf_init(shoal_buf *buf, size_t max) { *buf = (shoal_buf){.max = max}; }
void shoal_buf_dispose(shoal_buf *buf) {
  if (!buf)
    return;
  shoal_free(buf->ptr);
  *buf = (shoal_buf){.max = buf->max};
}
void shoal_buf_clear(shoal_buf *buf) {
  buf->len = 0;
  buf->status = SHOAL_OK;
  if (buf->ptr)
    buf->ptr[0] = '\0';
}

char *shoal_buf_reserve(shoal_buf *buf, size_t extra) {
  if (buf->status < 0)
    return NULL;
  size_t max = buf->max ? buf->max : SHOAL_MAX_BUF;
  if (extra > max || buf->len > max - extra) {
    buf->status = SHOAL_ELIMIT;
    return NULL;
  }
  size_t need = buf->len + extra + 1;
  if (need > buf->cap) {
    size_t cap = buf->cap ? buf->cap : 64;
    while (cap < need)
      cap *= 2;
    char *p = shoal_realloc(buf->ptr, cap);
    if (!p) {
      buf->status = SHOAL_ENOMEM;
      return NULL;
    }
    buf->ptr = p;
    buf->cap = cap;
  }
  return buf->ptr + buf->len;
}

void shoal_buf_add(shoal_buf *buf, shoal_str s) {
  char *p = shoal_buf_reserve(buf, s.len);
  if (!p)
    return;
  if (s.len)
    memcpy(p, s.ptr, s.len);
  buf->len += s.len;
  buf->ptr[buf->len] = '\0';
}
void shoal_buf_addz(shoal_buf *buf, const char *z) { shoal_buf_add(buf, shoal_str_z(z)); }
void shoal_buf_addc(shoal_buf *buf, char c) { shoal_buf_add(buf, (shoal_str){&c, 1}); }

void shoal_buf_vaddf(shoal_buf *buf, const char *fmt, va_list ap) {
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  char *p = n < 0 ? NULL : shoal_buf_reserve(buf, (size_t)n);
  if (p) {
    vsnprintf(p, (size_t)n + 1, fmt, again);
    buf->len += (size_t)n;
  }
  va_end(again);
}
void shoal_buf_addf(shoal_buf *buf, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  shoal_buf_vaddf(buf, fmt, ap);
  va_end(ap);
}

shoal_status shoal_buf_check(const shoal_buf *buf, shoal_error *err) {
  if (buf->status == SHOAL_ENOMEM)
    return shoal_fail_nomem(err);
  if (buf->status < 0)
    return shoal_fail(err, SHOAL_ELIMIT, "a text grew beyond its limit of %zu bytes",
                      buf->max ? buf->max : SHOAL_MAX_BUF);
  return SHOAL_OK;
}

shoal_status shoal_buf_take(shoal_buf *buf, shoal_arena *arena, shoal_str *out, shoal_error *err) {
  shoal_status status = shoal_buf_check(buf, err);
  *out = status == SHOAL_OK ? shoal_arena_str(arena, shoal_buf_str(buf)) : SHOAL_STR_NONE;
  if (status == SHOAL_OK && !out->ptr)
    status = shoal_fail_nomem(err);
  shoal_buf_dispose(buf);
  return status;
}

static void add_doubled(shoal_buf *buf, shoal_str s, char quote) {
  shoal_buf_addc(buf, quote);
  for (size_t i = 0; i < s.len; i++) {
    if (s.ptr[i] == quote)
      shoal_buf_addc(buf, quote);
    shoal_buf_addc(buf, s.ptr[i]);
  }
  shoal_buf_addc(buf, quote);
}
void shoal_buf_sql_literal(shoal_buf *buf, shoal_str s) { add_doubled(buf, s, '\''); }
void shoal_buf_sql_ident(shoal_buf *buf, shoal_str s) { add_doubled(buf, s, '"'); }

/* Bytes of the UTF-8 character at p when it is valid, else 0. */
static size_t valid_char(const char *p, size_t left) {
  for (size_t n = 1; n <= 4 && n <= left; n++)
    if (shoal_str_utf8((shoal_str){p, n}))
      return n;
  return 0;
}

#define PIECE 1024

/* The beginning of a text up to a control character or one beyond ASCII, or a piece of that: quotes and backslashes get
   a backslash, without a branch for each character. How many bytes of the text that was; 0 also where a capped buffer
   is nearly full. */
static size_t add_ascii(shoal_buf *buf, shoal_str s) {
  size_t left = (buf->max ? buf->max : SHOAL_MAX_BUF) - buf->len, n = s.len < PIECE ? s.len : PIECE, i = 0;
  n = n < left / 2 ? n : left / 2;
  char *start = shoal_buf_reserve(buf, 2 * n), *p = start;
  if (!start)
    return 0;
  for (; i < n; i++) {
    unsigned char c = (unsigned char)s.ptr[i];
    if (c < 0x20 || c >= 0x80)
      break;
    *p = '\\';
    p += c == '"' || c == '\\';
    *p++ = (char)c;
  }
  buf->len += (size_t)(p - start);
  *p = '\0';
  return i;
}

/* The first character of a text, whatever it is. */
static size_t add_any(shoal_buf *buf, shoal_str s) {
  unsigned char c = (unsigned char)s.ptr[0];
  size_t n = c >= 0x80 ? valid_char(s.ptr, s.len) : 0;
  if (n)
    shoal_buf_add(buf, shoal_str_sub(s, 0, n));
  else if (c >= 0x80)
    shoal_buf_addz(buf, "\xef\xbf\xbd");
  else if (c == '"' || c == '\\')
    shoal_buf_addf(buf, "\\%c", c);
  else if (c == '\n')
    shoal_buf_addz(buf, "\\n");
  else if (c == '\t')
    shoal_buf_addz(buf, "\\t");
  else if (c < 0x20)
    shoal_buf_addf(buf, "\\u%04x", c);
  else
    shoal_buf_addc(buf, (char)c);
  return n ? n : 1;
}

void shoal_buf_json_str(shoal_buf *buf, shoal_str s) {
  shoal_buf_addc(buf, '"');
  for (size_t i = 0; i < s.len && buf->status == SHOAL_OK;) {
    size_t n = add_ascii(buf, shoal_str_sub(s, i, s.len));
    i += n;
    if (n == 0)
      i += add_any(buf, shoal_str_sub(s, i, s.len));
  }
  shoal_buf_addc(buf, '"');
}
