/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MERGE as one selection of changes (change.h): the table joined with the source, for each pair the number of the
 * clause that counts, and the row as that clause makes it. The number is an alias that the columns' expressions use;
 * the engine refuses such an alias over a volatile expression, so chance can't make a row half of one clause and half
 * of another.
 */
#include "base/str.h"
#include "delta/change.h"
#include "delta/new_rows.h"
#include "engine/lexer.h"
#include "engine/variants.h"

#define MARK "shoal:source" /* true in every row of the source; NULL where a join found none */

typedef struct merging {
  shoal_change *c;
  const shoal_delta_merge *merge;
  shoal_schema source;
  const shoal_str *defaults; /* of the table's columns, as SQL; {NULL,0}: no clause needs it */
  shoal_str arms[SHOAL_CHANGE_ARMS];
  size_t n_arms; /* 0: the condition is one */
} merging;

/* ---- what can't be ---- */

static shoal_status check_clause(const merging *m, const shoal_delta_clause *k, shoal_error *err) {
  bool inserts = k->then == SHOAL_DELTA_THEN_INSERT;
  if (inserts != (k->when == SHOAL_DELTA_NOT_MATCHED))
    return shoal_fail(err, SHOAL_EINVAL, "%s",
                      inserts ? "only what is not matched can be inserted"
                              : "what is not matched is no row of the table yet: it can only be inserted");
  if (k->when == SHOAL_DELTA_NOT_BY_SOURCE && k->then == SHOAL_DELTA_THEN_UPDATE && k->n_sets == 0)
    return shoal_fail(err, SHOAL_EINVAL, "where the source has no row, an update must say what it sets");
  if (k->condition.ptr)
    SHOAL_TRY(shoal_sql_check_expression(k->condition, err));
  return shoal_change_check_sets(&m->c->metadata->schema, k->sets, k->n_sets, err);
}

static bool takes_all(const shoal_delta_clause *k) { return k->then != SHOAL_DELTA_THEN_DELETE && k->n_sets == 0; }

/* Whether the clause itself says what the column becomes. */
static bool gives(const merging *m, const shoal_delta_clause *k, const shoal_field *f) {
  return takes_all(k) ? shoal_schema_find(&m->source, f->name) >= 0
                      : shoal_change_find_set(k->sets, k->n_sets, f->name) >= 0;
}

static bool lacks(const merging *m, const shoal_delta_clause *k, const shoal_field *f) {
  return k->then == SHOAL_DELTA_THEN_INSERT && !gives(m, k, f);
}

/* Columns of the source that would get lost; defaults of columns that an insert leaves out. */
static shoal_status check_columns(const merging *m, const shoal_delta_clause *k, shoal_str *defaults,
                                  shoal_error *err) {
  const shoal_schema *table = &m->c->metadata->schema;
  if (takes_all(k))
    SHOAL_TRY(shoal_delta_refuse_strangers(table, &m->source, err));
  for (size_t i = 0; k->then == SHOAL_DELTA_THEN_INSERT && i < table->n_fields; i++) {
    const shoal_field *f = &table->fields[i];
    if (!defaults[i].ptr && !gives(m, k, f))
      SHOAL_TRY(shoal_delta_default_sql(f, m->c->engine, &m->c->arena, &defaults[i], err));
  }
  return SHOAL_OK;
}

/* Numbers of identity columns may be given at most by an insert. */
static shoal_status check_identities(const merging *m, const shoal_delta_clause *k, shoal_error *err) {
  const shoal_schema *table = &m->c->metadata->schema;
  for (size_t i = 0; k->then != SHOAL_DELTA_THEN_DELETE && i < table->n_fields; i++) {
    const shoal_delta_identity *d = shoal_delta_identity_of(m->c->writing.rules, i);
    if (d && gives(m, k, &table->fields[i]) && (k->then == SHOAL_DELTA_THEN_UPDATE || !d->open))
      return shoal_delta_identity_refuse(&table->fields[i], err);
  }
  return SHOAL_OK;
}

/* The columns of the source that a clause gives to the table, whether it has them or not. */
static bool is_given(const merging *m, shoal_str column) {
  bool given = false;
  for (size_t i = 0; i < m->merge->n_clauses && !given; i++) {
    const shoal_delta_clause *k = &m->merge->clauses[i];
    given = takes_all(k) || shoal_change_find_set(k->sets, k->n_sets, column) >= 0;
  }
  return given;
}

