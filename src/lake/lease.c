/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: the right to compute one signature, so that a team does not compute it twice at once (invariant 7). They only
 * save work: should two ever hold one, the claim still decides.
 *
 * Their first bytes are not fsynced: what a power loss leaves of a lease is nobody's.
 *
 *  L1 A lease's objects are numbered epochs, each put if absent; the highest one holds. Only who put an epoch rewrites
 * it. L2 Taking over is putting the next epoch. It is done when the holder's process is gone (same machine, told by its
 *     token), or when the caller has watched the same beat of the same epoch for a lease's life by its own clock. No
 * clock of another machine is ever compared with ours. L3 Giving back removes the epochs, lowest first, so that no dead
 * epoch comes to be the highest; a holder that was taken over removes nothing. L4 A holder that was taken over finds
 * its epoch gone, or a higher one, at its next renewal. L5 Numbers come again once all epochs are gone. So who has put
 * an epoch looks once more: it holds if there is nothing else, or the next one below is the very holder that it saw
 * dead; else it gives its own back and looks anew. Of two that put at once the later one sees the other.
 */
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "lake/object.h"

#define MAX_TAKE_TRIES 100 /* epochs that come and go while we look */

struct shoal_lease {
  shoal_lake *lake;
  shoal_arena arena;
  shoal_hash key;
  uint32_t epoch;
  uint64_t beat;
  char nonce[SHOAL_UUID_TEXT], process[SHOAL_PROCESS_TOKEN], host[256];
  shoal_str run, who, dataset;
  int64_t since_us;
};

typedef struct seen {
  shoal_lease_holder holder;
  shoal_str nonce, process;
} seen;

static void folder_of(const shoal_hash *key, shoal_buf *out) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_hash_hex(key, hex);
  shoal_buf_addf(out, "_shoal/leases/%s/", hex);
}

static shoal_status key_of(const shoal_hash *key, uint32_t epoch, shoal_buf *out, shoal_error *err) {
  folder_of(key, out);
  shoal_buf_addf(out, "%010u.json", epoch);
  return shoal_buf_check(out, err);
}

/* The epoch in an object's key, 0 if it is none. */
static uint32_t epoch_in(shoal_str key) {
  int64_t n;
  ptrdiff_t slash = shoal_str_rchr(key, '/');
  shoal_str name = shoal_str_sub(key, (size_t)(slash + 1), key.len);
  if (!shoal_str_ends(name, SHOAL_STR(".json")) || !shoal_str_i64(shoal_str_sub(name, 0, name.len - 5), &n))
    return 0;
  return n > 0 && n < UINT32_MAX ? (uint32_t)n : 0;
}

/* ---- one epoch's object ---- */

static shoal_status write_lease(const shoal_lease *l, shoal_buf *out, shoal_error *err) {
  shoal_jw w;
  shoal_object_begin(&w, out);
  shoal_jw_ki64(&w, "epoch", l->epoch);
  shoal_jw_kz(&w, "id", l->nonce);
  shoal_jw_kz(&w, "process", l->process);
  shoal_jw_kz(&w, "host", l->host);
  shoal_jw_kstr(&w, "who", l->who);
  shoal_jw_kstr(&w, "run", l->run);
  shoal_jw_kstr(&w, "dataset", l->dataset);
  shoal_jw_ki64(&w, "since_us", l->since_us);
  shoal_jw_ki64(&w, "beat_us", shoal_time_now());
  shoal_jw_ki64(&w, "beat", (int64_t)l->beat);
  return shoal_object_end(&w, err);
}

static shoal_status read_lease(shoal_str text, const char *key, shoal_arena *arena, seen *out, shoal_error *err) {
  yyjson_doc *doc = NULL;
  int64_t epoch = 0, beat = 0;
  *out = (seen){0};
  SHOAL_TRY(shoal_object_parse(text, key, &doc, err));
  yyjson_val *root = yyjson_doc_get_root(doc);
  shoal_lease_holder *h = &out->holder;
  shoal_status st = shoal_json_need_i64(root, "epoch", key, &epoch, err);
  if (st == SHOAL_OK)
    st = shoal_json_need_i64(root, "beat", key, &beat, err);
  if (st == SHOAL_OK)
    st = shoal_json_need_str(root, "id", key, arena, &out->nonce, err);
  if (st == SHOAL_OK)
    st = shoal_json_need_str(root, "process", key, arena, &out->process, err);
  if (st == SHOAL_OK)
    st = shoal_object_read_str(root, "who", arena, &h->who, err);
  if (st == SHOAL_OK)
    st = shoal_object_read_str(root, "host", arena, &h->host, err);
  if (st == SHOAL_OK)
    st = shoal_object_read_str(root, "run", arena, &h->run, err);
  if (st == SHOAL_OK)
    st = shoal_object_read_str(root, "dataset", arena, &h->dataset, err);
  h->since_us = shoal_json_i64(root, "since_us", 0);
  h->beat_us = shoal_json_i64(root, "beat_us", 0);
  h->epoch = (uint32_t)epoch;
  h->beat = (uint64_t)beat;
  yyjson_doc_free(doc);
  return st;
}

