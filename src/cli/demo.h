/* SPDX-License-Identifier: Apache-2.0 */
/* The demo project's files, made part of the program when it is built. */
#ifndef SHOAL_CLI_DEMO_H
#define SHOAL_CLI_DEMO_H

typedef struct cli_demo_file {
  const char *path, *text;
} cli_demo_file;
extern const cli_demo_file cli_demo_files[]; /* ends with a NULL path */

#endif
