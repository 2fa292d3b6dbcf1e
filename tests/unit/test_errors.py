"""The error codes: their exit codes, their pages, and what an error looks like."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

import statebake
from statebake.cli.explain import PAGES, read_pages
from statebake.cli.main import cli
from statebake.errors import Code, Exit, StatebakeError

EXIT_OF_DIGIT = {"1": 2, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6, "7": 7, "8": 8}
SOURCES = Path(statebake.__file__).parent


def test_codes_are_unique():
    """No two names share a code: the second would be an alias of the first without a word."""
    assert list(Code.__members__.values()) == list(Code)
    assert all(re.fullmatch(r"SB[1-8]\d\d", code.value) for code in Code)


@pytest.mark.parametrize("code", Code, ids=lambda code: code.value)
def test_the_first_digit_is_the_exit_code(code):
    """The first digit of a code tells the exit code, as DESIGN.md has them."""
    assert code.exit == EXIT_OF_DIGIT[code.value[2]]


def test_exit_codes():
    """The exit codes are a contract with scripts, and none of them means two things."""
    assert [(item.name, item.value) for item in Exit] == [
        ("OK", 0),
        ("BUG", 1),
        ("USAGE", 2),
        ("STATE", 3),
        ("REFRESH", 4),
        ("SECRET", 5),
        ("SEALED_LOAD", 6),
        ("OUTSIDE_TOOL", 7),
        ("CHANGES", 8),
        ("INTERRUPTED", 130),
    ]
    assert len(set(Exit)) == len(Exit.__members__)


def test_every_code_has_a_page_and_every_page_a_code():
    """``statebake explain`` knows exactly the codes that there are, in their order."""
    assert list(read_pages()) == [code.value for code in Code]


def test_no_code_is_dead():
    """Every code is raised or found somewhere."""
    texts = [path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py") if path.name != "errors.py"]
    used = {name for text in texts for name in re.findall(r"\bCode\.([A-Z_]+)|\"([A-Z_]{4,})\"", text) for name in name}
    assert set(Code.__members__) - used == set()


@pytest.mark.parametrize(("code", "page"), read_pages().items())
def test_a_page_tells_a_story(code, page):
    """Every page has a title, says more than the title, and stays within one screen or two."""
    title, _, body = page.partition("\n")
    assert re.fullmatch(r"[A-Z`].*[^.]", title)
    paragraphs = [part for part in body.strip().split("\n\n") if part.strip()]
    assert 2 <= len(paragraphs) <= 12
    assert all(len(line) <= 120 for line in page.splitlines())


def test_pages_name_only_what_there_is():
    """Every command, option and code that the pages mention exists."""
    text = PAGES.read_text(encoding="utf-8")
    assert set(re.findall(r"SB\d{3}", text)) <= {code.value for code in Code}
    examples = re.findall(r"^    (statebake .+)$|`(statebake [^`]+)`", text, re.MULTILINE)
    assert len(examples) >= 40
    for example in examples:
        words = shlex.split("".join(example), comments=True)[1:]
        context, command = None, cli
        while words and isinstance(command, click.Group):
            context = click.Context(command, parent=context)
            command = command.get_command(context, words.pop(0))
            assert command is not None, example
        known = {name for parameter in command.params for name in parameter.opts}
        until = words.index("--") if "--" in words else len(words)
        assert {word for word in words[:until] if word.startswith("-")} <= known, example


def test_an_error_says_what_where_next():
    """The text of an error is its code, what happened, where, the detail line by line, and one next step."""
    error = StatebakeError(
        Code.MISSING_STATE, "No state.", where="defs.yaml:3", next_step="statebake refresh", detail="one\ntwo"
    )
    assert str(error) == ("[SB301] No state.\n  at defs.yaml:3\n  | one\n  | two\n  next: statebake refresh")
    assert str(StatebakeError(Code.LOCKED, "Busy.")) == "[SB406] Busy."
