/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LMDB under a folder `index-<format>`: another format is another folder, so versions of Shoal never read each other's.
 * Values carry an XXH3 of key and value; one that does not match is treated as absent. Keys beyond LMDB's 511 bytes are
 * replaced by their hash.
 */
#include "index/index.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"

#define INDEX_FORMAT "1"
#define MAP_BYTES ((size_t)8 << 30) /* address space, not memory; holds projects of a million models */
#define MAX_KEY 500

struct shoal_index {
  MDB_env *env; /* NULL: remembers nothing */
  MDB_dbi dbi;
  MDB_txn *read; /* open while views are out */
  shoal_arena arena;
  char *folder;
};

/* Where the index of a project lies. */
static char *index_folder(const char *project, shoal_arena *arena) {
  if (!shoal_os_network_fs(project))
    return shoal_arena_printf(arena, "%s/.shoal/index-" INDEX_FORMAT, project);
  const char *cache = shoal_os_cache_folder(arena);
  char hex[SHOAL_HASH_HEX + 1];
  shoal_hash h = shoal_hash_bytes(shoal_str_z(project));
  shoal_hash_hex(&h, hex);
  return shoal_arena_printf(arena, "%s/%.32s/index-" INDEX_FORMAT, cache ? cache : "/tmp/.cache/shoal", hex);
}

const char *shoal_index_folder(const shoal_index *index) { return index->env ? index->folder : NULL; }

/* True if the file holds every page its header speaks of: beyond its end a read would end the process. */
static bool whole(MDB_env *env, const char *folder) {
  MDB_envinfo info;
  MDB_stat stat;
  shoal_stat file = {0};
  shoal_arena arena = {0};
  char *path = shoal_arena_printf(&arena, "%s/data.mdb", folder);
  bool ok = path && mdb_env_info(env, &info) == 0 && mdb_env_stat(env, &stat) == 0 &&
            shoal_os_stat(path, &file, NULL) >= 0 && file.size >= (info.me_last_pgno + 1) * (uint64_t)stat.ms_psize;
  shoal_arena_dispose(&arena);
  return ok;
}

static int open_env(shoal_index *index, const char *folder) {
  MDB_txn *txn = NULL;
  int rc = mdb_env_create(&index->env);
  if (rc)
    return rc;
  mdb_env_set_mapsize(index->env, MAP_BYTES);
  mdb_env_set_maxreaders(index->env, 510);
  rc = mdb_env_open(index->env, folder, MDB_NOTLS | MDB_NOMETASYNC, 0666);
  int dead;
  if (rc == 0 && !whole(index->env, folder))
    rc = MDB_CORRUPTED;
  if (rc == 0)
    mdb_reader_check(index->env, &dead);
  if (rc == 0)
    rc = mdb_txn_begin(index->env, NULL, MDB_RDONLY, &txn);
  if (rc == 0)
    rc = mdb_dbi_open(txn, NULL, 0, &index->dbi);
  if (rc == 0)
    rc = mdb_txn_commit(txn);
  else if (txn)
    mdb_txn_abort(txn);
  if (rc) {
    mdb_env_close(index->env);
    index->env = NULL;
  }
  return rc;
}

shoal_status shoal_index_open(const char *project, shoal_index **out, shoal_error *err) {
  *out = NULL;
  shoal_index *index = shoal_calloc(1, sizeof *index);
  char *folder = index ? index->folder = index_folder(project, &index->arena) : NULL;
  shoal_status status = index && folder ? SHOAL_OK : shoal_fail_nomem(err);
  if (status >= 0) {
    shoal_error ignored;
    if (shoal_os_mkdirs(folder, false, &ignored) >= 0) {
      int rc = open_env(index, folder);
      /* Broken beyond opening: throw it away. Errors of the machine (no rights, no space) leave it alone. */
      if (rc == MDB_INVALID || rc == MDB_VERSION_MISMATCH || rc == MDB_CORRUPTED || rc == MDB_PANIC)
        if (shoal_os_remove_tree(folder, &ignored) >= 0 && shoal_os_mkdirs(folder, false, &ignored) >= 0)
          (void)open_env(index, folder);
    }
    *out = index;
    index = NULL;
  }
  shoal_index_close(index);
  return status;
}

