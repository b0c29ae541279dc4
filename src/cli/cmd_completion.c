/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shoal completion: what shells complete and what man shows, written from the table of verbs and their options, so that
 * neither can fall behind. Datasets are completed by `shoal ls --names`, which reads the cached state of the branch,
 * branches by `shoal branch --names`, which reads one object of each.
 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/commands.h"

/* Verbs whose arguments are datasets say so in their usage. */
static bool takes_datasets(const cli_command *cmd) {
  return strstr(cmd->usage, "DATASET") || strstr(cmd->usage, "SELECTOR") || strstr(cmd->usage, "PATTERN");
}

/* So do those whose arguments are branches. */
static bool takes_branches(const cli_command *cmd) { return strstr(cmd->usage, "NAME [--from REV]") != NULL; }

static void print_verbs(bool (*wanted)(const cli_command *), const char *between) {
  const char *sep = "";
  for (size_t i = 0; cli_commands[i]; i++)
    if (!wanted || wanted(cli_commands[i])) {
      printf("%s%s", sep, cli_commands[i]->name);
      sep = between;
    }
}

/* For each command, and behind one that has verbs of its own each of these. */
static void for_each_command(void (*visit)(const cli_command *)) {
  for (size_t i = 0; cli_commands[i]; i++) {
    visit(cli_commands[i]);
    for (const cli_command *const *v = cli_verbs_of(cli_commands[i]); v && *v; v++)
      visit(*v);
  }
}

/* The verb of a command without the one it belongs to. */
static const char *last_word(const cli_command *cmd) {
  const char *space = strrchr(cmd->name, ' ');
  return space ? space + 1 : cmd->name;
}

static void print_inner(const cli_command *cmd) {
  for (const cli_command *const *v = cli_verbs_of(cmd); v && *v; v++)
    printf("%s%s", last_word(*v), v[1] ? " " : "");
}

static void print_flags(const cli_option *options) {
  for (const cli_option *o = options; o->name; o++) {
    printf(" --%s", o->name);
    if (o->letter)
      printf(" -%c", o->letter);
  }
}

/* Global options with a value, which may stand before the verb: -C|--chdir|… */
static void print_valued(void) {
  const char *sep = "";
  for (const cli_option *o = cli_global_options; o->name; o++)
    if (o->value) {
      printf("%s--%s", sep, o->name);
      sep = "|";
      if (o->letter)
        printf("|-%c", o->letter);
    }
}

static void bash_command(const cli_command *cmd) {
  printf("  '%s') options='", cmd->name);
  print_flags(cmd->options);
  printf("'%s", takes_datasets(cmd) ? "; names='ls'" : takes_branches(cmd) ? "; names='branch'" : "");
  if (cli_verbs_of(cmd)) {
    printf("; inner='");
    print_inner(cmd);
    putchar('\'');
  }
  puts(" ;;");
}

/* Commands that have verbs of their own, for a shell's `case`. */
static bool has_inner(const cli_command *cmd) { return cli_verbs_of(cmd) != NULL; }

static void bash(void) {
  puts("# bash completion of shoal: eval \"$(shoal completion bash)\"\n"
       "_shoal() {\n"
       "  local cur=${COMP_WORDS[COMP_CWORD]} verb='' options='' names='' inner='' i\n"
       "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
       "    case ${COMP_WORDS[i]} in");
  printf("    ");
  print_valued();
  puts(") i=$((i + 1)) ;;\n"
       "    -*) ;;\n"
       "    *) verb=${COMP_WORDS[i]}; break ;;\n"
       "    esac\n"
       "  done");
  printf("  case $verb in ");
  print_verbs(has_inner, "|");
  puts(") ((i + 1 < COMP_CWORD)) && verb=\"$verb ${COMP_WORDS[i+1]}\" ;; esac\n"
       "  case $verb in");
  for_each_command(bash_command);
  printf("  esac\n  options=\"$options");
  print_flags(cli_global_options);
  printf("\"\n  if [[ ${COMP_WORDS[COMP_CWORD-1]} == --@(branch|from|at|to) ]]; then\n    mapfile -t COMPREPLY < "
         "<(compgen -W "
         "\"$(shoal branch --names 2>/dev/null)\" -- \"$cur\")\n  elif [[ $cur == -* ]]; then\n    mapfile -t "
         "COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
         "  elif [[ -z $verb ]]; then\n    mapfile -t COMPREPLY < <(compgen -W '");
  print_verbs(NULL, " ");
  puts("' -- \"$cur\")\n"
       "  elif [[ $inner ]]; then\n    mapfile -t COMPREPLY < <(compgen -W \"$inner\" -- \"$cur\")\n"
       "  elif [[ $names ]]; then\n"
       "    mapfile -t COMPREPLY < <(compgen -W \"$(shoal $names --names 2>/dev/null)\" -- \"$cur\")\n"
       "  elif [[ $verb == completion ]]; then\n"
       "    mapfile -t COMPREPLY < <(compgen -W 'bash zsh fish man' -- \"$cur\")\n"
       "  fi\n"
       "}\n"
       "complete -o default -F _shoal shoal");
}

