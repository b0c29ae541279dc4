/* SPDX-License-Identifier: Apache-2.0 */
/* shoal diff: what differs between two revisions: datasets, schemas, and with --rows the rows of one dataset. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "cli/commands.h"

#define SAMPLE 10

typedef struct sides {
  shoal_state *before, *after;
} sides;

static bool same(const shoal_entry *a, const shoal_entry *b) {
  return shoal_hash_eq(&a->result.signature, &b->result.signature) && a->result.generation == b->result.generation;
}

/* Columns added, removed or of another type, as one text; "" if none. */
static shoal_status schema_change(cli *c, const shoal_entry *a, const shoal_entry *b, const char **out,
                                  shoal_error *err) {
  shoal_delta_snapshot *x = NULL, *y = NULL;
  shoal_buf text = {0};
  shoal_status status = shoal_result_open(c->s->lake, &a->result, &x, err);
  if (status >= 0)
    status = shoal_result_open(c->s->lake, &b->result, &y, err);
  if (status >= 0)
    shoal_schema_changes(&shoal_delta_snapshot_metadata(x)->schema, &shoal_delta_snapshot_metadata(y)->schema, &text);
  *out = shoal_arena_cstr(&c->arena, shoal_buf_str(&text));
  shoal_buf_dispose(&text);
  shoal_delta_snapshot_free(x);
  shoal_delta_snapshot_free(y);
  return status;
}

static void one_json(shoal_jw *w, const char *change, shoal_str name, const shoal_entry *a, const shoal_entry *b,
                     const char *schema) {
  shoal_jw_obj(w);
  shoal_jw_kstr(w, "dataset", name);
  shoal_jw_kz(w, "change", change);
  if (a)
    shoal_jw_ki64(w, "rows_before", (int64_t)a->result.rows);
  if (b)
    shoal_jw_ki64(w, "rows_after", (int64_t)b->result.rows);
  if (a && b && !shoal_hash_zero(&a->result.rows_hash))
    shoal_jw_kbool(w, "same_content", shoal_hash_eq(&a->result.rows_hash, &b->result.rows_hash));
  shoal_jw_kz(w, "schema", schema && *schema ? schema : NULL);
  shoal_jw_end(w);
}

static shoal_status one_dataset(cli *c, const shoal_entry *a, const shoal_entry *b, shoal_jw *w, size_t *n,
                                shoal_error *err) {
  const char *schema = "";
  shoal_str name = a ? a->name : b->name;
  if (a && b && same(a, b))
    return SHOAL_OK;
  ++*n;
  if (a && b && !a->result.codec.ptr && !b->result.codec.ptr)
    SHOAL_TRY(schema_change(c, a, b, &schema, err));
  if (c->json) {
    one_json(w, a && b ? "changed" : a ? "removed" : "added", name, a, b, schema);
    return SHOAL_OK;
  }
  bool content =
      a && b && !shoal_hash_zero(&a->result.rows_hash) && shoal_hash_eq(&a->result.rows_hash, &b->result.rows_hash);
  if (!a || !b)
    printf("%s %.*s  %s\n", a ? "−" : "+", SHOAL_FMT(name), cli_extent(c, &(a ? a : b)->result));
  else
    printf("~ %.*s  %s → %s%s%s%s\n", SHOAL_FMT(name),
           a->result.codec.ptr || b->result.codec.ptr ? cli_extent(c, &a->result) : cli_count(c, a->result.rows),
           cli_extent(c, &b->result), content ? "  same content" : "", *schema ? "  " : "", schema);
  return SHOAL_OK;
}

