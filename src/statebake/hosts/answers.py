"""What a worker's answers mean: a project's components, and how fetches ended."""

from __future__ import annotations

import contextlib
import shlex
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


def fetch_error(answer: Mapping[str, Any], request: FetchRequest) -> StatebakeError | None:
    """Return why a fetch failed, from its ``fetched`` or ``died`` message; ``None`` where it did not."""
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


def taken_along(request: FetchRequest, how: str) -> StatebakeError:
    """Return the error of a fetch whose worker ended, and ``how``."""
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
