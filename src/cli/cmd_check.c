/* SPDX-License-Identifier: Apache-2.0 */
/* shoal check: names, types, determinism and purity of every model, without reading a row. */
#include "base/json.h"
#include "base/map.h"
#include "base/str.h"
#include "cli/commands.h"
#include "code/functions.h"

typedef struct tally {
  size_t errors, blocked, later, fine, volatiles;
  shoal_map said; /* what is found in a helper is found by all who reach it, and said once */
} tally;

static const char *what_fixes(const shoal_node *n) {
  if (n->uses == 0 || (n->uses & SHOAL_USES_OTHER))
    return "";
  bool clock = n->uses & SHOAL_USES_TIME, chance = n->uses & SHOAL_USES_CHANCE;
  return clock && chance ? " unless --now and --seed are given"
         : clock         ? " unless --now is given"
                         : " unless --seed is given";
}

static void findings_json(const shoal_finding *found, size_t n, shoal_jw *w) {
  shoal_jw_key(w, "findings");
  shoal_jw_arr(w);
  for (size_t i = 0; i < n; i++) {
    shoal_jw_obj(w);
    shoal_jw_kstr(w, "kind", found[i].kind);
    shoal_jw_kstr(w, "path", found[i].path);
    shoal_jw_ki64(w, "line", found[i].line);
    shoal_jw_kstr(w, "what", found[i].what);
    shoal_jw_kstr(w, "why", found[i].why);
    shoal_jw_kstr(w, "mend", found[i].mend);
    shoal_jw_end(w);
  }
  shoal_jw_end(w);
}

static shoal_status say_findings(cli *c, const shoal_node *n, tally *t, shoal_jw *w, shoal_error *err) {
  shoal_finding *found;
  size_t n_found;
  SHOAL_TRY(shoal_session_impurities(c->s, n->unit, &c->arena, &found, &n_found, err));
  if (c->json && n->unit->python.ptr)
    findings_json(found, n_found, w);
  for (size_t i = 0; !c->json && i < n_found; i++) {
    shoal_str text = shoal_str_z(cli_text(c, "%.*s:%d: %.*s %.*s\n  %.*s", SHOAL_FMT(found[i].path), found[i].line,
                                          SHOAL_FMT(found[i].what), SHOAL_FMT(found[i].why), SHOAL_FMT(found[i].mend)));
    if (shoal_map_get(&t->said, text) != SHOAL_MAP_NONE)
      continue;
    puts(text.ptr);
    SHOAL_TRY(shoal_map_put(&t->said, text, 0, err));
  }
  return SHOAL_OK;
}

static shoal_status one(cli *c, const shoal_plan *plan, const shoal_item *it, const shoal_bound *b, tally *t,
                        shoal_jw *w, shoal_error *err) {
  const shoal_node *n = &plan->graph->nodes[it->node];
  shoal_buf text = {0};
  shoal_status status;
  t->errors += b->error != NULL;
  t->blocked += b->blocked;
  t->later += b->later && !b->blocked;
  t->fine += b->bound;
  t->volatiles += n->moving;
  if (b->bound)
    for (size_t i = 0; i < b->schema.n_fields; i++) {
      shoal_buf_addf(&text, "%s%.*s ", i ? ", " : "", SHOAL_FMT(b->schema.fields[i].name));
      shoal_type_text(&text, &b->schema.fields[i].type);
    }
  if (c->json) {
    shoal_jw_obj(w);
    shoal_jw_kstr(w, "dataset", n->name);
    shoal_jw_kstr(w, "path", n->unit->path);
    shoal_jw_kz(w, "error", b->error ? b->error->message : NULL);
    shoal_jw_kz(w, "hint", b->error && b->error->hint[0] ? b->error->hint : NULL);
    if (b->error)
      shoal_jw_ki64(w, "line", b->error->line);
    shoal_jw_kbool(w, "blocked", b->blocked);
    if (b->later)
      shoal_jw_kbool(w, "later", true);
    shoal_jw_kstr(w, "volatile", n->moving ? n->volatile_why : SHOAL_STR_NONE);
    if (b->bound)
      shoal_jw_kstr(w, "schema", shoal_buf_str(&text));
    status = say_findings(c, n, t, w, err);
    shoal_jw_end(w);
  } else {
    if (b->error)
      (void)cli_fail(c, b->error);
    if (n->moving)
      printf("%.*s calls %.*s, so it is run every time%s\n", SHOAL_FMT(n->unit->path), SHOAL_FMT(n->volatile_why),
             what_fixes(n));
    if (c->verbose && b->bound)
      printf("%.*s (%s)\n", SHOAL_FMT(n->name), shoal_buf_z(&text));
    status = say_findings(c, n, t, w, err);
  }
  shoal_buf_dispose(&text);
  return status;
}

static int run(cli *c) {
  shoal_error err = {0};
  shoal_plan *plan = NULL;
  shoal_bound *bound;
  tally t = {0};
  shoal_buf out = {0};
  shoal_jw w = {.out = &out};
  c->session.dry = true;
  int rc = cli_open(c);
  if (rc)
    return rc;
  shoal_str *selectors;
  if (cli_args(c, &selectors, &err) < 0)
    return cli_fail(c, &err);
  shoal_plan_options options = {.selectors = selectors, .n_selectors = (size_t)c->argc};
  if (shoal_session_plan(c->s, &options, &plan, &err) < 0 ||
      shoal_session_bind(c->s, plan, true, &c->arena, &bound, &err) < 0) {
    shoal_plan_free(plan);
    return cli_fail(c, &err);
  }
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_key(&w, "models");
  shoal_jw_arr(&w);
  shoal_status status = SHOAL_OK;
  for (size_t i = 0; status >= 0 && i < plan->n_items; i++)
    if (plan->items[i].node != UINT32_MAX && c->s->selected[plan->items[i].node])
      status = one(c, plan, &plan->items[i], &bound[plan->items[i].node], &t, &w, &err);
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  shoal_map_dispose(&t.said);
  if (status < 0) {
    shoal_buf_dispose(&out);
    shoal_plan_free(plan);
    return cli_fail(c, &err);
  }
  if (c->json)
    puts(shoal_buf_z(&out));
  else if (!c->quiet)
    printf("%zu models are fine, %zu have errors, %zu could not be checked because of them\n", t.fine, t.errors,
           t.blocked);
  if (t.later && !c->json && !c->quiet)
    printf("%zu rest on Python models whose columns are known when these have run\n", t.later);
  shoal_buf_dispose(&out);
  shoal_plan_free(plan);
  return t.errors ? EXIT_ERROR : EXIT_DONE;
}

static const cli_option options[] = {CLI_PARAMETERS, {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {
    {"shoal check", "every model"}, {"shoal check gold.delays -v", "with its columns and their types"}, {NULL, NULL}};
const cli_command cmd_check = {"check",
                               "Check names, types, determinism and purity without running a model.",
                               "[SELECTOR…] [options]",
                               options,
                               examples,
                               -1,
                               run};
