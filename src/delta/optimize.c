/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OPTIMIZE: a partition's small files, and those that are largely deleted, written anew as few; or, of a table that is
 * clustered, all that are not yet laid out by its columns, along a curve through these. The rows stay.
 *
 *  O1 What is well is left alone: a second run in a row finds nothing to do. Of clustered files those are well that
 *     have been laid out by the same columns; small ones are taken up again when there is something to join them with.
 *  O2 A partition that makes more than one file is written by a job of its own, so that it can be cut into files; all
 *     others together, sorted by their values.
 *  O3 The same rows in the same files come into the same files, by whichever threads (cluster.h: the sample).
 */
#include "base/os.h"
#include "base/str.h"
#include "delta/adds.h"
#include "delta/cluster.h"
#include "delta/deletion_vector.h"
#include "delta/maintain.h"
#include "delta/row_tracking.h"
#include "delta/transaction.h"
#include "delta/write.h"
#include "engine/variants.h"

#define FILE_BYTES ((uint64_t)128 << 20)
#define MUCH_DELETED 20   /* one row in so many, or more: Delta's own threshold is 5% */
#define LEAST_ROW_BYTES 8 /* of a row in a file that does not tell how many it has: it may have as many as that */

typedef struct candidate {
  size_t part;
  uint64_t deleted;
  int64_t rows; /* -1: unknown */
  bool small, holey, foreign;
  shoal_str cube; /* {NULL,0}: not laid out as is wanted */
} candidate;

/* The files of a partition that are to be written anew. */
typedef struct part {
  shoal_str key;
  size_t n_small; /* those that are there, chosen or not */
  bool fresh;     /* one is to be written anew for its own sake */
  shoal_str cube; /* of small ones; two different ones make it `fresh` */
  size_t n_chosen;
  shoal_delta_file *files;
  size_t n_files;
  uint64_t rows, bytes; /* alive, as far as is known */
  bool rows_known;
} part;

typedef struct packing {
  const shoal_delta_table *table;
  shoal_engine *engine;
  const shoal_delta_packing *wanted;
  shoal_delta_layout layout;
  uint64_t file_bytes;
  shoal_arena arena;
  shoal_delta_snapshot *snapshot;
  shoal_delta_tracking tracking;
  shoal_delta_clustering by;
  shoal_str cube; /* of the new files */
  candidate *candidates;
  part *parts;
  size_t n_parts;
  size_t n_chosen;
  SHOAL_VEC(shoal_str) below; /* paths of files of the checkpoint that choosing is about */
  SHOAL_VEC(const shoal_delta_file *) written;
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

/* A file's partition: its values in the order of the columns. */
static shoal_status partition_values(packing *p, const shoal_delta_file *f, const shoal_str **out, shoal_error *err) {
  const shoal_delta_metadata *m = &p->snapshot->metadata;
  shoal_str *values = SHOAL_NEW_ARRAY(&p->arena, shoal_str, m->n_partition_columns);
  if (!values)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < m->n_partition_columns; i++) {
    shoal_str column = m->schema.fields[shoal_schema_find(&m->schema, m->partition_columns[i])].physical;
    for (size_t k = 0; k < f->n_partition_values; k++)
      if (shoal_str_eq(f->partition_values[k].key, column))
        values[i] = f->partition_values[k].value;
  }
  *out = values;
  return SHOAL_OK;
}

static shoal_status part_of(packing *p, const shoal_delta_file *f, shoal_map *known, size_t *out, shoal_error *err) {
  const shoal_str *values;
  shoal_buf text = {0};
  shoal_str key;
  SHOAL_TRY(partition_values(p, f, &values, err));
  for (size_t i = 0; i < p->snapshot->metadata.n_partition_columns; i++) {
    shoal_buf_addf(&text, "%zu:", values[i].len);
    shoal_buf_add(&text, values[i]);
  }
  shoal_status status = shoal_buf_take(&text, &p->arena, &key, err);
  if (status < 0)
    return status;
  uint32_t at = shoal_map_get(known, key);
  *out = at == SHOAL_MAP_NONE ? p->n_parts : at;
  if (at != SHOAL_MAP_NONE)
    return SHOAL_OK;
  p->parts[p->n_parts] = (part){.key = key, .rows_known = true};
  return shoal_map_put(known, key, (uint32_t)p->n_parts++, err);
}

