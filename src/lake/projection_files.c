/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a projection's commits say and which files they name. A commit of ours carries a tag that names the result the
 * table holds after it; commits without a tag, or with another branch's, are foreign.
 */
#include "base/str.h"
#include "lake/object.h"
#include "lake/projection.h"

/* ---- tags ---- */

shoal_status shoal_commit_tag_write(const shoal_commit_tag *tag, shoal_buf *out, shoal_error *err) {
  shoal_jw w = {.out = out};
  shoal_jw_obj(&w);
  shoal_jw_key(&w, "shoal");
  shoal_jw_obj(&w);
  shoal_jw_kz(&w, "kind", "projection");
  shoal_jw_ki64(&w, "format", SHOAL_LAKE_FORMAT);
  shoal_jw_kstr(&w, "branch_id", tag->branch_id);
  shoal_jw_ki64(&w, "publication", tag->publication);
  if (tag->removed) {
    shoal_jw_kbool(&w, "removed", true);
  } else {
    shoal_jw_kstr(&w, "paths", tag->paths);
    shoal_jw_key(&w, "result");
    shoal_result_write(&w, &tag->result, SHOAL_STR_NONE);
  }
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  return shoal_buf_check(out, err);
}

/* A tag that is not wholly readable is no tag: the commit then counts as foreign, which is the safe side. */
static shoal_status read_tag(yyjson_val *obj, const char *key, shoal_arena *arena, shoal_commit_tag *out,
                             shoal_error *err) {
  shoal_commit_tag tag = {0};
  shoal_error ignored;
  if (!shoal_str_is(shoal_json_str(obj, "kind"), "projection") ||
      shoal_json_i64(obj, "format", -1) != SHOAL_LAKE_FORMAT)
    return SHOAL_OK;
  SHOAL_TRY(shoal_object_read_str(obj, "branch_id", arena, &tag.branch_id, err));
  SHOAL_TRY(shoal_object_read_str(obj, "paths", arena, &tag.paths, err));
  tag.publication = shoal_json_i64(obj, "publication", -1);
  tag.removed = shoal_json_bool(obj, "removed", false);
  if (!tag.removed) {
    shoal_status st =
        shoal_result_read(yyjson_obj_get(obj, "result"), key, SHOAL_STR_NONE, arena, &tag.result, &ignored);
    if (st == SHOAL_ENOMEM)
      return shoal_fail_nomem(err);
    if (st < 0 || !tag.paths.ptr)
      return SHOAL_OK;
  }
  if (tag.publication >= 0)
    *out = tag;
  return SHOAL_OK;
}

static shoal_status view_line(shoal_str line, const char *key, shoal_arena *arena, shoal_commit_view *out,
                              shoal_error *err) {
  yyjson_doc *doc = NULL;
  SHOAL_TRY(shoal_json_parse(line, key, &doc, err));
  yyjson_val *root = yyjson_doc_get_root(doc), *info = yyjson_obj_get(root, "commitInfo");
  yyjson_val *add = yyjson_obj_get(root, "add"), *remove = yyjson_obj_get(root, "remove");
  shoal_status st = info ? read_tag(yyjson_obj_get(info, "shoal"), key, arena, &out->tag, err) : SHOAL_OK;
  out->files |= add || remove;
  out->data |=
      (add && shoal_json_bool(add, "dataChange", true)) || (remove && shoal_json_bool(remove, "dataChange", true));
  yyjson_doc_free(doc);
  return st;
}

shoal_status shoal_commit_view_read(shoal_str text, const char *key, shoal_arena *arena, shoal_commit_view *out,
                                    shoal_error *err) {
  shoal_str line;
  *out = (shoal_commit_view){0};
  while (shoal_str_split(&text, '\n', &line))
    if (shoal_str_trim(line).len > 0)
      SHOAL_TRY(view_line(line, key, arena, out, err));
  return SHOAL_OK;
}

/* ---- files ---- */

/* "../" for each segment of the table's prefix, then the way to the attempt's folder. */
static shoal_status outside_paths(shoal_str prefix, shoal_str folder, shoal_arena *arena, shoal_str *out,
                                  shoal_error *err) {
  shoal_buf buf = {0};
  shoal_str rest = prefix, piece;
  while (shoal_str_split(&rest, '/', &piece))
    shoal_buf_addz(&buf, "../");
  shoal_buf_addf(&buf, "%.*s/", SHOAL_FMT(folder));
  return shoal_buf_take(&buf, arena, out, err);
}

static shoal_status copy_object(shoal_lake *lake, shoal_str from, shoal_str to, shoal_error *err) {
  shoal_buf bytes = {0};
  shoal_status st = shoal_store_get(lake->store, from, &bytes, err);
  if (st == SHOAL_OK)
    st = shoal_store_put_new(lake->store, to, shoal_buf_str(&bytes), err);
  shoal_buf_dispose(&bytes);
  return st;
}

/* `inside` is the attempt's folder as seen from the table. What is there already was put by an earlier try. */
static shoal_status place_file(shoal_lake *lake, shoal_str folder, shoal_str prefix, shoal_str inside, shoal_str path,
                               bool trunk, shoal_error *err) {
  shoal_buf from = {0}, to = {0};
  shoal_buf_addf(&from, "%.*s/", SHOAL_FMT(folder));
  shoal_buf_addf(&to, "%.*s/%.*s", SHOAL_FMT(prefix), SHOAL_FMT(inside));
  shoal_status st = shoal_delta_path_decode(path, &from, err);
  if (st == SHOAL_OK)
    st = shoal_delta_path_decode(path, &to, err);
  if (st == SHOAL_OK)
    st = shoal_store_link(lake->store, shoal_buf_str(&from), shoal_buf_str(&to), err);
  if (st == SHOAL_EUNSUPPORTED && trunk)
    st = copy_object(lake, shoal_buf_str(&from), shoal_buf_str(&to), err);
  if (st == SHOAL_ENOTFOUND)
    st = shoal_fail(err, SHOAL_ECORRUPT, "the file %s of a result is gone", shoal_buf_z(&from));
  shoal_buf_dispose(&from);
  shoal_buf_dispose(&to);
  return st == SHOAL_EEXIST ? SHOAL_OK : st;
}

shoal_status shoal_place_files(shoal_lake *lake, const shoal_result *r, const shoal_delta_snapshot *s, shoal_str prefix,
                               bool trunk, shoal_arena *arena, shoal_str *paths, shoal_error *err) {
  shoal_buf folder = {0};
  const shoal_delta_file *files = shoal_delta_snapshot_files(s);
  shoal_result_folder(&folder, r);
  shoal_str whole = shoal_buf_str(&folder);
  shoal_status st = shoal_buf_check(&folder, err);
  if (st == SHOAL_OK) {
    char *inside = shoal_arena_printf(arena, "%.*s/", SHOAL_FMT(shoal_str_sub(whole, r->home.len + 1, whole.len)));
    *paths = shoal_str_z(inside);
    st = inside ? SHOAL_OK : shoal_fail_nomem(err);
  }
  bool home = shoal_str_eq(prefix, r->home);
  for (size_t i = 0; !home && i < shoal_delta_snapshot_n_files(s) && st == SHOAL_OK; i++)
    st = place_file(lake, whole, prefix, *paths, files[i].path, trunk, err);
  if (st == SHOAL_EUNSUPPORTED && !trunk)
    st = outside_paths(prefix, whole, arena, paths, err);
  shoal_buf_dispose(&folder);
  return st;
}
