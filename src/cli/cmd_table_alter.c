/* SPDX-License-Identifier: Apache-2.0 */
/* shoal table alter: a table's columns, properties and constraints. */
#include <string.h>

#include "base/str.h"
#include "cli/table_cli.h"
#include "delta/alter.h"
#include "delta/words.h"

/* How an option's value is read. */
typedef enum form {
  NAME,   /* a name */
  PAIR,   /* NAME=VALUE */
  COLUMN, /* NAME TYPE, as in --schema */
  TYPE    /* NAME=TYPE */
} form;

static const struct {
  const char *option;
  shoal_delta_alteration_kind kind;
  form form;
} forms[] = {{"add-column", SHOAL_DELTA_ADD_COLUMN, COLUMN},
             {"rename-column", SHOAL_DELTA_RENAME_COLUMN, PAIR},
             {"drop-column", SHOAL_DELTA_DROP_COLUMN, NAME},
             {"set", SHOAL_DELTA_SET_PROPERTY, PAIR},
             {"add-constraint", SHOAL_DELTA_ADD_CONSTRAINT, PAIR},
             {"drop-constraint", SHOAL_DELTA_DROP_CONSTRAINT, NAME},
             {"type", SHOAL_DELTA_WIDEN_COLUMN, TYPE},
             {"drop-not-null", SHOAL_DELTA_DROP_NOT_NULL, NAME},
             {"unset", SHOAL_DELTA_UNSET_PROPERTY, NAME}};

static shoal_status read_one(shoal_open_table *t, const char *option, form how, const char *given,
                             shoal_delta_alteration *out, shoal_error *err) {
  shoal_engine *engine;
  SHOAL_TRY(shoal_session_table_engine(t, &engine, err));
  if (how == COLUMN)
    return shoal_delta_column(engine, shoal_str_z(given), &t->arena, &out->field, err);
  SHOAL_TRY(shoal_sql_pair(shoal_str_z(given), &t->arena, &out->name, &out->value, err));
  if (how == NAME && !out->value.ptr)
    return SHOAL_OK;
  if (how == NAME) { /* a '=' of its own */
    out->name = shoal_str_z(given);
    out->value = SHOAL_STR_NONE;
    return SHOAL_OK;
  }
  if (out->name.len == 0 || !out->value.ptr)
    return shoal_fail(err, SHOAL_EINVAL, "--%s takes NAME=%s, not '%s'", option, how == TYPE ? "TYPE" : "VALUE", given);
  return how == TYPE ? shoal_delta_typed(engine, out->name, out->value, &t->arena, &out->field, err) : SHOAL_OK;
}

/* In the order in which they were given. */
static shoal_status read_all(cli *c, shoal_open_table *t, shoal_delta_alteration **out, size_t *n, shoal_error *err) {
  *n = 0;
  *out = SHOAL_NEW_ARRAY(&c->arena, shoal_delta_alteration, (size_t)c->n_given);
  if (!*out)
    return shoal_fail_nomem(err);
  for (int i = 0; i < c->n_given; i++)
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
      if (strcmp(c->given[i].option->name, forms[k].option) != 0)
        continue;
      shoal_delta_alteration *x = &(*out)[(*n)++];
      *x = (shoal_delta_alteration){.kind = forms[k].kind};
      SHOAL_TRY(read_one(t, forms[k].option, forms[k].form, c->given[i].value, x, err));
    }
  return SHOAL_OK;
}

static int run(cli *c) {
  shoal_error err = {0};
  shoal_open_table t;
  shoal_engine *engine;
  shoal_delta_alteration *list;
  size_t n = 0;
  int64_t version = -1;
  int rc = cli_open_table(c, 0, NULL, &t);
  if (rc)
    return rc;
  shoal_status status = shoal_session_table_engine(&t, &engine, &err);
  if (status >= 0)
    status = read_all(c, &t, &list, &n, &err);
  if (status >= 0 && n == 0)
    rc = cli_usage(c, "what is to be altered? shoal table alter --help shows what can");
  else if (status >= 0)
    status = shoal_delta_alter(&t.delta, engine, list, n, &version, &err);
  if (status < 0)
    rc = cli_fail(c, &err);
  else if (rc == 0 && c->json)
    printf("{\"schema_version\":1,\"table\":\"%s\",\"version\":%lld}\n", c->argv[0], (long long)version);
  else if (rc == 0 && !c->quiet)
    printf("altered %s, version %lld\n", c->argv[0], (long long)version);
  shoal_session_table_close(&t);
  return rc;
}

static const cli_option options[] = {
    {"add-column", 0, "'NAME TYPE'", "a column more, NULL in the rows that are there", false, true},
    {"rename-column", 0, "OLD=NEW", "another name for a column (needs column mapping)", false, true},
    {"drop-column", 0, "NAME", "take away a column (needs column mapping)", false, true},
    {"set", 0, "KEY=VALUE", "a table property, delta.columnMapping.mode=name for one", false, true},
    {"add-constraint", 0, "NAME=SQL", "a condition that every row satisfies and must satisfy", false, true},
    {"drop-constraint", 0, "NAME", "take away a constraint", true, true},
    {"type", 0, "NAME=TYPE", "a wider type for a column (needs delta.enableTypeWidening)", true, true},
    {"drop-not-null", 0, "NAME", "NULL may stand in the column from now on", true, true},
    {"unset", 0, "KEY", "take away a table property", true, true},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {
    {"shoal table alter tables/visits --add-column 'place VARCHAR' --add-constraint 'counted=n >= 0'", "in one commit"},
    {"shoal table alter tables/notes --set delta.columnMapping.mode=name --rename-column note=text", "no file changes"},
    {"shoal table alter tables/visits --set delta.parquet.compression.codec=gzip --set delta.targetFileSize=1gb",
     "how files that come are written"},
    {NULL, NULL}};
const cli_command cmd_table_alter = {"table alter",
                                     "Change a table's columns, properties and constraints.",
                                     "PATH-or-SOURCE [options]",
                                     options,
                                     examples,
                                     1,
                                     run};
