/* SPDX-License-Identifier: Apache-2.0 */
/* shoal run: computes what is not there, publishes all at once. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/commands.h"

#define SAMPLE 10 /* results that --verify computes again when nothing is selected */

#define MOST_HELD 20 /* broken expectations shown */

typedef struct view {
  cli *c;
  const char *held[MOST_HELD]; /* what holds the publication back, said after that it does */
  size_t n_held;
  size_t reused;
  bool line; /* a progress line stands on the terminal */
} view;

static void clear_line(view *v) {
  if (v->line)
    fputs("\r\033[K", stderr);
  v->line = false;
}

static void event_json(const shoal_event *e) {
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_kz(&w, "event", shoal_event_name(e->kind));
  shoal_jw_kstr(&w, "dataset", e->dataset);
  shoal_jw_kstr(&w, "text", e->text);
  if (e->kind == SHOAL_EVENT_FINISHED || e->kind == SHOAL_EVENT_REUSED || e->kind == SHOAL_EVENT_BROKEN) {
    shoal_jw_kstr(&w, "codec", e->codec);
    shoal_jw_ki64(&w, "rows", (int64_t)e->rows);
    shoal_jw_ki64(&w, "bytes", (int64_t)e->bytes);
    shoal_jw_ki64(&w, "wall_us", e->wall_us);
  }
  if (e->error) {
    shoal_jw_kz(&w, "message", e->error->message);
    shoal_jw_kz(&w, "hint", e->error->hint);
    shoal_jw_kz(&w, "path", e->error->path);
    shoal_jw_ki64(&w, "line", e->error->line);
  }
  shoal_jw_ki64(&w, "done", e->done);
  shoal_jw_ki64(&w, "planned", e->planned);
  shoal_jw_end(&w);
  puts(shoal_buf_z(&b));
  shoal_buf_dispose(&b);
}

static void progress(view *v, const shoal_event *e) {
  cli *c = v->c;
  fprintf(stderr, "\r\033[K[%u/%u] %.*s …  %s  (%zu reused)", e->done + 1 <= e->planned ? e->done + 1 : e->planned,
          e->planned, SHOAL_FMT(e->dataset), cli_time(c, e->wall_us), v->reused);
  fflush(stderr);
  v->line = true;
}

/* As it can be given to a shell, or "". */
static const char *rows_words(cli *c, shoal_str query) {
  bool quotes = shoal_str_chr(query, '\'') >= 0;
  if (!query.len || shoal_str_chr(query, '\n') >= 0 ||
      (quotes && strpbrk(cli_text(c, "%.*s", SHOAL_FMT(query)), "\"$`\\!")))
    return "";
  return cli_text(
      c, quotes ? "\n  the rows: shoal sql \"%.*s\" --result latest" : "\n  the rows: shoal sql '%.*s' --result latest",
      SHOAL_FMT(query));
}

static void broken(view *v, const shoal_event *e) {
  cli *c = v->c;
  double share = e->total ? 100.0 * (double)e->rows / (double)e->total : 100;
  const char *words = cli_text(c, "%.*s  %s of %s rows (%.1f %%)", SHOAL_FMT(e->text), cli_count(c, e->rows),
                               cli_count(c, e->total), share);
  clear_line(v);
  if (e->warn)
    printf("  %swarning:%s %.*s fails  %s\n", cli_on(c, STYLE_YELLOW), cli_off(c), SHOAL_FMT(e->dataset), words);
  else if (v->n_held < MOST_HELD)
    v->held[v->n_held++] = cli_text(c, "  %.*s  %s%s", SHOAL_FMT(e->dataset), words, rows_words(c, e->query));
}

#define MOST_LINES 20