static shoal_status get_lease(shoal_lake *lake, const char *key, shoal_arena *arena, seen *out, shoal_error *err) {
  shoal_buf text = {0};
  shoal_status st = shoal_store_get(lake->store, shoal_str_z(key), &text, err);
  if (st == SHOAL_OK)
    st = read_lease(shoal_buf_str(&text), key, arena, out, err);
  shoal_buf_dispose(&text);
  return st;
}

/* ---- taking ---- */

/* The highest epoch below `below`, SHOAL_DONE if there is none; `top` is the highest of all. */
static shoal_status highest(shoal_lake *lake, const shoal_hash *key, uint32_t below, shoal_arena *arena, seen *out,
                            uint32_t *top, shoal_error *err) {
  shoal_buf folder = {0};
  shoal_arena scratch = {0};
  shoal_object *objects;
  size_t n = 0;
  folder_of(key, &folder);
  shoal_status st = shoal_buf_check(&folder, err);
  if (st == SHOAL_OK)
    st = shoal_store_list(lake->store, shoal_buf_str(&folder), SHOAL_STR_NONE, true, 0, &scratch, &objects, &n, err);
  while (st == SHOAL_OK && n > 0 && epoch_in(objects[n - 1].key) == 0)
    n--;
  *top = st == SHOAL_OK && n > 0 ? epoch_in(objects[n - 1].key) : 0;
  while (st == SHOAL_OK && n > 0 && epoch_in(objects[n - 1].key) >= below)
    n--;
  if (st == SHOAL_OK)
    st = n == 0 ? SHOAL_DONE : get_lease(lake, objects[n - 1].key.ptr, arena, out, err);
  if (st == SHOAL_ECORRUPT) { /* a power loss left it: its number is taken, and nobody has it */
    *out = (seen){.holder = {.epoch = epoch_in(objects[n - 1].key)}};
    st = SHOAL_OK;
  }
  shoal_arena_dispose(&scratch);
  shoal_buf_dispose(&folder);
  return st;
}

static shoal_status put_epoch(shoal_lease *l, uint32_t epoch, shoal_error *err) {
  shoal_buf key = {0}, text = {0};
  l->epoch = epoch;
  shoal_status st = key_of(&l->key, epoch, &key, err);
  if (st == SHOAL_OK)
    st = write_lease(l, &text, err);
  if (st == SHOAL_OK)
    st = shoal_object_put_brief(l->lake, shoal_buf_z(&key), shoal_buf_str(&text), err);
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&key);
  return st;
}

/* L2 */
static bool may_take_over(const seen *s, uint32_t stale_epoch, uint64_t stale_beat) {
  if (!s->process.ptr || shoal_os_process_look(s->process) == SHOAL_PROCESS_GONE)
    return true;
  return stale_epoch != 0 && s->holder.epoch == stale_epoch && s->holder.beat == stale_beat;
}

static void delete_epoch(const shoal_lease *l, uint32_t epoch) {
  shoal_buf key = {0};
  if (key_of(&l->key, epoch, &key, NULL) == SHOAL_OK)
    shoal_ignore(shoal_store_del(l->lake->store, shoal_buf_str(&key), NULL));
  shoal_buf_dispose(&key);
}

/* L5, after our epoch was put: SHOAL_EEXIST, and ours is gone, if another came meanwhile. */
static shoal_status look_again(const shoal_lease *l, const seen *before, shoal_arena *arena, shoal_error *err) {
  seen now;
  uint32_t top;
  shoal_status st = highest(l->lake, &l->key, l->epoch, arena, &now, &top, err);
  bool alone = st == SHOAL_DONE,
       same = st == SHOAL_OK && now.holder.epoch == before->holder.epoch && shoal_str_eq(now.nonce, before->nonce);
  if (top == l->epoch && (alone || same))
    return SHOAL_OK;
  delete_epoch(l, l->epoch);
  return st < 0 ? st : shoal_fail(err, SHOAL_EEXIST, "another took the lease of %.*s", SHOAL_FMT(l->dataset));
}

