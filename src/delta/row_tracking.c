/* SPDX-License-Identifier: Apache-2.0 */
/* row_tracking.h: what files and log say of a row's id, as columns of a scan. */
#include "delta/row_tracking.h"

#include "base/os.h"
#include "base/str.h"
#include "delta/property.h"
#include "engine/lexer.h"

/* Columns of the view: what files say, and, as values of partition columns, what the log says of a file. */
#define OWN_ID "shoal:own_id"
#define OWN_VERSION "shoal:own_version"
#define BASE_ID "shoal:base_id"
#define BASE_VERSION "shoal:base_version"

shoal_status shoal_delta_tracking_of(const shoal_delta_metadata *m, shoal_delta_tracking *out, shoal_error *err) {
  *out = (shoal_delta_tracking){.on = shoal_delta_is_on(m, "delta.enableRowTracking"),
                                .id_column = shoal_delta_config(m, SHOAL_TRACKING_ID),
                                .version_column = shoal_delta_config(m, SHOAL_TRACKING_VERSION)};
  if (out->on && (!out->id_column.len || !out->version_column.len))
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "the table tracks its rows, and does not say by which columns of files");
  return SHOAL_OK;
}

static shoal_field column(shoal_str name, shoal_str physical) {
  return (shoal_field){.name = name, .physical = physical, .type = {.kind = SHOAL_TYPE_LONG}, .nullable = true};
}

static shoal_status view_columns(const shoal_delta_tracking *t, shoal_delta_metadata *m, shoal_arena *arena,
                                 shoal_error *err) {
  size_t n = m->schema.n_fields, parts = m->n_partition_columns;
  shoal_field *fields = SHOAL_NEW_ARRAY(arena, shoal_field, n + 4);
  shoal_str *partitions = SHOAL_NEW_ARRAY(arena, shoal_str, parts + 2);
  if (!fields || !partitions)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++)
    fields[i] = m->schema.fields[i];
  for (size_t i = 0; i < parts; i++)
    partitions[i] = m->partition_columns[i];
  fields[n] = column(SHOAL_STR(OWN_ID), t->id_column);
  fields[n + 1] = column(SHOAL_STR(OWN_VERSION), t->version_column);
  fields[n + 2] = column(SHOAL_STR(BASE_ID), SHOAL_STR(BASE_ID));
  fields[n + 3] = column(SHOAL_STR(BASE_VERSION), SHOAL_STR(BASE_VERSION));
  partitions[parts] = SHOAL_STR(BASE_ID);
  partitions[parts + 1] = SHOAL_STR(BASE_VERSION);
  m->schema = (shoal_schema){fields, n + 4};
  m->partition_columns = partitions;
  m->n_partition_columns = parts + 2;
  m->n_configuration = 0; /* the two columns have no field ids: all are found by name */
  return SHOAL_OK;
}

static shoal_status number(int64_t n, bool known, shoal_arena *arena, shoal_str *out, shoal_error *err) {
  *out = known ? shoal_str_z(shoal_arena_printf(arena, "%lld", (long long)n)) : SHOAL_STR_NONE;
  return known && !out->ptr ? shoal_fail_nomem(err) : SHOAL_OK;
}

static shoal_status view_file(const shoal_delta_file *from, shoal_arena *arena, shoal_delta_file *out,
                              shoal_error *err) {
  size_t n = from->n_partition_values;
  shoal_delta_kv *values = SHOAL_NEW_ARRAY(arena, shoal_delta_kv, n + 2);
  if (!values)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++)
    values[i] = from->partition_values[i];
  values[n].key = SHOAL_STR(BASE_ID);
  values[n + 1].key = SHOAL_STR(BASE_VERSION);
  SHOAL_TRY(number(from->base_row_id, from->has_row_id, arena, &values[n].value, err));
  SHOAL_TRY(number(from->row_commit_version, from->has_row_id && from->row_commit_version >= 0, arena,
                   &values[n + 1].value, err));
  *out = *from;
  out->partition_values = values;
  out->n_partition_values = n + 2;
  return SHOAL_OK;
}

shoal_status shoal_delta_tracking_name(shoal_arena *arena, shoal_delta_metadata *m, shoal_error *err) {
  static const char *const columns[][2] = {{SHOAL_TRACKING_ID, "_row-id-col"},
                                           {SHOAL_TRACKING_VERSION, "_row-commit-version-col"}};
  for (size_t i = 0; i < 2; i++) {
    char uuid[SHOAL_UUID_TEXT];
    shoal_os_uuid(uuid);
    char *name = shoal_arena_printf(arena, "%s-%s", columns[i][1], uuid);
    if (!name)
      return shoal_fail_nomem(err);
    SHOAL_TRY(shoal_delta_config_set(m, shoal_str_z(columns[i][0]), shoal_str_z(name), arena, err));
  }
  return SHOAL_OK;
}