/* What stands for a file that is well, of a partition in which nothing else is done. */
static bool must_go(const packing *p, const candidate *c) {
  if (p->by.n == 0)
    return c->holey;
  return !c->foreign && (c->holey || !c->cube.ptr || p->wanted->full);
}

static shoal_status look_at(packing *p, const shoal_delta_file *f, shoal_map *known, candidate *out, shoal_error *err) {
  SHOAL_TRY(part_of(p, f, known, &out->part, err));
  SHOAL_TRY(deleted_rows(p, f, &out->deleted, err));
  out->rows = shoal_delta_file_rows(f);
  out->small = f->size < p->file_bytes / 2;
  out->holey = out->deleted > 0 && (out->rows < 0 || out->deleted * MUCH_DELETED >= (uint64_t)out->rows);
  out->foreign = shoal_delta_cluster_is_foreign(f) && !p->wanted->full;
  if (p->by.n)
    out->cube = shoal_delta_cluster_cube(&p->by, f);
  part *at = &p->parts[out->part];
  at->fresh = at->fresh || must_go(p, out);
  if (!out->small || out->foreign)
    return SHOAL_OK;
  at->fresh = at->fresh || (p->by.n && at->n_small && !shoal_str_eq(at->cube, out->cube));
  at->cube = out->cube;
  at->n_small++;
  return SHOAL_OK;
}

/* A small file is written anew with others only. */
static bool is_chosen(const packing *p, const candidate *c) {
  const part *at = &p->parts[c->part];
  bool joins = p->by.n ? at->fresh : at->n_small > 1;
  return must_go(p, c) || (c->small && !c->foreign && joins);
}

static shoal_status take(packing *p, const shoal_delta_file *f, const candidate *c, shoal_error *err) {
  part *at = &p->parts[c->part];
  if (!at->files && !(at->files = SHOAL_NEW_ARRAY(&p->arena, shoal_delta_file, at->n_chosen)))
    return shoal_fail_nomem(err);
  uint64_t alive = c->rows < 0 ? f->size / LEAST_ROW_BYTES : (uint64_t)c->rows - c->deleted;
  at->files[at->n_files++] = *f;
  at->rows_known = at->rows_known && c->rows >= 0;
  at->rows += alive;
  at->bytes += c->rows > 0 ? (uint64_t)((double)f->size * (double)alive / (double)c->rows) : f->size;
  p->n_chosen++;
  return SHOAL_OK;
}

static shoal_status choose(packing *p, shoal_error *err) {
  size_t n = p->snapshot->n_files;
  shoal_map known = {0};
  p->candidates = SHOAL_NEW_ARRAY(&p->arena, candidate, n);
  p->parts = SHOAL_NEW_ARRAY(&p->arena, part, n);
  shoal_status status = p->candidates && p->parts ? SHOAL_OK : shoal_fail_nomem(err);
  for (size_t i = 0; i < n && status == SHOAL_OK; i++)
    status = look_at(p, &p->snapshot->files[i], &known, &p->candidates[i], err);
  for (size_t i = 0; i < n && status == SHOAL_OK; i++)
    p->parts[p->candidates[i].part].n_chosen += is_chosen(p, &p->candidates[i]);
  for (size_t i = 0; i < n && status == SHOAL_OK; i++)
    if (is_chosen(p, &p->candidates[i]))
      status = take(p, &p->snapshot->files[i], &p->candidates[i], err);
  shoal_map_dispose(&known);
  return status;
}

/* ---- writing them anew ---- */

/* SELECT "a", "b" … FROM packed, and of tracked rows their ids. */
static void add_columns(const packing *p, shoal_buf *sql) {
  const shoal_schema *schema = &p->snapshot->metadata.schema;
  for (size_t i = 0; i < schema->n_fields; i++) {
    shoal_buf_addz(sql, i ? ", " : "SELECT ");
    shoal_variants_add_exact(sql, &schema->fields[i]);
    shoal_buf_addz(sql, " AS ");
    shoal_buf_sql_ident(sql, schema->fields[i].name);
  }
  if (p->tracking.on)
    shoal_delta_tracking_add_columns(&p->tracking, sql, "packed");
  shoal_buf_addz(sql, " FROM packed");
}

