# SPDX-License-Identifier: Apache-2.0
"""Canonical forms of Python code: what a function is made of, and all that it reaches, as one key.

The walk makes a node for each function, class, module and variable reached, and an edge for each name that leads there;
``_shoal.Form`` makes keys of them. More dependencies are better than fewer: a key that changes for nothing costs time, one
that does not change is a wrong result.

Nothing is refused while walking. A value without a canonical form is noted, and raised if the function asked about reaches
it otherwise than through a module that counts as a whole (there its source text stands for it)."""
from __future__ import annotations

import abc
import ast
import builtins
import collections
import enum
import functools
import importlib
import marshal
import os
import re
import sys
import types
from typing import Any, Callable, Iterable, Iterator, NamedTuple

from . import _cells, _contents, _environment, _kept, _owners, _values
from ._guards import Guards
from ._owners import INTERPRETER, Package, is_a
from ._remembered import WORLD
from ._shoal import Error, Form, Plain, code as code_digest, encode, look
from ._source import CALLERS_NAMES, DYNAMIC_IMPORTS, Facts, Import, Source, facts_of, file_of, source_of

_VERSION = f"cpython {sys.version_info[0]}.{sys.version_info[1]}"
_CALLABLE_BY_NAME = (types.BuiltinFunctionType, types.FunctionType, type)
_READS_MODULES = frozenset(("__dict__", "__getattribute__", "__globals__"))
_READS_GLOBALS = (builtins.eval, builtins.exec, builtins.globals)
# Libraries whose expressions may name variables of the function that calls them.
_READ_CALLERS = frozenset(("duckdb", "_duckdb", "formulaic", "numexpr", "patsy", "statsmodels"))
_FUTURE_ANNOTATIONS = 0x1000000
# Attributes of which more than their values may count, or those of the module they are taken of.
_ODD = CALLERS_NAMES | DYNAMIC_IMPORTS | _READS_MODULES | {"file", "modules"}
# Of a class: what the interpreter derives from the rest, or what says where it stands.
_DERIVED = frozenset(("__module__", "__qualname__", "__dict__", "__weakref__", "__firstlineno__", "__static_attributes__", "__abstractmethods__", "_abc_impl",
                      "__annotations_cache__", "__slotnames__"))
_ENUM_DERIVED = frozenset(("_member_map_", "_member_names_", "_value2member_map_", "_unhashable_values_", "_hashable_values_", "_unhashable_values_map_"))
# Of a class that pydantic has made: what it makes of the fields, the decorators and the settings, which count, as its version does. It has the class's address.
_PYDANTIC_DERIVED = frozenset(("__pydantic_core_schema__", "__pydantic_validator__", "__pydantic_serializer__", "__pydantic_setattr_handlers__", "__pydantic_complete__",
                               "__pydantic_fields_complete__", "__signature__"))
_MODULE_DERIVED = frozenset(("__builtins__", "__spec__", "__loader__", "__cached__", "__file__", "__name__", "__package__", "__path__", "__warningregistry__"))


class Edge(NamedTuple):
    kind: str
    symbol: str
    target: int


class Node(NamedTuple):
    """A piece of what a signature covers. ``key`` covers all that the node reaches."""

    label: str
    kind: str
    path: str | None
    line: int
    key: str
    edges: tuple[Edge, ...]


class Signature:
    """What a function is, with all it reaches: ``key`` is equal where that is."""

    def __init__(self, key: str, nodes: list[Node]) -> None:
        self.key = key
        self._nodes = nodes

    def explain(self) -> list[Node]:
        """The nodes reached, the function asked about first; edges lead to positions in the list."""
        return list(self._nodes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Signature) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def _repr_html_(self) -> str:
        from . import _cells, _show

        return _show.signature_html(self.key, self._nodes, _cells.place)

    def __repr__(self) -> str:
        return f"<shoal.Signature {self.key[:16]}… of {self._nodes[0].label}, {len(self._nodes)} nodes>"


class LakeNames:
    """What the code reached does with datasets under names written in it."""

    def __init__(self) -> None:
        self.loads: set[str] = set()
        self.makes: dict[str, Any] = {}  # the function whose result it is; None: a call of `keep`
        self.cached: dict[str, Any] = {}  # functions whose results have no name
        self.dynamic = False  # it loads under names that are not written in it
        self.variables: set[str] = set()  # of the environment
        self.environment: _User | None = None  # who reads variables whose names are not written in it
        self.files: dict[str, _contents.State] = {}  # whose content counts


def signature(f: object) -> Signature:
    """The signature of a function, a class or anything that can be called; of any value, in fact."""
    walk, root = walk_of(f)
    return walk.signature(root)


def walk_of(f: object, label: str | None = None) -> tuple[Walk, int]:
    """The finished walk, and the node that stands for `f`."""
    level, anywhere = 0, False
    while True:
        walk = Walk(level, anywhere)
        root = walk.run(f, label or label_of(f))
        if (walk.introspects, walk.anywhere) == (level, anywhere):
            return walk, root
        level, anywhere = walk.introspects, walk.anywhere  # what was left out counts


class _User(NamedTuple):
    """Who uses a value, for messages."""

    label: str
    path: str | None
    line: int


