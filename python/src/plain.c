/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The type shoal._shoal.Plain: the walk's quick way over functions that are as plain as most are. Of a code object, a
 * table that other processes have left tells whether it is plain, the digest of its body and the names that it looks
 * up; here these are looked up, and nodes, edges and guards are made of what is found. What is not plain is left to the
 * walk (shoal/_forms.py), which says what is. This is another way to the same form, never a way to another one.
 */
#include "plain.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/vec.h"
#include "form.h"
#include "guards.h"

enum {
  AT_CODE,
  AT_GLOBALS,
  AT_DICT,
  AT_MODULE,
  AT_QUALNAME,
  AT_CLOSURE,
  AT_DEFAULTS,
  AT_KWDEFAULTS,
  AT_NAME,
  AT_BUILTINS,
  AT_SHOAL,
  AT_FILE,
  AT_LINE,
  AT_DATASET,
  AT_FUNCTION,
  AT_DECORATED,
  AT_LAYOUT,
  AT_KIND,
  AT_COUNT
};
static const char *const at_names[AT_COUNT] = {
    "__code__",       "__globals__",    "__dict__", "__module__",   "__qualname__", "__closure__",
    "__defaults__",   "__kwdefaults__", "__name__", "__builtins__", "__shoal__",    "co_filename",
    "co_firstlineno", "dataset",        "function", "decorated",    "layout",       "function"};

typedef struct plain_object {
  PyObject_HEAD PyObject *walk; /* borrowed, while it runs: it holds this */
  PyObject *form, *guards;
  PyObject *function_type, *kept_type, *dumps, *world;
  PyObject *functions, *kinds, *makes, *kept; /* the walk's lists and dicts */
  PyObject *tables;                           /* file name → the file's table, or None; of one run */
  PyObject *owned;                            /* (module, file name) → whether its functions are the project's */
  PyObject *targets;                          /* builtin → node, or None */
  PyObject *at[AT_COUNT];
} plain_object;

/* What a name of a function leads to. Owned references. */
typedef enum way { WAY_NODE, WAY_FUNCTION, WAY_LINK } way;
typedef struct found {
  PyObject *name, *value;
  bool own; /* of the module; else of the builtins */
  way way;
  uint32_t node;                /* WAY_NODE */
  PyObject *function, *dataset; /* WAY_FUNCTION: the function, or that of a kept one and its dataset, else NULL */
} found;

typedef struct task {
  uint32_t node;
  PyObject *f; /* owned */
} task;

typedef struct walking {
  plain_object *p;
  SHOAL_VEC(task) todo;
  size_t next;
} walking;

/* A function's parts. Owned references. */
typedef struct parts {
  PyObject *code, *globals, *dict, *defaults;
  PyObject *body, *names, *decorators; /* of the table's entry */
  SHOAL_VEC(found) found;
} parts;

static PyObject *get(const plain_object *p, PyObject *o, int at) { return PyObject_GetAttr(o, p->at[at]); }
static PyObject *item(const plain_object *p, PyObject *dict, int at) { /* borrowed */
  return PyDict_GetItemWithError(dict, p->at[at]);
}
static bool is_text(PyObject *a, PyObject *b) {
  return a == b || (a && b && PyUnicode_Check(a) && PyUnicode_Check(b) && PyUnicode_Compare(a, b) == 0);
}

/* ---- keys of code objects ---- */

static PyObject *key_of(PyObject *dumps, PyObject *code, PyObject *world) {
  shoal_hasher h;
  PyObject *version = PyLong_FromLong(2); /* later ones tell how often an object is referred to */
  PyObject *bytes = version ? PyObject_CallFunctionObjArgs(dumps, code, version, NULL) : NULL, *digest = NULL;
  if (bytes) {
    shoal_hasher_init(&h, "shoal/1/python/remembered");
    shoal_hasher_str(&h, (shoal_str){PyBytes_AsString(world), (size_t)PyBytes_Size(world)});
    shoal_hasher_str(&h, (shoal_str){PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes)});
    digest = shoal_py_digest(&h);
  }
  Py_XDECREF(version), Py_XDECREF(bytes);
  return digest;
}

