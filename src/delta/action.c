/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One action from its JSON, whether a line of a commit or a row of a checkpoint (protocol, "Actions"). Numbers stay
 * text until somebody needs them, and the object's own text is kept: a rewrite must not lose what we do not know.
 * Metadata and protocol are kept as text only; of all a log holds just the last ones are ever understood.
 */
#include <stdio.h>

#include "delta/delta_internal.h"

static const struct {
  const char *name;
  shoal_action_kind kind;
} kinds[] = {
    {"add", SHOAL_ACTION_ADD},           {"remove", SHOAL_ACTION_REMOVE},   {"metaData", SHOAL_ACTION_METADATA},
    {"protocol", SHOAL_ACTION_PROTOCOL}, {"txn", SHOAL_ACTION_TXN},         {"domainMetadata", SHOAL_ACTION_DOMAIN},
    {"sidecar", SHOAL_ACTION_SIDECAR},   {"commitInfo", SHOAL_ACTION_INFO}, {"cdc", SHOAL_ACTION_CDC},
};

static shoal_status copy(shoal_str s, shoal_arena *arena, shoal_str *out, shoal_error *err) {
  *out = shoal_arena_str(arena, s);
  return s.ptr && !out->ptr ? shoal_fail_nomem(err) : SHOAL_OK;
}

static shoal_status copy_json(yyjson_val *v, shoal_arena *arena, shoal_str *out, shoal_error *err) {
  shoal_buf text = {0};
  *out = SHOAL_STR_NONE;
  shoal_status status = shoal_json_write(v, &text, err);
  if (status == SHOAL_OK)
    status = copy(shoal_buf_str(&text), arena, out, err);
  shoal_buf_dispose(&text);
  return status;
}

/* An object of texts and nulls. */
static shoal_status parse_kv(yyjson_val *v, const char *name, shoal_arena *arena, const shoal_delta_kv **out, size_t *n,
                             shoal_error *err) {
  *out = NULL;
  *n = 0;
  if (!v || yyjson_is_null(v))
    return SHOAL_OK;
  if (!yyjson_is_obj(v))
    return shoal_fail(err, SHOAL_ECORRUPT, "%s: a map is no object", name);
  size_t count = yyjson_obj_size(v), i, max;
  shoal_delta_kv *kv = SHOAL_NEW_ARRAY(arena, shoal_delta_kv, count ? count : 1);
  yyjson_val *key, *value;
  if (!kv)
    return shoal_fail_nomem(err);
  yyjson_obj_foreach(v, i, max, key, value) {
    if (!yyjson_is_str(value) && !yyjson_is_null(value))
      return shoal_fail(err, SHOAL_ECORRUPT, "%s: '%s' is no text", name, yyjson_get_str(key));
    SHOAL_TRY(copy(shoal_str_n(yyjson_get_str(key), yyjson_get_len(key)), arena, &kv[i].key, err));
    if (yyjson_is_str(value))
      SHOAL_TRY(copy(shoal_str_n(yyjson_get_str(value), yyjson_get_len(value)), arena, &kv[i].value, err));
  }
  *out = kv;
  *n = count;
  return SHOAL_OK;
}

shoal_status shoal_delta_kv_parse(shoal_str json, const char *name, shoal_arena *arena, const shoal_delta_kv **out,
                                  size_t *n, shoal_error *err) {
  yyjson_doc *doc;
  SHOAL_TRY(shoal_json_parse_raw(json, name, &doc, err));
  shoal_status status = parse_kv(yyjson_doc_get_root(doc), name, arena, out, n, err);
  yyjson_doc_free(doc);
  return status;
}

static void add_key(shoal_str path, yyjson_val *dv, shoal_buf *key) {
  shoal_buf_add(key, shoal_delta_path_key(path));
  if (!shoal_json_str(dv, "storageType").ptr)
    return;
  shoal_buf_addc(key, '\0');
  shoal_buf_add(key, shoal_json_str(dv, "storageType"));
  shoal_buf_add(key, shoal_json_str(dv, "pathOrInlineDv"));
  yyjson_val *offset = yyjson_obj_get(dv, "offset");
  if (offset && !yyjson_is_null(offset))
    shoal_buf_addf(key, "@%lld", (long long)shoal_json_i64(dv, "offset", 0));
}

shoal_status shoal_delta_file_key(shoal_str path, shoal_str vector, shoal_buf *out, shoal_error *err) {
  yyjson_doc *doc = NULL;
  if (vector.ptr)
    SHOAL_TRY(shoal_json_parse_raw(vector, "deletionVector", &doc, err));
  add_key(path, yyjson_doc_get_root(doc), out);
  yyjson_doc_free(doc);
  return shoal_buf_check(out, err);
}

static shoal_status make_key(yyjson_val *dv, shoal_arena *arena, shoal_action *out, shoal_error *err) {
  shoal_buf key = {0};
  add_key(out->file.path, dv, &key);
  shoal_status status = shoal_buf_check(&key, err);
  if (status == SHOAL_OK)
    status = copy(shoal_buf_str(&key), arena, &out->key, err);
  shoal_buf_dispose(&key);
  return status;
}

