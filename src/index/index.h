/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The project's local index: a cache of what was computed from files and from the lake, in LMDB. Deleting it costs
 * time, nothing else; a broken or foreign one is thrown away and begun anew. Processes share it. Where the project lies
 * on a network file system it is kept in the user's cache folder instead.
 *
 * Threads: one thread at a time per shoal_index.
 */
#ifndef SHOAL_INDEX_INDEX_H
#define SHOAL_INDEX_INDEX_H

#include "base/arena.h"
#include "base/buf.h"

typedef struct shoal_index shoal_index;

/* `project` is the project's absolute folder; the index lies in its .shoal/, made on demand. When the folder can't be
   written, an index that remembers nothing is opened: everything works, slowly. */
SHOAL_MUST_USE shoal_status shoal_index_open(const char *project, shoal_index **out, shoal_error *err);
void shoal_index_close(shoal_index *index);
/* The folder it lies in; NULL: it remembers nothing. */
const char *shoal_index_folder(const shoal_index *index);
/* A borrowed view of the value, {NULL,0} when there is none; it holds until shoal_index_release, put, or close. */
shoal_str shoal_index_view(shoal_index *index, shoal_str key);
void shoal_index_release(shoal_index *index);
/* Sets values in one transaction. Failures are reported but never matter for correctness. */
typedef struct shoal_index_item {
  shoal_str key, value; /* value {NULL,0}: delete */
} shoal_index_item;
SHOAL_MUST_USE shoal_status shoal_index_put(shoal_index *index, const shoal_index_item *items, size_t n,
                                            shoal_error *err);

#endif
