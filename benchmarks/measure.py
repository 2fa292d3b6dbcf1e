"""Running programs, and what they took: wall time, memory, bytes read."""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from projects import SECONDS, BenchProject

# What a run must not inherit from the person who starts it.
_DROPPED = ("STATEBAKE_", "DAGSTER_", "BENCHMARK_", "VIRTUAL_ENV", "PYTHONPATH")
_SAMPLE_S = 0.005
STATEBAKE = (sys.executable, "-m", "statebake")


def interleaved(repeat: int, subjects: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """Return the least of ``repeat`` values of each subject; they take turns, so that all have the same noise."""
    best = dict.fromkeys(subjects, math.inf)
    for _ in range(repeat):
        for name, subject in subjects.items():
            best[name] = min(best[name], subject())
    return best


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a run."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    return {**env, "NO_COLOR": "1", "DAGSTER_DISABLE_TELEMETRY": "yes", "DO_NOT_TRACK": "1", **extra}


def wall(argv: Sequence[str | Path], cwd: Path, env: Mapping[str, str] | None = None) -> tuple[float, str]:
    """Run a program and return its seconds and its standard output; one that fails ends the benchmark."""
    begin = time.perf_counter()
    process = start(argv, cwd, env or {})
    out, err = process.communicate()
    seconds = time.perf_counter() - begin
    must_have_ended_well(process, out, err)
    return seconds, out


def start(argv: Sequence[str | Path], cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a program."""
    return subprocess.Popen(
        [str(part) for part in argv],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def must_have_ended_well(process: subprocess.Popen[str], out: str, err: str) -> None:
    """End the benchmark with what a failed program said."""
    if process.returncode:
        raise SystemExit(f"{process.args!r} ended with {process.returncode}\n{out[-2000:]}\n{err[-2000:]}")


@dataclass
class Timing:
    """The best seconds of a refresh and of its parts."""

    total: float = math.inf
    discovery: float = math.inf
    fetch: float = math.inf

    def add(self, total: float, discovery: float, fetch: float) -> None:
        """Keep the best."""
        self.total = min(self.total, total)
        self.discovery = min(self.discovery, discovery)
        self.fetch = min(self.fetch, fetch)


@dataclass
class Refresher:
    """Refreshes a project with statebake, or with ``dg``, from no state each time.

    Attributes:
        env: further variables for statebake.
        timing: the best of statebake's own runs so far.
    """

    project: BenchProject
    seconds: float
    env: Mapping[str, str] = field(default_factory=dict)
    timing: Timing = field(default_factory=Timing)

    def statebake(self) -> float:
        """Return the seconds of ``statebake refresh``, and keep those of its parts."""
        self.project.forget()
        total, out = self._run("refresh", "--format", "json")
        parts = json.loads(out)["projects"][0].get("timing")
        if parts is None:  # it does not say: all but a run that ends after the discovery
            dry, _ = self._run("refresh", "--dry-run")
            parts = {"discovery_s": dry, "fetch_s": total - dry}
        self.timing.add(total, parts["discovery_s"], parts["fetch_s"])
        return total

    def dg(self, seconds: float | None = None) -> float:
        """Return the seconds of ``dg utils refresh-defs-state``, in the project's own environment."""
        self.project.forget()
        bin_dir = self.project.python.parent
        env = {
            "VIRTUAL_ENV": str(bin_dir.parent),
            "PATH": f"{bin_dir}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.project.directory / "src"),
            SECONDS: str(self.seconds if seconds is None else seconds),
        }
        return wall([bin_dir / "dg", "utils", "refresh-defs-state"], self.project.directory, env)[0]

    def warm_up(self) -> None:
        """Have everything imported once: the first import of a module compiles it."""
        self._run("refresh", "--dry-run")

    def ideal(self, count: int) -> float:
        """Return the least seconds that ``count`` fetches can take with the tool's own number of jobs."""
        _, out = self._run("config", "--format", "json")
        jobs = json.loads(out)["projects"][0]["settings"]["jobs"]["value"]
        return self.seconds * math.ceil(count / int(jobs))

    def _run(self, *arguments: str) -> tuple[float, str]:
        env = {"STATEBAKE_PYTHON": str(self.project.python), SECONDS: str(self.seconds), **self.env}
        return wall([*STATEBAKE, *arguments], self.project.directory, env)


@dataclass
class Watch:
    """What a process and its descendants took, sampled from ``/proc`` (proc(5)).

    Attributes:
        idle: bytes resident in the worker just before its first fetch.
        peaks: the most bytes ever resident, by process.
        read: bytes read with system calls, from files and pipes, by process.
    """

    idle: int = 0
    peaks: dict[int, int] = field(default_factory=dict)
    read: dict[int, int] = field(default_factory=dict)

    def follow(self, process: subprocess.Popen[str]) -> None:
        """Sample until the process has ended; its output must fit into a pipe."""
        worker_now = 0
        while process.poll() is None:
            workers = _children(process.pid)
            fetches = [child for worker in workers for child in _children(worker)]
            if not fetches and not self.idle:
                worker_now = max([_status(worker, "VmRSS") for worker in workers], default=0) or worker_now
            elif not self.idle:
                self.idle = worker_now
            for pid in (process.pid, *workers, *fetches):
                self.peaks[pid] = max(self.peaks.get(pid, 0), _status(pid, "VmHWM"))
                self.read[pid] = max(self.read.get(pid, 0), _read_so_far(pid))
            time.sleep(_SAMPLE_S)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, thread.read_text().split())
    return found


def _status(pid: int, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0


def _read_so_far(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/io").read_text().split()[1])
    return 0


def peak_memory(project: BenchProject, env: Mapping[str, Any]) -> Watch:
    """Refresh a project from no state and return what that took."""
    project.forget()
    watch = Watch()
    process = start([*STATEBAKE, "refresh"], project.directory, {"STATEBAKE_PYTHON": str(project.python), **env})
    watch.follow(process)
    must_have_ended_well(process, *process.communicate())
    return watch
