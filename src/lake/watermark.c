/* SPDX-License-Identifier: Apache-2.0 */
/*
 * projected.json: how far a branch's tables have come. Anybody who projects rewrites it, so it may fall back; it is
 * never ahead, since whoever writes a number has seen all tables at it. It is a hint: missing or broken, it is made
 * anew.
 */
#include "base/str.h"
#include "lake/object.h"
#include "lake/projection.h"

static shoal_status key_of(shoal_str branch, shoal_buf *out, shoal_error *err) {
  SHOAL_TRY(shoal_branch_prefix(branch, out, err));
  shoal_buf_addz(out, "projected.json");
  return shoal_buf_check(out, err);
}

static shoal_status read_pending(yyjson_val *array, const char *key, shoal_arena *arena, shoal_watermark *out,
                                 shoal_error *err) {
  size_t i, n;
  yyjson_val *obj;
  if (!(out->pending = SHOAL_NEW_ARRAY(arena, shoal_pending, yyjson_arr_size(array))))
    return shoal_fail_nomem(err);
  yyjson_arr_foreach(array, i, n, obj) {
    SHOAL_TRY(shoal_json_need_str(obj, "name", key, arena, &out->pending[i].name, err));
    SHOAL_TRY(shoal_json_need_i64(obj, "since", key, &out->pending[i].since, err));
  }
  out->n_pending = yyjson_arr_size(array);
  return SHOAL_OK;
}

shoal_status shoal_watermark_read(shoal_lake *lake, shoal_str branch, shoal_arena *arena, shoal_watermark *out,
                                  shoal_error *err) {
  shoal_buf key = {0};
  yyjson_doc *doc = NULL;
  *out = (shoal_watermark){.publication = -1};
  shoal_status st = key_of(branch, &key, err);
  if (st == SHOAL_OK)
    st = shoal_object_get(lake, shoal_buf_z(&key), &doc, err);
  yyjson_val *root = yyjson_doc_get_root(doc);
  if (st == SHOAL_OK)
    st = shoal_json_need_i64(root, "publication", shoal_buf_z(&key), &out->publication, err);
  if (st == SHOAL_OK)
    st = read_pending(yyjson_obj_get(root, "pending"), shoal_buf_z(&key), arena, out, err);
  yyjson_doc_free(doc);
  shoal_buf_dispose(&key);
  if (st == SHOAL_OK)
    return st;
  *out = (shoal_watermark){.publication = -1};
  return st == SHOAL_ENOTFOUND || st == SHOAL_ECORRUPT ? SHOAL_OK : st;
}

shoal_status shoal_watermark_write(shoal_lake *lake, shoal_str branch, const shoal_watermark *mark, shoal_error *err) {
  shoal_buf key = {0}, text = {0};
  shoal_jw w;
  shoal_object_begin(&w, &text);
  shoal_jw_ki64(&w, "publication", mark->publication);
  shoal_jw_key(&w, "pending");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < mark->n_pending; i++) {
    shoal_jw_obj(&w);
    shoal_jw_kstr(&w, "name", mark->pending[i].name);
    shoal_jw_ki64(&w, "since", mark->pending[i].since);
    shoal_jw_end(&w);
  }
  shoal_jw_end(&w);
  shoal_status st = shoal_object_end(&w, err);
  if (st == SHOAL_OK)
    st = key_of(branch, &key, err);
  if (st == SHOAL_OK)
    st = shoal_store_rewrite(lake->store, shoal_buf_str(&key), shoal_buf_str(&text), err);
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&key);
  return st;
}

shoal_status shoal_projected(shoal_lake *lake, shoal_str branch, int64_t *out, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_watermark mark;
  shoal_status st = shoal_watermark_read(lake, branch, &arena, &mark, err);
  *out = mark.publication;
  for (size_t i = 0; i < mark.n_pending; i++)
    if (mark.pending[i].since - 1 < *out)
      *out = mark.pending[i].since - 1;
  shoal_arena_dispose(&arena);
  return st;
}
