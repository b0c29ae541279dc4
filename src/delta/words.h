/* SPDX-License-Identifier: Apache-2.0 */
/* What people write of tables in words of SQL: lists of columns, clauses of a merge. */
#ifndef SHOAL_DELTA_WORDS_H
#define SHOAL_DELTA_WORDS_H

#include "delta/dml.h"
#include "engine/lexer.h"

/* The name that a word or a quoted identifier stands for, in the arena. {NULL,0} without memory. */
shoal_str shoal_sql_name(const shoal_token *token, shoal_arena *arena);

/* NAME=VALUE, or a name alone, whose value is {NULL,0} then. A name that has a '=' in it, or quotes around it, is
   quoted as SQL does. */
SHOAL_MUST_USE shoal_status shoal_sql_pair(shoal_str text, shoal_arena *arena, shoal_str *name, shoal_str *value,
                                           shoal_error *err);

/* The schema that a column list such as "id BIGINT NOT NULL, name VARCHAR" describes, in the engine's types; identity
   columns, "id BIGINT GENERATED ALWAYS AS IDENTITY", have the metadata for that. */
SHOAL_MUST_USE shoal_status shoal_delta_columns(shoal_engine *engine, shoal_str columns, shoal_arena *arena,
                                                shoal_schema *out, shoal_error *err);

/* The same of a single column: "name VARCHAR", or its name as it is and its type. */
SHOAL_MUST_USE shoal_status shoal_delta_column(shoal_engine *engine, shoal_str text, shoal_arena *arena,
                                               const shoal_field **out, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_delta_typed(shoal_engine *engine, shoal_str name, shoal_str type, shoal_arena *arena,
                                              const shoal_field **out, shoal_error *err);

/* A clause of a merge, "matched and source.gone then delete"; views into the text and the arena. SHOAL_EINVAL. */
SHOAL_MUST_USE shoal_status shoal_delta_clause_parse(shoal_str text, shoal_arena *arena, shoal_delta_clause *out,
                                                     shoal_error *err);

#endif
