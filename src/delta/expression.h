/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions that tables carry (CHECK constraints, invariants, generated columns, defaults) are Spark's SQL; the
 * engine speaks another one. What both spell alike they need not mean alike: how text becomes a number, where a string
 * ends, what a quotient is.
 *
 *  X1 An expression is parsed by the engine and written anew from its tree, node by node. A node, a function, a pair of
 *     types that is not reviewed here is refused by name: no expression is evaluated that Spark might see otherwise.
 *  X2 Where Spark goes by its session's time zone, UTC counts, as in every session of Shoal's.
 *  X3 Where the engine fails and Spark would not (an overflow that Spark lets wrap), the write fails.
 */
#ifndef SHOAL_DELTA_EXPRESSION_H
#define SHOAL_DELTA_EXPRESSION_H

#include "delta/delta_internal.h"

typedef struct shoal_delta_expression {
  const char *owner; /* for messages: "the constraint 'small'" */
  shoal_str text;
  const shoal_schema *schema; /* whose columns it may name */
  bool clock;                 /* current_date and current_timestamp are allowed */
} shoal_delta_expression;

/* The engine's SQL for it, in the arena: a condition or, with `as`, a value of that type. `used` (NULL: not asked for)
   has an item for each column and is set for those it names. SHOAL_EUNSUPPORTED, by name: what is not reviewed, and
   what is no expression or not of that type. */
SHOAL_MUST_USE shoal_status shoal_delta_expression_sql(const shoal_delta_expression *e, const shoal_type *as,
                                                       shoal_engine *engine, shoal_arena *arena, bool *used,
                                                       shoal_str *out, shoal_error *err);

/* --- expression_type.c: what its values are --- */
typedef struct shoal_typed {
  shoal_str sql;
  shoal_type type; /* SHOAL_TYPE_VOID: NULL */
  bool literal;
  shoal_str text; /* of a literal: a string's, or a number's digits */
  bool condition; /* made by an operator: how tightly it binds may differ when it is compared */
} shoal_typed;

typedef struct shoal_expression_maker {
  const shoal_delta_expression *e;
  shoal_arena *arena;
  bool *used;
  shoal_error *err;
} shoal_expression_maker;

/* "the constraint 'small', id % 2 = 0: …, which this build does not evaluate". Returns SHOAL_EUNSUPPORTED. */
shoal_status shoal_expression_refuse(const shoal_expression_maker *m, const char *fmt, ...) SHOAL_PRINTF(2, 3);
/* The SQL of a value. */
SHOAL_MUST_USE shoal_status shoal_expression_sql(const shoal_expression_maker *m, shoal_typed *out, const char *fmt,
                                                 ...) SHOAL_PRINTF(3, 4);
/* Gives the values one type, in which Spark and the engine compare them alike; *common, if not NULL, is that type. */
SHOAL_MUST_USE shoal_status shoal_expression_unify(const shoal_expression_maker *m, shoal_typed *values, size_t n,
                                                   shoal_type *common);
/* CAST(value AS type) */
SHOAL_MUST_USE shoal_status shoal_expression_cast(const shoal_expression_maker *m, shoal_typed *value,
                                                  const shoal_type *type);
bool shoal_expression_is_whole(const shoal_type *type);  /* byte … long */
bool shoal_expression_is_number(const shoal_type *type); /* these, decimals, floats */
bool shoal_expression_is_time(const shoal_type *type);   /* date, timestamps */

#endif
