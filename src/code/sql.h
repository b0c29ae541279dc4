/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical form of a SELECT and what it depends on, from the engine's parse tree. The form is the tree without
 * positions, hashed in a typed encoding: comments, white space and the case of keywords don't count, everything else
 * does. It is for keys, never for execution.
 */
#ifndef SHOAL_CODE_SQL_H
#define SHOAL_CODE_SQL_H

#include "base/arena.h"
#include "base/hash.h"

/* A table that is no CTE in scope. */
typedef struct shoal_sql_ref {
  shoal_str name;   /* lower case: "schema.table" or "table" */
  shoal_str at;     /* "version 3" or "timestamp 2020-01-01" of an AT clause, {NULL,0}: none */
  int64_t position; /* byte offset into the SQL of its first occurrence, -1: unknown */
} shoal_sql_ref;

/* A file or glob that it reads, as it is written. */
typedef struct shoal_sql_file {
  shoal_str path;
  shoal_str function; /* "read_csv"; of FROM 'x.csv' too */
  bool hive;          /* hive_partitioning is written */
  int64_t position;
} shoal_sql_file;

typedef struct shoal_sql_form {
  shoal_hash canon;
  shoal_sql_ref *refs; /* by name, each once */
  size_t n_refs;
  shoal_sql_file *files; /* by path and function, each once */
  size_t n_files;
  shoal_str *functions; /* every function and macro called, lower case, sorted, each once; no operators */
  size_t n_functions;
  shoal_str *variables; /* read by getvariable, sorted, each once */
  size_t n_variables;
  bool volatile_;
  bool date_only;         /* volatile only by today's date */
  unsigned uses;          /* SHOAL_USES_… of all that is volatile in it */
  shoal_str volatile_why; /* the function; {NULL,0}: none */
} shoal_sql_form;

/* Analyses one SELECT; `parse_json` is what shoal_engine_parse gave for `sql`. Macro names are lower case. What can't
   be keyed is refused as SHOAL_EINVAL, with the mend and a place in the SQL: several statements, current_setting, a
   variable or a file whose name is computed, table functions on the engine's internals, parameters. Views are in the
   arena. */
SHOAL_MUST_USE shoal_status shoal_sql_analyse(shoal_str sql, shoal_str parse_json, const shoal_str *macro_names,
                                              size_t n_macros, shoal_arena *arena, shoal_sql_form *out,
                                              shoal_error *err);
/* The same for queries that are run once and not keyed: refuses nothing. */
SHOAL_MUST_USE shoal_status shoal_sql_references(shoal_str sql, shoal_str parse_json, shoal_arena *arena,
                                                 shoal_sql_form *out, shoal_error *err);

/* A body of a macro as a SELECT that the engine can parse. */
typedef struct shoal_sql_body_text {
  shoal_str select; /* "SELECT (…)" of a scalar macro, the query itself of a table macro */
  ptrdiff_t offset; /* add it to a position in `select` for the position in the macro's text */
} shoal_sql_body_text;
/* A macro taken apart; its canonical form is `head` and the forms of its bodies. */
typedef struct shoal_sql_macro {
  shoal_str name;              /* lower case, without quotes */
  shoal_hash head;             /* of all but the bodies: name, parameters, defaults, kinds */
  shoal_sql_body_text *bodies; /* one for each overload */
  size_t n;
} shoal_sql_macro;
/* Splits one CREATE MACRO statement. SHOAL_EINVAL for anything else. */
SHOAL_MUST_USE shoal_status shoal_sql_split_macro(shoal_str text, shoal_arena *arena, shoal_sql_macro *out,
                                                  shoal_error *err);

#endif
