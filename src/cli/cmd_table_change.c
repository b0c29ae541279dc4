/* SPDX-License-Identifier: Apache-2.0 */
/* shoal table delete, update, merge, overwrite: rows that go, change and are replaced. */
#include <ctype.h>

#include "base/str.h"
#include "cli/table_cli.h"
#include "delta/dml.h"
#include "delta/words.h"

/* What was done, or with --dry-run what would be. */
static void print(cli *c, const shoal_delta_changed *d) {
  bool tried = cli_has(c, "dry-run");
  if (c->json) {
    printf(
        "{\"schema_version\":1,\"table\":\"%s\",\"version\":%lld,\"deleted\":%llu,\"updated\":%llu,\"inserted\":%llu,"
        "\"copied\":%llu,\"files_added\":%zu,\"files_removed\":%zu,\"deletion_vectors\":%zu,\"dry_run\":%s}\n",
        c->argv[0], (long long)d->version, (unsigned long long)d->deleted, (unsigned long long)d->updated,
        (unsigned long long)d->inserted, (unsigned long long)d->copied, d->files_added, d->files_removed, d->vectors,
        tried ? "true" : "false");
    return;
  }
  if (c->quiet)
    return;
  const char *sep = "";
  const struct {
    const char *verb;
    uint64_t n;
  } counts[] = {{"deleted", d->deleted}, {"updated", d->updated}, {"inserted", d->inserted}};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
    if (counts[i].n) {
      printf("%s%s%s %s row%s", sep, tried ? "would be " : "", counts[i].verb, cli_count(c, counts[i].n),
             counts[i].n == 1 ? "" : "s");
      sep = ", ";
    }
  if (!*sep)
    printf("no row fits: nothing %s", tried ? "would be done" : "was done");
  if (d->version >= 0)
    printf(", version %lld", (long long)d->version);
  if (d->copied)
    printf(" (%s beside them %s written anew)", cli_rows(c, d->copied), d->copied == 1 ? "was" : "were");
  putchar('\n');
}

typedef struct change_request {
  shoal_delta_set *sets;
  size_t n_sets;
  shoal_str where;         /* {NULL,0}: --all */
  const char **readable;   /* the files whose rows come, ending with NULL; NULL: none */
  shoal_delta_merge merge; /* without its source */
} change_request;

typedef shoal_status (*change_verb)(cli *c, shoal_open_table *t, shoal_engine *engine, const change_request *r,
                                    const shoal_scan *rows, shoal_delta_changed *out, shoal_error *err);

static shoal_status change(cli *c, shoal_open_table *t, const change_request *r, change_verb verb,
                           shoal_delta_changed *out, shoal_error *err) {
  shoal_engine *engine;
  shoal_table_rows rows = {0};
  SHOAL_TRY(shoal_session_table_engine(t, &engine, err));
  if (r->readable)
    SHOAL_TRY(shoal_session_table_rows(t, t->readable, t->n_readable, &rows, err));
  shoal_status status = verb(c, t, engine, r, &rows.scan, out, err);
  shoal_table_rows_dispose(&rows);
  return status;
}

static int run_change(cli *c, const change_request *r, change_verb verb) {
  shoal_error err = {0};
  shoal_open_table t;
  shoal_delta_changed done;
  int rc = cli_open_table(c, 0, (const char *const *)r->readable, &t);
  if (rc)
    return rc;
  if (change(c, &t, r, verb, &done, &err) < 0)
    rc = cli_fail(c, &err);
  else
    print(c, &done);
  shoal_session_table_close(&t);
  return rc;
}

/* --where COND or --all; 0, or an exit code. */
static int read_where(cli *c, shoal_str *out) {
  if (cli_has(c, "where") == cli_has(c, "all"))
    return cli_usage(c, "--where says which rows; --all means every one");
  *out = shoal_str_z(cli_value(c, "where"));
  return 0;
}

/* ---- delete ---- */

static shoal_status delete_rows(cli *c, shoal_open_table *t, shoal_engine *engine, const change_request *r,
                                const shoal_scan *rows, shoal_delta_changed *out, shoal_error *err) {
  (void)rows;
  return shoal_delta_delete_rows(&t->delta, engine, r->where, cli_has(c, "dry-run"), out, err);
}

static int run_delete(cli *c) {
  change_request r = {0};
  int rc = read_where(c, &r.where);
  return rc ? rc : run_change(c, &r, delete_rows);
}

#define WHERE_OPTIONS                                                                                                  \
  {"where", 0, "CONDITION", "which rows, as SQL", false, false}, {"all", 0, NULL, "every row", false, false}, {        \
    "dry-run", 0, NULL, "only count", false, false                                                                     \
  }

