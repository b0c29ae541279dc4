/* SPDX-License-Identifier: Apache-2.0 */
/* property.h: one table of what is kept, and edits of configurations, protocols and fields. */
#include "delta/property.h"

#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "delta/layout.h"
#include "delta/stats_columns.h"

#define SWITCH "true|false", "false"

#define DURATION(key_)                                                                                                 \
  { .key = (key_), .kind = SHOAL_DELTA_DURATION }
#define WHOLE(key_, least_)                                                                                            \
  { .key = (key_), .kind = SHOAL_DELTA_WHOLE, .least = (least_) }
#define SWITCH_ONLY(key_)                                                                                              \
  { .key = (key_), .values = "true|false", .off = "false" }

static const shoal_delta_property kept[] = {
    {"delta.appendOnly", SWITCH, "appendOnly", false, true, SHOAL_DELTA_WORD, 0},
    {"delta.enableDeletionVectors", SWITCH, "deletionVectors", true, false, SHOAL_DELTA_WORD, 0},
    {"delta.enableChangeDataFeed", SWITCH, "changeDataFeed", false, false, SHOAL_DELTA_WORD, 0},
    {"delta.enableInCommitTimestamps", SWITCH, "inCommitTimestamp", false, false, SHOAL_DELTA_WORD, 0},
    {"delta.enableRowTracking", SWITCH, "rowTracking", false, false, SHOAL_DELTA_WORD, 0},
    {"delta.enableTypeWidening", SWITCH, "typeWidening", true, false, SHOAL_DELTA_WORD, 0},
    {SHOAL_DELTA_MAPPING, "none|name|id", "none", "columnMapping", true, false, SHOAL_DELTA_WORD, 0},
    {.key = "delta.isolationLevel", .values = "Serializable|WriteSerializable"},
    DURATION("delta.deletedFileRetentionDuration"),
    DURATION("delta.logRetentionDuration"),
    DURATION("delta.setTransactionRetentionDuration"),
    SWITCH_ONLY("delta.enableExpiredLogCleanup"),
    {"delta.checkpointPolicy", "classic|v2", "classic", "v2Checkpoint", true, false, SHOAL_DELTA_WORD, 0},
    SWITCH_ONLY("delta.checkpoint.writeStatsAsJson"),
    SWITCH_ONLY("delta.checkpoint.writeStatsAsStruct"),
    WHOLE("delta.checkpointInterval", 1),
    WHOLE(SHOAL_DELTA_STATS_LEAVES, -1),
    {.key = SHOAL_DELTA_STATS_COLUMNS, .kind = SHOAL_DELTA_COLUMNS},
    WHOLE(SHOAL_DELTA_STATS_CHARS, 0),
    {.key = SHOAL_DELTA_CODEC_KEY, .kind = SHOAL_DELTA_CODEC},
    {.key = SHOAL_DELTA_FORMAT_KEY, .kind = SHOAL_DELTA_FORMAT},
    {.key = SHOAL_DELTA_SIZE_KEY, .kind = SHOAL_DELTA_SIZE},
    /* Kept for other writers, which they tune: nothing here follows from them. */
    SWITCH_ONLY("delta.autoOptimize"),
    SWITCH_ONLY("delta.autoOptimize.optimizeWrite"),
    SWITCH_ONLY("delta.autoOptimize.autoCompact"),
    SWITCH_ONLY("delta.tuneFileSizesForRewrites"),
    SWITCH_ONLY("delta.randomizeFilePrefixes"),
    WHOLE("delta.randomPrefixLength", 1)};
enum { N_KEPT = sizeof kept / sizeof *kept };

const shoal_delta_property *shoal_delta_properties(size_t *n) {
  *n = N_KEPT;
  return kept;
}

static const shoal_delta_property *find(shoal_str key) {
  for (size_t i = 0; i < N_KEPT; i++)
    if (shoal_str_is(key, kept[i].key))
      return &kept[i];
  return NULL;
}

static bool is_word(const char *values, shoal_str value) {
  shoal_str rest = shoal_str_z(values), one;
  bool found = false;
  while (!found && rest.ptr && shoal_str_split(&rest, '|', &one))
    found = shoal_str_eq(one, value);
  return found;
}

static shoal_status refuse(const shoal_delta_property *p, const char *what, shoal_str value, shoal_error *err) {
  return shoal_fail(err, SHOAL_EINVAL, "%s is %s, not '%.*s'", p->key, what, SHOAL_FMT(value));
}

