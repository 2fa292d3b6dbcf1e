"""Edits of real-life TOML: what was not edited keeps its bytes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from statebake.config import TomlFile
from statebake.errors import Code, StatebakeError
from statebake.setup.toml_edit import AddEntry, Remove, SetValue, edited

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WRAP = SetValue(("build-system", "build-backend"), "statebake.backend")
REQUIRE = AddEntry(("build-system", "requires"), "statebake")
INNER = SetValue(("tool", "statebake", "build-backend"), "b")


def edit(text, *edits):
    return edited(TomlFile(Path("pyproject.toml"), tomllib.loads(text.replace("\r\n", "\n")), text), text, edits)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "[build-system]\nrequires = ['a']  # why\nbuild-backend = 'b'  # this one\n",
            (
                "[build-system]\nrequires = ['a', \"statebake\"]  # why\n"
                'build-backend = "statebake.backend"  # this one\n'
                '\n[tool.statebake]\nbuild-backend = "b"\n'
            ),
        ),
        (
            'build-system.requires = ["a"]\nbuild-system.build-backend = "b" # y\n\n[project]\nname = "x"\n',
            (
                'build-system.requires = ["a", "statebake"]\nbuild-system.build-backend = "statebake.backend" # y\n\n'
                '[project]\nname = "x"\n\n[tool.statebake]\nbuild-backend = "b"\n'
            ),
        ),
        (
            'build-system = { requires = ["a"], build-backend = "b" } # c\n',
            (
                'build-system = { requires = ["a", "statebake"], build-backend = "statebake.backend" } # c\n\n'
                '[tool.statebake]\nbuild-backend = "b"\n'
            ),
        ),
        (
            '[build-system]\nrequires = ["a"]\n\n# about the project\n[project]\nname = "x"\n',
            (
                '[build-system]\nrequires = ["a", "statebake"]\nbuild-backend = "statebake.backend"\n\n'
                "# about the project\n"
                '[project]\nname = "x"\n\n[tool.statebake]\nbuild-backend = "b"\n'
            ),
        ),
        (
            '[build-system]\n"requires" = ["a"]\n[tool.statebake]\n# mine\njobs = 3 # c\n\n\n# next\n[tool.x]\na = 1',
            (
                '[build-system]\n"requires" = ["a", "statebake"]\nbuild-backend = "statebake.backend"\n'
                "[tool.statebake]\n# mine\n"
                'jobs = 3 # c\nbuild-backend = "b"\n\n\n# next\n[tool.x]\na = 1\n'
            ),
        ),
        (
            "[tool.statebake.pex]\nargs = []\n\n[build-system]\nrequires = []\n\n[tool.x]\na = 1\n",
            (
                '[tool.statebake]\nbuild-backend = "b"\n\n[tool.statebake.pex]\nargs = []\n\n[build-system]\n'
                'requires = ["statebake"]\nbuild-backend = "statebake.backend"\n\n[tool.x]\na = 1\n'
            ),
        ),
        (
            '[tool]\nstatebake.jobs = 3\nuv.x = 1\n[build-system]\nrequires = ["a"]\n',
            (
                '[tool]\nstatebake.jobs = 3\nstatebake.build-backend = "b"\nuv.x = 1\n[build-system]\n'
                'requires = ["a", "statebake"]\nbuild-backend = "statebake.backend"\n'
            ),
        ),
        (
            'tool = { x = { a = 1 } }\n[build-system]\nrequires = ["a"]\n',
            (
                'tool = { x = { a = 1 }, statebake = { build-backend = "b" }}\n[build-system]\n'
                'requires = ["a", "statebake"]\nbuild-backend = "statebake.backend"\n'
            ),
        ),
        (
            '[tool.statebake]\n\n[tool.statebake.pex]\nargs = []\n[build-system]\nrequires = ["a"]\n',
            (
                '[tool.statebake]\nbuild-backend = "b"\n\n[tool.statebake.pex]\nargs = []\n[build-system]\n'
                'requires = ["a", "statebake"]\nbuild-backend = "statebake.backend"\n'
            ),
        ),
        (
            '  [build-system]\n    requires = ["a"]\n  [tool.statebake]\n    jobs = 1\n',
            (
                '  [build-system]\n    requires = ["a", "statebake"]\n    build-backend = "statebake.backend"\n'
                '  [tool.statebake]\n    jobs = 1\n    build-backend = "b"\n'
            ),
        ),
    ],
)
def test_forms(text, wanted):
    """Whichever form a table has, only what is edited changes; comments stay with what they are about."""
    assert edit(text, REQUIRE, WRAP, INNER) == wanted
    crlf = edit(text.replace("\n", "\r\n"), REQUIRE, WRAP, INNER)
    assert crlf == wanted.replace("\n", "\r\n")


def test_remove():
    """What is removed goes with its line, and nothing else."""
    text = '[build-system]\nrequires = ["a"]\nbackend-path = ["x"] # gone\nbuild-backend = "b" # stays\n'
    assert edit(text, Remove(("build-system", "backend-path"))) == text.replace('backend-path = ["x"] # gone\n', "")


def test_list_of_tables():
    """Several tables stand below each other, one in its line."""
    keys = ("tool", "uv", "cache-keys")
    one = edit("", SetValue(keys, [{"file": "a"}]))
    assert one == '[tool.uv]\ncache-keys = [{ file = "a" }]\n'
    two = edit("[tool.uv]\n", SetValue(keys, [{"file": "a"}, {"dir": "b"}]))
    assert two == '[tool.uv]\ncache-keys = [\n    { file = "a" },\n    { dir = "b" },\n]\n'
    three = edit(two, AddEntry(keys, {"file": "c"}))
    assert three == two.replace('{ dir = "b" },\n', '{ dir = "b" },\n    { file = "c" },\n')


def test_root():
    """A key of the top level comes before the first table."""
    assert edit("# c\njobs = 3\n\n[pex]\nargs = []\n", SetValue(("build-backend",), "b")) == (
        '# c\njobs = 3\nbuild-backend = "b"\n\n[pex]\nargs = []\n'
    )


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("[build-system]\n", REQUIRE),
        ("[build-system]\nrequires = 'a'\n", REQUIRE),
        ("build-system = []\n", REQUIRE),
        ("[[build-system.requires]]\nx = 1\n", REQUIRE),
        ("[build-system]\n", Remove(("build-system", "backend-path"))),
    ],
)
def test_nothing_to_edit(text, one):
    """An edit of what is not there, or is of another form, is one to make by hand."""
    with pytest.raises(StatebakeError) as caught:
        edit(text, one)
    assert caught.value.code is Code.BAD_SETTING


def test_a_bug_is_not_the_users(monkeypatch):
    """What goes wrong in statebake's own code is not told as a mistake in the file."""
    from statebake.setup import toml_edit

    def broken(*args):
        raise TypeError("a bug")

    monkeypatch.setattr(toml_edit, "with_entry", broken)
    with pytest.raises(TypeError, match="a bug"):
        edit("[build-system]\nrequires = []\n", REQUIRE)


@pytest.mark.parametrize("text", ["tool = 3\n", "[[tool]]\nx = 1\n", "tool.statebake = 3\n"])
def test_by_hand(text):
    """A file whose form does not allow it is an error with what is to be written by hand."""
    with pytest.raises(StatebakeError) as caught:
        edit(text, INNER)
    assert caught.value.code is Code.BAD_SETTING
    assert '[tool.statebake] build-backend = "b"' in caught.value.next_step
