"""The clock is set back, before a refresh or while it runs: nothing is decided by the time of day."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from support.cli import run
from support.clock import Clock
from support.versions import Versions
from support.whole import keys_in

pytestmark = pytest.mark.needs("gcc")

# Unsafe: takes what is recorded for a later time than now for fresh.
FRESH_BY_THE_CLOCK = """
import json, sys
from datetime import datetime, timezone
record = json.load(open(sys.argv[1]))
checked_at = datetime.fromisoformat(record["checked_at"].replace("Z", "+00:00"))
print("fresh" if checked_at > datetime.now(timezone.utc) else "due")
"""


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


def checked_at(project: Versions, key: int) -> datetime:
    """Return when a key was last confirmed, by its record."""
    record = json.loads((project.state_dir / f"Text__{key}__/.statebake.json").read_text())
    assert record["duration_s"] >= 0
    return datetime.fromisoformat(record["checked_at"].replace("Z", "+00:00"))


def test_a_clock_that_was_set_back(project: Versions, clock: Clock) -> None:
    """State of a later time than now is replaced like any other, and so is that of the past afterwards."""
    clock.shift(timedelta(days=-400))
    project.env.update(clock.env)
    before = checked_at(project, 0)
    assert project.refreshed("new") == project.new
    assert checked_at(project, 0) < before - timedelta(days=300), "the fault did not come"
    project.assert_whole()
    project.assert_nothing_left()
    clock.shift(timedelta(0))
    project.restore()
    project.assert_next_refresh()


def test_a_clock_that_is_set_back_while_it_runs(project: Versions, clock: Clock) -> None:
    """The clock jumps back by a day between two fetches: every key is committed, and no duration is negative."""
    project.env.update(clock.env)
    project.hook.write_text(f"if name == '2':\n    Path({str(clock.file)!r}).write_text('-86400\\n')\n")
    project.refresh("--jobs", "1").ok()
    assert keys_in(project.state_dir) == project.new
    assert checked_at(project, 3) < checked_at(project, 0) - timedelta(hours=23), "the fault did not come"
    project.assert_whole()
    project.assert_nothing_left()
    project.assert_next_refresh()


def test_a_writer_that_goes_by_the_clock_is_caught(project: Versions, clock: Clock) -> None:
    """The control: with the clock set back, one that goes by recorded times holds old state for fresh."""
    argv: list[str | Path] = [sys.executable, "-c", FRESH_BY_THE_CLOCK, project.state_dir / "Text__0__/.statebake.json"]
    assert checked_at(project, 0) <= datetime.now(timezone.utc)
    assert run(argv, cwd=project.directory, env=clock.env).ok().out == "due\n"
    clock.shift(timedelta(days=-400))
    assert run(argv, cwd=project.directory, env=clock.env).ok().out == "fresh\n"
