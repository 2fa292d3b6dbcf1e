"""State directories that are not as they should be, and file systems that do not take state."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.cli import Result, run, statebake
from support.dagster import dagster_python
from support.hosts import NATIVE, HostKit
from support.mounts import mounted
from support.shown import assert_no_crash, shown, the_error
from support.trees import leftovers, read_tree

HOST = NATIVE
KEYS = ("good", "other")
DAGSTER_113 = HostKit("1.13")
BIG = "state_path.write_bytes(os.urandom({size}))"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = HOST.project(tmp_path_factory.mktemp("template"), [HOST.text(name, text="old") for name in KEYS])
    statebake("refresh", cwd=project).ok()
    return project


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    """A project with ``Text[good]`` and ``Text[other]``, refreshed; the texts of both have changed since."""
    project = shutil.copytree(template, tmp_path / "project", symlinks=True)
    HOST.declare(project, [HOST.text(name, text="new") for name in KEYS])
    return project


def state(project: Path) -> Path:
    return HOST.state_dir(project)


def edit_record(project: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Change the record of ``Text[good]`` and return its path."""
    path = state(project) / "Text__good__/.statebake.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    return path


def finding(result: Result) -> tuple[int, str, str]:
    """Return the exit code, and the code and severity of the one thing that was found."""
    (found,) = shown(result.err)
    assert found.next_step
    assert_no_crash(result.err)
    return result.code, found.code, found.severity


# --- records ---------------------------------------------------------------------------------------------------------


def test_a_record_of_a_newer_format_is_refused_by_name(project: Path) -> None:
    """State that a later statebake recorded is not touched: refresh and check name the format; the others go on."""
    path = edit_record(project, lambda record: record.update(format=2, future=True))
    before = read_tree(state(project))
    refreshed = statebake("refresh", cwd=project)
    error = the_error(refreshed.err)
    assert (refreshed.code, error.code, error.where) == (4, "SB310", str(path))
    assert "2" in error.message
    assert "upgrade statebake" in error.next_step
    after = read_tree(state(project))
    assert after["Text__other__/state"] == b"new"
    own = "Text__good__/"
    assert {name: data for name, data in after.items() if name.startswith(own)} == {
        name: data for name, data in before.items() if name.startswith(own)
    }
    checked = statebake("check", cwd=project)
    assert finding(checked) == (3, "SB310", "error")
    assert "newer format" in statebake("status", cwd=project).ok().out


@pytest.mark.parametrize(
    "text", ["not json", "", "[]", "{}", '{"format": "1"}', '{"format": 1}', "\ud83d", "[" * 100_000, '{"format": 1.0}']
)
def test_a_record_that_is_none_is_found_and_replaced(project: Path, text: str) -> None:
    """A record that cannot be read is found by check with its path; a refresh fetches and records anew."""
    path = state(project) / "Text__good__/.statebake.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    before = read_tree(state(project))
    checked = statebake("check", cwd=project)
    assert finding(checked) == (3, "SB309", "error")
    assert the_error(checked.err).where == str(path)
    assert statebake("status", cwd=project).code == 0
    assert read_tree(state(project)) == before
    statebake("refresh", cwd=project).ok()
    statebake("check", cwd=project).ok()
    assert json.loads(path.read_text())["key"] == "Text[good]"


def test_a_record_that_is_a_directory_is_found_and_replaced(project: Path) -> None:
    """Something that is no file in the record's place is found by check, and a refresh puts a record there."""
    path = state(project) / "Text__good__/.statebake.json"
    path.unlink()
    path.mkdir()
    assert finding(statebake("check", cwd=project)) == (3, "SB309", "error")
    statebake("refresh", cwd=project).ok()
    statebake("check", cwd=project).ok()


def test_fields_of_a_later_statebake_are_kept(project: Path) -> None:
    """What this statebake does not know in a record of its own format survives a refresh."""
    path = edit_record(project, lambda record: record.update(future={"x": 1}))
    statebake("refresh", cwd=project).ok()
    assert json.loads(path.read_text())["future"] == {"x": 1}


