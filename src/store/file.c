/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store in a folder of a local or network file system.
 *
 *  F1 put_new writes and fsyncs a temporary file, gives it its name with link(2), which fails if the name is taken, and
 *     fsyncs the folder. So an object is absent or whole (C1, C6), and durable when acknowledged (C2).
 *  F2 A folder made on the way is durable before anything in it is acknowledged: its parent is fsynced. Folders known
 * to be durable are remembered. One found there is trusted only when it was made more than a minute ago: a later one's
 * maker may not have come to its fsync. F3 What is not yet an object lies in _shoal/tmp/<process token>/, which no key
 * can name (C5). Names there hold a random id of the store and a counter, so threads and stores of one process don't
 * meet; a forked child gets its own folder. F4 Folders that become empty are removed, and one may vanish between being
 * made and being used: then the whole operation starts again. F5 A folder whose fsync failed may have lost names
 * without the kernel telling again: a second fsync that succeeds proves nothing. So this store acknowledges nothing in
 * it any more, not even that an object is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/time.h"
#include "base/vec.h"
#include "store/store.h"

#define TEMP_FOLDER "_shoal/tmp"
#define MAX_ROOT 2800    /* root, temporary folder and a key together stay below PATH_MAX */
#define MAX_TRIES 16     /* of an operation whose folder vanishes under it (F4) */
#define MAX_KNOWN 200000 /* remembered folders: 20 MB, then we start afresh */
#define YOUNG_US (60 * 1000000LL)

typedef struct file_path {
  char z[4096];
} file_path;

typedef struct file_store {
  shoal_store base;
  char *root; /* absolute, without links, no '/' at the end (except "/" itself, kept as "") */
  char mark[SHOAL_UUID_TEXT];
  shoal_mutex lock; /* of all below */
  shoal_arena names;
  shoal_map known; /* folders by key: 1 is durable, 0 is forgotten */
  shoal_arena doubts;
  shoal_map doubtful; /* folders by key (F5) */
  bool doubt_all;     /* one could not be remembered */
  int64_t temp_pid;   /* the process whose temporary folder `temp` is; 0: none yet */
  file_path temp;
  uint64_t counter;
  bool cleaned; /* leftovers of the dead were looked for */
} file_store;

static void make_path(const file_store *f, shoal_str key, file_path *out) {
  snprintf(out->z, sizeof out->z, key.len ? "%s/%.*s" : "%s%.*s", *f->root || key.len ? f->root : "/", SHOAL_FMT(key));
}

static shoal_str parent_of(shoal_str key) {
  ptrdiff_t slash = shoal_str_rchr(key, '/');
  return shoal_str_n(key.ptr, slash < 0 ? 0 : (size_t)slash);
}

/* ---- folders ---- */

static bool folder_known(file_store *f, shoal_str folder) {
  shoal_mutex_lock(&f->lock);
  bool known = shoal_map_get(&f->known, folder) == 1;
  shoal_mutex_unlock(&f->lock);
  return known;
}

/* Under the lock. */
static void forget_locked(file_store *f) {
  shoal_map_dispose(&f->known);
  shoal_arena_dispose(&f->names);
}

static void forget_folders(file_store *f) {
  shoal_mutex_lock(&f->lock);
  forget_locked(f);
  f->temp_pid = 0;
  shoal_mutex_unlock(&f->lock);
}

static shoal_status remember_folder(file_store *f, shoal_str folder, uint32_t durable, shoal_error *err) {
  shoal_mutex_lock(&f->lock);
  if (f->known.len >= MAX_KNOWN)
    forget_locked(f);
  shoal_status st = SHOAL_OK;
  if (durable || shoal_map_get(&f->known, folder) != SHOAL_MAP_NONE) {
    shoal_str copy = shoal_arena_str(&f->names, folder);
    st = copy.ptr ? shoal_map_put(&f->known, copy, durable, err) : shoal_fail_nomem(err);
  }
  shoal_mutex_unlock(&f->lock);
  return st;
}

