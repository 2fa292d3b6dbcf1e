"""What a bake shows of the verification that it ends with, as lines of text and as JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statebake.cli import human
from statebake.cli.reports.emit import prepare
from statebake.cli.reports.json_format import report_json
from statebake.cli.reports.text_format import key_lines, report_lines
from statebake.cli.reports.words import plain

if TYPE_CHECKING:
    from rich.text import Text

    from statebake.pipeline.gate import Verified


def not_written(output: Path) -> str:
    """Return what became of a PEX that did not pass."""
    old = "; the old one is still there" if output.exists() else ""
    return f"{human.path(output)} was not written{old}"


def not_named(tags: Sequence[str]) -> str:
    """Return what became of an image that did not pass."""
    return f"the image did not get the name {' and '.join(tags)}" if tags else "the image is not what it should be"


def passed_lines(verified: Verified, env: Mapping[str, str], *, noted: Collection[str] = ()) -> Iterator[Text]:
    """Yield what was done with an artifact that passed, what to know of it, and what a sealed load saw of each key.

    ``noted``: the notes that its refresh has shown already.
    """
    from rich.text import Text

    reports, _ = prepare(verified.reports, env)
    for report in reports:
        if len(reports) > 1:
            yield Text(f"  {plain(report.subject)}")
        for check in report.checks:
            yield Text(f"  - {plain(check)}", "dim")
        for note in report.notes:
            if note not in noted:
                yield Text(f"  note: {plain(note)}")
        if any(key.opened is not None for key in report.keys):
            yield from (Text("  ") + line for line in key_lines(report.keys))


def failed_lines(verified: Verified, env: Mapping[str, str]) -> Iterator[Text]:
    """Yield what ``statebake verify`` would say of an artifact that did not pass."""
    reports, _ = prepare(verified.reports, env)
    for report in reports:
        yield from report_lines(report)


def verified_json(verified: Verified, env: Mapping[str, str]) -> dict[str, Any]:
    """Return the verification as a JSON object."""
    reports, scene = prepare(verified.reports, env)
    return {
        "verify": verified.depth,
        "ok": not verified.exit,
        "exit": int(verified.exit),
        "reports": [report_json(report, scene) for report in reports],
    }