class _Missing:
    """What a name stands for that leads nowhere."""


_MISSING, _EMPTY = _Missing(), _Missing()


class Walk:
    """``level`` says what more counts than what runs: 1 docstrings and annotations, 2 the source's text and module too;
    ``anywhere`` that `eval`, `exec` or `globals` is passed around, so that any function may read its module's variables."""

    def __init__(self, level: int, anywhere: bool) -> None:
        self.anywhere = anywhere
        self.form = Form()
        self.names = LakeNames()
        self.packages: set[Package] = set()
        self.guards = Guards(self.form)
        self.level = self.introspects = level
        self.todo: collections.deque[tuple[Callable[..., None], int, Any, _User]] = collections.deque()
        self.alive: list[Any] = []  # identities are addresses
        self.kinds: list[str] = []
        self.whole: set[int] = set()  # modules that count as a whole
        self.failures: dict[int, Error] = {}
        self.functions: list[types.FunctionType] = []  # the project's
        self.kept: dict[int, tuple[Any, int]] = {}  # functions whose results are kept, and their nodes: by identity
        self.environment: set[int] = set()  # functions that hold the environment, or what reads it, by some name

        self._plain = None if level or anywhere else Plain(self.form, self.guards.found, types.FunctionType, _kept.Kept, marshal.dumps, WORLD, self.functions,
                                                           self.kinds, self.names.makes, self.kept)

    def run(self, f: object, label: str) -> int:
        root = self.target(f, label, _User(label, None, 0))
        while self.todo:
            body, node, value, user = self.todo.popleft()
            body(node, value, user)
        self._raise_failure(root)
        self.form.finish()
        return root

    def signature(self, root: int) -> Signature:
        return Signature(self.form.key(root), nodes_of(self.form, self.kinds, root))

    def kept_keys(self) -> list[tuple[Any, int, str]]:
        """Of the kept functions that were met, where the key is what a walk of their own would give, and needs no more than itself
        to be looked up: function, node and key."""
        names = self.names
        if self.level or self.anywhere or self.failures or names.loads or names.variables or names.files:
            return []
        return [(f, node, self.form.key(node)) for f, node in self.kept.values()]

    def _raise_failure(self, root: int) -> None:
        if self.failures:
            for n in _reach(root, lambda n: () if n in self.whole else self.form.targets(n)):
                if n in self.failures:
                    raise self.failures.pop(n)  # what is raised refers to this walk: no cycle

    # ---- nodes ----

    def node(self, kind: str, identity: object, label: str, path: str | None = None, line: int = 0) -> tuple[int, bool]:
        label = label.encode("utf-8", "backslashreplace").decode()
        node, fresh = self.form.node(repr((kind, identity)).encode("utf-8", "backslashreplace"), label, path, line)
        if fresh:
            self.kinds.append(kind)
        return node, fresh

    def edge(self, node: int, kind: str, symbol: str, target: int) -> None:
        self.form.edge(node, kind, symbol.encode("utf-8", "backslashreplace").decode(), target)

    def body(self, node: int, *parts: object) -> None:
        self.form.body(node, encode(parts, None, None, "shoal/1/python/body")[0])

    def fixed(self, kind: str, *parts: object) -> int:
        """A node that is what its parts say and leads nowhere."""
        node, fresh = self.node(kind, parts, " ".join(str(p) for p in parts))
        if fresh:
            self.body(node, kind, *parts)
        return node

    def package(self, owner: Package, kind: str, module: str | None, name: str) -> int:
        if module == "inspect" or (module or "").startswith("pydoc") or name in ("get_type_hints", "get_annotations"):
            self.introspects = max(self.introspects, 1 if module == "typing" else 2)
        if owner is INTERPRETER and module == "builtins":
            return self.fixed("builtin", name)
        self.packages.add(owner)
        return self.fixed(kind, owner.name, owner.version, f"{module}.{name}" if name else str(module))

    def target(self, value: Any, label: str, user: _User, line: int = 0) -> int:
        """The node that stands for a value. ``line`` is where a variable of the user's file is set."""
        self.alive.append(value)
        if is_a(value, types.FunctionType):
            return self._function_node(value, user)
        if is_a(value, type):
            return self._class_node(value, user)
        if is_a(value, types.ModuleType):
            return self.module(value, user)
        if is_a(value, types.BuiltinFunctionType) and (value.__self__ is None or is_a(value.__self__, types.ModuleType)):
            return self._builtin_node(value)
        if is_a(value, _Missing):
            return self.fixed("missing" if value is _MISSING else "empty", "")
        if type(value) is _contents.File:
            return self._file(value, user, line)
        plain = type(value) in (type(None), bool, int, float, complex, str, bytes)
        node, fresh = self.node("value", (label, id(value)) if plain else id(value), label, user.path, line)
        if fresh:
            self.todo.append((self._value, node, value, user))
        return node

    # ---- values ----

    def _value(self, node: int, value: Any, user: _User) -> None:
        label = user.label

        held: set[str] = set()

        def resolve(v: Any) -> int | _values.Made:
            made = self._resolve(v, label, user)
            if is_a(v, types.FunctionType):
                held.add("function")
            elif isinstance(made, tuple) and (made[0] == "proxy" or made[0] == "object" and _owners.owner(type(v).__module__) not in (None, INTERPRETER)):
                held.add("package")
            return made

        self.guards.value(node, value)
        try:
            digest, refs = encode(value, resolve, self._element, "shoal/1/python/value")
        except Error as e:
            return self._fail(node, value, e)
        except RecursionError:
            return self._fail(node, value, _refusal(value, user, "it is nested too deeply"))
        except Exception as e:  # what pickling it raises is any code's
            return self._fail(node, value, _refusal(value, user, str(e)))
        if len(held) == 2:  # what a package does with a function may depend on its annotations
            self.introspects = max(self.introspects, 1)
        self.form.body(node, digest)
        for symbol, target in refs:
            self.edge(node, "item", symbol, target)

    def _element(self, digest: bytes, refs: list[tuple[str, int]]) -> int:
        node, fresh = self.node("element", (digest, refs), "element")
        if fresh:
            self.form.body(node, digest)
            for symbol, target in refs:
                self.edge(node, "item", symbol, target)
        return node

    def _resolve(self, v: Any, label: str, user: _User) -> int | _values.Made:
        if is_a(v, (types.FunctionType, type, types.ModuleType, _contents.File)):
            return self.target(v, label, user)
        if is_a(v, types.BuiltinFunctionType):
            if v.__self__ is None or is_a(v.__self__, types.ModuleType):
                return self.target(v, label, user)
            made: _values.Made = "bound", (v.__self__, v.__name__), False
        elif is_a(v, types.CodeType):
            made = "code", code_digest(v, _VERSION), False
        elif is_a(v, _Missing):
            return self.target(v, label, user)
        elif _environment.leads_there(v):
            self._open_environment(user)
            return self.fixed("builtin", "os.environ")
        else:
            named = self._named(v)
            if named is not None:
                return named
            known = _values.made_of(v)
            if known is None:
                try:
                    known = _values.state_of(v)
                except Exception as e:
                    raise _refusal(v, user, str(e)) from None
            made = known
        if made[0] == "named":
            return self._named_node(v, *made[1])
        self.alive.append((v, made))
        return made

    def _named(self, v: Any) -> int | None:
        """A package's callable that the package has by its name: numpy.sum."""
        module, name = getattr(v, "__module__", None), getattr(v, "__qualname__", None)
        if not (isinstance(module, str) and isinstance(name, str) and callable(v) and _owners.lookup(module, name) is v):
            return None
        owner = _owners.owner(module)
        return self.package(owner, "package", module, name) if owner else None

    def _named_node(self, v: Any, module: str, name: str) -> int:
        owner = _owners.owner(module)
        if owner is None or _owners.lookup(module, name) is not v:
            raise TypeError(f"it is pickled as {module}.{name}, which does not tell what it does")
        return self.package(owner, "package", module, name)

    def _fail(self, node: int, value: Any, error: Error) -> None:
        self.failures[node] = error.with_traceback(None)
        self.body(node, "opaque", type(value).__module__, type(value).__qualname__)

    # ---- functions ----

    def _builtin_node(self, f: Any) -> int:
        self.anywhere |= any(f is v for v in _READS_GLOBALS)
        module = f.__module__ or getattr(f.__self__, "__name__", None)
        owner = _owners.owner(module)
        if owner:
            return self.package(owner, "package", module, f.__qualname__)
        return self._extension(sys.modules.get(module or ""), f.__qualname__)

    def _extension(self, module: Any, name: str) -> int:
        """A part of the project's own compiled module: its file's content."""
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not os.path.exists(file):
            return self.fixed("builtin", getattr(module, "__name__", "?"), name)
        return self.fixed("extension", _content(file), name)

    def _function_node(self, f: types.FunctionType, user: _User) -> int:
        kept = vars(f).get("__shoal__")
        if is_a(kept, _kept.Kept):  # where its result lies is no part of it
            if kept.dataset:
                self.names.makes[kept.dataset] = f
            else:
                self.names.cached[label_of(kept.function)] = f
            node = self.target(kept.function, label_of(kept.function), user)
            self.kept[id(kept.function)] = kept.function, node
            return self._laid(kept, node) if kept.decorated and kept.decorated.layout else node
        if _environment.leads_there(f):
            self._open_environment(user)
        code = f.__code__
        module = _module_of(f)
        owner = _owners.owner(module, _code_file(f))
        if owner and _owners.lookup(module, f.__qualname__) is f:
            return self.package(owner, "package", module, f.__qualname__)
        label = f"{module}.{f.__qualname__}"
        node, fresh = self.node("function", id(f), label, code.co_filename, code.co_firstlineno)
        if fresh:
            there = _User(label, code.co_filename, code.co_firstlineno)
            if owner:
                self.todo.append((functools.partial(self._package_function, owner, module), node, f, there))
            else:
                self.todo.append((self._function, node, f, there))
        return node

    def _laid(self, kept: _kept.Kept, function: int) -> int:
        """Its rows come back in another order than it gives them."""
        node, fresh = self.node("layout", id(kept), label_of(kept.function) + ", its layout", kept.decorated.path, kept.decorated.line)
        if fresh:
            self.alive.append(kept)
            self.body(node, "layout", kept.decorated.layout)
            self.edge(node, "function", "", function)
        return node

    def _package_function(self, owner: Package, module: str | None, node: int, f: Any, user: _User) -> None:
        """One that a package made of something else: its closure is the project's."""
        self.packages.add(owner)
        self.body(node, "package function", owner.name, owner.version, module, f.__code__.co_qualname, code_digest(f.__code__, _VERSION))
        if owner is not INTERPRETER:
            self.introspects = max(self.introspects, 1)
        if owner is INTERPRETER and f.__code__.co_qualname == "singledispatch.<locals>.wrapper":
            self.guards.give_up(node)
            for i, (key, value) in enumerate(f.registry.items()):  # its closure has a cache besides
                self.link(node, "case", f"{i}", key, user, None)
                self.link(node, "implementation", f"{i}", value, user, None)
            return
        self._attached(node, f, user, None)

    def _attached(self, node: int, f: types.FunctionType, user: _User, facts: Facts | None) -> None:
        """What a function object has besides its code: closure, defaults, attributes."""
        self.guards.function(node, f)
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or ()):
            try:
                value = cell.cell_contents
            except ValueError:
                value = _EMPTY
            self.link(node, "closure", name, value, user, facts)
        self._defaults(node, f, user)
        for name, value in vars(f).items():
            self.link(node, "attribute", str(name), value, user, None)

    def _defaults(self, node: int, f: types.FunctionType, user: _User) -> None:
        names = f.__code__.co_varnames[:f.__code__.co_argcount]
        for name, value in zip(names[len(names) - len(f.__defaults__ or ()):], f.__defaults__ or ()):
            self.link(node, "default", name, value, user, None)
        for name, value in (f.__kwdefaults__ or {}).items():
            self.link(node, "default", name, value, user, None)

    def _function(self, node: int, f: types.FunctionType, user: _User) -> None:
        if self._plain is None or self.anywhere or not self._plain.run(node, f, self):
            self._any_function(node, f, user)

    def _any_function(self, node: int, f: types.FunctionType, user: _User) -> None:
        code, facts, source = f.__code__, facts_of(f.__code__), source_of(f)
        self.functions.append(f)
        self.introspects = max(self.introspects, facts.introspects)
        full = self.level > 0 or source is None or source.in_class or _decorated(source, f)
        form: tuple[object, ...] = (("tree", source.digest(not full), full and code.co_flags & _FUTURE_ANNOTATIONS, sys.flags.optimize) if source
                                    else ("bytecode", code_digest(code, _VERSION)))
        more: tuple[object, ...] = ()
        if self.level > 1:
            more = (f.__module__, f.__doc__ if isinstance(f.__doc__, str) else None, source.text() if source else None)
        if not full and source:
            self._remember_plain(f, facts, source, form)
        self.body(node, "function", f.__qualname__, form, tuple(sorted(facts.mangled)), more)
        self._attached(node, f, user, facts)
        self._globals(node, f, facts, user)
        for one in facts.imports:
            self._import(node, one, f, facts, user)
        self._variables(node, f, facts, source, user)
        self._files(node, f, facts, source, user)
        self._lake_names(f, facts)
        if full and (self.level > 0 or source is None or not source.in_class):
            self._annotations(node, f.__annotations__, f.__globals__, user)

    # ---- functions that are plain: `_shoal.Plain` goes through them, and asks here ----

    def _remember_plain(self, f: types.FunctionType, facts: Facts, source: Source, form: tuple[object, ...]) -> None:
        """What says of the code alone that nothing but the values of its global names is to be looked at."""
        code = f.__code__
        if (f.__qualname__ != code.co_qualname or code.co_freevars or facts.imports or facts.introspects or not _ODD.isdisjoint(facts.attributes)
                or not DYNAMIC_IMPORTS.isdisjoint(facts.globals) or _environment.mentions(facts) or source.file is not file_of(code.co_filename, f.__globals__)
                or None in source.found.decorators):
            return
        body = encode(("function", f.__qualname__, form, tuple(sorted(facts.mangled)), ()), None, None, "shoal/1/python/body")[0]
        source.file.remember_plain(code, (body, code.co_qualname, tuple(sorted(facts.globals)), source.found.decorators))

    def plain_table(self, file: str) -> dict[bytes, tuple[Any, ...]] | None:
        found = file_of(file) if os.path.isabs(file) else None
        return found.plain if found else None

    def plain_owner(self, f: types.FunctionType) -> bool:
        """Whether it is the project's, and nothing in its module's name matters."""
        module = _module_of(f)
        return _owners.owner(module, _code_file(f)) is None and _top_module(f) not in _READ_CALLERS

    def plain_builtin(self, value: Any) -> int | None:
        if value.__module__ != "builtins" or _owners.lookup("builtins", value.__qualname__) is not value or not self.plain_linkable(value):
            return None
        return self.target(value, "", _User("", None, 0))

    def plain_linkable(self, value: Any) -> bool:
        """Whether it is only what it is, whatever the code does with it."""
        if is_a(value, types.ModuleType) or _environment.leads_there(value) or _top_module(value) in _READ_CALLERS or _top_module(value) == "shoal":
            return False
        if any(value is v for v in (*_READS_GLOBALS, importlib.import_module, builtins.__import__, sys.modules)):
            return False
        return _in_project(value) is value

    def plain_link(self, node: int, f: types.FunctionType, kind: str, name: str, value: Any) -> None:
        file = file_of(f.__code__.co_filename, f.__globals__)
        self.link(node, kind, name, value, self._user_of(f), None, line=file.variables.get(name, 0) if file else 0)

    def plain_defaults(self, node: int, f: types.FunctionType) -> None:
        self._defaults(node, f, self._user_of(f))

    def plain_not(self, node: int, f: types.FunctionType) -> None:
        self.todo.append((self._any_function, node, f, self._user_of(f)))

    def _user_of(self, f: types.FunctionType) -> _User:
        return _User(f"{_module_of(f)}.{f.__qualname__}", f.__code__.co_filename, f.__code__.co_firstlineno)

    # ---- what functions do outside of the program ----

    def _variables(self, node: int, f: types.FunctionType, facts: Facts, source: Source | None, user: _User) -> None:
        """Those of the environment."""
        if node not in self.environment and not _environment.mentions(facts):
            return
        found = _environment.uses(f, facts, source)
        for name, line in sorted(found.names.items()):
            variable, fresh = self.node("environment", name, name, user.path, line)
            if fresh:
                self.body(variable, *_environment.parts(name))
                self.guards.variable(name)
                self.names.variables.add(name)
            self.edge(node, "environment", name, variable)
        if found.open:
            self._open_environment(user._replace(line=found.open))

    def _open_environment(self, user: _User) -> None:
        self.names.environment = self.names.environment or user

    def _files(self, node: int, f: types.FunctionType, facts: Facts, source: Source | None, user: _User) -> None:
        """Those it names."""
        if not _contents.mentions(f, facts):
            return
        found = _contents.uses(f, facts, source)
        for path, line in sorted(found.names.items()):
            self.edge(node, "file", path, self._file(path, user, line))
        self.names.dynamic |= bool(found.open)

    def _file(self, path: str | os.PathLike[str], user: _User, line: int) -> int:
        try:
            name = _contents.name_of(path)
            state = self.names.files.get(name) or _contents.state(_contents.full(name))
        except (OSError, Error) as e:
            hint = e.hint if isinstance(e, Error) else "make it readable, or name another one"
            raise _error("unsupported", f"{user.label} names a file: {str(e).partition(chr(10))[0]}", hint, user._replace(line=line or user.line)) from None
        node, fresh = self.node("file", name, name, user.path, line)
        if fresh:
            self.names.files[name] = state
            self.guards.file(state)
            self.body(node, "file", name, state.key)
        return node

    def _lake_names(self, f: types.FunctionType, facts: Facts) -> None:
        names, keeps = self.names, False
        names.dynamic |= any(one.module.partition(".")[0] == "shoal" for one in facts.imports)
        for call in facts.calls:
            what = _shoal_function(call.name, f.__globals__)
            plain = what == "table" and call.first and call.first.isidentifier()  # table("x") is main.x
            dataset = _dataset_named(f"main.{call.first}" if plain else call.first) if what else None
            if what == "keep" and dataset:
                names.makes.setdefault(dataset, None)
                keeps = True
            elif what in ("load", "table") and dataset and call.alone:
                names.loads.add(dataset)
            elif what in ("load", "table", "sql"):
                names.dynamic = True
        for name in facts.passed if keeps else ():
            value = f.__globals__.get(name)
            if type(value) is types.FunctionType and "__shoal__" not in vars(value):
                self.kept[id(value)] = value, self.target(value, name, _User(name, None, 0))

    def _globals(self, node: int, f: types.FunctionType, facts: Facts, user: _User) -> None:
        own = f.__globals__
        found = own.get("__builtins__", builtins)
        built = found if isinstance(found, dict) else vars(found)
        dynamic = self.anywhere or not CALLERS_NAMES.isdisjoint(facts.attributes)
        imports = not DYNAMIC_IMPORTS.isdisjoint(facts.attributes | facts.globals)
        file = file_of(f.__code__.co_filename, own)
        for name in sorted(facts.globals):
            value = own.get(name, built.get(name, _MISSING))
            self.guards.name(node, own, name)
            if name not in own:
                self.guards.name(node, built, name)
            kind = "global" if name in own or value is _MISSING else "builtin"
            value = _in_project(value)
            if any(value is v for v in _READS_GLOBALS):
                dynamic = True
                self.anywhere |= name in facts.passed
                self.edge(node, kind, name, self.fixed("builtin", value.__name__))
                continue
            dynamic |= _top_module(value) in _READ_CALLERS
            imports |= value is importlib.import_module or value is builtins.__import__ or value is sys.modules
            self.link(node, kind, name, value, user, facts, line=file.variables.get(name, 0) if file else 0)
        if "modules" in facts.attributes and own.get("sys") is sys:
            dynamic, imports = True, imports
        if dynamic:
            module = sys.modules.get(str(own.get("__name__")))
            for name in sorted({w for text in facts.strings for w in _cells.words(text) if _cells.is_history(own, w)} & own.keys()):
                self.link(node, "global", name, own[name], user, None)
            if module is not None and vars(module) is own:
                self.edge(node, "module", "globals", self.module(module, user))
            else:
                self._all(node, own, user)
        if imports:
            self._imports_by_name(node, facts, user)

    def _all(self, node: int, own: dict[str, Any], user: _User) -> None:
        self.guards.give_up(node)  # modules change while they are used
        for name, value in list(own.items()):
            if name not in _MODULE_DERIVED and not (isinstance(name, str) and _cells.is_history(own, name)):
                self.link(node, "global", name, value, user, None)

    def _imports_by_name(self, node: int, facts: Facts, user: _User) -> None:
        """import_module("helpers"): the modules whose names the code has as strings."""
        self.guards.give_up(node)
        found = False
        for name in sorted(facts.strings):
            if not all(part.isidentifier() for part in name.lstrip(".").split(".")):
                continue
            module = sys.modules.get(name) or _import_project(name)
            if module is not None:
                found = True
                self.edge(node, "module", name, self.module(module, user))
        if not found:
            e = _error("unsupported", f"{user.label} imports a module whose name is not written in it",
                       "import it at the top of the file, or pass the module as an argument", user)
            self.failures.setdefault(node, e)

    def _import(self, node: int, one: Import, f: types.FunctionType, facts: Facts, user: _User) -> None:
        """`import m` inside a function. The project's modules are imported now, as the function would."""
        name = one.module
        if one.level:
            package = f.__globals__.get("__package__") or str(f.__globals__.get("__name__", "")).rpartition(".")[0]
            above = str(package).split(".")
            name = ".".join(above[:len(above) - one.level + 1] + ([one.module] if one.module else []))
        owner = _owners.owner(name)
        if owner:
            for part in one.names or ("",):
                self.edge(node, "import", f"{name}.{part}", self.package(owner, "package", name, part))
            return
        module = _import_project(name)
        self.guards.give_up(node)  # what it finds, the next import may not
        if module is None:
            self.edge(node, "import", name, self.target(_MISSING, name, user))
            return
        bare = not facts.bare.isdisjoint(one.bound)
        for part in one.names:
            value = vars(module).get(part, _MISSING)
            if value is _MISSING:
                value = _import_project(f"{name}.{part}") or getattr(module, part, _MISSING)
            self.link(node, "import", f"{name}.{part}", value, user, None if bare else facts)
        if not one.names:
            parts = name.split(".")
            for i in range(len(parts)):
                above_module = sys.modules.get(".".join(parts[:i + 1]))
                if above_module is not None:
                    self.link(node, "import", ".".join(parts[:i + 1]), above_module, user, None if bare else facts, from_import=True)

    def _annotations(self, node: int, annotations: Any, own: dict[str, Any], user: _User) -> None:
        if annotations:
            self.guards.give_up(node)
        for name, value in (annotations or {}).items():
            self.link(node, "annotation", str(name), value, user, None)
            for text in _texts_in(value):  # resolved by whoever asks for type hints
                for part in _names_in(text):
                    self.link(node, "annotation", f"{name}: {part}", own.get(part, getattr(builtins, part, _MISSING)), user, None)

    # ---- names ----

    def link(self, node: int, kind: str, symbol: str, value: Any, user: _User, facts: Facts | None, from_import: bool = False,
             line: int = 0) -> None:
        """An edge for a name. A module counts by the attributes that the code takes of it, if that is all it does with it."""
        if is_a(value, types.ModuleType) and facts is not None:
            last = symbol.rpartition(".")[2]
            if from_import or last not in facts.bare:
                self._attributes(node, kind, symbol, value, user, facts, {id(value)})
                return
            if value is os:
                self.environment.add(node)
        if _environment.leads_there(value) and kind in ("global", "closure", "import") and (facts is not None or kind != "closure"):
            self.environment.add(node)  # what the code does with it is what counts
            self.edge(node, kind, symbol, self.fixed("builtin", "os.environ"))
            return
        if facts is not None and "__globals__" in facts.attributes and is_a(value, types.FunctionType):
            self.edge(node, "module", symbol, self.target(sys.modules.get(_module_of(value) or ""), "module", user))
        label = symbol if kind in ("global", "builtin", "import") else f"{symbol} of {user.label}"
        self.edge(node, kind, symbol, self.target(value, label, user._replace(label=f"{symbol} of {user.label}"), line))

    def _attributes(self, node: int, kind: str, symbol: str, module: types.ModuleType, user: _User, facts: Facts, on_way: set[int]) -> None:
        self.alive.append(module)
        for name in facts.attributes:
            self.guards.name(node, vars(module), name)
        owner = _owners.owner(module.__name__)
        if owner:  # by its version, and what the project put into it
            for name in sorted(facts.attributes & vars(module).keys()):
                value = vars(module)[name]
                if is_a(value, (types.FunctionType, type)) and _module_of(value) in sys.modules and not _owners.owner(_module_of(value), _code_file(value)):
                    self.edge(node, kind, f"{symbol}.{name}", self.target(value, name, user))
        if owner or _is_extension(module) or not _READS_MODULES.isdisjoint(facts.attributes):
            self.edge(node, kind, symbol, self.module(module, user))
            return
        own = vars(module)
        self.edge(node, kind, symbol, self.fixed("module", "by attributes"))
        for name in sorted(facts.attributes & own.keys()) + (["__getattr__"] if "__getattr__" in own else []):
            value, path = own[name], f"{symbol}.{name}"
            value = _in_project(value)
            if is_a(value, types.ModuleType) and name not in facts.bare:
                if id(value) not in on_way:
                    self._attributes(node, kind, path, value, user, facts, on_way | {id(value)})
            elif _environment.leads_there(value):
                self.environment.add(node)
            else:
                self.edge(node, kind, path, self.target(value, path, user._replace(label=f"{path} of {user.label}")))

    # ---- modules ----

    def module(self, module: types.ModuleType, user: _User) -> int:
        """A module as a whole."""
        self.alive.append(module)
        owner = _owners.owner(module.__name__)
        if owner:
            return self.package(owner, "package", module.__name__, "")
        if _is_extension(module):
            return self._extension(module, "")
        node, fresh = self.node("module", id(module), module.__name__, getattr(module, "__file__", None))
        if fresh:
            self.whole.add(node)
            self.todo.append((self._module, node, module, user))
        return node

    def _module(self, node: int, module: types.ModuleType, user: _User) -> None:
        path = getattr(module, "__file__", None)
        file = file_of(path, vars(module)) if isinstance(path, str) else None
        self.body(node, "module", "".join(file.lines) if file else None)
        self._all(node, vars(module), _User(module.__name__, path, 0))

    # ---- classes ----

    def _class_node(self, c: type, user: _User) -> int:
        module = c.__module__ if isinstance(c.__module__, str) else None
        owner = _owners.owner(module)
        if owner and _owners.lookup(module, c.__qualname__) is c or (module == "builtins" and not c.__flags__ & (1 << 9)):
            return self.package(owner or INTERPRETER, "package", module, c.__qualname__)
        if not c.__flags__ & (1 << 9):  # made in C
            if owner:
                return self.package(owner, "package", module, c.__qualname__)
            return self._extension(sys.modules.get(module or ""), c.__qualname__)
        label = f"{module}.{c.__qualname__}"
        path = getattr(sys.modules.get(module or ""), "__file__", None)
        node, fresh = self.node("class", id(c), label, path if isinstance(path, str) else None)
        if fresh:
            self.todo.append((self._class, node, c, _User(label, path, 0)))
        return node

    def _class(self, node: int, c: type, user: _User) -> None:
        self.guards.class_(node, c)
        members = [(n, v) for n, v in list(vars(c).items()) if n not in _DERIVED and not is_a(v, types.MemberDescriptorType)]
        enumeration: list[str] = []
        if "__pydantic_core_schema__" in vars(c):
            members = [(n, _pydantic_decorators(v) if n == "__pydantic_decorators__" else v) for n, v in members if n not in _PYDANTIC_DERIVED]
        if isinstance(c, enum.EnumMeta):
            enumeration = list(c._member_map_)
            members = [(n, v) for n, v in members if n not in _ENUM_DERIVED and n not in c._member_map_]
            for name, member in c._member_map_.items():
                self.link(node, "enum", name, member._value_, user, None)
                for part, value in vars(member).items():
                    if part not in ("_value_", "_name_", "__objclass__", "_sort_order_"):
                        self.link(node, "enum", f"{name}.{part}", value, user, None)
        self.body(node, "class", c.__qualname__, [str(n) for n, _ in members], [str(m) for m in enumeration], len(c.__bases__), (c.__module__,) if self.level > 1 else ())
        self.edge(node, "metaclass", "", self.target(type(c), "metaclass", user))
        for i, base in enumerate(c.__bases__):
            self.edge(node, "base", str(i), self.target(base, "base", user))
        for name, value in members:
            self._member(node, c, str(name), value, user)
        module = sys.modules.get(c.__module__ or "")
        if isinstance(vars(c).get("__annotations__"), dict) and module is not None:
            self._annotations(node, vars(c)["__annotations__"], vars(module), user)
        if isinstance(c, abc.ABCMeta):
            for one in _registered(c):
                self.edge(node, "registered", "", self.target(one, "registered", user))

    def _member(self, node: int, c: type, name: str, value: Any, user: _User) -> None:
        if name == "__doc__" and isinstance(value, str) and value.startswith(c.__name__ + "("):
            value = "generated"  # by dataclasses, of the fields, which count by themselves
        there = user._replace(label=f"{name} of {user.label}")
        target = self.target(value, f"{user.label}.{name}", there)
        if name.startswith("__") and name.endswith("__") and name != "__init__" and self._is_made_by_metaclass(c, value):
            self.todo.append((self._tolerate, target, value, there))
        self.edge(node, "member", name, target)

    def _is_made_by_metaclass(self, c: type, value: Any) -> bool:
        """What a package's metaclass keeps in a dunder attribute (pydantic's validators) is made of the rest of the class."""
        if type(c) is type or is_a(value, (types.FunctionType, type)):
            return False
        makers = {_owners.owner(k.__module__) for k in (type(c), *c.__mro__[1:])} - {None, INTERPRETER}
        return bool(makers) and _owners.owner(type(value).__module__) not in (None, INTERPRETER)

    def _tolerate(self, node: int, value: Any, user: _User) -> None:
        self.failures.pop(node, None)


