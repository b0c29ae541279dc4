/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes commits: one action a line. Each carries a random txnId in its commitInfo, so that its bytes are unlike those
 * of every other commit; this is how our own is known again when a store fails without saying whether it wrote.
 */
#include "base/os.h"
#include "base/time.h"
#include "delta/delta_internal.h"

#define PIECE (4u << 20)
#define HEAD 4096 /* commitInfo, which has the txnId, is shorter, or at least begins sooner */

/* Waits for the piece that is being written. */
static shoal_status finish_piece(shoal_delta_commit *c, shoal_error *err) {
  shoal_thread_join(&c->writer);
  if (c->failure.status < 0 && err)
    *err = c->failure;
  return c->failure.status;
}

static shoal_status end_file(shoal_delta_commit *c, shoal_error *err) {
  shoal_status status = finish_piece(c, err);
  int fd = c->fd;
  c->fd = 0;
  if (status < 0)
    shoal_ignore(fd > 0 ? shoal_os_pieces_end(fd, c->path, NULL) : SHOAL_OK);
  else if (fd > 0)
    status = shoal_os_pieces_end(fd, c->path, err);
  return status;
}

void shoal_delta_commit_dispose(shoal_delta_commit *c) {
  if (!c)
    return;
  shoal_ignore(end_file(c, NULL));
  if (c->staging)
    shoal_ignore(shoal_os_remove_tree(c->staging, NULL)); /* what was put has left it */
  shoal_buf_dispose(&c->text);
  shoal_buf_dispose(&c->piece);
  shoal_buf_dispose(&c->head);
  shoal_arena_dispose(&c->arena);
  *c = (shoal_delta_commit){0};
}

shoal_status shoal_delta_commit_stage(const shoal_delta_table *table, shoal_delta_commit *c, shoal_error *err) {
  SHOAL_TRY(shoal_store_staging(table->store, &c->arena, &c->staging, err));
  c->path = shoal_arena_printf(&c->arena, "%s/commit.json", c->staging);
  return c->path ? shoal_os_pieces_begin(c->path, &c->fd, err) : shoal_fail_nomem(err);
}

static void write_piece(void *arg) {
  shoal_delta_commit *c = arg;
  c->failure = (shoal_error){0};
  shoal_ignore(shoal_os_pieces_add(c->fd, c->path, shoal_buf_str(&c->piece), &c->failure));
}

/* While one piece is written the next is made; of the last one the end is waited for. */
static shoal_status flush(shoal_delta_commit *c, bool last, shoal_error *err) {
  SHOAL_TRY(shoal_buf_check(&c->text, err));
  SHOAL_TRY(finish_piece(c, err));
  if (c->bytes == 0) {
    shoal_buf_add(&c->head, shoal_str_sub(shoal_buf_str(&c->text), 0, c->text.len < HEAD ? c->text.len : HEAD));
    SHOAL_TRY(shoal_buf_check(&c->head, err));
  }
  shoal_buf full = c->text;
  c->text = c->piece;
  c->piece = full;
  shoal_buf_clear(&c->text);
  c->bytes += full.len;
  if (!last && shoal_thread_start(&c->writer, write_piece, c, NULL) == SHOAL_OK)
    return SHOAL_OK;
  write_piece(c);
  return finish_piece(c, err);
}

shoal_status shoal_delta_commit_flush(shoal_delta_commit *c, shoal_error *err) {
  return c->text.status < 0 || (c->path && c->text.len >= PIECE) ? flush(c, false, err) : SHOAL_OK;
}

void shoal_delta_add_line(shoal_buf *out, shoal_str json) {
  for (size_t i = 0; i < json.len; i++) {
    char c = json.ptr[i];
    shoal_buf_addc(out, c == '\n' || c == '\r' ? ' ' : c);
  }
}

static int64_t floor_ms(int64_t us) { return us / 1000 - (us % 1000 < 0); }

static shoal_jw open_action(shoal_delta_commit *c, const char *kind) {
  shoal_jw w = {.out = &c->text};
  shoal_jw_obj(&w);
  shoal_jw_key(&w, kind);
  shoal_jw_obj(&w);
  return w;
}

static void close_action(shoal_jw *w) {
  shoal_jw_end(w);
  shoal_jw_end(w);
  shoal_buf_addc(w->out, '\n');
}

/* key and JSON text, {NULL,0} writes nothing. */
static void add_json(shoal_jw *w, const char *key, shoal_str json) {
  if (!json.ptr)
    return;
  shoal_jw_key(w, key);
  shoal_jw_raw(w, SHOAL_STR(""));
  shoal_delta_add_line(w->out, json);
}

/* The members of an object's text, without its braces. */
static void add_members(shoal_jw *w, shoal_str json) {
  json = shoal_str_trim(json);
  if (json.len < 2)
    return;
  shoal_str inside = shoal_str_trim(shoal_str_sub(json, 1, json.len - 1));
  if (inside.len == 0)
    return;
  shoal_buf_addc(w->out, ',');
  shoal_delta_add_line(w->out, inside);
}

