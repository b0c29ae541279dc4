/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the DuckDB engine share. One in-memory instance and one connection per engine. A job runs between
 * shoal_duckdb_begin and shoal_duckdb_end: its inputs are views, its macros macros, all made in one transaction that
 * is rolled back at the end, and its variables are reset. So nothing of a job is left (E3) but the empty schemas its
 * inputs lay in, which are made once: names resolve by the engine's own rules (schema, case, CTEs before tables), and a
 * name that is no input gets the engine's own error.
 */
#ifndef SHOAL_ENGINE_DUCKDB_INTERNAL_H
#define SHOAL_ENGINE_DUCKDB_INTERNAL_H

#include <stdatomic.h>

#include "base/map.h"
#include "base/thread.h"
#include "base/vec.h"
#include "engine/duckdb_api.h"
#include "engine/engine.h"
#include "engine/rows_hash.h"

/* The catalogue that holds a job's inputs: no identifier, so that no schema of the user's can share its name. */
#define SHOAL_DUCKDB_CATALOG "\"shoal:lake\""
#define SHOAL_DUCKDB_TAP "shoal:tap"
#define SHOAL_DUCKDB_EACH "shoal:each"
#define SHOAL_DUCKDB_NOTE "shoal:note"
#define SHOAL_DUCKDB_KEEP "shoal:keep"
#define SHOAL_DUCKDB_AMONG "shoal:among"
#define SHOAL_DUCKDB_AMONG_TEXT "shoal:among_text"
#define SHOAL_DUCKDB_PLACE "shoal:place"
#define SHOAL_DUCKDB_CUT "shoal:cut"
#define SHOAL_DUCKDB_VARIANT "shoal:variant"
#define SHOAL_DUCKDB_VARIANT_EXACT "shoal:variant_exact"
#define SHOAL_DUCKDB_VARIANT_PARSE "shoal:variant_parse"
#define SHOAL_DUCKDB_VARIANT_STAGED "shoal:variant_staged"
#define SHOAL_DUCKDB_EXACT "shoal:exact:" /* and a column's name: its variants as they are written (variants.h) */

typedef struct shoal_duckdb_csv shoal_duckdb_csv; /* duckdb_csv.c */

typedef struct shoal_duckdb {
  shoal_engine base;
  const shoal_duckdb_api *api;
  shoal_engine_config config; /* its texts are in `arena` */
  shoal_arena arena;
  duckdb_database db;
  duckdb_connection con;
  duckdb_prepared_statement parse; /* made at first use: a project has thousands of models */
  shoal_mutex mutex;               /* guards `con` against an interrupt while it is reopened */
  atomic_bool cancelled;
  bool fatal;   /* the instance reported an internal error and is to be opened anew */
  bool binding; /* the job that begins is not run: no table's files are needed */
  bool in_job;
  bool looks_for_damage; /* it reads files one by one for another one */
  bool damage;           /* the last error may come of a damaged file */
  shoal_map schemas;     /* made in this instance, by name; the names are in `arena` */
  shoal_arena job_arena;
  SHOAL_VEC(shoal_str) variables; /* in job_arena: to be reset when the job ends */
  const shoal_scan *scans;        /* in job_arena: of the inputs, by number */
  size_t n_scans;
  const shoal_job *job;
  shoal_rows_tap tap;
  struct { /* of the job that gives rows on */
    shoal_mutex mutex;
    shoal_take *take; /* NULL: none */
    void *arg;
    shoal_error failure; /* the first one of `take` */
  } each;
  bool recording;        /* the job is being set up */
  shoal_buf made;        /* the statements that set it up */
  shoal_engine *planner; /* made at first use, or by `planning`, whose it is until it is joined */
  shoal_thread planning;
  SHOAL_VEC(shoal_duckdb_csv *) csv; /* what is known of CSV files that the last job read */
  const shoal_duckdb_csv **job_csv;  /* in job_arena: by input; NULL: nothing */
  shoal_str streamed;                /* in job_arena: the query whose rows are fetched, and the number of its columns */
  size_t n_streamed;
} shoal_duckdb;

/* Where the user's SQL stands in a statement, to turn the engine's position into the user's. The zero value: nowhere.
 */
