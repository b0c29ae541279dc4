/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splits SQL into its significant tokens, as DuckDB's scanner does: comments nest, strings may be dollar-quoted, some
 * Unicode spaces are spaces. It understands nothing and refuses nothing; it serves the few questions that the parse
 * tree can't answer.
 */
#ifndef SHOAL_ENGINE_LEXER_H
#define SHOAL_ENGINE_LEXER_H

#include <stdbool.h>

#include "shoal/error.h"
#include "shoal/str.h"

typedef enum shoal_token_kind {
  SHOAL_TOKEN_WORD,   /* keyword or unquoted identifier */
  SHOAL_TOKEN_QUOTED, /* "identifier" */
  SHOAL_TOKEN_STRING, /* 'text', E'text', $$text$$ */
  SHOAL_TOKEN_NUMBER,
  SHOAL_TOKEN_SYMBOL /* one byte: operators of several are several tokens */
} shoal_token_kind;

typedef struct shoal_token {
  shoal_token_kind kind;
  shoal_str text; /* a view, with its quotes */
  size_t offset;
} shoal_token;

typedef struct shoal_lexer {
  shoal_str sql;
  size_t at;
} shoal_lexer;

/* False at the end. What is not terminated reaches to the end. */
bool shoal_lexer_next(shoal_lexer *lexer, shoal_token *out);
/* True for an unquoted word, whatever its case. */
bool shoal_token_is(const shoal_token *token, const char *word);
/* The text without a final ';' and without white space and comments after it. */
shoal_str shoal_sql_body(shoal_str sql);
/* SHOAL_EINVAL: brackets or quotes are not closed in the text, so that "(text)" would not be one expression. What else
   is the matter with it the engine says. */
SHOAL_MUST_USE shoal_status shoal_sql_check_expression(shoal_str sql, shoal_error *err);
/* Whether there is a word without which no table's rows are filtered by anything. */
bool shoal_sql_has_conditions(shoal_str sql);
/* Sets an error's position, line and column; offset is 0-based. Nothing when err is NULL or the offset is beyond the
 * text. */
void shoal_sql_point(shoal_error *err, shoal_str sql, size_t offset);

#endif
