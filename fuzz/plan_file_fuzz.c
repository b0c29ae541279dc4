/* SPDX-License-Identifier: Apache-2.0 */
/* A plan's file, and the two preimages that `why` compares (with a NUL between them): texts that lie about for years.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "session/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static int fd = -1;
  static char path[64];
  shoal_arena arena = {0};
  shoal_error err = {0};
  shoal_saved_plan plan;
  if (fd < 0) {
    fd = memfd_create("plan", MFD_CLOEXEC);
    MUST(fd >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  }
  MUST(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
  (void)OK(shoal_saved_plan_read(path, &arena, &plan, &err));
  const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
  if (nul) {
    shoal_why why;
    size_t n = (size_t)(nul - data);
    (void)OK(shoal_why_compare(input(data, n), input(nul + 1, size - n - 1), &arena, &why, &err));
  }
  shoal_arena_dispose(&arena);
  return 0;
}
