"""The worker: imports a project once, says what it found, and runs every fetch in a forked child.

Standard library only. Speaks JSON lines on two descriptors that user code does not know, so that prints cannot corrupt
the talk. A fetch has succeeded when its child has *said* so: an exit code proves nothing, for ``os._exit(0)`` may come
before the state is written.

In:   {"do": "discover", "host": …, "project": …, "paths": [...], "defs_module": …}
      {"do": "fetch", "id": n, "component": n, "state_path": …, "log": …}
Out:  {"event": "discovered", …} | {"event": "failed", "code": …, …}
      {"event": "fetched", "id": n, "error": null | {…}}
      {"event": "died", "id": n, "signal": n | null, "exit": n | null}
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import os
import selectors
import signal
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

_PR_SET_PDEATHSIG = 1
_REAP_S = 0.5
_LONGEST = 100_000  # characters of an exception's message


def serve(in_fd: int, out_fd: int) -> int:
    """Answer requests until the tool closes its end; returns the exit code."""
    for descriptor in (in_fd, out_fd):
        os.set_inheritable(descriptor, False)
    server = Server(in_fd, out_fd)
    server.restore_process()
    try:
        server.run()
    finally:
        server.kill_all()
    return 0


class Host(Protocol):
    """What ``<name>_host.py`` has under the name ``Host``."""

    def discover(self) -> dict[str, Any]:
        """Return the fields of the ``discovered`` message; raises ``HostError``."""

    def fetch(self, number: int, state_path: Path) -> None:
        """Have the component of that number in the message write its state; raises what it raises."""


@dataclass
class Child:
    """A forked child that runs a fetch: the read end of its pipe, and what came through it so far."""

    pid: int
    pipe: int
    said: bytes = b""


class Server:
    """Answers the requests that come on one descriptor on another one."""

    def __init__(self, in_fd: int, out_fd: int) -> None:
        self.in_fd = in_fd
        self.out_fd = out_fd
        self.host: Host | None = None
        self.project = ""
        self.children: dict[int, Child] = {}
        self.selector = selectors.DefaultSelector()
        self.selector.register(in_fd, selectors.EVENT_READ, None)
        self.buffer = b""

    def run(self) -> None:
        """Answer until the other end is closed."""
        while True:
            for key, _ in self.selector.select(timeout=_REAP_S if self.children else None):
                if key.data is None:
                    if not self.read_requests():
                        return
                elif key.data in self.children:
                    self.read_child(key.data)
            self.reap()

    def read_requests(self) -> bool:
        """Answer what has come; return whether more can come."""
        data = os.read(self.in_fd, 1 << 16)
        if not data:
            return False
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if request["do"] == "discover":
                self.say(self.discover(request))
            else:
                self.start_fetch(request)
        return True

    def say(self, message: dict[str, Any]) -> None:
        """Send one message."""
        data = (json.dumps(message) + "\n").encode()
        while data:
            data = data[os.write(self.out_fd, data) :]

    def discover(self, request: dict[str, Any]) -> dict[str, Any]:
        """Import the project and return the message that says what is in it, or why it cannot be imported."""
        here = Path(__file__).parent
        self.project = request["project"]
        spec = importlib.util.spec_from_file_location("_statebake_host", here / f"{request['host']}_host.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        sys.path[:0] = [path for path in request["paths"] if path not in sys.path]
        try:
            spec.loader.exec_module(module)
            self.host = module.Host(request)
            found = self.host.discover()
        except BaseException as error:
            if isinstance(error, HostError):
                return {"event": "failed", **error.fields}
            return {
                "event": "failed",
                "code": "PROJECT_IMPORT",
                "message": f"The project cannot be imported: {describe(error)}",
                "where": user_line(error, self.project),
                "detail": short_traceback(error, self.project),
            }
        return {"event": "discovered", "python": interpreter(), **found}

    def start_fetch(self, request: dict[str, Any]) -> None:
        """Fork the child that fetches."""
        self.restore_process()
        flush_streams()
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(read_end)
                self.child(request, write_end)
            finally:
                os._exit(1)  # not even an error leads back into the worker's loop, which would end the siblings
        os.close(write_end)
        os.set_blocking(read_end, False)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # here as well as in the child: whoever comes first
        self.children[request["id"]] = Child(pid, read_end)
        self.selector.register(read_end, selectors.EVENT_READ, request["id"])

    def restore_process(self) -> None:
        """Undo what the project's import may have done to what the worker depends on: signals, descriptors 0 to 2."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tool decides when to stop
        signal.signal(signal.SIGTERM, lambda *_: self.abandon())
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, no child could be waited for
        for number in range(3):
            try:
                os.fstat(number)
            except OSError:  # closed: a pipe would take its place, and then a fetch's log the pipe's
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)

    def child(self, request: dict[str, Any], report_fd: int) -> NoReturn:
        """Run one fetch in the forked child and never return."""
        parent = os.getppid()
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        die_with_parent(parent)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.close(self.in_fd)
        os.close(self.out_fd)
        for other in self.children.values():
            os.close(other.pipe)
        error = None
        try:
            log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.close(log)
            assert self.host is not None
            self.host.fetch(request["component"], Path(request["state_path"]))
        except BaseException as raised:
            error = {
                "type": raised.__class__.__name__,
                "message": describe(raised),
                "traceback": short_traceback(raised, self.project),
            }
        flush_streams()
        status = 0
        try:
            data = (json.dumps({"error": error}) + "\n").encode()
            while data:
                data = data[os.write(report_fd, data) :]
        except BaseException:
            status = 1
        os._exit(status)

    def read_child(self, fetch_id: int) -> None:
        """Take what a child says; after its last word, end and report it."""
        pid = self.children[fetch_id].pid
        if self.drain(fetch_id):
            kill_group(pid)  # after its word, or after its death, nothing of it goes on
            self.finish(fetch_id, os.waitpid(pid, 0)[1])

    def drain(self, fetch_id: int) -> bool:
        """Read what a child has said so far; return whether it will say no more."""
        child = self.children[fetch_id]
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(child.pipe, 1 << 16):
                child.said += chunk
            return True
        return child.said.endswith(b"\n")

    def reap(self) -> None:
        """Notice the children that died while a process of theirs keeps the pipe open."""
        for fetch_id, child in list(self.children.items()):
            reaped, status = os.waitpid(child.pid, os.WNOHANG)
            if reaped:
                kill_group(child.pid, leader=False)  # its own number may be another process's by now
                self.drain(fetch_id)
                self.finish(fetch_id, status)

    def finish(self, fetch_id: int, status: int) -> None:
        """Report a child that has ended."""
        child = self.children.pop(fetch_id)
        self.selector.unregister(child.pipe)
        os.close(child.pipe)
        if child.said.endswith(b"\n"):
            self.say({"event": "fetched", "id": fetch_id, "error": reported_error(child.said)})
        elif os.WIFSIGNALED(status):
            self.say({"event": "died", "id": fetch_id, "signal": os.WTERMSIG(status), "exit": None})
        else:
            self.say({"event": "died", "id": fetch_id, "signal": None, "exit": os.WEXITSTATUS(status)})

    def kill_all(self) -> None:
        """End every child."""
        for child in self.children.values():
            kill_group(child.pid)

    def abandon(self) -> NoReturn:
        """End every child, and then the worker at once."""
        self.kill_all()
        os._exit(0)