/* What add and remove share. Parquet readers show an absent vector as a struct of nulls. */
static shoal_status parse_file(yyjson_val *v, const char *name, shoal_arena *arena, shoal_action *out,
                               shoal_error *err) {
  shoal_delta_file *f = &out->file;
  SHOAL_TRY(shoal_json_need_str(v, "path", name, arena, &f->path, err));
  f->raw = out->raw;
  f->data_change = shoal_json_bool(v, "dataChange", true);
  f->size = (uint64_t)shoal_json_i64(v, "size", 0);
  out->deleted_ms = shoal_json_i64(v, "deletionTimestamp", 0);
  f->base_row_id = shoal_json_i64(v, "baseRowId", -1);
  f->row_commit_version = shoal_json_i64(v, "defaultRowCommitVersion", -1);
  f->has_row_id = f->base_row_id >= 0;
  SHOAL_TRY(
      parse_kv(yyjson_obj_get(v, "partitionValues"), name, arena, &f->partition_values, &f->n_partition_values, err));
  yyjson_val *dv = yyjson_obj_get(v, "deletionVector");
  if (!shoal_json_str(dv, "storageType").ptr) {
    out->key = shoal_delta_path_key(f->path);
    return SHOAL_OK;
  }
  SHOAL_TRY(copy_json(dv, arena, &f->deletion_vector, err));
  return make_key(dv, arena, out, err);
}

static shoal_status parse_add(yyjson_val *v, const char *name, shoal_arena *arena, shoal_action *out,
                              shoal_error *err) {
  shoal_delta_file *f = &out->file;
  int64_t size;
  SHOAL_TRY(parse_file(v, name, arena, out, err));
  SHOAL_TRY(shoal_json_need_i64(v, "size", name, &size, err));
  if (size < 0)
    return shoal_fail(err, SHOAL_ECORRUPT, "%s: the size of '%.*s' is negative", name, SHOAL_FMT(f->path));
  f->modified_ms = shoal_json_i64(v, "modificationTime", 0);
  SHOAL_TRY(copy(shoal_json_str(v, "stats"), arena, &f->stats, err));
  SHOAL_TRY(copy(shoal_json_str(v, "clusteringProvider"), arena, &f->clustering, err));
  return parse_kv(yyjson_obj_get(v, "tags"), name, arena, &f->tags, &f->n_tags, err);
}

static shoal_status parse_body(yyjson_val *v, const char *name, shoal_arena *arena, shoal_action *out,
                               shoal_error *err) {
  switch (out->kind) {
  case SHOAL_ACTION_ADD:
    return parse_add(v, name, arena, out, err);
  case SHOAL_ACTION_REMOVE:
  case SHOAL_ACTION_CDC:
    return parse_file(v, name, arena, out, err);
  case SHOAL_ACTION_TXN:
    SHOAL_TRY(shoal_json_need_str(v, "appId", name, arena, &out->id, err));
    return shoal_json_need_i64(v, "version", name, &out->version, err);
  case SHOAL_ACTION_DOMAIN:
    out->removed = shoal_json_bool(v, "removed", false);
    return shoal_json_need_str(v, "domain", name, arena, &out->id, err);
  case SHOAL_ACTION_SIDECAR:
    return shoal_json_need_str(v, "path", name, arena, &out->id, err);
  case SHOAL_ACTION_INFO:
    out->ict_ms = shoal_json_i64(v, "inCommitTimestamp", -1);
    out->blind_append = shoal_json_bool(v, "isBlindAppend", false);
    return SHOAL_OK;
  case SHOAL_ACTION_METADATA:
  case SHOAL_ACTION_PROTOCOL:
  case SHOAL_ACTION_OTHER:
    break;
  }
  return SHOAL_OK;
}

static yyjson_val *find_body(yyjson_val *root, shoal_action_kind *kind) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    yyjson_val *v = yyjson_obj_get(root, kinds[i].name);
    if (yyjson_is_obj(v)) {
      *kind = kinds[i].kind;
      return v;
    }
  }
  return NULL;
}

shoal_status shoal_delta_action_parse(shoal_str line, const char *name, shoal_arena *arena, shoal_action *out,
                                      shoal_error *err) {
  yyjson_doc *doc;
  *out = (shoal_action){.ict_ms = -1};
  SHOAL_TRY(shoal_json_parse_raw(line, name, &doc, err));
  yyjson_val *root = yyjson_doc_get_root(doc), *body = find_body(root, &out->kind);
  shoal_status status = SHOAL_OK;
  if (!yyjson_is_obj(root))
    status = shoal_fail(err, SHOAL_ECORRUPT, "%s: an action is no object", name);
  if (body && out->kind != SHOAL_ACTION_INFO)
    status = copy_json(body, arena, &out->raw, err);
  if (body && status == SHOAL_OK)
    status = parse_body(body, name, arena, out, err);
  yyjson_doc_free(doc);
  return status;
}

/* --- the last metadata and protocol --- */

