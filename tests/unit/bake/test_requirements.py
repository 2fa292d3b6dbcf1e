"""Reading requirement files and locks as far as a bake must."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from statebake.bake.requirements import (
    lines_of_pylock,
    names_of_sources,
    names_statebake,
    own_lines_removed,
    pylock_names_project,
    sources_of_pylock,
    without_statebake,
)
from statebake.errors import Code, StatebakeError
from support.trees import write_tree


def flat(project: Path, text: str, name: str = "requirements.txt") -> list[str]:
    """Return what is left of a requirements file in ``project``, line by line."""
    write_tree(project, {name: text})
    lines = own_lines_removed(project / name, project)
    assert lines == "" or lines.endswith("\n")
    return lines.splitlines()


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("statebake", True),
        ("Statebake[uv]>=0.1 ; python_version > '3'", True),
        ("statebake @ file:///somewhere", True),
        ("statebake-plugin", False),
        ("state-bake", False),
        ("-e .", False),
        ("not a requirement", False),
    ],
)
def test_names_statebake(requirement, expected):
    """A requirement is for statebake by its name alone, whatever its extras, version or source."""
    assert names_statebake(requirement) is expected


@pytest.mark.parametrize(
    "line",
    [
        ".",
        "./",
        "-e .",
        "-e.",
        "-e ./",
        "--editable .",
        "--editable=.",
        "-e .[dev]",
        ".[dev,test]",
        "-e . # the project",
        ". ; python_version >= '3.10'",
        "../{name}",
        "-e ../{name}[x]",
        "{path}",
        "-e {path}",
        "file:.",
        "file://{path}",
        "-e file://{path}",
        "-e file:.",
        "{name} @ file://{path}",
        "{name}[dev] @ file:.",
        ". --config-settings a=b",
    ],
)
def test_the_project_itself_is_left_out(tmp_path, line):
    """The project goes in as sources, however a requirements file names it."""
    project = tmp_path / "shop"
    text = f"a==1\n{line.format(name='shop', path=project)}\nb==2\n"
    assert flat(project, text) == ["a==1", "b==2"]


@pytest.mark.parametrize("line", ["-e .", "-e .."])
def test_a_file_in_a_directory_of_its_own_names_the_project_either_way(tmp_path, line):
    """pip takes a relative path from the current directory, pex and uv from the file's: both mean the project."""
    assert flat(tmp_path, f"{line}\na==1\n", "requirements/prod.txt") == ["a==1"]


@pytest.mark.parametrize(
    "line",
    [
        "a==1",
        "a[x,y]~=1.0 ; sys_platform == 'linux'",
        "a @ https://example.com/a-1-py3-none-any.whl#sha256=00",
        "git+https://github.com/o/r@main#egg=r",
        "-e git+https://github.com/o/r@main#egg=r",
        "--index-url https://pypi.example/simple",
        "--extra-index-url https://pypi.example/simple",
        "--find-links https://example.com/links",
        "--no-binary :all:",
        "-r https://example.com/requirements.txt",
        "-c https://example.com/constraints.txt",
        "/opt/wheels/a-1-py3-none-any.whl",
    ],
)
def test_other_lines_are_left_as_they_are(tmp_path, line):
    """Everything that is not on this disk, or has an absolute path, is kept word for word."""
    assert flat(tmp_path, f"{line}\n") == [line]


def test_hashes_and_continued_lines(tmp_path):
    """A line continued by a backslash is one line, its hashes kept; comments and blank lines go."""
    text = "# made by uv\n\na==1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n  b==2  # of a\n"
    lines = flat(tmp_path, text)
    assert [line.split() for line in lines] == [
        ["a==1", "--hash=sha256:00", "--hash=sha256:11"],
        ["b==2", "#", "of", "a"],
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-e ../lib", "-e {root}/lib"),
        ("../lib[x] ; python_version > '3'", "{root}/lib[x] ; python_version > '3'"),
        ("-e libs/inner", "-e {root}/shop/libs/inner"),
        ("./wheels/a.whl --hash=sha256:00", "{root}/shop/wheels/a.whl --hash=sha256:00"),
        ("file:../lib", "file:{root}/lib"),
        ("lib @ file:../lib", "lib @ file:{root}/lib"),
    ],
)
def test_local_paths_become_absolute(tmp_path, line, expected):
    """Other local projects stay, by a path that means the same wherever the text is written to."""
    project = tmp_path / "shop"
    write_tree(tmp_path, {"lib/pyproject.toml": "", "shop/libs/inner/pyproject.toml": "", "shop/wheels/a.whl": ""})
    assert flat(project, line) == [expected.format(root=tmp_path)]


