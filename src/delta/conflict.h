/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a commit that came first stands against a transaction (facts of the protocol: any two commits may follow each
 * other as long as the table stays valid; the rules here are those that keep transactions serializable, as Delta's own
 * writers apply them). Pure: no input or output.
 *
 * For each commit that won a version we wanted, in order:
 *  R1 two that change the protocol, or a change of it under one that does more than append: conflict;
 *  R2 a change of metadata under one that does more than append, or that changes metadata itself: conflict. That the
 *     marks of identity columns move concerns only those who change metadata (I2 of identity.h);
 *  R3 the same domain written by both: conflict (row tracking's high-water mark is rebased instead);
 *  R4 an application's progress (txn) that we read has moved: conflict;
 *  R5 a file added that we would have read: conflict. Under WriteSerializable a blind append may be thought of as
 * coming after us, so it does not count, unless we change metadata; under Snapshot nothing added counts; R6 a file
 * removed that we read: conflict; R7 a file removed that we remove: conflict, whatever its deletion vector. What is
 * appended without reading meets R1 … R3 only, and there the caller looks whether it still fits.
 */
#ifndef SHOAL_DELTA_CONFLICT_H
#define SHOAL_DELTA_CONFLICT_H

#include "delta/delta_internal.h"

typedef enum shoal_delta_isolation {
  SHOAL_DELTA_WRITE_SERIALIZABLE, /* Delta's default */
  SHOAL_DELTA_SERIALIZABLE,
  SHOAL_DELTA_SNAPSHOT /* only for what rearranges rows: every file action has dataChange=false */
} shoal_delta_isolation;

/* What a transaction has read and does. */
typedef struct shoal_delta_intent {
  shoal_delta_isolation isolation;
  bool reads_all; /* every file there is, and any that comes */
  /* Whether it would have read a file that came since, by partition values and statistics; NULL: none. */
  bool (*would_read)(void *arg, const shoal_delta_file *added);
  void *would_read_arg;
  const shoal_map *read, *removed; /* files, by shoal_delta_path_key */
  bool appends;                    /* adds files and read nothing */
  bool changes_metadata, changes_protocol;
  const shoal_delta_metadata *metadata; /* the table's, before the winner; NULL: any change of it counts */
  const shoal_str *apps, *domains;      /* txn applications it read or writes; domains it writes */
  size_t n_apps, n_domains;
} shoal_delta_intent;

typedef struct shoal_delta_winner {
  int64_t version;
  const shoal_action *actions;
  size_t n;
} shoal_delta_winner;

/* SHOAL_ECONFLICT says what stands against what. */
SHOAL_MUST_USE shoal_status shoal_delta_conflict(const shoal_delta_intent *ours, const shoal_delta_winner *theirs,
                                                 shoal_error *err);

#endif
