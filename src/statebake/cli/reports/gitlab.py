"""``gitlab``: a Code Quality report, which GitLab shows in merge requests.

The format is GitLab's "Code Quality report format", a part of Code Climate's: description, check_name, fingerprint,
severity, location.path (relative to the repository, without ``./``), location.lines.begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from statebake.cli.json_text import dump_json
from statebake.cli.reports.base import Format
from statebake.cli.reports.places import Scene
from statebake.cli.reports.words import plain, told
from statebake.errors import Exit
from statebake.model.finding import Finding, Severity
from statebake.model.report import Report


class GitlabFormat(Format):
    """An object per finding."""

    def render(self, reports: Sequence[Report], scene: Scene) -> str:
        found = [_issue(report, item, print_, scene) for report, item, print_ in scene.fingerprints(reports)]
        return dump_json(found) + "\n"


def _issue(report: Report, finding: Finding, fingerprint: str, scene: Scene) -> dict[str, Any]:
    place = scene.place(report, finding)
    step = f" Next: {plain(finding.next_step)}" if finding.next_step else ""
    return {
        "description": f"{told(finding)}{step}",
        "check_name": finding.code.value,
        "fingerprint": fingerprint,
        "severity": _severity(finding),
        "location": {
            "path": place.path if place else scene.stand_in(report),
            "lines": {"begin": (place.line or 1) if place else 1},
        },
    }


def _severity(finding: Finding) -> str:
    if finding.severity is Severity.WARNING:
        return "minor"
    return "blocker" if finding.code.exit is Exit.SECRET else "critical"