/* The last lines of what a model printed. */
static void failed(view *v, const shoal_event *e) {
  shoal_buf text = {0};
  shoal_error ignored;
  size_t from, lines = 0;
  if (!e->output || shoal_os_read_file(e->output, (size_t)64 << 20, &text, &ignored) < 0)
    return;
  shoal_str all = shoal_str_trim(shoal_buf_str(&text)), line;
  for (from = all.len; from > 0 && lines < MOST_LINES; from--)
    lines += all.ptr[from - 1] == '\n';
  all = shoal_str_sub(all, from ? from + 1 : 0, all.len);
  clear_line(v);
  if (all.len)
    fprintf(stderr, "%.*s printed:\n", SHOAL_FMT(e->dataset));
  while (shoal_str_split(&all, '\n', &line))
    fprintf(stderr, "  | %.*s\n", SHOAL_FMT(line));
  shoal_buf_dispose(&text);
}

static void on_event(void *arg, const shoal_event *e) {
  view *v = arg;
  cli *c = v->c;
  if (c->json) {
    if (e->kind != SHOAL_EVENT_PROGRESS)
      event_json(e);
    fflush(stdout); /* whoever reads them wants them now */
    return;
  }
  switch (e->kind) {
  case SHOAL_EVENT_PROGRESS:
    if (c->tty && !c->quiet && e->running)
      progress(v, e);
    break;
  case SHOAL_EVENT_FINISHED:
    if (!c->tty && !c->quiet)
      printf("[%u/%u] %.*s  %s  %s\n", e->done, e->planned, SHOAL_FMT(e->dataset),
             e->codec.ptr ? cli_text(c, "object, %s (%.*s)", cli_bytes(c, e->bytes), SHOAL_FMT(e->codec))
                          : cli_text(c, "%s  %s", cli_rows(c, e->rows), cli_bytes(c, e->bytes)),
             cli_time(c, e->wall_us));
    break;
  case SHOAL_EVENT_REUSED:
    clear_line(v);
    printf("[%u/%u] %.*s  reused from %.*s\n", e->done, e->planned, SHOAL_FMT(e->dataset), SHOAL_FMT(e->text));
    break;
  case SHOAL_EVENT_WAITING:
    clear_line(v);
    printf("%.*s waits for %.*s, who computes it now\n", SHOAL_FMT(e->dataset), SHOAL_FMT(e->text));
    break;
  case SHOAL_EVENT_BROKEN:
    broken(v, e);
    break;
  case SHOAL_EVENT_WARNING:
    clear_line(v);
    fprintf(stderr, "warning: %.*s\n", SHOAL_FMT(e->text));
    break;
  case SHOAL_EVENT_REPLANNED:
    clear_line(v);
    printf("%.*s: planned again on that, %u to run\n", SHOAL_FMT(e->text), e->planned);
    break;
  case SHOAL_EVENT_FAILED:
    failed(v, e);
    break;
  case SHOAL_EVENT_STARTED:
    break;
  }
  fflush(stdout);
}

static void json_done(const cli *c, const shoal_run_outcome *o, const shoal_plan *plan, int64_t us) {
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_kz(&w, "event", "done");
  shoal_jw_kstr(&w, "branch", c->s->branch);
  shoal_jw_ki64(&w, "publication", o->publication);
  shoal_jw_ki64(&w, "published", (int64_t)o->n_published);
  shoal_jw_ki64(&w, "computed", (int64_t)o->report.n_computed);
  shoal_jw_ki64(&w, "reused", (int64_t)(plan->n_reuse + plan->n_adopt + o->report.n_found));
  shoal_jw_ki64(&w, "rows", (int64_t)o->report.rows);
  shoal_jw_ki64(&w, "bytes", (int64_t)o->report.bytes);
  shoal_jw_ki64(&w, "wall_us", us);
  if (cli_has(c, "verify")) {
    shoal_jw_ki64(&w, "verified", (int64_t)o->report.n_done);
    shoal_jw_key(&w, "differ");
    shoal_jw_arr(&w);
    for (size_t i = 0; i < plan->n_items; i++)
      if (o->report.done && o->report.done[i].differs)
        shoal_jw_str(&w, plan->items[i].name);
    shoal_jw_end(&w);
  }
  shoal_jw_end(&w);
  puts(shoal_buf_z(&b));
  shoal_buf_dispose(&b);
}

