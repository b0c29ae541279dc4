/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Canonical forms of Python code: what the package's walk over functions, classes and values (shoal/_forms.py) is made
 * of. The walk decides what belongs to a form and which names lead where; here values, syntax trees and bytecode become
 * hashes, and the graph is code/form's. Everything runs under the interpreter's lock, but for hashing large buffers.
 */
#ifndef SHOAL_PYTHON_FORM_H
#define SHOAL_PYTHON_FORM_H

#include "base/hash.h"
#include "code/form.h"
#include "module.h"

extern PyType_Spec shoal_form_spec;

/* encode(value, resolve, element, domain) -> (digest, [(symbol, node)]). `resolve(value)` is asked about everything
   that is not a plain value or container (None: that is a TypeError): a number is the node it stands for; (tag,
   payload, shared) what it is made of, where `shared` says that it can change, so that being the same object twice
   counts. `element(digest, refs)` makes the node of a set's element that leads to nodes. */
PyObject *shoal_py_encode(PyObject *module, PyObject *args);
PyObject *shoal_py_pieces(PyObject *module, PyObject *args);
/* tree(node, AST, lean) -> digest of a function's syntax tree, without positions, its own decorators and defaults;
   lean: without docstrings and annotations. */
PyObject *shoal_py_tree(PyObject *module, PyObject *args);
/* code(code, version) -> digest of a code object and those it contains, for that version of the interpreter. */
PyObject *shoal_py_code(PyObject *module, PyObject *args);

/* dataset(path) -> the name of the dataset that a path stands for. */
PyObject *shoal_py_dataset(PyObject *module, PyObject *args);
/* call_signature(code, arguments, python, [(name, key or None)]) -> 64 hex digits: code/python.h's. */
PyObject *shoal_py_call_signature(PyObject *module, PyObject *args);
/* decorated(text, path, line) -> (layout, expects): of what a decorator says (code/model.h), the keys; None: nothing.
 */
PyObject *shoal_py_decorated(PyObject *module, PyObject *args);

/* A value made of plain values only; -1 with an exception for any other. */
int shoal_py_encode_plain(shoal_hasher *h, PyObject *value);
/* The digest of a value and what it holds, plain or not at all; -1 with an exception: a TypeError where it isn't. */
int shoal_py_value_digest(PyObject *value, const char *domain, shoal_hash *out);
shoal_form *shoal_py_form_of(PyObject *form); /* borrowed */
/* 32 bytes. */
PyObject *shoal_py_digest(shoal_hasher *h);
shoal_str shoal_py_str(PyObject *text); /* borrowed; {NULL,0} with an exception: not a str, or lone surrogates */

#endif
