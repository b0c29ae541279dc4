/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine without an engine: instant, deterministic, safe under the thread sanitizer. It keeps the contract as far
 * as one can without understanding SQL: a result has one INTEGER column "n" whose rows follow from the significant
 * tokens of the SQL alone, dependencies are what follows FROM and JOIN, and what does not begin like a query is a
 * syntax error. Its staged files hold the numbers as text; nothing above the engine reads staged Parquet itself.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/engine.h"
#include "engine/lexer.h"
#include "engine/rows.h"
#include "engine/rows_hash.h"

typedef struct null_engine {
  shoal_engine base;
  atomic_bool cancelled;
} null_engine;

static bool begins_like_query(const shoal_token *first) {
  static const char *const words[] = {"select", "from", "with", "values", "table", "pivot", "unpivot"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (shoal_token_is(first, words[i]))
      return true;
  }
  return first->kind == SHOAL_TOKEN_SYMBOL && first->text.ptr[0] == '(';
}

static shoal_status check_query(shoal_str sql, shoal_error *err) {
  shoal_lexer lexer = {.sql = sql};
  shoal_token token;
  if (shoal_lexer_next(&lexer, &token) && begins_like_query(&token))
    return SHOAL_OK;
  shoal_fail(err, SHOAL_EENGINE, "syntax error at or near \"%.*s\"", SHOAL_FMT(token.text));
  shoal_sql_point(err, sql, token.offset);
  return SHOAL_EENGINE;
}

/* An identifier without its quotes. */
static shoal_str bare(const shoal_token *token) {
  return token->kind == SHOAL_TOKEN_QUOTED ? shoal_str_sub(token->text, 1, token->text.len - 1) : token->text;
}

static bool is_name(const shoal_token *token) {
  return token->kind == SHOAL_TOKEN_WORD || (token->kind == SHOAL_TOKEN_QUOTED && token->text.len > 2);
}

/* The lexer stands behind FROM or JOIN: writes {"type":"BASE_TABLE",…} if a name follows. */
static bool write_table(shoal_lexer *lexer, shoal_jw *w) {
  shoal_token name, dot, second;
  shoal_lexer ahead = *lexer;
  if (!shoal_lexer_next(&ahead, &name) || !is_name(&name))
    return false;
  *lexer = ahead;
  bool qualified = shoal_lexer_next(&ahead, &dot) && shoal_str_is(dot.text, ".") && shoal_lexer_next(&ahead, &second) &&
                   is_name(&second);
  if (qualified)
    *lexer = ahead;
  shoal_jw_obj(w);
  shoal_jw_kz(w, "type", "BASE_TABLE");
  shoal_jw_ki64(w, "query_location", (int64_t)name.offset);
  shoal_jw_kstr(w, "schema_name", qualified ? bare(&name) : SHOAL_STR(""));
  shoal_jw_kstr(w, "table_name", bare(qualified ? &second : &name));
  shoal_jw_end(w);
  return true;
}

static void write_tables(shoal_str sql, shoal_jw *w) {
  shoal_lexer lexer = {.sql = sql};
  shoal_token token;
  shoal_jw_key(w, "from_tables");
  shoal_jw_arr(w);
  while (shoal_lexer_next(&lexer, &token)) {
    if (shoal_token_is(&token, "from") || shoal_token_is(&token, "join"))
      (void)write_table(&lexer, w);
  }
  shoal_jw_end(w);
}

static void write_tokens(shoal_str sql, shoal_jw *w) {
  shoal_lexer lexer = {.sql = sql};
  shoal_token token;
  shoal_jw_key(w, "tokens");
  shoal_jw_arr(w);
  while (shoal_lexer_next(&lexer, &token))
    shoal_jw_str(w, token.text);
  shoal_jw_end(w);
}

static shoal_status op_parse(shoal_engine *e, shoal_str sql, shoal_buf *json, shoal_error *err) {
  shoal_str body = shoal_sql_body(sql);
  shoal_jw w = {.out = json};
  (void)e;
  SHOAL_TRY(check_query(body, err));
  shoal_jw_obj(&w);
  shoal_jw_kbool(&w, "error", false);
  shoal_jw_key(&w, "statements");
  shoal_jw_arr(&w);
  shoal_jw_obj(&w);
  shoal_jw_key(&w, "node");
  shoal_jw_obj(&w);
  shoal_jw_kz(&w, "type", "SELECT_NODE");
  write_tables(body, &w);
  write_tokens(body, &w);
  for (int i = 0; i < 4; i++)
    shoal_jw_end(&w);
  return shoal_buf_check(json, err);
}

