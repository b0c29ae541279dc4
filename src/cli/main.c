/* SPDX-License-Identifier: Apache-2.0 */
/* The entry: finds the verb, reads its options, runs it. `shoal version` must not touch more than this file. */
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cli.h"

shoal_cancel cli_cancel;

const cli_option cli_global_options[] = {{"chdir", 'C', "DIR", "work in this folder", true, false},
                                         {"lake", 0, "PATH", "use this lake instead of shoal.yaml's", true, false},
                                         {"branch", 0, "NAME", "use this branch instead of git's", true, false},
                                         {"json", 0, NULL, "print JSON (one object, or one a line)", true, false},
                                         {"no-color", 0, NULL, "no colour", true, false},
                                         {"quiet", 'q', NULL, "only errors and what was asked for", true, false},
                                         {"verbose", 'v', NULL, "more detail", true, true},
                                         {"help", 'h', NULL, "this text; --help all shows every option", true, false},
                                         {NULL, 0, NULL, NULL, false, false}};

bool cli_has(const cli *c, const char *option) {
  for (int i = 0; i < c->n_given; i++)
    if (!strcmp(c->given[i].option->name, option))
      return true;
  return false;
}
const char *cli_value(const cli *c, const char *option) {
  const char *v = NULL;
  for (int i = 0; i < c->n_given; i++)
    if (!strcmp(c->given[i].option->name, option))
      v = c->given[i].value;
  return v;
}

shoal_status cli_args(cli *c, shoal_str **out, shoal_error *err) {
  *out = SHOAL_NEW_ARRAY(&c->arena, shoal_str, (size_t)c->argc);
  for (int i = 0; *out && i < c->argc; i++)
    (*out)[i] = shoal_str_z(c->argv[i]);
  return *out ? SHOAL_OK : shoal_fail_nomem(err);
}

enum { FIRST_OPTIONS = 5, FIRST_EXAMPLES = 2, EXAMPLE_WIDTH = 44 }; /* of a help text that was not asked for all */

static void print_options(const cli_option *options, bool all) {
  int shown = 0;
  for (const cli_option *o = options; o && o->name; o++) {
    char left[64];
    if (!all && (o->rare || shown == FIRST_OPTIONS))
      continue;
    shown++;
    snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : "", o->letter ? o->letter : ' ',
             o->letter ? ", " : "   ", o->name, o->value ? " " : "", o->value ? o->value : "");
    printf("  %-26s %s\n", left, o->help);
  }
}

static void print_example(const cli_example *e) {
  if (cli_text_width(shoal_str_z(e->command)) >= EXAMPLE_WIDTH)
    printf("  %s\n  %*s %s\n", e->command, EXAMPLE_WIDTH, "", e->what);
  else
    printf("  %-*s %s\n", EXAMPLE_WIDTH, e->command, e->what);
}

void cli_help(const cli_command *cmd, bool all) {
  printf("%s\n\nusage: shoal %s %s\n\n", cmd->summary, cmd->name, cmd->usage);
  for (const cli_command *const *v = cli_verbs_of(cmd); v && *v; v++)
    printf("  %-26s %s\n%s", strchr((*v)->name, ' ') + 1, (*v)->summary, v[1] ? "" : "\n");
  print_options(cmd->options, all);
  if (all) {
    puts("\neverywhere:");
    print_options(cli_global_options, true);
  } else {
    puts("  --help all                 every option, and more examples");
  }
  puts("\nexamples:");
  for (int i = 0; cmd->examples[i].command && (all || i < FIRST_EXAMPLES); i++)
    print_example(&cmd->examples[i]);
}

