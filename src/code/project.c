/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the two YAML texts key by key; every refusal names its line. */
#include "code/project.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/str.h"
#include "base/vec.h"

#define MAIN_FILE "shoal.yaml"
#define LOCAL_FILE "shoal.local.yaml"

typedef struct reader {
  const char *path;
  shoal_arena *arena;
  shoal_config *p;
  SHOAL_VEC(shoal_source) sources;
  SHOAL_VEC(shoal_option) vars;
  SHOAL_VEC(shoal_setting) settings;
} reader;

static bool part_ok(shoal_str s) {
  if (s.len == 0 || (s.ptr[0] >= '0' && s.ptr[0] <= '9'))
    return false;
  for (size_t i = 0; i < s.len; i++) {
    char c = s.ptr[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
      return false;
  }
  return true;
}

bool shoal_dataset_name_ok(shoal_str name) {
  ptrdiff_t dot = shoal_str_chr(name, '.');
  return dot > 0 && name.len <= SHOAL_MAX_NAME_BYTES && part_ok(shoal_str_sub(name, 0, (size_t)dot)) &&
         part_ok(shoal_str_sub(name, (size_t)dot + 1, name.len));
}

bool shoal_bytes_parse(shoal_str s, uint64_t *out) {
  static const struct {
    const char *unit;
    uint64_t bytes;
  } units[] = {{"", 1},
               {"B", 1},
               {"KB", 1000},
               {"MB", 1000000},
               {"GB", 1000000000},
               {"TB", 1000000000000},
               {"KiB", 1u << 10},
               {"MiB", 1u << 20},
               {"GiB", 1u << 30},
               {"TiB", (uint64_t)1 << 40}};
  s = shoal_str_trim(s);
  size_t n = 0;
  while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9')
    n++;
  int64_t v;
  if (!shoal_str_i64(shoal_str_sub(s, 0, n), &v) || v < 0)
    return false;
  shoal_str unit = shoal_str_trim(shoal_str_sub(s, n, s.len));
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (shoal_str_ieq(unit, shoal_str_z(units[i].unit)))
      return !__builtin_mul_overflow((uint64_t)v, units[i].bytes, out);
  return false;
}

static shoal_status need_text(reader *r, const shoal_yaml *node, const char *what, shoal_str *out, shoal_error *err) {
  if (node->kind != SHOAL_YAML_SCALAR)
    return shoal_yaml_fail(node, r->path, err, "%s must be one value", what);
  *out = node->text;
  return SHOAL_OK;
}

static shoal_status note(reader *r, const char *prefix, shoal_str name, shoal_str value, int line, shoal_error *err) {
  shoal_setting *s = shoal_vec_add(&r->settings);
  char *full = s ? shoal_arena_printf(r->arena, "%s%.*s", prefix, SHOAL_FMT(name)) : NULL;
  char *origin = full ? shoal_arena_printf(r->arena, "%s:%d", r->path, line) : NULL;
  if (!origin)
    return shoal_fail_nomem(err);
  *s = (shoal_setting){shoal_str_z(full), value, shoal_str_z(origin)};
  for (size_t i = 0; i + 1 < r->settings.len; i++) /* the later place replaces the earlier */
    if (shoal_str_eq(r->settings.ptr[i].name, s->name)) {
      r->settings.ptr[i] = *s;
      r->settings.len--;
      break;
    }
  return SHOAL_OK;
}

static shoal_str format_of(shoal_str where) {
  static const struct {
    const char *end, *format;
  } known[] = {{".csv", "csv"},        {".csv.gz", "csv"},    {".csv.zst", "csv"},    {".tsv", "csv"},
               {".json", "json"},      {".jsonl", "json"},    {".ndjson", "json"},    {".json.gz", "json"},
               {".ndjson.gz", "json"}, {".jsonl.gz", "json"}, {".parquet", "parquet"}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (shoal_str_ends(where, shoal_str_z(known[i].end)))
      return shoal_str_z(known[i].format);
  return SHOAL_STR_NONE;
}

static shoal_status read_options(reader *r, const shoal_yaml *node, shoal_source *s, shoal_error *err) {
  if (node->kind != SHOAL_YAML_MAP)
    return shoal_yaml_fail(node, r->path, err, "options must be a map, as in {header: true}");
  shoal_option *options = SHOAL_NEW_ARRAY(r->arena, shoal_option, node->n);
  if (!options)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < node->n; i++) {
    if (!part_ok(node->keys[i]))
      return shoal_yaml_fail(node->items[i], r->path, err, "'%.*s' is no option name", SHOAL_FMT(node->keys[i]));
    options[i].name = node->keys[i];
    options[i].quoted = node->items[i]->quoted;
    SHOAL_TRY(need_text(r, node->items[i], "an option", &options[i].value, err));
  }
  s->options = options;
  s->n_options = node->n;
  return SHOAL_OK;
}

static shoal_status read_source(reader *r, shoal_str name, const shoal_yaml *node, shoal_error *err) {
  static const char *const known[] = {"files", "delta", "clone_of", "format", "options", "description", NULL};
  if (!shoal_dataset_name_ok(name))
    return shoal_yaml_fail(node, r->path, err, "'%.*s' is no dataset name: write schema.name in lower case",
                           SHOAL_FMT(name));
  if (node->kind != SHOAL_YAML_MAP)
    return shoal_yaml_fail(node, r->path, err, "source %.*s needs {files: …} or {delta: …}", SHOAL_FMT(name));
  SHOAL_TRY(shoal_yaml_known(node, r->path, "a source", known, err));
  const shoal_yaml *files = shoal_yaml_get(node, "files"), *delta = shoal_yaml_get(node, "delta");
  const shoal_yaml *format = shoal_yaml_get(node, "format"), *options = shoal_yaml_get(node, "options");
  const shoal_yaml *clone_of = shoal_yaml_get(node, "clone_of");
  if (!files == !delta)
    return shoal_yaml_fail(node, r->path, err, "source %.*s needs one of files and delta", SHOAL_FMT(name));
  shoal_source s = {.name = name, .kind = files ? SHOAL_SOURCE_FILES : SHOAL_SOURCE_DELTA, .line = node->line};
  SHOAL_TRY(need_text(r, files ? files : delta, files ? "files" : "delta", &s.where, err));
  if (s.where.len == 0 || !shoal_str_utf8(s.where))
    return shoal_yaml_fail(files ? files : delta, r->path, err, "the path of %.*s is empty or not UTF-8",
                           SHOAL_FMT(name));
  if (clone_of && files)
    return shoal_yaml_fail(clone_of, r->path, err, "clone_of says where files of a Delta table lie");
  if (clone_of)
    SHOAL_TRY(need_text(r, clone_of, "clone_of", &s.clone_of, err));
  if (format)
    SHOAL_TRY(need_text(r, format, "format", &s.format, err));
  else if (files)
    s.format = format_of(s.where);
  if (files && !shoal_str_is(s.format, "csv") && !shoal_str_is(s.format, "json") && !shoal_str_is(s.format, "parquet"))
    return shoal_yaml_fail(format ? format : files, r->path, err, "source %.*s needs format: csv, json or parquet",
                           SHOAL_FMT(name));
  if (options)
    SHOAL_TRY(read_options(r, options, &s, err));
  shoal_source *slot = shoal_vec_add(&r->sources);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = s;
  return SHOAL_OK;
}

static shoal_status read_sources(reader *r, const shoal_yaml *node, shoal_error *err) {
  if (node->kind == SHOAL_YAML_SCALAR && node->text.len == 0)
    return SHOAL_OK;
  if (node->kind != SHOAL_YAML_MAP)
    return shoal_yaml_fail(node, r->path, err, "sources must be a map of names");
  for (size_t i = 0; i < node->n; i++)
    SHOAL_TRY(read_source(r, node->keys[i], node->items[i], err));
  return SHOAL_OK;
}

static shoal_status put_var(reader *r, shoal_str name, shoal_str value, bool quoted, shoal_error *err) {
  shoal_option *slot = NULL;
  for (size_t i = 0; i < r->vars.len; i++)
    if (shoal_str_eq(r->vars.ptr[i].name, name))
      slot = &r->vars.ptr[i];
  if (!slot)
    slot = shoal_vec_add(&r->vars);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = (shoal_option){name, value, quoted};
  return SHOAL_OK;
}

static shoal_status read_vars(reader *r, const shoal_yaml *node, shoal_error *err) {
  if (node->kind == SHOAL_YAML_SCALAR && node->text.len == 0)
    return SHOAL_OK;
  if (node->kind != SHOAL_YAML_MAP)
    return shoal_yaml_fail(node, r->path, err, "vars must be a map of names and values");
  for (size_t i = 0; i < node->n; i++) {
    if (!part_ok(node->keys[i]))
      return shoal_yaml_fail(node->items[i], r->path, err, "'%.*s' is no variable name: use lower case, digits and _",
                             SHOAL_FMT(node->keys[i]));
    shoal_str value;
    SHOAL_TRY(need_text(r, node->items[i], "a variable", &value, err));
    SHOAL_TRY(put_var(r, node->keys[i], value, node->items[i]->quoted, err));
    SHOAL_TRY(note(r, "vars.", node->keys[i], value, node->items[i]->line, err));
  }
  return SHOAL_OK;
}

static shoal_status read_engine_key(reader *r, shoal_str key, const shoal_yaml *node, shoal_error *err) {
  shoal_str v;
  int64_t n;
  SHOAL_TRY(need_text(r, node, "an engine setting", &v, err));
  if (shoal_str_is(key, "memory") && !shoal_bytes_parse(v, &r->p->engine_memory))
    return shoal_yaml_fail(node, r->path, err, "engine.memory must be a size, as 4GB");
  if (shoal_str_is(key, "temp_max") && !shoal_bytes_parse(v, &r->p->engine_temp_max))
    return shoal_yaml_fail(node, r->path, err, "engine.temp_max must be a size, as 50GB");
  if (shoal_str_is(key, "threads")) {
    if (!shoal_str_i64(v, &n) || n < 1 || n > 1024)
      return shoal_yaml_fail(node, r->path, err, "engine.threads must be a number from 1 to 1024");
    r->p->engine_threads = (unsigned)n;
  }
  if (shoal_str_is(key, "temp"))
    r->p->engine_temp = v;
  return note(r, "engine.", key, v, node->line, err);
}

static shoal_status read_engine(reader *r, const shoal_yaml *node, shoal_error *err) {
  static const char *const known[] = {"memory", "threads", "temp", "temp_max", NULL};
  if (node->kind != SHOAL_YAML_MAP)
    return shoal_yaml_fail(node, r->path, err, "engine must be a map, as {memory: 4GB}");
  SHOAL_TRY(shoal_yaml_known(node, r->path, "engine", known, err));
  for (size_t i = 0; i < node->n; i++)
    SHOAL_TRY(read_engine_key(r, node->keys[i], node->items[i], err));
  return SHOAL_OK;
}

/* "90s", "10m", "2h", "90" */
static bool parse_duration(shoal_str s, int64_t *us) {
  int64_t unit = 1000000, n;
  char last = s.len ? s.ptr[s.len - 1] : '0';
  if (last == 's' || last == 'm' || last == 'h') {
    unit *= last == 's' ? 1 : last == 'm' ? 60 : 3600;
    s.len--;
  }
  return shoal_str_i64(s, &n) && n > 0 && !__builtin_mul_overflow(n, unit, us);
}

/* One word for all packages, or a map of packages with "default" for the others. */
static shoal_status read_env(reader *r, const shoal_yaml *node, shoal_error *err) {
  bool one = node->kind == SHOAL_YAML_SCALAR;
  size_t n = one ? 1 : node->n;
  shoal_option *env = SHOAL_NEW_ARRAY(r->arena, shoal_option, n);
  if (!env)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++) {
    const shoal_yaml *v = one ? node : node->items[i];
    env[i].name = one || shoal_str_is(node->keys[i], "default") ? SHOAL_STR("*") : node->keys[i];
    env[i].value = v->text;
    if (node->kind == SHOAL_YAML_LIST || v->kind != SHOAL_YAML_SCALAR ||
        (!shoal_str_is(v->text, "exact") && !shoal_str_is(v->text, "minor") && !shoal_str_is(v->text, "ignore")))
      return shoal_yaml_fail(v, r->path, err,
                             "python.env must be exact, minor or ignore, or these by package, as "
                             "{default: minor, numpy: exact}");
    SHOAL_TRY(note(r, one ? "python.env" : "python.env.", one ? SHOAL_STR("") : node->keys[i], v->text, v->line, err));
  }
  r->p->python_env = env;
  r->p->n_python_env = n;
  return SHOAL_OK;
}

