"""``text``: for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from statebake.cli import human
from statebake.cli.reports.base import Format
from statebake.cli.reports.places import Scene
from statebake.cli.reports.words import plain, subject, summary, told, verdict
from statebake.model.finding import Finding, Severity
from statebake.model.report import KeyResult, Report

if TYPE_CHECKING:
    from rich.text import Text

_MARKS = {True: ("✓ ", "green"), False: ("✗ ", "red"), None: ("! ", "yellow")}


class TextFormat(Format):
    """What was done, the table of keys, what is wrong, what to know, and the verdict in the last line."""

    def render(self, reports: Sequence[Report], scene: Scene) -> str:  # noqa: ARG002
        return "".join(f"{line.plain}\n" for line in _lines(reports))

    def show(self, reports: Sequence[Report], scene: Scene, env: Mapping[str, str]) -> None:  # noqa: ARG002
        from statebake.cli.console import open_console

        console = open_console(env)
        for line in _lines(reports):
            console.print(line)


def _lines(reports: Sequence[Report]) -> Iterator[Text]:
    from rich.text import Text

    for number, report in enumerate(reports):
        if number:
            yield Text("")
        yield from report_lines(report)
    if len(reports) > 1:
        failed = sum(bool(report.errors) for report in reports)
        odd = None if any(report.findings for report in reports) else True
        text = f"{failed} of {len(reports)} failed: " if failed else ""
        yield Text("")
        yield Text.assemble(
            _MARKS[False if failed else odd], f"statebake {reports[0].command}: {text}{summary(reports)}"
        )


def report_lines(report: Report) -> Iterator[Text]:
    """Yield all of one report."""
    from rich.text import Text

    yield Text.assemble((subject(report), "bold"), f"  {report.kind}")
    for check in report.checks:
        yield Text(f"  - {plain(check)}", "dim")
    if report.keys:
        yield Text("")
        yield from key_lines(report.keys)
    last: tuple[Severity, str] | None = None
    for finding in report.findings:
        group = (finding.severity, finding.code.value)
        if group != last:
            yield Text("")
        last = group
        yield from _finding_lines(finding)
    if report.notes:
        yield Text("")
    for note in report.notes:
        yield Text(f"note: {plain(note)}")
    yield Text("")
    mark = _MARKS[False if report.errors else True if report.keys else None]
    yield Text.assemble(mark, f"{subject(report)}: {verdict(report)}")


def _finding_lines(finding: Finding) -> Iterator[Text]:
    from rich.text import Text

    style = "red" if finding.severity is Severity.ERROR else "yellow"
    yield Text.assemble((f"{finding.severity.value}[{finding.code.value}]: ", style), told(finding))
    if finding.where:
        yield Text(f"  at {plain(finding.where)}")
    if finding.next_step:
        yield Text(f"  next: {plain(finding.next_step)}")


def key_lines(keys: Sequence[KeyResult]) -> Iterator[Text]:
    """Yield the table; a row begins with a mark, so that no key begins a line."""
    from rich.text import Text

    from statebake.cli.console import columns

    sealed = any(item.opened is not None or item.definitions is not None for item in keys)
    header = ["  key", "verdict", "age", "size", "files", "digest", *(["opened", "definitions"] if sealed else [])]
    rows: list[list[str | Text]] = []
    for item in keys:
        good = item.verdict == "ok"
        row: list[str | Text] = [
            Text.assemble(_MARKS[good], plain(item.key)),
            Text(plain(item.verdict), style="green" if good else "red"),
            human.age(item.age_s),
            human.size(item.bytes),
            "–" if item.files is None else str(item.files),
            item.digest.removeprefix("sha256:")[:12] if item.digest else "–",
        ]
        if sealed:
            row.append("–" if item.opened is None else "yes" if item.opened else "no")
            row.append("–" if item.definitions is None else str(item.definitions))
        rows.append(row)
    yield from columns(header, rows, right=("age", "size", "files", "definitions"))
