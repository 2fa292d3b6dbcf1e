"""Loading definitions as a deployed program does, and telling what happened. Runs in the artifact's own interpreter.

Standard library and, in its one module, the host framework. Every line on what was standard output begins with the mark
that standard input has, and is JSON; whatever the program prints goes to standard error. That mark is read before any
of the program's modules are imported, and is in no command line or variable. (What an interpreter runs by itself at its
start, ``.pth`` files or a PEX's own bootstrap, comes earlier.)

This finds mistakes, not malice: what is loaded runs in this very process. A program that walks its frames finds the
mark, and can then lie about its own load: what it opened, made, and how it ended. It cannot lie about the seals, nor
take back an attempt that the system saw.

    {"event": "enter", "key": …, "type": …, "declared_at": …, "management_type": …}
    {"event": "attempt", "host": …, "port": …, "program": null, "line": "file:line" | null}
    {"event": "leave", "definitions": n, "error": null | …}
    {"event": "failed", "code": … | null, "message": …, "where": …, "detail": …}
    {"event": "loaded", "seconds": …, "opened": [...], "pins": {"file": … | null, "keys": [...], "problem": … | null}}
    {"event": "bye"}
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from .errors import HostError, describe, short_traceback, user_line
from .watch import Watch

NO_PINS: dict[str, Any] = {"file": None, "keys": [], "problem": None}


class Sealed(Protocol):
    """What ``<name>_sealed.py`` has under the name ``Sealed``."""

    def __init__(self, request: dict[str, Any], recorder: Recorder) -> None: ...

    def load(self) -> None:
        """Load every definition as a deployed program does; raises what that raises, or ``HostError``."""

    def pins(self) -> dict[str, Any]:
        """Return which versions of stored state the program reads: ``file`` says so, for ``keys``.

        ``problem``: why the file that is named says nothing, the rest of a sentence.
        """


class Recorder:
    """Tells which component is at work, and what it made."""

    def __init__(self, say: Callable[..., None], watch_files: Callable[[Path], None]) -> None:
        self._say, self.watch_files = say, watch_files
        self._at_work = False

    def build(self, build: Callable[[], Any], count: Callable[[Any], int], **component: Any) -> Any:
        """Return what ``build`` returns, with what it takes told: of components in each other the outermost."""
        if self._at_work:
            return build()
        self._at_work = True
        self._say(event="enter", **component)
        try:
            result = build()
        except BaseException as error:
            self._say(event="leave", definitions=0, error=describe(error))
            raise
        else:
            self._say(event="leave", definitions=count(result), error=None)
            return result
        finally:
            self._at_work = False


def main(request: dict[str, Any]) -> int:
    """Load what ``request`` names: ``host``, ``project``, ``paths``, ``state_dir``, ``defs_module``, ``target``."""
    mark = _take_mark()
    out = os.dup(1)
    os.dup2(2, 1)

    def say(**event: Any) -> None:
        data = f"\n{mark}{json.dumps(event)}\n".encode()
        while data:
            data = data[os.write(out, data) :]

    watch = Watch(say, lambda: _own_line(request["project"]))
    sys.path[:0] = [path for path in request["paths"] if path not in sys.path]
    began, pins = time.monotonic(), NO_PINS
    try:
        host = f"{__package__}.{request['host']}"
        importlib.import_module(f"{host}_host")  # it says what is missing where the framework cannot be imported
        module = importlib.import_module(f"{host}_sealed")
        sealed: Sealed = module.Sealed(request, Recorder(say, watch.watch_files))
        pins = sealed.pins()
        sealed.load()
    except HostError as error:
        say(event="failed", **error.fields)
    except BaseException as error:
        say(
            event="failed",
            code=None,
            message=describe(error),
            where=user_line(error, request["project"]),
            detail=short_traceback(error, request["project"]),
        )
    say(
        event="loaded",
        seconds=round(time.monotonic() - began, 3),
        opened=sorted(watch.collect()),
        pins=pins,
    )
    say(event="bye")  # whoever ends the process before has not loaded anything
    return 0


def _take_mark() -> str:
    """Return the mark that standard input has, and leave nothing there."""
    mark = b""
    while part := os.read(0, 1 << 10):
        mark += part
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return mark.decode("ascii")


def find_defs_module(request: dict[str, Any]) -> str:
    """Return the module that holds the definitions: as it was named, or as the state directory lies in ``sys.path``.

    Raises ``HostError`` where the interpreter would not find it there.
    """
    if request["defs_module"]:
        return str(request["defs_module"])
    place = Path(request["state_dir"]).parent
    if not place.is_absolute():
        return ".".join(place.parts)
    roots = [Path(path or os.getcwd()) for path in sys.path]  # noqa: PTH109
    inside = [place.relative_to(root) for root in roots if place.is_relative_to(root) and place != root]
    if not inside:
        raise HostError(
            "WRONG_PLACE",
            f"The state is in {request['state_dir']}, and nothing is imported from there.",
            where=str(place),
            next_step="install the project into the image's environment, or set PYTHONPATH in the image",
        )
    return ".".join(min(inside, key=lambda path: len(path.parts)).parts)


def _own_line(project: str) -> str | None:
    """Return the innermost line of the project's own code that runs now, else of any code but Python's own."""
    frames = [frame for frame in traceback.extract_stack() if not frame.filename.startswith("<")]
    own = [frame for frame in frames if frame.filename.startswith(project + os.sep)]
    library = os.path.dirname(os.__file__)  # noqa: PTH120
    site = f"{os.sep}site-packages{os.sep}"
    others = [frame for frame in frames if not frame.filename.startswith(library) or site in frame.filename]
    found = (own or others)[-1:]
    return f"{found[0].filename}:{found[0].lineno}" if found else None
