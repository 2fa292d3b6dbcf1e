"""The worker: imports a project once, says what it found, and runs every fetch in a forked child.

Standard library only. Speaks JSON lines on two descriptors that user code does not know, so that prints cannot corrupt
the talk. A fetch has succeeded when its child has *said* so: an exit code proves nothing, for ``os._exit(0)`` may come
before the state is written.

In:   {"do": "discover", "host": …, "project": …, "paths": [...], "defs_module": …}
      {"do": "fetch", "id": n, "component": n, "state_path": …, "log": …}
      {"do": "kill", "id": n}
Out:  {"event": "discovered", …} | {"event": "failed", "code": …, …}
      {"event": "fetched", "id": n, "error": null | {…}} | {"event": "died", "id": n, "signal": n | null, "exit": n | null}
"""

import contextlib
import ctypes
import importlib.util
import json
import os
import selectors
import signal
import sys
import traceback
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_REAP_S = 0.5


def serve(in_fd, out_fd):
    """Answer requests until the tool closes its end; returns the exit code."""
    for descriptor in (in_fd, out_fd):
        os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tool decides when to stop
    server = Server(in_fd, out_fd)
    signal.signal(signal.SIGTERM, lambda *_: server.abandon())
    try:
        server.run()
    finally:
        server.kill_all()
    return 0


class Server:
    def __init__(self, in_fd, out_fd):
        self.in_fd = in_fd
        self.out_fd = out_fd
        self.host = None
        self.children = {}  # fetch id -> (pid, read end of its pipe, bytes so far)
        self.selector = selectors.DefaultSelector()
        self.selector.register(in_fd, selectors.EVENT_READ, None)
        self.buffer = b""

    def run(self):
        while True:
            for key, _ in self.selector.select(timeout=_REAP_S if self.children else None):
                if key.data is None:
                    if not self.read_requests():
                        return
                elif key.data in self.children:
                    self.read_child(key.data)
            self.reap()

    def read_requests(self):
        data = os.read(self.in_fd, 1 << 16)
        if not data:
            return False
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if request["do"] == "discover":
                self.say(self.discover(request))
            elif request["do"] == "fetch":
                self.start_fetch(request)
            else:
                self.kill(request["id"])
        return True

    def say(self, message):
        data = (json.dumps(message) + "\n").encode()
        while data:
            data = data[os.write(self.out_fd, data) :]

    def discover(self, request):
        here = Path(__file__).parent
        spec = importlib.util.spec_from_file_location("_statebake_host", here / f"{request['host']}_host.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        sys.path[:0] = [path for path in request["paths"] if path not in sys.path]
        try:
            spec.loader.exec_module(module)
            self.host = module.Host(request)
            found = self.host.discover()
        except BaseException as error:
            if error.__class__.__name__ == "HostError":
                return {"event": "failed", **error.fields}
            return {
                "event": "failed",
                "code": "PROJECT_IMPORT",
                "message": f"The project cannot be imported: {describe(error)}",
                "where": user_line(error, request["project"]),
                "detail": short_traceback(error),
            }
        return {"event": "discovered", "python": interpreter(), **found}

    def start_fetch(self, request):
        sys.stdout.flush()
        sys.stderr.flush()
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read_end)
            self.child(request, write_end)
        os.close(write_end)
        os.set_blocking(read_end, False)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # here as well as in the child: whoever comes first
        self.children[request["id"]] = [pid, read_end, b""]
        self.selector.register(read_end, selectors.EVENT_READ, request["id"])

    def child(self, request, report_fd):
        """Run one fetch in the forked child and never return."""
        parent = os.getppid()
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        die_with_parent(parent)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.close(self.in_fd)
        os.close(self.out_fd)
        for _, other, _ in self.children.values():
            os.close(other)
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        error = None
        try:
            self.host.fetch(request["component"], Path(request["state_path"]))
        except BaseException as raised:
            error = {
                "type": raised.__class__.__name__,
                "message": describe(raised),
                "traceback": short_traceback(raised),
            }
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        status = 0
        try:
            data = (json.dumps({"error": error}) + "\n").encode()
            while data:
                data = data[os.write(report_fd, data) :]
        except BaseException:
            status = 1
        os._exit(status)

    def read_child(self, fetch_id):
        pid, _, _ = self.children[fetch_id]
        if self.drain(fetch_id):
            kill_group(pid)  # after its word, or after its death, nothing of it goes on
            self.finish(fetch_id, os.waitpid(pid, 0)[1])

    def drain(self, fetch_id):
        """Read what a child has said so far; return whether it will say no more."""
        child = self.children[fetch_id]
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(child[1], 1 << 16):
                child[2] += chunk
            return True
        return child[2].endswith(b"\n")

    def reap(self):
        """Notice the children that died while a process of theirs keeps the pipe open."""
        for fetch_id, (pid, _, _) in list(self.children.items()):
            reaped, status = os.waitpid(pid, os.WNOHANG)
            if reaped:
                kill_group(pid)
                self.drain(fetch_id)
                self.finish(fetch_id, status)

    def finish(self, fetch_id, status):
        _, read_end, data = self.children.pop(fetch_id)
        self.selector.unregister(read_end)
        os.close(read_end)
        if data.endswith(b"\n"):
            self.say({"event": "fetched", "id": fetch_id, **json.loads(data)})
        elif os.WIFSIGNALED(status):
            self.say({"event": "died", "id": fetch_id, "signal": os.WTERMSIG(status), "exit": None})
        else:
            self.say({"event": "died", "id": fetch_id, "signal": None, "exit": os.WEXITSTATUS(status)})

    def kill(self, fetch_id):
        if fetch_id in self.children:
            kill_group(self.children[fetch_id][0])

    def kill_all(self):
        for pid, _, _ in self.children.values():
            kill_group(pid)

    def abandon(self):
        self.kill_all()
        os._exit(0)


def kill_group(pid):
    for target in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            target(pid, signal.SIGKILL)


def die_with_parent(parent):
    """Have the kernel end this process when the worker ends, where the kernel can (prctl(2))."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def interpreter():
    import platform
    import sysconfig

    return {
        "path": sys.executable,
        "version": platform.python_version(),
        "tag": f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}-{'-'.join(platform.libc_ver())}",
    }


def describe(error):
    """Return ``ValueError: what it says``, on one line."""
    text = " ".join(str(error).split())
    return f"{error.__class__.__name__}: {text}" if text else error.__class__.__name__


def short_traceback(error):
    """Return the last frames and the message of an exception: what points at the user's own line."""
    lines = traceback.format_exception(error.__class__, error, error.__traceback__, limit=-4, chain=False)
    return "".join(lines).rstrip()


def user_line(error, project):
    """Return ``file:line`` of the innermost frame inside the project, or ``None``."""
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if name.startswith(project + os.sep) and f"{os.sep}site-packages{os.sep}" not in name:
            found = f"{os.path.relpath(name, project)}:{line}"
    if isinstance(error, SyntaxError) and error.filename and error.filename.startswith(project + os.sep):
        found = f"{os.path.relpath(error.filename, project)}:{error.lineno}"
    return found


class HostError(Exception):
    """An error of discovery that has a code of its own: the fields are those of the ``failed`` message."""

    def __init__(self, code, message, **fields):
        super().__init__(message)
        self.fields = {"code": code, "message": message, **fields}
