"""Judging one key in one copy of the state; no I/O."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from datetime import datetime

from statebake.errors import Code
from statebake.model.finding import Finding, Severity
from statebake.model.keys import sanitize_key
from statebake.model.record import Record
from statebake.model.report import KeyResult
from statebake.model.settle import parse_time
from statebake.model.tree import TreeSummary
from statebake.verify.cause import ProjectFacts
from statebake.verify.copies import Copies, Copy
from statebake.verify.expected import Expected, ExpectedKey
from statebake.verify.losses import lost_files, why_missing, why_partly_missing
from statebake.verify.subject import Subject


@dataclass(frozen=True)
class KeyTruth:
    """The verdict on a key, and what is wrong with it."""

    result: KeyResult
    findings: tuple[Finding, ...] = ()


def judge_key(
    key: ExpectedKey,
    copy: Copy | None,
    copies: Copies,
    subject: Subject,
    *,
    own: Expected | None,
    beside: Expected | None,
    facts: ProjectFacts | None,
    now: datetime,
) -> KeyTruth:
    """Return the verdict on ``key`` in ``copy``, a copy that is read; ``None``: there is none.

    ``own`` is what the artifact says of itself, ``beside`` what else it must be.
    """
    name = sanitize_key(key.key)
    state = copy.state if copy else None
    summary = state.directories.get(name) if state else None
    age = (now - parse_time(key.fetched_at)).total_seconds() if key.fetched_at else None
    declared = key.declared_at[0] if key.declared_at else None

    def told(verdict: str, *findings: Finding) -> KeyTruth:
        there = summary is not None and summary.files > 0
        return KeyTruth(
            KeyResult(
                key=key.key,
                declared_at=declared,
                verdict=verdict,
                age_s=age,
                bytes=summary.bytes if summary and there else None,
                files=summary.files if summary and there else None,
                digest=summary.digest if summary and there else None,
            ),
            findings,
        )

    if summary is None or summary.files == 0:
        return told("missing", why_missing(key, copy, copies, subject, facts))
    assert copy is not None
    assert state is not None
    digest = own.get(key.key) if own and state.manifest is not None else None
    claims = _Claims(summary, digest.digest if digest else None, state.records.get(name))
    where = subject.inside(f"{copy.path}/{name}")
    other = beside.get(key.key) if beside else None
    wrong = _contradiction(claims, key.key, subject, where)
    if wrong is None and summary.empty:
        wrong = _finding(Code.EMPTY_STATE, key.key, f"The state of {key.key} has no content: {summary.empty}", where)
        wrong = replace(wrong, next_step=subject.again)
    if wrong is None and beside and other and other.digest not in {None, summary.digest}:
        wrong = _differs(other, beside, copy, subject=subject, claims=claims, where=where)
    if wrong is not None:
        lost = lost_files(key.key, copy, subject, facts)
        wrong = why_partly_missing(key.key, copy, subject, facts, lost) or wrong
        return told("empty" if summary.empty else "differs", wrong)
    if beside is not None and other is None:
        message = f"{subject.the} carries the state of {key.key}, a key that {beside.source} does not have"
        return told(
            "unexpected", replace(_finding(Code.STATE_DIFFERS, key.key, message, where), next_step=subject.again)
        )
    if state.manifest is not None and digest is None:
        return told("unexpected", _mismatch(key.key, "its manifest does not have this key", subject, where))
    return told("ok")


@dataclass(frozen=True)
class _Claims:
    """What is said of the content of a key: by its files, the manifest, and the record beside them."""

    files: TreeSummary
    manifest: str | None
    record: Record | Finding | None


def _contradiction(claims: _Claims, key: str, subject: Subject, where: str) -> Finding | None:
    files, manifest, record = claims.files.digest, claims.manifest, claims.record
    if isinstance(record, Finding):
        return replace(record, key=key, where=where, next_step=subject.again)
    if record is not None and record.key != key:
        return _mismatch(key, f"its record is that of another key, {record.key!r}", subject, where)
    recorded = record.digest if record else None
    if manifest in {None, files} and recorded in {None, files}:
        return None
    if manifest is None:
        what = f"its files were changed: their digest is {_short(files)}, its record says {_short(recorded)}"
    elif recorded is None:
        what = f"its files have the digest {_short(files)}, and the manifest says {_short(manifest)}"
    elif recorded == files:
        what = f"the manifest was changed: it says {_short(manifest)}, the files and their record say {_short(files)}"
    elif manifest == files:
        what = f"its record was changed: it says {_short(recorded)}, the files and the manifest say {_short(files)}"
    elif manifest == recorded:
        what = f"its files were changed: their digest is {_short(files)}, manifest and record say {_short(manifest)}"
    else:
        what = (
            f"nothing agrees: the files have the digest {_short(files)}, the manifest says {_short(manifest)}, the "
            f"record {_short(recorded)}"
        )
    return _mismatch(key, what, subject, where)


def _mismatch(key: str, what: str, subject: Subject, where: str) -> Finding:
    message = f"The state of {key} in {subject.the_own} contradicts itself: {what}"
    return replace(_finding(Code.ARTIFACT_MISMATCH, key, message, where), next_step=subject.again)


def _unknown(key: str, beside: Expected, subject: Subject, where: str, *, bound: bool) -> Finding:
    """Return the finding for state of a key that is not expected: an error where a manifest has the key."""
    message = f"{subject.the} carries the state of {key}, a key that {beside.source} does not have"
    if bound:
        return replace(_finding(Code.STATE_DIFFERS, key, message, where), next_step=subject.again)
    orphan = replace(_finding(Code.ORPHAN, key, message, where), severity=Severity.WARNING)
    return replace(orphan, next_step=f"remove it from the work tree if no component uses it, and {subject.again}")


def _differs(
    expected: ExpectedKey, beside: Expected, copy: Copy, *, subject: Subject, claims: _Claims, where: str
) -> Finding:
    """Return the finding for state that is not the same as elsewhere: an older one, if the records say so."""
    key, digest, record = expected.key, claims.files.digest, claims.record
    fetched = record.fetched_at if isinstance(record, Record) and record.digest == digest else None
    older = fetched and expected.fetched_at and parse_time(fetched) < parse_time(expected.fetched_at)
    times = f"it was fetched at {fetched}, that of {beside.source} at {expected.fetched_at}"
    if older and copy.installed and subject.kind != "wheel":
        message = f"The state of {key} is that of an older build: {times}. An installer took a wheel from its cache"
        return replace(_finding(Code.OLD_BUILD, key, message, where), next_step=_reinstall(beside))
    both = f"its digest is {_short(digest)}, there it is {_short(expected.digest)}"
    message = f"The state of {key} is not that of {beside.source}: {both}{f'; {times}' if older else ''}"
    return replace(_finding(Code.STATE_DIFFERS, key, message, where), next_step=subject.again)


def _reinstall(beside: Expected) -> str:
    cached = f'[tool.uv] cache-keys = [{{ file = "pyproject.toml" }}, {{ file = "{beside.state}/**/*" }}]'
    return (
        f"uv sync --reinstall-package {shlex.quote(beside.name or 'NAME')}"
        f"{f'; and for the next time, in pyproject.toml: {cached}' if beside.state else ''}"
    )


def _finding(code: Code, key: str, message: str, where: str) -> Finding:
    return Finding(code, Severity.ERROR, key, f"{message}.", where, None)


def _short(digest: str | None) -> str:
    return (digest or "").removeprefix("sha256:")[:12]
