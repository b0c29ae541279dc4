/* SPDX-License-Identifier: Apache-2.0 */
/* Results that are objects, for lake/result.c: a value of a program as bytes. Private to src/lake. */
#ifndef SHOAL_LAKE_VALUE_H
#define SHOAL_LAKE_VALUE_H

#include "lake/lake.h"

/* Puts payload and object.json into the attempt's folder, and fills in what the result says of the bytes. */
SHOAL_MUST_USE shoal_status shoal_value_put(shoal_lake *lake, shoal_str folder, const shoal_result_draft *draft,
                                            shoal_result *result, shoal_error *err);
/* SHOAL_EINVAL: it is no table. */
shoal_status shoal_value_refuse(const shoal_result *r, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_value_provenance(shoal_lake *lake, const shoal_result *r, shoal_buf *out,
                                                   shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_value_complete(shoal_lake *lake, const shoal_result *r, bool *out, shoal_error *err);

/* lake/result.c: what is not found of a result makes it corrupt. */
shoal_status shoal_result_incomplete(shoal_status st, const shoal_result *r, shoal_error *err);

#endif
