"""What a build of the project does besides the build: refresh, check, and say what must be in what is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from statebake.bake.wheel.contents import Contents
from statebake.check import CheckReport
from statebake.config import BuildProject, Project, find_defs_dir
from statebake.errors import Code, StatebakeError
from statebake.hosts import find_host
from statebake.model.finding import Finding
from statebake.model.manifest import Manifest
from statebake.pipeline import OpenProject, Target, check_state, side_by_side
from statebake.pipeline.baking import manifest_for
from statebake.pipeline.build_python import BuildEnvironment, find_build_python, without_frontend
from statebake.pipeline.contents import wheel_contents
from statebake.pipeline.refreshing import plan, refresh, start_run
from statebake.pipeline.state_by_files import (
    FoundState,
    must_carry_state,
    read_manifest,
    state_by_manifest,
    state_by_records,
)
from statebake.progress import Observer
from statebake.refresh import RefreshReport, Selection


@dataclass(frozen=True)
class BuildState:
    """What became of the state before a build.

    Attributes:
        by: what checked it, in words: ``with .venv/bin/python (project .venv)``.
        refreshed: how the refresh ended, where there was one.
        checked: what is wrong with the state; ``None`` where a refresh failed before.
        contents: what must be in what is built; ``None`` where that is not to be built.
    """

    by: str
    refreshed: RefreshReport | None = None
    checked: CheckReport | None = None
    contents: Contents | None = None


def prepare_state(build: BuildProject, env: Mapping[str, str], own: BuildEnvironment, observer: Observer) -> BuildState:
    """Refresh and check the state, as ``on_build`` says, and return what must be in what is built.

    The project's code runs in its own interpreter only. In an unpacked source distribution nothing is refreshed, and
    its manifest says what is expected. Raises ``StatebakeError``: ``NO_INTERPRETER`` where there is none for a refresh
    that is asked for, ``MISSING_STATE`` for a source distribution without state, and what the stages raise.
    """
    project, config = build.project, build.config
    if build.in_sdist:
        defs_dir = find_defs_dir(project, build.settings)
        if manifest := read_manifest(defs_dir):
            found = state_by_manifest(manifest, defs_dir)
            return _checked(build, found, env, "by the manifest of the source distribution", manifest)
        must_carry_state(defs_dir, project.directory)
    host = find_host(build.settings.host or project.host)
    chosen = find_build_python(project, config, host.distribution, env, own)
    for note in chosen.notes:
        observer.warning(note)
    wanted = build.settings.on_build == "refresh" and not build.in_sdist
    if chosen.interpreter is None:
        if wanted:
            raise _no_refresh()
        observer.warning(
            "There is no interpreter that has what the project requires: the state is checked by its files alone. "
            "STATEBAKE_PYTHON=PATH names one."
        )
        found = state_by_records(build)
        return _checked(build, found, env, "by its files alone")
    target = Target(project, config, str(chosen.interpreter.path), chosen.interpreter.origin)
    refreshed, found_here = _with_interpreter(target, without_frontend(env), observer, wanted=wanted)
    by = f"with {_short(chosen.interpreter.path, project)} ({chosen.interpreter.origin})"
    if found_here is None:
        return BuildState(by, refreshed)
    checked = _checked(build, found_here, env, by)
    return BuildState(by, refreshed, checked.checked, checked.contents)


def _no_refresh() -> StatebakeError:
    """Return the error of a build that was to fetch: pip does not show what a build that succeeds has to say."""
    return StatebakeError(
        Code.NO_INTERPRETER,
        "on_build is `refresh`, and there is no interpreter that has what the project requires, so nothing is fetched.",
        next_step="name one: STATEBAKE_PYTHON=PATH; or take the state that is there: STATEBAKE_ON_BUILD=check",
    )


def _with_interpreter(
    target: Target, env: Mapping[str, str], observer: Observer, *, wanted: bool
) -> tuple[RefreshReport | None, FoundState | None]:
    """Refresh, where that is ``wanted``, and check."""
    run = start_run([target], env)

    async def work(opened: OpenProject) -> tuple[RefreshReport | None, FoundState | None]:
        report = None
        if wanted:
            refresh_plan = plan(opened, Selection(), datetime.now(timezone.utc), run)
            report = await refresh(opened, refresh_plan, run, observer)
            if report.exit:
                return report, None
        snapshot, checked = check_state(opened)
        return report, FoundState(opened.discovery, snapshot, checked)

    [result] = side_by_side([target], env, work, run=run if wanted else None)
    if isinstance(result, StatebakeError):
        raise result
    return result


def _checked(
    build: BuildProject, found: FoundState, env: Mapping[str, str], by: str, manifest: Manifest | None = None
) -> BuildState:
    if found.report.exit:
        return BuildState(by, None, found.report)
    report = found.report.plus(_secrets(build, found, env))
    if report.exit:
        return BuildState(by, None, report)
    manifest = manifest or manifest_for(build.project, found.discovery, found.snapshot, env)
    return BuildState(by, None, report, wheel_contents(build, found.discovery, found.snapshot, manifest))


def _secrets(build: BuildProject, found: FoundState, env: Mapping[str, str]) -> tuple[Finding, ...]:
    from statebake.pipeline.hygiene import search_state

    return search_state(build.project, build.settings, found.discovery, found.snapshot, env).findings


def _short(path: Path, project: Project) -> str:
    return str(path.relative_to(project.directory) if path.is_relative_to(project.directory) else path)
