# SPDX-License-Identifier: Apache-2.0
"""`make install`: what is installed works from where it is, without the build."""
import shutil
import sys
import tempfile

import polars

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from harness import *  # noqa: E402,F403


@case
def what_is_installed_runs_from_its_prefix():
    prefix = tempfile.mkdtemp(prefix="shoal-cli-", dir="/tmp")
    subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
    for path in ("bin/shoal", "lib/libshoal.a", "lib/shoal/libduckdb.so", "include/shoal/error.h", "share/man/man1/shoal.1",
                 "share/bash-completion/completions/shoal", "share/zsh/site-functions/_shoal", "share/fish/vendor_completions.d/shoal.fish"):
        assert os.path.getsize(f"{prefix}/{path}") > 500, path
    p = Project({"models/a.sql": "select 42 as x\n"})
    del p.env["HOME"]
    r = subprocess.run([prefix + "/bin/shoal", "run"], cwd=p.dir, env={k: v for k, v in p.env.items() if k != "SHOAL_DUCKDB"}, capture_output=True, text=True)
    same((r.returncode, r.stderr), (0, ""))
    has(r.stdout, "published #1 on main")
    checks = subprocess.run([prefix + "/bin/shoal", "doctor"], cwd=p.dir, env=p.env, capture_output=True, text=True).stdout
    has(checks, "ok    engine")
    # the library and its headers
    p.write({"t.c": '#include <shoal/error.h>\n#include <string.h>\nint main(void) {\n  shoal_error e;\n'
                    '  return shoal_fail(&e, SHOAL_EINVAL, "%d", 7) != SHOAL_EINVAL || strcmp(e.message, "7");\n}\n'})
    subprocess.run(["cc", "t.c", f"-I{prefix}/include", f"-L{prefix}/lib", "-lshoal", "-o", "t"], cwd=p.dir, check=True)
    subprocess.run(["./t"], cwd=p.dir, check=True)
    example_of_the_library(p, prefix)
    p.remove()
    shutil.rmtree(prefix)


def example_of_the_library(p, prefix):
    """examples/delta/people.c, by the installed header and library alone."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/delta/people.c")
    with open(source, encoding="utf-8") as f:
        assert len(f.readlines()) < 60
    warnings = ["-std=c17", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *warnings, source, f"-I{prefix}/include", f"-L{prefix}/lib", "-lshoal", "-lm", "-lpthread", "-ldl", "-o", "people"], cwd=p.dir, check=True)
    p.write({"people.csv": "name,age\nann,33\nbob,17\ncid,44\ndan,55\n", "more.csv": "age,name\n66,eve\n"})
    p.shoal("table", "create", "./from", "--as", "people.csv", "--property", "delta.enableDeletionVectors=true")
    env = {**p.env, "SHOAL_DUCKDB": prefix + "/lib/shoal/libduckdb.so"}

    def people():
        return subprocess.run(["./people", "from", "to"], cwd=p.dir, env=env, capture_output=True, text=True)

    same(people().stdout, "3 adults in version 0, 2 after 1 was forgotten\n")
    p.shoal("table", "append", "./from", "more.csv")
    p.shoal("table", "delete", "./from", "--where", "name = 'dan'")
    same(people().stdout, "5 adults in version 2, 4 after 1 was forgotten\n")  # ann, cid and eve came to cid and dan
    same(sorted(polars.read_delta(p.dir + "/to")["name"].to_list()), ["cid", "cid", "dan", "eve"])
    p.shoal("table", "create", "./odd", "--schema", "colour VARCHAR")
    bad = subprocess.run(["./people", "odd", "to"], cwd=p.dir, env=env, capture_output=True, text=True)
    same(bad.returncode, 1)
    has(bad.stderr, "age")
    bad = subprocess.run(["./people", "nowhere", "to"], cwd=p.dir, env=env, capture_output=True, text=True)
    has(bad.stderr, "no Delta table")


if __name__ == "__main__":
    main()
