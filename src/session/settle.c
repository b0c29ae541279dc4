/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariant 10. After a run that leaves everything as the code says, the index remembers: the digest of the watched
 * files, the mark of the branch's newest entry (so that a lake set back by a power loss or a backup is noticed), its
 * next entry (which must not be there), its watermark's bytes, how many results were
 * ever condemned, and the next commit of every Delta source (which must
 * not be there either). While all that stands, a run has nothing to do, and finding out costs a stat per file and one
 * batch of small reads.
 */
#include "base/codec.h"
#include "base/os.h"
#include "base/str.h"
#include "session/session.h"

/* Under which name it is remembered: the branch, and what the command line overrides. */
static char *settled_key(shoal_session *s) {
  shoal_hasher h;
  char hex[SHOAL_HASH_HEX + 1];
  shoal_hasher_init(&h, "shoal/5/settled");
  shoal_hasher_z(&h, SHOAL_VERSION);
  shoal_hasher_str(&h, s->branch);
  shoal_hasher_z(&h, s->options.lake);
  shoal_python_environment_hash(&s->arena, &h);
  shoal_hasher_list(&h, s->options.n_vars);
  for (size_t i = 0; i < s->options.n_vars; i++)
    shoal_hasher_str(&h, s->options.vars[i]);
  shoal_engine_settings_hash(&h);
  shoal_hash key = shoal_hasher_end(&h);
  shoal_hash_hex(&key, hex);
  return shoal_arena_printf(&s->arena, "settled:%s", hex);
}

/* The watermark lies beside the branch's entries. */
static shoal_str watermark_key(shoal_str entry_key, shoal_arena *arena) {
  size_t slash = (size_t)(shoal_str_rchr(entry_key, '/') + 1);
  return shoal_str_z(shoal_arena_printf(arena, "%.*sprojected.json", SHOAL_FMT(shoal_str_sub(entry_key, 0, slash))));
}

static shoal_status watermark_bytes(shoal_session *s, shoal_str entry_key, shoal_buf *out, shoal_error *err) {
  shoal_str key = watermark_key(entry_key, &s->arena);
  if (!key.ptr)
    return shoal_fail_nomem(err);
  shoal_status status = shoal_store_get(s->store, key, out, err);
  return status == SHOAL_ENOTFOUND ? SHOAL_OK : status;
}

/* `log` is the branch, or where a branch that was never published would start. */
static shoal_status write_record(shoal_session *s, shoal_str log, int64_t publication, uint64_t n_datasets,
                                 shoal_buf *b, shoal_error *err) {
  shoal_buf entry = {0}, mark = {0}, newest = {0}, absent = {0};
  shoal_hash digest = shoal_watch_encoded_digest(shoal_index_view(s->index, SHOAL_SESSION_WATCH_KEY));
  shoal_index_release(s->index);
  shoal_status status = shoal_branch_entry_key(log, publication + 1, &entry, err);
  if (status >= 0)
    status = shoal_branch_entry_key(log, publication, &newest, err);
  if (status >= 0 && !shoal_str_eq(log, s->branch))
    status = shoal_branch_entry_key(s->branch, 0, &absent, err);
  if (status >= 0)
    status = watermark_bytes(s, shoal_buf_str(&entry), &mark, err);
  if (status >= 0) {
    shoal_put_hash(b, &digest);
    shoal_put_str(b, s->lake_path);
    shoal_put_str(b, shoal_buf_str(&newest));
    shoal_put_str(b, shoal_str_z(shoal_session_entry_mark(s->store, shoal_buf_str(&newest), &s->arena)));
    shoal_put_str(b, shoal_buf_str(&entry));
    shoal_put_str(b, shoal_buf_str(&mark));
    shoal_put_str(b, shoal_buf_str(&absent));
    shoal_put_u64(b, n_datasets);
    shoal_put_u64(b, s->n_condemned);
    uint32_t n = 0;
    for (size_t i = 0; i < s->config.n_sources; i++)
      n += s->externals[i].table_path.ptr != NULL;
    shoal_put_u32(b, n);
    for (size_t i = 0; i < s->config.n_sources; i++)
      if (s->externals[i].table_path.ptr) {
        shoal_put_str(b, s->externals[i].table_path);
        shoal_put_u64(b, (uint64_t)s->externals[i].version);
      }
    status = shoal_buf_check(b, err);
  }
  shoal_buf_dispose(&entry);
  shoal_buf_dispose(&mark);
  shoal_buf_dispose(&newest);
  shoal_buf_dispose(&absent);
  return status;
}