static shoal_status read_python_key(reader *r, shoal_str key, const shoal_yaml *node, shoal_error *err) {
  shoal_str v;
  if (shoal_str_is(key, "env"))
    return read_env(r, node, err);
  SHOAL_TRY(need_text(r, node, "a setting of python", &v, err));
  if (shoal_str_is(key, "memory") && !shoal_bytes_parse(v, &r->p->python_memory))
    return shoal_yaml_fail(node, r->path, err, "python.memory must be a size, as 4GB");
  if (shoal_str_is(key, "timeout") && !parse_duration(v, &r->p->python_timeout_us))
    return shoal_yaml_fail(node, r->path, err, "python.timeout must be a time, as 90s, 10m or 2h");
  if (shoal_str_is(key, "strict")) {
    if (!shoal_str_is(v, "true") && !shoal_str_is(v, "false"))
      return shoal_yaml_fail(node, r->path, err, "python.strict must be true or false");
    r->p->python_strict = shoal_str_is(v, "true");
  }
  if (shoal_str_is(key, "interpreter"))
    r->p->python_interpreter = shoal_str_is(v, "auto") ? SHOAL_STR_NONE : v;
  return note(r, "python.", key, v, node->line, err);
}

static shoal_status read_python(reader *r, const shoal_yaml *node, shoal_error *err) {
  static const char *const known[] = {"interpreter", "memory", "timeout", "env", "strict", NULL};
  if (node->kind != SHOAL_YAML_MAP)
    return shoal_yaml_fail(node, r->path, err, "python must be a map, as {interpreter: auto}");
  SHOAL_TRY(shoal_yaml_known(node, r->path, "python", known, err));
  for (size_t i = 0; i < node->n; i++)
    SHOAL_TRY(read_python_key(r, node->keys[i], node->items[i], err));
  return SHOAL_OK;
}

