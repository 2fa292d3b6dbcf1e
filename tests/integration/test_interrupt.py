"""A refresh that is interrupted, killed, or run twice at a time: nothing half-written, nothing left behind."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from support.cli import Result, statebake
from support.hosts import NATIVE, ONE_DAGSTER, HostKit
from support.processes import MARK, finish, marked, signal_marked, start_statebake, wait_until
from support.shown import assert_no_crash, the_error
from support.trees import leftovers, read_tree

# What the component does while the refresh is interrupted; each says first that it is at it.
BEGIN = "Path(os.environ['STARTED']).touch()\nimport signal, subprocess, time\n"
ACTS = {
    "sleeps": "state_path.write_text('half')\ntime.sleep(600)",
    "sleeps-in-a-program": "state_path.write_text('half')\nsubprocess.run(['sleep', '600'])",
    "ignores-signals": "for n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: time.sleep(1)",
    "catches-everything": "while True:\n  try: time.sleep(1)\n  except BaseException: pass",
    "writes-on-and-on": "n = 0\nwhile True:\n  n += 1\n"
    "  p = state_path / str(n % 50) / str(n)\n  os.makedirs(p.parent, exist_ok=True)\n  p.write_text('x')",
    "has-children-that-ignore-signals": "subprocess.Popen(['sh', '-c', 'trap \"\" INT TERM HUP; sleep 600 & wait'])\n"
    "time.sleep(600)",
}


@dataclass
class Running:
    """A refresh that is at the fetch of ``Text[slow]``; ``Text[first]`` is through, ``Text[behind]`` waits."""

    host: HostKit
    project: Path
    before: dict[str, bytes]
    process: subprocess.Popen[str]
    mark: str

    @property
    def state_dir(self) -> Path:
        return self.host.state_dir(self.project)

    def stop(self, *signals: int) -> tuple[Result, float]:
        """Send the signals to the process (not to what it started) and return how and in what time it ended."""
        begun = time.monotonic()
        for number in signals:
            self.process.send_signal(number)
            time.sleep(0.05)
        result = finish(self.process, timeout=20)
        return result, time.monotonic() - begun

    def assert_nothing_half_written(self) -> None:
        """Every key is as before or after its fetch, and nothing else is in the state directory."""
        after = read_tree(self.state_dir)
        own = ("Text__first__/", "Text__third__/")
        assert {name: data for name, data in after.items() if not name.startswith(own)} == {
            name: data for name, data in self.before.items() if not name.startswith(own)
        }
        for name in own:
            assert after[f"{name}state"] in {b"old", b"new"}
        statebake("check", cwd=self.project, env=self.host.env).ok()

    def assert_nothing_left(self) -> None:
        """No process lives on, and staging is empty."""
        assert marked(self.mark) == []
        assert leftovers(self.state_dir) == []


@pytest.fixture(scope="module")
def templates() -> dict[HostKit, Path]:
    return {}


@contextmanager
def running(host: HostKit, templates: dict[HostKit, Path], tmp_path: Path, act: str, **env: str) -> Iterator[Running]:
    """Start a refresh and give it when its slow fetch has begun; whatever is left of it is ended afterwards."""
    names = ("first", "slow", "third")
    if host not in templates:
        project = host.project(tmp_path / "template", [host.text(name, text="old") for name in names])
        statebake("refresh", cwd=project, env=host.env).ok()
        templates[host] = project
    project = shutil.copytree(templates[host], tmp_path / "project", symlinks=True)
    host.declare(
        project, [host.text("first", text="new"), host.code("slow", BEGIN + ACTS[act]), host.text("third", text="new")]
    )
    mark, started = uuid4().hex, tmp_path / "started"
    process = start_statebake(
        "refresh", cwd=project, env={**host.env, MARK: mark, "STARTED": str(started), "STATEBAKE_JOBS": "2", **env}
    )
    try:
        wait_until(started.exists, "the slow fetch")
        time.sleep(0.2)
        yield Running(host, project, read_tree(host.state_dir(templates[host])), process, mark)
    finally:
        signal_marked(mark, signal.SIGKILL)
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_an_interrupted_refresh(
    host: HostKit, number: signal.Signals, templates: dict[HostKit, Path], tmp_path: Path
) -> None:
    """Ctrl-C, or a polite end, in the middle of a fetch: exit code 130 at once, nothing half-written or left."""
    with running(host, templates, tmp_path, "sleeps") as run:
        result, seconds = run.stop(number)
        assert result.code == 130
        assert seconds < 3
        assert "Interrupted" in result.err
        assert_no_crash(result.err)
        run.assert_nothing_left()
        run.assert_nothing_half_written()


@pytest.mark.parametrize("act", [name for name in ACTS if name != "sleeps"])
def test_an_interrupted_refresh_ends_whatever_the_fetch_does(
    act: str, templates: dict[HostKit, Path], tmp_path: Path
) -> None:
    """A fetch that ignores signals, writes on, or has started programs is ended with all that it started."""
    with running(NATIVE, templates, tmp_path, act) as run:
        result, seconds = run.stop(signal.SIGINT)
        assert result.code == 130
        assert seconds < 3
        assert_no_crash(result.err)
        run.assert_nothing_left()
        run.assert_nothing_half_written()


def test_an_impatient_interrupt(templates: dict[HostKit, Path], tmp_path: Path) -> None:
    """Ctrl-C several times is no traceback, and leaves no process either."""
    with running(NATIVE, templates, tmp_path, "ignores-signals") as run:
        result, _ = run.stop(signal.SIGINT, signal.SIGINT, signal.SIGINT)
        assert result.code == 130
        assert_no_crash(result.err)
        wait_until(lambda: marked(run.mark) == [], "the processes' end", timeout=3)
        run.assert_nothing_half_written()


def test_an_interrupted_refresh_in_json(templates: dict[HostKit, Path], tmp_path: Path) -> None:
    """With ``--format json`` what became of the keys is one whole document, which names those that had not ended."""
    with running(NATIVE, templates, tmp_path, "sleeps") as run:
        run.stop(signal.SIGINT)
        env = {"STARTED": str(tmp_path / "again"), MARK: run.mark}
        process = start_statebake("refresh", "--format", "json", cwd=run.project, env=env)
        wait_until((tmp_path / "again").exists, "the slow fetch")
        process.send_signal(signal.SIGINT)
        result = finish(process, timeout=20)
        document = json.loads(result.out)
        assert (result.code, document["interrupted"]) == (130, True)
        [found] = [project["refresh"] for project in document["projects"]]
        assert {item["outcome"] for item in found["keys"]} <= {"unchanged"}
        assert "Text[slow]" in found["unfinished"]
        ended = [item["key"] for item in found["keys"]]
        assert sorted([*ended, *found["unfinished"]]) == ["Text[first]", "Text[slow]", "Text[third]"]


@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_an_interrupt_while_the_project_is_imported(host: HostKit, tmp_path: Path) -> None:
    """Ctrl-C while user code is imported ends the interpreter too."""
    project = host.project(tmp_path, [host.text("one")])
    code = "import os, pathlib, subprocess, time\npathlib.Path(os.environ['STARTED']).touch()\n"
    code += "subprocess.Popen(['sleep', '600'])\ntime.sleep(600)\n"
    (project / f"src/{host.package}/__init__.py").write_text(code)
    mark, started = uuid4().hex, tmp_path / "started"
    process = start_statebake("refresh", cwd=project, env={**host.env, MARK: mark, "STARTED": str(started)})
    wait_until(started.exists, "the import")
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    result = finish(process, timeout=20)
    assert result.code == 130
    assert time.monotonic() - begun < 3
    assert_no_crash(result.err)
    assert marked(mark) == []
    assert not host.state_dir(project).exists()


@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_a_killed_refresh(host: HostKit, templates: dict[HostKit, Path], tmp_path: Path) -> None:
    """After ``kill -9`` the fetches end by themselves, every key is whole, and the next refresh cleans up."""
    with running(host, templates, tmp_path, "ignores-signals") as run:
        run.process.kill()
        run.process.communicate()
        wait_until(lambda: marked(run.mark) == [], "the processes' end", timeout=3)
        run.assert_nothing_half_written()
        host.declare(run.project, [host.text(name, text="new") for name in ("first", "slow", "third")])
        statebake("refresh", cwd=run.project, env=host.env).ok()
        run.assert_nothing_left()


def test_a_terminal_that_is_closed(templates: dict[HostKit, Path], tmp_path: Path) -> None:
    """SIGHUP ends the refresh with all that it started; every key is whole."""
    with running(NATIVE, templates, tmp_path, "sleeps") as run:
        result, seconds = run.stop(signal.SIGHUP)
        assert result.code != 0
        assert seconds < 3
        wait_until(lambda: marked(run.mark) == [], "the processes' end", timeout=3)
        run.assert_nothing_half_written()


def test_a_second_refresh_at_the_same_time(templates: dict[HostKit, Path], tmp_path: Path) -> None:
    """A refresh of a project that is being refreshed says so and by whom, touches nothing, and does not disturb it."""
    with running(NATIVE, templates, tmp_path, "sleeps") as run:
        env = {"STARTED": str(tmp_path / "second")}
        second = statebake("refresh", cwd=run.project, env=env, timeout=20)
        error = the_error(second.err)
        assert (second.code, error.code, error.where) == (4, "SB406", str(run.state_dir))
        assert str(run.process.pid) in error.message
        assert not (tmp_path / "second").exists()
        statebake("status", cwd=run.project, env=env).ok()
        statebake("check", cwd=run.project, env=env).ok()
        assert run.process.poll() is None
        assert leftovers(run.state_dir)
        result, _ = run.stop(signal.SIGINT)
        assert result.code == 130
        run.assert_nothing_left()
        third = statebake("refresh", "--key", "Text[third]", cwd=run.project, env=env)
        assert third.code == 0
