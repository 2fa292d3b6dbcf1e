"""Somebody deletes the staging directory while a key is committed."""

from __future__ import annotations

import pytest

from statebake.errors import Code, StatebakeError
from statebake.model import transaction
from statebake.model.transaction import commit_keys, open_staging
from support.trees import read_tree, write_tree


def test_a_state_that_is_deleted_while_it_is_put_in_place(tmp_path, monkeypatch):
    """What deletes staging may follow the new state to its place: then the old one is put back, and it is an error."""
    state_dir = tmp_path / "state"
    write_tree(state_dir, {"a/state": "old", "a/more": "old"})
    before = read_tree(state_dir)
    swap = transaction._swap

    def swap_and_delete(place, staged):
        swap(place, staged)
        (place / "more").unlink()

    monkeypatch.setattr(transaction, "_swap", swap_and_delete)
    with open_staging(state_dir) as staging:
        write_tree(staging, {"a/state": "new", "a/more": "new"})
        with pytest.raises(StatebakeError) as caught:
            commit_keys(state_dir, [staging / "a"])
    assert caught.value.code is Code.COMMIT_FAILED
    assert {name: data for name, data in read_tree(state_dir).items() if name != ".gitignore"} == before
