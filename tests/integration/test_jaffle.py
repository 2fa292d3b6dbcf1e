"""The Dagster example, end to end: a real dbt project and an HTTP service, on real Dagster."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from statebake.config import load_toml
from support.cli import run, statebake
from support.dagster import dagster_python
from support.pexes import (
    OFFLINE,
    bake,
    copy_example,
    digests,
    members,
    pex_info,
    run_pex,
    state_in,
)
from support.service import Service
from support.trees import read_tree

KEYS = ["DbtProjectComponent[dbt]", "WeatherStationsComponent[north]", "WeatherStationsComponent[south]"]
STATE = "src/jaffle/defs/.local_defs_state"
DBT_ASSETS = {
    *("raw_customers", "raw_orders", "raw_payments"),
    *("stg_customers", "stg_orders", "stg_payments"),
    *("customers", "orders", "daily_revenue"),
}
OWN_ASSETS = {"menu", "weekly_letter"}


def with_dagster(version):
    return {"STATEBAKE_PYTHON": str(dagster_python(version))}


@dataclass(frozen=True)
class Baked:
    """The example after a bake: its sources moved away, its service stopped, its PEX once started."""

    pex: Path
    project: Path
    refreshed: list[dict]
    report: dict
    checked: dict
    digests: dict[str, str]
    home: Path


@pytest.fixture(scope="session")
def baked(tmp_path_factory):
    """Refresh, check and bake on Dagster 1.13; then take away everything but the PEX."""
    root = tmp_path_factory.mktemp("jaffle")
    project = copy_example("jaffle", root / "jaffle")
    with Service.start(root) as service:
        env = {**service.env, **with_dagster("1.13")}
        refreshed = statebake("refresh", "--project", project, "--format", "json", cwd=root, env=env).ok().json
    quiet = with_dagster("1.13")  # the service is gone: nothing that follows may fetch
    check = statebake("check", "--project", project, "--format", "json", cwd=root, env=quiet).ok().json
    report = bake(project, root / "jaffle.pex", "--no-refresh", env=quiet).ok().json
    before = digests(read_tree(project / STATE))
    return Baked(
        pex=root / "jaffle.pex",
        project=project.rename(root / "moved away"),
        refreshed=refreshed["projects"][0]["refresh"]["keys"],
        report=report["projects"][0],
        checked=check["projects"][0]["check"],
        digests=before,
        home=root / "home",
    )


def assets(out):
    return {line for line in out.split() if line}


@pytest.mark.needs("dagster-1.13")
def test_check(baked):
    """After a refresh, every key of the example has its state."""
    assert baked.checked == {"ok": True, "keys": 3, "findings": []}


@pytest.mark.needs("dagster-1.13")
def test_nothing_is_taken_for_a_secret(baked):
    """The search for secrets finds nothing in the example's state, nor in its PEX, with dbt and Dagster in it."""
    assert {key["key"]: key["warnings"] for key in baked.refreshed} == {key: [] for key in KEYS}
    [report] = baked.report["verification"]["reports"]
    assert report["findings"] == []
    assert [check for check in report["checks"] if "searched for" in check]


@pytest.mark.needs("dagster-1.13", "namespaces")
def test_lists_its_assets_from_the_pex_alone(baked):
    """With the sources gone, the service stopped and no network, the PEX lists the assets that state is for."""
    command = ("asset", "list", "-m", "jaffle.definitions", "--select", "*")
    listed = assets(run_pex(baked.pex, *command, home=baked.home, prefix=OFFLINE).ok().out)
    assert listed >= DBT_ASSETS | OWN_ASSETS
    assert {"weather/ostervik", "weather/porto_sereno"} <= listed
    assert len(listed) == 9 + 2 + 8


@pytest.mark.needs("dagster-1.13", "namespaces")
def test_loads_where_nothing_can_be_written(baked, tmp_path):
    """Unpacked as an image would have it, on a read-only file system, the definitions load."""
    venv = tmp_path / "image" / "venv"
    tools = {"PEX_TOOLS": "1", "PEX_ROOT": str(tmp_path / "pex-root")}
    run([sys.executable, baked.pex, "venv", "--collisions-ok", venv], cwd=tmp_path, env=tools).ok()
    shutil.rmtree(tmp_path / "pex-root")
    # A mount of its own, read-only; then a probe that it is one.
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && ! touch "$1/x" 2>/dev/null && shift && "$@"'
    command = [
        *("unshare", "-rmn", "sh", "-c", script, "sh", tmp_path / "image", venv / "bin" / "dagster"),
        *("asset", "list", "-m", "jaffle.definitions"),
    ]
    home = tmp_path / "home"
    home.mkdir()
    result = run(command, cwd=home, env={"HOME": str(home), "DAGSTER_HOME": None}).ok()
    assert assets(result.out) >= DBT_ASSETS | OWN_ASSETS


