/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine binds and executes models; committing is never its business. `duckdb` is the real one, `null` a double for
 * tests (instant, deterministic). Everything crosses in neutral terms: scans in, staged Parquet files with statistics
 * out.
 *
 * Contract. An engine MUST
 *  E1 read only its job's inputs and the paths allowed when it was opened; write only into job->staging and its temp
 * folder; E2 give the same result for the same job, as a multiset of rows, unless the SQL itself is not deterministic;
 *  E3 leave no trace of a job in the next one of the same engine;
 *  E4 stop soon after shoal_engine_interrupt with SHOAL_ECANCELLED;
 *  E5 report errors of the SQL as SHOAL_EENGINE with err->position where it is known, never by aborting.
 * Threads: one thread at a time per engine, except shoal_engine_interrupt. Open one engine for each worker.
 */
#ifndef SHOAL_ENGINE_ENGINE_H
#define SHOAL_ENGINE_ENGINE_H

#include "base/hash.h"
#include "engine/curve.h"
#include "engine/keys.h"
#include "engine/predicate.h"
#include "engine/schema.h"

typedef struct shoal_engine shoal_engine;
struct ArrowArrayStream; /* engine/arrow.h */

typedef struct shoal_engine_config {
  const char *library;      /* path of libduckdb.so; NULL: SHOAL_DUCKDB, $ORIGIN/../lib/shoal, $ORIGIN/.., the system */
  uint64_t memory;          /* bytes; 0: 60% of the machine's */
  unsigned threads;         /* 0: as many as CPUs */
  const char *temp;         /* below it engines spill, each by itself; made if need be; NULL: none */
  uint64_t temp_max;        /* bytes; 0: no limit */
  const shoal_str *allowed; /* absolute files, or folders ending with '/', it may read or write */
  size_t n_allowed;
  bool locked;   /* true: no file but `allowed`, settings locked (always for models) */
  bool progress; /* jobs may ask for it: the engine counts what is done, which costs some percent */
  bool plans;    /* queries that may leave files out will come: a thread makes ready for them meanwhile */
  bool planner;  /* for duckdb_skip.c: tables are stubs without rows, and filters reach them whatever statistics say */
} shoal_engine_config;

