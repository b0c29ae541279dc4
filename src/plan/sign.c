/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures: C, P and S of every model, parents first (DESIGN 5). The domain tags below are format 1 of keys. */
#include "base/str.h"
#include "base/vec.h"
#include "code/functions.h"
#include "code/python.h"
#include "plan/graph.h"

static shoal_hash code_of(const shoal_graph *g, const shoal_node *n) {
  shoal_hasher h;
  if (n->unit->python.ptr)
    return n->unit->canon;
  shoal_hasher_init(&h, "shoal/1/code/sql");
  shoal_hasher_hash(&h, &n->unit->canon);
  shoal_hasher_hash(&h, &n->unit->layout);
  shoal_hasher_list(&h, n->n_macros);
  for (uint32_t i = 0; i < n->n_macros; i++) {
    const shoal_macro *m = &g->macros[n->macros[i]];
    shoal_hasher_str(&h, m->name);
    shoal_hasher_hash(&h, &m->canon);
  }
  return shoal_hasher_end(&h);
}

static const shoal_option *find_var(const shoal_sign_input *in, shoal_str name) {
  size_t lo = 0, hi = in->n_vars;
  while (lo < hi) {
    size_t mid = (lo + hi) / 2;
    int c = shoal_str_cmp(in->vars[mid].name, name);
    if (c == 0)
      return &in->vars[mid];
    if (c < 0)
      lo = mid + 1;
    else
      hi = mid;
  }
  return NULL;
}

static shoal_status missing_var(const shoal_sign_input *in, const shoal_unit *u, shoal_str name, shoal_error *err) {
  shoal_str names[256];
  size_t n = 0;
  for (; n < in->n_vars && n < 256; n++)
    names[n] = in->vars[n].name;
  ptrdiff_t near = shoal_str_nearest(name, names, n);
  (void)shoal_fail(err, SHOAL_EINVAL, "%.*s reads the variable '%.*s', which is not set", SHOAL_FMT(u->path),
                   SHOAL_FMT(name));
  if (near >= 0)
    shoal_hint(err, "did you mean '%.*s'?", SHOAL_FMT(names[near]));
  else
    shoal_hint(err, "set it under vars: in shoal.yaml, or with --var %.*s=…", SHOAL_FMT(name));
  shoal_error_at(err, u->path.ptr, 1, 1, 0);
  return SHOAL_EINVAL;
}

/* Each variable counts where it is read: by the model, then by each macro it reaches. */
static shoal_status hash_vars(const shoal_sign_input *in, const shoal_unit *u, const shoal_str *names, size_t n,
                              shoal_hasher *h, shoal_error *err) {
  shoal_hasher_list(h, n);
  for (size_t i = 0; i < n; i++) {
    const shoal_option *v = find_var(in, names[i]);
    if (!v)
      return missing_var(in, u, names[i], err);
    shoal_hasher_str(h, v->name);
    shoal_hasher_str(h, v->value);
    shoal_hasher_u64(h, v->quoted);
  }
  return SHOAL_OK;
}

static shoal_status parameters_of(const shoal_graph *g, const shoal_sign_input *in, shoal_node *n, shoal_error *err) {
  shoal_hasher h;
  shoal_hasher_init(&h, "shoal/1/parameters");
  SHOAL_TRY(hash_vars(in, n->unit, n->unit->variables, n->unit->n_variables, &h, err));
  for (uint32_t i = 0; i < n->n_macros; i++) {
    const shoal_macro *m = &g->macros[n->macros[i]];
    SHOAL_TRY(hash_vars(in, n->unit, m->variables, m->n_variables, &h, err));
  }
  n->parameters = shoal_hasher_end(&h);
  return SHOAL_OK;
}

static const shoal_pin_key *find_pin(const shoal_sign_input *in, shoal_str name) {
  for (size_t i = 0; i < in->n_pins; i++)
    if (shoal_str_eq(in->pins[i].name, name))
      return &in->pins[i];
  return NULL;
}

/* Days since 1970-01-01, also before it. */
static uint64_t day_of(int64_t us) {
  const int64_t day = 86400 * 1000000LL;
  return (uint64_t)(us / day - (us % day < 0));
}

