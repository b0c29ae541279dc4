/* SPDX-License-Identifier: Apache-2.0 */
/* A claim's key and bytes, for those who put one. Private to src/lake. */
#ifndef SHOAL_LAKE_CLAIM_H
#define SHOAL_LAKE_CLAIM_H

#include "lake/lake.h"

/* NULL when out of memory. */
char *shoal_claim_key(shoal_arena *arena, const shoal_hash *signature, uint32_t generation);
SHOAL_MUST_USE shoal_status shoal_claim_write(const shoal_result *r, shoal_buf *out, shoal_error *err);

#endif
