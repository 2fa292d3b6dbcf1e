"""From where dependencies are written down to what ``pex`` is told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from statebake.bake.dependency_source import DependencyKind, DependencySource, declared_dependencies
from statebake.bake.requirement_text import refuse_own_lock, requirement_text
from statebake.bake.requirements import (
    has_hashes,
    names_local,
    names_of_sources,
    pylock_names_local,
    sources_of_pylock,
)
from statebake.bake.runtime_wheel import build_runtime_wheel
from statebake.config import Project


@dataclass(frozen=True)
class Wanted:
    """What ``pex`` is told, and what that depends on (the key of the cache).

    ``local``: it names code on this machine that can change while the key stays, so that it is built each time.
    ``from_source``: the normalized names of what comes from a directory or a repository, as far as they are known.
    ``apart``: what is resolved on its own and put beside, for a lock with hashes admits nothing else.
    """

    arguments: list[str]
    inputs: Any
    local: bool
    from_source: frozenset[str] = frozenset()
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
        text = "\n".join(requirements)
        return Wanted(arguments, [requirements, checked_with], names_local(text), names_of_sources(text))
    if source.kind in {DependencyKind.REQUIREMENTS, DependencyKind.UV_LOCK}:
        lines = requirement_text(source, project, brings_runtime=False, scratch=scratch, env=env)
        file = scratch / "requirements.txt"
        file.write_text(lines, encoding="utf-8")
        return Wanted(["--requirement", str(file)], lines, names_local(lines), names_of_sources(lines))
    text = source.path.read_text(encoding="utf-8")
    if source.kind is DependencyKind.PEX_LOCK:
        return Wanted(["--lock", str(source.path)], text, local=False)
    refuse_own_lock(source.path, project)
    return Wanted(["--pylock", str(source.path)], text, pylock_names_local(source.path), sources_of_pylock(source.path))


def _wanted_natively(source: DependencySource, project: Project, scratch: Path, env: Mapping[str, str]) -> Wanted:
    """The project's dependencies, with the runtime part in statebake's place."""
    lines = requirement_text(source, project, brings_runtime=True, scratch=scratch, env=env)
    wheel = build_runtime_wheel(scratch)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    file = scratch / "requirements.txt"
    local, from_source = names_local(lines), names_of_sources(lines)
    if has_hashes(lines):
        file.write_text(lines, encoding="utf-8")
        return Wanted(["--requirement", str(file)], [lines, digest], local, from_source, apart=[str(wheel)])
    file.write_text(f"{lines}statebake @ {wheel.as_uri()}\n", encoding="utf-8")
    return Wanted(["--requirement", str(file)], [lines, digest], local, from_source)
