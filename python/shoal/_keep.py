# SPDX-License-Identifier: Apache-2.0
"""Functions whose results are kept.

A *run* is what the outermost call makes: the calls inside see its results before anybody else does, and it publishes them
together at its end. A *frame* is one function being computed: what it loads under names that its code doesn't tell is
noted there, joins the key under which the result is stored, and is compared the next time.

The steps of a call are a generator that yields what may take long, so that they are the same for functions and coroutines."""
from __future__ import annotations

import asyncio
import collections.abc
import concurrent.futures
import contextvars
import functools
import inspect
import json
import os
import threading
import time
from typing import Any, Callable, Collection, Generator, Iterable, Iterator, NamedTuple, ParamSpec, Sequence, TypeVar

from . import _calls, _contents, _decorated, _environment, _inline, _lake, _owners, _progress, _tables, _told as _told_of
from ._calls import Code
from ._kept import Kept, dataset as dataset_of, error, makers, undecorated
from ._owners import INTERPRETER
from ._shoal import Ahead, Error, Result, Session

P = ParamSpec("P")
R = TypeVar("R")
Read = tuple[str, str]  # a dataset and a revision, "": the head; or "$" and a variable of the environment; or "%" and a file
Steps = Generator[Callable[[], Any], Any, Any]


class _Wait(NamedTuple):
    """A step that waits for files; all other steps call what users have written."""

    wait: Callable[[], Any]
    long: bool = False  # for whoever computes the same

    def __call__(self) -> Any:
        return self.wait()


def _is_variable(read: Read) -> bool:
    return read[0].startswith("$")


def _is_file(read: Read) -> bool:
    return read[0].startswith("%")


def _is_outside(read: Read) -> bool:
    """Of the lake."""
    return read[0][:1] in ("$", "%")


def _keys(session: Session, reads: list[Read]) -> list[str | None]:
    held = iter(session.keys([r for r in reads if not _is_outside(r)]))
    return [_outside_key(r) if _is_outside(r) else next(held) for r in reads]


def _outside_key(read: Read, root: str | None = None) -> str | None:
    if _is_variable(read):
        return _environment.key(read[0][1:])
    try:
        return _contents.key(read[0][1:], root)
    except (OSError, Error):  # no key is like it: who asks for the file is told why
        return os.urandom(32).hex()


class _Run:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.made: dict[str, Result] = {}
        self.makers: dict[str, Any] = {}
        self.sets: dict[str, Result] = {}  # to be published, in the order in which they were made
        self.answered: dict[str, Result] = {}  # by what the branch held when the run began

    def keys(self, reads: list[Read]) -> list[str | None]:
        """The signatures of what datasets hold, as this run sees them."""
        ours = [self.made.get(name) if not at else None for name, at in reads]
        rest = iter(_keys(self.session, [r for r, own in zip(reads, ours) if own is None]))
        return [own.signature if own else next(rest) for own in ours]

    def hold(self, dataset: str, result: Result) -> None:
        self.made[dataset] = result
        self.sets.pop(dataset, None)  # the later one wins
        self.sets[dataset] = result

    def publish(self, ahead: Ahead | None = None) -> None:
        if ahead and self.answered and self.session.head() != ahead.publication:
            self._publish_answered()
        if self.sets:
            self.session.publish(list(self.sets.items()))
            self.sets = {}


    def _publish_answered(self) -> None:
        """What the branch held and no longer does, because somebody has published another one meanwhile."""
        for dataset, key in zip(self.answered, self.session.keys([(name, "") for name in self.answered])):
            result = self.answered[dataset]
            if key != result.signature:
                _adopt_children(self, result, {*self.made})
                if self.made[dataset] is result:
                    self.sets.setdefault(dataset, result)


