/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a checkpoint has its files' statistics (protocol, "Checkpoint Schema"; delta.checkpoint.writeStatsAsJson and
 * writeStatsAsStruct): as text, as typed columns, both or neither. Typed ones are made from the text here, and not by
 * the engine, whose JSON has doubles for numbers; what the checkpoint below has typed goes over as it is.
 *
 *  T1 A value that its column's type can't hold without rounding is left out: a bound stays a bound.
 */
#include "base/time.h"
#include "delta/checkpoint.h"
#include "delta/stats_columns.h"

#define PARSED "stats_parsed"

typedef enum part { RECORDS, MIN, MAX, NULLS, TIGHT, N_PARTS } part;
static const char *const part_names[N_PARTS] = {"numRecords", "minValues", "maxValues", "nullCount", "tightBounds"};

/* ---- types ---- */

/* The columns of least and greatest values, or of numbers of NULLs, in the arena; `left` leaves may have any. */
static shoal_status add_fields(const shoal_field *fields, size_t n, part which, int64_t *left, shoal_arena *arena,
                               shoal_type *out, shoal_error *err) {
  *out = (shoal_type){.kind = SHOAL_TYPE_STRUCT, .fields = SHOAL_NEW_ARRAY(arena, shoal_field, n)};
  if (!out->fields)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++) {
    shoal_type type = which == NULLS ? (shoal_type){.kind = SHOAL_TYPE_LONG} : fields[i].type;
    bool is_struct = fields[i].type.kind == SHOAL_TYPE_STRUCT;
    if (is_struct)
      SHOAL_TRY(add_fields(fields[i].type.fields, fields[i].type.n_fields, which, left, arena, &type, err));
    else if ((*left)-- <= 0 || (which != NULLS && shoal_delta_bound_of(type.kind) == SHOAL_BOUND_NONE))
      continue;
    if (!is_struct || type.n_fields)
      out->fields[out->n_fields++] = (shoal_field){.name = fields[i].physical, .type = type, .nullable = true};
  }
  return SHOAL_OK;
}

/* How many leaves may have typed statistics: where they are named, those of files from before, too. */
static int64_t leaves_of(const shoal_delta_metadata *m) {
  return shoal_delta_config(m, SHOAL_DELTA_STATS_COLUMNS).ptr ? INT64_MAX : shoal_delta_measured_leaves(m);
}

static shoal_status find_stats_type(const shoal_delta_metadata *m, shoal_arena *arena, shoal_type *out,
                                    shoal_error *err) {
  static const shoal_type_kind kinds[N_PARTS] = {[RECORDS] = SHOAL_TYPE_LONG, [TIGHT] = SHOAL_TYPE_BOOLEAN};
  shoal_schema columns;
  SHOAL_TRY(shoal_delta_file_columns(&m->schema, m->partition_columns, m->n_partition_columns, arena, &columns, err));
  *out = (shoal_type){.kind = SHOAL_TYPE_STRUCT, .fields = SHOAL_NEW_ARRAY(arena, shoal_field, N_PARTS)};
  if (!out->fields)
    return shoal_fail_nomem(err);
  for (part p = RECORDS; p < N_PARTS; p++) {
    shoal_type type = {.kind = kinds[p]};
    int64_t left = leaves_of(m);
    bool nested = p == MIN || p == MAX || p == NULLS;
    if (nested)
      SHOAL_TRY(add_fields(columns.fields, columns.n_fields, p, &left, arena, &type, err));
    if (!nested || type.n_fields)
      out->fields[out->n_fields++] = (shoal_field){.name = shoal_str_z(part_names[p]), .type = type, .nullable = true};
  }
  return SHOAL_OK;
}

static shoal_status find_values_type(const shoal_delta_metadata *m, shoal_arena *arena, shoal_type *out,
                                     shoal_error *err) {
  *out = (shoal_type){.kind = SHOAL_TYPE_STRUCT,
                      .fields = SHOAL_NEW_ARRAY(arena, shoal_field, m->n_partition_columns),
                      .n_fields = m->n_partition_columns};
  if (!out->fields)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < out->n_fields; i++) {
    const shoal_field *f = &m->schema.fields[shoal_schema_find(&m->schema, m->partition_columns[i])];
    out->fields[i] = (shoal_field){.name = f->physical, .type = f->type, .nullable = true};
  }
  return SHOAL_OK;
}

/* A word for the form, by which sidecars of another one are known. */
static shoal_status name_form(shoal_checkpoint_form *form, shoal_arena *arena, shoal_error *err) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_buf types = {0};
  form->name = form->text ? SHOAL_STR_NONE : SHOAL_STR("none");
  if (!form->parsed)
    return SHOAL_OK;
  shoal_type_sql(&types, &form->stats);
  shoal_type_sql(&types, &form->values);
  shoal_status status = shoal_buf_check(&types, err);
  shoal_hash hash = shoal_hash_bytes(shoal_buf_str(&types));
  shoal_buf_dispose(&types);
  SHOAL_TRY(status);
  shoal_hash_hex(&hash, hex);
  form->name = shoal_str_z(shoal_arena_printf(arena, "%s%.16s", form->text ? "both-" : "struct-", hex));
  return form->name.ptr ? SHOAL_OK : shoal_fail_nomem(err);
}

