# SPDX-License-Identifier: Apache-2.0
"""What code objects say: the names they look up, the modules they import, and the syntax tree they were compiled from.

A tree is believed only if the whole file, as linecache has it, compiles to the very code object at hand: files are
edited while programs run, and what runs is what counts."""
from __future__ import annotations

import ast
import dis
import functools
import linecache
import warnings
import weakref
from types import CodeType, FunctionType
from typing import Any, Iterator, NamedTuple

from . import _remembered
from ._shoal import code as digest, tree

# Reading one of these may show what otherwise doesn't count: docstrings and annotations; and the text itself, and where it stands.
READS_DOCS = frozenset(("__doc__", "__annotations__", "__type_params__", "get_type_hints"))
READS_TEXT = frozenset(("__code__", "__module__", "inspect", "getdoc", "getsource", "pydoc", "_getframe", "currentframe"))
# Methods that look up the variables of their caller: pandas' expressions, polars' SQL. And what leads to a module's variables.
CALLERS_NAMES = frozenset(("eval", "query", "sql", "SQLContext", "exec", "globals", "__globals__", "f_globals", "f_locals"))
DYNAMIC_IMPORTS = frozenset(("import_module", "__import__", "run_module", "run_path", "reload", "resolve_name", "locate", "load_module", "exec_module"))


class Import(NamedTuple):
    module: str
    level: int
    names: tuple[str, ...]  # `from module import names`
    bound: tuple[str, ...]  # the variables it makes


class Call(NamedTuple):
    """A use of a global name, or of what its attributes lead to: `shoal.load("/a")`."""

    name: tuple[str, ...]
    first: str | None  # the first argument, if the code has it as a string
    alone: bool  # it is the only one


class Facts:
    """Of a code object and those it contains."""

    __slots__ = ("calls", "globals", "attributes", "bare", "imports", "strings", "introspects", "mangled", "passed", "__weakref__")

    def __init__(self, code: CodeType | None) -> None:
        if code is None:
            return
        self.calls: list[Call] = []
        self.globals: set[str] = set()
        self.attributes: set[str] = set()
        self.bare: set[str] = set()  # names, and attributes, that are used otherwise than to take an attribute of
        self.passed: set[str] = set()  # global names that are used otherwise than to call them
        self.imports: list[Import] = []
        self.strings: set[str] = set()
        loaded: set[str] = set()
        self.mangled: set[str] = set()
        for part in nested(code):
            self._read(part, loaded)
            self.mangled.update(n for n in part.co_names + part.co_varnames + part.co_freevars if n[:1] == "_" and "__" in n.lstrip("_"))
        named = loaded | self.strings
        self.attributes |= self.strings & {"__globals__", "f_globals", "f_locals", "__dict__", "__getattribute__"}  # for getattr
        self.introspects = 2 if not READS_TEXT.isdisjoint(named) else 1 if not READS_DOCS.isdisjoint(named) else 0

    def told(self) -> tuple[Any, ...]:
        return (tuple(map(tuple, self.calls)), self.globals, self.attributes, self.bare, tuple(map(tuple, self.imports)), self.strings, self.introspects, self.mangled, self.passed)

    @staticmethod
    def of(told: tuple[Any, ...]) -> Facts:
        facts = Facts(None)
        calls, facts.globals, facts.attributes, facts.bare, imports, facts.strings, facts.introspects, facts.mangled, facts.passed = told
        facts.calls = [Call._make(c) for c in calls]
        facts.imports = [Import._make(i) for i in imports]
        return facts

    def _read(self, code: CodeType, loaded: set[str]) -> None:
        steps = [i for i in dis.get_instructions(code) if i.opname not in ("EXTENDED_ARG", "CACHE", "NOP", "PUSH_NULL")]
        for at, step in enumerate(steps):
            name, op = step.argval, step.opname
            if op == "IMPORT_NAME":
                self.imports.append(_import(steps, at))
                loaded.update(name.split("."), self.imports[-1].names)
            elif op == "IMPORT_FROM":
                continue
            elif "ATTR" in op or "METHOD" in op:
                self._use(steps, at, self.attributes, name)
                loaded.add(name)
            elif "GLOBAL" in op or op.endswith("_NAME"):
                self._use(steps, at, self.globals, name)
                self.calls.append(_call(steps, at))
                if "NULL" not in step.argrepr:  # which is pushed for calls
                    self.passed.add(name)
                if "GLOBAL" in op or not name.startswith("__"):
                    loaded.add(name)
            elif op.startswith(("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF")):
                if isinstance(name, tuple):  # two at once
                    self.bare.update(name)
                else:
                    self._use(steps, at, set(), name)
        self.strings.update(_strings(code.co_consts))

    def _use(self, steps: list[Any], at: int, into: set[str], name: str) -> None:
        into.add(name)
        if at + 1 == len(steps) or steps[at + 1].opname not in ("LOAD_ATTR", "LOAD_METHOD"):
            self.bare.add(name)


