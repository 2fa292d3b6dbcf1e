"""What a fetch left becomes safe to keep, and stays what it was."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from statebake.errors import Code, StatebakeError
from statebake.model.normalize import normalize
from statebake.model.tree import list_files, summarize_dir
from support.trees import read_tree, write_tree


def refused(root: Path) -> None:
    with pytest.raises(StatebakeError) as caught:
        normalize(root)
    assert caught.value.code is Code.FOREIGN_FILE


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_links_become_copies(tmp_path):
    """Every link becomes a copy of what it points to: no link is left, and the digest is the same."""
    root = write_tree(tmp_path / "key", {"state/a": "1", "real/deep/b": "2"})
    (root / "state/link").symlink_to("a")
    (root / "dir").symlink_to("real")
    (root / "state/via").symlink_to("../dir/deep/b")
    (root / "real/deep/again").symlink_to(root / "state/a")
    (root / "nothing-in-it").mkdir()
    (root / "to-empty").symlink_to("nothing-in-it")
    before = summarize_dir(root)
    normalize(root)
    assert not [path for path in root.rglob("*") if path.is_symlink()]
    assert summarize_dir(root) == before
    assert read_tree(root) == {
        "state/a": b"1",
        "state/link": b"1",
        "state/via": b"2",
        "real/deep/b": b"2",
        "real/deep/again": b"1",
        "dir/deep/b": b"2",
        "dir/deep/again": b"1",
    }


def test_state_that_is_itself_a_link(tmp_path):
    """A ``state`` that links to its sibling becomes that sibling's copy."""
    root = write_tree(tmp_path, {"versions/2/a": "1"})
    (root / "state").symlink_to("versions/2")
    normalize(root)
    assert read_tree(root) == {"state/a": b"1", "versions/2/a": b"1"}
    assert summarize_dir(root).empty is None


def test_materializing_leaves_the_components_own_files_alone(tmp_path):
    """No name that a component may use is used for the copies in between."""
    root = write_tree(tmp_path, {"state": "1", ".statebake-copy-0": "the component's own"})
    (root / "link").symlink_to("state")
    normalize(root)
    assert read_tree(root) == {"state": b"1", "link": b"1", ".statebake-copy-0": b"the component's own"}


def test_a_foreign_file_stops_materializing_before_any_change(tmp_path):
    """The rules come first: where one file breaks them, no link has been replaced."""
    root = write_tree(tmp_path, {"state": "1"})
    (root / "a").symlink_to("state")
    os.mkfifo(root / "z")
    refused(root)
    assert (root / "a").is_symlink()


def test_the_files_are_those_of_the_directory(tmp_path):
    """What is returned is what a new walk finds, links and byte code and record included."""
    root = write_tree(tmp_path, {"state": "1", "b/z": "2", "b/a.pyc": "3", "c.pyo": "4", ".statebake.json": "{}"})
    (root / "link").symlink_to("b")
    (root / "code.py").symlink_to("c.pyo")
    (root / "e.pyc").symlink_to("state")
    (root / "d.pyc").mkdir()
    (root / "d.pyc/f").write_text("5")
    found = normalize(root)
    assert found == list_files(root)
    assert read_tree(root) == {
        ".statebake.json": b"{}",
        "state": b"1",
        "b/z": b"2",
        "link/z": b"2",
        "code.py": b"4",
        "d.pyc/f": b"5",
    }
    assert summarize_dir(root, found) == summarize_dir(root)


def test_a_hard_link_to_a_foreign_file_becomes_a_copy(tmp_path):
    """Whoever writes to the other name of a file does not change the state, and its owner notices nothing."""
    root = write_tree(tmp_path / "key", {"state/own": "1"})
    foreign = write_tree(tmp_path, {"cache/file": "2"}) / "cache/file"
    foreign.chmod(0o4577)
    os.link(foreign, root / "state/linked")
    os.link(foreign, root / "again")
    os.link(root / "state/own", root / "twin")
    own = (root / "state/own").stat().st_ino
    normalize(root)
    assert (foreign.stat().st_nlink, mode(foreign)) == (1, 0o4577)
    foreign.chmod(0o600)
    foreign.write_text("changed")
    assert read_tree(root) == {"state/own": b"1", "state/linked": b"2", "again": b"2", "twin": b"1"}
    assert mode(root / "again") == 0o755
    assert {(root / name).stat().st_ino for name in ("state/own", "twin")} == {own}


def test_a_hard_link_seen_through_a_link_is_inside(tmp_path):
    """A file with two names inside is not shared with anybody, also where a link shows one of them again."""
    root = write_tree(tmp_path / "key", {"state": "1", "d/x": "2"})
    os.link(root / "d/x", root / "d/y")
    (root / "a").symlink_to("d")
    inode = (root / "d/x").stat().st_ino
    normalize(root)
    assert read_tree(root) == {"state": b"1", "d/x": b"2", "d/y": b"2", "a/x": b"2", "a/y": b"2"}
    assert (root / "d/x").stat().st_ino == inode


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (0o4755, 0o755),
        (0o2755, 0o755),
        (0o1644, 0o644),
        (0o666, 0o644),
        (0o777, 0o755),
        (0o664, 0o644),
        (0o000, 0o600),
        (0o444, 0o644),
        (0o640, 0o640),
        (0o600, 0o600),
    ],
)
def test_the_modes_of_files(tmp_path, before, after):
    """Nobody but the owner can write a file, the owner always can, and it runs as nobody else."""
    root = write_tree(tmp_path, {"state": "1"})
    (root / "state").chmod(before)
    normalize(root)
    assert mode(root / "state") == after


@pytest.mark.parametrize(("before", "after"), [(0o000, 0o700), (0o555, 0o755), (0o1777, 0o1775), (0o2775, 0o2775)])
def test_the_modes_of_directories(tmp_path, before, after):
    """The owner can list and change every directory, the key's own too; strangers cannot change any."""
    root = write_tree(tmp_path / "key", {"state": "1", "d/deep/x": "2"})
    (root / "a").symlink_to("d/deep")  # comes before what it leads to
    for directory in (root / "d/deep", root / "d", root):
        directory.chmod(before)
    normalize(root)
    assert {mode(directory) for directory in (root, root / "d", root / "d/deep")} == {after}
    assert read_tree(root) == {"state": b"1", "a/x": b"2", "d/deep/x": b"2"}


def test_what_a_link_leads_to_is_left_alone(tmp_path):
    """A link out of the key directory is refused before anything that it leads to is changed."""
    outside = write_tree(tmp_path, {"outside/x": "1"}) / "outside"
    outside.chmod(0o1777)
    (outside / "x").chmod(0o666)
    root = write_tree(tmp_path / "key", {"state": "1"})
    (root / "z").symlink_to(outside)
    refused(root)
    assert (mode(outside), mode(outside / "x")) == (0o1777, 0o666)