/* Into so many files, or, where `values` are NULL in a partitioned table, one for each partition. */
typedef struct rewrite {
  part what;
  const shoal_str *values;
  size_t n_out;
} rewrite;

static shoal_status run_job(packing *p, const rewrite *r, const shoal_delta_snapshot *chosen,
                            const shoal_delta_writing *w, shoal_delta_written *out, shoal_error *err) {
  shoal_scan scan;
  shoal_buf sql = {0};
  shoal_curve curve;
  SHOAL_TRY(shoal_delta_scan(p->table, chosen, &p->arena, &scan, err));
  scan.positions = p->tracking.on;
  scan.exact = true;
  const shoal_input input = {SHOAL_STR("packed"), &scan};
  add_columns(p, &sql);
  shoal_status status = shoal_buf_check(&sql, err);
  shoal_job job = {.sql = shoal_buf_str(&sql), .inputs = &input, .n_inputs = 1};
  if (status == SHOAL_OK && p->by.n) {
    shoal_delta_snapshot sampled = *p->snapshot;
    sampled.files = r->what.files;
    sampled.n_files = r->what.n_files;
    status = shoal_delta_cluster_learn(&p->by, p->table, &sampled, p->engine, r->what.rows, r->n_out, &p->arena, &curve,
                                       err);
    job.curve = &curve;
    job.curve_by = p->by.sql;
  }
  if (status == SHOAL_OK)
    status = shoal_delta_write(w, &job, out, err);
  shoal_buf_dispose(&sql);
  return status;
}

static shoal_status write_anew(packing *p, const rewrite *r, shoal_error *err) {
  const shoal_delta_metadata *m = &p->snapshot->metadata;
  shoal_delta_written written;
  shoal_delta_snapshot view = *p->snapshot; /* as it is scanned */
  shoal_delta_writing w = {.table = p->table,
                           .engine = p->engine,
                           .arena = &p->arena,
                           .schema = &m->schema,
                           .stored = shoal_delta_is_mapped(m) ? &m->schema : NULL,
                           .partition_by = m->partition_columns,
                           .n_partition_by = m->n_partition_columns,
                           .partition = r->values,
                           .folder = "",
                           .layout = p->layout,
                           .file_bytes = p->file_bytes};
  view.files = r->what.files;
  view.n_files = r->what.n_files;
  if (p->tracking.on) {
    SHOAL_TRY(shoal_delta_tracking_view(&p->tracking, &view, &p->arena, err));
    SHOAL_TRY(shoal_delta_tracking_writing(&p->tracking, &w, err));
  }
  SHOAL_TRY(run_job(p, r, &view, &w, &written, err));
  if (r->what.rows_known && r->what.rows != written.rows)
    return shoal_fail(err, SHOAL_ECORRUPT, "%llu rows were read where the log says %llu",
                      (unsigned long long)written.rows, (unsigned long long)r->what.rows);
  for (size_t i = 0; i < written.n_files; i++) {
    const shoal_delta_file **slot = shoal_vec_add(&p->written);
    if (!slot)
      return shoal_fail_nomem(err);
    written.files[i].data_change = false;
    if (p->by.n)
      SHOAL_TRY(shoal_delta_cluster_mark(&p->by, p->cube, &p->arena, &written.files[i], err));
    *slot = &written.files[i];
  }
  return SHOAL_OK;
}

static void join(rewrite *all, const part *one) {
  for (size_t i = 0; i < one->n_files; i++)
    all->what.files[all->what.n_files++] = one->files[i];
  all->what.rows += one->rows;
  all->what.rows_known = all->what.rows_known && one->rows_known;
}

