/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns that are otherwise in the files than in the table: their structs have other names (Delta's column mapping),
 * or they are variants. The reader finds the members of a struct by name only, so it is given the names in the files,
 * and an expression over what it read gives the members their own; the other way round, what is written gets the names
 * of the files. Where nothing inside is other the column stays as it is, and filters reach the reader.
 */
#include <stdio.h>

#include "base/str.h"
#include "engine/duckdb_internal.h"

static bool differs(const shoal_type *type) {
  if (type->kind == SHOAL_TYPE_VARIANT)
    return true;
  for (size_t i = 0; i < type->n_fields; i++) {
    const shoal_field *f = &type->fields[i];
    if ((type->kind == SHOAL_TYPE_STRUCT && f->physical.ptr && !shoal_str_eq(f->physical, f->name)) ||
        differs(&f->type))
      return true;
  }
  return false;
}

typedef struct direction {
  bool physical;     /* into the files */
  const char *parts; /* of what comes from them: see shoal_duckdb_add_logical */
} direction;

static shoal_str name_of(const shoal_field *f, bool physical) {
  return physical && f->physical.ptr ? f->physical : f->name;
}

static void add(shoal_buf *out, const shoal_type *type, shoal_str expression, int depth, direction to);

/* {'name': …, …}, where NULL stays NULL. */
static void add_struct(shoal_buf *out, const shoal_type *type, shoal_str expression, int depth, direction to) {
  shoal_buf member = {0};
  shoal_buf_addf(out, "CASE WHEN %.*s IS NOT NULL THEN {", SHOAL_FMT(expression));
  for (size_t i = 0; i < type->n_fields; i++) {
    const shoal_field *f = &type->fields[i];
    shoal_buf_addz(out, i ? ", " : "");
    shoal_buf_sql_literal(out, name_of(f, to.physical));
    shoal_buf_addz(out, ": ");
    shoal_buf_clear(&member);
    shoal_buf_addf(&member, "struct_extract(%.*s, ", SHOAL_FMT(expression));
    shoal_buf_sql_literal(&member, name_of(f, !to.physical));
    shoal_buf_addz(&member, ")");
    add(out, &f->type, shoal_buf_str(&member), depth, to);
    if (member.status < 0)
      out->status = member.status;
  }
  shoal_buf_addz(out, "} END");
  shoal_buf_dispose(&member);
}

/* list_transform over the elements; `e<depth>` is one of them. */
static void add_list(shoal_buf *out, const shoal_type *type, shoal_str expression, int depth, direction to) {
  char element[16];
  int n = snprintf(element, sizeof element, "e%d", depth);
  shoal_buf_addf(out, "list_transform(%.*s, lambda %s: ", SHOAL_FMT(expression), element);
  add(out, &type->fields[0].type, shoal_str_n(element, (size_t)n), depth + 1, to);
  shoal_buf_addz(out, ")");
}

static void add_map(shoal_buf *out, const shoal_type *type, shoal_str expression, int depth, direction to) {
  char part[32];
  shoal_buf_addf(out,
                 "CASE WHEN %.*s IS NOT NULL THEN map_from_entries(list_transform(map_entries(%.*s), lambda e%d: {",
                 SHOAL_FMT(expression), SHOAL_FMT(expression), depth);
  for (size_t i = 0; i < 2; i++) {
    const char *name = i ? "value" : "key";
    int n = snprintf(part, sizeof part, "struct_extract(e%d, '%s')", depth, name);
    shoal_buf_addf(out, "%s'%s': ", i ? ", " : "", name);
    add(out, &type->fields[i].type, shoal_str_n(part, (size_t)n), depth + 1, to);
  }
  shoal_buf_addz(out, "})) END");
}

static void add(shoal_buf *out, const shoal_type *type, shoal_str expression, int depth, direction to) {
  if (!differs(type))
    shoal_buf_add(out, expression);
  else if (type->kind == SHOAL_TYPE_VARIANT) /* none is written */
    shoal_buf_addf(out, "\"" SHOAL_DUCKDB_VARIANT "\"(variant_to_parquet_variant(%.*s), %s)", SHOAL_FMT(expression),
                   to.parts);
  else if (type->kind == SHOAL_TYPE_STRUCT)
    add_struct(out, type, expression, depth, to);
  else if (type->kind == SHOAL_TYPE_ARRAY)
    add_list(out, type, expression, depth, to);
  else
    add_map(out, type, expression, depth, to);
}

void shoal_duckdb_add_logical(shoal_buf *out, const shoal_type *type, const char *expression, const char *parts) {
  add(out, type, shoal_str_z(expression), 0, (direction){.parts = parts});
}

void shoal_duckdb_add_physical(shoal_buf *out, const shoal_type *type, shoal_str expression) {
  add(out, type, expression, 0, (direction){.physical = true});
}

/* ---- ids ---- */

static bool has_ids(const shoal_type *type) {
  for (size_t i = 0; i < type->n_fields; i++)
    if (type->fields[i].field_id > 0 || has_ids(&type->fields[i].type))
      return true;
  return false;
}

static void add_ids(shoal_buf *out, const shoal_field *fields, size_t n, int32_t own);

/* 7, or {__duckdb_field_id: 7, 'member': 8}. */
static void add_id(shoal_buf *out, const shoal_field *f) {
  if (has_ids(&f->type))
    add_ids(out, f->type.fields, f->type.n_fields, f->field_id);
  else
    shoal_buf_addf(out, "%d", f->field_id);
}

static void add_ids(shoal_buf *out, const shoal_field *fields, size_t n, int32_t own) {
  const char *separator = "";
  shoal_buf_addc(out, '{');
  if (own > 0) {
    shoal_buf_addf(out, "__duckdb_field_id: %d", own);
    separator = ", ";
  }
  for (size_t i = 0; i < n; i++) {
    if (fields[i].field_id <= 0 && !has_ids(&fields[i].type))
      continue;
    shoal_buf_addz(out, separator);
    shoal_buf_sql_literal(out, name_of(&fields[i], true));
    shoal_buf_addz(out, ": ");
    add_id(out, &fields[i]);
    separator = ", ";
  }
  shoal_buf_addc(out, '}');
}

void shoal_duckdb_add_field_ids(shoal_buf *out, const shoal_schema *schema) {
  const shoal_type whole = {.kind = SHOAL_TYPE_STRUCT, .fields = schema->fields, .n_fields = schema->n_fields};
  if (!has_ids(&whole))
    return;
  shoal_buf_addz(out, ", FIELD_IDS ");
  add_ids(out, schema->fields, schema->n_fields, 0);
}
