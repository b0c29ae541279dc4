/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a job into staged Parquet files with one COPY. The job's SQL is wrapped: columns are cast to the types that
 * Delta has, rows pass the tap that sums their hashes, and are sorted where the files' layout asks for it.
 *
 * Files are cut at a size, which the engine can't do in the order of rows (threads fill files at the same time). So a
 * small result of a query with ORDER BY goes into one file, in order; of a large one each file's row groups are in
 * order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/duckdb_internal.h"
#include "engine/lexer.h"

#define FILE_BYTES ((uint64_t)128 << 20)

/* Columns that no file has: where a row lies on the curve, and in which file. */
#define PLACE "\"shoal:at\""
#define NUMBER "\"shoal:file_number\""

/* One COPY in the making. */
typedef struct writing {
  shoal_duckdb *d;
  const shoal_job *job;
  shoal_duckdb_column *columns; /* that are written: those of the result from n_noted on */
  size_t n;
  shoal_str body;
  bool one_file; /* in order */
  shoal_buf sql;
  shoal_duckdb_place place;
} writing;

static shoal_status check_layout(const shoal_schema *schema, const shoal_str *names, size_t n, bool partition,
                                 shoal_error *err) {
  const char *word = partition ? "partition_by" : "cluster_by";
  if (partition && n == 1 && shoal_str_is(names[0], "*")) { /* which a COPY takes for all columns, quoted or not */
    (void)shoal_fail(err, SHOAL_EUNSUPPORTED, "%s names \"*\", a column that the engine can't write by", word);
    shoal_hint(err, "give the column another name");
    return SHOAL_EUNSUPPORTED;
  }
  for (size_t i = 0; i < n; i++) {
    ptrdiff_t column = shoal_schema_find(schema, names[i]);
    if (column < 0)
      return shoal_fail(err, SHOAL_EINVAL, "%s names \"%.*s\", which is no column of the result", word,
                        SHOAL_FMT(names[i]));
    shoal_type_kind kind = schema->fields[column].type.kind;
    if (kind == SHOAL_TYPE_STRUCT || kind == SHOAL_TYPE_ARRAY || kind == SHOAL_TYPE_MAP ||
        (partition && kind == SHOAL_TYPE_BINARY))
      return shoal_fail(err, SHOAL_EINVAL, "%s names \"%.*s\", whose type can't serve for that", word,
                        SHOAL_FMT(names[i]));
  }
  return SHOAL_OK;
}

static bool says_order(shoal_str sql) {
  shoal_lexer lexer = {.sql = sql};
  shoal_token token;
  while (shoal_lexer_next(&lexer, &token)) {
    if (shoal_token_is(&token, "order"))
      return true;
  }
  return false;
}

static bool has_order_modifier(shoal_str json) {
  yyjson_doc *doc;
  if (shoal_json_parse_tree(json, "the parse tree", &doc, NULL) < 0)
    return false;
  yyjson_val *statement = yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(doc), "statements"));
  yyjson_val *modifiers = yyjson_obj_get(yyjson_obj_get(statement, "node"), "modifiers");
  yyjson_val *modifier;
  size_t i, n;
  bool found = false;
  yyjson_arr_foreach(modifiers, i, n, modifier) found =
      found || shoal_str_is(shoal_json_str(modifier, "type"), "ORDER_MODIFIER");
  yyjson_doc_free(doc);
  return found;
}

/* The engine's guess of the rows; a large number when there is none. */
static int64_t estimate_rows(writing *w, shoal_error *err) {
  duckdb_result result = {0};
  int64_t rows = INT64_MAX;
  shoal_buf_clear(&w->sql);
  shoal_buf_addz(&w->sql, "EXPLAIN (FORMAT json) ");
  shoal_buf_add(&w->sql, w->body);
  if (shoal_buf_check(&w->sql, err) == SHOAL_OK &&
      shoal_duckdb_query_text(w->d, shoal_buf_z(&w->sql), (shoal_duckdb_place){0}, &result, err) == SHOAL_OK) {
    duckdb_data_chunk chunk = w->d->api->fetch_chunk(result);
    if (chunk && w->d->api->data_chunk_get_column_count(chunk) == 2 && w->d->api->data_chunk_get_size(chunk) == 1) {
      const duckdb_string_t *text = w->d->api->vector_get_data(w->d->api->data_chunk_get_vector(chunk, 1));
      shoal_str json = shoal_duckdb_string(text);
      yyjson_doc *doc = NULL;
      (void)!shoal_json_parse_tree(json, "the plan", &doc, err);
      yyjson_val *extra = yyjson_obj_get(yyjson_arr_get_first(yyjson_doc_get_root(doc)), "extra_info");
      (void)shoal_str_i64(shoal_json_str(extra, "Estimated Cardinality"), &rows);
      yyjson_doc_free(doc);
    }
    if (chunk)
      w->d->api->destroy_data_chunk(&chunk);
  }
  w->d->api->destroy_result(&result);
  shoal_buf_clear(&w->sql);
  return rows;
}

