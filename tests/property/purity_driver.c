/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine session for purity.py: purity_driver THREADS FOLDER reads queries from stdin, one a line, and answers each
 * with a line: "=" and the rows (records end with 0x1e, fields with 0x1f, NULL is 0x15), or "!" and the error. "?name"
 * asks for the class of a function instead: "pure" or anything else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "code/functions.h"
#include "engine/engine.h"

static void put(shoal_str text) {
  for (size_t i = 0; i < text.len; i++)
    putchar(text.ptr[i] == '\n' ? ' ' : text.ptr[i]);
}

static void answer(shoal_engine *engine, shoal_str sql) {
  shoal_error err = {0};
  shoal_rows *rows = NULL;
  shoal_buf text = {0};
  shoal_status status = shoal_engine_query(engine, &(shoal_job){.sql = sql}, &rows, &err);
  while (status >= 0 && (status = shoal_rows_next(rows, &err)) == SHOAL_OK) {
    for (size_t i = 0; i < shoal_rows_columns(rows); i++) {
      shoal_str field = shoal_rows_text(rows, i);
      shoal_buf_add(&text, field.ptr ? field : SHOAL_STR("\x15"));
      shoal_buf_addc(&text, '\x1f');
    }
    shoal_buf_addc(&text, '\x1e');
  }
  shoal_rows_free(rows);
  putchar(status < 0 ? '!' : '=');
  put(status < 0 ? shoal_str_z(err.message) : shoal_buf_str(&text));
  putchar('\n');
  fflush(stdout);
  shoal_buf_dispose(&text);
}

int main(int argc, char **argv) {
  shoal_error err = {0};
  shoal_engine *engine;
  char *line = NULL, allowed[4096];
  size_t cap = 0;
  if (argc != 3)
    return 2;
  snprintf(allowed, sizeof allowed, "%s/", argv[2]);
  shoal_str paths[] = {shoal_str_z(allowed)};
  shoal_engine_config config = {.threads = (unsigned)atoi(argv[1]),
                                .memory = 1u << 30,
                                .temp = argv[2],
                                .allowed = paths,
                                .n_allowed = 1,
                                .locked = true};
  if (shoal_engine_open_duckdb(&config, &engine, &err) < 0) {
    fprintf(stderr, "%s\n", err.message);
    return 1;
  }
  for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0;) {
    shoal_str text = shoal_str_n(line, (size_t)n - (line[n - 1] == '\n'));
    if (text.len && text.ptr[0] == '?')
      puts(shoal_scalar_function_class(shoal_str_sub(text, 1, text.len)) == SHOAL_FUNCTION_PURE ? "pure" : "not");
    else
      answer(engine, text);
    fflush(stdout);
  }
  free(line);
  shoal_engine_free(engine);
  return 0;
}