def test_a_record_of_another_key_is_found(project: Path) -> None:
    """A directory that holds another key's state is an error of check, although its digest is right."""
    edit_record(project, lambda record: record.update(key="Text[else]"))
    assert finding(statebake("check", cwd=project)) == (3, "SB304", "error")


# --- content ---------------------------------------------------------------------------------------------------------


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _socket(path: Path) -> None:
    path.unlink()
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket may have 107 bytes only
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _link(target: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return make


TAMPERED: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "changed": (lambda path: path.write_text("tampered"), "SB303", "changed"),
    "truncated": (lambda path: path.write_text(""), "SB302", "empty"),
    "removed": (lambda path: path.unlink(), "SB301", "missing"),
    "sibling-added": (lambda path: path.with_name("extra").write_text("x"), "SB303", "changed"),
    "fifo": (_fifo, "SB311", "unreadable"),
    "socket": (_socket, "SB311", "unreadable"),
    "escaping-link": (_link("/etc/passwd"), "SB311", "unreadable"),
    "dangling-link": (_link("nowhere"), "SB311", "unreadable"),
    "looping-link": (_link("state"), "SB311", "unreadable"),
}


@pytest.mark.parametrize(("tamper", "code", "health"), TAMPERED.values(), ids=list(TAMPERED))
def test_state_that_was_tampered_with(project: Path, tamper: Callable[[Path], object], code: str, health: str) -> None:
    """Check and status find state that is not what was fetched, without waiting on it; a refresh mends it."""
    tamper(state(project) / "Text__good__/state")
    checked = statebake("check", cwd=project, timeout=20)
    assert finding(checked) == (3, code, "error")
    assert health in statebake("status", cwd=project, timeout=20).ok().out
    statebake("refresh", cwd=project, timeout=20).ok()
    statebake("check", cwd=project).ok()
    assert (state(project) / "Text__good__/state").read_text() == "new"


def test_tampered_state_is_fetched_again_even_if_the_record_says_unchanged(project: Path) -> None:
    """A fetch that yields what the record says replaces content on disk that differs from it."""
    HOST.declare(project, [HOST.text(name, text="old") for name in KEYS])
    (state(project) / "Text__good__/state").write_text("tampered")
    result = statebake("refresh", cwd=project).ok()
    assert "1 updated, 1 unchanged" in result.out
    assert (state(project) / "Text__good__/state").read_text() == "old"


def test_state_that_no_component_uses(project: Path) -> None:
    """A key directory without a component is a warning that says how to remove it; nothing removes it unasked."""
    HOST.declare(project, [HOST.text("good", text="new")])
    statebake("refresh", cwd=project).ok()
    checked = statebake("check", cwd=project)
    assert finding(checked) == (0, "SB305", "warning")
    assert "'Text[other]'" in checked.err
    assert (state(project) / "Text__other__/state").read_text() == "old"


@pytest.mark.parametrize("what", ["file", "dangling-link", "staging-is-a-file", "lock-is-a-directory"])
def test_a_state_directory_that_is_none(project: Path, what: str) -> None:
    """Something else in the place of the state or staging directory is an error with its path, and stays."""
    place = state(project)
    if what == "file":
        shutil.rmtree(place)
        place.write_text("mine")
    elif what == "dangling-link":
        shutil.rmtree(place)
        place.symlink_to("/nowhere/at/all")
    elif what == "staging-is-a-file":
        shutil.rmtree(place / ".staging")
        (place / ".staging").write_text("mine")
    else:
        (place / ".staging/lock").unlink()
        (place / ".staging/lock").mkdir()
    before = read_tree(place.parent)
    result = statebake("refresh", cwd=project)
    error = the_error(result.err)
    assert (result.code, error.code) == (4, "SB405")
    assert str(place) in (error.where or "")
    assert_no_crash(result.err)
    assert read_tree(place.parent) == before


