"""Options for ``pex`` that are in files."""

from __future__ import annotations

import pytest

from statebake.errors import Code, StatebakeError
from statebake.pipeline.pex_arguments import read_pex_args
from support.trees import write_tree


def test_a_file_of_options(tmp_path):
    """A file's lines are arguments in its place, blank ones left out; its path is the project's, or from the root."""
    project = write_tree(tmp_path, {"conf/args.txt": "--venv\nprepend\n\n-D\na b\n", "more": "-r\nmore.txt"})
    arguments = ["-v", "@conf/args.txt", "--no-compress", f"@{project}/more", "-e", "@x", "--pre"]
    assert read_pex_args(arguments, project) == (
        *("-v", "--venv", "prepend", "-D", "a b", "--no-compress"),
        *("-r", "more.txt", "-e", "@x", "--pre"),
    )


@pytest.mark.parametrize(
    ("content", "says", "next_step"),
    [
        (None, "cannot be read: No such file", "correct its path, which is taken from the project's directory"),
        (b"\xff", "cannot be read: it is no text in UTF-8", "correct its path"),
        (b"--venv\n@more.txt\n", "names another one: @more.txt", "name each of them in pex.args itself"),
        (b"requests\n", "is no list of options of pex: requests is no option", "pyproject.toml"),
        (b"https://user:secret@example.org/a\n", r"https://\*\*\*@example.org/a is no option", "pyproject.toml"),
        (b"--\n-D\n", "-- is no option", "pyproject.toml"),
        (b"-v\n-o\nwanted.pex\n", "-o is not for these options", "the file to write is the setting pex.output"),
        (b"-r\nmore\0.txt\n", "is no list of options of pex", "put one argument on each line"),
    ],
)
def test_a_file_that_is_refused(tmp_path, content, says, next_step):
    """What is no file of options, or has what may not be among options, is refused with what to do."""
    if content is not None:
        (tmp_path / "args.txt").write_bytes(content)
    with pytest.raises(StatebakeError, match=says) as caught:
        read_pex_args(["-v", "@args.txt"], tmp_path)
    assert (caught.value.code, caught.value.where) == (Code.BAD_SETTING, "pex.args: @args.txt")
    assert next_step in caught.value.next_step


def test_no_file_of_options(tmp_path):
    """Without such a file the arguments are what they were."""
    assert read_pex_args(["--venv", "-D", "more"], tmp_path) == ("--venv", "-D", "more")
