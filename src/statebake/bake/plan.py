"""Deciding what goes into a PEX; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from statebake.bake.code_form import CodeForm
from statebake.bake.dependency_source import DependencySource
from statebake.bake.sources import SourceFile
from statebake.bake.state_files import StateFile, state_files, state_path
from statebake.bake.wheel.contents import Contents
from statebake.model.manifest import Manifest
from statebake.model.tree import TreeFile


@dataclass(frozen=True)
class BakePlan:
    """What a PEX is made of.

    Attributes:
        output: the file to write.
        python: the interpreter that it is for.
        entry_point: arguments of ``pex`` that say what it runs.
        host_args: arguments of ``pex`` that the framework needs.
        pex_args: further arguments of ``pex``.
        code: how the project's own code goes in.
        wheel: what its wheel must have inside, where it goes in as one; state and configuration are in there then.
        sources: the files of it that go in as they are.
        state: the state directory, file by file.
        dependencies: where they are written down.
        config: the text of the ``pyproject.toml`` that the framework must find inside, if any.
        manifest: what ``state`` is.
    """

    output: Path
    python: str
    entry_point: tuple[str, ...]
    host_args: tuple[str, ...]
    pex_args: tuple[str, ...]
    code: CodeForm
    wheel: Contents | None
    sources: tuple[SourceFile, ...]
    state: tuple[StateFile, ...]
    dependencies: DependencySource
    config: str | None
    manifest: Manifest


def plan_pex(
    *,
    output: Path,
    python: str,
    dependencies: DependencySource,
    entry_point: str,
    host_args: Sequence[str] = (),
    pex_args: Sequence[str],
    code: CodeForm,
    wheel: Contents | None = None,
    sources: tuple[SourceFile, ...],
    defs_path: str,
    state: Mapping[str, Sequence[TreeFile]],
    config: str | None,
    manifest: Manifest,
) -> BakePlan:
    """Return the plan of a PEX.

    ``entry_point`` is ``module`` or ``-m module`` (run it) or ``module:function`` (call it); ``defs_path`` is the defs
    dir's path in the artifact; ``state`` has every key directory's files by directory name. What a ``wheel`` brings is
    not put beside it.
    """
    return BakePlan(
        output=output,
        python=python,
        entry_point=entry_point_args(entry_point),
        host_args=tuple(host_args),
        pex_args=tuple(pex_args),
        code=code,
        wheel=wheel,
        sources=sources,
        state=() if wheel else state_files(state_path(defs_path), state, manifest),
        dependencies=dependencies,
        config=None if wheel else config,
        manifest=manifest,
    )


def entry_point_args(entry_point: str) -> tuple[str, ...]:
    """Return how ``pex`` is told to run ``module``, ``-m module`` or ``module:function``."""
    return ("-m", entry_point.removeprefix("-m").strip())
