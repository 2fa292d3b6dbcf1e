"""From staging to state: what is refused leaves the old state alone."""

from __future__ import annotations

import os
from datetime import datetime, timezone

import pytest

from statebake.errors import Code, StatebakeError
from statebake.model import tree
from statebake.model.record import ComponentRef
from statebake.model.settle import Fetched, prepare, settle
from statebake.model.state_config import DefsStateManagementType
from support.trees import read_tree, write_tree


def fetched() -> Fetched:
    return Fetched(
        key="Text[a]",
        components=(ComponentRef("shop.components.Text", "defs.yaml:1"),),
        where="defs.yaml:1",
        management_type=DefsStateManagementType.LOCAL_FILESYSTEM,
        at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        duration_s=0.5,
        tool="statebake 0.1.0",
        host="native 0.1.0",
    )


@pytest.fixture
def place(tmp_path):
    """A state directory with state of one key."""
    settle(fetched(), tmp_path, write_tree(tmp_path / ".staging/0/Text__a__", {"state": "old"}))
    return tmp_path


def test_a_check_is_asked_last_and_can_refuse(place):
    """What a check refuses leaves the old state, its record included, as it was."""
    before = read_tree(place)
    staged = write_tree(place / ".staging/1/Text__a__", {"state": "new"})
    (staged / "state").chmod(0o666)

    def check(changed: bool) -> None:
        assert changed
        assert (staged / "state").stat().st_mode & 0o777 == 0o644
        raise StatebakeError(Code.BAD_SETTING, "no")

    with pytest.raises(StatebakeError, match="no"):
        prepare(fetched(), place, staged, check)
    assert read_tree(place) == before


def test_a_check_is_not_asked_about_what_is_no_state(place):
    """An empty fetch is called empty, whatever a check would say of it."""
    staged = write_tree(place / ".staging/1/Text__a__", {"other": "1"})
    with pytest.raises(StatebakeError) as caught:
        prepare(fetched(), place, staged, lambda _: pytest.fail("asked"))
    assert caught.value.code is Code.FETCH_WROTE_NOTHING


def test_a_link_in_place_of_the_directory_is_refused(place):
    """A fetch that replaces its directory by a link leaves the old state, and what the link leads to, alone."""
    before = read_tree(place)
    elsewhere = write_tree(place.parent / "elsewhere", {"state": "1"})
    (place / ".staging/1").mkdir()
    (place / ".staging/1/Text__a__").symlink_to(elsewhere)
    with pytest.raises(StatebakeError) as caught:
        settle(fetched(), place, place / ".staging/1/Text__a__")
    assert caught.value.code is Code.FETCH_LEFT_FOREIGN
    assert (read_tree(place), read_tree(elsewhere)) == (before, {"state": b"1"})


def test_a_file_is_hashed_once(tmp_path, monkeypatch):
    """New state is read once, however it comes; the same state once more, where it is already."""
    read = []
    sha256 = tree._sha256
    monkeypatch.setattr(tree, "_sha256", lambda opener, *rest: read.append(opener) or sha256(opener, *rest))
    for number, passes in enumerate((1, 2)):
        staged = write_tree(tmp_path / f".staging/{number}/Text__a__", {"state": "1", "b": "2"})
        os.link(staged / "b", tmp_path / f"outside{number}")
        read.clear()
        settle(fetched(), tmp_path, staged)
        assert len(read) == 2 * passes
