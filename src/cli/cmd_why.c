/* SPDX-License-Identifier: Apache-2.0 */
/* shoal why: the first difference between what is published and what the code says. */
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "cli/commands.h"

static void say_leaf(cli *c, const shoal_why_chain *chain) {
  const shoal_why *w = &chain->leaf;
  shoal_str last = chain->datasets[chain->n - 1];
  switch (w->kind) {
  case SHOAL_WHY_SAME:
    printf("%.*s is as the code says\n", SHOAL_FMT(last));
    return;
  case SHOAL_WHY_NEW:
    printf("%.*s is new: nothing was ever published of it on this branch\n", SHOAL_FMT(last));
    return;
  case SHOAL_WHY_CODE:
  case SHOAL_WHY_MACRO:
    printf("  %.*s:%d  %s%.*s%s  →  %s%.*s%s\n", SHOAL_FMT(w->path), w->line, cli_on(c, STYLE_RED),
           SHOAL_FMT(w->before), cli_off(c), cli_on(c, STYLE_GREEN), SHOAL_FMT(w->after), cli_off(c));
    if (w->kind == SHOAL_WHY_MACRO)
      printf("  that is in the macro %.*s, which %.*s uses\n", SHOAL_FMT(w->what), SHOAL_FMT(last));
    break;
  case SHOAL_WHY_VARIABLE:
    printf("  %s%.*s is %.*s and was %.*s\n",
           shoal_str_starts(w->what, SHOAL_STR("--")) || shoal_str_find(w->what, SHOAL_STR(" ")) >= 0 ? ""
                                                                                                      : "the variable ",
           SHOAL_FMT(w->what), SHOAL_FMT(w->after), SHOAL_FMT(w->before));
    break;
  case SHOAL_WHY_SOURCE:
    printf("  the source %.*s: %.*s %.*s\n", SHOAL_FMT(w->what), SHOAL_FMT(w->path), SHOAL_FMT(w->after));
    break;
  case SHOAL_WHY_INPUT:
    printf("  it reads %.*s, which holds another result than when it was computed\n", SHOAL_FMT(w->what));
    break;
  case SHOAL_WHY_ENVIRONMENT:
    printf("  the engine or its settings: %.*s, now %.*s\n", SHOAL_FMT(w->before), SHOAL_FMT(w->after));
    break;
  case SHOAL_WHY_VOLATILE:
    printf("  it calls %.*s, so it is run every time\n", SHOAL_FMT(w->what));
    return;
  case SHOAL_WHY_LAYOUT:
    printf("  %.*s: partition_by or cluster_by in its header\n", SHOAL_FMT(w->path));
    break;
  }
  const shoal_entry *e = shoal_state_find(c->s->state, last);
  if (e)
    printf("  changed after publication #%lld (%s); everything else in its key is the same\n",
           (long long)e->publication, cli_ago(c, e->result.made_us));
}

static void say_json(const shoal_why_chain *chain) {
  static const char *const kinds[] = {"same",   "new",   "code",        "macro",    "variable",
                                      "source", "input", "environment", "volatile", "layout"};
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_kz(&w, "kind", kinds[chain->leaf.kind]);
  shoal_jw_key(&w, "chain");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < chain->n; i++)
    shoal_jw_str(&w, chain->datasets[i]);
  shoal_jw_end(&w);
  shoal_jw_kstr(&w, "what", chain->leaf.what);
  shoal_jw_kstr(&w, "path", chain->leaf.path);
  shoal_jw_ki64(&w, "line", chain->leaf.line);
  shoal_jw_kstr(&w, "before", chain->leaf.before);
  shoal_jw_kstr(&w, "after", chain->leaf.after);
  shoal_jw_end(&w);
  puts(shoal_buf_z(&b));
  shoal_buf_dispose(&b);
}

static int run(cli *c) {
  shoal_error err = {0};
  shoal_why_chain chain;
  if (c->argc == 0)
    return cli_usage(c, "which dataset?");
  int rc = cli_open(c);
  if (rc)
    return rc;
  if (shoal_session_why(c->s, shoal_str_z(c->argv[0]), &c->arena, &chain, &err) < 0)
    return cli_fail(c, &err);
  if (c->json) {
    say_json(&chain);
    return EXIT_DONE;
  }
  if (chain.n > 1) {
    printf("%.*s", SHOAL_FMT(chain.datasets[0]));
    for (size_t i = 1; i < chain.n; i++)
      printf(" reads %.*s", SHOAL_FMT(chain.datasets[i]));
    puts(", and that changed:");
  } else if (chain.leaf.kind != SHOAL_WHY_SAME && chain.leaf.kind != SHOAL_WHY_NEW) {
    printf("%.*s is not as the code says:\n", SHOAL_FMT(chain.datasets[0]));
  }
  say_leaf(c, &chain);
  return EXIT_DONE;
}

static const cli_option options[] = {CLI_PARAMETERS, {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {{"shoal why gold.delays", "the first difference, with file and line"},
                                       {"shoal why gold.delays --json", "for programs"},
                                       {NULL, NULL}};
const cli_command cmd_why = {
    "why", "Say why a dataset would run: the first difference in its key.", "DATASET [options]", options, examples, 1,
    run};
