/* SPDX-License-Identifier: Apache-2.0 */
/*
 * macros/X.sql: CREATE MACRO statements. DuckDB's parse tree knows no macro definitions, so each body is parsed as a
 * SELECT of its own: the canonical form is the hash of these and of the head, and what a macro reaches (tables,
 * functions, variables) is found there.
 */
#ifndef SHOAL_CODE_MACRO_H
#define SHOAL_CODE_MACRO_H

#include "base/vec.h"
#include "code/unit.h"
#include "engine/engine.h"

typedef SHOAL_VEC(shoal_macro) shoal_macro_vec;

/* Splits a file into its macros and appends them with name, path, text and line. Errors point into the file. */
SHOAL_MUST_USE shoal_status shoal_macros_split(shoal_str path, shoal_str text, shoal_arena *arena, shoal_macro_vec *out,
                                               shoal_error *err);
/* Fills in canon and what a macro reaches; `names` are all macros of the project. */
SHOAL_MUST_USE shoal_status shoal_macro_analyse(shoal_macro *m, shoal_engine *engine, const shoal_str *names, size_t n,
                                                shoal_arena *arena, shoal_error *err);
/* The hash over all names, on which the analysis of every model rests. */
shoal_hash shoal_macro_names_hash(const shoal_macro *macros, size_t n);

#endif