static shoal_status datasets(cli *c, const sides *d, shoal_str only, shoal_error *err) {
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  size_t i = 0, k = 0, n = 0;
  shoal_status status = SHOAL_OK;
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_key(&w, "datasets");
  shoal_jw_arr(&w);
  while (status >= 0 && (i < d->before->n_entries || k < d->after->n_entries)) {
    const shoal_entry *x = i < d->before->n_entries ? &d->before->entries[i] : NULL,
                      *y = k < d->after->n_entries ? &d->after->entries[k] : NULL;
    int order = !x ? 1 : !y ? -1 : shoal_str_cmp(x->name, y->name);
    x = order <= 0 ? x : NULL;
    y = order >= 0 ? y : NULL;
    i += x != NULL;
    k += y != NULL;
    if (!only.ptr || shoal_str_glob(only, x ? x->name : y->name))
      status = one_dataset(c, x, y, &w, &n, err);
  }
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  if (status >= 0 && c->json)
    puts(shoal_buf_z(&b));
  else if (status >= 0 && n == 0)
    puts("no difference");
  shoal_buf_dispose(&b);
  return status;
}

/* --- rows --- */

typedef struct comparison {
  shoal_str keys[16];
  size_t n_keys;
  shoal_str columns[256]; /* in both, without the keys */
  size_t n_columns;
} comparison;

static bool is_key(const comparison *m, shoal_str name) {
  for (size_t i = 0; i < m->n_keys; i++)
    if (shoal_str_ieq(m->keys[i], name))
      return true;
  return false;
}

static shoal_status read_keys(const char *text, comparison *m, shoal_error *err) {
  shoal_str rest = shoal_str_z(text), piece;
  while (shoal_str_split(&rest, ',', &piece)) {
    if (m->n_keys == sizeof m->keys / sizeof *m->keys)
      return shoal_fail(err, SHOAL_ELIMIT, "more than 16 key columns");
    m->keys[m->n_keys++] = shoal_str_trim(piece);
  }
  return SHOAL_OK;
}

static shoal_status common_columns(cli *c, const shoal_entry *a, const shoal_entry *b, comparison *m,
                                   shoal_error *err) {
  shoal_delta_snapshot *x = NULL, *y = NULL;
  shoal_status status = shoal_result_open(c->s->lake, &a->result, &x, err);
  if (status >= 0)
    status = shoal_result_open(c->s->lake, &b->result, &y, err);
  if (status >= 0) {
    const shoal_schema *p = &shoal_delta_snapshot_metadata(x)->schema, *q = &shoal_delta_snapshot_metadata(y)->schema;
    for (size_t i = 0; i < m->n_keys && status >= 0; i++)
      if (shoal_schema_find(p, m->keys[i]) < 0 || shoal_schema_find(q, m->keys[i]) < 0)
        status = shoal_fail(err, SHOAL_EINVAL, "there is no column %.*s on both sides", SHOAL_FMT(m->keys[i]));
    for (size_t i = 0; i < q->n_fields && m->n_columns < 256; i++)
      if (!is_key(m, q->fields[i].name) && shoal_schema_find(p, q->fields[i].name) >= 0)
        m->columns[m->n_columns++] = shoal_arena_str(&c->arena, q->fields[i].name);
  }
  shoal_delta_snapshot_free(x);
  shoal_delta_snapshot_free(y);
  return status;
}

static void add_on(const comparison *m, shoal_buf *sql) {
  for (size_t i = 0; i < m->n_keys; i++) {
    shoal_buf_addz(sql, i ? " AND a." : "a.");
    shoal_buf_sql_ident(sql, m->keys[i]);
    shoal_buf_addz(sql, " IS NOT DISTINCT FROM b.");
    shoal_buf_sql_ident(sql, m->keys[i]);
  }
}
static void add_distinct(const comparison *m, size_t i, shoal_buf *sql) {
  shoal_buf_addz(sql, "a.");
  shoal_buf_sql_ident(sql, m->columns[i]);
  shoal_buf_addz(sql, " IS DISTINCT FROM b.");
  shoal_buf_sql_ident(sql, m->columns[i]);
}
static void add_any(const comparison *m, shoal_buf *sql) {
  shoal_buf_addz(sql, m->n_columns ? "(" : "false");
  for (size_t i = 0; i < m->n_columns; i++) {
    shoal_buf_addz(sql, i ? " OR " : "");
    add_distinct(m, i, sql);
  }
  shoal_buf_addz(sql, m->n_columns ? ")" : "");
}

