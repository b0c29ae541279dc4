/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: one cmd_<verb>.c per verb with declarative options, one table of verbs, one way to say errors. Only
 * this folder prints.
 */
#ifndef SHOAL_CLI_CLI_H
#define SHOAL_CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "session/session.h"

enum { EXIT_DONE = 0, EXIT_ERROR = 1, EXIT_CHANGES = 2, EXIT_HELD = 3, EXIT_CONFLICT = 4 };

typedef struct cli_option {
  const char *name;  /* "keep-going" */
  char letter;       /* 0: none */
  const char *value; /* "REV": takes a value; NULL: a flag */
  const char *help;
  bool rare; /* shown only by --help all */
  bool many; /* may stand several times */
} cli_option;

typedef struct cli_example {
  const char *command, *what;
} cli_example;

typedef struct cli cli;
typedef struct cli_command {
  const char *name, *summary, *usage;
  const cli_option *options;   /* ends with a NULL name */
  const cli_example *examples; /* ends with a NULL command */
  int most_args;               /* -1: any number */
  int (*run)(cli *c);
} cli_command;

struct cli {
  const cli_command *command;
  int argc; /* positional arguments */
  char **argv;
  struct {
    const cli_option *option;
    const char *value;
  } given[64];
  int n_given;
  bool json, quiet, color, tty, no_pager;
  int verbose;
  shoal_session_options session;
  shoal_session *s; /* opened by cli_open */
  shoal_arena arena;
};

extern const cli_command *const cli_commands[]; /* ends with NULL */
/* The verbs of a command that has such (`shoal table`), ending with NULL; else NULL. */
const cli_command *const *cli_verbs_of(const cli_command *cmd);
extern const cli_option cli_global_options[]; /* ends with a NULL name */
/* What models read beside data: options of the verbs that plan. main.c puts them into the session's options. */
#define CLI_PARAMETERS                                                                                                 \
  {"var", 0, "NAME=VALUE", "set a variable", false, true},                                                             \
      {"now", 0, "TIME", "what now(), current_date and their like say", true, false}, {                                \
    "seed", 0, "N", "what random() begins with", true, false                                                           \
  }

bool cli_has(const cli *c, const char *option);
const char *cli_value(const cli *c, const char *option); /* the last one given, or NULL */
/* The positional arguments as views, c->argc of them, in c's arena. */
SHOAL_MUST_USE shoal_status cli_args(cli *c, shoal_str **out, shoal_error *err);
/* Opens the session; prints the error and returns its exit code on failure, else 0. */
int cli_open(cli *c);
/* Opens the session if it is not open; c->s stays NULL where there is no project and the table is told by its path. */
SHOAL_MUST_USE shoal_status cli_open_for_table(cli *c, shoal_str table, shoal_error *err);
/* Without a project and a lake, too: what has no name there is read by its path. */
int cli_open_anywhere(cli *c);
/* The absolute path of --output, asked for before cli_open leaves the user's folder; NULL: none was given, or "-", the
   standard output. */
SHOAL_MUST_USE shoal_status cli_output_path(cli *c, char **out, shoal_error *err);
/* Prints an error (or its JSON) and gives the exit code that belongs to it. */
int cli_fail(const cli *c, const shoal_error *err);
int cli_usage(const cli *c, const char *fmt, ...) SHOAL_PRINTF(2, 3); /* a wrong call: exit code 1 */
void cli_help(const cli_command *cmd, bool all);
/* Set when Ctrl-C or SIGTERM came. */
extern shoal_cancel cli_cancel;

/* --- rendering --- */
typedef enum cli_style {
  STYLE_PLAIN,
  STYLE_BOLD,
  STYLE_DIM,
  STYLE_RED,
  STYLE_GREEN,
  STYLE_YELLOW,
  STYLE_CYAN
} cli_style;
const char *cli_on(const cli *c, cli_style style); /* escape sequence or "" */
const char *cli_off(const cli *c);
/* A formatted text in c's arena; "" without memory. Cut at 600 bytes. */
const char *cli_text(cli *c, const char *fmt, ...) SHOAL_PRINTF(2, 3);
/* "1.2 M", "38 MB", "4 s", "~0.2 s"; the text is in the arena of c. */
const char *cli_count(cli *c, uint64_t n);
const char *cli_rows(cli *c, uint64_t n); /* "1 row", "12 k rows" */
/* "5 rows", or what kind of object it is. */
const char *cli_extent(cli *c, const shoal_result *r);
const char *cli_bytes(cli *c, uint64_t n);
const char *cli_time(cli *c, int64_t us);
const char *cli_ago(cli *c, int64_t us); /* "2 minutes ago" of a time */
int cli_width(void);                     /* of the terminal, or 80 */
int cli_text_width(shoal_str s);         /* columns of UTF-8 text, roughly */
/* Rows of cells with aligned columns; right[i] aligns to the right. Cells are NULL-terminated per row of n. */
void cli_table(const char *const *cells, size_t rows, size_t columns, const bool *right);
/* Leaves out the middle of texts in the columns first, second and then 0 until a table is at most `width` wide. */
void cli_fit(cli *c, const char **cells, size_t rows, size_t columns, size_t first, size_t second, int width);
/* Prints the result rows in a box (DuckDB's manner), at most `limit` rows; returns rows printed or -1 with err set. */
int64_t cli_box(cli *c, shoal_rows *rows, size_t limit, shoal_error *err);

#endif
