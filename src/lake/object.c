/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing the lake's small JSON objects. Fields are written in a fixed order, so that equal content has
 * equal bytes. Readers skip fields they don't know, and refuse an object whose format is higher than theirs: within one
 * format new fields may only say what an older program may ignore.
 */
#include "lake/object.h"

#include "base/str.h"

shoal_status shoal_object_parse(shoal_str text, const char *key, yyjson_doc **out, shoal_error *err) {
  SHOAL_TRY(shoal_json_parse(text, key, out, err));
  yyjson_val *root = yyjson_doc_get_root(*out);
  int64_t format = shoal_json_i64(root, "format", -1);
  if (format == SHOAL_LAKE_FORMAT)
    return SHOAL_OK;
  yyjson_doc_free(*out);
  *out = NULL;
  if (format < 1)
    return shoal_fail(err, SHOAL_ECORRUPT, "%s is no object of a lake: it has no 'format'", key);
  (void)shoal_fail(err, SHOAL_EUNSUPPORTED, "%s has format %lld, this program knows up to %d", key, (long long)format,
                   SHOAL_LAKE_FORMAT);
  shoal_hint(err, "a newer Shoal has written to this lake: update this one");
  return SHOAL_EUNSUPPORTED;
}

shoal_status shoal_object_get(shoal_lake *lake, const char *key, yyjson_doc **out, shoal_error *err) {
  shoal_buf text = {0};
  *out = NULL;
  shoal_status st = shoal_store_get(lake->store, shoal_str_z(key), &text, err);
  if (st == SHOAL_OK)
    st = shoal_object_parse(shoal_buf_str(&text), key, out, err);
  shoal_buf_dispose(&text);
  return st;
}

void shoal_object_begin(shoal_jw *w, shoal_buf *out) {
  *w = (shoal_jw){.out = out};
  shoal_jw_obj(w);
  shoal_jw_ki64(w, "format", SHOAL_LAKE_FORMAT);
}

shoal_status shoal_object_end(shoal_jw *w, shoal_error *err) {
  shoal_jw_end(w);
  shoal_buf_addc(w->out, '\n');
  return shoal_buf_check(w->out, err);
}

static bool holds_bytes(shoal_lake *lake, shoal_str key, shoal_str bytes) {
  shoal_buf text = {0};
  bool same = shoal_store_get(lake->store, key, &text, NULL) == SHOAL_OK && shoal_str_eq(shoal_buf_str(&text), bytes);
  shoal_buf_dispose(&text);
  return same;
}

shoal_status shoal_object_put(shoal_lake *lake, const char *key, shoal_str bytes, shoal_error *err) {
  shoal_status st = shoal_store_put_new(lake->store, shoal_str_z(key), bytes, err);
  if (st != SHOAL_EIO || !holds_bytes(lake, shoal_str_z(key), bytes))
    return st;
  /* Asked once more, the store says that it is there only if it is durable, too (contract C2). */
  return shoal_store_put_new(lake->store, shoal_str_z(key), bytes, NULL) == SHOAL_EEXIST ? SHOAL_OK : st;
}

shoal_status shoal_object_put_brief(shoal_lake *lake, const char *key, shoal_str bytes, shoal_error *err) {
  shoal_status st = shoal_store_put_brief(lake->store, shoal_str_z(key), bytes, err);
  return st == SHOAL_EIO && holds_bytes(lake, shoal_str_z(key), bytes) ? SHOAL_OK : st;
}

void shoal_object_hash(shoal_jw *w, const char *field, const shoal_hash *h) {
  char hex[SHOAL_HASH_HEX + 1];
  if (shoal_hash_zero(h))
    return;
  shoal_hash_hex(h, hex);
  shoal_jw_kz(w, field, hex);
}

shoal_status shoal_object_read_hash(yyjson_val *obj, const char *field, const char *key, shoal_hash *out,
                                    shoal_error *err) {
  shoal_str hex = shoal_json_str(obj, field);
  *out = (shoal_hash){0};
  if (hex.ptr && !shoal_hash_unhex(hex, out))
    return shoal_fail(err, SHOAL_ECORRUPT, "%s: '%s' is no hash", key, field);
  return SHOAL_OK;
}

