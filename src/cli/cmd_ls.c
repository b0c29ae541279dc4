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
    row[1] = shoal_arena_printf(&c->arena, "%s rows", cli_count(c, e->result.rows));
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

static void entry_json(shoal_jw *w, const shoal_entry *e) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_jw_obj(w);
  shoal_jw_kstr(w, "dataset", e->name);
  shoal_jw_ki64(w, "rows", (int64_t)e->result.rows);
  shoal_jw_ki64(w, "bytes", (int64_t)e->result.bytes);
  shoal_jw_ki64(w, "files", (int64_t)e->result.n_files);
  shoal_jw_ki64(w, "publication", e->publication);
  shoal_jw_ki64(w, "made_us", e->result.made_us);
  shoal_jw_kstr(w, "writer", e->result.writer);
  shoal_hash_hex(&e->result.signature, hex);
  shoal_jw_kz(w, "signature", hex);
  shoal_jw_ki64(w, "generation", e->result.generation);
  shoal_jw_kstr(w, "attempt", e->result.attempt);
  if (!shoal_hash_zero(&e->result.rows_hash)) {
    shoal_hash_hex(&e->result.rows_hash, hex);
    shoal_jw_kz(w, "rows_hash", hex);
  }
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

static int run_ls(cli *c) {
  shoal_error err = {0};
  shoal_state *at = NULL;
  int rc = cli_open(c);
  if (rc)
    return rc;
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
    {"names", 0, NULL, "only names, one a line, for programs and completion", true, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example ls_examples[] = {{"shoal ls", "every dataset of the branch"},
                                          {"shoal ls 'gold.*' --at main~1", "a schema, as it was"},
                                          {NULL, NULL}};
const cli_command cmd_ls = {
    "ls", "List the datasets of the branch.", "[PATTERN] [--at REV]", ls_options, ls_examples, 1, run_ls};

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

static void show_provenance(cli *c, shoal_str json) {
  yyjson_doc *doc = NULL;
  shoal_error ignored;
  if (shoal_json_parse(json, "provenance", &doc, &ignored) < 0)
    return;
  yyjson_val *root = yyjson_doc_get_root(doc), *v, *inputs = yyjson_obj_get(root, "inputs");
  size_t i, n;
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

static shoal_status show(cli *c, const shoal_state *at, const shoal_entry *e, shoal_error *err) {
  shoal_delta_snapshot *s = NULL;
  shoal_buf provenance = {0}, prefix = {0};
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
    printf("%s rows, %s in %llu file%s, computed %s in %s\n", cli_count(c, e->result.rows),
           cli_bytes(c, e->result.bytes), (unsigned long long)e->result.n_files, e->result.n_files == 1 ? "" : "s",
           cli_ago(c, e->result.made_us), cli_time(c, e->result.wall_us));
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
