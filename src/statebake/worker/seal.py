"""Running a program under seals: nothing that it does, or starts, reaches a network or changes a file.

Standard library only: it runs in the tool's interpreter, or in that of an image, before the program's own. What stands
between the program and the world, outermost first, each as far as the system allows it:

1. namespaces (``namespaces``), made here, by ``bwrap``, or by a container engine;
2. a filter of system calls (``seccomp``), which also tells who tried to connect where;
3. the program's own audit hook (``watch``), for the readable stack.

Every line that it writes to standard output begins with the mark that it was given, and is JSON. The program never gets
that mark, but finds another in its standard input, ``load_mark``, for what it has to tell itself:

    {"event": "seals", "by": [...], "missing": [...]}
    {"event": "attempt", "host": …, "port": …, "program": … | null}
    {"event": "timed-out"}
    {"event": "ended", "exit": n | null, "signal": n | null}
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import namespaces, seccomp
from .watch import leads_out

_TICK_MS = 50
_LONGEST_COMMAND = 200
_PDEATHSIG, _SET_DUMPABLE = 1, 4  # of prctl(2)
_SHARED_MEMORY = "/dev/shm"  # noqa: S108
_BWRAP_STAGE = "inside"
THIS_PYTHON = "{python}"


def main(spec: dict[str, Any]) -> int:
    """Run ``argv`` in ``cwd`` with ``env`` (``None``: as they are), ``within_s`` seconds at the most.

    The word ``{python}`` in ``argv`` stands for the interpreter that this runs in.

    ``outside``: whoever started this has made the namespaces, and what they take away. ``scratch``: the one directory
    that can be written. ``without``: seals to leave out, for tests that show what each of them is for.
    """
    mark = spec["mark"]
    _forget_command_line()
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        _die_with_parent()
        try:
            _child(spec, theirs)
        except BaseException as error:
            _say(mark, event="seals", by=[], missing=[f"the seals could not be put on: {error!r}"])
        os._exit(126)
    theirs.close()
    _hide_memory()
    listener = _listener(ours)
    status, late = _supervise(child, listener, spec)
    if late:
        _say(mark, event="timed-out")
    signalled = os.WIFSIGNALED(status)
    _say(
        mark,
        event="ended",
        exit=None if signalled else os.WEXITSTATUS(status),
        signal=os.WTERMSIG(status) if signalled else None,
    )
    return 0


def _child(spec: dict[str, Any], to_parent: socket.socket) -> None:
    by: list[str] = []
    missing: list[str] = []
    networkless = _isolate(spec, to_parent, by, missing)
    listener = None
    if "seccomp" in spec["without"]:
        missing.append("no filter of system calls")
    else:
        try:
            listener = _install(to_parent, networkless=networkless)
            by.append("connections refused (seccomp)")
        except OSError as error:
            missing.append(f"no filter of system calls ({error.strerror})")
    if listener is None:
        missing.append("attempts of compiled extensions and other programs are refused where they can be, but not told")
    to_parent.close()
    _say(spec["mark"], event="seals", by=by, missing=missing)
    _exec(spec)


def _install(to_parent: socket.socket, *, networkless: bool) -> int | None:
    """Put this thread, which goes on to be the program, under the filter; another hands its descriptor over.

    The filter stops every message until somebody answers, and binds the thread that installs it only.
    """
    installed: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def hand_over() -> None:
        if (listener := installed.get()) is not None:
            socket.send_fds(to_parent, [b"."], [listener])

    sender = threading.Thread(target=hand_over)
    sender.start()
    listener = None
    try:
        listener = seccomp.install(networkless=networkless)
    finally:
        installed.put(listener)
        sender.join()
    return listener


def _isolate(spec: dict[str, Any], to_parent: socket.socket, by: list[str], missing: list[str]) -> bool:
    """Take the network and the file system away; return whether there is no network any more."""
    if spec["outside"]:
        by.extend(spec["outside"])
        return True
    if "namespaces" in spec["without"]:
        missing.append("no namespaces, so that files can be written, and programs that are left behind go on")
        return False
    try:
        if "unshare" in spec["without"]:
            raise PermissionError(1, "left out")
        by.extend(namespaces.enter_namespaces(spec["scratch"], lambda: _can_read(spec)))
        _die_with_parent()
    except (OSError, AttributeError) as error:
        if spec["bwrap"] and _can_bwrap(spec):
            _exec_bwrap(spec, to_parent)
        missing.append(
            f"no namespaces ({error}), so that files can be written, and programs that are left behind go on"
        )
        return False
    return True


def _can_read(spec: dict[str, Any]) -> NoReturn:
    """Become the program that finds out whether this user can read what the load needs; it ends with 0 if so.

    It is the interpreter of what is to be sealed, and so it is sealed itself.
    """
    with contextlib.suppress(OSError):
        seccomp.install(networkless=True)  # nobody answers: then what would be told is refused
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    signal.alarm(max(1, int(spec["within_s"])))
    _exec_in_place(spec, spec["trial"])


def _can_bwrap(spec: dict[str, Any]) -> bool:
    """Return whether ``bwrap`` may make namespaces, and this interpreter starts in them: there is no way back."""
    trial = [*_bwrap(spec), sys.executable, "-ISc", ""]
    nothing = subprocess.DEVNULL
    try:
        return not subprocess.run(trial, stdin=nothing, stdout=nothing, stderr=nothing, check=False).returncode
    except OSError:
        return False


def _exec_bwrap(spec: dict[str, Any], to_parent: socket.socket) -> NoReturn:
    """Go on as ``python -m … inside`` below ``bwrap``, which can make namespaces where this process may not."""
    taken = [
        "no network (namespaces, by bwrap)",
        "read-only files",
        "no privileges",
    ]
    inside = {**spec, "outside": taken, "channel": to_parent.fileno()}
    to_parent.set_inheritable(True)
    handed = os.memfd_create("spec", 0)  # not on a command line, which the program could read
    os.write(handed, json.dumps(inside).encode())
    os.execv(spec["bwrap"], [*_bwrap(spec), *spec["stage"], _BWRAP_STAGE, json.dumps(handed)])  # noqa: S606


def _bwrap(spec: dict[str, Any]) -> list[str]:
    nobody = str(namespaces.NOBODY)
    argv = [spec["bwrap"], "--unshare-all", "--unshare-user", "--uid", nobody, "--gid", nobody, "--die-with-parent"]
    argv += ["--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", _SHARED_MEMORY, "--proc", "/proc"]
    return [*argv, "--bind", spec["scratch"], spec["scratch"], "--"]


def inside(handed: int) -> int:
    """Go on after ``bwrap``, as the file ``handed`` says: the rest of the seals, then the program."""
    with open(handed, "rb") as stream:
        stream.seek(0)
        spec = json.load(stream)
    with socket.socket(fileno=spec["channel"]) as to_parent:
        to_parent.set_inheritable(False)
        _child(spec, to_parent)
    return 126


def _exec(spec: dict[str, Any]) -> NoReturn:
    _hand_over(spec["load_mark"])
    argv = [sys.executable if word == THIS_PYTHON else word for word in spec["argv"]]
    try:
        _exec_in_place(spec, argv)
    except OSError as error:
        _say(spec["mark"], event="not-started", program=argv[0], reason=error.strerror, number=error.errno)
        os._exit(127)


def _exec_in_place(spec: dict[str, Any], argv: list[str]) -> NoReturn:
    os.closerange(3, os.sysconf("SC_OPEN_MAX") if os.sysconf("SC_OPEN_MAX") < 1 << 20 else 1 << 16)
    if spec["cwd"]:
        os.chdir(spec["cwd"])
    os.execvpe(argv[0], argv, os.environ if spec["env"] is None else spec["env"])  # noqa: S606


def _hand_over(mark: str) -> None:
    """Have the program find its mark in its standard input."""
    reader, writer = os.pipe()
    os.write(writer, mark.encode())
    os.close(writer)
    os.dup2(reader, 0)
    if reader:
        os.close(reader)


def _forget_command_line() -> None:
    """Overwrite this process's command line, which has its mark: every process that sees this one can read that."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end in proc(5)
        if 0 < start < end:
            ctypes.memset(start, 0, end - start)