shoal_status shoal_object_read_str(yyjson_val *obj, const char *field, shoal_arena *arena, shoal_str *out,
                                   shoal_error *err) {
  shoal_str s = shoal_json_str(obj, field);
  *out = shoal_arena_str(arena, s);
  return s.ptr && !out->ptr ? shoal_fail_nomem(err) : SHOAL_OK;
}

/* ---- results ---- */

/* silver.orders lies in silver/orders; the cheap half of shoal_dataset_home. */
static bool home_follows(const shoal_result *r, shoal_str name) {
  if (!name.ptr || r->home.len != name.len)
    return false;
  for (size_t i = 0; i < name.len; i++)
    if (r->home.ptr[i] != (name.ptr[i] == '.' ? '/' : name.ptr[i]))
      return false;
  return true;
}

static shoal_status home_of(shoal_str name, shoal_arena *arena, shoal_str *out, shoal_error *err) {
  char *home = shoal_arena_cstr(arena, name);
  if (!home)
    return shoal_fail_nomem(err);
  for (char *c = home; *c; c++)
    *c = *c == '.' ? '/' : *c;
  *out = shoal_str_n(home, name.len);
  return SHOAL_OK;
}

void shoal_result_write(shoal_jw *w, const shoal_result *r, shoal_str name) {
  shoal_jw_obj(w);
  shoal_object_hash(w, "signature", &r->signature);
  shoal_jw_ki64(w, "generation", r->generation);
  shoal_jw_kstr(w, "attempt", r->attempt);
  if (!name.ptr || !shoal_str_eq(r->dataset, name))
    shoal_jw_kstr(w, "dataset", r->dataset);
  if (!home_follows(r, name))
    shoal_jw_kstr(w, "home", r->home);
  shoal_jw_ki64(w, "rows", (int64_t)r->rows);
  shoal_jw_ki64(w, "bytes", (int64_t)r->bytes);
  shoal_jw_ki64(w, "files", (int64_t)r->n_files);
  shoal_jw_kstr(w, "codec", r->codec);
  shoal_jw_kstr(w, "type", r->type);
  shoal_object_hash(w, r->codec.ptr ? "bytes_hash" : "rows_hash", &r->rows_hash);
  shoal_object_hash(w, "schema_hash", &r->schema_hash);
  shoal_jw_ki64(w, "made_us", r->made_us);
  shoal_jw_ki64(w, "cpu_us", r->cpu_us);
  shoal_jw_ki64(w, "wall_us", r->wall_us);
  shoal_jw_kstr(w, "writer", r->writer);
  shoal_jw_kstr(w, "run", r->run);
  if (r->failed_expectation)
    shoal_jw_kbool(w, "failed_expectation", true);
  shoal_jw_end(w);
}

static shoal_status read_names(yyjson_val *obj, const char *key, shoal_str name, shoal_arena *arena, shoal_result *out,
                               shoal_error *err) {
  SHOAL_TRY(shoal_json_need_str(obj, "attempt", key, arena, &out->attempt, err));
  SHOAL_TRY(shoal_object_read_str(obj, "codec", arena, &out->codec, err));
  SHOAL_TRY(shoal_object_read_str(obj, "type", arena, &out->type, err));
  SHOAL_TRY(shoal_object_read_str(obj, "writer", arena, &out->writer, err));
  SHOAL_TRY(shoal_object_read_str(obj, "run", arena, &out->run, err));
  SHOAL_TRY(shoal_object_read_str(obj, "dataset", arena, &out->dataset, err));
  if (!out->dataset.ptr)
    out->dataset = name;
  SHOAL_TRY(shoal_object_read_str(obj, "home", arena, &out->home, err));
  if (out->home.ptr)
    return SHOAL_OK;
  if (!name.ptr)
    return shoal_fail(err, SHOAL_ECORRUPT, "%s: a result has no 'home'", key);
  return home_of(name, arena, &out->home, err);
}

static shoal_status read_numbers(yyjson_val *obj, const char *key, shoal_result *out, shoal_error *err) {
  int64_t generation, rows, bytes, files;
  SHOAL_TRY(shoal_json_need_i64(obj, "generation", key, &generation, err));
  SHOAL_TRY(shoal_json_need_i64(obj, "rows", key, &rows, err));
  SHOAL_TRY(shoal_json_need_i64(obj, "bytes", key, &bytes, err));
  SHOAL_TRY(shoal_json_need_i64(obj, "files", key, &files, err));
  if (generation < 1 || generation > UINT32_MAX || rows < 0 || bytes < 0 || files < 0)
    return shoal_fail(err, SHOAL_ECORRUPT, "%s: a result's number is out of range", key);
  out->generation = (uint32_t)generation;
  out->rows = (uint64_t)rows;
  out->bytes = (uint64_t)bytes;
  out->n_files = (uint64_t)files;
  out->made_us = shoal_json_i64(obj, "made_us", 0);
  out->cpu_us = shoal_json_i64(obj, "cpu_us", 0);
  out->wall_us = shoal_json_i64(obj, "wall_us", 0);
  out->failed_expectation = shoal_json_bool(obj, "failed_expectation", false);
  return SHOAL_OK;
}

