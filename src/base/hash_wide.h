/* SPDX-License-Identifier: Apache-2.0 */
/* BLAKE3 of many bytes by several threads: its tree is cut into subtrees, which need nothing of each other. */
#ifndef SHOAL_BASE_HASH_WIDE_H
#define SHOAL_BASE_HASH_WIDE_H

#include <blake3.h>
#include <stddef.h>
#include <stdint.h>

#define SHOAL_HASH_WIDE ((size_t)4 << 20) /* bytes from which threads are worth their start */

/* What blake3_hasher_update does, sooner. Without memory or threads to be had the caller's thread does it all. */
void shoal_hash_wide(blake3_hasher *h, const uint8_t *bytes, size_t n);

#endif
