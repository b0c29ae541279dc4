/* SPDX-License-Identifier: Apache-2.0 */
/* Without libFuzzer: feeds each file of the folders it is given to the target, in a block of its very size, so that a
   sanitizer sees a read past its end. */
#include <dirent.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/os.h"
#include "fuzz.h"

static void run_file(const char *path) {
  shoal_buf text = {0};
  shoal_error err;
  MUST(shoal_os_read_file(path, 64 << 20, &text, &err) >= 0);
  uint8_t *copy = malloc(text.len ? text.len : 1);
  MUST(copy);
  if (text.len)
    memcpy(copy, text.ptr, text.len);
  (void)LLVMFuzzerTestOneInput(copy, text.len);
  free(copy);
  shoal_buf_dispose(&text);
}

int main(int argc, char **argv) {
  int n = 0;
  for (int i = 1; i < argc; i++) {
    DIR *d = opendir(argv[i]);
    for (struct dirent *e; d && (e = readdir(d));) {
      char path[4096];
      if (e->d_name[0] == '.')
        continue;
      snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
      printf("%s\n", path); /* the last one is the one that crashed */
      fflush(stdout);
      run_file(path);
      n++;
    }
    if (d)
      closedir(d);
  }
  (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
  printf("%d passed, %d failed\n", n ? 1 : 0, n ? 0 : 1);
  return n == 0;
}
