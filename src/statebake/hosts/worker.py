"""The tool's end of the worker: starts it in the project's interpreter, discovers, and fetches."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from statebake.errors import Code, StatebakeError
from statebake.model.discovery import Component, Discovery, Interpreter, LoadFailure
from statebake.model.state_config import DefsStateManagementType
from statebake.process import project_env, read_tail, signal_name, stop

_ENTRY = Path(__file__).resolve().parent.parent / "worker" / "entry.py"


@dataclass(frozen=True)
class FetchRequest:
    """One fetch: which component, the path that it writes its state to, and the file that takes what it prints."""

    key: str
    component: Component
    state_path: Path
    log: Path


@dataclass(frozen=True)
class FetchResult:
    """How a fetch ended: ``error`` is ``None`` when the component returned."""

    request: FetchRequest
    error: StatebakeError | None


class Worker:
    """A process in the project's interpreter that has imported the project. Made by ``open_worker``; a context manager.

    Attributes:
        discovery: what it found.
    """

    discovery: Discovery

    def __init__(self, process: subprocess.Popen[bytes], send: int, receive: IO[bytes], log: IO[bytes]) -> None:
        self._process = process
        self._send = send
        self._receive = receive
        self._log = log

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._send)
        stop(self._process)
        self._receive.close()
        self._log.close()

    def discover(self, request: Mapping[str, Any]) -> Discovery:
        """Have the project imported and return its components; raises ``StatebakeError``."""
        self._say({"do": "discover", **request})
        answer = self._hear()
        if answer is None:
            raise StatebakeError(
                Code.WORKER_DIED,
                f"The project's interpreter {self._how_it_ended()} while it loaded the project.",
                where=str(self._process.args[0]) if isinstance(self._process.args, list) else None,
                next_step="look for code that ends the process at import time",
                detail=read_tail(self._log) or None,
            )
        if answer["event"] == "too-old":
            raise StatebakeError(
                Code.OLD_INTERPRETER,
                f"The project's interpreter is Python {answer['version']}; 3.10 or later is needed.",
                where=str(self._process.args[0]) if isinstance(self._process.args, list) else None,
                next_step="name another one with --python",
            )
        if answer["event"] == "failed":
            raise StatebakeError(
                Code[answer["code"]],
                answer["message"],
                where=answer.get("where"),
                next_step=answer.get("next_step") or "mend the project, then run the command again",
                detail=answer.get("detail"),
            )
        self.discovery = _discovery(answer)
        return self.discovery

    def fetch(
        self, requests: Iterable[FetchRequest], jobs: int, started: Callable[[FetchRequest], None]
    ) -> Iterator[FetchResult]:
        """Run the fetches, at most ``jobs`` side by side, and give each result as it comes.

        When the worker itself dies, every fetch that has not returned has failed. When the caller gives up, so do the
        fetches: nothing of them goes on after the generator is closed.
        """
        waiting = deque(enumerate(requests))
        running: dict[int, FetchRequest] = {}
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    number, request = waiting.popleft()
                    running[number] = request
                    started(request)
                    self._say(
                        {
                            "do": "fetch",
                            "id": number,
                            "component": request.component.id,
                            "state_path": str(request.state_path),
                            "log": str(request.log),
                        }
                    )
                answer = self._hear()
                if answer is None:
                    break
                request = running.pop(answer["id"])
                yield FetchResult(request, _fetch_error(answer, request))
        finally:
            if running:
                stop(self._process)
        how = self._how_it_ended() if running else ""
        for request in running.values():
            yield FetchResult(request, _taken_along(request, how))
        for _, request in waiting:
            started(request)
            yield FetchResult(request, _taken_along(request, how))

    def _say(self, message: Mapping[str, Any]) -> None:
        data = (json.dumps(message) + "\n").encode()
        with contextlib.suppress(BrokenPipeError):  # it died: what it left says why, see _hear
            while data:
                data = data[os.write(self._send, data) :]

    def _hear(self) -> dict[str, Any] | None:
        """Return the next message, or ``None`` when the worker has ended."""
        line = self._receive.readline()
        if not line.endswith(b"\n"):
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _how_it_ended(self) -> str:
        code = self._process.wait()
        return f"was ended by {signal_name(-code)}" if code < 0 else f"left with exit code {code}"


@contextlib.contextmanager
def open_worker(python: str, project: Path, request: Mapping[str, Any], env: Mapping[str, str]) -> Iterator[Worker]:
    """Start the project's interpreter, discover, and give the worker; it is ended with all that it started.

    ``request`` is the ``discover`` message of ``worker/server.py`` without ``do``. Raises ``StatebakeError``:
    ``NO_INTERPRETER``, ``OLD_INTERPRETER``, ``HOST_NOT_INSTALLED``, ``WORKER_DIED``, or what is wrong in the project.
    """
    to_worker, send = os.pipe()
    hear, from_worker = os.pipe()
    log = tempfile.TemporaryFile()  # noqa: SIM115 - the worker closes it
    try:
        process = subprocess.Popen(
            [python, str(_ENTRY), str(to_worker), str(from_worker)],
            cwd=project,
            env=project_env(env, python),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(to_worker, from_worker),
            start_new_session=True,
        )
    except OSError as error:
        for descriptor in (send, hear):
            os.close(descriptor)
        log.close()
        raise StatebakeError(
            Code.NO_INTERPRETER,
            f"The project's interpreter cannot be started: {error.strerror}.",
            where=python,
            next_step="name another one with --python",
        ) from error
    finally:
        os.close(to_worker)
        os.close(from_worker)
    with Worker(process, send, os.fdopen(hear, "rb"), log) as worker:
        worker.discover(request)
        yield worker


def _discovery(answer: Mapping[str, Any]) -> Discovery:
    python = answer["python"]
    return Discovery(
        host=answer["host"],
        python=Interpreter(path=python["path"], version=python["version"], tag=python["tag"]),
        defs_module=answer["defs_module"],
        defs_dir=Path(answer["defs_dir"]),
        components=tuple(
            Component(
                id=number,
                type=item["type"],
                declared_at=item["declared_at"],
                key=item["key"],
                management_type=DefsStateManagementType(item["management_type"]),
                refresh_if_dev=item["refresh_if_dev"],
            )
            for number, item in enumerate(answer["components"])
        ),
        failures=tuple(
            LoadFailure(
                declared_at=item["declared_at"],
                type=item["type"],
                error=StatebakeError(
                    Code[item["code"]],
                    item["message"],
                    where=item["declared_at"],
                    next_step=item.get("next_step") or "mend the declaration, or set what it asks for",
                    detail=item.get("detail"),
                ),
            )
            for item in answer["failures"]
        ),
    )


def _fetch_error(answer: Mapping[str, Any], request: FetchRequest) -> StatebakeError | None:
    where = request.component.declared_at
    if answer["event"] == "died":
        number, status = answer["signal"], answer["exit"]
        how = f"was ended by {signal_name(number)}" if number else f"ended its process with exit code {status}"
        return StatebakeError(
            Code.FETCH_DIED,
            f"The fetch of {request.key} {how} before it returned.",
            where=where,
            next_step=f"look at {request.component.type}.write_state_to_path",
            detail=_log_tail(request.log),
        )
    if answer["error"] is None:
        return None
    return StatebakeError(
        Code.FETCH_RAISED,
        f"The fetch of {request.key} failed: {answer['error']['message']}",
        where=where,
        next_step=f"mend the cause, then: statebake refresh --key {shlex.quote(request.key)}",
        detail="\n".join(filter(None, [_log_tail(request.log), answer["error"]["traceback"]])),
    )


def _taken_along(request: FetchRequest, how: str) -> StatebakeError:
    return StatebakeError(
        Code.FETCH_DIED,
        f"The fetch of {request.key} did not return: the project's interpreter {how}.",
        where=request.component.declared_at,
        next_step="look for a component that ends its parent process, and refresh key by key: statebake refresh --key "
        f"{shlex.quote(request.key)}",
        detail=_log_tail(request.log),
    )


def _log_tail(log: Path) -> str | None:
    with contextlib.suppress(OSError), log.open("rb") as stream:
        return read_tail(stream) or None
    return None
