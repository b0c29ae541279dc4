/* SPDX-License-Identifier: Apache-2.0 */
/* evolve.h: copies of metadata and protocol, edited. */
#include "delta/evolve.h"

#include "delta/changes.h"
#include "delta/identity.h"
#include "delta/property.h"

shoal_status shoal_delta_evolution_start(shoal_delta_evolution *e, const shoal_delta_snapshot *s, shoal_arena *arena,
                                         shoal_error *err) {
  const shoal_delta_metadata *m = &s->metadata;
  shoal_str *partitions = SHOAL_NEW_ARRAY(arena, shoal_str, m->n_partition_columns);
  *e = (shoal_delta_evolution){.arena = arena, .metadata = *m, .protocol = s->protocol};
  if (!partitions)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < m->n_partition_columns; i++)
    partitions[i] = m->partition_columns[i];
  e->metadata.partition_columns = partitions;
  return shoal_schema_copy(&m->schema, arena, &e->metadata.schema, err);
}

/* ---- features ---- */

static bool is_listed(const shoal_str *list, size_t n, const char *name) {
  for (size_t i = 0; i < n; i++)
    if (shoal_str_is(list[i], name))
      return true;
  return false;
}

/* What versions without lists imply is there, too. */
static bool supports(const shoal_delta_protocol *p, const char *feature, bool reader) {
  static const struct {
    const char *feature;
    int writer;
  } legacy[] = {
      {"appendOnly", 2}, {"invariants", 2}, {"checkConstraints", 3}, {"changeDataFeed", 4}, {"columnMapping", 5}};
  if (p->min_writer == 7)
    return is_listed(p->writer_features, p->n_writer_features, feature) &&
           (!reader || p->min_reader == 2 || is_listed(p->reader_features, p->n_reader_features, feature));
  for (size_t i = 0; i < sizeof legacy / sizeof *legacy; i++)
    if (shoal_str_is(shoal_str_z(feature), legacy[i].feature))
      return p->min_writer >= legacy[i].writer && (!reader || p->min_reader >= 2);
  return false;
}

shoal_status shoal_delta_evolve_feature(shoal_delta_evolution *e, const char *feature, bool reader, shoal_error *err) {
  if (supports(&e->protocol, feature, reader))
    return SHOAL_OK;
  e->protocol_changes = true;
  return shoal_delta_protocol_add(&e->protocol, feature, reader, e->arena, err);
}

/* ---- columns ---- */

shoal_status shoal_delta_evolve_map(shoal_delta_evolution *e, shoal_field *fields, size_t n, bool as_named,
                                    shoal_error *err) {
  int64_t last = 0;
  if (!shoal_str_i64(shoal_delta_config(&e->metadata, SHOAL_DELTA_LAST_ID), &last))
    last = 0;
  SHOAL_TRY(shoal_delta_map_fields(fields, n, as_named, &last, e->arena, err));
  char *text = shoal_arena_printf(e->arena, "%lld", (long long)last);
  return text ? shoal_delta_config_set(&e->metadata, SHOAL_STR(SHOAL_DELTA_LAST_ID), shoal_str_z(text), e->arena, err)
              : shoal_fail_nomem(err);
}

static shoal_status check_new(const shoal_delta_evolution *e, const shoal_field *field, shoal_error *err) {
  static const char *const feeds[] = {SHOAL_CHANGES_TYPE, SHOAL_CHANGES_VERSION, SHOAL_CHANGES_TIME};
  if (shoal_schema_find(&e->metadata.schema, field->name) >= 0)
    return shoal_fail(err, SHOAL_EINVAL, "the table has a column '%.*s'", SHOAL_FMT(field->name));
  if (!field->nullable)
    return shoal_fail(err, SHOAL_EINVAL, "'%.*s' can't be NOT NULL: it is NULL in the rows that are there",
                      SHOAL_FMT(field->name));
  if (shoal_delta_is_identity(field->metadata))
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "'%.*s' can't be an identity column: these come with a new table only",
                      SHOAL_FMT(field->name));
  for (size_t i = 0; i < sizeof feeds / sizeof *feeds; i++)
    if (shoal_delta_is_on(&e->metadata, "delta.enableChangeDataFeed") && shoal_str_is(field->name, feeds[i]))
      return shoal_fail(err, SHOAL_EINVAL, "'%s' is a column of the table's changes", feeds[i]);
  return SHOAL_OK;
}

