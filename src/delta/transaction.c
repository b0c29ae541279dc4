/* SPDX-License-Identifier: Apache-2.0 */
/* The commit loop of transaction.h: write, lose, read who won, judge, write again on top of them. */
#include "delta/transaction.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/time.h"
#include "delta/row_tracking.h"
#include "delta/rules.h"

#define MAX_TRIES 10000 /* every lost try is somebody else's commit, so this is patience, not luck */

struct shoal_delta_transaction {
  const shoal_delta_table *table;
  const shoal_delta_snapshot *base; /* NULL: the table is made */
  unsigned able;
  const char *operation;
  shoal_str parameters, extra;
  SHOAL_VEC(const shoal_delta_file *) adds, cdcs;
  SHOAL_VEC(shoal_delta_file) removes;
  const shoal_delta_metadata *metadata; /* NULL: unchanged */
  const shoal_delta_protocol *protocol;
  SHOAL_VEC(shoal_str) apps;
  SHOAL_VEC(int64_t) app_versions; /* beside apps */
  SHOAL_VEC(shoal_str) domains, configurations;
  shoal_map read, removed;
  shoal_delta_intent intent;
  shoal_status (*narrow)(void *arg, shoal_delta_transaction *t, shoal_error *err); /* NULL: asked, or nothing to ask */
  void *narrow_arg;
  shoal_status (*give)(void *arg, shoal_delta_putting *to, shoal_error *err); /* NULL: `adds` are all */
  void *give_arg;
  bool reads;
  /* What the next try rests on: the base's, then what the winners left. */
  shoal_arena arena;
  shoal_delta_metadata now_metadata;
  shoal_delta_protocol now_protocol;
  int64_t last_ms;    /* in-commit timestamp of the version before; -1: none */
  int64_t high_water; /* row tracking's: the highest row id given out; -1: none */
  bool stale;         /* T4 */
};

shoal_status shoal_delta_transaction_open(const shoal_delta_table *table, const shoal_delta_snapshot *base,
                                          unsigned able, const char *operation, shoal_str parameters,
                                          shoal_delta_transaction **out, shoal_error *err) {
  *out = NULL;
  if (base)
    SHOAL_TRY(shoal_delta_check_write(&base->protocol, &base->metadata, able | SHOAL_DELTA_APPENDS | SHOAL_DELTA_STAMPS,
                                      err));
  shoal_delta_transaction *t = shoal_calloc(1, sizeof *t);
  if (!t)
    return shoal_fail_nomem(err);
  t->table = table;
  t->base = base;
  t->able = able | SHOAL_DELTA_STAMPS;
  t->operation = operation;
  t->parameters = parameters;
  t->last_ms = t->high_water = -1;
  *out = t;
  return SHOAL_OK;
}

void shoal_delta_transaction_free(shoal_delta_transaction *t) {
  if (!t)
    return;
  shoal_vec_dispose(&t->adds);
  shoal_vec_dispose(&t->cdcs);
  shoal_vec_dispose(&t->removes);
  shoal_vec_dispose(&t->apps);
  shoal_vec_dispose(&t->app_versions);
  shoal_vec_dispose(&t->domains);
  shoal_vec_dispose(&t->configurations);
  shoal_map_dispose(&t->read);
  shoal_map_dispose(&t->removed);
  shoal_arena_dispose(&t->arena);
  shoal_free(t);
}

/* --- what it read and does --- */

void shoal_delta_transaction_isolate(shoal_delta_transaction *t, shoal_delta_isolation isolation) {
  t->intent.isolation = isolation;
}

void shoal_delta_transaction_reads_all(shoal_delta_transaction *t) { t->reads = t->intent.reads_all = true; }

void shoal_delta_transaction_reads_some(shoal_delta_transaction *t,
                                        shoal_status (*narrow)(void *arg, shoal_delta_transaction *t, shoal_error *err),
                                        void *arg) {
  shoal_delta_transaction_reads_all(t);
  t->narrow = narrow;
  t->narrow_arg = arg;
}

