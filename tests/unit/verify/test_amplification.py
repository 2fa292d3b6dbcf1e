"""Small files that name one thing many times: what reading them costs has a limit, which is counted, not timed."""

from __future__ import annotations

import json

import pytest

from statebake.errors import Code, StatebakeError
from statebake.verify import oci_layout, read_layout
from support.layers import LayoutMaker, Member, tar

STATE = "app/.local_defs_state"
LAYER = tar([Member(f"{STATE}/a/state", content=b"1")])


@pytest.fixture
def layout(tmp_path):
    """A layout that is to be filled."""
    return LayoutMaker(tmp_path / "layout")


@pytest.fixture
def counted(monkeypatch):
    """Count the calls of a function, by the name that a module has it under."""

    def count(module, name):
        calls, real = [], getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, **options: (calls.append(args), real(*args, **options))[1])
        return calls

    return count


def refused(call, *args) -> str:
    with pytest.raises(StatebakeError) as caught:
        call(*args)
    assert caught.value.code is Code.NOT_AN_ARTIFACT
    return caught.value.message


def test_indexes_that_name_one_another_many_times(layout, counted):
    """Every index and manifest is parsed once to be listed, and an image's once more to be read."""
    found = layout.image((LAYER,))
    for _ in range(3):
        found = layout.index(*[found] * 20)
    path = layout.finish(*[found] * 20)
    parsed = counted(json, "loads")
    assert len(read_layout(path)) == 1
    assert len(parsed) == 1 + 3 + 1 + 2


def test_more_manifests_than_any_layout_has(layout, monkeypatch):
    """Their number has a limit."""
    monkeypatch.setattr(oci_layout, "_MOST_MANIFESTS", 3)
    images = [layout.image((LAYER,), arch=f"a{number}") for number in range(4)]
    assert len(read_layout(layout.finish(*images[:3]))) == 3
    assert "more than 3 manifests" in refused(read_layout, layout.finish(*images))
