/* SPDX-License-Identifier: Apache-2.0 */
/* D1 … D4 of change.h: select the changes, see which files they touch, have written what that takes, commit. */
#include "delta/change.h"

#include <stdio.h>

#include "base/os.h"
#include "base/str.h"
#include "engine/arrow.h"

/* ---- opening ---- */

static unsigned able_to(bool values) {
  return SHOAL_DELTA_MAPS | (unsigned)(values ? SHOAL_DELTA_CHECKS : SHOAL_DELTA_COPIES);
}

static shoal_status check_table(shoal_change *c, unsigned flags, shoal_error *err) {
  unsigned able = SHOAL_DELTA_STAMPS | able_to(flags & SHOAL_CHANGE_VALUES);
  c->feed = shoal_delta_is_on(c->metadata, "delta.enableChangeDataFeed");
  c->vectors = shoal_delta_is_on(c->metadata, "delta.enableDeletionVectors") &&
               shoal_delta_has_feature(shoal_delta_snapshot_protocol(c->snapshot), "deletionVectors");
  SHOAL_TRY(shoal_delta_tracking_of(c->metadata, &c->tracking, err));
  return shoal_delta_check_write(shoal_delta_snapshot_protocol(c->snapshot), c->metadata, able, err);
}

static shoal_status open_target(shoal_change *c, shoal_error *err) {
  c->view = *c->snapshot;
  c->view.metadata = c->columns;
  c->view.n_files = c->brought ? c->view.n_files : 0;
  if (c->tracking.on)
    SHOAL_TRY(shoal_delta_tracking_view(&c->tracking, &c->view, &c->arena, err));
  SHOAL_TRY(shoal_delta_scan_ordered(c->table, &c->view, &c->arena, &c->target, &c->files, err));
  c->target.positions = true;
  c->target.exact = c->values;
  c->touched = SHOAL_NEW_ARRAY(&c->arena, shoal_touched, c->target.n_files);
  if (!c->touched)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < c->target.n_files; i++)
    c->files[i] = &c->snapshot->files[c->files[i] - c->view.files]; /* as the log has it */
  for (size_t i = 0; i < c->target.n_files; i++)
    c->touched[i] = (shoal_touched){.file = c->files[i], .n_rows = -1};
  return SHOAL_OK;
}

/* What follows from the table's columns. */
static shoal_status take_columns(shoal_change *c, bool values, shoal_error *err) {
  c->writing.schema = &c->metadata->schema;
  c->writing.stored = shoal_delta_is_mapped(c->metadata) ? &c->metadata->schema : NULL;
  c->writing.partition_by = c->metadata->partition_columns;
  c->writing.n_partition_by = c->metadata->n_partition_columns;
  SHOAL_TRY(shoal_delta_layout_of(c->metadata, &c->writing.layout, err));
  if (values)
    SHOAL_TRY(shoal_delta_rules_of(c->metadata, c->engine, &c->arena, &c->writing.rules, err));
  return open_target(c, err);
}

shoal_status shoal_change_open(shoal_change *c, const shoal_delta_table *table, shoal_engine *engine,
                               const char *operation, unsigned flags, shoal_error *err) {
  *c = (shoal_change){
      .table = table, .engine = engine, .operation = operation, .values = (flags & SHOAL_CHANGE_VALUES) != 0};
  SHOAL_TRY(shoal_delta_tip_open(table, SHOAL_DELTA_LATEST, &c->snapshot, err));
  c->brought = c->snapshot->n_below == 0;
  c->columns = c->snapshot->metadata;
  c->metadata = &c->columns;
  c->writing = (shoal_delta_writing){.table = table, .engine = engine, .arena = &c->arena, .folder = ""};
  SHOAL_TRY(check_table(c, flags, err));
  return take_columns(c, flags & SHOAL_CHANGE_VALUES, err);
}