static shoal_status first_row(cli *c, const shoal_entry *a, const shoal_entry *b, shoal_str sql, shoal_str *out,
                              size_t n, shoal_error *err) {
  const shoal_str names[] = {SHOAL_STR("shoal_before"), SHOAL_STR("shoal_after")};
  const shoal_result *results[] = {&a->result, &b->result};
  shoal_query q;
  shoal_engine *engine;
  shoal_rows *rows = NULL;
  SHOAL_TRY(shoal_session_query_results(c->s, names, results, 2, sql, &q, err));
  shoal_status status = shoal_session_engine(c->s, &engine, err);
  if (status >= 0)
    status = shoal_engine_query(engine, &q.job, &rows, err);
  if (status >= 0 && out) {
    status = shoal_rows_next(rows, err);
    for (size_t i = 0; status == SHOAL_OK && i < n; i++)
      out[i] = shoal_arena_str(&c->arena, shoal_rows_text(rows, i));
  } else if (status >= 0 && cli_box(c, rows, SAMPLE, err) < 0) {
    status = err->status;
  }
  shoal_rows_free(rows);
  shoal_query_dispose(&q);
  return status;
}

static shoal_status by_key(cli *c, const shoal_entry *a, const shoal_entry *b, const comparison *m, shoal_error *err) {
  shoal_buf sql = {0};
  shoal_str counts[3 + 256];
  shoal_buf_addz(&sql, "SELECT (SELECT count(*) FROM shoal_after b WHERE NOT EXISTS (FROM shoal_before a WHERE ");
  add_on(m, &sql);
  shoal_buf_addz(&sql, ")), (SELECT count(*) FROM shoal_before a WHERE NOT EXISTS (FROM shoal_after b WHERE ");
  add_on(m, &sql);
  shoal_buf_addz(&sql, ")), count(*) FILTER (");
  add_any(m, &sql);
  shoal_buf_addc(&sql, ')');
  for (size_t i = 0; i < m->n_columns; i++) {
    shoal_buf_addz(&sql, ", count(*) FILTER (");
    add_distinct(m, i, &sql);
    shoal_buf_addc(&sql, ')');
  }
  shoal_buf_addz(&sql, " FROM shoal_before a JOIN shoal_after b ON ");
  add_on(m, &sql);
  shoal_status status = shoal_buf_check(&sql, err);
  if (status >= 0)
    status = first_row(c, a, b, shoal_buf_str(&sql), counts, 3 + m->n_columns, err);
  if (status >= 0) {
    printf("%.*s rows added, %.*s removed, %.*s changed\n", SHOAL_FMT(counts[0]), SHOAL_FMT(counts[1]),
           SHOAL_FMT(counts[2]));
    for (size_t i = 0; i < m->n_columns; i++)
      if (!shoal_str_is(counts[3 + i], "0"))
        printf("  %.*s differs in %.*s rows\n", SHOAL_FMT(m->columns[i]), SHOAL_FMT(counts[3 + i]));
  }
  if (status >= 0 && !shoal_str_is(counts[2], "0")) {
    shoal_buf_clear(&sql);
    shoal_buf_addz(&sql, "SELECT ");
    for (size_t i = 0; i < m->n_keys; i++) {
      shoal_buf_addz(&sql, i ? ", b." : "b.");
      shoal_buf_sql_ident(&sql, m->keys[i]);
    }
    for (size_t i = 0; i < m->n_columns; i++) {
      if (shoal_str_is(counts[3 + i], "0"))
        continue;
      shoal_buf label = {0};
      shoal_buf_addf(&label, "%.*s before", SHOAL_FMT(m->columns[i]));
      shoal_buf_addz(&sql, ", a.");
      shoal_buf_sql_ident(&sql, m->columns[i]);
      shoal_buf_addz(&sql, " AS ");
      shoal_buf_sql_ident(&sql, shoal_buf_str(&label));
      shoal_buf_dispose(&label);
      shoal_buf_addz(&sql, ", b.");
      shoal_buf_sql_ident(&sql, m->columns[i]);
    }
    shoal_buf_addz(&sql, " FROM shoal_before a JOIN shoal_after b ON ");
    add_on(m, &sql);
    shoal_buf_addz(&sql, " WHERE ");
    add_any(m, &sql);
    shoal_buf_addf(&sql, " ORDER BY ALL LIMIT %d", SAMPLE);
    status = first_row(c, a, b, shoal_buf_str(&sql), NULL, 0, err);
  }
  shoal_buf_dispose(&sql);
  return status;
}

