/* SPDX-License-Identifier: Apache-2.0 */
/* Processes, identity and the machine on Linux. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/os.h"
#include "base/str.h"

extern char **environ;
/* An address of this very code. */
static const char own_address = 0;

char *shoal_os_self_folder(shoal_arena *arena) {
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  if (n <= 0)
    return NULL;
  path[n] = '\0';
  char *slash = strrchr(path, '/');
  return slash ? shoal_arena_cstr(arena, shoal_str_n(path, (size_t)(slash - path))) : NULL;
}

char *shoal_os_module_folder(shoal_arena *arena) {
  Dl_info info;
  if (!dladdr((const void *)&own_address, &info) || !info.dli_fname)
    return NULL;
  const char *slash = strrchr(info.dli_fname, '/');
  return slash ? shoal_arena_cstr(arena, shoal_str_n(info.dli_fname, (size_t)(slash - info.dli_fname))) : NULL;
}

char *shoal_os_cache_folder(shoal_arena *arena) {
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  if (cache && *cache == '/')
    return shoal_arena_printf(arena, "%s/shoal", cache);
  return home && *home == '/' ? shoal_arena_printf(arena, "%s/.cache/shoal", home) : NULL;
}

const char *shoal_os_hostname(char out[256]) {
  if (gethostname(out, 255) != 0)
    snprintf(out, 256, "unknown");
  out[255] = '\0';
  return out;
}

const char *shoal_os_user(char out[256]) {
  char space[4096];
  struct passwd pw, *found = NULL;
  const char *env = getenv("USER");
  if (getpwuid_r(geteuid(), &pw, space, sizeof space, &found) == 0 && found)
    snprintf(out, 256, "%s", found->pw_name);
  else
    snprintf(out, 256, "%s", env && *env ? env : "unknown");
  return out;
}

int64_t shoal_os_pid(void) { return getpid(); }

/* A small file of /proc as text without its last newline; "" on failure. */
static void small_file(const char *path, char *out, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
  if (fd >= 0)
    close(fd);
  out[n > 0 ? n : 0] = '\0';
  if (n > 0 && out[n - 1] == '\n')
    out[n - 1] = '\0';
}

