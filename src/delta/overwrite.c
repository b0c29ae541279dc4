/* SPDX-License-Identifier: Apache-2.0 */
/* Overwriting: all of a table, the rows that a condition tells, or the partitions that the new rows lie in. */
#include "base/str.h"
#include "delta/change.h"
#include "engine/lexer.h"
#include "engine/variants.h"

typedef struct overwriting {
  shoal_change c;
  const shoal_delta_overwrite *wanted;
  shoal_job job; /* the new rows as the table's columns */
} overwriting;

static shoal_status conform(overwriting *o, shoal_error *err) {
  shoal_input *input = SHOAL_NEW(&o->c.arena, shoal_input);
  if (!input)
    return shoal_fail_nomem(err);
  *input = (shoal_input){SHOAL_STR("source_rows"), o->wanted->source};
  o->job = (shoal_job){.sql = SHOAL_STR("SELECT * FROM source_rows"), .inputs = input, .n_inputs = 1};
  if (o->wanted->merge_schema) {
    shoal_schema rows;
    SHOAL_TRY(shoal_engine_bind(o->c.engine, &o->job, &o->c.arena, &rows, err));
    SHOAL_TRY(shoal_change_evolve(&o->c, &rows, err));
  }
  return shoal_delta_conform(&o->c.writing, &o->job, err);
}

/* ---- by a condition ---- */

/* The rows that come, with their variants as a condition sees them, too. */
static void add_coming(shoal_buf *sql, const overwriting *o) {
  const shoal_schema *schema = &o->c.metadata->schema;
  shoal_buf name = {0};
  shoal_buf_addz(sql, "SELECT ");
  for (size_t i = 0; i < schema->n_fields; i++) {
    const shoal_field *f = &schema->fields[i];
    shoal_buf_clear(&name);
    shoal_buf_sql_ident(&name, f->name);
    shoal_buf_addz(sql, i ? ", " : "");
    shoal_variants_add_shown(sql, f, shoal_buf_str(&name));
    shoal_buf_addf(sql, " AS %s", shoal_buf_z(&name));
    if (!shoal_type_has(&f->type, SHOAL_TYPE_VARIANT))
      continue;
    shoal_buf_addf(sql, ", %s AS ", shoal_buf_z(&name));
    shoal_variants_add_exact(sql, f);
  }
  shoal_buf_addf(sql, " FROM (%.*s\n) AS coming_", SHOAL_FMT(o->job.sql));
  if (name.status < 0)
    sql->status = name.status;
  shoal_buf_dispose(&name);
}

/* The rows that go, without values, and the rows that come, without places; one of these that does not satisfy the
   condition ends it all. */
static void add_replacing(shoal_buf *sql, const overwriting *o) {
  const shoal_schema *schema = &o->c.metadata->schema;
  shoal_str where = o->wanted->where;
  shoal_change_add_place(sql, &o->c, SHOAL_CHANGE_DELETED_SQL);
  for (size_t i = 0; i < schema->n_fields; i++) {
    shoal_buf_addz(sql, ", ");
    shoal_change_add_value(sql, &schema->fields[i], SHOAL_STR("NULL"));
    shoal_buf_addz(sql, " AS ");
    shoal_buf_sql_ident(sql, schema->fields[i].name);
  }
  shoal_buf_addf(sql, " FROM " SHOAL_CHANGE_TARGET " WHERE (%.*s\n) UNION ALL SELECT NULL, NULL, %d%s",
                 SHOAL_FMT(where), SHOAL_CHANGE_INSERTED, o->c.tracking.on ? ", NULL" : "");
  for (size_t i = 0; i < schema->n_fields; i++) {
    shoal_buf_addz(sql, ", ");
    shoal_variants_add_exact(sql, &schema->fields[i]);
  }
  shoal_buf_addz(sql, " FROM (");
  add_coming(sql, o);
  shoal_buf_addf(sql,
                 ") AS " SHOAL_CHANGE_TARGET
                 " WHERE CASE WHEN (%.*s\n) THEN true ELSE error('a row does not satisfy the condition by which rows "
                 "are replaced') END",
                 SHOAL_FMT(where));
}

static shoal_status replace(overwriting *o, shoal_error *err) {
  shoal_buf sql = {0};
  SHOAL_TRY(shoal_sql_check_expression(o->wanted->where, err));
  add_replacing(&sql, o);
  shoal_status status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK)
    status = shoal_change_select(&o->c, shoal_buf_str(&sql), o->job.inputs, 1, err);
  o->c.numbered = o->c.out->inserted;
  shoal_buf_dispose(&sql);
  return status;
}

/* ---- all, or partitions ---- */

/* Types whose values all writers spell alike in a log. */
static bool is_spelled_alike(shoal_type_kind kind) {
  return kind == SHOAL_TYPE_STRING || kind == SHOAL_TYPE_BOOLEAN || kind == SHOAL_TYPE_BYTE ||
         kind == SHOAL_TYPE_SHORT || kind == SHOAL_TYPE_INTEGER || kind == SHOAL_TYPE_LONG || kind == SHOAL_TYPE_DATE;
}

static shoal_status check_partitions(const overwriting *o, shoal_error *err) {
  const shoal_delta_metadata *m = o->c.metadata;
  if (m->n_partition_columns == 0)
    return shoal_fail(err, SHOAL_EINVAL, "the table has no partitions to overwrite");
  for (size_t i = 0; i < m->n_partition_columns; i++) {
    const shoal_field *f = &m->schema.fields[shoal_schema_find(&m->schema, m->partition_columns[i])];
    if (is_spelled_alike(f->type.kind))
      continue;
    (void)shoal_fail(err, SHOAL_EUNSUPPORTED, "partitions by '%.*s' can't be told apart by their text",
                     SHOAL_FMT(f->name));
    shoal_hint(err, "say by a condition what is to be replaced");
    return SHOAL_EUNSUPPORTED;
  }
  return SHOAL_OK;
}

