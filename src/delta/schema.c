/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema string of a table's metadata, both ways (protocol, "Schema Serialization Format"). A field's metadata is
 * kept as the JSON text it came as: unknown keys (comments, generation expressions, CHAR lengths) must survive a
 * rewrite. Depth and number of columns are limited here, so that every later walk over a schema is bounded.
 */
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/str.h"
#include "delta/delta_internal.h"

static const struct {
  const char *name;
  shoal_type_kind kind;
} primitives[] = {
    {"boolean", SHOAL_TYPE_BOOLEAN}, {"byte", SHOAL_TYPE_BYTE},           {"short", SHOAL_TYPE_SHORT},
    {"integer", SHOAL_TYPE_INTEGER}, {"long", SHOAL_TYPE_LONG},           {"float", SHOAL_TYPE_FLOAT},
    {"double", SHOAL_TYPE_DOUBLE},   {"string", SHOAL_TYPE_STRING},       {"binary", SHOAL_TYPE_BINARY},
    {"date", SHOAL_TYPE_DATE},       {"timestamp", SHOAL_TYPE_TIMESTAMP}, {"timestamp_ntz", SHOAL_TYPE_TIMESTAMP_NTZ},
    {"variant", SHOAL_TYPE_VARIANT}, {"void", SHOAL_TYPE_VOID},
};

typedef struct parser {
  shoal_arena *arena;
  shoal_error *err;
  size_t n_fields; /* so far, nested ones included */
  int depth;
} parser;

static shoal_status parse_type(parser *p, yyjson_val *v, shoal_type *out);

/* decimal(p,s); decimal alone is decimal(10,0). */
static bool parse_decimal(shoal_str s, shoal_type *out) {
  int64_t precision = 10, scale = 0;
  if (!shoal_str_is(s, "decimal")) {
    if (!shoal_str_starts(s, SHOAL_STR("decimal(")) || !shoal_str_ends(s, SHOAL_STR(")")))
      return false;
    shoal_str rest = shoal_str_sub(s, 8, s.len - 1), piece;
    if (!shoal_str_split(&rest, ',', &piece) || !shoal_str_i64(shoal_str_trim(piece), &precision))
      return false;
    if (rest.ptr && !shoal_str_i64(shoal_str_trim(rest), &scale))
      return false;
  }
  if (precision < 1 || precision > 38 || scale < 0 || scale > precision)
    return false;
  *out = (shoal_type){.kind = SHOAL_TYPE_DECIMAL, .precision = (uint8_t)precision, .scale = (uint8_t)scale};
  return true;
}

static shoal_status parse_primitive(parser *p, shoal_str name, shoal_type *out) {
  for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++) {
    if (shoal_str_is(name, primitives[i].name)) {
      *out = (shoal_type){.kind = primitives[i].kind};
      return SHOAL_OK;
    }
  }
  if (parse_decimal(name, out))
    return SHOAL_OK;
  return shoal_fail(p->err, SHOAL_EUNSUPPORTED,
                    "the table's schema has the type '%.*s', which this build does not know", SHOAL_FMT(name));
}

static shoal_status corrupt(parser *p, const char *what) {
  return shoal_fail(p->err, SHOAL_ECORRUPT, "the table's schema: %s", what);
}

static shoal_status copy(parser *p, shoal_str s, shoal_str *out) {
  *out = shoal_arena_str(p->arena, s);
  return s.ptr && !out->ptr ? shoal_fail_nomem(p->err) : SHOAL_OK;
}

