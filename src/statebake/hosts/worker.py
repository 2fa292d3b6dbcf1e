"""The tool's end of the worker: starts it in the project's interpreter, discovers, and fetches."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from statebake.errors import Code, StatebakeError
from statebake.hosts.answers import FetchRequest, FetchResult, discovery_of, fetch_error, is_answer, taken_along
from statebake.hosts.channel import Channel, GarbledError
from statebake.model.discovery import Discovery
from statebake.process import interrupts_held, project_env, read_tail, signal_name, stop

_ENTRY = Path(__file__).resolve().parent.parent / "worker" / "entry.py"


class Worker:
    """A process in the project's interpreter that has imported the project. Made by ``open_worker``; a context manager.

    Attributes:
        discovery: what it found.
    """

    discovery: Discovery

    def __init__(self, process: subprocess.Popen[bytes], channel: Channel, log: IO[bytes]) -> None:
        self._process = process
        self._channel = channel
        self._log = log
        self._garbled = False

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()
        stop(self._process)
        self._log.close()

    def discover(self, request: Mapping[str, Any]) -> Discovery:
        """Have the project imported and return its components; raises ``StatebakeError``."""
        self._channel.post({"do": "discover", **request})
        answer = self._hear()
        if answer is None:
            raise StatebakeError(
                Code.WORKER_DIED,
                f"The project's interpreter {self._how_it_ended()} while it loaded the project.",
                where=self._python,
                next_step="look for code that ends the process at import time; is it a Python at all?",
                detail=read_tail(self._log) or None,
            )
        if answer["event"] == "too-old":
            raise StatebakeError(
                Code.OLD_INTERPRETER,
                f"The project's interpreter is Python {answer['version']}; 3.10 or later is needed.",
                where=self._python,
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
        self.discovery = discovery_of(answer)
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
                    self._channel.post(
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
                yield FetchResult(request, fetch_error(answer, request))
        finally:
            if running:
                stop(self._process)
        how = self._how_it_ended() if running else ""
        for request in running.values():
            yield FetchResult(request, taken_along(request, how))
        for _, request in waiting:
            started(request)
            yield FetchResult(request, taken_along(request, how))

    def _hear(self) -> dict[str, Any] | None:
        """Return the next message, or ``None`` when the worker has ended, or is not to be understood any more."""
        try:
            answer = self._channel.hear()
        except GarbledError:
            self._garbled = True
        else:
            self._garbled = answer is not None and not is_answer(answer)
        if not self._garbled:
            return answer
        stop(self._process)
        return None

    @property
    def _python(self) -> str:
        arguments = self._process.args
        return str(arguments[0]) if isinstance(arguments, list) else str(arguments)

    def _how_it_ended(self) -> str:
        if self._garbled:
            return "was ended, because something in it wrote into statebake's own pipe,"
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
    with contextlib.ExitStack() as stack:
        try:
            with interrupts_held():
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
                worker = stack.enter_context(Worker(process, Channel(send, hear), log))
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
        worker.discover(request)
        yield worker
