/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What delta_interop.py asks of Shoal's Delta code, as a small program:
 *   delta_driver append|overwrite FOLDER TABLE SQL [PARTITION,…]   commits the query's rows (makes the table)
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
#include "delta/delta.h"

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

static void add_file(driver *d, shoal_delta_commit *c, const shoal_job *job, const shoal_output_file *f,
                     const shoal_schema *columns, shoal_error *err) {
  shoal_delta_kv *values = SHOAL_NEW_ARRAY(&d->arena, shoal_delta_kv, job->n_partition_by + 1);
  shoal_buf stats = {0}, path = {0};
  for (size_t i = 0; i < job->n_partition_by; i++)
    values[i] = (shoal_delta_kv){job->partition_by[i], f->partition_values[i]};
  if (shoal_delta_stats_json(f, columns, &stats, err) < 0)
    abort();
  shoal_delta_path_encode(&path, f->name);
  shoal_delta_commit_add(c, &(shoal_delta_file){.path = shoal_buf_str(&path),
                                                .size = f->bytes,
                                                .modified_ms = shoal_time_now() / 1000,
                                                .data_change = true,
                                                .partition_values = values,
                                                .n_partition_values = job->n_partition_by,
                                                .stats = shoal_buf_str(&stats)});
  shoal_buf_dispose(&stats);
  shoal_buf_dispose(&path);
}

static shoal_schema without(driver *d, const shoal_schema *s, const shoal_job *job) {
  shoal_schema out = {SHOAL_NEW_ARRAY(&d->arena, shoal_field, s->n_fields), 0};
  for (size_t i = 0; i < s->n_fields; i++) {
    bool partition = false;
    for (size_t k = 0; k < job->n_partition_by; k++)
      partition = partition || shoal_str_eq(s->fields[i].name, job->partition_by[k]);
    if (!partition)
      out.fields[out.n_fields++] = s->fields[i];
  }
  return out;
}

static shoal_status describe(driver *d, shoal_delta_commit *c, const shoal_job *job, const shoal_schema *schema,
                             shoal_error *err) {
  char id[SHOAL_UUID_TEXT];
  shoal_delta_protocol protocol;
  shoal_os_uuid(id);
  SHOAL_TRY(shoal_delta_protocol_for(schema, &d->arena, &protocol, err));
  shoal_delta_commit_protocol(c, &protocol);
  shoal_delta_commit_metadata(c, &(shoal_delta_metadata){.id = shoal_str_z(id),
                                                         .schema = *schema,
                                                         .partition_columns = job->partition_by,
                                                         .n_partition_columns = job->n_partition_by,
                                                         .created_ms = shoal_time_now() / 1000});
  return SHOAL_OK;
}

static shoal_status put_files(driver *d, const char *staging, const shoal_outcome *outcome, shoal_error *err) {
  shoal_put_file *files = SHOAL_NEW_ARRAY(&d->arena, shoal_put_file, outcome->n_files + 1);
  for (size_t i = 0; i < outcome->n_files; i++) {
    files[i].local_path =
        shoal_str_z(shoal_arena_printf(&d->arena, "%s/%.*s", staging, SHOAL_FMT(outcome->files[i].name)));
    files[i].key = shoal_str_z(
        shoal_arena_printf(&d->arena, "%.*s/%.*s", SHOAL_FMT(d->table.prefix), SHOAL_FMT(outcome->files[i].name)));
  }
  return shoal_store_put_files(d->table.store, files, outcome->n_files, err);
}

static shoal_status write_rows(driver *d, bool overwrite, const char *sql, const char *partitions, shoal_error *err) {
  shoal_delta_commit c = {0};
  shoal_delta_snapshot *s = NULL;
  shoal_outcome outcome = {0};
  char *staging;
  shoal_str *by;
  shoal_job job = {.sql = shoal_str_z(sql), .n_partition_by = split(d, partitions, &by)};
  job.partition_by = by;
  SHOAL_TRY(shoal_store_staging(d->table.store, &d->arena, &staging, err));
  job.staging = staging;
  shoal_status status = shoal_delta_snapshot_open(&d->table, SHOAL_DELTA_LATEST, &s, err);
  if (status < 0 && status != SHOAL_ENOTFOUND)
    return status;
  SHOAL_TRY(shoal_engine_execute(d->engine, &job, &d->arena, &outcome, err));
  SHOAL_TRY(put_files(d, staging, &outcome, err));
  shoal_delta_commit_info(&c, shoal_time_now(), "WRITE", SHOAL_STR("{\"mode\":\"Append\"}"), !overwrite,
                          SHOAL_STR_NONE);
  if (!s)
    SHOAL_TRY(describe(d, &c, &job, &outcome.schema, err));
  for (size_t i = 0; s && overwrite && i < shoal_delta_snapshot_n_files(s); i++)
    shoal_delta_commit_remove(&c, &shoal_delta_snapshot_files(s)[i], shoal_time_now());
  shoal_schema columns = without(d, &outcome.schema, &job);
  for (size_t i = 0; i < outcome.n_files; i++)
    add_file(d, &c, &job, &outcome.files[i], &columns, err);
  status = shoal_delta_commit_put(&d->table, &c, s ? shoal_delta_snapshot_version(s) + 1 : 0, err);
  shoal_delta_commit_dispose(&c);
  shoal_delta_snapshot_free(s);
  shoal_ignore(shoal_os_remove_tree(staging, NULL));
  return status;
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
  else if (status == SHOAL_OK && argc > 4)
    status = write_rows(&d, !strcmp(argv[1], "overwrite"), argv[4], argc > 5 ? argv[5] : NULL, &err);
  if (status < 0)
    fprintf(stderr, "%s: %s %s\n", shoal_status_name(status), err.context, err.message);
  shoal_store_free(d.table.store);
  shoal_engine_free(d.engine);
  shoal_arena_dispose(&d.arena);
  return status < 0;
}