static shoal_status make_schema(shoal_arena *arena, shoal_schema *out, shoal_error *err) {
  out->fields = SHOAL_NEW(arena, shoal_field);
  if (!out->fields)
    return shoal_fail_nomem(err);
  out->n_fields = 1;
  out->fields[0] = (shoal_field){
      .name = SHOAL_STR("n"), .type = {.kind = SHOAL_TYPE_INTEGER}, .nullable = true, .physical = SHOAL_STR("n")};
  return SHOAL_OK;
}

static shoal_status op_bind(shoal_engine *e, const shoal_job *job, shoal_arena *arena, shoal_schema *out,
                            shoal_error *err) {
  (void)e;
  SHOAL_TRY(check_query(job->sql, err));
  return make_schema(arena, out, err);
}

typedef struct numbers {
  int32_t values[32];
  size_t n; /* 1 … 32 */
} numbers;

static numbers compute(shoal_str sql) {
  shoal_lexer lexer = {.sql = shoal_sql_body(sql)};
  shoal_token token;
  shoal_hasher h;
  numbers out;
  shoal_hasher_init(&h, "shoal/1/null-engine");
  while (shoal_lexer_next(&lexer, &token))
    shoal_hasher_str(&h, token.text);
  shoal_hash hash = shoal_hasher_end(&h);
  out.n = 1 + hash.b[0] % 32;
  for (size_t i = 0; i < out.n; i++)
    out.values[i] = hash.b[i] * 256 + hash.b[(i + 7) % 32];
  return out;
}

static void write_numbers(const numbers *values, const char *head, const char *format_before, const char *format_after,
                          shoal_buf *out) {
  shoal_buf_addz(out, head);
  for (size_t i = 0; i < values->n; i++)
    shoal_buf_addf(out, "%s%d%s\n", format_before, values->values[i], format_after);
}

/* An interrupt cancels the running job, or the next one. */
static shoal_status take_cancel(shoal_engine *e, shoal_error *err) {
  null_engine *null = (null_engine *)e;
  return atomic_exchange(&null->cancelled, false) ? shoal_fail(err, SHOAL_ECANCELLED, "cancelled") : SHOAL_OK;
}

static shoal_status hash_numbers(const shoal_schema *schema, const numbers *values, shoal_hash *out, shoal_error *err) {
  shoal_rows_sum sum = {0};
  shoal_rows_scratch scratch = {0};
  shoal_rows_column column = {.type = &schema->fields[0].type, .data = values->values};
  shoal_status status = shoal_rows_sum_add(&sum, &column, 1, values->n, &scratch, err);
  if (status == SHOAL_OK)
    *out = shoal_rows_hash(schema, &sum);
  shoal_rows_scratch_dispose(&scratch);
  return status;
}

static shoal_status fill_file(shoal_arena *arena, const char *name, const numbers *values, size_t bytes,
                              shoal_outcome *out, shoal_error *err) {
  shoal_output_file *file = SHOAL_NEW(arena, shoal_output_file);
  shoal_column_stats *stats = SHOAL_NEW(arena, shoal_column_stats);
  shoal_str *path = SHOAL_NEW(arena, shoal_str);
  int32_t min = values->values[0], max = min;
  if (!file || !stats || !path)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < values->n; i++) {
    min = values->values[i] < min ? values->values[i] : min;
    max = values->values[i] > max ? values->values[i] : max;
  }
  *path = SHOAL_STR("n");
  *stats = (shoal_column_stats){.path = path,
                                .n_path = 1,
                                .kind = SHOAL_TYPE_INTEGER,
                                .min = shoal_str_z(shoal_arena_printf(arena, "%d", min)),
                                .max = shoal_str_z(shoal_arena_printf(arena, "%d", max))};
  *file = (shoal_output_file){.name = shoal_arena_str(arena, shoal_str_z(name)),
                              .bytes = bytes,
                              .rows = values->n,
                              .stats = stats,
                              .n_stats = 1};
  if (!file->name.ptr || !stats->min.ptr || !stats->max.ptr)
    return shoal_fail_nomem(err);
  out->files = file;
  out->n_files = 1;
  out->rows = values->n;
  out->bytes = bytes;
  return SHOAL_OK;
}

