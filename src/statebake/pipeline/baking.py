"""The second half of the line: from checked state to a verified PEX."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from statebake.bake import (
    BakePlan,
    DependencySource,
    ResolvedDependencies,
    SourceFile,
    build_manifest,
    build_pex,
    collect_sources,
    find_dependencies,
    plan_pex,
    resolve_dependencies,
)
from statebake.bake.code_form import CodeForm
from statebake.bake.files import write_output
from statebake.bake.templates import render
from statebake.check import Snapshot
from statebake.config import BuildProject, Project, import_root
from statebake.errors import Code, StatebakeError
from statebake.hosts import Host, find_host
from statebake.model.discovery import Discovery
from statebake.model.finding import Finding
from statebake.model.keys import sanitize_key
from statebake.model.manifest import Manifest
from statebake.model.report import Report
from statebake.model.tree import list_files
from statebake.pipeline import TOOL, OpenProject
from statebake.pipeline.code import form_of_code, own_files, wheel_with_state
from statebake.pipeline.contents import wheel_contents
from statebake.pipeline.gate import Verified, verify_made
from statebake.pipeline.inspecting import Artifact
from statebake.pipeline.pex_arguments import read_pex_args
from statebake.process import run_tool
from statebake.progress import Observer
from statebake.verify import compare, is_pex, read_pex_files


@dataclass(frozen=True)
class BakeInputs:
    """What a PEX is made of besides state.

    Attributes:
        host: the framework it is for.
        output: the file to write.
        entry_point: what it runs.
        dependencies: where they are written down.
        code: how the project's own code goes in.
        sources: of how many files it is.
        pex_args: the options for ``pex``, with those that are in files.
    """

    host: Host
    output: Path
    entry_point: str
    dependencies: DependencySource
    code: CodeForm
    sources: int
    pex_args: tuple[str, ...]


@dataclass(frozen=True)
class BakeReport:
    """What a bake made: the file, its size in bytes, what it carries, and where its code and dependencies came from.

    ``verified``: what was found in it. Unless that is fine, there is no new file.
    """

    verified: Verified
    output: Path
    size: int
    manifest: Manifest
    code: CodeForm
    dependencies: DependencySource
    dependencies_reused: bool


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
        dependencies=find_dependencies(project, settings.lock),
        code=form_of_code(opened, sources),
        sources=len(sources),
        pex_args=read_pex_args(settings.pex.args, project.directory),
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


def manifest_of(opened: OpenProject, snapshot: Snapshot, env: Mapping[str, str]) -> Manifest:
    """Return what an artifact with the state in ``snapshot``, which was checked, says that it carries."""
    return manifest_for(opened.target.project, opened.discovery, snapshot, env)


def manifest_for(project: Project, discovery: Discovery, snapshot: Snapshot, env: Mapping[str, str]) -> Manifest:
    """Return the manifest of ``project`` with what was found in it, as ``manifest_of`` does."""
    keys = discovery.local_keys
    dirs = {sanitize_key(key): snapshot.key_dirs[sanitize_key(key)] for key in keys}
    return build_manifest(
        discovery,
        keys,
        {name: found.summary for name, found in dirs.items() if found.summary},
        {name: found.record for name, found in dirs.items()},
        project=project.name,
        tool=TOOL,
        revision=source_revision(project.directory, env),
    )


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest; raises ``StatebakeError`` (``OUTPUT_FAILED``)."""
    write_output(path, manifest.dumps().encode())


