/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects in memory, for tests: a sorted array under one lock. It has no hard links' cousin on purpose (link is
 * SHOAL_EUNSUPPORTED, local_path is NULL), so that what stands above is tested on a store that is like an object store.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/time.h"
#include "base/vec.h"
#include "store/store.h"

typedef struct memory_object {
  char *key, *bytes;
  size_t key_len, len;
  int64_t modified_us;
} memory_object;

typedef struct memory_store {
  shoal_store base;
  shoal_mutex lock;
  SHOAL_VEC(memory_object) objects; /* sorted bytewise by key */
  char *folder;                     /* of the staging folders; NULL until one is asked for */
} memory_store;

static shoal_str object_key(const memory_object *o) { return shoal_str_n(o->key, o->key_len); }

/* Index of the first object whose key is not below `key`. */
static size_t lower_bound(const memory_store *m, shoal_str key) {
  size_t lo = 0, hi = m->objects.len;
  while (lo < hi) {
    size_t mid = lo + (hi - lo) / 2;
    if (shoal_str_cmp(object_key(&m->objects.ptr[mid]), key) < 0)
      lo = mid + 1;
    else
      hi = mid;
  }
  return lo;
}

static memory_object *find_object(const memory_store *m, shoal_str key) {
  size_t i = lower_bound(m, key);
  if (i < m->objects.len && shoal_str_eq(object_key(&m->objects.ptr[i]), key))
    return &m->objects.ptr[i];
  return NULL;
}

static char *copy_bytes(shoal_str s) {
  char *p = shoal_malloc(s.len + 1);
  if (p && s.len)
    memcpy(p, s.ptr, s.len);
  return p;
}

static shoal_status not_found(shoal_str key, shoal_error *err) {
  return shoal_fail(err, SHOAL_ENOTFOUND, "there is no object '%.*s'", SHOAL_FMT(key));
}

/* Under the lock. */
static shoal_status insert_object(memory_store *m, shoal_str key, shoal_str bytes, shoal_error *err) {
  size_t i = lower_bound(m, key);
  memory_object o = {copy_bytes(key), copy_bytes(bytes), key.len, bytes.len, shoal_time_now()};
  if (!o.key || !o.bytes || !shoal_vec_add(&m->objects)) {
    shoal_free(o.key);
    shoal_free(o.bytes);
    return shoal_fail_nomem(err);
  }
  memmove(&m->objects.ptr[i + 1], &m->objects.ptr[i], (m->objects.len - 1 - i) * sizeof o);
  m->objects.ptr[i] = o;
  return SHOAL_OK;
}

static shoal_status put_locked(memory_store *m, shoal_str key, shoal_str bytes, bool replace, shoal_error *err) {
  memory_object *o = find_object(m, key);
  if (!o)
    return insert_object(m, key, bytes, err);
  if (!replace)
    return shoal_fail(err, SHOAL_EEXIST, "there is an object '%.*s' already", SHOAL_FMT(key));
  char *copy = copy_bytes(bytes);
  if (!copy)
    return shoal_fail_nomem(err);
  shoal_free(o->bytes);
  o->bytes = copy;
  o->len = bytes.len;
  o->modified_us = shoal_time_now();
  return SHOAL_OK;
}

static shoal_status memory_put_new(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err) {
  memory_store *m = (memory_store *)s;
  shoal_mutex_lock(&m->lock);
  shoal_status st = put_locked(m, key, bytes, false, err);
  shoal_mutex_unlock(&m->lock);
  return st;
}

static shoal_status memory_rewrite(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err) {
  memory_store *m = (memory_store *)s;
  shoal_mutex_lock(&m->lock);
  shoal_status st = put_locked(m, key, bytes, true, err);
  shoal_mutex_unlock(&m->lock);
  return st;
}

