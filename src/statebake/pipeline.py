"""The straight line: configuration, discovery, refresh, check, bake, proof. Each step takes and returns values."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from statebake import __version__
from statebake.bake import (
    BakePlan,
    DependencySource,
    SourceFile,
    build_manifest,
    build_pex,
    collect_sources,
    find_dependencies,
    plan_pex,
    resolve_dependencies,
)
from statebake.bake.sources import import_root
from statebake.bake.templates import render
from statebake.check import CheckReport, Snapshot, check, read_snapshot, sound_ages
from statebake.config import Project, ResolvedConfig, Settings, choose_python, configure, find_projects
from statebake.errors import Code, StatebakeError
from statebake.hosts import Host, Worker, discover_request, find_host, open_worker
from statebake.model.discovery import Discovery
from statebake.model.keys import STATE_DIR_NAME, sanitize_key
from statebake.model.manifest import Manifest
from statebake.model.state_config import DefsStateManagementType
from statebake.model.tree import list_files
from statebake.process import run_interruptible, run_tool
from statebake.progress import Observer
from statebake.redact import redact
from statebake.refresh import (
    RefreshPlan,
    RefreshReport,
    Run,
    Selection,
    Slots,
    execute_refresh,
    plan_refresh,
    read_failures,
    unmatched,
)
from statebake.verify import compare, is_pex, read_pex

T = TypeVar("T")

TOOL = f"statebake {__version__}"


@dataclass(frozen=True)
class Target:
    """A project to work on, its settings, and the interpreter for its code (path, and who chose it)."""

    project: Project
    config: ResolvedConfig
    python: str
    python_origin: str

    @property
    def settings(self) -> Settings:
        """The project's settings."""
        return self.config.settings


@dataclass(frozen=True)
class OpenProject:
    """A project that has been discovered, and how many seconds that took; its worker lives only while it is open."""

    target: Target
    worker: Worker
    state_dir: Path
    discovery_s: float

    @property
    def discovery(self) -> Discovery:
        """What was found in it."""
        return self.worker.discovery


@dataclass(frozen=True)
class BakeInputs:
    """What a PEX is made of besides state: for which host, the file to write, what it runs, how many files of code."""

    host: Host
    output: Path
    entry_point: str
    dependencies: DependencySource
    sources: int


@dataclass(frozen=True)
class BakeReport:
    """What a bake made: the file, its size in bytes, what it carries, and where its dependencies came from."""

    output: Path
    size: int
    manifest: Manifest
    dependencies: DependencySource
    dependencies_reused: bool


def find_targets(dirs: Sequence[Path], flags: Mapping[str, object], env: Mapping[str, str], cwd: Path) -> list[Target]:
    """Return the projects in ``dirs``, or the one around ``cwd``, with their settings; raises ``StatebakeError``."""
    targets = []
    for project in find_projects(dirs, cwd):
        config = configure(project, flags, env, cwd=cwd)
        python = choose_python(project, config.settings, config.origins["python"], env)
        targets.append(Target(project, config, str(python.path), python.origin))
    return targets


@contextlib.asynccontextmanager
async def open_project(target: Target, env: Mapping[str, str]) -> AsyncIterator[OpenProject]:
    """Discover a project and give it open; raises ``StatebakeError`` as ``open_worker`` does, and ``OTHER_COPY``."""
    began = time.monotonic()
    request = discover_request(target.project, target.settings)
    async with open_worker(target.python, target.project.directory, request, env) as worker:
        import_root(target.project.directory, worker.discovery.defs_dir)
        state_dir = worker.discovery.defs_dir / STATE_DIR_NAME
        yield OpenProject(target, worker, state_dir, round(time.monotonic() - began, 3))


