/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variants as JSON text, and the other way round. A variant is two binaries, the names of its fields and its value
 * (Apache Parquet, VariantEncoding.md); a Parquet file may have parts of the value as columns of their own
 * (VariantShredding.md). The text is what Spark's to_json has for it: fields in the order of their names, floats as
 * Java writes them, times in UTC.
 *
 * The bytes are a stranger's: whatever they are, nothing is read beyond them, the work is bounded by their number, and
 * what does not fit together is SHOAL_ECORRUPT.
 */
#ifndef SHOAL_BASE_VARIANT_H
#define SHOAL_BASE_VARIANT_H

#include <stdbool.h>

#include "base/buf.h"

typedef struct shoal_variant {
  shoal_str metadata, value;
  /* The value is what a Parquet file has in the place of a variant, itself as a variant: an object of the binaries
     `metadata` and `value` and, where it is shredded, of `typed_value`. */
  bool parts;
} shoal_variant;

/* Appends the text. *null, and nothing is appended: there is no value, or it is null, which SQL can't tell apart;
   within arrays and objects nulls are written. */
SHOAL_MUST_USE shoal_status shoal_variant_json(const shoal_variant *v, shoal_buf *out, bool *null, shoal_error *err);

/* Appends the two binaries of the same value: byte by byte those that there are, of one in parts what they are put
   together to. *null, and nothing is appended: there is no value; one that is null is a value here. */
SHOAL_MUST_USE shoal_status shoal_variant_binaries(const shoal_variant *v, shoal_buf *metadata, shoal_buf *value,
                                                   bool *null, shoal_error *err);
/* Appends the two binaries of what a JSON text says, with the types that Spark's parse_json gives it: whole numbers of
   64 bits in the fewest bytes, of others decimals of up to 38 digits, doubles for the rest and for all with an
   exponent. SHOAL_EINVAL: it is no JSON, or an object has two fields of a name. SHOAL_ELIMIT: it is deeper than
   SHOAL_MAX_VARIANT_DEPTH, or makes more than SHOAL_MAX_VARIANT_BYTES. */
SHOAL_MUST_USE shoal_status shoal_variant_parse(shoal_str json, shoal_buf *metadata, shoal_buf *value,
                                                shoal_error *err);

#endif