/* ---- asking the walk, once for each thing ---- */

/* What the walk's method says of `o`; remembered under `at`, which becomes the memo's. Borrowed. */
static PyObject *ask(const plain_object *p, const char *method, PyObject *o, PyObject *memo, PyObject *at) {
  PyObject *said = at ? PyDict_GetItemWithError(memo, at) : NULL;
  if (at && !said && !PyErr_Occurred()) {
    PyObject *asked = PyObject_CallMethod(p->walk, method, "(O)", o);
    if (asked && PyDict_SetItem(memo, at, asked) == 0)
      said = asked;
    Py_XDECREF(asked);
  }
  return said;
}

/* 1: the function is the project's, 0: another's, or odd; -1: an exception. */
static int is_projects(const plain_object *p, PyObject *f) {
  PyObject *code = get(p, f, AT_CODE), *module = get(p, f, AT_MODULE), *globals = get(p, f, AT_GLOBALS);
  PyObject *file = code ? get(p, code, AT_FILE) : NULL, *at = NULL;
  int yes = !module || !globals || !file ? -1 : 0;
  if (yes == 0 && is_text(module, item(p, globals, AT_NAME))) {
    at = PyTuple_Pack(2, module, file);
    PyObject *said = ask(p, "plain_owner", f, p->owned, at);
    yes = said ? said == Py_True : -1;
  }
  Py_XDECREF(code), Py_XDECREF(module), Py_XDECREF(globals), Py_XDECREF(file), Py_XDECREF(at);
  return yes;
}

/* ---- what a name leads to ---- */

/* 1: *f is a function that a dataset keeps the results of, as it is laid out by itself; 0: it is something else. */
static int take_kept(const plain_object *p, PyObject *wrapper, PyObject *kept, found *f) {
  PyObject *decorated = get(p, kept, AT_DECORATED), *layout = NULL, *module = NULL, *own = NULL;
  int status = decorated ? 0 : -1;
  if (status == 0 && decorated != Py_None && !(layout = get(p, decorated, AT_LAYOUT)))
    status = -1;
  if (status == 0 && (!layout || layout == Py_None)) {
    f->function = get(p, kept, AT_FUNCTION);
    f->dataset = get(p, kept, AT_DATASET);
    module = get(p, wrapper, AT_MODULE);
    if (!f->function || !f->dataset || !module)
      status = -1;
    else if ((PyObject *)Py_TYPE(f->function) == p->function_type && PyUnicode_Check(f->dataset) &&
             (own = get(p, f->function, AT_MODULE)) && is_text(own, module))
      status = is_projects(p, f->function);
  }
  Py_XDECREF(decorated), Py_XDECREF(layout), Py_XDECREF(module), Py_XDECREF(own);
  return status < 0 || PyErr_Occurred() ? -1 : status;
}

/* 1: it is one of the project's functions, kept or not; 0: something else. */
static int take_function(const plain_object *p, found *f) {
  PyObject *dict = get(p, f->value, AT_DICT), *kept = NULL;
  int status = dict ? 0 : -1;
  if (status == 0 && (kept = item(p, dict, AT_SHOAL)) && (PyObject *)Py_TYPE(kept) == p->kept_type) {
    status = take_kept(p, f->value, kept, f);
  } else if (status == 0 && !PyErr_Occurred()) {
    status = is_projects(p, f->value);
    f->function = Py_NewRef(f->value);
  }
  Py_XDECREF(dict);
  return status;
}