/* SHOAL_EEXIST or SHOAL_ENOTFOUND: the epochs moved meanwhile, look again. */
static shoal_status try_take(shoal_lease *l, uint32_t stale_epoch, uint64_t stale_beat, shoal_lease_holder *holder,
                             shoal_arena *arena, shoal_error *err) {
  seen s = {0};
  uint32_t top;
  shoal_status st = highest(l->lake, &l->key, UINT32_MAX, arena, &s, &top, err);
  if (st == SHOAL_DONE) {
    SHOAL_TRY(put_epoch(l, 1, err));
    return look_again(l, &s, arena, err);
  }
  SHOAL_TRY(st);
  if (s.holder.epoch == UINT32_MAX - 1)
    return shoal_fail(err, SHOAL_ELIMIT, "the lease of %.*s has no epochs left", SHOAL_FMT(l->dataset));
  if (may_take_over(&s, stale_epoch, stale_beat)) {
    SHOAL_TRY(put_epoch(l, s.holder.epoch + 1, err));
    SHOAL_TRY(look_again(l, &s, arena, err));
    delete_epoch(l, s.holder.epoch);
    return SHOAL_OK;
  }
  *holder = s.holder;
  return shoal_fail(err, SHOAL_EBUSY, "%.*s is being computed by %.*s", SHOAL_FMT(l->dataset), SHOAL_FMT(s.holder.who));
}

static void free_lease(shoal_lease *l) {
  shoal_arena_dispose(&l->arena);
  shoal_free(l);
}

static shoal_status new_lease(shoal_lake *lake, const shoal_hash *key, shoal_str run, shoal_str who, shoal_str dataset,
                              shoal_lease **out, shoal_error *err) {
  shoal_lease *l = shoal_calloc(1, sizeof *l);
  if (!l)
    return shoal_fail_nomem(err);
  l->lake = lake;
  l->key = *key;
  l->since_us = shoal_time_now();
  l->run = shoal_arena_str(&l->arena, run);
  l->who = shoal_arena_str(&l->arena, who);
  l->dataset = shoal_arena_str(&l->arena, dataset);
  shoal_os_uuid(l->nonce);
  shoal_lake_process(lake, l->process);
  shoal_os_hostname(l->host);
  if ((run.ptr && !l->run.ptr) || (who.ptr && !l->who.ptr) || (dataset.ptr && !l->dataset.ptr)) {
    free_lease(l);
    return shoal_fail_nomem(err);
  }
  *out = l;
  return SHOAL_OK;
}

shoal_status shoal_lease_take(shoal_lake *lake, const shoal_hash *key, shoal_str run, shoal_str who, shoal_str dataset,
                              uint32_t stale_epoch, uint64_t stale_beat, shoal_lease **out, shoal_lease_holder *holder,
                              shoal_arena *arena, shoal_error *err) {
  shoal_lease *l = NULL;
  *out = NULL;
  *holder = (shoal_lease_holder){0};
  SHOAL_TRY(new_lease(lake, key, run, who, dataset, &l, err));
  shoal_status st = SHOAL_EEXIST;
  for (int i = 0; i < MAX_TAKE_TRIES && (st == SHOAL_EEXIST || st == SHOAL_ENOTFOUND); i++)
    st = try_take(l, stale_epoch, stale_beat, holder, arena, err);
  if (st == SHOAL_OK) {
    *out = l;
    return SHOAL_OK;
  }
  if (st == SHOAL_EEXIST || st == SHOAL_ENOTFOUND)
    st = shoal_fail(err, SHOAL_EBUSY, "the lease of %.*s changes hands all the time", SHOAL_FMT(dataset));
  free_lease(l);
  return st;
}

/* ---- keeping and giving back ---- */

static shoal_status lost(const shoal_lease *l, shoal_error *err) {
  return shoal_fail(err, SHOAL_ECONFLICT, "the lease of %.*s was taken over", SHOAL_FMT(l->dataset));
}

