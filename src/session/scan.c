/* SPDX-License-Identifier: Apache-2.0 */
/* scan and sign: files to units, units and sources to a graph, the graph to signatures. */
#include <stdlib.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "session/session.h"

#define EPOCH "1" /* raised when an engine version changes results; see docs/decisions.md */

static shoal_status watch_settings(shoal_session *s, shoal_error *err) {
  const shoal_watch_entry *e;
  SHOAL_TRY(shoal_watch_add(&s->watch, SHOAL_STR("shoal.yaml"), &e, err));
  return shoal_watch_add(&s->watch, SHOAL_STR("shoal.local.yaml"), &e, err);
}

void shoal_session_remember(shoal_session *s) {
  shoal_buf watch = {0}, units = {0};
  shoal_index_item items[2];
  size_t n = 0;
  shoal_error ignored; /* a cache */
  if (s->index && s->watch_new && shoal_watch_encode(&s->watch, &watch, &ignored) >= 0)
    items[n++] = (shoal_index_item){SHOAL_SESSION_WATCH_KEY, shoal_buf_str(&watch)};
  if (s->index && s->units_new && shoal_session_encode_units(s, &units, &ignored) >= 0)
    items[n++] = (shoal_index_item){SHOAL_SESSION_UNITS_KEY, shoal_buf_str(&units)};
  if (n)
    shoal_ignore(shoal_index_put(s->index, items, n, &ignored));
  s->watch_new = s->units_new = false;
  shoal_session_remember_python(s);
  shoal_session_remember_learned(s);
  shoal_buf_dispose(&watch);
  shoal_buf_dispose(&units);
}

#define MUCH                                                                                                           \
  100 /* files read or texts parsed: what took long to find out outlives whatever becomes of this process              \
       */

/* Files, units, externals; the watch goes back to the index. */
static shoal_status read_files(shoal_session *s, shoal_error *err) {
  shoal_str old = s->old_watch;
  if (!old.ptr && s->index)
    old = shoal_index_view(s->index, SHOAL_SESSION_WATCH_KEY);
  shoal_status status =
      shoal_watch_open(s->root, old, s->old_watch.ptr ? s->seen : (shoal_watch_seen){0}, &s->watch, err);
  s->scanned = s->watch_new = true;
  if (s->index)
    shoal_index_release(s->index);
  if (status >= 0)
    status = watch_settings(s, err);
  if (status >= 0)
    status = shoal_session_units(s, err);
  if (status >= 0)
    status = shoal_session_externals(s, err);
  if (s->watch.n_hashed > MUCH || s->n_parsed > MUCH || status < 0)
    shoal_session_remember(s);
  return status;
}

static shoal_hash environment(void) {
  shoal_hasher h;
  shoal_hasher_init(&h, "shoal/1/environment");
  shoal_hasher_z(&h, "duckdb");
  shoal_hasher_z(&h, EPOCH);
  shoal_engine_settings_hash(&h);
  return shoal_hasher_end(&h);
}

static shoal_status build_graph(shoal_session *s, shoal_error *err) {
  const shoal_state *st = s->state;
  s->lake_names = SHOAL_NEW_ARRAY(&s->arena, shoal_str, st->n_entries);
  s->lake_keys = SHOAL_NEW_ARRAY(&s->arena, shoal_hash, st->n_entries);
  if (!s->lake_names || !s->lake_keys)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < st->n_entries; i++) {
    s->lake_names[i] = st->entries[i].name;
    s->lake_keys[i] = st->entries[i].result.signature;
  }
  const shoal_graph_input in = {.units = s->units,
                                .n_units = s->n_units,
                                .macros = s->macros,
                                .n_macros = s->n_macros,
                                .sources = s->config.sources,
                                .n_sources = s->config.n_sources,
                                .lake_names = s->lake_names,
                                .n_lake_names = st->n_entries};
  bool any;
  SHOAL_TRY(shoal_session_learned_refs(s, true, &any, err));
  shoal_error first = {0};
  shoal_status status = shoal_graph_build(&in, &s->graph, &first);
  if (status >= 0 || !any) {
    if (status < 0 && err)
      *err = first;
    return status;
  }
  SHOAL_TRY(shoal_session_learned_refs(s, false, &any, err)); /* what was read once may make a cycle by now */
  return shoal_graph_build(&in, &s->graph, err);
}

