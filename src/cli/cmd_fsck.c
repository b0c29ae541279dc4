/* SPDX-License-Identifier: Apache-2.0 */
/* shoal fsck: whether what was published is whole. */
#include <string.h>

#include "base/json.h"
#include "base/os.h"
#include "base/str.h"
#include "cli/commands.h"

static void broken_json(shoal_jw *w, const shoal_damaged *b) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_hash_hex(&b->result.signature, hex);
  shoal_jw_obj(w);
  shoal_jw_kstr(w, "dataset", b->dataset);
  shoal_jw_kstr(w, "branch", b->branch);
  shoal_jw_ki64(w, "publication", b->publication);
  shoal_jw_kz(w, "signature", hex);
  shoal_jw_ki64(w, "generation", b->result.generation);
  shoal_jw_kstr(w, "attempt", b->result.attempt);
  shoal_jw_kstr(w, "why", b->why);
  shoal_jw_kbool(w, "condemned", b->condemned);
  shoal_jw_kbool(w, "pinned", b->pinned);
  shoal_jw_end(w);
}

static void print_json(const shoal_fsck_report *r) {
  shoal_buf out = {0};
  shoal_jw w = {.out = &out};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_ki64(&w, "results", (int64_t)r->n_results);
  shoal_jw_ki64(&w, "bytes", (int64_t)r->bytes);
  shoal_jw_key(&w, "broken");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < r->broken.len; i++)
    broken_json(&w, &r->broken.ptr[i]);
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  puts(shoal_buf_z(&out));
  shoal_buf_dispose(&out);
}

static void print_text(cli *c, const shoal_fsck_report *r) {
  size_t open = 0, pinned = 0;
  for (size_t i = 0; i < r->broken.len; i++) {
    const shoal_damaged *b = &r->broken.ptr[i];
    open += !b->condemned;
    pinned += b->pinned;
    printf("%sbroken%s  %.*s of %.*s #%lld: %.*s%s\n", cli_on(c, STYLE_RED), cli_off(c), SHOAL_FMT(b->dataset),
           SHOAL_FMT(b->branch), (long long)b->publication, SHOAL_FMT(b->why),
           b->condemned ? "; condemned"
           : b->pinned  ? "; pinned"
                        : "");
  }
  printf("%s result%s looked at, %s: ", cli_count(c, r->n_results), r->n_results == 1 ? "" : "s",
         cli_bytes(c, r->bytes));
  if (r->broken.len == 0)
    puts("all are whole");
  else
    printf("%zu broken\n", r->broken.len);
  if (open)
    puts("shoal fsck --repair condemns them, and the next run computes them anew");
  else if (r->broken.len)
    puts("the next run computes them anew: shoal run");
  if (pinned)
    puts("no run replaces what is pinned: shoal rollback --release DATASET");
}

static int print_table_json(cli *c, const shoal_delta_verified *t) {
  shoal_buf text = {0};
  shoal_jw w = {.out = &text};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_ki64(&w, "version", t->version);
  shoal_jw_ki64(&w, "files", (int64_t)t->n_files);
  shoal_jw_ki64(&w, "bytes", (int64_t)t->bytes);
  shoal_jw_ki64(&w, "broken", (int64_t)t->n_broken);
  shoal_jw_kstr(&w, "log", t->log);
  if (t->told) {
    shoal_jw_ki64(&w, "contradictions", (int64_t)t->n_found);
    shoal_jw_key(&w, "told");
    shoal_jw_arr(&w);
    for (size_t i = 0; i < t->n_told; i++) {
      shoal_jw_obj(&w);
      shoal_jw_kstr(&w, "file", t->told[i].file);
      shoal_jw_kstr(&w, "column", t->told[i].column);
      shoal_jw_kstr(&w, "what", t->told[i].what);
      shoal_jw_end(&w);
    }
    shoal_jw_end(&w);
  }
  shoal_jw_end(&w);
  shoal_error err = {0};
  int rc = shoal_buf_check(&text, &err) < 0 ? cli_fail(c, &err) : EXIT_DONE;
  if (rc == EXIT_DONE)
    puts(shoal_buf_z(&text));
  shoal_buf_dispose(&text);
  return rc;
}

static void print_told(cli *c, const shoal_delta_verified *t) {
  for (size_t i = 0; i < t->n_told; i++) {
    const shoal_delta_contradiction *told = &t->told[i];
    printf("%sbroken%s  %.*s%s%.*s: %.*s\n", cli_on(c, STYLE_RED), cli_off(c), SHOAL_FMT(told->file),
           told->column.ptr ? ", column " : "", SHOAL_FMT(told->column), SHOAL_FMT(told->what));
  }
  if (t->n_found > t->n_told)
    printf("and %zu more\n", t->n_found - t->n_told);
}

