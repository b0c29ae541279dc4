/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planning again, for a run that was overtaken: what it read has moved on the branch before it could publish. The new
 * plan stands on what others published. It must not undo their work, though: a dataset that somebody has set since the
 * first plan is set anew only where our code is theirs, so that all that differs is what it reads.
 */
#include "base/json.h"
#include "base/str.h"
#include "session/session.h"

/* Whether a dataset is another one than when the run began: another result, none any more, or pinned since. */
static bool moved(const shoal_entry *was, const shoal_entry *is) {
  if (!was || !is)
    return was != is;
  return was->result.generation != is->result.generation ||
         !shoal_hash_eq(&was->result.signature, &is->result.signature) || (is->pinned && !was->pinned);
}

static bool same_hash(yyjson_val *provenance, const char *key, const shoal_hash *h) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_hash_hex(h, hex);
  return shoal_str_is(shoal_json_str(provenance, key), hex);
}

/* Sources are this run's own view of the world outside: theirs may be newer. */
static bool same_sources(const shoal_session *s, const shoal_node *n, yyjson_val *provenance) {
  size_t i, max;
  yyjson_val *v;
  yyjson_arr_foreach(yyjson_obj_get(provenance, "inputs"), i, max, v) {
    if (!shoal_str_is(shoal_json_str(v, "kind"), "source"))
      continue;
    uint32_t node = shoal_graph_find(s->graph, shoal_json_str(v, "name"));
    if (node == SHOAL_MAP_NONE || !same_hash(v, "key", &s->graph->nodes[node].key))
      return false;
  }
  return n->file_key == UINT32_MAX || same_hash(provenance, "files_key", &s->unit_files[n->file_key].key);
}

/* Whether a result was made by the code, settings and sources that this run has. */
static shoal_status made_by_ours(shoal_session *s, const shoal_node *n, const shoal_result *r, bool *out,
                                 shoal_error *err) {
  shoal_buf text = {0};
  yyjson_doc *doc = NULL;
  shoal_status status = shoal_result_provenance(s->lake, r, &text, err);
  if (status >= 0)
    status = shoal_json_parse(shoal_buf_str(&text), "the provenance", &doc, err);
  yyjson_val *p = yyjson_doc_get_root(doc);
  *out = status >= 0 && same_hash(p, "code", &n->code) && same_hash(p, "parameters", &n->parameters) &&
         same_hash(p, "environment", &s->environment) && same_sources(s, n, p);
  yyjson_doc_free(doc);
  shoal_buf_dispose(&text);
  return status;
}

static shoal_status fail_overwritten(const shoal_session *s, const shoal_item *it, shoal_error *err) {
  (void)shoal_fail(err, SHOAL_ECONFLICT, "the branch %.*s has moved: %.*s was %s by somebody else while this ran",
                   SHOAL_FMT(s->branch), SHOAL_FMT(it->name),
                   !it->entry          ? "removed"
                   : it->entry->pinned ? "pinned"
                                       : "published from other code");
  shoal_hint(err, "bring your code up to date, or run again to publish yours: what is computed is reused");
  return SHOAL_ECONFLICT;
}

static shoal_status refuse_overwriting(shoal_session *s, const shoal_plan *plan, const shoal_state *first, bool prune,
                                       shoal_error *err) {
  for (size_t i = 0; i < plan->n_items; i++) {
    const shoal_item *it = &plan->items[i];
    bool sets = it->action == SHOAL_ACTION_RUN || it->action == SHOAL_ACTION_ADOPT, same = false;
    if (!(sets || (prune && it->action == SHOAL_ACTION_REMOVED)) ||
        !moved(shoal_state_find(first, it->name), it->entry))
      continue;
    if (sets && it->entry && !it->entry->pinned)
      SHOAL_TRY(made_by_ours(s, &plan->graph->nodes[it->node], &it->entry->result, &same, err));
    if (!same)
      return fail_overwritten(s, it, err);
  }
  return SHOAL_OK;
}

shoal_status shoal_session_replan(shoal_session *s, const shoal_plan_options *options, const shoal_state *first,
                                  bool prune, shoal_plan **out, shoal_error *err) {
  *out = NULL;
  SHOAL_TRY(shoal_session_rescan(s, err));
  SHOAL_TRY(shoal_session_plan(s, options, out, err));
  shoal_status status = refuse_overwriting(s, *out, first, prune, err);
  if (status < 0) {
    shoal_plan_free(*out);
    *out = NULL;
  }
  return status;
}
