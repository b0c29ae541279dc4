/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What delta_interop.py asks of Shoal's Delta code, as a small program:
 *   delta_driver append FOLDER TABLE SQL [PARTITION,…]             appends the query's rows (makes the table)
 *   delta_driver clear FOLDER TABLE                                removes every row
 *   delta_driver checkpoint FOLDER TABLE
 *   delta_driver read FOLDER TABLE OUT.parquet|.arrow [VERSION]    prints version and number of files
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "delta/append.h"
#include "delta/transaction.h"

typedef struct driver {
  shoal_arena arena;
  shoal_delta_table table;
  shoal_engine *engine;
  char *root;
} driver;

static shoal_status get_engine(void *arg, shoal_engine **out, shoal_error *err) {
  (void)err;
  *out = ((driver *)arg)->engine;
  return SHOAL_OK;
}

static shoal_status open_all(driver *d, const char *folder, const char *prefix, shoal_error *err) {
  SHOAL_TRY(shoal_os_realpath(folder, &d->arena, &d->root, err));
  shoal_str allowed[] = {shoal_str_z(shoal_arena_printf(&d->arena, "%s/", d->root))};
  shoal_engine_config config = {.threads = 2, .memory = 512u << 20, .allowed = allowed, .n_allowed = 1, .locked = true};
  SHOAL_TRY(shoal_engine_open_duckdb(&config, &d->engine, err));
  d->table.prefix = shoal_str_z(prefix);
  d->table.get_engine = get_engine;
  d->table.engine_arg = d;
  return shoal_store_open_file(d->root, false, &d->table.store, err);
}

static size_t split(driver *d, const char *list, shoal_str **out) {
  shoal_str rest = shoal_str_z(list), piece;
  size_t n = 0;
  *out = SHOAL_NEW_ARRAY(&d->arena, shoal_str, strlen(list ? list : "") + 1);
  while (rest.ptr && shoal_str_split(&rest, ',', &piece))
    (*out)[n++] = piece;
  return n;
}

/* All files out of the table, and no new ones: what an overwrite by a query is without the rows. */
static shoal_status clear(driver *d, shoal_error *err) {
  shoal_delta_snapshot *s;
  shoal_delta_transaction *t = NULL;
  int64_t version;
  SHOAL_TRY(shoal_delta_snapshot_open(&d->table, SHOAL_DELTA_LATEST, &s, err));
  shoal_status status = shoal_delta_transaction_open(&d->table, s, 0, "DELETE", SHOAL_STR_NONE, &t, err);
  for (size_t i = 0; status == SHOAL_OK && i < shoal_delta_snapshot_n_files(s); i++)
    status = shoal_delta_transaction_remove(t, &shoal_delta_snapshot_files(s)[i], true, err);
  if (status == SHOAL_OK)
    status = shoal_delta_transaction_commit(t, &version, err);
  shoal_delta_transaction_free(t);
  shoal_delta_snapshot_free(s);
  return status;
}

static shoal_status append(driver *d, const char *sql, const char *partitions, shoal_error *err) {
  shoal_str *by;
  shoal_job job = {.sql = shoal_str_z(sql)};
  shoal_delta_append wanted = {.job = &job, .create = true, .n_partition_by = split(d, partitions, &by)};
  shoal_delta_appended done;
  wanted.partition_by = by;
  SHOAL_TRY(shoal_delta_append_rows(&d->table, d->engine, &wanted, &done, err));
  printf("%lld %llu\n", (long long)done.version, (unsigned long long)done.rows);
  return SHOAL_OK;
}

static shoal_status read_rows(driver *d, const char *out, const char *version, shoal_error *err) {
  shoal_delta_snapshot *s;
  shoal_scan scan;
  SHOAL_TRY(shoal_delta_snapshot_open(&d->table, version ? atoll(version) : SHOAL_DELTA_LATEST, &s, err));
  shoal_status status = shoal_delta_scan(&d->table, s, &d->arena, &scan, err);
  shoal_input input = {SHOAL_STR("t"), &scan};
  shoal_job job = {.sql = SHOAL_STR("SELECT * FROM t"), .inputs = &input, .n_inputs = 1};
  if (status == SHOAL_OK)
    status = shoal_engine_copy(d->engine, &job, out, shoal_str_z(strrchr(out, '.') + 1), err);
  if (status == SHOAL_OK)
    printf("%lld %zu\n", (long long)shoal_delta_snapshot_version(s), shoal_delta_snapshot_n_files(s));
  shoal_delta_snapshot_free(s);
  return status;
}

static shoal_status checkpoint(driver *d, shoal_error *err) {
  shoal_delta_snapshot *s;
  SHOAL_TRY(shoal_delta_snapshot_open(&d->table, SHOAL_DELTA_LATEST, &s, err));
  shoal_status status = shoal_delta_checkpoint(&d->table, s, err);
  shoal_delta_snapshot_free(s);
  return status;
}

int main(int argc, char **argv) {
  driver d = {0};
  shoal_error err = {0};
  if (argc < 4)
    return 2;
  shoal_status status = open_all(&d, argv[2], argv[3], &err);
  if (status == SHOAL_OK && !strcmp(argv[1], "checkpoint"))
    status = checkpoint(&d, &err);
  else if (status == SHOAL_OK && argc > 4 && !strcmp(argv[1], "read"))
    status = read_rows(&d, argv[4], argc > 5 ? argv[5] : NULL, &err);
  else if (status == SHOAL_OK && !strcmp(argv[1], "clear"))
    status = clear(&d, &err);
  else if (status == SHOAL_OK && argc > 4)
    status = append(&d, argv[4], argc > 5 ? argv[5] : NULL, &err);
  if (status < 0)
    fprintf(stderr, "%s: %s %s\n", shoal_status_name(status), err.context, err.message);
  shoal_store_free(d.table.store);
  shoal_engine_free(d.engine);
  shoal_arena_dispose(&d.arena);
  return status < 0;
}