static void say_different(const shoal_run_outcome *o, const shoal_plan *plan) {
  for (size_t i = 0; i < plan->n_items && o->report.n_differ; i++)
    if (o->report.done[i].differs)
      printf("  %.*s gave another content than its result has: it is not deterministic\n",
             SHOAL_FMT(plan->items[i].name));
}

/* How many of the results there are were computed again, and what came of it. */
static void say_verified(cli *c, const shoal_run_outcome *o, const shoal_plan *plan, int64_t us) {
  size_t there = plan->n_reuse + plan->n_adopt + plan->n_run, n = o->report.n_done;
  printf("%zu of %zu results computed again: %zu as they were, %zu with another content (%s); nothing was published\n",
         n, there, n - o->report.n_differ, o->report.n_differ, cli_time(c, us));
  say_different(o, plan);
  if (o->report.n_differ)
    puts("sums of floating-point numbers depend on the order of rows, sums of decimals don't");
}

/* What a reader of the line before wants to see next. */
static void say_next(const cli *c, const shoal_run_outcome *o) {
  const shoal_state *st = c->s->state;
  shoal_str base = c->s->branch_is_new ? c->s->fork_branch : st->fork_branch;
  if (base.ptr)
    printf("see what moved: shoal diff %.*s..%.*s\n", SHOAL_FMT(base), SHOAL_FMT(c->s->branch));
  else if (o->publication > 1)
    printf("see what moved: shoal diff %.*s~1..%.*s\n", SHOAL_FMT(c->s->branch), SHOAL_FMT(c->s->branch));
}

static void say_done(cli *c, const shoal_run_outcome *o, const shoal_plan *plan, bool again, int64_t us) {
  if (o->publication == 0 && o->report.n_computed == 0) {
    if (again)
      printf("%zu computed again: %zu with the same content, %zu with another\n", o->report.n_done,
             o->report.n_done - o->report.n_differ, o->report.n_differ);
    else
      printf("nothing to do: %u datasets are as the code says (%s)\n", plan->graph->n_models - (unsigned)plan->n_stale,
             cli_time(c, us));
  }
  say_different(o, plan);
  if (o->publication) {
    printf("published #%lld on %.*s: %zu dataset%s", (long long)o->publication, SHOAL_FMT(c->s->branch), o->n_published,
           o->n_published == 1 ? "" : "s");
    if (o->report.n_computed > o->report.n_objects)
      printf(", %s", cli_rows(c, o->report.rows));
    if (o->report.n_computed)
      printf(", %s", cli_bytes(c, o->report.bytes));
    printf(" in %s\n", cli_time(c, us));
    say_next(c, o);
  }
  if (plan->n_stale)
    printf("%zu not selected and stale: shoal status\n", plan->n_stale);
  for (size_t i = 0; i < o->projection.warnings.len; i++)
    fprintf(stderr, "warning: %s\n", o->projection.warnings.ptr[i]);
}

static shoal_str failed_name(const shoal_run_report *r, const shoal_plan *plan) {
  for (size_t i = 0; i < plan->n_items; i++)
    if (r->done[i].error)
      return plan->items[i].name;
  return SHOAL_STR_NONE;
}

/* After a failure: what it blocked, what was kept. */
static void say_failed(cli *c, const shoal_run_outcome *o, const shoal_plan *plan, const shoal_error *first) {
  const shoal_run_report *r = &o->report;
  if (c->json || !r->done)
    return;
  if (r->n_failed > 1)
    fprintf(stderr, "%zu more models failed\n", r->n_failed - 1);
  if (r->n_blocked) {
    bool one = r->n_blocked == 1;
    fprintf(stderr, "%zu model%s not run because %s; ", r->n_blocked, one ? " was" : "s were",
            r->n_failed > 1 ? cli_text(c, "%s what failed", one ? "it reads" : "they read")
                            : cli_text(c, "%s %.*s", one ? "it reads" : "they read", SHOAL_FMT(failed_name(r, plan))));
  }
  if (r->n_left && r->n_failed && !r->cancelled)
    fprintf(stderr, "%zu not begun; ", r->n_left);
  if (r->n_failed && r->n_done)
    fprintf(stderr, "%zu result%s kept; ", r->n_done, r->n_done == 1 ? " is" : "s are");
  if (r->n_failed)
    fputs("nothing was published\n", stderr);
  if (first->status == SHOAL_EHELD && c->s->state->publication)
    fprintf(stderr, "  readers of %.*s still see publication #%lld\n", SHOAL_FMT(c->s->branch),
            (long long)c->s->state->publication);
}

