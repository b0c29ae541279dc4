/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lake: results, claims, branches, publications, projections, leases, runs (DESIGN 4; docs/lake-format.md gives
 * every object's bytes). Everything that changes is a log of small JSON objects, each put if absent under the next
 * number; everything else is immutable. The invariants that this layer holds are 1, 3, 4, 5, 6, 7, 8 of DESIGN
 * section 3.
 *
 * Threads: a shoal_lake may be used from any thread at once; a shoal_state belongs to one thread at a time (const use
 * from many is fine).
 */
#ifndef SHOAL_LAKE_LAKE_H
#define SHOAL_LAKE_LAKE_H

#include "base/hash.h"
#include "base/map.h"
#include "base/os.h"
#include "base/vec.h"
#include "delta/delta.h"
#include "engine/engine.h"
#include "store/store.h"

/* ---- the lake ---- */
typedef struct shoal_lake {
  shoal_store *store; /* borrowed */
  shoal_arena arena;
  shoal_str id, trunk;
  const shoal_str *protected_branches;
  size_t n_protected;
  int64_t retention_us; /* publications younger than this are roots */
  shoal_status (*get_engine)(void *arg, shoal_engine **out, shoal_error *err); /* for Parquet checkpoints of tables */
  void *engine_arg;
  unsigned projectors; /* threads that bring tables up, at most; 0 or 1: the caller's alone */
  int64_t pid;         /* whose token `process` is: a forked child has another */
  char process[SHOAL_PROCESS_TOKEN];
} shoal_lake;

typedef struct shoal_lake_options {
  shoal_str trunk; /* {NULL,0}: "main" */
  bool protect_trunk;
  int64_t retention_us; /* 0: 30 days */
} shoal_lake_options;
/* Puts format.json if absent; a lake that is there already is opened as it is. */
SHOAL_MUST_USE shoal_status shoal_lake_create(shoal_store *store, const shoal_lake_options *options, shoal_lake **out,
                                              shoal_error *err);
/* SHOAL_ENOTFOUND: no lake here. SHOAL_EUNSUPPORTED: a newer format. SHOAL_ECORRUPT: branches, but no format.json, or
   one that is broken; both here and above. */
SHOAL_MUST_USE shoal_status shoal_lake_open(shoal_store *store, shoal_lake **out, shoal_error *err);
void shoal_lake_free(shoal_lake *lake);
/* Whether its writers are trusted so far that what they wrote may be run: pickled values, which do as they like when
   they are read. A mark beside format.json, put by whoever says so and never taken away. */
SHOAL_MUST_USE shoal_status shoal_lake_trusted(shoal_lake *lake, bool *out, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_lake_trust(shoal_lake *lake, shoal_str who, shoal_error *err);

/* ---- results and claims (invariants 1, 3, 4) ---- */
#define SHOAL_CACHE_HOME "_shoal/cache" /* of results that are no dataset's */
typedef struct shoal_result_file {
  shoal_str name; /* relative to the attempt's folder */
  uint64_t bytes, rows;
  shoal_str hash; /* hex BLAKE3 of the bytes, {NULL,0} if not computed */
} shoal_result_file;

/* What a claim, and a publication, say of a result. */
typedef struct shoal_result {
  shoal_hash signature;
  uint32_t generation; /* 1 … */
  shoal_str attempt;   /* UUID: the folder's name */
  shoal_str home;      /* "silver/orders": the dataset's home it lies in */
  shoal_str dataset;   /* the name it was computed under */
  shoal_str codec;     /* of an object: how its bytes are read; {NULL,0}: it is a table */
  shoal_str type;      /* what it was in the program that made it, "pandas.DataFrame"; {NULL,0}: not said */
  uint64_t rows, bytes, n_files;
  shoal_hash rows_hash; /* zero: not computed; of an object: the BLAKE3 of its bytes */
  shoal_hash schema_hash;
  int64_t made_us;         /* when the claim was put */
  int64_t cpu_us, wall_us; /* what it cost to compute */
  shoal_str writer;        /* "anna@host" */
  shoal_str run;           /* id of the run that made it */
  bool failed_expectation; /* its `expect:` of severity hold did not hold when it was computed */
} shoal_result;

typedef struct shoal_lookup {
  shoal_hash signature;
  /* result */
  bool found;
  shoal_result result;  /* of the newest generation, if that is "claimed" */
  uint32_t generations; /* how many there are; a new claim is number generations + 1 */
} shoal_lookup;
/* One batch. Texts live in the arena. */
SHOAL_MUST_USE shoal_status shoal_claims_lookup(shoal_lake *lake, shoal_lookup *lookups, size_t n, shoal_arena *arena,
                                                shoal_error *err);

/* A draft is what a task computed and staged. */
typedef struct shoal_result_draft {
  shoal_hash signature;
  shoal_str dataset; /* its home follows from its name: silver.orders → silver/orders */
  bool unnamed;      /* it is no dataset's: it lies in SHOAL_CACHE_HOME, and `dataset` is for people */
  const char *staging;
  const shoal_outcome *outcome; /* of an object: what it cost, all else zero */
  shoal_str codec, payload;     /* an object and its bytes; {NULL,0}: a table */
  shoal_str type;
  const shoal_str *partition_by;
  size_t n_partition_by;
  shoal_str description; /* for the table's metadata */
  shoal_str provenance;  /* JSON object text, becomes commitInfo's "shoal" member */
  shoal_str run, writer;
  bool failed_expectation;
  uint32_t generations; /* as looked up */
} shoal_result_draft;
/* Puts the files (durable), the attempt's Delta table of one commit, then the claim. *out is the result that now *is*
   the signature's: ours, or that of who was first (*won tells; ours is then garbage that gc frees). */
SHOAL_MUST_USE shoal_status shoal_result_put(shoal_lake *lake, const shoal_result_draft *draft, shoal_arena *arena,
                                             shoal_result *out, bool *won, shoal_error *err);
/* The attempt's Delta snapshot (schema, files, statistics). SHOAL_ECORRUPT when incomplete: then condemn it.
   SHOAL_EINVAL: it is an object. */
SHOAL_MUST_USE shoal_status shoal_result_open(shoal_lake *lake, const shoal_result *r, shoal_delta_snapshot **out,
                                              shoal_error *err);
/* The provenance JSON text put with it. */
SHOAL_MUST_USE shoal_status shoal_result_provenance(shoal_lake *lake, const shoal_result *r, shoal_buf *out,
                                                    shoal_error *err);
/* What an engine needs to read it; lives as long as snapshot and arena. */
SHOAL_MUST_USE shoal_status shoal_result_scan(shoal_lake *lake, const shoal_result *r, const shoal_delta_snapshot *s,
                                              shoal_arena *arena, shoal_scan *out, shoal_error *err);
/* An object's bytes, after checking that they are those that were put. SHOAL_ECORRUPT when they are not. */
SHOAL_MUST_USE shoal_status shoal_result_payload(shoal_lake *lake, const shoal_result *r, shoal_buf *out,
                                                 shoal_error *err);
/* Its texts copied into the arena. */
SHOAL_MUST_USE shoal_status shoal_result_copy(const shoal_result *r, shoal_arena *arena, shoal_result *out,
                                              shoal_error *err);
/* The results that are no dataset's, in the order of their signatures. */
SHOAL_MUST_USE shoal_status shoal_cache_list(shoal_lake *lake, shoal_arena *arena, shoal_result **out, size_t *n,
                                             shoal_error *err);
/* True if every file is there with its size (heads only). */
SHOAL_MUST_USE shoal_status shoal_result_complete(shoal_lake *lake, const shoal_result *r, bool *out, shoal_error *err);
/* Puts generation+1 "condemned": the result is never served again; the next claim is computed anew. SHOAL_EEXIST:
   somebody else has moved it on; look up again. */
SHOAL_MUST_USE shoal_status shoal_result_condemn(shoal_lake *lake, const shoal_result *r, const char *reason,
                                                 shoal_error *err);

/* What was ever condemned, from the marks beside the claims: one listing of a folder that is nearly always empty. A
   plan looks up what a branch still holds of these. A mark does not prove: the claims decide. */
typedef struct shoal_condemned {
  shoal_hash signature;
  uint32_t generation; /* of the result that must not be served any more */
} shoal_condemned;
SHOAL_MUST_USE shoal_status shoal_condemned_list(shoal_store *store, shoal_arena *arena, shoal_condemned **out,
                                                 size_t *n, shoal_error *err);

/* ---- traces ---- */
/* What a computation read under names that its code doesn't tell: a key made of the code alone has, for each set of
   names that was seen, one trace. With the keys of what the names hold now it gives the signature to look up. */
typedef struct shoal_trace {
  const shoal_str *names; /* sorted */
  size_t n_names;
} shoal_trace;
SHOAL_MUST_USE shoal_status shoal_traces_read(shoal_lake *lake, const shoal_hash *key, shoal_arena *arena,
                                              shoal_trace **out, size_t *n, shoal_error *err);
/* Adds one unless it is there. */
SHOAL_MUST_USE shoal_status shoal_trace_put(shoal_lake *lake, const shoal_hash *key, const shoal_trace *trace,
                                            shoal_error *err);

/* ---- branches and publications (invariants 5, 8) ---- */
typedef enum shoal_entry_kind { SHOAL_ENTRY_DATASET } shoal_entry_kind;
/* One dataset in a branch's state. */
typedef struct shoal_entry {
  shoal_str name; /* silver.orders */
  shoal_result result;
  int64_t publication;    /* the one, on this branch or (fork) below, that set it */
  bool pinned;            /* rollback holds it at this result */
  shoal_hash pinned_code; /* the code hash of its model when it was pinned: released when that changes */
  bool local;             /* set on this branch, not inherited from the fork point */
} shoal_entry;
/* The version of a source a publication read. */
typedef struct shoal_source_pin {
  shoal_str name, table_id;
  int64_t version; /* of a Delta source; -1 for files */
  shoal_hash hash; /* of the commit file, or of the files' list */
} shoal_source_pin;

/* What a branch holds at a publication. Entries are sorted by name. */
typedef struct shoal_state {
  shoal_arena arena;
  shoal_str branch, branch_id; /* true name; UUID */
  shoal_str fork_branch;       /* {NULL,0} on the trunk */
  int64_t fork_publication;    /* where it started, or where its base was moved to */
  bool deleted;                /* its last entry deletes it: nobody but who makes it again may go on */
  int64_t publication;         /* 0: nothing published on this branch itself */
  int64_t published_us;
  shoal_entry *entries;
  size_t n_entries;
  shoal_source_pin *sources;
  size_t n_sources;
} shoal_state;

/* Folder of a branch: '/' becomes '-'. SHOAL_EINVAL: not a legal name (git's rules for branch names). */
SHOAL_MUST_USE shoal_status shoal_branch_folder(shoal_str branch, shoal_arena *arena, shoal_str *out, shoal_error *err);
/* SHOAL_ENOTFOUND if it does not exist, or, at the head, is deleted. Publication -1 is the head. Reads the newest
 * checkpoint and the entries after it. */
SHOAL_MUST_USE shoal_status shoal_branch_load(shoal_lake *lake, shoal_str branch, int64_t publication,
                                              shoal_state **out, shoal_error *err);
/* Brings a state up to the head by reading only what is new: one get when nothing is. *moved tells. */
SHOAL_MUST_USE shoal_status shoal_branch_refresh(shoal_lake *lake, shoal_state *state, bool *moved, shoal_error *err);
/* Whether the state is one of the branch that has its name now, not of a deleted one, nor beyond a log that was set
   back. Two small reads. */
SHOAL_MUST_USE shoal_status shoal_branch_stands(shoal_lake *lake, const shoal_state *state, bool *out,
                                                shoal_error *err);
/* The key of the branch log's entry n, for the no-op's single look. */
SHOAL_MUST_USE shoal_status shoal_branch_entry_key(shoal_str branch, int64_t n, shoal_buf *out, shoal_error *err);
/* New branch that starts at a publication of another. SHOAL_EEXIST: there is one (or one with the same folder).
   Creating the trunk: from {NULL,0}. Where a branch of that name was deleted, its log goes on. */
SHOAL_MUST_USE shoal_status shoal_branch_create(shoal_lake *lake, shoal_str branch, shoal_str from,
                                                int64_t from_publication, shoal_error *err);
/* True names, sorted; those of deleted branches, too, which can't be loaded. */
SHOAL_MUST_USE shoal_status shoal_branch_list(shoal_lake *lake, shoal_arena *arena, shoal_str **out, size_t *n,
                                              shoal_error *err);
void shoal_state_free(shoal_state *s);
const shoal_entry *shoal_state_find(const shoal_state *s, shoal_str name);
/* The text of a state and back: the branch log's checkpoints. */
SHOAL_MUST_USE shoal_status shoal_state_encode(const shoal_state *s, shoal_buf *out, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_state_decode(shoal_str text, const char *name, shoal_state **out, shoal_error *err);

/* The same in a compact binary form, for local caches only; what is of another form, or broken, is SHOAL_ECORRUPT. */
SHOAL_MUST_USE shoal_status shoal_state_pack(const shoal_state *s, shoal_buf *out, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_state_unpack(shoal_str bytes, shoal_state **out, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_state_copy(const shoal_state *s, shoal_state **out, shoal_error *err);

typedef enum shoal_change_kind {
  SHOAL_CHANGE_SET,
  SHOAL_CHANGE_REMOVE,
  SHOAL_CHANGE_PIN,
  SHOAL_CHANGE_UNPIN,
  SHOAL_CHANGE_INHERIT /* what the base holds, where the base is moved */
} shoal_change_kind;
typedef struct shoal_change {
  shoal_change_kind kind;
  shoal_str name;
  shoal_result result;    /* SET, PIN and INHERIT */
  shoal_hash pinned_code; /* PIN, and INHERIT of what is pinned there */
  int64_t publication;    /* INHERIT: the one that set it there */
  bool pinned;            /* INHERIT */
} shoal_change;
/* A dataset that the run's decisions rest on: its result when it was planned, zero signature for "not there". */
typedef struct shoal_read {
  shoal_str name;
  shoal_hash signature;
  uint32_t generation;
} shoal_read;
typedef struct shoal_publication_draft {
  int64_t base; /* the publication the run was planned against */
  const shoal_change *changes;
  size_t n_changes;
  const shoal_read *reads; /* every dataset read that the changes do not set, and every one they set (as it was) */
  size_t n_reads;
  const shoal_source_pin *sources;
  size_t n_sources;
  shoal_str run, writer, message;
  shoal_str git_commit, git_branch; /* {NULL,0} outside git */
  bool git_dirty;
  const char *kind; /* "run", "rollback", "release", "prune" …; "update", "branch" and "delete" are about the branch */
  shoal_str fork_branch, fork_id; /* of "update" and "branch": the base from now on, else {NULL,0} */
  int64_t fork_publication;
} shoal_publication_draft;
/* Puts the next entry of the branch's log; the commit point of a run. If others have published since `base`, their
   entries are read and the draft's reads compared: where a read or written dataset has moved, SHOAL_ECONFLICT with the
   names; else it goes on top. What others have meanwhile set to the very same result is left out; where that is all,
   nothing is put and *out is their publication. `state` is brought up to *out. Writes a checkpoint every 64 entries. */
SHOAL_MUST_USE shoal_status shoal_publish(shoal_lake *lake, shoal_state *state, const shoal_publication_draft *draft,
                                          int64_t *out, shoal_error *err);

/* What moving a branch's base to `onto` changes: what the branch holds from its old base becomes what the new one
   holds; what was set or removed on the branch itself stays. */
typedef struct shoal_rebase {
  shoal_change *changes; /* INHERIT and REMOVE */
  shoal_read *reads;     /* of the same datasets */
  size_t n_changes;
  shoal_source_pin *sources;
  size_t n_sources;
  shoal_str *both; /* the branch's own, which the base has changed, too: they stay as they are */
  size_t n_both;
} shoal_rebase;
/* Nothing is put; all is in the arena or borrowed from the states. */
SHOAL_MUST_USE shoal_status shoal_branch_rebase(shoal_lake *lake, const shoal_state *mine, const shoal_state *onto,
                                                shoal_arena *arena, shoal_rebase *out, shoal_error *err);

/* One entry of a branch's log, for `log`. */
typedef struct shoal_publication {
  int64_t number, time_us;
  shoal_str branch, kind, run, writer, message, git_commit, git_branch;
  bool git_dirty;
  shoal_str fork_branch; /* "update" and "branch" */
  int64_t fork_publication;
  const shoal_change *changes;
  size_t n_changes;
  const shoal_source_pin *sources;
  size_t n_sources;
} shoal_publication;
SHOAL_MUST_USE shoal_status shoal_publication_read(shoal_lake *lake, shoal_str branch, int64_t n, shoal_arena *arena,
                                                   shoal_publication *out, shoal_error *err);

/* ---- projection (invariants 5, 6): Delta tables brought up to the state ---- */
typedef struct shoal_projection_report {
  size_t tables, unchanged;
  SHOAL_VEC(char *) warnings; /* malloced; freed by shoal_projection_report_dispose */
} shoal_projection_report;
/* Idempotent; any process may do or finish it. With `only` (sorted names) just those tables are looked at; NULL: all
   that the publications since the watermark projected.json touched. SHOAL_ECONFLICT: a foreign commit changed a table's
   data: that table is frozen, the others are done. */
SHOAL_MUST_USE shoal_status shoal_project(shoal_lake *lake, const shoal_state *state, shoal_projection_report *report,
                                          shoal_error *err);
void shoal_projection_report_dispose(shoal_projection_report *report);
/* The watermark: the publication up to which all tables are projected; -1 none. A hint that is never ahead. */
SHOAL_MUST_USE shoal_status shoal_projected(shoal_lake *lake, shoal_str branch, int64_t *out, shoal_error *err);
/* Key prefix of a dataset's table on a branch: "silver/orders" or "_branches/<branch>/silver/orders". */
SHOAL_MUST_USE shoal_status shoal_table_prefix(const shoal_lake *lake, shoal_str branch, shoal_str dataset,
                                               shoal_buf *out, shoal_error *err);

/* ---- leases (invariant 7) ---- */
#define SHOAL_LEASE_LIFE_US                                                                                            \
  (15 * 1000000LL) /* a holder not seen renewing for so long is dead; measured by the watcher's own clock */
#define SHOAL_LEASE_BEAT_US (3 * 1000000LL) /* holders renew so often */
typedef struct shoal_lease shoal_lease;
typedef struct shoal_lease_holder {
  shoal_str who, host, run, dataset; /* in the arena */
  int64_t since_us, beat_us;         /* by the holder's clock: for people only */
  uint32_t epoch;
  uint64_t beat; /* changes with every renewal */
} shoal_lease_holder;
/* Tries once. SHOAL_OK: *out is ours. SHOAL_EBUSY: *holder has it. A holder of this machine whose process is gone is
   replaced at once; another one when `stale_epoch`/`stale_beat` (what the caller has watched unchanged for
   SHOAL_LEASE_LIFE_US) still stand: pass 0, 0 at first. */
SHOAL_MUST_USE shoal_status shoal_lease_take(shoal_lake *lake, const shoal_hash *key, shoal_str run, shoal_str who,
                                             shoal_str dataset, uint32_t stale_epoch, uint64_t stale_beat,
                                             shoal_lease **out, shoal_lease_holder *holder, shoal_arena *arena,
                                             shoal_error *err);
/* Renews. SHOAL_ECONFLICT: it was taken over (we were thought dead): our work may go on, the claim decides. */
SHOAL_MUST_USE shoal_status shoal_lease_renew(shoal_lease *lease, shoal_error *err);
/* Gives it back; frees it. */
void shoal_lease_release(shoal_lease *lease);
/* All leases that are held, for `status`. */
SHOAL_MUST_USE shoal_status shoal_lease_list(shoal_lake *lake, shoal_arena *arena, shoal_lease_holder **out, size_t *n,
                                             shoal_error *err);

/* ---- runs: roots while they live ---- */
typedef struct shoal_run_record shoal_run_record;
/* Put before the run computes anything, with the signatures it reuses and makes. `id` is a new UUID (time-ordered). */
SHOAL_MUST_USE shoal_status shoal_run_announce(shoal_lake *lake, shoal_str branch, shoal_str who,
                                               const shoal_hash *signatures, size_t n, shoal_run_record **out,
                                               shoal_error *err);
shoal_str shoal_run_id(const shoal_run_record *run);
/* Says which signatures it reuses and makes now; NULL: the heartbeat. */
SHOAL_MUST_USE shoal_status shoal_run_update(shoal_run_record *run, const shoal_hash *signatures, size_t n,
                                             shoal_error *err);
/* Removes the record, frees. */
void shoal_run_end(shoal_run_record *run);

/* ---- dataset names ---- */
/* Which names the project (its id) has claimed. SHOAL_ECONFLICT: another project owns one (named). */
SHOAL_MUST_USE shoal_status shoal_datasets_check(shoal_lake *lake, shoal_str project, const shoal_str *names, size_t n,
                                                 bool *claimed, shoal_error *err);
/* Claims a name for a project, durably: before anything is put into its home. SHOAL_ECONFLICT likewise. Idempotent;
   any thread. */
SHOAL_MUST_USE shoal_status shoal_dataset_claim(shoal_lake *lake, shoal_str project, shoal_str name, shoal_error *err);
/* The project that owns a name. SHOAL_ENOTFOUND if nobody does. */
SHOAL_MUST_USE shoal_status shoal_dataset_owner(shoal_lake *lake, shoal_str name, shoal_arena *arena, shoal_str *out,
                                                shoal_error *err);
/* "silver.orders" → "silver/orders". */
SHOAL_MUST_USE shoal_status shoal_dataset_home(shoal_str name, shoal_buf *out, shoal_error *err);

#endif