static void add_kv(shoal_jw *w, const char *key, const shoal_delta_kv *kv, size_t n) {
  shoal_jw_key(w, key);
  shoal_jw_obj(w);
  for (size_t i = 0; i < n; i++) {
    shoal_jw_keys(w, kv[i].key);
    shoal_jw_str(w, kv[i].value);
  }
  shoal_jw_end(w);
}

static void add_texts(shoal_jw *w, const char *key, const shoal_str *texts, size_t n) {
  shoal_jw_key(w, key);
  shoal_jw_arr(w);
  for (size_t i = 0; i < n; i++)
    shoal_jw_str(w, texts[i]);
  shoal_jw_end(w);
}

void shoal_delta_commit_info(shoal_delta_commit *c, int64_t time_us, const char *operation, shoal_str parameters,
                             bool blind_append, shoal_str extra) {
  char id[SHOAL_UUID_TEXT];
  shoal_os_uuid(id);
  shoal_jw w = open_action(c, "commitInfo");
  shoal_jw_ki64(&w, "timestamp", floor_ms(time_us));
  shoal_jw_kz(&w, "operation", operation);
  add_json(&w, "operationParameters", parameters.ptr ? parameters : SHOAL_STR("{}"));
  shoal_jw_kbool(&w, "isBlindAppend", blind_append);
  shoal_jw_kz(&w, "engineInfo", "Shoal/" SHOAL_VERSION);
  shoal_jw_kz(&w, "txnId", id);
  add_members(&w, extra);
  close_action(&w);
}

void shoal_delta_commit_protocol(shoal_delta_commit *c, const shoal_delta_protocol *p) {
  shoal_jw w = open_action(c, "protocol");
  shoal_jw_ki64(&w, "minReaderVersion", p->min_reader);
  shoal_jw_ki64(&w, "minWriterVersion", p->min_writer);
  if (p->min_reader >= 3)
    add_texts(&w, "readerFeatures", p->reader_features, p->n_reader_features);
  if (p->min_writer >= 7)
    add_texts(&w, "writerFeatures", p->writer_features, p->n_writer_features);
  close_action(&w);
}

static void add_schema(shoal_jw *w, const shoal_delta_metadata *m) {
  shoal_buf made = {0};
  shoal_str json = m->schema_json;
  if (!json.ptr) {
    shoal_status status = shoal_delta_schema_json(&m->schema, &made, NULL);
    if (status < 0 && w->out->status == SHOAL_OK)
      w->out->status = made.status;
    json = shoal_buf_str(&made);
  }
  shoal_jw_kstr(w, "schemaString", json);
  shoal_buf_dispose(&made);
}

void shoal_delta_commit_metadata(shoal_delta_commit *c, const shoal_delta_metadata *m) {
  shoal_jw w = open_action(c, "metaData");
  shoal_jw_kstr(&w, "id", m->id);
  shoal_jw_kstr(&w, "name", m->name);
  shoal_jw_kstr(&w, "description", m->description);
  add_json(&w, "format", SHOAL_STR("{\"provider\":\"parquet\",\"options\":{}}"));
  add_schema(&w, m);
  add_texts(&w, "partitionColumns", m->partition_columns, m->n_partition_columns);
  add_kv(&w, "configuration", m->configuration, m->n_configuration);
  if (m->created_ms)
    shoal_jw_ki64(&w, "createdTime", m->created_ms);
  close_action(&w);
}

static void add_row_ids(shoal_jw *w, const shoal_delta_file *f) {
  if (!f->has_row_id)
    return;
  shoal_jw_ki64(w, "baseRowId", f->base_row_id);
  if (f->row_commit_version >= 0)
    shoal_jw_ki64(w, "defaultRowCommitVersion", f->row_commit_version);
}

void shoal_delta_commit_add(shoal_delta_commit *c, const shoal_delta_file *f) {
  shoal_jw w = open_action(c, "add");
  shoal_jw_kstr(&w, "path", f->path);
  add_kv(&w, "partitionValues", f->partition_values, f->n_partition_values);
  shoal_jw_ki64(&w, "size", (int64_t)f->size);
  shoal_jw_ki64(&w, "modificationTime", f->modified_ms);
  shoal_jw_kbool(&w, "dataChange", f->data_change);
  shoal_jw_kstr(&w, "stats", f->stats);
  if (f->n_tags)
    add_kv(&w, "tags", f->tags, f->n_tags);
  add_json(&w, "deletionVector", f->deletion_vector);
  add_row_ids(&w, f);
  if (f->clustering.ptr)
    shoal_jw_kstr(&w, "clusteringProvider", f->clustering);
  close_action(&w);
}

void shoal_delta_commit_remove(shoal_delta_commit *c, const shoal_delta_file *f, int64_t time_us) {
  shoal_jw w = open_action(c, "remove");
  shoal_jw_kstr(&w, "path", f->path);
  shoal_jw_ki64(&w, "deletionTimestamp", floor_ms(time_us));
  shoal_jw_kbool(&w, "dataChange", f->data_change);
  shoal_jw_kbool(&w, "extendedFileMetadata", true);
  add_kv(&w, "partitionValues", f->partition_values, f->n_partition_values);
  shoal_jw_ki64(&w, "size", (int64_t)f->size);
  if (f->n_tags)
    add_kv(&w, "tags", f->tags, f->n_tags);
  add_json(&w, "deletionVector", f->deletion_vector);
  add_row_ids(&w, f);
  close_action(&w);
}

