/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shallow clones: a commit 0 that names another table's files, by file:/path, as Spark names them: what it removes of
 * others most readers don't find again, and still show. Row ids stay with the source, as the protocol's other writers
 * have it: rows get new ones, and those in the files count no more. What lies in the source's checkpoint goes from
 * there into the commit row by row, so that memory does not grow with the number of files.
 */
#include "base/os.h"
#include "base/time.h"
#include "delta/adds.h"
#include "delta/deletion_vector.h"
#include "delta/maintain.h"
#include "delta/row_tracking.h"
#include "delta/transaction.h"

typedef struct cloning {
  const shoal_delta_table *table, *source;
  shoal_arena arena;
  shoal_str root;   /* of the source, as its store says, */
  char *real;       /* and without links, */
  shoal_buf folder; /* and encoded, as a URI */
  shoal_delta_snapshot *snapshot;
  shoal_delta_metadata metadata;
  shoal_delta_transaction *transaction;
  shoal_delta_putting *to;
  const shoal_str *columns; /* of partitions, */
  shoal_delta_kv *values;   /* and a row's */
  shoal_buf path;
  size_t n_files;
} cloning;

/* The path of a file of the source as one that holds everywhere on this machine, behind a scheme or none. */
static shoal_status absolute(cloning *c, const char *scheme, shoal_str path, shoal_arena *arena, shoal_str *out,
                             shoal_error *err) {
  shoal_delta_place place;
  shoal_buf text = {0};
  char *real = NULL;
  SHOAL_TRY(shoal_delta_path_resolve(c->source, path, arena, &place, err));
  if (!place.local)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "the store has no local file for '%.*s'", SHOAL_FMT(path));
  shoal_str local = shoal_str_z(place.local);
  bool inside = place.key.ptr && shoal_str_starts(local, c->root);
  if (!inside)
    SHOAL_TRY(shoal_os_realpath(place.local, arena, &real, err));
  shoal_buf_addz(&text, scheme);
  shoal_delta_path_encode(&text, shoal_str_z(inside ? c->real : real));
  if (inside)
    shoal_delta_path_encode(&text, shoal_str_sub(local, c->root.len, local.len));
  return shoal_buf_take(&text, arena, out, err);
}

/* A vector that was named by its table's folder is named by its path (protocol, storage type "p"); delta-rs wants a URI
   here. */
static shoal_status clone_vector(cloning *c, shoal_str json, shoal_arena *arena, shoal_str *out, shoal_error *err) {
  shoal_delta_vector_descriptor d;
  shoal_buf path = {0};
  shoal_str full = {0};
  SHOAL_TRY(shoal_delta_vector_describe(json, arena, &d, err));
  bool inlined = d.storage == 'i';
  shoal_status status = inlined ? SHOAL_OK : shoal_delta_vector_path(&d, &path, err);
  if (status == SHOAL_OK && !inlined)
    status = absolute(c, "file://", shoal_buf_str(&path), arena, &full, err);
  shoal_buf_clear(&path);
  shoal_jw w = {.out = &path};
  shoal_jw_obj(&w);
  shoal_jw_kz(&w, "storageType", inlined ? "i" : "p");
  shoal_jw_kstr(&w, "pathOrInlineDv", inlined ? d.where : full);
  if (!inlined)
    shoal_jw_ki64(&w, "offset", d.offset);
  shoal_jw_ki64(&w, "sizeInBytes", (int64_t)d.size);
  shoal_jw_ki64(&w, "cardinality", (int64_t)d.cardinality);
  shoal_jw_end(&w);
  status = status == SHOAL_OK ? shoal_buf_take(&path, arena, out, err) : status;
  shoal_buf_dispose(&path);
  return status;
}

static shoal_status find_root(cloning *c, shoal_error *err) {
  char *root = shoal_delta_root(c->source, &c->arena);
  if (!root)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "the store has no local files");
  c->root = shoal_str_z(root);
  SHOAL_TRY(shoal_os_realpath(root, &c->arena, &c->real, err));
  shoal_buf_addz(&c->folder, "file:");
  shoal_delta_path_encode(&c->folder, shoal_str_z(c->real));
  shoal_buf_addc(&c->folder, '/');
  return shoal_buf_check(&c->folder, err);
}

