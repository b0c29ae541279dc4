/* SPDX-License-Identifier: Apache-2.0 */
/* code/python.h: signatures of calls, and the datasets that paths name. */
#include "support/support.h"

#include "base/buf.h"
#include "base/str.h"
#include "code/python.h"

static shoal_hash hash_of(const char *text) { return shoal_hash_bytes(shoal_str_z(text)); }

static shoal_hash sign(const char *code, const char *args, const char *python, shoal_python_load *loads, size_t n) {
  return shoal_python_signature(&(shoal_python_call){
      .code = hash_of(code), .arguments = hash_of(args), .python = shoal_str_z(python), .loads = loads, .n_loads = n});
}

static void each_part_counts(void **state) {
  (void)state;
  shoal_python_load load = {SHOAL_STR("a.b"), hash_of("1")}, other = {SHOAL_STR("a.c"), hash_of("1")},
                    changed = {SHOAL_STR("a.b"), hash_of("2")};
  shoal_hash all[] = {sign("c", "a", "3.11", NULL, 0),    sign("d", "a", "3.11", NULL, 0),
                      sign("c", "b", "3.11", NULL, 0),    sign("c", "a", "3.12", NULL, 0),
                      sign("c", "a", "3.11", &load, 1),   sign("c", "a", "3.11", &other, 1),
                      sign("c", "a", "3.11", &changed, 1)};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    for (size_t j = 0; j < i; j++)
      assert_false(shoal_hash_eq(&all[i], &all[j]));
}

static void the_order_of_loads_does_not_count(void **state) {
  (void)state;
  shoal_python_load a = {SHOAL_STR("a.a"), hash_of("1")}, b = {SHOAL_STR("a.b"), hash_of("2")};
  shoal_python_load one[] = {a, b}, two[] = {b, a, b};
  shoal_hash x = sign("c", "a", "3.11", one, 2), y = sign("c", "a", "3.11", two, 3);
  assert_true(shoal_hash_eq(&x, &y));
}

static void paths_name_datasets(void **state) {
  (void)state;
  static const struct {
    const char *path, *name;
  } cases[] = {{"/silver/clean", "silver.clean"},
               {"/x", "main.x"},
               {"silver.clean", "silver.clean"},
               {"/_a/b_1", "_a.b_1"},
               {"", NULL},
               {"/", NULL},
               {"x", NULL},
               {"//x", NULL},
               {"/a/", NULL},
               {"/a/b/c", NULL},
               {"/A/b", NULL},
               {"/a/b-c", NULL},
               {"/a/1", NULL},
               {"/a.b", NULL},
               {"/a/b.c", NULL}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_buf out = {0};
    shoal_error err = {0};
    shoal_status st = shoal_python_dataset(shoal_str_z(cases[i].path), &out, &err);
    if (cases[i].name)
      assert_string_equal(shoal_buf_z(&out), cases[i].name);
    else
      assert_int_equal(st, SHOAL_EINVAL);
    shoal_buf_dispose(&out);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_part_counts),
                                     cmocka_unit_test(the_order_of_loads_does_not_count),
                                     cmocka_unit_test(paths_name_datasets)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
