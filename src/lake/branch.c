/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Branches: a log of publications each, whose entry 0 says the branch's true name, its id and where it forks off. Entry
 * 0 is put if absent under the branch's folder, so two names that would share a folder can't both exist.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "lake/object.h"

/* ---- names ---- */

static bool bad_part(shoal_str part) {
  return part.len == 0 || part.ptr[0] == '.' || shoal_str_ends(part, SHOAL_STR(".lock"));
}

/* The rules of git check-ref-format, so that every branch of a repository can be one here. */
static bool good_name(shoal_str name) {
  if (name.len == 0 || name.len > SHOAL_MAX_NAME_BYTES || !shoal_str_utf8(name) || name.ptr[0] == '-' ||
      shoal_str_is(name, "@") || shoal_str_ends(name, SHOAL_STR(".")) || shoal_str_find(name, SHOAL_STR("..")) >= 0 ||
      shoal_str_find(name, SHOAL_STR("@{")) >= 0)
    return false;
  for (size_t i = 0; i < name.len; i++)
    if ((unsigned char)name.ptr[i] <= ' ' || name.ptr[i] == 0x7f || strchr("~^:?*[\\", name.ptr[i]))
      return false;
  shoal_str rest = name, part;
  while (shoal_str_split(&rest, '/', &part))
    if (bad_part(part))
      return false;
  return true;
}

shoal_status shoal_branch_folder(shoal_str branch, shoal_arena *arena, shoal_str *out, shoal_error *err) {
  *out = SHOAL_STR_NONE;
  if (!good_name(branch)) {
    (void)shoal_fail(err, SHOAL_EINVAL, "'%.*s' is no name for a branch", SHOAL_FMT(shoal_str_sub(branch, 0, 200)));
    shoal_hint(err, "git's rules for branch names hold, and at most %d bytes", SHOAL_MAX_NAME_BYTES);
    return SHOAL_EINVAL;
  }
  char *folder = shoal_arena_cstr(arena, branch);
  if (!folder)
    return shoal_fail_nomem(err);
  for (char *c = folder; *c; c++)
    *c = *c == '/' ? '-' : *c;
  *out = shoal_str_z(folder);
  return SHOAL_OK;
}

shoal_status shoal_branch_prefix(shoal_str branch, shoal_buf *out, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_str folder;
  shoal_status st = shoal_branch_folder(branch, &arena, &folder, err);
  if (st == SHOAL_OK) {
    shoal_buf_addf(out, "_shoal/branches/%.*s/", SHOAL_FMT(folder));
    st = shoal_buf_check(out, err);
  }
  shoal_arena_dispose(&arena);
  return st;
}

shoal_status shoal_branch_entry_key(shoal_str branch, int64_t n, shoal_buf *out, shoal_error *err) {
  SHOAL_TRY(shoal_branch_prefix(branch, out, err));
  shoal_buf_addf(out, "%020lld.json", (long long)n);
  return shoal_buf_check(out, err);
}

/* ---- entry 0 ---- */

static shoal_status read_head(yyjson_val *root, const char *key, shoal_arena *arena, shoal_branch_head *out,
                              shoal_error *err) {
  *out = (shoal_branch_head){0};
  yyjson_val *fork = yyjson_obj_get(root, "fork");
  SHOAL_TRY(shoal_json_need_str(root, "name", key, arena, &out->name, err));
  SHOAL_TRY(shoal_json_need_str(root, "id", key, arena, &out->id, err));
  SHOAL_TRY(shoal_json_need_i64(root, "time_us", key, &out->time_us, err));
  if (!fork)
    return SHOAL_OK;
  SHOAL_TRY(shoal_json_need_str(fork, "branch", key, arena, &out->fork_branch, err));
  SHOAL_TRY(shoal_json_need_str(fork, "id", key, arena, &out->fork_id, err));
  return shoal_json_need_i64(fork, "publication", key, &out->fork_publication, err);
}

