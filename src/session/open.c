/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the project, its settings, its branch and its lake; each step only when it is needed. */
#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "session/session.h"

#define PROJECT_FILE "shoal.yaml"
#define PROJECTORS 4 /* they wait for the disk more than they compute */
#define LOCAL_FILE "shoal.local.yaml"

static shoal_status find_root(shoal_session *s, const char *from, shoal_error *err) {
  char *dir;
  SHOAL_TRY(shoal_os_realpath(from, &s->arena, &dir, err));
  for (;;) {
    shoal_stat st;
    char *file = shoal_arena_printf(&s->arena, "%s/" PROJECT_FILE, dir[1] ? dir : "");
    if (!file)
      return shoal_fail_nomem(err);
    if (shoal_os_stat_at(-100 /* AT_FDCWD */, file, &st) == 0) {
      s->root = dir;
      return SHOAL_OK;
    }
    char *slash = strrchr(dir, '/');
    if (!slash || dir[1] == '\0')
      break;
    if (slash == dir)
      slash++;
    *slash = '\0';
  }
  if (s->options.lake)
    return SHOAL_OK;
  if (s->options.anywhere)
    return shoal_os_cwd(&s->arena, &s->outside, err);
  (void)shoal_fail(err, SHOAL_ENOTFOUND, "there is no " PROJECT_FILE " here or above %s", from);
  shoal_hint(err, "shoal init makes a project; -C DIR points to one; --lake opens a lake without one");
  return SHOAL_ENOTFOUND;
}

static shoal_status resolve_branch(shoal_session *s, shoal_error *err) {
  const char *env = getenv("SHOAL_BRANCH");
  const char *given = s->options.branch ? s->options.branch : env && *env ? env : NULL;
  if (s->root)
    SHOAL_TRY(shoal_git_find(s->root, &s->arena, &s->git, err));
  if (given)
    s->branch = shoal_str_z(given);
  else if (s->git.present)
    s->branch = s->git.branch;
  else
    s->branch = SHOAL_STR("main"); /* the trunk's name is known once the lake is open */
  return SHOAL_OK;
}

shoal_status shoal_session_open(const shoal_session_options *options, shoal_session **out, shoal_error *err) {
  *out = NULL;
  char user[256], host[256];
  shoal_session *s = shoal_calloc(1, sizeof *s);
  if (!s)
    return shoal_fail_nomem(err);
  s->options = *options;
  snprintf(s->who, sizeof s->who, "%s@%s", shoal_os_user(user), shoal_os_hostname(host));
  shoal_status status = find_root(s, options->dir ? options->dir : ".", err);
  if (status >= 0)
    status = resolve_branch(s, err);
  if (status >= 0 && s->root)
    status = shoal_index_open(s->root, &s->index, err);
  if (status < 0)
    shoal_session_close(s);
  else
    *out = s;
  return status;
}

static void cache_state(shoal_session *s);

void shoal_session_close(shoal_session *s) {
  if (!s)
    return;
  shoal_session_await_engine(s);
  shoal_session_remember(s);
  cache_state(s);
  shoal_session_free_externals(s);
  shoal_graph_free(s->graph);
  for (size_t i = 0; i < s->old_graphs.len; i++)
    shoal_graph_free(s->old_graphs.ptr[i]);
  for (size_t i = 0; i < s->old_states.len; i++)
    shoal_state_free(s->old_states.ptr[i]);
  shoal_vec_dispose(&s->old_graphs);
  shoal_vec_dispose(&s->old_states);
  shoal_vec_dispose(&s->readable);
  shoal_vec_dispose(&s->learned.all);
  shoal_map_dispose(&s->learned.by_key);
  if (s->scanned)
    shoal_watch_dispose(&s->watch);
  shoal_state_free(s->state);
  shoal_state_free(s->head);
  shoal_lake_free(s->lake);
  shoal_store_free(s->store);
  shoal_engine_free(s->engine);
  shoal_worker_free(s->python.worker);
  shoal_index_close(s->index);
  shoal_arena_dispose(&s->arena);
  shoal_free(s);
}

