/* SPDX-License-Identifier: Apache-2.0 */
/* A lake as a whole: format.json, which makes a store a lake and never changes. */
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "lake/object.h"

#define FORMAT_KEY "_shoal/format.json"
#define TRUSTED_KEY "_shoal/trusted.json"
#define DAY_US (24 * 3600 * 1000000LL)
#define DEFAULT_RETENTION_US (30 * DAY_US)

static shoal_status read_protected(shoal_lake *lake, yyjson_val *array, shoal_error *err) {
  size_t i, n;
  yyjson_val *v;
  shoal_str *names = SHOAL_NEW_ARRAY(&lake->arena, shoal_str, yyjson_arr_size(array));
  if (!names)
    return shoal_fail_nomem(err);
  yyjson_arr_foreach(array, i, n, v) {
    if (!yyjson_is_str(v))
      return shoal_fail(err, SHOAL_ECORRUPT, FORMAT_KEY ": 'protected' holds no names");
    names[i] = shoal_arena_str(&lake->arena, shoal_str_n(yyjson_get_str(v), yyjson_get_len(v)));
    if (!names[i].ptr)
      return shoal_fail_nomem(err);
  }
  lake->protected_branches = names;
  lake->n_protected = yyjson_arr_size(array);
  return SHOAL_OK;
}

static shoal_status read_format(shoal_lake *lake, shoal_error *err) {
  yyjson_doc *doc = NULL;
  SHOAL_TRY(shoal_object_get(lake, FORMAT_KEY, &doc, err));
  yyjson_val *root = yyjson_doc_get_root(doc);
  shoal_status st = shoal_json_need_str(root, "id", FORMAT_KEY, &lake->arena, &lake->id, err);
  if (st == SHOAL_OK)
    st = shoal_json_need_str(root, "trunk", FORMAT_KEY, &lake->arena, &lake->trunk, err);
  if (st == SHOAL_OK)
    st = shoal_json_need_i64(root, "retention_us", FORMAT_KEY, &lake->retention_us, err);
  if (st == SHOAL_OK)
    st = read_protected(lake, yyjson_obj_get(root, "protected"), err);
  yyjson_doc_free(doc);
  return st;
}

/* No format.json: no lake, unless there are branches, which only a lake has. Then the object was lost, and a new one
   would give the old branches another lake's name. Whoever makes a lake puts format.json before the first branch. */
static shoal_status absent_or_damaged(shoal_store *store, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_error ignored;
  shoal_object *found, format;
  size_t n = 0;
  shoal_status st =
      shoal_store_list(store, SHOAL_STR("_shoal/branches/"), SHOAL_STR_NONE, false, 1, &arena, &found, &n, err);
  shoal_arena_dispose(&arena);
  SHOAL_TRY(st);
  if (n == 0)
    return shoal_fail(err, SHOAL_ENOTFOUND, "there is no lake here: no " FORMAT_KEY);
  if (shoal_store_head(store, SHOAL_STR(FORMAT_KEY), &format, &ignored) >= 0)
    return SHOAL_DONE; /* somebody has just made it */
  (void)shoal_fail(err, SHOAL_ECORRUPT, "the lake is damaged: it has branches, and no " FORMAT_KEY);
  shoal_hint(err, "bring that one file back from a copy of the lake; nothing has been changed");
  return SHOAL_ECORRUPT;
}

shoal_status shoal_lake_open(shoal_store *store, shoal_lake **out, shoal_error *err) {
  *out = NULL;
  shoal_lake *lake = shoal_calloc(1, sizeof *lake);
  if (!lake)
    return shoal_fail_nomem(err);
  lake->store = store;
  lake->pid = shoal_os_pid();
  shoal_os_process_token(lake->process);
  shoal_status st = read_format(lake, err);
  if (st == SHOAL_ENOTFOUND && (st = absent_or_damaged(store, err)) == SHOAL_DONE)
    st = read_format(lake, err);
  if (st < 0)
    shoal_lake_free(lake);
  else
    *out = lake;
  return st;
}

void shoal_lake_process(const shoal_lake *lake, char out[SHOAL_PROCESS_TOKEN]) {
  if (lake->pid == shoal_os_pid())
    memcpy(out, lake->process, SHOAL_PROCESS_TOKEN);
  else
    shoal_os_process_token(out);
}

static shoal_status write_format(shoal_str trunk, const shoal_lake_options *options, shoal_buf *out, shoal_error *err) {
  char id[SHOAL_UUID_TEXT];
  shoal_jw w;
  shoal_os_uuid(id);
  shoal_object_begin(&w, out);
  shoal_jw_kz(&w, "id", id);
  shoal_jw_kstr(&w, "trunk", trunk);
  shoal_jw_key(&w, "protected");
  shoal_jw_arr(&w);
  if (options->protect_trunk)
    shoal_jw_str(&w, trunk);
  shoal_jw_end(&w);
  shoal_jw_ki64(&w, "retention_us", options->retention_us > 0 ? options->retention_us : DEFAULT_RETENTION_US);
  shoal_jw_ki64(&w, "created_us", shoal_time_now());
  return shoal_object_end(&w, err);
}

shoal_status shoal_lake_create(shoal_store *store, const shoal_lake_options *options, shoal_lake **out,
                               shoal_error *err) {
  shoal_buf text = {0}, folder = {0};
  shoal_lake bare = {.store = store};
  shoal_str trunk = options->trunk.ptr ? options->trunk : SHOAL_STR("main");
  *out = NULL;
  shoal_status st = shoal_lake_open(store, out, err);
  if (st != SHOAL_ENOTFOUND)
    return st;
  st = shoal_branch_prefix(trunk, &folder, err);
  if (st == SHOAL_OK)
    st = write_format(trunk, options, &text, err);
  if (st == SHOAL_OK)
    st = shoal_object_put(&bare, FORMAT_KEY, shoal_buf_str(&text), err);
  shoal_buf_dispose(&folder);
  shoal_buf_dispose(&text);
  return st == SHOAL_OK || st == SHOAL_EEXIST ? shoal_lake_open(store, out, err) : st;
}

shoal_status shoal_lake_trusted(shoal_lake *lake, bool *out, shoal_error *err) {
  yyjson_doc *doc = NULL;
  shoal_status st = shoal_object_get(lake, TRUSTED_KEY, &doc, err);
  *out = st == SHOAL_OK;
  yyjson_doc_free(doc);
  return st == SHOAL_ENOTFOUND ? SHOAL_OK : st;
}

shoal_status shoal_lake_trust(shoal_lake *lake, shoal_str who, shoal_error *err) {
  shoal_buf text = {0};
  shoal_jw w;
  shoal_object_begin(&w, &text);
  shoal_jw_kstr(&w, "who", who);
  shoal_jw_ki64(&w, "time_us", shoal_time_now());
  shoal_status st = shoal_object_end(&w, err);
  if (st == SHOAL_OK)
    st = shoal_object_put(lake, TRUSTED_KEY, shoal_buf_str(&text), err);
  shoal_buf_dispose(&text);
  return st == SHOAL_EEXIST ? SHOAL_OK : st;
}

void shoal_lake_free(shoal_lake *lake) {
  if (!lake)
    return;
  shoal_arena_dispose(&lake->arena);
  shoal_free(lake);
}
