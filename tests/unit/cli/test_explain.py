"""``statebake explain``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from statebake.cli.explain import explain_command, read_pages
from statebake.errors import Code, StatebakeError


def explain(*args: str) -> str:
    result = CliRunner().invoke(explain_command, args, standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.output


def test_the_list():
    """Without a code every code is listed with its title, a line each."""
    lines = explain().splitlines()
    assert [line.split()[0] for line in lines] == list(read_pages())
    assert all(len(line.split()) > 2 for line in lines)


@pytest.mark.parametrize("name", ["SB301", "sb301"])
def test_a_page(name):
    """A code, in whatever case, is told with its title."""
    page = explain(name)
    assert page.startswith("SB301: ")
    assert len(page.splitlines()) > 3


@pytest.mark.parametrize(("name", "near"), [("SB3011", "SB301"), ("nonsense", None)])
def test_an_unknown_code(name, near):
    """A code that there is not is answered with those that are like it."""
    with pytest.raises(StatebakeError) as caught:
        explain(name)
    assert caught.value.code is Code.UNKNOWN_CODE
    assert ("Did you mean" in caught.value.message) == (near is not None)
    assert near is None or near in caught.value.message


def test_json():
    """Every code, or the one that is asked for, is a JSON object with its title, exit code and story."""
    every = json.loads(explain("--format", "json"))
    assert [item["code"] for item in every["codes"]] == list(read_pages())
    [one] = json.loads(explain("sb301", "--format", "json"))["codes"]
    assert one in every["codes"]
    assert (one["title"], one["exit"]) == ("A key has no state", 3)
    assert f"{one['title']}\n\n{one['page']}" == read_pages()["SB301"]


@pytest.mark.parametrize("code", Code, ids=lambda code: code.value)
def test_every_code(code):
    """Every code is explained, with its own title."""
    assert explain(code.value) == f"{code.value}: {read_pages()[code.value]}\n"
