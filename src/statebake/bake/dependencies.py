"""A project's dependencies: where they are written down, and resolving them once for many bakes."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from statebake.bake.requirements import (
    names_local,
    names_statebake,
    own_lines_removed,
    pinned_in_pylock,
    pins_of,
    pylock_names_local,
    pylock_names_project,
    with_local_paths_from,
)
from statebake.bake.runtime_wheel import build_runtime_wheel
from statebake.config import Project
from statebake.errors import Code, StatebakeError
from statebake.model.discovery import Interpreter
from statebake.process import run_tool, tail

_CACHE_FORMAT = 1
# pex's own defaults are a pip of 2020 and its legacy resolver, which does not backtrack: it fails on ordinary
# dependencies of Dagster and dbt. `pex.args` come later and can say otherwise.
_RESOLVER = ("--use-pip-config", "--pip-version", "25.3", "--resolver-version", "pip-2020-resolver")


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


@dataclass(frozen=True)
class _Wanted:
    """What ``pex`` is told, and what that depends on (the key of the cache).

    ``local``: it names code on this machine that can change while the key stays, so that it is built each time.
    """

    arguments: list[str]
    inputs: Any
    local: bool


@dataclass(frozen=True)
class ResolvedDependencies:
    """A PEX that holds the dependencies only, and whether an earlier bake had made it."""

    pex: Path
    reused: bool


def find_dependencies(project: Project, lock: Path | None) -> DependencySource:
    """Return where ``project`` names its dependencies: ``lock`` where it is set, else the first that there is.

    Raises ``StatebakeError`` (``BAD_SETTING``) for a ``lock`` that is not there or not understood.
    """
    if lock is not None:
        if not lock.is_file():
            raise StatebakeError(
                Code.BAD_SETTING, "The lock file is not there.", where=str(lock), next_step="correct pex.lock"
            )
        return DependencySource(_kind_of(lock), lock)
    places = [project.directory, *([project.workspace] if project.workspace else [])]
    candidates = [
        *((DependencyKind.PYLOCK, project.directory / "pylock.toml"),),
        *((DependencyKind.PEX_LOCK, project.directory / "pex.lock"),),
        *((DependencyKind.UV_LOCK, place / "uv.lock") for place in places),
        *((DependencyKind.REQUIREMENTS, project.directory / "requirements.txt"),),
    ]
    for kind, path in candidates:
        if path.is_file():
            return DependencySource(kind, path)
    return DependencySource(DependencyKind.PYPROJECT, project.directory / "pyproject.toml")


def resolve_dependencies(
    source: DependencySource,
    project: Project,
    python: Interpreter,
    *,
    brings_runtime: bool,
    pex_args: Sequence[str],
    cache_dir: Path,
    upgrade: bool,
    env: Mapping[str, str],
) -> ResolvedDependencies:
    """Return a PEX of the dependencies, from ``cache_dir`` where the same ones were resolved before.

    Those that are code on this machine (a path, a member of the same workspace) are built at every call.

    ``brings_runtime``: statebake's runtime part takes the place of statebake. ``upgrade``: resolve anew.
    Raises ``StatebakeError``: ``PEX_FAILED``, ``TOOL_MISSING``, ``BAD_SETTING``, ``OUTPUT_FAILED``.
    """
    with tempfile.TemporaryDirectory(prefix="statebake-") as scratch_name:
        scratch = Path(scratch_name)
        wanted = _wanted(source, project, brings_runtime, scratch, env)
        name = _fingerprint([_CACHE_FORMAT, _pex_version(), python.tag, python.version, [*pex_args], wanted.inputs])
        cached = cache_dir / "dependencies" / f"{name}.pex"
        if cached.is_file() and not upgrade and not wanted.local:
            return ResolvedDependencies(cached, reused=True)
        built = scratch / "dependencies.pex"
        run_pex(
            # The layout is the artifact's; what is kept is one file.
            [
                *("--python", python.path, *_RESOLVER, *pex_args, *wanted.arguments),
                *("--layout", "zipapp", "--output-file", str(built)),
            ],
            env=env,
            cwd=project.directory,
        )
        _keep(built, cached, scratch.name)
    return ResolvedDependencies(cached, reused=False)


def _keep(built: Path, cached: Path, unique: str) -> None:
    beside = cached.with_name(f"{cached.name}.{unique}")
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(built, beside)
            beside.replace(cached)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StatebakeError(
            Code.OUTPUT_FAILED,
            f"The resolved dependencies cannot be kept: {error.strerror or error}.",
            where=str(cached.parent),
            next_step="free some space, or choose another place with STATEBAKE_CACHE_DIR",
        ) from error


def run_pex(arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
    """Run the ``pex`` command of statebake's own interpreter; raises ``StatebakeError`` (``PEX_FAILED``)."""
    argv = [sys.executable, "-m", "pex", *arguments]
    finished = run_tool(argv, env=env, cwd=cwd, next_step="pip install --upgrade pex")
    if finished.returncode:
        raise StatebakeError(
            Code.PEX_FAILED,
            f"pex failed with exit code {finished.returncode}.",
            where=str(cwd),
            next_step="mend what pex says, for example in the project's dependencies",
            detail=tail(finished.stderr or finished.stdout),
        )