static void other_errors(const cli *c, const shoal_run_report *r, size_t n, const shoal_error *first) {
  for (size_t i = 0; i < n; i++)
    if (r->done && r->done[i].error && strcmp(r->done[i].error->message, first->message))
      (void)cli_fail(c, r->done[i].error);
}

/* `replan`: how to plan again; NULL: the plan is done as it is or not at all. */
static int execute(cli *c, const shoal_plan *plan, bool again, const shoal_plan_options *replan, int64_t start) {
  shoal_error err = {0};
  shoal_run_outcome out;
  const char *jobs = cli_value(c, "jobs");
  shoal_run_options options = {.again = again,
                               .replan = again ? NULL : replan,
                               .verify = cli_has(c, "verify"),
                               .keep_going = cli_has(c, "keep-going"),
                               .prune = cli_has(c, "prune"),
                               .workers = jobs ? (unsigned)strtoul(jobs, NULL, 10) : 0,
                               .message = cli_value(c, "message")};
  view v = {.c = c, .reused = plan->n_reuse + plan->n_adopt};
  c->s->options.listener = (shoal_listener){on_event, &v};
  shoal_status status = shoal_session_run(c->s, plan, &options, &out, &err);
  int64_t us = shoal_time_monotonic() - start;
  clear_line(&v);
  plan = out.plan ? out.plan : plan;
  int rc = EXIT_DONE;
  if (status < 0) {
    rc = cli_fail(c, &err);
    for (size_t i = 0; i < v.n_held; i++)
      fprintf(stderr, "%s\n", v.held[i]);
    other_errors(c, &out.report, plan->n_items, &err);
    say_failed(c, &out, plan, &err);
  } else if (c->json) {
    json_done(c, &out, plan, us);
  } else if (options.verify) {
    say_verified(c, &out, plan, us);
  } else if (!c->quiet) {
    say_done(c, &out, plan, again, us);
  }
  if (rc == EXIT_DONE && options.verify && out.report.n_differ)
    rc = EXIT_ERROR;
  shoal_run_outcome_dispose(&out);
  return rc;
}

static int nothing_to_do(cli *c, uint64_t n, int64_t start) {
  int64_t us = shoal_time_monotonic() - start;
  if (c->json)
    printf("{\"schema_version\":1,\"event\":\"done\",\"publication\":0,\"published\":0,\"computed\":0,\"reused\":%llu,"
           "\"rows\":0,\"bytes\":0,\"wall_us\":%lld}\n",
           (unsigned long long)n, (long long)us);
  else if (!c->quiet)
    printf("nothing to do: %llu datasets are as the code says (%s)\n", (unsigned long long)n, cli_time(c, us));
  return EXIT_DONE;
}

/* A file that is there and ends in .json is a plan; selectors don't look like that. */
static const char *plan_file(const cli *c) {
  shoal_stat st;
  bool is = c->argc == 1 && shoal_str_ends(shoal_str_z(c->argv[0]), SHOAL_STR(".json")) &&
            shoal_os_stat_at(AT_FDCWD, c->argv[0], &st) == 0 && st.kind == SHOAL_FILE_REGULAR;
  return is ? c->argv[0] : NULL;
}

