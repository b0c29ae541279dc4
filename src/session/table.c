/* SPDX-License-Identifier: Apache-2.0 */
/* table.h: which table is meant, an engine that may touch nothing else, and the rows of files. */
#include "session/table.h"

#include <string.h>

#include "base/os.h"
#include "base/str.h"

/* ---- which table ---- */

static shoal_status no_source(const shoal_session *s, shoal_str name, shoal_error *err) {
  (void)shoal_fail(err, SHOAL_ENOTFOUND, "there is no source %.*s", SHOAL_FMT(name));
  for (size_t i = 0; s && i < s->config.n_sources; i++)
    if (shoal_str_distance(s->config.sources[i].name, name, 3) < 3)
      shoal_hint(err, "did you mean %.*s?", SHOAL_FMT(s->config.sources[i].name));
  if (s && s->root)
    shoal_hint(err, "name its table under sources in shoal.yaml, %.*s: {delta: tables/%.*s}; or give the table's path",
               SHOAL_FMT(name), SHOAL_FMT(name));
  else
    shoal_hint(err, "sources belong to a project, and this is none: give the table's path, ./%.*s", SHOAL_FMT(name));
  return SHOAL_ENOTFOUND;
}

static shoal_status refuse_computed(shoal_str name, shoal_error *err) {
  (void)shoal_fail(err, SHOAL_EINVAL, "%.*s is computed: its rows come from its model", SHOAL_FMT(name));
  shoal_hint(err, "change the model, and shoal run; shoal log %.*s shows its versions, shoal rollback goes back",
             SHOAL_FMT(name));
  return SHOAL_EINVAL;
}

/* Whether the branch holds a dataset of this name. A lake that is not there yet holds none. */
static bool is_computed(shoal_session *s, shoal_str name) {
  shoal_error ignored = {0};
  return shoal_session_load_state(s, &ignored) >= 0 && shoal_state_find(s->state, name);
}

static shoal_status find_source(shoal_open_table *t, shoal_str name, shoal_error *err) {
  shoal_session *s = t->s;
  const shoal_source *found = NULL;
  for (size_t i = 0; s && i < s->config.n_sources; i++)
    if (shoal_str_eq(s->config.sources[i].name, name))
      found = &s->config.sources[i];
  if (!found)
    return s && is_computed(s, name) ? refuse_computed(name, err) : no_source(s, name, err);
  if (found->kind != SHOAL_SOURCE_DELTA) {
    (void)shoal_fail(err, SHOAL_EINVAL, "%.*s is made of files, %.*s (shoal.yaml:%d)", SHOAL_FMT(name),
                     SHOAL_FMT(found->where), found->line);
    shoal_hint(err, "put the files where it looks for them");
    return SHOAL_EINVAL;
  }
  t->folder = shoal_session_source_path(s, found, &t->arena);
  return t->folder ? SHOAL_OK : shoal_fail_nomem(err);
}

/* The nearest folder above that is there, as it is called without links; NULL without memory. */
static char *nearest(shoal_open_table *t) {
  char *path = shoal_arena_cstr(&t->arena, shoal_str_z(t->folder)), *real = NULL;
  while (path && shoal_os_realpath(*path ? path : "/", &t->arena, &real, NULL) < 0) {
    char *slash = strrchr(path, '/');
    if (!slash)
      return NULL;
    *slash = '\0';
  }
  return real;
}

/* What lies in the lake is computed, or will be. There is no such thing where the lake is not there yet. */
static shoal_status check_outside_lake(shoal_open_table *t, shoal_error *err) {
  shoal_error ignored = {0};
  shoal_str dataset = SHOAL_STR_NONE;
  char *lake = NULL, *folder = nearest(t);
  if (!t->s || shoal_os_realpath(t->s->lake_path.ptr, &t->arena, &lake, &ignored) < 0)
    return SHOAL_OK;
  size_t n = strlen(lake);
  if (!folder)
    return shoal_fail_nomem(err);
  if (strncmp(folder, lake, n) != 0 || (folder[n] && folder[n] != '/'))
    return SHOAL_OK;
  if (shoal_session_dataset_of(t->s, t->folder, &dataset, &ignored) >= 0 && dataset.ptr)
    return refuse_computed(dataset, err);
  (void)shoal_fail(err, SHOAL_EINVAL, "%s lies in the lake, which holds what is computed", t->folder);
  shoal_hint(err, "put the table elsewhere, or name it under sources in shoal.yaml and use that name");
  return SHOAL_EINVAL;
}

