/* SPDX-License-Identifier: Apache-2.0 */
/* shoal sql: a query over datasets by name, at any revision. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/os.h"
#include "base/str.h"
#include "cli/commands.h"

shoal_status cli_sql(cli *c, shoal_str sql, const char *path, shoal_error *err) {
  shoal_state *at = NULL;
  shoal_engine *engine;
  shoal_query q;
  if (cli_has(c, "result"))
    SHOAL_TRY(shoal_session_latest(c->s, &at, err));
  else
    SHOAL_TRY(shoal_session_revision(c->s, shoal_str_z(cli_value(c, "at") ? cli_value(c, "at") : ""), &at, err));
  shoal_status status = shoal_session_query(c->s, at, sql, &q, err);
  if (status >= 0) {
    status = shoal_session_engine(c->s, &engine, err);
    if (status >= 0)
      status = cli_show_rows(c, engine, NULL, &q.job, path, err);
    shoal_query_dispose(&q);
  }
  shoal_state_free(at);
  return status;
}

static shoal_status read_query(cli *c, shoal_buf *sql, shoal_error *err) {
  const char *file = cli_value(c, "file");
  if (c->argc) {
    shoal_buf_addz(sql, c->argv[0]);
    return shoal_buf_check(sql, err);
  }
  return shoal_os_read_file(file ? file : "/dev/stdin", SHOAL_MAX_SQL_BYTES, sql, err);
}

static int run(cli *c) {
  shoal_error err = {0};
  shoal_buf sql = {0};
  char *path = NULL;
  if (cli_has(c, "result") && (strcmp(cli_value(c, "result"), "latest") || cli_has(c, "at")))
    return cli_usage(c, "--result latest, and without --at: results that the code has and no publication yet");
  if (c->argc == 0 && !cli_has(c, "file") && isatty(0)) {
    int opened = cli_has(c, "output") ? cli_usage(c, "write a query, or -f FILE, for -o") : cli_open_anywhere(c);
    return opened ? opened : cli_prompt(c);
  }
  if (cli_output_path(c, &path, &err) < 0 || read_query(c, &sql, &err) < 0) {
    shoal_buf_dispose(&sql);
    return cli_fail(c, &err);
  }
  int rc = cli_open_anywhere(c);
  if (rc == 0 && cli_sql(c, shoal_buf_str(&sql), path, &err) < 0)
    rc = cli_fail(c, &err);
  shoal_buf_dispose(&sql);
  return rc;
}

static const cli_option options[] = {
    {"at", 0, "REV", "read the datasets as they were: main~1, main@{2h}, #42", false, false},
    {"format", 0, "FORMAT", "box, csv, json, parquet or arrow", false, false},
    {"output", 'o', "FILE", "write into a file; its ending says the format; -: standard output", false, false},
    {"file", 'f', "FILE", "take the query from a file, a model's for example", false, false},
    {"var", 0, "NAME=VALUE", "set a variable", false, true},
    {"result", 0, "latest", "also what was computed and not published: held back, for one", true, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {
    {"shoal sql 'from gold.delays limit 5'", "a table by name"},
    {"shoal sql 'from gold.delays' --at main~1", "as it was one publication ago"},
    {"shoal sql 'from gold.delays' -o delays.parquet", "into a file"},
    {"shoal sql \"from 'lake/gold/delays' limit 5\"", "a Delta table by its path, in a project or not"},
    {"shoal sql", "a prompt with completion"},
    {NULL, NULL}};
const cli_command cmd_sql = {"sql", "Query datasets by name.", "[QUERY] [options]", options, examples, 1, run};
