"""Projects as Dagster's own tools make them, unmodified, with a state-backed component of the user's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.cli import run, statebake
from support.dagster import dagster_python
from support.pexes import OFFLINE, bake, digests, distributions, run_pex, state_in
from support.trees import read_tree, write_tree

PYTHON = {"STATEBAKE_PYTHON": str(dagster_python("1.13"))}

COMPONENT = """
    import json
    import os
    from pathlib import Path

    import dagster as dg
    from dagster.components import DefsStateConfig, DefsStateConfigArgs


    class Tables(dg.StateBackedComponent, dg.Model, dg.Resolvable):
        database: str

        @property
        def defs_state_config(self) -> DefsStateConfig:
            args = DefsStateConfigArgs.local_filesystem()
            return DefsStateConfig.from_args(args, default_key=f"Tables[{self.database}]")

        def write_state_to_path(self, state_path: Path) -> None:
            state_path.write_text(Path(os.environ["CATALOG"]).read_text())

        def build_defs_from_state(self, context, state_path):
            if state_path is None:
                return dg.Definitions()
            return dg.Definitions(assets=[self.table(name) for name in json.loads(state_path.read_text())])

        def table(self, name):
            @dg.asset(key=[self.database, name])
            def load(): ...

            return load
"""


def create(what, path):
    """Run ``create-dagster`` as the documentation says, without letting uv install the project."""
    tool = dagster_python("1.13").parent / "create-dagster"
    env = {"HOME": str(path.parent), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    run([tool, what, "--no-uv-sync", path], cwd=path.parent, env=env).ok()
    return path


def add_component(project, database):
    """Add what a user writes: a component class and its declaration."""
    package = project.name
    return write_tree(
        project,
        {
            f"src/{package}/components/__init__.py": "",
            f"src/{package}/components/tables.py": COMPONENT,
            f"src/{package}/defs/catalog/defs.yaml": f"""
                type: {package}.components.tables.Tables

                attributes:
                  database: {database}
            """,
        },
    )


def state_of(project):
    return read_tree(project / "src" / project.name / "defs/.local_defs_state")


@pytest.fixture
def catalog(tmp_path):
    """What the component fetches from."""
    path = tmp_path / "catalog.json"
    path.write_text('["orders", "customers"]')
    return path


@pytest.mark.needs("dagster-1.13", "namespaces")
def test_project(tmp_path, catalog):
    """A scaffolded project is refreshed, checked and baked as it is; moved away and offline, its PEX has the assets."""
    project = add_component(create("project", tmp_path / "warehouse"), "lake")
    files = read_tree(project)
    env = {**PYTHON, "CATALOG": str(catalog)}
    assert statebake("check", cwd=project, env=PYTHON).code == 3  # no state yet, and said so
    statebake("refresh", cwd=project / "src", env=env).ok()
    catalog.unlink()
    statebake("check", cwd=project, env=PYTHON).ok()
    assert {name: text for name, text in read_tree(project).items() if ".local_defs_state" not in name} == files

    before = digests(state_of(project))
    quick = "--pex-arg=--no-compress"  # a third of the test; the examples are compressed, as by default
    report = bake(project, tmp_path / "warehouse.pex", "--no-refresh", quick, env=PYTHON).ok().json["projects"][0]
    assert [record["key"] for record in report["pex"]["manifest"]["keys"]] == ["Tables[lake]"]
    elsewhere = shutil.copytree(project, tmp_path / "else where" / "warehouse")
    again = bake(elsewhere, tmp_path / "again.pex", "--no-refresh", quick, env=PYTHON).ok().json["projects"][0]
    assert again["pex"]["dependencies"]["reused"] is True
    assert (tmp_path / "again.pex").read_bytes() == (tmp_path / "warehouse.pex").read_bytes()

    shutil.rmtree(elsewhere)
    project.rename(tmp_path / "moved away")
    assert digests(state_in(tmp_path / "warehouse.pex")) == before
    assert not {"warehouse", "statebake"} & set(distributions(tmp_path / "warehouse.pex"))
    listed = run_pex(
        tmp_path / "warehouse.pex",
        *("asset", "list", "-m", "warehouse.definitions"),
        home=tmp_path / "home",
        prefix=OFFLINE,
    ).ok()
    assert listed.out.split() == ["lake/customers", "lake/orders"]


@pytest.mark.needs("dagster-1.13")
def test_workspace(tmp_path, catalog):
    """In a workspace's root every project is refreshed; inside one of them, that one alone."""
    root = create("workspace", tmp_path / "estate")
    sales = add_component(create("project", root / "projects/sales"), "mart")
    stock = add_component(create("project", root / "projects/stock"), "depot")
    env = {**PYTHON, "CATALOG": str(catalog)}

    statebake("refresh", cwd=sales / "src", env=env).ok()
    assert set(digests(state_of(sales))) == {"Tables__mart__"}
    assert not state_of(stock)
    assert statebake("check", cwd=root, env=PYTHON).code == 3

    report = statebake("refresh", "--format", "json", cwd=root, env=env).ok().json
    outcomes = {
        found["project"]: {key["key"]: key["outcome"] for key in found["refresh"]["keys"]}
        for found in report["projects"]
    }
    assert outcomes == {"sales": {"Tables[mart]": "unchanged"}, "stock": {"Tables[depot]": "updated"}}
    checked = statebake("check", "--format", "json", cwd=root, env=PYTHON).ok().json
    assert [found["check"] for found in checked["projects"]] == [{"ok": True, "keys": 1, "findings": []}] * 2

    planned = statebake("bake", "pex", "--dry-run", "--format", "json", cwd=root, env=PYTHON).ok().json
    outputs = [Path(found["bake_plan"]["output"]) for found in planned["projects"]]
    assert outputs == [sales / "dist/sales.pex", stock / "dist/stock.pex"]
