/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session opens a project and its lake and wires the layers: scan, sign, look up, plan, execute, publish. It is what
 * the command line, Python and the web page call. One thread at a time per session.
 */
#ifndef SHOAL_SESSION_SESSION_H
#define SHOAL_SESSION_SESSION_H

#include <stdatomic.h>

#include "base/thread.h"
#include "code/model.h"
#include "code/project.h"
#include "delta/append.h"
#include "delta/verify.h"
#include "index/index.h"
#include "lake/lake.h"
#include "plan/plan.h"
#include "run/run.h"
#include "session/git.h"
#include "session/python.h"
#include "session/watch.h"

typedef struct shoal_session_options {
  const char *dir;  /* where to look for shoal.yaml, upward; NULL: the current folder */
  const char *lake; /* overrides shoal.yaml's; without a project it is all there is */
  bool anywhere;    /* without lake and project, too: nothing has a name, and without project paths are from the current
                       folder */
  const char *branch;    /* overrides SHOAL_BRANCH and git's */
  const char *from;      /* the revision a new branch starts from; NULL: the trunk's head */
  const shoal_str *vars; /* "name=value", override shoal.yaml's */
  size_t n_vars;
  bool dry;       /* nothing is made: where no lake is yet, an empty one in memory stands for it */
  bool now_fixed; /* --now: the clock of models that read it stands at now_us */
  int64_t now_us;
  bool seed_fixed; /* --seed: chance begins at the seed */
  uint32_t seed;
  shoal_listener listener;
  shoal_cancel *cancel;
} shoal_session_options;

#define SHOAL_SESSION_WATCH_KEY SHOAL_STR("watch") /* of the index */
#define SHOAL_SESSION_UNITS_KEY SHOAL_STR("units")
#define SHOAL_MAX_REPLANS 5 /* of one run: whoever is overtaken that often is told */

/* What planning knows of one source. */
typedef struct shoal_external {
  shoal_hash key;         /* X */
  const shoal_str *paths; /* of files, sorted, relative to the project or absolute */
  const shoal_hash *hashes;
  size_t n_paths;
  const struct shoal_external *more; /* of a model whose SQL names files: those of its next pattern */
  shoal_str pattern;
  shoal_str table_path; /* of Delta: absolute */
  shoal_str table_id;
  int64_t version;
  /* What its key was found by, until whoever first reads the table takes it (a large table's costs to be opened): may
     be NULL. Any thread. */
  _Atomic(shoal_delta_view *) view;
} shoal_external;

/* What a Python model was seen to load under names that its code does not tell. */
typedef struct shoal_known_reads {
  shoal_hash key;   /* shoal_learned_key */
  shoal_str *names; /* of datasets */
  size_t n;
  bool sure; /* seen in this session; else what is known may be old */
  bool kept; /* there is, or was, a result that read these */
} shoal_known_reads;

typedef struct shoal_session_learned {
  SHOAL_VEC(shoal_known_reads *) all;
  shoal_map by_key;
  bool recalled; /* from the index */
  bool is_new;   /* the index does not know them so */
} shoal_session_learned;

