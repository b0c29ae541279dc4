# SPDX-License-Identifier: Apache-2.0
"""What a disk may hold after a power loss, given a recorder's log (tests/crash/recorder.c).

The model is POSIX taken at its word, harsher than any journalling file system: a file's bytes are on disk once that file
was fsynced, a name (creation, link, rename, removal of a file or a folder) once the folder it stands in was. Until then each
change is there or not, whatever the others are; a write may be there in parts of 512 or 4096 bytes, the rest holding
what was there before, or zeros. A rename is two changes of names. Changes of one name keep their order."""
import bisect
import hashlib
import os

NEVER = 1 << 60
ROOT = 0


def read_log(path, root):
    """The log's operations as tuples, paths relative to the root."""
    ops = []
    with open(path, "rb") as f:
        while line := f.readline():
            verb, _, *rest = line.rstrip(b"\n").decode().split("\t")
            if verb == "write":
                ino, off, n, sync = map(int, rest)
                ops.append(("write", ino, off, f.read(n), bool(sync)))
                f.read(1)
            elif verb in ("create", "open", "fsyncfail"):
                ops.append((verb, int(rest[0]), os.path.relpath(rest[1], root)))
            elif verb in ("trunc", "fsync"):
                ops.append((verb, *map(int, rest)))
            elif verb == "link":
                ops.append((verb, os.path.relpath(rest[0], root), os.path.relpath(rest[1], root), int(rest[2])))
            else:
                ops.append((verb, *(os.path.relpath(p, root) for p in rest if p.startswith("/"))))
    return ops


class Change:
    """One change of a name (of a folder) or of data (of a file): done at operation `at`, on disk from `durable` on."""
    __slots__ = ("at", "durable", "what", "a", "b", "c")

    def __init__(self, at, what, a, b, c=None):
        self.at, self.durable, self.what, self.a, self.b, self.c = at, NEVER, what, a, b, c


