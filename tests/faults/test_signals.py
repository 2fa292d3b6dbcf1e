"""SIGINT and SIGTERM in every phase of a refresh: exit code 130, every key whole, nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.cli import Result, clean_env
from support.killing import kill_at
from support.processes import finish, marked, wait_until
from support.shown import assert_no_crash
from support.versions import Versions
from support.whole import keys_in, torn
from support.writers import command, in_place, write_version

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
HOLD = "import time\nPath({begun!r}).touch()\ntime.sleep(600)\n"
# Every fsync takes a while longer, so that a commit does.
SLOW_COMMITS = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", os.devnull, "-e", "signal=none"]
SLOW_COMMITS += ["-e", "trace=fsync", "-e", "inject=fsync:delay_enter=10000"]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    return Versions(tmp_path_factory.mktemp("signals"), keys=6)


@pytest.fixture
def project(template: Versions) -> Iterator[Versions]:
    template.restore()
    init = template.directory / "src/shop/__init__.py"
    yield template
    init.write_text("")
    template.hook.unlink(missing_ok=True)
    template.end()


@contextmanager
def ending(project: Versions, process: subprocess.Popen[str]) -> Iterator[None]:
    """End whatever is left of a refresh if the test fails."""
    try:
        yield
    finally:
        project.end()
        process.kill()
        process.communicate()


def stop(process: subprocess.Popen[str], pid: int, number: int) -> Result:
    """Signal a process and return how the one that was started ended, which must not take long."""
    begun = time.monotonic()
    os.kill(pid, number)
    result = finish(process, timeout=20)
    assert time.monotonic() - begun < 5
    assert result.code == 130
    assert "Interrupted" in result.err
    assert_no_crash(result.err)
    return result


@SIGNALS
@pytest.mark.parametrize("phase", ["discovery", "fetch"])
def test_a_signal_before_the_commits(project: Versions, phase: str, number: signal.Signals, tmp_path: Path) -> None:
    """While the project is imported, or while it fetches, a signal ends all of it and leaves every key as it was."""
    begun = tmp_path / "begun"
    hold = HOLD.format(begun=str(begun))
    if phase == "discovery":
        (project.directory / "src/shop/__init__.py").write_text(f"from pathlib import Path\n{hold}")
    else:
        project.hook.write_text(f"state_path.write_text('half')\n{hold}")
    process = project.start()
    with ending(project, process):
        wait_until(begun.exists, phase)
        stop(process, process.pid, number)
        project.assert_nothing_left()
        assert keys_in(project.state_dir) == project.old
        project.assert_whole()
    (project.directory / "src/shop/__init__.py").write_text("")
    project.assert_next_refresh()


def has_begun(project: Versions) -> bool:
    """Return whether a key is new; what is put in place or removed meanwhile is looked at again."""
    try:
        return bool(torn(project.state_dir, project.old))
    except FileNotFoundError:
        return False


@SIGNALS
@pytest.mark.needs("strace")
def test_a_signal_within_the_commits(project: Versions, number: signal.Signals) -> None:
    """Between two commits or within one, a signal leaves some keys new and the others old, each of them whole."""
    project.hook.write_text("import time\nif name == '5':\n    time.sleep(600)\n")  # all others are committed at once
    process = subprocess.Popen(
        [*SLOW_COMMITS, *map(str, project.command)],
        cwd=project.directory,
        env=clean_env(project.env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with ending(project, process):
        wait_until(lambda: has_begun(project), "the first commit")
        [tool] = [line for line in marked(project.mark) if "-m statebake" in line and "strace" not in line]
        stop(process, int(tool.split()[0]), number)
        project.assert_nothing_left()
        assert torn(project.state_dir, project.old)
        assert torn(project.state_dir, project.new), "the signal came after the commits"
        project.assert_whole()
    project.assert_next_refresh()


@SIGNALS
def test_an_unsafe_writer_is_caught(number: signal.Signals, tmp_path: Path) -> None:
    """The control: a signal finds a torn key where a writer removes the old state and writes in its place.

    The writer may have ended before the signal comes, so there are some attempts.
    """
    old, new = (write_version(tmp_path / version, version, keys=1, files=2000, lines=1) for version in ("old", "new"))
    names = [path.name for path in (new / "Text__0__/state").iterdir()]  # as the writer finds them, by file system
    for attempt in range(10):
        place = shutil.copytree(old, tmp_path / f"state{attempt}")
        file = place / "Text__0__/state" / names[len(names) // 2]
        file.unlink()  # it is there again when the writer is in the middle of it
        killed = kill_at(command(in_place, place, new), 0, cwd=tmp_path, env={}, after=file, number=number)
        if killed and torn(place, keys_in(old), keys_in(new)):
            return
    pytest.fail("no signal found a torn key")
