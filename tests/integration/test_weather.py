"""The native example, end to end: the real service, the real command, the real PEX."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.cli import run, statebake
from support.pexes import (
    CACHE_ENV,
    OFFLINE,
    bake,
    copy_example,
    digests,
    distributions,
    members,
    pex_info,
    rewrite,
    run_pex,
    state_in,
)
from support.service import NEW_STATION, Service
from support.trees import read_tree

KEYS = ["ForecastsComponent[all]", "StationsComponent[north]", "StationsComponent[south]"]
STATE = "src/weather/defs/.local_defs_state"


@dataclass(frozen=True)
class Baked:
    """The example after a bake, with its service stopped and its project moved away."""

    pex: Path
    project: Path
    report: dict
    digests: dict[str, str]


@pytest.fixture(scope="module")
def baked(tmp_path_factory):
    """Refresh, check, bake; then take away everything but the PEX."""
    root = tmp_path_factory.mktemp("weather")
    project = copy_example("weather", root / "weather")
    with Service.start(root) as service:
        statebake("refresh", "--project", project, cwd=root, env=service.env).ok()
        check = statebake("check", "--project", project, "--format", "json", cwd=root).ok()
        assert check.json["projects"][0]["check"] == {"ok": True, "keys": 3, "findings": []}
        report = bake(project, root / "weather.pex", env=service.env).ok().json["projects"][0]
    (root / "weather.db").unlink()
    before = digests(read_tree(project / STATE))
    return Baked(root / "weather.pex", project.rename(root / "moved away"), report, before)


@pytest.mark.needs("namespaces")
def test_runs_from_the_pex_alone(baked, tmp_path):
    """With the service stopped, the project gone and no network, the PEX prints what the service once said."""
    result = run_pex(baked.pex, home=tmp_path, prefix=OFFLINE).ok()
    for name in ("Fjellgard", "Østervik", "Campo Lucente", "Salinella"):
        assert name in result.out


@pytest.mark.needs("namespaces")
@pytest.mark.parametrize("dev", [None, "1"])
def test_never_fetches(baked, tmp_path, dev):
    """A baked program connects to nothing, whatever STATEBAKE_DEV says."""
    result = run_pex(baked.pex, "--json", home=tmp_path, prefix=OFFLINE, env={"STATEBAKE_DEV": dev}).ok()
    built = json.loads(result.out)
    assert (len(built["stations"]), len(built["forecasts"]), built["connections"]) == (8, 8, 0)
    assert [entry["key"] for entry in built["state"]] == KEYS


def test_never_fetches_with_everything_at_hand(baked, service, tmp_path):
    """Even where the service answers and development is on, a baked program shows what was baked."""
    service.post("/stations", NEW_STATION)
    result = run_pex(baked.pex, "--json", home=tmp_path, env={**service.env, "STATEBAKE_DEV": "1"}).ok()
    built = json.loads(result.out)
    assert NEW_STATION["id"] not in {station["id"] for station in built["stations"]}
    assert built["connections"] == 0


def test_carries_the_runtime_and_no_more(baked):
    """The PEX is small: PyYAML, statebake's runtime part, the project, its state."""
    assert baked.pex.stat().st_size < 3_000_000
    assert set(distributions(baked.pex)) == {"pyyaml", "statebake"}
    names = members(baked.pex)
    inside = {name.split("/")[3] for name in names if name.startswith(".deps/statebake-") and "/statebake/" in name}
    assert inside == {"__init__.py", "errors.py", "py.typed", "model", "runtime"}
    build_time = ("pex", "docker", "rich", "click", "jinja2", "packaging", "pathspec", "tomli", "pip")
    for name in names:
        parts = name.split("/")
        assert parts[0] in {".bootstrap", ".deps", "PEX-INFO", "__main__.py", "__pex__", "weather"}
        if parts[0] == ".deps":
            assert parts[2] not in build_time
    text = b"".join(content for name, content in names.items() if not name.startswith(".bootstrap/"))
    assert b"WEATHER_TOKEN" in text  # its name is in defs.yaml
    assert b"token-of-the-test-service" not in text


