"""Patterns of ``exclude`` mean what they mean to git."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from statebake.errors import StatebakeError
from statebake.refresh.prune import prune

# ASCII only: git matches bytes, so that its `?` is half of an `é`; here it is a character.
NAMES = st.sampled_from(["a", "b", "ab", "a.b", "!a", "#a", " a", "a ", "[a]", "*", "-", "a\\b", ".a"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PARTS = st.one_of(
    NAMES,
    st.sampled_from(
        ["*", "**", "?", "a*", "*b", "*.b", "[ab]", "[!a]", "[^a]", "[]a]", "[a-c]*", "\\*", "\\a", "a**b"]
    ),
)
PATTERNS = st.builds(
    lambda mark, start, parts, end: mark + start + "/".join(parts) + end,
    st.sampled_from(["", "", "", "!", "\\!", "#", "\\#"]),
    st.sampled_from(["", "", "/"]),
    st.lists(PARTS, min_size=1, max_size=3),
    st.sampled_from(["", "", "/", "/**", "/*", " ", "\\ "]),
)
pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="no git")


def make(root: Path, paths: set[str]) -> None:
    """Write a file at every path that no other file bars."""
    for path in sorted(paths):
        try:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text("")
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue


def files_in(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def kept_by_git(root: Path, patterns: list[str], outside: Path) -> set[str]:
    """Return the files that git would still see if ``patterns`` were all that is ignored."""
    listed = outside / "patterns"
    listed.write_text("".join(f"{pattern}\n" for pattern in patterns), encoding="utf-8")
    git = ["git", f"--git-dir={outside / 'git'}", f"--work-tree={root}"]
    subprocess.run([*git, "init", "-q"], cwd=root, check=True, capture_output=True)
    command = [*git, "ls-files", "-z", "--others", f"--exclude-from={listed}"]
    found = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout
    return {name for name in found.decode().split("\0") if name}


@settings(max_examples=150)
@given(st.sets(PATHS, max_size=12), st.lists(PATTERNS, max_size=5))
@example({"a/b/a", "a/ab", "b"}, ["*", "!a/", "!a/b/", "!a/b/a"])
@example({"a/b/a", "a/ab", "b"}, ["*", "!a", "!ab"])
@example({"a/b/a", "a/ab", "b"}, ["a", "!a/ab"])
@example({"a/b/a", "a/ab", "b"}, ["a/*", "!a/ab"])
@example({"a/b/a", "a/ab", "b"}, ["a/**", "!a/ab"])
@example({"a/b/a/b", "a/b/ab", "b/a/b"}, ["a/**/b"])
@example({"a/b/a/b", "a/b/ab", "b/a/b"}, ["**/b/a", "!**/a/b"])
@example({"a/b/a/b", "a/b/ab", "b/a/b"}, ["a/**/"])
@example({"a/b/a/b", "a", "b/a/b"}, ["*/"])
@example({"a/b/a/b", "a", "b/a/b"}, ["**/"])
@example({"a ", "a", " a"}, ["a\\ ", "a "])
@example({"a /b", "a/b", "a\\ /b", "b"}, ["a /", "b  "])
@example({"a", "a\\", "a\\ "}, ["a\\\\ "])
@example({"!a", "#a", "a"}, ["!!a", "\\#a"])
@example({"!a", "#a", "a"}, ["*", "!!a", "!#a"])
def test_patterns_mean_what_they_mean_to_git(paths, patterns):
    """What patterns leave of any tree is what git would leave of it."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as outside:
        root = Path(one) / "key"
        root.mkdir()
        make(root, paths)
        try:
            kept = kept_by_git(root, patterns, Path(outside))
            prune(root, patterns)
        except StatebakeError:
            # A pattern that is refused is one that matches nothing for git either.
            for pattern in patterns:
                try:
                    prune(Path(outside) / "nothing", [pattern])
                except StatebakeError:
                    assert kept_by_git(root, [pattern], Path(outside)) == files_in(root)
        else:
            assert files_in(root) == kept
