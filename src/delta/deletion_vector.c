/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletion vectors (deletion_vector.h). The bitmap is CRoaring's, which reads the portable 64-bit format; what it
 * read from a file of unknown origin is validated before anything else is asked of it.
 */
#include "delta/deletion_vector.h"

#include <roaring.h>
#include <string.h>
#include <zlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"

#define MAGIC 1681511377u      /* "RoaringBitmapArray", portable format; little endian */
#define FRAME 4u               /* the size before and the checksum behind a vector in a file; big endian */
#define MAX_BYTES (256u << 20) /* a file of 2^31 rows, every other one deleted */
#define UUID_CHARACTERS 20     /* of Z85 */
#define FILE_VERSION_BYTES 1

struct shoal_delta_vector {
  roaring64_bitmap_t *rows;
  uint64_t count;
};

static uint32_t little_endian(const char *p) {
  const unsigned char *u = (const unsigned char *)p;
  return (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static uint32_t big_endian(const char *p) {
  const unsigned char *u = (const unsigned char *)p;
  return (uint32_t)u[3] | (uint32_t)u[2] << 8 | (uint32_t)u[1] << 16 | (uint32_t)u[0] << 24;
}

/* --- Z85 --- */

static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

static int z85_digit(char c) {
  const char *at = c ? strchr(digits, c) : NULL;
  return at ? (int)(at - digits) : -1;
}

shoal_status shoal_z85_decode(shoal_str text, shoal_buf *out, shoal_error *err) {
  if (text.len % 5)
    return shoal_fail(err, SHOAL_ECORRUPT, "a deletion vector's text of %zu characters is no Z85", text.len);
  for (size_t i = 0; i < text.len; i += 5) {
    uint64_t value = 0;
    for (size_t k = i; k < i + 5; k++) {
      int digit = z85_digit(text.ptr[k]);
      if (digit < 0)
        return shoal_fail(err, SHOAL_ECORRUPT, "a deletion vector's text has a character that is not in Z85");
      value = value * 85 + (uint64_t)digit;
    }
    if (value > UINT32_MAX)
      return shoal_fail(err, SHOAL_ECORRUPT, "a deletion vector's text is no Z85: a group is too large");
    for (int shift = 24; shift >= 0; shift -= 8)
      shoal_buf_addc(out, (char)(value >> shift & 0xff));
  }
  return shoal_buf_check(out, err);
}

void shoal_z85_encode(shoal_str bytes, shoal_buf *out) {
  for (size_t i = 0; i + 4 <= bytes.len; i += 4) {
    uint32_t value = big_endian(bytes.ptr + i);
    for (uint32_t power = 85u * 85 * 85 * 85; power; power /= 85)
      shoal_buf_addc(out, digits[value / power % 85]);
  }
}

/* --- the descriptor --- */

static shoal_status read_descriptor(yyjson_val *v, shoal_arena *arena, shoal_delta_vector_descriptor *out,
                                    shoal_error *err) {
  const char *name = "deletionVector";
  shoal_str storage;
  int64_t size, cardinality;
  SHOAL_TRY(shoal_json_need_str(v, "storageType", name, arena, &storage, err));
  SHOAL_TRY(shoal_json_need_str(v, "pathOrInlineDv", name, arena, &out->where, err));
  SHOAL_TRY(shoal_json_need_i64(v, "sizeInBytes", name, &size, err));
  SHOAL_TRY(shoal_json_need_i64(v, "cardinality", name, &cardinality, err));
  out->offset = shoal_json_i64(v, "offset", FILE_VERSION_BYTES);
  if (storage.len != 1 || !strchr("uip", storage.ptr[0]))
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "deletion vectors of storage type '%.*s' are not read",
                      SHOAL_FMT(storage));
  if (size < 0 || size > MAX_BYTES || cardinality < 0 || out->offset < 0 || out->offset > INT32_MAX)
    return shoal_fail(err, SHOAL_ECORRUPT, "deletionVector: a number is out of range");
  out->storage = storage.ptr[0];
  out->size = (uint64_t)size;
  out->cardinality = (uint64_t)cardinality;
  return SHOAL_OK;
}

shoal_status shoal_delta_vector_describe(shoal_str json, shoal_arena *arena, shoal_delta_vector_descriptor *out,
                                         shoal_error *err) {
  yyjson_doc *doc;
  *out = (shoal_delta_vector_descriptor){0};
  SHOAL_TRY(shoal_json_parse_raw(json, "deletionVector", &doc, err));
  shoal_status status = read_descriptor(yyjson_doc_get_root(doc), arena, out, err);
  yyjson_doc_free(doc);
  return status;
}

/* --- bytes --- */

/* "<prefix>/deletion_vector_<uuid>.bin" of "<prefix><20 characters>". */
static shoal_status uuid_path(shoal_str where, shoal_buf *out, shoal_error *err) {
  shoal_buf bytes = {0}, path = {0};
  if (where.len < UUID_CHARACTERS)
    return shoal_fail(err, SHOAL_ECORRUPT, "deletionVector: '%.*s' holds no UUID", SHOAL_FMT(where));
  size_t split = where.len - UUID_CHARACTERS;
  shoal_status status = shoal_z85_decode(shoal_str_sub(where, split, where.len), &bytes, err);
  if (status == SHOAL_OK && split)
    shoal_buf_addf(&path, "%.*s/", (int)split, where.ptr);
  shoal_buf_addz(&path, "deletion_vector_");
  for (size_t i = 0; status == SHOAL_OK && i < bytes.len; i++) {
    const char *dash = i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
    shoal_buf_addf(&path, "%s%02x", dash, (unsigned char)bytes.ptr[i]);
  }
  shoal_buf_addz(&path, ".bin");
  if (status == SHOAL_OK)
    status = shoal_buf_check(&path, err);
  if (status == SHOAL_OK)
    shoal_delta_path_encode(out, shoal_buf_str(&path));
  shoal_buf_dispose(&bytes);
  shoal_buf_dispose(&path);
  return status;
}

static shoal_status read_place(const shoal_delta_table *table, const shoal_delta_place *place, uint64_t offset,
                               uint64_t n, shoal_buf *out, shoal_error *err) {
  shoal_status status = place->key.ptr ? shoal_store_get_range(table->store, place->key, offset, n, out, err)
                                       : shoal_os_read_range(place->local, offset, n, out, err);
  if (status == SHOAL_ENOTFOUND) /* which must not be taken for a table that is not there */
    status = shoal_fail(err, SHOAL_ECORRUPT, "its file is missing");
  return status;
}

/* size, bitmap, checksum: the frame is taken off. */
static shoal_status read_framed(const shoal_delta_table *table, const shoal_delta_vector_descriptor *d, shoal_str path,
                                shoal_buf *out, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_delta_place place;
  shoal_buf frame = {0};
  shoal_status status = shoal_delta_path_resolve(table, path, &arena, &place, err);
  if (status == SHOAL_OK)
    status = read_place(table, &place, (uint64_t)d->offset, d->size + 2 * FRAME, &frame, err);
  if (status == SHOAL_OK && (frame.len != d->size + 2 * FRAME || big_endian(frame.ptr) != d->size))
    status = shoal_fail(err, SHOAL_ECORRUPT, "it has not the size that the log says");
  if (status == SHOAL_OK &&
      crc32(0, (const unsigned char *)frame.ptr + FRAME, (unsigned)d->size) != big_endian(frame.ptr + FRAME + d->size))
    status = shoal_fail(err, SHOAL_ECORRUPT, "its checksum is wrong");
  if (status == SHOAL_OK) {
    shoal_buf_add(out, shoal_str_n(frame.ptr + FRAME, d->size));
    status = shoal_buf_check(out, err);
  }
  if (status < 0)
    shoal_context(err, "the deletion vector %.*s", SHOAL_FMT(path));
  shoal_buf_dispose(&frame);
  shoal_arena_dispose(&arena);
  return status;
}

shoal_status shoal_delta_vector_path(const shoal_delta_vector_descriptor *d, shoal_buf *out, shoal_error *err) {
  if (d->storage == 'u')
    SHOAL_TRY(uuid_path(d->where, out, err));
  else if (d->storage == 'p')
    shoal_buf_add(out, d->where);
  return shoal_buf_check(out, err);
}

static shoal_status read_bytes(const shoal_delta_table *table, const shoal_delta_vector_descriptor *d, shoal_buf *out,
                               shoal_error *err) {
  shoal_buf path = {0};
  if (d->storage == 'i')
    return shoal_z85_decode(d->where, out, err);
  shoal_status status = shoal_delta_vector_path(d, &path, err);
  if (status == SHOAL_OK)
    status = read_framed(table, d, shoal_buf_str(&path), out, err);
  shoal_buf_dispose(&path);
  return status;
}

/* --- the bitmap --- */

static shoal_status decode(shoal_str bytes, const shoal_delta_vector_descriptor *d, shoal_delta_vector *v,
                           shoal_error *err) {
  const char *reason = NULL;
  if (bytes.len < d->size || d->size < sizeof(uint32_t)) /* Z85 pads to four bytes */
    return shoal_fail(err, SHOAL_ECORRUPT, "a deletion vector is shorter than the log says");
  if (little_endian(bytes.ptr) != MAGIC)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "a deletion vector is in a format (%u) that is not read",
                      little_endian(bytes.ptr));
  v->rows = roaring64_bitmap_portable_deserialize_safe(bytes.ptr + sizeof(uint32_t), d->size - sizeof(uint32_t));
  if (!v->rows || !roaring64_bitmap_internal_validate(v->rows, &reason))
    return shoal_fail(err, SHOAL_ECORRUPT, "a deletion vector's bitmap is broken%s%s", reason ? ": " : "",
                      reason ? reason : "");
  v->count = roaring64_bitmap_get_cardinality(v->rows);
  if (v->count != d->cardinality)
    return shoal_fail(err, SHOAL_ECORRUPT, "a deletion vector deletes %llu rows where the log says %llu",
                      (unsigned long long)v->count, (unsigned long long)d->cardinality);
  return SHOAL_OK;
}