def _import(steps: list[Any], at: int) -> Import:
    level, names, bound = 0, (), []
    if at >= 2 and steps[at - 2].opname.startswith("LOAD") and isinstance(steps[at - 2].argval, int):
        level = steps[at - 2].argval
    if isinstance(steps[at - 1].argval, tuple):
        names = steps[at - 1].argval
    for step in steps[at + 1:]:
        if step.opname.startswith("STORE"):
            bound.append(step.argval)
            if not names:
                break
        elif step.opname not in ("IMPORT_FROM", "SWAP", "POP_TOP", "COPY", "ROT_TWO"):
            break
    return Import(steps[at].argval, level, names, tuple(b for b in bound if isinstance(b, str)))


def _call(steps: list[Any], at: int) -> Call:
    name, after = [steps[at].argval], at + 1
    while after < len(steps) and steps[after].opname in ("LOAD_ATTR", "LOAD_METHOD"):
        name.append(steps[after].argval)
        after += 1
    following = steps[after:after + 2]
    first = following[0].argval if following and following[0].opname == "LOAD_CONST" else None
    alone = len(following) == 2 and following[1].opname in ("PRECALL", "CALL") and following[1].argval == 1
    return Call(tuple(name), first if isinstance(first, str) else None, alone)


def _strings(consts: tuple[object, ...]) -> Iterator[str]:
    for c in consts:
        if isinstance(c, str):
            yield c
        elif isinstance(c, (tuple, frozenset)):
            yield from _strings(tuple(c))


def nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for c in code.co_consts:
        if isinstance(c, CodeType):
            yield from nested(c)


_facts: weakref.WeakKeyDictionary[CodeType, Facts] = weakref.WeakKeyDictionary()


def facts_of(code: CodeType) -> Facts:
    facts = _facts.get(code)
    if facts is None:
        store = _remembered.store(code.co_filename)
        key = _remembered.code_key(code) if store else b""
        told = store.facts.get(key) if store else None
        facts = _facts[code] = Facts.of(told) if told is not None else Facts(code)
        if store and told is None:
            store.facts[key] = facts.told()
            store.changed = True
    return facts


# ---- syntax trees ----


class Found(NamedTuple):
    """A function's place in a file: its qualified name, and where the file has it."""

    name: str
    line: int
    in_class: bool
    decorators: tuple[str | None, ...]  # the names with which they begin
    first: int  # with its decorators
    last: int


class Source:
    """Where a function's tree was found."""

    __slots__ = ("file", "found")

    def __init__(self, file: File, found: Found) -> None:
        self.file, self.found = file, found

    @property
    def node(self) -> Any:
        return self.file.parsed.nodes[(self.found.name, self.found.line)][0][0]

    @property
    def in_class(self) -> bool:
        return self.found.in_class

    def digest(self, lean: bool) -> bytes:
        at = (self.found.name, self.found.line, lean)
        known = self.file.digests.get(at)
        if known is None:
            known = self.file.digests[at] = tree(self.node, ast.AST, lean)
            self.file.changed()
        return known

    def text(self) -> str:
        return "".join(self.file.lines[self.found.first - 1:self.found.last])


def _begins_with(decorator: Any) -> str | None:
    at = decorator.func if isinstance(decorator, ast.Call) else decorator
    while isinstance(at, ast.Attribute):
        at = at.value
    return at.id if isinstance(at, ast.Name) else None