void shoal_session_leave(shoal_session *s) {
  if (!s)
    return;
  shoal_session_remember(s);
  cache_state(s);
  shoal_store_free(s->store); /* has a folder of its own */
  shoal_engine_leave(s->engine);
  shoal_worker_free(s->python.worker);
}

shoal_status shoal_session_read(shoal_session *s, shoal_str path, const shoal_hash *expect, shoal_arena *arena,
                                shoal_str *out, shoal_error *err) {
  shoal_buf b = {0};
  char *full = path.len && path.ptr[0] == '/' ? shoal_arena_cstr(arena, path)
                                              : shoal_arena_printf(arena, "%s/%.*s", s->root, SHOAL_FMT(path));
  if (!full)
    return shoal_fail_nomem(err);
  shoal_status status = shoal_os_read_file(full, SHOAL_MAX_YAML_BYTES, &b, err);
  if (status >= 0 && expect) {
    shoal_hash now = shoal_hash_bytes(shoal_buf_str(&b));
    if (!shoal_hash_eq(&now, expect)) {
      status =
          shoal_fail(err, SHOAL_ECONFLICT, "%.*s was changed while Shoal was reading the project", SHOAL_FMT(path));
      shoal_hint(err, "run the command again");
    }
  }
  if (status >= 0) {
    *out = shoal_arena_str(arena, shoal_buf_str(&b));
    status = out->ptr ? SHOAL_OK : shoal_fail_nomem(err);
  }
  shoal_buf_dispose(&b);
  return status;
}

static shoal_status apply_vars(shoal_session *s, shoal_error *err) {
  for (size_t i = 0; i < s->options.n_vars; i++) {
    shoal_str v = s->options.vars[i];
    ptrdiff_t eq = shoal_str_chr(v, '=');
    if (eq <= 0)
      return shoal_fail(err, SHOAL_EINVAL, "--var needs name=value, not '%.*s'", SHOAL_FMT(v));
    SHOAL_TRY(shoal_config_set_var(&s->config, shoal_str_sub(v, 0, (size_t)eq), shoal_str_sub(v, (size_t)eq + 1, v.len),
                                   "--var", &s->arena, err));
  }
  return SHOAL_OK;
}

static shoal_status absolute(shoal_session *s, shoal_str path, shoal_str *out, shoal_error *err) {
  char *full;
  if (path.len && path.ptr[0] == '/')
    full = shoal_arena_cstr(&s->arena, path);
  else if (s->root && !s->options.lake)
    full = shoal_arena_printf(&s->arena, "%s/%.*s", s->root, SHOAL_FMT(path));
  else {
    char *cwd;
    SHOAL_TRY(shoal_os_cwd(&s->arena, &cwd, err));
    full = shoal_arena_printf(&s->arena, "%s/%.*s", cwd, SHOAL_FMT(path));
  }
  *out = shoal_str_z(full);
  return full ? SHOAL_OK : shoal_fail_nomem(err);
}

static shoal_status lake_path(shoal_session *s, shoal_error *err) {
  shoal_str where = s->options.lake ? shoal_str_z(s->options.lake) : s->config.lake;
  if (shoal_str_find(where, SHOAL_STR("://")) >= 0) {
    if (!shoal_str_starts(where, SHOAL_STR("file://"))) {
      (void)shoal_fail(err, SHOAL_EUNSUPPORTED, "a lake at %.*s is not supported yet", SHOAL_FMT(where));
      shoal_hint(err, "a lake is a folder for now: lake: ../lake");
      return SHOAL_EUNSUPPORTED;
    }
    where = shoal_str_sub(where, 7, where.len);
  }
  return absolute(s, where, &s->lake_path, err);
}

