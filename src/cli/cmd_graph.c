/* SPDX-License-Identifier: Apache-2.0 */
/* shoal graph: the graph as text, DOT, JSON, or a picture drawn by Graphviz. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/commands.h"

typedef struct look {
  const char *word, *fill;
} look;

static look look_of(const shoal_plan *plan, const shoal_item *const *item_of, uint32_t node) {
  if (plan->graph->nodes[node].kind != SHOAL_NODE_MODEL)
    return (look){"source", "#eeeeee"};
  switch (item_of[node]->action) {
  case SHOAL_ACTION_RUN:
    return item_of[node]->entry ? (look){"stale", "#ffe08a"} : (look){"new", "#a7d8ff"};
  case SHOAL_ACTION_STALE:
    return (look){"stale", "#ffe08a"};
  case SHOAL_ACTION_PINNED:
    return (look){"pinned", "#d9c8f5"};
  case SHOAL_ACTION_REMOVED:
    return (look){"removed", "#f5c0c0"};
  case SHOAL_ACTION_ADOPT:
  case SHOAL_ACTION_REUSE:
    break;
  }
  return (look){"reused", "#c9ecc4"};
}

static void dot(cli *c, const shoal_plan *plan, const shoal_item *const *item_of, shoal_buf *out) {
  const shoal_graph *g = plan->graph;
  shoal_buf_addz(out, "digraph shoal {\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", "
                      "fontname=\"Helvetica\", fontsize=11];\n  edge [color=\"#888888\"];\n");
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    look l = look_of(plan, item_of, i);
    const char *extra = "";
    if (i < g->n_models && item_of[i]->predicted)
      extra = shoal_arena_printf(&c->arena, "\\n%s", item_of[i]->codec.ptr ? "object" : cli_rows(c, item_of[i]->rows));
    shoal_buf_addf(out, "  n%u [label=\"%.*s\\n%s%s\", fillcolor=\"%s\"%s];\n", i, SHOAL_FMT(g->nodes[i].name), l.word,
                   extra ? extra : "", l.fill, i < g->n_models ? "" : ", shape=cylinder, style=filled");
  }
  for (uint32_t i = 0; i < g->n_models; i++)
    for (uint32_t e = 0; e < g->nodes[i].n_inputs; e++)
      shoal_buf_addf(out, "  n%u -> n%u;\n", g->nodes[i].inputs[e].parent, i);
  shoal_buf_addz(out, "}\n");
}

static void json(const shoal_plan *plan, const shoal_item *const *item_of, shoal_buf *out) {
  const shoal_graph *g = plan->graph;
  shoal_jw w = {.out = out};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_key(&w, "nodes");
  shoal_jw_arr(&w);
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    shoal_jw_obj(&w);
    shoal_jw_kstr(&w, "name", g->nodes[i].name);
    shoal_jw_kz(&w, "state", look_of(plan, item_of, i).word);
    shoal_jw_key(&w, "reads");
    shoal_jw_arr(&w);
    for (uint32_t e = 0; e < g->nodes[i].n_inputs; e++)
      shoal_jw_str(&w, g->nodes[g->nodes[i].inputs[e].parent].name);
    shoal_jw_end(&w);
    shoal_jw_end(&w);
  }
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  shoal_buf_addc(out, '\n');
}

#define PRODUCER "shoal " SHOAL_VERSION
#define LINEAGE_SCHEMA "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent"

/* A dataset as OpenLineage names it: where it lies, and its name there. */
static void lineage_dataset(const char *where, shoal_jw *w, shoal_str name) {
  shoal_jw_obj(w);
  shoal_jw_kz(w, "namespace", where);
  shoal_jw_kstr(w, "name", name);
  shoal_jw_end(w);
}

/* One event of a model, a line: OpenLineage's JobEvent, which describes a job that need not have run. */
static void lineage_event(cli *c, const shoal_plan *plan, uint32_t node, const char *time, shoal_buf *out) {
  const shoal_graph *g = plan->graph;
  const shoal_node *n = &g->nodes[node];
  shoal_jw w = {.out = out};
  const char *where = cli_text(c, "file://%.*s", SHOAL_FMT(c->s->lake_path));
  shoal_jw_obj(&w);
  shoal_jw_kz(&w, "eventTime", time);
  shoal_jw_kz(&w, "producer", PRODUCER);
  shoal_jw_kz(&w, "schemaURL", LINEAGE_SCHEMA);
  shoal_jw_key(&w, "job");
  shoal_jw_obj(&w);
  shoal_jw_kstr(&w, "namespace", c->s->config.name);
  shoal_jw_kstr(&w, "name", n->name);
  shoal_jw_end(&w);
  shoal_jw_key(&w, "inputs");
  shoal_jw_arr(&w);
  for (uint32_t e = 0; e < n->n_inputs; e++) {
    const shoal_node *p = &g->nodes[n->inputs[e].parent];
    if (p->kind == SHOAL_NODE_SOURCE) /* by where its files or its table lie */
      lineage_dataset("file", &w, p->source->where);
    else
      lineage_dataset(where, &w, p->name);
  }
  shoal_jw_end(&w);
  shoal_jw_key(&w, "outputs");
  shoal_jw_arr(&w);
  lineage_dataset(where, &w, n->name);
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  shoal_buf_addc(out, '\n');
}

