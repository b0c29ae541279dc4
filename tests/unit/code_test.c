/* SPDX-License-Identifier: Apache-2.0 */
/* Project files, model headers, units in the index's encoding. */
#include "support/support.h"

#include <string.h>

#include "base/codec.h"
#include "base/str.h"
#include "code/model.h"
#include "code/project.h"
#include "code/unit.h"

static void a_project_file(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_arena arena = {0};
  shoal_config c;
  CHECK_OK(
      shoal_config_parse(
          SHOAL_STR(
              "name: f\nlake: l\nsources:\n  b.x: {files: 'd/*.csv', options: {header: true}}\n  a.t: {delta: ../t}\n"
              "vars: {start: 2013-01-01, n: 5}\nengine: {memory: 4GB, threads: 2}\n"),
          SHOAL_STR("lake: other\nvars: {n: 7}\n"), &arena, &c, &err),
      &err);
  CHECK_STR(c.lake, "other");
  assert_int_equal(c.n_sources, 2);
  CHECK_STR(c.sources[0].name, "a.t");
  CHECK_STR(c.sources[1].format, "csv");
  assert_int_equal(c.engine_memory, 4000000000u);
  CHECK_STR(c.vars[0].name, "n");
  CHECK_STR(c.vars[0].value, "7");
  for (size_t i = 0; i < c.n_settings; i++)
    if (shoal_str_is(c.settings[i].name, "lake"))
      CHECK_STR(c.settings[i].origin, "shoal.local.yaml:1");
  shoal_arena_dispose(&arena);
}

static void a_project_files_mistakes_name_line_and_nearest_key(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int line;
    const char *says;
  } cases[] = {{"name: f\nsource: {}\n", 2, "sources"},
               {"lake: x\n", 1, "name"},
               {"name: f\nsources:\n  Bad.Name: {files: x.csv}\n", 3, "dataset name"},
               {"name: f\nsources:\n  a.b: {file: x.csv}\n", 3, "files"},
               {"name: f\nsources:\n  a.b: {files: x.txt}\n", 3, "format"},
               {"name: f\nengine: {memory: lots}\n", 2, "size"},
               {"name: [a]\n", 1, "one value"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_error err = {0};
    shoal_arena arena = {0};
    shoal_config c;
    CHECK_STATUS(shoal_config_parse(shoal_str_z(cases[i].text), SHOAL_STR_NONE, &arena, &c, &err), SHOAL_EINVAL, &err);
    assert_int_equal(err.line, cases[i].line);
    if (!strstr(err.message, cases[i].says) && !strstr(err.hint, cases[i].says))
      fail_msg("%s / %s does not say %s", err.message, err.hint, cases[i].says);
    shoal_arena_dispose(&arena);
  }
}

static void a_models_header(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_arena arena = {0};
  shoal_model m;
  const char *text = "/* shoal\ndescription: d\ntags: [a, b]\npartition_by: month\nexpect:\n  - \"x > 0\"\n  - unique: "
                     "[a, b]\n  - {not_null: c, severity: warn}\n  - rows: '> 0'\n*/\n\nselect 1\n";
  CHECK_OK(shoal_model_parse(SHOAL_STR("models/gold/x.sql"), shoal_str_z(text), &arena, &m, &err), &err);
  CHECK_STR(m.name, "gold.x");
  assert_int_equal(m.n_tags, 2);
  assert_int_equal(m.n_expects, 4);
  assert_true(m.expects[2].warn);
  assert_int_equal(m.first_line, 10);
  CHECK_STR(shoal_str_trim(m.sql), "select 1");
  shoal_buf b = {0};
  shoal_expect_sql(&m, 1, &b);
  assert_non_null(strstr(shoal_buf_z(&b), "GROUP BY \"a\", \"b\""));
  shoal_buf_dispose(&b);
  CHECK_OK(shoal_model_parse(SHOAL_STR("models/x.sql"), SHOAL_STR("/* not ours */ select 1"), &arena, &m, &err), &err);
  CHECK_STR(m.name, "main.x");
  assert_int_equal(m.n_expects, 0);
  shoal_arena_dispose(&arena);
}

static void a_models_mistakes(void **state) {
  (void)state;
  static const struct {
    const char *path, *text;
    int line;
    const char *says;
  } cases[] = {{"models/gold/x.sql", "/* shoal\ndescripton: x\n*/ select 1", 2, "description"},
               {"models/gold/x.sql", "/* shoal\nname: x\nselect 1", 1, "not closed"},
               {"models/Gold/X.sql", "select 1", 1, "lower case"},
               {"models/a/b/c.sql", "select 1", 1, "name"},
               {"models/a/b.sql", "  \n", 1, "SELECT"},
               {"models/a/b.sql", "/* shoal\nincremental: true\n*/ select 1", 2, "not available"},
               {"models/a/b.sql", "select '\xff'", 1, "UTF-8"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_error err = {0};
    shoal_arena arena = {0};
    shoal_model m;
    CHECK_STATUS(shoal_model_parse(shoal_str_z(cases[i].path), shoal_str_z(cases[i].text), &arena, &m, &err),
                 SHOAL_EINVAL, &err);
    assert_int_equal(err.line, cases[i].line);
    if (!strstr(err.message, cases[i].says) && !strstr(err.hint, cases[i].says))
      fail_msg("%s / %s does not say %s", err.message, err.hint, cases[i].says);
    shoal_arena_dispose(&arena);
  }
}

static void a_broken_index_is_noticed(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_arena arena = {0};
  shoal_str tags[] = {SHOAL_STR("a"), SHOAL_STR("bb")};
  shoal_unit_ref refs[] = {{.name = SHOAL_STR("x.y"), .line = 3, .column = 4, .called = true}};
  shoal_unit u = {.name = SHOAL_STR("a.b"),
                  .path = SHOAL_STR("models/a/b.sql"),
                  .tags = tags,
                  .n_tags = 2,
                  .refs = refs,
                  .n_refs = 1,
                  .python = SHOAL_STR("3.11"),
                  .line = 7},
             back;
  shoal_buf b = {0};
  shoal_unit_encode(&u, &b);
  for (size_t cut = 0; cut <= b.len; cut++) {
    shoal_decoder d = {.rest = shoal_str_sub(shoal_buf_str(&b), 0, cut)};
    CHECK_OK(shoal_unit_decode(&d, &arena, &back, &err), &err);
    assert_int_equal(d.failed, cut < b.len);
  }
  CHECK_STR(back.tags[1], "bb");
  assert_int_equal(back.refs[0].line, 3);
  assert_true(back.refs[0].called);
  CHECK_STR(back.python, "3.11");
  assert_int_equal(back.line, 7);
  shoal_buf_dispose(&b);
  shoal_arena_dispose(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_project_file),
      cmocka_unit_test(a_project_files_mistakes_name_line_and_nearest_key),
      cmocka_unit_test(a_models_header),
      cmocka_unit_test(a_models_mistakes),
      cmocka_unit_test(a_broken_index_is_noticed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
