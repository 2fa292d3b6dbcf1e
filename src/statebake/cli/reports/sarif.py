"""``sarif``: the Static Analysis Results Interchange Format, version 2.1.0 (OASIS), for code scanning.

Everything is one run, for GitHub takes one run of a tool per file. What is only inside of an artifact is a logical
location; beside it stands a file of the project, for GitHub refuses a whole log in which one result is at no file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from statebake import __version__
from statebake.cli.explain import read_pages
from statebake.cli.json_text import dump_json
from statebake.cli.reports.base import Format
from statebake.cli.reports.places import Place, Scene
from statebake.cli.reports.words import plain, subject, told
from statebake.errors import Code
from statebake.model.finding import Finding, Severity, exit_of
from statebake.model.report import Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"


class SarifFormat(Format):
    """A log with one run: a rule per code that was found, a result per finding."""

    def render(self, reports: Sequence[Report], scene: Scene) -> str:
        found = list(scene.fingerprints(reports))
        codes = sorted({item.code for _, item, _ in found}, key=lambda code: code.value)
        run = {
            "tool": {
                "driver": {
                    "name": "statebake",
                    "version": __version__,
                    "semanticVersion": __version__,
                    "rules": _rules(codes),
                }
            },
            "invocations": [
                {
                    "executionSuccessful": True,
                    "exitCode": int(exit_of([item for _, item, _ in found])),
                    "endTimeUtc": scene.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
            ],
            "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
            "columnKind": "unicodeCodePoints",
            "results": [_result(*item, codes, scene) for item in found],
        }
        return dump_json({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}) + "\n"


def _rules(codes: Sequence[Code]) -> list[dict[str, Any]]:
    pages = read_pages()
    rules = []
    for code in codes:
        title, _, body = pages[code.value].partition("\n")
        rules.append(
            {
                "id": code.value,
                "name": code.name.title().replace("_", ""),
                "shortDescription": {"text": title},
                "fullDescription": {"text": f"{title}."},
                "help": {"text": _literal(body.strip()), "markdown": _literal(body.strip())},
                "properties": {"tags": ["state", *(["security"] if code.value.startswith("SB5") else [])]},
            }
        )
    return rules


def _result(report: Report, finding: Finding, fingerprint: str, codes: Sequence[Code], scene: Scene) -> dict[str, Any]:
    step = f" Next: {plain(finding.next_step)}" if finding.next_step else ""
    return {
        "ruleId": finding.code.value,
        "ruleIndex": codes.index(finding.code),
        "level": "error" if finding.severity is Severity.ERROR else "warning",
        "message": {"text": _message(f"{told(finding)}{step}")},
        "locations": [_location(report, finding, scene.place(report, finding), scene)],
        "partialFingerprints": {"statebake/v1": fingerprint},
        "properties": {
            "key": plain(finding.key) if finding.key else None,
            "where": plain(finding.where) if finding.where else None,
            "subject": plain(report.subject),
            "nextStep": plain(finding.next_step) if finding.next_step else None,
        },
    }


def _location(report: Report, finding: Finding, place: Place | None, scene: Scene) -> dict[str, Any]:
    inside = plain(finding.where) if finding.where and place is None else ""
    key = plain(finding.key or "")
    physical: dict[str, Any] = {
        "artifactLocation": {"uri": quote(place.path if place else scene.stand_in(report)), "uriBaseId": _ROOT}
    }
    if place and place.line:
        physical["region"] = {"startLine": place.line}
    return {
        "physicalLocation": physical,
        "logicalLocations": [
            {
                "fullyQualifiedName": "/".join(name for name in (subject(report), key, inside) if name),
                "name": key or inside or subject(report),
                "kind": "resource",
            }
        ],
    }


def _message(text: str) -> str:
    """Return a message in which nothing reads as a link (section 3.11.6) or a placeholder (3.11.5)."""
    return _literal(text.replace("](", "] ("))


def _literal(text: str) -> str:
    return re.sub(r"\{(\d+)\}", r"{{\1}}", text)
