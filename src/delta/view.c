/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots for reading. The log is replayed from the newest commit to the oldest, then come the adds of a checkpoint
 * or of the cache: whatever has been spoken of is not looked at again, so that of an old state only what is alive is
 * ever kept (replay.c has the rules, R1 to R3, here the other way around: of a commit, adds come before removes).
 */
#include "delta/view.h"

#include <string.h>

#include "base/mem.h"

#define FILTER_BITS (1u << 20)

void shoal_delta_view_free(shoal_delta_view *v) {
  if (!v)
    return;
  shoal_free(v->dead);
  shoal_files_dispose(&v->tail);
  shoal_files_dispose(&v->base);
  shoal_arena_dispose(&v->arena);
  shoal_free(v);
}

int64_t shoal_delta_view_version(const shoal_delta_view *v) { return v->version; }
const shoal_delta_metadata *shoal_delta_view_metadata(const shoal_delta_view *v) { return &v->metadata; }
size_t shoal_delta_view_n_files(const shoal_delta_view *v) { return v->base.n - v->n_dead + v->tail.n; }

/* ---- what newer actions have spoken of ---- */

static shoal_status see(shoal_view_load *l, const shoal_action *a, bool *first, shoal_error *err) {
  *first = shoal_map_get(&l->seen, a->key) == SHOAL_MAP_NONE;
  if (!*first)
    return SHOAL_OK;
  if (!l->filter && !(l->filter = SHOAL_NEW_ARRAY(&l->scratch, uint64_t, FILTER_BITS / 64)))
    return shoal_fail_nomem(err);
  uint32_t bit = shoal_files_hash(a->file.path) % FILTER_BITS;
  l->filter[bit / 64] |= (uint64_t)1 << bit % 64;
  return shoal_map_put(&l->seen, a->key, 1, err);
}

bool shoal_view_is_seen(const shoal_view_load *l, uint32_t hash, shoal_str path, shoal_str vector, shoal_error *err) {
  shoal_buf key = {0};
  if (!l->filter || !(l->filter[hash % FILTER_BITS / 64] >> hash % 64 & 1))
    return false;
  bool seen = shoal_delta_file_key(path, vector, &key, err) == SHOAL_OK &&
              shoal_map_get(&l->seen, shoal_buf_str(&key)) != SHOAL_MAP_NONE;
  shoal_buf_dispose(&key);
  return seen;
}

void shoal_view_forget(shoal_view_load *l) {
  shoal_map_dispose(&l->seen);
  shoal_vec_dispose(&l->fresh);
  l->filter = NULL;
  l->metadata = l->protocol = SHOAL_STR_NONE;
}

/* ---- commits, newest first ---- */

static shoal_status add_fresh(shoal_view_load *l, const shoal_action *a, shoal_error *err) {
  bool first;
  SHOAL_TRY(see(l, a, &first, err));
  if (!first)
    return SHOAL_OK;
  shoal_delta_file *copy = SHOAL_NEW(&l->scratch, shoal_delta_file);
  const shoal_delta_file **slot = copy ? shoal_vec_add(&l->fresh) : NULL;
  if (!slot)
    return shoal_fail_nomem(err);
  *copy = a->file;
  *slot = copy;
  return SHOAL_OK;
}

static shoal_status take_actions(shoal_view_load *l, const shoal_actions *list, shoal_error *err) {
  bool first;
  for (size_t i = list->len; i > 0; i--) {
    const shoal_action *a = &list->ptr[i - 1];
    if (a->kind == SHOAL_ACTION_ADD)
      SHOAL_TRY(add_fresh(l, a, err));
    else if (a->kind == SHOAL_ACTION_METADATA && !l->metadata.ptr)
      l->metadata = a->raw;
    else if (a->kind == SHOAL_ACTION_PROTOCOL && !l->protocol.ptr)
      l->protocol = a->raw;
  }
  for (size_t i = 0; i < list->len; i++)
    if (list->ptr[i].kind == SHOAL_ACTION_REMOVE)
      SHOAL_TRY(see(l, &list->ptr[i], &first, err));
  return SHOAL_OK;
}

static shoal_status take_text(shoal_view_load *l, shoal_str key, shoal_error *err) {
  shoal_buf text = {0};
  shoal_actions list = {0};
  shoal_status status = shoal_delta_log_get(l->table, key, &text, err);
  if (status == SHOAL_OK)
    status = shoal_delta_actions_parse(shoal_buf_str(&text), shoal_delta_base_name(key), &l->scratch, &list, err);
  if (status == SHOAL_OK)
    status = take_actions(l, &list, err);
  shoal_vec_dispose(&list);
  shoal_buf_dispose(&text);
  return status;
}

