/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files of a job's tables need not be read. The query is planned by a second instance, where each table is a stub
 * without rows; what its EXPLAIN says that the scans are filtered by is asked of each file (shoal_scan.match).
 *
 *  K1 The planner runs only those optimisers that move filters: nothing may follow from the stubs being empty, and no
 *     scan may vanish that the real plan has.
 *  K2 A file is left out only when every scan of its table in that plan has a filter that no row of it satisfies.
 *     And nothing may follow from the time of planning, unless the job's clock is fixed.
 *  K3 Where anything is odd (a query that does not bind, text that is not understood, names that could be taken for
 *     ours) all files are read; errors are left to the real engine.
 */
#include <stdio.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "engine/duckdb_internal.h"
#include "engine/lexer.h"
#include "engine/variants.h"

#define STUB "shoal:stub:"
/* Fewer files are opened sooner than a plan is made. */
#define MIN_FILES 8
#define PLANNER_MEMORY (512u << 20)

static bool is_prunable(const shoal_scan *scan) {
  return scan->format == SHOAL_SCAN_TABLE && (scan->match || scan->select) && scan->n_files >= MIN_FILES;
}

static bool is_plain_name(shoal_str s) {
  for (size_t i = 0; i < s.len; i++)
    if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == '\'' || s.ptr[i] == '"')
      return false;
  return true;
}

static bool has_plain_names(const shoal_field *fields, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!is_plain_name(fields[i].name) || !has_plain_names(fields[i].type.fields, fields[i].type.n_fields))
      return false;
  return true;
}

static bool names_ours(shoal_str text) {
  const shoal_str ours = SHOAL_STR(SHOAL_PREDICATE_COLUMN);
  for (size_t i = 0; i + ours.len <= text.len; i++)
    if (shoal_str_ieq(shoal_str_sub(text, i, i + ours.len), ours))
      return true;
  return false;
}

/* Whether names and inputs are such that a plan over stubs tells something. */
static bool is_plannable(const shoal_job *job) {
  bool plain = !names_ours(job->sql);
  for (size_t i = 0; i < job->n_macros; i++)
    plain = plain && !names_ours(job->macros[i]);
  for (size_t i = 0; i < job->n_inputs && plain; i++) {
    const shoal_scan *scan = job->inputs[i].scan;
    plain = scan->format != SHOAL_SCAN_ARROW; /* is read once */
    if (scan->format == SHOAL_SCAN_TABLE)
      plain = scan->schema && has_plain_names(scan->schema->fields, scan->schema->n_fields);
  }
  return plain;
}

/* Macros may bring conditions. */
static bool has_conditions(const shoal_job *job) { return job->n_macros || shoal_sql_has_conditions(job->sql); }

/* Whether what the query says may depend on when it is asked: a part of a word will do. */
static bool names_clock(shoal_str sql) {
  static const char *const parts[] = {"now", "current", "today",    "local",    "ago",
                                      "age", "time",    "tomorrow", "yesterday"};
  for (size_t i = 0; i < sql.len; i++)
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
      shoal_str part = shoal_str_z(parts[k]);
      if (shoal_str_ieq(shoal_str_sub(sql, i, i + part.len), part))
        return true;
    }
  return false;
}

static bool may_ask_clock(const shoal_job *job) { return job->n_macros || names_clock(job->sql); }

static bool is_any_prunable(const shoal_job *job) {
  bool any = false;
  for (size_t i = 0; i < job->n_inputs; i++)
    any = any || is_prunable(job->inputs[i].scan);
  return any;
}

/* ---- the planner's side ---- */

