/* SPDX-License-Identifier: Apache-2.0 */
/* A work tree's .git is a folder, or a file that names one (worktrees, submodules). */
#include "session/git.h"

#include <string.h>

#include "base/os.h"
#include "base/str.h"

#define SMALL_FILE 65536

/* The text of a small file, trimmed; {NULL,0} when it is not there. */
static shoal_status small_text(const char *path, shoal_arena *arena, shoal_str *out, shoal_error *err) {
  shoal_buf b = {0};
  *out = SHOAL_STR_NONE;
  shoal_status status = shoal_os_read_file(path, SMALL_FILE, &b, err);
  if (status == SHOAL_ENOTFOUND)
    status = SHOAL_OK;
  else if (status >= 0) {
    *out = shoal_arena_str(arena, shoal_str_trim(shoal_buf_str(&b)));
    status = out->ptr ? SHOAL_OK : shoal_fail_nomem(err);
  }
  shoal_buf_dispose(&b);
  return status;
}

/* The git folder behind `<dir>/.git`, or {NULL,0}. */
static shoal_status git_folder(const char *dir, shoal_arena *arena, shoal_str *out, shoal_error *err) {
  char *dot = shoal_arena_printf(arena, "%s/.git", dir);
  shoal_stat st;
  *out = SHOAL_STR_NONE;
  if (!dot)
    return shoal_fail_nomem(err);
  if (shoal_os_stat(dot, &st, NULL) < 0)
    return SHOAL_OK;
  if (st.kind == SHOAL_FILE_FOLDER) {
    *out = shoal_str_z(dot);
    return SHOAL_OK;
  }
  shoal_str text;
  SHOAL_TRY(small_text(dot, arena, &text, err));
  if (!shoal_str_starts(text, SHOAL_STR("gitdir:")))
    return SHOAL_OK;
  shoal_str at = shoal_str_trim(shoal_str_sub(text, 7, text.len));
  char *full = at.len && at.ptr[0] == '/' ? shoal_arena_cstr(arena, at)
                                          : shoal_arena_printf(arena, "%s/%.*s", dir, SHOAL_FMT(at));
  *out = shoal_str_z(full);
  return full ? SHOAL_OK : shoal_fail_nomem(err);
}

shoal_status shoal_git_find(const char *from, shoal_arena *arena, shoal_git *out, shoal_error *err) {
  *out = (shoal_git){0};
  char *dir = shoal_arena_cstr(arena, shoal_str_z(from));
  if (!dir)
    return shoal_fail_nomem(err);
  for (;;) {
    SHOAL_TRY(git_folder(dir, arena, &out->folder, err));
    char *slash = strrchr(dir, '/');
    if (out->folder.ptr || !slash || slash == dir)
      break;
    *slash = '\0';
  }
  if (!out->folder.ptr)
    return SHOAL_OK;
  char *head = shoal_arena_printf(arena, "%.*s/HEAD", SHOAL_FMT(out->folder));
  shoal_str text;
  if (!head)
    return shoal_fail_nomem(err);
  SHOAL_TRY(small_text(head, arena, &text, err));
  out->present = text.ptr != NULL;
  if (shoal_str_starts(text, SHOAL_STR("ref: refs/heads/")))
    out->branch = shoal_str_sub(text, 16, text.len);
  return SHOAL_OK;
}

shoal_status shoal_git_head(const char *project, shoal_arena *arena, shoal_str *commit, bool *dirty, shoal_error *err) {
  const char *head[] = {"git", "rev-parse", "--verify", "-q", "HEAD", NULL};
  const char *changes[] = {"git", "status", "--porcelain", "--untracked-files=normal", "--", ".", NULL};
  shoal_buf out = {0};
  int code;
  *commit = SHOAL_STR_NONE;
  *dirty = false;
  shoal_status status = shoal_os_run(head, project, true, &out, &code, err);
  if (status >= 0 && code == 0) {
    *commit = shoal_arena_str(arena, shoal_str_trim(shoal_buf_str(&out)));
    if (!commit->ptr)
      status = shoal_fail_nomem(err);
  }
  shoal_buf_clear(&out);
  if (status >= 0)
    status = shoal_os_run(changes, project, true, &out, &code, err);
  *dirty = status >= 0 && (code != 0 || out.len > 0);
  shoal_buf_dispose(&out);
  return status;
}

shoal_status shoal_git_contains(const char *project, shoal_str ancestor, bool *out, shoal_error *err) {
  shoal_arena arena = {0};
  int code = 1;
  char *commit = shoal_arena_cstr(&arena, ancestor);
  const char *argv[] = {"git", "merge-base", "--is-ancestor", commit, "HEAD", NULL};
  shoal_status status = commit ? shoal_os_run(argv, project, true, NULL, &code, err) : shoal_fail_nomem(err);
  *out = code == 0;
  shoal_arena_dispose(&arena);
  return status;
}
