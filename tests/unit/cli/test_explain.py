"""``statebake explain``."""

from __future__ import annotations

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
