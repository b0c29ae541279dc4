/* SPDX-License-Identifier: Apache-2.0 */
/* shoal table changes: what happened to the rows of a table that keeps a change data feed. */
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "cli/table_cli.h"
#include "delta/changes.h"

/* A version, or a time: of a range's end the last version that is not younger, of its beginning the first that is not
   older. 0, or an exit code. */
static int read_end(cli *c, const char *option, const shoal_delta_table *table, int64_t *out) {
  shoal_error err = {0};
  shoal_str text = shoal_str_z(cli_value(c, option));
  bool first = !strcmp(option, "from");
  int64_t us;
  *out = SHOAL_DELTA_LATEST;
  if (!text.ptr || (shoal_str_i64(text, out) && *out >= 0))
    return 0;
  if (!shoal_time_parse(text, &us))
    return cli_usage(c, "--%s: '%s' is neither a version nor a time: write 3, 2026-01-31 or 2026-01-31T14:00:00Z",
                     option, text.ptr);
  shoal_status status =
      first ? shoal_delta_version_since(table, us, out, &err) : shoal_delta_version_at(table, us, out, &err);
  return status < 0 ? cli_fail(c, &err) : 0;
}

static int show(cli *c, shoal_open_table *t, const char *path) {
  shoal_error err = {0};
  shoal_engine *engine;
  shoal_delta_changes changes = {0};
  int64_t from, to;
  int rc = read_end(c, "from", &t->delta, &from);
  if (rc == 0)
    rc = read_end(c, "to", &t->delta, &to);
  if (rc)
    return rc;
  shoal_status status = shoal_delta_changes_open(&t->delta, from, to, &t->arena, &changes, &err);
  if (status >= 0)
    status = shoal_session_table_engine(t, &engine, &err);
  if (status >= 0)
    status = cli_show_rows(c, engine, t->store, &changes.job, path, &err);
  shoal_delta_changes_dispose(&changes);
  return status < 0 ? cli_fail(c, &err) : 0;
}

static int run(cli *c) {
  shoal_error err = {0};
  shoal_open_table t;
  char *path = NULL;
  if (!cli_has(c, "from"))
    return cli_usage(c, "--from which version, or which time? shoal table history shows them");
  if (cli_output_path(c, &path, &err) < 0)
    return cli_fail(c, &err);
  int rc = cli_open_table(c, SHOAL_TABLE_COMPUTED, NULL, &t);
  if (rc)
    return rc;
  rc = show(c, &t, path);
  shoal_session_table_close(&t);
  return rc;
}

static const cli_option options[] = {
    {"from", 0, "VERSION|TIME", "the first version, or the first one from a time on", false, false},
    {"to", 0, "VERSION|TIME", "the last version, or the last one until a time; else the latest", false, false},
    {"format", 0, "FORMAT", "box, csv, json, parquet or arrow", false, false},
    {"output", 'o', "FILE", "write into a file; its ending says the format; -: standard output", false, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {
    {"shoal table changes tables/visits --from 0", "every change that the table kept"},
    {"shoal table changes tables/visits --from 0 --to 2099-12-31 -o changes.parquet", "some, into a file"},
    {NULL, NULL}};
const cli_command cmd_table_changes = {"table changes",
                                       "Show which rows were inserted, updated and deleted.",
                                       "PATH-or-SOURCE --from VERSION|TIME [--to VERSION|TIME] [options]",
                                       options,
                                       examples,
                                       1,
                                       run};
