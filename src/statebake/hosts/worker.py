"""The tool's end of the worker: starts it in the project's interpreter, discovers, and fetches."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import IO, Any

from statebake.errors import Code, StatebakeError
from statebake.hosts.answers import (
    FetchEnd,
    FetchRequest,
    discovery_of,
    fetch_end,
    is_answer,
    taken_along,
    timed_out,
)
from statebake.hosts.channel import Channel, GarbledError
from statebake.model.discovery import Discovery
from statebake.process import adopt, project_env, read_tail, signal_name, stop

_ENTRY = Path(__file__).resolve().parent.parent / "worker" / "entry.py"
_LAST_WORDS_S = 1.0
_END_S = 10.0  # for the worker to end a fetch with all that it started: longer than its own patience


class Worker:
    """A process in the project's interpreter that has imported the project. Made by ``open_worker``.

    Attributes:
        discovery: what it found.
    """

    discovery: Discovery

    def __init__(self, process: subprocess.Popen[bytes], project: Path, channel: Channel, log: IO[bytes]) -> None:
        self._process = process
        self._project = project
        self._channel = channel
        self._log = log
        self._garbled = False
        self._numbers = itertools.count()
        self._running: dict[int, asyncio.Future[dict[str, Any] | None]] = {}
        self._listener: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """End the process with all that it started."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait({self._listener})
        self._channel.close()
        await asyncio.to_thread(stop, self._process)
        self._log.close()

    async def discover(self, request: Mapping[str, Any], within_s: float | None) -> Discovery:
        """Have the project imported and return its components; raises ``StatebakeError``."""
        self._channel.post({"do": "discover", **request})
        try:
            answer = await asyncio.wait_for(self._hear(), within_s)
        except asyncio.TimeoutError:
            raise StatebakeError(
                Code.OUT_OF_TIME,
                "The project was not loaded when the deadline of the refresh came.",
                where=str(self._project),
                next_step="look for code that waits for something at import time, or allow more time with --deadline",
                detail=read_tail(self._log) or None,
            ) from None
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
        self._listener = asyncio.create_task(self._listen())
        return self.discovery

    async def fetch(self, request: FetchRequest, timeout: float | None) -> FetchEnd:
        """Run one attempt, and end it with all that it started after ``timeout`` seconds, or when it is cancelled.

        When the worker itself ends, every attempt that has not returned has failed.
        """
        number = next(self._numbers)
        if self._listener is None or self._listener.done():
            return taken_along(request, self._how_it_ended(), read_tail(self._log))
        answer = self._running[number] = asyncio.get_running_loop().create_future()
        self._channel.post(
            {
                "do": "fetch",
                "id": number,
                "component": request.component.id,
                "key": request.key,
                "state_path": str(request.state_path),
                "log": str(request.log),
                "spawn": request.spawn,
            }
        )
        try:
            await asyncio.wait({answer}, timeout=timeout)
            late = not answer.done()
            if late:
                await self._end(number, answer)
        except asyncio.CancelledError:
            await self._end(number, answer)
            raise
        finally:
            del self._running[number]
        if late and timeout is not None:
            return timed_out(request, timeout)
        message = answer.result()
        return (
            fetch_end(message, request) if message else taken_along(request, self._how_it_ended(), read_tail(self._log))
        )

    async def _end(self, number: int, answer: asyncio.Future[dict[str, Any] | None]) -> None:
        """Have the worker end an attempt; a worker that does not even do that is ended itself."""
        if answer.done():
            return
        self._channel.post({"do": "end", "id": number})
        await asyncio.wait({answer}, timeout=_END_S)
        if not answer.done():
            await asyncio.to_thread(stop, self._process)

    async def _listen(self) -> None:
        """Hand every answer to who waits for it, until the worker ends."""
        try:
            while answer := await self._hear():
                waiting = self._running.get(answer.get("id", -1))
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)
            with contextlib.suppress(subprocess.TimeoutExpired):  # nothing more comes of it, so it has to end
                await asyncio.to_thread(self._process.wait, _LAST_WORDS_S)
            await asyncio.to_thread(stop, self._process)
        finally:
            for waiting in self._running.values():
                if not waiting.done():
                    waiting.set_result(None)

    async def _hear(self) -> dict[str, Any] | None:
        """Return the next message, or ``None`` when the worker has ended, or is not to be understood any more."""
        try:
            answer = await self._channel.hear()
        except GarbledError:
            self._garbled = True
        else:
            self._garbled = answer is not None and not is_answer(answer)
        if not self._garbled and answer is not None:
            return answer
        await asyncio.to_thread(stop if self._garbled else self._let_end, self._process)
        return None

    @staticmethod
    def _let_end(process: subprocess.Popen[bytes]) -> None:
        """Wait for a process that has closed its end of the pipe; one that goes on nevertheless is ended."""
        try:
            process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            stop(process)

    @property
    def _python(self) -> str:
        arguments = self._process.args
        return str(arguments[0]) if isinstance(arguments, list) else str(arguments)

    def _how_it_ended(self) -> str:
        if self._garbled:
            return "was ended, because something in it wrote into statebake's own pipe,"
        code = self._process.wait()
        return f"was ended by {signal_name(-code)}" if code < 0 else f"left with exit code {code}"


@contextlib.asynccontextmanager
async def open_worker(
    python: str, project: Path, request: Mapping[str, Any], env: Mapping[str, str], within_s: float | None = None
) -> AsyncIterator[Worker]:
    """Start the project's interpreter, discover ``within_s`` seconds, and give the worker.

    It is ended with all that it started.

    ``request`` is the ``discover`` message of ``worker/server.py`` without ``do``. Raises ``StatebakeError``:
    ``NO_INTERPRETER``, ``OLD_INTERPRETER``, ``HOST_NOT_INSTALLED``, ``WORKER_DIED``, ``OUT_OF_TIME``, or what is wrong
    in the project.
    """
    to_worker, send = os.pipe()
    hear, from_worker = os.pipe()
    log = tempfile.TemporaryFile()  # noqa: SIM115 - the worker closes it
    async with contextlib.AsyncExitStack() as stack:
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
            adopt(process)
            worker = Worker(process, project, Channel(send, hear), log)
            stack.push_async_callback(worker.close)
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
        await worker.discover(request, within_s)
        yield worker
