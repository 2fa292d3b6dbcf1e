"""Staging is deleted under a refresh; state becomes read-only, before it or in the middle of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.cli import clean_env
from support.mounts import image, mounted
from support.processes import finish, wait_until
from support.shown import assert_no_crash, shown, the_error
from support.versions import Versions
from support.whole import badly_recorded, keys_in, torn
from support.writers import command, in_place, settled, write_version

# At once: one that takes its time would leave half of what another fetch has written, which nobody can tell.
DELETE_STAGING = """
import shutil
if name == "1":
    state_path.parents[2].rename("going")
    shutil.rmtree("going")
"""
DELETE_AND_WAIT = """
import shutil, time
if name == "1" and not Path({begun!r}).exists():
    while state_path.parents[2].exists():  # the tool may be removing something in it as well
        shutil.rmtree(state_path.parents[2], ignore_errors=True)
    Path({begun!r}).touch()
    while not Path({go!r}).exists():
        time.sleep(0.01)
"""
ABORT = """
import subprocess
if name == "2":
    subprocess.run(["mount", "-o", "remount,abort", {place!r}], check=True)
"""


# --- staging ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", ["1", "6"])
def test_staging_is_deleted_by_a_fetch(project: Versions, jobs: str) -> None:
    """A fetch that removes staging fails or not, by a code; no key is torn, and the next refresh works."""
    project.hook.write_text(DELETE_STAGING)
    result = project.refresh("--jobs", jobs)
    assert result.code in {0, 4}
    assert_no_crash(result.err)
    project.assert_whole()
    project.assert_nothing_left()
    shutil.rmtree(project.directory / "going", ignore_errors=True)
    project.assert_next_refresh()


def test_a_second_refresh_after_staging_was_deleted(project: Versions, tmp_path: Path) -> None:
    """Even when the lock's file has gone with staging, two refreshes together leave every key whole."""
    begun, go = tmp_path / "begun", tmp_path / "go"
    project.hook.write_text(DELETE_AND_WAIT.format(begun=str(begun), go=str(go)))
    first = project.start("--jobs", "1")
    wait_until(begun.exists, "staging's end")
    second = project.refresh()
    go.touch()
    result = finish(first, timeout=60)
    assert {second.code, result.code} <= {0, 4}
    assert_no_crash(second.err + result.err)
    project.assert_whole()
    project.assert_nothing_left()
    project.assert_next_refresh()


def test_an_unsafe_writer_without_its_source_is_caught(tmp_path: Path) -> None:
    """The control: a key is torn where a writer removes the old state before it knows that there is a new one."""
    old, new = (write_version(tmp_path / version, version, keys=3, files=2) for version in ("old", "new"))
    place = shutil.copytree(old, tmp_path / "state")
    known = (keys_in(old), keys_in(new))

    def delete(_: str) -> None:
        shutil.rmtree(new / "Text__1__", ignore_errors=True)

    with pytest.raises(FileNotFoundError):
        in_place(place, new, delete)
    assert torn(place, *known) == ["Text__1__"]


# --- read-only -------------------------------------------------------------------------------------------------------


@pytest.mark.needs("mount")
def test_a_read_only_mount(project: Versions) -> None:
    """On a read-only mount nothing is fetched and nothing changes; writable again, it is refreshed."""
    with mounted(project.directory, "--bind", project.directory):
        subprocess.run(["mount", "-o", "remount,ro,bind", project.directory], check=True)
        begun = project.hook.with_name("begun")
        project.hook.write_text(f"Path({str(begun)!r}).touch()\n")
        result = project.refresh()
        assert (result.code, the_error(result.err).code) == (4, "SB407")
        assert not begun.exists()
        assert keys_in(project.state_dir) == project.old
        project.assert_whole()
        project.assert_nothing_left()
    project.assert_next_refresh()


def sync(place: Path) -> None:
    """Have all that is written on the file system of ``place`` reach its disk."""
    subprocess.run(["sync", "-f", place], check=True)


@contextlib.contextmanager
def on_ext4(place: Path, disk: Path) -> Iterator[None]:
    """Have an image file with ext4 mounted at ``place``."""
    with mounted(place, "-o", "loop", disk):
        with contextlib.suppress(FileNotFoundError):
            (place / "lost+found").rmdir()
        yield


@pytest.mark.needs("ext4")
def test_state_becomes_read_only_in_the_middle(project: Versions, tmp_path: Path) -> None:
    """A file system that gives up while a refresh runs: the rest fails by a code, and every key is whole after it."""
    disk = image(tmp_path / "image", "ext4", 32)
    with on_ext4(project.state_dir, disk):
        project.restore()
        sync(project.state_dir)
        project.hook.write_text(ABORT.format(place=str(project.state_dir)))
        result = project.refresh("--jobs", "1")
        assert result.code == 4
        assert_no_crash(result.err)
        assert {item.code for item in shown(result.err)} <= {"SB401", "SB402", "SB405", "SB407"}
        project.assert_whole()
        assert torn(project.state_dir, project.new), "it became read-only after the commits"
        project.assert_no_process()
    with on_ext4(project.state_dir, disk):
        project.assert_whole()
        project.assert_next_refresh()


def abort_in_the_middle(writer: Callable[..., None], root: Path) -> Path:
    """Take the file system away from a writer that is in the middle of one large key.

    All that it has written by then reaches the disk. Returns a copy of the state directory that is there afterwards.
    """
    old, new = (write_version(root / version, version, keys=1, files=400, lines=1) for version in ("old", "new"))
    with os.scandir(new / "Text__0__/state") as entries:
        first = next(entries).name
    begun = ".staging/*/Text__0__/.statebake.json" if writer is settled else f"Text__0__/state/{first}"
    disk, place = image(root / "image", "ext4", 64), root / "mounted"
    with on_ext4(place, disk):
        state_dir = shutil.copytree(old, place / "state")
        settled(state_dir, old)
        (state_dir / begun).unlink(missing_ok=True)
        sync(place)
        argv = [str(part) for part in command(writer, state_dir, new)]
        with subprocess.Popen(argv, env=clean_env(), stdin=subprocess.DEVNULL) as process:
            while not list(state_dir.glob(begun)) and process.poll() is None:
                time.sleep(0.0005)
            process.send_signal(signal.SIGSTOP)
            sync(place)
            subprocess.run(["mount", "-o", "remount,abort", place], check=True)
            process.send_signal(signal.SIGCONT)
            assert process.wait(timeout=60) == 4
    with on_ext4(place, disk):
        return shutil.copytree(place / "state", root / "afterwards")


@pytest.mark.needs("ext4")
def test_a_file_system_gives_up_within_a_commit(tmp_path: Path) -> None:
    """State that becomes read-only in the middle of a commit is whole when it can be written again."""
    place = abort_in_the_middle(settled, tmp_path)
    assert torn(place, keys_in(tmp_path / "old"), keys_in(tmp_path / "new")) == []
    assert badly_recorded(place) == []
    settled(place, tmp_path / "new")
    assert keys_in(place) == keys_in(tmp_path / "new")


@pytest.mark.needs("ext4")
def test_an_unsafe_writer_on_a_file_system_that_gives_up_is_caught(tmp_path: Path) -> None:
    """The control: a key is torn where a writer was in the middle of writing in place."""
    place = abort_in_the_middle(in_place, tmp_path)
    assert torn(place, keys_in(tmp_path / "old"), keys_in(tmp_path / "new"))
