/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What enters from outside: files by content, Delta tables by id, version and the hash of that version's commit (DESIGN
 * 5, X). The content of a file is read once; the watch remembers it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "session/session.h"

/* The files a pattern names, with their hashes. None is an error. */
static shoal_status watch_files(shoal_session *s, shoal_str pattern, const char *what, shoal_external *x,
                                shoal_error *err) {
  shoal_str *paths;
  size_t n;
  SHOAL_TRY(shoal_watch_add_glob(&s->watch, pattern, &paths, &n, err));
  if (n == 0) {
    (void)shoal_fail(err, SHOAL_ENOTFOUND, "%s: no file matches %.*s", what, SHOAL_FMT(pattern));
    shoal_hint(err, "paths are relative to the project's folder");
    return SHOAL_ENOTFOUND;
  }
  shoal_hash *hashes = SHOAL_NEW_ARRAY(&s->arena, shoal_hash, n);
  if (!hashes)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++)
    hashes[i] = shoal_watch_find(&s->watch, paths[i])->hash;
  x->paths = paths;
  x->hashes = hashes;
  x->n_paths = n;
  x->pattern = pattern;
  return SHOAL_OK;
}

static void hash_files(shoal_hasher *h, const shoal_external *x) {
  shoal_hasher_list(h, x->n_paths);
  for (size_t i = 0; i < x->n_paths; i++) {
    shoal_hasher_str(h, x->paths[i]);
    shoal_hasher_hash(h, &x->hashes[i]);
  }
}

static shoal_status files_key(shoal_session *s, const shoal_source *src, shoal_external *x, shoal_error *err) {
  char what[256];
  snprintf(what, sizeof what, "source %.*s (shoal.yaml:%d)", SHOAL_FMT(src->name), src->line);
  shoal_status status = watch_files(s, src->where, what, x, err);
  if (status < 0) {
    shoal_error_at(err, "shoal.yaml", src->line, 1, 0);
    return status;
  }
  shoal_hasher h;
  shoal_hasher_init(&h, "shoal/1/files");
  shoal_hasher_str(&h, src->format);
  shoal_hasher_list(&h, src->n_options);
  for (size_t i = 0; i < src->n_options; i++) {
    shoal_hasher_str(&h, src->options[i].name);
    shoal_hasher_str(&h, src->options[i].value);
  }
  hash_files(&h, x);
  x->key = shoal_hasher_end(&h);
  return SHOAL_OK;
}

static shoal_status session_engine(void *arg, shoal_engine **out, shoal_error *err) {
  return shoal_session_engine(arg, out, err);
}

const char *shoal_session_delta_cache(shoal_session *s, shoal_arena *arena) {
  const char *index = s && s->index ? shoal_index_folder(s->index) : NULL;
  const char *user = index ? NULL : shoal_os_cache_folder(arena);
  return index || user ? shoal_arena_printf(arena, "%s/delta", index ? index : user) : NULL;
}

char *shoal_session_clone_of(const shoal_session *s, const char *real, shoal_arena *arena) {
  char *found = NULL;
  for (size_t i = 0; s && i < s->config.n_sources && !found; i++) {
    const shoal_source *src = &s->config.sources[i];
    char *path = src->clone_of.ptr ? shoal_session_source_path(s, src, arena) : NULL;
    if (!path || shoal_os_realpath(path, arena, &path, NULL) < 0 || strcmp(path, real) != 0)
      continue;
    path = shoal_session_path(s, src->clone_of, arena);
    if (path && shoal_os_realpath(path, arena, &found, NULL) < 0)
      found = NULL;
  }
  return found;
}

shoal_status shoal_session_open_delta(shoal_session *s, const char *path, shoal_store **store, shoal_delta_table *table,
                                      shoal_error *err) {
  SHOAL_TRY(shoal_store_open_file(path, false, store, err));
  *table = (shoal_delta_table){.store = *store,
                               .prefix = SHOAL_STR(""),
                               .get_engine = session_engine,
                               .engine_arg = s,
                               .also = shoal_str_z(shoal_session_clone_of(s, path, &s->arena)),
                               .cache = shoal_session_delta_cache(s, &s->arena)};
  return SHOAL_OK;
}