void shoal_os_process_id(int64_t pid, char out[128]) {
  char path[64], stat[1024], boot[64];
  out[0] = '\0';
  snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
  small_file(path, stat, sizeof stat);
  /* Field 22 is the start time; the name in field 2 may hold anything, so count from its last ')'. */
  char *p = strrchr(stat, ')');
  for (int field = 2; p && field < 22; field++) {
    p = strchr(p + 1, ' ');
    if (field == 2 && p && (p[1] == 'Z' || p[1] == 'X'))
      return; /* a zombie is dead */
  }
  if (!p)
    return;
  small_file("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
  snprintf(out, 128, "%.40s-%lld-%lld", boot, (long long)pid, strtoll(p + 1, NULL, 10));
}

/* The machine, over its boots: two containers of one image differ by their host name. */
static void machine_mark(char out[17]) {
  char id[64], host[256], both[320];
  shoal_hash h;
  small_file("/etc/machine-id", id, sizeof id);
  int n = snprintf(both, sizeof both, "%s/%s", id, shoal_os_hostname(host));
  h = shoal_hash_bytes(shoal_str_n(both, (size_t)n));
  for (int i = 0; i < 8; i++)
    snprintf(out + 2 * i, 3, "%02x", h.b[i]);
}

/* The space in which process ids mean something: the digits of "pid:[4026531836]". */
static void pid_space(char out[32]) {
  char link[64];
  ssize_t n = readlink("/proc/self/ns/pid", link, sizeof link - 1);
  link[n > 0 ? n : 0] = '\0';
  char *digits = strchr(link, '[');
  snprintf(out, 32, "%llu", digits ? strtoull(digits + 1, NULL, 10) : 0ull);
}

void shoal_os_process_token(char out[SHOAL_PROCESS_TOKEN]) {
  char machine[17], space[32], process[128];
  machine_mark(machine);
  pid_space(space);
  shoal_os_process_id(shoal_os_pid(), process);
  snprintf(out, SHOAL_PROCESS_TOKEN, "%s.%s.%s", machine, space, process);
}

#define BOOT_ID_LEN 36

shoal_liveness shoal_os_process_look(shoal_str token) {
  char machine[17], space[32], self[128], then[128];
  shoal_str rest = token, m, s;
  if (!shoal_str_split(&rest, '.', &m) || !shoal_str_split(&rest, '.', &s) || rest.len <= BOOT_ID_LEN + 1)
    return SHOAL_PROCESS_UNKNOWN;
  machine_mark(machine);
  if (!shoal_str_is(m, machine))
    return SHOAL_PROCESS_UNKNOWN;
  shoal_os_process_id(shoal_os_pid(), self);
  if (strlen(self) <= BOOT_ID_LEN)
    return SHOAL_PROCESS_UNKNOWN;
  if (!shoal_str_eq(shoal_str_sub(rest, 0, BOOT_ID_LEN), shoal_str_n(self, BOOT_ID_LEN)))
    return SHOAL_PROCESS_GONE;
  pid_space(space);
  if (!shoal_str_is(s, space))
    return SHOAL_PROCESS_UNKNOWN;
  int64_t pid = -1;
  shoal_str tail = shoal_str_sub(rest, BOOT_ID_LEN + 1, rest.len), number;
  if (!shoal_str_split(&tail, '-', &number) || !shoal_str_i64(number, &pid))
    return SHOAL_PROCESS_UNKNOWN;
  shoal_os_process_id(pid, then);
  return shoal_str_is(rest, then) ? SHOAL_PROCESS_ALIVE : SHOAL_PROCESS_GONE;
}

void shoal_os_random(void *out, size_t n) {
  char *p = out;
  while (n) {
    ssize_t got = getrandom(p, n < 256 ? n : 256, 0);
    if (got <= 0)
      continue; /* only EINTR is possible for so few bytes */
    p += got;
    n -= (size_t)got;
  }
}

void shoal_os_uuid(char out[SHOAL_UUID_TEXT]) {
  uint8_t b[16];
  shoal_os_random(b, sizeof b);
  b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
  b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
  snprintf(out, SHOAL_UUID_TEXT, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
           b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

unsigned shoal_os_cpus(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

uint64_t shoal_os_memory(void) {
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  uint64_t machine = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : (uint64_t)1 << 30;
  char text[64];
  int64_t limit;
  small_file("/sys/fs/cgroup/memory.max", text, sizeof text);
  if (shoal_str_i64(shoal_str_z(text), &limit) && limit > 0 && (uint64_t)limit < machine)
    return (uint64_t)limit;
  return machine;
}

uint64_t shoal_os_peak_rss(void) {
  struct rusage u;
  return getrusage(RUSAGE_SELF, &u) == 0 ? (uint64_t)u.ru_maxrss * 1024 : 0;
}

/* Reads the child's output to its end; what is beyond the buffer's cap is read and dropped. */
static void drain(int fd, shoal_buf *out) {
  char chunk[4096];
  for (;;) {
    ssize_t n = read(fd, chunk, sizeof chunk);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return;
    if (out)
      shoal_buf_add(out, shoal_str_n(chunk, (size_t)n));
  }
}

static int spawn(const char *const *argv, const char *cwd, bool quiet, int out_fd, pid_t *pid) {
  posix_spawn_file_actions_t fa;
  posix_spawnattr_t attr;
  sigset_t none;
  sigemptyset(&none);
  if (posix_spawn_file_actions_init(&fa))
    return ENOMEM;
  if (posix_spawnattr_init(&attr)) {
    posix_spawn_file_actions_destroy(&fa);
    return ENOMEM;
  }
  posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setsigmask(&attr, &none);
  int rc = posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
  rc = rc ? rc : posix_spawn_file_actions_adddup2(&fa, out_fd, 1);
  rc = rc || !quiet ? rc : posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
  rc = rc || !cwd ? rc : posix_spawn_file_actions_addchdir_np(&fa, cwd);
  rc = rc ? rc : posix_spawnp(pid, argv[0], &fa, &attr, (char *const *)(uintptr_t)argv, environ);
  posix_spawnattr_destroy(&attr);
  posix_spawn_file_actions_destroy(&fa);
  return rc;
}

shoal_status shoal_os_run(const char *const *argv, const char *cwd, bool quiet, shoal_buf *out, int *exit_code,
                          shoal_error *err) {
  int fds[2];
  pid_t pid;
  if (pipe2(fds, O_CLOEXEC))
    return shoal_fail_errno(err, errno, "cannot run %s", argv[0]);
  int rc = spawn(argv, cwd, quiet, fds[1], &pid);
  close(fds[1]);
  if (rc) {
    close(fds[0]);
    return shoal_fail_errno(err, rc, "cannot run %s", argv[0]);
  }
  drain(fds[0], out);
  close(fds[0]);
  int state;
  while (waitpid(pid, &state, 0) < 0)
    if (errno != EINTR)
      return shoal_fail_errno(err, errno, "cannot wait for %s", argv[0]);
  *exit_code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  return out ? shoal_buf_check(out, err) : SHOAL_OK;
}
