/* SPDX-License-Identifier: Apache-2.0 */
/* shoal cache: what this machine keeps for the project besides the lake. */
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "cli/commands.h"

static void print_json(const shoal_cache *caches, size_t n) {
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_key(&w, "caches");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < n; i++) {
    shoal_jw_obj(&w);
    shoal_jw_kz(&w, "what", caches[i].what);
    shoal_jw_kstr(&w, "path", caches[i].path);
    shoal_jw_ki64(&w, "files", (int64_t)caches[i].files);
    shoal_jw_ki64(&w, "bytes", (int64_t)caches[i].bytes);
    shoal_jw_end(&w);
  }
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  puts(shoal_buf_z(&b));
  shoal_buf_dispose(&b);
}

static int print_text(cli *c, const shoal_cache *caches, size_t n) {
  const char **cells = SHOAL_NEW_ARRAY(&c->arena, const char *, n * 3);
  if (!cells)
    return EXIT_ERROR;
  for (size_t i = 0; i < n; i++) {
    cells[3 * i] = caches[i].what;
    cells[3 * i + 1] = cli_bytes(c, caches[i].bytes);
    cells[3 * i + 2] = caches[i].path.ptr;
  }
  static const bool right[] = {false, true, false};
  cli_table(cells, n, 3, right);
  puts("shoal cache clear removes the index: the next command reads the project anew");
  return EXIT_DONE;
}

static int clear(cli *c, const shoal_cache *caches, size_t n) {
  shoal_error err = {0};
  uint64_t bytes = 0;
  for (size_t i = 0; i < n; i++)
    bytes += caches[i].clears ? caches[i].bytes : 0;
  if (shoal_session_clear_caches(c->s, &err) < 0)
    return cli_fail(c, &err);
  if (c->json)
    printf("{\"schema_version\":1,\"cleared_bytes\":%llu}\n", (unsigned long long)bytes);
  else if (!c->quiet)
    printf("cleared %s\n", cli_bytes(c, bytes));
  return EXIT_DONE;
}

static int run(cli *c) {
  shoal_error err = {0};
  shoal_cache *caches;
  size_t n;
  if (c->argc && strcmp(c->argv[0], "clear"))
    return cli_usage(c, "'%s' is not something that caches do: clear", c->argv[0]);
  int rc = cli_open(c);
  if (rc)
    return rc;
  if (shoal_session_caches(c->s, &caches, &n, &err) < 0)
    return cli_fail(c, &err);
  if (c->argc)
    return clear(c, caches, n);
  if (!c->json)
    return print_text(c, caches, n);
  print_json(caches, n);
  return EXIT_DONE;
}

static const cli_option options[] = {{NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {{"shoal cache", "what there is, how large, and where"},
                                       {"shoal cache clear", "costs time, nothing else"},
                                       {NULL, NULL}};
const cli_command cmd_cache = {
    "cache", "Show or clear what this machine keeps for the project.", "[clear]", options, examples, 1, run};
