/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store holds objects by key: the seam through which everything shared is read and written. A folder, memory, and
 * (later) S3 implement it; `faulty` wraps one for tests. One contract suite (tests/contract/store_contract.c) runs
 * against every implementation.
 *
 * Keys are UTF-8 paths with '/' between segments: no empty, "." or ".." segment, no NUL, no control character, at most
 * SHOAL_MAX_KEY_BYTES. shoal_store_check_key says so; every operation refuses other keys with SHOAL_EINVAL.
 *
 * Contract. An implementation MUST hold to this:
 *  C1 put_new is atomic put-if-absent: of any number of callers, in any processes, exactly one succeeds, the others get
 *     SHOAL_EEXIST; readers see the whole object or none. On any ambiguity (a time-out after success) it finds out
 *     whether the object is its own before it answers.
 *  C2 What put_new, put_files, link, rewrite acknowledge is durable: bytes and every folder on the way (invariant 4).
 *     So is the object that is there when put_new answers SHOAL_EEXIST.
 *  C3 get after an acknowledged put sees it, from any process (read-after-write); so does list.
 *  C4 list gives keys in bytewise order, strictly after `after`.
 *  C5 No temporary name is ever visible through list or get.
 *  C6 A failed operation leaves the object absent or whole, never partial.
 *  C7 rewrite replaces an object atomically; only the object's owner calls it, so it needs no condition.
 *  C8 put_brief is put_new without C2: what it acknowledges may be gone, or be anything, after a power loss. It is for
 *     what concerns running processes only; who reads such objects takes a broken one for none.
 * Threads: every function may be called from any thread at once on one store.
 */
#ifndef SHOAL_STORE_STORE_H
#define SHOAL_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "shoal/error.h"
#include "shoal/str.h"

typedef struct shoal_store shoal_store;

typedef struct shoal_object {
  shoal_str key;       /* in the caller's arena; whole key */
  uint64_t size;       /* bytes; 0 for a folder */
  int64_t modified_us; /* by the store's clock */
  bool folder;         /* only from list with `shallow`: a common prefix, its key ends with '/' */
} shoal_object;

/* One local file to become an object. */
typedef struct shoal_put_file {
  shoal_str local_path; /* absolute, inside shoal_store_staging's folder; NUL-terminated; gone after success */
  shoal_str key;
} shoal_put_file;

typedef struct shoal_get {
  shoal_str key;
  /* result */
  shoal_status status; /* SHOAL_OK, SHOAL_ENOTFOUND, or another failure */
  shoal_str bytes;     /* in the caller's arena, NUL-terminated */
} shoal_get;

typedef struct shoal_store_ops {
  const char *name; /* "file" */
  shoal_status (*get)(shoal_store *s, shoal_str key, uint64_t off, uint64_t len, shoal_buf *out, shoal_error *err);
  shoal_status (*head)(shoal_store *s, shoal_str key, shoal_object *out, shoal_error *err);
  shoal_status (*put_new)(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err);
  shoal_status (*put_brief)(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err); /* NULL: as put_new */
  shoal_status (*rewrite)(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err);
  shoal_status (*put_files)(shoal_store *s, const shoal_put_file *files, size_t n, shoal_error *err);
  shoal_status (*link)(shoal_store *s, shoal_str from, shoal_str to, shoal_error *err);
  shoal_status (*list)(shoal_store *s, shoal_str prefix, shoal_str after, bool shallow, size_t limit,
                       shoal_arena *arena, shoal_object **out, size_t *n, shoal_error *err);
  shoal_status (*del)(shoal_store *s, shoal_str key, shoal_error *err);
  shoal_status (*staging)(shoal_store *s, shoal_arena *arena, char **out, shoal_error *err);
  char *(*local_path)(shoal_store *s, shoal_str key, shoal_arena *arena);
  void (*free)(shoal_store *s);
} shoal_store_ops;

struct shoal_store {
  const shoal_store_ops *ops;
};

/* A folder on a local or network file system. `root` is made if `create`, else SHOAL_ENOTFOUND when missing. */
SHOAL_MUST_USE shoal_status shoal_store_open_file(const char *root, bool create, shoal_store **out, shoal_error *err);
/* Objects in memory, for tests; staging uses a temporary folder. */
SHOAL_MUST_USE shoal_status shoal_store_open_memory(shoal_store **out, shoal_error *err);
void shoal_store_free(shoal_store *s);

SHOAL_MUST_USE shoal_status shoal_store_check_key(shoal_str key, shoal_error *err);

/* Bytes off … off+len appended to out; len UINT64_MAX is "to the end". SHOAL_ENOTFOUND. */
SHOAL_MUST_USE shoal_status shoal_store_get(shoal_store *s, shoal_str key, shoal_buf *out, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_store_get_range(shoal_store *s, shoal_str key, uint64_t off, uint64_t len,
                                                  shoal_buf *out, shoal_error *err);
/* A batch of small objects; each has its own status. Fails only as a whole when memory runs out. */
SHOAL_MUST_USE shoal_status shoal_store_get_many(shoal_store *s, shoal_get *gets, size_t n, shoal_arena *arena,
                                                 shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_store_head(shoal_store *s, shoal_str key, shoal_object *out, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_store_put_new(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_store_put_brief(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_store_rewrite(shoal_store *s, shoal_str key, shoal_str bytes, shoal_error *err);
/* Staged files become objects, all durable on return; keys must be new and theirs alone (an attempt's folder). If it
   fails, some may be there: the attempt is abandoned and its keys are never used again. */
SHOAL_MUST_USE shoal_status shoal_store_put_files(shoal_store *s, const shoal_put_file *files, size_t n,
                                                  shoal_error *err);
/* A second name for the same immutable bytes without copying. SHOAL_EUNSUPPORTED where the store has none;
   SHOAL_EEXIST when `to` is there. Durable. */
SHOAL_MUST_USE shoal_status shoal_store_link(shoal_store *s, shoal_str from, shoal_str to, shoal_error *err);
/* Keys that start with `prefix` ("" or ending with '/'), strictly after the key `after` ({NULL,0}: from the start), in
   bytewise order, at most `limit` (0: all). `shallow`: only the next segment, deeper ones as folders (a file store may
   show one that holds nothing). A missing folder is an empty list. */
SHOAL_MUST_USE shoal_status shoal_store_list(shoal_store *s, shoal_str prefix, shoal_str after, bool shallow,
                                             size_t limit, shoal_arena *arena, shoal_object **out, size_t *n,
                                             shoal_error *err);
/* A missing object is no error. Durability is not promised: what is deleted may come back after a crash. */
SHOAL_MUST_USE shoal_status shoal_store_del(shoal_store *s, shoal_str key, shoal_error *err);
/* A new empty local folder of the caller's own, from which put_files can move by rename; absolute. The caller removes
   what is left. Old ones of dead processes of this machine are removed by the file store when it makes a new one. */
SHOAL_MUST_USE shoal_status shoal_store_staging(shoal_store *s, shoal_arena *arena, char **out, shoal_error *err);
/* The absolute local path where an engine can read the object's bytes, or NULL when the store has no such thing. */
char *shoal_store_local_path(shoal_store *s, shoal_str key, shoal_arena *arena);

#endif
