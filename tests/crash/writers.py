#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many processes at one Delta table of accounts, through include/shoal/delta.h: most open accounts (blind appends, which nothing
may refuse), some move money between ten of them (updates and merges, which others may come in the way of), some read, and now and
then one is killed (kill -9) and another one takes its place. Nothing that was acknowledged is lost, no version is given twice,
versions never go back, and the money is conserved in every version that is read. In the end delta-rs reads. SHOAL_WRITERS says how
many (32 in soak, 6 otherwise), SHOAL_COMMITS after how many commits there are enough, SHOAL_SECONDS how long it may take:

  SHOAL_WRITERS=32 SHOAL_COMMITS=20000 SHOAL_SECONDS=1200 python tests/crash/writers.py"""
import collections
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from harness import *  # noqa: E402,F403
import pyarrow

SOAK = bool(os.environ.get("SHOAL_EXHAUSTIVE"))
WRITERS = int(os.environ.get("SHOAL_WRITERS", 32 if SOAK else 6))
SECONDS = float(os.environ.get("SHOAL_SECONDS", (40 if SOAK else 8) * BUDGET))
COMMITS = int(os.environ.get("SHOAL_COMMITS", 20_000 if SOAK else 10**9))
KINDS = ("transfer", "append", "read", "transfer", "append", "append", "append", "append")  # by a writer's number
WRITER = os.path.join(BUILD, "tests", "delta_writer")
LIBDUCKDB = os.path.join(os.environ.get("SHOAL_DEPS", os.path.join(TREE, ".deps")), "duckdb", "libduckdb.so")
ACCOUNTS, MONEY = 10, 1000


def rows(path, version=None, what="*"):
    table = deltalake.DeltaTable(path, version=version)
    return pyarrow.table(deltalake.QueryBuilder().register("t", table).execute(f"select {what} from t").read_all()).to_pylist()


class Writer:
    def __init__(self, path, number, seconds):
        self.number, self.kind, self.killed = number, KINDS[number % len(KINDS)], False
        self.out = tempfile.TemporaryFile(mode="w+")
        more = {"append": (), "transfer": (ACCOUNTS,), "read": (ACCOUNTS, ACCOUNTS * MONEY)}[self.kind]
        args = [self.kind, path, str(number), f"{seconds:.2f}", *map(str, more)]
        self.process = subprocess.Popen([WRITER, *args], stdin=subprocess.DEVNULL, stdout=self.out, stderr=subprocess.PIPE, text=True, env={**os.environ, "SHOAL_DUCKDB": LIBDUCKDB})

    def kill(self):
        self.killed = True
        self.process.send_signal(signal.SIGKILL)

    def end(self):
        """Waits for it; what it was told is there. Of one that was killed the last line may be cut."""
        try:
            _, err = self.process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Violation(f"writer {self.number} hangs") from None
        need(self.killed or self.process.returncode == 0, "writer %d: exit %d, %s", self.number, self.process.returncode, err)
        self.out.seek(0)
        self.lines = [line.split() for line in self.out.read().split("\n")[:-1]]
        self.out.close()


def write_until(path, seconds, commits, random):
    """The writers, of which some were killed; the others stop once there are commits enough, or the time is over."""
    end, number, made, left = time.monotonic() + seconds, WRITERS, 0, lambda: max(end - time.monotonic(), 0.5)
    alive = [Writer(path, i, seconds) for i in range(WRITERS)]
    everyone = list(alive)
    while time.monotonic() < end and made < commits:
        time.sleep(random.uniform(0.1, 1.0))
        i = random.randrange(len(alive))
        if alive[i].process.poll() is None:
            alive[i].kill()
        alive[i].end()
        number += len(KINDS) - number % len(KINDS) + alive[i].number % len(KINDS)  # of the same kind
        alive[i] = Writer(path, number, left())
        everyone.append(alive[i])
        while os.path.exists(os.path.join(path, "_delta_log", f"{made + 1:020}.json")):
            made += 1
    write(path + ".stop", "")
    for w in alive:
        w.end()
    return everyone


def check(path, everyone):
    opened, moved, versions, conflicts, looks = set(), collections.Counter(), collections.Counter(), 0, 0
    for w in everyone:
        for line in w.lines:
            if line[0] == "a":
                opened.add(int(line[1]))
            elif line[0] == "t":
                moved[int(line[1])] -= int(line[3])
                moved[int(line[2])] += int(line[3])
            conflicts += line[0] == "c"
            looks += line[0] == "r"
            if line[0] in "at":
                versions[int(line[-1])] += 1
    killed = [w for w in everyone if w.killed]
    need(not [v for v, n in versions.items() if n > 1], "two were told the same version: %s", versions.most_common(3))
    now = rows(path)
    last = deltalake.DeltaTable(path).version()
    ids = collections.Counter(r["id"] for r in now)
    need(max(ids.values()) == 1, "an account is there twice: %s", ids.most_common(3))
    need(opened <= set(ids), "accounts that were opened are lost: %s", sorted(opened - set(ids))[:5])
    more = set(ids) - opened - set(range(ACCOUNTS))
    need(len(more) <= sum(w.kind == "append" for w in killed), "%d accounts that nobody opened", len(more))
    unknown = last - 1 - len(versions)  # committed by the killed, who could not say so
    need(0 <= unknown <= len(killed), "%d versions, %d acknowledged, %d killed", last, len(versions), len(killed))
    wrong = {r["id"]: r["balance"] - MONEY - moved[r["id"]] for r in now if r["id"] < ACCOUNTS and r["balance"] - MONEY - moved[r["id"]]}
    need(len(wrong) <= 2 * sum(w.kind == "transfer" for w in killed), "balances differ from what was moved: %s", wrong)
    return f"{last} versions by {len(everyone)} processes, {len(killed)} killed, {conflicts} conflicts, {unknown} unacknowledged, {looks} looks"


def conserved(path, random):
    """The money, at some versions."""
    last = deltalake.DeltaTable(path).version()
    for version in sorted({last, *(random.randrange(1, last + 1) for _ in range(12))}):
        got = rows(path, version, "sum(balance) as money")[0]
        need(got["money"] == ACCOUNTS * MONEY, "version %d has %s", version, got)


def mixed(cases, name, properties):
    path, seed = os.path.join(cases.folder, name), os.path.join(cases.folder, "accounts.csv")
    r = random.Random(f"{SEED} {name}")
    write(seed, "id,balance\n" + "".join(f"{i},{MONEY}\n" for i in range(ACCOUNTS)))
    for args in (["create", path, "--schema", "id BIGINT NOT NULL, balance BIGINT", *(x for p in properties for x in ("--property", p))], ["append", path, seed]):
        p = subprocess.run([SHOAL, "table", *args], capture_output=True, text=True, env=environment())
        need(p.returncode == 0, "%s", p.stderr)
    began = time.monotonic()
    everyone = write_until(path, SECONDS / 2, COMMITS / 2, r)
    took = time.monotonic() - began
    note = check(path, everyone)
    conserved(path, r)
    return f"{note}, {took:.0f} s"


def main():
    cases = Cases("writers")
    if deltalake is None:
        cases.skip("writers", "there is no delta-rs")
        cases.end()
    cases.run("files are written anew", mixed, cases, "plain", ["delta.checkpointInterval=50"])
    cases.run("deletion vectors, Serializable", mixed, cases, "vectors", ["delta.enableDeletionVectors=true", "delta.isolationLevel=Serializable", "delta.checkpointInterval=100"])
    cases.end()


if __name__ == "__main__":
    main()
