/* SPDX-License-Identifier: Apache-2.0 */
/* shoal log: the publications of a branch, or the versions of a dataset. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/commands.h"

#define SHOWN_NAMES 5

static bool touches(const shoal_publication *p, shoal_str dataset) {
  for (size_t i = 0; i < p->n_changes; i++)
    if (shoal_str_eq(p->changes[i].name, dataset))
      return true;
  return dataset.ptr == NULL;
}

static void changes_text(cli *c, const shoal_publication *p, shoal_str dataset) {
  static const char *const marks[] = {"", "−", "pinned ", "released ", "from its base: "};
  if (dataset.ptr) {
    for (size_t i = 0; i < p->n_changes; i++)
      if (shoal_str_eq(p->changes[i].name, dataset) && p->changes[i].kind != SHOAL_CHANGE_REMOVE)
        printf("    %s%s, %s, computed by %.*s in %s\n", marks[p->changes[i].kind],
               cli_extent(c, &p->changes[i].result), cli_bytes(c, p->changes[i].result.bytes),
               SHOAL_FMT(p->changes[i].result.writer), cli_time(c, p->changes[i].result.wall_us));
    return;
  }
  if (p->n_changes == 0)
    return;
  fputs("    ", stdout);
  for (size_t i = 0; i < p->n_changes && i < SHOWN_NAMES; i++)
    printf("%s%s%.*s", i ? ", " : "", marks[p->changes[i].kind], SHOAL_FMT(p->changes[i].name));
  if (p->n_changes > SHOWN_NAMES)
    printf(" and %zu more", p->n_changes - SHOWN_NAMES);
  putchar('\n');
}

static void entry_text(cli *c, const shoal_publication *p, shoal_str dataset) {
  printf("%s#%lld%s on %.*s  %s by %.*s", cli_on(c, STYLE_YELLOW), (long long)p->number, cli_off(c),
         SHOAL_FMT(p->branch), cli_ago(c, p->time_us), SHOAL_FMT(p->writer));
  if (p->git_commit.ptr)
    printf("  git %.*s%s", 10, p->git_commit.ptr, p->git_dirty ? " with changes" : "");
  if (p->fork_branch.ptr)
    printf("  (%.*s, from %.*s #%lld)", SHOAL_FMT(p->kind), SHOAL_FMT(p->fork_branch), (long long)p->fork_publication);
  else if (!shoal_str_is(p->kind, "run"))
    printf("  (%.*s)", SHOAL_FMT(p->kind));
  putchar('\n');
  if (p->message.len)
    printf("    %.*s\n", SHOAL_FMT(p->message));
  changes_text(c, p, dataset);
}

static void entry_json(const shoal_publication *p) {
  static const char *const kinds[] = {"set", "remove", "pin", "unpin", "inherit"};
  char text[SHOAL_TIME_TEXT], hex[SHOAL_HASH_HEX + 1];
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_time_text(p->time_us, text);
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_ki64(&w, "publication", p->number);
  shoal_jw_kstr(&w, "branch", p->branch);
  shoal_jw_kz(&w, "time", text);
  shoal_jw_kstr(&w, "kind", p->kind);
  shoal_jw_kstr(&w, "writer", p->writer);
  shoal_jw_kstr(&w, "run", p->run);
  shoal_jw_kstr(&w, "message", p->message);
  shoal_jw_kstr(&w, "git_commit", p->git_commit);
  shoal_jw_kbool(&w, "git_dirty", p->git_dirty);
  shoal_jw_key(&w, "changes");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < p->n_changes; i++) {
    const shoal_change *ch = &p->changes[i];
    shoal_jw_obj(&w);
    shoal_jw_kz(&w, "change", kinds[ch->kind]);
    shoal_jw_kstr(&w, "dataset", ch->name);
    if (ch->kind != SHOAL_CHANGE_REMOVE && ch->kind != SHOAL_CHANGE_UNPIN) {
      shoal_hash_hex(&ch->result.signature, hex);
      shoal_jw_kz(&w, "signature", hex);
      shoal_jw_ki64(&w, "rows", (int64_t)ch->result.rows);
      shoal_jw_ki64(&w, "bytes", (int64_t)ch->result.bytes);
    }
    shoal_jw_end(&w);
  }
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  puts(shoal_buf_z(&b));
  shoal_buf_dispose(&b);
}

static int run(cli *c) {
  shoal_error err = {0};
  shoal_state *at = NULL;
  const char *most = cli_value(c, "number");
  int64_t left = most ? strtoll(most, NULL, 10) : INT64_MAX;
  shoal_str dataset = c->argc ? shoal_str_z(c->argv[0]) : SHOAL_STR_NONE;
  int rc = cli_open(c);
  if (rc)
    return rc;
  if (shoal_session_revision(c->s, SHOAL_STR(""), &at, &err) < 0)
    return cli_fail(c, &err);
  shoal_str branch = shoal_arena_str(&c->arena, at->branch);
  int64_t n = at->publication;
  bool any = false;
  while (left > 0 && rc == 0) {
    for (; n > 0 && left > 0 && rc == 0; n--) {
      shoal_arena arena = {0};
      shoal_publication p;
      if (shoal_publication_read(c->s->lake, branch, n, &arena, &p, &err) < 0)
        rc = cli_fail(c, &err);
      else if (touches(&p, dataset)) {
        any = true;
        left--;
        if (c->json)
          entry_json(&p);
        else
          entry_text(c, &p, dataset);
      }
      shoal_arena_dispose(&arena);
    }
    shoal_state_free(at); /* where it began; its base may have been moved since */
    at = NULL;
    if (rc == 0 && shoal_branch_load(c->s->lake, branch, 0, &at, &err) < 0)
      return cli_fail(c, &err);
    if (rc || !at->fork_branch.ptr)
      break;
    branch = shoal_arena_str(&c->arena, at->fork_branch);
    n = at->fork_publication;
    shoal_state_free(at);
    at = NULL;
    if (shoal_branch_load(c->s->lake, branch, n, &at, &err) < 0)
      return cli_fail(c, &err);
  }
  if (!any && rc == 0 && !c->json)
    puts(dataset.ptr ? "nothing was ever published of it" : "nothing has been published yet: shoal run");
  shoal_state_free(at);
  return rc;
}

static const cli_option options[] = {{"number", 'n', "N", "the newest N", false, false},
                                     {NULL, 0, NULL, NULL, false, false}};
static const cli_example examples[] = {{"shoal log", "publications, newest first"},
                                       {"shoal log gold.delays -n 3", "the last versions of a dataset"},
                                       {NULL, NULL}};
const cli_command cmd_log = {"log",
                             "Show the publications of the branch, or the versions of a dataset.",
                             "[DATASET] [-n N]",
                             options,
                             examples,
                             1,
                             run};
