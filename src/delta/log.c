/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in _delta_log, told apart by name alone (protocol, "Delta Log Entries" and "Checkpoints"). Everything not
 * known is left out: other writers put folders and files of their own beside the log.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "delta/delta_internal.h"

#define VERSION_DIGITS 20
#define PART_DIGITS 10

shoal_str shoal_delta_key(const shoal_delta_table *table, shoal_arena *arena, const char *fmt, ...) {
  char name[SHOAL_MAX_KEY_BYTES + 1];
  va_list ap;
  va_start(ap, fmt);
  int n = vsnprintf(name, sizeof name, fmt, ap);
  va_end(ap);
  if (n < 0 || (size_t)n >= sizeof name)
    return SHOAL_STR_NONE;
  const char *slash = table->prefix.len ? "/" : "";
  return shoal_str_z(shoal_arena_printf(arena, "%.*s%s%s", SHOAL_FMT(table->prefix), slash, name));
}

/* Cuts n digits off the front. */
static bool take_digits(shoal_str *s, size_t n, int64_t *out) {
  if (s->len < n || s->ptr[0] < '0' || s->ptr[0] > '9' || !shoal_str_i64(shoal_str_sub(*s, 0, n), out))
    return false;
  *s = shoal_str_sub(*s, n, s->len);
  return true;
}

static bool take(shoal_str *s, const char *prefix) {
  if (!shoal_str_starts(*s, shoal_str_z(prefix)))
    return false;
  *s = shoal_str_sub(*s, strlen(prefix), s->len);
  return true;
}

static bool is_uuid(shoal_str s) {
  return s.len == SHOAL_STR("01234567-89ab-cdef-0123-456789abcdef").len && shoal_str_chr(s, '.') < 0;
}

/* What follows "N.checkpoint.". */
static bool parse_checkpoint(shoal_str rest, shoal_log_file *out) {
  int64_t part, parts;
  shoal_str numbers = rest;
  if (shoal_str_is(rest, "parquet")) {
    out->kind = SHOAL_LOG_CHECKPOINT;
    return true;
  }
  if (take_digits(&numbers, PART_DIGITS, &part) && take(&numbers, ".") && take_digits(&numbers, PART_DIGITS, &parts) &&
      shoal_str_is(numbers, ".parquet") && part >= 1 && part <= parts && parts <= UINT32_MAX) {
    out->kind = SHOAL_LOG_PART;
    out->part = (uint32_t)part;
    out->parts = (uint32_t)parts;
    return true;
  }
  ptrdiff_t dot = shoal_str_chr(rest, '.');
  shoal_str ending = dot < 0 ? SHOAL_STR("") : shoal_str_sub(rest, (size_t)dot + 1, rest.len);
  out->kind = SHOAL_LOG_V2;
  out->json = shoal_str_is(ending, "json");
  return dot > 0 && is_uuid(shoal_str_sub(rest, 0, (size_t)dot)) && (out->json || shoal_str_is(ending, "parquet"));
}

/* N.M.compacted.json */
static bool parse_compacted(shoal_str name, shoal_log_compacted *out) {
  return take_digits(&name, VERSION_DIGITS, &out->from) && take(&name, ".") &&
         take_digits(&name, VERSION_DIGITS, &out->to) && shoal_str_is(name, ".compacted.json") && out->from < out->to;
}

static bool parse_checksum(shoal_str name, shoal_log_checksum *out) {
  return take_digits(&name, VERSION_DIGITS, &out->version) && shoal_str_is(name, ".crc");
}

static bool parse_name(shoal_str name, shoal_log_file *out) {
  *out = (shoal_log_file){.kind = SHOAL_LOG_COMMIT};
  if (!take_digits(&name, VERSION_DIGITS, &out->version) || !take(&name, "."))
    return false;
  if (shoal_str_is(name, "json"))
    return true;
  return take(&name, "checkpoint.") && parse_checkpoint(name, out);
}

shoal_status shoal_delta_log_list(const shoal_delta_table *table, int64_t from, shoal_arena *arena, shoal_log *out,
                                  shoal_error *err) {
  shoal_object *objects;
  size_t n;
  *out = (shoal_log){0};
  shoal_str folder = shoal_delta_key(table, arena, "_delta_log/");
  shoal_str after = shoal_delta_key(table, arena, "_delta_log/%020lld", (long long)from);
  if (!folder.ptr || !after.ptr)
    return shoal_fail_nomem(err);
  SHOAL_TRY(
      shoal_store_list(table->store, folder, from > 0 ? after : SHOAL_STR_NONE, true, 0, arena, &objects, &n, err));
  shoal_log_file *files = SHOAL_NEW_ARRAY(arena, shoal_log_file, n ? n : 1);
  shoal_log_compacted *compacted = SHOAL_NEW_ARRAY(arena, shoal_log_compacted, n ? n : 1);
  shoal_log_checksum *checksums = SHOAL_NEW_ARRAY(arena, shoal_log_checksum, n ? n : 1);
  if (!files || !compacted || !checksums)
    return shoal_fail_nomem(err);
  size_t kept = 0, n_compacted = 0, n_checksums = 0;
  for (size_t i = 0; i < n; i++) {
    shoal_str name = shoal_str_sub(objects[i].key, folder.len, objects[i].key.len);
    if (!objects[i].folder && parse_name(name, &files[kept]))
      files[kept++].object = objects[i];
    else if (!objects[i].folder && parse_compacted(name, &compacted[n_compacted]))
      compacted[n_compacted++].object = objects[i];
    else if (!objects[i].folder && parse_checksum(name, &checksums[n_checksums]))
      checksums[n_checksums++].object = objects[i];
  }
  *out = (shoal_log){files, kept, compacted, n_compacted, checksums, n_checksums};
  return SHOAL_OK;
}

