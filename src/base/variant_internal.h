/* SPDX-License-Identifier: Apache-2.0 */
/* How a variant's bytes are walked (base/variant.h): private to the files that do it. */
#ifndef SHOAL_BASE_VARIANT_INTERNAL_H
#define SHOAL_BASE_VARIANT_INTERNAL_H

#include <stdint.h>

#include "base/variant.h"
#include "base/vec.h"

/* VariantEncoding.md, "Value encoding": basic types, and those of primitive values. */
enum { SHOAL_VARIANT_PRIMITIVE, SHOAL_VARIANT_SHORT_TEXT, SHOAL_VARIANT_OBJECT, SHOAL_VARIANT_ARRAY };
enum {
  SHOAL_VARIANT_NOTHING,
  SHOAL_VARIANT_YES,
  SHOAL_VARIANT_NO,
  SHOAL_VARIANT_INT8,
  SHOAL_VARIANT_INT16,
  SHOAL_VARIANT_INT32,
  SHOAL_VARIANT_INT64,
  SHOAL_VARIANT_DOUBLE,
  SHOAL_VARIANT_DECIMAL4,
  SHOAL_VARIANT_DECIMAL8,
  SHOAL_VARIANT_DECIMAL16,
  SHOAL_VARIANT_DATE,
  SHOAL_VARIANT_TIMESTAMP,
  SHOAL_VARIANT_TIMESTAMP_NTZ,
  SHOAL_VARIANT_FLOAT,
  SHOAL_VARIANT_BINARY,
  SHOAL_VARIANT_TEXT,
  SHOAL_VARIANT_TIME,
  SHOAL_VARIANT_TIMESTAMP_NANOS,
  SHOAL_VARIANT_TIMESTAMP_NTZ_NANOS,
  SHOAL_VARIANT_UUID
};

/* The names of fields. */
typedef struct shoal_variant_names {
  const unsigned char *offsets;
  size_t n;
  unsigned width;
  shoal_str bytes;
} shoal_variant_names;

/* A value, from its first byte on; what follows it may be there, too. */
typedef struct shoal_variant_node {
  const shoal_variant_names *names;
  shoal_str bytes;
} shoal_variant_node;

typedef struct shoal_variant_container {
  const shoal_variant_names *names;
  size_t n;
  unsigned id_width, offset_width;
  const unsigned char *ids, *offsets;
  shoal_str data;
} shoal_variant_container;

typedef struct shoal_variant_walk {
  shoal_buf *out;
  size_t left; /* bytes that may yet be read: each counts once */
  unsigned depth;
  shoal_error *err;
} shoal_variant_walk;

/* A field that is to be written: a value, or the group of a shredded one. */
typedef struct shoal_variant_entry {
  shoal_str name;
  shoal_variant_node value;
  bool group;
} shoal_variant_entry;
typedef SHOAL_VEC(shoal_variant_entry) shoal_variant_entries;

static inline const unsigned char *shoal_variant_bytes(shoal_str s) { return (const unsigned char *)s.ptr; }
static inline int shoal_variant_basic(shoal_str bytes) { return bytes.ptr[0] & 3; }
static inline bool shoal_variant_is_null(const shoal_variant_node *v) {
  return v->bytes.len == 0 || v->bytes.ptr[0] == 0;
}
static inline uint64_t shoal_variant_little(const unsigned char *p, unsigned width) {
  uint64_t v = 0;
  for (unsigned i = 0; i < width; i++)
    v |= (uint64_t)p[i] << 8 * i;
  return v;
}

/* Never SHOAL_OK. */
shoal_status shoal_variant_corrupt(shoal_error *err, const char *what);
SHOAL_MUST_USE shoal_status shoal_variant_spend(shoal_variant_walk *p, size_t n);
/* One value deeper; p->depth is taken back by who asked. */
SHOAL_MUST_USE shoal_status shoal_variant_deeper(shoal_variant_walk *p);

SHOAL_MUST_USE shoal_status shoal_variant_open_dictionary(shoal_str metadata, shoal_variant_names *out,
                                                          shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_variant_name(const shoal_variant_names *d, uint64_t id, shoal_str *out,
                                               shoal_error *err);

/* By UTF-16 units, as Java has strings in order: pairs of surrogates stand before U+E000. Spark writes the fields of an
   object so, and refuses others; the specification has bytes in its place, which differ for such names only. */
int shoal_variant_compare_names(shoal_str a, shoal_str b);

/* Arrays and objects. */
SHOAL_MUST_USE shoal_status shoal_variant_open_container(shoal_variant_walk *p, const shoal_variant_node *v,
                                                         shoal_variant_container *out);
SHOAL_MUST_USE shoal_status shoal_variant_item(const shoal_variant_container *c, size_t i, shoal_variant_node *out,
                                               shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_variant_field(const shoal_variant_container *c, size_t i, shoal_str *name,
                                                shoal_variant_node *out, shoal_error *err);
/* The field of a name; no bytes where there is none. */
SHOAL_MUST_USE shoal_status shoal_variant_find(const shoal_variant_container *c, const char *name,
                                               shoal_variant_node *out, shoal_error *err);
/* An object's fields behind those that are there. */
SHOAL_MUST_USE shoal_status shoal_variant_add_fields(shoal_variant_walk *p, const shoal_variant_node *object,
                                                     bool groups, shoal_variant_entries *to);

/* The bytes of a primitive value, without its header; of binaries and strings their content. */
SHOAL_MUST_USE shoal_status shoal_variant_data(const shoal_variant_node *v, shoal_str *out, shoal_error *err);
/* The content of a binary, whose bytes are counted as they are read; no bytes where there is none. */
SHOAL_MUST_USE shoal_status shoal_variant_binary(const shoal_variant_node *v, shoal_str *out, shoal_error *err);

/* variant_write.c: what is written of an array or an object. */
typedef struct shoal_variant_item_end {
  uint32_t name; /* of an object's fields, which are in the order of their names: its number among the names */
  size_t end;    /* in `data` */
} shoal_variant_item_end;
typedef SHOAL_VEC(shoal_variant_item_end) shoal_variant_item_ends;
/* SHOAL_ELIMIT: its bytes are more than offsets of four bytes tell. */
SHOAL_MUST_USE shoal_status shoal_variant_add_container(shoal_buf *out, bool object,
                                                        const shoal_variant_item_ends *items, shoal_str data,
                                                        shoal_error *err);
void shoal_variant_add_little(shoal_buf *out, uint64_t v, unsigned width);

#endif
