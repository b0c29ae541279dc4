/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library for LD_PRELOAD that sees every change a program makes to files below a folder, DuckDB's and LMDB's like
 * Shoal's own. It records them, kills the program at the n-th of them, or makes the n-th call of a kind fail. It acts
 * in programs named `shoal` only, so that git and shells are left alone. Environment:
 *
 *   SHOAL_RECORD_ROOT   the folder, absolute and without links; without it the library does nothing
 *   SHOAL_RECORD_LOG    file to append the log to; several processes may share one, and their order is kept
 *   SHOAL_RECORD_COUNT  file that gets "class count" lines at a clean exit
 *   SHOAL_KILL          n:before | n:after | n:half   SIGKILL around the n-th change; half of a write is done first
 *   SHOAL_FAULT         class:n:what[:on]   what: an errno's number, or "short" for a write of half its bytes; "on":
 * and each later call of the class, too. Classes: open mkdir write fsync link rename unlink
 *   SHOAL_SLOW          each opening of a file takes so many microseconds longer
 *
 * The log: lines of fields parted by tabs, written after the call succeeded, "op pid …":
 *   create ino path · open ino path (for writing) · trunc ino len · write ino off len sync (then len bytes and a
 * newline) · fsync ino · fsyncdir path · link from to ino · rename from to · unlink path · mkdir path · rmdir path ·
 * fsyncfail ino path · exit Calls are made one at a time under a lock that all recorded processes share; so the log's
 * order is the real one. What it cannot see: stdio's own writes (no FILE is used for the lake) and mmap (LMDB's lock
 * file only).
 */
/* Both names of each call, open and open64, are defined here. */
#undef _FILE_OFFSET_BITS
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_FD 65536
#define EXPORT __attribute__((visibility("default")))

typedef enum op_class { OPEN, MKDIR, WRITE, FSYNC, LINK, RENAME, UNLINK, OTHER, N_CLASSES } op_class;
static const char *const class_names[] = {"open", "mkdir", "write", "fsync", "link", "rename", "unlink", "other"};
typedef enum kill_when { KILL_NEVER, KILL_BEFORE, KILL_AFTER, KILL_HALF } kill_when;

static struct recorder {
  bool on;
  char root[PATH_MAX];
  size_t root_len;
  int log;
  pthread_mutex_t lock;
  uint64_t changes, counts[N_CLASSES]; /* so far */
  uint64_t kill_at;
  kill_when kill;
  uint64_t fault_at;
  op_class fault_class;
  int fault; /* errno; -1 a short write */
  bool fault_on;
  unsigned slow_us;
  unsigned char tracked[MAX_FD]; /* open for writing below the root: 1, with O_SYNC or O_DSYNC: 2 */
} R = {.log = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- setting up ---- */

static void read_kill(const char *text) {
  char *end;
  if (!text)
    return;
  R.kill_at = strtoull(text, &end, 10);
  R.kill = !strcmp(end, ":half") ? KILL_HALF : !strcmp(end, ":after") ? KILL_AFTER : KILL_BEFORE;
}

static void read_fault(const char *text) {
  char name[16], what[16], on[8] = "";
  unsigned long long n;
  if (!text || sscanf(text, "%15[a-z]:%llu:%15[a-z0-9]:%7s", name, &n, what, on) < 3)
    return;
  for (op_class c = OPEN; c < N_CLASSES; c++)
    if (!strcmp(name, class_names[c]))
      R.fault_class = c;
  R.fault_at = n;
  R.fault = !strcmp(what, "short") ? -1 : atoi(what);
  R.fault_on = !strcmp(on, "on");
}

__attribute__((constructor)) static void start(void) {
  const char *root = getenv("SHOAL_RECORD_ROOT"), *log = getenv("SHOAL_RECORD_LOG");
  if (!root || strcmp(program_invocation_short_name, "shoal") != 0 || strlen(root) >= sizeof R.root)
    return;
  strcpy(R.root, root);
  R.root_len = strlen(root);
  if (log)
    R.log = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  read_kill(getenv("SHOAL_KILL"));
  read_fault(getenv("SHOAL_FAULT"));
  R.slow_us = getenv("SHOAL_SLOW") ? (unsigned)atoi(getenv("SHOAL_SLOW")) : 0;
  R.on = true;
}

/* ---- the log ---- */

static void put(const void *p, size_t n) {
  const char *at = p;
  while (n > 0) {
    long w = syscall(SYS_write, R.log, at, n);
    if (w <= 0)
      abort();
    at += w;
    n -= (size_t)w;
  }
}

__attribute__((format(printf, 1, 2))) static void logf_(const char *fmt, ...) {
  char line[3 * PATH_MAX];
  va_list ap;
  if (R.log < 0)
    return;
  va_start(ap, fmt);
  int n = vsnprintf(line, sizeof line, fmt, ap);
  va_end(ap);
  put(line, (size_t)n);
}

__attribute__((destructor)) static void finish(void) {
  const char *path = getenv("SHOAL_RECORD_COUNT");
  if (!R.on)
    return;
  logf_("exit\t%d\n", getpid());
  FILE *f = path ? fopen(path, "w") : NULL;
  if (!f)
    return;
  fprintf(f, "changes %llu\n", (unsigned long long)R.changes);
  for (op_class c = OPEN; c < N_CLASSES; c++)
    fprintf(f, "%s %llu\n", class_names[c], (unsigned long long)R.counts[c]);
  fclose(f);
}

/* The program ends so, which runs no destructors. */
EXPORT void _exit(int code) {
  finish();
  for (;;)
    syscall(SYS_exit_group, code);
}

/* ---- paths ---- */

/* Takes "." and ".." and "//" out of an absolute path. */
static void normalise(char *path) {
  char *out = path;
  for (const char *p = path; *p;) {
    while (*p == '/')
      p++;
    size_t n = strcspn(p, "/");
    if (n == 2 && p[0] == '.' && p[1] == '.') {
      while (out > path && *--out != '/')
        ;
    } else if (n > 0 && !(n == 1 && p[0] == '.')) {
      *out++ = '/';
      memmove(out, p, n);
      out += n;
    }
    p += n;
  }
  *out = '\0';
}

static bool below_root(const char *path) {
  return !strncmp(path, R.root, R.root_len) && (path[R.root_len] == '/' || path[R.root_len] == '\0');
}

static bool path_of_fd(int fd, char out[PATH_MAX]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, out, PATH_MAX - 1);
  if (n < 0)
    return false;
  out[n] = '\0';
  return true;
}

