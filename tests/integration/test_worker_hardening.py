"""Projects that disturb the talk with their worker or keep it alive, and signals while a bake is made."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from support.cli import run, statebake
from support.hosts import ONE_DAGSTER, HostKit
from support.native import code_component, component, documents, native_project, state_dir
from support.pexes import CACHE_ENV, write_zip
from support.processes import MARK, finish, marked, signal_marked, start_statebake, wait_until
from support.shown import assert_no_crash, shown, the_error
from support.trees import leftovers, write_tree


def test_many_failures_at_once(tmp_path: Path) -> None:
    """Three hundred fetches side by side, each with a long error, end: no pipe is full on both sides."""
    count = 300
    text = "raise ValueError('x' * 3000)"
    root = tmp_path.joinpath(*(["long" * 25] * 5))  # so that the requests together fill a pipe as well
    project = native_project(root / "shop", documents(*(code_component(str(n), text) for n in range(count))))
    result = statebake("refresh", "--jobs", str(count), "--format", "json", cwd=project, timeout=60)
    assert result.code == 4
    keys = result.json["projects"][0]["refresh"]["keys"]
    assert [item["key"] for item in keys] == [f"Text[{n}]" for n in range(count)]
    assert {item["error"]["code"] for item in keys} == {"SB401"}
    assert all(item["error"]["message"].endswith("ValueError: " + "x" * 3000) for item in keys)
    assert_no_crash(result.err)
    assert leftovers(state_dir(project)) == []


# --- garbage ---------------------------------------------------------------------------------------------------------

GARBAGE = {
    "text": b"yyyy\n",
    "no line": b"y" * 1000,
    "an event that there is not": b'{"event": "yyyy"}\n',
    "an answer without its fields": b'{"event": "discovered"}\n',
    "a failure without its fields": b'{"event": "failed"}\n',
}
TO_ALL = """
import os
for descriptor in range(3, 100):
    try:
        os.write(descriptor, {data!r})
    except OSError:
        pass
"""


@pytest.mark.parametrize("data", GARBAGE.values(), ids=list(GARBAGE))
def test_an_import_that_writes_to_every_descriptor(data: bytes, tmp_path: Path) -> None:
    """An import that writes into statebake's own pipe is an error with a code, and nothing is written."""
    files = {"src/shop/__init__.py": TO_ALL.format(data=data)}
    project = native_project(tmp_path / "shop", component("one"), files)
    result = statebake("refresh", cwd=project, timeout=60)
    assert_no_crash(result.err)
    error = the_error(result.err)
    assert (result.code, error.code) == (2, "SB208")
    assert "pipe" in error.message
    assert not state_dir(project).exists()


@pytest.mark.needs("dagster-1.13")
def test_an_import_of_dagsters_that_writes_to_every_descriptor(tmp_path: Path) -> None:
    """The same holds for a Dagster project."""
    host = HostKit("1.13")
    files = {"src/depot/__init__.py": TO_ALL.format(data=b"yyyy\n")}
    project = host.project(tmp_path / "depot", [host.text("one")], files)
    result = statebake("check", cwd=project, env=host.env, timeout=60)
    error = the_error(result.err)
    assert (result.code, error.code) == (2, "SB208")
    assert_no_crash(result.err)


def test_a_fetch_that_writes_to_every_descriptor(tmp_path: Path) -> None:
    """A fetch cannot reach the pipe between statebake and its worker, so the others do not suffer from it."""
    texts = [component("before"), code_component("wild", TO_ALL.format(data=b"yyyy\n")), component("behind")]
    project = native_project(tmp_path / "shop", documents(*texts))
    result = statebake("refresh", cwd=project, timeout=60)
    assert result.code == 4
    assert_no_crash(result.err)
    assert [item.where for item in shown(result.err)] == ["src/shop/defs/things/defs.yaml:4"]
    assert (state_dir(project) / "Text__behind__/state").read_text() == "behind"


def test_a_thread_that_writes_to_every_descriptor_later(tmp_path: Path) -> None:
    """Garbage that comes while fetches run fails what has not returned, with a code, and every key is whole."""
    code = (
        "import threading, time\n"
        "def spoil():\n"
        "    while not os.path.exists('go'):\n"
        "        time.sleep(0.01)\n"
        "    for descriptor in range(3, 100):\n"
        "        try: os.write(descriptor, b'yyyy\\n')\n"
        "        except OSError: pass\n"
        "threading.Thread(target=spoil, daemon=True).start()\n"
    )
    slow = "Path('go').touch()\nimport time\ntime.sleep(600)"
    project = native_project(tmp_path / "shop", documents(component("first"), code_component("slow", slow)))
    write_tree(project, {"src/shop/__init__.py": f"import os\n{code}"})
    result = statebake("refresh", "--jobs", "1", cwd=project, timeout=60)
    assert result.code == 4
    assert_no_crash(result.err)
    error = the_error(result.err)
    assert (error.code, error.where) == ("SB403", "src/shop/defs/things/defs.yaml:4")
    assert "pipe" in error.message
    assert (state_dir(project) / "Text__first__/state").read_text() == "first"


