/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why the code of a Python model is another: its provenance lists what the function reached, what is reached first,
 * each with its key. The first piece whose key and text both differ is what was edited.
 */
#include "base/json.h"
#include "base/str.h"
#include "session/session.h"

static bool next_line(shoal_str *rest, shoal_str *line, int *number) {
  while (rest->len && shoal_str_split(rest, '\n', line)) {
    ++*number;
    shoal_str bare = shoal_str_trim(*line);
    if (bare.len && bare.ptr[0] != '#')
      return true;
  }
  *line = SHOAL_STR("");
  return false;
}

/* The first lines that differ otherwise than in space and comments; false: none. *at counts from 1. */
static bool first_difference(shoal_str before, shoal_str after, shoal_str *a, shoal_str *b, int *at) {
  int ignored = 0;
  *at = 0;
  for (;;) {
    bool more_a = next_line(&before, a, &ignored), more_b = next_line(&after, b, at);
    if (!shoal_str_eq(shoal_str_trim(*a), shoal_str_trim(*b)))
      return true;
    if (!more_a && !more_b)
      return false;
  }
}

static yyjson_val *named(yyjson_val *array, yyjson_val *like) {
  size_t i, n;
  yyjson_val *v;
  yyjson_arr_foreach(array, i, n,
                     v) if (shoal_str_eq(shoal_json_str(v, "name"), shoal_json_str(like, "name")) &&
                            shoal_str_eq(shoal_json_str(v, "kind"), shoal_json_str(like, "kind"))) return v;
  return NULL;
}

static shoal_str trimmed(shoal_arena *arena, shoal_str s) { return shoal_arena_str(arena, shoal_str_trim(s)); }

static bool text_differs(yyjson_val *old, yyjson_val *now, shoal_arena *arena, shoal_why *out) {
  shoal_str a, b;
  int at;
  if (!first_difference(shoal_json_str(old, "text"), shoal_json_str(now, "text"), &a, &b, &at))
    return false;
  *out = (shoal_why){.kind = SHOAL_WHY_CODE,
                     .what = shoal_arena_str(arena, shoal_json_str(now, "name")),
                     .path = shoal_arena_str(arena, shoal_json_str(now, "path")),
                     .line = (int)shoal_json_i64(now, "line", 1) + at - 1,
                     .before = trimmed(arena, a),
                     .after = trimmed(arena, b)};
  return true;
}

static bool function_differs(yyjson_val *before, yyjson_val *after, shoal_arena *arena, shoal_why *out) {
  yyjson_val *old = yyjson_obj_get(before, "functions"), *v, *first = NULL;
  size_t i, n;
  yyjson_arr_foreach(yyjson_obj_get(after, "functions"), i, n, v) {
    yyjson_val *was = named(old, v);
    if (was && shoal_str_eq(shoal_json_str(was, "key"), shoal_json_str(v, "key")))
      continue;
    first = first ? first : v;
    if (text_differs(was, v, arena, out))
      return true;
  }
  if (!first)
    return false;
  *out = (shoal_why){.kind = SHOAL_WHY_CODE,
                     .what = shoal_arena_str(arena, shoal_json_str(first, "name")),
                     .path = shoal_arena_str(arena, shoal_json_str(first, "path")),
                     .line = (int)shoal_json_i64(first, "line", 1)};
  return true;
}

static bool package_differs(yyjson_val *before, yyjson_val *after, shoal_arena *arena, shoal_why *out) {
  yyjson_val *old = yyjson_obj_get(before, "packages"), *v;
  size_t i, n;
  yyjson_arr_foreach(yyjson_obj_get(after, "packages"), i, n, v) {
    yyjson_val *was = named(old, v);
    if (!was || shoal_str_eq(shoal_json_str(was, "version"), shoal_json_str(v, "version")))
      continue;
    *out = (shoal_why){.kind = SHOAL_WHY_PACKAGE,
                       .what = shoal_arena_str(arena, shoal_json_str(v, "name")),
                       .before = shoal_arena_str(arena, shoal_json_str(was, "version")),
                       .after = shoal_arena_str(arena, shoal_json_str(v, "version"))};
    return true;
  }
  return false;
}

