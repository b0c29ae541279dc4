/* SPDX-License-Identifier: Apache-2.0 */
/* shoal plan: what a run would do, before anything runs. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/os.h"
#include "base/str.h"
#include "cli/commands.h"

#define MOST_BOUND 200 /* models bound for their schemas: about 2 ms each */

/* The words of a line that changed: "avg → median" where one word did. */
static const char *changed_words(cli *c, shoal_str before, shoal_str after) {
  size_t head = 0, tail = 0;
  while (head < before.len && head < after.len && before.ptr[head] == after.ptr[head])
    head++;
  while (tail < before.len - head && tail < after.len - head &&
         before.ptr[before.len - 1 - tail] == after.ptr[after.len - 1 - tail])
    tail++;
  /* Widen to whole words. */
  while (head > 0 && before.ptr[head - 1] != ' ' && before.ptr[head - 1] != '(' && before.ptr[head - 1] != ',')
    head--;
  while (tail > 0 && before.ptr[before.len - tail] != ' ' && before.ptr[before.len - tail] != '(' &&
         before.ptr[before.len - tail] != ',')
    tail--;
  shoal_str x = shoal_str_sub(before, head, before.len - tail), y = shoal_str_sub(after, head, after.len - tail);
  if (x.len + y.len > 60 || !shoal_str_utf8(x) || !shoal_str_utf8(y))
    return "edited";
  if (x.len == 0)
    return cli_text(c, "+ %.*s", SHOAL_FMT(y));
  if (y.len == 0)
    return cli_text(c, "- %.*s", SHOAL_FMT(x));
  return cli_text(c, "%.*s → %.*s", SHOAL_FMT(x), SHOAL_FMT(y));
}

static const char *why_leaf(cli *c, const shoal_why *w, const char **place) {
  if (w->path.len)
    *place =
        w->line > 0 ? cli_text(c, "%.*s:%d", SHOAL_FMT(w->path), w->line) : cli_text(c, "%.*s", SHOAL_FMT(w->path));
  switch (w->kind) {
  case SHOAL_WHY_CODE:
    return changed_words(c, w->before, w->after);
  case SHOAL_WHY_MACRO:
    return cli_text(c, "macro %.*s: %s", SHOAL_FMT(w->what), changed_words(c, w->before, w->after));
  case SHOAL_WHY_VARIABLE:
    return cli_text(c, "%.*s: %.*s → %.*s", SHOAL_FMT(w->what), SHOAL_FMT(w->before), SHOAL_FMT(w->after));
  case SHOAL_WHY_SOURCE:
    return cli_text(c, "%.*s: %.*s", SHOAL_FMT(w->what), SHOAL_FMT(w->after));
  case SHOAL_WHY_INPUT:
    return cli_text(c, "reads %.*s", SHOAL_FMT(w->what));
  case SHOAL_WHY_ENVIRONMENT:
    return "engine settings";
  case SHOAL_WHY_VOLATILE:
    return cli_text(c, "calls %.*s", SHOAL_FMT(w->what));
  case SHOAL_WHY_LAYOUT:
    return "partition_by or cluster_by";
  case SHOAL_WHY_PACKAGE:
    return cli_text(c, "%.*s %.*s → %.*s", SHOAL_FMT(w->what), SHOAL_FMT(w->before), SHOAL_FMT(w->after));
  case SHOAL_WHY_ENV_VARIABLE:
    return cli_text(c, "environment variable %.*s", SHOAL_FMT(w->what));
  case SHOAL_WHY_FILE:
    return cli_text(c, "file %.*s %.*s", SHOAL_FMT(w->what), SHOAL_FMT(w->after));
  case SHOAL_WHY_NEW:
    return "new";
  case SHOAL_WHY_SAME:
    break;
  }
  return "changed";
}

