/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of delta/ share: the listing of a log, its actions, and the replay that turns them into a state. */
#ifndef SHOAL_DELTA_INTERNAL_H
#define SHOAL_DELTA_INTERNAL_H

#include "base/json.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "delta/deletion_vector.h"
#include "delta/delta.h"

/* --- protocol.c --- */
SHOAL_MUST_USE shoal_status shoal_delta_protocol_check(const shoal_delta_protocol *p, shoal_error *err);

/* --- config.c --- */
bool shoal_delta_is_on(const shoal_delta_metadata *m, const char *key);
bool shoal_delta_is_mapped(const shoal_delta_metadata *m);
bool shoal_delta_has_feature(const shoal_delta_protocol *p, const char *name);
/* Milliseconds for which removed files are kept; -1: it says what is no interval, and they are kept for ever. */
int64_t shoal_delta_file_retention(const shoal_delta_metadata *m);
/* The same of commits. */
int64_t shoal_delta_log_retention(const shoal_delta_metadata *m);
/* And of what applications have said (txn), which is kept for ever unless a table says how long. */
int64_t shoal_delta_txn_retention(const shoal_delta_metadata *m);
/* Milliseconds of "interval 1 week 2 days", the word "interval" may be missing; -1: it is none, or negative. Spark's,
   as far as numbers are whole. Months and years, which vary, are none. */
int64_t shoal_delta_interval(shoal_str text);

/* --- path.c --- */
/* The table's folder, absolute; NULL: the store has no local files, or no memory. */
char *shoal_delta_root(const shoal_delta_table *table, shoal_arena *arena);
/* Whether a path is relative, stays below its folder, and is encoded as shoal_delta_path_encode does it: then it may be
   put behind a folder's as it is. */
bool shoal_delta_path_is_plain(shoal_str path);
/* What a path in a log is compared by: /a/b, file:/a/b and file:///a/b are one, as Spark removes by the last what was
   added by any. Borrows from it. */
shoal_str shoal_delta_path_key(shoal_str path);

/* --- log.c: what lies in _delta_log --- */
typedef enum shoal_log_kind {
  SHOAL_LOG_COMMIT,     /* N.json */
  SHOAL_LOG_CHECKPOINT, /* N.checkpoint.parquet */
  SHOAL_LOG_PART,       /* N.checkpoint.part.parts.parquet */
  SHOAL_LOG_V2          /* N.checkpoint.<uuid>.json or .parquet */
} shoal_log_kind;
typedef struct shoal_log_file {
  shoal_log_kind kind;
  int64_t version;
  uint32_t part, parts; /* of a SHOAL_LOG_PART, from 1 */
  bool json;            /* of a SHOAL_LOG_V2 */
  shoal_object object;
} shoal_log_file;
/* x.y.compacted.json: what the commits from x to y come to. */
typedef struct shoal_log_compacted {
  int64_t from, to;
  shoal_object object;
} shoal_log_compacted;
/* N.crc */
typedef struct shoal_log_checksum {
  int64_t version;
  shoal_object object;
} shoal_log_checksum;
typedef struct shoal_log {
  const shoal_log_file *files; /* by version, a version's checkpoints before its commit */
  size_t n;
  const shoal_log_compacted *compacted; /* by where they begin */
  size_t n_compacted;
  const shoal_log_checksum *checksums;
  size_t n_checksums;
} shoal_log;
/* A key below the table. {NULL,0} when out of memory. */
shoal_str shoal_delta_key(const shoal_delta_table *table, shoal_arena *arena, const char *fmt, ...) SHOAL_PRINTF(3, 4);
/* The log from version `from` on; what is no part of it is left out. */
SHOAL_MUST_USE shoal_status shoal_delta_log_list(const shoal_delta_table *table, int64_t from, shoal_arena *arena,
                                                 shoal_log *out, shoal_error *err);
/* The highest version, -1 if there is none. */
int64_t shoal_delta_log_latest(const shoal_log *log);
/* When a commit that has no time of its own was made, in microseconds: its file's time in whole milliseconds, as all
   readers take it, but later than that of the commit before (INT64_MIN: there is none). */
int64_t shoal_delta_commit_time(const shoal_log_file *commit, int64_t before_us);
/* The newest complete checkpoint of at most `version`: its files are log->files[*first … *first + *n), n 0 if none. */
void shoal_delta_log_checkpoint(const shoal_log *log, int64_t version, size_t *first, size_t *n);
/* What to list for a version (-1: the latest): all, or from the hinted checkpoint on if that leads there. */
SHOAL_MUST_USE shoal_status shoal_delta_log_find(const shoal_delta_table *table, int64_t version, shoal_arena *arena,
                                                 shoal_log *out, shoal_error *err);
