/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification: every result that publications name is looked at, each once, though many publications share it. A
 * result is sound when its table can be read and every file has its size; with `content`, when its rows give the hash
 * that was recorded as well. Condemning is the whole repair: results can always be computed anew.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/os.h"
#include "base/str.h"
#include "session/session.h"

typedef struct checker {
  shoal_session *s;
  const shoal_fsck_options *options;
  shoal_fsck_report *report;
  shoal_map seen; /* attempts */
} checker;

/* Reads the rows again and compares. *why is NULL if they are as recorded. */
static shoal_status check_rows(checker *c, const shoal_result *r, const char **why, shoal_error *err) {
  shoal_engine *engine;
  shoal_query q;
  char *staging = NULL;
  shoal_outcome made = {0};
  shoal_str name = SHOAL_STR("rows_of_result");
  SHOAL_TRY(shoal_session_engine(c->s, &engine, err));
  SHOAL_TRY(shoal_session_query_results(c->s, &name, &r, 1, SHOAL_STR("from rows_of_result"), &q, err));
  shoal_status status = shoal_store_staging(c->s->store, &q.arena, &staging, err);
  if (status >= 0) {
    q.job.staging = staging;
    q.job.rows_hash = true;
    status = shoal_engine_execute(engine, &q.job, &q.arena, &made, err);
    shoal_ignore(shoal_os_remove_tree(staging, NULL)); /* the next staging clears what is left */
  }
  if (status == SHOAL_EENGINE || status == SHOAL_ECORRUPT) {
    *why = "its files can't be read";
    status = SHOAL_OK;
  } else if (status >= 0 && made.rows != r->rows) {
    *why = "it has another number of rows than was recorded";
  } else if (status >= 0 && !shoal_hash_zero(&r->rows_hash) && !shoal_hash_eq(&r->rows_hash, &made.rows_hash)) {
    *why = "its rows are not those that were recorded";
  }
  shoal_query_dispose(&q);
  return status;
}

/* An object's bytes against their hash. */
static shoal_status check_payload(checker *c, const shoal_result *r, const char **why, shoal_error *err) {
  shoal_buf bytes = {0};
  shoal_status status = shoal_result_payload(c->s->lake, r, &bytes, err);
  shoal_buf_dispose(&bytes);
  if (status != SHOAL_ECORRUPT)
    return status;
  *why = "its bytes are not those that were recorded";
  return SHOAL_OK;
}

static shoal_status condemn(checker *c, shoal_damaged *b, shoal_error *err) {
  shoal_lookup now = {.signature = b->result.signature};
  SHOAL_TRY(shoal_claims_lookup(c->s->lake, &now, 1, &c->report->arena, err));
  b->condemned = !now.found || now.result.generation != b->result.generation;
  if (b->condemned || !c->options->repair)
    return SHOAL_OK;
  shoal_status status = shoal_result_condemn(c->s->lake, &b->result, b->why.ptr, err);
  b->condemned = status >= 0 || status == SHOAL_EEXIST; /* somebody else has done it */
  return b->condemned ? SHOAL_OK : status;
}

static shoal_status add_broken(checker *c, shoal_str dataset, shoal_str branch, int64_t publication, bool pinned,
                               const shoal_result *r, const char *why, shoal_error *err) {
  shoal_damaged *b = shoal_vec_add(&c->report->broken);
  if (!b)
    return shoal_fail_nomem(err);
  *b = (shoal_damaged){.dataset = shoal_arena_str(&c->report->arena, dataset),
                       .branch = shoal_arena_str(&c->report->arena, branch),
                       .publication = publication,
                       .why = shoal_str_z(why),
                       .pinned = pinned};
  if (!b->dataset.ptr || !b->branch.ptr)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_result_copy(r, &c->report->arena, &b->result, err));
  return condemn(c, b, err);
}

static shoal_status check_result(checker *c, shoal_str dataset, shoal_str branch, int64_t publication, bool pinned,
                                 const shoal_result *r, shoal_error *err) {
  bool complete, wanted = c->options->n_only == 0;
  const char *why = NULL;
  for (size_t i = 0; i < c->options->n_only && !wanted; i++)
    wanted = shoal_str_glob(c->options->only[i], dataset);
  if (!wanted)
    return SHOAL_OK;
  if (shoal_map_get(&c->seen, r->attempt) != SHOAL_MAP_NONE)
    return SHOAL_OK;
  shoal_str key = shoal_arena_str(&c->report->arena, r->attempt);
  if (!key.ptr)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_map_put(&c->seen, key, 1, err));
  if (c->s->options.cancel && atomic_load(&c->s->options.cancel->requested))
    return shoal_fail(err, SHOAL_ECANCELLED, "cancelled after %zu results", c->report->n_results);
  c->report->n_results++;
  c->report->bytes += r->bytes;
  SHOAL_TRY(shoal_result_complete(c->s->lake, r, &complete, err));
  if (!complete)
    why = "a file of it is missing or has another size";
  else if (c->options->content)
    SHOAL_TRY(r->codec.ptr ? check_payload(c, r, &why, err) : check_rows(c, r, &why, err));
  return why ? add_broken(c, dataset, branch, publication, pinned, r, why, err) : SHOAL_OK;
}