const char *cli_why_words(cli *c, const shoal_plan *plan, const shoal_item *it, const char **place) {
  const shoal_node *n = &plan->graph->nodes[it->node];
  *place = "";
  switch (it->reason) {
  case SHOAL_REASON_NEW:
    *place = n->unit->path.ptr;
    return "new";
  case SHOAL_REASON_INPUT:
    return cli_text(c, "reads %.*s", SHOAL_FMT(plan->graph->nodes[it->cause].name));
  case SHOAL_REASON_VOLATILE:
    return cli_text(c, "calls %.*s", SHOAL_FMT(n->volatile_why));
  case SHOAL_REASON_AGAIN:
    return "again";
  case SHOAL_REASON_BROKEN:
    return "its result is broken";
  case SHOAL_REASON_RELEASED:
    return "its code changed, so its pin ends";
  case SHOAL_REASON_NONE:
  case SHOAL_REASON_CHANGED:
    break;
  }
  shoal_why_chain chain;
  shoal_error ignored;
  if (shoal_session_why(c->s, it->name, &c->arena, &chain, &ignored) < 0)
    return "changed";
  return why_leaf(c, &chain.leaf, place);
}

static const char *mark(const shoal_item *it) {
  switch (it->action) {
  case SHOAL_ACTION_RUN:
    return it->entry ? "~" : "+";
  case SHOAL_ACTION_ADOPT:
    return "=";
  case SHOAL_ACTION_STALE:
    return "·";
  case SHOAL_ACTION_PINNED:
    return "!";
  case SHOAL_ACTION_REMOVED:
    return "−";
  case SHOAL_ACTION_REUSE:
    break;
  }
  return " ";
}

/* "; +late long": what the schema would become, "" if it stays. */
static const char *schema_words(cli *c, const shoal_item *it, const shoal_bound *bound) {
  if (!bound || it->node == UINT32_MAX || it->action != SHOAL_ACTION_RUN || !it->entry || !bound[it->node].bound)
    return "";
  shoal_buf text = {0};
  shoal_schema_changes(&bound[it->node].before, &bound[it->node].schema, &text);
  const char *words = text.len ? cli_text(c, "; %s", shoal_buf_z(&text)) : "";
  shoal_buf_dispose(&text);
  return words;
}

/* "from branch anna", "from #3 of this branch", "from an unpublished run". */
static const char *origin_words(cli *c, const shoal_origin *o) {
  if (!o || !o->branch.ptr)
    return "found in the lake";
  if (o->publication == 0)
    return "from an unpublished run";
  if (shoal_str_eq(o->branch, c->s->branch))
    return cli_text(c, "from #%lld of this branch", (long long)o->publication);
  return cli_text(c, "from branch %.*s", SHOAL_FMT(o->branch));
}

#define MOST_ORIGINS 4 /* named in the sum; beyond, only counted */

/* "3 of them from branch anna, 1 from an unpublished run". */
static void print_origins(cli *c, const shoal_plan *plan, const shoal_origin *origins) {
  const char *words[MOST_ORIGINS];
  size_t counts[MOST_ORIGINS] = {0}, n = 0, others = 0;
  for (size_t i = 0; i < plan->n_items; i++) {
    size_t k = 0;
    if (plan->items[i].action != SHOAL_ACTION_ADOPT)
      continue;
    const char *w = origin_words(c, origins ? &origins[i] : NULL);
    while (k < n && strcmp(words[k], w))
      k++;
    if (k == MOST_ORIGINS) {
      others++;
      continue;
    }
    words[k] = w;
    counts[k]++;
    n += k == n;
  }
  for (size_t k = 0; k < n; k++)
    printf("%s%zu %s%s", k ? ", " : "            ", counts[k], k ? "" : "of them ", words[k]);
  if (others)
    printf(", %zu from elsewhere", others);
}

/* The last lines of a plan. */
static void print_sum(cli *c, const shoal_plan *plan, const shoal_origin *origins) {
  if (plan->n_reuse + plan->n_adopt) {
    printf("= %zu reused", plan->n_reuse + plan->n_adopt);
    print_origins(c, plan, origins);
    putchar('\n');
  }
  if (shoal_plan_empty(plan)) {
    printf("nothing to do: %u datasets on branch %.*s are as the code says\n",
           plan->graph->n_models - (unsigned)plan->n_stale, SHOAL_FMT(c->s->branch));
    return;
  }
  printf("%zu to run on branch %.*s", plan->n_run, SHOAL_FMT(c->s->branch));
  if (plan->n_run && (!plan->unknown || plan->bytes))
    printf(" · ~%s%s to write · ~%s", cli_bytes(c, plan->bytes), plan->unknown ? " or more" : "",
           cli_time(c, plan->wall_us));
  if (plan->n_check)
    printf(" · %zu to check", plan->n_check);
  if (c->s->lake && !shoal_str_eq(c->s->branch, c->s->lake->trunk))
    printf(" · nothing on %.*s changes", SHOAL_FMT(c->s->lake->trunk));
  putchar('\n');
}