static shoal_status parse_metadata(parser *p, yyjson_val *v, shoal_field *out) {
  out->physical = out->name;
  if (!yyjson_is_obj(v) || yyjson_obj_size(v) == 0)
    return SHOAL_OK;
  shoal_buf text = {0};
  shoal_status status = shoal_json_write(v, &text, p->err);
  if (status == SHOAL_OK)
    status = copy(p, shoal_buf_str(&text), &out->metadata);
  shoal_buf_dispose(&text);
  shoal_str physical = shoal_json_str(v, "delta.columnMapping.physicalName");
  if (status == SHOAL_OK && physical.ptr)
    status = copy(p, physical, &out->physical);
  int64_t id = shoal_json_i64(v, "delta.columnMapping.id", 0);
  if (status == SHOAL_OK && (id < 0 || id > INT32_MAX))
    status = corrupt(p, "a column's id is out of range");
  out->field_id = (int32_t)id;
  return status;
}

static shoal_status parse_field(parser *p, yyjson_val *v, shoal_field *out) {
  shoal_str name = shoal_json_str(v, "name");
  if (!name.ptr)
    return corrupt(p, "a field has no name");
  if (++p->n_fields > SHOAL_MAX_COLUMNS)
    return shoal_fail(p->err, SHOAL_ELIMIT, "the table's schema has more than %d columns", SHOAL_MAX_COLUMNS);
  SHOAL_TRY(copy(p, name, &out->name));
  out->nullable = shoal_json_bool(v, "nullable", true);
  SHOAL_TRY(parse_metadata(p, yyjson_obj_get(v, "metadata"), out));
  return parse_type(p, yyjson_obj_get(v, "type"), &out->type);
}

static shoal_status parse_fields(parser *p, yyjson_val *v, shoal_field **out, size_t *n) {
  if (!yyjson_is_arr(v))
    return corrupt(p, "a struct has no list of fields");
  size_t count = yyjson_arr_size(v), i, max;
  shoal_field *fields = SHOAL_NEW_ARRAY(p->arena, shoal_field, count ? count : 1);
  yyjson_val *item;
  if (!fields)
    return shoal_fail_nomem(p->err);
  yyjson_arr_foreach(v, i, max, item) SHOAL_TRY(parse_field(p, item, &fields[i]));
  *out = fields;
  *n = count;
  return SHOAL_OK;
}

/* The element of an array, the key or value of a map. */
static shoal_status parse_part(parser *p, yyjson_val *v, const char *key, const char *name, bool nullable,
                               shoal_field *out) {
  *out = (shoal_field){.name = shoal_str_z(name), .physical = shoal_str_z(name), .nullable = nullable};
  return parse_type(p, yyjson_obj_get(v, key), &out->type);
}

static shoal_status parse_nested(parser *p, yyjson_val *v, shoal_type *out) {
  shoal_str kind = shoal_json_str(v, "type");
  *out = (shoal_type){0};
  if (shoal_str_is(kind, "struct")) {
    out->kind = SHOAL_TYPE_STRUCT;
    return parse_fields(p, yyjson_obj_get(v, "fields"), &out->fields, &out->n_fields);
  }
  bool map = shoal_str_is(kind, "map");
  if (!map && !shoal_str_is(kind, "array"))
    return shoal_fail(p->err, SHOAL_EUNSUPPORTED,
                      "the table's schema has the type '%.*s', which this build does not know", SHOAL_FMT(kind));
  out->kind = map ? SHOAL_TYPE_MAP : SHOAL_TYPE_ARRAY;
  out->n_fields = map ? 2 : 1;
  out->fields = SHOAL_NEW_ARRAY(p->arena, shoal_field, 2);
  if (!out->fields)
    return shoal_fail_nomem(p->err);
  if (!map)
    return parse_part(p, v, "elementType", "element", shoal_json_bool(v, "containsNull", true), &out->fields[0]);
  SHOAL_TRY(parse_part(p, v, "keyType", "key", false, &out->fields[0]));
  return parse_part(p, v, "valueType", "value", shoal_json_bool(v, "valueContainsNull", true), &out->fields[1]);
}