shoal_status shoal_branch_head_read(shoal_lake *lake, shoal_str branch, shoal_arena *arena, shoal_branch_head *out,
                                    shoal_error *err) {
  shoal_buf key = {0};
  yyjson_doc *doc = NULL;
  shoal_status st = shoal_branch_entry_key(branch, 0, &key, err);
  if (st == SHOAL_OK)
    st = shoal_object_get(lake, shoal_buf_z(&key), &doc, err);
  if (st == SHOAL_OK)
    st = read_head(yyjson_doc_get_root(doc), shoal_buf_z(&key), arena, out, err);
  if (st == SHOAL_OK && !shoal_str_eq(out->name, branch)) {
    st = shoal_fail(err, SHOAL_ENOTFOUND, "there is no branch %.*s", SHOAL_FMT(branch));
    shoal_hint(err, "its folder belongs to the branch %.*s", SHOAL_FMT(out->name));
  } else if (st == SHOAL_ENOTFOUND) {
    st = shoal_fail(err, SHOAL_ENOTFOUND, "there is no branch %.*s", SHOAL_FMT(branch));
  }
  yyjson_doc_free(doc);
  shoal_buf_dispose(&key);
  return st;
}

/* ---- the newest entry ---- */

typedef enum key_kind { KEY_OTHER, KEY_ENTRY, KEY_CHECKPOINT } key_kind;

/* "<20 digits>.json" or "<20 digits>.checkpoint.json" */
static key_kind read_key(shoal_str key, size_t prefix_len, int64_t *number) {
  shoal_str name = shoal_str_sub(key, prefix_len, key.len);
  if (name.len <= SHOAL_NUMBER_DIGITS || name.ptr[0] == '-' ||
      !shoal_str_i64(shoal_str_sub(name, 0, SHOAL_NUMBER_DIGITS), number))
    return KEY_OTHER;
  shoal_str rest = shoal_str_sub(name, SHOAL_NUMBER_DIGITS, name.len);
  return shoal_str_is(rest, ".json") ? KEY_ENTRY : shoal_str_is(rest, ".checkpoint.json") ? KEY_CHECKPOINT : KEY_OTHER;
}

/* Looks at the log after the key `after`. Entries must follow each other without a hole. */
static shoal_status scan_log(shoal_lake *lake, shoal_str prefix, shoal_str after, int64_t *head, int64_t *checkpoint,
                             shoal_error *err) {
  shoal_arena arena = {0};
  shoal_object *objects;
  size_t n;
  *head = *checkpoint = -1;
  shoal_status st = shoal_store_list(lake->store, prefix, after, true, 0, &arena, &objects, &n, err);
  for (size_t i = 0; i < n && st == SHOAL_OK; i++) {
    int64_t number;
    key_kind kind = read_key(objects[i].key, prefix.len, &number);
    if (kind == KEY_CHECKPOINT) {
      *checkpoint = number;
    } else if (kind == KEY_ENTRY) {
      if (*head >= 0 && number != *head + 1)
        st = shoal_fail(err, SHOAL_ECORRUPT, "%.*s: entry %lld is missing", SHOAL_FMT(prefix), (long long)*head + 1);
      *head = number;
    }
  }
  shoal_arena_dispose(&arena);
  return st;
}

