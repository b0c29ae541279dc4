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
#include "engine/variants.h"

/* What is made of variants: nothing else (as they are written), JSON or binaries of what a file has, binaries of JSON,
   of what a job has staged, JSON of binaries. */
typedef enum leaf { AS_IT_IS, READ_TEXT, READ_EXACT, FROM_TEXT, FROM_STAGED, SHOWN } leaf;

typedef struct direction {
  leaf variants;
  bool from_physical, to_physical; /* names */
  const char *layout;              /* of what comes from files: see shoal_duckdb_add_logical */
  shoal_str column;
} direction;

static shoal_str name_of(const shoal_field *f, bool physical) {
  return physical ? shoal_field_stored_name(f) : f->name;
}

static bool differs(const shoal_type *type, const direction *to) {
  if (type->kind == SHOAL_TYPE_VARIANT)
    return to->variants != AS_IT_IS;
  for (size_t i = 0; i < type->n_fields; i++) {
    const shoal_field *f = &type->fields[i];
    if ((type->kind == SHOAL_TYPE_STRUCT &&
         !shoal_str_eq(name_of(f, to->from_physical), name_of(f, to->to_physical))) ||
        differs(&f->type, to))
      return true;
  }
  return false;
}

static void add(shoal_buf *out, const shoal_type *type, shoal_str expression, int depth, const direction *to);

/* {'name': …, …}, where NULL stays NULL. */
static void add_struct(shoal_buf *out, const shoal_type *type, shoal_str expression, int depth, const direction *to) {
  shoal_buf member = {0};
  shoal_buf_addf(out, "CASE WHEN %.*s IS NOT NULL THEN {", SHOAL_FMT(expression));
  for (size_t i = 0; i < type->n_fields; i++) {
    const shoal_field *f = &type->fields[i];
    shoal_buf_addz(out, i ? ", " : "");
    shoal_buf_sql_literal(out, name_of(f, to->to_physical));
    shoal_buf_addz(out, ": ");
    shoal_buf_clear(&member);
    shoal_buf_addf(&member, "struct_extract(%.*s, ", SHOAL_FMT(expression));
    shoal_buf_sql_literal(&member, name_of(f, to->from_physical));
    shoal_buf_addz(&member, ")");
    add(out, &f->type, shoal_buf_str(&member), depth, to);
    if (member.status < 0)
      out->status = member.status;
  }
  shoal_buf_addz(out, "} END");
  shoal_buf_dispose(&member);
}

/* Of a NULL that is known as the query is bound the engine would make one without a type. */
static void add_some(shoal_buf *out, shoal_str expression, const char *otherwise, const direction *to) {
  if (to->variants == FROM_TEXT)
    shoal_buf_addf(out, "coalesce(%.*s, %s)", SHOAL_FMT(expression), otherwise);
  else
    shoal_buf_add(out, expression);
}

/* list_transform over the elements; `e<depth>` is one of them. */
static void add_list(shoal_buf *out, const shoal_type *type, shoal_str expression, int depth, const direction *to) {
  char element[16];
  int n = snprintf(element, sizeof element, "e%d", depth);
  shoal_buf_addf(out, "CASE WHEN %.*s IS NOT NULL THEN list_transform(", SHOAL_FMT(expression));
  add_some(out, expression, "[]", to);
  shoal_buf_addf(out, ", lambda %s: ", element);
  add(out, &type->fields[0].type, shoal_str_n(element, (size_t)n), depth + 1, to);
  shoal_buf_addz(out, ") END");
}

static void add_map(shoal_buf *out, const shoal_type *type, shoal_str expression, int depth, const direction *to) {
  char part[32];
  shoal_buf_addf(out, "CASE WHEN %.*s IS NOT NULL THEN map_from_entries(list_transform(map_entries(",
                 SHOAL_FMT(expression));
  add_some(out, expression, "MAP{}", to);
  shoal_buf_addf(out, "), lambda e%d: {", depth);
  for (size_t i = 0; i < 2; i++) {
    const char *name = i ? "value" : "key";
    int n = snprintf(part, sizeof part, "struct_extract(e%d, '%s')", depth, name);
    shoal_buf_addf(out, "%s'%s': ", i ? ", " : "", name);
    add(out, &type->fields[i].type, shoal_str_n(part, (size_t)n), depth + 1, to);
  }
  shoal_buf_addz(out, "})) END");
}