/* The compaction that ends at `to` and reaches furthest down, but not to `have`. */
static const shoal_log_compacted *find_compacted(const shoal_view_load *l, int64_t have, int64_t to) {
  const shoal_log_compacted *best = NULL;
  for (size_t i = 0; !l->spelled && i < l->log.n_compacted; i++) {
    const shoal_log_compacted *c = &l->log.compacted[i];
    if (c->to == to && c->from > have && (!best || c->from < best->from))
      best = c;
  }
  return best;
}

static const shoal_log_file *find_commit(const shoal_log *log, int64_t version) {
  size_t low = 0, high = log->n;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (log->files[mid].version < version)
      low = mid + 1;
    else
      high = mid;
  }
  for (; low < log->n && log->files[low].version == version; low++)
    if (log->files[low].kind == SHOAL_LOG_COMMIT)
      return &log->files[low];
  return NULL;
}

static shoal_status hole(int64_t version, shoal_error *err) {
  return shoal_fail(err, SHOAL_ECORRUPT, "the table's log has a hole: _delta_log/%020lld.json is missing",
                    (long long)version);
}

shoal_status shoal_view_commits(shoal_view_load *l, int64_t have, shoal_error *err) {
  for (int64_t version = have + 1; version <= l->target; version++)
    if (!find_commit(&l->log, version)) /* a hole is one whether or not a compaction covers it */
      return hole(version, err);
  for (int64_t version = l->target; version > have;) {
    const shoal_log_compacted *c = find_compacted(l, have, version);
    SHOAL_TRY(take_text(l, c ? c->object.key : find_commit(&l->log, version)->object.key, err));
    version = c ? c->from - 1 : version - 1;
  }
  return SHOAL_OK;
}

/* ---- checkpoints ---- */

shoal_status shoal_view_understand(shoal_view_load *l, shoal_error *err) {
  shoal_delta_view *v = l->v;
  v->metadata_raw = shoal_arena_str(&v->arena, l->metadata);
  v->protocol_raw = shoal_arena_str(&v->arena, l->protocol);
  if ((l->metadata.ptr && !v->metadata_raw.ptr) || (l->protocol.ptr && !v->protocol_raw.ptr))
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_delta_understand(v->protocol_raw, v->metadata_raw, &v->arena, &v->protocol, &v->metadata, err));
  return shoal_files_init(&v->base, &v->metadata, err);
}

typedef struct reading {
  const shoal_view_load *l;
  shoal_error *err;
} reading;

static bool is_dropped(void *arg, shoal_str path, shoal_str vector) {
  const reading *r = arg;
  return shoal_view_is_seen(r->l, shoal_files_hash(path), path, vector, r->err);
}

/* What is no file in a checkpoint's own objects, and the keys of all objects that may have adds. */
static shoal_status read_few(shoal_view_load *l, const shoal_log_file *files, size_t n, shoal_engine *engine,
                             shoal_replay *r, shoal_str **keys, size_t *n_keys, shoal_error *err) {
  shoal_scan_file *local;
  shoal_buf text = {0};
  bool json = files[0].kind == SHOAL_LOG_V2 && files[0].json;
  shoal_str *own = SHOAL_NEW_ARRAY(&l->scratch, shoal_str, n);
  if (!own)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++)
    own[i] = files[i].object.key;
  shoal_status status = SHOAL_OK;
  if (json) {
    status = shoal_delta_log_get(l->table, own[0], &text, err);
    if (status == SHOAL_OK)
      status = shoal_replay_commit(r, shoal_buf_str(&text), "the checkpoint", &l->scratch, err);
  } else {
    status = shoal_delta_checkpoint_files(l->table, own, n, &l->scratch, &local, err);
    if (status == SHOAL_OK)
      status = shoal_delta_checkpoint_few(engine, local, n, &l->scratch, r, err);
  }
  shoal_buf_dispose(&text);
  SHOAL_TRY(status);
  n = json ? 0 : n;
  *keys = SHOAL_NEW_ARRAY(&l->scratch, shoal_str, n + r->sidecars.len);
  if (!*keys)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++)
    (*keys)[i] = own[i];
  for (size_t i = 0; i < r->sidecars.len; i++)
    SHOAL_TRY(shoal_delta_sidecar_key(l->table, r->sidecars.ptr[i].id, &l->scratch, &(*keys)[n + i], err));
  *n_keys = n + r->sidecars.len;
  return SHOAL_OK;
}