def nodes_of(form: Form, kinds: list[str], root: int) -> list[Node]:
    told = form.explain()
    order = list(_reach(root, lambda n: (e[2] for e in told[n][4])))
    place = {n: i for i, n in enumerate(order)}
    nodes = []
    for n in order:
        label, path, line, key, edges = told[n]
        nodes.append(Node(label, kinds[n], path, line, key, tuple(Edge(k, s, place[t]) for k, s, t in edges)))
    return nodes


# ---- smaller questions ----


def _pydantic_decorators(infos: Any) -> Any:
    """Validators and the like without the address of the class that they are of."""
    try:
        return tuple((kind, name, d.func, d.shim, d.info) for kind in infos.__dataclass_fields__ for name, d in getattr(infos, kind).items())
    except (AttributeError, TypeError):  # of another version
        return infos


def label_of(f: object) -> str:
    name = getattr(f, "__qualname__", None) or type(f).__qualname__
    return f"{getattr(f, '__module__', None) or type(f).__module__}.{name}"


def _reach(root: int, next_: Callable[[int], Iterable[int]]) -> Iterator[int]:
    seen, queue = {root}, collections.deque([root])
    while queue:
        n = queue.popleft()
        yield n
        for t in next_(n):
            if t not in seen:
                seen.add(t)
                queue.append(t)


