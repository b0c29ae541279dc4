/* SPDX-License-Identifier: Apache-2.0 */
/* A heart renews the leases of a process, and its run's record, in a thread of its own, as long as work goes on. */
#ifndef SHOAL_LAKE_HEART_H
#define SHOAL_LAKE_HEART_H

#include "base/thread.h"
#include "base/vec.h"
#include "lake/lake.h"

typedef struct shoal_heart {
  shoal_mutex mutex; /* held while it renews, so that a lease is never released under it */
  shoal_cond cond;
  shoal_thread thread;
  bool stop, started;
  SHOAL_VEC(shoal_lease *) leases;
  shoal_run_record *record;
} shoal_heart;

/* `record` may be NULL. */
SHOAL_MUST_USE shoal_status shoal_heart_start(shoal_heart *h, shoal_run_record *record, shoal_error *err);
void shoal_heart_stop(shoal_heart *h); /* no-op when not started */
/* From any thread. Whoever holds a lease takes it off before releasing it. */
void shoal_heart_hold(shoal_heart *h, shoal_lease *lease);
void shoal_heart_unhold(shoal_heart *h, shoal_lease *lease);

#endif