/* The adds of a checkpoint in JSON. */
static shoal_status take_replayed(shoal_view_load *l, const shoal_replay *r, shoal_error *err) {
  for (size_t i = 0; i < r->files.len; i++) {
    const shoal_replay_file *f = &r->files.ptr[i];
    if (f->live && shoal_map_get(&l->seen, f->key) == SHOAL_MAP_NONE)
      SHOAL_TRY(shoal_files_add_file(&l->v->base, &f->file, err));
  }
  return SHOAL_OK;
}

static shoal_status read_adds(shoal_view_load *l, const shoal_str *keys, size_t n, shoal_engine *engine,
                              shoal_error *err) {
  shoal_error dropping = {0};
  reading r = {l, &dropping};
  shoal_scan_file *local;
  if (n == 0)
    return SHOAL_OK;
  SHOAL_TRY(shoal_delta_checkpoint_files(l->table, keys, n, &l->scratch, &local, err));
  const shoal_files_source from = {engine, local, n, is_dropped, &r};
  SHOAL_TRY(shoal_files_read(&l->v->base, &from, err));
  if (dropping.status < 0 && err)
    *err = dropping;
  return dropping.status < 0 ? dropping.status : SHOAL_OK;
}

static shoal_status read_checkpoint(shoal_view_load *l, const shoal_log_file *files, size_t n, shoal_error *err) {
  shoal_engine *engine = NULL;
  shoal_replay r = {0};
  shoal_str *keys = NULL;
  size_t n_keys = 0;
  SHOAL_TRY(l->table->get_engine ? l->table->get_engine(l->table->engine_arg, &engine, err)
                                 : shoal_fail(err, SHOAL_EUNSUPPORTED, "no engine is at hand to read a checkpoint"));
  shoal_status status = read_few(l, files, n, engine, &r, &keys, &n_keys, err);
  if (status == SHOAL_OK) {
    l->metadata = l->metadata.ptr ? l->metadata : r.metadata;
    l->protocol = l->protocol.ptr ? l->protocol : r.protocol;
    status = shoal_view_understand(l, err);
  }
  if (status == SHOAL_OK)
    status = take_replayed(l, &r, err);
  if (status == SHOAL_OK)
    status = read_adds(l, keys, n_keys, engine, err);
  shoal_replay_dispose(&r);
  if (status < 0)
    shoal_context(err, "the checkpoint %.*s", SHOAL_FMT(files[0].object.key));
  return status;
}

/* ---- the whole ---- */

static shoal_status take_fresh(const shoal_view_load *l, shoal_files *into, shoal_error *err) {
  for (size_t i = l->fresh.len; i > 0; i--)
    SHOAL_TRY(shoal_files_add_file(into, l->fresh.ptr[i - 1], err));
  return SHOAL_OK;
}

/* From the checkpoint at log files first … first + n, or from nothing (n 0). */
static shoal_status load_from(shoal_view_load *l, size_t first, size_t n, bool *of_checkpoint, shoal_error *err) {
  *of_checkpoint = false;
  SHOAL_TRY(shoal_view_commits(l, n ? l->log.files[first].version : -1, err));
  *of_checkpoint = n > 0;
  SHOAL_TRY(n ? read_checkpoint(l, &l->log.files[first], n, err) : shoal_view_understand(l, err));
  *of_checkpoint = false;
  return take_fresh(l, &l->v->base, err);
}

static size_t position_of(const shoal_log *log, shoal_str key) {
  size_t i = 0;
  while (i < log->n && !shoal_str_eq(log->files[i].object.key, key))
    i++;
  return i;
}

/* Before the next way is tried. */
static void start_again(shoal_view_load *l) {
  shoal_delta_view *v = l->v;
  shoal_view_forget(l);
  shoal_files_dispose(&v->base);
  shoal_arena_dispose(&v->arena);
  v->metadata = (shoal_delta_metadata){0};
  v->protocol = (shoal_delta_protocol){0};
}

/* From the newest checkpoint, or, where that is broken, from an older one or from the commits alone. If no way leads to
   the version, the first failure says why. */