/* D5 by the columns of a view of the same version. */
static shoal_status bring(shoal_change *c, const shoal_predicate *any, size_t n, shoal_error *err) {
  shoal_delta_view *v = NULL;
  shoal_arena scratch = {0};
  shoal_str *paths = NULL;
  size_t n_paths = 0;
  shoal_status status = SHOAL_OK;
  if (n > 0) {
    status = shoal_delta_view_open(c->table, SHOAL_DELTA_LATEST, &v, err); /* the one that is remembered */
    if (status == SHOAL_OK && shoal_delta_view_version(v) != c->snapshot->version) {
      shoal_delta_view_free(v);
      status = shoal_delta_view_open(c->table, c->snapshot->version, &v, err);
    }
    if (status == SHOAL_OK)
      status = shoal_delta_view_match(v, any, n, &scratch, &paths, &n_paths, err);
  }
  if (status == SHOAL_OK)
    status = shoal_delta_tip_bring(c->table, c->snapshot, paths, n_paths, err);
  shoal_delta_view_free(v);
  shoal_arena_dispose(&scratch);
  return status;
}

/* A checkpoint that is broken is found out late; then the state is read by whichever way leads there. */
static shoal_status bring_around(shoal_change *c, shoal_error *err) {
  shoal_delta_snapshot *whole = NULL;
  shoal_error again = {0};
  if (shoal_delta_snapshot_open(c->table, c->snapshot->version, &whole, &again) < 0)
    return err ? err->status : again.status;
  c->tip = c->snapshot; /* columns are borrowed from it */
  c->snapshot = whole;
  if (err)
    *err = (shoal_error){0};
  return SHOAL_OK;
}

shoal_status shoal_change_bring(shoal_change *c, const shoal_predicate *any, size_t n, shoal_error *err) {
  if (c->brought)
    return SHOAL_OK;
  shoal_status status = bring(c, any, n, err);
  if (shoal_delta_log_broken(status))
    status = bring_around(c, err);
  if (status < 0)
    return status;
  c->brought = true;
  return open_target(c, err);
}

shoal_status shoal_change_evolve(shoal_change *c, const shoal_schema *rows, shoal_error *err) {
  SHOAL_TRY(shoal_delta_evolution_start(&c->evolution, c->snapshot, &c->arena, err));
  SHOAL_TRY(shoal_delta_evolve_missing(&c->evolution, rows, err));
  if (!c->evolution.columns_change)
    return SHOAL_OK;
  c->columns = c->evolution.metadata;
  return take_columns(c, true, err);
}

void shoal_change_close(shoal_change *c) {
  for (size_t i = 0; c->touched && i < c->target.n_files; i++) {
    shoal_delta_vector_free(c->touched[i].deleted);
    shoal_delta_vector_free(c->touched[i].updated);
    shoal_delta_vector_free(c->touched[i].gone);
  }
  shoal_delta_transaction_free(c->transaction);
  if (c->staging)
    shoal_ignore(shoal_os_remove_tree(c->staging, NULL));
  shoal_delta_snapshot_free(c->snapshot);
  shoal_delta_snapshot_free(c->tip);
  shoal_arena_dispose(&c->arena);
}

/* ---- the changes (D1) ---- */

static shoal_status prepare(shoal_change *c, shoal_str sql, const shoal_input *inputs, size_t n, shoal_error *err) {
  shoal_input *all = SHOAL_NEW_ARRAY(&c->arena, shoal_input, n + 1);
  if (!all)
    return shoal_fail_nomem(err);
  all[0] = (shoal_input){SHOAL_STR(SHOAL_CHANGE_TARGET), &c->target};
  for (size_t i = 0; i < n; i++)
    all[i + 1] = inputs[i];
  c->selection =
      (shoal_job){.sql = shoal_arena_str(&c->arena, sql), .inputs = all, .n_inputs = n + 1, .variants = true};
  if (!c->selection.sql.ptr)
    return shoal_fail_nomem(err);
  if (!c->brought) {
    SHOAL_TRY(shoal_engine_filters(c->engine, &c->selection, 0, &c->arena, &c->filters, &c->n_filters, err));
    SHOAL_TRY(shoal_change_bring(c, c->filters, c->n_filters, err));
  }
  if (c->among) {
    c->target.among = &c->keys;
    c->target.among_column = (size_t)shoal_schema_find(c->target.schema, c->among->name);
  }
  return SHOAL_OK;
}