static bool is_doubtful(file_store *f, shoal_str folder) {
  shoal_mutex_lock(&f->lock);
  bool doubtful = f->doubt_all || shoal_map_get(&f->doubtful, folder) == 1;
  shoal_mutex_unlock(&f->lock);
  return doubtful;
}

static void doubt(file_store *f, shoal_str folder) {
  shoal_mutex_lock(&f->lock);
  shoal_str copy = shoal_arena_str(&f->doubts, folder);
  if (!copy.ptr || shoal_map_put(&f->doubtful, copy, 1, NULL) < 0)
    f->doubt_all = true;
  shoal_mutex_unlock(&f->lock);
}

/* F5 */
static shoal_status fsync_folder(file_store *f, shoal_str folder, shoal_error *err) {
  file_path path;
  make_path(f, folder, &path);
  if (is_doubtful(f, folder))
    return shoal_fail(err, SHOAL_EIO, "an earlier fsync of %s failed: what is put there may be lost", path.z);
  shoal_status st = shoal_os_fsync_folder(path.z, err);
  if (st < 0 && st != SHOAL_ENOTFOUND)
    doubt(f, folder);
  return st;
}

/* Looks at a folder that is there; *old: its maker, and those of all above it, have done (F2). */
static shoal_status look_at_folder(file_store *f, shoal_str folder, bool *old, shoal_error *err) {
  file_path path;
  int64_t born_ns;
  shoal_file_kind kind;
  make_path(f, folder, &path);
  SHOAL_TRY(shoal_os_born(path.z, &born_ns, &kind, err));
  if (kind != SHOAL_FILE_FOLDER)
    return shoal_fail(err, SHOAL_EINVAL, "'%.*s' is an object, so nothing can be put below it", SHOAL_FMT(folder));
  int64_t age_us = shoal_time_now() - born_ns / 1000;
  *old = age_us > YOUNG_US || age_us < -YOUNG_US;
  return SHOAL_OK;
}

/* Makes one folder whose parent is there, or looks at the one that is there. */
static shoal_status make_folder(file_store *f, shoal_str folder, bool *old, shoal_error *err) {
  file_path path;
  make_path(f, folder, &path);
  *old = false;
  shoal_status st = shoal_os_mkdir(path.z, err);
  return st == SHOAL_EEXIST ? look_at_folder(f, folder, old, err) : st;
}

/* All folders on the way to `folder`, durable. SHOAL_ENOTFOUND when one vanished meanwhile. */
static shoal_status ensure_folder(file_store *f, shoal_str folder, shoal_error *err) {
  bool old;
  if (folder.len == 0 || folder_known(f, folder))
    return SHOAL_OK;
  if (look_at_folder(f, folder, &old, NULL) == SHOAL_OK && old)
    return remember_folder(f, folder, 1, err);
  for (size_t i = 1; i <= folder.len; i++) {
    shoal_str part = shoal_str_sub(folder, 0, i);
    if ((i < folder.len && folder.ptr[i] != '/') || folder_known(f, part))
      continue;
    SHOAL_TRY(make_folder(f, part, &old, err));
    if (!old)
      SHOAL_TRY(fsync_folder(f, parent_of(part), err));
    SHOAL_TRY(remember_folder(f, part, 1, err));
  }
  return SHOAL_OK;
}

/* The same for what need not be durable (C8): nothing is remembered. */
static shoal_status make_folders(file_store *f, shoal_str folder, shoal_error *err) {
  bool old;
  for (size_t i = 1; i <= folder.len; i++) {
    shoal_str part = shoal_str_sub(folder, 0, i);
    if (i == folder.len || folder.ptr[i] == '/')
      SHOAL_TRY(folder_known(f, part) ? SHOAL_OK : make_folder(f, part, &old, err));
  }
  return SHOAL_OK;
}

/* Under the lock: this process's temporary folder. */
static shoal_status ensure_temp(file_store *f, shoal_error *err) {
  int64_t pid = shoal_os_pid();
  if (f->temp_pid == pid)
    return SHOAL_OK;
  char token[SHOAL_PROCESS_TOKEN];
  shoal_os_process_token(token);
  snprintf(f->temp.z, sizeof f->temp.z, "%s/%s/%s", f->root, TEMP_FOLDER, token);
  SHOAL_TRY(shoal_os_mkdirs(f->temp.z, false, err));
  f->temp_pid = pid;
  return SHOAL_OK;
}

