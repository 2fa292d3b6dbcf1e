"""Fetches in processes of their own: what they start ends with them, and what the project started goes on."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from support.cli import statebake
from support.hosts import NATIVE, ONE_DAGSTER, HostKit
from support.native import code_component, component, documents, native_project, state_dir
from support.processes import MARK, finish, marked, signal_marked, start_statebake, wait_until
from support.reports import keys_of, outcomes
from support.shown import assert_no_crash, the_error
from support.trees import write_tree

SPAWN = {"statebake.toml": '[keys."Text[spawned*]"]\nisolation = "spawn"\n'}


@pytest.fixture
def mark() -> Iterator[str]:
    """What marks the processes of a test; those that are left are ended."""
    name = uuid4().hex
    yield name
    signal_marked(name, signal.SIGKILL)


# --- spawn -----------------------------------------------------------------------------------------------------------

# What a library does that does not survive a fork: a thread of its own holds a lock for most of the time.
LOCKED = """
import threading, time
lock = threading.Lock()

def hold():
    while True:
        with lock:
            time.sleep(0.5)

threading.Thread(target=hold, daemon=True).start()
time.sleep(0.05)
"""


@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_a_library_that_does_not_survive_a_fork(host: HostKit, tmp_path: Path, mark: str) -> None:
    """A lock that a thread held at the fork stays held for ever; with ``spawn`` that thread is there as well."""
    use = f"from {host.package} import lock\nwith lock: state_path.write_text('x')"
    files = {f"src/{host.package}/__init__.py": LOCKED, **SPAWN}
    project = host.project(tmp_path, [host.code("forked", use), host.code("spawned", use)], files)
    env = {**host.env, MARK: mark}
    options = ("--timeout", "15s", "--retries", "0", "--format", "json")
    spawned = statebake("refresh", "--key", "Text[spawned]", *options, cwd=project, env=env).ok()
    assert outcomes(spawned) == {"Text[spawned]": "updated"}
    options = ("--timeout", "2s", "--retries", "0", "--format", "json")
    forked = statebake("refresh", "--key", "Text[forked]", *options, cwd=project, env=env)
    assert keys_of(forked)["Text[forked]"]["error"]["code"] == "SB411"
    assert marked(mark) == []


@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_a_spawned_fetch_has_what_a_forked_one_has(host: HostKit, tmp_path: Path) -> None:
    """Its arguments, directory, environment, paths, streams and prints are the same."""
    look = (
        "import json, sys\nprint('this is printed')\nprint('this too', file=sys.stderr)\n"
        "env = {name: value for name, value in os.environ.items() if name != 'LC_CTYPE'}\n"
        "state_path.write_text(json.dumps([os.getcwd(), env, sys.path, sys.executable]))\n"
        "if os.environ.get('FAIL'): raise SystemExit('that is all')"
    )
    project = host.project(tmp_path, [host.code("forked", look), host.code("spawned", look)], SPAWN)
    env = {**host.env, "SHOP_SETTING": "wärme"}
    statebake("refresh", cwd=project, env=env).ok()
    forked, spawned = (
        json.loads((host.state_dir(project) / f"Text__{name}__/state").read_text()) for name in ("forked", "spawned")
    )
    assert spawned == forked
    assert spawned[0] == os.path.realpath(project)
    assert spawned[1]["SHOP_SETTING"] == "wärme"
    failed = statebake("refresh", "--format", "json", cwd=project, env={**env, "FAIL": "1"})
    found = keys_of(failed)
    for name in ("forked", "spawned"):
        error = found[f"Text[{name}]"]["error"]
        assert (error["code"], "SystemExit: that is all" in error["message"]) == ("SB401", True)
        assert "this is printed" in error["detail"]
        assert "this too" in error["detail"]


def test_a_spawned_fetch_that_hangs(tmp_path: Path, mark: str) -> None:
    """After its time it is ended with all that it started."""
    hang = "import subprocess, time\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\ntime.sleep(600)"
    project = native_project(tmp_path, code_component("spawned", hang), SPAWN)
    options = ("--timeout", "2s", "--retries", "0")
    result = statebake("refresh", *options, cwd=project, env={MARK: mark}, timeout=30)
    assert (result.code, the_error(result.err).code) == (4, "SB411")
    assert marked(mark) == []


def test_a_project_that_is_another_one_when_it_is_imported_again(tmp_path: Path) -> None:
    """A second import that fails, or finds other components, is an error of that fetch."""
    once = f"import pathlib\nseen = pathlib.Path({str(tmp_path / 'seen')!r})\n"
    once += "if seen.exists(): raise RuntimeError('only one of me')\nseen.touch()\n"
    files = {"src/shop/__init__.py": once, **SPAWN}
    project = native_project(tmp_path / "it", documents(component("spawned"), component("other")), files)
    result = statebake("refresh", "--retries", "0", "--format", "json", cwd=project)
    assert outcomes(result) == {"Text[spawned]": "failed", "Text[other]": "updated"}
    assert "only one of me" in keys_of(result)["Text[spawned]"]["error"]["message"]


# --- what a fetch leaves behind --------------------------------------------------------------------------------------

DAEMON = """
import signal, time
def daemon():
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.closerange(0, 100)
    time.sleep(600)
    os._exit(0)