/* The absolute path, and whether it lies below the root. */
static bool inside(int dirfd, const char *path, char out[PATH_MAX]) {
  if (!R.on || !path)
    return false;
  if (path[0] == '/') {
    snprintf(out, PATH_MAX, "%s", path);
  } else {
    char base[PATH_MAX];
    if (dirfd == AT_FDCWD ? !getcwd(base, sizeof base) : !path_of_fd(dirfd, base))
      return false;
    if (snprintf(out, PATH_MAX, "%s/%s", base, path) >= PATH_MAX)
      return false;
  }
  normalise(out);
  return below_root(out);
}

/* ---- one call ---- */

static void enter(void) {
  pthread_mutex_lock(&R.lock);
  if (R.log >= 0)
    (void)flock(R.log, LOCK_EX);
}

static void leave(void) {
  int keep = errno;
  if (R.log >= 0)
    (void)flock(R.log, LOCK_UN);
  pthread_mutex_unlock(&R.lock);
  errno = keep;
}

static _Noreturn void die(void) {
  kill(getpid(), SIGKILL);
  for (;;)
    pause();
}

/* Counts a call; returns what is to be done with it: 0, an errno, -1 (short). */
static int arrive(op_class c, bool change) {
  R.counts[c]++;
  R.changes += change;
  if (change && R.kill == KILL_BEFORE && R.changes == R.kill_at)
    die();
  bool hit = R.fault && c == R.fault_class && (R.fault_on ? R.counts[c] >= R.fault_at : R.counts[c] == R.fault_at);
  return hit ? R.fault : 0;
}

static void depart(bool change) {
  if (change && R.kill != KILL_NEVER && R.kill != KILL_BEFORE && R.changes == R.kill_at) {
    int keep = errno;
    die();
    errno = keep;
  }
}

static unsigned long long inode(int fd) {
  struct stat st;
  return fstat(fd, &st) ? 0 : (unsigned long long)st.st_ino;
}

/* ---- open ---- */

static int do_open(int dirfd, const char *path, int flags, mode_t mode) {
  char full[PATH_MAX];
  struct stat st;
  if (!inside(dirfd, path, full))
    return (int)syscall(SYS_openat, dirfd, path, flags, mode);
  if (R.slow_us)
    usleep(R.slow_us);
  enter();
  bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
  bool was_there = stat(full, &st) == 0;
  bool change = writes && (!was_there || (flags & O_TRUNC));
  int fault = arrive(OPEN, change), fd = -1;
  if (fault)
    errno = fault;
  else
    fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
  if (fd >= 0 && writes) {
    if (!was_there)
      logf_("create\t%d\t%llu\t%s\n", getpid(), inode(fd), full);
    else
      logf_("open\t%d\t%llu\t%s\n", getpid(), inode(fd), full);
    if (was_there && (flags & O_TRUNC))
      logf_("trunc\t%d\t%llu\t0\n", getpid(), inode(fd));
    if (fd < MAX_FD)
      R.tracked[fd] = flags & (O_SYNC | O_DSYNC) ? 2 : 1;
  }
  depart(change);
  leave();
  return fd;
}

