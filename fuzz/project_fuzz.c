/* SPDX-License-Identifier: Apache-2.0 */
/* shoal.yaml, and a model's header with its expectations. */
#include "base/yaml.h"
#include "code/model.h"
#include "code/project.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  shoal_str text = input(data, size);
  shoal_arena arena = {0};
  shoal_error err = {0};
  shoal_yaml *tree;
  shoal_config config;
  shoal_model model;
  (void)OK(shoal_yaml_parse(text, "x.yaml", 1, &arena, &tree, &err));
  (void)OK(shoal_config_parse(text, SHOAL_STR_NONE, &arena, &config, &err));
  (void)OK(shoal_config_parse(SHOAL_STR("name: t\n"), text, &arena, &config, &err));
  if (OK(shoal_model_parse(SHOAL_STR("models/a/b.sql"), text, &arena, &model, &err))) {
    shoal_buf sql = {0};
    int line, column;
    for (size_t i = 0; i < model.n_expects; i++) {
      shoal_expect_sql(&model, i, &sql);
      shoal_expect_text(&model.expects[i], &sql);
    }
    (void)shoal_expects_hash(&model);
    for (int64_t at = -1; at < (int64_t)model.sql.len + 2; at += 1 + (int64_t)model.sql.len / 7)
      shoal_model_place(&model, at, &line, &column);
    shoal_buf_dispose(&sql);
  }
  shoal_arena_dispose(&arena);
  return 0;
}