/* A name in the temporary folder that nobody has. */
static shoal_status temp_name(file_store *f, const char *kind, file_path *out, shoal_error *err) {
  shoal_mutex_lock(&f->lock);
  shoal_status st = ensure_temp(f, err);
  uint64_t n = ++f->counter;
  if (st == SHOAL_OK)
    snprintf(out->z, sizeof out->z, "%.3600s/%s-%s-%llu", f->temp.z, kind, f->mark, (unsigned long long)n);
  shoal_mutex_unlock(&f->lock);
  return st;
}

/* Removes what nobody needs any more; that it stays would harm nobody. */
static void discard(const char *path) {
  shoal_status st = shoal_os_unlink(path, NULL);
  (void)st;
}

/* ---- writing ---- */

static bool same_file(const char *a, const char *b) {
  shoal_stat sa, sb;
  return shoal_os_stat(a, &sa, NULL) == SHOAL_OK && shoal_os_stat(b, &sb, NULL) == SHOAL_OK && sa.dev == sb.dev &&
         sa.ino == sb.ino;
}

static bool is_there(const char *path) {
  shoal_stat st;
  return shoal_os_stat(path, &st, NULL) == SHOAL_OK;
}

static shoal_status taken(shoal_str key, shoal_error *err) {
  return shoal_fail(err, SHOAL_EEXIST, "there is an object '%.*s' already", SHOAL_FMT(key));
}

/* Gives `temp` its name. A network file system may say "exists", or fail, after its own success: what the name leads to
   tells (C1). */
static shoal_status link_new(const char *temp, const char *path, shoal_str key, shoal_error *err) {
  shoal_status st = shoal_os_link(temp, path, err);
  if (st == SHOAL_OK || same_file(temp, path))
    return SHOAL_OK;
  return st == SHOAL_EEXIST ? taken(key, err) : st;
}

static shoal_status put_new_once(file_store *f, shoal_str key, shoal_str bytes, shoal_error *err) {
  file_path path, temp;
  shoal_str folder = parent_of(key);
  SHOAL_TRY(ensure_folder(f, folder, err));
  make_path(f, key, &path);
  shoal_status st = is_there(path.z) ? taken(key, err) : SHOAL_OK;
  if (st == SHOAL_OK) {
    SHOAL_TRY(temp_name(f, "put", &temp, err));
    SHOAL_TRY(shoal_os_create_file(temp.z, bytes, err));
    st = link_new(temp.z, path.z, key, err);
    discard(temp.z);
  }
  if (st != SHOAL_OK && st != SHOAL_EEXIST)
    return st;
  /* Also where another was first: who hears of its object may build on it. */
  shoal_error unsynced;
  shoal_status synced = fsync_folder(f, folder, &unsynced);
  if (synced < 0 && err)
    *err = unsynced;
  return synced < 0 ? synced : st;
}

static shoal_status file_put_new(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err) {
  file_store *f = (file_store *)s;
  shoal_status st = SHOAL_ENOTFOUND;
  for (int i = 0; i < MAX_TRIES && st == SHOAL_ENOTFOUND; i++) {
    st = put_new_once(f, key, bytes, err);
    if (st == SHOAL_ENOTFOUND)
      forget_folders(f);
  }
  return st;
}

/* C8: the folder is never one that durable objects lie in, or these make it durable themselves. */
static shoal_status put_brief_once(file_store *f, shoal_str key, shoal_str bytes, shoal_error *err) {
  file_path path, temp;
  SHOAL_TRY(make_folders(f, parent_of(key), err));
  make_path(f, key, &path);
  SHOAL_TRY(temp_name(f, "brief", &temp, err));
  SHOAL_TRY(shoal_os_create_brief(temp.z, bytes, err));
  shoal_status st = link_new(temp.z, path.z, key, err);
  discard(temp.z);
  return st;
}

