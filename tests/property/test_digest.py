"""The digest is what anybody can compute with the usual tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from statebake.model.tree import summarize_dir

# The command of the on-disk format in the documentation. Only the key's own record is left out, not a file of that
# name deeper down; `-r` is for a tree without files.
COMMAND = (
    "find . -type f ! -path ./.statebake.json -printf '%P\\n' | LC_ALL=C sort | "
    "xargs -r -d '\\n' sha256sum -- | sha256sum"
)
ODD = st.sampled_from(
    [
        "-",
        "--help",
        "-rf",
        "...",
        "..x",
        "a\\b",
        "\\",
        "\\n",
        "é",
        "é",
        "*",
        "?",
        "$x",
        "`",
        "'",
        '"',
        "%P",
        "#",
        "~",
        ".statebake.json",
        "state",
        "State",
        "a.b",
        "A",
        "a",
        " ",
        "  a b ",
        "\u2028",
        "\U0001f600",
    ]
)
NAMES = st.one_of(
    ODD,
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=8),
).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 200)
TREES = st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map(tuple), st.binary(max_size=40), max_size=8)

gnu_tools = pytest.mark.skipif(
    b"GNU" not in subprocess.run(["find", "--version"], capture_output=True, check=False).stdout
    or not shutil.which("sha256sum"),
    reason="no GNU find and sha256sum",
)


def make(root: Path, tree: dict[tuple[str, ...], bytes]) -> None:
    """Write the files of ``tree``, but those whose path another one of them bars.

    A file called ``-`` at the top is left out: ``sha256sum`` takes it for its standard input, whatever stands before.
    """
    for parts, content in tree.items():
        if parts == ("-",):
            continue
        path = root.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue


def by_hand(root: Path) -> str:
    finished = subprocess.run(["/bin/sh", "-c", COMMAND], cwd=root, capture_output=True, text=True, check=True)
    assert not finished.stderr
    return "sha256:" + finished.stdout.split()[0]


@gnu_tools
@given(TREES)
@example({})
@example({("-x",): b"1", ("--", "-"): b"2", ("a\\b",): b"3", (".statebake.json",): b"{}"})
@example({("state", ".statebake.json"): b"{}", (".statebake.json",): b"{}"})
@example({("state.d", "a"): b"", ("state", "a"): b"", ("state-d",): b"", ("stat",): b""})
def test_the_digest_can_be_checked_by_hand(tree):
    """The digest of any tree, odd names included, is what ``find``, ``sort`` and ``sha256sum`` print."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        make(root, tree)
        assert summarize_dir(root).digest == by_hand(root)


@given(TREES, st.randoms(use_true_random=False))
def test_the_digest_knows_nothing_of_the_machine(tree, random):
    """Times, modes, empty directories and the order of writing do not change the digest."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        make(Path(one), tree)
        written = sorted(path for path in Path(one).rglob("*") if path.is_file())
        random.shuffle(written)
        for path in written:
            copy = Path(other) / path.relative_to(one)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
            copy.chmod(random.choice([0o400, 0o644, 0o777]))
            os.utime(copy, (random.randrange(10**9), random.randrange(10**9)))
            (copy.parent / "an empty directory").mkdir(exist_ok=True)
        assert summarize_dir(Path(other)) == summarize_dir(Path(one))


@given(TREES, TREES)
def test_different_trees_have_different_digests(one, other):
    """Two trees have one digest only if they have the same files with the same bytes."""
    found = []
    for tree in (one, other):
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            make(root, tree)
            files = {
                str(path.relative_to(root)): path.read_bytes()
                for path in root.rglob("*")
                if path.is_file() and path != root / ".statebake.json"
            }
            found.append((files, summarize_dir(root).digest))
    assert (found[0][0] == found[1][0]) == (found[0][1] == found[1][1])
