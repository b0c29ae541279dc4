/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads checkpoints (protocol, "Checkpoints"). Parquet is the engine's business: it is asked for each action as JSON,
 * so that rows of checkpoints and lines of commits go through one parser. Which columns a checkpoint has differs
 * between writers, so the query is made from the schema it binds to. Statistics are read from the JSON text; the
 * columns that repeat them in Parquet are left out, but where there is no text.
 */
#include <string.h>

#include "delta/delta_internal.h"

enum {
  ALL = 1,
  FEW = 2,  /* of which a reader wants the last, and sidecars */
  HEAD = 4, /* but files */
  TIP = 8,  /* but files, and sidecars */
  ADDS = 16
};

/* Each action's column, and the field that is never null where the action is there. */
static const struct {
  const char *name, *present;
  unsigned sets;
} columns[] = {
    {"add", "path", ALL | ADDS},
    {"remove", "path", ALL},
    {"metaData", "id", ALL | FEW | HEAD | TIP},
    {"protocol", "minReaderVersion", ALL | FEW | HEAD | TIP},
    {"txn", "appId", ALL | HEAD | TIP},
    {"domainMetadata", "domain", ALL | HEAD | TIP},
    {"sidecar", "path", ALL | FEW | TIP},
};

const shoal_type *shoal_delta_checkpoint_field(const shoal_type *type, const char *name) {
  for (size_t i = 0; type && i < type->n_fields; i++)
    if (shoal_str_is(type->fields[i].name, name))
      return &type->fields[i].type;
  return NULL;
}

/* ---- statistics that are no text ---- */

/* A leaf as JSON, NULL where it is NULL or can't be said; numbers have all their digits. `value` is SQL. */
static void add_leaf(const shoal_type *type, shoal_str value, shoal_buf *sql) {
  switch (type->kind) {
  case SHOAL_TYPE_BYTE:
  case SHOAL_TYPE_SHORT:
  case SHOAL_TYPE_INTEGER:
  case SHOAL_TYPE_LONG:
  case SHOAL_TYPE_DECIMAL:
    shoal_buf_addf(sql, "CAST(%.*s AS VARCHAR)", SHOAL_FMT(value));
    return;
  case SHOAL_TYPE_FLOAT:
  case SHOAL_TYPE_DOUBLE:
    shoal_buf_addf(sql, "CASE WHEN isfinite(%.*s) THEN CAST(to_json(%.*s) AS VARCHAR) END", SHOAL_FMT(value),
                   SHOAL_FMT(value));
    return;
  case SHOAL_TYPE_DATE:
    shoal_buf_addf(sql, "'\"' || CAST(%.*s AS VARCHAR) || '\"'", SHOAL_FMT(value));
    return;
  case SHOAL_TYPE_TIMESTAMP:
  case SHOAL_TYPE_TIMESTAMP_NTZ:
    shoal_buf_addf(sql, "strftime(make_timestamp(epoch_us(%.*s)), '\"%%Y-%%m-%%dT%%H:%%M:%%S.%%g%s\"')",
                   SHOAL_FMT(value), type->kind == SHOAL_TYPE_TIMESTAMP ? "Z" : "");
    return;
  case SHOAL_TYPE_STRING:
  case SHOAL_TYPE_BOOLEAN:
    shoal_buf_addf(sql, "CAST(to_json(%.*s) AS VARCHAR)", SHOAL_FMT(value));
    return;
  case SHOAL_TYPE_BINARY:
  case SHOAL_TYPE_STRUCT:
  case SHOAL_TYPE_ARRAY:
  case SHOAL_TYPE_MAP:
  case SHOAL_TYPE_VARIANT:
  case SHOAL_TYPE_VOID:
    break;
  }
  shoal_buf_addz(sql, "NULL");
}

/* '{' || concat_ws(',', '"a":' || …, …) || '}': what is NULL is left out. */
static void add_object(const shoal_type *type, shoal_str value, shoal_buf *sql) {
  shoal_buf member = {0}, key = {0};
  shoal_buf_addz(sql, "'{' || concat_ws(','");
  for (size_t i = 0; i < type->n_fields; i++) {
    const shoal_field *f = &type->fields[i];
    shoal_buf_clear(&member);
    shoal_buf_clear(&key);
    shoal_buf_add(&member, value);
    shoal_buf_addc(&member, '.');
    shoal_buf_sql_ident(&member, f->name);
    shoal_buf_json_str(&key, f->name);
    shoal_buf_addc(&key, ':');
    shoal_buf_addz(sql, ", ");
    shoal_buf_sql_literal(sql, shoal_buf_str(&key));
    shoal_buf_addz(sql, " || ");
    if (f->type.kind == SHOAL_TYPE_STRUCT)
      add_object(&f->type, shoal_buf_str(&member), sql);
    else
      add_leaf(&f->type, shoal_buf_str(&member), sql);
  }
  shoal_buf_addz(sql, ") || '}'");
  if (member.status < 0 || key.status < 0)
    sql->status = SHOAL_ENOMEM;
  shoal_buf_dispose(&key);
  shoal_buf_dispose(&member);
}