static void print_table(cli *c, const shoal_delta_verified *t) {
  if (t->n_broken)
    printf("%sbroken%s  version %lld: %zu of %zu files are missing or have another size, %.*s for one\n",
           cli_on(c, STYLE_RED), cli_off(c), (long long)t->version, t->n_broken, t->n_files,
           SHOAL_FMT(t->first_broken));
  else if (!c->quiet)
    printf("version %lld: %zu file%s, %s: all are there%s\n", (long long)t->version, t->n_files,
           t->n_files == 1 ? "" : "s", cli_bytes(c, t->bytes),
           t->told && !t->n_found ? ", and hold what the log says" : "");
  print_told(c, t);
  if (t->log.ptr)
    printf("%sbroken%s  the log: %.*s\n", cli_on(c, STYLE_RED), cli_off(c), SHOAL_FMT(t->log));
}

/* A Delta table that is none of this lake's. */
static int check_table(cli *c, const char *path) {
  shoal_error err = {0};
  shoal_delta_verified t;
  if (cli_has(c, "all") || cli_has(c, "repair"))
    return cli_usage(c, "a table outside the lake has no publications, and nothing can be computed anew");
  if (shoal_session_fsck_table(c->s, path, cli_has(c, "content"), &t, &err) < 0)
    return cli_fail(c, &err);
  int rc = EXIT_DONE;
  if (c->json)
    rc = print_table_json(c, &t);
  else
    print_table(c, &t);
  return rc == EXIT_DONE && (t.n_broken || t.log.ptr || t.n_found) ? EXIT_ERROR : rc;
}

/* The argument is a dataset, a pattern, or a folder: absolute, or from where the user is. */
static shoal_status find_only(cli *c, const char *from, shoal_str *only, const char **table, shoal_error *err) {
  shoal_stat st;
  const char *arg = c->argv[0], *path = arg[0] == '/' ? arg : cli_text(c, "%s/%s", from, arg);
  *only = shoal_str_z(arg);
  *table = NULL;
  if (shoal_os_stat(path, &st, NULL) < 0 || st.kind != SHOAL_FILE_FOLDER)
    return SHOAL_OK;
  SHOAL_TRY(shoal_session_dataset_of(c->s, path, only, err));
  *table = only->ptr ? NULL : path;
  return SHOAL_OK;
}

static bool on_branch(const cli *c, shoal_str only) {
  for (size_t i = 0; i < c->s->state->n_entries; i++)
    if (shoal_str_glob(only, c->s->state->entries[i].name))
      return true;
  return false;
}

static int run(cli *c) {
  shoal_error err = {0};
  shoal_fsck_report report;
  shoal_str only;
  const char *table = NULL;
  char *from;
  if (shoal_os_cwd(&c->arena, &from, &err) < 0)
    return cli_fail(c, &err);
  int rc = c->argc ? cli_open_anywhere(c) : cli_open(c);
  if (rc)
    return rc;
  if (c->argc && find_only(c, from, &only, &table, &err) < 0)
    return cli_fail(c, &err);
  if (table)
    return check_table(c, table);
  shoal_fsck_options options = {.all = cli_has(c, "all"),
                                .content = cli_has(c, "content"),
                                .repair = cli_has(c, "repair"),
                                .only = &only,
                                .n_only = c->argc > 0};
  if (c->argc && shoal_session_load_state(c->s, &err) < 0)
    return cli_fail(c, &err);
  if (c->argc && !options.all && !on_branch(c, only))
    return cli_usage(c, "there is no dataset %.*s on %.*s, and no such folder", SHOAL_FMT(only),
                     SHOAL_FMT(c->s->branch));
  if (shoal_session_fsck(c->s, &options, &report, &err) < 0)
    rc = cli_fail(c, &err);
  else if (c->json)
    print_json(&report);
  else if (!c->quiet || report.broken.len)
    print_text(c, &report);
  if (rc == 0 && report.broken.len)
    rc = EXIT_ERROR;
  shoal_fsck_report_dispose(&report);
  return rc;
}

static const cli_option options[] = {
    {"content", 0, NULL, "read the rows, too, and compare them with their hash, or with a table's log", false, false},
    {"all", 0, NULL, "every publication of every branch, not only the head", false, false},
    {"repair", 0, NULL, "condemn what is broken, so that the next run computes it anew", false, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {
    {"shoal fsck", "the branch's head: files and sizes"},
    {"shoal fsck --all --content", "everything, by its rows"},
    {"shoal fsck gold.delays", "one dataset; lake/gold/delays means it, too"},
    {"shoal fsck tables/carriers --content", "a Delta table's log, and its rows against it"},
    {NULL, NULL}};
const cli_command cmd_fsck = {
    "fsck", "Verify that what was published is whole.", "[DATASET | PATH] [options]", options, examples, 1, run};
