/* SPDX-License-Identifier: Apache-2.0 */
/* A1 … A3 of append.h: conform, write (delta/write.h), commit. */
#include "delta/append.h"

#include "base/str.h"
#include "delta/create.h"
#include "delta/evolve.h"
#include "delta/property.h"
#include "delta/transaction.h"
#include "delta/write.h"

#define MAX_TRIES 1000 /* every lost try is somebody else's commit */

typedef struct appending {
  const shoal_delta_table *table;
  shoal_engine *engine;
  const shoal_delta_append *append;
  shoal_arena arena;
  shoal_delta_snapshot *snapshot; /* NULL: the table is made */
  shoal_delta_writing writing;
  shoal_delta_written written;
  shoal_delta_metadata metadata; /* of a new table */
  shoal_delta_protocol protocol;
  shoal_delta_evolution evolution; /* of a table that gets columns more */
  shoal_delta_transaction *transaction;
} appending;

static void dispose(appending *a) {
  shoal_delta_transaction_free(a->transaction);
  if (!a->table->head)
    shoal_delta_snapshot_free(a->snapshot);
  shoal_arena_dispose(&a->arena);
}

static shoal_status open_table(appending *a, shoal_error *err) {
  shoal_status status = shoal_delta_head(a->table, &a->snapshot, err);
  if (status == SHOAL_ENOTFOUND && a->append->create) {
    if (err)
      *err = (shoal_error){0};
    return SHOAL_OK;
  }
  return status;
}

static shoal_delta_create creation(const shoal_delta_append *a, const shoal_schema *schema) {
  return (shoal_delta_create){.schema = schema,
                              .partition_by = a->partition_by,
                              .n_partition_by = a->n_partition_by,
                              .cluster_by = a->cluster_by,
                              .n_cluster_by = a->n_cluster_by,
                              .properties = a->properties,
                              .n_properties = a->n_properties,
                              .constraints = a->constraints,
                              .n_constraints = a->n_constraints};
}

/* What a table is, or will be, that is made of such rows. */
static shoal_status describe(appending *a, const shoal_schema *rows, shoal_error *err) {
  const shoal_delta_create create = creation(a->append, rows);
  return shoal_delta_describe_table(&create, &a->arena, &a->metadata, &a->protocol, err);
}

/* What rows must satisfy, what files call their columns and what form they have, and whether there are such columns: of
   other tables the rows' columns, which it takes a binding to tell, are known soon enough when they are written. */
static shoal_status foresee(appending *a, const shoal_job *job, shoal_error *err) {
  const shoal_delta_append *wanted = a->append;
  const shoal_delta_create create = creation(wanted, NULL);
  for (size_t i = 0; i < wanted->n_properties; i++)
    SHOAL_TRY(shoal_delta_property_check(&wanted->properties[i], err));
  if (!wanted->n_constraints && !wanted->n_partition_by && !wanted->n_cluster_by && !wanted->n_properties)
    return SHOAL_OK;
  shoal_schema *schema = SHOAL_NEW(&a->arena, shoal_schema);
  if (!schema)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_engine_bind(a->engine, job, &a->arena, schema, err));
  SHOAL_TRY(describe(a, schema, err));
  a->writing.stored = shoal_delta_create_maps(&create) ? &a->metadata.schema : NULL;
  SHOAL_TRY(shoal_delta_layout_of(&a->metadata, &a->writing.layout, err));
  return shoal_delta_rules_of(&a->metadata, a->engine, &a->arena, &a->writing.rules, err);
}

/* The metadata with the columns that the rows bring. */
static shoal_status merge_schema(appending *a, const shoal_job *job, const shoal_delta_metadata **m, shoal_error *err) {
  shoal_schema rows;
  SHOAL_TRY(shoal_engine_bind(a->engine, job, &a->arena, &rows, err));
  SHOAL_TRY(shoal_delta_evolution_start(&a->evolution, a->snapshot, &a->arena, err));
  SHOAL_TRY(shoal_delta_evolve_missing(&a->evolution, &rows, err));
  if (a->evolution.columns_change)
    *m = &a->evolution.metadata;
  return SHOAL_OK;
}

static shoal_status prepare(appending *a, shoal_error *err) {
  const shoal_delta_append *wanted = a->append;
  shoal_job job = *wanted->job;
  shoal_delta_writing *w = &a->writing;
  *w = (shoal_delta_writing){.table = a->table,
                             .engine = a->engine,
                             .arena = &a->arena,
                             .partition_by = wanted->partition_by,
                             .n_partition_by = wanted->n_partition_by,
                             .folder = ""};
  if (a->snapshot) {
    const shoal_delta_metadata *m = shoal_delta_snapshot_metadata(a->snapshot);
    if (wanted->merge_schema)
      SHOAL_TRY(merge_schema(a, &job, &m, err));
    w->schema = &m->schema;
    w->stored = shoal_delta_is_mapped(m) ? &m->schema : NULL;
    w->partition_by = m->partition_columns;
    w->n_partition_by = m->n_partition_columns;
    SHOAL_TRY(shoal_delta_layout_of(m, &w->layout, err));
    SHOAL_TRY(shoal_delta_transaction_open(a->table, a->snapshot, SHOAL_DELTA_CHECKS | SHOAL_DELTA_MAPS,
                                           wanted->operation ? wanted->operation : "WRITE",
                                           SHOAL_STR("{\"mode\":\"Append\"}"), &a->transaction, err));
    if (a->evolution.columns_change)
      shoal_delta_evolution_state(&a->evolution, a->transaction);
    SHOAL_TRY(shoal_delta_rules_of(m, a->engine, &a->arena, &w->rules, err));
    SHOAL_TRY(shoal_delta_conform(w, &job, err));
  } else {
    SHOAL_TRY(foresee(a, &job, err));
  }
  return shoal_delta_write(w, &job, &a->written, err);
}

