"""``junit`` against the rules of the schemas in use: ``junit-10.xsd`` (Jenkins) and ``JUnit.xsd`` (Apache Ant)."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from hypothesis import given

from statebake.cli.reports import JunitFormat, Scene
from support.hostile import hostile
from support.verified import report_with

from .conftest import NOW

SUITE = {"name", "package", "id", "tests", "failures", "errors", "time", "timestamp", "hostname"}


def assert_valid(document: str) -> ET.Element:
    """Fail where a rule of either schema is broken; where they differ, by the stricter one."""
    root = ET.fromstring(document)
    assert (root.tag, root.attrib) == ("testsuites", {})
    assert [suite.get("id") for suite in root] == [str(number) for number in range(len(root))]
    for suite in root:
        assert suite.tag == "testsuite"
        assert set(suite.attrib) == SUITE
        assert suite.get("name")
        assert suite.get("hostname")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp") or "")
        assert datetime.fromisoformat(suite.get("timestamp") or "")
        assert all(re.fullmatch(r"\d+", suite.get(name) or "") for name in ("tests", "failures", "errors", "time"))
        tags = [child.tag for child in suite]
        cases = [child for child in suite if child.tag == "testcase"]
        assert tags == ["properties", *["testcase"] * len(cases), "system-out", "system-err"]
        assert all(item.tag == "property" and set(item.attrib) == {"name", "value"} for item in suite[0])
        assert int(suite.get("tests") or "") == len(cases)
        assert int(suite.get("failures") or "") == sum(len(case) for case in cases)
        for case in cases:
            assert set(case.attrib) == {"name", "classname", "time"}
            assert all(value.strip() == value != "" for value in case.attrib.values())
            assert len(case) <= 1
            for failure in case:
                assert failure.tag == "failure"
                assert set(failure.attrib) == {"type", "message"}
                assert failure.get("type")
                assert len(failure) == 0
    return root


def test_it_is_valid(reports, scene):
    """What is written is valid by both schemas."""
    root = assert_valid(JunitFormat().render(reports, scene))
    assert [(suite.get("tests"), suite.get("failures")) for suite in root] == [("7", "4"), ("2", "0")]


@given(hostile())
def test_any_text_is_valid(text):
    """Whatever somebody else's text is, what is written is valid."""
    assert_valid(JunitFormat().render([report_with(text)], Scene(Path("/"), Path("/"), NOW)))


def test_every_key_and_check_is_a_case(reports, scene):
    """There is a test case per key, per check, and per code of what is about no key; errors fail theirs."""
    [suite, _] = ET.fromstring(JunitFormat().render(reports, scene))
    assert [(case.get("name"), [item.get("type") for item in case]) for case in suite.iter("testcase")] == [
        ("Tables[main]", ["SB301"]),
        ("DbtProjectComponent[jaffle]", ["SB303"]),
        ("News[https://x.example/y]", ["SB301"]),
        ("3 keys compared with src/shop", []),
        ("4 files searched for 2 secrets", []),
        ("Loaded in 0.4 s, sealed.", []),
        ("SB309 BAD_RECORD", ["SB309"]),
    ]


def test_warnings_are_printed(reports, scene):
    """Warnings fail nothing; they are what the suite printed."""
    [suite, _] = ET.fromstring(JunitFormat().render(reports, scene))
    assert (suite.findtext("system-out") or "").startswith("warning[SB314]: The state directory has no .gitignore.\n")


def test_an_error_of_one_key_in_several_platforms(reports, scene):
    """The cases of two reports do not share their classes, so that nobody takes them for one."""
    root = ET.fromstring(JunitFormat().render(reports, scene))
    first, second = ({case.get("classname") for case in suite.iter("testcase")} for suite in root)
    assert not first & second