static bool variable_differs(yyjson_val *before, yyjson_val *after, shoal_arena *arena, shoal_why *out) {
  yyjson_val *old = yyjson_obj_get(before, "env"), *v;
  size_t i, n;
  yyjson_arr_foreach(yyjson_obj_get(after, "env"), i, n, v) {
    yyjson_val *was = named(old, v);
    if (!was || shoal_str_eq(shoal_json_str(was, "key"), shoal_json_str(v, "key")))
      continue;
    *out = (shoal_why){.kind = SHOAL_WHY_ENV_VARIABLE, .what = shoal_arena_str(arena, shoal_json_str(v, "name"))};
    return true;
  }
  return false;
}

/* A file of which there is nothing has no key. */
static bool file_differs(yyjson_val *before, yyjson_val *after, shoal_arena *arena, shoal_why *out) {
  yyjson_val *old = yyjson_obj_get(before, "data_files"), *v;
  size_t i, n;
  yyjson_arr_foreach(yyjson_obj_get(after, "data_files"), i, n, v) {
    yyjson_val *was = named(old, v);
    shoal_str x = shoal_json_str(was, "key"), y = shoal_json_str(v, "key");
    if (!was || (!x.ptr && !y.ptr) || (x.ptr && y.ptr && shoal_str_eq(x, y)))
      continue;
    *out = (shoal_why){.kind = SHOAL_WHY_FILE,
                       .what = shoal_arena_str(arena, shoal_json_str(v, "name")),
                       .after = shoal_str_z(!x.ptr   ? "is new"
                                            : !y.ptr ? "is gone"
                                                     : "changed")};
    return true;
  }
  return false;
}

bool shoal_why_python_reads(yyjson_val *before, yyjson_val *after, shoal_arena *arena, shoal_why *out) {
  return variable_differs(before, after, arena, out) || file_differs(before, after, arena, out);
}

static bool layout_differs(yyjson_val *before, yyjson_val *after) {
  shoal_str was = shoal_json_str(before, "layout"), now = shoal_json_str(after, "layout");
  return was.ptr && now.ptr && !shoal_str_eq(was, now);
}

bool shoal_why_is_python(yyjson_val *before, yyjson_val *after, bool *same) {
  yyjson_val *was = yyjson_obj_get(before, "python"), *now = yyjson_obj_get(after, "python");
  *same = shoal_str_eq(shoal_json_str(before, "code"), shoal_json_str(after, "code")) &&
          shoal_str_eq(shoal_json_str(before, "arguments"), shoal_json_str(after, "arguments")) &&
          shoal_str_eq(shoal_json_str(was, "version"), shoal_json_str(now, "version"));
  return now != NULL;
}

void shoal_why_python(yyjson_val *before, yyjson_val *after, shoal_arena *arena, shoal_why *out) {
  shoal_str was = shoal_json_str(yyjson_obj_get(before, "python"), "version");
  shoal_str now = shoal_json_str(yyjson_obj_get(after, "python"), "version");
  *out = (shoal_why){.kind = SHOAL_WHY_CODE,
                     .path = shoal_arena_str(arena, shoal_json_str(after, "path")),
                     .line = (int)shoal_json_i64(after, "first_line", 1)};
  if (was.ptr && !shoal_str_eq(was, now))
    *out = (shoal_why){.kind = SHOAL_WHY_PACKAGE,
                       .what = SHOAL_STR("python"),
                       .before = shoal_arena_str(arena, was),
                       .after = shoal_arena_str(arena, now)};
  else if (was.ptr && !package_differs(before, after, arena, out) &&
           !shoal_why_python_reads(before, after, arena, out) && !function_differs(before, after, arena, out) &&
           layout_differs(before, after))
    out->kind = SHOAL_WHY_LAYOUT;
}
