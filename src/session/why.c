/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explanations: two preimages are walked to the first leaf that differs. A difference in code is shown as the first
 * line of the text that differs in more than comments; where an input differs, the walk goes on with that input.
 */
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/lexer.h"
#include "session/session.h"

const char *shoal_why_kind_name(shoal_why_kind kind) {
  static const char *const names[] = {"same",  "new",         "code",     "macro",  "variable", "source",
                                      "input", "environment", "volatile", "layout", "package",  "environment variable",
                                      "file"};
  return names[kind];
}

static shoal_str keep(shoal_arena *arena, shoal_str s) { return shoal_arena_str(arena, s); }

/* The line of `text` that holds byte `at`, trimmed; *number counts from `first`. */
static shoal_str line_of(shoal_str text, size_t at, int first, int *number) {
  size_t from = at < text.len ? at : text.len, to = from;
  *number = first;
  for (size_t i = 0; i < from; i++)
    *number += text.ptr[i] == '\n';
  while (from > 0 && text.ptr[from - 1] != '\n')
    from--;
  while (to < text.len && text.ptr[to] != '\n')
    to++;
  return shoal_str_trim(shoal_str_sub(text, from, to));
}

static bool same_token(const shoal_token *a, const shoal_token *b) {
  return a->kind == b->kind &&
         (a->kind == SHOAL_TOKEN_WORD ? shoal_str_ieq(a->text, b->text) : shoal_str_eq(a->text, b->text));
}

/* Where two texts first differ in a token; both ends when they don't. */
static void first_difference(shoal_str before, shoal_str after, size_t *a, size_t *b) {
  shoal_lexer x = {.sql = before}, y = {.sql = after};
  shoal_token s, t;
  for (;;) {
    bool more_x = shoal_lexer_next(&x, &s), more_y = shoal_lexer_next(&y, &t);
    *a = more_x ? s.offset : before.len;
    *b = more_y ? t.offset : after.len;
    if (!more_x || !more_y || !same_token(&s, &t))
      return;
  }
}

static void code_differs(yyjson_val *before, yyjson_val *after, shoal_arena *arena, shoal_why *out) {
  shoal_str x = shoal_json_str(before, "sql"), y = shoal_json_str(after, "sql");
  size_t a, b;
  int ignored;
  first_difference(x, y, &a, &b);
  bool layout = !shoal_str_eq(shoal_json_str(before, "layout"), shoal_json_str(after, "layout"));
  out->kind = a == x.len && b == y.len && layout ? SHOAL_WHY_LAYOUT : SHOAL_WHY_CODE;
  out->path = keep(arena, shoal_json_str(after, "path"));
  out->after = keep(arena, line_of(y, b, (int)shoal_json_i64(after, "first_line", 1), &out->line));
  out->before = keep(arena, line_of(x, a, 1, &ignored));
  if (out->kind == SHOAL_WHY_LAYOUT) {
    out->line = 1;
    out->before = out->after = SHOAL_STR_NONE;
  }
}

static yyjson_val *by_name(yyjson_val *array, const char *key, shoal_str name) {
  size_t i, n;
  yyjson_val *v;
  yyjson_arr_foreach(array, i, n, v) if (shoal_str_eq(shoal_json_str(v, key), name)) return v;
  return NULL;
}

/* A macro that was added, removed or changed. */
static bool macro_differs(yyjson_val *before, yyjson_val *after, shoal_arena *arena, shoal_why *out) {
  yyjson_val *old = yyjson_obj_get(before, "macros"), *now = yyjson_obj_get(after, "macros"), *v;
  size_t i, n;
  yyjson_arr_foreach(now, i, n, v) {
    yyjson_val *o = by_name(old, "name", shoal_json_str(v, "name"));
    if (o && shoal_str_eq(shoal_json_str(o, "canon"), shoal_json_str(v, "canon")))
      continue;
    shoal_str x = o ? shoal_json_str(o, "text") : SHOAL_STR(""), y = shoal_json_str(v, "text");
    size_t a, b;
    int ignored;
    first_difference(x, y, &a, &b);
    out->kind = SHOAL_WHY_MACRO;
    out->what = keep(arena, shoal_json_str(v, "name"));
    out->path = keep(arena, shoal_json_str(v, "path"));
    out->after = keep(arena, line_of(y, b, (int)shoal_json_i64(v, "line", 1), &out->line));
    out->before = keep(arena, line_of(x, a, 1, &ignored));
    return true;
  }
  return false;
}

