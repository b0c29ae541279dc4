/* SPDX-License-Identifier: Apache-2.0 */
#include "delta/new_rows.h"

#include <string.h>

#include "base/str.h"
#include "engine/variants.h"

static bool is_told(const shoal_scan *scan) {
  bool told = false;
  for (size_t i = 0; i < scan->n_options && !told; i++)
    told = shoal_str_is(scan->options[i].name, "columns");
  return told;
}

/* Names that the text of an option can't hold. */
static shoal_status check_names(const shoal_field *fields, size_t n, shoal_error *err) {
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < fields[i].name.len; k++)
      if (memchr("'\":", fields[i].name.ptr[k], 3))
        return shoal_fail(err, SHOAL_EUNSUPPORTED,
                          "a file of JSON beside a column of type variant can't have one called \"%.*s\"",
                          SHOAL_FMT(fields[i].name));
    SHOAL_TRY(check_names(fields[i].type.fields, fields[i].type.n_fields, err));
  }
  return SHOAL_OK;
}

/* {'id': 'BIGINT', 'v': 'JSON', …}, or nothing where the rows have no column of variants. */
static shoal_status tell_columns(const shoal_schema *table, const shoal_schema *rows, shoal_buf *out,
                                 shoal_error *err) {
  shoal_buf type = {0};
  bool any = false;
  shoal_buf_addc(out, '{');
  for (size_t i = 0; i < rows->n_fields; i++) {
    const shoal_field *f = &rows->fields[i];
    ptrdiff_t at = shoal_schema_find(table, f->name);
    bool variants = at >= 0 && shoal_type_has(&table->fields[at].type, SHOAL_TYPE_VARIANT);
    any = any || variants;
    shoal_buf_clear(&type);
    shoal_type_sql(&type, variants ? &table->fields[at].type : &f->type);
    shoal_buf_addz(out, i ? ", " : "");
    shoal_buf_sql_literal(out, f->name);
    shoal_buf_addz(out, ": ");
    shoal_buf_sql_literal(out, shoal_buf_str(&type));
  }
  shoal_buf_addc(out, '}');
  if (!any)
    shoal_buf_clear(out);
  shoal_status status = shoal_buf_check(&type, err);
  shoal_buf_dispose(&type);
  return status == SHOAL_OK && any ? check_names(rows->fields, rows->n_fields, err) : status;
}

shoal_status shoal_delta_new_rows_scan(shoal_engine *engine, const shoal_schema *table, const shoal_scan **scan,
                                       shoal_arena *arena, shoal_error *err) {
  const shoal_scan *given = *scan;
  shoal_schema rows;
  shoal_buf text = {0};
  if (given->format != SHOAL_SCAN_JSON || !shoal_variants_any(table) || is_told(given))
    return SHOAL_OK;
  const shoal_input input = {SHOAL_STR("rows"), given};
  const shoal_job job = {.sql = SHOAL_STR("SELECT * FROM rows"), .inputs = &input, .n_inputs = 1};
  SHOAL_TRY(shoal_engine_bind(engine, &job, arena, &rows, err));
  shoal_scan *own = SHOAL_NEW(arena, shoal_scan);
  shoal_scan_option *options = SHOAL_NEW_ARRAY(arena, shoal_scan_option, given->n_options + 1);
  shoal_str columns = SHOAL_STR_NONE;
  shoal_status status = own && options ? tell_columns(table, &rows, &text, err) : shoal_fail_nomem(err);
  if (status == SHOAL_OK && text.len)
    status = shoal_buf_take(&text, arena, &columns, err);
  shoal_buf_dispose(&text);
  if (status < 0 || !columns.ptr)
    return status;
  for (size_t i = 0; i < given->n_options; i++)
    options[i] = given->options[i];
  options[given->n_options] = (shoal_scan_option){SHOAL_STR("columns"), columns};
  *own = *given;
  own->options = options;
  own->n_options = given->n_options + 1;
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