@pytest.mark.needs("dagster-1.13", "namespaces")
def test_loads_in_a_code_server(baked):
    """Dagster's own subprocesses, which it starts by ``sys.executable``, load the code location from the PEX too."""
    command = ("definitions", "validate", "-m", "jaffle.definitions")
    result = run_pex(baked.pex, *command, home=baked.home, prefix=OFFLINE).ok()
    assert "All code locations passed validation" in result.out + result.err


@pytest.mark.needs("dagster-1.13")
def test_digests(baked, tmp_path):
    """Every key in the PEX has the work tree's digest, and ``inspect`` proves it without running it."""
    assert digests(state_in(baked.pex)) == baked.digests
    [state] = statebake("inspect", baked.pex, "--format", "json", cwd=tmp_path).ok().json["states"]
    assert {key["key"]: key["proved"] for key in state["keys"]} == dict.fromkeys(KEYS, True)
    assert state["path"] == "jaffle/defs/.local_defs_state"
    assert state["error"] is None
    assert sorted(key["digest"] for key in state["keys"]) == sorted(baked.digests.values())


@pytest.mark.needs("dagster-1.13")
def test_what_is_inside(baked, tmp_path):
    """The PEX has the project, its state and what Dagster looks for; not the dbt sources, nor statebake."""
    names = members(baked.pex)
    own = {name.split("/")[0] for name in names} - {".bootstrap", ".deps", "PEX-INFO", "__main__.py", "__pex__"}
    assert own == {"jaffle", "pyproject.toml"}
    config = tmp_path / "pyproject.toml"
    config.write_bytes(names["pyproject.toml"])
    assert load_toml(config).data["tool"]["dg"]["project"] == {
        "root_module": "jaffle",
        "registry_modules": ["jaffle.components.*"],
        "code_location_name": "jaffle",
    }
    info = pex_info(baked.pex)
    assert info["entry_point"] == "dagster"
    assert info["venv"] is True
    distributions = {name.split("-")[0].lower() for name in info["distributions"]}
    assert {"dagster", "dagster_dbt", "dbt_core", "dbt_duckdb"} <= distributions
    assert not {"statebake", "pex", "docker", "jaffle"} & distributions
    dbt = {name for name in state_in(baked.pex) if name.startswith("DbtProjectComponent__dbt__/project/")}
    assert "DbtProjectComponent__dbt__/project/target/manifest.json" in dbt
    assert not [name for name in dbt if "/logs/" in name or name.endswith(".duckdb")]


@pytest.mark.needs("dagster-1.12")
def test_refresh_and_check_on_dagster_1_12(service, tmp_path):
    """On Dagster 1.12 the same project is discovered, refreshed and checked, and Dagster reads what was written."""
    project = copy_example("jaffle", tmp_path / "jaffle")
    env = {**service.env, **with_dagster("1.12")}
    refreshed = statebake("refresh", "--project", project, "--format", "json", cwd=tmp_path, env=env).ok()
    outcomes = {key["key"]: key["outcome"] for key in refreshed.json["projects"][0]["refresh"]["keys"]}
    assert outcomes == dict.fromkeys(KEYS, "updated")
    service.stop()

    status = statebake("status", "--project", project, "--format", "json", cwd=tmp_path, env=with_dagster("1.12"))
    found = status.ok().json["projects"][0]
    assert found["host"].startswith("dagster 1.12.")
    assert {key["key"]: key["health"] for key in found["keys"]} == dict.fromkeys(KEYS, "ok")
    [dbt] = [key for key in found["keys"] if key["key"] == KEYS[0]]
    assert dbt["components"] == ["DbtProjectComponent src/jaffle/defs/shop/defs.yaml:1"]

    record = json.loads((project / STATE / "DbtProjectComponent__dbt__/.statebake.json").read_text())
    assert record["host"] == found["host"]
    listed = run(
        [dagster_python("1.12").parent / "dagster", "asset", "list", "-m", "jaffle.definitions"],
        cwd=project,
        env={"PYTHONPATH": str(project / "src"), "HOME": str(tmp_path)},
    ).ok()
    assert assets(listed.out) >= DBT_ASSETS | OWN_ASSETS | {"weather/fjellgard"}