static bool variable_differs(yyjson_val *before, yyjson_val *after, shoal_arena *arena, shoal_why *out) {
  yyjson_val *old = yyjson_obj_get(before, "variables"), *v;
  size_t i, n;
  yyjson_arr_foreach(yyjson_obj_get(after, "variables"), i, n, v) {
    yyjson_val *o = by_name(old, "name", shoal_json_str(v, "name"));
    shoal_str x = o ? shoal_json_str(o, "value") : SHOAL_STR_NONE, y = shoal_json_str(v, "value");
    if (o && shoal_str_eq(x, y))
      continue;
    out->kind = SHOAL_WHY_VARIABLE;
    out->what = keep(arena, shoal_json_str(v, "name"));
    out->before = keep(arena, x);
    out->after = keep(arena, y);
    return true;
  }
  return false;
}

/* The first file that was added, changed or removed. */
static bool file_differs(yyjson_val *before, yyjson_val *after, shoal_arena *arena, shoal_why *out) {
  yyjson_val *old = yyjson_obj_get(before, "files"), *now = yyjson_obj_get(after, "files"), *v;
  size_t i, n;
  yyjson_arr_foreach(now, i, n, v) {
    yyjson_val *o = by_name(old, "path", shoal_json_str(v, "path"));
    if (o && shoal_str_eq(shoal_json_str(o, "hash"), shoal_json_str(v, "hash")))
      continue;
    out->path = keep(arena, shoal_json_str(v, "path"));
    out->after = o ? SHOAL_STR("changed") : SHOAL_STR("new");
    return true;
  }
  yyjson_arr_foreach(old, i, n, v) if (!by_name(now, "path", shoal_json_str(v, "path"))) {
    out->path = keep(arena, shoal_json_str(v, "path"));
    out->after = SHOAL_STR("removed");
    return true;
  }
  return false;
}

static bool input_differs(yyjson_val *before, yyjson_val *after, shoal_arena *arena, shoal_why *out) {
  yyjson_val *old = yyjson_obj_get(before, "inputs"), *v;
  size_t i, n;
  yyjson_arr_foreach(yyjson_obj_get(after, "inputs"), i, n, v) {
    yyjson_val *o = by_name(old, "role", shoal_json_str(v, "role"));
    if (o && shoal_str_eq(shoal_json_str(o, "key"), shoal_json_str(v, "key")))
      continue;
    bool source = shoal_str_is(shoal_json_str(v, "kind"), "source");
    out->kind = source ? SHOAL_WHY_SOURCE : SHOAL_WHY_INPUT;
    out->what = keep(arena, shoal_json_str(v, "name"));
    if (!source)
      return true;
    int64_t x = o ? shoal_json_i64(o, "version", -1) : -1, y = shoal_json_i64(v, "version", -1);
    if (y >= 0) {
      out->before = x >= 0 ? shoal_str_z(shoal_arena_printf(arena, "version %lld", (long long)x)) : SHOAL_STR_NONE;
      out->after = shoal_str_z(shoal_arena_printf(arena, "version %lld", (long long)y));
    } else if (!file_differs(o, v, arena, out)) {
      out->path = SHOAL_STR("shoal.yaml");
      out->line = (int)shoal_json_i64(v, "line", 1);
      out->after = SHOAL_STR("its format or options");
    }
    return true;
  }
  return false;
}

