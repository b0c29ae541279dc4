/* SPDX-License-Identifier: Apache-2.0 */
/* shoal fsck: whether what was published is whole. */
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "cli/commands.h"

static void broken_json(shoal_jw *w, const shoal_damaged *b) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_hash_hex(&b->result.signature, hex);
  shoal_jw_obj(w);
  shoal_jw_kstr(w, "dataset", b->dataset);
  shoal_jw_kstr(w, "branch", b->branch);
  shoal_jw_ki64(w, "publication", b->publication);
  shoal_jw_kz(w, "signature", hex);
  shoal_jw_ki64(w, "generation", b->result.generation);
  shoal_jw_kstr(w, "attempt", b->result.attempt);
  shoal_jw_kstr(w, "why", b->why);
  shoal_jw_kbool(w, "condemned", b->condemned);
  shoal_jw_kbool(w, "pinned", b->pinned);
  shoal_jw_end(w);
}

static void print_json(const shoal_fsck_report *r) {
  shoal_buf out = {0};
  shoal_jw w = {.out = &out};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_ki64(&w, "results", (int64_t)r->n_results);
  shoal_jw_ki64(&w, "bytes", (int64_t)r->bytes);
  shoal_jw_key(&w, "broken");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < r->broken.len; i++)
    broken_json(&w, &r->broken.ptr[i]);
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  puts(shoal_buf_z(&out));
  shoal_buf_dispose(&out);
}

static void print_text(cli *c, const shoal_fsck_report *r) {
  size_t open = 0, pinned = 0;
  for (size_t i = 0; i < r->broken.len; i++) {
    const shoal_damaged *b = &r->broken.ptr[i];
    open += !b->condemned;
    pinned += b->pinned;
    printf("%sbroken%s  %.*s of %.*s #%lld: %.*s%s\n", cli_on(c, STYLE_RED), cli_off(c), SHOAL_FMT(b->dataset),
           SHOAL_FMT(b->branch), (long long)b->publication, SHOAL_FMT(b->why),
           b->condemned ? "; condemned"
           : b->pinned  ? "; pinned"
                        : "");
  }
  printf("%s result%s looked at, %s: ", cli_count(c, r->n_results), r->n_results == 1 ? "" : "s",
         cli_bytes(c, r->bytes));
  if (r->broken.len == 0)
    puts("all are whole");
  else
    printf("%zu broken\n", r->broken.len);
  if (open)
    puts("shoal fsck --repair condemns them, and the next run computes them anew");
  else if (r->broken.len)
    puts("the next run computes them anew: shoal run");
  if (pinned)
    puts("no run replaces what is pinned: shoal rollback --release DATASET");
}

static int run(cli *c) {
  shoal_error err = {0};
  shoal_fsck_report report;
  int rc = cli_open(c);
  if (rc)
    return rc;
  shoal_fsck_options options = {
      .all = cli_has(c, "all"), .content = cli_has(c, "content"), .repair = cli_has(c, "repair")};
  if (shoal_session_fsck(c->s, &options, &report, &err) < 0)
    rc = cli_fail(c, &err);
  else if (c->json)
    print_json(&report);
  else if (!c->quiet || report.broken.len)
    print_text(c, &report);
  if (rc == 0 && report.broken.len)
    rc = EXIT_ERROR;
  shoal_fsck_report_dispose(&report);
  return rc;
}

static const cli_option options[] = {
    {"content", 0, NULL, "read the rows too and compare them with their recorded hash", false, false},
    {"all", 0, NULL, "every publication of every branch, not only the head", false, false},
    {"repair", 0, NULL, "condemn what is broken, so that the next run computes it anew", false, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {{"shoal fsck", "the branch's head: files and sizes"},
                                       {"shoal fsck --all --content", "everything, by its rows"},
                                       {NULL, NULL}};
const cli_command cmd_fsck = {"fsck", "Verify that what was published is whole.", "[options]", options, examples, 0,
                              run};
