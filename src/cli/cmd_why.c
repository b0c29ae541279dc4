/* SPDX-License-Identifier: Apache-2.0 */
/* shoal why: the first difference between what is published and what the code says. */
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "cli/commands.h"

/* `end`: how the last line begins, NULL: by the publication that the code has left behind. */
static void say_leaf(cli *c, const shoal_why_chain *chain, const char *end) {
  const shoal_why *w = &chain->leaf;
  shoal_str last = chain->datasets[chain->n - 1];
  switch (w->kind) {
  case SHOAL_WHY_SAME:
    printf(end ? "%.*s is the same in both\n" : "%.*s is as the code says\n", SHOAL_FMT(last));
    return;
  case SHOAL_WHY_NEW:
    printf(end ? "  %.*s is new: it was not there before\n"
               : "%.*s is new: nothing was ever published of it on this branch\n",
           SHOAL_FMT(last));
    return;
  case SHOAL_WHY_CODE:
  case SHOAL_WHY_MACRO:
    printf("  %.*s:%d  %s%.*s%s  →  %s%.*s%s\n", SHOAL_FMT(w->path), w->line, cli_on(c, STYLE_RED),
           SHOAL_FMT(w->before), cli_off(c), cli_on(c, STYLE_GREEN), SHOAL_FMT(w->after), cli_off(c));
    if (w->kind == SHOAL_WHY_CODE && w->what.ptr)
      printf("  that is in %.*s, which %.*s reaches\n", SHOAL_FMT(w->what), SHOAL_FMT(last));
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
  case SHOAL_WHY_PACKAGE:
    printf("  %.*s %s%.*s%s  →  %s%.*s%s\n", SHOAL_FMT(w->what), cli_on(c, STYLE_RED), SHOAL_FMT(w->before), cli_off(c),
           cli_on(c, STYLE_GREEN), SHOAL_FMT(w->after), cli_off(c));
    break;
  case SHOAL_WHY_ENV_VARIABLE:
    printf("  the environment variable %.*s has another value\n", SHOAL_FMT(w->what));
    break;
  case SHOAL_WHY_FILE:
    printf("  file %.*s %.*s\n", SHOAL_FMT(w->what), SHOAL_FMT(w->after));
    break;
  case SHOAL_WHY_LAYOUT:
    printf("  %.*s: partition_by or cluster_by in its header\n", SHOAL_FMT(w->path));
    break;
  }
  const shoal_entry *e = end ? NULL : shoal_state_find(c->s->state, last);
  if (end)
    printf("  %s; everything else in its key is the same\n", end);
  else if (e)
    printf("  %s after publication #%lld (%s); everything else in its key is the same\n",
           w->kind == SHOAL_WHY_CODE || w->kind == SHOAL_WHY_MACRO ? "edited" : "changed", (long long)e->publication,
           cli_ago(c, e->result.made_us));
}

