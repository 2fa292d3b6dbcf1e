"""Verifying an artifact, or a work tree as it would be deployed: truth, policy, and, if asked for, a sealed load."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from statebake.check import (
    facts_of_manifest,
    facts_of_project,
    policy_findings,
    report_of,
    status_rows,
)
from statebake.check.policy import KeyFacts
from statebake.config import Settings, module_path
from statebake.engine import open_engine
from statebake.errors import Code, StatebakeError
from statebake.hosts.sealing import SealedLoad
from statebake.model.finding import Finding, Severity
from statebake.model.keys import STATE_DIR_NAME, sanitize_key
from statebake.model.manifest import Manifest
from statebake.model.record import read_record
from statebake.model.report import KeyResult, Report
from statebake.pipeline import OpenProject, Target, check_state, find_targets, side_by_side
from statebake.pipeline.inspecting import Artifact, find_artifact
from statebake.pipeline.sealing import (
    StatePlace,
    load_environment,
    load_image,
    load_pex,
    load_tree,
    load_wheel,
    sealed_findings,
)
from statebake.pipeline.truth import check_truth, expected_here, facts_here, read_against
from statebake.verify.cause import ProjectFacts
from statebake.verify.copies import find_places
from statebake.verify.expected import Expected
from statebake.verify.sealed import definitions_per_key
from statebake.verify.truth import Truth

_ARTIFACT_DIRECTORIES = ("PEX-INFO", "oci-layout")


@dataclass(frozen=True)
class Verification:
    """What to do with every artifact.

    Attributes:
        settings: of the project, or what the flags say where there is none.
        sealed: whether to load the definitions, under seals.
        against: what the state must be the same as: a project's directory, a manifest, an artifact.
        image: whatever file has its name, the artifact is an image in the container engine.
        project: where the artifact was made, or may have been; ``None``: it is not at hand.
        sure: the user said that it was made there.
    """

    settings: Settings
    sealed: bool = False
    against: str | None = None
    image: bool = False
    project: Target | None = None
    sure: bool = False


@dataclass(frozen=True)
class WorkTree:
    """What the project of an artifact has: the state, and what decides what goes into artifacts."""

    expected: Expected
    facts: ProjectFacts


class Verifier:
    """Verifies artifacts one after another; the project that they are compared with is opened at most once."""

    def __init__(self, wanted: Verification, env: Mapping[str, str], now: datetime) -> None:
        self._wanted, self._env, self._now = wanted, env, now

    def verify(self, name: str) -> tuple[Report, ...]:
        """Return the report of an artifact, one for each platform of a layout.

        Raises ``StatebakeError`` as ``find_artifact`` and ``read_against`` do, and for a project that cannot be opened
        where it is needed.
        """
        artifacts = find_artifact(name, self._env, image=self._wanted.image, look_around=True)
        return tuple(self._report(artifact) for artifact in artifacts)

    def _report(self, artifact: Artifact) -> Report:
        manifest = next((state.manifest for state in artifact.states if state.manifest), None)
        truth, notes = self._truth(artifact, manifest)
        facts = self._facts(manifest, truth) if manifest else ()
        findings = [*truth.findings, *policy_findings(facts, self._wanted.settings, self._now, again=artifact.bake)]
        checks, keys = list(truth.checks), truth.keys
        if self._wanted.sealed:
            load = self._load(artifact, manifest)
            places = {key.key: self._places(key, manifest) for key in keys}
            findings += sealed_findings(load, places, facts, self._wanted.settings, artifact.name)
            checks.append(_loaded(load))
            keys = with_load(keys, load)
            notes = (*notes, *_missing(load))
        return Report(
            command="verify",
            subject=_subject(artifact),
            kind=artifact.kind,
            checks=tuple(checks),
            findings=_errors_first(findings),
            keys=keys,
            notes=notes,
            directory=str(self._wanted.project.project.directory) if self._wanted.project else None,
        )

    def _facts(self, manifest: Manifest, truth: Truth) -> tuple[KeyFacts, ...]:
        confirmed = {}
        if self._wanted.project is not None and self._is_of_project(manifest):
            confirmed = _confirmed(self._wanted.project, manifest)
        return facts_of_manifest(manifest, {key.key: key.bytes for key in truth.keys if key.bytes}, confirmed)

    def _truth(self, artifact: Artifact, manifest: Manifest | None) -> tuple[Truth, tuple[str, ...]]:
        """Return the truth; the project is asked only where something is wrong, or no manifest says what to expect."""
        against = self._against
        truth = check_truth(artifact, against=against, now=self._now)
        wrong = manifest is None or any(item.severity is Severity.ERROR for item in truth.findings)
        if not wrong or not self._is_of_project(manifest):
            return truth, ()
        try:
            tree = self._work_tree
        except StatebakeError as error:
            if self._wanted.sure:
                raise
            return truth, (f"The causes were not looked for, because the project cannot be loaded: {error.message}",)
        return check_truth(artifact, against=against, project=tree.expected, facts=tree.facts, now=self._now), ()

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

    def _places(self, key: KeyResult, manifest: Manifest | None) -> Sequence[str]:
        for record in manifest.keys if manifest else ():
            if record.key == key.key and record.components:
                return [ref.declared_at for ref in record.components]
        return [key.declared_at] if key.declared_at else []

    def _load(self, artifact: Artifact, manifest: Manifest | None) -> SealedLoad:
        place, settings = self._place(artifact, manifest), self._wanted.settings
        path = Path(artifact.name)
        python = str(settings.python) if settings.python else None
        if artifact.image is not None:
            if artifact.kind == "layout":
                raise StatebakeError(
                    Code.NOT_SEALED,
                    "Nothing in an image layout can be run as long as no engine has the image.",
                    where=artifact.name,
                    next_step="load it into the engine, then verify it by its name: docker load --input …",
                )
            return load_image(open_engine(self._env), artifact.image.facts, place, settings, self._env)
        if artifact.kind == "pex":
            return load_pex(path, place, settings, self._env, python=python)
        if artifact.kind == "environment":
            return load_environment(path, place, settings, self._env, python=python)
        python = python or (self._wanted.project.python if self._wanted.project else None)
        if python is None:
            raise StatebakeError(
                Code.NO_INTERPRETER,
                "A wheel has no interpreter and no dependencies of its own, so it cannot be loaded.",
                where=artifact.name,
                next_step="name an interpreter that has its dependencies: --python PATH",
            )
        return load_wheel(path, place, settings, self._env, python=python)

    def _place(self, artifact: Artifact, manifest: Manifest | None) -> StatePlace:
        """Return where its state is: with a manifest, by which it is known for which framework it is, or any."""
        host = self._wanted.settings.host or (manifest.host.partition(" ")[0] if manifest else None)
        if host is None and self._wanted.project is not None:
            host = self._wanted.project.project.host
        states = [state for state in artifact.states if state.manifest] or list(artifact.states)
        if host is None or not states:
            raise StatebakeError(
                Code.NOT_SEALED,
                "It has no manifest and no state, so nobody knows what to load."
                if not states
                else "It has no manifest, which would say for which framework it is.",
                where=artifact.name,
                next_step="name the project that it was made from: --project DIR",
            )
        if artifact.image is not None:
            return StatePlace(host, states[0].path)
        return StatePlace(host, (find_places(states, artifact.around) or (states[0].path,))[0])


def verify_tree(opened: OpenProject, env: Mapping[str, str], now: datetime, *, sealed: bool) -> Report:
    """Return the report of a work tree: what ``check`` says, and with ``sealed`` how its definitions load."""
    discovery, settings = opened.discovery, opened.target.settings
    snapshot, checked = check_state(opened)
    directory = opened.target.project.directory
    report = report_of(directory, discovery, status_rows(discovery, snapshot, checked, now), checked)
    report = replace(report, command="verify")
    if not sealed:
        return report
    load = load_tree(opened.target, env)
    places = {key: [item.declared_at for item in discovery.components_of(key)] for key in discovery.keys}
    found = sealed_findings(load, places, facts_of_project(discovery, snapshot), settings, str(directory))
    known = {(item.code, item.key) for item in report.findings}
    return replace(
        report,
        checks=(*report.checks, _loaded(load)),
        findings=_errors_first([*report.findings, *(item for item in found if (item.code, item.key) not in known)]),
        keys=with_load(report.keys, load),
        notes=(*report.notes, *_missing(load)),
    )


def with_load(keys: Sequence[KeyResult], load: SealedLoad) -> tuple[KeyResult, ...]:
    """Return the results with what a sealed load saw of each key."""
    counts = definitions_per_key(load)
    return tuple(
        replace(key, opened=sanitize_key(key.key) in load.opened, definitions=counts.get(key.key, 0)) for key in keys
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
        return WorkTree(expected_here(opened, snapshot), facts_here(opened, snapshot))

    [result] = side_by_side([target], env, look)
    if isinstance(result, StatebakeError):
        raise result
    return result


def _subject(artifact: Artifact) -> str:
    platform = f" ({artifact.image.facts.platform})" if artifact.kind == "layout" and artifact.image else ""
    return f"{artifact.name}{platform}"


def _loaded(load: SealedLoad) -> str:
    if load.seconds is None:
        return f"The load did not end; its seals: {_listed(load.seals)}."
    return f"Loaded in {load.seconds:.1f} s under seals: {_listed(load.seals)}."


def _listed(seals: Sequence[str]) -> str:
    return ", ".join((*seals, "Python's audit hook"))


def _missing(load: SealedLoad) -> tuple[str, ...]:
    return tuple(f"{text[:1].upper()}{text[1:]}." for text in load.missing)


def _errors_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(dict.fromkeys(findings), key=lambda item: item.severity is Severity.WARNING))