static shoal_status delta_state(shoal_session *s, const char *path, shoal_external *x, shoal_error *err) {
  shoal_store *store = NULL;
  shoal_delta_table table;
  shoal_delta_view *view = NULL;
  shoal_hash commit;
  shoal_status status = shoal_session_open_delta(s, path, &store, &table, err);
  if (status >= 0)
    status = shoal_delta_view_open(&table, SHOAL_DELTA_LATEST, &view, err);
  if (status >= 0) {
    x->version = shoal_delta_view_version(view);
    x->table_id = shoal_arena_str(&s->arena, shoal_delta_view_metadata(view)->id);
    status = x->table_id.ptr ? shoal_delta_commit_hash(&table, x->version, &commit, err) : shoal_fail_nomem(err);
  }
  if (status >= 0) {
    shoal_hasher h;
    shoal_hasher_init(&h, "shoal/1/delta");
    shoal_hasher_str(&h, x->table_id);
    shoal_hasher_u64(&h, (uint64_t)x->version);
    shoal_hasher_hash(&h, &commit);
    x->key = shoal_hasher_end(&h);
    atomic_store(&x->view, view);
    view = NULL;
  }
  shoal_delta_view_free(view);
  shoal_store_free(store);
  return status;
}

char *shoal_session_path(const shoal_session *s, shoal_str path, shoal_arena *arena) {
  return path.len && path.ptr[0] == '/' ? shoal_arena_cstr(arena, path)
                                        : shoal_arena_printf(arena, "%s/%.*s", s->root, SHOAL_FMT(path));
}

char *shoal_session_source_path(const shoal_session *s, const shoal_source *src, shoal_arena *arena) {
  return shoal_session_path(s, src->where, arena);
}

static shoal_status delta_key(shoal_session *s, const shoal_source *src, shoal_external *x, shoal_error *err) {
  char *path = shoal_session_source_path(s, src, &s->arena);
  char *real = NULL;
  if (!path)
    return shoal_fail_nomem(err);
  shoal_status status = shoal_os_realpath(path, &s->arena, &real, err);
  if (status >= 0) {
    x->table_path = shoal_str_z(real);
    status = delta_state(s, real, x, err);
  }
  if (status < 0) {
    shoal_context(err, "source %.*s (shoal.yaml:%d)", SHOAL_FMT(src->name), src->line);
    shoal_error_at(err, "shoal.yaml", src->line, 1, 0);
  }
  return status;
}

static shoal_status unit_files(shoal_session *s, const shoal_unit *u, shoal_external *x, shoal_error *err) {
  shoal_hasher h;
  shoal_hasher_init(&h, "shoal/1/sql-files");
  shoal_hasher_list(&h, u->n_files);
  for (size_t i = 0; i < u->n_files; i++) {
    shoal_external *one = i ? SHOAL_NEW(&s->arena, shoal_external) : x; /* provenance shows the first; all count */
    if (!one)
      return shoal_fail_nomem(err);
    s->watch.hidden = true; /* the engine expands the pattern itself */
    shoal_status status = watch_files(s, u->files[i], u->path.ptr, one, err);
    s->watch.hidden = false;
    if (status < 0) {
      shoal_error_at(err, u->path.ptr, 1, 1, 0);
      return status;
    }
    hash_files(&h, one);
    if (i) {
      one->more = x->more;
      x->more = one;
    }
  }
  x->key = shoal_hasher_end(&h);
  return SHOAL_OK;
}

void shoal_session_free_externals(shoal_session *s) {
  for (size_t i = 0; s->externals && i < s->n_externals; i++)
    shoal_delta_view_free(atomic_exchange(&s->externals[i].view, NULL));
  s->n_externals = 0;
}

shoal_status shoal_session_externals(shoal_session *s, shoal_error *err) {
  shoal_session_free_externals(s);
  s->externals = SHOAL_NEW_ARRAY(&s->arena, shoal_external, s->config.n_sources);
  s->unit_files = SHOAL_NEW_ARRAY(&s->arena, shoal_external, s->n_units);
  if (!s->externals || !s->unit_files)
    return shoal_fail_nomem(err);
  s->n_externals = s->config.n_sources;
  for (size_t i = 0; i < s->config.n_sources; i++) {
    const shoal_source *src = &s->config.sources[i];
    SHOAL_TRY(src->kind == SHOAL_SOURCE_FILES ? files_key(s, src, &s->externals[i], err)
                                              : delta_key(s, src, &s->externals[i], err));
  }
  for (size_t i = 0; i < s->n_units; i++)
    if (s->units[i].n_files)
      SHOAL_TRY(unit_files(s, &s->units[i], &s->unit_files[i], err));
  return SHOAL_OK;
}

