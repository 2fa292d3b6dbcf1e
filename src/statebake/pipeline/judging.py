"""What was found of an artifact, by whatever command: truth, policy and a sealed load in one report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from statebake.check import Snapshot, facts_of_project, health_of, policy_findings
from statebake.check.policy import KeyFacts
from statebake.config import Settings
from statebake.errors import StatebakeError
from statebake.hosts.sealing import SealedLoad
from statebake.model.finding import Finding, Severity
from statebake.model.keys import sanitize_key
from statebake.model.manifest import Manifest, RuntimeKey
from statebake.model.report import KeyResult, Report
from statebake.pipeline import OpenProject
from statebake.pipeline.hygiene import Searched
from statebake.pipeline.inspecting import Artifact
from statebake.pipeline.sealing import sealed_findings
from statebake.pipeline.truth import check_truth, expected_here, facts_here
from statebake.verify.cause import ProjectFacts
from statebake.verify.expected import Expected
from statebake.verify.sealed import definitions_per_key
from statebake.verify.strategies import judge_strategies, runtime_results
from statebake.verify.truth import Truth


@dataclass(frozen=True)
class WorkTree:
    """What the project of an artifact has: state, what decides what goes into artifacts, and what policy goes by."""

    expected: Expected
    facts: ProjectFacts
    keys: tuple[KeyFacts, ...]


def work_tree(opened: OpenProject, snapshot: Snapshot) -> WorkTree:
    """Return what a project has, whose state is in ``snapshot``; raises ``StatebakeError`` as ``facts_here`` does."""
    keys = facts_of_project(opened.discovery, snapshot)
    return WorkTree(expected_here(opened, snapshot), facts_here(opened, snapshot), keys)


@dataclass(frozen=True)
class Evidence:
    """What is known of an artifact.

    Attributes:
        artifact: what was read of it.
        manifest: what it says that it carries, or what is known beside it; ``None``: nothing says so.
        truth: what its state comes to.
        facts: of its keys, for the policy.
        runtime: its keys that are fetched at run time.
        load: how its definitions were loaded; ``None``: they were not.
        searched: what a search for secrets came to.
        notes: what to know of how this came to be known, a sentence each.
    """

    artifact: Artifact
    manifest: Manifest | None
    truth: Truth
    facts: Sequence[KeyFacts]
    runtime: Sequence[RuntimeKey] = ()
    load: SealedLoad | None = None
    searched: Searched = field(default_factory=Searched)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """The truth of an artifact; what its project has, if that was asked; and notes, a sentence each."""

    truth: Truth
    project: Expected | None = None
    notes: tuple[str, ...] = ()


def find_truth(
    artifact: Artifact,
    *,
    against: Expected | None,
    now: datetime,
    ask_project: Callable[[], WorkTree] | None,
    anyway: bool = False,
    sure: bool = False,
) -> Found:
    """Return whether an artifact carries the state that it should.

    ``ask_project`` looks at the project that it was made from, which is done only where something is wrong, for the
    causes, or ``anyway``. What it raises becomes a note, unless it is ``sure`` that it is this project.
    """
    truth = check_truth(artifact, against=against, now=now)
    wrong = anyway or any(item.severity is Severity.ERROR for item in truth.findings)
    if not wrong or ask_project is None:
        return Found(truth)
    try:
        tree = ask_project()
    except StatebakeError as error:
        if sure:
            raise
        note = f"The causes were not looked for, because the project cannot be loaded: {error.message}"
        return Found(truth, notes=(note,))
    truth = check_truth(artifact, against=against, project=tree.expected, facts=tree.facts, now=now)
    return Found(truth, tree.expected)


def report_on(evidence: Evidence, settings: Settings, now: datetime, directory: str | None) -> Report:
    """Return what is wrong with an artifact by all that is known of it; ``directory``: its project's."""
    artifact, truth, load = evidence.artifact, evidence.truth, evidence.load
    findings = list(policy_findings(evidence.facts, settings, now, again=artifact.bake))
    # What a load has seen of a key's strategy is more than what is written of it.
    unseen = [item for item in evidence.runtime if load is None or not _has_built(load, item.key)]
    findings += judge_strategies(unseen, settings.allow_runtime_fetch, artifact.name)
    findings += evidence.searched.findings
    checks = (*truth.checks, *evidence.searched.checks)
    notes = (*evidence.notes, *evidence.searched.notes, *(uncounted(settings) if load is None else ()))
    keys = (*truth.keys, *runtime_results(evidence.runtime, {key.key for key in truth.keys}))
    if load is not None:
        places = {key.key: _places(key, evidence.manifest) for key in keys}
        findings += sealed_findings(load, places, evidence.facts, settings, artifact.name)
        checks, keys, notes = (*checks, *how_loaded(load)), with_load(keys, load), (*notes, *not_seen(load))
    report = Report(
        command="verify",
        subject=_subject(artifact),
        kind=artifact.kind,
        checks=checks,
        findings=(),
        keys=keys,
        notes=notes,
        directory=directory,
    )
    return with_findings(with_findings(report, truth.findings), findings)