void shoal_delta_checkpoint_stats(const shoal_type *add, shoal_buf *sql) {
  const shoal_type *text = shoal_delta_checkpoint_field(add, "stats");
  const shoal_type *parsed = shoal_delta_checkpoint_field(add, "stats_parsed");
  if (!parsed || parsed->kind != SHOAL_TYPE_STRUCT || parsed->n_fields == 0) {
    shoal_buf_addz(sql, text ? "log.\"add\".stats" : "NULL::VARCHAR");
    return;
  }
  shoal_buf_addz(sql, "CASE ");
  if (text)
    shoal_buf_addz(sql, "WHEN log.\"add\".stats IS NOT NULL THEN log.\"add\".stats ");
  shoal_buf_addz(sql, "WHEN log.\"add\".stats_parsed IS NOT NULL THEN ");
  add_object(parsed, SHOAL_STR("log.\"add\".stats_parsed"), sql);
  shoal_buf_addz(sql, " END");
}

/* ---- actions ---- */

static bool is_repeated(shoal_str field) {
  return shoal_str_is(field, "stats_parsed") || shoal_str_is(field, "partitionValues_parsed");
}

/* WHEN log."add"."path" IS NOT NULL THEN '{"add":' || to_json(struct_pack("path" := log."add"."path", …)) || '}' */
static void add_branch(shoal_buf *sql, const shoal_field *column, const char *present) {
  const char *separator = "";
  bool parsed = shoal_str_is(column->name, "add") && shoal_delta_checkpoint_field(&column->type, "stats_parsed");
  shoal_buf_addz(sql, " WHEN log.");
  shoal_buf_sql_ident(sql, column->name);
  shoal_buf_addf(sql, ".\"%s\" IS NOT NULL THEN '{\"%.*s\":' || to_json(struct_pack(", present,
                 SHOAL_FMT(column->name));
  for (size_t i = 0; i < column->type.n_fields; i++) {
    shoal_str field = column->type.fields[i].name;
    if (is_repeated(field) || (parsed && shoal_str_is(field, "stats")))
      continue;
    shoal_buf_addz(sql, separator);
    shoal_buf_sql_ident(sql, field);
    shoal_buf_addz(sql, " := log.");
    shoal_buf_sql_ident(sql, column->name);
    shoal_buf_addc(sql, '.');
    shoal_buf_sql_ident(sql, field);
    separator = ", ";
  }
  if (parsed) {
    shoal_buf_addf(sql, "%s\"stats\" := ", separator);
    shoal_delta_checkpoint_stats(&column->type, sql);
  }
  shoal_buf_addz(sql, "))::VARCHAR || '}'");
}

