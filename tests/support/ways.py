# SPDX-License-Identifier: Apache-2.0
"""Every form that a suite asks for is made in both ways, the quick one and the walk alone, which must be one form. Imported for that.
What is shared is called by whoever led there first, which may be another one."""
from shoal import _forms

checked = 0  # forms that functions were gone through for quickly
_walk_of, _plain = _forms.walk_of, _forms.Plain


class _Never:
    def __init__(self, *shared):
        pass

    def run(self, node, f, walk):
        return False


class _Counting:
    plain = 0

    def __init__(self, *shared):
        self.way = _plain(*shared)

    def run(self, node, f, walk):
        done = self.way.run(node, f, walk)
        _Counting.plain += done
        return done


def told(walk, root):
    nodes = _forms.nodes_of(walk.form, walk.kinds, root)
    return (sorted((n.kind, n.key, sorted((e.kind, e.symbol, nodes[e.target].key) for e in n.edges)) for n in nodes), walk.guards.found.hold(root),
            sorted(walk.names.makes), sorted(walk.names.cached), sorted(walk.names.loads), walk.names.dynamic, sorted(walk.names.variables), sorted(walk.names.files),
            sorted(walk.packages), sorted(key for *_, key in walk.kept_keys()), sorted(f.__qualname__ for f in walk.functions))


def walk_of(f, label=None):
    global checked
    _forms.Plain = _Never
    try:
        alone = told(*_walk_of(f, label))
    finally:
        _forms.Plain = _Counting
    before = _Counting.plain
    walk, root = _walk_of(f, label)
    checked += _Counting.plain > before
    now = told(walk, root)
    assert now == alone, (f, now[1:], alone[1:], [n for n in now[0] if n not in alone[0]], [n for n in alone[0] if n not in now[0]])
    return walk, root


_forms.walk_of, _forms.Plain = walk_of, _Counting
