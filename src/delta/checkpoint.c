/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes classic checkpoints (protocol, "Checkpoints") with the schema that Spark writes, everything optional. What
 * commits since the last checkpoint have spoken of goes to the engine as newline-delimited JSON; all that they have not
 * goes from that checkpoint's Parquet into the new one's without being looked at here, whatever there is of it.
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
#include "delta/checkpoint.h"
#include "delta/layout.h"

#define LEAST_OBJECT (16u << 20) /* the JSON reader's default of the longest line */

/* Types of the columns; maps of nulls are legal, absent structs are NULL. */
#define TEXTS "MAP(VARCHAR, VARCHAR)"
#define VECTOR_FIELDS                                                                                                  \
  {"storageType", "VARCHAR"}, {"pathOrInlineDv", "VARCHAR"}, {"offset", "INTEGER"}, {"sizeInBytes", "INTEGER"},        \
      {"cardinality", "BIGINT"}, {                                                                                     \
    "maxRowIndex", "BIGINT"                                                                                            \
  }
typedef struct member {
  const char *name, *type;
} member;
static const member vector_members[] = {VECTOR_FIELDS};
#define VECTOR NULL /* in place of a type: that of a deletion vector */
static const member txn_members[] = {{"appId", "VARCHAR"}, {"version", "BIGINT"}, {"lastUpdated", "BIGINT"}};
static const member add_members[] = {{"path", "VARCHAR"},
                                     {"partitionValues", TEXTS},
                                     {"size", "BIGINT"},
                                     {"modificationTime", "BIGINT"},
                                     {"dataChange", "BOOLEAN"},
                                     {"stats", "VARCHAR"},
                                     {"tags", TEXTS},
                                     {"deletionVector", VECTOR},
                                     {"baseRowId", "BIGINT"},
                                     {"defaultRowCommitVersion", "BIGINT"},
                                     {"clusteringProvider", "VARCHAR"}};
static const member remove_members[] = {{"path", "VARCHAR"},
                                        {"deletionTimestamp", "BIGINT"},
                                        {"dataChange", "BOOLEAN"},
                                        {"extendedFileMetadata", "BOOLEAN"},
                                        {"partitionValues", TEXTS},
                                        {"size", "BIGINT"},
                                        {"deletionVector", VECTOR},
                                        {"baseRowId", "BIGINT"},
                                        {"defaultRowCommitVersion", "BIGINT"}};
static const member metadata_members[] = {
    {"id", "VARCHAR"},           {"name", "VARCHAR"},
    {"description", "VARCHAR"},  {"format", "STRUCT(\"provider\" VARCHAR, \"options\" " TEXTS ")"},
    {"schemaString", "VARCHAR"}, {"partitionColumns", "VARCHAR[]"},
    {"configuration", TEXTS},    {"createdTime", "BIGINT"}};
static const member protocol_members[] = {{"minReaderVersion", "INTEGER"},
                                          {"minWriterVersion", "INTEGER"},
                                          {"readerFeatures", "VARCHAR[]"},
                                          {"writerFeatures", "VARCHAR[]"}};
static const member domain_members[] = {{"domain", "VARCHAR"}, {"configuration", "VARCHAR"}, {"removed", "BOOLEAN"}};
#define LIST(members) members, sizeof members / sizeof *members
static const struct {
  const char *name;
  const member *members;
  size_t n;
} columns[SHOAL_CHECKPOINT_COLUMNS] = {{"txn", LIST(txn_members)},           {"add", LIST(add_members)},
                                       {"remove", LIST(remove_members)},     {"metaData", LIST(metadata_members)},
                                       {"protocol", LIST(protocol_members)}, {"domainMetadata", LIST(domain_members)}};

/* A line of actions; the longest is remembered. */
static void add_action(shoal_checkpoint *c, shoal_buf *text, const char *kind, shoal_str raw) {
  size_t start = text->len;
  shoal_buf_addf(text, "{\"%s\":", kind);
  shoal_delta_add_line(text, raw);
  shoal_buf_addz(text, "}\n");
  c->longest = text->len - start > c->longest ? text->len - start : c->longest;
}

