/* SPDX-License-Identifier: Apache-2.0 */
#include "run/learn.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/str.h"
#include "code/python.h"

shoal_hash shoal_learned_key(const shoal_hash *code, const shoal_hash *arguments, shoal_str version) {
  shoal_python_call call = {.code = *code, .arguments = *arguments, .python = version};
  return shoal_python_signature(&call);
}

/* An input that the code names, or (`asked`) one that the function has asked for. */
static bool counts(const shoal_task_input *in, bool asked) {
  return !in->called && (!in->learned || (asked && in->asked));
}

/* Of a call that reads what its code says, with `asked` what it has asked for, and `more`. */
static shoal_status sign(shoal_task *t, bool asked, const shoal_python_load *more, size_t n, shoal_hash *out,
                         shoal_error *err) {
  shoal_task_python *p = &t->python;
  shoal_python_call call = {.code = p->code, .arguments = p->arguments, .python = p->version};
  call.loads = SHOAL_NEW_ARRAY(&t->arena, shoal_python_load, t->n_inputs + n);
  if (!call.loads)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < t->n_inputs; i++)
    if (counts(&t->inputs[i], asked))
      call.loads[call.n_loads++] = (shoal_python_load){t->inputs[i].name, t->inputs[i].key};
  for (size_t i = 0; i < n; i++)
    call.loads[call.n_loads++] = more[i];
  *out = shoal_python_signature(&call);
  return SHOAL_OK;
}

/* ---- before ---- */

static const shoal_task_input *input_of(const shoal_task *t, shoal_str name) {
  for (size_t i = 0; i < t->n_inputs; i++)
    if (!t->inputs[i].called && shoal_str_eq(t->inputs[i].name, name))
      return &t->inputs[i];
  return NULL;
}

/* The keys of a trace's names. *known: each is a dataset that stands. */
static shoal_status keys_of(const shoal_task *t, const shoal_task_context *ctx, const shoal_trace *trace,
                            shoal_arena *arena, shoal_python_load **out, bool *known, shoal_error *err) {
  *out = SHOAL_NEW_ARRAY(arena, shoal_python_load, trace->n_names);
  if (!*out)
    return shoal_fail_nomem(err);
  *known = true;
  for (size_t i = 0; i < trace->n_names && *known; i++) {
    shoal_task_input found = {0};
    const shoal_task_input *in = input_of(t, trace->names[i]);
    *known = in || ctx->look(ctx->look_arg, trace->names[i], &found) == SHOAL_STANDING_RESULT;
    (*out)[i] = (shoal_python_load){trace->names[i], in ? in->key : found.key};
  }
  return SHOAL_OK;
}

/* *found: there is a result of the function that read just what the trace names. */
static shoal_status look_up(shoal_task *t, const shoal_task_context *ctx, const shoal_trace *trace, bool *found,
                            shoal_error *err) {
  shoal_python_load *loads;
  shoal_lookup look = {0};
  bool known = false;
  *found = false;
  SHOAL_TRY(keys_of(t, ctx, trace, &t->arena, &loads, &known, err));
  if (!known)
    return SHOAL_OK;
  SHOAL_TRY(sign(t, false, loads, trace->n_names, &look.signature, err));
  if (shoal_hash_eq(&look.signature, &t->signature)) /* which has been looked up */
    return SHOAL_OK;
  SHOAL_TRY(shoal_claims_lookup(ctx->lake, &look, 1, &t->arena, err));
  *found = look.found;
  return SHOAL_OK;
}

static void replan_with(shoal_task *t, const shoal_str *names, size_t n) {
  t->python.replan = true;
  t->python.reads = names;
  t->python.n_reads = n;
}

shoal_status shoal_learned_before(shoal_task *t, const shoal_task_context *ctx, shoal_error *err) {
  shoal_trace *traces;
  const shoal_trace none = {0};
  size_t n;
  bool found = false, learned = false;
  shoal_hash key = shoal_learned_key(&t->python.code, &t->python.arguments, t->python.version);
  SHOAL_TRY(shoal_traces_read(ctx->lake, &key, &t->arena, &traces, &n, err));
  for (size_t i = n; i-- > 0 && !found;) {
    SHOAL_TRY(look_up(t, ctx, &traces[i], &found, err));
    if (found)
      replan_with(t, traces[i].names, traces[i].n_names);
  }
  for (size_t i = 0; i < t->n_inputs; i++)
    learned |= t->inputs[i].learned;
  if (learned && !found) {
    SHOAL_TRY(look_up(t, ctx, &none, &found, err));
    if (found)
      replan_with(t, NULL, 0);
  }
  if (!found)
    return SHOAL_OK;
  t->outcome = SHOAL_TASK_LEARNED;
  return SHOAL_DONE;
}

/* ---- after ---- */

static int compare_names(const void *a, const void *b) {
  return shoal_str_cmp(*(const shoal_str *)a, *(const shoal_str *)b);
}

/* What it has read besides what its code says, sorted. *other: that is not what it was planned with. */
static shoal_status seen(const shoal_task *t, shoal_arena *arena, shoal_str **out, size_t *n, bool *other,
                         shoal_error *err) {
  *n = 0;
  *other = t->python.more.len > 0;
  *out = SHOAL_NEW_ARRAY(arena, shoal_str, t->n_inputs + t->python.more.len);
  if (!*out)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < t->n_inputs; i++) {
    if (t->inputs[i].learned && t->inputs[i].asked)
      (*out)[(*n)++] = t->inputs[i].name;
    *other |= t->inputs[i].learned && !t->inputs[i].asked;
  }
  for (size_t i = 0; i < t->python.more.len; i++)
    (*out)[(*n)++] = t->python.more.ptr[i]->name;
  if (*n)
    qsort(*out, *n, sizeof **out, compare_names);
  return SHOAL_OK;
}