shoal_status shoal_delta_vector_read(const shoal_delta_table *table, const shoal_delta_vector_descriptor *d,
                                     shoal_delta_vector **out, shoal_error *err) {
  shoal_buf bytes = {0};
  *out = NULL;
  shoal_delta_vector *v = shoal_calloc(1, sizeof *v);
  if (!v)
    return shoal_fail_nomem(err);
  shoal_status status = read_bytes(table, d, &bytes, err);
  if (status == SHOAL_OK)
    status = decode(shoal_buf_str(&bytes), d, v, err);
  shoal_buf_dispose(&bytes);
  if (status < 0)
    shoal_delta_vector_free(v);
  else
    *out = v;
  return status;
}

void shoal_delta_vector_free(shoal_delta_vector *v) {
  if (!v)
    return;
  if (v->rows)
    roaring64_bitmap_free(v->rows);
  shoal_free(v);
}

uint64_t shoal_delta_vector_count(const shoal_delta_vector *v) { return v->count; }
uint64_t shoal_delta_vector_end(const shoal_delta_vector *v) {
  return v->count ? roaring64_bitmap_maximum(v->rows) + 1 : 0;
}

/* Asked of every row that is read: four at a time, without a branch between them. */
static bool is_run(const int64_t *rows, size_t n) {
  uint64_t first = (uint64_t)rows[0], odd[4] = {0};
  size_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (size_t k = 0; k < 4; k++)
      odd[k] |= (uint64_t)rows[i + k] ^ (first + i + k);
  for (; i < n; i++)
    odd[0] |= (uint64_t)rows[i] ^ (first + i);
  return rows[0] >= 0 && !(odd[0] | odd[1] | odd[2] | odd[3]);
}

