/* SPDX-License-Identifier: Apache-2.0 */
/* shoal doctor: whether all that Shoal stands on is there and sound, and what to do about what is not. */
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/json.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/commands.h"

#define FREE_FAIL 100000000ULL  /* bytes: a run of anything would stop */
#define FREE_WARN 2000000000ULL /* bytes: a run of something big may stop */
#define CLOCK_SKEW_US 2000000   /* times of files and of this machine are compared by the watch and by leases */

typedef enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL } verdict;

typedef struct doctor {
  cli *c;
  shoal_buf json;
  shoal_jw w;
  int failed;
} doctor;

static void say(doctor *d, verdict v, const char *what, const char *text, const char *hint) {
  static const char *const words[] = {"ok", "warn", "fail"};
  static const cli_style styles[] = {STYLE_GREEN, STYLE_YELLOW, STYLE_RED};
  cli *c = d->c;
  d->failed += v == VERDICT_FAIL;
  if (c->json) {
    shoal_jw_obj(&d->w);
    shoal_jw_kz(&d->w, "check", what);
    shoal_jw_kz(&d->w, "verdict", words[v]);
    shoal_jw_kz(&d->w, "text", text);
    shoal_jw_kz(&d->w, "hint", v == VERDICT_OK ? NULL : hint);
    shoal_jw_end(&d->w);
    return;
  }
  printf("%s%-4s%s  %-8s %s\n", cli_on(c, styles[v]), words[v], cli_off(c), what, text);
  if (v != VERDICT_OK && hint && *hint)
    printf("                %s\n", hint);
}

static void say_error(doctor *d, verdict v, const char *what, const shoal_error *err) {
  say(d, v, what, err->message, err->hint);
}

/* The first line a program prints, NULL if it does not run. */
static const char *first_line(cli *c, const char *const *argv) {
  shoal_buf out = {0};
  shoal_error ignored;
  int code = 0;
  shoal_str line, rest;
  const char *found = NULL;
  if (shoal_os_run(argv, NULL, true, &out, &code, &ignored) >= 0 && code == 0) {
    rest = shoal_buf_str(&out);
    found = shoal_str_split(&rest, '\n', &line) ? cli_text(c, "%.*s", SHOAL_FMT(line)) : "";
  }
  shoal_buf_dispose(&out);
  return found;
}

static void check_git(doctor *d) {
  const char *version = first_line(d->c, (const char *const[]){"git", "--version", NULL});
  bool inside = d->c->s && d->c->s->git.present;
  if (!version)
    say(d, VERDICT_WARN, "git", "git is not installed: there are no branches but the trunk", "apt-get install git");
  else if (d->c->s && d->c->s->root && !inside)
    say(d, VERDICT_WARN, "git", cli_text(d->c, "%s, but the project is not in a repository", version),
        "git init, so that branches of code are branches of data");
  else if (inside && !d->c->s->branch.ptr)
    say(d, VERDICT_WARN, "git", "HEAD is detached: there is no branch to work on",
        "git switch to a branch, or say --branch NAME or SHOAL_BRANCH=NAME");
  else
    say(d, VERDICT_OK, "git", version, NULL);
}

static void check_engine(doctor *d) {
  shoal_engine *engine = NULL;
  shoal_error err = {0};
  if (shoal_engine_open_duckdb(&(shoal_engine_config){0}, &engine, &err) < 0)
    say_error(d, VERDICT_FAIL, "engine", &err);
  else
    say(d, VERDICT_OK, "engine", shoal_engine_version(engine), NULL);
  shoal_engine_free(engine);
}

static void check_index(doctor *d) {
  const shoal_session *s = d->c->s;
  shoal_error err = {0};
  shoal_index_item item = {SHOAL_STR("doctor"), SHOAL_STR("1")};
  if (!s->root)
    return;
  if (!s->index || shoal_index_put(s->index, &item, 1, &err) < 0 || !shoal_index_view(s->index, item.key).ptr)
    say(d, VERDICT_WARN, "index", "the local index can't be written, so every run reads everything anew",
        "make .shoal/ writable, or delete it");
  else
    say(d, VERDICT_OK, "index", cli_text(d->c, "%s/.shoal", s->root), NULL);
  if (s->index)
    shoal_index_release(s->index);
}

