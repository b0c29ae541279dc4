/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files a project rests on: their states as the file system tells them, and the hashes of their contents. What was
 * hashed once is not read again as long as device, inode, size, mtime and ctime stand and the times were not racing
 * (shoal_stat_racy). Variables of the environment that Python code reads are watched beside them, by the hashes of
 * their values, which may be secrets. Folders are watched too, so that a new file is noticed. The encoded watch is kept
 * in the local index; verifying it is the whole cost of an unchanged project.
 */
#ifndef SHOAL_SESSION_WATCH_H
#define SHOAL_SESSION_WATCH_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/os.h"
#include "base/vec.h"

typedef enum shoal_watch_kind {
  SHOAL_WATCH_FILE,
  SHOAL_WATCH_FOLDER,
  SHOAL_WATCH_ABSENT,
  SHOAL_WATCH_VARIABLE /* of the environment: its path is SHOAL_WATCH_ENVIRONMENT and its name, "*": all there are */
} shoal_watch_kind;
#define SHOAL_WATCH_ENVIRONMENT "//environment/" /* no path of a file begins so */

typedef struct shoal_watch_entry {
  shoal_str path; /* relative to the root or absolute; NUL-terminated */
  shoal_watch_kind kind;
  shoal_stat stat;
  bool racy;
  shoal_hash hash; /* of a file's content, a variable's value */
} shoal_watch_entry;

/* What the file system told of an encoded watch's first entries: the scan that follows need not ask again. */
typedef struct shoal_watch_seen {
  struct shoal_watch_look {
    int rc; /* of shoal_os_stat_at */
    shoal_stat stat;
  } * looks;
  size_t n;
} shoal_watch_seen;

typedef struct shoal_watch {
  shoal_arena arena;
  const char *root; /* borrowed */
  int root_fd;      /* of the root's folder; -1: none */
  SHOAL_VEC(shoal_watch_entry) entries;
  shoal_map by_path;
  /* what the index remembered */
  SHOAL_VEC(shoal_watch_entry) old;
  shoal_map old_by_path; /* made when entries are not asked for in the order they are remembered in */
  size_t next_old;       /* the entry that is probably asked for next */
  shoal_watch_seen seen; /* of `old`; borrowed */
  size_t n_hashed;       /* files read because nothing was remembered */
  /* how */
  bool hidden;     /* patterns name what begins with '.' too, as the engine's do */
  bool names_only; /* no file is read: hashes are zero */
} shoal_watch;

/* Everything as remembered? Stats each entry up to the first that differs, into *seen (in the arena); no file is read.
   False also when something was racing. *edited: it is a file that looks changed. */
bool shoal_watch_verify(const char *root, shoal_str encoded, shoal_arena *arena, shoal_watch_seen *seen, bool *edited);
/* The digest of all paths and contents of an encoded watch; zero if it can't be read. */
shoal_hash shoal_watch_encoded_digest(shoal_str encoded);

/* Starts; `encoded` ({NULL,0}: nothing) is copied from. `seen` (may be empty) is what was just seen of its entries; it
   is borrowed. */
SHOAL_MUST_USE shoal_status shoal_watch_open(const char *root, shoal_str encoded, shoal_watch_seen seen,
                                             shoal_watch *out, shoal_error *err);
/* Watches one path. A missing file is watched as absent: *out has that kind. Entries are borrowed until the next add.
 */
SHOAL_MUST_USE shoal_status shoal_watch_add(shoal_watch *w, shoal_str path, const shoal_watch_entry **out,
                                            shoal_error *err);
/* Watches all files below a folder whose names end in one of the suffixes (up to a NULL); *first, *n are their places
   in entries (sorted by path, folders between them). Links to folders are followed; what begins with '.', and
   __pycache__, is left out. */
SHOAL_MUST_USE shoal_status shoal_watch_add_tree(shoal_watch *w, shoal_str folder, const char *const *suffixes,
                                                 size_t *first, size_t *n, shoal_error *err);
/* Watches the files a pattern names (`*` and `?` in any segment, `**` for any depth), sorted bytewise; paths are in the
   arena. An existing folder stands for the files directly in it. */
SHOAL_MUST_USE shoal_status shoal_watch_add_glob(shoal_watch *w, shoal_str pattern, shoal_str **paths, size_t *n,
                                                 shoal_error *err);
/* Whether a file is what it was when it was watched. Reads it only if its times could not tell. Any thread. */
SHOAL_MUST_USE shoal_status shoal_watch_recheck(const shoal_watch *w, shoal_str path, bool *same, shoal_error *err);
/* Whether a pattern names the same files now. Any thread. */
SHOAL_MUST_USE shoal_status shoal_watch_recheck_glob(const char *root, bool hidden, shoal_str pattern,
                                                     const shoal_str *paths, size_t n, bool *same, shoal_error *err);
const shoal_watch_entry *shoal_watch_find(const shoal_watch *w, shoal_str path);
SHOAL_MUST_USE shoal_status shoal_watch_encode(const shoal_watch *w, shoal_buf *out, shoal_error *err);
void shoal_watch_dispose(shoal_watch *w);

#endif