shoal_status shoal_session_configure(shoal_session *s, shoal_error *err) {
  if (s->configured)
    return SHOAL_OK;
  if (s->root) {
    shoal_str text, local = SHOAL_STR_NONE;
    SHOAL_TRY(shoal_session_read(s, SHOAL_STR(PROJECT_FILE), NULL, &s->arena, &text, err));
    shoal_status status = shoal_session_read(s, SHOAL_STR(LOCAL_FILE), NULL, &s->arena, &local, err);
    if (status < 0 && status != SHOAL_ENOTFOUND)
      return status;
    SHOAL_TRY(shoal_config_parse(text, status < 0 ? SHOAL_STR_NONE : local, &s->arena, &s->config, err));
  }
  SHOAL_TRY(apply_vars(s, err));
  if (!s->outside)
    SHOAL_TRY(lake_path(s, err));
  s->configured = true;
  return SHOAL_OK;
}

static shoal_status engine_for_lake(void *arg, shoal_engine **out, shoal_error *err) {
  return shoal_session_engine(arg, out, err);
}

static shoal_status imagine_lake(shoal_session *s, shoal_error *err);

shoal_status shoal_session_open_lake(shoal_session *s, bool create, shoal_error *err) {
  if (s->lake)
    return SHOAL_OK;
  SHOAL_TRY(shoal_session_configure(s, err));
  if (s->outside)
    return imagine_lake(s, err);
  shoal_status status = shoal_store_open_file(s->lake_path.ptr, create, &s->store, err);
  if (status >= 0)
    status = create ? shoal_lake_create(s->store, &(shoal_lake_options){0}, &s->lake, err)
                    : shoal_lake_open(s->store, &s->lake, err);
  if (status == SHOAL_ENOTFOUND) {
    (void)shoal_fail(err, SHOAL_ENOTFOUND, "there is no lake at %.*s yet", SHOAL_FMT(s->lake_path));
    shoal_hint(err, "shoal run makes it");
  }
  if (status < 0) {
    shoal_store_free(s->store);
    s->store = NULL;
    if (status == SHOAL_ENOTFOUND && s->options.anywhere && !s->options.lake)
      return imagine_lake(s, err);
    return status;
  }
  s->lake->get_engine = engine_for_lake;
  s->lake->engine_arg = s;
  s->lake->projectors = PROJECTORS;
  if (!s->options.branch && !getenv("SHOAL_BRANCH") && !s->git.present)
    s->branch = s->lake->trunk;
  return SHOAL_OK;
}

/* For who only plans, or reads tables by their paths: a lake with nothing in it, which is gone with the session. */
static shoal_status imagine_lake(shoal_session *s, shoal_error *err) {
  shoal_lake_free(s->lake);
  shoal_store_free(s->store);
  s->lake = NULL;
  s->store = NULL;
  s->imagined = true;
  if (err)
    *err = (shoal_error){0};
  SHOAL_TRY(shoal_store_open_memory(&s->store, err));
  SHOAL_TRY(shoal_lake_create(s->store, &(shoal_lake_options){0}, &s->lake, err));
  return shoal_branch_create(s->lake, s->lake->trunk, SHOAL_STR_NONE, 0, err);
}

char *shoal_session_entry_mark(shoal_store *store, shoal_str entry, shoal_arena *arena) {
  shoal_object o;
  shoal_error ignored;
  if (shoal_store_head(store, entry, &o, &ignored) < 0)
    return NULL;
  return shoal_arena_printf(arena, "%llu:%lld", (unsigned long long)o.size, (long long)o.modified_us);
}

/* The mark of a state's newest entry; {NULL,0} if it is not in the lake. */
static shoal_str mark_of(shoal_session *s, const shoal_state *state) {
  shoal_buf key = {0};
  shoal_error ignored;
  char *mark = NULL;
  if (shoal_branch_entry_key(state->branch, state->publication, &key, &ignored) >= 0)
    mark = shoal_session_entry_mark(s->store, shoal_buf_str(&key), &s->arena);
  shoal_buf_dispose(&key);
  return shoal_str_z(mark);
}

/* The state cached in the index, or NULL; also where the lake's log is not the one it was taken from (a power loss or a
   backup may have set the lake back while the index stayed). */
