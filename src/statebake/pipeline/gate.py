"""The truth gate: what a bake has made is judged as ``statebake verify`` judges it, before it gets its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from statebake.check import Snapshot, facts_of_manifest, facts_of_project
from statebake.config import DepthOfVerification
from statebake.engine import Engine
from statebake.errors import Code, Exit
from statebake.hosts.sealing import SealedLoad
from statebake.model.finding import Finding, exit_of
from statebake.model.manifest import Manifest
from statebake.model.report import Report
from statebake.pipeline import OpenProject
from statebake.pipeline.hygiene import Searched, search_artifact
from statebake.pipeline.inspecting import Artifact, without_empty
from statebake.pipeline.judging import Evidence, find_truth, report_on, work_tree
from statebake.pipeline.loading import find_place, load_artifact
from statebake.pipeline.secrets import secrets_of
from statebake.pipeline.truth import expected_here
from statebake.progress import Observer
from statebake.verify.strategies import runtime_keys_of
from statebake.verify.truth import Truth


@dataclass(frozen=True)
class Verified:
    """What the gate found: a report for each platform, and how deep it looked."""

    depth: DepthOfVerification
    reports: tuple[Report, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, in all of them."""
        return tuple(item for report in self.reports for item in report.findings)

    @property
    def exit(self) -> Exit:
        """The exit code of a bake that made this; unless it is 0, nothing has got a name."""
        return exit_of(self.findings)


def verify_made(
    opened: OpenProject,
    artifact: Artifact,
    manifest: Manifest,
    snapshot: Snapshot | None,
    *,
    env: Mapping[str, str],
    observer: Observer,
    load: bool = True,
    engine: Engine | None = None,
    searched: Searched | None = None,
) -> Report:
    """Return what is wrong with an artifact that was just made of a project, by what was read of it already.

    ``manifest``: what it must carry. ``snapshot``: the state that was checked; ``None``: its own build fetched it.
    ``load``: whether its definitions are loaded where the settings ask for that; an image is by then in ``engine``.
    ``searched``: what ``search_made`` came to, where that was done already. Raises ``StatebakeError`` as
    ``load_artifact`` does.
    """
    settings, discovery = opened.target.settings, opened.discovery
    artifact, now = without_empty(artifact), datetime.now(timezone.utc)
    found = find_truth(
        artifact,
        against=expected_here(opened, snapshot) if snapshot else None,
        now=now,
        ask_project=(lambda: work_tree(opened, snapshot)) if snapshot else None,
    )
    truth, more = _by_a_known_manifest(found.truth)
    if snapshot:
        facts = facts_of_project(discovery, snapshot)
    else:
        facts = facts_of_manifest(manifest, {key.key: key.bytes for key in truth.keys if key.bytes})
    wanted = load and settings.bake.verify == "sealed"
    loaded = _load(opened, artifact, manifest, env=env, observer=observer, engine=engine) if wanted else None
    notes = (*found.notes, *more)
    searched = searched or search_made(opened, artifact, manifest, env=env)
    evidence = Evidence(artifact, manifest, truth, facts, runtime_keys_of(manifest), loaded, searched, notes)
    return report_on(evidence, settings, now, str(opened.target.project.directory))


def search_made(
    opened: OpenProject,
    artifact: Artifact,
    manifest: Manifest,
    *,
    env: Mapping[str, str],
    engine: Engine | None = None,
    given: Mapping[str, str] | None = None,
    cache_dir: Path | None = None,
) -> Searched:
    """Return what must not be in an artifact that was just made, and is; see ``search_artifact``.

    ``given``: the secrets that its build was given, by their names. ``cache_dir``: where it is remembered which layers
    are clean.
    """
    settings, project = opened.target.settings, opened.target.project
    at_hand = secrets_of(project, settings, env, given=given)
    return search_artifact(
        artifact, manifest, settings, at_hand, env, project=project, engine=engine, cache_dir=cache_dir
    )


def _by_a_known_manifest(truth: Truth) -> tuple[Truth, tuple[str, ...]]:
    """Return the truth of what may have no manifest, since here it is known what it must carry; and a note of that."""
    others = tuple(item for item in truth.findings if item.code is not Code.NO_MANIFEST)
    if others == truth.findings:
        return truth, ()
    note = "It carries no manifest: a later statebake verify needs --project, to know which keys there should be."
    return replace(truth, findings=others), (note,)


def _load(
    opened: OpenProject,
    artifact: Artifact,
    manifest: Manifest,
    *,
    env: Mapping[str, str],
    observer: Observer,
    engine: Engine | None,
) -> SealedLoad:
    settings = opened.target.settings
    observer.stage("Loading its definitions under seals")
    # A PEX with the interpreter that it was made for, which need not be on PATH here.
    python = str(settings.python or opened.discovery.python.path)
    place = find_place(artifact, manifest, settings.host)
    return load_artifact(artifact, place, settings, env, python=python, engine=engine)
