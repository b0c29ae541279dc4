/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of variants, which are read as JSON (base/variant.h). DuckDB reads a group that a file marks as a variant,
 * shredded or not; one without the mark, as Spark 4.0 and others write it, is a struct to it, which a cast makes a
 * variant of: an object of metadata, value and typed_value. Both come out of variant_to_parquet_variant as two
 * binaries, and which of the two a file's are, its types tell.
 *
 * Where a file's group is marked, the engine can't tell a null in it from no value; so it is NULL in any case. For what
 * is written that is not good enough: duckdb_variant_null.c.
 */
#include "base/str.h"
#include "base/variant.h"
#include "engine/duckdb_internal.h"

/* ---- "shoal:variant"({metadata, value}, layout): the JSON of a variant ---- */

typedef struct batch {
  const shoal_duckdb_api *api;
  const duckdb_string_t *metadata, *value;
  const uint64_t *valid[3]; /* of the struct and its two members */
  const int32_t *layout;
  duckdb_vector out;
  uint64_t *out_valid;
  size_t rows;
} batch;

static shoal_status print_rows(const batch *b, shoal_error *err) {
  shoal_buf text = {0};
  shoal_status status = SHOAL_OK;
  for (size_t i = 0; i < b->rows && status == SHOAL_OK; i++) {
    bool null = true;
    shoal_buf_clear(&text);
    if (shoal_duckdb_valid(b->valid[0], i) && shoal_duckdb_valid(b->valid[1], i) &&
        shoal_duckdb_valid(b->valid[2], i)) {
      const shoal_variant v = {shoal_duckdb_string(&b->metadata[i]), shoal_duckdb_string(&b->value[i]),
                               b->layout[i] & SHOAL_LAYOUT_PARTS};
      status = shoal_variant_json(&v, &text, &null, err);
    }
    if (status == SHOAL_OK && null)
      b->api->validity_set_row_invalid(b->out_valid, i);
    else if (status == SHOAL_OK)
      b->api->vector_assign_string_element_len(b->out, i, shoal_buf_z(&text), text.len);
  }
  shoal_buf_dispose(&text);
  return status;
}

static void print(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const shoal_duckdb_api *api;
  shoal_error err = {0};
  if (shoal_duckdb_load(NULL, &api, &err) < 0) /* it is loaded: this runs inside it */
    return;
  duckdb_vector variant = api->data_chunk_get_vector(input, 0), layout = api->data_chunk_get_vector(input, 1);
  duckdb_vector metadata = api->struct_vector_get_child(variant, 0), value = api->struct_vector_get_child(variant, 1);
  batch b = {
      .api = api,
      .metadata = api->vector_get_data(metadata),
      .value = api->vector_get_data(value),
      .valid = {api->vector_get_validity(variant), api->vector_get_validity(metadata), api->vector_get_validity(value)},
      .layout = api->vector_get_data(layout),
      .out = output,
      .rows = (size_t)api->data_chunk_get_size(input)};
  api->vector_ensure_validity_writable(output);
  b.out_valid = api->vector_get_validity(output);
  if (print_rows(&b, &err) < 0)
    api->scalar_function_set_error(info, err.message);
}

duckdb_logical_type shoal_duckdb_variant_type(const shoal_duckdb_api *api) {
  const char *names[] = {"metadata", "value"};
  duckdb_logical_type blob = api->create_logical_type(DUCKDB_TYPE_BLOB), members[] = {blob, blob};
  duckdb_logical_type variant = api->create_struct_type(members, names, 2);
  api->logical_type_set_alias(variant, SHOAL_DUCKDB_VARIANT_TYPE); /* as variant_to_parquet_variant's is called */
  api->destroy_logical_type(&blob);
  return variant;
}

