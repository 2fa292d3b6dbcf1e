"""Importing a project in its own interpreter, through the framework that it is written for."""

from __future__ import annotations

import importlib
import platform
import sys
import sysconfig
from pathlib import Path
from typing import Any, Protocol

from .errors import HostError, describe, short_traceback, user_line


class Host(Protocol):
    """What ``<name>_host.py`` has under the name ``Host``."""

    def discover(self) -> dict[str, Any]:
        """Return the fields of the ``discovered`` message; raises ``HostError``."""

    def fetch(self, number: int, state_path: Path) -> None:
        """Have the component of that number in the message write its state; raises what it raises."""


def load(request: dict[str, Any]) -> tuple[Host | None, dict[str, Any]]:
    """Import the project; return its host, and the message that says what is in it, or why it cannot be imported."""
    project = request["project"]
    sys.path[:0] = [path for path in request["paths"] if path not in sys.path]
    try:
        host: Host = importlib.import_module(f"{__package__}.{request['host']}_host").Host(request)
        found = host.discover()
    except HostError as error:
        return None, {"event": "failed", **error.fields}
    except BaseException as error:
        return None, {
            "event": "failed",
            "code": "PROJECT_IMPORT",
            "message": f"The project cannot be imported: {describe(error)}",
            "where": user_line(error, project),
            "detail": short_traceback(error, project),
        }
    return host, {"event": "discovered", "python": interpreter(), **found}


def interpreter() -> dict[str, str]:
    """Return what the interpreter says of itself: dependencies are resolved for it."""
    return {
        "path": sys.executable,
        "version": platform.python_version(),
        "tag": f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}-{'-'.join(platform.libc_ver())}",
    }