/* Clock or seed, where they are part of the key. */
static bool fixed_differs(yyjson_val *before, yyjson_val *after, shoal_arena *arena, shoal_why *out) {
  static const char *const keys[][2] = {{"now", "--now"}, {"today", "today's date"}};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    shoal_str x = shoal_json_str(before, keys[i][0]), y = shoal_json_str(after, keys[i][0]);
    if (!y.ptr || shoal_str_eq(x, y))
      continue;
    *out = (shoal_why){.kind = SHOAL_WHY_VARIABLE, .what = shoal_str_z(keys[i][1])};
    out->before = x.ptr ? keep(arena, x) : SHOAL_STR("not given");
    out->after = keep(arena, y);
    return true;
  }
  int64_t x = shoal_json_i64(before, "seed", -1), y = shoal_json_i64(after, "seed", -1);
  if (y < 0 || x == y)
    return false;
  *out = (shoal_why){.kind = SHOAL_WHY_VARIABLE, .what = SHOAL_STR("--seed")};
  out->before = x < 0 ? SHOAL_STR("not given") : shoal_str_z(shoal_arena_printf(arena, "%lld", (long long)x));
  out->after = shoal_str_z(shoal_arena_printf(arena, "%lld", (long long)y));
  return true;
}

static void compare(yyjson_val *before, yyjson_val *after, shoal_arena *arena, shoal_why *out) {
  *out = (shoal_why){0};
  bool canon = shoal_str_eq(shoal_json_str(before, "canon"), shoal_json_str(after, "canon")) &&
               shoal_str_eq(shoal_json_str(before, "layout"), shoal_json_str(after, "layout"));
  bool same;
  if (shoal_why_is_python(before, after, &same)) {
    canon = true; /* that of SQL */
    if (!same) {
      shoal_why_python(before, after, arena, out);
      return;
    }
    if (shoal_why_python_reads(before, after, arena, out))
      return;
  }
  if (!canon) {
    code_differs(before, after, arena, out);
    return;
  }
  if (macro_differs(before, after, arena, out) || variable_differs(before, after, arena, out) ||
      input_differs(before, after, arena, out))
    return;
  if (!shoal_str_eq(shoal_json_str(before, "files_key"), shoal_json_str(after, "files_key"))) {
    out->kind = SHOAL_WHY_SOURCE;
    (void)file_differs(before, after, arena, out);
    out->what = out->path;
  } else if (!shoal_str_eq(shoal_json_str(before, "environment"), shoal_json_str(after, "environment"))) {
    out->kind = SHOAL_WHY_ENVIRONMENT;
    out->before = keep(arena, shoal_json_str(before, "engine"));
    out->after = keep(arena, shoal_json_str(after, "engine"));
  } else if (fixed_differs(before, after, arena, out)) {
    return;
  } else if (shoal_json_str(after, "volatile").ptr) {
    out->kind = SHOAL_WHY_VOLATILE;
    out->what = keep(arena, shoal_json_str(after, "volatile"));
  }
}

shoal_status shoal_why_compare(shoal_str before_json, shoal_str after_json, shoal_arena *arena, shoal_why *out,
                               shoal_error *err) {
  yyjson_doc *before = NULL, *after = NULL;
  shoal_status status = shoal_json_parse(before_json, "the provenance before", &before, err);
  if (status >= 0)
    status = shoal_json_parse(after_json, "the provenance now", &after, err);
  if (status >= 0)
    compare(yyjson_doc_get_root(before), yyjson_doc_get_root(after), arena, out);
  yyjson_doc_free(before);
  yyjson_doc_free(after);
  return status;
}

/* One model against what the branch holds of it. */
static shoal_status why_one(shoal_session *s, uint32_t node, const shoal_entry *e, shoal_arena *arena, shoal_why *out,
                            shoal_error *err) {
  shoal_buf before = {0}, after = {0};
  shoal_status status = shoal_result_provenance(s->lake, &e->result, &before, err);
  if (status >= 0)
    status = shoal_session_preimage(s, node, &after, err);
  if (status >= 0)
    status = shoal_why_compare(shoal_buf_str(&before), shoal_buf_str(&after), arena, out, err);
  shoal_buf_dispose(&before);
  shoal_buf_dispose(&after);
  return status;
}

static shoal_status unknown_dataset(shoal_session *s, shoal_str dataset, shoal_error *err) {
  ptrdiff_t best = -1;
  unsigned distance = (unsigned)(dataset.len & 0xff) / 3 + 1;
  for (uint32_t i = 0; i < s->graph->n_models; i++) {
    unsigned d = shoal_str_distance(dataset, s->graph->nodes[i].name, distance);
    if (d < distance) {
      distance = d;
      best = (ptrdiff_t)i;
    }
  }
  (void)shoal_fail(err, SHOAL_ENOTFOUND, "there is no model %.*s", SHOAL_FMT(dataset));
  if (best >= 0)
    shoal_hint(err, "did you mean %.*s?", SHOAL_FMT(s->graph->nodes[best].name));
  return SHOAL_ENOTFOUND;
}