/* 1: *f says which way to go, 0: the function is not plain for it, -1: an exception. */
static int classify(const plain_object *p, found *f) {
  PyObject *type = (PyObject *)Py_TYPE(f->value);
  if (type == p->function_type) {
    int status = take_function(p, f);
    f->way = WAY_FUNCTION;
    if (status)
      return status;
    Py_CLEAR(f->function);
    Py_CLEAR(f->dataset);
  } else if (type == (PyObject *)&PyCFunction_Type || type == (PyObject *)&PyType_Type) {
    PyObject *node = ask(p, "plain_builtin", f->value, p->targets, f->value);
    if (!node)
      return -1;
    f->way = WAY_NODE;
    if (node != Py_None) {
      f->node = (uint32_t)PyLong_AsUnsignedLong(node);
      return PyErr_Occurred() ? -1 : 1;
    }
  }
  PyObject *said = PyObject_CallMethod(p->walk, "plain_linkable", "(O)", f->value);
  int yes = said ? said == Py_True : -1;
  f->way = WAY_LINK;
  Py_XDECREF(said);
  return yes;
}

static PyObject *builtins_of(const plain_object *p, PyObject *globals) { /* borrowed */
  PyObject *b = item(p, globals, AT_BUILTINS);
  return b && PyModule_Check(b) ? PyModule_GetDict(b) : b && PyDict_Check(b) ? b : NULL;
}

static int look_up(const plain_object *p, parts *t) {
  PyObject *built = builtins_of(p, t->globals);
  int status = built ? 1 : PyErr_Occurred() ? -1 : 0;
  for (Py_ssize_t i = 0, n = PyTuple_Size(t->names); status == 1 && i < n; i++) {
    PyObject *name = PyTuple_GetItem(t->names, i), *value = PyDict_GetItemWithError(t->globals, name);
    bool own = value != NULL;
    if (!own && !PyErr_Occurred())
      value = PyDict_GetItemWithError(built, name);
    if (!value)
      return PyErr_Occurred() ? -1 : 0;
    found *f = shoal_vec_add(&t->found);
    if (!f) {
      PyErr_NoMemory();
      return -1;
    }
    *f = (found){.name = Py_NewRef(name), .value = Py_NewRef(value), .own = own};
    status = classify(p, f);
  }
  return status;
}

/* Those of ours leave what runs as it was written. */
static int are_ours(const plain_object *p, const parts *t) {
  int ours = 1;
  for (Py_ssize_t i = 0, n = PyTuple_Size(t->decorators); ours == 1 && i < n; i++) {
    PyObject *by = PyDict_GetItemWithError(t->globals, PyTuple_GetItem(t->decorators, i));
    PyObject *module = !by ? NULL : PyModule_Check(by) ? get(p, by, AT_NAME) : get(p, by, AT_MODULE);
    shoal_str name = module && PyUnicode_Check(module) ? shoal_py_str(module) : (shoal_str){0};
    ours = name.len >= 5 && memcmp(name.ptr, "shoal", 5) == 0 && (name.len == 5 || name.ptr[5] == '.');
    Py_XDECREF(module);
    PyErr_Clear(); /* the walk says what is wrong with it */
  }
  return ours;
}

/* ---- one function ---- */

/* The entry of the table: (body, qualified name, names, decorators). 1: it is plain, 0: not, or nobody knows yet. */
static int take_entry(const plain_object *p, PyObject *f, parts *t) {
  PyObject *file = get(p, t->code, AT_FILE), *qualname = get(p, f, AT_QUALNAME), *key = NULL, *wanted = NULL;
  PyObject *table = file ? ask(p, "plain_table", file, p->tables, file) : NULL, *entry = NULL;
  int status = table && qualname ? 0 : -1;
  if (status == 0 && PyDict_Check(table)) {
    key = key_of(p->dumps, t->code, p->world);
    entry = key ? PyDict_GetItemWithError(table, key) : NULL;
    if (entry && PyTuple_Check(entry)) {
      status =
          PyArg_ParseTuple(entry, "SUO!O!", &t->body, &wanted, &PyTuple_Type, &t->names, &PyTuple_Type, &t->decorators)
              ? is_text(qualname, wanted) && PyBytes_Size(t->body) == SHOAL_HASH_BYTES
              : -1;
      Py_XINCREF(t->body), Py_XINCREF(t->names), Py_XINCREF(t->decorators);
    }
  }
  Py_XDECREF(file), Py_XDECREF(qualname), Py_XDECREF(key);
  return status < 0 || PyErr_Occurred() ? -1 : status;
}

