/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tips: snapshots of large tables as their writers see them. What commits after the checkpoint have spoken of is there;
 * the files below are named by a view (delta/view.h), which knows them by columns, and only those that a writer wants
 * are read from the checkpoint once more, as the actions that they are.
 */
#include "base/mem.h"
#include "delta/adds.h"

#define MANY_BYTES (512u << 10) /* of paths: these are looked for here, not in the engine */

/* What the commits after the checkpoint have spoken of: its own actions about these no longer count. */
static shoal_status spoken_of(const shoal_delta_snapshot *s, shoal_map *out, shoal_error *err) {
  for (size_t i = 0; i < s->n_files; i++)
    SHOAL_TRY(shoal_map_put(out, s->keys[i], 1, err));
  for (size_t i = 0; i < s->n_tombstones; i++)
    SHOAL_TRY(shoal_map_put(out, s->tombstones[i].key, 1, err));
  return SHOAL_OK;
}

typedef struct bringing {
  const shoal_delta_table *table;
  shoal_delta_snapshot *s;
  shoal_map spoken, wanted; /* keys; paths */
  const shoal_str *paths;   /* of those, the ones that are not there yet; NULL: all */
  size_t n_paths, bytes;
  shoal_arena scratch;
  shoal_replay found;
} bringing;

static shoal_status choose(bringing *b, const shoal_str *paths, size_t n, shoal_error *err) {
  shoal_map there = {0};
  shoal_str *left = SHOAL_NEW_ARRAY(&b->scratch, shoal_str, n);
  shoal_status status = left ? SHOAL_OK : shoal_fail_nomem(err);
  for (size_t i = 0; i < b->s->n_files && status == SHOAL_OK; i++)
    status = shoal_map_put(&there, b->s->files[i].path, 1, err);
  for (size_t i = 0; i < n && status == SHOAL_OK; i++) {
    if (shoal_map_get(&there, paths[i]) != SHOAL_MAP_NONE)
      continue;
    left[b->n_paths++] = paths[i];
    b->bytes += paths[i].len;
    status = shoal_map_put(&b->wanted, paths[i], 1, err);
  }
  b->paths = left;
  shoal_map_dispose(&there);
  return status;
}

static shoal_status read_below(bringing *b, shoal_error *err) {
  shoal_scan_file *files;
  shoal_engine *engine;
  bool here = b->bytes > MANY_BYTES;
  SHOAL_TRY(shoal_delta_below_files(b->table, b->s, &b->scratch, &files, err));
  SHOAL_TRY(b->table->get_engine(b->table->engine_arg, &engine, err));
  return shoal_delta_checkpoint_adds(engine, files, b->s->n_below, here ? NULL : b->paths, b->n_paths,
                                     shoal_delta_snapshot_arena(b->s), &b->found, err);
}

static bool is_wanted(const bringing *b, const shoal_replay_file *f) {
  return f->live && shoal_map_get(&b->spoken, f->key) == SHOAL_MAP_NONE &&
         (!b->paths || shoal_map_get(&b->wanted, f->file.path) != SHOAL_MAP_NONE);
}

static shoal_status take_found(bringing *b, shoal_error *err) {
  shoal_delta_snapshot *s = b->s;
  size_t n = s->n_files, most = n + b->found.files.len + 1;
  shoal_delta_file *files = shoal_reallocarray(s->files, most, sizeof *files);
  if (!files)
    return shoal_fail_nomem(err);
  s->files = files;
  shoal_str *keys = shoal_reallocarray(s->keys, most, sizeof *keys);
  if (!keys)
    return shoal_fail_nomem(err);
  s->keys = keys;
  for (size_t i = 0; i < b->found.files.len; i++) {
    const shoal_replay_file *f = &b->found.files.ptr[i];
    if (!is_wanted(b, f))
      continue;
    s->keys[s->n_files] = f->key;
    s->files[s->n_files++] = f->file;
  }
  if (b->paths && s->n_files - n != b->n_paths)
    return shoal_fail(err, SHOAL_ECORRUPT, "%zu of %zu files are not in the checkpoint that has them",
                      b->n_paths - (s->n_files - n), b->n_paths);
  return SHOAL_OK;
}

shoal_status shoal_delta_tip_bring(const shoal_delta_table *table, shoal_delta_snapshot *s, const shoal_str *paths,
                                   size_t n, shoal_error *err) {
  bringing b = {.table = table, .s = s};
  shoal_status status = SHOAL_OK;
  if (paths)
    status = choose(&b, paths, n, err);
  if (s->n_below == 0 || (paths && b.n_paths == 0))
    goto out;
  if (status == SHOAL_OK)
    status = spoken_of(s, &b.spoken, err);
  if (status == SHOAL_OK)
    status = read_below(&b, err);
  if (status == SHOAL_OK)
    status = take_found(&b, err);
out:
  shoal_replay_dispose(&b.found);
  shoal_map_dispose(&b.spoken);
  shoal_map_dispose(&b.wanted);
  shoal_arena_dispose(&b.scratch);
  return status;
}

/* ---- all of them, but as rows ---- */

typedef struct walking {
  shoal_map spoken;
  shoal_buf key;
  shoal_adds_take *take;
  void *arg;
} walking;

static shoal_status pass_on(void *arg, const shoal_adds_row *row, shoal_error *err) {
  walking *w = arg;
  shoal_str key = shoal_delta_path_key(row->path);
  if (w->spoken.len && row->vector.ptr) {
    shoal_buf_clear(&w->key);
    SHOAL_TRY(shoal_delta_file_key(row->path, row->vector, &w->key, err));
    key = shoal_buf_str(&w->key);
  }
  return w->spoken.len && shoal_map_get(&w->spoken, key) != SHOAL_MAP_NONE ? SHOAL_OK : w->take(w->arg, row, err);
}

shoal_status shoal_delta_partition_names(const shoal_delta_metadata *m, shoal_arena *arena, const shoal_str **out,
                                         shoal_error *err) {
  shoal_str *names = SHOAL_NEW_ARRAY(arena, shoal_str, m->n_partition_columns);
  *out = names;
  if (!names)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < m->n_partition_columns; i++)
    names[i] = m->schema.fields[shoal_schema_find(&m->schema, m->partition_columns[i])].physical;
  return SHOAL_OK;
}

shoal_status shoal_delta_tip_each(const shoal_delta_table *table, const shoal_delta_snapshot *s, unsigned wanted,
                                  shoal_adds_take *take, void *arg, shoal_error *err) {
  shoal_arena arena = {0};
  walking w = {.take = take, .arg = arg};
  shoal_scan_file *files = NULL;
  shoal_adds from = {.n_files = s->n_below, .wanted = wanted, .n_columns = s->metadata.n_partition_columns};
  if (s->n_below == 0)
    return SHOAL_OK;
  shoal_status status = shoal_delta_below_files(table, s, &arena, &files, err);
  if (status == SHOAL_OK)
    status = shoal_delta_partition_names(&s->metadata, &arena, &from.columns, err);
  if (status == SHOAL_OK)
    status = table->get_engine(table->engine_arg, &from.engine, err);
  if (status == SHOAL_OK && !(wanted & SHOAL_ADDS_REMOVED))
    status = spoken_of(s, &w.spoken, err);
  from.files = files;
  if (status == SHOAL_OK)
    status = shoal_adds_each(&from, pass_on, &w, err);
  shoal_buf_dispose(&w.key);
  shoal_map_dispose(&w.spoken);
  shoal_arena_dispose(&arena);
  return status;
}
