/* SPDX-License-Identifier: Apache-2.0 */
/* A1 … A3 of alter.h: metadata and protocol are edited as copies, one alteration after the other, then committed. */
#include "delta/alter.h"

#include "base/str.h"
#include "delta/cluster.h"
#include "delta/evolve.h"
#include "delta/property.h"
#include "delta/rules.h"
#include "delta/stats_columns.h"
#include "delta/transaction.h"

typedef struct altering {
  const shoal_delta_table *table;
  shoal_engine *engine;
  shoal_arena arena;
  shoal_delta_snapshot *snapshot;
  shoal_delta_evolution e; /* what the table becomes */
  bool checks_rows;        /* a constraint came */
} altering;

static const char *const words[] = {"ADD COLUMNS",         "RENAME COLUMN",  "DROP COLUMNS",
                                    "CHANGE COLUMN",       "CHANGE COLUMN",  "SET TBLPROPERTIES",
                                    "UNSET TBLPROPERTIES", "ADD CONSTRAINT", "DROP CONSTRAINT"};

/* ---- columns ---- */

static shoal_status find_column(altering *a, shoal_str name, size_t *out, shoal_error *err) {
  ptrdiff_t at = shoal_schema_find(&a->e.metadata.schema, name);
  *out = (size_t)at;
  return at < 0 ? shoal_fail(err, SHOAL_EINVAL, "the table has no column '%.*s'", SHOAL_FMT(name)) : SHOAL_OK;
}

static ptrdiff_t partition_of(const shoal_delta_metadata *m, shoal_str column) {
  for (size_t i = 0; i < m->n_partition_columns; i++)
    if (shoal_str_eq(m->partition_columns[i], column))
      return (ptrdiff_t)i;
  return -1;
}

static shoal_status need_mapping(const altering *a, const char *what, shoal_error *err) {
  if (shoal_delta_is_mapped(&a->e.metadata))
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_EUNSUPPORTED, "%s needs column mapping, which the table does not have", what);
  shoal_hint(err,
             "--set " SHOAL_DELTA_MAPPING "=name gives it that, once and for all; old readers may not read it then");
  return SHOAL_EUNSUPPORTED;
}

/* A3 */
static shoal_status check_unused(altering *a, size_t column, shoal_error *err) {
  const shoal_delta_rules *rules;
  shoal_str name = a->e.metadata.schema.fields[column].name;
  SHOAL_TRY(shoal_delta_rules_of(&a->e.metadata, a->engine, &a->arena, &rules, err));
  for (size_t i = 0; rules && i < rules->n; i++)
    if (rules->list[i].used[column] && !rules->list[i].of_type)
      return shoal_fail(err, SHOAL_EINVAL, "%s, %.*s, names the column '%.*s'", rules->list[i].owner,
                        SHOAL_FMT(rules->list[i].text), SHOAL_FMT(name));
  return SHOAL_OK;
}

static shoal_status rename_column(altering *a, shoal_str from, shoal_str to, shoal_error *err) {
  shoal_delta_metadata *m = &a->e.metadata;
  size_t at;
  SHOAL_TRY(need_mapping(a, "another name for a column", err));
  SHOAL_TRY(find_column(a, from, &at, err));
  ptrdiff_t other = shoal_schema_find(&m->schema, to);
  if (to.len == 0 || (other >= 0 && (size_t)other != at))
    return shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no new name for a column: %s", SHOAL_FMT(to),
                      to.len ? "one has it" : "it is empty");
  SHOAL_TRY(check_unused(a, at, err));
  ptrdiff_t partition = partition_of(m, m->schema.fields[at].name);
  if (partition >= 0)
    ((shoal_str *)m->partition_columns)[partition] = to; /* of the evolution's copy */
  SHOAL_TRY(shoal_delta_stats_columns_rename(m, m->schema.fields[at].name, to, &a->arena, err));
  m->schema.fields[at].name = to;
  a->e.columns_change = true;
  return SHOAL_OK;
}

