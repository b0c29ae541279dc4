/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values in a canonical typed encoding. Each begins with its type; sequences announce their lengths. Sets are sorted by
 * their elements' hashes, so that PYTHONHASHSEED has no part in it. What can change (lists, dicts, instances) is
 * numbered as it comes: met again, in a cycle or side by side, it is its number, since whether two names are one object
 * shows when it is changed. What can't change is written again, for whether two equal tuples are one is the
 * interpreter's whim.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "form.h"

#define LARGE_BUFFER 65536 /* bytes from which hashing is worth giving the interpreter's lock away */

enum {
  IS_NONE = 'N',
  IS_TRUE = 'T',
  IS_FALSE = 'F',
  IS_ELLIPSIS = 'E',
  IS_INT = 'i',
  IS_BIG = 'I',
  IS_FLOAT = 'f',
  IS_COMPLEX = 'c',
  IS_STR = 's',
  IS_BYTES = 'b',
  IS_BYTEARRAY = 'y',
  IS_VIEW = 'v',
  IS_TUPLE = 't',
  IS_LIST = 'l',
  IS_DICT = 'd',
  IS_SET = 'S',
  IS_FROZENSET = 'Z',
  IS_AGAIN = 'a',
  IS_NODE = 'r',
  IS_MADE = 'm'
};

typedef struct encoder {
  shoal_hasher *h;
  PyObject *memo;  /* address of what can change → its number; NULL: plain values only */
  PyObject *alive; /* what `memo` has addresses of */
  PyObject *resolve, *element;
  PyObject *refs; /* [(symbol, node)] */
} encoder;

static int encode(encoder *e, PyObject *v);

static void put_double(shoal_hasher *h, double d) {
  uint64_t bits;
  memcpy(&bits, &d, sizeof bits);
  shoal_hasher_u64(h, isnan(d) ? UINT64_C(0x7ff8000000000000) : bits);
}

static int encode_int(encoder *e, PyObject *v) {
  int overflow;
  long long small = PyLong_AsLongLongAndOverflow(v, &overflow);
  if (!overflow) {
    shoal_hasher_u64(e->h, IS_INT);
    shoal_hasher_u64(e->h, (uint64_t)small);
    return small == -1 && PyErr_Occurred() ? -1 : 0;
  }
  PyObject *digits = PyNumber_ToBase(v, 16);
  shoal_str s = digits ? shoal_py_str(digits) : (shoal_str){0};
  shoal_hasher_u64(e->h, IS_BIG);
  shoal_hasher_str(e->h, s);
  Py_XDECREF(digits);
  return s.ptr ? 0 : -1;
}

static int encode_str(encoder *e, PyObject *v) {
  Py_ssize_t n;
  shoal_hasher_u64(e->h, IS_STR);
  const char *s = PyUnicode_AsUTF8AndSize(v, &n);
  if (s) {
    shoal_hasher_str(e->h, (shoal_str){s, (size_t)n});
    return 0;
  }
  PyErr_Clear(); /* lone surrogates */
  PyObject *bytes = PyUnicode_AsEncodedString(v, "utf-8", "surrogatepass");
  char *raw;
  int status = bytes ? PyBytes_AsStringAndSize(bytes, &raw, &n) : -1;
  if (status == 0)
    shoal_hasher_str(e->h, (shoal_str){raw, (size_t)n});
  Py_XDECREF(bytes);
  return status;
}

static void put_bytes(shoal_hasher *h, const void *bytes, size_t n) {
  shoal_str s = {n ? bytes : "", n};
  if (n < LARGE_BUFFER) {
    shoal_hasher_str(h, s);
  } else {
    Py_BEGIN_ALLOW_THREADS shoal_hasher_str(h, s);
    Py_END_ALLOW_THREADS
  }
}

static int encode_buffer(encoder *e, PyObject *v) {
  Py_buffer b;
  if (PyObject_GetBuffer(v, &b, PyBUF_SIMPLE) < 0)
    return -1;
  put_bytes(e->h, b.buf, (size_t)b.len);
  PyBuffer_Release(&b);
  return 0;
}

static int encode_view(encoder *e, PyObject *v) {
  Py_buffer b;
  PyObject *whole = PyMemoryView_GetContiguous(v, PyBUF_READ, 'C');
  int status = whole ? PyObject_GetBuffer(whole, &b, PyBUF_FULL_RO) : -1;
  if (status == 0) {
    shoal_hasher_z(e->h, b.format ? b.format : "B");
    shoal_hasher_list(e->h, (uint64_t)b.ndim);
    for (int i = 0; i < b.ndim; i++)
      shoal_hasher_u64(e->h, (uint64_t)b.shape[i]);
    put_bytes(e->h, b.buf, (size_t)b.len);
    PyBuffer_Release(&b);
  }
  Py_XDECREF(whole);
  return status;
}

