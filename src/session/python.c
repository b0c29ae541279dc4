/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From Python files to units. A file that stands as the index remembers it, with all that its answer rested on, costs a
 * few looks into a table; the others are told by one worker. What was changed while the worker read is not believed.
 */
#include "session/python.h"

#include <stdlib.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "session/session.h"

#define PYTHON_KEY SHOAL_STR("python")
#define CLOCK_NS 10000000 /* times of files are as coarse as the kernel's tick */

/* ---- the interpreter ---- */

static bool is_file(const char *path) {
  shoal_stat st;
  return path && shoal_os_stat_at(-100, path, &st) == 0 && st.kind == SHOAL_FILE_REGULAR;
}

static shoal_str find_in_path(const char *name, shoal_arena *arena) {
  const char *path = getenv("PATH");
  shoal_str rest = shoal_str_z(path ? path : "/usr/local/bin:/usr/bin:/bin"), folder;
  while (shoal_str_split(&rest, ':', &folder)) {
    char *full = folder.len ? shoal_arena_printf(arena, "%.*s/%s", SHOAL_FMT(folder), name) : NULL;
    if (is_file(full))
      return shoal_str_z(full);
  }
  return SHOAL_STR_NONE;
}

/* For whoever names no interpreter. */
static shoal_str environments_own(shoal_arena *arena) {
  const char *env = getenv("VIRTUAL_ENV");
  if (env && *env)
    return shoal_str_z(shoal_arena_printf(arena, "%s/bin/python", env));
  return find_in_path("python3", arena);
}

void shoal_python_environment_hash(shoal_arena *arena, shoal_hasher *h) {
  const char *path = getenv("PYTHONPATH");
  shoal_hasher_str(h, environments_own(arena));
  shoal_hasher_z(h, path ? path : "");
}

static shoal_status find_interpreter(shoal_session *s, shoal_error *err) {
  shoal_str given = s->config.python_interpreter, found;
  if (s->python.interpreter.ptr)
    return SHOAL_OK;
  if (!given.ptr)
    found = environments_own(&s->arena);
  else if (shoal_str_chr(given, '/') < 0)
    found = find_in_path(given.ptr, &s->arena);
  else
    found =
        given.ptr[0] == '/' ? given : shoal_str_z(shoal_arena_printf(&s->arena, "%s/%.*s", s->root, SHOAL_FMT(given)));
  if (!found.ptr || !is_file(found.ptr)) {
    found = found.ptr ? found : given.ptr ? given : SHOAL_STR("python3");
    (void)shoal_fail(err, SHOAL_ENOTFOUND, "there is no interpreter %.*s, which Python models need", SHOAL_FMT(found));
    shoal_hint(err, "activate an environment, or name one: python: {interpreter: .venv/bin/python} in shoal.yaml");
    return SHOAL_ENOTFOUND;
  }
  s->python.interpreter = found;
  return SHOAL_OK;
}

shoal_status shoal_session_open_worker(shoal_session *s, shoal_worker **out, shoal_error *err) {
  char uuid[SHOAL_UUID_TEXT];
  shoal_arena arena = {0};
  shoal_os_uuid(uuid);
  char *folder = shoal_arena_printf(&arena, "%s/.shoal/tmp", s->root);
  char *output = shoal_arena_printf(&arena, "%s/.shoal/tmp/worker-%s.log", s->root, uuid);
  shoal_status status = folder && output ? shoal_os_mkdirs(folder, false, err) : shoal_fail_nomem(err);
  if (status >= 0)
    status =
        shoal_worker_open(&(shoal_worker_config){.interpreter = s->python.interpreter.ptr,
                                                 .root = s->root,
                                                 .output = output,
                                                 .memory = s->config.python_memory,
                                                 .cancelled = s->options.cancel ? &s->options.cancel->requested : NULL},
                          out, err);
  if (output) {
    shoal_error ignored;
    shoal_ignore(shoal_os_unlink(output, &ignored)); /* what it prints from here on goes to files of their own */
  }
  shoal_arena_dispose(&arena);
  return status;
}

