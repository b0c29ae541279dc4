/* SPDX-License-Identifier: Apache-2.0 */
/* Filling and asking a set of files (files.h). */
#include "delta/files.h"

#include <string.h>
#include <xxhash.h>

#include "base/codec.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/os.h"
#include "delta/delta_internal.h"

#define PATH_BLOCK 16 /* every so many paths one is whole */
#define PACKED 128u   /* of a byte that counts to 127 */

/* ---- columns ---- */

shoal_status shoal_column_put(shoal_column *c, uint32_t width, const void *values, size_t n, shoal_error *err) {
  if (n > c->cap - c->len) {
    size_t cap = c->cap ? c->cap : 64;
    while (cap - c->len < n)
      cap *= 2;
    void *ptr = shoal_reallocarray(c->ptr, cap, width);
    if (!ptr)
      return shoal_fail_nomem(err);
    c->ptr = ptr;
    c->cap = cap;
  }
  c->width = width;
  if (n)
    memcpy((char *)c->ptr + c->len * width, values, n * width);
  c->len += n;
  return SHOAL_OK;
}

/* One value, where there mostly is room for it. */
static inline shoal_status put8(shoal_column *c, const int64_t *value, shoal_error *err) {
  if (c->len >= c->cap)
    return shoal_column_put(c, sizeof *value, value, 1, err);
  ((int64_t *)c->ptr)[c->len++] = *value;
  return SHOAL_OK;
}

static inline shoal_status put4(shoal_column *c, const uint32_t *value, shoal_error *err) {
  if (c->len >= c->cap)
    return shoal_column_put(c, sizeof *value, value, 1, err);
  ((uint32_t *)c->ptr)[c->len++] = *value;
  return SHOAL_OK;
}

static shoal_status fill(shoal_column *c, uint32_t width, const void *value, size_t n, shoal_error *err) {
  while (c->len < n)
    SHOAL_TRY(shoal_column_put(c, width, value, 1, err));
  return SHOAL_OK;
}

void shoal_column_dispose(shoal_column *c) {
  if (c->cap)
    shoal_free(c->ptr);
  *c = (shoal_column){0};
}

/* The n-th count, n being how many there are. */
static inline shoal_status put_count(shoal_counts *c, uint32_t value, size_t n, shoal_error *err) {
  if (n && c->is_same && value == c->same)
    return SHOAL_OK;
  if (n == 0) {
    c->same = value;
    c->is_same = true;
  }
  if (c->is_same && value == c->same)
    return SHOAL_OK;
  if (c->is_same)
    SHOAL_TRY(fill(&c->of, sizeof value, &c->same, n, err));
  c->is_same = false;
  return put4(&c->of, &value, err);
}

uint32_t shoal_counts_get(const shoal_counts *c, size_t i) {
  return c->is_same ? c->same : ((const uint32_t *)c->of.ptr)[i];
}

/* ---- texts ---- */

static shoal_status intern(shoal_texts *t, shoal_str s, uint32_t *out, shoal_error *err) {
  uint32_t end;
  *out = shoal_map_get(&t->map, s);
  if (*out != SHOAL_MAP_NONE)
    return SHOAL_OK;
  if (t->at.len == 0) {
    end = 0;
    SHOAL_TRY(shoal_column_put(&t->at, sizeof end, &end, 1, err));
  }
  if (s.len > UINT32_MAX - t->bytes.len)
    return shoal_fail(err, SHOAL_ELIMIT, "the table's files have more than 4 GB of partition values or vectors");
  shoal_str key = shoal_arena_str(&t->keys, s.ptr ? s : SHOAL_STR(""));
  if (!key.ptr)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_column_put(&t->bytes, 1, key.ptr, key.len, err));
  end = (uint32_t)t->bytes.len;
  SHOAL_TRY(shoal_column_put(&t->at, sizeof end, &end, 1, err));
  *out = (uint32_t)t->at.len - 2;
  return shoal_map_put(&t->map, key, *out, err);
}

size_t shoal_texts_len(const shoal_texts *t) { return t->at.len ? t->at.len - 1 : 0; }

shoal_str shoal_texts_get(const shoal_texts *t, uint32_t i) {
  const uint32_t *at = t->at.ptr;
  if (i >= shoal_texts_len(t) || at[i] > at[i + 1] || at[i + 1] > t->bytes.len)
    return SHOAL_STR_NONE;
  return (shoal_str){t->bytes.ptr ? (const char *)t->bytes.ptr + at[i] : "", at[i + 1] - at[i]};
}

static void dispose_texts(shoal_texts *t) {
  shoal_column_dispose(&t->at);
  shoal_column_dispose(&t->bytes);
  shoal_map_dispose(&t->map);
  shoal_arena_dispose(&t->keys);
}

