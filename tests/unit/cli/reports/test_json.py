"""``json`` against its schema and its documentation."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from statebake.cli.reports import JsonFormat, Scene, report_of_error
from statebake.errors import Code, StatebakeError
from support.hostile import hostile
from support.verified import report_with

DOCS = Path(__file__).parents[4] / "docs"
SCHEMA: dict[str, Any] = json.loads((DOCS / "report.schema.json").read_text(encoding="utf-8"))


def closed(schema: Any) -> Any:
    """Return a schema that allows no field which it does not describe."""
    if isinstance(schema, dict):
        extra = {"additionalProperties": False} if "properties" in schema else {}
        return {**{name: closed(value) for name, value in schema.items()}, **extra}
    return [closed(item) for item in schema] if isinstance(schema, list) else schema


VALIDATOR = jsonschema.Draft202012Validator(closed(SCHEMA))


def test_the_schema_is_one():
    """The schema is itself valid."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_it_is_valid(reports, scene):
    """What is written is valid, and every field of it is in the schema."""
    document = json.loads(JsonFormat().render(reports, scene))
    VALIDATOR.validate(document)
    assert (document["ok"], document["exit"]) == (False, 3)
    assert [(item["ok"], item["exit"]) for item in document["reports"]] == [(False, 3), (True, 0)]


@pytest.mark.parametrize("code", Code, ids=lambda code: code.value)
def test_an_error_is_valid(code, scene):
    """The report of an error that ended the command is valid, with the exit code of that error."""
    report = report_of_error("verify", "app.pex", "unknown", StatebakeError(code, "No."))
    document = json.loads(JsonFormat().render([report], scene))
    VALIDATOR.validate(document)
    assert document["exit"] == code.exit


def test_findings_have_their_place(reports, scene):
    """A finding has the file and line to show it at, relative to the repository."""
    found = json.loads(JsonFormat().render(reports, scene))["reports"][0]["findings"]
    things = "projects/shop/src/shop/defs/things/defs.yaml"
    assert [(item["code"], item["file"], item["line"]) for item in found] == [
        ("SB301", things, 1),
        ("SB301", things, 5),
        ("SB303", things, 3),
        ("SB309", None, None),
        ("SB314", None, None),
    ]


@given(hostile())
def test_any_text_reads_back(text):
    """Whatever somebody else's text is, the document is valid and has it unchanged."""
    document = json.loads(JsonFormat().render([report_with(text)], Scene(Path("/"), Path("/"), None)))
    VALIDATOR.validate(document)
    [report] = document["reports"]
    first = report["findings"][0]
    assert {report["subject"], *report["checks"], *report["notes"], report["keys"][0]["key"]} == {text}
    assert {first["key"], first["message"], first["where"], first["next_step"]} == {text}


def test_every_field_is_documented():
    """The documentation has a row for every field of the schema, with its description, and no other."""
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", (DOCS / "reports.md").read_text(encoding="utf-8"), re.MULTILINE)
    objects = [SCHEMA, *(SCHEMA["$defs"][name] for name in ("report", "finding", "key"))]
    fields = [(name, field["description"]) for item in objects for name, field in item["properties"].items()]
    assert [row for row in rows if row in fields] == fields
    assert len(rows) == len(fields)
