/* SPDX-License-Identifier: Apache-2.0 */
/* Items are written as: one type byte, then a 64-bit little-endian length or value, then the bytes. */
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/hash_wide.h"
#include "base/mem.h"
#include "base/str.h"

static void flush(shoal_hasher *h) {
  if (h->n_pending)
    blake3_hasher_update(&h->state, h->pending, h->n_pending);
  h->n_pending = 0;
}

static void put(shoal_hasher *h, const void *bytes, size_t n) {
  if (n > sizeof h->pending - h->n_pending)
    flush(h);
  if (n >= SHOAL_HASH_WIDE) {
    shoal_hash_wide(&h->state, bytes, n);
  } else if (n > sizeof h->pending) {
    blake3_hasher_update(&h->state, bytes, n);
  } else if (n) {
    memcpy(h->pending + h->n_pending, bytes, n);
    h->n_pending += n;
  }
}

static void put_u64(shoal_hasher *h, char tag, uint64_t v) {
  uint8_t b[9] = {(uint8_t)tag};
  for (int i = 0; i < 8; i++)
    b[i + 1] = (uint8_t)(v >> (8 * i));
  put(h, b, sizeof b);
}

void shoal_hasher_init(shoal_hasher *h, const char *domain) {
  blake3_hasher_init(&h->state);
  h->n_pending = 0;
  shoal_hasher_z(h, domain);
}
void shoal_hasher_str(shoal_hasher *h, shoal_str s) {
  put_u64(h, s.ptr ? 's' : 'n', s.len);
  put(h, s.ptr, s.len);
}
void shoal_hasher_parts(shoal_hasher *h, uint64_t len) { put_u64(h, 's', len); }
void shoal_hasher_part(shoal_hasher *h, shoal_str part) { put(h, part.ptr, part.len); }
void shoal_hasher_z(shoal_hasher *h, const char *z) { shoal_hasher_str(h, shoal_str_z(z)); }
void shoal_hasher_u64(shoal_hasher *h, uint64_t v) { put_u64(h, 'u', v); }
void shoal_hasher_list(shoal_hasher *h, uint64_t count) { put_u64(h, 'l', count); }
void shoal_hasher_hash(shoal_hasher *h, const shoal_hash *v) {
  put_u64(h, 'h', SHOAL_HASH_BYTES);
  put(h, v->b, SHOAL_HASH_BYTES);
}
shoal_hash shoal_hasher_end(shoal_hasher *h) {
  shoal_hash out;
  flush(h);
  blake3_hasher_finalize(&h->state, out.b, SHOAL_HASH_BYTES);
  return out;
}

shoal_hash shoal_hash_bytes(shoal_str s) {
  shoal_hasher h;
  blake3_hasher_init(&h.state);
  h.n_pending = 0;
  put(&h, s.ptr, s.len);
  return shoal_hasher_end(&h);
}

#define CHUNK ((size_t)1 << 18)

shoal_status shoal_hash_file(const char *path, shoal_hash *out, shoal_error *err) {
  shoal_status status = SHOAL_OK;
  shoal_hasher h;
  char *chunk = NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return shoal_fail_errno(err, errno, "cannot open %s", path);
  chunk = shoal_malloc(CHUNK);
  if (!chunk) {
    status = shoal_fail_nomem(err);
    goto out;
  }
  blake3_hasher_init(&h.state);
  h.n_pending = 0;
  for (;;) {
    ssize_t n = read(fd, chunk, CHUNK);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      status = shoal_fail_errno(err, errno, "cannot read %s", path);
      goto out;
    }
    if (n == 0)
      break;
    blake3_hasher_update(&h.state, chunk, (size_t)n);
  }
  *out = shoal_hasher_end(&h);
out:
  shoal_free(chunk);
  close(fd);
  return status;
}

bool shoal_hash_eq(const shoal_hash *a, const shoal_hash *b) { return memcmp(a->b, b->b, SHOAL_HASH_BYTES) == 0; }
bool shoal_hash_zero(const shoal_hash *a) {
  static const shoal_hash zero;
  return shoal_hash_eq(a, &zero);
}
void shoal_hash_hex(const shoal_hash *h, char out[SHOAL_HASH_HEX + 1]) {
  static const char digits[] = "0123456789abcdef";
  for (int i = 0; i < SHOAL_HASH_BYTES; i++) {
    out[2 * i] = digits[h->b[i] >> 4];
    out[2 * i + 1] = digits[h->b[i] & 15];
  }
  out[SHOAL_HASH_HEX] = '\0';
}
/* 16: none. Without a branch, since which digits come is random. */
static unsigned digit(char c) {
  unsigned d = (unsigned char)c - (unsigned)'0', l = (unsigned char)c - (unsigned)'a';
  return (d < 10) * d + (l < 6) * (l + 10) + (d >= 10 && l >= 6) * 16u;
}
bool shoal_hash_unhex(shoal_str hex, shoal_hash *out) {
  unsigned all = 0;
  if (hex.len != SHOAL_HASH_HEX)
    return false;
  for (size_t i = 0; i < SHOAL_HASH_BYTES; i++) {
    unsigned a = digit(hex.ptr[2 * i]), b = digit(hex.ptr[2 * i + 1]);
    out->b[i] = (uint8_t)(a << 4 | b);
    all |= a | b;
  }
  return all < 16;
}
