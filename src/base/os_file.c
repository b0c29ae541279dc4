/* SPDX-License-Identifier: Apache-2.0 */
/* Files and folders on Linux. Every call restarts after EINTR; fsync and close never do (their outcome is unknown). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/os.h"
#include "base/str.h"
#include "base/vec.h"

static shoal_file_kind kind_of(mode_t mode) {
  return S_ISREG(mode)   ? SHOAL_FILE_REGULAR
         : S_ISDIR(mode) ? SHOAL_FILE_FOLDER
         : S_ISLNK(mode) ? SHOAL_FILE_LINK
                         : SHOAL_FILE_OTHER;
}

int shoal_os_stat_at(int dirfd, const char *path, shoal_stat *out) {
  struct stat st;
  if (fstatat(dirfd, path, &st, 0) != 0)
    return -errno;
  *out = (shoal_stat){.dev = st.st_dev,
                      .ino = st.st_ino,
                      .size = (uint64_t)st.st_size,
                      .mtime_ns = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec,
                      .ctime_ns = st.st_ctim.tv_sec * 1000000000LL + st.st_ctim.tv_nsec,
                      .kind = kind_of(st.st_mode)};
  return 0;
}

shoal_status shoal_os_stat(const char *path, shoal_stat *out, shoal_error *err) {
  int rc = shoal_os_stat_at(AT_FDCWD, path, out);
  return rc ? shoal_fail_errno(err, -rc, "cannot look at %s", path) : SHOAL_OK;
}

shoal_status shoal_os_born(const char *path, int64_t *ns, shoal_file_kind *kind, shoal_error *err) {
  struct statx st;
  if (statx(AT_FDCWD, path, 0, STATX_TYPE | STATX_CTIME | STATX_BTIME, &st))
    return shoal_fail_errno(err, errno, "cannot look at %s", path);
  struct statx_timestamp at = st.stx_mask & STATX_BTIME ? st.stx_btime : st.stx_ctime;
  *ns = at.tv_sec * 1000000000LL + at.tv_nsec;
  *kind = kind_of(st.stx_mode);
  return SHOAL_OK;
}

bool shoal_stat_racy(const shoal_stat *st, int64_t read_ns) {
  int64_t newest = st->mtime_ns > st->ctime_ns ? st->mtime_ns : st->ctime_ns;
  return newest > read_ns - 2000000000LL;
}
bool shoal_stat_same(const shoal_stat *a, const shoal_stat *b) {
  return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns &&
         a->ctime_ns == b->ctime_ns;
}

static int open_retry(const char *path, int flags, mode_t mode) {
  int fd;
  do
    fd = open(path, flags | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  return fd;
}

/* Reads up to `len` bytes at the offset (`off` -1: from where the file stands) until the end. 0 or errno. */
static int read_all(int fd, off_t off, uint64_t len, shoal_buf *out) {
  while (len > 0) {
    size_t want = len < 65536 ? (size_t)len : 65536;
    char *p = shoal_buf_reserve(out, want);
    if (!p)
      return 0; /* sticky in the buffer */
    ssize_t n = off < 0 ? read(fd, p, want) : pread(fd, p, want, off);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errno;
    if (n == 0)
      break;
    out->len += (size_t)n;
    out->ptr[out->len] = '\0';
    len -= (uint64_t)n;
    off += off < 0 ? 0 : n;
  }
  return 0;
}

