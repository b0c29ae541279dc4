/* SPDX-License-Identifier: Apache-2.0 */
/* Values of properties: what is kept, what is refused, and what they come to. */
#include "support/support.h"

#include "base/str.h"
#include "delta/layout.h"
#include "delta/property.h"

typedef struct value_case {
  const char *key, *value;
  shoal_status want;
} value_case;

static const value_case values[] = {{"delta.appendOnly", "true", SHOAL_OK},
                                    {"delta.appendOnly", "yes", SHOAL_EINVAL},
                                    {"delta.checkpointInterval", "1", SHOAL_OK},
                                    {"delta.checkpointInterval", "0", SHOAL_EINVAL},
                                    {"delta.checkpointInterval", "-3", SHOAL_EINVAL},
                                    {"delta.checkpointInterval", "ten", SHOAL_EINVAL},
                                    {"delta.checkpointInterval", "2147483648", SHOAL_EINVAL},
                                    {"delta.dataSkippingNumIndexedCols", "-1", SHOAL_OK},
                                    {"delta.dataSkippingNumIndexedCols", "0", SHOAL_OK},
                                    {"delta.dataSkippingNumIndexedCols", "-2", SHOAL_EINVAL},
                                    {"delta.dataSkippingNumIndexedCols", "3.5", SHOAL_EINVAL},
                                    {"delta.dataSkippingStringPrefixLength", "0", SHOAL_OK},
                                    {"delta.dataSkippingStringPrefixLength", "-1", SHOAL_EINVAL},
                                    {"delta.dataSkippingStatsColumns", "a, s.x,`we``ird, col`.`s`", SHOAL_OK},
                                    {"delta.dataSkippingStatsColumns", "", SHOAL_OK},
                                    {"delta.dataSkippingStatsColumns", "a,,b", SHOAL_EINVAL},
                                    {"delta.dataSkippingStatsColumns", "a,", SHOAL_EINVAL},
                                    {"delta.dataSkippingStatsColumns", "a.", SHOAL_EINVAL},
                                    {"delta.dataSkippingStatsColumns", "`a", SHOAL_EINVAL},
                                    {"delta.dataSkippingStatsColumns", "``", SHOAL_EINVAL},
                                    {"delta.dataSkippingStatsColumns", "a b", SHOAL_EINVAL},
                                    {"delta.dataSkippingStatsColumns", "`a`b", SHOAL_EINVAL},
                                    {"delta.targetFileSize", "1", SHOAL_OK},
                                    {"delta.targetFileSize", "1tb", SHOAL_OK},
                                    {"delta.targetFileSize", "0", SHOAL_EINVAL},
                                    {"delta.targetFileSize", "-1", SHOAL_EINVAL},
                                    {"delta.targetFileSize", "1.5gb", SHOAL_EINVAL},
                                    {"delta.targetFileSize", "mb", SHOAL_EINVAL},
                                    {"delta.targetFileSize", "1025tb", SHOAL_EINVAL},
                                    {"delta.parquet.compression.codec", "NONE", SHOAL_OK},
                                    {"delta.parquet.compression.codec", "Snappy", SHOAL_OK},
                                    {"delta.parquet.compression.codec", "lz4_raw", SHOAL_OK},
                                    {"delta.parquet.compression.codec", "lz4", SHOAL_EUNSUPPORTED},
                                    {"delta.parquet.compression.codec", "lzo", SHOAL_EUNSUPPORTED},
                                    {"delta.parquet.compression.codec", "", SHOAL_EUNSUPPORTED},
                                    {"delta.parquet.format.version", "1.0.0", SHOAL_OK},
                                    {"delta.parquet.format.version", "2.12.0", SHOAL_EUNSUPPORTED},
                                    {"delta.parquet.format.version", "2.12", SHOAL_EINVAL},
                                    {"delta.parquet.format.version", "2.1.0.0", SHOAL_EINVAL},
                                    {"delta.parquet.format.version", "2.x.x", SHOAL_EINVAL},
                                    {"delta.parquet.format.version", "2.-1.0", SHOAL_EINVAL},
                                    {"delta.parquet.format.version", "1.0", SHOAL_EINVAL},
                                    {"delta.parquet.format.version", "3.0.0", SHOAL_EINVAL},
                                    {"delta.logRetentionDuration", "interval 1 fortnight", SHOAL_EINVAL},
                                    {"delta.deletedFileRetentionDuration", "interval -1 day", SHOAL_EINVAL},
                                    {"delta.setTransactionRetentionDuration", "interval 1 month", SHOAL_EINVAL},
                                    {"delta.setTransactionRetentionDuration", "interval 30 days", SHOAL_OK},
                                    {"delta.autoOptimize.optimizeWrite", "true", SHOAL_OK},
                                    {"delta.autoOptimize.autoCompact", "auto", SHOAL_EINVAL},
                                    {"delta.randomPrefixLength", "0", SHOAL_EINVAL},
                                    {"delta.universalFormat.enabledFormats", "iceberg", SHOAL_EUNSUPPORTED},
                                    {"mine", "anything", SHOAL_OK},
                                    {"targetFileSize", "1mb", SHOAL_EINVAL}};