shoal_status shoal_duckdb_add_stub(shoal_duckdb *d, const shoal_scan *scan, size_t input, shoal_buf *sql,
                                   shoal_error *err) {
  shoal_buf table = {0};
  shoal_buf_addf(&table, "CREATE TABLE \"" STUB "%zu\" (", input);
  for (size_t i = 0; i < scan->schema->n_fields; i++) {
    shoal_buf_addf(&table, i ? ", " SHOAL_PREDICATE_COLUMN "%zu " : SHOAL_PREDICATE_COLUMN "%zu ", i);
    shoal_type_sql(&table, &scan->schema->fields[i].type);
  }
  shoal_buf_addz(&table, scan->positions ? ", f BIGINT, r BIGINT)" : ")");
  shoal_status status = shoal_buf_check(&table, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_run(d, shoal_buf_z(&table), err);
  shoal_buf_dispose(&table);
  size_t n = scan->schema->n_fields - (scan->tracked ? SHOAL_TRACKED_COLUMNS : 0);
  for (size_t i = 0; i < n; i++) {
    shoal_buf_addf(sql, i ? ", " SHOAL_PREDICATE_COLUMN "%zu AS " : "SELECT " SHOAL_PREDICATE_COLUMN "%zu AS ", i);
    shoal_buf_sql_ident(sql, scan->schema->fields[i].name);
  }
  for (size_t i = 0; scan->exact && i < n; i++) {
    char column[32];
    int len = snprintf(column, sizeof column, SHOAL_PREDICATE_COLUMN "%zu", i);
    if (!shoal_type_has(&scan->schema->fields[i].type, SHOAL_TYPE_VARIANT))
      continue;
    shoal_buf_addz(sql, ", ");
    shoal_variants_add_new(sql, &scan->schema->fields[i], shoal_str_n(column, (size_t)len));
    shoal_buf_addz(sql, " AS ");
    shoal_variants_add_exact(sql, &scan->schema->fields[i]);
  }
  for (size_t i = 0; scan->tracked && i < 2; i++) /* more than a column, lest a filter be taken for one of it */
    shoal_buf_addf(sql, ", coalesce(" SHOAL_PREDICATE_COLUMN "%zu, " SHOAL_PREDICATE_COLUMN "%zu + 1) AS \"%s\"", n + i,
                   n + 2 + i, i == 0 ? SHOAL_ROW_ID : SHOAL_ROW_VERSION);
  if (scan->positions)
    shoal_buf_addz(sql, ", f AS \"" SHOAL_POSITION_FILE "\", r AS \"" SHOAL_POSITION_ROW "\"");
  shoal_buf_addf(sql, " FROM " SHOAL_DUCKDB_CATALOG ".main.\"" STUB "%zu\"", input);
  return status;
}

static shoal_status open_planner(shoal_duckdb *d, shoal_error *err) {
  shoal_engine_config config = d->config;
  config.planner = true;
  config.plans = false;
  config.progress = false;
  config.temp = NULL;
  config.threads = 1;
  config.memory = PLANNER_MEMORY;
  return shoal_engine_open_duckdb(&config, &d->planner, err);
}

static void open_meanwhile(void *arg) {
  shoal_error ignored; /* who needs it tries again */
  shoal_ignore(open_planner(arg, &ignored));
}

void shoal_duckdb_plan_soon(shoal_duckdb *d) {
  if (shoal_os_cpus() > 1)
    shoal_ignore(shoal_thread_start(&d->planning, open_meanwhile, d, NULL));
}

static shoal_status need_planner(shoal_duckdb *d, shoal_error *err) {
  shoal_thread_join(&d->planning);
  return d->planner ? SHOAL_OK : open_planner(d, err);
}

/* The second column of EXPLAIN's only row. */
static shoal_status explain(shoal_duckdb *d, shoal_str body, shoal_arena *arena, shoal_str *out, shoal_error *err) {
  shoal_buf sql = {0};
  duckdb_result result = {0};
  duckdb_data_chunk chunk = NULL;
  shoal_buf_addz(&sql, "EXPLAIN (FORMAT json) ");
  shoal_buf_add(&sql, body);
  shoal_status status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_query_text(d, shoal_buf_z(&sql), (shoal_duckdb_place){0}, &result, err);
  if (status == SHOAL_OK && (!(chunk = d->api->fetch_chunk(result)) || d->api->data_chunk_get_size(chunk) != 1 ||
                             d->api->data_chunk_get_column_count(chunk) != 2))
    status = shoal_fail(err, SHOAL_EENGINE, "the engine gave no plan");
  if (status == SHOAL_OK) {
    const duckdb_string_t *text = d->api->vector_get_data(d->api->data_chunk_get_vector(chunk, 1));
    *out = shoal_arena_str(arena, shoal_duckdb_string(text));
    status = out->ptr ? SHOAL_OK : shoal_fail_nomem(err);
  }
  if (chunk)
    d->api->destroy_data_chunk(&chunk);
  d->api->destroy_result(&result);
  shoal_buf_dispose(&sql);
  return status;
}

/* ---- reading the plan ---- */

/* Of one input: the scans of its table, each by what filters it. */
typedef struct found {
  SHOAL_VEC(shoal_predicate) scans;
} found;

typedef struct plan {
  const shoal_job *job;
  shoal_arena *arena;
  found *inputs;
  bool odd;
} plan;

/* An odd number of quotes: a string goes on in the next line, so no line is what it seems. */
static bool is_torn(shoal_str s) {
  size_t quotes = 0;
  for (size_t i = 0; i < s.len; i++)
    quotes += s.ptr[i] == '\'';
  return quotes % 2 != 0;
}

/* Adds the filters of a value of extra_info: a text or, for several lines, an array of them. */
static shoal_status add_filters(plan *p, yyjson_val *value, size_t n_columns, shoal_predicate *out, shoal_error *err) {
  size_t n = yyjson_is_arr(value) ? yyjson_arr_size(value) : 1;
  shoal_predicate *all = SHOAL_NEW_ARRAY(p->arena, shoal_predicate, out->n_children + n);
  if (!all)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++) {
    yyjson_val *line = yyjson_is_arr(value) ? yyjson_arr_get(value, i) : value;
    shoal_str text = {yyjson_get_str(line), yyjson_get_len(line)};
    if (!text.ptr || is_torn(text))
      return SHOAL_OK; /* as if there were none of these */
    SHOAL_TRY(shoal_predicate_parse(text, n_columns, p->arena, &all[out->n_children + i], err));
  }
  for (size_t i = 0; i < out->n_children; i++)
    all[i] = out->children[i];
  out->children = all;
  out->n_children += n;
  return SHOAL_OK;
}

