/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delta tables that no code here makes: sources and tables at a path, as `shoal import` and `shoal table` work on them.
 * What is computed is refused: a row changed by hand would be gone with the next run, and until then be a lie.
 */
#ifndef SHOAL_SESSION_TABLE_H
#define SHOAL_SESSION_TABLE_H

#include "delta/dml.h"
#include "session/interrupt.h"
#include "session/session.h"

typedef struct shoal_open_table {
  shoal_session *s; /* NULL: there is no project */
  shoal_arena arena;
  const char *folder;
  const shoal_str *readable; /* files and folders beside the table that its engine may read */
  size_t n_readable;
  shoal_store *store;
  shoal_engine *engine; /* NULL: not needed so far */
  shoal_cancel *cancel; /* stops what the engine does; NULL: nothing does */
  shoal_interrupt *interrupt;
  shoal_delta_table delta;
} shoal_open_table;

enum {
  SHOAL_TABLE_CREATE = 1,  /* the folder is made where there is none */
  SHOAL_TABLE_COMPUTED = 2 /* a computed dataset will do: nothing is written */
};
/* `target` is a source's name or a path (absolute; told by its '/'). SHOAL_ENOTFOUND: no such source or folder.
   SHOAL_EINVAL: a source made of files, a computed dataset. `readable` and `cancel`, which may be NULL, must outlive
   the table. */
SHOAL_MUST_USE shoal_status shoal_session_table_open(shoal_session *s, shoal_cancel *cancel, shoal_str target,
                                                     unsigned flags, const shoal_str *readable, size_t n_readable,
                                                     shoal_open_table *out, shoal_error *err);
/* Its engine, which may touch the table's folder and what is readable, nothing else. */
SHOAL_MUST_USE shoal_status shoal_session_table_engine(shoal_open_table *t, shoal_engine **out, shoal_error *err);
void shoal_session_table_close(shoal_open_table *t);

/* What is read: files of one format, by their endings; or, a folder, a Delta table. */
typedef struct shoal_table_rows {
  shoal_scan scan;
  shoal_store *store;
  shoal_delta_snapshot *snapshot;
} shoal_table_rows;
/* Files (absolute, NUL-terminated) by their endings. SHOAL_EINVAL: of no known format, or of several. */
SHOAL_MUST_USE shoal_status shoal_session_scan_files(const shoal_str *files, size_t n, shoal_arena *arena,
                                                     shoal_scan *out, shoal_error *err);
/* `paths` are absolute, NUL-terminated, and among what the table's engine may read (a folder with a final '/'). */
SHOAL_MUST_USE shoal_status shoal_session_table_rows(shoal_open_table *t, const shoal_str *paths, size_t n,
                                                     shoal_table_rows *out, shoal_error *err);
void shoal_table_rows_dispose(shoal_table_rows *r);

#endif
