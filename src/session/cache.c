/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine keeps for a project besides the lake. All of it may be deleted at any time; it costs time only. */
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "base/str.h"
#include "session/session.h"

/* Adds up what lies in a folder. One that is not there is empty. */
static void measure(const char *path, shoal_cache *out) {
  shoal_arena arena = {0};
  shoal_dirent *entries;
  size_t n;
  shoal_stat st;
  shoal_error ignored;
  if (shoal_os_list(path, &arena, &entries, &n, &ignored) < 0)
    n = 0;
  for (size_t i = 0; i < n; i++) {
    char *child = shoal_arena_printf(&arena, "%s/%s", path, entries[i].name.ptr);
    if (!child)
      break;
    if (entries[i].kind == SHOAL_FILE_FOLDER) {
      measure(child, out);
    } else if (shoal_os_stat(child, &st, NULL) >= 0) {
      out->files++;
      out->bytes += st.size;
    }
  }
  shoal_arena_dispose(&arena);
}

shoal_status shoal_session_caches(shoal_session *s, shoal_cache **out, size_t *n, shoal_error *err) {
  *n = 0;
  *out = SHOAL_NEW_ARRAY(&s->arena, shoal_cache, 2);
  if (!*out)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_session_configure(s, err));
  const char *index = s->index ? shoal_index_folder(s->index) : NULL;
  if (index)
    (*out)[(*n)++] = (shoal_cache){.what = "index", .path = shoal_str_z(index), .clears = true};
  char *path = shoal_session_temp(s, &s->arena);
  if (path)
    (*out)[(*n)++] = (shoal_cache){.what = "engine's temporary files", .path = shoal_str_z(path)};
  for (size_t i = 0; i < *n; i++)
    measure((*out)[i].path.ptr, &(*out)[i]);
  return SHOAL_OK;
}

shoal_status shoal_session_clear_caches(shoal_session *s, shoal_error *err) {
  const char *folder = s->index ? shoal_index_folder(s->index) : NULL;
  char *path = folder ? shoal_arena_cstr(&s->arena, shoal_str_z(folder)) : NULL;
  if (!folder)
    return SHOAL_OK;
  if (!path)
    return shoal_fail_nomem(err);
  shoal_index_close(s->index);
  s->index = NULL;
  return shoal_os_remove_tree(path, err);
}