class _Frame:
    def __init__(self, run: _Run, parent: _Frame | None, call: _Call | None, known: dict[Read, str | None]) -> None:
        self.run, self.parent, self.call = run, parent, call
        self.known = known  # what the key covers
        self.seen: dict[Read, str | None] = {}
        self.children: dict[str, str] = {}  # datasets made within, and their signatures
        self.torn = False  # something that it reads has moved meanwhile
        self.refused: Exception | None = None  # the function may have caught it
        self.broken: _decorated.Broken | None = None  # of what is expected of its result, once that is stored
        self.written: set[str] = set()  # variables of the environment that it has set itself
        self.files: dict[str, _contents.State] = {}  # as they were when it asked for them
        self.ahead: Ahead | None = None
        self.pid = os.getpid()

    def note(self, read: Read, key: str | None) -> None:
        """A read, unless the key covers it or it is of what the function itself has made."""
        own = self.children.get(read[0]) if not read[1] else None
        if own is not None and own == key:
            return
        if self.call and _is_outside(read) and self.call.covers(read):
            return
        if self.call and read not in self.known and self.pid != os.getpid():
            raise error("unsupported", f"{self.call.label} reads {read[0].lstrip('$%')} in a process that it has started, which can't tell it so",
                        "read it before the process is started, and pass what was read as an argument")
        before = self.known[read] if read in self.known else self.seen.setdefault(read, key)
        self.torn |= before != key

    def moved(self) -> str | None:
        """A file that is no longer as it was when it was read for the key, or before the function read it."""
        if self.call is None:
            return None
        for name, was in (*self.call.files.items(), *self.files.items()):
            if not _contents.stands(was):
                return name
        for read, key in self.seen.items():  # of what it has called
            if _is_file(read) and read[0][1:] not in self.files and _outside_key(read, self.call.root) != key:
                return read[0][1:]
        return None

    def above(self) -> Iterator[_Frame]:
        at: _Frame | None = self
        while at is not None:
            yield at
            at = at.parent


_frame: contextvars.ContextVar[_Frame | None] = contextvars.ContextVar("shoal.frame", default=None)
_open_frames: set[_Frame] = set()  # of all threads
_lock = threading.Lock()


def _note(read: Read, key: str | None) -> None:
    """A thread that a function has started has no frame: what it reads counts for every function that is being computed."""
    frame = _frame.get()
    with _lock:
        frames = [frame] if frame else list(_open_frames)
    for f in frames:
        f.note(read, key)


def _computing() -> list[_Frame]:
    frame = _frame.get()
    with _lock:
        frames = [frame] if frame else list(_open_frames)
    return [f for f in frames if f.call]


def _observing() -> list[_Frame]:
    return [f for f in _computing() if f.call and f.call.code.names.environment]


def _note_variable(name: str) -> None:
    for f in _observing():
        assert f.call
        if name == _environment.ALL:
            f.refused = _environment.refusal(f.call.code.names.environment)
            raise f.refused
        if name not in f.written:
            f.note(("$" + name, ""), _environment.key(name))


def _note_written(name: str) -> None:
    for f in _observing():
        f.written.add(name)


def _note_file(path: str) -> None:
    """`shoal.file` is asked for it."""
    for f in _computing():
        assert f.call
        name = _contents.name_of(path, f.call.root)
        if not f.call.covers(("%" + name, "")) and name not in f.files:
            state = _contents.state(path)
            f.files[name] = state
            f.note(("%" + name, ""), state.key)


_contents.observe(_note_file)
_TRIES = 3  # of a call whose files are written meanwhile


class _Call:
    """A call to be kept: of a function, under a dataset's name or none."""

    __slots__ = ("dataset", "function", "args", "kwargs", "label", "code", "arguments", "decorated", "files", "root", "tries")

    def __init__(self, dataset: str | None, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], decorated: _decorated.Decorated | None = None) -> None:
        self.dataset, self.function, self.args, self.kwargs = dataset, undecorated(f), args, kwargs
        self.decorated = _decorated.of(f, dataset) if decorated is None else decorated
        self.label = _calls.label_of(self.function)
        self.root = _owners.root()
        self.tries = 0
        self._sign()

    def _sign(self) -> None:
        self.code: Code = _calls.code_of(self.function)
        self.arguments, files = _calls.arguments_of(self.function, self.args, self.kwargs)
        self.files: dict[str, _contents.State] = {**self.code.names.files, **files}  # whose content the key covers

    def again(self, moved: str) -> None:
        """It has read something of a file before, and something after it was written."""
        self.tries += 1
        if self.tries == _TRIES:
            raise error("conflict", f"{moved} was written while {self.label} ran, each of {_TRIES} times, so its result is of neither content",
                        "call it when the file is at rest; what it writes itself it must keep apart from what it names with shoal.file")
        self._sign()

    def covers(self, read: Read) -> bool:
        name = read[0][1:]
        return name in self.code.names.variables if _is_variable(read) else _contents.covers(self.files, name)

    @property
    def name(self) -> str:
        return self.dataset or self.label

    @property
    def called(self) -> list[dict[str, str]]:
        return _calls.arguments_told(self.function, self.args, self.kwargs)

    def key(self, loads: dict[Read, str | None]) -> str:
        return _calls.call_key(self.decorated.code(self.code.key), self.arguments, [(_text(read), key) for read, key in loads.items()])

    def run(self) -> Any:
        return self.function(*self.args, **self.kwargs)