def _shoal_function(name: tuple[str, ...], own: dict[str, Any]) -> str | None:
    """The function of ours that a dotted global name leads to."""
    value = own.get(name[0])
    if is_a(value, types.ModuleType):
        return name[1] if value.__name__ == "shoal" and len(name) == 2 else None
    module = value.__module__ if is_a(value, types.FunctionType) else None
    return value.__name__ if isinstance(module, str) and module.startswith("shoal.") and len(name) == 1 else None


def _dataset_named(path: str | None) -> str | None:
    try:
        return _kept.dataset(path) if path else None
    except Error:
        return None  # the call will say so


def _code_file(f: Any) -> str | None:
    name = f.__code__.co_filename if is_a(f, types.FunctionType) else ""
    return name if os.path.isabs(name) and os.path.exists(name) else None


def _module_of(f: Any) -> str | None:
    name = f.__globals__.get("__name__") if is_a(f, types.FunctionType) else f.__module__
    return name if isinstance(name, str) else None


def _top_module(value: Any) -> str:
    name = value.__name__ if is_a(value, types.ModuleType) else getattr(value, "__module__", None)
    return name.partition(".")[0] if isinstance(name, str) else ""


def _in_project(value: Any) -> Any:
    """A text that is a path below the project (``__file__``, and what is made of it) is the same in everyone's clone."""
    if type(value) is str and os.path.isabs(value):
        place = _values.relative(os.path.realpath(value) if os.path.exists(value) else value)
        return types.SimpleNamespace(path=place) if isinstance(place, tuple) else value
    return value