typedef struct shoal_session {
  shoal_arena arena;
  shoal_session_options options;
  char *root;    /* of the project, absolute; NULL: no project */
  bool imagined; /* the lake is one in memory, with nothing in it */
  char *outside; /* the current folder, where there is neither project nor lake; else NULL */
  shoal_git git;
  shoal_str branch; /* {NULL,0} when a detached HEAD leaves it open */
  shoal_config config;
  bool configured;
  shoal_str lake_path; /* absolute */
  shoal_index *index;
  shoal_store *store;
  shoal_lake *lake;
  shoal_state *state;    /* of the branch */
  shoal_state *head;     /* of the branch, after what this session has published; NULL: nothing */
  shoal_str cache_key;   /* under which the state is to be cached at the end; {NULL,0}: it need not be */
  bool branch_is_new;    /* state is its fork point's: the branch is created by the first publication */
  shoal_str fork_branch; /* of a new branch */
  int64_t fork_publication;
  shoal_engine *engine;          /* for parsing and queries; opened on demand */
  SHOAL_VEC(shoal_str) readable; /* folders, ending with '/', of tables that queries name by their paths */
  char who[520];
  /* the scan */
  bool edited; /* a watched file looks changed: the engine will probably be needed, and is opened meanwhile */
  shoal_thread opening;
  shoal_engine *early; /* what that thread opened; its own until it is joined */
  shoal_str old_watch; /* what the files were compared with, and what was seen of them; {NULL,0}: nothing */
  shoal_watch_seen seen;
  bool watch_new, units_new; /* to be put into the index, at the latest at the session's end */
  bool scanned;
  shoal_watch watch;
  shoal_unit *units; /* of SQL files first */
  size_t n_units, n_sql_units;
  shoal_macro *macros;
  size_t n_macros;
  shoal_external *externals; /* one per config source */
  size_t n_externals;
  shoal_external *unit_files; /* one per unit: the files its SQL names */
  shoal_graph *graph;
  bool *pinned;
  shoal_str *lake_names;
  shoal_hash *lake_keys;
  shoal_hash environment;
  shoal_hash
      nonce;       /* of volatile models' keys: one for the whole session, so that planning again finds their results */
  int64_t now_us;  /* what the clock says: --now, or when the session began to sign */
  bool filters;    /* the query that the engine is opened for reads tables by path, on conditions */
  bool one_thread; /* engines opened from here on have one thread each */
  shoal_python python;
  shoal_session_learned learned;
  size_t n_parsed; /* models whose SQL was parsed anew */
  /* the plan */
  shoal_lookup *lookups;
  uint32_t *lookup_of;
  bool *condemned; /* per node: the branch's result is marked */
  size_t n_condemned;
  bool *unchecked;
  bool *selected;
  shoal_str *removed;
  size_t n_removed;
  /* what plans made before a re-plan still borrow */
  SHOAL_VEC(shoal_graph *) old_graphs;
  SHOAL_VEC(shoal_state *) old_states;
  int n_replans; /* since the branch has moved */
} shoal_session;

/* Finds the project (not needed with options.lake), reads its settings, resolves the branch. Loads neither engine nor
 * lake. */
SHOAL_MUST_USE shoal_status shoal_session_open(const shoal_session_options *options, shoal_session **out,
                                               shoal_error *err);
void shoal_session_close(shoal_session *s);
/* Instead of closing it, where the process ends at once: what is to be remembered is, workers are ended, and what the
   engine spilled is removed; memory and threads are left to the system. */
void shoal_session_leave(shoal_session *s);

