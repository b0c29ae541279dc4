/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each function of the engine does to a key: the reviewed list that volatility rests on. The engine's catalogue is
 * where it began, not what it is: the catalogue calls age(ts) and reservoir_quantile consistent. What is not listed is
 * unknown, and unknown means volatile. A test fails when the engine has a function nobody has classified.
 */
#ifndef SHOAL_CODE_FUNCTIONS_H
#define SHOAL_CODE_FUNCTIONS_H

#include "shoal/str.h"

typedef enum shoal_function_class {
  SHOAL_FUNCTION_UNKNOWN,  /* not the engine's, or newer than this list: volatile unless it is a macro of the project */
  SHOAL_FUNCTION_PURE,     /* a function of its arguments (and of the rows' order, where SQL leaves that open) */
  SHOAL_FUNCTION_CLOCK,    /* depends on today's date only */
  SHOAL_FUNCTION_VOLATILE, /* clock, chance, session, file times */
  SHOAL_FUNCTION_READER,   /* reads the files named by its first argument, and nothing but their content */
  SHOAL_FUNCTION_REFUSED   /* the engine's internals, side effects, SQL made of text */
} shoal_function_class;

/* What a volatile thing's value rests on, as bits: what --now and --seed can fix, and what nothing can. */
enum { SHOAL_USES_DATE = 1, SHOAL_USES_TIME = 2, SHOAL_USES_CHANCE = 4, SHOAL_USES_OTHER = 8 };
/* Of a volatile function or word, lower case, as it stands without a schema; all that is not known is OTHER. */
unsigned shoal_volatile_uses(shoal_str name);

/* Of a function in an expression; name in lower case. */
shoal_function_class shoal_scalar_function_class(shoal_str name);
/* Of a function in FROM. */
shoal_function_class shoal_table_function_class(shoal_str name);
/* Of a word that is a column, or, where there is no such column, a function: current_date. UNKNOWN for all others. */
shoal_function_class shoal_word_class(shoal_str name);

#endif
