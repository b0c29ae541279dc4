/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DuckDB's types as the types that Delta has, and the columns of a prepared SELECT. A type without counterpart is
 * refused by name and with the cast that mends it, before anything runs.
 */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/str.h"
#include "engine/duckdb_internal.h"

/* What mapping one column's type needs and finds. */
typedef struct mapping {
  const shoal_duckdb_api *api;
  shoal_arena *arena;
  shoal_str column;
  shoal_error *err;
  bool variants; /* see shoal_job */
  bool bound;    /* the job is not run */
  bool cast, narrowed;
} mapping;

typedef struct plain_type {
  duckdb_type id;
  const char *sql;  /* DuckDB's spelling */
  int kind;         /* shoal_type_kind, or -1: Delta has none */
  bool exact;       /* stored as it is */
  const char *mend; /* for those Delta does not have: a type to cast to */
} plain_type;

static const plain_type plain_types[] = {
    {DUCKDB_TYPE_BOOLEAN, "BOOLEAN", SHOAL_TYPE_BOOLEAN, true, NULL},
    {DUCKDB_TYPE_TINYINT, "TINYINT", SHOAL_TYPE_BYTE, true, NULL},
    {DUCKDB_TYPE_SMALLINT, "SMALLINT", SHOAL_TYPE_SHORT, true, NULL},
    {DUCKDB_TYPE_INTEGER, "INTEGER", SHOAL_TYPE_INTEGER, true, NULL},
    {DUCKDB_TYPE_BIGINT, "BIGINT", SHOAL_TYPE_LONG, true, NULL},
    {DUCKDB_TYPE_HUGEINT, "HUGEINT", SHOAL_TYPE_LONG, false, NULL},
    {DUCKDB_TYPE_UTINYINT, "UTINYINT", SHOAL_TYPE_SHORT, false, NULL},
    {DUCKDB_TYPE_USMALLINT, "USMALLINT", SHOAL_TYPE_INTEGER, false, NULL},
    {DUCKDB_TYPE_UINTEGER, "UINTEGER", SHOAL_TYPE_LONG, false, NULL},
    {DUCKDB_TYPE_UBIGINT, "UBIGINT", SHOAL_TYPE_DECIMAL, false, NULL},
    {DUCKDB_TYPE_FLOAT, "FLOAT", SHOAL_TYPE_FLOAT, true, NULL},
    {DUCKDB_TYPE_DOUBLE, "DOUBLE", SHOAL_TYPE_DOUBLE, true, NULL},
    {DUCKDB_TYPE_VARCHAR, "VARCHAR", SHOAL_TYPE_STRING, true, NULL},
    {DUCKDB_TYPE_UUID, "UUID", SHOAL_TYPE_STRING, false, NULL},
    {DUCKDB_TYPE_ENUM, "ENUM", SHOAL_TYPE_STRING, false, NULL},
    {DUCKDB_TYPE_BLOB, "BLOB", SHOAL_TYPE_BINARY, true, NULL},
    {DUCKDB_TYPE_DATE, "DATE", SHOAL_TYPE_DATE, true, NULL},
    {DUCKDB_TYPE_TIMESTAMP, "TIMESTAMP", SHOAL_TYPE_TIMESTAMP_NTZ, true, NULL},
    {DUCKDB_TYPE_TIMESTAMP_S, "TIMESTAMP_S", SHOAL_TYPE_TIMESTAMP_NTZ, false, NULL},
    {DUCKDB_TYPE_TIMESTAMP_MS, "TIMESTAMP_MS", SHOAL_TYPE_TIMESTAMP_NTZ, false, NULL},
    {DUCKDB_TYPE_TIMESTAMP_TZ, "TIMESTAMP WITH TIME ZONE", SHOAL_TYPE_TIMESTAMP, true, NULL},
    {DUCKDB_TYPE_SQLNULL, "\"NULL\"", SHOAL_TYPE_INTEGER, false, NULL},
    {DUCKDB_TYPE_TIMESTAMP_NS, "TIMESTAMP_NS", -1, false, "TIMESTAMP"},
    {DUCKDB_TYPE_TIME, "TIME", -1, false, "VARCHAR"},
    {DUCKDB_TYPE_TIME_NS, "TIME_NS", -1, false, "VARCHAR"},
    {DUCKDB_TYPE_TIME_TZ, "TIME WITH TIME ZONE", -1, false, "VARCHAR"},
    {DUCKDB_TYPE_INTERVAL, "INTERVAL", -1, false, "VARCHAR"},
    {DUCKDB_TYPE_BIT, "BIT", -1, false, "VARCHAR"},
    {DUCKDB_TYPE_UHUGEINT, "UHUGEINT", -1, false, "DECIMAL(38, 0)"},
    {DUCKDB_TYPE_BIGNUM, "BIGNUM", -1, false, "VARCHAR"},
    {DUCKDB_TYPE_UNION, "UNION", -1, false, "VARCHAR"},
    {DUCKDB_TYPE_VARIANT, "VARIANT", -1, false, "JSON"},
    {DUCKDB_TYPE_GEOMETRY, "GEOMETRY", -1, false, "VARCHAR"},
};