/* A file's action, but with dataChange false: a checkpoint changes nothing. */
static shoal_status add_file(shoal_checkpoint *c, size_t column, shoal_str raw) {
  bool is_add = column == SHOAL_CHECKPOINT_ADD;
  yyjson_doc *doc;
  shoal_buf body = {0};
  size_t i, max;
  yyjson_val *key, *value;
  shoal_status status = SHOAL_OK;
  SHOAL_TRY(shoal_json_parse_raw(raw, "an action", &doc, c->err));
  shoal_buf_addz(&body, "{\"dataChange\":false");
  yyjson_obj_foreach(yyjson_doc_get_root(doc), i, max, key, value) {
    shoal_str name = shoal_str_n(yyjson_get_str(key), yyjson_get_len(key));
    if (status < 0 || shoal_str_is(name, "dataChange") || shoal_str_is(name, "stats_parsed") || yyjson_is_null(value))
      continue;
    shoal_buf_addc(&body, ',');
    shoal_buf_json_str(&body, name);
    shoal_buf_addc(&body, ':');
    status = shoal_json_write(value, &body, c->err);
  }
  if (status == SHOAL_OK && is_add)
    status = shoal_checkpoint_parse_stats(&c->form, shoal_json_str(yyjson_doc_get_root(doc), "stats"), &body, c->err);
  shoal_buf_addc(&body, '}');
  if (status == SHOAL_OK)
    status = shoal_buf_check(&body, c->err);
  if (status == SHOAL_OK)
    add_action(c, &c->text, columns[column].name, shoal_buf_str(&body));
  shoal_buf_dispose(&body);
  yyjson_doc_free(doc);
  return status;
}

/* Whether an application has said nothing since; what has no time may be of today. */
static shoal_status is_before(const shoal_replay_named *txn, int64_t ms, bool *out, shoal_error *err) {
  yyjson_doc *doc;
  SHOAL_TRY(shoal_json_parse_raw(txn->raw, "txn", &doc, err));
  *out = shoal_json_i64(yyjson_doc_get_root(doc), "lastUpdated", INT64_MAX) <= ms;
  yyjson_doc_free(doc);
  return SHOAL_OK;
}

/* Those that are not too old, where the table says how old they may be. */
static shoal_status add_txns(shoal_checkpoint *c, shoal_buf *top) {
  const shoal_replay_names *txns = &c->s->txns;
  int64_t kept = shoal_delta_txn_retention(&c->s->metadata), now = shoal_time_now() / 1000;
  for (size_t i = 0; i < txns->len; i++) {
    bool old = false;
    if (kept >= 0)
      SHOAL_TRY(is_before(&txns->ptr[i], now - kept, &old, c->err));
    if (!old)
      add_action(c, top, "txn", txns->ptr[i].raw);
  }
  return SHOAL_OK;
}

static shoal_status add_state(shoal_checkpoint *c) {
  const shoal_delta_snapshot *s = c->s;
  shoal_buf *top = c->v2 ? &c->top : &c->text;
  add_action(c, top, "protocol", s->protocol_raw);
  add_action(c, top, "metaData", s->metadata_raw);
  SHOAL_TRY(add_txns(c, top));
  for (size_t i = 0; i < s->domains.len; i++) {
    if (!s->domains.ptr[i].removed)
      add_action(c, top, "domainMetadata", s->domains.ptr[i].raw);
  }
  for (size_t i = 0; i < s->n_files; i++)
    SHOAL_TRY(add_file(c, SHOAL_CHECKPOINT_ADD, s->files[i].raw));
  for (size_t i = 0; i < s->n_tombstones; i++)
    if (s->tombstones[i].deleted_ms >= c->oldest)
      SHOAL_TRY(add_file(c, SHOAL_CHECKPOINT_REMOVE, s->tombstones[i].file.raw));
  SHOAL_TRY(shoal_buf_check(&c->text, c->err));
  return shoal_os_create_file(c->json.ptr, shoal_buf_str(&c->text), c->err);
}

