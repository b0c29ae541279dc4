/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV files that differ in their columns, looked into once. With union_by_name the engine sniffs every file at each
 * binding, by trying all dialects on up to 20,480 of its rows, and a job is bound four times, an append of files six
 * times: reading them takes a fraction of that. So each file is sniffed by itself, and what is found (dialect, header,
 * formats of dates, names) is said to the reader, which sniffs no more.
 *
 * Rows are the same, in the same order: runs of files that are alike are read by one call each. The reader takes a
 * value from its text as the type that all files together have for its column, whatever the one file looked like, so
 * that type is asked of the engine, for as many of the files as decide it. A file of whose column all values are NULL
 * has no type for it, but says VARCHAR: where the others have another one, it is asked with them.
 */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/duckdb_internal.h"

#define AT_ONCE 256             /* files sniffed by one statement */
#define ENGINE_DATES "%Y-%m-%d" /* said of dates that the engine's own cast takes, which takes more than that */
#define MAX_RUNS 2000           /* a view of more takes longer to plan than it saves */

/* The columns of a file; many have the same. */
typedef struct csv_columns {
  shoal_str json; /* [{"name": …, "type": …}, …], as the engine tells it */
  shoal_str *names, *types;
  size_t n;
  size_t first;     /* the first file that has them */
  bool decides;     /* the types of all follow only with all files that have these */
  shoal_str map;    /* what `columns` says to the reader */
  shoal_str select; /* the columns of all files */
} csv_columns;

typedef struct csv_file {
  shoal_str dialect; /* options of the reader */
  uint32_t columns;
} csv_file;

typedef struct csv_run {
  size_t first, n;
  shoal_str select, dialect, map;
} csv_run;

struct shoal_duckdb_csv {
  shoal_hash key;
  bool lasting; /* the key tells these contents from later ones */
  bool used;    /* by the job that begins */
  shoal_arena arena;
  SHOAL_VEC(csv_run) runs; /* none: the engine is left to itself */
};

/* One source in the making. */
typedef struct sniffing {
  shoal_duckdb *d;
  const shoal_scan *scan;
  shoal_duckdb_csv *csv;
  csv_file *files;
  SHOAL_VEC(csv_columns) columns;
  shoal_map by_json;
  shoal_duckdb_column *all; /* of all files together */
  size_t n_all;
} sniffing;

/* ---- each file ---- */

static void add_option(shoal_buf *out, const char *name, shoal_str value) {
  shoal_buf_addf(out, ", %s = ", name);
  shoal_buf_sql_literal(out, shoal_str_is(value, "(empty)") ? SHOAL_STR("") : value);
}

static shoal_status read_dialect(sniffing *s, yyjson_val *found, shoal_str *out, shoal_error *err) {
  static const char *const told[][2] = {{"delim", "Delimiter"},
                                        {"quote", "Quote"},
                                        {"escape", "Escape"},
                                        {"new_line", "NewLineDelimiter"},
                                        {"comment", "Comment"},
                                        {"dateformat", "DateFormat"},
                                        {"timestampformat", "TimestampFormat"}};
  shoal_buf text = {0};
  for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
    shoal_str value = shoal_json_str(found, told[i][1]);
    if (value.ptr && !shoal_str_is(value, ENGINE_DATES))
      add_option(&text, told[i][0], value);
  }
  shoal_buf_addf(&text, ", skip = %lld, header = %s", (long long)shoal_json_i64(found, "SkipRows", 0),
                 shoal_json_bool(found, "HasHeader", false) ? "true" : "false");
  shoal_status status = shoal_buf_take(&text, &s->csv->arena, out, err);
  shoal_buf_dispose(&text);
  return status;
}

static shoal_status read_columns(sniffing *s, yyjson_val *list, csv_columns *c, shoal_error *err) {
  yyjson_val *item;
  size_t i, n;
  c->n = yyjson_arr_size(list);
  c->names = SHOAL_NEW_ARRAY(&s->csv->arena, shoal_str, c->n);
  c->types = SHOAL_NEW_ARRAY(&s->csv->arena, shoal_str, c->n);
  if (!c->names || !c->types)
    return shoal_fail_nomem(err);
  yyjson_arr_foreach(list, i, n, item) {
    SHOAL_TRY(shoal_json_need_str(item, "name", "a CSV file's columns", &s->csv->arena, &c->names[i], err));
    SHOAL_TRY(shoal_json_need_str(item, "type", "a CSV file's columns", &s->csv->arena, &c->types[i], err));
  }
  return SHOAL_OK;
}