static const cli_option delete_options[] = {WHERE_OPTIONS, {NULL, 0, NULL, NULL, false, false}};
static const cli_example delete_examples[] = {
    {"shoal table delete tables/carriers --where \"carrier = 'AA'\" --dry-run", "how many"},
    {"shoal table delete tables/carriers --where \"carrier = 'AA'\"", "they are gone; history has them"},
    {NULL, NULL}};
const cli_command cmd_table_delete = {
    "table delete", "Delete rows of a table.", "PATH-or-SOURCE (--where CONDITION | --all) [--dry-run]",
    delete_options, delete_examples,           1,
    run_delete};

/* ---- update ---- */

static shoal_status update_rows(cli *c, shoal_open_table *t, shoal_engine *engine, const change_request *r,
                                const shoal_scan *rows, shoal_delta_changed *out, shoal_error *err) {
  (void)rows;
  return shoal_delta_update_rows(&t->delta, engine, r->sets, r->n_sets, r->where, cli_has(c, "dry-run"), out, err);
}

/* --set COLUMN=EXPRESSION …; 0, or an exit code. */
static int read_sets(cli *c, change_request *r) {
  shoal_error err = {0};
  const char **given;
  if (cli_values(c, "set", &given, &r->n_sets, &err) < 0)
    return cli_fail(c, &err);
  r->sets = SHOAL_NEW_ARRAY(&c->arena, shoal_delta_set, r->n_sets);
  for (size_t i = 0; r->sets && i < r->n_sets; i++) {
    if (shoal_sql_pair(shoal_str_z(given[i]), &c->arena, &r->sets[i].column, &r->sets[i].value, &err) < 0)
      return cli_fail(c, &err);
    if (!r->sets[i].value.ptr || r->sets[i].column.len == 0)
      return cli_usage(c, "--set takes COLUMN=EXPRESSION, not '%s'", given[i]);
  }
  return r->n_sets ? 0 : cli_usage(c, "--set says what is to change");
}

static int run_update(cli *c) {
  change_request r = {0};
  int rc = read_sets(c, &r);
  if (rc == 0)
    rc = read_where(c, &r.where);
  return rc ? rc : run_change(c, &r, update_rows);
}