/* ---- what is remembered ---- */

/* What all answers rest on. */
static shoal_hash basis_of(shoal_session *s) {
  shoal_hasher h;
  char *real = NULL;
  const char *path = getenv("PYTHONPATH");
  shoal_hasher_init(&h, "shoal/2/python/basis");
  shoal_hasher_z(&h, SHOAL_VERSION);
  shoal_hasher_str(&h, s->python.interpreter);
  if (shoal_os_realpath(s->python.interpreter.ptr, &s->arena, &real, NULL) >= 0)
    shoal_hasher_z(&h, real);
  shoal_hasher_z(&h, path ? path : "");
  shoal_hasher_list(&h, s->config.n_python_env);
  for (size_t i = 0; i < s->config.n_python_env; i++) {
    shoal_hasher_str(&h, s->config.python_env[i].name);
    shoal_hasher_str(&h, s->config.python_env[i].value);
  }
  return shoal_hasher_end(&h);
}

static void encode_file(const shoal_python_file *f, shoal_buf *out) {
  shoal_put_str(out, f->path);
  shoal_put_hash(out, &f->content);
  shoal_put_u32(out, (uint32_t)f->n_rests_on);
  for (size_t i = 0; i < f->n_rests_on; i++) {
    shoal_put_str(out, f->rests_on[i].path);
    shoal_put_hash(out, &f->rests_on[i].hash);
  }
  shoal_put_u32(out, (uint32_t)f->n_units);
  for (size_t i = 0; i < f->n_units; i++) {
    shoal_unit_encode(&f->units[i], out);
    shoal_put_str(out, f->units[i].decorated);
  }
}

static shoal_status decode_file(shoal_decoder *d, shoal_arena *arena, shoal_python_file *f, shoal_error *err) {
  *f = (shoal_python_file){.path = shoal_take_str(d)};
  f->content = shoal_take_hash(d);
  f->n_rests_on = shoal_take_count(d, 36);
  f->rests_on = SHOAL_NEW_ARRAY(arena, shoal_python_rest, f->n_rests_on);
  for (size_t i = 0; f->rests_on && i < f->n_rests_on; i++) {
    f->rests_on[i].path = shoal_take_str(d);
    f->rests_on[i].hash = shoal_take_hash(d);
  }
  f->n_units = shoal_take_count(d, 100);
  f->units = SHOAL_NEW_ARRAY(arena, shoal_unit, f->n_units);
  if (!f->rests_on || !f->units)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < f->n_units; i++) {
    SHOAL_TRY(shoal_unit_decode(d, arena, &f->units[i], err));
    f->units[i].decorated = shoal_take_str(d);
  }
  return SHOAL_OK;
}

typedef struct memory {
  shoal_python_file *files;
  size_t n;
  shoal_map by_path;
} memory;

static shoal_status recall(shoal_session *s, memory *m, shoal_error *err) {
  shoal_str text = s->index ? shoal_arena_str(&s->arena, shoal_index_view(s->index, PYTHON_KEY)) : SHOAL_STR_NONE;
  if (s->index)
    shoal_index_release(s->index);
  *m = (memory){0};
  shoal_decoder d = {.rest = text};
  shoal_hash basis = basis_of(s), was = shoal_take_hash(&d);
  if (!text.ptr || !shoal_hash_eq(&basis, &was))
    return SHOAL_OK;
  uint32_t n = shoal_take_count(&d, 40);
  m->files = SHOAL_NEW_ARRAY(&s->arena, shoal_python_file, n);
  if (!m->files)
    return shoal_fail_nomem(err);
  for (uint32_t i = 0; i < n; i++) {
    SHOAL_TRY(decode_file(&d, &s->arena, &m->files[i], err));
    if (d.failed)
      return SHOAL_OK;
    m->n++;
    SHOAL_TRY(shoal_map_put(&m->by_path, m->files[i].path, i, err));
  }
  return SHOAL_OK;
}

