"""``statebake gc``: state that no component uses is removed, as a whole or not at all, and nothing else is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cli import run, statebake
from support.dagster import dagster_project, dagster_python
from support.hosts import HOSTS, NATIVE, HostKit
from support.killing import kill_at
from support.native import component, documents, native_project, state_dir
from support.processes import finish, start_statebake, wait_until
from support.shown import the_error
from support.trees import leftovers, read_tree
from support.whole import badly_recorded, keys_in, torn
from support.workspaces import workspace

ROUNDS = 8
# Dies right after the key directory was moved into staging.
DIES = """
import os, signal, sys
from pathlib import Path
from statebake.model import discard

discard.remove_tree = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from statebake.cli.main import main
main()
"""


def names(project: Path, host: HostKit = NATIVE) -> set[str]:
    """Return the names of the key directories that there are."""
    return {path.name for path in host.state_dir(project).iterdir() if path.is_dir()} - {".staging"}


def refreshed(root: Path, host: HostKit, *keys: str) -> Path:
    """Write and refresh a project with these keys, and then leave only the first of them declared."""
    project = host.project(root, [host.text(key) for key in keys])
    statebake("refresh", cwd=project, env=host.env).ok()
    host.declare(project, [host.text(keys[0])])
    return project


@pytest.mark.parametrize("host", HOSTS)
def test_what_no_component_uses_is_removed(host: HostKit, tmp_path: Path) -> None:
    """A dry run tells and changes nothing; then the leftovers go, and check has nothing left to say."""
    project = refreshed(tmp_path, host, "kept", "gone", "went")
    before = read_tree(host.state_dir(project))
    [orphan, *_] = statebake("check", "--format", "json", cwd=project, env=host.env).json["projects"][0]["check"][
        "findings"
    ]
    assert (orphan["code"], orphan["next_step"]) == ("SB305", "statebake gc")
    dry = statebake("gc", "--dry-run", cwd=project, env=host.env).ok().out
    assert "Text__gone__  Text[gone]  1 file, 4 B  confirmed" in dry
    assert "would remove 2 key directories, 8 B" in dry
    assert read_tree(host.state_dir(project)) == before
    done = statebake("gc", "--format", "json", cwd=project, env=host.env).ok().json["projects"][0]["gc"]
    assert [item["key"] for item in done["removed"]] == ["Text[gone]", "Text[went]"]
    assert (done["dry_run"], done["bytes"], done["kept"]) == (False, 8, [])
    after = {name: content for name, content in before.items() if "gone" not in name and "went" not in name}
    assert read_tree(host.state_dir(project)) == after
    assert leftovers(host.state_dir(project)) == []
    check = statebake("check", "--format", "json", cwd=project, env=host.env).ok()
    assert check.json["projects"][0]["check"]["findings"] == []
    assert "nothing to remove" in statebake("gc", cwd=project, env=host.env).ok().out


@pytest.mark.needs("dagster-1.13")
def test_what_dagster_wrote_is_only_listed(tmp_path: Path) -> None:
    """State that Dagster itself wrote stays, with the reason, until ``--unrecorded``."""
    host = HostKit("1.13")
    text = host.text("gone")
    project = dagster_project(tmp_path, {"things": text})
    refresh = [dagster_python("1.13").parent / "dg", "utils", "refresh-defs-state"]
    run(refresh, cwd=project, env={"PYTHONPATH": str(project / "src"), "HOME": str(tmp_path)}).ok()
    assert names(project, host) == {"Text__gone__"}
    host.declare(project, [host.text("kept")])
    statebake("refresh", cwd=project, env=host.env).ok()
    listed = statebake("gc", cwd=project, env=host.env).ok().out
    assert "Text__gone__" in listed
    assert "it has no record of statebake; --unrecorded removes it as well" in listed
    assert names(project, host) == {"Text__gone__", "Text__kept__"}
    statebake("gc", "--unrecorded", cwd=project, env=host.env).ok()
    assert names(project, host) == {"Text__kept__"}


@pytest.mark.parametrize("host", HOSTS)
def test_a_component_that_cannot_be_loaded(host: HostKit, tmp_path: Path) -> None:
    """Then nobody knows whose state it is, so nothing is removed, not even in a dry run."""
    project = refreshed(tmp_path, host, "kept", "gone")
    host.declare(project, [host.text("kept"), host.text("x", no_such_attribute=1)])
    before = read_tree(host.state_dir(project))
    for arguments in (["gc"], ["gc", "--dry-run"], ["gc", "--unrecorded"]):
        result = statebake(*arguments, cwd=project, env=host.env)
        error = the_error(result.err)
        assert (result.code, error.code) == (3, "SB312")
        assert error.where is not None
        assert error.where.startswith(host.yaml)
        assert "Nothing was removed" in error.message
    assert read_tree(host.state_dir(project)) == before


def test_no_component_is_left(tmp_path: Path) -> None:
    """Where no component is found at all, the state stays: the module may be the wrong one."""
    project = refreshed(tmp_path, NATIVE, "one", "two")
    (project / NATIVE.yaml).unlink()
    result = statebake("gc", cwd=project)
    assert the_error(result.err).code == "SB315"
    assert names(project) == {"Text__one__", "Text__two__"}


def test_nothing_was_ever_fetched(tmp_path: Path) -> None:
    """Without a state directory there is nothing to do, and none is made."""
    project = native_project(tmp_path, component("it"))
    assert "nothing to remove" in statebake("gc", cwd=project).ok().out
    assert not state_dir(project).exists()


def test_while_a_refresh_is_at_it(tmp_path: Path) -> None:
    """A refresh that runs holds the lock: gc says who it is, removes nothing, and leaves its staging alone."""
    project = refreshed(tmp_path, NATIVE, "kept", "gone")
    begun = tmp_path / "begun"
    code = f"import time\nstate_path.write_text('half')\nPath({str(begun)!r}).touch()\ntime.sleep(600)"
    NATIVE.declare(project, [NATIVE.text("kept"), NATIVE.code("slow", code)])
    refresh = start_statebake("refresh", "--key", "Text[slow]", cwd=project, env={})
    try:
        wait_until(begun.exists, "the fetch to begin")
        staged = [path for path in state_dir(project).rglob("state") if path.read_text() == "half"]
        result = statebake("gc", cwd=project)
        error = the_error(result.err)
        assert (result.code, error.code) == (4, "SB406")
        assert str(refresh.pid) in error.message
        assert [path.read_text() for path in staged] == ["half"]
        assert names(project) == {"Text__kept__", "Text__gone__"}
        statebake("gc", "--dry-run", cwd=project).ok()
    finally:
        refresh.terminate()
        finish(refresh, timeout=20)
    statebake("gc", cwd=project).ok()
    assert names(project) == {"Text__kept__"}


def many(root: Path) -> Path:
    """Write a project whose state has 20 leftovers of 100 files each."""
    project = refreshed(root / "shop", NATIVE, "kept", "gone")
    gone = state_dir(project) / "Text__gone__"
    gone_record = json.loads((gone / ".statebake.json").read_text())
    for number in range(20):
        key_dir = state_dir(project) / f"Text__{number}__"
        (key_dir / "state" / "deep").mkdir(parents=True)
        for file in range(100):
            (key_dir / "state" / "deep" / str(file)).write_text(f"{number} {file}")
        (key_dir / ".statebake.json").write_text(json.dumps({**gone_record, "key": f"Text[{number}]"}))
    return project


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Whenever gc is killed, every key directory is there as a whole or not at all, and the next start finishes it."""
    project = many(tmp_path)
    saved = shutil.copytree(state_dir(project), tmp_path / "saved")
    whole = keys_in(saved)
    command = [sys.executable, "-m", "statebake", "gc"]
    lock = state_dir(project) / ".staging/lock"
    lock.unlink()
    statebake("gc", cwd=project).ok()
    seconds = time.time() - lock.stat().st_mtime
    in_removal = 0
    for number in range(ROUNDS):
        shutil.rmtree(state_dir(project))
        shutil.copytree(saved, state_dir(project))
        lock.unlink()
        kill_at(command, number / ROUNDS * seconds, cwd=project, env={}, after=lock)
        assert torn(state_dir(project), whole, {}) == []
        assert keys_in(state_dir(project))["Text__kept__"] == whole["Text__kept__"]
        in_removal += len(keys_in(state_dir(project))) < len(whole) and bool(leftovers(state_dir(project)))
        if number in {1, ROUNDS // 2, ROUNDS - 1}:
            statebake("gc", cwd=project).ok()
            assert keys_in(state_dir(project)) == {"Text__kept__": whole["Text__kept__"]}
            assert leftovers(state_dir(project)) == []
    assert badly_recorded(state_dir(project)) == []
    assert in_removal, "no kill hit the removal: the test has shown nothing"


@pytest.mark.parametrize("then", ["refresh", "gc"])
def test_killed_before_the_removal(then: str, tmp_path: Path) -> None:
    """What a killed gc has moved into staging is removed by the next refresh or gc, also with nothing else to do."""
    project = refreshed(tmp_path / "shop", NATIVE, "kept", "gone")
    (tmp_path / "dies.py").write_text(DIES)
    killed = run([sys.executable, tmp_path / "dies.py", "gc"], cwd=project)
    assert killed.code == -9
    assert names(project) == {"Text__kept__"}
    [left] = leftovers(state_dir(project))
    assert (state_dir(project) / ".staging" / left / "Text__gone__" / "state").exists()
    statebake("check", cwd=project).ok()
    statebake(then, cwd=project).ok()
    assert names(project) == {"Text__kept__"}
    assert leftovers(state_dir(project)) == []


def test_a_workspace(tmp_path: Path) -> None:
    """Every project of a workspace is cleared of its own leftovers; one that cannot be does not stop the others."""
    texts = {name: documents(component("kept"), component("gone")) for name in ("one", "two")}
    root = workspace(tmp_path, texts)
    statebake("refresh", cwd=root).ok()
    (root / "one/src/shop/defs/things/defs.yaml").write_text(documents(component("kept"), "type: no.such.Thing\n"))
    (root / "two/src/shop/defs/things/defs.yaml").write_text(component("kept"))
    result = statebake("gc", cwd=root)
    assert (result.code, the_error(result.err).code) == (3, "SB312")
    assert names(root / "one") == {"Text__kept__", "Text__gone__"}
    assert names(root / "two") == {"Text__kept__"}


def test_a_symbolic_link_is_left_alone(tmp_path: Path) -> None:
    """A link in the place of a key directory is listed, and neither it nor what it leads to is touched."""
    project = refreshed(tmp_path / "shop", NATIVE, "kept", "gone")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "state").write_text("mine")
    (state_dir(project) / "link").symlink_to(tmp_path / "precious")
    assert "link  kept: it is a symbolic link" in statebake("gc", "--unrecorded", cwd=project).ok().out
    assert (state_dir(project) / "link").is_symlink()
    assert (tmp_path / "precious" / "state").read_text() == "mine"


