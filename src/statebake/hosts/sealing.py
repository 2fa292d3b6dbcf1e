"""The tool's end of a sealed load: what to run in which interpreter, and what it told."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import secrets
import shutil
import sys
import zlib
from collections import Counter, deque
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from statebake.errors import Code
from statebake.hosts.sealed_events import has_shape
from statebake.model.state_config import DefsStateManagementType
from statebake.process import stream_tool, tail

_WORKER = Path(__file__).resolve().parent.parent / "worker"
_MODULES = (
    "attributes",
    "dagster_host",
    "dagster_sealed",
    "errors",
    "namespaces",
    "native_host",
    "native_sealed",
    "seal",
    "sealed_load",
    "seccomp",
    "watch",
)
_MARK_BYTES = 16
_OF_SEAL = frozenset({"seals", "attempt", "not-started", "timed-out", "ended"})
_OF_LOAD = frozenset({"enter", "attempt", "leave", "failed", "loaded", "bye"})
_KEPT_LINES = 400


@dataclass(frozen=True)
class LoadRequest:
    """What to load, in whose terms: see ``sealed_load.main``.

    Attributes:
        host: the framework's name.
        project: the directory that holds the code, whose lines are told.
        paths: what to put in front of the interpreter's path.
        state_dir: the state directory's path, as the interpreter sees it or relative to where it imports from.
        defs_module: the module of the definitions; ``None``: found by ``state_dir``.
        target: the module that a code server is given; ``None``: ``definitions`` in the root package.
    """

    host: str
    project: str
    paths: tuple[str, ...] = ()
    state_dir: str | None = None
    defs_module: str | None = None
    target: str | None = None


@dataclass(frozen=True)
class LoadedComponent:
    """One component as it was built: ``definitions`` says of how many; ``error`` why it was not."""

    key: str
    type: str
    declared_at: str
    management_type: str
    definitions: int | None = None
    error: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether its state is in the artifact."""
        return self.management_type == DefsStateManagementType.LOCAL_FILESYSTEM.value

    @property
    def is_stored(self) -> bool:
        """Whether its state is in the framework's store: a sealed load does not build it."""
        return self.management_type == DefsStateManagementType.VERSIONED_STATE_STORAGE.value


@dataclass(frozen=True)
class FetchAttempt:
    """Somebody tried to connect, ``times`` times, and was refused.

    Attributes:
        component: the number of the component that was being built; ``None``: none was.
        host: where to: a name, an address, or ``unix:PATH``.
        port: its port, where that is known.
        program: the command line of another program that the load started; ``None``: the load itself.
        line: ``file:line`` of the code, where that is known.
    """

    component: int | None
    host: str
    port: int | None
    program: str | None
    line: str | None
    times: int = 1


@dataclass(frozen=True)
class Pins:
    """Which versions of stored state the load would read in production.

    Attributes:
        file: the file that says so; ``None``: nothing names one.
        keys: the keys that it pins.
        problem: why it says nothing, the rest of a sentence; ``None``: it does.
    """

    file: str | None = None
    keys: frozenset[str] = frozenset()
    problem: str | None = None


@dataclass(frozen=True)
class SealedLoad:
    """How a sealed load went.

    Attributes:
        seals: what stood between it and the world, a phrase each.
        missing: what did not, and what that means.
        components: in the order in which they were built.
        attempts: where it tried to fetch from.
        opened: the directory names of the keys whose state was opened.
        seconds: how long the load took, imports included; ``None``: it did not end, or is not known to have.
        absent: whether the program that was to be started is not there.
        failure: why it failed: ``code`` (or ``None``), ``message``, ``where``, ``detail``; ``None``: it did not.
        pins: which versions of stored state it would read.
        timed_out: whether it was ended because it took too long.
        ended: how the process ended: exit code and signal; ``None`` where nobody knows.
        log: the end of what it printed.
        unreadable: whether some of what it told has a wrong shape.
    """

    seals: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    components: tuple[LoadedComponent, ...] = ()
    attempts: tuple[FetchAttempt, ...] = ()
    opened: frozenset[str] = frozenset()
    seconds: float | None = None
    absent: bool = False
    failure: Mapping[str, str | None] | None = None
    pins: Pins = Pins()
    timed_out: bool = False
    ended: tuple[int | None, int | None] | None = None
    log: str = ""
    unreadable: bool = False


