/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delta Lake tables over a store: snapshots with time travel, commits, checkpoints. Terms and rules are those of the
 * Delta transaction log protocol (PROTOCOL.md; sections are named where a rule comes from there).
 *
 * A table is a store and a prefix ("" for the store's root, else without a trailing '/'). Snapshots are immutable once
 * opened and may be read from any thread.
 */
#ifndef SHOAL_DELTA_DELTA_H
#define SHOAL_DELTA_DELTA_H

#include "base/thread.h"
#include "engine/engine.h"
#include "store/store.h"

#define SHOAL_DELTA_LATEST (-1)

/* Where a table is. `engine` reads and writes Parquet checkpoints and may be NULL as long as none is met; opening it on
   demand is what `get_engine` is for (the snapshot of a table without checkpoints must not load DuckDB). */
typedef struct shoal_delta_table {
  shoal_store *store;
  shoal_str prefix;
  shoal_status (*get_engine)(void *arg, shoal_engine **out, shoal_error *err);
  void *engine_arg;
  bool anywhere;  /* files outside the table's folder are read too: the user trusts whoever wrote its log */
  shoal_str also; /* or those below this folder, absolute and without links: a shallow clone's source; or {NULL,0} */
  const char
      *cache; /* folder, made on demand, where large tables' files are remembered for the next view; NULL: none */
  size_t cache_from; /* files that a table has at least to be remembered; 0: 1,000, fewer are read as quickly anew */
  uint64_t tip_from; /* bytes of a checkpoint whose files writers bring up only as they need them; 0: 64 KB */
  /* Where who appends again and again keeps what it knows of the table, one thread at a time; the owner frees it. NULL:
     nowhere. */
  struct shoal_delta_snapshot **head;
} shoal_delta_table;

typedef struct shoal_delta_kv {
  shoal_str key, value; /* value {NULL,0} is null */
} shoal_delta_kv;

typedef struct shoal_delta_protocol {
  int min_reader, min_writer;
  const shoal_str *reader_features, *writer_features; /* used iff min_reader is 3, min_writer is 7 */
  size_t n_reader_features, n_writer_features;
} shoal_delta_protocol;

typedef struct shoal_delta_metadata {
  shoal_str id, name, description;
  shoal_str schema_json;
  shoal_schema schema;
  const shoal_str *partition_columns; /* logical names */
  size_t n_partition_columns;
  const shoal_delta_kv *configuration;
  size_t n_configuration;
  int64_t created_ms; /* 0: absent */
} shoal_delta_metadata;

typedef struct shoal_delta_file {
  shoal_str path; /* as the log spells it (percent-encoded) */
  uint64_t size;
  int64_t modified_ms;
  bool data_change;
  const shoal_delta_kv *partition_values; /* by physical name; every partition column has one */
  size_t n_partition_values;
  shoal_str stats; /* JSON text or {NULL,0} */
  const shoal_delta_kv *tags;
  size_t n_tags;
  shoal_str clustering;      /* whose clustering has laid its rows out (clusteringProvider) or {NULL,0} */
  shoal_str deletion_vector; /* JSON text of the descriptor or {NULL,0} */
  bool has_row_id;           /* the next two (protocol, "Row Tracking") */
  int64_t base_row_id, row_commit_version;
  shoal_str raw; /* of a snapshot: the whole add as JSON text, for checkpoints and rewrites */
} shoal_delta_file;

typedef struct shoal_delta_snapshot shoal_delta_snapshot;

/* The state at `version`. SHOAL_ENOTFOUND: no table here, or no such version (the message says which are there);
   SHOAL_ECORRUPT: a hole in the log, broken JSON …, the file is named; SHOAL_EUNSUPPORTED: a reader feature we do not
   know, by name. *out is freed with shoal_delta_snapshot_free. */
SHOAL_MUST_USE shoal_status shoal_delta_snapshot_open(const shoal_delta_table *table, int64_t version,
                                                      shoal_delta_snapshot **out, shoal_error *err);
/* A newer state made from an older one by reading only the commits between. Frees nothing; `base` stays valid. */
SHOAL_MUST_USE shoal_status shoal_delta_snapshot_update(const shoal_delta_table *table,
                                                        const shoal_delta_snapshot *base, shoal_delta_snapshot **out,
                                                        shoal_error *err);
/* The latest state without its files: what it takes to append. Of table->head, and only as long as nobody asks again;
   else the caller's. */
SHOAL_MUST_USE shoal_status shoal_delta_head(const shoal_delta_table *table, shoal_delta_snapshot **out,
                                             shoal_error *err);
void shoal_delta_snapshot_free(shoal_delta_snapshot *s);
int64_t shoal_delta_snapshot_version(const shoal_delta_snapshot *s);
const shoal_delta_metadata *shoal_delta_snapshot_metadata(const shoal_delta_snapshot *s);
const shoal_delta_protocol *shoal_delta_snapshot_protocol(const shoal_delta_snapshot *s);
size_t shoal_delta_snapshot_n_files(const shoal_delta_snapshot *s);
const shoal_delta_file *shoal_delta_snapshot_files(const shoal_delta_snapshot *s);
/* The txn version of an application id, or -1. */
int64_t shoal_delta_snapshot_txn(const shoal_delta_snapshot *s, shoal_str app_id);
/* Value of a configuration key or {NULL,0}. */
shoal_str shoal_delta_config(const shoal_delta_metadata *m, const char *key);
/* BLAKE3 of the snapshot's last commit file: with table id and version it identifies the state (DESIGN 5, X). Reads one
 * object. */
SHOAL_MUST_USE shoal_status shoal_delta_commit_hash(const shoal_delta_table *table, int64_t version, shoal_hash *out,
                                                    shoal_error *err);

/* Head without a full replay: the latest version (one listing after the last checkpoint's hint, or after `known`,
   the version that was latest before; -1 if none is known). */
SHOAL_MUST_USE shoal_status shoal_delta_latest(const shoal_delta_table *table, int64_t known, int64_t *out,
                                               shoal_error *err);
/* Latest version whose timestamp is <= us. In-commit timestamps where enabled, else the commit files' times made
   monotonic. SHOAL_ENOTFOUND if the table is younger. */
SHOAL_MUST_USE shoal_status shoal_delta_version_at(const shoal_delta_table *table, int64_t us, int64_t *out,
                                                   shoal_error *err);

/* What a snapshot's files are to an engine: absolute local paths, schema, partition values, and which rows deletion
   vectors leave (all are read here). SHOAL_EUNSUPPORTED, by name: types an engine does not read. Lives as long as
   snapshot and arena. */
SHOAL_MUST_USE shoal_status shoal_delta_scan(const shoal_delta_table *table, const shoal_delta_snapshot *s,
                                             shoal_arena *arena, shoal_scan *out, shoal_error *err);

/* Whether a query names one of the columns by which readers see what rows are: SHOAL_ROW_ID and SHOAL_ROW_VERSION of
   engine.h. Only then a table has them. */
bool shoal_delta_asks_ids(shoal_str sql);
/* As shoal_delta_scan, with these columns. SHOAL_DONE: the table does not track its rows, or has a column of that name.
 */
SHOAL_MUST_USE shoal_status shoal_delta_ids_scan(const shoal_delta_table *table, const shoal_delta_snapshot *s,
                                                 shoal_arena *arena, shoal_scan *out, shoal_error *err);

/* --- for reading only --- */

/* A snapshot as readers need it: where the files are and what is known of their values, by columns (delta/files.h). Of
   a million files it takes a tenth of a snapshot's memory and, where table->cache remembers them, milliseconds. */
typedef struct shoal_delta_view shoal_delta_view;
/* As shoal_delta_snapshot_open. */
SHOAL_MUST_USE shoal_status shoal_delta_view_open(const shoal_delta_table *table, int64_t version,
                                                  shoal_delta_view **out, shoal_error *err);
void shoal_delta_view_free(shoal_delta_view *v);
int64_t shoal_delta_view_version(const shoal_delta_view *v);
const shoal_delta_metadata *shoal_delta_view_metadata(const shoal_delta_view *v);
size_t shoal_delta_view_n_files(const shoal_delta_view *v);
/* As shoal_delta_scan; the files are listed, and their deletion vectors read, when the engine knows which it wants
   (shoal_scan.select). Lives as long as table's store, view and arena. */
SHOAL_MUST_USE shoal_status shoal_delta_view_scan(const shoal_delta_table *table, const shoal_delta_view *v,
                                                  shoal_arena *arena, shoal_scan *out, shoal_error *err);

/* The paths, as the log spells them, of the files in which a row may satisfy one of the predicates; of all for none. In
   the arena. */
SHOAL_MUST_USE shoal_status shoal_delta_view_match(const shoal_delta_view *v, const shoal_predicate *any, size_t n,
                                                   shoal_arena *arena, shoal_str **out, size_t *n_out,
                                                   shoal_error *err);

/* --- writing --- */

/* What a writer takes care of itself, and shoal_delta_check_write need not refuse. */
enum {
  SHOAL_DELTA_APPENDS = 1, /* it removes nothing */
  SHOAL_DELTA_STAMPS = 2,  /* in-commit timestamps and row ids */
  SHOAL_DELTA_MAPS = 4,    /* physical names and field ids in files, statistics and partition values */
  SHOAL_DELTA_COPIES = 8,  /* no value that was not in the table before: what columns must satisfy they satisfy */
  SHOAL_DELTA_CHECKS = 16  /* new rows satisfy constraints, invariants and generated columns (rules.h) */
};
/* Whether a commit that this build makes would be right in a table that others write, too: SHOAL_EUNSUPPORTED names the
   feature or setting that asks for more. `able` is of the above. */
SHOAL_MUST_USE shoal_status shoal_delta_check_write(const shoal_delta_protocol *protocol,
                                                    const shoal_delta_metadata *metadata, unsigned able,
                                                    shoal_error *err);

/* One commit under construction: text of newline-delimited JSON actions. commitInfo comes first. */
typedef struct shoal_delta_commit {
  shoal_buf text; /* what is not yet in the file */
  char *staging;  /* of a commit that is too large for memory: a folder of its own, */
  char *path;     /* and the file there */
  int fd;
  shoal_thread writer; /* of a piece */
  shoal_buf piece;
  shoal_error failure; /* of the last piece that was written */
  shoal_buf head;      /* how it begins, by which it is known again */
  uint64_t bytes;      /* that are in the file, or on the way */
  shoal_arena arena;
} shoal_delta_commit;
void shoal_delta_commit_dispose(shoal_delta_commit *c);
/* What comes goes into a file of the table's store, as shoal_delta_commit_flush is called now and then. */
SHOAL_MUST_USE shoal_status shoal_delta_commit_stage(const shoal_delta_table *table, shoal_delta_commit *c,
                                                     shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_delta_commit_flush(shoal_delta_commit *c, shoal_error *err);
/* operation "WRITE", parameters and extra are JSON object texts or {NULL,0} (extra's members are put beside Delta's
 * own). */
void shoal_delta_commit_info(shoal_delta_commit *c, int64_t time_us, const char *operation, shoal_str parameters,
                             bool blind_append, shoal_str extra);
void shoal_delta_commit_protocol(shoal_delta_commit *c, const shoal_delta_protocol *p);
void shoal_delta_commit_metadata(shoal_delta_commit *c, const shoal_delta_metadata *m);
void shoal_delta_commit_add(shoal_delta_commit *c, const shoal_delta_file *f);
/* path is copied verbatim from the add it removes. */
void shoal_delta_commit_remove(shoal_delta_commit *c, const shoal_delta_file *f, int64_t time_us);
/* A change data file (protocol, "Add CDC File"). */
void shoal_delta_commit_cdc(shoal_delta_commit *c, const shoal_delta_file *f);
void shoal_delta_commit_txn(shoal_delta_commit *c, shoal_str app_id, int64_t version, int64_t time_us);
void shoal_delta_commit_domain(shoal_delta_commit *c, shoal_str domain, shoal_str configuration, bool removed);
shoal_status shoal_delta_commit_taken(int64_t version, shoal_error *err); /* SHOAL_EEXIST */
/* SHOAL_EEXIST: somebody else's commit has this number: read it, decide, try the next. Our own commit is recognised
   after an ambiguous failure (contract C1). */
SHOAL_MUST_USE shoal_status shoal_delta_commit_put(const shoal_delta_table *table, shoal_delta_commit *c,
                                                   int64_t version, shoal_error *err);

/* The lowest protocol that a schema and configuration need: (1,2), or (3,7) with timestampNtz … listed. */
SHOAL_MUST_USE shoal_status shoal_delta_protocol_for(const shoal_schema *schema, shoal_arena *arena,
                                                     shoal_delta_protocol *out, shoal_error *err);
/* schemaString of a schema, and back. */
SHOAL_MUST_USE shoal_status shoal_delta_schema_json(const shoal_schema *s, shoal_buf *out, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_delta_schema_parse(shoal_str json, shoal_arena *arena, shoal_schema *out,
                                                     shoal_error *err);
/* What statistics are of. */
typedef struct shoal_delta_measured {
  shoal_schema columns; /* with no leaf that has none */
  size_t chars;         /* at which bounds of texts are cut */
} shoal_delta_measured;
/* The columns of `whole` that files have, those that they are not partitioned by, as far as the table's properties want
   statistics of them (delta.dataSkippingStatsColumns, dataSkippingNumIndexedCols, dataSkippingStringPrefixLength);
   `m` NULL, or a property that can't be understood: Spark's defaults. All is in the arena or the schema's. */
SHOAL_MUST_USE shoal_status shoal_delta_measured_columns(const shoal_schema *whole, const shoal_str *partition_by,
                                                         size_t n, const shoal_delta_metadata *m, shoal_arena *arena,
                                                         shoal_delta_measured *out, shoal_error *err);
/* add.stats of an output file, by the protocol's "Per-file Statistics" and facts: strings cut with a valid upper bound,
   timestamps floored and ceiled to ms, no bounds where NaN may be. */
SHOAL_MUST_USE shoal_status shoal_delta_stats_json(const shoal_output_file *f, const shoal_delta_measured *m,
                                                   shoal_buf *out, shoal_error *err);
/* The add of an output file that lies, under its own name, in the table's folder; `measured` are the columns of its
   statistics. Texts are in the arena or the output's. */
SHOAL_MUST_USE shoal_status shoal_delta_file_of(const shoal_output_file *f, const shoal_delta_measured *measured,
                                                const shoal_str *partition_by, size_t n_partition_by,
                                                int64_t modified_ms, shoal_arena *arena, shoal_delta_file *out,
                                                shoal_error *err);
/* Percent-encodes a relative path as add.path wants it, and decodes one. Decoding refuses NUL (SHOAL_ECORRUPT), and
   ".." or absolute paths (SHOAL_EUNSUPPORTED). */
void shoal_delta_path_encode(shoal_buf *out, shoal_str path);
SHOAL_MUST_USE shoal_status shoal_delta_path_decode(shoal_str path, shoal_buf *out, shoal_error *err);

/* Where a file that a log names is. */
typedef struct shoal_delta_place {
  shoal_str key; /* in the table's store; {NULL,0}: outside of the table's folder, a local file only */
  char *local;   /* absolute path; NULL when the store has no local files */
} shoal_delta_place;
/* A path of add, remove, cdc or a deletion vector: relative, absolute, or a file: URI. One that ends up outside the
   table's folder is refused (SHOAL_EUNSUPPORTED) unless table->anywhere. */
SHOAL_MUST_USE shoal_status shoal_delta_path_resolve(const shoal_delta_table *table, shoal_str path, shoal_arena *arena,
                                                     shoal_delta_place *out, shoal_error *err);

/* Writes a classic checkpoint of the snapshot and then _last_checkpoint. Harmless to repeat or to crash in. */
SHOAL_MUST_USE shoal_status shoal_delta_checkpoint(const shoal_delta_table *table, const shoal_delta_snapshot *s,
                                                   shoal_error *err);
/* The same of a version, without a snapshot of all of its files where an earlier checkpoint has most of them. */
typedef struct shoal_delta_checkpointed {
  int64_t version;
  int64_t n_files;
} shoal_delta_checkpointed;
SHOAL_MUST_USE shoal_status shoal_delta_checkpoint_version(const shoal_delta_table *table, int64_t version,
                                                           shoal_delta_checkpointed *out, shoal_error *err);
/* Takes away what of the log is older than delta.logRetentionDuration and needed by no version that is younger, where
   delta.enableExpiredLogCleanup is not off. Harmless to repeat or to crash in. */
SHOAL_MUST_USE shoal_status shoal_delta_clean_log(const shoal_delta_table *table, shoal_error *err);

#endif
