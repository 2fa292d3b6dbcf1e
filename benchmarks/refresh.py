"""What a refresh costs, with ``dg``, the ideal or the bare minimum beside it: one table of ratios from one run.

    make benchmark                                          all of it
    .venv/bin/python benchmarks/refresh.py --only sync      one part; --help names them

What is compared takes turns, and the best of ``--repeat`` runs counts. Absolute times are this machine's; compare the
ratios. Everything is written below ``--directory``, which should be on a real disk, and removed at the end.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from committing import commit_seconds, naive_seconds
from measure import STATEBAKE, Refresher, interleaved, peak_memory, wall
from projects import BYTES, dagster_project, native_project
from table import Figure, Row, markdown, plain

REPO = Path(__file__).resolve().parent.parent
CACHE = REPO / ".cache"
DAGSTER = CACHE / "venvs/dagster-1.13/bin/python"
PYTHON = Path(sys.executable)


@dataclass(frozen=True)
class Bench:
    """What every benchmark is handed: an empty directory, how often to run, and an interpreter that has Dagster."""

    directory: Path
    repeat: int
    dagster: Path


def sync(bench: Bench) -> list[Row]:
    """200 synchronous Dagster components of 0.2 s, and what finding them costs."""
    project = dagster_project(bench.directory / "sync", bench.dagster, 200)
    refresher = Refresher(project, seconds=0.2)
    bare = [bench.dagster, Path(__file__).with_name("bare_dagster.py"), project.directory]
    refresher.warm_up()
    best = interleaved(
        bench.repeat,
        {
            "statebake": refresher.statebake,
            "dg": refresher.dg,
            "bare": lambda: wall(bare, project.directory)[0],
        },
    )
    timing = refresher.timing
    return [
        Row("200 sync Dagster components of 0.2 s", Figure(timing.total), ("dg", Figure(best["dg"])), 0.55),
        Row("  the part after discovery", Figure(timing.fetch), ("ideal", Figure(refresher.ideal(200))), 1.25),
        Row("  discovery", Figure(timing.discovery), ("Dagster's import and tree", Figure(best["bare"])), 1.10),
    ]


def blocking(bench: Bench) -> list[Row]:
    """Six async Dagster components whose body blocks for 1 s; ``dg``'s other costs are those of a run without waits."""
    project = dagster_project(bench.directory / "blocking", bench.dagster, 6, "Blocking")
    refresher = Refresher(project, seconds=1.0)
    refresher.warm_up()
    best = interleaved(
        bench.repeat,
        {"statebake": refresher.statebake, "dg": refresher.dg, "dg at once": lambda: refresher.dg(0.0)},
    )
    dg = Figure(best["dg"] - best["dg at once"])
    what = "6 async components that block for 1 s, after discovery"
    return [Row(what, Figure(refresher.timing.fetch), ("dg", dg), Figure(1.5))]


def isolation(bench: Bench) -> list[Row]:
    """What a fetch costs in a fork of the process that has imported the project, beside one that imports it again."""
    count = 32
    project = dagster_project(bench.directory / "isolation", bench.dagster, count)
    ways = {way: Refresher(project, seconds=0.0, env={"STATEBAKE_ISOLATION": way}) for way in ("fork", "spawn")}
    ways["fork"].warm_up()
    interleaved(bench.repeat, {way: refresher.statebake for way, refresher in ways.items()})
    fork, spawn = (Figure(ways[way].timing.fetch / count) for way in ("fork", "spawn"))
    return [Row("a fetch of 0 s in a fork, Dagster imported", fork, ("an interpreter of its own", spawn), 0.1)]


def native(bench: Bench) -> list[Row]:
    """1,000 native components of 0.5 s."""
    refresher = Refresher(native_project(bench.directory / "native", PYTHON, 1000), seconds=0.5)
    refresher.warm_up()
    interleaved(bench.repeat, {"statebake": refresher.statebake})
    ideal = Figure(refresher.ideal(1000))
    return [
        Row("1,000 native components of 0.5 s, after discovery", Figure(refresher.timing.fetch), ("ideal", ideal), 1.3)
    ]


