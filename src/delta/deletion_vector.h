/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletion vectors: the rows of a data file that are no longer in the table (protocol, "Deletion Vectors" and "Deletion
 * Vector Format"). A vector is immutable once read and may be used from any thread.
 */
#ifndef SHOAL_DELTA_DELETION_VECTOR_H
#define SHOAL_DELTA_DELETION_VECTOR_H

#include "delta/delta.h"

typedef struct shoal_delta_vector shoal_delta_vector;

/* What add.deletionVector says, {NULL,0} where it says nothing. */
typedef struct shoal_delta_vector_descriptor {
  char storage;         /* 'u': a file named by a UUID, 'p': a path, 'i': inline */
  shoal_str where;      /* pathOrInlineDv */
  int64_t offset;       /* into the file; 1 where the descriptor has none: that is where the first one stands */
  uint64_t size;        /* bytes of magic number and bitmap */
  uint64_t cardinality; /* rows deleted */
} shoal_delta_vector_descriptor;

/* From its JSON text. SHOAL_ECORRUPT; SHOAL_EUNSUPPORTED for another storage type. */
SHOAL_MUST_USE shoal_status shoal_delta_vector_describe(shoal_str json, shoal_arena *arena,
                                                        shoal_delta_vector_descriptor *out, shoal_error *err);
/* Reads the vector of a file of the table: checks size, checksum, magic number and cardinality (SHOAL_ECORRUPT). A path
   that leads out of the table is refused (SHOAL_EUNSUPPORTED) unless table->anywhere. */
SHOAL_MUST_USE shoal_status shoal_delta_vector_read(const shoal_delta_table *table,
                                                    const shoal_delta_vector_descriptor *d, shoal_delta_vector **out,
                                                    shoal_error *err);
/* Where its bytes lie, as a log spells paths; nothing for an inline one. */
SHOAL_MUST_USE shoal_status shoal_delta_vector_path(const shoal_delta_vector_descriptor *d, shoal_buf *out,
                                                    shoal_error *err);
void shoal_delta_vector_free(shoal_delta_vector *v);
uint64_t shoal_delta_vector_count(const shoal_delta_vector *v);
/* One more than the last row that is deleted; 0: none is. */
uint64_t shoal_delta_vector_end(const shoal_delta_vector *v);
/* alive[i]: rows[i] is not deleted. Ascending runs of rows are fast, any order is right. */
void shoal_delta_vector_keep(const shoal_delta_vector *v, const int64_t *rows, size_t n, bool *alive);

/* --- writing: a vector in the making belongs to one thread --- */
SHOAL_MUST_USE shoal_status shoal_delta_vector_new(shoal_delta_vector **out, shoal_error *err);
/* Whether the row was not in it before. */
bool shoal_delta_vector_add(shoal_delta_vector *v, uint64_t row);
void shoal_delta_vector_merge(shoal_delta_vector *v, const shoal_delta_vector *from);
/* Writes vectors into files of the table's folder, durable, and describes each as add.deletionVector does (JSON texts,
   in the arena). SHOAL_ELIMIT: one is larger than what this build reads. */
SHOAL_MUST_USE shoal_status shoal_delta_vectors_put(const shoal_delta_table *table,
                                                    const shoal_delta_vector *const *vectors, size_t n,
                                                    shoal_arena *arena, shoal_str *descriptors, shoal_error *err);

/* Z85 (ZeroMQ RFC 32): five characters for four bytes. */
SHOAL_MUST_USE shoal_status shoal_z85_decode(shoal_str text, shoal_buf *out, shoal_error *err);
/* The length of `bytes` is a multiple of four. */
void shoal_z85_encode(shoal_str bytes, shoal_buf *out);

#endif
