/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shallow clones: a commit 0 that names another table's files. Paths are absolute, which of all forms most readers
 * follow; row ids stay with the source, as the protocol's other writers have it.
 */
#include "base/os.h"
#include "base/time.h"
#include "delta/deletion_vector.h"
#include "delta/delta_internal.h"
#include "delta/maintain.h"
#include "delta/row_tracking.h"
#include "delta/transaction.h"

typedef struct cloning {
  const shoal_delta_table *table, *source;
  shoal_arena arena;
  shoal_str root; /* of the source, as its store says, */
  char *real;     /* and without links */
  shoal_delta_snapshot *snapshot;
  shoal_delta_file *files;
  shoal_delta_metadata metadata;
  shoal_delta_transaction *transaction;
} cloning;

/* The path of a file of the source as one that holds everywhere on this machine, behind a scheme or none. */
static shoal_status absolute(cloning *c, const char *scheme, shoal_str path, shoal_str *out, shoal_error *err) {
  shoal_delta_place place;
  shoal_buf text = {0};
  char *real = NULL;
  SHOAL_TRY(shoal_delta_path_resolve(c->source, path, &c->arena, &place, err));
  if (!place.local)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "the store has no local file for '%.*s'", SHOAL_FMT(path));
  shoal_str local = shoal_str_z(place.local);
  bool inside = place.key.ptr && shoal_str_starts(local, c->root);
  if (!inside)
    SHOAL_TRY(shoal_os_realpath(place.local, &c->arena, &real, err));
  shoal_buf_addz(&text, scheme);
  shoal_delta_path_encode(&text, shoal_str_z(inside ? c->real : real));
  if (inside)
    shoal_delta_path_encode(&text, shoal_str_sub(local, c->root.len, local.len));
  return shoal_buf_take(&text, &c->arena, out, err);
}

/* A vector that was named by its table's folder is named by its path (protocol, storage type "p"); delta-rs wants a URI
   here. */
static shoal_status clone_vector(cloning *c, shoal_str json, shoal_str *out, shoal_error *err) {
  shoal_delta_vector_descriptor d;
  shoal_buf path = {0};
  shoal_str full = {0};
  SHOAL_TRY(shoal_delta_vector_describe(json, &c->arena, &d, err));
  *out = json;
  if (d.storage == 'i')
    return SHOAL_OK;
  shoal_status status = shoal_delta_vector_path(&d, &path, err);
  if (status == SHOAL_OK)
    status = absolute(c, "file://", shoal_buf_str(&path), &full, err);
  shoal_buf_clear(&path);
  shoal_jw w = {.out = &path};
  shoal_jw_obj(&w);
  shoal_jw_kz(&w, "storageType", "p");
  shoal_jw_kstr(&w, "pathOrInlineDv", full);
  shoal_jw_ki64(&w, "offset", d.offset);
  shoal_jw_ki64(&w, "sizeInBytes", (int64_t)d.size);
  shoal_jw_ki64(&w, "cardinality", (int64_t)d.cardinality);
  shoal_jw_end(&w);
  status = status == SHOAL_OK ? shoal_buf_take(&path, &c->arena, out, err) : status;
  shoal_buf_dispose(&path);
  return status;
}

static shoal_status find_root(cloning *c, shoal_error *err) {
  char *root = shoal_delta_root(c->source, &c->arena);
  if (!root)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "the store has no local files");
  c->root = shoal_str_z(root);
  return shoal_os_realpath(root, &c->arena, &c->real, err);
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

static shoal_status clone_files(cloning *c, shoal_error *err) {
  const shoal_delta_snapshot *s = c->snapshot;
  c->files = SHOAL_NEW_ARRAY(&c->arena, shoal_delta_file, s->n_files);
  if (!c->files)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < s->n_files; i++) {
    shoal_delta_file *f = &c->files[i];
    *f = s->files[i];
    f->data_change = true;
    f->has_row_id = false;
    SHOAL_TRY(absolute(c, "", s->files[i].path, &f->path, err));
    if (f->deletion_vector.ptr)
      SHOAL_TRY(clone_vector(c, s->files[i].deletion_vector, &f->deletion_vector, err));
    SHOAL_TRY(shoal_delta_transaction_add(c->transaction, f, err));
  }
  return SHOAL_OK;
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

static shoal_status clone(cloning *c, shoal_error *err) {
  char *id = SHOAL_NEW_ARRAY(&c->arena, char, SHOAL_UUID_TEXT);
  int64_t version;
  shoal_str parameters = {0};
  if (!id)
    return shoal_fail_nomem(err);
  shoal_os_uuid(id);
  c->metadata = c->snapshot->metadata;
  c->metadata.id = shoal_str_z(id);
  c->metadata.created_ms = shoal_time_now() / 1000;
  SHOAL_TRY(find_root(c, err));
  SHOAL_TRY(describe(c, &parameters, err));
  SHOAL_TRY(shoal_delta_transaction_open(c->table, NULL, SHOAL_DELTA_COPIES | SHOAL_DELTA_MAPS, "CLONE", parameters,
                                         &c->transaction, err));
  shoal_delta_transaction_metadata(c->transaction, &c->metadata);
  shoal_delta_transaction_protocol(c->transaction, &c->snapshot->protocol);
  SHOAL_TRY(clone_domains(c, err));
  SHOAL_TRY(clone_files(c, err));
  return shoal_delta_transaction_commit(c->transaction, &version, err);
}

shoal_status shoal_delta_clone(const shoal_delta_table *table, const shoal_delta_table *source, int64_t version,
                               size_t *n_files, shoal_error *err) {
  cloning c = {.table = table, .source = source};
  *n_files = 0;
  shoal_status status = shoal_delta_snapshot_open(source, version, &c.snapshot, err);
  if (status == SHOAL_OK)
    status = clone(&c, err);
  if (status == SHOAL_OK)
    *n_files = c.snapshot->n_files;
  shoal_delta_transaction_free(c.transaction);
  shoal_delta_snapshot_free(c.snapshot);
  shoal_arena_dispose(&c.arena);
  return status;
}