shoal_status shoal_branch_newest(shoal_lake *lake, shoal_str branch, int64_t *head, int64_t *checkpoint,
                                 shoal_error *err) {
  shoal_buf prefix = {0}, after = {0};
  int64_t projected = -1;
  shoal_status st = shoal_branch_prefix(branch, &prefix, err);
  /* The watermark is never ahead, so the head lies behind it, and usually a checkpoint does just before it. */
  if (st == SHOAL_OK)
    st = shoal_projected(lake, branch, &projected, err);
  int64_t from = projected - projected % SHOAL_CHECKPOINT_EVERY;
  if (st == SHOAL_OK && from > 0) {
    st = shoal_branch_entry_key(branch, from - 1, &after, err);
    if (st == SHOAL_OK)
      st = scan_log(lake, shoal_buf_str(&prefix), shoal_buf_str(&after), head, checkpoint, err);
  }
  if (st == SHOAL_OK && (from <= 0 || *checkpoint < 0))
    st = scan_log(lake, shoal_buf_str(&prefix), SHOAL_STR_NONE, head, checkpoint, err);
  if (st == SHOAL_OK && *head < 0)
    st = shoal_fail(err, SHOAL_ENOTFOUND, "there is no branch %.*s", SHOAL_FMT(branch));
  shoal_buf_dispose(&after);
  shoal_buf_dispose(&prefix);
  return st;
}

/* ---- making ---- */

/* The fork point: publication -1 is the head; it must exist. */
static shoal_status find_fork(shoal_lake *lake, shoal_str from, int64_t *publication, shoal_arena *arena,
                              shoal_branch_head *out, shoal_error *err) {
  int64_t head, checkpoint;
  SHOAL_TRY(shoal_branch_head_read(lake, from, arena, out, err));
  SHOAL_TRY(shoal_branch_newest(lake, from, &head, &checkpoint, err));
  if (*publication < 0)
    *publication = head;
  if (*publication > head)
    return shoal_fail(err, SHOAL_ENOTFOUND, "the branch %.*s has no publication %lld", SHOAL_FMT(from),
                      (long long)*publication);
  return SHOAL_OK;
}

static shoal_status write_head(shoal_str branch, const shoal_branch_head *fork, int64_t publication, shoal_buf *out,
                               shoal_error *err) {
  char id[SHOAL_UUID_TEXT];
  shoal_jw w;
  shoal_os_uuid(id);
  shoal_object_begin(&w, out);
  shoal_jw_kz(&w, "kind", "branch");
  shoal_jw_kstr(&w, "name", branch);
  shoal_jw_kz(&w, "id", id);
  shoal_jw_ki64(&w, "time_us", shoal_time_now());
  if (fork) {
    shoal_jw_key(&w, "fork");
    shoal_jw_obj(&w);
    shoal_jw_kstr(&w, "branch", fork->name);
    shoal_jw_kstr(&w, "id", fork->id);
    shoal_jw_ki64(&w, "publication", publication);
    shoal_jw_end(&w);
  }
  return shoal_object_end(&w, err);
}

/* Which branch stands in the way. */
static shoal_status name_taken(shoal_lake *lake, const char *key, shoal_str branch, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_branch_head there;
  yyjson_doc *doc = NULL;
  shoal_status st = shoal_object_get(lake, key, &doc, err);
  if (st == SHOAL_OK)
    st = read_head(yyjson_doc_get_root(doc), key, &arena, &there, err);
  if (st == SHOAL_OK && shoal_str_eq(there.name, branch))
    st = shoal_fail(err, SHOAL_EEXIST, "there is a branch %.*s already", SHOAL_FMT(branch));
  else if (st == SHOAL_OK)
    st = shoal_fail(err, SHOAL_EEXIST, "the branch %.*s would share its folder with the branch %.*s", SHOAL_FMT(branch),
                    SHOAL_FMT(there.name));
  yyjson_doc_free(doc);
  shoal_arena_dispose(&arena);
  return st;
}

/* Whoever has the name may be deleted. */
static shoal_status make_again(shoal_lake *lake, const char *key, shoal_str branch, const shoal_branch_head *fork,
                               int64_t publication, shoal_error *err) {
  shoal_state *there = NULL;
  shoal_error ignored;
  shoal_status st = SHOAL_EEXIST;
  if (shoal_branch_load_deleted(lake, branch, &there, &ignored) == SHOAL_OK && there->deleted)
    st = shoal_branch_make_again(lake, there, fork, publication, err);
  else
    st = name_taken(lake, key, branch, err);
  shoal_state_free(there);
  return st;
}

