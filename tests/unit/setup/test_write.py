"""Writing a plan's changes: all of them, or it is said which."""

from __future__ import annotations

import pytest

from statebake.errors import Code, StatebakeError
from statebake.setup.plan import Change
from statebake.setup.write import write_changes


def failure(changes):
    with pytest.raises(StatebakeError) as caught:
        write_changes(changes)
    assert caught.value.code is Code.OUTPUT_FAILED
    assert "`statebake init`" in caught.value.next_step
    return caught.value.message


def test_written(tmp_path):
    """Files are replaced or made with their directories, bytes that are no UTF-8 included."""
    old = tmp_path / "a"
    old.write_bytes(b"old\xff\r\n")
    new = tmp_path / "x/y/b"
    text = old.read_bytes().decode("utf-8", "surrogateescape")
    changes = [Change(old, text, f"new {text}", "why"), Change(new, None, "b", "why")]
    assert write_changes(changes) == (old, new)
    assert old.read_bytes() == b"new old\xff\r\n"
    assert new.read_text() == "b"


@pytest.mark.parametrize("now", ["changed", None])
def test_changed_meanwhile(tmp_path, now):
    """Where a file is another one by now, or gone, nothing is written at all."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    if now is not None:
        two.write_text(now)
    message = failure([Change(one, "1", "new", "why"), Change(two, "2", "new", "why")])
    assert message == "two is not any more as it was read. Nothing was written."
    assert one.read_text() == "1"
    failure([Change(one, None, "new", "why")])
    assert one.read_text() == "1"


def test_a_failure_on_the_way(tmp_path):
    """What cannot be written after all is said together with what was; the others are whole."""
    one, blocked = tmp_path / "one", tmp_path / "one" / "two"
    message = failure([Change(one, None, "new", "why"), Change(blocked, None, "new", "why")])
    assert message.startswith("two cannot be written: ")
    assert message.endswith(" Written: one.")
    assert one.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_read_only(tmp_path):
    """A file that is read-only is left, though its directory would allow to replace it."""
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(0o444)
    assert failure([Change(path, "old", "new", "why")]) == "a is read-only. Nothing was written."
    assert path.read_text() == "old"
