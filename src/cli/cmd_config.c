/* SPDX-License-Identifier: Apache-2.0 */
/* shoal config: every setting, and where it comes from. */
#include "base/json.h"
#include "base/str.h"
#include "cli/commands.h"

static int run(cli *c) {
  shoal_error err = {0};
  int rc = cli_open(c);
  if (rc)
    return rc;
  if (shoal_session_configure(c->s, &err) < 0)
    return cli_fail(c, &err);
  const shoal_config *p = &c->s->config;
  if (c->json) {
    shoal_buf b = {0};
    shoal_jw w = {.out = &b};
    shoal_jw_obj(&w);
    shoal_jw_ki64(&w, "schema_version", 1);
    shoal_jw_kz(&w, "root", c->s->root);
    shoal_jw_kstr(&w, "lake", c->s->lake_path);
    shoal_jw_kstr(&w, "branch", c->s->branch);
    shoal_jw_key(&w, "settings");
    shoal_jw_arr(&w);
    for (size_t i = 0; i < p->n_settings; i++) {
      shoal_jw_obj(&w);
      shoal_jw_kstr(&w, "name", p->settings[i].name);
      shoal_jw_kstr(&w, "value", p->settings[i].value);
      shoal_jw_kstr(&w, "origin", p->settings[i].origin);
      shoal_jw_end(&w);
    }
    shoal_jw_end(&w);
    shoal_jw_end(&w);
    puts(shoal_buf_z(&b));
    shoal_buf_dispose(&b);
    return EXIT_DONE;
  }
  const char **cells = SHOAL_NEW_ARRAY(&c->arena, const char *, (p->n_settings + 2) * 3);
  if (!cells)
    return EXIT_ERROR;
  const char *env = c->session.branch ? "--branch" : c->s->git.present ? "git" : "the lake's trunk";
  size_t n = 0;
  cells[n++] = "branch";
  cells[n++] = c->s->branch.ptr ? shoal_arena_cstr(&c->arena, c->s->branch) : "(detached)";
  cells[n++] = env;
  cells[n++] = "lake (folder)";
  cells[n++] = c->s->lake_path.ptr;
  cells[n++] = "";
  for (size_t i = 0; i < p->n_settings; i++) {
    cells[n++] = p->settings[i].name.ptr;
    cells[n++] = p->settings[i].value.ptr;
    cells[n++] = p->settings[i].origin.ptr;
  }
  static const bool right[] = {false, false, false};
  cli_table(cells, n / 3, 3, right);
  return EXIT_DONE;
}

static const cli_option options[] = {{"var", 0, "NAME=VALUE", "set a variable", false, true},
                                     {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {
    {"shoal config", "settings and where they come from"}, {"shoal config --json", "for programs"}, {NULL, NULL}};
const cli_command cmd_config = {
    "config", "Show each setting's value and where it comes from.", "[options]", options, examples, 0, run};
