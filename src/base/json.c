/* SPDX-License-Identifier: Apache-2.0 */
/* yyjson with our memory, limits and messages, and a streaming writer that needs no tree. */
#include "base/json.h"

#include <math.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"

static void *alc_malloc(void *ctx, size_t size) {
  (void)ctx;
  return shoal_malloc(size);
}
static void *alc_realloc(void *ctx, void *ptr, size_t old, size_t size) {
  (void)ctx;
  (void)old;
  return shoal_realloc(ptr, size);
}
static void alc_free(void *ctx, void *ptr) {
  (void)ctx;
  shoal_free(ptr);
}
static const yyjson_alc allocator = {alc_malloc, alc_realloc, alc_free, NULL};

/* yyjson itself does not recurse; our walkers do, so deep nesting is refused before any of them starts. */
static bool too_deep(shoal_str text, int limit) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    if (in_string) {
      if (c == '\\')
        i++;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > limit)
        return true;
    } else if (c == '}' || c == ']') {
      depth--;
    }
  }
  return false;
}

static shoal_status parse(shoal_str text, const char *name, int depth, yyjson_read_flag flags, yyjson_doc **out,
                          shoal_error *err) {
  *out = NULL;
  if (text.len > SHOAL_MAX_JSON_BYTES)
    return shoal_fail(err, SHOAL_ELIMIT, "%s: larger than %u bytes", name, SHOAL_MAX_JSON_BYTES);
  if (too_deep(text, depth))
    return shoal_fail(err, depth == SHOAL_MAX_TREE_DEPTH ? SHOAL_ELIMIT : SHOAL_ECORRUPT,
                      "%s: nested deeper than %d levels", name, depth);
  yyjson_read_err why;
  yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)(text.ptr ? text.ptr : ""), text.len, flags, &allocator, &why);
  if (!doc && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
    return shoal_fail_nomem(err);
  if (!doc)
    return shoal_fail(err, SHOAL_ECORRUPT, "%s: no valid JSON at byte %zu: %s", name, why.pos, why.msg);
  *out = doc;
  return SHOAL_OK;
}

shoal_status shoal_json_parse(shoal_str text, const char *name, yyjson_doc **out, shoal_error *err) {
  return parse(text, name, SHOAL_MAX_JSON_DEPTH, YYJSON_READ_NOFLAG, out, err);
}
shoal_status shoal_json_parse_raw(shoal_str text, const char *name, yyjson_doc **out, shoal_error *err) {
  return parse(text, name, SHOAL_MAX_JSON_DEPTH, YYJSON_READ_NUMBER_AS_RAW, out, err);
}
shoal_status shoal_json_parse_tree(shoal_str text, const char *name, yyjson_doc **out, shoal_error *err) {
  return parse(text, name, SHOAL_MAX_TREE_DEPTH, YYJSON_READ_NUMBER_AS_RAW | YYJSON_READ_ALLOW_INF_AND_NAN, out, err);
}

shoal_str shoal_json_str(yyjson_val *obj, const char *key) {
  yyjson_val *v = yyjson_obj_get(obj, key);
  return yyjson_is_str(v) ? shoal_str_n(yyjson_get_str(v), yyjson_get_len(v)) : SHOAL_STR_NONE;
}
int64_t shoal_json_i64(yyjson_val *obj, const char *key, int64_t otherwise) {
  yyjson_val *v = yyjson_obj_get(obj, key);
  if (yyjson_is_raw(v)) {
    int64_t n;
    return shoal_str_i64(shoal_str_n(yyjson_get_raw(v), yyjson_get_len(v)), &n) ? n : otherwise;
  }
  if (yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX)
    return otherwise;
  return yyjson_is_int(v) ? yyjson_get_sint(v) : otherwise;
}
bool shoal_json_bool(yyjson_val *obj, const char *key, bool otherwise) {
  yyjson_val *v = yyjson_obj_get(obj, key);
  return yyjson_is_bool(v) ? yyjson_get_bool(v) : otherwise;
}

shoal_status shoal_json_need_str(yyjson_val *obj, const char *key, const char *name, shoal_arena *arena, shoal_str *out,
                                 shoal_error *err) {
  shoal_str s = shoal_json_str(obj, key);
  if (!s.ptr)
    return shoal_fail(err, SHOAL_ECORRUPT, "%s: no text under '%s'", name, key);
  *out = shoal_arena_str(arena, s);
  return out->ptr ? SHOAL_OK : shoal_fail_nomem(err);
}
shoal_status shoal_json_need_i64(yyjson_val *obj, const char *key, const char *name, int64_t *out, shoal_error *err) {
  int64_t a = shoal_json_i64(obj, key, 0), b = shoal_json_i64(obj, key, 1);
  if (a != b)
    return shoal_fail(err, SHOAL_ECORRUPT, "%s: no whole number under '%s'", name, key);
  *out = a;
  return SHOAL_OK;
}

