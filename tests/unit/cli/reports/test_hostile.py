"""No text of somebody else's is obeyed: by terminals, CI systems, or readers of the formats."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from statebake.cli.console import open_console
from statebake.cli.reports import NAMES, GithubFormat, GitlabFormat, JunitFormat, SarifFormat, Scene
from statebake.cli.reports.markdown import summary_markdown
from statebake.cli.reports.outputs import find_format
from statebake.cli.reports.words import cleaned, plain, told
from support.hostile import PIECES, hostile
from support.runner import Command, commands
from support.verified import report_with

from .conftest import NOW

SCENE = Scene(Path("/nowhere"), Path("/nowhere"), NOW)
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")


def shown(name: str, text: str, env: dict[str, str]) -> str:
    """Return what a format puts on standard output."""
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        find_format(name).show([cleaned(report_with(text), env)], SCENE, env)
    return stream.getvalue()


@given(hostile(), st.sampled_from(NAMES))
def test_nothing_controls_a_terminal(text, name):
    """Of control characters only line ends are in a document, and all of it is UTF-8."""
    document = find_format(name).render([cleaned(report_with(text), {})], SCENE)
    assert not CONTROLS.search(document)
    assert document.encode().decode() == document


@given(hostile())
def test_github_obeys_only_ours(text):
    """The runner obeys one command per finding, whose title is the code and whose data is what was found."""
    report = report_with(text)
    error, warning = report.findings
    lines = [told(error), *([f"at {plain(text)}"] if text else []), *([f"next: {plain(text)}"] if text else [])]
    assert commands(GithubFormat().render([report], SCENE)) == [
        Command("error", "\n".join(lines), {"title": "SB301"}),
        Command("warning", "\n".join([told(warning), *lines[2:]]), {"title": "SB316"}),
    ]


@given(hostile(), st.sampled_from([name for name in NAMES if name != "github"]))
def test_no_other_format_has_commands(text, name):
    """In a GitHub job the runner finds no command in what any other format prints."""
    assert commands(shown(name, text, {"GITHUB_ACTIONS": "true"})) == []


@given(hostile())
def test_nor_have_messages(text):
    """In a GitHub job whatever is printed for people is no command either; elsewhere it is left as it is."""
    for env, expected in (({"GITHUB_ACTIONS": "true"}, []), ({}, None)):
        stream = io.StringIO()
        with contextlib.redirect_stderr(stream):
            open_console(env, stderr=True).print(f"{text}\n  {text}")
        assert expected is None or commands(stream.getvalue()) == expected


def test_elsewhere_nothing_is_changed(capsys):
    """Outside of a GitHub job text is printed as it is."""
    open_console({}).print("::error::x ##[add-mask]y")
    assert capsys.readouterr().out == "::error::x ##[add-mask]y\n"


@pytest.mark.parametrize("text", PIECES)
def test_the_runner_would_obey(text):
    """The control: printed as they are, the pieces that look like commands are obeyed."""
    looks = (text.startswith("::") and text.count("::") == 2) or text.startswith("##[add")
    assert bool(commands(text)) == looks


@given(hostile())
def test_xml_reads_back(text):
    """JUnit's XML is well-formed, and has the names of the key and the check."""
    document = JunitFormat().render([report_with(text)], SCENE)
    cases = ET.fromstring(document).findall(".//testcase")
    assert [case.get("name") for case in cases] == [plain(text) or "–"] * 2
    failure = cases[0].find("failure")
    assert failure is not None
    assert failure.get("message") == told(report_with(text).findings[0])


@given(hostile())
def test_json_reads_back(text):
    """GitLab's and SARIF's documents are JSON that has what was found."""
    report = report_with(text)
    issues = json.loads(GitlabFormat().render([report], SCENE))
    assert [item["description"].startswith(told(found)) for item, found in zip(issues, report.findings, strict=True)]
    assert all(item["location"]["path"] and not item["location"]["path"].startswith("/") for item in issues)
    [run] = json.loads(SarifFormat().render([report], SCENE))["runs"]
    message = run["results"][0]["message"]["text"]
    assert "](" not in message
    assert not re.search(r"(?<!\{)\{\d+\}(?!\})", message)


@given(hostile())
def test_markdown_shows_text_as_it_is(text):
    """In the summary every cell shows its text, in as many cells as there are, and the only HTML is ours."""
    report = report_with(text)
    tokens = MARKDOWN.parse(summary_markdown([report], 10**6))
    cells = [tokens[index + 1].children for index, token in enumerate(tokens) if token.type == "td_open"]
    assert len(cells) == 2 * 3 + 8
    inline = [child for token in tokens for child in token.children or []]
    assert {child.type for child in inline} <= {"text", "text_special", "html_inline"}
    html = {child.content for child in inline if child.type == "html_inline"}
    assert html <= {"<code>", "</code>", "<br>"}
    words = ["".join(child.content for child in cell if child.type != "html_inline") for cell in cells]
    assert words[2].startswith(told(report.findings[0]))
    assert words[6] == plain(text)