static shoal_status stage(shoal_change *c, shoal_error *err) {
  shoal_job job = c->selection;
  shoal_outcome staged = {0};
  SHOAL_TRY(shoal_store_staging(c->table->store, &c->arena, &c->staging, err));
  job.staging = c->staging;
  job.brief = true;
  SHOAL_TRY(shoal_engine_execute(c->engine, &job, &c->arena, &staged, err));
  shoal_scan_file *files = SHOAL_NEW_ARRAY(&c->arena, shoal_scan_file, staged.n_files);
  if (!files)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < staged.n_files; i++) {
    files[i].path = shoal_str_z(shoal_arena_printf(&c->arena, "%s/%.*s", c->staging, SHOAL_FMT(staged.files[i].name)));
    if (!files[i].path.ptr)
      return shoal_fail_nomem(err);
  }
  c->changes = (shoal_scan){.format = SHOAL_SCAN_PARQUET, .files = files, .n_files = staged.n_files};
  c->staged = true;
  return SHOAL_OK;
}

static shoal_status note_place(shoal_change *c, int64_t file, int64_t row, int64_t kind, shoal_error *err) {
  if (file < 0 || (size_t)file >= c->target.n_files || row < 0)
    return shoal_fail(err, SHOAL_EENGINE, "the engine told a row that is not there");
  shoal_touched *t = &c->touched[file];
  bool deleted = kind == SHOAL_CHANGE_DELETED;
  shoal_delta_vector **v = deleted ? &t->deleted : &t->updated;
  if (!*v)
    SHOAL_TRY(shoal_delta_vector_new(v, err));
  if (!t->gone)
    SHOAL_TRY(shoal_delta_vector_new(&t->gone, err));
  bool is_new = shoal_delta_vector_add(t->gone, (uint64_t)row);
  if (!is_new && !(deleted && c->repeats)) {
    (void)shoal_fail(err, SHOAL_EINVAL, "several rows of the source would change the same row of the table");
    shoal_hint(err, "make the source's rows unique in what they are matched by");
    return SHOAL_EINVAL;
  }
  shoal_delta_vector_add(*v, (uint64_t)row);
  c->n_places++;
  c->out->deleted += is_new && deleted;
  c->out->updated += !deleted;
  return SHOAL_OK;
}

/* Rows of CHANGE_PLACES. */
static shoal_status note_places(shoal_change *c, const int64_t *files, const int64_t *rows, const int64_t *kinds,
                                size_t n, shoal_error *err) {
  c->n_changes += n;
  for (size_t i = 0; i < n; i++)
    if (kinds[i] != SHOAL_CHANGE_INSERTED)
      SHOAL_TRY(note_place(c, files[i], rows[i], kinds[i], err));
  return SHOAL_OK;
}

static shoal_status note_batch(shoal_change *c, const struct ArrowArray *batch, shoal_error *err) {
  const int64_t *column[3];
  if (batch->n_children != 3)
    return shoal_fail(err, SHOAL_EENGINE, "the engine told rows in another shape");
  for (int i = 0; i < 3; i++)
    column[i] = (const int64_t *)batch->children[i]->buffers[1] + batch->children[i]->offset + batch->offset;
  return note_places(c, column[0], column[1], column[2], (size_t)batch->length, err);
}

static shoal_status note_rows(shoal_change *c, struct ArrowArrayStream *stream, shoal_error *err) {
  for (;;) {
    struct ArrowArray batch = {0};
    if (stream->get_next(stream, &batch) != 0) {
      const char *why = stream->get_last_error(stream);
      return shoal_fail(err, SHOAL_EENGINE, "reading the changes: %s", why ? why : "it failed");
    }
    if (!batch.release)
      return SHOAL_OK;
    shoal_status status = note_batch(c, &batch, err);
    batch.release(&batch);
    if (status < 0)
      return status;
  }
}

