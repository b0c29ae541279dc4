/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The adds of a checkpoint into a set of files. The engine gives just the columns that the set keeps, as texts, which
 * are views into its own vectors (shoal_engine_each): between Parquet and the set nothing is made into JSON, but for
 * deletion vectors, which few files have, and statistics that stand in `stats_parsed` only.
 */
#include "delta/delta_internal.h"
#include "delta/files.h"

enum { PATH, SIZE, VECTOR, STATS, VALUES };

/* Which columns and fields there are differs between writers. */
static const shoal_type *add_type(const shoal_schema *schema) {
  const shoal_type row = {.kind = SHOAL_TYPE_STRUCT, .fields = schema->fields, .n_fields = schema->n_fields};
  return shoal_delta_checkpoint_field(&row, "add");
}

/* A map, as the protocol has it; a struct, as others write it. */
static void add_value(const shoal_type *add, shoal_str physical, shoal_buf *sql) {
  const shoal_type *values = shoal_delta_checkpoint_field(add, "partitionValues");
  bool map = values && values->kind == SHOAL_TYPE_MAP;
  const shoal_schema fields = values ? (shoal_schema){values->fields, values->n_fields} : (shoal_schema){0};
  if (!map && (!values || shoal_schema_find(&fields, physical) < 0)) {
    shoal_buf_addz(sql, ", NULL::VARCHAR");
    return;
  }
  shoal_buf_addz(sql, ", log.add.\"partitionValues\"[");
  shoal_buf_sql_literal(sql, physical);
  shoal_buf_addz(sql, "]");
}

static shoal_status make_query(const shoal_files *f, const shoal_schema *schema, shoal_buf *sql, shoal_error *err) {
  const shoal_type *add = add_type(schema);
  shoal_buf_addz(sql, "SELECT log.add.path, log.add.size::VARCHAR");
  if (shoal_delta_checkpoint_field(add, "deletionVector"))
    shoal_buf_addz(sql, ", CASE WHEN log.add.\"deletionVector\".\"storageType\" IS NOT NULL "
                        "THEN to_json(log.add.\"deletionVector\")::VARCHAR END");
  else
    shoal_buf_addz(sql, ", NULL::VARCHAR");
  shoal_buf_addz(sql, ", ");
  shoal_delta_checkpoint_stats(add, sql);
  for (size_t i = 0; i < f->n_partition_columns; i++)
    add_value(add, f->schema->fields[f->partition_columns[i]].physical, sql);
  shoal_buf_addz(sql, " FROM log WHERE log.add.path IS NOT NULL");
  return shoal_buf_check(sql, err);
}

typedef struct taking {
  shoal_files *f;
  const shoal_files_source *from;
  shoal_buf partition;
} taking;

static shoal_status take_row(taking *t, const shoal_batch *b, size_t i, shoal_error *err) {
  shoal_files *f = t->f;
  int64_t size;
  shoal_files_row row = {.path = shoal_batch_text(b, PATH, i),
                         .vector = shoal_batch_text(b, VECTOR, i),
                         .stats = shoal_batch_text(b, STATS, i)};
  if (!row.path.ptr || (t->from->dropped && t->from->dropped(t->from->arg, row.path, row.vector)))
    return SHOAL_OK;
  if (!shoal_str_i64(shoal_batch_text(b, SIZE, i), &size) || size < 0)
    return shoal_fail(err, SHOAL_ECORRUPT, "a row: the size of '%.*s' is none", SHOAL_FMT(row.path));
  row.size = (uint64_t)size;
  shoal_buf_clear(&t->partition);
  for (size_t k = 0; k < f->n_partition_columns; k++) {
    shoal_str value = shoal_batch_text(b, VALUES + k, i);
    shoal_files_partition(&value, 1, &t->partition);
  }
  SHOAL_TRY(shoal_buf_check(&t->partition, err));
  row.partition = shoal_buf_str(&t->partition);
  return shoal_files_add(f, &row, err);
}

static shoal_status take_batch(void *arg, const shoal_batch *b, shoal_error *err) {
  for (size_t i = 0; i < b->rows; i++)
    SHOAL_TRY(take_row(arg, b, i, err));
  return SHOAL_OK;
}

shoal_status shoal_files_read(shoal_files *f, const shoal_files_source *from, shoal_error *err) {
  shoal_scan_option option = {SHOAL_STR("union_by_name"), SHOAL_STR("true")};
  shoal_scan scan = {.format = SHOAL_SCAN_PARQUET, .files = from->files, .n_files = from->n_files};
  shoal_input input = {SHOAL_STR("log"), &scan};
  shoal_job job = {.sql = SHOAL_STR("SELECT * FROM log"), .inputs = &input, .n_inputs = 1};
  shoal_arena arena = {0};
  shoal_schema schema;
  shoal_buf sql = {0};
  taking t = {.f = f, .from = from};
  scan.options = &option;
  scan.n_options = from->n_files > 1;
  shoal_status status = shoal_engine_bind(from->engine, &job, &arena, &schema, err);
  bool any = status == SHOAL_OK && add_type(&schema) && shoal_delta_checkpoint_field(add_type(&schema), "path");
  if (any) {
    status = make_query(f, &schema, &sql, err);
    job.sql = shoal_buf_str(&sql);
    if (status == SHOAL_OK)
      status = shoal_engine_each(from->engine, &job, take_batch, &t, err);
  }
  shoal_buf_dispose(&t.partition);
  shoal_buf_dispose(&sql);
  shoal_arena_dispose(&arena);
  return status;
}
