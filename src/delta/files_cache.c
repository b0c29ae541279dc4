/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of files on disk: a fixed head, then what its owner says of it and where its columns lie, then the columns as
 * they are in memory. It is a cache of this machine: numbers have this machine's order of bytes, which the mark in
 * front tells, and whatever does not check out is no cache. Every byte is covered by a checksum, looked at when the
 * file is opened: a wrong number would be a wrong answer later.
 */
#include <string.h>
#include <xxhash.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/os.h"
#include "delta/delta_internal.h"
#include "delta/files.h"

#define MARK "shoalF2"
#define FIXED 32 /* mark, size of the file, size and checksum of the head */
#define ALIGN 64
#define FIXED_COLUMNS 13
#define LEAF_COLUMNS 3

/* In the order in which they lie. */
static size_t list_columns(shoal_files *f, shoal_column **out) {
  shoal_column *fixed[FIXED_COLUMNS] = {&f->path_at,    &f->paths,         &f->hashes,    &f->sizes,    &f->rows.of,
                                        &f->loose.of,   &f->part.of,       &f->vector.of, &f->parts.at, &f->parts.bytes,
                                        &f->vectors.at, &f->vectors.bytes, &f->texts};
  size_t n = 0;
  for (; n < FIXED_COLUMNS; n++)
    out[n] = fixed[n];
  for (size_t i = 0; i < f->n_leaves; i++) {
    out[n++] = &f->leaves[i].min;
    out[n++] = &f->leaves[i].max;
    out[n++] = &f->leaves[i].nulls.of;
  }
  return n;
}

static shoal_column **columns_of(const shoal_files *f, size_t *n, shoal_error *err) {
  shoal_column **list = shoal_calloc(FIXED_COLUMNS + f->n_leaves * LEAF_COLUMNS, sizeof *list);
  if (!list)
    shoal_ignore(shoal_fail_nomem(err));
  else
    *n = list_columns((shoal_files *)(uintptr_t)f, list); /* who saves only reads them */
  return list;
}

static uint64_t aligned(uint64_t n) { return (n + ALIGN - 1) / ALIGN * ALIGN; }

/* ---- writing ---- */

static void put_counts(shoal_buf *b, const shoal_counts *c) {
  shoal_put_u32(b, c->same);
  shoal_put_u8(b, c->is_same);
}

static void put_head(const shoal_files *f, shoal_column *const *columns, size_t n, shoal_str own, shoal_buf *out) {
  shoal_put_str(out, own);
  shoal_put_u64(out, f->n);
  shoal_put_u64(out, f->n_leaves);
  const shoal_counts *counts[] = {&f->rows, &f->loose, &f->part, &f->vector};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
    put_counts(out, counts[i]);
  for (size_t i = 0; i < f->n_leaves; i++) {
    shoal_put_u8(out, f->leaves[i].seen);
    put_counts(out, &f->leaves[i].nulls);
  }
  for (size_t i = 0; i < n; i++) {
    shoal_put_u32(out, columns[i]->width);
    shoal_put_u64(out, columns[i]->len);
    shoal_put_u64(out, XXH3_64bits(columns[i]->ptr, columns[i]->len * columns[i]->width));
  }
}

/* A part of the file, and what fills it up. */
static void add_part(shoal_str *parts, size_t *n, uint64_t *at, const void *ptr, size_t len) {
  static const char zeros[ALIGN];
  parts[(*n)++] = shoal_str_n(ptr, len);
  *at += len;
  size_t rest = (size_t)(aligned(*at) - *at);
  parts[(*n)++] = shoal_str_n(zeros, rest);
  *at += rest;
}

