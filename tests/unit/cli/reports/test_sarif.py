"""``sarif`` against what section 3 of SARIF 2.1.0 requires, and what GitHub's code scanning does beyond it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given

from statebake.cli.explain import read_pages
from statebake.cli.reports import SarifFormat, Scene
from statebake.errors import Code
from statebake.model.finding import Finding, Severity
from support.hostile import hostile
from support.verified import report_with

from .conftest import NOW

# Object: what it must have, what it may have of what is written here. The schema allows nothing else in any of them.
RULES: dict[str, tuple[set[str], set[str]]] = {
    "log": ({"version", "runs"}, {"$schema"}),
    "run": ({"tool"}, {"invocations", "originalUriBaseIds", "columnKind", "results"}),
    "driver": ({"name"}, {"version", "semanticVersion", "rules"}),
    "rule": ({"id"}, {"name", "shortDescription", "fullDescription", "help", "properties"}),
    "invocation": ({"executionSuccessful"}, {"exitCode", "endTimeUtc"}),
    "result": (
        {"message"},
        {"ruleId", "ruleIndex", "level", "locations", "partialFingerprints", "properties"},
    ),
    "location": (set(), {"physicalLocation", "logicalLocations"}),
    "physicalLocation": (set(), {"artifactLocation", "region"}),
    "logicalLocation": (set(), {"name", "fullyQualifiedName", "kind"}),
}


def fields(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    """Return an object, or fail where it lacks a field or has one that it cannot have."""
    needed, allowed = RULES[kind]
    assert needed <= set(value) <= needed | allowed, kind
    return value


def assert_valid(document: str) -> dict[str, Any]:
    """Fail where a requirement is not met; return the only run."""
    log = fields("log", json.loads(document))
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    driver = fields("driver", fields("run", run)["tool"]["driver"])
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", driver["semanticVersion"])
    rules = [fields("rule", rule) for rule in driver["rules"]]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert set(rule["help"]) == {"text", "markdown"}
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"].endswith(".")
    [invocation] = run["invocations"]
    assert isinstance(fields("invocation", invocation)["exitCode"], int)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", invocation["endTimeUtc"])
    assert run["columnKind"] in {"utf16CodeUnits", "unicodeCodePoints"}
    for result in run["results"]:
        assert rules[fields("result", result)["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"none", "note", "warning", "error"}
        assert result["message"]["text"]
        assert all(isinstance(value, str) for value in result["partialFingerprints"].values())
        [location] = result["locations"]  # GitHub: at least one, with a file; it refuses the log otherwise
        physical = fields("physicalLocation", fields("location", location)["physicalLocation"])
        uri = physical["artifactLocation"]["uri"]
        assert physical["artifactLocation"]["uriBaseId"] in run["originalUriBaseIds"]
        assert re.fullmatch(r"(?!/)([A-Za-z0-9._~/-]|%[0-9A-F]{2})+", uri)
        assert physical.get("region", {"startLine": 1})["startLine"] >= 1
        for logical in location["logicalLocations"]:
            assert all(fields("logicalLocation", logical).values())
    return run


def test_it_is_valid(reports, scene):
    """What is written has what SARIF requires, and nothing that it does not know."""
    run = assert_valid(SarifFormat().render(reports, scene))
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["SB301", "SB303", "SB309", "SB314"]
    assert [result["level"] for result in run["results"]] == ["error"] * 4 + ["warning"]
    assert run["invocations"][0]["exitCode"] == 3


@given(hostile())
def test_any_text_is_valid(text):
    """Whatever somebody else's text is, what is written is valid."""
    assert_valid(SarifFormat().render([report_with(text)], Scene(Path("/nowhere"), Path("/nowhere"), NOW)))


def test_places(reports, scene):
    """A result is at the line of its key; one inside of an artifact has its place there, and stands at the project."""
    found = [result["locations"][0] for result in assert_valid(SarifFormat().render(reports, scene))["results"]]
    assert found[2]["physicalLocation"] == {
        "artifactLocation": {"uri": "projects/shop/src/shop/defs/things/defs.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 3},
    }
    assert found[3]["physicalLocation"]["artifactLocation"]["uri"] == "projects/shop/pyproject.toml"
    [inside] = found[3]["logicalLocations"]
    assert inside["name"] == "shop/defs/.local_defs_state/statebake-manifest.json:3"
    assert inside["fullyQualifiedName"].startswith("projects/shop/dist/shop.pex/")


def test_paths_are_uris(project, scene, reports):
    """A path with a space, a colon or an accent is a valid relative reference that reads back."""
    name = "größe: 50 %#?.yaml"
    (project / name).touch()
    finding = Finding(Code.BAD_YAML, Severity.ERROR, None, "No.", f"{name}:2", None)
    run = assert_valid(SarifFormat().render([replace(reports[0], findings=(finding,))], scene))
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert unquote(uri) == f"projects/shop/{name}"


@pytest.mark.parametrize("code", Code, ids=lambda code: code.value)
def test_the_help_is_the_page(code, reports, scene):
    """The rule of every code has the title and the story that ``explain`` tells."""
    finding = Finding(code, Severity.ERROR, None, "No.", None, None)
    run = assert_valid(SarifFormat().render([replace(reports[0], findings=(finding,))], scene))
    [rule] = run["tool"]["driver"]["rules"]
    page = read_pages()[code.value]
    assert f"{rule['shortDescription']['text']}\n\n{rule['help']['markdown']}" == page
    assert re.fullmatch(r"[A-Z][A-Za-z]+", rule["name"])
