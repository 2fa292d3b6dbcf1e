"""The state before a build: refreshed and checked, and shown while that is done."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from statebake.backend.console import fail, finding_text, say
from statebake.bake.wheel.contents import Contents
from statebake.config import BuildProject, Project
from statebake.config.backends import hatch_of
from statebake.config.layout import BY_ITS_NAME, moves_packages
from statebake.errors import Code, StatebakeError
from statebake.model.outcome import KeyOutcome
from statebake.pipeline.build_hook import BuildState, prepare_state
from statebake.pipeline.build_python import BuildEnvironment
from statebake.progress import Observer


class BuildObserver(Observer):
    """Prints a line per event on standard error."""

    def warning(self, text: str) -> None:
        say(f"statebake: {text}")

    def refresh_begins(self, keys: int) -> None:
        say(f"statebake: refreshing {'1 key' if keys == 1 else f'{keys} keys'}")

    def fetch_again(self, key: str, attempt: int, error: StatebakeError, wait_s: float) -> None:
        say(f"  {key}: attempt {attempt} failed, again in {wait_s:.1f} s: {error.message}")

    def fetch_ends(self, outcome: KeyOutcome) -> None:
        if outcome.key is not None:
            say(f"  {outcome.key}  {outcome.outcome.value}")


def prepare(build: BuildProject, env: Mapping[str, str]) -> Contents:
    """Return what must be in what is built; end the process where the state is not fit for that."""
    own = BuildEnvironment(Path(sys.executable), Path(sys.prefix))
    state = prepare_state(build, env, own, BuildObserver())
    _show(state, build.project)
    assert state.contents is not None  # nothing else is fit
    return state.contents


def _show(state: BuildState, project: Project) -> None:
    if state.refreshed is not None and state.refreshed.failed:
        fail(*(outcome.error for outcome in state.refreshed.failed if outcome.error is not None))
    report = state.checked
    assert report is not None  # without a refresh that failed there is always one
    for finding in report.findings:
        say(finding_text(finding))
    if report.exit:
        moved = moves_packages(project.pyproject, hatch_of(project))
        if moved and any(finding.code is Code.UNKNOWN_COMPONENT_KEY for finding in report.findings):
            say(f"statebake: {project.name}: {moved}; {BY_ITS_NAME}")
        say(f"statebake: {project.name}: the state is not fit to be built, checked {state.by}")
        sys.exit(int(report.exit))
    keys = "1 key has its" if report.keys == 1 else f"{report.keys} keys have their"
    say(f"statebake: {project.name}: {keys} state, checked {state.by}")
