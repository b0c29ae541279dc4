/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON by yyjson, which callers use directly for reading (yyjson_obj_get …); this adds what yyjson can't know:
 * a name for messages, a depth limit, fields that must be there, and memory from base/mem.h so that its failures
 * are testable.
 */
#ifndef SHOAL_BASE_JSON_H
#define SHOAL_BASE_JSON_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "shoal/error.h"
#include "shoal/str.h"

/* Parses the whole text; `name` stands in messages. *out is freed with yyjson_doc_free. SHOAL_ECORRUPT if it is no
   JSON, nests deeper than SHOAL_MAX_JSON_DEPTH, or (with `object`) is no object. Big numbers are kept as raw text only
   by shoal_json_parse_raw (Delta's decimals). */
SHOAL_MUST_USE shoal_status shoal_json_parse(shoal_str text, const char *name, yyjson_doc **out, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_json_parse_raw(shoal_str text, const char *name, yyjson_doc **out, shoal_error *err);
/* As _raw, for the engine's parse trees: SHOAL_ELIMIT beyond SHOAL_MAX_TREE_DEPTH, which recursive walkers must bear.
 */
SHOAL_MUST_USE shoal_status shoal_json_parse_tree(shoal_str text, const char *name, yyjson_doc **out, shoal_error *err);

/* The value of a string field; {NULL,0} when absent or null. A view into the document. */
shoal_str shoal_json_str(yyjson_val *obj, const char *key);
int64_t shoal_json_i64(yyjson_val *obj, const char *key, int64_t otherwise);
bool shoal_json_bool(yyjson_val *obj, const char *key, bool otherwise);
/* Copied into the arena. SHOAL_ECORRUPT when absent or of another type. */
SHOAL_MUST_USE shoal_status shoal_json_need_str(yyjson_val *obj, const char *key, const char *name, shoal_arena *arena,
                                                shoal_str *out, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_json_need_i64(yyjson_val *obj, const char *key, const char *name, int64_t *out,
                                                shoal_error *err);

/* Appends a value as compact JSON. */
SHOAL_MUST_USE shoal_status shoal_json_write(yyjson_val *val, shoal_buf *out, shoal_error *err);

/* Appends the object `text` with the fields of `more` behind its own. */
SHOAL_MUST_USE shoal_status shoal_json_join(shoal_str text, yyjson_val *more, shoal_buf *out, shoal_error *err);

/*
 * A streaming writer: keys in the order written, commas by itself. Pretty when `indent` > 0.
 * Usage: shoal_jw w = {.out = &buf}; shoal_jw_obj(&w); shoal_jw_key(&w, "a"); shoal_jw_i64(&w, 1); shoal_jw_end(&w);
 * Errors are the buffer's.
 */
typedef struct shoal_jw {
  shoal_buf *out;
  int indent, depth;
  bool need_comma, after_key;
  uint64_t arrays; /* bit d: the container at depth d is an array; nesting is limited to 60 */
} shoal_jw;
void shoal_jw_obj(shoal_jw *w);
void shoal_jw_arr(shoal_jw *w);
void shoal_jw_end(shoal_jw *w); /* closes the innermost object or array */
void shoal_jw_key(shoal_jw *w, const char *key);
void shoal_jw_keys(shoal_jw *w, shoal_str key);
void shoal_jw_str(shoal_jw *w, shoal_str s); /* {NULL,0} writes null */
void shoal_jw_z(shoal_jw *w, const char *z);
void shoal_jw_i64(shoal_jw *w, int64_t v);
void shoal_jw_f64(shoal_jw *w, double v); /* NaN and Inf write null */
void shoal_jw_bool(shoal_jw *w, bool v);
void shoal_jw_null(shoal_jw *w);
void shoal_jw_raw(shoal_jw *w, shoal_str json); /* text that is JSON already */
/* key and value in one; a {NULL,0} string writes nothing at all. */
void shoal_jw_kstr(shoal_jw *w, const char *key, shoal_str s);
void shoal_jw_kz(shoal_jw *w, const char *key, const char *z);
void shoal_jw_ki64(shoal_jw *w, const char *key, int64_t v);
void shoal_jw_kbool(shoal_jw *w, const char *key, bool v);

#endif