/* Whether another way to the same state may lead around the failure; the rest is the machine's. */
bool shoal_delta_log_broken(shoal_status status);
/* What _last_checkpoint says: it is only a hint. */
typedef struct shoal_log_hint {
  int64_t version; /* -1: nothing usable */
  int64_t n_files; /* 0: it does not say */
} shoal_log_hint;
SHOAL_MUST_USE shoal_status shoal_delta_log_hint(const shoal_delta_table *table, shoal_arena *arena,
                                                 shoal_log_hint *out, shoal_error *err);
/* Of a log listed whole, or from a checkpoint of at most `version` on: SHOAL_ENOTFOUND if nothing is left from which
   the version could be made, since its log has been cleaned up. */
SHOAL_MUST_USE shoal_status shoal_delta_log_reaches(const shoal_log *log, int64_t version, shoal_error *err);
/* No table, or no such version. */
shoal_status shoal_delta_log_missing(const shoal_delta_table *table, const shoal_log *log, int64_t version,
                                     shoal_error *err);

/* --- action.c: one action --- */
typedef enum shoal_action_kind {
  SHOAL_ACTION_OTHER, /* what later versions invent */
  SHOAL_ACTION_ADD,
  SHOAL_ACTION_REMOVE,
  SHOAL_ACTION_CDC, /* a change data file; no part of a state */
  SHOAL_ACTION_METADATA,
  SHOAL_ACTION_PROTOCOL,
  SHOAL_ACTION_TXN,
  SHOAL_ACTION_DOMAIN,
  SHOAL_ACTION_SIDECAR,
  SHOAL_ACTION_INFO
} shoal_action_kind;
typedef struct shoal_action {
  shoal_action_kind kind;
  shoal_str raw;         /* the action's object as JSON text */
  shoal_delta_file file; /* add, remove (path and deletion vector) */
  shoal_str key;         /* add, remove: path and deletion vector's id, what replay goes by */
  int64_t deleted_ms;    /* remove; 0: absent */
  shoal_str id;          /* txn: application; domain: name; sidecar: path */
  int64_t version;       /* txn */
  int64_t ict_ms;        /* commitInfo's in-commit timestamp, -1: absent */
  bool removed;          /* domain */
  bool blind_append;     /* commitInfo's isBlindAppend */
} shoal_action;
/* A file's replay key: its path, and behind a NUL the deletion vector's unique id (protocol, "Derived Fields"), from
   the descriptor's JSON text or {NULL,0}. */
SHOAL_MUST_USE shoal_status shoal_delta_file_key(shoal_str path, shoal_str vector, shoal_buf *out, shoal_error *err);
/* Parses {"add": {…}} and its like; `name` stands in messages. All in the arena. */
SHOAL_MUST_USE shoal_status shoal_delta_action_parse(shoal_str line, const char *name, shoal_arena *arena,
                                                     shoal_action *out, shoal_error *err);
/* An object of texts and nulls, tags for example. */
SHOAL_MUST_USE shoal_status shoal_delta_kv_parse(shoal_str json, const char *name, shoal_arena *arena,
                                                 const shoal_delta_kv **out, size_t *n, shoal_error *err);
