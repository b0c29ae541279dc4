/* SPDX-License-Identifier: Apache-2.0 */
/* The engine contract, on both engines. */
#include "contract/engine_contract.h"

#include <stdio.h>

#include "base/str.h"
#include "support/support.h"

static shoal_engine *open_duckdb(const char *folder) {
  char allowed[512];
  snprintf(allowed, sizeof allowed, "%s/", folder);
  shoal_str paths[] = {shoal_str_z(allowed)};
  shoal_engine_config config = {.threads = 2, .memory = 512u << 20, .allowed = paths, .n_allowed = 1, .locked = true};
  shoal_error err = {0};
  shoal_engine *e = NULL;
  CHECK_OK(shoal_engine_open_duckdb(&config, &e, &err), &err);
  return e;
}

static shoal_engine *open_null(const char *folder) {
  shoal_error err = {0};
  shoal_engine *e = NULL;
  (void)folder;
  CHECK_OK(shoal_engine_open_null(&e, &err), &err);
  return e;
}

int main(void) {
  static const engine_case cases[] = {{"duckdb", open_duckdb, true}, {"null", open_null, false}};
  return engine_contract_run(&cases[0]) + engine_contract_run(&cases[1]);
}