static shoal_status read_text(reader *r, shoal_str text, bool local, shoal_error *err) {
  static const char *const known[] = {"name", "lake", "sources", "vars", "engine", "python", NULL};
  static const char *const known_local[] = {"lake", "vars", "engine", "python", NULL};
  shoal_yaml *root;
  r->path = local ? LOCAL_FILE : MAIN_FILE;
  SHOAL_TRY(shoal_yaml_parse(text, r->path, 1, r->arena, &root, err));
  if (!root)
    return SHOAL_OK;
  if (root->kind != SHOAL_YAML_MAP)
    return shoal_yaml_fail(root, r->path, err, "this must be a map of settings");
  SHOAL_TRY(shoal_yaml_known(root, r->path, local ? LOCAL_FILE : MAIN_FILE, local ? known_local : known, err));
  const shoal_yaml *node;
  if ((node = shoal_yaml_get(root, "name"))) {
    SHOAL_TRY(need_text(r, node, "name", &r->p->name, err));
    SHOAL_TRY(note(r, "", SHOAL_STR("name"), node->text, node->line, err));
  }
  if ((node = shoal_yaml_get(root, "lake"))) {
    SHOAL_TRY(need_text(r, node, "lake", &r->p->lake, err));
    SHOAL_TRY(note(r, "", SHOAL_STR("lake"), node->text, node->line, err));
  }
  if ((node = shoal_yaml_get(root, "sources")))
    SHOAL_TRY(read_sources(r, node, err));
  if ((node = shoal_yaml_get(root, "vars")))
    SHOAL_TRY(read_vars(r, node, err));
  if ((node = shoal_yaml_get(root, "engine")))
    SHOAL_TRY(read_engine(r, node, err));
  if ((node = shoal_yaml_get(root, "python")))
    SHOAL_TRY(read_python(r, node, err));
  return SHOAL_OK;
}