static shoal_status drop_column(altering *a, shoal_str name, shoal_error *err) {
  shoal_delta_metadata *m = &a->e.metadata;
  size_t at;
  SHOAL_TRY(need_mapping(a, "taking away a column", err));
  SHOAL_TRY(find_column(a, name, &at, err));
  if (partition_of(m, m->schema.fields[at].name) >= 0)
    return shoal_fail(err, SHOAL_EINVAL, "the table is partitioned by '%.*s'", SHOAL_FMT(name));
  if (m->schema.n_fields == m->n_partition_columns + 1)
    return shoal_fail(err, SHOAL_EINVAL, "'%.*s' is the last column that files have", SHOAL_FMT(name));
  if (shoal_delta_has_feature(&a->e.protocol, "clustering"))
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "the table is clustered, and this build does not look whether by '%.*s'",
                      SHOAL_FMT(name));
  SHOAL_TRY(check_unused(a, at, err));
  SHOAL_TRY(shoal_delta_stats_columns_rename(m, m->schema.fields[at].name, SHOAL_STR_NONE, &a->arena, err));
  for (size_t i = at + 1; i < m->schema.n_fields; i++)
    m->schema.fields[i - 1] = m->schema.fields[i];
  m->schema.n_fields--;
  a->e.columns_change = true;
  return SHOAL_OK;
}

static shoal_status widen_column(altering *a, const shoal_field *to, shoal_error *err) {
  if (to->metadata.ptr)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "column '%.*s' is there without a length, and gets none later",
                      SHOAL_FMT(to->name));
  size_t at;
  SHOAL_TRY(find_column(a, to->name, &at, err));
  SHOAL_TRY(check_unused(a, at, err));
  return shoal_delta_evolve_type(&a->e, &a->e.metadata.schema.fields[at], &to->type, err);
}

static shoal_status drop_not_null(altering *a, shoal_str name, shoal_error *err) {
  size_t at;
  SHOAL_TRY(find_column(a, name, &at, err));
  a->e.metadata.schema.fields[at].nullable = true;
  a->e.columns_change = true;
  return SHOAL_OK;
}

/* ---- properties ---- */

/* Column mapping comes once: columns keep the names that files have for them. */
static shoal_status start_mapping(altering *a, shoal_str mode, shoal_error *err) {
  shoal_delta_metadata *m = &a->e.metadata;
  shoal_str had = shoal_delta_config(m, SHOAL_DELTA_MAPPING);
  if (shoal_str_eq(had, mode) || (!had.len && shoal_str_is(mode, "none")))
    return SHOAL_OK;
  if (shoal_delta_is_mapped(m) || !shoal_str_is(mode, "name") || shoal_delta_config(m, SHOAL_DELTA_LAST_ID).ptr)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "a table's column mapping goes from none to name, not from %.*s to %.*s",
                      SHOAL_FMT(had.len ? had : SHOAL_STR("none")), SHOAL_FMT(mode));
  a->e.columns_change = true;
  return shoal_delta_evolve_map(&a->e, m->schema.fields, m->schema.n_fields, true, err);
}

/* What statistics are to be of must be columns, and a clustered table's among them. */
static shoal_status check_statistics(altering *a, shoal_error *err) {
  shoal_delta_snapshot s = *a->snapshot; /* as it will be */
  s.metadata = a->e.metadata;
  SHOAL_TRY(shoal_delta_stats_columns_check(&s.metadata, err));
  return shoal_delta_cluster_check(&s, err);
}

static bool is_of_statistics(shoal_str key) {
  return shoal_str_is(key, SHOAL_DELTA_STATS_COLUMNS) || shoal_str_is(key, SHOAL_DELTA_STATS_LEAVES);
}

static shoal_status set_property(altering *a, shoal_str key, shoal_str value, shoal_error *err) {
  const shoal_delta_kv pair = {key, value};
  SHOAL_TRY(shoal_delta_property_check(&pair, err));
  if (shoal_str_is(key, "delta.enableInCommitTimestamps") || shoal_str_is(key, "delta.enableRowTracking"))
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "this build sets %.*s only when it makes a table", SHOAL_FMT(key));
  if (shoal_str_is(key, SHOAL_DELTA_MAPPING))
    SHOAL_TRY(start_mapping(a, value, err));
  const shoal_delta_property *needs = shoal_delta_property_needs(key, value);
  if (needs)
    SHOAL_TRY(shoal_delta_evolve_feature(&a->e, needs->feature, needs->reader, err));
  SHOAL_TRY(shoal_delta_config_set(&a->e.metadata, key, value, &a->arena, err));
  return is_of_statistics(key) ? check_statistics(a, err) : SHOAL_OK;
}

