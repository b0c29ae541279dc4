/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a table is changed without its rows: columns that come, go, have another name or a wider type, properties,
 * constraints. One commit for all of it.
 *
 *  A1 No row becomes another one: a column that comes is NULL, one that goes or gets another name stays in the files
 *     under the name that only they know (column mapping), a type only widens.
 *  A2 A constraint that comes holds for every row that is there, and for those that others add meanwhile.
 *  A3 What a constraint or a generated column is made of stays as it is.
 */
#ifndef SHOAL_DELTA_ALTER_H
#define SHOAL_DELTA_ALTER_H

#include "delta/delta.h"

typedef enum shoal_delta_alteration_kind {
  SHOAL_DELTA_ADD_COLUMN,      /* field */
  SHOAL_DELTA_RENAME_COLUMN,   /* name, to value */
  SHOAL_DELTA_DROP_COLUMN,     /* name */
  SHOAL_DELTA_WIDEN_COLUMN,    /* field: its name and its type */
  SHOAL_DELTA_DROP_NOT_NULL,   /* name */
  SHOAL_DELTA_SET_PROPERTY,    /* name, value */
  SHOAL_DELTA_UNSET_PROPERTY,  /* name */
  SHOAL_DELTA_ADD_CONSTRAINT,  /* name, value */
  SHOAL_DELTA_DROP_CONSTRAINT, /* name */
} shoal_delta_alteration_kind;

typedef struct shoal_delta_alteration {
  shoal_delta_alteration_kind kind;
  shoal_str name, value;
  const shoal_field *field;
} shoal_delta_alteration;

/* In their order; *version is the commit's. SHOAL_EINVAL: what can't be (no such column, a row that breaks the new
   constraint …); SHOAL_EUNSUPPORTED: what the table lacks a feature for, or is not done here, by name; SHOAL_ECONFLICT:
   others changed meanwhile what it rests on. */
SHOAL_MUST_USE shoal_status shoal_delta_alter(const shoal_delta_table *table, shoal_engine *engine,
                                              const shoal_delta_alteration *list, size_t n, int64_t *version,
                                              shoal_error *err);

#endif