shoal_status shoal_result_read(yyjson_val *obj, const char *key, shoal_str name, shoal_arena *arena, shoal_result *out,
                               shoal_error *err) {
  *out = (shoal_result){0};
  if (!yyjson_is_obj(obj))
    return shoal_fail(err, SHOAL_ECORRUPT, "%s: there is no 'result'", key);
  SHOAL_TRY(shoal_object_read_hash(obj, "signature", key, &out->signature, err));
  if (shoal_hash_zero(&out->signature))
    return shoal_fail(err, SHOAL_ECORRUPT, "%s: a result has no 'signature'", key);
  const char *content = yyjson_obj_get(obj, "codec") ? "bytes_hash" : "rows_hash";
  SHOAL_TRY(shoal_object_read_hash(obj, content, key, &out->rows_hash, err));
  SHOAL_TRY(shoal_object_read_hash(obj, "schema_hash", key, &out->schema_hash, err));
  SHOAL_TRY(read_numbers(obj, key, out, err));
  return read_names(obj, key, name, arena, out, err);
}

shoal_status shoal_result_copy(const shoal_result *r, shoal_arena *arena, shoal_result *out, shoal_error *err) {
  *out = *r;
  shoal_str *texts[] = {&out->attempt, &out->home, &out->dataset, &out->codec, &out->type, &out->writer, &out->run};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    bool had = texts[i]->ptr != NULL;
    *texts[i] = shoal_arena_str(arena, *texts[i]);
    if (had && !texts[i]->ptr)
      return shoal_fail_nomem(err);
  }
  return SHOAL_OK;
}

void shoal_result_folder(shoal_buf *out, const shoal_result *r) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_hash_hex(&r->signature, hex);
  shoal_buf_addf(out, "%.*s/_shoal/%s/%.*s", SHOAL_FMT(r->home), hex, SHOAL_FMT(r->attempt));
}

shoal_delta_table shoal_lake_table(const shoal_lake *lake, shoal_str prefix) {
  return (shoal_delta_table){
      .store = lake->store, .prefix = prefix, .get_engine = lake->get_engine, .engine_arg = lake->engine_arg};
}

/* ---- sources' pins ---- */

void shoal_pins_write(shoal_jw *w, const shoal_source_pin *pins, size_t n) {
  shoal_jw_arr(w);
  for (size_t i = 0; i < n; i++) {
    shoal_jw_obj(w);
    shoal_jw_kstr(w, "name", pins[i].name);
    shoal_jw_kstr(w, "table_id", pins[i].table_id);
    shoal_jw_ki64(w, "version", pins[i].version);
    shoal_object_hash(w, "hash", &pins[i].hash);
    shoal_jw_end(w);
  }
  shoal_jw_end(w);
}

shoal_status shoal_pins_read(yyjson_val *array, const char *key, shoal_arena *arena, shoal_source_pin **out, size_t *n,
                             shoal_error *err) {
  size_t i, count;
  yyjson_val *pin;
  *n = 0;
  if (!(*out = SHOAL_NEW_ARRAY(arena, shoal_source_pin, yyjson_arr_size(array))))
    return shoal_fail_nomem(err);
  yyjson_arr_foreach(array, i, count, pin) {
    shoal_source_pin *p = &(*out)[i];
    SHOAL_TRY(shoal_json_need_str(pin, "name", key, arena, &p->name, err));
    SHOAL_TRY(shoal_object_read_str(pin, "table_id", arena, &p->table_id, err));
    SHOAL_TRY(shoal_json_need_i64(pin, "version", key, &p->version, err));
    SHOAL_TRY(shoal_object_read_hash(pin, "hash", key, &p->hash, err));
  }
  *n = yyjson_arr_size(array);
  return SHOAL_OK;
}
