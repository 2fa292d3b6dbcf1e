"""Fetching only what is needed: what is old, what was selected, what failed last; unchanged state is left alone."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from support.cli import Result, statebake
from support.hosts import ONE_DAGSTER, HostKit
from support.native import code_component, component, documents, native_project, state_dir
from support.pexes import RECORD
from support.processes import finish, start_statebake, wait_until
from support.reports import keys_of, outcomes
from support.shown import assert_no_crash, the_error
from support.trees import read_tree, write_tree
from support.workspaces import workspace


def let_confirmed(key_dir: Path, ago: timedelta) -> None:
    """Let a key's record say that its state was fetched and confirmed so long ago."""
    path = key_dir / RECORD
    record = json.loads(path.read_text())
    then = (datetime.now(timezone.utc) - ago).strftime("%Y-%m-%dT%H:%M:%SZ")
    path.write_text(json.dumps({**record, "fetched_at": then, "checked_at": then}))


def fetched(result: Result) -> set[str]:
    """Return the names of the keys that were fetched."""
    assert result.code == 0, result.err
    return {key[5:-1] for key, outcome in outcomes(result).items() if outcome != "skipped"}


def refresh(project: Path, *args: str, host: HostKit | None = None) -> Result:
    return statebake("refresh", "--format", "json", *args, cwd=project, env=host.env if host else None)


# --- age -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_only_what_is_old(host: HostKit, tmp_path: Path) -> None:
    """``--max-age`` skips fresh keys, and fetches those that are old, broken, unrecorded or from the future."""
    names = ("fresh", "old", "changed", "unrecorded", "bad-record", "future", "missing")
    project = host.project(tmp_path, [host.text(name) for name in names])
    assert fetched(refresh(project, "--max-age", "1h", host=host)) == set(names)
    assert fetched(refresh(project, "--max-age", "1h", host=host)) == set()
    places = {name: host.state_dir(project) / f"Text__{name}__" for name in names}
    let_confirmed(places["fresh"], timedelta(minutes=50))
    let_confirmed(places["old"], timedelta(minutes=70))
    let_confirmed(places["future"], timedelta(hours=-2))
    (places["changed"] / "state").write_text("tampered with")
    (places["unrecorded"] / RECORD).unlink()
    (places["bad-record"] / RECORD).write_text("{")
    (places["missing"] / "state").unlink()
    before = read_tree(places["fresh"])
    result = refresh(project, "--max-age", "1h", host=host)
    assert fetched(result) == set(names) - {"fresh"}
    assert read_tree(places["fresh"]) == before
    fresh = keys_of(result)["Text[fresh]"]
    assert (fresh["outcome"], fresh["note"], fresh["attempts"]) == ("skipped", "fresh", 0)
    assert fetched(refresh(project, host=host)) == set(names)


def test_ages_for_some_keys(tmp_path: Path) -> None:
    """``max_age`` holds for the keys whose table has it."""
    project = native_project(tmp_path, documents(component("slow"), component("other")))
    write_tree(project, {"statebake.toml": '[keys."Text[slow]"]\nmax_age = "1h"\n'})
    refresh(project).ok()
    assert fetched(refresh(project)) == {"other"}
    assert fetched(refresh(project, "--max-age", "1h")) == set()
    assert fetched(refresh(project, "--max-age", "0s")) == {"slow", "other"}


def test_settings_that_do_nothing(tmp_path: Path) -> None:
    """A misspelt pattern is told of by a refresh, by its plan and by a check, and fails none of them."""
    project = native_project(tmp_path, documents(component("slow")))
    write_tree(project, {"statebake.toml": '[keys."Text[solw]"]\nmax_age = "1h"\n'})
    for command in (["refresh", "--dry-run"], ["refresh"], ["check"]):
        result = statebake(*command, cwd=project).ok()
        assert 'warning[SB118]: keys."Text[solw]" matches no key' in result.err
        [shop] = json.loads(statebake(*command, "--format", "json", cwd=project).ok().out)["projects"]
        [told] = (shop.get("check") or shop)["findings"]
        assert (told["code"], told["where"]) == ("SB118", "statebake.toml:2")


def test_a_key_that_is_named_is_fetched(tmp_path: Path) -> None:
    """Though it is fresh by the configuration: so what a check advises is done. ``--max-age`` beside it counts."""
    project = native_project(tmp_path, documents(component("it"), component("other")))
    write_tree(project, {"statebake.toml": 'max_age = "1h"\n'})
    refresh(project).ok()
    assert fetched(refresh(project)) == set()
    assert fetched(refresh(project, "--key", "Text[it]")) == {"it"}
    assert fetched(refresh(project, "--key", "Text[it]", "--max-age", "1h")) == set()


