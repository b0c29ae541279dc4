/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a table asks of the rows that come into it (protocol, "CHECK Constraints", "Column Invariants", "Generated
 * Columns", "Default Columns"): enforced, or refused before anything is written. NOT NULL is write.h's, but for
 * elements of arrays and values of maps, of which no statistics tell.
 *
 *  N1 A new row for which a constraint or an invariant is false or NULL fails the whole write, and so does one whose
 *     generated column is another value than its expression's. What is looked at is what was written: the files, before
 *     they leave their staging.
 *  N2 A generated column that rows lack is computed, a column with a default gets that. NULL that is given stays NULL.
 *     The lengths of CHAR(n) and VARCHAR(n), which stand in a column's metadata, are such rules; nothing is padded.
 *     Identity columns that rows lack get numbers (identity.h).
 *  N3 An expression that is not evaluated here (expression.h) is refused, that of a default only when it is needed.
 */
#ifndef SHOAL_DELTA_RULES_H
#define SHOAL_DELTA_RULES_H

#include "delta/identity.h"

#define SHOAL_DELTA_CONSTRAINT "delta.constraints." /* before a constraint's name, in the table's configuration */

typedef struct shoal_delta_rule {
  const char *owner; /* "the constraint 'small'" */
  shoal_str text;    /* as the table has it */
  shoal_str sql;     /* true for the rows that may come */
  const bool *used;  /* which columns it names */
  bool of_type;      /* it is part of its column's type, and goes where the column goes */
} shoal_delta_rule;

typedef struct shoal_delta_rules {
  const shoal_schema *schema;
  const shoal_delta_rule *list;
  size_t n;
  const shoal_str *generated; /* for each column the SQL that makes it of the others, {NULL,0}: it is not made so */
  shoal_delta_identity *identities; /* for each column; NULL: none is one */
} shoal_delta_rules;

/* Whether a configuration key is a constraint's; *name is what follows. Keys go by any case. */
bool shoal_delta_is_constraint(shoal_str key, shoal_str *name);
/* The configuration's key of a constraint, a word in small letters: Delta's names of constraints go by any case.
   SHOAL_EINVAL: the name is none. */
SHOAL_MUST_USE shoal_status shoal_delta_constraint_key(shoal_str name, shoal_arena *arena, shoal_str *key,
                                                       shoal_error *err);
bool shoal_delta_same_constraints(const shoal_delta_metadata *a, const shoal_delta_metadata *b);

/* The rules of a table, in the arena; borrows from the metadata. *out is NULL where there are none: only then no engine
   is needed. SHOAL_EUNSUPPORTED: N3. */
SHOAL_MUST_USE shoal_status shoal_delta_rules_of(const shoal_delta_metadata *metadata, shoal_engine *engine,
                                                 shoal_arena *arena, const shoal_delta_rules **out, shoal_error *err);
/* A column's default as SQL, "NULL" where it has none. SHOAL_EUNSUPPORTED: N3. */
SHOAL_MUST_USE shoal_status shoal_delta_default_sql(const shoal_field *field, shoal_engine *engine, shoal_arena *arena,
                                                    shoal_str *out, shoal_error *err);
bool shoal_delta_is_generated(const shoal_delta_rules *rules, size_t column); /* rules may be NULL */
/* NULL: the column is none, or there are no rules. */
shoal_delta_identity *shoal_delta_identity_of(const shoal_delta_rules *rules, size_t column);
bool shoal_delta_gives_numbers(const shoal_delta_rules *rules); /* this write does; rules may be NULL */
/* N1 for the rows of a scan, which has all columns. SHOAL_EINVAL tells the rule and the first row that breaks it. */
SHOAL_MUST_USE shoal_status shoal_delta_rules_check(const shoal_delta_rules *rules, shoal_engine *engine,
                                                    const shoal_scan *rows, shoal_arena *arena, shoal_error *err);

#endif
