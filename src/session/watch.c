/* SPDX-License-Identifier: Apache-2.0 */
/* Encoded: digest, count, then per entry kind, path with its NUL, stat, racy, hash. */
#include "session/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

#define ENTRY_LEAST 80

extern char **environ;

static void take_entry(shoal_decoder *d, shoal_watch_entry *e) {
  e->kind = (shoal_watch_kind)shoal_take_u8(d);
  e->path = shoal_take_str(d);
  if (e->path.len == 0 || e->path.ptr[e->path.len - 1] != '\0')
    d->failed = true;
  else
    e->path.len--;
  e->stat = (shoal_stat){.dev = shoal_take_u64(d), .ino = shoal_take_u64(d), .size = shoal_take_u64(d)};
  e->stat.mtime_ns = (int64_t)shoal_take_u64(d);
  e->stat.ctime_ns = (int64_t)shoal_take_u64(d);
  e->racy = shoal_take_u8(d) != 0;
  e->hash = shoal_take_hash(d);
}

static int compare_texts(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* All variables there are, whatever their order. */
static void hash_environment(shoal_hasher *h) {
  size_t n = 0;
  while (environ[n])
    n++;
  const char **sorted = shoal_reallocarray(NULL, n + 1, sizeof *sorted);
  shoal_hasher_u64(h, sorted ? n : UINT64_MAX);
  for (size_t i = 0; sorted && i < n; i++)
    sorted[i] = environ[i];
  if (sorted)
    qsort(sorted, n, sizeof *sorted, compare_texts);
  for (size_t i = 0; sorted && i < n; i++)
    shoal_hasher_z(h, sorted[i]);
  shoal_free(sorted);
}

static bool is_variable(shoal_str path) { return shoal_str_starts(path, SHOAL_STR(SHOAL_WATCH_ENVIRONMENT)); }

/* `path` is NUL-terminated. */
static shoal_hash variable_hash(shoal_str path) {
  const char *name = path.ptr + sizeof SHOAL_WATCH_ENVIRONMENT - 1;
  const char *value = getenv(name);
  shoal_hasher h;
  shoal_hasher_init(&h, "shoal/1/environment");
  shoal_hasher_z(&h, name);
  shoal_hasher_u64(&h, value != NULL);
  if (strcmp(name, "*") == 0)
    hash_environment(&h);
  else
    shoal_hasher_z(&h, value ? value : "");
  return shoal_hasher_end(&h);
}

static bool as_remembered(int rootfd, const shoal_watch_entry *e, struct shoal_watch_look *look, bool *edited) {
  if (e->kind == SHOAL_WATCH_VARIABLE) {
    shoal_hash now = variable_hash(e->path);
    return is_variable(e->path) && shoal_hash_eq(&now, &e->hash);
  }
  int rc = look->rc = shoal_os_stat_at(rootfd, e->path.ptr, &look->stat);
  if (e->kind == SHOAL_WATCH_ABSENT)
    return rc == -2 /* ENOENT */ || rc == -20 /* ENOTDIR */;
  bool same = rc == 0 && shoal_stat_same(&look->stat, &e->stat);
  *edited = rc == 0 && !same && e->kind == SHOAL_WATCH_FILE;
  return same && !e->racy;
}

bool shoal_watch_verify(const char *root, shoal_str encoded, shoal_arena *arena, shoal_watch_seen *seen, bool *edited) {
  shoal_decoder d = {.rest = encoded};
  (void)shoal_take_hash(&d);
  uint32_t n = shoal_take_count(&d, ENTRY_LEAST);
  int rootfd = n ? open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  *seen = (shoal_watch_seen){.looks = SHOAL_NEW_ARRAY(arena, struct shoal_watch_look, n)};
  bool same = rootfd >= 0 && seen->looks;
  *edited = false;
  for (uint32_t i = 0; i < n && same; i++) {
    shoal_watch_entry e;
    take_entry(&d, &e);
    same = !d.failed && as_remembered(rootfd, &e, &seen->looks[i], edited);
    seen->n += !d.failed;
  }
  if (rootfd >= 0)
    close(rootfd);
  return same;
}

shoal_hash shoal_watch_encoded_digest(shoal_str encoded) {
  shoal_decoder d = {.rest = encoded};
  return shoal_take_hash(&d);
}

shoal_status shoal_watch_open(const char *root, shoal_str encoded, shoal_watch_seen seen, shoal_watch *out,
                              shoal_error *err) {
  *out = (shoal_watch){.root = root, .root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .seen = seen};
  shoal_str copy = shoal_arena_str(&out->arena, encoded);
  if (encoded.ptr && !copy.ptr)
    return shoal_fail_nomem(err);
  shoal_decoder d = {.rest = copy};
  (void)shoal_take_hash(&d);
  uint32_t n = shoal_take_count(&d, ENTRY_LEAST);
  for (uint32_t i = 0; i < n && !d.failed; i++) {
    shoal_watch_entry e;
    take_entry(&d, &e);
    shoal_watch_entry *slot = d.failed ? NULL : shoal_vec_add(&out->old);
    if (!slot)
      break;
    *slot = e;
  }
  return SHOAL_OK;
}

/* The remembered entry of a path, or SHOAL_MAP_NONE. Folders are mostly walked as they were the last time. */
static shoal_status find_old(shoal_watch *w, shoal_str path, uint32_t *out, shoal_error *err) {
  *out = SHOAL_MAP_NONE;
  if (w->next_old < w->old.len && shoal_str_eq(w->old.ptr[w->next_old].path, path))
    *out = (uint32_t)w->next_old;
  if (*out == SHOAL_MAP_NONE) {
    for (size_t i = w->old_by_path.len; i < w->old.len; i++)
      SHOAL_TRY(shoal_map_put(&w->old_by_path, w->old.ptr[i].path, (uint32_t)i, err));
    *out = shoal_map_get(&w->old_by_path, path);
  }
  if (*out != SHOAL_MAP_NONE)
    w->next_old = *out + 1;
  return SHOAL_OK;
}

static int64_t now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static char *full_path(shoal_watch *w, shoal_str path) {
  return path.len && path.ptr[0] == '/' ? shoal_arena_cstr(&w->arena, path)
                                        : shoal_arena_printf(&w->arena, "%s/%.*s", w->root, SHOAL_FMT(path));
}

/* As shoal_os_stat_at; `seen` is what was seen of it already, or NULL. */
static int stat_path(shoal_watch *w, const struct shoal_watch_look *seen, shoal_str path, shoal_stat *out) {
  if (seen) {
    *out = seen->stat;
    return seen->rc;
  }
  if (w->root_fd >= 0) /* where an absolute path is not looked for */
    return shoal_os_stat_at(w->root_fd, path.ptr, out);
  char *full = full_path(w, path);
  return full ? shoal_os_stat_at(AT_FDCWD, full, out) : -ENOMEM;
}

/* Fills in what the file system says; a file's hash is remembered or computed. */
static shoal_status look(shoal_watch *w, shoal_watch_entry *e, shoal_error *err) {
  uint32_t i;
  if (is_variable(e->path)) {
    e->kind = SHOAL_WATCH_VARIABLE;
    e->hash = variable_hash(e->path);
    return SHOAL_OK;
  }
  SHOAL_TRY(find_old(w, e->path, &i, err));
  int rc = stat_path(w, i < w->seen.n ? &w->seen.looks[i] : NULL, e->path, &e->stat);
  if (rc == -2 || rc == -20) {
    e->kind = SHOAL_WATCH_ABSENT;
    return SHOAL_OK;
  }
  if (rc)
    return shoal_fail_errno(err, -rc, "cannot look at %s", e->path.ptr);
  e->kind = e->stat.kind == SHOAL_FILE_FOLDER ? SHOAL_WATCH_FOLDER : SHOAL_WATCH_FILE;
  int64_t read_at = now_ns(); /* before reading: a later change has a later time */
  e->racy = shoal_stat_racy(&e->stat, read_at);
  if (e->kind == SHOAL_WATCH_FOLDER)
    return SHOAL_OK;
  if (e->stat.kind != SHOAL_FILE_REGULAR)
    return shoal_fail(err, SHOAL_EINVAL, "%s is no regular file", e->path.ptr);
  if (w->names_only)
    return SHOAL_OK;
  const shoal_watch_entry *old = i == SHOAL_MAP_NONE ? NULL : &w->old.ptr[i];
  if (old && old->kind == SHOAL_WATCH_FILE && !old->racy && shoal_stat_same(&old->stat, &e->stat)) {
    e->hash = old->hash;
    return SHOAL_OK;
  }
  w->n_hashed++;
  char *full = full_path(w, e->path);
  return full ? shoal_hash_file(full, &e->hash, err) : shoal_fail_nomem(err);
}

static shoal_status add_path(shoal_watch *w, shoal_str path, size_t *at, shoal_error *err) {
  uint32_t known = shoal_map_get(&w->by_path, path);
  if (known != SHOAL_MAP_NONE) {
    *at = known;
    return SHOAL_OK;
  }
  shoal_watch_entry e = {.path = shoal_arena_str(&w->arena, path)};
  if (!e.path.ptr)
    return shoal_fail_nomem(err);
  SHOAL_TRY(look(w, &e, err));
  shoal_watch_entry *slot = shoal_vec_add(&w->entries);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = e;
  *at = w->entries.len - 1;
  return shoal_map_put(&w->by_path, e.path, (uint32_t)*at, err);
}

shoal_status shoal_watch_add(shoal_watch *w, shoal_str path, const shoal_watch_entry **out, shoal_error *err) {
  size_t at = 0;
  *out = NULL;
  SHOAL_TRY(add_path(w, path, &at, err));
  *out = &w->entries.ptr[at];
  return SHOAL_OK;
}

const shoal_watch_entry *shoal_watch_find(const shoal_watch *w, shoal_str path) {
  uint32_t i = shoal_map_get(&w->by_path, path);
  return i == SHOAL_MAP_NONE ? NULL : &w->entries.ptr[i];
}

#define MAX_DEPTH 32

static bool ends_in(shoal_str name, const char *const *suffixes) {
  while (*suffixes && !shoal_str_ends(name, shoal_str_z(*suffixes)))
    suffixes++;
  return *suffixes != NULL;
}

static shoal_status add_tree(shoal_watch *w, shoal_str folder, const char *const *suffixes, int depth,
                             shoal_error *err) {
  size_t at, n;
  shoal_dirent *items;
  if (depth > MAX_DEPTH)
    return shoal_fail(err, SHOAL_ELIMIT, "%.*s is nested deeper than %d folders (a link that leads back?)",
                      SHOAL_FMT(folder), MAX_DEPTH);
  SHOAL_TRY(add_path(w, folder, &at, err));
  if (w->entries.ptr[at].kind != SHOAL_WATCH_FOLDER)
    return SHOAL_OK;
  char *full = full_path(w, folder);
  if (!full)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_os_list(full, &w->arena, &items, &n, err));
  for (size_t i = 0; i < n; i++) {
    if (items[i].name.ptr[0] == '.' || shoal_str_is(items[i].name, "__pycache__"))
      continue;
    char *path = shoal_arena_printf(&w->arena, "%.*s/%s", SHOAL_FMT(folder), items[i].name.ptr);
    if (!path)
      return shoal_fail_nomem(err);
    bool wanted = ends_in(items[i].name, suffixes);
    if (items[i].kind == SHOAL_FILE_FOLDER || (items[i].kind == SHOAL_FILE_LINK && !wanted))
      SHOAL_TRY(add_tree(w, shoal_str_z(path), suffixes, depth + 1, err));
    else if (wanted)
      SHOAL_TRY(add_path(w, shoal_str_z(path), &at, err));
  }
  return SHOAL_OK;
}