/* But for that of row ids, which the clone's rows have of their own. */
static shoal_status clone_domains(cloning *c, shoal_error *err) {
  const shoal_delta_snapshot *s = c->snapshot;
  shoal_status status = SHOAL_OK;
  for (size_t i = 0; i < s->domains.len && status == SHOAL_OK; i++) {
    const shoal_replay_named *d = &s->domains.ptr[i];
    yyjson_doc *doc;
    if (d->removed || shoal_str_is(d->id, SHOAL_TRACKING_DOMAIN))
      continue;
    SHOAL_TRY(shoal_json_parse(d->raw, "domainMetadata", &doc, err));
    shoal_str configuration = shoal_arena_str(&c->arena, shoal_json_str(yyjson_doc_get_root(doc), "configuration"));
    yyjson_doc_free(doc);
    status = configuration.ptr
                 ? shoal_delta_transaction_domain(c->transaction, d->id, configuration, err)
                 : shoal_fail(err, SHOAL_ECORRUPT, "the domain '%.*s' has no configuration", SHOAL_FMT(d->id));
  }
  return status;
}

/* ---- files ---- */

/* `f` has the names that the source gives; they hold until the file is put. */
static shoal_status put_file(cloning *c, shoal_delta_file *f, shoal_arena *scratch, shoal_error *err) {
  f->data_change = true;
  f->has_row_id = false;
  if (shoal_delta_path_is_plain(f->path)) {
    shoal_buf_clear(&c->path);
    shoal_buf_add(&c->path, shoal_buf_str(&c->folder));
    shoal_buf_add(&c->path, f->path);
    SHOAL_TRY(shoal_buf_check(&c->path, err));
    f->path = shoal_buf_str(&c->path);
  } else {
    SHOAL_TRY(absolute(c, "file:", f->path, scratch, &f->path, err));
  }
  if (f->deletion_vector.ptr)
    SHOAL_TRY(clone_vector(c, f->deletion_vector, scratch, &f->deletion_vector, err));
  c->n_files++;
  return shoal_delta_transaction_put(c->to, f, err);
}

static shoal_status put_row(void *arg, const shoal_adds_row *row, shoal_error *err) {
  cloning *c = arg;
  shoal_arena scratch = {0};
  size_t n = c->metadata.n_partition_columns;
  shoal_delta_file f = {.path = row->path,
                        .size = (uint64_t)row->size,
                        .modified_ms = row->modified_ms,
                        .stats = row->stats,
                        .clustering = row->clustering,
                        .deletion_vector = row->vector,
                        .partition_values = c->values,
                        .n_partition_values = n};
  for (size_t i = 0; i < n; i++)
    c->values[i] = (shoal_delta_kv){c->columns[i], row->values[i]};
  shoal_status status = SHOAL_OK;
  if (row->tags.ptr)
    status = shoal_delta_kv_parse(row->tags, "tags", &scratch, &f.tags, &f.n_tags, err);
  if (status == SHOAL_OK)
    status = put_file(c, &f, &scratch, err);
  shoal_arena_dispose(&scratch);
  return status;
}

static shoal_status give(void *arg, shoal_delta_putting *to, shoal_error *err) {
  const unsigned wanted =
      SHOAL_ADDS_SIZE | SHOAL_ADDS_STATS | SHOAL_ADDS_VALUES | SHOAL_ADDS_MODIFIED | SHOAL_ADDS_MARKS;
  cloning *c = arg;
  c->to = to;
  c->n_files = 0;
  shoal_status status = SHOAL_OK;
  for (size_t i = 0; i < c->snapshot->n_files && status == SHOAL_OK; i++) {
    shoal_arena scratch = {0};
    shoal_delta_file f = c->snapshot->files[i];
    status = put_file(c, &f, &scratch, err);
    shoal_arena_dispose(&scratch);
  }
  return status == SHOAL_OK ? shoal_delta_tip_each(c->source, c->snapshot, wanted, put_row, c, err) : status;
}