/* The input whose stub this is, or -1. */
static ptrdiff_t input_of(const plan *p, yyjson_val *info) {
  shoal_str table = shoal_json_str(info, "Table");
  ptrdiff_t at = table.ptr ? shoal_str_find(table, SHOAL_STR(STUB)) : -1;
  int64_t index;
  if (at < 0)
    return -1;
  shoal_str number = shoal_str_sub(table, (size_t)at + sizeof STUB - 1, table.len);
  if (shoal_str_ends(number, SHOAL_STR("\"")))
    number.len--;
  return shoal_str_i64(number, &index) && index >= 0 && (uint64_t)index < p->job->n_inputs ? (ptrdiff_t)index : -1;
}

/* A scan, and the filter right above it, if there is one. */
static shoal_status read_scan(plan *p, yyjson_val *info, yyjson_val *above, shoal_error *err) {
  ptrdiff_t input = input_of(p, info);
  shoal_predicate predicate = {.kind = SHOAL_PREDICATE_AND};
  if (input < 0)
    return SHOAL_OK;
  size_t n = p->job->inputs[input].scan->schema->n_fields;
  yyjson_val *filters = yyjson_obj_get(info, "Filters"),
             *expression = above ? yyjson_obj_get(above, "Expression") : NULL;
  if (filters)
    SHOAL_TRY(add_filters(p, filters, n, &predicate, err));
  if (expression)
    SHOAL_TRY(add_filters(p, expression, n, &predicate, err));
  shoal_predicate *slot = shoal_vec_add(&p->inputs[input].scans);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = predicate;
  return SHOAL_OK;
}

static shoal_status read_node(plan *p, yyjson_val *node, yyjson_val *above, int depth, shoal_error *err) {
  size_t i, n;
  yyjson_val *child, *children = yyjson_obj_get(node, "children"), *info = yyjson_obj_get(node, "extra_info");
  if (depth > SHOAL_MAX_TREE_DEPTH) {
    p->odd = true;
    return SHOAL_OK;
  }
  SHOAL_TRY(read_scan(p, info, above, err));
  bool filter = shoal_str_is(shoal_str_trim(shoal_json_str(node, "name")), "FILTER") && yyjson_arr_size(children) == 1;
  yyjson_arr_foreach(children, i, n, child) SHOAL_TRY(read_node(p, child, filter ? info : NULL, depth + 1, err));
  return SHOAL_OK;
}

static shoal_status read_plan(plan *p, shoal_str json, shoal_error *err) {
  yyjson_doc *doc = NULL;
  size_t i, n;
  yyjson_val *root, *node;
  SHOAL_TRY(shoal_json_parse_tree(json, "the plan", &doc, err));
  shoal_status status = SHOAL_OK;
  root = yyjson_doc_get_root(doc);
  p->odd = p->odd || !yyjson_is_arr(root);
  yyjson_arr_foreach(root, i, n, node) if (status == SHOAL_OK) status = read_node(p, node, NULL, 0, err);
  yyjson_doc_free(doc);
  return status;
}

/* ---- leaving files out ---- */

/* By itself: rows are pulled when the job's own scans may be gone. */
typedef struct fewer {
  void (*keep)(void *arg, size_t file, const int64_t *rows, size_t n, bool *alive);
  void *keep_arg;
  const size_t *numbers;
} fewer;

static void keep(void *arg, size_t file, const int64_t *rows, size_t n, bool *alive) {
  const fewer *f = arg;
  f->keep(f->keep_arg, f->numbers[file], rows, n, alive);
}