shoal_status shoal_watch_add_tree(shoal_watch *w, shoal_str folder, const char *const *suffixes, size_t *first,
                                  size_t *n, shoal_error *err) {
  *first = w->entries.len;
  shoal_status status = add_tree(w, folder, suffixes, 0, err);
  *n = w->entries.len - *first;
  return status;
}

typedef SHOAL_VEC(shoal_str) path_vec;

static bool has_star(shoal_str s) { return shoal_str_chr(s, '*') >= 0 || shoal_str_chr(s, '?') >= 0; }

static shoal_status add_found(shoal_watch *w, shoal_str path, path_vec *found, shoal_error *err) {
  size_t at;
  SHOAL_TRY(add_path(w, path, &at, err));
  if (w->entries.ptr[at].kind != SHOAL_WATCH_FILE)
    return SHOAL_OK;
  shoal_str *slot = shoal_vec_add(found);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = w->entries.ptr[at].path;
  return SHOAL_OK;
}

/* Matches the pattern's segments `rest` below the folder `base` ("" is the root, "/" the file system's). */
static shoal_status glob(shoal_watch *w, shoal_str base, shoal_str rest, int depth, path_vec *found, shoal_error *err) {
  shoal_str segment, left = rest;
  shoal_dirent *items;
  size_t at, n;
  if (depth > MAX_DEPTH || !shoal_str_split(&left, '/', &segment))
    return SHOAL_OK;
  bool any_depth = shoal_str_is(segment, "**");
  const char *between = base.len && base.ptr[base.len - 1] != '/' ? "/" : "";
  if (!has_star(segment)) {
    char *path = shoal_arena_printf(&w->arena, "%.*s%s%.*s", SHOAL_FMT(base), between, SHOAL_FMT(segment));
    if (!path)
      return shoal_fail_nomem(err);
    return left.ptr ? glob(w, shoal_str_z(path), left, depth + 1, found, err)
                    : add_found(w, shoal_str_z(path), found, err);
  }
  shoal_str folder = base.len ? base : SHOAL_STR(".");
  SHOAL_TRY(add_path(w, folder, &at, err));
  if (w->entries.ptr[at].kind != SHOAL_WATCH_FOLDER)
    return SHOAL_OK;
  char *full = full_path(w, folder);
  if (!full)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_os_list(full, &w->arena, &items, &n, err));
  if (any_depth && left.ptr)
    SHOAL_TRY(glob(w, base, left, depth + 1, found, err));
  for (size_t i = 0; i < n; i++) {
    if ((items[i].name.ptr[0] == '.' && !w->hidden) || (!any_depth && !shoal_str_glob(segment, items[i].name)))
      continue;
    char *path = shoal_arena_printf(&w->arena, "%.*s%s%s", SHOAL_FMT(base), between, items[i].name.ptr);
    if (!path)
      return shoal_fail_nomem(err);
    bool folder_like = items[i].kind == SHOAL_FILE_FOLDER || items[i].kind == SHOAL_FILE_LINK;
    if (any_depth && folder_like)
      SHOAL_TRY(glob(w, shoal_str_z(path), rest, depth + 1, found, err));
    else if (!any_depth && left.ptr && folder_like)
      SHOAL_TRY(glob(w, shoal_str_z(path), left, depth + 1, found, err));
    if (!left.ptr && items[i].kind != SHOAL_FILE_FOLDER)
      SHOAL_TRY(add_found(w, shoal_str_z(path), found, err));
  }
  return SHOAL_OK;
}

