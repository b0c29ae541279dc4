/* SPDX-License-Identifier: Apache-2.0 */
/* shoal table restore, vacuum, optimize, clone: what keeps a table well. */
#include <stdlib.h>

#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/table_cli.h"
#include "delta/maintain.h"

/* --version N or --at TIME; without either the latest. 0, or an exit code. */
static int read_version(cli *c, const shoal_delta_table *table, int64_t *out) {
  shoal_error err = {0};
  const char *version = cli_value(c, "version"), *at = cli_value(c, "at");
  int64_t us;
  *out = SHOAL_DELTA_LATEST;
  if (version && (!shoal_str_i64(shoal_str_z(version), out) || *out < 0))
    return cli_usage(c, "'%s' is no version", version);
  if (at && !shoal_time_parse(shoal_str_z(at), &us))
    return cli_usage(c, "'%s' is no time: write 2026-01-31, or 2026-01-31T14:00:00Z", at);
  if (at && shoal_delta_version_at(table, us, out, &err) < 0)
    return cli_fail(c, &err);
  return 0;
}

/* ---- restore ---- */

static int restore(cli *c) {
  shoal_error err = {0};
  shoal_open_table t;
  shoal_delta_restored done;
  int64_t version;
  if (cli_has(c, "version") == cli_has(c, "at"))
    return cli_usage(c, "to which --version, or --at which time? shoal table history shows them");
  int rc = cli_open_table(c, 0, NULL, &t);
  if (rc)
    return rc;
  rc = read_version(c, &t.delta, &version);
  if (rc == 0 && shoal_delta_restore(&t.delta, version, &done, &err) < 0)
    rc = cli_fail(c, &err);
  else if (rc == 0 && c->json)
    printf("{\"schema_version\":1,\"table\":\"%s\",\"restored\":%lld,\"version\":%lld,\"files_added\":%zu,"
           "\"files_removed\":%zu}\n",
           c->argv[0], (long long)version, (long long)done.version, done.files_added, done.files_removed);
  else if (rc == 0 && done.version < 0)
    printf("the table is as it was at version %lld\n", (long long)version);
  else if (rc == 0 && !c->quiet)
    printf("restored version %lld as version %lld: %zu file%s came back, %zu went\n", (long long)version,
           (long long)done.version, done.files_added, done.files_added == 1 ? "" : "s", done.files_removed);
  shoal_session_table_close(&t);
  return rc;
}

#define WHICH_VERSION                                                                                                  \
  {"version", 0, "N", "the version", false, false}, {                                                                  \
    "at", 0, "TIME", "the version at a time: 2026-01-31T14:00:00Z", false, false                                       \
  }

static const cli_option restore_options[] = {WHICH_VERSION, {NULL, 0, NULL, NULL, false, false}};
static const cli_example restore_examples[] = {
    {"shoal table restore tables/carriers --version 0", "a new version, with what the old one held"},
    {"shoal table restore tables/carriers --at 2099-12-31", "as it was at a time"},
    {NULL, NULL}};
const cli_command cmd_table_restore = {"table restore",
                                       "Bring back an earlier version of a table.",
                                       "PATH-or-SOURCE (--version N | --at TIME)",
                                       restore_options,
                                       restore_examples,
                                       1,
                                       restore};

/* ---- vacuum ---- */

static void print_vacuumed(cli *c, const shoal_delta_vacuumed *done, bool tried) {
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  if (c->json) {
    shoal_jw_obj(&w);
    shoal_jw_ki64(&w, "schema_version", 1);
    shoal_jw_kz(&w, "table", c->argv[0]);
    shoal_jw_kbool(&w, "dry_run", tried);
    shoal_jw_ki64(&w, "bytes", (int64_t)done->bytes);
    shoal_jw_key(&w, "files");
    shoal_jw_arr(&w);
    for (size_t i = 0; i < done->n; i++)
      shoal_jw_str(&w, done->keys[i]);
    shoal_jw_end(&w);
    shoal_jw_end(&w);
    puts(shoal_buf_z(&b));
    shoal_buf_dispose(&b);
    return;
  }
  for (size_t i = 0; i < done->n && (tried || c->verbose); i++)
    printf("%.*s\n", SHOAL_FMT(done->keys[i]));
  if (!c->quiet)
    printf("%s%zu file%s, %s\n", tried ? "would delete " : "deleted ", done->n, done->n == 1 ? "" : "s",
           cli_bytes(c, done->bytes));
}

static int vacuum(cli *c) {
  shoal_error err = {0};
  shoal_open_table t;
  shoal_delta_vacuumed done;
  const char *retain = cli_value(c, "retain");
  shoal_delta_vacuum wanted = {.retention_us = -1, .shorter = cli_has(c, "force"), .dry_run = cli_has(c, "dry-run")};
  if (retain && (!shoal_duration_parse(shoal_str_z(retain), &wanted.retention_us) || wanted.retention_us < 0))
    return cli_usage(c, "'%s' is no duration: write 7d or 12h", retain);
  int rc = cli_open_table(c, 0, NULL, &t);
  if (rc)
    return rc;
  if (shoal_delta_vacuum_files(&t.delta, &wanted, &c->arena, &done, &err) < 0)
    rc = cli_fail(c, &err);
  else
    print_vacuumed(c, &done, wanted.dry_run);
  shoal_session_table_close(&t);
  return rc;
}