static shoal_status unset_property(altering *a, shoal_str key, shoal_error *err) {
  size_t n;
  const shoal_delta_property *kept = shoal_delta_properties(&n);
  bool known = !shoal_str_starts(key, SHOAL_STR("delta."));
  for (size_t i = 0; i < n && !known; i++)
    known = shoal_str_is(key, kept[i].key) && !shoal_str_is(key, SHOAL_DELTA_MAPPING) &&
            !shoal_str_is(key, "delta.enableInCommitTimestamps") && !shoal_str_is(key, "delta.enableRowTracking");
  if (!known)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "this build does not take away the property '%.*s'", SHOAL_FMT(key));
  if (!shoal_delta_config(&a->e.metadata, shoal_arena_cstr(&a->arena, key)).ptr)
    return shoal_fail(err, SHOAL_EINVAL, "the table has no property '%.*s'", SHOAL_FMT(key));
  SHOAL_TRY(shoal_delta_config_set(&a->e.metadata, key, SHOAL_STR_NONE, &a->arena, err));
  return is_of_statistics(key) ? check_statistics(a, err) : SHOAL_OK;
}

/* ---- constraints ---- */

/* The configuration's key, as the table spells it where it has the constraint. */
static shoal_status constraint_key(altering *a, shoal_str name, shoal_str *key, bool *there, shoal_error *err) {
  shoal_str given;
  SHOAL_TRY(shoal_delta_constraint_key(name, &a->arena, key, err));
  *there = false;
  for (size_t i = 0; i < a->e.metadata.n_configuration && !*there; i++) {
    *there = shoal_delta_is_constraint(a->e.metadata.configuration[i].key, &given) && shoal_str_ieq(given, name);
    if (*there)
      *key = a->e.metadata.configuration[i].key;
  }
  return SHOAL_OK;
}

static shoal_status add_constraint(altering *a, shoal_str name, shoal_str condition, shoal_error *err) {
  shoal_str key;
  bool there;
  SHOAL_TRY(constraint_key(a, name, &key, &there, err));
  if (there)
    return shoal_fail(err, SHOAL_EINVAL, "the table has a constraint '%.*s'", SHOAL_FMT(name));
  a->checks_rows = true;
  SHOAL_TRY(shoal_delta_evolve_feature(&a->e, "checkConstraints", false, err));
  return shoal_delta_config_set(&a->e.metadata, key, condition, &a->arena, err);
}

static shoal_status drop_constraint(altering *a, shoal_str name, shoal_error *err) {
  shoal_str key;
  bool there;
  SHOAL_TRY(constraint_key(a, name, &key, &there, err));
  if (!there)
    return shoal_fail(err, SHOAL_EINVAL, "the table has no constraint '%.*s'", SHOAL_FMT(name));
  return shoal_delta_config_set(&a->e.metadata, key, SHOAL_STR_NONE, &a->arena, err);
}

/* A2: what the table asks of new rows then, asked of those that are there. */
static shoal_status check_rows(altering *a, shoal_error *err) {
  const shoal_delta_rules *rules;
  shoal_delta_view *view;
  shoal_scan scan;
  SHOAL_TRY(shoal_delta_rules_of(&a->e.metadata, a->engine, &a->arena, &rules, err));
  SHOAL_TRY(shoal_delta_view_open(a->table, a->snapshot->version, &view, err));
  shoal_status status = shoal_delta_view_scan(a->table, view, &a->arena, &scan, err);
  if (status == SHOAL_OK && rules && scan.n_files)
    status = shoal_delta_rules_check(rules, a->engine, &scan, &a->arena, err);
  shoal_delta_view_free(view);
  return status;
}

/* ---- all of it ---- */