/* Text between single quotes of a shell. */
static void quoted(const char *text, const char *quote) {
  for (; *text; text++)
    if (*text == '\'')
      fputs(quote, stdout);
    else
      putchar(*text);
}

static void zsh_options(const cli_option *options) {
  for (const cli_option *o = options; o->name; o++) {
    printf(" '--%s:", o->name);
    quoted(o->help, "'\\''");
    putchar('\'');
  }
}

static void zsh_command(const cli_command *cmd) {
  printf("  '%s') options=(", cmd->name);
  zsh_options(cmd->options);
  printf(")");
  if (cli_verbs_of(cmd)) {
    printf("; inner=(");
    print_inner(cmd);
    printf(")");
  }
  puts(" ;;");
}

static void zsh(void) {
  puts("#compdef shoal\n# zsh completion of shoal: eval \"$(shoal completion zsh)\", or a file _shoal in $fpath\n"
       "_shoal() {\n"
       "  local -a verbs options datasets inner\n"
       "  local verb=${words[2]}\n"
       "  verbs=(");
  for (size_t i = 0; cli_commands[i]; i++) {
    printf("    '%s:", cli_commands[i]->name);
    quoted(cli_commands[i]->summary, "'\\''");
    puts("'");
  }
  puts("  )\n  if (( CURRENT == 2 )) && [[ ${words[2]} != -* ]]; then\n    _describe verb verbs\n    return\n  fi");
  printf("  case $verb in ");
  print_verbs(has_inner, "|");
  puts(") (( CURRENT > 3 )) && verb=\"$verb ${words[3]}\" ;; esac\n"
       "  case $verb in");
  for_each_command(zsh_command);
  printf("  esac\n  options+=(");
  zsh_options(cli_global_options);
  printf(")\n  if [[ ${words[CURRENT]} == -* ]]; then\n    _describe option options\n    return\n  fi\n  if (( $#inner "
         ")); then\n    _describe verb inner\n    return\n  fi\n  case $verb "
         "in\n  ");
  print_verbs(takes_datasets, "|");
  puts(") datasets=(${(f)\"$(shoal ls --names 2>/dev/null)\"}); _describe dataset datasets; _files ;;\n"
       "  branch) datasets=(${(f)\"$(shoal branch --names 2>/dev/null)\"}); _describe branch datasets ;;\n"
       "  completion) datasets=(bash zsh fish man); _describe shell datasets ;;\n"
       "  *) _files ;;\n"
       "  esac\n"
       "}\n"
       "if [[ ${funcstack[1]} == _shoal ]]; then _shoal \"$@\"; else compdef _shoal shoal; fi");
}

static void fish_options(const cli_option *options, const char *verb) {
  for (const cli_option *o = options; o->name; o++) {
    printf("complete -c shoal");
    if (verb)
      printf(" -n '__fish_seen_subcommand_from %s'", verb);
    printf(" -l %s", o->name);
    if (o->letter)
      printf(" -s %c", o->letter);
    printf("%s -d '", o->value ? " -r" : "");
    quoted(o->help, "\\'");
    puts("'");
  }
}

static void fish_command(const cli_command *cmd) {
  printf("complete -c shoal -n __fish_use_subcommand -f -a %s -d '", cmd->name);
  quoted(cmd->summary, "\\'");
  puts("'");
  fish_options(cmd->options, cmd->name);
  for (const cli_command *const *v = cli_verbs_of(cmd); v && *v; v++) {
    printf("complete -c shoal -n '__fish_seen_subcommand_from %s' -a %s -d '", cmd->name, last_word(*v));
    quoted((*v)->summary, "\\'");
    puts("'");
    fish_options((*v)->options, cmd->name);
  }
}

static void fish(void) {
  puts("# fish completion of shoal: shoal completion fish | source");
  fish_options(cli_global_options, NULL);
  for (size_t i = 0; cli_commands[i]; i++)
    fish_command(cli_commands[i]);
  printf("complete -c shoal -n '__fish_seen_subcommand_from ");
  print_verbs(takes_datasets, " ");
  puts("' -a '(shoal ls --names 2>/dev/null)'\n"
       "complete -c shoal -n '__fish_seen_subcommand_from branch' -f -a '(shoal branch --names 2>/dev/null)'\n"
       "complete -c shoal -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish man'");
}