/* 1: nothing of what a function object has besides its code is odd. */
static int take_parts(const plain_object *p, PyObject *f, parts *t) {
  PyObject *closure = get(p, f, AT_CLOSURE), *kwdefaults = get(p, f, AT_KWDEFAULTS);
  t->code = get(p, f, AT_CODE);
  t->globals = get(p, f, AT_GLOBALS);
  t->dict = get(p, f, AT_DICT);
  t->defaults = get(p, f, AT_DEFAULTS);
  int status = closure && kwdefaults && t->code && t->globals && t->dict && t->defaults ? 1 : -1;
  if (status == 1)
    status = closure == Py_None && kwdefaults == Py_None && PyDict_Size(t->dict) == 0;
  Py_XDECREF(closure), Py_XDECREF(kwdefaults);
  return status;
}

static int guard(const plain_object *p, uint32_t node, PyObject *f, const parts *t) {
  static const int attributes[] = {AT_CODE, AT_DEFAULTS, AT_KWDEFAULTS, AT_DICT};
  int status = 0;
  for (size_t i = 0; status == 0 && i < sizeof attributes / sizeof *attributes; i++)
    status = shoal_py_guards_attribute(p->guards, node, f, p->at[attributes[i]]);
  if (status == 0)
    status = shoal_py_guards_size(p->guards, node, t->dict);
  PyObject *built = builtins_of(p, t->globals);
  for (size_t i = 0; status == 0 && i < t->found.len; i++) {
    status = shoal_py_guards_item(p->guards, node, t->globals, t->found.ptr[i].name);
    if (status == 0 && !t->found.ptr[i].own)
      status = shoal_py_guards_item(p->guards, node, built, t->found.ptr[i].name);
  }
  return status;
}

static int raise_form(const plain_object *p, const shoal_error *err) {
  shoal_py_raise(PyType_GetModule(Py_TYPE((PyObject *)p)), err);
  return -1;
}

/* The node of one of the project's functions; a fresh one is still to be gone through. */
static int function_node(walking *w, PyObject *f, uint32_t *out) {
  plain_object *p = w->p;
  PyObject *code = get(p, f, AT_CODE), *module = get(p, f, AT_MODULE), *qualname = get(p, f, AT_QUALNAME);
  PyObject *file = code ? get(p, code, AT_FILE) : NULL, *line = code ? get(p, code, AT_LINE) : NULL;
  PyObject *label = module && qualname ? PyUnicode_FromFormat("%U.%U", module, qualname) : NULL;
  shoal_str text = label ? shoal_py_str(label) : (shoal_str){0}, path = file ? shoal_py_str(file) : (shoal_str){0};
  char identity[64];
  bool fresh = false;
  shoal_error err = {0};
  int status = line && text.ptr && path.ptr ? 0 : -1;
  snprintf(identity, sizeof identity, "('function', %llu)",
           (unsigned long long)(uintptr_t)f); /* as the walk names it */
  shoal_form_place place = {text, path, line ? (int)PyLong_AsLong(line) : 0};
  if (status == 0 && shoal_form_node(shoal_py_form_of(p->form), shoal_str_z(identity), &place, out, &fresh, &err) < 0)
    status = raise_form(p, &err);
  if (status == 0 && fresh) {
    task *t = shoal_vec_add(&w->todo);
    if (t)
      *t = (task){*out, Py_NewRef(f)};
    else
      PyErr_NoMemory();
    status = t ? PyList_Append(p->kinds, p->at[AT_KIND]) : -1;
  }
  Py_XDECREF(code), Py_XDECREF(module), Py_XDECREF(qualname), Py_XDECREF(file), Py_XDECREF(line), Py_XDECREF(label);
  return status;
}

