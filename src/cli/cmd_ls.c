/* SPDX-License-Identifier: Apache-2.0 */
/* shoal ls and shoal show: what there is. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "cli/commands.h"

static shoal_status open_state(cli *c, shoal_state **at, shoal_error *err) {
  return shoal_session_revision(c->s, shoal_str_z(cli_value(c, "at") ? cli_value(c, "at") : ""), at, err);
}

static void list_names(const shoal_state *at, shoal_str pattern) {
  for (size_t i = 0; i < at->n_entries; i++)
    if (shoal_str_glob(pattern, at->entries[i].name))
      printf("%.*s\n", SHOAL_FMT(at->entries[i].name));
}

static void list_text(cli *c, const shoal_state *at, shoal_str pattern) {
  const char **cells = SHOAL_NEW_ARRAY(&c->arena, const char *, at->n_entries * 5);
  size_t rows = 0;
  for (size_t i = 0; cells && i < at->n_entries; i++) {
    const shoal_entry *e = &at->entries[i];
    if (!shoal_str_glob(pattern, e->name))
      continue;
    const char **row = &cells[5 * rows++];
    row[0] = e->name.ptr;
    row[1] = cli_extent(c, &e->result);
    row[2] = cli_bytes(c, e->result.bytes);
    row[3] = cli_ago(c, e->result.made_us);
    row[4] = e->pinned ? "pinned"
             : e->local || !at->fork_branch.ptr
                 ? ""
                 : shoal_arena_printf(&c->arena, "from %.*s", SHOAL_FMT(at->fork_branch));
  }
  static const bool right[] = {false, true, true, false, false};
  if (cells)
    cli_table(cells, rows, 5, right);
  if (rows == 0)
    puts(at->n_entries ? "nothing matches" : "nothing has been published yet: shoal run");
}

static void result_json(shoal_jw *w, const shoal_result *r) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_jw_kstr(w, "codec", r->codec);
  shoal_jw_kstr(w, "type", r->type);
  shoal_jw_ki64(w, "rows", (int64_t)r->rows);
  shoal_jw_ki64(w, "bytes", (int64_t)r->bytes);
  shoal_jw_ki64(w, "files", (int64_t)r->n_files);
  shoal_jw_ki64(w, "made_us", r->made_us);
  shoal_jw_kstr(w, "writer", r->writer);
  shoal_hash_hex(&r->signature, hex);
  shoal_jw_kz(w, "signature", hex);
  shoal_jw_ki64(w, "generation", r->generation);
  shoal_jw_kstr(w, "attempt", r->attempt);
  if (!shoal_hash_zero(&r->rows_hash)) {
    shoal_hash_hex(&r->rows_hash, hex);
    shoal_jw_kz(w, r->codec.ptr ? "bytes_hash" : "rows_hash", hex);
  }
}

static void entry_json(shoal_jw *w, const shoal_entry *e) {
  shoal_jw_obj(w);
  shoal_jw_kstr(w, "dataset", e->name);
  result_json(w, &e->result);
  shoal_jw_ki64(w, "publication", e->publication);
  shoal_jw_kbool(w, "pinned", e->pinned);
  shoal_jw_kbool(w, "local", e->local);
  shoal_jw_end(w);
}

static void list_json(const shoal_state *at, shoal_str pattern) {
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_kstr(&w, "branch", at->branch);
  shoal_jw_ki64(&w, "publication", at->publication);
  shoal_jw_key(&w, "datasets");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < at->n_entries; i++)
    if (shoal_str_glob(pattern, at->entries[i].name))
      entry_json(&w, &at->entries[i]);
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  puts(shoal_buf_z(&b));
  shoal_buf_dispose(&b);
}

static void cache_text(cli *c, const shoal_result *results, size_t n, shoal_str pattern) {
  const char **cells = SHOAL_NEW_ARRAY(&c->arena, const char *, n * 4);
  size_t rows = 0;
  for (size_t i = 0; cells && i < n; i++) {
    if (!shoal_str_glob(pattern, results[i].dataset))
      continue;
    const char **row = &cells[4 * rows++];
    row[0] = results[i].dataset.ptr;
    row[1] = cli_extent(c, &results[i]);
    row[2] = cli_bytes(c, results[i].bytes);
    row[3] = cli_ago(c, results[i].made_us);
  }
  static const bool right[] = {false, true, true, false};
  if (cells)
    cli_table(cells, rows, 4, right);
  if (rows == 0)
    puts(n ? "nothing matches" : "the cache is empty: shoal.cache in Python fills it");
}

static void cache_json(const shoal_result *results, size_t n, shoal_str pattern) {
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_key(&w, "cache");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < n; i++) {
    if (!shoal_str_glob(pattern, results[i].dataset))
      continue;
    shoal_jw_obj(&w);
    shoal_jw_kstr(&w, "function", results[i].dataset);
    result_json(&w, &results[i]);
    shoal_jw_end(&w);
  }
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  puts(shoal_buf_z(&b));
  shoal_buf_dispose(&b);
}

/* What functions have kept without a name. */
static int list_cache(cli *c) {
  shoal_error err = {0};
  shoal_result *results;
  size_t n;
  shoal_str pattern = c->argc ? shoal_str_z(c->argv[0]) : SHOAL_STR("*");
  if (shoal_session_open_lake(c->s, false, &err) < 0 || shoal_cache_list(c->s->lake, &c->arena, &results, &n, &err) < 0)
    return cli_fail(c, &err);
  if (c->json)
    cache_json(results, n, pattern);
  else
    cache_text(c, results, n, pattern);
  return EXIT_DONE;
}

