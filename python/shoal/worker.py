# SPDX-License-Identifier: Apache-2.0
"""The worker of `shoal run`: tells which models the project's Python files hold, and runs them.

It speaks over a socket of its own, so that what models print goes where it always goes. It ends when the process that
started it does, however that comes about, even while a model holds the interpreter: the kernel sends the signal."""
from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import threading
import traceback
import types
import time
from typing import Any, Callable, Iterator

from . import Error, __version__, _answers, _contents, _decorated, _describe, _environment, _impure, _kept, _observed, _remembered
from ._calls import Code, code_of
from ._kept import Kept, undecorated
from ._told import reached

PROTOCOL = 1
CHANNEL, LIFELINE = 3, 4
VARIABLE = "//environment/"  # among files that an answer rests on: a variable of the environment, "*": all there are


class Channel:
    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.set_inheritable(False)

    def send(self, message: dict[str, Any]) -> None:
        text = json.dumps(message).encode("utf-8", "surrogateescape")
        self._socket.sendall(struct.pack("<I", len(text)) + text)

    def receive(self) -> dict[str, Any]:
        (n,) = struct.unpack("<I", self._exactly(4))
        message: dict[str, Any] = json.loads(self._exactly(n))
        return message

    def _exactly(self, n: int) -> bytes:
        parts = bytearray()
        while len(parts) < n:
            part = self._socket.recv(n - len(parts))
            if not part:
                os._exit(0)  # whoever asked is gone
            parts += part
        return bytes(parts)


def end_with(lifeline: int) -> None:
    os.set_inheritable(lifeline, False)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:
        os._exit(0)  # it ended before


# ---- the project's modules ----


class Project:
    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self._importing = False
        self._loaded: dict[str, types.ModuleType] = {}
        self.read: set[str] = set()  # files that importing read: constants may come from them
        self.variables: set[str] = set()  # of the environment, likewise
        self.observer = _observed.Observer(self.root, self.relative)
        self._model: Code | None = None  # what runs
        self._running: Code | None = None  # the same, if it reads variables whose names are not written in it
        self._written: set[str] = set()
        self._refused: Exception | None = None
        self.observed: list[_observed.Seen] = []  # what the model that ran last did that its key can't cover

    def note_read(self, event: str, args: tuple[Any, ...]) -> None:
        if event != "open" or not self._importing or not isinstance(args[0], str) or args[0].endswith((".py", ".pyc")):
            return  # modules are told by what imports them
        if args[2] & (os.O_WRONLY | os.O_RDWR) or args[0].startswith(_remembered.FOLDER + os.sep):
            return
        path = self.relative(os.path.abspath(args[0]))
        if not path.startswith((".shoal/", "/")) and os.path.isfile(os.path.join(self.root, path)):
            self.read.add(path)

    def note_variable(self, name: str) -> None:
        if self._importing:
            self.variables.add(name)
        elif self._running and name not in self._written and name not in self._running.names.variables:
            self._refused = _environment.refusal(self._running.names.environment, name)
            raise self._refused

    def note_file(self, path: str) -> None:
        """`shoal.file` is asked for it."""
        name = _contents.name_of(path, self.root)
        if self._model is not None and not _contents.covers(self._model.names.files, name):
            at = sys._getframe(2)  # who asks
            self._refused = _kept.error("unsupported", f"{self._model.nodes[0].label} names the file {name}, which is not written in it, so that no plan could see whether it changed",
                                        "write the name where shoal.file is called, or name the folder that it is in", at.f_code.co_filename, at.f_lineno)
            raise self._refused

    def note_written(self, name: str) -> None:
        self._written.add(name)

    @contextlib.contextmanager
    def running(self, code: Code) -> Iterator[None]:
        """What a model reads besides its inputs is in its key, or refused."""
        self._model, self._running, self._refused = code, code if code.names.environment else None, None
        self._written.clear()
        self.observed.clear()
        self.observer.begin(os.path.realpath(state.path) for state in code.names.files.values())
        try:
            yield
        finally:
            self._model = self._running = None
            self.observed += self.observer.end()
        if self._refused:  # the model has caught it
            raise self._refused

    def relative(self, path: str) -> str:
        path = os.path.realpath(path)
        return os.path.relpath(path, self.root) if path.startswith(self.root + os.sep) else path

    @contextlib.contextmanager
    def importing(self) -> Iterator[None]:
        """Modules of the project are imported for what is told: by the file that is asked about, and to see what its code reaches."""
        was, self._importing = self._importing, True
        try:
            yield
        finally:
            self._importing = was

    def load(self, file: str) -> types.ModuleType:
        """The module of a file, under the name that other files import it by if it has one."""
        if file not in self._loaded:
            parts = file.removesuffix(".py").split("/")
            with self.importing():
                self._loaded[file] = importlib.import_module(".".join(parts)) if self._importable(parts) else self._by_path(file)
        return self._loaded[file]

    def _importable(self, parts: list[str]) -> bool:
        """Makes sure that the folder's name leads to the project's, whatever is installed under it."""
        if not all(part.isidentifier() for part in parts):
            return False
        top = os.path.join(self.root, parts[0])
        if parts[0] not in sys.modules and not os.path.exists(os.path.join(top, "__init__.py")):
            package = types.ModuleType(parts[0])
            package.__path__ = [top]
            sys.modules[parts[0]] = package
        return True

    def _by_path(self, file: str) -> types.ModuleType:
        name = "shoal_model_" + "".join(c if c.isalnum() else "_" for c in file)
        spec = importlib.util.spec_from_file_location(name, os.path.join(self.root, file))
        assert spec and spec.loader
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module

    def functions(self, file: str) -> Iterator[Callable[..., Any]]:
        """Those with a dataset that the file itself defines, in its order."""
        module, seen = self.load(file), set()
        for value in list(vars(module).values()):
            kept = getattr(value, "__shoal__", None)
            if isinstance(kept, Kept) and kept.dataset and getattr(value, "__module__", None) == module.__name__ and id(value) not in seen:
                seen.add(id(value))
                yield value

    def find(self, file: str, dataset: str) -> Callable[..., Any]:
        for f in self.functions(file):
            if getattr(f, "__shoal__").dataset == dataset:
                return f
        raise LookupError(f"{file} has no function for {dataset}")


