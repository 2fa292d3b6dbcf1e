"""State that is kept although it should have been replaced: only on request, only for a while, never in silence."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from support.cli import Result, statebake
from support.hosts import ONE_DAGSTER, HostKit
from support.native import code_component, component, documents, native_project, state_dir
from support.pexes import RECORD, bake, members, state_in
from support.reports import keys_of, outcomes
from support.shown import shown
from support.trees import read_tree, write_tree

KEY = "Text[it]"
FAILS = "import os\nraise ConnectionError('no route to ' + os.environ.get('SHOP_TOKEN', 'it'))"
SECRET = "tok-5ae1c0ffee"


def record_of(key_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((key_dir / RECORD).read_text())
    return found


def let_confirmed(key_dir: Path, ago: timedelta) -> None:
    """Let a key's record say that its state was fetched and confirmed so long ago."""
    then = (datetime.now(timezone.utc) - ago).strftime("%Y-%m-%dT%H:%M:%SZ")
    record = {**record_of(key_dir), "fetched_at": then, "checked_at": then}
    (key_dir / RECORD).write_text(json.dumps(record))


def refresh(project: Path, *args: str, **env: str | None) -> Result:
    return statebake("refresh", "--on-failure", "stale", *args, cwd=project, env={"STATEBAKE_RETRIES": "0", **env})


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    """A project with state that is an hour old, whose fetch fails from now on."""
    project = native_project(tmp_path / "shop", component("it", text="good"))
    statebake("refresh", cwd=project).ok()
    let_confirmed(state_dir(project) / "Text__it__", timedelta(hours=1))
    (project / "src/shop/defs/things/defs.yaml").write_text(code_component("it", FAILS))
    return project


@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_state_is_kept(host: HostKit, tmp_path: Path) -> None:
    """The refresh succeeds, the content is untouched, and the record, status and check say how old it is and why."""
    project = host.project(tmp_path, [host.text("it", text="good"), host.text("other")])
    statebake("refresh", cwd=project, env=host.env).ok()
    place = host.state_dir(project) / "Text__it__"
    let_confirmed(place, timedelta(hours=1))
    before, record = read_tree(place), record_of(place)
    host.declare(project, [host.code("it", FAILS), host.text("other")])
    env = {**host.env, "SHOP_TOKEN": SECRET}
    result = refresh(project, "--format", "json", **env).ok()
    assert outcomes(result) == {KEY: "stale", "Text[other]": "unchanged"}
    assert keys_of(result)[KEY]["error"]["code"] == "SB401"
    assert {name: data for name, data in read_tree(place).items() if name != RECORD} == {
        name: data for name, data in before.items() if name != RECORD
    }
    now = record_of(place)
    assert now["origin"] == "kept-stale"
    assert (now["fetched_at"], now["checked_at"], now["digest"]) == tuple(
        record[name] for name in ("fetched_at", "checked_at", "digest")
    )
    assert now["stale"]["code"] == "SB401"
    assert 3600 <= now["stale"]["age_s"] < 3700
    assert "no route to ****" in now["stale"]["reason"]
    assert SECRET not in json.dumps(now) + result.out + result.err

    text = refresh(project, **env).ok()
    assert "1 stale" in text.out
    assert [(item.severity, item.code) for item in shown(text.err)] == [("warning", "SB401")]
    assert "confirmed 60 min ago, and is marked as stale" in text.err
    status = statebake("status", "--format", "json", cwd=project, env=host.env).ok()
    assert {row["key"]: row["health"] for row in status.json["projects"][0]["keys"]}[KEY] == "stale"
    assert " s before the fetch at " in statebake("status", cwd=project, env=host.env).ok().out
    check = statebake("check", cwd=project, env=host.env).ok()
    [finding] = shown(check.err)
    assert (finding.severity, finding.code) == ("warning", "SB316")
    assert "no route to ****" in finding.message

    host.declare(project, [host.text("it", text="good"), host.text("other")])
    statebake("refresh", cwd=project, env=host.env).ok()
    mended = record_of(place)
    assert (mended["origin"], "stale" in mended) == ("fetched", False)
    assert mended["fetched_at"] == record["fetched_at"]
    assert statebake("check", cwd=project, env=host.env).ok().err == ""


