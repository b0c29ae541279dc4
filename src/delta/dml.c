/* SPDX-License-Identifier: Apache-2.0 */
/* DELETE and UPDATE as selections of changes (change.h). */
#include "delta/dml.h"

#include "base/str.h"
#include "delta/change.h"
#include "engine/lexer.h"
#include "engine/variants.h"

/* {"predicate":"[\"…\"]"}, as Delta's own writers spell it, of a condition that is one. */
static shoal_status describe(shoal_change *c, shoal_str where, shoal_str *out, shoal_error *err) {
  if (where.ptr)
    SHOAL_TRY(shoal_sql_check_expression(where, err));
  shoal_buf text = {0}, list = {0};
  shoal_jw w = {.out = &list}, outer = {.out = &text};
  shoal_jw_arr(&w);
  if (where.ptr)
    shoal_jw_str(&w, where);
  shoal_jw_end(&w);
  shoal_jw_obj(&outer);
  shoal_jw_kstr(&outer, "predicate", shoal_buf_str(&list));
  shoal_jw_end(&outer);
  shoal_status status = shoal_buf_check(&list, err);
  if (status == SHOAL_OK)
    status = shoal_buf_take(&text, &c->arena, out, err);
  shoal_buf_dispose(&list);
  shoal_buf_dispose(&text);
  return status;
}

void shoal_change_add_place(shoal_buf *sql, const shoal_change *c, const char *kind) {
  shoal_buf_addf(sql,
                 "SELECT " SHOAL_CHANGE_TARGET ".\"" SHOAL_POSITION_FILE "\", " SHOAL_CHANGE_TARGET
                 ".\"" SHOAL_POSITION_ROW "\", %s AS \"" SHOAL_CHANGE_ACTION "\"",
                 kind);
  if (!c->tracking.on)
    return;
  shoal_buf_addz(sql, ", ");
  shoal_delta_tracking_add_id(sql, SHOAL_CHANGE_TARGET);
  shoal_buf_addz(sql, " AS \"" SHOAL_CHANGE_ID "\"");
}

void shoal_change_add_value(shoal_buf *sql, const shoal_field *field, shoal_str expression) {
  shoal_variants_add_new(sql, field, expression);
}

static void add_where(shoal_buf *sql, shoal_str where) {
  shoal_buf_addz(sql, " FROM " SHOAL_CHANGE_TARGET);
  if (where.ptr)
    shoal_buf_addf(sql, " WHERE (%.*s\n)", SHOAL_FMT(where));
}

/* ---- DELETE ---- */

static shoal_status delete_all(shoal_change *c, shoal_error *err) {
  SHOAL_TRY(shoal_change_bring(c, NULL, 0, err));
  for (size_t i = 0; i < c->target.n_files; i++)
    SHOAL_TRY(shoal_change_remove_file(c, i, err));
  return SHOAL_OK;
}

static shoal_status delete_some(shoal_change *c, shoal_str where, shoal_error *err) {
  shoal_buf sql = {0};
  shoal_change_add_place(&sql, c, SHOAL_CHANGE_DELETED_SQL);
  add_where(&sql, where);
  shoal_status status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK)
    status = shoal_change_select(c, shoal_buf_str(&sql), NULL, 0, err);
  shoal_buf_dispose(&sql);
  return status;
}

shoal_status shoal_delta_delete_rows(const shoal_delta_table *table, shoal_engine *engine, shoal_str where,
                                     bool dry_run, shoal_delta_changed *out, shoal_error *err) {
  shoal_change c;
  shoal_str parameters = SHOAL_STR_NONE;
  *out = (shoal_delta_changed){.version = -1};
  shoal_status status = shoal_change_open(&c, table, engine, "DELETE", 0, err);
  c.dry_run = dry_run;
  c.out = out;
  if (status == SHOAL_OK)
    status = describe(&c, where, &parameters, err);
  if (status == SHOAL_OK)
    status = where.ptr ? delete_some(&c, where, err) : delete_all(&c, err);
  if (status == SHOAL_OK)
    status = shoal_change_apply(&c, false, parameters, err);
  shoal_change_close(&c);
  return status;
}

/* ---- UPDATE ---- */

ptrdiff_t shoal_change_find_set(const shoal_delta_set *sets, size_t n, shoal_str column) {
  for (size_t i = 0; i < n; i++)
    if (shoal_str_ieq(sets[i].column, column))
      return (ptrdiff_t)i;
  return -1;
}

shoal_status shoal_change_check_sets(const shoal_schema *schema, const shoal_delta_set *sets, size_t n,
                                     shoal_error *err) {
  for (size_t i = 0; i < n; i++) {
    if (shoal_schema_find(schema, sets[i].column) < 0)
      return shoal_fail(err, SHOAL_EINVAL, "the table has no column '%.*s'", SHOAL_FMT(sets[i].column));
    if (shoal_change_find_set(sets, i, sets[i].column) >= 0)
      return shoal_fail(err, SHOAL_EINVAL, "column '%.*s' is set twice", SHOAL_FMT(sets[i].column));
    SHOAL_TRY(shoal_sql_check_expression(sets[i].value, err));
  }
  return SHOAL_OK;
}

