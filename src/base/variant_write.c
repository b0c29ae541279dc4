/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variant.h: the binaries of a variant that is read. What a file has in one piece is copied as it is, so that no value
 * changes on the way, of whatever type; what it has in parts is put together as VariantShredding.md has it, under the
 * names that its metadata has for all of them.
 */
#include <stdlib.h>

#include "base/map.h"
#include "base/str.h"
#include "base/variant_internal.h"

void shoal_variant_add_little(shoal_buf *out, uint64_t v, unsigned width) {
  for (unsigned i = 0; i < width; i++)
    shoal_buf_addc(out, (char)(unsigned char)(v >> 8 * i));
}

static unsigned width_of(uint64_t v) { return v < 1u << 8 ? 1 : v < 1u << 16 ? 2 : v < 1u << 24 ? 3 : 4; }

/* VariantEncoding.md, "Value data for object", "Value data for array". */
shoal_status shoal_variant_add_container(shoal_buf *out, bool object, const shoal_variant_item_ends *items,
                                         shoal_str data, shoal_error *err) {
  uint32_t most = 0;
  bool large = items->len > 255;
  unsigned offset_width = width_of(data.len);
  if (data.len > UINT32_MAX || items->len > UINT32_MAX)
    return shoal_fail(err, SHOAL_ELIMIT, "a variant is larger than its offsets can tell");
  for (size_t i = 0; i < items->len && object; i++)
    most = items->ptr[i].name > most ? items->ptr[i].name : most;
  unsigned id_width = width_of(most), info = object ? (unsigned)large << 4 | (id_width - 1) << 2 : (unsigned)large << 2;
  shoal_buf_addc(out, (char)(unsigned char)((info | (offset_width - 1)) << 2 |
                                            (object ? SHOAL_VARIANT_OBJECT : SHOAL_VARIANT_ARRAY)));
  shoal_variant_add_little(out, items->len, large ? 4 : 1);
  for (size_t i = 0; i < items->len && object; i++)
    shoal_variant_add_little(out, items->ptr[i].name, id_width);
  shoal_variant_add_little(out, 0, offset_width);
  for (size_t i = 0; i < items->len; i++)
    shoal_variant_add_little(out, items->ptr[i].end, offset_width);
  shoal_buf_add(out, data);
  return shoal_buf_check(out, err);
}

/* ---- values as they are ---- */

/* How many bytes a value has; what is inside is not looked at. */
static shoal_status size_of(shoal_variant_walk *p, const shoal_variant_node *v, size_t *out) {
  shoal_variant_walk header = *p;
  shoal_variant_container c;
  shoal_str data;
  if (v->bytes.len == 0)
    return shoal_variant_corrupt(p->err, "it ends early");
  int type = shoal_variant_basic(v->bytes);
  if (type == SHOAL_VARIANT_SHORT_TEXT) {
    *out = 1 + ((unsigned char)v->bytes.ptr[0] >> 2);
  } else if (type == SHOAL_VARIANT_PRIMITIVE) {
    SHOAL_TRY(shoal_variant_data(v, &data, p->err));
    *out = (size_t)(data.ptr + data.len - v->bytes.ptr);
  } else {
    SHOAL_TRY(shoal_variant_open_container(&header, v, &c));
    *out = (size_t)(c.data.ptr - v->bytes.ptr) +
           (size_t)shoal_variant_little(c.offsets + c.n * c.offset_width, c.offset_width);
  }
  return *out <= v->bytes.len ? SHOAL_OK : shoal_variant_corrupt(p->err, "it ends early");
}

static shoal_status copy_value(shoal_variant_walk *p, const shoal_variant_node *v, shoal_buf *out) {
  size_t n = 0;
  SHOAL_TRY(size_of(p, v, &n));
  SHOAL_TRY(shoal_variant_spend(p, n));
  shoal_buf_add(out, shoal_str_sub(v->bytes, 0, n));
  return SHOAL_OK;
}

/* ---- values in parts ---- */

/* The names of all fields, by number and, once an object has asked, by name. */
typedef struct dictionary {
  shoal_variant_names names;
  shoal_map numbers;
  bool listed;
} dictionary;

/* What an array or an object is put together from. */
typedef struct pieces {
  shoal_buf data;
  shoal_variant_item_ends ends;
} pieces;

