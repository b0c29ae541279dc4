/* SPDX-License-Identifier: Apache-2.0 */
/* What Shoal asks of git: the branch by reading HEAD (no process, so that an unchanged run stays fast), the rest by
 * `git`. */
#ifndef SHOAL_SESSION_GIT_H
#define SHOAL_SESSION_GIT_H

#include <stdbool.h>

#include "base/arena.h"

typedef struct shoal_git {
  bool present;     /* the project lies in a work tree */
  shoal_str folder; /* the git folder of this work tree, absolute */
  shoal_str branch; /* {NULL,0}: a detached HEAD */
} shoal_git;
/* Looks upward from an absolute folder. */
SHOAL_MUST_USE shoal_status shoal_git_find(const char *from, shoal_arena *arena, shoal_git *out, shoal_error *err);
/* HEAD's commit, {NULL,0} if there is none yet, and whether tracked or new files differ from it. Runs git. */
SHOAL_MUST_USE shoal_status shoal_git_head(const char *project, shoal_arena *arena, shoal_str *commit, bool *dirty,
                                           shoal_error *err);
/* True if `ancestor` is in HEAD's history. Runs git. */
SHOAL_MUST_USE shoal_status shoal_git_contains(const char *project, shoal_str ancestor, bool *out, shoal_error *err);

#endif
