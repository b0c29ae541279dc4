/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths of add and remove are URIs relative to the table (protocol, "Add File and Remove File"): what is no plain ASCII
 * is percent-encoded. A path from a foreign log is hostile until shown otherwise: it must not lead out of the table.
 */
#include <string.h>

#include "delta/delta_internal.h"

/* Unreserved characters, the separator, and the '=' that partition folders are full of. */
static bool plain(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '~' || c == '/' || c == '=';
}

void shoal_delta_path_encode(shoal_buf *out, shoal_str path) {
  for (size_t i = 0; i < path.len; i++) {
    unsigned char c = (unsigned char)path.ptr[i];
    if (plain(c))
      shoal_buf_addc(out, (char)c);
    else
      shoal_buf_addf(out, "%%%02X", c);
  }
}

shoal_str shoal_delta_path_key(shoal_str path) {
  static const shoal_str local[] = {{"file:///", 8}, {"file:/", 6}};
  for (size_t i = 0; i < 2; i++)
    if (shoal_str_starts(path, local[i]))
      return shoal_str_sub(path, local[i].len - 1, path.len);
  return path;
}

bool shoal_delta_path_is_plain(shoal_str path) {
  for (size_t i = 0; i < path.len; i++) {
    char c = path.ptr[i];
    if (!plain((unsigned char)c) || ((i == 0 || path.ptr[i - 1] == '/') && (c == '/' || c == '.')))
      return false;
  }
  return path.len > 0;
}