static shoal_status op_execute(shoal_engine *e, const shoal_job *job, shoal_arena *arena, shoal_outcome *out,
                               shoal_error *err) {
  int64_t start = shoal_time_monotonic();
  char name[64], uuid[SHOAL_UUID_TEXT];
  SHOAL_TRY(take_cancel(e, err));
  SHOAL_TRY(op_bind(e, job, arena, &out->schema, err));
  if (job->n_partition_by || job->n_cluster_by || job->curve || job->n_noted)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "the null engine lays out no files");
  numbers values = compute(job->sql);
  shoal_os_uuid(uuid);
  snprintf(name, sizeof name, "part-%s.parquet", uuid);
  const char *path = shoal_arena_printf(arena, "%s/%s", job->staging, name);
  if (!path)
    return shoal_fail_nomem(err);
  shoal_buf text = {0};
  write_numbers(&values, "", "", "", &text);
  shoal_status status = shoal_buf_check(&text, err);
  if (status == SHOAL_OK)
    status = shoal_os_create_file(path, shoal_buf_str(&text), err);
  if (status == SHOAL_OK)
    status = fill_file(arena, name, &values, text.len, out, err);
  if (status == SHOAL_OK && job->rows_hash)
    status = hash_numbers(&out->schema, &values, &out->rows_hash, err);
  if (status == SHOAL_OK && job->progress)
    job->progress(job->progress_arg, 100);
  shoal_buf_dispose(&text);
  out->wall_us = shoal_time_monotonic() - start;
  return status;
}

typedef struct null_rows {
  shoal_rows base;
  numbers values;
  size_t next;
  char text[16];
} null_rows;

static shoal_status rows_next(shoal_rows *rows, shoal_error *err) {
  null_rows *r = (null_rows *)rows;
  (void)err;
  if (r->next >= r->values.n)
    return SHOAL_DONE;
  snprintf(r->text, sizeof r->text, "%d", r->values.values[r->next++]);
  return SHOAL_OK;
}

static shoal_str rows_text(const shoal_rows *rows, size_t column) {
  (void)column;
  return shoal_str_z(((const null_rows *)rows)->text);
}

static void rows_free(shoal_rows *rows) { shoal_free(rows); }

static const shoal_rows_ops rows_ops = {rows_next, rows_text, rows_free};
static const shoal_str row_names[] = {{"n", 1}};
static const shoal_str row_types[] = {{"INTEGER", 7}};

static shoal_status op_query(shoal_engine *e, const shoal_job *job, shoal_rows **out, shoal_error *err) {
  SHOAL_TRY(take_cancel(e, err));
  SHOAL_TRY(check_query(job->sql, err));
  null_rows *r = shoal_calloc(1, sizeof *r);
  if (!r)
    return shoal_fail_nomem(err);
  r->base = (shoal_rows){.ops = &rows_ops, .names = row_names, .types = row_types, .n = 1};
  r->values = compute(job->sql);
  *out = &r->base;
  return SHOAL_OK;
}

static shoal_status op_copy(shoal_engine *e, const shoal_job *job, const char *path, shoal_str format,
                            shoal_error *err) {
  shoal_buf text = {0};
  numbers values = compute(job->sql);
  SHOAL_TRY(take_cancel(e, err));
  SHOAL_TRY(check_query(job->sql, err));
  if (shoal_str_is(format, "csv"))
    write_numbers(&values, "n\n", "", "", &text);
  else if (shoal_str_is(format, "json"))
    write_numbers(&values, "", "{\"n\":", "}", &text);
  else
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "the null engine writes only csv and json");
  shoal_status status = shoal_buf_check(&text, err);
  if (status == SHOAL_OK)
    status = shoal_os_replace_file(path, shoal_buf_str(&text), err);
  shoal_buf_dispose(&text);
  return status;
}

static const char *op_version(shoal_engine *e) {
  (void)e;
  return "null 1";
}
static shoal_status op_each(shoal_engine *e, const shoal_job *job, shoal_take *take, void *arg, shoal_error *err) {
  (void)e, (void)job, (void)take, (void)arg;
  return shoal_fail(err, SHOAL_EUNSUPPORTED, "the null engine gives no rows on");
}

static void op_interrupt(shoal_engine *e) { atomic_store(&((null_engine *)e)->cancelled, true); }
static void op_free(shoal_engine *e) { shoal_free(e); }

static shoal_status op_stream(shoal_engine *e, const shoal_job *job, struct ArrowArrayStream *out, shoal_error *err) {
  (void)e, (void)job, (void)out;
  return shoal_fail(err, SHOAL_EUNSUPPORTED, "the null engine gives no Arrow streams");
}

static const shoal_engine_ops null_ops = {
    .name = "null",
    .version = op_version,
    .parse = op_parse,
    .bind = op_bind,
    .execute = op_execute,
    .query = op_query,
    .copy = op_copy,
    .stream = op_stream,
    .each = op_each,
    .interrupt = op_interrupt,
    .free = op_free,
};

shoal_status shoal_engine_open_null(shoal_engine **out, shoal_error *err) {
  null_engine *e = shoal_calloc(1, sizeof *e);
  *out = NULL;
  if (!e)
    return shoal_fail_nomem(err);
  e->base.ops = &null_ops;
  *out = &e->base;
  return SHOAL_OK;
}
