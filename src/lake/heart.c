/* SPDX-License-Identifier: Apache-2.0 */
#include "lake/heart.h"

static void beat(void *arg) {
  shoal_heart *h = arg;
  shoal_error ignored;
  shoal_mutex_lock(&h->mutex);
  while (!h->stop) {
    if (shoal_cond_wait_for(&h->cond, &h->mutex, SHOAL_LEASE_BEAT_US))
      continue;
    /* A renewal that fails is tried again at the next beat; if it was taken over, the claim decides. */
    for (size_t i = 0; i < h->leases.len; i++)
      shoal_ignore(shoal_lease_renew(h->leases.ptr[i], &ignored));
    if (h->record)
      shoal_ignore(shoal_run_update(h->record, NULL, 0, &ignored));
  }
  shoal_mutex_unlock(&h->mutex);
}

shoal_status shoal_heart_start(shoal_heart *h, shoal_run_record *record, shoal_error *err) {
  *h = (shoal_heart){.record = record};
  shoal_mutex_init(&h->mutex);
  shoal_cond_init(&h->cond);
  h->started = true;
  return shoal_thread_start(&h->thread, beat, h, err);
}

void shoal_heart_stop(shoal_heart *h) {
  if (!h->started)
    return;
  shoal_mutex_lock(&h->mutex);
  h->stop = true;
  shoal_cond_broadcast(&h->cond);
  shoal_mutex_unlock(&h->mutex);
  shoal_thread_join(&h->thread);
  shoal_vec_dispose(&h->leases);
  shoal_cond_dispose(&h->cond);
  shoal_mutex_dispose(&h->mutex);
  h->started = false;
}

void shoal_heart_hold(shoal_heart *h, shoal_lease *lease) {
  shoal_mutex_lock(&h->mutex);
  shoal_lease **slot = shoal_vec_add(&h->leases);
  if (slot) /* without memory it is not renewed; it may be taken over, which the claim survives */
    *slot = lease;
  shoal_mutex_unlock(&h->mutex);
}

void shoal_heart_unhold(shoal_heart *h, shoal_lease *lease) {
  shoal_mutex_lock(&h->mutex);
  for (size_t i = 0; i < h->leases.len; i++)
    if (h->leases.ptr[i] == lease) {
      h->leases.ptr[i] = h->leases.ptr[--h->leases.len];
      break;
    }
  shoal_mutex_unlock(&h->mutex);
}
