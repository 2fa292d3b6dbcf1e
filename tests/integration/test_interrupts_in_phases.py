"""Ctrl-C in every phase of a refresh, of one project and of a workspace: polite, soon, and nothing is left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from support.cli import clean_env, statebake
from support.native import code_component, component, documents, native_project, state_dir
from support.processes import MARK, finish, marked, signal_marked, start_statebake, wait_until
from support.shown import assert_no_crash
from support.trees import leftovers
from support.workspaces import workspace

BEGUN = "Path(os.environ['BEGUN']).touch()\n"
PHASES = {
    "fetch": BEGUN + "import subprocess\nsubprocess.run(['sleep', '600'])",
    "spawned fetch": BEGUN + "import time\ntime.sleep(600)",
    "retry pause": BEGUN + "raise ConnectionError('gone')",
    "large state": "state_path.write_text('x')\n"
    "for n in range(8):\n  open(state_path.parent / str(n), 'w').truncate(1 << 30)\n" + BEGUN,
    "large commit": "state_path.write_text('x')\n"
    "for n in range(1000):\n  (state_path.parent / str(n)).write_text('x' * 99)\n" + BEGUN,
}


@pytest.fixture
def mark() -> Iterator[str]:
    """What marks the processes of a test; those that are left are ended."""
    name = uuid4().hex
    yield name
    signal_marked(name, signal.SIGKILL)


def written(root: Path, phase: str, *, several: bool) -> Path:
    """Write a project, or a workspace of two, that can be interrupted in this phase."""
    settings = 'backoff = "60s"\n' + ('isolation = "spawn"\n' if phase == "spawned fetch" else "")
    text = documents(component("quick"), code_component("held", PHASES.get(phase, "pass")))
    if several:
        workspace(root, {"sales": text, "finance": text}, settings)
    else:
        native_project(root, text, {"statebake.toml": settings})
    if phase == "discovery":
        hang = f"import os, subprocess, time\nfrom pathlib import Path\n{BEGUN}"
        hang += "subprocess.Popen(['sleep', '600'])\ntime.sleep(600)\n"
        for project in (root / "sales", root / "finance") if several else (root,):
            (project / "src/shop/__init__.py").write_text(hang)
    return root


@pytest.mark.parametrize("several", [False, True], ids=["a project", "a workspace"])
@pytest.mark.parametrize("phase", ["discovery", *PHASES])
def test_an_interrupt(phase: str, several: bool, tmp_path: Path, mark: str) -> None:
    """It ends the refresh within two seconds, with exit code 130, and no process or scratch file stays."""
    root = written(tmp_path / "it", phase, several=several)
    env = {MARK: mark, "BEGUN": str(tmp_path / "begun"), "STATEBAKE_BACKOFF": None}
    process = start_statebake("refresh", cwd=root, env=env)
    wait_until((tmp_path / "begun").exists, phase)
    time.sleep(0.3 if phase == "retry pause" else 0.05)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    result = finish(process, timeout=20)
    assert time.monotonic() - begun < 2.5
    assert result.code == 130
    assert "Interrupted" in result.err
    assert_no_crash(result.err)
    assert marked(mark) == []
    for project in (root / "sales", root / "finance") if several else (root,):
        if state_dir(project).exists():
            assert leftovers(state_dir(project)) == []


@pytest.mark.parametrize("several", [False, True], ids=["a project", "a workspace"])
def test_a_second_interrupt(several: bool, tmp_path: Path, mark: str) -> None:
    """Where the first one takes long, because a worker does not answer, a second one ends the refresh at once."""
    root = written(tmp_path / "it", "fetch", several=several)
    process = start_statebake("refresh", cwd=root, env={MARK: mark, "BEGUN": str(tmp_path / "begun")})
    wait_until((tmp_path / "begun").exists, "the fetch")
    workers = [int(line.split()[0]) for line in marked(mark) if "entry.py" in line]
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    result = finish(process, timeout=20)
    assert time.monotonic() - begun < 1
    assert result.code == 130
    assert_no_crash(result.err)
    for pid in workers:
        with contextlib.suppress(
            ProcessLookupError
        ):  # what a worker forked ends with the worker's parent, stopped or not
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not marked(mark), "the processes' end", timeout=5)


SLOW_COMMITS = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", os.devnull, "-e", "signal=none"]
SLOW_COMMITS += ["-e", "trace=fsync", "-e", "inject=fsync:delay_enter=20000"]


@pytest.mark.needs("strace")
@pytest.mark.parametrize("moment", [0.0, 0.1, 0.25])
def test_an_interrupt_while_all_are_committed(moment: float, tmp_path: Path, mark: str) -> None:
    """With ``--all-or-nothing`` an interrupt within the commit makes all keys new, or leaves all as they were."""
    text = documents(*(code_component(str(n), "state_path.write_text(os.environ['VERSION'])") for n in range(12)))
    project = native_project(tmp_path / "it", text)
    statebake("refresh", cwd=project, env={"VERSION": "old"}).ok()
    process = subprocess.Popen(
        [*SLOW_COMMITS, sys.executable, "-m", "statebake", "refresh", "--all-or-nothing"],
        cwd=project,
        env={**clean_env({MARK: mark}), "VERSION": "new"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    staging = state_dir(project) / ".staging"
    wait_until(lambda: list(staging.glob("*/~journal.json")) or process.poll() is not None, "the commit")
    time.sleep(moment)
    signal_marked(mark, signal.SIGINT, lambda line: "-m statebake" in line and "strace" not in line)
    result = finish(process, timeout=20)
    assert result.code in {0, 130, -signal.SIGINT}  # the last: the process was at its very end
    assert_no_crash(result.err)
    assert {path.read_text() for path in state_dir(project).glob("*/state")} in ({"new"}, {"old"})
    assert marked(mark) == []