static shoal_status as_multisets(cli *c, const shoal_entry *a, const shoal_entry *b, shoal_error *err) {
  shoal_str counts[2];
  shoal_str sql = SHOAL_STR("SELECT (SELECT count(*) FROM (FROM shoal_after EXCEPT ALL FROM shoal_before)), (SELECT "
                            "count(*) FROM (FROM shoal_before EXCEPT ALL FROM shoal_after))");
  SHOAL_TRY(first_row(c, a, b, sql, counts, 2, err));
  printf("%.*s rows only after, %.*s only before; --key COLUMN tells changed rows apart\n", SHOAL_FMT(counts[0]),
         SHOAL_FMT(counts[1]));
  return SHOAL_OK;
}

static shoal_status rows_of(cli *c, const sides *d, shoal_str name, shoal_error *err) {
  const shoal_entry *a = shoal_state_find(d->before, name), *b = shoal_state_find(d->after, name);
  comparison m = {.n_keys = 0};
  if (!a || !b)
    return shoal_fail(err, SHOAL_ENOTFOUND, "%.*s is not on both sides", SHOAL_FMT(name));
  if (same(a, b)) {
    puts("no difference");
    return SHOAL_OK;
  }
  printf("~ %.*s  %s → %s rows\n", SHOAL_FMT(name), cli_count(c, a->result.rows), cli_count(c, b->result.rows));
  if (!cli_value(c, "key"))
    return as_multisets(c, a, b, err);
  SHOAL_TRY(read_keys(cli_value(c, "key"), &m, err));
  SHOAL_TRY(common_columns(c, a, b, &m, err));
  return by_key(c, a, b, &m, err);
}

static int run(cli *c) {
  shoal_error err = {0};
  sides d = {0};
  if (c->argc == 0)
    return cli_usage(c, "which revisions? main~1..main, for example");
  const char *dataset = cli_value(c, "rows") ? cli_value(c, "rows") : c->argc > 1 ? c->argv[1] : NULL;
  int rc = cli_open(c);
  if (rc)
    return rc;
  shoal_status status = shoal_session_range(c->s, shoal_str_z(c->argv[0]), &d.before, &d.after, &err);
  if (status >= 0)
    status = cli_value(c, "rows") ? rows_of(c, &d, shoal_str_z(dataset), &err)
                                  : datasets(c, &d, dataset ? shoal_str_z(dataset) : SHOAL_STR_NONE, &err);
  if (status < 0)
    rc = cli_fail(c, &err);
  shoal_state_free(d.before);
  shoal_state_free(d.after);
  return rc;
}

static const cli_option options[] = {
    {"rows", 0, "DATASET", "compare the rows of a dataset", false, false},
    {"key", 0, "COLUMNS", "columns that identify a row, separated by commas", false, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {
    {"shoal diff main~1..main", "datasets and schemas that changed"},
    {"shoal diff main~1..main --rows gold.delays --key carrier,month", "rows added, removed, changed"},
    {NULL, NULL}};
const cli_command cmd_diff = {"diff",
                              "Show what differs between two revisions.",
                              "REV[..REV] [DATASET] [--rows DATASET [--key COLUMNS]]",
                              options,
                              examples,
                              2,
                              run};