/* Files of a table, or of a csv/json/parquet source. */
typedef struct shoal_scan_file {
  shoal_str path;                    /* absolute, local */
  const shoal_str *partition_values; /* one for each partition column, as Delta serialises them; {NULL,0} is NULL */
} shoal_scan_file;
typedef enum shoal_scan_format {
  SHOAL_SCAN_TABLE,
  SHOAL_SCAN_CSV,
  SHOAL_SCAN_JSON,
  SHOAL_SCAN_PARQUET,
  SHOAL_SCAN_ARROW
} shoal_scan_format;
typedef struct shoal_scan_option {
  shoal_str name;  /* [a-z_]+, checked by the engine */
  shoal_str value; /* text; the engine writes booleans and numbers bare, lists "[a, b]" and all else quoted */
} shoal_scan_option;
/* What a query asks of a column, and what is known of that without any of its rows. */
typedef struct shoal_answer {
  size_t column;       /* index into the schema */
  bool bounds, counts; /* asked for: the least and the greatest value; how many are not NULL */
  shoal_str min, max;  /* as the type is written; {NULL,0}: all are NULL */
  uint64_t count;
} shoal_answer;
typedef struct shoal_scan shoal_scan;
struct shoal_scan {
  shoal_scan_format format;
  const shoal_schema *schema;      /* of a table: logical, in order; NULL for source files (the reader sniffs) */
  const size_t *partition_columns; /* indices into schema: their values come from the files' partition_values */
  size_t n_partition_columns;
  const shoal_scan_file *files;
  size_t n_files;
  const shoal_scan_option *options; /* of source files */
  size_t n_options;
  const shoal_schema *columns; /* of files of JSON, in the place of what the reader would guess; NULL: it does */
  shoal_str below; /* a folder, ending with '/', that names told by the option `filename` leave out; {NULL,0}: none */
  /* Every file has all columns, those of partitions too, by their names and types, as a job's own output has. Only then
     does the engine look at a file before it plans: it knows how many rows there are, and reads one file by many
     threads. */
  bool uniform;
  uint64_t rows;    /* about how many are alive; 0: unknown */
  bool by_field_id; /* a file's columns are found by the fields' ids, not by their physical names */
  /* Which rows are alive (deletion vectors); NULL: all. Asked for the files from n_whole on only: alive[i] is whether
     row rows[i], counted from 0, of files[file] is there. `rows` mostly ascends without gaps. Any thread. */
  void (*keep)(void *arg, size_t file, const int64_t *rows, size_t n, bool *alive);
  void *keep_arg;
  size_t n_whole;
  /* Of a table: keep[i] is false where no row of files[i] that is alive can satisfy one of the predicates, whose
     columns are those of `schema`: such files need not be read. All are kept where n is 0. NULL: nothing is known. The
     engine's own thread. */
  shoal_status (*match)(void *arg, const shoal_predicate *any, size_t n, bool *keep, shoal_error *err);
  void *match_arg;
  /* Of a table: two columns more, BIGINT, that tell where a row lies: the number of its file in `files`, and its own in
     that file, both counted from 0. */
  bool positions;
  /* Of a table whose rows have ids: the last four columns of the schema, all BIGINT, are the id and the version that a
     row has in its file, and those that its file begins with; rows have SHOAL_ROW_ID and SHOAL_ROW_VERSION in their
     place. Not with positions. */
  bool tracked;
  /* Of a table: rows that have none of these keys in a column (whole numbers or texts of the files, not of partitions)
     need not be shown; what the engine does not make use of it leaves. NULL: all are wanted. */
  const shoal_keys *among;
  size_t among_column;
  /* Of SHOAL_SCAN_ARROW: batches of structs. Read once, by the one job that has it, and released by its owner after the
     job (for a query: after its rows). */
  struct ArrowArrayStream *stream;
  const size_t *numbers; /* the engine's own, once it has left out files: what their numbers were */
  /* Of a table whose files are listed on demand (`files` is NULL until then, n_files about how many there are): into
     `out`, a copy of this scan, those in which a row that is alive may satisfy one of the predicates; all where `n` is
     0. In the arena. The engine's own thread. Such a scan has no positions. */
  shoal_status (*select)(void *arg, const shoal_predicate *any, size_t n, shoal_arena *arena, shoal_scan *out,
                         shoal_error *err);
  void *select_arg;
  /* Of such a table, without reading any of its files: how many rows are alive, and what is asked of its columns.
     SHOAL_DONE: this can't be told. Texts are in the arena. */
  shoal_status (*answer)(void *arg, shoal_answer *of, size_t n, shoal_arena *arena, uint64_t *rows, shoal_error *err);
  const char *stand_in; /* the engine's own: a query whose rows stand for the table's */
  /* Of a table: its columns that have variants a second time, as what is written of them (engine/variants.h). */
  bool exact;
  const unsigned char *variants; /* the engine's own: how files have their variants */
};

#define SHOAL_ROW_ID "_row_id"
#define SHOAL_ROW_VERSION "_row_commit_version"
#define SHOAL_TRACKED_COLUMNS 4
#define SHOAL_POSITION_FILE "shoal:file"
#define SHOAL_POSITION_ROW "shoal:row"

typedef struct shoal_input {
  /* As the SQL names it, lower case: "silver.orders", "orders" (schema main); with a '/' it is a path, dots and all. */
  shoal_str name;
  const shoal_scan *scan;
} shoal_input;

typedef struct shoal_variable {
  shoal_str name;
  shoal_str value; /* a scalar; numbers, booleans and dates (YYYY-MM-DD[ hh:mm:ss]) get their type, all else VARCHAR */
  bool quoted;     /* always VARCHAR */
} shoal_variable;