static shoal_status evolve(merging *m, shoal_error *err) {
  shoal_schema given = {.fields = SHOAL_NEW_ARRAY(&m->c->arena, shoal_field, m->source.n_fields)};
  if (!given.fields)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < m->source.n_fields; i++)
    if (is_given(m, m->source.fields[i].name))
      given.fields[given.n_fields++] = m->source.fields[i];
  return shoal_change_evolve(m->c, &given, err);
}

static shoal_status check(merging *m, shoal_error *err) {
  const shoal_input input = {SHOAL_STR("source_rows"), m->merge->source};
  const shoal_job job = {.sql = SHOAL_STR("SELECT * FROM source_rows"), .inputs = &input, .n_inputs = 1};
  if (m->merge->n_clauses == 0)
    return shoal_fail(err, SHOAL_EINVAL, "a merge without clauses does nothing");
  SHOAL_TRY(shoal_sql_check_expression(m->merge->on, err));
  SHOAL_TRY(shoal_engine_bind(m->c->engine, &job, &m->c->arena, &m->source, err));
  if (m->merge->merge_schema)
    SHOAL_TRY(evolve(m, err));
  shoal_str *defaults = SHOAL_NEW_ARRAY(&m->c->arena, shoal_str, m->c->metadata->schema.n_fields);
  if (!defaults)
    return shoal_fail_nomem(err);
  m->defaults = defaults;
  for (size_t i = 0; i < m->merge->n_clauses; i++) {
    SHOAL_TRY(check_clause(m, &m->merge->clauses[i], err));
    SHOAL_TRY(
        shoal_change_check_values(m->c, m->merge->clauses[i].sets, m->merge->clauses[i].n_sets, m->merge->source, err));
    SHOAL_TRY(check_columns(m, &m->merge->clauses[i], defaults, err));
    SHOAL_TRY(check_identities(m, &m->merge->clauses[i], err));
  }
  return SHOAL_OK;
}

/* ---- the query ---- */

/* CASE WHEN (cond) THEN 1 WHEN … ELSE 0 END of the clauses for one side of the join. */
static void add_choice(shoal_buf *sql, const shoal_delta_merge *merge, shoal_delta_when when) {
  shoal_buf_addz(sql, " CASE WHEN false THEN 0");
  for (size_t i = 0; i < merge->n_clauses; i++) {
    const shoal_delta_clause *k = &merge->clauses[i];
    if (k->when != when)
      continue;
    if (k->condition.ptr)
      shoal_buf_addf(sql, " WHEN (%.*s\n) THEN %zu", SHOAL_FMT(k->condition), i + 1);
    else
      shoal_buf_addf(sql, " WHEN true THEN %zu", i + 1);
  }
  shoal_buf_addz(sql, " ELSE 0 END");
}

static void add_number(shoal_buf *sql, const merging *m) {
  const shoal_delta_merge *merge = m->merge;
  shoal_buf number = {0};
  shoal_buf_addz(&number, "CASE WHEN target.\"" SHOAL_POSITION_ROW "\" IS NULL THEN");
  add_choice(&number, merge, SHOAL_DELTA_NOT_MATCHED);
  shoal_buf_addz(&number, " WHEN source.\"" MARK "\" IS NULL THEN");
  add_choice(&number, merge, SHOAL_DELTA_NOT_BY_SOURCE);
  shoal_buf_addz(&number, " ELSE");
  add_choice(&number, merge, SHOAL_DELTA_MATCHED);
  shoal_buf_addz(&number, " END");
  if (number.status == SHOAL_OK)
    shoal_change_add_place(sql, m->c, shoal_buf_z(&number));
  else
    sql->status = number.status;
  shoal_buf_dispose(&number);
}

