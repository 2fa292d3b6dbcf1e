"""Where a project writes down its dependencies; nothing is resolved here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from statebake.config import Project
from statebake.config.uv_use import LOCK_NAME, is_workspace_of
from statebake.errors import Code, StatebakeError


class DependencyKind(Enum):
    """How dependencies are written down; the value is what messages call it."""

    PYLOCK = "pylock.toml"
    PEX_LOCK = "a PEX lock"
    UV_LOCK = "uv.lock"
    REQUIREMENTS = "requirements.txt"
    PYPROJECT = "pyproject.toml"


@dataclass(frozen=True)
class DependencySource:
    """The file that names the dependencies; only a ``pyproject.toml`` leaves their versions open."""

    kind: DependencyKind
    path: Path

    @property
    def locked(self) -> bool:
        """Whether it pins versions."""
        return self.kind is not DependencyKind.PYPROJECT


def find_dependencies(project: Project, lock: Path | None, *, but: Collection[DependencyKind] = ()) -> DependencySource:
    """Return where ``project`` names its dependencies: ``lock`` where it is set, else the first that there is.

    The kinds in ``but`` are not searched for. Raises ``StatebakeError`` (``BAD_SETTING``) for a ``lock`` that is not
    there, or where nothing names them.
    """
    if lock is not None:
        if not lock.is_file():
            raise StatebakeError(
                Code.BAD_SETTING, "The lock file is not there.", where=str(lock), next_step="correct the setting `lock`"
            )
        return DependencySource(_kind_of(lock), lock)
    places = [project.directory, *(place for place in project.directory.parents if is_workspace_of(place, project))]
    candidates = [
        *((DependencyKind.PYLOCK, project.directory / "pylock.toml"),),
        *((DependencyKind.PEX_LOCK, project.directory / "pex.lock"),),
        *((DependencyKind.UV_LOCK, place / LOCK_NAME) for place in places),
        *((DependencyKind.REQUIREMENTS, project.directory / "requirements.txt"),),
    ]
    for kind, path in candidates:
        if kind not in but and path.is_file():
            return DependencySource(kind, path)
    declared_dependencies(project)
    return DependencySource(DependencyKind.PYPROJECT, project.directory / "pyproject.toml")


def declared_dependencies(project: Project) -> list[str]:
    """Return ``[project] dependencies`` (PEP 621).

    Raises ``StatebakeError`` (``BAD_SETTING``) where there is no such table, or its build backend computes them.
    """
    table = project.pyproject.get("project")
    computed = table.get("dynamic", []) if isinstance(table, Mapping) else []
    dynamic = isinstance(computed, list) and "dependencies" in computed
    if not isinstance(table, Mapping) or dynamic:
        raise StatebakeError(
            Code.BAD_SETTING,
            "The project's dependencies are dynamic: only its build backend knows them."
            if dynamic
            else "Nothing names the project's dependencies: there is no lock, and no [project] table.",
            where=str(project.directory / "pyproject.toml"),
            next_step="write them into a requirements.txt or a lock",
        )
    return [str(item) for item in table.get("dependencies", [])]


def own_dependencies(project: Project) -> dict[str, Sequence[str]]:
    """Return the project's dependencies under ``""`` and those of its extras by name, as far as they are declared."""
    table = project.pyproject.get("project", {})
    extras = table.get("optional-dependencies", {}) if isinstance(table, Mapping) else {}
    return {"": table.get("dependencies", []) if isinstance(table, Mapping) else [], **extras}


def _kind_of(path: Path) -> DependencyKind:
    if path.name == LOCK_NAME:
        return DependencyKind.UV_LOCK
    if path.name == "pylock.toml" or (path.name.startswith("pylock.") and path.suffix == ".toml"):
        return DependencyKind.PYLOCK
    if path.name == "pyproject.toml":
        return DependencyKind.PYPROJECT
    return (
        DependencyKind.PEX_LOCK
        if path.read_bytes()[:256].lstrip().startswith((b"{", b"//"))
        else DependencyKind.REQUIREMENTS
    )