static shoal_status check_head(checker *c, shoal_error *err) {
  SHOAL_TRY(shoal_session_load_state(c->s, err));
  const shoal_state *st = c->s->state;
  for (size_t i = 0; i < st->n_entries; i++) {
    const shoal_entry *e = &st->entries[i];
    SHOAL_TRY(check_result(c, e->name, st->branch, e->publication, e->pinned, &e->result, err));
  }
  return SHOAL_OK;
}

static shoal_status check_branch(checker *c, shoal_str branch, shoal_error *err) {
  shoal_state *head;
  shoal_status status = shoal_branch_load(c->s->lake, branch, -1, &head, err);
  if (status == SHOAL_ENOTFOUND)
    return SHOAL_OK; /* a deleted one */
  SHOAL_TRY(status);
  for (int64_t n = head->publication; n > 0 && status >= 0; n--) {
    shoal_arena arena = {0};
    shoal_publication p;
    status = shoal_publication_read(c->s->lake, branch, n, &arena, &p, err);
    for (size_t i = 0; status >= 0 && i < p.n_changes; i++) {
      shoal_change_kind kind = p.changes[i].kind;
      if (kind == SHOAL_CHANGE_SET || kind == SHOAL_CHANGE_PIN)
        status = check_result(c, p.changes[i].name, branch, n, kind == SHOAL_CHANGE_PIN, &p.changes[i].result, err);
    }
    shoal_arena_dispose(&arena);
    if (status == SHOAL_ENOTFOUND) /* collected: older than what is kept */
      break;
  }
  shoal_state_free(head);
  return status == SHOAL_ENOTFOUND ? SHOAL_OK : status;
}

static shoal_status check_all(checker *c, shoal_error *err) {
  shoal_str *branches;
  size_t n;
  SHOAL_TRY(shoal_branch_list(c->s->lake, &c->report->arena, &branches, &n, err));
  for (size_t i = 0; i < n; i++)
    SHOAL_TRY(check_branch(c, branches[i], err));
  return SHOAL_OK;
}

shoal_status shoal_session_fsck(shoal_session *s, const shoal_fsck_options *options, shoal_fsck_report *out,
                                shoal_error *err) {
  *out = (shoal_fsck_report){0};
  checker c = {s, options, out, {0}};
  shoal_status status = shoal_session_open_lake(s, false, err);
  if (status >= 0)
    status = check_head(&c, err);
  if (status >= 0 && options->all)
    status = check_all(&c, err);
  shoal_map_dispose(&c.seen);
  return status;
}

void shoal_fsck_report_dispose(shoal_fsck_report *r) {
  shoal_vec_dispose(&r->broken);
  shoal_arena_dispose(&r->arena);
}

shoal_status shoal_session_dataset_of(shoal_session *s, const char *path, shoal_str *out, shoal_error *err) {
  char *real, *lake;
  shoal_str rest, schema, name, skipped;
  *out = SHOAL_STR_NONE;
  shoal_status status = s->outside ? SHOAL_ENOTFOUND : shoal_session_open_lake(s, false, err);
  if (status == SHOAL_ENOTFOUND || s->imagined) /* what is not there holds nothing */
    return SHOAL_OK;
  SHOAL_TRY(status);
  SHOAL_TRY(shoal_os_realpath(path, &s->arena, &real, err));
  SHOAL_TRY(shoal_os_realpath(s->lake_path.ptr, &s->arena, &lake, err));
  rest = shoal_str_z(real);
  size_t n = strlen(lake);
  if (!shoal_str_starts(rest, shoal_str_z(lake)) || rest.len <= n + 1 || rest.ptr[n] != '/')
    return SHOAL_OK;
  rest = shoal_str_sub(rest, n + 1, rest.len);
  if (shoal_str_starts(rest, SHOAL_STR("_branches/"))) { /* the folder of a branch stands before */
    (void)shoal_str_split(&rest, '/', &skipped);
    (void)shoal_str_split(&rest, '/', &skipped);
  }
  if (!shoal_str_split(&rest, '/', &schema) || !shoal_str_split(&rest, '/', &name) ||
      shoal_str_starts(schema, SHOAL_STR("_")))
    return SHOAL_OK;
  char *text = shoal_arena_printf(&s->arena, "%.*s.%.*s", SHOAL_FMT(schema), SHOAL_FMT(name));
  *out = shoal_str_z(text);
  return text ? SHOAL_OK : shoal_fail_nomem(err);
}

static shoal_status get_engine(void *arg, shoal_engine **out, shoal_error *err) {
  return shoal_session_engine(arg, out, err);
}

shoal_status shoal_session_fsck_table(shoal_session *s, const char *path, bool content, shoal_delta_verified *out,
                                      shoal_error *err) {
  shoal_store *store = NULL;
  char *real;
  *out = (shoal_delta_verified){0};
  SHOAL_TRY(shoal_session_configure(s, err));
  SHOAL_TRY(shoal_os_realpath(path, &s->arena, &real, err));
  if (content) /* a clone's files lie wherever its log says, and no more is told of them than what contradicts it */
    SHOAL_TRY(shoal_session_allow(s, "", err));
  SHOAL_TRY(shoal_store_open_file(real, false, &store, err));
  shoal_delta_table table = {
      .store = store, .prefix = SHOAL_STR(""), .get_engine = get_engine, .engine_arg = s, .anywhere = true};
  shoal_status status = shoal_delta_verify(&table, content, &s->arena, out, err);
  shoal_store_free(store);
  return status;
}
