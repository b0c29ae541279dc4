/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files appended to a source table: the one verb that makes data that no code here makes. The table is an ordinary
 * Delta table that others may append to at the same time; what a publication read of it is pinned by version.
 */
#include "base/os.h"
#include "base/str.h"
#include "session/session.h"

typedef struct import {
  shoal_session *s;
  shoal_arena arena;
  const char *folder; /* of the table */
  shoal_store *store;
  shoal_engine *engine;
  shoal_scan_format format;
} import;

static const struct {
  const char *ending;
  shoal_scan_format format;
} endings[] = {{".csv", SHOAL_SCAN_CSV},         {".csv.gz", SHOAL_SCAN_CSV},   {".tsv", SHOAL_SCAN_CSV},
               {".json", SHOAL_SCAN_JSON},       {".json.gz", SHOAL_SCAN_JSON}, {".ndjson", SHOAL_SCAN_JSON},
               {".ndjson.gz", SHOAL_SCAN_JSON},  {".jsonl", SHOAL_SCAN_JSON},   {".jsonl.gz", SHOAL_SCAN_JSON},
               {".parquet", SHOAL_SCAN_PARQUET}, {NULL, SHOAL_SCAN_PARQUET}};

static bool find_format(shoal_str file, shoal_scan_format *out) {
  for (size_t i = 0; endings[i].ending; i++)
    if (shoal_str_ends(file, shoal_str_z(endings[i].ending))) {
      *out = endings[i].format;
      return true;
    }
  return false;
}

static shoal_status check_files(import *im, const shoal_str *files, size_t n, shoal_error *err) {
  for (size_t i = 0; i < n; i++) {
    shoal_scan_format format;
    shoal_stat st;
    if (!find_format(files[i], &format)) {
      (void)shoal_fail(err, SHOAL_EINVAL, "%.*s: what format is that?", SHOAL_FMT(files[i]));
      shoal_hint(err, "files end in .csv, .tsv, .json, .ndjson, .jsonl (or these with .gz) or .parquet");
      return SHOAL_EINVAL;
    }
    if (i && format != im->format)
      return shoal_fail(err, SHOAL_EINVAL, "%.*s and %.*s are of different formats: import them one after the other",
                        SHOAL_FMT(files[0]), SHOAL_FMT(files[i]));
    im->format = format;
    SHOAL_TRY(shoal_os_stat(files[i].ptr, &st, err));
    if (st.kind != SHOAL_FILE_REGULAR)
      return shoal_fail(err, SHOAL_EINVAL, "%.*s is no file", SHOAL_FMT(files[i]));
  }
  return SHOAL_OK;
}

static shoal_status refuse_source(const shoal_session *s, shoal_str name, const shoal_source *found, shoal_error *err) {
  if (found) {
    (void)shoal_fail(err, SHOAL_EINVAL, "%.*s is made of files, %.*s (shoal.yaml:%d)", SHOAL_FMT(name),
                     SHOAL_FMT(found->where), found->line);
    shoal_hint(err, "put the files where it looks for them");
    return SHOAL_EINVAL;
  }
  (void)shoal_fail(err, SHOAL_ENOTFOUND, "there is no source %.*s", SHOAL_FMT(name));
  for (size_t i = 0; i < s->config.n_sources; i++)
    if (shoal_str_distance(s->config.sources[i].name, name, 3) < 3)
      shoal_hint(err, "did you mean %.*s?", SHOAL_FMT(s->config.sources[i].name));
  shoal_hint(err, "name its table under sources in shoal.yaml, %.*s: {delta: tables/%.*s}; or give the table's path",
             SHOAL_FMT(name), SHOAL_FMT(name));
  return SHOAL_ENOTFOUND;
}