class Disk:
    """All changes of a log, by what they change. `known`: names that were there before the recording, path → "folder"."""

    def __init__(self, ops, folders):
        self.ops = ops
        self.names = {}     # (folder, name) → changes, in order
        self.data = {}      # file → changes, in order
        self.open_names = {}  # folder → changes not yet durable
        self.tree = {ROOT: {}}  # folder → name → ("folder" | "file", id)
        self.by_inode = {}
        self.next = 1
        for path in sorted(folders):
            self.set_name(path, ("folder", self.new_folder()), -1).durable = -1
        for at, op in enumerate(ops):
            getattr(self, "do_" + op[0])(at, *op[1:])

    def new_folder(self):
        self.next += 1
        self.tree[self.next] = {}
        return self.next

    def folder(self, path):
        at = ROOT
        for part in path.split("/"):
            if part not in ("", "."):
                at = self.tree[at][part][1]
        return at

    def find(self, path):
        return self.tree[self.folder(os.path.dirname(path))][os.path.basename(path)]

    def set_name(self, path, value, at):
        folder, name = self.folder(os.path.dirname(path)), os.path.basename(path)
        c = Change(at, "name", folder, name, value)
        self.names.setdefault((folder, name), []).append(c)
        self.open_names.setdefault(folder, []).append(c)
        if value:
            self.tree[folder][name] = value
        else:
            self.tree[folder].pop(name, None)
        return c

    def do_create(self, at, ino, path):
        self.next += 1
        self.by_inode[ino] = self.next  # a number may come again
        self.data[self.next] = []
        self.set_name(path, ("file", self.next), at)

    def do_open(self, at, ino, path):
        self.by_inode[ino] = self.find(path)[1]

    def do_write(self, at, ino, off, data, sync):
        c = Change(at, "write", self.by_inode[ino], off, data)
        if sync:
            c.durable = at
        self.data[c.a].append(c)

    def do_trunc(self, at, ino, n):
        self.data[self.by_inode[ino]].append(Change(at, "trunc", self.by_inode[ino], n))

    def do_fsync(self, at, ino):
        for c in self.data.get(self.by_inode.get(ino), ()):
            c.durable = min(c.durable, at)

    def do_fsyncdir(self, at, path):
        for c in self.open_names.pop(self.folder(path), ()):
            c.durable = min(c.durable, at)

    def do_fsyncfail(self, at, ino, path):
        pass

    def do_exit(self, at):
        pass

    def do_link(self, at, a, b, ino):
        self.set_name(b, self.find(a), at)

    def do_rename(self, at, a, b):
        self.set_name(b, self.find(a), at)
        self.set_name(a, None, at)

    def do_unlink(self, at, path):
        self.set_name(path, None, at)

    def do_rmdir(self, at, path):
        self.set_name(path, None, at)

    def do_mkdir(self, at, path):
        self.set_name(path, ("folder", self.new_folder()), at)

    # ---- states ----

    def state(self, k, mode, r=None, block=512):
        """{path: None for a folder, (file, bytes)} after the first k operations. mode: "all" everything reached the disk,
        "synced" only what was asked for, "mixed" each other change by the dice, "torn" and writes in parts."""
        keep = r.choice((0.1, 0.5, 0.9)) if r else 0
        tree = {}
        for (folder, name), changes in self.names.items():
            n = bisect.bisect_left(changes, k, key=lambda c: c.at)
            if n == 0:
                continue
            last = n - 1
            if mode != "all":
                while last >= 0 and changes[last].durable >= k:
                    last -= 1
                if r:
                    while last + 1 < n and r.random() < keep:
                        last += 1
            if last >= 0 and changes[last].c:
                tree.setdefault(folder, {})[name] = changes[last].c
        out, content = {}, {}

        def walk(folder, prefix):
            for name, (kind, ident) in sorted(tree.get(folder, {}).items()):
                if kind == "folder":
                    out[prefix + name] = None
                    walk(ident, prefix + name + "/")
                else:
                    if ident not in content:
                        content[ident] = self.bytes_of(ident, k, mode, r, keep, block)
                    out[prefix + name] = (ident, content[ident])

        walk(ROOT, "")
        return out

    def bytes_of(self, ident, k, mode, r, keep, block):
        buf = bytearray()
        for c in self.data[ident]:
            if c.at >= k:
                break
            here = mode == "all" or c.durable < k or (r and r.random() < keep)
            if c.what == "trunc":
                if here:
                    buf = buf[:c.b] + bytes(max(0, c.b - len(buf)))
            elif here or mode == "torn":
                end = c.b + len(c.c)
                if here or r.random() < 0.5:  # the size may have reached the disk without the bytes
                    buf += bytes(max(0, end - len(buf)))
                for off in range(c.b - c.b % block, end, block):
                    a, b = max(off, c.b), min(off + block, end)
                    whole = here if mode != "torn" or c.durable < k else r.random() < 0.5
                    if whole and b <= len(buf):
                        buf[a:b] = c.c[a - c.b:b - c.b]
        return bytes(buf)


def fingerprint(state, skip="lake/_shoal/tmp"):
    """Equal for states that differ in temporary names only."""
    h = hashlib.sha256()
    for path, value in sorted(state.items()):
        if not path.startswith(skip):
            h.update(repr((path, value and hashlib.sha256(value[1]).digest())).encode())
    return h.digest()


def build(state, root, parts, times):
    """Makes the files and folders of the state that are in or below `parts`. `times`: a tree where files of the same path
    and size have the times of the recording, which caches rely on."""
    made = {}
    for path, value in sorted(state.items()):
        if not any(path == p or path.startswith(p + "/") for p in parts):
            continue
        full = os.path.join(root, path)
        if value is None:
            os.makedirs(full, exist_ok=True)
        elif value[0] in made:
            os.link(made[value[0]], full)
        else:
            with open(full, "wb") as f:
                f.write(value[1])
            try:
                was = os.stat(os.path.join(times, path))
                if was.st_size == len(value[1]):
                    os.utime(full, ns=(was.st_atime_ns, was.st_mtime_ns))
            except FileNotFoundError:
                pass
            made[value[0]] = full
