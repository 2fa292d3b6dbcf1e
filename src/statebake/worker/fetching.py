"""One fetch, in a process of its own: a fork of the worker, or an interpreter that imports the project again.

A fork costs milliseconds and imports nothing, and a fetch that hangs, dies or leaks takes only itself along; threads
share their fate, and a pool of workers pays the import, seconds for Dagster, per worker. Libraries whose threads or
connections do not survive a fork need ``isolation = "spawn"``. What was measured is in ``CONTRIBUTING.md``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from .errors import failure
from .loading import Host, load
from .processes import LINUX, adopt_orphans, die_with_parent

_FIRST_TO_DIE = "800"  # of 1000, see proc(5): when memory runs out, a fetch ends and not the worker


def run_fetch(
    host: Host, discover: dict[str, Any], request: dict[str, Any], report_fd: int, printed_fd: int
) -> NoReturn:
    """Run one fetch in a forked child of the worker, report how it ended, and never return."""
    parent = os.getppid()
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    die_with_parent(parent)
    adopt_orphans()
    with contextlib.suppress(OSError):
        if LINUX:
            Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_DIE, encoding="ascii")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    error = None
    try:
        os.dup2(printed_fd, 1)
        os.dup2(printed_fd, 2)
        os.close(printed_fd)
        if request["spawn"]:
            os.set_inheritable(report_fd, True)
            job = json.dumps({"discover": discover, "fetch": request})
            entry = str(Path(__file__).with_name("entry.py"))
            os.execv(sys.executable, [sys.executable, entry, "fetch", job, str(report_fd)])  # noqa: S606
        host.fetch(request["component"], Path(request["state_path"]))
    except BaseException as raised:
        error = failure(raised, discover["project"])
    report(error, report_fd)


def fetch_alone(text: str, report_fd: int) -> int:
    """Import the project again in a fresh interpreter, and run the one fetch that ``text`` describes."""
    os.set_inheritable(report_fd, False)
    job = json.loads(text)
    host, message = load(job["discover"])
    error = None
    try:
        if host is None:
            raise ImportError(f'{message["message"]} (imported again for isolation = "spawn")')
        found = message["components"][job["fetch"]["component"]]
        if found["key"] != job["fetch"]["key"]:
            raise ImportError(f"the project has other components when it is imported again: {found['key']}")
        host.fetch(job["fetch"]["component"], Path(job["fetch"]["state_path"]))
    except BaseException as raised:
        error = failure(raised, job["discover"]["project"])
    report(error, report_fd)


def report(error: dict[str, Any] | None, report_fd: int) -> NoReturn:
    """Say how the fetch ended, and end the process."""
    flush_streams()
    status = 0
    try:
        data = (json.dumps({"error": error}) + "\n").encode()
        while data:
            data = data[os.write(report_fd, data) :]
    except BaseException:
        status = 1
    os._exit(status)


def reported(said: bytes) -> Any:
    """Return what a child reported: ``None`` for success; what is no report is an error as well."""
    try:
        return json.loads(said)["error"]
    except (ValueError, TypeError, KeyError, RecursionError):
        message = "it wrote into a descriptor that is not its own, statebake's pipe"
        return {"type": "GarbledReport", "message": message, "traceback": "", "permanent": True, "retry_after": None}


def not_started(error: OSError) -> dict[str, Any]:
    """Return what is reported of a fetch that the system has no room for."""
    message = f"no process can be started for it: {error.strerror}"
    return {"type": "NotStarted", "message": message, "traceback": "", "permanent": False, "retry_after": None}


def flush_streams() -> None:
    """Flush what user code left of the streams: they may be closed, ``None``, or anything."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