def _is_extension(module: types.ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and file.endswith((".so", ".pyd"))


_compiled: dict[str, tuple[Any, bytes]] = {}


def _content(path: str) -> bytes:
    _, stamp, racy = look(path) or ("", None, True)
    known = _compiled.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    with open(path, "rb") as f:
        digest = encode(f.read(), None, None, "shoal/1/python/file")[0]
    if not racy:
        _compiled[path] = stamp, digest
    return digest


def _import_project(name: str) -> types.ModuleType | None:
    if name in sys.modules:
        return sys.modules[name]
    try:
        return importlib.import_module(name)
    except Exception:  # whatever its top level raises, it raises when the function runs
        return None


def _decorated(source: Source, f: types.FunctionType) -> bool:
    for decorator in source.found.decorators:
        made_by = f.__globals__.get(decorator) if decorator is not None else None
        name = made_by.__name__ if is_a(made_by, types.ModuleType) else getattr(made_by, "__module__", None)
        if str(name).partition(".")[0] != "shoal":
            return True
    return False


def _texts_in(annotation: Any) -> list[str]:
    """The texts within `'A'`, `list['A']` and `Optional['A']`."""
    if isinstance(annotation, str):
        return [annotation]
    if type(annotation).__module__ == "typing" or is_a(annotation, (types.GenericAlias, types.UnionType)):
        return re.findall(r"'([^']*)'", repr(annotation))
    return []


def _names_in(annotation: str) -> list[str]:
    try:
        return sorted({n.id for n in ast.walk(ast.parse(annotation, mode="eval")) if isinstance(n, ast.Name)})
    except (SyntaxError, ValueError):
        return []


def _registered(c: Any) -> list[type]:
    import _abc

    return [k for k in (ref() for ref in _abc._get_dump(c)[0]) if k is not None]


def _error(status: str, message: str, hint: str, user: _User | Node) -> Error:
    return _kept.error(status, message, hint, user.path, user.line)


def _refusal(value: Any, user: _User, why: str) -> Error:
    cls = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    return _error("unsupported", f"{user.label} is, or holds, a {cls}, which has no canonical form ({why})",
                  "make it inside the function, or pass what it is made of (a path, a URL, a name) as an argument; "
                  "shoal.accept_module() counts a package's code by its content", user)