static void dispose(pieces *p) {
  shoal_buf_dispose(&p->data);
  shoal_vec_dispose(&p->ends);
}

static shoal_status end_item(pieces *p, uint32_t name, shoal_error *err) {
  shoal_variant_item_end *slot = shoal_vec_add(&p->ends);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = (shoal_variant_item_end){name, p->data.len};
  return shoal_buf_check(&p->data, err);
}

static shoal_status add_group(shoal_variant_walk *p, const shoal_variant_node *group, dictionary *inner, shoal_buf *out,
                              bool *there);

/* An element without a value is one that is null. */
static shoal_status add_elements(shoal_variant_walk *p, const shoal_variant_node *typed, dictionary *inner,
                                 pieces *to) {
  shoal_variant_container c;
  shoal_variant_node item;
  bool there;
  SHOAL_TRY(shoal_variant_open_container(p, typed, &c));
  for (size_t i = 0; i < c.n; i++) {
    SHOAL_TRY(shoal_variant_item(&c, i, &item, p->err));
    SHOAL_TRY(add_group(p, &item, inner, &to->data, &there));
    if (!there)
      shoal_buf_addc(&to->data, SHOAL_VARIANT_NOTHING << 2);
    SHOAL_TRY(end_item(to, 0, p->err));
  }
  return SHOAL_OK;
}

static int compare_entries(const void *a, const void *b) {
  return shoal_variant_compare_names(((const shoal_variant_entry *)a)->name, ((const shoal_variant_entry *)b)->name);
}

static shoal_status find_name(dictionary *d, shoal_str name, uint32_t *out, shoal_error *err) {
  shoal_str found;
  for (size_t i = 0; i < d->names.n && !d->listed; i++) {
    SHOAL_TRY(shoal_variant_name(&d->names, i, &found, err));
    SHOAL_TRY(shoal_map_put(&d->numbers, found, (uint32_t)i, err));
  }
  d->listed = true;
  *out = shoal_map_get(&d->numbers, name);
  return *out == SHOAL_MAP_NONE ? shoal_variant_corrupt(err, "its metadata lacks the name of a field") : SHOAL_OK;
}

/* Groups without a value are fields that are not there. */
static shoal_status add_fields(shoal_variant_walk *p, const shoal_variant_entries *list, dictionary *inner,
                               pieces *to) {
  uint32_t name = 0;
  shoal_str last = SHOAL_STR_NONE;
  for (size_t i = 0; i < list->len; i++) {
    const shoal_variant_entry *e = &list->ptr[i];
    bool there = true;
    SHOAL_TRY(e->group ? add_group(p, &e->value, inner, &to->data, &there) : copy_value(p, &e->value, &to->data));
    if (!there)
      continue;
    if (last.ptr && shoal_str_eq(e->name, last))
      return shoal_variant_corrupt(p->err, "an object has two fields of a name");
    last = e->name;
    SHOAL_TRY(find_name(inner, e->name, &name, p->err));
    SHOAL_TRY(end_item(to, name, p->err));
  }
  return SHOAL_OK;
}

static shoal_status add_object(shoal_variant_walk *p, const shoal_variant_node *groups, const shoal_variant_node *rest,
                               dictionary *inner, shoal_buf *out) {
  shoal_variant_entries list = {0};
  pieces made = {0};
  shoal_status status = shoal_variant_add_fields(p, groups, true, &list);
  if (status == SHOAL_OK && rest->bytes.len)
    status = shoal_variant_add_fields(p, rest, false, &list);
  if (status == SHOAL_OK && list.len)
    qsort(list.ptr, list.len, sizeof *list.ptr, compare_entries);
  if (status == SHOAL_OK)
    status = add_fields(p, &list, inner, &made);
  if (status == SHOAL_OK)
    status = shoal_variant_add_container(out, true, &made.ends, shoal_buf_str(&made.data), p->err);
  dispose(&made);
  shoal_vec_dispose(&list);
  return status;
}

static shoal_status add_array(shoal_variant_walk *p, const shoal_variant_node *typed, dictionary *inner,
                              shoal_buf *out) {
  pieces made = {0};
  shoal_status status = add_elements(p, typed, inner, &made);
  if (status == SHOAL_OK)
    status = shoal_variant_add_container(out, false, &made.ends, shoal_buf_str(&made.data), p->err);
  dispose(&made);
  return status;
}

