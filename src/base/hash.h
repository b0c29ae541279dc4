/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BLAKE3-256 with an unambiguous encoding. A hasher starts with a domain tag; every item that follows carries its
 * type and length, so no two different sequences of items have the same bytes. Never XOR hashes.
 */
#ifndef SHOAL_BASE_HASH_H
#define SHOAL_BASE_HASH_H

#include <blake3.h>
#include <stdbool.h>
#include <stdint.h>

#include "shoal/error.h"
#include "shoal/str.h"

#define SHOAL_HASH_BYTES 32
#define SHOAL_HASH_HEX 64
typedef struct shoal_hash {
  uint8_t b[SHOAL_HASH_BYTES];
} shoal_hash;

/* Small items are gathered, since BLAKE3 is quick with several chunks at once. */
typedef struct shoal_hasher {
  blake3_hasher state;
  size_t n_pending;
  uint8_t pending[4 * BLAKE3_CHUNK_LEN];
} shoal_hasher;

/* A large text is hashed by several threads, and only read meanwhile. Starts: domain is e.g. "shoal/1/signature". */
void shoal_hasher_init(shoal_hasher *h, const char *domain);
void shoal_hasher_str(shoal_hasher *h, shoal_str s);
/* A text in parts: its length, then parts that are as long together. */
void shoal_hasher_parts(shoal_hasher *h, uint64_t len);
void shoal_hasher_part(shoal_hasher *h, shoal_str part);
void shoal_hasher_z(shoal_hasher *h, const char *z);
void shoal_hasher_u64(shoal_hasher *h, uint64_t v);
void shoal_hasher_hash(shoal_hasher *h, const shoal_hash *v);
void shoal_hasher_list(shoal_hasher *h, uint64_t count); /* announces `count` items that follow */
shoal_hash shoal_hasher_end(shoal_hasher *h);

/* Plain BLAKE3-256 of bytes, without a domain: the `bytes_hash` of files. */
shoal_hash shoal_hash_bytes(shoal_str s);
/* Of a file's content; reads it through. */
SHOAL_MUST_USE shoal_status shoal_hash_file(const char *path, shoal_hash *out, shoal_error *err);

bool shoal_hash_eq(const shoal_hash *a, const shoal_hash *b);
bool shoal_hash_zero(const shoal_hash *a);
void shoal_hash_hex(const shoal_hash *h, char out[SHOAL_HASH_HEX + 1]);
bool shoal_hash_unhex(shoal_str hex, shoal_hash *out); /* false if it is not 64 hex digits */

#endif
