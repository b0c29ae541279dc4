/* SPDX-License-Identifier: Apache-2.0 */
/* Names of events. */
#include "run/events.h"

const char *shoal_event_name(shoal_event_kind kind) {
  switch (kind) {
  case SHOAL_EVENT_STARTED:
    return "started";
  case SHOAL_EVENT_FINISHED:
    return "finished";
  case SHOAL_EVENT_REUSED:
    return "reused";
  case SHOAL_EVENT_WAITING:
    return "waiting";
  case SHOAL_EVENT_FAILED:
    return "failed";
  case SHOAL_EVENT_BROKEN:
    return "broken";
  case SHOAL_EVENT_WARNING:
    return "warning";
  case SHOAL_EVENT_REPLANNED:
    return "replanned";
  case SHOAL_EVENT_PROGRESS:
    return "progress";
  }
  return "unknown";
}
