/* SPDX-License-Identifier: Apache-2.0 */
/* write.h: conform, run into staged files, check, describe, put. */
#include "delta/write.h"

#include "base/limits.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "delta/new_rows.h"
#include "engine/variants.h"

/* Where the table does not say, delta.checkpointInterval. So many commits are read in the time that it takes to begin
   with a checkpoint; writing one takes as long as several appends. */
#define CHECKPOINT_EVERY 100
#define FILES_A_COMMIT 25 /* of a checkpoint: as long to read as a commit */
#define MAX_WAIT 1000     /* commits: other readers take longer for each */

/* ---- columns by name ---- */

/* The path to a stranger below a column that the table has, which the engine would drop; its length, 0: none. */
static size_t find_stranger(const shoal_type *table, const shoal_type *rows, shoal_str *path) {
  const shoal_schema members = {table->fields, table->n_fields};
  for (size_t i = 0; table->kind == rows->kind && i < rows->n_fields; i++) {
    ptrdiff_t at = shoal_schema_find(&members, rows->fields[i].name);
    size_t below = at >= 0 ? find_stranger(&table->fields[at].type, &rows->fields[i].type, path + 1) : 0;
    path[0] = rows->fields[i].name;
    if (at < 0 || below)
      return below + 1;
  }
  return 0;
}

shoal_status shoal_delta_refuse_strangers(const shoal_schema *table, const shoal_schema *rows, shoal_error *err) {
  const shoal_type whole = {.kind = SHOAL_TYPE_STRUCT, .fields = table->fields, .n_fields = table->n_fields};
  const shoal_type given = {.kind = SHOAL_TYPE_STRUCT, .fields = rows->fields, .n_fields = rows->n_fields};
  shoal_str path[SHOAL_MAX_TYPE_DEPTH + 1];
  shoal_buf name = {0};
  size_t n = find_stranger(&whole, &given, path);
  if (n == 0)
    return SHOAL_OK;
  for (size_t i = 0; i < n; i++)
    shoal_buf_addf(&name, "%s%.*s", i ? "." : "", SHOAL_FMT(path[i]));
  (void)shoal_fail(err, SHOAL_EINVAL, "the table has no column '%s'", shoal_buf_z(&name));
  shoal_hint(err, "leave the column out, or give it the name of one that is there");
  shoal_buf_dispose(&name);
  return SHOAL_EINVAL;
}

/* What a column of the table is made of, from rows that have it at `at`, or not (-1). */
static shoal_status column_of(const shoal_delta_writing *w, size_t column, const shoal_schema *rows, ptrdiff_t at,
                              shoal_buf *out, shoal_error *err) {
  const shoal_field *f = &w->schema->fields[column];
  shoal_delta_identity *d = shoal_delta_identity_of(w->rules, column);
  shoal_str otherwise = SHOAL_STR("NULL");
  if (at >= 0 && d && !d->open)
    return shoal_delta_identity_refuse(f, err);
  if (at >= 0)
    shoal_buf_sql_ident(out, rows->fields[at].name);
  else if (d)
    return shoal_delta_identity_sql(d, f, out, err);
  else
    SHOAL_TRY(shoal_delta_default_sql(f, w->engine, w->arena, &otherwise, err));
  if (at < 0)
    shoal_buf_add(out, otherwise);
  return shoal_buf_check(out, err);
}

/* SELECT CAST("a" AS BIGINT) AS "a", … FROM (the query). */
static shoal_status add_columns(const shoal_delta_writing *w, const shoal_schema *rows, shoal_buf *sql,
                                shoal_error *err) {
  shoal_buf value = {0};
  shoal_status status = SHOAL_OK;
  for (size_t i = 0; i < w->schema->n_fields && status == SHOAL_OK; i++) {
    const shoal_field *f = &w->schema->fields[i];
    shoal_buf_clear(&value);
    status = column_of(w, i, rows, shoal_schema_find(rows, f->name), &value, err);
    shoal_buf_addz(sql, i ? ", " : "SELECT ");
    shoal_variants_add_new(sql, f, shoal_buf_str(&value));
    shoal_buf_addz(sql, " AS ");
    shoal_buf_sql_ident(sql, f->name);
  }
  shoal_buf_dispose(&value);
  return status;
}