static shoal_status pin_keys(shoal_session *s, shoal_pin_key **out, size_t *n, shoal_error *err) {
  *n = 0;
  *out = NULL;
  for (size_t i = 0; i < s->state->n_entries; i++)
    *n += s->state->entries[i].pinned;
  *out = SHOAL_NEW_ARRAY(&s->arena, shoal_pin_key, *n);
  if (!*out)
    return shoal_fail_nomem(err);
  for (size_t i = 0, k = 0; i < s->state->n_entries; i++) {
    const shoal_entry *e = &s->state->entries[i];
    if (e->pinned)
      (*out)[k++] = (shoal_pin_key){e->name, e->pinned_code, e->result.signature};
  }
  return SHOAL_OK;
}

static shoal_status sign(shoal_session *s, shoal_error *err) {
  shoal_hash *sources = SHOAL_NEW_ARRAY(&s->arena, shoal_hash, s->config.n_sources);
  shoal_hash *files = SHOAL_NEW_ARRAY(&s->arena, shoal_hash, s->n_units);
  s->pinned = SHOAL_NEW_ARRAY(&s->arena, bool, s->graph->n_nodes);
  if (!sources || !files || !s->pinned)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < s->config.n_sources; i++)
    sources[i] = s->externals[i].key;
  for (size_t i = 0; i < s->n_units; i++)
    files[i] = s->unit_files[i].key;
  s->environment = environment();
  shoal_sign_input in = {.environment = s->environment,
                         .vars = s->config.vars,
                         .n_vars = s->config.n_vars,
                         .source_keys = sources,
                         .unit_file_keys = files,
                         .lake_keys = s->lake_keys};
  if (s->now_us == 0) {
    s->now_us = s->options.now_fixed ? s->options.now_us : shoal_time_now();
    shoal_os_random(s->nonce.b, sizeof s->nonce.b);
  }
  in.nonce = s->nonce;
  in.now_us = s->now_us;
  in.now_fixed = s->options.now_fixed;
  in.seed_fixed = s->options.seed_fixed;
  in.seed = s->options.seed;
  shoal_pin_key *pins;
  SHOAL_TRY(pin_keys(s, &pins, &in.n_pins, err));
  in.pins = pins;
  return shoal_graph_sign(s->graph, &in, s->pinned, err);
}

static shoal_status build_and_sign(shoal_session *s, shoal_error *err) {
  bool found;
  SHOAL_TRY(build_graph(s, err));
  SHOAL_TRY(sign(s, err));
  SHOAL_TRY(shoal_session_learned_look(s, &found, err));
  if (!found)
    return SHOAL_OK;
  shoal_graph_free(s->graph);
  s->graph = NULL;
  SHOAL_TRY(build_graph(s, err));
  return sign(s, err);
}

/* Who needs it and does not find it opens it, and tells why it can't be. */
static void open_early(void *arg) {
  shoal_session *s = arg;
  shoal_error ignored;
  shoal_ignore(shoal_session_open_engine(s, 1, &s->early, &ignored));
}

shoal_status shoal_session_scan(shoal_session *s, shoal_error *err) {
  if (s->graph)
    return SHOAL_OK;
  if (!s->root)
    return shoal_fail(err, SHOAL_EINVAL, "this needs a project; there is only a lake");
  SHOAL_TRY(shoal_session_configure(s, err));
  if (s->edited && !s->engine && !s->opening.started)
    shoal_ignore(shoal_thread_start(&s->opening, open_early, s, NULL)); /* else it is opened when it is needed */
  SHOAL_TRY(shoal_session_load_state(s, err));
  SHOAL_TRY(read_files(s, err));
  return build_and_sign(s, err);
}

shoal_status shoal_session_rescan(shoal_session *s, shoal_error *err) {
  shoal_graph **graph = shoal_vec_add(&s->old_graphs);
  shoal_state **state = shoal_vec_add(&s->old_states);
  if (!graph || !state)
    return shoal_fail_nomem(err);
  *graph = s->graph;
  *state = s->state;
  s->graph = NULL;
  s->state = NULL;
  bool was_new = s->branch_is_new;
  s->branch_is_new = false;
  s->options.from = NULL; /* it is made by now */
  SHOAL_TRY(shoal_session_load_state(s, err));
  if (s->branch_is_new && !was_new)
    return shoal_fail(err, SHOAL_ECONFLICT, "the branch %.*s was deleted while this ran", SHOAL_FMT(s->branch));
  return build_and_sign(s, err);
}