/* Of a tip: the keys of files that the checkpoint below no longer speaks for. Between path and vector stands a line
   feed (delta/action.c has a NUL, which the engine's texts would end at). */
static void add_key(shoal_buf *text, shoal_str key) {
  shoal_jw w = {.out = text};
  ptrdiff_t nul = shoal_str_chr(key, '\0');
  shoal_buf spelled = {0};
  shoal_buf_add(&spelled, nul < 0 ? key : shoal_str_sub(key, 0, (size_t)nul));
  if (nul >= 0) {
    shoal_buf_addc(&spelled, '\n');
    shoal_buf_add(&spelled, shoal_str_sub(key, (size_t)nul + 1, key.len));
  }
  shoal_jw_obj(&w);
  shoal_jw_kstr(&w, "key", shoal_buf_str(&spelled));
  shoal_jw_end(&w);
  shoal_buf_addc(text, '\n');
  if (spelled.status < 0)
    text->status = spelled.status;
  shoal_buf_dispose(&spelled);
}

static shoal_status add_spoken(shoal_checkpoint *c) {
  const shoal_delta_snapshot *s = c->s;
  shoal_buf text = {0};
  for (size_t i = 0; i < s->n_files; i++)
    add_key(&text, s->keys[i]);
  for (size_t i = 0; i < s->n_tombstones; i++)
    add_key(&text, s->tombstones[i].key);
  shoal_status status = shoal_buf_check(&text, c->err);
  if (status == SHOAL_OK)
    status = shoal_os_create_file(c->spoken.ptr, shoal_buf_str(&text), c->err);
  shoal_buf_dispose(&text);
  return status;
}

/* ---- the query ---- */

static void add_member_type(shoal_buf *sql, const member *m) {
  if (m->type) {
    shoal_buf_addz(sql, m->type);
    return;
  }
  for (size_t i = 0; i < sizeof vector_members / sizeof *vector_members; i++)
    shoal_buf_addf(sql, "%s\"%s\" %s", i ? ", " : "STRUCT(", vector_members[i].name, vector_members[i].type);
  shoal_buf_addc(sql, ')');
}

/* With the member that only lines of JSON have: typed statistics, as text still. */
static void add_column_type(const shoal_checkpoint *c, shoal_buf *sql, size_t column) {
  for (size_t i = 0; i < columns[column].n; i++) {
    shoal_buf_addf(sql, "%s\"%s\" ", i ? ", " : "STRUCT(", columns[column].members[i].name);
    add_member_type(sql, &columns[column].members[i]);
  }
  shoal_buf_addz(sql, column == SHOAL_CHECKPOINT_ADD && c->form.parsed ? ", stats_parsed VARCHAR)" : ")");
}

static const shoal_type *old_column(const shoal_checkpoint *c, const char *name) {
  const shoal_type row = {.kind = SHOAL_TYPE_STRUCT, .fields = c->old.fields, .n_fields = c->old.n_fields};
  const shoal_type *column = shoal_delta_checkpoint_field(&row, name);
  return column && shoal_delta_checkpoint_field(column, "path") ? column : NULL;
}

static void add_vector(shoal_buf *sql, const shoal_type *column, const char *name) {
  const shoal_type *vector = shoal_delta_checkpoint_field(column, "deletionVector");
  if (!vector) {
    shoal_buf_addz(sql, "NULL");
    return;
  }
  shoal_buf_addf(sql, "CASE WHEN log.\"%s\".\"deletionVector\".\"storageType\" IS NOT NULL THEN struct_pack(", name);
  for (size_t i = 0; i < sizeof vector_members / sizeof *vector_members; i++) {
    const char *field = vector_members[i].name;
    shoal_buf_addf(sql, "%s\"%s\" := ", i ? ", " : "", field);
    if (shoal_delta_checkpoint_field(vector, field))
      shoal_buf_addf(sql, "log.\"%s\".\"deletionVector\".\"%s\"", name, field);
    else
      shoal_buf_addz(sql, "NULL");
  }
  shoal_buf_addz(sql, ") END");
}

