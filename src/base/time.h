/* SPDX-License-Identifier: Apache-2.0 */
/* Times are microseconds since 1970-01-01T00:00:00Z, int64. Durations are microseconds. */
#ifndef SHOAL_BASE_TIME_H
#define SHOAL_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "shoal/str.h"

int64_t shoal_time_now(void);       /* the wall clock */
int64_t shoal_time_monotonic(void); /* for durations within this process */
int64_t shoal_time_cpu(void);       /* CPU time of this process, user and system */
#define SHOAL_TIME_TEXT 28
/* "2026-11-21" of a day counted from 1970-01-01; "-0044-03-15" and "+12345-01-01" where four digits don't do. */
void shoal_time_date(int64_t days, char out[SHOAL_TIME_TEXT]);
/* "2026-11-21T04:23:45.123456Z" */
void shoal_time_text(int64_t us, char out[SHOAL_TIME_TEXT]);
/* Reads that, a date, a date and time with ' ' or 'T', with or without fraction, 'Z' or +hh:mm (none: UTC). */
bool shoal_time_parse(shoal_str s, int64_t *us);
/* "30d", "12h", "5min", "10s", "250ms" */
bool shoal_duration_parse(shoal_str s, int64_t *us);

#endif