/* File, row and action, BIGINT without NULLs. */
#define CHANGE_PLACES                                                                                                  \
  "SELECT coalesce(\"" SHOAL_POSITION_FILE "\", -1)::BIGINT AS \"" SHOAL_POSITION_FILE                                 \
  "\", coalesce(\"" SHOAL_POSITION_ROW "\", -1)::BIGINT AS \"" SHOAL_POSITION_ROW "\", \"" SHOAL_CHANGE_ACTION         \
  "\"::BIGINT AS \"" SHOAL_CHANGE_ACTION "\""

static shoal_status stream_places(shoal_change *c, const shoal_job *job, shoal_error *err) {
  struct ArrowArrayStream stream;
  SHOAL_TRY(shoal_engine_stream(c->engine, job, &stream, err));
  shoal_status status = note_rows(c, &stream, err);
  stream.release(&stream);
  return status;
}

static shoal_status read_places(shoal_change *c, shoal_error *err) {
  const shoal_input input = {SHOAL_STR("changes"), &c->changes};
  const shoal_job job = {.sql = SHOAL_STR(CHANGE_PLACES " FROM changes"), .inputs = &input, .n_inputs = 1};
  return c->changes.n_files ? stream_places(c, &job, err) : SHOAL_OK;
}

/* Of changes that bring nothing. */
static shoal_status select_places(shoal_change *c, shoal_error *err) {
  shoal_job job = c->selection;
  shoal_buf sql = {0};
  shoal_buf_addf(&sql, CHANGE_PLACES " FROM (%.*s\n) AS changes", SHOAL_FMT(c->selection.sql));
  shoal_status status = shoal_buf_check(&sql, err);
  job.sql = shoal_buf_str(&sql);
  if (status == SHOAL_OK)
    status = stream_places(c, &job, err);
  shoal_buf_dispose(&sql);
  return status;
}

static shoal_status note_written(void *arg, const shoal_batch *b, shoal_error *err) {
  return note_places(arg, b->columns[0].data, b->columns[1].data, b->columns[2].data, b->rows, err);
}

static shoal_status write_at_once(shoal_change *c, shoal_error *err) {
  shoal_job job = c->selection;
  shoal_buf sql = {0};
  job.n_noted = 4;
  job.note = note_written;
  job.note_arg = c;
  shoal_buf_addf(&sql, CHANGE_PLACES ", (\"" SHOAL_CHANGE_ACTION "\" <> %d)::BIGINT AS \"shoal:written\", ",
                 SHOAL_CHANGE_DELETED);
  shoal_change_add_rows(&sql, c, false);
  shoal_buf_addf(&sql, " FROM (%.*s\n) AS changes", SHOAL_FMT(c->selection.sql));
  shoal_status status = shoal_buf_check(&sql, err);
  job.sql = shoal_buf_str(&sql);
  if (status == SHOAL_OK)
    status = shoal_change_write_rows(c, &job, err);
  shoal_buf_dispose(&sql);
  return status;
}

/* ---- what the changes touch (D2) ---- */

static shoal_status add_old_vector(shoal_change *c, shoal_touched *t, shoal_error *err) {
  shoal_delta_vector_descriptor d;
  shoal_delta_vector *old;
  if (!t->file->deletion_vector.ptr)
    return SHOAL_OK;
  SHOAL_TRY(shoal_delta_vector_describe(t->file->deletion_vector, &c->arena, &d, err));
  SHOAL_TRY(shoal_delta_vector_read(c->table, &d, &old, err));
  shoal_delta_vector_merge(t->gone, old);
  shoal_delta_vector_free(old);
  return SHOAL_OK;
}