static int compare_paths(const void *a, const void *b) {
  return shoal_str_cmp(*(const shoal_str *)a, *(const shoal_str *)b);
}

shoal_status shoal_watch_add_glob(shoal_watch *w, shoal_str pattern, shoal_str **paths, size_t *n, shoal_error *err) {
  path_vec found = {0};
  bool absolute = pattern.len && pattern.ptr[0] == '/';
  while (shoal_str_ends(pattern, SHOAL_STR("/")))
    pattern.len--;
  while (shoal_str_starts(pattern, SHOAL_STR("./")))
    pattern = shoal_str_sub(pattern, 2, pattern.len);
  *paths = NULL;
  *n = 0;
  shoal_status status = absolute ? glob(w, SHOAL_STR("/"), shoal_str_sub(pattern, 1, pattern.len), 0, &found, err)
                                 : glob(w, SHOAL_STR(""), pattern, 0, &found, err);
  const shoal_watch_entry *e = status >= 0 ? shoal_watch_find(w, pattern) : NULL;
  if (e && e->kind == SHOAL_WATCH_FOLDER) {
    char *inside = shoal_arena_printf(&w->arena, "%.*s/*", SHOAL_FMT(pattern));
    status = inside ? shoal_watch_add_glob(w, shoal_str_z(inside), paths, n, err) : shoal_fail_nomem(err);
    shoal_vec_dispose(&found);
    return status;
  }
  if (status >= 0) {
    if (found.len)
      qsort(found.ptr, found.len, sizeof *found.ptr, compare_paths);
    *paths = SHOAL_NEW_ARRAY(&w->arena, shoal_str, found.len);
    for (size_t i = 0; *paths && i < found.len; i++) /* `**` may find a file twice */
      if (i == 0 || !shoal_str_eq(found.ptr[i], found.ptr[i - 1]))
        (*paths)[(*n)++] = found.ptr[i];
    status = *paths ? SHOAL_OK : shoal_fail_nomem(err);
  }
  shoal_vec_dispose(&found);
  return status;
}