/* VariantShredding.md, "Value Shredding". */
static shoal_status add_parts(shoal_variant_walk *p, const shoal_variant_container *group, dictionary *inner,
                              shoal_buf *out, bool *there) {
  shoal_variant_node value, typed, rest = {&inner->names, SHOAL_STR("")};
  SHOAL_TRY(shoal_variant_find(group, "value", &value, p->err));
  SHOAL_TRY(shoal_variant_find(group, "typed_value", &typed, p->err));
  SHOAL_TRY(shoal_variant_binary(&value, &rest.bytes, p->err));
  *there = !shoal_variant_is_null(&typed) || rest.bytes.len > 0;
  if (!*there)
    return SHOAL_OK;
  if (shoal_variant_is_null(&typed))
    return copy_value(p, &rest, out);
  if (shoal_variant_basic(typed.bytes) == SHOAL_VARIANT_ARRAY)
    return add_array(p, &typed, inner, out);
  if (shoal_variant_basic(typed.bytes) != SHOAL_VARIANT_OBJECT)
    return copy_value(p, &typed, out);
  if (rest.bytes.len && shoal_variant_basic(rest.bytes) != SHOAL_VARIANT_OBJECT)
    return shoal_variant_corrupt(p->err, "what is left of an object is none");
  return add_object(p, &typed, &rest, inner, out);
}

static shoal_status add_group(shoal_variant_walk *p, const shoal_variant_node *group, dictionary *inner, shoal_buf *out,
                              bool *there) {
  shoal_variant_container c;
  *there = false;
  if (shoal_variant_is_null(group))
    return SHOAL_OK;
  if (shoal_variant_basic(group->bytes) != SHOAL_VARIANT_OBJECT)
    return shoal_variant_corrupt(p->err, "a part of it is no group");
  SHOAL_TRY(shoal_variant_deeper(p));
  shoal_status status = shoal_variant_open_container(p, group, &c);
  if (status == SHOAL_OK)
    status = add_parts(p, &c, inner, out, there);
  p->depth--;
  return status;
}

/* The whole group, which has the names of the values within. */
static shoal_status add_whole(shoal_variant_walk *p, const shoal_variant_node *group, shoal_buf *metadata) {
  shoal_variant_container c;
  shoal_variant_node names;
  dictionary inner = {0};
  shoal_str bytes;
  bool there;
  if (shoal_variant_basic(group->bytes) != SHOAL_VARIANT_OBJECT)
    return shoal_variant_corrupt(p->err, "it is no group");
  SHOAL_TRY(shoal_variant_open_container(p, group, &c));
  SHOAL_TRY(shoal_variant_find(&c, "metadata", &names, p->err));
  SHOAL_TRY(shoal_variant_binary(&names, &bytes, p->err));
  SHOAL_TRY(shoal_variant_open_dictionary(bytes, &inner.names, p->err));
  shoal_buf_add(metadata, bytes);
  shoal_status status = add_parts(p, &c, &inner, p->out, &there);
  shoal_map_dispose(&inner.numbers);
  if (status == SHOAL_OK && !there)
    shoal_buf_addc(p->out, SHOAL_VARIANT_NOTHING << 2);
  return status;
}

shoal_status shoal_variant_binaries(const shoal_variant *v, shoal_buf *metadata, shoal_buf *value, bool *null,
                                    shoal_error *err) {
  shoal_variant_names names;
  shoal_variant_walk p = {.out = value, .left = v->value.len, .err = err};
  const shoal_variant_node whole = {&names, v->value};
  *null = v->parts && shoal_variant_is_null(&whole);
  if (*null)
    return SHOAL_OK;
  SHOAL_TRY(shoal_variant_open_dictionary(v->metadata, &names, err));
  if (v->parts) {
    SHOAL_TRY(add_whole(&p, &whole, metadata));
  } else {
    shoal_buf_add(metadata, v->metadata);
    shoal_buf_add(value, v->value);
  }
  SHOAL_TRY(shoal_buf_check(metadata, err));
  return shoal_buf_check(value, err);
}