/* 1: it was here before, and is written as its number; 0: it has its number now. */
static int seen(encoder *e, PyObject *v, bool add) {
  PyObject *address = PyLong_FromVoidPtr(v), *number = NULL;
  int status = -1;
  PyObject *known = address ? PyDict_GetItemWithError(e->memo, address) : NULL; /* borrowed */
  if (known) {
    shoal_hasher_u64(e->h, IS_AGAIN);
    shoal_hasher_u64(e->h, (uint64_t)PyLong_AsLong(known));
    status = 1;
  } else if (address && !PyErr_Occurred()) {
    status = 0;
    if (add) {
      number = PyLong_FromSsize_t(PyDict_Size(e->memo));
      status = number && PyDict_SetItem(e->memo, address, number) == 0 ? PyList_Append(e->alive, v) : -1;
    }
  }
  Py_XDECREF(address), Py_XDECREF(number);
  return status;
}

static int changed_meanwhile(void) {
  PyErr_SetString(PyExc_RuntimeError, "a container changed while it was read");
  return -1;
}

static int encode_list(encoder *e, PyObject *v) {
  Py_ssize_t n = PyList_Size(v);
  shoal_hasher_u64(e->h, IS_LIST);
  shoal_hasher_list(e->h, (uint64_t)n);
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *item = PyList_GetItem(v, i);
    int status = item ? encode(e, Py_NewRef(item)) : -1; /* resolve() may run anything */
    Py_XDECREF(item);
    if (status < 0)
      return -1;
    if (PyList_Size(v) != n)
      return changed_meanwhile();
  }
  return 0;
}

static int encode_tuple(encoder *e, PyObject *v) {
  Py_ssize_t n = PyTuple_Size(v);
  shoal_hasher_u64(e->h, IS_TUPLE);
  shoal_hasher_list(e->h, (uint64_t)n);
  for (Py_ssize_t i = 0; i < n; i++)
    if (encode(e, PyTuple_GetItem(v, i)) < 0)
      return -1;
  return 0;
}

static int encode_dict(encoder *e, PyObject *v) {
  PyObject *items = PyDict_Items(v);
  Py_ssize_t n = items ? PyList_Size(items) : 0;
  int status = items ? 0 : -1;
  shoal_hasher_u64(e->h, IS_DICT);
  shoal_hasher_list(e->h, (uint64_t)n);
  for (Py_ssize_t i = 0; status == 0 && i < n; i++) {
    PyObject *item = PyList_GetItem(items, i);
    status = encode(e, PyTuple_GetItem(item, 0)) < 0 || encode(e, PyTuple_GetItem(item, 1)) < 0 ? -1 : 0;
  }
  Py_XDECREF(items);
  return status;
}

/* ---- sets ---- */

/* refs.append((symbol, node)) */
static int add_ref(encoder *e, PyObject *symbol, PyObject *node) {
  PyObject *ref = symbol ? PyTuple_Pack(2, symbol, node) : NULL;
  int status = ref ? PyList_Append(e->refs, ref) : -1;
  Py_XDECREF(ref);
  return status;
}

/* The element by itself: its numbers go on from those outside, and are forgotten, since elements come in any order. An
   element that leads to nodes becomes one. */
static int encode_element(encoder *e, PyObject *v, PyObject *symbol, shoal_hash *out) {
  shoal_hasher *h = shoal_malloc(sizeof *h); /* too large for a frame of a recursion */
  encoder sub = *e;
  PyObject *digest = NULL, *node = NULL;
  int status = -1;
  sub.h = h;
  sub.memo = e->memo ? PyDict_Copy(e->memo) : NULL;
  sub.refs = PyList_New(0);
  if (!h)
    PyErr_NoMemory();
  if (!h || (e->memo && !sub.memo) || !sub.refs)
    goto out;
  shoal_hasher_init(h, "shoal/1/python/element");
  if (encode(&sub, v) < 0)
    goto out;
  *out = shoal_hasher_end(h);
  status = 0;
  if (PyList_Size(sub.refs)) {
    digest = PyBytes_FromStringAndSize((const char *)out->b, SHOAL_HASH_BYTES);
    node = digest ? PyObject_CallFunctionObjArgs(e->element, digest, sub.refs, NULL) : NULL;
    status = node ? add_ref(e, symbol, node) : -1;
  }
out:
  shoal_free(h);
  Py_XDECREF(sub.memo), Py_XDECREF(sub.refs), Py_XDECREF(digest), Py_XDECREF(node);
  return status;
}