# ---- what models are ----


def _metadata_of(packages: list[list[str]]) -> Iterator[str]:
    """The files that tell the versions of packages."""
    for name in {n for joined, _ in packages for n in joined.split("+")}:
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        for file in ("METADATA", "PKG-INFO"):
            path = getattr(found, "_path", None)
            if path is not None and os.path.exists(os.path.join(path, file)):
                yield os.path.realpath(os.path.join(path, file))
                break


def _package_folders() -> list[str]:
    """A package that is installed, or goes, changes these."""
    return sorted({os.path.realpath(p) for p in sys.path if os.path.basename(p) in ("site-packages", "dist-packages") and os.path.isdir(p)})


def _data_files(project: Project, code: Code) -> Iterator[str]:
    """All that the files and folders are made of whose content counts."""
    for name, state in code.names.files.items():
        if not _contents.is_below_project(name):
            node = next(n for n in code.nodes if n.kind == "file" and n.label == name)
            raise _kept.error("unsupported", f"{code.nodes[0].label} names the file {name}, which is not in the project's folder",
                              "put it there, or make it a source in shoal.yaml and load that", node.path, node.line)
        for path in _contents.paths(state):
            yield os.path.relpath(path, project.root)


def describe(project: Project, file: str) -> dict[str, Any]:
    models, rests_on = [], {file}
    with project.importing():
        described = [(_describe(f), code_of(f)) for f in project.functions(file)]
    for told, code in described:
        project.variables |= code.names.variables
        rests_on |= {project.relative(p) for p in told["files"]} | set(_metadata_of(told["packages"])) | set(_data_files(project, code))
        same = told["file"] and project.relative(told["file"]) == file
        models.append({**told, "line": told["line"] if same else 1})
    return {"file": file, "models": models, "rests_on": sorted(rests_on | project.read) + _package_folders() + [VARIABLE + name for name in sorted(project.variables)]}


# ---- running one ----


class Plan:
    """What the models of a run load: the plan's results, whatever the branch holds by now."""

    def __init__(self, channel: Channel, trusted: bool) -> None:
        self._channel, self.trusted = channel, trusted
        self._one = threading.Lock()  # a question and its answer
        self.process = os.getpid()  # children that it forks have none of their own to ask
        self.refused: Exception | None = None

    def answer(self, dataset: str, called: bool = False) -> dict[str, Any]:
        """The file that has it, under "table" or "object", and what it was; nothing: there is no such dataset; "later": it
        is not there yet. Of a function that is called: nothing also where the plan does not know the call."""
        with self._one:
            self._channel.send({"call" if called else "load": dataset})
            return self._channel.receive()


