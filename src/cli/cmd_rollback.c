/* SPDX-License-Identifier: Apache-2.0 */
/* shoal rollback: datasets go back to what they were, and stay there. */
#include "base/str.h"
#include "cli/commands.h"

static int run(cli *c) {
  shoal_error err = {0};
  const char *to = cli_value(c, "to");
  bool release = cli_has(c, "release");
  shoal_str *changed;
  size_t n;
  int64_t publication;
  if (!to == !release)
    return cli_usage(c, "say --to REV, or --release");
  int rc = cli_open(c);
  if (rc)
    return rc;
  shoal_str *names;
  if (cli_args(c, &names, &err) < 0)
    return cli_fail(c, &err);
  shoal_status status = release ? shoal_session_release(c->s, names, (size_t)c->argc, &changed, &n, &publication, &err)
                                : shoal_session_rollback(c->s, names, (size_t)c->argc, shoal_str_z(to),
                                                         cli_value(c, "message"), &changed, &n, &publication, &err);
  if (status < 0)
    return cli_fail(c, &err);
  if (c->json) {
    printf("{\"schema_version\":1,\"publication\":%lld,\"datasets\":%zu}\n", (long long)publication, n);
    return EXIT_DONE;
  }
  if (n == 0) {
    puts(release ? "nothing is pinned" : "nothing to do: everything is as it was then");
    return EXIT_DONE;
  }
  printf("published #%lld on %.*s: ", (long long)publication, SHOAL_FMT(c->s->branch));
  for (size_t i = 0; i < n && i < 10; i++)
    printf("%s%.*s", i ? ", " : "", SHOAL_FMT(changed[i]));
  printf("%s %s\n", n > 10 ? " …" : "",
         release ? "released: the next run follows the code"
                 : "pinned: runs leave it alone until shoal rollback --release");
  return EXIT_DONE;
}

static const cli_option options[] = {{"to", 0, "REV", "the revision: main~1, main@{2h}, #42", false, false},
                                     {"release", 0, NULL, "end the pins", false, false},
                                     {"message", 'm', "TEXT", "a message for the publication", false, false},
                                     {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {
    {"shoal rollback gold.delays --to main~1", "one dataset, as it was one publication ago"},
    {"shoal rollback --to '#1'", "everything that differs from publication 1"},
    {"shoal rollback --release gold.delays", "follow the code again"},
    {NULL, NULL}};
const cli_command cmd_rollback = {"rollback",
                                  "Publish earlier results again and hold datasets there.",
                                  "[DATASET…] --to REV | --release [DATASET…]",
                                  options,
                                  examples,
                                  -1,
                                  run};
