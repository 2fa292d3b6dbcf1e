"""Processes that outlive the one that started them: how they are started, found again and ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from lab.places import LabError, running

_PROGRAMS = ("conmon", "containerd", "docker-registry", "dockerd", "runc")


def launch(argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> None:
    """Start a daemon as nobody's child, in a session of its own, its output in ``log``."""
    with log.open("ab") as stream:
        subprocess.run(
            ["setsid", "--fork", *argv],
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd="/",
            check=True,
        )


def await_answer(answers: Callable[[], object], log: Path, seconds: float = 60) -> None:
    """Return when ``answers`` does; raise ``LabError`` with the end of ``log`` where that takes too long.

    ``log`` lies in the daemon's directory and bears its name.
    """
    begun = time.monotonic()
    while not answers():
        waited = time.monotonic() - begun
        gone = waited > 2 and log.stem not in {name for _, name in processes(log.parent)}
        if gone or waited > seconds:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            how = "has ended" if gone else f"does not answer after {seconds} s"
            raise LabError(f"{log.stem} {how}; the end of {log}:\n{tail}")
        time.sleep(0.05)


def processes(*directories: Path) -> Iterator[tuple[int, str]]:
    """Yield the process id and the program of every daemon of these directories: one that was told a path below.

    A process whose root is a layer that lies there counts as well; its program is given as ``inside``. All are looked
    for in ``/proc``, not in files: a run that was killed may have written none.
    """
    below = [f"{directory}/" for directory in directories]
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            program, *arguments = (place / "cmdline").read_text(errors="replace").split("\0")
            if program and any(path in root for path in below for root in _root_mount(place)):
                yield int(place.name), "inside"
            elif Path(program).name.startswith(_PROGRAMS) and any(path in one for path in below for one in arguments):
                yield int(place.name), Path(program).name


def _root_mount(process: Path) -> list[str]:
    return [line for line in (process / "mountinfo").read_text(errors="replace").splitlines() if " / / " in line]


def end(*directories: Path, order: Sequence[str] = (), seconds: float = 20) -> None:
    """End every daemon of these directories by its process id, those named in ``order`` first and one after the other.

    What runs inside layers is ended last, where the daemons did not do so, and at once.
    """
    for program in (*order, ""):
        pids = [pid for pid, name in processes(*directories) if name.startswith(program)]
        _end(pids, signal.SIGTERM if program else signal.SIGKILL, seconds)
        _end(pids, signal.SIGKILL, 5)
    if left := list(processes(*directories)):
        raise LabError(f"these do not end: {left}")


def _end(pids: Sequence[int], sign: signal.Signals, seconds: float) -> None:
    left, deadline = list(filter(_alive, pids)), time.monotonic() + seconds
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)
    while (left := list(filter(_alive, left))) and time.monotonic() < deadline:
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent has no command line any more."""
    with contextlib.suppress(OSError):
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    return False


def clear(directory: Path, *others: Path) -> None:
    """Unmount what daemons that have ended left in these directories, and remove the first."""
    if not directory.is_relative_to(running()):
        raise LabError(f"not a directory of the lab: {directory}")
    for path in _mounts(directory, *others):
        subprocess.run(["umount", "--lazy", path], check=False, capture_output=True)
    if left := _mounts(directory, *others):
        raise LabError(f"these cannot be unmounted: {left}")
    shutil.rmtree(directory, ignore_errors=True)


def _mounts(*directories: Path) -> list[Path]:
    """Return where something is mounted at or below these directories, the innermost first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    places = [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
    return [path for path in reversed(places) if any(path.is_relative_to(one) for one in directories)]
