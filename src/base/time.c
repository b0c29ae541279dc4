/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, and the texts of times. Civil dates are computed here because gmtime and mktime know no microseconds and
 * timegm no errors. */
#include "base/time.h"

#include <stdio.h>
#include <time.h>

#include "base/str.h"

#define SECOND 1000000LL

static int64_t clock_us(clockid_t id) {
  struct timespec ts;
  clock_gettime(id, &ts);
  return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec / 1000;
}
int64_t shoal_time_now(void) { return clock_us(CLOCK_REALTIME); }
int64_t shoal_time_monotonic(void) { return clock_us(CLOCK_MONOTONIC); }
int64_t shoal_time_cpu(void) { return clock_us(CLOCK_PROCESS_CPUTIME_ID); }

/* Days since 1970-01-01 of a proleptic Gregorian date, by counting whole 400-year eras from 0000-03-01. */
static int64_t days_of(int64_t y, int64_t m, int64_t d) {
  y -= m <= 2;
  int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
  int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_of(int64_t days, int64_t *y, int64_t *m, int64_t *d) {
  days += 719468;
  int64_t era = (days >= 0 ? days : days - 146096) / 146097, doe = days - era * 146097;
  int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
  *d = doy - (153 * mp + 2) / 5 + 1;
  *m = mp < 10 ? mp + 3 : mp - 9;
  *y = yoe + era * 400 + (*m <= 2);
}

void shoal_time_text(int64_t us, char out[SHOAL_TIME_TEXT]) {
  int64_t day = 86400 * SECOND, days = us / day, rest = us % day, y, m, d;
  if (rest < 0) {
    rest += day;
    days--;
  }
  date_of(days, &y, &m, &d);
  if (y < 0 || y > 9999) { /* outside what the text can say: the nearest it can */
    snprintf(out, SHOAL_TIME_TEXT, "%s", y < 0 ? "0000-01-01T00:00:00.000000Z" : "9999-12-31T23:59:59.999999Z");
    return;
  }
  int64_t s = rest / SECOND;
  snprintf(out, SHOAL_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)y % 10000u, (unsigned)m % 100u,
           (unsigned)d % 100u, (unsigned)(s / 3600) % 100u, (unsigned)(s / 60 % 60), (unsigned)(s % 60),
           (unsigned)(rest % SECOND));
}

void shoal_time_date(int64_t days, char out[SHOAL_TIME_TEXT]) {
  int64_t y, m, d;
  date_of(days, &y, &m, &d);
  snprintf(out, SHOAL_TIME_TEXT, "%s%04lld-%02u-%02u",
           y < 0      ? "-"
           : y > 9999 ? "+"
                      : "",
           (long long)(y < 0 ? -y : y), (unsigned)m % 100u, (unsigned)d % 100u);
}

/* Reads exactly n digits at *at. */
static bool digits(shoal_str s, size_t *at, size_t n, int64_t *out) {
  *out = 0;
  if (s.len - *at < n)
    return false;
  for (size_t i = 0; i < n; i++) {
    char c = s.ptr[(*at)++];
    if (c < '0' || c > '9')
      return false;
    *out = *out * 10 + (c - '0');
  }
  return true;
}
static bool eat(shoal_str s, size_t *at, char c) {
  if (*at >= s.len || s.ptr[*at] != c)
    return false;
  (*at)++;
  return true;
}

/* What follows the seconds: a fraction, then a zone. */
static bool fraction_and_zone(shoal_str s, size_t *at, int64_t *us) {
  if (eat(s, at, '.')) {
    int64_t unit = SECOND;
    size_t from = *at;
    while (*at < s.len && s.ptr[*at] >= '0' && s.ptr[*at] <= '9' && unit > 0) {
      unit /= 10;
      *us += (s.ptr[(*at)++] - '0') * unit;
    }
    if (*at == from)
      return false;
  }
  if (*at == s.len || eat(s, at, 'Z'))
    return *at == s.len;
  bool minus = s.ptr[*at] == '-';
  int64_t h, m = 0;
  if ((!minus && s.ptr[*at] != '+') || !((*at)++, digits(s, at, 2, &h)))
    return false;
  if (*at < s.len && (eat(s, at, ':'), !digits(s, at, 2, &m)))
    return false;
  int64_t offset = (h * 3600 + m * 60) * SECOND;
  *us += minus ? offset : -offset;
  return *at == s.len;
}

bool shoal_time_parse(shoal_str s, int64_t *us) {
  static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  size_t at = 0;
  int64_t y, mo, d, h = 0, mi = 0, sec = 0;
  s = shoal_str_trim(s);
  if (!digits(s, &at, 4, &y) || !eat(s, &at, '-') || !digits(s, &at, 2, &mo) || !eat(s, &at, '-') ||
      !digits(s, &at, 2, &d))
    return false;
  if (mo < 1 || mo > 12 || d < 1 || d > month_days[mo - 1] ||
      (mo == 2 && d == 29 && (y % 4 || (y % 100 == 0 && y % 400))))
    return false;
  *us = days_of(y, mo, d) * 86400 * SECOND;
  if (at == s.len)
    return true;
  if (!(eat(s, &at, 'T') || eat(s, &at, ' ')) || !digits(s, &at, 2, &h) || !eat(s, &at, ':') || !digits(s, &at, 2, &mi))
    return false;
  if (eat(s, &at, ':') && !digits(s, &at, 2, &sec))
    return false;
  if (h > 23 || mi > 59 || sec > 59)
    return false;
  *us += (h * 3600 + mi * 60 + sec) * SECOND;
  return fraction_and_zone(s, &at, us);
}

bool shoal_duration_parse(shoal_str s, int64_t *us) {
  static const struct {
    const char *unit;
    int64_t us;
  } units[] = {{"ms", 1000},         {"s", SECOND},         {"min", 60 * SECOND},  {"m", 60 * SECOND},
               {"h", 3600 * SECOND}, {"d", 86400 * SECOND}, {"w", 604800 * SECOND}};
  s = shoal_str_trim(s);
  size_t n = 0;
  while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9')
    n++;
  int64_t v;
  if (!shoal_str_i64(shoal_str_sub(s, 0, n), &v))
    return false;
  shoal_str unit = shoal_str_trim(shoal_str_sub(s, n, s.len));
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (shoal_str_is(unit, units[i].unit))
      return !__builtin_mul_overflow(v, units[i].us, us);
  return false;
}