static int compare_hashes(const void *a, const void *b) { return memcmp(a, b, SHOAL_HASH_BYTES); }

static int encode_set(encoder *e, PyObject *v) {
  PyObject *items = PySequence_List(v), *symbol = NULL;
  Py_ssize_t n = items ? PyList_Size(items) : -1;
  shoal_hash *hashes = n >= 0 ? shoal_calloc((size_t)n + 1, sizeof *hashes) : NULL;
  int status = hashes ? 0 : -1;
  if (n >= 0 && !hashes)
    PyErr_NoMemory();
  if (status == 0 && e->refs) {
    symbol = PyUnicode_FromFormat("in %zd", PyList_Size(e->refs));
    status = symbol ? 0 : -1;
  }
  for (Py_ssize_t i = 0; status == 0 && i < n; i++)
    status = encode_element(e, PyList_GetItem(items, i), symbol, &hashes[i]);
  if (status == 0) {
    qsort(hashes, (size_t)n, sizeof *hashes, compare_hashes);
    shoal_hasher_list(e->h, (uint64_t)n);
    for (Py_ssize_t i = 0; i < n; i++)
      shoal_hasher_hash(e->h, &hashes[i]);
  }
  shoal_free(hashes);
  Py_XDECREF(items), Py_XDECREF(symbol);
  return status;
}

/* ---- all else ---- */

/* `made` is what resolve() said: (tag, payload, shared). */
static int encode_made(encoder *e, PyObject *v, PyObject *made) {
  if (!PyTuple_Check(made) || PyTuple_Size(made) != 3) {
    PyErr_SetString(PyExc_TypeError, "resolve() gives a node or (tag, payload, shared)");
    return -1;
  }
  int shared = PyObject_IsTrue(PyTuple_GetItem(made, 2));
  if (shared < 0 || (shared && seen(e, v, true) < 0))
    return -1;
  shoal_hasher_u64(e->h, IS_MADE);
  if (encode_str(e, PyTuple_GetItem(made, 0)) < 0)
    return -1;
  return encode(e, PyTuple_GetItem(made, 1));
}

static int encode_node(encoder *e, PyObject *node) {
  Py_ssize_t n = PyList_Size(e->refs);
  PyObject *symbol = PyUnicode_FromFormat("%zd", n);
  shoal_hasher_u64(e->h, IS_NODE);
  shoal_hasher_u64(e->h, (uint64_t)n);
  int status = add_ref(e, symbol, node);
  Py_XDECREF(symbol);
  return status;
}

static int encode_other(encoder *e, PyObject *v) {
  if (!e->resolve) {
    PyErr_SetString(PyExc_TypeError, "not a plain value");
    return -1;
  }
  int again = seen(e, v, false);
  if (again)
    return again < 0 ? -1 : 0;
  PyObject *made = PyObject_CallFunctionObjArgs(e->resolve, v, NULL);
  int status = !made ? -1 : PyLong_Check(made) ? encode_node(e, made) : encode_made(e, v, made);
  Py_XDECREF(made);
  return status;
}

/* Lists, dicts and other things that can change: numbered first. */
static int encode_numbered(encoder *e, PyObject *v, int (*one)(encoder *, PyObject *), int tag) {
  int again = e->memo ? seen(e, v, true) : 0;
  if (again)
    return again < 0 ? -1 : 0;
  if (tag)
    shoal_hasher_u64(e->h, (uint64_t)tag);
  return one(e, v);
}

static int encode_tagged(encoder *e, PyObject *v, int (*one)(encoder *, PyObject *), int tag) {
  shoal_hasher_u64(e->h, (uint64_t)tag);
  return one(e, v);
}

/* Values without parts. 1: it is not one of them. */
static int encode_atom(encoder *e, PyObject *v, const PyTypeObject *type) {
  if (type == &PyUnicode_Type)
    return encode_str(e, v);
  if (type == &PyLong_Type)
    return encode_int(e, v);
  if (v == Py_None || v == Py_True || v == Py_False || v == Py_Ellipsis) {
    shoal_hasher_u64(e->h, v == Py_None ? IS_NONE : v == Py_True ? IS_TRUE : v == Py_False ? IS_FALSE : IS_ELLIPSIS);
    return 0;
  }
  if (type == &PyFloat_Type) {
    shoal_hasher_u64(e->h, IS_FLOAT);
    put_double(e->h, PyFloat_AsDouble(v));
    return 0;
  }
  if (type == &PyComplex_Type) {
    shoal_hasher_u64(e->h, IS_COMPLEX);
    put_double(e->h, PyComplex_RealAsDouble(v));
    put_double(e->h, PyComplex_ImagAsDouble(v));
    return 0;
  }
  return type == &PyBytes_Type ? encode_tagged(e, v, encode_buffer, IS_BYTES) : 1;
}

