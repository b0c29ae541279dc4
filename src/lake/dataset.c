/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of datasets: where each has its home, and which project owns it. A home is made of exactly two segments, so no
 * home lies inside another, and no name can reach the lake's own folders.
 */
#include "base/limits.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "lake/object.h"

/* Folders that mean something inside a lake or a Delta table. */
static bool reserved(shoal_str segment) {
  static const char *const names[] = {"_shoal", "_branches", "_delta_log", "_delta_index", "_change_data"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (shoal_str_is(segment, names[i]))
      return true;
  return false;
}

static bool good_segment(shoal_str s) {
  if (s.len == 0 || s.len > SHOAL_MAX_NAME_BYTES || reserved(s))
    return false;
  for (size_t i = 0; i < s.len; i++) {
    char c = s.ptr[i];
    bool letter = (c >= 'a' && c <= 'z') || c == '_';
    if (!letter && !(i > 0 && c >= '0' && c <= '9'))
      return false;
  }
  return true;
}

shoal_status shoal_dataset_home(shoal_str name, shoal_buf *out, shoal_error *err) {
  ptrdiff_t dot = shoal_str_chr(name, '.');
  shoal_str schema = shoal_str_sub(name, 0, dot < 0 ? 0 : (size_t)dot);
  shoal_str table = dot < 0 ? SHOAL_STR_NONE : shoal_str_sub(name, (size_t)dot + 1, name.len);
  if (!good_segment(schema) || !good_segment(table)) {
    (void)shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no dataset's name", SHOAL_FMT(name));
    shoal_hint(err, "names are schema.name, each of a-z, 0-9 and _, not starting with a digit");
    return SHOAL_EINVAL;
  }
  shoal_buf_addf(out, "%.*s/%.*s", SHOAL_FMT(schema), SHOAL_FMT(table));
  return shoal_buf_check(out, err);
}

static shoal_status check_owner(shoal_str project, shoal_str name, shoal_str text, const char *key, shoal_error *err) {
  yyjson_doc *doc = NULL;
  SHOAL_TRY(shoal_object_parse(text, key, &doc, err));
  shoal_str owner = shoal_json_str(yyjson_doc_get_root(doc), "project");
  shoal_status st = SHOAL_OK;
  if (!owner.ptr) {
    st = shoal_fail(err, SHOAL_ECORRUPT, "%s: no text under 'project'", key);
  } else if (!shoal_str_eq(owner, project)) {
    st = shoal_fail(err, SHOAL_ECONFLICT, "the dataset %.*s belongs to the project %.*s", SHOAL_FMT(name),
                    SHOAL_FMT(owner));
    shoal_hint(err, "give this project's dataset another name, or this project a lake of its own");
  }
  yyjson_doc_free(doc);
  return st;
}

static char *key_of(shoal_arena *arena, shoal_str name) {
  return shoal_arena_printf(arena, "_shoal/datasets/%.*s.json", SHOAL_FMT(name));
}

static shoal_status put_owner(shoal_lake *lake, shoal_str project, shoal_str name, const char *key, shoal_error *err) {
  shoal_buf text = {0}, home = {0};
  shoal_jw w;
  shoal_status st = shoal_dataset_home(name, &home, err);
  shoal_object_begin(&w, &text);
  shoal_jw_kstr(&w, "name", name);
  shoal_jw_kstr(&w, "home", shoal_buf_str(&home));
  shoal_jw_kstr(&w, "project", project);
  shoal_jw_ki64(&w, "time_us", shoal_time_now());
  if (st == SHOAL_OK)
    st = shoal_object_end(&w, err);
  if (st == SHOAL_OK)
    st = shoal_object_put(lake, key, shoal_buf_str(&text), err);
  if (st == SHOAL_EEXIST) {
    shoal_buf_clear(&text);
    st = shoal_store_get(lake->store, shoal_str_z(key), &text, err);
    if (st == SHOAL_OK)
      st = check_owner(project, name, shoal_buf_str(&text), key, err);
  }
  shoal_buf_dispose(&home);
  shoal_buf_dispose(&text);
  return st;
}

static shoal_status check_all(shoal_lake *lake, shoal_str project, const shoal_str *names, size_t n, bool *claimed,
                              shoal_arena *arena, shoal_error *err) {
  shoal_get *gets = SHOAL_NEW_ARRAY(arena, shoal_get, n);
  if (!gets)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++) {
    char *key = key_of(arena, names[i]);
    if (!key)
      return shoal_fail_nomem(err);
    gets[i].key = shoal_str_z(key);
  }
  SHOAL_TRY(shoal_store_get_many(lake->store, gets, n, arena, err));
  for (size_t i = 0; i < n; i++) {
    claimed[i] = gets[i].status == SHOAL_OK;
    if (claimed[i])
      SHOAL_TRY(check_owner(project, names[i], gets[i].bytes, gets[i].key.ptr, err));
    else if (gets[i].status != SHOAL_ENOTFOUND)
      return shoal_fail(err, gets[i].status, "cannot read %s", gets[i].key.ptr);
  }
  return SHOAL_OK;
}

shoal_status shoal_datasets_check(shoal_lake *lake, shoal_str project, const shoal_str *names, size_t n, bool *claimed,
                                  shoal_error *err) {
  shoal_arena arena = {0};
  shoal_status st = check_all(lake, project, names, n, claimed, &arena, err);
  shoal_arena_dispose(&arena);
  return st;
}

shoal_status shoal_dataset_claim(shoal_lake *lake, shoal_str project, shoal_str name, shoal_error *err) {
  shoal_arena arena = {0};
  char *key = key_of(&arena, name);
  shoal_status st = key ? put_owner(lake, project, name, key, err) : shoal_fail_nomem(err);
  shoal_arena_dispose(&arena);
  return st;
}

shoal_status shoal_dataset_owner(shoal_lake *lake, shoal_str name, shoal_arena *arena, shoal_str *out,
                                 shoal_error *err) {
  yyjson_doc *doc = NULL;
  *out = SHOAL_STR_NONE;
  char *key = key_of(arena, name);
  if (!key)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_object_get(lake, key, &doc, err));
  shoal_status st = shoal_json_need_str(yyjson_doc_get_root(doc), "project", key, arena, out, err);
  yyjson_doc_free(doc);
  return st;
}