# --- threads ---------------------------------------------------------------------------------------------------------

THREAD = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n"


@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_a_thread_outlives_no_killed_tool(host: HostKit, tmp_path: Path) -> None:
    """A project that starts a non-daemon thread at import leaves no worker behind when the tool is killed."""
    begin = f"Path({str(tmp_path / 'started')!r}).touch()\nimport time\ntime.sleep(600)"
    project = host.project(tmp_path / "it", [host.code("slow", begin)])
    write_tree(project, {f"src/{host.package}/__init__.py": THREAD})
    mark = uuid4().hex
    process = start_statebake("refresh", cwd=project, env={**host.env, MARK: mark})
    try:
        wait_until((tmp_path / "started").exists, "the fetch")
        assert len(marked(mark)) >= 3  # the tool, the worker, the fetch
        process.kill()
        process.communicate()
        wait_until(lambda: not marked(mark), "the worker's end", timeout=5)
    finally:
        signal_marked(mark, signal.SIGKILL)


def test_a_thread_delays_no_end(tmp_path: Path) -> None:
    """A project that starts a non-daemon thread at import is refreshed as fast as any other."""
    project = native_project(tmp_path / "shop", component("one"), {"src/shop/__init__.py": THREAD})
    mark = uuid4().hex
    begun = time.monotonic()
    statebake("refresh", cwd=project, env={MARK: mark}, timeout=60).ok()
    assert time.monotonic() - begun < 10
    assert marked(mark) == []


# --- a bake that is ended --------------------------------------------------------------------------------------------


def _runs_pex(mark: str, option: str) -> Callable[[], bool]:
    return lambda: any("run_module('pex'" in line and option in line for line in marked(mark))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("stage", ["resolving", "building"])
def test_a_bake_that_is_ended(stage: str, number: signal.Signals, tmp_path: Path) -> None:
    """A signal in the middle of a bake ends pex, leaves no scratch directory anywhere, and the old file as it was."""
    project = native_project(tmp_path / "shop", component("one"))
    output, scratch = tmp_path / "out" / "shop.pex", tmp_path / "scratch"
    output.parent.mkdir()
    write_zip(output, ("PEX-INFO", "{}"))
    before = output.read_bytes()
    scratch.mkdir()
    mark = uuid4().hex
    cache = {"STATEBAKE_CACHE_DIR": str(tmp_path / "cache")} if stage == "resolving" else CACHE_ENV
    env = {**cache, MARK: mark, "TMPDIR": str(scratch)}
    process = start_statebake("bake", "pex", "--output", output, cwd=project, env=env)
    try:
        option = "--requirements-pex" if stage == "building" else "--resolver-version"
        wait_until(_runs_pex(mark, option), f"pex, {stage}")
        assert (len(list(output.parent.iterdir())) == 2) is (stage == "building")
        process.send_signal(number)
        begun = time.monotonic()
        result = finish(process, timeout=30)
        assert time.monotonic() - begun < 5
        assert result.code == 130
        assert_no_crash(result.err)
        wait_until(lambda: not marked(mark), "pex's end", timeout=5)
    finally:
        signal_marked(mark, signal.SIGKILL)
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    assert [path.name for path in output.parent.iterdir()] == ["shop.pex"]
    assert output.read_bytes() == before
    assert not list(scratch.glob("statebake-*"))


IN_BETWEEN = """
import os, signal, subprocess, sys
from pathlib import Path
from statebake.process import run_tool


class Signalled(subprocess.Popen):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        os.kill(os.getpid(), signal.SIGHUP)  # it runs, and nobody knows it yet


def terminated(*_):
    raise KeyboardInterrupt


subprocess.Popen = Signalled
signal.signal(signal.SIGHUP, terminated)
try:
    run_tool(["sleep", "600"], env=dict(os.environ), cwd=Path.cwd(), next_step="")
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_a_signal_while_a_tool_starts(tmp_path: Path) -> None:
    """A tool that has just been started when a signal comes is ended too, and writes nothing behind our back."""
    mark = uuid4().hex
    try:
        result = run([sys.executable, "-c", IN_BETWEEN], cwd=tmp_path, env={MARK: mark}, timeout=30)
        assert (result.code, result.err) == (130, "")
        assert marked(mark) == []
    finally:
        signal_marked(mark, signal.SIGKILL)