def side_by_side(
    targets: Sequence[Target], env: Mapping[str, str], work: Callable[[OpenProject], Awaitable[T]]
) -> list[T | StatebakeError]:
    """Open every project, each in its own interpreter, do ``work``, and return what it returned or raised.

    An interrupt ends all that runs and raises ``KeyboardInterrupt``.
    """

    async def one(target: Target, opening: asyncio.Semaphore) -> T | StatebakeError:
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with opening:
                    opened = await stack.enter_async_context(open_project(target, env))
                return await work(opened)
        except StatebakeError as error:
            return error

    async def every() -> list[T | StatebakeError]:
        opening = asyncio.Semaphore(max(2, os.cpu_count() or 1))  # importing is work for the processor
        return await asyncio.gather(*(one(target, opening) for target in targets))

    return run_interruptible(every())


def plan(opened: OpenProject, selection: Selection, now: datetime, *, only_failed: bool = False) -> RefreshPlan:
    """Return what a refresh of the selected keys would do; raises ``UNKNOWN_KEY``."""
    settings = opened.target.settings
    if only_failed:
        selection = replace(selection, failed=frozenset(read_failures(opened.state_dir)))
    timed = settings.max_age is not None or any("max_age" in section.values for section in settings.keys)
    ages = sound_ages(read_snapshot(opened.state_dir), now) if timed else {}
    return plan_refresh(opened.discovery, settings, selection, ages)


def selected_here(opened: OpenProject, selection: Selection) -> Selection | None:
    """Return the part of a selection for several projects that is about this one; ``None`` where nothing is."""
    foreign = set(unmatched(opened.discovery, selection))
    here = replace(
        selection,
        keys=tuple(key for key in selection.keys if key not in foreign),
        patterns=tuple(pattern for pattern in selection.patterns if pattern not in foreign),
    )
    lost = (selection.keys and not here.keys) or (selection.patterns and not here.patterns)
    return None if lost else here


def start_run(
    targets: Sequence[Target], env: Mapping[str, str], *, all_or_nothing: bool = False, allow_shrink: bool = False
) -> Run:
    """Return what the refreshes of ``targets`` share; its deadline counts from now."""
    deadlines = [target.settings.deadline for target in targets if target.settings.deadline is not None]
    limits = [limit for target in targets for limit in target.settings.limits]
    return Run(
        tool=TOOL,
        slots=Slots(max(target.settings.jobs for target in targets), limits),
        ends_at=time.monotonic() + min(deadlines) if deadlines else None,
        all_or_nothing=all_or_nothing,
        allow_shrink=allow_shrink,
        mask=partial(redact, env=env),
    )


async def refresh(opened: OpenProject, refresh_plan: RefreshPlan, run: Run, observer: Observer) -> RefreshReport:
    """Do what the plan says; see ``execute_refresh``."""
    return await execute_refresh(refresh_plan, opened.worker, opened.state_dir, run=run, observer=observer)


def check_state(opened: OpenProject) -> tuple[Snapshot, CheckReport]:
    """Return the state as it is, and what is wrong with it."""
    snapshot = read_snapshot(opened.state_dir)
    return snapshot, check(opened.discovery, snapshot, opened.target.settings.allow_runtime_fetch)


def prepare_bake(opened: OpenProject) -> BakeInputs:
    """Return what a PEX is made of besides state: what is wrong with it shows before anything is fetched.

    Raises ``StatebakeError``: ``BAD_SETTING``, ``OUTPUT_FAILED``.
    """
    project, settings = opened.target.project, opened.target.settings
    host = find_host(settings.host or project.host)
    output = settings.pex.output
    assert output is not None  # `configure` fills it in
    if output.is_dir():
        raise StatebakeError(
            Code.OUTPUT_FAILED,
            "The output is a directory.",
            where=str(output),
            next_step="name a file with --output",
        )
    sources = _sources(opened, host)
    _must_not_destroy(output, opened, sources)
    return BakeInputs(
        host=host,
        output=output,
        entry_point=settings.pex.entry_point or host.entry_point(settings),
        dependencies=find_dependencies(project, settings.pex.lock),
        sources=len(sources),
    )