/* ---- the commit ---- */

static shoal_status make_table(appending *a, shoal_error *err) {
  if (!a->metadata.id.ptr)
    SHOAL_TRY(describe(a, &a->written.schema, err));
  SHOAL_TRY(shoal_delta_transaction_open(a->table, NULL, SHOAL_DELTA_CHECKS | SHOAL_DELTA_MAPS,
                                         "CREATE TABLE AS SELECT", SHOAL_STR_NONE, &a->transaction, err));
  shoal_delta_transaction_protocol(a->transaction, &a->protocol);
  shoal_delta_transaction_metadata(a->transaction, &a->metadata);
  const shoal_delta_create create = creation(a->append, &a->metadata.schema);
  return shoal_delta_create_clusters(&create, &a->metadata, &a->arena, a->transaction, err);
}

/* I1 of identity.h */
static shoal_status move_marks(appending *a, shoal_error *err) {
  if (!shoal_delta_gives_numbers(a->writing.rules))
    return SHOAL_OK;
  if (!a->evolution.columns_change)
    SHOAL_TRY(shoal_delta_evolution_start(&a->evolution, a->snapshot, &a->arena, err));
  SHOAL_TRY(shoal_delta_identities_move(a->writing.rules->identities, a->written.rows, &a->evolution, err));
  if (a->evolution.columns_change)
    shoal_delta_evolution_state(&a->evolution, a->transaction);
  return SHOAL_OK;
}

static shoal_status commit(appending *a, shoal_delta_appended *out, shoal_error *err) {
  if (!a->snapshot)
    SHOAL_TRY(make_table(a, err));
  SHOAL_TRY(move_marks(a, err));
  for (size_t i = 0; i < a->written.n_files; i++)
    SHOAL_TRY(shoal_delta_transaction_add(a->transaction, &a->written.files[i], err));
  if (a->append->app.ptr)
    SHOAL_TRY(shoal_delta_transaction_app(a->transaction, a->append->app, a->append->app_version, err));
  SHOAL_TRY(shoal_delta_transaction_commit(a->transaction, &out->version, err));
  out->rows = a->written.rows;
  out->bytes = a->written.bytes;
  out->n_files = a->written.n_files;
  out->created = !a->snapshot;
  return SHOAL_OK;
}

static bool is_done(const appending *a) {
  return a->snapshot && a->append->app.ptr &&
         shoal_delta_snapshot_txn(a->snapshot, a->append->app) >= a->append->app_version;
}

/* *again: what stands against it does not any more once it begins anew: there was no table as it began, others took the
   numbers that it had given to its rows, or what it rests on has been cleaned up. */
static shoal_status append_once(const shoal_delta_table *table, shoal_engine *engine, const shoal_delta_append *append,
                                shoal_delta_appended *out, bool *again, shoal_error *err) {
  appending a = {.table = table, .engine = engine, .append = append};
  *out = (shoal_delta_appended){.version = -1};
  shoal_status status = open_table(&a, err);
  bool done = status == SHOAL_OK && is_done(&a);
  if (status == SHOAL_OK && !done)
    status = prepare(&a, err);
  bool nothing = done || (status == SHOAL_OK && a.snapshot && a.written.rows == 0 && !append->app.ptr);
  if (status == SHOAL_OK && !nothing)
    status = commit(&a, out, err);
  if (status == SHOAL_OK && !nothing)
    shoal_delta_after_commit(table, a.snapshot ? shoal_delta_snapshot_metadata(a.snapshot) : &a.metadata, out->version);
  *again = (status == SHOAL_EEXIST && !a.snapshot) ||
           (status == SHOAL_ECONFLICT && (shoal_delta_gives_numbers(a.writing.rules) ||
                                          (a.transaction && shoal_delta_transaction_is_stale(a.transaction))));
  dispose(&a);
  return status;
}

static bool is_read_once(const shoal_job *job) {
  bool once = false;
  for (size_t i = 0; i < job->n_inputs; i++)
    once |= job->inputs[i].scan->format == SHOAL_SCAN_ARROW;
  return once;
}

shoal_status shoal_delta_append_rows(const shoal_delta_table *table, shoal_engine *engine,
                                     const shoal_delta_append *append, shoal_delta_appended *out, shoal_error *err) {
  bool again, once = is_read_once(append->job);
  shoal_status status = append_once(table, engine, append, out, &again, err);
  for (int i = 0; i < MAX_TRIES && again && !once; i++) {
    if (err)
      *err = (shoal_error){0};
    status = append_once(table, engine, append, out, &again, err);
  }
  return status;
}
