/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views of large tables, remembered on this machine's disk (docs/architecture.md, "Caches"): a file of the cache folder
 * for each table, named after the place where the table is.
 *
 *  V1 A view is believed when all that it was made of is still listed, with the same sizes and times: the checkpoint,
 *     the commits after it, and commit 0 where there is one; and when the last of those commits has the same bytes, by
 *     BLAKE3. A table that was deleted and made again has none of these.
 *  V2 Commits after it are replayed on top, unless they change the columns or are very many: then all is read anew.
 *  V3 It may be deleted, broken, or written by two processes at once at any time; all of that costs time only.
 */
#include "base/codec.h"
#include "base/limits.h"
#include "base/os.h"
#include "delta/view.h"

#define MIN_FILES 1000 /* unless the table says otherwise */
#define MAX_ON_TOP 100 /* commits, before the view is made anew */
#define SUFFIX ".files"

/* NULL: the table has no place of its own, or no memory. */
static char *cache_name(const shoal_delta_table *table, shoal_arena *arena, char **root) {
  char hex[SHOAL_HASH_HEX + 1];
  *root = shoal_delta_root(table, arena);
  if (!*root)
    return NULL;
  const shoal_hash hash = shoal_hash_bytes(shoal_str_z(*root));
  shoal_hash_hex(&hash, hex);
  return shoal_arena_printf(arena, "%.32s" SUFFIX, hex);
}

/* ---- what it was made of ---- */

typedef struct origin {
  int64_t version, from; /* `from`: where to list the log from */
  shoal_hash commit;
  shoal_str root, metadata, protocol;
  bool has_zero;
  shoal_object zero;
  uint32_t n;
  shoal_object *objects;
} origin;

static void put_object(shoal_buf *b, const shoal_object *o) {
  shoal_put_str(b, o->key);
  shoal_put_u64(b, o->size);
  shoal_put_u64(b, (uint64_t)o->modified_us);
}

static shoal_object take_object(shoal_decoder *d) {
  shoal_object o = {.key = shoal_take_str(d)};
  o.size = shoal_take_u64(d);
  o.modified_us = (int64_t)shoal_take_u64(d);
  return o;
}

static bool same_object(const shoal_object *a, const shoal_object *b) {
  return shoal_str_eq(a->key, b->key) && a->size == b->size && a->modified_us == b->modified_us;
}

static void put_origin(shoal_buf *b, const origin *o) {
  shoal_put_u64(b, (uint64_t)o->version);
  shoal_put_u64(b, (uint64_t)o->from);
  shoal_put_hash(b, &o->commit);
  shoal_put_str(b, o->root);
  shoal_put_str(b, o->metadata);
  shoal_put_str(b, o->protocol);
  shoal_put_u8(b, o->has_zero);
  put_object(b, &o->zero);
  shoal_put_u32(b, o->n);
  for (uint32_t i = 0; i < o->n; i++)
    put_object(b, &o->objects[i]);
}

static bool take_origin(shoal_str text, shoal_arena *arena, origin *o) {
  shoal_decoder d = {.rest = text};
  o->version = (int64_t)shoal_take_u64(&d);
  o->from = (int64_t)shoal_take_u64(&d);
  o->commit = shoal_take_hash(&d);
  o->root = shoal_take_str(&d);
  o->metadata = shoal_take_str(&d);
  o->protocol = shoal_take_str(&d);
  o->has_zero = shoal_take_u8(&d) != 0;
  o->zero = take_object(&d);
  o->n = shoal_take_count(&d, 20);
  o->objects = SHOAL_NEW_ARRAY(arena, shoal_object, o->n);
  for (uint32_t i = 0; o->objects && i < o->n; i++)
    o->objects[i] = take_object(&d);
  return o->objects && !d.failed && d.rest.len == 0;
}

/* The commit with which the table began, if it is there yet: its time tells a table from another one at its place. */
static bool head_zero(const shoal_delta_table *table, shoal_arena *arena, shoal_object *out) {
  shoal_str key = shoal_delta_key(table, arena, "_delta_log/%020d.json", 0);
  *out = (shoal_object){.key = SHOAL_STR("")};
  return key.ptr && shoal_store_head(table->store, key, out, NULL) == SHOAL_OK;
}

/* V1. Both lists ascend by key. */
static bool is_listed(const origin *o, const shoal_log *log) {
  size_t at = 0;
  for (uint32_t i = 0; i < o->n; i++) {
    while (at < log->n && !same_object(&o->objects[i], &log->files[at].object))
      at++;
    if (at++ >= log->n)
      return false;
  }
  return true;
}

