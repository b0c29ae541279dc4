/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that make what is written of variants (engine/variants.h): of those in files, of JSON, of those that a
 * job has staged.
 */
#include "base/str.h"
#include "base/variant.h"
#include "engine/duckdb_internal.h"

/* Up to two vectors of texts, and what comes of them. */
typedef struct texts {
  const duckdb_string_t *data;
  const uint64_t *valid;
} texts;

typedef struct making {
  const shoal_duckdb_api *api;
  texts in[2];
  const uint64_t *valid; /* of the struct that they are members of, or NULL */
  const int32_t *layout;
  duckdb_vector members[2];
  uint64_t *out_valid[3]; /* of the struct and its members */
  shoal_buf metadata, value;
} making;

static texts texts_of(const shoal_duckdb_api *api, duckdb_vector v) {
  return (texts){api->vector_get_data(v), api->vector_get_validity(v)};
}

static bool has(const texts *t, size_t row) { return shoal_duckdb_valid(t->valid, row); }

typedef shoal_status make(making *m, size_t row, bool *null, shoal_error *err);

static shoal_status put(making *m, size_t row, bool null, shoal_error *err) {
  const shoal_buf *bytes[] = {&m->metadata, &m->value};
  for (size_t i = 0; null && i < 3; i++)
    m->api->validity_set_row_invalid(m->out_valid[i], row);
  for (size_t i = 0; !null && i < 2; i++) {
    SHOAL_TRY(shoal_buf_check(bytes[i], err));
    m->api->vector_assign_string_element_len(m->members[i], row, shoal_buf_z(bytes[i]), bytes[i]->len);
  }
  return SHOAL_OK;
}

static void make_all(making *m, make *one, duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const shoal_duckdb_api *api = m->api;
  shoal_error err = {0};
  shoal_status status = SHOAL_OK;
  duckdb_vector all[] = {output, api->struct_vector_get_child(output, 0), api->struct_vector_get_child(output, 1)};
  for (size_t i = 0; i < 3; i++) {
    api->vector_ensure_validity_writable(all[i]);
    m->out_valid[i] = api->vector_get_validity(all[i]);
  }
  m->members[0] = all[1];
  m->members[1] = all[2];
  for (size_t i = 0; i < api->data_chunk_get_size(input) && status == SHOAL_OK; i++) {
    bool null = true;
    shoal_buf_clear(&m->metadata);
    shoal_buf_clear(&m->value);
    status = one(m, i, &null, &err);
    if (status == SHOAL_OK)
      status = put(m, i, null, &err);
  }
  shoal_buf_dispose(&m->metadata);
  shoal_buf_dispose(&m->value);
  if (status < 0)
    api->scalar_function_set_error(info, err.message);
}

/* ---- "shoal:variant_exact"({metadata, value}, layout) ---- */

/* What the engine has for NULL is a variant that is null, by its value or its validity. */
static shoal_status make_exact(making *m, size_t row, bool *null, shoal_error *err) {
  bool parts = m->layout[row] & SHOAL_LAYOUT_PARTS;
  *null = !shoal_duckdb_valid(m->valid, row) || !has(&m->in[0], row) || !has(&m->in[1], row);
  shoal_str value = *null ? SHOAL_STR("") : shoal_duckdb_string(&m->in[1].data[row]);
  *null = *null || (!parts && value.len == 1 && value.ptr[0] == 0);
  if (*null && (m->layout[row] & SHOAL_LAYOUT_NULLS)) {
    *null = false;
    shoal_buf_add(&m->metadata, (shoal_str){"\x01\0\0", 3});
    shoal_buf_addc(&m->value, 0);
    return SHOAL_OK;
  }
  if (*null)
    return SHOAL_OK;
  const shoal_variant v = {shoal_duckdb_string(&m->in[0].data[row]), value, parts};
  return shoal_variant_binaries(&v, &m->metadata, &m->value, null, err);
}

static void exact(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  making m = {0};
  if (shoal_duckdb_load(NULL, &m.api, NULL) < 0) /* it is loaded: this runs inside it */
    return;
  duckdb_vector variant = m.api->data_chunk_get_vector(input, 0);
  for (size_t i = 0; i < 2; i++)
    m.in[i] = texts_of(m.api, m.api->struct_vector_get_child(variant, i));
  m.valid = m.api->vector_get_validity(variant);
  m.layout = m.api->vector_get_data(m.api->data_chunk_get_vector(input, 1));
  make_all(&m, make_exact, info, input, output);
}

