/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on views: comparison, search, patterns, spelling distance. */
#include "base/str.h"

#include <limits.h>

static unsigned char lower(char c) { return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c); }
static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

int shoal_str_cmp(shoal_str a, shoal_str b) {
  size_t n = a.len < b.len ? a.len : b.len;
  int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
  return c ? c : (a.len > b.len) - (a.len < b.len);
}

bool shoal_str_ieq(shoal_str a, shoal_str b) {
  if (a.len != b.len)
    return false;
  for (size_t i = 0; i < a.len; i++)
    if (lower(a.ptr[i]) != lower(b.ptr[i]))
      return false;
  return true;
}

bool shoal_str_starts(shoal_str s, shoal_str prefix) {
  return s.len >= prefix.len && shoal_str_eq((shoal_str){s.ptr, prefix.len}, prefix);
}
bool shoal_str_ends(shoal_str s, shoal_str suffix) {
  return s.len >= suffix.len && shoal_str_eq((shoal_str){s.ptr + (s.len - suffix.len), suffix.len}, suffix);
}

ptrdiff_t shoal_str_find(shoal_str s, shoal_str needle) {
  if (needle.len == 0)
    return 0;
  const char *p = s.len ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
  return p ? p - s.ptr : -1;
}
ptrdiff_t shoal_str_chr(shoal_str s, char c) {
  const char *p = s.len ? memchr(s.ptr, c, s.len) : NULL;
  return p ? p - s.ptr : -1;
}
ptrdiff_t shoal_str_rchr(shoal_str s, char c) {
  const char *p = s.len ? memrchr(s.ptr, c, s.len) : NULL;
  return p ? p - s.ptr : -1;
}

shoal_str shoal_str_sub(shoal_str s, size_t from, size_t to) {
  if (to > s.len)
    to = s.len;
  if (from > to)
    from = to;
  return (shoal_str){s.ptr ? s.ptr + from : NULL, to - from};
}

shoal_str shoal_str_trim(shoal_str s) {
  while (s.len && is_space(s.ptr[s.len - 1]))
    s.len--;
  while (s.len && is_space(s.ptr[0])) {
    s.ptr++;
    s.len--;
  }
  return s;
}

bool shoal_str_split(shoal_str *rest, char sep, shoal_str *piece) {
  if (!rest->ptr)
    return false;
  ptrdiff_t at = shoal_str_chr(*rest, sep);
  if (at < 0) {
    *piece = *rest;
    *rest = SHOAL_STR_NONE;
    return true;
  }
  *piece = shoal_str_sub(*rest, 0, (size_t)at);
  *rest = shoal_str_sub(*rest, (size_t)at + 1, rest->len);
  return true;
}

bool shoal_str_glob(shoal_str pattern, shoal_str s) {
  /* Going back only to the last star keeps this at |pattern| x |s|. */
  size_t p = 0, i = 0, star = SIZE_MAX, mark = 0;
  while (i < s.len) {
    if (p < pattern.len && pattern.ptr[p] == '*') {
      star = p++;
      mark = i;
    } else if (p < pattern.len && (pattern.ptr[p] == '?' || pattern.ptr[p] == s.ptr[i])) {
      p++;
      i++;
    } else if (star != SIZE_MAX) {
      p = star + 1;
      i = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.len && pattern.ptr[p] == '*')
    p++;
  return p == pattern.len;
}

/* Length of the valid sequence at p, or 0 (RFC 3629: no overlong forms, surrogates or values past U+10FFFF). */
static size_t utf8_len(const unsigned char *p, size_t left) {
  if (p[0] < 0x80)
    return p[0] != 0;
  size_t n = p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : p[0] >= 0xe0 && p[0] <= 0xef ? 3 : p[0] >= 0xc2 && p[0] <= 0xdf ? 2 : 0;
  if (n == 0 || n > left)
    return 0;
  for (size_t i = 1; i < n; i++)
    if ((p[i] & 0xc0) != 0x80)
      return 0;
  bool bad = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
             (p[0] == 0xf4 && p[1] > 0x8f);
  return bad ? 0 : n;
}

bool shoal_str_utf8(shoal_str s) {
  for (size_t i = 0; i < s.len;) {
    size_t n = utf8_len((const unsigned char *)s.ptr + i, s.len - i);
    if (n == 0)
      return false;
    i += n;
  }
  return true;
}

bool shoal_str_i64(shoal_str s, int64_t *out) {
  bool negative = s.len && s.ptr[0] == '-';
  size_t i = negative || (s.len && s.ptr[0] == '+') ? 1 : 0;
  if (i == s.len)
    return false;
  int64_t v = 0;
  for (; i < s.len; i++) {
    int d = s.ptr[i] - '0';
    if (d < 0 || d > 9 || __builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, d, &v))
      return false;
  }
  if (!negative && v == INT64_MIN)
    return false;
  *out = negative ? v : -v;
  return true;
}

#define DISTANCE_MAX 64 /* longer words are never near misses worth computing */

unsigned shoal_str_distance(shoal_str a, shoal_str b, unsigned max) {
  if (a.len > DISTANCE_MAX || b.len > DISTANCE_MAX)
    return max + 1;
  unsigned rows[3][DISTANCE_MAX + 1];
  for (size_t j = 0; j <= b.len; j++)
    rows[0][j] = (unsigned)j;
  for (size_t i = 1; i <= a.len; i++) {
    unsigned *now = rows[i % 3], *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
    now[0] = (unsigned)i;
    for (size_t j = 1; j <= b.len; j++) {
      unsigned char x = lower(a.ptr[i - 1]), y = lower(b.ptr[j - 1]);
      unsigned best = last[j - 1] + (x != y);
      if (last[j] + 1 < best)
        best = last[j] + 1;
      if (now[j - 1] + 1 < best)
        best = now[j - 1] + 1;
      if (i > 1 && j > 1 && x == lower(b.ptr[j - 2]) && lower(a.ptr[i - 2]) == y && before[j - 2] + 1 < best)
        best = before[j - 2] + 1;
      now[j] = best;
    }
  }
  unsigned d = rows[a.len % 3][b.len];
  return d > max ? max + 1 : d;
}

ptrdiff_t shoal_str_nearest(shoal_str word, const shoal_str *names, size_t n) {
  ptrdiff_t found = -1;
  unsigned best = (unsigned)(word.len < DISTANCE_MAX ? word.len : DISTANCE_MAX) / 3 + 1;
  for (size_t i = 0; i < n; i++) {
    unsigned d = shoal_str_distance(word, names[i], best);
    if (d < best || (d == best && found < 0)) {
      best = d;
      found = (ptrdiff_t)i;
    }
  }
  return found;
}