shoal_status shoal_delta_log_find(const shoal_delta_table *table, int64_t version, shoal_arena *arena, shoal_log *log,
                                  shoal_error *err) {
  shoal_log_hint hint;
  size_t first, n = 0;
  SHOAL_TRY(shoal_delta_log_hint(table, arena, &hint, err));
  if (hint.version > 0 && table->get_engine && (version < 0 || hint.version <= version)) {
    SHOAL_TRY(shoal_delta_log_list(table, hint.version, arena, log, err));
    shoal_delta_log_checkpoint(log, version < 0 ? INT64_MAX : version, &first, &n);
  }
  return n ? SHOAL_OK : shoal_delta_log_list(table, 0, arena, log, err);
}

bool shoal_delta_log_broken(shoal_status status) {
  return status == SHOAL_ECORRUPT || status == SHOAL_EENGINE || status == SHOAL_ENOTFOUND;
}

int64_t shoal_delta_log_latest(const shoal_log *log) {
  for (size_t i = log->n; i > 0; i--) {
    int64_t version = log->files[i - 1].version;
    size_t first, n;
    if (log->files[i - 1].kind == SHOAL_LOG_COMMIT)
      return version;
    shoal_delta_log_checkpoint(log, version, &first, &n);
    if (n && log->files[first].version == version)
      return version;
  }
  return -1;
}

/* Files from `first` on that make up one checkpoint; 0 if it is not complete. */
static size_t complete_from(const shoal_log *log, size_t first) {
  const shoal_log_file *f = &log->files[first];
  if (f->kind == SHOAL_LOG_CHECKPOINT || f->kind == SHOAL_LOG_V2)
    return 1;
  if (f->kind != SHOAL_LOG_PART || f->part != 1)
    return 0;
  /* Parts of two layouts of one version interleave by name; they count as incomplete, and an older state serves. */
  for (uint32_t k = 0; k < f->parts; k++) {
    if (first + k >= log->n || log->files[first + k].kind != SHOAL_LOG_PART ||
        log->files[first + k].version != f->version || log->files[first + k].part != k + 1 ||
        log->files[first + k].parts != f->parts)
      return 0;
  }
  return f->parts;
}

void shoal_delta_log_checkpoint(const shoal_log *log, int64_t version, size_t *first, size_t *n) {
  *first = *n = 0;
  for (size_t i = log->n; i > 0 && *n == 0; i--) {
    if (log->files[i - 1].version > version)
      continue;
    *first = i - 1;
    *n = complete_from(log, i - 1);
  }
}

shoal_status shoal_delta_log_reaches(const shoal_log *log, int64_t version, shoal_error *err) {
  size_t first, n;
  int64_t earliest = -1;
  if (log->n == 0 || log->files[0].version == 0)
    return SHOAL_OK;
  shoal_delta_log_checkpoint(log, version, &first, &n);
  if (n > 0)
    return SHOAL_OK;
  for (size_t i = 0; i < log->n && earliest < 0; i++)
    if (complete_from(log, i))
      earliest = log->files[i].version;
  if (earliest < 0)
    return SHOAL_OK; /* a hole, which is told as one */
  (void)shoal_fail(err, SHOAL_ENOTFOUND, "version %lld of the table is gone: its log goes back to version %lld",
                   (long long)version, (long long)earliest);
  shoal_hint(err, "older commits were cleaned up, as the table's delta.logRetentionDuration says");
  return SHOAL_ENOTFOUND;
}

shoal_status shoal_delta_log_hint(const shoal_delta_table *table, shoal_arena *arena, shoal_log_hint *out,
                                  shoal_error *err) {
  shoal_buf text = {0};
  yyjson_doc *doc = NULL;
  *out = (shoal_log_hint){.version = -1};
  shoal_str key = shoal_delta_key(table, arena, "_delta_log/_last_checkpoint");
  shoal_status status = key.ptr ? shoal_store_get(table->store, key, &text, err) : shoal_fail_nomem(err);
  if (status == SHOAL_OK)
    status = shoal_json_parse(shoal_buf_str(&text), "_last_checkpoint", &doc, err);
  if (status == SHOAL_OK) {
    out->version = shoal_json_i64(yyjson_doc_get_root(doc), "version", -1);
    out->n_files = shoal_json_i64(yyjson_doc_get_root(doc), "numOfAddFiles", 0);
  }
  yyjson_doc_free(doc);
  shoal_buf_dispose(&text);
  return status == SHOAL_ENOTFOUND || status == SHOAL_ECORRUPT ? SHOAL_OK : status;
}

shoal_status shoal_delta_log_missing(const shoal_delta_table *table, const shoal_log *log, int64_t version,
                                     shoal_error *err) {
  shoal_str where = table->prefix.len ? table->prefix : SHOAL_STR("the store's root");
  int64_t latest = shoal_delta_log_latest(log);
  if (latest < 0)
    return shoal_fail(err, SHOAL_ENOTFOUND, "there is no Delta table at %.*s", SHOAL_FMT(where));
  return shoal_fail(err, SHOAL_ENOTFOUND, "the table has no version %lld: %lld to %lld are there", (long long)version,
                    (long long)log->files[0].version, (long long)latest);
}