static shoal_status file_put_brief(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err) {
  file_store *f = (file_store *)s;
  shoal_status st = SHOAL_ENOTFOUND;
  for (int i = 0; i < MAX_TRIES && st == SHOAL_ENOTFOUND; i++) {
    st = put_brief_once(f, key, bytes, err);
    if (st == SHOAL_ENOTFOUND)
      forget_folders(f);
  }
  return st;
}

static shoal_status rewrite_once(file_store *f, shoal_str key, shoal_str bytes, shoal_error *err) {
  file_path path, temp;
  SHOAL_TRY(ensure_folder(f, parent_of(key), err));
  make_path(f, key, &path);
  SHOAL_TRY(temp_name(f, "rewrite", &temp, err));
  SHOAL_TRY(shoal_os_create_file(temp.z, bytes, err));
  shoal_status st = shoal_os_rename(temp.z, path.z, err);
  if (st < 0) {
    discard(temp.z);
    return st;
  }
  return fsync_folder(f, parent_of(key), err);
}

static shoal_status file_rewrite(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err) {
  file_store *f = (file_store *)s;
  shoal_status st = SHOAL_ENOTFOUND;
  for (int i = 0; i < MAX_TRIES && st == SHOAL_ENOTFOUND; i++) {
    st = rewrite_once(f, key, bytes, err);
    if (st == SHOAL_ENOTFOUND)
      forget_folders(f);
  }
  return st;
}

/* Gives a file, fsynced already, a second name below `key`; the folder is not yet fsynced. */
static shoal_status add_name(file_store *f, const char *from, shoal_str key, shoal_error *err) {
  file_path path;
  make_path(f, key, &path);
  shoal_status st = SHOAL_ENOTFOUND;
  for (int i = 0; i < MAX_TRIES && st == SHOAL_ENOTFOUND && is_there(from); i++) {
    st = ensure_folder(f, parent_of(key), err);
    if (st == SHOAL_OK)
      st = shoal_os_link(from, path.z, err);
    if (st == SHOAL_ENOTFOUND)
      forget_folders(f);
  }
  if (st == SHOAL_ENOTFOUND)
    return shoal_fail(err, st, "%s is not there", from);
  return st == SHOAL_EEXIST ? taken(key, err) : st;
}

static shoal_status put_files_and_folders(file_store *f, const shoal_put_file *files, size_t n, shoal_map *folders,
                                          shoal_error *err) {
  for (size_t i = 0; i < n; i++)
    SHOAL_TRY(shoal_os_fsync_file(files[i].local_path.ptr, err));
  for (size_t i = 0; i < n; i++) {
    SHOAL_TRY(add_name(f, files[i].local_path.ptr, files[i].key, err));
    SHOAL_TRY(shoal_map_put(folders, parent_of(files[i].key), 1, err));
  }
  for (size_t i = 0; i < folders->cap; i++)
    if (folders->slots[i].used)
      SHOAL_TRY(fsync_folder(f, folders->slots[i].key, err));
  return SHOAL_OK;
}

static shoal_status file_put_files(shoal_store *s, const shoal_put_file *files, size_t n, shoal_error *err) {
  shoal_map folders = {0};
  shoal_status st = put_files_and_folders((file_store *)s, files, n, &folders, err);
  for (size_t i = 0; i < n && st == SHOAL_OK; i++)
    discard(files[i].local_path.ptr);
  shoal_map_dispose(&folders);
  return st;
}

static shoal_status file_link(shoal_store *s, shoal_str from, shoal_str to, shoal_error *err) {
  file_store *f = (file_store *)s;
  file_path path;
  make_path(f, from, &path);
  SHOAL_TRY(add_name(f, path.z, to, err));
  return fsync_folder(f, parent_of(to), err);
}

/* Folders that became empty go, too (F4). */
static void remove_empty(file_store *f, shoal_str folder) {
  file_path path;
  for (; folder.len; folder = parent_of(folder)) {
    make_path(f, folder, &path);
    if (shoal_os_rmdir(path.z, NULL) < 0)
      return;
    if (remember_folder(f, folder, 0, NULL) < 0)
      forget_folders(f);
  }
}

