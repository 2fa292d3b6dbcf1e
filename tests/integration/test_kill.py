"""``kill -9`` at random moments: every key is the one before or the one after, and the digests prove it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import uuid
from pathlib import Path
from threading import Thread

import pytest

from support.cli import run, statebake
from support.killing import Tally, fractions, kill_at, look
from support.native import code_component, documents, native_project, state_dir
from support.pexes import RECORD, digests
from support.processes import MARK, marked, wait_until
from support.trees import leftovers, read_tree

MOMENTS = 50
KEYS = 6
FILES = 40
SEED = int(os.environ.get("STATEBAKE_TEST_SEED", "0")) or uuid.uuid4().int % 2**32

# Every file says which version it is of, so that a mixture of both cannot have a digest of either.
FETCH = """
version = Path({version!r}).read_text()
state_path.mkdir()
for number in range({files}):
    (state_path / f"{{number}}.txt").write_text(f"{{version}} {{number}} {name}\\n" * 200)
(state_path.parent / "beside").mkdir()
(state_path.parent / "beside" / "it.txt").write_text(version)
"""

# What Dagster 1.13 does: it removes a directory's old state, and has the component write in its place.
UNSAFE = """
import json, shutil, sys
from pathlib import Path

place, version = Path(sys.argv[1]), sys.argv[2]
for key in range({keys}):
    key_dir = place / f"Text__{{key}}__"
    shutil.rmtree(key_dir, ignore_errors=True)
    (key_dir / "state").mkdir(parents=True)
    for number in range({files}):
        (key_dir / "state" / f"{{number}}.txt").write_text(f"{{version}} {{number}} {{key}}\\n" * 200)
    (key_dir / "beside").mkdir()
    (key_dir / "beside" / "it.txt").write_text(version)
"""

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


class Project:
    """A project whose state follows a version file, with the digests of both versions."""

    def __init__(self, root: Path) -> None:
        self.version = root / "version"
        self.mark = uuid.uuid4().hex
        fetches = [FETCH.format(version=str(self.version), files=FILES, name=key) for key in range(KEYS)]
        yaml = documents(*(code_component(str(key), fetch) for key, fetch in enumerate(fetches)))
        self.directory = native_project(root / "shop", yaml)
        self.state_dir = state_dir(self.directory)
        self.env = {MARK: self.mark}
        self.command = [sys.executable, "-m", "statebake", "refresh", "--project", self.directory]
        self.duration = 0.0
        """Of the last refresh to ``new``, in seconds."""

    def refresh(self, version: str) -> dict[str, str]:
        """Refresh to a version, and return the digest of every key directory."""
        self.version.write_text(version)
        started = time.monotonic()
        statebake("refresh", "--project", self.directory, cwd=self.directory, env=self.env).ok()
        if version == "new":
            self.duration = time.monotonic() - started
        return digests(read_tree(self.state_dir))

    def records(self) -> dict[str, str]:
        """Return the digest that each key's record has."""
        found = {path.parent.name: json.loads(path.read_text()) for path in self.state_dir.glob(f"*/{RECORD}")}
        return {name: record["digest"] for name, record in found.items()}


def test_killed_refresh(tmp_path, capsys):
    """After each of 50 kills every key is wholly old or wholly new, with its own record, and nothing goes on."""
    project = Project(tmp_path)
    old, new = project.refresh("old"), project.refresh("new")
    assert len(old) == len(new) == KEYS
    assert not set(old.values()) & set(new.values())

    tally = Tally(SEED)
    for number, fraction in enumerate(fractions(SEED, MOMENTS)):
        if number % 10 == 0:  # a machine is not always as fast
            assert (project.refresh("old"), project.refresh("new")) == (old, new)
        if digests(read_tree(project.state_dir)) != old:  # else the next one starts with what the last kill has left
            assert project.refresh("old") == old
        project.version.write_text("new")
        moment = fraction * project.duration
        alive = kill_at(project.command, moment, cwd=project.directory, env=project.env)
        wait_until(lambda: not marked(project.mark), "the killed refresh's processes to end", timeout=5)
        torn = look(tally, project.state_dir, old, new, alive=alive)
        assert not torn, f"{tally}; killed after {moment:.3f} s: {torn}"
        assert project.records() == digests(read_tree(project.state_dir))
        statebake("check", "--project", project.directory, cwd=project.directory).ok()

    assert project.refresh("new") == new
    assert leftovers(project.state_dir) == []
    with capsys.disabled():
        print(f"\n{MOMENTS} kills in a refresh of {project.duration:.2f} s, {tally}")
    assert sum(tally.hits.values()) == MOMENTS
    assert tally.hits["before"]
    assert tally.hits["within"], "no kill hit the commits: the test has shown nothing"