/* Without numRecords, which a file with a deletion vector must have, it is written anew. */
static shoal_status decide(shoal_change *c, shoal_touched *t, shoal_error *err) {
  SHOAL_TRY(add_old_vector(c, t, err));
  t->n_rows = shoal_delta_file_rows(t->file);
  uint64_t gone = shoal_delta_vector_count(t->gone);
  if (t->n_rows >= 0 && gone > (uint64_t)t->n_rows)
    return shoal_fail(err, SHOAL_ECORRUPT, "'%.*s' has more rows than its statistics say", SHOAL_FMT(t->file->path));
  t->whole = t->n_rows >= 0 && gone == (uint64_t)t->n_rows;
  t->rewritten = !t->whole && (!c->vectors || t->n_rows < 0);
  return SHOAL_OK;
}

shoal_status shoal_change_select(shoal_change *c, shoal_str sql, const shoal_input *inputs, size_t n,
                                 shoal_error *err) {
  SHOAL_TRY(prepare(c, sql, inputs, n, err));
  if (!c->values) {
    SHOAL_TRY(select_places(c, err));
  } else if (c->feed || c->dry_run) {
    SHOAL_TRY(stage(c, err));
    SHOAL_TRY(read_places(c, err));
  } else {
    SHOAL_TRY(write_at_once(c, err));
  }
  c->out->inserted = c->n_changes - c->n_places;
  for (size_t i = 0; i < c->target.n_files; i++)
    if (c->touched[i].gone)
      SHOAL_TRY(decide(c, &c->touched[i], err));
  return SHOAL_OK;
}

shoal_status shoal_change_remove_file(shoal_change *c, size_t file, shoal_error *err) {
  shoal_touched *t = &c->touched[file];
  SHOAL_TRY(shoal_delta_vector_new(&t->gone, err));
  SHOAL_TRY(add_old_vector(c, t, err));
  t->n_rows = shoal_delta_file_rows(t->file);
  t->whole = true;
  if (t->n_rows >= 0)
    c->out->deleted += (uint64_t)t->n_rows - shoal_delta_vector_count(t->gone);
  return SHOAL_OK;
}

/* ---- the commit ---- */

static shoal_status add_written(shoal_change *c, const shoal_delta_written *w, shoal_error *err) {
  for (size_t i = 0; i < w->n_files; i++)
    SHOAL_TRY(shoal_delta_transaction_add(c->transaction, &w->files[i], err));
  c->out->files_added += w->n_files;
  return SHOAL_OK;
}

static shoal_status add_metrics(shoal_change *c, shoal_error *err) {
  const shoal_delta_changed *o = c->out;
  char *text = shoal_arena_printf(
      &c->arena,
      "{\"operationMetrics\":{\"numDeletedRows\":\"%llu\",\"numUpdatedRows\":\"%llu\",\"numInsertedRows\":\"%llu\","
      "\"numCopiedRows\":\"%llu\",\"numAddedFiles\":\"%zu\",\"numRemovedFiles\":\"%zu\","
      "\"numDeletionVectorsUpdated\":\"%zu\"}%s}",
      (unsigned long long)o->deleted, (unsigned long long)o->updated, (unsigned long long)o->inserted,
      (unsigned long long)o->copied, o->files_added, o->files_removed, o->vectors,
      c->tracking.on ? SHOAL_TRACKING_PRESERVED : "");
  if (!text)
    return shoal_fail_nomem(err);
  shoal_delta_transaction_info(c->transaction, shoal_str_z(text));
  return SHOAL_OK;
}

static shoal_status commit(shoal_change *c, shoal_error *err) {
  for (size_t i = 0; i < c->target.n_files; i++) {
    const shoal_touched *t = &c->touched[i];
    if (!t->gone)
      continue;
    SHOAL_TRY(shoal_delta_transaction_remove(c->transaction, t->file, true, err));
    c->out->files_removed += t->whole || t->rewritten;
  }
  SHOAL_TRY(add_written(c, &c->copied, err));
  SHOAL_TRY(add_written(c, &c->inserted, err));
  for (size_t i = 0; i < c->feeds.n_files; i++)
    SHOAL_TRY(shoal_delta_transaction_cdc(c->transaction, &c->feeds.files[i], err));
  SHOAL_TRY(add_metrics(c, err));
  SHOAL_TRY(shoal_delta_transaction_commit(c->transaction, &c->out->version, err));
  shoal_delta_after_commit(c->table, c->metadata, c->out->version);
  return SHOAL_OK;
}

