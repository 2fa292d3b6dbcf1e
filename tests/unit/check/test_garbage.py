"""State that no component uses: what counts as such, and what of it may go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from statebake.check.garbage import plan_collection, read_leftovers
from statebake.errors import Code, StatebakeError
from statebake.model.discard import discard_keys
from statebake.model.record import dump_json
from statebake.model.transaction import open_staging
from support.trees import read_tree


@pytest.fixture
def state_dir(tmp_path):
    (tmp_path / ".staging" / "x").mkdir(parents=True)
    (tmp_path / ".gitignore").write_text("*\n")
    (tmp_path / "statebake-manifest.json").write_text("{}")
    return tmp_path


@pytest.fixture
def key_dir(build, state_dir):
    """Return a function that writes the directory of a key."""

    def make(name: str, key: str | None = None) -> Path:
        (state_dir / name / "state").mkdir(parents=True)
        (state_dir / name / "state" / "data").write_text("12345")
        if key is not None:
            (state_dir / name / ".statebake.json").write_text(dump_json(build.record(key).to_json()))
        return state_dir / name

    return make


def planned(build, state_dir, *keys, unrecorded=False):
    plan = plan_collection(build.discovery(*keys), read_leftovers(state_dir, keys), unrecorded=unrecorded)
    return [item.path.name for item in plan.remove], [item.leftover.path.name for item in plan.keep]


def test_only_what_no_component_uses(build, state_dir, key_dir):
    """Key directories of no key go; those of keys, staging, and plain files are no leftovers."""
    key_dir("Text__a__", "Text[a]")
    key_dir("Text__gone__", "Text[gone]")
    [leftover] = read_leftovers(state_dir, ["Text[a]"])
    assert (leftover.path, leftover.files, leftover.bytes) == (state_dir / "Text__gone__", 1, 5)
    assert leftover.record == build.record("Text[gone]")
    assert planned(build, state_dir, "Text[a]") == (["Text__gone__"], [])


def test_what_statebake_did_not_write(build, state_dir, key_dir):
    """Without a record, or with one that cannot be read, it stays unless it is asked for; an empty one goes."""
    key_dir("dagster")
    (key_dir("broken") / ".statebake.json").write_text("{")
    (state_dir / "empty" / "state").mkdir(parents=True)
    assert planned(build, state_dir, "a") == (["empty"], ["broken", "dagster"])
    assert planned(build, state_dir, "a", unrecorded=True) == (["broken", "dagster", "empty"], [])


def test_what_cannot_be_read_can_go(build, state_dir, key_dir):
    """State with a FIFO in it has no size, and is removed all the same, by its record."""
    os.mkfifo(key_dir("odd", "odd") / "fifo")
    [leftover] = read_leftovers(state_dir, [])
    assert (leftover.files, leftover.bytes) == (None, None)
    assert planned(build, state_dir, "a") == (["odd"], [])


def test_a_symbolic_link_stays(build, state_dir, tmp_path_factory):
    """A link is nothing that statebake made, and what it leads to is somebody else's."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (state_dir / "link").symlink_to(elsewhere)
    assert planned(build, state_dir, "a", unrecorded=True) == ([], ["link"])


def test_a_directory_under_another_name(build, state_dir, key_dir, monkeypatch):
    """Where the file system takes two names for one directory, as for case, it is in use under both."""
    key_dir("text__a__", "Text[a]")
    real = Path.lstat
    folding = lambda path: real(state_dir / path.name.lower() if path.parent == state_dir else path)  # noqa: E731
    monkeypatch.setattr(Path, "lstat", folding)
    assert read_leftovers(state_dir, ["Text[a]"]) == []


def test_a_component_that_cannot_be_loaded(build, state_dir, key_dir):
    """Nothing is removed then, for the state may be its own; where there is nothing to remove, all is well."""
    key_dir("old", "old")
    discovery = build.discovery("a", failures=(build.failure(),))
    with pytest.raises(StatebakeError) as caught:
        plan_collection(discovery, read_leftovers(state_dir, ["a"]), unrecorded=False)
    assert caught.value.code is Code.UNKNOWN_COMPONENT_KEY
    assert caught.value.where == build.failure().declared_at
    assert caught.value.next_step == "export SHOP_URL=…"
    assert plan_collection(discovery, [], unrecorded=False).remove == ()


def test_no_component_at_all(build, state_dir, key_dir):
    """Where no component was found, it is more likely that the wrong place was looked at than that all is garbage."""
    key_dir("old", "old")
    with pytest.raises(StatebakeError) as caught:
        planned(build, state_dir)
    assert caught.value.code is Code.NO_COMPONENTS


def test_no_state_directory(build, tmp_path):
    """Where there is no state, there is no garbage, and nothing is made."""
    assert planned(build, tmp_path / "none", "a") == ([], [])
    assert not (tmp_path / "none").exists()


def test_discarding(state_dir, key_dir):
    """What is discarded is gone with all that is in it, links and closed directories too; nothing else changes."""
    (state_dir / ".staging" / "x").rmdir()
    key_dir("kept", "kept")
    gone = key_dir("gone", "gone")
    (gone / "link").symlink_to(state_dir / "kept")
    (gone / "state").chmod(0o500)
    before = read_tree(state_dir)
    with open_staging(state_dir) as staging:
        discard_keys(state_dir, ["gone"], staging)
        assert not gone.exists()
        assert list(staging.iterdir()) == []
    after = {name: content for name, content in before.items() if not name.startswith("gone/")}
    assert read_tree(state_dir) == after


def test_discarding_where_nothing_can_be_moved(state_dir, key_dir, monkeypatch):
    """In the lower layer of an overlay a directory is emptied where it is, its record last."""
    import errno

    gone, other = key_dir("gone", "gone"), key_dir("other", "other")
    (gone / "beside").write_text("x")
    rename, unlink, last = Path.rename, Path.unlink, []

    def refusing(path: Path, target: Path) -> Path:
        if path == gone:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(path))
        return rename(path, target)

    def watching(path: Path, **options: bool) -> None:
        if path.parent == gone:
            last.append(path.name)
        unlink(path, **options)

    monkeypatch.setattr(Path, "rename", refusing)
    monkeypatch.setattr(Path, "unlink", watching)
    with open_staging(state_dir) as staging:
        discard_keys(state_dir, ["gone", "other"], staging)
    assert not gone.exists()
    assert not other.exists()
    assert last == ["beside", ".statebake.json"]


def test_discarding_stops_at_what_cannot_be_removed(state_dir, key_dir):
    """A directory that is not there any more ends it with an error; what was taken out before is removed."""
    first, last = key_dir("first", "first"), key_dir("last", "last")
    with open_staging(state_dir) as staging, pytest.raises(StatebakeError) as caught:
        discard_keys(state_dir, ["first", "missing", "last"], staging)
    assert caught.value.code is Code.COMMIT_FAILED
    assert not first.exists()
    assert last.exists()