static void overview(void) {
  puts("shoal: data that behaves like code\n\nusage: shoal VERB [options]\n");
  for (int i = 0; cli_commands[i]; i++)
    printf("  %-12s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
  puts("\nshoal VERB --help tells more; start with: shoal init flights --demo");
}

int cli_usage(const cli *c, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fputs("error: ", stderr);
  vfprintf(stderr, fmt, ap);
  va_end(ap);
  fprintf(stderr, "\nusage: shoal %s %s\n", c->command->name, c->command->usage);
  return EXIT_ERROR;
}

static const cli_option *find_option(const cli_option *options, const char *name, size_t len, char letter) {
  for (const cli_option *o = options; o && o->name; o++)
    if (letter ? o->letter == letter : strlen(o->name) == len && !strncmp(o->name, name, len))
      return o;
  return NULL;
}

static int unknown_option(const cli *c, const char *arg) {
  shoal_str names[64];
  size_t n = 0;
  for (const cli_option *o = c->command->options; o && o->name && n < 40; o++)
    names[n++] = shoal_str_z(o->name);
  for (const cli_option *o = cli_global_options; o->name; o++)
    names[n++] = shoal_str_z(o->name);
  shoal_str word = shoal_str_z(arg);
  while (word.len && word.ptr[0] == '-')
    word = shoal_str_sub(word, 1, word.len);
  ptrdiff_t near = shoal_str_nearest(word, names, n);
  if (near >= 0)
    return cli_usage(c, "unknown option %s; did you mean --%.*s?", arg, SHOAL_FMT(names[near]));
  return cli_usage(c, "unknown option %s", arg);
}

/* Takes one option from argv[*i]; 0, or an exit code. */
static int take_option(cli *c, int argc, char **argv, int *i) {
  char *arg = argv[*i], *eq = strncmp(arg, "--", 2) ? NULL : strchr(arg, '=');
  bool is_long = arg[1] == '-';
  const char *name = is_long ? arg + 2 : arg + 1;
  size_t len = eq ? (size_t)(eq - name) : strlen(name);
  char letter = is_long ? 0 : arg[1];
  const cli_option *o = find_option(c->command->options, name, len, letter);
  if (!o)
    o = find_option(cli_global_options, name, len, letter);
  if (!o || (!is_long && arg[2] && !o->value))
    return unknown_option(c, arg);
  const char *value = eq ? eq + 1 : !is_long && arg[2] ? arg + 2 : NULL;
  if (o->value && !value) {
    if (*i + 1 >= argc)
      return cli_usage(c, "%s needs a value (%s)", arg, o->value);
    value = argv[++*i];
  }
  if (!o->value && value)
    return cli_usage(c, "--%s takes no value", o->name);
  if (c->n_given == (int)(sizeof c->given / sizeof *c->given))
    return cli_usage(c, "too many options");
  c->given[c->n_given].option = o;
  c->given[c->n_given++].value = value;
  return 0;
}

static int parse(cli *c, int argc, char **argv) {
  bool only_args = false;
  for (int i = 0; i < argc; i++) {
    if (!only_args && !strcmp(argv[i], "--")) {
      only_args = true;
    } else if (!only_args && argv[i][0] == '-' && argv[i][1]) {
      int rc = take_option(c, argc, argv, &i);
      if (rc)
        return rc;
    } else {
      c->argv[c->argc++] = argv[i];
    }
  }
  if (c->command->most_args >= 0 && c->argc > c->command->most_args && !cli_has(c, "help"))
    return cli_usage(c, "unexpected argument '%s'", c->argv[c->command->most_args]);
  return 0;
}

static void on_signal(int sig) {
  /* A second signal ends the process at once: as safe as kill -9 (invariant 7). */
  if (atomic_fetch_add(&cli_cancel.requested, 1) > 0) {
    signal(sig, SIG_DFL);
    raise(sig);
  }
}

static void catch_signals(void) {
  struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigemptyset(&sa.sa_mask);
  sigaction(SIGINT, &sa, NULL);
  sigaction(SIGTERM, &sa, NULL);
  signal(SIGPIPE, SIG_IGN);
}

/* Vars of the command line, for verbs that have --var. */
static void collect_vars(cli *c) {
  shoal_str *vars = SHOAL_NEW_ARRAY(&c->arena, shoal_str, 64);
  for (int i = 0; vars && i < c->n_given; i++)
    if (!strcmp(c->given[i].option->name, "var"))
      vars[c->session.n_vars++] = shoal_str_z(c->given[i].value);
  c->session.vars = vars;
}

/* --now and --seed; 0, or an exit code. */
static int collect_fixed(cli *c) {
  const char *now = cli_value(c, "now"), *seed = cli_value(c, "seed");
  int64_t n = 0;
  if (now && !shoal_time_parse(shoal_str_z(now), &c->session.now_us))
    return cli_usage(c, "'%s' is no time: write 2026-01-31, or 2026-01-31T14:00:00Z", now);
  if (seed && (!shoal_str_i64(shoal_str_z(seed), &n) || n < 0 || n > UINT32_MAX))
    return cli_usage(c, "'%s' is no seed: a number from 0 to 4294967295", seed);
  c->session.now_fixed = now != NULL;
  c->session.seed_fixed = seed != NULL;
  c->session.seed = (uint32_t)n;
  return 0;
}

/* Leak checkers see all of it taken down; else the process just ends, with the engine's threads. */
static int leave(cli *c, int rc) {
#ifdef SHOAL_SANITIZED
  shoal_session_close(c->s);
  shoal_arena_dispose(&c->arena);
  free(c->argv);
  return rc;
#else
  shoal_session_leave(c->s);
  _exit(rc);
#endif
}

static int run_command(const cli_command *cmd, int argc, char **argv) {
  cli c = {.command = cmd, .argv = calloc((size_t)argc + 1, sizeof(char *))};
  if (!c.argv)
    return EXIT_ERROR;
  int rc = parse(&c, argc, argv);
  c.json = cli_has(&c, "json");
  c.quiet = cli_has(&c, "quiet");
  for (int i = 0; i < c.n_given; i++)
    c.verbose += !strcmp(c.given[i].option->name, "verbose");
  c.tty = isatty(1) && isatty(2);
  const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
  c.color = c.tty && !(no && *no) && !(term && !strcmp(term, "dumb")) && !cli_has(&c, "no-color");
  c.session.lake = cli_value(&c, "lake");
  c.session.branch = cli_value(&c, "branch");
  if (strcmp(cmd->name, "branch")) /* there it is an argument of the verb */
    c.session.from = cli_value(&c, "from");
  c.session.cancel = &cli_cancel;
  collect_vars(&c);
  if (rc == 0)
    rc = collect_fixed(&c);
  if (rc == 0 && cli_value(&c, "chdir") && chdir(cli_value(&c, "chdir"))) {
    perror(cli_value(&c, "chdir"));
    rc = EXIT_ERROR;
  }
  if (rc == 0 && cli_has(&c, "help"))
    cli_help(cmd, c.argc > 0 && !strcmp(c.argv[0], "all"));
  else if (rc == 0)
    rc = cmd->run(&c);
  if (fflush(stdout) && rc == 0)
    rc = EXIT_ERROR;
  return leave(&c, rc);
}

static int unknown_verb(const char *verb) {
  shoal_str names[64];
  size_t n = 0;
  for (; cli_commands[n]; n++)
    names[n] = shoal_str_z(cli_commands[n]->name);
  ptrdiff_t near = shoal_str_nearest(shoal_str_z(verb), names, n);
  static const char *const reserved[] = {"ui",    "watch", "stream", "share", "test",
                                         "merge", "tag",   "bisect", "purge", "gc"};
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (!strcmp(verb, reserved[i])) {
      fprintf(stderr, "error: shoal %s is not available yet\n", verb);
      return EXIT_ERROR;
    }
  fprintf(stderr, "error: unknown verb '%s'", verb);
  if (near >= 0)
    fprintf(stderr, "; did you mean %.*s?", SHOAL_FMT(names[near]));
  fputs("\nshoal --help shows the verbs\n", stderr);
  return EXIT_ERROR;
}

/* What follows the verb as its first argument, options that stood before the verb skipped: moved right behind it. */
static const cli_command *find_inner(const cli_command *cmd, int argc, char **argv) {
  const cli_command *const *verbs = cli_verbs_of(cmd);
  int at = 2;
  while (verbs && at < argc && argv[at][0] == '-') {
    const cli_option *o = argv[at][1] == '-' ? find_option(cli_global_options, argv[at] + 2, strlen(argv[at] + 2), 0)
                                             : find_option(cli_global_options, NULL, 0, argv[at][1]);
    at += o && o->value && (argv[at][1] == '-' || !argv[at][2]) ? 2 : 1;
  }
  for (; verbs && at < argc && *verbs; verbs++) {
    if (strcmp(strchr((*verbs)->name, ' ') + 1, argv[at]) != 0)
      continue;
    for (; at > 2; at--)
      argv[at] = argv[at - 1];
    return *verbs;
  }
  return NULL;
}

int main(int argc, char **argv) {
  int i = 1;
  /* Global options may stand before the verb: they are moved behind it. */
  while (i < argc && argv[i][0] == '-' && argv[i][1]) {
    if (!strcmp(argv[i], "--version"))
      return puts("shoal " SHOAL_VERSION) < 0;
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
      return overview(), 0;
    const cli_option *o = argv[i][1] == '-' ? find_option(cli_global_options, argv[i] + 2, strcspn(argv[i] + 2, "="), 0)
                                            : find_option(cli_global_options, NULL, 0, argv[i][1]);
    i += o && o->value && !strchr(argv[i], '=') && (argv[i][1] == '-' || !argv[i][2]) ? 2 : 1;
  }
  if (i >= argc)
    return overview(), argc > 1 ? EXIT_ERROR : EXIT_DONE;
  const char *verb = argv[i];
  catch_signals();
  for (int k = 0; cli_commands[k]; k++)
    if (!strcmp(cli_commands[k]->name, verb)) {
      for (int m = i; m > 1; m--) /* the verb goes first, what stood before it follows */
        argv[m] = argv[m - 1];
      argv[1] = (char *)(uintptr_t)verb;
      const cli_command *inner = find_inner(cli_commands[k], argc, argv);
      return inner ? run_command(inner, argc - 3, argv + 3) : run_command(cli_commands[k], argc - 2, argv + 2);
    }
  return unknown_verb(verb);
}