shoal_status shoal_duckdb_register_variant(shoal_duckdb *d, shoal_error *err) {
  const shoal_duckdb_api *api = d->api;
  duckdb_logical_type variant = shoal_duckdb_variant_type(api);
  duckdb_logical_type layout = api->create_logical_type(DUCKDB_TYPE_INTEGER);
  duckdb_logical_type json = api->create_logical_type(DUCKDB_TYPE_VARCHAR);
  duckdb_scalar_function f = api->create_scalar_function();
  shoal_status status = SHOAL_OK;
  api->logical_type_set_alias(json, "JSON");
  api->scalar_function_set_name(f, SHOAL_DUCKDB_VARIANT);
  api->scalar_function_add_parameter(f, variant);
  api->scalar_function_add_parameter(f, layout);
  api->scalar_function_set_return_type(f, json);
  api->scalar_function_set_function(f, print);
  if (api->register_scalar_function(d->con, f) != DuckDBSuccess)
    status = shoal_fail(err, SHOAL_EENGINE, "the engine did not take the function %s", SHOAL_DUCKDB_VARIANT);
  api->destroy_scalar_function(&f);
  api->destroy_logical_type(&json);
  api->destroy_logical_type(&layout);
  api->destroy_logical_type(&variant);
  return status == SHOAL_OK ? shoal_duckdb_register_variant_write(d, err) : status;
}

/* ---- what a file's variants are ---- */

enum { MARKED = 1, PARTS = 2, LACKING = 4 };

/* The variants of one column of one file. */
typedef struct looking {
  const shoal_duckdb_api *api;
  const shoal_scan_file *file;
  const shoal_field *column;
  unsigned seen; /* LACKING: the file has not all of them */
  size_t n;      /* how many there are */
  shoal_error *err;
} looking;

static shoal_status look(looking *l, const shoal_type *type, duckdb_logical_type found);

static shoal_status no_variant(const looking *l) {
  return shoal_fail(l->err, SHOAL_ECORRUPT, "'%.*s': column '%.*s' is no variant", SHOAL_FMT(l->file->path),
                    SHOAL_FMT(l->column->name));
}

/* Takes the type of a part. */
static shoal_status look_into(looking *l, const shoal_type *type, duckdb_logical_type part) {
  shoal_status status = look(l, type, part);
  l->api->destroy_logical_type(&part);
  return status;
}

static ptrdiff_t find_member(const shoal_duckdb_api *api, duckdb_logical_type type, shoal_str name) {
  ptrdiff_t at = -1;
  for (idx_t i = 0; i < api->struct_type_child_count(type) && at < 0; i++) {
    char *member = api->struct_type_child_name(type, i);
    at = shoal_str_ieq(shoal_str_z(member), name) ? (ptrdiff_t)i : -1;
    api->free(member);
  }
  return at;
}

static shoal_status look_at_members(looking *l, const shoal_type *type, duckdb_logical_type found) {
  for (size_t i = 0; i < type->n_fields; i++) {
    const shoal_field *f = &type->fields[i];
    ptrdiff_t at = find_member(l->api, found, shoal_field_stored_name(f));
    if (at >= 0)
      SHOAL_TRY(look_into(l, &f->type, l->api->struct_type_child_type(found, (idx_t)at)));
    else if (shoal_type_has(&f->type, SHOAL_TYPE_VARIANT))
      l->seen |= LACKING;
  }
  return SHOAL_OK;
}

static shoal_status look(looking *l, const shoal_type *type, duckdb_logical_type found) {
  duckdb_type id = l->api->get_type_id(found);
  if (!shoal_type_has(type, SHOAL_TYPE_VARIANT))
    return SHOAL_OK;
  if (type->kind == SHOAL_TYPE_VARIANT && id == DUCKDB_TYPE_STRUCT) {
    if (find_member(l->api, found, SHOAL_STR("metadata")) < 0 || find_member(l->api, found, SHOAL_STR("value")) < 0)
      return no_variant(l);
    l->seen |= PARTS;
    return SHOAL_OK;
  }
  if (type->kind == SHOAL_TYPE_VARIANT && id == DUCKDB_TYPE_VARIANT) {
    l->seen |= MARKED;
    l->n++;
    return SHOAL_OK;
  }
  if (type->kind == SHOAL_TYPE_STRUCT && id == DUCKDB_TYPE_STRUCT)
    return look_at_members(l, type, found);
  if (type->kind == SHOAL_TYPE_ARRAY && id == DUCKDB_TYPE_LIST)
    return look_into(l, &type->fields[0].type, l->api->list_type_child_type(found));
  if (type->kind == SHOAL_TYPE_MAP && id == DUCKDB_TYPE_MAP) {
    SHOAL_TRY(look_into(l, &type->fields[0].type, l->api->map_type_key_type(found)));
    return look_into(l, &type->fields[1].type, l->api->map_type_value_type(found));
  }
  return no_variant(l);
}