static shoal_status find_table(shoal_open_table *t, shoal_str target, unsigned flags, shoal_error *err) {
  if (shoal_str_chr(target, '/') < 0) /* which no name has */
    return find_source(t, target, err);
  t->folder = shoal_arena_cstr(&t->arena, target);
  if (!t->folder)
    return shoal_fail_nomem(err);
  return flags & SHOAL_TABLE_COMPUTED ? SHOAL_OK : check_outside_lake(t, err);
}

/* Of a table that is a source, the folder of another that its files may lie in. */
static shoal_status take_clone(shoal_open_table *t, shoal_error *err) {
  char *real;
  SHOAL_TRY(shoal_os_realpath(t->folder, &t->arena, &real, err));
  t->delta.also = shoal_str_z(shoal_session_clone_of(t->s, real, &t->arena));
  return SHOAL_OK;
}

static shoal_status give_engine(void *arg, shoal_engine **out, shoal_error *err) {
  return shoal_session_table_engine(arg, out, err);
}

shoal_status shoal_session_table_open(shoal_session *s, shoal_cancel *cancel, shoal_str target, unsigned flags,
                                      const shoal_str *readable, size_t n_readable, shoal_open_table *out,
                                      shoal_error *err) {
  *out = (shoal_open_table){.s = s, .cancel = cancel, .readable = readable, .n_readable = n_readable};
  shoal_status status = s ? shoal_session_configure(s, err) : SHOAL_OK;
  if (status >= 0)
    status = find_table(out, target, flags, err);
  if (status >= 0)
    status = shoal_store_open_file(out->folder, flags & SHOAL_TABLE_CREATE, &out->store, err);
  out->delta = (shoal_delta_table){.store = out->store,
                                   .prefix = SHOAL_STR(""),
                                   .get_engine = give_engine,
                                   .engine_arg = out,
                                   .cache = shoal_session_delta_cache(s, &out->arena)};
  if (status >= 0)
    status = take_clone(out, err);
  if (status == SHOAL_ENOTFOUND && out->folder)
    status = shoal_fail(err, SHOAL_ENOTFOUND, "there is no table at %s", out->folder);
  if (status < 0)
    shoal_session_table_close(out);
  return status;
}

void shoal_session_table_close(shoal_open_table *t) {
  shoal_interrupt_end(t->interrupt);
  shoal_engine_free(t->engine);
  shoal_store_free(t->store);
  shoal_arena_dispose(&t->arena);
  *t = (shoal_open_table){0};
}

/* ---- its engine ---- */

static shoal_status open_engine(shoal_open_table *t, shoal_error *err) {
  const shoal_config none = {0}, *config = t->s ? &t->s->config : &none;
  shoal_str *allowed = SHOAL_NEW_ARRAY(&t->arena, shoal_str, t->n_readable + 2);
  size_t n = t->n_readable + 1;
  char *real;
  if (!allowed)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_os_realpath(t->folder, &t->arena, &real, err));
  for (size_t i = 0; i < t->n_readable; i++)
    allowed[i] = t->readable[i];
  allowed[t->n_readable] = shoal_str_z(shoal_arena_printf(&t->arena, "%s/", real));
  if (t->delta.also.ptr)
    allowed[n++] = shoal_str_z(shoal_arena_printf(&t->arena, "%.*s/", SHOAL_FMT(t->delta.also)));
  if (!allowed[t->n_readable].ptr || !allowed[n - 1].ptr)
    return shoal_fail_nomem(err);
  shoal_engine_config wanted = {.memory = config->engine_memory,
                                .threads = config->engine_threads,
                                .temp = shoal_session_temp(t->s, &t->arena),
                                .temp_max = config->engine_temp_max,
                                .allowed = allowed,
                                .n_allowed = n,
                                .locked = true};
  return shoal_engine_open_duckdb(&wanted, &t->engine, err);
}

shoal_status shoal_session_table_engine(shoal_open_table *t, shoal_engine **out, shoal_error *err) {
  shoal_status status = t->engine ? SHOAL_OK : open_engine(t, err);
  if (status == SHOAL_OK && t->cancel && !t->interrupt)
    status = shoal_interrupt_begin(t->cancel, t->engine, &t->interrupt, err);
  *out = t->engine;
  return status;
}

/* ---- rows of files ---- */