/* The cells that tell of an item, without its mark. */
enum { CELL_NAME, CELL_WHY, CELL_PLACE, CELL_ROWS, CELL_BYTES, CELL_TIME, CELLS };
static void item_cells(cli *c, const shoal_plan *plan, const shoal_item *it, const shoal_bound *bound,
                       const shoal_origin *origin, const char **cell) {
  const char *place = "";
  bool runs = it->action == SHOAL_ACTION_RUN, known = it->predicted && runs;
  cell[CELL_NAME] = cli_text(c, "%.*s", SHOAL_FMT(it->name));
  cell[CELL_WHY] = it->action == SHOAL_ACTION_REMOVED  ? "its model is gone; stays until run --prune"
                   : it->action == SHOAL_ACTION_PINNED ? "pinned by rollback"
                   : it->action == SHOAL_ACTION_ADOPT
                       ? origin_words(c, origin)
                       : cli_text(c, "%s%s", cli_why_words(c, plan, it, &place), schema_words(c, it, bound));
  cell[CELL_PLACE] = place;
  cell[CELL_ROWS] = !runs ? "" : !known ? "?" : it->codec.ptr ? "object" : cli_rows(c, it->rows);
  cell[CELL_BYTES] = !runs ? "" : known ? cli_bytes(c, it->bytes) : "?";
  cell[CELL_TIME] = !runs ? "" : known ? cli_text(c, "~%s", cli_time(c, it->wall_us)) : "?";
}

static bool is_shown(const cli *c, const shoal_item *it) {
  return it->action != SHOAL_ACTION_REUSE && (it->action != SHOAL_ACTION_ADOPT || c->verbose);
}

static void print_items(cli *c, const shoal_plan *plan, const shoal_bound *bound, const shoal_origin *origins) {
  size_t rows = 0;
  const char **cells = SHOAL_NEW_ARRAY(&c->arena, const char *, plan->n_items *CELLS);
  for (size_t i = 0; cells && i < plan->n_items; i++) {
    const shoal_item *it = &plan->items[i];
    if (!is_shown(c, it))
      continue;
    const char **row = &cells[CELLS * rows++];
    bool below = it->reason == SHOAL_REASON_INPUT;
    item_cells(c, plan, it, bound, origins ? &origins[i] : NULL, row);
    row[CELL_NAME] = cli_text(c, "%s%s %s", below ? "  " : mark(it), below ? "└" : "", row[CELL_NAME]);
  }
  static const bool right[] = {false, false, false, true, true, true};
  if (cells && isatty(1))
    cli_fit(c, cells, rows, CELLS, CELL_WHY, CELL_PLACE, cli_width());
  if (cells)
    cli_table(cells, rows, CELLS, right);
}

/* A cell of a Markdown table. */
static void markdown_cell(const char *text) {
  fputs("| ", stdout);
  for (; *text; text++) {
    if (*text == '|' || *text == '\\' || *text == '`' || *text == '*' || *text == '_' || *text == '<')
      putchar('\\');
    putchar(*text == '\n' ? ' ' : *text);
  }
  putchar(' ');
}

/* A comment on a pull request. */
static void print_markdown(cli *c, const shoal_plan *plan, const shoal_bound *bound, const shoal_origin *origins) {
  bool any = false;
  for (size_t i = 0; i < plan->n_items; i++) {
    const char *cell[CELLS];
    if (!is_shown(c, &plan->items[i]))
      continue;
    if (!any)
      puts("|   | dataset | why | where | rows | bytes | time |\n|---|---|---|---|--:|--:|--:|");
    any = true;
    item_cells(c, plan, &plan->items[i], bound, origins ? &origins[i] : NULL, cell);
    markdown_cell(mark(&plan->items[i]));
    for (size_t k = 0; k < CELLS; k++)
      markdown_cell(cell[k]);
    puts("|");
  }
  if (any)
    putchar('\n');
  print_sum(c, plan, origins);
}