/* What a clause makes of a column. */
static void add_made(shoal_buf *sql, const merging *m, const shoal_delta_clause *k, const shoal_field *f) {
  shoal_buf name = {0};
  ptrdiff_t set = shoal_change_find_set(k->sets, k->n_sets, f->name), from = shoal_schema_find(&m->source, f->name);
  if (set >= 0) {
    shoal_change_add_value(sql, f, k->sets[set].value);
  } else if (takes_all(k) && from >= 0) {
    shoal_buf_addz(&name, "source.");
    shoal_buf_sql_ident(&name, m->source.fields[from].name);
    shoal_change_add_value(sql, f, shoal_buf_str(&name));
  } else if (k->then == SHOAL_DELTA_THEN_UPDATE) {
    shoal_buf_addz(sql, "target.");
    shoal_variants_add_exact(sql, f);
  } else {
    shoal_change_add_value(sql, f, m->defaults[f - m->c->metadata->schema.fields]);
  }
  if (name.status < 0)
    sql->status = name.status;
  shoal_buf_dispose(&name);
}

static void add_column(shoal_buf *sql, const merging *m, const shoal_field *f) {
  shoal_buf_addz(sql, ", CASE \"" SHOAL_CHANGE_ACTION "\" WHEN 0 THEN NULL");
  for (size_t i = 0; i < m->merge->n_clauses; i++) {
    if (m->merge->clauses[i].then == SHOAL_DELTA_THEN_DELETE)
      continue;
    shoal_buf_addf(sql, " WHEN %zu THEN ", i + 1);
    add_made(sql, m, &m->merge->clauses[i], f);
  }
  shoal_buf_addz(sql, " END AS ");
  shoal_buf_sql_ident(sql, f->name);
}

static bool has_when(const shoal_delta_merge *merge, shoal_delta_when when) {
  for (size_t i = 0; i < merge->n_clauses; i++)
    if (merge->clauses[i].when == when)
      return true;
  return false;
}

/* A generated column follows the ones it is made of, but where a clause gives it. */
static void add_generated(shoal_buf *sql, const merging *m, size_t column) {
  const shoal_field *f = &m->c->metadata->schema.fields[column];
  if (!shoal_delta_is_generated(m->c->writing.rules, column))
    return;
  shoal_buf_addz(sql, ", CASE WHEN \"" SHOAL_CHANGE_ACTION "\" IN (0");
  for (size_t i = 0; i < m->merge->n_clauses; i++)
    if (m->merge->clauses[i].then != SHOAL_DELTA_THEN_DELETE && !gives(m, &m->merge->clauses[i], f))
      shoal_buf_addf(sql, ", %zu", i + 1);
  shoal_buf_addf(sql, ") THEN %.*s ELSE ", SHOAL_FMT(m->c->writing.rules->generated[column]));
  shoal_buf_sql_ident(sql, f->name);
  shoal_buf_addz(sql, " END AS ");
  shoal_buf_sql_ident(sql, f->name);
}

/* Rows that an insert brings without a number get one; those that only change leave gaps. */
static shoal_status add_identity(shoal_buf *sql, const merging *m, size_t column, shoal_error *err) {
  const shoal_field *f = &m->c->metadata->schema.fields[column];
  shoal_delta_identity *d = shoal_delta_identity_of(m->c->writing.rules, column);
  bool some = false;
  for (size_t i = 0; d && i < m->merge->n_clauses; i++)
    some = some || lacks(m, &m->merge->clauses[i], f);
  if (!some)
    return SHOAL_OK;
  shoal_buf_addz(sql, ", CASE WHEN \"" SHOAL_CHANGE_ACTION "\" IN (0");
  for (size_t i = 0; i < m->merge->n_clauses; i++)
    if (lacks(m, &m->merge->clauses[i], f))
      shoal_buf_addf(sql, ", %zu", i + 1);
  shoal_buf_addz(sql, ") THEN ");
  SHOAL_TRY(shoal_delta_identity_sql(d, f, sql, err));
  shoal_buf_addz(sql, " ELSE ");
  shoal_buf_sql_ident(sql, f->name);
  shoal_buf_addz(sql, " END AS ");
  shoal_buf_sql_ident(sql, f->name);
  return SHOAL_OK;
}

/* Numbers of clauses become kinds of changes. */
static shoal_status add_kinds(shoal_buf *sql, const merging *m, shoal_error *err) {
  const shoal_delta_merge *merge = m->merge;
  static const shoal_change_kind kinds[] = {SHOAL_CHANGE_DELETED, SHOAL_CHANGE_UPDATED, SHOAL_CHANGE_INSERTED};
  shoal_buf_addz(sql, "SELECT * REPLACE (CASE \"" SHOAL_CHANGE_ACTION "\"");
  for (size_t i = 0; i < merge->n_clauses; i++)
    shoal_buf_addf(sql, " WHEN %zu THEN %d", i + 1, kinds[merge->clauses[i].then]);
  shoal_buf_addz(sql, " END AS \"" SHOAL_CHANGE_ACTION "\"");
  for (size_t i = 0; i < m->c->metadata->schema.n_fields; i++) {
    add_generated(sql, m, i);
    SHOAL_TRY(add_identity(sql, m, i, err));
  }
  shoal_buf_addz(sql, ") FROM (");
  return SHOAL_OK;
}