shoal_status shoal_checkpoint_form_of(const shoal_delta_metadata *m, shoal_arena *arena, shoal_checkpoint_form *out,
                                      shoal_error *err) {
  shoal_str as_struct = shoal_delta_config(m, "delta.checkpoint.writeStatsAsStruct");
  *out = (shoal_checkpoint_form){
      .text = !shoal_str_ieq(shoal_delta_config(m, "delta.checkpoint.writeStatsAsJson"), SHOAL_STR("false"))};
  /* Where nobody says and there is no text: Spark's default, which is true, and not the protocol's, or all would go. */
  out->parsed = as_struct.ptr ? shoal_str_ieq(as_struct, SHOAL_STR("true")) : !out->text;
  if (out->parsed)
    SHOAL_TRY(find_stats_type(m, arena, &out->stats, err));
  if (out->parsed)
    SHOAL_TRY(find_values_type(m, arena, &out->values, err));
  return name_form(out, arena, err);
}

/* ---- from text ---- */

/* T1. */
static bool fits(const shoal_type *type, shoal_str s) {
  int64_t us;
  int same;
  ptrdiff_t point = shoal_str_chr(s, '.');
  switch (shoal_delta_bound_of(type->kind)) {
  case SHOAL_BOUND_WHOLE:
    return point < 0 && shoal_delta_compare_numbers(s, s, &same);
  case SHOAL_BOUND_DECIMAL:
    return shoal_delta_compare_numbers(s, s, &same) && (point < 0 || s.len - (size_t)point - 1 <= type->scale);
  case SHOAL_BOUND_DATE:
  case SHOAL_BOUND_TIME:
    return shoal_time_parse(s, &us);
  case SHOAL_BOUND_FLOAT:
  case SHOAL_BOUND_TEXT:
  case SHOAL_BOUND_NONE:
    break;
  }
  return true;
}

/* Numbers become texts, which the engine casts digit for digit. */
static bool add_value(const shoal_type *type, yyjson_val *value, shoal_buf *out) {
  shoal_bound kind = shoal_delta_bound_of(type->kind);
  bool text = kind == SHOAL_BOUND_DATE || kind == SHOAL_BOUND_TIME || kind == SHOAL_BOUND_TEXT;
  shoal_str s = text && yyjson_is_str(value)    ? shoal_str_n(yyjson_get_str(value), yyjson_get_len(value))
                : !text && yyjson_is_raw(value) ? shoal_str_n(yyjson_get_raw(value), yyjson_get_len(value))
                                                : SHOAL_STR_NONE;
  if (type->kind == SHOAL_TYPE_BOOLEAN && yyjson_is_bool(value)) {
    shoal_buf_addz(out, yyjson_get_bool(value) ? "true" : "false");
    return true;
  }
  if (!s.ptr || !fits(type, s))
    return false;
  shoal_buf_json_str(out, s);
  return true;
}

static void add_object(const shoal_type *type, yyjson_val *object, shoal_buf *out) {
  size_t written = 0;
  shoal_buf_addc(out, '{');
  for (size_t i = 0; i < type->n_fields; i++) {
    const shoal_field *f = &type->fields[i];
    yyjson_val *value = yyjson_obj_getn(object, f->name.ptr, f->name.len);
    size_t start = out->len;
    bool is_struct = f->type.kind == SHOAL_TYPE_STRUCT, wrote = yyjson_is_obj(value);
    if (!value || (is_struct && !wrote))
      continue;
    shoal_buf_addz(out, written ? "," : "");
    shoal_buf_json_str(out, f->name);
    shoal_buf_addc(out, ':');
    if (is_struct)
      add_object(&f->type, value, out);
    else
      wrote = add_value(&f->type, value, out);
    if (!wrote && out->status == SHOAL_OK)
      out->len = start;
    written += wrote;
  }
  shoal_buf_addc(out, '}');
}

shoal_status shoal_checkpoint_parse_stats(const shoal_checkpoint_form *form, shoal_str stats, shoal_buf *line,
                                          shoal_error *err) {
  yyjson_doc *doc = NULL;
  shoal_buf text = {0};
  if (!form->parsed || !stats.ptr)
    return SHOAL_OK;
  shoal_status status = shoal_json_parse_raw(stats, "stats", &doc, NULL);
  if (status == SHOAL_ENOMEM)
    return shoal_fail_nomem(err);
  if (status == SHOAL_OK && yyjson_is_obj(yyjson_doc_get_root(doc))) {
    add_object(&form->stats, yyjson_doc_get_root(doc), &text);
    shoal_buf_addz(line, ",\"" PARSED "\":");
    shoal_buf_json_str(line, shoal_buf_str(&text));
  }
  status = text.status < 0 ? shoal_fail_nomem(err) : SHOAL_OK; /* what is no JSON has no columns */
  shoal_buf_dispose(&text);
  yyjson_doc_free(doc);
  return status;
}