void shoal_session_remember_python(shoal_session *s) {
  shoal_buf b = {0};
  shoal_error ignored; /* a cache */
  if (!s->index || !s->python.is_new)
    return;
  shoal_hash basis = basis_of(s);
  shoal_put_hash(&b, &basis);
  shoal_put_u32(&b, (uint32_t)s->python.n_files);
  for (size_t i = 0; i < s->python.n_files; i++)
    encode_file(&s->python.files[i], &b);
  if (b.status >= 0)
    shoal_ignore(shoal_index_put(s->index, &(shoal_index_item){PYTHON_KEY, shoal_buf_str(&b)}, 1, &ignored));
  s->python.is_new = false;
  shoal_buf_dispose(&b);
}

/* What stands at a path now: a file by its content, a folder by its times. */
static shoal_hash standing(const shoal_watch_entry *e) {
  shoal_hasher h;
  if (e->kind != SHOAL_WATCH_FOLDER)
    return e->hash; /* zero for what is absent */
  shoal_hasher_init(&h, "shoal/1/python/folder");
  shoal_hasher_u64(&h, e->stat.dev);
  shoal_hasher_u64(&h, e->stat.ino);
  shoal_hasher_u64(&h, (uint64_t)e->stat.mtime_ns);
  shoal_hasher_u64(&h, (uint64_t)e->stat.ctime_ns);
  return shoal_hasher_end(&h);
}

static shoal_status stands(shoal_session *s, const shoal_python_file *f, const shoal_hash *content, bool *out,
                           shoal_error *err) {
  *out = shoal_hash_eq(&f->content, content);
  for (size_t i = 0; i < f->n_rests_on && *out; i++) {
    const shoal_watch_entry *e;
    SHOAL_TRY(shoal_watch_add(&s->watch, f->rests_on[i].path, &e, err));
    shoal_hash now = standing(e);
    *out = shoal_hash_eq(&now, &f->rests_on[i].hash);
  }
  return SHOAL_OK;
}

/* ---- what a worker tells ---- */

static shoal_str keep(shoal_session *s, yyjson_val *told, const char *key) {
  return shoal_arena_str(&s->arena, shoal_json_str(told, key));
}

static shoal_str text_of(yyjson_val *v) { return shoal_str_n(yyjson_get_str(v), yyjson_get_len(v)); }

static shoal_status take_refs(shoal_session *s, yyjson_val *told, shoal_unit *u, shoal_error *err) {
  yyjson_val *loads = yyjson_obj_get(told, "loads"), *calls = yyjson_obj_get(told, "calls"), *v;
  size_t i, n;
  u->refs = SHOAL_NEW_ARRAY(&s->arena, shoal_unit_ref, yyjson_arr_size(loads) + yyjson_arr_size(calls));
  if (!u->refs)
    return shoal_fail_nomem(err);
  yyjson_arr_foreach(loads, i, n, v) u->refs[u->n_refs++] =
      (shoal_unit_ref){.name = shoal_arena_str(&s->arena, text_of(v)), .line = u->line};
  yyjson_arr_foreach(calls, i, n, v) u->refs[u->n_refs++] =
      (shoal_unit_ref){.name = shoal_arena_str(&s->arena, text_of(v)), .line = u->line, .called = true};
  return SHOAL_OK;
}

/* What the decorator says counts like a SQL model's header. That the code's key covers the layout is the worker's
   doing, so that calls have the same one. */
static shoal_status take_decorated(shoal_session *s, shoal_unit *u, shoal_error *err) {
  shoal_model m = {0};
  if (!u->decorated.len)
    return SHOAL_OK;
  SHOAL_TRY(shoal_model_decorate(u->decorated, u->path, u->line, &s->arena, &m, err));
  u->layout = m.n_partition_by + m.n_cluster_by ? shoal_layout_hash(&m) : (shoal_hash){{0}};
  u->expects = shoal_expects_hash(&m);
  return SHOAL_OK;
}