/* Rows where the engine made them: texts, or numbers in `data`. Views hold during the call. */
typedef struct shoal_batch_column {
  const void *data;
  const uint64_t *validity;
} shoal_batch_column;
typedef struct shoal_batch {
  size_t rows;
  const shoal_batch_column *columns;
} shoal_batch;
shoal_str shoal_batch_text(const shoal_batch *b, size_t column, size_t row); /* {NULL,0} is NULL */
typedef shoal_status shoal_take(void *arg, const shoal_batch *batch, shoal_error *err);

/* How the pages of Parquet files are compressed. */
typedef enum shoal_parquet_codec {
  SHOAL_PARQUET_ZSTD,
  SHOAL_PARQUET_UNCOMPRESSED,
  SHOAL_PARQUET_SNAPPY,
  SHOAL_PARQUET_GZIP,
  SHOAL_PARQUET_LZ4_RAW, /* blocks without Hadoop's framing */
  SHOAL_PARQUET_CODECS
} shoal_parquet_codec;
/* As Parquet calls it, in small letters: "lz4_raw". */
const char *shoal_parquet_codec_name(shoal_parquet_codec codec);

typedef struct shoal_job {
  shoal_str sql; /* one SELECT, without the model's header; line 1 of it is err->line 1 */
  const shoal_input *inputs;
  size_t n_inputs;
  const shoal_str *macros; /* CREATE MACRO statements, in an order in which each finds those it uses */
  size_t n_macros;
  const shoal_variable *variables;
  size_t n_variables;
  bool clock_fixed; /* now(), current_date and their like say now_us, unless a macro of the job has their name */
  int64_t now_us;
  bool seeded; /* random() and random UUIDs begin at the seed; they repeat exactly only in an engine of one thread */
  uint32_t seed;
  shoal_parquet_codec codec; /* of Parquet files, of execute and copy; `brief` has its own */
  /* the rest only for execute */
  const char *staging;           /* absolute, exists, empty */
  const shoal_str *partition_by; /* columns of the result */
  size_t n_partition_by;
  bool empty_is_null;          /* an empty text in one of these is written as NULL, else refused */
  const shoal_str *cluster_by; /* files are sorted by these */
  size_t n_cluster_by;
  /* Rows are sorted by their places on a curve, and, without partitions, cut into files where it says; file_bytes does
     not count then. NULL: none. Not with cluster_by, ordered or rows_hash. */
  const shoal_curve *curve;
  const shoal_str *curve_by; /* for each of the curve's columns an expression of the result's, as SQL, of no type that
                                has types below it */
  /* The result's columns, in their order and types, with the names and the ids that files have for them (Delta's column
     mapping); NULL: their own names, no ids. The outcome speaks of them by their logical names. Not with rows_hash. */
  const shoal_schema *stored;
  bool variants;  /* what engine/variants.h makes is of Delta's type variant, and so is a VARIANT that is only bound */
  bool brief;     /* the files are read once, soon: they are written quickly, not small */
  bool rows_hash; /* compute outcome.rows_hash */
  bool ordered;   /* the rows' order counts: one file, whatever its size */
  uint64_t file_bytes; /* aim of a file's size; 0: 128 MB */
  /* The first columns of the result, BIGINT and never NULL, are not written: `note` gets them, of every row once, as
     shoal_engine_each does. Rows that have 0 in the last of them are not written either. Not with curve, rows_hash. */
  size_t n_noted;
  shoal_take *note;
  void *note_arg;
  void (*progress)(void *arg, double percent); /* may be NULL, see config; called from the executing thread */
  void *progress_arg;
} shoal_job;

