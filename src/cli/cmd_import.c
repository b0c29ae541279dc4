/* SPDX-License-Identifier: Apache-2.0 */
/* shoal import: files appended to a source that is a Delta table, or to any table by its path. */
#include "base/os.h"
#include "base/str.h"
#include "cli/commands.h"

/* The files as absolute paths, while the current folder is still the user's. */
static shoal_status absolute_files(cli *c, shoal_str **out, shoal_error *err) {
  *out = SHOAL_NEW_ARRAY(&c->arena, shoal_str, (size_t)c->argc);
  if (!*out)
    return shoal_fail_nomem(err);
  for (int i = 0; i + 1 < c->argc; i++) {
    char *real;
    SHOAL_TRY(shoal_os_realpath(c->argv[i], &c->arena, &real, err));
    (*out)[i] = shoal_str_z(real);
  }
  return SHOAL_OK;
}

/* A table's path as an absolute one; a source's name as it is. */
static shoal_status target_of(cli *c, shoal_str *out, shoal_error *err) {
  shoal_str given = shoal_str_z(c->argv[c->argc - 1]);
  char *cwd;
  *out = given;
  if (shoal_str_chr(given, '/') < 0 || given.ptr[0] == '/')
    return SHOAL_OK;
  SHOAL_TRY(shoal_os_cwd(&c->arena, &cwd, err));
  *out = shoal_str_z(shoal_arena_printf(&c->arena, "%s/%s", cwd, given.ptr));
  return out->ptr ? SHOAL_OK : shoal_fail_nomem(err);
}

static void print(cli *c, shoal_str source, const shoal_delta_appended *done) {
  size_t files = (size_t)c->argc - 1;
  if (c->json) {
    printf("{\"schema_version\":1,\"source\":\"%.*s\",\"version\":%lld,\"rows\":%llu,\"bytes\":%llu,\"created\":%s}\n",
           SHOAL_FMT(source), (long long)done->version, (unsigned long long)done->rows, (unsigned long long)done->bytes,
           done->created ? "true" : "false");
  } else if (done->version < 0) {
    printf("nothing to append: no rows in %zu file%s\n", files, files == 1 ? "" : "s");
  } else if (!c->quiet) {
    printf("%s %.*s: %s of %zu file%s, %s, version %lld\n%s", done->created ? "made" : "appended to", SHOAL_FMT(source),
           cli_rows(c, done->rows), files, files == 1 ? "" : "s", cli_bytes(c, done->bytes), (long long)done->version,
           c->s ? "see what reads it: shoal plan\n" : "");
  }
}

static int run(cli *c) {
  shoal_error err = {0};
  shoal_str *files, target;
  shoal_delta_appended done;
  if (c->argc < 2)
    return cli_usage(c, "which files, and into which source?");
  if (absolute_files(c, &files, &err) < 0 || target_of(c, &target, &err) < 0)
    return cli_fail(c, &err);
  if (cli_open_for_table(c, target, &err) < 0 ||
      shoal_session_import(c->s, &cli_cancel, files, (size_t)c->argc - 1, target, cli_has(c, "merge-schema"), &done,
                           &err) < 0)
    return cli_fail(c, &err);
  print(c, shoal_str_z(c->argv[c->argc - 1]), &done);
  return EXIT_DONE;
}

static const cli_option options[] = {
    {"merge-schema", 0, NULL, "columns that the table lacks become its own", false, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {
    {"shoal import data/airlines.csv tables/airlines", "a table of files, or more rows for it"},
    {"shoal import data/airlines.csv tables/airlines --json", "for programs"},
    {NULL, NULL}};
const cli_command cmd_import = {
    "import", "Append files to a source table.", "FILE… SOURCE-or-PATH [--merge-schema]", options, examples, -1, run};