def _wanted(
    source: DependencySource, project: Project, brings_runtime: bool, scratch: Path, env: Mapping[str, str]
) -> _Wanted:
    if brings_runtime:
        return _wanted_natively(source, project, scratch, env)
    if source.kind is DependencyKind.PYPROJECT:
        requirements = declared_dependencies(project)
        return _Wanted(requirements, requirements, names_local("\n".join(requirements)))
    if source.kind in {DependencyKind.REQUIREMENTS, DependencyKind.UV_LOCK}:
        lines = _requirement_lines(source, project, scratch, env)
        file = scratch / "requirements.txt"
        file.write_text(lines, encoding="utf-8")
        return _Wanted(["--requirement", str(file)], lines, names_local(lines))
    text = source.path.read_text(encoding="utf-8")
    if source.kind is DependencyKind.PEX_LOCK:
        return _Wanted(["--lock", str(source.path)], text, local=False)
    if pylock_names_project(source.path, project.name):
        raise StatebakeError(
            Code.BAD_SETTING,
            "This lock contains the project itself: a bake would ship whatever a cache has of it.",
            where=str(source.path),
            next_step="make it without the project, for example: uv export --no-emit-project -o pylock.toml",
        )
    return _Wanted(["--pylock", str(source.path)], text, pylock_names_local(source.path))


def _wanted_natively(source: DependencySource, project: Project, scratch: Path, env: Mapping[str, str]) -> _Wanted:
    """The direct dependencies, with the runtime part in statebake's place, at the versions that a lock pins.

    The lock itself cannot be taken whole: it names everything that the build-time tool needs.
    """
    wheel = build_runtime_wheel(scratch)
    requirements = [text for text in declared_dependencies(project) if not names_statebake(text)]
    arguments = [*requirements, str(wheel)]
    inputs: list[Any] = [requirements, hashlib.sha256(wheel.read_bytes()).hexdigest()]
    if source.kind is DependencyKind.PEX_LOCK:
        raise StatebakeError(
            Code.BAD_SETTING,
            "A PEX lock pins the whole of statebake, and an artifact carries only its runtime part.",
            where=str(source.path),
            next_step="use a requirements.txt, pylock.toml or uv.lock instead",
        )
    if source.locked:
        text = (
            pinned_in_pylock(source.path)
            if source.kind is DependencyKind.PYLOCK
            else pins_of(_requirement_lines(source, project, scratch, env))
        )
        constraints = scratch / "constraints.txt"
        constraints.write_text(text, encoding="utf-8")
        arguments += ["--constraints", str(constraints)]
        inputs.append(text)
    return _Wanted(arguments, inputs, names_local("\n".join(requirements)))


def _requirement_lines(source: DependencySource, project: Project, scratch: Path, env: Mapping[str, str]) -> str:
    if source.kind is DependencyKind.UV_LOCK:
        # Whatever the directory it is called in, uv writes paths relative to where the lock is.
        return with_local_paths_from(source.path.parent, _uv_export(project, scratch, env))
    return own_lines_removed(source.path, project.directory)


def _uv_export(project: Project, scratch: Path, env: Mapping[str, str]) -> str:
    uv = shutil.which("uv", path=env.get("PATH")) or shutil.which("uv", path=str(Path(sys.executable).parent))
    hint = "pip install 'statebake[uv]'"
    if uv is None:
        raise StatebakeError(
            Code.TOOL_MISSING,
            "Reading uv.lock needs uv, which is not installed.",
            where=str(project.directory / "uv.lock"),
            next_step=hint,
        )
    output = scratch / "uv-export.txt"
    argv = [uv, "export", "--frozen", "--quiet", "--no-dev", "--no-emit-project", "--no-annotate", "--no-header"]
    argv += ["--format", "requirements-txt", "--output-file", str(output)]
    finished = run_tool(argv, env=env, cwd=project.directory, next_step=hint)
    if finished.returncode:
        raise StatebakeError(
            Code.TOOL_MISSING,
            f"uv export failed with exit code {finished.returncode}.",
            where=str(project.directory / "uv.lock"),
            next_step="uv lock",
            detail=tail(finished.stderr),
        )
    return output.read_text(encoding="utf-8")


def declared_dependencies(project: Project) -> list[str]:
    """Return ``[project] dependencies``; raises ``BAD_SETTING`` where they are computed by the build backend."""
    table = project.pyproject.get("project", {})
    if "dependencies" in table.get("dynamic", []):
        raise StatebakeError(
            Code.BAD_SETTING,
            "The project's dependencies are dynamic: only its build backend knows them.",
            where=str(project.directory / "pyproject.toml"),
            next_step="write them into a requirements.txt or a lock",
        )
    return [str(item) for item in table.get("dependencies", [])]


def _kind_of(path: Path) -> DependencyKind:
    if path.name == "uv.lock":
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


def _pex_version() -> str:
    from importlib.metadata import version

    return version("pex")


def _fingerprint(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