/* walk.kept[id(function)] = function, node; walk.names.makes[dataset] = wrapper */
static int tell_kept(const plain_object *p, const found *f, uint32_t node) {
  PyObject *id = PyLong_FromVoidPtr(f->function), *pair = Py_BuildValue("(Ok)", f->function, (unsigned long)node);
  int status =
      id && pair && PyDict_SetItem(p->kept, id, pair) == 0 ? PyDict_SetItem(p->makes, f->dataset, f->value) : -1;
  Py_XDECREF(id), Py_XDECREF(pair);
  return status;
}

static int add_edge(walking *w, uint32_t node, PyObject *f, const found *to) {
  plain_object *p = w->p;
  shoal_str kind = to->own ? SHOAL_STR("global") : SHOAL_STR("builtin"), symbol = shoal_py_str(to->name);
  uint32_t target = to->node;
  shoal_error err = {0};
  if (!symbol.ptr)
    return -1;
  if (to->way == WAY_LINK) {
    PyObject *done =
        PyObject_CallMethod(p->walk, "plain_link", "kOsOO", (unsigned long)node, f, kind.ptr, to->name, to->value);
    Py_XDECREF(done);
    return done ? 0 : -1;
  }
  if (to->way == WAY_FUNCTION && function_node(w, to->function, &target) < 0)
    return -1;
  if (to->way == WAY_FUNCTION && to->dataset && tell_kept(p, to, target) < 0)
    return -1;
  if (shoal_form_edge_add(shoal_py_form_of(p->form), node, kind, symbol, target, &err) < 0)
    return raise_form(p, &err);
  return 0;
}

static int add_function(walking *w, uint32_t node, PyObject *f, const parts *t) {
  plain_object *p = w->p;
  shoal_hash body;
  memcpy(body.b, PyBytes_AsString(t->body), SHOAL_HASH_BYTES);
  shoal_form_body(shoal_py_form_of(p->form), node, &body);
  int status = guard(p, node, f, t) < 0 ? -1 : PyList_Append(p->functions, f);
  if (status == 0 && t->defaults != Py_None) {
    PyObject *done = PyObject_CallMethod(p->walk, "plain_defaults", "kO", (unsigned long)node, f);
    status = done ? 0 : -1;
    Py_XDECREF(done);
  }
  for (size_t i = 0; status == 0 && i < t->found.len; i++)
    status = add_edge(w, node, f, &t->found.ptr[i]);
  return status;
}

static void dispose(parts *t) {
  for (size_t i = 0; i < t->found.len; i++) {
    found *f = &t->found.ptr[i];
    Py_DECREF(f->name), Py_DECREF(f->value), Py_XDECREF(f->function), Py_XDECREF(f->dataset);
  }
  shoal_vec_dispose(&t->found);
  Py_XDECREF(t->code), Py_XDECREF(t->globals), Py_XDECREF(t->dict), Py_XDECREF(t->defaults);
  Py_XDECREF(t->body), Py_XDECREF(t->names), Py_XDECREF(t->decorators);
}

/* 1: the function is in the form, 0: it is not plain, and nothing was done; -1: an exception. */
static int go_through(walking *w, uint32_t node, PyObject *f) {
  parts t = {0};
  int status = take_parts(w->p, f, &t);
  if (status == 1)
    status = take_entry(w->p, f, &t);
  if (status == 1)
    status = are_ours(w->p, &t);
  if (status == 1)
    status = look_up(w->p, &t);
  if (status == 1)
    status = add_function(w, node, f, &t) < 0 ? -1 : 1;
  dispose(&t);
  return status;
}

/* ---- the object ---- */

/* Of `todo`, what is not plain is the walk's. */
static int go_on(walking *w) {
  int status = 0;
  while (status == 0 && w->next < w->todo.len) {
    task t = w->todo.ptr[w->next++];
    int plain = go_through(w, t.node, t.f);
    status = plain < 0 ? -1 : 0;
    if (plain == 0) {
      PyObject *done = PyObject_CallMethod(w->p->walk, "plain_not", "kO", (unsigned long)t.node, t.f);
      status = done ? 0 : -1;
      Py_XDECREF(done);
    }
    Py_DECREF(t.f);
  }
  for (; w->next < w->todo.len; w->next++)
    Py_DECREF(w->todo.ptr[w->next].f);
  shoal_vec_dispose(&w->todo);
  return status;
}

