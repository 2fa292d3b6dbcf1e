"""Two refreshes at once, holders of the lock that died, and processes that a component left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from statebake.errors import Code, StatebakeError
from statebake.model.transaction import open_staging
from support.cli import clean_env
from support.processes import MARK, finish, wait_until
from support.shown import assert_no_crash, the_error
from support.versions import Versions
from support.whole import keys_in

HOLD = """
import time
if name == "0":
    Path({begun!r}).touch()
    time.sleep(600)
"""
# As a program does that was left to itself: out of its session and group, deaf to all that can be ignored.
DAEMON = """
import signal, time
if name == "0" and os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    Path({begun!r}).touch()
    time.sleep(600)
    os._exit(0)
while name == "0" and not Path({begun!r}).exists():
    time.sleep(0.01)
"""
# Unsafe: a lock that every child has as well.
INHERITED_LOCK = """
import fcntl, os, sys, time
lock = os.open(sys.argv[1], os.O_RDWR)
fcntl.flock(lock, fcntl.LOCK_EX)
if os.fork() == 0:
    os.setsid()
    time.sleep(600)
"""
# Unsafe: a lock that is there as long as its file is.
FILE_AS_LOCK = """
import os, sys, time
os.close(os.open(sys.argv[1], os.O_CREAT | os.O_EXCL))
print("held", flush=True)
time.sleep(600)
"""


def holding(project: Versions, begun: Path, then: str = "") -> subprocess.Popen[str]:
    """Start a refresh and return it when its first fetch has begun, which does not end."""
    project.hook.write_text(then + HOLD.format(begun=str(begun)))
    process = project.start()
    wait_until(begun.exists, "the first refresh")
    return process


def test_a_second_refresh_says_who_is_at_it(project: Versions, tmp_path: Path) -> None:
    """The second of two refreshes ends with the number of the first one's process, and disturbs nothing."""
    first = holding(project, tmp_path / "begun")
    second = project.refresh()
    error = the_error(second.err)
    assert (second.code, error.code) == (4, "SB406")
    assert str(first.pid) in error.message
    assert first.poll() is None
    first.send_signal(signal.SIGINT)
    assert finish(first, timeout=20).code == 130
    project.assert_whole()
    project.assert_nothing_left()
    project.assert_next_refresh()


def test_four_refreshes_start_together(project: Versions) -> None:
    """Of refreshes that start at the same moment at least one does its work; the others find it locked."""
    for _ in range(3):
        project.restore()
        results = [finish(process, timeout=60) for process in [project.start() for _ in range(4)]]
        for result in results:
            assert_no_crash(result.err)
        assert {result.code for result in results} <= {0, 4}
        assert any(result.code == 0 for result in results)
        assert {the_error(result.err).code for result in results if result.code} <= {"SB406"}
        assert keys_in(project.state_dir) == project.new
        project.assert_whole()
        project.assert_nothing_left()


def test_a_dead_holder_does_not_block(project: Versions, tmp_path: Path) -> None:
    """A refresh that was killed while it held the lock is no obstacle, not even for an instant after its death."""
    first = holding(project, tmp_path / "begun")
    first.kill()
    first.communicate()
    project.hook.unlink()
    project.refresh().ok()
    assert keys_in(project.state_dir) == project.new
    project.assert_nothing_left()
    project.assert_next_refresh()


def test_a_file_as_a_lock_is_caught(tmp_path: Path) -> None:
    """The control: a killed holder blocks where the lock is a file's existence."""
    lock = tmp_path / "lock"
    argv = [sys.executable, "-c", FILE_AS_LOCK, str(lock)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    with pytest.raises(FileExistsError):
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL))


@pytest.mark.parametrize("end", ["done", "killed"])
def test_a_child_that_was_left_does_not_block(project: Versions, end: str, tmp_path: Path) -> None:
    """Whatever a fetch leaves running, after a refresh that ended or was killed: the next one has the lock at once."""
    left = DAEMON.format(begun=str(tmp_path / "left"))
    if end == "done":
        project.hook.write_text(left)
        project.refresh().ok()
    else:
        first = holding(project, tmp_path / "begun", left)
        first.kill()
        first.communicate()
    project.hook.unlink()
    assert project.refreshed("new") == project.new
    project.assert_whole()


@pytest.mark.parametrize("end", ["done", "killed"])
def test_a_child_that_was_left_ends(project: Versions, end: str, tmp_path: Path) -> None:
    """Whatever a fetch leaves running is ended with the refresh, also one that was killed."""
    left = DAEMON.format(begun=str(tmp_path / "left"))
    if end == "done":
        project.hook.write_text(left)
        project.refresh().ok()
    else:
        first = holding(project, tmp_path / "begun", left)
        first.kill()
        first.communicate()
    project.assert_no_process()
    project.assert_next_refresh()


def test_an_inherited_lock_is_caught(project: Versions) -> None:
    """The control: a child that was left does block where it inherits the lock."""
    argv = [sys.executable, "-c", INHERITED_LOCK, str(project.state_dir / ".staging/lock")]
    subprocess.run(argv, env=clean_env({MARK: project.mark}), check=True)
    with pytest.raises(StatebakeError) as caught, open_staging(project.state_dir):
        pass
    assert caught.value.code is Code.LOCKED
    assert len(project.end()) == 1
    wait_until(lambda: not project.end(), "the child's end")
    with contextlib.ExitStack() as stack:
        stack.enter_context(open_staging(project.state_dir))