static const char *reason_name(shoal_reason r) {
  static const char *const names[] = {"none", "new", "changed", "input", "volatile", "again", "broken", "released"};
  return names[r];
}

static void origin_json(shoal_jw *w, const shoal_origin *o) {
  shoal_jw_kstr(w, "from_branch", o->branch);
  if (o->publication)
    shoal_jw_ki64(w, "from_publication", o->publication);
  shoal_jw_kbool(w, "unpublished", o->publication == 0);
  shoal_jw_kstr(w, "from_run", o->run);
}

void cli_json_plan(cli *c, const shoal_plan *plan, const shoal_bound *bound, const shoal_origin *origins,
                   shoal_buf *out) {
  shoal_jw w = {.out = out};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_kstr(&w, "branch", c->s->branch);
  shoal_jw_ki64(&w, "publication", plan->state->publication);
  shoal_jw_ki64(&w, "run", (int64_t)plan->n_run);
  shoal_jw_ki64(&w, "adopt", (int64_t)plan->n_adopt);
  shoal_jw_ki64(&w, "reuse", (int64_t)plan->n_reuse);
  shoal_jw_ki64(&w, "stale", (int64_t)plan->n_stale);
  shoal_jw_ki64(&w, "pinned", (int64_t)plan->n_pinned);
  shoal_jw_ki64(&w, "removed", (int64_t)plan->n_removed);
  shoal_jw_ki64(&w, "check", (int64_t)plan->n_check);
  shoal_jw_ki64(&w, "bytes", (int64_t)plan->bytes);
  shoal_jw_ki64(&w, "wall_us", plan->wall_us);
  shoal_jw_key(&w, "items");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < plan->n_items; i++) {
    const shoal_item *it = &plan->items[i];
    char hex[SHOAL_HASH_HEX + 1];
    const char *place = "";
    shoal_jw_obj(&w);
    shoal_jw_kstr(&w, "dataset", it->name);
    shoal_jw_kz(&w, "action", shoal_action_name(it->action));
    shoal_jw_kz(&w, "reason", reason_name(it->reason));
    if (it->node != UINT32_MAX) {
      shoal_hash_hex(&plan->graph->nodes[it->node].key, hex);
      shoal_jw_kz(&w, "signature", hex);
      shoal_jw_kstr(&w, "path", plan->graph->nodes[it->node].unit->path);
    }
    if (it->cause != UINT32_MAX)
      shoal_jw_kstr(&w, "cause", plan->graph->nodes[it->cause].name);
    if (it->reason == SHOAL_REASON_CHANGED) {
      shoal_jw_kz(&w, "why", cli_why_words(c, plan, it, &place));
      shoal_jw_kz(&w, "place", place);
    }
    if (*schema_words(c, it, bound))
      shoal_jw_kz(&w, "schema", schema_words(c, it, bound) + 2);
    if (origins && origins[i].branch.ptr)
      origin_json(&w, &origins[i]);
    if (it->predicted) {
      shoal_jw_kstr(&w, "codec", it->codec);
      shoal_jw_ki64(&w, "rows", (int64_t)it->rows);
      shoal_jw_ki64(&w, "bytes", (int64_t)it->bytes);
      shoal_jw_ki64(&w, "wall_us", it->wall_us);
    }
    shoal_jw_end(&w);
  }
  shoal_jw_end(&w);
  shoal_jw_end(&w);
}

/* Writes what -o asks for; a relative path is from where the user is. */
static shoal_status save(cli *c, const shoal_plan *plan, const shoal_plan_options *options, const char *path,
                         shoal_error *err) {
  shoal_buf text = {0};
  shoal_status status = shoal_session_save_plan(c->s, plan, options, &text, err);
  if (status >= 0)
    status = shoal_os_write_output(path, shoal_buf_str(&text), err);
  shoal_buf_dispose(&text);
  return status;
}