/* An ordered query whose result will probably stay within a few files' size. */
static bool wants_one_file(writing *w) {
  shoal_buf json = {0};
  shoal_error ignored = {0};
  uint64_t bytes = w->job->file_bytes ? w->job->file_bytes : FILE_BYTES;
  if (w->job->n_partition_by || w->job->n_cluster_by || w->job->curve || (!w->job->ordered && !says_order(w->body)))
    return false;
  if (w->job->ordered)
    return true;
  bool ordered =
      shoal_engine_parse(&w->d->base, w->body, &json, &ignored) == SHOAL_OK && has_order_modifier(shoal_buf_str(&json));
  shoal_buf_dispose(&json);
  if (!ordered)
    return false;
  int64_t rows = estimate_rows(w, &ignored);
  return rows < (int64_t)(4 * bytes / (8 * w->n));
}

/* What a column is called in the files. */
static shoal_str file_name(const writing *w, size_t column) {
  const shoal_schema *stored = w->job->stored;
  return stored ? stored->fields[column].physical : w->columns[column].name;
}

static bool may_be_emptied(const writing *w, const shoal_duckdb_column *column) {
  bool partition = false;
  for (size_t k = 0; k < w->job->n_partition_by && w->job->empty_is_null; k++)
    partition = partition || shoal_str_ieq(w->job->partition_by[k], column->name);
  return partition && column->type.kind == SHOAL_TYPE_STRING;
}

static void add_column(writing *w, size_t i) {
  shoal_buf value = {0};
  bool emptied = may_be_emptied(w, &w->columns[i]);
  shoal_buf_addz(&value, emptied ? "nullif(" : "");
  shoal_buf_addf(&value, w->columns[i].cast ? "CAST(c%zu AS " : "c%zu", i + w->job->n_noted);
  if (w->columns[i].cast) {
    shoal_type_sql(&value, &w->columns[i].type);
    shoal_buf_addc(&value, ')');
  }
  shoal_buf_addz(&value, emptied ? ", '')" : "");
  if (value.status < 0)
    w->sql.status = value.status;
  else if (w->job->stored)
    shoal_duckdb_add_physical(&w->sql, &w->job->stored->fields[i].type, shoal_buf_str(&value));
  else
    shoal_buf_add(&w->sql, shoal_buf_str(&value));
  shoal_buf_dispose(&value);
  shoal_buf_addz(&w->sql, " AS ");
  shoal_buf_sql_ident(&w->sql, file_name(w, i));
}

static bool has_numbers(const shoal_job *job) { return job->curve && job->n_partition_by == 0; }

/* SELECT *, "shoal:place"(create_sort_key("a", …), …) FROM ( */
static void add_place(writing *w) {
  shoal_buf_addz(&w->sql, "SELECT *, \"" SHOAL_DUCKDB_PLACE "\"(");
  for (size_t i = 0; i < w->job->curve->n; i++) {
    shoal_buf_addz(&w->sql, i ? ", " : "");
    shoal_curve_add_key(&w->sql, w->job->curve_by[i]);
  }
  shoal_buf_addz(&w->sql, ") FROM (");
}

/* c0, c1 … */
static void add_numbers(shoal_buf *sql, size_t n) {
  for (size_t i = 0; i < n; i++)
    shoal_buf_addf(sql, i ? ", c%zu" : "c%zu", i);
}

/* SELECT CAST(c0 AS BIGINT) AS "a", c1 AS "b" … FROM (body) AS q(c0, c1 …). What is noted is noted in a projection and
   filtered above it, as the tap is. */
