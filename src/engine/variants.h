/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variants in the queries of jobs that write rows (shoal_job.variants). Queries that people write see variants as JSON;
 * what is written of one are its two binaries, a struct of metadata and value that only the functions below make. So a
 * scan with `exact` shows each column that has variants a second time, as their binaries, and a row that stays what it
 * is never goes through JSON. The texts are SQL.
 */
#ifndef SHOAL_ENGINE_VARIANTS_H
#define SHOAL_ENGINE_VARIANTS_H

#include "base/buf.h"
#include "engine/schema.h"

/* The column of a scan with `exact` that is to be written: by another name where the field has variants. */
void shoal_variants_add_exact(shoal_buf *sql, const shoal_field *f);
/* Whether there is a field that has variants. */
bool shoal_variants_any(const shoal_schema *s);
/* An expression of any type as the field's, whose variants it has as JSON, or as what JSON can be made of. */
void shoal_variants_add_new(shoal_buf *sql, const shoal_field *f, shoal_str expression);
/* A column of Parquet files that a job with `variants` wrote, read as files of no table. */
void shoal_variants_add_staged(shoal_buf *sql, const shoal_field *f, shoal_str expression);
/* What is to be written as people see it. */
void shoal_variants_add_shown(shoal_buf *sql, const shoal_field *f, shoal_str expression);

#endif
