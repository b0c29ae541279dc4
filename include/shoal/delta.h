/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delta Lake tables in folders, for C programs: open one, read any of its versions, append and delete rows. Rows cross
 * as Arrow C streams. Conditions and queries are DuckDB's SQL; its library, libduckdb, is loaded at the first call that
 * needs it, from SHOAL_DUCKDB (an environment variable) or lib/shoal beside the program.
 *
 * Others, in any process and by any program that follows the protocol, may write the table at the same time. A change
 * is one commit: it is there whole and durable when the call returns SHOAL_OK, and not there otherwise, unless the
 * error's hint says that this can't be known.
 *
 * What a table asks of its readers or writers and is not known here is refused by name (SHOAL_EUNSUPPORTED);
 * docs/delta.md has the list.
 *
 * Threads: one thread at a time per handle. A stream is independent of its handle, of which it borrows nothing.
 */
#ifndef SHOAL_DELTA_H
#define SHOAL_DELTA_H

#include "shoal/arrow.h"
#include "shoal/error.h"

typedef struct shoal_table shoal_table;

#define SHOAL_TABLE_LATEST (-1)

/* The table in a folder, which need not be there yet: an append makes it. *out is closed by shoal_table_close. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_open(const char *folder, shoal_table **out, shoal_error *err);
void SHOAL_API shoal_table_close(shoal_table *t); /* NULL is accepted */

/* The latest version. SHOAL_ENOTFOUND: there is no table yet. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_version(shoal_table *t, int64_t *out, shoal_error *err);

/* The rows of a version, or of SHOAL_TABLE_LATEST, as a stream, which the caller releases. `query` is one SELECT over
   the table, which it names `t`; NULL: every row. Rows are computed as they are asked for; what fails then is the
   stream's own error. SHOAL_ENOTFOUND: no table, or no such version; SHOAL_EENGINE: the query. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_scan(shoal_table *t, int64_t version, const char *query,
                                                       struct ArrowArrayStream *out, shoal_error *err);

/* Appends the rows of a stream, a struct of columns, which go by name and are cast to the table's types; makes the
   table of them where there is none. The stream is released, whatever happens. *version: the commit's, -1: there were
   no rows. SHOAL_EINVAL: columns that don't fit, a row that the table does not allow. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_append(shoal_table *t, struct ArrowArrayStream *rows,
                                                         int64_t *version, shoal_error *err);

/* Deletes the rows for which the condition holds. *rows: how many; *version: the commit's, -1: there were none.
   SHOAL_ECONFLICT: others changed meanwhile what was read; nothing was deleted, and it may be tried again. */
SHOAL_API SHOAL_MUST_USE shoal_status shoal_table_delete(shoal_table *t, const char *where, uint64_t *rows,
                                                         int64_t *version, shoal_error *err);

#endif