void shoal_index_release(shoal_index *index) {
  if (index->read)
    mdb_txn_abort(index->read);
  index->read = NULL;
}

void shoal_index_close(shoal_index *index) {
  if (!index)
    return;
  shoal_index_release(index);
  if (index->env)
    mdb_env_close(index->env);
  shoal_arena_dispose(&index->arena);
  shoal_free(index);
}

/* After a write or an fsync failed, what the file holds is anybody's guess, and a second fsync would prove nothing: it
   is thrown away, and nothing is remembered until the next opening. */
static void discard(shoal_index *index) {
  shoal_error ignored;
  mdb_env_close(index->env);
  index->env = NULL;
  shoal_ignore(shoal_os_remove_tree(index->folder, &ignored));
}

/* LMDB's key for ours; `space` holds a hash when it is too long. */
static MDB_val db_key(shoal_str key, char space[SHOAL_HASH_HEX + 1]) {
  if (key.len <= MAX_KEY)
    return (MDB_val){key.len, (void *)(uintptr_t)key.ptr};
  shoal_hash h = shoal_hash_bytes(key);
  shoal_hash_hex(&h, space);
  return (MDB_val){SHOAL_HASH_HEX, space};
}

static uint64_t checksum(shoal_str key, shoal_str value) {
  return XXH3_64bits_withSeed(value.ptr, value.len, XXH3_64bits(key.ptr, key.len));
}

shoal_str shoal_index_view(shoal_index *index, shoal_str key) {
  char space[SHOAL_HASH_HEX + 1];
  MDB_val k = db_key(key, space), v;
  if (!index->env || (!index->read && mdb_txn_begin(index->env, NULL, MDB_RDONLY, &index->read)))
    return SHOAL_STR_NONE;
  if (mdb_get(index->read, index->dbi, &k, &v) || v.mv_size < 8)
    return SHOAL_STR_NONE;
  shoal_decoder d = {.rest = shoal_str_n(v.mv_data, v.mv_size)};
  uint64_t sum = shoal_take_u64(&d);
  return sum == checksum(key, d.rest) ? d.rest : SHOAL_STR_NONE;
}

static int put_one(shoal_index *index, MDB_txn *txn, const shoal_index_item *item) {
  char space[SHOAL_HASH_HEX + 1];
  MDB_val k = db_key(item->key, space), v = {item->value.len + 8, NULL};
  if (!item->value.ptr) {
    int rc = mdb_del(txn, index->dbi, &k, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
  }
  int rc = mdb_put(txn, index->dbi, &k, &v, MDB_RESERVE);
  if (rc)
    return rc;
  uint64_t sum = checksum(item->key, item->value);
  unsigned char *p = v.mv_data;
  for (int i = 0; i < 8; i++)
    p[i] = (unsigned char)(sum >> (8 * i));
  if (item->value.len)
    memcpy(p + 8, item->value.ptr, item->value.len);
  return 0;
}

shoal_status shoal_index_put(shoal_index *index, const shoal_index_item *items, size_t n, shoal_error *err) {
  MDB_txn *txn;
  shoal_index_release(index);
  if (!index->env)
    return SHOAL_OK;
  int rc = mdb_txn_begin(index->env, NULL, 0, &txn);
  if (rc)
    return shoal_fail(err, SHOAL_EIO, "the project's index cannot be written: %s", mdb_strerror(rc));
  for (size_t i = 0; i < n && rc == 0; i++)
    rc = put_one(index, txn, &items[i]);
  if (rc == 0)
    rc = mdb_txn_commit(txn);
  else
    mdb_txn_abort(txn);
  if (rc == 0)
    return SHOAL_OK;
  if (rc > 0) /* the system's, not LMDB's */
    discard(index);
  return shoal_fail(err, SHOAL_EIO, "the project's index cannot be written: %s", mdb_strerror(rc));
}
