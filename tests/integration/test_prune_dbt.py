"""Pruning what a real refresh of a real dbt project left, on real Dagster."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from statebake.hygiene import scrub
from statebake.model.record import read_record
from statebake.refresh.prune import prune
from support.cli import run, statebake
from support.dagster import dagster_python
from support.pexes import copy_example
from support.trees import read_tree, write_tree

KEY = "DbtProjectComponent[dbt]"
KEY_DIR = "src/jaffle/defs/.local_defs_state/DbtProjectComponent__dbt__"
DBT_ASSETS = {
    *("raw_customers", "raw_orders", "raw_payments"),
    *("stg_customers", "stg_orders", "stg_payments"),
    *("customers", "orders", "daily_revenue"),
}
ENV = {"STATEBAKE_PYTHON": str(dagster_python("1.13"))}
PLANTED = {
    ".venv/pyvenv.cfg": "home = /usr/bin\n",
    ".venv/lib/python3.12/site-packages/dbt/include/global_project/dbt_project.yml": "name: dbt\n",
    ".env": "TOKEN=hunter2\n",
    ".user.yml": "id: 0\n",
    "logs/dbt.log": "log\n",
    "target/dbt.log": "log\n",
    "target/compiled/jaffle/models/marts/orders.sql": "select 1\n",
    "target/run/jaffle/models/marts/orders.sql": "create table\n",
}
# Loads the definitions, as a deployed program does, and builds one model from the state's own copy of the project.
LOAD = """
import json
from pathlib import Path
import dagster as dg
from jaffle.definitions import defs

loaded = defs() if callable(defs) else defs
graph = loaded.resolve_asset_graph()
keys = sorted(key.to_user_string() for key in graph.get_all_asset_keys())
job = loaded.resolve_implicit_global_asset_job_def()
wanted = [dg.AssetKey(["raw_orders"]), dg.AssetKey(["stg_orders"])]
with dg.instance_for_test() as instance:
    result = job.get_subset(asset_selection=set(wanted)).execute_in_process(instance=instance)
Path("answer.json").write_text(json.dumps({"assets": keys, "built": result.success}))
"""


@pytest.mark.needs("dagster-1.13")
def test_a_pruned_project_loads_and_runs(tmp_path):
    """What is pruned from a real dbt key directory is what was planted; the definitions load, and dbt runs, without.

    A refresh prunes by itself, and ``!pattern`` keeps something. What a scrub changes is no matter either.
    """
    project = copy_example("jaffle", tmp_path / "jaffle")
    write_tree(project / "dbt", PLANTED)
    (project / "statebake.toml").write_text('exclude = ["!**/.user.yml"]\n')
    command = ("refresh", "--project", project, "--key", KEY)
    statebake(*command, cwd=tmp_path, env={**ENV, "WEATHER_URL": "http://127.0.0.1:9"}).ok()
    key_dir = project / KEY_DIR
    assert read_record(key_dir) is not None
    kept = {name for name in read_tree(key_dir) if name.removeprefix("project/") in PLANTED}
    assert kept == {"project/.user.yml"}
    write_tree(key_dir / "project", PLANTED)
    write_tree(key_dir / "project/.git", {"config": "url = https://hunter2@example.com/x\n"})  # as a clone leaves it
    before = read_tree(key_dir)
    assert {f"project/{name}" for name in PLANTED} <= set(before)

    report = prune(key_dir, [])

    left = read_tree(key_dir)
    gone = set(before) - set(left)
    roots = {"/".join(name.split("/")[1:3]) if "/target/" in name else name.split("/")[1] for name in gone}
    assert roots == {".venv", ".git", ".env", ".user.yml", "logs", "target/dbt.log", "target/compiled", "target/run"}
    assert left == {name: content for name, content in before.items() if name not in gone}
    assert {"project/target/manifest.json", "project/target/partial_parse.msgpack", "project/profiles.yml"} <= set(left)
    assert report.files == len(gone)

    remote = "https://{}git.shop.internal/shop.git"
    git = {
        "HEAD": "ref: refs/heads/main\n",
        "objects/x": "",
        "config": f"[remote]\n\turl = {remote.format('loader:s3cr3t9@')}\n",
    }
    write_tree(key_dir / "project/.git", git)  # as it is kept by an `exclude` of "!**/.git"
    assert scrub(key_dir) == ("project/.git/config",)
    assert "url = https://git.shop.internal/shop.git" in (key_dir / "project/.git/config").read_text()

    shutil.rmtree(project / "dbt")  # only the state is left to load from
    assert load(project) == {"assets": DBT_ASSETS, "built": True}


def load(project: Path) -> dict:
    env = {
        "PYTHONPATH": str(project / "src"),
        "PATH": f"{dagster_python('1.13').parent}:/usr/bin:/bin",
        "WEATHER_URL": "http://127.0.0.1:9",
        "JAFFLE_DUCKDB": str(project / "jaffle.duckdb"),
        "DAGSTER_HOME": None,
    }
    run([dagster_python("1.13"), "-c", LOAD], cwd=project, env=env).ok()
    answer = json.loads((project / "answer.json").read_text())
    return {**answer, "assets": DBT_ASSETS & set(answer["assets"])}
