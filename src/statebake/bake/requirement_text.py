"""What a project needs, as one requirements text, from wherever that is written down."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from statebake.bake.dependency_source import (
    DependencyKind,
    DependencySource,
    declared_dependencies,
    own_dependencies,
)
from statebake.bake.requirements import (
    lines_of_pylock,
    names_statebake,
    own_lines_removed,
    pylock_names_project,
    with_local_paths_from,
    without_statebake,
)
from statebake.bake.runtime_wheel import REQUIRES
from statebake.config import Project
from statebake.errors import Code, StatebakeError
from statebake.process import run_tool, tail


def requirement_text(
    source: DependencySource, project: Project, *, brings_runtime: bool, scratch: Path, env: Mapping[str, str]
) -> str:
    """Return the lines of a requirements file that say what ``project`` needs, with the hashes that ``source`` has.

    The project itself is not among them; paths are absolute. ``brings_runtime``: nor is statebake, in whose place its
    runtime part comes. A lock names all that the build-time tool needs as well: where the project declares statebake
    among its dependencies, they tell what it needs itself, and the lock's lines for what only statebake needs are left
    out. ``scratch`` is a directory for files on the way.

    Raises ``StatebakeError``: ``BAD_SETTING``, also for a PEX lock, which is no requirements text; ``TOOL_MISSING``,
    ``LOCK_NOT_READ``.
    """
    if source.kind is DependencyKind.PEX_LOCK:
        raise StatebakeError(
            Code.BAD_SETTING,
            "A PEX lock pins the whole of statebake, and an artifact carries only its runtime part."
            if brings_runtime
            else "A PEX lock can only be read by pex, and an image is made with pip.",
            where=str(source.path),
            next_step="use a requirements.txt, pylock.toml or uv.lock instead",
        )
    if source.kind is DependencyKind.PYPROJECT:
        declared = declared_dependencies(project)
        lines = [text for text in declared if not (brings_runtime and names_statebake(text))]
        return "".join(f"{line}\n" for line in lines)
    if source.kind is DependencyKind.PYLOCK:
        refuse_own_lock(source.path, project)
        text = lines_of_pylock(source.path, but=["statebake"] if brings_runtime else [])
    else:
        without = ["--no-emit-package", "statebake"] if brings_runtime else []
        text = _lines_of_file(source, project, scratch, env, but=without)
    return without_statebake(text, _only_statebakes(project)) if brings_runtime else text


def refuse_own_lock(path: Path, project: Project) -> None:
    """Raise ``StatebakeError`` (``BAD_SETTING``) for a ``pylock.toml`` that contains the project itself."""
    if pylock_names_project(path, project.name):
        raise StatebakeError(
            Code.BAD_SETTING,
            "This lock contains the project itself: a bake would ship whatever a cache has of it.",
            where=str(path),
            next_step="make it without the project, for example: uv export --no-emit-project -o pylock.toml",
        )


def _only_statebakes(project: Project) -> set[str]:
    """Return the names of what a lock has for statebake's sake only, as far as the project's dependencies tell."""
    declared = own_dependencies(project)[""]
    if not any(names_statebake(text) for text in declared):
        return set()
    needed = {canonicalize_name(Requirement(text).name) for text in REQUIRES}
    return _needed_by_statebake() - needed - _closure([Requirement(text).name for text in declared], {"statebake"})


def _needed_by_statebake() -> set[str]:
    return _closure(["statebake"], set())


def _closure(names: Sequence[str], but: Collection[str]) -> set[str]:
    """Return ``names`` and all that they need, as far as that is installed here; what is in ``but`` is not followed."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found or name in but:
            continue
        found.add(name)
        try:
            listed = requires(name) or []
        except PackageNotFoundError:
            continue
        needed = [Requirement(text) for text in listed]
        waiting += [item.name for item in needed if item.marker is None or item.marker.evaluate({"extra": ""})]
    return found


def _lines_of_file(
    source: DependencySource, project: Project, scratch: Path, env: Mapping[str, str], but: Sequence[str] = ()
) -> str:
    if source.kind is DependencyKind.UV_LOCK:
        # Whatever the directory it is called in, uv writes paths relative to where the lock is.
        return with_local_paths_from(source.path.parent, _uv_export(source.path, project, scratch, env, but))
    return own_lines_removed(source.path, project.directory, own_dependencies(project))


def _uv_export(lock: Path, project: Project, scratch: Path, env: Mapping[str, str], but: Sequence[str]) -> str:
    uv = shutil.which("uv", path=env.get("PATH")) or shutil.which("uv", path=str(Path(sys.executable).parent))
    hint = "pip install 'statebake[uv]'"
    if uv is None:
        raise StatebakeError(
            Code.TOOL_MISSING,
            "Reading uv.lock needs uv, which is not installed.",
            where=str(lock),
            next_step=hint,
        )
    output = scratch / "uv-export.txt"
    argv = [uv, "export", "--frozen", "--quiet", "--no-dev", "--no-emit-project", "--no-annotate", "--no-header"]
    argv += [*but, "--format", "requirements-txt", "--output-file", str(output)]
    # uv takes the lock of the project that it is in; in a workspace, that of the workspace.
    own = project.directory.is_relative_to(lock.parent)
    finished = run_tool(argv, env=env, cwd=project.directory if own else lock.parent, next_step=hint)
    if finished.returncode:
        raise StatebakeError(
            Code.LOCK_NOT_READ,
            f"uv export failed with exit code {finished.returncode}.",
            where=str(lock),
            next_step="uv lock",
            detail=tail(finished.stderr),
        )
    return output.read_text(encoding="utf-8")
