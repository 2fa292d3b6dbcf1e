"""One bake at a time reads and writes what a build of a project reads."""

from __future__ import annotations

import threading

from statebake.bake.image.inputs import alone_with_inputs


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
