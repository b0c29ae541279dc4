/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes classic checkpoints (protocol, "Checkpoints"): the state as newline-delimited JSON, turned into Parquet by the
 * engine with the schema that Spark writes, everything optional.
 *
 *  K1 A checkpoint is read back, and found to hold the state, before any reader can see it.
 *  K2 _last_checkpoint is written after the checkpoint is durable, and never points back to an older one.
 *  K3 Somebody else's checkpoint of the same version is as good as ours.
 *
 * Crashing anywhere leaves a staged file at most.
 */
#include <stdio.h>

#include "base/os.h"
#include "base/time.h"
#include "delta/delta_internal.h"

#define LEAST_OBJECT (16u << 20) /* the JSON reader's default of the longest line */

/* Types of the columns as the JSON reader takes them; maps of nulls are legal, absent structs are NULL. */
#define DV_TYPE                                                                                                        \
  "STRUCT(\"storageType\" VARCHAR, \"pathOrInlineDv\" VARCHAR, \"offset\" INTEGER, \"sizeInBytes\" INTEGER, "          \
  "\"cardinality\" BIGINT, \"maxRowIndex\" BIGINT)"
#define TEXTS "MAP(VARCHAR, VARCHAR)"
static const struct {
  const char *name, *type;
} columns[] = {
    {"txn", "STRUCT(\"appId\" VARCHAR, \"version\" BIGINT, \"lastUpdated\" BIGINT)"},
    {"add", "STRUCT(\"path\" VARCHAR, \"partitionValues\" " TEXTS ", \"size\" BIGINT, \"modificationTime\" BIGINT, "
            "\"dataChange\" BOOLEAN, \"stats\" VARCHAR, \"tags\" " TEXTS ", \"deletionVector\" " DV_TYPE
            ", \"baseRowId\" BIGINT, \"defaultRowCommitVersion\" BIGINT, \"clusteringProvider\" VARCHAR)"},
    {"remove",
     "STRUCT(\"path\" VARCHAR, \"deletionTimestamp\" BIGINT, \"dataChange\" BOOLEAN, "
     "\"extendedFileMetadata\" BOOLEAN, \"partitionValues\" " TEXTS ", \"size\" BIGINT, \"deletionVector\" " DV_TYPE
     ", \"baseRowId\" BIGINT, \"defaultRowCommitVersion\" BIGINT)"},
    {"metaData", "STRUCT(\"id\" VARCHAR, \"name\" VARCHAR, \"description\" VARCHAR, "
                 "\"format\" STRUCT(\"provider\" VARCHAR, \"options\" " TEXTS "), \"schemaString\" VARCHAR, "
                 "\"partitionColumns\" VARCHAR[], \"configuration\" " TEXTS ", \"createdTime\" BIGINT)"},
    {"protocol", "STRUCT(\"minReaderVersion\" INTEGER, \"minWriterVersion\" INTEGER, \"readerFeatures\" VARCHAR[], "
                 "\"writerFeatures\" VARCHAR[])"},
    {"domainMetadata", "STRUCT(\"domain\" VARCHAR, \"configuration\" VARCHAR, \"removed\" BOOLEAN)"},
};

typedef struct checkpoint {
  const shoal_delta_table *table;
  const shoal_delta_snapshot *s;
  shoal_arena arena;
  shoal_engine *engine;
  char *staging;
  shoal_str json, parquet; /* staged files */
  shoal_buf text;
  size_t longest, actions, removes;
  shoal_error *err;
} checkpoint;

static void add_action(checkpoint *c, const char *kind, shoal_str raw) {
  size_t start = c->text.len;
  shoal_buf_addf(&c->text, "{\"%s\":", kind);
  shoal_delta_add_line(&c->text, raw);
  shoal_buf_addz(&c->text, "}\n");
  c->longest = c->text.len - start > c->longest ? c->text.len - start : c->longest;
  c->actions++;
}