static int compare_sources(const void *a, const void *b) {
  return shoal_str_cmp(((const shoal_source *)a)->name, ((const shoal_source *)b)->name);
}
static int compare_options(const void *a, const void *b) {
  return shoal_str_cmp(((const shoal_option *)a)->name, ((const shoal_option *)b)->name);
}

/* Copies a vector into the arena. */
static void *keep(shoal_arena *arena, const void *from, size_t n, size_t size) {
  void *to = shoal_arena_array(arena, n, size);
  if (to && n)
    memcpy(to, from, n * size);
  return to;
}

static shoal_status keep_all(reader *r, shoal_error *err) {
  shoal_config *p = r->p;
  if (r->sources.len)
    qsort(r->sources.ptr, r->sources.len, sizeof *r->sources.ptr, compare_sources);
  if (r->vars.len)
    qsort(r->vars.ptr, r->vars.len, sizeof *r->vars.ptr, compare_options);
  p->sources = keep(r->arena, r->sources.ptr, r->sources.len, sizeof *p->sources);
  p->vars = keep(r->arena, r->vars.ptr, r->vars.len, sizeof *p->vars);
  p->settings = keep(r->arena, r->settings.ptr, r->settings.len, sizeof *p->settings);
  p->n_sources = r->sources.len;
  p->n_vars = r->vars.len;
  p->n_settings = r->settings.len;
  return p->sources && p->vars && p->settings ? SHOAL_OK : shoal_fail_nomem(err);
}