/* A column that the file lacks is NULL, so it does not matter what it is. */
static shoal_status look_at_column(looking *l, duckdb_prepared_statement file, bool by_field_id) {
  shoal_str want = shoal_field_stored_name(l->column);
  for (idx_t i = 0; i < l->api->prepared_statement_column_count(file); i++) {
    const char *name = l->api->prepared_statement_column_name(file, i);
    bool is = name && shoal_str_ieq(shoal_str_z(name), want);
    l->api->free((void *)name);
    if (is)
      return look_into(l, &l->column->type, l->api->prepared_statement_column_logical_type(file, i));
  }
  if (by_field_id)
    return shoal_fail(l->err, SHOAL_EUNSUPPORTED, "'%.*s' has no '%.*s', and variants are not found by their ids",
                      SHOAL_FMT(l->file->path), SHOAL_FMT(want));
  return SHOAL_OK;
}

static shoal_status look_at_file(shoal_duckdb *d, const shoal_scan *scan, size_t file, unsigned char *layout,
                                 shoal_error *err) {
  duckdb_prepared_statement statement = NULL;
  shoal_buf sql = {0};
  shoal_buf_addz(&sql, "SELECT * FROM read_parquet(");
  shoal_duckdb_add_path(&sql, scan->files[file].path);
  shoal_buf_addz(&sql, ", hive_partitioning = false)");
  shoal_status status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_prepare(d, shoal_buf_z(&sql), (shoal_duckdb_place){0}, &statement, err);
  for (size_t i = 0; i < scan->schema->n_fields && status == SHOAL_OK; i++) {
    looking l = {.api = d->api, .file = &scan->files[file], .column = &scan->schema->fields[i], .err = err};
    unsigned char *out = &layout[i * scan->n_files + file];
    if (!shoal_type_has(&l.column->type, SHOAL_TYPE_VARIANT))
      continue;
    status = look_at_column(&l, statement, scan->by_field_id);
    if (status == SHOAL_OK && (l.seen & MARKED) && (l.seen & PARTS))
      status = shoal_fail(err, SHOAL_EUNSUPPORTED, "'%.*s' marks some variants of column '%.*s' as such, and some not",
                          SHOAL_FMT(l.file->path), SHOAL_FMT(l.column->name));
    *out = l.seen & PARTS ? SHOAL_LAYOUT_PARTS : 0;
    if (status == SHOAL_OK && (l.seen & MARKED) && scan->exact)
      status = shoal_duckdb_variant_nulls(d, scan->files[file].path, l.column, l.n, l.seen & LACKING, out, err);
  }
  d->api->destroy_prepare(&statement);
  shoal_buf_dispose(&sql);
  return status;
}

shoal_status shoal_duckdb_find_variants(shoal_duckdb *d, const shoal_scan *scan, const unsigned char **out,
                                        shoal_error *err) {
  *out = NULL;
  if (!shoal_schema_has(scan->schema, SHOAL_TYPE_VARIANT))
    return SHOAL_OK;
  unsigned char *layout = SHOAL_NEW_ARRAY(&d->job_arena, unsigned char, scan->schema->n_fields * scan->n_files);
  if (!layout)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < scan->n_files; i++)
    SHOAL_TRY(look_at_file(d, scan, i, layout, err));
  *out = layout;
  return SHOAL_OK;
}