def _text(read: Read) -> str:
    return read[0] + "@" + read[1] if read[1] else read[0]


def _read(text: str) -> Read:
    if text.startswith(("$", "%")):
        return text, ""
    name, _, at = text.partition("@")
    return name, at


# ---- the steps of a call ----


def _steps(call: _Call) -> Steps:
    session, outer = _tables.session(True), _frame.get()
    run = outer.run if outer and outer.run.session is session else None
    if run is None:
        run = _Run(session)
        run.makers.update(call.code.names.makes)
        value = yield from _in_run(call, run, outer)
        yield _Wait(run.publish)
        return value
    if any(f.call and f.call.arguments == call.arguments and f.call.code.key == call.code.key for f in outer.above()):
        return (yield call.run)  # it calls itself with what it was called with, as it would without us
    run.makers.update({k: v for k, v in call.code.names.makes.items() if k not in run.makers})
    return (yield from _in_run(call, run, outer))


def _in_run(call: _Call, run: _Run, outer: _Frame | None) -> Steps:
    for name in call.code.loads:
        yield from _ensure(name, run, call)
    loads: list[Read] = [(name, "") for name in call.code.loads]
    value: Any = _AGAIN
    while value is _AGAIN:
        fresh = None
        known = dict(zip(loads, run.keys(loads)))
        result, reads = yield _Wait(lambda: _find(call, run, known))
        if result is None:
            result, reads, value, fresh = yield from _compute(call, run, outer, known)
        else:
            value = yield _Wait(lambda: _value(run, result, call))
    if call.decorated.expects:
        yield _Wait(lambda: _expect(call, run, outer, result, fresh))
    yield _Wait(lambda: _settle(call, run, outer, result, {**known, **reads}, fresh))
    _remember(call, run.session, result, {**known, **reads}, value)
    return value


def _expect(call: _Call, run: _Run, outer: _Frame | None, result: Result, fresh: _Frame | None) -> None:
    """Holds back what breaks an expectation, and all that is being computed of it: no key covers what is expected."""
    broken = fresh.broken if fresh else None
    if broken is None:
        broken = _decorated.told(run.session, result, call.decorated, json.loads(run.session.provenance(result)))
    held = _decorated.warn(call.name, call.decorated, broken)
    if held is not None:
        for frame in outer.above() if outer else ():
            frame.refused = held
        raise held


def _find(call: _Call, run: _Run, known: dict[Read, str | None]) -> tuple[Result | None, dict[Read, str | None]]:
    """The result whose reads are as they were when it was made."""
    base = call.key(known)
    result = run.session.find(base)
    if result:
        return result, {}
    for names in run.session.traces(base):
        reads = [_read(name) for name in names]
        seen = dict(zip(reads, run.keys(reads)))
        result = run.session.find(call.key({**known, **seen}))
        if result:
            return result, seen
    return None, {}


_AGAIN = object()


def _value(run: _Run, result: Result, call: _Call) -> Any:
    """What is damaged is never served: it is computed anew."""
    try:
        return _lake.load(run.session, result, call.name)
    except Error as e:
        if e.status != "corrupt":
            raise
        run.session.condemn(result, str(e))
        return _AGAIN


def _compute(call: _Call, run: _Run, outer: _Frame | None, known: dict[Read, str | None]) -> Steps:
    with _progress.shown(call.name) as task:
        return (yield from _computed(call, run, outer, known, task))


