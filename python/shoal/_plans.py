# SPDX-License-Identifier: Apache-2.0
"""What calls of kept functions would compute, and why, before anything runs: the look-ups of a run, without its computations.

A function that would run has its key nonetheless, so what reads its result can be looked up, too; only where a result's key
rests on what is seen while it is computed does a plan end with "depends". Of a project's models the command line tells."""
from __future__ import annotations

import json
import os
from typing import Any, Callable, NamedTuple

from . import _calls, _keep, _program, _show, _tables, _words
from ._kept import Kept, dataset as dataset_of, error, makers, undecorated
from ._shoal import Error, Result, Session, why as compare

_MARKS = {"run": "~", "reuse": "=", "depends": "?", "adopt": "=", "stale": "·", "pinned": "!", "removed": "−"}


# ---- why ----


class Why:
    """The first difference between what a dataset holds and what its code says now; `chain` leads from the one to the other."""

    def __init__(self, chain: list[str], told: dict[str, Any]) -> None:
        self.chain = chain
        self.kind: str = told["kind"]
        self.what, self.path, self.before, self.after = (told.get(k) or "" for k in ("what", "path", "before", "after"))
        self.line: int = told.get("line") or 0

    @property
    def dataset(self) -> str:
        return self.chain[0]

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}" if self.path and self.line else self.path

    @property
    def words(self) -> str:
        """In a few words: avg → median."""
        if self.kind == "code":
            return _changed_words(self.before, self.after)
        if self.kind in ("package", "variable", "argument") and self.after and self.before:
            return f"{self.what} {self.before} → {self.after}"
        said = {"same": "nothing changed", "new": "new", "input": f"reads {self.what}", "argument": f"another {self.what}", "broken": "its result is broken",
                "environment": "engine settings", "environment variable": f"${self.what}", "volatile": f"calls {self.what}", "layout": "partition_by or cluster_by", "file": f"file {self.what} {self.after}"}
        return said.get(self.kind, f"{self.kind} {self.what}".strip())

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "chain": self.chain, "what": self.what, "path": self.path, "line": self.line, "before": self.before, "after": self.after}

    def _lines(self) -> tuple[str, str]:
        name, last = self.chain[0], self.chain[-1]
        if self.kind == "same":
            return f"{name} is as the code says", ""
        if self.kind == "new" and len(self.chain) == 1:
            return f"{name} is new: nothing was ever kept of it on this branch", ""
        head = " reads ".join(self.chain) + ", and that changed:" if len(self.chain) > 1 else f"{name} is not as the code says:"
        changed = self.words if self.kind == "file" else f"{self.before}  →  {self.after}" if self.before or self.after else self.words
        detail = f"{self.place}  {changed}" if self.place else f"{self.what}  {changed}" if self.kind in ("package", "argument") and self.after else self.words
        return head, detail + (f"\n  that is in {self.what}, which {last} reaches" if self.kind == "code" and self.what else "")

    def __repr__(self) -> str:
        head, detail = self._lines()
        return f"{head}\n  {detail}" if detail else head

    def _repr_html_(self) -> str:
        head, detail = self._lines()
        return _show.lines_html(head, detail)


def _changed_words(before: str, after: str) -> str:
    """The words of a line that changed."""
    if not before and not after:
        return "edited"
    a, b = before.split(), after.split()
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    old, new = " ".join(a[head:len(a) - tail]), " ".join(b[head:len(b) - tail])
    if len(old) + len(new) > 60:
        return "edited"
    return f"{old} → {new}" if old and new else f"+ {new}" if new else f"- {old}"