shoal_status shoal_watch_recheck(const shoal_watch *w, shoal_str path, bool *same, shoal_error *err) {
  const shoal_watch_entry *e = shoal_watch_find(w, path);
  shoal_watch now = {.root = w->root, .root_fd = w->root_fd, .names_only = true};
  shoal_watch_entry again = {.path = e ? e->path : path};
  shoal_hash hash;
  shoal_status status = e ? look(&now, &again, err) : shoal_fail(err, SHOAL_EINVAL, "%s is not watched", path.ptr);
  *same = status >= 0 && again.kind == e->kind && shoal_stat_same(&again.stat, &e->stat);
  if (*same && e->kind == SHOAL_WATCH_VARIABLE)
    *same = shoal_hash_eq(&again.hash, &e->hash);
  if (*same && e->kind == SHOAL_WATCH_FILE && e->racy) {
    char *full = full_path(&now, path);
    status = full ? shoal_hash_file(full, &hash, err) : shoal_fail_nomem(err);
    *same = status >= 0 && shoal_hash_eq(&hash, &e->hash);
  }
  now.root_fd = -1; /* w's */
  shoal_watch_dispose(&now);
  return status;
}

shoal_status shoal_watch_recheck_glob(const char *root, bool hidden, shoal_str pattern, const shoal_str *paths,
                                      size_t n, bool *same, shoal_error *err) {
  shoal_watch now = {
      .root = root, .root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .hidden = hidden, .names_only = true};
  shoal_str *found;
  size_t n_found;
  shoal_status status = shoal_watch_add_glob(&now, pattern, &found, &n_found, err);
  *same = status >= 0 && n_found == n;
  for (size_t i = 0; *same && i < n; i++)
    *same = shoal_str_eq(found[i], paths[i]);
  shoal_watch_dispose(&now);
  return status;
}