/* Writes a file where results are staged; its time is by the clock of whoever keeps the lake. */
static void check_writable(doctor *d) {
  cli *c = d->c;
  shoal_error err = {0};
  shoal_stat st = {0};
  char *folder = NULL;
  shoal_status status = shoal_store_staging(c->s->store, &c->arena, &folder, &err);
  const char *file = status < 0 ? "" : cli_text(c, "%s/doctor", folder);
  int64_t before = shoal_time_now();
  if (status >= 0)
    status = shoal_os_create_file(file, SHOAL_STR("doctor"), &err);
  int64_t after = shoal_time_now();
  if (status >= 0)
    status = shoal_os_stat(file, &st, &err);
  if (folder)
    shoal_ignore(shoal_os_remove_tree(folder, NULL)); /* the next staging clears what is left */
  if (status < 0) {
    shoal_hint(&err, "runs need to write there; reading works");
    say_error(d, VERDICT_FAIL, "write", &err);
    return;
  }
  say(d, VERDICT_OK, "write", "the lake can be written", NULL);
  int64_t at = st.mtime_ns / 1000;
  int64_t off = at < before ? at - before : at > after ? at - after : 0;
  if (off < -CLOCK_SKEW_US || off > CLOCK_SKEW_US)
    say(d, VERDICT_WARN, "clock",
        cli_text(c, "the lake's clock is %s %s this machine's", cli_time(c, off < 0 ? -off : off),
                 off < 0 ? "behind" : "ahead of"),
        "let both follow a time server (NTP)");
  else
    say(d, VERDICT_OK, "clock", "the lake's clock and this machine's agree", NULL);
}

static void check_space(doctor *d) {
  struct statvfs v;
  if (statvfs(d->c->s->lake_path.ptr, &v))
    return; /* the lake's own check has told */
  uint64_t left = (uint64_t)v.f_bavail * v.f_frsize;
  say(d,
      left < FREE_FAIL   ? VERDICT_FAIL
      : left < FREE_WARN ? VERDICT_WARN
                         : VERDICT_OK,
      "space", cli_text(d->c, "%s are free where the lake lies", cli_bytes(d->c, left)),
      "make room: a run needs what it writes");
}

static void check_lake(doctor *d) {
  cli *c = d->c;
  shoal_error err = {0};
  shoal_status status = shoal_session_open_lake(c->s, false, &err);
  if (status < 0) {
    say_error(d, status == SHOAL_ENOTFOUND && c->s->root ? VERDICT_WARN : VERDICT_FAIL, "lake", &err);
    return;
  }
  say(d, VERDICT_OK, "lake", cli_text(c, "%.*s, format 1", SHOAL_FMT(c->s->lake_path)), NULL);
  if (shoal_os_network_fs(c->s->lake_path.ptr))
    say(d, VERDICT_WARN, "lake", "it lies on a network file system",
        "runs are safe as far as its links and renames are atomic");
  check_writable(d);
  check_space(d);
}

static void check_dot(doctor *d) {
  int code = 0;
  shoal_buf out = {0};
  shoal_error ignored;
  bool there = shoal_os_run((const char *const[]){"dot", "-V", NULL}, NULL, true, &out, &code, &ignored) >= 0 && !code;
  shoal_buf_dispose(&out);
  say(d, there ? VERDICT_OK : VERDICT_WARN, "graphviz",
      there ? "dot is installed" : "dot is not installed: shoal graph writes no pictures",
      "apt-get install graphviz; shoal graph -o graph.dot works without");
}

static int run(cli *c) {
  doctor d = {.c = c};
  shoal_error err = {0};
  d.w = (shoal_jw){.out = &d.json};
  shoal_jw_obj(&d.w);
  shoal_jw_ki64(&d.w, "schema_version", 1);
  shoal_jw_key(&d.w, "checks");
  shoal_jw_arr(&d.w);
  shoal_status status = shoal_session_open(&c->session, &c->s, &err);
  if (status >= 0)
    status = shoal_session_configure(c->s, &err);
  if (status < 0)
    say_error(&d, VERDICT_FAIL, "project", &err);
  else
    say(&d, VERDICT_OK, "project", c->s->root ? c->s->root : "none: a lake alone", NULL);
  check_git(&d);
  check_engine(&d);
  if (status >= 0) {
    check_lake(&d);
    check_index(&d);
  }
  check_dot(&d);
  shoal_jw_end(&d.w);
  shoal_jw_kbool(&d.w, "sound", d.failed == 0);
  shoal_jw_end(&d.w);
  if (c->json)
    puts(shoal_buf_z(&d.json));
  shoal_buf_dispose(&d.json);
  return d.failed ? EXIT_ERROR : EXIT_DONE;
}

static const cli_option options[] = {{NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {
    {"shoal doctor", "each check, and what to do"}, {"shoal doctor --json", "for programs"}, {NULL, NULL}};
const cli_command cmd_doctor = {
    "doctor", "Check git, the engine, the lake, the index, disk and clock.", "[--json]", options, examples, 0, run};