shoal_str shoal_files_bound(const shoal_files *f, uint32_t at) {
  const unsigned char *bytes = f->texts.ptr;
  if (at >= f->texts.len || bytes[at] > f->texts.len - at - 1)
    return SHOAL_STR_NONE;
  return (shoal_str){(const char *)bytes + at + 1, bytes[at]};
}

/* ---- the set ---- */

static size_t count_nodes(const shoal_field *fields, size_t n, int depth) {
  size_t nodes = n;
  for (size_t i = 0; i < n && depth < SHOAL_MAX_TYPE_DEPTH; i++)
    if (fields[i].type.kind == SHOAL_TYPE_STRUCT)
      nodes += count_nodes(fields[i].type.fields, fields[i].type.n_fields, depth + 1);
  return nodes;
}

static void add_nodes(shoal_files *f, const shoal_field *fields, size_t n, size_t column, uint32_t depth) {
  for (size_t i = 0; i < n; i++) {
    bool is_struct = fields[i].type.kind == SHOAL_TYPE_STRUCT;
    uint32_t self = (uint32_t)f->n_leaves;
    f->leaves[f->n_leaves++] = (shoal_leaf){.field = &fields[i],
                                            .column = depth ? column : i,
                                            .depth = depth,
                                            .is_struct = is_struct,
                                            .kind = shoal_leaf_kind_of(&fields[i].type)};
    if (is_struct && depth < SHOAL_MAX_TYPE_DEPTH)
      add_nodes(f, fields[i].type.fields, fields[i].type.n_fields, depth ? column : i, depth + 1);
    f->leaves[self].end = (uint32_t)f->n_leaves;
  }
}

shoal_status shoal_files_init(shoal_files *f, const shoal_delta_metadata *m, shoal_error *err) {
  *f = (shoal_files){.schema = &m->schema, .n_partition_columns = m->n_partition_columns};
  size_t *columns = SHOAL_NEW_ARRAY(&f->arena, size_t, m->n_partition_columns);
  f->leaves = SHOAL_NEW_ARRAY(&f->arena, shoal_leaf, count_nodes(m->schema.fields, m->schema.n_fields, 0));
  if (!columns || !f->leaves)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < m->n_partition_columns; i++)
    columns[i] = (size_t)shoal_schema_find(&m->schema, m->partition_columns[i]);
  f->partition_columns = columns;
  add_nodes(f, m->schema.fields, m->schema.n_fields, 0, 0);
  return SHOAL_OK;
}

void shoal_files_dispose(shoal_files *f) {
  for (size_t i = 0; f->leaves && i < f->n_leaves; i++) {
    shoal_column_dispose(&f->leaves[i].min);
    shoal_column_dispose(&f->leaves[i].max);
    shoal_column_dispose(&f->leaves[i].nulls.of);
  }
  shoal_column *columns[] = {&f->path_at,  &f->paths,   &f->hashes,    &f->sizes, &f->rows.of,
                             &f->loose.of, &f->part.of, &f->vector.of, &f->texts};
  for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
    shoal_column_dispose(columns[i]);
  dispose_texts(&f->parts);
  dispose_texts(&f->vectors);
  shoal_buf_dispose(&f->last);
  shoal_buf_dispose(&f->scratch);
  shoal_buf_dispose(&f->shape.text);
  shoal_vec_dispose(&f->shape.slots);
  shoal_arena_dispose(&f->arena);
  shoal_os_unmap(f->mapped);
  *f = (shoal_files){0};
}

void shoal_files_partition(const shoal_str *values, size_t n, shoal_buf *out) {
  for (size_t i = 0; i < n; i++)
    shoal_put_str(out, values[i].len ? values[i] : SHOAL_STR_NONE); /* Delta can't tell "" from null */
}

bool shoal_files_values(const shoal_files *f, uint32_t part, shoal_str *values) {
  shoal_decoder d = {.rest = shoal_texts_get(&f->parts, part)};
  for (size_t i = 0; i < f->n_partition_columns; i++)
    values[i] = shoal_take_str(&d);
  return !d.failed && d.rest.len == 0;
}

uint32_t shoal_files_hash(shoal_str path) {
  shoal_str key = shoal_delta_path_key(path);
  return (uint32_t)XXH3_64bits(key.ptr, key.len);
}

/* ---- paths ---- */

static size_t shared(shoal_str a, shoal_str b) {
  size_t n = a.len < b.len ? a.len : b.len, i = 0;
  n = n < UINT8_MAX ? n : UINT8_MAX;
  while (i + 8 <= n && memcmp(a.ptr + i, b.ptr + i, 8) == 0)
    i += 8;
  while (i < n && a.ptr[i] == b.ptr[i])
    i++;
  return i;
}

