"""The build backend that statebake wraps: importing it, and what it gives back (PEP 517, PEP 660)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from statebake.config.backends import OURS, distribution_of
from statebake.config.toml_file import table_at
from statebake.errors import Code, StatebakeError

_BOTH = "statebake would wrap itself: build-backend names statebake.backend in both tables."
_SUFFIXES = {"wheel": ".whl", "source distribution": ".tar.gz"}


@dataclass(frozen=True)
class Inner:
    """The wrapped backend: its name as ``build-backend`` has it, and the object that has its hooks."""

    name: str
    hooks: Any

    def has(self, hook: str) -> bool:
        """Return whether it has a hook, or another attribute."""
        return hasattr(self.hooks, hook)

    def make(self, hook: str, what: str, directory: Path, *arguments: Any) -> Path:
        """Call ``build_wheel`` or ``build_sdist``, which makes a ``what`` in ``directory``, and return its path.

        Raises ``StatebakeError`` (``BACKEND_FAILED``) for an answer that is not the name of such a file in there, and
        what the backend raises.
        """
        try:
            answer = getattr(self.hooks, hook)(str(directory), *arguments)
        except SystemExit as ended:
            if ended.code:  # as setuptools ends where it cannot compile: it has said why
                raise
            raise self._failed(hook, "ended the build, as if there were nothing to make") from ended
        if not isinstance(answer, str):
            raise self._failed(hook, f"returned {_shown(answer)}, not the name of a {what}")
        if Path(answer).name != answer or not answer.endswith(_SUFFIXES[what]):
            raise self._failed(hook, f"returned {_shown(answer)}, which is not the name of a {what}")
        path = directory / answer
        if not path.is_file():
            raise self._failed(hook, f"returned {_shown(answer)}, and made no such file")
        return path

    def _failed(self, hook: str, what: str) -> StatebakeError:
        return StatebakeError(
            Code.BACKEND_FAILED,
            f"{self.name} {what}.",
            where=f"{self.name}: {hook}",
            next_step=f'mend it, or name another one: [tool.statebake] build-backend = "…", which is {self.name} now',
        )


def load_inner(name: str | None, backend_path: Sequence[str], project: Path, pyproject: Mapping[str, Any]) -> Inner:
    """Import the backend called ``name``, as a frontend would, from ``backend_path`` first where that is given.

    Raises ``StatebakeError`` (``NO_BACKEND``) where there is none of that name, and whatever its import raises besides.
    """
    where = str(project / "pyproject.toml")
    if name is None or is_ours(name):
        raise not_another("It is not known which build backend statebake wraps." if name is None else _BOTH, where)
    module, _, path = name.partition(":")
    _must_be_inside(backend_path, project, where)
    sys.path[:0] = [path for path in (str(project / place) for place in backend_path) if path not in sys.path]
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise _not_there(name, error.name, backend_path, pyproject, where) from error
    for part in path.split(".") if path else []:
        if not hasattr(found, part):
            raise StatebakeError(
                Code.NO_BACKEND,
                f"The module {module} has nothing called {path}.",
                where=where,
                next_step="correct [tool.statebake] build-backend",
            )
        found = getattr(found, part)
    if lacking := [hook for hook in ("build_wheel", "build_sdist") if not hasattr(found, hook)]:
        raise StatebakeError(
            Code.NO_BACKEND,
            f"{name} is no build backend: it has no {lacking[0]}.",
            where=where,
            next_step="correct [tool.statebake] build-backend; for example: hatchling.build",
        )
    return Inner(name, found)


def is_ours(name: str) -> bool:
    """Return whether ``build-backend`` names the one that wraps another, or something in it."""
    return name.partition(":")[0] == OURS


def not_another(message: str = _BOTH, where: str | None = None) -> StatebakeError:
    """Return the error (``NO_BACKEND``) that statebake has no other backend to wrap; by default for it is itself."""
    return StatebakeError(
        Code.NO_BACKEND,
        message,
        where=where,
        next_step='name the one that was there before: [tool.statebake] build-backend = "hatchling.build"',
    )


def _must_be_inside(backend_path: Sequence[str], project: Path, where: str) -> None:
    for directory in backend_path:
        place = (project / directory).resolve()
        if not place.is_relative_to(project.resolve()) or not place.is_dir():
            raise StatebakeError(
                Code.BAD_SETTING,
                f"backend-path names {directory!r}, which is no directory of the project.",
                where=where,
                next_step="correct [tool.statebake] backend-path",
            )


def _not_there(
    name: str, missing: str, backend_path: Sequence[str], pyproject: Mapping[str, Any], where: str
) -> StatebakeError:
    if backend_path:
        next_step = f"look for {missing} in backend-path: {', '.join(backend_path)}"
    elif "." in missing:
        next_step = "correct [tool.statebake] build-backend"
    else:
        given = table_at(pyproject, "build-system", "requires")
        requires = [item for item in given if isinstance(item, str)] if isinstance(given, list) else []
        wanted = distribution_of(name) or missing.replace("_", "-")
        listed = ", ".join(f'"{item}"' for item in [*requires, wanted])
        next_step = f"in pyproject.toml, below [build-system]: requires = [{listed}]"
    return StatebakeError(
        Code.NO_BACKEND,
        f"The build backend {name} cannot be imported: there is no module {missing} where this build runs.",
        where=where,
        next_step=next_step,
    )


def _shown(answer: object) -> str:
    text = repr(answer)
    return text if len(text) <= 100 else f"{text[:97]}..."
