/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `shoal table` share. Each of its verbs is a command of its own: "table delete". */
#ifndef SHOAL_CLI_TABLE_CLI_H
#define SHOAL_CLI_TABLE_CLI_H

#include "cli/commands.h"
#include "session/table.h"

extern const cli_command cmd_table_create, cmd_table_append, cmd_table_delete, cmd_table_update, cmd_table_merge,
    cmd_table_overwrite, cmd_table_clone, cmd_table_restore, cmd_table_optimize, cmd_table_vacuum, cmd_table_history,
    cmd_table_checkpoint, cmd_table_changes, cmd_table_alter;

/* The table of the first argument. `readable` are further paths, as the user gave them (NULL ends the list); folders
   get a final '/'. Outside a project only paths will do. Prints the error and returns its exit code on failure, else
   0. */
int cli_open_table(cli *c, unsigned flags, const char *const *readable, shoal_open_table *out);
/* Values of an option that may stand several times, in c's arena. */
SHOAL_MUST_USE shoal_status cli_values(cli *c, const char *option, const char ***out, size_t *n, shoal_error *err);
/* What stands between an option's commas, in c's arena. */
SHOAL_MUST_USE shoal_status cli_names(cli *c, const char *option, shoal_str **out, size_t *n, shoal_error *err);

#endif
