"""``kill -9`` at random moments: every key is the one before or the one after, and the digests prove it."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.cli import run, statebake
from support.killing import Tally, fractions, kill_at, look
from support.pexes import digests
from support.processes import marked, wait_until
from support.rounds import KILLS, SEED
from support.trees import read_tree
from support.versions import Versions
from support.whole import badly_recorded, keys_in
from support.writers import command, file_by_file, in_place, write_version

KEYS = 20

BETWEEN_TWO_RENAMES = """
import os, signal, sys
from pathlib import Path
from statebake.model import transaction

place = Path(sys.argv[1]) / "Text__1__"
rename = Path.rename


def rename_and_die(self, target):
    rename(self, target)
    if self == place:
        os.kill(os.getpid(), signal.SIGKILL)


transaction._exchange = lambda *_: False  # as on a file system that cannot
Path.rename = rename_and_die
with transaction.open_staging(place.parent) as staging:
    (staging / place.name).mkdir()
    (staging / place.name / "state").write_text("new")
    transaction.commit_keys(place.parent, [staging / place.name])
"""


def test_killed_refresh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After each kill every key is wholly old or wholly new, with its own record, and nothing goes on.

    Every other kill comes after the fetches have begun, where the commits are.
    """
    project = Versions(tmp_path, keys=KEYS)
    begun = tmp_path / "begun"
    hook = f"begun = Path({str(begun)!r})\nbegun.exists() or begun.touch()\n"
    project.hook.write_text(hook)
    old = digests(read_tree(project.state_dir))
    started = time.monotonic()
    project.refresh().ok()
    whole = time.monotonic() - started
    commits = time.time() - begun.stat().st_mtime
    new = digests(read_tree(project.state_dir))
    assert len(old) == len(new) == KEYS
    assert not set(old.values()) & set(new.values())

    tally = Tally(SEED)
    for number, fraction in enumerate(fractions(SEED, KILLS)):
        project.restore()
        begun.unlink(missing_ok=True)
        moment, after = (fraction * whole, None) if number % 2 else (fraction * commits, begun)
        alive = kill_at(project.command, moment, cwd=project.directory, env=project.env, after=after)
        project.assert_no_process()
        found = look(tally, project.state_dir, old, new, alive=alive)
        assert not found, f"{tally}; killed after {moment:.3f} s: {found}"
        project.assert_whole()
        if number % 25 == 0:  # and what a kill left is no obstacle
            statebake("check", cwd=project.directory, env=project.env).ok()
            project.assert_next_refresh()
            project.hook.write_text(hook)

    project.restore()
    project.assert_next_refresh()
    with capsys.disabled():
        print(f"\n{KILLS} kills in a refresh of {whole:.2f} s, {tally}")
    assert sum(tally.hits.values()) == KILLS
    assert tally.hits["before"]
    assert tally.hits["within"], "no kill hit the commits: the test has shown nothing"


def test_killed_first_refresh(tmp_path: Path) -> None:
    """Where there was no state, a killed refresh leaves whole keys only, and the next one completes them."""
    project = Versions(tmp_path, keys=6)
    for fraction in fractions(SEED, 5):
        shutil.rmtree(project.state_dir)
        kill_at(project.command, fraction * project.seconds, cwd=project.directory, env=project.env)
        project.assert_no_process()
        if project.state_dir.exists():
            assert keys_in(project.state_dir).items() <= project.new.items()
            assert badly_recorded(project.state_dir) == []
        project.assert_next_refresh()


@pytest.mark.parametrize("writer", [in_place, file_by_file])
def test_an_unsafe_writer_is_caught(
    writer: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The control: the same kills find torn keys where a writer does not change a key as a whole."""
    old = write_version(tmp_path / "old", "old", keys=6, files=10)
    new = write_version(tmp_path / "new", "new", keys=6, files=10)
    known = [digests(read_tree(version)) for version in (old, new)]
    place, log = tmp_path / "state", tmp_path / "log"
    argv = command(writer, place, new, log)
    started = time.monotonic()
    writer(place, new)
    seconds = time.monotonic() - started

    tally = Tally(SEED)
    for fraction in fractions(SEED, 25):
        shutil.rmtree(place)
        shutil.copytree(old, place)
        log.unlink(missing_ok=True)
        alive = kill_at(argv, fraction * seconds, cwd=tmp_path, env={}, after=log)
        look(tally, place, *known, alive=alive)
    with capsys.disabled():
        print(f"\n{writer.__name__}: {tally}")
    assert tally.torn


def test_a_kill_while_a_fetch_hangs(project: Versions, tmp_path: Path) -> None:
    """A killed refresh takes its worker, a fetch that hangs, and what that had started with it."""
    begun = tmp_path / "begun"
    hang = f"""
import subprocess, time
child = subprocess.Popen(["sleep", "600"])
state_path.write_text("half of it")
Path({str(begun)!r}).touch()
time.sleep(600)
"""
    project.hook.write_text(hang)
    process = project.start()
    try:
        wait_until(begun.exists, "the fetch to start", timeout=10)
        assert any("sleep 600" in line for line in marked(project.mark))
    finally:
        process.kill()
        process.communicate()
    project.assert_no_process()
    assert keys_in(project.state_dir) == project.old
    project.assert_next_refresh()


@pytest.mark.parametrize("leftover", ["lock", "file", "directory"])
def test_leftovers_are_cleared(project: Versions, leftover: str) -> None:
    """Whatever a killed process left in staging is gone after the next refresh."""
    staging = project.state_dir / ".staging"
    if leftover == "lock":
        (staging / "lock").write_text("99999999\n")
    elif leftover == "file":
        (staging / "x.tmp").write_text("x")
    else:
        (staging / "0123456789ab" / "Text__1__" / "state").mkdir(parents=True)
    project.assert_next_refresh()


def test_a_kill_between_two_renames(project: Versions, tmp_path: Path) -> None:
    """Where two directories cannot be exchanged, a kill can leave a key in staging only: the next start restores it."""
    script = tmp_path / "dies.py"
    script.write_text(BETWEEN_TWO_RENAMES)
    assert run([sys.executable, script, project.state_dir], cwd=tmp_path).code == -signal.SIGKILL
    assert set(keys_in(project.state_dir)) == set(project.old) - {"Text__1__"}

    project.version.unlink()  # so that no fetch can bring it back
    assert project.refresh().code == 4
    assert keys_in(project.state_dir) == project.old
    project.assert_whole()
    project.assert_nothing_left()
    statebake("check", cwd=project.directory).ok()
