/* SPDX-License-Identifier: Apache-2.0 */
/* verify.h: two ways to one state are compared, and files with what the log says of them. */
#include "delta/verify.h"

#include <stdarg.h>

#include "base/os.h"
#include "delta/delta_internal.h"

typedef struct verifying {
  const shoal_delta_table *table;
  shoal_arena *arena;
  shoal_log log;
  shoal_delta_verified *out;
  shoal_error *err;
} verifying;

/* The first contradiction is the one that is told. */
static shoal_status contradict(verifying *v, const char *fmt, ...) SHOAL_PRINTF(2, 3);
static shoal_status contradict(verifying *v, const char *fmt, ...) {
  shoal_buf text = {0};
  va_list ap;
  if (v->out->log.ptr)
    return SHOAL_OK;
  va_start(ap, fmt);
  shoal_buf_vaddf(&text, fmt, ap);
  va_end(ap);
  return shoal_buf_take(&text, v->arena, &v->out->log, v->err);
}

/* ---- files ---- */

static bool is_whole(const verifying *v, const shoal_delta_file *f) {
  shoal_delta_place place;
  shoal_stat st;
  shoal_delta_vector *vector;
  return shoal_delta_path_resolve(v->table, f->path, v->arena, &place, NULL) == SHOAL_OK && place.local &&
         shoal_os_stat(place.local, &st, NULL) == SHOAL_OK && st.size == f->size &&
         (!f->deletion_vector.ptr ||
          shoal_delta_scan_vector(v->table, f->deletion_vector, v->arena, &vector, NULL) == SHOAL_OK);
}

/* *whole: those that are there, in the arena. */
static shoal_status check_files(verifying *v, const shoal_delta_snapshot *s, const shoal_delta_file ***whole) {
  size_t n = 0;
  *whole = SHOAL_NEW_ARRAY(v->arena, const shoal_delta_file *, s->n_files);
  if (!*whole)
    return shoal_fail_nomem(v->err);
  v->out->n_files = s->n_files;
  for (size_t i = 0; i < s->n_files; i++) {
    v->out->bytes += s->files[i].size;
    if (is_whole(v, &s->files[i]))
      (*whole)[n++] = &s->files[i];
    else if (v->out->n_broken++ == 0 && !(v->out->first_broken = shoal_arena_str(v->arena, s->files[i].path)).ptr)
      return shoal_fail_nomem(v->err);
  }
  return SHOAL_OK;
}

/* ---- the log ---- */

static shoal_status check_holes(verifying *v) {
  int64_t last = -1;
  for (size_t i = 0; i < v->log.n; i++) {
    const shoal_log_file *f = &v->log.files[i];
    if (f->kind != SHOAL_LOG_COMMIT)
      continue;
    if (last >= 0 && f->version != last + 1)
      return contradict(v, "_delta_log/%020lld.json is missing", (long long)last + 1);
    last = f->version;
  }
  return SHOAL_OK;
}

static bool begins_at_zero(const verifying *v) {
  bool found = false;
  for (size_t i = 0; i < v->log.n && v->log.files[i].version == 0; i++)
    found = found || v->log.files[i].kind == SHOAL_LOG_COMMIT;
  return found;
}

static bool holds(const shoal_replay *r, const shoal_delta_snapshot *s) {
  size_t live = 0;
  bool same = true;
  for (size_t i = 0; i < r->files.len; i++)
    live += r->files.ptr[i].live;
  for (size_t i = 0; i < s->n_files && same; i++) {
    uint32_t at = shoal_map_get(&r->files_map, s->keys[i]);
    same = at != SHOAL_MAP_NONE && r->files.ptr[at].live && r->files.ptr[at].file.size == s->files[i].size;
  }
  return same && live == s->n_files;
}

/* The newest checkpoint, against all commits up to it. */
static shoal_status check_checkpoint(verifying *v) {
  size_t first, n;
  shoal_replay r = {0};
  shoal_delta_snapshot *s = NULL;
  shoal_delta_table plain = *v->table;
  plain.get_engine = NULL; /* then a snapshot is made of commits only */
  shoal_delta_log_checkpoint(&v->log, INT64_MAX, &first, &n);
  if (n == 0 || v->out->log.ptr || !begins_at_zero(v))
    return SHOAL_OK;
  const shoal_log_file *f = &v->log.files[first];
  shoal_error broken = {0};
  shoal_status status = shoal_delta_snapshot_open(&plain, f->version, &s, v->err);
  if (status == SHOAL_OK) {
    shoal_status there = shoal_delta_checkpoint_read(v->table, f, n, v->arena, &r, &broken);
    if (shoal_delta_log_broken(there))
      status = contradict(v, "%s can't be read: %s", shoal_delta_base_name(f->object.key), broken.message);
    else if (there < 0)
      status = there;
    else if (!holds(&r, s))
      status = contradict(v, "%s does not hold the files that the commits up to it say",
                          shoal_delta_base_name(f->object.key));
  }
  shoal_replay_dispose(&r);
  shoal_delta_snapshot_free(s);
  return status;
}

/* What a checksum lists by names, against the log: the members of `list` have a name and a value that say the same as
   those of `named`, and, where it is `all`, no other ones are there; else either may have left out some. */
typedef struct listed {
  const char *list, *name, *value; /* members */
  const shoal_replay_names *named;
  bool all;
} listed;

