/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that differs between operating systems, and every file operation the library makes. Paths are
 * NUL-terminated byte strings. Functions restart after EINTR. A status on failure is SHOAL_EIO unless it is one of
 * SHOAL_ENOTFOUND, SHOAL_EEXIST, SHOAL_EACCESS, SHOAL_ESPACE. All may be called from any thread.
 *
 * Durability: only what says "durable" has reached the disk on return. fsync is never retried after a failure (the
 * kernel may have dropped the pages): the file is to be discarded and written anew.
 */
#ifndef SHOAL_BASE_OS_H
#define SHOAL_BASE_OS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "shoal/error.h"
#include "shoal/str.h"

typedef enum shoal_file_kind {
  SHOAL_FILE_REGULAR,
  SHOAL_FILE_FOLDER,
  SHOAL_FILE_LINK,
  SHOAL_FILE_OTHER
} shoal_file_kind;
/* What identifies a file's content as long as the clock is not racing (see shoal_stat_racy). */
typedef struct shoal_stat {
  uint64_t dev, ino, size;
  int64_t mtime_ns, ctime_ns;
  shoal_file_kind kind;
} shoal_stat;

SHOAL_MUST_USE shoal_status shoal_os_stat(const char *path, shoal_stat *out, shoal_error *err); /* follows links */
/* As above without building a message: 0, or -errno. dirfd may be AT_FDCWD. For hot loops. */
int shoal_os_stat_at(int dirfd, const char *path, shoal_stat *out);
/* True if the content may have changed after it was read without a change of the times: modified less than 2 s (a
   coarse file system's granularity) before `read_ns`, the time of reading. */
bool shoal_stat_racy(const shoal_stat *st, int64_t read_ns);
bool shoal_stat_same(const shoal_stat *a, const shoal_stat *b);
/* When what stands at the path was made; where the file system does not tell, when it was last changed (which for a
   folder is when a name in it was). SHOAL_ENOTFOUND. */
SHOAL_MUST_USE shoal_status shoal_os_born(const char *path, int64_t *ns, shoal_file_kind *kind, shoal_error *err);

SHOAL_MUST_USE shoal_status shoal_os_read_file(const char *path, size_t max, shoal_buf *out, shoal_error *err);
/* Bytes off … off+len (less at the end of the file) appended to out. */
SHOAL_MUST_USE shoal_status shoal_os_read_range(const char *path, uint64_t off, uint64_t len, shoal_buf *out,
                                                shoal_error *err);
/* Creates path with these bytes, O_EXCL, and fsyncs the file (not its folder). On failure nothing is left. */
SHOAL_MUST_USE shoal_status shoal_os_create_file(const char *path, shoal_str bytes, shoal_error *err);
/* The same without the fsync: not durable. */
SHOAL_MUST_USE shoal_status shoal_os_create_brief(const char *path, shoal_str bytes, shoal_error *err);
/* A new file (O_EXCL) that is written in pieces, which the system begins to write out at once: the fsync, which is
   another's, has less to wait for. *fd is ended by shoal_os_pieces_end, also after a failure. */
