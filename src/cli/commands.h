/* SPDX-License-Identifier: Apache-2.0 */
/* Every verb's command. */
#ifndef SHOAL_CLI_COMMANDS_H
#define SHOAL_CLI_COMMANDS_H

#include "cli/cli.h"

extern const cli_command cmd_init, cmd_plan, cmd_run, cmd_status, cmd_why, cmd_sql, cmd_ls, cmd_show, cmd_log,
    cmd_rollback, cmd_branch, cmd_config, cmd_version, cmd_diff, cmd_graph, cmd_check, cmd_completion, cmd_doctor,
    cmd_rm, cmd_import, cmd_table, cmd_fsck, cmd_cache;

/* Shared by plan and status: a plan's JSON. `bound` (per node, may be NULL) adds schema changes, `origins` (per item,
   may be NULL) where results come from. */
void cli_json_plan(cli *c, const shoal_plan *plan, const shoal_bound *bound, const shoal_origin *origins,
                   shoal_buf *out);
/* Runs a query and prints its rows, or writes them to `path`. Ctrl-C cancels it: SHOAL_ECANCELLED. */
SHOAL_MUST_USE shoal_status cli_sql(cli *c, shoal_str sql, const char *path, shoal_error *err);
/* Shows a job's rows as --format says, or writes them to `path` by way of the store's staging, which the engine may
   write to. Ctrl-C cancels it: SHOAL_ECANCELLED. */
SHOAL_MUST_USE shoal_status cli_show_rows(cli *c, shoal_engine *engine, shoal_store *store, const shoal_job *job,
                                          const char *path, shoal_error *err);
/* The prompt of `shoal sql`, until its end. The exit code. */
int cli_prompt(cli *c);
/* "models/gold/delays.sql:7  avg(x) → median(x)": why a model runs, in a few words. The texts are in c's arena. */
const char *cli_why_words(cli *c, const shoal_plan *plan, const shoal_item *item, const char **place);

#endif