static void test_values(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    shoal_error err = {0};
    const shoal_delta_kv pair = {shoal_str_z(values[i].key), shoal_str_z(values[i].value)};
    shoal_status got = shoal_delta_property_check(&pair, &err);
    if (got != values[i].want)
      fail_msg("%s=%s: %d, not %d (%s)", values[i].key, values[i].value, got, values[i].want, err.message);
    if (got < 0)
      assert_true(shoal_str_find(shoal_str_z(err.message), pair.key) >= 0);
  }
}

static void test_intervals(void **state) {
  static const struct {
    const char *text;
    int64_t ms;
  } cases[] = {{"interval 1 week", 604800000},
               {"INTERVAL 2 Days", 172800000},
               {"36 hours", 129600000},
               {"interval  1 week\t2 days", 777600000},
               {"interval 1 day -1 hour", 82800000},
               {"interval +1 minute", 60000},
               {"interval 0 days", 0},
               {"1500 microseconds", 1},
               {"10 milliseconds", 10},
               {"interval 1 day -2 days", -1},
               {"interval 1 year", -1},
               {"interval 1", -1},
               {"interval", -1},
               {"", -1},
               {"1day", -1},
               {"interval 1.5 days", -1},
               {"interval 1 day 2", -1},
               {"interval 9223372036854775807 weeks", -1},
               {"interval 1 s", -1}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (shoal_delta_interval(shoal_str_z(cases[i].text)) != cases[i].ms)
      fail_msg("'%s' is %lld ms", cases[i].text, (long long)shoal_delta_interval(shoal_str_z(cases[i].text)));
}

static void test_sizes(void **state) {
  static const struct {
    const char *text;
    uint64_t bytes;
  } cases[] = {{"134217728", 134217728}, {"128mb", 134217728}, {" 1 GB ", 1 << 30}, {"64k", 65536}, {"7b", 7},
               {"1024t", 1ULL << 50}};
  uint64_t bytes;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_true(shoal_delta_size(shoal_str_z(cases[i].text), &bytes));
    assert_int_equal(bytes, cases[i].bytes);
  }
}

/* What tables of others say. */
static void test_layouts(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_delta_layout l;
  shoal_delta_kv pairs[] = {{SHOAL_STR(SHOAL_DELTA_CODEC_KEY), SHOAL_STR("GZIP")},
                            {SHOAL_STR(SHOAL_DELTA_FORMAT_KEY), SHOAL_STR("2.12.0")},
                            {SHOAL_STR(SHOAL_DELTA_SIZE_KEY), SHOAL_STR("some")}};
  shoal_delta_metadata m = {.configuration = pairs, .n_configuration = 3};
  CHECK_OK(shoal_delta_layout_of(&m, &l, &err), &err);
  assert_int_equal(l.codec, SHOAL_PARQUET_GZIP);
  assert_int_equal(l.file_bytes, 0);
  assert_int_equal(shoal_delta_checkpoint_codec(&m), SHOAL_PARQUET_GZIP);
  pairs[1].value = SHOAL_STR("3.0.0");
  CHECK_STATUS(shoal_delta_layout_of(&m, &l, &err), SHOAL_EINVAL, &err);
  pairs[0].value = SHOAL_STR("lz4");
  CHECK_STATUS(shoal_delta_layout_of(&m, &l, &err), SHOAL_EUNSUPPORTED, &err);
  assert_int_equal(shoal_delta_checkpoint_codec(&m), SHOAL_PARQUET_ZSTD);
  m.n_configuration = 0;
  CHECK_OK(shoal_delta_layout_of(&m, &l, &err), &err);
  assert_int_equal(l.codec, SHOAL_PARQUET_ZSTD);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_intervals),
                                     cmocka_unit_test(test_sizes), cmocka_unit_test(test_layouts)};
  return cmocka_run_group_tests_name("delta/property", tests, NULL, NULL);
}
