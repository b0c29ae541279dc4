/* SPDX-License-Identifier: Apache-2.0 */
/* shoal branch: the branches of the lake, listed, made, moved to a newer base, deleted. */
#include "base/json.h"
#include "base/str.h"
#include "cli/commands.h"

/* ---- the list ---- */

enum { CELL_NAME, CELL_HEAD, CELL_OWN, CELL_BASE, CELL_BEHIND, CELLS };

/* Publications that the base's branch has made since; -1: that branch is gone. */
static int64_t behind(cli *c, const shoal_state *st) {
  shoal_state *base = NULL;
  shoal_error ignored;
  if (!st->fork_branch.ptr)
    return 0;
  if (shoal_branch_load(c->s->lake, st->fork_branch, -1, &base, &ignored) < 0)
    return -1;
  int64_t n = base->publication - st->fork_publication;
  shoal_state_free(base);
  return n > 0 ? n : 0;
}

static void one_json(shoal_jw *w, const shoal_state *st, size_t own, int64_t n_behind, bool here) {
  shoal_jw_obj(w);
  shoal_jw_kstr(w, "branch", st->branch);
  shoal_jw_ki64(w, "publication", st->publication);
  shoal_jw_ki64(w, "published_us", st->published_us);
  shoal_jw_kstr(w, "fork_branch", st->fork_branch);
  if (st->fork_branch.ptr)
    shoal_jw_ki64(w, "fork_publication", st->fork_publication);
  if (st->fork_branch.ptr && n_behind >= 0)
    shoal_jw_ki64(w, "behind", n_behind);
  shoal_jw_ki64(w, "datasets", (int64_t)st->n_entries);
  shoal_jw_ki64(w, "own", (int64_t)own);
  shoal_jw_kbool(w, "current", here);
  shoal_jw_end(w);
}

static void one_row(cli *c, const shoal_state *st, size_t own, int64_t n_behind, bool here, const char **cell) {
  cell[CELL_NAME] = cli_text(c, "%s%.*s", here ? "* " : "  ", SHOAL_FMT(st->branch));
  cell[CELL_HEAD] = cli_text(c, "#%lld, %s", (long long)st->publication, cli_ago(c, st->published_us));
  cell[CELL_OWN] = st->fork_branch.ptr ? cli_text(c, "%zu of %zu datasets its own", own, st->n_entries)
                                       : cli_text(c, "%zu datasets", st->n_entries);
  cell[CELL_BASE] = st->fork_branch.ptr
                        ? cli_text(c, "from %.*s #%lld", SHOAL_FMT(st->fork_branch), (long long)st->fork_publication)
                        : "";
  cell[CELL_BEHIND] = n_behind > 0   ? cli_text(c, "%lld behind", (long long)n_behind)
                      : n_behind < 0 ? "which was deleted"
                                     : "";
}

static shoal_status one(cli *c, shoal_str name, shoal_jw *w, const char **cells, size_t *rows, shoal_error *err) {
  shoal_state *st = NULL;
  shoal_status status = shoal_branch_load(c->s->lake, name, -1, &st, err);
  if (status == SHOAL_ENOTFOUND)
    return SHOAL_OK; /* deleted */
  SHOAL_TRY(status);
  bool here = shoal_str_eq(name, c->s->branch);
  size_t own = 0;
  for (size_t i = 0; i < st->n_entries; i++)
    own += st->entries[i].local;
  if (c->json)
    one_json(w, st, own, behind(c, st), here);
  else
    one_row(c, st, own, behind(c, st), here, &cells[CELLS * (*rows)++]);
  shoal_state_free(st);
  return SHOAL_OK;
}

static int list(cli *c) {
  shoal_error err = {0};
  shoal_str *names;
  size_t n, rows = 0;
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  if (shoal_session_open_lake(c->s, false, &err) < 0 || shoal_branch_list(c->s->lake, &c->arena, &names, &n, &err) < 0)
    return cli_fail(c, &err);
  for (size_t i = 0; i < n && cli_has(c, "names"); i++)
    printf("%.*s\n", SHOAL_FMT(names[i]));
  if (cli_has(c, "names"))
    return EXIT_DONE;
  const char **cells = SHOAL_NEW_ARRAY(&c->arena, const char *, n *CELLS);
  shoal_status status = cells ? SHOAL_OK : shoal_fail_nomem(&err);
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_key(&w, "branches");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < n && status >= 0; i++)
    status = one(c, names[i], &w, cells, &rows, &err);
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  if (status >= 0 && c->json)
    puts(shoal_buf_z(&b));
  else if (status >= 0)
    cli_table(cells, rows, CELLS, NULL);
  shoal_buf_dispose(&b);
  return status < 0 ? cli_fail(c, &err) : EXIT_DONE;
}

/* ---- the rest ---- */