def with_findings(report: Report, findings: Sequence[Finding]) -> Report:
    """Return the report with more findings, errors first.

    Of a key that was ``ok``, or that had warnings only, the verdict is what the first error says.
    """
    known = {item.key for item in report.findings if item.severity is Severity.ERROR}
    warned = {item.key for item in report.findings} - known
    wrong: dict[str | None, Finding] = {}
    for item in findings:
        if item.severity is Severity.ERROR:
            wrong.setdefault(item.key, item)
    keys = (
        replace(key, verdict=health_of(wrong[key.key]))
        if key.key in wrong and (key.verdict == "ok" or key.key in warned)
        else key
        for key in report.keys
    )
    return replace(report, findings=errors_first([*report.findings, *findings]), keys=tuple(keys))


def _has_built(load: SealedLoad, key: str) -> bool:
    return any(component.key == key for component in load.components)


def with_load(keys: Sequence[KeyResult], load: SealedLoad) -> tuple[KeyResult, ...]:
    """Return the results with what a sealed load saw of each key; of one that did not end, what it told until then."""
    counts, ended = definitions_per_key(load), load.seconds is not None
    return tuple(
        replace(
            key,
            opened=sanitize_key(key.key) in load.opened if ended else None,
            definitions=counts.get(key.key, 0 if ended else None),
        )
        for key in keys
    )


def how_loaded(load: SealedLoad) -> tuple[str, ...]:
    """Return how long a load took, what stood around it, and how often it tried to fetch, a sentence each."""
    seals = ", ".join((*load.seals, "Python's audit hook"))
    if load.seconds is None:
        return (f"The load did not end; its seals: {seals}.",)
    tries = sum(attempt.times for attempt in load.attempts)
    tried = f"{tries} attempts to fetch were" if tries > 1 else "1 attempt to fetch was"
    return (
        f"Loaded in {load.seconds:.1f} s under seals: {seals}.",
        f"{tried} refused." if tries else "Nothing tried to fetch.",
    )


def uncounted(settings: Settings) -> tuple[str, ...]:
    """Return what the policy asks for that only a sealed load could tell, a sentence."""
    wanted = [settings.policy.min_definitions, settings.policy.min_total_definitions]
    wanted += [section.values.get("policy.min_definitions") for section in settings.keys]
    if not any(wanted):
        return ()
    return ("Definitions were not counted, so that the policy's minimum was not checked: that needs a sealed load.",)


def not_seen(load: SealedLoad) -> tuple[str, ...]:
    """Return what a load could not see for its seals, a sentence each."""
    stored = sorted({component.key for component in load.components if component.is_stored and not component.error})
    told = (f"The state of {key} is in Dagster's store, out of reach: its component was not built." for key in stored)
    return (*(f"{text[:1].upper()}{text[1:]}." for text in load.missing), *told)


def errors_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings, each once, those that fail it first."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda item: item.severity is Severity.WARNING))


def _places(key: KeyResult, manifest: Manifest | None) -> Sequence[str]:
    for record in manifest.keys if manifest else ():
        if record.key == key.key and record.components:
            return [ref.declared_at for ref in record.components]
    return [key.declared_at] if key.declared_at else []


def _subject(artifact: Artifact) -> str:
    platform = f" ({artifact.image.facts.platform})" if artifact.kind == "layout" and artifact.image else ""
    return f"{artifact.name}{platform}"