static void lineage(cli *c, const shoal_plan *plan, shoal_buf *out) {
  char time[SHOAL_TIME_TEXT];
  shoal_time_text(shoal_time_now(), time);
  for (uint32_t k = 0; k < plan->graph->n_models; k++)
    lineage_event(c, plan, plan->graph->order[k], time, out);
}

static void text(const shoal_plan *plan, const shoal_item *const *item_of, shoal_buf *out) {
  const shoal_graph *g = plan->graph;
  for (uint32_t k = 0; k < g->n_models; k++) {
    const shoal_node *n = &g->nodes[g->order[k]];
    shoal_buf_addf(out, "%-8s %.*s", look_of(plan, item_of, g->order[k]).word, SHOAL_FMT(n->name));
    for (uint32_t e = 0; e < n->n_inputs; e++)
      shoal_buf_addf(out, "%s%.*s", e ? ", " : " ← ", SHOAL_FMT(g->nodes[n->inputs[e].parent].name));
    shoal_buf_addc(out, '\n');
  }
}

/* Graphviz draws from a file beside the picture. */
static shoal_status draw(cli *c, shoal_str dot_text, const char *format, const char *path, shoal_error *err) {
  char *input = shoal_arena_printf(&c->arena, "%s.dot", path);
  char *kind = shoal_arena_printf(&c->arena, "-T%s", format);
  const char *argv[] = {"dot", kind, "-o", path, input, NULL};
  int code = 0;
  shoal_error ignored;
  if (!input || !kind)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_os_replace_file(input, dot_text, err));
  shoal_status status = shoal_os_run(argv, NULL, false, NULL, &code, err);
  shoal_ignore(shoal_os_unlink(input, &ignored));
  if (status < 0 || code == 127) {
    shoal_fail(err, SHOAL_ENOTFOUND, "Graphviz's dot is not installed, and it draws the picture");
    shoal_hint(err, "apt-get install graphviz, or -o graph.dot for its input");
    return SHOAL_ENOTFOUND;
  }
  return code ? shoal_fail(err, SHOAL_EIO, "dot failed with exit code %d", code) : SHOAL_OK;
}

static shoal_status write_out(cli *c, const shoal_plan *plan, const shoal_item *const *item_of, const char *path,
                              shoal_error *err) {
  shoal_buf b = {0};
  shoal_status status = SHOAL_OK;
  const char *ending = path ? strrchr(path, '.') : NULL;
  bool picture = ending && (!strcmp(ending, ".svg") || !strcmp(ending, ".png") || !strcmp(ending, ".pdf"));
  if (cli_has(c, "openlineage"))
    lineage(c, plan, &b);
  else if (picture || (ending && !strcmp(ending, ".dot")))
    dot(c, plan, item_of, &b);
  else if (c->json || (ending && !strcmp(ending, ".json")))
    json(plan, item_of, &b);
  else
    text(plan, item_of, &b);
  status = shoal_buf_check(&b, err);
  if (status >= 0 && picture && !cli_has(c, "openlineage"))
    status = draw(c, shoal_buf_str(&b), ending + 1, path, err);
  else if (status >= 0 && path)
    status = shoal_os_write_output(path, shoal_buf_str(&b), err);
  else if (status >= 0)
    fputs(shoal_buf_z(&b), stdout);
  shoal_buf_dispose(&b);
  return status;
}

static int run(cli *c) {
  shoal_error err = {0};
  shoal_plan *plan = NULL;
  char *path = NULL;
  if (cli_has(c, "columns"))
    return cli_usage(c, "lineage of columns comes later; shoal graph shows which dataset reads which");
  if (cli_output_path(c, &path, &err) < 0)
    return cli_fail(c, &err);
  c->session.dry = true;
  int rc = cli_open(c);
  if (rc)
    return rc;
  if (shoal_session_plan(c->s, &(shoal_plan_options){0}, &plan, &err) < 0)
    return cli_fail(c, &err);
  const shoal_item **item_of = SHOAL_NEW_ARRAY(&c->arena, const shoal_item *, plan->graph->n_nodes);
  for (size_t i = 0; item_of && i < plan->n_items; i++)
    if (plan->items[i].node != UINT32_MAX)
      item_of[plan->items[i].node] = &plan->items[i];
  shoal_status status = item_of ? write_out(c, plan, item_of, path, &err) : shoal_fail_nomem(&err);
  if (status < 0)
    rc = cli_fail(c, &err);
  else if (path && !c->quiet)
    printf("wrote %s: %u models\n", cli_value(c, "output"), plan->graph->n_models);
  shoal_plan_free(plan);
  return rc;
}

static const cli_option options[] = {
    {"output", 'o', "FILE", "a picture (.svg, .png, .pdf), .dot or .json; -: standard output", false, false},
    {"openlineage", 0, NULL, "one OpenLineage job event a line for each model", false, false},
    {"columns", 0, NULL, "lineage of columns, which comes later", true, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {{"shoal graph -o graph.svg", "a picture: stale, reused, new, pinned"},
                                       {"shoal graph", "as text"},
                                       {"shoal graph --openlineage -o lineage.ndjson", "for a catalogue"},
                                       {NULL, NULL}};
const cli_command cmd_graph = {
    "graph", "Show the graph of models as a picture, text or JSON.", "[-o FILE] [--openlineage]", options, examples, 0,
    run};