/* O2. */
static shoal_status rewrite_parts(packing *p, shoal_error *err) {
  bool parted = p->snapshot->metadata.n_partition_columns > 0;
  rewrite few = {.what = {.files = SHOAL_NEW_ARRAY(&p->arena, shoal_delta_file, p->n_chosen), .rows_known = true},
                 .n_out = 1};
  if (!few.what.files)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < p->n_parts; i++) {
    const part *one = &p->parts[i];
    rewrite alone = {.what = *one, .n_out = (size_t)((one->bytes + p->file_bytes - 1) / p->file_bytes)};
    if (one->n_files && parted && alone.n_out <= 1)
      join(&few, one);
    if (one->n_files == 0 || (parted && alone.n_out <= 1))
      continue;
    if (parted)
      SHOAL_TRY(partition_values(p, &one->files[0], &alone.values, err));
    SHOAL_TRY(write_anew(p, &alone, err));
  }
  return few.what.n_files ? write_anew(p, &few, err) : SHOAL_OK;
}

/* ---- the commit ---- */

static shoal_status commit(packing *p, shoal_delta_optimized *out, shoal_error *err) {
  for (size_t i = 0; i < p->n_parts; i++)
    for (size_t k = 0; k < p->parts[i].n_files; k++) {
      const shoal_delta_file *f = &p->parts[i].files[k];
      SHOAL_TRY(shoal_delta_transaction_reads(p->transaction, f, err));
      SHOAL_TRY(shoal_delta_transaction_remove(p->transaction, f, false, err));
      out->bytes_removed += f->size;
    }
  for (size_t i = 0; i < p->written.len; i++) {
    SHOAL_TRY(shoal_delta_transaction_add(p->transaction, p->written.ptr[i], err));
    out->bytes_added += p->written.ptr[i]->size;
  }
  SHOAL_TRY(shoal_delta_transaction_commit(p->transaction, &out->version, err));
  out->files_removed = p->n_chosen;
  out->files_added = p->written.len;
  shoal_delta_after_commit(p->table, &p->snapshot->metadata, out->version);
  return SHOAL_OK;
}

/* By the columns that are wanted, or the table's own, which are to be the same. */
static shoal_status find_columns(packing *p, shoal_error *err) {
  const shoal_delta_packing *wanted = p->wanted;
  shoal_delta_clustering own;
  char *uuid = SHOAL_NEW_ARRAY(&p->arena, char, SHOAL_UUID_TEXT);
  if (!uuid)
    return shoal_fail_nomem(err);
  shoal_os_uuid(uuid);
  p->cube = shoal_str_z(uuid);
  SHOAL_TRY(shoal_delta_cluster_of(p->snapshot, &p->arena, &own, err));
  p->by = own;
  if (wanted->n_cluster_by == 0)
    return SHOAL_OK;
  SHOAL_TRY(
      shoal_delta_cluster_by(&p->snapshot->metadata, wanted->cluster_by, wanted->n_cluster_by, &p->arena, &p->by, err));
  if (own.n && !shoal_str_eq(own.names, p->by.names))
    return shoal_fail(err, SHOAL_EINVAL, "the table is clustered by %.*s, and its files are to be so, too",
                      SHOAL_FMT(own.names));
  return SHOAL_OK;
}

static shoal_status parameters(packing *p, shoal_str *out, shoal_error *err) {
  shoal_buf text = {0};
  shoal_jw w = {.out = &text};
  shoal_jw_obj(&w);
  shoal_jw_kz(&w, "predicate", "[]");
  shoal_jw_kz(&w, "zOrderBy", "[]");
  if (p->by.n)
    shoal_jw_kstr(&w, "clusterBy", p->by.names);
  shoal_jw_end(&w);
  shoal_status status = shoal_buf_take(&text, &p->arena, out, err);
  shoal_buf_dispose(&text);
  return status;
}

/* A file that is neither small nor has deleted rows, nor is to be laid out, is nothing to choose() (O1). */
static shoal_status is_well(const packing *p, const shoal_adds_row *row, bool *out, shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_delta_file f = {.path = row->path, .clustering = row->clustering};
  shoal_status status = SHOAL_OK;
  *out = (uint64_t)row->size >= p->file_bytes / 2 && !row->vector.ptr;
  if (!*out || p->by.n == 0)
    return SHOAL_OK;
  if (row->tags.ptr)
    status = shoal_delta_kv_parse(row->tags, "tags", &scratch, &f.tags, &f.n_tags, err);
  *out = !p->wanted->full && (shoal_delta_cluster_is_foreign(&f) || shoal_delta_cluster_cube(&p->by, &f).ptr);
  shoal_arena_dispose(&scratch);
  return status;
}