static shoal_status check_value(const shoal_delta_property *p, shoal_str value, shoal_error *err) {
  int64_t number;
  uint64_t bytes;
  char least[48];
  switch (p->kind) {
  case SHOAL_DELTA_WORD:
    return is_word(p->values, value)
               ? SHOAL_OK
               : refuse(p, !strcmp(p->values, "true|false") ? "true or false" : p->values, value, err);
  case SHOAL_DELTA_WHOLE:
    snprintf(least, sizeof least, "a whole number, %d or more", (int)p->least);
    return shoal_str_i64(value, &number) && number >= p->least && number <= INT32_MAX ? SHOAL_OK
                                                                                      : refuse(p, least, value, err);
  case SHOAL_DELTA_DURATION:
    return shoal_delta_interval(value) >= 0
               ? SHOAL_OK
               : refuse(p, "a duration such as 'interval 7 days', without months or years", value, err);
  case SHOAL_DELTA_SIZE:
    return shoal_delta_size(value, &bytes) ? SHOAL_OK : refuse(p, "a number of bytes, or as 128mb", value, err);
  case SHOAL_DELTA_CODEC:
    return shoal_delta_codec(value, &(shoal_parquet_codec){0}, err);
  case SHOAL_DELTA_FORMAT:
    return shoal_delta_format(value, false, err);
  case SHOAL_DELTA_COLUMNS:
    return shoal_delta_stats_columns_parse(value, err);
  }
  return SHOAL_OK;
}

/* A property of the user's own, unless it is Delta's with "delta." forgotten, which would do nothing in silence. */
static shoal_status check_own(shoal_str key, shoal_error *err) {
  for (size_t i = 0; i < N_KEPT; i++)
    if (shoal_str_ieq(key, shoal_str_z(kept[i].key + sizeof "delta." - 1))) {
      (void)shoal_fail(err, SHOAL_EINVAL, "the property '%.*s' means nothing to Delta", SHOAL_FMT(key));
      shoal_hint(err, "did you mean %s?", kept[i].key);
      return SHOAL_EINVAL;
    }
  return SHOAL_OK;
}

shoal_status shoal_delta_property_check(const shoal_delta_kv *p, shoal_error *err) {
  if (!shoal_str_starts(p->key, SHOAL_STR("delta.")))
    return check_own(p->key, err);
  const shoal_delta_property *known = find(p->key);
  if (known)
    return check_value(known, p->value, err);
  (void)shoal_fail(err, SHOAL_EUNSUPPORTED, "this build does not keep the property '%.*s'", SHOAL_FMT(p->key));
  for (size_t i = 0; i < N_KEPT; i++)
    shoal_hint(err, "it keeps %s", kept[i].key);
  return SHOAL_EUNSUPPORTED;
}

const shoal_delta_property *shoal_delta_property_needs(shoal_str key, shoal_str value) {
  const shoal_delta_property *p = find(key);
  return p && p->feature && value.ptr && !shoal_str_is(value, p->off) ? p : NULL;
}

/* ---- protocols ---- */

/* What a version of writers implies, each beside those below it (protocol, "Supported Features"). */
static const struct {
  int version;
  const char *feature;
} implied[] = {{2, "appendOnly"},       {2, "invariants"},    {3, "checkConstraints"}, {4, "changeDataFeed"},
               {4, "generatedColumns"}, {5, "columnMapping"}, {6, "identityColumns"}};
enum { N_IMPLIED = sizeof implied / sizeof *implied };

static bool is_listed(const shoal_str *list, size_t n, const char *name) {
  for (size_t i = 0; i < n; i++)
    if (shoal_str_is(list[i], name))
      return true;
  return false;
}

/* The list, or what the version implies in its stead, with room for one more. */
static shoal_str *start_list(const shoal_str *list, size_t n, int version, bool named, shoal_arena *arena,
                             size_t *n_out) {
  shoal_str *out = SHOAL_NEW_ARRAY(arena, shoal_str, n + N_IMPLIED + 1);
  *n_out = 0;
  for (size_t i = 0; out && named && i < n; i++)
    out[(*n_out)++] = list[i];
  for (size_t i = 0; out && !named && i < N_IMPLIED; i++)
    if (implied[i].version <= version)
      out[(*n_out)++] = shoal_str_z(implied[i].feature);
  return out;
}

shoal_status shoal_delta_protocol_add(shoal_delta_protocol *p, const char *feature, bool reader, shoal_arena *arena,
                                      shoal_error *err) {
  bool maps = p->min_reader == 2; /* version 2 of readers is column mapping, and nothing else */
  size_t n_writers, n_readers = 0;
  shoal_str *writers =
      start_list(p->writer_features, p->n_writer_features, p->min_writer, p->min_writer == 7, arena, &n_writers);
  shoal_str *readers = start_list(p->reader_features, p->n_reader_features, 0, p->min_reader == 3, arena, &n_readers);
  if (!writers || !readers)
    return shoal_fail_nomem(err);
  if (!is_listed(writers, n_writers, feature))
    writers[n_writers++] = shoal_str_z(feature);
  if (reader && maps)
    readers[n_readers++] = SHOAL_STR("columnMapping");
  if (reader && !is_listed(readers, n_readers, feature))
    readers[n_readers++] = shoal_str_z(feature);
  *p = (shoal_delta_protocol){reader ? 3 : p->min_reader, 7, readers, writers, n_readers, n_writers};
  return SHOAL_OK;
}