static shoal_state *cached_state(shoal_session *s, shoal_str key) {
  shoal_state *state = NULL;
  shoal_error ignored;
  shoal_decoder d = {.rest = s->index ? shoal_index_view(s->index, key) : SHOAL_STR_NONE};
  shoal_str mark = shoal_take_str(&d), packed = shoal_take_str(&d);
  if (!d.failed && shoal_state_unpack(packed, &state, &ignored) < 0)
    state = NULL;
  if (state && !shoal_str_eq(mark, mark_of(s, state))) {
    shoal_state_free(state);
    state = NULL;
  }
  if (s->index)
    shoal_index_release(s->index);
  return state;
}

/* Catching up from an older state that takes less than this is cheaper than writing the new one each time. */
#define WORTH_CACHING_US 5000

/* At the session's end, when nobody waits for it any more. What can't be cached is only read again. */
static void cache_state(shoal_session *s) {
  const shoal_state *state = s->head ? s->head : s->state;
  shoal_buf packed = {0}, value = {0};
  shoal_error ignored;
  if (!s->cache_key.ptr || !s->index || !state)
    return;
  shoal_str mark = mark_of(s, state);
  if (mark.ptr && shoal_state_pack(state, &packed, &ignored) >= 0) {
    shoal_put_str(&value, mark);
    shoal_put_str(&value, shoal_buf_str(&packed));
    if (shoal_buf_check(&value, &ignored) >= 0)
      shoal_ignore(shoal_index_put(s->index, &(shoal_index_item){s->cache_key, shoal_buf_str(&value)}, 1, &ignored));
  }
  shoal_buf_dispose(&value);
  shoal_buf_dispose(&packed);
}

/* --from is for a branch that is made. */
static shoal_status refuse_from(const shoal_session *s, shoal_error *err) {
  if (!s->options.from)
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_EINVAL, "the branch %.*s is there already, and --from is for a new one",
                   SHOAL_FMT(s->branch));
  shoal_hint(err, "shoal branch --update --from %s moves its base", s->options.from);
  return SHOAL_EINVAL;
}

static shoal_status new_branch(shoal_session *s, shoal_error *err) {
  s->branch_is_new = true;
  shoal_status status = shoal_branch_load(s->lake, s->lake->trunk, -1, &s->state, err);
  if (status == SHOAL_ENOTFOUND && s->options.dry) {
    SHOAL_TRY(imagine_lake(s, err));
    status = shoal_branch_load(s->lake, s->lake->trunk, -1, &s->state, err);
  } else if (status == SHOAL_ENOTFOUND) {
    /* Not even the trunk: the first run of a lake. The trunk is there before any branch of it. */
    status = shoal_branch_create(s->lake, s->lake->trunk, SHOAL_STR_NONE, 0, err);
    if (status < 0 && status != SHOAL_EEXIST) /* somebody else's first run was faster: it is there */
      return status;
    status = shoal_branch_load(s->lake, s->lake->trunk, -1, &s->state, err);
  }
  if (status < 0)
    return status;
  if (shoal_str_eq(s->branch, s->lake->trunk)) {
    s->branch_is_new = false;
    return refuse_from(s, err);
  }
  if (s->options.from) { /* a revision is told from where one is: on the trunk, as long as the branch is not there */
    shoal_str name = s->branch, from = shoal_str_z(s->options.from);
    shoal_state *trunk = s->state;
    s->options.from = NULL;
    s->branch = s->lake->trunk;
    s->branch_is_new = false;
    status = shoal_session_revision(s, from, &s->state, err);
    s->branch = name;
    s->branch_is_new = true;
    shoal_state_free(trunk);
    SHOAL_TRY(status);
  }
  s->fork_branch = shoal_arena_str(&s->arena, s->state->branch);
  s->fork_publication = s->state->publication;
  return s->fork_branch.ptr ? SHOAL_OK : shoal_fail_nomem(err);
}