typedef struct shoal_duckdb_place {
  shoal_str sql;
  size_t offset;
} shoal_duckdb_place;

/* duckdb.c */
SHOAL_MUST_USE shoal_status shoal_duckdb_begin(shoal_duckdb *d, const shoal_job *job, shoal_error *err);
void shoal_duckdb_end(shoal_duckdb *d);

/* duckdb_statement.c. Errors get the user's position by `place`. */
SHOAL_MUST_USE shoal_status shoal_duckdb_run(shoal_duckdb *d, const char *sql, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_duckdb_prepare(shoal_duckdb *d, const char *sql, shoal_duckdb_place place,
                                                 duckdb_prepared_statement *out, shoal_error *err);
/* In small tasks, with interruption and progress; costs one more binding, and no CPU while other threads work. *out is
   to be destroyed also after a failure. */
SHOAL_MUST_USE shoal_status shoal_duckdb_query_watched(shoal_duckdb *d, const char *sql, shoal_duckdb_place place,
                                                       duckdb_result *out, shoal_error *err);
/* The same, but only up to the first rows: the engine goes on as they are fetched, and holds a few of them at a time.
   place.sql is the whole of the user's query, which has n columns. */
SHOAL_MUST_USE shoal_status shoal_duckdb_query_streamed(shoal_duckdb *d, const char *sql, shoal_duckdb_place place,
                                                        size_t n, duckdb_result *out, shoal_error *err);
/* The next rows of a result: SHOAL_OK with a chunk, SHOAL_DONE, or what failed since the query began. */
SHOAL_MUST_USE shoal_status shoal_duckdb_fetch(shoal_duckdb *d, duckdb_result *result, duckdb_data_chunk *out,
                                               shoal_error *err);
/* Runs one statement that is known to be one, with interruption and, where the job asks for it, progress. *out is to be
   destroyed also after a failure. */
SHOAL_MUST_USE shoal_status shoal_duckdb_query_text(shoal_duckdb *d, const char *sql, shoal_duckdb_place place,
                                                    duckdb_result *out, shoal_error *err);
/* SET VARIABLE "name" = CAST($1 AS type); takes the value. type NULL: the value's own. */
SHOAL_MUST_USE shoal_status shoal_duckdb_set_variable(shoal_duckdb *d, shoal_str name, duckdb_value value,
                                                      const char *type, shoal_error *err);
/* Turns the engine's message, JSON or plain, into an error. */
shoal_status shoal_duckdb_fail(shoal_duckdb *d, const char *message, shoal_duckdb_place place, shoal_error *err);

/* duckdb_damage.c */
/* Whether such an error, of the type that the engine calls it, may come of a damaged file. */
bool shoal_duckdb_is_damage(shoal_str type, shoal_str message);
/* Names the file that the job's error is about, if it is about one and does not. */
void shoal_duckdb_name_file(shoal_duckdb *d, shoal_error *err);

/* duckdb_again.c */
void shoal_duckdb_record(shoal_duckdb *d, const char *sql);
/* The query that is going to be streamed. */
SHOAL_MUST_USE shoal_status shoal_duckdb_streamed(shoal_duckdb *d, shoal_str body, size_t n, shoal_error *err);
/* Why the streamed query failed; never SHOAL_OK. */
SHOAL_MUST_USE shoal_status shoal_duckdb_ask_again(shoal_duckdb *d, shoal_error *err);

/* duckdb_inputs.c */
/* The schemas that a job's inputs lie in, outside its transaction: what is made once costs one statement, not one for
   each job. */
SHOAL_MUST_USE shoal_status shoal_duckdb_schemas(shoal_duckdb *d, const shoal_job *job, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_duckdb_inputs(shoal_duckdb *d, const shoal_job *job, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_duckdb_macros(shoal_duckdb *d, const shoal_job *job, shoal_error *err);
/* What CREATE [OR REPLACE] [TEMP] MACRO|FUNCTION [IF NOT EXISTS] names; {NULL,0} for anything else. */
shoal_str shoal_duckdb_macro_name(shoal_str sql);
/* A path in quotes, which names that file and no other. */
void shoal_duckdb_add_path(shoal_buf *out, shoal_str path);
/* Files of a scan that are read by one call of a reader, and a name that no other such list of the input has. */
typedef struct shoal_duckdb_files {
  size_t first, n;
  const char *name;
} shoal_duckdb_files;
/* The first argument of a reader. */
SHOAL_MUST_USE shoal_status shoal_duckdb_add_files(shoal_duckdb *d, const shoal_scan *scan, size_t input,
                                                   const shoal_duckdb_files *files, shoal_buf *sql, shoal_error *err);
/* Of NULL where `s` is. Destroyed by the caller. */
duckdb_value shoal_duckdb_text_value(shoal_duckdb *d, shoal_str s);
/* Sets a variable to a list of `n` texts, cast to `type`[] (NULL: texts they stay). Takes the values. */
SHOAL_MUST_USE shoal_status shoal_duckdb_set_list(shoal_duckdb *d, shoal_str name, duckdb_value *values, size_t n,
                                                  const shoal_type *type, shoal_error *err);
/* Fixes clock and chance as the job says. */
SHOAL_MUST_USE shoal_status shoal_duckdb_fix(shoal_duckdb *d, const shoal_job *job, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_duckdb_variables(shoal_duckdb *d, const shoal_job *job, shoal_error *err);
/* Remembers a variable that is about to be set. */
SHOAL_MUST_USE shoal_status shoal_duckdb_note_variable(shoal_duckdb *d, shoal_str name, shoal_error *err);
void shoal_duckdb_reset_variables(shoal_duckdb *d);
/* duckdb_table.c: the query over a table's files. */
SHOAL_MUST_USE shoal_status shoal_duckdb_add_table(shoal_duckdb *d, const shoal_scan *given, size_t input,
                                                   shoal_buf *sql, shoal_error *err);

/* duckdb_types.c and, for what binds a job, duckdb.c */
/* A column of a query as it is and as it will be stored. */
typedef struct shoal_duckdb_column {
  shoal_str name;
  shoal_str engine_type; /* DuckDB's spelling */
  shoal_type type;       /* only from shoal_duckdb_columns with `stored` */
  bool cast;             /* the stored type is another */
  bool narrowed;         /* a HUGEINT stored as long, somewhere in it: may overflow when run */
} shoal_duckdb_column;
/* The columns of a prepared SELECT. With `stored` types that Delta lacks, empty and double names are refused. */
SHOAL_MUST_USE shoal_status shoal_duckdb_columns(shoal_duckdb *d, duckdb_prepared_statement stmt, bool stored,
                                                 shoal_arena *arena, shoal_duckdb_column **out, size_t *n,
                                                 shoal_error *err);
/* Prepares the job's own text, which must be one SELECT, and reads its columns. *body is the text without a final ';'
   and what follows it. */
SHOAL_MUST_USE shoal_status shoal_duckdb_bind_columns(shoal_duckdb *d, const shoal_job *job, bool stored,
                                                      shoal_arena *arena, shoal_duckdb_column **out, size_t *n,
                                                      shoal_str *body, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_duckdb_schema(const shoal_duckdb_column *columns, size_t n, shoal_arena *arena,
                                                shoal_schema *out, shoal_error *err);

/* duckdb_execute.c */
/* Among COPY's options for Parquet with columns of types that DuckDB 1.5.5 misjudges by its Bloom filters: of floats
   they tell -0.0 from 0.0, which are equal, and what a binary is compared with they look up as it is printed, \x00. */
#define SHOAL_DUCKDB_NO_BLOOM ", WRITE_BLOOM_FILTER false"
bool shoal_duckdb_misjudged(const shoal_duckdb_column *columns, size_t n);
SHOAL_MUST_USE shoal_status shoal_duckdb_op_execute(shoal_engine *e, const shoal_job *job, shoal_arena *arena,
                                                    shoal_outcome *out, shoal_error *err);
/* duckdb_stats.c: the rows that COPY … RETURN_STATS gave. */
SHOAL_MUST_USE shoal_status shoal_duckdb_read_files(shoal_duckdb *d, duckdb_result *result, const shoal_job *job,
                                                    shoal_arena *arena, shoal_outcome *out, shoal_error *err);
/* duckdb_skip.c */
/* Leaves out, in these copies of the job's scans, the files in which the query can't find a row. */
SHOAL_MUST_USE shoal_status shoal_duckdb_skip(shoal_duckdb *d, const shoal_job *job, shoal_scan *scans,
                                              shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_duckdb_op_filters(shoal_engine *e, const shoal_job *job, size_t input,
                                                    shoal_arena *arena, const shoal_predicate **out, size_t *n,
                                                    shoal_error *err);
/* Opens the planner in a thread; as well as that goes. */
void shoal_duckdb_plan_soon(shoal_duckdb *d);
/* In a planner: the view's query over a table without rows, which this makes. */
SHOAL_MUST_USE shoal_status shoal_duckdb_add_stub(shoal_duckdb *d, const shoal_scan *scan, size_t input, shoal_buf *sql,
                                                  shoal_error *err);
/* duckdb_function.c: a function over batches of rows; its extra info is the engine. */
enum {
  SHOAL_DUCKDB_VARIES = 1, /* it takes any number of parameters of the one type */
  SHOAL_DUCKDB_WATCHES = 2 /* so it does, NULL too, and is called for every row there is */
};
typedef struct shoal_duckdb_function {
  const char *name;
  duckdb_scalar_function_t function;
  const duckdb_type *types; /* of its parameters */
  size_t n_types;
  duckdb_type returns;
  unsigned flags;
} shoal_duckdb_function;
SHOAL_MUST_USE shoal_status shoal_duckdb_register(shoal_duckdb *d, const shoal_duckdb_function *what, shoal_error *err);
/* duckdb_csv.c */
/* Looks into the CSV files of a job that is about to begin, outside its transaction, which a file that can't be read
   would end. */
SHOAL_MUST_USE shoal_status shoal_duckdb_sniff(shoal_duckdb *d, const shoal_job *job, shoal_error *err);
/* The query over an input's files as they were found to be; SHOAL_DONE, and nothing added: the reader is to look. */
SHOAL_MUST_USE shoal_status shoal_duckdb_add_csv(shoal_duckdb *d, const shoal_scan *scan, size_t input, shoal_buf *sql,
                                                 shoal_error *err);
void shoal_duckdb_forget_csv(shoal_duckdb *d);
/* duckdb_each.c */
SHOAL_MUST_USE shoal_status shoal_duckdb_register_each(shoal_duckdb *d, shoal_error *err);
/* Around a statement that has one of the functions in it: what they give to, and what `take` failed with, if it did. */
void shoal_duckdb_each_begin(shoal_duckdb *d, shoal_take *take, void *arg);
shoal_status shoal_duckdb_each_end(shoal_duckdb *d, shoal_status status, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_duckdb_op_each(shoal_engine *e, const shoal_job *job, shoal_take *take, void *arg,
                                                 shoal_error *err);
/* duckdb_answer.c */
/* Gives the only input a stand_in, in the copy of its scan, where the query is answered without its files. */
SHOAL_MUST_USE shoal_status shoal_duckdb_answer(shoal_duckdb *d, const shoal_job *job, shoal_scan *scans,
                                                shoal_error *err);
/* duckdb_tap.c */
SHOAL_MUST_USE shoal_status shoal_duckdb_register_tap(shoal_duckdb *d, shoal_error *err);
/* duckdb_keep.c: the function that asks a scan which rows are alive. */
SHOAL_MUST_USE shoal_status shoal_duckdb_register_keep(shoal_duckdb *d, shoal_error *err);
/* duckdb_among.c: the function that asks whether a row has one of the keys that its scan wants. */
SHOAL_MUST_USE shoal_status shoal_duckdb_register_among(shoal_duckdb *d, shoal_error *err);
/* duckdb_curve.c: the functions that lay a job's rows out. */
SHOAL_MUST_USE shoal_status shoal_duckdb_register_curve(shoal_duckdb *d, shoal_error *err);

/* A folder below `temp` that no other instance has, of any process, in the arena; it is not made. *out is NULL where
   `temp` is. */
SHOAL_MUST_USE shoal_status shoal_duckdb_own_temp(const char *temp, shoal_arena *arena, const char **out,
                                                  shoal_error *err);
/* duckdb_arrow.c. The job has begun; a file left by a failure is the caller's to remove. */
SHOAL_MUST_USE shoal_status shoal_duckdb_write_arrow(shoal_duckdb *d, const shoal_job *job, const char *path,
                                                     shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_duckdb_op_stream(shoal_engine *e, const shoal_job *job, struct ArrowArrayStream *out,
                                                   shoal_error *err);
/* duckdb_lend.c. A stream for the engine, which lasts as long as the job and reads from `of`. SHOAL_EENGINE: that gives
   no schema. */
SHOAL_MUST_USE shoal_status shoal_duckdb_lend(shoal_duckdb *d, struct ArrowArrayStream *of,
                                              struct ArrowArrayStream **out, shoal_error *err);
/* duckdb_mapped.c: columns whose structs have other names in the files. */
/* An expression of the physical type as one of the logical type, whose variants are JSON or, `exact`, what is written
   of them. `layout` is an expression for duckdb_variant.c, of SHOAL_LAYOUT_PARTS and _NULLS; NULL: there are none. */
void shoal_duckdb_add_logical(shoal_buf *out, const shoal_type *type, const char *expression, const char *layout,
                              bool exact);
/* The other way round. */
void shoal_duckdb_add_physical(shoal_buf *out, const shoal_type *type, shoal_str expression);
/* COPY's option that gives the columns their ids; nothing where they have none. */
void shoal_duckdb_add_field_ids(shoal_buf *out, const shoal_schema *schema);
/* duckdb_variant.c */
SHOAL_MUST_USE shoal_status shoal_duckdb_register_variant(shoal_duckdb *d, shoal_error *err);
/* What is written of a variant: a struct of its two binaries by the name that the engine gives it. Destroyed by the
   caller. */
#define SHOAL_DUCKDB_VARIANT_TYPE "PARQUET_VARIANT"
duckdb_logical_type shoal_duckdb_variant_type(const shoal_duckdb_api *api);
enum {
  SHOAL_LAYOUT_PARTS = 1, /* the file has the column's variants as structs of their parts */
  SHOAL_LAYOUT_NULLS = 2  /* what the engine has for NULL in it are variants that are null */
};
/* Of each column and file of a scan, [column * n_files + file], how the file has the column's variants; NULL: the table
   has none. In the job's arena. SHOAL_ECORRUPT: there they are something else. SHOAL_EUNSUPPORTED: the scan is exact,
   and the engine can't tell NULLs from variants that are null. */
SHOAL_MUST_USE shoal_status shoal_duckdb_find_variants(shoal_duckdb *d, const shoal_scan *scan,
                                                       const unsigned char **out, shoal_error *err);
/* duckdb_variant_null.c: sets SHOAL_LAYOUT_NULLS for a column of a file with `n` marked variants, `lacking` others, or
   not; SHOAL_EUNSUPPORTED: it has both. */
SHOAL_MUST_USE shoal_status shoal_duckdb_variant_nulls(shoal_duckdb *d, shoal_str path, const shoal_field *column,
                                                       size_t n, bool lacking, unsigned char *layout, shoal_error *err);
/* duckdb_variant_write.c: the functions that make what is written. */
SHOAL_MUST_USE shoal_status shoal_duckdb_register_variant_write(shoal_duckdb *d, shoal_error *err);
/* duckdb_query.c */
SHOAL_MUST_USE shoal_status shoal_duckdb_op_query(shoal_engine *e, const shoal_job *job, shoal_rows **out,
                                                  shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_duckdb_op_copy(shoal_engine *e, const shoal_job *job, const char *path,
                                                 shoal_str format, shoal_error *err);

/* A string of a vector; a view into it. */
static inline shoal_str shoal_duckdb_string(const duckdb_string_t *s) {
  uint32_t n = s->value.inlined.length;
  return (shoal_str){n <= sizeof s->value.inlined.inlined ? s->value.inlined.inlined : s->value.pointer.ptr, n};
}
static inline bool shoal_duckdb_valid(const uint64_t *validity, size_t row) {
  return !validity || (validity[row / 64] >> (row % 64) & 1);
}

#endif