static shoal_status memory_get(shoal_store *s, shoal_str key, uint64_t off, uint64_t len, shoal_buf *out,
                               shoal_error *err) {
  memory_store *m = (memory_store *)s;
  shoal_status st = SHOAL_OK;
  shoal_mutex_lock(&m->lock);
  const memory_object *o = find_object(m, key);
  if (!o) {
    st = not_found(key, err);
  } else {
    size_t from = off < o->len ? (size_t)off : o->len;
    size_t n = o->len - from < len ? o->len - from : (size_t)len;
    shoal_buf_add(out, shoal_str_n(o->bytes + from, n));
    st = shoal_buf_check(out, err);
  }
  shoal_mutex_unlock(&m->lock);
  return st;
}

static shoal_status memory_head(shoal_store *s, shoal_str key, shoal_object *out, shoal_error *err) {
  memory_store *m = (memory_store *)s;
  shoal_mutex_lock(&m->lock);
  const memory_object *o = find_object(m, key);
  if (o)
    *out = (shoal_object){.key = key, .size = o->len, .modified_us = o->modified_us};
  shoal_mutex_unlock(&m->lock);
  return o ? SHOAL_OK : not_found(key, err);
}

static shoal_status memory_put_files(shoal_store *s, const shoal_put_file *files, size_t n, shoal_error *err) {
  shoal_buf buf = {0};
  shoal_status st = SHOAL_OK;
  for (size_t i = 0; i < n && st == SHOAL_OK; i++) {
    shoal_buf_clear(&buf);
    st = shoal_os_read_file(files[i].local_path.ptr, SIZE_MAX, &buf, err);
    if (st == SHOAL_OK)
      st = memory_put_new(s, files[i].key, shoal_buf_str(&buf), err);
    if (st == SHOAL_OK)
      st = shoal_os_unlink(files[i].local_path.ptr, err);
  }
  shoal_buf_dispose(&buf);
  return st;
}

static shoal_status memory_link(shoal_store *s, shoal_str from, shoal_str to, shoal_error *err) {
  (void)s;
  return shoal_fail(err, SHOAL_EUNSUPPORTED, "a store in memory can't link '%.*s' to '%.*s'", SHOAL_FMT(from),
                    SHOAL_FMT(to));
}

/* The key to show for an object below prefix: itself or, shallow, the folder of the next segment. */
static shoal_str shown_key(const memory_object *o, size_t prefix_len, bool shallow, bool *folder) {
  shoal_str key = object_key(o);
  ptrdiff_t slash = shallow ? shoal_str_chr(shoal_str_sub(key, prefix_len, key.len), '/') : -1;
  *folder = slash >= 0;
  return *folder ? shoal_str_sub(key, 0, prefix_len + (size_t)slash + 1) : key;
}

typedef SHOAL_VEC(shoal_object) object_vec;

static shoal_status list_locked(const memory_store *m, shoal_str prefix, shoal_str after, bool shallow, size_t limit,
                                shoal_arena *arena, object_vec *found, shoal_error *err) {
  for (size_t i = lower_bound(m, prefix); i < m->objects.len && (limit == 0 || found->len < limit); i++) {
    const memory_object *o = &m->objects.ptr[i];
    if (!shoal_str_starts(object_key(o), prefix))
      break;
    bool folder;
    shoal_str key = shown_key(o, prefix.len, shallow, &folder);
    if (after.ptr && shoal_str_cmp(key, after) <= 0)
      continue;
    if (found->len && shoal_str_eq(found->ptr[found->len - 1].key, key))
      continue;
    shoal_object *item = shoal_vec_add(found);
    if (!item)
      return shoal_fail_nomem(err);
    *item = (shoal_object){shoal_arena_str(arena, key), folder ? 0 : o->len, folder ? 0 : o->modified_us, folder};
    if (!item->key.ptr)
      return shoal_fail_nomem(err);
  }
  return SHOAL_OK;
}

