"""Starting other programs: the project's interpreter, pex, git. The one place that knows process groups and signals."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from statebake.errors import Code, StatebakeError
from statebake.worker.processes import adopt_orphans, children, end_children

T = TypeVar("T")

_INTERRUPTED = 130
_ours: set[int] = set()  # workers that are running
_others: set[int] = set()  # children of this process that are no concern of ours
_GRACE_S = 2.0
_TICK_S = 0.1
_CHUNK = 64 * 1024
_KEPT_LINES = 200
TAIL_LINES = 20


@dataclass(frozen=True)
class Finished:
    """How a tool ended: its exit code, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def run_tool(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, next_step: str, code: Code = Code.TOOL_MISSING
) -> Finished:
    """Run a tool to its end and return how it ended; an interrupt ends it, with everything that it started.

    Raises ``StatebakeError`` (``code``) with ``next_step`` when it cannot be started.
    """
    stdout, stderr, returncode = _run(
        argv,
        lambda process: (*process.communicate(), process.returncode),
        env=env,
        cwd=cwd,
        next_step=next_step,
        code=code,
    )
    return Finished(returncode, stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace"))


def stream_tool(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    next_step: str,
    on_line: Callable[[str], None],
    code: Code = Code.TOOL_MISSING,
) -> Finished:
    """Run a tool as ``run_tool`` does, and hand over every line that it prints, to either stream, when it comes.

    Lines come without their ends, decoded, in pieces where they are longer than 64 KiB, and from the caller's own
    thread. What is returned has the tails of the streams only. An exception of the callback ends the tool like an
    interrupt.
    """
    tails: dict[str, deque[str]] = {"stdout": deque(maxlen=_KEPT_LINES), "stderr": deque(maxlen=_KEPT_LINES)}

    def listen(process: subprocess.Popen[bytes]) -> int:
        for name, line in _lines(process):
            tails[name].append(line)
            on_line(line)
        return process.wait()

    returncode = _run(argv, listen, env=env, cwd=cwd, next_step=next_step, code=code)
    return Finished(returncode, "\n".join(tails["stdout"]), "\n".join(tails["stderr"]))


def _lines(process: subprocess.Popen[bytes]) -> Iterator[tuple[str, str]]:
    """Yield what a program prints, line by line, until both of its streams are closed, or it has ended."""
    rest = {"stdout": b"", "stderr": b""}
    with selectors.DefaultSelector() as selector:
        for name in rest:
            selector.register(getattr(process, name), selectors.EVENT_READ, name)
        while selector.get_map():
            ready = selector.select(_TICK_S)
            if not ready and process.poll() is not None:
                break  # something that it started and left behind keeps a stream open
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK)
                *lines, last = (rest[key.data] + chunk).split(b"\n")
                if not chunk:
                    selector.unregister(key.fileobj)
                if len(last) >= _CHUNK or (last and not chunk):
                    lines, last = [*lines, last], b""
                rest[key.data] = last
                for line in lines:
                    yield key.data, line.rstrip(b"\r").decode("utf-8", "replace")
    yield from ((name, last.decode("utf-8", "replace")) for name, last in rest.items() if last)


def _run(
    argv: Sequence[str],
    work: Callable[[subprocess.Popen[bytes]], T],
    *,
    env: Mapping[str, str],
    cwd: Path,
    next_step: str,
    code: Code,
) -> T:
    """Start a tool in a process group of its own and return what ``work`` makes of it.

    An exception ends the tool, with its group. No context manager: an interrupt may come before one is entered.
    """
    process = None
    try:
        with _interrupts_held():
            process = subprocess.Popen(
                argv,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        result = work(process)
    except BaseException as error:
        if process is not None:
            stop(process)
            _close(process)
        elif isinstance(error, OSError):
            raise StatebakeError(
                code, f"{argv[0]} cannot be started: {error.strerror}.", where=argv[0], next_step=next_step
            ) from error
        raise
    _close(process)
    return result


def _close(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold back the signals that end a run: one between a program's start and its return would leave it behind."""
    came: list[int] = []
    held = {}
    if threading.current_thread() is threading.main_thread():
        for number in map(int, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)):
            if callable(signal.getsignal(number)):
                held[number] = signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def run_interruptible(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` on an event loop of its own and return its result.

    The first signal that ends a run cancels it, and ``KeyboardInterrupt`` is raised when it has cleaned up; the second
    one ends the process at once, with the exit code of an interrupt.
    """

    async def supervise() -> T:
        task = asyncio.ensure_future(main)
        came: list[int] = []

        def interrupt(number: int) -> None:
            came.append(number)
            if len(came) > 1:
                os._exit(_INTERRUPTED)  # the workers notice that nobody listens, and end what they run
            task.cancel()

        loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, interrupt, number)
        try:
            return await task
        except asyncio.CancelledError:
            if came:
                raise KeyboardInterrupt from None
            raise

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        return asyncio.run(supervise())
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in previous.items():
                signal.signal(number, handler)


def adopt(process: subprocess.Popen[bytes]) -> None:
    """Take over what ``process`` leaves behind should it be killed; ``stop`` ends that as well."""
    if not _ours:
        _others.update(children(os.getpid()))
        _others.discard(process.pid)
        adopt_orphans()
    _ours.add(process.pid)


def stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """End a process that leads its own group, the group, and what it left behind: politely first, then for good."""
    for number, patience in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, None)):
        if process.poll() is not None and number == signal.SIGTERM:
            continue
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience)
    if process.pid in _ours:
        _ours.discard(process.pid)
        if process.returncode != 0:  # a worker that ends by itself has ended what it started
            end_children({*_ours, *_others})


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a program's output, without blank ones at the end."""
    return "\n".join(text.rstrip().splitlines()[-lines:])


def read_tail(stream: IO[bytes], limit: int = 64 * 1024) -> str:
    """Return the tail of a log file, however large it is."""
    stream.seek(0, os.SEEK_END)
    start = max(0, stream.tell() - limit)
    stream.seek(start)
    text = stream.read()
    if start:  # without the rest of a line: a part of a secret would not be recognized
        end = re.search(rb"[\r\n]", text)
        text = text[end.end() :] if end else b""
    return tail(text.decode("utf-8", "replace"))


def signal_name(number: int) -> str:
    """Return ``SIGSEGV`` for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def project_env(env: Mapping[str, str], python: str) -> dict[str, str]:
    """Return the environment for a project's interpreter: as if its virtual environment were activated.

    Components start programs such as ``dbt`` by name. Dagster's switch for development would make every load fetch, so
    it is taken out; its telemetry and dbt's are off.
    """
    bin_dir = Path(python).parent
    result = {
        name: value
        for name, value in env.items()
        if name not in {"DAGSTER_IS_DEV_CLI", "PYTHONHOME", "STATEBAKE_DEV", "__PYVENV_LAUNCHER__"}
    }
    result["PATH"] = os.pathsep.join([str(bin_dir), *filter(None, [env.get("PATH")])])
    if (bin_dir.parent / "pyvenv.cfg").exists():
        result["VIRTUAL_ENV"] = str(bin_dir.parent)
    result["DAGSTER_DISABLE_TELEMETRY"] = "yes"
    result["DO_NOT_TRACK"] = "1"
    if sys.platform == "darwin":
        # Fetches run in forked children, which the system's own libraries would abort in.
        result["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"
    result["PYTHONUNBUFFERED"] = "1"
    return result
