/* SPDX-License-Identifier: Apache-2.0 */
/* A1 … A3 of append.h: bind, conform, run into staged files, put them, commit. */
#include "delta/append.h"

#include <string.h>

#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "delta/transaction.h"

#define CHECKPOINT_EVERY 10 /* delta.checkpointInterval's default */

typedef struct appending {
  const shoal_delta_table *table;
  shoal_engine *engine;
  const shoal_delta_append *append;
  shoal_arena arena;
  shoal_delta_snapshot *snapshot; /* NULL: the table is made */
  shoal_job job;
  char *staging;
  shoal_outcome outcome;
  shoal_delta_file *files;
  shoal_delta_metadata metadata; /* of a new table */
  shoal_delta_protocol protocol;
  shoal_delta_transaction *transaction;
} appending;

static void dispose(appending *a) {
  shoal_delta_transaction_free(a->transaction);
  shoal_delta_snapshot_free(a->snapshot);
  if (a->staging)
    shoal_ignore(shoal_os_remove_tree(a->staging, NULL)); /* what was put has left it */
  shoal_arena_dispose(&a->arena);
}

static shoal_status open_table(appending *a, shoal_error *err) {
  shoal_status status = shoal_delta_snapshot_open(a->table, SHOAL_DELTA_LATEST, &a->snapshot, err);
  if (status == SHOAL_ENOTFOUND && a->append->create) {
    if (err)
      *err = (shoal_error){0};
    return SHOAL_OK;
  }
  return status;
}

static shoal_status refuse_strangers(const shoal_schema *table, const shoal_schema *rows, shoal_error *err) {
  for (size_t i = 0; i < rows->n_fields; i++) {
    if (shoal_schema_find(table, rows->fields[i].name) >= 0)
      continue;
    (void)shoal_fail(err, SHOAL_EINVAL, "the table has no column '%.*s'", SHOAL_FMT(rows->fields[i].name));
    shoal_hint(err, "leave the column out, or give it the name of one that is there");
    return SHOAL_EINVAL;
  }
  return SHOAL_OK;
}

/* A1: SELECT CAST("a" AS BIGINT) AS "a", … FROM (the query). */
static shoal_status conform(appending *a, const shoal_schema *table, shoal_error *err) {
  shoal_schema rows;
  shoal_buf sql = {0};
  SHOAL_TRY(shoal_engine_bind(a->engine, &a->job, &a->arena, &rows, err));
  SHOAL_TRY(refuse_strangers(table, &rows, err));
  for (size_t i = 0; i < table->n_fields; i++) {
    ptrdiff_t at = shoal_schema_find(&rows, table->fields[i].name);
    shoal_buf_addz(&sql, i ? ", CAST(" : "SELECT CAST(");
    if (at >= 0)
      shoal_buf_sql_ident(&sql, rows.fields[at].name);
    else
      shoal_buf_addz(&sql, "NULL");
    shoal_buf_addz(&sql, " AS ");
    shoal_type_sql(&sql, &table->fields[i].type);
    shoal_buf_addz(&sql, ") AS ");
    shoal_buf_sql_ident(&sql, table->fields[i].name);
  }
  shoal_str body = shoal_str_trim(a->job.sql);
  while (shoal_str_ends(body, SHOAL_STR(";")))
    body = shoal_str_trim(shoal_str_sub(body, 0, body.len - 1));
  shoal_buf_addf(&sql, " FROM (%.*s\n) AS rows_", SHOAL_FMT(body));
  shoal_status status = shoal_buf_check(&sql, err);
  a->job.sql = status == SHOAL_OK ? shoal_arena_str(&a->arena, shoal_buf_str(&sql)) : SHOAL_STR_NONE;
  if (status == SHOAL_OK && !a->job.sql.ptr)
    status = shoal_fail_nomem(err);
  shoal_buf_dispose(&sql);
  return status;
}

static shoal_status prepare(appending *a, shoal_error *err) {
  const shoal_delta_append *wanted = a->append;
  a->job = *wanted->job;
  a->job.partition_by = wanted->partition_by;
  a->job.n_partition_by = wanted->n_partition_by;
  a->job.rows_hash = false;
  if (a->snapshot) {
    const shoal_delta_metadata *m = shoal_delta_snapshot_metadata(a->snapshot);
    a->job.partition_by = m->partition_columns;
    a->job.n_partition_by = m->n_partition_columns;
    SHOAL_TRY(shoal_delta_transaction_open(a->table, a->snapshot, 0, wanted->operation ? wanted->operation : "WRITE",
                                           SHOAL_STR("{\"mode\":\"Append\"}"), &a->transaction, err));
    SHOAL_TRY(conform(a, &m->schema, err));
  }
  SHOAL_TRY(shoal_store_staging(a->table->store, &a->arena, &a->staging, err));
  a->job.staging = a->staging;
  return shoal_engine_execute(a->engine, &a->job, &a->arena, &a->outcome, err);
}

/* ---- what was written ---- */

/* A1: what the table wants never to be NULL. */
static shoal_status check_nulls(const appending *a, const shoal_output_file *f, shoal_error *err) {
  const shoal_schema *schema = a->snapshot ? &shoal_delta_snapshot_metadata(a->snapshot)->schema : NULL;
  for (size_t i = 0; schema && i < schema->n_fields; i++) {
    const shoal_field *field = &schema->fields[i];
    bool known = false;
    for (size_t k = 0; k < f->n_stats && !field->nullable; k++) {
      const shoal_column_stats *s = &f->stats[k];
      if (s->n_path != 1 || !shoal_str_eq(s->path[0], field->name))
        continue;
      known = s->null_count >= 0;
      if (s->null_count > 0)
        return shoal_fail(err, SHOAL_EINVAL, "column '%.*s' is NULL in %lld rows, which the table does not allow",
                          SHOAL_FMT(field->name), (long long)s->null_count);
    }
    if (!field->nullable && !known)
      return shoal_fail(err, SHOAL_EUNSUPPORTED,
                        "whether column '%.*s' is NULL somewhere, which the table does not allow, can't be told",
                        SHOAL_FMT(field->name));
  }
  return SHOAL_OK;
}

