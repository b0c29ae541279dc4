/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of tables that this build keeps, the features of the protocol that they need, and columns' names and ids
 * under column mapping (protocol, "Table Features", "Column Mapping").
 */
#ifndef SHOAL_DELTA_PROPERTY_H
#define SHOAL_DELTA_PROPERTY_H

#include "delta/delta_internal.h"

#define SHOAL_DELTA_MAPPING "delta.columnMapping.mode"
#define SHOAL_DELTA_LAST_ID "delta.columnMapping.maxColumnId"

typedef enum shoal_delta_value {
  SHOAL_DELTA_WORD,     /* one of `values` */
  SHOAL_DELTA_WHOLE,    /* a number, `least` or more */
  SHOAL_DELTA_DURATION, /* interval 1 week */
  SHOAL_DELTA_SIZE,     /* bytes, or 128mb */
  SHOAL_DELTA_CODEC,
  SHOAL_DELTA_FORMAT,
  SHOAL_DELTA_COLUMNS /* stats_columns.h; whether they are the table's is asked there */
} shoal_delta_value;

typedef struct shoal_delta_property {
  const char *key;
  const char *values;  /* "true|false" */
  const char *off;     /* the value that needs no feature */
  const char *feature; /* which any other value needs; NULL: none */
  bool reader, legacy; /* the feature is also the reader's; writer version 2 has it */
  shoal_delta_value kind;
  int32_t least;
} shoal_delta_property;

/* The properties of Delta's own (delta.…) that are kept. */
const shoal_delta_property *shoal_delta_properties(size_t *n);
/* SHOAL_EUNSUPPORTED: one of Delta's own that is not kept; SHOAL_EINVAL: not its value. */
SHOAL_MUST_USE shoal_status shoal_delta_property_check(const shoal_delta_kv *p, shoal_error *err);
/* What the property with this value needs; NULL: no feature. */
const shoal_delta_property *shoal_delta_property_needs(shoal_str key, shoal_str value);

/* The protocol with one feature more, in the arena; features that its versions imply are named then. */
SHOAL_MUST_USE shoal_status shoal_delta_protocol_add(shoal_delta_protocol *p, const char *feature, bool reader,
                                                     shoal_arena *arena, shoal_error *err);

/* A configuration with the key set, in the arena; {NULL,0} takes it away. Other pairs keep their order. */
SHOAL_MUST_USE shoal_status shoal_delta_config_set(shoal_delta_metadata *m, shoal_str key, shoal_str value,
                                                   shoal_arena *arena, shoal_error *err);
/* A field's metadata with a member set to a JSON text, or without it: {NULL,0}. */
SHOAL_MUST_USE shoal_status shoal_delta_field_set(shoal_field *f, const char *key, shoal_str json, shoal_arena *arena,
                                                  shoal_error *err);
/* Gives fields, and those inside them, an id and a name in files: a new one, or (`as_named`, for columns that files
   have already) their own. *last is the highest id so far. */
SHOAL_MUST_USE shoal_status shoal_delta_map_fields(shoal_field *fields, size_t n, bool as_named, int64_t *last,
                                                   shoal_arena *arena, shoal_error *err);

#endif