static size_t shared_end(shoal_str a, shoal_str b, size_t front) {
  size_t n = (a.len < b.len ? a.len : b.len) - front, i = 0;
  n = n < PACKED - 1 ? n : PACKED - 1;
  while (i < n && a.ptr[a.len - 1 - i] == b.ptr[b.len - 1 - i])
    i++;
  return i;
}

/* What is between is mostly numbers and UUIDs: 17 characters, of which 15 fit into 8 bytes, and fewer into half of
   their number and one. */
static const char alphabet[] = "0123456789abcdef-";
enum { BASE = sizeof alphabet - 1, GROUP = 15 };

/* From 1; 0: it is none of them. */
static const unsigned char digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8, ['8'] = 9,
    ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['-'] = 17};

static bool can_pack(shoal_str s) {
  for (size_t i = 0; i < s.len; i++)
    if (!digits[(unsigned char)s.ptr[i]])
      return false;
  return s.len > 2;
}

static shoal_status pack(shoal_column *out, shoal_str s, shoal_error *err) {
  for (size_t i = 0; i < s.len; i += GROUP) {
    size_t n = s.len - i < GROUP ? s.len - i : GROUP;
    unsigned char bytes[8];
    uint64_t v = 0;
    for (size_t k = n; k > 0; k--)
      v = v * BASE + digits[(unsigned char)s.ptr[i + k - 1]] - 1;
    for (size_t k = 0; k < sizeof bytes; k++)
      bytes[k] = (unsigned char)(v >> 8 * k);
    SHOAL_TRY(shoal_column_put(out, 1, bytes, n / 2 + 1, err));
  }
  return SHOAL_OK;
}

/* How many bytes so many characters took. */
static size_t packed_bytes(size_t n) { return n / GROUP * 8 + (n % GROUP ? n % GROUP / 2 + 1 : 0); }

static void unpack(const unsigned char *bytes, char *out, size_t n) {
  for (size_t i = 0; i < n; i += GROUP) {
    size_t here = n - i < GROUP ? n - i : GROUP;
    uint64_t v = 0;
    for (size_t k = 0; k < here / 2 + 1; k++)
      v |= (uint64_t)*bytes++ << 8 * k;
    for (size_t k = 0; k < here; k++, v /= BASE)
      out[i + k] = alphabet[v % BASE];
  }
}

/* Bytes shared in front with the path before, bytes shared at the end and whether what is between is packed, how many
   are between, and those. */
static shoal_status add_path(shoal_files *f, shoal_str path, shoal_error *err) {
  unsigned char head[4];
  if (path.len > UINT16_MAX)
    return shoal_fail(err, SHOAL_ELIMIT, "a file of the table has a path of %zu bytes", path.len);
  if (f->n % PATH_BLOCK == 0) {
    uint64_t at = f->paths.len;
    SHOAL_TRY(shoal_column_put(&f->path_at, sizeof at, &at, 1, err));
    shoal_buf_clear(&f->last);
  }
  shoal_str last = shoal_buf_str(&f->last);
  size_t front = shared(last, path), end = shared_end(last, path, front), n = path.len - front - end;
  head[0] = (unsigned char)front;
  shoal_str between = shoal_str_n(path.ptr + front, n);
  bool packed = can_pack(between);
  head[1] = (unsigned char)(end | (packed ? PACKED : 0));
  head[2] = (unsigned char)(n & 0xff);
  head[3] = (unsigned char)(n >> 8);
  SHOAL_TRY(shoal_column_put(&f->paths, 1, head, sizeof head, err));
  SHOAL_TRY(packed ? pack(&f->paths, between, err) : shoal_column_put(&f->paths, 1, between.ptr, n, err));
  shoal_buf_clear(&f->last);
  shoal_buf_add(&f->last, path);
  return shoal_buf_check(&f->last, err);
}

static shoal_status broken(shoal_error *err) { return shoal_fail(err, SHOAL_ECORRUPT, "the cached paths are broken"); }

shoal_status shoal_files_path(const shoal_files *f, size_t i, shoal_buf *out, shoal_error *err) {
  const uint64_t *blocks = f->path_at.ptr;
  const unsigned char *bytes = f->paths.ptr;
  char path[UINT16_MAX + 1], suffix[UINT8_MAX];
  size_t len = 0, block = i / PATH_BLOCK;
  if (i >= f->n || block >= f->path_at.len)
    return broken(err);
  uint64_t at = blocks[block];
  for (size_t k = block * PATH_BLOCK; k <= i; k++) {
    if (at + 4 > f->paths.len)
      return broken(err);
    bool packed = (bytes[at + 1] & PACKED) != 0;
    size_t front = bytes[at], end = bytes[at + 1] & (PACKED - 1), n = bytes[at + 2] | (size_t)bytes[at + 3] << 8;
    size_t stored = packed ? packed_bytes(n) : n;
    at += 4;
    if (stored > f->paths.len - at || front + end > len || front + n + end > UINT16_MAX)
      return broken(err);
    memcpy(suffix, path + len - end, end);
    if (packed)
      unpack(bytes + at, path + front, n);
    else
      memcpy(path + front, bytes + at, n);
    memcpy(path + front + n, suffix, end);
    len = front + n + end;
    at += stored;
  }
  shoal_buf_add(out, shoal_str_n(path, len));
  return shoal_buf_check(out, err);
}