shoal_status shoal_delta_transaction_reads(shoal_delta_transaction *t, const shoal_delta_file *file, shoal_error *err) {
  t->reads = true;
  return shoal_map_put(&t->read, shoal_delta_path_key(file->path), 0, err);
}

void shoal_delta_transaction_would_read(shoal_delta_transaction *t,
                                        bool (*would_read)(void *arg, const shoal_delta_file *added), void *arg) {
  t->reads = true;
  t->intent.reads_all = false;
  t->intent.would_read = would_read;
  t->intent.would_read_arg = arg;
}

shoal_status shoal_delta_transaction_add(shoal_delta_transaction *t, const shoal_delta_file *file, shoal_error *err) {
  const shoal_delta_file **slot = shoal_vec_add(&t->adds);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = file;
  return SHOAL_OK;
}

void shoal_delta_transaction_adds_more(shoal_delta_transaction *t,
                                       shoal_status (*give)(void *arg, shoal_delta_putting *to, shoal_error *err),
                                       void *arg) {
  t->give = give;
  t->give_arg = arg;
}

shoal_status shoal_delta_transaction_cdc(shoal_delta_transaction *t, const shoal_delta_file *file, shoal_error *err) {
  const shoal_delta_file **slot = shoal_vec_add(&t->cdcs);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = file;
  return SHOAL_OK;
}

shoal_status shoal_delta_transaction_remove(shoal_delta_transaction *t, const shoal_delta_file *file, bool data_change,
                                            shoal_error *err) {
  shoal_delta_file *slot = shoal_vec_add(&t->removes);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = *file;
  slot->data_change = data_change;
  return shoal_map_put(&t->removed, shoal_delta_path_key(file->path), 0, err);
}

void shoal_delta_transaction_metadata(shoal_delta_transaction *t, const shoal_delta_metadata *metadata) {
  t->metadata = metadata;
}

void shoal_delta_transaction_protocol(shoal_delta_transaction *t, const shoal_delta_protocol *protocol) {
  t->protocol = protocol;
}

shoal_status shoal_delta_transaction_app(shoal_delta_transaction *t, shoal_str app, int64_t version, shoal_error *err) {
  shoal_str *name = shoal_vec_add(&t->apps);
  int64_t *at = name ? shoal_vec_add(&t->app_versions) : NULL;
  if (!at)
    return shoal_fail_nomem(err);
  *name = app;
  *at = version;
  return SHOAL_OK;
}

shoal_status shoal_delta_transaction_domain(shoal_delta_transaction *t, shoal_str domain, shoal_str configuration,
                                            shoal_error *err) {
  shoal_str *name = shoal_vec_add(&t->domains), *text = name ? shoal_vec_add(&t->configurations) : NULL;
  if (!text)
    return shoal_fail_nomem(err);
  *name = domain;
  *text = configuration;
  return SHOAL_OK;
}

void shoal_delta_transaction_info(shoal_delta_transaction *t, shoal_str extra) { t->extra = extra; }

/* --- what a try rests on --- */

static shoal_status note_domain(shoal_delta_transaction *t, shoal_str raw, shoal_error *err) {
  yyjson_doc *doc = NULL, *inner = NULL;
  SHOAL_TRY(shoal_json_parse_raw(raw, "domainMetadata", &doc, err));
  shoal_str text = shoal_json_str(yyjson_doc_get_root(doc), "configuration");
  shoal_status status = shoal_json_parse_raw(text, "delta.rowTracking", &inner, err);
  if (status == SHOAL_OK)
    t->high_water = shoal_json_i64(yyjson_doc_get_root(inner), "rowIdHighWaterMark", t->high_water);
  yyjson_doc_free(inner);
  yyjson_doc_free(doc);
  return status;
}