def test_the_age_counts_from_the_last_success(failing: Path) -> None:
    """However often a key is kept, it grows older; ``max_stale`` ends that, and the record stays as it was."""
    refresh(failing, "--max-stale", "2h").ok()
    place = state_dir(failing) / "Text__it__"
    let_confirmed(place, timedelta(hours=3))
    before = read_tree(place)
    result = refresh(failing, "--max-stale", "2h")
    assert result.code == 4
    [error] = shown(result.err)
    assert (error.severity, error.code) == ("error", "SB401")
    assert re.search(r"last confirmed 108\d\d s ago", error.message)
    assert read_tree(place) == before


def test_a_key_that_was_kept_is_fetched_again(failing: Path) -> None:
    """State that was kept as stale counts as failed, and as old as it is."""
    refresh(failing).ok()
    again = refresh(failing, "--failed", "--format", "json").ok()
    assert outcomes(again) == {KEY: "stale"}
    assert outcomes(refresh(failing, "--max-age", "30m", "--format", "json").ok()) == {KEY: "stale"}


def test_a_clock_that_was_set_back(failing: Path) -> None:
    """State that was confirmed in the future is no older than nothing, and of no age that a ``max_stale`` allows."""
    place = state_dir(failing) / "Text__it__"
    let_confirmed(place, timedelta(hours=-5))
    result = refresh(failing, "--max-stale", "1h")
    assert (result.code, "which is still to come" in result.err) == (4, True)
    refresh(failing).ok()
    assert record_of(place)["stale"]["age_s"] == 0


BROKEN = {
    "no state": lambda place: [path.unlink() for path in place.iterdir()] and place.rmdir(),
    "no record": lambda place: (place / RECORD).unlink(),
    "no record that could be read": lambda place: (place / RECORD).write_text("{"),
    "other content": lambda place: (place / "state").write_text("tampered with"),
    "no content": lambda place: (place / "state").unlink(),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_not_sound_is_not_kept(how: str, failing: Path) -> None:
    """Only state with a record of just its content goes on; anything else fails and stays as it is."""
    place = state_dir(failing) / "Text__it__"
    BROKEN[how](place)
    before = read_tree(state_dir(failing))
    result = refresh(failing)
    assert (result.code, [item.code for item in shown(result.err)]) == (4, ["SB401"])
    assert ("Its old state cannot be kept instead" in result.err) == (how != "no state")
    assert read_tree(state_dir(failing)) == before


def test_some_keys_only(tmp_path: Path) -> None:
    """The tables say which keys may be stale."""
    good = documents(component("it"), component("other"))
    project = native_project(tmp_path, good)
    write_tree(project, {"statebake.toml": 'retries = 0\n[keys."Text[it]"]\non_failure = "stale"\nmax_stale = "1h"\n'})
    statebake("refresh", cwd=project).ok()
    bad = documents(code_component("it", FAILS), code_component("other", FAILS))
    (project / "src/shop/defs/things/defs.yaml").write_text(bad)
    result = statebake("refresh", "--format", "json", cwd=project)
    assert (result.code, outcomes(result)) == (4, {KEY: "stale", "Text[other]": "failed"})


@pytest.mark.parametrize("code", ["import time\ntime.sleep(600)", "os._exit(0)", "state_path.touch()"])
def test_every_kind_of_failure(code: str, failing: Path) -> None:
    """A fetch that hangs, dies or writes nothing is as good a reason as one that raises."""
    (failing / "src/shop/defs/things/defs.yaml").write_text(code_component("it", code))
    refresh(failing, "--timeout", "1s").ok()
    assert record_of(state_dir(failing) / "Text__it__")["stale"]["code"] in {"SB411", "SB403", "SB402"}


def test_an_artifact_says_that_its_state_is_stale(failing: Path, tmp_path: Path) -> None:
    """The manifest and the record in a PEX have the age and the reason, masked; ``inspect`` shows it."""
    output = tmp_path / "out.pex"
    baked = bake(failing, output, "--on-failure", "stale", env={"STATEBAKE_RETRIES": "0", "SHOP_TOKEN": SECRET}).ok()
    assert not [name for name, data in members(output).items() if SECRET.encode() in data]
    record = json.loads(state_in(output)[f"Text__it__/{RECORD}"])
    [listed] = baked.json["projects"][0]["pex"]["manifest"]["keys"]
    for found in (record, listed):
        assert (found["origin"], found["stale"]["code"]) == ("kept-stale", "SB401")
        assert "no route to ****" in found["stale"]["reason"]
    shown_by = statebake("inspect", output, cwd=tmp_path).ok()
    assert "kept-stale" in shown_by.out
    assert "no route to" in shown_by.out + shown_by.err
