"""``--all-or-nothing``: the selected keys become new together, or none of them does."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from support.cli import clean_env, statebake
from support.killing import kill_at
from support.mounts import mounted
from support.native import code_component, component, documents, native_project, state_dir
from support.processes import finish
from support.reports import keys_of, outcomes
from support.rounds import SEED
from support.shown import shown
from support.trees import read_tree
from support.versions import Versions
from support.whole import keys_in

TOGETHER = ("--all-or-nothing",)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    return Versions(tmp_path_factory.mktemp("together"), keys=8, files=3)


@pytest.fixture
def project(template: Versions) -> Iterator[Versions]:
    template.restore()
    yield template
    template.hook.unlink(missing_ok=True)
    template.end()


def test_all_are_good(project: Versions) -> None:
    """Where no key fails, all are committed."""
    result = project.refresh("--format", "json", *TOGETHER).ok()
    assert set(outcomes(result).values()) == {"updated"}
    assert keys_in(project.state_dir) == project.new
    project.assert_whole()
    project.assert_nothing_left()
    unchanged = project.refresh("--format", "json", *TOGETHER).ok()
    assert set(outcomes(unchanged).values()) == {"unchanged"}


def test_one_fails(project: Versions) -> None:
    """One failure holds all others back: the state is as it was, and each key says what became of it."""
    before = read_tree(project.state_dir)
    project.hook.write_text("if name == '3': raise ValueError('no')\n")
    result = project.refresh("--format", "json", *TOGETHER)
    assert result.code == 4
    names = {f"Text[{number}]": "failed" if number == 3 else "held back" for number in range(8)}
    assert outcomes(result) == names
    assert keys_of(result)["Text[0]"]["note"] == "another key failed"
    assert read_tree(project.state_dir) == before
    project.assert_nothing_left()
    text = project.refresh(*TOGETHER)
    assert "7 held back, 1 failed" in text.out
    assert text.out.splitlines()[-1] == "  next: statebake refresh --failed --all-or-nothing"
    assert [item.code for item in shown(text.err)] == ["SB401"]
    project.hook.unlink()
    project.refresh(*TOGETHER).ok()
    assert keys_in(project.state_dir) == project.new


def test_what_was_held_back_is_not_forgotten(project: Versions) -> None:
    """``--failed`` after a failure is about all that did not become new."""
    project.hook.write_text("if name == '3': raise ValueError('no')\n")
    assert project.refresh(*TOGETHER).code == 4
    project.hook.unlink()
    project.refresh("--failed", *TOGETHER).ok()
    assert keys_in(project.state_dir) == project.new


def test_a_key_that_cannot_be_fetched_at_all(tmp_path: Path) -> None:
    """A selected key that is refused before any fetch holds the others back as well."""
    bad = component("bad", defs_state={"key": ".."})
    project = native_project(tmp_path, documents(component("one"), bad))
    result = statebake("refresh", "--format", "json", *TOGETHER, cwd=project)
    assert result.code == 4
    assert outcomes(result) == {"Text[one]": "held back", "..": "failed"}
    assert not list(state_dir(project).glob("Text*"))


def test_the_content_is_refused(project: Versions) -> None:
    """State that is rejected after its fetch is a failure like any other."""
    before = read_tree(project.state_dir)
    project.hook.write_text(
        "if name == '3':\n  state_path.mkdir()\n  state_path = state_path.parent.parent / 'other' / 'x'\n"
    )
    assert project.refresh(*TOGETHER).code == 4
    assert read_tree(project.state_dir) == before
    project.assert_nothing_left()


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "SB401"),
        ({"src/shop/components.py": "raise ImportError('no')"}, "SB202"),
        ({"pyproject.toml": "[project]\nname = 'shop'\n[tool.statebake]\nmodule = 'nowhere'\n"}, "SB206"),
        ({"src/shop/defs/things/defs.yaml": "type: nowhere.Nothing"}, "SB202"),
    ],
    ids=["a fetch fails", "no import", "no module", "a component that is not there"],
)
def test_several_projects(tmp_path: Path, files: dict[str, str], told: str) -> None:
    """All projects are committed, or none, whatever is wrong with one of them."""
    good = native_project(tmp_path / "good", component("one"))
    other = native_project(tmp_path / "other", documents(component("two"), code_component("bad", "raise ValueError()")))
    projects = ("--project", good, "--project", other)
    whole = ("refresh", *projects, *TOGETHER, "--retries", "0")
    for path, text in files.items():
        (other / path).write_text(text)
    result = statebake(*whole, "--format", "json", cwd=tmp_path)
    assert result.code == 4
    assert told in result.out
    held = result.json["projects"][0]["refresh"]["keys"][0]
    assert (held["outcome"], held["note"]) == ("held back", "another project failed")
    assert not list(state_dir(good).glob("Text*")) + list(state_dir(other).glob("Text*"))
    text = statebake(*whole, cwd=tmp_path).out
    assert "✗ shop: 1 held back" in text
    assert "next: mend what failed, then the same command again" in text
    assert "--failed --all-or-nothing" not in text


def test_a_project_that_nothing_is_asked_of(tmp_path: Path) -> None:
    """A project whose keys are not asked for does not hold the others back."""
    good = native_project(tmp_path / "good", component("one"))
    other = native_project(tmp_path / "other", code_component("bad", "raise ValueError()"))
    projects = ("--project", good, "--project", other)
    statebake("refresh", *projects, *TOGETHER, "--key", "Text[one]", cwd=tmp_path).ok()
    assert [path.name for path in state_dir(good).glob("Text*")] == ["Text__one__"]
    assert not state_dir(other).exists()


# --- a swap that fails -----------------------------------------------------------------------------------------------


@contextmanager
def immutable(place: Path) -> Iterator[None]:
    """Let nobody change or rename a directory."""
    subprocess.run(["chattr", "+i", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", place], check=True)


@contextmanager
def mount_point(place: Path) -> Iterator[None]:
    """Mount the state itself at its own place: a directory that cannot be renamed."""
    with mounted(place, "--bind", place):
        yield


OBSTACLES = [
    pytest.param(immutable, id="immutable", marks=pytest.mark.needs("immutable")),
    pytest.param(mount_point, id="a mount point", marks=pytest.mark.needs("mount")),
]


@pytest.mark.parametrize("obstacle", OBSTACLES)
@pytest.mark.parametrize("number", [0, 5])
def test_a_swap_that_fails(obstacle, number: int, project: Versions) -> None:
    """Where one key directory cannot be replaced, those before it are put back: all are old, and the next run works."""
    before = read_tree(project.state_dir)
    with obstacle(project.state_dir / f"Text__{number}__"):
        result = project.refresh("--format", "json", *TOGETHER)
        assert read_tree(project.state_dir) == before
        project.assert_nothing_left()
    assert result.code == 4
    assert set(outcomes(result).values()) == {"failed"}
    assert {item["error"]["code"] for item in keys_of(result).values()} <= {"SB405", "SB407"}
    project.assert_next_refresh()


@pytest.mark.needs("mount", "strace")
def test_a_swap_that_fails_where_the_way_back_is_another(project: Versions) -> None:
    """Where directories cannot be exchanged any more when those before are put back, they are renamed."""
    before = read_tree(project.state_dir)
    command = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "inject=renameat2:error=ENOSYS:when=6+",
        *project.command,
    ]
    with mount_point(project.state_dir / "Text__5__"):
        ended = subprocess.run(
            [*map(str, command), *TOGETHER],
            cwd=project.directory,
            env=clean_env(project.env),
            capture_output=True,
            check=False,
        )
        assert ended.returncode == 4
        assert read_tree(project.state_dir) == before
        project.assert_nothing_left()
    project.assert_next_refresh()


@pytest.mark.parametrize("obstacle", OBSTACLES[:1])
def test_a_confirmation_that_fails(obstacle, project: Versions) -> None:
    """Where the record of an unchanged key cannot be written, no other key becomes new."""
    project.hook.write_text("version = 'old' if name == '5' else version\n")
    before = keys_in(project.state_dir)
    with obstacle(project.state_dir / "Text__5__"):
        assert project.refresh(*TOGETHER).code == 4
        assert keys_in(project.state_dir) == before
        project.assert_nothing_left()
    project.assert_whole()
    project.assert_next_refresh()


# --- a tool that is killed -------------------------------------------------------------------------------------------

ROUNDS = 5
SLOW_COMMITS = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "signal=none"]
SLOW_COMMITS += ["-e", "trace=renameat2,fsync", "-e", "inject=renameat2:delay_exit=15000"]


@pytest.mark.needs("strace")
def test_killed_while_all_are_committed(project: Versions, capsys: pytest.CaptureFixture[str]) -> None:
    """After ``kill -9`` in the middle of the commits, the next start makes all keys old or all keys new."""
    random, seen = Random(SEED), {"old": 0, "new": 0, "mixed before the next start": 0}
    before = keys_in(project.state_dir)
    project.hook.write_text("")
    fails = "raise ValueError('so that the next run brings nothing new')"
    journal = "*/~journal.json"
    for _ in range(ROUNDS):
        project.restore()
        project.hook.write_text("")
        process = subprocess.Popen(
            [*SLOW_COMMITS, *map(str, project.command), *TOGETHER],
            cwd=project.directory,
            env=clean_env(project.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        staging = project.state_dir / ".staging"
        while not list(staging.glob(journal)) and process.poll() is None:
            time.sleep(0.002)
        time.sleep(random.random() * 0.16)
        project.end()
        process.kill()
        process.wait()
        project.assert_no_process()  # what is dying still holds the lock
        found = keys_in(project.state_dir)
        seen["mixed before the next start"] += found not in (project.old, project.new)
        project.hook.write_text(fails)
        result = project.refresh("--retries", "0")
        assert result.code == 4
        assert "SB406" not in result.err, result.err
        found = keys_in(project.state_dir)
        assert found in (project.old, project.new), f"seed {SEED}"
        seen["old" if found == project.old else "new"] += 1
        project.assert_whole()
        project.assert_nothing_left()
    with capsys.disabled():
        print(f"\nseed {SEED}: {seen}")
    assert before == project.old
    assert seen["mixed before the next start"], "no kill hit the commits: the test has shown nothing"


def test_killed_at_any_moment(project: Versions) -> None:
    """A kill before the commits leaves all keys old."""
    for fraction in (0.4, 0.8):
        project.restore()
        kill_at([*project.command, *TOGETHER], fraction * project.seconds, cwd=project.directory, env=project.env)
        project.assert_no_process()
        project.hook.write_text("raise ValueError('nothing new')")
        project.refresh("--retries", "0")
        project.hook.unlink()
        assert keys_in(project.state_dir) in (project.old, project.new)


def test_interrupted(project: Versions, tmp_path: Path) -> None:
    """An interrupt before all are fetched leaves all keys old."""
    begun = tmp_path / "begun"
    project.hook.write_text(f"if name == '7':\n  Path({str(begun)!r}).touch()\n  import time\n  time.sleep(600)\n")
    process = project.start(*TOGETHER)
    while not begun.exists():
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert finish(process, timeout=20).code == 130
    assert keys_in(project.state_dir) == project.old
    project.assert_nothing_left()