static bool is_folder(const char *path) {
  shoal_stat st;
  return shoal_os_stat(path, &st, NULL) == SHOAL_OK && st.kind == SHOAL_FILE_FOLDER;
}

static shoal_status file_del(shoal_store *s, shoal_str key, shoal_error *err) {
  file_store *f = (file_store *)s;
  file_path path;
  make_path(f, key, &path);
  shoal_status st = shoal_os_unlink(path.z, err);
  if (st == SHOAL_ENOTFOUND || (st < 0 && is_folder(path.z)))
    return SHOAL_OK;
  if (st == SHOAL_OK)
    remove_empty(f, parent_of(key));
  return st;
}

/* ---- reading ---- */

static shoal_status not_found(shoal_str key, shoal_error *err) {
  return shoal_fail(err, SHOAL_ENOTFOUND, "there is no object '%.*s'", SHOAL_FMT(key));
}

static shoal_status file_get(shoal_store *s, shoal_str key, uint64_t off, uint64_t len, shoal_buf *out,
                             shoal_error *err) {
  file_path path;
  make_path((file_store *)s, key, &path);
  shoal_status st = shoal_os_read_range(path.z, off, len, out, err);
  if (st == SHOAL_ENOTFOUND || (st == SHOAL_EIO && is_folder(path.z)))
    return not_found(key, err);
  return st;
}

static shoal_status file_head(shoal_store *s, shoal_str key, shoal_object *out, shoal_error *err) {
  file_path path;
  shoal_stat stat;
  make_path((file_store *)s, key, &path);
  shoal_status st = shoal_os_stat(path.z, &stat, err);
  if (st == SHOAL_ENOTFOUND || (st == SHOAL_OK && stat.kind == SHOAL_FILE_FOLDER))
    return not_found(key, err);
  if (st == SHOAL_OK)
    *out = (shoal_object){.key = key, .size = stat.size, .modified_us = stat.mtime_ns / 1000};
  return st;
}

typedef struct walk {
  const file_store *f;
  shoal_str after;
  bool shallow;
  size_t limit;
  shoal_arena *arena; /* of the keys that are found */
  SHOAL_VEC(shoal_object) found;
} walk;

static int compare_objects(const void *a, const void *b) {
  return shoal_str_cmp(((const shoal_object *)a)->key, ((const shoal_object *)b)->key);
}

/* An entry's whole key and '/'; NULL when out of memory, which must not look like an entry that is not there. */
static char *entry_key(shoal_str prefix, const shoal_dirent *e, shoal_arena *scratch) {
  return shoal_arena_printf(scratch, "%.*s%.*s/", SHOAL_FMT(prefix), SHOAL_FMT(e->name));
}

/* True if the entry can be shown; its kind through links, size and time are filled in. */
static bool look_at(const walk *w, shoal_str prefix, const shoal_dirent *e, char *key, shoal_object *out) {
  file_path path;
  shoal_stat st;
  shoal_str plain = shoal_str_n(key, prefix.len + e->name.len);
  if (shoal_store_check_key(plain, NULL) < 0)
    return false;
  bool folder = e->kind == SHOAL_FILE_FOLDER;
  if (e->kind == SHOAL_FILE_REGULAR && w->after.ptr && shoal_str_cmp(plain, w->after) <= 0)
    return false; /* the end of a long log is asked for: the rest is not worth a stat each */
  make_path(w->f, plain, &path);
  if (!folder) {
    if (shoal_os_stat(path.z, &st, NULL) < 0)
      return false; /* gone meanwhile */
    folder = st.kind == SHOAL_FILE_FOLDER;
  }
  *out = (shoal_object){.key = folder ? shoal_str_n(key, plain.len + 1) : plain, .folder = folder};
  if (!folder) {
    out->size = st.size;
    out->modified_us = st.mtime_ns / 1000;
  }
  return folder || st.kind == SHOAL_FILE_REGULAR;
}

