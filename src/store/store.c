/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dispatcher: it checks what callers pass, so that implementations see only legal keys, and adds to errors which
 * operation failed on what. Nobody else touches a store's table of functions.
 *
 * Keys below "_shoal/tmp/" are refused: there the file store keeps what is not an object yet (contract C5).
 */
#include "store/store.h"

#include "base/limits.h"
#include "base/str.h"

static shoal_status bad_key(shoal_str key, const char *why, shoal_error *err) {
  shoal_str shown = shoal_str_sub(key, 0, 200);
  return shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no key of a store: %s", SHOAL_FMT(shown), why);
}

static shoal_status check_segments(shoal_str key, shoal_error *err) {
  shoal_str rest = key, piece;
  while (shoal_str_split(&rest, '/', &piece)) {
    if (piece.len == 0)
      return bad_key(key, "a segment is empty", err);
    if (shoal_str_is(piece, ".") || shoal_str_is(piece, ".."))
      return bad_key(key, "'.' and '..' are no segments", err);
  }
  return SHOAL_OK;
}

shoal_status shoal_store_check_key(shoal_str key, shoal_error *err) {
  if (!key.ptr || key.len == 0)
    return bad_key(key, "it is empty", err);
  if (key.len > SHOAL_MAX_KEY_BYTES)
    return bad_key(key, "it is longer than 1024 bytes", err);
  for (size_t i = 0; i < key.len; i++)
    if ((unsigned char)key.ptr[i] < 0x20 || key.ptr[i] == 0x7f)
      return bad_key(key, "it has a control character", err);
  if (!shoal_str_utf8(key))
    return bad_key(key, "it is no UTF-8", err);
  shoal_str tmp = SHOAL_STR("_shoal/tmp");
  if (shoal_str_starts(key, tmp) && (key.len == tmp.len || key.ptr[tmp.len] == '/'))
    return bad_key(key, "_shoal/tmp is reserved", err);
  return check_segments(key, err);
}

static shoal_status check_prefix(shoal_str prefix, shoal_error *err) {
  if (prefix.len == 0)
    return SHOAL_OK;
  if (prefix.ptr[prefix.len - 1] != '/')
    return bad_key(prefix, "a prefix ends with '/'", err);
  return shoal_store_check_key(shoal_str_sub(prefix, 0, prefix.len - 1), err);
}

void shoal_store_free(shoal_store *s) {
  if (s)
    s->ops->free(s);
}

shoal_status shoal_store_get(shoal_store *s, shoal_str key, shoal_buf *out, shoal_error *err) {
  return shoal_store_get_range(s, key, 0, UINT64_MAX, out, err);
}

shoal_status shoal_store_get_range(shoal_store *s, shoal_str key, uint64_t off, uint64_t len, shoal_buf *out,
                                   shoal_error *err) {
  SHOAL_TRY(shoal_store_check_key(key, err));
  return s->ops->get(s, key, off, len, out, err);
}

static shoal_status get_one(shoal_store *s, shoal_get *get, shoal_buf *buf, shoal_arena *arena, shoal_error *err) {
  shoal_buf_clear(buf);
  get->bytes = SHOAL_STR_NONE;
  get->status = shoal_store_get(s, get->key, buf, NULL);
  if (get->status == SHOAL_OK) {
    get->bytes = shoal_arena_str(arena, shoal_buf_str(buf));
    if (!get->bytes.ptr)
      get->status = SHOAL_ENOMEM;
  }
  return get->status == SHOAL_ENOMEM ? shoal_fail_nomem(err) : SHOAL_OK;
}

shoal_status shoal_store_get_many(shoal_store *s, shoal_get *gets, size_t n, shoal_arena *arena, shoal_error *err) {
  shoal_buf buf = {0};
  shoal_status st = SHOAL_OK;
  for (size_t i = 0; i < n && st == SHOAL_OK; i++)
    st = get_one(s, &gets[i], &buf, arena, err);
  shoal_buf_dispose(&buf);
  return st;
}

shoal_status shoal_store_head(shoal_store *s, shoal_str key, shoal_object *out, shoal_error *err) {
  *out = (shoal_object){0};
  SHOAL_TRY(shoal_store_check_key(key, err));
  return s->ops->head(s, key, out, err);
}

shoal_status shoal_store_put_new(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err) {
  SHOAL_TRY(shoal_store_check_key(key, err));
  return s->ops->put_new(s, key, bytes, err);
}

shoal_status shoal_store_put_brief(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err) {
  SHOAL_TRY(shoal_store_check_key(key, err));
  return s->ops->put_brief ? s->ops->put_brief(s, key, bytes, err) : s->ops->put_new(s, key, bytes, err);
}

shoal_status shoal_store_rewrite(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err) {
  SHOAL_TRY(shoal_store_check_key(key, err));
  return s->ops->rewrite(s, key, bytes, err);
}

shoal_status shoal_store_put_files(shoal_store *s, const shoal_put_file *files, size_t n, shoal_error *err) {
  for (size_t i = 0; i < n; i++)
    SHOAL_TRY(shoal_store_check_key(files[i].key, err));
  return n == 0 ? SHOAL_OK : s->ops->put_files(s, files, n, err);
}

shoal_status shoal_store_link(shoal_store *s, shoal_str from, shoal_str to, shoal_error *err) {
  SHOAL_TRY(shoal_store_check_key(from, err));
  SHOAL_TRY(shoal_store_check_key(to, err));
  return s->ops->link(s, from, to, err);
}

shoal_status shoal_store_list(shoal_store *s, shoal_str prefix, shoal_str after, bool shallow, size_t limit,
                              shoal_arena *arena, shoal_object **out, size_t *n, shoal_error *err) {
  *out = NULL;
  *n = 0;
  SHOAL_TRY(check_prefix(prefix, err));
  return s->ops->list(s, prefix, after, shallow, limit, arena, out, n, err);
}

shoal_status shoal_store_del(shoal_store *s, shoal_str key, shoal_error *err) {
  SHOAL_TRY(shoal_store_check_key(key, err));
  return s->ops->del(s, key, err);
}

shoal_status shoal_store_staging(shoal_store *s, shoal_arena *arena, char **out, shoal_error *err) {
  *out = NULL;
  return s->ops->staging(s, arena, out, err);
}

char *shoal_store_local_path(shoal_store *s, shoal_str key, shoal_arena *arena) {
  if (shoal_store_check_key(key, NULL) < 0)
    return NULL;
  return s->ops->local_path(s, key, arena);
}
