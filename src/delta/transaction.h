/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transaction on a table: what it read, what it does, and the commit, which is tried again on top of whatever others
 * committed meanwhile until it is in or stands against one of them (conflict.h).
 *
 *  T1 A transaction is in whole or not at all, and the answer is never wrong: after a store's ambiguous failure its own
 *     commit is known again by its bytes.
 *  T2 What depends on the version (in-commit timestamp, row ids) is made anew for each try.
 *  T3 Something appended without reading is never refused for what other writers append or remove.
 *  T4 No version is used twice: where commits after the base have come and been cleaned up, nothing is committed.
 *
 * What is passed in is borrowed until the transaction is freed. One thread at a time.
 */
#ifndef SHOAL_DELTA_TRANSACTION_H
#define SHOAL_DELTA_TRANSACTION_H

#include "delta/conflict.h"

typedef struct shoal_delta_transaction shoal_delta_transaction;

/* On the state of `base`, which must stay; NULL: the table is made, and metadata and protocol must be set.
   SHOAL_EUNSUPPORTED: the table asks of its writers what is not done here, by name; `able` says what the caller does
   (SHOAL_DELTA_MAPS, SHOAL_DELTA_COPIES), stamps are made here. `operation` is commitInfo's, its parameters a JSON
   object's text or {NULL,0}.
 */
SHOAL_MUST_USE shoal_status shoal_delta_transaction_open(const shoal_delta_table *table,
                                                         const shoal_delta_snapshot *base, unsigned able,
                                                         const char *operation, shoal_str parameters,
                                                         shoal_delta_transaction **out, shoal_error *err);
void shoal_delta_transaction_free(shoal_delta_transaction *t);

/* --- what it read --- */
void shoal_delta_transaction_isolate(shoal_delta_transaction *t, shoal_delta_isolation isolation);
void shoal_delta_transaction_reads_all(shoal_delta_transaction *t);
SHOAL_MUST_USE shoal_status shoal_delta_transaction_reads(shoal_delta_transaction *t, const shoal_delta_file *file,
                                                          shoal_error *err);
/* As reads_all, but what was read is found out only when others have committed something: `narrow` is then asked once,
   and may say it by the two calls around it instead. Where it can't tell it leaves things as they are. */
void shoal_delta_transaction_reads_some(shoal_delta_transaction *t,
                                        shoal_status (*narrow)(void *arg, shoal_delta_transaction *t, shoal_error *err),
                                        void *arg);
/* Which files that come meanwhile it would have read as well. */
void shoal_delta_transaction_would_read(shoal_delta_transaction *t,
                                        bool (*would_read)(void *arg, const shoal_delta_file *added), void *arg);

/* --- what it does --- */
SHOAL_MUST_USE shoal_status shoal_delta_transaction_add(shoal_delta_transaction *t, const shoal_delta_file *file,
                                                        shoal_error *err);
/* Of a table that is made: files beside those, more than memory should hold. As a try is written `give` is called, and
   calls shoal_delta_transaction_put for each, from one thread at a time. */
typedef struct shoal_delta_putting shoal_delta_putting;
void shoal_delta_transaction_adds_more(shoal_delta_transaction *t,
                                       shoal_status (*give)(void *arg, shoal_delta_putting *to, shoal_error *err),
                                       void *arg);
SHOAL_MUST_USE shoal_status shoal_delta_transaction_put(shoal_delta_putting *to, const shoal_delta_file *file,
                                                        shoal_error *err);
/* `data_change` is that of the action; the file is one of the base's. */
SHOAL_MUST_USE shoal_status shoal_delta_transaction_remove(shoal_delta_transaction *t, const shoal_delta_file *file,
                                                           bool data_change, shoal_error *err);
/* What has changed, for readers of the table's changes. */
SHOAL_MUST_USE shoal_status shoal_delta_transaction_cdc(shoal_delta_transaction *t, const shoal_delta_file *file,
                                                        shoal_error *err);
void shoal_delta_transaction_metadata(shoal_delta_transaction *t, const shoal_delta_metadata *metadata);
void shoal_delta_transaction_protocol(shoal_delta_transaction *t, const shoal_delta_protocol *protocol);
/* The application's progress: an application that is at `version` or beyond already must not commit again, which is the
   caller's to ask of the snapshot (shoal_delta_snapshot_txn). */
SHOAL_MUST_USE shoal_status shoal_delta_transaction_app(shoal_delta_transaction *t, shoal_str app, int64_t version,
                                                        shoal_error *err);
/* A domain's configuration (protocol, "Domain Metadata"), which is to be the new one. */
SHOAL_MUST_USE shoal_status shoal_delta_transaction_domain(shoal_delta_transaction *t, shoal_str domain,
                                                           shoal_str configuration, shoal_error *err);
/* Members to stand in commitInfo beside Delta's own, a JSON object's text. */
void shoal_delta_transaction_info(shoal_delta_transaction *t, shoal_str extra);

/* *version: where it is in. SHOAL_ECONFLICT: what it read or does was changed meanwhile, nothing was committed;
   SHOAL_EEXIST: the table that was to be made is there. */
SHOAL_MUST_USE shoal_status shoal_delta_transaction_commit(shoal_delta_transaction *t, int64_t *version,
                                                           shoal_error *err);

/* After SHOAL_ECONFLICT: it is because of T4, and begun anew it may well succeed. */
bool shoal_delta_transaction_is_stale(const shoal_delta_transaction *t);

#endif
