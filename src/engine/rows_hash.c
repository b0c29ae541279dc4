/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content hash of a table as defined in rows_hash.h. Cells have a fixed width by type, so a batch becomes a matrix
 * that is filled column by column in tight loops, block by block to stay in the cache, and then hashed row by row.
 */
#include "engine/rows_hash.h"

#include <math.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are copied as they lie in memory");

#define BLOCK 512 /* rows: 512 rows of 70 bytes fit the first-level cache */
#define HASHED 16 /* bytes of an XXH3_128 */

void shoal_rows_scratch_dispose(shoal_rows_scratch *scratch) {
  for (size_t i = 0; i < sizeof scratch->levels / sizeof *scratch->levels; i++)
    shoal_buf_dispose(&scratch->levels[i]);
}

/* Of a value, without the tag; 0 for a type that has no cell. */
static size_t value_width(shoal_type_kind kind) {
  switch (kind) {
  case SHOAL_TYPE_BOOLEAN:
  case SHOAL_TYPE_BYTE:
    return 1;
  case SHOAL_TYPE_SHORT:
    return 2;
  case SHOAL_TYPE_INTEGER:
  case SHOAL_TYPE_FLOAT:
  case SHOAL_TYPE_DATE:
    return 4;
  case SHOAL_TYPE_LONG:
  case SHOAL_TYPE_DOUBLE:
  case SHOAL_TYPE_TIMESTAMP:
  case SHOAL_TYPE_TIMESTAMP_NTZ:
    return 8;
  case SHOAL_TYPE_DECIMAL:
    return 16;
  case SHOAL_TYPE_STRING:
  case SHOAL_TYPE_BINARY:
  case SHOAL_TYPE_STRUCT:
  case SHOAL_TYPE_ARRAY:
  case SHOAL_TYPE_MAP:
    return HASHED;
  case SHOAL_TYPE_VARIANT:
  case SHOAL_TYPE_VOID:
    break;
  }
  return 0;
}

static size_t row_width(const shoal_rows_column *columns, size_t n) {
  size_t width = 0;
  for (size_t i = 0; i < n; i++)
    width += 1 + value_width(columns[i].type->kind);
  return width;
}

/* Where cells go: row i of the batch's rows first … first+n is written at out + i * stride. */
typedef struct cells {
  uint8_t *out;
  size_t stride, first, n;
} cells;

static inline bool valid(const shoal_rows_column *c, size_t row) {
  return !c->validity || (c->validity[row / 64] >> (row % 64) & 1);
}

static inline void put(uint8_t *cell, const void *value, size_t width) {
  cell[0] = 1;
  memcpy(cell + 1, value, width);
}

/* Inlined with a constant width, so that each becomes a loop of plain moves. */
static inline void put_fixed(const shoal_rows_column *c, cells to, size_t width) {
  const uint8_t *data = (const uint8_t *)c->data + to.first * width;
  if (!c->validity) {
    for (size_t i = 0; i < to.n; i++, data += width, to.out += to.stride)
      put(to.out, data, width);
    return;
  }
  for (size_t i = 0; i < to.n; i++, data += width, to.out += to.stride) {
    if (valid(c, to.first + i))
      put(to.out, data, width);
    else
      memset(to.out, 0, width + 1);
  }
}

static void put_booleans(const shoal_rows_column *c, cells to) {
  const uint8_t *data = (const uint8_t *)c->data + to.first;
  for (size_t i = 0; i < to.n; i++, to.out += to.stride) {
    to.out[0] = valid(c, to.first + i);
    to.out[1] = to.out[0] && data[i] ? 1 : 0;
  }
}

static void put_floats(const shoal_rows_column *c, cells to) {
  const float *data = (const float *)c->data + to.first;
  for (size_t i = 0; i < to.n; i++, to.out += to.stride) {
    uint32_t nan = 0x7fc00000;
    float v = valid(c, to.first + i) ? data[i] + 0.0f : 0; /* -0.0 + 0.0 is 0.0 */
    if (!valid(c, to.first + i))
      memset(to.out, 0, sizeof v + 1);
    else if (isnan(v))
      put(to.out, &nan, sizeof nan);
    else
      put(to.out, &v, sizeof v);
  }
}