/* What becomes of a pair: SELECT place, number, columns. */
static void add_made_pair(shoal_buf *sql, const merging *m) {
  const shoal_schema *schema = &m->c->metadata->schema;
  add_number(sql, m);
  for (size_t i = 0; i < schema->n_fields; i++)
    add_column(sql, m, &schema->fields[i]);
}

#define NUMBERED "\"shoal:numbered\""
#define MET "\"shoal:met\""
#define NUMBER "\"shoal:number\""

/* Pairs by each arm that no earlier one has met, each a join by equality; then who has met nobody. Rows of the source
   are told apart by numbers, those of the table by their places. */
static void add_arms(shoal_buf *sql, const merging *m, bool left, bool right) {
  shoal_buf_addz(sql, "WITH " NUMBERED " AS MATERIALIZED (SELECT *, true AS \"" MARK
                      "\", row_number() OVER () AS " NUMBER " FROM source_rows), " MET " AS MATERIALIZED (");
  for (size_t i = 0; i < m->n_arms; i++) {
    shoal_buf_addz(sql, i ? " UNION ALL " : "");
    add_made_pair(sql, m);
    shoal_buf_addf(sql, ", source." NUMBER " FROM " SHOAL_CHANGE_TARGET " JOIN " NUMBERED " AS source ON ((%.*s\n)",
                   SHOAL_FMT(m->arms[i]));
    for (size_t k = 0; k < i; k++)
      shoal_buf_addf(sql, " AND ((%.*s\n) IS NOT TRUE)", SHOAL_FMT(m->arms[k]));
    shoal_buf_addc(sql, ')');
  }
  shoal_buf_addz(sql, ") SELECT * EXCLUDE (" NUMBER ") FROM " MET);
  if (right) {
    shoal_buf_addz(sql, " UNION ALL ");
    add_made_pair(sql, m);
    shoal_buf_addz(sql,
                   " FROM (SELECT * FROM " SHOAL_CHANGE_TARGET " WHERE false) AS " SHOAL_CHANGE_TARGET
                   " RIGHT JOIN (SELECT * FROM " NUMBERED " ANTI JOIN " MET " USING (" NUMBER ")) AS source ON true");
  }
  if (left) {
    shoal_buf_addz(sql, " UNION ALL ");
    add_made_pair(sql, m);
    shoal_buf_addz(sql, " FROM (SELECT * FROM " SHOAL_CHANGE_TARGET " ANTI JOIN " MET " USING (\"" SHOAL_POSITION_FILE
                        "\", \"" SHOAL_POSITION_ROW "\")) AS " SHOAL_CHANGE_TARGET " LEFT JOIN (SELECT * FROM " NUMBERED
                        " WHERE false) AS source ON true");
  }
}

static shoal_status add_joined(shoal_buf *sql, const merging *m, bool left, bool right, shoal_error *err) {
  add_made_pair(sql, m);
  shoal_buf_addf(sql,
                 " FROM " SHOAL_CHANGE_TARGET " %s JOIN (SELECT *, true AS \"" MARK
                 "\" FROM source_rows) AS source ON ((%.*s\n)",
                 left && right ? "FULL"
                 : left        ? "LEFT"
                 : right       ? "RIGHT"
                               : "INNER",
                 SHOAL_FMT(m->merge->on));
  if (!left)
    SHOAL_TRY(shoal_change_add_ranges(m->c, m->merge, &m->source, sql, err));
  shoal_buf_addc(sql, ')');
  return SHOAL_OK;
}

static shoal_status add_query(shoal_buf *sql, const merging *m, shoal_error *err) {
  bool left = has_when(m->merge, SHOAL_DELTA_NOT_BY_SOURCE), right = has_when(m->merge, SHOAL_DELTA_NOT_MATCHED);
  SHOAL_TRY(add_kinds(sql, m, err));
  if (m->n_arms)
    add_arms(sql, m, left, right);
  else
    SHOAL_TRY(add_joined(sql, m, left, right, err));
  shoal_buf_addz(sql, ") AS pairs_ WHERE \"" SHOAL_CHANGE_ACTION "\" > 0");
  return shoal_buf_check(sql, err);
}