/* ---- adding ---- */

static const int64_t lowest = INT64_MIN, highest = INT64_MAX;

/* The leaf's first bound: none is known of the files before. */
static shoal_status see(shoal_leaf *l, size_t n, shoal_error *err) {
  const uint32_t none = UINT32_MAX;
  bool number = l->kind == SHOAL_LEAF_NUMBER;
  l->seen = true;
  SHOAL_TRY(number ? fill(&l->min, 8, &lowest, n, err) : fill(&l->min, 4, &none, n, err));
  if (!shoal_leaf_has_max(l))
    return SHOAL_OK;
  return number ? fill(&l->max, 8, &highest, n, err) : fill(&l->max, 4, &none, n, err);
}

static shoal_status add_bounds(shoal_files *f, shoal_leaf *l, shoal_error *err) {
  SHOAL_TRY(put_count(&l->nulls, l->now.nulls, f->n, err));
  if (l->now.known && !l->seen)
    SHOAL_TRY(see(l, f->n, err));
  if (!l->seen)
    return SHOAL_OK;
  const uint32_t min = (uint32_t)l->now.min, max = (uint32_t)l->now.max;
  bool number = l->kind == SHOAL_LEAF_NUMBER;
  if (number) {
    SHOAL_TRY(put8(&l->min, &l->now.min, err));
    return shoal_leaf_has_max(l) ? put8(&l->max, &l->now.max, err) : SHOAL_OK;
  }
  SHOAL_TRY(put4(&l->min, &min, err));
  return put4(&l->max, &max, err);
}

static shoal_status add_stats(shoal_files *f, shoal_str json, shoal_error *err) {
  uint32_t rows;
  bool loose;
  SHOAL_TRY(shoal_files_read_stats(f, json, &rows, &loose, err));
  SHOAL_TRY(put_count(&f->rows, rows, f->n, err));
  SHOAL_TRY(put_count(&f->loose, loose, f->n, err));
  for (size_t i = 0; i < f->n_leaves; i++)
    SHOAL_TRY(add_bounds(f, &f->leaves[i], err));
  return SHOAL_OK;
}

shoal_status shoal_files_add(shoal_files *f, const shoal_files_row *row, shoal_error *err) {
  uint32_t part, vector = 0, hash = shoal_files_hash(row->path);
  if (f->n >= UINT32_MAX)
    return shoal_fail(err, SHOAL_ELIMIT, "the table has more than %u files", UINT32_MAX);
  if (row->path.len == 0)
    return shoal_fail(err, SHOAL_ECORRUPT, "a file of the table has an empty path");
  SHOAL_TRY(intern(&f->parts, row->partition, &part, err));
  if (row->vector.ptr) {
    SHOAL_TRY(intern(&f->vectors, row->vector, &vector, err));
    vector++;
  }
  SHOAL_TRY(add_path(f, row->path, err));
  SHOAL_TRY(put4(&f->hashes, &hash, err));
  SHOAL_TRY(shoal_column_put(&f->sizes, sizeof row->size, &row->size, 1, err));
  SHOAL_TRY(put_count(&f->part, part, f->n, err));
  SHOAL_TRY(put_count(&f->vector, vector, f->n, err));
  SHOAL_TRY(add_stats(f, row->stats, err));
  f->n++;
  return SHOAL_OK;
}

static shoal_str partition_value(const shoal_delta_file *file, shoal_str physical) {
  for (size_t i = 0; i < file->n_partition_values; i++)
    if (shoal_str_eq(file->partition_values[i].key, physical))
      return file->partition_values[i].value;
  return SHOAL_STR_NONE; /* some writers leave out what is null */
}

shoal_status shoal_files_add_file(shoal_files *f, const shoal_delta_file *file, shoal_error *err) {
  shoal_buf partition = {0};
  for (size_t i = 0; i < f->n_partition_columns; i++) {
    shoal_str value = partition_value(file, f->schema->fields[f->partition_columns[i]].physical);
    shoal_files_partition(&value, 1, &partition);
  }
  shoal_status status = shoal_buf_check(&partition, err);
  const shoal_files_row row = {file->path, file->size, shoal_buf_str(&partition), file->deletion_vector, file->stats};
  if (status == SHOAL_OK)
    status = shoal_files_add(f, &row, err);
  shoal_buf_dispose(&partition);
  return status;
}
