/* SPDX-License-Identifier: Apache-2.0 */
/* shoal table VERB: Delta tables at a path, and sources that are such tables. Here: which verbs there are, which table
   is meant, and the verbs that change no rows. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/table_cli.h"
#include "delta/history.h"

static const cli_command *const verbs[] = {
    &cmd_table_create,    &cmd_table_append,  &cmd_table_delete,  &cmd_table_update,     &cmd_table_merge,
    &cmd_table_overwrite, &cmd_table_alter,   &cmd_table_clone,   &cmd_table_restore,    &cmd_table_optimize,
    &cmd_table_vacuum,    &cmd_table_history, &cmd_table_changes, &cmd_table_checkpoint, NULL};

const cli_command *const *cli_verbs_of(const cli_command *cmd) { return cmd == &cmd_table ? verbs : NULL; }

/* ---- which table ---- */

static shoal_status absolute(cli *c, const char *cwd, const char *given, shoal_str *out, shoal_error *err) {
  *out = shoal_str_z(given[0] == '/' ? given : shoal_arena_printf(&c->arena, "%s/%s", cwd, given));
  return out->ptr ? SHOAL_OK : shoal_fail_nomem(err);
}

/* A folder ends with '/', so that the engine may read all of it. */
static shoal_status find_readable(cli *c, const char *given, shoal_str *out, shoal_error *err) {
  shoal_stat st;
  char *real;
  SHOAL_TRY(shoal_os_realpath(given, &c->arena, &real, err));
  SHOAL_TRY(shoal_os_stat(real, &st, err));
  *out = shoal_str_z(st.kind == SHOAL_FILE_FOLDER ? shoal_arena_printf(&c->arena, "%s/", real) : real);
  return out->ptr ? SHOAL_OK : shoal_fail_nomem(err);
}

/* While the current folder is still the user's. */
static shoal_status find_paths(cli *c, const char *const *readable, shoal_str *target, shoal_str **paths, size_t *n,
                               shoal_error *err) {
  char *cwd;
  *n = 0;
  SHOAL_TRY(shoal_os_cwd(&c->arena, &cwd, err));
  *target = shoal_str_z(c->argv[0]);
  if (shoal_str_chr(*target, '/') >= 0)
    SHOAL_TRY(absolute(c, cwd, c->argv[0], target, err));
  for (size_t i = 0; readable && readable[i]; i++)
    ++*n;
  *paths = SHOAL_NEW_ARRAY(&c->arena, shoal_str, *n);
  if (!*paths)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < *n; i++)
    SHOAL_TRY(find_readable(c, readable[i], &(*paths)[i], err));
  return SHOAL_OK;
}

int cli_open_table(cli *c, unsigned flags, const char *const *readable, shoal_open_table *out) {
  shoal_error err = {0};
  shoal_str target, *paths;
  size_t n;
  *out = (shoal_open_table){0};
  if (c->argc == 0)
    return cli_usage(c, "which table?");
  if (find_paths(c, readable, &target, &paths, &n, &err) < 0)
    return cli_fail(c, &err);
  shoal_status status = cli_open_for_table(c, target, &err);
  if (status >= 0)
    status = shoal_session_table_open(c->s, &cli_cancel, target, flags, paths, n, out, &err);
  return status < 0 ? cli_fail(c, &err) : 0;
}

shoal_status cli_values(cli *c, const char *option, const char ***out, size_t *n, shoal_error *err) {
  *n = 0;
  *out = SHOAL_NEW_ARRAY(&c->arena, const char *, (size_t)c->n_given);
  for (int i = 0; *out && i < c->n_given; i++)
    if (!strcmp(c->given[i].option->name, option))
      (*out)[(*n)++] = c->given[i].value;
  return *out ? SHOAL_OK : shoal_fail_nomem(err);
}

shoal_status cli_names(cli *c, const char *option, shoal_str **out, size_t *n, shoal_error *err) {
  shoal_str rest = shoal_str_z(cli_value(c, option)), name;
  *n = 0;
  *out = SHOAL_NEW_ARRAY(&c->arena, shoal_str, rest.len + 1);
  if (!*out)
    return shoal_fail_nomem(err);
  while (rest.ptr && shoal_str_split(&rest, ',', &name))
    (*out)[(*n)++] = shoal_str_trim(name);
  return SHOAL_OK;
}

/* ---- history ---- */

static void history_json(const shoal_delta_history_entry *e) {
  char time[SHOAL_TIME_TEXT];
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_time_text(e->time_us, time);
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_ki64(&w, "version", e->version);
  shoal_jw_kz(&w, "time", time);
  shoal_jw_kstr(&w, "operation", e->operation);
  shoal_jw_kstr(&w, "engine", e->engine);
  if (e->info.ptr) {
    shoal_jw_key(&w, "commit_info");
    shoal_jw_raw(&w, e->info);
  }
  shoal_jw_end(&w);
  puts(shoal_buf_z(&b));
  shoal_buf_dispose(&b);
}

