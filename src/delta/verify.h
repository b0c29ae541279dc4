/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a table is what its log says, and whether the log agrees with itself. */
#ifndef SHOAL_DELTA_VERIFY_H
#define SHOAL_DELTA_VERIFY_H

#include "delta/delta.h"

typedef struct shoal_delta_verified {
  int64_t version;
  size_t n_files, n_broken; /* broken: missing, of another size, or with a deletion vector that can't be read */
  uint64_t bytes;
  shoal_str first_broken; /* {NULL,0}: none */
  shoal_str log;          /* where the log contradicts itself, {NULL,0}: nowhere */
} shoal_delta_verified;

/* Looks at the latest version's files, and through the log: that no commit is missing where older ones are there, that
   the newest checkpoint holds what the commits before it say, as far as they are there, and that the newest checksum
   file (N.crc) agrees. What is found is no error. Texts are in the arena. */
SHOAL_MUST_USE shoal_status shoal_delta_verify(const shoal_delta_table *table, shoal_arena *arena,
                                               shoal_delta_verified *out, shoal_error *err);

#endif