static shoal_status find_columns(sniffing *s, yyjson_val *list, size_t file, uint32_t *out, shoal_error *err) {
  shoal_buf json = {0};
  shoal_str key = SHOAL_STR_NONE;
  shoal_status status = shoal_json_write(list, &json, err);
  if (status == SHOAL_OK && (*out = shoal_map_get(&s->by_json, shoal_buf_str(&json))) == SHOAL_MAP_NONE) {
    csv_columns *c = shoal_vec_add(&s->columns);
    *out = (uint32_t)s->columns.len - 1;
    status = c ? shoal_buf_take(&json, &s->csv->arena, &key, err) : shoal_fail_nomem(err);
    if (status == SHOAL_OK) {
      c->json = key;
      c->first = file;
      status = read_columns(s, list, c, err);
    }
    if (status == SHOAL_OK)
      status = shoal_map_put(&s->by_json, key, *out, err);
  }
  shoal_buf_dispose(&json);
  return status;
}

static shoal_status read_found(sniffing *s, shoal_str json, size_t file, shoal_error *err) {
  yyjson_doc *doc = NULL;
  SHOAL_TRY(shoal_json_parse(json, "what a CSV file is like", &doc, err));
  yyjson_val *root = yyjson_doc_get_root(doc);
  shoal_status status = read_dialect(s, root, &s->files[file].dialect, err);
  if (status == SHOAL_OK)
    status = find_columns(s, yyjson_obj_get(root, "Columns"), file, &s->files[file].columns, err);
  yyjson_doc_free(doc);
  return status;
}

/* Branches of a union are worked on by all threads only where their order does not count. */
static void add_sniffs(shoal_buf *sql, const shoal_scan *scan, size_t first, size_t n) {
  shoal_buf_addz(sql, "SELECT max(found) FROM (");
  for (size_t i = first; i < first + n; i++) {
    shoal_buf_addf(sql, "%sSELECT %zu AS file, to_json(s)::VARCHAR AS found FROM sniff_csv(",
                   i > first ? " UNION ALL " : "", i);
    shoal_duckdb_add_path(sql, scan->files[i].path);
    shoal_buf_addz(sql, ") AS s");
  }
  shoal_buf_addz(sql, ") GROUP BY file ORDER BY file");
}

static shoal_status sniff_some(sniffing *s, size_t first, size_t n, shoal_error *err) {
  const shoal_duckdb_api *api = s->d->api;
  shoal_buf sql = {0};
  duckdb_result result = {0};
  duckdb_data_chunk chunk;
  size_t file = first;
  add_sniffs(&sql, s->scan, first, n);
  shoal_status status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_query_text(s->d, shoal_buf_z(&sql), (shoal_duckdb_place){0}, &result, err);
  while (status == SHOAL_OK && (chunk = api->fetch_chunk(result))) {
    const duckdb_string_t *texts = api->vector_get_data(api->data_chunk_get_vector(chunk, 0));
    for (size_t i = 0; i < api->data_chunk_get_size(chunk) && file < first + n && status == SHOAL_OK; i++)
      status = read_found(s, shoal_duckdb_string(&texts[i]), file++, err);
    api->destroy_data_chunk(&chunk);
  }
  if (status == SHOAL_OK && file != first + n)
    status = shoal_fail(err, SHOAL_EENGINE, "the engine looked into %zu files of %zu", file - first, n);
  api->destroy_result(&result);
  shoal_buf_dispose(&sql);
  return status;
}

/* ---- all of them ---- */

