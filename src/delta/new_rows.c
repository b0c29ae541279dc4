/* SPDX-License-Identifier: Apache-2.0 */
#include "delta/new_rows.h"

#include "delta/write.h"
#include "engine/variants.h"

static bool is_told(const shoal_scan *scan) {
  bool told = scan->columns;
  for (size_t i = 0; i < scan->n_options && !told; i++)
    told = shoal_str_is(scan->options[i].name, "columns");
  return told;
}

/* Values of a map, as an object's members have them, that would lose members. */
static shoal_status check_values(shoal_str name, const shoal_type *map, const shoal_type *rows, shoal_error *err) {
  shoal_field value = {.name = name, .type = map->fields[1].type}, given = {.name = name};
  const shoal_schema table = {&value, 1}, one = {&given, 1};
  for (size_t i = rows->kind == SHOAL_TYPE_MAP; i < rows->n_fields; i++) {
    given.type = rows->fields[i].type;
    SHOAL_TRY(shoal_delta_refuse_strangers(&table, &one, err));
  }
  return SHOAL_OK;
}

/* The rows' type, with the table's maps. */
static shoal_status take_maps(shoal_str name, const shoal_type *table, const shoal_type *rows, shoal_arena *arena,
                              shoal_type *out, bool *told, shoal_error *err) {
  const shoal_schema members = {table->fields, table->n_fields};
  *out = *rows;
  if (table->kind == SHOAL_TYPE_MAP) {
    *out = *table;
    *told = true;
    return check_values(name, table, rows, err);
  }
  if (table->kind != rows->kind || !shoal_type_has(table, SHOAL_TYPE_MAP))
    return SHOAL_OK;
  out->fields = SHOAL_NEW_ARRAY(arena, shoal_field, rows->n_fields);
  if (!out->fields)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < rows->n_fields; i++) {
    shoal_field *f = &out->fields[i];
    *f = rows->fields[i];
    ptrdiff_t at = shoal_schema_find(&members, f->name);
    if (at >= 0)
      SHOAL_TRY(take_maps(f->name, &table->fields[at].type, &rows->fields[i].type, arena, &f->type, told, err));
  }
  return SHOAL_OK;
}

/* The rows' columns as they are told; *any is false where they need not be. */
static shoal_status find_columns(const shoal_schema *table, const shoal_schema *rows, shoal_arena *arena,
                                 shoal_schema *out, bool *any, shoal_error *err) {
  *any = false;
  *out = (shoal_schema){SHOAL_NEW_ARRAY(arena, shoal_field, rows->n_fields), rows->n_fields};
  if (!out->fields)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < rows->n_fields; i++) {
    shoal_field *f = &out->fields[i];
    *f = rows->fields[i];
    ptrdiff_t at = shoal_schema_find(table, f->name);
    if (at < 0)
      continue;
    const shoal_type *type = &table->fields[at].type;
    bool variants = shoal_type_has(type, SHOAL_TYPE_VARIANT);
    *any = *any || variants;
    if (variants)
      f->type = *type;
    else
      SHOAL_TRY(take_maps(f->name, type, &rows->fields[i].type, arena, &f->type, any, err));
  }
  return SHOAL_OK;
}

shoal_status shoal_delta_new_rows_scan(shoal_engine *engine, const shoal_schema *table, const shoal_scan **scan,
                                       shoal_arena *arena, shoal_error *err) {
  const shoal_scan *given = *scan;
  shoal_schema rows;
  bool any, guessed = shoal_variants_any(table) || shoal_schema_has(table, SHOAL_TYPE_MAP);
  if (given->format != SHOAL_SCAN_JSON || !guessed || is_told(given))
    return SHOAL_OK;
  const shoal_input input = {SHOAL_STR("rows"), given};
  const shoal_job job = {.sql = SHOAL_STR("SELECT * FROM rows"), .inputs = &input, .n_inputs = 1};
  SHOAL_TRY(shoal_engine_bind(engine, &job, arena, &rows, err));
  shoal_scan *own = SHOAL_NEW(arena, shoal_scan);
  shoal_schema *columns = SHOAL_NEW(arena, shoal_schema);
  if (!own || !columns)
    return shoal_fail_nomem(err);
  SHOAL_TRY(find_columns(table, &rows, arena, columns, &any, err));
  if (!any)
    return SHOAL_OK;
  *own = *given;
  own->columns = columns;
  *scan = own;
  return SHOAL_OK;
}

shoal_status shoal_delta_new_rows(shoal_engine *engine, const shoal_schema *table, const shoal_input **inputs, size_t n,
                                  shoal_arena *arena, shoal_error *err) {
  shoal_input *own = SHOAL_NEW_ARRAY(arena, shoal_input, n);
  if (!own)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++) {
    own[i] = (*inputs)[i];
    SHOAL_TRY(shoal_delta_new_rows_scan(engine, table, &own[i].scan, arena, err));
  }
  *inputs = own;
  return SHOAL_OK;
}