def _computed(call: _Call, run: _Run, outer: _Frame | None, known: dict[Read, str | None], task: _progress.Task) -> Steps:
    base = call.key(known)
    result, lease = yield _Wait(lambda: run.session.begin(base, call.name), True)
    if lease is None:
        return result, {}, (yield _Wait(lambda: _value(run, result, call))), None
    try:
        result, seen = yield _Wait(lambda: _find(call, run, known))  # somebody was faster, under a trace
        if result is not None:
            return result, seen, (yield _Wait(lambda: _value(run, result, call))), None
        frame = _Frame(run, outer, call, known)
        if call.code.names.environment:
            _environment.observe(_note_variable, _note_written, call.code.names.environment)
        started = time.monotonic_ns()
        value = yield from _within(frame, call.run)
        if isinstance(value, collections.abc.Iterator):  # which has not run yet
            value = yield from _within(frame, functools.partial(_lake.gather, value, call.name))
        us = (time.monotonic_ns() - started) // 1000
        if frame.refused:
            raise frame.refused
        if frame.torn:  # it has read the old and the new: it is no result of either
            return None, {}, _AGAIN, None
        moved = yield _Wait(frame.moved)
        if moved:
            call.again(moved)
            return None, {}, _AGAIN, None
        result, value = yield _Wait(lambda: _store(call, run, frame, lease, base, value, us))
        task.computed = True
        return result, frame.seen, value, frame
    finally:
        run.session.end(lease)


def _within(frame: _Frame, body: Callable[[], Any]) -> Steps:
    token = _frame.set(frame)
    with _lock:
        _open_frames.add(frame)
    try:
        return (yield body)
    finally:
        with _lock:
            _open_frames.discard(frame)
        _frame.reset(token)


def _store(call: _Call, run: _Run, frame: _Frame, lease: object, base: str, value: Any, us: int) -> tuple[Result, Any]:
    session = run.session
    origin = _lake.Origin(call.name, _told(call, run, frame), us, call.decorated)
    if not frame.seen:
        result, value = _lake.store(session, lease, call.dataset, value, origin)
        frame.broken = origin.broken
        return result, value
    result, inner = session.begin(call.key({**frame.known, **frame.seen}), call.name)
    if inner is not None:
        try:
            result, value = _lake.store(session, inner, call.dataset, value, origin)
        finally:
            session.end(inner)
    frame.broken = origin.broken
    names = sorted(_text(read) for read in frame.seen)
    session.trace(base, names)
    if call.code.loads:  # for `shoal run`, which knows the code before it knows what that loads
        session.trace(call.key({}), names)
    return result, value


def _told(call: _Call, run: _Run, frame: _Frame) -> dict[str, Any]:
    told = preimage(call, {**frame.known, **frame.seen}, frame.seen)
    return {"who": _tables.who(), "branch": run.session.entry("", "")[1], **told, "children": frame.children}


def preimage(call: _Call, reads: dict[Read, str | None], seen: Iterable[Read]) -> dict[str, Any]:
    """What the key of a call is made of, for people."""
    first = call.code.nodes[0]
    reached = _told_of.reached(call.code)
    reached["env"] += [{"name": read[0][1:], "key": reads[read]} for read in seen if _is_variable(read)]
    reached["data_files"] += [{"name": read[0][1:], **({"key": reads[read]} if reads[read] else {})} for read in seen if _is_file(read)]
    return {
        "python": {"function": call.label, "version": INTERPRETER.version, "path": _told_of.relative(first.path) if first.path else None, "line": first.line},
        "code": call.decorated.code(call.code.key),
        "layout": call.decorated.layout or "0" * 64,
        **({"expects": call.decorated.expects} if call.decorated.expects else {}),
        "arguments": call.arguments,
        "called": call.called,
        **reached,
        "inputs": [{"role": name, "name": name, **({"at": at} if at else {}), "key": key} for (name, at), key in reads.items() if not _is_outside((name, at))],
    }


def _settle(call: _Call, run: _Run, outer: _Frame | None, result: Result, reads: dict[Read, str | None], fresh: _Frame | None) -> None:
    """Tells whoever called, and what the branch is to hold. `fresh` is the frame, if it was computed."""
    if call.dataset and not fresh and run.keys([(call.dataset, "")])[0] != result.signature:
        _adopt_children(run, result)
    if outer is not None:
        for read, key in reads.items():
            outer.note(read if outer.run is run or _is_outside(read) else (read[0], read[1] or _tables.branch_name()), key)
        outer.children.update(fresh.children if fresh else {})
        if call.dataset:
            outer.children[call.dataset] = result.signature
    if call.dataset:
        run.hold(call.dataset, result)


