/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a table is what its log says, and whether the log agrees with itself. */
#ifndef SHOAL_DELTA_VERIFY_H
#define SHOAL_DELTA_VERIFY_H

#include "delta/delta.h"

/* What a file holds, against what the log says of it. */
typedef struct shoal_delta_contradiction {
  shoal_str file;   /* as the log spells it */
  shoal_str column; /* "a", "s.x"; {NULL,0}: the file as a whole */
  shoal_str what;
} shoal_delta_contradiction;
#define SHOAL_DELTA_MOST_TOLD 1000 /* contradictions; of a broken table there may be millions */

typedef struct shoal_delta_verified {
  int64_t version;
  size_t n_files, n_broken; /* broken: missing, of another size, or with a deletion vector that can't be read */
  uint64_t bytes;
  shoal_str first_broken;          /* {NULL,0}: none */
  shoal_str log;                   /* where the log contradicts itself, {NULL,0}: nowhere */
  shoal_delta_contradiction *told; /* of rows: the first ones */
  size_t n_told, n_found;
} shoal_delta_verified;

/* Looks at the latest version's files, and through the log: that no commit is missing where older ones are there, that
   the newest checkpoint holds what the commits before it say, as far as they are there, and that the newest checksum
   file (N.crc) agrees. With `content` the files that are there are read through: how many rows they have, that NULLs,
   least and greatest values are as their statistics say (protocol, "Per-file Statistics"), as far as these are rounded,
   cut or loose, that no deletion vector names rows beyond a file's end, that columns are of types that can be read as
   the table's, and that NOT NULL holds. What is found is no error. Texts are in the arena. SHOAL_EUNSUPPORTED: a type
   that is not read. */
SHOAL_MUST_USE shoal_status shoal_delta_verify(const shoal_delta_table *table, bool content, shoal_arena *arena,
                                               shoal_delta_verified *out, shoal_error *err);

/* verify_content.c */
/* Of these files of the snapshot. */
SHOAL_MUST_USE shoal_status shoal_delta_verify_content(const shoal_delta_table *table, const shoal_delta_snapshot *s,
                                                       const shoal_delta_file *const *files, size_t n,
                                                       shoal_arena *arena, shoal_delta_verified *out, shoal_error *err);

#endif
