/* SPDX-License-Identifier: Apache-2.0 */
/* shoal branch: the branches of the lake. A branch is made by its first publication. */
#include "base/json.h"
#include "base/str.h"
#include "cli/commands.h"

static shoal_status one(cli *c, shoal_str name, shoal_jw *w, shoal_error *err) {
  shoal_state *st = NULL;
  SHOAL_TRY(shoal_branch_load(c->s->lake, name, -1, &st, err));
  bool here = shoal_str_eq(name, c->s->branch);
  size_t local = 0;
  for (size_t i = 0; i < st->n_entries; i++)
    local += st->entries[i].local;
  if (c->json) {
    shoal_jw_obj(w);
    shoal_jw_kstr(w, "branch", name);
    shoal_jw_ki64(w, "publication", st->publication);
    shoal_jw_kstr(w, "fork_branch", st->fork_branch);
    if (st->fork_branch.ptr)
      shoal_jw_ki64(w, "fork_publication", st->fork_publication);
    shoal_jw_ki64(w, "datasets", (int64_t)st->n_entries);
    shoal_jw_ki64(w, "own", (int64_t)local);
    shoal_jw_kbool(w, "current", here);
    shoal_jw_end(w);
  } else {
    printf("%s%s%.*s%s  #%lld  %zu datasets", here ? "* " : "  ", cli_on(c, here ? STYLE_GREEN : STYLE_PLAIN),
           SHOAL_FMT(name), cli_off(c), (long long)st->publication, st->n_entries);
    if (st->fork_branch.ptr)
      printf(", %zu of its own, from %.*s #%lld", local, SHOAL_FMT(st->fork_branch), (long long)st->fork_publication);
    putchar('\n');
  }
  shoal_state_free(st);
  return SHOAL_OK;
}

static int run(cli *c) {
  shoal_error err = {0};
  shoal_str *names;
  size_t n;
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  int rc = cli_open(c);
  if (rc)
    return rc;
  if (shoal_session_open_lake(c->s, false, &err) < 0 || shoal_branch_list(c->s->lake, &c->arena, &names, &n, &err) < 0)
    return cli_fail(c, &err);
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_key(&w, "branches");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < n && rc == 0; i++)
    if (one(c, names[i], &w, &err) < 0)
      rc = cli_fail(c, &err);
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  if (c->json && rc == 0)
    puts(shoal_buf_z(&b));
  shoal_buf_dispose(&b);
  return rc;
}

static const cli_option options[] = {{NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {{"shoal branch", "every branch, with its base"},
                                       {"git switch -c try && shoal run", "a new branch costs nothing"},
                                       {NULL, NULL}};
const cli_command cmd_branch = {"branch", "List the lake's branches.", "[--json]", options, examples, 0, run};