#define OPEN_MODE(flags)                                                                                               \
  mode_t mode = 0;                                                                                                     \
  if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                               \
    va_list ap;                                                                                                        \
    va_start(ap, flags);                                                                                               \
    mode = va_arg(ap, mode_t);                                                                                         \
    va_end(ap);                                                                                                        \
  }
EXPORT int open(const char *path, int flags, ...) {
  OPEN_MODE(flags)
  return do_open(AT_FDCWD, path, flags, mode);
}
EXPORT int open64(const char *path, int flags, ...) {
  OPEN_MODE(flags)
  return do_open(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}
EXPORT int openat(int dirfd, const char *path, int flags, ...) {
  OPEN_MODE(flags)
  return do_open(dirfd, path, flags, mode);
}
EXPORT int openat64(int dirfd, const char *path, int flags, ...) {
  OPEN_MODE(flags)
  return do_open(dirfd, path, flags | O_LARGEFILE, mode);
}
EXPORT int creat(const char *path, mode_t mode) { return do_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
EXPORT int creat64(const char *path, mode_t mode) { return creat(path, mode); }

EXPORT int close(int fd) {
  if (fd >= 0 && fd < MAX_FD)
    R.tracked[fd] = 0;
  return (int)syscall(SYS_close, fd);
}

/* ---- data ---- */

static bool is_tracked(int fd) { return R.on && fd >= 0 && fd < MAX_FD && R.tracked[fd]; }

static void log_write(int fd, const void *bytes, size_t n, off_t off) {
  if (R.log < 0 || n == 0)
    return;
  logf_("write\t%d\t%llu\t%lld\t%zu\t%d\n", getpid(), inode(fd), (long long)off, n, R.tracked[fd] == 2);
  put(bytes, n);
  put("\n", 1);
}

/* `off` -1: where the file stands. */
static ssize_t do_write(int fd, const void *bytes, size_t n, off_t off) {
  enter();
  int fault = arrive(WRITE, true);
  off_t at = off;
  if (at < 0) {
    struct stat st;
    bool append = fcntl(fd, F_GETFL) & O_APPEND;
    at = append && fstat(fd, &st) == 0 ? st.st_size : lseek(fd, 0, SEEK_CUR);
  }
  if (fault == -1 || (R.kill == KILL_HALF && R.changes == R.kill_at))
    n = n > 1 ? n / 2 : n;
  ssize_t done = -1;
  if (fault > 0)
    errno = fault;
  else
    done = off < 0 ? syscall(SYS_write, fd, bytes, n) : syscall(SYS_pwrite64, fd, bytes, n, off);
  if (done > 0)
    log_write(fd, bytes, (size_t)done, at);
  depart(true);
  leave();
  return done;
}

static ssize_t do_writev(int fd, const struct iovec *v, int n, off_t off) {
  size_t len = 0;
  for (int i = 0; i < n; i++)
    len += v[i].iov_len;
  char *whole = malloc(len ? len : 1), *at = whole;
  if (!whole)
    abort();
  for (int i = 0; i < n; i++) {
    memcpy(at, v[i].iov_base, v[i].iov_len);
    at += v[i].iov_len;
  }
  ssize_t done = do_write(fd, whole, len, off);
  int keep = errno;
  free(whole);
  errno = keep;
  return done;
}

EXPORT ssize_t write(int fd, const void *bytes, size_t n) {
  return is_tracked(fd) ? do_write(fd, bytes, n, -1) : syscall(SYS_write, fd, bytes, n);
}
EXPORT ssize_t pwrite(int fd, const void *bytes, size_t n, off_t off) {
  return is_tracked(fd) ? do_write(fd, bytes, n, off) : syscall(SYS_pwrite64, fd, bytes, n, off);
}
EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t off) { return pwrite(fd, bytes, n, off); }
EXPORT ssize_t writev(int fd, const struct iovec *v, int n) {
  return is_tracked(fd) ? do_writev(fd, v, n, -1) : syscall(SYS_writev, fd, v, n);
}
EXPORT ssize_t pwritev(int fd, const struct iovec *v, int n, off_t off) {
  return is_tracked(fd) ? do_writev(fd, v, n, off) : syscall(SYS_pwritev, fd, v, n, off, 0);
}
EXPORT ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t off) { return pwritev(fd, v, n, off); }

