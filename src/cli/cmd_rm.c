/* SPDX-License-Identifier: Apache-2.0 */
/* shoal rm: datasets leave the branch. Earlier publications keep them, and nothing that was computed is lost. */
#include "base/str.h"
#include "cli/commands.h"

static int run(cli *c) {
  shoal_error err = {0};
  shoal_str *changed;
  size_t n;
  int64_t publication;
  if (c->argc == 0)
    return cli_usage(c, "which datasets?");
  int rc = cli_open(c);
  if (rc)
    return rc;
  shoal_str *names;
  if (cli_args(c, &names, &err) < 0)
    return cli_fail(c, &err);
  if (shoal_session_remove(c->s, names, (size_t)c->argc, cli_has(c, "force"), cli_value(c, "message"), &changed, &n,
                           &publication, &err) < 0)
    return cli_fail(c, &err);
  if (c->json) {
    printf("{\"schema_version\":1,\"publication\":%lld,\"datasets\":%zu}\n", (long long)publication, n);
    return EXIT_DONE;
  }
  printf("published #%lld on %.*s: ", (long long)publication, SHOAL_FMT(c->s->branch));
  for (size_t i = 0; i < n && i < 10; i++)
    printf("%s%.*s", i ? ", " : "", SHOAL_FMT(changed[i]));
  printf("%s removed; back with shoal rollback DATASET --to %.*s~1\n", n > 10 ? " …" : "", SHOAL_FMT(c->s->branch));
  return EXIT_DONE;
}

static const cli_option options[] = {
    {"force", 0, NULL, "even if a model makes it, and the next run brings it back", false, false},
    {"message", 'm', "TEXT", "a message for the publication", false, false},
    {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {
    {"shoal rm gold.delays --force", "a dataset"}, {"shoal rm 'gold.*' --force", "a schema"}, {NULL, NULL}};
const cli_command cmd_rm = {
    "rm", "Take datasets off the branch; their results stay.", "DATASET… [options]", options, examples, -1, run};
