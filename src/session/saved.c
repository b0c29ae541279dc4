/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan as a file: what was planned, so that it can be read, approved, and then done as it stands or not at all. It
 * pins the branch's publication and every dataset's action and signature. What reads the clock or chance has another
 * signature in every plan, so for it and for what lies below it only the action is pinned.
 */
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "session/session.h"

#define MAX_PLAN_BYTES (256u << 20) /* a million models are 150 MB */

const char *shoal_action_name(shoal_action action) {
  static const char *const names[] = {"reuse", "adopt", "run", "pinned", "stale", "removed"};
  return names[action];
}

/* Per node: its signature is another one in every plan. */
static bool *find_volatile(const shoal_graph *g, shoal_arena *arena) {
  bool *is = SHOAL_NEW_ARRAY(arena, bool, g->n_nodes);
  for (uint32_t k = 0; is && k < g->n_models; k++) {
    const shoal_node *n = &g->nodes[g->order[k]];
    bool *it = &is[g->order[k]];
    *it = n->moving;
    for (uint32_t e = 0; e < n->n_inputs && !*it; e++)
      *it = is[n->inputs[e].parent];
  }
  return is;
}

static void write_strings(shoal_jw *w, const char *key, const shoal_str *texts, size_t n) {
  shoal_jw_key(w, key);
  shoal_jw_arr(w);
  for (size_t i = 0; i < n; i++)
    shoal_jw_str(w, texts[i]);
  shoal_jw_end(w);
}

shoal_status shoal_session_save_plan(shoal_session *s, const shoal_plan *plan, const shoal_plan_options *options,
                                     shoal_buf *out, shoal_error *err) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_jw w = {.out = out, .indent = 1};
  bool *moving = find_volatile(plan->graph, &s->arena);
  if (!moving)
    return shoal_fail_nomem(err);
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_kz(&w, "kind", "plan");
  shoal_jw_kstr(&w, "lake", s->lake->id);
  shoal_jw_kstr(&w, "branch", s->branch);
  shoal_jw_ki64(&w, "publication", plan->state->publication);
  write_strings(&w, "selectors", options->selectors, options->n_selectors);
  write_strings(&w, "vars", s->options.vars, s->options.n_vars);
  shoal_jw_kbool(&w, "again", options->again);
  if (s->options.now_fixed)
    shoal_jw_ki64(&w, "now_us", s->options.now_us);
  if (s->options.seed_fixed)
    shoal_jw_ki64(&w, "seed", s->options.seed);
  shoal_jw_key(&w, "items");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < plan->n_items; i++) {
    const shoal_item *it = &plan->items[i];
    shoal_jw_obj(&w);
    shoal_jw_kstr(&w, "dataset", it->name);
    shoal_jw_kz(&w, "action", shoal_action_name(it->action));
    if (it->node != UINT32_MAX && !moving[it->node]) {
      shoal_hash_hex(&plan->graph->nodes[it->node].key, hex);
      shoal_jw_kz(&w, "signature", hex);
    }
    shoal_jw_end(&w);
  }
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  shoal_buf_addc(out, '\n');
  return shoal_buf_check(out, err);
}

static shoal_status read_strings(yyjson_val *root, const char *key, shoal_arena *arena, shoal_str **out, size_t *n,
                                 shoal_error *err) {
  yyjson_val *list = yyjson_obj_get(root, key), *v;
  size_t i, max;
  *out = SHOAL_NEW_ARRAY(arena, shoal_str, yyjson_arr_size(list));
  *n = 0;
  if (!*out)
    return shoal_fail_nomem(err);
  yyjson_arr_foreach(list, i, max, v) {
    if (!yyjson_is_str(v))
      return shoal_fail(err, SHOAL_EINVAL, "'%s' holds something that is no text", key);
    (*out)[*n] = shoal_arena_str(arena, shoal_str_n(yyjson_get_str(v), yyjson_get_len(v)));
    if (!(*out)[(*n)++].ptr)
      return shoal_fail_nomem(err);
  }
  return SHOAL_OK;
}

static shoal_status read_items(yyjson_val *root, const char *path, shoal_arena *arena, shoal_saved_plan *out,
                               shoal_error *err) {
  yyjson_val *list = yyjson_obj_get(root, "items"), *v;
  size_t i, max;
  out->items = SHOAL_NEW_ARRAY(arena, shoal_saved_item, yyjson_arr_size(list));
  if (!out->items)
    return shoal_fail_nomem(err);
  yyjson_arr_foreach(list, i, max, v) {
    shoal_saved_item *it = &out->items[out->n_items++];
    SHOAL_TRY(shoal_json_need_str(v, "dataset", path, arena, &it->dataset, err));
    SHOAL_TRY(shoal_json_need_str(v, "action", path, arena, &it->action, err));
    it->signature = shoal_arena_str(arena, shoal_json_str(v, "signature"));
  }
  return SHOAL_OK;
}

