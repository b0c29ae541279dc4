/* SPDX-License-Identifier: Apache-2.0 */
/* Files of rows that come, read as the table that they come into has its columns. Private to delta/. */
#ifndef SHOAL_DELTA_NEW_ROWS_H
#define SHOAL_DELTA_NEW_ROWS_H

#include "engine/engine.h"

/* In a file of JSON the value that stands in the place of a variant is the variant, a string a string; a reader that
   guesses types would make one of all rows, and texts of strings. An object in the place of a map is a map; it would
   make a struct of it that has the keys of all rows. So such a scan is replaced by one that reads these columns as JSON
   and as maps, in the arena. Any other scan stays, and so does one whose columns are told (the option `columns`).
   SHOAL_EINVAL: values of a map have members that the table lacks. */
SHOAL_MUST_USE shoal_status shoal_delta_new_rows_scan(shoal_engine *engine, const shoal_schema *table,
                                                      const shoal_scan **scan, shoal_arena *arena, shoal_error *err);
/* The same for a job's inputs. */
SHOAL_MUST_USE shoal_status shoal_delta_new_rows(shoal_engine *engine, const shoal_schema *table,
                                                 const shoal_input **inputs, size_t n, shoal_arena *arena,
                                                 shoal_error *err);

#endif