/* An action of the checkpoint below as one of the new one's type; a checkpoint changes nothing. */
static void add_old(const shoal_checkpoint *c, shoal_buf *sql, size_t column) {
  const char *name = columns[column].name;
  const shoal_type *type = old_column(c, name);
  shoal_buf_addz(sql, "CAST(struct_pack(");
  for (size_t i = 0; i < columns[column].n; i++) {
    const member *m = &columns[column].members[i];
    shoal_buf_addf(sql, "%s\"%s\" := ", i ? ", " : "", m->name);
    if (shoal_str_is(shoal_str_z(m->name), "dataChange"))
      shoal_buf_addz(sql, "false");
    else if (shoal_str_is(shoal_str_z(m->name), "stats"))
      shoal_delta_checkpoint_stats(type, sql);
    else if (!m->type)
      add_vector(sql, type, name);
    else if (shoal_delta_checkpoint_field(type, m->name))
      shoal_buf_addf(sql, "log.\"%s\".\"%s\"", name, m->name);
    else
      shoal_buf_addz(sql, "NULL");
  }
  if (column == SHOAL_CHECKPOINT_ADD && c->form.parsed)
    shoal_buf_addz(sql, ", stats_parsed := NULL");
  shoal_buf_addz(sql, ") AS ");
  add_column_type(c, sql, column);
  shoal_buf_addc(sql, ')');
}

/* A file's key. */
static void add_old_key(const shoal_checkpoint *c, shoal_buf *sql, size_t column) {
  const char *name = columns[column].name;
  const shoal_type *vector = shoal_delta_checkpoint_field(old_column(c, name), "deletionVector");
  shoal_buf_addf(sql, /* shoal_delta_path_key */
                 "CASE WHEN NOT starts_with(log.\"%s\".path, 'file:/') THEN log.\"%s\".path WHEN "
                 "starts_with(log.\"%s\".path, 'file:///') THEN substr(log.\"%s\".path, 8) ELSE "
                 "substr(log.\"%s\".path, 6) END",
                 name, name, name, name, name);
  if (!vector)
    return;
  shoal_buf_addf(sql,
                 " || coalesce(chr(10) || log.\"%s\".\"deletionVector\".\"storageType\" || "
                 "coalesce(log.\"%s\".\"deletionVector\".\"pathOrInlineDv\", '')",
                 name, name);
  if (shoal_delta_checkpoint_field(vector, "offset"))
    shoal_buf_addf(sql, " || coalesce('@' || log.\"%s\".\"deletionVector\".\"offset\", '')", name);
  shoal_buf_addz(sql, ", '')");
}

static void add_below(const shoal_checkpoint *c, shoal_buf *sql, size_t column) {
  const char *name = columns[column].name;
  const shoal_type *type = old_column(c, name);
  if (!type)
    return;
  shoal_buf_addz(sql, " UNION ALL SELECT ");
  for (size_t i = 0; i < SHOAL_CHECKPOINT_COLUMNS; i++) {
    shoal_buf_addz(sql, i ? ", " : "");
    if (i == column)
      add_old(c, sql, i);
    else
      shoal_buf_addz(sql, "NULL");
  }
  shoal_buf_addz(sql, ", ");
  if (c->form.parsed && column == SHOAL_CHECKPOINT_ADD)
    shoal_checkpoint_below_stats(&c->form, type, sql);
  else
    shoal_buf_addz(sql, "NULL");
  /* NOT IN and not NOT EXISTS, which the engine would make into a join of whole rows. */
  shoal_buf_addf(sql, " FROM below AS log WHERE log.\"%s\".path IS NOT NULL AND (", name);
  add_old_key(c, sql, column);
  shoal_buf_addz(sql, ") NOT IN (SELECT key FROM spoken)");
  if (column == SHOAL_CHECKPOINT_REMOVE)
    shoal_buf_addf(sql, " AND log.\"remove\".\"deletionTimestamp\" >= %lld", (long long)c->oldest);
}

bool shoal_checkpoint_key(const shoal_checkpoint *c, size_t column, shoal_buf *sql) {
  bool there = old_column(c, columns[column].name);
  if (there)
    add_old_key(c, sql, column);
  return there;
}

