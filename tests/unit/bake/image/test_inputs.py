"""The directory with what a build reads: one bake at a time, and nothing outside of it."""

from __future__ import annotations

import threading

import pytest

from statebake.bake.image.inputs import Inputs, alone_with_inputs, write_inputs
from statebake.errors import Code, StatebakeError
from support.trees import read_tree, write_tree


def test_the_second_waits_for_the_first(tmp_path):
    """Who comes second is told that it waits, and goes on when the first has ended."""
    order, waits = [], threading.Event()

    def second() -> None:
        with alone_with_inputs(tmp_path, waits.set):
            order.append("second")

    with alone_with_inputs(tmp_path, lambda: order.append("the first waits")):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


@pytest.mark.parametrize("link", [".statebake", ".statebake/dependencies", ".statebake/dependencies/wheels"])
def test_links_are_not_followed(tmp_path, link):
    """A link in the place of what is written or removed is refused, before anything is touched."""
    elsewhere = tmp_path / "elsewhere"
    write_tree(elsewhere, {"dependencies/mine": "mine", "mine": "mine"})
    project = tmp_path / "project"
    (project / link).parent.mkdir(parents=True)
    (project / link).symlink_to(elsewhere)
    before = read_tree(tmp_path)
    inputs = Inputs({"dependencies/wheels/a.whl": b"", "dependencies/requirements.txt": b""})
    with pytest.raises(StatebakeError) as caught:
        write_inputs(project, inputs)
    assert caught.value.code is Code.OUTPUT_FAILED
    assert caught.value.where == str(project / link)
    assert read_tree(tmp_path) == before