/* One clause that deletes whatever matches: what matches twice is deleted once. */
static bool only_deletes(const shoal_delta_merge *merge) {
  size_t matched = 0;
  bool plain = true;
  for (size_t i = 0; i < merge->n_clauses; i++) {
    const shoal_delta_clause *k = &merge->clauses[i];
    if (k->when != SHOAL_DELTA_MATCHED)
      continue;
    matched++;
    plain = plain && k->then == SHOAL_DELTA_THEN_DELETE && !k->condition.ptr;
  }
  return matched == 1 && plain;
}

static shoal_status run(merging *m, shoal_error *err) {
  const shoal_input source = {SHOAL_STR("source_rows"), m->merge->source};
  shoal_buf sql = {0};
  m->c->repeats = only_deletes(m->merge);
  m->n_arms = shoal_change_arms(m->c, m->merge->on, &m->source, m->arms);
  shoal_status status = add_query(&sql, m, err);
  if (status == SHOAL_OK)
    status = shoal_change_select(m->c, shoal_buf_str(&sql), &source, 1, err);
  m->c->numbered = m->c->n_changes;
  shoal_buf_dispose(&sql);
  return status;
}

/* ---- what the log says of it ---- */

static void add_predicates(shoal_jw *w, const char *key, const shoal_delta_merge *merge, shoal_delta_when when) {
  static const char *const names[] = {"delete", "update", "insert"};
  shoal_buf list = {0};
  shoal_jw inner = {.out = &list};
  shoal_jw_arr(&inner);
  for (size_t i = 0; i < merge->n_clauses; i++) {
    if (merge->clauses[i].when != when)
      continue;
    shoal_jw_obj(&inner);
    shoal_jw_kstr(&inner, "predicate", merge->clauses[i].condition);
    shoal_jw_kz(&inner, "actionType", names[merge->clauses[i].then]);
    shoal_jw_end(&inner);
  }
  shoal_jw_end(&inner);
  shoal_jw_kstr(w, key, shoal_buf_str(&list));
  if (list.status < 0)
    w->out->status = list.status;
  shoal_buf_dispose(&list);
}

static shoal_status describe(shoal_change *c, const shoal_delta_merge *merge, shoal_str *out, shoal_error *err) {
  shoal_buf text = {0};
  shoal_jw w = {.out = &text};
  shoal_jw_obj(&w);
  shoal_jw_kstr(&w, "predicate", merge->on);
  add_predicates(&w, "matchedPredicates", merge, SHOAL_DELTA_MATCHED);
  add_predicates(&w, "notMatchedPredicates", merge, SHOAL_DELTA_NOT_MATCHED);
  add_predicates(&w, "notMatchedBySourcePredicates", merge, SHOAL_DELTA_NOT_BY_SOURCE);
  shoal_jw_end(&w);
  return shoal_buf_take(&text, &c->arena, out, err);
}

shoal_status shoal_delta_merge_rows(const shoal_delta_table *table, shoal_engine *engine,
                                    const shoal_delta_merge *merge, shoal_delta_changed *out, shoal_error *err) {
  shoal_change c;
  shoal_delta_merge own = *merge;
  merging m = {.c = &c, .merge = &own};
  shoal_str parameters = SHOAL_STR_NONE;
  *out = (shoal_delta_changed){.version = -1};
  shoal_status status = shoal_change_open(&c, table, engine, "MERGE", SHOAL_CHANGE_VALUES, err);
  c.dry_run = merge->dry_run;
  c.out = out;
  if (status == SHOAL_OK)
    status = shoal_delta_new_rows_scan(engine, &c.metadata->schema, &own.source, &c.arena, err);
  if (status == SHOAL_OK)
    status = check(&m, err);
  if (status == SHOAL_OK)
    status = describe(&c, merge, &parameters, err);
  if (status == SHOAL_OK)
    status = run(&m, err);
  if (status == SHOAL_OK)
    status = shoal_change_apply(&c, true, parameters, err);
  shoal_change_close(&c);
  return status;
}
