"""What is kept of what a fetch prints."""

from __future__ import annotations

import os

from statebake.worker.printed import Printed


def test_a_flood(tmp_path):
    """However much is printed, the file has the end of it and stays small; what was closed is not read."""
    log = tmp_path / "log"
    printed = Printed(str(log))
    assert not printed.take()
    for number in range(400):
        os.write(printed.end, f"{number}\n".encode() * 5000)
        while printed.take():
            assert log.stat().st_size <= 2 << 20
    os.write(printed.end, b"the last")
    os.close(printed.end)
    printed.close()
    lines = log.read_text().splitlines()
    assert lines[-2:] == ["399", "the last"]
    assert "not kept" in lines[0]
    assert all(len(line) == 3 for line in lines[1:-1])  # none of them is the rest of a line
    assert log.stat().st_size > 1 << 20
    assert (printed.take(), printed.closed) == (False, True)


def test_lines_without_an_end(tmp_path):
    """Where the beginning of a line is not kept, nor is its rest, however long that is; a carriage return ends one."""
    log = tmp_path / "log"
    printed = Printed(str(log))
    for text in (b"first\n", *[b"secret" * 5000] * 100, b"secret\rthe last\n", b"of all"):
        os.write(printed.end, text)
        while printed.take():
            pass
    os.close(printed.end)
    printed.close()
    assert log.read_text().splitlines() == ["… (what came before is not kept)", "the last", "of all"]


def test_no_room_for_what_is_printed(tmp_path):
    """What cannot be kept is lost, and harms nobody."""
    printed = Printed(str(tmp_path / "gone" / "log"))
    os.write(printed.end, b"text")
    assert (printed.take(), printed.ended) == (True, False)
    os.close(printed.end)
    assert (printed.take(), printed.ended) == (False, True)
    printed.close()
