/* SPDX-License-Identifier: Apache-2.0 */
/* OPTIMIZE: a partition's small files, and those that are largely deleted, written anew as few; the rows stay. */
#include "base/str.h"
#include "delta/deletion_vector.h"
#include "delta/maintain.h"
#include "delta/row_tracking.h"
#include "delta/transaction.h"
#include "delta/write.h"

#define FILE_BYTES ((uint64_t)128 << 20)
#define MUCH_DELETED 20 /* one row in so many, or more: Delta's own threshold is 5% */

typedef struct packing {
  const shoal_delta_table *table;
  shoal_engine *engine;
  uint64_t file_bytes;
  shoal_arena arena;
  shoal_delta_snapshot *snapshot;
  shoal_delta_tracking tracking;
  shoal_delta_snapshot chosen; /* the snapshot with only the files to be packed */
  uint64_t rows;               /* of those, as the log says */
  bool rows_known;
  shoal_delta_written written;
  shoal_delta_transaction *transaction;
} packing;

/* ---- which files ---- */

static shoal_status deleted_rows(packing *p, const shoal_delta_file *f, uint64_t *out, shoal_error *err) {
  shoal_delta_vector_descriptor d = {0};
  if (f->deletion_vector.ptr)
    SHOAL_TRY(shoal_delta_vector_describe(f->deletion_vector, &p->arena, &d, err));
  *out = d.cardinality;
  return SHOAL_OK;
}

/* The text of a file's partition: its values in the order of the columns. */
static shoal_status partition_of(packing *p, const shoal_delta_file *f, shoal_str *out, shoal_error *err) {
  const shoal_delta_metadata *m = &p->snapshot->metadata;
  shoal_buf text = {0};
  for (size_t i = 0; i < m->n_partition_columns; i++) {
    shoal_str column = m->schema.fields[shoal_schema_find(&m->schema, m->partition_columns[i])].physical, value = {0};
    for (size_t k = 0; k < f->n_partition_values; k++)
      if (shoal_str_eq(f->partition_values[k].key, column))
        value = f->partition_values[k].value;
    shoal_buf_addf(&text, "%zu:", value.len);
    shoal_buf_add(&text, value);
  }
  return shoal_buf_take(&text, &p->arena, out, err);
}

typedef struct candidate {
  shoal_str partition;
  uint64_t deleted;
  int64_t rows;
  bool small, holey;
} candidate;

static shoal_status look_at(packing *p, const shoal_delta_file *f, candidate *out, shoal_error *err) {
  SHOAL_TRY(partition_of(p, f, &out->partition, err));
  SHOAL_TRY(deleted_rows(p, f, &out->deleted, err));
  out->rows = shoal_delta_file_rows(f);
  out->small = f->size < p->file_bytes / 2;
  out->holey = out->deleted > 0 && (out->rows < 0 || out->deleted * MUCH_DELETED >= (uint64_t)out->rows);
  return SHOAL_OK;
}

/* One small file in its partition is packed with nothing. */
static shoal_status choose(packing *p, shoal_error *err) {
  size_t n = p->snapshot->n_files;
  candidate *c = SHOAL_NEW_ARRAY(&p->arena, candidate, n);
  shoal_delta_file *files = SHOAL_NEW_ARRAY(&p->arena, shoal_delta_file, n);
  shoal_map small = {0};
  shoal_status status = c && files ? SHOAL_OK : shoal_fail_nomem(err);
  for (size_t i = 0; i < n && status == SHOAL_OK; i++) {
    status = look_at(p, &p->snapshot->files[i], &c[i], err);
    uint32_t seen = status == SHOAL_OK ? shoal_map_get(&small, c[i].partition) : 0;
    if (status == SHOAL_OK && c[i].small)
      status = shoal_map_put(&small, c[i].partition, seen == SHOAL_MAP_NONE ? 1 : 2, err);
  }
  p->chosen = *p->snapshot;
  p->chosen.files = files;
  p->chosen.n_files = 0;
  p->rows_known = true;
  for (size_t i = 0; i < n && status == SHOAL_OK; i++) {
    if (!c[i].holey && !(c[i].small && shoal_map_get(&small, c[i].partition) == 2))
      continue;
    files[p->chosen.n_files++] = p->snapshot->files[i];
    p->rows_known = p->rows_known && c[i].rows >= 0;
    p->rows += (uint64_t)c[i].rows - c[i].deleted;
  }
  shoal_map_dispose(&small);
  return status;
}

/* ---- writing them anew ---- */

/* SELECT "a", "b" … FROM packed, and of tracked rows their ids. */
static void add_columns(const packing *p, shoal_buf *sql) {
  const shoal_schema *schema = &p->snapshot->metadata.schema;
  for (size_t i = 0; i < schema->n_fields; i++) {
    shoal_buf_addz(sql, i ? ", " : "SELECT ");
    shoal_buf_sql_ident(sql, schema->fields[i].name);
  }
  if (p->tracking.on)
    shoal_delta_tracking_add_columns(&p->tracking, sql, "packed");
  shoal_buf_addz(sql, " FROM packed");
}