SHOAL_MUST_USE shoal_status shoal_os_pieces_begin(const char *path, int *fd, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_os_pieces_add(int fd, const char *path, shoal_str bytes, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_os_pieces_end(int fd, const char *path, shoal_error *err);
/* Writes path whole by a temporary neighbour and rename. Not durable: for caches and project files. */
SHOAL_MUST_USE shoal_status shoal_os_replace_file(const char *path, shoal_str bytes, shoal_error *err);
/* The same of bytes in parts, one behind the other. */
SHOAL_MUST_USE shoal_status shoal_os_replace_parts(const char *path, const shoal_str *parts, size_t n,
                                                   shoal_error *err);
/* Maps a file for reading. The bytes stay what they are as long as nobody writes into the file, which who replaces it
   by a rename does not. An empty file is {"", 0}. Ended by shoal_os_unmap. */
SHOAL_MUST_USE shoal_status shoal_os_map(const char *path, shoal_str *out, shoal_error *err);
void shoal_os_unmap(shoal_str mapped);
/* The file was used now: its time of change, for caches that drop what was not used for long. No harm if it fails. */
void shoal_os_touch(const char *path);
/* A user's output: replaces a file, behind links, too; writes into what is no file (a pipe, /dev/null). */
SHOAL_MUST_USE shoal_status shoal_os_write_output(const char *path, shoal_str bytes, shoal_error *err);
/* The same for a finished file, which is moved there, or copied where that can't be done. */
SHOAL_MUST_USE shoal_status shoal_os_move_output(const char *from, const char *path, shoal_error *err);
/* The file's bytes into what is open as `fd`; `name` stands in messages. */
SHOAL_MUST_USE shoal_status shoal_os_copy_to(const char *from, int fd, const char *name, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_os_fsync_file(const char *path, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_os_fsync_folder(const char *path, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_os_rename(const char *from, const char *to, shoal_error *err);
/* A hard link. SHOAL_EEXIST; SHOAL_EUNSUPPORTED: the file system, or its rules about other people's files, has none
 * here. */
SHOAL_MUST_USE shoal_status shoal_os_link(const char *from, const char *to, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_os_unlink(const char *path, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_os_rmdir(const char *path, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_os_mkdir(const char *path, shoal_error *err); /* SHOAL_EEXIST */
/* Makes path and what is missing above it. Durable when `durable`: each new folder's parent is fsynced. */
SHOAL_MUST_USE shoal_status shoal_os_mkdirs(const char *path, bool durable, shoal_error *err);
/* Removes a folder and all below it; does not follow links; a missing one is no error. */
SHOAL_MUST_USE shoal_status shoal_os_remove_tree(const char *path, shoal_error *err);

typedef struct shoal_dirent {
  shoal_str name; /* in the arena, NUL-terminated */
  shoal_file_kind kind;
} shoal_dirent;
/* The entries of a folder without "." and "..", sorted bytewise, in the arena. */
SHOAL_MUST_USE shoal_status shoal_os_list(const char *path, shoal_arena *arena, shoal_dirent **out, size_t *n,
                                          shoal_error *err);

/* The absolute path without links of something that exists. */
SHOAL_MUST_USE shoal_status shoal_os_realpath(const char *path, shoal_arena *arena, char **out, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_os_cwd(shoal_arena *arena, char **out, shoal_error *err);
/* The folder this program lies in; NULL if unknown. */
char *shoal_os_self_folder(shoal_arena *arena);
/* The folder of the program or shared object that this code is linked into; NULL if unknown. */
char *shoal_os_module_folder(shoal_arena *arena);
/* True for NFS, SMB, FUSE and their like, where LMDB must not live. */
bool shoal_os_network_fs(const char *path);

/* ${XDG_CACHE_HOME:-~/.cache}/shoal, whether or not it is there; NULL: this user has no such place. */
char *shoal_os_cache_folder(shoal_arena *arena);
const char *shoal_os_hostname(char out[256]);
const char *shoal_os_user(char out[256]);
int64_t shoal_os_pid(void);
/* A text that no other process of this machine ever has: boot id, pid, start time. Empty if pid does not run. */
void shoal_os_process_id(int64_t pid, char out[128]);
/* This process in a form that others, on any machine, can judge: plain ASCII, fit for a file's name. */
#define SHOAL_PROCESS_TOKEN 192
void shoal_os_process_token(char out[SHOAL_PROCESS_TOKEN]);
typedef enum shoal_liveness {
  SHOAL_PROCESS_UNKNOWN, /* of another machine or another space of process ids, or the token is none */
  SHOAL_PROCESS_ALIVE,
  SHOAL_PROCESS_GONE /* of this machine and ended, or of a boot of it before this one */
} shoal_liveness;
shoal_liveness shoal_os_process_look(shoal_str token);
void shoal_os_random(void *out, size_t n);
/* "0190f2c5-…": random (version 4), lower case. */
#define SHOAL_UUID_TEXT 37
void shoal_os_uuid(char out[SHOAL_UUID_TEXT]);
unsigned shoal_os_cpus(void);   /* that this process may use */
uint64_t shoal_os_memory(void); /* bytes this process may use (cgroup or machine) */
uint64_t shoal_os_peak_rss(void);

/* Runs a program found in PATH without a shell, waits, collects stdout (up to max bytes); *exit_code is its code or 128
   + signal. stdin is /dev/null; stderr is inherited unless `quiet`. cwd may be NULL. argv ends with NULL. */
SHOAL_MUST_USE shoal_status shoal_os_run(const char *const *argv, const char *cwd, bool quiet, shoal_buf *out,
                                         int *exit_code, shoal_error *err);

/* A process that one talks to. */
typedef struct shoal_child {
  int64_t pid; /* leads a process group of its own */
  int channel; /* a stream both ways; the child's SHOAL_CHILD_CHANNEL */
  int lifeline;
} shoal_child;
#define SHOAL_CHILD_CHANNEL 3
#define SHOAL_CHILD_LIFELINE 4 /* a pipe that ends when this process does */
/* Starts a program found in PATH. Its stdin is /dev/null; stdout and stderr go to the file `output`, made anew. cwd may
   be NULL. argv ends with NULL. */
SHOAL_MUST_USE shoal_status shoal_os_child_start(const char *const *argv, const char *cwd, const char *output,
                                                 shoal_child *out, shoal_error *err);
/* SIGKILL to it and all of its group. Any thread, until shoal_os_child_end. */
void shoal_os_child_kill(const shoal_child *child);
/* Kills it unless it has ended, with its group, and waits. *signal_number is 0 unless a signal ended it; one that was
   about to exit by itself keeps its code. */
void shoal_os_child_end(shoal_child *child, int *exit_code, int *signal_number);
bool shoal_os_child_runs(const shoal_child *child);
/* "SEGV"; NULL: unknown. */
const char *shoal_os_signal_name(int number);
SHOAL_MUST_USE shoal_status shoal_os_send(int fd, shoal_str bytes, shoal_error *err);
/* Until there is something to read, or the other end is gone. SHOAL_EBUSY: not by `until_us` of the monotonic clock. */
SHOAL_MUST_USE shoal_status shoal_os_await(int fd, int64_t until_us, shoal_error *err);
/* Exactly n bytes. SHOAL_DONE: the other end is gone. */
SHOAL_MUST_USE shoal_status shoal_os_receive(int fd, void *out, size_t n, shoal_error *err);

#endif
