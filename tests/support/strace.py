"""Failing one system call of a process after the other with strace(1)."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.cli import clean_env
from support.rounds import FULL
from support.writers import STOPS

# What changes a file system. A kill before any other call leaves what a kill before the next of these does.
_CHANGES = ("write", "pwrite64", "sendfile", "ftruncate", "fsync", "mkdir", "rename", "renameat2", "unlink", "rmdir")
_TAKES_SPACE = ("openat", "write", "pwrite64", "sendfile", "fsync", "mkdir", "rename", "renameat2")
_OTHERS = ("openat", "chmod", "read", "getdents64", "flock")
_LOOKS = ("newfstatat",) if FULL else ()  # as many as all others together


@dataclass(frozen=True)
class Fault:
    """What happens instead of a system call, as in strace's ``inject=``, and the calls that it can happen to."""

    what: str
    calls: tuple[str, ...]


FAULTS = {
    "killed": Fault("signal=SIGKILL", _CHANGES),
    "EIO": Fault("error=EIO", (*_CHANGES, *_OTHERS, *_LOOKS)),
    "ENOSPC": Fault("error=ENOSPC", _TAKES_SPACE),
}


@dataclass(frozen=True)
class Traced:
    """How a traced program ended, and whether the fault came to it."""

    code: int
    err: str
    hit: bool


def run_with_fault(argv: Sequence[str | Path], fault: str, log: Path, *, always: Sequence[str] = ()) -> Traced:
    """Run a program that knows ``STOPS`` with a fault (``CALL:WHAT:when=N``); ``always``: faults besides."""
    program = subprocess.Popen(
        argv,
        env=clean_env({STOPS: "1", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    _, status = os.waitpid(program.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), program.communicate()
    faults = [fault, *always]
    calls = ",".join(one.split(":")[0] for one in faults)
    given = [word for one in faults for word in ("-e", f"inject={one}")]
    argv = ["strace", "-p", str(program.pid), "-o", log, "-e", "signal=none", "-e", f"trace={calls}", *given]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        said = strace.stderr.readline()
        program.send_signal(signal.SIGCONT)
        _, err = program.communicate(timeout=60)
        assert "attached" in said, said
    call = fault.split(":", maxsplit=1)[0]
    lines = log.read_text(errors="replace").splitlines()
    hit = any(line.startswith(f"{call}(") and "(INJECTED)" in line for line in lines)
    return Traced(program.returncode, err, hit or program.returncode == -signal.SIGKILL)
