"""Running a tool whose output is read while it runs."""

from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path

import pytest

from statebake.errors import Code, StatebakeError
from statebake.process import Finished, stream_tool


def stream(script: str, on_line) -> Finished:
    return stream_tool(["sh", "-c", script], env=os.environ, cwd=Path("/"), next_step="look", on_line=on_line)


def test_lines_of_both_streams():
    """Every line of either stream comes, decoded, without its end; the rest of one, too; and the exit code."""
    lines: list[str] = []
    finished = stream(r"printf 'one\r\n'; sleep 0.1; echo two >&2; sleep 0.1; printf '\377three'; exit 3", lines.append)
    assert lines == ["one", "two", "�three"]
    assert finished == Finished(3, "one\n�three", "two")


def test_a_long_line():
    """A line that does not end comes in pieces."""
    lines: list[str] = []
    stream("head -c 300000 /dev/zero | tr '\\0' x", lines.append)
    assert (len(lines) > 1, "".join(lines)) == (True, "x" * 300_000)


def test_only_tails_are_kept():
    """However much a tool prints, little of it is kept."""
    count = 0

    def on_line(_: str) -> None:
        nonlocal count
        count += 1

    tracemalloc.start()
    try:
        finished = stream("yes 'a line of some length, which is repeated' | head -n 500000", on_line)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (count, peak < 4 << 20) == (500_000, True)
    assert len(finished.stdout.splitlines()) == 200


def test_what_holds_a_stream_open():
    """A process that the tool leaves behind does not keep the run waiting."""
    began = time.monotonic()
    lines: list[str] = []
    assert stream("sleep 30 & echo $!", lines.append).returncode == 0
    assert time.monotonic() - began < 5
    os.kill(int(lines[0]), 15)


def test_an_exception_ends_the_tool():
    """What a callback raises ends the tool, with what it started."""
    pids: list[int] = []

    def on_line(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream("sleep 30 & echo $!; wait", on_line)
    deadline = time.monotonic() + 2
    while Path(f"/proc/{pids[0]}/cmdline").exists() and time.monotonic() < deadline:
        if not Path(f"/proc/{pids[0]}/cmdline").read_bytes():
            break  # ended, and its parent is gone
        time.sleep(0.01)
    else:
        assert not Path(f"/proc/{pids[0]}").exists()


def test_a_tool_that_is_not_there():
    """A tool that cannot be started is an error with the given next step."""
    with pytest.raises(StatebakeError) as caught:
        stream_tool(["/nowhere/tool"], env={}, cwd=Path("/"), next_step="install it", on_line=print)
    assert (caught.value.code, caught.value.next_step) == (Code.TOOL_MISSING, "install it")