static shoal_status moved(shoal_str what, shoal_error *err) {
  (void)shoal_fail(err, SHOAL_ECONFLICT, "%.*s changed while it was read", SHOAL_FMT(what));
  shoal_hint(err, "what was computed is discarded; run again");
  return SHOAL_ECONFLICT;
}

static shoal_status same_files(const shoal_session *s, const shoal_external *x, shoal_error *err) {
  for (size_t i = 0; i < x->n_paths; i++) {
    bool same;
    SHOAL_TRY(shoal_watch_recheck(&s->watch, x->paths[i], &same, err));
    if (!same)
      return moved(x->paths[i], err);
  }
  return SHOAL_OK;
}

shoal_status shoal_session_unchanged(const shoal_session *s, uint32_t node, shoal_error *err) {
  const shoal_node *n = &s->graph->nodes[node];
  int64_t day = 86400 * 1000000LL;
  if (n->volatile_why.ptr && n->date_only && !s->options.now_fixed && shoal_time_now() / day != s->now_us / day)
    return moved(SHOAL_STR("the date"), err);
  for (uint32_t i = 0; i < n->n_inputs; i++) {
    const shoal_node *p = &s->graph->nodes[n->inputs[i].parent];
    if (p->kind == SHOAL_NODE_SOURCE)
      SHOAL_TRY(same_files(s, &s->externals[p->file_key], err)); /* of files: the list is the plan's */
  }
  for (const shoal_external *x = n->file_key == UINT32_MAX ? NULL : &s->unit_files[n->file_key]; x; x = x->more) {
    bool same;
    SHOAL_TRY(same_files(s, x, err));
    SHOAL_TRY(shoal_watch_recheck_glob(s->root, true, x->pattern, x->paths, x->n_paths, &same, err));
    if (!same)
      return moved(x->pattern, err);
  }
  return SHOAL_OK;
}

static shoal_status files_scan(shoal_session *s, const shoal_source *src, const shoal_external *x, shoal_arena *arena,
                               shoal_scan *out, shoal_error *err) {
  shoal_scan_file *files = SHOAL_NEW_ARRAY(arena, shoal_scan_file, x->n_paths);
  shoal_scan_option *options = SHOAL_NEW_ARRAY(arena, shoal_scan_option, src->n_options);
  if (!files || !options)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < x->n_paths; i++) {
    char *full = x->paths[i].ptr[0] == '/' ? shoal_arena_cstr(arena, x->paths[i])
                                           : shoal_arena_printf(arena, "%s/%.*s", s->root, SHOAL_FMT(x->paths[i]));
    if (!full)
      return shoal_fail_nomem(err);
    files[i].path = shoal_str_z(full);
  }
  for (size_t i = 0; i < src->n_options; i++)
    options[i] = (shoal_scan_option){src->options[i].name, src->options[i].value};
  shoal_scan_format format = shoal_str_is(src->format, "csv")    ? SHOAL_SCAN_CSV
                             : shoal_str_is(src->format, "json") ? SHOAL_SCAN_JSON
                                                                 : SHOAL_SCAN_PARQUET;
  char *below = shoal_arena_printf(arena, "%s/", s->root);
  *out = (shoal_scan){.format = format,
                      .files = files,
                      .n_files = x->n_paths,
                      .options = options,
                      .n_options = src->n_options,
                      .below = shoal_str_z(below)};
  return below ? SHOAL_OK : shoal_fail_nomem(err);
}

shoal_status shoal_session_source_scan(shoal_session *s, size_t source, shoal_opened *opened, shoal_arena *arena,
                                       shoal_scan *out, shoal_error *err) {
  const shoal_source *src = &s->config.sources[source];
  shoal_external *x = &s->externals[source];
  if (src->kind == SHOAL_SOURCE_FILES)
    return files_scan(s, src, x, arena, out, err);
  shoal_delta_table table;
  shoal_store **store = shoal_vec_add(&opened->stores);
  if (!store)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_session_open_delta(s, x->table_path.ptr, store, &table, err));
  shoal_delta_view **view = shoal_vec_add(&opened->views);
  if (!view)
    return shoal_fail_nomem(err);
  *view = atomic_exchange(&x->view, NULL);
  if (!*view)
    SHOAL_TRY(shoal_delta_view_open(&table, x->version, view, err));
  return shoal_delta_view_scan(&table, *view, arena, out, err);
}
