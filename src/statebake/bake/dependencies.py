"""Resolving a project's dependencies once for many bakes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from statebake.bake.dependency_source import DependencySource
from statebake.bake.pex_tool import pex_version, run_pex
from statebake.bake.wanted import wanted_of
from statebake.config import Project
from statebake.errors import Code, StatebakeError
from statebake.model.discovery import Interpreter

_CACHE_FORMAT = 1
PIP_VERSION = "25.3"
"""The pip that resolves dependencies, of PEXes and of images, whatever the machine has: resolvers differ."""
# pex's own defaults are a pip of 2020 and its legacy resolver, which does not backtrack: it fails on ordinary
# dependencies of Dagster and dbt. `pex.args` come later and can say otherwise.
RESOLVER = ("--use-pip-config", "--pip-version", PIP_VERSION, "--resolver-version", "pip-2020-resolver")


@dataclass(frozen=True)
class ResolvedDependencies:
    """A PEX that holds the dependencies only, and whether an earlier bake had made it.

    ``from_source``: the normalized names of what comes from a directory or a repository, as far as they are known.
    """

    pex: Path
    reused: bool
    from_source: frozenset[str]


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
    must_have: str | None = None,
    checked_with: str | None = None,
) -> ResolvedDependencies:
    """Return a PEX of the dependencies, from ``cache_dir`` where the same ones were resolved before.

    Those that are code on this machine (a path, a member of the same workspace) are built at every call.

    ``brings_runtime``: statebake's runtime part takes the place of statebake. ``upgrade``: resolve anew.
    ``must_have``: the distribution without which nothing in the artifact runs; ``checked_with``: see ``wanted_of``.
    Raises ``StatebakeError``: ``PEX_FAILED``, ``TOOL_MISSING``, ``BAD_SETTING``, ``OUTPUT_FAILED``.
    """
    with tempfile.TemporaryDirectory(prefix="statebake-") as scratch_name:
        scratch = Path(scratch_name)
        wanted = wanted_of(
            source, project, brings_runtime=brings_runtime, scratch=scratch, env=env, checked_with=checked_with
        )
        name = _fingerprint(
            [_CACHE_FORMAT, pex_version(), python.tag, python.version, _outside(pex_args, project, env), wanted.inputs]
        )
        cached = cache_dir / "dependencies" / f"{name}.pex"
        local = wanted.local or any((project.directory / value).exists() for value in _values(pex_args) if value)
        if not upgrade and not local and _is_whole(cached):
            return ResolvedDependencies(cached, reused=True, from_source=wanted.from_source)
        built = scratch / "dependencies.pex"
        common = ("--python", python.path, *RESOLVER, *pex_args)
        layout = ("--layout", "zipapp", "--output-file")  # the layout is the artifact's; what is kept is one file
        run_pex([*common, *wanted.arguments, *layout, str(built)], env=env, cwd=project.directory)
        if wanted.apart:
            parts = [built.rename(scratch / "locked.pex"), scratch / "apart.pex"]
            run_pex([*common, *wanted.apart, *layout, str(parts[1])], env=env, cwd=project.directory)
            beside = [argument for part in parts for argument in ("--requirements-pex", str(part))]
            run_pex(["--python", python.path, *beside, *layout, str(built)], env=env, cwd=project.directory)
        if not built.is_file():
            raise StatebakeError(
                Code.PEX_FAILED,
                "With these arguments pex wrote nothing.",
                where="pex.args",
                next_step="take what only prints, such as --help, out of pex.args",
            )
        if must_have and must_have not in _distributions(built):
            raise StatebakeError(
                Code.BAD_SETTING,
                f"The dependencies in {source.path.name} have no {must_have}, without which nothing of it runs.",
                where=str(source.path),
                next_step=f"add {must_have} to the project's dependencies",
            )
        _keep(built, cached, scratch.name)
    return ResolvedDependencies(cached, reused=False, from_source=wanted.from_source)


def _keep(built: Path, cached: Path, unique: str) -> None:
    beside = cached.with_name(f"{cached.name}.{unique}")
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(built, beside)
            with beside.open("rb") as stream:
                os.fsync(stream.fileno())
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


def _is_whole(cached: Path) -> bool:
    """Return whether a kept PEX is there and can be read: a power cut may have left a part of it."""
    try:
        _distributions(cached)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return False
    return True


def _distributions(pex: Path) -> set[str]:
    """Return the canonical names of the distributions in a PEX."""
    with zipfile.ZipFile(pex) as archive:
        info = json.loads(archive.read("PEX-INFO"))
    return {canonicalize_name(wheel.partition("-")[0]) for wheel in info["distributions"]}


def _outside(arguments: Sequence[str], project: Project, env: Mapping[str, str]) -> list[str]:
    """Return what else a resolve depends on: arguments, the digests of files in them, pip's and pex's variables."""
    described = list(arguments)
    for value in filter(None, _values(arguments)):
        path = project.directory / value
        if path.is_file():
            described.append(hashlib.sha256(path.read_bytes()).hexdigest())
    return described + sorted(f"{name}={value}" for name, value in env.items() if name.startswith(("PIP_", "PEX_")))


def _values(arguments: Sequence[str]) -> list[str]:
    """Return what may be a path in ``arguments``: ``FILE``, and the ``FILE`` of ``--option=FILE``."""
    values = []
    for argument in arguments:
        if argument.startswith("--"):
            values.append(argument.partition("=")[2])
        else:
            values.append(argument[2:] if argument.startswith("-") else argument)
    return values


def _fingerprint(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