def test_report(baked):
    """The report of a bake says what was written, and has the manifest that is inside."""
    pex = baked.report["pex"]
    assert (pex["output"], pex["bytes"]) == (str(baked.pex), baked.pex.stat().st_size)
    assert pex["manifest"] == json.loads(state_in(baked.pex)["statebake-manifest.json"])
    assert [record["key"] for record in pex["manifest"]["keys"]] == KEYS
    assert pex["dependencies"]["locked"] is False
    assert pex_info(baked.pex)["entry_point"] == "weather"


def test_digests(baked):
    """Every key in the PEX has the work tree's digest, counted without statebake."""
    inside = digests(state_in(baked.pex))
    assert inside == baked.digests
    records = {record["key"]: record["digest"] for record in baked.report["pex"]["manifest"]["keys"]}
    assert sorted(records.values()) == sorted(inside.values())


def test_inspect(baked, tmp_path):
    """``inspect`` reads keys, digests and sizes from the file, as text and as JSON."""
    text = statebake("inspect", baked.pex, cwd=tmp_path).ok().out
    for key in KEYS:
        assert key in text
    assert "differs" not in text
    document = statebake("inspect", baked.pex, "--format", "json", cwd=tmp_path).ok().json
    [state] = document["states"]
    assert state["path"] == "weather/defs/.local_defs_state"
    assert state["error"] is None
    assert {key["key"]: key["proved"] for key in state["keys"]} == dict.fromkeys(KEYS, True)
    assert sorted(key["digest"] for key in state["keys"]) == sorted(baked.digests.values())
    shared = state["manifest"]["keys"][0]
    assert [component["declared_at"].rpartition("/")[2] for component in shared["components"]] == [
        "defs.yaml:2",
        "defs.yaml:8",
    ]
    for record in state["manifest"]["keys"]:
        assert not {"checked_at", "duration_s"} & set(record)


def _changed(name, content):
    return content.replace(b"Fjellgard", b"Fjellgarb") if name.endswith("StationsComponent__north__/state") else content


def _without_key(name, content):
    return None if "/StationsComponent__south__/" in name else content


def _without_file(name, content):
    return None if name.endswith("/stations/hallbekk.json") else content


@pytest.mark.parametrize(
    ("change", "key"),
    [(_changed, KEYS[1]), (_without_key, KEYS[2]), (_without_file, KEYS[0])],
    ids=["a byte", "a key", "a file"],
)
def test_inspect_notices_tampering(baked, tmp_path, change, key):
    """A PEX whose state is not what its manifest says makes ``inspect`` end with 3 and name the key."""
    tampered = rewrite(baked.pex, tmp_path / "tampered.pex", change)
    result = statebake("inspect", tampered, cwd=tmp_path)
    assert result.code == 3
    assert key in result.err
    [state] = statebake("inspect", tampered, "--format", "json", cwd=tmp_path).json["states"]
    assert [item["key"] for item in state["keys"] if not item["proved"]] == [key]
    assert state["error"]["code"] == "SB313"


def test_inspect_notices_a_foreign_key(baked, tmp_path):
    """State in a PEX that no expected key explains makes ``inspect`` end with 3."""
    import zipfile

    tampered = Path(shutil.copy(baked.pex, tmp_path / "tampered.pex"))
    with zipfile.ZipFile(tampered, "a") as archive:
        archive.writestr("weather/defs/.local_defs_state/Stowaway/state", "x")
    result = statebake("inspect", tampered, cwd=tmp_path)
    assert result.code == 3
    assert "Stowaway" in result.err