/* Does what a saved plan says, or refuses. */
static int run_saved(cli *c, const char *path, int64_t start) {
  shoal_error err = {0};
  shoal_saved_plan saved;
  shoal_plan *plan = NULL;
  if (cli_has(c, "again") || cli_has(c, "prune") || c->session.n_vars || cli_has(c, "now") || cli_has(c, "seed"))
    return cli_usage(c, "a plan from a file is run as it is: say --again, --var, --now and --seed to shoal plan");
  if (shoal_saved_plan_read(path, &c->arena, &saved, &err) < 0)
    return cli_fail(c, &err);
  c->session.vars = saved.vars;
  c->session.n_vars = saved.n_vars;
  c->session.now_fixed = saved.now_fixed;
  c->session.now_us = saved.now_us;
  c->session.seed_fixed = saved.seed_fixed;
  c->session.seed = saved.seed;
  int rc = cli_open(c);
  if (rc)
    return rc;
  shoal_plan_options options = {.selectors = saved.selectors, .n_selectors = saved.n_selectors, .again = saved.again};
  shoal_status status = shoal_session_plan(c->s, &options, &plan, &err);
  if (status >= 0)
    status = shoal_saved_plan_compare(&saved, c->s, plan, &err);
  rc = status < 0 ? cli_fail(c, &err) : execute(c, plan, saved.again, NULL, start);
  shoal_plan_free(plan);
  return rc;
}

static int run(cli *c) {
  shoal_error err = {0};
  shoal_plan *plan = NULL;
  uint64_t n;
  int64_t start = shoal_time_monotonic();
  if (cli_has(c, "since") || cli_has(c, "until"))
    return cli_usage(
        c, "--since and --until are for incremental models, which come later; 'state:stale' selects what has changed");
  if (cli_has(c, "verify") && (cli_has(c, "again") || cli_has(c, "prune") || plan_file(c)))
    return cli_usage(c, "--verify publishes nothing: it goes without --again, --prune and a saved plan");
  if (plan_file(c))
    return run_saved(c, plan_file(c), start);
  int rc = cli_open(c);
  if (rc)
    return rc;
  if (c->argc == 0 && !c->session.from && !cli_has(c, "verify") && !cli_has(c, "again") && !cli_has(c, "prune") &&
      shoal_session_settled(c->s, &n))
    return nothing_to_do(c, n, start);
  shoal_str *selectors;
  if (cli_args(c, &selectors, &err) < 0)
    return cli_fail(c, &err);
  shoal_plan_options options = {.selectors = selectors,
                                .n_selectors = (size_t)c->argc,
                                .again = cli_has(c, "again"),
                                .verify = cli_has(c, "verify"),
                                .sample = c->argc ? 0 : SAMPLE};
  if (shoal_session_plan(c->s, &options, &plan, &err) < 0)
    return cli_fail(c, &err);
  rc = execute(c, plan, options.again, &options, start);
  shoal_plan_free(plan);
  return rc;
}

static const cli_option options[] = {
    {"from", 0, "REV", "start a new branch from this revision, not from the trunk's head", true, false},
    CLI_PARAMETERS,
    {"again", 0, NULL, "compute what is selected anew and compare with what is there", false, false},
    {"keep-going", 'k', NULL, "go on with independent models after a failure", false, false},
    {"prune", 0, NULL, "take datasets off the branch whose model is gone", false, false},
    {"verify", 0, NULL, "compute some results again, or those selected, and compare; publish nothing", false, false},
    {"jobs", 'j', "N", "run N models at once", true, false},
    {"since", 0, "TIME", "for incremental models, which come later", true, false},
    {"until", 0, "TIME", "for incremental models, which come later", true, false},
    {"message", 'm', "TEXT", "a message for the publication", true, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {
    {"shoal run", "everything that is not as the code says"},
    {"shoal run gold.delays", "one model and the parents it needs"},
    {"shoal run 'silver.*' --keep-going", "a schema"},
    {"shoal plan -o plan.json && shoal run plan.json", "just what was planned, or nothing"},
    {"shoal run --verify", "ten results again, compared with what is there"},
    {"shoal run gold.delays --now 2013-06-01 --seed 1", "clock and chance that stand still"},
    {NULL, NULL}};
const cli_command cmd_run = {"run",
                             "Compute what is not there yet and publish it, all datasets at once.",
                             "[SELECTOR… | PLAN.json] [options]",
                             options,
                             examples,
                             -1,
                             run};
