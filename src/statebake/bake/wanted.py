"""From where dependencies are written down to what ``pex`` is told."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from statebake.bake.dependency_source import (
    DependencyKind,
    DependencySource,
    declared_dependencies,
    own_dependencies,
)
from statebake.bake.requirements import (
    has_hashes,
    lines_of_pylock,
    names_local,
    names_statebake,
    own_lines_removed,
    pylock_names_local,
    pylock_names_project,
    with_local_paths_from,
    without_statebake,
)
from statebake.bake.runtime_wheel import REQUIRES, build_runtime_wheel
from statebake.config import Project
from statebake.errors import Code, StatebakeError
from statebake.process import run_tool, tail


@dataclass(frozen=True)
class Wanted:
    """What ``pex`` is told, and what that depends on (the key of the cache).

    ``local``: it names code on this machine that can change while the key stays, so that it is built each time.
    ``apart``: what is resolved on its own and put beside, for a lock with hashes admits nothing else.
    """

    arguments: list[str]
    inputs: Any
    local: bool
    apart: list[str] = field(default_factory=list)


def wanted_of(
    source: DependencySource,
    project: Project,
    *,
    brings_runtime: bool,
    scratch: Path,
    env: Mapping[str, str],
    checked_with: str | None = None,
) -> Wanted:
    """Return what ``pex`` is told for ``source``; files that it needs are written into ``scratch``.

    ``brings_runtime``: statebake's runtime part takes the place of statebake. ``checked_with``: the framework's
    requirement (``dagster==1.13.27``) that holds where no lock says otherwise. Raises ``StatebakeError``:
    ``BAD_SETTING``, ``TOOL_MISSING``, ``LOCK_NOT_READ``.
    """
    if brings_runtime:
        return _wanted_natively(source, project, scratch, env)
    if source.kind is DependencyKind.PYPROJECT:
        requirements = declared_dependencies(project)
        arguments = list(requirements)
        if checked_with:
            constraints = scratch / "constraints.txt"
            constraints.write_text(f"{checked_with}\n", encoding="utf-8")
            arguments += ["--constraints", str(constraints)]
        return Wanted(arguments, [requirements, checked_with], names_local("\n".join(requirements)))
    if source.kind in {DependencyKind.REQUIREMENTS, DependencyKind.UV_LOCK}:
        lines = _requirement_lines(source, project, scratch, env)
        file = scratch / "requirements.txt"
        file.write_text(lines, encoding="utf-8")
        return Wanted(["--requirement", str(file)], lines, names_local(lines))
    text = source.path.read_text(encoding="utf-8")
    if source.kind is DependencyKind.PEX_LOCK:
        return Wanted(["--lock", str(source.path)], text, local=False)
    if pylock_names_project(source.path, project.name):
        raise StatebakeError(
            Code.BAD_SETTING,
            "This lock contains the project itself: a bake would ship whatever a cache has of it.",
            where=str(source.path),
            next_step="make it without the project, for example: uv export --no-emit-project -o pylock.toml",
        )
    return Wanted(["--pylock", str(source.path)], text, pylock_names_local(source.path))


def _wanted_natively(source: DependencySource, project: Project, scratch: Path, env: Mapping[str, str]) -> Wanted:
    """The project's dependencies, with the runtime part in statebake's place.

    A lock names all that the build-time tool needs as well. Where the project declares statebake among its
    dependencies, they tell what it needs itself; the lock's lines for what only statebake needs are left out.
    """
    wheel = build_runtime_wheel(scratch)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if source.kind is DependencyKind.PEX_LOCK:
        raise StatebakeError(
            Code.BAD_SETTING,
            "A PEX lock pins the whole of statebake, and an artifact carries only its runtime part.",
            where=str(source.path),
            next_step="use a requirements.txt, pylock.toml or uv.lock instead",
        )
    if source.kind is DependencyKind.PYPROJECT:
        requirements = [text for text in declared_dependencies(project) if not names_statebake(text)]
        arguments = [*requirements, str(wheel)]
        return Wanted(arguments, [requirements, digest], names_local("\n".join(requirements)))
    if source.kind is DependencyKind.PYLOCK:
        lines = lines_of_pylock(source.path)
    else:
        lines = _requirement_lines(source, project, scratch, env, but=["--no-emit-package", "statebake"])
    lines = without_statebake(lines, _only_statebakes(project))
    file = scratch / "requirements.txt"
    if has_hashes(lines):
        file.write_text(lines, encoding="utf-8")
        return Wanted(["--requirement", str(file)], [lines, digest], names_local(lines), apart=[str(wheel)])
    file.write_text(f"{lines}statebake @ {wheel.as_uri()}\n", encoding="utf-8")
    return Wanted(["--requirement", str(file)], [lines, digest], names_local(lines))


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


def _requirement_lines(
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