static shoal_status leave_out(shoal_duckdb *d, const shoal_scan *all, const found *f, shoal_scan *out,
                              shoal_error *err) {
  if (all->select)
    return all->select(all->select_arg, f->scans.ptr, f->scans.len, &d->job_arena, out, err);
  fewer *kept = SHOAL_NEW(&d->job_arena, fewer);
  size_t *numbers = SHOAL_NEW_ARRAY(&d->job_arena, size_t, all->n_files);
  shoal_scan_file *files = SHOAL_NEW_ARRAY(&d->job_arena, shoal_scan_file, all->n_files);
  size_t n = 0, whole = 0;
  bool *wanted = SHOAL_NEW_ARRAY(&d->job_arena, bool, all->n_files);
  if (!kept || !numbers || !files || !wanted)
    return shoal_fail_nomem(err);
  SHOAL_TRY(all->match(all->match_arg, f->scans.ptr, f->scans.len, wanted, err));
  for (size_t i = 0; i < all->n_files; i++) {
    if (!wanted[i])
      continue;
    whole += i < all->n_whole;
    numbers[n] = i;
    files[n++] = all->files[i];
  }
  if (n == all->n_files)
    return SHOAL_OK;
  *kept = (fewer){all->keep, all->keep_arg, numbers};
  out->files = files;
  out->n_files = n;
  out->rows = (uint64_t)((double)all->rows * (double)n / (double)all->n_files);
  out->n_whole = whole;
  out->numbers = numbers;
  if (all->keep) {
    out->keep = keep;
    out->keep_arg = kept;
  }
  return SHOAL_OK;
}

static shoal_status plan_at(shoal_duckdb *planner, const shoal_job *job, shoal_arena *arena, shoal_str *json,
                            shoal_error *err) {
  SHOAL_TRY(shoal_duckdb_begin(planner, job, err));
  shoal_status status = explain(planner, shoal_sql_body(job->sql), arena, json, err);
  shoal_duckdb_end(planner);
  return status;
}

/* Between planning and reading the clock goes on. A plan that says one thing in 1970 and another in 2096 depends on it.
 */
static shoal_status plan_job(shoal_duckdb *d, const shoal_job *job, plan *p, shoal_error *err) {
  static const int64_t early = 0, late = INT64_C(4000000000000000);
  shoal_str json, later;
  shoal_job fixed = *job;
  SHOAL_TRY(need_planner(d, err));
  bool asks = !job->clock_fixed && may_ask_clock(job);
  if (asks)
    fixed.now_us = early;
  fixed.clock_fixed = job->clock_fixed || asks;
  SHOAL_TRY(plan_at((shoal_duckdb *)d->planner, &fixed, p->arena, &json, err));
  if (asks) {
    fixed.now_us = late;
    SHOAL_TRY(plan_at((shoal_duckdb *)d->planner, &fixed, p->arena, &later, err));
    p->odd = !shoal_str_eq(json, later);
  }
  return p->odd ? SHOAL_OK : read_plan(p, json, err);
}

shoal_status shoal_duckdb_skip(shoal_duckdb *d, const shoal_job *job, shoal_scan *scans, shoal_error *err) {
  shoal_error ignored = {0};
  plan p = {.job = job, .arena = &d->job_arena};
  if (d->config.planner || !is_any_prunable(job) || !is_plannable(job) || !has_conditions(job))
    return SHOAL_OK;
  p.inputs = SHOAL_NEW_ARRAY(&d->job_arena, found, job->n_inputs);
  if (!p.inputs)
    return shoal_fail_nomem(err);
  shoal_status status = plan_job(d, job, &p, &ignored);
  bool planned = status == SHOAL_OK && !p.odd;
  status = SHOAL_OK; /* K3 */
  for (size_t i = 0; i < job->n_inputs; i++) {
    if (planned && status == SHOAL_OK && is_prunable(job->inputs[i].scan))
      status = leave_out(d, job->inputs[i].scan, &p.inputs[i], &scans[i], err);
    shoal_vec_dispose(&p.inputs[i].scans);
  }
  return status;
}

/* K3 holds here, too: what is odd tells nothing. */
shoal_status shoal_duckdb_op_filters(shoal_engine *e, const shoal_job *job, size_t input, shoal_arena *arena,
                                     const shoal_predicate **out, size_t *n, shoal_error *err) {
  shoal_error ignored = {0};
  plan p = {.job = job, .arena = arena, .inputs = SHOAL_NEW_ARRAY(arena, found, job->n_inputs)};
  *n = 0;
  *out = NULL;
  if (!p.inputs)
    return shoal_fail_nomem(err);
  if (!is_plannable(job))
    return SHOAL_OK;
  shoal_status status = plan_job((shoal_duckdb *)e, job, &p, &ignored);
  bool planned = status == SHOAL_OK && !p.odd && p.inputs[input].scans.len > 0;
  size_t found_here = p.inputs[input].scans.len;
  shoal_predicate *copy = planned ? SHOAL_NEW_ARRAY(arena, shoal_predicate, found_here) : NULL;
  for (size_t i = 0; copy && i < found_here; i++)
    copy[i] = p.inputs[input].scans.ptr[i];
  for (size_t i = 0; i < job->n_inputs; i++)
    shoal_vec_dispose(&p.inputs[i].scans);
  if (planned && !copy)
    return shoal_fail_nomem(err);
  *out = copy;
  *n = copy ? found_here : 0;
  return SHOAL_OK;
}
