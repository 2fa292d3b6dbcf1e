"""From where dependencies are written down to what ``pex`` is told."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
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
    names_local,
    names_statebake,
    own_lines_removed,
    pinned_in_pylock,
    pins_of,
    pylock_names_local,
    pylock_names_project,
    roots_of,
    with_local_paths_from,
)
from statebake.bake.runtime_wheel import build_runtime_wheel
from statebake.config import Project
from statebake.errors import Code, StatebakeError
from statebake.process import run_tool, tail


@dataclass(frozen=True)
class Wanted:
    """What ``pex`` is told, and what that depends on (the key of the cache).

    ``local``: it names code on this machine that can change while the key stays, so that it is built each time.
    """

    arguments: list[str]
    inputs: Any
    local: bool


def wanted_of(
    source: DependencySource, project: Project, brings_runtime: bool, scratch: Path, env: Mapping[str, str]
) -> Wanted:
    """Return what ``pex`` is told for ``source``; files that it needs are written into ``scratch``.

    ``brings_runtime``: statebake's runtime part takes the place of statebake. Raises ``StatebakeError``:
    ``BAD_SETTING``, ``TOOL_MISSING``, ``LOCK_NOT_READ``.
    """
    if brings_runtime:
        return _wanted_natively(source, project, scratch, env)
    if source.kind is DependencyKind.PYPROJECT:
        requirements = declared_dependencies(project)
        return Wanted(requirements, requirements, names_local("\n".join(requirements)))
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
    """The project's dependencies, with the runtime part in statebake's place, at the versions that a lock pins.

    A lock cannot be taken whole: it names all that the build-time tool needs. What the project declares is taken, and
    of a ``requirements.txt``, which may say more, what statebake does not need either.
    """
    if source.kind is DependencyKind.PEX_LOCK:
        raise StatebakeError(
            Code.BAD_SETTING,
            "A PEX lock pins the whole of statebake, and an artifact carries only its runtime part.",
            where=str(source.path),
            next_step="use a requirements.txt, pylock.toml or uv.lock instead",
        )
    lines = ""
    if source.kind is DependencyKind.REQUIREMENTS:
        lines = _requirement_lines(source, project, scratch, env)
        requirements = [*own_dependencies(project)[""], *roots_of(lines, _needed_by_statebake())]
    else:
        requirements = declared_dependencies(project)
    requirements = [text for text in dict.fromkeys(requirements) if not names_statebake(text)]
    wheel = build_runtime_wheel(scratch)
    arguments = [*requirements, str(wheel)]
    inputs: list[Any] = [requirements, hashlib.sha256(wheel.read_bytes()).hexdigest()]
    if source.locked:
        if source.kind is DependencyKind.PYLOCK:
            pins = pinned_in_pylock(source.path)
        else:
            pins = pins_of(lines or _requirement_lines(source, project, scratch, env))
        constraints = scratch / "constraints.txt"
        constraints.write_text(pins, encoding="utf-8")
        arguments += ["--constraints", str(constraints)]
        inputs.append(pins)
    return Wanted(arguments, inputs, names_local("\n".join(requirements)))


def _needed_by_statebake() -> set[str]:
    """Return the names of what the running tool needs, itself included, as far as it is installed here."""
    found: set[str] = set()
    waiting = ["statebake"]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        try:
            listed = requires(name) or []
        except PackageNotFoundError:
            continue
        needed = [Requirement(text) for text in listed]
        waiting += [item.name for item in needed if item.marker is None or item.marker.evaluate({"extra": ""})]
    return found


def _requirement_lines(source: DependencySource, project: Project, scratch: Path, env: Mapping[str, str]) -> str:
    if source.kind is DependencyKind.UV_LOCK:
        # Whatever the directory it is called in, uv writes paths relative to where the lock is.
        return with_local_paths_from(source.path.parent, _uv_export(source.path, project, scratch, env))
    return own_lines_removed(source.path, project.directory, own_dependencies(project))


def _uv_export(lock: Path, project: Project, scratch: Path, env: Mapping[str, str]) -> str:
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
    argv += ["--format", "requirements-txt", "--output-file", str(output)]
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