/* Reads shoal.yaml and opens store and lake. With `create`, a project's lake is made when it is missing. */
SHOAL_MUST_USE shoal_status shoal_session_configure(shoal_session *s, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_session_open_lake(shoal_session *s, bool create, shoal_error *err);
/* The branch's state, refreshed. A branch that does not exist yet is a new one that starts at the trunk's head. */
SHOAL_MUST_USE shoal_status shoal_session_load_state(shoal_session *s, shoal_error *err);
/* What tells an entry of a branch's log from any other that ever had its key, at the price of a stat; in the arena,
   NULL if it is not there. */
char *shoal_session_entry_mark(shoal_store *store, shoal_str entry, shoal_arena *arena);
/* Waits for an engine that is being opened, and makes it the session's. */
void shoal_session_await_engine(shoal_session *s);
/* The engine for parsing and queries. */
SHOAL_MUST_USE shoal_status shoal_session_engine(shoal_session *s, shoal_engine **out, shoal_error *err);
/* Where its engines spill: the project's folder for that, else the user's; NULL: there is none. */
char *shoal_session_temp(const shoal_session *s, shoal_arena *arena); /* s may be NULL: no project */
/* A new folder, in the arena, that the session's engine may write into; the caller removes it. */
SHOAL_MUST_USE shoal_status shoal_session_staging(shoal_session *s, shoal_arena *arena, char **out, shoal_error *err);
/* Another engine with the project's settings, for a worker. With s->one_thread it draws its chances in one order. Any
   thread. */
SHOAL_MUST_USE shoal_status shoal_session_open_engine(shoal_session *s, unsigned workers, shoal_engine **out,
                                                      shoal_error *err);

/* Puts what the scan found out into the index. At the session's end, unless it was much: nobody waits for it then. */
void shoal_session_remember(shoal_session *s);
/* The units as the index keeps them. */
SHOAL_MUST_USE shoal_status shoal_session_encode_units(const shoal_session *s, shoal_buf *out, shoal_error *err);
/* scan + sign: units, sources, graph. */
SHOAL_MUST_USE shoal_status shoal_session_scan(shoal_session *s, shoal_error *err);
/* The same files against the branch's head: graph and signatures are made anew. What was planned before stays valid
   memory. */
SHOAL_MUST_USE shoal_status shoal_session_rescan(shoal_session *s, shoal_error *err);

typedef struct shoal_plan_options {
  const shoal_str *selectors;
  size_t n_selectors;
  bool again;
  bool verify;   /* compute what is selected again, where its result is there, to compare it */
  size_t sample; /* with verify: only so many of those, by chance; 0: all */
} shoal_plan_options;
/* look up + plan. The plan borrows from the session. */
SHOAL_MUST_USE shoal_status shoal_session_plan(shoal_session *s, const shoal_plan_options *options, shoal_plan **out,
                                               shoal_error *err);

/* Where a result that a plan adopts was published. */
typedef struct shoal_origin {
  shoal_str branch;    /* it was computed on; {NULL,0}: not known, or nothing is adopted */
  int64_t publication; /* that set it there; 0: none, it was left by a run that did not publish */
  shoal_str run;
} shoal_origin;
/* One for each item of the plan. Costs a few small reads for each run and branch the results come from; texts are in
   the arena or the plan's. */
SHOAL_MUST_USE shoal_status shoal_session_origins(shoal_session *s, const shoal_plan *plan, shoal_arena *arena,
                                                  shoal_origin **out, shoal_error *err);

/* Plans anew against the branch's head, for a run that was overtaken. SHOAL_ECONFLICT: the new plan would set or remove
   a dataset that others have changed since `first`, for another reason than that its inputs have moved: that is for
   people to decide. */
SHOAL_MUST_USE shoal_status shoal_session_replan(shoal_session *s, const shoal_plan_options *options,
                                                 const shoal_state *first, bool prune, shoal_plan **out,
                                                 shoal_error *err);

/* --- a plan in a file --- */
typedef struct shoal_saved_item {
  shoal_str dataset, action;
  shoal_str signature; /* {NULL,0} where every plan has another one */
} shoal_saved_item;
typedef struct shoal_saved_plan {
  shoal_str lake, branch;
  int64_t publication;
  shoal_str *selectors, *vars;
  size_t n_selectors, n_vars;
  bool again;
  bool now_fixed, seed_fixed;
  int64_t now_us;
  uint32_t seed;
  shoal_saved_item *items;
  size_t n_items;
} shoal_saved_plan;
/* "run", "reuse" … */
const char *shoal_action_name(shoal_action action);
/* Appends the plan as JSON. */
SHOAL_MUST_USE shoal_status shoal_session_save_plan(shoal_session *s, const shoal_plan *plan,
                                                    const shoal_plan_options *options, shoal_buf *out,
                                                    shoal_error *err);
/* Reads such a file; its texts are in the arena. */
SHOAL_MUST_USE shoal_status shoal_saved_plan_read(const char *path, shoal_arena *arena, shoal_saved_plan *out,
                                                  shoal_error *err);
/* SHOAL_ECONFLICT, naming the first difference, unless the plan made now is the saved one. */
SHOAL_MUST_USE shoal_status shoal_saved_plan_compare(const shoal_saved_plan *saved, const shoal_session *s,
                                                     const shoal_plan *plan, shoal_error *err);

/* True if nothing has changed since the last run that found or left everything up to date: stats the files and reads
   the branch's newest and next entry, its watermark, the marks of the condemned, and each external source's head,
   nothing else (invariant 10). */
bool shoal_session_settled(shoal_session *s, uint64_t *n_datasets);

typedef struct shoal_run_options {
  bool again, keep_going, prune;
  bool verify;                      /* the plan is one to verify: nothing is published, the report's n_differ tells */
  const shoal_plan_options *replan; /* how the plan was made, to make it again where what it read has moved; NULL: then
                                       SHOAL_ECONFLICT */
  unsigned workers;
  const char *message;
} shoal_run_options;
typedef struct shoal_run_outcome {
  shoal_run_report report; /* of the last round; computed, rows and bytes of all */
  shoal_plan *plan;        /* that was done in the end, if it was planned again, else NULL */
  int64_t publication;     /* 0: none was needed or made */
  size_t n_published;
  shoal_projection_report projection;
} shoal_run_outcome;
/* Executes, publishes, projects. Where a dataset that was read has moved meanwhile, it is planned again and goes on.
   SHOAL_EHELD: an expectation; SHOAL_ECONFLICT: others have changed what this run sets; SHOAL_EENGINE …: a
   model failed (its error); SHOAL_ECANCELLED. The outcome is filled in either way. */
SHOAL_MUST_USE shoal_status shoal_session_run(shoal_session *s, const shoal_plan *plan,
                                              const shoal_run_options *options, shoal_run_outcome *out,
                                              shoal_error *err);
void shoal_run_outcome_dispose(shoal_run_outcome *o);

/* Publishes changes that no model's run makes (rollback, release, prune), and projects. */
SHOAL_MUST_USE shoal_status shoal_session_publish(shoal_session *s, shoal_publication_draft *draft, int64_t *out,
                                                  shoal_error *err);

/* Brings the branch's tables up to its head, whoever published it; `report` may be NULL. */
SHOAL_MUST_USE shoal_status shoal_session_project(shoal_session *s, shoal_projection_report *report, shoal_error *err);
/* Publishes the results that datasets (patterns; none: all that differ) had at a revision, pinned. *changed are their
   names, in the session's memory; *out the publication, 0 if nothing had to change. */
SHOAL_MUST_USE shoal_status shoal_session_rollback(shoal_session *s, const shoal_str *names, size_t n, shoal_str to,
                                                   const char *message, shoal_str **changed, size_t *n_changed,
                                                   int64_t *out, shoal_error *err);
/* Releases pins. */
SHOAL_MUST_USE shoal_status shoal_session_release(shoal_session *s, const shoal_str *names, size_t n,
                                                  shoal_str **changed, size_t *n_changed, int64_t *out,
                                                  shoal_error *err);

/* Takes datasets off the branch; their results stay. SHOAL_EINVAL, unless `force`: a model of this project makes one,
   or another project owns it. */
SHOAL_MUST_USE shoal_status shoal_session_remove(shoal_session *s, const shoal_str *names, size_t n, bool force,
                                                 const char *message, shoal_str **changed, size_t *n_changed,
                                                 int64_t *out, shoal_error *err);

/* --- branches --- */
/* Makes a branch from a revision, {NULL,0}: the trunk's head. *out is its state, the caller's. SHOAL_EEXIST. */
SHOAL_MUST_USE shoal_status shoal_session_branch_make(shoal_session *s, shoal_str name, shoal_str from,
                                                      shoal_state **out, shoal_error *err);
typedef struct shoal_branch_moved {
  shoal_rebase rebase;
  shoal_str base;
  int64_t base_publication, publication; /* 0: its base was there already */
} shoal_branch_moved;
/* Moves the base of a branch ({NULL,0}: the current one) to a revision ({NULL,0}: the head of the branch it is from).
 */
SHOAL_MUST_USE shoal_status shoal_session_branch_update(shoal_session *s, shoal_str name, shoal_str from,
                                                        shoal_branch_moved *out, shoal_error *err);
bool shoal_session_is_protected(const shoal_session *s, shoal_str branch);
/* Ends a branch; results stay. SHOAL_EINVAL: it is the current one, the trunk, or protected, or, unless `anyway`, it
   holds results that its base does not. */
SHOAL_MUST_USE shoal_status shoal_session_branch_delete(shoal_session *s, shoal_str name, bool anyway, int64_t *out,
                                                        shoal_error *err);

/* Appends files (absolute paths of one format; columns go by name) to a source that is a Delta table, or to the table
   at a path (absolute; told by its '/'; s may be NULL then: no project); where there is none it is made. Others may
   append to it at once. `merge_schema`: columns that the table lacks become its own. `cancel` may be NULL. */
SHOAL_MUST_USE shoal_status shoal_session_import(shoal_session *s, shoal_cancel *cancel, const shoal_str *files,
                                                 size_t n, shoal_str target, bool merge_schema,
                                                 shoal_delta_appended *out, shoal_error *err);

/* --- verification --- */
typedef struct shoal_fsck_options {
  bool all;              /* every publication of every branch, not only the branch's head */
  bool content;          /* read the rows and compare with the hash of rows that was recorded */
  bool repair;           /* condemn what is broken: the next run computes it anew */
  const shoal_str *only; /* patterns of datasets; none: all */
  size_t n_only;
} shoal_fsck_options;
typedef struct shoal_damaged {
  shoal_str dataset, branch;
  int64_t publication; /* the first seen to name it */
  shoal_result result;
  shoal_str why;
  bool condemned; /* by this check or before it */
  bool pinned;    /* no run replaces it */
} shoal_damaged;
typedef struct shoal_fsck_report {
  shoal_arena arena;
  size_t n_results;
  uint64_t bytes;
  SHOAL_VEC(shoal_damaged) broken;
} shoal_fsck_report;
/* Looks at the results that publications name. Broken ones are the report's, not an error. */
SHOAL_MUST_USE shoal_status shoal_session_fsck(shoal_session *s, const shoal_fsck_options *options,
                                               shoal_fsck_report *out, shoal_error *err);
/* The dataset whose table or results a folder holds, if it lies in the lake; else {NULL,0}. In s's arena. */
SHOAL_MUST_USE shoal_status shoal_session_dataset_of(shoal_session *s, const char *path, shoal_str *out,
                                                     shoal_error *err);
/* Any Delta table, by its folder (shoal_delta_verify). Texts are in s's arena. */
SHOAL_MUST_USE shoal_status shoal_session_fsck_table(shoal_session *s, const char *path, bool content,
                                                     shoal_delta_verified *out, shoal_error *err);
void shoal_fsck_report_dispose(shoal_fsck_report *r);

/* --- local caches --- */
typedef struct shoal_cache {
  const char *what; /* for people */
  shoal_str path;
  uint64_t files, bytes;
  bool clears; /* shoal_session_clear_caches removes it */
} shoal_cache;
/* What this machine keeps for the project besides the lake; in s's arena. */
SHOAL_MUST_USE shoal_status shoal_session_caches(shoal_session *s, shoal_cache **out, size_t *n, shoal_error *err);
/* Removes them. Other processes go on with what they have open. */
SHOAL_MUST_USE shoal_status shoal_session_clear_caches(shoal_session *s, shoal_error *err);

/* --- revisions (DESIGN 6): BRANCH, BRANCH~n, BRANCH@{time}, #n, "" or HEAD for the current branch --- */
SHOAL_MUST_USE shoal_status shoal_session_revision(shoal_session *s, shoal_str rev, shoal_state **out,
                                                   shoal_error *err);

/* "A..B", or "A" against the current branch's head. Both are the caller's. */
SHOAL_MUST_USE shoal_status shoal_session_range(shoal_session *s, shoal_str range, shoal_state **before,
                                                shoal_state **after, shoal_error *err);

/* --- provenance and explanation --- */
/* The preimage of a model's signature as JSON: code, macros, variables, inputs. What a run writes into its result. */
SHOAL_MUST_USE shoal_status shoal_session_preimage(shoal_session *s, uint32_t node, shoal_buf *out, shoal_error *err);

typedef enum shoal_why_kind {
  SHOAL_WHY_SAME,
  SHOAL_WHY_NEW,
  SHOAL_WHY_CODE,
  SHOAL_WHY_MACRO,
  SHOAL_WHY_VARIABLE,
  SHOAL_WHY_SOURCE,
  SHOAL_WHY_INPUT,
  SHOAL_WHY_ENVIRONMENT,
  SHOAL_WHY_VOLATILE,
  SHOAL_WHY_LAYOUT,
  SHOAL_WHY_PACKAGE,      /* one that Python code reaches, or the interpreter, has another version */
  SHOAL_WHY_ENV_VARIABLE, /* one that Python code reads has another value, which is not kept */
  SHOAL_WHY_FILE          /* one that Python code names; after: "changed", "is new" or "is gone" */
} shoal_why_kind;
const char *shoal_why_kind_name(shoal_why_kind kind); /* "code", for JSON */
/* The first difference between two preimages. Texts are in the arena given. */
typedef struct shoal_why {
  shoal_why_kind kind;
  shoal_str what; /* macro, variable, source, dataset, package; of Python code the function or value */
  shoal_str path; /* file the change is in */
  int line;
  shoal_str before, after; /* texts of the line, values */
} shoal_why;
SHOAL_MUST_USE shoal_status shoal_why_compare(shoal_str before_json, shoal_str after_json, shoal_arena *arena,
                                              shoal_why *out, shoal_error *err);
/* Whether `after` is of a Python function; *same: its code, arguments and interpreter are as before. */
bool shoal_why_is_python(yyjson_val *before, yyjson_val *after, bool *same);
/* Variables of the environment, and files, that Python code has read: whether one differs, and which. */
bool shoal_why_python_reads(yyjson_val *before, yyjson_val *after, shoal_arena *arena, shoal_why *out);
/* The same where the code of a Python model differs. */
void shoal_why_python(yyjson_val *before, yyjson_val *after, shoal_arena *arena, shoal_why *out);
/* Why a model differs from what the branch holds; follows inputs to the first leaf. chain[i] is read by chain[i-1]. */
typedef struct shoal_why_chain {
  shoal_str datasets[64];
  size_t n;
  shoal_why leaf;
} shoal_why_chain;
SHOAL_MUST_USE shoal_status shoal_session_why(shoal_session *s, shoal_str dataset, shoal_arena *arena,
                                              shoal_why_chain *out, shoal_error *err);

/* Why a dataset's result at `after` is another than at `before`, from what was written into both; needs no project. The
   leaf is SAME where the results are the same, NEW where there was none before. SHOAL_ENOTFOUND: it is not in `after`.
 */
SHOAL_MUST_USE shoal_status shoal_session_why_between(shoal_session *s, shoal_str dataset, const shoal_state *before,
                                                      const shoal_state *after, shoal_arena *arena,
                                                      shoal_why_chain *out, shoal_error *err);

/* --- static checks --- */
/* What binding a model without running it told. Schemas follow from the code: parents that would run are bound too. */
typedef struct shoal_bound {
  bool bound;          /* schema is known */
  shoal_schema schema; /* what the code gives */
  shoal_schema before; /* what the branch holds; n_fields 0: nothing */
  shoal_error *error;  /* it does not bind; NULL if it does or was blocked */
  bool blocked;        /* something it reads does not bind */
  bool later;          /* its columns, or those of something it reads, are known when that Python model has run */
} shoal_bound;
/* Binds the models a plan would run (with `all`, every model). bound[node] for each graph node; memory is the arena's.
 */
SHOAL_MUST_USE shoal_status shoal_session_bind(shoal_session *s, const shoal_plan *plan, bool all, shoal_arena *arena,
                                               shoal_bound **bound, shoal_error *err);
/* What makes a Python model's result depend on more than its key covers, as far as its text shows. */
typedef struct shoal_finding {
  shoal_str path;
  int line;
  shoal_str kind; /* time, chance, machine, environment, file, network, process, global */
  shoal_str what; /* as it is written there */
  shoal_str why, mend;
} shoal_finding;
/* Of a Python model, with all of the project's code that it reaches, by file and line; none of any other model. Asks a
   worker. */
SHOAL_MUST_USE shoal_status shoal_session_impurities(shoal_session *s, const shoal_unit *u, shoal_arena *arena,
                                                     shoal_finding **out, size_t *n, shoal_error *err);
/* "+a long, -b, ~c double": how a schema differs from what was there; "" if it does not. */
void shoal_schema_changes(const shoal_schema *before, const shoal_schema *after, shoal_buf *out);

/* --- reading --- */
/* Makes a job whose inputs are the datasets and sources the SQL names, at a state. Snapshots live until the arena's
   owner calls shoal_query_dispose. */
typedef struct shoal_query {
  shoal_arena arena;
  shoal_job job;
  shoal_opened opened;
} shoal_query;
SHOAL_MUST_USE shoal_status shoal_session_query(shoal_session *s, const shoal_state *at, shoal_str sql,
                                                shoal_query *out, shoal_error *err);
/* The branch's state with what the next run would publish from results that are there already: what a run held back,
   for one. The caller's; it lives as long as the session. */
SHOAL_MUST_USE shoal_status shoal_session_latest(shoal_session *s, shoal_state **out, shoal_error *err);
/* A job over given results under given names, for comparisons. */
SHOAL_MUST_USE shoal_status shoal_session_query_results(shoal_session *s, const shoal_str *names,
                                                        const shoal_result *const *results, size_t n, shoal_str sql,
                                                        shoal_query *out, shoal_error *err);
void shoal_query_dispose(shoal_query *q);

/* --- helpers shared by the session's files --- */
/* Reads a project file (relative to the root) into the arena; SHOAL_ECONFLICT when its content is no longer `expect`.
 */
SHOAL_MUST_USE shoal_status shoal_session_read(shoal_session *s, shoal_str path, const shoal_hash *expect,
                                               shoal_arena *arena, shoal_str *out, shoal_error *err);
/* Parses all units; part of scan. */
SHOAL_MUST_USE shoal_status shoal_session_units(shoal_session *s, shoal_error *err);
/* The models of Python files among the watch's entries, added to the units; part of that. */
SHOAL_MUST_USE shoal_status shoal_session_python_units(shoal_session *s, size_t first, size_t n, shoal_error *err);
/* Puts into the index what workers told of Python files, if that is new. */
void shoal_session_remember_python(shoal_session *s);
/* Whether the files that a Python model's code was read from are what they were; SHOAL_ECONFLICT if not. Any thread. */
SHOAL_MUST_USE shoal_status shoal_session_python_unchanged(const shoal_session *s, uint32_t node, shoal_error *err);
/* What a worker tells of a Python model for people: functions and packages reached. To be freed by yyjson_doc_free. */
SHOAL_MUST_USE shoal_status shoal_session_explain_python(shoal_session *s, const shoal_unit *u, yyjson_doc **out,
                                                         shoal_error *err);
/* Gives the units of Python models what they are known to read (learned.c); with `all` also what may be old. *any: some
   of that is among it. Part of scan. */
SHOAL_MUST_USE shoal_status shoal_session_learned_refs(shoal_session *s, bool all, bool *any, shoal_error *err);
/* Asks the lake about models that are not as the branch has them. *found: the graph is to be built again. */
SHOAL_MUST_USE shoal_status shoal_session_learned_look(shoal_session *s, bool *found, shoal_error *err);
/* What a run has learned. */
SHOAL_MUST_USE shoal_status shoal_session_learn(shoal_session *s, const shoal_run_report *report, shoal_error *err);
void shoal_session_remember_learned(shoal_session *s);
/* A worker with the project's settings. Any thread. */
SHOAL_MUST_USE shoal_status shoal_session_open_worker(shoal_session *s, shoal_worker **out, shoal_error *err);
/* Where large tables are remembered: beside the project's index, or, outside of projects (`s` may be NULL), the user's.
   NULL: nowhere. */
const char *shoal_session_delta_cache(shoal_session *s, shoal_arena *arena);
/* Computes the keys of sources and of files named in SQL; part of scan. */
SHOAL_MUST_USE shoal_status shoal_session_externals(shoal_session *s, shoal_error *err);
void shoal_session_free_externals(shoal_session *s);
/* Whether the files that a model reads are what they were when its key was made; SHOAL_ECONFLICT if not. Any thread. */
SHOAL_MUST_USE shoal_status shoal_session_unchanged(const shoal_session *s, uint32_t node, shoal_error *err);
/* Texts of macros (indices into s->macros), those that are called before those that call. */
SHOAL_MUST_USE shoal_status shoal_session_order_macros(shoal_session *s, const uint32_t *macros, size_t n,
                                                       shoal_arena *arena, const shoal_str **out, size_t *n_out,
                                                       shoal_error *err);
/* Fills in a task for a plan item; the run's `prepare`. */
SHOAL_MUST_USE shoal_status shoal_session_prepare(shoal_session *s, const shoal_item *item,
                                                  const shoal_result *const *results, shoal_task *task,
                                                  shoal_error *err);
/* The Delta table in a folder, absolute and without links; its store is the caller's to free. */
SHOAL_MUST_USE shoal_status shoal_session_open_delta(shoal_session *s, const char *path, shoal_store **store,
                                                     shoal_delta_table *table, shoal_error *err);
/* Lets the session's engine read below a folder: it is opened anew unless it may already. */
SHOAL_MUST_USE shoal_status shoal_session_allow(shoal_session *s, const char *folder, shoal_error *err);
/* A scan over a source. What is opened for it is added to `opened` and must outlive the scan. */
SHOAL_MUST_USE shoal_status shoal_session_source_scan(shoal_session *s, size_t source, shoal_opened *opened,
                                                      shoal_arena *arena, shoal_scan *out, shoal_error *err);
/* Key of the index under which it is remembered that a result passed its expectations; NULL without memory. */
char *shoal_session_passed_key(shoal_session *s, const shoal_node *n);
/* Remembers that everything is as the code says. */
SHOAL_MUST_USE shoal_status shoal_session_settle(shoal_session *s, uint64_t n_datasets, shoal_error *err);

/* A path of the configuration: absolute, or from the project's folder. In the arena; NULL without memory. */
char *shoal_session_path(const shoal_session *s, shoal_str path, shoal_arena *arena);
/* The folder, without links, that the files of the Delta source at `real` may lie in besides its own (clone_of:); NULL:
   none, or it is no such source. `s` may be NULL. */
char *shoal_session_clone_of(const shoal_session *s, const char *real, shoal_arena *arena);
/* Where a source's table lies, absolute, in the arena; NULL without memory. */
char *shoal_session_source_path(const shoal_session *s, const shoal_source *src, shoal_arena *arena);

#endif
