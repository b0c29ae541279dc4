/* SPDX-License-Identifier: Apache-2.0 */
/* shoal table create, append: tables and rows that come. */
#include <string.h>

#include "base/str.h"
#include "cli/table_cli.h"
#include "delta/create.h"
#include "delta/words.h"

/* --property KEY=VALUE …, --constraint NAME=CONDITION … */
static shoal_status read_pairs(cli *c, const char *option, const char *form, const shoal_delta_kv **pairs, size_t *n,
                               shoal_error *err) {
  const char **given;
  SHOAL_TRY(cli_values(c, option, &given, n, err));
  shoal_delta_kv *out = SHOAL_NEW_ARRAY(&c->arena, shoal_delta_kv, *n);
  if (!out)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < *n; i++) {
    shoal_str text = shoal_str_z(given[i]);
    ptrdiff_t eq = shoal_str_chr(text, '=');
    if (eq <= 0)
      return shoal_fail(err, SHOAL_EINVAL, "--%s takes %s, not '%s'", option, form, given[i]);
    out[i] = (shoal_delta_kv){shoal_str_sub(text, 0, (size_t)eq), shoal_str_sub(text, (size_t)eq + 1, text.len)};
  }
  *pairs = out;
  return SHOAL_OK;
}

static void print(cli *c, const char *did, const shoal_delta_appended *done) {
  if (c->json)
    printf("{\"schema_version\":1,\"table\":\"%s\",\"version\":%lld,\"rows\":%llu,\"bytes\":%llu,\"created\":%s}\n",
           c->argv[0], (long long)done->version, (unsigned long long)done->rows, (unsigned long long)done->bytes,
           done->created ? "true" : "false");
  else if (done->version < 0)
    puts("nothing to append: no rows");
  else if (!c->quiet)
    printf("%s %s: %s, %s, version %lld\n", did, c->argv[0], cli_rows(c, done->rows), cli_bytes(c, done->bytes),
           (long long)done->version);
}

/* Rows of files into the table; `create` makes it of them. */
static shoal_status put_rows(shoal_open_table *t, const shoal_delta_create *create, bool merge_schema,
                             shoal_delta_appended *out, shoal_error *err) {
  shoal_table_rows rows;
  shoal_engine *engine;
  SHOAL_TRY(shoal_session_table_rows(t, t->readable, t->n_readable, &rows, err));
  shoal_input input = {SHOAL_STR("source"), &rows.scan};
  shoal_job job = {.sql = SHOAL_STR("SELECT * FROM source"), .inputs = &input, .n_inputs = 1};
  shoal_delta_append wanted = {.job = &job, .create = create != NULL, .merge_schema = merge_schema};
  if (create) {
    wanted.partition_by = create->partition_by;
    wanted.n_partition_by = create->n_partition_by;
    wanted.cluster_by = create->cluster_by;
    wanted.n_cluster_by = create->n_cluster_by;
    wanted.properties = create->properties;
    wanted.n_properties = create->n_properties;
    wanted.constraints = create->constraints;
    wanted.n_constraints = create->n_constraints;
  }
  shoal_status status = shoal_session_table_engine(t, &engine, err);
  if (status >= 0)
    status = shoal_delta_append_rows(&t->delta, engine, &wanted, out, err);
  shoal_table_rows_dispose(&rows);
  return status;
}

/* ---- create ---- */

static shoal_status refuse_existing(shoal_open_table *t, shoal_error *err) {
  int64_t latest;
  shoal_status status = shoal_delta_latest(&t->delta, -1, &latest, err);
  if (status == SHOAL_ENOTFOUND) {
    *err = (shoal_error){0};
    return SHOAL_OK;
  }
  return status < 0 ? status : shoal_fail(err, SHOAL_EEXIST, "there is a table, at version %lld", (long long)latest);
}