/* ---- SQL ---- */

static void add_spec(const shoal_type *type, shoal_buf *json) {
  shoal_buf sql = {0};
  if (type->kind != SHOAL_TYPE_STRUCT) {
    shoal_type_sql(&sql, type);
    shoal_buf_json_str(json, shoal_buf_str(&sql));
  }
  for (size_t i = 0; i < type->n_fields; i++) {
    shoal_buf_addz(json, i ? "," : "{");
    shoal_buf_json_str(json, type->fields[i].name);
    shoal_buf_addc(json, ':');
    add_spec(&type->fields[i].type, json);
  }
  shoal_buf_addz(json, type->n_fields ? "}" : "");
  if (sql.status < 0)
    json->status = sql.status;
  shoal_buf_dispose(&sql);
}

void shoal_checkpoint_state_stats(const shoal_checkpoint_form *form, shoal_buf *sql) {
  shoal_buf spec = {0};
  add_spec(&form->stats, &spec);
  shoal_buf_addz(sql, "from_json(state.\"add\".\"" PARSED "\", ");
  shoal_buf_sql_literal(sql, shoal_buf_str(&spec));
  shoal_buf_addc(sql, ')');
  if (spec.status < 0)
    sql->status = spec.status;
  shoal_buf_dispose(&spec);
}

/* A value of the type `from` as one of the type `to`, whose fields may be others; a field that there was not is NULL.
 */
static void add_cast(const shoal_type *to, const shoal_type *from, shoal_str value, shoal_buf *sql) {
  if (to->kind != SHOAL_TYPE_STRUCT) {
    shoal_buf_addf(sql, "TRY_CAST(%.*s AS ", SHOAL_FMT(value));
    shoal_type_sql(sql, to);
    shoal_buf_addc(sql, ')');
    return;
  }
  shoal_buf member = {0};
  shoal_buf_addf(sql, "CASE WHEN %.*s IS NOT NULL THEN struct_pack(", SHOAL_FMT(value));
  for (size_t i = 0; i < to->n_fields; i++) {
    const shoal_field *f = &to->fields[i];
    const shoal_schema old = {from->fields, from->n_fields};
    ptrdiff_t at = shoal_schema_find(&old, f->name);
    bool same = at >= 0 && (from->fields[at].type.kind == SHOAL_TYPE_STRUCT) == (f->type.kind == SHOAL_TYPE_STRUCT);
    shoal_buf_clear(&member);
    shoal_buf_addf(&member, "%.*s.", SHOAL_FMT(value));
    shoal_buf_sql_ident(&member, f->name);
    shoal_buf_addz(sql, i ? ", " : "");
    shoal_buf_sql_ident(sql, f->name);
    shoal_buf_addz(sql, " := ");
    if (same) {
      add_cast(&f->type, &from->fields[at].type, shoal_buf_str(&member), sql);
    } else {
      shoal_buf_addz(sql, "NULL::");
      shoal_type_sql(sql, &f->type);
    }
  }
  shoal_buf_addz(sql, ") END");
  if (member.status < 0)
    sql->status = member.status;
  shoal_buf_dispose(&member);
}

shoal_status shoal_checkpoint_below_check(const shoal_checkpoint_form *form, const shoal_type *add, shoal_error *err) {
  const shoal_type *parsed = shoal_delta_checkpoint_field(add, PARSED);
  if (form->parsed && !(parsed && parsed->kind == SHOAL_TYPE_STRUCT))
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "its statistics are text only");
  return SHOAL_OK;
}

void shoal_checkpoint_below_stats(const shoal_checkpoint_form *form, const shoal_type *add, shoal_buf *sql) {
  add_cast(&form->stats, shoal_delta_checkpoint_field(add, PARSED), SHOAL_STR("log.\"add\".\"" PARSED "\""), sql);
}

void shoal_checkpoint_typed(const shoal_checkpoint_form *form, shoal_buf *sql) {
  for (size_t i = 0; i < form->values.n_fields; i++) {
    const shoal_field *f = &form->values.fields[i];
    shoal_buf_addz(sql, i ? ", " : ", \"partitionValues_parsed\" := struct_pack(");
    shoal_buf_sql_ident(sql, f->name);
    shoal_buf_addz(sql, f->type.kind == SHOAL_TYPE_BINARY ? " := encode(" : " := TRY_CAST(");
    shoal_buf_addz(sql, "nullif(\"add\".\"partitionValues\"[");
    shoal_buf_sql_literal(sql, f->name);
    shoal_buf_addz(sql, "], '')");
    if (f->type.kind != SHOAL_TYPE_BINARY) {
      shoal_buf_addz(sql, " AS ");
      shoal_type_sql(sql, &f->type);
    }
    shoal_buf_addc(sql, ')');
  }
  shoal_buf_addz(sql, form->values.n_fields ? ")" : "");
  shoal_buf_addz(sql, ", \"" PARSED "\" := parsed");
}