shoal_status shoal_session_load_state(shoal_session *s, shoal_error *err) {
  bool moved = true;
  if (s->state)
    return SHOAL_OK;
  if (!s->branch.ptr) {
    (void)shoal_fail(err, SHOAL_EINVAL, "HEAD is detached, so there is no branch to work on");
    shoal_hint(err, "git switch to a branch, or say --branch NAME or SHOAL_BRANCH=NAME");
    return SHOAL_EINVAL;
  }
  bool make = s->root != NULL && !s->options.lake;
  shoal_status status = shoal_session_open_lake(s, make && !s->options.dry, err);
  if (status == SHOAL_ENOTFOUND && make)
    status = imagine_lake(s, err);
  SHOAL_TRY(status);
  char *key = shoal_arena_printf(&s->arena, "state3:%.*s:%.*s", SHOAL_FMT(s->lake->id), SHOAL_FMT(s->branch));
  if (!key)
    return shoal_fail_nomem(err);
  s->state = cached_state(s, shoal_str_z(key));
  int64_t start = shoal_time_monotonic();
  status = s->state ? shoal_branch_refresh(s->lake, s->state, &moved, err) : SHOAL_ENOTFOUND;
  if (status >= 0 && s->state->deleted)
    status = SHOAL_ECORRUPT;
  if (status < 0) { /* nothing cached, or what was cached is of another life of the lake */
    shoal_state_free(s->state);
    s->state = NULL;
    status = shoal_branch_load(s->lake, s->branch, -1, &s->state, err);
    moved = true;
  }
  if (status == SHOAL_ENOTFOUND)
    return new_branch(s, err);
  if (status >= 0)
    SHOAL_TRY(refuse_from(s, err));
  if (status >= 0 && moved && shoal_time_monotonic() - start > WORTH_CACHING_US)
    s->cache_key = shoal_str_z(key);
  return status;
}

void shoal_session_await_engine(shoal_session *s) {
  shoal_thread_join(&s->opening);
  if (s->engine)
    shoal_engine_free(s->early);
  else
    s->engine = s->early;
  s->early = NULL;
}

shoal_status shoal_session_engine(shoal_session *s, shoal_engine **out, shoal_error *err) {
  shoal_status status = SHOAL_OK;
  shoal_session_await_engine(s);
  if (!s->engine)
    status = shoal_session_open_engine(s, 1, &s->engine, err);
  *out = s->engine;
  return status;
}

static char *own_staging(const shoal_session *s, shoal_arena *arena);
static shoal_status allowed_paths(shoal_session *s, shoal_arena *arena, shoal_str **out, size_t *n, shoal_error *err);

shoal_status shoal_session_allow(shoal_session *s, const char *folder, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_str *allowed;
  size_t n;
  shoal_str wanted = shoal_str_z(shoal_arena_printf(&s->arena, "%s/", folder));
  shoal_status status = wanted.ptr ? allowed_paths(s, &arena, &allowed, &n, err) : shoal_fail_nomem(err);
  bool may = false;
  for (size_t i = 0; status == SHOAL_OK && i < n; i++)
    may = may || shoal_str_starts(wanted, allowed[i]);
  shoal_arena_dispose(&arena);
  if (status < 0 || may)
    return status;
  shoal_str *slot = shoal_vec_add(&s->readable);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = wanted;
  shoal_session_await_engine(s);
  shoal_engine_free(s->engine);
  s->engine = NULL;
  return SHOAL_OK;
}

/* What the engine may read: the lake, for a project its folder and the folders of its sources, outside of both the
   current folder, and tables that queries name. */