static const plain_type *find_plain(duckdb_type id) {
  for (size_t i = 0; i < sizeof plain_types / sizeof *plain_types; i++) {
    if (plain_types[i].id == id)
      return &plain_types[i];
  }
  return NULL;
}

static bool has_alias(const shoal_duckdb_api *api, duckdb_logical_type type, shoal_buf *out) {
  char *alias = api->logical_type_get_alias(type);
  bool has = alias && *alias;
  if (has && out)
    shoal_buf_addz(out, alias);
  api->free(alias);
  return has;
}

static void add_child(const shoal_duckdb_api *api, duckdb_logical_type child, shoal_buf *out);

static void add_struct(const shoal_duckdb_api *api, duckdb_logical_type type, shoal_buf *out) {
  shoal_buf_addz(out, "STRUCT(");
  for (idx_t i = 0; i < api->struct_type_child_count(type); i++) {
    char *name = api->struct_type_child_name(type, i);
    shoal_buf_addz(out, i ? ", " : "");
    shoal_buf_sql_ident(out, shoal_str_z(name));
    shoal_buf_addc(out, ' ');
    add_child(api, api->struct_type_child_type(type, i), out);
    api->free(name);
  }
  shoal_buf_addc(out, ')');
}

/* The type as DuckDB spells it. */
static void add_type_name(const shoal_duckdb_api *api, duckdb_logical_type type, shoal_buf *out) {
  duckdb_type id = api->get_type_id(type);
  if (has_alias(api, type, out))
    return;
  if (id == DUCKDB_TYPE_DECIMAL) {
    shoal_buf_addf(out, "DECIMAL(%u,%u)", api->decimal_width(type), api->decimal_scale(type));
  } else if (id == DUCKDB_TYPE_LIST) {
    add_child(api, api->list_type_child_type(type), out);
    shoal_buf_addz(out, "[]");
  } else if (id == DUCKDB_TYPE_ARRAY) {
    add_child(api, api->array_type_child_type(type), out);
    shoal_buf_addf(out, "[%llu]", (unsigned long long)api->array_type_array_size(type));
  } else if (id == DUCKDB_TYPE_MAP) {
    shoal_buf_addz(out, "MAP(");
    add_child(api, api->map_type_key_type(type), out);
    shoal_buf_addz(out, ", ");
    add_child(api, api->map_type_value_type(type), out);
    shoal_buf_addc(out, ')');
  } else if (id == DUCKDB_TYPE_STRUCT) {
    add_struct(api, type, out);
  } else {
    const plain_type *plain = find_plain(id);
    shoal_buf_addz(out, plain ? plain->sql : "UNKNOWN");
  }
}

static void add_child(const shoal_duckdb_api *api, duckdb_logical_type child, shoal_buf *out) {
  add_type_name(api, child, out);
  api->destroy_logical_type(&child);
}

static shoal_status refuse(mapping *m, duckdb_logical_type type, const char *mend) {
  shoal_buf name = {0};
  add_type_name(m->api, type, &name);
  shoal_fail(m->err, SHOAL_EENGINE, "column \"%.*s\" is of type %s, which Delta tables don't have",
             SHOAL_FMT(m->column), shoal_buf_z(&name));
  if (mend)
    shoal_hint(m->err, "CAST(\"%.*s\" AS %s)", SHOAL_FMT(m->column), mend);
  shoal_buf_dispose(&name);
  return SHOAL_EENGINE;
}

static shoal_status map_type(mapping *m, duckdb_logical_type type, unsigned depth, shoal_type *out);

/* Maps a child's type and destroys it. */
static shoal_status map_child(mapping *m, duckdb_logical_type child, const char *name, unsigned depth,
                              shoal_field *out) {
  shoal_status status = SHOAL_OK;
  out->name = shoal_arena_str(m->arena, shoal_str_z(name));
  out->physical = out->name;
  out->nullable = true;
  if (!out->name.ptr)
    status = shoal_fail_nomem(m->err);
  if (status == SHOAL_OK)
    status = map_type(m, child, depth + 1, &out->type);
  m->api->destroy_logical_type(&child);
  return status;
}