def test_new_state_reuses_dependencies(service, tmp_path):
    """A second bake shows what the service says now, without resolving again."""
    project = copy_example("weather", tmp_path / "weather")
    cache = {"STATEBAKE_CACHE_DIR": str(tmp_path / "cache")}
    first = bake(project, tmp_path / "1.pex", env={**service.env, **cache}).ok().json["projects"][0]
    service.post("/stations", NEW_STATION)
    second = bake(project, tmp_path / "2.pex", env={**service.env, **cache}).ok().json["projects"][0]
    assert first["pex"]["dependencies"]["reused"] is False
    assert second["pex"]["dependencies"]["reused"] is True
    outcomes = {key["key"]: key["outcome"] for key in second["refresh"]["keys"]}
    assert outcomes == {KEYS[0]: "updated", KEYS[1]: "updated", KEYS[2]: "unchanged"}
    # One PEX_ROOT for both: a warm cache must not serve the old state.
    assert NEW_STATION["name"] not in run_pex(tmp_path / "1.pex", home=tmp_path / "home").ok().out
    assert NEW_STATION["name"] in run_pex(tmp_path / "2.pex", home=tmp_path / "home").ok().out


def test_same_state_same_bytes(service, tmp_path):
    """A refetch of the same bytes bakes the same file: later, elsewhere, with other times and modes."""
    project = copy_example("weather", tmp_path / "weather")
    first = bake(project, tmp_path / "1.pex", env=service.env).ok()
    records = read_tree(project / STATE)
    elsewhere = tmp_path / "some where else" / "копия"
    shutil.copytree(project, elsewhere)
    for path in elsewhere.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o700)
    time.sleep(1.1)  # records have whole seconds

    refetched = bake(project, tmp_path / "2.pex", env=service.env).ok()
    assert {key["outcome"] for key in refetched.json["projects"][0]["refresh"]["keys"]} == {"unchanged"}
    assert read_tree(project / STATE) != records  # the confirmation is new, and stays in the work tree
    assert (tmp_path / "2.pex").read_bytes() == (tmp_path / "1.pex").read_bytes()

    other = bake(elsewhere, tmp_path / "3.pex", "--no-refresh", env={"TZ": "Asia/Tokyo"}).ok()
    assert (tmp_path / "3.pex").read_bytes() == (tmp_path / "1.pex").read_bytes()
    assert other.json["projects"][0]["pex"]["manifest"] == first.json["projects"][0]["pex"]["manifest"]


def test_dev_refreshes(service, tmp_path):
    """``statebake dev`` refreshes at each load, and says what the service says now."""
    project = copy_example("weather", tmp_path / "weather")
    env = {**service.env, **CACHE_ENV, "PYTHONPATH": str(project / "src")}
    command = ("dev", "--", sys.executable, "-m", "weather", "--json")

    def stations():
        built = json.loads(statebake(*command, cwd=tmp_path, env=env).ok().out)
        return {station["id"] for station in built["stations"]}

    assert len(stations()) == 8
    service.post("/stations", NEW_STATION)
    assert NEW_STATION["id"] in stations()
    statebake("check", "--project", project, cwd=tmp_path).ok()

    service.stop()
    result = statebake(*command, cwd=tmp_path, env=env).ok()
    assert NEW_STATION["id"] in result.out  # the last good state serves
    assert "last good state" in result.err


def test_without_dev_only_reads(service, tmp_path):
    """Outside of development a program reads what the last refresh brought, and needs no service."""
    project = copy_example("weather", tmp_path / "weather")
    statebake("refresh", "--project", project, cwd=tmp_path, env=service.env).ok()
    service.post("/stations", NEW_STATION)
    env = {**service.env, "PYTHONPATH": str(project / "src")}
    result = run([sys.executable, "-m", "weather", "--json"], cwd=tmp_path, env=env).ok()
    built = json.loads(result.out)
    assert (len(built["stations"]), built["connections"]) == (8, 0)


def test_token_stays_outside(service, tmp_path):
    """A refused token fails the refresh, no output repeats it, and the bake that asked for it writes nothing."""
    project = copy_example("weather", tmp_path / "weather")
    env = {**service.env, "WEATHER_TOKEN": "not-the-right-token"}
    result = bake(project, tmp_path / "x.pex", env=env)
    assert result.code == 4
    assert not (tmp_path / "x.pex").exists()
    assert "not-the-right-token" not in result.out + result.err
