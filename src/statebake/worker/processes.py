"""Ending processes with everything that they started, also what was detached from them (standard library only).

On Linux a process can adopt what its descendants leave behind (``PR_SET_CHILD_SUBREAPER``, prctl(2)): a daemon that
forked twice and has a session of its own still shows up among the children of the nearest one that adopts, and can be
ended. Elsewhere only the process group is ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE_S = 1.0  # for what hangs in the kernel
_PAUSE_S = 0.002
LINUX = sys.platform.startswith("linux")


def adopt_orphans() -> None:
    """Have this process become the parent of what its descendants leave behind, where the system can."""
    if LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when its ``parent`` ends, where the system can."""
    signal_at_parents_end(signal.SIGKILL)
    if LINUX and os.getppid() != parent:
        os._exit(1)


def signal_at_parents_end(number: int) -> None:
    """Have the kernel send this process a signal when its parent ends, where the system can."""
    if LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def children(pid: int) -> list[int]:
    """Return the children of a process; none where it is gone or the system does not tell."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (thread / "children").read_text(encoding="ascii").split())
    return found


def end_tree(pid: int) -> None:
    """End a process with all that it started; the caller, whose child it is, reaps it."""
    send(pid, signal.SIGSTOP)  # what is stopped starts nothing more, and still adopts
    end_all(lambda: living_descendants(pid))
    send_group(pid, signal.SIGKILL)
    send(pid, signal.SIGKILL)


def end_children(keep: Collection[int]) -> None:
    """End this process's children but those in ``keep``: what was adopted from processes that have ended; reap them."""

    def strange() -> Iterator[int]:
        for pid in children(os.getpid()):
            if pid not in keep:
                yield from living_descendants(pid)
                if not reaped(pid):
                    yield pid

    end_all(strange)


def end_all(living: Callable[[], Iterator[int]]) -> None:
    """Kill what ``living`` gives until it gives nothing: what is killed may just have started something."""
    limit = time.monotonic() + _PATIENCE_S
    while found := list(living()):
        for number in (signal.SIGSTOP, signal.SIGKILL):  # so that none goes on because another one has ended
            for pid in found:
                send(pid, number)
        if time.monotonic() > limit:  # one hangs in the kernel
            return
        time.sleep(_PAUSE_S)


def living_descendants(pid: int) -> Iterator[int]:
    """Yield all that a process started, directly or not, and that has not ended."""
    for child in children(pid):
        if not is_zombie(child):
            yield child
        yield from living_descendants(child)


def is_zombie(pid: int) -> bool:
    """Return whether a process has ended and only waits to be reaped, or is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return stat.rpartition(")")[2].split()[0] in "ZX"  # after the name, which may have anything in it: the state
    except (OSError, IndexError):
        return True


def reaped(pid: int) -> bool:
    """Reap a child if it has ended; return whether it is gone."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def send_group(pid: int, number: int) -> None:
    """Send a signal to a process group that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