daemon()
"""
ENDS = {
    "good": "state_path.write_text('x')",
    "failing": "raise ValueError('no')",
    "hanging": "time.sleep(600)",
    "segfault": "os.kill(os.getpid(), signal.SIGSEGV)",
    "exit": "os._exit(0)",
    "spawned": "state_path.write_text('x')",
}


@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_daemons(host: HostKit, tmp_path: Path, mark: str) -> None:
    """However a fetch ends, the daemon that it left ends with it, while the other fetches go on."""
    witness = "import time\ntime.sleep(3)\nstate_path.write_text('x')"
    texts = [host.code(name, DAEMON + code) for name, code in ENDS.items()]
    project = host.project(tmp_path, [*texts, host.code("witness", witness)], SPAWN)
    options = ("--timeout", "8s", "--retries", "0")
    result = statebake("refresh", *options, cwd=project, env={**host.env, MARK: mark}, timeout=60)
    assert result.code == 4
    assert marked(mark) == []
    assert_no_crash(result.err)
    assert (host.state_dir(project) / "Text__witness__/state").exists()


STARTS = """
import os, subprocess
pids = []
child = subprocess.Popen(["sleep", "600"])
# A shell that ends later and leaves its own child to whoever adopts it.
other = subprocess.Popen(["sh", "-c", "sleep 600 & echo $!; exec sleep 0.7"], stdout=subprocess.PIPE)
daemon = int(other.stdout.readline())
"""


def test_what_the_project_started_goes_on(tmp_path: Path, mark: str) -> None:
    """The processes that a project starts when it is imported are there in every fetch, and end with the worker."""
    look = "from shop import child, daemon\nimport time\ntime.sleep({})\nos.kill(child.pid, 0); os.kill(daemon, 0)\n"
    look += "assert 'Z' not in Path(f'/proc/{{daemon}}/stat').read_text().rpartition(')')[2].split()[0]\n"
    look += "state_path.write_text('x')"
    texts = [code_component(str(number), look.format(seconds)) for number, seconds in enumerate((0, 1.2, 0.2))]
    project = native_project(tmp_path, documents(*texts), {"src/shop/__init__.py": STARTS})
    result = statebake("refresh", "--jobs", "1", "--retries", "0", cwd=project, env={MARK: mark}, timeout=30)
    assert result.code == 0, result.err
    assert marked(mark) == []


# --- the end of the tool, or of the worker ---------------------------------------------------------------------------

HOLDS = "Path({begun!r}).touch()\nimport subprocess, time\nsubprocess.Popen(['sleep', '600'])\ntime.sleep(600)"


@pytest.mark.parametrize("name", ["forked", "spawned"])
def test_a_killed_tool(name: str, tmp_path: Path, mark: str) -> None:
    """After ``kill -9`` of the tool everything ends by itself."""
    begun = tmp_path / "begun"
    project = native_project(tmp_path / "it", code_component(name, DAEMON + HOLDS.format(begun=str(begun))), SPAWN)
    process = start_statebake("refresh", cwd=project, env={MARK: mark})
    wait_until(begun.exists, "the fetch")
    process.kill()
    process.communicate()
    wait_until(lambda: not marked(mark), "the processes' end", timeout=5)


def test_a_tool_that_is_killed_while_the_project_is_imported(tmp_path: Path, mark: str) -> None:
    """An import that hangs ends too."""
    begun = tmp_path / "begun"
    code = f"from pathlib import Path\n{HOLDS.format(begun=str(begun))}"
    project = native_project(tmp_path / "it", component("one"), {"src/shop/__init__.py": code})
    process = start_statebake("refresh", cwd=project, env={MARK: mark})
    wait_until(begun.exists, "the import")
    process.kill()
    process.communicate()
    wait_until(lambda: not marked(mark), "the processes' end", timeout=5)


def test_a_killed_worker(tmp_path: Path, mark: str) -> None:
    """After ``kill -9`` of the worker what runs has failed, is over, and the old state is there."""
    begun = tmp_path / "begun"
    project = native_project(tmp_path / "it", documents(component("one"), component("two")))
    statebake("refresh", cwd=project).ok()
    holds = code_component("one", f"Path({str(begun)!r}).touch()\nimport time\ntime.sleep(600)")
    write_tree(project, {"src/shop/defs/things/defs.yaml": documents(holds, component("two", text="new"))})
    process = start_statebake("refresh", "--jobs", "1", cwd=project, env={MARK: mark})
    wait_until(begun.exists, "the fetch")
    [worker] = [line for line in marked(mark) if "entry.py" in line and children_of(int(line.split()[0]))][:1]
    os.kill(int(worker.split()[0]), signal.SIGKILL)
    result = finish(process, timeout=20)
    assert result.code == 4
    assert_no_crash(result.err)
    assert "SIGKILL" in result.err
    found = {path.parent.name: path.read_text() for path in state_dir(project).glob("*/state")}
    assert found == {"Text__one__": "one", "Text__two__": "two"}
    wait_until(lambda: not marked(mark), "the processes' end", timeout=5)


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


CLOSES = """
import os, threading, time
os.closerange(3, 200)
threading.Thread(target=time.sleep, args=(600,)).start()
"""


@pytest.mark.parametrize("host", [NATIVE])
def test_an_import_that_closes_every_descriptor(host: HostKit, tmp_path: Path, mark: str) -> None:
    """A project that closes statebake's own pipe, and keeps its process alive, is an error at once."""
    project = host.project(tmp_path, [host.text("one")], {f"src/{host.package}/__init__.py": CLOSES})
    begun = time.monotonic()
    result = statebake("refresh", cwd=project, env={MARK: mark}, timeout=30)
    assert time.monotonic() - begun < 10
    assert_no_crash(result.err)
    assert (result.code, the_error(result.err).code) == (2, "SB208")
    assert marked(mark) == []
