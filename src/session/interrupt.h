/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C for one engine: a wish to cancel is passed on to it while somebody waits for what it does. */
#ifndef SHOAL_SESSION_INTERRUPT_H
#define SHOAL_SESSION_INTERRUPT_H

#include "engine/engine.h"
#include "run/run.h"

typedef struct shoal_interrupt shoal_interrupt;

/* Both must outlive *out, which is ended before the engine is freed. While it lasts jobs of the engine fail with
   SHOAL_ECANCELLED once the cancel is requested. */
SHOAL_MUST_USE shoal_status shoal_interrupt_begin(shoal_cancel *cancel, shoal_engine *engine, shoal_interrupt **out,
                                                  shoal_error *err);
/* The engine's next job is not cancelled any more. NULL is accepted. */
void shoal_interrupt_end(shoal_interrupt *w);

#endif