shoal_status shoal_os_read_file(const char *path, size_t max, shoal_buf *out, shoal_error *err) {
  int fd = open_retry(path, O_RDONLY, 0);
  if (fd < 0)
    return shoal_fail_errno(err, errno, "cannot open %s", path);
  struct stat st;
  int rc = fstat(fd, &st) ? errno : 0;
  if (rc == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size > max) {
    close(fd);
    return shoal_fail(err, SHOAL_ELIMIT, "%s is larger than %zu bytes", path, max);
  }
  if (rc == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
    (void)shoal_buf_reserve(out, (size_t)st.st_size);
  size_t before = out->len;
  if (rc == 0)
    rc = read_all(fd, -1, max == SIZE_MAX ? UINT64_MAX : (uint64_t)max + 1, out);
  close(fd);
  if (rc)
    return shoal_fail_errno(err, rc, "cannot read %s", path);
  SHOAL_TRY(shoal_buf_check(out, err));
  if (out->len - before > max)
    return shoal_fail(err, SHOAL_ELIMIT, "%s is larger than %zu bytes", path, max);
  return SHOAL_OK;
}

shoal_status shoal_os_read_range(const char *path, uint64_t off, uint64_t len, shoal_buf *out, shoal_error *err) {
  int fd = open_retry(path, O_RDONLY, 0);
  if (fd < 0)
    return shoal_fail_errno(err, errno, "cannot open %s", path);
  int rc = off > INT64_MAX ? 0 : read_all(fd, (off_t)off, len, out);
  close(fd);
  return rc ? shoal_fail_errno(err, rc, "cannot read %s", path) : shoal_buf_check(out, err);
}

static int write_all(int fd, shoal_str bytes) {
  while (bytes.len) {
    ssize_t n = write(fd, bytes.ptr, bytes.len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errno;
    bytes = shoal_str_sub(bytes, (size_t)n, bytes.len);
  }
  return 0;
}

static shoal_status create_parts(const char *path, const shoal_str *parts, size_t n, bool durable, shoal_error *err) {
  int fd = open_retry(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (fd < 0)
    return shoal_fail_errno(err, errno, "cannot create %s", path);
  int rc = 0;
  for (size_t i = 0; i < n && rc == 0; i++)
    rc = write_all(fd, parts[i]);
  if (rc == 0 && durable && fsync(fd))
    rc = errno;
  if (close(fd) && rc == 0)
    rc = errno;
  if (rc == 0)
    return SHOAL_OK;
  unlink(path);
  return shoal_fail_errno(err, rc, "cannot write %s", path);
}

static shoal_status create_file(const char *path, shoal_str bytes, bool durable, shoal_error *err) {
  return create_parts(path, &bytes, 1, durable, err);
}

shoal_status shoal_os_create_file(const char *path, shoal_str bytes, shoal_error *err) {
  return create_file(path, bytes, true, err);
}

shoal_status shoal_os_create_brief(const char *path, shoal_str bytes, shoal_error *err) {
  return create_file(path, bytes, false, err);
}

shoal_status shoal_os_pieces_begin(const char *path, int *fd, shoal_error *err) {
  *fd = open_retry(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
  return *fd < 0 ? shoal_fail_errno(err, errno, "cannot create %s", path) : SHOAL_OK;
}

shoal_status shoal_os_pieces_add(int fd, const char *path, shoal_str bytes, shoal_error *err) {
  int rc = write_all(fd, bytes);
  if (rc)
    return shoal_fail_errno(err, rc, "cannot write %s", path);
  (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* a hint */
  return SHOAL_OK;
}

shoal_status shoal_os_pieces_end(int fd, const char *path, shoal_error *err) {
  return close(fd) ? shoal_fail_errno(err, errno, "cannot write %s", path) : SHOAL_OK;
}

shoal_status shoal_os_replace_file(const char *path, shoal_str bytes, shoal_error *err) {
  return shoal_os_replace_parts(path, &bytes, 1, err);
}

shoal_status shoal_os_replace_parts(const char *path, const shoal_str *parts, size_t n, shoal_error *err) {
  char uuid[SHOAL_UUID_TEXT];
  shoal_os_uuid(uuid);
  shoal_arena arena = {0};
  shoal_status status;
  char *tmp = shoal_arena_printf(&arena, "%s.%s.tmp", path, uuid);
  if (!tmp) {
    status = shoal_fail_nomem(err);
    goto out;
  }
  status = create_parts(tmp, parts, n, false, err);
  if (status < 0)
    goto out;
  status = shoal_os_rename(tmp, path, err);
  if (status < 0)
    unlink(tmp);
out:
  shoal_arena_dispose(&arena);
  return status;
}

shoal_status shoal_os_map(const char *path, shoal_str *out, shoal_error *err) {
  struct stat st;
  *out = SHOAL_STR("");
  int fd = open_retry(path, O_RDONLY, 0);
  if (fd < 0)
    return shoal_fail_errno(err, errno, "cannot open %s", path);
  int rc = fstat(fd, &st) ? errno : S_ISREG(st.st_mode) ? 0 : EINVAL;
  if (rc == 0 && st.st_size > 0) {
    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
      rc = errno;
    else
      *out = shoal_str_n(at, (size_t)st.st_size);
  }
  close(fd);
  return rc ? shoal_fail_errno(err, rc, "cannot map %s", path) : SHOAL_OK;
}

void shoal_os_unmap(shoal_str mapped) {
  if (mapped.len)
    munmap((void *)(uintptr_t)mapped.ptr, mapped.len);
}

void shoal_os_touch(const char *path) { (void)utimensat(AT_FDCWD, path, NULL, 0); }

static shoal_status fsync_path(const char *path, int flags, shoal_error *err) {
  int fd = open_retry(path, flags, 0);
  if (fd < 0)
    return shoal_fail_errno(err, errno, "cannot open %s", path);
  int rc = fsync(fd) ? errno : 0;
  close(fd);
  return rc ? shoal_fail_errno(err, rc, "cannot fsync %s", path) : SHOAL_OK;
}
shoal_status shoal_os_fsync_file(const char *path, shoal_error *err) { return fsync_path(path, O_RDONLY, err); }
shoal_status shoal_os_fsync_folder(const char *path, shoal_error *err) {
  return fsync_path(path, O_RDONLY | O_DIRECTORY, err);
}

shoal_status shoal_os_rename(const char *from, const char *to, shoal_error *err) {
  return rename(from, to) ? shoal_fail_errno(err, errno, "cannot rename %s to %s", from, to) : SHOAL_OK;
}
shoal_status shoal_os_link(const char *from, const char *to, shoal_error *err) {
  if (link(from, to) == 0)
    return SHOAL_OK;
  int rc = errno;
  if (rc == EPERM || rc == EMLINK || rc == EXDEV || rc == EOPNOTSUPP)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "cannot link %s to %s: %s", from, to, strerrordesc_np(rc));
  return shoal_fail_errno(err, rc, "cannot link %s to %s", from, to);
}
shoal_status shoal_os_unlink(const char *path, shoal_error *err) {
  return unlink(path) ? shoal_fail_errno(err, errno, "cannot remove %s", path) : SHOAL_OK;
}
shoal_status shoal_os_rmdir(const char *path, shoal_error *err) {
  return rmdir(path) ? shoal_fail_errno(err, errno, "cannot remove the folder %s", path) : SHOAL_OK;
}
shoal_status shoal_os_mkdir(const char *path, shoal_error *err) {
  return mkdir(path, 0777) ? shoal_fail_errno(err, errno, "cannot make the folder %s", path) : SHOAL_OK;
}

/* Makes one folder; its parent is there. */
static shoal_status mkdir_step(char *path, bool durable, shoal_error *err) {
  if (mkdir(path, 0777) != 0) {
    shoal_stat st = {0};
    int rc = errno;
    if (rc == EEXIST && shoal_os_stat_at(AT_FDCWD, path, &st) == 0 && st.kind == SHOAL_FILE_FOLDER)
      return SHOAL_OK;
    return shoal_fail_errno(err, rc == EEXIST ? ENOTDIR : rc, "cannot make the folder %s", path);
  }
  if (!durable)
    return SHOAL_OK;
  char *slash = strrchr(path, '/');
  if (!slash)
    return shoal_os_fsync_folder(".", err);
  if (slash == path)
    return shoal_os_fsync_folder("/", err);
  *slash = '\0';
  shoal_status status = shoal_os_fsync_folder(path, err);
  *slash = '/';
  return status;
}

shoal_status shoal_os_mkdirs(const char *path, bool durable, shoal_error *err) {
  shoal_stat st = {0};
  if (shoal_os_stat_at(AT_FDCWD, path, &st) == 0 && st.kind == SHOAL_FILE_FOLDER)
    return SHOAL_OK;
  shoal_arena arena = {0};
  shoal_status status = SHOAL_OK;
  char *copy = shoal_arena_cstr(&arena, shoal_str_z(path));
  if (!copy) {
    status = shoal_fail_nomem(err);
    goto out;
  }
  for (char *p = copy + 1;; p++) {
    if (*p != '/' && *p != '\0')
      continue;
    char c = *p;
    *p = '\0';
    if (p[-1] != '/' && (status = mkdir_step(copy, durable, err)) < 0)
      goto out;
    *p = c;
    if (c == '\0')
      break;
  }
out:
  shoal_arena_dispose(&arena);
  return status;
}

static int compare_entries(const void *a, const void *b) {
  return shoal_str_cmp(((const shoal_dirent *)a)->name, ((const shoal_dirent *)b)->name);
}

static shoal_file_kind entry_kind(int dirfd, const struct dirent *e) {
  switch (e->d_type) {
  case DT_REG:
    return SHOAL_FILE_REGULAR;
  case DT_DIR:
    return SHOAL_FILE_FOLDER;
  case DT_LNK:
    return SHOAL_FILE_LINK;
  case DT_UNKNOWN:
    break;
  default:
    return SHOAL_FILE_OTHER;
  }
  struct stat st;
  return fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) ? SHOAL_FILE_OTHER : kind_of(st.st_mode);
}

shoal_status shoal_os_list(const char *path, shoal_arena *arena, shoal_dirent **out, size_t *n, shoal_error *err) {
  shoal_status status = SHOAL_OK;
  SHOAL_VEC(shoal_dirent) found = {0};
  *out = NULL;
  *n = 0;
  DIR *dir = opendir(path);
  if (!dir)
    return shoal_fail_errno(err, errno, "cannot list %s", path);
  for (;;) {
    errno = 0;
    struct dirent *e = readdir(dir);
    if (!e && errno) {
      status = shoal_fail_errno(err, errno, "cannot list %s", path);
      goto out;
    }
    if (!e)
      break;
    if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
      continue;
    shoal_dirent *item = shoal_vec_add(&found);
    shoal_str name = item ? shoal_arena_str(arena, shoal_str_z(e->d_name)) : SHOAL_STR_NONE;
    if (!name.ptr) {
      status = shoal_fail_nomem(err);
      goto out;
    }
    *item = (shoal_dirent){name, entry_kind(dirfd(dir), e)};
  }
  if (found.len)
    qsort(found.ptr, found.len, sizeof *found.ptr, compare_entries);
  *out = SHOAL_NEW_ARRAY(arena, shoal_dirent, found.len);
  if (!*out) {
    status = shoal_fail_nomem(err);
    goto out;
  }
  if (found.len)
    memcpy(*out, found.ptr, found.len * sizeof *found.ptr);
  *n = found.len;
out:
  shoal_vec_dispose(&found);
  closedir(dir);
  return status;
}

shoal_status shoal_os_remove_tree(const char *path, shoal_error *err) {
  struct stat st;
  if (lstat(path, &st) != 0)
    return errno == ENOENT ? SHOAL_OK : shoal_fail_errno(err, errno, "cannot look at %s", path);
  if (!S_ISDIR(st.st_mode))
    return unlink(path) && errno != ENOENT ? shoal_fail_errno(err, errno, "cannot remove %s", path) : SHOAL_OK;
  shoal_arena arena = {0};
  shoal_dirent *entries;
  size_t n;
  shoal_status status = shoal_os_list(path, &arena, &entries, &n, err);
  for (size_t i = 0; i < n && status >= 0; i++) {
    char *child = shoal_arena_printf(&arena, "%s/%s", path, entries[i].name.ptr);
    status = child ? shoal_os_remove_tree(child, err) : shoal_fail_nomem(err);
  }
  if (status >= 0 && rmdir(path) && errno != ENOENT)
    status = shoal_fail_errno(err, errno, "cannot remove the folder %s", path);
  shoal_arena_dispose(&arena);
  return status;
}

shoal_status shoal_os_realpath(const char *path, shoal_arena *arena, char **out, shoal_error *err) {
  char *p = realpath(path, NULL);
  *out = NULL;
  if (!p)
    return shoal_fail_errno(err, errno, "cannot find %s", path);
  *out = shoal_arena_cstr(arena, shoal_str_z(p));
  free(p);
  return *out ? SHOAL_OK : shoal_fail_nomem(err);
}

shoal_status shoal_os_cwd(shoal_arena *arena, char **out, shoal_error *err) {
  return shoal_os_realpath(".", arena, out, err);
}

bool shoal_os_network_fs(const char *path) {
  /* Magic numbers of nfs, smb, smb2, cifs, fuse, 9p, afs, ceph, lustre, gpfs (linux/magic.h and the file systems' own).
   */
  static const unsigned long remote[] = {0x6969,     0x517b,     0xfe534d42, 0xff534d42, 0x65735546,
                                         0x01021997, 0x5346414f, 0x00c36400, 0x0bd00bd0, 0x47504653};
  struct statfs fs;
  if (statfs(path, &fs) != 0)
    return false;
  for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
    if ((unsigned long)fs.f_type == remote[i])
      return true;
  return false;
}