static void add_query(writing *w) {
  shoal_buf *sql = &w->sql;
  size_t noted = w->job->n_noted;
  for (size_t i = 0; i < w->n; i++) {
    shoal_buf_addz(sql, i ? ", " : "SELECT ");
    add_column(w, i);
  }
  if (has_numbers(w->job))
    shoal_buf_addz(sql, ", \"" SHOAL_DUCKDB_CUT "\"(" PLACE ") AS " NUMBER);
  shoal_buf_addz(sql, " FROM (");
  if (w->job->curve)
    add_place(w);
  if (noted) {
    shoal_buf_addz(sql, "SELECT *, \"" SHOAL_DUCKDB_NOTE "\"(");
    add_numbers(sql, noted);
    shoal_buf_addz(sql, ") AS \"" SHOAL_DUCKDB_NOTE "\" FROM (");
  }
  w->place = (shoal_duckdb_place){.sql = w->body, .offset = sql->len};
  shoal_buf_add(sql, w->body);
  shoal_buf_addz(sql, w->job->curve ? "\n) AS given) AS q(" : "\n) AS q(");
  add_numbers(sql, noted + w->n);
  shoal_buf_addz(sql, w->job->curve ? ", " PLACE ")" : ")");
  if (noted)
    shoal_buf_addz(sql, ") AS noted WHERE \"" SHOAL_DUCKDB_NOTE "\"");
}

/* Columns of the result, as the files call them. */
static void add_names(writing *w, const shoal_str *names, size_t n) {
  for (size_t i = 0; i < n; i++) {
    ptrdiff_t column = w->job->stored ? shoal_schema_find(w->job->stored, names[i]) : -1;
    shoal_buf_addz(&w->sql, i ? ", " : "");
    shoal_buf_sql_ident(&w->sql, column < 0 ? names[i] : file_name(w, (size_t)column));
  }
}

/* The tap is computed in a projection and filtered above it: the engine merges a filter with those right below it (a
   QUALIFY's, a HAVING's) and would show the tap rows that these drop; it does not move one through a volatile column.
 */
static void add_tapped(writing *w) {
  shoal_buf *sql = &w->sql;
  shoal_buf_addz(sql, "SELECT ");
  for (size_t i = 0; i < w->n; i++) {
    shoal_buf_addz(sql, i ? ", " : "");
    shoal_buf_sql_ident(sql, w->columns[i].name);
  }
  shoal_buf_addz(sql, " FROM (SELECT *, \"" SHOAL_DUCKDB_TAP "\"(");
  for (size_t i = 0; i < w->n; i++) {
    shoal_buf_addz(sql, i ? ", " : "");
    shoal_buf_sql_ident(sql, w->columns[i].name);
  }
  shoal_buf_addz(sql, ") AS \"" SHOAL_DUCKDB_TAP "\" FROM (");
  add_query(w);
  shoal_buf_addz(sql, ") AS s) AS t WHERE \"" SHOAL_DUCKDB_TAP "\"");
}

static void add_rows(writing *w) {
  const shoal_job *job = w->job;
  shoal_buf *sql = &w->sql;
  if (job->rows_hash)
    add_tapped(w);
  else
    add_query(w);
  if (job->n_partition_by + job->n_cluster_by == 0 && !job->curve)
    return;
  shoal_buf_addz(sql, " ORDER BY ");
  add_names(w, job->partition_by, job->n_partition_by);
  shoal_buf_addz(sql, job->n_partition_by && (job->n_cluster_by || job->curve) ? ", " : "");
  add_names(w, job->cluster_by, job->n_cluster_by);
  shoal_buf_addz(sql, job->curve ? PLACE : "");
}

bool shoal_duckdb_misjudged(const shoal_duckdb_column *columns, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (shoal_str_find(columns[i].engine_type, SHOAL_STR("FLOAT")) >= 0 ||
        shoal_str_find(columns[i].engine_type, SHOAL_STR("DOUBLE")) >= 0 ||
        shoal_str_find(columns[i].engine_type, SHOAL_STR("BLOB")) >= 0)
      return true;
  return false;
}

