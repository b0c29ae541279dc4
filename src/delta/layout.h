/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a table's properties say of the form of new files (protocol, "Table Properties"; the size is of other writers'
 * making). What is there already is read whatever its form.
 */
#ifndef SHOAL_DELTA_LAYOUT_H
#define SHOAL_DELTA_LAYOUT_H

#include "delta/delta_internal.h"

#define SHOAL_DELTA_CODEC_KEY "delta.parquet.compression.codec"
#define SHOAL_DELTA_FORMAT_KEY "delta.parquet.format.version"
#define SHOAL_DELTA_SIZE_KEY "delta.targetFileSize"

typedef struct shoal_delta_layout {     /* zero: no table says anything */
  const shoal_delta_metadata *metadata; /* of which columns there are statistics */
  shoal_parquet_codec codec;
  uint64_t file_bytes; /* aim of a file's size; 0: the engine's */
} shoal_delta_layout;

/* Of a table with this metadata, which must last as long. SHOAL_EUNSUPPORTED: it wants files in a form that is not
   written here. A size that can't be understood is none: it is an aim. */
SHOAL_MUST_USE shoal_status shoal_delta_layout_of(const shoal_delta_metadata *m, shoal_delta_layout *out,
                                                  shoal_error *err);
/* Of its checkpoints, which come after commits and must not fail for that: zstd, where the table's is not written. */
shoal_parquet_codec shoal_delta_checkpoint_codec(const shoal_delta_metadata *m);

/* A value of the properties. SHOAL_EUNSUPPORTED: a codec that is not written; data pages of version 2, unless `theirs`:
   the table exists and says so. SHOAL_EINVAL: no version. */
SHOAL_MUST_USE shoal_status shoal_delta_codec(shoal_str value, shoal_parquet_codec *out, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_delta_format(shoal_str value, bool theirs, shoal_error *err);
/* "1048576", "128mb", "1 gb" (of 1,024): 1 to 2^50 bytes. */
bool shoal_delta_size(shoal_str value, uint64_t *bytes);

#endif
