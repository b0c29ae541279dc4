/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verbs, in the order in which a newcomer meets them. */
#include "cli/commands.h"

const cli_command *const cli_commands[] = {
    &cmd_init,  &cmd_plan,  &cmd_run,   &cmd_status, &cmd_why,      &cmd_check,      &cmd_sql,     &cmd_ls,
    &cmd_show,  &cmd_graph, &cmd_diff,  &cmd_log,    &cmd_rollback, &cmd_branch,     &cmd_rm,      &cmd_import,
    &cmd_table, &cmd_fsck,  &cmd_cache, &cmd_config, &cmd_doctor,   &cmd_completion, &cmd_version, NULL};
