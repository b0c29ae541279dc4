/* SPDX-License-Identifier: Apache-2.0 */
/* The query behind adds.h. Which columns and fields a checkpoint has differs between writers: it is made from the
 * schema that it binds to. */
#include "delta/adds.h"

enum { PATH, VECTOR, SIZE, MODIFIED, STATS, TAGS, CLUSTERING, DELETED, VALUES };

static const shoal_type *column_type(const shoal_schema *schema, const char *name) {
  const shoal_type row = {.kind = SHOAL_TYPE_STRUCT, .fields = schema->fields, .n_fields = schema->n_fields};
  return shoal_delta_checkpoint_field(&row, name);
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

/* A field as text, NULL where it is not wanted or not there. `made` is how, around the field's name. */
static void add_field(const shoal_type *type, const char *column, const char *name, bool wanted, const char *before,
                      const char *after, shoal_buf *sql) {
  if (wanted && shoal_delta_checkpoint_field(type, name))
    shoal_buf_addf(sql, ", %slog.\"%s\".\"%s\"%s", before, column, name, after);
  else
    shoal_buf_addz(sql, ", NULL::VARCHAR");
}

static void add_vector(const shoal_type *type, const char *column, shoal_buf *sql) {
  if (shoal_delta_checkpoint_field(type, "deletionVector"))
    shoal_buf_addf(sql,
                   ", CASE WHEN log.\"%s\".\"deletionVector\".\"storageType\" IS NOT NULL "
                   "THEN to_json(log.\"%s\".\"deletionVector\")::VARCHAR END",
                   column, column);
  else
    shoal_buf_addz(sql, ", NULL::VARCHAR");
}

static shoal_status make_query(const shoal_adds *from, const shoal_type *type, const char *column, shoal_buf *sql,
                               shoal_error *err) {
  unsigned wanted = from->wanted;
  shoal_buf_addf(sql, "SELECT log.\"%s\".path", column);
  add_vector(type, column, sql);
  add_field(type, column, "size", wanted & SHOAL_ADDS_SIZE, "", "::VARCHAR", sql);
  add_field(type, column, "modificationTime", wanted & SHOAL_ADDS_MODIFIED, "", "::VARCHAR", sql);
  shoal_buf_addz(sql, ", ");
  if (wanted & SHOAL_ADDS_STATS)
    shoal_delta_checkpoint_stats(type, sql);
  else
    shoal_buf_addz(sql, "NULL::VARCHAR");
  add_field(type, column, "tags", wanted & SHOAL_ADDS_MARKS, "to_json(", ")::VARCHAR", sql);
  add_field(type, column, "clusteringProvider", wanted & SHOAL_ADDS_MARKS, "", "", sql);
  add_field(type, column, "deletionTimestamp", wanted & SHOAL_ADDS_REMOVED, "", "::VARCHAR", sql);
  for (size_t i = 0; i < from->n_columns && wanted & SHOAL_ADDS_VALUES; i++)
    add_value(type, from->columns[i], sql);
  shoal_buf_addf(sql, " FROM log WHERE log.\"%s\".path IS NOT NULL", column);
  return shoal_buf_check(sql, err);
}

typedef struct taking {
  const shoal_adds *from;
  shoal_adds_take *take;
  void *arg;
  shoal_str *values;
} taking;

static int64_t number(shoal_str text, int64_t otherwise) {
  int64_t n;
  return text.ptr && shoal_str_i64(text, &n) ? n : otherwise;
}

static shoal_status take_row(taking *t, const shoal_batch *b, size_t i, shoal_error *err) {
  shoal_adds_row row = {.path = shoal_batch_text(b, PATH, i),
                        .vector = shoal_batch_text(b, VECTOR, i),
                        .stats = shoal_batch_text(b, STATS, i),
                        .tags = shoal_batch_text(b, TAGS, i),
                        .clustering = shoal_batch_text(b, CLUSTERING, i),
                        .size = number(shoal_batch_text(b, SIZE, i), -1),
                        .modified_ms = number(shoal_batch_text(b, MODIFIED, i), 0),
                        .deleted_ms = number(shoal_batch_text(b, DELETED, i), 0),
                        .values = t->values};
  if (!row.path.ptr)
    return SHOAL_OK;
  if (row.size < 0 && t->from->wanted & SHOAL_ADDS_SIZE)
    return shoal_fail(err, SHOAL_ECORRUPT, "a row: the size of '%.*s' is none", SHOAL_FMT(row.path));
  for (size_t k = 0; k < t->from->n_columns; k++)
    t->values[k] = t->from->wanted & SHOAL_ADDS_VALUES ? shoal_batch_text(b, VALUES + k, i) : SHOAL_STR_NONE;
  return t->take(t->arg, &row, err);
}

static shoal_status take_batch(void *arg, const shoal_batch *b, shoal_error *err) {
  for (size_t i = 0; i < b->rows; i++)
    SHOAL_TRY(take_row(arg, b, i, err));
  return SHOAL_OK;
}

shoal_status shoal_adds_each(const shoal_adds *from, shoal_adds_take *take, void *arg, shoal_error *err) {
  const char *column = from->wanted & SHOAL_ADDS_REMOVED ? "remove" : "add";
  shoal_scan_option option = {SHOAL_STR("union_by_name"), SHOAL_STR("true")};
  shoal_scan scan = {.format = SHOAL_SCAN_PARQUET, .files = from->files, .n_files = from->n_files};
  shoal_input input = {SHOAL_STR("log"), &scan};
  shoal_job job = {.sql = SHOAL_STR("SELECT * FROM log"), .inputs = &input, .n_inputs = 1};
  shoal_arena arena = {0};
  shoal_schema schema;
  shoal_buf sql = {0};
  taking t = {.from = from, .take = take, .arg = arg, .values = SHOAL_NEW_ARRAY(&arena, shoal_str, from->n_columns)};
  scan.options = &option;
  scan.n_options = from->n_files > 1;
  shoal_status status = t.values ? SHOAL_OK : shoal_fail_nomem(err);
  if (status == SHOAL_OK)
    status = shoal_engine_bind(from->engine, &job, &arena, &schema, err);
  const shoal_type *type = status == SHOAL_OK ? column_type(&schema, column) : NULL;
  if (type && shoal_delta_checkpoint_field(type, "path")) {
    status = make_query(from, type, column, &sql, err);
    job.sql = shoal_buf_str(&sql);
    if (status == SHOAL_OK)
      status = shoal_engine_each(from->engine, &job, take_batch, &t, err);
  }
  shoal_buf_dispose(&sql);
  shoal_arena_dispose(&arena);
  return status;
}