static shoal_status describe_files(appending *a, shoal_error *err) {
  const shoal_job *job = &a->job;
  shoal_schema measured;
  SHOAL_TRY(shoal_delta_measured_columns(&a->outcome.schema, job->partition_by, job->n_partition_by, &a->arena,
                                         &measured, err));
  a->files = SHOAL_NEW_ARRAY(&a->arena, shoal_delta_file, a->outcome.n_files);
  if (!a->files)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < a->outcome.n_files; i++) {
    SHOAL_TRY(check_nulls(a, &a->outcome.files[i], err));
    SHOAL_TRY(shoal_delta_file_of(&a->outcome.files[i], &measured, job->partition_by, job->n_partition_by,
                                  shoal_time_now() / 1000, &a->arena, &a->files[i], err));
  }
  return SHOAL_OK;
}

static shoal_status put_files(appending *a, shoal_error *err) {
  shoal_put_file *files = SHOAL_NEW_ARRAY(&a->arena, shoal_put_file, a->outcome.n_files);
  const char *slash = a->table->prefix.len ? "/" : "";
  if (!files)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < a->outcome.n_files; i++) {
    shoal_str name = a->outcome.files[i].name;
    files[i] = (shoal_put_file){
        shoal_str_z(shoal_arena_printf(&a->arena, "%s/%.*s", a->staging, SHOAL_FMT(name))),
        shoal_str_z(shoal_arena_printf(&a->arena, "%.*s%s%.*s", SHOAL_FMT(a->table->prefix), slash, SHOAL_FMT(name)))};
    if (!files[i].local_path.ptr || !files[i].key.ptr)
      return shoal_fail_nomem(err);
  }
  return shoal_store_put_files(a->table->store, files, a->outcome.n_files, err);
}

/* ---- the commit ---- */

static shoal_status make_table(appending *a, shoal_error *err) {
  char *id = SHOAL_NEW_ARRAY(&a->arena, char, SHOAL_UUID_TEXT);
  if (!id)
    return shoal_fail_nomem(err);
  shoal_os_uuid(id);
  SHOAL_TRY(shoal_delta_protocol_for(&a->outcome.schema, &a->arena, &a->protocol, err));
  a->metadata = (shoal_delta_metadata){.id = shoal_str_z(id),
                                       .schema = a->outcome.schema,
                                       .partition_columns = a->append->partition_by,
                                       .n_partition_columns = a->append->n_partition_by,
                                       .created_ms = shoal_time_now() / 1000};
  SHOAL_TRY(
      shoal_delta_transaction_open(a->table, NULL, 0, "CREATE TABLE AS SELECT", SHOAL_STR_NONE, &a->transaction, err));
  shoal_delta_transaction_protocol(a->transaction, &a->protocol);
  shoal_delta_transaction_metadata(a->transaction, &a->metadata);
  return SHOAL_OK;
}

static shoal_status commit(appending *a, shoal_delta_appended *out, shoal_error *err) {
  if (!a->snapshot)
    SHOAL_TRY(make_table(a, err));
  for (size_t i = 0; i < a->outcome.n_files; i++)
    SHOAL_TRY(shoal_delta_transaction_add(a->transaction, &a->files[i], err));
  if (a->append->app.ptr)
    SHOAL_TRY(shoal_delta_transaction_app(a->transaction, a->append->app, a->append->app_version, err));
  SHOAL_TRY(shoal_delta_transaction_commit(a->transaction, &out->version, err));
  out->rows = a->outcome.rows;
  out->bytes = a->outcome.bytes;
  out->n_files = a->outcome.n_files;
  out->created = !a->snapshot;
  return SHOAL_OK;
}

/* Off the commit's path: without it readers only take longer. */
static void checkpoint(const appending *a, int64_t version) {
  shoal_delta_snapshot *s = NULL;
  if (version <= 0 || version % CHECKPOINT_EVERY || !a->table->get_engine)
    return;
  if (shoal_delta_snapshot_open(a->table, version, &s, NULL) == SHOAL_OK)
    shoal_ignore(shoal_delta_checkpoint(a->table, s, NULL));
  shoal_delta_snapshot_free(s);
}

static bool is_done(const appending *a) {
  return a->snapshot && a->append->app.ptr &&
         shoal_delta_snapshot_txn(a->snapshot, a->append->app) >= a->append->app_version;
}

shoal_status shoal_delta_append_rows(const shoal_delta_table *table, shoal_engine *engine,
                                     const shoal_delta_append *append, shoal_delta_appended *out, shoal_error *err) {
  appending a = {.table = table, .engine = engine, .append = append};
  *out = (shoal_delta_appended){.version = -1};
  shoal_status status = open_table(&a, err);
  bool done = status == SHOAL_OK && is_done(&a);
  if (status == SHOAL_OK && !done)
    status = prepare(&a, err);
  bool nothing = done || (status == SHOAL_OK && a.snapshot && a.outcome.rows == 0 && !append->app.ptr);
  if (status == SHOAL_OK && !nothing)
    status = describe_files(&a, err);
  if (status == SHOAL_OK && !nothing)
    status = put_files(&a, err);
  if (status == SHOAL_OK && !nothing)
    status = commit(&a, out, err);
  if (status == SHOAL_OK && !nothing)
    checkpoint(&a, out->version);
  dispose(&a);
  return status;
}
