"""Starting ``statebake`` beside the test, and looking for processes that outlive it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from support.cli import Result, clean_env

MARK = "TEST_MARK"


def start_statebake(*args: str | Path, cwd: Path, env: Mapping[str, str | None]) -> subprocess.Popen[str]:
    """Start ``statebake ARGS`` in a process group of its own, as a shell does."""
    return subprocess.Popen(
        [sys.executable, "-m", "statebake", *map(str, args)],
        cwd=cwd,
        env=clean_env(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], timeout: float) -> Result:
    """Return how a process ended, in at most ``timeout`` seconds."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Result(process.returncode, out, err)


def wait_until(condition: Callable[[], object], what: str, timeout: float = 30) -> None:
    """Return when ``condition`` holds, or fail."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}"
        time.sleep(0.02)


def marked(mark: str) -> list[str]:
    """Return the command line of every running process whose environment has ``TEST_MARK=mark`` (Linux's ``/proc``)."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (directory / "environ").read_bytes().split(b"\0"):
                command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found.append(f"{directory.name} {command}")
        except OSError:  # it ended, or is another user's
            continue
    return found


def signal_marked(mark: str, number: int, wanted: Callable[[str], bool] = bool) -> list[str]:
    """Send a signal to the ``marked`` processes whose command line is ``wanted``, and return these lines.

    One that has ended since it was found needs none.
    """
    lines = [line for line in marked(mark) if wanted(line)]
    for line in lines:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), number)
    return lines