static shoal_status read_plan(yyjson_val *root, const char *path, shoal_arena *arena, shoal_saved_plan *out,
                              shoal_error *err) {
  if (!shoal_str_is(shoal_json_str(root, "kind"), "plan")) {
    (void)shoal_fail(err, SHOAL_EINVAL, "%s is no plan", path);
    shoal_hint(err, "shoal plan -o FILE makes one");
    return SHOAL_EINVAL;
  }
  if (shoal_json_i64(root, "schema_version", 0) != 1)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "%s was made by another version of Shoal", path);
  SHOAL_TRY(shoal_json_need_str(root, "lake", path, arena, &out->lake, err));
  SHOAL_TRY(shoal_json_need_str(root, "branch", path, arena, &out->branch, err));
  SHOAL_TRY(shoal_json_need_i64(root, "publication", path, &out->publication, err));
  SHOAL_TRY(read_strings(root, "selectors", arena, &out->selectors, &out->n_selectors, err));
  SHOAL_TRY(read_strings(root, "vars", arena, &out->vars, &out->n_vars, err));
  out->again = shoal_json_bool(root, "again", false);
  out->now_fixed = yyjson_obj_get(root, "now_us") != NULL;
  out->now_us = shoal_json_i64(root, "now_us", 0);
  out->seed_fixed = yyjson_obj_get(root, "seed") != NULL;
  out->seed = (uint32_t)shoal_json_i64(root, "seed", 0);
  return read_items(root, path, arena, out, err);
}

shoal_status shoal_saved_plan_read(const char *path, shoal_arena *arena, shoal_saved_plan *out, shoal_error *err) {
  shoal_buf text = {0};
  yyjson_doc *doc = NULL;
  *out = (shoal_saved_plan){0};
  shoal_status status = shoal_os_read_file(path, MAX_PLAN_BYTES, &text, err);
  if (status >= 0)
    status = shoal_json_parse(shoal_buf_str(&text), path, &doc, err);
  if (status >= 0)
    status = read_plan(yyjson_doc_get_root(doc), path, arena, out, err);
  yyjson_doc_free(doc);
  shoal_buf_dispose(&text);
  return status;
}

static shoal_status moved(shoal_error *err, const char *what) {
  (void)shoal_fail(err, SHOAL_ECONFLICT, "the world has moved since this was planned: %s", what);
  shoal_hint(err, "plan again: shoal plan -o FILE");
  return SHOAL_ECONFLICT;
}

static shoal_status same_item(const shoal_plan *plan, const shoal_item *it, const shoal_saved_item *was,
                              shoal_error *err) {
  char what[400], hex[SHOAL_HASH_HEX + 1] = "";
  const char *action = shoal_action_name(it->action);
  if (!shoal_str_is(was->action, action)) {
    snprintf(what, sizeof what, "%.*s was to %.*s, now it would %s", SHOAL_FMT(was->dataset), SHOAL_FMT(was->action),
             action);
    return moved(err, what);
  }
  if (it->node != UINT32_MAX)
    shoal_hash_hex(&plan->graph->nodes[it->node].key, hex);
  if (!was->signature.ptr || shoal_str_is(was->signature, hex))
    return SHOAL_OK;
  snprintf(what, sizeof what, "%.*s has other code or inputs now", SHOAL_FMT(was->dataset));
  return moved(err, what);
}

shoal_status shoal_saved_plan_compare(const shoal_saved_plan *saved, const shoal_session *s, const shoal_plan *plan,
                                      shoal_error *err) {
  char what[400];
  if (!shoal_str_eq(saved->lake, s->lake->id))
    return moved(err, "it was planned for another lake");
  if (!shoal_str_eq(saved->branch, s->branch)) {
    snprintf(what, sizeof what, "it is for branch %.*s, and this is %.*s", SHOAL_FMT(saved->branch),
             SHOAL_FMT(s->branch));
    return moved(err, what);
  }
  for (size_t i = 0; i < plan->n_items && i < saved->n_items; i++) {
    const shoal_str now = plan->items[i].name, was = saved->items[i].dataset;
    if (!shoal_str_eq(now, was)) {
      snprintf(what, sizeof what, "%.*s stood where %.*s is now", SHOAL_FMT(was), SHOAL_FMT(now));
      return moved(err, what);
    }
    SHOAL_TRY(same_item(plan, &plan->items[i], &saved->items[i], err));
  }
  if (plan->n_items != saved->n_items) {
    bool more = plan->n_items > saved->n_items;
    shoal_str odd = more ? plan->items[saved->n_items].name : saved->items[plan->n_items].dataset;
    snprintf(what, sizeof what, "%.*s is %s", SHOAL_FMT(odd), more ? "new" : "gone");
    return moved(err, what);
  }
  if (saved->publication != plan->state->publication) {
    snprintf(what, sizeof what, "%.*s is at publication #%lld, not #%lld", SHOAL_FMT(s->branch),
             (long long)plan->state->publication, (long long)saved->publication);
    return moved(err, what);
  }
  return SHOAL_OK;
}