/* An add as the checkpoint is to have it: with or without text, with or without typed columns. */
static void add_formed(const shoal_checkpoint *c, shoal_buf *sql) {
  const char *separator = "";
  shoal_buf_addz(sql, "CASE WHEN \"add\".path IS NOT NULL THEN struct_pack(");
  for (size_t i = 0; i < columns[SHOAL_CHECKPOINT_ADD].n; i++) {
    const char *name = columns[SHOAL_CHECKPOINT_ADD].members[i].name;
    if (!c->form.text && shoal_str_is(shoal_str_z(name), "stats"))
      continue;
    shoal_buf_addf(sql, "%s\"%s\" := \"add\".\"%s\"", separator, name, name);
    separator = ", ";
  }
  if (c->form.parsed)
    shoal_checkpoint_typed(&c->form, sql);
  shoal_buf_addz(sql, ") END AS \"add\"");
}

void shoal_checkpoint_query(const shoal_checkpoint *c, shoal_buf *sql) {
  for (size_t i = 0; i < SHOAL_CHECKPOINT_COLUMNS; i++) {
    shoal_buf_addz(sql, i ? ", " : "SELECT ");
    if (i == SHOAL_CHECKPOINT_ADD && c->form.name.ptr)
      add_formed(c, sql);
    else
      shoal_buf_addf(sql, "\"%s\"", columns[i].name);
  }
  shoal_buf_addz(sql, " FROM (SELECT ");
  for (size_t i = 0; i < SHOAL_CHECKPOINT_COLUMNS; i++)
    shoal_buf_addf(sql, "\"%s\", ", columns[i].name);
  if (c->form.parsed)
    shoal_checkpoint_state_stats(&c->form, sql);
  else
    shoal_buf_addz(sql, "NULL");
  shoal_buf_addz(sql, " AS parsed FROM state");
  if (c->n_below) {
    add_below(c, sql, SHOAL_CHECKPOINT_ADD);
    add_below(c, sql, SHOAL_CHECKPOINT_REMOVE);
  }
  shoal_buf_addc(sql, ')');
}

/* What is compared: how many there are, and which. What goes over from below is not read once more for its statistics.
 */
static void add_summary(const shoal_checkpoint *c, shoal_buf *sql) {
  size_t first = c->v2 ? SHOAL_CHECKPOINT_ADD : 0,
         last = c->v2 ? SHOAL_CHECKPOINT_REMOVE + 1 : SHOAL_CHECKPOINT_COLUMNS;
  shoal_buf_addz(sql, "SELECT count(*), count(\"add\".path), ");
  for (size_t i = first; i < last; i++)
    shoal_buf_addf(sql, "%scount(\"%s\".\"%s\")", i > first ? " || ' ' || " : "", columns[i].name,
                   columns[i].members[0].name);
  shoal_buf_addf(
      sql,
      " || ' ' || coalesce(sum(\"add\".size), 0) || ' ' || coalesce(bit_xor(hash(\"add\".path%s)), 0) || ' ' "
      "|| coalesce(bit_xor(hash(\"remove\".path)), 0) FROM ",
      c->n_below       ? ""
      : c->form.text   ? ", \"add\".stats"
      : c->form.parsed ? ", \"add\".stats_parsed"
                       : "");
}

/* ---- running it ---- */

shoal_str shoal_checkpoint_keep(shoal_checkpoint *c, shoal_buf *text) {
  shoal_str copy = text->status < 0 ? SHOAL_STR_NONE : shoal_arena_str(&c->arena, shoal_buf_str(text));
  shoal_buf_dispose(text);
  return copy;
}