static shoal_status map_fields(mapping *m, shoal_type *out, shoal_type_kind kind, size_t n) {
  out->kind = kind;
  out->fields = SHOAL_NEW_ARRAY(m->arena, shoal_field, n);
  out->n_fields = n;
  return out->fields ? SHOAL_OK : shoal_fail_nomem(m->err);
}

static shoal_status map_struct(mapping *m, duckdb_logical_type type, unsigned depth, shoal_type *out) {
  size_t n = (size_t)m->api->struct_type_child_count(type);
  SHOAL_TRY(map_fields(m, out, SHOAL_TYPE_STRUCT, n));
  for (size_t i = 0; i < n; i++) {
    char *name = m->api->struct_type_child_name(type, i);
    shoal_status status = SHOAL_OK;
    if (!name || !*name) {
      status =
          shoal_fail(m->err, SHOAL_EENGINE, "column \"%.*s\" is a struct with unnamed fields", SHOAL_FMT(m->column));
      shoal_hint(m->err, "name them: {'a': …, 'b': …} or struct_pack(a := …)");
    }
    for (size_t j = 0; status == SHOAL_OK && j < i; j++) {
      if (shoal_str_ieq(out->fields[j].name, shoal_str_z(name)))
        status = shoal_fail(m->err, SHOAL_EENGINE, "column \"%.*s\" is a struct with two fields \"%s\"",
                            SHOAL_FMT(m->column), name ? name : "");
    }
    if (status == SHOAL_OK)
      status = map_child(m, m->api->struct_type_child_type(type, i), name, depth, &out->fields[i]);
    m->api->free(name);
    SHOAL_TRY(status);
  }
  return SHOAL_OK;
}

/* What a variant's columns are written from. */
static bool is_variant(const mapping *m, duckdb_logical_type type, duckdb_type id) {
  shoal_buf alias = {0};
  bool is = id == DUCKDB_TYPE_STRUCT && has_alias(m->api, type, &alias) &&
            shoal_str_is(shoal_buf_str(&alias), SHOAL_DUCKDB_VARIANT_TYPE);
  shoal_buf_dispose(&alias);
  return m->variants && (is || (m->bound && id == DUCKDB_TYPE_VARIANT));
}

static shoal_status map_list(mapping *m, duckdb_logical_type type, unsigned depth, shoal_type *out) {
  bool fixed = m->api->get_type_id(type) == DUCKDB_TYPE_ARRAY;
  SHOAL_TRY(map_fields(m, out, SHOAL_TYPE_ARRAY, 1));
  m->cast = m->cast || fixed;
  return map_child(m, fixed ? m->api->array_type_child_type(type) : m->api->list_type_child_type(type), "element",
                   depth, &out->fields[0]);
}

static shoal_status map_map(mapping *m, duckdb_logical_type type, unsigned depth, shoal_type *out) {
  SHOAL_TRY(map_fields(m, out, SHOAL_TYPE_MAP, 2));
  SHOAL_TRY(map_child(m, m->api->map_type_key_type(type), "key", depth, &out->fields[0]));
  out->fields[0].nullable = false;
  return map_child(m, m->api->map_type_value_type(type), "value", depth, &out->fields[1]);
}

static shoal_status map_plain(mapping *m, duckdb_logical_type type, duckdb_type id, shoal_type *out) {
  const plain_type *plain = find_plain(id);
  if (!plain || plain->kind < 0)
    return refuse(m, type, plain ? plain->mend : NULL);
  out->kind = (shoal_type_kind)plain->kind;
  if (id == DUCKDB_TYPE_UBIGINT)
    out->precision = 20;
  m->cast = m->cast || !plain->exact || has_alias(m->api, type, NULL);
  m->narrowed = m->narrowed || id == DUCKDB_TYPE_HUGEINT;
  return SHOAL_OK;
}

