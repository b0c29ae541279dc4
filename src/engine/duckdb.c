/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DuckDB engine: opening, the life of a job, parsing and binding. Opening sets every setting that affects results,
 * then closes the sandbox: no file but the allowed ones, no extension, no further change of settings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "engine/duckdb_internal.h"
#include "engine/duckdb_settings.h"
#include "engine/lexer.h"

static void add_list(shoal_buf *sql, const char *name, const shoal_engine_config *config, bool folders) {
  const char *separator = "";
  shoal_buf_addf(sql, "SET GLOBAL %s = [", name);
  for (size_t i = 0; i < config->n_allowed; i++) {
    shoal_str path = config->allowed[i];
    if (shoal_str_ends(path, SHOAL_STR("/")) != folders)
      continue;
    shoal_buf_addz(sql, separator);
    shoal_buf_sql_literal(sql, path);
    separator = ", ";
  }
  shoal_buf_addz(sql, "];\n");
}

static void add_resources(shoal_buf *sql, const shoal_engine_config *config) {
  uint64_t memory = config->memory ? config->memory : shoal_os_memory() / 10 * 6;
  unsigned threads = config->threads ? config->threads : shoal_os_cpus();
  shoal_buf_addf(sql, "SET GLOBAL memory_limit = '%llu KiB';\n", (unsigned long long)(memory / 1024 + 1));
  shoal_buf_addf(sql, "SET GLOBAL threads = %u;\n", threads);
  shoal_buf_addz(sql, "SET GLOBAL temp_directory = ");
  shoal_buf_sql_literal(sql, shoal_str_z(config->temp ? config->temp : ""));
  shoal_buf_addz(sql, ";\n");
  if (config->temp && config->temp_max)
    shoal_buf_addf(sql, "SET GLOBAL max_temp_directory_size = '%llu KiB';\n",
                   (unsigned long long)(config->temp_max / 1024 + 1));
}

/* Settings of extensions inside the library are not known before the instance is open. */
static bool is_known_late(const char *name) {
  static const char *const late[] = {"Calendar", "TimeZone", "binary_as_string", "enable_geoparquet_conversion"};
  for (size_t i = 0; i < sizeof late / sizeof *late; i++)
    if (!strcmp(name, late[i]))
      return true;
  return false;
}

/* Gives an instance that is to be opened what it takes, which is quicker than statements; what is left is SET in `sql`.
 */
static void preset(shoal_duckdb *d, duckdb_config config, shoal_buf *sql) {
  for (size_t i = 0; i < shoal_duckdb_n_settings; i++) {
    const shoal_duckdb_setting *s = &shoal_duckdb_settings[i];
    shoal_str bare = s->value ? shoal_str_z(s->value) : SHOAL_STR_NONE;
    char text[64];
    if (shoal_str_starts(bare, SHOAL_STR("'")))
      bare = shoal_str_sub(bare, 1, bare.len - 1);
    snprintf(text, sizeof text, "%.*s", SHOAL_FMT(bare));
    if (s->value && (is_known_late(s->name) || bare.len >= sizeof text ||
                     d->api->set_config(config, s->name, text) != DuckDBSuccess))
      shoal_buf_addf(sql, "SET %s = %s;\n", s->name, s->value);
  }
}

static shoal_status configure(shoal_duckdb *d, shoal_str left, shoal_error *err) {
  shoal_buf sql = {0};
  shoal_buf_add(&sql, left);
  if (d->config.progress)
    shoal_buf_addz(&sql, "SET enable_progress_bar = true;\n");
  if (d->config.planner) /* all but what takes filters down to the tables */
    shoal_buf_addz(&sql, "SET VARIABLE o = (SELECT string_agg(name, ',') FROM duckdb_optimizers() WHERE name NOT IN "
                         "('expression_rewriter', 'filter_pullup', 'filter_pushdown', 'in_clause', 'regex_range'));\n"
                         "SET disabled_optimizers = getvariable('o');\n");
  add_resources(&sql, &d->config);
  shoal_buf_addz(&sql, "ATTACH ':memory:' AS " SHOAL_DUCKDB_CATALOG ";\nUSE " SHOAL_DUCKDB_CATALOG ";\n");
  if (d->config.locked) {
    add_list(&sql, "allowed_directories", &d->config, true);
    add_list(&sql, "allowed_paths", &d->config, false);
    shoal_buf_addz(&sql, "SET GLOBAL enable_external_access = false;\nSET GLOBAL lock_configuration = true;\n");
  }
  shoal_status status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_run(d, shoal_buf_z(&sql), err);
  if (status < 0)
    shoal_context(err, "while setting up the engine: ");
  shoal_buf_dispose(&sql);
  return status;
}

