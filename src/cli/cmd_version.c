/* SPDX-License-Identifier: Apache-2.0 */
/* shoal version: loads nothing. */
#include "cli/commands.h"

static int run(cli *c) {
  if (c->json)
    puts("{\"schema_version\":1,\"shoal\":\"" SHOAL_VERSION "\",\"duckdb\":\"" SHOAL_DUCKDB_VERSION
         "\",\"lake_format\":1}");
  else
    puts("shoal " SHOAL_VERSION " (DuckDB " SHOAL_DUCKDB_VERSION ", lake format 1)");
  return EXIT_DONE;
}

static const cli_option options[] = {{NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {
    {"shoal version", "what is installed"}, {"shoal version --json", "for programs"}, {NULL, NULL}};
const cli_command cmd_version = {
    "version", "Show the versions of Shoal, its engine and its lake format.", "[--json]", options, examples, 0, run};