static shoal_status map_type(mapping *m, duckdb_logical_type type, unsigned depth, shoal_type *out) {
  duckdb_type id = m->api->get_type_id(type);
  *out = (shoal_type){0};
  if (depth > SHOAL_MAX_TYPE_DEPTH)
    return shoal_fail(m->err, SHOAL_ELIMIT, "column \"%.*s\" nests deeper than %d types", SHOAL_FMT(m->column),
                      SHOAL_MAX_TYPE_DEPTH);
  if (id == DUCKDB_TYPE_DECIMAL) {
    out->kind = SHOAL_TYPE_DECIMAL;
    out->precision = m->api->decimal_width(type);
    out->scale = m->api->decimal_scale(type);
    return SHOAL_OK;
  }
  if (is_variant(m, type, id)) {
    out->kind = SHOAL_TYPE_VARIANT;
    return SHOAL_OK;
  }
  if (id == DUCKDB_TYPE_LIST || id == DUCKDB_TYPE_ARRAY)
    return map_list(m, type, depth, out);
  if (id == DUCKDB_TYPE_MAP)
    return map_map(m, type, depth, out);
  if (id == DUCKDB_TYPE_STRUCT)
    return map_struct(m, type, depth, out);
  return map_plain(m, type, id, out);
}

static shoal_status read_column(shoal_duckdb *d, duckdb_prepared_statement stmt, size_t i, bool stored,
                                shoal_arena *arena, shoal_duckdb_column *out, shoal_error *err) {
  const char *name = d->api->prepared_statement_column_name(stmt, i);
  shoal_buf spelling = {0};
  out->name = shoal_arena_str(arena, shoal_str_z(name ? name : ""));
  d->api->free((void *)name);
  if (!out->name.ptr)
    return shoal_fail_nomem(err);
  duckdb_logical_type type = d->api->prepared_statement_column_logical_type(stmt, i);
  add_type_name(d->api, type, &spelling);
  shoal_status status = shoal_buf_check(&spelling, err);
  if (status == SHOAL_OK) {
    out->engine_type = shoal_arena_str(arena, shoal_buf_str(&spelling));
    status = out->engine_type.ptr ? SHOAL_OK : shoal_fail_nomem(err);
  }
  if (status == SHOAL_OK && stored) {
    mapping m = {.api = d->api,
                 .arena = arena,
                 .column = out->name,
                 .err = err,
                 .variants = d->job && d->job->variants,
                 .bound = d->job && !d->job->staging};
    status = map_type(&m, type, 0, &out->type);
    out->cast = m.cast;
    out->narrowed = m.narrowed;
  }
  d->api->destroy_logical_type(&type);
  shoal_buf_dispose(&spelling);
  return status;
}

static shoal_str lower(shoal_arena *arena, shoal_str s) {
  char *out = shoal_arena_cstr(arena, s);
  for (size_t i = 0; out && i < s.len; i++) {
    if (out[i] >= 'A' && out[i] <= 'Z')
      out[i] = (char)(out[i] + ('a' - 'A'));
  }
  return (shoal_str){out, s.len};
}

/* Delta forbids names that differ only in case. */
static shoal_status check_names(const shoal_duckdb_column *columns, size_t n, shoal_arena *arena, shoal_error *err) {
  shoal_map seen = {0};
  shoal_status status = SHOAL_OK;
  for (size_t i = 0; status == SHOAL_OK && i < n; i++) {
    shoal_str key = lower(arena, columns[i].name);
    if (!key.ptr) {
      status = shoal_fail_nomem(err);
    } else if (key.len == 0) {
      status = shoal_fail(err, SHOAL_EENGINE, "column %zu has no name", i + 1);
      shoal_hint(err, "give it one with AS");
    } else if (shoal_map_get(&seen, key) != SHOAL_MAP_NONE) {
      status = shoal_fail(err, SHOAL_EENGINE, "two columns are called \"%.*s\"", SHOAL_FMT(columns[i].name));
      shoal_hint(err, "rename one with AS, or leave it out: SELECT * EXCLUDE (…); upper and lower case are the same");
    } else {
      status = shoal_map_put(&seen, key, (uint32_t)i, err);
    }
  }
  shoal_map_dispose(&seen);
  return status;
}

shoal_status shoal_duckdb_columns(shoal_duckdb *d, duckdb_prepared_statement stmt, bool stored, shoal_arena *arena,
                                  shoal_duckdb_column **out, size_t *n, shoal_error *err) {
  *n = (size_t)d->api->prepared_statement_column_count(stmt);
  if (*n > SHOAL_MAX_COLUMNS)
    return shoal_fail(err, SHOAL_ELIMIT, "the query has %zu columns, more than %d", *n, SHOAL_MAX_COLUMNS);
  *out = SHOAL_NEW_ARRAY(arena, shoal_duckdb_column, *n);
  if (!*out)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < *n; i++)
    SHOAL_TRY(read_column(d, stmt, i, stored, arena, &(*out)[i], err));
  return stored ? check_names(*out, *n, arena, err) : SHOAL_OK;
}