static shoal_status make_table(cli *c, shoal_open_table *t, shoal_delta_appended *out, shoal_error *err) {
  shoal_delta_create create = {0};
  shoal_str *names;
  shoal_engine *engine;
  shoal_schema schema;
  SHOAL_TRY(cli_names(c, "partition-by", &names, &create.n_partition_by, err));
  SHOAL_TRY(read_pairs(c, "property", "KEY=VALUE", &create.properties, &create.n_properties, err));
  SHOAL_TRY(read_pairs(c, "constraint", "NAME=CONDITION", &create.constraints, &create.n_constraints, err));
  create.partition_by = names;
  SHOAL_TRY(cli_names(c, "cluster-by", &names, &create.n_cluster_by, err));
  create.cluster_by = names;
  SHOAL_TRY(refuse_existing(t, err));
  if (cli_has(c, "as"))
    return put_rows(t, &create, false, out, err);
  SHOAL_TRY(shoal_session_table_engine(t, &engine, err));
  SHOAL_TRY(shoal_delta_columns(engine, shoal_str_z(cli_value(c, "schema")), &t->arena, &schema, err));
  create.schema = &schema;
  SHOAL_TRY(shoal_delta_create_table(&t->delta, engine, &create, err));
  *out = (shoal_delta_appended){.created = true};
  return SHOAL_OK;
}

static int create(cli *c) {
  shoal_error err = {0};
  shoal_open_table t;
  shoal_delta_appended done;
  const char *readable[] = {cli_value(c, "as"), NULL};
  if (cli_has(c, "as") == cli_has(c, "schema"))
    return cli_usage(c, "either --schema COLUMNS or --as FILE");
  int rc = cli_open_table(c, SHOAL_TABLE_CREATE, readable, &t);
  if (rc)
    return rc;
  if (make_table(c, &t, &done, &err) < 0)
    rc = cli_fail(c, &err);
  else
    print(c, "made", &done);
  shoal_session_table_close(&t);
  return rc;
}

static const cli_option create_options[] = {
    {"schema", 0, "COLUMNS", "its columns: 'id BIGINT NOT NULL, name VARCHAR'", false, false},
    {"as", 0, "FILE", "of a file's rows, csv, json or parquet; or of a Delta table's", false, false},
    {"partition-by", 0, "COLUMNS", "partition columns, with commas", false, false},
    {"cluster-by", 0, "COLUMNS", "columns by which optimize lays rows out, instead of partitions", false, false},
    {"property", 0, "KEY=VALUE", "a table property, delta.enableDeletionVectors=true for one", false, true},
    {"constraint", 0, "NAME=SQL", "a condition that every row must satisfy, Spark's SQL", false, true},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example create_examples[] = {
    {"shoal table create tables/carriers --as data/airlines.csv --property delta.enableDeletionVectors=true",
     "of a file"},
    {"shoal table create tables/visits --schema 'day DATE, n BIGINT' --property delta.enableChangeDataFeed=true",
     "without rows, and changes will be told"},
    {"shoal table create tables/counts --schema 'n BIGINT' --constraint 'positive=n > 0'", "rows it must not have"},
    {"shoal table create tables/lines --as data/airlines.csv --property delta.dataSkippingStatsColumns=carrier",
     "which columns files can be skipped by"},
    {NULL, NULL}};
const cli_command cmd_table_create = {
    "table create", "Make a Delta table.", "PATH-or-SOURCE (--schema COLUMNS | --as FILE) [options]",
    create_options, create_examples,       1,
    create};

/* ---- append ---- */

static int append(cli *c) {
  shoal_error err = {0};
  shoal_open_table t;
  shoal_delta_appended done = {0};
  if (c->argc < 2)
    return cli_usage(c, "which files?");
  int rc = cli_open_table(c, 0, (const char *const *)c->argv + 1, &t);
  if (rc)
    return rc;
  if (put_rows(&t, NULL, cli_has(c, "merge-schema"), &done, &err) < 0)
    rc = cli_fail(c, &err);
  else
    print(c, "appended to", &done);
  shoal_session_table_close(&t);
  return rc;
}

static const cli_option append_options[] = {
    {"merge-schema", 0, NULL, "columns that the table lacks become its own", false, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example append_examples[] = {
    {"shoal table append tables/carriers data/airlines.csv", "the file's rows, columns by name"},
    {"shoal table append tables/carriers data/airlines.csv --json", "for programs"},
    {NULL, NULL}};
const cli_command cmd_table_append = {"table append",
                                      "Append the rows of files to a table.",
                                      "PATH-or-SOURCE FILE… [--merge-schema]",
                                      append_options,
                                      append_examples,
                                      -1,
                                      append};
