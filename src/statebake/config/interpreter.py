"""Choosing the interpreter that imports the user's code.

Only the file is looked at here; its version and what is installed in it are asked elsewhere.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from statebake.config.uv_use import is_workspace_of
from statebake.errors import Code, StatebakeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from statebake.config.project import Project
    from statebake.config.settings import Settings


@dataclass(frozen=True)
class Interpreter:
    """An interpreter: its absolute path (links not resolved: a venv's is a link), and who chose it."""

    path: Path
    origin: str


def choose_python(
    project: Project,
    settings: Settings,
    origin: str,
    env: Mapping[str, str],
    own: str = sys.executable,
) -> Interpreter:
    """Return the interpreter for ``project``.

    In this order: ``settings.python``, which came from ``origin`` (flag, variable or file; a bare name is
    searched on ``PATH`` of ``env``), the project's ``.venv``, that of its workspace (of ``dg`` or uv),
    ``VIRTUAL_ENV`` of ``env``, ``own``.

    Raises ``StatebakeError`` (``NO_INTERPRETER``) where the first of these that is there cannot be run.
    """
    if settings.python is not None:
        return configured_python(project, settings.python, origin, env)
    place = next(iter(environments(project, env)), None)
    return place.interpreter() if place else Interpreter(Path(own).absolute(), "statebake's own")


@dataclass(frozen=True)
class VirtualEnvironment:
    """A virtual environment that nobody configured, and how it was found: ``project .venv``."""

    path: Path
    origin: str

    def interpreter(self) -> Interpreter:
        """Return its interpreter; raises ``StatebakeError`` (``NO_INTERPRETER``) where it cannot be run."""
        return Interpreter(_in_venv(self.path, _NAMES[self.origin]), self.origin)


_NAMES = {
    "project .venv": "the project's .venv",
    "workspace .venv": "the workspace's .venv",
    "env VIRTUAL_ENV": "VIRTUAL_ENV",
}


def environments(project: Project, env: Mapping[str, str]) -> Iterator[VirtualEnvironment]:
    """Yield the virtual environments that may be the project's, the most likely first."""
    if _is_there(project.directory / ".venv"):
        yield VirtualEnvironment(project.directory / ".venv", "project .venv")
    above = [project.workspace] if project.workspace else []
    for place in (*above, *(parent for parent in project.directory.parents if parent not in above)):
        if _is_there(place / ".venv") and is_workspace_of(place, project):
            yield VirtualEnvironment(place / ".venv", "workspace .venv")
    if virtual_env := env.get("VIRTUAL_ENV"):
        yield VirtualEnvironment(Path(virtual_env).absolute(), "env VIRTUAL_ENV")


def configured_python(project: Project, python: Path, origin: str, env: Mapping[str, str]) -> Interpreter:
    """Return the interpreter that ``origin`` names; raises ``StatebakeError`` (``NO_INTERPRETER``)."""
    return Interpreter(_configured(project.directory, python, origin, env), origin)


def _configured(base: Path, python: Path, origin: str, env: Mapping[str, str]) -> Path:
    if len(python.parts) == 1 and not python.is_absolute():
        found = shutil.which(str(python), path=env.get("PATH", ""))
        if not found:
            raise _no_interpreter(f"there is no {python} on PATH ({origin})", "give its path, with a slash in it")
        return Path(found).absolute()
    path = base / python
    if problem := _problem(path):
        raise _no_interpreter(
            f"the interpreter {path} ({origin}) {problem}",
            f"correct {origin.removeprefix('flag ').removeprefix('env ')}",
        )
    return path


def _in_venv(venv: Path, what: str) -> Path:
    python = venv / "bin" / "python"
    if problem := _problem(python):
        raise _no_interpreter(
            f"{what} has no interpreter: {python} {problem}",
            f"make {venv} anew, or choose another interpreter with --python PATH",
        )
    return python


def _is_there(venv: Path) -> bool:
    """Return whether there is such a directory, also where the user may not enter it: its interpreter says so then."""
    try:
        return stat.S_ISDIR(venv.stat().st_mode)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False


def _problem(path: Path) -> str | None:
    """Return why ``path`` cannot be run, or ``None``.

    It may be a link to where the user may not enter: a ``.venv`` that root made with a Python below ``/root``.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return "does not exist"
    except OSError as error:
        return f"cannot be reached ({(error.strerror or 'it cannot be read').lower()})"
    if stat.S_ISDIR(mode):
        return "is a directory"
    return None if stat.S_ISREG(mode) and os.access(path, os.X_OK) else "is not executable"


def _no_interpreter(message: str, next_step: str) -> StatebakeError:
    return StatebakeError(Code.NO_INTERPRETER, message, next_step=next_step)