/* What the type of a column asks of readers and writers. */
static shoal_status add_features(shoal_delta_evolution *e, const shoal_schema *columns, shoal_error *err) {
  shoal_delta_protocol needed;
  SHOAL_TRY(shoal_delta_protocol_for(columns, e->arena, &needed, err));
  for (size_t i = 0; i < needed.n_reader_features; i++) {
    char *name = shoal_arena_cstr(e->arena, needed.reader_features[i]);
    if (!name)
      return shoal_fail_nomem(err);
    char *preview = shoal_arena_printf(e->arena, "%s-preview", name); /* asks for the same */
    if (!preview)
      return shoal_fail_nomem(err);
    if (!supports(&e->protocol, preview, true))
      SHOAL_TRY(shoal_delta_evolve_feature(e, name, true, err));
  }
  return SHOAL_OK;
}

/* One field more at the end of a list, as readers and files will know it. */
static shoal_status add_field(shoal_delta_evolution *e, shoal_field **list, size_t *n, const shoal_field *field,
                              shoal_error *err) {
  const shoal_schema one = {(shoal_field *)field, 1};
  shoal_schema copy;
  shoal_field *fields = SHOAL_NEW_ARRAY(e->arena, shoal_field, *n + 1);
  if (!fields)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_schema_copy(&one, e->arena, &copy, err));
  SHOAL_TRY(add_features(e, &copy, err));
  copy.fields[0].physical = copy.fields[0].name;
  if (shoal_delta_is_mapped(&e->metadata))
    SHOAL_TRY(shoal_delta_evolve_map(e, copy.fields, 1, false, err));
  for (size_t i = 0; i < *n; i++)
    fields[i] = (*list)[i];
  fields[(*n)++] = copy.fields[0];
  *list = fields;
  e->columns_change = true;
  return SHOAL_OK;
}

shoal_status shoal_delta_evolve_add(shoal_delta_evolution *e, const shoal_field *field, shoal_error *err) {
  shoal_schema *schema = &e->metadata.schema;
  SHOAL_TRY(check_new(e, field, err));
  return add_field(e, &schema->fields, &schema->n_fields, field, err);
}

/* The members of structs, at any depth, that rows have and a type of the table's lacks. */
static shoal_status add_members(shoal_delta_evolution *e, shoal_type *type, const shoal_type *rows, shoal_error *err) {
  for (size_t i = 0; type->kind == rows->kind && i < rows->n_fields; i++) {
    const shoal_schema members = {type->fields, type->n_fields};
    ptrdiff_t at = shoal_schema_find(&members, rows->fields[i].name);
    shoal_field field = rows->fields[i];
    field.nullable = true;
    SHOAL_TRY(at < 0 ? add_field(e, &type->fields, &type->n_fields, &field, err)
                     : add_members(e, &type->fields[at].type, &field.type, err));
  }
  return SHOAL_OK;
}

shoal_status shoal_delta_evolve_missing(shoal_delta_evolution *e, const shoal_schema *rows, shoal_error *err) {
  for (size_t i = 0; i < rows->n_fields; i++) {
    ptrdiff_t at = shoal_schema_find(&e->metadata.schema, rows->fields[i].name);
    shoal_field field = rows->fields[i];
    field.nullable = true;
    SHOAL_TRY(at < 0 ? shoal_delta_evolve_add(e, &field, err)
                     : add_members(e, &e->metadata.schema.fields[at].type, &field.type, err));
  }
  return SHOAL_OK;
}

/* ---- types ---- */

/* Changes that files need not be written anew for (protocol, "Type Widening"), as far as the engine's reader makes
   them. */
