/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a query as people and programs want them: a box, CSV, JSON, or a file. `shoal sql` and `shoal table changes`.
 */
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/os.h"
#include "base/str.h"
#include "cli/commands.h"
#include "session/interrupt.h"

#define BOX_ROWS 40

static void csv_cell(shoal_str s) {
  bool quote = !s.ptr ? false : s.len == 0;
  for (size_t i = 0; i < s.len && !quote; i++)
    quote = s.ptr[i] == '"' || s.ptr[i] == ',' || s.ptr[i] == '\n' || s.ptr[i] == '\r';
  if (!quote) {
    fwrite(s.len ? s.ptr : "", 1, s.len, stdout);
    return;
  }
  putchar('"');
  for (size_t i = 0; i < s.len; i++) {
    if (s.ptr[i] == '"')
      putchar('"');
    putchar(s.ptr[i]);
  }
  putchar('"');
}

static shoal_status print_csv(shoal_rows *rows, shoal_error *err) {
  size_t n = shoal_rows_columns(rows);
  for (size_t i = 0; i < n; i++) {
    if (i)
      putchar(',');
    csv_cell(shoal_rows_name(rows, i));
  }
  putchar('\n');
  shoal_status status;
  while ((status = shoal_rows_next(rows, err)) == SHOAL_OK) {
    for (size_t i = 0; i < n; i++) {
      if (i)
        putchar(',');
      csv_cell(shoal_rows_text(rows, i));
    }
    putchar('\n');
  }
  return status;
}

/* Numbers and booleans stay what they are; all else is text. */
static bool is_bare(shoal_str type) {
  static const char *const bare[] = {"BOOLEAN",   "TINYINT",  "SMALLINT", "INTEGER",  "BIGINT", "HUGEINT", "UTINYINT",
                                     "USMALLINT", "UINTEGER", "UBIGINT",  "UHUGEINT", "FLOAT",  "DOUBLE"};
  for (size_t i = 0; i < sizeof bare / sizeof *bare; i++)
    if (shoal_str_is(type, bare[i]))
      return true;
  return shoal_str_starts(type, SHOAL_STR("DECIMAL("));
}

static shoal_status print_json(shoal_rows *rows, shoal_error *err) {
  size_t n = shoal_rows_columns(rows);
  shoal_buf b = {0};
  shoal_status status;
  while ((status = shoal_rows_next(rows, err)) == SHOAL_OK) {
    shoal_jw w = {.out = &b};
    shoal_buf_clear(&b);
    shoal_jw_obj(&w);
    for (size_t i = 0; i < n; i++) {
      shoal_str v = shoal_rows_text(rows, i);
      shoal_jw_keys(&w, shoal_rows_name(rows, i));
      bool finite = v.len && (v.ptr[v.len - 1] >= '0' || v.ptr[v.len - 1] == '.') && v.ptr[v.len - 1] <= '9';
      if (v.ptr && is_bare(shoal_rows_type(rows, i)) && (finite || shoal_str_is(v, "true") || shoal_str_is(v, "false")))
        shoal_jw_raw(&w, v);
      else
        shoal_jw_str(&w, v);
    }
    shoal_jw_end(&w);
    puts(shoal_buf_z(&b));
  }
  shoal_buf_dispose(&b);
  return status;
}

static shoal_status print_rows(cli *c, const shoal_job *job, shoal_engine *engine, const char *format,
                               shoal_error *err) {
  shoal_rows *rows = NULL;
  SHOAL_TRY(shoal_engine_query(engine, job, &rows, err));
  shoal_status status = SHOAL_OK;
  if (!strcmp(format, "csv"))
    status = print_csv(rows, err);
  else if (!strcmp(format, "json"))
    status = print_json(rows, err);
  else if (cli_box(c, rows, c->verbose ? SIZE_MAX : BOX_ROWS, err) < 0)
    status = err->status;
  shoal_rows_free(rows);
  return status < 0 ? status : SHOAL_OK;
}

/* The engine may write only into its folders, so the file is made in a staging folder and moved. */
static shoal_status write_file(cli *c, const shoal_job *job, shoal_engine *engine, shoal_store *store,
                               const char *format, const char *path, shoal_error *err) {
  char *staging;
  SHOAL_TRY(store ? shoal_store_staging(store, &c->arena, &staging, err)
                  : shoal_session_staging(c->s, &c->arena, &staging, err));
  char *file = shoal_arena_printf(&c->arena, "%s/result", staging);
  shoal_status status = file ? shoal_engine_copy(engine, job, file, shoal_str_z(format), err) : shoal_fail_nomem(err);
  if (status >= 0 && path)
    status = shoal_os_move_output(file, path, err);
  else if (status >= 0)
    status = shoal_os_copy_to(file, STDOUT_FILENO, "the output", err); /* stdout has nothing of ours yet */
  shoal_error ignored;
  shoal_ignore(shoal_os_remove_tree(staging, &ignored));
  return status;
}

static const char *format_of(cli *c, const char *path) {
  static const char *const known[][2] = {{".csv", "csv"},     {".json", "json"},       {".ndjson", "json"},
                                         {".jsonl", "json"},  {".parquet", "parquet"}, {".arrow", "arrow"},
                                         {".arrows", "arrow"}};
  const char *format = cli_value(c, "format");
  for (size_t i = 0; !format && path && i < sizeof known / sizeof *known; i++)
    if (shoal_str_ends(shoal_str_z(path), shoal_str_z(known[i][0])))
      format = known[i][1];
  bool for_people = !path && !cli_has(c, "output") && isatty(1);
  return format ? format : !path && c->json ? "json" : for_people ? "box" : "csv";
}

shoal_status cli_show_rows(cli *c, shoal_engine *engine, shoal_store *store, const shoal_job *job, const char *path,
                           shoal_error *err) {
  shoal_interrupt *interrupt;
  shoal_stat st;
  const char *format = format_of(c, path);
  bool to_file = path || !strcmp(format, "parquet") || !strcmp(format, "arrow");
  SHOAL_TRY(shoal_interrupt_begin(&cli_cancel, engine, &interrupt, err));
  shoal_status status =
      to_file ? write_file(c, job, engine, store, format, path, err) : print_rows(c, job, engine, format, err);
  if (status >= 0 && path && !c->quiet && shoal_os_stat(path, &st, NULL) >= 0)
    fprintf(stderr, "wrote %s: %s\n", cli_value(c, "output") ? cli_value(c, "output") : path, cli_bytes(c, st.size));
  shoal_interrupt_end(interrupt);
  return status;
}
