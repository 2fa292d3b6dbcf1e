"""``junit``: test results, which every CI system can show.

There is no one schema. What is written here is valid by both that are in common use: Jenkins' (``junit-10.xsd`` of its
xUnit plugin) and the one for Apache Ant's reports (``JUnit.xsd`` by Windy Road). Ant's is the stricter one: a test case
holds one failure at most, and no output, so warnings are in the suite's ``system-out``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from statebake import __version__
from statebake.cli.reports.base import Format
from statebake.cli.reports.places import Scene
from statebake.cli.reports.words import plain, subject, told, verdict
from statebake.model.finding import Finding, Severity
from statebake.model.report import Report

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# GitHub's runner obeys ##[command] anywhere in a line.
_RUNNER_COMMAND = re.compile(r"##(?=\[)")


class JunitFormat(Format):
    """A suite per report; in it a test case per key, per check that was done, and per code of what is about no key."""

    def render(self, reports: Sequence[Report], scene: Scene) -> str:
        from xml.etree import ElementTree as ET

        root = ET.Element("testsuites")
        for number, report in enumerate(reports):
            root.append(_suite(report, number, scene))
        ET.indent(root)
        text = ET.tostring(root, encoding="unicode")
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{_RUNNER_COMMAND.sub("#&#35;", text)}\n'


def _suite(report: Report, number: int, scene: Scene) -> Element:
    from xml.etree.ElementTree import Element, SubElement

    cases = [_case(*item) for item in _cases(report)]
    name = subject(report)
    suite = Element(
        "testsuite",
        {
            "name": name,
            "package": f"statebake.{report.command}",
            "id": str(number),
            "tests": str(len(cases)),
            "failures": str(sum(len(case) for case in cases)),
            "errors": "0",
            "time": "0",
            "timestamp": scene.now.strftime("%Y-%m-%dT%H:%M:%S"),
            "hostname": "localhost",
        },
    )
    properties = SubElement(suite, "properties")
    for key, value in (("statebake", __version__), ("kind", report.kind), ("subject", plain(report.subject))):
        SubElement(properties, "property", name=key, value=value)
    suite.extend(cases)
    warnings = [_story(item) for item in report.findings if item.severity is Severity.WARNING]
    out = [*warnings, *(f"note: {plain(note)}" for note in report.notes), verdict(report)]
    SubElement(suite, "system-out").text = "\n".join(out)
    SubElement(suite, "system-err")
    return suite


def _cases(report: Report) -> Iterator[tuple[str, str, list[Finding]]]:
    """Yield each test case's class, name, and errors."""
    whose = f"statebake.{report.command}.{re.sub(r'[^A-Za-z0-9_-]+', '_', subject(report))}"
    keys = {item.key for item in report.keys}
    for result in report.keys:
        yield f"{whose}.keys", result.key, [item for item in report.errors if item.key == result.key]
    for check in report.checks:
        yield f"{whose}.checks", check, []
    others = [item for item in report.errors if item.key not in keys]
    for code in dict.fromkeys(item.code for item in others):
        yield f"{whose}.findings", f"{code.value} {code.name}", [item for item in others if item.code is code]


def _case(classname: str, name: str, errors: Sequence[Finding]) -> Element:
    from xml.etree.ElementTree import Element, SubElement

    case = Element("testcase", {"classname": classname, "name": plain(name) or "–", "time": "0"})
    if errors:
        codes = ", ".join(dict.fromkeys(item.code.value for item in errors))
        failure = SubElement(case, "failure", {"type": codes, "message": told(errors[0])})
        failure.text = "\n".join(_story(item) for item in errors)
    return case


def _story(finding: Finding) -> str:
    lines = [f"{finding.severity.value}[{finding.code.value}]: {told(finding)}"]
    if finding.where:
        lines.append(f"  at {plain(finding.where)}")
    if finding.next_step:
        lines.append(f"  next: {plain(finding.next_step)}")
    return "\n".join(lines)