static shoal_status write_parts(const char *path, shoal_column *const *columns, size_t n, shoal_buf *head,
                                shoal_error *err) {
  shoal_buf fixed = {0};
  size_t n_parts = 1;
  uint64_t at = FIXED;
  shoal_str *parts = shoal_calloc(1 + 2 * (n + 1), sizeof *parts);
  if (!parts)
    return shoal_fail_nomem(err);
  add_part(parts, &n_parts, &at, head->ptr, head->len);
  for (size_t i = 0; i < n; i++)
    add_part(parts, &n_parts, &at, columns[i]->ptr, columns[i]->len * columns[i]->width);
  shoal_buf_add(&fixed, shoal_str_n(MARK, sizeof MARK)); /* with its NUL */
  shoal_put_u64(&fixed, at);
  shoal_put_u64(&fixed, head->len);
  shoal_put_u64(&fixed, XXH3_64bits(head->ptr, head->len));
  shoal_status status = shoal_buf_check(&fixed, err);
  parts[0] = shoal_buf_str(&fixed);
  if (status == SHOAL_OK)
    status = shoal_os_replace_parts(path, parts, n_parts, err);
  shoal_buf_dispose(&fixed);
  shoal_free(parts);
  return status;
}

shoal_status shoal_files_save(const shoal_files *f, const char *path, shoal_str own, shoal_error *err) {
  shoal_buf head = {0};
  const uint32_t order = 1;
  size_t n;
  shoal_column **columns = columns_of(f, &n, err);
  if (!columns)
    return SHOAL_ENOMEM;
  shoal_buf_add(&head, shoal_str_n((const char *)&order, sizeof order));
  put_head(f, columns, n, own, &head);
  shoal_status status = shoal_buf_check(&head, err);
  if (status == SHOAL_OK)
    status = write_parts(path, columns, n, &head, err);
  shoal_buf_dispose(&head);
  shoal_free(columns);
  return status;
}

/* ---- reading ---- */

static shoal_status broken(shoal_error *err) { return shoal_fail(err, SHOAL_ECORRUPT, "the cached files are broken"); }

shoal_status shoal_files_cache_open(const char *path, shoal_files_cache *out, shoal_error *err) {
  const uint32_t order = 1;
  *out = (shoal_files_cache){0};
  SHOAL_TRY(shoal_os_map(path, &out->mapped, err));
  shoal_decoder fixed = {.rest = out->mapped};
  bool ours = out->mapped.len >= FIXED && memcmp(out->mapped.ptr, MARK, sizeof MARK) == 0;
  fixed.rest = shoal_str_sub(out->mapped, sizeof MARK, out->mapped.len);
  uint64_t bytes = shoal_take_u64(&fixed), len = shoal_take_u64(&fixed), sum = shoal_take_u64(&fixed);
  ours = ours && bytes == out->mapped.len && len <= bytes - FIXED && len >= sizeof order &&
         XXH3_64bits(out->mapped.ptr + FIXED, len) == sum && memcmp(out->mapped.ptr + FIXED, &order, sizeof order) == 0;
  if (!ours) {
    shoal_files_cache_close(out);
    return broken(err);
  }
  shoal_decoder head = {.rest = shoal_str_sub(out->mapped, FIXED + sizeof order, FIXED + len)};
  out->head = shoal_take_str(&head);
  out->columns = head.rest;
  return SHOAL_OK;
}

void shoal_files_cache_close(shoal_files_cache *c) {
  shoal_os_unmap(c->mapped);
  *c = (shoal_files_cache){0};
}

static void take_counts(shoal_decoder *d, shoal_counts *c) {
  c->same = shoal_take_u32(d);
  c->is_same = shoal_take_u8(d) != 0;
}

/* Where a column lies, if its bytes are what they were. */
static bool take_column(shoal_decoder *d, shoal_str mapped, uint64_t *at, shoal_column *out) {
  uint32_t width = shoal_take_u32(d);
  uint64_t len = shoal_take_u64(d), sum = shoal_take_u64(d);
  if (d->failed || width > 8 || *at > mapped.len || (len && (!width || len > (mapped.len - *at) / width)))
    return false;
  const char *ptr = mapped.ptr + *at;
  *out = (shoal_column){.ptr = (void *)(uintptr_t)ptr, .len = (size_t)len, .width = width};
  *at = aligned(*at + len * width);
  return XXH3_64bits(ptr, (size_t)len * width) == sum;
}

static bool is_full(const shoal_column *c, size_t n, uint32_t width) {
  return c->len == n && (n == 0 || c->width == width);
}