@dataclass
class Listener:
    """Takes what a sealed load prints, line by line, and keeps what it told.

    The seal has ``mark`` in front of what it says, the load has one that is made of it: each is heard only where it is
    asked. That a load ended well is believed where it said goodbye and the seal saw it end so.
    """

    mark: str = field(default_factory=lambda: secrets.token_hex(_MARK_BYTES))
    events: list[dict[str, Any]] = field(default_factory=list)
    log: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))

    def line(self, text: str) -> None:
        """Take one line."""
        for mark, kinds in ((self.mark, _OF_SEAL), (_load_mark(self.mark), _OF_LOAD)):
            if text.startswith(mark):
                self._take(text.removeprefix(mark), kinds)
                return
        if text:
            self.log.append(text)

    def result(self) -> SealedLoad:
        """Return how the load went."""
        load = sealed_load(self.events, tail("\n".join(self.log), _KEPT_LINES))
        said_goodbye = any(event["event"] == "bye" for event in self.events)
        return load if said_goodbye and load.ended == (0, None) else replace(load, seconds=None)

    def _take(self, text: str, kinds: Container[str]) -> None:
        try:
            event = json.loads(text)
            printable = json.loads(json.dumps(event, ensure_ascii=False).encode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return  # two programs wrote at once
        kind = printable.get("event") if isinstance(printable, dict) else None
        if not isinstance(kind, str):
            self.events.append({"event": None})
        elif kind in kinds:
            self.events.append(printable)


def _load_mark(mark: str) -> str:
    """Return the mark of the load that the seal with ``mark`` runs; nobody gets back from it."""
    return hashlib.sha256(mark.encode()).hexdigest()[: len(mark)]


def sealed_load(events: Iterable[Mapping[str, Any]], log: str = "") -> SealedLoad:
    """Return what the events of ``seal`` and ``sealed_load`` in ``worker`` say together."""
    components: list[LoadedComponent] = []
    attempts: Counter[FetchAttempt] = Counter()
    facts: dict[str, Any] = {}
    at_work: int | None = None
    for event in events:
        kind = event.get("event")
        if not has_shape(event):
            facts["unreadable"] = True
        elif kind == "seals":
            facts |= {"seals": tuple(event["by"]), "missing": tuple(event["missing"])}
        elif kind == "enter":
            at_work = len(components)
            key, type_ = event["key"], event["type"]
            components.append(LoadedComponent(key, type_, event["declared_at"], event["management_type"]))
        elif kind == "leave" and at_work is not None:
            components[at_work] = replace(
                components[at_work],
                definitions=event["definitions"],
                error=event.get("error"),
            )
            at_work = None
        elif kind == "attempt":
            line = event.get("line")
            attempts[FetchAttempt(at_work, event["host"], event.get("port"), event.get("program"), line)] += 1
        elif kind == "failed":
            names = ("code", "message", "where", "detail")
            facts["failure"] = {name: event.get(name) for name in names}
        elif kind == "not-started":
            reason = f"{event['program']} cannot be started: {event.get('reason')}"
            facts["failure"] = {
                "code": "NO_INTERPRETER",
                "message": reason,
                "where": event.get("program"),
                "detail": None,
            }
            facts["absent"] = event.get("number") == errno.ENOENT
        elif kind == "loaded":
            pins = Pins(event["pins"].get("file"), frozenset(event["pins"]["keys"]), event["pins"].get("problem"))
            facts |= {"opened": frozenset(event["opened"]), "seconds": event["seconds"], "pins": pins}
        elif kind == "timed-out":
            facts["timed_out"] = True
        elif kind == "ended":
            facts["ended"] = (event.get("exit"), event.get("signal"))
    if facts.get("unreadable"):
        facts["seconds"] = None
    found = tuple(replace(attempt, times=times) for attempt, times in attempts.items())
    return SealedLoad(components=tuple(components), attempts=found, log=log, **facts)


def load_command(python: Sequence[str], request: LoadRequest) -> list[str]:
    """Return the command that has an interpreter do the load; its mark is not in it, the seal hands it over."""
    return [*python, "-c", _boot(), _packed(), "load", json.dumps(vars(request))]


def seal_command(
    python: Sequence[str],
    command: Sequence[str],
    *,
    mark: str,
    within_s: float,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    scratch: str | None = None,
    outside: Sequence[str] = (),
    bwrap: str | None = None,
    trial: Sequence[str] = (),
    without: Sequence[str] = (),
) -> list[str]:
    """Return the command that has an interpreter put on the seals and run ``command``; see ``seal.main``."""
    stage = [*python, "-c", _boot(), _packed()]
    spec: dict[str, Any] = {
        "argv": list(command),
        "mark": mark,
        "load_mark": _load_mark(mark),
        "within_s": within_s,
        "env": None if env is None else dict(env),
        "cwd": cwd,
        "scratch": scratch,
        "outside": list(outside),
        "bwrap": bwrap,
        "trial": list(trial),
        "stage": stage if bwrap else [],
        "without": list(without),
    }
    return [*stage, "seal", json.dumps(spec)]


def run_sealed(
    command: Sequence[str],
    listener: Listener,
    *,
    env: Mapping[str, str],
    cwd: str,
    scratch: Path,
    within_s: float,
    without: Sequence[str] = (),
) -> None:
    """Run a command under every seal that this system has; ``listener`` takes what it tells.

    ``env``: the whole environment that it gets. ``scratch``: the one directory that it can write.
    """
    sealed = seal_command(
        [sys.executable],
        command,
        mark=listener.mark,
        within_s=within_s,
        env=env,
        cwd=cwd,
        scratch=str(scratch),
        bwrap=None if "bwrap" in without else shutil.which("bwrap", path=env.get("PATH")),
        trial=_trial(command),
        without=without,
    )
    stream_tool(
        sealed,
        env={"PATH": env.get("PATH", "")},
        cwd=scratch,
        next_step="install statebake again: its own interpreter is gone",
        on_line=listener.line,
        code=Code.NO_INTERPRETER,
    )


def _trial(command: Sequence[str]) -> list[str]:
    """Return the command that finds out whether whoever runs it can read what ``command`` needs; see ``readable``."""
    python = command[: command.index("-c")] if "-c" in command else command[:1]
    request = json.loads(command[-1]) if command[-2:-1] == ["load"] else {"project": command[0], "paths": []}
    source = (_WORKER / "readable.py").read_text(encoding="utf-8")
    return [*python, "-c", source, request["project"], *request["paths"]]


@lru_cache(maxsize=1)
def _packed() -> str:
    sources = {name: (_WORKER / f"{name}.py").read_text(encoding="utf-8") for name in _MODULES}
    return base64.b85encode(zlib.compress(json.dumps(sources).encode(), 9)).decode()


@lru_cache(maxsize=1)
def _boot() -> str:
    return (_WORKER / "boot.py").read_text(encoding="utf-8")
