/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a user asked for at a path of theirs. A file, or nothing yet, is replaced whole; behind a link it is the file
 * the link leads to. Anything else (a pipe, a terminal, /dev/null) is written into: a rename would put a file in its
 * place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"

#define CHUNK (1u << 20)

static shoal_status write_all(int fd, const char *p, size_t n, const char *name, shoal_error *err) {
  while (n > 0) {
    ssize_t done = write(fd, p, n);
    if (done < 0 && errno != EINTR)
      return shoal_fail_errno(err, errno, "cannot write to %s", name);
    if (done > 0) {
      p += done;
      n -= (size_t)done;
    }
  }
  return SHOAL_OK;
}

shoal_status shoal_os_copy_to(const char *from, int fd, const char *name, shoal_error *err) {
  char *chunk = shoal_malloc(CHUNK);
  int in = open(from, O_RDONLY | O_CLOEXEC);
  shoal_status status = chunk ? SHOAL_OK : shoal_fail_nomem(err);
  if (in < 0)
    status = shoal_fail_errno(err, errno, "cannot open %s", from);
  for (ssize_t n = 1; status == SHOAL_OK && n != 0;) {
    n = read(in, chunk, CHUNK);
    if (n > 0)
      status = write_all(fd, chunk, (size_t)n, name, err);
    else if (n < 0 && errno != EINTR)
      status = shoal_fail_errno(err, errno, "cannot read %s", from);
  }
  if (in >= 0)
    close(in);
  shoal_free(chunk);
  return status;
}

/* What stands at the path is to be written into, not replaced. */
static bool is_stream(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static int open_stream(const char *path, shoal_error *err) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    (void)shoal_fail_errno(err, errno, "cannot open %s", path);
  return fd;
}

static shoal_status close_stream(int fd, const char *path, shoal_status status, shoal_error *err) {
  if (close(fd) != 0 && status == SHOAL_OK)
    return shoal_fail_errno(err, errno, "cannot write to %s", path);
  return status;
}

/* Behind links; the path itself where nothing is there yet. */
static const char *real_target(const char *path, shoal_arena *arena) {
  char *real;
  return shoal_os_realpath(path, arena, &real, NULL) == SHOAL_OK ? real : path;
}

shoal_status shoal_os_write_output(const char *path, shoal_str bytes, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_status status;
  if (is_stream(path)) {
    int fd = open_stream(path, err);
    status = fd < 0 ? SHOAL_EIO : close_stream(fd, path, write_all(fd, bytes.ptr, bytes.len, path, err), err);
  } else {
    status = shoal_os_replace_file(real_target(path, &arena), bytes, err);
  }
  shoal_arena_dispose(&arena);
  return status;
}

/* On another file system: by a neighbour, so that the path shows the old file or the new one. */
static shoal_status copy_beside(const char *from, const char *path, shoal_error *err) {
  char uuid[SHOAL_UUID_TEXT];
  shoal_arena arena = {0};
  shoal_os_uuid(uuid);
  char *beside = shoal_arena_printf(&arena, "%s.%s.tmp", path, uuid);
  int fd = beside ? open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
  shoal_status status = !beside ? shoal_fail_nomem(err) : SHOAL_OK;
  if (beside && fd < 0)
    status = shoal_fail_errno(err, errno, "cannot make %s", beside);
  if (fd >= 0)
    status = close_stream(fd, path, shoal_os_copy_to(from, fd, path, err), err);
  if (status == SHOAL_OK)
    status = shoal_os_rename(beside, path, err);
  if (fd >= 0 && status < 0)
    unlink(beside);
  shoal_arena_dispose(&arena);
  return status;
}

shoal_status shoal_os_move_output(const char *from, const char *path, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_status status;
  if (is_stream(path)) {
    int fd = open_stream(path, err);
    status = fd < 0 ? SHOAL_EIO : close_stream(fd, path, shoal_os_copy_to(from, fd, path, err), err);
  } else {
    const char *target = real_target(path, &arena);
    status = shoal_os_rename(from, target, NULL);
    if (status < 0)
      status = copy_beside(from, target, err);
  }
  shoal_arena_dispose(&arena);
  return status;
}
