/* SPDX-License-Identifier: Apache-2.0 */
/* The local index's encoding of a unit, field by field in the order of the struct. */
#include "code/unit.h"

#include "base/str.h"

static void put_list(shoal_buf *out, const shoal_str *items, size_t n) {
  shoal_put_u32(out, (uint32_t)n);
  for (size_t i = 0; i < n; i++)
    shoal_put_str(out, items[i]);
}

static void put_refs(shoal_buf *out, const shoal_unit_ref *refs, size_t n) {
  shoal_put_u32(out, (uint32_t)n);
  for (size_t i = 0; i < n; i++) {
    shoal_put_str(out, refs[i].name);
    shoal_put_u32(out, (uint32_t)refs[i].line);
    shoal_put_u32(out, (uint32_t)refs[i].column);
    shoal_put_u8(out, refs[i].called);
  }
}

void shoal_unit_encode(const shoal_unit *u, shoal_buf *out) {
  shoal_put_str(out, u->name);
  shoal_put_str(out, u->path);
  shoal_put_hash(out, &u->content);
  shoal_put_hash(out, &u->canon);
  shoal_put_hash(out, &u->layout);
  shoal_put_hash(out, &u->expects);
  put_refs(out, u->refs, u->n_refs);
  put_list(out, u->files, u->n_files);
  put_list(out, u->functions, u->n_functions);
  put_list(out, u->variables, u->n_variables);
  put_list(out, u->tags, u->n_tags);
  shoal_put_str(out, u->volatile_why);
  shoal_put_u8(out, u->date_only);
  shoal_put_u8(out, u->uses);
  shoal_put_str(out, u->was);
  shoal_put_str(out, u->python);
  shoal_put_hash(out, &u->arguments);
  shoal_put_str(out, u->description);
  shoal_put_u32(out, (uint32_t)u->line);
}

static bool take_list(shoal_decoder *d, shoal_arena *arena, shoal_str **items, size_t *n) {
  *n = shoal_take_count(d, 4);
  *items = SHOAL_NEW_ARRAY(arena, shoal_str, *n);
  for (size_t i = 0; *items && i < *n; i++)
    (*items)[i] = shoal_take_str(d);
  return *items != NULL;
}

static bool take_refs(shoal_decoder *d, shoal_arena *arena, shoal_unit_ref **refs, size_t *n) {
  *n = shoal_take_count(d, 13);
  *refs = SHOAL_NEW_ARRAY(arena, shoal_unit_ref, *n);
  for (size_t i = 0; *refs && i < *n; i++) {
    (*refs)[i].name = shoal_take_str(d);
    (*refs)[i].line = (int)shoal_take_u32(d);
    (*refs)[i].column = (int)shoal_take_u32(d);
    (*refs)[i].called = shoal_take_u8(d) != 0;
  }
  return *refs != NULL;
}

void shoal_macro_encode(const shoal_macro *m, shoal_buf *out) {
  shoal_put_hash(out, &m->canon);
  put_list(out, m->functions, m->n_functions);
  put_list(out, m->variables, m->n_variables);
  put_refs(out, m->refs, m->n_refs);
  shoal_put_str(out, m->volatile_why);
  shoal_put_u8(out, m->date_only);
  shoal_put_u8(out, m->uses);
}

shoal_status shoal_macro_decode(shoal_decoder *d, shoal_arena *arena, shoal_macro *out, shoal_error *err) {
  out->canon = shoal_take_hash(d);
  bool ok = take_list(d, arena, &out->functions, &out->n_functions) &&
            take_list(d, arena, &out->variables, &out->n_variables) && take_refs(d, arena, &out->refs, &out->n_refs);
  out->volatile_why = shoal_take_str(d);
  out->date_only = shoal_take_u8(d) != 0;
  out->uses = shoal_take_u8(d);
  return ok ? SHOAL_OK : shoal_fail_nomem(err);
}

shoal_status shoal_unit_decode(shoal_decoder *d, shoal_arena *arena, shoal_unit *out, shoal_error *err) {
  *out = (shoal_unit){0};
  out->name = shoal_take_str(d);
  out->path = shoal_arena_str(arena, shoal_take_str(d)); /* with its NUL */
  out->content = shoal_take_hash(d);
  out->canon = shoal_take_hash(d);
  out->layout = shoal_take_hash(d);
  out->expects = shoal_take_hash(d);
  bool ok = take_refs(d, arena, &out->refs, &out->n_refs) && take_list(d, arena, &out->files, &out->n_files) &&
            take_list(d, arena, &out->functions, &out->n_functions) &&
            take_list(d, arena, &out->variables, &out->n_variables) && take_list(d, arena, &out->tags, &out->n_tags);
  out->volatile_why = shoal_take_str(d);
  out->date_only = shoal_take_u8(d) != 0;
  out->uses = shoal_take_u8(d);
  out->was = shoal_take_str(d);
  out->python = shoal_take_str(d);
  out->arguments = shoal_take_hash(d);
  out->description = shoal_take_str(d);
  out->line = (int)shoal_take_u32(d);
  return ok ? SHOAL_OK : shoal_fail_nomem(err);
}