static void add_target(writing *w) {
  const shoal_job *job = w->job;
  shoal_buf *sql = &w->sql, path = {0};
  char uuid[SHOAL_UUID_TEXT];
  shoal_buf_addz(&path, job->staging);
  if (w->one_file) {
    shoal_os_uuid(uuid);
    shoal_buf_addf(&path, "/part-%s.parquet", uuid);
  }
  shoal_buf_sql_literal(sql, shoal_buf_str(&path));
  if (path.status < 0)
    sql->status = path.status;
  shoal_buf_dispose(&path);
  shoal_buf_addf(sql, " (FORMAT parquet, COMPRESSION %s, RETURN_STATS",
                 shoal_parquet_codec_name(job->brief ? SHOAL_PARQUET_SNAPPY : job->codec));
  if (job->brief || shoal_duckdb_misjudged(w->columns, w->n))
    shoal_buf_addz(sql, SHOAL_DUCKDB_NO_BLOOM);
  if (job->stored)
    shoal_duckdb_add_field_ids(sql, job->stored);
  if (!w->one_file)
    shoal_buf_addz(sql, ", FILENAME_PATTERN 'part-{uuidv7}', OVERWRITE_OR_IGNORE true");
  if (job->n_partition_by) {
    shoal_buf_addz(sql, ", HIVE_FILE_PATTERN false, WRITE_PARTITION_COLUMNS true, PARTITION_BY (");
    add_names(w, job->partition_by, job->n_partition_by);
    shoal_buf_addc(sql, ')');
  } else if (job->curve) {
    shoal_buf_addz(sql, ", HIVE_FILE_PATTERN false, WRITE_PARTITION_COLUMNS false, PARTITION_BY (" NUMBER ")");
  } else if (!w->one_file) {
    shoal_buf_addf(sql, ", FILE_SIZE_BYTES %llu", (unsigned long long)(job->file_bytes ? job->file_bytes : FILE_BYTES));
  }
  shoal_buf_addc(sql, ')');
}

static shoal_status build(writing *w, shoal_error *err) {
  if (w->job->curve && (w->job->n_cluster_by || w->job->ordered || w->job->rows_hash))
    return shoal_fail(err, SHOAL_EINVAL, "rows that are laid out along a curve have no other order, and no hash");
  if (w->job->n_noted && (w->job->curve || w->job->rows_hash))
    return shoal_fail(err, SHOAL_EINVAL, "of rows that are noted there is no curve, and no hash");
  w->one_file = wants_one_file(w);
  shoal_buf_clear(&w->sql);
  shoal_buf_addz(&w->sql, "COPY (");
  add_rows(w);
  shoal_buf_addz(&w->sql, ") TO ");
  add_target(w);
  return shoal_buf_check(&w->sql, err);
}

/* A HUGEINT that does not fit a long: say which column and what to do instead of the engine's INT128. */
static void explain_overflow(const writing *w, shoal_error *err) {
  size_t narrowed = 0, which = 0;
  if (!err || err->status != SHOAL_EENGINE || !strstr(err->message, "INT128"))
    return;
  for (size_t i = 0; i < w->n; i++) {
    if (w->columns[i].narrowed && narrowed++ == 0)
      which = i;
  }
  if (narrowed == 0)
    return;
  shoal_error cause = *err;
  shoal_fail(err, SHOAL_EENGINE, "column \"%.*s\"%s is a HUGEINT, stored as long, and a value does not fit: %s",
             SHOAL_FMT(w->columns[which].name), narrowed > 1 ? " (or another one)" : "", cause.message);
  shoal_hint(err, "CAST(… AS DECIMAL(38,0)) or AS DOUBLE in the query");
}

/* "counted" is what COPY wrote; the tap must have seen exactly that. */
static shoal_status close_tap(shoal_duckdb *d, shoal_outcome *out, shoal_error *err) {
  if (d->tap.sum.rows != out->rows) {
    shoal_fail(err, SHOAL_EENGINE, "%llu rows were hashed but %llu written", (unsigned long long)d->tap.sum.rows,
               (unsigned long long)out->rows);
    shoal_hint(err, "this is a defect of Shoal: please report the query");
    return SHOAL_EENGINE;
  }
  out->rows_hash = shoal_rows_hash(&out->schema, &d->tap.sum);
  return SHOAL_OK;
}