static shoal_status find_inputs(shoal_checkpoint *c) {
  shoal_checkpoint_inputs *in = &c->in;
  size_t most = c->longest + 1 > LEAST_OBJECT ? c->longest + 1 : LEAST_OBJECT;
  const char *size = shoal_arena_printf(&c->arena, "%zu", most);
  const shoal_scan_option lines = {SHOAL_STR("format"), SHOAL_STR("newline_delimited")};
  shoal_buf types = {0};
  for (size_t i = 0; i < SHOAL_CHECKPOINT_COLUMNS; i++) {
    shoal_buf_addf(&types, "%s%s: '", i ? ", " : "{", columns[i].name);
    add_column_type(c, &types, i);
    shoal_buf_addc(&types, '\'');
  }
  shoal_buf_addc(&types, '}');
  shoal_str of_state = shoal_checkpoint_keep(c, &types);
  if (!size || !of_state.ptr)
    return shoal_fail_nomem(c->err);
  *in = (shoal_checkpoint_inputs){
      .of_state = {{SHOAL_STR("columns"), of_state}, lines, {SHOAL_STR("maximum_object_size"), shoal_str_z(size)}},
      .of_spoken = {{SHOAL_STR("columns"), SHOAL_STR("{key: 'VARCHAR'}")}, lines},
      .of_below = {{SHOAL_STR("union_by_name"), SHOAL_STR("true")}, {SHOAL_STR("filename"), SHOAL_STR("true")}},
      .files = {{.path = c->json}, {.path = c->spoken}}};
  in->scans[0] = (shoal_scan){
      .format = SHOAL_SCAN_JSON, .files = &in->files[0], .n_files = 1, .options = in->of_state, .n_options = 3};
  in->scans[1] = (shoal_scan){
      .format = SHOAL_SCAN_JSON, .files = &in->files[1], .n_files = 1, .options = in->of_spoken, .n_options = 2};
  in->scans[2] = (shoal_scan){.format = SHOAL_SCAN_PARQUET, .options = in->of_below};
  in->list[0] = (shoal_input){SHOAL_STR("state"), &in->scans[0]};
  in->list[1] = (shoal_input){SHOAL_STR("spoken"), &in->scans[1]};
  in->list[2] = (shoal_input){SHOAL_STR("below"), &in->scans[2]};
  shoal_checkpoint_take_below(c, c->n_below);
  return SHOAL_OK;
}

void shoal_checkpoint_take_below(shoal_checkpoint *c, size_t n) {
  c->n_below = n;
  c->in.scans[2].files = c->below;
  c->in.scans[2].n_files = n;
  c->in.scans[2].n_options = c->v2 ? 2 : n > 1;
  c->in.n = n ? 3 : 1;
}

shoal_status shoal_checkpoint_know_below(shoal_checkpoint *c) {
  const shoal_job job = {.sql = SHOAL_STR("SELECT * FROM below"), .inputs = &c->in.list[2], .n_inputs = 1};
  if (!c->n_below)
    return SHOAL_OK;
  SHOAL_TRY(shoal_engine_bind(c->engine, &job, &c->arena, &c->old, c->err));
  const shoal_type *add = old_column(c, "add"),
                   *values = add ? shoal_delta_checkpoint_field(add, "partitionValues") : NULL;
  if (values && values->kind != SHOAL_TYPE_MAP)
    return shoal_fail(c->err, SHOAL_EUNSUPPORTED, "its partition values are no map");
  return add ? shoal_checkpoint_below_check(&c->form, add, c->err) : SHOAL_OK;
}

static shoal_status summarize(shoal_checkpoint *c, const shoal_job *job, shoal_str *actions, shoal_str *adds,
                              shoal_str *out) {
  shoal_rows *rows;
  SHOAL_TRY(shoal_engine_query(c->engine, job, &rows, c->err));
  shoal_status status = shoal_rows_next(rows, c->err);
  if (status == SHOAL_DONE)
    status = shoal_fail(c->err, SHOAL_EENGINE, "the engine gave no row");
  if (status == SHOAL_OK) {
    *actions = shoal_arena_str(&c->arena, shoal_rows_text(rows, 0));
    *adds = shoal_arena_str(&c->arena, shoal_rows_text(rows, 1));
    *out = shoal_arena_str(&c->arena, shoal_rows_text(rows, 2));
    status = out->ptr ? SHOAL_OK : shoal_fail_nomem(c->err);
  }
  shoal_rows_free(rows);
  return status;
}

