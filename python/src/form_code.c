/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Syntax trees and code objects as hashes. A tree is its nodes' names and their fields by name; a field that is None or
 * an empty list is left out, so that the fields which a newer Python adds don't change old keys. Lists announce their
 * lengths, and each node ends with a mark, so no two trees have the same encoding.
 */
#include <string.h>

#include "base/str.h"
#include "form.h"

enum { IS_NODE = 'a', IS_END = 'e', IS_CODE = 'c', IS_CONST = 'k' };

typedef struct tree_walk {
  shoal_hasher *h;
  PyObject *ast; /* the class ast.AST */
} tree_walk;

static int dump_node(tree_walk *w, PyObject *node, bool lean, bool root);

static bool is(shoal_str s, const char *z) { return shoal_str_eq(s, shoal_str_z(z)); }

static bool is_function(shoal_str kind) {
  return is(kind, "FunctionDef") || is(kind, "AsyncFunctionDef") || is(kind, "Lambda");
}

/* The name of a node's class, borrowed from *own, which is the caller's to release. */
static shoal_str kind_of(PyObject *node, PyObject **own) {
  *own = PyType_GetName(Py_TYPE(node));
  return *own ? shoal_py_str(*own) : (shoal_str){0};
}

/* 1 if the node is a string by itself, which as the first of a body is its docstring. */
static int is_docstring(PyObject *statement) {
  PyObject *value = NULL, *constant = NULL, *own;
  int result = 0;
  if (!is(kind_of(statement, &own), "Expr"))
    goto out;
  value = PyObject_GetAttrString(statement, "value");
  constant = value ? PyObject_GetAttrString(value, "value") : NULL;
  PyErr_Clear(); /* other expressions have no value */
  result = constant && PyUnicode_Check(constant);
  if (result) {
    Py_XDECREF(own);
    result = is(kind_of(value, &own), "Constant");
  }
out:
  Py_XDECREF(own), Py_XDECREF(value), Py_XDECREF(constant);
  return result;
}

static int dump_list(tree_walk *w, PyObject *list, Py_ssize_t from, bool lean) {
  Py_ssize_t n = PyList_Size(list);
  shoal_hasher_list(w->h, (uint64_t)(n - from));
  for (Py_ssize_t i = from; i < n; i++) {
    PyObject *item = PyList_GetItem(list, i);
    if (!item || dump_node(w, item, lean, false) < 0)
      return -1;
  }
  return 0;
}

/* 1 if the field doesn't count. Positions are attributes, not fields, of a node. */
static bool skip_field(shoal_str kind, shoal_str field, bool lean, bool root) {
  if (is(field, "ctx") || is(field, "kind") || is(field, "type_comment"))
    return true;
  if (root && (is(field, "decorator_list") || is(field, "defaults") || is(field, "kw_defaults")))
    return true; /* the objects they made count */
  return lean && ((is(field, "annotation") && is(kind, "arg")) || (is(field, "returns") && is_function(kind)));
}

static int dump_field(tree_walk *w, PyObject *node, PyObject *name, shoal_str kind, bool lean, bool root) {
  shoal_str field = shoal_py_str(name);
  int status = -1;
  if (!field.ptr)
    return -1;
  if (skip_field(kind, field, lean, root))
    return 0;
  PyObject *value = PyObject_GetAttr(node, name);
  if (!value) { /* an optional field that was never set */
    PyErr_Clear();
    return 0;
  }
  bool list = PyList_Check(value);
  Py_ssize_t n = list ? PyList_Size(value) : 0, from = 0;
  if (list && n && lean && is_function(kind) && is(field, "body"))
    from = is_docstring(PyList_GetItem(value, 0));
  if (value == Py_None || (list && n == from)) {
    status = 0;
  } else {
    shoal_hasher_str(w->h, field);
    status = list ? dump_list(w, value, from, lean) : dump_node(w, value, lean, root && is(field, "args"));
  }
  Py_DECREF(value);
  return status;
}

/* Within a lean function `x: int = 1` is `x = 1`, and `x: int` only says that x is local. */
static int dump_annotated(tree_walk *w, PyObject *node) {
  PyObject *target = PyObject_GetAttrString(node, "target"), *value = PyObject_GetAttrString(node, "value");
  int status = target && value ? 0 : -1;
  shoal_hasher_z(w->h, value == Py_None ? "AnnAssign" : "Assign");
  shoal_hasher_z(w->h, "targets");
  shoal_hasher_list(w->h, 1);
  if (status == 0)
    status = dump_node(w, target, true, false);
  if (status == 0 && value != Py_None) {
    shoal_hasher_z(w->h, "value");
    status = dump_node(w, value, true, false);
  }
  shoal_hasher_u64(w->h, IS_END);
  Py_XDECREF(target), Py_XDECREF(value);
  return status;
}