static void put_doubles(const shoal_rows_column *c, cells to) {
  const double *data = (const double *)c->data + to.first;
  for (size_t i = 0; i < to.n; i++, to.out += to.stride) {
    uint64_t nan = 0x7ff8000000000000;
    double v = valid(c, to.first + i) ? data[i] + 0.0 : 0;
    if (!valid(c, to.first + i))
      memset(to.out, 0, sizeof v + 1);
    else if (isnan(v))
      put(to.out, &nan, sizeof nan);
    else
      put(to.out, &v, sizeof v);
  }
}

static int64_t small_decimal(const void *p, size_t width) {
  int16_t v2;
  int32_t v4;
  int64_t v8;
  switch (width) {
  case sizeof v2:
    memcpy(&v2, p, sizeof v2);
    return v2;
  case sizeof v4:
    memcpy(&v4, p, sizeof v4);
    return v4;
  default:
    memcpy(&v8, p, sizeof v8);
    return v8;
  }
}

static void put_decimals(const shoal_rows_column *c, cells to) {
  const uint8_t *data = (const uint8_t *)c->data + to.first * c->width;
  for (size_t i = 0; i < to.n; i++, data += c->width, to.out += to.stride) {
    uint64_t words[2] = {0};
    if (!valid(c, to.first + i)) {
      memset(to.out, 0, sizeof words + 1);
      continue;
    }
    if (c->width == sizeof words) {
      memcpy(words, data, sizeof words);
    } else {
      int64_t v = small_decimal(data, c->width);
      words[0] = (uint64_t)v;
      words[1] = v < 0 ? UINT64_MAX : 0;
    }
    put(to.out, words, sizeof words);
  }
}

static inline void put_hash(uint8_t *cell, const void *bytes, size_t n) {
  XXH128_hash_t h = XXH3_128bits(bytes, n);
  uint64_t words[2] = {h.low64, h.high64};
  put(cell, words, sizeof words);
}

static void put_texts(const shoal_rows_column *c, cells to) {
  for (size_t i = 0; i < to.n; i++, to.out += to.stride) {
    if (!valid(c, to.first + i)) {
      memset(to.out, 0, HASHED + 1);
      continue;
    }
    shoal_str s = c->text(c->data, to.first + i);
    put_hash(to.out, s.ptr, s.len);
  }
}

static shoal_status put_columns(const shoal_rows_column *columns, size_t n_columns, cells to, size_t depth,
                                shoal_rows_scratch *scratch, shoal_error *err);

/* Room for a matrix at this depth, after `head` bytes. */
static shoal_status room(shoal_rows_scratch *scratch, size_t depth, size_t size, uint8_t **out, shoal_error *err) {
  if (depth >= sizeof scratch->levels / sizeof *scratch->levels)
    return shoal_fail(err, SHOAL_ELIMIT, "a type nests deeper than %d", SHOAL_MAX_TYPE_DEPTH);
  shoal_buf_clear(&scratch->levels[depth]);
  *out = (uint8_t *)shoal_buf_reserve(&scratch->levels[depth], size ? size : 1);
  return *out ? SHOAL_OK : shoal_buf_check(&scratch->levels[depth], err);
}

static shoal_status put_structs(const shoal_rows_column *c, cells to, size_t depth, shoal_rows_scratch *scratch,
                                shoal_error *err) {
  uint8_t *matrix;
  size_t stride = row_width(c->children, c->n_children);
  SHOAL_TRY(room(scratch, depth, stride * to.n, &matrix, err));
  cells inner = {matrix, stride, to.first, to.n};
  SHOAL_TRY(put_columns(c->children, c->n_children, inner, depth + 1, scratch, err));
  for (size_t i = 0; i < to.n; i++, to.out += to.stride) {
    if (valid(c, to.first + i))
      put_hash(to.out, matrix + i * stride, stride);
    else
      memset(to.out, 0, HASHED + 1);
  }
  return SHOAL_OK;
}