def test_fresh_keys_on_a_terminal(tmp_path: Path) -> None:
    """A run that skips everything says so."""
    project = native_project(tmp_path, documents(component("one"), component("two")))
    refresh(project).ok()
    result = statebake("refresh", "--max-age", "1h", "--verbose", cwd=project).ok()
    assert "Text[one]  skipped: fresh, confirmed" in result.out
    assert "2 skipped" in result.out


# --- unchanged -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_the_same_bytes_again(host: HostKit, tmp_path: Path) -> None:
    """Unchanged state keeps its directory, its files, their times and when it was fetched; only the check is new."""
    text = "state_path.mkdir()\n(state_path / 'a').write_text('a')\n(state_path.parent / 'beside').write_text('b')"
    project = host.project(tmp_path, [host.code("it", text)])
    refresh(project, host=host).ok()
    place = host.state_dir(project) / "Text__it__"
    let_confirmed(place, timedelta(days=3))
    for path in (place / "state/a", place / "beside"):
        os.utime(path, (10**9, 10**9))

    def identities() -> dict[str, tuple[int, int]]:
        paths = (place, place / "state", place / "state/a", place / "beside")
        return {path.name: (path.stat().st_ino, 0 if path.is_dir() else path.stat().st_mtime_ns) for path in paths}

    before, record = identities(), json.loads((place / RECORD).read_text())
    result = refresh(project, host=host).ok()
    assert outcomes(result) == {"Text[it]": "unchanged"}
    assert identities() == before
    after = json.loads((place / RECORD).read_text())
    assert after["fetched_at"] == record["fetched_at"]
    assert after["checked_at"] > record["checked_at"]


# --- selection -------------------------------------------------------------------------------------------------------