/* A file's action, but with dataChange false: a checkpoint changes nothing. */
static shoal_status add_file(checkpoint *c, const char *kind, shoal_str raw) {
  yyjson_doc *doc;
  shoal_buf body = {0};
  size_t i, max;
  yyjson_val *key, *value;
  shoal_status status = SHOAL_OK;
  SHOAL_TRY(shoal_json_parse_raw(raw, "an action", &doc, c->err));
  shoal_buf_addz(&body, "{\"dataChange\":false");
  yyjson_obj_foreach(yyjson_doc_get_root(doc), i, max, key, value) {
    shoal_str name = shoal_str_n(yyjson_get_str(key), yyjson_get_len(key));
    if (status < 0 || shoal_str_is(name, "dataChange") || yyjson_is_null(value))
      continue;
    shoal_buf_addc(&body, ',');
    shoal_buf_json_str(&body, name);
    shoal_buf_addc(&body, ':');
    status = shoal_json_write(value, &body, c->err);
  }
  shoal_buf_addc(&body, '}');
  if (status == SHOAL_OK)
    status = shoal_buf_check(&body, c->err);
  if (status == SHOAL_OK)
    add_action(c, kind, shoal_buf_str(&body));
  shoal_buf_dispose(&body);
  yyjson_doc_free(doc);
  return status;
}

/* Tombstones deleted before this may go: VACUUM has no more use for them. */
static int64_t oldest_tombstone(const shoal_delta_snapshot *s) {
  int64_t ms = shoal_delta_file_retention(&s->metadata);
  return ms < 0 ? INT64_MIN : shoal_time_now() / 1000 - ms;
}

static shoal_status add_state(checkpoint *c) {
  const shoal_delta_snapshot *s = c->s;
  int64_t oldest = oldest_tombstone(s);
  add_action(c, "protocol", s->protocol_raw);
  add_action(c, "metaData", s->metadata_raw);
  for (size_t i = 0; i < s->txns.len; i++)
    add_action(c, "txn", s->txns.ptr[i].raw);
  for (size_t i = 0; i < s->domains.len; i++) {
    if (!s->domains.ptr[i].removed)
      add_action(c, "domainMetadata", s->domains.ptr[i].raw);
  }
  for (size_t i = 0; i < s->n_files; i++)
    SHOAL_TRY(add_file(c, "add", s->files[i].raw));
  for (size_t i = 0; i < s->n_tombstones; i++) {
    if (s->tombstones[i].deleted_ms < oldest)
      continue;
    SHOAL_TRY(add_file(c, "remove", s->tombstones[i].file.raw));
    c->removes++;
  }
  return shoal_buf_check(&c->text, c->err);
}

static shoal_str columns_option(checkpoint *c) {
  shoal_buf text = {0};
  for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
    shoal_buf_addf(&text, "%s%s: '%s'", i ? ", " : "{", columns[i].name, columns[i].type);
  shoal_buf_addc(&text, '}');
  shoal_str copy = text.status < 0 ? SHOAL_STR_NONE : shoal_arena_str(&c->arena, shoal_buf_str(&text));
  shoal_buf_dispose(&text);
  return copy;
}

static shoal_status to_parquet(checkpoint *c) {
  size_t most = c->longest + 1 > LEAST_OBJECT ? c->longest + 1 : LEAST_OBJECT;
  const char *size = shoal_arena_printf(&c->arena, "%zu", most);
  shoal_scan_option options[] = {{SHOAL_STR("columns"), columns_option(c)},
                                 {SHOAL_STR("format"), SHOAL_STR("newline_delimited")},
                                 {SHOAL_STR("maximum_object_size"), shoal_str_z(size)}};
  shoal_scan_file file = {.path = c->json};
  shoal_scan scan = {.format = SHOAL_SCAN_JSON, .files = &file, .n_files = 1, .options = options, .n_options = 3};
  shoal_input input = {SHOAL_STR("log"), &scan};
  shoal_job job = {.sql = SHOAL_STR("SELECT * FROM log"), .inputs = &input, .n_inputs = 1};
  if (!options[0].value.ptr || !size)
    return shoal_fail_nomem(c->err);
  SHOAL_TRY(shoal_os_create_file(c->json.ptr, shoal_buf_str(&c->text), c->err));
  return shoal_engine_copy(c->engine, &job, c->parquet.ptr, SHOAL_STR("parquet"), c->err);
}

/* K1. Paths and vectors are compared by key, the rest by its text. */
static bool holds_state(const checkpoint *c, const shoal_replay *r) {
  size_t live = 0;
  for (size_t i = 0; i < c->s->n_files; i++) {
    uint32_t at = shoal_map_get(&r->files_map, c->s->keys[i]);
    if (at == SHOAL_MAP_NONE || !r->files.ptr[at].live ||
        !shoal_str_eq(r->files.ptr[at].file.stats, c->s->files[i].stats) ||
        r->files.ptr[at].file.size != c->s->files[i].size)
      return false;
    live++;
  }
  return r->files.len == live + c->removes && r->txns.len == c->s->txns.len && r->metadata.ptr && r->protocol.ptr;
}