/* The bodies of the two actions of which only the last one counts. */
SHOAL_MUST_USE shoal_status shoal_delta_metadata_parse(shoal_str raw, shoal_arena *arena, shoal_delta_metadata *out,
                                                       shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_delta_protocol_parse(shoal_str raw, shoal_arena *arena, shoal_delta_protocol *out,
                                                       shoal_error *err);

/* --- replay.c: actions, oldest first, into a state --- */
typedef struct shoal_replay_file {
  shoal_str key;
  shoal_delta_file file;
  int64_t deleted_ms;
  bool live; /* false: a tombstone */
} shoal_replay_file;
typedef struct shoal_replay_named {
  shoal_str id, raw;
  int64_t version;
  bool removed;
} shoal_replay_named;
typedef SHOAL_VEC(shoal_replay_named) shoal_replay_names;
/* A Parquet object of a checkpoint. */
typedef struct shoal_delta_below {
  shoal_str key;
  shoal_str sidecar; /* the action that names it, or {NULL,0} */
} shoal_delta_below;
typedef struct shoal_replay {
  SHOAL_VEC(shoal_replay_file) files;
  shoal_replay_names txns, domains;
  shoal_map files_map, txns_map, domains_map;
  shoal_str metadata, protocol; /* the last ones' text */
  shoal_replay_names sidecars;  /* that a checkpoint names: paths */
  bool head;                    /* files are nobody's business */
  bool tip;                     /* a checkpoint's files are left in its Parquet objects */
  const shoal_delta_below *below;
  size_t n_below;
} shoal_replay;
void shoal_replay_dispose(shoal_replay *r);
/* One action; the caller keeps to the order of versions, and within a commit removes before adds. */
SHOAL_MUST_USE shoal_status shoal_replay_apply(shoal_replay *r, const shoal_action *a, shoal_error *err);
typedef SHOAL_VEC(shoal_action) shoal_actions;
/* The actions of a commit's text, in its order; texts are copied into the arena. `name` stands in messages. */
SHOAL_MUST_USE shoal_status shoal_delta_actions_parse(shoal_str text, const char *name, shoal_arena *arena,
                                                      shoal_actions *out, shoal_error *err);
/* A whole commit's text, into the arena. */
SHOAL_MUST_USE shoal_status shoal_replay_commit(shoal_replay *r, shoal_str text, const char *name, shoal_arena *arena,
                                                shoal_error *err);

/* --- checkpoint_read.c --- */
/* A checkpoint's state into an empty replay. */
SHOAL_MUST_USE shoal_status shoal_delta_checkpoint_read(const shoal_delta_table *table, const shoal_log_file *files,
                                                        size_t n, shoal_arena *arena, shoal_replay *r,
                                                        shoal_error *err);
/* Names and options of the objects of these keys, local Parquet files all of them. */
SHOAL_MUST_USE shoal_status shoal_delta_checkpoint_files(const shoal_delta_table *table, const shoal_str *keys,
                                                         size_t n, shoal_arena *arena, shoal_scan_file **out,
                                                         shoal_error *err);
/* Sidecars lie in _delta_log/_sidecars; a path is relative to that. */
SHOAL_MUST_USE shoal_status shoal_delta_sidecar_key(const shoal_delta_table *table, shoal_str path, shoal_arena *arena,
                                                    shoal_str *out, shoal_error *err);
/* Every action of these local Parquet files. */
SHOAL_MUST_USE shoal_status shoal_delta_checkpoint_parquet(shoal_engine *engine, const shoal_scan_file *files, size_t n,
                                                           shoal_arena *arena, shoal_replay *r, shoal_error *err);
/* Their adds, of these paths only unless `paths` is NULL. */
SHOAL_MUST_USE shoal_status shoal_delta_checkpoint_adds(shoal_engine *engine, const shoal_scan_file *files, size_t n,
                                                        const shoal_str *paths, size_t n_paths, shoal_arena *arena,
                                                        shoal_replay *r, shoal_error *err);
/* An add's statistics as JSON text, from the types that a checkpoint's add has: its `stats`, else what `stats_parsed`
   says, or NULL. */
void shoal_delta_checkpoint_stats(const shoal_type *add, shoal_buf *sql);
const shoal_type *shoal_delta_checkpoint_field(const shoal_type *type, const char *name);
/* Only those of which a reader wants the last, and sidecars. */
SHOAL_MUST_USE shoal_status shoal_delta_checkpoint_few(shoal_engine *engine, const shoal_scan_file *files, size_t n,
                                                       shoal_arena *arena, shoal_replay *r, shoal_error *err);

/* --- snapshot.c --- */
/* Memory that snapshots share: what one load read. Counted, so that a base may be freed before what was made from it.
 */
typedef struct shoal_segment shoal_segment;
struct shoal_delta_snapshot {
  int64_t version;
  shoal_delta_metadata metadata;
  shoal_delta_protocol protocol;
  shoal_delta_file *files;
  shoal_str *keys; /* of files */
  size_t n_files;
  shoal_replay_file *tombstones;
  size_t n_tombstones;
  shoal_replay_names txns, domains;
  shoal_str metadata_raw, protocol_raw;
  SHOAL_VEC(shoal_segment *) segments;
  shoal_object commit; /* of a head: its version's, by which it is known again; the key is not set */
  /* Of a tip: Parquet objects of the checkpoint below it, whose files count where their keys are neither among `keys`
     nor among the tombstones. */
  const shoal_delta_below *below;
  size_t n_below;
};

/* As shoal_delta_snapshot_open, but files of a large checkpoint stay in it (snapshot->below): what writers need of a
   table of a million files. n_below is 0 where all are there. */
SHOAL_MUST_USE shoal_status shoal_delta_tip_open(const shoal_delta_table *table, int64_t version,
                                                 shoal_delta_snapshot **out, shoal_error *err);
/* tip.c */
/* Brings up the live files of these paths, or all (`paths` NULL). SHOAL_ECORRUPT: one is not there. Pointers into the
   snapshot's files are void. */
SHOAL_MUST_USE shoal_status shoal_delta_tip_bring(const shoal_delta_table *table, shoal_delta_snapshot *s,
                                                  const shoal_str *paths, size_t n, shoal_error *err);
/* Where what lies below a tip is. */
SHOAL_MUST_USE shoal_status shoal_delta_below_files(const shoal_delta_table *table, const shoal_delta_snapshot *s,
                                                    shoal_arena *arena, shoal_scan_file **out, shoal_error *err);
/* For what a snapshot owns. */
shoal_arena *shoal_delta_snapshot_arena(shoal_delta_snapshot *s);

/* A commit, a compaction, or another text of the log that was listed. */
SHOAL_MUST_USE shoal_status shoal_delta_log_get(const shoal_delta_table *table, shoal_str key, shoal_buf *out,
                                                shoal_error *err);
/* The last component of a key. */
const char *shoal_delta_base_name(shoal_str key);
/* Protocol and metadata as a log's last ones say, checked to be such as are read here. */
SHOAL_MUST_USE shoal_status shoal_delta_understand(shoal_str protocol_raw, shoal_str metadata_raw, shoal_arena *arena,
                                                   shoal_delta_protocol *protocol, shoal_delta_metadata *metadata,
                                                   shoal_error *err);

/* --- scan.c --- */
/* Refuses by name what an engine does not read. */
SHOAL_MUST_USE shoal_status shoal_delta_check_types(const shoal_delta_metadata *m, shoal_error *err);
/* The rows that a descriptor (JSON text) says are deleted; the arena owns them. */
SHOAL_MUST_USE shoal_status shoal_delta_scan_vector(const shoal_delta_table *table, shoal_str descriptor,
                                                    shoal_arena *arena, shoal_delta_vector **out, shoal_error *err);
/* As shoal_delta_scan, of these files of the snapshot in this order; all their rows, whatever deletion vectors say. */
SHOAL_MUST_USE shoal_status shoal_delta_scan_listed(const shoal_delta_table *table, const shoal_delta_snapshot *s,
                                                    const shoal_delta_file *const *files, size_t n, shoal_arena *arena,
                                                    shoal_scan *out, shoal_error *err);

/* As shoal_delta_scan; *files are the snapshot's in the scan's order, in the arena. */
SHOAL_MUST_USE shoal_status shoal_delta_scan_ordered(const shoal_delta_table *table, const shoal_delta_snapshot *s,
                                                     shoal_arena *arena, shoal_scan *out,
                                                     const shoal_delta_file ***files, shoal_error *err);

/* --- schema.c --- */
/* Fields, and those of structs among them. */
size_t shoal_delta_count_fields(const shoal_field *fields, size_t n);

/* --- stats.c and commit.c --- */
/* numRecords of its statistics: the rows in the file, whether deleted or not. -1: it does not say. */
int64_t shoal_delta_file_rows(const shoal_delta_file *f);
/* How a type's least and greatest values stand in statistics, if they do. */
typedef enum shoal_bound {
  SHOAL_BOUND_NONE,
  SHOAL_BOUND_WHOLE,
  SHOAL_BOUND_DECIMAL,
  SHOAL_BOUND_FLOAT,
  SHOAL_BOUND_DATE,
  SHOAL_BOUND_TIME,
  SHOAL_BOUND_TEXT
} shoal_bound;
shoal_bound shoal_delta_bound_of(shoal_type_kind kind);
/* skip.c: what a scan's `match` needs, kept in the arena; `files` are in the scan's order. NULL: out of memory. */
void *shoal_delta_bounds(const shoal_delta_snapshot *s, const shoal_delta_file **files, size_t n, shoal_arena *arena);
SHOAL_MUST_USE shoal_status shoal_delta_match(void *bounds, const shoal_predicate *any, size_t n, bool *keep,
                                              shoal_error *err);
/* Numbers as texts, -?digits[.digits]; false: one is none. */
bool shoal_delta_compare_numbers(shoal_str a, shoal_str b, int *out);
/* A finite number; `single`: as a float has it. */
bool shoal_delta_read_double(shoal_str s, bool single, double *out);
/* Whether a column that has one value in all rows ({NULL,0} is NULL) may satisfy, and may fail, a comparison or IS
   NULL: the bits of files_match.c. */
unsigned shoal_delta_judge_value(const shoal_type *type, shoal_str value, const shoal_predicate *p);
/* JSON text on one line: line feeds, which valid JSON has only between tokens, become blanks. */
void shoal_delta_add_line(shoal_buf *out, shoal_str json);

#endif