static shoal_status take_unit(shoal_session *s, const shoal_python_file *f, yyjson_val *told, shoal_unit *u,
                              shoal_error *err) {
  *u = (shoal_unit){.name = keep(s, told, "dataset"),
                    .path = f->path,
                    .content = f->content,
                    .python = keep(s, told, "python"),
                    .description = keep(s, told, "doc"),
                    .decorated = keep(s, told, "decorated"),
                    .line = (int)shoal_json_i64(told, "line", 1)};
  if (!shoal_hash_unhex(shoal_json_str(told, "code"), &u->canon) ||
      !shoal_hash_unhex(shoal_json_str(told, "args"), &u->arguments))
    return shoal_fail(err, SHOAL_EENGINE, "the worker told no key of %.*s", SHOAL_FMT(u->name));
  SHOAL_TRY(take_decorated(s, u, err));
  return take_refs(s, told, u, err);
}

/* Hashes what the answer rests on, and believes it only if none of it was changed since the worker began. */
static shoal_status take_rest(shoal_session *s, yyjson_val *told, int64_t since_ns, shoal_python_file *f,
                              shoal_error *err) {
  yyjson_val *paths = yyjson_obj_get(told, "rests_on"), *v;
  size_t i, n;
  f->rests_on = SHOAL_NEW_ARRAY(&s->arena, shoal_python_rest, yyjson_arr_size(paths));
  if (!f->rests_on)
    return shoal_fail_nomem(err);
  yyjson_arr_foreach(paths, i, n, v) {
    const shoal_watch_entry *e;
    SHOAL_TRY(shoal_watch_add(&s->watch, text_of(v), &e, err));
    if (e->stat.mtime_ns > since_ns || e->stat.ctime_ns > since_ns) {
      (void)shoal_fail(err, SHOAL_ECONFLICT, "%s was changed while Shoal was reading the project", e->path.ptr);
      shoal_hint(err, "run the command again");
      return SHOAL_ECONFLICT;
    }
    shoal_str path = shoal_arena_str(&s->arena, e->path);
    f->rests_on[f->n_rests_on++] = (shoal_python_rest){path, standing(e)};
    if (!path.ptr)
      return shoal_fail_nomem(err);
  }
  return SHOAL_OK;
}

static shoal_status take_file(shoal_session *s, yyjson_val *told, int64_t since_ns, shoal_python_file *f,
                              shoal_error *err) {
  yyjson_val *error = yyjson_obj_get(told, "error"), *models = yyjson_obj_get(told, "models"), *v;
  size_t i, n;
  if (error)
    return shoal_worker_error(error, err);
  f->units = SHOAL_NEW_ARRAY(&s->arena, shoal_unit, yyjson_arr_size(models));
  if (!f->units)
    return shoal_fail_nomem(err);
  yyjson_arr_foreach(models, i, n, v) SHOAL_TRY(take_unit(s, f, v, &f->units[f->n_units++], err));
  return take_rest(s, told, since_ns, f, err);
}

static shoal_status ask(shoal_session *s, const shoal_python_file *const *files, size_t n, shoal_error *err) {
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_jw_obj(&w);
  shoal_jw_kz(&w, "do", "describe");
  shoal_jw_key(&w, "files");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < n; i++)
    shoal_jw_str(&w, files[i]->path);
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  shoal_status status = shoal_buf_check(&b, err);
  if (status >= 0)
    status = shoal_worker_send(s->python.worker, shoal_buf_str(&b), err);
  shoal_buf_dispose(&b);
  return status;
}