/* What the engine says of those files together that decide. */
static shoal_status ask_types(sniffing *s, shoal_error *err) {
  shoal_buf sql = {0};
  duckdb_prepared_statement statement = NULL;
  const char *separator = "SELECT * FROM read_csv([";
  for (size_t i = 0; i < s->scan->n_files; i++) {
    const csv_columns *c = &s->columns.ptr[s->files[i].columns];
    if (i != c->first && !c->decides)
      continue;
    shoal_buf_addz(&sql, separator);
    shoal_duckdb_add_path(&sql, s->scan->files[i].path);
    separator = ", ";
  }
  shoal_buf_addz(&sql, "], union_by_name = true, hive_partitioning = false)");
  shoal_status status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_prepare(s->d, shoal_buf_z(&sql), (shoal_duckdb_place){0}, &statement, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_columns(s->d, statement, false, &s->csv->arena, &s->all, &s->n_all, err);
  s->d->api->destroy_prepare(&statement);
  shoal_buf_dispose(&sql);
  return status;
}

static ptrdiff_t column_of(const csv_columns *c, shoal_str name) {
  for (size_t i = 0; i < c->n; i++)
    if (shoal_str_ieq(c->names[i], name))
      return (ptrdiff_t)i;
  return -1;
}

/* Whether files may have no type where they say VARCHAR, and another file has one. */
static bool find_deciding(sniffing *s) {
  bool any = false;
  for (size_t i = 0; i < s->columns.len; i++)
    for (size_t k = 0; k < s->n_all; k++) {
      csv_columns *c = &s->columns.ptr[i];
      ptrdiff_t at = column_of(c, s->all[k].name);
      if (at < 0 || !shoal_str_is(c->types[at], "VARCHAR") || shoal_str_is(s->all[k].engine_type, "VARCHAR"))
        continue;
      any |= !c->decides;
      c->decides = true;
    }
  return any;
}

static shoal_status describe_columns(sniffing *s, csv_columns *c, shoal_error *err) {
  shoal_buf map = {0}, select = {0};
  for (size_t i = 0; i < c->n; i++) {
    shoal_buf_addz(&map, i ? ", " : "{");
    shoal_buf_sql_literal(&map, c->names[i]);
    shoal_buf_addz(&map, ": ");
    for (size_t k = 0; k < s->n_all; k++)
      if (shoal_str_ieq(c->names[i], s->all[k].name))
        shoal_buf_sql_literal(&map, s->all[k].engine_type);
  }
  shoal_buf_addc(&map, '}');
  for (size_t k = 0; k < s->n_all; k++) {
    ptrdiff_t at = column_of(c, s->all[k].name);
    shoal_buf_addz(&select, k ? ", " : "");
    if (at >= 0)
      shoal_buf_sql_ident(&select, c->names[at]);
    else
      shoal_buf_addf(&select, "NULL::%.*s", SHOAL_FMT(s->all[k].engine_type));
    shoal_buf_addz(&select, " AS ");
    shoal_buf_sql_ident(&select, s->all[k].name);
  }
  shoal_status status = shoal_buf_take(&map, &s->csv->arena, &c->map, err);
  if (status == SHOAL_OK)
    status = shoal_buf_take(&select, &s->csv->arena, &c->select, err);
  shoal_buf_dispose(&map);
  shoal_buf_dispose(&select);
  return status;
}

static shoal_status find_runs(sniffing *s, shoal_error *err) {
  csv_run *run = NULL;
  for (size_t i = 0; i < s->columns.len; i++)
    SHOAL_TRY(describe_columns(s, &s->columns.ptr[i], err));
  for (size_t i = 0; i < s->scan->n_files; i++) {
    const csv_file *f = &s->files[i];
    const csv_columns *c = &s->columns.ptr[f->columns];
    if (run && shoal_str_eq(run->dialect, f->dialect) && shoal_str_eq(run->map, c->map)) {
      run->n++;
      continue;
    }
    if (!(run = shoal_vec_add(&s->csv->runs)))
      return shoal_fail_nomem(err);
    *run = (csv_run){.first = i, .n = 1, .select = c->select, .dialect = f->dialect, .map = c->map};
  }
  if (s->csv->runs.len > MAX_RUNS)
    s->csv->runs.len = 0;
  return SHOAL_OK;
}

static shoal_status sniff(shoal_duckdb *d, const shoal_scan *scan, shoal_duckdb_csv *csv, shoal_error *err) {
  sniffing s = {.d = d, .scan = scan, .csv = csv};
  shoal_status status = SHOAL_OK;
  s.files = SHOAL_NEW_ARRAY(&csv->arena, csv_file, scan->n_files);
  if (!s.files)
    status = shoal_fail_nomem(err);
  for (size_t i = 0; i < scan->n_files && status == SHOAL_OK; i += AT_ONCE)
    status = sniff_some(&s, i, scan->n_files - i < AT_ONCE ? scan->n_files - i : AT_ONCE, err);
  if (status == SHOAL_OK)
    status = ask_types(&s, err);
  if (status == SHOAL_OK && find_deciding(&s))
    status = ask_types(&s, err);
  if (status == SHOAL_OK)
    status = find_runs(&s, err);
  shoal_map_dispose(&s.by_json);
  shoal_vec_dispose(&s.columns);
  return status;
}

/* ---- of a job ---- */

static void csv_free(shoal_duckdb_csv *csv) {
  shoal_vec_dispose(&csv->runs);
  shoal_arena_dispose(&csv->arena);
  shoal_free(csv);
}

void shoal_duckdb_forget_csv(shoal_duckdb *d) {
  for (size_t i = 0; i < d->csv.len; i++)
    csv_free(d->csv.ptr[i]);
  shoal_vec_dispose(&d->csv);
}

/* One file is sniffed quickly, and other options than import's are the reader's own business. */
static bool is_for_us(const shoal_scan *scan) {
  return scan->format == SHOAL_SCAN_CSV && scan->n_files > 1 && scan->n_options == 1 &&
         shoal_str_is(scan->options[0].name, "union_by_name") &&
         shoal_str_ieq(scan->options[0].value, SHOAL_STR("true"));
}

/* *lasting: a file that changes from now on has other times. false: a file can't be looked at. */
static bool hash_files(const shoal_scan *scan, shoal_hash *out, bool *lasting) {
  shoal_hasher h;
  shoal_stat st;
  char path[4096];
  int64_t now = shoal_time_now() * 1000;
  *lasting = true;
  shoal_hasher_init(&h, "shoal/1/csv");
  for (size_t i = 0; i < scan->n_files; i++) {
    snprintf(path, sizeof path, "%.*s", SHOAL_FMT(scan->files[i].path));
    if (shoal_os_stat(path, &st, NULL) < 0)
      return false;
    *lasting = *lasting && !shoal_stat_racy(&st, now);
    shoal_hasher_str(&h, scan->files[i].path);
    shoal_hasher_u64(&h, st.dev);
    shoal_hasher_u64(&h, st.ino);
    shoal_hasher_u64(&h, st.size);
    shoal_hasher_u64(&h, (uint64_t)st.mtime_ns);
    shoal_hasher_u64(&h, (uint64_t)st.ctime_ns);
  }
  *out = shoal_hasher_end(&h);
  return true;
}

static shoal_status find_csv(shoal_duckdb *d, const shoal_scan *scan, const shoal_duckdb_csv **out, shoal_error *err) {
  shoal_hash key;
  bool lasting;
  shoal_error failed = {0};
  if (!is_for_us(scan) || !hash_files(scan, &key, &lasting))
    return SHOAL_OK;
  for (size_t i = 0; i < d->csv.len && !*out; i++)
    if (d->csv.ptr[i]->lasting && shoal_hash_eq(&d->csv.ptr[i]->key, &key)) {
      d->csv.ptr[i]->used = true;
      *out = d->csv.ptr[i];
    }
  if (*out)
    return SHOAL_OK;
  shoal_duckdb_csv *csv = shoal_calloc(1, sizeof *csv), **slot = csv ? shoal_vec_add(&d->csv) : NULL;
  if (!slot) {
    shoal_free(csv);
    return shoal_fail_nomem(err);
  }
  *slot = csv;
  csv->key = key;
  csv->lasting = lasting;
  csv->used = true;
  *out = csv;
  shoal_status status = sniff(d, scan, csv, &failed);
  if (status == SHOAL_OK)
    return SHOAL_OK;
  csv->runs.len = 0;
  if (status == SHOAL_EENGINE || status == SHOAL_EIO) /* which the engine says better of the whole */
    return SHOAL_OK;
  if (err)
    *err = failed;
  return status;
}

static void drop_unused(shoal_duckdb *d) {
  size_t kept = 0;
  for (size_t i = 0; i < d->csv.len; i++) {
    if (d->csv.ptr[i]->used)
      d->csv.ptr[kept++] = d->csv.ptr[i];
    else
      csv_free(d->csv.ptr[i]);
  }
  d->csv.len = kept;
}

shoal_status shoal_duckdb_sniff(shoal_duckdb *d, const shoal_job *job, shoal_error *err) {
  shoal_status status = SHOAL_OK;
  d->job_csv = SHOAL_NEW_ARRAY(&d->job_arena, const shoal_duckdb_csv *, job->n_inputs);
  if (!d->job_csv)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < d->csv.len; i++)
    d->csv.ptr[i]->used = false;
  for (size_t i = 0; i < job->n_inputs && status == SHOAL_OK; i++)
    status = find_csv(d, job->inputs[i].scan, &d->job_csv[i], err);
  drop_unused(d);
  return status;
}

shoal_status shoal_duckdb_add_csv(shoal_duckdb *d, const shoal_scan *scan, size_t input, shoal_buf *sql,
                                  shoal_error *err) {
  const shoal_duckdb_csv *csv = d->job_csv ? d->job_csv[input] : NULL;
  char name[32];
  if (!csv || !csv->runs.len)
    return SHOAL_DONE;
  for (size_t i = 0; i < csv->runs.len; i++) {
    const csv_run *run = &csv->runs.ptr[i];
    snprintf(name, sizeof name, "run%zu", i);
    const shoal_duckdb_files files = {run->first, run->n, name};
    shoal_buf_addf(sql, "%sSELECT %.*s FROM read_csv(", i ? " UNION ALL " : "", SHOAL_FMT(run->select));
    SHOAL_TRY(shoal_duckdb_add_files(d, scan, input, &files, sql, err));
    shoal_buf_addf(sql, ", hive_partitioning = false, auto_detect = false%.*s, columns = %.*s)",
                   SHOAL_FMT(run->dialect), SHOAL_FMT(run->map));
  }
  return SHOAL_OK;
}
