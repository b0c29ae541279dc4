/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traces: "_shoal/traces/<ss>/<key>/<n>.json", n = 1, 2 …, each put if absent. The n-th says under which names a
 * computation of this key was once seen to read. Who looks a computation up tries them in turn; what holds for none is
 * computed. So a trace can cost a look-up but never serve a wrong result.
 */
#include "base/str.h"
#include "lake/object.h"

#define MAX_TRACES 64 /* of one key: what reads other names each time is computed each time */

static shoal_status key_of(const shoal_hash *key, uint32_t n, shoal_buf *out, shoal_error *err) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_hash_hex(key, hex);
  shoal_buf_clear(out);
  shoal_buf_addf(out, "_shoal/traces/%.2s/%s/%u.json", hex, hex, n);
  return shoal_buf_check(out, err);
}

static shoal_status read_names(yyjson_val *array, shoal_arena *arena, shoal_trace *out, shoal_error *err) {
  size_t i, n;
  yyjson_val *name;
  shoal_str *names = SHOAL_NEW_ARRAY(arena, shoal_str, yyjson_arr_size(array));
  if (!names)
    return shoal_fail_nomem(err);
  yyjson_arr_foreach(array, i, n, name) {
    names[i] = shoal_arena_str(arena, shoal_str_n(yyjson_get_str(name), yyjson_get_len(name)));
    if (!names[i].ptr)
      return shoal_fail_nomem(err);
  }
  *out = (shoal_trace){names, yyjson_arr_size(array)};
  return SHOAL_OK;
}

static shoal_status read_trace(shoal_lake *lake, const char *key, shoal_arena *arena, shoal_trace *out,
                               shoal_error *err) {
  yyjson_doc *doc = NULL;
  shoal_status st = shoal_object_get(lake, key, &doc, err);
  if (st == SHOAL_OK)
    st = read_names(yyjson_obj_get(yyjson_doc_get_root(doc), "loads"), arena, out, err);
  yyjson_doc_free(doc);
  return st;
}

shoal_status shoal_traces_read(shoal_lake *lake, const shoal_hash *key, shoal_arena *arena, shoal_trace **out,
                               size_t *n, shoal_error *err) {
  shoal_buf path = {0};
  shoal_status st = SHOAL_OK;
  *n = 0;
  *out = SHOAL_NEW_ARRAY(arena, shoal_trace, MAX_TRACES);
  if (!*out)
    return shoal_fail_nomem(err);
  while (st == SHOAL_OK && *n < MAX_TRACES) {
    st = key_of(key, (uint32_t)*n + 1, &path, err);
    if (st == SHOAL_OK)
      st = read_trace(lake, shoal_buf_z(&path), arena, &(*out)[*n], err);
    *n += st == SHOAL_OK;
  }
  shoal_buf_dispose(&path);
  return st == SHOAL_ENOTFOUND ? SHOAL_OK : st;
}

static bool same(const shoal_trace *a, const shoal_trace *b) {
  bool equal = a->n_names == b->n_names;
  for (size_t i = 0; equal && i < a->n_names; i++)
    equal = shoal_str_eq(a->names[i], b->names[i]);
  return equal;
}

static shoal_status write_trace(const shoal_trace *trace, shoal_buf *out, shoal_error *err) {
  shoal_jw w;
  shoal_object_begin(&w, out);
  shoal_jw_key(&w, "loads");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < trace->n_names; i++)
    shoal_jw_str(&w, trace->names[i]);
  shoal_jw_end(&w);
  return shoal_object_end(&w, err);
}

shoal_status shoal_trace_put(shoal_lake *lake, const shoal_hash *key, const shoal_trace *trace, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_buf text = {0}, path = {0};
  shoal_trace *there;
  size_t n = 0;
  bool found = false;
  shoal_status st = write_trace(trace, &text, err);
  do {
    if (st >= 0 || st == SHOAL_EEXIST)
      st = shoal_traces_read(lake, key, &arena, &there, &n, err);
    for (size_t i = 0; st == SHOAL_OK && i < n && !found; i++)
      found = same(&there[i], trace);
    if (st != SHOAL_OK || found || n == MAX_TRACES)
      break;
    st = key_of(key, (uint32_t)n + 1, &path, err);
    if (st == SHOAL_OK)
      st = shoal_object_put(lake, shoal_buf_z(&path), shoal_buf_str(&text), err);
  } while (st == SHOAL_EEXIST);
  shoal_buf_dispose(&path);
  shoal_buf_dispose(&text);
  shoal_arena_dispose(&arena);
  return st;
}