def _compile(text: str, name: str) -> tuple[Any, CodeType | None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they were shown when the file was imported
        for flags in (0, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):  # notebooks have the second
            try:
                parsed = compile(text, name, "exec", ast.PyCF_ONLY_AST | flags, dont_inherit=True)
                return parsed, compile(parsed, name, "exec", flags, dont_inherit=True)
            except (SyntaxError, ValueError, RecursionError):
                continue
    return None, None


class Parsed:
    """A file's functions, by qualified name and first line: their trees and code objects."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self.nodes: dict[tuple[str, int], list[tuple[Any, bool]]] = {}
        self.codes: dict[tuple[str, int], list[CodeType]] = {}
        self.variables: dict[str, int] = {}
        self.tree, code = _compile("".join(lines), name)
        if code is None:
            return
        for part in nested(code):
            self.codes.setdefault((part.co_qualname, part.co_firstlineno), []).append(part)
        self._scope(self.tree.body, "", False)
        for statement in self.tree.body:
            for target in getattr(statement, "targets", None) or [getattr(statement, "target", None)]:
                if isinstance(target, ast.Name):
                    self.variables[target.id] = statement.lineno

    def _scope(self, nodes: list[Any], prefix: str, in_class: bool) -> None:
        todo = list(nodes)
        while todo:
            node = todo.pop()
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                self._function(node, prefix, in_class)
                arguments = node.args  # evaluated outside
                todo += [n for n in [*arguments.defaults, *arguments.kw_defaults, *getattr(node, "decorator_list", ())] if n is not None]
            elif isinstance(node, ast.ClassDef):
                todo += [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]
                self._scope(node.body, prefix + node.name + ".", True)
            else:
                todo += ast.iter_child_nodes(node)

    def _function(self, node: Any, prefix: str, in_class: bool) -> None:
        lambda_ = isinstance(node, ast.Lambda)
        name = prefix + ("<lambda>" if lambda_ else node.name)
        decorators = [] if lambda_ else node.decorator_list
        line = decorators[0].lineno if decorators else node.lineno
        self.nodes.setdefault((name, line), []).append((node, in_class))
        self._scope([node.body] if lambda_ else node.body, name + ".<locals>.", False)

    def find(self, code: CodeType) -> Found | None:
        at = (code.co_qualname, code.co_firstlineno)
        nodes = self.nodes.get(at, ())
        if len(nodes) == 1 and all(same(code, c) for c in self.codes.get(at, (None,))):
            return self._found(at)
        return self._find_elsewhere(code)

    def _found(self, at: tuple[str, int]) -> Found:
        node, in_class = self.nodes[at][0]
        decorators = getattr(node, "decorator_list", ())
        return Found(*at, in_class, tuple(map(_begins_with, decorators)), min([node.lineno, *(d.lineno for d in decorators)]), node.end_lineno)

    def _find_elsewhere(self, code: CodeType) -> Found | None:
        """The function's only place in the file, where all but its lines is the same: those who reload one function at a time
        (%autoreload) compile it by itself."""
        places = [at for at, found in self.nodes.items() if at[0] == code.co_qualname for _ in found]
        codes = [c for (name, _), found in self.codes.items() if name == code.co_qualname for c in found]
        if len(places) != 1 or len(codes) != 1 or digest(code, "") != digest(codes[0], ""):
            return None
        return self._found(places[0])


class File:
    """A file as it was at one time. It is parsed only for what no process before has remembered of it."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self.name, self.lines = name, lines
        self._parsed: Parsed | None = None
        self._content = _remembered.text_key(lines)
        self._store_of_plain = _remembered.plain(name)
        self.plain = self._store_of_plain.file(self._content) if self._store_of_plain else {}

    @functools.cached_property
    def _store(self) -> _remembered.Store | None:
        return _remembered.store(self.name)

    @functools.cached_property
    def _known(self) -> dict[Any, Any]:
        return self._store.file(self._content) if self._store else {}

    @functools.cached_property
    def digests(self) -> dict[tuple[str, int, bool], bytes]:
        found: dict[tuple[str, int, bool], bytes] = self._known.setdefault("digests", {})
        return found

    @functools.cached_property
    def _places(self) -> dict[bytes, tuple[Any, ...]]:
        found: dict[bytes, tuple[Any, ...]] = self._known.setdefault("places", {})
        return found

    def remember_plain(self, code: CodeType, entry: tuple[Any, ...]) -> None:
        if self._store_of_plain:
            self.plain[_remembered.plain_key(code)] = entry
            self._store_of_plain.changed = True

    def changed(self) -> None:
        if self._store:
            self._store.changed = True

    @property
    def parsed(self) -> Parsed:
        if self._parsed is None:
            self._parsed = Parsed(self.name, self.lines)
        return self._parsed

    @property
    def tree(self) -> Any:
        return self.parsed.tree

    @property
    def variables(self) -> dict[str, int]:
        known: dict[str, int] | None = self._known.get("variables")
        if known is None:
            known = self._known["variables"] = self.parsed.variables
            self.changed()
        return known

    def find(self, code: CodeType) -> Source | None:
        key = _remembered.code_key(code)
        told = self._places.get(key)
        found = Found._make(told) if told is not None else self.parsed.find(code)
        if found is not None and told is None:
            self._places[key] = tuple(found)
            self.changed()
        return Source(self, found) if found is not None else None


def same(a: CodeType, b: CodeType | None) -> bool:
    """Equality of code objects leaves their exception tables out."""
    if b is None or a != b or a.co_exceptiontable != b.co_exceptiontable:
        return False
    return all(same(x, y) for x, y in zip(a.co_consts, b.co_consts) if isinstance(x, CodeType))


_files: dict[str, File] = {}


def file_of(name: str, globals_: dict[str, Any] | None = None) -> File | None:
    lines = linecache.getlines(name, globals_)
    if not lines:
        return None
    file = _files.get(name)
    if file is None or (file.lines is not lines and file.lines != lines):
        file = _files[name] = File(name, lines)
    return file


def source_of(f: FunctionType) -> Source | None:
    code, module = f.__code__, f.__globals__.get("__file__")
    names = [code.co_filename, *([module] if isinstance(module, str) and module != code.co_filename else [])]  # what is reloaded may say another one
    for name in names:
        for again in (False, True):
            if again:
                linecache.checkcache(name)  # the file as it was when it was first read, then as it is
            file = file_of(name, f.__globals__)
            found = file.find(code) if file else None
            if found:
                return found
    return None
