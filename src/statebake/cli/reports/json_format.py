"""``json``: everything that is known, for programs. ``docs/reports.md`` and ``docs/report.schema.json`` define it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from statebake import __version__
from statebake.cli.json_text import FORMAT, dump_json
from statebake.cli.reports.base import Format
from statebake.cli.reports.places import Scene
from statebake.errors import Exit
from statebake.model.finding import exit_of
from statebake.model.report import Report


class JsonFormat(Format):
    """One document with every report."""

    def render(self, reports: Sequence[Report], scene: Scene) -> str:
        head = {"format": FORMAT, "statebake": __version__}
        return dump_json({**head, **report_fields(reports, scene)}) + "\n"


def report_fields(reports: Sequence[Report], scene: Scene) -> dict[str, Any]:
    """Return what a document says of reports."""
    code = exit_of([item for report in reports for item in report.findings])
    return {
        "command": reports[0].command if reports else None,
        "ok": code is Exit.OK,
        "exit": int(code),
        "reports": [report_json(report, scene) for report in reports],
    }


def report_json(report: Report, scene: Scene) -> dict[str, Any]:
    """Return one report as a JSON object."""
    return {
        "subject": report.subject,
        "kind": report.kind,
        "directory": report.directory,
        "ok": report.exit is Exit.OK,
        "exit": int(report.exit),
        "checks": list(report.checks),
        "findings": [
            {
                "code": item.code.value,
                "severity": item.severity.value,
                "key": item.key,
                "message": item.message,
                "where": item.where,
                "next_step": item.next_step,
                "file": place.path if (place := scene.place(report, item)) else None,
                "line": place.line if place else None,
            }
            for item in report.findings
        ],
        "keys": [
            {
                "key": item.key,
                "declared_at": item.declared_at,
                "verdict": item.verdict,
                "age_s": item.age_s,
                "bytes": item.bytes,
                "files": item.files,
                "digest": item.digest,
                "opened": item.opened,
                "definitions": item.definitions,
            }
            for item in report.keys
        ],
        "notes": list(report.notes),
    }