static bool add_input(yyjson_mut_doc *doc, yyjson_mut_val *inputs, const shoal_task_input *in) {
  char key[SHOAL_HASH_HEX + 1];
  yyjson_mut_val *v = yyjson_mut_arr_add_obj(doc, inputs);
  shoal_hash_hex(&in->key, key);
  return v && yyjson_mut_obj_add_strn(doc, v, "role", in->name.ptr, in->name.len) &&
         yyjson_mut_obj_add_strn(doc, v, "name", in->name.ptr, in->name.len) &&
         yyjson_mut_obj_add_str(doc, v, "kind", in->from) && yyjson_mut_obj_add_strcpy(doc, v, "key", key);
}

static bool drop_inputs(const shoal_task *t, yyjson_mut_val *inputs) {
  for (size_t i = yyjson_mut_arr_size(inputs); i-- > 0;) {
    yyjson_mut_val *name = yyjson_mut_obj_get(yyjson_mut_arr_get(inputs, i), "name");
    const shoal_task_input *in = input_of(t, shoal_str_n(yyjson_mut_get_str(name), yyjson_mut_get_len(name)));
    if (in && in->learned && !in->asked && !yyjson_mut_arr_remove(inputs, i))
      return false;
  }
  return true;
}

/* The provenance tells what its signature is made of. */
static shoal_status rewrite_provenance(shoal_task *t, shoal_error *err) {
  char signature[SHOAL_HASH_HEX + 1];
  yyjson_doc *was = NULL;
  size_t len = 0;
  SHOAL_TRY(shoal_json_parse(t->provenance, "the provenance", &was, err));
  yyjson_mut_doc *doc = yyjson_doc_mut_copy(was, NULL);
  yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *inputs = yyjson_mut_obj_get(root, "inputs");
  shoal_hash_hex(&t->signature, signature);
  bool ok = doc && inputs && drop_inputs(t, inputs) &&
            yyjson_mut_obj_replace(root, yyjson_mut_str(doc, "signature"), yyjson_mut_strcpy(doc, signature));
  for (size_t i = 0; i < t->python.more.len && ok; i++)
    ok = add_input(doc, inputs, t->python.more.ptr[i]);
  char *text = ok ? yyjson_mut_write(doc, 0, &len) : NULL;
  if (text)
    t->provenance = shoal_arena_str(&t->arena, shoal_str_n(text, len));
  ok = text && t->provenance.ptr;
  free(text);
  yyjson_mut_doc_free(doc);
  yyjson_doc_free(was);
  return ok ? SHOAL_OK : shoal_fail_nomem(err);
}

/* For whoever plans it next, in a run, by its code alone, or calls it, where its code names loads, too. */
static shoal_status leave_trace(shoal_task *t, const shoal_task_context *ctx, shoal_str *names, size_t n,
                                shoal_error *err) {
  shoal_hash key = shoal_learned_key(&t->python.code, &t->python.arguments, t->python.version), call;
  const shoal_trace trace = {names, n};
  SHOAL_TRY(shoal_trace_put(ctx->lake, &key, &trace, err));
  SHOAL_TRY(sign(t, false, NULL, 0, &call, err));
  return shoal_hash_eq(&call, &key) ? SHOAL_OK : shoal_trace_put(ctx->lake, &call, &trace, err);
}

static shoal_status fail_other(const shoal_str *names, size_t n, shoal_error *err) {
  shoal_str first = n ? names[0] : SHOAL_STR("less");
  (void)shoal_fail(err, SHOAL_EINVAL,
                   "it reads %.*s%s under names that its code does not tell, which its result did not",
                   SHOAL_FMT(first), n > 1 ? " and more" : "");
  shoal_hint(err, "so they can't be compared: it is not deterministic, or something that it calls is pinned");
  return SHOAL_EINVAL;
}

shoal_status shoal_learned_after(shoal_task *t, const shoal_task_context *ctx, shoal_error *err) {
  shoal_task_python *p = &t->python;
  shoal_str *names;
  size_t n;
  bool other;
  if (p->later.len && t->again)
    return fail_other(p->later.ptr, p->later.len, err);
  if (p->later.len) {
    replan_with(t, p->later.ptr, p->later.len);
    p->reads_more = true;
    t->outcome = SHOAL_TASK_LEARNED;
    return SHOAL_DONE;
  }
  SHOAL_TRY(seen(t, &t->arena, &names, &n, &other, err));
  if (n)
    SHOAL_TRY(leave_trace(t, ctx, names, n, err));
  if (!other)
    return SHOAL_OK;
  if (t->again)
    return fail_other(names, n, err);
  shoal_python_load *more = SHOAL_NEW_ARRAY(&t->arena, shoal_python_load, p->more.len);
  if (!more)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < p->more.len; i++)
    more[i] = (shoal_python_load){p->more.ptr[i]->name, p->more.ptr[i]->key};
  SHOAL_TRY(sign(t, true, more, p->more.len, &t->signature, err));
  replan_with(t, names, n);
  return rewrite_provenance(t, err);
}