/* Neutral statistics of one leaf column of one file. */
typedef struct shoal_column_stats {
  const shoal_str *path; /* names from the top down */
  size_t n_path;
  shoal_type_kind kind;
  shoal_str min, max; /* the engine's text of the bound; {NULL,0}: unknown. Strings are whole, or valid bounds. */
  int64_t null_count; /* -1: unknown */
  bool has_nan;       /* or may have */
} shoal_column_stats;
typedef struct shoal_output_file {
  shoal_str name; /* relative to staging; plain ASCII "part-….parquet" */
  uint64_t bytes, rows;
  const shoal_str *partition_values; /* for each of partition_by, as Delta serialises them; {NULL,0} is NULL */
  shoal_column_stats *stats;
  size_t n_stats;
} shoal_output_file;
typedef struct shoal_outcome {
  shoal_schema schema;      /* of the result, in Delta's types */
  shoal_output_file *files; /* none with 0 rows */
  size_t n_files;
  uint64_t rows, bytes;
  shoal_hash rows_hash; /* zero unless asked for; docs/lake-format.md defines it */
  int64_t cpu_us, wall_us;
  uint64_t peak_bytes; /* of engine memory, 0 if unknown */
} shoal_outcome;

/* A pull of rows. All values as text (DuckDB's VARCHAR cast), JSON-able by column kinds. */
typedef struct shoal_rows shoal_rows;

typedef struct shoal_engine_ops {
  const char *name;
  const char *(*version)(shoal_engine *e);
  shoal_status (*parse)(shoal_engine *e, shoal_str sql, shoal_buf *json, shoal_error *err);
  shoal_status (*bind)(shoal_engine *e, const shoal_job *job, shoal_arena *arena, shoal_schema *out, shoal_error *err);
  shoal_status (*execute)(shoal_engine *e, const shoal_job *job, shoal_arena *arena, shoal_outcome *out,
                          shoal_error *err);
  shoal_status (*query)(shoal_engine *e, const shoal_job *job, shoal_rows **out, shoal_error *err);
  shoal_status (*copy)(shoal_engine *e, const shoal_job *job, const char *path, shoal_str format, shoal_error *err);
  shoal_status (*stream)(shoal_engine *e, const shoal_job *job, struct ArrowArrayStream *out, shoal_error *err);
  shoal_status (*each)(shoal_engine *e, const shoal_job *job, shoal_take *take, void *arg, shoal_error *err);
  /* NULL: it can't tell */
  shoal_status (*filters)(shoal_engine *e, const shoal_job *job, size_t input, shoal_arena *arena,
                          const shoal_predicate **out, size_t *n, shoal_error *err);
  void (*interrupt)(shoal_engine *e);
  void (*leave)(shoal_engine *e); /* NULL: it spills nothing */
  void (*free)(shoal_engine *e);
} shoal_engine_ops;
struct shoal_engine {
  const shoal_engine_ops *ops;
};

/* Loads libduckdb at first call in the process (28 ms). SHOAL_EUNSUPPORTED when its version is not
 * SHOAL_DUCKDB_VERSION. */
SHOAL_MUST_USE shoal_status shoal_engine_open_duckdb(const shoal_engine_config *config, shoal_engine **out,
                                                     shoal_error *err);
/* Parses by splitting words (FROM/JOIN x → BASE_TABLE); each result has one INTEGER column "n" whose rows follow from
   the SQL's bytes alone. For thread-sanitised tests of everything above. */
SHOAL_MUST_USE shoal_status shoal_engine_open_null(shoal_engine **out, shoal_error *err);
void shoal_engine_free(shoal_engine *e);
/* Instead of freeing it, where the process ends at once: removes what it spilled; memory and threads, which take
   milliseconds to take down, go with the process. */
void shoal_engine_leave(shoal_engine *e);
const char *shoal_engine_version(shoal_engine *e); /* "duckdb 1.5.5" */
/* Feeds every engine setting that affects results, name and value, to a key. Loads nothing. */
void shoal_engine_settings_hash(shoal_hasher *h);

/* The parse tree of one or more statements as DuckDB's json_serialize_sql gives it. A syntax error is SHOAL_EENGINE
   with err->position; what is not a SELECT likewise. */