def _hide_memory() -> None:
    """Have nobody without privileges read this process's memory, which has its mark."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def _listener(ours: socket.socket) -> int | None:
    """Return the descriptor on which the filter tells of attempts; ``None`` where it does not."""
    with ours:
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    return descriptors[0] if descriptors else None


def _supervise(child: int, listener: int | None, spec: dict[str, Any]) -> tuple[int, bool]:
    """Answer attempts until the child has ended, or its time is over; return its status, and whether that was so."""
    ends_at = time.monotonic() + spec["within_s"]
    poll = select.poll()
    if listener is not None:
        poll.register(listener, select.POLLIN)

    def tell(found: seccomp.Attempt) -> None:
        scheme, _, path = found.host.partition("unix:")
        if not scheme and path and not leads_out(path, spec["scratch"] or "/tmp"):  # noqa: S108
            return
        program = _program(found.command, spec["argv"])
        _say(spec["mark"], event="attempt", host=found.host, port=found.port, program=program)

    late = False
    while True:
        for _, event in poll.poll(_TICK_MS):
            if event & select.POLLIN and listener is not None:
                seccomp.answer(listener, tell)
            elif listener is not None:
                poll.unregister(listener)
                listener = None
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status, late
        if time.monotonic() > ends_at and not late:
            late = True
            os.kill(child, signal.SIGKILL)


def _program(words: Sequence[str], argv: Sequence[str]) -> str | None:
    """Return the command line of a process as it is told; ``None`` for the program itself."""
    if words[-1] == argv[-1]:
        return None
    command = " ".join(words)
    return command if len(command) <= _LONGEST_COMMAND else f"{command[: _LONGEST_COMMAND - 1]}…"


def _die_with_parent() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _say(mark: str, **event: Any) -> None:
    with contextlib.suppress(OSError):
        os.write(1, f"\n{mark}{json.dumps(event)}\n".encode())