def _adopt_children(run: _Run, result: Result, made: Collection[str] = ()) -> None:
    """What was kept within a result that somebody else has made belongs to this branch, too, but for what was `made` later."""
    for dataset, signature in json.loads(run.session.provenance(result)).get("children", {}).items():
        if dataset in made:
            continue
        child, decorated = run.session.find(signature), _decorated.of(run.makers.get(dataset), dataset)
        if child:
            if decorated.expects:
                held = _decorated.warn(dataset, decorated, _decorated.told(run.session, child, decorated, json.loads(run.session.provenance(child))))
                if held is not None:
                    raise held
            _adopt_children(run, child, made)
            run.hold(dataset, child)


# ---- loads ----


def _ensure(name: str, run: _Run, who: _Call | None) -> Steps:
    """If a function of this run makes the dataset, it is made before it is loaded."""
    outer = _frame.get()
    frame = _Frame(run, outer, who, {})  # what the maker reads is its own matter
    if name not in run.made:
        _refuse_loop(name, frame)
        maker = run.makers.get(name)
        if maker is not None and not _takes_arguments(maker):
            yield from _within(frame, maker)


def _takes_arguments(f: Callable[..., Any]) -> bool:
    try:
        inspect.signature(f).bind()
        return False
    except TypeError:
        return True


def _refuse_loop(name: str, frame: _Frame) -> None:
    way = [f.call.dataset for f in frame.above() if f.call and f.call.dataset]
    if name in way:
        way = way[:way.index(name) + 1][::-1]
        raise error("invalid", "a loop: " + " loads ".join([*way, name]), "one of them must do without the other")


def load(path: str | os.PathLike[str], *, at: str = "") -> Any:
    """What a dataset holds, as the type it was; a table that no Python function has made comes as a pandas.DataFrame."""
    name = dataset_of(path)
    if _tables.planned is not None and not at:
        return _tables.planned(name).value()
    session, frame = _tables.session(), _frame.get()
    if frame is None or frame.run.session is not session:
        result = session.held(name, at)
        _note((name, at or (_tables.branch_name() if frame else "")), result.signature if result else None)
    else:
        if not at:
            _drive(_ensure(name, frame.run, None))
        result = frame.run.made.get(name) if not at else None
        result = result or session.held(name, at)
        frame.note((name, at), result.signature if result else None)
    if result is None:
        raise error("not_found", f"there is no dataset {name}" + (f" at {at}" if at else ""), "shoal.datasets() tells what there is")
    return _lake.load(session, result, name)


def _note_all(run: _Run | None, session: Session, reads: list[Read]) -> None:
    for read, key in zip(reads, run.keys(reads) if run else session.keys(reads)):
        _note(read, key)


def observe(session: Session, query: str, at: str, whole: str | None) -> tuple[Result | None, Callable[[], None]]:
    """A query that is about to be run: what it reads counts, if a function that is being computed reads it. The result, where
    it is one that this very run has made, and what is to be called when the query has begun: then it notes once more."""
    frame = _frame.get()
    if frame is None and not _open_frames:
        return None, lambda: None
    run = frame.run if frame and frame.run.session is session else None
    names = session.names(query, at) if whole is None else [whole if "." in whole else "main." + whole]
    reads = [(name, at) for name in names]
    for name, _ in reads:
        if run and not at:
            _drive(_ensure(name, run, None))
    note = functools.partial(_note_all, run, session, reads)
    note()
    ours = [name for name, _ in reads if run and not at and name in run.sets]
    if ours and not whole:
        raise error("unsupported", f"a query of {ours[0]}, which this very run makes", "shoal.load() it, or shoal.table() all of it")
    return (run.made[ours[0]] if run and ours else None), note


# ---- driving the steps ----


def _drive(steps: Steps) -> Any:
    try:
        step = next(steps)
        while True:
            try:
                value = step()
                if inspect.iscoroutine(value):
                    value.close()
                    raise error("invalid", "a coroutine function is called where it can't be awaited", "await it before")
            except BaseException as e:
                step = steps.throw(e)
            else:
                step = steps.send(value)
    except StopIteration as e:
        return e.value