SHOAL_MUST_USE shoal_status shoal_engine_parse(shoal_engine *e, shoal_str sql, shoal_buf *json, shoal_error *err);
/* The schema of the job's result, in Delta's types, without running it. Types Delta does not have: TINYINT … fine,
   unsigned widen, HUGEINT is long (checked when run), UUID/ENUM/JSON string; TIME, INTERVAL, BIT, UNION are refused
   with the column's name and the mend. */
SHOAL_MUST_USE shoal_status shoal_engine_bind(shoal_engine *e, const shoal_job *job, shoal_arena *arena,
                                              shoal_schema *out, shoal_error *err);
/* Runs the job into staged Parquet files. Files are written but not fsynced; the store does that. */
SHOAL_MUST_USE shoal_status shoal_engine_execute(shoal_engine *e, const shoal_job *job, shoal_arena *arena,
                                                 shoal_outcome *out, shoal_error *err);
/* Runs the job for its rows. They are computed as they are asked for, so that memory does not grow with their number:
   what fails late fails in shoal_rows_next, and what the job's scans borrow must stay until shoal_rows_free. The engine
   is busy until then. */
SHOAL_MUST_USE shoal_status shoal_engine_query(shoal_engine *e, const shoal_job *job, shoal_rows **out,
                                               shoal_error *err);
/* Runs the job into one file; format is parquet, csv, json (NDJSON) or arrow (an IPC stream). `path` is replaced whole.
 */
SHOAL_MUST_USE shoal_status shoal_engine_copy(shoal_engine *e, const shoal_job *job, const char *path, shoal_str format,
                                              shoal_error *err);
/* Runs the job for its rows as an Arrow stream (column names as they are, also double ones). The engine is busy until
   out->release, which must come before shoal_engine_free; so must what the job's scans borrow live. Batches are
   computed as they are asked for; errors while pulling are the stream's own (get_last_error). */
SHOAL_MUST_USE shoal_status shoal_engine_stream(shoal_engine *e, const shoal_job *job, struct ArrowArrayStream *out,
                                                shoal_error *err);
/* Runs a job whose columns are all VARCHAR and gives its rows to `take`, in any order, one batch at a time, from any of
   the engine's threads. Rows that the job's conditions leave out may be among them: so the first column must be NULL
   for those, and for no others. What `take` fails with ends the job, and is what is returned. */
SHOAL_MUST_USE shoal_status shoal_engine_each(shoal_engine *e, const shoal_job *job, shoal_take *take, void *arg,
                                              shoal_error *err);
/* What each scan of the input's table in the job's plan is filtered by, in the arena: rows of the table that satisfy
   none of these don't matter to the job. *n is 0 where that is not known, and all rows may. Runs nothing. */
SHOAL_MUST_USE shoal_status shoal_engine_filters(shoal_engine *e, const shoal_job *job, size_t input,
                                                 shoal_arena *arena, const shoal_predicate **out, size_t *n,
                                                 shoal_error *err);
/* Cancels the running job or, when none is running, the next one. Any thread, any time until shoal_engine_free. */
void shoal_engine_interrupt(shoal_engine *e);

/* Rows. Views hold until the next call of shoal_rows_next or shoal_rows_free. */
struct shoal_rows_ops;
size_t shoal_rows_columns(const shoal_rows *rows);
shoal_str shoal_rows_name(const shoal_rows *rows, size_t column);
/* DuckDB's spelling of the column's type. */
shoal_str shoal_rows_type(const shoal_rows *rows, size_t column);
SHOAL_MUST_USE shoal_status shoal_rows_next(shoal_rows *rows, shoal_error *err); /* SHOAL_OK, SHOAL_DONE, or failure */
shoal_str shoal_rows_text(const shoal_rows *rows, size_t column);                /* {NULL,0} is NULL */
void shoal_rows_free(shoal_rows *rows);

#endif