def test_killed_first_refresh(tmp_path):
    """Where there was no state, a killed refresh leaves whole keys only, and the next one completes them."""
    project = Project(tmp_path)
    project.refresh("old")
    new = project.refresh("new")
    for fraction in fractions(SEED, 8):
        shutil.rmtree(project.state_dir)
        kill_at(project.command, fraction * project.duration, cwd=project.directory, env=project.env)
        wait_until(lambda: not marked(project.mark), "the killed refresh's processes to end", timeout=5)
        found = digests(read_tree(project.state_dir)) if project.state_dir.exists() else {}
        assert found.items() <= new.items()
        assert project.records() == found
        assert project.refresh("new") == new


def test_an_unsafe_writer_is_caught(tmp_path, capsys):
    """The control: the same kills find torn keys where a writer removes the old state first and writes in place."""
    script = tmp_path / "unsafe.py"
    script.write_text(UNSAFE.format(keys=KEYS, files=FILES))
    place = tmp_path / "state"
    known = {}
    durations = []
    for version in ("old", "new", "old", "new"):
        started = time.monotonic()
        run([sys.executable, script, place, version], cwd=tmp_path).ok()
        durations.append(time.monotonic() - started)
        known[version] = digests(read_tree(place))
    pristine = tmp_path / "pristine"
    run([sys.executable, script, pristine, "old"], cwd=tmp_path).ok()

    tally = Tally(SEED)
    for fraction in fractions(SEED, MOMENTS):
        shutil.rmtree(place)
        shutil.copytree(pristine, place)
        alive = kill_at([sys.executable, script, place, "new"], fraction * min(durations), cwd=tmp_path, env={})
        look(tally, place, known["old"], known["new"], alive=alive)
    with capsys.disabled():
        print(f"\nThe unsafe writer: {tally}")
    assert tally.torn


def test_a_kill_while_a_fetch_hangs(tmp_path):
    """A killed refresh takes its worker, a fetch that hangs, and what that had started with it."""
    mark = uuid.uuid4().hex
    hang = f"""
import subprocess, time
child = subprocess.Popen(["sleep", "600"])
state_path.write_text("half of it")
Path({str(tmp_path / "started")!r}).touch()
time.sleep(600)
"""
    yaml = documents(code_component("hangs", hang), code_component("other", "pass"))
    project = native_project(tmp_path / "shop", yaml)
    started = tmp_path / "started"
    command = [sys.executable, "-m", "statebake", "refresh", "--project", project]
    killer = Thread(target=kill_at, args=(command, 3.0), kwargs={"cwd": project, "env": {MARK: mark}})
    killer.start()
    wait_until(started.exists, "the fetch to start", timeout=10)
    assert any("sleep 600" in line for line in marked(mark))
    killer.join()
    wait_until(lambda: not marked(mark), "the killed refresh's processes to end", timeout=5)
    assert not digests(read_tree(state_dir(project)))


@pytest.mark.parametrize("leftover", ["lock", "file", "directory"])
def test_leftovers_are_cleared(tmp_path, leftover):
    """Whatever a killed process left in staging is gone after the next refresh."""
    project = Project(tmp_path)
    old = project.refresh("old")
    staging = project.state_dir / ".staging"
    if leftover == "lock":
        (staging / "lock").write_text("99999999\n")
    elif leftover == "file":
        (staging / "x.tmp").write_text("x")
    else:
        (staging / "0123456789ab" / "Text__1__" / "state").mkdir(parents=True)
    assert project.refresh("old") == old
    assert leftovers(staging.parent) == []


def test_a_kill_between_two_renames(tmp_path):
    """Where two directories cannot be exchanged, a kill can leave a key in staging only: the next start restores it."""
    project = Project(tmp_path)
    old = project.refresh("old")
    script = tmp_path / "dies.py"
    script.write_text(BETWEEN_TWO_RENAMES)
    assert run([sys.executable, script, project.state_dir], cwd=tmp_path).code == -signal.SIGKILL
    assert set(digests(read_tree(project.state_dir))) == set(old) - {"Text__1__"}

    project.version.unlink()  # so that no fetch can bring it back
    assert statebake("refresh", "--project", project.directory, cwd=project.directory).code == 4
    assert digests(read_tree(project.state_dir)) == old
    statebake("check", "--project", project.directory, cwd=project.directory).ok()
