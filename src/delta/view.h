/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a view share: its state, and how it is loaded, from the newest action to the oldest. */
#ifndef SHOAL_DELTA_VIEW_H
#define SHOAL_DELTA_VIEW_H

#include "delta/delta_internal.h"
#include "delta/files.h"

struct shoal_delta_view {
  int64_t version;
  shoal_delta_metadata metadata;
  shoal_delta_protocol protocol;
  shoal_str metadata_raw, protocol_raw;
  shoal_files base; /* of a checkpoint, or of the cache */
  shoal_files tail; /* of commits after the cache's version */
  bool *dead;       /* of base; NULL: all are alive */
  size_t n_dead;
  shoal_arena arena;
};

/* What the newer part of a log says of the older one. */
typedef struct shoal_view_load {
  const shoal_delta_table *table;
  shoal_delta_view *v;
  shoal_log log;
  int64_t target;
  bool spelled;                              /* commits are read one by one, whatever has been compacted */
  shoal_arena scratch;                       /* keys, actions */
  shoal_map seen;                            /* replay keys that newer actions have spoken of */
  uint64_t *filter;                          /* bits of the hashes of their paths */
  SHOAL_VEC(const shoal_delta_file *) fresh; /* added and alive, newest first */
  shoal_str metadata, protocol;              /* the newest ones; {NULL,0}: an older part has them */
} shoal_view_load;

/* The commits after `have` up to the target; fails where one is missing. */
SHOAL_MUST_USE shoal_status shoal_view_commits(shoal_view_load *l, int64_t have, shoal_error *err);
/* Whether a newer action has spoken of an older add. Out of memory: `*err` says so, and the answer is false. */
bool shoal_view_is_seen(const shoal_view_load *l, uint32_t hash, shoal_str path, shoal_str vector, shoal_error *err);
void shoal_view_forget(shoal_view_load *l);
/* Protocol and metadata that were found, and an empty base for files of such a table. */
SHOAL_MUST_USE shoal_status shoal_view_understand(shoal_view_load *l, shoal_error *err);

/* view_cache.c: the log is listed. SHOAL_DONE: there is nothing usable. The base and the rest of `l` are what the cache
   and the commits after it say. */
SHOAL_MUST_USE shoal_status shoal_view_recall(shoal_view_load *l, int64_t version, shoal_error *err);
/* Remembers a view made of what is listed, its checkpoint having been at log files first … first + n (n 0: none). No
   harm if it fails. */
void shoal_view_remember(const shoal_view_load *l, size_t first, size_t n);

#endif