static int encode_container(encoder *e, PyObject *v, const PyTypeObject *type) {
  if (type == &PyTuple_Type)
    return encode_tuple(e, v);
  if (type == &PyList_Type)
    return encode_numbered(e, v, encode_list, 0);
  if (type == &PyDict_Type)
    return encode_numbered(e, v, encode_dict, 0);
  if (type == &PySet_Type)
    return encode_numbered(e, v, encode_set, IS_SET);
  if (type == &PyFrozenSet_Type)
    return encode_tagged(e, v, encode_set, IS_FROZENSET);
  if (type == &PyByteArray_Type)
    return encode_numbered(e, v, encode_buffer, IS_BYTEARRAY);
  if (type == &PyMemoryView_Type)
    return encode_tagged(e, v, encode_view, IS_VIEW);
  return encode_other(e, v);
}

static int encode(encoder *e, PyObject *v) {
  const PyTypeObject *type = Py_TYPE(v);
  int status = encode_atom(e, v, type);
  if (status <= 0)
    return status;
  if (Py_EnterRecursiveCall(" in a value"))
    return -1;
  status = encode_container(e, v, type);
  Py_LeaveRecursiveCall();
  return status;
}

int shoal_py_encode_plain(shoal_hasher *h, PyObject *value) {
  encoder e = {.h = h};
  return encode(&e, value);
}

int shoal_py_value_digest(PyObject *value, const char *domain, shoal_hash *out) {
  shoal_hasher h;
  encoder e = {.h = &h, .memo = PyDict_New(), .alive = PyList_New(0), .refs = PyList_New(0)};
  shoal_hasher_init(&h, domain);
  int status = e.memo && e.alive && e.refs ? encode(&e, value) : -1;
  if (status == 0)
    *out = shoal_hasher_end(&h);
  Py_XDECREF(e.memo), Py_XDECREF(e.alive), Py_XDECREF(e.refs);
  return status;
}

PyObject *shoal_py_encode(PyObject *module, PyObject *args) {
  shoal_hasher h;
  encoder e = {.h = &h};
  PyObject *value, *digest = NULL, *result = NULL;
  const char *domain;
  (void)module;
  if (!PyArg_ParseTuple(args, "OOOs", &value, &e.resolve, &e.element, &domain))
    return NULL;
  shoal_hasher_init(&h, domain);
  e.resolve = e.resolve == Py_None ? NULL : e.resolve;
  e.memo = PyDict_New();
  e.alive = PyList_New(0);
  e.refs = PyList_New(0);
  if (e.memo && e.alive && e.refs && encode(&e, value) == 0) {
    digest = shoal_py_digest(&h);
    result = digest ? PyTuple_Pack(2, digest, e.refs) : NULL;
  }
  Py_XDECREF(e.memo), Py_XDECREF(e.alive), Py_XDECREF(e.refs), Py_XDECREF(digest);
  return result;
}

/* ---- what lies in memory in several pieces ---- */

static void hash_views(shoal_hasher *h, const Py_buffer *views, size_t n) {
  uint64_t total = 0;
  for (size_t i = 0; i < n; i++)
    total += (uint64_t)views[i].len;
  Py_BEGIN_ALLOW_THREADS shoal_hasher_parts(h, total);
  for (size_t i = 0; i < n; i++)
    shoal_hasher_part(h, (shoal_str){views[i].len ? views[i].buf : "", (size_t)views[i].len});
  Py_END_ALLOW_THREADS
}

PyObject *shoal_py_pieces(PyObject *module, PyObject *args) {
  PyObject *list;
  shoal_hasher h;
  (void)module;
  if (!PyArg_ParseTuple(args, "O!", &PyList_Type, &list))
    return NULL;
  size_t n = (size_t)PyList_Size(list), got = 0;
  Py_buffer *views = shoal_calloc(n + 1, sizeof *views);
  if (!views)
    return PyErr_NoMemory();
  while (got < n && PyObject_GetBuffer(PyList_GetItem(list, (Py_ssize_t)got), &views[got], PyBUF_SIMPLE) == 0)
    got++;
  shoal_hasher_init(&h, "shoal/1/python/pieces");
  if (got == n)
    hash_views(&h, views, n);
  for (size_t i = 0; i < got; i++)
    PyBuffer_Release(&views[i]);
  shoal_free(views);
  return got == n ? shoal_py_digest(&h) : NULL;
}