/* The actions of a version's commit. SHOAL_ENOTFOUND: nobody has that version yet. */
static shoal_status read_commit(shoal_delta_transaction *t, int64_t version, shoal_arena *arena, shoal_actions *out,
                                shoal_error *err) {
  shoal_buf text = {0};
  shoal_str key = shoal_delta_key(t->table, arena, "_delta_log/%020lld.json", (long long)version);
  shoal_status status = key.ptr ? shoal_store_get(t->table->store, key, &text, err) : shoal_fail_nomem(err);
  if (status == SHOAL_OK)
    status = shoal_delta_actions_parse(shoal_buf_str(&text), key.ptr, arena, out, err);
  shoal_buf_dispose(&text);
  return status;
}

static void note_time(shoal_delta_transaction *t, const shoal_actions *actions) {
  for (size_t i = 0; i < actions->len; i++)
    if (actions->ptr[i].kind == SHOAL_ACTION_INFO)
      t->last_ms = actions->ptr[i].ict_ms;
}

static shoal_status start(shoal_delta_transaction *t, shoal_error *err) {
  if (!t->base) {
    t->now_metadata = *t->metadata;
    t->now_protocol = *t->protocol;
    return SHOAL_OK;
  }
  t->now_metadata = t->base->metadata;
  t->now_protocol = t->base->protocol;
  for (size_t i = 0; i < t->base->domains.len; i++)
    if (shoal_str_eq(t->base->domains.ptr[i].id, SHOAL_STR(SHOAL_TRACKING_DOMAIN)))
      SHOAL_TRY(note_domain(t, t->base->domains.ptr[i].raw, err));
  if (!shoal_delta_is_on(&t->now_metadata, "delta.enableInCommitTimestamps"))
    return SHOAL_OK;
  shoal_actions actions = {0};
  shoal_status status = read_commit(t, t->base->version, &t->arena, &actions, err);
  if (status == SHOAL_OK)
    note_time(t, &actions);
  shoal_vec_dispose(&actions);
  return status;
}

/* --- one try --- */

struct shoal_delta_putting {
  shoal_delta_commit *c;
  int64_t version;
  bool tracked;
  int64_t mark;
};

/* With row ids of its own, where the table tracks rows (protocol, "Row Tracking"). */
shoal_status shoal_delta_transaction_put(shoal_delta_putting *to, const shoal_delta_file *file, shoal_error *err) {
  shoal_delta_file f = *file;
  if (to->tracked && !f.has_row_id) {
    int64_t rows = shoal_delta_file_rows(&f);
    if (rows < 0)
      return shoal_fail(err, SHOAL_EINVAL, "'%.*s' has no numRecords, which a table that tracks rows needs",
                        SHOAL_FMT(f.path));
    f.has_row_id = true;
    f.base_row_id = to->mark + 1;
    f.row_commit_version = to->version;
    to->mark += rows;
  }
  shoal_delta_commit_add(to->c, &f);
  return shoal_delta_commit_flush(to->c, err);
}

/* Adds, and the new high-water mark. */
static shoal_status make_adds(shoal_delta_transaction *t, int64_t version, shoal_delta_commit *c, shoal_error *err) {
  shoal_delta_putting to = {.c = c, .version = version, .mark = t->high_water};
  char configuration[64];
  to.tracked = shoal_delta_has_feature(&t->now_protocol, "rowTracking");
  for (size_t i = 0; i < t->adds.len; i++)
    SHOAL_TRY(shoal_delta_transaction_put(&to, t->adds.ptr[i], err));
  if (t->give)
    SHOAL_TRY(t->give(t->give_arg, &to, err));
  if (to.mark > t->high_water) {
    snprintf(configuration, sizeof configuration, "{\"rowIdHighWaterMark\":%lld}", (long long)to.mark);
    shoal_delta_commit_domain(c, SHOAL_STR(SHOAL_TRACKING_DOMAIN), shoal_str_z(configuration), false);
  }
  return SHOAL_OK;
}

static bool changes_data(const shoal_delta_transaction *t) {
  if (t->give)
    return true;
  for (size_t i = 0; i < t->adds.len; i++)
    if (t->adds.ptr[i]->data_change)
      return true;
  for (size_t i = 0; i < t->removes.len; i++)
    if (t->removes.ptr[i].data_change)
      return true;
  return false;
}