static shoal_status alter_one(altering *a, const shoal_delta_alteration *x, shoal_error *err) {
  switch (x->kind) {
  case SHOAL_DELTA_ADD_COLUMN:
    return shoal_delta_evolve_add(&a->e, x->field, err);
  case SHOAL_DELTA_RENAME_COLUMN:
    return rename_column(a, x->name, x->value, err);
  case SHOAL_DELTA_DROP_COLUMN:
    return drop_column(a, x->name, err);
  case SHOAL_DELTA_WIDEN_COLUMN:
    return widen_column(a, x->field, err);
  case SHOAL_DELTA_DROP_NOT_NULL:
    return drop_not_null(a, x->name, err);
  case SHOAL_DELTA_SET_PROPERTY:
    return set_property(a, x->name, x->value, err);
  case SHOAL_DELTA_UNSET_PROPERTY:
    return unset_property(a, x->name, err);
  case SHOAL_DELTA_ADD_CONSTRAINT:
    return add_constraint(a, x->name, x->value, err);
  case SHOAL_DELTA_DROP_CONSTRAINT:
    return drop_constraint(a, x->name, err);
  }
  return SHOAL_OK;
}

static const char *operation(const shoal_delta_alteration *list, size_t n) {
  for (size_t i = 1; i < n; i++)
    if (words[list[i].kind] != words[list[0].kind])
      return "ALTER TABLE";
  return words[list[0].kind];
}

/* {"alterations":"[\"ADD COLUMNS x\"]"}: values of parameters are texts. */
static shoal_status describe(altering *a, const shoal_delta_alteration *list, size_t n, shoal_str *out,
                             shoal_error *err) {
  shoal_buf text = {0}, items = {0};
  shoal_jw w = {.out = &items}, outer = {.out = &text};
  shoal_jw_arr(&w);
  for (size_t i = 0; i < n; i++) {
    shoal_str name = list[i].field ? list[i].field->name : list[i].name;
    char *item = shoal_arena_printf(&a->arena, "%s %.*s", words[list[i].kind], SHOAL_FMT(name));
    if (item)
      shoal_jw_z(&w, item);
  }
  shoal_jw_end(&w);
  shoal_jw_obj(&outer);
  shoal_jw_kstr(&outer, "alterations", shoal_buf_str(&items));
  shoal_jw_end(&outer);
  shoal_status status = shoal_buf_check(&items, err);
  if (status == SHOAL_OK)
    status = shoal_buf_take(&text, &a->arena, out, err);
  shoal_buf_dispose(&items);
  shoal_buf_dispose(&text);
  return status;
}

static shoal_status commit(altering *a, const shoal_delta_alteration *list, size_t n, int64_t *version,
                           shoal_error *err) {
  shoal_delta_transaction *t = NULL;
  shoal_str parameters;
  SHOAL_TRY(describe(a, list, n, &parameters, err));
  SHOAL_TRY(shoal_delta_transaction_open(a->table, a->snapshot, SHOAL_DELTA_COPIES | SHOAL_DELTA_MAPS,
                                         operation(list, n), parameters, &t, err));
  if (a->checks_rows)
    shoal_delta_transaction_reads_all(t);
  shoal_delta_evolution_state(&a->e, t);
  shoal_status status = shoal_delta_transaction_commit(t, version, err);
  shoal_delta_transaction_free(t);
  return status;
}

shoal_status shoal_delta_alter(const shoal_delta_table *table, shoal_engine *engine, const shoal_delta_alteration *list,
                               size_t n, int64_t *version, shoal_error *err) {
  altering a = {.table = table, .engine = engine};
  *version = -1;
  if (n == 0)
    return shoal_fail(err, SHOAL_EINVAL, "nothing is to be altered");
  shoal_status status = shoal_delta_tip_open(table, SHOAL_DELTA_LATEST, &a.snapshot, err);
  if (status == SHOAL_OK)
    status = shoal_delta_evolution_start(&a.e, a.snapshot, &a.arena, err);
  for (size_t i = 0; i < n && status == SHOAL_OK; i++)
    status = alter_one(&a, &list[i], err);
  if (status == SHOAL_OK && a.checks_rows)
    status = check_rows(&a, err);
  if (status == SHOAL_OK)
    status = commit(&a, list, n, version, err);
  shoal_delta_snapshot_free(a.snapshot);
  shoal_arena_dispose(&a.arena);
  return status;
}
