"""The summary of a GitHub job: GitHub Flavored Markdown in which text of others is text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from statebake.cli import human
from statebake.cli.reports.words import plain, subject, told, verdict
from statebake.model.finding import Finding, Severity
from statebake.model.report import KeyResult, Report

# Every character that can begin or end something in Markdown, in a table's cell or in HTML.
_ACTIVE = re.compile(r"[\\`*_\[\]<>|&~$#!@{}\"']|(?<=\w):(?=//)|(?<=www)\.", re.IGNORECASE)
_SIGNS = {Severity.ERROR: "❌", Severity.WARNING: "⚠️"}


def summary_markdown(reports: Sequence[Report], limit: int) -> str:
    """Return what the reports come to, in at most ``limit`` bytes: rows that there is no room for are counted."""
    parts: list[str] = []
    left = limit
    dropped = 0
    for report in reports:
        for block in _blocks(report):
            size = len(block.encode())
            if size > left - 200:
                dropped += 1
                continue
            parts.append(block)
            left -= size
    if dropped:
        note = f"\n{dropped} lines are left out: a summary has at most 1 MiB.\n\n"
        parts += [note] if len(note) <= left else []
    return "".join(parts)


def _blocks(report: Report) -> Iterator[str]:
    sign = "❌" if report.errors else "⚠️" if report.findings or not report.keys else "✅"
    yield f"### {sign} statebake {report.command}: {code(subject(report))}\n\n{verdict(report)}\n\n"
    if report.findings:
        yield "| | Code | What was found |\n| --- | --- | --- |\n"
        yield from (_finding(item) for item in report.findings)
        yield "\n"
    if report.keys:
        sealed = any(item.opened is not None or item.definitions is not None for item in report.keys)
        titles = ["Key", "Verdict", "Age", "Size", "Files", "Digest", *(["Opened", "Definitions"] if sealed else [])]
        right = {"Age", "Size", "Files", "Definitions"}
        yield f"| {' | '.join(titles)} |\n| {' | '.join('---:' if name in right else '---' for name in titles)} |\n"
        yield from (_key(item, sealed) for item in report.keys)
        yield "\n"
    if report.checks or report.notes:
        listed = "".join(f"- {escape(text)}\n" for text in (*report.checks, *report.notes))
        yield f"<details><summary>What was checked</summary>\n\n{listed}\n</details>\n\n"


def _finding(finding: Finding) -> str:
    """Return a row; where and what next are lines of one cell, so that no column is pushed out of sight."""
    lines = [escape(told(finding))]
    if finding.where:
        lines.append(f"at {code(finding.where)}")
    if finding.next_step:
        lines.append(f"next: {code(finding.next_step)}")
    return f"| {_SIGNS[finding.severity]} | {finding.code.value} | {'<br>'.join(lines)} |\n"


def _key(item: KeyResult, sealed: bool) -> str:
    digest = code(item.digest.removeprefix("sha256:")[:12]) if item.digest else "–"
    files = "–" if item.files is None else str(item.files)
    cells = [code(item.key), escape(item.verdict), human.age(item.age_s), human.size(item.bytes), files, digest]
    if sealed:
        cells.append("–" if item.opened is None else "yes" if item.opened else "no")
        cells.append("–" if item.definitions is None else str(item.definitions))
    return f"| {' | '.join(cells)} |\n"


def escape(text: str) -> str:
    """Return text that Markdown shows as it is, on one line, as numeric character references (CommonMark 2.5)."""
    return _ACTIVE.sub(lambda found: f"&#{ord(found[0])};", plain(text))


def code(text: str) -> str:
    """Return text in a fixed-width font; HTML's element, for in a code span nothing can be escaped."""
    return f"<code>{escape(text)}</code>"
