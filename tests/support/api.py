"""A real HTTP server on loopback that answers as a test tells it, and remembers what was asked and how much at once."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """One answer: its status, its headers, and the seconds that it takes."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    takes_s: float = 0.0


class Api:
    """The server. What is not scripted is answered with 200 at once; the body of an answer is the path.

    Attributes:
        asked: when each path was asked for, on the clock of ``time.monotonic``.
        peak: how many requests there were at the same time at most, by the path's first part.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: defaultdict[str, list[float]] = defaultdict(list)
        self.peak: Counter[str] = Counter()
        self._running: Counter[str] = Counter()
        self._scripts: dict[str, list[Answer]] = {}
        self._groups: dict[str, int] = {}
        self._changed = threading.Condition()

    def script(self, path: str, *answers: Answer) -> None:
        """Give these answers to the next requests for ``path``; the last one to all that follow."""
        self._scripts[path] = list(answers)

    def gather(self, group: str, count: int) -> None:
        """Answer requests below ``/group/`` only when so many of them are there at the same time."""
        self._groups[group] = count

    def count(self, path: str) -> int:
        """Return how often ``path`` was asked for."""
        return len(self.asked[path])

    def pauses(self, path: str) -> list[float]:
        """Return the seconds between the requests for ``path``."""
        times = self.asked[path]
        return [later - earlier for earlier, later in itertools.pairwise(times)]

    def answer(self, path: str) -> Answer:
        """Return the answer to a request when it is due."""
        group = path.split("/")[1]
        with self._changed:
            self.asked[path].append(time.monotonic())
            self._running[group] += 1
            self.peak[group] = max(self.peak[group], self._running[group])
            self._changed.notify_all()
            wanted = self._groups.get(group, 0)
            script = self._scripts.get(path, [Answer()])
            answer = script.pop(0) if len(script) > 1 else script[0]
            met = self._changed.wait_for(lambda: self.peak[group] >= wanted, timeout=20)
        if answer.takes_s:
            time.sleep(answer.takes_s)
        with self._changed:
            self._running[group] -= 1
        return answer if met else Answer(418)


@contextlib.contextmanager
def serving() -> Iterator[Api]:
    """Run a server on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = api.answer(self.path)
            body = self.path.encode()
            with contextlib.suppress(OSError):  # who asked has ended
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 256
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    api = Api(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fetching(urls: Sequence[str] | str) -> str:
    """Return the code of a fetch that gets these URLs, one after another, and keeps the last answer."""
    lines = ["import urllib.request"]
    for url in [urls] if isinstance(urls, str) else urls:
        lines.append(f"state_path.write_bytes(urllib.request.urlopen({url!r}).read())")
    return "\n".join(lines)