/* The entries of a folder in the order of whole keys, where a folder counts as its name with '/'. */
static shoal_status read_folder(const walk *w, shoal_str prefix, shoal_arena *scratch, shoal_object **out, size_t *n,
                                shoal_error *err) {
  file_path path;
  shoal_dirent *entries;
  size_t count;
  *n = 0;
  make_path(w->f, shoal_str_sub(prefix, 0, prefix.len ? prefix.len - 1 : 0), &path);
  shoal_status st = shoal_os_list(path.z, scratch, &entries, &count, err);
  if (st == SHOAL_ENOTFOUND)
    return SHOAL_OK;
  SHOAL_TRY(st);
  if (!(*out = SHOAL_NEW_ARRAY(scratch, shoal_object, count)))
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < count; i++) {
    char *key = entry_key(prefix, &entries[i], scratch);
    if (!key)
      return shoal_fail_nomem(err);
    if (look_at(w, prefix, &entries[i], key, &(*out)[*n]))
      ++*n;
  }
  if (*n)
    qsort(*out, *n, sizeof **out, compare_objects);
  return SHOAL_OK;
}

static shoal_status add_found(walk *w, const shoal_object *o, shoal_error *err) {
  if (w->after.ptr && shoal_str_cmp(o->key, w->after) <= 0)
    return SHOAL_OK;
  shoal_object *item = shoal_vec_add(&w->found);
  if (!item)
    return shoal_fail_nomem(err);
  *item = *o;
  item->key = shoal_arena_str(w->arena, o->key);
  return item->key.ptr ? SHOAL_OK : shoal_fail_nomem(err);
}

/* True if no key below the folder can come after `after`. */
static bool all_before(const walk *w, shoal_str folder) {
  return w->after.ptr && shoal_str_cmp(folder, w->after) < 0 && !shoal_str_starts(w->after, folder);
}

/* A shallow listing shows a folder without looking into it, except "_shoal/", which may hold nothing but temporary
 * names. */
static bool shows_nothing(const walk *w, shoal_str folder) {
  shoal_arena scratch = {0};
  shoal_object *objects;
  size_t n = 0;
  bool none =
      shoal_str_is(folder, "_shoal/") && read_folder(w, folder, &scratch, &objects, &n, NULL) == SHOAL_OK && n == 0;
  shoal_arena_dispose(&scratch);
  return none;
}

static shoal_status walk_folder(walk *w, shoal_str prefix, shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_object *objects = NULL;
  size_t n;
  shoal_status st = read_folder(w, prefix, &scratch, &objects, &n, err);
  for (size_t i = 0; i < n && st == SHOAL_OK && (w->limit == 0 || w->found.len < w->limit); i++) {
    shoal_str key = objects[i].key;
    if (objects[i].folder && !w->shallow)
      st = all_before(w, key) ? SHOAL_OK : walk_folder(w, key, err);
    else if (!objects[i].folder || !shows_nothing(w, key))
      st = add_found(w, &objects[i], err);
  }
  shoal_arena_dispose(&scratch);
  return st;
}

static shoal_status file_list(shoal_store *s, shoal_str prefix, shoal_str after, bool shallow, size_t limit,
                              shoal_arena *arena, shoal_object **out, size_t *n, shoal_error *err) {
  walk w = {.f = (file_store *)s, .after = after, .shallow = shallow, .limit = limit, .arena = arena};
  shoal_status st = walk_folder(&w, prefix, err);
  if (st == SHOAL_OK && w.found.len) {
    *out = SHOAL_NEW_ARRAY(arena, shoal_object, w.found.len);
    if (*out)
      memcpy(*out, w.found.ptr, w.found.len * sizeof **out);
    st = *out ? SHOAL_OK : shoal_fail_nomem(err);
  }
  *n = st == SHOAL_OK ? w.found.len : 0;
  shoal_vec_dispose(&w.found);
  return st;
}

static char *file_local_path(shoal_store *s, shoal_str key, shoal_arena *arena) {
  return shoal_arena_printf(arena, "%s/%.*s", ((file_store *)s)->root, SHOAL_FMT(key));
}

/* ---- staging ---- */