static const char *isolation_name(const shoal_delta_transaction *t) {
  return t->intent.isolation == SHOAL_DELTA_SERIALIZABLE                   ? "Serializable"
         : t->intent.isolation == SHOAL_DELTA_SNAPSHOT || !changes_data(t) ? "SnapshotIsolation"
                                                                           : "WriteSerializable";
}

/* Members of commitInfo beyond those that every commit has. */
static shoal_status add_info(shoal_delta_transaction *t, int64_t version, int64_t now, shoal_delta_commit *c,
                             shoal_error *err) {
  shoal_buf extra = {0};
  shoal_jw w = {.out = &extra};
  int64_t ms = now / 1000 > t->last_ms ? now / 1000 : t->last_ms + 1;
  shoal_jw_obj(&w);
  if (shoal_delta_is_on(&t->now_metadata, "delta.enableInCommitTimestamps"))
    shoal_jw_ki64(&w, "inCommitTimestamp", ms);
  if (version > 0)
    shoal_jw_ki64(&w, "readVersion", version - 1);
  shoal_jw_kz(&w, "isolationLevel", isolation_name(t));
  shoal_str given = shoal_str_trim(t->extra);
  if (given.len > 2) { /* members of the caller's, without the braces */
    shoal_buf_addc(&extra, ',');
    shoal_buf_add(&extra, shoal_str_sub(given, 1, given.len - 1));
  }
  shoal_jw_end(&w);
  shoal_status status = shoal_buf_check(&extra, err);
  if (status == SHOAL_OK)
    shoal_delta_commit_info(c, now, t->operation, t->parameters, t->intent.appends && t->base, shoal_buf_str(&extra));
  shoal_buf_dispose(&extra);
  return status;
}

static shoal_status make_commit(shoal_delta_transaction *t, int64_t version, shoal_delta_commit *c, shoal_error *err) {
  int64_t now = shoal_time_now();
  SHOAL_TRY(add_info(t, version, now, c, err));
  if (t->protocol)
    shoal_delta_commit_protocol(c, t->protocol);
  if (t->metadata)
    shoal_delta_commit_metadata(c, t->metadata);
  for (size_t i = 0; i < t->apps.len; i++)
    shoal_delta_commit_txn(c, t->apps.ptr[i], t->app_versions.ptr[i], now);
  for (size_t i = 0; i < t->domains.len; i++)
    shoal_delta_commit_domain(c, t->domains.ptr[i], t->configurations.ptr[i], false);
  for (size_t i = 0; i < t->removes.len; i++)
    shoal_delta_commit_remove(c, &t->removes.ptr[i], now);
  for (size_t i = 0; i < t->cdcs.len; i++)
    shoal_delta_commit_cdc(c, t->cdcs.ptr[i]);
  return make_adds(t, version, c, err);
}

/* --- others' commits --- */

/* What an append goes on from when protocol or metadata were changed: it must still fit. */
static shoal_status note_action(shoal_delta_transaction *t, const shoal_action *a, int64_t version, shoal_error *err) {
  if (a->kind == SHOAL_ACTION_PROTOCOL) {
    SHOAL_TRY(shoal_delta_protocol_parse(a->raw, &t->arena, &t->now_protocol, err));
    SHOAL_TRY(shoal_delta_protocol_check(&t->now_protocol, err));
  } else if (a->kind == SHOAL_ACTION_METADATA) {
    const shoal_delta_metadata before = t->now_metadata;
    SHOAL_TRY(shoal_delta_metadata_parse(a->raw, &t->arena, &t->now_metadata, err));
    if ((!shoal_str_eq(before.schema_json, t->now_metadata.schema_json) ||
         before.n_partition_columns != t->now_metadata.n_partition_columns) &&
        !shoal_delta_only_marks(&before, &t->now_metadata))
      return shoal_fail(err, SHOAL_ECONFLICT, "version %lld, committed meanwhile, changes the table's columns",
                        (long long)version);
    if (t->able & SHOAL_DELTA_CHECKS && !shoal_delta_same_constraints(&before, &t->now_metadata))
      return shoal_fail(err, SHOAL_ECONFLICT, "version %lld, committed meanwhile, changes the table's constraints",
                        (long long)version);
  } else if (a->kind == SHOAL_ACTION_DOMAIN && shoal_str_eq(a->id, SHOAL_STR(SHOAL_TRACKING_DOMAIN))) {
    return note_domain(t, a->raw, err);
  }
  return SHOAL_OK;
}

