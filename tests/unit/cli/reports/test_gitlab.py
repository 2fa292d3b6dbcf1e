"""``gitlab``: what Code Quality needs of every issue."""

from __future__ import annotations

import json
from dataclasses import replace

from statebake.cli.reports import GitlabFormat
from statebake.errors import Code
from statebake.model.finding import Finding, Severity


def issues(reports, scene):
    return json.loads(GitlabFormat().render(reports, scene))


def test_the_fields(reports, scene):
    """Every issue has what GitLab requires, with a relative path and a line."""
    for issue in issues(reports, scene):
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert not issue["location"]["path"].startswith(("/", "./"))
        assert issue["location"]["lines"]["begin"] >= 1


def test_what_is_at_no_file(reports, scene):
    """A finding that is at no file of the repository is shown at the project's configuration."""
    assert issues(reports, scene)[3]["location"] == {"path": "projects/shop/pyproject.toml", "lines": {"begin": 1}}


def test_fingerprints_are_unique(reports, scene):
    """No two findings have one fingerprint, also where they are the same but for their words."""
    twice = [replace(reports[0], findings=reports[0].findings * 2), reports[0]]
    found = [issue["fingerprint"] for issue in issues(twice, scene)]
    assert len(set(found)) == len(found) == 15


def test_fingerprints_are_stable(reports, scene):
    """A finding keeps its fingerprint when its line, its words, or the other findings change."""

    def moved(finding: Finding) -> Finding:
        where = finding.where and finding.where.replace(":1", ":4")
        return replace(finding, message="Other words.", next_step=None, where=where)

    before = {issue["fingerprint"]: issue["check_name"] for issue in issues(reports, scene)}
    changed = replace(reports[0], subject="other.pex", findings=tuple(map(moved, reports[0].findings[::-1])))
    after = {issue["fingerprint"]: issue["check_name"] for issue in issues([changed], scene)}
    assert after == before
    fewer = replace(reports[0], findings=reports[0].findings[2:])
    assert {issue["fingerprint"] for issue in issues([fewer], scene)} < set(before)


def test_severities(reports, scene):
    """An error is critical, a warning minor."""
    finding = reports[0].findings[0]
    warning = replace(finding, severity=Severity.WARNING, code=Code.STALE_STATE)
    found = issues([replace(reports[0], findings=(finding, warning))], scene)
    assert [issue["severity"] for issue in found] == ["critical", "minor"]