shoal_status shoal_change_check_values(shoal_change *c, const shoal_delta_set *sets, size_t n, const shoal_scan *source,
                                       shoal_error *err) {
  const shoal_schema *schema = &c->metadata->schema;
  const shoal_input inputs[] = {{SHOAL_STR(SHOAL_CHANGE_TARGET), &c->target}, {SHOAL_STR("source_rows"), source}};
  shoal_buf sql = {0};
  shoal_schema given;
  size_t n_structs = 0;
  for (size_t i = 0; i < n; i++) {
    const shoal_field *f = &schema->fields[shoal_schema_find(schema, sets[i].column)];
    if (!shoal_type_has(&f->type, SHOAL_TYPE_STRUCT))
      continue;
    shoal_buf_addf(&sql, "%s(%.*s\n) AS ", n_structs++ ? ", " : "SELECT ", SHOAL_FMT(sets[i].value));
    shoal_buf_sql_ident(&sql, f->name);
  }
  shoal_buf_addz(&sql, source ? " FROM " SHOAL_CHANGE_TARGET ", source_rows AS source" : " FROM " SHOAL_CHANGE_TARGET);
  const shoal_job job = {.sql = shoal_buf_str(&sql), .inputs = inputs, .n_inputs = source ? 2 : 1};
  shoal_status status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK && n_structs && shoal_engine_bind(c->engine, &job, &c->arena, &given, NULL) == SHOAL_OK)
    status = shoal_delta_refuse_strangers(schema, &given, err);
  shoal_buf_dispose(&sql);
  return status;
}

/* The row as it will be. */
static void add_values(shoal_buf *sql, const shoal_schema *schema, const shoal_delta_set *sets, size_t n) {
  for (size_t i = 0; i < schema->n_fields; i++) {
    const shoal_field *f = &schema->fields[i];
    ptrdiff_t at = shoal_change_find_set(sets, n, f->name);
    shoal_buf_addz(sql, ", ");
    if (at < 0) {
      shoal_buf_addz(sql, SHOAL_CHANGE_TARGET ".");
      shoal_variants_add_exact(sql, f);
    } else {
      shoal_change_add_value(sql, f, sets[at].value);
    }
    shoal_buf_addz(sql, " AS ");
    shoal_buf_sql_ident(sql, f->name);
  }
}

/* Generated columns follow the ones they are made of, unless they are set themselves. */
static bool add_generated(shoal_buf *sql, const shoal_change *c, const shoal_delta_set *sets, size_t n) {
  const shoal_schema *schema = &c->metadata->schema;
  size_t made = 0;
  for (size_t i = 0; i < schema->n_fields; i++) {
    if (!shoal_delta_is_generated(c->writing.rules, i) || shoal_change_find_set(sets, n, schema->fields[i].name) >= 0)
      continue;
    shoal_buf_addz(sql, made++ ? ", " : "SELECT * REPLACE (");
    shoal_buf_addf(sql, "%.*s AS ", SHOAL_FMT(c->writing.rules->generated[i]));
    shoal_buf_sql_ident(sql, schema->fields[i].name);
  }
  shoal_buf_addz(sql, made ? ") FROM (" : "");
  return made > 0;
}

static shoal_status update(shoal_change *c, const shoal_delta_set *sets, size_t n, shoal_str where, shoal_error *err) {
  shoal_buf sql = {0};
  if (n == 0)
    return shoal_fail(err, SHOAL_EINVAL, "no column is set");
  SHOAL_TRY(shoal_change_check_sets(&c->metadata->schema, sets, n, err));
  SHOAL_TRY(shoal_change_check_values(c, sets, n, NULL, err));
  for (size_t i = 0; i < c->metadata->schema.n_fields; i++)
    if (shoal_delta_identity_of(c->writing.rules, i) &&
        shoal_change_find_set(sets, n, c->metadata->schema.fields[i].name) >= 0)
      return shoal_delta_identity_refuse(&c->metadata->schema.fields[i], err);
  bool generates = add_generated(&sql, c, sets, n);
  shoal_change_add_place(&sql, c, SHOAL_CHANGE_UPDATED_SQL);
  add_values(&sql, &c->metadata->schema, sets, n);
  add_where(&sql, where);
  shoal_buf_addz(&sql, generates ? ") AS changed_" : "");
  shoal_status status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK)
    status = shoal_change_select(c, shoal_buf_str(&sql), NULL, 0, err);
  shoal_buf_dispose(&sql);
  return status;
}

shoal_status shoal_delta_update_rows(const shoal_delta_table *table, shoal_engine *engine, const shoal_delta_set *sets,
                                     size_t n, shoal_str where, bool dry_run, shoal_delta_changed *out,
                                     shoal_error *err) {
  shoal_change c;
  shoal_str parameters = SHOAL_STR_NONE;
  *out = (shoal_delta_changed){.version = -1};
  shoal_status status = shoal_change_open(&c, table, engine, "UPDATE", SHOAL_CHANGE_VALUES, err);
  c.dry_run = dry_run;
  c.out = out;
  if (status == SHOAL_OK)
    status = describe(&c, where, &parameters, err);
  if (status == SHOAL_OK)
    status = update(&c, sets, n, where, err);
  if (status == SHOAL_OK)
    status = shoal_change_apply(&c, true, parameters, err);
  shoal_change_close(&c);
  return status;
}