def _must_not_destroy(output: Path, opened: OpenProject, sources: Sequence[SourceFile]) -> None:
    """Raise ``OUTPUT_FAILED`` where the output would overwrite what is no PEX, or would be baked into the next one."""
    place = output.parent.resolve() / output.name
    packages = {file.source.parent.resolve() for file in sources if "/" in file.path}
    inside = any(place.is_relative_to(package) for package in (*packages, opened.state_dir.resolve()))
    if inside or (output.exists() and not is_pex(output)):
        raise StatebakeError(
            Code.OUTPUT_FAILED,
            "The output lies in what goes into it." if inside else "The output is there already, and it is no PEX.",
            where=str(output),
            next_step="name another file with --output",
        )


def plan_bake(opened: OpenProject, inputs: BakeInputs, snapshot: Snapshot, env: Mapping[str, str]) -> BakePlan:
    """Return what the PEX of a project whose state was checked is made of."""
    target, discovery = opened.target, opened.discovery
    project, host = target.project, inputs.host
    keys = [
        key
        for key in discovery.keys
        if discovery.components_of(key)[0].management_type is DefsStateManagementType.LOCAL_FILESYSTEM
    ]
    dirs = {sanitize_key(key): snapshot.key_dirs[sanitize_key(key)] for key in keys}
    manifest = build_manifest(
        discovery,
        keys,
        {name: found.summary for name, found in dirs.items() if found.summary},
        {name: found.record for name, found in dirs.items()},
        project=project.name,
        tool=TOOL,
        revision=source_revision(project.directory, env),
    )
    config = host.artifact_config(project)
    root = import_root(project.directory, discovery.defs_dir)
    return plan_pex(
        output=inputs.output,
        python=discovery.python.path,
        dependencies=inputs.dependencies,
        entry_point=inputs.entry_point,
        pex_args=(*host.pex_flags, *target.settings.pex.args),
        sources=_sources(opened, host),
        defs_path=discovery.defs_dir.resolve().relative_to(root.resolve()).as_posix(),
        state={name: list_files(found.path) for name, found in dirs.items()},
        config=None if config is None else render("artifact-pyproject.toml", project=config),
        manifest=manifest,
    )


def _sources(opened: OpenProject, host: Host) -> tuple[SourceFile, ...]:
    project, settings = opened.target.project, opened.target.settings
    modules = host.own_modules(project, settings)
    return collect_sources(project.directory, opened.discovery.defs_dir, modules, settings.packages)


def bake_pex(
    opened: OpenProject,
    plan: BakePlan,
    *,
    upgrade: bool,
    cache_dir: Path,
    env: Mapping[str, str],
    observer: Observer,
) -> BakeReport:
    """Make the PEX that the plan describes, and prove that it carries the state; raises ``StatebakeError``."""
    project = opened.target.project
    host = find_host(opened.target.settings.host or project.host)
    observer.stage(f"Resolving dependencies from {plan.dependencies.path.name}")
    dependencies = resolve_dependencies(
        plan.dependencies,
        project,
        opened.discovery.python,
        brings_runtime=host.brings_runtime,
        must_have=host.distribution,
        checked_with=None if host.brings_runtime else opened.discovery.host.replace(" ", "=="),
        pex_args=opened.target.settings.pex.args,
        cache_dir=cache_dir,
        upgrade=upgrade,
        env=env,
    )
    observer.stage(f"Baking {plan.output.name}")
    build_pex(
        plan,
        dependencies.pex,
        cwd=project.directory,
        env=env,
        prove=lambda path: compare(read_pex(path), plan.manifest, str(plan.output)),
    )
    return BakeReport(
        output=plan.output,
        size=plan.output.stat().st_size,
        manifest=plan.manifest,
        dependencies=plan.dependencies,
        dependencies_reused=dependencies.reused,
    )


def source_revision(project: Path, env: Mapping[str, str]) -> str | None:
    """Return the git revision of ``project``, with ``-dirty`` when its tree has changes, or ``None``."""
    import shutil

    git = shutil.which("git", path=env.get("PATH"))
    if git is None:
        return None
    argv = [git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    finished = run_tool(argv, env=env, cwd=project, next_step="install git")
    return finished.stdout.strip() or None if finished.returncode == 0 else None