def plan_bake(opened: OpenProject, inputs: BakeInputs, snapshot: Snapshot, env: Mapping[str, str]) -> BakePlan:
    """Return what the PEX of a project whose state was checked is made of."""
    target, discovery = opened.target, opened.discovery
    project, host = target.project, inputs.host
    names = [sanitize_key(key) for key in discovery.local_keys]
    manifest = manifest_of(opened, snapshot, env)
    config = host.artifact_config(project)
    root = import_root(project.directory, discovery.defs_dir)
    build = BuildProject(project, target.config)
    wheel = None
    if inputs.code.as_wheel:
        others = own_files(_sources(opened, host, beside=False))
        wheel = replace(wheel_contents(build, discovery, snapshot, manifest), others=others)
    return plan_pex(
        output=inputs.output,
        python=discovery.python.path,
        dependencies=inputs.dependencies,
        entry_point=inputs.entry_point,
        host_args=host.pex_flags,
        pex_args=inputs.pex_args,
        code=inputs.code,
        wheel=wheel,
        sources=_sources(opened, host, own=not inputs.code.as_wheel),
        defs_path=discovery.defs_dir.resolve().relative_to(root.resolve()).as_posix(),
        state={name: list_files(snapshot.key_dirs[name].path) for name in names},
        config=None if config is None else render("artifact-pyproject.toml", project=config),
        manifest=manifest,
    )


def _sources(opened: OpenProject, host: Host, *, own: bool = True, beside: bool = True) -> tuple[SourceFile, ...]:
    """Return the files of the project's code: its ``own``, and what the settings put ``beside``."""
    project, settings = opened.target.project, opened.target.settings
    modules = host.own_modules(project, settings)
    packages = settings.packages if beside else ()
    return collect_sources(project.directory, opened.discovery.defs_dir, modules, packages, own=own)


def bake_pex(
    opened: OpenProject,
    plan: BakePlan,
    snapshot: Snapshot,
    *,
    upgrade: bool,
    cache_dir: Path,
    env: Mapping[str, str],
    observer: Observer,
) -> BakeReport:
    """Make the PEX that the plan describes, of the state in ``snapshot``, and verify it before it gets its name.

    Raises ``StatebakeError`` as ``resolve_dependencies``, ``build_pex`` and ``verify_made`` do.
    """
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
        pex_args=plan.pex_args,
        cache_dir=cache_dir,
        upgrade=upgrade,
        env=env,
    )
    with tempfile.TemporaryDirectory(prefix="statebake-") as scratch:
        wheel = wheel_with_state(opened, plan, Path(scratch), env=env, observer=observer)
        observer.stage(f"Baking {plan.output.name}")
        report = build_pex(
            plan,
            dependencies.pex,
            wheel=wheel,
            cwd=project.directory,
            env=env,
            judge=lambda path: _verify(
                opened, plan, _read(path, plan, dependencies), snapshot, env=env, observer=observer
            ),
        )
    return BakeReport(
        verified=Verified(opened.target.settings.bake.verify, (report,)),
        output=plan.output,
        size=0 if report.errors else plan.output.stat().st_size,
        manifest=plan.manifest,
        code=plan.code,
        dependencies=plan.dependencies,
        dependencies_reused=dependencies.reused,
    )


def _read(path: Path, plan: BakePlan, dependencies: ResolvedDependencies) -> Artifact:
    """Return the PEX at ``path`` by the name that it is going to have."""
    read, name = read_pex_files(path), str(plan.output)
    from_source = dependencies.from_source
    return Artifact(name, read.kind, read.size, read.states, read.around, at=path, from_source=from_source)


def _verify(
    opened: OpenProject,
    plan: BakePlan,
    artifact: Artifact,
    snapshot: Snapshot,
    *,
    env: Mapping[str, str],
    observer: Observer,
) -> Report:
    """Return what is wrong with a PEX, which must be exactly what was planned."""
    report = verify_made(opened, artifact, plan.manifest, snapshot, env=env, observer=observer)
    if report.errors:
        return report
    try:
        compare(artifact.states, plan.manifest, artifact.name)
    except StatebakeError as error:
        return replace(report, findings=(Finding.of_error(error), *report.findings))
    return report


def source_revision(project: Path, env: Mapping[str, str]) -> str | None:
    """Return the git revision of ``project``, with ``-dirty`` when its tree has changes, or ``None``."""
    import shutil

    git = shutil.which("git", path=env.get("PATH"))
    if git is None:
        return None
    argv = [git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    finished = run_tool(argv, env=env, cwd=project, next_step="install git")
    return finished.stdout.strip() or None if finished.returncode == 0 else None
