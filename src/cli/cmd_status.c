/* SPDX-License-Identifier: Apache-2.0 */
/* shoal status: where we are, and what is not as the code says. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "cli/commands.h"

/* A result that is there and did not pass its expectations: the next run holds it back as the last one did. */
static bool is_held(const shoal_item *it) {
  return it->action == SHOAL_ACTION_ADOPT && it->check && it->found && it->found->failed_expectation;
}

static void list_held(const shoal_plan *plan) {
  size_t n = 0;
  for (size_t i = 0; i < plan->n_items; i++)
    if (is_held(&plan->items[i]))
      printf("%s%.*s", n++ ? ", " : "held     ", SHOAL_FMT(plan->items[i].name));
  if (n)
    puts(" (an expectation did not hold: shoal run tells)");
}

static void list(cli *c, const shoal_plan *plan, const char *word, shoal_action action, bool stale) {
  size_t n = 0;
  for (size_t i = 0; i < plan->n_items; i++) {
    const shoal_item *it = &plan->items[i];
    const char *place;
    bool hit = stale ? it->action == SHOAL_ACTION_RUN || it->action == SHOAL_ACTION_ADOPT : it->action == action;
    if (!hit || is_held(it))
      continue;
    printf("%s%.*s", n++ ? ", " : word, SHOAL_FMT(it->name));
    if (stale)
      printf(" (%s)", cli_why_words(c, plan, it, &place));
    if (n == 20) {
      fputs(" …", stdout);
      break;
    }
  }
  if (n)
    putchar('\n');
}

static void leases(cli *c) {
  shoal_lease_holder *h;
  size_t n;
  shoal_error ignored;
  if (shoal_lease_list(c->s->lake, &c->arena, &h, &n, &ignored) < 0)
    return;
  for (size_t i = 0; i < n; i++)
    printf("running  %.*s: %.*s, begun %s, lease renewed %s\n", SHOAL_FMT(h[i].dataset), SHOAL_FMT(h[i].who),
           cli_ago(c, h[i].since_us), cli_ago(c, h[i].beat_us));
}

static void where(cli *c) {
  const shoal_state *st = c->s->state;
  printf("on branch %.*s", SHOAL_FMT(c->s->branch));
  if (c->s->branch_is_new) {
    printf(" (new), from %.*s #%lld\n", SHOAL_FMT(c->s->fork_branch), (long long)c->s->fork_publication);
    return;
  }
  if (st->fork_branch.ptr) {
    shoal_state *trunk = NULL;
    shoal_error ignored;
    printf(" #%lld, from %.*s #%lld", (long long)st->publication, SHOAL_FMT(st->fork_branch),
           (long long)st->fork_publication);
    if (shoal_branch_load(c->s->lake, st->fork_branch, -1, &trunk, &ignored) >= 0 &&
        trunk->publication > st->fork_publication)
      printf(" (%.*s is %lld ahead: shoal branch --update)", SHOAL_FMT(st->fork_branch),
             (long long)(trunk->publication - st->fork_publication));
    shoal_state_free(trunk);
    putchar('\n');
    return;
  }
  printf(", publication #%lld\n", (long long)st->publication);
}

static int run(cli *c) {
  shoal_error err = {0};
  shoal_plan *plan = NULL;
  c->session.dry = true;
  int rc = cli_open(c);
  if (rc)
    return rc;
  if (shoal_session_plan(c->s, &(shoal_plan_options){0}, &plan, &err) < 0)
    return cli_fail(c, &err);
  if (c->json) {
    shoal_buf b = {0};
    cli_json_plan(c, plan, NULL, NULL, &b);
    puts(shoal_buf_z(&b));
    shoal_buf_dispose(&b);
  } else {
    where(c);
    list(c, plan, "stale    ", SHOAL_ACTION_RUN, true);
    list_held(plan);
    list(c, plan, "pinned   ", SHOAL_ACTION_PINNED, false);
    list(c, plan, "removed  ", SHOAL_ACTION_REMOVED, false);
    leases(c);
    if (plan->n_run + plan->n_adopt + plan->n_removed == 0)
      printf("%zu datasets are as the code says\n", plan->n_reuse + plan->n_pinned);
  }
  shoal_plan_free(plan);
  return EXIT_DONE;
}

static const cli_option options[] = {CLI_PARAMETERS, {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {{"shoal status", "branch, base, stale, held, pinned, removed, running"},
                                       {"shoal status --json", "the whole plan"},
                                       {NULL, NULL}};
const cli_command cmd_status = {
    "status", "Show the branch and what on it is not as the code says.", "[options]", options, examples, 0, run};