shoal_status shoal_session_settle(shoal_session *s, uint64_t n_datasets, shoal_error *err) {
  const shoal_state *head = s->head ? s->head : s->state;
  shoal_str log = s->head || !s->branch_is_new ? s->branch : s->fork_branch;
  shoal_buf b = {0};
  char *key = settled_key(s);
  if (!key || !s->index)
    return key ? SHOAL_OK : shoal_fail_nomem(err);
  if (!shoal_str_eq(log, s->branch) && !shoal_str_eq(log, s->lake->trunk))
    return SHOAL_OK; /* a run without --from would start elsewhere */
  shoal_session_remember(s);
  /* Of what was planned and published: where others have gone on since, the next run looks at that. */
  shoal_status status = write_record(s, log, head->publication, n_datasets, &b, err);
  if (status >= 0)
    status = shoal_index_put(s->index, &(shoal_index_item){shoal_str_z(key), shoal_buf_str(&b)}, 1, err);
  shoal_buf_dispose(&b);
  return status;
}

/* True if no commit follows the version that was read. */
static bool delta_head_stands(shoal_session *s, shoal_str path, uint64_t version) {
  char *next =
      shoal_arena_printf(&s->arena, "%.*s/_delta_log/%020llu.json", SHOAL_FMT(path), (unsigned long long)version + 1);
  char *last = shoal_arena_printf(&s->arena, "%.*s/_delta_log", SHOAL_FMT(path));
  shoal_stat st;
  return next && last && shoal_os_stat_at(-100, next, &st) == -2 && shoal_os_stat_at(-100, last, &st) == 0;
}

/* Where the branch stood. */
typedef struct settled_branch {
  shoal_str lake, newest, newest_mark, next, watermark;
  shoal_str absent; /* entry 0 of a branch that is not there yet; empty: there is one */
  uint64_t n_condemned;
} settled_branch;

static bool branch_stands(shoal_session *s, const settled_branch *was) {
  shoal_store *store = NULL;
  shoal_error ignored;
  shoal_condemned *marks;
  size_t n;
  shoal_get gets[3] = {{.key = was->next}, {.key = watermark_key(was->next, &s->arena)}, {.key = was->absent}};
  size_t n_gets = was->absent.len ? 3 : 2;
  char *path = shoal_arena_cstr(&s->arena, was->lake);
  if (!path || !gets[1].key.ptr || shoal_store_open_file(path, false, &store, &ignored) < 0)
    return false;
  bool ok = shoal_store_get_many(store, gets, n_gets, &s->arena, &ignored) >= 0 && gets[0].status == SHOAL_ENOTFOUND &&
            (n_gets < 3 || gets[2].status == SHOAL_ENOTFOUND) &&
            (gets[1].status == SHOAL_OK ? shoal_str_eq(gets[1].bytes, was->watermark)
                                        : gets[1].status == SHOAL_ENOTFOUND && was->watermark.len == 0);
  char *mark = ok ? shoal_session_entry_mark(store, was->newest, &s->arena) : NULL;
  ok = ok && mark && shoal_str_is(was->newest_mark, mark) &&
       shoal_condemned_list(store, &s->arena, &marks, &n, &ignored) >= 0 && n == was->n_condemned;
  shoal_store_free(store);
  return ok;
}

bool shoal_session_settled(shoal_session *s, uint64_t *n_datasets) {
  if (!s->index || !s->branch.ptr || !s->root || s->options.from)
    return false;
  char *key = settled_key(s);
  shoal_decoder d = {.rest = key ? shoal_index_view(s->index, shoal_str_z(key)) : SHOAL_STR_NONE};
  shoal_hash digest = shoal_take_hash(&d);
  shoal_str watch = shoal_index_view(s->index, SHOAL_SESSION_WATCH_KEY);
  shoal_hash now = shoal_watch_encoded_digest(watch);
  bool same =
      !d.failed && shoal_hash_eq(&digest, &now) && shoal_watch_verify(s->root, watch, &s->arena, &s->seen, &s->edited);
  if (!same && s->seen.n) /* the scan goes on from here, whatever others write meanwhile */
    s->old_watch = shoal_arena_str(&s->arena, watch);
  settled_branch was = {.lake = shoal_take_str(&d)};
  was.newest = shoal_take_str(&d);
  was.newest_mark = shoal_take_str(&d);
  was.next = shoal_take_str(&d);
  was.watermark = shoal_take_str(&d);
  was.absent = shoal_take_str(&d);
  *n_datasets = shoal_take_u64(&d);
  was.n_condemned = shoal_take_u64(&d);
  uint32_t n = shoal_take_count(&d, 12);
  for (uint32_t i = 0; i < n && same; i++) {
    shoal_str path = shoal_take_str(&d);
    uint64_t version = shoal_take_u64(&d);
    same = !d.failed && delta_head_stands(s, path, version);
  }
  same = same && !d.failed && branch_stands(s, &was);
  shoal_index_release(s->index);
  return same;
}