static int run_ls(cli *c) {
  shoal_error err = {0};
  shoal_state *at = NULL;
  int rc = cli_open(c);
  if (rc)
    return rc;
  if (cli_has(c, "cache"))
    return list_cache(c);
  if (open_state(c, &at, &err) < 0)
    return cli_fail(c, &err);
  shoal_str pattern = c->argc ? shoal_str_z(c->argv[0]) : SHOAL_STR("*");
  if (cli_has(c, "names"))
    list_names(at, pattern);
  else if (c->json)
    list_json(at, pattern);
  else
    list_text(c, at, pattern);
  shoal_state_free(at);
  return EXIT_DONE;
}

static const cli_option ls_options[] = {
    {"at", 0, "REV", "as it was: main~1, main@{2h}, #42", false, false},
    {"cache", 0, NULL, "what Python functions have kept without a name (shoal.cache)", false, false},
    {"names", 0, NULL, "only names, one a line, for programs and completion", true, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example ls_examples[] = {{"shoal ls", "every dataset of the branch"},
                                          {"shoal ls 'gold.*' --at main~1", "a schema, as it was"},
                                          {NULL, NULL}};
const cli_command cmd_ls = {
    "ls", "List the datasets of the branch.", "[PATTERN] [--at REV] [--cache]", ls_options, ls_examples, 1, run_ls};

static void show_schema(cli *c, const shoal_delta_snapshot *s) {
  const shoal_delta_metadata *m = shoal_delta_snapshot_metadata(s);
  const char **cells = SHOAL_NEW_ARRAY(&c->arena, const char *, m->schema.n_fields * 3);
  for (size_t i = 0; cells && i < m->schema.n_fields; i++) {
    shoal_buf t = {0};
    shoal_type_text(&t, &m->schema.fields[i].type);
    cells[3 * i] = shoal_arena_printf(&c->arena, "  %.*s", SHOAL_FMT(m->schema.fields[i].name));
    cells[3 * i + 1] = shoal_arena_cstr(&c->arena, shoal_buf_str(&t));
    cells[3 * i + 2] = "";
    for (size_t p = 0; p < m->n_partition_columns; p++)
      if (shoal_str_eq(m->partition_columns[p], m->schema.fields[i].name))
        cells[3 * i + 2] = "partition";
    shoal_buf_dispose(&t);
  }
  static const bool right[] = {false, false, false};
  if (cells)
    cli_table(cells, m->schema.n_fields, 3, right);
}

/* Of a result that a call of a Python function made. */
static bool show_python(yyjson_val *root) {
  yyjson_val *python = yyjson_obj_get(root, "python"); /* of a model it says something else */
  if (!yyjson_obj_get(python, "function"))
    return false;
  printf("from %.*s by %.*s with Python %.*s\n", SHOAL_FMT(shoal_json_str(python, "function")),
         SHOAL_FMT(shoal_json_str(root, "who")), SHOAL_FMT(shoal_json_str(python, "version")));
  return true;
}

static void show_provenance(cli *c, shoal_str json) {
  yyjson_doc *doc = NULL;
  shoal_error ignored;
  if (shoal_json_parse(json, "provenance", &doc, &ignored) < 0)
    return;
  yyjson_val *root = yyjson_doc_get_root(doc), *v, *inputs = yyjson_obj_get(root, "inputs");
  size_t i, n;
  if (!show_python(root))
    printf("from %.*s by %.*s with %.*s\n", SHOAL_FMT(shoal_json_str(root, "path")),
           SHOAL_FMT(shoal_json_str(root, "who")), SHOAL_FMT(shoal_json_str(root, "engine")));
  if (yyjson_arr_size(inputs))
    fputs("reads", stdout);
  yyjson_arr_foreach(inputs, i, n, v) printf("%s %.*s", i ? "," : "", SHOAL_FMT(shoal_json_str(v, "name")));
  if (yyjson_arr_size(inputs))
    putchar('\n');
  (void)c;
  yyjson_doc_free(doc);
}

static shoal_status show_sample(cli *c, const shoal_state *at, shoal_str name, shoal_error *err) {
  shoal_query q;
  shoal_engine *engine;
  shoal_rows *rows = NULL;
  shoal_buf sql = {0};
  ptrdiff_t dot = shoal_str_chr(name, '.');
  shoal_buf_addz(&sql, "SELECT * FROM ");
  shoal_buf_sql_ident(&sql, shoal_str_sub(name, 0, (size_t)dot));
  shoal_buf_addc(&sql, '.');
  shoal_buf_sql_ident(&sql, shoal_str_sub(name, (size_t)dot + 1, name.len));
  shoal_buf_addz(&sql, " LIMIT 5");
  shoal_status status = shoal_session_query(c->s, at, shoal_buf_str(&sql), &q, err);
  shoal_buf_dispose(&sql);
  if (status < 0)
    return status;
  status = shoal_session_engine(c->s, &engine, err);
  if (status >= 0)
    status = shoal_engine_query(engine, &q.job, &rows, err);
  if (status >= 0 && cli_box(c, rows, 5, err) < 0)
    status = err->status;
  shoal_rows_free(rows);
  shoal_query_dispose(&q);
  return status;
}

static void show_object_json(const shoal_entry *e, shoal_str provenance) {
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_key(&w, "entry");
  entry_json(&w, e);
  shoal_jw_key(&w, "provenance");
  shoal_jw_raw(&w, provenance);
  shoal_jw_end(&w);
  puts(shoal_buf_z(&b));
  shoal_buf_dispose(&b);
}

static shoal_status show_object(cli *c, const shoal_state *at, const shoal_entry *e, shoal_error *err) {
  const shoal_result *r = &e->result;
  shoal_buf provenance = {0};
  shoal_status status = shoal_result_provenance(c->s->lake, r, &provenance, err);
  if (status >= 0 && c->json) {
    show_object_json(e, shoal_buf_str(&provenance));
  } else if (status >= 0) {
    printf("%s%.*s%s on %.*s #%lld%s\n", cli_on(c, STYLE_BOLD), SHOAL_FMT(e->name), cli_off(c), SHOAL_FMT(at->branch),
           (long long)e->publication, e->pinned ? ", pinned" : "");
    printf("%s as %.*s, %s, computed %s in %s\n", cli_extent(c, r), SHOAL_FMT(r->codec), cli_bytes(c, r->bytes),
           cli_ago(c, r->made_us), cli_time(c, r->wall_us));
    show_provenance(c, shoal_buf_str(&provenance));
  }
  shoal_buf_dispose(&provenance);
  return status;
}

static shoal_status show(cli *c, const shoal_state *at, const shoal_entry *e, shoal_error *err) {
  shoal_delta_snapshot *s = NULL;
  shoal_buf provenance = {0}, prefix = {0};
  if (e->result.codec.ptr)
    return show_object(c, at, e, err);
  SHOAL_TRY(shoal_result_open(c->s->lake, &e->result, &s, err));
  shoal_status status = shoal_result_provenance(c->s->lake, &e->result, &provenance, err);
  if (status >= 0)
    status = shoal_table_prefix(c->s->lake, e->local || !at->fork_branch.ptr ? at->branch : at->fork_branch, e->name,
                                &prefix, err);
  if (status >= 0 && c->json) {
    shoal_buf b = {0};
    shoal_jw w = {.out = &b};
    shoal_jw_obj(&w);
    shoal_jw_ki64(&w, "schema_version", 1);
    shoal_jw_key(&w, "entry");
    entry_json(&w, e);
    shoal_jw_key(&w, "schema");
    shoal_jw_raw(&w, shoal_delta_snapshot_metadata(s)->schema_json);
    shoal_jw_key(&w, "provenance");
    shoal_jw_raw(&w, shoal_buf_str(&provenance));
    shoal_jw_end(&w);
    puts(shoal_buf_z(&b));
    shoal_buf_dispose(&b);
  } else if (status >= 0) {
    const shoal_delta_metadata *m = shoal_delta_snapshot_metadata(s);
    printf("%s%.*s%s on %.*s #%lld%s\n", cli_on(c, STYLE_BOLD), SHOAL_FMT(e->name), cli_off(c), SHOAL_FMT(at->branch),
           (long long)e->publication, e->pinned ? ", pinned" : "");
    if (m->description.len)
      printf("%.*s\n", SHOAL_FMT(m->description));
    show_schema(c, s);
    printf("%s, %s in %llu file%s, computed %s in %s\n", cli_rows(c, e->result.rows), cli_bytes(c, e->result.bytes),
           (unsigned long long)e->result.n_files, e->result.n_files == 1 ? "" : "s", cli_ago(c, e->result.made_us),
           cli_time(c, e->result.wall_us));
    show_provenance(c, shoal_buf_str(&provenance));
    printf("table: %.*s/%s\n", SHOAL_FMT(c->s->lake_path), shoal_buf_z(&prefix));
    status = show_sample(c, at, e->name, err);
  }
  shoal_buf_dispose(&prefix);
  shoal_buf_dispose(&provenance);
  shoal_delta_snapshot_free(s);
  return status;
}

static int run_show(cli *c) {
  shoal_error err = {0};
  shoal_state *at = NULL;
  if (c->argc == 0)
    return cli_usage(c, "which dataset?");
  int rc = cli_open(c);
  if (rc)
    return rc;
  if (open_state(c, &at, &err) < 0)
    return cli_fail(c, &err);
  const shoal_entry *e = shoal_state_find(at, shoal_str_z(c->argv[0]));
  if (!e) {
    shoal_fail(&err, SHOAL_ENOTFOUND, "there is no dataset %s on %.*s", c->argv[0], SHOAL_FMT(at->branch));
    shoal_hint(&err, "shoal ls shows what there is");
    rc = cli_fail(c, &err);
  } else if (show(c, at, e, &err) < 0) {
    rc = cli_fail(c, &err);
  }
  shoal_state_free(at);
  return rc;
}

static const cli_option show_options[] = {{"at", 0, "REV", "as it was: main~1, main@{2h}, #42", false, false},
                                          {NULL, 0, NULL, NULL, false, false}};
static const cli_example show_examples[] = {{"shoal show gold.delays", "schema, provenance, five rows"},
                                            {"shoal show gold.delays --json", "for programs"},
                                            {NULL, NULL}};
const cli_command cmd_show = {"show",
                              "Show a dataset: schema, description, provenance, a sample.",
                              "DATASET [--at REV]",
                              show_options,
                              show_examples,
                              1,
                              run_show};
