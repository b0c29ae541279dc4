/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads checkpoints (protocol, "Checkpoints"). Parquet is the engine's business: it is asked for each action as JSON,
 * so that rows of checkpoints and lines of commits go through one parser. Which columns a checkpoint has differs
 * between writers, so the query is made from the schema it binds to. Statistics are read from the JSON text, and the
 * columns that repeat them in Parquet are left out: they would double the work and may hold what JSON can't say.
 */
#include <string.h>

#include "delta/delta_internal.h"

enum { ALL = 1, FEW = 2 /* of which a reader wants the last, and sidecars */, HEAD = 4 /* but files */ };

/* Each action's column, and the field that is never null where the action is there. */
static const struct {
  const char *name, *present;
  unsigned sets;
} columns[] = {
    {"add", "path", ALL},
    {"remove", "path", ALL},
    {"metaData", "id", ALL | FEW | HEAD},
    {"protocol", "minReaderVersion", ALL | FEW | HEAD},
    {"txn", "appId", ALL | HEAD},
    {"domainMetadata", "domain", ALL | HEAD},
    {"sidecar", "path", ALL | FEW},
};

static bool is_repeated(shoal_str field) {
  return shoal_str_is(field, "stats_parsed") || shoal_str_is(field, "partitionValues_parsed");
}

/* WHEN log."add"."path" IS NOT NULL THEN '{"add":' || to_json(struct_pack("path" := log."add"."path", …)) || '}' */
static void add_branch(shoal_buf *sql, const shoal_field *column, const char *present) {
  const char *separator = "";
  shoal_buf_addz(sql, " WHEN log.");
  shoal_buf_sql_ident(sql, column->name);
  shoal_buf_addf(sql, ".\"%s\" IS NOT NULL THEN '{\"%.*s\":' || to_json(struct_pack(", present,
                 SHOAL_FMT(column->name));
  for (size_t i = 0; i < column->type.n_fields; i++) {
    shoal_str field = column->type.fields[i].name;
    if (is_repeated(field))
      continue;
    shoal_buf_addz(sql, separator);
    shoal_buf_sql_ident(sql, field);
    shoal_buf_addz(sql, " := log.");
    shoal_buf_sql_ident(sql, column->name);
    shoal_buf_addc(sql, '.');
    shoal_buf_sql_ident(sql, field);
    separator = ", ";
  }
  shoal_buf_addz(sql, "))::VARCHAR || '}'");
}

static bool has_field(const shoal_type *type, const char *name) {
  for (size_t i = 0; i < type->n_fields; i++) {
    if (shoal_str_is(type->fields[i].name, name))
      return true;
  }
  return false;
}

static shoal_status make_query(const shoal_schema *schema, unsigned set, shoal_buf *sql, shoal_error *err) {
  shoal_buf where = {0};
  shoal_buf_addz(sql, "SELECT CASE");
  for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
    for (size_t k = 0; k < schema->n_fields; k++) {
      if (!shoal_str_is(schema->fields[k].name, columns[i].name) || !(columns[i].sets & set) ||
          !has_field(&schema->fields[k].type, columns[i].present))
        continue;
      add_branch(sql, &schema->fields[k], columns[i].present);
      shoal_buf_addz(&where, where.len ? " OR log." : " WHERE log.");
      shoal_buf_sql_ident(&where, schema->fields[k].name);
      shoal_buf_addf(&where, ".\"%s\" IS NOT NULL", columns[i].present);
    }
  }
  shoal_buf_addz(sql, " END FROM log");
  if (set != ALL)
    shoal_buf_add(sql, shoal_buf_str(&where));
  bool any = where.len > 0;
  shoal_status status = shoal_buf_check(&where, err);
  shoal_buf_dispose(&where);
  if (status == SHOAL_OK && !any)
    status = shoal_fail(err, SHOAL_ECORRUPT, "it has no column of an action");
  return status == SHOAL_OK ? shoal_buf_check(sql, err) : status;
}

static shoal_status apply_rows(shoal_rows *rows, shoal_arena *arena, shoal_replay *r, shoal_error *err) {
  shoal_status status;
  while ((status = shoal_rows_next(rows, err)) == SHOAL_OK) {
    shoal_str text = shoal_rows_text(rows, 0);
    shoal_action action;
    if (!text.ptr)
      continue;
    SHOAL_TRY(shoal_delta_action_parse(text, "a row", arena, &action, err));
    SHOAL_TRY(shoal_replay_apply(r, &action, err));
  }
  return status == SHOAL_DONE ? SHOAL_OK : status;
}

static shoal_status read_parquet(shoal_engine *engine, const shoal_scan_file *files, size_t n, unsigned set,
                                 shoal_arena *arena, shoal_replay *r, shoal_error *err) {
  shoal_scan_option option = {SHOAL_STR("union_by_name"), SHOAL_STR("true")};
  shoal_scan scan = {.format = SHOAL_SCAN_PARQUET, .files = files, .n_files = n, .options = &option, .n_options = 1};
  shoal_input input = {SHOAL_STR("log"), &scan};
  shoal_job job = {.sql = SHOAL_STR("SELECT * FROM log"), .inputs = &input, .n_inputs = 1};
  shoal_arena scratch = {0};
  shoal_schema schema;
  shoal_buf sql = {0};
  shoal_rows *rows = NULL;
  shoal_status status = shoal_engine_bind(engine, &job, &scratch, &schema, err);
  if (status == SHOAL_OK)
    status = make_query(&schema, set, &sql, err);
  job.sql = shoal_buf_str(&sql);
  if (status == SHOAL_OK)
    status = shoal_engine_query(engine, &job, &rows, err);
  if (status == SHOAL_OK)
    status = apply_rows(rows, arena, r, err);
  shoal_rows_free(rows);
  shoal_buf_dispose(&sql);
  shoal_arena_dispose(&scratch);
  return status;
}