static bool says(const listed *l, yyjson_val *item, const shoal_replay_named *n) {
  yyjson_doc *doc = NULL;
  if (n->removed || shoal_json_parse_raw(n->raw, "an action", &doc, NULL) < 0)
    return false;
  yyjson_val *root = yyjson_doc_get_root(doc);
  shoal_str a = shoal_json_str(item, l->value), b = shoal_json_str(root, l->value);
  bool same =
      a.ptr || b.ptr ? shoal_str_eq(a, b) : shoal_json_i64(item, l->value, -1) == shoal_json_i64(root, l->value, -1);
  yyjson_doc_free(doc);
  return same;
}

static shoal_status compare_listed(verifying *v, const char *file, yyjson_val *root, const listed *l) {
  yyjson_val *items = yyjson_obj_get(root, l->list), *item;
  size_t i, n, there = 0;
  if (!yyjson_is_arr(items))
    return SHOAL_OK;
  for (i = 0; i < l->named->len; i++)
    there += !l->named->ptr[i].removed;
  yyjson_arr_foreach(items, i, n, item) {
    shoal_str name = shoal_json_str(item, l->name);
    bool found = false, known = l->all;
    for (size_t k = 0; k < l->named->len && !found; k++) {
      known = known || shoal_str_eq(l->named->ptr[k].id, name);
      found = shoal_str_eq(l->named->ptr[k].id, name) && says(l, item, &l->named->ptr[k]);
    }
    if (known && !found)
      return contradict(v, "%s says another %s of '%.*s' than the log", file, l->value, SHOAL_FMT(name));
  }
  if (l->all && yyjson_arr_size(items) != there)
    return contradict(v, "%s has %zu %s, the log %zu", file, yyjson_arr_size(items), l->list, there);
  return SHOAL_OK;
}

static shoal_status compare_checksum(verifying *v, const shoal_log_checksum *c, yyjson_val *root,
                                     const shoal_delta_snapshot *s) {
  const char *name = shoal_delta_base_name(c->object.key);
  yyjson_val *protocol = yyjson_obj_get(root, "protocol");
  int64_t files = shoal_json_i64(root, "numFiles", -1), bytes = shoal_json_i64(root, "tableSizeBytes", -1), sum = 0;
  for (size_t i = 0; i < s->n_files; i++)
    sum += (int64_t)s->files[i].size;
  if (files >= 0 && files != (int64_t)s->n_files)
    return contradict(v, "%s says %lld files, the log %zu", name, (long long)files, s->n_files);
  if (bytes >= 0 && bytes != sum)
    return contradict(v, "%s says %lld bytes, the log %lld", name, (long long)bytes, (long long)sum);
  shoal_str id = shoal_json_str(yyjson_obj_get(root, "metadata"), "id");
  if (id.ptr && !shoal_str_eq(id, s->metadata.id))
    return contradict(v, "%s is of another table", name);
  if (protocol && (shoal_json_i64(protocol, "minReaderVersion", -1) != s->protocol.min_reader ||
                   shoal_json_i64(protocol, "minWriterVersion", -1) != s->protocol.min_writer))
    return contradict(v, "%s has another protocol than the log", name);
  /* Writers leave out, of checksums and of checkpoints, what applications have not said for long. */
  bool expires = shoal_delta_config(&s->metadata, "delta.setTransactionRetentionDuration").ptr != NULL;
  SHOAL_TRY(compare_listed(v, name, root, &(listed){"setTransactions", "appId", "version", &s->txns, !expires}));
  return compare_listed(v, name, root, &(listed){"domainMetadata", "domain", "configuration", &s->domains, true});
}

/* The newest N.crc. */
static shoal_status check_checksum(verifying *v) {
  const shoal_log_checksum *c = v->log.n_checksums ? &v->log.checksums[v->log.n_checksums - 1] : NULL;
  shoal_buf text = {0};
  yyjson_doc *doc = NULL;
  shoal_delta_snapshot *s = NULL;
  if (!c || v->out->log.ptr || c->version > v->out->version)
    return SHOAL_OK;
  shoal_status status = shoal_delta_log_get(v->table, c->object.key, &text, v->err);
  if (status == SHOAL_OK && shoal_json_parse_raw(shoal_buf_str(&text), "a checksum", &doc, NULL) < 0)
    status = contradict(v, "%s can't be read", shoal_delta_base_name(c->object.key));
  if (status == SHOAL_OK && doc)
    status = shoal_delta_snapshot_open(v->table, c->version, &s, v->err);
  if (status == SHOAL_OK && doc)
    status = compare_checksum(v, c, yyjson_doc_get_root(doc), s);
  shoal_delta_snapshot_free(s);
  yyjson_doc_free(doc);
  shoal_buf_dispose(&text);
  return status == SHOAL_ENOTFOUND ? SHOAL_OK : status; /* its version was cleaned up */
}

shoal_status shoal_delta_verify(const shoal_delta_table *table, bool content, shoal_arena *arena,
                                shoal_delta_verified *out, shoal_error *err) {
  verifying v = {.table = table, .arena = arena, .out = out, .err = err};
  shoal_delta_snapshot *s = NULL;
  const shoal_delta_file **whole;
  *out = (shoal_delta_verified){0};
  shoal_status status = shoal_delta_snapshot_open(table, SHOAL_DELTA_LATEST, &s, err);
  if (status == SHOAL_OK) {
    out->version = s->version;
    status = check_files(&v, s, &whole);
  }
  if (status == SHOAL_OK && content)
    status = shoal_delta_verify_content(table, s, whole, out->n_files - out->n_broken, arena, out, err);
  shoal_delta_snapshot_free(s);
  if (status == SHOAL_OK)
    status = shoal_delta_log_list(table, 0, arena, &v.log, err);
  if (status == SHOAL_OK)
    status = check_holes(&v);
  if (status == SHOAL_OK)
    status = check_checkpoint(&v);
  return status == SHOAL_OK ? check_checksum(&v) : status;
}