shoal_status shoal_json_write(yyjson_val *val, shoal_buf *out, shoal_error *err) {
  size_t len;
  yyjson_write_err why;
  char *text = yyjson_val_write_opts(val, YYJSON_WRITE_NOFLAG, &allocator, &len, &why);
  if (!text && why.code == YYJSON_WRITE_ERROR_MEMORY_ALLOCATION)
    return shoal_fail_nomem(err);
  if (!text)
    return shoal_fail(err, SHOAL_ECORRUPT, "cannot write a JSON value: %s", why.msg);
  shoal_buf_add(out, shoal_str_n(text, len));
  shoal_free(text);
  return shoal_buf_check(out, err);
}

shoal_status shoal_json_join(shoal_str text, yyjson_val *more, shoal_buf *out, shoal_error *err) {
  text = shoal_str_trim(text);
  shoal_buf_add(out, shoal_str_sub(text, 0, text.len - 1));
  if (yyjson_obj_size(more)) {
    shoal_buf_addc(out, text.len > 2 ? ',' : ' ');
    size_t brace = out->len;
    SHOAL_TRY(shoal_json_write(more, out, err));
    SHOAL_TRY(shoal_buf_check(out, err));
    out->ptr[brace] = ' ';
    return SHOAL_OK;
  }
  shoal_buf_addc(out, '}');
  return shoal_buf_check(out, err);
}

/* --- the writer --- */

static void newline(shoal_jw *w) {
  if (w->indent <= 0)
    return;
  shoal_buf_addc(w->out, '\n');
  for (int i = 0; i < w->depth * w->indent; i++)
    shoal_buf_addc(w->out, ' ');
}
static void before_value(shoal_jw *w) {
  if (w->after_key) {
    w->after_key = false;
    return;
  }
  if (w->need_comma)
    shoal_buf_addc(w->out, ',');
  if (w->depth > 0)
    newline(w);
}
static void after_value(shoal_jw *w) { w->need_comma = true; }

static void open_container(shoal_jw *w, bool array) {
  before_value(w);
  shoal_buf_addc(w->out, array ? '[' : '{');
  w->depth++;
  uint64_t bit = (uint64_t)1 << (w->depth & 63);
  w->arrays = array ? w->arrays | bit : w->arrays & ~bit;
  w->need_comma = false;
}
void shoal_jw_obj(shoal_jw *w) { open_container(w, false); }
void shoal_jw_arr(shoal_jw *w) { open_container(w, true); }
void shoal_jw_end(shoal_jw *w) {
  bool array = w->arrays >> (w->depth & 63) & 1;
  w->depth--;
  if (w->need_comma)
    newline(w);
  shoal_buf_addc(w->out, array ? ']' : '}');
  after_value(w);
}
void shoal_jw_keys(shoal_jw *w, shoal_str key) {
  before_value(w);
  shoal_buf_json_str(w->out, key);
  shoal_buf_addc(w->out, ':');
  if (w->indent > 0)
    shoal_buf_addc(w->out, ' ');
  w->after_key = true;
}
void shoal_jw_key(shoal_jw *w, const char *key) { shoal_jw_keys(w, shoal_str_z(key)); }
void shoal_jw_raw(shoal_jw *w, shoal_str json) {
  before_value(w);
  shoal_buf_add(w->out, json);
  after_value(w);
}
void shoal_jw_null(shoal_jw *w) { shoal_jw_raw(w, SHOAL_STR("null")); }
void shoal_jw_str(shoal_jw *w, shoal_str s) {
  if (!s.ptr) {
    shoal_jw_null(w);
    return;
  }
  before_value(w);
  shoal_buf_json_str(w->out, s);
  after_value(w);
}
void shoal_jw_z(shoal_jw *w, const char *z) { shoal_jw_str(w, shoal_str_z(z)); }
void shoal_jw_i64(shoal_jw *w, int64_t v) {
  char digits[24];
  size_t at = sizeof digits;
  uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
  do
    digits[--at] = (char)('0' + left % 10);
  while (left /= 10);
  if (v < 0)
    digits[--at] = '-';
  before_value(w);
  shoal_buf_add(w->out, shoal_str_n(digits + at, sizeof digits - at));
  after_value(w);
}
void shoal_jw_f64(shoal_jw *w, double v) {
  if (!isfinite(v)) {
    shoal_jw_null(w);
    return;
  }
  before_value(w);
  shoal_buf_addf(w->out, "%.17g", v);
  after_value(w);
}
void shoal_jw_bool(shoal_jw *w, bool v) { shoal_jw_raw(w, v ? SHOAL_STR("true") : SHOAL_STR("false")); }

void shoal_jw_kstr(shoal_jw *w, const char *key, shoal_str s) {
  if (!s.ptr)
    return;
  shoal_jw_key(w, key);
  shoal_jw_str(w, s);
}
void shoal_jw_kz(shoal_jw *w, const char *key, const char *z) { shoal_jw_kstr(w, key, shoal_str_z(z)); }
void shoal_jw_ki64(shoal_jw *w, const char *key, int64_t v) {
  shoal_jw_key(w, key);
  shoal_jw_i64(w, v);
}
void shoal_jw_kbool(shoal_jw *w, const char *key, bool v) {
  shoal_jw_key(w, key);
  shoal_jw_bool(w, v);
}
