/* SPDX-License-Identifier: Apache-2.0 */
/* What the two kinds of checkpoints have in common: the state as inputs and a query of the engine. Private to delta/.
 */
#ifndef SHOAL_DELTA_CHECKPOINT_H
#define SHOAL_DELTA_CHECKPOINT_H

#include "delta/delta_internal.h"

/* Columns of a checkpoint. */
enum {
  SHOAL_CHECKPOINT_TXN,
  SHOAL_CHECKPOINT_ADD,
  SHOAL_CHECKPOINT_REMOVE,
  SHOAL_CHECKPOINT_METADATA,
  SHOAL_CHECKPOINT_PROTOCOL,
  SHOAL_CHECKPOINT_DOMAIN,
  SHOAL_CHECKPOINT_COLUMNS
};

/* What queries are made of: `state`, actions of the snapshot's own; `spoken`, keys that those below no longer speak
   for; `below`. */
typedef struct shoal_checkpoint_inputs {
  shoal_scan_option of_state[3], of_spoken[2], of_below[2];
  shoal_scan_file files[2];
  shoal_scan scans[3];
  shoal_input list[3];
  size_t n;
} shoal_checkpoint_inputs;

/* How the statistics of files stand in it. */
typedef struct shoal_checkpoint_form {
  bool text, parsed;        /* `stats`; `stats_parsed`, and partitionValues_parsed with it */
  shoal_type stats, values; /* of the parsed ones, by physical names; `values` may have no fields */
  shoal_str name;           /* {NULL,0}: text alone */
} shoal_checkpoint_form;

typedef struct shoal_checkpoint {
  const shoal_delta_table *table;
  const shoal_delta_snapshot *s;
  bool v2;
  shoal_checkpoint_form form;
  shoal_arena arena;
  shoal_engine *engine;
  char *staging;
  shoal_str json, spoken, parquet; /* staged files */
  shoal_scan_file *below;          /* of a tip: files whose actions go over into the new checkpoint */
  size_t n_below;
  shoal_schema old; /* their columns */
  shoal_checkpoint_inputs in;
  int64_t oldest; /* tombstones from before, in milliseconds, may go: VACUUM has no more use for them */
  shoal_buf text; /* `state` */
  shoal_buf top;  /* of a V2 checkpoint: what is no file */
  size_t longest;
  shoal_str actions, adds; /* numbers, as they were read back */
  shoal_error *err;
} shoal_checkpoint;

/* A text into the arena; {NULL,0}: out of memory. The buffer is disposed of. */
shoal_str shoal_checkpoint_keep(shoal_checkpoint *c, shoal_buf *text);
/* Only the first n of c->below go over. */
void shoal_checkpoint_take_below(shoal_checkpoint *c, size_t n);
/* Learns the columns of the files that `below` has now, all of which the engine opens for that. SHOAL_EUNSUPPORTED:
   they lack what goes over. */
SHOAL_MUST_USE shoal_status shoal_checkpoint_know_below(shoal_checkpoint *c);
/* All actions of the checkpoint, as SQL over the inputs. */
void shoal_checkpoint_query(const shoal_checkpoint *c, shoal_buf *sql);
/* The key of a file below, an add's or a remove's, as SQL over `log`; false: there is no such column. */
bool shoal_checkpoint_key(const shoal_checkpoint *c, size_t column, shoal_buf *sql);
/* That the scan has what the query `all` says; notes how many actions and adds that is. */
SHOAL_MUST_USE shoal_status shoal_checkpoint_verify(shoal_checkpoint *c, const shoal_scan *made, shoal_str all);
/* Writes _last_checkpoint. */
SHOAL_MUST_USE shoal_status shoal_checkpoint_hint(shoal_checkpoint *c, uint64_t bytes);

/* --- checkpoint_stats.c --- */
SHOAL_MUST_USE shoal_status shoal_checkpoint_form_of(const shoal_delta_metadata *m, shoal_arena *arena,
                                                     shoal_checkpoint_form *out, shoal_error *err);
/* Behind the members of an add's line: what its statistics say, for shoal_checkpoint_state_stats, if that is wanted. */
SHOAL_MUST_USE shoal_status shoal_checkpoint_parse_stats(const shoal_checkpoint_form *form, shoal_str stats,
                                                         shoal_buf *line, shoal_error *err);
/* SHOAL_EUNSUPPORTED: the adds below, of this type, lack typed statistics that are wanted. */
SHOAL_MUST_USE shoal_status shoal_checkpoint_below_check(const shoal_checkpoint_form *form, const shoal_type *add,
                                                         shoal_error *err);
/* Typed statistics as SQL: of a line of `state`, and of an add below. */
void shoal_checkpoint_state_stats(const shoal_checkpoint_form *form, shoal_buf *sql);
void shoal_checkpoint_below_stats(const shoal_checkpoint_form *form, const shoal_type *add, shoal_buf *sql);
/* The members of an add that are typed, each behind a comma, from its map of values and the column `parsed`. */
void shoal_checkpoint_typed(const shoal_checkpoint_form *form, shoal_buf *sql);

/* --- checkpoint_v2.c --- */
SHOAL_MUST_USE shoal_status shoal_checkpoint_v2(shoal_checkpoint *c);

#endif