shoal_status shoal_branch_create(shoal_lake *lake, shoal_str branch, shoal_str from, int64_t from_publication,
                                 shoal_error *err) {
  shoal_arena arena = {0};
  shoal_buf key = {0}, text = {0};
  shoal_branch_head fork = {0};
  shoal_status st = shoal_branch_entry_key(branch, 0, &key, err);
  if (st == SHOAL_OK && !from.ptr && !shoal_str_eq(branch, lake->trunk))
    st = shoal_fail(err, SHOAL_EINVAL, "only the trunk, %.*s, starts from nothing", SHOAL_FMT(lake->trunk));
  if (st == SHOAL_OK && from.ptr)
    st = find_fork(lake, from, &from_publication, &arena, &fork, err);
  if (st == SHOAL_OK)
    st = write_head(branch, from.ptr ? &fork : NULL, from_publication, &text, err);
  if (st == SHOAL_OK)
    st = shoal_object_put(lake, shoal_buf_z(&key), shoal_buf_str(&text), err);
  if (st == SHOAL_EEXIST && from.ptr)
    st = make_again(lake, shoal_buf_z(&key), branch, &fork, from_publication, err);
  else if (st == SHOAL_EEXIST)
    st = name_taken(lake, shoal_buf_z(&key), branch, err);
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&key);
  shoal_arena_dispose(&arena);
  return st;
}

/* ---- listing ---- */

static int compare_names(const void *a, const void *b) {
  return shoal_str_cmp(*(const shoal_str *)a, *(const shoal_str *)b);
}

static shoal_status read_names(shoal_lake *lake, const shoal_object *folders, size_t n, shoal_arena *scratch,
                               shoal_arena *arena, shoal_str *names, size_t *found, shoal_error *err) {
  shoal_get *gets = SHOAL_NEW_ARRAY(scratch, shoal_get, n);
  if (!gets)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++) {
    char *key = shoal_arena_printf(scratch, "%.*s%020d.json", SHOAL_FMT(folders[i].key), 0);
    if (!key)
      return shoal_fail_nomem(err);
    gets[i].key = shoal_str_z(key);
  }
  SHOAL_TRY(shoal_store_get_many(lake->store, gets, n, scratch, err));
  for (size_t i = 0; i < n; i++) {
    yyjson_doc *doc = NULL;
    shoal_branch_head head;
    if (gets[i].status == SHOAL_ENOTFOUND)
      continue;
    if (gets[i].status != SHOAL_OK)
      return shoal_fail(err, gets[i].status, "cannot read %s", gets[i].key.ptr);
    shoal_status st = shoal_object_parse(gets[i].bytes, gets[i].key.ptr, &doc, err);
    if (st == SHOAL_OK)
      st = read_head(yyjson_doc_get_root(doc), gets[i].key.ptr, arena, &head, err);
    yyjson_doc_free(doc);
    SHOAL_TRY(st);
    names[(*found)++] = head.name;
  }
  return SHOAL_OK;
}

shoal_status shoal_branch_list(shoal_lake *lake, shoal_arena *arena, shoal_str **out, size_t *n, shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_object *folders;
  size_t count;
  *out = NULL;
  *n = 0;
  shoal_status st = shoal_store_list(lake->store, SHOAL_STR("_shoal/branches/"), SHOAL_STR_NONE, true, 0, &scratch,
                                     &folders, &count, err);
  if (st == SHOAL_OK && !(*out = SHOAL_NEW_ARRAY(arena, shoal_str, count)))
    st = shoal_fail_nomem(err);
  if (st == SHOAL_OK)
    st = read_names(lake, folders, count, &scratch, arena, *out, n, err);
  if (st == SHOAL_OK && *n)
    qsort(*out, *n, sizeof **out, compare_names);
  shoal_arena_dispose(&scratch);
  return st;
}
