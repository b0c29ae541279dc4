/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benchmarks compare with, as bare as it gets:
 *   floor sql LIBDUCKDB STATEMENT…   runs statements in the very library that Shoal loads
 *   floor copy LIBDUCKDB QUERY FOLDER  COPYs a query into Parquet files below FOLDER and fsyncs files and folder
 *   floor puts FOLDER N BYTES        N durable puts: temporary file, write, fsync, link, fsync of the folder, unlink
 *   floor commits FOLDER SECONDS     two such puts in turn, into FOLDER and FOLDER/_delta_log, as an append does; how
 * many
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "duckdb.h"

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void sync_path(const char *path, int flags) {
  int fd = open(path, O_RDONLY | flags);
  if (fd < 0 || fsync(fd))
    die(path);
  close(fd);
}

static duckdb_connection con;
static duckdb_state (*query)(duckdb_connection, const char *, duckdb_result *);
static const char *(*result_error)(duckdb_result *);

static void *symbol(void *lib, const char *name) {
  void *f = dlsym(lib, name);
  if (!f)
    die(name);
  return f;
}

static void connect_to(const char *path) {
  duckdb_database db;
  void *lib = dlopen(path, RTLD_NOW);
  if (!lib)
    die(dlerror());
  duckdb_state (*open_db)(const char *, duckdb_database *) = symbol(lib, "duckdb_open");
  duckdb_state (*open_con)(duckdb_database, duckdb_connection *) = symbol(lib, "duckdb_connect");
  query = symbol(lib, "duckdb_query");
  result_error = symbol(lib, "duckdb_result_error");
  if (open_db(NULL, &db) != DuckDBSuccess || open_con(db, &con) != DuckDBSuccess)
    die("duckdb");
}

static void run(const char *sql) {
  duckdb_result result;
  if (query(con, sql, &result) != DuckDBSuccess) {
    fprintf(stderr, "%s\n", result_error(&result));
    exit(1);
  }
}

static void copy(const char *lib, const char *text, const char *folder) {
  char *sql = malloc(strlen(text) + strlen(folder) + 200), path[4096];
  connect_to(lib);
  if (!sql || mkdir(folder, 0777))
    die(folder);
  sprintf(sql, "COPY (%s) TO '%s' (FORMAT parquet, COMPRESSION zstd, FILE_SIZE_BYTES '128MB', OVERWRITE_OR_IGNORE)",
          text, folder);
  run(sql);
  DIR *d = opendir(folder);
  if (!d)
    die(folder);
  for (struct dirent *e; (e = readdir(d));) {
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    if (e->d_name[0] != '.')
      sync_path(path, 0);
  }
  closedir(d);
  sync_path(folder, O_DIRECTORY);
  free(sql);
}

/* An object as a store puts it: whole under another name, then linked to its own, the folder synced. */
static void put_durably(const char *temp, const char *path, const char *home, const void *data, size_t bytes) {
  int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (fd < 0 || write(fd, data, bytes) != (ssize_t)bytes || fsync(fd))
    die(temp);
  close(fd);
  if (link(temp, path))
    die(path);
  sync_path(home, O_DIRECTORY);
  unlink(temp);
}

/* Each put goes into a folder of its own that is there already, as a table's commit does. */
static void puts_durable(const char *folder, int n, size_t bytes) {
  char temp[4096], home[4096], path[4200], *data = calloc(bytes, 1);
  snprintf(temp, sizeof temp, "%s/temp", folder);
  for (int i = 0; i < n && data; i++) {
    snprintf(home, sizeof home, "%s/%d", folder, i);
    snprintf(path, sizeof path, "%s/object-%d", home, (int)getpid());
    put_durably(temp, path, home, data, bytes);
  }
  free(data);
}

static void put(const char *temp, const char *home, int i, size_t bytes) {
  static const char data[4096];
  char path[4200];
  snprintf(path, sizeof path, "%s/floor-%d-%d", home, (int)getpid(), i);
  put_durably(temp, path, home, data, bytes);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void commits(const char *folder, double seconds) {
  char temp[4096], log[4096];
  int n = 0;
  snprintf(temp, sizeof temp, "%s/_delta_log/_floor-%d", folder, (int)getpid());
  snprintf(log, sizeof log, "%s/_delta_log", folder);
  mkdir(folder, 0777);
  mkdir(log, 0777);
  for (double until = now() + seconds; now() < until; n++) {
    put(temp, folder, n, 700);
    put(temp, log, n, 900);
  }
  printf("%d\n", n);
}

int main(int argc, char **argv) {
  if (argc >= 4 && !strcmp(argv[1], "sql")) {
    connect_to(argv[2]);
    for (int i = 3; i < argc; i++)
      run(argv[i]);
  } else if (argc == 5 && !strcmp(argv[1], "copy")) {
    copy(argv[2], argv[3], argv[4]);
  } else if (argc == 5 && !strcmp(argv[1], "puts")) {
    puts_durable(argv[2], atoi(argv[3]), (size_t)atol(argv[4]));
  } else if (argc == 4 && !strcmp(argv[1], "commits")) {
    commits(argv[2], atof(argv[3]));
  } else {
    fputs("floor sql|copy|puts|commits …\n", stderr);
    return 2;
  }
  return 0;
}