/* L4 */
static shoal_status still_ours(shoal_lease *l, const char *key, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_buf next = {0};
  shoal_object o;
  seen s;
  shoal_status st = get_lease(l->lake, key, &arena, &s, err);
  if (st == SHOAL_ENOTFOUND || (st == SHOAL_OK && !shoal_str_is(s.nonce, l->nonce)))
    st = lost(l, err);
  if (st == SHOAL_OK)
    st = key_of(&l->key, l->epoch + 1, &next, err);
  if (st == SHOAL_OK) {
    st = shoal_store_head(l->lake->store, shoal_buf_str(&next), &o, err);
    st = st == SHOAL_ENOTFOUND ? SHOAL_OK : st == SHOAL_OK ? lost(l, err) : st;
  }
  shoal_buf_dispose(&next);
  shoal_arena_dispose(&arena);
  return st;
}

shoal_status shoal_lease_renew(shoal_lease *l, shoal_error *err) {
  shoal_buf key = {0}, text = {0};
  shoal_status st = key_of(&l->key, l->epoch, &key, err);
  if (st == SHOAL_OK)
    st = still_ours(l, shoal_buf_z(&key), err);
  if (st == SHOAL_OK) {
    l->beat++;
    st = write_lease(l, &text, err);
  }
  if (st == SHOAL_OK)
    st = shoal_store_rewrite(l->lake->store, shoal_buf_str(&key), shoal_buf_str(&text), err);
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&key);
  return st;
}

/* Whether our epoch's object is the one we wrote. */
static bool is_ours(const shoal_lease *l) {
  shoal_arena arena = {0};
  shoal_buf key = {0};
  seen s;
  bool ours = key_of(&l->key, l->epoch, &key, NULL) == SHOAL_OK &&
              get_lease(l->lake, shoal_buf_z(&key), &arena, &s, NULL) == SHOAL_OK && shoal_str_is(s.nonce, l->nonce);
  shoal_buf_dispose(&key);
  shoal_arena_dispose(&arena);
  return ours;
}

/* Removes our epoch and those below it, the lowest first. */
static void remove_epochs(const shoal_lease *l) {
  shoal_buf folder = {0};
  shoal_arena scratch = {0};
  shoal_object *objects;
  size_t n = 0;
  folder_of(&l->key, &folder);
  if (shoal_buf_check(&folder, NULL) == SHOAL_OK &&
      shoal_store_list(l->lake->store, shoal_buf_str(&folder), SHOAL_STR_NONE, true, 0, &scratch, &objects, &n, NULL) <
          0)
    n = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t epoch = epoch_in(objects[i].key);
    if (epoch != 0 && epoch <= l->epoch && shoal_store_del(l->lake->store, objects[i].key, NULL) < 0)
      break;
  }
  shoal_arena_dispose(&scratch);
  shoal_buf_dispose(&folder);
}

/* L3. What can't be removed now is taken over later. */
void shoal_lease_release(shoal_lease *l) {
  if (!l)
    return;
  if (is_ours(l)) {
    if (l->epoch > 1)
      remove_epochs(l);
    else /* there is none below the first */
      delete_epoch(l, 1);
  }
  free_lease(l);
}

/* ---- listing ---- */

/* True if the next key belongs to the same lease, so that this epoch is not its highest. */
static bool followed(const shoal_object *objects, size_t i, size_t n) {
  ptrdiff_t slash = shoal_str_rchr(objects[i].key, '/');
  return i + 1 < n && shoal_str_starts(objects[i + 1].key, shoal_str_sub(objects[i].key, 0, (size_t)slash + 1));
}

shoal_status shoal_lease_list(shoal_lake *lake, shoal_arena *arena, shoal_lease_holder **out, size_t *n,
                              shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_object *objects;
  size_t count = 0;
  *out = NULL;
  *n = 0;
  shoal_status st = shoal_store_list(lake->store, SHOAL_STR("_shoal/leases/"), SHOAL_STR_NONE, false, 0, &scratch,
                                     &objects, &count, err);
  if (st == SHOAL_OK && !(*out = SHOAL_NEW_ARRAY(arena, shoal_lease_holder, count)))
    st = shoal_fail_nomem(err);
  for (size_t i = 0; i < count && st == SHOAL_OK; i++) {
    seen s;
    if (epoch_in(objects[i].key) == 0 || followed(objects, i, count))
      continue;
    st = get_lease(lake, objects[i].key.ptr, arena, &s, err);
    if (st == SHOAL_OK)
      (*out)[(*n)++] = s.holder;
    else if (st == SHOAL_ENOTFOUND || st == SHOAL_ECORRUPT)
      st = SHOAL_OK;
  }
  shoal_arena_dispose(&scratch);
  return st;
}