/* Whether something that the model reads can't be known before it runs. */
static bool is_moving(const shoal_sign_input *in, const shoal_node *n) {
  if (!n->volatile_why.ptr || n->date_only)
    return false;
  return n->uses == 0 || (n->uses & SHOAL_USES_OTHER) || ((n->uses & SHOAL_USES_TIME) && !in->now_fixed) ||
         ((n->uses & SHOAL_USES_CHANCE) && !in->seed_fixed);
}

/* Clock and chance, where they are fixed, count for those who read them only. */
static void hash_fixed(const shoal_sign_input *in, const shoal_node *n, shoal_hasher *h) {
  shoal_hasher_z(h, "fixed");
  if (n->uses & SHOAL_USES_TIME)
    shoal_hasher_u64(h, (uint64_t)in->now_us);
  else if (n->uses & SHOAL_USES_DATE)
    shoal_hasher_u64(h, day_of(in->now_us));
  if (n->uses & SHOAL_USES_CHANCE)
    shoal_hasher_u64(h, in->seed);
  shoal_hasher_u64(h, n->uses);
}

/* As the package makes it of a call. */
static shoal_status python_signature(const shoal_graph *g, const shoal_node *n, shoal_arena *scratch, shoal_hash *out,
                                     shoal_error *err) {
  shoal_python_call call = {.code = n->code,
                            .arguments = n->unit->arguments,
                            .python = n->unit->python,
                            .loads = SHOAL_NEW_ARRAY(scratch, shoal_python_load, n->n_inputs)};
  if (!call.loads)
    return shoal_fail_nomem(err);
  for (uint32_t i = 0; i < n->n_inputs; i++)
    if (!n->inputs[i].called)
      call.loads[call.n_loads++] =
          (shoal_python_load){g->nodes[n->inputs[i].parent].name, g->nodes[n->inputs[i].parent].key};
  *out = shoal_python_signature(&call);
  return SHOAL_OK;
}

static shoal_hash signature_of(const shoal_graph *g, const shoal_sign_input *in, const shoal_node *n) {
  shoal_hasher h;
  shoal_hasher_init(&h, "shoal/1/signature");
  shoal_hasher_hash(&h, &n->code);
  shoal_hasher_hash(&h, &in->environment);
  shoal_hasher_hash(&h, &n->parameters);
  shoal_hasher_list(&h, n->n_inputs);
  for (uint32_t i = 0; i < n->n_inputs; i++) {
    shoal_hasher_str(&h, n->inputs[i].role);
    shoal_hasher_hash(&h, &g->nodes[n->inputs[i].parent].key);
  }
  if (n->file_key != UINT32_MAX)
    shoal_hasher_hash(&h, &in->unit_file_keys[n->file_key]);
  if (n->volatile_why.ptr && n->date_only)
    shoal_hasher_u64(&h, day_of(in->now_us));
  else if (n->moving)
    shoal_hasher_hash(&h, &in->nonce);
  else if (n->volatile_why.ptr)
    hash_fixed(in, n, &h);
  return shoal_hasher_end(&h);
}

shoal_status shoal_graph_sign(shoal_graph *g, const shoal_sign_input *in, bool *pinned, shoal_error *err) {
  for (uint32_t i = g->n_models; i < g->n_nodes; i++) {
    shoal_node *n = &g->nodes[i];
    n->key = n->kind == SHOAL_NODE_SOURCE ? in->source_keys[n->file_key] : in->lake_keys[n->file_key];
    pinned[i] = false;
  }
  for (uint32_t k = 0; k < g->n_models; k++) {
    uint32_t i = g->order[k];
    shoal_node *n = &g->nodes[i];
    n->code = code_of(g, n);
    n->moving = is_moving(in, n);
    SHOAL_TRY(parameters_of(g, in, n, err));
    const shoal_pin_key *pin = in->n_pins ? find_pin(in, n->name) : NULL;
    pinned[i] = pin && shoal_hash_eq(&pin->code, &n->code);
    if (pinned[i])
      n->key = pin->key;
    else if (n->unit->python.ptr)
      SHOAL_TRY(python_signature(g, n, &g->arena, &n->key, err));
    else
      n->key = signature_of(g, in, n);
  }
  return SHOAL_OK;
}