static PyObject *plain_run(PyObject *o, PyObject *args) {
  walking w = {.p = (plain_object *)o};
  unsigned long node;
  PyObject *f;
  if (!PyArg_ParseTuple(args, "kOO", &node, &f, &w.p->walk))
    return NULL;
  if (node >= shoal_form_size(shoal_py_form_of(w.p->form)) || (PyObject *)Py_TYPE(f) != w.p->function_type)
    return PyErr_Format(PyExc_ValueError, "no function's node");
  PyDict_Clear(w.p->tables); /* files may have been read anew */
  int plain = go_through(&w, (uint32_t)node, f), rest = go_on(&w);
  return plain < 0 || rest < 0 ? NULL : PyBool_FromLong(plain);
}

PyObject *shoal_py_code_key(PyObject *module, PyObject *args) {
  PyObject *dumps, *code, *world;
  (void)module;
  return PyArg_ParseTuple(args, "OOS", &dumps, &code, &world) ? key_of(dumps, code, world) : NULL;
}

static bool take_arguments(plain_object *p, PyObject *args) {
  PyObject **all[] = {&p->form,  &p->guards,    &p->function_type, &p->kept_type, &p->dumps,
                      &p->world, &p->functions, &p->kinds,         &p->makes,     &p->kept};
  module_state *state = PyModule_GetState(PyType_GetModule(Py_TYPE((PyObject *)p)));
  if (!PyArg_ParseTuple(args, "O!O!OOOSO!O!O!O!", state->form_type, &p->form, state->guards_type, &p->guards,
                        &p->function_type, &p->kept_type, &p->dumps, &p->world, &PyList_Type, &p->functions,
                        &PyList_Type, &p->kinds, &PyDict_Type, &p->makes, &PyDict_Type, &p->kept)) {
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
      *all[i] = NULL;
    return false;
  }
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    Py_INCREF(*all[i]);
  return true;
}

static PyObject *plain_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  plain_object *p = (plain_object *)alloc(type, 0);
  (void)kwargs;
  if (!p)
    return NULL;
  bool ok = take_arguments(p, args);
  for (size_t i = 0; ok && i < AT_COUNT; i++)
    ok = (p->at[i] = PyUnicode_InternFromString(at_names[i])) != NULL;
  ok = ok && (p->tables = PyDict_New()) && (p->owned = PyDict_New()) && (p->targets = PyDict_New());
  if (ok)
    return (PyObject *)p;
  Py_DECREF(p);
  return NULL;
}

static void plain_dealloc(PyObject *o) {
  plain_object *p = (plain_object *)o;
  PyTypeObject *type = Py_TYPE(o);
  PyObject *const own[] = {p->form,  p->guards, p->function_type, p->kept_type, p->dumps, p->world,  p->functions,
                           p->kinds, p->makes,  p->kept,          p->tables,    p->owned, p->targets};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++)
    Py_XDECREF(own[i]);
  for (size_t i = 0; i < AT_COUNT; i++)
    Py_XDECREF(p->at[i]);
  freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
  free_object(o);
  Py_DECREF(type);
}

static PyMethodDef plain_methods[] = {
    {"run", plain_run, METH_VARARGS,
     "run(node, function, walk) -> whether it is plain; then what it leads to was gone through"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot plain_slots[] = {
    {Py_tp_new, plain_new},
    {Py_tp_dealloc, plain_dealloc},
    {Py_tp_methods, plain_methods},
    {Py_tp_doc, "The walk's quick way."},
    {0, NULL},
};
PyType_Spec shoal_plain_spec = {
    .name = "shoal._shoal.Plain",
    .basicsize = sizeof(plain_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = plain_slots,
};