/* Asks one worker for all of them; it answers file by file. */
static shoal_status describe(shoal_session *s, shoal_python_file **files, size_t n, shoal_error *err) {
  SHOAL_TRY(shoal_session_open_worker(s, &s->python.worker, err));
  int64_t since_ns = shoal_time_now() * 1000 - CLOCK_NS; /* it has read nothing of the project yet */
  SHOAL_TRY(ask(s, (const shoal_python_file *const *)files, n, err));
  for (size_t i = 0; i < n; i++) {
    yyjson_doc *told = NULL;
    shoal_status status = shoal_worker_receive(s->python.worker, 0, &told, err);
    if (status < 0) {
      shoal_context(err, "importing %.*s", SHOAL_FMT(files[i]->path));
      return status;
    }
    status = take_file(s, yyjson_doc_get_root(told), since_ns, files[i], err);
    yyjson_doc_free(told);
    SHOAL_TRY(status);
  }
  return SHOAL_OK;
}

static shoal_status ask_about(shoal_session *s, const shoal_unit *u, const char *what, yyjson_doc **out,
                              shoal_error *err) {
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  *out = NULL;
  shoal_jw_obj(&w);
  shoal_jw_kz(&w, "do", what);
  shoal_jw_kstr(&w, "file", u->path);
  shoal_jw_kstr(&w, "dataset", u->name);
  shoal_jw_end(&w);
  shoal_status status = shoal_buf_check(&b, err);
  if (status >= 0 && !s->python.worker)
    status = shoal_session_open_worker(s, &s->python.worker, err);
  if (status >= 0)
    status = shoal_worker_send(s->python.worker, shoal_buf_str(&b), err);
  if (status >= 0)
    status = shoal_worker_receive(s->python.worker, 0, out, err);
  yyjson_val *error = status >= 0 ? yyjson_obj_get(yyjson_doc_get_root(*out), "error") : NULL;
  if (error) {
    status = shoal_worker_error(error, err);
    yyjson_doc_free(*out);
    *out = NULL;
  }
  shoal_buf_dispose(&b);
  return status;
}

shoal_status shoal_session_explain_python(shoal_session *s, const shoal_unit *u, yyjson_doc **out, shoal_error *err) {
  return ask_about(s, u, "explain", out, err);
}

static shoal_status take_finding(yyjson_val *told, shoal_arena *arena, shoal_finding *out, shoal_error *err) {
  *out = (shoal_finding){.path = shoal_arena_str(arena, shoal_json_str(told, "path")),
                         .line = (int)shoal_json_i64(told, "line", 0),
                         .kind = shoal_arena_str(arena, shoal_json_str(told, "kind")),
                         .what = shoal_arena_str(arena, shoal_json_str(told, "what")),
                         .why = shoal_arena_str(arena, shoal_json_str(told, "why")),
                         .mend = shoal_arena_str(arena, shoal_json_str(told, "mend"))};
  return out->path.ptr && out->kind.ptr && out->what.ptr && out->why.ptr && out->mend.ptr ? SHOAL_OK
                                                                                          : shoal_fail_nomem(err);
}

shoal_status shoal_session_impurities(shoal_session *s, const shoal_unit *u, shoal_arena *arena, shoal_finding **out,
                                      size_t *n, shoal_error *err) {
  yyjson_doc *doc = NULL;
  yyjson_val *v;
  size_t i, max;
  *out = NULL;
  *n = 0;
  if (!u->python.ptr)
    return SHOAL_OK;
  SHOAL_TRY(ask_about(s, u, "check", &doc, err));
  yyjson_val *told = yyjson_obj_get(yyjson_doc_get_root(doc), "findings");
  *out = SHOAL_NEW_ARRAY(arena, shoal_finding, yyjson_arr_size(told));
  shoal_status status = *out ? SHOAL_OK : shoal_fail_nomem(err);
  yyjson_arr_foreach(told, i, max, v) if (status >= 0) status = take_finding(v, arena, &(*out)[(*n)++], err);
  yyjson_doc_free(doc);
  return status;
}