static shoal_status pack(packing *p, shoal_error *err) {
  const shoal_delta_metadata *m = &p->snapshot->metadata;
  shoal_scan scan;
  shoal_buf sql = {0};
  shoal_delta_snapshot view = p->chosen; /* as it is scanned */
  shoal_delta_writing w = {.table = p->table,
                           .engine = p->engine,
                           .arena = &p->arena,
                           .schema = &m->schema,
                           .stored = shoal_delta_is_mapped(m) ? &m->schema : NULL,
                           .partition_by = m->partition_columns,
                           .n_partition_by = m->n_partition_columns,
                           .folder = "",
                           .file_bytes = p->file_bytes};
  if (p->tracking.on) {
    SHOAL_TRY(shoal_delta_tracking_view(&p->tracking, &view, &p->arena, err));
    SHOAL_TRY(shoal_delta_tracking_writing(&p->tracking, &w, err));
  }
  SHOAL_TRY(shoal_delta_scan(p->table, &view, &p->arena, &scan, err));
  scan.positions = p->tracking.on;
  const shoal_input input = {SHOAL_STR("packed"), &scan};
  add_columns(p, &sql);
  shoal_status status = shoal_buf_check(&sql, err);
  const shoal_job job = {.sql = shoal_buf_str(&sql), .inputs = &input, .n_inputs = 1};
  if (status == SHOAL_OK)
    status = shoal_delta_write(&w, &job, &p->written, err);
  shoal_buf_dispose(&sql);
  if (status < 0)
    return status;
  if (p->rows_known && p->rows != p->written.rows)
    return shoal_fail(err, SHOAL_ECORRUPT, "%llu rows were read where the log says %llu",
                      (unsigned long long)p->written.rows, (unsigned long long)p->rows);
  return SHOAL_OK;
}

static shoal_status commit(packing *p, shoal_delta_optimized *out, shoal_error *err) {
  for (size_t i = 0; i < p->chosen.n_files; i++) {
    SHOAL_TRY(shoal_delta_transaction_reads(p->transaction, &p->chosen.files[i], err));
    SHOAL_TRY(shoal_delta_transaction_remove(p->transaction, &p->chosen.files[i], false, err));
    out->bytes_removed += p->chosen.files[i].size;
  }
  for (size_t i = 0; i < p->written.n_files; i++) {
    p->written.files[i].data_change = false;
    SHOAL_TRY(shoal_delta_transaction_add(p->transaction, &p->written.files[i], err));
  }
  SHOAL_TRY(shoal_delta_transaction_commit(p->transaction, &out->version, err));
  out->files_removed = p->chosen.n_files;
  out->files_added = p->written.n_files;
  out->bytes_added = p->written.bytes;
  shoal_delta_after_commit(p->table, &p->snapshot->metadata, out->version);
  return SHOAL_OK;
}

static shoal_status open(packing *p, shoal_error *err) {
  SHOAL_TRY(shoal_delta_snapshot_open(p->table, SHOAL_DELTA_LATEST, &p->snapshot, err));
  SHOAL_TRY(shoal_delta_tracking_of(&p->snapshot->metadata, &p->tracking, err));
  SHOAL_TRY(shoal_delta_transaction_open(p->table, p->snapshot, SHOAL_DELTA_COPIES | SHOAL_DELTA_MAPS, "OPTIMIZE",
                                         SHOAL_STR("{\"predicate\":\"[]\",\"zOrderBy\":\"[]\"}"), &p->transaction,
                                         err));
  shoal_delta_transaction_isolate(p->transaction, SHOAL_DELTA_SNAPSHOT);
  if (p->tracking.on)
    shoal_delta_transaction_info(p->transaction, SHOAL_STR("{\"operationMetrics\":{}" SHOAL_TRACKING_PRESERVED "}"));
  return choose(p, err);
}

shoal_status shoal_delta_optimize(const shoal_delta_table *table, shoal_engine *engine, uint64_t file_bytes,
                                  shoal_delta_optimized *out, shoal_error *err) {
  packing p = {.table = table, .engine = engine, .file_bytes = file_bytes ? file_bytes : FILE_BYTES};
  *out = (shoal_delta_optimized){.version = -1};
  shoal_status status = open(&p, err);
  bool any = status == SHOAL_OK && p.chosen.n_files > 0;
  if (any)
    status = pack(&p, err);
  if (any && status == SHOAL_OK)
    status = commit(&p, out, err);
  shoal_delta_transaction_free(p.transaction);
  shoal_delta_snapshot_free(p.snapshot);
  shoal_arena_dispose(&p.arena);
  return status;
}