/* job->stored is the result's columns, one by one. */
static shoal_status take_stored(const writing *w, shoal_outcome *out, shoal_error *err) {
  const shoal_schema *stored = w->job->stored;
  shoal_buf ours = {0}, theirs = {0};
  bool same = stored->n_fields == w->n && !w->job->rows_hash;
  for (size_t i = 0; i < w->n && same; i++) {
    shoal_buf_clear(&ours);
    shoal_buf_clear(&theirs);
    shoal_type_sql(&ours, &w->columns[i].type);
    shoal_type_sql(&theirs, &stored->fields[i].type);
    same = shoal_str_eq(shoal_buf_str(&ours), shoal_buf_str(&theirs));
  }
  shoal_status status = ours.status < 0 ? ours.status : theirs.status;
  shoal_buf_dispose(&ours);
  shoal_buf_dispose(&theirs);
  if (status < 0)
    return shoal_fail_nomem(err);
  out->schema = *stored;
  return same ? SHOAL_OK : shoal_fail(err, SHOAL_EINVAL, "the rows do not have the columns that are to be stored");
}

#define LARGE_INPUT ((uint64_t)256 << 10)
#define MANY_FILES 64

/* A job over little data is over before the engine's calling thread can spin for long, so binding it once counts more;
   without inputs there are no views for whose sake it would be bound again. */
static bool may_take_long(const shoal_duckdb *d) {
  uint64_t bytes = 0;
  shoal_stat st;
  char path[4096];
  for (size_t i = 0; i < d->n_scans; i++) {
    const shoal_scan *scan = &d->scans[i];
    if (scan->n_files > MANY_FILES)
      return true;
    for (size_t k = 0; k < scan->n_files; k++) {
      snprintf(path, sizeof path, "%.*s", SHOAL_FMT(scan->files[k].path));
      bytes += shoal_os_stat(path, &st, NULL) >= 0 ? st.size : 0;
    }
  }
  return d->n_scans == 0 || bytes > LARGE_INPUT;
}

static shoal_status run_copy(writing *w, shoal_arena *arena, shoal_outcome *out, shoal_error *err) {
  shoal_duckdb *d = w->d;
  duckdb_result result = {0};
  d->tap.sum = (shoal_rows_sum){0};
  d->tap.schema = w->job->rows_hash ? &out->schema : NULL;
  shoal_duckdb_each_begin(d, w->job->note, w->job->note_arg);
  shoal_status status = may_take_long(w->d)
                            ? shoal_duckdb_query_watched(d, shoal_buf_z(&w->sql), w->place, &result, err)
                            : shoal_duckdb_query_text(d, shoal_buf_z(&w->sql), w->place, &result, err);
  d->tap.schema = NULL;
  if (status < 0)
    explain_overflow(w, err);
  status = shoal_duckdb_each_end(d, status, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_read_files(d, &result, w->job, arena, out, err);
  if (status == SHOAL_OK && w->job->rows_hash)
    status = close_tap(d, out, err);
  d->api->destroy_result(&result);
  return status;
}

shoal_status shoal_duckdb_op_execute(shoal_engine *e, const shoal_job *job, shoal_arena *arena, shoal_outcome *out,
                                     shoal_error *err) {
  writing w = {.d = (shoal_duckdb *)e, .job = job};
  int64_t wall = shoal_time_monotonic(), cpu = shoal_time_cpu();
  SHOAL_TRY(shoal_duckdb_begin(w.d, job, err));
  shoal_status status = shoal_duckdb_bind_columns(w.d, job, true, arena, &w.columns, &w.n, &w.body, err);
  if (status == SHOAL_OK && w.n < job->n_noted)
    status = shoal_fail(err, SHOAL_EINVAL, "the query has fewer columns than are to be noted");
  if (status == SHOAL_OK) {
    w.columns += job->n_noted;
    w.n -= job->n_noted;
  }
  if (status == SHOAL_OK)
    status = shoal_duckdb_schema(w.columns, w.n, arena, &out->schema, err);
  if (status == SHOAL_OK && job->stored)
    status = take_stored(&w, out, err);
  if (status == SHOAL_OK)
    status = check_layout(&out->schema, job->partition_by, job->n_partition_by, true, err);
  if (status == SHOAL_OK)
    status = check_layout(&out->schema, job->cluster_by, job->n_cluster_by, false, err);
  if (status == SHOAL_OK)
    status = build(&w, err);
  if (status == SHOAL_OK)
    status = run_copy(&w, arena, out, err);
  shoal_duckdb_end(w.d);
  shoal_buf_dispose(&w.sql);
  out->wall_us = shoal_time_monotonic() - wall;
  out->cpu_us = shoal_time_cpu() - cpu;
  return status;
}
