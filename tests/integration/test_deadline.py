"""A deadline for the whole refresh: what runs is ended, what waits is not begun, what is committed stays."""

from __future__ import annotations

import time
from pathlib import Path
from uuid import uuid4

import pytest

from support.cli import statebake
from support.hosts import NATIVE, ONE_DAGSTER, HostKit
from support.native import code_component, component, documents, native_project, state_dir
from support.processes import MARK, marked
from support.reports import keys_of, outcomes
from support.shown import assert_no_crash, shown, the_error
from support.trees import leftovers
from support.workspaces import workspace

HANG = "import subprocess, time\nsubprocess.Popen(['sleep', '600'])\ntime.sleep(600)"


@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_a_deadline(host: HostKit, tmp_path: Path) -> None:
    """Running fetches are ended and waiting ones not started, with SB412; what was committed before stays."""
    begun = f"Path({str(tmp_path)!r}, 'begun-' + state_path.parent.name).touch()\n"
    texts = [host.text("quick", text="old"), host.text("hangs", text="old"), host.text("waits", text="old")]
    project = host.project(tmp_path / "it", texts)
    statebake("refresh", cwd=project, env=host.env).ok()
    texts = [host.text("quick", text="new"), host.code("hangs", begun + HANG), host.code("waits", begun)]
    host.declare(project, texts)
    mark = uuid4().hex
    seconds = "2s" if host == NATIVE else "5s"
    options = ("--jobs", "1", "--deadline", seconds, "--format", "json")
    result = statebake("refresh", *options, cwd=project, env={**host.env, MARK: mark}, timeout=30)
    assert result.code == 4
    assert outcomes(result) == {"Text[quick]": "updated", "Text[hangs]": "failed", "Text[waits]": "failed"}
    assert [keys_of(result)[f"Text[{name}]"]["error"]["code"] for name in ("hangs", "waits")] == ["SB412"] * 2
    assert [keys_of(result)[f"Text[{name}]"]["attempts"] for name in ("hangs", "waits")] == [1, 0]
    assert [path.name for path in tmp_path.glob("begun-*")] == ["begun-Text__hangs__"]
    found = {path.parent.name: path.read_text() for path in host.state_dir(project).glob("*/state")}
    assert found == {"Text__quick__": "new", "Text__hangs__": "old", "Text__waits__": "old"}
    assert marked(mark) == []
    assert leftovers(host.state_dir(project)) == []


def test_a_deadline_that_is_over_before_the_first_fetch(tmp_path: Path) -> None:
    """Whether it comes while the project is loaded or right after, the refresh fails with SB412 and no traceback."""
    project = native_project(tmp_path, documents(component("one"), component("two")))
    for number in range(1, 12):
        result = statebake("refresh", "--deadline", f"{number * 0.03:.2f}s", cwd=project)
        assert_no_crash(result.err)
        if result.code:
            assert (result.code, {item.code for item in shown(result.err)}) == (4, {"SB412"})


def test_a_deadline_ends_an_import_that_hangs(tmp_path: Path) -> None:
    """Discovery counts: a project whose import does not end is given up, and its processes with it."""
    project = native_project(tmp_path, component("one"), {"src/shop/__init__.py": HANG})
    mark = uuid4().hex
    begun = time.monotonic()
    result = statebake("refresh", "--deadline", "1s", cwd=project, env={MARK: mark}, timeout=30)
    assert time.monotonic() - begun < 5
    error = the_error(result.err)
    assert (result.code, error.code, error.where) == (4, "SB412", str(project))
    assert marked(mark) == []
    assert not state_dir(project).exists()


def test_a_project_that_hangs_does_not_hold_up_a_key_of_another(tmp_path: Path) -> None:
    """Keys that are named are fetched once it is known whose all of them are; other projects may still be loading."""
    root = workspace(tmp_path, {"sales": component("slow"), "finance": component("quick")})
    (root / "sales/src/shop/__init__.py").write_text(HANG)
    result = statebake("refresh", "--key", "Text[quick]", "--deadline", "4s", cwd=root, timeout=30)
    assert (result.code, the_error(result.err).code) == (4, "SB412")
    assert (state_dir(root / "finance") / "Text__quick__/state").read_text() == "quick"


def test_a_deadline_of_a_workspace(tmp_path: Path) -> None:
    """It holds for all projects together, also where the settings of only one of them have it."""
    root = workspace(tmp_path, {"sales": code_component("hangs", HANG), "finance": component("quick")})
    (root / "finance/statebake.toml").write_text('host = "native"\ndeadline = "2s"\n')
    begun = time.monotonic()
    result = statebake("refresh", cwd=root, timeout=30)
    assert time.monotonic() - begun < 8
    assert (result.code, the_error(result.err).code) == (4, "SB412")
    assert (state_dir(root / "finance") / "Text__quick__/state").read_text() == "quick"


def test_a_deadline_during_the_pause_before_a_retry(tmp_path: Path) -> None:
    """A key that waits for its next attempt does not hold the refresh up, and its last failure is not lost."""
    project = native_project(tmp_path, code_component("fails", "raise ConnectionError('no route to the warehouse')"))
    env = {"STATEBAKE_BACKOFF": "60s"}
    begun = time.monotonic()
    result = statebake("refresh", "--deadline", "2s", cwd=project, env=env, timeout=30)
    assert time.monotonic() - begun < 5
    error = the_error(result.err)
    assert (result.code, error.code) == (4, "SB412")
    assert "no route to the warehouse" in result.err.partition("error[SB412]")[2]