static bool is_same_table(shoal_view_load *l, const origin *o) {
  shoal_object zero;
  shoal_hash commit;
  bool has_zero = head_zero(l->table, &l->scratch, &zero);
  return has_zero == o->has_zero && (!has_zero || same_object(&zero, &o->zero)) && is_listed(o, &l->log) &&
         shoal_delta_commit_hash(l->table, o->version, &commit, NULL) == SHOAL_OK && shoal_hash_eq(&commit, &o->commit);
}

/* ---- recalling ---- */

static shoal_status recall(shoal_view_load *l, int64_t version, shoal_files_cache *cache, const char *root,
                           shoal_error *err) {
  origin o;
  if (!take_origin(cache->head, &l->scratch, &o) || !shoal_str_is(o.root, root) ||
      (version >= 0 && version < o.version))
    return SHOAL_DONE;
  SHOAL_TRY(shoal_delta_log_list(l->table, o.from, &l->scratch, &l->log, err));
  int64_t latest = shoal_delta_log_latest(&l->log);
  l->target = version < 0 ? latest : version;
  if (l->target < o.version || l->target > latest || l->target - o.version > MAX_ON_TOP || !is_same_table(l, &o))
    return SHOAL_DONE;
  SHOAL_TRY(shoal_view_commits(l, o.version, err));
  if (l->metadata.ptr && !shoal_str_eq(l->metadata, o.metadata))
    return SHOAL_DONE;
  l->metadata = o.metadata;
  if (!l->protocol.ptr)
    l->protocol = o.protocol;
  SHOAL_TRY(shoal_view_understand(l, err));
  return shoal_files_cache_take(cache, &l->v->base, err);
}

shoal_status shoal_view_recall(shoal_view_load *l, int64_t version, shoal_error *err) {
  shoal_files_cache cache;
  char *root, *name = cache_name(l->table, &l->scratch, &root);
  char *path = name ? shoal_arena_printf(&l->scratch, "%s/%s", l->table->cache, name) : NULL;
  if (!path)
    return SHOAL_DONE;
  SHOAL_TRY(shoal_files_cache_open(path, &cache, err));
  shoal_status status = recall(l, version, &cache, root, err);
  shoal_files_cache_close(&cache);
  if (status == SHOAL_OK)
    shoal_os_touch(path);
  return status;
}

/* ---- remembering ---- */

static shoal_status describe(const shoal_view_load *l, size_t first, size_t n, shoal_arena *arena, origin *o) {
  int64_t below = n ? l->log.files[first].version : -1;
  *o = (origin){.version = l->target, .from = n ? below : 0, .metadata = l->v->metadata_raw};
  o->protocol = l->v->protocol_raw;
  o->has_zero = head_zero(l->table, arena, &o->zero);
  o->objects = SHOAL_NEW_ARRAY(arena, shoal_object, l->log.n);
  if (!o->objects)
    return SHOAL_ENOMEM;
  for (size_t i = 0; i < l->log.n; i++) {
    const shoal_log_file *f = &l->log.files[i];
    if ((i >= first && i < first + n) || (f->kind == SHOAL_LOG_COMMIT && f->version > below && f->version <= l->target))
      o->objects[o->n++] = f->object;
  }
  return shoal_delta_commit_hash(l->table, l->target, &o->commit, NULL);
}

void shoal_view_remember(const shoal_view_load *l, size_t first, size_t n) {
  shoal_arena arena = {0};
  shoal_buf head = {0};
  origin o;
  char *root, *name, *path;
  size_t from = l->table->cache_from ? l->table->cache_from : MIN_FILES;
  if (!l->table->cache || l->v->base.n < from)
    return;
  name = cache_name(l->table, &arena, &root);
  path = name ? shoal_arena_printf(&arena, "%s/%s", l->table->cache, name) : NULL;
  if (path && describe(l, first, n, &arena, &o) == SHOAL_OK &&
      shoal_os_mkdirs(l->table->cache, false, NULL) == SHOAL_OK) {
    o.root = shoal_str_z(root);
    put_origin(&head, &o);
    if (head.status == SHOAL_OK && shoal_files_save(&l->v->base, path, shoal_buf_str(&head), NULL) == SHOAL_OK)
      shoal_files_cache_trim(l->table->cache, name, SHOAL_MAX_CACHED_FILES);
  }
  shoal_buf_dispose(&head);
  shoal_arena_dispose(&arena);
}