SELECTIONS = {
    "pattern": (["--select", "Text[t*]"], {"two", "three"}),
    "key only": (["--select", "key:Text[o*]"], {"one"}),
    "file": (["--select", "path:src/shop/defs/more/defs.yaml"], {"four"}),
    "several": (["--select", "Text[one] Text[four]"], {"one", "four"}),
    "both": (["--key", "Text[two]", "--key", "Text[one]", "--select", "Code"], {"two"}),
    "strategy": (["--management-type", "LOCAL_FILESYSTEM"], {"one", "two", "three", "four"}),
}


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose keys are worth selecting; a test may refresh it."""
    texts = [component("one"), code_component("two", "state_path.write_text('x')"), component("three")]
    files = {"src/shop/defs/more/defs.yaml": component("four")}
    return native_project(tmp_path_factory.mktemp("chosen"), documents(*texts), files)


@pytest.mark.parametrize(("args", "names"), SELECTIONS.values(), ids=list(SELECTIONS))
def test_a_selection(args: list[str], names: set[str], chosen: Path) -> None:
    """Each form selects the keys that it describes, and nothing else is fetched or shown."""
    result = statebake("refresh", "--dry-run", "--format", "json", *args, cwd=chosen).ok()
    plan = result.json["projects"][0]["refresh_plan"]
    assert {item["key"][5:-1] for item in plan["fetches"]} == names


def test_a_selection_of_a_strategy_that_nothing_has(chosen: Path) -> None:
    """Where nothing is left to do, the command says so, and does not claim that there are no components."""
    result = statebake("refresh", "--management-type", "VERSIONED_STATE_STORAGE", cwd=chosen).ok()
    assert "no state-backed components" not in result.out
    assert "nothing to refresh" in result.out


@pytest.mark.parametrize("args", [("--select", "Text[onne]"), ("--key", "Text[onne]")])
def test_a_selection_that_matches_nothing(args: tuple[str, str], chosen: Path) -> None:
    """What no component has is an error before anything is fetched, with what was perhaps meant."""
    result = statebake("refresh", *args, "--key", "Text[two]", cwd=chosen)
    error = the_error(result.err)
    assert (result.code, error.code) == (2, "SB110")
    assert "Text[one]" in error.message


@pytest.fixture
def two_projects(tmp_path: Path) -> Path:
    return workspace(
        tmp_path,
        {
            "sales": documents(component("one"), component("both", text="sales")),
            "finance": documents(code_component("two", "state_path.write_text('x')"), component("both")),
        },
    )


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--select", "Text[one]"], {"sales": ["Text[one]"]}),
        (["--select", "Text[one] Code"], {"sales": ["Text[one]"], "finance": ["Text[two]"]}),
        (["--key", "Text[two]", "--key", "Text[one]"], {"sales": ["Text[one]"], "finance": ["Text[two]"]}),
        (["--key", "Text[both]", "--select", "type:Text"], {"sales": ["Text[both]"], "finance": ["Text[both]"]}),
    ],
)
def test_a_selection_over_a_workspace(args: list[str], expected: dict[str, list[str]], two_projects: Path) -> None:
    """A selection is about the projects that have something of it; the others are left alone."""
    result = statebake("refresh", "--format", "json", *args, cwd=two_projects).ok()
    found = {
        project["project"]: [item["key"] for item in project["refresh"]["keys"]]
        for project in result.json["projects"]
        if "refresh" in project
    }
    assert found == expected
    assert {name for name in ("sales", "finance") if state_dir(two_projects / name).exists()} == set(expected)


def test_a_selection_that_no_project_of_a_workspace_has(two_projects: Path) -> None:
    """It is an error of the whole command, with the keys of all projects, before anything is fetched."""
    result = statebake("refresh", "--select", "Text[one]", "--key", "Text[tvo]", cwd=two_projects)
    error = the_error(result.err)
    assert (result.code, error.code) == (2, "SB110")
    assert "Text[two]" in error.message
    assert not state_dir(two_projects / "sales").exists()


def test_a_selection_beside_a_project_that_is_broken(two_projects: Path) -> None:
    """A pattern that no project matches is not excused by a project that cannot be loaded."""
    write_tree(two_projects / "finance", {"src/shop/__init__.py": "raise ValueError('at import')\n"})
    result = statebake("refresh", "--select", "Text[one]", cwd=two_projects)
    assert (result.code, the_error(result.err).code) == (2, "SB206")
    assert (state_dir(two_projects / "sales") / "Text__one__/state").exists()


# --- what failed last ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_only_what_failed(host: HostKit, tmp_path: Path) -> None:
    """``--failed`` fetches nothing, then what failed, and nothing again when that is mended."""
    good = [host.text(name) for name in ("one", "two", "three")]
    project = host.project(tmp_path, good)
    refresh(project, host=host).ok()
    nothing = statebake("refresh", "--failed", cwd=project, env=host.env).ok()
    assert "nothing to refresh" in nothing.out
    host.declare(project, [good[0], host.code("two", "raise ValueError('no')"), good[2]])
    assert refresh(project, host=host).code == 4
    again = refresh(project, "--failed", host=host)
    assert (again.code, outcomes(again)) == (4, {"Text[two]": "failed"})
    assert refresh(project, "--key", "Text[one]", host=host).code == 0
    assert outcomes(refresh(project, "--failed", host=host)) == {"Text[two]": "failed"}
    host.declare(project, good)
    assert outcomes(refresh(project, "--failed", host=host).ok()) == {"Text[two]": "unchanged"}
    assert outcomes(refresh(project, "--failed", host=host).ok()) == {}


def test_what_failed_and_is_gone(tmp_path: Path) -> None:
    """A key that failed and has no component any more is not asked for."""
    project = native_project(tmp_path, documents(component("one"), code_component("two", "raise ValueError('no')")))
    assert refresh(project).code == 4
    (project / "src/shop/defs/things/defs.yaml").write_text(component("one"))
    assert outcomes(refresh(project, "--failed").ok()) == {}


def test_what_cannot_be_fetched_failed_as_well(tmp_path: Path) -> None:
    """A key that collides fails each time, so ``--failed`` does not pass over it."""
    project = native_project(tmp_path, documents(component("a/b"), component("a?b"), component("c")))
    assert refresh(project).code == 4
    result = refresh(project, "--failed")
    assert result.code == 4
    assert set(outcomes(result)) == {"Text[a/b]", "Text[a?b]"}


def test_what_failed_in_a_run_that_was_interrupted(tmp_path: Path) -> None:
    """What failed before the interrupt is remembered, and so is what the interrupted run did not come to."""
    texts = (code_component("fails", "raise ValueError('no')"), code_component("waits", "raise ValueError('no')"))
    project = native_project(tmp_path / "it", documents(*texts))
    assert refresh(project).code == 4
    hang = f"Path({str(tmp_path / 'begun')!r}).touch()\nimport time\ntime.sleep(600)"
    texts = (texts[0], code_component("waits", hang), code_component("new", "raise ValueError('no')"))
    (project / "src/shop/defs/things/defs.yaml").write_text(documents(*texts))
    process = start_statebake("refresh", cwd=project, env={})
    wait_until((tmp_path / "begun").exists, "the fetch")
    time.sleep(0.5)  # the other two end
    process.send_signal(signal.SIGINT)
    result = finish(process, timeout=20)
    assert result.code == 130
    assert_no_crash(result.err)
    write_tree(
        project, {"src/shop/defs/things/defs.yaml": documents(*(component(n) for n in ("fails", "waits", "new")))}
    )
    assert set(outcomes(refresh(project, "--failed").ok())) == {"Text[fails]", "Text[waits]", "Text[new]"}


@pytest.mark.parametrize("text", ['{"failed": {"Text[one]": null}}', "\xff"])
def test_a_list_of_failures_that_is_none(text: str, tmp_path: Path) -> None:
    """Where it cannot be known what failed, everything is fetched: silence would be taken for success."""
    project = native_project(tmp_path, component("one"))
    refresh(project).ok()
    (state_dir(project) / ".staging/last.json").write_bytes(text.encode("latin-1"))
    assert set(outcomes(refresh(project, "--failed").ok())) == {"Text[one]"}
