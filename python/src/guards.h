/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHOAL_PYTHON_GUARDS_H
#define SHOAL_PYTHON_GUARDS_H

#include "module.h"

extern PyType_Spec shoal_guards_spec;

#endif