void shoal_delta_commit_cdc(shoal_delta_commit *c, const shoal_delta_file *f) {
  shoal_jw w = open_action(c, "cdc");
  shoal_jw_kstr(&w, "path", f->path);
  add_kv(&w, "partitionValues", f->partition_values, f->n_partition_values);
  shoal_jw_ki64(&w, "size", (int64_t)f->size);
  shoal_jw_kbool(&w, "dataChange", false);
  close_action(&w);
}

void shoal_delta_commit_txn(shoal_delta_commit *c, shoal_str app_id, int64_t version, int64_t time_us) {
  shoal_jw w = open_action(c, "txn");
  shoal_jw_kstr(&w, "appId", app_id);
  shoal_jw_ki64(&w, "version", version);
  shoal_jw_ki64(&w, "lastUpdated", floor_ms(time_us));
  close_action(&w);
}

void shoal_delta_commit_domain(shoal_delta_commit *c, shoal_str domain, shoal_str configuration, bool removed) {
  shoal_jw w = open_action(c, "domainMetadata");
  shoal_jw_kstr(&w, "domain", domain);
  shoal_jw_kstr(&w, "configuration", configuration);
  shoal_jw_kbool(&w, "removed", removed);
  close_action(&w);
}

/* What lies there: SHOAL_OK is our own commit, SHOAL_EEXIST somebody else's, SHOAL_ENOTFOUND none. Of a large one its
   size and how it begins tell. */
static shoal_status look(const shoal_delta_table *table, const shoal_delta_commit *c, shoal_str key, shoal_error *err) {
  shoal_buf there = {0};
  shoal_object object;
  shoal_str ours = c->path ? shoal_buf_str(&c->head) : shoal_buf_str(&c->text);
  shoal_status status = shoal_store_head(table->store, key, &object, err);
  if (status == SHOAL_OK)
    status = shoal_store_get_range(table->store, key, 0, ours.len, &there, err);
  bool marked = shoal_str_find(ours, SHOAL_STR("\"txnId\":\"")) >= 0, same = shoal_str_eq(shoal_buf_str(&there), ours);
  if (status == SHOAL_OK && !(marked && same && object.size == (c->path ? c->bytes : ours.len)))
    status = SHOAL_EEXIST;
  shoal_buf_dispose(&there);
  return status;
}

static shoal_status put(const shoal_delta_table *table, const shoal_delta_commit *c, shoal_str key, shoal_error *err) {
  const shoal_put_file file = {shoal_str_z(c->path), key};
  return c->path ? shoal_store_put_files(table->store, &file, 1, err)
                 : shoal_store_put_new(table->store, key, shoal_buf_str(&c->text), err);
}

shoal_status shoal_delta_commit_taken(int64_t version, shoal_error *err) {
  return shoal_fail(err, SHOAL_EEXIST, "version %lld of the table has been committed by somebody else",
                    (long long)version);
}

/* After a failure: a commit may be there all the same, ours or another's. */
static shoal_status settle(const shoal_delta_table *table, const shoal_delta_commit *c, shoal_str key, int64_t version,
                           shoal_status failure, shoal_error *err) {
  shoal_status there = look(table, c, key, NULL);
  if (there == SHOAL_OK && (failure == SHOAL_EEXIST || !c->path)) {
    /* Asked once more, the store answers only when the object that is there is durable (contract C2). */
    shoal_str ours = shoal_buf_str(&c->text);
    shoal_status again = failure == SHOAL_EEXIST ? failure : shoal_store_put_new(table->store, key, ours, NULL);
    if (again == SHOAL_EEXIST || again == SHOAL_OK)
      return SHOAL_OK;
  }
  if (there == SHOAL_EEXIST || failure == SHOAL_EEXIST)
    return shoal_delta_commit_taken(version, err);
  if (there != SHOAL_ENOTFOUND)
    shoal_hint(err, "whether version %lld was committed is unknown; its data files must be kept", (long long)version);
  return failure;
}

shoal_status shoal_delta_commit_put(const shoal_delta_table *table, shoal_delta_commit *c, int64_t version,
                                    shoal_error *err) {
  shoal_arena arena = {0};
  SHOAL_TRY(shoal_buf_check(&c->text, err));
  if (version < 0 || (c->text.len == 0 && c->bytes == 0))
    return shoal_fail(err, SHOAL_EINVAL, "an empty commit, or one without a version, can't be put");
  if (c->path) {
    SHOAL_TRY(flush(c, true, err));
    SHOAL_TRY(end_file(c, err));
  }
  shoal_str key = shoal_delta_key(table, &arena, "_delta_log/%020lld.json", (long long)version);
  shoal_status status = key.ptr ? put(table, c, key, err) : shoal_fail_nomem(err);
  if (status < 0 && key.ptr)
    status = settle(table, c, key, version, status, err);
  shoal_arena_dispose(&arena);
  return status;
}
