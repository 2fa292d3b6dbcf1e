"""What the formats say in the same words, and how text of others is made harmless."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from statebake.cli import human
from statebake.model.finding import Finding, Severity
from statebake.model.report import KeyResult, Report
from statebake.redact import redactor

_LONGEST = 1000
# Line separators, what turns the direction of text, and what XML has no place for.
_UNSEEN = re.compile("[\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")


def plain(text: str) -> str:
    """Return text of somebody else's on one line, without what controls a terminal or no file can hold."""
    line = " ".join(part.strip() for part in text.replace("\t", " ").splitlines())
    return human.clip(_UNSEEN.sub("", _storable(line)), _LONGEST).strip()


def cleaned(report: Report, env: Mapping[str, str]) -> Report:
    """Return the report without secrets, as text that UTF-8 can hold; its next steps can be copied from here."""
    redact = redactor(env)

    def clean(text: str) -> str:
        return _storable(redact(text))

    def clean_or_none(text: str | None) -> str | None:
        return None if text is None else clean(text)

    def clean_finding(item: Finding) -> Finding:
        step = item.next_step
        if step is not None and report.directory is not None:
            step = human.in_project(step, Path(report.directory))
        return replace(
            item,
            key=clean_or_none(item.key),
            message=clean(item.message),
            where=clean_or_none(item.where),
            next_step=clean_or_none(step),
        )

    def clean_key(item: KeyResult) -> KeyResult:
        return replace(
            item, key=clean(item.key), declared_at=clean_or_none(item.declared_at), verdict=clean(item.verdict)
        )

    return replace(
        report,
        subject=clean(report.subject),
        checks=tuple(map(clean, report.checks)),
        findings=tuple(map(clean_finding, grouped(report.findings))),
        keys=tuple(map(clean_key, report.keys)),
        notes=tuple(map(clean, report.notes)),
    )


def grouped(findings: Sequence[Finding]) -> list[Finding]:
    """Return errors first, and what has the same code together."""
    return sorted(findings, key=lambda item: (item.severity is Severity.WARNING, item.code.value))


def subject(report: Report) -> str:
    """Return what a report is about, as people call it."""
    name = plain(report.subject)
    if report.kind != "image" and name.startswith("/"):
        short = human.path(Path(name))
        name = Path(name).name if short == "." else short
    return name or "–"


def told(finding: Finding) -> str:
    """Return what happened, with the key that it is about."""
    parts = (plain(finding.key or ""), plain(finding.message))
    return ": ".join(part for part in parts if part) or finding.code.value


def verdict(report: Report) -> str:
    """Return what a report comes to: ``2 errors, 1 warning in 3 keys``, ``3 keys have their state``."""
    return human.verdict(len(report.errors), len(report.findings) - len(report.errors), len(report.keys))


def summary(reports: Sequence[Report]) -> str:
    """Return what several reports come to; there is no text of others in it."""
    errors = sum(len(report.errors) for report in reports)
    warnings = sum(len(report.findings) for report in reports) - errors
    return human.verdict(errors, warnings, sum(len(report.keys) for report in reports))


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
