"""The straight line: configuration, discovery, refresh, check, bake, proof. Each step takes and returns values."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from statebake import __version__
from statebake.bake import (
    BakePlan,
    DependencySource,
    build_manifest,
    build_pex,
    collect_sources,
    find_dependencies,
    plan_pex,
    resolve_dependencies,
)
from statebake.bake.sources import import_root
from statebake.bake.templates import render
from statebake.check import CheckReport, Snapshot, check, read_snapshot
from statebake.config import Project, ResolvedConfig, Settings, choose_python, configure, find_projects
from statebake.hosts import Worker, discover_request, find_host, open_worker
from statebake.model.keys import STATE_DIR_NAME, sanitize_key
from statebake.model.manifest import Manifest
from statebake.model.state_config import DefsStateManagementType
from statebake.model.tree import list_files
from statebake.process import run_tool
from statebake.progress import Observer
from statebake.refresh import RefreshPlan, RefreshReport, execute_refresh, plan_refresh
from statebake.verify import compare, read_pex

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
    """A project that has been discovered, with its worker; lives as long as ``open_project``'s context."""

    target: Target
    worker: Worker
    state_dir: Path


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


@contextlib.contextmanager
def open_project(target: Target, env: Mapping[str, str]) -> Iterator[OpenProject]:
    """Discover a project and give it open; raises ``StatebakeError`` as ``open_worker`` does, and ``OTHER_COPY``."""
    request = discover_request(target.project, target.settings)
    with open_worker(target.python, target.project.directory, request, env) as worker:
        import_root(target.project.directory, worker.discovery.defs_dir)
        yield OpenProject(target, worker, worker.discovery.defs_dir / STATE_DIR_NAME)


def plan(opened: OpenProject, keys: Sequence[str] = ()) -> RefreshPlan:
    """Return what a refresh of ``keys`` (or all) would do; raises ``UNKNOWN_KEY``."""
    return plan_refresh(opened.worker.discovery, keys)


def refresh(opened: OpenProject, refresh_plan: RefreshPlan, observer: Observer) -> RefreshReport:
    """Do what the plan says; see ``execute_refresh``."""
    return execute_refresh(
        refresh_plan,
        opened.worker,
        opened.state_dir,
        tool=TOOL,
        jobs=opened.target.settings.jobs,
        observer=observer,
    )


def check_state(opened: OpenProject) -> tuple[Snapshot, CheckReport]:
    """Return the state as it is, and what is wrong with it."""
    snapshot = read_snapshot(opened.state_dir)
    return snapshot, check(opened.worker.discovery, snapshot, opened.target.settings.allow_runtime_fetch)


def plan_bake(opened: OpenProject, snapshot: Snapshot, env: Mapping[str, str]) -> BakePlan:
    """Return what the PEX of a project whose state was checked is made of."""
    target, discovery = opened.target, opened.worker.discovery
    project, settings = target.project, target.settings
    host = find_host(discovery.host.partition(" ")[0])
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
    output = settings.pex.output
    assert output is not None  # `configure` fills it in
    return plan_pex(
        output=output,
        python=discovery.python.path,
        entry_point=settings.pex.entry_point or host.entry_point(settings),
        pex_args=(*host.pex_flags, *settings.pex.args),
        sources=collect_sources(
            project.directory, discovery.defs_dir, host.own_modules(project, settings), settings.packages
        ),
        defs_path=discovery.defs_dir.resolve().relative_to(root.resolve()).as_posix(),
        state={name: list_files(found.path) for name, found in dirs.items()},
        config=None if config is None else render("artifact-pyproject.toml", project=config),
        manifest=manifest,
    )


def bake_pex(
    opened: OpenProject,
    bake_plan: BakePlan,
    *,
    upgrade: bool,
    cache_dir: Path,
    env: Mapping[str, str],
    observer: Observer,
) -> BakeReport:
    """Make the PEX that the plan describes, and prove that it carries the state; raises ``StatebakeError``."""
    target = opened.target
    source = find_dependencies(target.project, target.settings.pex.lock)
    observer.stage(f"Resolving dependencies from {source.path.name}")
    host = find_host(opened.worker.discovery.host.partition(" ")[0])
    dependencies = resolve_dependencies(
        source,
        target.project,
        opened.worker.discovery.python,
        brings_runtime=host.brings_runtime,
        pex_args=target.settings.pex.args,
        cache_dir=cache_dir,
        upgrade=upgrade,
        env=env,
    )
    observer.stage(f"Baking {bake_plan.output.name}")
    build_pex(
        bake_plan,
        dependencies.pex,
        env=env,
        prove=lambda path: compare(read_pex(path), bake_plan.manifest, str(bake_plan.output)),
    )
    return BakeReport(
        output=bake_plan.output,
        size=bake_plan.output.stat().st_size,
        manifest=bake_plan.manifest,
        dependencies=source,
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