static bool counts_below(const shoal_counts *c, size_t n, uint64_t limit) {
  if (c->is_same || n == 0)
    return n == 0 || c->same < limit;
  if (!is_full(&c->of, n, sizeof(uint32_t)))
    return false;
  uint32_t most = 0;
  for (size_t i = 0; i < n; i++)
    most = ((const uint32_t *)c->of.ptr)[i] > most ? ((const uint32_t *)c->of.ptr)[i] : most;
  return most < limit;
}

/* That no number leads out of an array. */
static bool is_sound(const shoal_files *f) {
  const uint64_t any = (uint64_t)UINT32_MAX + 1;
  bool ok = is_full(&f->hashes, f->n, 4) && is_full(&f->sizes, f->n, 8) && counts_below(&f->rows, f->n, any) &&
            counts_below(&f->loose, f->n, any) && counts_below(&f->part, f->n, shoal_texts_len(&f->parts)) &&
            counts_below(&f->vector, f->n, shoal_texts_len(&f->vectors) + 1) &&
            (f->path_at.len == 0 || f->path_at.width == 8) && (f->parts.at.len == 0 || f->parts.at.width == 4) &&
            (f->vectors.at.len == 0 || f->vectors.at.width == 4);
  for (size_t i = 0; ok && i < f->n_leaves; i++) {
    const shoal_leaf *l = &f->leaves[i];
    uint32_t width = l->kind == SHOAL_LEAF_NUMBER ? 8 : 4;
    ok = counts_below(&l->nulls, f->n, any) &&
         (!l->seen || (is_full(&l->min, f->n, width) && is_full(&l->max, shoal_leaf_has_max(l) ? f->n : 0, width)));
  }
  return ok;
}

static bool take_all(shoal_files_cache *c, shoal_files *f, shoal_column **columns, size_t n) {
  shoal_decoder d = {.rest = c->columns};
  uint64_t at = aligned((uint64_t)(c->columns.ptr + c->columns.len - c->mapped.ptr));
  shoal_counts *counts[] = {&f->rows, &f->loose, &f->part, &f->vector};
  f->n = (size_t)shoal_take_u64(&d);
  bool ok = f->n < UINT32_MAX && shoal_take_u64(&d) == f->n_leaves;
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
    take_counts(&d, counts[i]);
  for (size_t i = 0; ok && i < f->n_leaves; i++) {
    f->leaves[i].seen = shoal_take_u8(&d) != 0;
    take_counts(&d, &f->leaves[i].nulls);
  }
  for (size_t i = 0; ok && i < n; i++)
    ok = take_column(&d, c->mapped, &at, columns[i]);
  return ok && !d.failed && at == c->mapped.len && is_sound(f);
}

shoal_status shoal_files_cache_take(shoal_files_cache *c, shoal_files *f, shoal_error *err) {
  size_t n;
  shoal_column **columns = columns_of(f, &n, err);
  if (!columns)
    return SHOAL_ENOMEM;
  bool ok = take_all(c, f, columns, n);
  for (size_t i = 0; !ok && i < n; i++)
    *columns[i] = (shoal_column){0};
  shoal_free(columns);
  if (!ok) {
    f->n = 0;
    return broken(err);
  }
  f->mapped = c->mapped;
  *c = (shoal_files_cache){0};
  return SHOAL_OK;
}

/* ---- the folder ---- */

void shoal_files_cache_trim(const char *folder, const char *stays, uint64_t bytes) {
  shoal_arena arena = {0};
  shoal_dirent *entries;
  size_t n;
  uint64_t total = UINT64_MAX;
  while (total > bytes && shoal_os_list(folder, &arena, &entries, &n, NULL) == SHOAL_OK) {
    char *oldest = NULL;
    int64_t time = INT64_MAX;
    total = 0;
    for (size_t i = 0; i < n; i++) {
      shoal_stat st;
      char *path = shoal_arena_printf(&arena, "%s/%s", folder, entries[i].name.ptr);
      if (!path || shoal_os_stat(path, &st, NULL) < 0)
        continue;
      total += st.size;
      if (st.mtime_ns < time && !shoal_str_is(entries[i].name, stays)) {
        time = st.mtime_ns;
        oldest = path;
      }
    }
    if (total <= bytes || !oldest || shoal_os_unlink(oldest, NULL) < 0)
      break;
  }
  shoal_arena_dispose(&arena);
}