/* ---- "shoal:variant_parse"(json, column) ---- */

#define SHOWN 80 /* bytes of a text in a message */

static shoal_status make_parsed(making *m, size_t row, bool *null, shoal_error *err) {
  shoal_error why = {0};
  *null = !has(&m->in[0], row);
  if (*null)
    return SHOAL_OK;
  shoal_str text = shoal_duckdb_string(&m->in[0].data[row]), column = shoal_duckdb_string(&m->in[1].data[row]);
  shoal_status status = shoal_variant_parse(text, &m->metadata, &m->value, &why);
  if (status == SHOAL_OK)
    return SHOAL_OK;
  size_t shown = text.len > SHOWN ? SHOWN : text.len;
  while (shown < text.len && shown && ((unsigned char)text.ptr[shown] & 0xc0) == 0x80)
    shown--;
  return shoal_fail(err, status, "column '%.*s': %s, in %.*s%s", SHOAL_FMT(column), why.message, (int)shown, text.ptr,
                    shown < text.len ? "…" : "");
}

static void parse(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  making m = {0};
  if (shoal_duckdb_load(NULL, &m.api, NULL) < 0)
    return;
  for (size_t i = 0; i < 2; i++)
    m.in[i] = texts_of(m.api, m.api->data_chunk_get_vector(input, i));
  make_all(&m, make_parsed, info, input, output);
}

/* ---- "shoal:variant_staged"(metadata, value) ---- */

static shoal_status make_staged(making *m, size_t row, bool *null, shoal_error *err) {
  (void)err;
  *null = !has(&m->in[0], row) || !has(&m->in[1], row);
  if (*null)
    return SHOAL_OK;
  shoal_buf_add(&m->metadata, shoal_duckdb_string(&m->in[0].data[row]));
  shoal_buf_add(&m->value, shoal_duckdb_string(&m->in[1].data[row]));
  return SHOAL_OK;
}

static void staged(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  making m = {0};
  if (shoal_duckdb_load(NULL, &m.api, NULL) < 0)
    return;
  for (size_t i = 0; i < 2; i++)
    m.in[i] = texts_of(m.api, m.api->data_chunk_get_vector(input, i));
  make_all(&m, make_staged, info, input, output);
}

/* ---- registration ---- */

/* Takes the two types. */
static shoal_status add(shoal_duckdb *d, const char *name, duckdb_scalar_function_t function, duckdb_logical_type first,
                        duckdb_type second, shoal_error *err) {
  const shoal_duckdb_api *api = d->api;
  duckdb_logical_type types[] = {first, api->create_logical_type(second), shoal_duckdb_variant_type(api)};
  duckdb_scalar_function f = api->create_scalar_function();
  shoal_status status = SHOAL_OK;
  api->scalar_function_set_name(f, name);
  api->scalar_function_add_parameter(f, types[0]);
  api->scalar_function_add_parameter(f, types[1]);
  api->scalar_function_set_return_type(f, types[2]);
  api->scalar_function_set_function(f, function);
  if (api->register_scalar_function(d->con, f) != DuckDBSuccess)
    status = shoal_fail(err, SHOAL_EENGINE, "the engine did not take the function %s", name);
  api->destroy_scalar_function(&f);
  for (size_t i = 0; i < 3; i++)
    api->destroy_logical_type(&types[i]);
  return status;
}

shoal_status shoal_duckdb_register_variant_write(shoal_duckdb *d, shoal_error *err) {
  const shoal_duckdb_api *api = d->api;
  SHOAL_TRY(add(d, SHOAL_DUCKDB_VARIANT_EXACT, exact, shoal_duckdb_variant_type(api), DUCKDB_TYPE_INTEGER, err));
  SHOAL_TRY(add(d, SHOAL_DUCKDB_VARIANT_PARSE, parse, api->create_logical_type(DUCKDB_TYPE_VARCHAR),
                DUCKDB_TYPE_VARCHAR, err));
  return add(d, SHOAL_DUCKDB_VARIANT_STAGED, staged, api->create_logical_type(DUCKDB_TYPE_BLOB), DUCKDB_TYPE_BLOB, err);
}