static int hex(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "s3:", "file:": letters, digits, '+', '-', '.' up to a colon in the first segment. */
static bool has_scheme(shoal_str path) {
  for (size_t i = 0; i < path.len; i++) {
    char c = path.ptr[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (c == ':')
      return i > 0;
    if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
      return false;
  }
  return false;
}

static shoal_status decode(shoal_str path, shoal_buf *out, shoal_error *err) {
  for (size_t i = 0; i < path.len; i++) {
    char c = path.ptr[i];
    if (c == '%') {
      int high = path.len - i > 2 ? hex(path.ptr[i + 1]) : -1, low = path.len - i > 2 ? hex(path.ptr[i + 2]) : -1;
      if (high < 0 || low < 0)
        return shoal_fail(err, SHOAL_ECORRUPT, "'%.*s' is no path of a table's file: '%%' without two hex digits",
                          SHOAL_FMT(path));
      c = (char)(high * 16 + low);
      i += 2;
    }
    if (c == '\0')
      return shoal_fail(err, SHOAL_ECORRUPT, "'%.*s' is no path of a table's file: it has a NUL", SHOAL_FMT(path));
    shoal_buf_addc(out, c);
  }
  return shoal_buf_check(out, err);
}

static bool leaves_table(shoal_str path) {
  shoal_str rest = path, piece;
  if (path.ptr[0] == '/')
    return true;
  while (shoal_str_split(&rest, '/', &piece)) {
    if (shoal_str_is(piece, ".."))
      return true;
  }
  return false;
}

static shoal_status outside(shoal_str path, shoal_error *err) {
  shoal_status status = shoal_fail(err, SHOAL_EUNSUPPORTED, "'%.*s' lies outside the table", SHOAL_FMT(path));
  shoal_hint(err, "a shallow clone has its files elsewhere: name it among the sources of shoal.yaml with clone_of: and "
                  "the folder that they lie in");
  return status;
}

shoal_status shoal_delta_path_decode(shoal_str path, shoal_buf *out, shoal_error *err) {
  size_t start = out->len;
  if (path.len == 0)
    return shoal_fail(err, SHOAL_ECORRUPT, "a file of the table has an empty path");
  SHOAL_TRY(decode(path, out, err));
  if (has_scheme(path) || leaves_table(shoal_str_n(out->ptr + start, out->len - start)))
    return outside(path, err);
  return SHOAL_OK;
}

/* Cuts "file:", "file://" and "file://localhost" off. */
static shoal_status cut_scheme(shoal_str *path, shoal_error *err) {
  shoal_str whole = *path;
  if (!has_scheme(*path))
    return SHOAL_OK;
  if (!shoal_str_starts(*path, SHOAL_STR("file:/")))
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "'%.*s' lies in another store than its table", SHOAL_FMT(whole));
  *path = shoal_str_sub(*path, SHOAL_STR("file:").len, path->len);
  if (!shoal_str_starts(*path, SHOAL_STR("//")))
    return SHOAL_OK;
  *path = shoal_str_sub(*path, 2, path->len);
  if (shoal_str_starts(*path, SHOAL_STR("localhost/")))
    *path = shoal_str_sub(*path, SHOAL_STR("localhost").len, path->len);
  if (path->len && path->ptr[0] == '/')
    return SHOAL_OK;
  return shoal_fail(err, SHOAL_EUNSUPPORTED, "'%.*s' is on another machine", SHOAL_FMT(whole));
}

/* "/a/./b/../c" to "/a/c". */
static void normalise(shoal_str path, shoal_buf *out) {
  shoal_str rest = path, piece;
  while (shoal_str_split(&rest, '/', &piece)) {
    if (shoal_str_is(piece, "..")) {
      while (out->len && out->ptr[out->len - 1] != '/')
        out->len--;
      out->len -= out->len > 0;
    } else if (piece.len && !shoal_str_is(piece, ".")) {
      shoal_buf_addc(out, '/');
      shoal_buf_add(out, piece);
    }
  }
}

static shoal_status place_inside(const shoal_delta_table *table, shoal_str relative, shoal_arena *arena,
                                 shoal_delta_place *out, shoal_error *err) {
  char *key = shoal_arena_printf(arena, "%.*s%s%.*s", SHOAL_FMT(table->prefix), table->prefix.len ? "/" : "",
                                 SHOAL_FMT(relative));
  if (!key)
    return shoal_fail_nomem(err);
  out->key = shoal_str_z(key);
  SHOAL_TRY(shoal_store_check_key(out->key, err));
  out->local = shoal_store_local_path(table->store, out->key, arena);
  return SHOAL_OK;
}

char *shoal_delta_root(const shoal_delta_table *table, shoal_arena *arena) {
  static const char log[] = "/_delta_log"; /* the store's root itself has no key */
  shoal_str key = shoal_delta_key(table, arena, "%s", log + 1);
  char *path = key.ptr ? shoal_store_local_path(table->store, key, arena) : NULL;
  if (path)
    path[strlen(path) - strlen(log)] = '\0';
  return path;
}

static bool is_below(shoal_str path, shoal_str folder) {
  while (folder.len && folder.ptr[folder.len - 1] == '/')
    folder.len--;
  return path.len > folder.len + 1 && shoal_str_starts(path, folder) && path.ptr[folder.len] == '/';
}

/* A path that is absolute, or that ".." leads somewhere: it may yet end up in the table. */
static shoal_status place_absolute(const shoal_delta_table *table, shoal_str path, shoal_str decoded,
                                   shoal_arena *arena, shoal_delta_place *out, shoal_error *err) {
  shoal_buf from = {0}, to = {0};
  char *root = shoal_delta_root(table, arena);
  if (!root)
    return outside(path, err);
  if (decoded.ptr[0] != '/')
    shoal_buf_addf(&from, "%s/", root);
  shoal_buf_add(&from, decoded);
  normalise(shoal_buf_str(&from), &to);
  shoal_status status = from.status < 0 ? shoal_buf_check(&from, err) : shoal_buf_check(&to, err);
  shoal_str whole = shoal_buf_str(&to), folder = shoal_str_z(root);
  while (folder.len && folder.ptr[folder.len - 1] == '/')
    folder.len--;
  if (status == SHOAL_OK && is_below(whole, folder)) {
    status = place_inside(table, shoal_str_sub(whole, folder.len + 1, whole.len), arena, out, err);
  } else if (status == SHOAL_OK && !table->anywhere && !(table->also.ptr && is_below(whole, table->also))) {
    status = outside(path, err);
  } else if (status == SHOAL_OK && !(out->local = shoal_arena_cstr(arena, whole))) {
    status = shoal_fail_nomem(err);
  }
  shoal_buf_dispose(&from);
  shoal_buf_dispose(&to);
  return status;
}

shoal_status shoal_delta_path_resolve(const shoal_delta_table *table, shoal_str path, shoal_arena *arena,
                                      shoal_delta_place *out, shoal_error *err) {
  shoal_buf buf = {0};
  shoal_str rest = path;
  *out = (shoal_delta_place){0};
  if (path.len == 0)
    return shoal_fail(err, SHOAL_ECORRUPT, "a file of the table has an empty path");
  SHOAL_TRY(cut_scheme(&rest, err));
  shoal_status status = decode(rest, &buf, err);
  shoal_str decoded = shoal_buf_str(&buf);
  if (status == SHOAL_OK)
    status = leaves_table(decoded) ? place_absolute(table, path, decoded, arena, out, err)
                                   : place_inside(table, decoded, arena, out, err);
  shoal_buf_dispose(&buf);
  return status;
}