static void close_instance(shoal_duckdb *d) {
  shoal_mutex_lock(&d->mutex);
  if (d->parse)
    d->api->destroy_prepare(&d->parse);
  if (d->con)
    d->api->disconnect(&d->con);
  if (d->db)
    d->api->close(&d->db);
  d->con = NULL;
  d->db = NULL;
  d->fatal = false;
  shoal_map_dispose(&d->schemas);
  shoal_mutex_unlock(&d->mutex);
}

static shoal_status open_instance(shoal_duckdb *d, shoal_error *err) {
  char *message = NULL;
  shoal_status status = SHOAL_OK;
  shoal_buf left = {0};
  duckdb_config config = NULL;
  if (d->api->create_config(&config) != DuckDBSuccess)
    return shoal_fail_nomem(err);
  preset(d, config, &left);
  shoal_mutex_lock(&d->mutex);
  if (d->api->open_ext(NULL, &d->db, config, &message) != DuckDBSuccess)
    status = shoal_fail(err, SHOAL_EENGINE, "can't open the engine: %s", message ? message : "unknown error");
  else if (d->api->connect(d->db, &d->con) != DuckDBSuccess)
    status = shoal_fail(err, SHOAL_EENGINE, "can't connect to the engine");
  shoal_mutex_unlock(&d->mutex);
  d->api->free(message);
  d->api->destroy_config(&config);
  if (status == SHOAL_OK)
    status = shoal_buf_check(&left, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_register_tap(d, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_register_each(d, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_register_keep(d, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_register_among(d, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_register_curve(d, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_register_variant(d, err);
  if (status == SHOAL_OK)
    status = configure(d, shoal_buf_str(&left), err);
  shoal_buf_dispose(&left);
  if (status < 0)
    close_instance(d);
  return status;
}

/* After an internal error DuckDB refuses all further work: a new instance takes its place. */
static shoal_status need_instance(shoal_duckdb *d, shoal_error *err) {
  if (d->con && !d->fatal)
    return SHOAL_OK;
  close_instance(d);
  return open_instance(d, err);
}

shoal_status shoal_duckdb_begin(shoal_duckdb *d, const shoal_job *job, shoal_error *err) {
  if (d->in_job)
    return shoal_fail(err, SHOAL_EBUSY, "the engine still gives the rows of another query");
  SHOAL_TRY(need_instance(d, err));
  SHOAL_TRY(shoal_duckdb_schemas(d, job, err));
  SHOAL_TRY(shoal_duckdb_sniff(d, job, err));
  SHOAL_TRY(shoal_duckdb_run(d, "BEGIN TRANSACTION", err));
  d->in_job = true;
  d->job = job;
  d->recording = true;
  shoal_status status = shoal_duckdb_inputs(d, job, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_variables(d, job, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_fix(d, job, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_macros(d, job, err);
  d->recording = false;
  if (status < 0)
    shoal_duckdb_end(d);
  return status;
}

void shoal_duckdb_end(shoal_duckdb *d) {
  shoal_error ignored = {0};
  if (!d->in_job)
    return;
  d->in_job = false;
  d->streamed = SHOAL_STR_NONE;
  shoal_buf_clear(&d->made);
  if (shoal_duckdb_run(d, "ROLLBACK", &ignored) < 0)
    d->fatal = true;
  shoal_duckdb_reset_variables(d);
  d->job = NULL;
  atomic_store(&d->cancelled, false);
}

/* {"error":true,"error_message":…,"position":"7"} */
static shoal_status check_parsed(shoal_str json, shoal_str sql, shoal_error *err) {
  yyjson_doc *doc = NULL;
  if (shoal_str_starts(json, SHOAL_STR("{\"error\":false")))
    return SHOAL_OK;
  SHOAL_TRY(shoal_json_parse(json, "the parse tree", &doc, err));
  yyjson_val *root = yyjson_doc_get_root(doc);
  shoal_status status = SHOAL_OK;
  if (shoal_json_bool(root, "error", true)) {
    int64_t at;
    status = shoal_fail(err, SHOAL_EENGINE, "%.*s", SHOAL_FMT(shoal_json_str(root, "error_message")));
    if (shoal_str_is(shoal_json_str(root, "error_type"), "not implemented")) {
      shoal_fail(err, SHOAL_EENGINE, "not a SELECT, or a PIVOT without IN");
      shoal_hint(err, "write one SELECT; list the values of a PIVOT: PIVOT t ON x IN (…)");
    }
    if (shoal_str_i64(shoal_json_str(root, "position"), &at) && at >= 0)
      shoal_sql_point(err, sql, (size_t)at);
  }
  yyjson_doc_free(doc);
  return status;
}

static shoal_status parse_text(shoal_duckdb *d, shoal_str sql, duckdb_result *result, shoal_error *err) {
  if (!d->parse)
    SHOAL_TRY(
        shoal_duckdb_prepare(d, "SELECT json_serialize_sql($1::VARCHAR)", (shoal_duckdb_place){0}, &d->parse, err));
  if (d->api->bind_varchar_length(d->parse, 1, sql.ptr, sql.len) != DuckDBSuccess)
    return shoal_duckdb_fail(d, d->api->prepare_error(d->parse), (shoal_duckdb_place){0}, err);
  if (d->api->execute_prepared(d->parse, result) != DuckDBSuccess)
    return shoal_duckdb_fail(d, d->api->result_error(result), (shoal_duckdb_place){0}, err);
  return SHOAL_OK;
}

static shoal_status op_parse(shoal_engine *e, shoal_str sql, shoal_buf *json, shoal_error *err) {
  shoal_duckdb *d = (shoal_duckdb *)e;
  duckdb_result result = {0};
  duckdb_data_chunk chunk = NULL;
  SHOAL_TRY(need_instance(d, err));
  shoal_status status = parse_text(d, sql, &result, err);
  if (status < 0)
    goto out;
  chunk = d->api->fetch_chunk(result);
  if (!chunk || d->api->data_chunk_get_size(chunk) != 1) {
    status = shoal_fail(err, SHOAL_EENGINE, "the engine gave no parse tree");
    goto out;
  }
  const duckdb_string_t *text = d->api->vector_get_data(d->api->data_chunk_get_vector(chunk, 0));
  status = check_parsed(shoal_duckdb_string(text), sql, err);
  if (status == SHOAL_OK) {
    shoal_buf_add(json, shoal_duckdb_string(text));
    status = shoal_buf_check(json, err);
  }
out:
  if (chunk)
    d->api->destroy_data_chunk(&chunk);
  d->api->destroy_result(&result);
  return status;
}

shoal_status shoal_duckdb_bind_columns(shoal_duckdb *d, const shoal_job *job, bool stored, shoal_arena *arena,
                                       shoal_duckdb_column **out, size_t *n, shoal_str *body, shoal_error *err) {
  duckdb_prepared_statement stmt = NULL;
  *body = shoal_sql_body(job->sql);
  shoal_duckdb_place place = {.sql = *body};
  char *text = shoal_arena_cstr(arena, *body);
  if (!text)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_duckdb_prepare(d, text, place, &stmt, err));
  shoal_status status = SHOAL_OK;
  if (d->api->prepared_statement_type(stmt) != DUCKDB_STATEMENT_TYPE_SELECT) {
    status = shoal_fail(err, SHOAL_EENGINE, "not a SELECT");
    shoal_hint(err, "a model or query is one SELECT; data changes only by runs");
  }
  if (status == SHOAL_OK)
    status = shoal_duckdb_columns(d, stmt, stored, arena, out, n, err);
  d->api->destroy_prepare(&stmt);
  return status;
}

shoal_status shoal_duckdb_schema(const shoal_duckdb_column *columns, size_t n, shoal_arena *arena, shoal_schema *out,
                                 shoal_error *err) {
  out->fields = SHOAL_NEW_ARRAY(arena, shoal_field, n);
  if (!out->fields)
    return shoal_fail_nomem(err);
  out->n_fields = n;
  for (size_t i = 0; i < n; i++)
    out->fields[i] =
        (shoal_field){.name = columns[i].name, .type = columns[i].type, .nullable = true, .physical = columns[i].name};
  return SHOAL_OK;
}

static shoal_status op_bind(shoal_engine *e, const shoal_job *job, shoal_arena *arena, shoal_schema *out,
                            shoal_error *err) {
  shoal_duckdb *d = (shoal_duckdb *)e;
  shoal_duckdb_column *columns;
  size_t n;
  shoal_str body;
  d->binding = true;
  shoal_status status = shoal_duckdb_begin(d, job, err);
  d->binding = false;
  SHOAL_TRY(status);
  status = shoal_duckdb_bind_columns(d, job, true, arena, &columns, &n, &body, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_schema(columns, n, arena, out, err);
  shoal_duckdb_end(d);
  return status;
}

static const char *op_version(shoal_engine *e) {
  (void)e;
  return "duckdb " SHOAL_DUCKDB_VERSION; /* checked when the library was loaded */
}

static void op_interrupt(shoal_engine *e) {
  shoal_duckdb *d = (shoal_duckdb *)e;
  atomic_store(&d->cancelled, true);
  shoal_mutex_lock(&d->mutex);
  if (d->con)
    d->api->interrupt(d->con);
  shoal_mutex_unlock(&d->mutex);
}

static void op_leave(shoal_engine *e) {
  const shoal_duckdb *d = (const shoal_duckdb *)e;
  if (d->config.temp)
    shoal_ignore(shoal_os_remove_tree(d->config.temp, NULL));
}

static void op_free(shoal_engine *e) {
  shoal_duckdb *d = (shoal_duckdb *)e;
  shoal_thread_join(&d->planning);
  shoal_engine_free(d->planner);
  close_instance(d);
  shoal_mutex_dispose(&d->each.mutex);
  shoal_mutex_dispose(&d->tap.mutex);
  shoal_mutex_dispose(&d->mutex);
  shoal_buf_dispose(&d->made);
  shoal_duckdb_forget_csv(d);
  shoal_arena_dispose(&d->job_arena); /* of a job that did not begin */
  shoal_arena_dispose(&d->arena);
  shoal_free(d);
}

static const shoal_engine_ops duckdb_ops = {
    .name = "duckdb",
    .version = op_version,
    .parse = op_parse,
    .bind = op_bind,
    .execute = shoal_duckdb_op_execute,
    .query = shoal_duckdb_op_query,
    .copy = shoal_duckdb_op_copy,
    .stream = shoal_duckdb_op_stream,
    .each = shoal_duckdb_op_each,
    .filters = shoal_duckdb_op_filters,
    .interrupt = op_interrupt,
    .leave = op_leave,
    .free = op_free,
};

static shoal_status copy_config(shoal_duckdb *d, const shoal_engine_config *config, shoal_error *err) {
  shoal_str *allowed = SHOAL_NEW_ARRAY(&d->arena, shoal_str, config->n_allowed + 1);
  if (!allowed)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < config->n_allowed; i++) {
    if (config->allowed[i].len == 0 || config->allowed[i].ptr[0] != '/')
      return shoal_fail(err, SHOAL_EINVAL, "an allowed path is not absolute: '%.*s'", SHOAL_FMT(config->allowed[i]));
    allowed[i] = shoal_arena_str(&d->arena, config->allowed[i]);
    if (!allowed[i].ptr)
      return shoal_fail_nomem(err);
  }
  d->config = *config;
  d->config.allowed = allowed;
  d->config.library = NULL;
  return shoal_duckdb_own_temp(config->temp, &d->arena, &d->config.temp, err);
}

shoal_status shoal_engine_open_duckdb(const shoal_engine_config *config, shoal_engine **out, shoal_error *err) {
  const shoal_duckdb_api *api;
  *out = NULL;
  SHOAL_TRY(shoal_duckdb_load(config->library, &api, err));
  shoal_duckdb *d = shoal_calloc(1, sizeof *d);
  if (!d)
    return shoal_fail_nomem(err);
  d->base.ops = &duckdb_ops;
  d->api = api;
  shoal_mutex_init(&d->mutex);
  shoal_mutex_init(&d->tap.mutex);
  shoal_mutex_init(&d->each.mutex);
  shoal_status status = copy_config(d, config, err);
  if (status == SHOAL_OK && config->plans)
    shoal_duckdb_plan_soon(d);
  if (status == SHOAL_OK)
    status = open_instance(d, err);
  if (status < 0) {
    op_free(&d->base);
    return status;
  }
  *out = &d->base;
  return SHOAL_OK;
}
