"""What stands among the options of ``pex`` and is none."""

from __future__ import annotations

import pytest

from statebake.config import Kind
from statebake.config.pex_options import about_indexes, no_option, without_requirements
from statebake.config.values import MisplacedError, parse


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], None),
        (["--venv", "prepend", "-D", "more", "-rmore.txt", "--layout=loose", "@more.txt"], None),
        (["-i", "https://example.org/simple", "--find-links", ".", "--no-compress"], None),
        (["--an-option-of-tomorrow", "value"], None),
        (["-vr", "more.txt", "-r", "-", "--project", "lib", "--zip-safe"], None),
        (["-vj", "4", "-vD", "data", "-vZ", "deflated", "-vvi", "https://example.org/simple"], None),
        (["requests"], "requests"),
        (["--no-compress", "requests"], "requests"),
        (["-v", "requests"], "requests"),
        (["-vv", "requests"], "requests"),
        (["--no-pre", "requests"], "requests"),
        (["--version", "requests"], "requests"),
        (["--venv", "prepend", "requests"], "requests"),
        (["-rmore.txt", "requests"], "requests"),
        (["-vrmore.txt", "requests"], "requests"),
        (["-vj4", "requests"], "requests"),
        (["--layout=loose", "./lib"], "./lib"),
        (["-D", "more", "requests>=2"], "requests>=2"),
        (["--no-compress", "--", "-D"], "--"),
    ],
)
def test_no_option(arguments, found):
    """Told is what cannot be the value of the option before it; an option that nobody knows here may have one."""
    assert no_option(arguments) == found


@pytest.mark.parametrize(
    "arguments",
    [
        ["-r", "more.txt"],
        ["-rmore.txt"],
        ["-vr", "more.txt"],
        ["--with-requirements=more.txt"],
        ["--requirement", "more.txt", "--constraint", "less.txt"],
        ["--pylock", "pylock.toml", "--pylock-extra", "x"],
        ["--group", "test@."],
        ["--venv-repository", "--venv-repository", "other"],
    ],
)
def test_without_requirements(arguments):
    """What says what is resolved is left out with its value, and nothing besides."""
    others = ["--venv", "prepend", "-v", "--an-option-of-tomorrow", "value"]
    assert without_requirements([*others, *arguments, *others]) == [*others, *others]


def test_about_indexes():
    """What says where from something is resolved is told from all else, with its value, in each of its forms."""
    wanted = ["--no-pypi", "-i", "https://a.example", "-ihttps://b.example", "--find-links=.", "--proxy", "c", "--pre"]
    assert about_indexes(["-v", *wanted, "-r", "more.txt", "-D", "more", "--no-wheel", "@more.txt"]) == wanted


def test_requirements_in_pex_args(tmp_path):
    """A requirement is refused with where it belongs, and without its credentials."""
    with pytest.raises(MisplacedError, match=r"https://\*\*\*@example.org/a is no option") as caught:
        parse(Kind.PEX_OPTIONS, ["https://user:secret@example.org/a"], tmp_path)
    assert "[project] dependencies of pyproject.toml, or in the file that the setting lock names" in (
        caught.value.next_step
    )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["-o", "wanted.pex"], "-o"),
        (["-owanted.pex"], "-owanted.pex"),
        (["-v", "-vo", "wanted.pex"], "-vo"),
        (["--output-file", "wanted.pex"], "--output-file"),
        (["--venv", "--output-file=wanted.pex"], "--output-file"),
        (["--out", "wanted.pex"], "--out"),
    ],
)
def test_the_output_in_pex_args(tmp_path, arguments, named):
    """What would say which file to write, in each of its forms, is refused with the setting that says it."""
    with pytest.raises(MisplacedError, match=rf"^{named} is not for these options$") as caught:
        parse(Kind.PEX_OPTIONS, arguments, tmp_path)
    assert caught.value.next_step == "the file to write is the setting pex.output"


@pytest.mark.parametrize("arguments", [["-D-o"], ["--override", "a==1"], ["-e", "o"], ["--script", "-"]])
def test_no_output(tmp_path, arguments):
    """What only looks like the option of the output is none."""
    assert parse(Kind.PEX_OPTIONS, arguments, tmp_path) == tuple(arguments)