static void add_variant(shoal_buf *out, shoal_str expression, const direction *to) {
  switch (to->variants) {
  case AS_IT_IS:
    shoal_buf_add(out, expression);
    return;
  case READ_TEXT:
  case READ_EXACT:
    shoal_buf_addf(out, "\"%s\"(variant_to_parquet_variant(%.*s), %s)",
                   to->variants == READ_TEXT ? SHOAL_DUCKDB_VARIANT : SHOAL_DUCKDB_VARIANT_EXACT, SHOAL_FMT(expression),
                   to->layout);
    return;
  case FROM_TEXT:
    shoal_buf_addf(out, "\"" SHOAL_DUCKDB_VARIANT_PARSE "\"(%.*s, ", SHOAL_FMT(expression));
    shoal_buf_sql_literal(out, to->column);
    shoal_buf_addc(out, ')');
    return;
  case FROM_STAGED:
    shoal_buf_addf(
        out, "\"" SHOAL_DUCKDB_VARIANT_STAGED "\"(struct_extract(%.*s, 'metadata'), struct_extract(%.*s, 'value'))",
        SHOAL_FMT(expression), SHOAL_FMT(expression));
    return;
  case SHOWN:
    shoal_buf_addf(out, "\"" SHOAL_DUCKDB_VARIANT "\"(%.*s, 0)", SHOAL_FMT(expression));
    return;
  }
}

static void add(shoal_buf *out, const shoal_type *type, shoal_str expression, int depth, const direction *to) {
  if (!differs(type, to))
    shoal_buf_add(out, expression);
  else if (type->kind == SHOAL_TYPE_VARIANT)
    add_variant(out, expression, to);
  else if (type->kind == SHOAL_TYPE_STRUCT)
    add_struct(out, type, expression, depth, to);
  else if (type->kind == SHOAL_TYPE_ARRAY)
    add_list(out, type, expression, depth, to);
  else
    add_map(out, type, expression, depth, to);
}

void shoal_duckdb_add_logical(shoal_buf *out, const shoal_type *type, const char *expression, const char *layout,
                              bool exact) {
  const direction to = {.variants = exact ? READ_EXACT : READ_TEXT, .from_physical = true, .layout = layout};
  add(out, type, shoal_str_z(expression), 0, &to);
}

void shoal_duckdb_add_physical(shoal_buf *out, const shoal_type *type, shoal_str expression) {
  const direction to = {.to_physical = true};
  add(out, type, expression, 0, &to);
}

/* ---- in the queries of jobs (engine/variants.h) ---- */

bool shoal_variants_any(const shoal_schema *s) { return shoal_schema_has(s, SHOAL_TYPE_VARIANT); }

void shoal_variants_add_exact(shoal_buf *sql, const shoal_field *f) {
  shoal_buf name = {0};
  shoal_buf_addz(&name, shoal_type_has(&f->type, SHOAL_TYPE_VARIANT) ? SHOAL_DUCKDB_EXACT : "");
  shoal_buf_add(&name, f->name);
  shoal_buf_sql_ident(sql, shoal_buf_str(&name));
  if (name.status < 0)
    sql->status = name.status;
  shoal_buf_dispose(&name);
}

static void add_made(shoal_buf *sql, const shoal_field *f, shoal_str expression, leaf variants) {
  const direction to = {.variants = variants, .column = f->name};
  add(sql, &f->type, expression, 0, &to);
}

void shoal_variants_add_new(shoal_buf *sql, const shoal_field *f, shoal_str expression) {
  shoal_buf cast = {0};
  shoal_buf_addf(&cast, "CAST((%.*s\n) AS ", SHOAL_FMT(expression));
  shoal_type_sql(&cast, &f->type);
  shoal_buf_addc(&cast, ')');
  add_made(sql, f, shoal_buf_str(&cast), FROM_TEXT);
  if (cast.status < 0)
    sql->status = cast.status;
  shoal_buf_dispose(&cast);
}

void shoal_variants_add_staged(shoal_buf *sql, const shoal_field *f, shoal_str expression) {
  add_made(sql, f, expression, FROM_STAGED);
}

void shoal_variants_add_shown(shoal_buf *sql, const shoal_field *f, shoal_str expression) {
  add_made(sql, f, expression, SHOWN);
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