@pytest.mark.needs("setpriv", "root")
def test_a_directory_that_may_not_be_written(tmp_path: Path) -> None:
    """Where the state belongs to somebody else, gc says so, and nothing is lost."""
    project = refreshed(tmp_path / "shop", NATIVE, "kept", "gone")
    before = read_tree(state_dir(project))
    reader = ("setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", "--no-new-privs")
    may_read = ("--inh-caps", "-all,+dac_read_search", "--ambient-caps", "-all,+dac_read_search")
    result = run(
        [*reader, *may_read, sys.executable, "-m", "statebake", "gc"], cwd=project, env={"HOME": "/nonexistent"}
    )
    assert the_error(result.err).code == "SB407"
    assert read_tree(state_dir(project)) == before


@pytest.fixture
def layered(tmp_path: Path) -> Iterator[Path]:
    """A project with a leftover, in the lower layer of an overlay."""
    lower, upper, work, merged = (tmp_path / name for name in ("lower", "upper", "work", "merged"))
    refreshed(lower, NATIVE, "kept", "gone")
    for directory in (upper, work, merged):
        directory.mkdir()
    layers = f"lowerdir={lower},upperdir={upper},workdir={work},redirect_dir=off"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, merged], check=True)
    try:
        yield merged
    finally:
        subprocess.run(["umount", "-l", merged], check=True)


@pytest.mark.needs("overlay")
def test_in_the_lower_layer_of_an_overlay(layered: Path) -> None:
    """As in a later step of a Dockerfile: what cannot be moved is removed where it is."""
    statebake("gc", cwd=layered).ok()
    assert names(layered) == {"Text__kept__"}
    assert leftovers(state_dir(layered)) == []
    statebake("check", cwd=layered).ok()