def test_a_state_directory_that_is_a_link(project: Path, tmp_path: Path) -> None:
    """A state directory may be a link to another place: it is refreshed there."""
    moved = tmp_path / "elsewhere"
    state(project).rename(moved)
    state(project).symlink_to(moved)
    statebake("refresh", cwd=project).ok()
    assert (moved / "Text__good__/state").read_text() == "new"
    assert state(project).is_symlink()
    statebake("check", cwd=project).ok()


def test_what_a_killed_refresh_left_is_removed(project: Path) -> None:
    """Leftovers in staging go away with the next refresh; check and status do not mind them."""
    left = state(project) / ".staging/0123456789ab/Text__good__"
    left.mkdir(parents=True)
    (left / "state").write_text("half")
    (state(project) / ".staging/stray").write_text("x")
    statebake("check", cwd=project).ok()
    statebake("refresh", cwd=project).ok()
    assert leftovers(state(project)) == []


# --- file systems ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small(project: Path) -> Iterator[Path]:
    """The project, its state refreshed on a file system of one megabyte."""
    place = state(project)
    shutil.rmtree(place)
    place.mkdir()
    with mounted(place, "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
        HOST.declare(project, [HOST.text("good", text="old"), HOST.code("other", BIG.format(size=400_000))])
        statebake("refresh", cwd=project).ok()
        yield project


def _fill(place: Path) -> None:
    with contextlib.suppress(OSError), (place / "filler").open("wb", buffering=0) as stream:
        while stream.write(b"x" * 4096):
            pass


@pytest.mark.needs("mount")
def test_no_space_left_for_the_fetch(small: Path) -> None:
    """A fetch that fills the file system fails by the component's own error; its state and the others are safe."""
    before = read_tree(state(small))
    HOST.declare(small, [HOST.text("good", text="new"), HOST.code("other", BIG.format(size=700_000))])
    result = statebake("refresh", "--key", "Text[other]", cwd=small)
    error = the_error(result.err)
    assert (result.code, error.code) == (4, "SB401")
    assert "No space left on device" in error.message
    assert_no_crash(result.err)
    assert read_tree(state(small)) == before
    statebake("refresh", "--key", "Text[good]", cwd=small).ok()
    assert read_tree(state(small))["Text__good__/state"] == b"new"


@pytest.mark.needs("mount")
def test_no_space_left_for_the_record(small: Path) -> None:
    """Where the content fits and the record does not, the commit fails and says that the old state is unchanged."""
    before = read_tree(state(small))
    fill = "state_path.write_text('new')\nwith open(state_path.parent / 'rest', 'wb', buffering=0) as stream:\n"
    fill += "    try:\n        while stream.write(b'x' * 4096): pass\n    except OSError: pass"
    HOST.declare(small, [HOST.text("good", text="old"), HOST.code("other", fill)])
    result = statebake("refresh", "--key", "Text[other]", cwd=small)
    error = the_error(result.err)
    assert (result.code, error.code) == (4, "SB405")
    assert "No space left on device" in error.message
    assert "free some space" in error.next_step
    assert read_tree(state(small)) == before
    assert leftovers(state(small)) == []


@pytest.mark.needs("mount")
@pytest.mark.parametrize("lock", ["with-lock", "without-lock", "without-staging", "without-anything"])
def test_no_space_left_at_all(small: Path, lock: str) -> None:
    """On a full file system a refresh fails before any fetch, whatever files of its own are missing; check works."""
    place = state(small)
    if lock != "with-lock":
        (place / ".staging/lock").unlink()
    if lock in {"without-staging", "without-anything"}:
        shutil.rmtree(place / ".staging")
    if lock == "without-anything":
        (place / ".gitignore").unlink()
    _fill(place)
    before = read_tree(place)
    result = statebake("refresh", cwd=small)
    assert result.code == 4
    assert_no_crash(result.err)
    assert {(item.code, bool(item.next_step)) for item in shown(result.err)} <= {("SB401", True), ("SB405", True)}
    assert "No space left on device" in result.err
    assert read_tree(place) == before
    (place / "filler").unlink()
    statebake("refresh", cwd=small).ok()
    statebake("check", cwd=small).ok()


@pytest.mark.needs("mount")
def test_a_read_only_project(project: Path) -> None:
    """On a read-only file system a refresh says so and fetches nothing; check, status and a dry bake work."""
    with mounted(project, "--bind", str(project)):
        subprocess.run(["mount", "-o", "remount,ro,bind", project], check=True)
        before = read_tree(state(project))
        result = statebake("refresh", cwd=project)
        error = the_error(result.err)
        assert (result.code, error.code) == (4, "SB407")
        assert str(state(project)) in (error.where or "")
        assert "--no-refresh" in error.next_step
        assert_no_crash(result.err)
        statebake("check", cwd=project).ok()
        statebake("status", cwd=project).ok()
        statebake("bake", "pex", "--no-refresh", "--dry-run", cwd=project).ok()
        assert read_tree(state(project)) == before


@pytest.mark.needs("mount")
def test_a_read_only_project_without_state(project: Path) -> None:
    """Where the state directory is missing and cannot be made, the error is the same."""
    shutil.rmtree(state(project))
    with mounted(project, "--bind", str(project)):
        subprocess.run(["mount", "-o", "remount,ro,bind", project], check=True)
        result = statebake("refresh", cwd=project)
        error = the_error(result.err)
        assert (result.code, error.code) == (4, "SB407")
        checked = statebake("check", cwd=project)
        assert checked.code == 3
        assert {item.code for item in shown(checked.err)} == {"SB301"}


@pytest.mark.needs("mount")
def test_state_on_a_file_system_of_its_own(project: Path) -> None:
    """A state directory that is a mount of its own is refreshed like any other: staging is inside of it."""
    place = state(project)
    shutil.rmtree(place)
    place.mkdir()
    with mounted(place, "-t", "tmpfs", "tmpfs"):
        statebake("refresh", cwd=project).ok()
        statebake("check", cwd=project).ok()


@pytest.mark.needs("mount")
def test_one_key_that_cannot_be_replaced(project: Path) -> None:
    """A key directory that cannot be replaced, here a mount, fails alone and keeps its state; the other goes on."""
    place = state(project) / "Text__good__"
    with mounted(place, "--bind", str(place)):
        before = read_tree(place)
        result = statebake("refresh", cwd=project)
        error = the_error(result.err)
        assert (result.code, error.code) == (4, "SB405")
        assert_no_crash(result.err)
        assert read_tree(place) == before
        assert (state(project) / "Text__other__/state").read_text() == "new"
        statebake("check", cwd=project).ok()


# --- state that Dagster wrote ----------------------------------------------------------------------------------------


@pytest.mark.needs("dagster-1.13")
def test_state_written_by_dagster_itself(tmp_path: Path) -> None:
    """State without a record is good to bake, and a warning says that its age is not known; a refresh records it."""
    host = DAGSTER_113
    project = host.project(tmp_path, [host.text("good"), host.text("other")])
    dg = dagster_python("1.13").with_name("dg")
    path = f"{dg.parent}{os.pathsep}{os.environ['PATH']}"
    made = run([dg, "utils", "refresh-defs-state"], cwd=project, env={"PATH": path, "PYTHONPATH": str(project / "src")})
    state_dir = host.state_dir(project)
    before = read_tree(state_dir)
    assert before["Text__good__/state"] == b"good", made.out + made.err
    assert not [name for name in before if name.endswith(".statebake.json")]
    checked = statebake("check", cwd=project, env=host.env).ok()
    assert [(item.severity, item.code) for item in shown(checked.err)] == [("warning", "SB306")] * 2
    assert statebake("status", cwd=project, env=host.env).ok().out.count("unrecorded") == 2
    planned = statebake("bake", "pex", "--no-refresh", "--dry-run", cwd=project, env=host.env).ok()
    assert "depot.pex" in planned.out
    assert read_tree(state_dir) == before
    statebake("refresh", cwd=project, env=host.env).ok()
    assert shown(statebake("check", cwd=project, env=host.env).ok().err) == []
    assert json.loads((state_dir / "Text__good__/.statebake.json").read_text())["origin"] == "fetched"
    assert read_tree(state_dir)["Text__good__/state"] == b"good"
