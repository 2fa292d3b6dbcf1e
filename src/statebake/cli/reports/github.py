"""``github``: workflow commands, which GitHub shows beside the code, and a table in the job's summary.

A command is ``::error file=…,line=…,title=…::message``. In data ``%``, CR and LF are escaped, in properties ``:`` and
``,`` as well (``actions/toolkit``, ``command.ts``; ``actions/runner``, ``ActionCommand.cs``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from statebake.cli.echo import echo
from statebake.cli.reports.base import Format
from statebake.cli.reports.markdown import summary_markdown
from statebake.cli.reports.places import Scene
from statebake.cli.reports.words import plain, subject, summary, told
from statebake.model.finding import Finding, Severity
from statebake.model.report import Report

# GitHub refuses a step's summary of more than 1 MiB.
_LARGEST_SUMMARY = 1024 * 1024 - 1024


class GithubFormat(Format):
    """A command per finding, and a line with the verdict."""

    def render(self, reports: Sequence[Report], scene: Scene) -> str:
        several = len(reports) > 1
        commands = [_command(report, item, scene, several) for report in reports for item in report.findings]
        name = f"statebake {reports[0].command}: " if reports else ""
        return "".join(f"{line}\n" for line in (*commands, f"{name}{summary(reports)}"))

    def show(self, reports: Sequence[Report], scene: Scene, env: Mapping[str, str]) -> None:
        super().show(reports, scene, env)
        if path := env.get("GITHUB_STEP_SUMMARY"):
            for problem in _append(Path(path), reports):
                echo(f"::warning title=statebake::{_data(f'The summary of this step cannot be written: {problem}.')}")


def _command(report: Report, finding: Finding, scene: Scene, several: bool) -> str:
    place = scene.place(report, finding)
    properties = {"title": finding.code.value}
    if place is not None:
        properties = {"file": place.path, **({"line": str(place.line)} if place.line else {}), **properties}
    lines = [f"{subject(report)}: {told(finding)}" if several else told(finding)]
    if finding.where and not scene.at_its_line(report, finding):
        lines.append(f"at {plain(finding.where)}")
    if finding.next_step:
        lines.append(f"next: {plain(finding.next_step)}")
    level = "error" if finding.severity is Severity.ERROR else "warning"
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {given}::{_data(chr(10).join(lines))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _append(path: Path, reports: Sequence[Report]) -> Iterator[str]:
    """Append the summary to the file that GitHub named for it; yield what went wrong."""
    try:
        before = path.stat().st_size if path.exists() else 0
        text = summary_markdown(reports, _LARGEST_SUMMARY - before)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        yield error.strerror or str(error)