async def _drive_async(steps: Steps) -> Any:
    try:
        step = next(steps)
        while True:
            try:
                value = await _awaited(step)
            except BaseException as e:
                step = steps.throw(e)
            else:
                step = steps.send(value)
    except StopIteration as e:
        return e.value


async def _awaited(step: Callable[[], Any]) -> Any:
    if isinstance(step, _Wait):
        if not step.long:
            return await asyncio.to_thread(step)
        with concurrent.futures.ThreadPoolExecutor(1) as own:  # those who wait must not take the threads of whom they wait for
            return await asyncio.get_running_loop().run_in_executor(own, step)
    value = step()
    return await value if inspect.iscoroutine(value) else value


# ---- the quick way ----

_ATOMS = frozenset((int, str, bool, bytes, type(None)))
_MOST_HITS = 1024  # of one function


class _Hit(NamedTuple):
    """A call that was answered before: its answer stands as long as the datasets hold what they held."""

    session: Session
    reads: list[Read]
    keys: list[str | None]
    result: Result
    own: str | None
    value: Callable[[], Any]


def _at(dataset: str | None, decorated: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What tells calls apart that differ in plain values only; None: they differ in more."""
    parts: list[Any] = [dataset, decorated, len(args)]
    for name, value in (*enumerate(args), *kwargs.items()):
        cls = type(value)
        if cls is float:
            value = repr(value)
        elif cls not in _ATOMS:
            return None
        parts += (name, cls, value)
    return tuple(parts)


def _remember(call: _Call, session: Session, result: Result, reads: dict[Read, str | None], value: Any) -> None:
    known, at = _calls.known(call.function), _at(call.dataset, call.decorated.text, call.args, call.kwargs)
    if known is None or at is None or known.key != call.code.key:
        return
    if len(known.hits) >= _MOST_HITS:
        known.hits.clear()
    held = {**({(call.dataset, ""): result.signature} if call.dataset else {}), **reads}
    known.hits[at] = _Hit(session, list(held), list(held.values()), result, call.dataset, _lake.reader(session, result, value, call.name))


def _quick(known: _calls.Known, dataset: str | None, args: tuple[Any, ...], kwargs: dict[str, Any], decorated: _decorated.Decorated) -> _Hit | None:
    hit = known.hits.get(_at(dataset, decorated.text, args, kwargs))
    if hit is None or hit.session is not _tables.session(True, known.folder):
        return None
    frame = _frame.get()
    if frame is not None and frame.run.session is not hit.session:
        return None
    if hit.reads and (frame.run.keys(hit.reads) if frame else _keys(hit.session, hit.reads)) != hit.keys:
        return None
    if frame is not None:
        for read, key in zip(hit.reads[hit.own is not None:], hit.keys[hit.own is not None:]):
            frame.note(read, key)
        if hit.own:
            frame.children[hit.own] = hit.result.signature
    return hit


def _ahead(run: _Run) -> Ahead:
    """What the branch held when an `eval` began: the calls that its function makes itself are answered by that, without the lake."""
    held = run.session.ahead()
    values = _inline.of(held.lake)

    def read(result: Result, payload: bytes | None, label: str) -> Any:
        try:
            if payload is None:
                if result.codec is None or result.bytes > _inline.SMALL:
                    return _lake.load(run.session, result, label)
                payload = run.session.payload(result)
                values.add(result.digest, payload)
        except Error as e:
            if e.status != "corrupt":
                raise
            return _AGAIN  # who finds it the longer way condemns it
        return _lake.value_of(run.session, result, payload, label)

    held.use(_calls.looked_at, INTERPRETER.version, values.found, run.made, run.answered, read, _AGAIN, *_tables.chosen())
    return held


def _ready(dataset: str | None, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], decorated: _decorated.Decorated) -> Any:
    """The value, where no more than a look is needed; else _AGAIN."""
    frame = _frame.get()
    if frame is not None and frame.ahead is not None and dataset is not None and not decorated.text:
        value = frame.ahead.answer(f, dataset, args, kwargs, *_tables.chosen())
        if value is not _AGAIN:
            return value
    known = _calls.known(f)
    hit = _quick(known, dataset, args, kwargs, decorated) if known is not None and known.hits else None
    return _AGAIN if hit is None else hit.value()


def _call(dataset: str | None, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], decorated: _decorated.Decorated) -> Any:
    value = _ready(dataset, f, args, kwargs, decorated)
    return value if value is not _AGAIN else _drive(_steps(_Call(dataset, f, args, kwargs, decorated)))


async def _call_async(dataset: str | None, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], decorated: _decorated.Decorated) -> Any:
    value = _ready(dataset, f, args, kwargs, decorated)
    return value if value is not _AGAIN else await _drive_async(_steps(_Call(dataset, f, args, kwargs, decorated)))


# ---- what users call ----


def keep(path: str | os.PathLike[str], f: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of ``f(*args, **kwargs)``, computed unless it was before, kept as the dataset that the path names."""
    name, decorated, f = dataset_of(path), _decorated.of(f, dataset_of(path)), undecorated(f)
    if _tables.planned is not None:
        return f(*args, **kwargs)
    call = _call_async if inspect.iscoroutinefunction(f) else _call
    return call(name, f, args, kwargs, decorated)  # type: ignore[return-value]


def _planned_call(kept: Kept, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return _tables.planned_call(kept, args, kwargs) if kept.dataset and _tables.planned_call is not None else None


def _wrap(dataset: str | None, f: Callable[P, R], decorated: _decorated.Decorated = _decorated.NOTHING) -> Callable[P, R]:
    """While `shoal run` runs a model, the other models that it calls have run before; whatever else it calls is a part of it."""
    kept = Kept(dataset, f, decorated)
    if inspect.iscoroutinefunction(f):
        @functools.wraps(f)
        async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            if _tables.planned is not None:
                made = _planned_call(kept, args, kwargs)
                return made.value() if made is not None else await f(*args, **kwargs)
            return await _call_async(dataset, f, args, kwargs, decorated)
    else:
        @functools.wraps(f)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            if _tables.planned is not None:
                made = _planned_call(kept, args, kwargs)
                return made.value() if made is not None else f(*args, **kwargs)
            return _call(dataset, f, args, kwargs, decorated)

    wrapper.__shoal__ = kept  # type: ignore[attr-defined]
    if dataset:
        makers[dataset] = wrapper
    return wrapper  # type: ignore[return-value]


def data_function(path: str | os.PathLike[str], *, partition_by: Sequence[str] | str | None = None, cluster_by: Sequence[str] | str | None = None,
                  expect: Sequence[_decorated.Expectation] | _decorated.Expectation | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The function makes the dataset that the path names; it runs only when its code, what it calls or its inputs change.
    `partition_by` and `cluster_by` lay out the table's files; what breaks `expect` is not published (``"n > 0"``,
    ``{"not_null": ["day"], "severity": "warn"}``, ``{"unique": ["day", "id"]}``, ``{"rows": "> 0"}``)."""
    name = dataset_of(path)
    return lambda f: _wrap(name, f, _decorated.decorated_by(f, partition_by=partition_by, cluster_by=cluster_by, expect=expect))


def cache(f: Callable[P, R]) -> Callable[P, R]:
    """The function runs once for each of its arguments; the results have no name (``shoal ls --cache``)."""
    return _wrap(None, f)


def eval(f: Callable[P, R], /, *args: P.args, export_graph: str | os.PathLike[str] | None = None, **kwargs: P.kwargs) -> R:
    """Calls a function and publishes all that it keeps together, at the end; `export_graph` draws what it reaches before."""
    session, outer = _tables.session(True), _frame.get()
    kept = getattr(f, "__shoal__", None)
    if export_graph is not None:
        from . import _picture

        _picture.export(f, os.fspath(export_graph))
    if isinstance(kept, Kept) or (outer and outer.run.session is session):
        return f(*args, **kwargs)
    run = _Run(session)
    try:
        run.makers.update(_calls.code_of(f).names.makes)
    except Error:
        pass  # it is not kept itself, so it needs no key

    def steps() -> Steps:
        with _progress.shown(_calls.label_of(f)):
            frame = _Frame(run, outer, None, {})
            ahead = frame.ahead = yield _Wait(lambda: _ahead(run))
            value = yield from _within(frame, functools.partial(f, *args, **kwargs))
            if frame.refused:  # caught
                raise frame.refused
            yield _Wait(lambda: run.publish(ahead))
        return value

    return _drive_async(steps()) if inspect.iscoroutinefunction(f) else _drive(steps())  # type: ignore[return-value]