static shoal_hash digest(const shoal_watch *w) {
  shoal_hasher h;
  shoal_hasher_init(&h, "shoal/1/watch");
  for (size_t i = 0; i < w->entries.len; i++) {
    const shoal_watch_entry *e = &w->entries.ptr[i];
    if (e->kind == SHOAL_WATCH_FOLDER) /* its files stand for it */
      continue;
    shoal_hasher_u64(&h, e->kind);
    shoal_hasher_str(&h, e->path);
    shoal_hasher_hash(&h, &e->hash);
  }
  return shoal_hasher_end(&h);
}

shoal_status shoal_watch_encode(const shoal_watch *w, shoal_buf *out, shoal_error *err) {
  shoal_hash sum = digest(w);
  shoal_put_hash(out, &sum);
  shoal_put_u32(out, (uint32_t)w->entries.len);
  for (size_t i = 0; i < w->entries.len; i++) {
    const shoal_watch_entry *e = &w->entries.ptr[i];
    shoal_put_u8(out, (uint8_t)e->kind);
    shoal_put_str(out, shoal_str_n(e->path.ptr, e->path.len + 1));
    shoal_put_u64(out, e->stat.dev);
    shoal_put_u64(out, e->stat.ino);
    shoal_put_u64(out, e->stat.size);
    shoal_put_u64(out, (uint64_t)e->stat.mtime_ns);
    shoal_put_u64(out, (uint64_t)e->stat.ctime_ns);
    shoal_put_u8(out, e->racy);
    shoal_put_hash(out, &e->hash);
  }
  return shoal_buf_check(out, err);
}

void shoal_watch_dispose(shoal_watch *w) {
  if (w->root_fd >= 0)
    close(w->root_fd);
  shoal_vec_dispose(&w->entries);
  shoal_vec_dispose(&w->old);
  shoal_map_dispose(&w->by_path);
  shoal_map_dispose(&w->old_by_path);
  shoal_arena_dispose(&w->arena);
}
