# SPDX-License-Identifier: Apache-2.0
"""Help texts: their shape, and that every example in them runs as printed, in the demo project."""
import shutil
import sys
import tempfile

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/support")
from harness import *  # noqa: E402,F403

WITHOUT = {"shoal completion fish | source": "fish", "shoal graph -o graph.svg": "dot"}  # what an example needs beside Shoal

TYPED = "from gold.delays limit 1\n"  # for who asks: shoal sql


def verbs():
    text = subprocess.run([SHOAL, "--help"], capture_output=True, text=True, check=True).stdout
    outer = [line.split()[0] for line in text.splitlines() if line.startswith("  ")]
    return [name for verb in outer for name in [verb, *inner(verb)]]


def inner(verb):
    """The verbs of a verb, as "table delete"."""
    listed = help_of(verb).split("\n\n")[2] if verb == "table" else ""
    return [f"{verb} {line.split()[0]}" for line in listed.splitlines()]


def help_of(verb, *more):
    return subprocess.run([SHOAL, *verb.split(), "--help", *more], capture_output=True, text=True, check=True).stdout


def examples(text):
    """The commands below "examples:": a line each, or one and its explanation below it."""
    lines = text.split("\nexamples:\n")[1].splitlines()
    return [re.split(r"\s{2,}", line.strip())[0] for line in lines if line.startswith("  ") and line[2] != " "]


@case
def help_is_short_and_help_all_is_not():
    for verb in verbs():
        short, long = help_of(verb), help_of(verb, "all")
        head = short.splitlines()[0]
        assert head.endswith(".") and head.count(".") <= 3 and len(head) < 100, head
        has(short, f"usage: shoal {verb}", "--help all")
        options = re.findall(r"^  (?:-\w, |    )--([\w-]+)", short, re.M)
        assert len(options) <= 5, (verb, options)
        assert len(examples(short)) == 2, (verb, examples(short))
        has(long, "--lake PATH", "--json", *["--" + o for o in options], *examples(short))
        assert all(len(line) <= 120 for line in long.splitlines()), verb


def data(folder):
    """The demo's five files, made up: 300,100 flights, since fewer fail its expectations."""
    def write(name, lines):
        with open(f"{folder}/{name}.csv", "w") as f:
            f.write("\n".join(lines) + "\n")
    carriers, origins, planes = ["AA", "B6", "DL", "UA"], ["EWR", "JFK", "LGA"], [f"N{i:05}" for i in range(200)]
    write("airlines", ["carrier,name"] + [f"{c},{c} Airlines" for c in carriers])
    write("airports", ["faa,name,lat,lon,alt,tz,dst,tzone"] + [f"{a},{a} Airport,40.{i},-73.{i},{i},-5,A,America/New_York" for i, a in enumerate(origins + ["IAH", "MIA"])])
    write("planes", ["tailnum,year,type,manufacturer,model,engines,seats,speed,engine"] + [f"{t},{1990 + i % 20},Fixed wing,MAKER,M{i % 9},2,{50 + i},NA,Turbo-fan" for i, t in enumerate(planes)])
    write("weather", ["origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour"] +
          [f"{o},2013,{m},{d},{h},{40 + h}.5,30.2,60.1,270,{h}.3,NA,{0.1 if h == 5 else 0},1012,10,2013-{m:02}-{d:02}T{h:02}:00:00Z"
           for o in origins for m in range(1, 13) for d in range(1, 29, 3) for h in range(0, 24, 3)])
    flights = ["year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour"]
    for i in range(300_100):
        m, d, h, late = i % 12 + 1, i % 28 + 1, i % 24, i * 7 % 60 - 10
        dep = "NA" if i % 40 == 0 else h * 100 + 5
        flights.append(f"2013,{m},{d},{dep},{h * 100},{'NA' if dep == 'NA' else late},{dep},{h * 100},{'NA' if dep == 'NA' else late},{carriers[i % 4]},{i % 900 + 1},"
                       f"{planes[i % 200]},{origins[i % 3]},{'IAH' if i % 2 else 'MIA'},{'NA' if dep == 'NA' else 100 + i % 99},{500 + i % 1000},{h},0,2013-{m:02}-{d:02}T{h:02}:00:00Z")
    write("flights", flights)


@case
def every_example_runs_as_printed():
    folder = tempfile.mkdtemp(prefix="shoal-cli-", dir="/tmp")
    os.mkdir(folder + "/data")
    data(folder + "/data")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SHOAL_BRANCH", "GIT_"))}
    env.update(HOME=folder, GIT_CONFIG_NOSYSTEM="1", NO_COLOR="1", SHOAL_DEMO_DATA=folder + "/data", PATH=os.path.dirname(os.path.abspath(SHOAL)) + ":" + os.environ["PATH"])

    def bash(command, cwd):
        r = subprocess.run(["bash", "-c", command], cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, input=TYPED)
        if r.returncode:
            raise AssertionError(f"$ {command}\nexit {r.returncode}\n{r.stdout}")
        return r.stdout

    demo = folder + "/flights"
    for verb in verbs():
        for command in examples(help_of(verb, "all")):
            if command in WITHOUT and not shutil.which(WITHOUT[command]):
                print(f"  not run, there is no {WITHOUT[command]}: {command}")
                continue
            out = bash(command, folder if verb == "init" else demo)
            if not command.startswith("eval"):
                assert out.strip(), f"$ {command}\nprinted nothing"
        if verb == "rm":  # all is back for what follows
            bash("shoal run", demo)
        if verb == "init":  # a history for what follows
            bash("git config user.name t && git config user.email t@t && shoal run && sed -i s/avg/median/ models/gold/delays.sql && "
                 "git commit -qam median && shoal run", demo)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
