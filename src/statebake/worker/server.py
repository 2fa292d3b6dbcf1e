"""The worker: imports a project once, says what it found, and runs every fetch in a child process.

Standard library only. Speaks JSON lines on two descriptors that user code does not know, so that prints cannot corrupt
the talk. A fetch has succeeded when its child has *said* so: an exit code proves nothing, for ``os._exit(0)`` may come
before the state is written. After a child's last word nothing of it goes on: all that it started is ended.

In:   {"do": "discover", "host": …, "project": …, "paths": [...], "defs_module": …}
      {"do": "fetch", "id": n, "component": n, "key": …, "state_path": …, "log": …, "spawn": bool}
      {"do": "end", "id": n}
Out:  {"event": "discovered", …} | {"event": "failed", "code": …, …}
      {"event": "fetched", "id": n, "error": null | {…}}
      {"event": "died", "id": n, "signal": n | null, "exit": n | null}
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import time
from dataclasses import dataclass
from typing import Any, NoReturn

from .fetching import flush_streams, not_started, reported, run_fetch
from .loading import Host, load
from .printed import Printed
from .processes import (
    adopt_orphans,
    children,
    end_children,
    end_tree,
    living_descendants,
    send_group,
    signal_at_parents_end,
)

_REAP_S = 0.5
_PATIENCE_S = 1.0


def serve(in_fd: int, out_fd: int) -> int:
    """Answer requests until the tool closes its end; returns the exit code."""
    for descriptor in (in_fd, out_fd):
        os.set_inheritable(descriptor, False)
    adopt_orphans()
    server = Server(in_fd, out_fd)
    server.restore_process()
    signal_at_parents_end(signal.SIGTERM)  # an import that hangs does not see the pipe's end
    try:
        server.run()
    finally:
        server.end_fetches()
    return 0


@dataclass
class Child:
    """A child that runs a fetch: the read end of its pipe, what came through it so far, how it ended once reaped."""

    pid: int
    pipe: int
    printed: Printed
    said: bytes = b""
    status: int | None = None


class Server:
    """Answers the requests that come on one descriptor on another one."""

    def __init__(self, in_fd: int, out_fd: int) -> None:
        self.in_fd = in_fd
        self.out_fd = out_fd
        self.host: Host | None = None
        self.discover: dict[str, Any] = {}
        self.own: set[int] = set()  # what the project started when it was imported
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
                elif isinstance(key.data, Printed):
                    self.take(key.data)
                elif key.data in self.children and self.drain(key.data):
                    self.finish(key.data)
            self.notice_deaths()

    def read_requests(self) -> bool:
        """Answer what has come; return whether more can come."""
        data = os.read(self.in_fd, 1 << 16)
        if not data:
            return False
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if request["do"] == "discover":
                self.discover = request
                self.host, answer = load(request)
                # Not only its children: what those leave behind is adopted later.
                self.own = {*children(os.getpid()), *living_descendants(os.getpid())}
                gc.freeze()  # a collection in a child would copy every page that the import made
                self.say(answer)
            elif request["do"] == "fetch":
                self.start_fetch(request)
            elif request["id"] in self.children:
                self.finish(request["id"])
        return True

    def say(self, message: dict[str, Any]) -> None:
        """Send one message."""
        data = (json.dumps(message) + "\n").encode()
        while data:
            data = data[os.write(self.out_fd, data) :]

    def start_fetch(self, request: dict[str, Any]) -> None:
        """Fork the child that fetches."""
        assert self.host is not None
        self.restore_process()
        flush_streams()
        with contextlib.ExitStack() as opened:
            try:
                read_end, write_end = os.pipe()
                opened.callback(os.close, read_end)
                opened.callback(os.close, write_end)
                printed = Printed(request["log"])
                opened.callback(os.close, printed.pipe)
                opened.callback(os.close, printed.end)
                pid = os.fork()
            except OSError as error:  # of descriptors, processes or memory: there may be enough later
                self.say({"event": "fetched", "id": request["id"], "error": not_started(error)})
                return
            opened.pop_all()
        if pid == 0:
            try:
                for descriptor in (read_end, printed.pipe, self.in_fd, self.out_fd):
                    os.close(descriptor)
                for other in self.children.values():
                    os.close(other.pipe)
                    os.close(other.printed.pipe)
                run_fetch(self.host, self.discover, request, write_end, printed.end)
            finally:
                os._exit(1)  # not even an error leads back into the worker's loop, which would end the siblings
        os.close(write_end)
        os.close(printed.end)
        os.set_blocking(read_end, False)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # here as well as in the child: whoever comes first
        self.children[request["id"]] = Child(pid, read_end, printed)
        self.selector.register(read_end, selectors.EVENT_READ, request["id"])
        self.selector.register(printed.pipe, selectors.EVENT_READ, printed)

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

    def take(self, printed: Printed) -> None:
        """Keep what a fetch has printed; where it has closed its end there is nothing to wait for any more."""
        if not printed.closed and not printed.take() and printed.ended:
            self.selector.unregister(printed.pipe)

    def drain(self, fetch_id: int) -> bool:
        """Read what a child has said so far; return whether it will say no more."""
        child = self.children[fetch_id]
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(child.pipe, 1 << 16):
                child.said += chunk
            return True
        return child.said.endswith(b"\n")

    def notice_deaths(self) -> None:
        """Finish the children that died while a process of theirs keeps the pipe open."""
        for fetch_id, child in list(self.children.items()):
            reaped, status = os.waitpid(child.pid, os.WNOHANG)
            if reaped:
                child.status = status
                self.finish(fetch_id)

    def finish(self, fetch_id: int) -> None:
        """End a child with all that it started, and report what it said, or how it died."""
        child = self.children[fetch_id]
        if child.status is None:
            end_tree(child.pid)
            status = self.reap(child.pid)
        else:
            send_group(child.pid, signal.SIGKILL)
            status = child.status
        self.drain(fetch_id)
        del self.children[fetch_id]
        end_children({*self.own, *(other.pid for other in self.children.values())})
        self.selector.unregister(child.pipe)
        os.close(child.pipe)
        if not child.printed.ended:
            self.selector.unregister(child.printed.pipe)
        child.printed.close()
        if child.said.endswith(b"\n"):
            self.say({"event": "fetched", "id": fetch_id, "error": reported(child.said)})
        elif os.WIFSIGNALED(status):
            self.say({"event": "died", "id": fetch_id, "signal": os.WTERMSIG(status), "exit": None})
        else:
            self.say({"event": "died", "id": fetch_id, "signal": None, "exit": os.WEXITSTATUS(status)})

    def reap(self, pid: int) -> int:
        """Return the wait status of a child that has been killed; one that hangs in the kernel is left to itself."""
        limit = time.monotonic() + _PATIENCE_S
        while time.monotonic() < limit:
            reaped, status = os.waitpid(pid, os.WNOHANG)
            if reaped:
                return status
            time.sleep(0.001)
        return signal.SIGKILL

    def end_fetches(self) -> None:
        """End every child, and what children left behind."""
        for child in self.children.values():
            end_tree(child.pid)
        end_children(())

    def abandon(self) -> NoReturn:
        """End every child, and then the worker at once."""
        self.end_fetches()
        send_group(os.getpid(), signal.SIGKILL)
        os._exit(0)