EXPORT int ftruncate(int fd, off_t len) {
  if (!is_tracked(fd))
    return (int)syscall(SYS_ftruncate, fd, len);
  enter();
  int fault = arrive(WRITE, true), rc = -1;
  if (fault > 0)
    errno = fault;
  else
    rc = (int)syscall(SYS_ftruncate, fd, len);
  if (rc == 0)
    logf_("trunc\t%d\t%llu\t%lld\n", getpid(), inode(fd), (long long)len);
  depart(true);
  leave();
  return rc;
}
EXPORT int ftruncate64(int fd, off64_t len) { return ftruncate(fd, len); }

static int do_fsync(int fd, long call) {
  char path[PATH_MAX];
  struct stat st;
  if (!R.on || !path_of_fd(fd, path) || !below_root(path) || fstat(fd, &st))
    return (int)syscall(call, fd);
  enter();
  int fault = arrive(FSYNC, true), rc = -1;
  if (fault > 0)
    errno = fault;
  else
    rc = (int)syscall(call, fd);
  if (rc)
    logf_("fsyncfail\t%d\t%llu\t%s\n", getpid(), (unsigned long long)st.st_ino, path);
  else if (S_ISDIR(st.st_mode))
    logf_("fsyncdir\t%d\t%s\n", getpid(), path);
  else
    logf_("fsync\t%d\t%llu\n", getpid(), (unsigned long long)st.st_ino);
  depart(true);
  leave();
  return rc;
}
EXPORT int fsync(int fd) { return do_fsync(fd, SYS_fsync); }
EXPORT int fdatasync(int fd) { return do_fsync(fd, SYS_fdatasync); }

/* ---- names ---- */

static int do_two(op_class c, int from_dir, const char *from, int to_dir, const char *to, int flags) {
  char a[PATH_MAX], b[PATH_MAX];
  struct stat st;
  long call = c == LINK ? SYS_linkat : SYS_renameat2;
  bool in_a = inside(from_dir, from, a), in_b = inside(to_dir, to, b);
  if (!in_a && !in_b)
    return (int)syscall(call, from_dir, from, to_dir, to, flags);
  enter();
  int fault = arrive(c, true), rc = -1;
  if (fault > 0)
    errno = fault;
  else
    rc = (int)syscall(call, from_dir, from, to_dir, to, flags);
  if (rc == 0 && c == LINK)
    logf_("link\t%d\t%s\t%s\t%llu\n", getpid(), a, b, stat(b, &st) ? 0 : (unsigned long long)st.st_ino);
  else if (rc == 0)
    logf_("rename\t%d\t%s\t%s\n", getpid(), a, b);
  depart(true);
  leave();
  return rc;
}
EXPORT int link(const char *from, const char *to) { return do_two(LINK, AT_FDCWD, from, AT_FDCWD, to, 0); }
EXPORT int linkat(int fd, const char *from, int td, const char *to, int f) { return do_two(LINK, fd, from, td, to, f); }
EXPORT int rename(const char *from, const char *to) { return do_two(RENAME, AT_FDCWD, from, AT_FDCWD, to, 0); }
EXPORT int renameat(int fd, const char *from, int td, const char *to) { return do_two(RENAME, fd, from, td, to, 0); }
EXPORT int renameat2(int fd, const char *from, int td, const char *to, unsigned f) {
  return do_two(RENAME, fd, from, td, to, (int)f);
}

/* mkdir, unlink, rmdir. */
static int do_one(op_class c, const char *verb, long call, int dirfd, const char *path, int arg) {
  char full[PATH_MAX];
  if (!inside(dirfd, path, full))
    return (int)syscall(call, dirfd, path, arg);
  enter();
  int fault = arrive(c, true), rc = -1;
  if (fault > 0)
    errno = fault;
  else
    rc = (int)syscall(call, dirfd, path, arg);
  if (rc == 0)
    logf_("%s\t%d\t%s\n", verb, getpid(), full);
  depart(true);
  leave();
  return rc;
}
EXPORT int mkdirat(int dirfd, const char *path, mode_t mode) {
  return do_one(MKDIR, "mkdir", SYS_mkdirat, dirfd, path, (int)mode);
}
EXPORT int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
EXPORT int unlinkat(int dirfd, const char *path, int flags) {
  bool folder = flags & AT_REMOVEDIR;
  return do_one(folder ? OTHER : UNLINK, folder ? "rmdir" : "unlink", SYS_unlinkat, dirfd, path, flags);
}
EXPORT int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
EXPORT int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
EXPORT int remove(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path);
}