static shoal_status memory_list(shoal_store *s, shoal_str prefix, shoal_str after, bool shallow, size_t limit,
                                shoal_arena *arena, shoal_object **out, size_t *n, shoal_error *err) {
  memory_store *m = (memory_store *)s;
  object_vec found = {0};
  shoal_mutex_lock(&m->lock);
  shoal_status st = list_locked(m, prefix, after, shallow, limit, arena, &found, err);
  shoal_mutex_unlock(&m->lock);
  if (st == SHOAL_OK && found.len) {
    *out = SHOAL_NEW_ARRAY(arena, shoal_object, found.len);
    if (*out)
      memcpy(*out, found.ptr, found.len * sizeof **out);
    st = *out ? SHOAL_OK : shoal_fail_nomem(err);
  }
  *n = st == SHOAL_OK ? found.len : 0;
  shoal_vec_dispose(&found);
  return st;
}

static shoal_status memory_del(shoal_store *s, shoal_str key, shoal_error *err) {
  (void)err;
  memory_store *m = (memory_store *)s;
  shoal_mutex_lock(&m->lock);
  memory_object *o = find_object(m, key);
  if (o) {
    shoal_free(o->key);
    shoal_free(o->bytes);
    memmove(o, o + 1, (size_t)(m->objects.ptr + m->objects.len - (o + 1)) * sizeof *o);
    m->objects.len--;
  }
  shoal_mutex_unlock(&m->lock);
  return SHOAL_OK;
}

/* Under the lock: the folder of all staging folders. */
static shoal_status make_folder(memory_store *m, shoal_error *err) {
  if (m->folder)
    return SHOAL_OK;
  const char *base = getenv("TMPDIR");
  char uuid[SHOAL_UUID_TEXT];
  shoal_os_uuid(uuid);
  shoal_buf path = {0};
  shoal_buf_addf(&path, "%s/shoal-memory-%s", base && base[0] == '/' ? base : "/tmp", uuid);
  shoal_status st = shoal_buf_check(&path, err);
  if (st == SHOAL_OK)
    st = shoal_os_mkdir(path.ptr, err);
  if (st == SHOAL_OK && !(m->folder = copy_bytes(shoal_str_n(path.ptr, path.len + 1))))
    st = shoal_fail_nomem(err);
  shoal_buf_dispose(&path);
  return st;
}

static shoal_status memory_staging(shoal_store *s, shoal_arena *arena, char **out, shoal_error *err) {
  memory_store *m = (memory_store *)s;
  shoal_mutex_lock(&m->lock);
  shoal_status st = make_folder(m, err);
  shoal_mutex_unlock(&m->lock);
  SHOAL_TRY(st);
  char uuid[SHOAL_UUID_TEXT];
  shoal_os_uuid(uuid);
  char *path = shoal_arena_printf(arena, "%s/%s", m->folder, uuid);
  if (!path)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_os_mkdir(path, err));
  *out = path;
  return SHOAL_OK;
}

static char *memory_local_path(shoal_store *s, shoal_str key, shoal_arena *arena) {
  (void)s, (void)key, (void)arena;
  return NULL;
}

static void memory_free(shoal_store *s) {
  memory_store *m = (memory_store *)s;
  for (size_t i = 0; i < m->objects.len; i++) {
    shoal_free(m->objects.ptr[i].key);
    shoal_free(m->objects.ptr[i].bytes);
  }
  shoal_vec_dispose(&m->objects);
  shoal_status st = m->folder ? shoal_os_remove_tree(m->folder, NULL) : SHOAL_OK;
  (void)st; /* a temporary folder that stays behind harms nobody */
  shoal_free(m->folder);
  shoal_mutex_dispose(&m->lock);
  shoal_free(m);
}

static const shoal_store_ops memory_ops = {
    .name = "memory",
    .get = memory_get,
    .head = memory_head,
    .put_new = memory_put_new,
    .rewrite = memory_rewrite,
    .put_files = memory_put_files,
    .link = memory_link,
    .list = memory_list,
    .del = memory_del,
    .staging = memory_staging,
    .local_path = memory_local_path,
    .free = memory_free,
};

shoal_status shoal_store_open_memory(shoal_store **out, shoal_error *err) {
  *out = NULL;
  memory_store *m = shoal_calloc(1, sizeof *m);
  if (!m)
    return shoal_fail_nomem(err);
  m->base.ops = &memory_ops;
  shoal_mutex_init(&m->lock);
  *out = &m->base;
  return SHOAL_OK;
}