void shoal_delta_vector_keep(const shoal_delta_vector *v, const int64_t *rows, size_t n, bool *alive) {
  if (n == 0)
    return;
  roaring64_iterator_t *it = is_run(rows, n) ? roaring64_iterator_create(v->rows) : NULL;
  if (!it) {
    roaring64_bulk_context_t context = {0};
    for (size_t i = 0; i < n; i++)
      alive[i] = !roaring64_bitmap_contains_bulk(v->rows, &context, (uint64_t)rows[i]);
    return;
  }
  uint64_t first = (uint64_t)rows[0];
  memset(alive, 1, n);
  bool more = roaring64_iterator_move_equalorlarger(it, first);
  for (; more && roaring64_iterator_value(it) - first < n; more = roaring64_iterator_advance(it))
    alive[roaring64_iterator_value(it) - first] = false;
  roaring64_iterator_free(it);
}

/* --- writing --- */

#define FILE_BYTES (64u << 20) /* a file that has grown to this takes no further vector */

shoal_status shoal_delta_vector_new(shoal_delta_vector **out, shoal_error *err) {
  *out = shoal_calloc(1, sizeof **out);
  if (*out && !((*out)->rows = roaring64_bitmap_create())) {
    shoal_free(*out);
    *out = NULL;
  }
  return *out ? SHOAL_OK : shoal_fail_nomem(err);
}

bool shoal_delta_vector_add(shoal_delta_vector *v, uint64_t row) {
  bool added = roaring64_bitmap_add_checked(v->rows, row);
  v->count += added;
  return added;
}

void shoal_delta_vector_merge(shoal_delta_vector *v, const shoal_delta_vector *from) {
  roaring64_bitmap_or_inplace(v->rows, from->rows);
  v->count = roaring64_bitmap_get_cardinality(v->rows);
}

