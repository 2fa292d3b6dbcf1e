"""Deciding whether an artifact carries the state that it should, where its runtime reads it; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from statebake.errors import Code
from statebake.model.finding import Finding, Severity
from statebake.model.report import KeyResult
from statebake.verify.artifact import ArtifactState
from statebake.verify.cause import ProjectFacts
from statebake.verify.copies import Copies, find_copies, find_places
from statebake.verify.expected import Expected, ExpectedKey, expected_of
from statebake.verify.key_truth import KeyTruth, judge_key
from statebake.verify.origins import editable
from statebake.verify.place_truth import judge_place
from statebake.verify.subject import Subject


@dataclass(frozen=True)
class Truth:
    """What a truth check comes to.

    Attributes:
        findings: what is wrong, errors first.
        keys: every expected key.
        checks: what was compared, a sentence each.
    """

    findings: tuple[Finding, ...]
    keys: tuple[KeyResult, ...]
    checks: tuple[str, ...]


def judge(
    subject: Subject,
    *,
    against: Expected | None = None,
    project: Expected | None = None,
    facts: ProjectFacts | None = None,
    now: datetime,
) -> Truth:
    """Return whether every expected key is in an artifact, at the path that its runtime reads, with its digest.

    Expected is what its own manifest says. ``against``: what it must be the same as. ``project``: the keys to look for
    where it has no manifest, whatever their content is, and where in the artifact. ``facts``: of the project that it
    was made from, for the causes of what is missing.
    """
    beside = against or (project.without_content() if project else None)
    known = next((it.place for it in (against, project) if it is not None and it.place), None)
    has_manifest = any(state.manifest is not None for state in subject.states)
    if against is None and has_manifest:
        beside = None
        found = find_places(subject.states, subject.around)
        known = known if any(f"/{place}".endswith(f"/{known}") for place in found) else None
    places = (known,) if known else find_places(subject.states, subject.around)
    silent = beside is None and not any(state.manifest or state.keys for state in subject.states)
    if silent or not places:
        return _of_nothing(subject, beside, facts, now)
    several = len(places) > 1
    parts = [_judge_copies(place, subject, beside, facts, now, several=several) for place in places]
    findings = [finding for part in parts for finding in part.findings]
    return Truth(
        findings=tuple(sorted(dict.fromkeys(findings), key=lambda item: item.severity is Severity.WARNING)),
        keys=tuple(key for part in parts for key in part.keys),
        checks=tuple(dict.fromkeys(check for part in parts for check in part.checks)),
    )


def carried(subject: Subject) -> Expected | None:
    """Return what an artifact really carries where it is read; ``None``: not the state of exactly one project."""
    places = find_places(subject.states, subject.around)
    if len(places) != 1:
        return None
    [place] = places
    read = find_copies(place, subject.states, subject.around, subject.kind).read
    state = next((copy.state for copy in read if copy.state is not None), None)
    if state is None:
        return None
    own = _own(state, subject.the_own)
    there = {key.record.key: key.summary for key in state.keys if key.summary is not None}
    keys = (replace(key, digest=summary.digest) for key in own.keys if (summary := there.get(key.key)))
    return Expected(subject.name, tuple(keys), own.host)


def _judge_copies(
    place: str, subject: Subject, beside: Expected | None, facts: ProjectFacts | None, now: datetime, *, several: bool
) -> Truth:
    whose = f"{place.rpartition('/')[0]} in {subject.the_own}" if several else subject.the_own
    copies = find_copies(place, subject.states, subject.around, subject.kind)
    read = [copy for copy in copies.read if copy.state is not None]
    owns = [_own(copy.state, whose) for copy in read if copy.state is not None]
    if not owns:
        owns = [_own(state, whose) for state in _elsewhere(copies)[:1]]
    keys = _merge(owns, beside)
    truths = []
    for copy in copies.read or (None,):
        own = _own(copy.state, whose) if copy and copy.state else None
        truths += [judge_key(key, copy, copies, subject, own=own, beside=beside, facts=facts, now=now) for key in keys]
    told = [finding for truth in truths for finding in truth.findings]
    host = next((expected.host for expected in (*owns, beside) if expected and expected.host), "")
    has_manifest = any(own.host for own in owns)
    findings = [
        *(() if has_manifest else _no_manifest(beside or owns[0], subject)),
        *told,
        *judge_place(copies, subject, keys, told, host=host, facts=facts),
    ]
    checks = [_compared(source) for source in (*owns, beside) if source]
    return Truth(tuple(findings), tuple(_results(truths)), tuple(checks))


def _of_nothing(subject: Subject, beside: Expected | None, facts: ProjectFacts | None, now: datetime) -> Truth:
    """Return the verdict on an artifact that has no state, or none that anything is said of."""
    if beside is None:
        lacks = "no manifest and no record of its state" if subject.states else "no state and no manifest"
        finding = Finding(
            Code.MISSING_STATE,
            Severity.ERROR,
            None,
            f"{subject.the} carries {lacks}, so nothing says which state it should carry.",
            subject.name,
            f"{', '.join(links)}: installed editable; verify the work tree: statebake verify --project DIR"
            if (links := sorted(editable(subject.around)))
            else "name the project that it was made from: --project DIR",
        )
        return Truth((finding,), (), ())
    copies = Copies("", ())
    truths = [
        judge_key(key, None, copies, subject, own=None, beside=beside, facts=facts, now=now) for key in beside.keys
    ]
    findings = [*_no_manifest(beside, subject), *(finding for truth in truths for finding in truth.findings)]
    return Truth(tuple(findings), tuple(_results(truths)), (f"{_count(len(beside.keys))} from {beside.source}",))


def _elsewhere(copies: Copies) -> list[ArtifactState]:
    return [*(copy.state for copy in copies.unread if copy.state is not None), *copies.astray]


def _own(state: ArtifactState, whose: str) -> Expected:
    """Return what a state directory says of itself: by its manifest, or by its records."""
    records = [key.record for key in state.keys]
    if state.manifest is None:
        return expected_of(records, f"the records in {whose}")
    return expected_of(records, f"the manifest of {whose}", host=state.manifest.host)


def _merge(owns: Sequence[Expected], beside: Expected | None) -> tuple[ExpectedKey, ...]:
    """Return every key of all."""
    found = {key.key: key for expected in (*owns, beside) if expected for key in expected.keys}
    return tuple(found[key] for key in sorted(found))


def _no_manifest(source: Expected, subject: Subject) -> Iterator[Finding]:
    yield Finding(
        Code.NO_MANIFEST,
        Severity.WARNING,
        None,
        f"{subject.the} has no manifest that says which keys it should carry; looked for are those of {source.source}.",
        subject.name,
        f"bake it with statebake, which puts a manifest in: {subject.bake}",
    )


def _results(truths: Sequence[KeyTruth]) -> Iterator[KeyResult]:
    """Yield one result for each key: of the first copy that is wrong, or else of the first."""
    by_key: dict[str, list[KeyTruth]] = {}
    for truth in truths:
        by_key.setdefault(truth.result.key, []).append(truth)
    for found in by_key.values():
        yield next((truth.result for truth in found if truth.result.verdict != "ok"), found[0].result)


def _compared(source: Expected) -> str:
    """Return what was done with the keys of ``source``: where it says nothing of their content, none was compared."""
    if source.keys and not source.has_content:
        return f"{_count(len(source.keys))} of {source.source} looked for, whatever the content"
    return f"{_count(len(source.keys))} compared with {source.source}"


def _count(keys: int) -> str:
    return "1 key" if keys == 1 else f"{keys} keys"