static bool is_wider(const shoal_type *from, const shoal_type *to) {
  static const shoal_type_kind steps[] = {SHOAL_TYPE_BYTE, SHOAL_TYPE_SHORT, SHOAL_TYPE_INTEGER, SHOAL_TYPE_LONG};
  size_t low = 4, high = 4;
  for (size_t i = 0; i < 4; i++) {
    low = steps[i] == from->kind ? i : low;
    high = steps[i] == to->kind ? i : high;
  }
  if (low < 4 && high < 4)
    return low < high;
  if (low < 4 && to->kind == SHOAL_TYPE_DECIMAL) /* every value of 32 bits has 10 digits at most, of 64 bits 19 */
    return to->precision - to->scale >= (low < 3 ? 10 : 20);
  if (from->kind == SHOAL_TYPE_DECIMAL && to->kind == SHOAL_TYPE_DECIMAL)
    return to->scale >= from->scale && to->precision - to->scale >= from->precision - from->scale &&
           to->precision > from->precision;
  if (from->kind == SHOAL_TYPE_DATE)
    return to->kind == SHOAL_TYPE_TIMESTAMP_NTZ;
  return to->kind == SHOAL_TYPE_DOUBLE && (from->kind == SHOAL_TYPE_FLOAT || low < 3);
}

/* The member delta.typeChanges with one change more. */
static shoal_status note_change(shoal_delta_evolution *e, shoal_field *f, const shoal_type *to, shoal_error *err) {
  shoal_buf text = {0}, from_name = {0}, to_name = {0}, old = {0};
  yyjson_doc *doc = NULL;
  size_t i, n;
  yyjson_val *item;
  shoal_status status =
      f->metadata.len ? shoal_json_parse_raw(f->metadata, "a column's metadata", &doc, err) : SHOAL_OK;
  shoal_type_text(&from_name, &f->type);
  shoal_type_text(&to_name, to);
  shoal_buf_addc(&text, '[');
  yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(doc), "delta.typeChanges"), i, n, item) {
    shoal_buf_clear(&old);
    if (status == SHOAL_OK)
      status = shoal_json_write(item, &old, err);
    shoal_buf_addf(&text, "%.*s,", SHOAL_FMT(shoal_buf_str(&old)));
  }
  shoal_buf_addf(&text, "{\"fromType\":\"%.*s\",\"toType\":\"%.*s\"}]", SHOAL_FMT(shoal_buf_str(&from_name)),
                 SHOAL_FMT(shoal_buf_str(&to_name)));
  if (status == SHOAL_OK)
    status = shoal_buf_check(&text, err);
  if (status == SHOAL_OK)
    status = shoal_delta_field_set(f, "delta.typeChanges", shoal_buf_str(&text), e->arena, err);
  yyjson_doc_free(doc);
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&from_name);
  shoal_buf_dispose(&to_name);
  shoal_buf_dispose(&old);
  return status;
}

shoal_status shoal_delta_evolve_type(shoal_delta_evolution *e, shoal_field *field, const shoal_type *to,
                                     shoal_error *err) {
  if (!shoal_delta_is_on(&e->metadata, "delta.enableTypeWidening")) {
    (void)shoal_fail(err, SHOAL_EUNSUPPORTED, "another type for '%.*s' needs the feature typeWidening",
                     SHOAL_FMT(field->name));
    shoal_hint(err, "--set delta.enableTypeWidening=true gives the table that; old readers may not read it then");
    return SHOAL_EUNSUPPORTED;
  }
  if (!is_wider(&field->type, to)) {
    (void)shoal_fail(err, SHOAL_EUNSUPPORTED, "the type of '%.*s' does not widen to that one", SHOAL_FMT(field->name));
    shoal_hint(err, "what widens: whole numbers to longer ones and to decimals, those of 32 bits and float to double, "
                    "decimals to ones of more digits, date to timestamp_ntz");
    return SHOAL_EUNSUPPORTED;
  }
  const shoal_schema wide = {&(shoal_field){.name = field->name, .type = *to}, 1};
  SHOAL_TRY(add_features(e, &wide, err));
  SHOAL_TRY(note_change(e, field, to, err));
  field->type = *to;
  e->columns_change = true;
  return SHOAL_OK;
}

void shoal_delta_evolution_state(shoal_delta_evolution *e, shoal_delta_transaction *t) {
  if (e->columns_change)
    e->metadata.schema_json = SHOAL_STR_NONE; /* it is written anew from the schema */
  shoal_delta_transaction_metadata(t, &e->metadata);
  if (e->protocol_changes)
    shoal_delta_transaction_protocol(t, &e->protocol);
}