static shoal_status parse_type(parser *p, yyjson_val *v, shoal_type *out) {
  if (yyjson_is_str(v))
    return parse_primitive(p, shoal_str_n(yyjson_get_str(v), yyjson_get_len(v)), out);
  if (!yyjson_is_obj(v))
    return corrupt(p, "a field has no type");
  if (++p->depth > SHOAL_MAX_TYPE_DEPTH)
    return shoal_fail(p->err, SHOAL_ELIMIT, "the table's schema nests types deeper than %d", SHOAL_MAX_TYPE_DEPTH);
  shoal_status status = parse_nested(p, v, out);
  p->depth--;
  return status;
}

shoal_status shoal_delta_schema_parse(shoal_str json, shoal_arena *arena, shoal_schema *out, shoal_error *err) {
  yyjson_doc *doc;
  parser p = {.arena = arena, .err = err};
  *out = (shoal_schema){0};
  SHOAL_TRY(shoal_json_parse_raw(json, "the table's schema", &doc, err));
  yyjson_val *root = yyjson_doc_get_root(doc);
  shoal_schema schema = {0};
  shoal_status status = shoal_str_is(shoal_json_str(root, "type"), "struct")
                            ? parse_fields(&p, yyjson_obj_get(root, "fields"), &schema.fields, &schema.n_fields)
                            : corrupt(&p, "it is no struct");
  if (status == SHOAL_OK)
    *out = schema;
  yyjson_doc_free(doc);
  return status;
}

/* --- writing: straight into the buffer, as the nesting may be deeper than shoal_jw's --- */

static void write_type(shoal_buf *out, const shoal_type *type);

static void write_fields(shoal_buf *out, const shoal_field *fields, size_t n) {
  shoal_buf_addz(out, "{\"type\":\"struct\",\"fields\":[");
  for (size_t i = 0; i < n; i++) {
    shoal_buf_addz(out, i ? ",{\"name\":" : "{\"name\":");
    shoal_buf_json_str(out, fields[i].name);
    shoal_buf_addz(out, ",\"type\":");
    write_type(out, &fields[i].type);
    shoal_buf_addf(out, ",\"nullable\":%s,\"metadata\":", fields[i].nullable ? "true" : "false");
    shoal_buf_add(out, fields[i].metadata.len ? fields[i].metadata : SHOAL_STR("{}"));
    shoal_buf_addc(out, '}');
  }
  shoal_buf_addz(out, "]}");
}

static void write_type(shoal_buf *out, const shoal_type *type) {
  if (type->kind == SHOAL_TYPE_STRUCT) {
    write_fields(out, type->fields, type->n_fields);
  } else if (type->kind == SHOAL_TYPE_ARRAY) {
    shoal_buf_addz(out, "{\"type\":\"array\",\"elementType\":");
    write_type(out, &type->fields[0].type);
    shoal_buf_addf(out, ",\"containsNull\":%s}", type->fields[0].nullable ? "true" : "false");
  } else if (type->kind == SHOAL_TYPE_MAP) {
    shoal_buf_addz(out, "{\"type\":\"map\",\"keyType\":");
    write_type(out, &type->fields[0].type);
    shoal_buf_addz(out, ",\"valueType\":");
    write_type(out, &type->fields[1].type);
    shoal_buf_addf(out, ",\"valueContainsNull\":%s}", type->fields[1].nullable ? "true" : "false");
  } else {
    shoal_buf_addc(out, '"');
    shoal_type_text(out, type);
    shoal_buf_addc(out, '"');
  }
}

shoal_status shoal_delta_schema_json(const shoal_schema *s, shoal_buf *out, shoal_error *err) {
  write_fields(out, s->fields, s->n_fields);
  return shoal_buf_check(out, err);
}

size_t shoal_delta_count_fields(const shoal_field *fields, size_t n) {
  size_t count = n;
  for (size_t i = 0; i < n; i++)
    if (fields[i].type.kind == SHOAL_TYPE_STRUCT)
      count += shoal_delta_count_fields(fields[i].type.fields, fields[i].type.n_fields);
  return count;
}