def run(project: Project, request: dict[str, Any], plan: Plan) -> dict[str, Any]:
    f = project.find(request["file"], request["dataset"])
    code = code_of(f)
    if _decorated.of(f, request["dataset"]).code(code.key) != request["code"]:  # a model that ran before may have changed what this one reads
        return {"stale": True}
    before = time.process_time()
    with _answers.from_plan(plan), project.running(code):
        value = undecorated(f)()
        if inspect.iscoroutine(value):
            value = asyncio.run(value)
        if plan.refused:
            raise plan.refused
        told, meta = _answers.put(value, request["dataset"], request["folder"], plan.trusted)
    observed = [one.text() for one in project.observed]
    if observed and request["strict"]:
        first = project.observed[0]
        more = f", and {len(observed) - 1} more" if len(observed) > 1 else ""
        raise _kept.error("unsupported", f"it {first.what}, which is not in its key{more}",
                          "name it with shoal.file, or make it a source in shoal.yaml and load that; python: {strict: false} there warns only",
                          os.path.join(project.root, first.path) if first.path else None, first.line)
    return {**told, "cpu_us": int((time.process_time() - before) * 1e6), "reached": {**reached(code), **meta, "observed": observed}}


def redirect(path: str) -> None:
    """What is printed from here on, also by code that is not Python, goes to this file."""
    sys.stdout.flush()
    sys.stderr.flush()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)


# ---- errors ----


def place_of(project: Project, e: BaseException) -> tuple[str, int]:
    """The innermost line of the project's that it comes from."""
    if isinstance(e, SyntaxError) and e.filename:
        return project.relative(e.filename), e.lineno or 0
    if isinstance(e, Error):
        if getattr(e, "path", ""):
            return project.relative(e.path), e.line
    for frame in reversed(traceback.extract_tb(e.__traceback__)):
        path = project.relative(frame.filename)
        if not os.path.isabs(path) and os.path.exists(os.path.join(project.root, path)):
            return path, frame.lineno or 0
    return "", 0


def error_of(project: Project, e: BaseException) -> dict[str, Any]:
    path, line = place_of(project, e)
    if isinstance(e, Error):
        said = str(e).split("\n  ")[0].removeprefix(f"{getattr(e, 'path', '')}:{getattr(e, 'line', 0)}: ")  # the place is told besides
        return {"message": said, "hint": getattr(e, "hint", ""), "path": path, "line": line}
    text = "".join(traceback.format_exception_only(type(e), e)).strip().splitlines()[-1] if isinstance(e, SyntaxError) else f"{type(e).__name__}: {e}"
    return {"message": text, "path": path, "line": line}


def print_error(e: BaseException) -> None:
    """With the frames that are the user's to read."""
    own = os.path.dirname(os.path.abspath(__file__))
    tb = e.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename.startswith(own):
        tb = tb.tb_next
    traceback.print_exception(type(e), e.with_traceback(tb), tb)


# ---- the loop ----


def answer(project: Project, channel: Channel, request: dict[str, Any]) -> None:
    if request["do"] == "describe":
        for file in request["files"]:
            channel.send(attempt(project, lambda: describe(project, file)))
    elif request["do"] == "check":
        channel.send(attempt(project, lambda: {"findings": list(_impure.told(undecorated(project.find(request["file"], request["dataset"]))))}))
    elif request["do"] == "explain":
        channel.send(attempt(project, lambda: reached(code_of(project.find(request["file"], request["dataset"])))))
    else:
        redirect(request["output"])
        channel.send(attempt(project, lambda: run(project, request, Plan(channel, request["trusted"])), show=True))
        redirect(os.devnull)


def attempt(project: Project, do: Callable[[], dict[str, Any]], show: bool = False) -> dict[str, Any]:
    try:
        return do()
    except BaseException as e:  # whatever a model raises is its error, SystemExit too
        if show and not isinstance(e, _answers.Later):
            print_error(e)
        return {"error": error_of(project, e)}
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def main() -> None:
    root, memory = sys.argv[1], int(sys.argv[2])
    end_with(LIFELINE)
    if memory:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    channel = Channel(CHANNEL)
    project = Project(root)
    sys.dont_write_bytecode = True  # nothing of ours in the project's folders
    sys.path.insert(0, project.root)
    sys.argv = ["shoal"]
    sys.addaudithook(project.note_read)
    sys.addaudithook(project.observer.hook)
    _environment.observe(project.note_variable, project.note_written, None)
    _contents.observe(project.note_file)
    channel.send({"shoal": __version__, "protocol": PROTOCOL})
    while True:
        answer(project, channel, channel.receive())


if __name__ == "__main__":
    main()
