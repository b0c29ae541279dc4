#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many processes write one Delta table of accounts through include/shoal/delta.h: some open accounts (blind appends, which nothing
may refuse), some move money between ten of them (updates, which others may come in the way of), and now and then one is killed
(kill -9) and another one takes its place. Nothing that was acknowledged is lost, no version is given twice, and the money is
conserved in every version. delta-rs reads. SHOAL_WRITERS and SHOAL_SECONDS say how many, and how long: 32 writers by default in
soak, 6 otherwise."""
import collections
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from harness import *  # noqa: E402,F403
import pyarrow

WRITERS = int(os.environ.get("SHOAL_WRITERS", 32 if os.environ.get("SHOAL_EXHAUSTIVE") else 6))
SECONDS = float(os.environ.get("SHOAL_SECONDS", 8 * BUDGET))
WRITER = os.path.join(BUILD, "tests", "delta_writer")
LIBDUCKDB = os.path.join(os.environ.get("SHOAL_DEPS", os.path.join(TREE, ".deps")), "duckdb", "libduckdb.so")
ACCOUNTS, MONEY = 10, 1000


def rows(path, version=None, what="*"):
    table = deltalake.DeltaTable(path, version=version)
    return pyarrow.table(deltalake.QueryBuilder().register("t", table).execute(f"select {what} from t").read_all()).to_pylist()


class Writer:
    def __init__(self, path, number, seconds):
        self.number, self.mover, self.killed = number, number % 3 == 0, False
        self.out = tempfile.TemporaryFile(mode="w+")
        args = ["transfer" if self.mover else "append", path, str(number), f"{seconds:.2f}", *([str(ACCOUNTS)] if self.mover else [])]
        self.process = subprocess.Popen([WRITER, *args], stdin=subprocess.DEVNULL, stdout=self.out, stderr=subprocess.PIPE, text=True, env={**os.environ, "SHOAL_DUCKDB": LIBDUCKDB})

    def kill(self):
        self.killed = True
        self.process.send_signal(signal.SIGKILL)

    def acknowledged(self):
        """What it was told is there. Of one that was killed the last line may be cut."""
        try:
            _, err = self.process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Violation(f"writer {self.number} hangs") from None
        need(self.killed or self.process.returncode == 0, "writer %d: exit %d, %s", self.number, self.process.returncode, err)
        self.out.seek(0)
        return [line.split() for line in self.out.read().split("\n")[:-1]]


def write_for(path, seconds, random):
    """The writers, of which some were killed."""
    end, number = time.monotonic() + seconds, WRITERS
    alive = [Writer(path, i, seconds) for i in range(WRITERS)]
    everyone = list(alive)
    while time.monotonic() < end - 1.5:
        time.sleep(random.uniform(0.1, 6.0 / WRITERS))
        i = random.randrange(len(alive))
        if alive[i].process.poll() is None:
            alive[i].kill()
        number += WRITERS - number % 3 + alive[i].number % 3  # of the same kind
        alive[i] = Writer(path, number, end - time.monotonic())
        everyone.append(alive[i])
    return everyone


def check(path, everyone):
    opened, moved, versions, conflicts = set(), collections.Counter(), collections.Counter(), 0
    for w in everyone:
        for line in w.acknowledged():
            if line[0] == "a":
                opened.add(int(line[1]))
            elif line[0] == "t":
                moved[int(line[1])] -= int(line[3])
                moved[int(line[2])] += int(line[3])
            conflicts += line[0] == "c"
            if line[0] != "c":
                versions[int(line[-1])] += 1
    killed = [w for w in everyone if w.killed]
    need(not [v for v, n in versions.items() if n > 1], "two were told the same version: %s", versions.most_common(3))
    now = rows(path)
    last = deltalake.DeltaTable(path).version()
    ids = collections.Counter(r["id"] for r in now)
    need(max(ids.values()) == 1, "an account is there twice: %s", ids.most_common(3))
    need(opened <= set(ids), "accounts that were opened are lost: %s", sorted(opened - set(ids))[:5])
    more = set(ids) - opened - set(range(ACCOUNTS))
    need(len(more) <= sum(not w.mover for w in killed), "%d accounts that nobody opened", len(more))
    unknown = last - 1 - len(versions)  # committed by the killed, who could not say so
    need(0 <= unknown <= len(killed), "%d versions, %d acknowledged, %d killed", last, len(versions), len(killed))
    wrong = {r["id"]: r["balance"] - MONEY - moved[r["id"]] for r in now if r["id"] < ACCOUNTS and r["balance"] - MONEY - moved[r["id"]]}
    need(len(wrong) <= 2 * sum(w.mover for w in killed), "balances differ from what was moved: %s", wrong)
    return f"{last} versions by {len(everyone)} writers, {len(killed)} killed, {conflicts} conflicts, {unknown} unacknowledged"


def conserved(path, random):
    """The money, at some versions."""
    last = deltalake.DeltaTable(path).version()
    for version in sorted({last, *(random.randrange(1, last + 1) for _ in range(12))}):
        got = rows(path, version, "sum(balance) as money, count(*) as n")[0]
        need(got["money"] == ACCOUNTS * MONEY, "version %d has %s", version, got)


def mixed(cases, name, properties):
    path, seed = os.path.join(cases.folder, name), os.path.join(cases.folder, "accounts.csv")
    r = random.Random(f"{SEED} {name}")
    write(seed, "id,balance\n" + "".join(f"{i},{MONEY}\n" for i in range(ACCOUNTS)))
    for args in (["create", path, "--schema", "id BIGINT NOT NULL, balance BIGINT", *(x for p in properties for x in ("--property", p))], ["append", path, seed]):
        p = subprocess.run([SHOAL, "table", *args], capture_output=True, text=True, env=environment())
        need(p.returncode == 0, "%s", p.stderr)
    note = check(path, write_for(path, SECONDS / 2, r))
    conserved(path, r)
    return note


def main():
    cases = Cases("writers")
    if deltalake is None:
        cases.skip("writers", "there is no delta-rs")
        cases.end()
    cases.run("files are written anew", mixed, cases, "plain", ["delta.checkpointInterval=20"])
    cases.run("deletion vectors, Serializable", mixed, cases, "vectors", ["delta.enableDeletionVectors=true", "delta.checkpointInterval=20"])
    cases.end()


if __name__ == "__main__":
    main()
