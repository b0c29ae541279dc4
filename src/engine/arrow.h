/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Arrow C data and stream interfaces, in which tables cross to and from other programs. The structs are those of
 * the specification, as nanoarrow declares them; a guard keeps them from being declared twice.
 */
#ifndef SHOAL_ENGINE_ARROW_H
#define SHOAL_ENGINE_ARROW_H

#include <nanoarrow/nanoarrow.h>

#endif