/* What rearranges rows removes files, too, but nothing from an append-only table. */
static shoal_status check_fits(shoal_delta_transaction *t, shoal_error *err) {
  bool removes = false;
  for (size_t i = 0; i < t->removes.len; i++)
    removes = removes || t->removes.ptr[i].data_change;
  unsigned able = t->able | (removes ? 0 : SHOAL_DELTA_APPENDS);
  return shoal_delta_check_write(t->protocol ? t->protocol : &t->now_protocol,
                                 t->metadata ? t->metadata : &t->now_metadata, able, err);
}

static shoal_status narrow(shoal_delta_transaction *t, shoal_error *err) {
  shoal_status (*ask)(void *, shoal_delta_transaction *, shoal_error *) = t->narrow;
  t->narrow = NULL;
  return ask(t->narrow_arg, t, err);
}

/* Reads and judges a version that others won. SHOAL_ENOTFOUND: nobody has it yet. */
static shoal_status judge(shoal_delta_transaction *t, int64_t version, shoal_error *err) {
  shoal_actions actions = {0};
  bool described = false;
  shoal_status status = read_commit(t, version, &t->arena, &actions, err);
  shoal_delta_winner winner = {version, actions.ptr, actions.len};
  if (status == SHOAL_OK && t->narrow)
    status = narrow(t, err);
  if (status == SHOAL_OK)
    status = shoal_delta_conflict(&t->intent, &winner, err);
  for (size_t i = 0; i < actions.len && status == SHOAL_OK; i++) {
    status = note_action(t, &actions.ptr[i], version, err);
    described |= actions.ptr[i].kind == SHOAL_ACTION_PROTOCOL || actions.ptr[i].kind == SHOAL_ACTION_METADATA;
  }
  if (status == SHOAL_OK)
    note_time(t, &actions);
  if (status == SHOAL_OK && described)
    status = check_fits(t, err);
  shoal_vec_dispose(&actions);
  return status;
}

/* Past all that others have committed: *version is the first that is free. */
static shoal_status catch_up(shoal_delta_transaction *t, int64_t *version, shoal_error *err) {
  shoal_status status = SHOAL_OK;
  shoal_error missing = {0};
  while (status == SHOAL_OK) {
    status = judge(t, *version, &missing);
    *version += status == SHOAL_OK;
  }
  if (status == SHOAL_ENOTFOUND)
    return SHOAL_OK;
  if (err)
    *err = missing;
  return status;
}

/* ---- T4 ---- */

/* Whether the commit before a version is there. A clean-up takes older commits first: where it is, none from that
   version on has been taken away. */
static shoal_status look_back(const shoal_delta_transaction *t, int64_t version, bool *there, shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_object object;
  shoal_error missing = {0};
  shoal_str key = shoal_delta_key(t->table, &scratch, "_delta_log/%020lld.json", (long long)version - 1);
  shoal_status status =
      key.ptr ? shoal_store_head(t->table->store, key, &object, &missing) : shoal_fail_nomem(&missing);
  *there = status == SHOAL_OK;
  if (status < 0 && status != SHOAL_ENOTFOUND && err)
    *err = missing;
  shoal_arena_dispose(&scratch);
  return status == SHOAL_ENOTFOUND ? SHOAL_OK : status;
}