shoal_status shoal_delta_checkpoint_parquet(shoal_engine *engine, const shoal_scan_file *files, size_t n,
                                            shoal_arena *arena, shoal_replay *r, shoal_error *err) {
  return read_parquet(engine, files, n, r->head ? HEAD : ALL, arena, r, err);
}

shoal_status shoal_delta_checkpoint_few(shoal_engine *engine, const shoal_scan_file *files, size_t n,
                                        shoal_arena *arena, shoal_replay *r, shoal_error *err) {
  return read_parquet(engine, files, n, FEW, arena, r, err);
}

shoal_status shoal_delta_checkpoint_files(const shoal_delta_table *table, const shoal_str *keys, size_t n,
                                          shoal_arena *arena, shoal_scan_file **out, shoal_error *err) {
  shoal_scan_file *files = SHOAL_NEW_ARRAY(arena, shoal_scan_file, n);
  *out = files;
  if (!files)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++) {
    shoal_object object;
    shoal_status status = shoal_store_head(table->store, keys[i], &object, err);
    if (status == SHOAL_ENOTFOUND) /* which must not be taken for a table that is not there */
      status = shoal_fail(err, SHOAL_ECORRUPT, "%.*s is missing", SHOAL_FMT(keys[i]));
    if (status < 0)
      return status;
    files[i].path = shoal_str_z(shoal_store_local_path(table->store, keys[i], arena));
    if (!files[i].path.ptr)
      return shoal_fail(err, SHOAL_EUNSUPPORTED, "the store has no local file of it");
  }
  return table->get_engine ? SHOAL_OK : shoal_fail(err, SHOAL_EUNSUPPORTED, "no engine is at hand to read it");
}

/* The objects of these keys as local Parquet files, all of them actions. */
static shoal_status read_keys(const shoal_delta_table *table, const shoal_str *keys, size_t n, shoal_arena *arena,
                              shoal_replay *r, shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_engine *engine = NULL;
  shoal_scan_file *files;
  shoal_status status = shoal_delta_checkpoint_files(table, keys, n, &scratch, &files, err);
  if (status == SHOAL_OK)
    status = table->get_engine(table->engine_arg, &engine, err);
  if (status == SHOAL_OK)
    status = shoal_delta_checkpoint_parquet(engine, files, n, arena, r, err);
  shoal_arena_dispose(&scratch);
  return status;
}

static shoal_status read_json(const shoal_delta_table *table, shoal_str key, shoal_arena *arena, shoal_replay *r,
                              shoal_error *err) {
  shoal_buf text = {0};
  shoal_status status = shoal_store_get(table->store, key, &text, err);
  if (status == SHOAL_OK)
    status = shoal_replay_commit(r, shoal_buf_str(&text), "the checkpoint", arena, err);
  shoal_buf_dispose(&text);
  return status;
}

shoal_status shoal_delta_sidecar_key(const shoal_delta_table *table, shoal_str path, shoal_arena *arena, shoal_str *out,
                                     shoal_error *err) {
  shoal_buf decoded = {0};
  shoal_status status = shoal_delta_path_decode(path, &decoded, err);
  if (status == SHOAL_OK) {
    *out = shoal_delta_key(table, arena, "_delta_log/_sidecars/%s", shoal_buf_z(&decoded));
    if (!out->ptr)
      status = shoal_fail_nomem(err);
  }
  shoal_buf_dispose(&decoded);
  return status;
}

static shoal_status read_sidecars(const shoal_delta_table *table, shoal_arena *arena, shoal_replay *r,
                                  shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_str *keys = SHOAL_NEW_ARRAY(&scratch, shoal_str, r->sidecars.len);
  shoal_status status = keys ? SHOAL_OK : shoal_fail_nomem(err);
  for (size_t i = 0; i < r->sidecars.len && status == SHOAL_OK; i++)
    status = shoal_delta_sidecar_key(table, r->sidecars.ptr[i], &scratch, &keys[i], err);
  if (status == SHOAL_OK)
    status = read_keys(table, keys, r->sidecars.len, arena, r, err);
  if (status < 0)
    shoal_context(err, "its sidecars");
  shoal_arena_dispose(&scratch);
  return status;
}

shoal_status shoal_delta_checkpoint_read(const shoal_delta_table *table, const shoal_log_file *files, size_t n,
                                         shoal_arena *arena, shoal_replay *r, shoal_error *err) {
  shoal_status status;
  shoal_arena scratch = {0};
  if (files[0].kind == SHOAL_LOG_V2 && files[0].json) {
    status = read_json(table, files[0].object.key, arena, r, err);
  } else {
    shoal_str *keys = SHOAL_NEW_ARRAY(&scratch, shoal_str, n);
    for (size_t i = 0; keys && i < n; i++)
      keys[i] = files[i].object.key;
    status = keys ? read_keys(table, keys, n, arena, r, err) : shoal_fail_nomem(err);
  }
  if (status == SHOAL_OK && r->sidecars.len)
    status = read_sidecars(table, arena, r, err);
  if (status < 0)
    shoal_context(err, "the checkpoint %.*s", SHOAL_FMT(files[0].object.key));
  shoal_arena_dispose(&scratch);
  return status;
}