static void show(cli *c, const shoal_plan *plan, const shoal_bound *bound, const shoal_origin *origins) {
  shoal_buf b = {0};
  const char *format = cli_value(c, "format");
  if (c->json) {
    cli_json_plan(c, plan, bound, origins, &b);
    puts(shoal_buf_z(&b));
    shoal_buf_dispose(&b);
    return;
  }
  if (format && !strcmp(format, "markdown"))
    print_markdown(c, plan, bound, origins);
  else {
    print_items(c, plan, bound, origins);
    print_sum(c, plan, origins);
  }
  for (size_t i = 0; bound && i < plan->n_items; i++) /* what would fail is said before it runs */
    if (plan->items[i].node != UINT32_MAX && bound[plan->items[i].node].error)
      (void)cli_fail(c, bound[plan->items[i].node].error);
}

static shoal_status make_plan(cli *c, const shoal_plan_options *options, const char *path, shoal_plan **plan,
                              shoal_error *err) {
  shoal_bound *bound = NULL;
  shoal_origin *origins;
  SHOAL_TRY(shoal_session_plan(c->s, options, plan, err));
  SHOAL_TRY(shoal_session_origins(c->s, *plan, &c->arena, &origins, err));
  if ((*plan)->n_run > 0 && (*plan)->n_run <= MOST_BOUND)
    SHOAL_TRY(shoal_session_bind(c->s, *plan, false, &c->arena, &bound, err));
  if (path)
    SHOAL_TRY(save(c, *plan, options, path, err));
  show(c, *plan, bound, origins);
  if (path && !c->json && !c->quiet)
    printf("saved: shoal run %s does just this, or refuses\n", cli_value(c, "output"));
  return SHOAL_OK;
}

static int run(cli *c) {
  shoal_error err = {0};
  shoal_plan *plan = NULL;
  char *path = NULL;
  const char *format = cli_value(c, "format");
  if (format && strcmp(format, "text") && strcmp(format, "markdown"))
    return cli_usage(c, "'%s' is no format: text or markdown (or --json)", format);
  if (cli_value(c, "output") && !shoal_str_ends(shoal_str_z(cli_value(c, "output")), SHOAL_STR(".json")))
    return cli_usage(c, "a plan's file ends in .json, so that shoal run can tell it from a selector");
  if (cli_output_path(c, &path, &err) < 0)
    return cli_fail(c, &err);
  c->session.dry = !path; /* a plan that is saved names its lake, so it has to be there */
  int rc = cli_open(c);
  if (rc)
    return rc;
  shoal_str *selectors;
  if (cli_args(c, &selectors, &err) < 0)
    return cli_fail(c, &err);
  shoal_plan_options options = {.selectors = selectors, .n_selectors = (size_t)c->argc, .again = cli_has(c, "again")};
  if (make_plan(c, &options, path, &plan, &err) < 0)
    rc = cli_fail(c, &err);
  else
    rc = cli_has(c, "exit-code") && !shoal_plan_empty(plan) ? EXIT_CHANGES : EXIT_DONE;
  shoal_plan_free(plan);
  return rc;
}

static const cli_option options[] = {
    {"output", 'o', "FILE.json", "save the plan: shoal run FILE.json does just that", false, false},
    {"format", 0, "FORMAT", "text, or markdown for a comment on a pull request", false, false},
    {"again", 0, NULL, "plan to run what is selected even if its result is there", false, false},
    {"exit-code", 0, NULL, "exit with 2 if there is something to do", false, false},
    {"from", 0, "REV", "start a new branch from this revision, not from the trunk's head", true, false},
    CLI_PARAMETERS,
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {{"shoal plan", "the whole project"},
                                       {"shoal plan gold.delays+", "a model and all below it"},
                                       {"shoal plan --exit-code", "in CI: exit 2 if anything would run"},
                                       {"shoal plan -o plan.json", "saved; shoal run plan.json does just that"},
                                       {NULL, NULL}};
const cli_command cmd_plan = {
    "plan", "Show what a run would do: datasets, rows, bytes and time.", "[SELECTOR…] [options]", options, examples, -1,
    run};