static shoal_status put_lists(const shoal_rows_column *c, cells to, size_t depth, shoal_rows_scratch *scratch,
                              shoal_error *err) {
  size_t stride = row_width(c->children, c->n_children);
  for (size_t i = 0; i < to.n; i++, to.out += to.stride) {
    uint8_t *entries;
    size_t first, n;
    if (!valid(c, to.first + i)) {
      memset(to.out, 0, HASHED + 1);
      continue;
    }
    c->range(c->data, to.first + i, &first, &n);
    uint64_t length = n;
    SHOAL_TRY(room(scratch, depth, sizeof length + stride * n, &entries, err));
    memcpy(entries, &length, sizeof length);
    cells inner = {entries + sizeof length, stride, first, n};
    SHOAL_TRY(put_columns(c->children, c->n_children, inner, depth + 1, scratch, err));
    put_hash(to.out, entries, sizeof length + stride * n);
  }
  return SHOAL_OK;
}

static shoal_status put_column(const shoal_rows_column *c, cells to, size_t depth, shoal_rows_scratch *scratch,
                               shoal_error *err) {
  switch (c->type->kind) {
  case SHOAL_TYPE_BOOLEAN:
    put_booleans(c, to);
    break;
  case SHOAL_TYPE_BYTE:
    put_fixed(c, to, 1);
    break;
  case SHOAL_TYPE_SHORT:
    put_fixed(c, to, 2);
    break;
  case SHOAL_TYPE_INTEGER:
  case SHOAL_TYPE_DATE:
    put_fixed(c, to, 4);
    break;
  case SHOAL_TYPE_LONG:
  case SHOAL_TYPE_TIMESTAMP:
  case SHOAL_TYPE_TIMESTAMP_NTZ:
    put_fixed(c, to, 8);
    break;
  case SHOAL_TYPE_FLOAT:
    put_floats(c, to);
    break;
  case SHOAL_TYPE_DOUBLE:
    put_doubles(c, to);
    break;
  case SHOAL_TYPE_DECIMAL:
    put_decimals(c, to);
    break;
  case SHOAL_TYPE_STRING:
  case SHOAL_TYPE_BINARY:
    put_texts(c, to);
    break;
  case SHOAL_TYPE_STRUCT:
    return put_structs(c, to, depth, scratch, err);
  case SHOAL_TYPE_ARRAY:
  case SHOAL_TYPE_MAP:
    return put_lists(c, to, depth, scratch, err);
  case SHOAL_TYPE_VARIANT:
  case SHOAL_TYPE_VOID:
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "a column of this type has no content hash");
  }
  return SHOAL_OK;
}

static shoal_status put_columns(const shoal_rows_column *columns, size_t n_columns, cells to, size_t depth,
                                shoal_rows_scratch *scratch, shoal_error *err) {
  for (size_t i = 0; i < n_columns; i++) {
    SHOAL_TRY(put_column(&columns[i], to, depth, scratch, err));
    to.out += 1 + value_width(columns[i].type->kind);
  }
  return SHOAL_OK;
}

static inline void add(uint64_t words[4], size_t at, uint64_t v) {
  for (; at < 4 && v; at++)
    v = __builtin_add_overflow(words[at], v, &words[at]);
}

__extension__ typedef unsigned __int128 uint128;

/* The hashes of n rows of the matrix, added to the sum: of so few the carries fit one word. */
static void add_rows(shoal_rows_sum *sum, const uint8_t *matrix, size_t stride, size_t n) {
  uint128 low = 0;
  uint64_t carries = 0;
  for (size_t i = 0; i < n; i++) {
    XXH128_hash_t h = XXH3_128bits(matrix + i * stride, stride);
    uint128 v = (uint128)h.high64 << 64 | h.low64;
    carries += __builtin_add_overflow(low, v, &low);
  }
  add(sum->words, 0, (uint64_t)low);
  add(sum->words, 1, (uint64_t)(low >> 64));
  add(sum->words, 2, carries);
}