def _argument_differs(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Which argument of a call is another than it was."""
    was = {one["name"]: one for one in before.get("called", ())}
    for one in after["called"]:
        old = was.get(one["name"], {})
        if old.get("value") != one.get("value") or old.get("key") != one.get("key") or old.get("type") != one["type"]:
            return {"kind": "argument", "what": f"argument {one['name']}", "before": old.get("value"), "after": one.get("value")}
    return {"kind": "argument", "what": "argument"}


def _difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    version = before.get("python", {}).get("version")
    if before.get("code") == after["code"] and version == after["python"]["version"] and before.get("arguments") != after["arguments"]:
        return _argument_differs(before, after)
    told = compare(json.dumps(before), json.dumps(after))
    if told["kind"] == "code" and not told["path"]:
        told.update(path=after["python"]["path"], line=after["python"]["line"])
    return told


# ---- plans ----


class Step(NamedTuple):
    """Of a plan: what a run would do about one dataset, or cached function. What it took last time is what is predicted."""

    name: str
    action: str  # run, reuse, depends; of a project's plan adopt, stale, pinned, removed, too
    why: str
    place: str = ""
    rows: int | None = None
    bytes: int | None = None
    wall_us: int | None = None
    reason: Why | None = None

    def to_dict(self) -> dict[str, Any]:
        return {**self._asdict(), "reason": self.reason.to_dict() if self.reason else None}


class Plan:
    """What would run, in the order in which it would be needed."""

    def __init__(self, branch: str, steps: list[Step]) -> None:
        self.branch, self.steps = branch, steps

    @property
    def runs(self) -> list[str]:
        return [s.name for s in self.steps if s.action == "run"]

    @property
    def reused(self) -> list[str]:
        return [s.name for s in self.steps if s.action in ("reuse", "adopt")]

    def to_dict(self) -> dict[str, Any]:
        return {"branch": self.branch, "run": len(self.runs), "reuse": len(self.reused), "steps": [s.to_dict() for s in self.steps]}

    def _rows(self) -> list[list[str]]:
        return [[_MARKS.get(s.action, s.action) if s.action != "run" or s.why != "new" else "+", s.name, s.why, s.place, "" if s.rows is None else _words.plural(s.rows, "row"),
                 "" if s.bytes is None else _words.size(s.bytes), "" if s.wall_us is None else f"~{_words.span(s.wall_us)}"]
                for s in self.steps if s.action not in ("reuse", "adopt")]

    def _sum(self) -> list[str]:
        reused = [f"= {len(self.reused)} reused"] if self.reused else []
        rest = [s for s in self.steps if s.action in ("run", "depends")]
        if not rest:
            return [*reused, f"nothing to do on branch {self.branch}"]
        known = [s.wall_us for s in rest if s.wall_us is not None]
        depends = len(rest) - len(self.runs)
        return [*reused, f"{len(self.runs)} to run on branch {self.branch}" + (f", {depends} to be seen" if depends else "") + (f" · ~{_words.span(sum(known))}" if known else "")]

    def __repr__(self) -> str:
        rows = self._rows()
        return "\n".join(([_show.text_table(rows, (4, 5, 6))] if rows else []) + self._sum())

    def _repr_html_(self) -> str:
        rows = self._rows()
        return (_show.html_table(("", "dataset", "why", "where", "rows", "bytes", "time"), rows, (4, 5, 6)) if rows else "") + "".join(map(_show.note, self._sum()))


class _Planner(_keep._Run):
    """A run that only looks up."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.future: dict[str, str | None] = {}  # signatures of what datasets will hold
        self.unknown: set[str] = set()  # those whose signatures are known when they are there
        self.seen: set[str] = set()
        self.steps: list[Step] = []

    def keys(self, reads: list[_keep.Read]) -> list[str | None]:
        return [self.future.get(name, key) if not at else key for (name, at), key in zip(reads, super().keys(reads))]

    def whole(self, names: Any) -> None:
        """All that a function reaches, whose own call is not kept."""
        self.makers.update({k: v for k, v in names.makes.items() if k not in self.makers})
        for dataset, maker in sorted(names.makes.items(), key=lambda item: item[0]):
            self.within(dataset, dataset, maker)
        for label, f in sorted(names.cached.items()):
            self.within(label, None, f)

    def within(self, name: str, dataset: str | None, f: Any) -> None:
        if name in self.seen:
            return
        if f is None or _keep._takes_arguments(f):
            self.seen.add(name)
            self.unknown.add(name)
            self.steps.append(Step(name, "depends", "its arguments are known when it is called"))
        else:
            self.call(_keep._Call(dataset, f, (), {}))

    def call(self, call: _keep._Call) -> Step | None:
        if call.name in self.seen:  # a loop is the run's to refuse
            return None
        self.seen.add(call.name)
        self.makers.update({k: v for k, v in call.code.names.makes.items() if k not in self.makers})
        for load in call.code.loads:
            maker = self.makers.get(load)
            if maker is not None and not _keep._takes_arguments(maker):
                self.within(load, load, maker)
        step = self._step(call)
        self.steps.append(step)
        return step

    def _step(self, call: _keep._Call) -> Step:
        waits = [name for name in call.code.loads if name in self.unknown]
        if waits:
            self.unknown.add(call.name)
            self.whole(call.code.names)
            return Step(call.name, "depends", f"depends on {waits[0]}")
        known = dict(zip([(n, "") for n in call.code.loads], self.keys([(n, "") for n in call.code.loads])))
        result, seen = _keep._find(call, self, known)
        held = self.session.entry(call.dataset, "")[0] if call.dataset else None
        if result is not None:
            self._will_hold(call, result, held)
            reason = self._reason(call, held, {**known, **seen}, seen) if held is not None and held.signature != result.signature else None
            return Step(call.name, "reuse", "", rows=result.rows, bytes=result.bytes, reason=reason)
        if call.code.names.dynamic or call.code.names.environment:
            self.unknown.add(call.name)
        else:
            self.future[call.name] = call.key(known)
        self.whole(call.code.names)
        reason = self._reason(call, held, known, {})
        return Step(call.name, "run", reason.words, reason.place, *((held.rows, held.bytes, held.wall_us) if held is not None else ()), reason=reason)

    def _will_hold(self, call: _keep._Call, result: Result, held: Result | None) -> None:
        if call.dataset:
            self.future[call.dataset] = result.signature
        if call.dataset and (held is None or held.signature != result.signature):  # what was made within comes along
            self.future.update(json.loads(self.session.provenance(result)).get("children", {}))

    def _reason(self, call: _keep._Call, held: Result | None, reads: dict[_keep.Read, str | None], seen: Any) -> Why:
        if held is None:
            place = call.code.nodes[0]
            return Why([call.name], {"kind": "new", "path": _keep._told_of.relative(place.path) if place.path else "", "line": place.line})
        before = json.loads(self.session.provenance(held))
        others = [_keep._read(i["name"] + ("@" + i["at"] if i.get("at") else "")) for i in before.get("inputs", ())]  # seen while it was computed
        outside = [r for mark, part in (("$", "env"), ("%", "data_files")) for r in ((mark + one["name"], "") for one in before.get(part, ())) if not call.covers(r)]
        reads = {**dict(zip(others + outside, self.keys(others + outside))), **reads}
        told = _difference(before, _keep.preimage(call, reads, [*outside, *(r for r in seen if r not in outside)]))
        return Why([call.name], {**told, "kind": "broken" if told["kind"] == "same" else told["kind"]})


def _planned(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Planner:
    planner = _Planner(_tables.session(True))
    kept = getattr(f, "__shoal__", None)
    if isinstance(kept, Kept):
        planner.call(_keep._Call(kept.dataset, f, args, kwargs))
    else:
        _calls.bound(f, args, kwargs)
        planner.whole(_calls.code_of(f).names)
    return planner


def plan(what: Callable[..., Any] | str | None = None, /, *args: Any, **kwargs: Any) -> Plan:
    """What a call of this function would compute, and why; without one, or with a selector (`gold.delays+`), what `shoal run` would do."""
    if callable(what):
        planner = _planned(what, args, kwargs)
        return Plan(planner.session.entry("", "")[1], planner.steps)
    told = _program.ask("plan", *([what] if what else []))
    steps = []
    for item in told["items"]:
        reason = item.get("why") or (f"reads {item['cause']}" if item["reason"] == "input" and "cause" in item else "" if item["reason"] == "none" else item["reason"])
        runs = item["action"] == "run"
        steps.append(Step(item["dataset"], item["action"], reason, item.get("place") or (item.get("path", "") if reason == "new" else ""), *((item.get(k) if runs else None) for k in ("rows", "bytes", "wall_us"))))
    return Plan(told["branch"], steps)


# ---- why, asked for ----


def _followed(planner: _Planner, step: Step) -> Why:
    reasons = {s.name: s.reason for s in planner.steps}
    chain, reason = [step.name], step.reason
    while reason is not None and reason.kind == "input" and reasons.get(reason.what) is not None and reason.what not in chain:
        chain.append(reason.what)
        reason = reasons[reason.what]
    return Why(chain, reason.to_dict() if reason is not None else {"kind": "same"})


def _why_call(f: Callable[..., Any], dataset: str | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Why:
    planner = _Planner(_tables.session(True))
    planner.makers.update(makers)  # whoever may make what it reads: of its own call it may only read what is there
    step = planner.call(_keep._Call(dataset, f, args, kwargs))
    assert step is not None
    if step.action == "depends":
        return Why([step.name], {"kind": "input", "what": step.why.removeprefix("depends on ")})
    return _followed(planner, step)


def why(what: Callable[..., Any] | str | os.PathLike[str], /, *args: Any, **kwargs: Any) -> Why:
    """Why a dataset does not hold what its code says: of a kept function, called with these arguments, or of a model of the project."""
    if callable(what):
        kept = getattr(what, "__shoal__", None)
        if not isinstance(kept, Kept):
            raise error("invalid", f"{_calls.label_of(what)} is not kept", "name its dataset: shoal.why('/models/churn')")
        return _why_call(what, kept.dataset, args, kwargs)
    name = dataset_of(what)
    maker = makers.get(name)
    if maker is not None:
        return _why_call(maker, name, args, kwargs)
    try:
        told = _program.ask("why", name)
    except Error as e:
        if _tables.session(True).entry(name, "")[0] is None or e.status not in ("not_found", "invalid"):
            raise
        raise error("not_found", f"no model makes {name}, and no function that this process knows", "import the module that has it, or ask of the function: shoal.why(f, …)") from None
    return Why(told["chain"], told)
