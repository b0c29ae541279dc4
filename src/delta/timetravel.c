/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which version is the latest, and which one was at a time. Where the table has in-commit timestamps they count
 * (protocol, "In-Commit Timestamps"), before their enablement the commit files' times do, in milliseconds, each
 * made at least one later than the one before, so that time never runs backwards along the log.
 */
#include "base/mem.h"
#include "delta/delta_internal.h"

shoal_status shoal_delta_commit_hash(const shoal_delta_table *table, int64_t version, shoal_hash *out,
                                     shoal_error *err) {
  shoal_arena arena = {0};
  shoal_buf text = {0};
  shoal_str key = shoal_delta_key(table, &arena, "_delta_log/%020lld.json", (long long)version);
  shoal_status status = key.ptr ? shoal_store_get(table->store, key, &text, err) : shoal_fail_nomem(err);
  if (status == SHOAL_OK)
    *out = shoal_hash_bytes(shoal_buf_str(&text));
  shoal_buf_dispose(&text);
  shoal_arena_dispose(&arena);
  return status;
}

shoal_status shoal_delta_latest(const shoal_delta_table *table, int64_t known, int64_t *out, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_log log;
  shoal_log_hint hint;
  int64_t from = known, latest = -1;
  shoal_status status = SHOAL_OK;
  *out = -1;
  if (known < 0) {
    status = shoal_delta_log_hint(table, &arena, &hint, err);
    from = hint.version;
  }
  if (status == SHOAL_OK)
    status = shoal_delta_log_list(table, from > 0 ? from : 0, &arena, &log, err);
  if (status == SHOAL_OK)
    latest = shoal_delta_log_latest(&log);
  if (status == SHOAL_OK && latest < 0 && from > 0) { /* the hint was wrong, or the table was made anew */
    status = shoal_delta_log_list(table, 0, &arena, &log, err);
    latest = status == SHOAL_OK ? shoal_delta_log_latest(&log) : -1;
  }
  if (status == SHOAL_OK && latest < 0)
    status = shoal_delta_log_missing(table, &log, SHOAL_DELTA_LATEST, err);
  if (status == SHOAL_OK)
    *out = latest;
  shoal_arena_dispose(&arena);
  return status;
}

typedef struct search {
  const shoal_delta_table *table;
  shoal_arena arena;
  shoal_log log;
  int64_t ict_from; /* versions from here on have in-commit timestamps; INT64_MAX: none */
  shoal_error *err;
} search;

/* The commit's own timestamp: commitInfo is its first action. */
static shoal_status in_commit_time(search *s, const shoal_log_file *f, int64_t *us) {
  shoal_buf text = {0};
  shoal_action info = {.ict_ms = -1};
  shoal_status status = shoal_store_get(s->table->store, f->object.key, &text, s->err);
  shoal_str rest = shoal_buf_str(&text), line = {0};
  if (status == SHOAL_OK && shoal_str_split(&rest, '\n', &line))
    status = shoal_delta_action_parse(line, f->object.key.ptr, &s->arena, &info, s->err);
  shoal_buf_dispose(&text);
  if (status == SHOAL_OK && info.ict_ms < 0)
    return shoal_fail(s->err, SHOAL_ECORRUPT, "%s: no in-commit timestamp, which the table promises",
                      f->object.key.ptr);
  *us = info.ict_ms * 1000;
  return status;
}

/* The last of the commits with in-commit timestamps at or before `us`: these grow, so halving finds it. */
static shoal_status search_in_commit(search *s, size_t from, int64_t us, int64_t *out) {
  size_t low = from, high = s->log.n;
  while (low < high) {
    size_t middle = low + (high - low) / 2, at = middle;
    int64_t time = 0;
    while (at < high && s->log.files[at].kind != SHOAL_LOG_COMMIT)
      at++;
    if (at == high) {
      high = middle;
      continue;
    }
    SHOAL_TRY(in_commit_time(s, &s->log.files[at], &time));
    if (time <= us) {
      *out = s->log.files[at].version;
      low = at + 1;
    } else {
      high = middle;
    }
  }
  return SHOAL_OK;
}

int64_t shoal_delta_commit_time(const shoal_log_file *commit, int64_t before_us) {
  int64_t us = commit->object.modified_us / 1000 * 1000;
  return before_us != INT64_MIN && us <= before_us ? before_us + 1000 : us;
}

static int64_t search_files(const search *s, size_t n, int64_t us) {
  int64_t found = -1, last = INT64_MIN;
  for (size_t i = 0; i < n; i++) {
    const shoal_log_file *f = &s->log.files[i];
    if (f->kind != SHOAL_LOG_COMMIT)
      continue;
    last = shoal_delta_commit_time(f, last);
    if (last > us)
      break;
    found = f->version;
  }
  return found;
}

/* From which version on the latest state says that commits have their own timestamps. */
static shoal_status find_enablement(search *s) {
  shoal_delta_snapshot *snapshot = NULL;
  s->ict_from = INT64_MAX;
  SHOAL_TRY(shoal_delta_tip_open(s->table, SHOAL_DELTA_LATEST, &snapshot, s->err));
  shoal_str from = shoal_delta_config(&snapshot->metadata, "delta.inCommitTimestampEnablementVersion");
  if (shoal_str_is(shoal_delta_config(&snapshot->metadata, "delta.enableInCommitTimestamps"), "true") &&
      !shoal_str_i64(from, &s->ict_from))
    s->ict_from = 0;
  shoal_delta_snapshot_free(snapshot);
  return SHOAL_OK;
}

static shoal_status search_version(search *s, int64_t us, int64_t *out) {
  SHOAL_TRY(find_enablement(s));
  SHOAL_TRY(shoal_delta_log_list(s->table, 0, &s->arena, &s->log, s->err));
  size_t split = 0;
  while (split < s->log.n && s->log.files[split].version < s->ict_from)
    split++;
  if (split < s->log.n)
    SHOAL_TRY(search_in_commit(s, split, us, out));
  if (*out < 0)
    *out = search_files(s, split, us);
  if (*out >= 0)
    return SHOAL_OK;
  return shoal_fail(s->err, SHOAL_ENOTFOUND, "the table has no version as old as that");
}

shoal_status shoal_delta_version_at(const shoal_delta_table *table, int64_t us, int64_t *out, shoal_error *err) {
  search s = {.table = table, .err = err};
  *out = -1;
  shoal_status status = search_version(&s, us, out);
  if (status < 0)
    *out = -1;
  shoal_arena_dispose(&s.arena);
  return status;
}