/* SELECT * REPLACE (year("day") AS "year", …) FROM ( */
static bool add_generated(const shoal_delta_writing *w, const shoal_schema *rows, shoal_buf *sql) {
  size_t n = 0;
  for (size_t i = 0; i < w->schema->n_fields; i++) {
    if (!shoal_delta_is_generated(w->rules, i) || shoal_schema_find(rows, w->schema->fields[i].name) >= 0)
      continue;
    shoal_buf_addz(sql, n++ ? ", " : "SELECT * REPLACE (");
    shoal_buf_addf(sql, "%.*s AS ", SHOAL_FMT(w->rules->generated[i]));
    shoal_buf_sql_ident(sql, w->schema->fields[i].name);
  }
  shoal_buf_addz(sql, n ? ") FROM (" : "");
  return n > 0;
}

shoal_status shoal_delta_conform(const shoal_delta_writing *w, shoal_job *job, shoal_error *err) {
  shoal_schema rows;
  shoal_buf sql = {0};
  SHOAL_TRY(shoal_delta_new_rows(w->engine, w->schema, &job->inputs, job->n_inputs, w->arena, err));
  SHOAL_TRY(shoal_engine_bind(w->engine, job, w->arena, &rows, err));
  SHOAL_TRY(shoal_delta_refuse_strangers(w->schema, &rows, err));
  bool generates = add_generated(w, &rows, &sql);
  shoal_status status = add_columns(w, &rows, &sql, err);
  shoal_str body = shoal_str_trim(job->sql);
  while (shoal_str_ends(body, SHOAL_STR(";")))
    body = shoal_str_trim(shoal_str_sub(body, 0, body.len - 1));
  shoal_buf_addf(&sql, " FROM (%.*s\n) AS rows_%s", SHOAL_FMT(body), generates ? ") AS given_" : "");
  if (status == SHOAL_OK)
    status = shoal_buf_take(&sql, w->arena, &job->sql, err);
  shoal_buf_dispose(&sql);
  return status;
}

/* ---- what the table wants never to be NULL ---- */

typedef struct null_check {
  const shoal_output_file *file;
  shoal_str path[SHOAL_MAX_TYPE_DEPTH + 1];
  size_t depth;
} null_check;

/* NULLs of the leaf at the path; -1: unknown. */
static int64_t nulls_at(const null_check *c) {
  for (size_t i = 0; i < c->file->n_stats; i++) {
    const shoal_column_stats *s = &c->file->stats[i];
    bool same = s->n_path == c->depth;
    for (size_t k = 0; same && k < c->depth; k++)
      same = shoal_str_eq(s->path[k], c->path[k]);
    if (same)
      return s->null_count;
  }
  return -1;
}

static shoal_status check_fields(null_check *c, const shoal_field *fields, size_t n, shoal_error *err);

static shoal_status check_field(null_check *c, const shoal_field *f, shoal_error *err) {
  int64_t nulls = f->nullable ? 0 : nulls_at(c);
  if (nulls > 0)
    return shoal_fail(err, SHOAL_EINVAL, "column '%.*s' is NULL in %lld rows, which the table does not allow",
                      SHOAL_FMT(f->name), (long long)nulls);
  if (nulls < 0)
    return shoal_fail(err, SHOAL_EUNSUPPORTED,
                      "whether column '%.*s' is NULL somewhere, which the table does not allow, can't be told",
                      SHOAL_FMT(f->name));
  if (f->type.kind != SHOAL_TYPE_STRUCT) /* what is inside of arrays and maps is a rule's */
    return SHOAL_OK;
  return check_fields(c, f->type.fields, f->type.n_fields, err);
}