shoal_status shoal_rows_sum_add(shoal_rows_sum *sum, const shoal_rows_column *columns, size_t n_columns, size_t n,
                                shoal_rows_scratch *scratch, shoal_error *err) {
  uint8_t *matrix;
  size_t stride = row_width(columns, n_columns);
  SHOAL_TRY(room(scratch, 0, stride * BLOCK, &matrix, err));
  for (size_t first = 0; first < n; first += BLOCK) {
    cells to = {matrix, stride, first, n - first < BLOCK ? n - first : BLOCK};
    SHOAL_TRY(put_columns(columns, n_columns, to, 1, scratch, err));
    add_rows(sum, matrix, stride, to.n);
  }
  sum->rows += n;
  return SHOAL_OK;
}

void shoal_rows_sum_merge(shoal_rows_sum *sum, const shoal_rows_sum *part) {
  for (size_t i = 0; i < 4; i++)
    add(sum->words, i, part->words[i]);
  sum->rows += part->rows;
}

static const char *type_word(shoal_type_kind kind) {
  switch (kind) {
  case SHOAL_TYPE_BOOLEAN:
    return "boolean";
  case SHOAL_TYPE_BYTE:
    return "byte";
  case SHOAL_TYPE_SHORT:
    return "short";
  case SHOAL_TYPE_INTEGER:
    return "integer";
  case SHOAL_TYPE_LONG:
    return "long";
  case SHOAL_TYPE_FLOAT:
    return "float";
  case SHOAL_TYPE_DOUBLE:
    return "double";
  case SHOAL_TYPE_DECIMAL:
    return "decimal";
  case SHOAL_TYPE_STRING:
    return "string";
  case SHOAL_TYPE_BINARY:
    return "binary";
  case SHOAL_TYPE_DATE:
    return "date";
  case SHOAL_TYPE_TIMESTAMP:
    return "timestamp";
  case SHOAL_TYPE_TIMESTAMP_NTZ:
    return "timestamp_ntz";
  case SHOAL_TYPE_STRUCT:
    return "struct";
  case SHOAL_TYPE_ARRAY:
    return "array";
  case SHOAL_TYPE_MAP:
    return "map";
  case SHOAL_TYPE_VARIANT:
    return "variant";
  case SHOAL_TYPE_VOID:
    return "void";
  }
  return "";
}

static void hash_type(shoal_hasher *h, const shoal_type *type) {
  shoal_hasher_z(h, type_word(type->kind));
  if (type->kind == SHOAL_TYPE_DECIMAL) {
    shoal_hasher_u64(h, type->precision);
    shoal_hasher_u64(h, type->scale);
  }
  if (type->kind == SHOAL_TYPE_STRUCT)
    shoal_hasher_list(h, type->n_fields);
  for (size_t i = 0; i < type->n_fields; i++) {
    if (type->kind == SHOAL_TYPE_STRUCT)
      shoal_hasher_str(h, type->fields[i].name);
    hash_type(h, &type->fields[i].type);
  }
}

shoal_hash shoal_rows_hash(const shoal_schema *schema, const shoal_rows_sum *sum) {
  shoal_hasher h;
  shoal_hasher_init(&h, "shoal/1/rows");
  shoal_hasher_list(&h, schema->n_fields);
  for (size_t i = 0; i < schema->n_fields; i++) {
    shoal_hasher_str(&h, schema->fields[i].name);
    hash_type(&h, &schema->fields[i].type);
  }
  shoal_hasher_u64(&h, sum->rows);
  shoal_hasher_str(&h, (shoal_str){(const char *)sum->words, sizeof sum->words});
  return shoal_hasher_end(&h);
}