/* D4: a file as it is in the log, of the table or of others' commits. */
static bool may_matter(const shoal_change *c, const shoal_delta_file *file, shoal_arena *arena) {
  void *bounds = shoal_delta_bounds(&c->view, &file, 1, arena);
  bool may = true;
  return !bounds || shoal_delta_match(bounds, c->filters, c->n_filters, &may, NULL) < 0 || may;
}

static bool would_read(void *arg, const shoal_delta_file *file) {
  const shoal_change *c = arg;
  shoal_arena arena = {0};
  if (c->replaces)
    return c->replaces(c->replaces_arg, file);
  bool may = may_matter(c, file, &arena);
  shoal_arena_dispose(&arena);
  return may;
}

static shoal_status narrow(void *arg, shoal_delta_transaction *t, shoal_error *err) {
  shoal_change *c = arg;
  if (!c->replaces && c->selection.sql.ptr)
    SHOAL_TRY(shoal_engine_filters(c->engine, &c->selection, 0, &c->arena, &c->filters, &c->n_filters, err));
  if (!c->replaces && c->n_filters == 0)
    return SHOAL_OK;
  shoal_delta_transaction_would_read(t, would_read, c);
  for (size_t i = 0; i < c->target.n_files; i++)
    if (would_read(c, c->files[i]))
      SHOAL_TRY(shoal_delta_transaction_reads(t, c->files[i], err));
  return SHOAL_OK;
}

/* I1 of identity.h */
static shoal_status move_marks(shoal_change *c, shoal_error *err) {
  const shoal_delta_rules *rules = c->writing.rules;
  if (!shoal_delta_gives_numbers(rules) || c->out->inserted == 0)
    return SHOAL_OK;
  if (!c->evolution.columns_change)
    SHOAL_TRY(shoal_delta_evolution_start(&c->evolution, c->snapshot, &c->arena, err));
  return shoal_delta_identities_move(rules->identities, c->numbered, &c->evolution, err);
}

static shoal_status open_transaction(shoal_change *c, bool values, shoal_str parameters, shoal_error *err) {
  SHOAL_TRY(shoal_delta_transaction_open(c->table, c->snapshot, able_to(values), c->operation, parameters,
                                         &c->transaction, err));
  shoal_delta_transaction_reads_some(c->transaction, narrow, c);
  if (c->evolution.columns_change)
    shoal_delta_evolution_state(&c->evolution, c->transaction);
  if (shoal_str_is(shoal_delta_config(c->metadata, "delta.isolationLevel"), "Serializable"))
    shoal_delta_transaction_isolate(c->transaction, SHOAL_DELTA_SERIALIZABLE);
  return SHOAL_OK;
}

static bool changes_anything(const shoal_change *c) {
  bool any = c->out->inserted > 0 || c->inserted.n_files > 0;
  for (size_t i = 0; i < c->target.n_files && !any; i++)
    any = c->touched[i].gone != NULL;
  return any;
}

shoal_status shoal_change_apply(shoal_change *c, bool values, shoal_str parameters, shoal_error *err) {
  if (c->dry_run || !changes_anything(c))
    return SHOAL_OK;
  SHOAL_TRY(move_marks(c, err));
  SHOAL_TRY(open_transaction(c, values, parameters, err));
  if (c->staged)
    SHOAL_TRY(shoal_change_insert(c, err));
  if (values)
    SHOAL_TRY(shoal_change_check_written(c, err));
  SHOAL_TRY(shoal_change_rewrite(c, err));
  SHOAL_TRY(shoal_change_put_vectors(c, err));
  if (c->feed)
    SHOAL_TRY(shoal_change_write_feed(c, values, err));
  return commit(c, err);
}