static shoal_status make_query(const shoal_schema *schema, unsigned set, shoal_buf *sql, shoal_error *err) {
  shoal_buf where = {0};
  shoal_buf_addz(sql, "SELECT CASE");
  for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
    for (size_t k = 0; k < schema->n_fields; k++) {
      if (!shoal_str_is(schema->fields[k].name, columns[i].name) || !(columns[i].sets & set) ||
          !shoal_delta_checkpoint_field(&schema->fields[k].type, columns[i].present))
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

/* What is done with a query's rows; what lasts is in the arena. */
typedef shoal_status take_rows(shoal_rows *rows, shoal_arena *arena, void *into, shoal_error *err);

static shoal_status apply_rows(shoal_rows *rows, shoal_arena *arena, void *into, shoal_error *err) {
  shoal_replay *r = into;
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

/* What a query of checkpoints takes: columns by the fields that are there, files and rows by name and number. */
static const shoal_scan_option options[] = {{SHOAL_STR("union_by_name"), SHOAL_STR("true")},
                                            {SHOAL_STR("filename"), SHOAL_STR("true")},
                                            {SHOAL_STR("file_row_number"), SHOAL_STR("true")}};

/* Runs the query over the scan, which it names `log`. */
static shoal_status ask(shoal_engine *engine, const shoal_scan *scan, const shoal_buf *sql, take_rows *take,
                        shoal_arena *arena, void *into, shoal_error *err) {
  const shoal_input input = {SHOAL_STR("log"), scan};
  const shoal_job job = {.sql = shoal_buf_str(sql), .inputs = &input, .n_inputs = 1};
  shoal_rows *rows;
  SHOAL_TRY(shoal_buf_check(sql, err));
  SHOAL_TRY(shoal_engine_query(engine, &job, &rows, err));
  shoal_status status = take(rows, arena, into, err);
  shoal_rows_free(rows);
  return status;
}

typedef struct wanted {
  unsigned set;
  const char *more; /* SQL behind its conditions, or NULL */
} wanted;

static shoal_status read_parquet(shoal_engine *engine, const shoal_scan_file *files, size_t n, const wanted *w,
                                 shoal_arena *arena, shoal_replay *r, shoal_error *err) {
  const shoal_scan scan = {
      .format = SHOAL_SCAN_PARQUET, .files = files, .n_files = n, .options = options, .n_options = w->more ? 3 : 1};
  const shoal_input input = {SHOAL_STR("log"), &scan};
  const shoal_job job = {.sql = SHOAL_STR("SELECT * FROM log"), .inputs = &input, .n_inputs = 1};
  shoal_arena scratch = {0};
  shoal_schema schema;
  shoal_buf sql = {0};
  shoal_status status = shoal_engine_bind(engine, &job, &scratch, &schema, err);
  if (status == SHOAL_OK)
    status = make_query(&schema, w->set, &sql, err);
  if (w->more)
    shoal_buf_addz(&sql, w->more);
  if (status == SHOAL_OK)
    status = ask(engine, &scan, &sql, apply_rows, arena, r, err);
  shoal_buf_dispose(&sql);
  shoal_arena_dispose(&scratch);
  return status;
}

shoal_status shoal_delta_checkpoint_parquet(shoal_engine *engine, const shoal_scan_file *files, size_t n,
                                            shoal_arena *arena, shoal_replay *r, shoal_error *err) {
  const wanted w = {.set = r->head ? HEAD : r->tip ? TIP : ALL};
  return read_parquet(engine, files, n, &w, arena, r, err);
}

shoal_status shoal_delta_checkpoint_few(shoal_engine *engine, const shoal_scan_file *files, size_t n,
                                        shoal_arena *arena, shoal_replay *r, shoal_error *err) {
  const wanted w = {.set = FEW};
  return read_parquet(engine, files, n, &w, arena, r, err);
}

/* ---- a few adds of very many: their places first, by their paths alone, then those rows ---- */

typedef struct place {
  shoal_str file;
  int64_t row;
} place;
typedef SHOAL_VEC(place) places;

/* A text of JSON is one word to the engine's parser, however long it is. */
static void add_list(shoal_buf *sql, shoal_str json, const char *type) {
  shoal_buf_addz(sql, "(SELECT unnest(from_json(");
  shoal_buf_sql_literal(sql, json);
  shoal_buf_addf(sql, ", '[\"%s\"]')))", type);
}

static shoal_status take_places(shoal_rows *rows, shoal_arena *arena, void *into, shoal_error *err) {
  places *out = into;
  shoal_status status;
  while ((status = shoal_rows_next(rows, err)) == SHOAL_OK) {
    place *p = shoal_vec_add(out);
    if (!p)
      return shoal_fail_nomem(err);
    p->file = shoal_arena_str(arena, shoal_rows_text(rows, 0));
    if (!p->file.ptr || !shoal_str_i64(shoal_rows_text(rows, 1), &p->row))
      return shoal_fail(err, SHOAL_EENGINE, "the engine does not tell where a row is");
  }
  return status == SHOAL_DONE ? SHOAL_OK : status;
}

static shoal_status find_places(shoal_engine *engine, const shoal_scan_file *files, size_t n, const shoal_str *paths,
                                size_t n_paths, shoal_arena *arena, places *out, shoal_error *err) {
  const shoal_scan scan = {
      .format = SHOAL_SCAN_PARQUET, .files = files, .n_files = n, .options = options, .n_options = 3};
  shoal_buf sql = {0}, list = {0};
  shoal_jw w = {.out = &list};
  shoal_jw_arr(&w);
  for (size_t i = 0; i < n_paths; i++)
    shoal_jw_str(&w, paths[i]);
  shoal_jw_end(&w);
  shoal_status status = shoal_buf_check(&list, err);
  shoal_buf_addz(&sql, "SELECT filename, file_row_number FROM log WHERE log.\"add\".path IN ");
  add_list(&sql, shoal_buf_str(&list), "VARCHAR");
  if (status == SHOAL_OK)
    status = ask(engine, &scan, &sql, take_places, arena, out, err);
  shoal_buf_dispose(&list);
  shoal_buf_dispose(&sql);
  return status;
}

/* Those of one file. */
static shoal_status read_places(shoal_engine *engine, const shoal_scan_file *file, const places *all,
                                shoal_arena *arena, shoal_replay *r, shoal_error *err) {
  shoal_buf sql = {0}, list = {0};
  shoal_jw w = {.out = &list};
  bool any = false;
  shoal_jw_arr(&w);
  for (size_t i = 0; i < all->len; i++) {
    if (!shoal_str_eq(all->ptr[i].file, file->path))
      continue;
    shoal_jw_i64(&w, all->ptr[i].row);
    any = true;
  }
  shoal_jw_end(&w);
  shoal_buf_addz(&sql, " AND log.file_row_number IN ");
  add_list(&sql, shoal_buf_str(&list), "BIGINT");
  shoal_status status = shoal_buf_check(&list, err);
  if (status == SHOAL_OK)
    status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK && any)
    status = read_parquet(engine, file, 1, &(wanted){ADDS, shoal_buf_z(&sql)}, arena, r, err);
  shoal_buf_dispose(&list);
  shoal_buf_dispose(&sql);
  return status;
}

shoal_status shoal_delta_checkpoint_adds(shoal_engine *engine, const shoal_scan_file *files, size_t n,
                                         const shoal_str *paths, size_t n_paths, shoal_arena *arena, shoal_replay *r,
                                         shoal_error *err) {
  shoal_arena scratch = {0};
  places found = {0};
  if (!paths)
    return read_parquet(engine, files, n, &(wanted){.set = ADDS}, arena, r, err);
  shoal_status status = find_places(engine, files, n, paths, n_paths, &scratch, &found, err);
  for (size_t i = 0; i < n && status == SHOAL_OK; i++)
    status = read_places(engine, &files[i], &found, arena, r, err);
  shoal_vec_dispose(&found);
  shoal_arena_dispose(&scratch);
  return status;
}

shoal_status shoal_delta_below_files(const shoal_delta_table *table, const shoal_delta_snapshot *s, shoal_arena *arena,
                                     shoal_scan_file **out, shoal_error *err) {
  shoal_str *keys = SHOAL_NEW_ARRAY(arena, shoal_str, s->n_below);
  if (!keys)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < s->n_below; i++)
    keys[i] = s->below[i].key;
  return shoal_delta_checkpoint_files(table, keys, s->n_below, arena, out, err);
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
    status = shoal_delta_sidecar_key(table, r->sidecars.ptr[i].id, &scratch, &keys[i], err);
  if (status == SHOAL_OK)
    status = read_keys(table, keys, r->sidecars.len, arena, r, err);
  if (status < 0)
    shoal_context(err, "its sidecars");
  shoal_arena_dispose(&scratch);
  return status;
}

/* Of a tip: where the files stand that were not read. */
static shoal_status leave_below(const shoal_delta_table *table, const shoal_log_file *files, size_t n,
                                shoal_arena *arena, shoal_replay *r, shoal_error *err) {
  bool json = files[0].kind == SHOAL_LOG_V2 && files[0].json;
  shoal_delta_below *below = SHOAL_NEW_ARRAY(arena, shoal_delta_below, n + r->sidecars.len);
  if (!below)
    return shoal_fail_nomem(err);
  r->n_below = 0;
  for (size_t i = 0; i < n && !json; i++) {
    below[r->n_below].key = shoal_arena_str(arena, files[i].object.key);
    if (!below[r->n_below++].key.ptr)
      return shoal_fail_nomem(err);
  }
  for (size_t i = 0; i < r->sidecars.len; i++) {
    below[r->n_below].sidecar = r->sidecars.ptr[i].raw;
    SHOAL_TRY(shoal_delta_sidecar_key(table, r->sidecars.ptr[i].id, arena, &below[r->n_below++].key, err));
  }
  r->below = below;
  return SHOAL_OK;
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
  if (status == SHOAL_OK && r->tip)
    status = leave_below(table, files, n, arena, r, err);
  else if (status == SHOAL_OK && r->sidecars.len)
    status = read_sidecars(table, arena, r, err);
  if (status < 0)
    shoal_context(err, "the checkpoint %.*s", SHOAL_FMT(files[0].object.key));
  shoal_arena_dispose(&scratch);
  return status;
}