shoal_status shoal_delta_tracking_view(const shoal_delta_tracking *t, shoal_delta_snapshot *view, shoal_arena *arena,
                                       shoal_error *err) {
  shoal_delta_file *files = SHOAL_NEW_ARRAY(arena, shoal_delta_file, view->n_files);
  if (!files)
    return shoal_fail_nomem(err);
  SHOAL_TRY(view_columns(t, &view->metadata, arena, err));
  for (size_t i = 0; i < view->n_files; i++)
    SHOAL_TRY(view_file(&view->files[i], arena, &files[i], err));
  view->files = files;
  return SHOAL_OK;
}

void shoal_delta_tracking_add_id(shoal_buf *sql, const char *from) {
  shoal_buf_addf(sql, "coalesce(%s.\"" OWN_ID "\", %s.\"" BASE_ID "\" + %s.\"" SHOAL_POSITION_ROW "\")", from, from,
                 from);
}

void shoal_delta_tracking_add_columns(const shoal_delta_tracking *t, shoal_buf *sql, const char *from) {
  shoal_buf_addz(sql, ", ");
  shoal_delta_tracking_add_id(sql, from);
  shoal_buf_addz(sql, " AS ");
  shoal_buf_sql_ident(sql, t->id_column);
  shoal_buf_addf(sql, ", coalesce(%s.\"" OWN_VERSION "\", %s.\"" BASE_VERSION "\") AS ", from, from);
  shoal_buf_sql_ident(sql, t->version_column);
}

shoal_status shoal_delta_tracking_writing(const shoal_delta_tracking *t, shoal_delta_writing *w, shoal_error *err) {
  const shoal_schema *table = w->stored;
  w->unmeasured = 2;
  if (!table)
    return SHOAL_OK;
  shoal_schema *stored = SHOAL_NEW(w->arena, shoal_schema);
  shoal_field *fields = SHOAL_NEW_ARRAY(w->arena, shoal_field, table->n_fields + 2);
  if (!stored || !fields)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < table->n_fields; i++)
    fields[i] = table->fields[i];
  fields[table->n_fields] = column(t->id_column, t->id_column);
  fields[table->n_fields + 1] = column(t->version_column, t->version_column);
  *stored = (shoal_schema){fields, table->n_fields + 2};
  w->stored = stored;
  return SHOAL_OK;
}

/* ---- for readers ---- */

/* The first _ of a word is a symbol to the lexer. */
static bool is_ours(shoal_str sql, const shoal_token *token) {
  shoal_str text = token->text;
  if (token->kind == SHOAL_TOKEN_QUOTED && text.len > 2)
    text = shoal_str_sub(text, 1, text.len - 1);
  else if (token->kind == SHOAL_TOKEN_WORD && token->offset && sql.ptr[token->offset - 1] == '_')
    text = shoal_str_sub(sql, token->offset - 1, token->offset + text.len);
  else if (token->kind != SHOAL_TOKEN_WORD)
    return false;
  return shoal_str_ieq(text, SHOAL_STR(SHOAL_ROW_ID)) || shoal_str_ieq(text, SHOAL_STR(SHOAL_ROW_VERSION));
}

bool shoal_delta_asks_ids(shoal_str sql) {
  shoal_lexer lexer = {.sql = sql};
  shoal_token token;
  while (shoal_lexer_next(&lexer, &token))
    if (is_ours(sql, &token))
      return true;
  return false;
}

shoal_status shoal_delta_ids_scan(const shoal_delta_table *table, const shoal_delta_snapshot *s, shoal_arena *arena,
                                  shoal_scan *out, shoal_error *err) {
  shoal_delta_tracking tracking;
  shoal_delta_snapshot *view = SHOAL_NEW(arena, shoal_delta_snapshot); /* the scan borrows its columns */
  const shoal_schema *schema = &s->metadata.schema;
  if (!view)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_delta_tracking_of(&s->metadata, &tracking, err));
  if (!tracking.on || shoal_schema_find(schema, SHOAL_STR(SHOAL_ROW_ID)) >= 0 ||
      shoal_schema_find(schema, SHOAL_STR(SHOAL_ROW_VERSION)) >= 0)
    return SHOAL_DONE;
  *view = *s;
  SHOAL_TRY(shoal_delta_tracking_view(&tracking, view, arena, err));
  SHOAL_TRY(shoal_delta_scan(table, view, arena, out, err));
  out->tracked = true;
  return SHOAL_OK;
}