static shoal_status verify(checkpoint *c) {
  shoal_arena scratch = {0};
  shoal_replay r = {0};
  shoal_scan_file file = {.path = c->parquet};
  shoal_status status = shoal_delta_checkpoint_parquet(c->engine, &file, 1, &scratch, &r, c->err);
  if (status == SHOAL_OK && !holds_state(c, &r))
    status = shoal_fail(c->err, SHOAL_ECORRUPT, "the checkpoint that was written does not hold the table's state");
  shoal_replay_dispose(&r);
  shoal_arena_dispose(&scratch);
  return status;
}

/* K2. */
static shoal_status write_hint(checkpoint *c, uint64_t bytes) {
  shoal_buf text = {0};
  shoal_jw w = {.out = &text};
  int64_t there;
  SHOAL_TRY(shoal_delta_log_hint(c->table, &c->arena, &there, c->err));
  if (there > c->s->version)
    return SHOAL_OK;
  shoal_str key = shoal_delta_key(c->table, &c->arena, "_delta_log/_last_checkpoint");
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "version", c->s->version);
  shoal_jw_ki64(&w, "size", (int64_t)c->actions);
  shoal_jw_ki64(&w, "sizeInBytes", (int64_t)bytes);
  shoal_jw_ki64(&w, "numOfAddFiles", (int64_t)c->s->n_files);
  shoal_jw_end(&w);
  shoal_status status = key.ptr ? shoal_buf_check(&text, c->err) : shoal_fail_nomem(c->err);
  if (status == SHOAL_OK)
    status = shoal_store_rewrite(c->table->store, key, shoal_buf_str(&text), c->err);
  shoal_buf_dispose(&text);
  return status;
}

static shoal_status publish(checkpoint *c) {
  shoal_stat st;
  SHOAL_TRY(shoal_os_stat(c->parquet.ptr, &st, c->err));
  shoal_str key =
      shoal_delta_key(c->table, &c->arena, "_delta_log/%020lld.checkpoint.parquet", (long long)c->s->version);
  if (!key.ptr)
    return shoal_fail_nomem(c->err);
  shoal_status status = shoal_store_put_files(c->table->store, &(shoal_put_file){c->parquet, key}, 1, c->err);
  if (status < 0 && status != SHOAL_EEXIST) /* K3 */
    return status;
  return write_hint(c, st.size);
}

static shoal_status check(const shoal_delta_table *table, const shoal_delta_snapshot *s, shoal_error *err) {
  if (!table->get_engine)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "a checkpoint needs an engine to write Parquet");
  for (size_t i = 0; i < s->protocol.n_writer_features; i++) {
    if (shoal_str_is(s->protocol.writer_features[i], "v2Checkpoint"))
      return shoal_fail(err, SHOAL_EUNSUPPORTED,
                        "the table has the feature 'v2Checkpoint', which this build does not write");
  }
  return SHOAL_OK;
}

static shoal_status stage(checkpoint *c) {
  SHOAL_TRY(c->table->get_engine(c->table->engine_arg, &c->engine, c->err));
  SHOAL_TRY(shoal_store_staging(c->table->store, &c->arena, &c->staging, c->err));
  c->json = shoal_str_z(shoal_arena_printf(&c->arena, "%s/state.json", c->staging));
  c->parquet = shoal_str_z(shoal_arena_printf(&c->arena, "%s/state.parquet", c->staging));
  return c->json.ptr && c->parquet.ptr ? SHOAL_OK : shoal_fail_nomem(c->err);
}

shoal_status shoal_delta_checkpoint(const shoal_delta_table *table, const shoal_delta_snapshot *s, shoal_error *err) {
  checkpoint c = {.table = table, .s = s, .err = err};
  SHOAL_TRY(check(table, s, err));
  shoal_status status = stage(&c);
  if (status == SHOAL_OK)
    status = add_state(&c);
  if (status == SHOAL_OK)
    status = to_parquet(&c);
  if (status == SHOAL_OK)
    status = verify(&c);
  if (status == SHOAL_OK)
    status = publish(&c);
  if (status < 0)
    shoal_context(err, "the checkpoint of version %lld", (long long)s->version);
  if (c.staging)
    shoal_ignore(shoal_os_remove_tree(c.staging, NULL)); /* what stays is swept up with the dead's */
  shoal_buf_dispose(&c.text);
  shoal_arena_dispose(&c.arena);
  return status;
}