/* Temporary folders of processes of this machine that are gone; failures are left to the next one. */
static void remove_leftovers(file_store *f) {
  shoal_mutex_lock(&f->lock);
  bool done = f->cleaned;
  f->cleaned = true;
  shoal_mutex_unlock(&f->lock);
  file_path path;
  shoal_arena arena = {0};
  shoal_dirent *entries;
  size_t n = 0;
  make_path(f, SHOAL_STR(TEMP_FOLDER), &path);
  if (!done && shoal_os_list(path.z, &arena, &entries, &n, NULL) == SHOAL_OK)
    for (size_t i = 0; i < n; i++) {
      char *old = shoal_arena_printf(&arena, "%s/%s", path.z, entries[i].name.ptr);
      if (old && shoal_os_process_look(entries[i].name) == SHOAL_PROCESS_GONE && shoal_os_remove_tree(old, NULL) < 0)
        continue;
    }
  shoal_arena_dispose(&arena);
}

static shoal_status file_staging(shoal_store *s, shoal_arena *arena, char **out, shoal_error *err) {
  file_store *f = (file_store *)s;
  file_path path;
  shoal_status st = SHOAL_ENOTFOUND;
  remove_leftovers(f);
  for (int i = 0; i < MAX_TRIES && st == SHOAL_ENOTFOUND; i++) {
    st = temp_name(f, "stage", &path, err);
    if (st == SHOAL_OK)
      st = shoal_os_mkdir(path.z, err);
    if (st == SHOAL_ENOTFOUND)
      forget_folders(f);
  }
  SHOAL_TRY(st);
  *out = shoal_arena_cstr(arena, shoal_str_z(path.z));
  return *out ? SHOAL_OK : shoal_fail_nomem(err);
}

/* ---- opening ---- */

static void file_free(shoal_store *s) {
  file_store *f = (file_store *)s;
  if (f->temp_pid == shoal_os_pid() && shoal_os_rmdir(f->temp.z, NULL) == SHOAL_OK)
    remove_empty(f, SHOAL_STR(TEMP_FOLDER));
  forget_locked(f);
  shoal_map_dispose(&f->doubtful);
  shoal_arena_dispose(&f->doubts);
  shoal_mutex_dispose(&f->lock);
  shoal_free(f->root);
  shoal_free(f);
}

static const shoal_store_ops file_ops = {
    .name = "file",
    .get = file_get,
    .head = file_head,
    .put_new = file_put_new,
    .put_brief = file_put_brief,
    .rewrite = file_rewrite,
    .put_files = file_put_files,
    .link = file_link,
    .list = file_list,
    .del = file_del,
    .staging = file_staging,
    .local_path = file_local_path,
    .free = file_free,
};

/* The absolute path of a folder that is there, malloced, "" for "/". */
static shoal_status resolve_root(const char *root, char **out, shoal_error *err) {
  shoal_arena arena = {0};
  char *real;
  shoal_status st = shoal_os_realpath(root, &arena, &real, err);
  if (st == SHOAL_OK && !is_folder(real))
    st = shoal_fail(err, SHOAL_EINVAL, "%s is no folder", root);
  if (st == SHOAL_OK && strlen(real) > MAX_ROOT)
    st = shoal_fail(err, SHOAL_ELIMIT, "the path of %s is longer than %d bytes", root, MAX_ROOT);
  if (st == SHOAL_OK) {
    size_t n = strcmp(real, "/") ? strlen(real) : 0;
    if (!(*out = shoal_calloc(n + 1, 1)))
      st = shoal_fail_nomem(err);
    else
      memcpy(*out, real, n);
  }
  shoal_arena_dispose(&arena);
  return st;
}

shoal_status shoal_store_open_file(const char *root, bool create, shoal_store **out, shoal_error *err) {
  *out = NULL;
  if (create)
    SHOAL_TRY(shoal_os_mkdirs(root, true, err));
  char *real = NULL;
  SHOAL_TRY(resolve_root(root, &real, err));
  file_store *f = shoal_calloc(1, sizeof *f);
  if (!f) {
    shoal_free(real);
    return shoal_fail_nomem(err);
  }
  f->base.ops = &file_ops;
  f->root = real;
  shoal_os_uuid(f->mark);
  shoal_mutex_init(&f->lock);
  *out = &f->base;
  return SHOAL_OK;
}