static void say_json(const shoal_why_chain *chain) {
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_kz(&w, "kind", shoal_why_kind_name(chain->leaf.kind));
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

static void say_chain(cli *c, const shoal_why_chain *chain, const char *end) {
  if (c->json) {
    say_json(chain);
    return;
  }
  if (chain->n > 1) {
    printf("%.*s", SHOAL_FMT(chain->datasets[0]));
    for (size_t i = 1; i < chain->n; i++)
      printf(" reads %.*s", SHOAL_FMT(chain->datasets[i]));
    puts(", and that changed:");
  } else if (chain->leaf.kind != SHOAL_WHY_SAME && (end || chain->leaf.kind != SHOAL_WHY_NEW)) {
    printf(end ? "%.*s changed:\n" : "%.*s is not as the code says:\n", SHOAL_FMT(chain->datasets[0]));
  }
  say_leaf(c, chain, end);
}

static int between(cli *c, shoal_str dataset, shoal_str range) {
  shoal_error err = {0};
  shoal_why_chain chain;
  shoal_state *before, *after;
  shoal_status status = shoal_session_range(c->s, range, &before, &after, &err);
  if (status < 0)
    return cli_fail(c, &err);
  status = shoal_session_why_between(c->s, dataset, before, after, &c->arena, &chain, &err);
  if (status >= 0)
    say_chain(c, &chain,
              cli_text(c, "between %.*s #%lld and %.*s #%lld", SHOAL_FMT(before->branch),
                       (long long)before->publication, SHOAL_FMT(after->branch), (long long)after->publication));
  shoal_state_free(before);
  shoal_state_free(after);
  return status < 0 ? cli_fail(c, &err) : EXIT_DONE;
}

/* ---- --not ---- */

/* Models that differ by themselves, not only through what they read. */
static bool is_root(const shoal_item *it) {
  bool differs = it->action == SHOAL_ACTION_RUN || it->action == SHOAL_ACTION_ADOPT || it->action == SHOAL_ACTION_STALE;
  return differs && it->reason != SHOAL_REASON_INPUT;
}

#define MOST_NAMES 5

static void say_unaffected(cli *c, const shoal_plan *plan, const shoal_node *n) {
  size_t shown = 0, roots = 0;
  printf("%.*s is unaffected: ", SHOAL_FMT(n->name));
  fputs(n->n_inputs ? "it reads " : "it reads nothing", stdout);
  for (uint32_t i = 0; i < n->n_inputs && i < MOST_NAMES; i++)
    printf("%s%.*s", i ? ", " : "", SHOAL_FMT(plan->graph->nodes[n->inputs[i].parent].name));
  if (n->n_inputs > MOST_NAMES)
    printf(" and %u more", n->n_inputs - MOST_NAMES);
  for (size_t i = 0; i < plan->n_items; i++)
    roots += is_root(&plan->items[i]);
  printf("; your change%s in ", roots == 1 ? " is" : "s are");
  for (size_t i = 0; i < plan->n_items && shown < MOST_NAMES; i++) {
    const char *place = "";
    if (!is_root(&plan->items[i]))
      continue;
    const char *words = cli_why_words(c, plan, &plan->items[i], &place);
    printf("%s%.*s (%s%s%s)", shown++ ? ", " : "", SHOAL_FMT(plan->items[i].name), place, *place ? ": " : "", words);
  }
  if (roots > MOST_NAMES)
    printf(" and %zu more", roots - MOST_NAMES);
  putchar('\n');
}

static void not_json(const shoal_plan *plan, const shoal_node *n) {
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_kstr(&w, "dataset", n->name);
  shoal_jw_kbool(&w, "affected", false);
  shoal_jw_key(&w, "reads");
  shoal_jw_arr(&w);
  for (uint32_t i = 0; i < n->n_inputs; i++)
    shoal_jw_str(&w, plan->graph->nodes[n->inputs[i].parent].name);
  shoal_jw_end(&w);
  shoal_jw_key(&w, "changed");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < plan->n_items; i++)
    if (is_root(&plan->items[i]))
      shoal_jw_str(&w, plan->items[i].name);
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  puts(shoal_buf_z(&b));
  shoal_buf_dispose(&b);
}

/* Says why a dataset is unaffected, or, if it is not, what affects it. */
static int why_not(cli *c, const shoal_why_chain *chain) {
  shoal_error err = {0};
  shoal_plan *plan = NULL;
  bool any = false;
  if (chain->leaf.kind != SHOAL_WHY_SAME) {
    if (!c->json)
      printf("%.*s is affected\n", SHOAL_FMT(chain->datasets[0]));
    say_chain(c, chain, NULL);
    return EXIT_DONE;
  }
  if (shoal_session_plan(c->s, &(shoal_plan_options){0}, &plan, &err) < 0)
    return cli_fail(c, &err);
  const shoal_node *n = &plan->graph->nodes[shoal_graph_find(plan->graph, chain->datasets[0])];
  for (size_t i = 0; i < plan->n_items; i++)
    any |= is_root(&plan->items[i]);
  if (c->json)
    not_json(plan, n);
  else if (any)
    say_unaffected(c, plan, n);
  else
    printf("%.*s is as the code says, and so is everything else\n", SHOAL_FMT(n->name));
  shoal_plan_free(plan);
  return EXIT_DONE;
}

static int run(cli *c) {
  shoal_error err = {0};
  shoal_why_chain chain;
  if (c->argc == 0)
    return cli_usage(c, "which dataset?");
  if (c->argc == 2 && cli_has(c, "not"))
    return cli_usage(c, "--not is about what the code says now, not about revisions");
  int rc = cli_open(c);
  if (rc)
    return rc;
  if (c->argc == 2)
    return between(c, shoal_str_z(c->argv[0]), shoal_str_z(c->argv[1]));
  if (shoal_session_why(c->s, shoal_str_z(c->argv[0]), &c->arena, &chain, &err) < 0)
    return cli_fail(c, &err);
  if (cli_has(c, "not"))
    return why_not(c, &chain);
  say_chain(c, &chain, NULL);
  return EXIT_DONE;
}

static const cli_option options[] = {{"not", 0, NULL, "why it is unaffected by what you changed", false, false},
                                     CLI_PARAMETERS,
                                     {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {
    {"shoal why gold.delays", "the first difference, with file and line"},
    {"shoal why gold.delays main~1..main", "what changed it between two publications"},
    {"shoal why --not gold.daily_flights", "why a change does not reach it"},
    {NULL, NULL}};
const cli_command cmd_why = {"why",
                             "Say why a dataset would run: the first difference in its key.",
                             "DATASET [REV..REV] [options]",
                             options,
                             examples,
                             2,
                             run};