static shoal_str value_of(const shoal_delta_file *f, shoal_str column) {
  for (size_t i = 0; i < f->n_partition_values; i++)
    if (shoal_str_eq(f->partition_values[i].key, column))
      return f->partition_values[i].value;
  return SHOAL_STR_NONE;
}

static bool same_partition(const shoal_delta_metadata *m, const shoal_delta_file *a, const shoal_delta_file *b) {
  bool same = true;
  for (size_t i = 0; i < m->n_partition_columns && same; i++) {
    shoal_str column = m->schema.fields[shoal_schema_find(&m->schema, m->partition_columns[i])].physical;
    same = shoal_str_eq(value_of(a, column), value_of(b, column));
  }
  return same;
}

static bool is_replaced(void *arg, const shoal_delta_file *file) {
  const overwriting *o = arg;
  bool replaced = !o->wanted->partitions;
  for (size_t i = 0; i < o->c.inserted.n_files && !replaced; i++)
    replaced = same_partition(o->c.metadata, file, &o->c.inserted.files[i]);
  return replaced;
}

/* That a row lies in the partition of a file: columns compared with literals, as far as that can be said. */
static shoal_status partition_predicate(overwriting *o, const shoal_delta_file *f, shoal_predicate *out,
                                        shoal_error *err) {
  const shoal_delta_metadata *m = o->c.metadata;
  *out = (shoal_predicate){.kind = SHOAL_PREDICATE_AND, .n_children = m->n_partition_columns};
  out->children = SHOAL_NEW_ARRAY(&o->c.arena, shoal_predicate, out->n_children);
  if (!out->children)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < out->n_children; i++) {
    shoal_predicate *p = &out->children[i];
    p->column = (size_t)shoal_schema_find(&m->schema, m->partition_columns[i]);
    const shoal_field *field = &m->schema.fields[p->column];
    shoal_type_kind kind = field->type.kind;
    p->literal.text = value_of(f, field->physical);
    p->kind = !p->literal.text.ptr         ? SHOAL_PREDICATE_IS_NULL
              : kind == SHOAL_TYPE_BOOLEAN ? SHOAL_PREDICATE_UNKNOWN
                                           : SHOAL_PREDICATE_EQ;
    p->literal.kind = kind == SHOAL_TYPE_STRING ? SHOAL_LITERAL_STRING
                      : kind == SHOAL_TYPE_DATE ? SHOAL_LITERAL_DATE
                                                : SHOAL_LITERAL_NUMBER;
  }
  return SHOAL_OK;
}

static shoal_status bring(overwriting *o, shoal_error *err) {
  size_t n = o->wanted->partitions ? o->c.inserted.n_files : 0;
  shoal_predicate *any = SHOAL_NEW_ARRAY(&o->c.arena, shoal_predicate, n);
  if (!any)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++)
    SHOAL_TRY(partition_predicate(o, &o->c.inserted.files[i], &any[i], err));
  if (o->wanted->partitions && n == 0) /* no rows, no partitions */
    return SHOAL_OK;
  return shoal_change_bring(&o->c, any, n, err);
}

static shoal_status overwrite_files(overwriting *o, shoal_error *err) {
  shoal_change *c = &o->c;
  c->replaces = is_replaced;
  c->replaces_arg = o;
  if (o->wanted->partitions)
    SHOAL_TRY(check_partitions(o, err));
  SHOAL_TRY(shoal_delta_write(&c->writing, &o->job, &c->inserted, err));
  c->numbered = c->out->inserted = c->inserted.rows;
  SHOAL_TRY(bring(o, err));
  for (size_t i = 0; i < c->target.n_files; i++)
    if (is_replaced(o, c->files[i]))
      SHOAL_TRY(shoal_change_remove_file(c, i, err));
  return SHOAL_OK;
}

static shoal_status describe(overwriting *o, shoal_str *out, shoal_error *err) {
  shoal_buf text = {0};
  shoal_jw w = {.out = &text};
  shoal_jw_obj(&w);
  shoal_jw_kz(&w, "mode", "Overwrite");
  shoal_jw_kstr(&w, "predicate", o->wanted->where);
  if (o->wanted->partitions)
    shoal_jw_kz(&w, "isDynamicPartitionOverwrite", "true");
  shoal_jw_end(&w);
  return shoal_buf_take(&text, &o->c.arena, out, err);
}

shoal_status shoal_delta_overwrite_rows(const shoal_delta_table *table, shoal_engine *engine,
                                        const shoal_delta_overwrite *overwrite, shoal_delta_changed *out,
                                        shoal_error *err) {
  overwriting o = {.wanted = overwrite};
  shoal_str parameters = SHOAL_STR_NONE;
  *out = (shoal_delta_changed){.version = -1};
  shoal_status status = shoal_change_open(&o.c, table, engine, "WRITE", SHOAL_CHANGE_VALUES, err);
  o.c.out = out;
  if (status == SHOAL_OK)
    status = conform(&o, err);
  if (status == SHOAL_OK)
    status = describe(&o, &parameters, err);
  if (status == SHOAL_OK)
    status = overwrite->where.ptr ? replace(&o, err) : overwrite_files(&o, err);
  if (status == SHOAL_OK)
    status = shoal_change_apply(&o.c, true, parameters, err);
  shoal_change_close(&o.c);
  return status;
}