/* K1. */
shoal_status shoal_checkpoint_verify(shoal_checkpoint *c, const shoal_scan *made, shoal_str all) {
  shoal_input written = {SHOAL_STR("log"), made};
  shoal_buf sql = {0};
  shoal_str is, wanted, ignored;
  add_summary(c, &sql);
  shoal_buf_addz(&sql, "log");
  shoal_job job = {.sql = shoal_checkpoint_keep(c, &sql), .inputs = &written, .n_inputs = 1};
  SHOAL_TRY(job.sql.ptr ? summarize(c, &job, &c->actions, &c->adds, &is) : shoal_fail_nomem(c->err));
  add_summary(c, &sql);
  shoal_buf_addf(&sql, "(%.*s)", SHOAL_FMT(all));
  job = (shoal_job){.sql = shoal_checkpoint_keep(c, &sql), .inputs = c->in.list, .n_inputs = c->in.n};
  SHOAL_TRY(job.sql.ptr ? summarize(c, &job, &ignored, &ignored, &wanted) : shoal_fail_nomem(c->err));
  if (!shoal_str_eq(is, wanted))
    return shoal_fail(c->err, SHOAL_ECORRUPT, "the checkpoint that was written does not hold the table's state");
  return SHOAL_OK;
}

static shoal_status to_parquet(shoal_checkpoint *c) {
  shoal_scan_file file = {.path = c->parquet};
  const shoal_scan scan = {.format = SHOAL_SCAN_PARQUET, .files = &file, .n_files = 1};
  shoal_buf sql = {0};
  shoal_checkpoint_query(c, &sql);
  const shoal_job job = {.sql = shoal_checkpoint_keep(c, &sql),
                         .inputs = c->in.list,
                         .n_inputs = c->in.n,
                         .codec = shoal_delta_checkpoint_codec(&c->s->metadata)};
  if (!job.sql.ptr)
    return shoal_fail_nomem(c->err);
  SHOAL_TRY(shoal_engine_copy(c->engine, &job, c->parquet.ptr, SHOAL_STR("parquet"), c->err));
  return shoal_checkpoint_verify(c, &scan, job.sql);
}

/* K2. */
shoal_status shoal_checkpoint_hint(shoal_checkpoint *c, uint64_t bytes) {
  shoal_buf text = {0};
  shoal_jw w = {.out = &text};
  shoal_log_hint there;
  SHOAL_TRY(shoal_delta_log_hint(c->table, &c->arena, &there, c->err));
  if (there.version > c->s->version)
    return SHOAL_OK;
  shoal_str key = shoal_delta_key(c->table, &c->arena, "_delta_log/_last_checkpoint");
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "version", c->s->version);
  shoal_jw_key(&w, "size");
  shoal_jw_raw(&w, c->actions);
  shoal_jw_ki64(&w, "sizeInBytes", (int64_t)bytes);
  shoal_jw_key(&w, "numOfAddFiles");
  shoal_jw_raw(&w, c->adds);
  shoal_jw_end(&w);
  shoal_status status = key.ptr ? shoal_buf_check(&text, c->err) : shoal_fail_nomem(c->err);
  if (status == SHOAL_OK)
    status = shoal_store_rewrite(c->table->store, key, shoal_buf_str(&text), c->err);
  shoal_buf_dispose(&text);
  return status;
}

static shoal_status publish(shoal_checkpoint *c) {
  shoal_stat st;
  SHOAL_TRY(shoal_os_stat(c->parquet.ptr, &st, c->err));
  shoal_str key =
      shoal_delta_key(c->table, &c->arena, "_delta_log/%020lld.checkpoint.parquet", (long long)c->s->version);
  if (!key.ptr)
    return shoal_fail_nomem(c->err);
  shoal_status status = shoal_store_put_files(c->table->store, &(shoal_put_file){c->parquet, key}, 1, c->err);
  if (status < 0 && status != SHOAL_EEXIST) /* K3 */
    return status;
  return shoal_checkpoint_hint(c, st.size);
}

static shoal_status write_classic(shoal_checkpoint *c) {
  SHOAL_TRY(shoal_checkpoint_know_below(c));
  SHOAL_TRY(to_parquet(c));
  return publish(c);
}