static int make(cli *c, shoal_str name, shoal_str from) {
  shoal_error err = {0};
  shoal_state *st = NULL;
  if (shoal_session_branch_make(c->s, name, from, &st, &err) < 0)
    return cli_fail(c, &err);
  if (c->json)
    printf("{\"schema_version\":1,\"branch\":\"%.*s\",\"fork_branch\":\"%.*s\",\"fork_publication\":%lld}\n",
           SHOAL_FMT(st->branch), SHOAL_FMT(st->fork_branch), (long long)st->fork_publication);
  else if (!c->quiet)
    printf("made %.*s from %.*s #%lld: shoal run --branch %.*s\n", SHOAL_FMT(st->branch), SHOAL_FMT(st->fork_branch),
           (long long)st->fork_publication, SHOAL_FMT(st->branch));
  shoal_state_free(st);
  return EXIT_DONE;
}

static void update_json(const cli *c, const shoal_branch_moved *m) {
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_kstr(&w, "branch", c->s->branch);
  shoal_jw_ki64(&w, "publication", m->publication);
  shoal_jw_kstr(&w, "fork_branch", m->base);
  shoal_jw_ki64(&w, "fork_publication", m->base_publication);
  shoal_jw_ki64(&w, "changed", (int64_t)m->rebase.n_changes);
  shoal_jw_key(&w, "both");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < m->rebase.n_both; i++)
    shoal_jw_str(&w, m->rebase.both[i]);
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  puts(shoal_buf_z(&b));
  shoal_buf_dispose(&b);
}

static int update(cli *c, shoal_str name, shoal_str from) {
  shoal_error err = {0};
  shoal_branch_moved m;
  if (shoal_session_branch_update(c->s, name, from, &m, &err) < 0)
    return cli_fail(c, &err);
  if (c->json) {
    update_json(c, &m);
    return EXIT_DONE;
  }
  if (c->quiet)
    return EXIT_DONE;
  if (m.publication == 0)
    printf("%.*s is from %.*s #%lld already\n", SHOAL_FMT(c->s->branch), SHOAL_FMT(m.base),
           (long long)m.base_publication);
  else
    printf("published #%lld on %.*s: it is from %.*s #%lld now, %zu dataset%s changed with it\n",
           (long long)m.publication, SHOAL_FMT(c->s->branch), SHOAL_FMT(m.base), (long long)m.base_publication,
           m.rebase.n_changes, m.rebase.n_changes == 1 ? "" : "s");
  for (size_t i = 0; i < m.rebase.n_both; i++)
    printf("  %.*s changed on both: the branch keeps its own\n", SHOAL_FMT(m.rebase.both[i]));
  if (m.rebase.n_both || m.publication)
    puts("shoal plan shows what your code makes of it");
  return EXIT_DONE;
}

static int delete_branch(cli *c, shoal_str name) {
  shoal_error err = {0};
  int64_t n;
  if (shoal_session_branch_delete(c->s, name, cli_has(c, "delete-anyway"), &n, &err) < 0)
    return cli_fail(c, &err);
  if (c->json)
    printf("{\"schema_version\":1,\"branch\":\"%.*s\",\"publication\":%lld,\"deleted\":true}\n", SHOAL_FMT(name),
           (long long)n);
  else if (!c->quiet)
    printf("deleted %.*s (it was at #%lld); its results stay in the lake\n", SHOAL_FMT(name), (long long)n - 1);
  return EXIT_DONE;
}

static int run(cli *c) {
  bool moves = cli_has(c, "update"), deletes = cli_has(c, "delete") || cli_has(c, "delete-anyway");
  shoal_str name = c->argc ? shoal_str_z(c->argv[0]) : SHOAL_STR_NONE;
  shoal_str from = cli_value(c, "from") ? shoal_str_z(cli_value(c, "from")) : SHOAL_STR_NONE;
  if (moves && deletes)
    return cli_usage(c, "--update or --delete, not both");
  if (deletes && (!name.len || from.len))
    return cli_usage(c, from.len ? "--from is for a new branch, or for --update" : "which branch?");
  if (!moves && !deletes && from.len && !name.len)
    return cli_usage(c, "which name has the new branch?");
  int rc = cli_open(c);
  if (rc)
    return rc;
  return moves ? update(c, name, from) : deletes ? delete_branch(c, name) : name.len ? make(c, name, from) : list(c);
}

static const cli_option options[] = {
    {"from", 0, "REV", "where a new branch starts, or --update leads; else the trunk's head, or its base's", false,
     false},
    {"update", 0, NULL, "move the branch's base: what it has not set itself becomes what the base holds now", false,
     false},
    {"delete", 'd', NULL, "delete a branch whose results its base has, too", false, false},
    {"delete-anyway", 'D', NULL, "delete it whatever it holds", false, false},
    {"names", 0, NULL, "only names, one a line, deleted ones too, for completion", true, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {
    {"shoal branch", "every branch, its base, how far behind it is"},
    {"shoal branch try --from main~1", "a new one; git switch -c try, and a run, do it, too"},
    {"shoal branch --update try", "on to what main holds now"},
    {"shoal branch -d try", "away with it; its results stay"},
    {NULL, NULL}};
const cli_command cmd_branch = {"branch",
                                "List the lake's branches, make one, move its base, delete it.",
                                "[NAME [--from REV] | --update [NAME] | -d NAME]",
                                options,
                                examples,
                                1,
                                run};
