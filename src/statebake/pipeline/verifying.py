"""Verifying an artifact, or a work tree as it would be deployed: truth, policy, and, if asked for, a sealed load."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from statebake.check import (
    facts_by_project,
    facts_of_manifest,
    facts_of_project,
    facts_of_records,
    report_of,
    status_rows,
)
from statebake.check.policy import KeyFacts
from statebake.config import Settings, module_path
from statebake.errors import StatebakeError
from statebake.hosts.sealing import SealedLoad
from statebake.hygiene import SecretsAtHand, secrets_at_hand
from statebake.model.keys import STATE_DIR_NAME, sanitize_key
from statebake.model.manifest import Manifest
from statebake.model.record import read_record
from statebake.model.report import Report
from statebake.pipeline import OpenProject, Target, check_state, find_targets, side_by_side
from statebake.pipeline.artifact_schemas import states_of_artifact
from statebake.pipeline.hygiene import search_artifact, search_state
from statebake.pipeline.inspecting import Artifact, find_artifact
from statebake.pipeline.judging import (
    Evidence,
    Found,
    WorkTree,
    find_truth,
    how_loaded,
    not_seen,
    report_on,
    uncounted,
    with_findings,
    with_load,
    work_tree,
)
from statebake.pipeline.loading import find_place, load_artifact
from statebake.pipeline.schemas import has_schemas, schema_findings
from statebake.pipeline.sealing import load_tree, sealed_findings
from statebake.pipeline.secrets import secrets_of
from statebake.pipeline.truth import read_against
from statebake.verify.expected import Expected
from statebake.verify.strategies import runtime_keys_of

_ARTIFACT_DIRECTORIES = ("PEX-INFO", "oci-layout")
_UNREAD = "State in an image layout is not held to its schema: load it into an engine, and verify it by its name."


@dataclass(frozen=True)
class Verification:
    """What to do with every artifact.

    Attributes:
        settings: of the project, or what the flags say where there is none.
        sealed: whether to load the definitions, under seals.
        against: what the state must be the same as: a project's directory, a manifest, an artifact.
        image: whatever file has its name, the artifact is an image in the container engine.
        python: the interpreter that the command line names, which is inside of an image where the artifact is one.
        project: where the artifact was made, or may have been; ``None``: it is not at hand.
        sure: the user said that it was made there.
        around: where nobody said so, the projects here: an artifact was made in the one that its manifest names.
    """

    settings: Settings
    sealed: bool = False
    against: str | None = None
    image: bool = False
    python: str | None = None
    project: Target | None = None
    sure: bool = False
    around: tuple[Target, ...] = ()

    def of(self, manifest: Manifest | None) -> Verification:
        """Return the same for an artifact with this manifest, by the settings of its project where that is here."""
        if not self.around:
            return self
        known = [target for target in self.around if manifest is None or target.project.name == manifest.project]
        if not known or (manifest is None and len(known) > 1):
            return replace(self, around=())
        return replace(self, settings=known[0].settings, project=known[0], around=())

    def not_of(self, manifest: Manifest | None) -> tuple[str, ...]:
        """Return that no project here is that of an artifact with this manifest, where that is so, a sentence."""
        if not self.around or self.of(manifest).project is not None:
            return ()
        names = ", ".join(target.project.name for target in self.around)
        what = f"The artifact is of the project {manifest.project}" if manifest else "The artifact has no manifest"
        return (f"{what}; no settings of the projects here ({names}) were applied: name its own with --project DIR.",)


class Verifier:
    """Verifies artifacts one after another; a project that they are compared with is opened at most once."""

    def __init__(self, wanted: Verification, env: Mapping[str, str], now: datetime) -> None:
        self._wanted, self._env, self._now = wanted, env, now
        self._by_project: dict[Path | None, Verifier] = {}

    def verify(self, name: str) -> tuple[Report, ...]:
        """Return the report of an artifact, one for each platform of a layout.

        Raises ``StatebakeError`` as ``find_artifact`` and ``read_against`` do, and for a project that cannot be opened
        where it is needed.
        """
        artifacts = find_artifact(name, self._env, image=self._wanted.image, look_around=True)
        return tuple(self._report_of(artifact) for artifact in artifacts)

    def _report_of(self, artifact: Artifact) -> Report:
        manifest = next((state.manifest for state in artifact.states if state.manifest), None)
        wanted = self._wanted.of(manifest)
        directory = wanted.project.project.directory if wanted.project else None
        verifier = self._by_project.setdefault(directory, Verifier(wanted, self._env, self._now))
        report = verifier._report(artifact, manifest)
        return replace(report, notes=(*self._wanted.not_of(manifest), *report.notes))

    def _report(self, artifact: Artifact, manifest: Manifest | None) -> Report:
        wanted = self._wanted
        found = self._find_truth(artifact, manifest)
        facts = self._facts(artifact, manifest, found)
        runtime = runtime_keys_of(manifest) if manifest else found.project.runtime if found.project else ()
        load = self._load(artifact, manifest) if wanted.sealed else None
        project = wanted.project.project if wanted.project else None
        directory = str(project.directory) if project else None
        searched = search_artifact(artifact, manifest, wanted.settings, self._at_hand, self._env, project=project)
        evidence = Evidence(artifact, manifest, found.truth, facts, runtime, load, searched, found.notes)
        report = report_on(evidence, wanted.settings, self._now, directory)
        broken = schema_findings(states_of_artifact(artifact, facts, wanted.settings, self._env))
        unread = has_schemas(wanted.settings) and artifact.kind == "layout"
        return replace(with_findings(report, broken), notes=(*report.notes, *([_UNREAD] if unread else [])))

    @cached_property
    def _at_hand(self) -> SecretsAtHand:
        settings, project = self._wanted.settings, self._wanted.project
        if project is None:
            return secrets_at_hand(self._env, names=settings.secrets.names)
        return secrets_of(project.project, settings, self._env)

    def _facts(self, artifact: Artifact, manifest: Manifest | None, found: Found) -> tuple[KeyFacts, ...]:
        """Return what policy goes by, of the manifest; else of the project, or of the records that are there."""
        keys = found.truth.keys
        sizes = {key.key: key.bytes for key in keys if key.bytes}
        if manifest is None:
            records = {key.record.key: key.record for state in artifact.states for key in state.keys}
            own = facts_of_records(records.values(), sizes)
            if found.project is None:
                return own
            here = {key.key: key.digest for key in found.project.keys}
            same = {key.key for key in keys if key.digest is not None and key.digest == here.get(key.key)}
            return facts_by_project(self._work_tree.keys, own, sizes, same)
        confirmed = {}
        if self._wanted.project is not None and self._is_of_project(manifest):
            confirmed = _confirmed(self._wanted.project, manifest)
        return facts_of_manifest(manifest, sizes, confirmed)

    def _find_truth(self, artifact: Artifact, manifest: Manifest | None) -> Found:
        """Return the truth; the project is asked only where something is wrong, or no manifest says what to expect."""
        return find_truth(
            artifact,
            against=self._against,
            now=self._now,
            ask_project=(lambda: self._work_tree) if self._is_of_project(manifest) else None,
            anyway=manifest is None,
            sure=self._wanted.sure,
        )

    def _is_of_project(self, manifest: Manifest | None) -> bool:
        project = self._wanted.project
        return project is not None and (
            self._wanted.sure or manifest is None or manifest.project == project.project.name
        )

    @cached_property
    def _work_tree(self) -> WorkTree:
        assert self._wanted.project is not None
        return _open_tree(self._wanted.project, self._env)

    @cached_property
    def _against(self) -> Expected | None:
        name = self._wanted.against
        if name is None:
            return None
        path = Path(name)
        if not path.is_dir() or any((path / inside).exists() for inside in _ARTIFACT_DIRECTORIES):
            return read_against(name, self._env)
        if self._wanted.project is not None and path.resolve() == self._wanted.project.project.directory.resolve():
            return self._work_tree.expected
        [target] = find_targets([path], {}, self._env, Path.cwd())
        return _open_tree(target, self._env).expected

    def _load(self, artifact: Artifact, manifest: Manifest | None) -> SealedLoad:
        settings, project = self._wanted.settings, self._wanted.project
        host = settings.host or (project.project.host if project and not manifest else None)
        place = find_place(artifact, manifest, host)
        python = str(settings.python) if settings.python else None
        if artifact.kind == "wheel" and project is not None:
            python = python or project.python
        return load_artifact(artifact, place, settings, self._env, python=python, in_image=self._wanted.python)


def verify_tree(opened: OpenProject, env: Mapping[str, str], now: datetime, *, sealed: bool) -> Report:
    """Return the report of a work tree: what ``check`` says, and with ``sealed`` how its definitions load."""
    discovery, settings = opened.discovery, opened.target.settings
    snapshot, checked = check_state(opened)
    directory = opened.target.project.directory
    report = report_of(directory, discovery, status_rows(discovery, snapshot, checked, now), checked)
    searched = search_state(opened.target.project, settings, discovery, snapshot, env)
    report = replace(
        with_findings(report, searched.findings),
        command="verify",
        checks=(*report.checks, *searched.checks),
        notes=(*report.notes, *searched.notes),
    )
    if not sealed:
        return replace(report, notes=(*report.notes, *uncounted(settings)))
    load = load_tree(opened.target, env)
    places = {key: [item.declared_at for item in discovery.components_of(key)] for key in discovery.keys}
    found = sealed_findings(load, places, facts_of_project(discovery, snapshot), settings, str(directory))
    known = {(item.code, item.key) for item in report.findings}
    report = with_findings(report, [item for item in found if (item.code, item.key) not in known])
    return replace(
        report,
        checks=(*report.checks, *how_loaded(load)),
        keys=with_load(report.keys, load),
        notes=(*report.notes, *not_seen(load)),
    )


def _confirmed(target: Target, manifest: Manifest) -> dict[str, str]:
    """Return when the work tree's fetches last confirmed the very state that an artifact has, by key."""
    module = target.settings.defs_module
    defs_dir = module_path(target.project.directory, module) if module else None
    confirmed = {}
    for record in manifest.keys if defs_dir else ():
        with contextlib.suppress(StatebakeError, OSError):
            here = read_record(Path(defs_dir or "", STATE_DIR_NAME, sanitize_key(record.key)))
            if here and here.digest == record.digest and here.checked_at:
                confirmed[record.key] = here.checked_at
    return confirmed


def _open_tree(target: Target, env: Mapping[str, str]) -> WorkTree:
    async def look(opened: OpenProject) -> WorkTree:
        snapshot, _ = check_state(opened)
        return work_tree(opened, snapshot)

    [result] = side_by_side([target], env, look)
    if isinstance(result, StatebakeError):
        raise result
    return result
