/* SPDX-License-Identifier: Apache-2.0 */
/* I1 … I3 of identity.h: marks in the metadata of columns, numbers as SQL. */
#include "delta/identity.h"

#include "base/str.h"
#include "delta/property.h"

#define PREFIX "delta.identity."
#define MARK PREFIX "highWaterMark"

bool shoal_delta_is_identity(shoal_str metadata) { return shoal_str_find(metadata, SHOAL_STR("\"" PREFIX)) >= 0; }

shoal_status shoal_delta_identity_make(int64_t start, int64_t step, bool open, shoal_field *f, shoal_arena *arena,
                                       shoal_error *err) {
  if (step == 0)
    return shoal_fail(err, SHOAL_EINVAL, "the numbers of '%.*s' would all be the same: the step is 0",
                      SHOAL_FMT(f->name));
  char *text = shoal_arena_printf(
      arena, "{\"" PREFIX "start\":%lld,\"" PREFIX "step\":%lld,\"" PREFIX "allowExplicitInsert\":%s}",
      (long long)start, (long long)step, open ? "true" : "false");
  f->metadata = shoal_str_z(text);
  return text ? SHOAL_OK : shoal_fail_nomem(err);
}

/* ---- what the metadata says ---- */

/* Members of a column's metadata; *mark is the start where no number was given yet, and *has_mark false. */
typedef struct members {
  int64_t start, step, mark;
  bool has_mark, open;
} members;

static shoal_status read_members(const shoal_field *f, members *out, shoal_error *err) {
  yyjson_doc *doc;
  SHOAL_TRY(shoal_json_parse_raw(f->metadata, "a column's metadata", &doc, err));
  yyjson_val *root = yyjson_doc_get_root(doc);
  *out = (members){.start = shoal_json_i64(root, PREFIX "start", 1),
                   .step = shoal_json_i64(root, PREFIX "step", 1),
                   .mark = shoal_json_i64(root, MARK, 0),
                   .has_mark = yyjson_obj_get(root, MARK) != NULL,
                   .open = shoal_json_bool(root, PREFIX "allowExplicitInsert", false)};
  yyjson_doc_free(doc);
  if (f->type.kind != SHOAL_TYPE_LONG || out->step == 0)
    return shoal_fail(err, SHOAL_EUNSUPPORTED,
                      "column '%.*s' is an identity of a kind that this build does not know: BIGINT, a step that is "
                      "not 0",
                      SHOAL_FMT(f->name));
  return SHOAL_OK;
}

shoal_status shoal_delta_identities_of(const shoal_delta_metadata *m, shoal_arena *arena, shoal_delta_identity **out,
                                       shoal_error *err) {
  *out = NULL;
  for (size_t i = 0; i < m->schema.n_fields; i++) {
    const shoal_field *f = &m->schema.fields[i];
    members k;
    if (!shoal_delta_is_identity(f->metadata))
      continue;
    if (!*out)
      *out = SHOAL_NEW_ARRAY(arena, shoal_delta_identity, m->schema.n_fields);
    if (!*out)
      return shoal_fail_nomem(err);
    SHOAL_TRY(read_members(f, &k, err));
    shoal_delta_identity *d = &(*out)[i];
    *d = (shoal_delta_identity){.is = true, .open = k.open, .next = k.start, .step = k.step};
    d->full = k.has_mark && __builtin_add_overflow(k.mark, k.step, &d->next);
  }
  return SHOAL_OK;
}

/* ---- numbers ---- */

static shoal_status fail_full(const shoal_field *f, shoal_error *err) {
  return shoal_fail(err, SHOAL_EINVAL, "the identity column '%.*s' has no numbers left", SHOAL_FMT(f->name));
}

shoal_status shoal_delta_identity_sql(shoal_delta_identity *d, const shoal_field *f, shoal_buf *sql, shoal_error *err) {
  if (d->full)
    return fail_full(f, err);
  d->numbers = true;
  shoal_buf_addf(sql, "(CAST('%lld' AS BIGINT) + (row_number() OVER () - 1) * CAST('%lld' AS BIGINT))",
                 (long long)d->next, (long long)d->step);
  return SHOAL_OK;
}

shoal_status shoal_delta_identity_refuse(const shoal_field *f, shoal_error *err) {
  (void)shoal_fail(err, SHOAL_EINVAL, "'%.*s' is an identity column: its numbers are the table's to give",
                   SHOAL_FMT(f->name));
  shoal_hint(err, "leave the column out");
  return SHOAL_EINVAL;
}