static const cli_option vacuum_options[] = {
    {"dry-run", 0, NULL, "only show the files", false, false},
    {"retain", 0, "DURATION", "how long removed files are kept; the table says it, else 7d", false, false},
    {"force", 0, NULL, "even if that is shorter than the table says", false, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example vacuum_examples[] = {
    {"shoal table vacuum tables/carriers --dry-run", "what could be deleted"},
    {"shoal table vacuum tables/carriers --retain 30d", "delete what no version of the last 30 days needs"},
    {NULL, NULL}};
const cli_command cmd_table_vacuum = {"table vacuum",
                                      "Delete files that no version within the retention needs.",
                                      "PATH-or-SOURCE [--dry-run] [--retain DURATION]",
                                      vacuum_options,
                                      vacuum_examples,
                                      1,
                                      vacuum};

/* ---- optimize ---- */

static int optimize(cli *c) {
  shoal_error err = {0};
  shoal_open_table t;
  shoal_engine *engine;
  shoal_delta_optimized done;
  shoal_delta_packing packing = {.full = cli_has(c, "full")};
  shoal_str *columns;
  double megabytes = 0;
  char *end = NULL;
  const char *size = cli_value(c, "file-size");
  if (size && (megabytes = strtod(size, &end), end == size || *end || !(megabytes > 0 && megabytes <= 1 << 20)))
    return cli_usage(c, "--file-size takes megabytes: 128");
  if (cli_names(c, "cluster-by", &columns, &packing.n_cluster_by, &err) < 0)
    return cli_fail(c, &err);
  packing.cluster_by = columns;
  packing.file_bytes = (uint64_t)(megabytes * (1 << 20));
  int rc = cli_open_table(c, 0, NULL, &t);
  if (rc)
    return rc;
  if (shoal_session_table_engine(&t, &engine, &err) < 0 ||
      shoal_delta_optimize(&t.delta, engine, &packing, &done, &err) < 0)
    rc = cli_fail(c, &err);
  else if (c->json)
    printf("{\"schema_version\":1,\"table\":\"%s\",\"version\":%lld,\"files_added\":%zu,\"files_removed\":%zu,"
           "\"bytes_added\":%llu,\"bytes_removed\":%llu}\n",
           c->argv[0], (long long)done.version, done.files_added, done.files_removed,
           (unsigned long long)done.bytes_added, (unsigned long long)done.bytes_removed);
  else if (done.version < 0)
    printf("there is nothing to %s\n", done.clustered ? "cluster" : "pack");
  else if (!c->quiet)
    printf("%s %zu file%s (%s) into %zu (%s), version %lld\n", done.clustered ? "clustered" : "packed",
           done.files_removed, done.files_removed == 1 ? "" : "s", cli_bytes(c, done.bytes_removed), done.files_added,
           cli_bytes(c, done.bytes_added), (long long)done.version);
  shoal_session_table_close(&t);
  return rc;
}

static const cli_option optimize_options[] = {
    {"file-size", 0, "MB", "about how large files shall be; the table says it (delta.targetFileSize), else 128", false,
     false},
    {"cluster-by", 0, "COLUMNS", "lay rows out so that conditions on any of these skip files", false, false},
    {"full", 0, NULL, "also files that have been clustered already", false, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example optimize_examples[] = {
    {"shoal table optimize tables/carriers", "pack small files, and those that are largely deleted"},
    {"shoal table optimize tables/carriers --file-size 512 --json", "into larger ones; for programs"},
    {"shoal table optimize tables/carriers --cluster-by carrier,name", "queries by either read few files"},
    {NULL, NULL}};
const cli_command cmd_table_optimize = {"table optimize",
                                        "Pack a table's small files into large ones, or lay its rows out by columns.",
                                        "PATH-or-SOURCE [--file-size MB] [--cluster-by COLUMNS [--full]]",
                                        optimize_options,
                                        optimize_examples,
                                        1,
                                        optimize};

/* ---- clone ---- */

static int clone_into(cli *c, shoal_open_table *source) {
  shoal_error err = {0};
  shoal_open_table t;
  int64_t version;
  size_t n_files = 0;
  int rc = read_version(c, &source->delta, &version);
  if (rc)
    return rc;
  char *from = c->argv[0];
  c->argv[0] = c->argv[1];
  rc = cli_open_table(c, SHOAL_TABLE_CREATE, NULL, &t);
  if (rc == 0 && shoal_delta_clone(&t.delta, &source->delta, version, &n_files, &err) < 0)
    rc = cli_fail(c, &err);
  else if (rc == 0 && c->json)
    printf("{\"schema_version\":1,\"table\":\"%s\",\"source\":\"%s\",\"files\":%zu}\n", c->argv[0], from, n_files);
  else if (rc == 0 && !c->quiet)
    printf("made %s: a clone of %s, whose %zu file%s it reads\n", c->argv[0], from, n_files, n_files == 1 ? "" : "s");
  c->argv[0] = from;
  shoal_session_table_close(&t);
  return rc;
}

static int clone_table(cli *c) {
  shoal_open_table source;
  if (c->argc < 2)
    return cli_usage(c, "which table, and to where?");
  if (cli_has(c, "version") && cli_has(c, "at"))
    return cli_usage(c, "either --version or --at");
  int rc = cli_open_table(c, SHOAL_TABLE_COMPUTED, NULL, &source);
  if (rc)
    return rc;
  rc = clone_into(c, &source);
  shoal_session_table_close(&source);
  return rc;
}

static const cli_option clone_options[] = {WHICH_VERSION, {NULL, 0, NULL, NULL, false, false}};
static const cli_example clone_examples[] = {
    {"shoal table clone tables/carriers tables/mine", "a table of its own over the same files"},
    {"shoal table clone tables/carriers tables/first --version 0", "as it was"},
    {NULL, NULL}};
const cli_command cmd_table_clone = {"table clone",
                                     "Make a table over another one's files, without copying them.",
                                     "PATH-or-SOURCE PATH-or-SOURCE [--version N | --at TIME]",
                                     clone_options,
                                     clone_examples,
                                     2,
                                     clone_table};
