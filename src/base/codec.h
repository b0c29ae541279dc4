/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compact binary encoding for local caches: fixed little-endian numbers and length-prefixed bytes. Writers append to
 * a buffer; readers are bounds-checked with a sticky failure, so that a broken cache is noticed and thrown away.
 */
#ifndef SHOAL_BASE_CODEC_H
#define SHOAL_BASE_CODEC_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"

void shoal_put_u8(shoal_buf *b, uint8_t v);
void shoal_put_u32(shoal_buf *b, uint32_t v);
void shoal_put_u64(shoal_buf *b, uint64_t v);
void shoal_put_str(shoal_buf *b, shoal_str s); /* {NULL,0} is kept apart from "" */
void shoal_put_hash(shoal_buf *b, const shoal_hash *h);

typedef struct shoal_decoder {
  shoal_str rest;
  bool failed; /* what was asked for was not there; every later value is zero */
} shoal_decoder;
uint8_t shoal_take_u8(shoal_decoder *d);
uint32_t shoal_take_u32(shoal_decoder *d);
uint64_t shoal_take_u64(shoal_decoder *d);
shoal_str shoal_take_str(shoal_decoder *d); /* a view into what is decoded */
shoal_hash shoal_take_hash(shoal_decoder *d);
/* A count of items that take at least `least` bytes each: fails when so many can't follow. */
uint32_t shoal_take_count(shoal_decoder *d, size_t least);

#endif
