"""What a worker's answers mean: a project's components, and how fetches ended."""

from __future__ import annotations

import contextlib
import shlex
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from statebake.errors import Code, StatebakeError
from statebake.model.discovery import Component, Discovery, Interpreter, LoadFailure
from statebake.model.state_config import DefsStateManagementType
from statebake.process import read_tail, signal_name

# What each of the worker's messages has at least, see `worker/server.py`.
_FIELDS = {
    "too-old": {"version"},
    "discovered": {"python", "host", "defs_dir", "components", "failures"},
    "failed": {"code", "message"},
    "fetched": {"id", "error"},
    "died": {"id", "signal", "exit"},
}


def is_answer(message: Mapping[str, Any]) -> bool:
    """Return whether a message is one of the worker's: user code may have written into the pipe."""
    return _FIELDS.get(str(message["event"]), {"?"}) <= message.keys()


@dataclass(frozen=True)
class FetchRequest:
    """One attempt to fetch: which component, the path that it writes its state to, the file that takes what it prints.

    ``spawn``: in an interpreter that imports the project again, instead of a fork of the worker.
    """

    key: str
    component: Component
    state_path: Path
    log: Path
    spawn: bool = False


@dataclass(frozen=True)
class FetchEnd:
    """How an attempt to fetch ended.

    Attributes:
        error: why it failed; ``None`` when the component returned.
        retry: whether another attempt may succeed.
        retry_after: the seconds that the server asked to wait before that.
    """

    error: StatebakeError | None = None
    retry: bool = False
    retry_after: float | None = None


def discovery_of(answer: Mapping[str, Any]) -> Discovery:
    """Return what a ``discovered`` message says."""
    python = answer["python"]
    return Discovery(
        host=answer["host"],
        python=Interpreter(path=python["path"], version=python["version"], tag=python["tag"]),
        defs_dir=Path(answer["defs_dir"]),
        components=tuple(
            Component(
                id=number,
                type=item["type"],
                declared_at=item["declared_at"],
                key=item["key"],
                management_type=DefsStateManagementType(item["management_type"]),
                source=item.get("source"),
                differs=tuple(item.get("differs", ())),
                may_differ=tuple(item.get("may_differ", ())),
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


def fetch_end(answer: Mapping[str, Any], request: FetchRequest) -> FetchEnd:
    """Return how an attempt ended, from its ``fetched`` or ``died`` message."""
    where = request.component.declared_at
    if answer["event"] == "died":
        number, status = answer["signal"], answer["exit"]
        how = f"was ended by {signal_name(number)}" if number else f"ended its process with exit code {status}"
        memory = " (SIGKILL from nobody you know is mostly a lack of memory)" if number == signal.SIGKILL else ""
        return FetchEnd(
            StatebakeError(
                Code.FETCH_DIED,
                f"The fetch of {request.key} {how} before it returned{memory}.",
                where=where,
                next_step=f"look at {request.component.type}.write_state_to_path",
                detail=log_tail(request.log),
            )
        )
    failed = answer["error"]
    if failed is None:
        return FetchEnd()
    error = StatebakeError(
        Code.FETCH_RAISED,
        f"The fetch of {request.key} failed: {failed['message']}",
        where=where,
        next_step=f"mend the cause, then: statebake refresh --key {shlex.quote(request.key)}",
        detail="\n".join(filter(None, [log_tail(request.log), failed["traceback"]])),
    )
    return FetchEnd(error, retry=not failed["permanent"], retry_after=failed["retry_after"])


def timed_out(request: FetchRequest, after_s: float) -> FetchEnd:
    """Return how an attempt ended that did not return in time and was ended with all that it started."""
    error = StatebakeError(
        Code.FETCH_TIMED_OUT,
        f"The fetch of {request.key} did not return within {after_s:g} s, and was ended.",
        where=request.component.declared_at,
        next_step=f"give it more time, or find what it waits for: statebake refresh --key {shlex.quote(request.key)} "
        f"--timeout {after_s * 2:g}s --verbose",
        detail=log_tail(request.log),
    )
    return FetchEnd(error, retry=True)


def taken_along(request: FetchRequest, how: str, last_words: str) -> FetchEnd:
    """Return how an attempt ended whose worker ended, ``how``, and what that printed last."""
    error = StatebakeError(
        Code.FETCH_DIED,
        f"The fetch of {request.key} did not return: the project's interpreter {how}.",
        where=request.component.declared_at,
        next_step="look for a component that ends its parent process, and refresh key by key: statebake refresh --key "
        f"{shlex.quote(request.key)}",
        detail="\n".join(filter(None, [log_tail(request.log), last_words])) or None,
    )
    return FetchEnd(error)


def log_tail(log: Path) -> str | None:
    """Return the end of what a fetch printed, and how much there is before, or ``None`` where it printed nothing."""
    with contextlib.suppress(OSError), log.open("rb") as stream:
        end = read_tail(stream)
        before = len(read_log(log).rstrip().splitlines()) - len(end.splitlines())
        more = f"… {before} lines before (--verbose shows them)" if before > 0 else ""
        return "\n".join(filter(None, [more, end])) or None
    return None


def read_log(log: Path) -> str:
    """Return all that is kept of what a fetch printed, see ``worker/printed.py``."""
    with contextlib.suppress(OSError):
        return log.read_bytes().decode("utf-8", "replace")
    return ""