static shoal_status check(const shoal_delta_table *table, shoal_error *err) {
  if (!table->get_engine)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "a checkpoint needs an engine to write Parquet");
  return SHOAL_OK;
}

static shoal_status stage(shoal_checkpoint *c) {
  SHOAL_TRY(c->table->get_engine(c->table->engine_arg, &c->engine, c->err));
  SHOAL_TRY(shoal_store_staging(c->table->store, &c->arena, &c->staging, c->err));
  c->json = shoal_str_z(shoal_arena_printf(&c->arena, "%s/state.json", c->staging));
  c->spoken = shoal_str_z(shoal_arena_printf(&c->arena, "%s/spoken.json", c->staging));
  c->parquet = shoal_str_z(shoal_arena_printf(&c->arena, "%s/state.parquet", c->staging));
  if (!c->json.ptr || !c->spoken.ptr || !c->parquet.ptr)
    return shoal_fail_nomem(c->err);
  int64_t kept = shoal_delta_file_retention(&c->s->metadata);
  SHOAL_TRY(shoal_checkpoint_form_of(&c->s->metadata, &c->arena, &c->form, c->err));
  c->oldest = kept < 0 ? INT64_MIN : shoal_time_now() / 1000 - kept;
  SHOAL_TRY(add_state(c));
  c->n_below = c->s->n_below;
  if (c->n_below) {
    SHOAL_TRY(shoal_delta_below_files(c->table, c->s, &c->arena, &c->below, c->err));
    SHOAL_TRY(add_spoken(c));
  }
  return find_inputs(c);
}

static shoal_status write_checkpoint(const shoal_delta_table *table, const shoal_delta_snapshot *s,
                                     shoal_delta_checkpointed *out, shoal_error *err) {
  shoal_checkpoint c = {.table = table, .s = s, .err = err};
  SHOAL_TRY(check(table, err));
  c.v2 = shoal_delta_has_feature(&s->protocol, "v2Checkpoint") &&
         shoal_str_is(shoal_delta_config(&s->metadata, "delta.checkpointPolicy"), "v2");
  shoal_status status = stage(&c);
  if (status == SHOAL_OK && c.v2)
    status = shoal_checkpoint_v2(&c);
  else if (status == SHOAL_OK)
    status = write_classic(&c);
  if (status < 0)
    shoal_context(err, "the checkpoint of version %lld", (long long)s->version);
  *out = (shoal_delta_checkpointed){.version = s->version};
  if (status == SHOAL_OK && !shoal_str_i64(c.adds, &out->n_files))
    out->n_files = -1;
  if (c.staging)
    shoal_ignore(shoal_os_remove_tree(c.staging, NULL)); /* what stays is swept up with the dead's */
  shoal_buf_dispose(&c.text);
  shoal_buf_dispose(&c.top);
  shoal_arena_dispose(&c.arena);
  return status;
}

shoal_status shoal_delta_checkpoint(const shoal_delta_table *table, const shoal_delta_snapshot *s, shoal_error *err) {
  shoal_delta_checkpointed ignored;
  return write_checkpoint(table, s, &ignored, err);
}

shoal_status shoal_delta_checkpoint_version(const shoal_delta_table *table, int64_t version,
                                            shoal_delta_checkpointed *out, shoal_error *err) {
  shoal_delta_snapshot *s = NULL;
  shoal_error first = {0};
  shoal_status status = shoal_delta_tip_open(table, version, &s, &first);
  if (status == SHOAL_OK)
    status = write_checkpoint(table, s, out, &first);
  /* What lies below may be broken, or unlike what others write. */
  if (s && s->n_below && (shoal_delta_log_broken(status) || status == SHOAL_EUNSUPPORTED)) {
    int64_t at = s->version;
    shoal_delta_snapshot_free(s);
    first = (shoal_error){0};
    status = shoal_delta_snapshot_open(table, at, &s, &first);
    if (status == SHOAL_OK)
      status = write_checkpoint(table, s, out, &first);
  }
  shoal_delta_snapshot_free(s);
  if (status < 0 && err)
    *err = first;
  return status;
}