static shoal_status check_fields(null_check *c, const shoal_field *fields, size_t n, shoal_error *err) {
  for (size_t i = 0; i < n && c->depth <= SHOAL_MAX_TYPE_DEPTH; i++) {
    c->path[c->depth++] = fields[i].name;
    SHOAL_TRY(check_field(c, &fields[i], err));
    c->depth--;
  }
  return SHOAL_OK;
}

/* ---- what the table asks of its rows ---- */

/* N1 of rules.h, over the files in the staging. */
static shoal_status check_rules(const shoal_delta_writing *w, const shoal_outcome *made, const char *staging,
                                shoal_error *err) {
  size_t n = w->n_partition_by;
  if (!w->rules || made->n_files == 0)
    return SHOAL_OK;
  size_t *columns = SHOAL_NEW_ARRAY(w->arena, size_t, n);
  shoal_scan_file *files = SHOAL_NEW_ARRAY(w->arena, shoal_scan_file, made->n_files);
  if (!columns || !files)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++)
    columns[i] = (size_t)shoal_schema_find(w->rules->schema, w->partition_by[i]); /* there: the engine has cut by it */
  for (size_t i = 0; i < made->n_files; i++) {
    const shoal_output_file *f = &made->files[i];
    files[i] = (shoal_scan_file){shoal_str_z(shoal_arena_printf(w->arena, "%s/%.*s", staging, SHOAL_FMT(f->name))),
                                 f->partition_values};
    if (!files[i].path.ptr)
      return shoal_fail_nomem(err);
  }
  const shoal_scan scan = {.format = SHOAL_SCAN_TABLE,
                           .schema = w->rules->schema,
                           .partition_columns = columns,
                           .n_partition_columns = n,
                           .files = files,
                           .n_files = made->n_files,
                           .n_whole = made->n_files};
  return shoal_delta_rules_check(w->rules, w->engine, &scan, w->arena, err);
}

/* ---- files ---- */

/* Partition columns by the names that the log has for them. */
static shoal_status log_names(const shoal_delta_writing *w, const shoal_str **out, shoal_error *err) {
  shoal_str *names = SHOAL_NEW_ARRAY(w->arena, shoal_str, w->n_partition_by);
  *out = names;
  if (!names)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < w->n_partition_by; i++) {
    ptrdiff_t at = w->stored ? shoal_schema_find(w->stored, w->partition_by[i]) : -1;
    names[i] = at < 0 ? w->partition_by[i] : w->stored->fields[at].physical;
  }
  return SHOAL_OK;
}

static shoal_status describe_files(const shoal_delta_writing *w, const shoal_outcome *made, shoal_delta_written *out,
                                   shoal_error *err) {
  shoal_delta_measured measured;
  const shoal_str *partitions;
  const shoal_schema whole = {made->schema.fields, made->schema.n_fields - w->unmeasured};
  SHOAL_TRY(log_names(w, &partitions, err));
  SHOAL_TRY(shoal_delta_measured_columns(&whole, w->partition_by, w->n_partition_by, w->layout.metadata, w->arena,
                                         &measured, err));
  out->files = SHOAL_NEW_ARRAY(w->arena, shoal_delta_file, made->n_files);
  if (!out->files)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < made->n_files; i++) {
    null_check c = {.file = &made->files[i]};
    if (w->schema)
      SHOAL_TRY(check_fields(&c, w->schema->fields, w->schema->n_fields, err));
    shoal_output_file file = made->files[i];
    if (w->partition)
      file.partition_values = w->partition;
    SHOAL_TRY(shoal_delta_file_of(&file, &measured, partitions, w->n_partition_by, shoal_time_now() / 1000, w->arena,
                                  &out->files[i], err));
    if (*w->folder)
      out->files[i].path =
          shoal_str_z(shoal_arena_printf(w->arena, "%s%.*s", w->folder, SHOAL_FMT(out->files[i].path)));
    if (!out->files[i].path.ptr)
      return shoal_fail_nomem(err);
  }
  out->n_files = made->n_files;
  return SHOAL_OK;
}