static int has_decorators(PyObject *node) {
  PyObject *list = PyObject_GetAttrString(node, "decorator_list");
  int result = list ? PyObject_IsTrue(list) : 0; /* a lambda has none */
  PyErr_Clear();
  Py_XDECREF(list);
  return result;
}

static int dump_fields(tree_walk *w, PyObject *node, shoal_str kind, bool lean, bool root) {
  if (is(kind, "ClassDef") || (!root && lean && is_function(kind) && has_decorators(node)))
    lean = false;
  if (lean && is(kind, "AnnAssign"))
    return dump_annotated(w, node);
  PyObject *fields = PyObject_GetAttrString(node, "_fields");
  Py_ssize_t n = fields ? PyTuple_Size(fields) : -1;
  int status = n < 0 ? -1 : 0;
  shoal_hasher_str(w->h, kind);
  for (Py_ssize_t i = 0; status == 0 && i < n; i++)
    status = dump_field(w, node, PyTuple_GetItem(fields, i), kind, lean, root);
  shoal_hasher_u64(w->h, IS_END);
  Py_XDECREF(fields);
  return status;
}

static int dump_node(tree_walk *w, PyObject *node, bool lean, bool root) {
  int is_node = PyObject_IsInstance(node, w->ast);
  if (is_node < 0)
    return -1;
  if (!is_node) {
    shoal_hasher_u64(w->h, IS_CONST);
    return shoal_py_encode_plain(w->h, node);
  }
  if (Py_EnterRecursiveCall(" in a syntax tree"))
    return -1;
  PyObject *own;
  shoal_str kind = kind_of(node, &own);
  shoal_hasher_u64(w->h, IS_NODE);
  int status = kind.ptr ? dump_fields(w, node, kind, lean, root) : -1;
  Py_XDECREF(own);
  Py_LeaveRecursiveCall();
  return status;
}

PyObject *shoal_py_tree(PyObject *module, PyObject *args) {
  PyObject *node;
  shoal_hasher h;
  tree_walk w = {.h = &h};
  int lean;
  (void)module;
  if (!PyArg_ParseTuple(args, "OOp", &node, &w.ast, &lean))
    return NULL;
  shoal_hasher_init(&h, "shoal/1/python/tree");
  return dump_node(&w, node, lean != 0, true) < 0 ? NULL : shoal_py_digest(&h);
}

/* ---- bytecode ---- */

static int dump_code(shoal_hasher *h, PyObject *code);

static int dump_consts(shoal_hasher *h, PyObject *code) {
  PyObject *consts = PyObject_GetAttrString(code, "co_consts");
  Py_ssize_t n = consts ? PyTuple_Size(consts) : -1;
  int status = n < 0 ? -1 : 0;
  shoal_hasher_list(h, (uint64_t)n);
  for (Py_ssize_t i = 0; status == 0 && i < n; i++) {
    PyObject *item = PyTuple_GetItem(consts, i);
    bool nested = Py_TYPE(item) == Py_TYPE(code);
    shoal_hasher_u64(h, nested ? IS_CODE : IS_CONST);
    status = nested ? dump_code(h, item) : shoal_py_encode_plain(h, item);
  }
  Py_XDECREF(consts);
  return status;
}

static int dump_code(shoal_hasher *h, PyObject *code) {
  static const char *const attributes[] = {
      "co_code",     "co_names",           "co_varnames",       "co_freevars", "co_cellvars",
      "co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_flags",    "co_exceptiontable",
      "co_name"};
  if (Py_EnterRecursiveCall(" in a code object"))
    return -1;
  int status = 0;
  for (size_t i = 0; status == 0 && i < sizeof attributes / sizeof *attributes; i++) {
    PyObject *value = PyObject_GetAttrString(code, attributes[i]);
    status = value ? shoal_py_encode_plain(h, value) : -1;
    Py_XDECREF(value);
  }
  if (status == 0)
    status = dump_consts(h, code);
  Py_LeaveRecursiveCall();
  return status;
}

PyObject *shoal_py_code(PyObject *module, PyObject *args) {
  PyObject *code;
  const char *version; /* bytecode means what it means to one version of the interpreter */
  shoal_hasher h;
  (void)module;
  if (!PyArg_ParseTuple(args, "Os", &code, &version))
    return NULL;
  shoal_hasher_init(&h, "shoal/1/python/code");
  shoal_hasher_z(&h, version);
  return dump_code(&h, code) < 0 ? NULL : shoal_py_digest(&h);
}
