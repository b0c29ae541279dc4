/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schemas in Delta's type system, the neutral terms in which engines, Delta tables and lakes speak of columns. All
 * memory belongs to the arena a schema was made in.
 */
#ifndef SHOAL_ENGINE_SCHEMA_H
#define SHOAL_ENGINE_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "shoal/error.h"
#include "shoal/str.h"

/* Delta protocol, "Primitive Types", "Struct/Array/Map Type", "Variant Type". */
typedef enum shoal_type_kind {
  SHOAL_TYPE_BOOLEAN,
  SHOAL_TYPE_BYTE,
  SHOAL_TYPE_SHORT,
  SHOAL_TYPE_INTEGER,
  SHOAL_TYPE_LONG,
  SHOAL_TYPE_FLOAT,
  SHOAL_TYPE_DOUBLE,
  SHOAL_TYPE_DECIMAL,
  SHOAL_TYPE_STRING,
  SHOAL_TYPE_BINARY,
  SHOAL_TYPE_DATE,
  SHOAL_TYPE_TIMESTAMP,     /* an instant, microseconds, UTC */
  SHOAL_TYPE_TIMESTAMP_NTZ, /* a wall-clock reading without zone, microseconds */
  SHOAL_TYPE_STRUCT,
  SHOAL_TYPE_ARRAY,
  SHOAL_TYPE_MAP,
  SHOAL_TYPE_VARIANT,
  SHOAL_TYPE_VOID
} shoal_type_kind;

typedef struct shoal_field shoal_field;
typedef struct shoal_type {
  shoal_type_kind kind;
  uint8_t precision, scale; /* of a decimal: 1 … 38, 0 … precision */
  shoal_field *fields;      /* struct: its fields; array: one, "element"; map: two, "key" and "value" */
  size_t n_fields;
} shoal_type;
struct shoal_field {
  shoal_str name;
  shoal_type type;
  bool nullable;
  shoal_str physical; /* its name in data files; equals `name` without column mapping, as {NULL,0} does */
  int32_t field_id;   /* Parquet field id under column mapping, else 0 */
  shoal_str metadata; /* JSON object text of the field's metadata, {NULL,0} if empty */
};
typedef struct shoal_schema {
  shoal_field *fields;
  size_t n_fields;
} shoal_schema;

/* The engine-neutral spelling as DuckDB's SQL types: BIGINT, DECIMAL(10,2), STRUCT("a" INTEGER), DATE[], MAP(VARCHAR,
 * BIGINT). */
void shoal_type_sql(shoal_buf *out, const shoal_type *type);
/* The same with the names that data files have for the members of structs, and as variants what is read as JSON. */
void shoal_type_sql_physical(shoal_buf *out, const shoal_type *type);
/* The column's name in data files. */
shoal_str shoal_field_stored_name(const shoal_field *f);
/* Delta's short spelling for people: long, decimal(10,2), struct<a:integer>, array<date>, map<string,long>. */
void shoal_type_text(shoal_buf *out, const shoal_type *type);
bool shoal_type_eq(const shoal_type *a, const shoal_type *b); /* names, kinds, nullability; not metadata */
bool shoal_schema_eq(const shoal_schema *a, const shoal_schema *b);
/* Whether the kind is a type's own, or that of anything below it. */
bool shoal_type_has(const shoal_type *type, shoal_type_kind kind);
bool shoal_schema_has(const shoal_schema *s, shoal_type_kind kind);
/* Index of a column (exact, then ignoring ASCII case), or -1. */
ptrdiff_t shoal_schema_find(const shoal_schema *s, shoal_str name);
/* A deep copy. */
SHOAL_MUST_USE shoal_status shoal_schema_copy(const shoal_schema *s, shoal_arena *arena, shoal_schema *out,
                                              shoal_error *err);

#endif
