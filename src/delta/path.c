/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths of add and remove are URIs relative to the table (protocol, "Add File and Remove File"): what is no plain ASCII
 * is percent-encoded. A path from a foreign log is hostile until shown otherwise: it must not lead out of the table.
 */
#include "base/str.h"
#include "delta/delta.h"

/* Unreserved characters, the separator, and the '=' that partition folders are full of. */
static bool plain(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '~' || c == '/' || c == '=';
}

void shoal_delta_path_encode(shoal_buf *out, shoal_str path) {
  for (size_t i = 0; i < path.len; i++) {
    unsigned char c = (unsigned char)path.ptr[i];
    if (plain(c))
      shoal_buf_addc(out, (char)c);
    else
      shoal_buf_addf(out, "%%%02X", c);
  }
}

static int hex(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "s3:", "file:": letters, digits, '+', '-', '.' up to a colon in the first segment. */
static bool has_scheme(shoal_str path) {
  for (size_t i = 0; i < path.len; i++) {
    char c = path.ptr[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (c == ':')
      return i > 0;
    if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
      return false;
  }
  return false;
}

static shoal_status decode(shoal_str path, shoal_buf *out, shoal_error *err) {
  for (size_t i = 0; i < path.len; i++) {
    char c = path.ptr[i];
    if (c == '%') {
      int high = path.len - i > 2 ? hex(path.ptr[i + 1]) : -1, low = path.len - i > 2 ? hex(path.ptr[i + 2]) : -1;
      if (high < 0 || low < 0)
        return shoal_fail(err, SHOAL_ECORRUPT, "'%.*s' is no path of a table's file: '%%' without two hex digits",
                          SHOAL_FMT(path));
      c = (char)(high * 16 + low);
      i += 2;
    }
    if (c == '\0')
      return shoal_fail(err, SHOAL_ECORRUPT, "'%.*s' is no path of a table's file: it has a NUL", SHOAL_FMT(path));
    shoal_buf_addc(out, c);
  }
  return shoal_buf_check(out, err);
}

static bool leaves_table(shoal_str path) {
  shoal_str rest = path, piece;
  if (path.ptr[0] == '/')
    return true;
  while (shoal_str_split(&rest, '/', &piece)) {
    if (shoal_str_is(piece, ".."))
      return true;
  }
  return false;
}

shoal_status shoal_delta_path_decode(shoal_str path, bool anywhere, shoal_buf *out, shoal_error *err) {
  size_t start = out->len;
  if (path.len == 0)
    return shoal_fail(err, SHOAL_ECORRUPT, "a file of the table has an empty path");
  SHOAL_TRY(decode(path, out, err));
  shoal_str decoded = shoal_str_n(out->ptr + start, out->len - start);
  if (!anywhere && (has_scheme(path) || leaves_table(decoded)))
    return shoal_fail(err, SHOAL_EUNSUPPORTED,
                      "'%.*s' lies outside the table, which this build does not read (a shallow clone?)",
                      SHOAL_FMT(path));
  return SHOAL_OK;
}