/* A base that is known from a checkpoint only has no commit: then nothing may be there that came after it. */
static shoal_status check_base(shoal_delta_transaction *t, int64_t version, bool *there, shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_log log;
  *there = false;
  if (!t->base)
    return SHOAL_OK;
  SHOAL_TRY(look_back(t, version, there, err));
  if (*there)
    return SHOAL_OK;
  shoal_status status = shoal_delta_log_list(t->table, version, &scratch, &log, err);
  t->stale = status == SHOAL_OK && shoal_delta_log_latest(&log) >= version;
  shoal_arena_dispose(&scratch);
  if (!t->stale)
    return status;
  (void)shoal_fail(err, SHOAL_ECONFLICT, "version %lld, on which this rests, and some after it have been cleaned up",
                   (long long)version - 1);
  shoal_hint(err, "it took longer than the table keeps its log; nothing was committed, try again");
  return SHOAL_ECONFLICT;
}

bool shoal_delta_transaction_is_stale(const shoal_delta_transaction *t) { return t->stale; }

/* It is known early where it would be in vain. */
static shoal_status stage(const shoal_delta_transaction *t, shoal_delta_commit *c, shoal_error *err) {
  bool there;
  SHOAL_TRY(look_back(t, 1, &there, err));
  return there ? shoal_delta_commit_taken(0, err) : shoal_delta_commit_stage(t->table, c, err);
}

static shoal_status try_once(shoal_delta_transaction *t, int64_t version, shoal_error *err) {
  shoal_delta_commit c = {0};
  shoal_status status = t->give ? stage(t, &c, err) : SHOAL_OK;
  if (status == SHOAL_OK)
    status = make_commit(t, version, &c, err);
  if (status == SHOAL_OK)
    status = shoal_delta_commit_put(t->table, &c, version, err);
  shoal_delta_commit_dispose(&c);
  return status;
}

static shoal_status check(shoal_delta_transaction *t, shoal_error *err) {
  if (!t->base && (!t->metadata || !t->protocol))
    return shoal_fail(err, SHOAL_EINVAL, "a new table needs metadata and a protocol");
  shoal_delta_intent *i = &t->intent;
  i->read = &t->read;
  i->removed = &t->removed;
  i->changes_metadata = t->metadata != NULL;
  i->metadata = t->base ? &t->now_metadata : NULL;
  i->changes_protocol = t->protocol != NULL;
  i->appends = !t->reads && t->removes.len == 0 && !t->metadata && !t->protocol;
  i->apps = t->apps.ptr;
  i->n_apps = t->apps.len;
  i->domains = t->domains.ptr;
  i->n_domains = t->domains.len;
  SHOAL_TRY(start(t, err));
  return check_fits(t, err);
}

/* A clean-up between the look and the commit, which is days of standing still, would have left it in a hole. */
static shoal_status check_in(const shoal_delta_transaction *t, int64_t version, bool was_there, shoal_error *err) {
  bool there;
  if (!was_there || look_back(t, version, &there, NULL) < 0 || there)
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_EIO, "the table's log was cleaned up while version %lld was committed",
                   (long long)version);
  shoal_hint(err, "whether the table has it is unknown: shoal table history tells; its data files must be kept");
  return SHOAL_EIO;
}

shoal_status shoal_delta_transaction_commit(shoal_delta_transaction *t, int64_t *version, shoal_error *err) {
  bool there;
  *version = -1;
  SHOAL_TRY(check(t, err));
  int64_t next = t->base ? t->base->version + 1 : 0;
  for (int i = 0; i < MAX_TRIES; i++) {
    SHOAL_TRY(check_base(t, next, &there, err));
    shoal_status status = try_once(t, next, err);
    if (status == SHOAL_OK)
      status = check_in(t, next, there, err);
    if (status == SHOAL_OK)
      *version = next;
    if (status != SHOAL_EEXIST || !t->base)
      return status;
    SHOAL_TRY(catch_up(t, &next, err));
  }
  return shoal_fail(err, SHOAL_EBUSY, "others commit to the table all the time: %d tries were in vain", MAX_TRIES);
}
