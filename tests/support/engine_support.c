/* SPDX-License-Identifier: Apache-2.0 */
/* engine_support.h */
#include "support/engine_support.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "base/str.h"

int test_engine_setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  f->folder = test_folder();
  snprintf(f->staging, sizeof f->staging, "%s/staging", f->folder);
  CHECK_OK(shoal_os_mkdir(f->staging, &f->err), &f->err);
  char allowed[512];
  snprintf(allowed, sizeof allowed, "%s/", f->folder);
  shoal_str paths[] = {shoal_str_z(allowed)};
  shoal_engine_config config = {
      .threads = 2, .memory = 1u << 30, .allowed = paths, .n_allowed = 1, .locked = true, .progress = true};
  CHECK_OK(shoal_engine_open_duckdb(&config, &f->engine, &f->err), &f->err);
  *state = f;
  return 0;
}

int test_engine_teardown(void **state) {
  fixture *f = *state;
  shoal_engine_free(f->engine);
  shoal_arena_dispose(&f->arena);
  test_folder_remove(f->folder);
  free(f);
  return 0;
}

shoal_status test_engine_rows(fixture *f, const shoal_job *job, shoal_buf *out) {
  shoal_rows *rows;
  shoal_status status = shoal_engine_query(f->engine, job, &rows, &f->err);
  shoal_buf_clear(out);
  if (status < 0)
    return status;
  while ((status = shoal_rows_next(rows, &f->err)) == SHOAL_OK) {
    for (size_t i = 0; i < shoal_rows_columns(rows); i++) {
      shoal_str text = shoal_rows_text(rows, i);
      if (i)
        shoal_buf_addc(out, '|');
      shoal_buf_add(out, text.ptr ? text : SHOAL_STR("~"));
    }
    shoal_buf_addc(out, '\n');
  }
  shoal_rows_free(rows);
  return status == SHOAL_DONE ? SHOAL_OK : status;
}