static shoal_status put_files(const shoal_delta_writing *w, const shoal_outcome *made, const char *staging,
                              shoal_error *err) {
  shoal_put_file *files = SHOAL_NEW_ARRAY(w->arena, shoal_put_file, made->n_files);
  const char *slash = w->table->prefix.len ? "/" : "";
  if (!files)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < made->n_files; i++) {
    shoal_str name = made->files[i].name;
    files[i] = (shoal_put_file){shoal_str_z(shoal_arena_printf(w->arena, "%s/%.*s", staging, SHOAL_FMT(name))),
                                shoal_str_z(shoal_arena_printf(w->arena, "%.*s%s%s%.*s", SHOAL_FMT(w->table->prefix),
                                                               slash, w->folder, SHOAL_FMT(name)))};
    if (!files[i].local_path.ptr || !files[i].key.ptr)
      return shoal_fail_nomem(err);
  }
  return shoal_store_put_files(w->table->store, files, made->n_files, err);
}

shoal_status shoal_delta_write(const shoal_delta_writing *w, const shoal_job *job, shoal_delta_written *out,
                               shoal_error *err) {
  shoal_job run = *job;
  shoal_outcome made = {0};
  char *staging;
  *out = (shoal_delta_written){0};
  run.partition_by = w->partition ? NULL : w->partition_by;
  run.n_partition_by = w->partition ? 0 : w->n_partition_by;
  run.empty_is_null = true; /* protocol, "Partition Value Serialization" */
  run.file_bytes = w->file_bytes ? w->file_bytes : w->layout.file_bytes;
  run.codec = w->layout.codec;
  run.rows_hash = false;
  run.variants = true;
  run.stored = w->stored;
  SHOAL_TRY(shoal_store_staging(w->table->store, w->arena, &staging, err));
  run.staging = staging;
  shoal_status status = shoal_engine_execute(w->engine, &run, w->arena, &made, err);
  if (status == SHOAL_OK)
    status = check_rules(w, &made, staging, err);
  if (status == SHOAL_OK)
    status = describe_files(w, &made, out, err);
  if (status == SHOAL_OK)
    status = put_files(w, &made, staging, err);
  shoal_ignore(shoal_os_remove_tree(staging, NULL)); /* what was put has left it */
  out->schema = made.schema;
  out->rows = made.rows;
  out->bytes = made.bytes;
  return status;
}

/* ---- after a commit ---- */

/* Where nobody says how often: a checkpoint of many files takes longer to write, and to begin with, than a hundred
   commits take to read. So the larger the last one is, the longer the next one is waited for. */
static bool is_early(const shoal_delta_table *table, int64_t version) {
  shoal_arena scratch = {0};
  shoal_log_hint last;
  bool known = shoal_delta_log_hint(table, &scratch, &last, NULL) == SHOAL_OK && last.version > 0;
  int64_t wait = known ? last.n_files / FILES_A_COMMIT : 0;
  shoal_arena_dispose(&scratch);
  return known && version - last.version < (wait < MAX_WAIT ? wait : MAX_WAIT);
}

void shoal_delta_after_commit(const shoal_delta_table *table, const shoal_delta_metadata *metadata, int64_t version) {
  shoal_delta_checkpointed made;
  int64_t every;
  bool said = shoal_str_i64(shoal_delta_config(metadata, "delta.checkpointInterval"), &every) && every > 0;
  if (!said)
    every = CHECKPOINT_EVERY;
  if (version <= 0 || version % every || !table->get_engine || (!said && is_early(table, version)))
    return;
  if (shoal_delta_checkpoint_version(table, version, &made, NULL) == SHOAL_OK)
    shoal_ignore(shoal_delta_clean_log(table, NULL));
}