static const cli_option update_options[] = {
    {"set", 0, "COLUMN=SQL", "a column's new value, which may use the old ones", false, true},
    WHERE_OPTIONS,
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example update_examples[] = {
    {"shoal table update tables/carriers --set \"name = upper(name)\" --where \"carrier = 'DL'\"", "some rows"},
    {"shoal table update tables/carriers --set \"name = trim(name)\" --all", "every row"},
    {NULL, NULL}};
const cli_command cmd_table_update = {"table update",
                                      "Change rows of a table.",
                                      "PATH-or-SOURCE --set COLUMN=SQL… (--where CONDITION | --all) [--dry-run]",
                                      update_options,
                                      update_examples,
                                      1,
                                      run_update};

/* ---- merge ---- */

static shoal_status merge_rows(cli *c, shoal_open_table *t, shoal_engine *engine, const change_request *r,
                               const shoal_scan *rows, shoal_delta_changed *out, shoal_error *err) {
  shoal_delta_merge merge = r->merge;
  merge.source = rows;
  merge.dry_run = cli_has(c, "dry-run");
  merge.merge_schema = cli_has(c, "merge-schema");
  return shoal_delta_merge_rows(&t->delta, engine, &merge, out, err);
}

/* --when CLAUSE …; 0, or an exit code. */
static int read_clauses(cli *c, shoal_delta_merge *out) {
  shoal_error err = {0};
  const char **given;
  if (cli_values(c, "when", &given, &out->n_clauses, &err) < 0)
    return cli_fail(c, &err);
  shoal_delta_clause *clauses = SHOAL_NEW_ARRAY(&c->arena, shoal_delta_clause, out->n_clauses);
  for (size_t i = 0; clauses && i < out->n_clauses; i++)
    if (shoal_delta_clause_parse(shoal_str_z(given[i]), &c->arena, &clauses[i], &err) < 0)
      return cli_fail(c, &err);
  out->clauses = clauses;
  return 0;
}

/* Names of columns instead of a condition: those of the same name are to be equal. */
static shoal_str read_on(cli *c, shoal_str given) {
  shoal_buf text = {0};
  shoal_str rest = given, name;
  for (size_t i = 0; i < given.len; i++) {
    unsigned char b = (unsigned char)given.ptr[i];
    if (!isalnum(b) && b != '_' && b != ',' && b != ' ')
      return given;
  }
  while (rest.ptr && shoal_str_split(&rest, ',', &name)) {
    name = shoal_str_trim(name);
    if (name.len == 0 || shoal_str_chr(name, ' ') >= 0 || shoal_str_ieq(name, SHOAL_STR("true")) ||
        shoal_str_ieq(name, SHOAL_STR("false")))
      return shoal_buf_dispose(&text), given;
    shoal_buf_addf(&text, "%starget.%.*s = source.%.*s", text.len ? " AND " : "", SHOAL_FMT(name), SHOAL_FMT(name));
  }
  shoal_str on = shoal_arena_str(&c->arena, shoal_buf_str(&text));
  shoal_buf_dispose(&text);
  return on.ptr ? on : given;
}

static int run_merge(cli *c) {
  const char *using[] = {cli_value(c, "using"), NULL};
  change_request r = {.readable = using, .merge = {.on = read_on(c, shoal_str_z(cli_value(c, "on")))}};
  if (!cli_has(c, "using") || !cli_has(c, "on") || !cli_has(c, "when"))
    return cli_usage(c, "--using says what to merge, --on which rows match, --when what is done then");
  int rc = read_clauses(c, &r.merge);
  return rc ? rc : run_change(c, &r, merge_rows);
}

static const cli_option merge_options[] = {
    {"using", 0, "PATH", "the source: a file, csv, json or parquet, or a Delta table's folder", false, false},
    {"on", 0, "CONDITION", "which rows match: target.id = source.id, or the columns' names: id", false, false},
    {"when", 0, "CLAUSE", "what is done, the first clause that holds: 'matched then update'", false, true},
    {"merge-schema", 0, NULL, "columns of the source that clauses give become the table's", false, false},
    {"dry-run", 0, NULL, "only count", false, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example merge_examples[] = {
    {"shoal table merge tables/carriers --using data/airlines.csv --on carrier --when 'not matched then insert'",
     "rows that are new"},
    {"shoal table merge tables/carriers --using data/airlines.csv --on carrier --when 'matched then update'",
     "rows that have changed"},
    {"shoal table merge tables/carriers --using data/airlines.csv --on carrier --when 'not matched by source then "
     "delete'",
     "rows that are gone"},
    {NULL, NULL}};
const cli_command cmd_table_merge = {"table merge",
                                     "Merge rows into a table.",
                                     "PATH-or-SOURCE --using PATH --on CONDITION --when CLAUSE…",
                                     merge_options,
                                     merge_examples,
                                     1,
                                     run_merge};

/* ---- overwrite ---- */

static shoal_status overwrite_rows(cli *c, shoal_open_table *t, shoal_engine *engine, const change_request *r,
                                   const shoal_scan *rows, shoal_delta_changed *out, shoal_error *err) {
  const shoal_delta_overwrite wanted = {.source = rows,
                                        .where = r->where,
                                        .partitions = cli_has(c, "partitions"),
                                        .merge_schema = cli_has(c, "merge-schema")};
  return shoal_delta_overwrite_rows(&t->delta, engine, &wanted, out, err);
}

static int run_overwrite(cli *c) {
  change_request r = {.readable = (const char **)c->argv + 1, .where = shoal_str_z(cli_value(c, "where"))};
  if (c->argc < 2)
    return cli_usage(c, "by which files?");
  if (cli_has(c, "where") + cli_has(c, "partitions") + cli_has(c, "all") != 1)
    return cli_usage(c, "--where says which rows are replaced; --partitions, those of the new rows' partitions; --all");
  return run_change(c, &r, overwrite_rows);
}

static const cli_option overwrite_options[] = {
    {"where", 0, "CONDITION", "replace these rows; the new ones must be such, too", false, false},
    {"partitions", 0, NULL, "replace the partitions that the new rows lie in", false, false},
    {"all", 0, NULL, "replace every row", false, false},
    {"merge-schema", 0, NULL, "columns that the table lacks become its own", false, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example overwrite_examples[] = {
    {"shoal table overwrite tables/carriers data/airlines.csv --where 'carrier is not null'", "these rows by those"},
    {"shoal table overwrite tables/carriers data/airlines.csv --all", "all of them"},
    {NULL, NULL}};
const cli_command cmd_table_overwrite = {"table overwrite",
                                         "Replace rows of a table by the rows of files.",
                                         "PATH-or-SOURCE FILE… (--where CONDITION | --partitions | --all)",
                                         overwrite_options,
                                         overwrite_examples,
                                         -1,
                                         run_overwrite};