static shoal_status allowed_paths(shoal_session *s, shoal_arena *arena, shoal_str **out, size_t *n, shoal_error *err) {
  *out = SHOAL_NEW_ARRAY(arena, shoal_str, 5 + 2 * s->config.n_sources + s->readable.len);
  if (!*out)
    return shoal_fail_nomem(err);
  *n = 0;
  const char *folders[] = {s->lake_path.ptr, s->root, s->outside, s->options.anywhere ? own_staging(s, arena) : NULL};
  for (size_t i = 0; i < 4; i++)
    if (folders[i])
      (*out)[(*n)++] = shoal_str_z(shoal_arena_printf(arena, "%s/", folders[i]));
  for (size_t i = 0; i < s->readable.len; i++)
    (*out)[(*n)++] = s->readable.ptr[i];
  for (size_t i = 0; i < s->config.n_sources; i++) {
    shoal_str where = s->config.sources[i].where;
    size_t fixed = 0; /* up to the last '/' before a wildcard */
    for (size_t c = 0; c < where.len && where.ptr[c] != '*' && where.ptr[c] != '?'; c++)
      if (where.ptr[c] == '/')
        fixed = c + 1;
    shoal_str folder = s->config.sources[i].kind == SHOAL_SOURCE_DELTA ? where : shoal_str_sub(where, 0, fixed);
    const shoal_str both[] = {folder, s->config.sources[i].clone_of};
    for (size_t k = 0; k < 2 && both[k].ptr; k++) {
      char *full = shoal_session_path(s, both[k], arena), *real = NULL;
      if (!full)
        return shoal_fail_nomem(err);
      if (shoal_os_realpath(full, arena, &real, NULL) >= 0 && real)
        (*out)[(*n)++] = shoal_str_z(shoal_arena_printf(arena, "%s/", real));
    }
  }
  for (size_t i = 0; i < *n; i++)
    if (!(*out)[i].ptr)
      return shoal_fail_nomem(err);
  return SHOAL_OK;
}

char *shoal_session_temp(const shoal_session *s, shoal_arena *arena) {
  if (!s || !s->root) {
    const char *user = shoal_os_cache_folder(arena);
    return user ? shoal_arena_printf(arena, "%s/tmp", user) : NULL;
  }
  shoal_str given = s->config.engine_temp.len ? s->config.engine_temp : SHOAL_STR(".shoal/tmp");
  return given.ptr[0] == '/' ? shoal_arena_cstr(arena, given)
                             : shoal_arena_printf(arena, "%s/%.*s", s->root, SHOAL_FMT(given));
}

/* Where there is no lake yet: named after the process, as what engines spill is, so that what a crash leaves goes, too.
 */
static char *own_staging(const shoal_session *s, shoal_arena *arena) {
  char token[SHOAL_PROCESS_TOKEN], *temp = shoal_session_temp(s, arena);
  shoal_os_process_token(token);
  return temp ? shoal_arena_printf(arena, "%s/%s.staging", temp, token) : NULL;
}

shoal_status shoal_session_staging(shoal_session *s, shoal_arena *arena, char **out, shoal_error *err) {
  if (!s->imagined)
    return shoal_store_staging(s->store, arena, out, err);
  *out = own_staging(s, arena);
  return *out ? shoal_os_mkdirs(*out, false, err)
              : shoal_fail(err, SHOAL_EIO, "this user has no folder for temporary files: set HOME or XDG_CACHE_HOME");
}

shoal_status shoal_session_open_engine(shoal_session *s, unsigned workers, shoal_engine **out, shoal_error *err) {
  shoal_arena arena = {0};
  *out = NULL;
  shoal_status status = shoal_session_configure(s, err);
  if (workers == 0)
    workers = 1;
  uint64_t memory = s->config.engine_memory ? s->config.engine_memory : shoal_os_memory() / 10 * 6;
  shoal_str *allowed = NULL;
  size_t n_allowed = 0;
  if (status >= 0)
    status = allowed_paths(s, &arena, &allowed, &n_allowed, err);
  if (status >= 0)
    status = shoal_engine_open_duckdb(&(shoal_engine_config){.memory = memory / workers,
                                                             .threads = s->one_thread ? 1 : s->config.engine_threads,
                                                             .temp = shoal_session_temp(s, &arena),
                                                             .temp_max = s->config.engine_temp_max,
                                                             .allowed = allowed,
                                                             .n_allowed = n_allowed,
                                                             .locked = true,
                                                             .plans = s->filters},
                                      out, err);
  shoal_arena_dispose(&arena);
  return status;
}