static shoal_status describe(cloning *c, shoal_str *out, shoal_error *err) {
  shoal_buf text = {0};
  shoal_jw w = {.out = &text};
  shoal_jw_obj(&w);
  shoal_jw_kstr(&w, "source", c->root);
  shoal_jw_ki64(&w, "sourceVersion", c->snapshot->version);
  shoal_jw_kz(&w, "isShallow", "true");
  shoal_jw_end(&w);
  return shoal_buf_take(&text, &c->arena, out, err);
}

static shoal_status clone_state(cloning *c, shoal_error *err) {
  char *id = SHOAL_NEW_ARRAY(&c->arena, char, SHOAL_UUID_TEXT);
  int64_t version;
  shoal_str parameters = {0};
  if (!id)
    return shoal_fail_nomem(err);
  shoal_os_uuid(id);
  c->metadata = c->snapshot->metadata;
  c->metadata.id = shoal_str_z(id);
  c->metadata.created_ms = shoal_time_now() / 1000;
  if (shoal_delta_config(&c->metadata, SHOAL_TRACKING_ID).ptr) /* ids of the source are none of the clone's */
    SHOAL_TRY(shoal_delta_tracking_name(&c->arena, &c->metadata, err));
  SHOAL_TRY(find_root(c, err));
  SHOAL_TRY(describe(c, &parameters, err));
  SHOAL_TRY(shoal_delta_transaction_open(c->table, NULL, SHOAL_DELTA_COPIES | SHOAL_DELTA_MAPS, "CLONE", parameters,
                                         &c->transaction, err));
  shoal_delta_transaction_metadata(c->transaction, &c->metadata);
  shoal_delta_transaction_protocol(c->transaction, &c->snapshot->protocol);
  SHOAL_TRY(clone_domains(c, err));
  SHOAL_TRY(shoal_delta_partition_names(&c->metadata, &c->arena, &c->columns, err));
  c->values = SHOAL_NEW_ARRAY(&c->arena, shoal_delta_kv, c->metadata.n_partition_columns);
  if (!c->values)
    return shoal_fail_nomem(err);
  shoal_delta_transaction_adds_more(c->transaction, give, c);
  return shoal_delta_transaction_commit(c->transaction, &version, err);
}

static void dispose(cloning *c) {
  shoal_delta_transaction_free(c->transaction);
  shoal_delta_snapshot_free(c->snapshot);
  shoal_buf_dispose(&c->path);
  shoal_buf_dispose(&c->folder);
  shoal_arena_dispose(&c->arena);
}

shoal_status shoal_delta_clone(const shoal_delta_table *table, const shoal_delta_table *source, int64_t version,
                               size_t *n_files, shoal_error *err) {
  shoal_error why = {0};
  cloning c = {.table = table, .source = source};
  shoal_status status = shoal_delta_tip_open(source, version, &c.snapshot, &why);
  if (status == SHOAL_OK)
    status = clone_state(&c, &why);
  /* A checkpoint that is broken is found out late; then the state is read by whichever way leads there. */
  if (c.snapshot && c.snapshot->n_below && shoal_delta_log_broken(status)) {
    version = c.snapshot->version;
    dispose(&c);
    c = (cloning){.table = table, .source = source};
    why = (shoal_error){0};
    status = shoal_delta_snapshot_open(source, version, &c.snapshot, &why);
    if (status == SHOAL_OK)
      status = clone_state(&c, &why);
  }
  if (status == SHOAL_EEXIST)
    status = shoal_fail(&why, SHOAL_EEXIST, "there is a table already where the clone is to be");
  *n_files = status == SHOAL_OK ? c.n_files : 0;
  if (status < 0 && err)
    *err = why;
  dispose(&c);
  return status;
}
