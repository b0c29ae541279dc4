/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A unit is what planning needs to know of a model without its text: names, references, and the hashes of its canonical
 * form. It is computed once per content of a file and kept in the local index.
 */
#ifndef SHOAL_CODE_UNIT_H
#define SHOAL_CODE_UNIT_H

#include "base/arena.h"
#include "base/codec.h"

typedef struct shoal_unit_ref {
  shoal_str name; /* as the SQL names it, lower case: "silver.orders" or "orders" */
  int line;       /* of the model's file */
  int column;
  bool called; /* Python: its function is called. The order follows from it, the key does not: the code counts; the call
                  gives the result of this very code, if that is what the run has */
  bool learned; /* Python: seen when it ran, not written in the code */
} shoal_unit_ref;

typedef struct shoal_unit {
  shoal_str name, path;
  shoal_hash content; /* of the file's bytes */
  shoal_hash canon;   /* canonical SQL */
  shoal_hash layout;  /* partition_by and cluster_by */
  shoal_hash expects; /* what is checked; zero: nothing */
  shoal_unit_ref *refs;
  size_t n_refs;
  shoal_str *files; /* constant paths its SQL reads, "function\tpath" */
  size_t n_files;
  shoal_str *functions; /* every function and macro it calls, lower case */
  size_t n_functions;
  shoal_str *variables; /* read by getvariable */
  size_t n_variables;
  shoal_str *tags;
  size_t n_tags;
  shoal_str volatile_why; /* the function that makes it volatile; {NULL,0}: it is a function of its inputs */
  bool date_only;         /* volatile only by today's date, which then counts in its key */
  uint8_t uses;           /* SHOAL_USES_… (code/functions.h) of what is volatile in it */
  shoal_str was;
  shoal_str python;      /* of a function in a Python file: the interpreter's "3.11", which counts; {NULL,0}: SQL */
  shoal_hash arguments;  /* of such a function: its parameters' defaults */
  shoal_str description; /* likewise */
  shoal_str decorated;   /* likewise: JSON, what shoal_model_decorate reads; {NULL,0}: nothing */
  int line;              /* where the model begins in its file; SQL: 1 */
} shoal_unit;

/* One macro of macros/X.sql. */
typedef struct shoal_macro {
  shoal_str name, path;
  shoal_str text; /* the whole CREATE MACRO statement */
  int line;
  shoal_hash canon;
  shoal_str *functions, *variables;
  size_t n_functions, n_variables;
  shoal_unit_ref *refs;
  size_t n_refs;
  shoal_str volatile_why;
  bool date_only;
  uint8_t uses;
} shoal_macro;

/* What analysing a macro told, for the index: canon, functions, variables, refs, volatility. */
void shoal_macro_encode(const shoal_macro *m, shoal_buf *out);
SHOAL_MUST_USE shoal_status shoal_macro_decode(shoal_decoder *d, shoal_arena *arena, shoal_macro *out,
                                               shoal_error *err);
void shoal_unit_encode(const shoal_unit *u, shoal_buf *out);
/* Views into what is decoded; arrays in the arena. d->failed tells of a broken text. */
SHOAL_MUST_USE shoal_status shoal_unit_decode(shoal_decoder *d, shoal_arena *arena, shoal_unit *out, shoal_error *err);

#endif