/* A list of texts; absent is empty. */
static shoal_status parse_texts(yyjson_val *v, const char *name, shoal_arena *arena, const shoal_str **out, size_t *n,
                                shoal_error *err) {
  *out = NULL;
  *n = 0;
  if (!v || yyjson_is_null(v))
    return SHOAL_OK;
  size_t count = yyjson_arr_size(v), i, max;
  shoal_str *texts = SHOAL_NEW_ARRAY(arena, shoal_str, count ? count : 1);
  yyjson_val *item;
  if (!texts)
    return shoal_fail_nomem(err);
  yyjson_arr_foreach(v, i, max, item) {
    if (!yyjson_is_str(item))
      return shoal_fail(err, SHOAL_ECORRUPT, "%s: a list holds what is no text", name);
    SHOAL_TRY(copy(shoal_str_n(yyjson_get_str(item), yyjson_get_len(item)), arena, &texts[i], err));
  }
  *out = texts;
  *n = count;
  return SHOAL_OK;
}

/* Without column mapping the names in a field's metadata, which may have stayed from before, mean nothing. */
static void forget_mapping(shoal_field *fields, size_t n) {
  for (size_t i = 0; i < n; i++) {
    fields[i].physical = fields[i].name;
    fields[i].field_id = 0;
    forget_mapping(fields[i].type.fields, fields[i].type.n_fields);
  }
}

static shoal_status read_metadata(yyjson_val *v, shoal_arena *arena, shoal_delta_metadata *out, shoal_error *err) {
  const char *name = "metaData";
  shoal_str provider = shoal_json_str(yyjson_obj_get(v, "format"), "provider");
  if (provider.ptr && !shoal_str_is(provider, "parquet"))
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "the table's files are in the format '%.*s', not parquet",
                      SHOAL_FMT(provider));
  SHOAL_TRY(shoal_json_need_str(v, "id", name, arena, &out->id, err));
  SHOAL_TRY(copy(shoal_json_str(v, "name"), arena, &out->name, err));
  SHOAL_TRY(copy(shoal_json_str(v, "description"), arena, &out->description, err));
  SHOAL_TRY(shoal_json_need_str(v, "schemaString", name, arena, &out->schema_json, err));
  SHOAL_TRY(shoal_delta_schema_parse(out->schema_json, arena, &out->schema, err));
  SHOAL_TRY(parse_texts(yyjson_obj_get(v, "partitionColumns"), name, arena, &out->partition_columns,
                        &out->n_partition_columns, err));
  SHOAL_TRY(parse_kv(yyjson_obj_get(v, "configuration"), name, arena, &out->configuration, &out->n_configuration, err));
  shoal_str mapping = shoal_delta_config(out, "delta.columnMapping.mode");
  if (!mapping.len || shoal_str_is(mapping, "none"))
    forget_mapping(out->schema.fields, out->schema.n_fields);
  out->created_ms = shoal_json_i64(v, "createdTime", 0);
  for (size_t i = 0; i < out->n_partition_columns; i++) {
    if (shoal_schema_find(&out->schema, out->partition_columns[i]) < 0)
      return shoal_fail(err, SHOAL_ECORRUPT, "%s: the partition column '%.*s' is not in the schema", name,
                        SHOAL_FMT(out->partition_columns[i]));
  }
  return SHOAL_OK;
}

shoal_status shoal_delta_metadata_parse(shoal_str raw, shoal_arena *arena, shoal_delta_metadata *out,
                                        shoal_error *err) {
  yyjson_doc *doc;
  *out = (shoal_delta_metadata){0};
  SHOAL_TRY(shoal_json_parse_raw(raw, "metaData", &doc, err));
  shoal_status status = read_metadata(yyjson_doc_get_root(doc), arena, out, err);
  yyjson_doc_free(doc);
  return status;
}

static shoal_status read_protocol(yyjson_val *v, shoal_arena *arena, shoal_delta_protocol *out, shoal_error *err) {
  int64_t reader, writer;
  SHOAL_TRY(shoal_json_need_i64(v, "minReaderVersion", "protocol", &reader, err));
  SHOAL_TRY(shoal_json_need_i64(v, "minWriterVersion", "protocol", &writer, err));
  if (reader < 0 || reader > INT32_MAX || writer < 0 || writer > INT32_MAX)
    return shoal_fail(err, SHOAL_ECORRUPT, "protocol: a version is out of range");
  out->min_reader = (int)reader;
  out->min_writer = (int)writer;
  SHOAL_TRY(parse_texts(yyjson_obj_get(v, "readerFeatures"), "protocol", arena, &out->reader_features,
                        &out->n_reader_features, err));
  return parse_texts(yyjson_obj_get(v, "writerFeatures"), "protocol", arena, &out->writer_features,
                     &out->n_writer_features, err);
}

shoal_status shoal_delta_protocol_parse(shoal_str raw, shoal_arena *arena, shoal_delta_protocol *out,
                                        shoal_error *err) {
  yyjson_doc *doc;
  *out = (shoal_delta_protocol){0};
  SHOAL_TRY(shoal_json_parse_raw(raw, "protocol", &doc, err));
  shoal_status status = read_protocol(yyjson_doc_get_root(doc), arena, out, err);
  yyjson_doc_free(doc);
  return status;
}
