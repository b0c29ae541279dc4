/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes are shifted out and in one by one: no struct and no host byte order ever reaches the disk. */
#include "base/codec.h"

#include "base/str.h"

static void put_le(shoal_buf *b, uint64_t v, size_t n) {
  char *p = shoal_buf_reserve(b, n);
  if (!p)
    return;
  for (size_t i = 0; i < n; i++)
    p[i] = (char)(uint8_t)(v >> (8 * i));
  b->len += n;
  b->ptr[b->len] = '\0';
}
void shoal_put_u8(shoal_buf *b, uint8_t v) { put_le(b, v, 1); }
void shoal_put_u32(shoal_buf *b, uint32_t v) { put_le(b, v, 4); }
void shoal_put_u64(shoal_buf *b, uint64_t v) { put_le(b, v, 8); }
void shoal_put_str(shoal_buf *b, shoal_str s) {
  if (s.len >= UINT32_MAX) {
    b->status = SHOAL_ELIMIT;
    return;
  }
  shoal_put_u32(b, s.ptr ? (uint32_t)s.len : UINT32_MAX);
  shoal_buf_add(b, s);
}
void shoal_put_hash(shoal_buf *b, const shoal_hash *h) {
  shoal_buf_add(b, shoal_str_n((const char *)h->b, SHOAL_HASH_BYTES));
}

static const unsigned char *take(shoal_decoder *d, size_t n) {
  if (d->failed || d->rest.len < n) {
    d->failed = true;
    return NULL;
  }
  const char *p = d->rest.ptr;
  d->rest = shoal_str_sub(d->rest, n, d->rest.len);
  return (const unsigned char *)p;
}
static uint64_t take_le(shoal_decoder *d, size_t n) {
  const unsigned char *p = take(d, n);
  uint64_t v = 0;
  for (size_t i = 0; p && i < n; i++)
    v |= (uint64_t)p[i] << (8 * i);
  return v;
}
uint8_t shoal_take_u8(shoal_decoder *d) { return (uint8_t)take_le(d, 1); }
uint32_t shoal_take_u32(shoal_decoder *d) { return (uint32_t)take_le(d, 4); }
uint64_t shoal_take_u64(shoal_decoder *d) { return take_le(d, 8); }
shoal_str shoal_take_str(shoal_decoder *d) {
  uint32_t n = shoal_take_u32(d);
  if (n == UINT32_MAX || d->failed)
    return SHOAL_STR_NONE;
  const unsigned char *p = take(d, n);
  return p ? shoal_str_n((const char *)p, n) : SHOAL_STR_NONE;
}
shoal_hash shoal_take_hash(shoal_decoder *d) {
  shoal_hash h = {{0}};
  const unsigned char *p = take(d, SHOAL_HASH_BYTES);
  if (p)
    memcpy(h.b, p, SHOAL_HASH_BYTES);
  return h;
}
uint32_t shoal_take_count(shoal_decoder *d, size_t least) {
  uint32_t n = shoal_take_u32(d);
  if (least && n > d->rest.len / least)
    d->failed = true;
  return d->failed ? 0 : n;
}
