/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types compared, spelled and copied. Recursion is bounded because whoever makes a type (a schema string's parser, an
 * engine) refuses nesting deeper than SHOAL_MAX_TYPE_DEPTH.
 */
#include "engine/schema.h"

#include "base/str.h"

/* The two spellings of each plain type, in the enum's order. */
static const struct {
  const char *sql, *text;
} plain[] = {
    [SHOAL_TYPE_BOOLEAN] = {"BOOLEAN", "boolean"},
    [SHOAL_TYPE_BYTE] = {"TINYINT", "byte"},
    [SHOAL_TYPE_SHORT] = {"SMALLINT", "short"},
    [SHOAL_TYPE_INTEGER] = {"INTEGER", "integer"},
    [SHOAL_TYPE_LONG] = {"BIGINT", "long"},
    [SHOAL_TYPE_FLOAT] = {"FLOAT", "float"},
    [SHOAL_TYPE_DOUBLE] = {"DOUBLE", "double"},
    [SHOAL_TYPE_DECIMAL] = {"DECIMAL", "decimal"},
    [SHOAL_TYPE_STRING] = {"VARCHAR", "string"},
    [SHOAL_TYPE_BINARY] = {"BLOB", "binary"},
    [SHOAL_TYPE_DATE] = {"DATE", "date"},
    [SHOAL_TYPE_TIMESTAMP] = {"TIMESTAMP WITH TIME ZONE", "timestamp"},
    [SHOAL_TYPE_TIMESTAMP_NTZ] = {"TIMESTAMP", "timestamp_ntz"},
    [SHOAL_TYPE_STRUCT] = {"STRUCT", "struct"},
    [SHOAL_TYPE_ARRAY] = {"LIST", "array"},
    [SHOAL_TYPE_MAP] = {"MAP", "map"},
    [SHOAL_TYPE_VARIANT] = {"JSON", "variant"}, /* which is how one is read; what files have is a VARIANT */
    [SHOAL_TYPE_VOID] = {"\"NULL\"", "void"},
};

shoal_str shoal_field_stored_name(const shoal_field *f) { return f->physical.ptr ? f->physical : f->name; }

static void add_sql(shoal_buf *out, const shoal_type *type, bool physical) {
  if (type->kind == SHOAL_TYPE_ARRAY) {
    add_sql(out, &type->fields[0].type, physical);
    shoal_buf_addz(out, "[]");
    return;
  }
  shoal_buf_addz(out, physical && type->kind == SHOAL_TYPE_VARIANT ? "VARIANT" : plain[type->kind].sql);
  if (type->kind == SHOAL_TYPE_DECIMAL) {
    shoal_buf_addf(out, "(%u,%u)", type->precision, type->scale);
    return;
  }
  for (size_t i = 0; i < type->n_fields; i++) {
    const shoal_field *f = &type->fields[i];
    shoal_buf_addz(out, i ? ", " : "(");
    if (type->kind == SHOAL_TYPE_STRUCT) {
      shoal_buf_sql_ident(out, physical ? shoal_field_stored_name(f) : f->name);
      shoal_buf_addc(out, ' ');
    }
    add_sql(out, &f->type, physical);
  }
  shoal_buf_addz(out, type->n_fields ? ")" : "");
}

void shoal_type_sql(shoal_buf *out, const shoal_type *type) { add_sql(out, type, false); }
void shoal_type_sql_physical(shoal_buf *out, const shoal_type *type) { add_sql(out, type, true); }

void shoal_type_text(shoal_buf *out, const shoal_type *type) {
  shoal_buf_addz(out, plain[type->kind].text);
  if (type->kind == SHOAL_TYPE_DECIMAL)
    shoal_buf_addf(out, "(%u,%u)", type->precision, type->scale);
  if (type->kind != SHOAL_TYPE_STRUCT && type->n_fields == 0)
    return;
  for (size_t i = 0; i < type->n_fields; i++) {
    shoal_buf_addz(out, i ? "," : "<");
    if (type->kind == SHOAL_TYPE_STRUCT) {
      shoal_buf_add(out, type->fields[i].name);
      shoal_buf_addc(out, ':');
    }
    shoal_type_text(out, &type->fields[i].type);
  }
  shoal_buf_addz(out, type->n_fields ? ">" : "<>");
}

bool shoal_type_has(const shoal_type *type, shoal_type_kind kind) {
  bool has = type->kind == kind;
  for (size_t i = 0; i < type->n_fields && !has; i++)
    has = shoal_type_has(&type->fields[i].type, kind);
  return has;
}

bool shoal_schema_has(const shoal_schema *s, shoal_type_kind kind) {
  bool has = false;
  for (size_t i = 0; i < s->n_fields && !has; i++)
    has = shoal_type_has(&s->fields[i].type, kind);
  return has;
}

static bool field_eq(const shoal_field *a, const shoal_field *b) {
  return shoal_str_eq(a->name, b->name) && a->nullable == b->nullable && shoal_type_eq(&a->type, &b->type);
}

bool shoal_type_eq(const shoal_type *a, const shoal_type *b) {
  if (a->kind != b->kind || a->n_fields != b->n_fields)
    return false;
  if (a->kind == SHOAL_TYPE_DECIMAL && (a->precision != b->precision || a->scale != b->scale))
    return false;
  for (size_t i = 0; i < a->n_fields; i++) {
    if (!field_eq(&a->fields[i], &b->fields[i]))
      return false;
  }
  return true;
}

bool shoal_schema_eq(const shoal_schema *a, const shoal_schema *b) {
  if (a->n_fields != b->n_fields)
    return false;
  for (size_t i = 0; i < a->n_fields; i++) {
    if (!field_eq(&a->fields[i], &b->fields[i]))
      return false;
  }
  return true;
}

ptrdiff_t shoal_schema_find(const shoal_schema *s, shoal_str name) {
  for (size_t i = 0; i < s->n_fields; i++) {
    if (shoal_str_eq(s->fields[i].name, name))
      return (ptrdiff_t)i;
  }
  for (size_t i = 0; i < s->n_fields; i++) {
    if (shoal_str_ieq(s->fields[i].name, name))
      return (ptrdiff_t)i;
  }
  return -1;
}

static bool copy_str(shoal_str *s, shoal_arena *arena) {
  shoal_str copy = shoal_arena_str(arena, *s);
  bool lost = s->ptr && !copy.ptr;
  *s = copy;
  return !lost;
}

static bool copy_fields(shoal_field **fields, size_t n, shoal_arena *arena) {
  shoal_field *copy = n ? SHOAL_NEW_ARRAY(arena, shoal_field, n) : NULL;
  if (n && !copy)
    return false;
  for (size_t i = 0; i < n; i++) {
    copy[i] = (*fields)[i];
    if (!copy_str(&copy[i].name, arena) || !copy_str(&copy[i].physical, arena) || !copy_str(&copy[i].metadata, arena) ||
        !copy_fields(&copy[i].type.fields, copy[i].type.n_fields, arena))
      return false;
  }
  *fields = copy;
  return true;
}

shoal_status shoal_schema_copy(const shoal_schema *s, shoal_arena *arena, shoal_schema *out, shoal_error *err) {
  shoal_schema copy = *s;
  *out = (shoal_schema){0};
  if (!copy_fields(&copy.fields, copy.n_fields, arena))
    return shoal_fail_nomem(err);
  *out = copy;
  return SHOAL_OK;
}