shoal_status shoal_config_parse(shoal_str text, shoal_str local_text, shoal_arena *arena, shoal_config *out,
                                shoal_error *err) {
  *out = (shoal_config){.python_strict = -1};
  reader r = {.arena = arena, .p = out};
  shoal_status status = read_text(&r, text, false, err);
  if (status >= 0 && local_text.ptr)
    status = read_text(&r, local_text, true, err);
  if (status >= 0 && out->name.len == 0) {
    status = shoal_fail(err, SHOAL_EINVAL, MAIN_FILE ":1: the project has no name");
    shoal_hint(err, "add a line like 'name: flights'");
    shoal_error_at(err, MAIN_FILE, 1, 1, 0);
  }
  if (status >= 0 && out->lake.len == 0)
    out->lake = SHOAL_STR("lake");
  if (status >= 0)
    status = keep_all(&r, err);
  shoal_vec_dispose(&r.sources);
  shoal_vec_dispose(&r.vars);
  shoal_vec_dispose(&r.settings);
  return status;
}

shoal_status shoal_config_set_var(shoal_config *p, shoal_str name, shoal_str value, const char *origin,
                                  shoal_arena *arena, shoal_error *err) {
  reader r = {.path = origin, .arena = arena, .p = p};
  shoal_status status = SHOAL_OK;
  if (!part_ok(name))
    return shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no variable name: use lower case, digits and _", SHOAL_FMT(name));
  for (size_t i = 0; i < p->n_vars && status >= 0; i++)
    status = put_var(&r, p->vars[i].name, p->vars[i].value, p->vars[i].quoted, err);
  shoal_str kept_name = shoal_arena_str(arena, name), kept = shoal_arena_str(arena, value);
  if (status >= 0)
    status = kept_name.ptr && kept.ptr ? put_var(&r, kept_name, kept, false, err) : shoal_fail_nomem(err);
  if (status >= 0 && r.vars.len) {
    qsort(r.vars.ptr, r.vars.len, sizeof *r.vars.ptr, compare_options);
    p->vars = keep(arena, r.vars.ptr, r.vars.len, sizeof *p->vars);
    p->n_vars = r.vars.len;
    status = p->vars ? SHOAL_OK : shoal_fail_nomem(err);
  }
  shoal_vec_dispose(&r.vars);
  return status;
}