static void history_text(cli *c, const shoal_delta_history_entry *e) {
  printf("%s%lld%s  %s  %.*s", cli_on(c, STYLE_YELLOW), (long long)e->version, cli_off(c), cli_ago(c, e->time_us),
         SHOAL_FMT(e->operation.ptr ? e->operation : SHOAL_STR("(it does not say what)")));
  if (e->engine.ptr)
    printf(" by %.*s", SHOAL_FMT(e->engine));
  putchar('\n');
  if (e->parameters.len > 2)
    printf("    %.*s\n", SHOAL_FMT(e->parameters));
  if (e->metrics.len > 2)
    printf("    %.*s\n", SHOAL_FMT(e->metrics));
}

static int history(cli *c) {
  shoal_error err = {0};
  shoal_open_table t;
  shoal_delta_history_entry *entries;
  size_t n;
  int64_t limit = 0;
  const char *most = cli_value(c, "number");
  if (most && (!shoal_str_i64(shoal_str_z(most), &limit) || limit <= 0))
    return cli_usage(c, "-n takes a number from 1");
  int rc = cli_open_table(c, SHOAL_TABLE_COMPUTED, NULL, &t);
  if (rc)
    return rc;
  if (shoal_delta_history(&t.delta, (size_t)limit, &c->arena, &entries, &n, &err) < 0)
    rc = cli_fail(c, &err);
  for (size_t i = 0; rc == 0 && i < n; i++)
    if (c->json)
      history_json(&entries[i]);
    else
      history_text(c, &entries[i]);
  shoal_session_table_close(&t);
  return rc;
}

static const cli_option history_options[] = {{"number", 'n', "N", "the newest N", false, false},
                                             {NULL, 0, NULL, NULL, false, false}};
static const cli_example history_examples[] = {{"shoal table history tables/carriers", "its versions, newest first"},
                                               {"shoal table history tables/carriers -n 1 --json", "for programs"},
                                               {NULL, NULL}};
const cli_command cmd_table_history = {
    "table history", "Show the versions of a table.", "PATH-or-SOURCE [-n N]", history_options, history_examples, 1,
    history};

/* ---- checkpoint ---- */

static int checkpoint(cli *c) {
  shoal_error err = {0};
  shoal_open_table t;
  shoal_delta_checkpointed made;
  int rc = cli_open_table(c, 0, NULL, &t);
  if (rc)
    return rc;
  if (shoal_delta_checkpoint_version(&t.delta, SHOAL_DELTA_LATEST, &made, &err) < 0 ||
      shoal_delta_clean_log(&t.delta, &err) < 0)
    rc = cli_fail(c, &err);
  else if (c->json)
    printf("{\"schema_version\":1,\"version\":%lld,\"files\":%lld}\n", (long long)made.version,
           (long long)made.n_files);
  else if (!c->quiet)
    printf("checkpoint of version %lld: %lld files\n", (long long)made.version, (long long)made.n_files);
  shoal_session_table_close(&t);
  return rc;
}

static const cli_option no_options[] = {{NULL, 0, NULL, NULL, false, false}};
static const cli_example checkpoint_examples[] = {
    {"shoal table checkpoint tables/carriers", "readers start from it instead of all commits"},
    {"shoal table checkpoint tables/carriers --json", "for programs"},
    {NULL, NULL}};
const cli_command cmd_table_checkpoint = {
    "table checkpoint", "Write a checkpoint of a table.", "PATH-or-SOURCE", no_options, checkpoint_examples, 1,
    checkpoint};

/* ---- the verb itself ---- */

static int run(cli *c) {
  shoal_str names[32];
  size_t n = 0;
  if (c->argc == 0)
    return cli_usage(c, "which verb, and of which table?");
  for (; verbs[n]; n++)
    names[n] = shoal_str_z(strchr(verbs[n]->name, ' ') + 1);
  ptrdiff_t near = shoal_str_nearest(shoal_str_z(c->argv[0]), names, n);
  if (near >= 0)
    return cli_usage(c, "there is no shoal table %s; did you mean %.*s? Its name comes right behind table", c->argv[0],
                     SHOAL_FMT(names[near]));
  return cli_usage(c, "there is no shoal table %s; shoal table --help shows the verbs", c->argv[0]);
}

static const cli_example examples[] = {
    {"shoal table --help", "the verbs; shoal table VERB --help tells more"},
    {"shoal table create tables/notes --schema 'id BIGINT NOT NULL, note VARCHAR'", "a table without rows"},
    {NULL, NULL}};
const cli_command cmd_table = {"table",
                               "Work on a Delta table: a source, or any by its path.",
                               "VERB PATH-or-SOURCE [options]",
                               no_options,
                               examples,
                               -1,
                               run};