static shoal_status look_below(void *arg, const shoal_adds_row *row, shoal_error *err) {
  packing *p = arg;
  bool well;
  SHOAL_TRY(is_well(p, row, &well, err));
  shoal_str *path = well ? NULL : shoal_vec_add(&p->below);
  if (path)
    *path = shoal_arena_str(&p->arena, row->path);
  return well || (path && path->ptr) ? SHOAL_OK : shoal_fail_nomem(err);
}

/* The state; of a large table only files that choosing is about, unless `whole`. */
static shoal_status load(packing *p, int64_t version, bool whole, shoal_error *err) {
  p->below.len = 0;
  SHOAL_TRY(whole ? shoal_delta_snapshot_open(p->table, version, &p->snapshot, err)
                  : shoal_delta_tip_open(p->table, version, &p->snapshot, err));
  SHOAL_TRY(shoal_delta_layout_of(&p->snapshot->metadata, &p->layout, err));
  SHOAL_TRY(shoal_delta_tracking_of(&p->snapshot->metadata, &p->tracking, err));
  SHOAL_TRY(find_columns(p, err));
  p->file_bytes = p->wanted->file_bytes ? p->wanted->file_bytes : p->layout.file_bytes;
  if (p->file_bytes == 0)
    p->file_bytes = FILE_BYTES;
  SHOAL_TRY(shoal_delta_tip_each(p->table, p->snapshot, SHOAL_ADDS_SIZE | (p->by.n ? SHOAL_ADDS_MARKS : 0), look_below,
                                 p, err));
  return p->below.len ? shoal_delta_tip_bring(p->table, p->snapshot, p->below.ptr, p->below.len, err) : SHOAL_OK;
}

static shoal_status load_around(packing *p, shoal_error *err) {
  shoal_error why = {0};
  shoal_status status = load(p, SHOAL_DELTA_LATEST, false, &why);
  if (shoal_delta_log_broken(status) && p->snapshot && p->snapshot->n_below) { /* the checkpoint is */
    int64_t version = p->snapshot->version;
    shoal_delta_snapshot_free(p->snapshot);
    p->snapshot = NULL;
    why = (shoal_error){0};
    status = load(p, version, true, &why);
  }
  if (status < 0 && err)
    *err = why;
  return status;
}

static shoal_status open(packing *p, shoal_error *err) {
  shoal_str told;
  SHOAL_TRY(load_around(p, err));
  SHOAL_TRY(parameters(p, &told, err));
  SHOAL_TRY(shoal_delta_transaction_open(p->table, p->snapshot, SHOAL_DELTA_COPIES | SHOAL_DELTA_MAPS, "OPTIMIZE", told,
                                         &p->transaction, err));
  shoal_delta_transaction_isolate(p->transaction, SHOAL_DELTA_SNAPSHOT);
  if (p->tracking.on)
    shoal_delta_transaction_info(p->transaction, SHOAL_STR("{\"operationMetrics\":{}" SHOAL_TRACKING_PRESERVED "}"));
  return choose(p, err);
}

shoal_status shoal_delta_optimize(const shoal_delta_table *table, shoal_engine *engine,
                                  const shoal_delta_packing *wanted, shoal_delta_optimized *out, shoal_error *err) {
  packing p = {.table = table, .engine = engine, .wanted = wanted};
  *out = (shoal_delta_optimized){.version = -1};
  shoal_status status = open(&p, err);
  bool any = status == SHOAL_OK && p.n_chosen > 0;
  out->clustered = p.by.n > 0;
  if (any)
    status = rewrite_parts(&p, err);
  if (any && status == SHOAL_OK)
    status = commit(&p, out, err);
  shoal_delta_transaction_free(p.transaction);
  shoal_delta_snapshot_free(p.snapshot);
  shoal_vec_dispose(&p.written);
  shoal_vec_dispose(&p.below);
  shoal_arena_dispose(&p.arena);
  return status;
}