/* ---- configurations and fields ---- */

shoal_status shoal_delta_config_set(shoal_delta_metadata *m, shoal_str key, shoal_str value, shoal_arena *arena,
                                    shoal_error *err) {
  shoal_delta_kv *all = SHOAL_NEW_ARRAY(arena, shoal_delta_kv, m->n_configuration + 1);
  size_t n = 0;
  bool set = false;
  if (!all)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < m->n_configuration; i++) {
    bool same = shoal_str_eq(m->configuration[i].key, key);
    if (same && !value.ptr)
      continue;
    all[n] = m->configuration[i];
    if (same)
      all[n].value = value;
    set = set || same;
    n++;
  }
  if (value.ptr && !set)
    all[n++] = (shoal_delta_kv){key, value};
  m->configuration = all;
  m->n_configuration = n;
  return SHOAL_OK;
}

shoal_status shoal_delta_field_set(shoal_field *f, const char *key, shoal_str json, shoal_arena *arena,
                                   shoal_error *err) {
  yyjson_doc *doc = NULL;
  shoal_buf text = {0}, value = {0};
  shoal_jw w = {.out = &text};
  size_t i, n;
  yyjson_val *name, *old;
  shoal_status status =
      f->metadata.len ? shoal_json_parse_raw(f->metadata, "a column's metadata", &doc, err) : SHOAL_OK;
  shoal_jw_obj(&w);
  yyjson_obj_foreach(yyjson_doc_get_root(doc), i, n, name, old) {
    if (status < 0 || shoal_str_is(shoal_str_z(yyjson_get_str(name)), key))
      continue;
    shoal_buf_clear(&value);
    status = shoal_json_write(old, &value, err);
    shoal_jw_key(&w, yyjson_get_str(name));
    shoal_jw_raw(&w, shoal_buf_str(&value));
  }
  if (json.ptr) {
    shoal_jw_key(&w, key);
    shoal_jw_raw(&w, json);
  }
  shoal_jw_end(&w);
  if (status == SHOAL_OK)
    status = shoal_buf_take(&text, arena, &f->metadata, err);
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&value);
  yyjson_doc_free(doc);
  return status;
}

static shoal_status map_field(shoal_field *f, bool as_named, int64_t *last, shoal_arena *arena, shoal_error *err) {
  char uuid[SHOAL_UUID_TEXT];
  shoal_buf quoted = {0};
  shoal_os_uuid(uuid);
  if (*last >= INT32_MAX)
    return shoal_fail(err, SHOAL_ELIMIT, "the table has given out all ids of columns that there are");
  f->field_id = (int32_t)++ * last;
  f->physical = as_named ? f->name : shoal_str_z(shoal_arena_printf(arena, "col-%s", uuid));
  if (!f->physical.ptr)
    return shoal_fail_nomem(err);
  char *id = shoal_arena_printf(arena, "%d", f->field_id);
  shoal_buf_json_str(&quoted, f->physical);
  shoal_status status = id ? shoal_buf_check(&quoted, err) : shoal_fail_nomem(err);
  if (status == SHOAL_OK)
    status = shoal_delta_field_set(f, "delta.columnMapping.id", shoal_str_z(id), arena, err);
  if (status == SHOAL_OK)
    status = shoal_delta_field_set(f, "delta.columnMapping.physicalName", shoal_buf_str(&quoted), arena, err);
  shoal_buf_dispose(&quoted);
  return status;
}

/* Elements of arrays, keys and values of maps have neither, but what is in them may. */
static shoal_status map_type(shoal_type *type, bool as_named, int64_t *last, shoal_arena *arena, shoal_error *err) {
  if (type->kind == SHOAL_TYPE_STRUCT)
    return shoal_delta_map_fields(type->fields, type->n_fields, as_named, last, arena, err);
  for (size_t i = 0; i < type->n_fields; i++)
    SHOAL_TRY(map_type(&type->fields[i].type, as_named, last, arena, err));
  return SHOAL_OK;
}

shoal_status shoal_delta_map_fields(shoal_field *fields, size_t n, bool as_named, int64_t *last, shoal_arena *arena,
                                    shoal_error *err) {
  for (size_t i = 0; i < n; i++) {
    SHOAL_TRY(map_field(&fields[i], as_named, last, arena, err));
    SHOAL_TRY(map_type(&fields[i].type, as_named, last, arena, err));
  }
  return SHOAL_OK;
}
