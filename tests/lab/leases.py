"""Who uses a daemon: it is started for the first, shared with the next, and ended after the last.

Every user has the file ``<name>.used`` open with a shared lock, which also a user that is killed lets go of.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from lab.containers import Containers
from lab.engines import KINDS, Engine
from lab.places import locked, running
from lab.registry import Registry


class Service(Protocol):
    """A daemon that can be shared."""

    @property
    def name(self) -> str: ...
    @property
    def environment(self) -> dict[str, str]: ...
    @property
    def installed(self) -> bool: ...
    def install(self) -> None: ...
    def answers(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


def services() -> tuple[Service, ...]:
    """Return all that there are."""
    return (*map(Engine, KINDS), Registry(), Containers())


@contextlib.contextmanager
def held(service: Service) -> Iterator[None]:
    """Have a service run for as long as the context."""
    with contextlib.ExitStack() as stack:
        with _alone(service):
            _started(service)
            use = stack.enter_context(_file(service, "used").open("ab"))
            fcntl.flock(use, fcntl.LOCK_SH)
        yield
    end_unused(service)


def keep(service: Service) -> None:
    """Have a service run until it is ended by name."""
    with _alone(service):
        _started(service)
        _file(service, "kept").touch()


def end(service: Service) -> None:
    """End a service, whoever uses it."""
    with _alone(service):
        _file(service, "kept").unlink(missing_ok=True)
        service.stop()


def end_unused(service: Service) -> None:
    """End a service that nobody uses or keeps."""
    if not _file(service, "used").exists():
        return
    with _alone(service), _file(service, "used").open("ab") as use:
        if _file(service, "kept").exists():
            return
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            service.stop()
            _file(service, "used").unlink()


def _started(service: Service) -> None:
    if not service.answers():
        service.start()


def _file(service: Service, what: str) -> Path:
    return running() / f"{service.name}.{what}"


def _alone(service: Service) -> contextlib.AbstractContextManager[None]:
    return locked(_file(service, "lock"))
