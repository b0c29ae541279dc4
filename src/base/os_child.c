/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes that one talks to. The channel is a pair of connected sockets, so that one descriptor goes both ways
 * and writing to a dead child is an error, not a signal. The lifeline is a pipe that nobody writes to: its end is
 * the sign that this process has ended, however it did.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "base/time.h"

extern char **environ;

#define ABOVE 10 /* descriptors that are handed over lie above the numbers they get in the child */

static void close_all(int *fds, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (fds[i] >= 0)
      close(fds[i]);
}

/* Moves a descriptor out of the way of the child's fixed ones. */
static bool raise_fd(int *fd) {
  int up = fcntl(*fd, F_DUPFD_CLOEXEC, ABOVE);
  if (up < 0)
    return false;
  close(*fd);
  *fd = up;
  return true;
}

/* fds: ours and the child's end of the channel, the child's and ours of the lifeline. */
static int open_ends(int fds[4]) {
  for (int i = 0; i < 4; i++)
    fds[i] = -1;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) || pipe2(fds + 2, O_CLOEXEC))
    return errno;
  for (int i = 0; i < 4; i++)
    if (!raise_fd(&fds[i]))
      return errno;
  return 0;
}

static int spawn(const char *const *argv, const char *cwd, const char *output, const int fds[4], pid_t *pid) {
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
  posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setsigmask(&attr, &none);
  posix_spawnattr_setpgroup(&attr, 0);
  int rc = posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
  rc = rc ? rc : posix_spawn_file_actions_addopen(&fa, 1, output, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);
  rc = rc ? rc : posix_spawn_file_actions_adddup2(&fa, 1, 2);
  rc = rc ? rc : posix_spawn_file_actions_adddup2(&fa, fds[1], SHOAL_CHILD_CHANNEL);
  rc = rc ? rc : posix_spawn_file_actions_adddup2(&fa, fds[2], SHOAL_CHILD_LIFELINE);
  rc = rc || !cwd ? rc : posix_spawn_file_actions_addchdir_np(&fa, cwd);
  rc = rc ? rc : posix_spawnp(pid, argv[0], &fa, &attr, (char *const *)(uintptr_t)argv, environ);
  posix_spawnattr_destroy(&attr);
  posix_spawn_file_actions_destroy(&fa);
  return rc;
}

shoal_status shoal_os_child_start(const char *const *argv, const char *cwd, const char *output, shoal_child *out,
                                  shoal_error *err) {
  int fds[4];
  pid_t pid = 0;
  int rc = open_ends(fds);
  if (rc == 0)
    rc = spawn(argv, cwd, output, fds, &pid);
  if (rc) {
    close_all(fds, 4);
    return shoal_fail_errno(err, rc, "cannot run %s", argv[0]);
  }
  close_all(fds + 1, 2);
  *out = (shoal_child){.pid = pid, .channel = fds[0], .lifeline = fds[3]};
  return SHOAL_OK;
}

void shoal_os_child_kill(const shoal_child *child) { kill((pid_t)-child->pid, SIGKILL); }

void shoal_os_child_end(shoal_child *child, int *exit_code, int *signal_number) {
  int state = 0, fds[2] = {child->channel, child->lifeline};
  shoal_os_child_kill(child); /* before it is waited for: its number is its own until then */
  close_all(fds, 2);
  while (waitpid((pid_t)child->pid, &state, 0) < 0 && errno == EINTR)
    continue;
  *exit_code = WIFEXITED(state) ? WEXITSTATUS(state) : 0;
  *signal_number = WIFSIGNALED(state) ? WTERMSIG(state) : 0;
  *child = (shoal_child){.channel = -1, .lifeline = -1};
}

bool shoal_os_child_runs(const shoal_child *child) {
  siginfo_t info = {0};
  return waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

const char *shoal_os_signal_name(int number) { return sigabbrev_np(number); }

shoal_status shoal_os_send(int fd, shoal_str bytes, shoal_error *err) {
  while (bytes.len) {
    ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return shoal_fail_errno(err, errno, "cannot write to a child process");
    bytes = (shoal_str){bytes.ptr + n, bytes.len - (size_t)n};
  }
  return SHOAL_OK;
}

shoal_status shoal_os_await(int fd, int64_t until_us, shoal_error *err) {
  for (;;) {
    int64_t left = until_us - shoal_time_monotonic();
    if (left <= 0)
      return shoal_fail(err, SHOAL_EBUSY, "no answer in time");
    int rc = poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, left < 60000000 ? (int)(left / 1000) + 1 : 60000);
    if (rc > 0)
      return SHOAL_OK;
    if (rc < 0 && errno != EINTR)
      return shoal_fail_errno(err, errno, "cannot wait for a child process");
  }
}

shoal_status shoal_os_receive(int fd, void *out, size_t n, shoal_error *err) {
  for (char *p = out; n;) {
    ssize_t got = recv(fd, p, n, 0);
    if (got == 0 || (got < 0 && errno == ECONNRESET))
      return SHOAL_DONE;
    if (got < 0 && errno != EINTR)
      return shoal_fail_errno(err, errno, "cannot read from a child process");
    if (got > 0) {
      p += got;
      n -= (size_t)got;
    }
  }
  return SHOAL_OK;
}