def reported_error(said: bytes) -> Any:
    """Return what a child reported: ``None`` for success; what is no report is an error as well."""
    try:
        return json.loads(said)["error"]
    except (ValueError, TypeError, KeyError, RecursionError):
        message = "it wrote into a descriptor that is not its own, statebake's pipe"
        return {"type": "GarbledReport", "message": message, "traceback": ""}


def flush_streams() -> None:
    """Flush what user code left of the streams: they may be closed, ``None``, or anything."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()


def kill_group(pid: int, *, leader: bool = True) -> None:
    """End a process group and its ``leader``, which may not be in it yet; both may be gone already."""
    for target in (os.killpg, os.kill) if leader else (os.killpg,):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            target(pid, signal.SIGKILL)


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when the worker ends, where the kernel can (prctl(2))."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def interpreter() -> dict[str, str]:
    """Return what the interpreter says of itself: dependencies are resolved for it."""
    import platform
    import sysconfig

    return {
        "path": sys.executable,
        "version": platform.python_version(),
        "tag": f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}-{'-'.join(platform.libc_ver())}",
    }


def describe(error: BaseException) -> str:
    """Return ``ValueError: what it says``, on one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # its own ``__str__`` fails
        text = ""
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]} …"
    return f"{error.__class__.__name__}: {text}" if text else error.__class__.__name__


def short_traceback(error: BaseException, project: str) -> str:
    """Return the frames of an exception that are the project's own, or its last ones, and the message."""
    frames = traceback.extract_tb(error.__traceback__ if not isinstance(error, SyntaxError) else None)
    own = [frame for frame in frames if is_own(frame.filename, project)]
    lines = traceback.format_list((own or frames)[-4:])
    lines += traceback.format_exception_only(error.__class__, error)
    return "".join(lines).rstrip()


def is_own(file: str, project: str) -> bool:
    """Return whether a source file is the project's own code, and not what is installed below it."""
    return file.startswith(project + os.sep) and f"{os.sep}site-packages{os.sep}" not in file


def user_line(error: BaseException, project: str) -> str | None:
    """Return ``file:line`` of the innermost frame inside the project, or ``None``."""
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if is_own(name, project):
            found = f"{os.path.relpath(name, project)}:{line}"
    if isinstance(error, SyntaxError) and error.filename and error.filename.startswith(project + os.sep):
        found = f"{os.path.relpath(error.filename, project)}:{error.lineno}"
    return found


class HostError(Exception):
    """An error of discovery that has a code of its own: the fields are those of the ``failed`` message."""

    def __init__(self, code: str, message: str, **fields: str | None) -> None:
        super().__init__(message)
        self.fields = {"code": code, "message": message, **fields}