static void add_number(shoal_buf *out, uint32_t n, bool big) {
  for (int i = 0; i < 4; i++)
    shoal_buf_addc(out, (char)(n >> (big ? 24 - 8 * i : 8 * i) & 0xff));
}

/* size, magic number, bitmap, checksum; *size is that of magic number and bitmap. */
static shoal_status add_framed(const shoal_delta_vector *v, shoal_buf *out, uint32_t *size, shoal_error *err) {
  size_t bytes = roaring64_bitmap_portable_size_in_bytes(v->rows);
  if (bytes > MAX_BYTES - sizeof(uint32_t))
    return shoal_fail(err, SHOAL_ELIMIT, "a deletion vector of %zu bytes is too large", bytes);
  *size = (uint32_t)(bytes + sizeof(uint32_t));
  add_number(out, *size, true);
  size_t start = out->len;
  add_number(out, MAGIC, false);
  char *bitmap = shoal_malloc(bytes);
  if (!bitmap)
    return shoal_fail_nomem(err);
  shoal_buf_add(out, shoal_str_n(bitmap, roaring64_bitmap_portable_serialize(v->rows, bitmap)));
  shoal_free(bitmap);
  SHOAL_TRY(shoal_buf_check(out, err));
  add_number(out, (uint32_t)crc32(0, (const unsigned char *)out->ptr + start, *size), true);
  return shoal_buf_check(out, err);
}

static shoal_status describe(const shoal_delta_vector *v, shoal_str id, size_t offset, uint32_t size,
                             shoal_arena *arena, shoal_str *out, shoal_error *err) {
  shoal_buf text = {0};
  shoal_jw w = {.out = &text};
  shoal_jw_obj(&w);
  shoal_jw_kz(&w, "storageType", "u");
  shoal_jw_kstr(&w, "pathOrInlineDv", id);
  shoal_jw_ki64(&w, "offset", (int64_t)offset);
  shoal_jw_ki64(&w, "sizeInBytes", size);
  shoal_jw_ki64(&w, "cardinality", (int64_t)v->count);
  shoal_jw_end(&w);
  return shoal_buf_take(&text, arena, out, err);
}

static shoal_status put_file(const shoal_delta_table *table, shoal_str id, shoal_str bytes, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_buf path = {0};
  shoal_status status = uuid_path(id, &path, err);
  if (status == SHOAL_OK)
    status = shoal_buf_check(&path, err);
  shoal_str key = status == SHOAL_OK
                      ? shoal_str_z(shoal_arena_printf(&arena, "%.*s%s%.*s", SHOAL_FMT(table->prefix),
                                                       table->prefix.len ? "/" : "", SHOAL_FMT(shoal_buf_str(&path))))
                      : SHOAL_STR_NONE;
  if (status == SHOAL_OK)
    status = key.ptr ? shoal_store_put_new(table->store, key, bytes, err) : shoal_fail_nomem(err);
  shoal_buf_dispose(&path);
  shoal_arena_dispose(&arena);
  return status;
}

/* As many as one file takes, from *next on. */
static shoal_status put_some(const shoal_delta_table *table, const shoal_delta_vector *const *vectors, size_t n,
                             size_t *next, shoal_arena *arena, shoal_str *descriptors, shoal_error *err) {
  unsigned char uuid[16];
  shoal_buf id = {0}, bytes = {0};
  shoal_os_random(uuid, sizeof uuid);
  shoal_z85_encode(shoal_str_n((const char *)uuid, sizeof uuid), &id);
  shoal_buf_addc(&bytes, FILE_VERSION_BYTES); /* the version's number is 1, too */
  shoal_status status = shoal_buf_check(&id, err);
  for (; status == SHOAL_OK && *next < n && bytes.len < FILE_BYTES; ++*next) {
    size_t offset = bytes.len;
    uint32_t size = 0;
    status = add_framed(vectors[*next], &bytes, &size, err);
    if (status == SHOAL_OK)
      status = describe(vectors[*next], shoal_buf_str(&id), offset, size, arena, &descriptors[*next], err);
  }
  if (status == SHOAL_OK)
    status = put_file(table, shoal_buf_str(&id), shoal_buf_str(&bytes), err);
  shoal_buf_dispose(&id);
  shoal_buf_dispose(&bytes);
  return status;
}

shoal_status shoal_delta_vectors_put(const shoal_delta_table *table, const shoal_delta_vector *const *vectors, size_t n,
                                     shoal_arena *arena, shoal_str *descriptors, shoal_error *err) {
  for (size_t next = 0; next < n;)
    SHOAL_TRY(put_some(table, vectors, n, &next, arena, descriptors, err));
  return SHOAL_OK;
}