def commit(bench: Bench) -> list[Row]:
    """Committing 1,000 keys of 20 kB, beside an fsync of each of the same files and nothing else."""
    directory = bench.directory / "commit"
    directory.mkdir()
    best = interleaved(
        bench.repeat,
        {
            "first": lambda: commit_seconds(directory, 1000, 20_000, over=False),
            "over": lambda: commit_seconds(directory, 1000, 20_000, over=True),
            "naive": lambda: naive_seconds(directory, 1000, 20_000),
        },
    )
    peer = ("an fsync of each file", Figure(best["naive"]))
    return [
        Row("committing 1,000 new keys of 20 kB", Figure(best["first"]), peer, Figure(2.0)),
        Row("committing 1,000 keys of 20 kB over old state", Figure(best["over"]), peer, Figure(2.0)),
    ]


def memory(bench: Bench) -> list[Row]:
    """A state file of 2 GB; the largest of the tool's process, the worker and the fetch counts."""
    size = 2_000_000_000
    project = native_project(bench.directory / "memory", PYTHON, 1)
    watch = peak_memory(project, {BYTES: str(size)})
    idle, over = Figure(watch.idle, "B"), Figure(max(watch.peaks.values()) - watch.idle, "B")
    read = Figure(sum(watch.read.values()), "B")
    return [
        Row("2 GB of state: peak memory over the idle worker's", over, ("the idle worker", idle), Figure(150e6, "B")),
        Row("2 GB of state: bytes read", read, ("its size", Figure(size, "B")), 1.05),
    ]


def check(bench: Bench) -> list[Row]:
    """``statebake check`` of 1,000 keys, interpreter and worker included."""
    env = {"STATEBAKE_PYTHON": str(PYTHON)}
    many, one = (native_project(bench.directory / f"check-{count}", PYTHON, count).directory for count in (1000, 1))
    argv = [*STATEBAKE, "check"]
    for directory in (many, one):
        wall([*STATEBAKE, "refresh"], directory, env)
    best = interleaved(
        max(bench.repeat, 5),
        {"many": lambda: wall(argv, many, env)[0], "one": lambda: wall(argv, one, env)[0]},
    )
    return [Row("statebake check of 1,000 keys", Figure(best["many"]), ("of 1 key", Figure(best["one"])), Figure(0.5))]


def help_page(bench: Bench) -> list[Row]:
    """``statebake --help``."""
    best = interleaved(
        max(bench.repeat, 20),
        {
            "statebake": lambda: wall([*STATEBAKE, "--help"], bench.directory)[0],
            "bare": lambda: wall([PYTHON, "-c", "pass"], bench.directory)[0],
        },
    )
    return [Row("statebake --help", Figure(best["statebake"]), ("bare Python", Figure(best["bare"])), Figure(0.15))]


BENCHMARKS: dict[str, Callable[[Bench], list[Row]]] = {
    "sync": sync,
    "blocking": blocking,
    "isolation": isolation,
    "native": native,
    "commit": commit,
    "memory": memory,
    "check": check,
    "help": help_page,
}


def main() -> None:
    """Run the benchmarks and print the table."""
    parser = argparse.ArgumentParser(description="Measure refreshes and print one table.")
    parser.add_argument(
        "--only", action="append", choices=BENCHMARKS, help="only this part; can be given several times"
    )
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="take the best of N runs (default 3)")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--directory", type=Path, default=CACHE, help="where to work: on a real disk (default .cache)")
    parser.add_argument("--dagster", type=Path, default=DAGSTER, metavar="PYTHON", help="the interpreter with Dagster")
    options = parser.parse_args()
    names = options.only or list(BENCHMARKS)
    if not options.dagster.exists() and not {"sync", "blocking", "isolation"}.isdisjoint(names):
        raise SystemExit(f"{options.dagster} is not there: `make benchmark` makes it, --dagster names another")
    options.directory.mkdir(parents=True, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.directory.resolve()) as directory:
        for name in names:
            print(f"{name} …", file=sys.stderr, flush=True)
            rows += BENCHMARKS[name](Bench(Path(directory), max(options.repeat, 1), options.dagster.absolute()))
    print(markdown(rows) if options.markdown else plain(rows))
    print(f"\n{machine(options.directory.resolve())}; the best of {max(options.repeat, 1)} runs or more.")


def machine(directory: Path) -> str:
    """Return what the figures depend on: the system, its cores, the Python, the file system of ``directory``."""
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return system
    found = [line.split()[1:3] for line in mounts.read_text().splitlines()]
    kinds = {Path(place): kind for place, kind in found}
    return f"{system}, {next(kinds[place] for place in (directory, *directory.parents) if place in kinds)}"


if __name__ == "__main__":
    main()