/* A path has a '/', which no name has. */
static shoal_status find_table(import *im, shoal_str name, shoal_error *err) {
  const shoal_session *s = im->s;
  if (shoal_str_chr(name, '/') >= 0) {
    im->folder = shoal_arena_cstr(&im->arena, name);
    return im->folder ? SHOAL_OK : shoal_fail_nomem(err);
  }
  const shoal_source *found = NULL;
  for (size_t i = 0; i < s->config.n_sources; i++)
    if (shoal_str_eq(s->config.sources[i].name, name))
      found = &s->config.sources[i];
  if (!found || found->kind != SHOAL_SOURCE_DELTA)
    return refuse_source(s, name, found, err);
  im->folder = found->where.ptr[0] == '/' ? shoal_arena_cstr(&im->arena, found->where)
                                          : shoal_arena_printf(&im->arena, "%s/%.*s", s->root, SHOAL_FMT(found->where));
  return im->folder ? SHOAL_OK : shoal_fail_nomem(err);
}

/* An engine that reads just these files and writes just into the table's folder. */
static shoal_status open_engine(import *im, const shoal_str *files, size_t n, shoal_error *err) {
  const shoal_config *config = &im->s->config;
  shoal_str *allowed = SHOAL_NEW_ARRAY(&im->arena, shoal_str, n + 1);
  char *real;
  if (!allowed)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_os_realpath(im->folder, &im->arena, &real, err));
  for (size_t i = 0; i < n; i++)
    allowed[i] = files[i];
  allowed[n] = shoal_str_z(shoal_arena_printf(&im->arena, "%s/", real));
  if (!allowed[n].ptr)
    return shoal_fail_nomem(err);
  shoal_engine_config wanted = {.memory = config->engine_memory,
                                .threads = config->engine_threads,
                                .temp_max = config->engine_temp_max,
                                .allowed = allowed,
                                .n_allowed = n + 1,
                                .locked = true};
  return shoal_engine_open_duckdb(&wanted, &im->engine, err);
}

static shoal_status give_engine(void *arg, shoal_engine **out, shoal_error *err) {
  (void)err;
  *out = ((import *)arg)->engine;
  return SHOAL_OK;
}

static shoal_status append_files(import *im, const shoal_str *files, size_t n, shoal_delta_appended *out,
                                 shoal_error *err) {
  shoal_scan_file *list = SHOAL_NEW_ARRAY(&im->arena, shoal_scan_file, n);
  if (!list)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++)
    list[i].path = files[i];
  shoal_scan_option by_name = {SHOAL_STR("union_by_name"), SHOAL_STR("true")};
  shoal_scan scan = {.format = im->format, .files = list, .n_files = n, .options = &by_name, .n_options = 1};
  shoal_input input = {SHOAL_STR("files"), &scan};
  shoal_job job = {.sql = SHOAL_STR("SELECT * FROM files"), .inputs = &input, .n_inputs = 1};
  shoal_delta_table table = {.store = im->store, .prefix = SHOAL_STR(""), .get_engine = give_engine, .engine_arg = im};
  shoal_delta_append wanted = {.job = &job, .create = true};
  return shoal_delta_append_rows(&table, im->engine, &wanted, out, err);
}

shoal_status shoal_session_import(shoal_session *s, const shoal_str *files, size_t n, shoal_str target,
                                  shoal_delta_appended *out, shoal_error *err) {
import im = {.s = s };
  *out = (shoal_delta_appended){.version = -1};
  shoal_status status = shoal_session_configure(s, err);
  if (status >= 0 && !s->root)
    status = shoal_fail(err, SHOAL_EINVAL, "sources belong to a project, and this is none");
  if (status >= 0)
    status = check_files(&im, files, n, err);
  if (status >= 0)
    status = find_table(&im, target, err);
  if (status >= 0)
    status = shoal_store_open_file(im.folder, true, &im.store, err);
  if (status >= 0)
    status = open_engine(&im, files, n, err);
  if (status >= 0)
    status = append_files(&im, files, n, out, err);
  shoal_engine_free(im.engine);
  shoal_store_free(im.store);
  shoal_arena_dispose(&im.arena);
  return status;
}
