/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content hash of a table: the same whatever the order of rows, the chunking, the threads and the files' layout;
 * another one when a value changes, a row is doubled, or values move between rows. Two results with equal hashes hold
 * the same multiset of rows, so what was built on one holds for the other (early cutoff).
 *
 * Definition, for a second implementation. All integers are little-endian.
 *
 *   rows_hash = BLAKE3 of the items "shoal/1/rows", schema, u64 row count, str sum, as base/hash.h encodes items
 *   schema    = list of columns, then for each: str name, type. Nullability and metadata do not count
 *   type      = str word ("boolean", "byte", "short", "integer", "long", "float", "double", "decimal", "string",
 *               "binary", "date", "timestamp", "timestamp_ntz", "struct", "array", "map"), then of a decimal u64
 *               precision, u64 scale; of a struct list of fields, then for each: str name, type; of an array the
 *               element's type; of a map the key's and the value's type
 *   sum       = Σ XXH3_128(row) mod 2^256, seed 0; as 32 bytes
 *   row       = cell of each column, in order
 *   cell      = 0x00 and W zero bytes for NULL, otherwise 0x01 and the value in W bytes:
 *     boolean 1 (0 or 1) · byte 1 · short 2 · integer 4 · long 8 · date 4 (days since 1970-01-01)
 *     timestamp, timestamp_ntz 8 (microseconds since 1970-01-01)
 *     float 4, double 8: IEEE 754; -0.0 is 0.0, every NaN is 0x7fc00000 or 0x7ff8000000000000
 *     decimal 16: the unscaled value in two's complement
 *     string, binary 16: XXH3_128 of the bytes, low word first
 *     struct 16: XXH3_128 of its fields' cells, in order
 *     array 16: XXH3_128 of its length (8 bytes) and its elements' cells
 *     map 16: XXH3_128 of its length (8 bytes) and the cells key, value of each entry, in stored order
 *
 * XXH3 is no cryptographic hash: nobody gains by colliding with his own table, and the engine's bytes are also
 * covered by BLAKE3 (`bytes_hash`).
 */
#ifndef SHOAL_ENGINE_ROWS_HASH_H
#define SHOAL_ENGINE_ROWS_HASH_H

#include "base/hash.h"
#include "base/limits.h"
#include "base/thread.h"
#include "engine/schema.h"

/* The sum over some rows; sums of parts add up. The zero value is no rows. */
typedef struct shoal_rows_sum {
  uint64_t words[4]; /* least significant first */
  uint64_t rows;
} shoal_rows_sum;

/* A column of a batch in the memory layout that columnar engines share. Nested values are flattened by children. */
typedef struct shoal_rows_column shoal_rows_column;
struct shoal_rows_column {
  const shoal_type *type;
  const uint64_t *validity; /* bit i%64 of word i/64: row i is not NULL; NULL: all */
  /* fixed-width values; decimals in `width` bytes; booleans one byte each. For strings see `text`. */
  const void *data;
  size_t width;                                                          /* of a decimal's storage: 2, 4, 8, 16 */
  shoal_str (*text)(const void *data, size_t row);                       /* strings and binaries */
  void (*range)(const void *data, size_t row, size_t *first, size_t *n); /* arrays and maps: entries of the children */
  shoal_rows_column *children; /* struct: fields; array: element; map: key, value */
  size_t n_children;
};

/* Memory kept between calls, one for each thread: the matrix of cells at each depth of nesting. */
typedef struct shoal_rows_scratch {
  shoal_buf levels[SHOAL_MAX_TYPE_DEPTH + 2];
} shoal_rows_scratch;
void shoal_rows_scratch_dispose(shoal_rows_scratch *scratch);

/* Adds n rows of a batch. SHOAL_EUNSUPPORTED for variants, SHOAL_ELIMIT for deeper nesting. */
SHOAL_MUST_USE shoal_status shoal_rows_sum_add(shoal_rows_sum *sum, const shoal_rows_column *columns, size_t n_columns,
                                               size_t n, shoal_rows_scratch *scratch, shoal_error *err);
void shoal_rows_sum_merge(shoal_rows_sum *sum, const shoal_rows_sum *part);
shoal_hash shoal_rows_hash(const shoal_schema *schema, const shoal_rows_sum *sum);

/* What an engine's threads pour into while they write. */
typedef struct shoal_rows_tap {
  shoal_mutex mutex;
  const shoal_schema *schema; /* of the running job; NULL: closed */
  shoal_rows_sum sum;
} shoal_rows_tap;

#endif