def test_included_files_are_put_in_their_place(tmp_path):
    """What ``-r`` includes is read where it stands, its own paths from its own directory; circles end."""
    write_tree(
        tmp_path,
        {
            "base/all.txt": "b==2\n-r more.txt\n-e ..\n-r ../requirements.txt\n",
            "base/more.txt": "c==3\n-e ./lib\n",
            "base/lib/pyproject.toml": "",
        },
    )
    expected = ["a==1", "b==2", "c==3", f"-e {tmp_path}/base/lib", "d==4"]
    for option in ("-r ", "-r", "--requirement ", "--requirement="):
        assert flat(tmp_path, f"a==1\n{option}base/all.txt\nd==4\n") == expected


def test_constraints_are_named_by_path_and_content(tmp_path):
    """A constraints file stays a constraints file; the text changes when its content does, for it names a cache."""
    project = tmp_path / "shop"
    found = []
    for text in ("b==1\n", "b==2\n"):
        write_tree(tmp_path, {"constraints.txt": text})
        found.append(flat(project, "a\n-c ../constraints.txt\n"))
    digest = hashlib.sha256(b"b==1").hexdigest()
    assert found[0] == ["a", f"--constraint {tmp_path}/constraints.txt", f"# sha256:{digest}"]
    assert found[0] != found[1]


@pytest.mark.parametrize(("text", "reason"), [(None, "No such file"), (b"\xff\xfe", "not UTF-8")])
def test_an_included_file_that_cannot_be_read(tmp_path, text, reason):
    """An included file that is missing or no text is an error that names it and who names it."""
    if text is not None:
        (tmp_path / "base.txt").write_bytes(text)
    with pytest.raises(StatebakeError, match=reason) as caught:
        flat(tmp_path, "-r base.txt\n")
    assert caught.value.code is Code.BAD_SETTING
    assert caught.value.where == str(tmp_path / "base.txt")
    assert "requirements.txt, which names it" in caught.value.next_step


def test_a_byte_order_mark_is_no_requirement(tmp_path):
    """A file that an editor on Windows wrote reads as what it says."""
    (tmp_path / "requirements.txt").write_bytes(b"\xef\xbb\xbfa==1\r\nb==2\r\n")
    assert own_lines_removed(tmp_path / "requirements.txt", tmp_path) == "a==1\nb==2\n"


def test_statebake_and_what_only_it_needs_are_left_out():
    """Pinned lines of what only statebake needs go; every other line stays as it is, whether it can be read or not."""
    text = """\
--index-url https://packages.example/simple
-c more.txt
a==1 --hash=sha256:00
click==8.1
rich>=13
./lib
git+https://example.org/x.git
this is not a requirement
statebake==0.1.0
Statebake[uv]==0.1.0
"""
    kept = without_statebake(text, {"click", "rich"}).splitlines()
    gone = {"click==8.1", "statebake==0.1.0", "Statebake[uv]==0.1.0"}
    assert kept == [line for line in text.splitlines() if line not in gone]


def test_what_comes_from_a_directory_or_a_repository(tmp_path):
    """A directory counts by the name that it declares, or by its own; files and versions may have been published."""
    files = {
        "lib/pyproject.toml": "[project]\nname = 'My.Lib'\n",
        "poem/pyproject.toml": "[tool.poetry]\nname = 'bard'\n",
        "Plain_One/setup.py": "",
        "broken/pyproject.toml": "[",
        "wheels/x-1-py3-none-any.whl": "",
    }
    root = write_tree(tmp_path, files)
    lines = (
        *(f"{root}/lib[more] ; python_version > '3'", f"-e {root}/poem", f"{root}/Plain_One", f"{root}/broken"),
        *(f"{root}/wheels/x-1-py3-none-any.whl", f"named @ file://{root}/lib --hash=sha256:00"),
        *("Repo @ git+https://example.org/x@main", "a==1", "b @ https://example.org/b-1.zip", "-c more.txt"),
    )
    expected = {"my-lib", "bard", "plain-one", "broken", "repo"}
    assert names_of_sources("".join(f"{line}\n" for line in lines)) == expected


NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True)
VERSIONS = st.lists(st.integers(0, 999), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
MARKERS = st.sampled_from(["", ' ; python_version < "3.12"', " ; sys_platform == 'linux' and extra == 'x'"])
TAILS = st.sampled_from(["", " --hash=sha256:00", " \\\n    --hash=sha256:00 \\\n    --hash=sha256:11", "  # via x"])


@given(st.lists(st.tuples(NAMES, VERSIONS, st.booleans(), MARKERS, TAILS), max_size=6))
def test_every_pin_of_a_lock_is_kept(pins):
    """Of any exported lock every line but statebake's comes out, once, in order, hashes and markers with it."""
    text = "".join(
        f"{name}{'[x]' if extra else ''}=={version}{marker}{tail}\n" for name, version, extra, marker, tail in pins
    )
    found = [Requirement(line.partition(" --hash")[0].partition("  #")[0]) for line in lines_but_statebake(text)]
    expected = [(name, f"=={version}") for name, version, *_ in pins if canonicalize_name(name) != "statebake"]
    assert [(item.name, str(item.specifier)) for item in found] == expected
    kept = [(marker, tail) for name, _, _, marker, tail in pins if canonicalize_name(name) != "statebake"]
    assert [item.marker is not None for item in found] == [bool(marker) for marker, _ in kept]
    assert [line.count("--hash") for line in lines_but_statebake(text)] == [tail.count("--hash") for _, tail in kept]


def lines_but_statebake(text: str) -> list[str]:
    return without_statebake(text, ()).splitlines()


PYLOCK = """
    lock-version = "1.0"

    [[packages]]
    name = "a"
    version = "1"
    wheels = [{ name = "a.whl", hashes = { sha256 = "00" } }]
    sdist = { name = "a.tar.gz", hashes = { sha256 = "11" } }

    [[packages]]
    name = "B.b"
    version = "2"
    marker = "python_version < '3.12'"

    [[packages]]
    name = "statebake"
    version = "0.1.0"

    [[packages]]
    name = "my-shop"
    directory = { path = "." }
"""


def test_pylock(tmp_path):
    """A ``pylock.toml`` gives its versions with markers and hashes, and tells whether the project is in it."""
    path = write_tree(tmp_path, {"pylock.toml": PYLOCK}) / "pylock.toml"
    assert pylock_names_project(path, "My_Shop") is True
    assert pylock_names_project(path, "shop") is False
    assert sources_of_pylock(path) == {"my-shop"}
    path.write_text(path.read_text().partition('[[packages]]\nname = "my-shop"')[0])
    assert lines_of_pylock(path)[-17:] == "statebake==0.1.0\n"
    assert lines_of_pylock(path, but=["statebake"]).splitlines() == [
        "a==1 --hash=sha256:00 --hash=sha256:11",
        "B.b==2 ; python_version < '3.12'",
    ]


def test_pylock_of_code_that_is_no_version(tmp_path):
    """A package from a directory cannot be taken by its version: somebody else's could come in its place."""
    path = write_tree(tmp_path, {"pylock.toml": PYLOCK}) / "pylock.toml"
    with pytest.raises(StatebakeError, match="my-shop") as caught:
        lines_of_pylock(path)
    assert caught.value.code is Code.BAD_SETTING


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("packages = 5", Code.BAD_SETTING),
        ("packages = ['a']", Code.BAD_SETTING),
        ("[[packages]]\nversion = '1'", Code.BAD_SETTING),
        ("[[packages]]\nname = 1", Code.BAD_SETTING),
        ("[", Code.BAD_TOML),
    ],
)
def test_what_is_no_pylock(tmp_path, text, code):
    """A file that is no lock is refused with its path."""
    path = write_tree(tmp_path, {"pylock.toml": text}) / "pylock.toml"
    for read in (lines_of_pylock, lambda path: pylock_names_project(path, "shop")):
        with pytest.raises(StatebakeError) as caught:
            read(path)
        assert caught.value.code is code
        assert str(path) in caught.value.where