/* Text as roff wants it: plain ASCII, nothing taken for a request. */
static void roff(const char *text) {
  const unsigned char *p = (const unsigned char *)text;
  if (*p == '.' || *p == '\'')
    fputs("\\&", stdout);
  while (*p) {
    unsigned lead = *p++, more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    unsigned code = more == 3 ? lead & 7 : more == 2 ? lead & 15 : more == 1 ? lead & 31 : lead;
    for (; more && *p; more--)
      code = code << 6 | (*p++ & 63u);
    if (code == '\\')
      fputs("\\e", stdout);
    else if (code == '-')
      fputs("\\-", stdout);
    else if (code == '\'')
      fputs("\\(aq", stdout);
    else if (code > 126)
      printf("\\[u%04X]", code);
    else
      putchar((int)code);
  }
}

static void man_options(const cli_option *options) {
  for (const cli_option *o = options; o->name; o++) {
    printf(".TP\n\\fB");
    if (o->letter)
      printf("\\-%c\\fR, \\fB", o->letter);
    printf("\\-\\-");
    roff(o->name);
    printf("\\fR");
    if (o->value) {
      printf(" \\fI");
      roff(o->value);
      printf("\\fR");
    }
    putchar('\n');
    roff(o->help);
    puts(o->many ? "; may be given several times" : "");
  }
}

static void man_verb(const cli_command *cmd) {
  printf(".SS shoal %s ", cmd->name);
  roff(cmd->usage);
  putchar('\n');
  roff(cmd->summary);
  putchar('\n');
  man_options(cmd->options);
  puts(".PP\nExamples:\n.RS 4\n.nf");
  for (const cli_example *e = cmd->examples; e->command; e++) {
    printf("\\fB");
    roff(e->command);
    printf("\\fR    # ");
    roff(e->what);
    putchar('\n');
  }
  puts(".fi\n.RE");
}

static void man(void) {
  puts(".TH SHOAL 1 \"\" \"Shoal " SHOAL_VERSION "\" \"Shoal\"\n.SH NAME\nshoal \\- data that behaves like code\n"
       ".SH SYNOPSIS\n\\fBshoal\\fR \\fIVERB\\fR [\\fIargument\\fR ...] [\\fIoption\\fR ...]\n.SH DESCRIPTION\n"
       "Shoal runs a project of SQL models, each a SELECT in a file, computes what is not there yet, never the same "
       "twice,\nand publishes all datasets of a branch at once as Delta tables.\n.SH VERBS");
  for_each_command(man_verb);
  puts(".SH OPTIONS OF EVERY VERB");
  man_options(cli_global_options);
  puts(".SH EXIT STATUS\n.TP\n0\ndone\n.TP\n1\nan error\n.TP\n2\nthe plan has changes (with \\-\\-exit\\-code)\n"
       ".TP\n3\nan expectation holds the publication back\n.TP\n4\na conflict: the world has moved\n"
       ".SH ENVIRONMENT\n.TP\n\\fBSHOAL_BRANCH\\fR\nthe branch, instead of git\\(aqs\n"
       ".TP\n\\fBSHOAL_DUCKDB\\fR\nthe engine\\(aqs library, libduckdb.so\n"
       ".TP\n\\fBNO_COLOR\\fR\nif it is set and not empty: no colour\n"
       ".SH FILES\n.TP\n\\fIshoal.yaml\\fR\nthe project: its name, lake, sources, variables\n"
       ".TP\n\\fIshoal.local.yaml\\fR\nsettings of this machine, not in git\n"
       ".TP\n\\fImodels/\\fR, \\fImacros/\\fR\nthe project\\(aqs SQL\n"
       ".TP\n\\fI.shoal/\\fR\na cache: deleting it costs time, nothing else");
}

static int run(cli *c) {
  static const struct {
    const char *name;
    void (*write)(void);
  } kinds[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}, {"man", man}};
  for (size_t i = 0; c->argc && i < sizeof kinds / sizeof *kinds; i++)
    if (!strcmp(c->argv[0], kinds[i].name)) {
      kinds[i].write();
      return EXIT_DONE;
    }
  return cli_usage(c, c->argc ? "'%s' is none of bash, zsh, fish and man" : "for which shell?%s",
                   c->argc ? c->argv[0] : "");
}

static const cli_option options[] = {{NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {{"eval \"$(shoal completion bash)\"", "in ~/.bashrc"},
                                       {"shoal completion fish | source", "in config.fish"},
                                       {"shoal completion man", "the manual page"},
                                       {NULL, NULL}};
const cli_command cmd_completion = {
    "completion", "Write the completions of a shell, or the manual page.", "bash|zsh|fish|man", options, examples, 1,
    run};