bool shoal_delta_identities_given(const shoal_delta_identity *list, const shoal_schema *schema) {
  bool given = false;
  for (size_t i = 0; list && i < schema->n_fields; i++)
    given = given || list[i].numbers;
  return given;
}

/* ---- marks ---- */

static shoal_status set_mark(shoal_field *f, int64_t mark, shoal_arena *arena, shoal_error *err) {
  char *text = shoal_arena_printf(arena, "%lld", (long long)mark);
  return text ? shoal_delta_field_set(f, MARK, shoal_str_z(text), arena, err) : shoal_fail_nomem(err);
}

shoal_status shoal_delta_identities_move(const shoal_delta_identity *list, uint64_t n, shoal_delta_evolution *e,
                                         shoal_error *err) {
  for (size_t i = 0; n && i < e->metadata.schema.n_fields; i++) {
    shoal_field *f = &e->metadata.schema.fields[i];
    int64_t mark;
    if (!list[i].numbers)
      continue;
    if (n > INT64_MAX || __builtin_mul_overflow((int64_t)n - 1, list[i].step, &mark) ||
        __builtin_add_overflow(mark, list[i].next, &mark))
      return fail_full(f, err);
    SHOAL_TRY(set_mark(f, mark, e->arena, err));
    e->columns_change = true;
  }
  return SHOAL_OK;
}

static bool same_configuration(const shoal_delta_metadata *a, const shoal_delta_metadata *b) {
  bool same = a->n_configuration == b->n_configuration;
  for (size_t i = 0; i < a->n_configuration && same; i++) {
    same = false;
    for (size_t k = 0; k < b->n_configuration && !same; k++)
      same = shoal_str_eq(a->configuration[i].key, b->configuration[k].key) &&
             shoal_str_eq(a->configuration[i].value, b->configuration[k].value);
  }
  return same;
}

/* The schema's text without marks. */
static shoal_status without_marks(const shoal_schema *s, shoal_arena *arena, shoal_buf *out, shoal_error *err) {
  shoal_schema copy;
  SHOAL_TRY(shoal_schema_copy(s, arena, &copy, err));
  for (size_t i = 0; i < copy.n_fields; i++)
    if (shoal_delta_is_identity(copy.fields[i].metadata))
      SHOAL_TRY(shoal_delta_field_set(&copy.fields[i], MARK, SHOAL_STR_NONE, arena, err));
  return shoal_delta_schema_json(&copy, out, err);
}

bool shoal_delta_only_marks(const shoal_delta_metadata *a, const shoal_delta_metadata *b) {
  shoal_arena arena = {0};
  shoal_buf texts[2] = {{0}, {0}};
  bool same =
      a->n_partition_columns == b->n_partition_columns && same_configuration(a, b) && shoal_str_eq(a->id, b->id);
  for (size_t i = 0; i < a->n_partition_columns && same; i++)
    same = shoal_str_eq(a->partition_columns[i], b->partition_columns[i]);
  same = same && without_marks(&a->schema, &arena, &texts[0], NULL) == SHOAL_OK &&
         without_marks(&b->schema, &arena, &texts[1], NULL) == SHOAL_OK &&
         shoal_str_eq(shoal_buf_str(&texts[0]), shoal_buf_str(&texts[1]));
  shoal_buf_dispose(&texts[0]);
  shoal_buf_dispose(&texts[1]);
  shoal_arena_dispose(&arena);
  return same;
}

shoal_status shoal_delta_identities_keep(shoal_delta_metadata *then, const shoal_delta_metadata *now,
                                         shoal_arena *arena, shoal_error *err) {
  shoal_schema copy;
  bool moved = false;
  SHOAL_TRY(shoal_schema_copy(&then->schema, arena, &copy, err));
  for (size_t i = 0; i < copy.n_fields; i++) {
    shoal_field *f = &copy.fields[i];
    ptrdiff_t at = shoal_schema_find(&now->schema, f->name);
    members old, last;
    if (at < 0 || !shoal_delta_is_identity(f->metadata) || !shoal_delta_is_identity(now->schema.fields[at].metadata))
      continue;
    SHOAL_TRY(read_members(f, &old, err));
    SHOAL_TRY(read_members(&now->schema.fields[at], &last, err));
    if (!last.has_mark || (old.has_mark && (old.step > 0 ? old.mark >= last.mark : old.mark <= last.mark)))
      continue;
    SHOAL_TRY(set_mark(f, last.mark, arena, err));
    moved = true;
  }
  if (moved) {
    then->schema = copy;
    then->schema_json = SHOAL_STR_NONE; /* it is written anew from the schema */
  }
  return SHOAL_OK;
}