static shoal_status load(shoal_view_load *l, size_t *first, size_t *n, shoal_error *err) {
  shoal_error told = {0}, why = {0};
  size_t end = l->log.n;
  bool of_checkpoint = true;
  shoal_status status = SHOAL_ECORRUPT;
  while (shoal_delta_log_broken(status) && of_checkpoint) {
    const shoal_log before = {.files = l->log.files, .n = end};
    shoal_delta_log_checkpoint(&before, l->target, first, n);
    if (!l->table->get_engine && find_commit(&l->log, 0))
      *n = 0; /* the commits may do */
    status = load_from(l, *first, *n, &of_checkpoint, &why);
    if (!shoal_delta_log_broken(status) || !of_checkpoint)
      break;
    shoal_str broken = l->log.files[*first].object.key;
    if (told.status == SHOAL_OK) {
      told = why;
      SHOAL_TRY(shoal_delta_log_list(l->table, 0, &l->scratch, &l->log, err)); /* there may be more before it */
    }
    end = position_of(&l->log, broken);
    start_again(l);
  }
  if (status < 0 && err)
    *err = told.status < 0 ? told : why;
  return status < 0 && told.status < 0 ? told.status : status;
}

static shoal_status open_cold(shoal_view_load *l, int64_t version, shoal_error *err) {
  size_t first, n;
  SHOAL_TRY(shoal_delta_log_find(l->table, version, &l->scratch, &l->log, err));
  int64_t latest = shoal_delta_log_latest(&l->log);
  l->target = version < 0 ? latest : version;
  if (latest < 0 || l->target > latest)
    return shoal_delta_log_missing(l->table, &l->log, version, err);
  SHOAL_TRY(shoal_delta_log_reaches(&l->log, l->target, err));
  shoal_status status = load(l, &first, &n, err);
  if (shoal_delta_log_broken(status) && l->log.n_compacted && !l->spelled) {
    shoal_error again = {0};
    l->spelled = true;
    start_again(l);
    if (load(l, &first, &n, &again) == SHOAL_OK)
      status = SHOAL_OK;
  }
  if (status == SHOAL_OK && version < 0)
    shoal_view_remember(l, first, n);
  return status;
}

/* Those of the cached files that newer commits have removed or added anew. */
static shoal_status bury(shoal_view_load *l, shoal_error *err) {
  shoal_delta_view *v = l->v;
  shoal_error asking = {0};
  shoal_buf path = {0};
  shoal_status status = SHOAL_OK;
  const uint32_t *hashes = v->base.hashes.ptr;
  for (size_t i = 0; l->filter && i < v->base.n && status == SHOAL_OK; i++) {
    if (!(l->filter[hashes[i] % FILTER_BITS / 64] >> hashes[i] % 64 & 1))
      continue;
    uint32_t vector = shoal_counts_get(&v->base.vector, i);
    shoal_buf_clear(&path);
    status = shoal_files_path(&v->base, i, &path, err);
    bool seen = status == SHOAL_OK &&
                shoal_view_is_seen(l, hashes[i], shoal_buf_str(&path),
                                   vector ? shoal_texts_get(&v->base.vectors, vector - 1) : SHOAL_STR_NONE, &asking);
    if (seen && !v->dead && !(v->dead = shoal_calloc(v->base.n, sizeof *v->dead)))
      status = shoal_fail_nomem(err);
    if (seen && v->dead) {
      v->dead[i] = true;
      v->n_dead++;
    }
  }
  shoal_buf_dispose(&path);
  if (status == SHOAL_OK && asking.status < 0 && err)
    *err = asking;
  return status == SHOAL_OK ? asking.status : status;
}

static shoal_status open_warm(shoal_view_load *l, int64_t version, shoal_error *err) {
  shoal_status status = shoal_view_recall(l, version, err);
  if (status != SHOAL_OK)
    return status;
  SHOAL_TRY(bury(l, err));
  if (l->fresh.len == 0)
    return SHOAL_OK;
  SHOAL_TRY(shoal_files_init(&l->v->tail, &l->v->metadata, err));
  return take_fresh(l, &l->v->tail, err);
}

shoal_status shoal_delta_view_open(const shoal_delta_table *table, int64_t version, shoal_delta_view **out,
                                   shoal_error *err) {
  shoal_error ignored = {0};
  shoal_view_load l = {.table = table};
  *out = NULL;
  shoal_status status = SHOAL_OK;
  for (int way = table->cache ? 0 : 1; way < 2; way++) {
    l.v = shoal_calloc(1, sizeof *l.v);
    if (!l.v)
      return shoal_fail_nomem(err);
    status = way == 0 ? open_warm(&l, version, &ignored) : open_cold(&l, version, err);
    if (status == SHOAL_OK)
      l.v->version = l.target;
    shoal_view_forget(&l);
    shoal_arena_dispose(&l.scratch);
    if (status == SHOAL_OK)
      break;
    shoal_delta_view_free(l.v);
    l = (shoal_view_load){.table = table};
  }
  *out = l.v;
  return status;
}
