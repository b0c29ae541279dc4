/* SPDX-License-Identifier: Apache-2.0 */
/* shoal init: a project, in a git repository, that runs. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/demo.h"

static const char gitignore[] = "/.shoal/\n/lake/\n/data/\n/shoal.local.yaml\n";
static const char first_model[] =
    "/* shoal\ndescription: Your first dataset. Replace it.\n*/\nselect 1 as id, 'hello' as word\n";

static shoal_status write_file(cli *c, const char *dir, const char *path, const char *text, shoal_error *err) {
  char *full = shoal_arena_printf(&c->arena, "%s/%s", dir, path);
  char *folder = full ? shoal_arena_cstr(&c->arena, shoal_str_z(full)) : NULL;
  if (!folder)
    return shoal_fail_nomem(err);
  *strrchr(folder, '/') = '\0';
  SHOAL_TRY(shoal_os_mkdirs(folder, false, err));
  return shoal_os_replace_file(full, shoal_str_z(text), err);
}

static shoal_status write_plain(cli *c, const char *dir, const char *name, shoal_error *err) {
  const char *lake = c->session.lake ? c->session.lake : "lake";
  char *yaml = shoal_arena_printf(
      &c->arena,
      "# A Shoal project. shoal plan shows what a run would do; shoal run does it.\nname: %s\nlake: %s\n# sources:\n"
      "#   raw.orders: {files: data/orders-*.csv}\n# vars: {start: 2026-01-01}\n",
      name, lake);
  if (!yaml)
    return shoal_fail_nomem(err);
  SHOAL_TRY(write_file(c, dir, "shoal.yaml", yaml, err));
  return write_file(c, dir, "models/first.sql", first_model, err);
}

static shoal_status copy_file(const char *from, const char *to, shoal_error *err) {
  shoal_buf b = {0};
  shoal_status status = shoal_os_read_file(from, (size_t)1 << 30, &b, err);
  if (status >= 0)
    status = shoal_os_replace_file(to, shoal_buf_str(&b), err);
  shoal_buf_dispose(&b);
  return status;
}

/* The demo's data lies beside the program (make demo puts it there); *found is false when it does not. */
static shoal_status copy_data(cli *c, const char *dir, bool *found, shoal_error *err) {
  static const char *const names[] = {"flights", "weather", "planes", "airports", "airlines"};
  const char *self = shoal_os_self_folder(&c->arena), *env = getenv("SHOAL_DEMO_DATA");
  char *from = env && *env ? shoal_arena_cstr(&c->arena, shoal_str_z(env))
                           : shoal_arena_printf(&c->arena, "%s/../share/shoal/flights", self ? self : ".");
  char *to = shoal_arena_printf(&c->arena, "%s/data", dir);
  shoal_stat st;
  if (!from || !to)
    return shoal_fail_nomem(err);
  *found = shoal_os_stat(from, &st, NULL) >= 0;
  if (!*found)
    return SHOAL_OK;
  SHOAL_TRY(shoal_os_mkdirs(to, false, err));
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    SHOAL_TRY(copy_file(shoal_arena_printf(&c->arena, "%s/%s.csv", from, names[i]),
                        shoal_arena_printf(&c->arena, "%s/%s.csv", to, names[i]), err));
  return SHOAL_OK;
}

static void start_git(cli *c, const char *dir) {
  shoal_git git;
  shoal_error err;
  int code;
  char *real;
  const char *ignored[] = {"git", "check-ignore", "-q", ".", NULL};
  if (shoal_os_realpath(dir, &c->arena, &real, &err) < 0 || shoal_git_find(real, &c->arena, &git, &err) < 0)
    return;
  if (git.present && (shoal_os_run(ignored, dir, true, NULL, &code, &err) < 0 || code != 0))
    return; /* part of a repository that does not ignore it */
  const char *argv[] = {"git", "init", "-q", "-b", "main", NULL};
  const char *add[] = {"git", "add", "-A", NULL};
  const char *commit[] = {"git", "-c", "user.name=shoal", "-c", "user.email=shoal@localhost", "commit",
                          "-q",  "-m", "A Shoal project", NULL};
  if (shoal_os_run(argv, dir, true, NULL, &code, &err) < 0 || code)
    return; /* no git here: a project works without */
  if (shoal_os_run(add, dir, true, NULL, &code, &err) >= 0 && code == 0)
    shoal_ignore(shoal_os_run(commit, dir, true, NULL, &code, &err));
}

/* A project's name from its folder's: letters, digits and '_'. */
static char *name_of(cli *c, const char *dir) {
  char *real;
  shoal_error err;
  if (shoal_os_realpath(dir, &c->arena, &real, &err) < 0)
    return NULL;
  char *name = shoal_arena_cstr(&c->arena, shoal_str_z(strrchr(real, '/') + 1));
  for (char *p = name; p && *p; p++)
    if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9')))
      *p = '_';
  return name && *name ? name : "project";
}

static int run(cli *c) {
  shoal_error err = {0};
  const char *dir = c->argc ? c->argv[0] : ".";
  bool demo = cli_has(c, "demo"), data = true;
  shoal_stat st;
  char *yaml = shoal_arena_printf(&c->arena, "%s/shoal.yaml", dir);
  if (yaml && shoal_os_stat(yaml, &st, NULL) >= 0) {
    shoal_fail(&err, SHOAL_EEXIST, "%s is there already", yaml);
    shoal_hint(&err, "this folder is a project; shoal plan shows what a run would do");
    return cli_fail(c, &err);
  }
  shoal_status status = shoal_os_mkdirs(dir, false, &err);
  for (const cli_demo_file *f = cli_demo_files; demo && f->path && status >= 0; f++)
    status = write_file(c, dir, f->path, f->text, &err);
  if (status >= 0 && !demo)
    status = write_plain(c, dir, name_of(c, dir), &err);
  if (status >= 0)
    status = write_file(c, dir, ".gitignore", gitignore, &err);
  if (status >= 0 && demo)
    status = copy_data(c, dir, &data, &err);
  if (status < 0)
    return cli_fail(c, &err);
  if (!cli_has(c, "no-git"))
    start_git(c, dir);
  if (c->quiet)
    return EXIT_DONE;
  printf("made the project %s%s\n", dir, demo ? " with 16 models over flights from New York City" : "");
  if (!data)
    puts("its data is not here: put flights.csv, weather.csv, planes.csv, airports.csv and airlines.csv of "
         "nycflights13 into data/");
  printf("next: cd %s && shoal plan\n", dir);
  return EXIT_DONE;
}

static const cli_option options[] = {
    {"demo", 0, NULL, "with models and data: flights from New York City", false, false},
    {"no-git", 0, NULL, "make no git repository", false, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {{"shoal init sales", "an empty project in ./sales"},
                                       {"shoal init flights --demo", "one that runs at once"},
                                       {NULL, NULL}};
const cli_command cmd_init = {"init",
                              "Make a project: shoal.yaml, models/, .gitignore, a git repository.",
                              "[DIR] [--demo] [--lake PATH]",
                              options,
                              examples,
                              1,
                              run};