static const struct {
  const char *ending;
  shoal_scan_format format;
} endings[] = {{".csv", SHOAL_SCAN_CSV},         {".csv.gz", SHOAL_SCAN_CSV},   {".tsv", SHOAL_SCAN_CSV},
               {".json", SHOAL_SCAN_JSON},       {".json.gz", SHOAL_SCAN_JSON}, {".ndjson", SHOAL_SCAN_JSON},
               {".ndjson.gz", SHOAL_SCAN_JSON},  {".jsonl", SHOAL_SCAN_JSON},   {".jsonl.gz", SHOAL_SCAN_JSON},
               {".parquet", SHOAL_SCAN_PARQUET}, {NULL, SHOAL_SCAN_PARQUET}};

static shoal_status find_format(shoal_str file, shoal_scan_format *out, shoal_error *err) {
  for (size_t i = 0; endings[i].ending; i++)
    if (shoal_str_ends(file, shoal_str_z(endings[i].ending))) {
      *out = endings[i].format;
      return SHOAL_OK;
    }
  (void)shoal_fail(err, SHOAL_EINVAL, "%.*s: what format is that?", SHOAL_FMT(file));
  shoal_hint(err, "files end in .csv, .tsv, .json, .ndjson, .jsonl (or these with .gz) or .parquet");
  return SHOAL_EINVAL;
}

shoal_status shoal_session_scan_files(const shoal_str *files, size_t n, shoal_arena *arena, shoal_scan *out,
                                      shoal_error *err) {
#define OPTION(name, value)                                                                                            \
  {                                                                                                                    \
    {name, sizeof name - 1}, { value, sizeof value - 1 }                                                               \
  }
  /* Of JSON: a reader that has not seen all rows drops what only the others have, and takes an object of many members
     for a map. */
  static const shoal_scan_option by_name[] = {OPTION("union_by_name", "true")},
                                 whole[] = {OPTION("union_by_name", "true"), OPTION("sample_size", "-1"),
                                            OPTION("maximum_sample_files", "9223372036854775807"),
                                            OPTION("map_inference_threshold", "10000")};
#undef OPTION
  shoal_scan_file *list = SHOAL_NEW_ARRAY(arena, shoal_scan_file, n);
  if (!list)
    return shoal_fail_nomem(err);
  *out = (shoal_scan){.files = list, .n_files = n, .options = by_name, .n_options = 1};
  for (size_t i = 0; i < n; i++) {
    shoal_scan_format format;
    shoal_stat st;
    SHOAL_TRY(find_format(files[i], &format, err));
    if (i && format != out->format)
      return shoal_fail(err, SHOAL_EINVAL, "%.*s and %.*s are of different formats: take them one after the other",
                        SHOAL_FMT(files[0]), SHOAL_FMT(files[i]));
    out->format = format;
    SHOAL_TRY(shoal_os_stat(files[i].ptr, &st, err));
    if (st.kind != SHOAL_FILE_REGULAR)
      return shoal_fail(err, SHOAL_EINVAL, "%.*s is no file", SHOAL_FMT(files[i]));
    list[i].path = files[i];
  }
  if (out->format == SHOAL_SCAN_JSON) {
    out->options = whole;
    out->n_options = sizeof whole / sizeof *whole;
  }
  return SHOAL_OK;
}

static shoal_status scan_table(shoal_open_table *t, shoal_str folder, shoal_table_rows *out, shoal_error *err) {
  SHOAL_TRY(shoal_store_open_file(folder.ptr, false, &out->store, err));
  shoal_delta_table *table = SHOAL_NEW(&t->arena, shoal_delta_table);
  if (!table)
    return shoal_fail_nomem(err);
  *table =
      (shoal_delta_table){.store = out->store, .prefix = SHOAL_STR(""), .get_engine = give_engine, .engine_arg = t};
  SHOAL_TRY(shoal_delta_snapshot_open(table, SHOAL_DELTA_LATEST, &out->snapshot, err));
  return shoal_delta_scan(table, out->snapshot, &t->arena, &out->scan, err);
}

shoal_status shoal_session_table_rows(shoal_open_table *t, const shoal_str *paths, size_t n, shoal_table_rows *out,
                                      shoal_error *err) {
  *out = (shoal_table_rows){0};
  bool table = n == 1 && shoal_str_ends(paths[0], SHOAL_STR("/"));
  shoal_status status =
      table ? scan_table(t, paths[0], out, err) : shoal_session_scan_files(paths, n, &t->arena, &out->scan, err);
  if (status < 0)
    shoal_table_rows_dispose(out);
  return status;
}

void shoal_table_rows_dispose(shoal_table_rows *r) {
  shoal_delta_snapshot_free(r->snapshot);
  shoal_store_free(r->store);
  *r = (shoal_table_rows){0};
}