shoal_status shoal_session_why(shoal_session *s, shoal_str dataset, shoal_arena *arena, shoal_why_chain *out,
                               shoal_error *err) {
  *out = (shoal_why_chain){0};
  SHOAL_TRY(shoal_session_scan(s, err));
  uint32_t node = shoal_graph_find(s->graph, dataset);
  if (node == SHOAL_MAP_NONE || s->graph->nodes[node].kind != SHOAL_NODE_MODEL)
    return unknown_dataset(s, dataset, err);
  while (out->n < sizeof out->datasets / sizeof *out->datasets) {
    const shoal_node *n = &s->graph->nodes[node];
    const shoal_entry *e = shoal_state_find(s->state, n->name);
    out->datasets[out->n++] = n->name;
    out->leaf = (shoal_why){0};
    if (!e) {
      out->leaf = (shoal_why){.kind = SHOAL_WHY_NEW, .path = n->unit->path, .line = 1};
      return SHOAL_OK;
    }
    if (!s->pinned[node] && !shoal_plan_needs_lookup(s->graph, node, s->pinned, s->state))
      return SHOAL_OK;
    SHOAL_TRY(why_one(s, node, e, arena, &out->leaf, err));
    uint32_t next = out->leaf.kind == SHOAL_WHY_INPUT ? shoal_graph_find(s->graph, out->leaf.what) : SHOAL_MAP_NONE;
    if (next == SHOAL_MAP_NONE || s->graph->nodes[next].kind != SHOAL_NODE_MODEL || s->pinned[next] ||
        !shoal_plan_needs_lookup(s->graph, next, s->pinned, s->state))
      return SHOAL_OK; /* the input is another one by itself: pinned, released, or published since */
    node = next;
  }
  return SHOAL_OK;
}

/* Two results of one dataset. */
static shoal_status compare_results(shoal_session *s, const shoal_result *before, const shoal_result *after,
                                    shoal_arena *arena, shoal_why *out, shoal_error *err) {
  shoal_buf x = {0}, y = {0};
  shoal_status status = shoal_result_provenance(s->lake, before, &x, err);
  if (status >= 0)
    status = shoal_result_provenance(s->lake, after, &y, err);
  if (status >= 0)
    status = shoal_why_compare(shoal_buf_str(&x), shoal_buf_str(&y), arena, out, err);
  shoal_buf_dispose(&x);
  shoal_buf_dispose(&y);
  return status;
}

shoal_status shoal_session_why_between(shoal_session *s, shoal_str dataset, const shoal_state *before,
                                       const shoal_state *after, shoal_arena *arena, shoal_why_chain *out,
                                       shoal_error *err) {
  *out = (shoal_why_chain){0};
  shoal_str name = dataset;
  while (out->n < sizeof out->datasets / sizeof *out->datasets) {
    const shoal_entry *x = shoal_state_find(before, name), *y = shoal_state_find(after, name);
    if (!y && out->n == 0)
      return shoal_fail(err, SHOAL_ENOTFOUND, "%.*s is not on %.*s #%lld", SHOAL_FMT(name), SHOAL_FMT(after->branch),
                        (long long)after->publication);
    if (!y || (x && out->n && shoal_hash_eq(&x->result.signature, &y->result.signature)))
      return SHOAL_OK; /* the input was another one than the branch held: the leaf above says so */
    out->datasets[out->n++] = keep(arena, name);
    out->leaf = (shoal_why){.kind = x ? SHOAL_WHY_SAME : SHOAL_WHY_NEW};
    if (!x ||
        (shoal_hash_eq(&x->result.signature, &y->result.signature) && x->result.generation == y->result.generation))
      return SHOAL_OK;
    SHOAL_TRY(compare_results(s, &x->result, &y->result, arena, &out->leaf, err));
    if (out->leaf.kind != SHOAL_WHY_INPUT)
      return SHOAL_OK;
    name = out->leaf.what;
  }
  return SHOAL_OK;
}