/* ---- units ---- */

static shoal_status add_units(shoal_session *s, shoal_error *err) {
  size_t n = s->n_units;
  for (size_t i = 0; i < s->python.n_files; i++)
    n += s->python.files[i].n_units;
  shoal_unit *units = SHOAL_NEW_ARRAY(&s->arena, shoal_unit, n);
  if (!units)
    return shoal_fail_nomem(err);
  if (s->n_units)
    memcpy(units, s->units, s->n_units * sizeof *units);
  s->units = units;
  for (size_t i = 0; i < s->python.n_files; i++)
    for (size_t k = 0; k < s->python.files[i].n_units; k++)
      s->units[s->n_units++] = s->python.files[i].units[k];
  return SHOAL_OK;
}

static shoal_status read_files(shoal_session *s, const shoal_watch_entry *entries, size_t n, const memory *m,
                               shoal_error *err) {
  shoal_python_file **unknown = SHOAL_NEW_ARRAY(&s->arena, shoal_python_file *, n);
  size_t n_unknown = 0;
  s->python.files = SHOAL_NEW_ARRAY(&s->arena, shoal_python_file, n);
  if (!unknown || !s->python.files)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++) {
    uint32_t known = shoal_map_get(&m->by_path, entries[i].path);
    bool same = false;
    if (known != SHOAL_MAP_NONE)
      SHOAL_TRY(stands(s, &m->files[known], &entries[i].hash, &same, err));
    shoal_python_file *f = &s->python.files[s->python.n_files++];
    *f = same ? m->files[known]
              : (shoal_python_file){.path = shoal_arena_str(&s->arena, entries[i].path), .content = entries[i].hash};
    if (!f->path.ptr)
      return shoal_fail_nomem(err);
    if (!same)
      unknown[n_unknown++] = f;
  }
  if (n_unknown)
    SHOAL_TRY(describe(s, unknown, n_unknown, err));
  s->python.is_new = n_unknown > 0 || m->n != n;
  return SHOAL_OK;
}

shoal_status shoal_session_python_units(shoal_session *s, size_t first, size_t n, shoal_error *err) {
  memory m;
  size_t found = 0;
  shoal_watch_entry *entries = SHOAL_NEW_ARRAY(&s->arena, shoal_watch_entry, n);
  if (!entries)
    return shoal_fail_nomem(err);
  for (size_t i = first; i < first + n; i++) /* copied: watching more moves them */
    if (s->watch.entries.ptr[i].kind == SHOAL_WATCH_FILE &&
        shoal_str_ends(s->watch.entries.ptr[i].path, SHOAL_STR(".py")))
      entries[found++] = s->watch.entries.ptr[i];
  if (found == 0)
    return SHOAL_OK;
  SHOAL_TRY(find_interpreter(s, err));
  shoal_status status = recall(s, &m, err);
  if (status >= 0)
    status = read_files(s, entries, found, &m, err);
  shoal_map_dispose(&m.by_path);
  return status < 0 ? status : add_units(s, err);
}

shoal_status shoal_session_python_unchanged(const shoal_session *s, uint32_t node, shoal_error *err) {
  const shoal_unit *u = s->graph->nodes[node].unit;
  for (size_t i = 0; i < s->python.n_files; i++) {
    const shoal_python_file *f = &s->python.files[i];
    for (size_t k = 0; shoal_str_eq(f->path, u->path) && k < f->n_rests_on; k++) {
      bool same;
      SHOAL_TRY(shoal_watch_recheck(&s->watch, f->rests_on[k].path, &same, err));
      if (!same) {
        (void)shoal_fail(err, SHOAL_ECONFLICT, "%.*s changed while it was run", SHOAL_FMT(f->rests_on[k].path));
        shoal_hint(err, "what was computed is discarded; run again");
        return SHOAL_ECONFLICT;
      }
    }
  }
  return SHOAL_OK;
}
